//! Losses of one example over its logits z, with value, gradient and curvature: all that tells one regression from another.
//!
//! | loss | targets t | value | gradient | curvature |
//! | --- | --- | --- | --- | --- |
//! | logistic | one probability | (1 − t) ln(1 + eᶻ) + t ln(1 + e⁻ᶻ) | p − t, p = 1/(1 + e⁻ᶻ) | p (1 − p) |
//! | softmax | a row of probabilities | −Σ t ln p, p = eᶻ / Σ eᶻ | τ p − t, τ = Σ t | τ (diag p − p pᵀ) |
//!
//! τ is 1 up to the rounding of the targets; with it the derivatives are those of the value exactly. No exponential
//! overflows; values, and the logistic derivatives, keep their relative accuracy in both tails.

pub(super) use crate::cpu::sigmoids;
use crate::error::invalid;
use crate::{Result, Scalar};

/// The loss of one example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Binary cross-entropy of one logit. Targets are probabilities of the class 1.
    Logistic,
    /// Cross-entropy of a logit for each class. Targets are rows of probabilities.
    Softmax {
        /// The number of classes, at least 2.
        classes: usize,
    },
}

pub(super) fn sum<T: Scalar>(row: &[T]) -> f64 {
    row.iter().map(|t| t.to_f64()).sum()
}

/// z ← p; returns the value for the targets t (for no targets, 0).
pub(super) fn softmax<T: Scalar>(t: &[T], z: &mut [T]) -> f64 {
    // A NaN is passed over here and comes back through the sums.
    let (top, largest) = z
        .iter()
        .map(|z| z.to_f64())
        .enumerate()
        .fold((0, f64::NEG_INFINITY), |best, (i, z)| if z > best.1 { (i, z) } else { best });
    let below: f64 = t.iter().zip(&*z).map(|(t, z)| t.to_f64() * (largest - z.to_f64())).sum();
    let mut others = 0.0;
    for (i, z) in z.iter_mut().enumerate() {
        let e = (z.to_f64() - largest).exp();
        *z = T::from_f64(e);
        others += if i == top { e - 1.0 } else { e };
    }
    for z in z {
        *z = T::from_f64(z.to_f64() / (1.0 + others));
    }
    below + sum(t) * others.ln_1p()
}

impl Loss {
    /// The logits of an example, and its targets.
    pub(super) fn outputs(self) -> usize {
        match self {
            Loss::Logistic => 1,
            Loss::Softmax { classes } => classes,
        }
    }

    /// Checks the number of classes.
    pub(super) fn validate(self) -> Result<()> {
        match self {
            Loss::Softmax { classes } if classes < 2 => Err(invalid("classes", classes, "at least 2")),
            _ => Ok(()),
        }
    }

    /// Checks that finite targets are probabilities.
    pub(super) fn check_targets<T: Scalar>(self, argument: &'static str, targets: &[T]) -> Result<()> {
        if let Some(i) = targets.iter().position(|t| !(T::ZERO..=T::ONE).contains(t)) {
            let found = format!("{} at index {i}", targets[i]);
            return Err(invalid(argument, found, "probabilities, from 0 to 1"));
        }
        let Loss::Softmax { classes } = self else { return Ok(()) };
        match targets.chunks_exact(classes).map(sum).position(|sum| (sum - 1.0).abs() > T::EPSILON.sqrt()) {
            None => Ok(()),
            Some(i) => {
                let found = format!("row {i} with the sum {}", sum(&targets[i * classes..(i + 1) * classes]));
                Err(invalid(argument, found, "rows of probabilities with the sum 1"))
            }
        }
    }

    /// z ← weight · the gradient; returns the value, unweighted.
    pub(super) fn gradient<T: Scalar>(self, weight: f64, targets: &[T], z: &mut [T]) -> f64 {
        match self {
            Loss::Logistic => {
                let (logit, t) = (z[0].to_f64(), targets[0].to_f64());
                let (p, rest) = sigmoids(logit);
                z[0] = T::from_f64(weight * ((1.0 - t) * p - t * rest));
                (1.0 - t) * logit.max(0.0) + t * (-logit).max(0.0) + (-logit.abs()).exp().ln_1p()
            }
            Loss::Softmax { .. } => {
                let (value, total) = (softmax(targets, z), sum(targets));
                for (z, t) in z.iter_mut().zip(targets) {
                    *z = T::from_f64(weight * (total * z.to_f64() - t.to_f64()));
                }
                value
            }
        }
    }

    /// z ← what [`Loss::curvature`] needs of the logits: p, or p (1 − p) for one logit.
    pub(super) fn linearize<T: Scalar>(self, z: &mut [T]) {
        match self {
            Loss::Logistic => {
                let (p, rest) = sigmoids(z[0].to_f64());
                z[0] = T::from_f64(p * rest);
            }
            Loss::Softmax { .. } => {
                softmax(&[], z);
            }
        }
    }

    /// y ← weight · the curvature times y.
    pub(super) fn curvature<T: Scalar>(self, weight: f64, targets: &[T], p: &[T], y: &mut [T]) {
        match self {
            Loss::Logistic => y[0] = T::from_f64(weight * p[0].to_f64() * y[0].to_f64()),
            Loss::Softmax { .. } => {
                let (weight, mean) = (weight * sum(targets), dot(p, y));
                for (y, p) in y.iter_mut().zip(p) {
                    *y = T::from_f64(weight * p.to_f64() * (y.to_f64() - mean));
                }
            }
        }
    }
}

/// Of one row: too short for the vector kernel.
pub(super) fn dot<T: Scalar>(x: &[T], y: &[T]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x.to_f64() * y.to_f64()).sum()
}
