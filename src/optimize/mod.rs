//! First-order rules: a step, and the step's derivatives, so that the optimizer that ran is the one that is differentiated.
//!
//! | rule | buffers | step |
//! | --- | --- | --- |
//! | descent | none | x ← x − step · g |
//! | momentum | v | v ← momentum · v + g;  x ← x − step · v |
//! | Adam | m, s | m ← β₁m + (1−β₁)g;  s ← β₂s + (1−β₂)g²;  x ← x − step · m̂ / (√ŝ + ε) |
//!
//! with m̂ = m/(1−β₁ᵗ) and ŝ = s/(1−β₂ᵗ) (Kingma and Ba, 2015). Momentum is the heavy ball of Polyak (1964) in the form that
//! PyTorch uses.
//!
//! Beside them [`Lbfgsb`], which needs F as well as its gradient, and no step size.

mod lbfgsb;
mod lbfgsb_model;
mod lbfgsb_search;

pub use lbfgsb::{Lbfgsb, Next};
pub(crate) use lbfgsb::{Progress, Stage, check_memory};
pub(crate) use lbfgsb_search::{LineSearch, SearchEnd};

use crate::error::{check_positive, invalid};
use crate::solve::{Points, Space};
use crate::{Result, Scalar, cpu};

/// An update rule.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Rule {
    /// Gradient descent.
    Descent {
        /// The step size.
        step: f64,
    },
    /// Gradient descent with momentum.
    Momentum {
        /// The step size.
        step: f64,
        /// The decay of the buffer, from 0 to below 1.
        momentum: f64,
    },
    /// Adam with bias correction.
    Adam {
        /// The step size.
        step: f64,
        /// Decay of the mean, from 0 to below 1.
        beta1: f64,
        /// Decay of the uncentred variance, from 0 to below 1.
        beta2: f64,
        /// Added to the root of the variance, above 0.
        epsilon: f64,
    },
}

impl Rule {
    /// Gradient descent.
    pub fn descent(step: f64) -> Rule {
        Rule::Descent { step }
    }

    /// Gradient descent with momentum.
    pub fn momentum(step: f64, momentum: f64) -> Rule {
        Rule::Momentum { step, momentum }
    }

    /// Adam with the usual constants: 0.9, 0.999, 1e-8.
    pub fn adam(step: f64) -> Rule {
        Rule::Adam { step, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }
    }

    /// Checks the parameters.
    pub fn validate(&self) -> Result<()> {
        let fraction = |argument, value: f64| {
            if (0.0..1.0).contains(&value) {
                Ok(())
            } else {
                Err(invalid(argument, value, "a number from 0 to below 1"))
            }
        };
        match *self {
            Rule::Descent { step } => check_positive("step", step),
            Rule::Momentum { step, momentum } => {
                check_positive("step", step)?;
                fraction("momentum", momentum)
            }
            Rule::Adam { step, beta1, beta2, epsilon } => {
                check_positive("step", step)?;
                check_positive("epsilon", epsilon)?;
                fraction("beta1", beta1)?;
                fraction("beta2", beta2)
            }
        }
    }

    /// The step size.
    pub fn step(&self) -> f64 {
        match *self {
            Rule::Descent { step } | Rule::Momentum { step, .. } | Rule::Adam { step, .. } => step,
        }
    }
}

/// A point and the buffers of a [`Rule`] with it: what a step moves.
#[derive(Debug)]
pub struct State<V> {
    /// The point.
    pub x: V,
    first: Option<V>,
    second: Option<V>,
    steps: u64,
}

impl<V> State<V> {
    /// Everything zero.
    pub fn new<T: Scalar, S: Space<T, Vector = V>>(rule: &Rule, space: &S) -> State<V> {
        let (first, second) = match rule {
            Rule::Descent { .. } => (None, None),
            Rule::Momentum { .. } => (Some(space.zeros()), None),
            Rule::Adam { .. } => (Some(space.zeros()), Some(space.zeros())),
        };
        State { x: space.zeros(), first, second, steps: 0 }
    }

    /// The steps made since the buffers were zero.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The buffers that the rule has: none, v, or m and s.
    pub fn buffers(&self) -> impl Iterator<Item = &V> {
        self.first.iter().chain(&self.second)
    }

