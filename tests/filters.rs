//! Every estimator against its spectral filter on matrices whose eigenpairs are known: full rank, singular, inconsistent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use blo::solve::{AUTO_PRODUCTS, Ending, OnGrowth, Report, Spectral, Step};
use blo::{Inverse, Scalar};
use common::{Oracle, Rng, cast, config, distance, dot, norm, solve, widen};
use proptest::prelude::*;

#[derive(Debug, Clone)]
struct Case {
    h: Oracle,
    b: Vec<f64>,
    cond: f64,
}

/// Ranks from 0 to n; b in the range or anywhere.
fn cases() -> impl Strategy<Value = Case> {
    (any::<u64>(), 1_usize..20, 0.0..1.0_f64, 0.0..2.5_f64, any::<bool>()).prop_map(
        |(seed, n, rank, log_cond, consistent)| {
            let mut rng = Rng(seed);
            let rank = (rank * (n as f64 + 1.0)) as usize;
            let cond = 10.0_f64.powf(log_cond);
            let scale = 10.0_f64.powf(4.0 * rng.uniform() - 2.0);
            let h = Oracle::semidefinite(&mut rng, n, rank, cond, scale);
            let mut b = rng.normals(n);
            if consistent && rank > 0 {
                b = h.filter(|value| f64::from(value != 0.0), &b);
            }
            Case { h, b, cond }
        },
    )
}

/// Compares with the filter: the error of a backward-stable method is c · n · eps · amplification · max r · ‖b‖.
fn check<T: Scalar>(case: &Case, inverse: Inverse, r: impl Fn(f64) -> f64, amplification: f64) -> (Vec<T>, Report) {
    let b: Vec<T> = cast(&case.b);
    let (q, report) = solve::<T>(case.h.n(), &case.h.matrix(), inverse, &b);
    let expected = case.h.filter(&r, &widen(&b));
    let largest = case.h.values.iter().fold(0.0, |m, &v| f64::max(m, r(v).abs()));
    let bound = 16.0 * (case.h.n() as f64 + 4.0) * T::EPSILON * amplification * largest * norm(&b);
    let error = distance(&q, &expected);
    assert!(error <= bound, "{inverse:?}: error {error:e} above {bound:e}; {report:?}");
    (q, report)
}

fn check_all<T: Scalar>(case: &Case) {
    let largest = case.h.largest();
    let scale = if largest > 0.0 { largest } else { 1.0 };
    let slack = if T::EPSILON < 1e-10 { 1e-12 } else { 1e-6 } / T::EPSILON;
    // Exact: rank and null part are resolved, since cond is far below 1/cutoff.
    let pinv = |value: f64| if value == 0.0 { 0.0 } else { 1.0 / value };
    for by in [Spectral::Dense, Spectral::LANCZOS] {
        let (_, report) = check::<T>(case, Inverse::MinNorm { cutoff: None, by }, pinv, case.cond.powi(2) + slack);
        let null = norm(&case.h.null_part(&case.b)) / norm(&case.b);
        if let (Some(share), true) = (report.null_share, largest > 0.0) {
            // A part of b below the resolution of the process is not seen.
            let bound = 64.0 * case.h.n() as f64 * T::EPSILON * case.cond + T::EPSILON.sqrt() * 1e-3;
            assert!((share - null).abs() <= bound, "{by:?}: null share {share}, {null} expected");
        }
        // For a consistent system the residual says so; else it is the null part of b.
        let residual = report.residual.unwrap();
        assert!((residual - null).abs() <= 64.0 * 24.0 * (T::EPSILON * case.cond.powi(2) + slack * T::EPSILON));
        for epsilon in [1e-2 * scale, scale] {
            let inverse = Inverse::Damped { epsilon, by };
            check::<T>(case, inverse, |value| 1.0 / (value + epsilon), scale / epsilon + slack);
        }
    }
    let alpha = 1.3 / scale;
    for terms in [0, 1, 2, 7, 40] {
        let r = |value: f64| (0..=terms).map(|j| alpha * (1.0 - alpha * value).powi(j as i32)).sum::<f64>();
        let (q, report) = check::<T>(case, Inverse::neumann(terms, alpha), r, 1.0 + terms as f64);
        assert_eq!((report.ending, report.growth), (Ending::Completed, None));
        assert!(report.products <= terms);
        let series = blo::reference::neumann_series(
            &cast::<T>(&case.h.matrix()),
            &cast::<T>(&case.b),
            T::from_f64(alpha),
            terms,
        );
        assert!(distance(&q, &series) <= 64.0 * (terms as f64 + 1.0) * T::EPSILON * norm(&series));
        for by in [Spectral::Dense, Spectral::LANCZOS] {
            let inverse = Inverse::NeumannFilter { terms: terms as u64, alpha, by };
            check::<T>(case, inverse, r, 4.0 * (1.0 + terms as f64) + slack);
        }
    }
    check::<T>(case, Inverse::Identity { alpha }, |_| alpha, 1.0);
    check::<T>(case, Inverse::Zero, |_| 0.0, 1.0);
}

