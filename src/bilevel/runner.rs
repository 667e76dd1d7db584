//! The loop.

use super::inner::{descend_by_batches, solve_inner};
use super::sampler::Sampler;
use super::search::Search;
use super::settings::{InnerSolve, Outer, Settings, Start, with_tolerance};
use super::trace::{Outcome, RunEnding, TraceRow};
use crate::hypergradient::{self, Estimator, Evaluation};
use crate::optimize::State;
use crate::problem::{PointOf, Problem};
use crate::solve::{Ending, Points, Space, heap};
use crate::{Error, Result, Scalar};
use std::ops::{ControlFlow, Deref};

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
    pub(super) problem: R,
    pub(super) settings: Settings,
    /// u, with the outer rule's buffers.
    pub(super) u: State<PointOf<T, R::Target>>,
    /// w, with the inner rule's buffers; cold starts leave them as they were.
    pub(super) w: State<PointOf<T, R::Target>>,
    /// Where cold starts begin.
    pub(super) start: PointOf<T, R::Target>,
    /// The look-ahead from w.
    ahead: State<PointOf<T, R::Target>>,
    scratch: PointOf<T, R::Target>,
    min_norm: PointOf<T, R::Target>,
    pub(super) scratch_u: State<PointOf<T, R::Target>>,
    /// L-BFGS-B, if that is the outer rule.
    pub(super) search: Option<Search<T>>,
    /// With an infinite loss until there is one.
    pub(super) best: Option<Best<PointOf<T, R::Target>>>,
    pub(super) workspace: hypergradient::Workspace<T, R::Target>,
    /// Whether `w` already solves the inner problem at `u`, so that a look-ahead would not move.
    pub(super) solved: bool,
    /// Whether a step has begun and not ended.
    pub(super) begun: bool,
    pub(super) largest_inner: f64,
    pub(super) first_outer: Option<f64>,
    pub(super) sampler: Option<Sampler>,
    pub(super) outcome: Outcome,
}

/// The sound evaluation with the smallest outer loss of a run.
#[derive(Debug)]
pub struct Best<V> {
    /// F.
    pub outer_loss: f64,
    /// The outer steps before it.
    pub step: usize,
    /// u.
    pub u: V,
    /// The w at which F was taken.
    pub w: V,
}

/// Why a step made no step.
pub(super) enum Halt {
    Converged,
    Stalled,
    Stopped,
    InnerDiverged,
    OuterDiverged,
}

impl<T: Scalar, R: Deref<Target: Problem<T>>> Runner<T, R> {
    /// A run that starts at (u, w). w is also where every inner solve of a cold start begins.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] and [`Error::NonFinite`] for u and w; whatever [`Settings::validate`] finds; as
    /// [`Sampler::new`] for batches.
    pub fn new(problem: R, settings: Settings, u: &[T], w: &[T]) -> Result<Self> {
        let mut runner = Runner::at_zero(problem, settings)?;
        runner.set(Some(u), Some(w))?;
        runner.problem.inner_space().copy(&runner.w.x, &mut runner.start);
        Ok(runner)
    }

