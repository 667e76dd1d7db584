//! The paper's lemmas and statements on random quadratics: Lemmas C.1 and C.2, Theorem 3.1, Statements 3.1 and 3.2,
//! Remark 3.2, Appendix D, Appendix E, and the bounds on Eq. 5.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use blo::bilevel::{InnerSolve, Outcome, RunEnding, Runner, Settings, Start, TraceRow};
use blo::hypergradient::{self, Unrolled};
use blo::problem::{Problem, Quadratic};
use blo::solve::{Filter, Spectral, Spectrum};
use blo::{Estimator, Inverse, Rule};
use common::{Oracle, RandomQuadratic, Rng, config, distance, dot, matvec, matvec_t, norm};
use proptest::prelude::*;
use std::ops::ControlFlow;

const EXACT: Inverse = Inverse::MinNorm { cutoff: None, by: Spectral::Dense };

/// (seed, n, m, rank, cond).
fn quadratics() -> impl Strategy<Value = RandomQuadratic> {
    (any::<u64>(), 1_usize..9, 1_usize..7, 0.0..1.0_f64, 0.0..1.0_f64).prop_map(|(seed, n, m, rank, log_cond)| {
        RandomQuadratic::new(seed, n, m, 1 + (rank * n as f64) as usize, 10.0_f64.powf(log_cond))
    })
}

fn run(problem: &Quadratic<f64>, settings: Settings, u: &[f64], w: &[f64]) -> (Outcome, Vec<f64>, Vec<f64>) {
    let mut runner = Runner::new(problem, settings, u, w).unwrap();
    let outcome = runner.run().unwrap();
    (outcome, runner.u().clone(), runner.w().clone())
}

/// k inner steps at fixed u: a run that makes no outer step.
fn inner_run(q: &RandomQuadratic, alpha: f64, steps: usize, u: &[f64], w: &[f64]) -> Vec<f64> {
    let inner = InnerSolve::Optimizer { rule: Rule::descent(alpha), steps, tolerance: 0.0 };
    let mut settings = Settings::new(Start::Cold, inner, Inverse::Zero, Rule::descent(1.0));
    settings.outer_steps = 0;
    run(&q.problem(), settings, u, w).2
}

fn scale_of(x: &[&[f64]]) -> f64 {
    x.iter().map(|x| norm(x)).fold(1.0, f64::max)
}

/// J = −A⁺B as columns, Z = Jᵀ P J (Lemma C.2) and its spectrum.
fn outer_curvature(q: &RandomQuadratic) -> (Vec<Vec<f64>>, Vec<f64>, Spectrum) {
    let columns: Vec<Vec<f64>> = (0..q.m)
        .map(|j| {
            let column: Vec<f64> = (0..q.n).map(|i| -q.inner.b[i * q.m + j]).collect();
            q.h.pinv(&column)
        })
        .collect();
    let z: Vec<f64> =
        (0..q.m * q.m).map(|k| dot(&columns[k / q.m], &matvec(q.n, q.n, &q.outer.p, &columns[k % q.m]))).collect();
    let spectrum = Spectrum::of("Z", q.m, &z).unwrap();
    (columns, z, spectrum)
}

