//! Projections, spectra, solution sets, equilibria and retraining against closed forms on random quadratics.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use blo::analysis::{Cycle, Projection, project, response, spectrum_table};
use blo::hypergradient::Unrolled;
use blo::solve::{OnGrowth, Solve, Spectral, Step};
use blo::{Error, Estimator, Inverse};
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
            Estimator::Unrolled(Unrolled { steps: 8, alpha, last: None }),
            Estimator::Unrolled(Unrolled { steps: 8, alpha, last: Some(3) }),
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
    let bad = Estimator::Implicit(Solve { inverse: Inverse::Identity { alpha: -1.0 }, verify: false });
    assert!(matches!(spectrum_table(&q, &[bad], &vec![0.0; 2], &vec![0.0; 3]), Err(Error::Invalid { .. })));
    assert!(matches!(spectrum_table(&q, &[], &vec![0.0; 1], &vec![0.0; 3]), Err(Error::Shape { argument: "u", .. })));
}
