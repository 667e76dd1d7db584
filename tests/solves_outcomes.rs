//! Every estimator on every kind of operator: a documented outcome, never a NaN; and the scale of b never matters.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use blo::solve::{Ending, OnGrowth, Report, Solve, Spectral, Step, Workspace, shifted_cg};
use blo::{Inverse, Scalar};
use common::{Dense, Oracle, Rng, cast, config, distance, norm, solve};
use proptest::prelude::*;

fn lanczos() -> Spectral {
    Spectral::LANCZOS
}

fn inverses() -> Vec<Inverse> {
    let mut all = vec![
        Inverse::Neumann { terms: 30, step: Step::Auto, on_growth: OnGrowth::Stop },
        Inverse::Neumann { terms: 30, step: Step::Fixed(0.4), on_growth: OnGrowth::Continue },
        Inverse::neumann(30, 0.4),
        Inverse::Cg { iterations: 30, tolerance: 0.0 },
        Inverse::Cg { iterations: 2, tolerance: 0.0 },
        Inverse::CgTwice { tolerance: 0.0, max_products: 90 },
        Inverse::Minres { tolerance: 0.0, max_products: 200 },
        Inverse::Minres { tolerance: 1e-4, max_products: 200 },
        Inverse::Gmres { restart: 3, tolerance: 0.0, max_products: 60 },
        Inverse::Gmres { restart: 30, tolerance: 0.0, max_products: 60 },
        Inverse::Nystrom { rank: 2, epsilon: 0.5, seed: 3 },
        Inverse::Nystrom { rank: 30, epsilon: 0.5, seed: 3 },
        Inverse::Identity { alpha: 0.4 },
        Inverse::Zero,
    ];
    for by in [Spectral::Dense, lanczos()] {
        all.push(Inverse::MinNorm { cutoff: None, by });
        all.push(Inverse::Damped { epsilon: 0.5, by });
        all.push(Inverse::NeumannFilter { terms: 30, alpha: 0.4, by });
    }
    all
}

/// Each with what may be done before and after it.
fn solves() -> Vec<Solve> {
    let mut all = Vec::new();
    for inverse in inverses() {
        for (refine, start_from_last) in [(0, false), (2, false), (0, true), (2, true)] {
            let solve = Solve { inverse, verify: true, refine, start_from_last };
            if solve.validate().is_ok() {
                all.push(solve);
            }
        }
    }
    all
}

fn check<T: Scalar>(n: usize, matrix: &[f64], b: &[f64]) {
    let b: Vec<T> = cast(b);
    let check = |what: &dyn std::fmt::Debug, q: &[T], report: &Report| {
        assert!(q.iter().all(|q| q.is_finite()), "{what:?}: {q:?} {report:?}");
        for number in [report.residual, report.null_share, report.alpha].into_iter().flatten() {
            assert!(number.is_finite() && number >= 0.0, "{what:?}: {report:?}");
        }
        // An overflow is an infinite growth.
        assert!(report.growth.is_none_or(|growth| growth > 0.0), "{what:?}: {report:?}");
        if let Some((low, high)) = report.curvature {
            assert!(low <= high && low.is_finite() && high.is_finite(), "{what:?}: {report:?}");
        }
        assert!(report.null_share.is_none_or(|share| share <= 1.0), "{what:?}: {report:?}");
    };
    for solve in solves() {
        let mut q: Vec<T> =
            (0..n).map(|i| T::from_f64(if solve.start_from_last { i as f64 - 1.0 } else { f64::NAN })).collect();
        let mut op = Dense::<T>::new(n, matrix);
        let report = blo::solve::solve(&mut op, &solve, &b, &mut q, &mut Workspace::new()).unwrap();
        check(&solve, &q, &report);
    }
    let (mut qs, mut reports) = (vec![vec![T::ZERO; n]; 2], Vec::new());
    let mut op = Dense::<T>::new(n, matrix);
    shifted_cg(&mut op, &[0.5, 2.0], 0.0, 60, &b, &mut qs, &mut reports, &mut Workspace::new()).unwrap();
    qs.iter().zip(&reports).for_each(|(q, report)| check(&"shifted_cg", q, report));
}

