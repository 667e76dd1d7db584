//! One inner solve from a point, as a run begins it.

use crate::bilevel::{self, InnerSolve};
use crate::optimize::State;
use crate::problem::{PointOf, Problem};
use crate::{Result, Scalar};

/// Ξ(u, w), or `None` if the solve diverged.
pub(super) fn solution<T: Scalar, P: Problem<T>>(
    problem: &P,
    inner: &InnerSolve,
    at: &mut P::Workspace,
    u: &PointOf<T, P>,
    w: &PointOf<T, P>,
) -> Result<Option<PointOf<T, P>>> {
    inner.validate()?;
    let points = problem.inner_space();
    let mut state = State::new(&inner.rule(), points);
    state.restart(points, w);
    let (mut gradient, mut largest) = (crate::solve::Space::zeros(points), 0.0);
    let made = bilevel::solve_inner(problem, inner, at, u, &mut state, &mut gradient, &mut largest)?;
    Ok(made.map(|_| state.x))
}
