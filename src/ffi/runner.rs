//! Cold- and warm-start loops: whole with a monitor, or a step at a time; saved and resumed.

use super::args::{Growing, declared_size, read_array, read_path, same_dimension};
use super::args::{count, write_optional, write_struct};
use super::estimator::{EstimatorOptions, read_estimator};
use super::family::Family;
use super::guard::{Done, guard};
use super::handle::{self, Opaque, create, enter, share};
use super::problem::Problem;
use super::run_options::{RunOptions, read_options};
use super::status::Status;
use crate::bilevel::{Outcome, Progress, Runner as Loop, TraceRow};
use crate::error::invalid;
use crate::problem::Problem as _;
use crate::solve::Space;
use crate::{Error, Result, Scalar};
use std::ffi::{c_char, c_double, c_void};
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::slice;
use std::sync::Arc;

/// ending: the outer tolerance was reached.
pub const BLO_RUN_CONVERGED: i32 = 0;
/// ending: all outer steps were made.
pub const BLO_RUN_STEP_LIMIT: i32 = 1;
/// ending: the monitor stopped the run.
pub const BLO_RUN_STOPPED: i32 = 2;
/// ending: the inner gradient grew a millionfold or overflowed: is inner_alpha too large? u and w are the last
/// sound ones.
pub const BLO_RUN_INNER_DIVERGED: i32 = 3;
/// ending: u or the hypergradient overflowed: is outer_step too large? u and w are the last sound ones.
pub const BLO_RUN_OUTER_DIVERGED: i32 = 4;

/// ending: L-BFGS-B finds no lower F: F is at its rounding floor, or the hypergradient is not F's gradient. u and w are
/// those of the last accepted point.
pub const BLO_RUN_STALLED: i32 = 5;

/// How a run went. Set struct_size before the call; nothing is written past it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutcomeInfo {
    /// The size of this struct.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// One of BLO_RUN_.
    pub ending: i32,
    /// 0.
    pub reserved1: i32,
    /// Outer steps made, those before a resume included.
    pub steps: i64,
    /// Inner gradient steps made.
    pub inner_steps: i64,
    /// Products with H spent on hypergradients.
    pub products: i64,
    /// Hypergradients whose solve ended otherwise than BLO_ENDING_COMPLETED or BLO_ENDING_CONVERGED.
    pub doubtful_solves: i64,
    /// Trace rows written.
    pub trace_rows: i64,
    /// F at the last hypergradient.
    pub outer_loss: f64,
    /// The norm of the last hypergradient.
    pub norm_hypergradient: f64,
}

// SAFETY: two u32, then integers and doubles without padding, as the assertion below shows.
unsafe impl Growing for OutcomeInfo {
    const FIRST_SIZE: usize = 72;
}

const _: () = assert!(size_of::<OutcomeInfo>() == OutcomeInfo::FIRST_SIZE);

impl From<&Outcome> for OutcomeInfo {
    fn from(outcome: &Outcome) -> OutcomeInfo {
        OutcomeInfo {
            struct_size: OutcomeInfo::FIRST_SIZE as u32,
            reserved: 0,
            ending: outcome.ending.number(),
            reserved1: 0,
            steps: outcome.steps as i64,
            inner_steps: outcome.inner_steps as i64,
            products: outcome.products as i64,
            doubtful_solves: outcome.doubtful_solves as i64,
            trace_rows: outcome.trace_rows as i64,
            outer_loss: outcome.outer_loss,
            norm_hypergradient: outcome.norm_hypergradient,
        }
    }
}

/// What a monitor sees after each hypergradient, before u moves. Valid until the monitor returns.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ProgressInfo<T> {
    /// The size of this struct in the library.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// The outer steps made before.
    pub step: i64,
    /// The length of u and of hypergradient.
    pub n_outer: i64,
    /// The length of w.
    pub n_inner: i64,
    /// F(u, w).
    pub outer_loss: f64,
    /// |hypergradient|.
    pub norm_hypergradient: f64,
    /// u.
    pub u: *const T,
    /// The w at which the hypergradient was taken.
    pub w: *const T,
    /// dF/du, as estimated.
    pub hypergradient: *const T,
}

