//! Every estimator on dense quadratics of 20, 200 and 2000 parameters, beside the time it takes to read H once.
//!
//! A product with a dense H reads n² numbers and does two operations with each, so at every size here the limit is the
//! bandwidth of the memory that H lies in; `read_h` measures it in the same run, on as many bytes. K products cannot be
//! faster than K reads.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use blo::hypergradient::{self, Unrolled};
use blo::problem::{InnerTerms, OuterTerms, Quadratic};
use blo::solve::{OnGrowth, Solve, Spectral, Step};
use blo::{Estimator, Inverse, Scalar};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

const ALPHA: f64 = 0.5;

/// H = I/4 + (3/4) v vᵀ/‖v‖² + diagonal spread: symmetric, eigenvalues between 1/4 and about 5/4.
fn quadratic<T: Scalar>(n: usize) -> Quadratic<T> {
    let m = 5;
    let v: Vec<f64> = (0..n).map(|i| ((i * 7919) % 101) as f64 / 50.0 - 1.0).collect();
    let square: f64 = v.iter().map(|v| v * v).sum();
    let element = |i: usize, j: usize| {
        let diagonal = 0.25 + 0.25 * i as f64 / n as f64;
        0.75 * v[i] * v[j] / square + if i == j { diagonal } else { 0.0 }
    };
    let cast = |x: f64| T::from_f64(x);
    let a = (0..n * n).map(|k| cast(element(k / n, k % n))).collect();
    let identity = (0..n * n).map(|k| cast(f64::from(k / n == k % n))).collect();
    let inner = InnerTerms {
        a,
        b: (0..n * m).map(|k| cast(((k * 31) % 17) as f64 / 17.0)).collect(),
        c: vec![T::ZERO; m * m],
        d: vec![T::ONE; n],
        e: vec![T::ZERO; m],
        constant: T::ZERO,
    };
    let outer = OuterTerms { p: identity, f: v.iter().map(|&v| cast(v)).collect(), h: T::ZERO };
    Quadratic::new(n, m, inner, outer).unwrap()
}

/// Reads memory as fast as this machine's vectors do: sums that do not wait for each other.
fn read(words: &[u64]) -> u64 {
    #[inline(always)]
    fn body(words: &[u64]) -> u64 {
        let mut lanes = [0_u64; 64];
        for block in words.as_chunks::<64>().0 {
            for (lane, word) in lanes.iter_mut().zip(block) {
                *lane = lane.wrapping_add(*word);
            }
        }
        lanes.iter().fold(0, |sum, lane| sum.wrapping_add(*lane))
    }
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512vl")]
        fn avx512(words: &[u64]) -> u64 {
            body(words)
        }
        #[target_feature(enable = "avx2")]
        fn avx2(words: &[u64]) -> u64 {
            body(words)
        }
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
            // SAFETY: the instructions are there.
            return unsafe { avx512(words) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the instructions are there.
            return unsafe { avx2(words) };
        }
    }
    body(words)
}

fn estimators(n: usize) -> Vec<(String, Estimator)> {
    let implicit = |inverse: Inverse| Estimator::Implicit(Solve { verify: false, ..inverse.into() });
    let neumann = |terms| implicit(Inverse::neumann(terms, ALPHA));
    let automatic = Inverse::Neumann { terms: 10, step: Step::Auto, on_growth: OnGrowth::Stop };
    let mut all = vec![
        ("identity".into(), implicit(Inverse::Identity { alpha: ALPHA })),
        ("neumann_k10".into(), neumann(10)),
        ("neumann_k10_auto".into(), implicit(automatic)),
        ("neumann_k100".into(), neumann(100)),
        ("cg_k10".into(), implicit(Inverse::Cg { iterations: 10, tolerance: 0.0 })),
        ("unrolled_t11".into(), Estimator::Unrolled(Unrolled::descent(11, ALPHA))),
        ("min_norm_lanczos".into(), implicit(Inverse::MinNorm { cutoff: None, by: Spectral::LANCZOS })),
        ("damped_lanczos".into(), implicit(Inverse::Damped { epsilon: 0.1, by: Spectral::LANCZOS })),
    ];
    // With a kept decomposition a dense solve reads U twice; making it takes seconds at 2000.
    if n <= 200 {
        all.push(("min_norm_dense_kept".into(), implicit(Inverse::MinNorm { cutoff: None, by: Spectral::Dense })));
    }
    all
}

fn bench<T: Scalar>(c: &mut Criterion, name: &str) {
    for n in [20_usize, 200, 2000] {
        let problem = quadratic::<T>(n);
        let (u, w) = (vec![T::ONE; 5], vec![T::ZERO; n]);
        let mut group = c.benchmark_group(format!("estimators/{name}/{n}"));
        group.sample_size(if n == 2000 { 10 } else { 50 });
        group.throughput(Throughput::Bytes((n * n * size_of::<T>()) as u64));
        let h = vec![1_u64; n * n * size_of::<T>() / 8];
        group.bench_function("read_h", |b| b.iter(|| read(black_box(&h))));
        let mut workspace = hypergradient::Workspace::new(&problem);
        for (label, estimator) in estimators(n) {
            let evaluation = hypergradient::evaluate(&problem, &estimator, &u, &w, &mut workspace).unwrap();
            assert!(evaluation.outer_loss.is_finite());
            group.bench_function(&label, |b| {
                b.iter(|| hypergradient::evaluate(&problem, &estimator, black_box(&u), &w, &mut workspace).unwrap())
            });
        }
        group.finish();
    }
}

fn all(c: &mut Criterion) {
    bench::<f64>(c, "f64");
    bench::<f32>(c, "f32");
}

criterion_group!(benches, all);
criterion_main!(benches);