proptest! {
    #![proptest_config(config(64))]

    /// Lemma C.1: w_k = w₀ − α Σ_{j<k} (I − αA)ʲ ∇f(u, w₀), for every k; and its limit is the solution nearest to w₀.
    #[test]
    fn lemma_c1_closed_form_of_gradient_descent(q in quadratics(), seed in any::<u64>()) {
        let mut rng = Rng(seed);
        let (u, w) = (rng.normals(q.m), rng.normals(q.n));
        let alpha = 1.7 / q.h.largest();
        let gradient = q.gradient(&u, &w);
        let size = scale_of(&[&w, &q.h.pinv(&gradient)]);
        for k in [1_usize, 2, 3, 10, 57] {
            let step = q.h.filter(|v| (0..k).map(|j| alpha * (1.0 - alpha * v).powi(j as i32)).sum(), &gradient);
            let expected: Vec<f64> = w.iter().zip(&step).map(|(w, s)| w - s).collect();
            prop_assert!(distance(&inner_run(&q, alpha, k, &u, &w), &expected) <= 1e-13 * size * k as f64, "k = {k}");
        }
        let nearest = q.nearest(&u, &w);
        prop_assert!(distance(&inner_run(&q, alpha, 5000, &u, &w), &nearest) <= 1e-11 * size);
        let problem = q.problem::<f64>();
        let mut fixpoint = w.clone();
        problem.fixpoint(&mut problem.workspace(), &u, &mut fixpoint).unwrap();
        prop_assert!(distance(&fixpoint, &nearest) <= 1e-12 * size);
        // Nearest: stationary, and w₀ − w has no part in the null space.
        prop_assert!(norm(&q.gradient(&u, &fixpoint)) <= 1e-11 * size);
        let moved: Vec<f64> = w.iter().zip(&fixpoint).map(|(a, b)| a - b).collect();
        prop_assert!(norm(&q.h.null_part(&moved)) <= 1e-12 * size);
    }

    /// Lemma C.2: u ↦ F(Ξ^∞(u, w₀)) is a convex quadratic with curvature Z = Bᵀ A⁺ P A⁺ B, and the exact estimator is its
    /// gradient.
    #[test]
    fn lemma_c2_outer_objective_is_quadratic(q in quadratics(), seed in any::<u64>()) {
        let mut rng = Rng(seed);
        let w0 = rng.normals(q.n);
        let problem = q.problem::<f64>();
        let (_, z, spectrum) = outer_curvature(&q);
        prop_assert!(spectrum.values()[0] >= -1e-13 * spectrum.radius());
        let mut workspace = hypergradient::Workspace::new(&problem);
        let mut value = |u: &Vec<f64>| {
            let w = q.nearest(u, &w0);
            let evaluation = hypergradient::evaluate(&problem, &EXACT.into(), u, &w, &mut workspace).unwrap();
            (evaluation.outer_loss, workspace.gradient().clone())
        };
        let (u1, u2) = (rng.normals(q.m), rng.normals(q.m));
        let du: Vec<f64> = u2.iter().zip(&u1).map(|(b, a)| b - a).collect();
        let ((f1, g1), (f2, g2)) = (value(&u1), value(&u2));
        let dg: Vec<f64> = g2.iter().zip(&g1).map(|(b, a)| b - a).collect();
        let z_du = matvec(q.m, q.m, &z, &du);
        prop_assert!(distance(&dg, &z_du) <= 1e-10 * scale_of(&[&g1, &g2, &z_du]));
        // Exactly quadratic: the value follows from gradient and curvature.
        let predicted = f1 + dot(&g1, &du) + 0.5 * dot(&du, &z_du);
        prop_assert!((f2 - predicted).abs() <= 1e-10 * (1.0 + f1.abs() + f2.abs()));
    }

    /// Theorem 3.1: cold start with exact hypergradients goes to the minimiser nearest to u₀. Statement 3.1: that is a
    /// cold-start equilibrium, (u, Ξ^∞(u, w₀)) with a vanishing hypergradient. Remark 3.2 beside it: full warm start.
    #[test]
    fn theorem_31_minimum_displacement(q in quadratics(), seed in any::<u64>()) {
        let (_, _, spectrum) = outer_curvature(&q);
        let floor = 1e-13 * spectrum.radius();
        let smallest = spectrum.values().iter().copied().filter(|&v| v > floor).fold(f64::INFINITY, f64::min);
        prop_assume!(smallest > 2e-3 * spectrum.radius());
        let mut rng = Rng(seed);
        let (u0, w0) = (rng.normals(q.m), rng.normals(q.n));
        let problem = q.problem::<f64>();
        let gradient = q.hypergradient(|v| if v == 0.0 { 0.0 } else { 1.0 / v }, &q.nearest(&u0, &w0));
        let mut step = vec![0.0; q.m];
        spectrum.apply(Filter::MinNorm { floor }, &gradient, &mut step, &mut Vec::new());
        let expected: Vec<f64> = u0.iter().zip(&step).map(|(u, s)| u - s).collect();
        let size = scale_of(&[&u0, &expected]);
        for start in [Start::Cold, Start::Warm] {
            let mut settings = Settings::new(start, InnerSolve::Fixpoint, EXACT, Rule::descent(1.0 / spectrum.radius()));
            settings.outer_steps = 30_000;
            settings.outer_tolerance = 1e-12;
            let (outcome, u, w) = run(&problem, settings, &u0, &w0);
            prop_assert!(norm(problem_gradient(&problem, &u, &w).as_slice()) <= 1e-9 * norm(&gradient).max(1.0), "{outcome:?}");
            prop_assert!(distance(&u, &expected) <= 1e-7 * size, "{start:?} {outcome:?}: {u:?} {expected:?}");
            prop_assert!(distance(&w, &q.nearest(&u, &w0)) <= 1e-9 * scale_of(&[&w, &w0]));
        }
    }

    /// Statement 3.2 on the fixpoint residual: in the eigenbasis of A, Ξ^(T)(u, w) − w is the residual of the full warm start
    /// times 1 − (1 − αλ)^T. So it vanishes for one T if and only if it vanishes for all, for 0 < α < 2/λmax.
    #[test]
    fn statement_32_partial_and_full_equilibria(q in quadratics(), seed in any::<u64>()) {
        let mut rng = Rng(seed);
        let (u, w) = (rng.normals(q.m), rng.normals(q.n));
        let alpha = (0.2 + 1.6 * rng.uniform()) / q.h.largest();
        let solution = q.nearest(&u, &w);
        let full = distance(&solution, &w);
        for steps in [1_usize, 2, 5, 20] {
            let partial = distance(&inner_run(&q, alpha, steps, &u, &w), &w);
            let factors: Vec<f64> = q.h.values.iter().filter(|&&v| v > 0.0)
                .map(|v| 1.0 - (1.0 - alpha * v).powi(steps as i32)).collect();
            let low = factors.iter().copied().fold(f64::INFINITY, f64::min);
            let high = factors.iter().copied().fold(0.0, f64::max);
            prop_assert!(low > 0.0);
            prop_assert!(partial >= (low - 1e-12) * full && partial <= (high + 1e-12) * full, "T = {steps}");
            let at_equilibrium = distance(&inner_run(&q, alpha, steps, &u, &solution), &solution);
            prop_assert!(at_equilibrium <= 1e-12 * scale_of(&[&w, &solution]));
        }
    }

    /// Remark 3.2: with a strongly convex inner problem, full warm start and cold start make the same steps.
    #[test]
    fn remark_32_cold_equals_full_warm(seed in any::<u64>(), n in 1_usize..7, m in 1_usize..5) {
        let q = RandomQuadratic::new(seed, n, m, n, 10.0);
        let mut rng = Rng(seed ^ 1);
        let (u0, w0) = (rng.normals(m), rng.normals(n));
        let problem = q.problem::<f64>();
        let beta = 0.3 / outer_curvature(&q).2.radius().max(1e-3);
        for inner in [
            InnerSolve::Fixpoint,
            InnerSolve::Optimizer { rule: Rule::descent(1.0 / q.h.largest()), steps: 100_000, tolerance: 1e-14 },
        ] {
            let ends = [Start::Cold, Start::Warm].map(|start| {
                let mut settings = Settings::new(start, inner, EXACT, Rule::descent(beta));
                settings.outer_steps = 25;
                run(&problem, settings, &u0, &w0)
            });
            let [(_, u_cold, w_cold), (_, u_warm, w_warm)] = ends;
            prop_assert!(distance(&u_cold, &u_warm) <= 1e-10 * scale_of(&[&u_cold]));
            prop_assert!(distance(&w_cold, &w_warm) <= 1e-10 * scale_of(&[&w_cold, &w0]));
        }
    }

    /// Appendix D: among the Jacobians with H J = −M, the minimum-norm estimator's has the smallest Frobenius norm.
    #[test]
    fn appendix_d_minimum_norm_jacobian(q in quadratics(), seed in any::<u64>()) {
        let mut rng = Rng(seed);
        let problem = q.problem::<f64>();
        let (u, w) = (rng.normals(q.m), rng.normals(q.n));
        for by in [Spectral::Dense, Spectral::LANCZOS] {
            let mut workspace = hypergradient::Workspace::new(&problem);
            let solve = Inverse::MinNorm { cutoff: None, by }.into();
            let (mut squared, mut larger) = (0.0, 0.0);
            let (v, mut pulled) = (rng.normals(q.n), vec![0.0; q.m]);
            hypergradient::response_vjp(&problem, &solve, (&u, &w), &v, &mut workspace, &mut pulled).unwrap();
            for j in 0..q.m {
                let mut unit = vec![0.0; q.m];
                unit[j] = 1.0;
                let column: Vec<f64> = (0..q.n).map(|i| q.inner.b[i * q.m + j]).collect();
                let mut response = vec![0.0; q.n];
                hypergradient::response_jvp(&problem, &solve, (&u, &w), &unit, &mut workspace, &mut response).unwrap();
                let (left, right) = (dot(&v, &response), pulled[j]);
                prop_assert!((left - right).abs() <= 1e-9 * (norm(&v) * norm(&response) + 1e-3), "⟨v, J e⟩ = ⟨Jᵀv, e⟩");
                let expected: Vec<f64> = q.h.pinv(&column).iter().map(|x| -x).collect();
                prop_assert!(distance(&response, &expected) <= 1e-9 * scale_of(&[&expected]));
                let h_response = matvec(q.n, q.n, &q.inner.a, &response);
                let minus: Vec<f64> = column.iter().map(|c| -c).collect();
                prop_assert!(distance(&h_response, &minus) <= 1e-9 * scale_of(&[&minus]), "H J = −M");
                let free = q.h.null_part(&rng.normals(q.n));
                squared += dot(&response, &response);
                larger += response.iter().zip(&free).map(|(r, f)| (r + f) * (r + f)).sum::<f64>() - dot(&free, &free);
            }
            // Pythagoras: any other solution is longer by exactly its null part.
            prop_assert!((larger - squared).abs() <= 1e-8 * squared.max(1.0));
        }
    }

    /// Appendix E, and section 4.2: T unrolled steps from a solution are the series with K = T − 1; the last K of T too.
    #[test]
    fn unrolling_equals_the_series(q in quadratics(), seed in any::<u64>(), steps in 1_usize..60) {
        let mut rng = Rng(seed);
        let problem = q.problem::<f64>();
        let u = rng.normals(q.m);
        let w = q.nearest(&u, &rng.normals(q.n));
        let alpha = 1.2 / q.h.largest();
        let mut workspace = hypergradient::Workspace::new(&problem);
        let mut gradient = |estimator: Estimator, w: &Vec<f64>| {
            hypergradient::evaluate(&problem, &estimator, &u, w, &mut workspace).unwrap();
            (workspace.gradient().clone(), workspace.q().clone())
        };
        let unrolled = Unrolled::descent(steps, alpha);
        let (g, series_q) = gradient(Inverse::neumann(steps - 1, alpha).into(), &w);
        let (unrolled_g, unrolled_q) = gradient(Estimator::Unrolled(unrolled), &w);
        prop_assert!(distance(&g, &unrolled_g) <= 1e-12 * scale_of(&[&g]));
        prop_assert!(distance(&series_q, &unrolled_q) <= 1e-12 * scale_of(&[&series_q]));
        let last = 1 + (seed as usize) % steps;
        let (truncated, _) = gradient(Estimator::Unrolled(Unrolled { last: Some(last), ..unrolled }), &w);
        let (g, _) = gradient(Inverse::neumann(last - 1, alpha).into(), &w);
        prop_assert!(distance(&g, &truncated) <= 1e-12 * scale_of(&[&g]));
        // Away from a solution the Jacobian is the same and the outer gradient is taken at the end of the run.
        let start = rng.normals(q.n);
        let end = inner_run(&q, alpha, steps, &u, &start);
        let r = |v: f64| (0..steps).map(|j| alpha * (1.0 - alpha * v).powi(j as i32)).sum::<f64>();
        let (unrolled_g, _) = gradient(Estimator::Unrolled(unrolled), &start);
        let expected = q.hypergradient(r, &end);
        prop_assert!(distance(&unrolled_g, &expected) <= 1e-11 * scale_of(&[&expected]));
    }

    /// Algorithms 1 and 2, step by step, against a dense transcript of them.
    #[test]
    fn loops_equal_a_plain_transcript(q in quadratics(), seed in any::<u64>(), steps in 1_usize..5, variant in 0..5) {
        let mut rng = Rng(seed);
        let (mut u, w0) = (rng.normals(q.m), rng.normals(q.n));
        let (u0, mut w) = (u.clone(), w0.clone());
        let alpha = 1.1 / q.h.largest();
        let beta = 0.05;
        let terms = 3;
        let estimator: Estimator = match variant {
            4 => Estimator::Unrolled(Unrolled::descent(steps, alpha)),
            _ => Inverse::neumann(terms, alpha).into(),
        };
        let rule = if variant == 3 { Rule::adam(beta) } else { Rule::descent(beta) };
        let start = if variant == 0 { Start::Cold } else { Start::Warm };
        let inner = InnerSolve::Optimizer { rule: Rule::descent(alpha), steps, tolerance: 0.0 };
        let mut settings = Settings::new(start, inner, estimator, rule);
        settings.outer_steps = 12;
        settings.keep_look_ahead = variant == 2;
        let problem = q.problem::<f64>();
        let mut seen = Vec::new();
        let mut runner = Runner::new(&problem, settings, &u0, &w0).unwrap();
        runner.run_with(0, &mut [], |progress| {
            seen.push((progress.u.clone(), progress.w.clone(), progress.hypergradient.clone()));
            ControlFlow::Continue(())
        }).unwrap();

        let descend = |u: &[f64], w: &[f64]| (0..steps).fold(w.to_vec(), |w, _| {
            let g = q.gradient(u, &w);
            w.iter().zip(g).map(|(w, g)| w - alpha * g).collect()
        });
        let count = if variant == 4 { steps } else { terms + 1 };
        let r = |v: f64| (0..count).map(|j| alpha * (1.0 - alpha * v).powi(j as i32)).sum::<f64>();
        let (mut first, mut second) = (vec![0.0; q.m], vec![0.0; q.m]);
        for (step, (seen_u, seen_w, seen_g)) in seen.iter().enumerate() {
            let ahead = descend(&u, if variant == 0 { &w0 } else { &w });
            let g = q.hypergradient(r, &ahead);
            let size = scale_of(&[&u, &ahead, &g]);
            prop_assert!(distance(seen_u, &u) <= 1e-11 * size, "u at step {step}");
            prop_assert!(distance(seen_w, &ahead) <= 1e-11 * size, "w at step {step}");
            prop_assert!(distance(seen_g, &g) <= 1e-11 * size, "hypergradient at step {step}");
            if variant == 3 {
                blo::reference::adam(beta, 0.9, 0.999, 1e-8, step as u64 + 1, &g, &mut first, &mut second, &mut u);
            } else {
                u.iter_mut().zip(&g).for_each(|(u, g)| *u -= beta * g);
            }
            w = if variant == 2 { ahead } else { descend(&u, if variant == 0 { &w0 } else { &w }) };
        }
        // All of them, but for a hypergradient that is exactly zero, which ends a run.
        prop_assert!(seen.len() == 13 || seen.last().is_some_and(|(_, _, g)| norm(g) == 0.0));
    }
}

