//! Runs that are stepped in halves and put elsewhere, several solves at once, L-BFGS-B alone, solution sets and cycles: through
//! the C interface, in both precisions, against what is known of small problems.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use blo::ffi::*;
use std::ffi::{c_char, c_void};
use std::ptr::{null, null_mut};

fn message() -> String {
    let mut text = vec![0_u8; 400];
    // SAFETY: of that capacity.
    assert_eq!(unsafe { blo_last_error(text.as_mut_ptr().cast::<c_char>(), 400, null_mut()) }, BLO_OK);
    String::from_utf8(text.into_iter().take_while(|&byte| byte != 0).collect()).unwrap()
}

#[track_caller]
fn good(status: Status) {
    assert_eq!(status, BLO_OK, "{}", message());
}

const M: usize = 2;
const N: usize = 3;

/// A = diag(2, 1, 0), B with rows in the range of A, P = I, f = (-1, 2, 3).
fn quadratic() -> *mut Problem<f64> {
    let (a, b) = ([2.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0], [1.0, 0.5, -1.0, 2.0, 0.0, 0.0]);
    let (p, f) = ([1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], [-1.0, 2.0, 3.0]);
    let mut problem = null_mut();
    // SAFETY: a whole struct and arrays of its sizes.
    unsafe {
        let mut terms: Quadratics<f64> = std::mem::zeroed();
        terms.struct_size = size_of::<Quadratics<f64>>() as u32;
        (terms.n_outer, terms.n_inner, terms.outer_constant) = (M as i64, N as i64, 0.25);
        (terms.a, terms.b, terms.p, terms.f) = (a.as_ptr(), b.as_ptr(), p.as_ptr(), f.as_ptr());
        good(blo_problem_create_quadratic_f64(&terms, &mut problem));
    }
    problem
}

fn options(start: i32, method: i32, rule: i32) -> RunOptions {
    // SAFETY: zeros, which the init function fills.
    unsafe {
        let mut options: RunOptions = std::mem::zeroed();
        good(blo_run_options_init(&mut options, size_of::<RunOptions>()));
        (options.start, options.method) = (start, method);
        (options.inner, options.inner_steps, options.inner_rule.step) = (BLO_INNER_OPTIMIZER, 4, 0.25);
        (options.outer_rule.kind, options.outer_rule.step) = (rule, 0.125);
        options
    }
}

struct Run(*mut Runner<f64>);

impl Run {
    fn new(problem: *mut Problem<f64>, options: &RunOptions, u: &[f64; M], w: &[f64; N]) -> Run {
        let mut runner = null_mut();
        let (u, w) = (u.as_ptr(), w.as_ptr());
        // SAFETY: a living handle, whole structs and arrays of its sizes.
        unsafe {
            let mut how: EstimatorOptions = std::mem::zeroed();
            good(blo_estimator_options_init(&mut how, size_of::<EstimatorOptions>()));
            good(blo_runner_create_f64(problem, options, &how, u, M as i64, w, N as i64, &mut runner));
        }
        Run(runner)
    }

    fn state(&self) -> ([f64; M], [f64; N]) {
        let (mut u, mut w) = ([0.0; M], [0.0; N]);
        // SAFETY: arrays of its sizes.
        good(unsafe { blo_runner_state_f64(self.0, u.as_mut_ptr(), M as i64, w.as_mut_ptr(), N as i64, null_mut()) });
        (u, w)
    }

    fn step(&self) {
        let mut diverged = 7;
        // SAFETY: a living handle.
        good(unsafe { blo_runner_step_f64(self.0, null_mut(), null_mut(), &mut diverged) });
        assert_eq!(diverged, 0);
    }

    fn begin(&self) -> [f64; M] {
        let (mut diverged, mut g) = (7, [0.0; M]);
        // SAFETY: a living handle and an array of its size.
        good(unsafe { blo_runner_begin_step_f64(self.0, g.as_mut_ptr(), null_mut(), &mut diverged) });
        assert_eq!(diverged, 0);
        g
    }

