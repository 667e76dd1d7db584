//! What a learned u is worth without the w that it was learned with: warm starts may leave much of the solution in w.

use super::inner::solution;
use crate::bilevel::InnerSolve;
use crate::error::invalid;
use crate::problem::{PointOf, Problem};
use crate::solve::{Points, Space};
use crate::{Result, Scalar};

/// F with the w of a run, and with one trained anew.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retraining<V> {
    /// F(u, w).
    pub run_loss: f64,
    /// F(u, Ξ(u, w₀)).
    pub retrained_loss: f64,
    /// The second less the first: what of F was in w and not in u. About 0 after a cold start.
    pub gap: f64,
    /// Ξ(u, w₀).
    pub retrained: V,
}

/// The retraining gap of the end (u, w) of a run, with the inner problem solved anew from w₀ = `start`.
///
/// # Errors
///
/// Shapes and values of u, w and `start`, parameters of `inner` out of range, [`Error::Invalid`](crate::Error::Invalid) if the
/// new inner solve diverges, and whatever the problem returns.
pub fn retraining_gap<T: Scalar, P: Problem<T>>(
    problem: &P,
    inner: &InnerSolve,
    start: &PointOf<T, P>,
    u: &PointOf<T, P>,
    w: &PointOf<T, P>,
) -> Result<Retraining<PointOf<T, P>>> {
    let points = problem.inner_space();
    problem.outer_space().check("u", u)?;
    points.check("w", w)?;
    points.check("start", start)?;
    let mut at = problem.workspace();
    let Some(retrained) = solution(problem, inner, &mut at, u, start)? else {
        return Err(invalid("inner solve", "divergence", "a smaller step"));
    };
    let (mut gradient_u, mut gradient_w) = (problem.outer_space().zeros(), points.zeros());
    let run_loss = problem.outer(&mut at, u, w, &mut gradient_u, &mut gradient_w)?;
    let retrained_loss = problem.outer(&mut at, u, &retrained, &mut gradient_u, &mut gradient_w)?;
    Ok(Retraining { run_loss, retrained_loss, gap: retrained_loss - run_loss, retrained })
}
