//! Products with the response Jacobian J = dw*/du ≈ −r(H) M.

use super::Workspace;
use crate::problem::{PointOf, Problem};
use crate::solve::{Points, Report, Solve, Space};
use crate::{Result, Scalar};

/// out ← J du = −r(H) M du: how the inner solution at (u, w) moves with u. `out` is a point in w-space.
///
/// # Errors
///
/// As [`evaluate`](super::evaluate), and where the problem has no `mixed_jvp`.
pub fn response_jvp<T: Scalar, P: Problem<T>>(
    problem: &P,
    solve: &Solve,
    (u, w): (&PointOf<T, P>, &PointOf<T, P>),
    du: &PointOf<T, P>,
    workspace: &mut Workspace<T, P>,
    out: &mut PointOf<T, P>,
) -> Result<Report> {
    problem.outer_space().check("u", u)?;
    problem.inner_space().check("w", w)?;
    problem.outer_space().check("du", du)?;
    // The last q belongs to another right-hand side.
    let solve = Solve { start_from_last: false, ..*solve };
    let at = &mut workspace.problem;
    problem.linearize(at, u, w)?;
    problem.mixed_jvp(at, du, &mut workspace.b)?;
    let report = problem.solve(at, &solve, &workspace.b, &mut workspace.q, &mut workspace.solve)?;
    problem.lower(at, &workspace.q, out)?;
    problem.inner_space().scale(-T::ONE, out);
    Ok(report)
}

/// out ← Jᵀ v = −Mᵀ r(H) v: the gradient by u of ⟨v, w*(u)⟩ at (u, w). `out` is a point in u-space.
///
/// # Errors
///
/// As [`evaluate`](super::evaluate).
pub fn response_vjp<T: Scalar, P: Problem<T>>(
    problem: &P,
    solve: &Solve,
    (u, w): (&PointOf<T, P>, &PointOf<T, P>),
    v: &PointOf<T, P>,
    workspace: &mut Workspace<T, P>,
    out: &mut PointOf<T, P>,
) -> Result<Report> {
    problem.outer_space().check("u", u)?;
    problem.inner_space().check("w", w)?;
    problem.inner_space().check("v", v)?;
    // The last q belongs to another right-hand side.
    let solve = Solve { start_from_last: false, ..*solve };
    let at = &mut workspace.problem;
    problem.linearize(at, u, w)?;
    problem.lift(at, v, &mut workspace.b)?;
    let report = problem.solve(at, &solve, &workspace.b, &mut workspace.q, &mut workspace.solve)?;
    problem.mixed_vjp(at, &workspace.q, out)?;
    problem.outer_space().scale(-T::ONE, out);
    Ok(report)
}
