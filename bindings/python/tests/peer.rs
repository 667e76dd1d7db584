//! The Rust side of the Python package's tests and bench: the same problems, the hypergradients' bits, and times.
//!
//! Reads lines: `bits NAME` prints bit patterns in hexadecimal, `time NAME CALLS` the nanoseconds that so many calls take.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use blo::bilevel::{InnerSolve, Runner, Settings, Start};
use blo::hypergradient::{self, Unrolled};
use blo::problem::mlp::{Activation, Init, Loss, Mlp, Model, OuterParameters};
use blo::problem::{Examples, InnerTerms, OuterTerms, Quadratic, Reduction, one_hot};
use blo::solve::Spectral;
use blo::{Estimator, Inverse, Rule, Scalar};
use std::hint::black_box;
use std::io::{BufRead, Write};
use std::time::Instant;

const N: usize = 20;
const RINGS: usize = 200;

/// Numbers between −1 and 1, exact in single precision.
fn numbers<T: Scalar>(count: usize, seed: u64) -> Vec<T> {
    let mut state = 2 * seed + 1;
    let next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        T::from_f64((state >> 40) as f64 / (1u64 << 23) as f64 - 1.0)
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn quadratic<T: Scalar>() -> Quadratic<T> {
    let x = numbers::<T>(N * N, 1);
    let entry = |i: usize, j: usize| {
        let value = x[i.min(j) * N + i.max(j)];
        if i == j { T::from_f64(2.0) + value } else { value * T::from_f64(1.0 / 64.0) }
    };
    let a = (0..N * N).map(|k| entry(k / N, k % N)).collect();
    let p = (0..N * N).map(|k| if k / N == k % N { T::ONE } else { T::ZERO }).collect();
    let zeros = vec![T::ZERO; N];
    let c = vec![T::ZERO; N * N];
    let inner = InnerTerms { a, b: numbers(N * N, 2), c, d: zeros.clone(), e: zeros, constant: T::ZERO };
    Quadratic::new(N, N, inner, OuterTerms { p, f: numbers(N, 3), h: T::ZERO }).unwrap()
}

fn estimators() -> Vec<Estimator> {
    let neumann = |terms| Estimator::from(Inverse::neumann(terms, 0.3));
    vec![
        neumann(0),
        neumann(10),
        Inverse::MinNorm { cutoff: None, by: Spectral::LANCZOS }.into(),
        Inverse::MinNorm { cutoff: None, by: Spectral::Dense }.into(),
        Inverse::Damped { epsilon: 0.1, by: Spectral::LANCZOS }.into(),
        Inverse::Cg { iterations: 7, tolerance: 0.0 }.into(),
        Estimator::Unrolled(Unrolled::descent(5, 0.3)),
    ]
}

fn hypergradients<T: Scalar>(bits: impl Fn(T) -> u64) {
    let problem = quadratic::<T>();
    let mut workspace = hypergradient::Workspace::new(&problem);
    let (u, w) = (numbers::<T>(N, 4), numbers::<T>(N, 5));
    for estimator in estimators() {
        hypergradient::evaluate(&problem, &estimator, &u, &w, &mut workspace).unwrap();
        print(workspace.gradient().iter().map(|&g| bits(g)));
    }
}

fn print(bits: impl Iterator<Item = u64>) {
    let words: Vec<String> = bits.map(|bits| format!("{bits:x}")).collect();
    println!("{}", words.join(" "));
}

/// A step of figure 7: two learned points, two rings.
fn rings() -> (Mlp<f32>, Settings, Vec<f32>, Vec<f32>) {
    let model = Model::new(&[2, 200, 200, 200, 2], Activation::Relu, Loss::CrossEntropy).unwrap();
    let w = model.initial(Init::Glorot, 7);
    let labels: Vec<usize> = (0..RINGS).map(|i| i % 2).collect();
    let inner = Examples { design: Vec::new(), features: 2, targets: one_hot(&[0, 1], 2).unwrap() };
    let outer = Examples { design: numbers(2 * RINGS, 8), features: 2, targets: one_hot(&labels, 2).unwrap() };
    let problem = Mlp::new(model, OuterParameters::Inputs, inner, outer, Reduction::Mean, 0.0).unwrap();
    let estimator = Estimator::Unrolled(Unrolled::descent(1, 0.001));
    let settings = Settings::new(Start::Warm, InnerSolve::descent(0.001, 1), estimator, Rule::adam(0.01));
    (problem, settings, numbers(4, 9), w)
}

fn main() {
    let problem = quadratic::<f64>();
    let mut workspace = hypergradient::Workspace::new(&problem);
    let (u, w) = (numbers::<f64>(N, 4), numbers::<f64>(N, 5));
    let estimator = Estimator::from(Inverse::neumann(10, 0.3));
    let (network, settings, points, parameters) = rings();
    let mut runner = Runner::new(&network, settings, &points, &parameters).unwrap();
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["bits", "f64"] => hypergradients::<f64>(f64::to_bits),
            ["bits", "f32"] => hypergradients::<f32>(|value| u64::from(value.to_bits())),
            ["bits", "ring"] => {
                let (network, settings, points, parameters) = rings();
                let mut runner = Runner::new(&network, settings, &points, &parameters).unwrap();
                for _ in 0..20 {
                    runner.outer_step().unwrap().unwrap();
                    print(runner.hypergradient().iter().map(|g| u64::from(g.to_bits())));
                }
                print(runner.u().iter().chain(runner.w()).map(|x| u64::from(x.to_bits())));
            }
            ["time", "hypergradient", calls] => {
                let calls: usize = calls.parse().unwrap();
                let start = Instant::now();
                for _ in 0..calls {
                    let (u, w) = (black_box(&u), black_box(&w));
                    hypergradient::evaluate(&problem, &estimator, u, w, &mut workspace).unwrap();
                    black_box(workspace.gradient());
                }
                println!("{}", start.elapsed().as_nanos());
            }
            ["time", "ring", calls] => {
                let calls: usize = calls.parse().unwrap();
                let start = Instant::now();
                for _ in 0..calls {
                    runner.outer_step().unwrap().unwrap();
                }
                println!("{}", start.elapsed().as_nanos());
            }
            _ => panic!("not known: {line}"),
        }
        std::io::stdout().flush().unwrap();
    }
}
