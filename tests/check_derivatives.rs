//! `check_derivatives`: planted mistakes are found by name, right derivatives are not accused, and what cannot be judged is
//! said to be so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use blo::analysis::{Derivative, DerivativeOptions, DerivativeReport, Verdict, check_derivatives};
use blo::problem::{Examples, L2, LeastSquares, Problem, Reduction, UserProblem};
use blo::{Error, Scalar};
use common::{RandomQuadratic, Rng, cast};

/// A mistake in a user's derivatives.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mistake {
    None,
    InnerSign,
    InnerFactor,
    InnerOneElement,
    OuterGradientUForgotten,
    OuterGradientWSign,
    HvpForgottenTerm,
    HvpFactor,
    HvpHalfOfACrossTerm,
    VjpSign,
    VjpTransposed,
    VjpChainRule,
    JvpSign,
    /// The scalar inner loss, not its gradient.
    InnerValue,
}

const A: f64 = 0.8;

/// f = Σ log cosh(w_i − sin u_i) + ½ a ‖w‖² + w₀ w₁ u₀, F = ½‖w − 1‖² + u₀ w₁, with a mistake. Rounds to T where a user's
/// own code of that precision would at the least.
fn problem<T: Scalar>(mistake: Mistake) -> UserProblem<T> {
    use Mistake::*;
    let is = move |other: Mistake| mistake == other;
    let wide = |x: &[T]| common::widen(x);
    let write = |from: &[f64], to: &mut [T]| to.copy_from_slice(&cast::<T>(from));
    let jacobian = |u: &[f64], w: &[f64], i: usize| {
        let t = (w[i] - u[i].sin()).tanh();
        (1.0 - t * t, -(1.0 - t * t) * u[i].cos())
    };
    UserProblem::<T>::new(
        3,
        3,
        move |u, w, out| {
            let (u, w) = (wide(u), wide(w));
            let mut value = w[0] * w[1] * u[0];
            let mut g = [w[1] * u[0], w[0] * u[0], 0.0];
            for i in 0..3 {
                let x = w[i] - u[i].sin();
                value += x.cosh().ln() + 0.5 * A * w[i] * w[i];
                g[i] += x.tanh() + A * w[i];
            }
            if is(InnerSign) {
                g.iter_mut().for_each(|g| *g = -*g);
            } else if is(InnerFactor) {
                g.iter_mut().for_each(|g| *g *= 2.0);
            } else if is(InnerOneElement) {
                g[2] += 0.1;
            }
            write(&g, out);
            let value = if is(InnerValue) { 3.0 * value } else { value };
            Ok(T::from_f64(value).to_f64())
        },
        move |u, w, gu, gw| {
            let (u, w) = (wide(u), wide(w));
            let sign = if is(OuterGradientWSign) { -1.0 } else { 1.0 };
            let value: f64 = w.iter().map(|w| 0.5 * (w - 1.0).powi(2)).sum();
            let g: Vec<f64> = (0..3).map(|i| sign * (w[i] - 1.0 + if i == 1 { u[0] } else { 0.0 })).collect();
            write(&g, gw);
            write(&[if is(OuterGradientUForgotten) { 0.0 } else { w[1] }, 0.0, 0.0], gu);
            Ok(T::from_f64(value + u[0] * w[1]).to_f64())
        },
        move |u, w, v, out| {
            let (u, w, v) = (wide(u), wide(w), wide(v));
            let a = if is(HvpForgottenTerm) { 0.0 } else { A };
            let mut hv: Vec<f64> = (0..3).map(|i| (jacobian(&u, &w, i).0 + a) * v[i]).collect();
            hv[0] += u[0] * v[1];
            hv[1] += if is(HvpHalfOfACrossTerm) { 0.0 } else { u[0] * v[0] };
            if is(HvpFactor) {
                hv.iter_mut().for_each(|x| *x *= 0.5);
            }
            write(&hv, out);
            Ok(())
        },
        move |u, w, v, out| {
            let (u, w, v) = (wide(u), wide(w), wide(v));
            let mut mv: Vec<f64> = (0..3)
                .map(|i| {
                    let (curvature, mixed) = jacobian(&u, &w, i);
                    if is(VjpChainRule) { -curvature * v[i] } else { mixed * v[i] }
                })
                .collect();
            mv[0] += w[1] * v[0];
            if is(VjpTransposed) {
                mv[1] += w[0] * v[0];
            } else {
                mv[0] += w[0] * v[1];
            }
            if is(VjpSign) {
                mv.iter_mut().for_each(|x| *x = -*x);
            }
            write(&mv, out);
            Ok(())
        },
    )
    .with_mixed_jvp(move |u, w, du, out| {
        let (u, w, du) = (wide(u), wide(w), wide(du));
        let mut mdu: Vec<f64> = (0..3).map(|i| jacobian(&u, &w, i).1 * du[i]).collect();
        mdu[0] += w[1] * du[0];
        mdu[1] += w[0] * du[0];
        if is(JvpSign) {
            mdu.iter_mut().for_each(|x| *x = -*x);
        }
        write(&mdu, out);
        Ok(())
    })
}

