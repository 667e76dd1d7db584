//! L-BFGS-B as the outer rule of a run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use blo::bilevel::{InnerSolve, Outcome, Outer, RunEnding, Runner, Settings, Start, ToleranceSchedule, TraceRow};
use blo::hypergradient::Unrolled;
use blo::problem::{Examples, L2, LeastSquares, Problem, Reduction};
use blo::solve::{Flat, Spectral};
use blo::{Error, Estimator, Inverse, Rule, Scalar};
use common::{RandomQuadratic, Rng, cast, distance, norm};
use std::ops::ControlFlow;

const EXACT: Inverse = Inverse::MinNorm { cutoff: None, by: Spectral::Dense };
const LBFGSB: Outer = Outer::Lbfgsb { memory: 10 };

fn ridge<T: Scalar>(seed: u64) -> LeastSquares<T> {
    let features = 8;
    let mut rng = Rng(seed);
    let truth: Vec<f64> = (0..features).map(|j| if j % 3 == 0 { 0.0 } else { rng.normal() }).collect();
    let mut examples = |rows: usize| {
        let design = rng.normals(rows * features);
        let targets: Vec<f64> =
            design.chunks(features).map(|row| common::dot(row, &truth) + 0.5 * rng.normal()).collect();
        Examples { design: cast(&design), features, targets: cast(&targets) }
    };
    LeastSquares::log_l2(L2::PerFeature, examples(20), examples(30), Reduction::Mean).unwrap()
}

fn settings(start: Start, inner: InnerSolve, estimator: impl Into<Estimator>, outer: impl Into<Outer>) -> Settings {
    let mut settings = Settings::new(start, inner, estimator, outer);
    settings.outer_tolerance = 1e-7;
    settings.bounds = Some((-8.0, 4.0));
    settings
}

fn run<T: Scalar, P: Problem<T, Points = Flat>>(problem: &P, settings: Settings) -> (Outcome, Vec<T>) {
    let (u, w) = (vec![T::ZERO; problem.outer_space().len()], vec![T::ZERO; problem.inner_space().len()]);
    let mut runner = Runner::new(problem, settings, &u, &w).unwrap();
    let outcome = runner.run().unwrap();
    (outcome, runner.u().clone())
}

/// Both are at a minimum, of several; in 15 of the first 16 problems at the same, but not in the third.
#[test]
fn penalties_in_far_fewer_evaluations_than_adam() {
    for seed in [0, 1, 3, 4, 5, 6, 7] {
        let problem = ridge::<f64>(seed);
        let mut adam = settings(Start::Cold, InnerSolve::Fixpoint, EXACT, Rule::adam(0.05));
        adam.outer_steps = 20_000;
        let (slow, _) = run(&problem, adam);
        for start in [Start::Cold, Start::Warm] {
            let (fast, u) = run(&problem, settings(start, InnerSolve::Fixpoint, EXACT, LBFGSB));
            assert_eq!((slow.ending, fast.ending), (RunEnding::Converged, RunEnding::Converged));
            assert!(fast.outer_loss <= slow.outer_loss + 1e-8, "{} for {}", fast.outer_loss, slow.outer_loss);
            // 20 to 48 here, for 1500 to 10000.
            assert!(25 * (fast.steps + 1) < slow.steps + 1, "{} steps for {}", fast.steps, slow.steps);
            assert!(u.iter().all(|u| (-8.0..=4.0).contains(u)));
        }
    }
}

