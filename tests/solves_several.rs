//! Operators from functions, several right-hand sides, and families of filters from one Krylov space.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use blo::problem::fourier::{Amplitude, design};
use blo::solve::{Ending, FnOperator, Solve, Spectral, Workspace, solve_family, solve_many};
use blo::{Error, Inverse, Scalar};
use common::{Dense, Oracle, Rng, cast, config, distance, gram, norm, solve};
use proptest::prelude::*;

fn lanczos(tolerance: f64) -> Spectral {
    Spectral::Lanczos { tolerance: Some(tolerance), max_products: None }
}

fn min_norm(by: Spectral) -> Inverse {
    Inverse::MinNorm { cutoff: None, by }
}

#[test]
fn a_function_is_an_operator() {
    let matrix = [2.0, 1.0, 1.0, 3.0];
    let mut calls = 0;
    let mut op = FnOperator::new(2, |v: &[f64], out: &mut [f64]| {
        calls += 1;
        assert_eq!(out, [0.0; 2]);
        blo::reference::matvec(2, 2, &matrix, v, out);
        Ok(())
    });
    let mut q = vec![f64::NAN; 2];
    let inverse = min_norm(Spectral::LANCZOS);
    let report = blo::solve::solve(&mut op, &inverse.into(), &vec![3.0, 4.0], &mut q, &mut Workspace::new()).unwrap();
    assert!(distance(&q, &[1.0, 1.0]) < 1e-15);
    assert_eq!(calls, report.products + 1);

    let mut failing = FnOperator::new(2, |_: &[f32], _: &mut [f32]| Err(Error::Callback { name: "mine", code: 7 }));
    let mut q = vec![0.0; 2];
    let result = blo::solve::solve(&mut failing, &inverse.into(), &vec![1.0; 2], &mut q, &mut Workspace::new());
    assert_eq!(result.unwrap_err(), Error::Callback { name: "mine", code: 7 });
    let mut wild = FnOperator::new(2, |_: &[f32], out: &mut [f32]| {
        out[1] = f32::NAN;
        Ok(())
    });
    let result = blo::solve::solve(&mut wild, &inverse.into(), &vec![1.0; 2], &mut q, &mut Workspace::new());
    assert!(matches!(result.unwrap_err(), Error::NonFinite { index: 1, .. }));
}

#[test]
fn several_right_hand_sides_share_a_decomposition() {
    let mut rng = Rng(3);
    let h = Oracle::semidefinite(&mut rng, 9, 6, 20.0, 1.0);
    let mut bs: Vec<Vec<f64>> = (0..4).map(|_| rng.normals(9)).collect();
    bs[2] = vec![0.0; 9];
    for by in [Spectral::Dense, Spectral::LANCZOS] {
        for inverse in [min_norm(by), Inverse::Damped { epsilon: 0.1, by }, Inverse::neumann(12, 0.8)] {
            let (mut qs, mut reports) = (vec![vec![f64::NAN; 9]; 4], Vec::new());
            let mut op = Dense::<f64>::new(9, &h.matrix());
            let mut workspace = Workspace::new();
            solve_many(&mut op, &inverse.into(), &bs, &mut qs, &mut reports, &mut workspace).unwrap();
            for (i, (b, q)) in bs.iter().zip(&qs).enumerate() {
                let (expected, report) = solve::<f64>(9, &h.matrix(), inverse, b);
                assert_eq!(q, &expected, "{inverse:?}: the same bits");
                if by == Spectral::Dense && report.products == 9 {
                    assert_eq!(reports[i].products, if i == 0 { 9 } else { 0 });
                } else {
                    assert_eq!(reports[i], report);
                }
            }
            // Another operator, the same workspace: nothing of the first survives.
            let other: Vec<f64> = h.matrix().iter().map(|value| 2.0 * value).collect();
            solve_many(&mut Dense::<f64>::new(9, &other), &inverse.into(), &bs, &mut qs, &mut reports, &mut workspace)
                .unwrap();
            assert_eq!(qs[3], solve::<f64>(9, &other, inverse, &bs[3]).0);
        }
    }
    let mut op = Dense::<f64>::new(9, &h.matrix());
    let result = solve_many(&mut op, &Inverse::Zero.into(), &bs, &mut [], &mut Vec::new(), &mut Workspace::new());
    assert!(matches!(result.unwrap_err(), Error::Shape { argument: "qs", found: 0, expected: 4 }));
}