fn points<T: Scalar>(seed: u64) -> (Vec<T>, Vec<T>) {
    let mut rng = Rng(seed);
    (cast(&rng.normals(3)), cast(&rng.normals(3)))
}

fn options(seed: u64) -> DerivativeOptions {
    DerivativeOptions { seed, ..DerivativeOptions::default() }
}

fn check<T: Scalar>(mistake: Mistake, seed: u64) -> DerivativeReport {
    let (u, w) = points::<T>(seed);
    check_derivatives(&problem::<T>(mistake), &u, &w, &options(seed)).unwrap()
}

const PLANTED: [(Mistake, Derivative); 13] = [
    (Mistake::InnerSign, Derivative::InnerGradient),
    (Mistake::InnerFactor, Derivative::InnerGradient),
    (Mistake::InnerOneElement, Derivative::InnerGradient),
    (Mistake::InnerValue, Derivative::InnerGradient),
    (Mistake::OuterGradientUForgotten, Derivative::OuterGradientU),
    (Mistake::OuterGradientWSign, Derivative::OuterGradientW),
    (Mistake::HvpForgottenTerm, Derivative::Hvp),
    (Mistake::HvpFactor, Derivative::Hvp),
    (Mistake::HvpHalfOfACrossTerm, Derivative::Hvp),
    (Mistake::VjpSign, Derivative::MixedVjp),
    (Mistake::VjpTransposed, Derivative::MixedVjp),
    (Mistake::VjpChainRule, Derivative::MixedVjp),
    (Mistake::JvpSign, Derivative::MixedJvp),
];

fn each_is_found<T: Scalar>() {
    for (mistake, culprit) in PLANTED {
        // 502: the largest step is the best one there.
        for seed in (0..20).chain([502]) {
            let report = check::<T>(mistake, seed);
            // Where the inner value is what is wrong its gradient is accused: they do not go together.
            assert_eq!(report.wrong(), [culprit], "{mistake:?}, seed {seed}:\n{report}");
            assert!(!report.passed());
            let text = report.to_string();
            assert!(text.ends_with(&format!("verdict: wrong: {}", culprit.name())), "{text}");
        }
    }
}

#[test]
fn each_planted_mistake_is_found_by_name() {
    each_is_found::<f64>();
}

#[test]
fn each_planted_mistake_is_found_in_single_precision() {
    each_is_found::<f32>();
}

fn never_accused<T: Scalar>() {
    for seed in 0..50 {
        let report = check::<T>(Mistake::None, seed);
        assert!(report.passed(), "seed {seed}:\n{report}");
        assert_eq!(report.checks.len(), 8);
        assert!(report.checks.iter().all(|check| check.verdict == Verdict::Right));
    }
}

#[test]
fn right_derivatives_pass_over_50_seeds() {
    never_accused::<f64>();
    never_accused::<f32>();
}

fn passes<T: Scalar, P: Problem<T>>(problem: &P, u: &[f64], w: &[f64], seed: u64) {
    let report = check_derivatives(problem, &cast::<T>(u), &cast::<T>(w), &options(seed)).unwrap();
    assert!(report.passed(), "seed {seed}:\n{report}");
}

