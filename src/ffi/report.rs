//! The report of a solve, as a C struct.

use super::args::{Growing, declared_size, write_struct};
use crate::Result;
use crate::solve::Report;

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

/// What a solve tells about itself. Set struct_size before the call; nothing is written past it.
/// What was not measured is NaN.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReportInfo {
    /// The size of this struct.
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
    /// F at w, or after the steps of an unrolled estimator; NaN where no hypergradient was asked for.
    pub outer_loss: f64,
}

// SAFETY: two u32, then integers and doubles without padding, as the assertion below shows.
unsafe impl Growing for ReportInfo {
    const FIRST_SIZE: usize = 88;
}

const _: () = assert!(size_of::<ReportInfo>() == ReportInfo::FIRST_SIZE);

impl ReportInfo {
    fn new(report: &Report, outer_loss: f64) -> ReportInfo {
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
            outer_loss,
        }
    }
}

/// The caller's place for a report: its size is checked before anything is done, and it is written at the end.
pub(super) struct ReportPlace {
    place: *mut ReportInfo,
    size: usize,
}

impl ReportPlace {
    /// # Safety
    ///
    /// `place` is null or points to a struct of the size in its first field, writable until `write`.
    pub unsafe fn new(place: *mut ReportInfo) -> Result<ReportPlace> {
        // SAFETY: as the caller vouches.
        let size = if place.is_null() { 0 } else { unsafe { declared_size("report", place) }? };
        Ok(ReportPlace { place, size })
    }

    /// # Safety
    ///
    /// As `new`.
    pub unsafe fn write(&self, report: &Report, outer_loss: f64) {
        if !self.place.is_null() {
            // SAFETY: as the caller vouches.
            unsafe { write_struct(self.place, self.size, &ReportInfo::new(report, outer_loss)) };
        }
    }
}