    fn end(&self, g: Option<&[f64]>) -> Status {
        let mut diverged = 7;
        let from = g.map_or(null(), <[f64]>::as_ptr);
        // SAFETY: a living handle and an array of its size.
        let status = unsafe { blo_runner_end_step_f64(self.0, from, M as i64, &mut diverged) };
        assert_eq!(diverged, if status == BLO_OK { 0 } else { 7 });
        status
    }

    fn set(&self, u: Option<&[f64]>, w: Option<&[f64]>) -> Status {
        let [u, w] = [u, w].map(|x| x.map_or(null(), <[f64]>::as_ptr));
        // SAFETY: a living handle and arrays of its sizes.
        unsafe { blo_runner_set_f64(self.0, u, M as i64, w, N as i64) }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // SAFETY: a living handle.
        unsafe { blo_runner_destroy_f64(&mut self.0) };
    }
}

const CHOICES: [(i32, i32, i32); 5] = [
    (BLO_START_COLD, BLO_METHOD_RULE, BLO_RULE_DESCENT),
    (BLO_START_WARM, BLO_METHOD_RULE, BLO_RULE_DESCENT),
    (BLO_START_COLD, BLO_METHOD_RULE, BLO_RULE_ADAM),
    (BLO_START_WARM, BLO_METHOD_RULE, BLO_RULE_MOMENTUM),
    (BLO_START_COLD, BLO_METHOD_LBFGSB, BLO_RULE_DESCENT),
];

#[test]
fn two_halves_are_a_step() {
    let mut problem = quadratic();
    let (u, w) = ([0.5, -1.0], [2.0, 4.0, 1.0]);
    for (start, method, rule) in CHOICES {
        let how = options(start, method, rule);
        let (whole, halves) = (Run::new(problem, &how, &u, &w), Run::new(problem, &how, &u, &w));
        for _ in 0..6 {
            whole.step();
            let before = halves.state().0;
            halves.begin();
            assert_eq!(halves.state().0, before, "u moved");
            good(halves.end(None));
            assert_eq!(whole.state(), halves.state());
        }
        assert_ne!(whole.state().0, u);
        assert_eq!(halves.end(None), BLO_ERR_INVALID);
        assert!(message().starts_with("runner: found no step that has begun"), "{}", message());
        // A whole run in between is no half.
        halves.begin();
        halves.step();
        assert_eq!(halves.end(None), BLO_ERR_INVALID);
    }
    // SAFETY: a living handle.
    unsafe { blo_problem_destroy_f64(&mut problem) };
}

#[test]
fn a_step_along_another_vector() {
    let mut problem = quadratic();
    let run =
        Run::new(problem, &options(BLO_START_COLD, BLO_METHOD_RULE, BLO_RULE_DESCENT), &[0.5, -1.0], &[2.0, 4.0, 1.0]);
    let g = run.begin();
    let clipped = g.map(|g| g / 4.0);
    assert_eq!(run.end(Some(&[1.0, f64::NAN])), BLO_ERR_NON_FINITE);
    assert!(message().starts_with("hypergradient: found NaN at index 1"), "{}", message());
    // It may still be ended.
    good(run.end(Some(&clipped)));
    let u = run.state().0;
    assert_eq!(u, [0.5 - 0.125 * clipped[0], -1.0 - 0.125 * clipped[1]]);
    assert!(g[0] != 0.0 && g[1] != 0.0);
    // SAFETY: a living handle.
    unsafe { blo_problem_destroy_f64(&mut problem) };
}

