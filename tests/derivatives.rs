//! Derivatives by value: central differences, adjoint and symmetry identities, for each problem and outer kind; and whole
//! hypergradients against differences of the loss they are the gradient of.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/check.rs"]
mod check;
mod common;

use blo::hypergradient::{self, Unrolled};
use blo::problem::{Examples, L2, LeastSquares, Problem, Reduction, UserProblem};
use blo::solve::{Flat, Spectral};
use blo::{Estimator, Inverse};
use check::{agrees, check_problem};
use common::{RandomQuadratic, Rng, config, distance, dot, norm};
use proptest::prelude::*;

const EXACT: Inverse = Inverse::MinNorm { cutoff: None, by: Spectral::Dense };

fn least_squares(
    rng: &mut Rng,
    rows: usize,
    features: usize,
    kind: Option<L2>,
    reduction: Reduction,
) -> LeastSquares<f64> {
    let mut examples =
        |rows: usize| Examples { design: rng.normals(rows * features), features, targets: rng.normals(rows) };
    let (inner, outer) = (examples(rows), examples(3));
    match kind {
        None => LeastSquares::targets(inner, outer, reduction).unwrap(),
        Some(l2) => LeastSquares::log_l2(l2, inner, outer, reduction).unwrap(),
    }
}

/// The hypergradient of F(u, w*(u)), with w*(u) the solution nearest to `start`, or of F(u, w_T(u)) from there.
fn check_hypergradient<P>(problem: &P, estimator: Estimator, u: &Vec<f64>, start: &[f64], rng: &mut Rng)
where
    P: Problem<f64, Points = Flat, Vectors = Flat>,
{
    let implicit = matches!(estimator, Estimator::Implicit(_));
    let solution = |u: &Vec<f64>| {
        let mut w = start.to_vec();
        if implicit {
            problem.fixpoint(&mut problem.workspace(), u, &mut w).unwrap();
        }
        w
    };
    check::check_hypergradient(problem, estimator, u, solution, rng);
}

proptest! {
    #![proptest_config(config(48))]

    #[test]
    fn least_squares_derivatives(
        seed in any::<u64>(), rows in 1_usize..9, features in 1_usize..9, kind in 0..3, mean in any::<bool>(),
    ) {
        let mut rng = Rng(seed);
        let kind = [None, Some(L2::Scalar), Some(L2::PerFeature)][kind as usize];
        let reduction = if mean { Reduction::Mean } else { Reduction::Sum };
        let problem = least_squares(&mut rng, rows, features, kind, reduction);
        let m = match kind { None => rows, Some(L2::PerFeature) => features, Some(_) => 1 };
        let (u, w) = (rng.normals(m), rng.normals(features));
        check_problem(&problem, &u, &w, &mut rng);
        // The penalised problems are strongly convex and the exact hypergradient is the derivative of F(w*(u)).
        if kind.is_some() {
            check_hypergradient(&problem, EXACT.into(), &u, &w, &mut rng);
        }
        // An unrolled run is differentiated as it ran, whatever the start and however far from a solution.
        for steps in [1, 2, 9] {
            let unrolled = Unrolled::descent(steps, 0.03);
            check_hypergradient(&problem, Estimator::Unrolled(unrolled), &u, &w, &mut rng);
        }
    }

    #[test]
    fn quadratic_derivatives(seed in any::<u64>(), n in 1_usize..9, m in 1_usize..7, rank in 0.0..1.0_f64) {
        let q = RandomQuadratic::new(seed, n, m, 1 + (rank * n as f64) as usize, 10.0);
        let problem = q.problem::<f64>();
        let mut rng = Rng(seed ^ 5);
        let (u, w) = (rng.normals(m), rng.normals(n));
        check_problem(&problem, &u, &w, &mut rng);
        // Singular or not: w*(u) is the solution nearest to the start, and J = −A⁺B.
        check_hypergradient(&problem, EXACT.into(), &u, &w, &mut rng);
        let unrolled = Unrolled::descent(5, 0.4);
        check_hypergradient(&problem, Estimator::Unrolled(unrolled), &u, &w, &mut rng);
    }
}

