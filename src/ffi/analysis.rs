//! Checks of derivatives, and what the end of a run is worth.

use super::args::{dimension, elements, finite, not_null, read_array, same_dimension, write_array, write_optional};
use super::estimator::{EstimatorOptions, read_estimator};
use super::family::Family;
use super::guard::{Done, guard};
use super::handle::share;
use super::problem::Problem;
use super::run_options::{RunOptions, read_options};
use super::status::{Status, copy_text};
use crate::analysis::{self, DerivativeOptions, Equilibrium, check_derivatives};
use crate::bilevel::Start;
use crate::problem::Problem as _;
use crate::{Inverse, Scalar};
use std::ffi::{c_char, c_double};
use std::sync::Arc;

/// verdict: everything that the problem has agrees with differences.
pub const BLO_VERDICT_RIGHT: i32 = 0;
/// verdict: something is wrong; the text says what, where, and by which factor.
pub const BLO_VERDICT_WRONG: i32 = 1;
/// verdict: nothing is wrong, but not all could be judged: a kink, rounding, or a callback that failed.
pub const BLO_VERDICT_OPEN: i32 = 2;

/// A problem and a point.
pub(super) type Here<T> = (Arc<Family<T>>, Vec<T>, Vec<T>);

/// # Safety
///
/// `problem` is null or a living handle; u and w are null or arrays of these sizes. Errors call w by its `name`.
pub(super) unsafe fn here<T: Scalar>(
    problem: *const Problem<T>,
    (u, n_outer): (*const T, i64),
    (w, n_inner): (*const T, i64),
    name: &'static str,
) -> Done<Here<T>> {
    // SAFETY: as the caller vouches.
    let problem = unsafe { share("problem", problem) }?;
    let (m, n) = (problem.outer_space().len(), problem.inner_space().len());
    same_dimension("n_outer", n_outer, m)?;
    same_dimension("n_inner", n_inner, n)?;
    // SAFETY: as the caller vouches; the sizes are the problem's.
    unsafe { Ok((problem, read_array("u", u, m)?, read_array(name, w, n)?)) }
}

/// Compares a problem's functions at (u, w) with differences of what they are the derivatives of, and checks that H is
/// symmetric and M and M' are adjoints. For callbacks above all. Choose a point in general position: at an optimum or at
/// zero a mistake may not show. Allocates.
///
/// - problem [in]: the problem
/// - u [in, n_outer], n_outer [in], w [in, n_inner], n_inner [in]: where, and the problem's sizes
/// - tolerance [in]: the relative disagreement that counts as none; BLO_DEFAULT: 1e-6 in doubles, 1e-3 in floats
/// - seed [in]: of the random directions
/// - verdict [out]: one of BLO_VERDICT_
/// - text [out, capacity]: a table for people, cut if it does not fit, always closed by a NUL; NULL if capacity is 0
/// - capacity [in]: the size of text
/// - needed [out]: the capacity that holds the whole text and its NUL; may be NULL
///
/// A callback that fails is no error, but part of the text. Errors: BLO_ERR_NULL; BLO_ERR_SHAPE; BLO_ERR_NON_FINITE for u and
/// w; BLO_ERR_INVALID. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_check_derivatives_f64(
    problem: *const Problem<f64>,
    u: *const f64,
    n_outer: i64,
    w: *const f64,
    n_inner: i64,
    tolerance: c_double,
    seed: u64,
    verdict: *mut i32,
    text: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> Status {
    // SAFETY: the caller vouches for a living handle and arrays of these sizes.
    guard(|| unsafe {
        check(problem, (u, n_outer), (w, n_inner), (tolerance, seed), verdict, (text, capacity, needed))
    })
}

pub(super) unsafe fn check<T: Scalar>(
    problem: *const Problem<T>,
    u: (*const T, i64),
    w: (*const T, i64),
    (tolerance, seed): (f64, u64),
    verdict: *mut i32,
    (text, capacity, needed): (*mut c_char, usize, *mut usize),
) -> Done {
    // SAFETY: as the caller vouches.
    let (problem, u, w) = unsafe { here(problem, u, w, "w") }?;
    finite("tolerance", tolerance)?;
    not_null("verdict", verdict)?;
    if capacity > 0 {
        not_null("text", text)?;
    }
    let tolerance = (tolerance != -1.0).then_some(tolerance);
    let options = DerivativeOptions { seed, tolerance, ..DerivativeOptions::default() };
    let report = check_derivatives(&*problem, &u, &w, &options)?;
    let found = match (report.wrong().is_empty(), report.passed()) {
        (false, _) => BLO_VERDICT_WRONG,
        (true, true) => BLO_VERDICT_RIGHT,
        (true, false) => BLO_VERDICT_OPEN,
    };
    // SAFETY: as the caller vouches.
    unsafe {
        write_array(verdict, &[found]);
        copy_text(&report.to_string(), text, capacity, needed);
    }
    Ok(())
}