#[test]
fn put_elsewhere_a_run_is_as_if_it_began_there() {
    let mut problem = quadratic();
    let (u, w) = ([0.5, -1.0], [2.0, 4.0, 1.0]);
    let (other_u, other_w) = ([-0.25, 0.75], [0.0, -3.0, 0.5]);
    // Rules without buffers; a cold start keeps its own w0, and so does the new one.
    for (start, method, rule) in [CHOICES[0], CHOICES[1], CHOICES[4]] {
        let how = options(start, method, rule);
        let (moved, fresh) = (Run::new(problem, &how, &u, &w), {
            let from = if start == BLO_START_COLD { w } else { other_w };
            Run::new(problem, &how, &other_u, &from)
        });
        (0..3).for_each(|_| moved.step());
        good(moved.set(Some(&other_u), None));
        assert_eq!(moved.state().0, other_u);
        good(moved.set(None, Some(&other_w)));
        assert_eq!(moved.state(), (other_u, other_w));
        for _ in 0..5 {
            moved.step();
            fresh.step();
            assert_eq!(moved.state(), fresh.state());
        }
        // Nothing moves on an error, and a step that has begun is no longer one.
        let before = moved.state();
        assert_eq!(moved.set(Some(&other_u), Some(&[1.0, f64::INFINITY, 0.0])), BLO_ERR_NON_FINITE);
        assert!(message().starts_with("w: found inf at index 1"), "{}", message());
        assert_eq!(moved.state(), before);
        moved.begin();
        good(moved.set(None, None));
        assert_eq!(moved.end(None), BLO_ERR_INVALID);
    }
    let bounded = RunOptions { lower: -1.0, upper: 1.0, ..options(BLO_START_COLD, BLO_METHOD_RULE, BLO_RULE_DESCENT) };
    let run = Run::new(problem, &bounded, &u, &w);
    assert_eq!(run.set(Some(&[0.0, 1.5]), None), BLO_ERR_INVALID);
    assert!(message().starts_with("u: found 1.5 at index 1, expected -1 to 1"), "{}", message());
    // SAFETY: a living handle.
    unsafe { blo_problem_destroy_f64(&mut problem) };
}

/// H = diag(1, 2, 4) with the number of calls.
unsafe extern "C" fn diagonal(n: i64, v: *const f64, out: *mut f64, calls: *mut c_void) -> i32 {
    // SAFETY: three elements, and a counter.
    unsafe {
        *calls.cast::<i32>() += 1;
        for i in 0..n as usize {
            out.add(i).write((1 << i) as f64 * *v.add(i));
        }
    }
    0
}

fn report() -> ReportInfo {
    // SAFETY: numbers.
    let zero: ReportInfo = unsafe { std::mem::zeroed() };
    ReportInfo { struct_size: size_of::<ReportInfo>() as u32, ..zero }
}

fn estimator(kind: i32) -> EstimatorOptions {
    // SAFETY: zeros, which the init function fills.
    unsafe {
        let mut options: EstimatorOptions = std::mem::zeroed();
        good(blo_estimator_options_init(&mut options, size_of::<EstimatorOptions>()));
        (options.kind, options.verify) = (kind, 0);
        options
    }
}

fn close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (x, y) in found.iter().zip(expected) {
        assert!((x - y).abs() <= 1e-12 * (1.0 + y.abs()), "{found:?}, expected {expected:?}");
    }
}

