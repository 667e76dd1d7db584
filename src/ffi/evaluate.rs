//! Workspaces, and what is evaluated with them: objectives, products, hypergradients, responses, influence.

use super::args::{not_null, read_into, same_dimension, write_array, write_optional};
use super::estimator::{EstimatorOptions, read_estimator, read_solve};
use super::family::Family;
use super::guard::{Done, guard};
use super::handle::{self, Entered, Opaque, create, enter, share};
use super::problem::Problem;
use super::report::{ReportInfo, ReportPlace};
use super::status::Status;
use super::tensors::DeviceScratch;
use crate::Scalar;
use crate::error::{check_finite, invalid};
use crate::hypergradient::{self, evaluate, response_jvp, response_vjp};
use crate::problem::Problem as _;
use crate::solve::Space;
use std::ffi::c_double;
use std::marker::PhantomData;
use std::sync::Arc;

/// The scratch of evaluations of one problem. It grows at the first call of a kind, or with blo_workspace_reserve; after
/// that no call allocates, unless it says so.
///
/// One call at a time may use it (BLO_ERR_BUSY otherwise); different workspaces are independent, of one problem too.
pub struct Workspace<T>(PhantomData<T>);

/// What a workspace owns.
pub(super) struct Own<T: Scalar> {
    pub(super) problem: Arc<Family<T>>,
    pub(super) scratch: hypergradient::Workspace<T, Family<T>>,
    pub(super) u: Vec<T>,
    pub(super) w: Vec<T>,
    out_u: Vec<T>,
    pub(super) out_w: Vec<T>,
    scores: Vec<f64>,
    pub(super) batch: Vec<usize>,
    /// Whether products can be taken.
    pub(super) linearized: bool,
    /// What calls with tensors on a GPU need; nothing until then.
    pub(super) there: DeviceScratch<T>,
}

impl<T: Scalar> Opaque for Workspace<T> {
    type Value = Own<T>;
    const TAG: u64 = 0xb10_0020 + size_of::<T>() as u64;
}

impl<T: Scalar> Own<T> {
    fn new(problem: Arc<Family<T>>) -> Own<T> {
        let [u, out_u] = [(); 2].map(|()| Space::<T>::zeros(problem.outer_space()));
        let [w, out_w] = [(); 2].map(|()| Space::<T>::zeros(problem.inner_space()));
        let scores = vec![0.0; problem.examples()];
        let (scratch, batch) = (hypergradient::Workspace::new(&*problem), Vec::new());
        Own { scratch, problem, u, w, out_u, out_w, scores, batch, linearized: false, there: DeviceScratch::default() }
    }
}

/// Takes a workspace, and reads (u, w) into it.
///
/// # Safety
///
/// `workspace` is null or a living handle; u and w are null or arrays of these sizes.
pub(super) unsafe fn at_point<T: Scalar>(
    workspace: *mut Workspace<T>,
    (u, n_outer): (*const T, i64),
    (w, n_inner): (*const T, i64),
) -> Done<Entered<Own<T>>> {
    // SAFETY: as the caller vouches.
    let mut own = unsafe { enter("workspace", workspace) }?;
    same_dimension("n_outer", n_outer, own.u.len())?;
    same_dimension("n_inner", n_inner, own.w.len())?;
    // SAFETY: as the caller vouches; the sizes are the problem's.
    unsafe {
        read_into("u", u, &mut own.u)?;
        read_into("w", w, &mut own.w)?;
    }
    check_finite("u", &own.u)?;
    check_finite("w", &own.w)?;
    own.linearized = false;
    Ok(own)
}

/// Makes a workspace.
///
/// - problem [in]: the problem; its handle may be destroyed before the workspace
/// - workspace [out]: the handle, NULL after an error; end it with blo_workspace_destroy_f64
///
/// Errors: BLO_ERR_NULL; BLO_ERR_INVALID for another kind of handle. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_workspace_create_f64(
    problem: *const Problem<f64>,
    workspace: *mut *mut Workspace<f64>,
) -> Status {
    // SAFETY: the caller vouches for a living handle and the place of another.
    guard(|| unsafe { create_workspace(problem, workspace) })
}

pub(super) unsafe fn create_workspace<T: Scalar>(
    problem: *const Problem<T>,
    workspace: *mut *mut Workspace<T>,
) -> Done {
    // SAFETY: as the caller vouches.
    unsafe { create("workspace", workspace, || Ok(Own::new(share("problem", problem)?))) }
}

