//! Runners that are stepped from outside.

use super::args::{not_null, read_into, same_dimension, write_array, write_optional};
use super::guard::{Done, guard};
use super::handle::enter;
use super::report::{ReportInfo, ReportPlace};
use super::runner::{Runner, Running};
use super::status::Status;
use crate::hypergradient::Evaluation;
use crate::{Result, Scalar};

/// One outer step: look ahead, hypergradient, u, w.
///
/// - runner [in]: the runner
/// - hypergradient [out, n_outer]: that of the step; may be NULL
/// - report [out]: of its solve; may be NULL; struct_size to be set
/// - diverged [out]: 1 if something overflowed or grew without bound, so that u stayed and nothing else is written; else 0
///
/// The number of steps and the tolerance of the options are not looked at. Errors: as blo_runner_run_f64. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_runner_step_f64(
    runner: *mut Runner<f64>,
    hypergradient: *mut f64,
    report: *mut ReportInfo,
    diverged: *mut i32,
) -> Status {
    // SAFETY: the caller vouches for a living handle, an array of the problem's size, and a struct of the size in its first
    // field.
    guard(|| unsafe { run_step(runner, hypergradient, report, diverged) })
}

pub(super) unsafe fn run_step<T: Scalar>(
    runner: *mut Runner<T>,
    hypergradient: *mut T,
    report: *mut ReportInfo,
    diverged: *mut i32,
) -> Done {
    // SAFETY: as the caller vouches.
    let (mut own, report) = unsafe { (enter("runner", runner)?, ReportPlace::new(report)?) };
    not_null("diverged", diverged)?;
    let evaluation = own.run.outer_step()?;
    // SAFETY: as the caller vouches.
    unsafe { tell(&own, evaluation, hypergradient, &report, diverged) };
    Ok(())
}

/// # Safety
///
/// The places are null or writable, and `diverged` is not null.
unsafe fn tell<T: Scalar>(
    own: &Running<T>,
    evaluation: Option<Evaluation>,
    hypergradient: *mut T,
    report: &ReportPlace,
    diverged: *mut i32,
) {
    // SAFETY: as the caller vouches.
    unsafe {
        write_array(diverged, &[i32::from(evaluation.is_none())]);
        if let Some(evaluation) = evaluation {
            write_optional(hypergradient, own.run.hypergradient());
            report.write(&evaluation.report, evaluation.outer_loss);
        }
    }
}

/// The first half of an outer step: the look-ahead, which is the inner solve, and the hypergradient at its end. u stays.
///
/// - runner [in]: the runner
/// - hypergradient [out, n_outer]: at u; may be NULL
/// - report [out]: of its solve; may be NULL; struct_size to be set
/// - diverged [out]: 1 if something overflowed or grew without bound, so that there is nothing to end and nothing else is
///   written; else 0
///
/// Errors: as blo_runner_run_f64. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_runner_begin_step_f64(
    runner: *mut Runner<f64>,
    hypergradient: *mut f64,
    report: *mut ReportInfo,
    diverged: *mut i32,
) -> Status {
    // SAFETY: the caller vouches for a living handle, an array of the problem's size, and a struct of the size in its first
    // field.
    guard(|| unsafe { begin_step(runner, hypergradient, report, diverged) })
}

pub(super) unsafe fn begin_step<T: Scalar>(
    runner: *mut Runner<T>,
    hypergradient: *mut T,
    report: *mut ReportInfo,
    diverged: *mut i32,
) -> Done {
    // SAFETY: as the caller vouches.
    let (mut own, report) = unsafe { (enter("runner", runner)?, ReportPlace::new(report)?) };
    not_null("diverged", diverged)?;
    let evaluation = own.run.begin_step()?;
    // SAFETY: as the caller vouches.
    unsafe { tell(&own, evaluation, hypergradient, &report, diverged) };
    Ok(())
}

