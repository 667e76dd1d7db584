//! Damped inverses from a Nyström sketch.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use blo::solve::{Ending, FnOperator, Spectral, Spectrum, Workspace};
use blo::{Error, Inverse, Scalar};
use common::{Oracle, Rng, cast, config, distance, norm, solve};
use proptest::prelude::*;

fn nystrom(rank: usize, epsilon: f64) -> Inverse {
    Inverse::Nystrom { rank, epsilon, seed: 1 }
}

fn check_exact<T: Scalar>(h: &Oracle, b: &[f64], rank: usize, relative: f64) {
    let scale = if h.largest() > 0.0 { h.largest() } else { 1.0 };
    let epsilon = relative * scale;
    let (q, report) = solve::<T>(h.n(), &h.matrix(), nystrom(rank, epsilon), &cast::<T>(b));
    let expected = h.filter(|value| 1.0 / (value + epsilon), b);
    let bound = 64.0 * (h.n() as f64 + 4.0) * T::EPSILON / relative * norm(b) / epsilon;
    assert!(distance(&q, &expected) <= bound, "{:e} above {bound:e}: {report:?}", distance(&q, &expected));
    assert_eq!((report.ending, report.products), (Ending::Completed, rank.min(h.n())));
}

proptest! {
    #![proptest_config(config(96))]

    /// A sketch of the rank of H or more is H. In f32 two more: with exactly as many, what H loses in it is the conditioning of a
    /// square random matrix.
    #[test]
    fn exact_from_the_rank_on(seed in any::<u64>(), n in 1_usize..24, rank in 0.0..1.0_f64, log_cond in 0.0..3.0_f64, more in 0_usize..4) {
        let mut rng = Rng(seed);
        let rank = (rank * (n as f64 + 1.0)) as usize;
        let scale = 10.0_f64.powf(4.0 * rng.uniform() - 2.0);
        let h = Oracle::semidefinite(&mut rng, n, rank, 10.0_f64.powf(log_cond), scale);
        let b = rng.normals(n);
        for relative in [1e-2, 1.0] {
            check_exact::<f64>(&h, &b, (rank + more).max(1), relative);
            check_exact::<f32>(&h, &b, rank + more + 2, relative);
        }
    }
}

/// The matrix of a solve, by its action on unit vectors.
fn matrix(n: usize, h: &[f64], inverse: Inverse) -> Vec<f64> {
    let mut out = vec![0.0; n * n];
    for j in 0..n {
        let unit: Vec<f64> = (0..n).map(|i| f64::from(i == j)).collect();
        let q = solve::<f64>(n, h, inverse, &unit).0;
        (0..n).for_each(|i| out[i * n + j] = q[i]);
    }
    out
}

/// With fewer vectors than the rank: H_k = (the solve)⁻¹ − ε is of rank k, between 0 and H, and near H where its spectrum decays.
#[test]
fn a_short_sketch_is_a_projection_from_below() {
    let mut rng = Rng(5);
    let (n, k, epsilon) = (12, 5, 0.1);
    let h = Oracle::semidefinite(&mut rng, n, n, 1e6, 3.0);
    let solved = matrix(n, &h.matrix(), nystrom(k, epsilon));
    let inverse = Spectrum::of("solve", n, &solved).unwrap();
    // (λ + ε)⁻¹, ascending: the sketched directions first.
    let sketched: Vec<f64> = inverse.values().iter().map(|value| 1.0 / value - epsilon).collect();
    assert!(sketched[k..].iter().all(|value| value.abs() < 1e-13), "{sketched:?}");
    assert!(sketched[..k].iter().all(|value| *value > 1e-4), "{sketched:?}");
    let mut rest = h.matrix();
    for (i, value) in sketched.iter().enumerate() {
        let v = inverse.vector(i);
        (0..n * n).for_each(|at| rest[at] -= value * v[at / n] * v[at % n]);
    }
    let rest = Spectrum::of("rest", n, &rest).unwrap();
    assert!(rest.values()[0] > -1e-13, "{:?}", rest.values());
    // H − H_k loses at least k directions, and not much more than the tail of the spectrum.
    let largest = |j: usize| h.values[j];
    assert!(rest.values()[n - 1] >= largest(k) * 0.99 && rest.values()[n - 1] <= 30.0 * largest(k));
}

#[test]
fn the_seed_decides() {
    let mut rng = Rng(6);
    let h = Oracle::semidefinite(&mut rng, 20, 20, 1e2, 1.0).matrix();
    let b = rng.normals(20);
    let run = |seed| solve::<f64>(20, &h, Inverse::Nystrom { rank: 4, epsilon: 0.1, seed }, &b).0;
    assert_eq!(run(3), run(3));
    assert!(distance(&run(3), &run(4)) > 1e-3 * norm(&run(3)));
    // More directions, a better answer.
    let exact = solve::<f64>(20, &h, Inverse::Damped { epsilon: 0.1, by: Spectral::Dense }, &b).0;
    let error = |rank| distance(&solve::<f64>(20, &h, nystrom(rank, 0.1), &b).0, &exact);
    assert!(error(2) > 2.0 * error(12) && error(12) > 1e3 * error(20) && error(20) < 1e-12);
    // Above the dimension: as at it.
    assert_eq!(solve::<f64>(20, &h, nystrom(400, 0.1), &b), solve::<f64>(20, &h, nystrom(20, 0.1), &b));
}

#[test]
fn outcomes() {
    let (q, report) = solve::<f64>(0, &[], nystrom(3, 1.0), &[]);
    assert!(q.is_empty() && report.ending == Ending::Completed);
    let (q, report) = solve::<f64>(3, &[0.0; 9], nystrom(2, 0.5), &[1.0, 2.0, 3.0]);
    assert_eq!((q, report.curvature), (vec![2.0, 4.0, 6.0], Some((0.0, 0.0))));
    let (q, _) = solve::<f64>(1, &[3.0], nystrom(1, 1.0), &[2.0]);
    assert!((q[0] - 0.5).abs() < 1e-15);
    // Indefinite: the positive part of the sketch, and the report says so.
    let (q, report) = solve::<f64>(2, &[2.0, 0.0, 0.0, -1.0], nystrom(2, 1.0), &[3.0, 3.0]);
    assert_eq!(report.ending, Ending::NegativeCurvature);
    assert!(q.iter().all(|q| q.is_finite()) && norm(&q) <= norm(&[3.0, 3.0]), "{q:?}");
    // Scales far from 1.
    for scale in [1e-200, 1e150] {
        let (q, _) = solve::<f64>(2, &[2.0 * scale, 0.0, 0.0, scale], nystrom(2, scale), &[3.0, 2.0]);
        assert!((q[0] * scale - 1.0).abs() < 1e-14 && (q[1] * scale - 1.0).abs() < 1e-14, "{q:?}");
    }
    let mut wild = FnOperator::new(2, |_: &[f64], out: &mut [f64]| {
        out.fill(1e308);
        Ok(())
    });
    let mut q = vec![0.0; 2];
    let result = blo::solve::solve(&mut wild, &nystrom(2, 1.0).into(), &vec![1.0; 2], &mut q, &mut Workspace::new());
    assert!(matches!(result.unwrap_err(), Error::NonFinite { .. } | Error::Decomposition { .. }));
    for (argument, inverse) in
        [("rank", nystrom(0, 1.0)), ("epsilon", nystrom(1, 0.0)), ("epsilon", nystrom(1, f64::NAN))]
    {
        assert!(matches!(inverse.validate().unwrap_err(), Error::Invalid { argument: found, .. } if found == argument));
    }
}