/// The k-th iterate of conjugate gradients is the minimiser of ½qᵀHq − bᵀq over span{b, Hb, …, H^{k−1} b}: solved there
/// with the dense eigendecomposition of the projected matrix, from a basis orthonormalised twice.
fn galerkin(h: &Oracle, b: &[f64], k: usize) -> Vec<f64> {
    let n = b.len();
    let matrix = h.matrix();
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
        if size < 1e-9 * norm(b) {
            break;
        }
        v.iter_mut().for_each(|v| *v /= size);
        basis.push(v.clone());
        v = common::matvec(n, n, &matrix, &v);
    }
    let size = basis.len();
    let images: Vec<Vec<f64>> = basis.iter().map(|v| common::matvec(n, n, &matrix, v)).collect();
    let projected: Vec<f64> = (0..size * size).map(|i| dot(&basis[i / size], &images[i % size])).collect();
    let right: Vec<f64> = basis.iter().map(|v| dot(v, b)).collect();
    let (q, _) = solve::<f64>(size, &projected, Inverse::MinNorm { cutoff: None, by: Spectral::Dense }, &right);
    let mut out = vec![0.0; n];
    for (weight, v) in q.iter().zip(&basis) {
        out.iter_mut().zip(v).for_each(|(out, v)| *out += weight * v);
    }
    out
}

proptest! {
    #![proptest_config(config(96))]

    #[test]
    fn estimators_equal_their_filters_in_f64(case in cases()) {
        check_all::<f64>(&case);
    }

    #[test]
    fn estimators_equal_their_filters_in_f32(mut case in cases()) {
        // cond² · eps has to stay below 1 for a bound that says something.
        case.cond = case.cond.min(30.0);
        let n = case.h.n();
        let rank = case.h.values.iter().filter(|&&value| value != 0.0).count();
        let largest = case.h.largest();
        case.h.values = (0..n)
            .map(|i| if i < rank { largest * case.cond.powf(-(i as f64) / (rank.max(2) - 1) as f64) } else { 0.0 })
            .collect();
        check_all::<f32>(&case);
    }

    #[test]
    fn truncated_cg_is_the_galerkin_solution_of_its_krylov_space(seed in any::<u64>(), n in 1_usize..11, log_cond in 0.0..1.5_f64) {
        let mut rng = Rng(seed);
        let h = Oracle::semidefinite(&mut rng, n, n, 10.0_f64.powf(log_cond), 2.0);
        let b = rng.normals(n);
        for k in 1..=n {
            let (q, report) = solve::<f64>(n, &h.matrix(), Inverse::Cg { iterations: k, tolerance: 0.0 }, &b);
            prop_assert!(matches!(report.ending, Ending::Completed | Ending::Converged));
            prop_assert!(report.products <= k);
            let expected = galerkin(&h, &b, k);
            prop_assert!(distance(&q, &expected) <= 1e-8 * norm(&expected), "k = {k}");
        }
        // Finite termination: n steps solve an n × n system.
        let (q, _) = solve::<f64>(n, &h.matrix(), Inverse::Cg { iterations: n + 3, tolerance: 0.0 }, &b);
        prop_assert!(distance(&q, &h.pinv(&b)) <= 1e-8 * norm(&q));
    }

    #[test]
    fn the_scale_of_b_does_not_matter(seed in any::<u64>(), n in 1_usize..10) {
        let mut rng = Rng(seed);
        let h = Oracle::semidefinite(&mut rng, n, n, 50.0, 1.0);
        let b = rng.normals(n);
        for inverse in [
            Inverse::MinNorm { cutoff: None, by: Spectral::Dense },
            Inverse::MinNorm { cutoff: None, by: Spectral::LANCZOS },
            Inverse::Damped { epsilon: 0.1, by: Spectral::LANCZOS },
            Inverse::neumann(20, 0.7),
            Inverse::Neumann { terms: 20, step: Step::Auto, on_growth: OnGrowth::Stop },
            Inverse::Cg { iterations: 4, tolerance: 0.0 },
            Inverse::Identity { alpha: 0.3 },
        ] {
            // Powers of two: every step scales exactly, so the answers have the same bits.
            let reference = solve::<f64>(n, &h.matrix(), inverse, &b).0;
            let reference32 = solve::<f32>(n, &h.matrix(), inverse, &cast(&b)).0;
            for exponent in [-700, -100, 100, 700] {
                let factor = 2.0_f64.powi(exponent);
                let (q, _) = solve::<f64>(n, &h.matrix(), inverse, &b.iter().map(|b| b * factor).collect::<Vec<_>>());
                let expected: Vec<f64> = reference.iter().map(|q| q * factor).collect();
                prop_assert!(distance(&q, &expected) <= 1e-13 * norm(&expected), "{inverse:?} 2^{exponent}");
                if exponent.abs() < 500 {
                    let factor = factor as f32;
                    let b: Vec<f32> = b.iter().map(|&b| b as f32 * factor).collect();
                    let q = solve::<f32>(n, &h.matrix(), inverse, &b).0;
                    let expected: Vec<f32> = reference32.iter().map(|q| q * factor).collect();
                    prop_assert!(distance(&q, &expected) <= 1e-5 * norm(&expected), "{inverse:?} f32 2^{exponent}");
                }
            }
        }
    }
}