/// Allocates now all that hypergradients with an estimator need, and says how much the workspace then holds.
///
/// - workspace [in]: the workspace
/// - estimator [in]: how; NULL for the defaults
/// - bytes [out]: the bytes on the heap, without the problem's data; may be NULL
///
/// Not foreseen is what a dense eigendecomposition takes while it is made.
///
/// Errors: BLO_ERR_NULL; BLO_ERR_INVALID for a field of estimator, and where the memory cannot be had;
/// BLO_ERR_STRUCT_SIZE; BLO_ERR_BUSY. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_workspace_reserve_f64(
    workspace: *mut Workspace<f64>,
    estimator: *const EstimatorOptions,
    bytes: *mut i64,
) -> Status {
    // SAFETY: the caller vouches for a living handle, a struct of the size in its first field, and the place of a number.
    guard(|| unsafe { workspace_reserve(workspace, estimator, bytes) })
}

pub(super) unsafe fn workspace_reserve<T: Scalar>(
    workspace: *mut Workspace<T>,
    estimator: *const EstimatorOptions,
    bytes: *mut i64,
) -> Done {
    // SAFETY: as the caller vouches.
    let (mut own, estimator) = unsafe { (enter("workspace", workspace)?, read_estimator("estimator", estimator)?) };
    let Own { problem, scratch, u, w, scores, there, .. } = &mut *own;
    scratch.reserve(problem, &estimator)?;
    let points = 2 * (size_of_val(&u[..]) + size_of_val(&w[..])) + size_of_val(&scores[..]);
    // SAFETY: as the caller vouches.
    unsafe { write_optional(bytes, &[(scratch.bytes(problem) + there.bytes(problem) + points) as i64]) };
    Ok(())
}

/// Ends a workspace and sets *workspace to NULL.
///
/// - workspace [in, out]: the place of the handle; NULL, or a place that holds NULL, is fine
///
/// Leaves the message of blo_last_error alone. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_workspace_destroy_f64(workspace: *mut *mut Workspace<f64>) {
    // SAFETY: the caller vouches for the place of a handle.
    unsafe { handle::destroy(workspace) }
}

/// Computes one hypergradient: hypergradient = (partial F / partial u) - M' q, with q an approximation of
/// H^-1 (partial F / partial w) at (u, w).
///
/// - workspace [in]: a workspace of the problem
/// - estimator [in]: how; NULL for the defaults
/// - u [in, n_outer], n_outer [in]: the outer parameters, and their number, the problem's
/// - w [in, n_inner], n_inner [in]: the inner parameters, best a solution of the inner problem at u, and their
///   number
/// - hypergradient [out, n_outer]: the result
/// - q [out, n_inner]: q; may be NULL, and is then not formed where there is a shorter way (a network's Neumann series
///   with verify = 0; the hypergradient is the same to rounding). After unrolling: the sum of alpha times the adjoint
///   states, or zero where it was not formed (forward mode, and one differentiated step of a network with few inner
///   examples)
/// - report [out]: how the solve went; may be NULL; struct_size to be set
///
/// Outputs may overlap u and w, and are written only if the call succeeds. A solve that did not do all that was
/// asked for still succeeds: see ending in the report.
///
/// Errors: BLO_ERR_NULL; BLO_ERR_SHAPE for sizes other than the problem's; BLO_ERR_NON_FINITE for u, w, the
/// hypergradient, or what a callback wrote; BLO_ERR_INVALID for a field of estimator; BLO_ERR_STRUCT_SIZE;
/// BLO_ERR_ASYMMETRIC for a dense solve with callbacks whose H is not symmetric; BLO_ERR_DECOMPOSITION;
/// BLO_ERR_CALLBACK; BLO_ERR_BUSY. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_hypergradient_f64(
    workspace: *mut Workspace<f64>,
    estimator: *const EstimatorOptions,
    u: *const f64,
    n_outer: i64,
    w: *const f64,
    n_inner: i64,
    hypergradient: *mut f64,
    q: *mut f64,
    report: *mut ReportInfo,
) -> Status {
    // SAFETY: the caller vouches for a living handle, structs of the sizes in their first fields, and arrays of these sizes.
    guard(|| unsafe { compute(workspace, estimator, (u, n_outer), (w, n_inner), hypergradient, q, report) })
}

