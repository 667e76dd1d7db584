//! The Lanczos process with full reorthogonalisation, as an engine for spectral filters.
//!
//! ```text
//! v₁ = b/‖b‖;   H Vₖ = Vₖ Tₖ + βₖ vₖ₊₁ eₖᵀ;   qₖ = ‖b‖ Vₖ r(Tₖ) e₁
//! ```
//!
//! (Lanczos 1950; functions of matrices: Saad 1992.) r(Tₖ) by the eigenvectors of Tₖ, always in `f64`. Each new vector is
//! orthogonalised twice against all earlier ones (modified Gram-Schmidt). One process serves any number of filters. A
//! vanishing βₖ is success: qₖ is exact in the invariant subspace. With r(θ) = 1/θ above a cutoff and 0 below, this is the
//! minimum-norm solution of a singular, inconsistent or indefinite system; the weight of the dropped Ritz vectors on b is
//! its null share.
//!
//! # When to stop
//!
//! βₖ is known before the next product is spent. So Tₖ is extended by one row with a guess of its last element, and the
//! change of q that it would bring is the estimate of the error (Saad's corrected scheme):
//!
//! ```text
//! T̃ = [Tₖ, βₖ eₖ; βₖ eₖᵀ, α̃];   ‖r(T̃) e₁ − r(Tₖ) e₁‖ ≤ tolerance · ‖r(T̃) e₁‖   for α̃ = αₖ
//! ```
//!
//! Two more signs are asked for, to the cube root of the tolerance: that ‖qₖ‖ has settled since the step before, and that
//! the extension by α̃ = 0, the worst place for an inverse, does not change ‖q‖.
//!
//! The eigenproblem is put off while cheaper signs say no. First, in O(k): a relative error of τ in x = (T + ε)⁻¹ e₁ means a
//! residual βₖ|xₖ| of no more than τ ‖H + ε‖ ‖x‖ (ε = 1/(alpha (K + 1)) stands for a Neumann series). Then, in O(k²): norms,
//! ‖qₖ‖² = ‖b‖² Σⱼ r(θⱼ)² s₁ⱼ², need only the first element of each eigenvector, and differ by no more than the vectors do.

use super::filter::Filter;
use super::memory::heap;
use super::operator::{Operator, VectorOf};
use super::report::{Ending, Report};
use super::space::Space;
use super::{Workspace, tridiagonal};
use crate::{Error, Result, Scalar};

/// The scalars of a Lanczos process: T, the eigenpairs of it or of an extension, and r(T) e₁.
#[derive(Debug, Default)]
pub(super) struct Scalars {
    diagonal: Vec<f64>,
    off: Vec<f64>,
    values: Vec<f64>,
    scratch: Vec<f64>,
    vectors: Vec<f64>,
    coefficients: Vec<f64>,
    extended: Vec<f64>,
    /// For each filter: whether its q is there.
    done: Vec<bool>,
}

/// What the filter is before the spectrum is known, and when its q is good enough.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub rule: Rule,
    pub tolerance: f64,
    pub max_products: usize,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// 1/θ for |θ| > cutoff · max|θ|.
    MinNorm { cutoff: f64 },
    /// This one.
    Fixed(Filter),
}

impl Rule {
    /// The filter, and for a minimum-norm inverse its floor, on a spectrum of this radius.
    pub fn filter(&self, radius: f64) -> (Filter, Option<f64>) {
        match *self {
            Rule::MinNorm { cutoff } => {
                let floor = cutoff * radius;
                (Filter::MinNorm { floor }, Some(floor))
            }
            Rule::Fixed(filter) => (filter, None),
        }
    }

    /// ε of the damped inverse that is like r, and how much larger than the tolerance its residual may be.
    fn like(&self) -> (f64, fn(f64) -> f64) {
        match *self {
            Rule::Fixed(Filter::Damped { epsilon }) => (epsilon, |tolerance| tolerance),
            Rule::Fixed(Filter::Neumann { terms, alpha }) => (1.0 / (alpha * (terms as f64 + 1.0)), f64::sqrt),
            Rule::MinNorm { .. } | Rule::Fixed(Filter::MinNorm { .. }) => (0.0, |tolerance| tolerance),
        }
    }