#[test]
fn several_solves() {
    let (mut solver, mut calls) = (null_mut(), 0_i32);
    let dense = EstimatorOptions { by: BLO_BY_DENSE, ..estimator(BLO_ESTIMATOR_MIN_NORM) };
    let (b, mut reports, user) = ([1.0, 2.0, 3.0, -1.0, 0.0, 8.0], [report(); 2], (&raw mut calls).cast());
    let product: OperatorFn<f64> = Some(diagonal);
    // SAFETY: living handles, whole structs and arrays of these sizes.
    unsafe {
        good(blo_solver_create_f64(3, &dense, &mut solver));
        // In place, with one decomposition of three products.
        let mut q = b;
        good(blo_solver_solve_many_f64(solver, product, user, 2, q.as_ptr(), 3, q.as_mut_ptr(), reports.as_mut_ptr()));
        close(&q, &[1.0, 1.0, 0.75, -1.0, 0.0, 2.0]);
        assert_eq!((reports[0].products, reports[1].products, calls), (3, 0, 3));
        // Fewer, more, and one that is refused: nothing is written.
        good(blo_solver_solve_many_f64(solver, product, user, 1, b.as_ptr(), 3, q.as_mut_ptr(), null_mut()));
        close(&q, &[1.0, 1.0, 0.75, -1.0, 0.0, 2.0]);
        let spoilt = [1.0, 2.0, 3.0, -1.0, f64::NAN, 8.0];
        let before = q;
        let status =
            blo_solver_solve_many_f64(solver, product, user, 2, spoilt.as_ptr(), 3, q.as_mut_ptr(), null_mut());
        assert!(status == BLO_ERR_NON_FINITE && q == before, "{}", message());
        reports[1].struct_size -= 8;
        let to = reports.as_mut_ptr();
        let status = blo_solver_solve_many_f64(solver, product, user, 2, b.as_ptr(), 3, q.as_mut_ptr(), to);
        assert_ne!(status, BLO_OK);
        assert!(message().starts_with("report: found struct_size"), "{}", message());
        reports[1] = report();

        // A family: the least norm, damped, in one Lanczos process, and dense.
        for by in [BLO_BY_LANCZOS, BLO_BY_DENSE] {
            let family = [
                EstimatorOptions { by, ..estimator(BLO_ESTIMATOR_MIN_NORM) },
                EstimatorOptions { by, epsilon: 1.0, ..estimator(BLO_ESTIMATOR_DAMPED) },
            ];
            calls = 0;
            let (filters, to) = (family.as_ptr(), reports.as_mut_ptr());
            good(blo_solver_solve_family_f64(solver, product, user, 2, filters, b.as_ptr(), 3, q.as_mut_ptr(), to));
            close(&q, &[1.0, 1.0, 0.75, 0.5, 2.0 / 3.0, 0.6]);
            assert!(calls <= 3, "{calls} products");
        }
        let mixed = [dense, EstimatorOptions { epsilon: 1.0, ..estimator(BLO_ESTIMATOR_DAMPED) }];
        let (filters, no) = (mixed.as_ptr(), null_mut());
        let status = blo_solver_solve_family_f64(solver, product, user, 2, filters, b.as_ptr(), 3, q.as_mut_ptr(), no);
        assert_eq!(status, BLO_ERR_INVALID, "{}", message());

        // Dampings, with the products of one.
        calls = 0;
        let (epsilons, to) = ([1.0, 4.0], reports.as_mut_ptr());
        let (from, q_at) = (b.as_ptr(), q.as_mut_ptr());
        good(blo_solver_shifted_cg_f64(solver, product, user, 2, epsilons.as_ptr(), 0.0, 9, from, 3, q_at, to));
        close(&q, &[0.5, 2.0 / 3.0, 0.6, 0.2, 1.0 / 3.0, 0.375]);
        assert!(calls <= 4 && reports[0].products == i64::from(calls), "{calls} products");
        for bad in [0.0, -1.0, f64::NAN] {
            let epsilons = [1.0, bad];
            let e = epsilons.as_ptr();
            let status = blo_solver_shifted_cg_f64(solver, product, user, 2, e, 0.0, 9, from, 3, q_at, null_mut());
            assert!(status == BLO_ERR_INVALID && message().starts_with("epsilon"), "{}", message());
        }
        blo_solver_destroy_f64(&mut solver);
    }
}

