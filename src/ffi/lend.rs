//! Arrays and data of the caller's that are lent to a problem, and given back.

use super::args::{elements, not_null, row_stride};
use crate::error::invalid;
use crate::problem::Data;
use crate::{Result, Scalar};
use std::any::Any;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Takes back what was lent to a problem.
///
/// - user_data: as given with it
///
/// Called once, when the last of the problem and all that was made from it has ended, on the thread that ended it. Not called
/// after a creation that failed: what it would have been lent is still the caller's. It must return: no C++ exception and no
/// longjmp may leave it.
pub type ReleaseFn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// What was lent; its end gives it back, once the creation that it was lent to has succeeded.
pub(super) struct Lender {
    release: unsafe extern "C" fn(*mut c_void),
    data: *mut c_void,
    kept: AtomicBool,
}

// SAFETY: the caller says that release may be called by any thread; nothing else is done with the pointer.
unsafe impl Send for Lender {}
// SAFETY: as above.
unsafe impl Sync for Lender {}

impl Lender {
    pub fn new(release: ReleaseFn, data: *mut c_void) -> Option<Arc<Lender>> {
        release.map(|release| Arc::new(Lender { release, data, kept: AtomicBool::new(false) }))
    }

    /// The creation has succeeded.
    pub fn keep(lender: &Option<Arc<Lender>>) {
        if let Some(lender) = lender {
            lender.kept.store(true, Ordering::Release);
        }
    }
}

impl Drop for Lender {
    fn drop(&mut self) {
        if *self.kept.get_mut() {
            // SAFETY: as the caller vouched, once.
            unsafe { (self.release)(self.data) };
        }
    }
}

/// A matrix that is read where it is.
///
/// # Safety
///
/// `pointer` is null or points to so many readable rows, which stay as they are until the lender is dropped.
pub(super) unsafe fn lend_matrix<T: Scalar>(
    argument: &'static str,
    pointer: *const T,
    rows: usize,
    columns: usize,
    stride: i64,
    lender: &Arc<Lender>,
) -> Result<Data<T>> {
    not_null(argument, pointer)?;
    let gapped = row_stride(argument, rows, columns, stride)? != columns && rows > 1;
    if gapped {
        let expected = format!("0 or {columns}: a lent matrix without gaps");
        return Err(invalid(argument, format!("stride {stride}"), expected));
    }
    if !pointer.is_aligned() {
        return Err(invalid(argument, format!("{pointer:p}"), format!("a multiple of {}", align_of::<T>())));
    }
    let len = elements(argument, rows, columns)?;
    let owner: Arc<dyn Any + Send + Sync> = Arc::<Lender>::clone(lender);
    // SAFETY: as the caller vouches.
    unsafe { Data::lent(pointer, len, owner) }
}