    /// Whether r has a pole at one of these eigenvalues, up to rounding.
    pub fn has_pole<T: Scalar>(&self, values: &[f64]) -> bool {
        match *self {
            Rule::Fixed(Filter::Damped { epsilon }) => {
                values.iter().any(|value| (value + epsilon).abs() <= 8.0 * T::EPSILON * value.abs())
            }
            _ => false,
        }
    }

    /// What it means that r is not representable on the spectrum.
    pub fn overflow(&self) -> Ending {
        if matches!(self, Rule::Fixed(Filter::Neumann { .. })) { Ending::NonContractive } else { Ending::Singular }
    }
}

/// Answers of this size and more, for b of size 1, count as overflows.
pub(super) fn overflow<T: Scalar>() -> f64 {
    2.0_f64.powi(T::MAX_SCALE_EXPONENT - 20)
}

impl Scalars {
    /// Room for all that a process of `k` steps may need, so that which gates open does not decide about allocations.
    pub fn reserve(&mut self, k: usize) {
        let k = (k + 1).next_power_of_two();
        let Scalars { diagonal, off, values, scratch, vectors: _, coefficients, extended, done } = self;
        for list in [diagonal, off, values, scratch, coefficients, extended] {
            list.reserve(k.saturating_sub(list.len()));
        }
        done.reserve(1_usize.saturating_sub(done.len()));
        self.vectors.reserve((k * k).saturating_sub(self.vectors.len()));
    }

    /// The memory in use.
    pub fn bytes(&self) -> usize {
        let Scalars { diagonal, off, values, scratch, vectors, coefficients, extended, done } = self;
        let lists = [diagonal, off, values, scratch, vectors, coefficients, extended];
        lists.into_iter().map(heap).sum::<usize>() + heap(done)
    }

    fn clear(&mut self) {
        self.diagonal.clear();
        self.off.clear();
    }

    /// The eigenvalues of the leading `rows` × `rows` block of T, or of that with one more row whose diagonal element is
    /// `guess`; and its eigenvectors, or only their first elements.
    fn decompose(&mut self, rows: usize, guess: Option<f64>, whole: bool) -> Result<()> {
        let k = rows + usize::from(guess.is_some());
        let width = if whole { k } else { 1 };
        self.values.clear();
        self.values.extend(self.diagonal[..rows].iter().copied().chain(guess));
        self.scratch.clear();
        self.scratch.extend_from_slice(&self.off[..rows]);
        self.scratch.resize(k, 0.0);
        let size = self.values.iter().chain(&self.scratch).fold(0.0_f64, |size, x| size.max(x.abs()));
        let size = if size > 0.0 { size } else { 1.0 };
        self.values.iter_mut().chain(&mut self.scratch).for_each(|x| *x /= size);
        self.vectors.clear();
        self.vectors.resize(k * width, 0.0);
        if !tridiagonal::eigen(&mut self.values, &mut self.scratch, &mut self.vectors, width) {
            return Err(Error::Decomposition { argument: "operator" });
        }
        self.values.iter_mut().for_each(|value| *value *= size);
        Ok(())
    }

    fn radius(&self) -> f64 {
        self.values.iter().fold(0.0, |radius, value| f64::max(radius, value.abs()))
    }

