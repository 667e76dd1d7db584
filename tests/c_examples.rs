//! The examples in C and C++ give the hypergradients of Rust, to the last bit.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(unix)]

use blo::hypergradient::{Workspace, evaluate, influence};
use blo::optimize::State;
use blo::problem::mlp::{self, Activation, Mlp, Model, OuterParameters};
use blo::problem::{Examples, L2, Loss, Problem, Reduction, Regression, UserProblem};
use blo::solve::{OnGrowth, Step};
use blo::{Estimator, Inverse, Rule};
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compiles an example with the static library, runs it, and reads the numbers behind `name`.
fn printed(source: &str, name: &str) -> Vec<f64> {
    let cpp = source.ends_with("cpp");
    let (variable, usual, standard) = if cpp { ("CXX", "c++", "-std=c++17") } else { ("CC", "cc", "-std=c99") };
    let here = env::current_exe().unwrap();
    let library =
        here.ancestors().skip(1).take(2).map(|at| at.join("libblo.a")).find(|path| path.is_file()).expect("libblo.a");
    let program: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join(source.replace(['/', '.'], "_"));
    let output = Command::new(env::var_os(variable).unwrap_or_else(|| usual.into()))
        .args([standard, "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Iinclude", "-Ibindings/cpp", source])
        .arg(library)
        .args(["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-lc", "-o"])
        .arg(&program)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = Command::new(program).current_dir(root()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name} in {text}"));
    line.split_whitespace().map(hexadecimal).collect()
}

/// C's %a: -0x1.8p+1.
fn hexadecimal(text: &str) -> f64 {
    let (sign, rest) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    let (digits, exponent) = rest.strip_prefix("0x").unwrap().split_once('p').unwrap();
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mantissa = u64::from_str_radix(&format!("{whole}{fraction}"), 16).unwrap() as f64;
    sign * mantissa * 2.0_f64.powi(exponent.parse::<i32>().unwrap() - 4 * fraction.len() as i32)
}

fn hypergradient<P: Problem<f64, Points = blo::solve::Flat>>(
    problem: &P,
    estimator: impl Into<Estimator>,
    u: Vec<f64>,
    w: Vec<f64>,
) -> Vec<f64> {
    let mut workspace = Workspace::new(problem);
    evaluate(problem, &estimator.into(), &u, &w, &mut workspace).unwrap();
    workspace.gradient().clone()
}

#[test]
fn a_problem_of_ones_own() {
    const X: [[f64; 5]; 3] = [[1.0, -1.0, 1.0, -1.0, 1.0], [1.0, 0.5, 0.25, 0.125, 0.0625], [1.0; 5]];
    const Z: [f64; 5] = [1.0, 0.25, 0.0625, 0.015625, 0.00390625];
    fn apply(v: &[f64], out: &mut [f64]) {
        for (out, row) in out.iter_mut().zip(&X) {
            *out = row.iter().zip(v).fold(0.0, |sum, (x, v)| sum + x * v);
        }
    }
    fn apply_transpose(r: &[f64], out: &mut [f64]) {
        for (j, out) in out.iter_mut().enumerate() {
            *out = X.iter().zip(r).fold(0.0, |sum, (row, r)| sum + row[j] * r);
        }
    }
    let problem = UserProblem::new(
        3,
        5,
        |u: &[f64], w: &[f64], g: &mut [f64]| {
            let mut r = [0.0; 3];
            apply(w, &mut r);
            r.iter_mut().zip(u).for_each(|(r, u)| *r -= u);
            apply_transpose(&r, g);
            Ok(r.iter().map(|r| 0.5 * r * r).sum())
        },
        |_: &[f64], w: &[f64], _: &mut [f64], g: &mut [f64]| {
            let r = Z.iter().zip(w).fold(-1.0, |sum, (z, w)| sum + z * w);
            g.iter_mut().zip(Z).for_each(|(g, z)| *g = r * z);
            Ok(0.5 * r * r)
        },
        |_: &[f64], _: &[f64], v: &[f64], out: &mut [f64]| {
            let mut r = [0.0; 3];
            apply(v, &mut r);
            apply_transpose(&r, out);
            Ok(())
        },
        |_: &[f64], _: &[f64], v: &[f64], out: &mut [f64]| {
            apply(v, out);
            out.iter_mut().for_each(|x| *x = -*x);
            Ok(())
        },
    );
    let w = vec![0.125, 0.5, -0.5, 1.0, 0.25];
    let expected = hypergradient(&problem, Inverse::neumann(20, 0.125), vec![0.5, -0.25, 2.0], w);
    assert_eq!(printed("bindings/c/examples/loops.c", "hypergradient"), expected);
    assert_eq!(printed("bindings/cpp/examples/loops.cpp", "hypergradient"), expected);
}

