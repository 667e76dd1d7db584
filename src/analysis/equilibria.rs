//! How far (u, w) is from an equilibrium of a bilevel loop (paper, Statements 3.1 and 3.2).

use super::inner::solution;
use crate::bilevel::InnerSolve;
use crate::hypergradient::{self, Estimator, Workspace};
use crate::problem::{PointOf, Problem};
use crate::solve::{Points, Space};
use crate::{Result, Scalar};

/// The map whose fixpoint w has to be at an equilibrium (û, ŵ).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Equilibrium<'a, V> {
    /// ŵ = Ξ(û, w₀): the inner solution from w₀.
    Cold {
        /// w₀.
        start: &'a V,
        /// How the inner problem is solved.
        inner: InnerSolve,
    },
    /// ŵ = Ξ(û, ŵ): full with [`InnerSolve::Fixpoint`] or a tolerance, partial with T steps of descent.
    Warm {
        /// How the inner problem is solved.
        inner: InnerSolve,
    },
}

/// Both are zero at an equilibrium.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Residuals {
    /// ‖Ξ − w‖ with Ξ = Ξ(u, w₀) or Ξ(u, w); infinite if the inner solve diverges.
    pub fixpoint: f64,
    /// ‖dF/du‖ at (u, w), as the estimator has it.
    pub outer: f64,
    /// F(u, w), or after T steps from w for an unrolled estimator.
    pub outer_loss: f64,
}

/// The residuals of (u, w) as an equilibrium of the kind given, for a loop that uses this estimator.
///
/// For 0 < alpha < 2/λmax and a convex quadratic, partial and full warm equilibria are the same for every T (Statement 3.2).
///
/// # Errors
///
/// Shapes and values of u, w and w₀, parameters out of range, [`Error::Unsupported`](crate::Error::Unsupported) for
/// [`InnerSolve::Fixpoint`] on a problem without a closed form, and whatever the problem returns.
pub fn equilibrium_residuals<T: Scalar, P: Problem<T>>(
    problem: &P,
    equilibrium: &Equilibrium<'_, PointOf<T, P>>,
    estimator: &Estimator,
    u: &PointOf<T, P>,
    w: &PointOf<T, P>,
) -> Result<Residuals> {
    let points = problem.inner_space();
    estimator.validate()?;
    problem.outer_space().check("u", u)?;
    points.check("w", w)?;
    let (from, inner) = match equilibrium {
        Equilibrium::Cold { start, inner } => {
            points.check("start", start)?;
            (*start, inner)
        }
        Equilibrium::Warm { inner } => (w, inner),
    };
    let fixpoint = match solution(problem, inner, &mut problem.workspace(), u, from)? {
        Some(mut moved) => {
            points.axpy(-T::ONE, w, &mut moved);
            points.norm(&moved)
        }
        None => f64::INFINITY,
    };
    let mut workspace = Workspace::new(problem);
    let evaluation = hypergradient::evaluate(problem, estimator, u, w, &mut workspace)?;
    let outer = problem.outer_space().norm(workspace.gradient());
    Ok(Residuals { fixpoint, outer, outer_loss: evaluation.outer_loss })
}
