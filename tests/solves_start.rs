//! Solves that start from the last q, and solves that are refined.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use blo::bilevel::{InnerSolve, Runner, Settings, Start};
use blo::hypergradient;
use blo::solve::{Ending, OnGrowth, Report, Solve, Spectral, Step, Workspace};
use blo::{Error, Inverse, Rule, Scalar};
use common::{Dense, Oracle, RandomQuadratic, Rng, cast, distance, matvec, norm};

fn lanczos(tolerance: f64) -> Spectral {
    Spectral::Lanczos { tolerance: Some(tolerance), max_products: None }
}

/// One solve from `q`, in place.
fn run<T: Scalar>(n: usize, h: &[f64], solve: &Solve, b: &[T], q: &mut Vec<T>) -> blo::Result<Report> {
    blo::solve::solve(&mut Dense::<T>::new(n, h), solve, &b.to_vec(), q, &mut Workspace::new())
}

fn from_last(inverse: Inverse) -> Solve {
    Solve { start_from_last: true, ..inverse.into() }
}

const LONG: usize = 5000;

fn iterative(tolerance: f64) -> [Inverse; 5] {
    [
        Inverse::Cg { iterations: LONG, tolerance },
        Inverse::CgTwice { tolerance, max_products: LONG },
        Inverse::Minres { tolerance, max_products: LONG },
        Inverse::Gmres { restart: 60, tolerance, max_products: LONG },
        Inverse::Damped { epsilon: 0.05, by: lanczos(tolerance) },
    ]
}

/// A slow drift of H and b: fewer products from the last q, and the same answers.
#[test]
fn a_slow_drift_costs_few_products() {
    let (n, tolerance) = (60, 1e-6);
    for inverse in iterative(tolerance) {
        let mut rng = Rng(3);
        let mut h = Oracle::semidefinite(&mut rng, n, n, 300.0, 2.0);
        let (mut b, db) = (rng.normals(n), rng.normals(n));
        let (mut warm, mut cold_products, mut warm_products) = (vec![0.0; n], 0, 0);
        for step in 0..8 {
            let matrix = h.matrix();
            let mut cold = vec![f64::NAN; n];
            let of_cold = run(n, &matrix, &inverse.into(), &b, &mut cold).unwrap();
            let of_warm = run(n, &matrix, &from_last(inverse), &b, &mut warm).unwrap();
            assert_eq!((of_cold.ending, of_warm.ending), (Ending::Converged, Ending::Converged), "{inverse:?}");
            let epsilon = if let Inverse::Damped { epsilon, .. } = inverse { epsilon } else { 0.0 };
            let exact = h.filter(|value| 1.0 / (value + epsilon), &b);
            // cond · tolerance.
            assert!(distance(&warm, &exact) <= 300.0 * tolerance * norm(&exact), "{inverse:?}");
            if step == 0 {
                assert_eq!((&warm, of_warm), (&cold, of_cold), "from 0 it is the cold solve, to the bit");
            } else {
                cold_products += of_cold.products;
                warm_products += of_warm.products;
            }
            h.values.iter_mut().enumerate().for_each(|(i, value)| *value *= 1.0 + 1e-5 * (i as f64).sin());
            b.iter_mut().zip(&db).for_each(|(b, db)| *b += 1e-5 * db);
        }
        assert!(warm_products * 5 < cold_products * 4, "{inverse:?}: {warm_products} against {cold_products}");
        // Nothing changed: one product to see that, and none to solve.
        let report = run(n, &h.matrix(), &from_last(inverse), &b, &mut warm).unwrap();
        let before = warm.clone();
        let report =
            Report { products: report.products, ..run(n, &h.matrix(), &from_last(inverse), &b, &mut warm).unwrap() };
        assert!(report.ending == Ending::Converged && distance(&warm, &before) <= 300.0 * tolerance * norm(&warm));
    }
}

