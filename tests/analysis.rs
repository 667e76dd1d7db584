//! Projections, spectra, solution sets, equilibria and retraining against closed forms on random quadratics.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use blo::analysis::{
    Cycle, Equilibrium, Extremum, Projection, equilibrium_residuals, optimistic, pessimistic, project, response,
    retraining_gap, spectrum_table,
};
use blo::bilevel::{InnerSolve, Runner, Settings, Start};
use blo::hypergradient::Unrolled;
use blo::problem::{InnerTerms, OuterTerms, Quadratic};
use blo::solve::{OnGrowth, Spectral, Step};
use blo::{Error, Estimator, Inverse, Rule};
use common::{RandomQuadratic, Rng, cast, distance, dot, matvec, norm};

const EXACT: Inverse = Inverse::MinNorm { cutoff: None, by: Spectral::Dense };

fn gradient_steps(x: &[f64], y: f64, w: &[f64], alpha: f64, steps: usize) -> Vec<f64> {
    (0..steps).fold(w.to_vec(), |w, _| {
        let residual = dot(x, &w) - y;
        w.iter().zip(x).map(|(w, x)| w - alpha * residual * x).collect()
    })
}

#[test]
fn a_projection_is_the_nearest_point_of_the_set() {
    for seed in 0..30 {
        let mut rng = Rng(seed);
        let (x, y, w) = (rng.normals(5), rng.normal(), rng.normals(5));
        let mut nearest = w.clone();
        project(&x, y, &mut nearest).unwrap();
        assert!((dot(&x, &nearest) - y).abs() < 1e-13 * norm(&x));
        // The way to it is along x.
        let way: Vec<f64> = w.iter().zip(&nearest).map(|(w, p)| w - p).collect();
        assert!((dot(&way, &x).abs() - norm(&way) * norm(&x)).abs() < 1e-12 * (1.0 + norm(&way) * norm(&x)));
        let mut single = cast::<f32>(&w);
        project(&cast::<f32>(&x), y as f32, &mut single).unwrap();
        assert!(distance(&single, &nearest) < 1e-5);
    }
}

#[test]
fn cycles_equal_a_plain_transcript() {
    for seed in 0..10 {
        let mut rng = Rng(seed);
        let (n, m) = (4, 3);
        let (rows, targets, start) = (rng.normals(m * n), rng.normals(m), rng.normals(n));
        let row = |i: usize| &rows[i * n..(i + 1) * n];
        let alpha = 1.3 / (0..m).map(|i| dot(row(i), row(i))).fold(0.0, f64::max);
        for projection in
            [Projection::Cold, Projection::FullWarm, Projection::PartialWarm { alpha, steps: 1 + seed as usize }]
        {
            let mut cycle = Cycle::new(&rows, &targets, &start, projection).unwrap();
            let mut w = start.clone();
            for step in 0..20 {
                let (x, y) = (row(step % m), targets[step % m]);
                match projection {
                    Projection::PartialWarm { alpha, steps } => w = gradient_steps(x, y, &w, alpha, steps),
                    _ => {
                        w = if projection == Projection::Cold { start.clone() } else { w };
                        project(x, y, &mut w).unwrap();
                    }
                }
                assert!(distance(cycle.step(), &w) < 1e-12, "{projection:?} step {step}");
                w = cycle.w().to_vec();
            }
            assert_eq!(cycle.steps(), 20);
        }
    }
}

