//! Solves with an operator of the caller's: called for its products, or asking for them.

use super::args::{dimension, elements, not_null, read_into, room, same_dimension, write_array};
use super::estimator::{EstimatorOptions, read_solve};
use super::guard::{Done, guard};
use super::handle::{self, Opaque, create, enter};
use super::report::{ReportInfo, ReportPlace};
use super::several::Several;
use super::status::Status;
use crate::error::check_finite;
use crate::solve::{self, Flat, FnOperator, Operator, Request, Session as Asking, Solve};
use crate::{Error, Result, Scalar};
use std::ffi::c_void;
use std::marker::PhantomData;

/// A product with a linear operator H of n rows: out = H v.
///
/// - n: the length of v and out
/// - v [in, n], out [out, n]: out holds zeros on entry and must be written in full
/// - user_data: as given to the call
///
/// Returns 0, or another number to fail. It is called on the thread that called the library, and must return: no C++
/// exception and no longjmp may leave it.
pub type OperatorFn<T> = Option<unsafe extern "C" fn(n: i64, v: *const T, out: *mut T, user_data: *mut c_void) -> i32>;

/// Solves H q = b approximately, for operators of one size, with one estimator and its scratch.
///
/// One call at a time may use it (BLO_ERR_BUSY otherwise); different solvers are independent.
pub struct Solver<T>(PhantomData<T>);

/// What a solver owns.
pub(super) struct Solving<T: Scalar> {
    pub(super) n: usize,
    pub(super) solve: Solve,
    b: Vec<T>,
    q: Vec<T>,
    pub(super) scratch: solve::Workspace<T, Vec<T>>,
    pub(super) several: Several<T>,
}

impl<T: Scalar> Opaque for Solver<T> {
    type Value = Solving<T>;
    const TAG: u64 = 0xb10_0030 + size_of::<T>() as u64;
}

/// Makes a solver.
///
/// - n [in]: the rows of the operators, 1 or above
/// - estimator [in]: how; NULL for the defaults; not BLO_ESTIMATOR_UNROLLED
/// - solver [out]: the handle, NULL after an error; end it with blo_solver_destroy_f64
///
/// Errors: BLO_ERR_NULL; BLO_ERR_INVALID for n and fields of estimator; BLO_ERR_STRUCT_SIZE; BLO_ERR_UNSUPPORTED for
/// unrolling. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_solver_create_f64(
    n: i64,
    estimator: *const EstimatorOptions,
    solver: *mut *mut Solver<f64>,
) -> Status {
    // SAFETY: the caller vouches for a struct of the size in its first field and the place of the handle.
    guard(|| unsafe { create_solver(n, estimator, solver) })
}

pub(super) unsafe fn create_solver<T: Scalar>(
    n: i64,
    estimator: *const EstimatorOptions,
    solver: *mut *mut Solver<T>,
) -> Done {
    let body = || {
        let n = dimension("n", n)?;
        elements("n", n, 8)?;
        // SAFETY: as the caller vouches.
        let solve = unsafe { read_solve("estimator", "solve", estimator) }?;
        room::<T>("n", n)?;
        let [b, q] = [(); 2].map(|()| vec![T::ZERO; n]);
        Ok(Solving { n, solve, b, q, scratch: solve::Workspace::new(), several: Several::default() })
    };
    // SAFETY: as the caller vouches.
    unsafe { create("solver", solver, body) }
}

/// q = r(H) b. The solver keeps q; with start_from_last the next solve starts there (and the first from 0). Allocates at
/// the first call only.
///
/// - solver [in]: the solver
/// - product [in]: H, by its products; user_data [in]: passed to it
/// - b [in, n], n [in]: the right-hand side, and the solver's size
/// - q [out, n]: the solution; may be b
/// - report [out]: how it went; may be NULL; struct_size to be set
///
/// Errors: BLO_ERR_NULL; BLO_ERR_SHAPE; BLO_ERR_NON_FINITE for b and for what product wrote; BLO_ERR_CALLBACK;
/// BLO_ERR_ASYMMETRIC for a dense solve whose H is not symmetric; BLO_ERR_DECOMPOSITION; BLO_ERR_BUSY. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_solver_solve_f64(
    solver: *mut Solver<f64>,
    product: OperatorFn<f64>,
    user_data: *mut c_void,
    b: *const f64,
    n: i64,
    q: *mut f64,
    report: *mut ReportInfo,
) -> Status {
    // SAFETY: the caller vouches for a living handle, arrays of this size and a struct of the size in its first field.
    guard(|| unsafe { solve_with(solver, product, user_data, (b, n), q, report) })
}