/// Looks on at a run. Returns 0 to go on, another number to stop the run, which then succeeds with BLO_RUN_STOPPED.
/// Called on the thread that called the library. It must return: no C++ exception and no longjmp may leave it. It
/// may call this library, but not with the runner.
pub type MonitorFn<T> = Option<unsafe extern "C" fn(progress: *const ProgressInfo<T>, user_data: *mut c_void) -> i32>;

/// A bilevel loop with its state: u, w, optimizers' buffers, and all scratch. It grows at the first step, or with
/// blo_runner_reserve; after that no step allocates.
///
/// One call at a time may use it (BLO_ERR_BUSY otherwise); different runners are independent, of one problem too.
pub struct Runner<T>(PhantomData<T>);

/// What a runner owns.
pub(super) struct Running<T: Scalar> {
    problem: Arc<Family<T>>,
    pub(super) run: Loop<T, Arc<Family<T>>>,
    /// What the caller gives to put in their places.
    pub(super) given_u: Vec<T>,
    pub(super) given_w: Vec<T>,
}

impl<T: Scalar> Running<T> {
    fn new(problem: Arc<Family<T>>, run: Loop<T, Arc<Family<T>>>) -> Running<T> {
        let given_u = Space::<T>::zeros(problem.outer_space());
        let given_w = Space::<T>::zeros(problem.inner_space());
        Running { problem, run, given_u, given_w }
    }
}

impl<T: Scalar> Opaque for Runner<T> {
    type Value = Running<T>;
    const TAG: u64 = 0xb10_0050 + size_of::<T>() as u64;
}

/// Makes a loop: solve the inner problem for w, take the hypergradient at (u, w), move u, and again.
///
/// - problem [in]: the problem; its handle may be destroyed before the runner
/// - options [in]: what the run does; NULL for the defaults
/// - estimator [in]: how hypergradients are approximated; NULL for the defaults. With BLO_ESTIMATOR_UNROLLED and
///   BLO_INNER_OPTIMIZER the inner steps are those that are differentiated: steps and rule are inner_steps and
///   inner_rule, and inner_tolerance is 0
/// - u [in, n_outer], n_outer [in]: where u starts, and its length, the problem's
/// - w [in, n_inner], n_inner [in]: where w starts, and every inner solve of a cold start, and its length
/// - runner [out]: the handle, NULL after an error; end it with blo_runner_destroy_f64
///
/// Errors: BLO_ERR_NULL; BLO_ERR_SHAPE; BLO_ERR_NON_FINITE; BLO_ERR_INVALID for fields of options and estimator, and a u
/// out of its bounds; BLO_ERR_UNSUPPORTED for options that do not go together; BLO_ERR_STRUCT_SIZE. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_runner_create_f64(
    problem: *const Problem<f64>,
    options: *const RunOptions,
    estimator: *const EstimatorOptions,
    u: *const f64,
    n_outer: i64,
    w: *const f64,
    n_inner: i64,
    runner: *mut *mut Runner<f64>,
) -> Status {
    // SAFETY: the caller vouches for a living handle, structs of the sizes in their first fields, arrays of these sizes, and
    // the place of the handle.
    guard(|| unsafe { create_runner(problem, options, estimator, (u, n_outer), (w, n_inner), runner) })
}

