//! The spectrum of H with what each estimator makes of it.

use super::host::{dot, norm, widen};
use crate::problem::{PointOf, Problem, SolveWorkspace};
use crate::solve::{Filter, Points, Solve, Space, Spectrum, Step, default_cutoff};
use crate::{Estimator, Inverse, Result, Rule, Scalar};

/// r(λ) of an estimator, for a Hessian whose largest |eigenvalue| is `radius`: paper, section 3.3 and Eq. 5. T unrolled steps
/// of descent are the series to K = T − 1, as they are from an inner solution. `None` for truncated conjugate gradients and GMRES,
/// whose r depends on b, for Nyström's, whose r depends on the sketch, and for the unrolling of other rules.
/// `T` is the precision that the default cutoff is for.
pub fn response<T: Scalar>(estimator: &Estimator, radius: f64, lambda: f64) -> Option<f64> {
    let neumann = |terms: u64, alpha: f64| Filter::Neumann { terms, alpha }.value(lambda);
    let inverse = match estimator {
        Estimator::Implicit(solve) => solve.inverse,
        Estimator::Unrolled(unrolled) => {
            let steps = unrolled.last.unwrap_or(unrolled.steps) as u64;
            let Rule::Descent { step } = unrolled.rule else { return None };
            return Some(if steps == 0 { 0.0 } else { neumann(steps - 1, step) });
        }
    };
    match inverse {
        Inverse::MinNorm { cutoff, .. } => {
            let floor = cutoff.unwrap_or(default_cutoff::<T>()) * radius;
            Some(Filter::MinNorm { floor }.value(lambda))
        }
        Inverse::Damped { epsilon, .. } => Some(Filter::Damped { epsilon }.value(lambda)),
        Inverse::Neumann { terms, step: Step::Fixed(alpha), .. } => Some(neumann(terms as u64, alpha)),
        Inverse::Neumann { step: Step::Auto, .. } if radius == 0.0 => Some(0.0),
        Inverse::Neumann { terms, step: Step::Auto, .. } => Some(neumann(terms as u64, 1.0 / radius)),
        Inverse::NeumannFilter { terms, alpha, .. } => Some(neumann(terms, alpha)),
        Inverse::Identity { alpha } => Some(alpha),
        Inverse::Zero => Some(0.0),
        Inverse::CgTwice { .. } | Inverse::Minres { .. } => {
            Some(Filter::MinNorm { floor: default_cutoff::<T>() * radius }.value(lambda))
        }
        Inverse::Cg { .. } | Inverse::Gmres { .. } | Inverse::Nystrom { .. } => None,
    }
}

/// An eigenvalue of H.
#[derive(Debug, Clone, PartialEq)]
pub struct SpectrumRow {
    /// λ.
    pub eigenvalue: f64,
    /// |⟨v, b⟩| / ‖b‖ for b = ∂F/∂w and the eigenvector v; 0 if b is.
    pub share: f64,
    /// r(λ) of each estimator. For conjugate gradients and Nyström ⟨v, q⟩ / ⟨v, b⟩, and NaN where b has no part along v.
    pub responses: Vec<f64>,
}

/// The share of b below which r(λ) of conjugate gradients would be rounding over rounding, in units of ε(T).
const SILENT: f64 = 1e3;

/// The eigenvalues of H at (u, w), ascending, each with r(λ) of each estimator. One dense eigendecomposition.
///
/// # Errors
///
/// Shapes and values of u and w, parameters out of range, and whatever the problem returns.
pub fn spectrum_table<T: Scalar, P: Problem<T>>(
    problem: &P,
    estimators: &[Estimator],
    u: &PointOf<T, P>,
    w: &PointOf<T, P>,
) -> Result<Vec<SpectrumRow>> {
    problem.outer_space().check("u", u)?;
    problem.inner_space().check("w", w)?;
    estimators.iter().try_for_each(Estimator::validate)?;
    let mut at = problem.workspace();
    let (mut gradient_u, mut gradient_w) = (problem.outer_space().zeros(), problem.inner_space().zeros());
    problem.outer(&mut at, u, w, &mut gradient_u, &mut gradient_w)?;
    problem.linearize(&mut at, u, w)?;
    let [mut b, mut q] = [(); 2].map(|()| problem.vectors(&at).zeros());
    problem.lift(&mut at, &gradient_w, &mut b)?;
    let right = host::<T, _>(problem.vectors(&at), &b)?;
    let mut polynomials: Vec<Option<Vec<f64>>> = Vec::new();
    for estimator in estimators {
        polynomials.push(match estimator {
            Estimator::Implicit(Solve {
                inverse: inverse @ (Inverse::Cg { .. } | Inverse::Nystrom { .. }), ..
            }) => {
                let solve = Solve { verify: false, ..(*inverse).into() };
                problem.solve(&mut at, &solve, &b, &mut q, &mut SolveWorkspace::<T, P>::new())?;
                Some(host::<T, _>(problem.vectors(&at), &q)?)
            }
            _ => None,
        });
    }
    let mut own = Spectrum::default();
    let spectrum = problem.spectrum(&mut at, &mut own)?.0;
    let size = norm(&right);
    let row = |(i, &eigenvalue): (usize, &f64)| {
        let along = dot(spectrum.vector(i), &right);
        let share = if size > 0.0 { along.abs() / size } else { 0.0 };
        let measured = |q: &Vec<f64>| {
            if share > SILENT * T::EPSILON { dot(spectrum.vector(i), q) / along } else { f64::NAN }
        };
        let of = |(estimator, q): (&Estimator, &Option<Vec<f64>>)| {
            q.as_ref()
                .map(measured)
                .or_else(|| response::<T>(estimator, spectrum.radius(), eigenvalue))
                .unwrap_or(f64::NAN)
        };
        SpectrumRow { eigenvalue, share, responses: estimators.iter().zip(&polynomials).map(of).collect() }
    };
    Ok(spectrum.values().iter().enumerate().map(row).collect())
}

/// A vector in host memory.
fn host<T: Scalar, S: Space<T>>(space: &S, x: &S::Vector) -> Result<Vec<f64>> {
    let mut out = vec![T::ZERO; space.len()];
    space.store(x, &mut out)?;
    Ok(widen(&out))
}
