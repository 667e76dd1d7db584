//! Problems that cannot be made, and callbacks that fail.

use crate::support::*;
use blo::ffi::*;
use std::ptr::{null, null_mut};

#[test]
fn quadratic_null_pointers() {
    let terms = Terms::sound();
    for (i, name) in [(0, "a"), (1, "b"), (5, "p")] {
        let mut pointers = terms.pointers();
        pointers[i] = null();
        let mut problem = std::ptr::dangling_mut();
        refused(terms.create_with(pointers, &mut problem), BLO_ERR_NULL, name, &["null"]);
        assert!(problem.is_null());
    }
    refused(terms.create_with(terms.pointers(), null_mut()), BLO_ERR_NULL, "problem", &["null"]);
    // The others are then zero.
    let [a, b, .., p, _] = terms.pointers();
    let mut problem = Handle(null_mut());
    assert_eq!(terms.create_with([a, b, null(), null(), null(), p, null()], &mut problem.0), BLO_OK, "{}", message());
}

#[test]
fn matrices_with_gaps() {
    // Columns 0 and 1 of three; what is in the gaps is not looked at.
    let gaps = |x: [f64; 4]| [x[0], x[1], f64::NAN, x[2], x[3], f64::NAN];
    let terms = Terms::sound();
    let [a, b, p] = [A, B, P].map(gaps);
    let mut pointers = terms.pointers();
    (pointers[0], pointers[1], pointers[5]) = (a.as_ptr(), b.as_ptr(), p.as_ptr());
    let tight = Handle::quadratic();
    let mut wide = Handle(null_mut());
    let strided = Quadratics { a_stride: 3, b_stride: 3, p_stride: 3, ..terms.with(pointers) };
    // SAFETY: the arrays have two rows of three, but for the last gap.
    assert_eq!(unsafe { blo_problem_create_quadratic_f64(&strided, &mut wide.0) }, BLO_OK, "{}", message());
    let hypergradient = |problem: &Handle| {
        let (work, mut g) = (Work::of(problem), [0.0; 2]);
        // SAFETY: a living handle and arrays of its sizes.
        let status = unsafe {
            let (u, w) = (U.as_ptr(), W.as_ptr());
            blo_hypergradient_f64(work.0, null(), u, 2, w, 2, g.as_mut_ptr(), null_mut(), null_mut())
        };
        assert_eq!(status, BLO_OK, "{}", message());
        g
    };
    assert_eq!(hypergradient(&wide), hypergradient(&tight));
    for bad in [1, -3, i64::MIN, i64::MAX] {
        let mut none = null_mut();
        // SAFETY: strides are checked before anything is read.
        let status = unsafe { blo_problem_create_quadratic_f64(&Quadratics { b_stride: bad, ..strided }, &mut none) };
        refused(status, BLO_ERR_INVALID, "b", &[&bad.to_string()]);
    }
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
            // The library calls matrices by their letters.
            let name = if [0, 1, 2, 5].contains(&i) { name.to_uppercase() } else { name.to_owned() };
            terms.refused(BLO_ERR_NON_FINITE, &name, &[&shown, "index 1"]);
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
    let create = |sizes: (i64, i64), callbacks: *const Callbacks<f64>| {
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
        ("callbacks.inner", Callbacks { inner: None, ..callbacks() }),
        ("callbacks.outer", Callbacks { outer: None, ..callbacks() }),
        ("callbacks.hvp", Callbacks { hvp: None, ..callbacks() }),
        ("callbacks.mixed_vjp", Callbacks { mixed_vjp: None, ..callbacks() }),
    ] {
        refused(create((2, 2), &callbacks), BLO_ERR_NULL, name, &["null"]);
    }
    for size in [0, 4, size_of::<Callbacks<f64>>() as u32 - 1] {
        let short = Callbacks { struct_size: size, ..callbacks() };
        refused(create((2, 2), &short), BLO_ERR_STRUCT_SIZE, "callbacks", &[&format!("struct_size {size}")]);
    }
    refused(create((2, 2), &Callbacks { reserved: 3, ..callbacks() }), BLO_ERR_INVALID, "callbacks", &["3"]);
    for bad in [0, -1, i64::MAX] {
        refused(create((bad, 2), &callbacks()), BLO_ERR_INVALID, "n_outer", &[]);
        refused(create((2, bad), &callbacks()), BLO_ERR_INVALID, "n_inner", &[]);
    }
}

#[test]
fn callbacks_that_fail() {
    let names = ["inner", "outer", "hvp", "mixed_vjp"];
    // Unrolling calls all four.
    let all = usable(BLO_ESTIMATOR_UNROLLED);
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
