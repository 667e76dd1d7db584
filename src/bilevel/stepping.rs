//! A run that is stepped from outside, in one call for a step or in two, and put where the caller wants it.

use super::runner::{Halt, Progress, Runner};
use crate::error::{check_finite, check_len, invalid};
use crate::hypergradient::Evaluation;
use crate::problem::Problem;
use crate::solve::Space;
use crate::{Result, Scalar};
use std::ops::{ControlFlow, Deref};

impl<T: Scalar, R: Deref<Target: Problem<T>>> Runner<T, R> {
    /// One outer step: look ahead, hypergradient, u, w. Returns the evaluation, or `None` if something diverged. L-BFGS-B then
    /// steps back and may go on; once it has converged or stalled, u stays.
    ///
    /// # Errors
    ///
    /// As [`Runner::run_with`].
    pub fn outer_step(&mut self) -> Result<Option<Evaluation>> {
        let Some(evaluation) = self.begin_step()? else { return Ok(None) };
        Ok(self.end_step(None)?.then_some(evaluation))
    }

    /// The first half of an outer step: the look-ahead, and the hypergradient at its end. u stays. Returns the evaluation, or
    /// `None` if something diverged; L-BFGS-B has then stepped back, and may begin again.
    ///
    /// # Errors
    ///
    /// As [`Runner::run_with`].
    pub fn begin_step(&mut self) -> Result<Option<Evaluation>> {
        self.begun = false;
        let mut seen = None;
        let halt = self.evaluate_or_diverge(&mut |progress: &Progress<'_, _>| {
            seen = Some(progress.evaluation);
            ControlFlow::Continue(())
        })?;
        if matches!(halt, Some(Halt::InnerDiverged | Halt::OuterDiverged)) {
            if self.steps_back() {
                self.next_trial(false)?;
            }
            return Ok(None);
        }
        self.begun = seen.is_some();
        Ok(seen)
    }

    /// The second half: moves u by the outer rule, along the hypergradient or a vector that takes its place, and w after it.
    /// [`Runner::hypergradient`] is then that vector. Returns false if something diverged; u has then not moved.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`](crate::Error::Invalid) unless [`Runner::begin_step`] came just before;
    /// [`Error::Shape`](crate::Error::Shape) and [`Error::NonFinite`](crate::Error::NonFinite) for the vector, and the step may
    /// still be ended; as [`Runner::run_with`].
    pub fn end_step(&mut self, hypergradient: Option<&[T]>) -> Result<bool> {
        if !self.begun {
            return Err(invalid("runner", "no step that has begun", "a call that begins one just before"));
        }
        let outer = self.problem.outer_space();
        if let Some(given) = hypergradient {
            check_len("hypergradient", given.len(), outer.len())?;
            check_finite("hypergradient", given)?;
            outer.load(given, self.workspace.gradient_mut())?;
        }
        self.begun = false;
        Ok(matches!(self.update()?, None | Some(Halt::Converged | Halt::Stalled)))
    }

    /// Puts u, w or both elsewhere, between steps. The rules' buffers stay; L-BFGS-B begins a new search at u. A cold start
    /// still begins its inner solves where it did.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`](crate::Error::Shape) and [`Error::NonFinite`](crate::Error::NonFinite) for u and w, and
    /// [`Error::Invalid`](crate::Error::Invalid) for a u out of its bounds. Nothing has moved then.
    pub fn set(&mut self, u: Option<&[T]>, w: Option<&[T]>) -> Result<()> {
        let (outer, points) = (self.problem.outer_space(), self.problem.inner_space());
        if let Some(u) = u {
            check_len("u", u.len(), outer.len())?;
            check_finite("u", u)?;
            if let Some((lower, upper)) = self.settings.bounds
                && let Some(index) = u.iter().position(|u| !(lower..=upper).contains(&u.to_f64()))
            {
                return Err(invalid("u", format!("{} at index {index}", u[index]), format!("{lower} to {upper}")));
            }
        }
        if let Some(w) = w {
            check_len("w", w.len(), points.len())?;
            check_finite("w", w)?;
        }
        (self.begun, self.solved) = (false, false);
        if let Some(w) = w {
            points.load(w, &mut self.w.x)?;
        }
        if let Some(u) = u {
            outer.load(u, &mut self.u.x)?;
            self.begin_search()?;
        }
        Ok(())
    }
}