#[test]
fn lbfgsb_is_told_and_asks() {
    // (x - 3)^2 / 2 + 50 (y + 1)^2 with x at most 2.
    let infinity = f64::INFINITY;
    let (lower, upper) = ([-infinity; 2], [2.0, infinity]);
    let (mut method, mut next, mut told) = (null_mut(), BLO_NEXT_EVALUATE, 0);
    let (mut x, mut value) = ([0.0; 2], 0.0);
    // SAFETY: living handles and arrays of these sizes.
    unsafe {
        good(blo_lbfgsb_create_f64([0.5, 0.5].as_ptr(), 2, lower.as_ptr(), upper.as_ptr(), 10, 1e-10, &mut method));
        good(blo_lbfgsb_state_f64(method, x.as_mut_ptr(), 2, &mut value));
        assert_eq!((x, value), ([0.5, 0.5], infinity));
        assert_eq!(blo_lbfgsb_tell_f64(method, f64::NAN, x.as_ptr(), 2, &mut next), BLO_ERR_NON_FINITE);
        while next == BLO_NEXT_EVALUATE {
            told += 1;
            assert!(told < 50, "no end");
            good(blo_lbfgsb_trial_f64(method, x.as_mut_ptr(), 2));
            assert!(x[0] <= 2.0);
            let f = 0.5 * (x[0] - 3.0).powi(2) + 50.0 * (x[1] + 1.0).powi(2);
            good(blo_lbfgsb_tell_f64(method, f, [x[0] - 3.0, 100.0 * (x[1] + 1.0)].as_ptr(), 2, &mut next));
        }
        assert_eq!(next, BLO_NEXT_CONVERGED);
        let mut last = [0.0; 2];
        good(blo_lbfgsb_state_f64(method, last.as_mut_ptr(), 2, &mut value));
        close(&last, &[2.0, -1.0]);
        close(&[value], &[0.5]);
        assert_eq!(last, x);
        blo_lbfgsb_destroy_f64(&mut method);

        // Bounds that are not given are none; those that are, are checked.
        good(blo_lbfgsb_create_f64([9e9].as_ptr(), 1, null(), null(), 1, 0.0, &mut method));
        blo_lbfgsb_destroy_f64(&mut method);
        for (lower, upper, argument) in [(1.0, 0.0, "bounds"), (f64::NAN, 1.0, "bounds"), (0.0, 1.0, "x")] {
            let (low, high) = ([lower], [upper]);
            let status = blo_lbfgsb_create_f64([2.0].as_ptr(), 1, low.as_ptr(), high.as_ptr(), 1, 0.0, &mut method);
            assert!(status == BLO_ERR_INVALID && method.is_null());
            assert!(message().starts_with(argument), "{}", message());
        }
    }
}

#[test]
fn the_best_and_the_worst_inner_solution() {
    let mut problem = quadratic();
    let (u, start) = ([0.5, -1.0], [9.0, 9.0, 7.0]);
    let (mut w, mut loss, mut unbounded) = ([0.0; N], 0.0, 7);
    // SAFETY: a living handle and arrays of its sizes.
    unsafe {
        let (up, from) = (u.as_ptr(), start.as_ptr());
        let to = w.as_mut_ptr();
        // w_1 = -(0.5 - 0.5) / 2 and w_2 = -(-0.5 - 2); F falls with w_3 to w_3 = -3.
        good(blo_optimistic_f64(problem, up, 2, from, 3, to, &mut loss, &mut unbounded));
        close(&w, &[0.0, 2.5, -3.0]);
        close(&[loss], &[0.5 * (6.25 + 9.0) + 5.0 - 9.0 + 0.25]);
        assert_eq!(unbounded, 0);
        good(blo_pessimistic_f64(problem, up, 2, from, 3, w.as_mut_ptr(), &mut loss, &mut unbounded));
        assert_eq!((unbounded, loss), (1, f64::INFINITY));
        close(&w.map(f64::abs), &[0.0, 0.0, 1.0]);
        // Other problems have no closed form.
        let design = [1.0, 2.0];
        let mut rows: ExampleRows<f64> = std::mem::zeroed();
        (rows.struct_size, rows.rows, rows.features) = (size_of::<ExampleRows<f64>>() as u32, 2, 1);
        (rows.design, rows.targets) = (design.as_ptr(), design.as_ptr());
        let mut other = null_mut();
        good(blo_problem_create_regression_f64(&rows, &rows, null(), &mut other));
        let (to, from) = (w.as_mut_ptr(), start.as_ptr());
        let status = blo_optimistic_f64(other, up, 1, from, 1, to, null_mut(), &mut unbounded);
        assert_eq!(status, BLO_ERR_UNSUPPORTED, "{}", message());
        blo_problem_destroy_f64(&mut other);
        blo_problem_destroy_f64(&mut problem);
    }
}

