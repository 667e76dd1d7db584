//! Unrolled hypergradients of every rule and mode: against central differences, against each other, at zero second moments,
//! and in the memory they promise. And the outer rules, bounds, and the best so far.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use blo::bilevel::{InnerSolve, Runner, Settings, Start, ToleranceSchedule};
use blo::hypergradient::{self, Mode, Unrolled};
use blo::problem::{Examples, L2, LeastSquares, Problem, Reduction, UserProblem};
use blo::solve::Flat;
use blo::{Estimator, Inverse, Rule, optimize, reference};
use common::{RandomQuadratic, Rng, config, distance, dot, norm};
use proptest::prelude::*;
use std::ops::ControlFlow;

fn rules() -> [Rule; 4] {
    [
        Rule::descent(0.05),
        Rule::momentum(0.03, 0.8),
        Rule::adam(0.02),
        Rule::Adam { step: 0.05, beta1: 0.5, beta2: 0.9, epsilon: 1e-3 },
    ]
}

fn ridge(rng: &mut Rng) -> LeastSquares<f64> {
    let mut examples =
        |rows: usize| Examples { design: rng.normals(rows * 4), features: 4, targets: rng.normals(rows) };
    LeastSquares::log_l2(L2::PerFeature, examples(7), examples(5), Reduction::Mean).unwrap()
}

/// The fourth-order central difference at 0: Adam bends the loss so much that the second-order one shows its truncation.
fn five_points(f: impl Fn(f64) -> f64, h: f64) -> f64 {
    (8.0 * (f(h) - f(-h)) - (f(2.0 * h) - f(-2.0 * h))) / (12.0 * h)
}

/// T steps of a rule, plainly, and F at their end.
fn outer_loss<P>(problem: &P, rule: &Rule, steps: usize, u: &[f64], w: &[f64]) -> f64
where
    P: Problem<f64, Points = Flat>,
{
    let space = problem.inner_space();
    let (mut at, mut g) = (problem.workspace(), vec![0.0; w.len()]);
    let mut state = optimize::State::new::<f64, _>(rule, space);
    state.x.copy_from_slice(w);
    for _ in 0..steps {
        problem.inner(&mut at, &u.to_vec(), &state.x, &mut g).unwrap();
        state.step::<f64, _>(rule, space, &g);
    }
    problem.outer(&mut at, &u.to_vec(), &state.x, &mut vec![0.0; u.len()], &mut g).unwrap()
}

fn gradient<P>(problem: &P, unrolled: Unrolled, u: &[f64], w: &[f64]) -> (Vec<f64>, usize)
where
    P: Problem<f64, Points = Flat>,
{
    let mut workspace = hypergradient::Workspace::new(problem);
    let estimator = Estimator::Unrolled(unrolled);
    let evaluation = hypergradient::evaluate(problem, &estimator, &u.to_vec(), &w.to_vec(), &mut workspace).unwrap();
    (workspace.gradient().clone(), evaluation.report.products)
}

