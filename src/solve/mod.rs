//! Applying an approximate inverse Hessian: q = r(H) b.
//!
//! | [`Inverse`] | r(λ) | cost |
//! | --- | --- | --- |
//! | `MinNorm` | 1/λ where λ ≠ 0, else 0 | one eigendecomposition, or rank + 1 products and as many vectors |
//! | `Damped` | 1/(λ + ε) | the same, fewer products for a large ε |
//! | `Neumann`, `NeumannFilter` | alpha Σ_{j=0..K} (1 − alpha λ)ʲ | K products, or a decomposition |
//! | `Cg` | a polynomial that depends on b | at most k products |
//! | `CgTwice` | as `MinNorm`, H positive semidefinite | more products, and six vectors |
//! | `Minres` | as `MinNorm`, H indefinite or not | one product a step, three to five times as many where b is inconsistent; ten vectors |
//! | `Nystrom` | 1/(λ + ε) for the λ of a random sketch of H | `rank` products, twice as many vectors |
//! | `Gmres` | H⁻¹, H not symmetric | one product and one vector for each step of a cycle |
//! | `Identity` | alpha | none |
//! | `Zero` | 0 | none |
//!
//! H must be symmetric, except for the Neumann series and GMRES. b is scaled by a power of two first, so that right-hand sides of any
//! representable size give the same relative answer; b = 0 gives exactly 0.

mod cg;
mod correct;
mod filter;
mod gmres;
mod inverse;
mod jacobi;
mod lanczos;
mod memory;
mod min_norm;
mod minres;
mod neumann;
mod nystrom;
mod operator;
mod report;
mod session;
mod several;
mod shifted;
mod space;
mod spectrum;
mod tridiagonal;

pub use cg::CgRun;
pub(crate) use cg::steps as cg_steps;
pub use filter::Filter;
pub use inverse::{AUTO_PRODUCTS, Inverse, OnGrowth, Solve, Spectral, Step};
pub(crate) use memory::{check_room, heap};
pub use operator::{FnOperator, Operator, VectorOf};
pub use report::{Ending, Report};
pub use session::{Request, Session};
pub use several::{solve_family, solve_many};
pub use shifted::shifted_cg;
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
    /// Whether `spectrum` is that of the operator at hand.
    kept: bool,
    targets: Vec<lanczos::Target>,
    shifts: Vec<shifted::Shift>,
    gmres: gmres::Scalars,
    nystrom: nystrom::Scalars,
    /// A residual, a correction, and the q before it.
    correction: Option<[V; 3]>,
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
            kept: false,
            targets: Vec::new(),
            shifts: Vec::new(),
            gmres: gmres::Scalars::default(),
            nystrom: nystrom::Scalars::default(),
            correction: None,
        }
    }
}

impl<T: Scalar, V> Workspace<T, V> {
    /// An empty workspace.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is kept belongs to the operator of an earlier call.
    fn forget(&mut self) {
        self.kept = false;
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

/// The relative error at which [`Spectral::Lanczos`] stops where no tolerance is given.
fn default_tolerance<T: Scalar>() -> f64 {
    if T::EPSILON < 1e-10 { 1e-12 } else { 1e-6 }
}

/// q ← r(H) b, with a report. `b` and `q` are vectors of `op`'s space. `q` is overwritten; what it was before matters only with
/// [`Solve::start_from_last`].
///
/// # Errors
///
/// [`Error::Invalid`] for a parameter out of range, [`Error::Unsupported`] for options that do not go with the inverse,
/// [`Error::NonFinite`] for a b, or a q to start from, that is not finite, [`Error::Asymmetric`] where a dense solve meets an unsymmetric H, and whatever the operator returns.
pub fn solve<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    solve: &Solve,
    b: &VectorOf<T, O>,
    q: &mut VectorOf<T, O>,
    workspace: &mut Workspace<T, VectorOf<T, O>>,
) -> Result<Report> {
    workspace.forget();
    solve_next(op, solve, b, q, workspace)
}

/// As [`solve`], with the decomposition that is in the workspace if `kept` says so.
fn solve_next<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    solve: &Solve,
    b: &VectorOf<T, O>,
    q: &mut VectorOf<T, O>,
    workspace: &mut Workspace<T, VectorOf<T, O>>,
) -> Result<Report> {
    solve.validate()?;
    let norm = finite_norm(op.space(), b)?;
    let mut report = Report::new(Ending::Completed, norm);
    if norm == 0.0 || solve.inverse == Inverse::Zero {
        op.space().scale(T::ZERO, q);
        report.residual = solve.verify.then_some(if norm == 0.0 { 0.0 } else { 1.0 });
        return Ok(report);
    }
    if let Inverse::NeumannFilter { alpha, .. } | Inverse::Identity { alpha } = solve.inverse {
        report.alpha = Some(alpha);
    }
    if solve.start_from_last {
        correct::from_last(op, solve, norm, b, q, workspace, &mut report)?;
    } else {
        from_zero(op, &solve.inverse, norm, b, q, workspace, &mut report)?;
    }
    if solve.refine > 0 && report.ending.is_sound() {
        correct::refine(op, solve, b, q, workspace, &mut report)?;
    }
    if solve.verify {
        report.residual = Some(residual(op, b, q, workspace)? / norm);
    }
    Ok(report)
}

