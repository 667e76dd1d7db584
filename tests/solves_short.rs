//! Short recurrences and GMRES: minimum-norm solves, shifted conjugate gradients, unsymmetric systems.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use blo::solve::{Ending, Report, Spectral, Workspace, shifted_cg};
use blo::{Error, Inverse, Scalar};
use common::{Dense, Oracle, Rng, cast, config, distance, norm, solve};
use proptest::prelude::*;

const TWICE: Inverse = Inverse::CgTwice { tolerance: 0.0, max_products: 400 };

fn gmres(restart: usize) -> Inverse {
    Inverse::Gmres { restart, tolerance: 0.0, max_products: 400 }
}

#[test]
fn minimum_norm_on_a_singular_inconsistent_system() {
    let h = [2.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0];
    {
        let inverse = TWICE;
        let (q, report) = solve::<f64>(3, &h, inverse, &[1.0, 1.0, 1.0]);
        assert!(distance(&q, &[0.5, 1.0, 0.0]) < 1e-14, "{inverse:?}: {q:?} {report:?}");
        assert!((report.null_share.unwrap() - 1.0 / 3.0_f64.sqrt()).abs() < 1e-14);
        assert!((report.residual.unwrap() - 1.0 / 3.0_f64.sqrt()).abs() < 1e-14);
        assert_eq!(report.ending, Ending::Converged);
        let (q, _) = solve::<f32>(3, &h, inverse, &[1.0, 1.0, 1.0]);
        assert!(distance(&q, &[0.5, 1.0, 0.0]) < 2e-6, "{inverse:?}: {q:?}");
    }
    // GMRES is not for this, and says so.
    let (q, report) = solve::<f64>(3, &h, gmres(3), &[1.0, 1.0, 1.0]);
    assert!(q.iter().all(|q| q.is_finite()) && report.residual.unwrap() <= 1.0 + 1e-15, "{q:?}");
    assert!(matches!(report.ending, Ending::Singular | Ending::Stalled), "{report:?}");
}

#[test]
fn the_simplest_systems() {
    for inverse in [TWICE, gmres(5)] {
        let (q, report) = solve::<f64>(0, &[], inverse, &[]);
        assert!(q.is_empty() && report.ending == Ending::Completed);
        let (q, _) = solve::<f64>(1, &[4.0], inverse, &[2.0]);
        assert_eq!(q, [0.5], "{inverse:?}");
        let (q, report) = solve::<f64>(1, &[0.0], inverse, &[2.0]);
        assert_eq!(q, [0.0], "{inverse:?}: {report:?}");
        let (q, report) = solve::<f64>(3, &[0.0; 9], inverse, &[0.0; 3]);
        assert_eq!((q, report.ending, report.products), (vec![0.0; 3], Ending::Completed, 0));
        for c in [1e-8, 0.5, 1e9] {
            let matrix: Vec<f64> = (0..16).map(|i| if i % 5 == 0 { c } else { 0.0 }).collect();
            let b = [1.0, -2.0, 0.5, 3.0];
            let (q, report) = solve::<f64>(4, &matrix, inverse, &b);
            let expected: Vec<f64> = b.iter().map(|b| b / c).collect();
            assert!(distance(&q, &expected) <= 8.0 * f64::EPSILON * norm(&expected), "{inverse:?}");
            // CG twice: H b, and one for each solve.
            assert_eq!(report.products, if inverse == TWICE { 3 } else { 1 }, "{inverse:?}");
            assert_eq!(report.ending, Ending::Converged);
        }
    }
    for inverse in [
        Inverse::CgTwice { tolerance: -1.0, max_products: 4 },
        Inverse::Gmres { restart: 2, tolerance: 0.0, max_products: 0 },
        Inverse::Gmres { restart: 0, tolerance: 0.0, max_products: 4 },
    ] {
        assert!(matches!(inverse.validate().unwrap_err(), Error::Invalid { .. }));
    }
}

/// In the manner of lineax's tests: GMRES(2) cannot move on this 4 × 4 system, and must not pass its q as an answer.
#[test]
fn gmres_that_stands_still_is_reported() {
    let shift = [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0];
    let b = [1.0, 0.0, 0.0, 0.0];
    let (q, report) = solve::<f64>(4, &shift, gmres(2), &b);
    assert_eq!((report.ending, q), (Ending::Stalled, vec![0.0; 4]));
    assert_eq!((report.products, report.residual), (3, Some(1.0)));
    let limited = Inverse::Gmres { restart: 2, tolerance: 0.0, max_products: 2 };
    assert_eq!(solve::<f64>(4, &shift, limited, &b).1.ending, Ending::ProductLimit);
    let (q, report) = solve::<f64>(4, &shift, gmres(4), &b);
    assert!(distance(&q, &[0.0, 0.0, 0.0, 1.0]) < 1e-15);
    assert_eq!((report.ending, report.products), (Ending::Converged, 4));
}

