//! The outer step of L-BFGS-B: tell what was found at u, move u to the next trial.

use super::runner::{Halt, Runner};
use super::settings::Outer;
use crate::optimize::{Lbfgsb, Next};
use crate::problem::Problem;
use crate::solve::{Space, heap};
use crate::{Error, Result, Scalar};
use std::ops::Deref;

/// The method and what crosses to it, in host memory.
pub(super) struct Search<T> {
    pub method: Lbfgsb<T>,
    u: Vec<T>,
    gradient: Vec<T>,
}

impl<T: Scalar> Search<T> {
    /// The memory in use.
    pub fn bytes(&self) -> usize {
        let Search { method, u, gradient } = self;
        method.bytes() + heap(u) + heap(gradient)
    }
}

impl<T: Scalar, R: Deref<Target: Problem<T>>> Runner<T, R> {
    /// A new search from u, if the outer rule is one.
    pub(super) fn begin_search(&mut self) -> Result<()> {
        let Outer::Lbfgsb { memory } = self.settings.outer else { return Ok(()) };
        let outer = self.problem.outer_space();
        let mut u = vec![T::ZERO; outer.len()];
        outer.store(&self.u.x, &mut u)?;
        let (lower, upper) = self.settings.bounds.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
        let [lower, upper] = [lower, upper].map(|bound| vec![T::from_f64(bound); u.len()]);
        let method = Lbfgsb::new(&u, &lower, &upper, memory)?;
        self.search = Some(Search { method, gradient: u.clone(), u });
        Ok(())
    }

    /// Whether a point at which something diverged is a trial that the search steps back from.
    pub(super) fn steps_back(&self) -> bool {
        self.search.as_ref().is_some_and(|search| !search.method.is_fresh())
    }

    /// Tells the evaluation at u, which is not `sound` if something diverged, and says whether the search has ended there.
    pub(super) fn tell(&mut self, sound: bool) -> Result<Option<Halt>> {
        let Some(Search { method, u, gradient }) = &mut self.search else { return Ok(None) };
        let outer = self.problem.outer_space();
        outer.store(&self.u.x, u)?;
        if u != method.trial() {
            // It was told, and an error kept u from moving.
            return Ok(None);
        }
        if method.is_fresh() {
            let first = self.first_outer.unwrap_or(0.0);
            method.set_tolerance((self.settings.outer_tolerance * first).min(f64::MAX))?;
        }
        outer.store(self.workspace.gradient(), gradient)?;
        let loss = if sound { self.outcome.outer_loss } else { f64::NAN };
        Ok(match method.tell(loss, gradient)? {
            Next::Converged => Some(Halt::Converged),
            // Back to the last accepted point first, and an evaluation there, so that u, w and F go together.
            Next::Stalled if u == method.trial() => Some(Halt::Stalled),
            Next::Stalled | Next::Evaluate => None,
        })
    }

    /// Tells the evaluation at u, and moves u to the next trial, and w after it.
    pub(super) fn next_trial(&mut self, sound: bool) -> Result<Option<Halt>> {
        self.scratch_u.copy_from(self.problem.outer_space(), &self.u);
        let mut told = sound;
        loop {
            if let Some(halt) = self.tell(told)? {
                return Ok(Some(halt));
            }
            let Some(search) = &self.search else { return Ok(None) };
            self.problem.outer_space().load(search.method.trial(), &mut self.u.x)?;
            match self.follow() {
                Ok(None) => {
                    // A point without a value is no step; the one that takes its place is.
                    self.outcome.steps -= usize::from(!sound);
                    return Ok(None);
                }
                // The inner solve diverged on the way: the search is told, and steps back.
                Ok(Some(_)) | Err(Error::NonFinite { .. }) => told = false,
                Err(error) => {
                    self.u.copy_from(self.problem.outer_space(), &self.scratch_u);
                    return Err(error);
                }
            }
        }
    }
}