pub(super) unsafe fn solve_with<T: Scalar>(
    solver: *mut Solver<T>,
    product: OperatorFn<T>,
    user_data: *mut c_void,
    (b, n): (*const T, i64),
    q: *mut T,
    report: *mut ReportInfo,
) -> Done {
    // SAFETY: as the caller vouches.
    let (mut own, report) = unsafe { (enter("solver", solver)?, ReportPlace::new(report)?) };
    let Solving { n: rows, solve, b: right, q: found, scratch, .. } = &mut *own;
    let mut op = operator(product, user_data, *rows)?;
    same_dimension("n", n, *rows)?;
    not_null("q", q)?;
    // SAFETY: as the caller vouches; the size is the solver's.
    unsafe { read_into("b", b, right) }?;
    check_finite("b", right)?;
    let told = solve::solve(&mut op, solve, right, found, scratch)?;
    check_finite("q", found)?;
    // SAFETY: as the caller vouches.
    unsafe {
        write_array(q, found);
        report.write(&told, f64::NAN);
    }
    Ok(())
}

/// The operator of a callback's.
#[allow(clippy::type_complexity)] // Closures have no names.
pub(super) fn operator<T: Scalar>(
    product: OperatorFn<T>,
    user_data: *mut c_void,
    rows: usize,
) -> Result<impl Operator<T, Space = Flat>> {
    let product = product.ok_or(Error::Null { argument: "product" })?;
    Ok(FnOperator::new(rows, move |v: &[T], out: &mut [T]| {
        // SAFETY: the arrays have as many elements as the operator rows, and live until the callback returns.
        match unsafe { product(rows as i64, v.as_ptr(), out.as_mut_ptr(), user_data) } {
            0 => Ok(()),
            code => Err(Error::Callback { name: "product", code }),
        }
    }))
}

/// Ends a solver and sets *solver to NULL.
///
/// - solver [in, out]: the place of the handle; NULL, or a place that holds NULL, is fine
///
/// Leaves the message of blo_last_error alone. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_solver_destroy_f64(solver: *mut *mut Solver<f64>) {
    // SAFETY: the caller vouches for the place of a handle.
    unsafe { handle::destroy(solver) }
}

/// request: the product H v of the vector is wanted.
pub const BLO_REQUEST_PRODUCT: i32 = 0;
/// request: the vector is q, and nothing more is wanted.
pub const BLO_REQUEST_DONE: i32 = 1;

/// A solve that asks for its products instead of calling for them, with the same bits. Each has a thread of its own while
/// it is under way.
///
/// One call at a time may use it (BLO_ERR_BUSY otherwise); different sessions are independent.
pub struct Session<T>(PhantomData<T>);

/// What a session owns.
pub(super) struct Asked<T: Scalar> {
    session: Asking<T>,
    right: Vec<T>,
    answer: Vec<T>,
}

impl<T: Scalar> Opaque for Session<T> {
    type Value = Asked<T>;
    const TAG: u64 = 0xb10_0040 + size_of::<T>() as u64;
}

/// Makes a session.
///
/// - n [in]: the rows of the operators, 1 or above
/// - estimator [in]: how; NULL for the defaults; not BLO_ESTIMATOR_UNROLLED
/// - session [out]: the handle, NULL after an error; end it with blo_session_destroy_f64
///
/// Errors: as blo_solver_create_f64. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_session_create_f64(
    n: i64,
    estimator: *const EstimatorOptions,
    session: *mut *mut Session<f64>,
) -> Status {
    // SAFETY: the caller vouches for a struct of the size in its first field and the place of the handle.
    guard(|| unsafe { create_session(n, estimator, session) })
}

pub(super) unsafe fn create_session<T: Scalar>(
    n: i64,
    estimator: *const EstimatorOptions,
    session: *mut *mut Session<T>,
) -> Done {
    let body = || {
        let n = dimension("n", n)?;
        elements("n", n, 8)?;
        // SAFETY: as the caller vouches.
        let solve = unsafe { read_solve("estimator", "session", estimator) }?;
        room::<T>("n", n)?;
        Ok(Asked { session: Asking::new(n, solve)?, right: vec![T::ZERO; n], answer: vec![T::ZERO; n] })
    };
    // SAFETY: as the caller vouches.
    unsafe { create("session", session, body) }
}

