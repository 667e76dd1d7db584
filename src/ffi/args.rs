//! Arguments from C: sizes, arrays, and structs that grow.

use crate::error::invalid;
use crate::{Error, Result, Scalar};
use std::ffi::{CStr, c_char};
use std::ptr;

/// The largest `struct_size` believed: anything above it is a struct that was not initialised.
const LARGEST_STRUCT: usize = 4096;

/// A struct of the C interface that may get more fields at its end.
///
/// # Safety
///
/// `repr(C)` without padding, valid for every pattern of bits that C can write, and beginning with two `u32`:
/// `struct_size` and `reserved`.
pub(super) unsafe trait Growing: Copy {
    /// Its size when it was first released.
    const FIRST_SIZE: usize;
}

/// A dimension, 1 or above.
pub(super) fn dimension(argument: &'static str, n: i64) -> Result<usize> {
    match usize::try_from(n) {
        Ok(n) if n > 0 => elements(argument, n, 1),
        _ => Err(invalid(argument, n, "a size, 1 or above")),
    }
}

/// A count, 0 or above.
pub(super) fn count(argument: &'static str, n: i64) -> Result<usize> {
    usize::try_from(n).map_err(|_| invalid(argument, n, "a number, 0 or above"))
}

/// A dimension that has to be the problem's.
pub(super) fn same_dimension(argument: &'static str, n: i64, expected: usize) -> Result<()> {
    let found = dimension(argument, n)?;
    if found == expected { Ok(()) } else { Err(Error::Shape { argument, found, expected }) }
}

/// The elements of a matrix, if an array of that many doubles can exist.
pub(super) fn elements(argument: &'static str, rows: usize, columns: usize) -> Result<usize> {
    let largest = isize::MAX as usize / size_of::<f64>();
    match rows.checked_mul(columns) {
        Some(elements) if elements <= largest => Ok(elements),
        _ => Err(invalid(argument, format!("{rows} x {columns} elements"), format!("at most {largest}"))),
    }
}

/// Whether a few vectors of n elements can be had: an answer before a vector that cannot be ends the process.
pub(super) fn room<T: Scalar>(argument: &'static str, n: usize) -> Result<()> {
    let mut trial: Vec<T> = Vec::new();
    trial
        .try_reserve_exact(n.saturating_mul(8))
        .map_err(|_| invalid(argument, format!("{n} elements"), "vectors that fit in memory"))
}

/// One of numbered choices, 0 up; `names` are their constants.
pub(super) fn choice(argument: &'static str, found: i32, names: &[&str]) -> Result<usize> {
    match usize::try_from(found) {
        Ok(index) if index < names.len() => Ok(index),
        _ => {
            let list: Vec<String> = names.iter().enumerate().map(|(i, name)| format!("{name} ({i})")).collect();
            Err(invalid(argument, found, format!("one of {}", list.join(", "))))
        }
    }
}

/// A yes (1) or no (0).
pub(super) fn flag(argument: &'static str, found: i32) -> Result<bool> {
    match found {
        0 | 1 => Ok(found == 1),
        _ => Err(invalid(argument, found, "0 or 1")),
    }
}

/// A number that is not NaN and not infinite.
pub(super) fn finite(argument: &'static str, found: f64) -> Result<()> {
    if found.is_finite() { Ok(()) } else { Err(invalid(argument, found, "a finite number")) }
}

/// A pointer that is not null.
pub(super) fn not_null<V>(argument: &'static str, pointer: *const V) -> Result<()> {
    if pointer.is_null() { Err(Error::Null { argument }) } else { Ok(()) }
}

/// A copy of an array.
///
/// # Safety
///
/// `pointer` is null or points to `len` readable numbers.
pub(super) unsafe fn read_array<T: Scalar>(argument: &'static str, pointer: *const T, len: usize) -> Result<Vec<T>> {
    // SAFETY: as the caller of this function vouches.
    unsafe { read_matrix(argument, pointer, 1, len, 0) }
}