proptest! {
    #![proptest_config(config(32))]

    #[test]
    fn every_rule_and_mode_equals_central_differences(seed in any::<u64>(), steps in 1_usize..25) {
        let mut rng = Rng(seed);
        let problem = ridge(&mut rng);
        let (u, w, du) = (rng.normals(4), rng.normals(4), rng.normals(4));
        for rule in rules() {
            let (reverse, _) = gradient(&problem, Unrolled::new(rule, steps), &u, &w);
            let loss = |h: f64| {
                let moved: Vec<f64> = u.iter().zip(&du).map(|(u, d)| u + h * d).collect();
                outer_loss(&problem, &rule, steps, &moved, &w)
            };
            let best = [1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5]
                .map(|h| (five_points(loss, h) - dot(&reverse, &du)).abs())
                .into_iter()
                .fold(f64::INFINITY, f64::min);
            prop_assert!(best <= 2e-7 * (1.0 + norm(&reverse)), "{rule:?} T = {steps}: {best:e}");
            for mode in [Mode::ReverseCheckpointed, Mode::Forward] {
                let unrolled = Unrolled { mode, ..Unrolled::new(rule, steps) };
                let (other, _) = gradient(&problem, unrolled, &u, &w);
                prop_assert!(distance(&reverse, &other) <= 1e-12 * (1.0 + norm(&reverse)), "{rule:?} {mode:?}");
            }
        }
    }

    #[test]
    fn truncation_means_the_same_in_every_mode(seed in any::<u64>(), steps in 1_usize..20) {
        let mut rng = Rng(seed);
        let problem = ridge(&mut rng);
        let (u, w) = (rng.normals(4), rng.normals(4));
        let last = 1 + rng.next() as usize % steps;
        for rule in rules() {
            let [reverse, kept, forward] = [Mode::Reverse, Mode::ReverseCheckpointed, Mode::Forward]
                .map(|mode| gradient(&problem, Unrolled { last: Some(last), mode, ..Unrolled::new(rule, steps) }, &u, &w));
            prop_assert_eq!((reverse.1, kept.1, forward.1), (last - 1, last - 1, 4 * (last - 1)));
            prop_assert_eq!(&reverse.0, &kept.0, "the repeated steps have the same bits");
            prop_assert!(distance(&reverse.0, &forward.0) <= 1e-12 * (1.0 + norm(&reverse.0)));
        }
    }

    /// The adjoint of a step against its tangent: ⟨step'ᵀ λ, τ⟩ = ⟨λ, step' τ⟩ for states and gradients at random.
    #[test]
    fn a_steps_adjoint_and_tangent_agree(seed in any::<u64>(), len in 1_usize..9, before in 0_usize..4) {
        let mut rng = Rng(seed);
        let space = Flat::new(len);
        for rule in rules() {
            let new = || optimize::State::<Vec<f64>>::new::<f64, _>(&rule, &space);
            let mut state = new();
            for _ in 0..before {
                state.step::<f64, _>(&rule, &space, &rng.normals(len));
            }
            let gradient = rng.normals(len);
            state.step::<f64, _>(&rule, &space, &gradient);
            // Differentiating by x and the gradient: tangents of the buffers start at zero.
            let (mut tangent, tangent_gradient) = (new(), rng.normals(len));
            tangent.x = rng.normals(len);
            let dx = tangent.x.clone();
            state.step_jvp::<f64, _>(&rule, &space, &gradient, &mut tangent, &tangent_gradient);
            let (mut adjoint, mut adjoint_gradient) = (new(), vec![0.0; len]);
            adjoint.x = rng.normals(len);
            let lambda = adjoint.x.clone();
            state.step_vjp::<f64, _>(&rule, &space, &gradient, &mut adjoint, &mut adjoint_gradient);
            let left = dot(&lambda, &tangent.x);
            let right = dot(&adjoint.x, &dx) + dot(&adjoint_gradient, &tangent_gradient);
            prop_assert!((left - right).abs() <= 1e-12 * (1.0 + left.abs()), "{rule:?}: {left} {right}");
        }
    }
}

/// peers.md 2, row 10: √ at zero makes other codes' meta-gradients NaN. A parameter whose gradient is always zero (a dead
/// unit, an all-zero feature) and tiny gradients must come through.
#[test]
fn adam_is_finite_at_zero_second_moment() {
    let design = vec![1.0, 0.0, 1e-170, -0.5, 0.0, 2e-170, 2.0, 0.0, -1e-170];
    let inner = Examples { design: design.clone(), features: 3, targets: vec![1.0, -1.0, 0.5] };
    let outer = Examples { design, features: 3, targets: vec![0.5, 0.25, 1.0] };
    let problem = LeastSquares::targets(inner, outer, Reduction::Sum).unwrap();
    for epsilon in [1e-8, 1e-300] {
        let rule = Rule::Adam { step: 0.1, beta1: 0.9, beta2: 0.999, epsilon };
        for mode in [Mode::Reverse, Mode::ReverseCheckpointed, Mode::Forward] {
            let unrolled = Unrolled { mode, ..Unrolled::new(rule, 10) };
            let (g, _) = gradient(&problem, unrolled, &[1.0, -1.0, 0.5], &[0.0; 3]);
            assert!(g.iter().all(|g| g.is_finite()) && norm(&g) > 0.0, "{epsilon:e} {mode:?}: {g:?}");
        }
    }
    // Everything zero: no gradient at all.
    let zero = Examples { design: vec![0.0; 4], features: 2, targets: vec![0.0; 2] };
    let problem = LeastSquares::targets(zero.clone(), zero, Reduction::Sum).unwrap();
    let (g, _) = gradient(&problem, Unrolled::new(Rule::adam(0.1), 5), &[0.0; 2], &[0.0; 2]);
    assert_eq!(g, [0.0; 2]);
}

