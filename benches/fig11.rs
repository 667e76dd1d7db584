//! Figure 11 as a whole: the outer loop to convergence for each K, by the recurrence up to 1000 and by the filter above.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use blo::bilevel::{InnerSolve, RunEnding, Runner, Settings, Start};
use blo::problem::{Examples, LeastSquares, Reduction, fourier};
use blo::solve::{Solve, Spectral};
use blo::{Inverse, Rule};
use criterion::{Criterion, criterion_group, criterion_main};

const ALPHA: f64 = 1e-7;

fn problem() -> LeastSquares<f64> {
    let points: Vec<f64> = (0..13).map(|i| -2.0 + i as f64 / 3.0).collect();
    let examples = |points: &[f64], target: f64| Examples {
        design: fourier::design(points, 10, fourier::Amplitude::Exponential).unwrap(),
        features: 21,
        targets: vec![target; points.len()],
    };
    LeastSquares::targets(examples(&points, 0.0), examples(&[0.0], 2.0), Reduction::Sum).unwrap()
}

/// ‖u‖ at the end.
fn run(problem: &LeastSquares<f64>, inverse: Inverse) -> f64 {
    let solve = Solve { verify: false, ..inverse.into() };
    let mut settings = Settings::new(Start::Cold, InnerSolve::Fixpoint, solve, Rule::descent(1e-2));
    (settings.outer_tolerance, settings.outer_steps) = (5e-11, 1_000_000);
    let mut runner = Runner::new(problem, settings, &[0.0; 13], &[0.0; 21]).unwrap();
    assert_eq!(runner.run().unwrap().ending, RunEnding::Converged);
    runner.u().iter().map(|u| u * u).sum::<f64>().sqrt()
}

fn filter(terms: u64) -> Inverse {
    Inverse::NeumannFilter { terms, alpha: ALPHA, by: Spectral::Dense }
}

fn fig11(c: &mut Criterion) {
    let problem = problem();
    let cases = [
        ("k0", Inverse::neumann(0, ALPHA), 3.92478978),
        ("k1", Inverse::neumann(1, ALPHA), 3.90385022),
        ("k10", Inverse::neumann(10, ALPHA), 3.70943988),
        ("k100", Inverse::neumann(100, ALPHA), 2.93875712),
        ("k1000", Inverse::neumann(1000, ALPHA), 2.52607918),
        ("k1e4_filter", filter(10_000), 2.23058633),
        ("k1e5_filter", filter(100_000), 2.04017718),
        ("k1e6_filter", filter(1_000_000), 2.00000009),
        ("exact", Inverse::MinNorm { cutoff: None, by: Spectral::Dense }, 2.0),
    ];
    let mut group = c.benchmark_group("fig11");
    group.sample_size(10);
    for (name, inverse, norm_u) in cases {
        assert!((run(&problem, inverse) - norm_u).abs() <= 1e-6 * norm_u, "{name}");
        group.bench_function(name, |b| b.iter(|| run(&problem, inverse)));
    }
    group.bench_function("whole", |b| b.iter(|| cases.iter().map(|case| run(&problem, case.1)).sum::<f64>()));
    group.finish();
}

criterion_group!(benches, fig11);
criterion_main!(benches);
