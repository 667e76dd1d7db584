//! Wrong pointers, sizes and values in calls.

use crate::support::*;
use blo::bilevel::TraceRow;
use blo::ffi::*;
use std::ptr::{null, null_mut};

#[test]
fn hypergradient_arguments() {
    let problem = Handle::quadratic();
    let work = Work::of(&problem);
    let mut out = [7.0; 2];
    let (u, w, out) = (U.as_ptr(), W.as_ptr(), out.as_mut_ptr());
    let call = |work, u, m, w, n, out| {
        // SAFETY: pointers are null or to two elements, and sizes are checked before anything is read.
        unsafe { blo_hypergradient_f64(work, null(), u, m, w, n, out, null_mut(), null_mut()) }
    };
    let handle = work.0;
    assert_eq!(call(handle, u, 2, w, 2, out), BLO_OK);
    refused(call(null_mut(), u, 2, w, 2, out), BLO_ERR_NULL, "workspace", &["null"]);
    // A handle of another type.
    refused(call(problem.0.cast(), u, 2, w, 2, out), BLO_ERR_INVALID, "workspace", &["another type"]);
    refused(call(handle, null(), 2, w, 2, out), BLO_ERR_NULL, "u", &["null"]);
    refused(call(handle, u, 2, null(), 2, out), BLO_ERR_NULL, "w", &["null"]);
    refused(call(handle, u, 2, w, 2, null_mut()), BLO_ERR_NULL, "hypergradient", &["null"]);
    for bad in [-1, 0, i64::MIN] {
        refused(call(handle, u, bad, w, 2, out), BLO_ERR_INVALID, "n_outer", &[&bad.to_string()]);
        refused(call(handle, u, 2, w, bad, out), BLO_ERR_INVALID, "n_inner", &[&bad.to_string()]);
    }
    for bad in [1, 3, 1 << 40] {
        refused(call(handle, u, bad, w, 2, out), BLO_ERR_SHAPE, "n_outer", &[&bad.to_string(), "2"]);
        refused(call(handle, u, 2, w, bad, out), BLO_ERR_SHAPE, "n_inner", &[&bad.to_string(), "2"]);
    }
    for bad in NOT_FINITE {
        let parts = [&*format!("found {bad} at index 1")];
        refused(call(handle, [0.0, bad].as_ptr(), 2, w, 2, out), BLO_ERR_NON_FINITE, "u", &parts);
        refused(call(handle, u, 2, [0.0, bad].as_ptr(), 2, out), BLO_ERR_NON_FINITE, "w", &parts);
    }
    // A point so far away that the result overflows.
    refused(call(handle, u, 2, [1e308; 2].as_ptr(), 2, out), BLO_ERR_NON_FINITE, "", &["inf"]);
}

#[test]
fn reports_of_all_sizes() {
    let problem = Handle::quadratic();
    let work = Work::of(&problem);
    let mut out = [0.0; 2];
    let mut call = |report: *mut ReportInfo| {
        // SAFETY: arrays of two elements, and a struct of at least the size that it states.
        unsafe {
            blo_hypergradient_f64(work.0, null(), U.as_ptr(), 2, W.as_ptr(), 2, out.as_mut_ptr(), null_mut(), report)
        }
    };
    // A caller with a newer header has more room than the library fills.
    let mut room = [0x55_u64; 16];
    let report: *mut ReportInfo = room.as_mut_ptr().cast();
    let own = size_of::<ReportInfo>();
    for size in [0, 8, own as u32 - 1] {
        room[0] = u64::from(size);
        refused(call(report), BLO_ERR_STRUCT_SIZE, "report", &[&size.to_string(), &own.to_string()]);
        assert!(room[1..].iter().all(|&word| word == 0x55), "written after an error");
    }
    room[0] = u64::from(u32::MAX);
    refused(call(report), BLO_ERR_INVALID, "report", &[&u32::MAX.to_string()]);
    room[0] = own as u64 + 16;
    assert_eq!(call(report), BLO_OK);
    assert_eq!(room[0], own as u64 + 16);
    assert_eq!(room[own / 8..own / 8 + 2], [0, 0]);
    assert!(room[own / 8 + 2..].iter().all(|&word| word == 0x55), "written past the declared size");
    // SAFETY: the library has just filled it.
    assert_eq!(unsafe { (*report).ending }, BLO_ENDING_CONVERGED);
}

