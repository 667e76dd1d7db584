//! The C interface used wrongly: every mistake has its status and a message that names argument, found and expected.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod calls;
#[path = "../common/dlpack.rs"]
mod dlpack;
mod options;
mod problems;
mod support;
mod sweep;
mod threads;

use blo::Error;
use blo::bilevel::RunEnding;
use blo::ffi::*;
use blo::solve::Ending;
use std::ffi::CStr;
use std::ptr::null_mut;
use support::{Handle, Terms, message};

#[test]
fn constants_are_those_of_the_library() {
    let argument = "x";
    let (found, expected) = (String::new(), String::new());
    for (constant, error) in [
        (BLO_ERR_NULL, Error::Null { argument }),
        (BLO_ERR_INVALID, Error::Invalid { argument, found, expected }),
        (BLO_ERR_SHAPE, Error::Shape { argument, found: 1, expected: 2 }),
        (BLO_ERR_NON_FINITE, Error::NonFinite { argument, index: 0, found: 0.0 }),
        (BLO_ERR_STRUCT_SIZE, Error::StructSize { argument, found: 1, expected: 2 }),
        (BLO_ERR_ASYMMETRIC, Error::Asymmetric { argument, row: 0, column: 0, difference: 1.0 }),
        (BLO_ERR_INDEFINITE, Error::Indefinite { argument, eigenvalue: -1.0, floor: 0.0 }),
        (BLO_ERR_DECOMPOSITION, Error::Decomposition { argument }),
        (BLO_ERR_UNSUPPORTED, Error::Unsupported { operation: "x", reason: "y" }),
        (BLO_ERR_FILE, Error::File { path: "x".to_owned(), reason: "y".to_owned() }),
        (BLO_ERR_CALLBACK, Error::Callback { name: "x", code: 1 }),
        (BLO_ERR_NO_DEVICE, Error::NoDevice { reason: String::new() }),
        (BLO_ERR_DEVICE_MEMORY, Error::DeviceMemory { bytes: 1 }),
        (BLO_ERR_DEVICE, Error::Device { operation: "x", reason: String::new() }),
        (BLO_ERR_PANIC, Error::Panic { message: String::new() }),
    ] {
        assert_eq!(constant, error.status(), "{error:?}");
        // SAFETY: a static text.
        let text = unsafe { CStr::from_ptr(blo_status_text(constant)) };
        assert_ne!(text, c"unknown status", "{error:?}");
    }
    for (constant, ending) in [
        (BLO_ENDING_COMPLETED, Ending::Completed),
        (BLO_ENDING_CONVERGED, Ending::Converged),
        (BLO_ENDING_PRODUCT_LIMIT, Ending::ProductLimit),
        (BLO_ENDING_NON_CONTRACTIVE, Ending::NonContractive),
        (BLO_ENDING_NEGATIVE_CURVATURE, Ending::NegativeCurvature),
        (BLO_ENDING_SINGULAR, Ending::Singular),
        (BLO_ENDING_STALLED, Ending::Stalled),
    ] {
        assert_eq!(constant, ending.number());
    }
    for (constant, ending) in [
        (BLO_RUN_CONVERGED, RunEnding::Converged),
        (BLO_RUN_STEP_LIMIT, RunEnding::StepLimit),
        (BLO_RUN_STOPPED, RunEnding::Stopped),
        (BLO_RUN_INNER_DIVERGED, RunEnding::InnerDiverged),
        (BLO_RUN_OUTER_DIVERGED, RunEnding::OuterDiverged),
        (BLO_RUN_STALLED, RunEnding::Stalled),
    ] {
        assert_eq!(constant, ending.number());
    }
}

#[test]
fn texts_of_all_numbers() {
    for status in [i32::MIN, -101, -8, 1, i32::MAX] {
        // SAFETY: a static text.
        assert_eq!(unsafe { CStr::from_ptr(blo_status_text(status)) }, c"unknown status");
    }
    // SAFETY: a static text.
    assert_eq!(unsafe { CStr::from_ptr(blo_version()) }.to_str().unwrap(), env!("CARGO_PKG_VERSION"));
    assert_eq!(blo_abi_version(), BLO_ABI_VERSION);
}

#[test]
fn the_message_is_cut_and_kept() {
    Terms { sizes: (2, -7), ..Terms::sound() }.refused(BLO_ERR_INVALID, "n_inner", &["-7"]);
    let whole = message();
    for capacity in 1..whole.len() + 4 {
        let mut buffer = vec![b'#'; capacity + 1];
        let mut needed = 0;
        // SAFETY: the buffer is longer than stated.
        assert_eq!(unsafe { blo_last_error(buffer.as_mut_ptr().cast(), capacity, &mut needed) }, BLO_OK);
        assert_eq!(needed, whole.len() + 1);
        let text = CStr::from_bytes_until_nul(&buffer).unwrap().to_str().unwrap();
        assert_eq!(text, &whole[..whole.len().min(capacity - 1)]);
        assert_eq!(buffer[capacity], b'#', "written past the capacity");
    }
    // SAFETY: null is refused.
    assert_eq!(unsafe { blo_last_error(null_mut(), 3, null_mut()) }, BLO_ERR_NULL);
    // SAFETY: null is fine.
    unsafe { blo_problem_destroy_f64(null_mut()) };
    assert_eq!(message(), whole);
    let other = std::thread::spawn(message).join().unwrap();
    assert_eq!(other, "", "messages belong to their threads");
    drop(Handle::quadratic());
    assert_eq!(message(), "", "a call that succeeded");
}
