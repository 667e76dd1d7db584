//! First-order rules for the outer parameters.

use crate::error::{check_positive, invalid};
use crate::solve::Points;
use crate::{Result, Scalar, cpu};

/// An update rule.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Rule {
    /// x ← x − step · g.
    Descent {
        /// The step size.
        step: f64,
    },
    /// Adam with bias correction (Kingma and Ba, 2015).
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

    /// Adam with the usual constants: 0.9, 0.999, 1e-8.
    pub fn adam(step: f64) -> Rule {
        Rule::Adam { step, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }
    }

    /// Checks the parameters.
    pub fn validate(&self) -> Result<()> {
        match *self {
            Rule::Descent { step } => check_positive("step", step),
            Rule::Adam { step, beta1, beta2, epsilon } => {
                check_positive("step", step)?;
                check_positive("epsilon", epsilon)?;
                for (argument, beta) in [("beta1", beta1), ("beta2", beta2)] {
                    if !(0.0..1.0).contains(&beta) {
                        return Err(invalid(argument, beta, "a number from 0 to below 1"));
                    }
                }
                Ok(())
            }
        }
    }
}

/// The buffers of a [`Rule`] for one point.
#[derive(Debug)]
pub struct State<V> {
    steps: u64,
    moments: Option<(V, V)>,
}

impl<V> State<V> {
    /// Buffers for this rule, zero.
    pub fn new<T: Scalar, S: Points<T, Vector = V>>(rule: &Rule, space: &S) -> State<V> {
        let moments = match rule {
            Rule::Descent { .. } => None,
            Rule::Adam { .. } => Some((space.zeros(), space.zeros())),
        };
        State { steps: 0, moments }
    }

    /// x ← one step along the gradient.
    pub fn step<T: Scalar, S: Points<T, Vector = V>>(&mut self, rule: &Rule, space: &S, gradient: &V, x: &mut V) {
        self.steps += 1;
        match (*rule, &mut self.moments) {
            (Rule::Adam { step, beta1, beta2, epsilon }, Some((first, second))) => {
                let rule = cpu::Adam { step, beta1, beta2, epsilon };
                space.adam(&rule, self.steps, gradient, first, second, x);
            }
            (Rule::Descent { step } | Rule::Adam { step, .. }, _) => space.axpy(T::from_f64(-step), gradient, x),
        }
    }
}