#[test]
fn distillation() {
    let (mut x, mut t) = (vec![], vec![]);
    for i in 0..40 {
        let (a, side) = (f64::from(i / 2) / 10.0 - 1.0, if i % 2 == 1 { 1.0 } else { -1.0 });
        x.extend([a, side * (1.0 - 0.5 * a * a) + 0.25 * a]);
        t.extend(if i % 2 == 0 { [1.0, 0.0] } else { [0.0, 1.0] });
    }
    let model = Model::new(&[2, 8, 2], Activation::Tanh, mlp::Loss::CrossEntropy).unwrap();
    let w = (0..model.parameters()).map(|i| ((i * 37) % 17) as f64 / 8.0 - 1.0).collect();
    let inner = Examples { design: vec![], features: 2, targets: vec![1.0, 0.0, 0.0, 1.0] };
    let outer = Examples { design: x, features: 2, targets: t };
    let problem = Mlp::new(model, OuterParameters::Inputs, inner, outer, Reduction::Mean, 0.0078125).unwrap();
    let neumann = Inverse::Neumann { terms: 10, step: Step::Fixed(0.25), on_growth: OnGrowth::Continue };
    let expected = hypergradient(&problem, neumann, vec![0.5, -0.25, -0.5, 0.25], w);
    assert_eq!(printed("bindings/c/examples/distillation.c", "hypergradient"), expected);
}

/// As `table.h` reads it: training and validation rows.
fn table() -> [Examples<f64>; 2] {
    let text = std::fs::read_to_string(root().join("bindings/c/examples/breast_cancer.csv")).unwrap();
    let mut rows: Vec<Vec<f64>> =
        text.lines().skip(1).map(|line| line.split(',').map(|cell| cell.parse().unwrap()).collect()).collect();
    let (count, features) = (rows.len() as f64, rows[0].len());
    for j in 0..features - 1 {
        let mean = rows.iter().fold(0.0, |sum, row| sum + row[j]) / count;
        let square = rows.iter().fold(0.0, |sum, row| sum + (row[j] - mean) * (row[j] - mean));
        rows.iter_mut().for_each(|row| row[j] = (row[j] - mean) / (square / count).sqrt());
    }
    let mut parts = [(); 2].map(|()| Examples { design: vec![], features, targets: vec![] });
    for (i, row) in rows.iter().enumerate() {
        let part = &mut parts[i % 2];
        part.design.extend_from_slice(&row[..features - 1]);
        part.design.push(1.0);
        part.targets.push(row[features - 1]);
    }
    parts
}

#[test]
fn penalties() {
    let [train, validation] = table();
    let features = train.features;
    let problem = Regression::log_l2(Loss::Logistic, L2::PerFeature, train, validation, Reduction::Mean).unwrap();
    let w = (0..features as i32).map(|i| f64::from(i * 7 % 5 - 2) / 8.0).collect();
    let cg = Inverse::Cg { iterations: 100, tolerance: 1e-10 };
    let expected = hypergradient(&problem, cg, vec![-2.0; features], w);
    let found = printed("bindings/c/examples/penalties.c", "hypergradient");
    assert_eq!(found, expected);
    assert!(found.iter().filter(|g| **g != 0.0).count() > 20, "{found:?}");
}

#[test]
fn scores() {
    let [mut train, validation] = table();
    train.targets.iter_mut().step_by(10).for_each(|t| *t = 1.0 - *t);
    let (features, rows) = (train.features, train.targets.len());
    let problem = Regression::raw_l2(Loss::Logistic, L2::Scalar, train, validation, Reduction::Mean).unwrap();
    let (u, rule, space) = (vec![0.03125], Rule::descent(0.25), blo::solve::Flat::new(features));
    let mut state = State::new::<f64, _>(&rule, &space);
    let (mut at, mut gradient) = (problem.workspace(), vec![0.0; features]);
    for _ in 0..2000 {
        problem.inner(&mut at, &u, &state.x, &mut gradient).unwrap();
        state.step::<f64, _>(&rule, &space, &gradient);
    }
    let exact = Inverse::MinNorm { cutoff: None, by: blo::solve::Spectral::LANCZOS };
    let mut expected = vec![0.0; rows];
    influence(&problem, &exact.into(), &u, &state.x, &mut Workspace::new(&problem), &mut expected).unwrap();
    assert_eq!(printed("bindings/c/examples/influence.c", "influence"), expected[..5]);
}