/// Begins a solve; one that is under way is given up.
///
/// - session [in]: the session
/// - b [in, n], n [in]: the right-hand side, and the session's size
///
/// Errors: BLO_ERR_NULL; BLO_ERR_SHAPE; BLO_ERR_NON_FINITE; BLO_ERR_UNSUPPORTED if the system has no thread to give;
/// BLO_ERR_BUSY. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_session_start_f64(session: *mut Session<f64>, b: *const f64, n: i64) -> Status {
    // SAFETY: the caller vouches for a living handle and an array of this size.
    guard(|| unsafe { session_start(session, b, n) })
}

pub(super) unsafe fn session_start<T: Scalar>(session: *mut Session<T>, b: *const T, n: i64) -> Done {
    // SAFETY: as the caller vouches.
    let mut own = unsafe { enter("session", session) }?;
    let Asked { session, right, .. } = &mut *own;
    same_dimension("n", n, right.len())?;
    // SAFETY: as the caller vouches; the size is the session's.
    unsafe { read_into("b", b, right) }?;
    check_finite("b", right)?;
    Ok(session.start(right)?)
}

/// Gives the product last asked for, and says what is wanted next.
///
/// - session [in]: the session, started
/// - answer [in, n]: the product asked for; NULL for the first call after blo_session_start_f64, and to hear again what the
///   last call said
/// - n [in]: the session's size
/// - request [out]: one of BLO_REQUEST_
/// - vector [out, n]: v, whose product is wanted, or q; may be answer
/// - report [out]: with BLO_REQUEST_DONE, how it went; may be NULL; struct_size to be set
///
/// Errors: BLO_ERR_NULL; BLO_ERR_SHAPE; BLO_ERR_INVALID for a session that is not started, and for an answer that was not
/// asked for; BLO_ERR_NON_FINITE for an answer, which ends the solve; BLO_ERR_ASYMMETRIC, BLO_ERR_DECOMPOSITION;
/// BLO_ERR_BUSY. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_session_step_f64(
    session: *mut Session<f64>,
    answer: *const f64,
    n: i64,
    request: *mut i32,
    vector: *mut f64,
    report: *mut ReportInfo,
) -> Status {
    // SAFETY: the caller vouches for a living handle, arrays of this size and a struct of the size in its first field.
    guard(|| unsafe { session_step(session, (answer, n), request, vector, report) })
}

pub(super) unsafe fn session_step<T: Scalar>(
    session: *mut Session<T>,
    (answer, n): (*const T, i64),
    request: *mut i32,
    vector: *mut T,
    report: *mut ReportInfo,
) -> Done {
    // SAFETY: as the caller vouches.
    let (mut own, report) = unsafe { (enter("session", session)?, ReportPlace::new(report)?) };
    let Asked { session, answer: given, .. } = &mut *own;
    same_dimension("n", n, given.len())?;
    not_null("request", request)?;
    not_null("vector", vector)?;
    let given = if answer.is_null() {
        None
    } else {
        // SAFETY: as the caller vouches; the size is the session's.
        unsafe { read_into("answer", answer, given) }?;
        Some(given.as_slice())
    };
    let wanted = session.step(given)?;
    // SAFETY: as the caller vouches.
    unsafe {
        match wanted {
            Request::Product(v) => {
                write_array(request, &[BLO_REQUEST_PRODUCT]);
                write_array(vector, v);
            }
            Request::Done { q, report: told } => {
                write_array(request, &[BLO_REQUEST_DONE]);
                write_array(vector, q);
                report.write(&told, f64::NAN);
            }
        }
    }
    Ok(())
}

/// Ends a session and sets *session to NULL. A solve under way is given up.
///
/// - session [in, out]: the place of the handle; NULL, or a place that holds NULL, is fine
///
/// Leaves the message of blo_last_error alone. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_session_destroy_f64(session: *mut *mut Session<f64>) {
    // SAFETY: the caller vouches for the place of a handle.
    unsafe { handle::destroy(session) }
}
