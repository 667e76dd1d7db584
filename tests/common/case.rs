//! The cases of `tests/data/reference`, and a list of what has been compared with them.
#![allow(dead_code)]

use crate::common::{cast, distance, norm};
use blo::Scalar;
use blo::problem::mlp::{Activation, Groups, Loss, OuterParameters};
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

    /// By how much K steps of the series can amplify rounding: max(|1 − alpha λ|, 1)ᴷ.
    pub fn growth(&self, terms: f64) -> f64 {
        let alpha = self.number("alpha");
        let of = |value: f64| (1.0 - alpha * value).abs().max(1.0).powf(terms);
        self.tensors
            .get("eigenvalues_H")
            .map_or(1.0, |values| values.iter().map(|&value| of(value)).fold(1.0, f64::max))
    }

    /// What a network problem is made of.
    pub fn parts<T: Scalar>(&self) -> Parts<T> {
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
        let get = |name: &str| self.tensors.get(name).map(|values| cast(values));
        let inner = Examples {
            design: get("x_inner").unwrap_or_default(),
            features,
            targets: get("y_inner").unwrap_or(vec![T::ZERO; rows * outputs]),
        };
        let outer = Examples { design: get("x_outer").unwrap(), features, targets: get("y_outer").unwrap() };
        Parts { widths, activation, loss, kind, inner, outer, reduction, l2: self.number("l2") }
    }
}

pub struct Parts<T> {
    pub widths: Vec<usize>,
    pub activation: Activation,
    pub loss: Loss,
    pub kind: OuterParameters,
    pub inner: Examples<T>,
    pub outer: Examples<T>,
    pub reduction: Reduction,
    pub l2: f64,
}

pub fn small() -> Vec<Case> {
    // Elsewhere than where it was built: see scripts/gpu-check.
    let root = std::env::var_os("BLO_ROOT").map_or(env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let folder = root.join("tests/data/reference");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let cases: Vec<Case> = paths.iter().map(|path| read(path)).collect();
    assert_eq!(cases.len(), 9);
    cases
}

/// What has been compared, so that nothing is left out.
pub struct Seen<'a> {
    pub case: &'a Case,
    pub names: Vec<String>,
}

impl<'a> Seen<'a> {
    pub fn new(case: &'a Case) -> Seen<'a> {
        Seen { case, names: Vec::new() }
    }

    /// Relative to the largest of the expected values' norm and `scale`.
    pub fn check<T: Scalar>(&mut self, name: &str, found: &[T], tolerance: f64) {
        let expected = self.case.tensor(name);
        assert_eq!(found.len(), expected.len(), "{} of {}", name, self.case.name);
        let error = distance(found, expected) / norm(expected).max(f64::MIN_POSITIVE);
        assert!(error <= tolerance, "{name} of {}: {error:e} above {tolerance:e}", self.case.name);
        self.names.push(name.to_string());
    }

    /// Each tensor that is neither input nor looked at is a gap in this test.
    pub fn complete(self, left_out: impl Fn(&str) -> bool) {
        const GIVEN: [&str; 9] =
            ["u", "w", "v", "du", "x_inner", "y_inner", "x_outer", "y_outer", "pinv_cutoff_relative"];
        for name in self.case.tensors.keys() {
            let known = GIVEN.contains(&name.as_str()) || self.names.contains(name) || left_out(name);
            assert!(known, "{name} of {} was not compared", self.case.name);
        }
    }
}
