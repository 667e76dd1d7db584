//! Status numbers and their texts, the last message, the version.

use super::args::{not_null, write_optional};
use super::guard::{contain, last_message};
use std::ffi::{CStr, c_char};
use std::ptr;

/// What a call returns: BLO_OK, or one of the negative BLO_ERR_ numbers. Numbers are never reused.
pub type Status = i32;

/// Success.
pub const BLO_OK: i32 = 0;
/// A pointer that must not be NULL was NULL.
pub const BLO_ERR_NULL: i32 = -1;
/// A value out of its range, or an unknown choice.
pub const BLO_ERR_INVALID: i32 = -2;
/// A size that is not the problem's.
pub const BLO_ERR_SHAPE: i32 = -3;
/// NaN or an infinity in an array, or in what a callback wrote.
pub const BLO_ERR_NON_FINITE: i32 = -4;
/// A struct whose struct_size is below the first released size; was its init function called?
pub const BLO_ERR_STRUCT_SIZE: i32 = -5;
/// A handle that another call is using: of another thread, or the one from which a callback was called.
pub const BLO_ERR_BUSY: i32 = -6;
/// A handle that BLO_ERR_PANIC left half-done; it can only be destroyed.
pub const BLO_ERR_POISONED: i32 = -7;
/// A matrix that has to be symmetric is not.
pub const BLO_ERR_ASYMMETRIC: i32 = -20;
/// A matrix that has to be positive semidefinite has a negative eigenvalue.
pub const BLO_ERR_INDEFINITE: i32 = -21;
/// An eigendecomposition did not converge.
pub const BLO_ERR_DECOMPOSITION: i32 = -22;
/// The problem cannot do what was asked; the message says what can.
pub const BLO_ERR_UNSUPPORTED: i32 = -40;
/// A file of a saved run cannot be written, read or used.
pub const BLO_ERR_FILE: i32 = -41;
/// A callback returned other than 0; the message names it and has its number.
pub const BLO_ERR_CALLBACK: i32 = -60;
/// No GPU to work on: no driver, one that is too old, no device, or a library built without CUDA. The message says which.
pub const BLO_ERR_NO_DEVICE: i32 = -80;
/// The GPU's memory does not suffice. What was made on the device is of no use after it.
pub const BLO_ERR_DEVICE_MEMORY: i32 = -81;
/// A call of the GPU's driver failed, maybe for earlier work; the message has the driver's words. What was made on the
/// device is of no use after it.
pub const BLO_ERR_DEVICE: i32 = -82;
/// A bug of this library was contained; Rust may have written about it to stderr. A handle
/// that the call was changing is poisoned.
pub const BLO_ERR_PANIC: i32 = -100;

/// The version of this binary interface: programs built for one run with every library that has the same. 0: not
/// frozen yet.
pub const BLO_ABI_VERSION: i32 = 0;

const TEXTS: [(Status, &CStr); 18] = [
    (BLO_OK, c"success"),
    (BLO_ERR_NULL, c"a required pointer is NULL"),
    (BLO_ERR_INVALID, c"a value is out of its range"),
    (BLO_ERR_SHAPE, c"a size does not fit the problem"),
    (BLO_ERR_NON_FINITE, c"a number is NaN or infinite"),
    (BLO_ERR_STRUCT_SIZE, c"a struct_size is too small; call the struct's init function"),
    (BLO_ERR_BUSY, c"another call is using the handle"),
    (BLO_ERR_POISONED, c"an internal error left the handle half-done; destroy it"),
    (BLO_ERR_ASYMMETRIC, c"a matrix is not symmetric"),
    (BLO_ERR_INDEFINITE, c"a matrix is not positive semidefinite"),
    (BLO_ERR_DECOMPOSITION, c"an eigendecomposition did not converge"),
    (BLO_ERR_UNSUPPORTED, c"the problem cannot do what was asked"),
    (BLO_ERR_FILE, c"a file cannot be written, read or used"),
    (BLO_ERR_CALLBACK, c"a callback failed"),
    (BLO_ERR_NO_DEVICE, c"there is no GPU to work on"),
    (BLO_ERR_DEVICE_MEMORY, c"the GPU's memory does not suffice"),
    (BLO_ERR_DEVICE, c"the GPU's driver failed"),
    (BLO_ERR_PANIC, c"internal error, please report it"),
];

