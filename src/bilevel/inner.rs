//! One inner solve.

use super::sampler::Sampler;
use super::settings::InnerSolve;
use crate::optimize::{Rule, State};
use crate::problem::{PointOf, Problem};
use crate::solve::{Points, Space};
use crate::{Result, Scalar};

/// The growth of the inner gradient within one inner solve that counts as divergence.
const DIVERGED: f64 = 1e6;

/// w ← Ξ(u, w), with the optimizer's buffers. Returns the steps made, or `None` if it diverged. `largest` is the largest inner
/// gradient seen so far, which tolerances are relative to; `gradient` is scratch.
pub(crate) fn solve_inner<T: Scalar, P: Problem<T>>(
    problem: &P,
    inner: &InnerSolve,
    at: &mut P::Workspace,
    u: &PointOf<T, P>,
    w: &mut State<PointOf<T, P>>,
    gradient: &mut PointOf<T, P>,
    largest: &mut f64,
) -> Result<Option<usize>> {
    let points = problem.inner_space();
    let mut made = 0;
    match inner {
        InnerSolve::Fixpoint => problem.fixpoint(at, u, &mut w.x)?,
        InnerSolve::Optimizer { rule, steps, tolerance } => {
            let mut first = None;
            for _ in 0..*steps {
                problem.inner(at, u, &w.x, gradient)?;
                let norm = points.norm(gradient);
                let first = *first.get_or_insert(norm);
                if !norm.is_finite() || (first > 0.0 && norm > DIVERGED * first) {
                    return Ok(None);
                }
                *largest = largest.max(norm);
                if norm <= tolerance * *largest {
                    break;
                }
                w.step(rule, points, gradient);
                made += 1;
            }
        }
    }
    Ok(points.check("w", &w.x).is_ok().then_some(made))
}

/// The same with a batch for each step, and all of the steps: a batch's gradient says nothing of the end. It diverged only
/// where something overflowed, since gradients of different batches may differ by any factor.
pub(super) fn descend_by_batches<T: Scalar, P: Problem<T>>(
    problem: &P,
    (rule, steps): (&Rule, usize),
    sampler: &mut Sampler,
    at: &mut P::Workspace,
    u: &PointOf<T, P>,
    w: &mut State<PointOf<T, P>>,
    gradient: &mut PointOf<T, P>,
) -> Result<Option<usize>> {
    let points = problem.inner_space();
    for _ in 0..steps {
        problem.inner_batch(at, sampler.next_batch(), u, &w.x, gradient)?;
        if !points.norm(gradient).is_finite() {
            return Ok(None);
        }
        w.step(rule, points, gradient);
    }
    Ok(points.check("w", &w.x).is_ok().then_some(steps))
}