/// The exact hypergradient at (u, w).
fn problem_gradient(problem: &Quadratic<f64>, u: &[f64], w: &[f64]) -> Vec<f64> {
    let mut workspace = hypergradient::Workspace::new(problem);
    hypergradient::evaluate(problem, &EXACT.into(), &u.to_vec(), &w.to_vec(), &mut workspace).unwrap();
    workspace.gradient().clone()
}

/// Eq. 5: the series over the damped inverse with ε = 1/(αK), for λ in (0, 1/α].
#[test]
fn equation_5_ratio_is_bounded() {
    let alpha = 0.01;
    for (terms, supremum) in [(10_u64, 1.3881), (100, 1.3073), (1000, 1.2993), (100_000, 1.2984)] {
        let k = terms as f64;
        let series = Filter::Neumann { terms, alpha };
        let damped = Filter::Damped { epsilon: 1.0 / (alpha * k) };
        let ratios: Vec<f64> = (0..=20_000)
            .map(|i| 10.0_f64.powf(-8.0 * i as f64 / 20_000.0) / alpha)
            .map(|lambda| series.value(lambda) / damped.value(lambda))
            .collect();
        let largest = ratios.iter().copied().fold(0.0, f64::max);
        let smallest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        assert!((largest - supremum).abs() < 1e-4, "K = {terms}: {largest}");
        assert!(smallest >= 1.0, "K = {terms}: {smallest}");
        // λ → 0: alpha (K + 1) over alpha K.
        let limit = series.value(1e-14) / damped.value(1e-14);
        assert!((limit - (1.0 + 1.0 / k)).abs() < 1e-9, "K = {terms}: {limit}");
    }
}