/// The products that structure.md, section 5, found to be enough: 8 and 7 for 10⁶ terms.
#[test]
fn a_million_terms_on_the_fourier_problems() {
    let points: Vec<f64> = (0..13).map(|i| -2.0 + i as f64 / 3.0).collect();
    for (amplitude, alpha, most) in [(Amplitude::Exponential, 1e-7, 8), (Amplitude::Harmonic, 1e-3, 7)] {
        let h = gram(13, 21, &design::<f64>(&points, 10, amplitude).unwrap());
        let b = design::<f64>(&[0.0], 10, amplitude).unwrap();
        let filter = |terms, by| Inverse::NeumannFilter { terms, alpha, by };
        for terms in [100, 1000, 10_000, 100_000, 1_000_000] {
            let (expected, _) = solve::<f64>(21, &h, filter(terms, Spectral::Dense), &b);
            let (q, report) = solve::<f64>(21, &h, filter(terms, lanczos(1e-6)), &b);
            let error = distance(&q, &expected) / norm(&expected);
            assert!(error <= 1e-6, "K = {terms}: error {error:e}");
            assert!(report.products <= most, "K = {terms}: {} products", report.products);
            assert_eq!(report.ending, Ending::Converged);
        }
        // All of them, several dampings and the exact one from the same products.
        let by = lanczos(1e-6);
        let mut family: Vec<Inverse> = [100, 10_000, 1_000_000].map(|terms| filter(terms, by)).to_vec();
        family.extend([1e-2, 1.0, 1e3].map(|epsilon| Inverse::Damped { epsilon, by }));
        family.push(min_norm(by));
        let solves: Vec<Solve> = family.iter().map(|&inverse| Solve { verify: false, ..inverse.into() }).collect();
        let mut products = 0;
        let mut op = FnOperator::new(21, |v: &[f64], out: &mut [f64]| {
            products += 1;
            blo::reference::matvec(21, 21, &h, v, out);
            Ok(())
        });
        let (mut qs, mut reports) = (vec![vec![f64::NAN; 21]; 7], Vec::new());
        solve_family(&mut op, &solves, &b, &mut qs, &mut reports, &mut Workspace::new()).unwrap();
        assert_eq!(Some(products), reports.iter().map(|report| report.products).max());
        assert!(products <= 9, "{products} products for the family");
        for ((inverse, q), report) in family.iter().zip(&qs).zip(&reports) {
            let dense = match *inverse {
                Inverse::NeumannFilter { terms, .. } => filter(terms, Spectral::Dense),
                Inverse::Damped { epsilon, .. } => Inverse::Damped { epsilon, by: Spectral::Dense },
                _ => min_norm(Spectral::Dense),
            };
            let (expected, _) = solve::<f64>(21, &h, dense, &b);
            let error = distance(q, &expected) / norm(&expected);
            assert!(error <= 1e-6, "{inverse:?}: {error:e}, {report:?}");
        }
    }
}

#[test]
fn families_refuse_what_they_cannot_share() {
    let mut op = Dense::<f64>::new(2, &[1.0, 0.0, 0.0, 2.0]);
    let mut run = |inverses: &[Inverse], b: &[f64]| {
        let solves: Vec<Solve> = inverses.iter().map(|&inverse| inverse.into()).collect();
        let (mut qs, mut reports) = (vec![vec![f64::NAN; 2]; inverses.len()], Vec::new());
        solve_family(&mut op, &solves, &b.to_vec(), &mut qs, &mut reports, &mut Workspace::new())
            .map(|()| (qs, reports))
    };
    let mixed = [min_norm(Spectral::Dense), min_norm(Spectral::LANCZOS)];
    assert!(matches!(run(&mixed, &[1.0, 1.0]).unwrap_err(), Error::Invalid { argument: "by", .. }));
    assert!(matches!(run(&[Inverse::neumann(3, 0.1)], &[1.0, 1.0]).unwrap_err(), Error::Unsupported { .. }));
    assert!(matches!(run(&mixed[1..], &[f64::NAN, 1.0]).unwrap_err(), Error::NonFinite { .. }));
    assert!(run(&[], &[1.0, 1.0]).unwrap().0.is_empty());
    let (qs, reports) = run(&[mixed[1], mixed[1]], &[0.0, 0.0]).unwrap();
    assert_eq!(qs, vec![vec![0.0; 2]; 2]);
    assert!(reports.iter().all(|report| report.residual == Some(0.0) && report.products == 0));
}