/// The series goes on where the last one stopped: K + 1 steps of v ← v − alpha (H v − b), as single-loop methods make.
#[test]
fn a_truncated_series_goes_on() {
    let mut rng = Rng(5);
    let n = 7;
    let h = Oracle::semidefinite(&mut rng, n, n, 20.0, 1.0);
    let (matrix, b, q0) = (h.matrix(), rng.normals(n), rng.normals(n));
    let alpha = 0.7;
    for terms in [0, 1, 4] {
        let mut expected = q0.clone();
        for _ in 0..=terms {
            let hv = matvec(n, n, &matrix, &expected);
            (0..n).for_each(|i| expected[i] -= alpha * (hv[i] - b[i]));
        }
        let mut q = q0.clone();
        let report = run(n, &matrix, &from_last(Inverse::neumann(terms, alpha)), &b, &mut q).unwrap();
        assert!(distance(&q, &expected) <= 1e-14 * norm(&expected));
        assert_eq!(report.products, terms + 1);
        if terms == 0 {
            let mut q = q0.clone();
            run(n, &matrix, &from_last(Inverse::Identity { alpha }), &b, &mut q).unwrap();
            assert!(distance(&q, &expected) <= 1e-15 * norm(&expected));
        }
    }
    // Over many steps it comes to the exact answer, not to that of K.
    let mut q = vec![0.0; n];
    for _ in 0..800 {
        run(n, &matrix, &from_last(Inverse::neumann(1, alpha)), &b, &mut q).unwrap();
    }
    assert!(distance(&q, &h.pinv(&b)) <= 1e-12 * norm(&q));
}

/// On a singular H the null part of the last q stays: the solution nearest to it.
#[test]
fn the_null_part_of_the_last_q_persists() {
    let mut rng = Rng(9);
    let n = 12;
    for consistent in [false, true] {
        let h = Oracle::semidefinite(&mut rng, n, 8, 10.0, 1.0);
        let mut b = rng.normals(n);
        if consistent {
            b = h.filter(|value| f64::from(value != 0.0), &b);
        }
        let q0 = rng.normals(n);
        let kept = h.null_part(&q0);
        let nearest: Vec<f64> = h.pinv(&b).iter().zip(&kept).map(|(q, kept)| q + kept).collect();
        let share = norm(&h.null_part(&b)) / norm(&b);
        for inverse in [iterative(0.0)[1], iterative(0.0)[2]] {
            let mut q = q0.clone();
            let report = run(n, &h.matrix(), &from_last(inverse), &b, &mut q).unwrap();
            assert_eq!(report.ending, Ending::Converged);
            assert!(distance(&q, &nearest) <= 1e-10 * norm(&nearest), "{inverse:?} {report:?}");
            assert!((report.null_share.unwrap_or(0.0) - share).abs() <= 1e-8, "{inverse:?} {report:?}");
        }
    }
}

#[test]
fn sizes_and_starts_of_any_kind() {
    let mut rng = Rng(2);
    let n = 6;
    let h = Oracle::semidefinite(&mut rng, n, n, 5.0, 1.0);
    let b = rng.normals(n);
    for inverse in iterative(1e-9) {
        let solve = from_last(inverse);
        let epsilon = if let Inverse::Damped { epsilon, .. } = inverse { epsilon } else { 0.0 };
        let exact = h.filter(|value| 1.0 / (value + epsilon), &b);
        for exponent in [-300, 0, 300] {
            let factor = 2.0_f64.powi(exponent);
            let scaled: Vec<f64> = b.iter().map(|b| b * factor).collect();
            // From far off, and from nearby.
            for start in [1e3, 1.001] {
                let mut q: Vec<f64> = exact.iter().map(|q| start * q * factor).collect();
                let report = run(n, &h.matrix(), &solve, &scaled, &mut q).unwrap();
                let q: Vec<f64> = q.iter().map(|q| q / factor).collect();
                assert!(distance(&q, &exact) <= 1e-7 * norm(&exact), "{inverse:?} 2^{exponent}: {report:?}");
            }
        }
        // b = 0: exactly 0, whatever q was.
        let mut q = vec![3.0; n];
        let report = run(n, &h.matrix(), &solve, &[0.0; 6], &mut q).unwrap();
        assert_eq!((q, report.ending), (vec![0.0; n], Ending::Completed));
        let mut q = vec![f64::NAN; n];
        let error = run(n, &h.matrix(), &solve, &b, &mut q).unwrap_err();
        assert!(matches!(error, Error::NonFinite { argument: "q", .. }), "{error}");
        let mut q = Vec::new();
        assert!(run::<f64>(0, &[], &solve, &[], &mut q).is_ok());
    }
}