#[test]
fn a_batch_of_the_examples() {
    // f = 1/2 sum (x_i w - t_i)^2 over three examples, w = 2, u = t: of examples 2, 0 and 2 again, all three being three.
    let (x, t) = ([1.0, 3.0, -1.0], [1.0, 0.0, 2.0]);
    let (mut problem, mut work, mut value, mut gradient) = (null_mut(), null_mut(), 0.0, [0.0]);
    // SAFETY: living handles and arrays of their sizes.
    unsafe {
        let mut rows: ExampleRows<f64> = std::mem::zeroed();
        (rows.struct_size, rows.rows, rows.features) = (size_of::<ExampleRows<f64>>() as u32, 3, 1);
        (rows.design, rows.targets) = (x.as_ptr(), t.as_ptr());
        let mut how: RegressionOptions = std::mem::zeroed();
        good(blo_regression_options_init(&mut how, size_of::<RegressionOptions>()));
        (how.outer, how.reduction) = (BLO_OUTER_TARGETS, BLO_REDUCTION_SUM);
        good(blo_problem_create_regression_f64(&rows, &rows, &how, &mut problem));
        good(blo_workspace_create_f64(problem, &mut work));
        let (u, w, to) = (t.as_ptr(), [2.0], gradient.as_mut_ptr());
        good(blo_inner_batch_f64(work, [2, 0, 2].as_ptr(), 3, u, 3, w.as_ptr(), 1, &mut value, to));
        close(&[value, gradient[0]], &[0.5 * (16.0 + 1.0 + 16.0), 4.0 + 1.0 + 4.0]);
        // One example stands for three.
        let to = gradient.as_mut_ptr();
        good(blo_inner_batch_f64(work, [1].as_ptr(), 1, u, 3, w.as_ptr(), 1, &mut value, to));
        close(&[value, gradient[0]], &[0.5 * 3.0 * 36.0, 3.0 * 18.0]);
        blo_workspace_destroy_f64(&mut work);
        blo_problem_destroy_f64(&mut problem);
        // A quadratic has none.
        let mut problem = quadratic();
        good(blo_workspace_create_f64(problem, &mut work));
        let (u, w) = ([0.0; 2], [0.0; 3]);
        let (up, wp, no) = (u.as_ptr(), w.as_ptr(), null_mut());
        let status = blo_inner_batch_f64(work, [0].as_ptr(), 1, up, 2, wp, 3, &mut value, no);
        assert_eq!(status, BLO_ERR_UNSUPPORTED);
        blo_workspace_destroy_f64(&mut work);
        blo_problem_destroy_f64(&mut problem);
    }
}

