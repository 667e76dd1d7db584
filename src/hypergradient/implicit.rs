//! dF/du = ∂F/∂u − Mᵀ r(H) ∂F/∂w.

use super::{Evaluation, Workspace};
use crate::problem::{PointOf, Problem};
use crate::solve::{self, Inverse, Solve, Space};
use crate::{Error, Result, Scalar};

/// What the error calls a ∂F/∂w that is not finite.
pub(crate) const OVERFLOW: &str = "outer gradient in w";

pub(super) fn run<T: Scalar, P: Problem<T>>(
    problem: &P,
    solve: &Solve,
    u: &PointOf<T, P>,
    w: &PointOf<T, P>,
    workspace: &mut Workspace<T, P>,
) -> Result<Evaluation> {
    let at = &mut workspace.problem;
    let outer_loss = problem.outer(at, u, w, &mut workspace.gradient, &mut workspace.gradient_w)?;
    problem.linearize(at, u, w)?;
    if solve.start_from_last {
        // As a point, because vectors of the solve may belong to one linearization.
        match &workspace.last {
            Some(last) => problem.lift(at, last, &mut workspace.q)?,
            None => problem.vectors(at).scale(T::ZERO, &mut workspace.q),
        }
    }
    problem.lift(at, &workspace.gradient_w, &mut workspace.b)?;
    if let (true, Some(last)) = (solve.start_from_last, &workspace.last) {
        // Vectors that are known relative to b, like factored ones, cannot hold any other point.
        let points = problem.inner_space();
        let held = &mut workspace.gradient_w;
        problem.lower(at, &workspace.q, held)?;
        points.axpy(-T::ONE, last, held);
        // A NaN is no agreement.
        let agrees = points.norm(held) <= T::EPSILON.sqrt() * points.norm(last);
        if !agrees {
            return Err(Error::Unsupported {
                operation: "start_from_last",
                reason: "this problem's solves run on vectors that cannot hold the q of another point",
            });
        }
    }
    let named = |error| match error {
        Error::NonFinite { argument: solve::RIGHT_HAND_SIDE, index, found } => {
            Error::NonFinite { argument: OVERFLOW, index, found }
        }
        error => error,
    };
    if !workspace.keeps_q && !solve.verify && !solve.start_from_last {
        let short = problem.solve_mixed_vjp(at, solve, &workspace.b, &mut workspace.mixed).map_err(named)?;
        if let Some(report) = short {
            problem.outer_space().axpy(-T::ONE, &workspace.mixed, &mut workspace.gradient);
            return Ok(Evaluation { outer_loss, report });
        }
    }
    let report = problem.solve(at, solve, &workspace.b, &mut workspace.q, &mut workspace.solve).map_err(named)?;
    if solve.start_from_last {
        let last = workspace.last.get_or_insert_with(|| problem.inner_space().zeros());
        problem.lower(at, &workspace.q, last)?;
    }
    if solve.inverse != Inverse::Zero {
        problem.mixed_vjp(at, &workspace.q, &mut workspace.mixed)?;
        problem.outer_space().axpy(-T::ONE, &workspace.mixed, &mut workspace.gradient);
    }
    Ok(Evaluation { outer_loss, report })
}
