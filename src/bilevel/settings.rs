//! What a run does.

use super::sampler::Batch;
use crate::error::{check_nonnegative, check_positive, invalid};
use crate::hypergradient::Estimator;
use crate::optimize::{Rule, check_memory};
use crate::solve::{Inverse, Spectral};
use crate::{Error, Result};

/// Where each inner solve starts. Paper, Table 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// From w₀, every time (Algorithm 1).
    Cold,
    /// From the w of the step before (Algorithms 2 and 3).
    Warm,
}

/// How the inner problem is solved. With [`Start::Warm`], a full warm start is `Fixpoint` or an optimizer with a
/// tolerance, and a partial one is an optimizer with T steps and tolerance 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum InnerSolve {
    /// The solution nearest to the starting point, in closed form: Ξ^∞. Quadratics only.
    Fixpoint,
    /// An optimizer. Its buffers go on from solve to solve of a warm start, and begin anew in a cold one.
    Optimizer {
        /// The rule.
        rule: Rule,
        /// T, or the most steps if there is a tolerance; at least 1.
        steps: usize,
        /// Stop once ‖∇_w f‖ is this small, relative to the largest one seen in this run; 0: once it is exactly 0.
        tolerance: f64,
    },
}

impl InnerSolve {
    /// T steps of gradient descent.
    pub fn descent(alpha: f64, steps: usize) -> InnerSolve {
        InnerSolve::Optimizer { rule: Rule::descent(alpha), steps, tolerance: 0.0 }
    }

    /// Checks the parameters.
    pub fn validate(&self) -> Result<()> {
        let InnerSolve::Optimizer { rule, steps, tolerance } = *self else {
            return Ok(());
        };
        rule.validate().map_err(of_inner)?;
        check_nonnegative("inner tolerance", tolerance)?;
        if steps == 0 {
            return Err(invalid("inner steps", 0, "at least 1"));
        }
        Ok(())
    }

    /// The rule whose buffers go with w.
    pub(crate) fn rule(&self) -> Rule {
        match *self {
            InnerSolve::Fixpoint => Rule::descent(1.0),
            InnerSolve::Optimizer { rule, .. } => rule,
        }
    }
}

/// Tolerances that tighten as a run goes on: εₖ = max(first · factorᵏ, last) in outer step k, both for the inner solve and for
/// the adjoint's, instead of the ones given there. With a summable εₖ the outer loop still converges (HOAG; Pedregosa, ICML
/// 2016, Theorem 2), and early steps, which need little accuracy, cost little.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ToleranceSchedule {
    /// ε₀, above 0.
    pub first: f64,
    /// Above 0 and below 1.
    pub factor: f64,
    /// The smallest tolerance, 0 or above.
    pub last: f64,
}

impl ToleranceSchedule {
    /// εₖ.
    pub fn at(&self, step: usize) -> f64 {
        (self.first * self.factor.powf(step as f64)).max(self.last)
    }

    fn validate(&self) -> Result<()> {
        check_positive("schedule.first", self.first)?;
        check_positive("schedule.factor", self.factor)?;
        check_nonnegative("schedule.last", self.last)?;
        if self.factor >= 1.0 {
            return Err(invalid("schedule.factor", self.factor, "a number above 0 and below 1"));
        }
        Ok(())
    }
}

/// The same estimator with this tolerance, where it has one.
pub(super) fn with_tolerance(estimator: Estimator, tolerance: f64) -> Estimator {
    let Estimator::Implicit(mut solve) = estimator else { return estimator };
    match &mut solve.inverse {
        Inverse::Cg { tolerance: own, .. }
        | Inverse::CgTwice { tolerance: own, .. }
        | Inverse::Minres { tolerance: own, .. }
        | Inverse::Gmres { tolerance: own, .. } => *own = tolerance,
        Inverse::MinNorm { by: Spectral::Lanczos { tolerance: own, .. }, .. }
        | Inverse::Damped { by: Spectral::Lanczos { tolerance: own, .. }, .. }
        | Inverse::NeumannFilter { by: Spectral::Lanczos { tolerance: own, .. }, .. } => *own = Some(tolerance),
        _ => {}
    }
    Estimator::Implicit(solve)
}