pub(super) unsafe fn create_runner<T: Scalar>(
    problem: *const Problem<T>,
    options: *const RunOptions,
    estimator: *const EstimatorOptions,
    (u, n_outer): (*const T, i64),
    (w, n_inner): (*const T, i64),
    runner: *mut *mut Runner<T>,
) -> Done {
    // SAFETY: as the caller vouches.
    let body = || unsafe {
        let problem = share("problem", problem)?;
        let settings = read_options("options", options, read_estimator("estimator", estimator)?)?;
        let (m, n) = (problem.outer_space().len(), problem.inner_space().len());
        same_dimension("n_outer", n_outer, m)?;
        same_dimension("n_inner", n_inner, n)?;
        let (u, w) = (read_array("u", u, m)?, read_array("w", w, n)?);
        let run = Loop::new(problem.clone(), settings, &u, &w)?;
        Ok(Running::new(problem, run))
    };
    // SAFETY: as the caller vouches.
    unsafe { create("runner", runner, body) }
}

/// Goes on with a run that blo_runner_save_f64 wrote: on the same build and machine with the same bits.
///
/// - problem [in]: the problem of that run; its sizes are checked, its data are not
/// - path [in]: the file, in UTF-8
/// - runner [out]: the handle, NULL after an error; end it with blo_runner_destroy_f64
///
/// Errors: BLO_ERR_NULL; BLO_ERR_INVALID for a path that is no UTF-8; BLO_ERR_FILE for a file that cannot be read, is torn or
/// changed, is no saved run, or one of another version, precision or size. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_runner_resume_f64(
    problem: *const Problem<f64>,
    path: *const c_char,
    runner: *mut *mut Runner<f64>,
) -> Status {
    // SAFETY: the caller vouches for a living handle, a text that ends with a NUL, and the place of the handle.
    guard(|| unsafe { runner_resume(problem, path, runner) })
}

pub(super) unsafe fn runner_resume<T: Scalar>(
    problem: *const Problem<T>,
    path: *const c_char,
    runner: *mut *mut Runner<T>,
) -> Done {
    // SAFETY: as the caller vouches.
    let body = || unsafe {
        let problem = share("problem", problem)?;
        let run = Loop::resume(problem.clone(), read_path("path", path)?)?;
        Ok(Running::new(problem, run))
    };
    // SAFETY: as the caller vouches.
    unsafe { create("runner", runner, body) }
}

/// Saves a whole run, without the problem. The file is written aside and renamed, so that a crash leaves the old one or
/// the new one. Allocates.
///
/// - runner [in]: the runner
/// - path [in]: the file, in UTF-8
///
/// Errors: BLO_ERR_NULL; BLO_ERR_INVALID for a path that is no UTF-8; BLO_ERR_FILE; BLO_ERR_BUSY. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_runner_save_f64(runner: *mut Runner<f64>, path: *const c_char) -> Status {
    // SAFETY: the caller vouches for a living handle and a text that ends with a NUL.
    guard(|| unsafe { runner_save(runner, path) })
}

pub(super) unsafe fn runner_save<T: Scalar>(runner: *mut Runner<T>, path: *const c_char) -> Done {
    // SAFETY: as the caller vouches.
    let (own, path) = unsafe { (enter("runner", runner)?, read_path("path", path)?) };
    Ok(own.run.save(path)?)
}

/// Allocates now all that the run needs, and says how much it then holds.
///
/// - runner [in]: the runner
/// - bytes [out]: the bytes on the heap, without the problem's data; may be NULL
///
/// Errors: BLO_ERR_NULL; BLO_ERR_INVALID where the memory cannot be had; BLO_ERR_BUSY. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_runner_reserve_f64(runner: *mut Runner<f64>, bytes: *mut i64) -> Status {
    // SAFETY: the caller vouches for a living handle and the place of a number.
    guard(|| unsafe { runner_reserve(runner, bytes) })
}

pub(super) unsafe fn runner_reserve<T: Scalar>(runner: *mut Runner<T>, bytes: *mut i64) -> Done {
    // SAFETY: as the caller vouches.
    let mut own = unsafe { enter("runner", runner) }?;
    own.run.reserve()?;
    let held = own.run.bytes() + size_of_val(&own.given_u[..]) + size_of_val(&own.given_w[..]);
    // SAFETY: as the caller vouches.
    unsafe { write_optional(bytes, &[held as i64]) };
    Ok(())
}