#[test]
fn projections_by_turns() {
    // w_1 = 1 and w_1 + w_2 = 3 in three dimensions: from (0, 0, 5) the common solutions' nearest is (1, 2, 5). A stride of 4.
    let x = [1.0, 0.0, 0.0, 9.0, 1.0, 1.0, 0.0];
    let (y, start) = ([1.0, 3.0], [0.0, 0.0, 5.0]);
    let (mut cycle, mut w, mut solved) = (null_mut(), [0.0; 3], 0);
    // SAFETY: living handles and arrays of these sizes.
    unsafe {
        let (xp, yp, from) = (x.as_ptr(), y.as_ptr(), start.as_ptr());
        good(blo_cycle_create_f64(2, 3, xp, 4, yp, from, BLO_PROJECTION_FULL_WARM, 0.0, 0, &mut cycle));
        good(blo_cycle_step_f64(cycle, 1, w.as_mut_ptr(), 3, &mut solved));
        assert_eq!((w, solved), ([1.0, 0.0, 5.0], 1));
        good(blo_cycle_step_f64(cycle, 1, w.as_mut_ptr(), 3, &mut solved));
        assert_eq!((w, solved), ([2.0, 1.0, 5.0], 2));
        good(blo_cycle_step_f64(cycle, 100, w.as_mut_ptr(), 3, null_mut()));
        close(&w, &[1.0, 2.0, 5.0]);
        blo_cycle_destroy_f64(&mut cycle);
        // A cold start forgets all but the last row; one step of size 1/4 goes a quarter of the first way.
        good(blo_cycle_create_f64(2, 3, xp, 4, yp, from, BLO_PROJECTION_COLD, 0.0, 0, &mut cycle));
        good(blo_cycle_step_f64(cycle, 2, w.as_mut_ptr(), 3, null_mut()));
        assert_eq!(w, [1.5, 1.5, 5.0]);
        blo_cycle_destroy_f64(&mut cycle);
        good(blo_cycle_create_f64(2, 3, xp, 4, yp, from, BLO_PROJECTION_PARTIAL_WARM, 0.25, 1, &mut cycle));
        good(blo_cycle_step_f64(cycle, 1, w.as_mut_ptr(), 3, null_mut()));
        close(&w, &[0.25, 0.0, 5.0]);
        blo_cycle_destroy_f64(&mut cycle);
        let status = blo_cycle_create_f64(2, 3, xp, 4, yp, from, BLO_PROJECTION_PARTIAL_WARM, 1.0, 1, &mut cycle);
        assert!(status == BLO_ERR_INVALID && message().starts_with("alpha"), "{}", message());
        let status = blo_cycle_create_f64(2, 3, xp, 4, yp, from, 3, 1.0, 1, &mut cycle);
        assert!(status == BLO_ERR_INVALID && cycle.is_null());
    }
}

#[test]
fn in_single_precision() {
    let (x, y, start) = ([3.0_f32, 4.0], [5.0_f32], [0.0_f32, 0.0]);
    let (mut cycle, mut method, mut w) = (null_mut(), null_mut(), [0.0_f32; 2]);
    // SAFETY: living handles and arrays of these sizes.
    unsafe {
        let (xp, yp, from) = (x.as_ptr(), y.as_ptr(), start.as_ptr());
        good(blo_cycle_create_f32(1, 2, xp, 0, yp, from, BLO_PROJECTION_COLD, 0.0, 0, &mut cycle));
        good(blo_cycle_step_f32(cycle, 1, w.as_mut_ptr(), 2, null_mut()));
        assert!((w[0] - 0.6).abs() < 1e-6 && (w[1] - 0.8).abs() < 1e-6, "{w:?}");
        blo_cycle_destroy_f32(&mut cycle);
        good(blo_lbfgsb_create_f32(from, 2, null(), null(), 5, 0.0, &mut method));
        let mut next = 0;
        while next == BLO_NEXT_EVALUATE {
            good(blo_lbfgsb_trial_f32(method, w.as_mut_ptr(), 2));
            let g = [w[0] - 0.5, 2.0 * (w[1] + 0.25)];
            let f = 0.5 * f64::from(g[0]).powi(2) + 0.25 * f64::from(g[1]).powi(2);
            good(blo_lbfgsb_tell_f32(method, f, g.as_ptr(), 2, &mut next));
        }
        good(blo_lbfgsb_state_f32(method, w.as_mut_ptr(), 2, null_mut()));
        assert!((w[0] - 0.5).abs() < 1e-6 && (w[1] + 0.25).abs() < 1e-6, "{w:?}");
        blo_lbfgsb_destroy_f32(&mut method);
    }
}
