//! The best and the worst inner solution, and projections on several solution sets by turns.

use super::analysis::here;
use super::args::{
    choice, count, dimension, elements, finite, not_null, read_array, read_matrix, row_stride, write_array,
    write_optional,
};
use super::family::Family;
use super::guard::{Done, guard};
use super::handle::{self, Opaque, create, enter};
use super::problem::Problem;
use super::status::Status;
use crate::analysis::{self, Cycle as Turns, Extremum, Projection};
use crate::problem::Quadratic;
use crate::{Error, Result, Scalar};
use std::ffi::c_double;
use std::marker::PhantomData;

/// w = the inner solution at u with the smallest F: the optimistic one. Quadratics only. Of many the one nearest to start.
/// Allocates.
///
/// - problem [in]: a quadratic
/// - u [in, n_outer], n_outer [in]: the outer parameters, and their number, the problem's
/// - start [in, n_inner], n_inner [in]: of many solutions the nearest to it; and the problem's size
/// - w [out, n_inner]: the solution; where F has no bound among the inner solutions, a direction of length 1 along which it falls
///   for ever
/// - outer_loss [out]: F there, or minus infinity; a double for both precisions; may be NULL
/// - unbounded [out]: 1 where F has no bound, so that w is a direction; else 0
///
/// Errors: BLO_ERR_NULL; BLO_ERR_SHAPE; BLO_ERR_NON_FINITE; BLO_ERR_INVALID where f has no minimum at u; BLO_ERR_UNSUPPORTED
/// for other problems; BLO_ERR_DECOMPOSITION. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_optimistic_f64(
    problem: *const Problem<f64>,
    u: *const f64,
    n_outer: i64,
    start: *const f64,
    n_inner: i64,
    w: *mut f64,
    outer_loss: *mut c_double,
    unbounded: *mut i32,
) -> Status {
    // SAFETY: the caller vouches for a living handle and arrays of these sizes.
    guard(|| unsafe { extreme(problem, true, (u, n_outer), (start, n_inner), w, outer_loss, unbounded) })
}

/// w = the inner solution at u with the largest F: the pessimistic one. As blo_optimistic_f64, with plus infinity and a
/// direction along which F grows for ever where it has no bound: wherever F is not constant on the inner solutions.
///
/// - problem [in]: a quadratic
/// - u [in, n_outer], n_outer [in]: the outer parameters, and their number, the problem's
/// - start [in, n_inner], n_inner [in]: of many solutions the nearest to it; and the problem's size
/// - w [out, n_inner]: the solution, or the direction
/// - outer_loss [out]: F there, or infinity; a double for both precisions; may be NULL
/// - unbounded [out]: 1 where F has no bound, so that w is a direction; else 0
///
/// Errors: as blo_optimistic_f64. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_pessimistic_f64(
    problem: *const Problem<f64>,
    u: *const f64,
    n_outer: i64,
    start: *const f64,
    n_inner: i64,
    w: *mut f64,
    outer_loss: *mut c_double,
    unbounded: *mut i32,
) -> Status {
    // SAFETY: the caller vouches for a living handle and arrays of these sizes.
    guard(|| unsafe { extreme(problem, false, (u, n_outer), (start, n_inner), w, outer_loss, unbounded) })
}

fn quadratic<T: Scalar>(problem: &Family<T>) -> Result<&Quadratic<T>> {
    match problem {
        Family::Quadratic(quadratic) => Ok(quadratic),
        _ => Err(Error::Unsupported {
            operation: "best and worst inner solution",
            reason: "the problem is no quadratic; make one as a quadratic",
        }),
    }
}

pub(super) unsafe fn extreme<T: Scalar>(
    problem: *const Problem<T>,
    best: bool,
    u: (*const T, i64),
    start: (*const T, i64),
    w: *mut T,
    outer_loss: *mut f64,
    unbounded: *mut i32,
) -> Done {
    // SAFETY: as the caller vouches.
    let (problem, u, start) = unsafe { here(problem, u, start, "start") }?;
    not_null("w", w)?;
    not_null("unbounded", unbounded)?;
    let problem = quadratic(&problem)?;
    let found = match best {
        true => analysis::optimistic(problem, &u, &start),
        false => analysis::pessimistic(problem, &u, &start),
    }?;
    let infinity = if best { f64::NEG_INFINITY } else { f64::INFINITY };
    let (values, loss, endless) = match &found {
        Extremum::Attained { w, outer_loss } => (w, *outer_loss, 0),
        Extremum::Unbounded { direction } => (direction, infinity, 1),
    };
    // SAFETY: as the caller vouches.
    unsafe {
        write_array(w, values);
        write_optional(outer_loss, &[loss]);
        write_array(unbounded, &[endless]);
    }
    Ok(())
}

/// projection: that of w0 on the set, every time.
pub const BLO_PROJECTION_COLD: i32 = 0;
/// projection: that of the w before: Kaczmarz's method.
pub const BLO_PROJECTION_FULL_WARM: i32 = 1;
/// projection: some gradient steps on (x'w - y)^2 / 2 from the w before. Uses alpha, steps.
pub const BLO_PROJECTION_PARTIAL_WARM: i32 = 2;

