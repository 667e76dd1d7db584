//! Conjugate gradients, truncated, for positive semidefinite H.
//!
//! Hestenes and Stiefel (1952). It stops, rather than running on, at a direction of zero or negative curvature and at the
//! floor of its residual: past these points the iterates of a singular system grow without bound.

use super::operator::{Operator, VectorOf};
use super::report::{Ending, Report};
use super::space::Space;
use crate::{Result, Scalar};

/// q ← the iterate after `iterations` steps from zero. The vectors given are scratch; the first holds b on entry. Returns the
/// smallest relative residual of the recurrence, and whether its iterate is in the last vector rather than in q.
pub(super) fn run<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    iterations: usize,
    tolerance: f64,
    q: &mut VectorOf<T, O>,
    [r, p, hp, best]: [&mut VectorOf<T, O>; 4],
    report: &mut Report,
) -> Result<(f64, bool)> {
    let flat = 64.0 * T::EPSILON;
    let runaway = 1.0 / T::EPSILON.sqrt();
    op.space().scale(T::ZERO, q);
    op.space().copy(r, p);
    let mut square = op.space().dot(r, r);
    let target = (tolerance.max(4.0 * T::EPSILON) * square.sqrt()).max(f64::MIN_POSITIVE);
    let first = square;
    let relative = |smallest: f64, best_is_q: bool| ((smallest / first).sqrt(), !best_is_q);
    let mut smallest = square;
    let mut best_is_q = true;
    let mut range: Option<(f64, f64)> = None;
    report.ending = Ending::Completed;
    for _ in 0..iterations {
        op.apply(p, hp)?;
        report.products += 1;
        let product = op.space().dot(p, hp);
        let curvature = product / op.space().dot(p, p);
        let (low, high) = range.unwrap_or((curvature, curvature));
        let (low, high) = (low.min(curvature), high.max(curvature));
        range = Some((low, high));
        report.curvature = range;
        let scale = high.abs().max(low.abs());
        let stop = if !curvature.is_finite() {
            Some(Ending::Singular)
        } else if curvature < -flat * scale {
            Some(Ending::NegativeCurvature)
        } else if curvature <= flat * scale {
            Some(Ending::Singular)
        } else {
            None
        };
        let step = square / product;
        let mut next = 0.0;
        if stop.is_none() {
            op.space().axpy(T::from_f64(-step), hp, r);
            next = op.space().dot(r, r);
        }
        let ran_away = !next.is_finite() || next.sqrt() > runaway * smallest.sqrt();
        if stop.is_some() || ran_away {
            report.ending = stop.unwrap_or(Ending::Singular);
            if !best_is_q {
                op.space().copy(best, q);
            }
            return Ok(relative(smallest, best_is_q));
        }
        if best_is_q && next > smallest {
            op.space().copy(q, best);
            best_is_q = false;
        }
        op.space().axpy(T::from_f64(step), p, q);
        if next <= smallest {
            smallest = next;
            best_is_q = true;
        }
        if next.sqrt() <= target {
            report.ending = Ending::Converged;
            return Ok(relative(smallest, best_is_q));
        }
        op.space().scale(T::from_f64(next / square), p);
        op.space().axpy(T::ONE, r, p);
        square = next;
    }
    Ok(relative(smallest, best_is_q))
}
