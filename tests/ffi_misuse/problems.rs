//! Problems that cannot be made, and callbacks that fail.

use crate::support::*;
use blo::ffi::*;
use std::ptr::{null, null_mut};

#[test]
fn quadratic_null_pointers() {
    let terms = Terms::sound();
    for (i, name) in NAMES.into_iter().enumerate() {
        let mut pointers = terms.pointers();
        pointers[i] = null();
        let mut problem = std::ptr::dangling_mut();
        refused(terms.create_with(pointers, &mut problem), BLO_ERR_NULL, name, &["null"]);
        assert!(problem.is_null());
    }
    refused(terms.create_with(terms.pointers(), null_mut()), BLO_ERR_NULL, "problem", &["null"]);
}

#[test]
fn quadratic_sizes() {
    for bad in [0, -1, i64::MIN] {
        let expected = ["1 or above", &format!("found {bad}")];
        Terms { sizes: (bad, 2), ..Terms::sound() }.refused(BLO_ERR_INVALID, "n_outer", &expected);
        Terms { sizes: (2, bad), ..Terms::sound() }.refused(BLO_ERR_INVALID, "n_inner", &expected);
    }
    for huge in [1 << 31, 1 << 32, (1 << 60) - 1, i64::MAX] {
        Terms { sizes: (huge, 2), ..Terms::sound() }.refused(BLO_ERR_INVALID, "n_outer", &["elements", "at most"]);
        Terms { sizes: (2, huge), ..Terms::sound() }.refused(BLO_ERR_INVALID, "n_inner", &["elements", "at most"]);
    }
}

#[test]
fn quadratic_values() {
    for bad in NOT_FINITE {
        let shown = format!("found {bad} at index");
        for (i, name) in NAMES.into_iter().enumerate() {
            let mut terms = Terms::sound();
            terms.arrays[i][1] = bad;
            terms.refused(BLO_ERR_NON_FINITE, name, &[&shown, "index 1"]);
        }
        Terms { scalars: (bad, 0.0), ..Terms::sound() }.refused(BLO_ERR_NON_FINITE, "c", &[&shown]);
        Terms { scalars: (0.0, bad), ..Terms::sound() }.refused(BLO_ERR_NON_FINITE, "h", &[&shown]);
    }
    for (i, name) in [(0, "A"), (2, "C"), (5, "P")] {
        let mut terms = Terms::sound();
        terms.arrays[i][1] = 0.5;
        terms.refused(BLO_ERR_ASYMMETRIC, name, &["symmetric", "5e-1"]);
    }
    for (i, name) in [(0, "A"), (5, "P")] {
        let mut terms = Terms::sound();
        terms.arrays[i][3] = -3.0;
        terms.refused(BLO_ERR_INDEFINITE, name, &["-3e0", "positive semidefinite"]);
    }
}

#[test]
fn callbacks_null_and_sizes() {
    let create = |sizes: (i64, i64), callbacks: *const CallbacksF64| {
        let mut problem = std::ptr::dangling_mut();
        // SAFETY: a whole struct or null.
        let status = unsafe { blo_problem_create_callbacks_f64(sizes.0, sizes.1, callbacks, null_mut(), &mut problem) };
        assert!(problem.is_null());
        status
    };
    refused(create((2, 2), null()), BLO_ERR_NULL, "callbacks", &["null"]);
    // SAFETY: null is refused.
    let status = unsafe { blo_problem_create_callbacks_f64(2, 2, &callbacks(), null_mut(), null_mut()) };
    refused(status, BLO_ERR_NULL, "problem", &["null"]);
    for (name, callbacks) in [
        ("callbacks.inner", CallbacksF64 { inner: None, ..callbacks() }),
        ("callbacks.outer", CallbacksF64 { outer: None, ..callbacks() }),
        ("callbacks.hvp", CallbacksF64 { hvp: None, ..callbacks() }),
        ("callbacks.mixed_vjp", CallbacksF64 { mixed_vjp: None, ..callbacks() }),
    ] {
        refused(create((2, 2), &callbacks), BLO_ERR_NULL, name, &["null"]);
    }
    for size in [0, 4, size_of::<CallbacksF64>() as u32 - 1] {
        let short = CallbacksF64 { struct_size: size, ..callbacks() };
        refused(create((2, 2), &short), BLO_ERR_STRUCT_SIZE, "callbacks", &[&format!("struct_size {size}")]);
    }
    refused(create((2, 2), &CallbacksF64 { reserved: 3, ..callbacks() }), BLO_ERR_INVALID, "callbacks", &["3"]);
    for bad in [0, -1, i64::MAX] {
        refused(create((bad, 2), &callbacks()), BLO_ERR_INVALID, "n_outer", &[]);
        refused(create((2, bad), &callbacks()), BLO_ERR_INVALID, "n_inner", &[]);
    }
}

#[test]
fn callbacks_that_fail() {
    let names = ["inner", "outer", "hvp", "mixed_vjp"];
    // Unrolling calls all four.
    let all = EstimatorOptions { steps: 3, alpha: 0.1, ..estimator(BLO_ESTIMATOR_UNROLLED) };
    for (which, name) in names.into_iter().enumerate() {
        let mut data = Spoilt::default();
        data.code[which] = -3 - which as i32;
        let parts = [name, &data.code[which].to_string()];
        let problem = Handle::callbacks(&mut data);
        refused(hypergradient(&problem, &all), BLO_ERR_CALLBACK, "callback", &parts);
        refused(run(&problem, &run_options(), &usable(BLO_ESTIMATOR_CG)).0, BLO_ERR_CALLBACK, "callback", &parts);
        for bad in NOT_FINITE {
            let mut data = Spoilt::default();
            data.value[which] = Some(bad);
            let problem = Handle::callbacks(&mut data);
            let parts = [&format!("callback {name}"), &format!("found {bad} at index 1")];
            refused(hypergradient(&problem, &all), BLO_ERR_NON_FINITE, "", &parts.map(String::as_str));
        }
    }
    let mut data = Spoilt { silent: true, ..Spoilt::default() };
    let problem = Handle::callbacks(&mut data);
    refused(hypergradient(&problem, &all), BLO_ERR_NON_FINITE, "value of callback inner", &["NaN"]);
    refused(
        hypergradient(&problem, &usable(BLO_ESTIMATOR_CG)),
        BLO_ERR_NON_FINITE,
        "value of callback outer",
        &["NaN"],
    );
}