#[test]
fn right_hand_sides_of_any_size_give_the_same_relative_answer() {
    // peers.md 2, row 4: norms 1e-30 and 1e+30 in f32, where squares under- and overflow.
    let mut rng = Rng(7);
    let h = Oracle::semidefinite(&mut rng, 8, 8, 10.0, 1.0);
    let b = rng.normals(8);
    let expected = h.pinv(&b);
    for scale in [1e-30_f64, 1e-13, 1.0, 1e30] {
        let b: Vec<f32> = b.iter().map(|&b| (b * scale) as f32).collect();
        for inverse in [
            Inverse::Cg { iterations: 8, tolerance: 0.0 },
            Inverse::MinNorm { cutoff: None, by: Spectral::LANCZOS },
            Inverse::Neumann { terms: 400, step: Step::Auto, on_growth: OnGrowth::Stop },
        ] {
            let (q, report) = solve::<f32>(8, &h.matrix(), inverse, &b);
            let q: Vec<f64> = q.iter().map(|&q| q as f64 / scale).collect();
            assert!(distance(&q, &expected) <= 2e-5 * norm(&expected), "{inverse:?} at {scale:e}: {report:?}");
            assert!(report.residual.unwrap() < 1e-5);
        }
    }
}

#[test]
fn a_zero_right_hand_side_gives_exactly_zero() {
    let mut rng = Rng(1);
    for rank in [0, 3, 5] {
        let h = Oracle::semidefinite(&mut rng, 5, rank, 10.0, 1.0);
        for inverse in [
            Inverse::MinNorm { cutoff: None, by: Spectral::Dense },
            Inverse::MinNorm { cutoff: None, by: Spectral::LANCZOS },
            Inverse::Damped { epsilon: 1.0, by: Spectral::LANCZOS },
            Inverse::Neumann { terms: 10, step: Step::Auto, on_growth: OnGrowth::Stop },
            Inverse::Cg { iterations: 5, tolerance: 0.0 },
        ] {
            let (q, report) = solve::<f64>(5, &h.matrix(), inverse, &[0.0; 5]);
            assert!(q.iter().all(|&q| q == 0.0));
            assert_eq!((report.ending, report.products, report.residual), (Ending::Completed, 0, Some(0.0)));
        }
    }
}

#[test]
fn a_multiple_of_the_identity_is_solved_in_one_product() {
    // peers.md 3: hypertorch's and BOAT's CG return zero here.
    for c in [1e-8, 0.5, 1.0, 3.0, 1e9] {
        let matrix: Vec<f64> = (0..16).map(|i| if i % 5 == 0 { c } else { 0.0 }).collect();
        let b = [1.0, -2.0, 0.5, 3.0];
        for inverse in
            [Inverse::Cg { iterations: 10, tolerance: 0.0 }, Inverse::MinNorm { cutoff: None, by: Spectral::LANCZOS }]
        {
            let (q, report) = solve::<f64>(4, &matrix, inverse, &b);
            assert_eq!(report.products, 1, "{inverse:?}");
            assert_eq!(report.ending, Ending::Converged);
            let expected: Vec<f64> = b.iter().map(|b| b / c).collect();
            assert!(distance(&q, &expected) <= 4.0 * f64::EPSILON * norm(&expected));
        }
    }
}