/// Runs to the end.
///
/// - runner [in]: the runner
/// - monitor [in]: called after each hypergradient; may be NULL; user_data [in]: passed to it
/// - trace_every [in]: a trace row is written every so many outer steps, and at the end; 0: never
/// - trace [out, capacity]: rows of this call, not to be touched while it lasts; NULL if capacity is 0
/// - capacity [in]: the most rows; what does not fit is not recorded
/// - outcome [out]: how it went; struct_size to be set
///
/// After an error u and w are those of the last whole step. Divergence is not an error: see ending in outcome. A run that
/// was stopped goes on with the next call.
///
/// Errors: as blo_hypergradient_f64, and BLO_ERR_UNSUPPORTED for BLO_INNER_FIXPOINT or distances where the problem has
/// no closed form; BLO_ERR_BUSY. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_runner_run_f64(
    runner: *mut Runner<f64>,
    monitor: MonitorFn<f64>,
    user_data: *mut c_void,
    trace_every: i64,
    trace: *mut TraceRow,
    capacity: i64,
    outcome: *mut OutcomeInfo,
) -> Status {
    // SAFETY: the caller vouches for a living handle, an array of this size, and a struct of the size in its first field.
    guard(|| unsafe { run_whole(runner, (monitor, user_data), trace_every, (trace, capacity), outcome) })
}

pub(super) unsafe fn run_whole<T: Scalar>(
    runner: *mut Runner<T>,
    (monitor, user_data): (MonitorFn<T>, *mut c_void),
    trace_every: i64,
    (trace, capacity): (*mut TraceRow, i64),
    outcome: *mut OutcomeInfo,
) -> Done {
    // SAFETY: as the caller vouches.
    let (mut own, size) = unsafe { (enter("runner", runner)?, declared_size("outcome", outcome)?) };
    let every = count("trace_every", trace_every)?;
    // SAFETY: as the caller vouches.
    let rows = unsafe { trace_rows(trace, capacity) }?;
    let told = own.run.run_with(every, rows, |progress| match monitor {
        None => ControlFlow::Continue(()),
        Some(monitor) => {
            let progress = seen(progress);
            // SAFETY: the pointers in `progress` live until the monitor returns.
            match unsafe { monitor(&progress, user_data) } {
                0 => ControlFlow::Continue(()),
                _ => ControlFlow::Break(()),
            }
        }
    })?;
    // SAFETY: as the caller vouches.
    unsafe { write_struct(outcome, size, &OutcomeInfo::from(&told)) };
    Ok(())
}

/// Where a run is.
///
/// - runner [in]: the runner
/// - u [out, n_outer], n_outer [in]: the outer parameters, and their number, the problem's; u may be NULL
/// - w [out, n_inner], n_inner [in]: the inner parameters, and their number, the problem's; w may be NULL
/// - steps [out]: the outer steps made; may be NULL
///
/// Errors: BLO_ERR_NULL; BLO_ERR_SHAPE; BLO_ERR_BUSY. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_runner_state_f64(
    runner: *mut Runner<f64>,
    u: *mut f64,
    n_outer: i64,
    w: *mut f64,
    n_inner: i64,
    steps: *mut i64,
) -> Status {
    // SAFETY: the caller vouches for a living handle and arrays of these sizes.
    guard(|| unsafe { run_state(runner, (u, n_outer), (w, n_inner), steps) })
}

pub(super) unsafe fn run_state<T: Scalar>(
    runner: *mut Runner<T>,
    (u, n_outer): (*mut T, i64),
    (w, n_inner): (*mut T, i64),
    steps: *mut i64,
) -> Done {
    // SAFETY: as the caller vouches.
    let own = unsafe { enter("runner", runner) }?;
    same_dimension("n_outer", n_outer, own.problem.outer_space().len())?;
    same_dimension("n_inner", n_inner, own.problem.inner_space().len())?;
    // SAFETY: as the caller vouches; the sizes are the problem's.
    unsafe {
        write_optional(u, own.run.u());
        write_optional(w, own.run.w());
        write_optional(steps, &[own.run.steps() as i64]);
    }
    Ok(())
}