/// q ← r(H) b for a b of this norm, above 0.
fn from_zero<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    inverse: &Inverse,
    norm: f64,
    b: &VectorOf<T, O>,
    q: &mut VectorOf<T, O>,
    workspace: &mut Workspace<T, VectorOf<T, O>>,
    report: &mut Report,
) -> Result<()> {
    if let Inverse::Identity { alpha } = *inverse {
        op.space().copy(b, q);
        op.space().scale(T::from_f64(alpha), q);
        return Ok(());
    }
    let exponent = load_scaled(op.space(), norm, b, workspace);
    apply_inverse(op, inverse, q, workspace, report)?;
    op.space().scale(T::from_f64(2.0_f64.powi(-exponent)), q);
    Ok(())
}

/// ‖b‖, or an error if b is not finite.
fn finite_norm<T: Scalar, S: Space<T>>(space: &S, b: &S::Vector) -> Result<f64> {
    let norm = space.norm(b);
    if norm.is_finite() { Ok(norm) } else { Err(Error::NonFinite { argument: RIGHT_HAND_SIDE, index: 0, found: norm }) }
}

/// The workspace's first vector ← b · 2^exponent, of norm about 1; returns the exponent.
fn load_scaled<T: Scalar, S: Space<T>>(
    space: &S,
    norm: f64,
    b: &S::Vector,
    workspace: &mut Workspace<T, S::Vector>,
) -> i32 {
    let exponent = (-norm.log2().round() as i32).clamp(-T::MAX_SCALE_EXPONENT, T::MAX_SCALE_EXPONENT);
    workspace.reserve(space, 4);
    space.copy(b, &mut workspace.vectors[0]);
    space.scale(T::from_f64(2.0_f64.powi(exponent)), &mut workspace.vectors[0]);
    exponent
}

/// ‖H q − b‖, for one product.
fn residual<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    b: &VectorOf<T, O>,
    q: &VectorOf<T, O>,
    workspace: &mut Workspace<T, VectorOf<T, O>>,
) -> Result<f64> {
    workspace.reserve(op.space(), 1);
    let r = &mut workspace.vectors[0];
    op.apply(q, r)?;
    op.space().axpy(-T::ONE, b, r);
    Ok(op.space().norm(r))
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
                [p, hp, best, spare, ..] => neumann::run(op, terms, alpha, on_growth, q, [p, hp, best, spare], report),
                _ => Ok(()),
            }
        }
        Inverse::Cg { iterations, tolerance } => match workspace.vectors.as_mut_slice() {
            [r, p, hp, best, ..] => cg::run(op, iterations, tolerance, q, [r, p, hp, best], report).map(|_| ()),
            _ => Ok(()),
        },
        Inverse::CgTwice { tolerance, max_products } => {
            min_norm::cg_twice(op, tolerance, max_products, q, workspace, report)
        }
        Inverse::Minres { tolerance, max_products } => minres::run(op, tolerance, max_products, q, workspace, report),
        Inverse::Nystrom { rank, epsilon, seed } => nystrom::run(op, rank, epsilon, seed, q, workspace, report),
        Inverse::Gmres { restart, tolerance, max_products } => {
            gmres::run(op, restart, tolerance, max_products, q, workspace, report)
        }
        Inverse::MinNorm { .. } | Inverse::Damped { .. } | Inverse::NeumannFilter { .. } => {
            match spectral_target::<T>(inverse, op.space().len()) {
                Some((target, Spectral::Dense)) => dense(op, &target.rule, q, workspace, report),
                Some((target, Spectral::Lanczos { .. })) => {
                    let (qs, reports) = (std::slice::from_mut(q), std::slice::from_mut(report));
                    lanczos::run(op, &[target], qs, reports, workspace)
                }
                None => Ok(()),
            }
        }
    }
}