/// A copy of a row-major matrix without its gaps; `stride` elements lie between the starts of rows, 0 for none in between.
///
/// # Safety
///
/// `pointer` is null or points to so many readable rows.
pub(super) unsafe fn read_matrix<T: Scalar>(
    argument: &'static str,
    pointer: *const T,
    rows: usize,
    columns: usize,
    stride: i64,
) -> Result<Vec<T>> {
    not_null(argument, pointer)?;
    let stride = row_stride(argument, rows, columns, stride)?;
    let len = elements(argument, rows, columns)?;
    let mut array: Vec<T> = Vec::new();
    array
        .try_reserve_exact(len)
        .map_err(|_| invalid(argument, format!("{len} elements"), "an array of which a copy fits in memory"))?;
    array.resize(len, T::ZERO);
    let (bytes, row) = (pointer.cast::<u8>(), columns * size_of::<T>());
    if stride == columns {
        // SAFETY: the caller vouches for the source; copied as bytes, so that alignment does not matter, and any bytes are
        // numbers.
        unsafe { ptr::copy_nonoverlapping(bytes, array.as_mut_ptr().cast(), rows * row) };
    } else {
        for (i, to) in array.chunks_exact_mut(columns.max(1)).enumerate() {
            // SAFETY: as above, for one row.
            unsafe { ptr::copy_nonoverlapping(bytes.add(i * stride * size_of::<T>()), to.as_mut_ptr().cast(), row) };
        }
    }
    Ok(array)
}

/// The elements between the starts of rows.
pub(super) fn row_stride(argument: &'static str, rows: usize, columns: usize, stride: i64) -> Result<usize> {
    let stride = match usize::try_from(stride) {
        Ok(0) => columns,
        Ok(stride) if stride >= columns => stride,
        _ => return Err(invalid(argument, format!("stride {stride}"), format!("0, or at least {columns}"))),
    };
    elements(argument, rows, stride)?;
    Ok(stride)
}

/// Copies an array over one that is there.
///
/// # Safety
///
/// `pointer` is null or points to `to.len()` readable numbers, outside of `to`.
pub(super) unsafe fn read_into<T: Scalar>(argument: &'static str, pointer: *const T, to: &mut [T]) -> Result<()> {
    not_null(argument, pointer)?;
    // SAFETY: as the caller of this function vouches; as bytes, so that alignment does not matter.
    unsafe { ptr::copy_nonoverlapping(pointer.cast::<u8>(), to.as_mut_ptr().cast(), size_of_val(to)) };
    Ok(())
}

/// Writes an array.
///
/// # Safety
///
/// `pointer` points to `values.len()` writable numbers, and not into `values`.
pub(super) unsafe fn write_array<T: Copy>(pointer: *mut T, values: &[T]) {
    // SAFETY: as the caller of this function vouches; as bytes, so that alignment does not matter.
    unsafe { ptr::copy_nonoverlapping(values.as_ptr().cast::<u8>(), pointer.cast::<u8>(), size_of_val(values)) }
}

/// Writes an array, if there is one.
///
/// # Safety
///
/// `pointer` is null or points to `values.len()` writable numbers, and not into `values`.
pub(super) unsafe fn write_optional<T: Copy>(pointer: *mut T, values: &[T]) {
    if !pointer.is_null() {
        // SAFETY: not null.
        unsafe { write_array(pointer, values) };
    }
}

/// A path, in UTF-8.
///
/// # Safety
///
/// `pointer` is null or points to a text that ends with a NUL.
pub(super) unsafe fn read_path<'a>(argument: &'static str, pointer: *const c_char) -> Result<&'a str> {
    not_null(argument, pointer)?;
    // SAFETY: as the caller of this function vouches.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str().map_err(|_| invalid(argument, "bytes that are no UTF-8", "a path in UTF-8"))
}

fn checked_size<S: Growing>(argument: &'static str, found: usize) -> Result<usize> {
    let expected = S::FIRST_SIZE;
    if found < expected {
        return Err(Error::StructSize { argument, found, expected });
    }
    if found > LARGEST_STRUCT {
        let expected = format!("from {expected} to {LARGEST_STRUCT}");
        return Err(invalid(argument, format!("struct_size {found}"), expected));
    }
    Ok(found)
}

/// The size that a struct declares in its first field, if it fits.
///
/// # Safety
///
/// `pointer` is null or points to a struct whose first field is readable.
pub(super) unsafe fn declared_size<S: Growing>(argument: &'static str, pointer: *const S) -> Result<usize> {
    not_null(argument, pointer)?;
    // SAFETY: the struct begins with a u32, by the contract of `Growing`.
    let declared = unsafe { pointer.cast::<u32>().read_unaligned() };
    checked_size::<S>(argument, declared as usize)
}

