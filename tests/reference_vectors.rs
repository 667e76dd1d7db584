//! Networks against float64 values of an independent automatic-differentiation system (JAX 0.10, CPU), tensor by tensor.
//!
//! `tests/data/reference` holds one safetensors file for each case; its key `case` says what the problem is. Kept small: the
//! network of the paper's size (81 402 parameters) is read from the shared folder, where there is one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use blo::hypergradient::{Estimator, Unrolled, Workspace, evaluate};
use blo::problem::mlp::{Activation, Groups, Loss, Mlp, Model, OuterParameters};
use blo::problem::{Examples, Problem, Reduction};
use blo::solve::{OnGrowth, Spectral, Step};
use blo::{Inverse, Scalar};
use common::{cast, distance, norm};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

struct Case {
    name: String,
    meta: serde_json::Value,
    tensors: BTreeMap<String, Vec<f64>>,
}

/// The safetensors format: the header's length (8 bytes, little-endian), the header (JSON), the data.
fn read(path: &Path) -> Case {
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
    fn number(&self, key: &str) -> f64 {
        self.meta[key].as_f64().unwrap()
    }

    fn text(&self, key: &str) -> &str {
        self.meta[key].as_str().unwrap()
    }

    fn list(&self, key: &str) -> Vec<f64> {
        self.meta[key].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
    }

    fn tensor(&self, name: &str) -> &[f64] {
        self.tensors.get(name).unwrap_or_else(|| panic!("{name} in {}", self.name))
    }

    fn problem<T: Scalar>(&self) -> Mlp<T> {
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
        let model = Model::new(&widths, activation, loss).unwrap();
        let get = |name: &str| self.tensors.get(name).map(|values| cast(values));
        let inner = Examples {
            design: get("x_inner").unwrap_or_default(),
            features,
            targets: get("y_inner").unwrap_or(vec![T::ZERO; rows * outputs]),
        };
        let outer = Examples { design: get("x_outer").unwrap(), features, targets: get("y_outer").unwrap() };
        Mlp::new(model, kind, inner, outer, reduction, self.number("l2")).unwrap()
    }
}

fn small() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/reference");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let cases: Vec<Case> = paths.iter().map(|path| read(path)).collect();
    assert_eq!(cases.len(), 9);
    cases
}

/// What has been compared, so that nothing is left out.
struct Seen<'a> {
    case: &'a Case,
    names: Vec<String>,
}