/// The whole Theorem 3.1 example of two points: from (−0.5, 0.25) the exact method lands on the projection.
#[test]
fn minimum_displacement_is_not_minimum_norm() {
    let examples = |design: Vec<f64>, targets: Vec<f64>| blo::problem::Examples { design, features: 2, targets };
    let problem = blo::problem::LeastSquares::targets(
        examples(vec![1.0, 0.0, 1.0, 2.0], vec![0.0; 2]),
        examples(vec![1.0, 1.0], vec![1.0]),
        blo::problem::Reduction::Sum,
    )
    .unwrap();
    let mut settings = Settings::new(Start::Cold, InnerSolve::Fixpoint, EXACT, Rule::descent(1e-2));
    (settings.outer_steps, settings.outer_tolerance) = (100_000, 1e-12);
    let mut runner = Runner::new(&problem, settings, &[-0.5, 0.25], &[0.0; 2]).unwrap();
    assert_eq!(runner.run().unwrap().ending, RunEnding::Converged);
    assert!(distance(runner.u(), &[0.625, 1.375]) < 1e-10, "{:?}", runner.u());
}

/// The inner tolerance: relative to the largest inner gradient of the run, and not a step more than it takes.
#[test]
fn inner_tolerance_stops_at_its_step() {
    let q = RandomQuadratic::new(8, 6, 2, 6, 20.0);
    let problem = q.problem::<f64>();
    let (u, w0) = (vec![1.0, -2.0], vec![0.5; 6]);
    let alpha = 1.0 / q.h.largest();
    for tolerance in [1e-1, 1e-3, 1e-6] {
        let (mut w, mut largest, mut steps) = (w0.clone(), 0.0_f64, 0);
        loop {
            let g = q.gradient(&u, &w);
            largest = largest.max(norm(&g));
            if norm(&g) <= tolerance * largest {
                break;
            }
            w.iter_mut().zip(&g).for_each(|(w, g)| *w -= alpha * g);
            steps += 1;
        }
        let inner = InnerSolve::Optimizer { rule: Rule::descent(alpha), steps: 100_000, tolerance };
        let mut settings = Settings::new(Start::Cold, inner, Inverse::Zero, Rule::descent(1.0));
        settings.outer_steps = 0;
        let (outcome, _, found) = run(&problem, settings, &u, &w0);
        assert_eq!(outcome.inner_steps, steps);
        assert!(distance(&found, &w) < 1e-13);
    }
}

