//! Applying an approximate inverse Hessian: q = r(H) b.
//!
//! | [`Inverse`] | r(λ) | cost |
//! | --- | --- | --- |
//! | `MinNorm` | 1/λ where λ ≠ 0, else 0 | one eigendecomposition, or rank + 1 products and as many vectors |
//! | `Damped` | 1/(λ + ε) | the same, fewer products for a large ε |
//! | `Neumann`, `NeumannFilter` | alpha Σ_{j=0..K} (1 − alpha λ)ʲ | K products, or a decomposition |
//! | `Cg` | a polynomial that depends on b | at most k products |
//! | `Identity` | alpha | none |
//! | `Zero` | 0 | none |
//!
//! H must be symmetric, except for the Neumann series. b is scaled by a power of two first, so that right-hand sides of any
//! representable size give the same relative answer; b = 0 gives exactly 0.

mod cg;
mod filter;
mod inverse;
mod lanczos;
mod neumann;
mod operator;
mod report;
mod space;
mod spectrum;
mod tridiagonal;

pub use filter::Filter;
pub use inverse::{AUTO_PRODUCTS, Inverse, OnGrowth, Solve, Spectral, Step};
pub use operator::{Operator, VectorOf};
pub use report::{Ending, Report};
pub use space::{Flat, Points, Space};
pub use spectrum::Spectrum;
pub(crate) use spectrum::symmetrize;

use crate::{Error, Result, Scalar};

/// The scratch of [`solve`]: grows at the first solve of a kind, and is reused after that without allocation.
#[derive(Debug)]
pub struct Workspace<T, V> {
    vectors: Vec<V>,
    lanczos: lanczos::Scalars,
    spectrum: Spectrum,
    host: Vec<T>,
    host_out: Vec<T>,
    scratch: Vec<f64>,
}

impl<T: Scalar, V> Default for Workspace<T, V> {
    fn default() -> Self {
        Workspace {
            vectors: Vec::new(),
            lanczos: lanczos::Scalars::default(),
            spectrum: Spectrum::default(),
            host: Vec::new(),
            host_out: Vec::new(),
            scratch: Vec::new(),
        }
    }
}

impl<T: Scalar, V> Workspace<T, V> {
    /// An empty workspace.
    pub fn new() -> Self {
        Self::default()
    }

    fn reserve<S: Space<T, Vector = V>>(&mut self, space: &S, count: usize) {
        while self.vectors.len() < count {
            self.vectors.push(space.zeros());
        }
    }
}

/// What errors call b.
pub(crate) const RIGHT_HAND_SIDE: &str = "right-hand side";

/// The relative cutoff of [`Inverse::MinNorm`] where none is given.
pub fn default_cutoff<T: Scalar>() -> f64 {
    if T::EPSILON < 1e-10 { 1e-10 } else { 1e-6 }
}

/// q ← r(H) b, with a report. `b` and `q` are vectors of `op`'s space; `q` is overwritten.
///
/// # Errors
///
/// [`Error::Invalid`] for a parameter out of range, [`Error::NonFinite`] for a b that is not finite,
/// [`Error::Asymmetric`] where a dense solve meets an unsymmetric H, and whatever the operator returns.
pub fn solve<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    solve: &Solve,
    b: &VectorOf<T, O>,
    q: &mut VectorOf<T, O>,
    workspace: &mut Workspace<T, VectorOf<T, O>>,
) -> Result<Report> {
    solve.inverse.validate()?;
    let norm = op.space().norm(b);
    if !norm.is_finite() {
        return Err(Error::NonFinite { argument: RIGHT_HAND_SIDE, index: 0, found: norm });
    }
    let mut report = Report::new(Ending::Completed, norm);
    if norm == 0.0 || solve.inverse == Inverse::Zero {
        op.space().scale(T::ZERO, q);
        report.residual = solve.verify.then_some(if norm == 0.0 { 0.0 } else { 1.0 });
        return Ok(report);
    }
    if let Inverse::Identity { alpha } = solve.inverse {
        op.space().copy(b, q);
        op.space().scale(T::from_f64(alpha), q);
        report.alpha = Some(alpha);
    } else {
        let exponent = (-norm.log2().round() as i32).clamp(-T::MAX_SCALE_EXPONENT, T::MAX_SCALE_EXPONENT);
        workspace.reserve(op.space(), 4);
        op.space().copy(b, &mut workspace.vectors[0]);
        op.space().scale(T::from_f64(2.0_f64.powi(exponent)), &mut workspace.vectors[0]);
        apply_inverse(op, &solve.inverse, q, workspace, &mut report)?;
        op.space().scale(T::from_f64(2.0_f64.powi(-exponent)), q);
    }
    if solve.verify {
        workspace.reserve(op.space(), 1);
        let r = &mut workspace.vectors[0];
        op.apply(q, r)?;
        op.space().axpy(-T::ONE, b, r);
        report.residual = Some(op.space().norm(r) / norm);
    }
    Ok(report)
}