#[test]
fn with_iterative_and_unrolled_inner_solves() {
    let problem = ridge::<f64>(1);
    let (exact, _) = run(&problem, settings(Start::Cold, InnerSolve::Fixpoint, EXACT, LBFGSB));
    let rule = Rule::momentum(0.01, 0.9);
    let tolerant = InnerSolve::Optimizer { rule, steps: 100_000, tolerance: 1e-13 };
    for start in [Start::Cold, Start::Warm] {
        for keep in [false, true] {
            let mut settings = settings(start, tolerant, EXACT, LBFGSB);
            settings.outer_tolerance = 1e-6;
            settings.keep_look_ahead = keep && start == Start::Warm;
            let (outcome, _) = run(&problem, settings);
            assert_eq!(outcome.ending, RunEnding::Converged);
            assert!(
                (outcome.outer_loss - exact.outer_loss).abs() < 1e-9,
                "{} {}",
                outcome.outer_loss,
                exact.outer_loss
            );
        }
    }
    // T steps from w0 are a function of u too, and unrolling differentiates just that one.
    let unrolled = Estimator::Unrolled(Unrolled::new(rule, 30));
    let truncated = InnerSolve::Optimizer { rule, steps: 30, tolerance: 0.0 };
    let mut slow = settings(Start::Cold, truncated, unrolled, Rule::adam(0.02));
    slow.outer_steps = 20_000;
    let (slow, _) = run(&problem, slow);
    let (fast, _) = run(&problem, settings(Start::Cold, truncated, unrolled, LBFGSB));
    assert_eq!(fast.ending, RunEnding::Converged);
    assert!(fast.outer_loss <= slow.outer_loss + 1e-8 && 5 * fast.steps < slow.steps, "{fast:?} {slow:?}");
}

#[test]
fn what_is_no_function_of_u_alone_is_refused() {
    let refused = |change: &dyn Fn(&mut Settings)| {
        let tolerant = InnerSolve::Optimizer { rule: Rule::descent(0.01), steps: 10, tolerance: 1e-9 };
        let mut settings = settings(Start::Warm, tolerant, EXACT, LBFGSB);
        settings.validate().unwrap();
        change(&mut settings);
        settings.validate().err().map(|error| error.to_string()).unwrap_or_default()
    };
    let partial = InnerSolve::descent(0.01, 10);
    assert!(refused(&|s| s.inner = partial).starts_with("outer L-BFGS-B: not possible: with a partial warm start"));
    assert_eq!(refused(&|s| (s.inner, s.start) = (partial, Start::Cold)), "");
    assert_eq!(refused(&|s| (s.inner, s.outer) = (partial, Rule::adam(0.1).into())), "");
    let schedule = ToleranceSchedule { first: 0.1, factor: 0.5, last: 0.0 };
    assert!(refused(&|s| s.schedule = Some(schedule)).starts_with("outer L-BFGS-B: not possible: with a schedule"));
    assert!(refused(&|s| s.outer = Outer::Lbfgsb { memory: 0 }).starts_with("memory: found 0"));
}

/// u, w and the best, to the last bit, and what was counted.
fn bits<T: Scalar, P: Problem<T, Points = Flat>>(runner: &Runner<T, &P>) -> Vec<u64> {
    let best = runner.best().map(|best| best.u.iter().chain(&best.w).copied().collect::<Vec<T>>()).unwrap_or_default();
    let points = runner.u().iter().chain(runner.w()).chain(&best).map(|x| x.to_f64().to_bits());
    points.chain([runner.steps() as u64]).collect()
}

