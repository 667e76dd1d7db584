//! Problems and operators of the caller's functions.

use super::args::{Growing, dimension, read_struct};
use super::family::Family;
use super::guard::{Done, guard};
use super::handle::create;
use super::lend::{Lender, ReleaseFn};
use super::problem::Problem;
use super::status::Status;
use crate::problem::UserProblem;
use crate::{Error, Result, Scalar};
use std::ffi::c_void;
use std::sync::Arc;

/// The inner objective: *value = f(u, w), gradient = (partial f / partial w).
///
/// - u [in, n_outer], w [in, n_inner]: where
/// - value [out, 1]: a double for both precisions
/// - gradient [out, n_inner]
/// - user_data: as given at creation
///
/// Returns 0, or another number to fail.
pub type InnerFn<T> = Option<
    unsafe extern "C" fn(
        n_outer: i64,
        n_inner: i64,
        u: *const T,
        w: *const T,
        value: *mut f64,
        gradient: *mut T,
        user_data: *mut c_void,
    ) -> i32,
>;

/// The outer objective: *value = F(u, w), gradient_u = (partial F / partial u), gradient_w = (partial F / partial
/// w).
///
/// - u [in, n_outer], w [in, n_inner]: where
/// - value [out, 1]: a double for both precisions
/// - gradient_u [out, n_outer], gradient_w [out, n_inner]
/// - user_data: as given at creation
///
/// Returns 0, or another number to fail.
pub type OuterFn<T> = Option<
    unsafe extern "C" fn(
        n_outer: i64,
        n_inner: i64,
        u: *const T,
        w: *const T,
        value: *mut f64,
        gradient_u: *mut T,
        gradient_w: *mut T,
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
pub type ProductFn<T> = Option<
    unsafe extern "C" fn(
        n_outer: i64,
        n_inner: i64,
        u: *const T,
        w: *const T,
        v: *const T,
        out: *mut T,
        user_data: *mut c_void,
    ) -> i32,
>;

/// The functions of a callback problem. Set the struct to zero, struct_size to its size, then the functions.
///
/// Rules for each: it is called on the thread that called the library; its arrays are valid until it returns;
/// outputs hold zeros on entry (*value: NaN) and must be written in full; NaN or an infinity in them is
/// BLO_ERR_NON_FINITE with the function named. A return other than 0 ends the call with BLO_ERR_CALLBACK. It must
/// return: no C++ exception and no longjmp may leave it. It may call this library, but not with the handle whose call
/// it serves: that is BLO_ERR_BUSY.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Callbacks<T> {
    /// The size of this struct.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// f and its gradient.
    pub inner: InnerFn<T>,
    /// F and its gradients.
    pub outer: OuterFn<T>,
    /// H v.
    pub hvp: ProductFn<T>,
    /// M' v.
    pub mixed_vjp: ProductFn<T>,
    /// M v; may be NULL. For what differentiates forward: BLO_MODE_FORWARD, and the response along a change of u.
    pub mixed_jvp: ProductFn<T>,
    /// Called once with user_data when no function will be called any more; may be NULL.
    pub release: ReleaseFn,
}

// SAFETY: two u32, then nullable function pointers; a null tail is `None`.
unsafe impl<T: Scalar> Growing for Callbacks<T> {
    const FIRST_SIZE: usize = 8 + 6 * size_of::<*const c_void>();
}

const _: () = assert!(size_of::<Callbacks<f64>>() == Callbacks::<f64>::FIRST_SIZE);