/// The step of Adam and of momentum against their formulas.
#[test]
fn steps_equal_their_formulas() {
    let mut rng = Rng(5);
    let space = Flat::new(6);
    let rule = Rule::momentum(0.1, 0.7);
    let mut state = optimize::State::<Vec<f64>>::new::<f64, _>(&rule, &space);
    let (mut x, mut v) = (vec![0.0; 6], vec![0.0; 6]);
    let adam = Rule::adam(0.1);
    let mut adam_state = optimize::State::<Vec<f64>>::new::<f64, _>(&adam, &space);
    let (mut y, mut m, mut s) = (vec![0.0; 6], vec![0.0; 6], vec![0.0; 6]);
    for t in 1..=9 {
        let g = rng.normals(6);
        state.step::<f64, _>(&rule, &space, &g);
        for i in 0..6 {
            v[i] = 0.7 * v[i] + g[i];
            x[i] -= 0.1 * v[i];
        }
        assert!(distance(&state.x, &x) <= 1e-15 * norm(&x));
        adam_state.step::<f64, _>(&adam, &space, &g);
        reference::adam(0.1, 0.9, 0.999, 1e-8, t, &g, &mut m, &mut s, &mut y);
        assert!(distance(&adam_state.x, &y) <= 1e-15 * norm(&y));
    }
    assert_eq!((state.steps(), state.buffers().count(), adam_state.buffers().count()), (9, 1, 2));
}

/// The loop carries the inner optimizer's buffers from step to step when warm, and begins anew when cold; the unrolled
/// estimator starts from the same buffers. Against a plain transcript.
#[test]
fn inner_buffers_follow_the_loop() {
    let q = RandomQuadratic::new(17, 5, 3, 5, 4.0);
    let problem = q.problem::<f64>();
    let space = Flat::new(5);
    for rule in [Rule::momentum(0.2, 0.6), Rule::adam(0.05)] {
        for (start, unroll) in [(Start::Warm, false), (Start::Warm, true), (Start::Cold, false), (Start::Cold, true)] {
            let estimator: Estimator =
                if unroll { Estimator::Unrolled(Unrolled::new(rule, 3)) } else { Inverse::neumann(4, 0.3).into() };
            let inner = InnerSolve::Optimizer { rule, steps: 3, tolerance: 0.0 };
            let mut settings = Settings::new(start, inner, estimator, Rule::momentum(0.02, 0.5));
            settings.outer_steps = 6;
            let (u0, w0) = (vec![0.3, -0.2, 0.5], vec![0.1; 5]);
            let mut seen = Vec::new();
            let mut runner = Runner::new(&problem, settings, &u0, &w0).unwrap();
            runner
                .run_with(0, &mut [], |progress| {
                    seen.push((progress.u.clone(), progress.w.clone()));
                    ControlFlow::Continue(())
                })
                .unwrap();
            let new = || {
                let mut state = optimize::State::<Vec<f64>>::new::<f64, _>(&rule, &space);
                state.x.clone_from(&w0);
                state
            };
            let advance = |u: &[f64], from: &optimize::State<Vec<f64>>| {
                let mut state = new();
                state.copy_from::<f64, _>(&space, from);
                for _ in 0..3 {
                    let g = q.gradient(u, &state.x);
                    state.step::<f64, _>(&rule, &space, &g);
                }
                state
            };
            // dF/du of a three-step run from a state with its buffers, by differences.
            let by_differences = |u: &[f64], from: &optimize::State<Vec<f64>>| -> Vec<f64> {
                (0..3)
                    .map(|j| {
                        let loss = |h: f64| {
                            let mut u = u.to_vec();
                            u[j] += h;
                            let w = advance(&u, from).x;
                            0.5 * dot(&w, &common::matvec(5, 5, &q.outer.p, &w)) + dot(&w, &q.outer.f)
                        };
                        five_points(loss, 3e-4)
                    })
                    .collect()
            };
            let (mut u, mut velocity, mut w) = (u0.clone(), vec![0.0; 3], new());
            for (seen_u, seen_w) in seen {
                assert!(distance(&seen_u, &u) < 1e-6, "{rule:?} {start:?} {unroll}: {seen_u:?} {u:?}");
                let from = if start == Start::Cold { new() } else { w };
                let ahead = advance(&u, &from);
                assert!(distance(&seen_w, &ahead.x) < 1e-6, "{rule:?} {start:?} {unroll}");
                let g = if unroll {
                    by_differences(&u, &from)
                } else {
                    q.hypergradient(|v| (0..=4).map(|j| 0.3 * (1.0 - 0.3 * v).powi(j)).sum(), &ahead.x)
                };
                for i in 0..3 {
                    velocity[i] = 0.5 * velocity[i] + g[i];
                    u[i] -= 0.02 * velocity[i];
                }
                w = advance(&u, &from);
            }
        }
    }
}

