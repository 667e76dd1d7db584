//! Nothing is allocated once a workspace is warm: neither by solves, nor by hypergradients, nor by outer steps.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "common/counting.rs"]
mod counting;

use blo::bilevel::{Batch, InnerSolve, Runner, Settings, Start, TraceRow};
use blo::hypergradient::{self, Unrolled};
use blo::problem::{Examples, L2, LeastSquares, Loss, Problem, Reduction, Regression, one_hot};
use blo::solve::{OnGrowth, Solve, Space, Spectral, Step};
use blo::{Estimator, Inverse, Rule};
use common::RandomQuadratic;
use counting::{COUNT, counted};
use std::ops::ControlFlow;

fn estimators() -> Vec<Estimator> {
    let mut all: Vec<Estimator> = [
        Inverse::MinNorm { cutoff: None, by: Spectral::Dense },
        Inverse::MinNorm { cutoff: None, by: Spectral::LANCZOS },
        Inverse::Damped { epsilon: 0.1, by: Spectral::Dense },
        Inverse::Damped { epsilon: 0.1, by: Spectral::LANCZOS },
        Inverse::neumann(10, 0.3),
        Inverse::Neumann { terms: 10, step: Step::Auto, on_growth: OnGrowth::Stop },
        Inverse::NeumannFilter { terms: 1000, alpha: 0.3, by: Spectral::LANCZOS },
        Inverse::Cg { iterations: 10, tolerance: 0.0 },
        Inverse::Identity { alpha: 0.3 },
        Inverse::Zero,
    ]
    .map(Estimator::from)
    .to_vec();
    all.push(Estimator::Unrolled(Unrolled { last: Some(4), ..Unrolled::descent(6, 0.3) }));
    let lanczos = Inverse::Damped { epsilon: 0.1, by: Spectral::LANCZOS };
    let minres = Inverse::Minres { tolerance: 0.0, max_products: 200 };
    all.push(minres.into());
    all.push(Inverse::Nystrom { rank: 6, epsilon: 0.1, seed: 1 }.into());
    all.push(Solve { refine: 2, start_from_last: true, ..lanczos.into() }.into());
    all.push(Solve { start_from_last: true, ..minres.into() }.into());
    all
}

#[test]
fn the_counter_counts() {
    assert_eq!(counted(|| drop(std::hint::black_box(vec![1_u8; 100]))), 1);
}

#[test]
fn warm_hypergradients_allocate_nothing() {
    let problem = RandomQuadratic::new(1, 20, 6, 15, 10.0).problem::<f64>();
    let (u, w) = (vec![0.5; 6], vec![0.25; 20]);
    for estimator in estimators() {
        let mut workspace = hypergradient::Workspace::new(&problem);
        hypergradient::evaluate(&problem, &estimator, &u, &w, &mut workspace).unwrap();
        let count = counted(|| {
            hypergradient::evaluate(&problem, &estimator, &u, &w, &mut workspace).unwrap();
        });
        assert_eq!(count, 0, "{estimator:?}");
    }
}

/// The iterative estimators: a dense decomposition of H at each point takes memory.
#[test]
fn warm_hypergradients_of_regressions_allocate_nothing() {
    let targets = one_hot(&[0, 1, 2, 0, 1, 2, 1, 1], 3).unwrap();
    let inner = Examples { design: (0..32).map(|i| f64::from(i).sin()).collect(), features: 4, targets };
    let loss = Loss::Softmax { classes: 3 };
    let squares = Examples { targets: vec![0.5; 8], ..inner.clone() };
    let mean = Reduction::Mean;
    let softmax = [
        Regression::log_l2(loss, L2::PerClass, inner.clone(), inner.clone(), mean).unwrap(),
        Regression::raw_l2(loss, L2::PerFeature, inner.clone(), inner.clone(), mean).unwrap(),
        Regression::example_weights(loss, 0.1, inner.clone(), inner, mean).unwrap(),
    ];
    let linear = [
        LeastSquares::raw_l2(L2::PerFeature, squares.clone(), squares.clone(), mean).unwrap(),
        LeastSquares::example_weights(0.1, squares.clone(), squares, mean).unwrap(),
    ];
    fn check<P>(problem: &P)
    where
        P: Problem<f64>,
        P::Points: Space<f64, Vector = Vec<f64>>,
    {
        let u = vec![0.5; problem.outer_space().len()];
        let w = vec![0.25; problem.inner_space().len()];
        for estimator in [Inverse::neumann(10, 0.3).into(), Inverse::Cg { iterations: 5, tolerance: 0.0 }.into()]
            .into_iter()
            .chain([Estimator::Unrolled(Unrolled { last: Some(4), ..Unrolled::descent(6, 0.3) })])
        {
            let mut workspace = hypergradient::Workspace::new(problem);
            hypergradient::evaluate(problem, &estimator, &u, &w, &mut workspace).unwrap();
            let count = counted(|| {
                hypergradient::evaluate(problem, &estimator, &u, &w, &mut workspace).unwrap();
            });
            assert_eq!(count, 0, "{estimator:?}");
        }
    }
    softmax.iter().for_each(check);
    linear.iter().for_each(check);
}