#[test]
fn empty_and_single_element_systems() {
    let (q, report) = solve::<f64>(0, &[], Inverse::Cg { iterations: 3, tolerance: 0.0 }, &[]);
    assert!(q.is_empty() && report.ending == Ending::Completed);
    for by in [Spectral::Dense, Spectral::LANCZOS] {
        let (q, _) = solve::<f64>(1, &[4.0], Inverse::MinNorm { cutoff: None, by }, &[2.0]);
        assert_eq!(q, [0.5]);
        let (q, report) = solve::<f64>(1, &[0.0], Inverse::MinNorm { cutoff: None, by }, &[2.0]);
        assert_eq!(q, [0.0]);
        assert_eq!(report.null_share, Some(1.0));
    }
}

#[test]
fn automatic_step_contracts_and_is_reported() {
    let mut rng = Rng(11);
    for scale in [1e-6, 1.0, 1e6] {
        let h = Oracle::semidefinite(&mut rng, 30, 30, 100.0, scale);
        let inverse = Inverse::Neumann { terms: 2000, step: Step::Auto, on_growth: OnGrowth::Stop };
        let b = rng.normals(30);
        let (q, report) = solve::<f64>(30, &h.matrix(), inverse, &b);
        assert_eq!(report.ending, Ending::Completed);
        let product = report.alpha.unwrap() * scale;
        assert!((0.99..2.0).contains(&product), "alpha λmax = {product}");
        assert_eq!(report.products, 2000 + AUTO_PRODUCTS);
        assert!(distance(&q, &h.pinv(&b)) <= 1e-6 * norm(&q));
    }
    // Nothing to scale by: H = 0.
    let inverse = Inverse::Neumann { terms: 5, step: Step::Auto, on_growth: OnGrowth::Stop };
    let (q, report) = solve::<f64>(3, &[0.0; 9], inverse, &[1.0, 2.0, 3.0]);
    assert_eq!((report.ending, q), (Ending::Singular, vec![0.0; 3]));
}

/// bᵀH b = 0 is not the end: on the exchange of two coordinates the first Ritz value is 0 and the answer needs the second.
#[test]
fn one_quiet_step_does_not_end_a_lanczos_process() {
    let (q, report) =
        solve::<f64>(2, &[0.0, 1.0, 1.0, 0.0], Inverse::MinNorm { cutoff: None, by: Spectral::LANCZOS }, &[1.0, 0.0]);
    assert!(distance(&q, &[0.0, 1.0]) < 1e-15, "{q:?} {report:?}");
    let (low, high) = report.curvature.unwrap();
    assert!((low + 1.0).abs() < 1e-14 && (high - 1.0).abs() < 1e-14);
}

/// A million terms in as many products as there are distinct curvatures, and a few.
#[test]
fn long_series_cost_few_products_on_low_rank() {
    let points: Vec<f64> = (0..13).map(|i| -2.0 + i as f64 / 3.0).collect();
    for (amplitude, alpha) in
        [(blo::problem::fourier::Amplitude::Exponential, 1e-7), (blo::problem::fourier::Amplitude::Harmonic, 1e-3)]
    {
        let design = blo::problem::fourier::design::<f64>(&points, 10, amplitude).unwrap();
        let h = common::gram(13, 21, &design);
        let b = blo::problem::fourier::design::<f64>(&[0.3], 10, amplitude).unwrap();
        for terms in [100, 10_000, 1_000_000] {
            let by = |by| Inverse::NeumannFilter { terms, alpha, by };
            let (expected, _) = solve::<f64>(21, &h, by(Spectral::Dense), &b);
            let (q, report) = solve::<f64>(21, &h, by(Spectral::LANCZOS), &b);
            assert!(report.products <= 17, "K = {terms}: {} products", report.products);
            assert!(distance(&q, &expected) <= 1e-9 * norm(&expected), "K = {terms}");
        }
    }
}
