//! Damped inverses for several ε at once, with one product for all of them in each iteration.
//!
//! Multi-shift conjugate gradients (Jegerlehner 1996; Frommer 2003): the residuals of (H + ε) q = b for all ε are multiples
//! ζ r of one, the seed's, which is the smallest ε. With σ = ε − ε_min and the seed's step a and ratio β:
//!
//! ```text
//! ζ⁺ = ζ ζ⁻ a⁻ / (a β⁻ (ζ⁻ − ζ) + ζ⁻ a⁻ (1 + σ a));   q ← q + a ζ⁺/ζ p;   p ← ζ⁺ r + β (ζ⁺/ζ)² p
//! ```

use super::operator::{Operator, VectorOf};
use super::report::{Ending, Report};
use super::space::Space;
use super::{Workspace, finite_norm, load_scaled};
use crate::error::{check_len, check_nonnegative, check_positive};
use crate::{Error, Result, Scalar};

/// ζ now and before, and whether the q of this ε has converged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shift {
    zeta: f64,
    before: f64,
    done: bool,
}

/// qᵢ ← (H + εᵢ I)⁻¹ b for positive semidefinite H, any number of ε for the products of the smallest.
///
/// Memory: one vector for each ε, and four. Each stops at a residual of `tolerance` relative to b (0: at the rounding floor), and its
/// report counts the products up to there. `reports` is cleared first. Negative curvature below −ε stops all that have not
/// converged, where they are. The reports have no undamped residual: recomputing it takes a product for each ε, where all of
/// them together share one in each iteration; the caller who wants it spends that product on the q of interest. With room for a vector per product, [`solve_family`](super::solve_family) is cheaper.
///
/// # Errors
///
/// [`Error::Shape`] where `qs` and `epsilons` differ in number, [`Error::Invalid`] for an ε that is not positive,
/// [`Error::NonFinite`] for a b that is not finite, and whatever the operator returns.
#[allow(clippy::too_many_arguments)]
pub fn shifted_cg<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    epsilons: &[f64],
    tolerance: f64,
    max_products: usize,
    b: &VectorOf<T, O>,
    qs: &mut [VectorOf<T, O>],
    reports: &mut Vec<Report>,
    workspace: &mut Workspace<T, VectorOf<T, O>>,
) -> Result<()> {
    check_len("qs", qs.len(), epsilons.len())?;
    check_nonnegative("tolerance", tolerance)?;
    epsilons.iter().try_for_each(|&epsilon| check_positive("epsilon", epsilon))?;
    reports.clear();
    let norm = finite_norm(op.space(), b)?;
    qs.iter_mut().for_each(|q| op.space().scale(T::ZERO, q));
    let ending = if norm == 0.0 { Ending::Completed } else { Ending::ProductLimit };
    reports.extend(epsilons.iter().map(|_| Report::new(ending, norm)));
    if norm == 0.0 || epsilons.is_empty() {
        return Ok(());
    }
    let exponent = load_scaled(op.space(), norm, b, workspace);
    let mut shifts = std::mem::take(&mut workspace.shifts);
    shifts.clear();
    shifts.resize(epsilons.len(), Shift { zeta: 1.0, before: 1.0, done: false });
    let result = iterate(op, epsilons, tolerance, max_products, &mut shifts, qs, reports, workspace);
    workspace.shifts = shifts;
    qs.iter_mut().for_each(|q| op.space().scale(T::from_f64(2.0_f64.powi(-exponent)), q));
    result
}

#[allow(clippy::too_many_arguments)]
fn iterate<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    epsilons: &[f64],
    tolerance: f64,
    max_products: usize,
    shifts: &mut [Shift],
    qs: &mut [VectorOf<T, O>],
    reports: &mut [Report],
    workspace: &mut Workspace<T, VectorOf<T, O>>,
) -> Result<()> {
    let seed = epsilons.iter().fold(f64::INFINITY, |least, &epsilon| least.min(epsilon));
    workspace.reserve(op.space(), 3 + qs.len());
    let [r, p, hp, directions @ ..] = workspace.vectors.as_mut_slice() else { return Ok(()) };
    op.space().copy(r, p);
    directions.iter_mut().take(qs.len()).for_each(|direction| op.space().copy(r, direction));
    let mut square = op.space().dot(r, r);
    let target = tolerance.max(4.0 * T::EPSILON) * square.sqrt();
    let (mut step_before, mut ratio_before) = (1.0, 0.0);
    for _ in 0..max_products {
        op.apply(p, hp)?;
        let length = op.space().dot(p, p);
        let curvature = op.space().dot(p, hp) / length;
        if !curvature.is_finite() {
            return Err(Error::NonFinite { argument: "operator product", index: 0, found: curvature });
        }
        let negative = curvature + seed <= 0.0;
        for (report, shift) in reports.iter_mut().zip(shifts.iter()).filter(|(_, shift)| !shift.done) {
            report.products += 1;
            let (low, high) = report.curvature.unwrap_or((curvature, curvature));
            report.curvature = Some((low.min(curvature), high.max(curvature)));
            if negative && !shift.done {
                report.ending = Ending::NegativeCurvature;
            }
        }
        if negative {
            return Ok(());
        }
        let step = square / (length * (curvature + seed));
        op.space().axpy(T::from_f64(-step), hp, r);
        op.space().axpy(T::from_f64(-step * seed), p, r);
        let next = op.space().dot(r, r);
        let ratio = next / square;
        for (i, shift) in shifts.iter_mut().enumerate().filter(|(_, shift)| !shift.done) {
            let Shift { zeta, before, .. } = *shift;
            let sigma = epsilons[i] - seed;
            let below = step * ratio_before * (before - zeta) + before * step_before * (1.0 + sigma * step);
            let after = zeta * before * step_before / below;
            let quotient = after / zeta;
            op.space().axpy(T::from_f64(step * quotient), &directions[i], &mut qs[i]);
            if after * next.sqrt() <= target {
                (shift.done, reports[i].ending) = (true, Ending::Converged);
                continue;
            }
            op.space().scale(T::from_f64(ratio * quotient * quotient), &mut directions[i]);
            op.space().axpy(T::from_f64(after), r, &mut directions[i]);
            (shift.before, shift.zeta) = (zeta, after);
        }
        if shifts.iter().all(|shift| shift.done) {
            return Ok(());
        }
        op.space().scale(T::from_f64(ratio), p);
        op.space().axpy(T::ONE, r, p);
        (square, step_before, ratio_before) = (next, step, ratio);
    }
    Ok(())
}
