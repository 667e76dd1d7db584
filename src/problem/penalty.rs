//! What the outer parameters of a regression weigh: the L2 penalty of its parameters, or its examples.
//!
//! R(u, w) = ½ Σᵢ cᵢ wᵢ² with W (classes × features, row-major). With j(i) the outer parameter that i belongs to, cᵢ is u_j
//! (raw) or exp(u_j) (log). M is then diagonal but for j: M du has the elements sᵢ du_j(i), with the slopes
//! sᵢ = (∂cᵢ/∂u_j) wᵢ, and Mᵀv sums sᵢ vᵢ over each j's parameters.
//!
//! Example i weighs σ(uᵢ) = 1/(1 + exp(−uᵢ)) in the inner sum or mean; the mean stays 1/n Σ, whatever the weights.

use super::loss::sigmoids;
use crate::error::invalid;
use crate::{Result, Scalar, cpu};

/// Which parameters share an outer parameter as their L2 penalty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum L2 {
    /// One for all: ½ c ‖w‖².
    Scalar,
    /// One for each feature, shared by the classes: ½ Σ cᵢ wᵢ².
    PerFeature,
    /// One for each class, shared by the features. Least squares and logistic regression have one class: as `Scalar`.
    PerClass,
}

/// Where the weights c come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Source {
    Fixed(f64),
    Raw(L2),
    Log(L2),
}

/// R.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Penalty {
    pub source: Source,
    pub features: usize,
    pub classes: usize,
}

impl Penalty {
    /// The number of outer parameters.
    pub fn outer_len(&self) -> usize {
        match self.source {
            Source::Fixed(_) => 0,
            Source::Raw(L2::Scalar) | Source::Log(L2::Scalar) => 1,
            Source::Raw(L2::PerFeature) | Source::Log(L2::PerFeature) => self.features,
            Source::Raw(L2::PerClass) | Source::Log(L2::PerClass) => self.classes,
        }
    }

    /// c ← the weights of the parameters at u. An empty c stays so.
    pub fn set<T: Scalar>(&self, u: &[T], c: &mut [T]) -> Result<()> {
        match self.source {
            Source::Fixed(value) => c.fill(T::from_f64(value)),
            Source::Raw(l2) => {
                if let Some(i) = u.iter().position(|u| *u < T::ZERO) {
                    return Err(invalid("u", format!("the penalty {} at index {i}", u[i]), "0 or above"));
                }
                self.spread(l2, u, c, |u| u);
            }
            Source::Log(l2) => self.spread(l2, u, c, |u| T::from_f64(u.to_f64().exp())),
        }
        Ok(())
    }

    /// out_i ← map(u_j(i)).
    fn spread<T: Scalar>(&self, l2: L2, u: &[T], out: &mut [T], map: impl Fn(T) -> T) {
        let rows = out.chunks_exact_mut(self.features.max(1));
        match l2 {
            L2::Scalar => out.fill(map(u[0])),
            L2::PerFeature => rows.for_each(|row| row.iter_mut().zip(u).for_each(|(out, u)| *out = map(*u))),
            L2::PerClass => rows.zip(u).for_each(|(row, u)| row.fill(map(*u))),
        }
    }

    /// s ← the slopes at w, where the weights are c.
    pub fn set_slopes<T: Scalar>(&self, c: &[T], w: &[T], s: &mut [T]) {
        match self.source {
            Source::Fixed(_) => s.fill(T::ZERO),
            Source::Raw(_) => s.copy_from_slice(w),
            Source::Log(_) => s.iter_mut().zip(c).zip(w).for_each(|((s, c), w)| *s = *c * *w),
        }
    }

    /// out ← Mᵀ v.
    pub fn mixed_vjp<T: Scalar>(&self, s: &[T], v: &[T], out: &mut [T]) {
        let (Source::Raw(l2) | Source::Log(l2)) = self.source else { return };
        out.fill(T::ZERO);
        let features = self.features.max(1);
        let sum = |s, v| T::from_f64(cpu::dot(cpu::Simd::best(), s, v));
        let rows = s.chunks_exact(features).zip(v.chunks_exact(features));
        match l2 {
            L2::Scalar => out[0] = sum(s, v),
            L2::PerClass => rows.zip(out).for_each(|((s, v), out)| *out = sum(s, v)),
            L2::PerFeature => {
                for (s, v) in rows {
                    out.iter_mut().zip(s).zip(v).for_each(|((out, s), v)| *out += *s * *v);
                }
            }
        }
    }

    /// out ← M du.
    pub fn mixed_jvp<T: Scalar>(&self, s: &[T], du: &[T], out: &mut [T]) {
        let (Source::Raw(l2) | Source::Log(l2)) = self.source else { return };
        self.spread(l2, du, out, |du| du);
        out.iter_mut().zip(s).for_each(|(out, s)| *out = *out * *s);
    }
}

/// gradient ← gradient + c ∘ w; returns R.
pub(super) fn add<T: Scalar>(c: &[T], w: &[T], gradient: &mut [T]) -> f64 {
    let mut value = 0.0;
    for ((gradient, c), w) in gradient.iter_mut().zip(c).zip(w) {
        *gradient += *c * *w;
        value += 0.5 * c.to_f64() * w.to_f64() * w.to_f64();
    }
    value
}

/// scale σ(u), the weight of an example in f.
pub(super) fn example_weight<T: Scalar>(scale: f64, u: T) -> T {
    T::from_f64(scale * sigmoids(u.to_f64()).0)
}

/// weights ← scale σ(u).
pub(super) fn set_example_weights<T: Scalar>(scale: f64, u: &[T], weights: &mut [T]) {
    for (weight, u) in weights.iter_mut().zip(u) {
        *weight = example_weight(scale, *u);
    }
}

/// scale σ′(u) = scale σ(u) σ(−u).
pub(super) fn example_slope<T: Scalar>(scale: f64, u: T) -> f64 {
    let (weight, rest) = sigmoids(u.to_f64());
    scale * weight * rest
}