/// A copy of a caller's struct; fields that it does not know have the values in `defaults`.
///
/// # Safety
///
/// `pointer` is null or points to as many readable bytes as its first field says.
pub(super) unsafe fn read_struct<S: Growing>(argument: &'static str, pointer: *const S, defaults: S) -> Result<S> {
    // SAFETY: as the caller of this function vouches.
    let size = unsafe { declared_size(argument, pointer) }?;
    let bytes = pointer.cast::<u8>();
    for at in size_of::<S>()..size {
        // SAFETY: inside of the declared size.
        if unsafe { bytes.add(at).read() } != 0 {
            return Err(invalid(
                argument,
                format!("a field set at byte {at}"),
                format!("no field set past byte {}: this library is older than the header", size_of::<S>()),
            ));
        }
    }
    let mut value = defaults;
    // SAFETY: both are at least as long as the smaller of their sizes, and any bytes are an S (`Growing`).
    unsafe { ptr::copy_nonoverlapping(bytes, (&raw mut value).cast::<u8>(), size.min(size_of::<S>())) };
    // SAFETY: the second u32 of the struct, by the contract of `Growing`.
    match unsafe { (&raw const value).cast::<u32>().add(1).read() } {
        0 => Ok(value),
        reserved => Err(invalid(argument, format!("reserved {reserved}"), "reserved 0")),
    }
}

/// Writes a struct, except its `struct_size`, into a caller's of `size` bytes; fields unknown here become 0.
///
/// # Safety
///
/// `pointer` points to `size` writable bytes, at least 4.
pub(super) unsafe fn write_struct<S: Growing>(pointer: *mut S, size: usize, value: &S) {
    let known = size.min(size_of::<S>());
    let skipped = size_of::<u32>();
    let (from, to) = (ptr::from_ref(value).cast::<u8>(), pointer.cast::<u8>());
    // SAFETY: `known` is inside of both, `size` inside of the caller's.
    unsafe {
        ptr::copy_nonoverlapping(from.add(skipped), to.add(skipped), known - skipped);
        ptr::write_bytes(to.add(known), 0, size - known);
    }
}

/// Fills a caller's struct with defaults and its size.
///
/// # Safety
///
/// `pointer` is null or points to `size` writable bytes.
pub(super) unsafe fn init_struct<S: Growing>(
    argument: &'static str,
    pointer: *mut S,
    size: usize,
    defaults: &S,
) -> Result<()> {
    not_null(argument, pointer)?;
    let size = checked_size::<S>(argument, size)?;
    // SAFETY: the size has just been checked to hold both fields; the rest is as the caller of this function vouches.
    unsafe {
        write_struct(pointer, size, defaults);
        pointer.cast::<u32>().write_unaligned(size as u32);
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[repr(C)]
    #[derive(Debug, Clone, Copy, PartialEq)]
    struct Grown {
        struct_size: u32,
        reserved: u32,
        first: f64,
        added: f64,
    }

    // SAFETY: two u32 and doubles, no padding.
    unsafe impl Growing for Grown {
        const FIRST_SIZE: usize = 16;
    }

    const DEFAULTS: Grown = Grown { struct_size: 24, reserved: 0, first: 1.0, added: 2.0 };

    #[test]
    fn a_caller_with_an_older_header_gets_the_defaults_of_new_fields() {
        let old = Grown { struct_size: 16, reserved: 0, first: 5.0, added: f64::NAN };
        // SAFETY: a whole struct is there.
        let read = unsafe { read_struct("x", &old, DEFAULTS) }.unwrap();
        assert_eq!((read.first, read.added), (5.0, 2.0));
        let mut out = old;
        // SAFETY: as above.
        unsafe { write_struct(&mut out, 16, &DEFAULTS) };
        assert_eq!((out.struct_size, out.first), (16, 1.0));
        assert!(out.added.is_nan(), "written past the declared size");
    }

    #[test]
    fn a_caller_with_a_newer_header_may_not_set_what_is_unknown_here() {
        #[repr(C)]
        struct Newer {
            known: Grown,
            unknown: f64,
        }
        let mut newer = Newer { known: DEFAULTS, unknown: 9.0 };
        let known = (&raw mut newer).cast::<Grown>();
        // SAFETY: a struct of 32 bytes is there.
        unsafe { init_struct("x", known, 32, &DEFAULTS) }.unwrap();
        assert_eq!((newer.known.struct_size, newer.unknown), (32, 0.0));
        // SAFETY: as above.
        assert_eq!(unsafe { read_struct("x", (&raw const newer).cast(), DEFAULTS) }.unwrap().added, 2.0);
        newer.unknown = 9.0;
        // SAFETY: as above.
        let error = unsafe { read_struct::<Grown>("x", (&raw const newer).cast(), DEFAULTS) }.unwrap_err();
        assert!(matches!(error, Error::Invalid { argument: "x", .. }), "{error}");
    }
}
