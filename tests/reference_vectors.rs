//! Networks against float64 values of an independent automatic-differentiation system (JAX 0.10, CPU), tensor by tensor.
//!
//! `tests/data/reference` holds one safetensors file for each case; its key `case` says what the problem is. Kept small: the
//! network of the paper's size (81 402 parameters) is read from the shared folder, where there is one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/case.rs"]
mod case;
mod common;

use blo::hypergradient::{Estimator, Unrolled, Workspace, evaluate};
use blo::problem::Problem;
use blo::problem::mlp::{Mlp, Model};
use blo::solve::{OnGrowth, Spectral, Step};
use blo::{Inverse, Scalar};
use case::{Case, Parts, Seen, read, small};
use common::cast;
use std::path::Path;

fn network<T: Scalar>(case: &Case) -> Mlp<T> {
    let Parts { widths, activation, loss, kind, inner, outer, reduction, l2 } = case.parts();
    let model = Model::new(&widths, activation, loss).unwrap();
    Mlp::new(model, kind, inner, outer, reduction, l2).unwrap()
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
        seen.check(&format!("hypergrad_neumann_{terms}"), ws.gradient(), tolerance * case.growth(terms).min(10.0));
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
        let (problem, mut seen) = (network::<f64>(&case), Seen::new(&case));
        products(&case, &problem, &mut seen, 1e-13);
        series_and_unrolls(&case, &problem, &mut seen, 1e-11);
        inverses(&case, &problem, &mut seen);
        seen.complete(|_| false);
    }
}

#[test]
fn products_series_and_unrolls_in_f32() {
    for case in small() {
        let (problem, mut seen) = (network::<f32>(&case), Seen::new(&case));
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
    let (problem, mut seen) = (network::<f64>(&case), Seen::new(&case));
    products(&case, &problem, &mut seen, 1e-13);
    series_and_unrolls(&case, &problem, &mut seen, 1e-11);
    seen.complete(|_| false);
    let (problem, mut seen) = (network::<f32>(&case), Seen::new(&case));
    products(&case, &problem, &mut seen, 2e-5);
    series_and_unrolls(&case, &problem, &mut seen, 2e-4);
    seen.complete(|_| false);
}