#[test]
fn limits_are_kept() {
    let mut rng = Rng(4);
    let h = Oracle::semidefinite(&mut rng, 30, 20, 1e3, 1.0);
    let b = rng.normals(30);
    for max_products in 1..12 {
        for inverse in [
            Inverse::CgTwice { tolerance: 0.0, max_products },
            Inverse::Gmres { restart: 4, tolerance: 0.0, max_products },
        ] {
            let (q, report) = solve::<f64>(30, &h.matrix(), inverse, &b);
            assert_eq!((report.ending, report.products <= max_products), (Ending::ProductLimit, true), "{report:?}");
            assert!(q.iter().all(|q| q.is_finite()));
        }
    }
}

fn check_min_norm<T: Scalar>(h: &Oracle, b: &[f64], cond: f64, inverse: Inverse, loss: f64) -> Report {
    let b_t: Vec<T> = cast(b);
    let (q, report) = solve::<T>(h.n(), &h.matrix(), inverse, &b_t);
    let expected = h.pinv(b);
    let smallest = h.values.iter().filter(|&&v| v != 0.0).fold(f64::INFINITY, |m, v| m.min(v.abs()));
    let bound = loss * (h.n() as f64 + 4.0) * cond * norm(b) / smallest;
    let error = distance(&q, &expected);
    assert!(q.iter().all(|q| q.is_finite()));
    assert!(error <= bound, "{inverse:?}: {error:e} above {bound:e}, {report:?}");
    assert_eq!(report.ending, Ending::Converged, "{inverse:?} {report:?}");
    let null = norm(&h.null_part(b)) / norm(b);
    let difference = (report.null_share.unwrap() - null).abs();
    assert!(difference <= 64.0 * loss.max(T::EPSILON.sqrt()) * cond, "{inverse:?}: {report:?}, null {null}");
    report
}

proptest! {
    #![proptest_config(config(96))]

    #[test]
    fn minimum_norm_with_short_recurrences(seed in any::<u64>(), n in 1_usize..24, log_cond in 0.0..2.0_f64, consistent: bool) {
        let mut rng = Rng(seed);
        let rank = 1 + (rng.uniform() * n as f64) as usize;
        let cond = 10.0_f64.powf(log_cond);
        let scale = 10.0_f64.powf(4.0 * rng.uniform() - 2.0);
        let mut h = Oracle::semidefinite(&mut rng, n, rank.min(n), cond, scale);
        let mut b = rng.normals(n);
        if consistent {
            b = h.filter(|value| f64::from(value != 0.0), &b);
        }
        check_min_norm::<f64>(&h, &b, cond, TWICE, 256.0 * f64::EPSILON);
        if log_cond < 1.0 {
            check_min_norm::<f32>(&h, &b, cond, TWICE, 256.0 * f32::EPSILON as f64);
        }
        // Indefinite: never NaN, and no wrong answer is called converged.
        for value in h.values.iter_mut().skip(1).step_by(2) {
            *value = -*value;
        }
        let (q, report) = solve::<f64>(n, &h.matrix(), TWICE, &b);
        prop_assert!(q.iter().all(|q| q.is_finite()));
        if report.ending == Ending::Converged {
            prop_assert!(distance(&q, &h.pinv(&b)) <= 1e-5 * cond * cond * norm(&h.pinv(&b)), "{report:?}");
        }
    }

    #[test]
    fn shifted_systems_equal_their_filters(seed in any::<u64>(), n in 1_usize..24, log_cond in 0.0..3.0_f64) {
        let mut rng = Rng(seed);
        let rank = (rng.uniform() * (n as f64 + 1.0)) as usize;
        let h = Oracle::semidefinite(&mut rng, n, rank, 10.0_f64.powf(log_cond), 1.0);
        let b = rng.normals(n);
        let epsilons = [0.1, 1e-3, 1.0, 1e-2, 1e-3];
        check_shifted::<f64>(&h, &b, &epsilons);
        check_shifted::<f32>(&h, &b, &epsilons);
    }

    #[test]
    fn gmres_solves_unsymmetric_systems(seed in any::<u64>(), n in 1_usize..16) {
        let mut rng = Rng(seed);
        // I + a contraction: a fixed-point map's system.
        let mut matrix: Vec<f64> = rng.normals(n * n).iter().map(|x| 0.4 * x / (n as f64).sqrt()).collect();
        (0..n).for_each(|i| matrix[i * (n + 1)] += 1.5);
        let x = rng.normals(n);
        let b = common::matvec(n, n, &matrix, &x);
        for restart in [n, 5] {
            let (q, report) = solve::<f64>(n, &matrix, gmres(restart), &b);
            prop_assert!(distance(&q, &x) <= 1e-11 * norm(&x), "{restart}: {report:?}");
            prop_assert_eq!(report.ending, Ending::Converged);
            prop_assert!(restart < n || report.products <= n + 2, "{report:?}");
            let (q, _) = solve::<f32>(n, &matrix, gmres(restart), &cast(&b));
            prop_assert!(distance(&q, &x) <= 1e-3 * norm(&x));
        }
    }
}