/// How u is moved.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Outer {
    /// By a first-order rule.
    Rule(Rule),
    /// By L-BFGS-B, see [`Lbfgsb`](crate::optimize::Lbfgsb). Each point that its line search tries is an outer step: a
    /// look-ahead and a hypergradient, with a row of the trace. At the step limit u is the last such point, accepted or not;
    /// [`Settings::keep_best`] keeps the best one. A point where something diverges is stepped back from, and is no step.
    ///
    /// F must be a function of u alone, with the hypergradient as its gradient. So a partial warm start is refused, and so is a
    /// schedule of tolerances; with a singular H start cold, since a full warm start then depends on where it comes from. A
    /// hypergradient that is a coarse approximation ends in [`RunEnding::Stalled`](super::RunEnding::Stalled), early.
    Lbfgsb {
        /// The pairs of steps and gradient changes that are kept, from 1 to 100; 3 to 20 are usual.
        memory: usize,
    },
}

impl From<Rule> for Outer {
    fn from(rule: Rule) -> Outer {
        Outer::Rule(rule)
    }
}

impl Outer {
    /// Checks the parameters.
    pub fn validate(&self) -> Result<()> {
        match self {
            Outer::Rule(rule) => rule.validate(),
            Outer::Lbfgsb { memory } => check_memory(*memory),
        }
    }

    /// The rule whose buffers go with u.
    pub(super) fn rule(&self) -> Rule {
        match *self {
            Outer::Rule(rule) => rule,
            Outer::Lbfgsb { .. } => Rule::descent(1.0),
        }
    }
}

/// The settings of a [`Runner`](super::Runner).
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Cold or warm.
    pub start: Start,
    /// The inner solver.
    pub inner: InnerSolve,
    /// The hypergradient. Its own tolerance is in [`Inverse`](crate::Inverse).
    pub estimator: Estimator,
    /// The rule for u.
    pub outer: Outer,
    /// The most outer steps.
    pub outer_steps: usize,
    /// Stop once ‖dF/du‖ is this small, relative to the first one of this run; 0: once it is exactly 0.
    pub outer_tolerance: f64,
    /// Take the look-ahead's w as the next one, instead of T new steps from the old w with the new u (which is Algorithm 2's
    /// order, and the default). Warm starts only.
    pub keep_look_ahead: bool,
    /// Tolerances that tighten from step to step; `None`: those given in `inner` and `estimator`.
    pub schedule: Option<ToleranceSchedule>,
    /// Keep u and w of the smallest outer loss; see [`Runner::best`](super::Runner::best).
    pub keep_best: bool,
    /// Project u on these bounds after each outer step: lower and upper, the same for each element.
    pub bounds: Option<(f64, f64)>,
    /// Take each step of the inner optimizer, those of look-aheads included, with the next batch of the inner examples
    /// ([`Sampler`](super::Sampler)); `None`: with all. The batches go on from solve to solve, in cold starts, too: a restarted
    /// sampler would show each of them the same few examples. The hypergradient and the trace take all examples. Not together with
    /// `Fixpoint`, a tolerance, a schedule, or an unrolled estimator.
    pub batch: Option<Batch>,
    /// Spend two closed-form inner solves a trace row on what the row says of the minimum-norm solution and the null space.
    pub distances: bool,
}

impl Settings {
    /// 1000 outer steps, no tolerance.
    pub fn new(start: Start, inner: InnerSolve, estimator: impl Into<Estimator>, outer: impl Into<Outer>) -> Settings {
        Settings {
            start,
            inner,
            estimator: estimator.into(),
            outer: outer.into(),
            outer_steps: 1000,
            outer_tolerance: 0.0,
            keep_look_ahead: false,
            schedule: None,
            keep_best: false,
            bounds: None,
            batch: None,
            distances: false,
        }
    }