    pub(crate) fn buffers_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.first.iter_mut().chain(&mut self.second)
    }

    pub(crate) fn set_steps(&mut self, steps: u64) {
        self.steps = steps;
    }

    /// self ← from, both of one rule.
    pub fn copy_from<T: Scalar, S: Space<T, Vector = V>>(&mut self, space: &S, from: &State<V>) {
        space.copy(&from.x, &mut self.x);
        for (to, from) in [(&mut self.first, &from.first), (&mut self.second, &from.second)] {
            if let (Some(to), Some(from)) = (to, from) {
                space.copy(from, to);
            }
        }
        self.steps = from.steps;
    }

    /// x ← from, with buffers as at the start.
    pub fn restart<T: Scalar, S: Space<T, Vector = V>>(&mut self, space: &S, from: &V) {
        space.copy(from, &mut self.x);
        for buffer in self.buffers_mut() {
            space.scale(T::ZERO, buffer);
        }
        self.steps = 0;
    }

    /// One step along the gradient at x.
    pub fn step<T: Scalar, S: Points<T, Vector = V>>(&mut self, rule: &Rule, space: &S, gradient: &V) {
        self.steps += 1;
        match (*rule, &mut self.first, &mut self.second) {
            (Rule::Momentum { step, momentum }, Some(buffer), _) => {
                space.scale(T::from_f64(momentum), buffer);
                space.axpy(T::ONE, gradient, buffer);
                space.axpy(T::from_f64(-step), buffer, &mut self.x);
            }
            (Rule::Adam { step, beta1, beta2, epsilon }, Some(first), Some(second)) => {
                let rule = cpu::Adam { step, beta1, beta2, epsilon };
                space.adam(&rule, self.steps, gradient, first, second, &mut self.x);
            }
            (rule, ..) => space.axpy(T::from_f64(-rule.step()), gradient, &mut self.x),
        }
    }

    /// The adjoint of a step. `self` is the state after it and `gradient` what it was made with. `adjoint` holds the adjoint
    /// of the state after the step and gets that of the state before it, but for the part of x that comes through the
    /// gradient; the adjoint of the gradient goes to `adjoint_gradient`.
    pub fn step_vjp<T: Scalar, S: Points<T, Vector = V>>(
        &self,
        rule: &Rule,
        space: &S,
        gradient: &V,
        adjoint: &mut State<V>,
        adjoint_gradient: &mut V,
    ) {
        let State { x, first, second, .. } = adjoint;
        match (*rule, first, second) {
            (Rule::Momentum { step, momentum }, Some(buffer), _) => {
                space.axpy(T::from_f64(-step), x, buffer);
                space.copy(buffer, adjoint_gradient);
                space.scale(T::from_f64(momentum), buffer);
            }
            (Rule::Adam { step, beta1, beta2, epsilon }, Some(adjoint_first), Some(adjoint_second)) => {
                let rule = cpu::Adam { step, beta1, beta2, epsilon };
                if let (Some(first), Some(second)) = (&self.first, &self.second) {
                    let after = [gradient, first, second];
                    space.adam_vjp(&rule, self.steps, after, x, [adjoint_first, adjoint_second, adjoint_gradient]);
                }
            }
            (rule, ..) => {
                space.copy(x, adjoint_gradient);
                space.scale(T::from_f64(-rule.step()), adjoint_gradient);
            }
        }
    }

    /// The derivative of a step along `tangent`, which is moved over it. `self` is the state after the step, `gradient` what
    /// it was made with, and `tangent_gradient` the derivative of that.
    pub fn step_jvp<T: Scalar, S: Points<T, Vector = V>>(
        &self,
        rule: &Rule,
        space: &S,
        gradient: &V,
        tangent: &mut State<V>,
        tangent_gradient: &V,
    ) {
        if let (
            Rule::Adam { step, beta1, beta2, epsilon },
            [Some(first), Some(second)],
            [Some(tangent_first), Some(tangent_second)],
        ) = (*rule, [&self.first, &self.second], [&mut tangent.first, &mut tangent.second])
        {
            let rule = cpu::Adam { step, beta1, beta2, epsilon };
            let after = [gradient, first, second];
            space.adam_jvp(&rule, self.steps, after, tangent_gradient, [tangent_first, tangent_second, &mut tangent.x]);
        } else {
            // The other rules are linear.
            tangent.step(rule, space, tangent_gradient);
        }
    }
}