/// The point of the smallest F so far, with keep_best.
///
/// - runner [in]: the runner
/// - u [out, n_outer], n_outer [in], w [out, n_inner], n_inner [in]: as blo_runner_state_f64
/// - outer_loss [out]: F there, a double for both precisions; may be NULL
/// - step [out]: the outer steps before it; may be NULL
///
/// Errors: as blo_runner_state_f64, and BLO_ERR_INVALID without keep_best or before the first step. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_runner_best_f64(
    runner: *mut Runner<f64>,
    u: *mut f64,
    n_outer: i64,
    w: *mut f64,
    n_inner: i64,
    outer_loss: *mut c_double,
    step: *mut i64,
) -> Status {
    // SAFETY: the caller vouches for a living handle and arrays of these sizes.
    guard(|| unsafe { run_best(runner, (u, n_outer), (w, n_inner), outer_loss, step) })
}

pub(super) unsafe fn run_best<T: Scalar>(
    runner: *mut Runner<T>,
    (u, n_outer): (*mut T, i64),
    (w, n_inner): (*mut T, i64),
    outer_loss: *mut f64,
    step: *mut i64,
) -> Done {
    // SAFETY: as the caller vouches.
    let own = unsafe { enter("runner", runner) }?;
    same_dimension("n_outer", n_outer, own.problem.outer_space().len())?;
    same_dimension("n_inner", n_inner, own.problem.inner_space().len())?;
    let expected = "a run with keep_best that has made a step";
    let best = own.run.best().ok_or_else(|| invalid("runner", "no best point", expected))?;
    // SAFETY: as the caller vouches; the sizes are the problem's.
    unsafe {
        write_optional(u, &best.u);
        write_optional(w, &best.w);
        write_optional(outer_loss, &[best.outer_loss]);
        write_optional(step, &[best.step as i64]);
    }
    Ok(())
}

/// Ends a runner and sets *runner to NULL.
///
/// - runner [in, out]: the place of the handle; NULL, or a place that holds NULL, is fine
///
/// Leaves the message of blo_last_error alone. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_runner_destroy_f64(runner: *mut *mut Runner<f64>) {
    // SAFETY: the caller vouches for the place of a handle.
    unsafe { handle::destroy(runner) }
}

/// The caller's trace. Rows are written as they come.
///
/// # Safety
///
/// `trace` is null or points to `capacity` rows that nobody else uses while the result lives.
unsafe fn trace_rows<'a>(trace: *mut TraceRow, capacity: i64) -> Result<&'a mut [TraceRow]> {
    let capacity = count("capacity", capacity)?;
    if capacity == 0 {
        return Ok(&mut []);
    }
    if capacity > isize::MAX as usize / size_of::<TraceRow>() {
        return Err(invalid("capacity", capacity, "as many rows as memory can hold"));
    }
    if trace.is_null() {
        return Err(Error::Null { argument: "trace" });
    }
    if !trace.is_aligned() {
        return Err(invalid("trace", format!("{trace:p}"), format!("a multiple of {}", align_of::<TraceRow>())));
    }
    // SAFETY: as the caller of this function vouches; rows are plain numbers, and are only written.
    Ok(unsafe { slice::from_raw_parts_mut(trace, capacity) })
}

fn seen<T: Scalar>(progress: &Progress<'_, Vec<T>>) -> ProgressInfo<T> {
    ProgressInfo {
        struct_size: size_of::<ProgressInfo<T>>() as u32,
        reserved: 0,
        step: progress.step as i64,
        n_outer: progress.u.len() as i64,
        n_inner: progress.w.len() as i64,
        outer_loss: progress.evaluation.outer_loss,
        norm_hypergradient: progress.norm_hypergradient,
        u: progress.u.as_ptr(),
        w: progress.w.as_ptr(),
        hypergradient: progress.hypergradient.as_ptr(),
    }
}