fn check_shifted<T: Scalar>(h: &Oracle, b: &[f64], epsilons: &[f64]) {
    let n = h.n();
    let (mut qs, mut reports) = (vec![vec![T::from_f64(f64::NAN); n]; epsilons.len()], Vec::new());
    let mut op = Dense::<T>::new(n, &h.matrix());
    shifted_cg(&mut op, epsilons, 0.0, 400, &cast(b), &mut qs, &mut reports, &mut Workspace::new()).unwrap();
    for ((&epsilon, q), report) in epsilons.iter().zip(&qs).zip(&reports) {
        let expected = h.filter(|value| 1.0 / (value + epsilon), b);
        let error = distance(q, &expected) / norm(&expected);
        let bound = 256.0 * (n as f64 + 4.0) * T::EPSILON * (1.0 + h.largest()) / epsilon;
        assert!(error <= bound, "ε = {epsilon}: {error:e} above {bound:e}, {report:?}");
        assert_eq!(report.ending, Ending::Converged);
    }
}

#[test]
fn shifted_outcomes() {
    let run = |matrix: &[f64], epsilons: &[f64], max_products, b: &[f64]| {
        let n = b.len();
        let (mut qs, mut reports) = (vec![vec![f64::NAN; n]; epsilons.len()], Vec::new());
        let mut op = Dense::<f64>::new(n, matrix);
        shifted_cg(&mut op, epsilons, 0.0, max_products, &b.to_vec(), &mut qs, &mut reports, &mut Workspace::new())
            .map(|()| (qs, reports))
    };
    let (qs, reports) = run(&[2.0, 0.0, 0.0, 2.0], &[1.0, 2.0], 9, &[3.0, 6.0]).unwrap();
    assert!(distance(&qs[0], &[1.0, 2.0]) < 1e-15 && distance(&qs[1], &[0.75, 1.5]) < 1e-15);
    assert!(reports.iter().all(|report| report.products == 1));
    let (qs, reports) = run(&[-5.0, 0.0, 0.0, 2.0], &[1.0, 2.0], 9, &[1.0, 1.0]).unwrap();
    assert!(qs.iter().flatten().all(|q| q.is_finite()));
    assert_eq!(reports[0].ending, Ending::NegativeCurvature);
    let (qs, reports) = run(&[1.0, 0.0, 0.0, 2.0], &[1.0], 1, &[1.0, 1.0]).unwrap();
    assert_eq!((reports[0].ending, qs[0][0].is_finite()), (Ending::ProductLimit, true));
    let (qs, reports) = run(&[1.0, 0.0, 0.0, 2.0], &[1.0], 1, &[0.0, 0.0]).unwrap();
    assert_eq!((reports[0].ending, &qs[0]), (Ending::Completed, &vec![0.0; 2]));
    assert!(run(&[1.0], &[0.0], 1, &[1.0]).is_err() && run(&[1.0], &[1.0], 1, &[f64::NAN]).is_err());
    assert!(run(&[1.0], &[], 1, &[1.0]).unwrap().0.is_empty() && run(&[], &[1.0], 1, &[]).is_ok());
}

/// structure.md, section 7: five shifts for the products of the smallest.
#[test]
fn a_family_of_dampings_costs_one_solve() {
    let mut rng = Rng(12);
    let n = 120;
    let mut h = Oracle::semidefinite(&mut rng, n, 100, 1e4, 1.0);
    h.values.iter_mut().skip(100).for_each(|value| *value = 0.0);
    let b = rng.normals(n);
    let epsilons = [1.0, 0.1, 1e-2, 1e-3];
    let (mut qs, mut reports) = (vec![vec![0.0; n]; 4], Vec::new());
    let mut op = Dense::<f64>::new(n, &h.matrix());
    shifted_cg(&mut op, &epsilons, 1e-10, 5000, &b, &mut qs, &mut reports, &mut Workspace::new()).unwrap();
    let counts: Vec<usize> = reports.iter().map(|report| report.products).collect();
    assert!(counts.is_sorted() && counts[0] < counts[3], "{counts:?}");
    for (epsilon, q) in epsilons.iter().zip(&qs) {
        let (exact, _) = solve::<f64>(n, &h.matrix(), Inverse::Damped { epsilon: *epsilon, by: Spectral::Dense }, &b);
        assert!(distance(q, &exact) <= 1e-8 * norm(&exact));
    }
}