    fn range(&self) -> (f64, f64) {
        self.values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)))
    }

    /// The first elements of the eigenvectors.
    fn first(&self) -> impl Iterator<Item = f64> {
        let width = (self.vectors.len() / self.values.len().max(1)).max(1);
        self.vectors.iter().copied().step_by(width)
    }

    /// ‖r(T) e₁‖ for the T that is decomposed.
    fn norm(&self, rule: &Rule) -> f64 {
        let (filter, _) = rule.filter(self.radius());
        let weight = |(value, first): (&f64, f64)| if first == 0.0 { 0.0 } else { filter.value(*value) * first };
        self.values.iter().zip(self.first()).map(weight).map(|weight| weight * weight).sum::<f64>().sqrt()
    }

    /// The share of e₁ in what a minimum-norm inverse drops.
    fn null_share(&self, rule: &Rule) -> Option<f64> {
        let floor = rule.filter(self.radius()).1?;
        let dropped = self.values.iter().zip(self.first()).filter(|(value, _)| value.abs() <= floor);
        Some(dropped.map(|(_, first)| first * first).sum::<f64>().sqrt().min(1.0))
    }

    /// out ← r e₁, from whole eigenvectors.
    fn coefficients(&self, rule: &Rule, out: &mut Vec<f64>) {
        let k = self.values.len();
        let (filter, _) = rule.filter(self.radius());
        out.clear();
        out.resize(k, 0.0);
        for (value, vector) in self.values.iter().zip(self.vectors.chunks_exact(k.max(1))) {
            let weight = if vector[0] == 0.0 { 0.0 } else { filter.value(*value) * vector[0] };
            if weight != 0.0 {
                out.iter_mut().zip(vector).for_each(|(out, element)| *out += weight * element);
            }
        }
    }

    /// The first gate: whether the residual of the linear system that is like this filter is small enough.
    fn may_have_converged(&mut self, target: &Target) -> bool {
        let k = self.diagonal.len();
        let (shift, slack) = target.rule.like();
        // L D Lᵀ; `scratch` ← the solution of L z = e₁, divided by D.
        let (mut pivot, mut z, mut above, mut size) = (1.0, -1.0, 0.0, 0.0_f64);
        self.scratch.clear();
        self.values.clear();
        for (diagonal, &below) in self.diagonal.iter().zip(&self.off) {
            let ratio = above / pivot;
            pivot = diagonal + shift - ratio * above;
            if pivot <= 0.0 {
                return true;
            }
            z *= if self.values.is_empty() { -1.0 } else { -ratio };
            self.scratch.push(z / pivot);
            self.values.push(below / pivot);
            size = size.max(diagonal.abs() + shift + above + below);
            above = below;
        }
        let residual = above * self.scratch[k - 1].abs();
        let (mut x, mut square) = (0.0, 0.0);
        for (z, ratio) in self.scratch.iter().zip(&self.values).rev() {
            x = if square == 0.0 { *z } else { z - ratio * x };
            square += x * x;
        }
        // A NaN is no reason to say no.
        let too_large = residual > slack(target.tolerance) * size * square.sqrt();
        !too_large
    }

    /// Whether the filter has converged. Leaves r(T) e₁ in `coefficients` if so.
    fn converged(&mut self, target: &Target) -> Result<bool> {
        let k = self.diagonal.len();
        if k < 2 || !self.may_have_converged(target) {
            return Ok(false);
        }
        let (rule, tight, loose) = (&target.rule, target.tolerance, target.tolerance.cbrt());
        let last = self.diagonal[k - 1];
        let mut norm = |rows: usize, guess: Option<f64>| -> Result<f64> {
            self.decompose(rows, guess, false)?;
            Ok(self.norm(rule))
        };
        let now = norm(k, None)?;
        let agrees = |other: f64, tolerance: f64| (other - now).abs() <= tolerance * now;
        Ok(agrees(norm(k, Some(last))?, 2.0 * tight)
            && agrees(norm(k - 1, None)?, loose)
            && agrees(norm(k, Some(0.0))?, loose)
            && self.estimate(rule, last)? <= tight)
    }

    /// The estimate of the relative error, by an extension of T. Leaves r(T) e₁ in `coefficients`.
    fn estimate(&mut self, rule: &Rule, guess: f64) -> Result<f64> {
        self.decompose(self.diagonal.len(), Some(guess), true)?;
        let mut extended = std::mem::take(&mut self.extended);
        self.coefficients(rule, &mut extended);
        self.form(rule)?;
        let (mut change, mut size) = (0.0, 0.0);
        for (i, new) in extended.iter().enumerate() {
            let old = self.coefficients.get(i).copied().unwrap_or(0.0);
            change += (new - old) * (new - old);
            size += new * new;
        }
        self.extended = extended;
        Ok(if change == 0.0 { 0.0 } else { (change / size).sqrt() })
    }

    /// `coefficients` ← r(T) e₁.
    fn form(&mut self, rule: &Rule) -> Result<()> {
        self.decompose(self.diagonal.len(), None, true)?;
        let mut coefficients = std::mem::take(&mut self.coefficients);
        self.coefficients(rule, &mut coefficients);
        self.coefficients = coefficients;
        Ok(())
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

/// qᵢ ← rᵢ(H) b for the b in the first vector of the workspace, which is overwritten. All from one process, which ends
/// when the last filter has converged; each report counts the products up to its own end.
pub(super) fn run<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    targets: &[Target],
    qs: &mut [VectorOf<T, O>],
    reports: &mut [Report],
    workspace: &mut Workspace<T, VectorOf<T, O>>,
) -> Result<()> {
    let norm = op.space().norm(&workspace.vectors[0]);
    op.space().scale(T::from_f64(1.0 / norm), &mut workspace.vectors[0]);
    workspace.lanczos.clear();
    workspace.lanczos.done.clear();
    workspace.lanczos.done.resize(targets.len(), false);
    let mut check_at = 1;
    for k in 1.. {
        workspace.reserve(op.space(), k + 1);
        let open = extend(op, &mut workspace.vectors[..=k], &mut workspace.lanczos)?;
        let Workspace { vectors, lanczos: scalars, .. } = &mut *workspace;
        scalars.reserve(k);
        // Past the first few dozen steps the eigenproblem is not solved at every one.
        let check = k >= check_at;
        check_at = if check { k + 1 + k / 32 } else { check_at };
        for (i, ((target, report), q)) in targets.iter().zip(reports.iter_mut()).zip(qs.iter_mut()).enumerate() {
            if scalars.done[i] {
                continue;
            }
            report.products += 1;
            let converged = open && check && scalars.converged(target)?;
            if converged || !open || k >= target.max_products {
                if !converged {
                    scalars.form(&target.rule)?;
                }
                scalars.done[i] = true;
                report.ending = if converged || !open { Ending::Converged } else { Ending::ProductLimit };
                combine(op.space(), &target.rule, norm, scalars, vectors, q, report);
            }
        }
        if scalars.done.iter().all(|&done| done) {
            break;
        }
    }
    Ok(())
}