/// The solve proper: b, scaled to about 1, is the workspace's first vector.
fn apply_inverse<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    inverse: &Inverse,
    q: &mut VectorOf<T, O>,
    workspace: &mut Workspace<T, VectorOf<T, O>>,
    report: &mut Report,
) -> Result<()> {
    match *inverse {
        Inverse::Zero | Inverse::Identity { .. } => Ok(()),
        Inverse::Neumann { terms, step, on_growth } => {
            let alpha = match step {
                Step::Fixed(alpha) => alpha,
                Step::Auto => match auto_step(op, workspace, report)? {
                    Some(alpha) => alpha,
                    None => {
                        op.space().scale(T::ZERO, q);
                        report.ending = Ending::Singular;
                        return Ok(());
                    }
                },
            };
            match workspace.vectors.as_mut_slice() {
                [p, hp, best, ..] => neumann::run(op, terms, alpha, on_growth, q, [p, hp, best], report),
                _ => Ok(()),
            }
        }
        Inverse::Cg { iterations, tolerance } => match workspace.vectors.as_mut_slice() {
            [r, p, hp, best, ..] => cg::run(op, iterations, tolerance, q, [r, p, hp, best], report),
            _ => Ok(()),
        },
        Inverse::MinNorm { cutoff, by } => {
            let cutoff = cutoff.unwrap_or(default_cutoff::<T>());
            spectral(op, &lanczos::Rule::MinNorm { cutoff }, by, q, workspace, report)
        }
        Inverse::Damped { epsilon, by } => {
            spectral(op, &lanczos::Rule::Fixed(Filter::Damped { epsilon }), by, q, workspace, report)
        }
        Inverse::NeumannFilter { terms, alpha, by } => {
            report.alpha = Some(alpha);
            spectral(op, &lanczos::Rule::Fixed(Filter::Neumann { terms, alpha }), by, q, workspace, report)
        }
    }
}

/// 1/θ for the largest |θ| that a few Lanczos steps see; `None` if H b = 0.
fn auto_step<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    workspace: &mut Workspace<T, VectorOf<T, O>>,
    report: &mut Report,
) -> Result<Option<f64>> {
    // The Lanczos vectors take the workspace's first places; the right-hand side waits behind them.
    workspace.reserve(op.space(), AUTO_PRODUCTS + 2);
    let (front, back) = workspace.vectors.split_at_mut(AUTO_PRODUCTS + 1);
    op.space().copy(&front[0], &mut back[0]);
    let (low, high) = lanczos::curvature_range(op, AUTO_PRODUCTS, workspace, report)?;
    let (front, back) = workspace.vectors.split_at_mut(AUTO_PRODUCTS + 1);
    op.space().copy(&back[0], &mut front[0]);
    report.curvature = Some((low, high));
    let radius = high.abs().max(low.abs());
    Ok((radius > 0.0).then_some(1.0 / radius))
}

/// A filter through a dense decomposition or a Lanczos process.
fn spectral<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    rule: &lanczos::Rule,
    by: Spectral,
    q: &mut VectorOf<T, O>,
    workspace: &mut Workspace<T, VectorOf<T, O>>,
    report: &mut Report,
) -> Result<()> {
    if let Spectral::Lanczos { tolerance, max_products } = by {
        let limits = lanczos::Limits {
            tolerance: tolerance.unwrap_or(if T::EPSILON < 1e-10 { 1e-12 } else { 1e-6 }),
            max_products: max_products.unwrap_or(op.space().len() + 4),
        };
        return lanczos::run(op, rule, &limits, q, workspace, report);
    }
    let n = op.space().len();
    workspace.host.resize(n, T::ZERO);
    workspace.host_out.resize(n, T::ZERO);
    op.space().store(&workspace.vectors[0], &mut workspace.host)?;
    let (spectrum, products) = op.spectrum(&mut workspace.spectrum)?;
    report.products += products;
    report.curvature = spectrum.values().first().copied().zip(spectrum.values().last().copied());
    let filter = match *rule {
        lanczos::Rule::Fixed(filter) => filter,
        lanczos::Rule::MinNorm { cutoff } => {
            let floor = cutoff * spectrum.radius();
            report.null_share = Some(spectrum.null_share(floor, &workspace.host));
            Filter::MinNorm { floor }
        }
    };
    spectrum.apply(filter, &workspace.host, &mut workspace.host_out, &mut workspace.scratch);
    op.space().load(&workspace.host_out, q)
}