/// From consistent rows the limit is the common point nearest to w₀; from others a limit cycle.
#[test]
fn warm_starts_find_the_nearest_common_point() {
    for seed in 0..10 {
        let mut rng = Rng(seed);
        let (n, m) = (5, 3);
        let (rows, start) = (rng.normals(m * n), rng.normals(n));
        let targets = matvec(m, n, &rows, &rng.normals(n));
        let largest = (0..m).map(|i| norm(&rows[i * n..(i + 1) * n]).powi(2)).fold(0.0, f64::max);
        for projection in [Projection::FullWarm, Projection::PartialWarm { alpha: 1.0 / largest, steps: 3 }] {
            let mut cycle = Cycle::new(&rows, &targets, &start, projection).unwrap();
            for _ in 0..20_000 {
                cycle.cycle();
            }
            let w = cycle.w().to_vec();
            assert!(distance(&matvec(m, n, &rows, &w), &targets) < 1e-9, "seed {seed}");
            // w − w₀ lies in the span of the rows: nothing of it is left after Gram-Schmidt.
            let mut moved: Vec<f64> = w.iter().zip(&start).map(|(w, s)| w - s).collect();
            let mut basis: Vec<Vec<f64>> = Vec::new();
            for i in 0..m {
                let mut v = rows[i * n..(i + 1) * n].to_vec();
                for u in &basis {
                    let overlap = dot(u, &v);
                    v.iter_mut().zip(u).for_each(|(v, u)| *v -= overlap * u);
                }
                let size = norm(&v);
                basis.push(v.iter().map(|v| v / size).collect());
            }
            for u in &basis {
                let overlap = dot(u, &moved);
                moved.iter_mut().zip(u).for_each(|(v, u)| *v -= overlap * u);
            }
            assert!(norm(&moved) < 1e-9);
        }
    }
    // Parallel lines have no common point.
    let mut cycle = Cycle::new(&[1.0, 0.0, 1.0, 0.0], &[1.0, 2.0], &[5.0, 7.0], Projection::FullWarm).unwrap();
    for _ in 0..5 {
        assert_eq!(cycle.step(), [1.0, 7.0]);
        assert_eq!(cycle.step(), [2.0, 7.0]);
    }
}

#[test]
fn bad_rows_are_typed_errors() {
    let new = |rows: &[f64], y: &[f64], w: &[f64], projection| Cycle::new(rows, y, w, projection).map(|_| ());
    let full = Projection::FullWarm;
    let partial = |alpha, steps| Projection::PartialWarm { alpha, steps };
    assert!(matches!(new(&[1.0; 3], &[1.0; 2], &[0.0; 2], full), Err(Error::Shape { argument: "rows", .. })));
    assert!(matches!(new(&[], &[], &[0.0], full), Err(Error::Invalid { argument: "targets", .. })));
    assert!(matches!(new(&[], &[1.0], &[], full), Err(Error::Invalid { argument: "start", .. })));
    assert!(matches!(new(&[0.0; 2], &[1.0], &[0.0; 2], full), Err(Error::Invalid { argument: "x·x", .. })));
    assert!(matches!(new(&[1.0; 2], &[f64::NAN], &[0.0; 2], full), Err(Error::NonFinite { argument: "y", .. })));
    assert!(matches!(new(&[f64::NAN, 1.0], &[1.0], &[0.0; 2], full), Err(Error::NonFinite { argument: "x", .. })));
    assert!(matches!(new(&[1.0; 2], &[1.0], &[f64::INFINITY; 2], full), Err(Error::NonFinite { .. })));
    for alpha in [0.0, -1.0, 1.0, f64::NAN] {
        let error = new(&[1.0; 2], &[1.0], &[0.0; 2], partial(alpha, 1));
        assert!(matches!(error, Err(Error::Invalid { argument: "alpha", .. })), "{alpha}");
    }
    assert!(matches!(new(&[1.0; 2], &[1.0], &[0.0; 2], partial(0.5, 0)), Err(Error::Invalid { .. })));
    assert!(matches!(project(&[1.0, 2.0], 1.0, &mut [0.0]), Err(Error::Shape { argument: "w", .. })));
    assert!(matches!(project(&[0.0, 0.0], 1.0, &mut [0.0, 1.0]), Err(Error::Invalid { argument: "x·x", .. })));
}