proptest! {
    #![proptest_config(config(96))]

    #[test]
    fn every_outcome_is_documented(
        seed in any::<u64>(), n in 0_usize..10, log_cond in 0.0..14.0_f64, log_scale in -12.0..12.0_f64, signs in 0..3,
        consistent: bool
    ) {
        let mut rng = Rng(seed);
        let rank = (rng.uniform() * (n as f64 + 1.0)) as usize;
        let mut h = Oracle::semidefinite(&mut rng, n, rank, 10.0_f64.powf(log_cond), 10.0_f64.powf(log_scale));
        h.values.iter_mut().enumerate().for_each(|(i, value)| if signs == 1 && i % 2 == 1 || signs == 2 { *value = -*value });
        let mut b = rng.normals(n);
        if consistent {
            b = h.filter(|value| f64::from(value != 0.0), &b);
        }
        check::<f64>(n, &h.matrix(), &b);
        check::<f32>(n, &h.matrix(), &b);
    }

    /// Powers of two: every step scales exactly, so the answers have nearly the same bits.
    #[test]
    fn the_scale_of_b_does_not_matter(seed in any::<u64>(), n in 1_usize..10, singular: bool) {
        let mut rng = Rng(seed);
        let h = Oracle::semidefinite(&mut rng, n, if singular { n.div_ceil(2) } else { n }, 50.0, 1.0);
        let b = rng.normals(n);
        for inverse in inverses() {
            if singular && matches!(inverse, Inverse::Cg { .. } | Inverse::Gmres { .. }) {
                continue;
            }
            invariant::<f64>(&b, &[-1000, -300, 300, 1000], &|b| solve::<f64>(n, &h.matrix(), inverse, b), &inverse);
            invariant::<f32>(&b, &[-110, -60, 60, 110], &|b| solve::<f32>(n, &h.matrix(), inverse, b), &inverse);
        }
        shifted_invariant::<f64>(&h, &b, &[-1000, -300, 300, 1000]);
        shifted_invariant::<f32>(&h, &b, &[-110, -60, 60, 110]);
    }
}

/// b to its q and report.
type Run<'a, T> = dyn Fn(&[T]) -> (Vec<T>, Report) + 'a;

fn invariant<T: Scalar>(b: &[f64], exponents: &[i32], solve: &Run<T>, what: &dyn std::fmt::Debug) {
    let (reference, report) = solve(&cast::<T>(b));
    for &exponent in exponents {
        let factor = 2.0_f64.powi(exponent);
        let scaled: Vec<T> = b.iter().map(|&b| T::from_f64(T::from_f64(b).to_f64() * factor)).collect();
        let (q, of_scaled) = solve(&scaled);
        let q: Vec<f64> = q.iter().map(|q| q.to_f64() / factor).collect();
        // Where b underflows, its own digits are gone.
        let bound = (256.0 * T::EPSILON).max(T::EPSILON.powf(0.8));
        assert!(
            distance(&q, &reference) <= bound * norm(&reference),
            "{what:?} 2^{exponent}: {report:?} {of_scaled:?}"
        );
        assert_eq!((of_scaled.ending, of_scaled.products), (report.ending, report.products), "{what:?} 2^{exponent}");
    }
}

fn shifted_invariant<T: Scalar>(h: &Oracle, b: &[f64], exponents: &[i32]) {
    for which in 0..2 {
        let run = |b: &[T]| {
            let (mut qs, mut reports) = (vec![vec![T::ZERO; b.len()]; 2], Vec::new());
            let mut op = Dense::<T>::new(b.len(), &h.matrix());
            shifted_cg(&mut op, &[0.1, 1.0], 0.0, 99, &b.to_vec(), &mut qs, &mut reports, &mut Workspace::new())
                .unwrap();
            (qs.swap_remove(which), reports[which])
        };
        invariant::<T>(b, exponents, &run, &"shifted_cg");
    }
}

/// H = diag(2, 1, 0), b = (1, 1, 1): the minimum-norm answer is (½, 1, 0), and a third of ‖b‖² is out of reach.
#[test]
fn the_example_of_a_singular_inconsistent_system() {
    let h = [2.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0];
    let b = [1.0, 1.0, 1.0];
    let mut exact = 0;
    for inverse in inverses() {
        let (q, report) = solve::<f64>(3, &h, inverse, &b);
        let expected = match inverse {
            Inverse::MinNorm { .. } | Inverse::CgTwice { .. } | Inverse::Minres { .. } => {
                exact += 1;
                assert!((report.null_share.unwrap() - 1.0 / 3.0_f64.sqrt()).abs() < 1e-12, "{inverse:?}");
                [0.5, 1.0, 0.0]
            }
            Inverse::Damped { .. } | Inverse::Nystrom { rank: 30, .. } => [0.4, 1.0 / 1.5, 2.0],
            Inverse::Cg { .. } | Inverse::Gmres { .. } => {
                // Neither is for this, and says so unless it is cut short on purpose.
                let cut_short = matches!(inverse, Inverse::Cg { iterations: 2, .. });
                assert!(cut_short || report.residual.unwrap() <= 1.0 + 1e-15, "{inverse:?}: {report:?}");
                assert!(cut_short || !report.ending.is_sound(), "{inverse:?}: {report:?}");
                continue;
            }
            _ => continue,
        };
        assert!(report.ending.is_sound() && distance(&q, &expected) < 1e-12, "{inverse:?}: {q:?} {report:?}");
    }
    assert_eq!(exact, 5);
    let (mut qs, mut reports) = (vec![vec![0.0; 3]], Vec::new());
    let mut op = Dense::<f64>::new(3, &h);
    shifted_cg(&mut op, &[0.5], 0.0, 9, &b.to_vec(), &mut qs, &mut reports, &mut Workspace::new()).unwrap();
    assert!(distance(&qs[0], &[0.4, 1.0 / 1.5, 2.0]) < 1e-14 && reports[0].ending == Ending::Converged);
}