/// A user's problem that is neither quadratic nor separable: f = Σ log cosh(w_i − sin u_i) + ½ a ‖w‖² + w₀ w₁ u₀,
/// F = ½‖w − 1‖² + u₀ w₁.
fn nonlinear() -> UserProblem<f64> {
    let a = 0.8;
    UserProblem::<f64>::new(
        3,
        3,
        move |u, w, g| {
            let mut value = w[0] * w[1] * u[0];
            for i in 0..3 {
                let x = w[i] - u[i].sin();
                value += x.cosh().ln() + 0.5 * a * w[i] * w[i];
                g[i] = x.tanh() + a * w[i];
            }
            g[0] += w[1] * u[0];
            g[1] += w[0] * u[0];
            Ok(value)
        },
        |u, w, gu, gw| {
            let mut value = u[0] * w[1];
            for i in 0..3 {
                value += 0.5 * (w[i] - 1.0) * (w[i] - 1.0);
                gw[i] = w[i] - 1.0;
            }
            gw[1] += u[0];
            gu[0] = w[1];
            Ok(value)
        },
        move |u, w, v, out| {
            for i in 0..3 {
                let t = (w[i] - u[i].sin()).tanh();
                out[i] = (1.0 - t * t + a) * v[i];
            }
            out[0] += u[0] * v[1];
            out[1] += u[0] * v[0];
            Ok(())
        },
        |u, w, v, out| {
            for i in 0..3 {
                let t = (w[i] - u[i].sin()).tanh();
                out[i] = -(1.0 - t * t) * u[i].cos() * v[i];
            }
            out[0] += w[1] * v[0] + w[0] * v[1];
            Ok(())
        },
    )
    .with_mixed_jvp(|u, w, du, out| {
        for i in 0..3 {
            let t = (w[i] - u[i].sin()).tanh();
            out[i] = -(1.0 - t * t) * u[i].cos() * du[i];
        }
        out[0] += w[1] * du[0];
        out[1] += w[0] * du[0];
        Ok(())
    })
}

#[test]
fn user_problem_derivatives() {
    let problem = nonlinear();
    for seed in 0..20 {
        let mut rng = Rng(seed);
        let u: Vec<f64> = rng.normals(3).iter().map(|u| 0.3 * u).collect();
        let w = rng.normals(3);
        check_problem(&problem, &u, &w, &mut rng);
        for steps in [1, 4, 20] {
            let unrolled = Unrolled::descent(steps, 0.3);
            check_hypergradient(&problem, Estimator::Unrolled(unrolled), &u, &w, &mut rng);
        }
    }
}

/// At the solution of a nonlinear inner problem, every estimator that inverts H agrees with the derivative of F(w*(u)).
#[test]
fn implicit_hypergradients_at_a_nonlinear_solution() {
    let problem = nonlinear();
    let u = vec![0.3, -0.7, 0.2];
    let solve_inner = |u: &Vec<f64>| {
        let (mut at, mut w, mut g) = (problem.workspace(), vec![0.0; 3], vec![0.0; 3]);
        for _ in 0..4000 {
            problem.inner(&mut at, u, &w, &mut g).unwrap();
            w.iter_mut().zip(&g).for_each(|(w, g)| *w -= 0.4 * g);
        }
        w
    };
    let mut workspace = hypergradient::Workspace::new(&problem);
    let du = vec![0.6, 0.2, -1.0];
    for inverse in [
        EXACT,
        Inverse::MinNorm { cutoff: None, by: Spectral::LANCZOS },
        Inverse::Cg { iterations: 3, tolerance: 0.0 },
        Inverse::neumann(300, 0.4),
    ] {
        let evaluation =
            hypergradient::evaluate(&problem, &inverse.into(), &u, &solve_inner(&u), &mut workspace).unwrap();
        assert!(evaluation.report.residual.unwrap() < 1e-12, "{inverse:?}");
        let slope = dot(workspace.gradient(), &du);
        agrees("dF/du", &[slope], &u, &du, |u| {
            let mut junk = hypergradient::Workspace::new(&problem);
            vec![
                hypergradient::evaluate(&problem, &Inverse::Zero.into(), u, &solve_inner(u), &mut junk)
                    .unwrap()
                    .outer_loss,
            ]
        });
    }
    // Direct only: ∂F/∂u, which is not the derivative.
    hypergradient::evaluate(&problem, &Inverse::Zero.into(), &u, &solve_inner(&u), &mut workspace).unwrap();
    assert_eq!(workspace.gradient()[1..], [0.0, 0.0]);
}