#[test]
fn what_does_not_go_together_is_refused() {
    let by = Spectral::LANCZOS;
    let dense = Spectral::Dense;
    for inverse in [
        Inverse::MinNorm { cutoff: None, by },
        Inverse::MinNorm { cutoff: None, by: dense },
        Inverse::Damped { epsilon: 1.0, by: dense },
        Inverse::NeumannFilter { terms: 3, alpha: 0.1, by },
        Inverse::Nystrom { rank: 1, epsilon: 1.0, seed: 0 },
        Inverse::Zero,
    ] {
        let error = from_last(inverse).validate().unwrap_err();
        assert!(matches!(error, Error::Unsupported { operation: "start_from_last", .. }), "{error}");
    }
    for inverse in [
        Inverse::MinNorm { cutoff: None, by },
        Inverse::Minres { tolerance: 0.0, max_products: 9 },
        Inverse::neumann(3, 0.1),
        Inverse::Zero,
    ] {
        let solve = Solve { refine: 1, ..inverse.into() };
        assert!(matches!(solve.validate().unwrap_err(), Error::Unsupported { operation: "refine", .. }));
        assert!(matches!(blo::Estimator::from(solve).validate().unwrap_err(), Error::Unsupported { .. }));
    }
    let damped = Inverse::Damped { epsilon: 1.0, by };
    for solve in [from_last(damped), Solve { refine: 1, ..damped.into() }] {
        let mut op = Dense::<f64>::new(1, &[1.0]);
        let mut q = [vec![0.0]];
        let result =
            blo::solve::solve_family(&mut op, &[solve], &vec![1.0], &mut q, &mut Vec::new(), &mut Workspace::new());
        assert!(matches!(result.unwrap_err(), Error::Unsupported { .. }));
    }
}

/// ‖b − (H + ε) q‖ / ‖b‖, in f64.
fn damped_residual<T: Scalar>(h: &[f64], epsilon: f64, q: &[T], b: &[T]) -> f64 {
    let (q, b) = (common::widen(q), common::widen(b));
    let hq = matvec(q.len(), q.len(), h, &q);
    let r: Vec<f64> = (0..q.len()).map(|i| b[i] - hq[i] - epsilon * q[i]).collect();
    norm(&r) / norm(&b)
}

/// Digits that a solve lost come back, down to those that the product itself loses.
#[test]
fn refinement_gains_digits() {
    let n = 80;
    let gain = |inverse: Inverse, epsilon: f64, cond: f64, refine: usize| {
        let mut rng = Rng(7);
        let h = Oracle::semidefinite(&mut rng, n, n, cond, 1.0);
        let matrix: Vec<f64> = h.matrix().iter().map(|&x| x as f32 as f64).collect();
        let b: Vec<f32> = cast(&rng.normals(n));
        let mut plain = vec![0.0_f32; n];
        let first = run(n, &matrix, &inverse.into(), &b, &mut plain).unwrap();
        let mut refined = vec![0.0_f32; n];
        let second = run(n, &matrix, &Solve { refine, ..inverse.into() }, &b, &mut refined).unwrap();
        assert!(second.products > first.products);
        assert_eq!(first.ending, second.ending);
        (damped_residual(&matrix, epsilon, &plain, &b), damped_residual(&matrix, epsilon, &refined, &b))
    };
    for epsilon in [1e-2, 1e-3] {
        // A loose tolerance, tightened by refinement: each pass gains about what the first gained.
        let (plain, refined) = gain(Inverse::Damped { epsilon, by: lanczos(1e-2) }, epsilon, 1e5, 3);
        println!("Lanczos 1e-2, ε = {epsilon}: {plain:.1e} -> {refined:.1e}");
        assert!(refined < 0.05 * plain, "ε = {epsilon}: {plain:e} -> {refined:e}");
        for by in [Spectral::LANCZOS, Spectral::Dense] {
            let (plain, refined) = gain(Inverse::Damped { epsilon, by }, epsilon, 1e5, 3);
            println!("{by:?}, ε = {epsilon}: {plain:.1e} -> {refined:.1e}");
            assert!(refined <= plain * 1.01, "ε = {epsilon}: {plain:e} -> {refined:e}");
        }
    }
    // Conjugate gradients in f32: the recurrence's residual runs away from the true one.
    let (plain, refined) = gain(Inverse::Cg { iterations: 2000, tolerance: 0.0 }, 0.0, 1e3, 3);
    println!("CG: {plain:.1e} -> {refined:.1e}");
    assert!(refined < 0.5 * plain, "{plain:e} -> {refined:e}");
}

