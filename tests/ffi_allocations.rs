//! The C interface allocates nothing per step.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/counting.rs"]
mod counting;

use blo::ffi::*;
use counting::counted;
use std::ffi::c_void;
use std::ptr::{null, null_mut};

unsafe extern "C" fn twice(n: i64, v: *const f64, out: *mut f64, _: *mut c_void) -> i32 {
    for i in 0..n as usize {
        // SAFETY: both have n elements.
        unsafe { out.add(i).write((2 + i) as f64 * *v.add(i)) };
    }
    0
}

/// |x|^2 of three elements.
unsafe fn out_norm(x: *const f64) -> f64 {
    // SAFETY: as the caller vouches.
    unsafe { std::slice::from_raw_parts(x, 3) }.iter().map(|x| x * x).sum()
}

#[test]
fn nothing_per_step() {
    let a = [2.0, 0.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0, 0.0];
    let b = [1.0, 2.0, 3.0, 4.0, 0.0, 0.0];
    let (u, w) = ([0.5, -1.0], [2.0, 4.0, 1.0]);
    let (up, wp, mut out) = (u.as_ptr(), w.as_ptr(), [0.0; 3]);
    let o = out.as_mut_ptr();
    // SAFETY: whole structs, living handles and arrays of their sizes.
    unsafe {
        let mut terms: Quadratics<f64> = std::mem::zeroed();
        terms.struct_size = size_of::<Quadratics<f64>>() as u32;
        (terms.n_outer, terms.n_inner, terms.a, terms.b, terms.p) = (2, 3, a.as_ptr(), b.as_ptr(), a.as_ptr());
        let mut problem = null_mut();
        assert_eq!(blo_problem_create_quadratic_f64(&terms, &mut problem), BLO_OK);
        let (mut work, mut bytes) = (null_mut(), 0);
        assert_eq!(blo_workspace_create_f64(problem, &mut work), BLO_OK);
        assert_eq!(blo_workspace_reserve_f64(work, null(), &mut bytes), BLO_OK);
        assert!(bytes > 100);
        let evaluations = || {
            assert_eq!(blo_hypergradient_f64(work, null(), up, 2, wp, 3, o, null_mut(), null_mut()), BLO_OK);
            assert_eq!(blo_inner_f64(work, up, 2, wp, 3, null_mut(), o), BLO_OK);
            assert_eq!(blo_outer_f64(work, up, 2, wp, 3, null_mut(), null_mut(), o), BLO_OK);
            assert_eq!(blo_linearize_f64(work, up, 2, wp, 3), BLO_OK);
            assert_eq!(blo_hvp_f64(work, wp, 3, o), BLO_OK);
            assert_eq!(blo_mixed_vjp_f64(work, wp, 3, o), BLO_OK);
            assert_eq!(blo_response_vjp_f64(work, null(), up, 2, wp, 3, wp, o, null_mut()), BLO_OK);
        };
        assert_eq!(counted(evaluations), 0);

        let mut options: RunOptions = std::mem::zeroed();
        assert_eq!(blo_run_options_init(&mut options, size_of::<RunOptions>()), BLO_OK);
        (options.inner, options.inner_steps) = (BLO_INNER_OPTIMIZER, 5);
        let mut runner = null_mut();
        assert_eq!(blo_runner_create_f64(problem, &options, null(), up, 2, wp, 3, &mut runner), BLO_OK);
        assert_eq!(blo_runner_reserve_f64(runner, &mut bytes), BLO_OK);
        let mut diverged = 0;
        let steps = || {
            for _ in 0..3 {
                assert_eq!(blo_runner_step_f64(runner, o, null_mut(), &mut diverged), BLO_OK);
                assert_eq!(blo_runner_state_f64(runner, null_mut(), 2, o, 3, null_mut()), BLO_OK);
                assert_eq!(blo_runner_begin_step_f64(runner, o, null_mut(), &mut diverged), BLO_OK);
                assert_eq!(blo_runner_end_step_f64(runner, up, 2, &mut diverged), BLO_OK);
                assert_eq!(blo_runner_set_f64(runner, up, 2, wp, 3), BLO_OK);
            }
        };
        assert_eq!(counted(steps), 0);

        let (mut solver, mut optimizer) = (null_mut(), null_mut());
        assert_eq!(blo_solver_create_f64(3, null(), &mut solver), BLO_OK);
        let solve = || {
            assert_eq!(blo_solver_solve_f64(solver, Some(twice), null_mut(), wp, 3, o, null_mut()), BLO_OK);
        };
        solve();
        assert_eq!(counted(solve), 0);
        let mut qs = [0.0; 6];
        let (bs, to) = ([1.0; 6], qs.as_mut_ptr());
        let many = || {
            let no = null_mut();
            assert_eq!(blo_solver_solve_many_f64(solver, Some(twice), no, 2, bs.as_ptr(), 3, to, null_mut()), BLO_OK);
            let epsilons = bs.as_ptr();
            let status = blo_solver_shifted_cg_f64(solver, Some(twice), no, 2, epsilons, 0.0, 9, wp, 3, to, null_mut());
            assert_eq!(status, BLO_OK);
        };
        many();
        assert_eq!(counted(many), 0);
        let (mut lbfgsb, mut cycle) = (null_mut(), null_mut());
        assert_eq!(blo_lbfgsb_create_f64(wp, 3, null(), null(), 4, 0.0, &mut lbfgsb), BLO_OK);
        assert_eq!(blo_cycle_create_f64(1, 3, wp, 0, up, wp, BLO_PROJECTION_FULL_WARM, 0.0, 0, &mut cycle), BLO_OK);
        let others = || {
            assert_eq!(blo_lbfgsb_trial_f64(lbfgsb, o, 3), BLO_OK);
            let (f, g) = (0.5 * out_norm(o), o.cast_const());
            assert_eq!(blo_lbfgsb_tell_f64(lbfgsb, f, g, 3, &mut 0), BLO_OK);
            assert_eq!(blo_lbfgsb_state_f64(lbfgsb, o, 3, null_mut()), BLO_OK);
            assert_eq!(blo_cycle_step_f64(cycle, 3, o, 3, null_mut()), BLO_OK);
        };
        assert_eq!(counted(others), 0);
        blo_lbfgsb_destroy_f64(&mut lbfgsb);
        blo_cycle_destroy_f64(&mut cycle);
        let mut rule: RuleOptions = std::mem::zeroed();
        assert_eq!(blo_rule_init(&mut rule), BLO_OK);
        assert_eq!(blo_optimizer_create_f64(&rule, 3, &mut optimizer), BLO_OK);
        assert_eq!(counted(|| assert_eq!(blo_optimizer_step_f64(optimizer, wp, o, 3), BLO_OK)), 0);
        blo_optimizer_destroy_f64(&mut optimizer);
        blo_solver_destroy_f64(&mut solver);
        blo_runner_destroy_f64(&mut runner);
        blo_workspace_destroy_f64(&mut work);
        blo_problem_destroy_f64(&mut problem);
    }
}
