//! One hypergradient and its report.

use super::args::{Growing, declared_size, not_null, read_array, same_dimension, write_array, write_struct};
use super::estimator::{EstimatorOptions, read_estimator};
use super::guard::guard;
use super::problem::{Kind, ProblemF64, borrow};
use super::status::Status;
use crate::Result;
use crate::hypergradient::{Estimator, Evaluation, Workspace, evaluate};
use crate::problem::{PointOf, Problem};
use crate::solve::{Flat, Space};

/// ending: every term, every iteration, or a direct solve.
pub const BLO_ENDING_COMPLETED: i32 = 0;
/// ending: the tolerance was reached, or q is exact to rounding.
pub const BLO_ENDING_CONVERGED: i32 = 1;
/// ending: the limit on products came first; q is the best so far.
pub const BLO_ENDING_PRODUCT_LIMIT: i32 = 2;
/// ending: the terms of the Neumann series grow, so alpha is too large or the curvature negative; q is the sum up
/// to the smallest term.
pub const BLO_ENDING_NON_CONTRACTIVE: i32 = 3;
/// ending: negative curvature stopped conjugate gradients; q is the best iterate before it.
pub const BLO_ENDING_NEGATIVE_CURVATURE: i32 = 4;
/// ending: H is singular and b not in its range; q is the best iterate before that showed.
pub const BLO_ENDING_SINGULAR: i32 = 5;
/// ending: the residual no longer falls, or a restarted solve stands still; q is the best so far.
pub const BLO_ENDING_STALLED: i32 = 6;

/// What a hypergradient's solve tells about itself. Set struct_size before the call; nothing is written past it.
/// What was not measured is NaN.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReportInfo {
    /// sizeof(blo_report).
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// One of BLO_ENDING_. Only the first two mean that all that was asked for was done.
    pub ending: i32,
    /// 0.
    pub reserved1: i32,
    /// Products with H, the one for residual not counted.
    pub products: i64,
    /// |H q - b| / |b|, recomputed with the undamped H.
    pub residual: f64,
    /// The share of b in the null space of H, |P0 b| / |b|.
    pub null_share: f64,
    /// The smallest curvature seen.
    pub curvature_min: f64,
    /// The largest curvature seen.
    pub curvature_max: f64,
    /// The step size of the Neumann series.
    pub alpha: f64,
    /// The largest ratio of a term's norm to the one before, once a term grew.
    pub growth: f64,
    /// |b|.
    pub rhs_norm: f64,
    /// F at w, or after the steps of an unrolled estimator.
    pub outer_loss: f64,
}

// SAFETY: two u32, then integers and doubles without padding, as the assertion below shows.
unsafe impl Growing for ReportInfo {
    const FIRST_SIZE: usize = 88;
}

const _: () = assert!(size_of::<ReportInfo>() == ReportInfo::FIRST_SIZE);

impl From<&Evaluation> for ReportInfo {
    fn from(evaluation: &Evaluation) -> ReportInfo {
        let report = &evaluation.report;
        let or_nan = |value: Option<f64>| value.unwrap_or(f64::NAN);
        ReportInfo {
            struct_size: ReportInfo::FIRST_SIZE as u32,
            reserved: 0,
            ending: report.ending.number(),
            reserved1: 0,
            products: report.products as i64,
            residual: or_nan(report.residual),
            null_share: or_nan(report.null_share),
            curvature_min: or_nan(report.curvature.map(|(low, _)| low)),
            curvature_max: or_nan(report.curvature.map(|(_, high)| high)),
            alpha: or_nan(report.alpha),
            growth: or_nan(report.growth),
            rhs_norm: report.rhs_norm,
            outer_loss: evaluation.outer_loss,
        }
    }
}

/// Computes one hypergradient: hypergradient = (partial F / partial u) - M' q, with q an approximation of
/// H^-1 (partial F / partial w) at (u, w).
///
/// - problem [in]: the problem
/// - estimator [in]: how; NULL for the defaults
/// - u [in, n_outer], n_outer [in]: the outer parameters, and their number, the problem's
/// - w [in, n_inner], n_inner [in]: the inner parameters, best a solution of the inner problem at u, and their
///   number
/// - hypergradient [out, n_outer]: the result
/// - q [out, n_inner]: q; may be NULL. After unrolling: the sum of alpha times the adjoint states
/// - report [out]: how the solve went; may be NULL; struct_size to be set
///
/// Outputs may overlap u and w, and are written only if the call succeeds. A solve that did not do all that was
/// asked for still succeeds: see ending in the report. Allocates its scratch.
///
/// Errors: BLO_ERR_NULL; BLO_ERR_SHAPE for sizes other than the problem's; BLO_ERR_NON_FINITE for u, w, the
/// hypergradient, or what a callback wrote; BLO_ERR_INVALID for a field of estimator; BLO_ERR_STRUCT_SIZE;
/// BLO_ERR_ASYMMETRIC for a dense solve with callbacks whose H is not symmetric; BLO_ERR_DECOMPOSITION;
/// BLO_ERR_CALLBACK.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_hypergradient_f64(
    problem: *const ProblemF64,
    estimator: *const EstimatorOptions,
    u: *const f64,
    n_outer: i64,
    w: *const f64,
    n_inner: i64,
    hypergradient: *mut f64,
    q: *mut f64,
    report: *mut ReportInfo,
) -> Status {
    guard(|| {
        // SAFETY: the caller vouches for a living handle.
        let problem = unsafe { borrow(problem) }?;
        // SAFETY: the caller vouches for a struct of the size in its first field.
        let estimator = unsafe { read_estimator("estimator", estimator) }?;
        let (m, n) = problem.dimensions();
        same_dimension("n_outer", n_outer, m)?;
        same_dimension("n_inner", n_inner, n)?;
        not_null("hypergradient", hypergradient)?;
        // SAFETY: the caller vouches for a struct of the size in its first field.
        let report_size = if report.is_null() { 0 } else { unsafe { declared_size("report", report) }? };
        // SAFETY: the caller vouches for arrays of these sizes, which have just been compared with the problem's.
        let (u, w) = unsafe { (read_array("u", u, m)?, read_array("w", w, n)?) };
        let result = match problem {
            Kind::Quadratic(problem) => compute(problem, &estimator, &u, &w),
            Kind::User(problem) => compute(problem, &estimator, &u, &w),
        }?;
        // SAFETY: as for the inputs; q and report are written only if they are not null.
        unsafe {
            write_array(hypergradient, &result.gradient);
            if !q.is_null() {
                write_array(q, &result.q);
            }
            if !report.is_null() {
                write_struct(report, report_size, &ReportInfo::from(&result.evaluation));
            }
        }
        Ok(())
    })
}

struct Computed {
    gradient: Vec<f64>,
    q: Vec<f64>,
    evaluation: Evaluation,
}

fn compute<P: Problem<f64, Points = Flat, Vectors = Flat>>(
    problem: &P,
    estimator: &Estimator,
    u: &PointOf<f64, P>,
    w: &PointOf<f64, P>,
) -> Result<Computed> {
    let mut workspace = Workspace::new(problem);
    let evaluation = evaluate(problem, estimator, u, w, &mut workspace)?;
    let mut q = problem.inner_space().zeros();
    workspace.lower_q(problem, &mut q)?;
    Ok(Computed { gradient: workspace.gradient().clone(), q, evaluation })
}