    /// Checks the parameters, and that they go together.
    pub fn validate(&self) -> Result<()> {
        self.estimator.validate()?;
        self.outer.validate()?;
        check_nonnegative("outer_tolerance", self.outer_tolerance)?;
        if self.keep_look_ahead && self.start == Start::Cold {
            return Err(Error::Unsupported {
                operation: "keep_look_ahead",
                reason: "a cold start begins every inner solve at w0; set start to warm",
            });
        }
        if let Some((lower, upper)) = self.bounds
            && (lower.is_nan() || upper.is_nan() || lower >= upper)
        {
            return Err(invalid("bounds", format!("{lower} to {upper}"), "a lower bound below the upper one"));
        }
        if let Some(schedule) = &self.schedule {
            schedule.validate()?;
            if matches!(self.estimator, Estimator::Unrolled(_)) {
                return Err(Error::Unsupported {
                    operation: "schedule",
                    reason: "an unrolled run has a fixed number of steps; leave the schedule out",
                });
            }
        }
        self.inner.validate()?;
        if self.batch.is_some() {
            self.validate_batch()?;
        }
        if let Outer::Lbfgsb { .. } = self.outer {
            self.validate_search()?;
        }
        let InnerSolve::Optimizer { rule, steps, tolerance } = self.inner else {
            return Ok(());
        };
        let Estimator::Unrolled(unrolled) = self.estimator else {
            return Ok(());
        };
        // The optimizer that runs is the one that is differentiated.
        if tolerance != 0.0 {
            return Err(invalid("inner tolerance", tolerance, "0: an unrolled run has a fixed number of steps"));
        }
        if unrolled.rule != rule {
            return Err(invalid("unrolled rule", format!("{:?}", unrolled.rule), format!("the inner rule, {rule:?}")));
        }
        if unrolled.steps != steps {
            return Err(invalid("unrolled steps", unrolled.steps, format!("the inner steps, {steps}")));
        }
        Ok(())
    }

    /// Checks what goes with batches.
    fn validate_batch(&self) -> Result<()> {
        let no = |reason| Err(Error::Unsupported { operation: "batch", reason });
        if self.batch.is_some_and(|batch| batch.size == 0) {
            return Err(invalid("batch.size", 0, "at least 1"));
        }
        if matches!(self.estimator, Estimator::Unrolled(_)) {
            return no("an unrolled estimator differentiates steps with all examples; take an implicit one");
        }
        if self.schedule.is_some() {
            return no(
                "a schedule sets an inner tolerance, which a batch's gradient cannot tell; leave the schedule out",
            );
        }
        match self.inner {
            InnerSolve::Fixpoint => no("the closed form takes all examples; set inner to an optimizer"),
            InnerSolve::Optimizer { tolerance, .. } if tolerance != 0.0 => {
                Err(invalid("inner tolerance", tolerance, "0: a batch's gradient does not tell the end"))
            }
            InnerSolve::Optimizer { .. } => Ok(()),
        }
    }

    /// A line search compares values of F, which must therefore be one function.
    fn validate_search(&self) -> Result<()> {
        let partial = matches!(self.inner, InnerSolve::Optimizer { tolerance: 0.0, .. });
        let reason = if self.start == Start::Warm && partial {
            "with a partial warm start F depends on the steps before, not on u alone; start cold, or give the inner \
             optimizer a tolerance"
        } else if self.schedule.is_some() {
            "with a schedule of tolerances F changes from step to step; leave the schedule out"
        } else if self.batch.is_some() {
            "with batches F changes from step to step; leave the batches out"
        } else {
            return Ok(());
        };
        Err(Error::Unsupported { operation: "outer L-BFGS-B", reason })
    }
}

/// The same error, said of the inner rule.
fn of_inner(error: Error) -> Error {
    match error {
        Error::Invalid { argument, found, expected } => {
            let argument = match argument {
                "step" => "inner step",
                "momentum" => "inner momentum",
                "beta1" => "inner beta1",
                "beta2" => "inner beta2",
                "epsilon" => "inner epsilon",
                other => other,
            };
            Error::Invalid { argument, found, expected }
        }
        error => error,
    }
}
