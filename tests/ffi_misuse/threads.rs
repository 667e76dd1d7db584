//! One handle from two threads, and from its own callbacks.

use crate::support::*;
use blo::ffi::*;
use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::sync::Barrier;
use std::thread;

struct Meeting {
    entered: Barrier,
    left: Barrier,
}

unsafe extern "C" fn waits(_: *const ProgressInfo<f64>, data: *mut c_void) -> i32 {
    // SAFETY: the meeting outlives the run.
    let meeting = unsafe { &*data.cast::<Meeting>() };
    meeting.entered.wait();
    meeting.left.wait();
    1
}

#[derive(Clone, Copy)]
struct Shared(*mut Runner<f64>, *mut c_void);
// SAFETY: what is shared is what the library says may be.
unsafe impl Send for Shared {}

#[test]
fn a_second_thread_is_refused() {
    let (problem, mut runner) = (Handle::quadratic(), null_mut());
    // SAFETY: living handles and arrays of their sizes.
    unsafe {
        let (u, w) = (U.as_ptr(), W.as_ptr());
        let status = blo_runner_create_f64(problem.0, &run_options(), null(), u, 2, w, 2, &mut runner);
        assert_eq!(status, BLO_OK, "{}", message());
        let meeting = Meeting { entered: Barrier::new(2), left: Barrier::new(2) };
        let shared = Shared(runner, (&raw const meeting).cast_mut().cast());
        thread::scope(|scope| {
            let other = scope.spawn(move || {
                let Shared(runner, data) = { shared };
                let mut info = outcome();
                blo_runner_run_f64(runner, Some(waits), data, 0, null_mut(), 0, &mut info)
            });
            meeting.entered.wait();
            let mut steps = 0;
            let status = blo_runner_state_f64(runner, null_mut(), 2, null_mut(), 2, &mut steps);
            refused(status, BLO_ERR_BUSY, "runner", &["another call"]);
            meeting.left.wait();
            assert_eq!(other.join().unwrap(), BLO_OK);
            assert_eq!(blo_runner_state_f64(runner, null_mut(), 2, null_mut(), 2, &mut steps), BLO_OK);
        });
        blo_runner_destroy_f64(&mut runner);
    }
}

struct Inside {
    runner: *mut Runner<f64>,
    problem: *mut Problem<f64>,
    status: Status,
}

unsafe extern "C" fn destroys(_: *const ProgressInfo<f64>, data: *mut c_void) -> i32 {
    // SAFETY: as above.
    unsafe {
        let inside = &mut *data.cast::<Inside>();
        let (u, w) = (null_mut(), null_mut());
        if inside.runner.is_null() {
            return 0;
        }
        inside.status = blo_runner_state_f64(inside.runner, u, 2, w, 2, null_mut());
        blo_runner_destroy_f64(&mut inside.runner);
        blo_problem_destroy_f64(&mut inside.problem);
    }
    0
}

#[test]
fn a_callback_may_not_enter_but_may_destroy() {
    let (status, problem) = Terms::sound().create();
    assert_eq!(status, BLO_OK);
    let mut inside = Inside { runner: null_mut(), problem, status: BLO_OK };
    let mut info = outcome();
    // SAFETY: living handles and arrays of their sizes.
    unsafe {
        let (u, w) = (U.as_ptr(), W.as_ptr());
        let status = blo_runner_create_f64(problem, &run_options(), null(), u, 2, w, 2, &mut inside.runner);
        assert_eq!(status, BLO_OK, "{}", message());
        let (runner, data) = (inside.runner, (&raw mut inside).cast());
        // It runs to its end, and is freed there.
        let status = blo_runner_run_f64(runner, Some(destroys), data, 0, null_mut(), 0, &mut info);
        assert_eq!((status, inside.status, info.steps), (BLO_OK, BLO_ERR_BUSY, 3));
        assert!(inside.runner.is_null() && inside.problem.is_null());
    }
}

#[test]
fn handles_may_be_destroyed_in_any_order() {
    let problem = Handle::quadratic();
    let work = Work::of(&problem);
    drop(problem);
    let mut g = [0.0; 2];
    // SAFETY: the workspace keeps the problem alive.
    let status = unsafe {
        let (u, w) = (U.as_ptr(), W.as_ptr());
        blo_hypergradient_f64(work.0, null(), u, 2, w, 2, g.as_mut_ptr(), null_mut(), null_mut())
    };
    assert_eq!(status, BLO_OK);
    assert!((g[0] + 2.0).abs() < 1e-14 && (g[1] + 3.0).abs() < 1e-14, "{g:?}");
}