fn resumed<T: Scalar>(start: Start) {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!(
        "lbfgsb-{}-{start:?}-{}.blo",
        size_of::<T>(),
        std::process::id()
    ));
    let problem = ridge::<T>(6);
    let mut settings = settings(start, InnerSolve::Fixpoint, EXACT, Outer::Lbfgsb { memory: 4 });
    settings.keep_best = true;
    let zero = |len| vec![T::ZERO; len];
    let new = |settings: &Settings| Runner::new(&problem, settings.clone(), &zero(8), &zero(8)).unwrap();
    let mut whole = new(&settings);
    let outcome = whole.run().unwrap();
    assert!(outcome.steps > 10 && outcome.ending != RunEnding::StepLimit, "{outcome:?}");
    let mut runner = new(&settings);
    for step in 0..outcome.steps + 3 {
        assert_eq!(runner.steps(), step.min(outcome.steps));
        runner.save(&path).unwrap();
        runner = Runner::resume(&problem, &path).unwrap();
        // One that is resumed here and runs on; and one that stopped here for its limit.
        let mut other: Runner<T, &LeastSquares<T>> = Runner::resume(&problem, &path).unwrap();
        let end = other.run().unwrap();
        assert_eq!(bits(&other), bits(&whole), "{step}");
        assert_eq!((end.ending, end.outer_loss.to_bits()), (outcome.ending, outcome.outer_loss.to_bits()));
        if step < outcome.steps {
            settings.outer_steps = step;
            let mut limited = new(&settings);
            assert_eq!(limited.run().unwrap().ending, RunEnding::StepLimit);
            assert_eq!(bits(&limited)[..8], bits(&runner)[..8]);
            limited.save(&path).unwrap();
            limited = Runner::resume(&problem, &path).unwrap();
            while limited.steps() < outcome.steps {
                assert!(limited.outer_step().unwrap().is_some());
            }
            limited.outer_step().unwrap();
            assert_eq!(bits(&limited), bits(&whole), "{step}");
        }
        assert!(runner.outer_step().unwrap().is_some());
    }
    // Torn or changed anywhere, it is refused.
    runner.save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(7) {
        let mut changed = whole.clone();
        changed[at] ^= 4;
        for bytes in [&changed, &whole[..at]] {
            std::fs::write(&path, bytes).unwrap();
            let result: blo::Result<Runner<T, &LeastSquares<T>>> = Runner::resume(&problem, &path);
            assert!(matches!(result.err(), Some(Error::File { .. })));
        }
    }
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_resumed_run_has_the_same_bits() {
    for start in [Start::Cold, Start::Warm] {
        resumed::<f64>(start);
        resumed::<f32>(start);
    }
}

/// f = ½(w − u)², F = φ(w): F is φ of u.
fn chain(phi: impl Fn(f64) -> blo::Result<(f64, f64)> + 'static) -> blo::problem::UserProblem<f64> {
    blo::problem::UserProblem::new(
        1,
        1,
        |u, w, gradient| {
            gradient[0] = w[0] - u[0];
            Ok(0.5 * gradient[0] * gradient[0])
        },
        move |_, w, _, gradient_w| {
            let (value, slope) = phi(w[0])?;
            gradient_w[0] = slope;
            Ok(value)
        },
        |_, _, v, out| {
            out[0] = v[0];
            Ok(())
        },
        |_, _, v, out| {
            out[0] = -v[0];
            Ok(())
        },
    )
}

fn chain_settings(start: Start) -> Settings {
    let inner = InnerSolve::Optimizer { rule: Rule::descent(1.0), steps: 3, tolerance: 1e-12 };
    let mut settings = settings(start, inner, Inverse::Cg { iterations: 3, tolerance: 0.0 }, LBFGSB);
    settings.bounds = None;
    settings
}

#[test]
fn trials_without_a_value_are_stepped_back_from() {
    for start in [Start::Cold, Start::Warm] {
        for bad in [f64::NAN, f64::INFINITY] {
            // −ln(1 − w²) − 40 w, and nothing outside of −1 to 1.
            let problem = chain(move |w| match w.abs() < 1.0 {
                true => Ok((-(1.0 - w * w).ln() - 40.0 * w, 2.0 * w / (1.0 - w * w) - 40.0)),
                false => Ok((bad, 1.0)),
            });
            let mut runner = Runner::new(&problem, chain_settings(start), &[-0.9], &[0.0]).unwrap();
            let (mut rows, mut seen) = ([TraceRow::default(); 100], Vec::new());
            let outcome = runner.run_with(1, &mut rows, |progress| {
                seen.push((progress.step, progress.u[0]));
                ControlFlow::Continue(())
            });
            let outcome = outcome.unwrap();
            let minimum = ((1.0 + 1600.0_f64).sqrt() - 1.0) / 40.0;
            assert_eq!(outcome.ending, RunEnding::Converged);
            assert!((runner.u()[0] - minimum).abs() < 1e-8 && (runner.w()[0] - minimum).abs() < 1e-8);
            // Each evaluation with a value is a step and a row, and none is outside of the domain.
            assert!(seen.iter().enumerate().all(|(at, (step, u))| *step == at && u.abs() < 1.0), "{seen:?}");
            assert_eq!((outcome.steps + 1, outcome.trace_rows), (seen.len(), seen.len() + 1));
        }
    }
}