    /// A run with everything zero, and no search yet.
    pub(super) fn at_zero(problem: R, settings: Settings) -> Result<Self> {
        settings.validate()?;
        let inner_rule = settings.inner.rule();
        let sampler = settings.batch.map(|batch| Sampler::new(problem.examples(), batch)).transpose()?;
        let outer_rule = settings.outer.rule();
        let new_u = || State::new(&outer_rule, problem.outer_space());
        let new_w = || State::new(&inner_rule, problem.inner_space());
        let [start, scratch, min_norm] = [(); 3].map(|()| problem.inner_space().zeros());
        let mut workspace = hypergradient::Workspace::new(&*problem);
        workspace.keep_q(false);
        Ok(Runner {
            u: new_u(),
            w: new_w(),
            scratch_u: new_u(),
            search: None,
            ahead: new_w(),
            workspace,
            start,
            scratch,
            min_norm,
            best: settings.keep_best.then(|| Best {
                outer_loss: f64::INFINITY,
                step: 0,
                u: problem.outer_space().zeros(),
                w: problem.inner_space().zeros(),
            }),
            problem,
            settings,
            solved: false,
            begun: false,
            largest_inner: 0.0,
            first_outer: None,
            sampler,
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
        &self.u.x
    }

    /// w: after at least one outer step, the inner solution that goes with u; between steps of a cold start, the one of the
    /// last evaluation.
    pub fn w(&self) -> &PointOf<T, R::Target> {
        &self.w.x
    }

    /// The outer steps made so far.
    pub fn steps(&self) -> usize {
        self.outcome.steps
    }

    /// The best evaluation so far, if [`Settings::keep_best`] is set.
    pub fn best(&self) -> Option<&Best<PointOf<T, R::Target>>> {
        self.best.as_ref().filter(|best| best.outer_loss < f64::INFINITY)
    }

    /// Allocates now all that the run will need, so that it allocates nothing; [`Runner::bytes`] then says how much that is.
    /// See [`hypergradient::Workspace::reserve`]. Closed-form inner solves are the problem's own affair.
    ///
    /// # Errors
    ///
    /// As [`hypergradient::Workspace::reserve`].
    pub fn reserve(&mut self) -> Result<()> {
        self.workspace.reserve(&*self.problem, &self.settings.estimator)
    }

    /// The bytes that this run has on the heap, without the problem's data. See [`hypergradient::Workspace::bytes`].
    pub fn bytes(&self) -> usize {
        // No `..` here: a new field has to say what it holds.
        let Runner {
            problem,
            settings: _,
            u,
            w,
            start: _,
            ahead,
            scratch: _,
            min_norm: _,
            scratch_u,
            best,
            workspace,
            solved: _,
            begun: _,
            largest_inner: _,
            first_outer: _,
            sampler,
            search,
            outcome: _,
        } = self;
        let vectors = |states: [&State<_>; 2]| states.iter().map(|state| 1 + state.buffers().count()).sum::<usize>();
        let best = usize::from(best.is_some());
        (vectors([u, scratch_u]) + best) * problem.outer_space().bytes()
            + (vectors([w, ahead]) + 3 + best) * problem.inner_space().bytes()
            + workspace.bytes(problem)
            + sampler.as_ref().map_or(0, |sampler| heap(&sampler.order))
            + search.as_ref().map_or(0, Search::bytes)
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
        self.begun = false;
        let mut rows = 0;
        loop {
            let last = self.outcome.steps >= self.settings.outer_steps;
            let halt = match self.evaluate_or_diverge(&mut monitor)? {
                Some(Halt::InnerDiverged | Halt::OuterDiverged) if self.steps_back() => match self.next_trial(false)? {
                    None => continue,
                    halt => halt,
                },
                Some(halt) => Some(halt),
                None if last => self.tell(true)?,
                None => {
                    self.record(trace_every, false, trace, &mut rows)?;
                    match self.update()? {
                        None => continue,
                        halt => halt,
                    }
                }
            };
            match halt {
                None => self.outcome.ending = RunEnding::StepLimit,
                Some(Halt::Stalled) => self.outcome.ending = RunEnding::Stalled,
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

    /// As [`Runner::evaluate`]; a trial where anything is not finite has diverged.
    pub(super) fn evaluate_or_diverge(
        &mut self,
        monitor: &mut impl FnMut(&Progress<'_, PointOf<T, R::Target>>) -> ControlFlow<()>,
    ) -> Result<Option<Halt>> {
        match self.evaluate(monitor) {
            Err(Error::NonFinite { .. }) if self.steps_back() => Ok(Some(Halt::OuterDiverged)),
            evaluated => evaluated,
        }
    }

    /// The look-ahead and the hypergradient at its end.
    fn evaluate(
        &mut self,
        monitor: &mut impl FnMut(&Progress<'_, PointOf<T, R::Target>>) -> ControlFlow<()>,
    ) -> Result<Option<Halt>> {
        self.begin_look_ahead();
        // An unrolled estimator makes the inner steps itself.
        let unrolls = matches!(
            (&self.settings.estimator, &self.settings.inner),
            (Estimator::Unrolled(_), InnerSolve::Optimizer { .. })
        );
        let warm_and_solved = self.solved && self.settings.start == Start::Warm;
        if !unrolls && !warm_and_solved && !self.solve_inner_ahead()? {
            return Ok(Some(Halt::InnerDiverged));
        }
        let mut estimator = self.settings.estimator;
        if let Some(schedule) = &self.settings.schedule {
            estimator = with_tolerance(estimator, schedule.at(self.outcome.steps));
        }
        let before = self.ahead.steps();
        let (problem, u, ahead, workspace) = (&*self.problem, &self.u.x, &mut self.ahead, &mut self.workspace);
        let evaluation = match &estimator {
            Estimator::Unrolled(unrolled) if unrolls => {
                hypergradient::evaluate_on(problem, unrolled, u, ahead, workspace)
            }
            _ => hypergradient::evaluate(problem, &estimator, u, &ahead.x, workspace),
        };
        let evaluation = match evaluation {
            Ok(evaluation) => evaluation,
            Err(Error::NonFinite { argument: "hypergradient" | "u" | hypergradient::OVERFLOW, .. }) => {
                return Ok(Some(Halt::OuterDiverged));
            }
            Err(Error::NonFinite { argument: hypergradient::DIVERGED, .. }) => return Ok(Some(Halt::InnerDiverged)),
            Err(error) => return Err(error),
        };
        let (points, outer) = (self.problem.inner_space(), self.problem.outer_space());
        self.outcome.inner_steps += (self.ahead.steps() - before) as usize;
        if self.settings.start == Start::Cold {
            points.copy(&self.ahead.x, &mut self.w.x);
        }
        let norm = outer.norm(self.workspace.gradient());
        self.outcome.outer_loss = evaluation.outer_loss;
        self.outcome.norm_hypergradient = norm;
        self.outcome.products += evaluation.report.products;
        let sound = matches!(evaluation.report.ending, Ending::Completed | Ending::Converged);
        self.outcome.doubtful_solves += usize::from(!sound);
        self.note_best(evaluation.outer_loss);
        let progress = Progress {
            step: self.outcome.steps,
            u: &self.u.x,
            w: &self.ahead.x,
            hypergradient: self.workspace.gradient(),
            norm_hypergradient: norm,
            evaluation,
        };
        if monitor(&progress).is_break() {
            return Ok(Some(Halt::Stopped));
        }
        let slope = self.projected_norm(norm);
        let first = *self.first_outer.get_or_insert(slope);
        // A search knows which of the points it tries are steps on the way.
        let done = self.search.is_none() && slope <= self.settings.outer_tolerance * first;
        Ok(done.then_some(Halt::Converged))
    }

    /// ahead ← where this step's look-ahead begins.
    fn begin_look_ahead(&mut self) {
        let points = self.problem.inner_space();
        match self.settings.start {
            Start::Cold => self.ahead.restart(points, &self.start),
            Start::Warm => self.ahead.copy_from(points, &self.w),
        }
    }

    /// ‖u − P(u − g)‖ with P the projection on the bounds; ‖g‖ without bounds.
    fn projected_norm(&mut self, norm: f64) -> f64 {
        let Some((lower, upper)) = self.settings.bounds else { return norm };
        let outer = self.problem.outer_space();
        let moved = &mut self.scratch_u.x;
        outer.copy(&self.u.x, moved);
        outer.axpy(-T::ONE, self.workspace.gradient(), moved);
        outer.clamp(lower, upper, moved);
        outer.axpy(-T::ONE, &self.u.x, moved);
        outer.norm(moved)
    }

    fn note_best(&mut self, outer_loss: f64) {
        let (points, outer) = (self.problem.inner_space(), self.problem.outer_space());
        let Some(best) = &mut self.best else { return };
        if outer_loss < best.outer_loss {
            (best.outer_loss, best.step) = (outer_loss, self.outcome.steps);
            outer.copy(&self.u.x, &mut best.u);
            points.copy(&self.ahead.x, &mut best.w);
        }
    }

    /// Moves u along the hypergradient, and w after it.
    pub(super) fn update(&mut self) -> Result<Option<Halt>> {
        let Outer::Rule(rule) = self.settings.outer else { return self.next_trial(true) };
        let outer = self.problem.outer_space();
        self.scratch_u.copy_from(outer, &self.u);
        self.u.step(&rule, outer, self.workspace.gradient());
        if let Some((lower, upper)) = self.settings.bounds {
            outer.clamp(lower, upper, &mut self.u.x);
        }
        let moved = self.follow();
        if !matches!(moved, Ok(None)) {
            self.u.copy_from(self.problem.outer_space(), &self.scratch_u);
        }
        moved
    }

    /// The rest of an outer step once u has moved.
    pub(super) fn follow(&mut self) -> Result<Option<Halt>> {
        if self.problem.outer_space().check("u", &self.u.x).is_err() {
            return Ok(Some(Halt::OuterDiverged));
        }
        self.solved = false;
        if self.settings.start == Start::Warm {
            if !self.settings.keep_look_ahead {
                self.ahead.copy_from(self.problem.inner_space(), &self.w);
                if !self.solve_inner_ahead()? {
                    return Ok(Some(Halt::InnerDiverged));
                }
                self.solved = self.settings.inner == InnerSolve::Fixpoint;
            }
            self.w.copy_from(self.problem.inner_space(), &self.ahead);
        }
        self.outcome.steps += 1;
        Ok(None)
    }

    /// Solves the inner problem at u from `ahead`, in place. False: it diverged.
    fn solve_inner_ahead(&mut self) -> Result<bool> {
        let mut inner = self.settings.inner;
        if let (InnerSolve::Optimizer { tolerance, .. }, Some(schedule)) = (&mut inner, &self.settings.schedule) {
            *tolerance = schedule.at(self.outcome.steps);
        }
        let at = &mut self.workspace.problem;
        let (w, gradient, largest) = (&mut self.ahead, &mut self.scratch, &mut self.largest_inner);
        let made = match (&inner, &mut self.sampler) {
            (InnerSolve::Optimizer { rule, steps, .. }, Some(sampler)) => {
                descend_by_batches(&*self.problem, (rule, *steps), sampler, at, &self.u.x, w, gradient)?
            }
            _ => solve_inner(&*self.problem, &inner, at, &self.u.x, w, gradient, largest)?,
        };
        self.outcome.inner_steps += made.unwrap_or(0);
        Ok(made.is_some())
    }

    /// Whether one inner step at the present u and w makes the inner gradient grow: with few steps from warm starts, a step
    /// beyond 2/λmax shows only here.
    fn inner_expands(&mut self) -> bool {
        let InnerSolve::Optimizer { rule, .. } = self.settings.inner else { return false };
        let points = self.problem.inner_space();
        self.ahead.copy_from(points, &self.w);
        let mut norms = [0.0; 2];
        for norm in &mut norms {
            let at = &mut self.workspace.problem;
            if self.problem.inner(at, &self.u.x, &self.ahead.x, &mut self.scratch).is_err() {
                return true;
            }
            *norm = points.norm(&self.scratch);
            self.ahead.step(&rule, points, &self.scratch);
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
        let inner_loss = self.problem.inner(at, &self.u.x, &self.ahead.x, &mut self.scratch)?;
        let mut row = TraceRow {
            step: self.outcome.steps as i64,
            outer_loss: self.outcome.outer_loss,
            inner_loss,
            norm_u: self.problem.outer_space().norm(&self.u.x),
            norm_w: points.norm(&self.ahead.x),
            norm_hypergradient: self.outcome.norm_hypergradient,
            distance_from_start: f64::NAN,
            distance_from_min_norm: f64::NAN,
            null_component: f64::NAN,
        };
        points.copy(&self.ahead.x, &mut self.scratch);
        points.axpy(-T::ONE, &self.start, &mut self.scratch);
        row.distance_from_start = points.norm(&self.scratch);
        if self.settings.distances {
            // Ξ^∞(u, 0) is the minimum-norm solution, and Ξ^∞(u, w) differs from it by the null-space part of w.
            points.scale(T::ZERO, &mut self.min_norm);
            self.problem.fixpoint(at, &self.u.x, &mut self.min_norm)?;
            points.copy(&self.ahead.x, &mut self.scratch);
            points.axpy(-T::ONE, &self.min_norm, &mut self.scratch);
            row.distance_from_min_norm = points.norm(&self.scratch);
            points.copy(&self.ahead.x, &mut self.scratch);
            self.problem.fixpoint(at, &self.u.x, &mut self.scratch)?;
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