/// A scalar problem with known states: reverse mode keeps T states, checkpointed about 2√T.
#[test]
fn checkpointing_keeps_few_states() {
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::sync::atomic::{AtomicUsize, Ordering};
    struct Counting;
    static BYTES: AtomicUsize = AtomicUsize::new(0);
    // SAFETY: every call goes to the system allocator unchanged.
    unsafe impl GlobalAlloc for Counting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            BYTES.fetch_add(layout.size(), Ordering::Relaxed);
            // SAFETY: as the caller promised.
            unsafe { System.alloc(layout) }
        }
        unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
            BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
            // SAFETY: as the caller promised.
            unsafe { System.dealloc(pointer, layout) }
        }
    }
    #[global_allocator]
    static ALLOCATOR: Counting = Counting;

    const N: usize = 20_000;
    let problem = UserProblem::<f64>::new(
        1,
        N,
        |u, w, g| {
            g.iter_mut().zip(w).for_each(|(g, w)| *g = w - u[0]);
            Ok(0.0)
        },
        |_, w, _, g| {
            g.copy_from_slice(w);
            Ok(0.0)
        },
        |_, _, v, out| {
            out.copy_from_slice(v);
            Ok(())
        },
        |_, _, v, out| {
            out[0] = -v.iter().sum::<f64>();
            Ok(())
        },
    );
    let states = |mode, rule, count: usize| {
        let before = BYTES.load(Ordering::Relaxed);
        let mut workspace = hypergradient::Workspace::new(&problem);
        let estimator = Estimator::Unrolled(Unrolled { mode, ..Unrolled::new(rule, 1000) });
        hypergradient::evaluate(&problem, &estimator, &vec![1.0], &vec![0.0; N], &mut workspace).unwrap();
        let bytes = BYTES.load(Ordering::Relaxed) - before;
        let states = bytes as f64 / (N * 8 * count) as f64;
        (states, workspace.gradient()[0])
    };
    let (full, reference) = states(Mode::Reverse, Rule::descent(1e-3), 1);
    let (few, same) = states(Mode::ReverseCheckpointed, Rule::descent(1e-3), 1);
    assert!(full >= 1000.0 && few <= 3.0 * 1000.0_f64.sqrt(), "{full} and {few} states");
    assert_eq!(reference, same);
    let (few, _) = states(Mode::ReverseCheckpointed, Rule::adam(1e-3), 3);
    assert!(few <= 3.0 * 1000.0_f64.sqrt(), "{few} states of Adam");
}