#[test]
fn the_problems_of_the_library_pass() {
    for seed in 0..50 {
        let mut rng = Rng(seed);
        let q = RandomQuadratic::new(seed, 7, 4, 5, 30.0);
        let scale = [1e-3, 1.0, 1e3][seed as usize % 3];
        let draw = |rng: &mut Rng, n: usize| rng.normals(n).iter().map(|x| scale * x).collect::<Vec<_>>();
        let (u, w) = (draw(&mut rng, 4), draw(&mut rng, 7));
        passes::<f64, _>(&q.problem::<f64>(), &u, &w, seed);
        passes::<f32, _>(&q.problem::<f32>(), &u, &w, seed);
        // At a solution, and at zero.
        let solution = q.nearest(&u, &w);
        passes::<f64, _>(&q.problem::<f64>(), &u, &solution, seed);
        passes::<f32, _>(&q.problem::<f32>(), &u, &solution, seed);
        passes::<f64, _>(&q.problem::<f64>(), &[0.0; 4], &[0.0; 7], seed);
        for kind in [None, Some(L2::Scalar), Some(L2::PerFeature)] {
            let design = [rng.normals(30), rng.normals(15)];
            let targets = [rng.normals(6), rng.normals(3)];
            let (u, w) = (
                rng.normals(match kind {
                    None => 6,
                    Some(L2::Scalar) => 1,
                    _ => 5,
                }),
                rng.normals(5),
            );
            let examples = |k: usize| Examples { design: design[k].clone(), features: 5, targets: targets[k].clone() };
            let narrow = |k: usize| Examples { design: cast(&design[k]), features: 5, targets: cast(&targets[k]) };
            let (double, single) = match kind {
                None => (
                    LeastSquares::<f64>::targets(examples(0), examples(1), Reduction::Mean),
                    LeastSquares::<f32>::targets(narrow(0), narrow(1), Reduction::Mean),
                ),
                Some(l2) => (
                    LeastSquares::log_l2(l2, examples(0), examples(1), Reduction::Mean),
                    LeastSquares::log_l2(l2, narrow(0), narrow(1), Reduction::Mean),
                ),
            };
            passes::<f64, _>(&double.unwrap(), &u, &w, seed);
            passes::<f32, _>(&single.unwrap(), &u, &w, seed);
        }
    }
}

#[test]
fn the_place_and_the_factor_of_a_mistake_are_named() {
    for seed in 0..20 {
        let report = check::<f64>(Mistake::InnerOneElement, seed);
        let worst = report.checks[0].worst.unwrap();
        assert_eq!(worst.index, 2);
        assert!((worst.found - worst.expected - 0.1).abs() < 1e-7, "{report}");
        assert!(report.checks[0].factor.is_none(), "{report}");
        // What rests on a wrong gradient: here its difference is right, as an added constant has none.
        assert_eq!(report.verdict(Derivative::Hvp), Some(&Verdict::Right));
        for (mistake, derivative, factor) in [
            (Mistake::InnerSign, Derivative::InnerGradient, -1.0),
            (Mistake::InnerFactor, Derivative::InnerGradient, 2.0),
            (Mistake::OuterGradientWSign, Derivative::OuterGradientW, -1.0),
            (Mistake::HvpFactor, Derivative::Hvp, 0.5),
            (Mistake::VjpSign, Derivative::MixedVjp, -1.0),
            (Mistake::JvpSign, Derivative::MixedJvp, -1.0),
        ] {
            let report = check::<f64>(mistake, seed);
            let check = report.checks.iter().find(|check| check.derivative == derivative).unwrap();
            assert!((check.factor.unwrap() - factor).abs() < 1e-5, "{report}");
        }
        let report = check::<f64>(Mistake::InnerSign, seed);
        assert_eq!(report.verdict(Derivative::Hvp), Some(&Verdict::NotJudged));
        assert_eq!(report.verdict(Derivative::Symmetry), Some(&Verdict::Right));
    }
    // Half of a cross term breaks the symmetry, too.
    let report = check::<f64>(Mistake::HvpHalfOfACrossTerm, 3);
    assert_eq!(report.verdict(Derivative::Symmetry), Some(&Verdict::Wrong));
    assert_eq!(report.checks[3].worst.unwrap().index, 1);
}

/// f = ½ max(w, 0)² + max(w, 0) + ½ w²: a kink at 0; F likewise.
fn kinked() -> UserProblem<f64> {
    UserProblem::<f64>::new(
        1,
        1,
        |_, w, g| {
            let (x, slope) = (w[0].max(0.0), f64::from(w[0] > 0.0));
            g[0] = x + slope + w[0];
            Ok(0.5 * x * x + x + 0.5 * w[0] * w[0])
        },
        |_, w, _, gw| {
            gw[0] = f64::from(w[0] > 0.0);
            Ok(w[0].max(0.0))
        },
        |_, w, v, out| {
            out[0] = (1.0 + f64::from(w[0] > 0.0)) * v[0];
            Ok(())
        },
        |_, _, _, _| Ok(()),
    )
}

