//! The loop.

use super::settings::{InnerSolve, Settings, Start};
use super::trace::{Outcome, RunEnding, TraceRow};
use crate::hypergradient::{self, Estimator, Evaluation};
use crate::optimize;
use crate::problem::{PointOf, Problem};
use crate::solve::{Ending, Points, Space};
use crate::{Error, Result, Scalar};
use std::ops::{ControlFlow, Deref};

/// The growth of the inner gradient within one inner solve that counts as divergence.
const DIVERGED: f64 = 1e6;

/// What a monitor sees after each evaluation of the hypergradient, before u moves.
pub struct Progress<'a, V> {
    /// Outer steps made before.
    pub step: usize,
    /// u.
    pub u: &'a V,
    /// The w at which the hypergradient was taken.
    pub w: &'a V,
    /// dF/du, as estimated.
    pub hypergradient: &'a V,
    /// Its norm.
    pub norm_hypergradient: f64,
    /// F and the report of the solve.
    pub evaluation: Evaluation,
}

/// A bilevel run: Algorithms 1 (cold start) and 2, 3 (warm start) of the paper.
///
/// `R` is how the problem is held: a reference, a `Box`, an `Arc`.
pub struct Runner<T: Scalar, R: Deref<Target: Problem<T>>> {
    problem: R,
    settings: Settings,
    u: PointOf<T, R::Target>,
    w: PointOf<T, R::Target>,
    start: PointOf<T, R::Target>,
    ahead: PointOf<T, R::Target>,
    scratch: PointOf<T, R::Target>,
    min_norm: PointOf<T, R::Target>,
    scratch_u: PointOf<T, R::Target>,
    outer: optimize::State<PointOf<T, R::Target>>,
    workspace: hypergradient::Workspace<T, R::Target>,
    /// Whether `w` already solves the inner problem at `u`, so that a look-ahead would not move.
    solved: bool,
    largest_inner: f64,
    first_outer: Option<f64>,
    outcome: Outcome,
}

/// Why a step made no step.
enum Halt {
    Converged,
    Stopped,
    InnerDiverged,
    OuterDiverged,
}

impl<T: Scalar, R: Deref<Target: Problem<T>>> Runner<T, R> {
    /// A run that starts at (u, w). w is also where every inner solve of a cold start begins.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] and [`Error::NonFinite`] for u and w; whatever [`Settings::validate`] finds.
    pub fn new(problem: R, settings: Settings, u: &[T], w: &[T]) -> Result<Self> {
        settings.validate()?;
        crate::error::check_len("u", u.len(), problem.outer_space().len())?;
        crate::error::check_len("w", w.len(), problem.inner_space().len())?;
        crate::error::check_finite("u", u)?;
        crate::error::check_finite("w", w)?;
        let mut u_point = problem.outer_space().zeros();
        let [mut w_point, mut start, ahead, scratch, min_norm] = [(); 5].map(|()| problem.inner_space().zeros());
        problem.outer_space().load(u, &mut u_point)?;
        problem.inner_space().load(w, &mut w_point)?;
        problem.inner_space().load(w, &mut start)?;
        Ok(Runner {
            outer: optimize::State::new(&settings.outer, problem.outer_space()),
            workspace: hypergradient::Workspace::new(&*problem),
            scratch_u: problem.outer_space().zeros(),
            problem,
            settings,
            u: u_point,
            w: w_point,
            start,
            ahead,
            scratch,
            min_norm,
            solved: false,
            largest_inner: 0.0,
            first_outer: None,
            outcome: Outcome {
                ending: RunEnding::StepLimit,
                steps: 0,
                outer_loss: f64::NAN,
                norm_hypergradient: f64::NAN,
                inner_steps: 0,
                products: 0,
                doubtful_solves: 0,
                trace_rows: 0,
            },
        })
    }

    /// u.
    pub fn u(&self) -> &PointOf<T, R::Target> {
        &self.u
    }

    /// w: after a run, the inner solution that goes with u; between steps of a cold start, the one of the last evaluation.
    pub fn w(&self) -> &PointOf<T, R::Target> {
        &self.w
    }

    /// The hypergradient of the last evaluation.
    pub fn hypergradient(&self) -> &PointOf<T, R::Target> {
        self.workspace.gradient()
    }

    /// Runs to the end, with neither trace nor monitor. See [`Runner::run_with`].
    pub fn run(&mut self) -> Result<Outcome> {
        self.run_with(0, &mut [], |_| ControlFlow::Continue(()))
    }