#[test]
fn bounds_hold_and_the_best_is_kept() {
    let q = RandomQuadratic::new(23, 4, 4, 4, 4.0);
    let problem = q.problem::<f64>();
    let exact = Inverse::MinNorm { cutoff: None, by: blo::solve::Spectral::Dense };
    let mut settings = Settings::new(Start::Cold, InnerSolve::Fixpoint, exact, Rule::descent(0.05));
    (settings.bounds, settings.keep_best, settings.outer_steps) = (Some((-0.1, 0.1)), true, 20_000);
    settings.outer_tolerance = 1e-10;
    let mut runner = Runner::new(&problem, settings.clone(), &[0.0; 4], &[0.0; 4]).unwrap();
    let mut losses = Vec::new();
    let outcome = runner
        .run_with(0, &mut [], |progress| {
            assert!(progress.u.iter().all(|u| (-0.1..=0.1).contains(u)));
            losses.push(progress.evaluation.outer_loss);
            ControlFlow::Continue(())
        })
        .unwrap();
    // Converged in the projected gradient: at each bound the slope points outward.
    assert_eq!(outcome.ending, blo::bilevel::RunEnding::Converged);
    let g = runner.hypergradient();
    assert!(runner.u().iter().any(|u| u.abs() == 0.1), "a bound is active: {:?}", runner.u());
    for (u, g) in runner.u().iter().zip(g) {
        assert!(if u.abs() == 0.1 { u * g <= 0.0 } else { g.abs() < 1e-6 }, "{u} {g}");
    }
    let best = runner.best().unwrap();
    let smallest = losses.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!((best.outer_loss, losses[best.step]), (smallest, smallest));
    // A momentum that overshoots: the last is not the best.
    settings.outer = Rule::momentum(0.2, 0.95).into();
    (settings.bounds, settings.outer_steps) = (None, 30);
    let mut runner = Runner::new(&problem, settings.clone(), &[0.0; 4], &[0.0; 4]).unwrap();
    let outcome = runner.run().unwrap();
    let best = runner.best().unwrap();
    assert!(best.step < 30 && best.outer_loss < outcome.outer_loss);
    assert!(distance(&best.w, &q.nearest(&best.u, &[0.0; 4])) < 1e-12);
    // Bad bounds, and a start outside of them.
    for (bounds, text) in
        [((1.0, -1.0), "bounds: found 1 to -1"), ((0.5, 1.0), "u: found 0 at index 0, expected 0.5 to 1")]
    {
        settings.bounds = Some(bounds);
        let error = Runner::new(&problem, settings.clone(), &[0.0; 4], &[0.0; 4]).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
    }
}

/// HOAG's schedule: the same end as with tight tolerances from the start, for less work.
#[test]
fn a_tolerance_schedule_saves_work() {
    let q = RandomQuadratic::new(41, 12, 4, 12, 50.0);
    let problem = q.problem::<f64>();
    let run = |schedule| {
        let inner =
            InnerSolve::Optimizer { rule: Rule::descent(1.0 / q.h.largest()), steps: 100_000, tolerance: 1e-10 };
        let cg = Inverse::Cg { iterations: 100, tolerance: 1e-10 };
        let mut settings = Settings::new(Start::Warm, inner, cg, Rule::descent(0.02));
        (settings.schedule, settings.outer_steps, settings.outer_tolerance) = (schedule, 5000, 1e-8);
        let mut runner = Runner::new(&problem, settings, &[1.0; 4], &[0.0; 12]).unwrap();
        let outcome = runner.run().unwrap();
        (runner.u().clone(), outcome)
    };
    let (u, tight) = run(None);
    let (same, scheduled) = run(Some(ToleranceSchedule { first: 0.1, factor: 0.98, last: 1e-10 }));
    assert!(distance(&u, &same) <= 1e-5 * (1.0 + norm(&u)), "{u:?} {same:?}");
    assert!(scheduled.inner_steps < tight.inner_steps, "{} {}", scheduled.inner_steps, tight.inner_steps);
    assert!(scheduled.products < tight.products, "{} {}", scheduled.products, tight.products);
    assert_eq!(ToleranceSchedule { first: 0.5, factor: 0.5, last: 0.1 }.at(1), 0.25);
    assert_eq!(ToleranceSchedule { first: 0.5, factor: 0.5, last: 0.1 }.at(9), 0.1);
    for (schedule, text) in [
        (ToleranceSchedule { first: 0.0, factor: 0.5, last: 0.0 }, "schedule.first: found 0"),
        (ToleranceSchedule { first: 0.1, factor: 1.0, last: 0.0 }, "schedule.factor: found 1"),
        (ToleranceSchedule { first: 0.1, factor: 0.5, last: -1.0 }, "schedule.last: found -1"),
    ] {
        let mut settings = Settings::new(Start::Cold, InnerSolve::Fixpoint, Inverse::Zero, Rule::descent(0.1));
        settings.schedule = Some(schedule);
        assert!(settings.validate().unwrap_err().to_string().contains(text));
    }
}
