//! Problem handles.

use super::args::{Growing, dimension, elements, not_null, read_array, read_struct};
use super::guard::{contain, guard};
use super::status::Status;
use crate::problem::{InnerTerms, OuterTerms, Problem, Quadratic, UserProblem};
use crate::solve::Space;
use crate::{Error, Result};
use std::ffi::c_void;
use std::ptr;

/// A bilevel problem in doubles: u of n_outer and w of n_inner elements.
///
/// Made by a blo_problem_create function, ended by blo_problem_destroy_f64. Immutable after creation: any number of
/// threads may use one at the same time, if its callbacks allow that.
pub struct ProblemF64(pub(super) Kind);

/// What a handle holds. Matched once in each call; what follows is generic.
pub(super) enum Kind {
    Quadratic(Quadratic<f64>),
    User(UserProblem<f64>),
}

impl Kind {
    /// The lengths of u and w.
    pub(super) fn dimensions(&self) -> (usize, usize) {
        fn of<P: Problem<f64>>(problem: &P) -> (usize, usize) {
            (problem.outer_space().len(), problem.inner_space().len())
        }
        match self {
            Kind::Quadratic(problem) => of(problem),
            Kind::User(problem) => of(problem),
        }
    }
}

/// The inner objective: *value = f(u, w), gradient = (partial f / partial w).
///
/// - u [in, n_outer], w [in, n_inner]: where
/// - value [out, 1]
/// - gradient [out, n_inner]
/// - user_data: as given at creation
///
/// Returns 0, or another number to fail.
pub type InnerF64 = Option<
    unsafe extern "C" fn(
        n_outer: i64,
        n_inner: i64,
        u: *const f64,
        w: *const f64,
        value: *mut f64,
        gradient: *mut f64,
        user_data: *mut c_void,
    ) -> i32,
>;

/// The outer objective: *value = F(u, w), gradient_u = (partial F / partial u), gradient_w = (partial F / partial
/// w).
///
/// - u [in, n_outer], w [in, n_inner]: where
/// - value [out, 1]
/// - gradient_u [out, n_outer], gradient_w [out, n_inner]
/// - user_data: as given at creation
///
/// Returns 0, or another number to fail.
pub type OuterF64 = Option<
    unsafe extern "C" fn(
        n_outer: i64,
        n_inner: i64,
        u: *const f64,
        w: *const f64,
        value: *mut f64,
        gradient_u: *mut f64,
        gradient_w: *mut f64,
        user_data: *mut c_void,
    ) -> i32,
>;

/// A product with second derivatives of f at (u, w). With H = d2f/dw dw' (n_inner x n_inner, symmetric) and
/// M = d2f/dw du' (n_inner x n_outer):
///
/// - hvp: out = H v, with v and out of n_inner elements
/// - mixed_vjp: out = M' v, with v of n_inner and out of n_outer elements
/// - mixed_jvp: out = M v, with v of n_outer and out of n_inner elements
///
/// Returns 0, or another number to fail.
pub type ProductF64 = Option<
    unsafe extern "C" fn(
        n_outer: i64,
        n_inner: i64,
        u: *const f64,
        w: *const f64,
        v: *const f64,
        out: *mut f64,
        user_data: *mut c_void,
    ) -> i32,
>;

/// The functions of a callback problem. Set the struct to zero, struct_size to its size, then the functions.
///
/// Rules for each: it is called on the thread that called the library; its arrays are valid until it returns;
/// outputs hold zeros on entry (*value: NaN) and must be written in full; NaN or an infinity in them is
/// BLO_ERR_NON_FINITE with the function named. A return other than 0 ends the call with BLO_ERR_CALLBACK. It must
/// return: no C++ exception and no longjmp may leave it. It may call this library, also with the same problem.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CallbacksF64 {
    /// sizeof(blo_callbacks_f64).
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// f and its gradient.
    pub inner: InnerF64,
    /// F and its gradients.
    pub outer: OuterF64,
    /// H v.
    pub hvp: ProductF64,
    /// M' v.
    pub mixed_vjp: ProductF64,
    /// M v; may be NULL. For what differentiates forward, which nothing in this version does.
    pub mixed_jvp: ProductF64,
}

// SAFETY: two u32, then nullable function pointers; a null tail is `None`.
unsafe impl Growing for CallbacksF64 {
    const FIRST_SIZE: usize = 8 + 5 * size_of::<*const c_void>();
}

const _: () = assert!(size_of::<CallbacksF64>() == CallbacksF64::FIRST_SIZE);

