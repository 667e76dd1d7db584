//! Networks: passes, products, series and a warm step of distillation, beside the time that their operations take at the rate
//! of fused multiply-adds measured in the same run.
//!
//! `fma` is the ceiling: independent multiply-adds in registers. `gemm_1024` is what a large product reaches of it, `read` what
//! memory gives to one thread.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use blo::bilevel::{InnerSolve, Runner, Settings, Start, run_many};
use blo::cpu::{self, Form, Simd};
use blo::hypergradient::Unrolled;
use blo::optimize::Rule;
use blo::problem::mlp::{Activation, Init, Loss, Mlp, Model, OuterParameters};
use blo::problem::{Examples, Problem, Reduction, one_hot};
use blo::solve::{OnGrowth, Step};
use blo::{Estimator, Inverse, hypergradient};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

/// Numbers between −1 and 1, the same in each run.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2) + 1;
    let next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn examples(rows: usize, features: usize, classes: usize, seed: u64) -> Examples<f32> {
    let labels: Vec<usize> = (0..rows).map(|i| i % classes).collect();
    Examples { design: numbers(rows * features, seed), features, targets: one_hot(&labels, classes).unwrap() }
}

struct Workload {
    name: String,
    problem: Mlp<f32>,
    u: Vec<f32>,
    w: Vec<f32>,
}

fn workload(widths: &[usize], rows: usize, outer_rows: usize, kind: OuterParameters) -> Workload {
    let (d, c) = (widths[0], widths[widths.len() - 1]);
    let model = Model::new(widths, Activation::Relu, Loss::CrossEntropy).unwrap();
    let w = model.initial(Init::Glorot, 0);
    let (inner, outer) = (examples(rows, d, c, 1), examples(outer_rows, d, c, 2));
    let problem = Mlp::new(model, kind, inner, outer, Reduction::Mean, 0.0).unwrap();
    let size = blo::solve::Space::<f32>::len(problem.outer_space());
    let shape: Vec<String> = widths.iter().map(|width| width.to_string()).collect();
    Workload { name: format!("{} n={rows}", shape.join("x")), problem, u: numbers(size, 3), w }
}

/// Operations of one product with H after linearizing: 12noi a layer, 4noi for the first.
fn hvp_operations(widths: &[usize], rows: usize) -> u64 {
    let layers = widths.windows(2).enumerate();
    layers.map(|(l, pair)| (if l == 0 { 4 } else { 12 }) * (rows * pair[0] * pair[1]) as u64).sum()
}

/// Independent fused multiply-adds in registers: `SUMS` vectors, 1000 times.
const SUMS: usize = 12;

#[cfg(target_arch = "x86_64")]
mod ceiling {
    use super::SUMS;
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx512f")]
    pub fn avx512(seed: f32) -> f32 {
        let (factor, term) = (_mm512_set1_ps(0.999), _mm512_set1_ps(1e-6));
        let mut sums = [_mm512_set1_ps(seed); SUMS];
        for _ in 0..1000 {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, factor, term);
            }
        }
        sums.into_iter().map(|sum| _mm512_reduce_add_ps(sum)).sum()
    }

    #[target_feature(enable = "avx2,fma")]
    pub fn avx2(seed: f32) -> f32 {
        let (factor, term) = (_mm256_set1_ps(0.999), _mm256_set1_ps(1e-6));
        let mut sums = [_mm256_set1_ps(seed); SUMS];
        for _ in 0..1000 {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, factor, term);
            }
        }
        sums.into_iter().map(|sum| _mm256_cvtss_f32(sum)).sum()
    }
}

/// How many operations the ceiling's function does, and what it does them with.
fn fma_ceiling() -> (u64, fn(f32) -> f32) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the instructions are there.
            return (2 * 1000 * SUMS as u64 * 16, |seed| unsafe { ceiling::avx512(seed) });
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: as above.
            return (2 * 1000 * SUMS as u64 * 8, |seed| unsafe { ceiling::avx2(seed) });
        }
    }
    (2 * 1000 * SUMS as u64 * 4, |seed| {
        let mut sums = [[seed; 4]; SUMS];
        for _ in 0..1000 {
            sums.iter_mut().flatten().for_each(|sum| *sum = *sum * 0.999 + 1e-6);
        }
        sums.iter().flatten().sum()
    })
}