#[test]
fn spectra_stand_beside_every_response() {
    for seed in 0..20 {
        let q = RandomQuadratic::new(seed, 6, 3, 4, 20.0);
        let problem = q.problem::<f64>();
        let mut rng = Rng(seed);
        let (u, w) = (rng.normals(3), rng.normals(6));
        let largest = q.h.largest();
        let alpha = 0.7 / largest;
        let by = Spectral::Dense;
        let series =
            |terms: u64, alpha: f64, v: f64| (0..=terms).map(|j| alpha * (1.0 - alpha * v).powi(j as i32)).sum::<f64>();
        let auto = Inverse::Neumann { terms: 9, step: Step::Auto, on_growth: OnGrowth::Stop };
        let estimators: Vec<Estimator> = vec![
            EXACT.into(),
            Inverse::Damped { epsilon: 0.3, by }.into(),
            Inverse::neumann(7, alpha).into(),
            Inverse::NeumannFilter { terms: 30, alpha, by }.into(),
            auto.into(),
            Inverse::Identity { alpha: 0.2 }.into(),
            Inverse::Zero.into(),
            Estimator::Unrolled(Unrolled::descent(8, alpha)),
            Estimator::Unrolled(Unrolled { last: Some(3), ..Unrolled::descent(8, alpha) }),
            Inverse::Cg { iterations: 3, tolerance: 0.0 }.into(),
            Inverse::Cg { iterations: 1, tolerance: 0.0 }.into(),
        ];
        let table = spectrum_table(&problem, &estimators, &u, &w).unwrap();
        assert_eq!(table.len(), 6);
        let mut values = q.h.values.clone();
        values.sort_by(f64::total_cmp);
        let b = q.outer_gradient(&w);
        let cg_alpha = dot(&b, &b) / dot(&b, &matvec(6, 6, &q.inner.a, &b));
        for (row, &v) in table.iter().zip(&values) {
            assert!((row.eigenvalue - v).abs() < 1e-13 * largest);
            let expected = [
                if v == 0.0 { 0.0 } else { 1.0 / v },
                1.0 / (v + 0.3),
                series(7, alpha, v),
                series(30, alpha, v),
                series(9, 1.0 / largest, v),
                0.2,
                0.0,
                series(7, alpha, v),
                series(2, alpha, v),
            ];
            for (found, expected) in row.responses.iter().zip(expected) {
                assert!((found - expected).abs() <= 1e-11 * (1.0 + expected.abs()), "{row:?} {expected}");
            }
            // One iteration of conjugate gradients is steepest descent: q = alpha b.
            assert!((row.responses[10] - cg_alpha).abs() < 1e-8 * cg_alpha, "{row:?} {cg_alpha}");
        }
        assert!((table.iter().map(|row| row.share.powi(2)).sum::<f64>() - 1.0).abs() < 1e-12);
        // Three iterations: one polynomial of degree 2 through all six points.
        let x: Vec<f64> = table.iter().map(|row| row.eigenvalue).collect();
        let y: Vec<f64> = table.iter().map(|row| row.responses[9]).collect();
        let lagrange = |at: f64| -> f64 {
            let nodes = [0, 3, 5];
            nodes
                .iter()
                .map(|&i| {
                    let others = nodes.iter().filter(|&&j| j != i);
                    y[i] * others.map(|&j| (at - x[j]) / (x[i] - x[j])).product::<f64>()
                })
                .sum()
        };
        let size = y.iter().fold(0.0_f64, |size, y| size.max(y.abs()));
        for i in 0..6 {
            assert!((lagrange(x[i]) - y[i]).abs() < 1e-6 * size, "{y:?}");
        }
        let single = spectrum_table(&q.problem::<f32>(), &estimators[..1], &cast(&u), &cast(&w)).unwrap();
        assert_eq!(single[0].responses, [0.0]);
    }
    let cg: Estimator = Inverse::Cg { iterations: 2, tolerance: 0.0 }.into();
    assert_eq!(response::<f64>(&cg, 1.0, 0.5), None);
    let nothing = Inverse::Neumann { terms: 3, step: Step::Auto, on_growth: OnGrowth::Stop };
    assert_eq!(response::<f64>(&nothing.into(), 0.0, 0.0), Some(0.0));
    let q = RandomQuadratic::new(1, 3, 2, 2, 2.0).problem::<f64>();
    let bad = Estimator::Implicit(Inverse::Identity { alpha: -1.0 }.into());
    assert!(matches!(spectrum_table(&q, &[bad], &vec![0.0; 2], &vec![0.0; 3]), Err(Error::Invalid { .. })));
    assert!(matches!(spectrum_table(&q, &[], &vec![0.0; 1], &vec![0.0; 3]), Err(Error::Shape { argument: "u", .. })));
}

/// F(w).
fn outer_loss(q: &RandomQuadratic, w: &[f64]) -> f64 {
    0.5 * dot(w, &matvec(q.n, q.n, &q.outer.p, w)) + dot(w, &q.outer.f) + q.outer.h
}

