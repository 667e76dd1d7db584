//! Dense eigendecompositions, and filters applied through them.

use super::filter::Filter;
use super::memory::heap;
use super::operator::Operator;
use super::space::Space;
use crate::cpu;
use crate::{Error, Result, Scalar};

/// H = U Λ Uᵀ in `f64`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Spectrum {
    values: Vec<f64>,
    /// Eigenvector i is `vectors[i * n..(i + 1) * n]`.
    vectors: Vec<f64>,
}

impl Spectrum {
    /// Of a symmetric matrix (row-major, n × n). `argument` names it in errors.
    pub fn of(argument: &'static str, n: usize, matrix: &[f64]) -> Result<Spectrum> {
        crate::error::check_len(argument, matrix.len(), n * n)?;
        let (values, vectors) = cpu::symmetric_eigen(argument, n, matrix)?;
        Ok(Spectrum { values, vectors })
    }

    /// Room for the decomposition of an n × n matrix.
    pub(crate) fn reserve(&mut self, n: usize) {
        self.values.reserve_exact(n.saturating_sub(self.values.len()));
        self.vectors.reserve_exact((n * n).saturating_sub(self.vectors.len()));
    }

    /// The memory in use.
    pub(crate) fn bytes(&self) -> usize {
        let Spectrum { values, vectors } = self;
        heap(values) + heap(vectors)
    }

    /// The eigenvalues, ascending.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Eigenvector i.
    pub fn vector(&self, i: usize) -> &[f64] {
        let n = self.values.len();
        &self.vectors[i * n..(i + 1) * n]
    }

    /// The same eigenvectors with every eigenvalue raised: the spectrum of H + shift·I.
    pub fn shifted(&self, shift: f64) -> Spectrum {
        let values = self.values.iter().map(|value| value + shift).collect();
        Spectrum { values, vectors: self.vectors.clone() }
    }

    /// The largest magnitude of an eigenvalue.
    pub fn radius(&self) -> f64 {
        self.values.iter().fold(0.0, |radius, value| f64::max(radius, value.abs()))
    }

    /// out ← r(H) b.
    pub fn apply<T: Scalar>(&self, filter: Filter, b: &[T], out: &mut [T], scratch: &mut Vec<f64>) {
        let n = self.values.len();
        let simd = cpu::Simd::best();
        scratch.clear();
        scratch.extend(b.iter().map(|b| b.to_f64()));
        scratch.resize(2 * n, 0.0);
        let (b, sum) = scratch.split_at_mut(n);
        for (value, vector) in self.values.iter().zip(self.vectors.chunks_exact(n.max(1))) {
            let r = filter.value(*value);
            if r != 0.0 {
                cpu::axpy(simd, r * cpu::dot(simd, vector, b), vector, sum);
            }
        }
        for (out, sum) in out.iter_mut().zip(sum) {
            *out = T::from_f64(*sum);
        }
    }

    /// ‖P₀ b‖ / ‖b‖, the part of b in the span of the eigenvectors with |λ| ≤ floor.
    pub fn null_share<T: Scalar>(&self, floor: f64, b: &[T]) -> f64 {
        let mut null = 0.0;
        let total: f64 = b.iter().map(|b| b.to_f64().powi(2)).sum();
        for (i, value) in self.values.iter().enumerate() {
            if value.abs() <= floor {
                null += self.vector(i).iter().zip(b).map(|(u, b)| u * b.to_f64()).sum::<f64>().powi(2);
            }
        }
        if total > 0.0 { (null / total).sqrt().min(1.0) } else { 0.0 }
    }

    /// Forms H by products with unit vectors and decomposes it; returns the number of products.
    pub(crate) fn decompose<T: Scalar, O: Operator<T> + ?Sized>(&mut self, op: &mut O) -> Result<usize> {
        let n = op.space().len();
        let mut unit = vec![T::ZERO; n];
        let mut column = vec![T::ZERO; n];
        let mut v = op.space().zeros();
        let mut hv = op.space().zeros();
        let mut matrix = vec![0.0; n * n];
        for j in 0..n {
            unit[j] = T::ONE;
            op.space().load(&unit, &mut v)?;
            unit[j] = T::ZERO;
            op.apply(&v, &mut hv)?;
            op.space().store(&hv, &mut column)?;
            for (i, value) in column.iter().enumerate() {
                matrix[i * n + j] = value.to_f64();
            }
        }
        symmetrize("operator", n, &mut matrix, 1e3 * T::EPSILON)?;
        *self = Spectrum::of("operator", n, &matrix)?;
        Ok(n)
    }
}

/// Checks that a matrix is symmetric up to `tolerance` times its largest element, and makes it exactly so.
pub(crate) fn symmetrize(argument: &'static str, n: usize, matrix: &mut [f64], tolerance: f64) -> Result<()> {
    let largest = matrix.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let (mut worst, mut at) = (0.0, (0, 0));
    for i in 0..n {
        for j in 0..i {
            let difference = (matrix[i * n + j] - matrix[j * n + i]).abs();
            if difference > worst {
                (worst, at) = (difference, (i, j));
            }
            let mean = 0.5 * (matrix[i * n + j] + matrix[j * n + i]);
            matrix[i * n + j] = mean;
            matrix[j * n + i] = mean;
        }
    }
    if worst > tolerance * largest {
        return Err(Error::Asymmetric { argument, row: at.0, column: at.1, difference: worst });
    }
    Ok(())
}
