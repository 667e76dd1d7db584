//! MINRES: minimum-norm solutions of singular, inconsistent and indefinite systems with a fixed number of vectors, and honest
//! endings where digits are lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use blo::solve::{Ending, Report, Spectral};
use blo::{Error, Inverse, Scalar};
use common::{Oracle, Rng, cast, config, distance, dot, matvec, norm, solve};
use proptest::prelude::*;

fn minres(tolerance: f64) -> Inverse {
    Inverse::Minres { tolerance, max_products: 20_000 }
}

#[test]
fn minimum_norm_on_a_singular_inconsistent_system() {
    let h = [2.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0];
    for tolerance in [0.0, 1e-8] {
        let (q, report) = solve::<f64>(3, &h, minres(tolerance), &[1.0, 1.0, 1.0]);
        assert!(distance(&q, &[0.5, 1.0, 0.0]) < 1e-14, "{q:?} {report:?}");
        assert!((report.null_share.unwrap() - 1.0 / 3.0_f64.sqrt()).abs() < 1e-14);
        assert!((report.residual.unwrap() - 1.0 / 3.0_f64.sqrt()).abs() < 1e-14);
        // Three for the solve, and two for the check.
        assert_eq!((report.ending, report.products), (Ending::Converged, 5));
        let (q, _) = solve::<f32>(3, &h, minres(tolerance), &[1.0, 1.0, 1.0]);
        assert!(distance(&q, &[0.5, 1.0, 0.0]) < 2e-6, "{q:?}");
    }
    // Nothing in the range; everything in it.
    let (q, report) = solve::<f64>(3, &h, minres(0.0), &[0.0, 0.0, 2.0]);
    assert_eq!((q, report.ending, report.null_share), (vec![0.0; 3], Ending::Converged, Some(1.0)));
    let (q, report) = solve::<f64>(3, &h, minres(0.0), &[1.0, 2.0, 0.0]);
    assert!(distance(&q, &[0.5, 2.0, 0.0]) < 1e-15 && report.null_share.is_none());
}

#[test]
fn the_simplest_systems() {
    let (q, report) = solve::<f64>(0, &[], minres(0.0), &[]);
    assert!(q.is_empty() && report.ending == Ending::Completed);
    for (h, expected) in [(4.0, 0.5), (-4.0, -0.5), (0.0, 0.0)] {
        let (q, report) = solve::<f64>(1, &[h], minres(0.0), &[2.0]);
        assert_eq!((q[0], report.ending), (expected, Ending::Converged));
    }
    // bᵀH b = 0: the first Rayleigh quotient says nothing.
    let (q, report) = solve::<f64>(2, &[0.0, 1.0, 1.0, 0.0], minres(0.0), &[1.0, 0.0]);
    assert!(distance(&q, &[0.0, 1.0]) < 1e-15, "{q:?} {report:?}");
    for c in [1e-8, -0.5, 1e9] {
        let matrix: Vec<f64> = (0..16).map(|i| if i % 5 == 0 { c } else { 0.0 }).collect();
        let b = [1.0, -2.0, 0.5, 3.0];
        let (q, report) = solve::<f64>(4, &matrix, minres(0.0), &b);
        let expected: Vec<f64> = b.iter().map(|b| b / c).collect();
        assert!(distance(&q, &expected) <= 8.0 * f64::EPSILON * norm(&expected));
        // And one for the check of the residual.
        assert_eq!((report.products, report.ending), (2, Ending::Converged));
    }
    for bad in [
        Inverse::Minres { tolerance: -1.0, max_products: 4 },
        Inverse::Minres { tolerance: f64::NAN, max_products: 4 },
        Inverse::Minres { tolerance: 0.0, max_products: 0 },
    ] {
        assert!(matches!(bad.validate().unwrap_err(), Error::Invalid { .. }));
    }
}

