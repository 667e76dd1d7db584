//! Series of many terms for linear models, by the eigenvectors of a Gram matrix.
//!
//! With one layer and X̃ = [X 1], H = 𝓑ᵀ𝓑 + c I, where 𝓑 = Rᵀ (X̃ ⊗ I) and Q = R Rᵀ example by example: R = √(ωτ) (diag √s − s √sᵀ)
//! for cross-entropy, √ω I for squared errors. From the eigenvectors of 𝓑𝓑ᵀ = Rᵀ (G ⊗ I) R = U Λ Uᵀ, which has one row for each
//! example and output, and y = 𝓑 b,
//!
//! ```text
//! b_N = b − 𝓑ᵀ U₊ Λ₊⁻¹ U₊ᵀ y;   r(H) b = r(c) b_N + 𝓑ᵀ U₊ [r(λ + c) / λ] U₊ᵀ y
//! ```
//!
//! for any filter r: as many terms as one likes at the price of one decomposition. The part in the range of H, which is all that
//! reaches most hypergradients, is formed by itself: at 10⁶ terms it is a small part of q, and a difference would lose its digits.

use super::factored::Factored;
use super::loss::{Batch, Loss};
use super::passes::At;
use crate::solve::{Filter, Spectrum};
use crate::{Result, Scalar, cpu};

/// The largest Gram matrix that is decomposed.
const LARGEST: usize = 1024;

/// Whether a decomposition costs less than so many terms.
pub(super) fn pays(rows: usize, outputs: usize, terms: usize) -> bool {
    let (n, c) = (rows as f64, outputs as f64);
    let size = n * c;
    size <= LARGEST as f64 && terms as f64 * (2.0 * n * n * c + 6.0 * n * c) >= 10.0 * size.powi(3)
}

/// What the decomposition knows about a solve.
pub(super) struct Filtered {
    /// Smallest and largest eigenvalue of H on the range of 𝓑ᵀ.
    pub curvature: (f64, f64),
    /// ‖b_N‖, which is the part of b in the null space where c = 0.
    pub rest: f64,
}

/// R: c x c for each example.
fn roots<T: Scalar>(loss: Loss, batch: Batch<'_, T>, probabilities: &[T]) -> Vec<f64> {
    let c = batch.outputs;
    let mut roots = vec![0.0; batch.weights.len() * c * c];
    let rows = batch.targets.chunks_exact(c).zip(batch.weights).zip(probabilities.chunks_exact(c));
    for (((t, weight), s), root) in rows.zip(roots.chunks_exact_mut(c * c)) {
        let tau: f64 = if loss == Loss::CrossEntropy { t.iter().map(|t| t.to_f64()).sum() } else { 1.0 };
        let scale = (weight.to_f64() * tau).sqrt();
        for a in 0..c {
            for b in 0..c {
                let same = if a == b { 1.0 } else { 0.0 };
                root[a * c + b] = scale
                    * match loss {
                        Loss::SquaredError => same,
                        Loss::CrossEntropy => {
                            let (s, root) = (s[a].to_f64(), s[b].to_f64().sqrt());
                            same * root - s * root
                        }
                    };
            }
        }
    }
    roots
}

impl<T: Scalar> Factored<T> {
    /// q ← r(H) b for a linear model, after [`set`](Factored::set). `None`, and q as it was, where the terms of the series would
    /// grow: it then has to be seen where they do.
    pub fn filter(
        &self,
        at: &At<'_, T>,
        (batch, penalty): (Batch<'_, T>, f64),
        filter: Filter,
        alpha: f64,
        b: &[T],
        q: &mut [T],
    ) -> Result<Option<Filtered>> {
        let (n, c) = (at.rows, batch.outputs);
        let Some([x, gram, y]) = self.linear() else { return Ok(None) };
        let r = roots(at.model.loss, batch, &at.pass.probabilities[..n * c]);
        if r.iter().any(|r| !r.is_finite()) {
            return Ok(None);
        }
        let (size, square) = (n * c, c * c);
        let mut matrix = vec![0.0; size * size];
        for i in 0..n {
            for j in 0..=i {
                for (a, b) in (0..square).map(|k| (k / c, k % c)) {
                    let dot: f64 = (0..c).map(|k| r[i * square + k * c + a] * r[j * square + k * c + b]).sum();
                    matrix[(i * c + a) * size + j * c + b] = gram[i * n + j] * dot;
                    matrix[(j * c + b) * size + i * c + a] = gram[i * n + j] * dot;
                }
            }
        }
        let spectrum = Spectrum::of("Gram matrix", size, &matrix)?;
        if alpha * (spectrum.radius() + penalty) > 2.0 {
            return Ok(None);
        }
        // y = Rᵀ (X̃ Bᵀ), then its coordinates, then what they become.
        let mut image = vec![0.0; size];
        for i in 0..n {
            for a in 0..c {
                image[i * c + a] = (0..c).map(|k| r[i * square + k * c + a] * y[i * c + k]).sum();
            }
        }
        let floor = size as f64 * f64::EPSILON * spectrum.radius();
        let (mut inner, mut outer) = (vec![0.0; size], vec![0.0; size]);
        let mut smallest = spectrum.radius();
        for (k, value) in spectrum.values().iter().enumerate().filter(|(_, value)| **value > floor) {
            smallest = smallest.min(*value);
            let coordinate = cpu::dot(at.simd, spectrum.vector(k), &image);
            cpu::axpy(at.simd, coordinate / value, spectrum.vector(k), &mut inner);
            cpu::axpy(at.simd, coordinate * filter.value(value + penalty) / value, spectrum.vector(k), &mut outer);
        }
        // 𝓑ᵀ v = (R v)ᵀ X̃.
        let layer = &at.model.layers[0];
        let spread = |v: &[f64]| {
            let mut rows = vec![0.0; size];
            for (i, k) in (0..n).flat_map(|i| (0..c).map(move |k| (i, k))) {
                rows[i * c + k] = (0..c).map(|a| r[i * square + k * c + a] * v[i * c + a]).sum();
            }
            let mut wide = vec![0.0; b.len()];
            layer.output(at.simd, [&rows, x], [&[], &[]], &mut wide);
            wide
        };
        let (inner, outer) = (spread(&inner), spread(&outer));
        let (rest, mut total) = (filter.value(penalty), 0.0);
        for (((q, b), inner), outer) in q.iter_mut().zip(b).zip(&inner).zip(&outer) {
            let null = b.to_f64() - inner;
            total += null * null;
            *q = T::from_f64(rest * null + outer);
        }
        Ok(Some(Filtered { curvature: (smallest + penalty, spectrum.radius() + penalty), rest: total.sqrt() }))
    }
}
