//! Conjugate gradients, truncated, for positive semidefinite H.
//!
//! Hestenes and Stiefel (1952). It stops, rather than running on, at a direction of zero or negative curvature and at the
//! floor of its residual: past these points the iterates of a singular system grow without bound.
//!
//! The steps are the operator's, [`Operator::cg_steps`], with the recurrence below as the default: on a device they keep their
//! scalars there, and the host looks at them once for several.

use super::operator::{Operator, VectorOf};
use super::report::{Ending, Report};
use super::space::Space;
use crate::{Result, Scalar};

/// A run of conjugate gradients so far: what a step needs and leaves beside its vectors. Made by [`solve`](super::solve()).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CgRun {
    /// ‖r‖².
    pub(crate) square: f64,
    /// The smallest ‖r‖² so far.
    pub(crate) smallest: f64,
    /// Whether its iterate is q; else it is in the last vector.
    pub(crate) best_is_q: bool,
    /// Converged once ‖r‖ is this small.
    pub(crate) target: f64,
    /// Lowest and highest curvature so far.
    pub(crate) range: Option<(f64, f64)>,
    pub(crate) products: usize,
    /// Converged, negative curvature or singular; then there are no more steps.
    pub(crate) ending: Option<Ending>,
}

impl CgRun {
    /// Curvature below this share of the largest one seen is none.
    pub(crate) fn flat<T: Scalar>() -> f64 {
        64.0 * T::EPSILON
    }

    /// The residual has run away once its norm is this many times the smallest.
    pub(crate) fn runaway<T: Scalar>() -> f64 {
        1.0 / T::EPSILON.sqrt()
    }
}

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
    op.space().scale(T::ZERO, q);
    op.space().copy(r, p);
    let first = op.space().dot(r, r);
    let target = (tolerance.max(4.0 * T::EPSILON) * first.sqrt()).max(f64::MIN_POSITIVE);
    let (square, smallest, best_is_q) = (first, first, true);
    let mut run = CgRun { square, smallest, best_is_q, target, range: None, products: 0, ending: None };
    op.cg_steps(iterations, &mut run, [q, r, p, hp, best])?;
    report.products += run.products;
    report.curvature = run.range.or(report.curvature);
    report.ending = run.ending.unwrap_or(Ending::Completed);
    if !report.ending.is_sound() && !run.best_is_q {
        op.space().copy(best, q);
    }
    Ok(((run.smallest / first).sqrt(), !run.best_is_q))
}

/// So many steps, or fewer if the run ends. The vectors are q, r, p, hp and the best iterate.
pub(crate) fn steps<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    steps: usize,
    run: &mut CgRun,
    [q, r, p, hp, best]: [&mut VectorOf<T, O>; 5],
) -> Result<()> {
    for _ in 0..steps {
        op.apply(p, hp)?;
        run.products += 1;
        let product = op.space().dot(p, hp);
        let curvature = product / op.space().dot(p, p);
        let (low, high) = run.range.unwrap_or((curvature, curvature));
        let (low, high) = (low.min(curvature), high.max(curvature));
        run.range = Some((low, high));
        let flat = CgRun::flat::<T>() * high.abs().max(low.abs());
        if !curvature.is_finite() {
            run.ending = Some(Ending::Singular);
        } else if curvature < -flat {
            run.ending = Some(Ending::NegativeCurvature);
        } else if curvature <= flat {
            run.ending = Some(Ending::Singular);
        }
        if run.ending.is_some() {
            return Ok(());
        }
        let step = run.square / product;
        op.space().axpy(T::from_f64(-step), hp, r);
        let next = op.space().dot(r, r);
        if !next.is_finite() || next.sqrt() > CgRun::runaway::<T>() * run.smallest.sqrt() {
            run.ending = Some(Ending::Singular);
            return Ok(());
        }
        if run.best_is_q && next > run.smallest {
            op.space().copy(q, best);
            run.best_is_q = false;
        }
        op.space().axpy(T::from_f64(step), p, q);
        if next <= run.smallest {
            run.smallest = next;
            run.best_is_q = true;
        }
        if next.sqrt() <= run.target {
            run.ending = Some(Ending::Converged);
            return Ok(());
        }
        op.space().scale(T::from_f64(next / run.square), p);
        op.space().axpy(T::ONE, r, p);
        run.square = next;
    }
    Ok(())
}