/// The step that [`Step::Auto`] takes for b, and a report of what this took; no step if H b = 0.
pub(crate) fn find_step<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    b: &VectorOf<T, O>,
    workspace: &mut Workspace<T, VectorOf<T, O>>,
) -> Result<(Option<f64>, Report)> {
    let norm = finite_norm(op.space(), b)?;
    let mut report = Report::new(Ending::Completed, norm);
    if norm == 0.0 {
        return Ok((None, report));
    }
    load_scaled(op.space(), norm, b, workspace);
    let alpha = auto_step(op, workspace, &mut report)?;
    Ok((alpha, report))
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

/// The filter behind a spectral inverse, and how it is applied; `None` for the others.
fn spectral_target<T: Scalar>(inverse: &Inverse, n: usize) -> Option<(lanczos::Target, Spectral)> {
    let (rule, by) = match *inverse {
        Inverse::MinNorm { cutoff, by } => {
            (lanczos::Rule::MinNorm { cutoff: cutoff.unwrap_or(default_cutoff::<T>()) }, by)
        }
        Inverse::Damped { epsilon, by } => (lanczos::Rule::Fixed(Filter::Damped { epsilon }), by),
        Inverse::NeumannFilter { terms, alpha, by } => (lanczos::Rule::Fixed(Filter::Neumann { terms, alpha }), by),
        _ => return None,
    };
    let (tolerance, max_products) = match by {
        Spectral::Lanczos { tolerance, max_products } => (tolerance, max_products),
        Spectral::Dense => (None, None),
    };
    let target = lanczos::Target {
        rule,
        tolerance: tolerance.unwrap_or(default_tolerance::<T>()),
        max_products: max_products.unwrap_or(n + 4),
    };
    Some((target, by))
}

/// A filter through a dense decomposition, which is made anew unless `workspace.kept` says that it is there.
fn dense<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    rule: &lanczos::Rule,
    q: &mut VectorOf<T, O>,
    workspace: &mut Workspace<T, VectorOf<T, O>>,
    report: &mut Report,
) -> Result<()> {
    let n = op.space().len();
    workspace.reserve_host(n);
    workspace.host.resize(n, T::ZERO);
    workspace.host_out.resize(n, T::ZERO);
    op.space().store(&workspace.vectors[0], &mut workspace.host)?;
    let (spectrum, products) = if workspace.kept {
        (&workspace.spectrum, 0)
    } else {
        let own: *const Spectrum = &workspace.spectrum;
        let (spectrum, products) = op.spectrum(&mut workspace.spectrum)?;
        workspace.kept = std::ptr::eq(spectrum, own);
        (spectrum, products)
    };
    report.products += products;
    report.curvature = spectrum.values().first().copied().zip(spectrum.values().last().copied());
    let (filter, floor) = rule.filter(spectrum.radius());
    report.null_share = floor.map(|floor| spectrum.null_share(floor, &workspace.host));
    spectrum.apply(filter, &workspace.host, &mut workspace.host_out, &mut workspace.scratch);
    let fits = |value: &T| value.to_f64().abs() < lanczos::overflow::<T>();
    if rule.has_pole::<T>(spectrum.values()) || !workspace.host_out.iter().all(fits) {
        report.ending = rule.overflow();
        workspace.host_out.fill(T::ZERO);
    }
    op.space().load(&workspace.host_out, q)
}