fn limits(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("limit");
    let (operations, ceiling) = fma_ceiling();
    group.throughput(Throughput::Elements(operations));
    group.bench_function("fma", |bencher| bencher.iter(|| ceiling(black_box(1.0))));
    let long = numbers(1 << 24, 3);
    group.throughput(Throughput::Bytes(4 << 24));
    group.sample_size(10);
    group.bench_function("read 64 MB", |bencher| bencher.iter(|| cpu::dot(Simd::best(), black_box(&long), &long)));
    let n = 1024;
    let (a, b, mut c) = (numbers(n * n, 1), numbers(n * n, 2), vec![0.0; n * n]);
    group.throughput(Throughput::Elements(2 * (n * n * n) as u64));
    group.sample_size(10);
    group.bench_function("gemm_1024", |bencher| {
        bencher.iter(|| cpu::gemm(Simd::best(), Form::Ab, [n; 3], black_box(&a), &b, false, &mut c));
    });
    group.finish();
}

fn gemm_small(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gemm_small");
    for (m, n, k) in [
        (1, 200, 200),
        (2, 200, 200),
        (8, 200, 200),
        (64, 200, 200),
        (256, 200, 200),
        (256, 10, 200),
        (256, 200, 784),
        (10, 784, 256),
        (10, 10, 784),
    ] {
        let (a, b, mut c) = (numbers(m * k, 1), numbers(k * n, 2), vec![0.0; m * n]);
        group.throughput(Throughput::Elements(2 * (m * n * k) as u64));
        for form in [Form::Ab, Form::Abt, Form::Atb] {
            group.bench_function(format!("{form:?} {m}x{n} of {k}"), |bencher| {
                bencher.iter(|| cpu::gemm(Simd::best(), form, [m, n, k], black_box(&a), &b, false, &mut c));
            });
        }
    }
    group.finish();
}

fn passes(criterion: &mut Criterion) {
    let widths = [784, 512, 512, 10];
    let rows = 512;
    let Workload { name, problem, u, w } = workload(&widths, rows, 1, OuterParameters::ExampleWeightLogits);
    let products: usize = widths.windows(2).map(|pair| pair[0] * pair[1]).sum();
    let mut ws = problem.workspace();
    let mut out = vec![0.0; w.len()];
    let mut predictions = vec![0.0; rows * 10];
    let mut group = criterion.benchmark_group("mlp_forward");
    group.throughput(Throughput::Elements((2 * rows * products) as u64));
    group.bench_function(&name, |bencher| {
        let x = &problem.inner_examples().design;
        bencher.iter(|| problem.model().predict(black_box(&w), x, &mut predictions).unwrap());
    });
    group.finish();
    let mut group = criterion.benchmark_group("mlp_gradient");
    group.throughput(Throughput::Elements((rows * (6 * products - 2 * widths[0] * widths[1])) as u64));
    group.bench_function(&name, |bencher| {
        bencher.iter(|| problem.inner(&mut ws, black_box(&u), &w, &mut out).unwrap());
    });
    group.finish();
    let mut group = criterion.benchmark_group("mlp_hvp");
    let v = numbers(w.len(), 4);
    for widths_rows in [(&widths[..], rows), (&[2, 200, 200, 200, 2], 2)] {
        let (widths, rows) = widths_rows;
        let kind = if rows == 2 { OuterParameters::Inputs } else { OuterParameters::ExampleWeightLogits };
        let Workload { name, problem, u, w } = workload(widths, rows, 1, kind);
        let (mut ws, mut out) = (problem.workspace(), vec![0.0; w.len()]);
        let v = v[..w.len()].to_vec();
        problem.linearize(&mut ws, &u, &w).unwrap();
        group.throughput(Throughput::Elements(hvp_operations(widths, rows)));
        group.bench_function(&name, |bencher| bencher.iter(|| problem.hvp(&mut ws, black_box(&v), &mut out).unwrap()));
        group.bench_function(format!("{name} linearize"), |bencher| {
            bencher.iter(|| problem.linearize(&mut ws, black_box(&u), &w).unwrap());
        });
    }
    group.finish();
}