/// How far (u, w) is from an equilibrium of a loop: *fixpoint = |Xi - w| with Xi the inner solution at u, from w0 (cold) or
/// from w (warm), infinite if that solve diverges; *outer = |dF/du|. Both are 0 at an equilibrium. Allocates.
///
/// - problem [in]: the problem
/// - options [in]: start and inner solve of the loop; NULL for the defaults
/// - estimator [in]: its estimator; NULL for the defaults
/// - start [in, n_inner]: w0, for BLO_START_COLD; else it may be NULL
/// - u [in, n_outer], n_outer [in], w [in, n_inner], n_inner [in]: where, and the problem's sizes
/// - fixpoint, outer [out]: the residuals, doubles for both precisions; may be NULL
///
/// Errors: as blo_runner_run_f64. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_equilibrium_residuals_f64(
    problem: *const Problem<f64>,
    options: *const RunOptions,
    estimator: *const EstimatorOptions,
    start: *const f64,
    u: *const f64,
    n_outer: i64,
    w: *const f64,
    n_inner: i64,
    fixpoint: *mut c_double,
    outer: *mut c_double,
) -> Status {
    // SAFETY: the caller vouches for a living handle, structs of the sizes in their first fields, and arrays of these sizes.
    guard(|| unsafe {
        equilibrium(problem, (options, estimator), start, (u, n_outer), (w, n_inner), (fixpoint, outer))
    })
}

pub(super) unsafe fn equilibrium<T: Scalar>(
    problem: *const Problem<T>,
    (options, estimator): (*const RunOptions, *const EstimatorOptions),
    start: *const T,
    u: (*const T, i64),
    w: (*const T, i64),
    (fixpoint, outer): (*mut f64, *mut f64),
) -> Done {
    // SAFETY: as the caller vouches.
    let (problem, u, w) = unsafe { here(problem, u, w, "w") }?;
    // SAFETY: as the caller vouches.
    let settings = unsafe { read_options("options", options, read_estimator("estimator", estimator)?) }?;
    let from = match settings.start {
        Start::Warm => Vec::new(),
        // SAFETY: as the caller vouches; the size is the problem's.
        Start::Cold => unsafe { read_array("start", start, w.len()) }?,
    };
    let inner = settings.inner;
    let kind = match settings.start {
        Start::Cold => Equilibrium::Cold { start: &from, inner },
        Start::Warm => Equilibrium::Warm { inner },
    };
    let residuals = analysis::equilibrium_residuals(&*problem, &kind, &settings.estimator, &u, &w)?;
    // SAFETY: as the caller vouches.
    unsafe {
        write_optional(fixpoint, &[residuals.fixpoint]);
        write_optional(outer, &[residuals.outer]);
    }
    Ok(())
}

/// What u is worth without the w that it was learned with: F(u, w), and F(u, w') with w' trained anew from w0. The second
/// less the first is what of F was in w and not in u. Allocates.
///
/// - problem [in]: the problem
/// - options [in]: the inner solve; NULL for the defaults
/// - start [in, n_inner]: w0
/// - u [in, n_outer], n_outer [in], w [in, n_inner], n_inner [in]: the end of a run, and the problem's sizes
/// - run_loss, retrained_loss [out]: F(u, w) and F(u, w'), doubles for both precisions; may be NULL
/// - retrained [out, n_inner]: w'; may be NULL
///
/// Errors: as blo_runner_run_f64, and BLO_ERR_INVALID if the new inner solve diverges. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_retraining_gap_f64(
    problem: *const Problem<f64>,
    options: *const RunOptions,
    start: *const f64,
    u: *const f64,
    n_outer: i64,
    w: *const f64,
    n_inner: i64,
    run_loss: *mut c_double,
    retrained_loss: *mut c_double,
    retrained: *mut f64,
) -> Status {
    // SAFETY: the caller vouches for a living handle, a struct of the size in its first field, and arrays of these sizes.
    guard(|| unsafe {
        retrain(problem, options, start, (u, n_outer), (w, n_inner), (run_loss, retrained_loss), retrained)
    })
}