pub(super) unsafe fn compute<T: Scalar>(
    workspace: *mut Workspace<T>,
    estimator: *const EstimatorOptions,
    u: (*const T, i64),
    w: (*const T, i64),
    hypergradient: *mut T,
    q: *mut T,
    report: *mut ReportInfo,
) -> Done {
    // SAFETY: as the caller vouches.
    let (mut own, estimator, report) =
        unsafe { (at_point(workspace, u, w)?, read_estimator("estimator", estimator)?, ReportPlace::new(report)?) };
    not_null("hypergradient", hypergradient)?;
    let Own { problem, scratch, u, w, out_w, .. } = &mut *own;
    scratch.keep_q(!q.is_null());
    let evaluation = evaluate(&**problem, &estimator, u, w, scratch)?;
    if !q.is_null() {
        scratch.lower_q(problem, out_w)?;
    }
    // SAFETY: as the caller vouches.
    unsafe {
        write_array(hypergradient, scratch.gradient());
        write_optional(q, out_w);
        report.write(&evaluation.report, evaluation.outer_loss);
    }
    Ok(())
}

/// The inner objective: *value = f(u, w), gradient = (partial f / partial w).
///
/// - workspace [in]: a workspace of the problem
/// - u [in, n_outer], n_outer [in], w [in, n_inner], n_inner [in]: where, and the problem's sizes
/// - value [out]: a double for both precisions; may be NULL
/// - gradient [out, n_inner]: may be NULL
///
/// Errors: BLO_ERR_NULL; BLO_ERR_SHAPE; BLO_ERR_NON_FINITE; BLO_ERR_INVALID for a u that the problem cannot have;
/// BLO_ERR_CALLBACK; BLO_ERR_BUSY. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_inner_f64(
    workspace: *mut Workspace<f64>,
    u: *const f64,
    n_outer: i64,
    w: *const f64,
    n_inner: i64,
    value: *mut c_double,
    gradient: *mut f64,
) -> Status {
    // SAFETY: the caller vouches for a living handle and arrays of these sizes.
    guard(|| unsafe { inner_value(workspace, (u, n_outer), (w, n_inner), value, gradient) })
}

pub(super) unsafe fn inner_value<T: Scalar>(
    workspace: *mut Workspace<T>,
    u: (*const T, i64),
    w: (*const T, i64),
    value: *mut f64,
    gradient: *mut T,
) -> Done {
    // SAFETY: as the caller vouches.
    let mut own = unsafe { at_point(workspace, u, w) }?;
    let Own { problem, scratch, u, w, out_w, .. } = &mut *own;
    let f = problem.inner(&mut scratch.problem, u, w, out_w)?;
    check_finite("value of f", &[f])?;
    check_finite("gradient of f", out_w)?;
    // SAFETY: as the caller vouches.
    unsafe {
        write_optional(value, &[f]);
        write_optional(gradient, out_w);
    }
    Ok(())
}

/// The outer objective: *value = F(u, w), gradient_u = (partial F / partial u), gradient_w = (partial F / partial w).
///
/// - workspace [in]: a workspace of the problem
/// - u [in, n_outer], n_outer [in], w [in, n_inner], n_inner [in]: where, and the problem's sizes
/// - value [out]: a double for both precisions; may be NULL
/// - gradient_u [out, n_outer], gradient_w [out, n_inner]: may be NULL
///
/// Errors: as blo_inner_f64. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_outer_f64(
    workspace: *mut Workspace<f64>,
    u: *const f64,
    n_outer: i64,
    w: *const f64,
    n_inner: i64,
    value: *mut c_double,
    gradient_u: *mut f64,
    gradient_w: *mut f64,
) -> Status {
    // SAFETY: the caller vouches for a living handle and arrays of these sizes.
    guard(|| unsafe { outer_value(workspace, (u, n_outer), (w, n_inner), value, gradient_u, gradient_w) })
}