#[test]
fn influence_and_batches_allocate_nothing() {
    let targets = one_hot(&[0, 1, 2, 0, 1, 2, 1, 1], 3).unwrap();
    let inner = Examples { design: (0..32).map(|i| f64::from(i).sin()).collect(), features: 4, targets };
    let squares = Examples { targets: vec![0.5; 8], ..inner.clone() };
    let (loss, mean) = (Loss::Softmax { classes: 3 }, Reduction::Mean);
    let softmax = Regression::example_weights(loss, 0.1, inner.clone(), inner, mean).unwrap();
    let targets = LeastSquares::targets(squares.clone(), squares.clone(), mean).unwrap();
    let weights = LeastSquares::example_weights(0.1, squares.clone(), squares, mean).unwrap();
    fn check<P>(problem: &P)
    where
        P: Problem<f64>,
        P::Points: Space<f64, Vector = Vec<f64>>,
    {
        let (u, w) = (vec![0.5; problem.outer_space().len()], vec![0.25; problem.inner_space().len()]);
        let (solve, mut scores) = (Inverse::neumann(10, 0.3).into(), vec![0.0; problem.examples()]);
        let mut workspace = hypergradient::Workspace::new(problem);
        hypergradient::influence(problem, &solve, &u, &w, &mut workspace, &mut scores).unwrap();
        let count = counted(|| {
            hypergradient::influence(problem, &solve, &u, &w, &mut workspace, &mut scores).unwrap();
        });
        assert_eq!(count, 0);
        for (start, rule) in [(Start::Cold, Rule::descent(0.1)), (Start::Warm, Rule::adam(0.01))] {
            let inner = InnerSolve::Optimizer { rule, steps: 5, tolerance: 0.0 };
            let mut settings = Settings::new(start, inner, Inverse::neumann(5, 0.1), Rule::descent(0.1));
            settings.batch = Some(Batch { size: 3, seed: 1 });
            let mut runner = Runner::new(problem, settings, &u, &w).unwrap();
            runner.outer_step().unwrap();
            // 100 steps are many epochs.
            let count = counted(|| {
                (0..100).for_each(|_| _ = runner.outer_step().unwrap().unwrap());
            });
            assert_eq!(count, 0, "{start:?}");
        }
    }
    check(&softmax);
    check(&targets);
    check(&weights);
}

#[test]
fn outer_steps_allocate_nothing() {
    let problem = RandomQuadratic::new(2, 12, 5, 8, 10.0).problem::<f64>();
    let descent = InnerSolve::Optimizer { rule: Rule::descent(0.3), steps: 6, tolerance: 0.0 };
    // Without the direct gradient alone: it is zero here, and such a run ends at once.
    for estimator in estimators().into_iter().filter(|e| *e != Inverse::Zero.into()) {
        for (start, inner, rule) in [
            (Start::Cold, InnerSolve::Fixpoint, Rule::descent(1e-3)),
            (Start::Warm, InnerSolve::Fixpoint, Rule::adam(1e-3)),
            (Start::Cold, descent, Rule::adam(1e-3)),
            (Start::Warm, descent, Rule::descent(1e-3)),
        ] {
            let mut settings = Settings::new(start, inner, estimator, rule);
            (settings.outer_steps, settings.distances) = (40, true);
            let mut runner = Runner::new(&problem, settings, &[0.5; 5], &[0.0; 12]).unwrap();
            let mut trace = [TraceRow::default(); 64];
            let mut after_third = 0;
            let count = |runner: &mut Runner<f64, _>, trace: &mut [TraceRow], after: &mut usize| {
                runner
                    .run_with(1, trace, |progress| {
                        if progress.step == 3 {
                            *after = COUNT.get();
                        }
                        ControlFlow::Continue(())
                    })
                    .unwrap();
                COUNT.get()
            };
            let end = count(&mut runner, &mut trace, &mut after_third);
            assert!(after_third > 0);
            assert_eq!(end - after_third, 0, "{estimator:?} {start:?} {inner:?}");
        }
    }
}