fn attained(extremum: Extremum<f64>) -> (Vec<f64>, f64) {
    match extremum {
        Extremum::Attained { w, outer_loss } => (w, outer_loss),
        Extremum::Unbounded { direction } => panic!("unbounded along {direction:?}"),
    }
}

/// The null space of A, from the oracle.
fn null_space(q: &RandomQuadratic) -> Vec<Vec<f64>> {
    q.h.values.iter().zip(&q.h.vectors).filter(|(v, _)| **v == 0.0).map(|(_, vector)| vector.clone()).collect()
}

#[test]
fn optimistic_solutions_are_stationary_within_the_set() {
    for seed in 0..40 {
        let mut rng = Rng(seed);
        let rank = 1 + seed as usize % 6;
        let q = RandomQuadratic::new(seed, 6, 3, rank, 30.0);
        let problem = q.problem::<f64>();
        let (u, start) = (rng.normals(3), rng.normals(6));
        let (w, best) = attained(optimistic(&problem, &u, &start).unwrap());
        let cold = q.nearest(&u, &start);
        assert!(norm(&q.gradient(&u, &w)) < 1e-10 * (1.0 + norm(&cold)), "an inner solution");
        assert!((best - outer_loss(&q, &w)).abs() < 1e-10 * (1.0 + best.abs()));
        let slope = q.outer_gradient(&w);
        for direction in null_space(&q) {
            assert!(dot(&direction, &slope).abs() < 1e-9 * (1.0 + norm(&slope)));
            for step in [-1.0, -0.1, 0.1, 1.0] {
                let moved: Vec<f64> = w.iter().zip(&direction).map(|(w, d)| w + step * d).collect();
                assert!(outer_loss(&q, &moved) >= best - 1e-10 * (1.0 + best.abs()));
            }
        }
        // Optimistic, cold, pessimistic: in this order.
        let from_start = outer_loss(&q, &cold);
        assert!(best <= from_start + 1e-12 * (1.0 + from_start.abs()), "{best} {from_start}");
        match pessimistic(&problem, &u, &start).unwrap() {
            Extremum::Attained { w, outer_loss } => {
                assert_eq!(rank, 6, "one solution, or a bounded F");
                assert!(distance(&w, &cold) < 1e-10 * (1.0 + norm(&cold)));
                assert!(outer_loss >= from_start - 1e-12 * (1.0 + from_start.abs()));
            }
            Extremum::Unbounded { direction } => {
                assert!(rank < 6 && (norm(&direction) - 1.0).abs() < 1e-12);
                assert!(norm(&matvec(6, 6, &q.inner.a, &direction)) < 1e-12);
                let far = |t: f64| cold.iter().zip(&direction).map(|(w, d)| w + t * d).collect::<Vec<_>>();
                assert!(outer_loss(&q, &far(1e3)) > outer_loss(&q, &far(1e2)));
                assert!(outer_loss(&q, &far(1e2)) > from_start);
            }
        }
        let single = optimistic(&q.problem::<f32>(), &cast(&u), &cast(&start)).unwrap();
        let Extremum::Attained { w: narrow, outer_loss: loss } = single else { panic!("{single:?}") };
        assert!(distance(&narrow, &w) < 2e-2 * (1.0 + norm(&w)) && (loss - best).abs() < 1e-3 * (1.0 + best.abs()));
    }
}

/// A = diag(1, 0, 0), B = 0, d = (−1, 0, 0): S = {w₁ = 1}. F with P = diag(p) and the slope f.
fn flat_problem(p: [f64; 3], f: [f64; 3]) -> Quadratic<f64> {
    let diagonal = |d: [f64; 3]| (0..9).map(|i| if i % 4 == 0 { d[i / 4] } else { 0.0 }).collect::<Vec<_>>();
    let inner = InnerTerms {
        a: diagonal([1.0, 0.0, 0.0]),
        b: vec![0.0; 3],
        c: vec![0.0],
        d: vec![-1.0, 0.0, 0.0],
        e: vec![0.0],
        constant: 0.0,
    };
    Quadratic::new(3, 1, inner, OuterTerms { p: diagonal(p), f: f.to_vec(), h: 0.5 }).unwrap()
}