/// f32 next to f64 on the same problem.
#[test]
fn single_precision_agrees() {
    for seed in 0..20 {
        let q = RandomQuadratic::new(seed, 7, 4, 7, 10.0);
        let mut rng = Rng(seed);
        let (u, w) = (rng.normals(4), rng.normals(7));
        let (double, single) = (q.problem::<f64>(), q.problem::<f32>());
        let mut workspace = hypergradient::Workspace::new(&double);
        let mut workspace32 = hypergradient::Workspace::new(&single);
        for inverse in [EXACT, Inverse::neumann(20, 0.4), Inverse::Damped { epsilon: 0.1, by: Spectral::LANCZOS }] {
            hypergradient::evaluate(&double, &inverse.into(), &u, &w, &mut workspace).unwrap();
            let (u, w) = (common::cast::<f32>(&u), common::cast::<f32>(&w));
            hypergradient::evaluate(&single, &inverse.into(), &u, &w, &mut workspace32).unwrap();
            let error = distance(workspace.gradient(), workspace32.gradient());
            assert!(error <= 2e-4 * norm(workspace.gradient()), "{inverse:?}: {error:e}");
        }
    }
}

/// Penalties that differ by twenty orders of magnitude: every weight still solves its own equation.
#[test]
fn ridge_solutions_with_extreme_penalties() {
    let mut rng = Rng(12);
    for (kind, u) in [
        (L2::PerFeature, vec![-30.0, 0.0, 28.0, 3.0]),
        (L2::PerFeature, vec![28.0; 4]),
        (L2::Scalar, vec![-35.0]),
        (L2::Scalar, vec![30.0]),
    ] {
        let problem = least_squares(&mut rng, 9, 4, Some(kind), Reduction::Mean);
        let (mut at, mut w, mut g) = (problem.workspace(), vec![0.0; 4], vec![0.0; 4]);
        problem.inner(&mut at, &u, &w, &mut g).unwrap();
        let start = g.clone();
        problem.fixpoint(&mut at, &u, &mut w).unwrap();
        problem.inner(&mut at, &u, &w, &mut g).unwrap();
        assert!(norm(&g) <= 1e-13 * norm(&start), "{kind:?} {u:?}: {g:?}");
        // The strongly penalised weight is −g/penalty to leading order, not zero.
        if u.len() == 4 {
            assert!((w[2] * 28.0_f64.exp() + start[2]).abs() < 2.0 * norm(&start) && w[2] != 0.0);
        }
    }
}

/// The values themselves, against the formulas: derivatives agree with a value of any scale.
#[test]
fn least_squares_values() {
    let mut rng = Rng(31);
    for kind in [None, Some(L2::Scalar), Some(L2::PerFeature)] {
        for (reduction, scale) in [(Reduction::Sum, 1.0), (Reduction::Mean, 1.0 / 5.0)] {
            let mut examples =
                |rows: usize| Examples { design: rng.normals(rows * 3), features: 3, targets: rng.normals(rows) };
            let (inner, outer) = (examples(5), examples(4));
            let square = |examples: &Examples<f64>, targets: &[f64], w: &[f64]| {
                let prediction = common::matvec(targets.len(), 3, &examples.design, w);
                distance(&prediction, targets).powi(2)
            };
            let u = rng.normals(match kind {
                None => 5,
                Some(L2::Scalar | L2::PerClass) => 1,
                Some(L2::PerFeature) => 3,
            });
            let w = rng.normals(3);
            let targets = if kind.is_none() { u.clone() } else { inner.targets.clone() };
            let penalty: f64 = match kind {
                None => 0.0,
                Some(_) => (0..3).map(|i| 0.5 * u[i % u.len()].exp() * w[i] * w[i]).sum(),
            };
            let expected_inner = 0.5 * scale * square(&inner, &targets, &w) + penalty;
            let expected_outer = 0.5 / 4.0 * square(&outer, &outer.targets, &w);
            let problem = match kind {
                None => LeastSquares::targets(inner, outer, reduction).unwrap(),
                Some(l2) => LeastSquares::log_l2(l2, inner, outer, reduction).unwrap(),
            };
            let (mut at, mut gu, mut gw) = (problem.workspace(), vec![0.0; u.len()], vec![0.0; 3]);
            let found = problem.inner(&mut at, &u, &w, &mut gw).unwrap();
            assert!((found - expected_inner).abs() < 1e-14 * (1.0 + expected_inner), "{kind:?} {reduction:?}");
            let found = problem.outer(&mut at, &u, &w, &mut gu, &mut gw).unwrap();
            assert!((found - expected_outer).abs() < 1e-14 * (1.0 + expected_outer), "{kind:?} {reduction:?}");
        }
    }
}