pub(super) unsafe fn outer_value<T: Scalar>(
    workspace: *mut Workspace<T>,
    u: (*const T, i64),
    w: (*const T, i64),
    value: *mut f64,
    gradient_u: *mut T,
    gradient_w: *mut T,
) -> Done {
    // SAFETY: as the caller vouches.
    let mut own = unsafe { at_point(workspace, u, w) }?;
    let Own { problem, scratch, u, w, out_u, out_w, .. } = &mut *own;
    let f = problem.outer(&mut scratch.problem, u, w, out_u, out_w)?;
    check_finite("value of F", &[f])?;
    check_finite("gradient_u of F", out_u)?;
    check_finite("gradient_w of F", out_w)?;
    // SAFETY: as the caller vouches.
    unsafe {
        write_optional(value, &[f]);
        write_optional(gradient_u, out_u);
        write_optional(gradient_w, out_w);
    }
    Ok(())
}

/// w = the minimiser of f(u, .) nearest to w, in closed form. Quadratics and squared losses only. Allocates.
///
/// - workspace [in]: a workspace of the problem
/// - u [in, n_outer], n_outer [in]: the outer parameters, and their number, the problem's
/// - w [in, out, n_inner], n_inner [in]: from where and to where, and the problem's size
///
/// Errors: as blo_inner_f64, and BLO_ERR_UNSUPPORTED for other problems. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_fixpoint_f64(
    workspace: *mut Workspace<f64>,
    u: *const f64,
    n_outer: i64,
    w: *mut f64,
    n_inner: i64,
) -> Status {
    // SAFETY: the caller vouches for a living handle and arrays of these sizes.
    guard(|| unsafe { solve_inner(workspace, (u, n_outer), (w, n_inner)) })
}

pub(super) unsafe fn solve_inner<T: Scalar>(
    workspace: *mut Workspace<T>,
    u: (*const T, i64),
    (w, n_inner): (*mut T, i64),
) -> Done {
    // SAFETY: as the caller vouches.
    let mut own = unsafe { at_point(workspace, u, (w, n_inner)) }?;
    let Own { problem, scratch, u, w: moved, .. } = &mut *own;
    problem.fixpoint(&mut scratch.problem, u, moved)?;
    check_finite("inner solution", moved)?;
    // SAFETY: as the caller vouches.
    unsafe { write_array(w, moved) };
    Ok(())
}

/// Freezes H and M at (u, w) for the products with this workspace, until it evaluates anything else.
///
/// - workspace [in]: a workspace of the problem
/// - u [in, n_outer], n_outer [in], w [in, n_inner], n_inner [in]: where, and the problem's sizes
///
/// Errors: as blo_inner_f64. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_linearize_f64(
    workspace: *mut Workspace<f64>,
    u: *const f64,
    n_outer: i64,
    w: *const f64,
    n_inner: i64,
) -> Status {
    // SAFETY: the caller vouches for a living handle and arrays of these sizes.
    guard(|| unsafe { freeze(workspace, (u, n_outer), (w, n_inner)) })
}

pub(super) unsafe fn freeze<T: Scalar>(workspace: *mut Workspace<T>, u: (*const T, i64), w: (*const T, i64)) -> Done {
    // SAFETY: as the caller vouches.
    let mut own = unsafe { at_point(workspace, u, w) }?;
    let Own { problem, scratch, u, w, linearized, .. } = &mut *own;
    problem.linearize(&mut scratch.problem, u, w)?;
    *linearized = true;
    Ok(())
}

/// A product with second derivatives, by which one it is.
#[derive(Clone, Copy)]
pub(super) enum Which {
    Hvp,
    MixedVjp,
    MixedJvp,
}

/// out = H v at the last blo_linearize_f64.
///
/// - workspace [in]: a linearized workspace
/// - v [in, n_inner], n_inner [in]: the direction, and the problem's size
/// - out [out, n_inner]: the product; may be v
///
/// Errors: BLO_ERR_NULL; BLO_ERR_SHAPE; BLO_ERR_NON_FINITE for v and the product; BLO_ERR_INVALID for a workspace that
/// is not linearized; BLO_ERR_CALLBACK; BLO_ERR_BUSY. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_hvp_f64(
    workspace: *mut Workspace<f64>,
    v: *const f64,
    n_inner: i64,
    out: *mut f64,
) -> Status {
    // SAFETY: the caller vouches for a living handle and arrays of these sizes.
    guard(|| unsafe { multiply(workspace, Which::Hvp, v, n_inner, out) })
}