#[test]
fn unbounded_choices_are_outcomes_with_a_direction() {
    let start = [9.0, 2.0, -3.0];
    let best = |p, f| optimistic(&flat_problem(p, f), &[0.3], &start).unwrap();
    let worst = |p, f| pessimistic(&flat_problem(p, f), &[0.3], &start).unwrap();
    // F = ½ w₂² − w₂: minimal at w₂ = 1, and w₃ stays where it was.
    let (w, loss) = attained(best([0.0, 1.0, 0.0], [0.0, -1.0, 0.0]));
    assert!(distance(&w, &[1.0, 1.0, -3.0]) < 1e-14 && loss.abs() < 1e-14, "{w:?} {loss}");
    // Constant along the null space: best and worst are the same.
    for extremum in [best([2.0, 0.0, 0.0], [1.0, 0.0, 0.0]), worst([2.0, 0.0, 0.0], [1.0, 0.0, 0.0])] {
        let (w, loss) = attained(extremum);
        assert!(distance(&w, &[1.0, 2.0, -3.0]) < 1e-14 && (loss - 2.5).abs() < 1e-14);
    }
    let direction = |extremum| match extremum {
        Extremum::Unbounded { direction } => direction,
        Extremum::Attained { w, .. } => panic!("attained at {w:?}"),
    };
    // A slope without curvature: down along −f, up along f.
    assert!(distance(&direction(best([0.0, 1.0, 0.0], [0.0, 0.0, 2.0])), &[0.0, 0.0, -1.0]) < 1e-14);
    assert!(distance(&direction(worst([3.0, 0.0, 0.0], [0.0, 3.0, 4.0])), &[0.0, 0.6, 0.8]) < 1e-14);
    assert!(distance(&direction(worst([0.0, 1.0, 0.0], [0.0, -5.0, 0.0])), &[0.0, -1.0, 0.0]) < 1e-14);
}

#[test]
fn solution_sets_of_bad_input() {
    let q = RandomQuadratic::new(3, 4, 2, 2, 3.0);
    let problem = q.problem::<f64>();
    for choose in [optimistic::<f64>, pessimistic::<f64>] {
        assert!(matches!(choose(&problem, &[0.0], &[0.0; 4]), Err(Error::Shape { argument: "u", .. })));
        assert!(matches!(choose(&problem, &[0.0; 2], &[0.0; 3]), Err(Error::Shape { argument: "start", .. })));
        assert!(matches!(choose(&problem, &[f64::NAN; 2], &[0.0; 4]), Err(Error::NonFinite { argument: "u", .. })));
        // f unbounded below: no solutions to choose from.
        let mut empty = q.clone();
        empty.inner.d = null_space(&q)[0].clone();
        assert!(matches!(choose(&empty.problem(), &[0.0; 2], &[0.0; 4]), Err(Error::Invalid { .. })));
    }
}