    /// Runs until an end in [`RunEnding`].
    ///
    /// Every `trace_every` outer steps, and at the last evaluation, a row goes into `trace` (never, if 0); rows past its
    /// length are not recorded. `monitor` is called after each hypergradient and may stop the run.
    ///
    /// # Errors
    ///
    /// Whatever the problem and the estimator return. u and w are then those of the last whole step.
    pub fn run_with(
        &mut self,
        trace_every: usize,
        trace: &mut [TraceRow],
        mut monitor: impl FnMut(&Progress<'_, PointOf<T, R::Target>>) -> ControlFlow<()>,
    ) -> Result<Outcome> {
        let mut rows = 0;
        loop {
            let last = self.outcome.steps >= self.settings.outer_steps;
            let halt = match self.evaluate(&mut monitor)? {
                Some(halt) => Some(halt),
                None if last => {
                    self.outcome.ending = RunEnding::StepLimit;
                    None
                }
                None => {
                    self.record(trace_every, false, trace, &mut rows)?;
                    match self.update()? {
                        None => continue,
                        halt => halt,
                    }
                }
            };
            match halt {
                None => {}
                Some(Halt::Converged) => self.outcome.ending = RunEnding::Converged,
                Some(Halt::Stopped) => self.outcome.ending = RunEnding::Stopped,
                Some(Halt::InnerDiverged) => self.outcome.ending = RunEnding::InnerDiverged,
                Some(Halt::OuterDiverged) if self.inner_expands() => self.outcome.ending = RunEnding::InnerDiverged,
                Some(Halt::OuterDiverged) => self.outcome.ending = RunEnding::OuterDiverged,
            }
            if !matches!(halt, Some(Halt::InnerDiverged | Halt::OuterDiverged)) {
                self.record(trace_every, true, trace, &mut rows)?;
            }
            self.outcome.trace_rows = rows;
            return Ok(self.outcome);
        }
    }

    /// One outer step: look ahead, hypergradient, u, w. Returns the evaluation, or `None` if something diverged.
    ///
    /// # Errors
    ///
    /// As [`Runner::run_with`].
    pub fn outer_step(&mut self) -> Result<Option<Evaluation>> {
        let mut seen = None;
        let halt = self.evaluate(&mut |progress: &Progress<'_, _>| {
            seen = Some(progress.evaluation);
            ControlFlow::Continue(())
        })?;
        if matches!(halt, Some(Halt::InnerDiverged | Halt::OuterDiverged)) || self.update()?.is_some() {
            return Ok(None);
        }
        Ok(seen)
    }