#[test]
fn a_kink_is_undecided_at_it_and_right_beside_it() {
    let at = |w: f64| check_derivatives(&kinked(), &[0.3], &[w], &options(1)).unwrap();
    let report = at(0.0);
    for derivative in [Derivative::InnerGradient, Derivative::OuterGradientW, Derivative::Hvp] {
        assert_eq!(report.verdict(derivative), Some(&Verdict::Undecided), "{report}");
    }
    assert!(report.wrong().is_empty() && !report.passed());
    assert!(report.to_string().contains("kink"), "{report}");
    for w in [1e-3, -1e-3, 0.5, -2.0] {
        let report = at(w);
        assert!(report.passed(), "{report}");
        assert_eq!(report.verdict(Derivative::MixedJvp), Some(&Verdict::Absent));
    }
}

#[test]
fn not_a_number_is_a_verdict() {
    let sick = |where_: &'static str| {
        let nan = move |name: &str| if name == where_ { f64::NAN } else { 0.0 };
        UserProblem::<f64>::new(
            1,
            1,
            move |_, w, g| {
                g[0] = w[0] + nan("gradient");
                Ok(0.5 * w[0] * w[0] + nan("value"))
            },
            move |_, w, gu, gw| {
                gu[0] = nan("gradient_u");
                gw[0] = w[0];
                Ok(0.5 * w[0] * w[0])
            },
            move |_, _, v, out| {
                out[0] = v[0] + nan("hvp");
                Ok(())
            },
            move |_, _, _, out| {
                if where_ == "callback" {
                    return Err(Error::Callback { name: "mixed_vjp", code: 7 });
                }
                out[0] = nan("mixed_vjp");
                Ok(())
            },
        )
    };
    for (place, derivative, words) in [
        ("value", Derivative::InnerGradient, "value of callback inner"),
        ("gradient", Derivative::InnerGradient, "gradient of callback inner"),
        ("gradient_u", Derivative::OuterGradientU, "gradient_u of callback outer"),
        ("hvp", Derivative::Hvp, "output of callback hvp"),
        ("mixed_vjp", Derivative::MixedVjp, "output of callback mixed_vjp"),
        ("callback", Derivative::MixedVjp, "found return value 7"),
    ] {
        let report = check_derivatives(&sick(place), &[0.5], &[1.5], &options(2)).unwrap();
        assert!(matches!(report.verdict(derivative), Some(Verdict::Failed(_))), "{place}:\n{report}");
        let text = report.to_string();
        assert!(text.contains(words) && text.contains("FAILED") && !report.passed(), "{text}");
        assert!(report.wrong().is_empty(), "{text}");
    }
    assert!(check_derivatives(&sick(""), &[0.5], &[1.5], &options(2)).unwrap().passed());
}

/// A function that is not defined far from the point: f = w log w, and the steps that leave its domain are left out.
#[test]
fn the_edge_of_a_domain_is_no_mistake() {
    let problem = UserProblem::<f64>::new(
        1,
        1,
        |u, w, g| {
            g[0] = w[0].ln() + 1.0 - u[0];
            Ok(w[0] * w[0].ln() - u[0] * w[0])
        },
        |_, w, _, gw| {
            gw[0] = 0.5 / w[0].sqrt();
            Ok(w[0].sqrt())
        },
        |_, w, v, out| {
            out[0] = v[0] / w[0];
            Ok(())
        },
        |_, _, v, out| {
            out[0] = -v[0];
            Ok(())
        },
    );
    for seed in 0..50 {
        let report = check_derivatives(&problem, &[0.2], &[0.02], &options(seed)).unwrap();
        assert!(report.passed(), "seed {seed}:\n{report}");
    }
}

#[test]
fn bad_input_is_a_typed_error() {
    let problem = problem::<f64>(Mistake::None);
    let run = |u: &[f64], w: &[f64], options: DerivativeOptions| check_derivatives(&problem, u, w, &options);
    assert!(matches!(run(&[0.0; 2], &[0.0; 3], options(0)), Err(Error::Shape { argument: "u", .. })));
    assert!(matches!(run(&[0.0; 3], &[0.0; 4], options(0)), Err(Error::Shape { argument: "w", .. })));
    assert!(matches!(run(&[f64::NAN; 3], &[0.0; 3], options(0)), Err(Error::NonFinite { argument: "u", .. })));
    let none = DerivativeOptions { directions: 0, ..options(0) };
    assert!(matches!(run(&[0.0; 3], &[0.0; 3], none), Err(Error::Invalid { argument: "directions", .. })));
    for tolerance in [0.0, -1.0, f64::NAN] {
        let bad = DerivativeOptions { tolerance: Some(tolerance), ..options(0) };
        assert!(matches!(run(&[0.0; 3], &[0.0; 3], bad), Err(Error::Invalid { argument: "tolerance", .. })));
    }
}