/// out = M' v at the last blo_linearize_f64.
///
/// - workspace [in]: a linearized workspace
/// - v [in, n_inner], n_inner [in]: the direction, and the problem's size
/// - out [out, n_outer]: the product
///
/// Errors: as blo_hvp_f64. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_mixed_vjp_f64(
    workspace: *mut Workspace<f64>,
    v: *const f64,
    n_inner: i64,
    out: *mut f64,
) -> Status {
    // SAFETY: the caller vouches for a living handle and arrays of these sizes.
    guard(|| unsafe { multiply(workspace, Which::MixedVjp, v, n_inner, out) })
}

/// out = M du at the last blo_linearize_f64.
///
/// - workspace [in]: a linearized workspace
/// - du [in, n_outer], n_outer [in]: the direction, and the problem's size
/// - out [out, n_inner]: the product
///
/// Errors: as blo_hvp_f64, and BLO_ERR_UNSUPPORTED for callbacks without mixed_jvp. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_mixed_jvp_f64(
    workspace: *mut Workspace<f64>,
    du: *const f64,
    n_outer: i64,
    out: *mut f64,
) -> Status {
    // SAFETY: the caller vouches for a living handle and arrays of these sizes.
    guard(|| unsafe { multiply(workspace, Which::MixedJvp, du, n_outer, out) })
}

pub(super) unsafe fn multiply<T: Scalar>(
    workspace: *mut Workspace<T>,
    which: Which,
    v: *const T,
    n: i64,
    out: *mut T,
) -> Done {
    // SAFETY: as the caller vouches.
    let mut own = unsafe { enter("workspace", workspace) }?;
    let Own { problem, scratch, u, w, out_u, out_w, linearized, .. } = &mut *own;
    if !*linearized {
        return Err(invalid("workspace", "no linearization", "a call of blo_linearize just before").into());
    }
    let (name, size_name, direction) = match which {
        Which::Hvp | Which::MixedVjp => ("v", "n_inner", w),
        Which::MixedJvp => ("du", "n_outer", u),
    };
    same_dimension(size_name, n, direction.len())?;
    not_null("out", out)?;
    // SAFETY: as the caller vouches; the size is the problem's.
    unsafe { read_into(name, v, direction) }?;
    check_finite(name, direction)?;
    let at = &mut scratch.problem;
    let product = match which {
        Which::Hvp => problem.hvp(at, direction, out_w).map(|()| out_w),
        Which::MixedVjp => problem.mixed_vjp(at, direction, out_u).map(|()| out_u),
        Which::MixedJvp => problem.mixed_jvp(at, direction, out_w).map(|()| out_w),
    }?;
    check_finite("product", product)?;
    // SAFETY: as the caller vouches.
    unsafe { write_array(out, product) };
    Ok(())
}

/// out = J du, J = -r(H) M = dw/du: how the inner solution at (u, w) moves with u.
///
/// - workspace [in]: a workspace of the problem
/// - estimator [in]: r; NULL for the defaults; not BLO_ESTIMATOR_UNROLLED
/// - u [in, n_outer], n_outer [in], w [in, n_inner], n_inner [in]: where, and the problem's sizes
/// - du [in, n_outer]: the direction
/// - out [out, n_inner]: the response
/// - report [out]: how the solve went; may be NULL; struct_size to be set
///
/// Errors: as blo_hypergradient_f64, and BLO_ERR_UNSUPPORTED for callbacks without mixed_jvp, and for unrolling. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_response_jvp_f64(
    workspace: *mut Workspace<f64>,
    estimator: *const EstimatorOptions,
    u: *const f64,
    n_outer: i64,
    w: *const f64,
    n_inner: i64,
    du: *const f64,
    out: *mut f64,
    report: *mut ReportInfo,
) -> Status {
    // SAFETY: the caller vouches for a living handle, structs of the sizes in their first fields, and arrays of these sizes.
    guard(|| unsafe { respond(workspace, estimator, (u, n_outer), (w, n_inner), true, du, out, report) })
}

/// out = J' v = -M' r(H) v: the gradient by u of v'w*(u) at (u, w).
///
/// - workspace [in]: a workspace of the problem
/// - estimator [in]: r; NULL for the defaults; not BLO_ESTIMATOR_UNROLLED
/// - u [in, n_outer], n_outer [in], w [in, n_inner], n_inner [in]: where, and the problem's sizes
/// - v [in, n_inner]: the direction
/// - out [out, n_outer]: the gradient
/// - report [out]: how the solve went; may be NULL; struct_size to be set
///
/// Errors: as blo_hypergradient_f64, and BLO_ERR_UNSUPPORTED for unrolling. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_response_vjp_f64(
    workspace: *mut Workspace<f64>,
    estimator: *const EstimatorOptions,
    u: *const f64,
    n_outer: i64,
    w: *const f64,
    n_inner: i64,
    v: *const f64,
    out: *mut f64,
    report: *mut ReportInfo,
) -> Status {
    // SAFETY: the caller vouches for a living handle, structs of the sizes in their first fields, and arrays of these sizes.
    guard(|| unsafe { respond(workspace, estimator, (u, n_outer), (w, n_inner), false, v, out, report) })
}