#[test]
fn a_gradient_that_is_not_that_of_f_stalls_where_f_is_known() {
    for start in [Start::Cold, Start::Warm] {
        let problem = chain(|w| Ok((w * w, -2.0 * w)));
        let mut runner = Runner::new(&problem, chain_settings(start), &[3.0], &[0.0]).unwrap();
        for _ in 0..2 {
            let outcome = runner.run().unwrap();
            assert_eq!((outcome.ending, runner.u()[0]), (RunEnding::Stalled, 3.0));
            // To the inner tolerance.
            assert!((outcome.outer_loss - 9.0).abs() < 1e-9 && (runner.w()[0] - 3.0).abs() < 1e-10);
            assert!(outcome.steps <= 21);
        }
        assert_eq!(RunEnding::Stalled.number(), 5);
    }
}

#[test]
fn after_a_failed_callback_it_goes_on_with_the_same_bits() {
    let value = |w: f64| ((w - 1.0).powi(4) + w * w, 4.0 * (w - 1.0).powi(3) + 2.0 * w);
    for start in [Start::Cold, Start::Warm] {
        let calm = chain(move |w| Ok(value(w)));
        let mut whole = Runner::new(&calm, chain_settings(start), &[7.0], &[0.0]).unwrap();
        let outcome = whole.run().unwrap();
        assert_eq!(outcome.ending, RunEnding::Converged);
        for at in 0..outcome.steps {
            let calls = std::cell::Cell::new(0);
            let failing = chain(move |w| {
                calls.set(calls.get() + 1);
                if calls.get() == at + 1 { Err(Error::Callback { name: "outer", code: 7 }) } else { Ok(value(w)) }
            });
            let mut runner = Runner::new(&failing, chain_settings(start), &[7.0], &[0.0]).unwrap();
            assert_eq!(runner.run(), Err(Error::Callback { name: "outer", code: 7 }));
            assert_eq!(runner.run().unwrap().ending, RunEnding::Converged);
            assert_eq!(bits(&runner), bits(&whole));
        }
    }
}

#[test]
fn random_quadratics() {
    let problem = RandomQuadratic::new(5, 6, 4, 6, 5.0);
    // The hypergradient vanishes, by the oracle's eigenvectors.
    for memory in [1, 5] {
        let settings =
            Settings { bounds: None, ..settings(Start::Cold, InnerSolve::Fixpoint, EXACT, Outer::Lbfgsb { memory }) };
        let quadratic = problem.problem::<f64>();
        let mut runner = Runner::new(&quadratic, settings, &Rng(1).normals(4), &[0.0; 6]).unwrap();
        let first = norm(&problem.hypergradient(|v| 1.0 / v, &problem.nearest(runner.u(), &[0.0; 6])));
        assert_eq!(runner.run().unwrap().ending, RunEnding::Converged);
        let last = problem.hypergradient(|v| 1.0 / v, &problem.nearest(runner.u(), &[0.0; 6]));
        assert!(norm(&last) <= 1.1e-7 * first, "{} {first}", norm(&last));
        assert!(distance(runner.w(), &problem.nearest(runner.u(), &[0.0; 6])) < 1e-10);
    }
}
