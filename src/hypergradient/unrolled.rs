//! Reverse-mode differentiation of T inner gradient steps, all of them or the last K.
//!
//! ```text
//! w_{t+1} = w_t − alpha ∇_w f(u, w_t)
//! λ_T = ∂F/∂w (u, w_T);   dF/du = ∂F/∂u − Σ_t alpha M_tᵀ λ_{t+1};   λ_t = λ_{t+1} − alpha H_t λ_{t+1}
//! ```
//!
//! with t from T−1 down to T−K. On a quadratic, and from any stationary point, that is the Neumann series with one term
//! for each step: K_Neumann = T − 1 (paper, section 4.2 and appendix E).

use super::{Evaluation, Workspace};
use crate::error::{check_positive, invalid};
use crate::problem::{PointOf, Problem};
use crate::solve::{Ending, Points, Report, Space};
use crate::{Result, Scalar};

/// An unrolled estimator.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unrolled {
    /// T, at least 1.
    pub steps: usize,
    /// alpha.
    pub alpha: f64,
    /// Differentiate only the last this many steps; `None`: all.
    pub last: Option<usize>,
}

impl Unrolled {
    pub(super) fn validate(&self) -> Result<()> {
        check_positive("alpha", self.alpha)?;
        if self.steps == 0 {
            return Err(invalid("steps", 0, "at least 1"));
        }
        match self.last {
            Some(last) if last == 0 || last > self.steps => {
                Err(invalid("last", last, format!("from 1 to the number of steps, {}", self.steps)))
            }
            _ => Ok(()),
        }
    }
}

/// What the error calls an inner run that overflowed.
pub(crate) const DIVERGED: &str = "w after the inner steps";

pub(super) fn run<T: Scalar, P: Problem<T>>(
    problem: &P,
    unrolled: &Unrolled,
    u: &PointOf<T, P>,
    w: &PointOf<T, P>,
    workspace: &mut Workspace<T, P>,
) -> Result<Evaluation> {
    unrolled.validate()?;
    let points = problem.inner_space();
    let last = unrolled.last.unwrap_or(unrolled.steps);
    let skipped = unrolled.steps - last;
    let alpha = T::from_f64(unrolled.alpha);
    while workspace.trajectory.len() <= last {
        workspace.trajectory.push(points.zeros());
    }

    let at = &mut workspace.problem;
    points.copy(w, &mut workspace.trajectory[0]);
    for step in 0..unrolled.steps {
        let from = step.saturating_sub(skipped);
        problem.inner(at, u, &workspace.trajectory[from], &mut workspace.gradient_w)?;
        if step >= skipped {
            let (done, next) = workspace.trajectory.split_at_mut(from + 1);
            points.copy(&done[from], &mut next[0]);
            points.axpy(-alpha, &workspace.gradient_w, &mut next[0]);
        } else {
            points.axpy(-alpha, &workspace.gradient_w, &mut workspace.trajectory[0]);
        }
    }

    let end = &workspace.trajectory[last];
    points.check(DIVERGED, end)?;
    let outer_loss = problem.outer(at, u, end, &mut workspace.gradient, &mut workspace.gradient_w)?;
    // The adjoint state is carried as p = alpha λ, so that a step backward is a step of the Neumann series.
    problem.lift(at, &workspace.gradient_w, &mut workspace.b)?;
    let norm = problem.vectors(at).norm(&workspace.b);
    problem.vectors(at).scale(alpha, &mut workspace.b);
    problem.vectors(at).scale(T::ZERO, &mut workspace.q);
    for step in (0..last).rev() {
        problem.linearize(at, u, &workspace.trajectory[step])?;
        problem.mixed_vjp(at, &workspace.b, &mut workspace.mixed)?;
        problem.outer_space().axpy(-T::ONE, &workspace.mixed, &mut workspace.gradient);
        if step > 0 {
            problem.neumann_step(at, alpha, &mut workspace.scratch, &mut workspace.b, &mut workspace.q)?;
        } else {
            problem.vectors(at).axpy(T::ONE, &workspace.b, &mut workspace.q);
        }
    }
    let mut report = Report::new(Ending::Completed, norm);
    report.products = last - 1;
    report.alpha = Some(unrolled.alpha);
    Ok(Evaluation { outer_loss, report })
}
