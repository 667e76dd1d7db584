//! Damped inverses from a randomized low-rank approximation, for positive semidefinite H.
//!
//! ```text
//! Ω: n × k, random, orthonormal;   Y = H Ω;   G = ΩᵀY = W S Wᵀ;   A = Y W S^(−1/2);   H ≈ A Aᵀ = Y G⁺ Yᵀ
//! q = (A Aᵀ + ε)⁻¹ b = (b − A (AᵀA + ε)⁻¹ Aᵀ b) / ε
//! ```
//!
//! (Nyström's approximation: Gittens and Mahoney 2016; the sketch and its use on regularised systems: Frangella, Tropp and Udell
//! 2021; for hypergradients, with columns of H in place of Y: Hataya and Yamada 2023.) Gaussian sketches rather than sampled
//! columns: they need no luck with which columns matter, and cost the same, k products. S is cut at its rounding floor where
//! theirs is shifted by it: A is formed one eigenvector at a time, and so each direction brings an error of the size of the
//! cut at most.

use super::operator::{Operator, VectorOf};
use super::report::{Ending, Report};
use super::space::Space;
use super::{Workspace, heap, jacobi};
use crate::random::Random;
use crate::{Error, Result, Scalar};

/// Eigenvalues of the sketch below this many roundings of the largest are zero.
const FLOOR: f64 = 64.0;

/// The small matrices of a sketch, k × k.
#[derive(Debug, Default)]
pub(super) struct Scalars {
    gram: Vec<f64>,
    vectors: Vec<f64>,
    right: Vec<f64>,
}

impl Scalars {
    /// Makes room for a sketch of k vectors.
    pub fn reserve(&mut self, k: usize) {
        let Scalars { gram, vectors, right } = self;
        for (list, len) in [(gram, k * k), (vectors, k * k), (right, k)] {
            list.reserve_exact(len.saturating_sub(list.len()));
        }
    }

    /// The memory in use.
    pub fn bytes(&self) -> usize {
        let Scalars { gram, vectors, right } = self;
        heap(gram) + heap(vectors) + heap(right)
    }
}

/// q ← (A Aᵀ + epsilon)⁻¹ b. The workspace's first vector holds b.
pub(super) fn run<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    rank: usize,
    epsilon: f64,
    seed: u64,
    q: &mut VectorOf<T, O>,
    workspace: &mut Workspace<T, VectorOf<T, O>>,
    report: &mut Report,
) -> Result<()> {
    let k = rank.min(op.space().len());
    workspace.reserve(op.space(), 2 * k + 1);
    let Workspace { vectors, host, nystrom: Scalars { gram, vectors: small, right }, .. } = workspace;
    let Some((b, rest)) = vectors.split_first_mut() else { return Ok(()) };
    let (omega, y) = rest.split_at_mut(k);
    let y = &mut y[..k];
    sketch(op.space(), seed, host, omega)?;
    for (omega, y) in omega.iter().zip(y.iter_mut()) {
        op.apply(omega, y)?;
        report.products += 1;
    }
    for matrix in [&mut *gram, &mut *small] {
        matrix.clear();
        matrix.resize(k * k, 0.0);
    }
    let mut size = 0.0_f64;
    for j in 0..k {
        size = size.max(op.space().norm(&y[j]));
        for i in 0..=j {
            let element = 0.5 * (op.space().dot(&omega[i], &y[j]) + op.space().dot(&omega[j], &y[i]));
            (gram[i * k + j], gram[j * k + i]) = (element, element);
        }
    }
    decompose(k, gram, small, size)?;
    let floor = FLOOR * T::EPSILON * size;
    report.ending = Ending::Completed;
    // A in place of Ω, the directions above the floor only.
    let mut kept = 0;
    for (i, w) in small.chunks_exact(k.max(1)).enumerate() {
        let s = gram[i * k + i];
        if s < -floor {
            report.ending = Ending::NegativeCurvature;
        }
        if s > floor {
            let a = &mut omega[kept];
            op.space().scale(T::ZERO, a);
            w.iter().zip(y.iter()).for_each(|(w, y)| op.space().axpy(T::from_f64(w / s.sqrt()), y, a));
            kept += 1;
        }
    }
    let a = &omega[..kept];
    right.clear();
    right.extend(a.iter().map(|a| op.space().dot(a, b)));
    for j in 0..kept {
        for i in 0..=j {
            let element = op.space().dot(&a[i], &a[j]);
            (gram[i * kept + j], gram[j * kept + i]) = (element, element);
        }
    }
    let (gram, small) = (&mut gram[..kept * kept], &mut small[..kept * kept]);
    decompose(kept, gram, small, size)?;
    let mut range: Option<(f64, f64)> = None;
    op.space().copy(b, q);
    for (i, v) in small.chunks_exact(kept.max(1)).enumerate() {
        let value = gram[i * kept + i].max(0.0);
        let (low, high) = range.unwrap_or((value, value));
        range = Some((low.min(value), high.max(value)));
        let overlap: f64 = v.iter().zip(right.iter()).map(|(v, right)| v * right).sum();
        let weight = -overlap / (value + epsilon);
        v.iter().zip(a).for_each(|(v, a)| op.space().axpy(T::from_f64(weight * v), a, q));
    }
    report.curvature = range.or(Some((0.0, 0.0)));
    op.space().scale(T::from_f64(1.0 / epsilon), q);
    Ok(())
}

/// Ω: Gaussian vectors, orthonormalised twice.
fn sketch<T: Scalar, S: Space<T>>(space: &S, seed: u64, host: &mut Vec<T>, omega: &mut [S::Vector]) -> Result<()> {
    let mut random = Random::new(seed);
    host.resize(space.len(), T::ZERO);
    for j in 0..omega.len() {
        let (done, next) = omega.split_at_mut(j);
        host.iter_mut().for_each(|x| *x = T::from_f64(random.normal()));
        space.load(host, &mut next[0])?;
        for _ in 0..2 {
            for v in done.iter() {
                let overlap = space.dot(v, &next[0]);
                space.axpy(T::from_f64(-overlap), v, &mut next[0]);
            }
            let norm = space.norm(&next[0]);
            space.scale(T::from_f64(1.0 / norm), &mut next[0]);
        }
    }
    Ok(())
}

fn decompose(k: usize, matrix: &mut [f64], vectors: &mut [f64], size: f64) -> Result<()> {
    if !size.is_finite() {
        return Err(Error::NonFinite { argument: "operator product", index: 0, found: size });
    }
    if jacobi::eigen(k, matrix, vectors) { Ok(()) } else { Err(Error::Decomposition { argument: "operator" }) }
}