#[test]
fn equilibrium_residuals_by_definition() {
    for seed in 0..20 {
        let q = RandomQuadratic::new(seed, 6, 3, 4, 20.0);
        let problem = q.problem::<f64>();
        let mut rng = Rng(seed);
        let (u, w, w0) = (rng.normals(3), rng.normals(6), rng.normals(6));
        let alpha = 1.1 / q.h.largest();
        let descent = |steps| InnerSolve::Optimizer { rule: Rule::descent(alpha), steps, tolerance: 0.0 };
        let residuals = |equilibrium: Equilibrium<'_, Vec<f64>>, w: &Vec<f64>| {
            equilibrium_residuals(&problem, &equilibrium, &EXACT.into(), &u, w).unwrap()
        };
        let g = q.hypergradient(|v| if v == 0.0 { 0.0 } else { 1.0 / v }, &w);
        let cold = residuals(Equilibrium::Cold { start: &w0, inner: InnerSolve::Fixpoint }, &w);
        let full = residuals(Equilibrium::Warm { inner: InnerSolve::Fixpoint }, &w);
        assert!((cold.fixpoint - distance(&q.nearest(&u, &w0), &w)).abs() < 1e-11);
        assert!((full.fixpoint - distance(&q.nearest(&u, &w), &w)).abs() < 1e-11);
        assert!((cold.outer - norm(&g)).abs() < 1e-10 * (1.0 + norm(&g)) && cold.outer == full.outer);
        assert!((cold.outer_loss - outer_loss(&q, &w)).abs() < 1e-11 * (1.0 + cold.outer_loss.abs()));
        for steps in [1, 3, 20] {
            let mut moved = w.clone();
            for _ in 0..steps {
                let g = q.gradient(&u, &moved);
                moved.iter_mut().zip(g).for_each(|(w, g)| *w -= alpha * g);
            }
            let partial = residuals(Equilibrium::Warm { inner: descent(steps) }, &w);
            assert!((partial.fixpoint - distance(&moved, &w)).abs() < 1e-12, "T = {steps}");
            // Statement 3.2: at a full warm equilibrium every T has none left.
            let there = residuals(Equilibrium::Warm { inner: descent(steps) }, &q.nearest(&u, &w));
            assert!(there.fixpoint < 1e-11, "T = {steps}: {there:?}");
        }
        // Theorem 3.1's end of a cold run is an equilibrium of it.
        let mut settings = Settings::new(Start::Cold, InnerSolve::Fixpoint, EXACT, Rule::descent(1e-2));
        settings.outer_steps = 0;
        let mut runner = Runner::new(&problem, settings, &u, &w0).unwrap();
        runner.run().unwrap();
        let end = residuals(Equilibrium::Cold { start: &w0, inner: InnerSolve::Fixpoint }, runner.w());
        assert!(end.fixpoint < 1e-12);
        // An inner solve that diverges has no fixpoint.
        let wild = InnerSolve::Optimizer { rule: Rule::descent(1e300), steps: 9, tolerance: 0.0 };
        assert_eq!(residuals(Equilibrium::Warm { inner: wild }, &w).fixpoint, f64::INFINITY);
        let error = |equilibrium| equilibrium_residuals(&problem, &equilibrium, &EXACT.into(), &u, &w).unwrap_err();
        let none = InnerSolve::Optimizer { rule: Rule::descent(alpha), steps: 0, tolerance: 0.0 };
        assert!(matches!(error(Equilibrium::Warm { inner: none }), Error::Invalid { argument: "inner steps", .. }));
        let short = vec![0.0; 5];
        let error = error(Equilibrium::Cold { start: &short, inner: InnerSolve::Fixpoint });
        assert!(matches!(error, Error::Shape { argument: "start", .. }));
    }
}

#[test]
fn a_retraining_gap_is_what_the_warm_start_kept_in_w() {
    for seed in 0..20 {
        let q = RandomQuadratic::new(seed, 6, 2, 3, 10.0);
        let problem = q.problem::<f64>();
        let mut rng = Rng(seed);
        let (u, w0) = (rng.normals(2), rng.normals(6));
        let gap = |w: &Vec<f64>| retraining_gap(&problem, &InnerSolve::Fixpoint, &w0, &u, w).unwrap();
        let cold = q.nearest(&u, &w0);
        let after_cold = gap(&cold);
        assert!(after_cold.gap.abs() < 1e-10 * (1.0 + after_cold.run_loss.abs()));
        assert!(distance(&after_cold.retrained, &cold) < 1e-11);
        // The optimistic w is the most that a run can keep in w.
        let (w, best) = attained(optimistic(&problem, &u, &w0).unwrap());
        let after = gap(&w);
        assert!((after.gap - (outer_loss(&q, &cold) - best)).abs() < 1e-9 * (1.0 + best.abs()) && after.gap > 0.0);
        assert!((after.run_loss - best).abs() < 1e-10 * (1.0 + best.abs()));
        let descent = InnerSolve::Optimizer { rule: Rule::descent(1.0 / q.h.largest()), steps: 2000, tolerance: 1e-14 };
        let by_descent = retraining_gap(&problem, &descent, &w0, &u, &w).unwrap();
        assert!((by_descent.gap - after.gap).abs() < 1e-8 * (1.0 + best.abs()));
        let wild = InnerSolve::Optimizer { rule: Rule::descent(1e300), steps: 9, tolerance: 0.0 };
        let error = retraining_gap(&problem, &wild, &w0, &u, &w).unwrap_err();
        assert!(matches!(error, Error::Invalid { argument: "inner solve", .. }));
        let error = retraining_gap(&problem, &descent, &w0, &vec![0.0; 3], &w).unwrap_err();
        assert!(matches!(error, Error::Shape { argument: "u", .. }));
    }
}