/// q ← norm · V r(T) e₁ from the whole decomposition of T, or 0 where that is not representable, and the report says so.
fn combine<T: Scalar, S: Space<T>>(
    space: &S,
    rule: &Rule,
    norm: f64,
    scalars: &Scalars,
    basis: &[S::Vector],
    q: &mut S::Vector,
    report: &mut Report,
) {
    space.scale(T::ZERO, q);
    (report.curvature, report.null_share) = (Some(scalars.range()), scalars.null_share(rule));
    let size = scalars.coefficients.iter().map(|c| c * c).sum::<f64>().sqrt();
    if rule.has_pole::<T>(&scalars.values) || size.is_nan() || size >= overflow::<T>() {
        report.ending = rule.overflow();
        return;
    }
    for (coefficient, v) in scalars.coefficients.iter().zip(basis) {
        space.axpy(T::from_f64(norm * coefficient), v, q);
    }
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
    workspace.lanczos.clear();
    for k in 1..=products {
        workspace.reserve(op.space(), k + 1);
        report.products += 1;
        if !extend(op, &mut workspace.vectors[..=k], &mut workspace.lanczos)? {
            break;
        }
    }
    let rows = workspace.lanczos.diagonal.len();
    workspace.lanczos.decompose(rows, None, false)?;
    Ok(workspace.lanczos.range())
}