/// Makes a problem of two quadratics: f(u, w) = w'A w / 2 + w'B u + u'C u / 2 + d'w + e'u + c and
/// F(u, w) = w'P w / 2 + f'w + h.
///
/// - n_outer, n_inner [in]: the lengths of u and w, 1 or above
/// - A [in, n_inner x n_inner]: symmetric, positive semidefinite; may be singular
/// - B [in, n_inner x n_outer]
/// - C [in, n_outer x n_outer]: symmetric
/// - d [in, n_inner], e [in, n_outer], c [in]
/// - P [in, n_inner x n_inner]: symmetric, positive semidefinite
/// - f [in, n_inner], h [in]
/// - problem [out]: the problem, NULL after an error; end it with blo_problem_destroy_f64
///
/// Matrices are row-major without gaps. All arrays are copied.
///
/// Errors: BLO_ERR_NULL; BLO_ERR_INVALID for a size below 1, or so large that a matrix cannot exist;
/// BLO_ERR_NON_FINITE; BLO_ERR_ASYMMETRIC for A, C or P; BLO_ERR_INDEFINITE for A or P.
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the names of the formula")]
pub unsafe extern "C" fn blo_problem_create_quadratic_f64(
    n_outer: i64,
    n_inner: i64,
    A: *const f64,
    B: *const f64,
    C: *const f64,
    d: *const f64,
    e: *const f64,
    c: f64,
    P: *const f64,
    f: *const f64,
    h: f64,
    problem: *mut *mut ProblemF64,
) -> Status {
    let body = || {
        let (m, n) = (dimension("n_outer", n_outer)?, dimension("n_inner", n_inner)?);
        let mm = elements("n_outer", m, m)?;
        let nn = elements("n_inner", n, n)?;
        let nm = elements("n_inner", n, m)?;
        // No array is read before all of them are known to be there.
        for (argument, pointer) in [("A", A), ("B", B), ("C", C), ("d", d), ("e", e), ("P", P), ("f", f)] {
            not_null(argument, pointer)?;
        }
        // SAFETY: the caller vouches for arrays of these sizes.
        let (inner, outer) = unsafe {
            let inner = InnerTerms {
                a: read_array("A", A, nn)?,
                b: read_array("B", B, nm)?,
                c: read_array("C", C, mm)?,
                d: read_array("d", d, n)?,
                e: read_array("e", e, m)?,
                constant: c,
            };
            (inner, OuterTerms { p: read_array("P", P, nn)?, f: read_array("f", f, n)?, h })
        };
        Ok(Kind::Quadratic(Quadratic::new(n, m, inner, outer)?))
    };
    // SAFETY: the caller vouches for the place of the handle.
    guard(|| unsafe { create(problem, body) })
}

/// Makes a problem of the caller's functions.
///
/// - n_outer, n_inner [in]: the lengths of u and w, 1 or above
/// - callbacks [in]: the functions; the struct is copied
/// - user_data [in]: passed to each of them; may be NULL; lent until the problem is destroyed
/// - problem [out]: the problem, NULL after an error; end it with blo_problem_destroy_f64
///
/// Errors: BLO_ERR_NULL, also for a missing function other than mixed_jvp; BLO_ERR_INVALID for a size below 1;
/// BLO_ERR_STRUCT_SIZE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_problem_create_callbacks_f64(
    n_outer: i64,
    n_inner: i64,
    callbacks: *const CallbacksF64,
    user_data: *mut c_void,
    problem: *mut *mut ProblemF64,
) -> Status {
    let body = || {
        let (m, n) = (dimension("n_outer", n_outer)?, dimension("n_inner", n_inner)?);
        let none = CallbacksF64 {
            struct_size: 0,
            reserved: 0,
            inner: None,
            outer: None,
            hvp: None,
            mixed_vjp: None,
            mixed_jvp: None,
        };
        // SAFETY: the caller vouches for a struct of the size in its first field.
        let callbacks = unsafe { read_struct("callbacks", callbacks, none) }?;
        user_problem(m, n, &callbacks, user_data).map(Kind::User)
    };
    // SAFETY: the caller vouches for the place of the handle.
    guard(|| unsafe { create(problem, body) })
}

/// Ends a problem and sets *problem to NULL.
///
/// - problem [in, out]: the place of the handle; NULL, or a place that holds NULL, is fine
///
/// No call may be using the problem. Leaves the message of blo_last_error alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_problem_destroy_f64(problem: *mut *mut ProblemF64) {
    // A panic in a destructor has nobody to be told to.
    let _ = contain(|| {
        if problem.is_null() {
            return;
        }
        // SAFETY: not null, so the place of a handle, which is null or was made by `create` and not yet ended.
        let handle = unsafe { problem.replace(ptr::null_mut()) };
        if !handle.is_null() {
            // SAFETY: as above: `create` made it with `Box::into_raw`.
            drop(unsafe { Box::from_raw(handle) });
        }
    });
}

/// Puts a new handle into its place.
///
/// # Safety
///
/// `place` is null or writable.
unsafe fn create(place: *mut *mut ProblemF64, body: impl FnOnce() -> Result<Kind>) -> Result<()> {
    not_null("problem", place)?;
    // SAFETY: not null.
    unsafe { place.write(ptr::null_mut()) };
    let kind = body()?;
    // SAFETY: not null.
    unsafe { place.write(Box::into_raw(Box::new(ProblemF64(kind)))) };
    Ok(())
}