/// What a status means, in a few words.
///
/// - status [in]: any number, known or not
///
/// Returns a static text, never NULL. blo_last_error has the particulars of a failure.
#[unsafe(no_mangle)]
pub extern "C" fn blo_status_text(status: Status) -> *const c_char {
    let text = contain(|| TEXTS.iter().find(|(number, _)| *number == status).map(|(_, text)| text.as_ptr()));
    text.ok().flatten().unwrap_or(c"unknown status".as_ptr())
}

/// Copies the message of the last call that this thread made: argument, what was found, what was expected.
///
/// - buffer [out, capacity bytes]: the message, cut if it does not fit, always closed by a NUL; NULL if capacity is
///   0
/// - capacity [in]: the size of buffer
/// - needed [out]: the capacity that holds the whole message and its NUL; may be NULL
///
/// The message is empty after a call that succeeded. Every function that returns a blo_status replaces it, except
/// this one; destroy functions leave it alone too. The message is for people: programs should decide by the status.
///
/// Returns BLO_ERR_NULL if buffer is NULL and capacity is not 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_last_error(buffer: *mut c_char, capacity: usize, needed: *mut usize) -> Status {
    let body = || -> crate::Result<()> {
        if capacity > 0 {
            not_null("buffer", buffer)?;
        }
        // SAFETY: the caller vouches for the buffer and the place of the number.
        unsafe { copy_text(&last_message(), buffer, capacity, needed) };
        Ok(())
    };
    match contain(body) {
        Ok(Ok(())) => BLO_OK,
        Ok(Err(crate::Error::Null { .. })) => BLO_ERR_NULL,
        _ => BLO_ERR_PANIC,
    }
}

/// Copies a text into a caller's buffer, cut if it does not fit, and closed by a NUL.
///
/// # Safety
///
/// `buffer` has `capacity` writable bytes; `needed` is null or writable.
pub(super) unsafe fn copy_text(text: &str, buffer: *mut c_char, capacity: usize, needed: *mut usize) {
    // SAFETY: as the caller vouches.
    unsafe { write_optional(needed, &[text.len() + 1]) };
    if capacity == 0 {
        return;
    }
    let mut len = text.len().min(capacity - 1);
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    // SAFETY: len + 1 bytes are within the buffer's capacity.
    unsafe {
        ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast::<u8>(), len);
        buffer.add(len).write(0);
    }
}

/// The version of the library, such as "1.2.3": a static text.
#[unsafe(no_mangle)]
pub extern "C" fn blo_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// BLO_ABI_VERSION of the library; compare it with that of the header.
#[unsafe(no_mangle)]
pub extern "C" fn blo_abi_version() -> i32 {
    BLO_ABI_VERSION
}

/// capabilities: AVX2 and FMA kernels are used on this machine.
pub const BLO_CAPABILITY_AVX2: u64 = 1;
/// capabilities: AVX-512 kernels are used on this machine.
pub const BLO_CAPABILITY_AVX512: u64 = 2;
/// capabilities: there is an NVIDIA GPU that problems can run on; see blo_device_open.
pub const BLO_CAPABILITY_CUDA: u64 = 4;

/// What this build can do on this machine: a sum of BLO_CAPABILITY_ bits. The same for the life of the process. Every
/// function exists in every build.
#[unsafe(no_mangle)]
pub extern "C" fn blo_capabilities() -> u64 {
    // Sets of instructions are ordered, and each has those before it.
    contain(|| {
        let host = match crate::cpu::Simd::available().len() {
            0 | 1 => 0,
            2 => BLO_CAPABILITY_AVX2,
            _ => BLO_CAPABILITY_AVX2 | BLO_CAPABILITY_AVX512,
        };
        if super::device::Gpu::count() > 0 { host | BLO_CAPABILITY_CUDA } else { host }
    })
    .unwrap_or(0)
}