/// Inner problems { w : x_i'w = y_i } that are solved one after the other, over and over: where warm starts by turns go. With a
/// common solution both warm starts go to the one nearest to w0, whatever the order; a cold start forgets all but the last
/// row.
///
/// One call at a time may use it (BLO_ERR_BUSY otherwise); different cycles are independent.
pub struct Cycle<T>(PhantomData<T>);

impl<T: Scalar> Opaque for Cycle<T> {
    type Value = Turns<T>;
    const TAG: u64 = 0xb10_0070 + size_of::<T>() as u64;
}

/// Makes a cycle.
///
/// - rows [in], n [in]: the number of inner problems and the length of w, 1 or above
/// - x [in, rows x n], x_stride [in]: the x_i, none of them 0, and the elements from row to row; 0: no gaps
/// - y [in, rows]: the y_i
/// - start [in, n]: w0
/// - projection [in]: one of BLO_PROJECTION_
/// - alpha [in], steps [in]: the step size, above 0 and below 2 / x_i'x_i, and the steps, 1 or above, of
///   BLO_PROJECTION_PARTIAL_WARM; else not looked at
/// - cycle [out]: the handle, NULL after an error; end it with blo_cycle_destroy_f64
///
/// Errors: BLO_ERR_NULL; BLO_ERR_INVALID; BLO_ERR_NON_FINITE. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_cycle_create_f64(
    rows: i64,
    n: i64,
    x: *const f64,
    x_stride: i64,
    y: *const f64,
    start: *const f64,
    projection: i32,
    alpha: c_double,
    steps: i64,
    cycle: *mut *mut Cycle<f64>,
) -> Status {
    // SAFETY: the caller vouches for arrays of these sizes and the place of the handle.
    guard(|| unsafe { create_cycle((rows, n), (x, x_stride), y, start, (projection, alpha, steps), cycle) })
}

pub(super) unsafe fn create_cycle<T: Scalar>(
    (rows, n): (i64, i64),
    (x, x_stride): (*const T, i64),
    y: *const T,
    start: *const T,
    (projection, alpha, steps): (i32, f64, i64),
    cycle: *mut *mut Cycle<T>,
) -> Done {
    let body = || {
        let (rows, n) = (dimension("rows", rows)?, dimension("n", n)?);
        elements("rows", rows, n)?;
        row_stride("x", rows, n, x_stride)?;
        let names = ["BLO_PROJECTION_COLD", "BLO_PROJECTION_FULL_WARM", "BLO_PROJECTION_PARTIAL_WARM"];
        let projection = match choice("projection", projection, &names)? as i32 {
            BLO_PROJECTION_COLD => Projection::Cold,
            BLO_PROJECTION_FULL_WARM => Projection::FullWarm,
            _ => {
                finite("alpha", alpha)?;
                Projection::PartialWarm { alpha, steps: count("steps", steps)? }
            }
        };
        for (argument, pointer) in [("x", x), ("y", y), ("start", start)] {
            not_null(argument, pointer)?;
        }
        // SAFETY: as the caller vouches.
        unsafe {
            let (x, y) = (read_matrix("x", x, rows, n, x_stride)?, read_array("y", y, rows)?);
            Ok(Turns::new(&x, &y, &read_array("start", start, n)?, projection)?)
        }
    };
    // SAFETY: as the caller vouches.
    unsafe { create("cycle", cycle, body) }
}

/// Solves the next inner problems. Allocates nothing.
///
/// - cycle [in]: the cycle
/// - count [in]: how many, 0 or above; as many as there are rows are a whole cycle
/// - w [out, n], n [in]: w after them, and its length, the cycle's; w may be NULL
/// - solved [out]: how many were solved so far; may be NULL
///
/// Errors: BLO_ERR_NULL; BLO_ERR_INVALID for count; BLO_ERR_SHAPE; BLO_ERR_BUSY. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_cycle_step_f64(
    cycle: *mut Cycle<f64>,
    count: i64,
    w: *mut f64,
    n: i64,
    solved: *mut i64,
) -> Status {
    // SAFETY: the caller vouches for a living handle and an array of this size.
    guard(|| unsafe { cycle_step(cycle, count, (w, n), solved) })
}

pub(super) unsafe fn cycle_step<T: Scalar>(
    cycle: *mut Cycle<T>,
    steps: i64,
    (w, n): (*mut T, i64),
    solved: *mut i64,
) -> Done {
    // SAFETY: as the caller vouches.
    let mut own = unsafe { enter("cycle", cycle) }?;
    let steps = count("count", steps)?;
    super::args::same_dimension("n", n, own.w().len())?;
    for _ in 0..steps {
        own.step();
    }
    // SAFETY: as the caller vouches; the size is the cycle's.
    unsafe {
        write_optional(w, own.w());
        write_optional(solved, &[own.steps() as i64]);
    }
    Ok(())
}

/// Ends a cycle and sets *cycle to NULL.
///
/// - cycle [in, out]: the place of the handle; NULL, or a place that holds NULL, is fine
///
/// Leaves the message of blo_last_error alone. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_cycle_destroy_f64(cycle: *mut *mut Cycle<f64>) {
    // SAFETY: the caller vouches for the place of a handle.
    unsafe { handle::destroy(cycle) }
}
