//! The Lanczos process with full reorthogonalisation, as an engine for spectral filters.
//!
//! ```text
//! v₁ = b/‖b‖;   H Vₖ = Vₖ Tₖ + βₖ vₖ₊₁ eₖᵀ;   qₖ = ‖b‖ Vₖ r(Tₖ) e₁
//! ```
//!
//! r(Tₖ) by the eigenvectors of Tₖ, always in `f64`. Each new vector is orthogonalised twice against all earlier ones
//! (modified Gram-Schmidt). A vanishing βₖ is success: qₖ is exact in the invariant subspace. With r(θ) = 1/θ above a
//! cutoff and 0 below, this is the minimum-norm solution of a singular, inconsistent or indefinite system; the weight of
//! the dropped Ritz vectors on b is its null share.

use super::filter::Filter;
use super::operator::{Operator, VectorOf};
use super::report::{Ending, Report};
use super::space::Space;
use super::{Workspace, tridiagonal};
use crate::{Error, Result, Scalar};

/// The scalars of a Lanczos process: T, its eigenpairs, and r(T) e₁ now and before.
#[derive(Debug, Default)]
pub(super) struct Scalars {
    diagonal: Vec<f64>,
    off: Vec<f64>,
    values: Vec<f64>,
    scratch: Vec<f64>,
    vectors: Vec<f64>,
    coefficients: Vec<f64>,
    before: Vec<f64>,
}

/// What the filter is before the spectrum is known.
pub(super) enum Rule {
    /// 1/θ for |θ| > cutoff · max|θ|.
    MinNorm { cutoff: f64 },
    /// This one.
    Fixed(Filter),
}

/// Limits of a process.
pub(super) struct Limits {
    pub tolerance: f64,
    pub max_products: usize,
}

impl Scalars {
    /// Eigenpairs of the leading k × k block of T.
    fn decompose(&mut self) -> Result<()> {
        let k = self.diagonal.len();
        self.values.clear();
        self.values.extend_from_slice(&self.diagonal);
        self.scratch.clear();
        self.scratch.extend_from_slice(&self.off);
        self.vectors.clear();
        self.vectors.resize(k * k, 0.0);
        if tridiagonal::eigen(&mut self.values, &mut self.scratch, &mut self.vectors) {
            Ok(())
        } else {
            Err(Error::Decomposition { argument: "operator" })
        }
    }

    fn radius(&self) -> f64 {
        self.values.iter().fold(0.0, |radius, value| f64::max(radius, value.abs()))
    }

    fn range(&self) -> (f64, f64) {
        self.values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)))
    }

    /// coefficients ← r(T) e₁; the old ones go to `before`. Returns ‖change‖ / ‖coefficients‖ and the null share.
    fn filter(&mut self, rule: &Rule) -> (f64, Option<f64>) {
        let k = self.diagonal.len();
        let (filter, floor) = match *rule {
            Rule::MinNorm { cutoff } => {
                let floor = cutoff * self.radius();
                (Filter::MinNorm { floor }, Some(floor))
            }
            Rule::Fixed(filter) => (filter, None),
        };
        std::mem::swap(&mut self.coefficients, &mut self.before);
        self.coefficients.clear();
        self.coefficients.resize(k, 0.0);
        self.before.resize(k, 0.0);
        let mut dropped = 0.0;
        for j in 0..k {
            let first = self.vectors[j];
            if floor.is_some_and(|floor| self.values[j].abs() <= floor) {
                dropped += first * first;
            }
            let weight = filter.value(self.values[j]) * first;
            if weight != 0.0 {
                for i in 0..k {
                    self.coefficients[i] += weight * self.vectors[i * k + j];
                }
            }
        }
        let (mut change, mut size) = (0.0, 0.0);
        for (new, old) in self.coefficients.iter().zip(&self.before) {
            change += (new - old) * (new - old);
            size += new * new;
        }
        let relative = if size > 0.0 {
            (change / size).sqrt()
        } else if change > 0.0 {
            f64::INFINITY
        } else {
            0.0
        };
        (relative, floor.map(|_| dropped.sqrt().min(1.0)))
    }
}