/// The problem behind a handle.
///
/// # Safety
///
/// `problem` is null or a handle that is not ended for as long as the reference lives.
pub(super) unsafe fn borrow<'a>(problem: *const ProblemF64) -> Result<&'a Kind> {
    not_null("problem", problem)?;
    // SAFETY: not null, and as the caller of this function vouches. Handles are never borrowed mutably.
    Ok(unsafe { &(*problem).0 })
}

fn returned(name: &'static str, code: i32) -> Result<()> {
    if code == 0 { Ok(()) } else { Err(Error::Callback { name, code }) }
}

fn user_problem(m: usize, n: usize, callbacks: &CallbacksF64, data: *mut c_void) -> Result<UserProblem<f64>> {
    let inner = callbacks.inner.ok_or(Error::Null { argument: "callbacks.inner" })?;
    let outer = callbacks.outer.ok_or(Error::Null { argument: "callbacks.outer" })?;
    let hvp = callbacks.hvp.ok_or(Error::Null { argument: "callbacks.hvp" })?;
    let mixed_vjp = callbacks.mixed_vjp.ok_or(Error::Null { argument: "callbacks.mixed_vjp" })?;
    let (n_outer, n_inner) = (m as i64, n as i64);
    // A value that is never written is caught like any other NaN.
    let inner = move |u: &[f64], w: &[f64], gradient: &mut [f64]| {
        let mut value = f64::NAN;
        // SAFETY: the arrays have the sizes stated, and live until the callback returns.
        let code = unsafe { inner(n_outer, n_inner, u.as_ptr(), w.as_ptr(), &mut value, gradient.as_mut_ptr(), data) };
        returned("inner", code).map(|()| value)
    };
    let outer = move |u: &[f64], w: &[f64], gradient_u: &mut [f64], gradient_w: &mut [f64]| {
        let mut value = f64::NAN;
        let (to_u, to_w) = (gradient_u.as_mut_ptr(), gradient_w.as_mut_ptr());
        // SAFETY: as for `inner`.
        let code = unsafe { outer(n_outer, n_inner, u.as_ptr(), w.as_ptr(), &mut value, to_u, to_w, data) };
        returned("outer", code).map(|()| value)
    };
    let product = |name, function| product(name, function, n_outer, n_inner, data);
    let problem = UserProblem::new(m, n, inner, outer, product("hvp", hvp), product("mixed_vjp", mixed_vjp));
    Ok(match callbacks.mixed_jvp {
        Some(mixed_jvp) => problem.with_mixed_jvp(product("mixed_jvp", mixed_jvp)),
        None => problem,
    })
}

type Product = unsafe extern "C" fn(i64, i64, *const f64, *const f64, *const f64, *mut f64, *mut c_void) -> i32;

fn product(
    name: &'static str,
    function: Product,
    n_outer: i64,
    n_inner: i64,
    data: *mut c_void,
) -> impl Fn(&[f64], &[f64], &[f64], &mut [f64]) -> Result<()> + 'static {
    move |u, w, v, out| {
        // SAFETY: the arrays have the sizes stated, and live until the callback returns.
        let code = unsafe { function(n_outer, n_inner, u.as_ptr(), w.as_ptr(), v.as_ptr(), out.as_mut_ptr(), data) };
        returned(name, code)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    unsafe extern "C" fn value(
        _: i64,
        _: i64,
        _: *const f64,
        _: *const f64,
        _: *mut f64,
        _: *mut f64,
        _: *mut c_void,
    ) -> i32 {
        0
    }

    unsafe extern "C" fn values(
        _: i64,
        _: i64,
        _: *const f64,
        _: *const f64,
        _: *mut f64,
        _: *mut f64,
        _: *mut f64,
        _: *mut c_void,
    ) -> i32 {
        0
    }

    unsafe extern "C" fn sizes(
        n_outer: i64,
        n_inner: i64,
        _: *const f64,
        _: *const f64,
        v: *const f64,
        out: *mut f64,
        _: *mut c_void,
    ) -> i32 {
        // SAFETY: v and out have at least one element in this test.
        unsafe { out.write(*v + (10 * n_outer + n_inner) as f64) };
        0
    }

    /// Nothing in the interface calls `mixed_jvp` yet.
    #[test]
    fn the_forward_product_arrives() {
        let none = CallbacksF64 {
            struct_size: 0,
            reserved: 0,
            inner: Some(value),
            outer: Some(values),
            hvp: Some(sizes),
            mixed_vjp: Some(sizes),
            mixed_jvp: None,
        };
        let forward = |callbacks: &CallbacksF64| {
            let problem = user_problem(2, 1, callbacks, ptr::null_mut()).unwrap();
            let mut out = vec![0.0];
            problem.mixed_jvp(&mut problem.workspace(), &vec![0.5, 0.0], &mut out).map(|()| out)
        };
        assert!(matches!(forward(&none), Err(Error::Unsupported { operation: "mixed_jvp", .. })));
        assert_eq!(forward(&CallbacksF64 { mixed_jvp: Some(sizes), ..none }).unwrap(), [21.5]);
    }
}