    /// The look-ahead and the hypergradient at its end.
    fn evaluate(
        &mut self,
        monitor: &mut impl FnMut(&Progress<'_, PointOf<T, R::Target>>) -> ControlFlow<()>,
    ) -> Result<Option<Halt>> {
        let points = self.problem.inner_space();
        let from = if self.settings.start == Start::Cold { &self.start } else { &self.w };
        points.copy(from, &mut self.ahead);
        // An unrolled estimator makes the inner steps itself.
        let unrolls = matches!(
            (&self.settings.estimator, &self.settings.inner),
            (Estimator::Unrolled(_), InnerSolve::Descent { .. })
        );
        let warm_and_solved = self.solved && self.settings.start == Start::Warm;
        if !unrolls && !warm_and_solved && !self.solve_inner_ahead()? {
            return Ok(Some(Halt::InnerDiverged));
        }
        let evaluation = hypergradient::evaluate(
            &*self.problem,
            &self.settings.estimator,
            &self.u,
            &self.ahead,
            &mut self.workspace,
        );
        let evaluation = match evaluation {
            Ok(evaluation) => evaluation,
            Err(Error::NonFinite { argument: "hypergradient" | "u" | hypergradient::OVERFLOW, .. }) => {
                return Ok(Some(Halt::OuterDiverged));
            }
            Err(Error::NonFinite { argument: hypergradient::DIVERGED, .. }) => return Ok(Some(Halt::InnerDiverged)),
            Err(error) => return Err(error),
        };
        let points = self.problem.inner_space();
        if let (Estimator::Unrolled(unrolled), true) = (&self.settings.estimator, unrolls) {
            points.copy(self.workspace.unrolled_end(unrolled), &mut self.ahead);
            self.outcome.inner_steps += unrolled.steps;
        }
        if self.settings.start == Start::Cold {
            points.copy(&self.ahead, &mut self.w);
        }
        let norm = self.problem.outer_space().norm(self.workspace.gradient());
        self.outcome.outer_loss = evaluation.outer_loss;
        self.outcome.norm_hypergradient = norm;
        self.outcome.products += evaluation.report.products;
        let sound = matches!(evaluation.report.ending, Ending::Completed | Ending::Converged);
        self.outcome.doubtful_solves += usize::from(!sound);
        let progress = Progress {
            step: self.outcome.steps,
            u: &self.u,
            w: &self.ahead,
            hypergradient: self.workspace.gradient(),
            norm_hypergradient: norm,
            evaluation,
        };
        if monitor(&progress).is_break() {
            return Ok(Some(Halt::Stopped));
        }
        let first = *self.first_outer.get_or_insert(norm);
        let done =
            norm <= self.settings.outer_tolerance * first && (self.settings.outer_tolerance > 0.0 || norm == 0.0);
        Ok(done.then_some(Halt::Converged))
    }

    /// Moves u along the hypergradient, and w after it.
    fn update(&mut self) -> Result<Option<Halt>> {
        let outer = self.problem.outer_space();
        outer.copy(&self.u, &mut self.scratch_u);
        self.outer.step(&self.settings.outer, outer, self.workspace.gradient(), &mut self.u);
        if outer.check("u", &self.u).is_err() {
            self.problem.outer_space().copy(&self.scratch_u, &mut self.u);
            return Ok(Some(Halt::OuterDiverged));
        }
        self.solved = false;
        if self.settings.start == Start::Warm {
            if !self.settings.keep_look_ahead {
                self.problem.inner_space().copy(&self.w, &mut self.ahead);
                let solved = self.solve_inner_ahead();
                if !matches!(solved, Ok(true)) {
                    self.problem.outer_space().copy(&self.scratch_u, &mut self.u);
                    return solved.map(|_| Some(Halt::InnerDiverged));
                }
                self.solved = self.settings.inner == InnerSolve::Fixpoint;
            }
            self.problem.inner_space().copy(&self.ahead, &mut self.w);
        }
        self.outcome.steps += 1;
        Ok(None)
    }

    /// Solves the inner problem at u from `ahead`, in place. False: it diverged.
    fn solve_inner_ahead(&mut self) -> Result<bool> {
        let at = &mut self.workspace.problem;
        let InnerSolve::Descent { alpha, steps, tolerance } = self.settings.inner else {
            self.problem.fixpoint(at, &self.u, &mut self.ahead)?;
            return Ok(self.problem.inner_space().check("w", &self.ahead).is_ok());
        };
        let points = self.problem.inner_space();
        let mut first = None;
        for _ in 0..steps {
            self.problem.inner(at, &self.u, &self.ahead, &mut self.scratch)?;
            let norm = points.norm(&self.scratch);
            let first = *first.get_or_insert(norm);
            if !norm.is_finite() || (first > 0.0 && norm > DIVERGED * first) {
                return Ok(false);
            }
            self.largest_inner = self.largest_inner.max(norm);
            if norm <= tolerance * self.largest_inner {
                break;
            }
            points.axpy(T::from_f64(-alpha), &self.scratch, &mut self.ahead);
            self.outcome.inner_steps += 1;
        }
        Ok(points.check("w", &self.ahead).is_ok())
    }

    /// Whether one inner step at the present u and w makes the inner gradient grow: with few steps from warm starts, a step
    /// beyond 2/λmax shows only here.
    fn inner_expands(&mut self) -> bool {
        let InnerSolve::Descent { alpha, .. } = self.settings.inner else { return false };
        let points = self.problem.inner_space();
        points.copy(&self.w, &mut self.ahead);
        let mut norms = [0.0; 2];
        for norm in &mut norms {
            let at = &mut self.workspace.problem;
            if self.problem.inner(at, &self.u, &self.ahead, &mut self.scratch).is_err() {
                return true;
            }
            *norm = points.norm(&self.scratch);
            points.axpy(T::from_f64(-alpha), &self.scratch, &mut self.ahead);
        }
        norms[1] > norms[0] || norms[1].is_nan()
    }

    /// Writes a trace row if one is due.
    fn record(&mut self, every: usize, last: bool, trace: &mut [TraceRow], rows: &mut usize) -> Result<()> {
        let due = every > 0 && (last || self.outcome.steps.is_multiple_of(every));
        if !due || *rows >= trace.len() {
            return Ok(());
        }
        let points = self.problem.inner_space();
        let at = &mut self.workspace.problem;
        let inner_loss = self.problem.inner(at, &self.u, &self.ahead, &mut self.scratch)?;
        let mut row = TraceRow {
            step: self.outcome.steps as i64,
            outer_loss: self.outcome.outer_loss,
            inner_loss,
            norm_u: self.problem.outer_space().norm(&self.u),
            norm_w: points.norm(&self.ahead),
            norm_hypergradient: self.outcome.norm_hypergradient,
            distance_from_start: f64::NAN,
            distance_from_min_norm: f64::NAN,
            null_component: f64::NAN,
        };
        points.copy(&self.ahead, &mut self.scratch);
        points.axpy(-T::ONE, &self.start, &mut self.scratch);
        row.distance_from_start = points.norm(&self.scratch);
        if self.settings.distances {
            // Ξ^∞(u, 0) is the minimum-norm solution, and Ξ^∞(u, w) differs from it by the null-space part of w.
            points.scale(T::ZERO, &mut self.min_norm);
            self.problem.fixpoint(at, &self.u, &mut self.min_norm)?;
            points.copy(&self.ahead, &mut self.scratch);
            points.axpy(-T::ONE, &self.min_norm, &mut self.scratch);
            row.distance_from_min_norm = points.norm(&self.scratch);
            points.copy(&self.ahead, &mut self.scratch);
            self.problem.fixpoint(at, &self.u, &mut self.scratch)?;
            points.axpy(-T::ONE, &self.min_norm, &mut self.scratch);
            row.null_component = points.norm(&self.scratch);
        }
        if let Some(slot) = trace.get_mut(*rows) {
            *slot = row;
            *rows += 1;
        }
        Ok(())
    }
}
