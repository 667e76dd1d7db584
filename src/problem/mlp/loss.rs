//! The losses of a batch of outputs, with their derivatives in outputs and targets.
//!
//! | per example | ℓ | ∂ℓ/∂z | Q y = (∂²ℓ/∂z²) y | ∂ℓ/∂t |
//! | --- | --- | --- | --- | --- |
//! | cross-entropy | Σ t (lse z − z) | τ s − t | τ (s∘y − s (s·y)) | lse z − z |
//! | squared error | ½ ‖z − t‖² | z − t | y | t − z |
//!
//! s = softmax z, lse z = ln Σ eᶻ, τ = Σ t: 1 for probabilities, kept for targets that do not sum to one. Example i weighs ωᵢ.

use crate::Scalar;
use crate::problem::loss::{dot, softmax, sum};

/// The loss of one example over its outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Softmax cross-entropy, with rows of target probabilities.
    CrossEntropy,
    /// ½ ‖z − t‖².
    SquaredError,
}

/// The outputs of a batch with its targets and weights.
#[derive(Clone, Copy)]
pub(super) struct Batch<'a, T> {
    /// c.
    pub outputs: usize,
    /// t, a row for each example.
    pub targets: &'a [T],
    /// ω, one for each example.
    pub weights: &'a [T],
}

impl<'a, T: Scalar> Batch<'a, T> {
    fn rows(self) -> impl Iterator<Item = (&'a [T], f64)> {
        self.targets.chunks_exact(self.outputs).zip(self.weights).map(|(t, weight)| (t, weight.to_f64()))
    }
}

impl Loss {
    /// Returns Σ ωᵢ ℓᵢ for the outputs z; s ← softmax z for cross-entropy, else z; delta ← ω ∂ℓ/∂z; values ← ℓ.
    pub(super) fn apply<T: Scalar>(
        self,
        batch: Batch<'_, T>,
        z: &[T],
        s: &mut [T],
        delta: &mut [T],
        values: &mut [f64],
    ) -> f64 {
        let c = batch.outputs;
        s.copy_from_slice(z);
        let mut total = 0.0;
        let rows = s.chunks_exact_mut(c).zip(delta.chunks_exact_mut(c));
        for (((t, weight), (s, delta)), value) in batch.rows().zip(rows).zip(values) {
            let tau = match self {
                Loss::CrossEntropy => {
                    *value = softmax(t, s);
                    sum(t)
                }
                Loss::SquaredError => {
                    *value = 0.5 * s.iter().zip(t).map(|(z, t)| (z.to_f64() - t.to_f64()).powi(2)).sum::<f64>();
                    1.0
                }
            };
            for ((delta, s), t) in delta.iter_mut().zip(&*s).zip(t) {
                *delta = T::from_f64(weight * (tau * s.to_f64() - t.to_f64()));
            }
            total += weight * *value;
        }
        total
    }

    /// out ← ω Q y, by rows.
    pub(super) fn curvature<T: Scalar>(self, batch: Batch<'_, T>, s: &[T], y: &[T], out: &mut [T]) {
        let c = batch.outputs;
        let rows = s.chunks_exact(c).zip(y.chunks_exact(c)).zip(out.chunks_exact_mut(c));
        for ((t, weight), ((s, y), out)) in batch.rows().zip(rows) {
            match self {
                Loss::CrossEntropy => {
                    let (weight, mean) = (weight * sum(t), dot(s, y));
                    for ((out, s), y) in out.iter_mut().zip(s).zip(y) {
                        *out = T::from_f64(weight * s.to_f64() * (y.to_f64() - mean));
                    }
                }
                Loss::SquaredError => {
                    out.iter_mut().zip(y).for_each(|(out, y)| *out = T::from_f64(weight * y.to_f64()));
                }
            }
        }
    }

    /// out ← ω (∂²ℓ/∂t∂z) y: what a change y of the outputs does to ω ∂ℓ/∂t.
    pub(super) fn target_vjp<T: Scalar>(self, batch: Batch<'_, T>, s: &[T], y: &[T], out: &mut [T]) {
        let c = batch.outputs;
        let rows = s.chunks_exact(c).zip(y.chunks_exact(c)).zip(out.chunks_exact_mut(c));
        for ((_, weight), ((s, y), out)) in batch.rows().zip(rows) {
            let mean = if self == Loss::CrossEntropy { dot(s, y) } else { 0.0 };
            out.iter_mut().zip(y).for_each(|(out, y)| *out = T::from_f64(weight * (mean - y.to_f64())));
        }
    }

    /// delta ← delta + ω (∂²ℓ/∂z∂t) dt.
    pub(super) fn target_jvp<T: Scalar>(self, batch: Batch<'_, T>, s: &[T], dt: &[T], delta: &mut [T]) {
        let c = batch.outputs;
        let rows = s.chunks_exact(c).zip(dt.chunks_exact(c)).zip(delta.chunks_exact_mut(c));
        for ((_, weight), ((s, dt), delta)) in batch.rows().zip(rows) {
            let total = if self == Loss::CrossEntropy { sum(dt) } else { 0.0 };
            for ((delta, s), dt) in delta.iter_mut().zip(s).zip(dt) {
                *delta += T::from_f64(weight * (s.to_f64() * total - dt.to_f64()));
            }
        }
    }

    /// out ← ω ∂ℓ/∂t at the outputs z.
    pub(super) fn target_gradient<T: Scalar>(self, batch: Batch<'_, T>, z: &[T], out: &mut [T]) {
        let c = batch.outputs;
        for ((t, weight), (z, out)) in batch.rows().zip(z.chunks_exact(c).zip(out.chunks_exact_mut(c))) {
            let top = match self {
                Loss::CrossEntropy => {
                    let largest = z.iter().fold(f64::NEG_INFINITY, |top, z| top.max(z.to_f64()));
                    largest + z.iter().map(|z| (z.to_f64() - largest).exp()).sum::<f64>().ln()
                }
                Loss::SquaredError => 0.0,
            };
            for ((out, z), t) in out.iter_mut().zip(z).zip(t) {
                let t = if self == Loss::SquaredError { t.to_f64() } else { 0.0 };
                *out = T::from_f64(weight * (top + t - z.to_f64()));
            }
        }
    }
}

/// rows ← softmax of each row.
pub(super) fn softmax_rows<T: Scalar>(outputs: usize, rows: &mut [T]) {
    for row in rows.chunks_exact_mut(outputs) {
        softmax(&[], row);
    }
}

/// g ← the adjoint of softmax at the rows s: s ∘ (g − s·g), which is also its derivative.
pub(super) fn softmax_rows_derivative<T: Scalar>(outputs: usize, s: &[T], g: &mut [T]) {
    for (s, g) in s.chunks_exact(outputs).zip(g.chunks_exact_mut(outputs)) {
        let mean = dot(s, g);
        for (s, g) in s.iter().zip(g) {
            *g = T::from_f64(s.to_f64() * (g.to_f64() - mean));
        }
    }
}