fn check_family<T: Scalar>(h: &Oracle, b: &[f64], tolerance: f64) {
    let n = h.n();
    let scale = if h.largest() > 0.0 { h.largest() } else { 1.0 };
    for by in [Spectral::Dense, lanczos(tolerance)] {
        let damped = [1.0, 0.1, 0.01].map(|factor| factor * scale);
        let mut family = vec![min_norm(by)];
        family.extend(damped.map(|epsilon| Inverse::Damped { epsilon, by }));
        family.push(Inverse::NeumannFilter { terms: 50, alpha: 0.7 / scale, by });
        let solves: Vec<Solve> = family.iter().map(|&inverse| inverse.into()).collect();
        let (mut qs, mut reports) = (vec![vec![T::from_f64(f64::NAN); n]; family.len()], Vec::new());
        let b_t: Vec<T> = cast(b);
        let mut op = Dense::<T>::new(n, &h.matrix());
        solve_family(&mut op, &solves, &b_t, &mut qs, &mut reports, &mut Workspace::new()).unwrap();
        for ((inverse, q), report) in family.iter().zip(&qs).zip(&reports) {
            let expected = match *inverse {
                Inverse::Damped { epsilon, .. } => h.filter(|value| 1.0 / (value + epsilon), b),
                Inverse::NeumannFilter { terms, alpha, .. } => {
                    h.filter(|value| blo::solve::Filter::Neumann { terms, alpha }.value(value), b)
                }
                _ => h.pinv(b),
            };
            let bound = 64.0 * (n as f64 + 4.0) * T::EPSILON * 100.0 + 10.0 * tolerance;
            let error = distance(q, &expected);
            assert!(error <= bound * norm(&expected), "{inverse:?}: {error:e}, {report:?}");
            assert!(matches!(report.ending, Ending::Completed | Ending::Converged));
        }
    }
}

proptest! {
    #![proptest_config(config(64))]

    /// The estimate of the error is honest: stopped at a tolerance, the answer is about as good.
    #[test]
    fn families_equal_their_filters(seed in any::<u64>(), n in 1_usize..40, log_cond in 0.0..1.0_f64, digits in 2..11_i32) {
        let mut rng = Rng(seed);
        let rank = 1 + (rng.uniform() * n as f64) as usize;
        let h = Oracle::semidefinite(&mut rng, n, rank, 10.0_f64.powf(log_cond), 1.0);
        let b = rng.normals(n);
        check_family::<f64>(&h, &b, 10.0_f64.powi(-digits));
        check_family::<f32>(&h, &b, 10.0_f64.powi(-digits.min(5)));
    }
}

/// Indefinite: r overflows, and the outcome is documented; never NaN.
#[test]
fn filters_that_overflow_give_zero_and_say_so() {
    let h = [1.0, 0.0, 0.0, -0.5];
    for by in [Spectral::Dense, Spectral::LANCZOS] {
        let inverse = Inverse::NeumannFilter { terms: 1_000_000, alpha: 0.5, by };
        let (q, report) = solve::<f64>(2, &h, inverse, &[1.0, 1.0]);
        assert_eq!((q, report.ending), (vec![0.0; 2], Ending::NonContractive));
        let (q, report) = solve::<f64>(2, &h, Inverse::Damped { epsilon: 0.5, by }, &[1.0, 1.0]);
        assert_eq!((q, report.ending), (vec![0.0; 2], Ending::Singular), "{by:?}");
    }
}
