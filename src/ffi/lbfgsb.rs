//! L-BFGS-B, which asks for its evaluations.

use super::args::{count, dimension, elements, finite, not_null, read_array, read_into, room, same_dimension};
use super::args::{write_array, write_optional};
use super::guard::{Done, guard};
use super::handle::{self, Opaque, create, enter};
use super::status::Status;
use crate::Scalar;
use crate::optimize::{Lbfgsb as Method, Next};
use std::ffi::c_double;
use std::marker::PhantomData;

/// next: F and its gradient are wanted at the trial.
pub const BLO_NEXT_EVALUATE: i32 = 0;
/// next: the end: the projected gradient is at most the tolerance at the trial, the last accepted point.
pub const BLO_NEXT_CONVERGED: i32 = 1;
/// next: the end: no lower F can be found from the trial, the last accepted point: F is at its rounding floor, or the gradient
/// is not F's.
pub const BLO_NEXT_STALLED: i32 = 2;

/// L-BFGS-B: minimizes a function in a box. It names a point, the trial, and is told F and the gradient there, again and again.
///
/// One call at a time may use it (BLO_ERR_BUSY otherwise); different ones are independent.
pub struct Lbfgsb<T>(PhantomData<T>);

/// What it owns.
pub(super) struct Minimizing<T> {
    method: Method<T>,
    gradient: Vec<T>,
}

impl<T: Scalar> Opaque for Lbfgsb<T> {
    type Value = Minimizing<T>;
    const TAG: u64 = 0xb10_0060 + size_of::<T>() as u64;
}

/// Makes a minimization.
///
/// - x [in, n], n [in]: where it begins, within the bounds, which is the first trial; and its length, 1 or above
/// - lower, upper [in, n]: the bounds, which may be infinite, and equal; NULL: none
/// - memory [in]: the pairs that are kept, 1 to 100; 10 is usual
/// - tolerance [in]: it ends where the projected gradient |P(x - g) - x| is at most this; 0 or above
/// - lbfgsb [out]: the handle, NULL after an error; end it with blo_lbfgsb_destroy_f64
///
/// Errors: BLO_ERR_NULL; BLO_ERR_INVALID, also for bounds that are NaN or crossed and an x outside of them;
/// BLO_ERR_NON_FINITE. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_lbfgsb_create_f64(
    x: *const f64,
    n: i64,
    lower: *const f64,
    upper: *const f64,
    memory: i64,
    tolerance: c_double,
    lbfgsb: *mut *mut Lbfgsb<f64>,
) -> Status {
    // SAFETY: the caller vouches for arrays of this size and the place of the handle.
    guard(|| unsafe { create_lbfgsb((x, n), [lower, upper], (memory, tolerance), lbfgsb) })
}

pub(super) unsafe fn create_lbfgsb<T: Scalar>(
    (x, n): (*const T, i64),
    [lower, upper]: [*const T; 2],
    (memory, tolerance): (i64, f64),
    lbfgsb: *mut *mut Lbfgsb<T>,
) -> Done {
    let body = || {
        let n = dimension("n", n)?;
        let memory = count("memory", memory)?.min(101);
        finite("tolerance", tolerance)?;
        elements("n", n, 2 * memory + 8)?;
        not_null("x", x)?;
        room::<f64>("n", n.saturating_mul(2 * memory + 8) / 8)?;
        let bound = |argument, pointer: *const T, infinity| {
            if pointer.is_null() {
                return Ok(vec![T::from_f64(infinity); n]);
            }
            // SAFETY: as the caller vouches.
            unsafe { read_array(argument, pointer, n) }
        };
        let (lower, upper) = (bound("lower", lower, f64::NEG_INFINITY)?, bound("upper", upper, f64::INFINITY)?);
        // SAFETY: as the caller vouches.
        let mut method = Method::new(&unsafe { read_array("x", x, n) }?, &lower, &upper, memory)?;
        method.set_tolerance(tolerance)?;
        Ok(Minimizing { method, gradient: vec![T::ZERO; n] })
    };
    // SAFETY: as the caller vouches.
    unsafe { create("lbfgsb", lbfgsb, body) }
}

/// Where F is to be evaluated; after the end, the last accepted point.
///
/// - lbfgsb [in]: the minimization
/// - trial [out, n], n [in]: the point, and its length
///
/// Errors: BLO_ERR_NULL; BLO_ERR_SHAPE; BLO_ERR_BUSY. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_lbfgsb_trial_f64(lbfgsb: *mut Lbfgsb<f64>, trial: *mut f64, n: i64) -> Status {
    // SAFETY: the caller vouches for a living handle and an array of this size.
    guard(|| unsafe { lbfgsb_trial(lbfgsb, trial, n) })
}