pub(super) unsafe fn retrain<T: Scalar>(
    problem: *const Problem<T>,
    options: *const RunOptions,
    start: *const T,
    u: (*const T, i64),
    w: (*const T, i64),
    (run_loss, retrained_loss): (*mut f64, *mut f64),
    retrained: *mut T,
) -> Done {
    // SAFETY: as the caller vouches.
    let (problem, u, w) = unsafe { here(problem, u, w, "w") }?;
    // SAFETY: as the caller vouches; the size is the problem's.
    let (settings, start) =
        unsafe { (read_options("options", options, Inverse::Zero.into())?, read_array("start", start, w.len())?) };
    let found = analysis::retraining_gap(&*problem, &settings.inner, &start, &u, &w)?;
    // SAFETY: as the caller vouches.
    unsafe {
        write_optional(run_loss, &[found.run_loss]);
        write_optional(retrained_loss, &[found.retrained_loss]);
        write_optional(retrained, &found.retrained);
    }
    Ok(())
}

/// The eigenvalues of H at (u, w), ascending, with the share of b = (partial F / partial w) along each eigenvector, and what
/// an estimator makes of each. Allocates; one dense eigendecomposition.
///
/// - problem [in]: the problem
/// - estimator [in]: r; NULL for the defaults
/// - u [in, n_outer], n_outer [in], w [in, n_inner], n_inner [in]: where, and the problem's sizes
/// - eigenvalues [out, n_inner]: doubles for both precisions, as are the others
/// - shares [out, n_inner]: |v'b| / |b|; may be NULL
/// - responses [out, n_inner]: r(eigenvalue), NaN where it depends on b; may be NULL
///
/// Errors: as blo_hypergradient_f64. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_spectrum_f64(
    problem: *const Problem<f64>,
    estimator: *const EstimatorOptions,
    u: *const f64,
    n_outer: i64,
    w: *const f64,
    n_inner: i64,
    eigenvalues: *mut c_double,
    shares: *mut c_double,
    responses: *mut c_double,
) -> Status {
    // SAFETY: the caller vouches for a living handle, a struct of the size in its first field, and arrays of these sizes.
    guard(|| unsafe { spectrum(problem, estimator, (u, n_outer), (w, n_inner), eigenvalues, shares, responses) })
}

pub(super) unsafe fn spectrum<T: Scalar>(
    problem: *const Problem<T>,
    estimator: *const EstimatorOptions,
    u: (*const T, i64),
    w: (*const T, i64),
    eigenvalues: *mut f64,
    shares: *mut f64,
    responses: *mut f64,
) -> Done {
    // SAFETY: as the caller vouches.
    let (problem, u, w) = unsafe { here(problem, u, w, "w") }?;
    // SAFETY: as the caller vouches.
    let estimator = unsafe { read_estimator("estimator", estimator) }?;
    not_null("eigenvalues", eigenvalues)?;
    let rows = analysis::spectrum_table(&*problem, &[estimator], &u, &w)?;
    let column = |of: fn(&analysis::SpectrumRow) -> f64| rows.iter().map(of).collect::<Vec<f64>>();
    // SAFETY: as the caller vouches.
    unsafe {
        write_array(eigenvalues, &column(|row| row.eigenvalue));
        write_optional(shares, &column(|row| row.share));
        write_optional(responses, &column(|row| row.responses.first().copied().unwrap_or(f64::NAN)));
    }
    Ok(())
}

/// w = the point of { w : x'w = y } nearest to w. Allocates.
///
/// - n [in]: the length of x and w, 1 or above
/// - x [in, n], y [in]: the set; x is not 0
/// - w [in, out, n]: from where and to where
///
/// Errors: BLO_ERR_NULL; BLO_ERR_INVALID for n and for x = 0; BLO_ERR_NON_FINITE. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_project_f64(n: i64, x: *const f64, y: f64, w: *mut f64) -> Status {
    // SAFETY: the caller vouches for arrays of this size.
    guard(|| unsafe { project(n, x, y, w) })
}

pub(super) unsafe fn project<T: Scalar>(n: i64, x: *const T, y: T, w: *mut T) -> Done {
    let n = dimension("n", n)?;
    elements("n", n, 2)?;
    // SAFETY: as the caller vouches.
    let (x, mut moved) = unsafe { (read_array("x", x, n)?, read_array("w", w, n)?) };
    analysis::project(&x, y, &mut moved)?;
    // SAFETY: as the caller vouches.
    unsafe { write_array(w, &moved) };
    Ok(())
}