pub(super) unsafe fn respond<T: Scalar>(
    workspace: *mut Workspace<T>,
    estimator: *const EstimatorOptions,
    u: (*const T, i64),
    w: (*const T, i64),
    forward: bool,
    direction: *const T,
    out: *mut T,
    report: *mut ReportInfo,
) -> Done {
    // SAFETY: as the caller vouches.
    let (mut own, solve, report) = unsafe {
        let own = at_point(workspace, u, w)?;
        (own, read_solve("estimator", "response", estimator)?, ReportPlace::new(report)?)
    };
    let Own { problem, scratch, u, w, out_u, out_w, .. } = &mut *own;
    let (found, result) = {
        not_null("out", out)?;
        let (name, to): (_, &mut [T]) = if forward { ("du", out_u) } else { ("v", out_w) };
        // SAFETY: as the caller vouches.
        unsafe { read_into(name, direction, to) }?;
        if forward {
            (response_jvp(&**problem, &solve, (u, w), out_u, scratch, out_w)?, out_w)
        } else {
            (response_vjp(&**problem, &solve, (u, w), out_w, scratch, out_u)?, out_u)
        }
    };
    check_finite("response", result)?;
    // SAFETY: as the caller vouches.
    unsafe {
        write_array(out, result);
        report.write(&found, f64::NAN);
    }
    Ok(())
}

/// The influence of each inner example on F, from one solve: scores_i = -(partial f_i / partial w)'q, the derivative of
/// F(w*) by epsilon in f + epsilon f_i. An example above 0 raises the outer loss; to remove it changes F by about -scores_i.
///
/// - workspace [in]: a workspace of the problem
/// - estimator [in]: how q is found; NULL for the defaults; not BLO_ESTIMATOR_UNROLLED
/// - u [in, n_outer], n_outer [in], w [in, n_inner], n_inner [in]: where, and the problem's sizes
/// - scores [out, n_examples], n_examples [in]: doubles for both precisions, and the number of inner examples
/// - report [out]: how the solve went; may be NULL; struct_size to be set
///
/// Errors: as blo_hypergradient_f64, and BLO_ERR_UNSUPPORTED for unrolling and for problems that are no sum over examples.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_influence_f64(
    workspace: *mut Workspace<f64>,
    estimator: *const EstimatorOptions,
    u: *const f64,
    n_outer: i64,
    w: *const f64,
    n_inner: i64,
    scores: *mut c_double,
    n_examples: i64,
    report: *mut ReportInfo,
) -> Status {
    // SAFETY: the caller vouches for a living handle, structs of the sizes in their first fields, and arrays of these sizes.
    guard(|| unsafe { score(workspace, estimator, (u, n_outer), (w, n_inner), scores, n_examples, report) })
}

pub(super) unsafe fn score<T: Scalar>(
    workspace: *mut Workspace<T>,
    estimator: *const EstimatorOptions,
    u: (*const T, i64),
    w: (*const T, i64),
    scores: *mut f64,
    n_examples: i64,
    report: *mut ReportInfo,
) -> Done {
    // SAFETY: as the caller vouches.
    let (mut own, solve, report) = unsafe {
        let own = at_point(workspace, u, w)?;
        (own, read_solve("estimator", "influence", estimator)?, ReportPlace::new(report)?)
    };
    let Own { problem, scratch, u, w, scores: found, .. } = &mut *own;
    if !found.is_empty() {
        same_dimension("n_examples", n_examples, found.len())?;
    }
    not_null("scores", scores)?;
    let evaluation = hypergradient::influence(&**problem, &solve, u, w, scratch, found)?;
    // SAFETY: as the caller vouches.
    unsafe {
        write_array(scores, found);
        report.write(&evaluation.report, evaluation.outer_loss);
    }
    Ok(())
}