/// The second half of an outer step: u moves by the outer rule, and w after it.
///
/// - runner [in]: the runner, for which blo_runner_begin_step_f64 was the last call, but for those that only look
/// - hypergradient [in, n_outer], n_outer [in]: what u moves along, such as the hypergradient clipped; NULL: the hypergradient
///   itself. And the problem's size
/// - diverged [out]: 1 if something overflowed or grew without bound, so that u stayed; else 0
///
/// Begun and ended without a change a step has the bits of blo_runner_step_f64.
///
/// Errors: BLO_ERR_INVALID if no step has begun; BLO_ERR_SHAPE and BLO_ERR_NON_FINITE for hypergradient, after which the step
/// may still be ended; as blo_runner_run_f64. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_runner_end_step_f64(
    runner: *mut Runner<f64>,
    hypergradient: *const f64,
    n_outer: i64,
    diverged: *mut i32,
) -> Status {
    // SAFETY: the caller vouches for a living handle and an array of this size.
    guard(|| unsafe { end_step(runner, (hypergradient, n_outer), diverged) })
}

pub(super) unsafe fn end_step<T: Scalar>(
    runner: *mut Runner<T>,
    (hypergradient, n_outer): (*const T, i64),
    diverged: *mut i32,
) -> Done {
    // SAFETY: as the caller vouches.
    let mut own = unsafe { enter("runner", runner) }?;
    let Running { run, given_u, .. } = &mut *own;
    same_dimension("n_outer", n_outer, given_u.len())?;
    not_null("diverged", diverged)?;
    // SAFETY: as the caller vouches; the size is the problem's.
    let given = unsafe { read_optional(hypergradient, given_u) }?;
    let ended = run.end_step(given)?;
    // SAFETY: as the caller vouches.
    unsafe { write_array(diverged, &[i32::from(!ended)]) };
    Ok(())
}

/// Puts u, w or both elsewhere, between steps. The rules' buffers stay, and so does where a cold start begins its inner solves;
/// L-BFGS-B begins a new search at u.
///
/// - runner [in]: the runner
/// - u [in, n_outer], n_outer [in]: the outer parameters, and their number, the problem's; u may be NULL: it stays
/// - w [in, n_inner], n_inner [in]: the inner parameters, and their number, the problem's; w may be NULL: it stays
///
/// Allocates with BLO_METHOD_LBFGSB only.
///
/// Errors, after which nothing has moved: BLO_ERR_NULL; BLO_ERR_SHAPE; BLO_ERR_NON_FINITE; BLO_ERR_INVALID for a u out of its
/// bounds; BLO_ERR_BUSY. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_runner_set_f64(
    runner: *mut Runner<f64>,
    u: *const f64,
    n_outer: i64,
    w: *const f64,
    n_inner: i64,
) -> Status {
    // SAFETY: the caller vouches for a living handle and arrays of these sizes.
    guard(|| unsafe { runner_set(runner, (u, n_outer), (w, n_inner)) })
}

pub(super) unsafe fn runner_set<T: Scalar>(
    runner: *mut Runner<T>,
    (u, n_outer): (*const T, i64),
    (w, n_inner): (*const T, i64),
) -> Done {
    // SAFETY: as the caller vouches.
    let mut own = unsafe { enter("runner", runner) }?;
    let Running { run, given_u, given_w, .. } = &mut *own;
    same_dimension("n_outer", n_outer, given_u.len())?;
    same_dimension("n_inner", n_inner, given_w.len())?;
    // SAFETY: as the caller vouches; the sizes are the problem's.
    let (u, w) = unsafe { (read_optional(u, given_u)?, read_optional(w, given_w)?) };
    Ok(run.set(u, w)?)
}

/// Copies an array, if there is one.
///
/// # Safety
///
/// `pointer` is null or points to `to.len()` readable numbers, outside of `to`.
unsafe fn read_optional<T: Scalar>(pointer: *const T, to: &mut [T]) -> Result<Option<&[T]>> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: as the caller vouches.
    unsafe { read_into("array", pointer, to) }?;
    Ok(Some(to))
}