/// It never makes things worse, and costs what the documentation says.
#[test]
fn refinement_stops_where_nothing_falls() {
    let h = [2.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0];
    let b = [1.0, 1.0, 1.0];
    for by in [Spectral::Dense, Spectral::LANCZOS] {
        let inverse = Inverse::Damped { epsilon: 1.0, by };
        let (mut plain, mut refined) = (vec![0.0; 3], vec![0.0; 3]);
        let first = run(3, &h, &inverse.into(), &b, &mut plain).unwrap();
        let second = run(3, &h, &Solve { refine: 5, ..inverse.into() }, &b, &mut refined).unwrap();
        let of = |q: &[f64]| damped_residual(&h, 1.0, q, &b);
        assert!(of(&refined) <= of(&plain) && distance(&plain, &refined) <= 1e-15);
        // The decomposition is made once.
        let limit = if by == Spectral::Dense { first.products + 6 } else { 6 * (first.products + 1) };
        assert!(second.products <= limit, "{second:?}");
    }
    // An answer that is none is not refined.
    let indefinite = [1.0, 0.0, 0.0, -0.5];
    for inverse in [
        Inverse::Damped { epsilon: 0.5, by: Spectral::Dense },
        Inverse::Damped { epsilon: 0.5, by: Spectral::LANCZOS },
        Inverse::Cg { iterations: 9, tolerance: 0.0 },
    ] {
        let (mut plain, mut refined) = (vec![0.0; 2], vec![0.0; 2]);
        let first = run(2, &indefinite, &inverse.into(), &[1.0, 1.0], &mut plain).unwrap();
        let second = run(2, &indefinite, &Solve { refine: 5, ..inverse.into() }, &[1.0, 1.0], &mut refined).unwrap();
        assert_eq!((plain, first), (refined, second));
    }
}

/// In a loop: the workspace keeps q, and a run's products fall while it ends at the same u.
#[test]
fn a_run_that_starts_from_the_last_q() {
    let problem = RandomQuadratic::new(21, 30, 4, 30, 200.0).problem::<f64>();
    let go = |solve: Solve| {
        let mut settings = Settings::new(Start::Warm, InnerSolve::Fixpoint, solve, Rule::descent(1e-6));
        settings.outer_steps = 200;
        let mut runner = Runner::new(&problem, settings, &[0.5; 4], &[0.0; 30]).unwrap();
        let outcome = runner.run().unwrap();
        (runner.u().clone(), outcome)
    };
    for inverse in iterative(1e-6) {
        let (cold, of_cold) = go(inverse.into());
        let (warm, of_warm) = go(from_last(inverse));
        assert!(distance(&cold, &warm) <= 1e-5 * norm(&cold), "{inverse:?}: {cold:?} {warm:?}");
        assert_eq!(of_warm.doubtful_solves, 0);
        assert!(of_warm.products * 10 < of_cold.products * 9, "{inverse:?}: {} {}", of_warm.products, of_cold.products);
        println!("{inverse:?}: {} products, {} from the last q", of_cold.products, of_warm.products);
    }
    // One step of the series per outer step: with the last q it comes to the exact hypergradient.
    let problem = RandomQuadratic::new(22, 6, 3, 6, 5.0);
    let built = problem.problem::<f64>();
    let (u, w) = (vec![0.3; 3], vec![0.2; 6]);
    let expected = problem.hypergradient(|value| 1.0 / value, &w);
    let step = Inverse::Neumann { terms: 0, step: Step::Fixed(0.4), on_growth: OnGrowth::Stop };
    let mut workspace = hypergradient::Workspace::new(&built);
    for _ in 0..400 {
        hypergradient::evaluate(&built, &from_last(step).into(), &u, &w, &mut workspace).unwrap();
    }
    assert!(distance(workspace.gradient(), &expected) <= 1e-12 * norm(&expected));
}
