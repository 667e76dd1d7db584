//! One inner solve, as a run makes it.

use crate::bilevel::InnerSolve;
use crate::error::{check_nonnegative, check_positive, invalid};
use crate::problem::{PointOf, Problem};
use crate::solve::{Points, Space};
use crate::{Result, Scalar};

/// w ← Ξ(u, w). Returns whether it stayed finite. A tolerance is relative to the largest gradient of this solve.
pub(super) fn solve_inner<T: Scalar, P: Problem<T>>(
    problem: &P,
    inner: &InnerSolve,
    at: &mut P::Workspace,
    u: &PointOf<T, P>,
    w: &mut PointOf<T, P>,
) -> Result<bool> {
    let points = problem.inner_space();
    let InnerSolve::Descent { alpha, steps, tolerance } = *inner else {
        problem.fixpoint(at, u, w)?;
        return Ok(points.check("w", w).is_ok());
    };
    check_positive("inner alpha", alpha)?;
    check_nonnegative("inner tolerance", tolerance)?;
    if steps == 0 {
        return Err(invalid("inner steps", 0, "at least 1"));
    }
    let (mut gradient, mut largest) = (points.zeros(), 0.0_f64);
    for _ in 0..steps {
        problem.inner(at, u, w, &mut gradient)?;
        let norm = points.norm(&gradient);
        if !norm.is_finite() {
            return Ok(false);
        }
        largest = largest.max(norm);
        if norm <= tolerance * largest {
            break;
        }
        points.axpy(T::from_f64(-alpha), &gradient, w);
    }
    Ok(points.check("w", w).is_ok())
}
