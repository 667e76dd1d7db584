//! The inner objective on a batch of its examples.

use super::args::{dimension, elements, not_null, room, write_optional};
use super::evaluate::{Own, Workspace, at_point};
use super::guard::{Done, guard};
use super::status::Status;
use crate::Scalar;
use crate::error::{check_finite, invalid};
use crate::problem::Problem as _;
use std::ffi::c_double;

/// The inner objective on a batch B of its n examples, for loops of the caller's own: f_B = n/|B| sum_{i in B} f_i + penalties,
/// whose expectation over uniform batches is f. An index that occurs twice counts twice.
///
/// - workspace [in]: a workspace of a problem with examples
/// - batch [in, size], size [in]: the indices of the examples, from 0, and their number, 1 or above
/// - u [in, n_outer], n_outer [in], w [in, n_inner], n_inner [in]: where, and the problem's sizes
/// - value [out]: a double for both precisions; may be NULL
/// - gradient [out, n_inner]: may be NULL
///
/// Allocates where size is larger than before. Errors: as blo_inner_f64; BLO_ERR_INVALID for size and for an index that is no
/// example's; BLO_ERR_UNSUPPORTED for problems that are no sum over examples. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_inner_batch_f64(
    workspace: *mut Workspace<f64>,
    batch: *const i64,
    size: i64,
    u: *const f64,
    n_outer: i64,
    w: *const f64,
    n_inner: i64,
    value: *mut c_double,
    gradient: *mut f64,
) -> Status {
    // SAFETY: the caller vouches for a living handle and arrays of these sizes.
    guard(|| unsafe { inner_batch(workspace, (batch, size), (u, n_outer), (w, n_inner), value, gradient) })
}

pub(super) unsafe fn inner_batch<T: Scalar>(
    workspace: *mut Workspace<T>,
    (batch, size): (*const i64, i64),
    u: (*const T, i64),
    w: (*const T, i64),
    value: *mut f64,
    gradient: *mut T,
) -> Done {
    // SAFETY: as the caller vouches.
    let mut own = unsafe { at_point(workspace, u, w) }?;
    let Own { problem, scratch, u, w, out_w, batch: indices, .. } = &mut *own;
    let size = dimension("size", size)?;
    elements("size", size, 1)?;
    not_null("batch", batch)?;
    if indices.capacity() < size {
        room::<f64>("size", size)?;
    }
    indices.clear();
    for i in 0..size {
        // SAFETY: as the caller vouches.
        let index = unsafe { batch.add(i).read_unaligned() };
        let expected = || format!("examples from 0 to below {}", problem.examples());
        let found = || format!("example {index} at index {i}");
        indices.push(usize::try_from(index).map_err(|_| invalid("batch", found(), expected()))?);
    }
    let f = problem.inner_batch(&mut scratch.problem, indices, u, w, out_w)?;
    check_finite("value of f", &[f])?;
    check_finite("gradient of f", out_w)?;
    // SAFETY: as the caller vouches.
    unsafe {
        write_optional(value, &[f]);
        write_optional(gradient, out_w);
    }
    Ok(())
}