pub(super) unsafe fn lbfgsb_trial<T: Scalar>(lbfgsb: *mut Lbfgsb<T>, trial: *mut T, n: i64) -> Done {
    // SAFETY: as the caller vouches.
    let own = unsafe { enter("lbfgsb", lbfgsb) }?;
    same_dimension("n", n, own.method.trial().len())?;
    not_null("trial", trial)?;
    // SAFETY: as the caller vouches; the size is its own.
    unsafe { write_array(trial, own.method.trial()) };
    Ok(())
}

/// Tells F and its gradient at the trial. What is not finite makes the next trial step back, but for the first one, where it is
/// an error. After the end it says the end again. Allocates nothing.
///
/// - lbfgsb [in]: the minimization
/// - value [in]: F, a double for both precisions
/// - gradient [in, n], n [in]: at the trial, and its length
/// - next [out]: one of BLO_NEXT_
///
/// Errors: BLO_ERR_NULL; BLO_ERR_SHAPE; BLO_ERR_NON_FINITE at the first trial; BLO_ERR_BUSY. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_lbfgsb_tell_f64(
    lbfgsb: *mut Lbfgsb<f64>,
    value: c_double,
    gradient: *const f64,
    n: i64,
    next: *mut i32,
) -> Status {
    // SAFETY: the caller vouches for a living handle and an array of this size.
    guard(|| unsafe { lbfgsb_tell(lbfgsb, value, (gradient, n), next) })
}

pub(super) unsafe fn lbfgsb_tell<T: Scalar>(
    lbfgsb: *mut Lbfgsb<T>,
    value: f64,
    (gradient, n): (*const T, i64),
    next: *mut i32,
) -> Done {
    // SAFETY: as the caller vouches.
    let mut own = unsafe { enter("lbfgsb", lbfgsb) }?;
    let Minimizing { method, gradient: given } = &mut *own;
    same_dimension("n", n, given.len())?;
    not_null("next", next)?;
    // SAFETY: as the caller vouches; the size is its own.
    unsafe { read_into("gradient", gradient, given) }?;
    let told = match method.tell(value, given)? {
        Next::Evaluate => BLO_NEXT_EVALUATE,
        Next::Converged => BLO_NEXT_CONVERGED,
        Next::Stalled => BLO_NEXT_STALLED,
    };
    // SAFETY: as the caller vouches.
    unsafe { write_array(next, &[told]) };
    Ok(())
}

/// The last accepted point; the start, before F was told there.
///
/// - lbfgsb [in]: the minimization
/// - x [out, n], n [in]: the point, and its length; x may be NULL
/// - value [out]: F there, a double for both precisions, infinite before it was told; may be NULL
///
/// Allocates nothing. Errors: BLO_ERR_NULL; BLO_ERR_SHAPE; BLO_ERR_BUSY. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_lbfgsb_state_f64(
    lbfgsb: *mut Lbfgsb<f64>,
    x: *mut f64,
    n: i64,
    value: *mut c_double,
) -> Status {
    // SAFETY: the caller vouches for a living handle and an array of this size.
    guard(|| unsafe { lbfgsb_state(lbfgsb, (x, n), value) })
}

pub(super) unsafe fn lbfgsb_state<T: Scalar>(lbfgsb: *mut Lbfgsb<T>, (x, n): (*mut T, i64), value: *mut f64) -> Done {
    // SAFETY: as the caller vouches.
    let own = unsafe { enter("lbfgsb", lbfgsb) }?;
    same_dimension("n", n, own.method.x().len())?;
    // SAFETY: as the caller vouches; the size is its own. Accepted points were trials, which are exact in T.
    unsafe {
        if !x.is_null() {
            for (i, found) in own.method.x().iter().enumerate() {
                write_array(x.add(i), &[T::from_f64(*found)]);
            }
        }
        write_optional(value, &[own.method.f()]);
    }
    Ok(())
}

/// Ends a minimization and sets *lbfgsb to NULL.
///
/// - lbfgsb [in, out]: the place of the handle; NULL, or a place that holds NULL, is fine
///
/// Leaves the message of blo_last_error alone. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_lbfgsb_destroy_f64(lbfgsb: *mut *mut Lbfgsb<f64>) {
    // SAFETY: the caller vouches for the place of a handle.
    unsafe { handle::destroy(lbfgsb) }
}