impl<'a> Seen<'a> {
    fn new(case: &'a Case) -> Seen<'a> {
        Seen { case, names: Vec::new() }
    }

    /// Relative to the largest of the expected values' norm and `scale`.
    fn check<T: Scalar>(&mut self, name: &str, found: &[T], tolerance: f64) {
        let expected = self.case.tensor(name);
        assert_eq!(found.len(), expected.len(), "{} of {}", name, self.case.name);
        let error = distance(found, expected) / norm(expected).max(f64::MIN_POSITIVE);
        assert!(error <= tolerance, "{name} of {}: {error:e} above {tolerance:e}", self.case.name);
        self.names.push(name.to_string());
    }

    /// Each tensor that is neither input nor looked at is a gap in this test.
    fn complete(self, left_out: impl Fn(&str) -> bool) {
        const GIVEN: [&str; 9] =
            ["u", "w", "v", "du", "x_inner", "y_inner", "x_outer", "y_outer", "pinv_cutoff_relative"];
        for name in self.case.tensors.keys() {
            let known = GIVEN.contains(&name.as_str()) || self.names.contains(name) || left_out(name);
            assert!(known, "{name} of {} was not compared", self.case.name);
        }
    }
}

/// Values, gradients and products; returns the workspace at its linearization.
fn products<T: Scalar>(case: &Case, problem: &Mlp<T>, seen: &mut Seen<'_>, tolerance: f64) {
    let [u, w, v, du] = ["u", "w", "v", "du"].map(|name| cast::<T>(case.tensor(name)));
    let mut ws = problem.workspace();
    let [mut of_w, mut of_u] = [vec![T::ZERO; w.len()], vec![T::ZERO; u.len()]];
    let f = problem.inner(&mut ws, &u, &w, &mut of_w).unwrap();
    seen.check("f", &[f], tolerance);
    seen.check("grad_w_f", &of_w, tolerance);
    problem.inner_gradient_u(&mut ws, &u, &w, &mut of_u).unwrap();
    seen.check("grad_u_f", &of_u, tolerance);
    let outer = problem.outer(&mut ws, &u, &w, &mut of_u, &mut of_w).unwrap();
    seen.check("F", &[outer], tolerance);
    seen.check("grad_w_F", &of_w, tolerance);
    problem.linearize(&mut ws, &u, &w).unwrap();
    problem.hvp(&mut ws, &v, &mut of_w).unwrap();
    seen.check("hvp_v", &of_w, tolerance);
    if case.tensors.contains_key("ggn_v") {
        problem.gauss_newton(&mut ws, &v, &mut of_w);
        seen.check("ggn_v", &of_w, tolerance);
    }
    problem.mixed_vjp(&mut ws, &v, &mut of_u).unwrap();
    seen.check("mixed_vjp_v", &of_u, tolerance);
    problem.mixed_jvp(&mut ws, &du, &mut of_w).unwrap();
    seen.check("mixed_jvp_du", &of_w, tolerance);
}

/// By how much K steps of the series can amplify rounding: max(|1 − alpha λ|, 1)ᴷ.
fn growth(case: &Case, terms: f64) -> f64 {
    let alpha = case.number("alpha");
    let of = |value: f64| (1.0 - alpha * value).abs().max(1.0).powf(terms);
    case.tensors.get("eigenvalues_H").map_or(1.0, |values| values.iter().map(|&value| of(value)).fold(1.0, f64::max))
}

fn series_and_unrolls<T: Scalar>(case: &Case, problem: &Mlp<T>, seen: &mut Seen<'_>, tolerance: f64) {
    let [u, w] = ["u", "w"].map(|name| cast::<T>(case.tensor(name)));
    let alpha = case.number("alpha");
    let mut ws = Workspace::new(problem);
    let mut q = vec![T::ZERO; w.len()];
    let run = |estimator: Estimator, ws: &mut Workspace<T, Mlp<T>>| {
        evaluate(problem, &estimator, &u, &w, ws).unwrap();
    };
    for terms in case.list("neumann_terms") {
        let inverse =
            Inverse::Neumann { terms: terms as usize, step: Step::Fixed(alpha), on_growth: OnGrowth::Continue };
        run(inverse.into(), &mut ws);
        ws.lower_q(problem, &mut q).unwrap();
        seen.check(&format!("ihvp_neumann_{terms}"), &q, tolerance);
        seen.check(&format!("hypergrad_neumann_{terms}"), ws.gradient(), tolerance * growth(case, terms).min(10.0));
    }
    for steps in case.list("unroll_steps") {
        let unrolled = Unrolled::descent(steps as usize, alpha);
        run(Estimator::Unrolled(unrolled), &mut ws);
        seen.check(&format!("hypergrad_unrolled_{steps}"), ws.gradient(), tolerance);
        let mut at = problem.workspace();
        let mut x = w.clone();
        for _ in 0..steps as usize {
            problem.inner(&mut at, &u, &x, &mut q).unwrap();
            blo::reference::axpy(T::from_f64(-alpha), &q, &mut x);
        }
        seen.check(&format!("w_after_{steps}"), &x, tolerance);
    }
    for pair in case.meta["truncated"].as_array().unwrap() {
        let [steps, last] = [0, 1].map(|i| pair[i].as_u64().unwrap() as usize);
        let unrolled = Unrolled { last: Some(last), ..Unrolled::descent(steps, alpha) };
        run(Estimator::Unrolled(unrolled), &mut ws);
        seen.check(&format!("hypergrad_truncated_{steps}_{last}"), ws.gradient(), tolerance);
    }
}

/// Where the spectrum is there: eigenvalues, damped and minimum-norm solves, each to c·eps·cond.
fn inverses(case: &Case, problem: &Mlp<f64>, seen: &mut Seen<'_>) {
    let Some(values) = case.tensors.get("eigenvalues_H") else { return };
    let [u, w] = ["u", "w"].map(|name| case.tensor(name).to_vec());
    let mut at = problem.workspace();
    problem.linearize(&mut at, &u, &w).unwrap();
    let mut own = blo::solve::Spectrum::default();
    let (spectrum, _) = problem.spectrum(&mut at, &mut own).unwrap();
    seen.check("eigenvalues_H", spectrum.values(), 1e-12);
    let largest = values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let mut ws = Workspace::new(problem);
    let mut q = vec![0.0; w.len()];
    for by in [Spectral::Dense, Spectral::LANCZOS] {
        for epsilon in case.list("damping") {
            let smallest = values.iter().map(|value| (value + epsilon).abs()).fold(f64::INFINITY, f64::min);
            let tolerance = (1e2 * f64::EPSILON * (largest + epsilon) / smallest).max(1e-12);
            let lenient = if by == Spectral::Dense { tolerance } else { 1e3 * tolerance };
            evaluate(problem, &Inverse::Damped { epsilon, by }.into(), &u, &w, &mut ws).unwrap();
            ws.lower_q(problem, &mut q).unwrap();
            seen.check(&format!("ihvp_damped_{epsilon}"), &q, lenient);
            seen.check(&format!("hypergrad_damped_{epsilon}"), ws.gradient(), lenient);
        }
    }
    let Some(cutoff) = case.tensors.get("pinv_cutoff_relative") else { return };
    let kept = values.iter().filter(|value| value.abs() > cutoff[0] * largest);
    let smallest = kept.clone().fold(f64::INFINITY, |smallest, value| smallest.min(value.abs()));
    seen.check("pinv_rank", &[kept.count() as f64], 0.0);
    let tolerance = (1e2 * f64::EPSILON * largest / smallest).max(1e-12);
    let inverse = Inverse::MinNorm { cutoff: Some(cutoff[0]), by: Spectral::Dense };
    evaluate(problem, &Estimator::Implicit(inverse.into()), &u, &w, &mut ws).unwrap();
    ws.lower_q(problem, &mut q).unwrap();
    seen.check("ihvp_pinv", &q, tolerance);
    seen.check("hypergrad_pinv", ws.gradient(), tolerance);
}

#[test]
fn every_tensor_in_f64() {
    for case in small() {
        let (problem, mut seen) = (case.problem::<f64>(), Seen::new(&case));
        products(&case, &problem, &mut seen, 1e-13);
        series_and_unrolls(&case, &problem, &mut seen, 1e-11);
        inverses(&case, &problem, &mut seen);
        seen.complete(|_| false);
    }
}

#[test]
fn products_series_and_unrolls_in_f32() {
    for case in small() {
        let (problem, mut seen) = (case.problem::<f32>(), Seen::new(&case));
        products(&case, &problem, &mut seen, 2e-5);
        series_and_unrolls(&case, &problem, &mut seen, 2e-4);
        seen.complete(|name| ["damped", "pinv", "eigenvalues"].iter().any(|part| name.contains(part)));
    }
}

#[test]
fn the_network_of_the_papers_size() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/reference/rings_paper_size.safetensors");
    if !path.exists() {
        println!("skipped: no reference values of the paper's network beside this project");
        return;
    }
    let case = read(&path);
    let (problem, mut seen) = (case.problem::<f64>(), Seen::new(&case));
    products(&case, &problem, &mut seen, 1e-13);
    series_and_unrolls(&case, &problem, &mut seen, 1e-11);
    seen.complete(|_| false);
    let (problem, mut seen) = (case.problem::<f32>(), Seen::new(&case));
    products(&case, &problem, &mut seen, 2e-5);
    series_and_unrolls(&case, &problem, &mut seen, 2e-4);
    seen.complete(|_| false);
}