#[test]
fn run_arguments() {
    let problem = Handle::quadratic();
    let options = run_options();
    let mut runner = null_mut();
    // SAFETY: pointers are null or to two elements, and sizes are checked before anything is read.
    let mut create = |problem: *const Problem<f64>, u: *const f64, m, w: *const f64, n| unsafe {
        blo_runner_destroy_f64(&mut runner);
        let status = blo_runner_create_f64(problem, &options, null(), u, m, w, n, &mut runner);
        (status, runner)
    };
    let (u, w, handle): (_, _, *const Problem<f64>) = (U.as_ptr(), W.as_ptr(), problem.0);
    refused(create(null(), u, 2, w, 2).0, BLO_ERR_NULL, "problem", &["null"]);
    refused(create(handle, null(), 2, w, 2).0, BLO_ERR_NULL, "u", &["null"]);
    refused(create(handle, u, 2, null(), 2).0, BLO_ERR_NULL, "w", &["null"]);
    refused(create(handle, u, -1, w, 2).0, BLO_ERR_INVALID, "n_outer", &["-1"]);
    refused(create(handle, u, 2, w, -1).0, BLO_ERR_INVALID, "n_inner", &["-1"]);
    refused(create(handle, u, 3, w, 2).0, BLO_ERR_SHAPE, "n_outer", &["3", "2"]);
    refused(create(handle, u, 2, w, i64::MAX).0, BLO_ERR_INVALID, "n_inner", &["at most"]);
    for bad in NOT_FINITE {
        let parts = [&*format!("found {bad} at index 0")];
        let spoilt = [bad, 0.0];
        refused(create(handle, spoilt.as_ptr(), 2, w, 2).0, BLO_ERR_NON_FINITE, "u", &parts);
        refused(create(handle, u, 2, spoilt.as_ptr(), 2).0, BLO_ERR_NON_FINITE, "w", &parts);
    }
    let mut fresh = || create(handle, u, 2, w, 2).1;
    let mut info = outcome();
    let mut rows = [TraceRow::default(); 9];
    // SAFETY: a living handle, and as many rows as stated.
    let call = |runner, trace, capacity, info: *mut OutcomeInfo| unsafe {
        blo_runner_run_f64(runner, None, null_mut(), 1, trace, capacity, info)
    };
    let (info, trace) = (&raw mut info, rows.as_mut_ptr());
    refused(call(null_mut(), trace, 2, info), BLO_ERR_NULL, "runner", &["null"]);
    refused(call(fresh(), null_mut(), 2, info), BLO_ERR_NULL, "trace", &["null"]);
    refused(call(fresh(), trace, 2, null_mut()), BLO_ERR_NULL, "outcome", &["null"]);
    refused(call(fresh(), trace, -2, info), BLO_ERR_INVALID, "capacity", &["-2"]);
    refused(call(fresh(), trace, i64::MAX, info), BLO_ERR_INVALID, "capacity", &["memory"]);
    let askew = trace.cast::<u8>().wrapping_add(1).cast();
    refused(call(fresh(), askew, 1, info), BLO_ERR_INVALID, "trace", &["multiple of 8"]);
    for size in [0, size_of::<OutcomeInfo>() as u32 - 1] {
        let mut short = OutcomeInfo { struct_size: size, ..outcome() };
        refused(call(fresh(), trace, 2, &mut short), BLO_ERR_STRUCT_SIZE, "outcome", &[&size.to_string()]);
    }
    // SAFETY: a living handle, and no trace.
    let status = unsafe { blo_runner_run_f64(fresh(), None, null_mut(), -1, null_mut(), 0, info) };
    refused(status, BLO_ERR_INVALID, "trace_every", &["found -1"]);
    assert_eq!(call(fresh(), trace, 2, info), BLO_OK);
    // SAFETY: the library has just filled it.
    assert_eq!(unsafe { ((*info).steps, (*info).trace_rows, (*trace.add(1)).step) }, (3, 2, 1));
    // With room for more than there are.
    rows.fill(TraceRow::default());
    assert_eq!(call(fresh(), rows.as_mut_ptr(), 9, info), BLO_OK);
    // SAFETY: the library has just filled it.
    assert_eq!(unsafe { ((*info).steps, (*info).trace_rows) }, (3, 4));
    assert_eq!(rows.map(|row| row.step), [0, 1, 2, 3, 0, 0, 0, 0, 0]);
    // SAFETY: a living handle.
    unsafe { blo_runner_destroy_f64(&mut runner) };
}