/// argmin ‖b − H x‖ over span{b, H b, …, H^{k−1} b}, by normal equations in a basis orthonormalised twice.
fn minimal_residual(h: &[f64], b: &[f64], k: usize) -> Vec<f64> {
    let n = b.len();
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let mut v = b.to_vec();
    for _ in 0..k {
        for _ in 0..2 {
            for u in &basis {
                let overlap = dot(u, &v);
                v.iter_mut().zip(u).for_each(|(v, u)| *v -= overlap * u);
            }
        }
        let size = norm(&v);
        v.iter_mut().for_each(|v| *v /= size);
        basis.push(v.clone());
        v = matvec(n, n, h, &v);
    }
    let images: Vec<Vec<f64>> = basis.iter().map(|v| matvec(n, n, h, v)).collect();
    let normal: Vec<f64> = (0..k * k).map(|i| dot(&images[i / k], &images[i % k])).collect();
    let right: Vec<f64> = images.iter().map(|image| dot(image, b)).collect();
    let (y, _) = solve::<f64>(k, &normal, Inverse::MinNorm { cutoff: None, by: Spectral::Dense }, &right);
    (0..n).map(|i| basis.iter().zip(&y).map(|(v, y)| v[i] * y).sum()).collect()
}

fn indefinite(rng: &mut Rng, n: usize, rank: usize, cond: f64, scale: f64) -> Oracle {
    let mut h = Oracle::semidefinite(rng, n, rank, cond, scale);
    h.values.iter_mut().skip(1).step_by(2).for_each(|value| *value = -*value);
    h
}

#[test]
fn every_iterate_minimises_the_residual_over_its_krylov_space() {
    let mut rng = Rng(8);
    for n in [2, 3, 7, 12] {
        let h = indefinite(&mut rng, n, n, 8.0, 2.0);
        let (matrix, b) = (h.matrix(), rng.normals(n));
        for k in 1..n {
            let (q, report) = solve::<f64>(n, &matrix, Inverse::Minres { tolerance: 0.0, max_products: k }, &b);
            assert_eq!((report.ending, report.products), (Ending::ProductLimit, k));
            let expected = minimal_residual(&matrix, &b, k);
            assert!(distance(&q, &expected) <= 1e-9 * norm(&expected), "n = {n}, k = {k}");
        }
        let (q, report) = solve::<f64>(n, &matrix, minres(0.0), &b);
        assert_eq!((report.ending, report.null_share), (Ending::Converged, None));
        assert!(distance(&q, &h.pinv(&b)) <= 1e-12 * norm(&q) && report.products <= n + 5, "{report:?}");
    }
}

fn on_table<T: Scalar>(seed: u64, rank: usize, cond: f64, negative: bool, tolerance: f64) -> (f64, Report) {
    let mut rng = Rng(seed);
    let n = 2 * rank;
    let mut h = Oracle::semidefinite(&mut rng, n, rank, cond, 1.0);
    if negative {
        h.values.iter_mut().skip(1).step_by(2).for_each(|value| *value = -*value);
    }
    let b = rng.normals(n);
    let (q, report) = solve::<T>(n, &h.matrix(), minres(tolerance), &cast::<T>(&b));
    let expected = h.pinv(&b);
    let share = norm(&h.null_part(&b)) / norm(&b);
    assert!(q.iter().all(|q| q.is_finite()));
    if report.ending == Ending::Converged {
        assert!((report.null_share.unwrap() - share).abs() <= 1e-3, "{report:?}, null {share}");
    }
    (distance(&q, &expected) / norm(&expected), report)
}