fn neumann(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("neumann");
    group.sample_size(10);
    let ring = &[2, 200, 200, 200, 2][..];
    for (widths, rows, terms) in
        [(ring, 2, 10), (ring, 2, 100), (&[784, 10], 10, 100), (&[784, 200, 200, 200, 10], 256, 20)]
    {
        let Workload { name, problem, u, w } = workload(widths, rows, 64, OuterParameters::Inputs);
        let mut ws = hypergradient::Workspace::new(&problem);
        let inverse = Inverse::Neumann { terms, step: Step::Fixed(1e-3), on_growth: OnGrowth::Continue };
        let solve = blo::solve::Solve { verify: false, ..inverse.into() };
        group.throughput(Throughput::Elements(terms as u64 * hvp_operations(widths, rows)));
        for (keep, what) in [(true, "with q"), (false, "without q")] {
            ws.keep_q(keep);
            group.bench_function(format!("{name} K={terms} {what}"), |bencher| {
                bencher.iter(|| hypergradient::evaluate(&problem, &solve.into(), black_box(&u), &w, &mut ws).unwrap());
            });
        }
    }
    group.finish();
}

/// Two points learn to stand for rings: one outer step, one inner step.
fn warm_step(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("warm_step");
    for outer_rows in [200, 256, 2000] {
        let Workload { problem, u, w, .. } = workload(&[2, 200, 200, 200, 2], 2, outer_rows, OuterParameters::Inputs);
        let (alpha, beta) = (1e-3, 1e-2);
        let estimator = Estimator::Unrolled(Unrolled::descent(1, alpha));
        let outer = Rule::adam(beta);
        let settings = Settings::new(Start::Warm, InnerSolve::descent(alpha, 1), estimator, outer);
        let mut runner = Runner::new(&problem, settings, &u, &w).unwrap();
        group.bench_function(format!("outer n={outer_rows}"), |bencher| {
            bencher.iter(|| runner.outer_step().unwrap().unwrap());
        });
    }
    group.finish();
}

/// Sixteen runs with step sizes of their own: one after the other, and in one call.
fn many(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("many");
    group.sample_size(10);
    for outer_rows in [64, 256] {
        let Workload { problem, u, w, .. } = workload(&[2, 64, 64, 2], 2, outer_rows, OuterParameters::Inputs);
        let runners = || -> Vec<_> {
            (1..=16)
                .map(|i| {
                    let alpha = 1e-3 * f64::from(i);
                    let estimator = Estimator::Unrolled(Unrolled::descent(1, alpha));
                    let inner = InnerSolve::descent(alpha, 1);
                    let mut settings = Settings::new(Start::Warm, inner, estimator, Rule::adam(1e-2));
                    settings.outer_steps = 50;
                    Runner::new(&problem, settings, &u, &w).unwrap()
                })
                .collect()
        };
        group.bench_function(format!("16 runs alone, outer n={outer_rows}"), |bencher| {
            let run = |runners: &mut Vec<Runner<f32, &Mlp<f32>>>| {
                for runner in runners {
                    runner.run().unwrap();
                }
            };
            bencher.iter_batched_ref(runners, run, BatchSize::PerIteration);
        });
        group.bench_function(format!("16 runs at once, outer n={outer_rows}"), |bencher| {
            let run = |runners: &mut Vec<Runner<f32, &Mlp<f32>>>| {
                for ended in run_many(runners) {
                    ended.unwrap();
                }
            };
            bencher.iter_batched_ref(runners, run, BatchSize::PerIteration);
        });
    }
    group.finish();
}

/// The same work on one thread and on all: what `cpu::on_threads` and its threshold are worth.
fn threads(criterion: &mut Criterion) {
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let mut group = criterion.benchmark_group("threads");
    for rows in [32, 128, 512] {
        let Workload { name, problem, u, w } =
            workload(&[784, 128, 128, 10], rows, 1, OuterParameters::ExampleWeightLogits);
        let (mut ws, mut out) = (problem.workspace(), vec![0.0; w.len()]);
        group.bench_function(format!("gradient {name}, one"), |bencher| {
            one.install(|| bencher.iter(|| problem.inner(&mut ws, black_box(&u), &w, &mut out).unwrap()));
        });
        group.bench_function(format!("gradient {name}, all"), |bencher| {
            bencher.iter(|| problem.inner(&mut ws, black_box(&u), &w, &mut out).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, limits, gemm_small, passes, neumann, warm_step, many, threads);
criterion_main!(benches);
