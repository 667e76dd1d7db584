//! What a run does.

use crate::error::{check_nonnegative, check_positive, invalid};
use crate::hypergradient::Estimator;
use crate::optimize::Rule;
use crate::{Error, Result};

/// Where each inner solve starts. Paper, Table 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// From w₀, every time (Algorithm 1).
    Cold,
    /// From the w of the step before (Algorithms 2 and 3).
    Warm,
}

/// How the inner problem is solved. With [`Start::Warm`], a full warm start is `Fixpoint` or `Descent` with a tolerance, and
/// a partial one is `Descent` with T steps and tolerance 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum InnerSolve {
    /// The solution nearest to the starting point, in closed form: Ξ^∞. Quadratics only.
    Fixpoint,
    /// Gradient descent.
    Descent {
        /// The step size alpha.
        alpha: f64,
        /// T, or the most steps if there is a tolerance; at least 1.
        steps: usize,
        /// Stop once ‖∇_w f‖ is this small, relative to the largest one seen in this run; 0: once it is exactly 0.
        tolerance: f64,
    },
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
    pub outer: Rule,
    /// The most outer steps.
    pub outer_steps: usize,
    /// Stop once ‖dF/du‖ is this small, relative to the first one of this run; 0: once it is exactly 0.
    pub outer_tolerance: f64,
    /// Take the look-ahead's w as the next one, instead of T new steps from the old w with the new u (which is Algorithm 2's
    /// order, and the default). Warm starts only.
    pub keep_look_ahead: bool,
    /// Spend two closed-form inner solves a trace row on what the row says of the minimum-norm solution and the null space.
    pub distances: bool,
}

impl Settings {
    /// 1000 outer steps, no tolerance.
    pub fn new(start: Start, inner: InnerSolve, estimator: impl Into<Estimator>, outer: Rule) -> Settings {
        Settings {
            start,
            inner,
            estimator: estimator.into(),
            outer,
            outer_steps: 1000,
            outer_tolerance: 0.0,
            keep_look_ahead: false,
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
        let InnerSolve::Descent { alpha, steps, tolerance } = self.inner else {
            return Ok(());
        };
        check_positive("inner alpha", alpha)?;
        check_nonnegative("inner tolerance", tolerance)?;
        if steps == 0 {
            return Err(invalid("inner steps", 0, "at least 1"));
        }
        let Estimator::Unrolled(unrolled) = self.estimator else {
            return Ok(());
        };
        // The optimizer that runs is the one that is differentiated.
        if tolerance != 0.0 {
            return Err(invalid("inner tolerance", tolerance, "0: an unrolled run has a fixed number of steps"));
        }
        if unrolled.alpha != alpha {
            return Err(invalid("unrolled alpha", unrolled.alpha, format!("the inner alpha, {alpha}")));
        }
        if unrolled.steps != steps {
            return Err(invalid("unrolled steps", unrolled.steps, format!("the inner steps, {steps}")));
        }
        Ok(())
    }
}