/// Makes a problem of the caller's functions.
///
/// - n_outer, n_inner [in]: the lengths of u and w, 1 or above
/// - callbacks [in]: the functions; the struct is copied
/// - user_data [in]: passed to each of them; may be NULL; lent until the problem, and all that was made from it, is
///   destroyed: see release in blo_callbacks_f64
/// - problem [out]: the problem, NULL after an error; end it with blo_problem_destroy_f64
///
/// Errors: BLO_ERR_NULL, also for a missing function other than mixed_jvp; BLO_ERR_INVALID for a size below 1;
/// BLO_ERR_STRUCT_SIZE. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_problem_create_callbacks_f64(
    n_outer: i64,
    n_inner: i64,
    callbacks: *const Callbacks<f64>,
    user_data: *mut c_void,
    problem: *mut *mut Problem<f64>,
) -> Status {
    // SAFETY: the caller vouches for a struct of the size in its first field, and for the place of the handle.
    guard(|| unsafe { create_callbacks(n_outer, n_inner, callbacks, user_data, problem) })
}

pub(super) unsafe fn create_callbacks<T: Scalar>(
    n_outer: i64,
    n_inner: i64,
    callbacks: *const Callbacks<T>,
    user_data: *mut c_void,
    problem: *mut *mut Problem<T>,
) -> Done {
    let body = || {
        let (m, n) = (dimension("n_outer", n_outer)?, dimension("n_inner", n_inner)?);
        let none = Callbacks {
            struct_size: 0,
            reserved: 0,
            inner: None,
            outer: None,
            hvp: None,
            mixed_vjp: None,
            mixed_jvp: None,
            release: None,
        };
        // SAFETY: as the caller vouches.
        let callbacks = unsafe { read_struct("callbacks", callbacks, none) }?;
        let lender = Lender::new(callbacks.release, user_data);
        #[allow(clippy::arc_with_non_send_sync, reason = "C callers answer for their threads")]
        let family = Arc::new(Family::User(user_problem(m, n, &callbacks, user_data, lender.clone())?));
        Lender::keep(&lender);
        Ok(family)
    };
    // SAFETY: as the caller vouches.
    unsafe { create("problem", problem, body) }
}

fn returned(name: &'static str, code: i32) -> Result<()> {
    if code == 0 { Ok(()) } else { Err(Error::Callback { name, code }) }
}

fn user_problem<T: Scalar>(
    m: usize,
    n: usize,
    callbacks: &Callbacks<T>,
    data: *mut c_void,
    lender: Option<Arc<Lender>>,
) -> Result<UserProblem<T>> {
    let inner = callbacks.inner.ok_or(Error::Null { argument: "callbacks.inner" })?;
    let outer = callbacks.outer.ok_or(Error::Null { argument: "callbacks.outer" })?;
    let hvp = callbacks.hvp.ok_or(Error::Null { argument: "callbacks.hvp" })?;
    let mixed_vjp = callbacks.mixed_vjp.ok_or(Error::Null { argument: "callbacks.mixed_vjp" })?;
    let (n_outer, n_inner) = (m as i64, n as i64);
    // A value that is never written is caught like any other NaN.
    let inner = move |u: &[T], w: &[T], gradient: &mut [T]| {
        // Ends with the problem.
        let _lender = &lender;
        let mut value = f64::NAN;
        // SAFETY: the arrays have the sizes stated, and live until the callback returns.
        let code = unsafe { inner(n_outer, n_inner, u.as_ptr(), w.as_ptr(), &mut value, gradient.as_mut_ptr(), data) };
        returned("inner", code).map(|()| value)
    };
    let outer = move |u: &[T], w: &[T], gradient_u: &mut [T], gradient_w: &mut [T]| {
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

type Product<T> = unsafe extern "C" fn(i64, i64, *const T, *const T, *const T, *mut T, *mut c_void) -> i32;

fn product<T: Scalar>(
    name: &'static str,
    function: Product<T>,
    n_outer: i64,
    n_inner: i64,
    data: *mut c_void,
) -> impl Fn(&[T], &[T], &[T], &mut [T]) -> Result<()> + 'static {
    move |u, w, v, out| {
        // SAFETY: the arrays have the sizes stated, and live until the callback returns.
        let code = unsafe { function(n_outer, n_inner, u.as_ptr(), w.as_ptr(), v.as_ptr(), out.as_mut_ptr(), data) };
        returned(name, code)
    }
}