/// The trace's instruments against their definitions.
#[test]
fn trace_rows_hold_what_they_say() {
    let q = RandomQuadratic::new(5, 6, 3, 4, 5.0);
    let problem = q.problem::<f64>();
    let mut rng = Rng(6);
    let (u0, w0) = (rng.normals(3), rng.normals(6));
    let inner = InnerSolve::Optimizer { rule: Rule::descent(0.5 / q.h.largest()), steps: 2, tolerance: 0.0 };
    let mut settings = Settings::new(Start::Warm, inner, EXACT, Rule::descent(1e-2));
    (settings.outer_steps, settings.distances) = (20, true);
    let mut trace = [TraceRow::default(); 16];
    let mut seen = Vec::new();
    let mut runner = Runner::new(&problem, settings, &u0, &w0).unwrap();
    let outcome = runner
        .run_with(3, &mut trace, |progress| {
            seen.push((progress.u.clone(), progress.w.clone(), progress.norm_hypergradient));
            ControlFlow::Continue(())
        })
        .unwrap();
    // Steps 0, 3, …, 18, and the last.
    assert_eq!(outcome.trace_rows, 8);
    let steps: Vec<i64> = trace[..8].iter().map(|row| row.step).collect();
    assert_eq!(steps, [0, 3, 6, 9, 12, 15, 18, 20]);
    for row in &trace[..8] {
        let (u, w, norm_g) = &seen[row.step as usize];
        let min_norm = q.nearest(u, &[0.0; 6]);
        let half = matvec(6, 6, &q.inner.a, w).iter().map(|x| 0.5 * x).collect::<Vec<_>>();
        let bu = matvec(6, 3, &q.inner.b, u);
        let cu = matvec_t(3, 3, &q.inner.c, u);
        let inner_loss = dot(w, &half) + dot(w, &bu) + dot(w, &q.inner.d) + 0.5 * dot(u, &cu) + dot(u, &q.inner.e);
        let outer_loss = 0.5 * dot(w, &matvec(6, 6, &q.outer.p, w)) + dot(w, &q.outer.f) + q.outer.h;
        for (found, expected) in [
            (row.norm_u, norm(u)),
            (row.norm_w, norm(w)),
            (row.norm_hypergradient, *norm_g),
            (row.distance_from_start, distance(w, &w0)),
            (row.distance_from_min_norm, distance(w, &min_norm)),
            (row.null_component, norm(&q.h.null_part(w))),
            (row.inner_loss, inner_loss + q.inner.constant),
            (row.outer_loss, outer_loss),
        ] {
            assert!((found - expected).abs() <= 1e-11 * (1.0 + expected.abs()), "{row:?}: {found} {expected}");
        }
    }
    // A buffer that is too short keeps its first rows.
    let mut short = [TraceRow::default(); 2];
    let inner = InnerSolve::Fixpoint;
    let mut settings = Settings::new(Start::Warm, inner, EXACT, Rule::descent(1e-2));
    settings.outer_steps = 20;
    let outcome = Runner::new(&problem, settings, &u0, &w0)
        .unwrap()
        .run_with(1, &mut short, |_| ControlFlow::Continue(()))
        .unwrap();
    assert_eq!((outcome.trace_rows, short[1].step), (2, 1));
    assert!(short[1].null_component.is_nan());
}

/// Oracle::semidefinite makes what it says, so that the tests above stand on firm ground.
#[test]
fn the_oracle_is_sound() {
    let mut rng = Rng(2);
    let h = Oracle::semidefinite(&mut rng, 7, 4, 100.0, 3.0);
    let spectrum = Spectrum::of("H", 7, &h.matrix()).unwrap();
    let mut values = h.values.clone();
    values.sort_by(f64::total_cmp);
    assert!(distance(spectrum.values(), &values) < 1e-13);
}