/// One step: makes v_{k+1} in place of `next` from v_k; returns false when the process has closed (βₖ ≈ 0).
///
/// `basis` holds v₁ … v_k and, last, the vector that becomes v_{k+1}.
fn extend<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    basis: &mut [VectorOf<T, O>],
    scalars: &mut Scalars,
) -> Result<bool> {
    let Some((next, done)) = basis.split_last_mut() else { return Ok(false) };
    let Some(last) = done.last() else { return Ok(false) };
    op.apply(last, next)?;
    let space = op.space();
    let before = space.norm(next);
    let mut diagonal = 0.0;
    for _ in 0..2 {
        for (i, v) in done.iter().enumerate() {
            let overlap = space.dot(v, next);
            if i + 1 == done.len() {
                diagonal += overlap;
            }
            space.axpy(T::from_f64(-overlap), v, next);
        }
    }
    let beta = space.norm(next);
    if !beta.is_finite() || !diagonal.is_finite() {
        return Err(Error::NonFinite { argument: "operator product", index: 0, found: before });
    }
    scalars.diagonal.push(diagonal);
    scalars.off.push(beta);
    let size = scalars.diagonal.iter().chain(&scalars.off).fold(0.0_f64, |size, x| size.max(x.abs()));
    if beta <= 16.0 * T::EPSILON * size {
        return Ok(false);
    }
    space.scale(T::from_f64(1.0 / beta), next);
    Ok(true)
}

/// q ← r(H) b for the b in the first vector of the workspace, which is overwritten.
pub(super) fn run<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    rule: &Rule,
    limits: &Limits,
    q: &mut VectorOf<T, O>,
    workspace: &mut Workspace<T, VectorOf<T, O>>,
    report: &mut Report,
) -> Result<()> {
    let norm = op.space().norm(&workspace.vectors[0]);
    op.space().scale(T::from_f64(1.0 / norm), &mut workspace.vectors[0]);
    workspace.lanczos.diagonal.clear();
    workspace.lanczos.off.clear();
    workspace.lanczos.coefficients.clear();
    report.ending = Ending::ProductLimit;
    let (mut quiet, mut check_at) = (0, 1);
    for k in 1..=limits.max_products {
        workspace.reserve(op.space(), k + 1);
        let open = extend(op, &mut workspace.vectors[..=k], &mut workspace.lanczos)?;
        report.products += 1;
        // The k × k eigenproblem costs k³: past the first few dozen it is not solved at every step.
        if open && k < check_at && k < limits.max_products {
            continue;
        }
        check_at = k + 1 + k / 32;
        workspace.lanczos.decompose()?;
        let (change, null_share) = workspace.lanczos.filter(rule);
        report.curvature = Some(workspace.lanczos.range());
        report.null_share = null_share;
        quiet = if change <= limits.tolerance { quiet + 1 } else { 0 };
        if !open || quiet >= 2 {
            report.ending = Ending::Converged;
            break;
        }
    }
    op.space().scale(T::ZERO, q);
    for (coefficient, v) in workspace.lanczos.coefficients.iter().zip(&workspace.vectors) {
        op.space().axpy(T::from_f64(norm * coefficient), v, q);
    }
    Ok(())
}

/// The range of curvature that at most `products` steps from b see. b is the first vector of the workspace, overwritten.
pub(super) fn curvature_range<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    products: usize,
    workspace: &mut Workspace<T, VectorOf<T, O>>,
    report: &mut Report,
) -> Result<(f64, f64)> {
    let norm = op.space().norm(&workspace.vectors[0]);
    op.space().scale(T::from_f64(1.0 / norm), &mut workspace.vectors[0]);
    workspace.lanczos.diagonal.clear();
    workspace.lanczos.off.clear();
    for k in 1..=products {
        workspace.reserve(op.space(), k + 1);
        report.products += 1;
        if !extend(op, &mut workspace.vectors[..=k], &mut workspace.lanczos)? {
            break;
        }
    }
    workspace.lanczos.decompose()?;
    Ok(workspace.lanczos.range())
}