/// structure.md, section 6: random b, half of it null, dimension 200. The errors of its row "MINRES + lift" are 5e-7, 9e-6, 2e-3
/// and 6e-9 in f64, and in f32 8e-3, 0.7, none and 3e-3.
#[test]
fn the_table_of_minimum_norm_methods() {
    for seed in 1..4 {
        let converged = [
            (on_table::<f64>(seed, 5, 2e1, false, 0.0), 2e-14),
            (on_table::<f64>(seed, 100, 1e2, false, 0.0), 2e-12),
            (on_table::<f64>(seed, 100, 1e4, false, 0.0), 2e-10),
            (on_table::<f64>(seed, 100, 1e2, true, 0.0), 5e-13),
            (on_table::<f64>(seed, 100, 1e4, true, 0.0), 5e-11),
            (on_table::<f32>(seed, 5, 2e1, false, 0.0), 1e-5),
            (on_table::<f32>(seed, 100, 1e2, false, 0.0), 1e-3),
            (on_table::<f32>(seed, 100, 1e2, true, 0.0), 1e-3),
        ];
        for (row, ((error, report), bound)) in converged.into_iter().enumerate() {
            assert_eq!(report.ending, Ending::Converged, "row {row}, seed {seed}: {report:?}");
            assert!(error <= bound, "row {row}, seed {seed}: error {error:e}, {report:?}");
        }
        // Here it may stall at the rounding floor, but the digits are there.
        let (error, _) = on_table::<f64>(seed, 100, 1e6, false, 0.0);
        assert!(error <= 2e-8, "{error:e}");
        // In f32 nothing is left of them, and the report says so.
        for cond in [1e4, 1e6] {
            let (error, report) = on_table::<f32>(seed, 100, cond, false, 0.0);
            assert_eq!(report.ending, Ending::Stalled, "error {error:e}");
        }
        // At a tolerance: about as good as it, and the lift alone is enough where the spectrum allows.
        for (tolerance, bound) in [(1e-4, 1e-2), (1e-6, 1e-4), (1e-8, 1e-6)] {
            for negative in [false, true] {
                let (error, report) = on_table::<f64>(seed, 100, 1e2, negative, tolerance);
                assert_eq!(report.ending, Ending::Converged);
                assert!(error <= bound, "tolerance {tolerance:e}: {error:e}");
                assert!(report.products <= 1200);
            }
            let (error, report) = on_table::<f64>(seed, 5, 2e1, false, tolerance);
            assert!(error <= tolerance && report.products <= 9, "{tolerance:e}: {error:e}, {report:?}");
        }
    }
}

#[test]
fn limits_are_kept() {
    let mut rng = Rng(4);
    let h = indefinite(&mut rng, 40, 30, 1e3, 1.0);
    let b = rng.normals(40);
    let whole = solve::<f64>(40, &h.matrix(), minres(0.0), &b).1.products;
    assert!(whole > 150, "three more passes, {whole} products");
    for max_products in (1..whole).step_by(7).chain([whole - 1]) {
        let (q, report) = solve::<f64>(40, &h.matrix(), Inverse::Minres { tolerance: 0.0, max_products }, &b);
        assert_eq!((report.ending, report.products <= max_products), (Ending::ProductLimit, true), "{report:?}");
        assert!(q.iter().all(|q| q.is_finite()) && norm(&q) < 1e3 * norm(&h.pinv(&b)));
    }
    assert_eq!(
        solve::<f64>(40, &h.matrix(), Inverse::Minres { tolerance: 0.0, max_products: whole }, &b).1.ending,
        Ending::Converged
    );
}

fn check<T: Scalar>(h: &Oracle, b: &[f64], cond: f64) {
    let (q, report) = solve::<T>(h.n(), &h.matrix(), minres(0.0), &cast::<T>(b));
    let expected = h.pinv(b);
    let smallest = h.values.iter().filter(|&&v| v != 0.0).fold(f64::INFINITY, |m, v| m.min(v.abs()));
    let bound = 256.0 * (h.n() as f64 + 4.0) * T::EPSILON * cond * norm(b) / smallest;
    let error = distance(&q, &expected);
    assert!(error <= bound, "{error:e} above {bound:e}, {report:?}");
    assert_eq!(report.ending, Ending::Converged, "{report:?}");
    let null = norm(&h.null_part(b)) / norm(b);
    let bound = 64.0 * (256.0 * T::EPSILON).max(T::EPSILON.sqrt()) * cond;
    assert!((report.null_share.unwrap_or(0.0) - null).abs() <= bound, "{report:?}, null {null}");
}

proptest! {
    #![proptest_config(config(128))]

    #[test]
    fn minimum_norm_whatever_the_signs(
        seed in any::<u64>(), n in 1_usize..24, log_cond in 0.0..2.0_f64, consistent: bool, negative: bool
    ) {
        let mut rng = Rng(seed);
        let rank = 1 + (rng.uniform() * n as f64) as usize;
        let cond = 10.0_f64.powf(log_cond);
        let scale = 10.0_f64.powf(4.0 * rng.uniform() - 2.0);
        let mut h = Oracle::semidefinite(&mut rng, n, rank.min(n), cond, scale);
        if negative {
            h.values.iter_mut().skip(1).step_by(2).for_each(|value| *value = -*value);
        }
        let mut b = rng.normals(n);
        if consistent {
            b = h.filter(|value| f64::from(value != 0.0), &b);
        }
        check::<f64>(&h, &b, cond);
        if log_cond < 1.0 {
            check::<f32>(&h, &b, cond);
        }
    }
}
