//! The cases of `tests/data/reference`: see `tests/reference_vectors.rs`.

use crate::common::cast;
use blo::Scalar;
use blo::cpu::Activation;
use blo::cuda::{Device, Mlp, Network};
use blo::problem::mlp::{Groups, Loss, OuterParameters};
use blo::problem::{Examples, Reduction};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

pub struct Case {
    pub name: String,
    pub meta: serde_json::Value,
    pub tensors: BTreeMap<String, Vec<f64>>,
}

/// The safetensors format: the header's length (8 bytes, little-endian), the header (JSON), the data.
pub fn read(path: &Path) -> Case {
    let bytes = fs::read(path).unwrap();
    let split = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&bytes[8..split]).unwrap();
    let mut tensors = BTreeMap::new();
    for (name, entry) in &header {
        if name == "__metadata__" {
            continue;
        }
        let offset = |i: usize| split + entry["data_offsets"][i].as_u64().unwrap() as usize;
        let words = bytes[offset(0)..offset(1)].chunks_exact(8);
        let values = match entry["dtype"].as_str().unwrap() {
            "F64" => words.map(|word| f64::from_le_bytes(word.try_into().unwrap())).collect(),
            "I64" => words.map(|word| i64::from_le_bytes(word.try_into().unwrap()) as f64).collect(),
            other => panic!("{other} in {path:?}"),
        };
        tensors.insert(name.clone(), values);
    }
    let meta = serde_json::from_str(header["__metadata__"]["case"].as_str().unwrap()).unwrap();
    Case { name: path.file_stem().unwrap().to_string_lossy().into_owned(), meta, tensors }
}

impl Case {
    pub fn number(&self, key: &str) -> f64 {
        self.meta[key].as_f64().unwrap()
    }

    pub fn text(&self, key: &str) -> &str {
        self.meta[key].as_str().unwrap()
    }

    pub fn list(&self, key: &str) -> Vec<f64> {
        self.meta[key].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
    }

    pub fn tensor(&self, name: &str) -> &[f64] {
        self.tensors.get(name).unwrap_or_else(|| panic!("{name} in {}", self.name))
    }

    pub fn problem<T: Scalar>(&self, device: &Device) -> Mlp<T> {
        let widths: Vec<usize> = self.list("sizes").iter().map(|&size| size as usize).collect();
        let activation = match self.text("activation") {
            "identity" => Activation::Identity,
            "relu" => Activation::Relu,
            "tanh" => Activation::Tanh,
            "softplus" => Activation::Softplus,
            "gelu" => Activation::Gelu,
            "silu" => Activation::Silu,
            other => panic!("{other}"),
        };
        let loss = match self.text("loss") {
            "softmax_cross_entropy" => Loss::CrossEntropy,
            "squared_error" => Loss::SquaredError,
            other => panic!("{other}"),
        };
        let kind = match self.text("outer_parameters") {
            "inputs" => OuterParameters::Inputs,
            "targets" => OuterParameters::Targets,
            "inputs_and_label_logits" => OuterParameters::InputsAndLabelLogits,
            "log_l2_scalar" => OuterParameters::LogL2(Groups::Scalar),
            "log_l2_per_layer" => OuterParameters::LogL2(Groups::PerLayer),
            "log_l2_per_parameter" => OuterParameters::LogL2(Groups::PerParameter),
            "example_weight_logits" => OuterParameters::ExampleWeightLogits,
            "linear_augmentation" => OuterParameters::LinearAugmentation,
            "proximal_centre" => OuterParameters::ProximalCentre { weight: self.number("proximal_weight") },
            other => panic!("{other}"),
        };
        let reduction = if self.text("reduction") == "sum" { Reduction::Sum } else { Reduction::Mean };
        let (features, outputs) = (widths[0], *widths.last().unwrap());
        let rows = self.number("n_inner") as usize;
        let network = Network { widths: &widths, activation, loss };
        let get = |name: &str| self.tensors.get(name).map(|values| cast(values));
        let inner = Examples {
            design: get("x_inner").unwrap_or_default(),
            features,
            targets: get("y_inner").unwrap_or(vec![T::ZERO; rows * outputs]),
        };
        let outer = Examples { design: get("x_outer").unwrap(), features, targets: get("y_outer").unwrap() };
        Mlp::new(device, network, kind, inner, outer, reduction, self.number("l2")).unwrap()
    }
}

pub fn small() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/reference");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let cases: Vec<Case> = paths.iter().map(|path| read(path)).collect();
    assert_eq!(cases.len(), 9);
    cases
}
