//! Arrays that a problem owns or borrows for its life.

use super::Examples;
use crate::error::{check_finite, check_len, invalid};
use crate::{Result, Scalar};
use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;
use std::slice;
use std::sync::Arc;

/// An array that a problem reads: its own, from a `Vec`, or lent by an owner that is kept alive with it.
///
/// # Why this shape
///
/// A type parameter for the storage would double each problem, and each handle of a foreign interface with it; a problem with a
/// lifetime could not be put into a handle at all. One more word and a branch at creation are all that this costs: to read is
/// to dereference, which is asked once for a whole product.
#[derive(Clone)]
pub struct Data<T>(Storage<T>);

#[derive(Clone)]
enum Storage<T> {
    Own(Vec<T>),
    Lent { first: NonNull<T>, len: usize, _owner: Arc<dyn Any + Send + Sync> },
}

// SAFETY: a lent array is only read, and its owner may go to any thread.
unsafe impl<T: Send + Sync> Send for Data<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Data<T> {}

impl<T: Scalar> Data<T> {
    /// An array of somebody else's: nothing is copied. `owner` is dropped when the last problem that reads the array is, on
    /// whichever thread that happens.
    ///
    /// ```
    /// use blo::problem::Data;
    /// use std::sync::Arc;
    ///
    /// let shared: Arc<[f64]> = Arc::from([1.0, 2.0]);
    /// // SAFETY: the slice lives as long as the owner, and nobody writes to it.
    /// let data = unsafe { Data::lent(shared.as_ptr(), shared.len(), Arc::new(shared.clone())) }?;
    /// assert_eq!(data.as_ptr(), shared.as_ptr());
    /// # Ok::<(), blo::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Null`](crate::Error::Null), and [`Error::Invalid`](crate::Error::Invalid) for an address that is not a multiple of
    /// the element's alignment and for a length that no array has.
    ///
    /// # Safety
    ///
    /// `first` is null or points to `len` elements that live, and that nobody writes to, until `owner` is dropped.
    pub unsafe fn lent(first: *const T, len: usize, owner: Arc<dyn Any + Send + Sync>) -> Result<Data<T>> {
        let Some(first) = NonNull::new(first.cast_mut()) else {
            return Err(crate::Error::Null { argument: "lent array" });
        };
        if !first.is_aligned() {
            return Err(invalid("lent array", format!("{first:p}"), format!("a multiple of {}", align_of::<T>())));
        }
        if len > isize::MAX as usize / size_of::<T>() {
            return Err(invalid("lent array", format!("{len} elements"), "as many as memory can hold"));
        }
        Ok(Data(Storage::Lent { first, len, _owner: owner }))
    }
}

impl<T> Deref for Data<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.0 {
            Storage::Own(values) => values,
            // SAFETY: as the caller of `lent` vouched; the owner lives as long as `self`.
            Storage::Lent { first, len, .. } => unsafe { slice::from_raw_parts(first.as_ptr(), *len) },
        }
    }
}

impl<T> From<Vec<T>> for Data<T> {
    fn from(values: Vec<T>) -> Data<T> {
        Data(Storage::Own(values))
    }
}

impl<T: fmt::Debug> fmt::Debug for Data<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self[..].fmt(f)
    }
}

/// [`Examples`] as a problem keeps them: in arrays of its own, or in lent ones.
#[derive(Debug, Clone)]
pub struct ExampleData<T> {
    /// As [`Examples::design`].
    pub design: Data<T>,
    /// As [`Examples::features`].
    pub features: usize,
    /// As [`Examples::targets`].
    pub targets: Data<T>,
}

impl<T> From<Examples<T>> for ExampleData<T> {
    fn from(examples: Examples<T>) -> ExampleData<T> {
        let Examples { design, features, targets } = examples;
        ExampleData { design: design.into(), features, targets: targets.into() }
    }
}

/// Checks shapes and that all is finite; `outputs` is the number of targets of a row.
pub(super) fn check<T: Scalar>(inner: &ExampleData<T>, outer: &ExampleData<T>, outputs: usize) -> Result<()> {
    let n = inner.features;
    if outer.features != n {
        return Err(invalid("outer features", outer.features, format!("the inner features, {n}")));
    }
    if outer.targets.is_empty() {
        return Err(invalid("outer examples", 0, "at least 1"));
    }
    for (design, targets, examples) in
        [("inner design", "inner targets", inner), ("outer design", "outer targets", outer)]
    {
        let found = examples.targets.len();
        if !found.is_multiple_of(outputs) {
            return Err(invalid(targets, format!("length {found}"), format!("{outputs} for each example")));
        }
        check_len(design, examples.design.len(), found / outputs * n)?;
        check_finite(design, &examples.design)?;
        check_finite(targets, &examples.targets)?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::thread;

    struct Told(Arc<std::sync::Mutex<Vec<thread::ThreadId>>>);

    impl Drop for Told {
        fn drop(&mut self) {
            self.0.lock().unwrap().push(thread::current().id());
        }
    }

    #[test]
    fn a_lent_array_is_read_in_place_and_given_back_once() {
        let values = [1.5, -2.0, 3.0];
        let log = Arc::default();
        // SAFETY: the array outlives the data.
        let data = unsafe { Data::lent(values.as_ptr(), 3, Arc::new(Told(Arc::clone(&log)))) }.unwrap();
        let copy = data.clone();
        assert_eq!((&data[..], data.as_ptr()), (&values[..], values.as_ptr()));
        drop(data);
        assert!(log.lock().unwrap().is_empty());
        let other = thread::spawn(move || (copy[1], thread::current().id()));
        let (value, id) = other.join().unwrap();
        assert_eq!((value, &log.lock().unwrap()[..]), (-2.0, &[id][..]));
    }

    #[test]
    fn what_cannot_be_lent() {
        let values = [0_u64; 2];
        let first = values.as_ptr().cast::<f64>();
        let lend = |first, len| {
            // SAFETY: what is refused is not read, and the array outlives the rest.
            unsafe { Data::<f64>::lent(first, len, Arc::new(())) }.map(|data| data.len())
        };
        assert_eq!(lend(first, 2), Ok(2));
        assert_eq!(lend(first, 0), Ok(0));
        assert!(matches!(lend(std::ptr::null(), 2), Err(crate::Error::Null { .. })));
        for (bad, len) in [(first.wrapping_byte_add(4), 1), (first, usize::MAX / 8 + 1)] {
            assert!(matches!(lend(bad, len), Err(crate::Error::Invalid { .. })));
        }
    }
}
