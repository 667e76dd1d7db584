//! Minimum-norm solutions by MINRES, for symmetric H that may be singular and indefinite, with a fixed number of vectors.
//!
//! Paige and Saunders (1975): x minimises ‖b − H x‖ over span{b, H b, …}, by a Lanczos process of three vectors and Givens
//! rotations of its tridiagonal matrix. Where b is in the range of H, that is the solution of minimum norm. Where b has a null
//! part, r = b − H x tends to it, and what is wrong with x is a multiple of it; it is *lifted* out:
//!
//! ```text
//! q = x − c r,   c = (rᵀx)/(rᵀr),   good to ρ = (1 + |c| ‖H‖) ‖H r‖ / (‖H‖ ‖r‖)
//! ```
//!
//! Past the minimum of ‖H r‖/‖r‖, which the recurrence knows (‖H r‖ = φ √(γ̄² + δ̄²) and ‖r‖ = φ), x is lost to rounding. So x is
//! kept from there, and r and H r are recomputed. That is good for about half of the digits. Where ρ is above the tolerance,
//! three more runs, all on systems whose right-hand sides are in the range, give the others:
//!
//! ```text
//! H y = H b,   so that y is b without its null part;   H x = y;   H q = H x,   so that q is x without its null part
//! ```
//!
//! The last is needed because y is in the range to rounding only, which is enough to fill x with null vectors at its residual's
//! floor; H x has no such part.

use super::Workspace;
use super::operator::{Operator, VectorOf};
use super::report::{Ending, Report};
use super::space::Space;
use crate::{Error, Result, Scalar};

/// ‖H r‖/‖r‖ this far above its minimum will not come back,
const RISEN: f64 = 1e3;

/// unless ‖r‖ still falls: then the minimum was none.
const FALLEN: f64 = 0.99;

/// ‖H r‖/‖r‖ goes this far below the tolerance, for what the lift multiplies it with.
const MARGIN: f64 = 0.01;

/// What a pass is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// b may have a null part: the x of the smallest ‖H r‖/‖r‖ is an answer, too.
    LeastSquares,
    /// b is in the range.
    Solution,
    /// b is in the range, to rounding, and what x has in the null space does not matter.
    AnySolution,
}

/// How a pass ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The residual is at its target, or at its floor.
    Small,
    /// The residual is as orthogonal to the range as it gets.
    Orthogonal,
    /// The products are spent.
    Limit,
}

/// q ← H⁺ b. The workspace's first vector holds b.
pub(super) fn run<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    tolerance: f64,
    max_products: usize,
    q: &mut VectorOf<T, O>,
    workspace: &mut Workspace<T, VectorOf<T, O>>,
    report: &mut Report,
) -> Result<()> {
    workspace.reserve(op.space(), 9);
    let [b, r, y, best, v, old, w, d, before, ..] = workspace.vectors.as_mut_slice() else { return Ok(()) };
    let max_products = report.products.saturating_add(max_products);
    let (rounding, sound) = (tolerance.max(16.0 * T::EPSILON), tolerance.max(T::EPSILON.sqrt()));
    let mut size = 0.0;
    let mut pass = |op: &mut O, goal, b: &VectorOf<T, O>, x: &mut VectorOf<T, O>, report: &mut Report| {
        let scratch = [&mut *best, &mut *v, &mut *old, &mut *w, &mut *d, &mut *before];
        let end = pass(op, 0.25 * tolerance, max_products, goal, b, x, scratch, &mut size, report)?;
        Ok(if end == End::Limit { None } else { Some((end, size)) })
    };
    let norm = op.space().norm(b);
    report.ending = Ending::ProductLimit;
    let Some((end, size)) = pass(op, Goal::LeastSquares, b, q, report)? else { return Ok(()) };
    if report.products + 2 > max_products {
        return Ok(());
    }
    let left = residual(op, b, q, r, report)?;
    if left <= if end == End::Small { sound } else { rounding } * norm {
        report.ending = Ending::Converged;
        return Ok(());
    }
    if end == End::Orthogonal {
        apply(op, r, y, report)?;
        let c = op.space().dot(r, q) / (left * left);
        op.space().axpy(T::from_f64(-c), r, q);
        report.null_share = Some((left / norm).min(1.0));
        if (1.0 + c.abs() * size) * op.space().norm(y) <= rounding * size * left {
            report.ending = Ending::Converged;
            return Ok(());
        }
    }
    if report.products >= max_products {
        return Ok(());
    }
    apply(op, b, r, report)?;
    if pass(op, Goal::Solution, r, y, report)?.is_none() {
        return Ok(());
    }
    // b ← its null part, whose image is zero.
    op.space().axpy(-T::ONE, y, b);
    let (range, null) = (op.space().norm(y), op.space().norm(b));
    report.null_share = Some((null / norm).min(1.0));
    if pass(op, Goal::AnySolution, y, q, report)?.is_none() || report.products >= max_products {
        return Ok(());
    }
    apply(op, q, r, report)?;
    if pass(op, Goal::Solution, r, q, report)?.is_none() || report.products + 2 > max_products {
        return Ok(());
    }
    let left = residual(op, y, q, r, report)?;
    apply(op, b, y, report)?;
    let solved = left <= sound * range && op.space().norm(y) <= sound * size * norm;
    report.ending = if solved { Ending::Converged } else { Ending::Stalled };
    Ok(())
}

fn apply<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    x: &VectorOf<T, O>,
    out: &mut VectorOf<T, O>,
    report: &mut Report,
) -> Result<()> {
    report.products += 1;
    op.apply(x, out)
}

/// r ← b − H x, for one product; returns ‖r‖.
fn residual<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    b: &VectorOf<T, O>,
    x: &VectorOf<T, O>,
    r: &mut VectorOf<T, O>,
    report: &mut Report,
) -> Result<f64> {
    apply(op, x, r, report)?;
    op.space().scale(-T::ONE, r);
    op.space().axpy(T::ONE, b, r);
    Ok(op.space().norm(r))
}

/// x ← MINRES from zero. `size` is raised to an estimate of ‖H‖.
#[allow(clippy::too_many_arguments)]
fn pass<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    tolerance: f64,
    max_products: usize,
    goal: Goal,
    b: &VectorOf<T, O>,
    x: &mut VectorOf<T, O>,
    [best, mut v, mut old, mut w, mut d, mut before]: [&mut VectorOf<T, O>; 6],
    size: &mut f64,
    report: &mut Report,
) -> Result<End> {
    let norm = op.space().norm(b);
    let floor = 4.0 * T::EPSILON;
    let orthogonal = if goal == Goal::LeastSquares { floor.max(MARGIN * tolerance) } else { floor };
    // ‖b − H x‖ of a recurrence that is not reorthogonalised falls to a few times the rounding of H x.
    let reachable = if goal == Goal::AnySolution { 8.0 * floor } else { floor };
    op.space().scale(T::ZERO, x);
    if norm == 0.0 {
        return Ok(End::Small);
    }
    [&mut old, &mut d, &mut before].into_iter().for_each(|vector| op.space().scale(T::ZERO, vector));
    op.space().copy(b, v);
    op.space().scale(T::from_f64(1.0 / norm), v);
    // Row k of the tridiagonal matrix, rotated: ε, δ, γ; a bar is on what the next rotation will change.
    let (mut beta, mut epsilon, mut delta_bar) = (0.0, 0.0, 0.0);
    let (mut cosine, mut sine, mut phi) = (-1.0, 0.0, norm);
    // The step along d that x has yet to make, once it is known whether the x before it is to be kept.
    let mut step = 0.0;
    let (mut smallest, mut best_phi, mut best_is_x) = (f64::INFINITY, norm, true);
    while report.products < max_products {
        op.apply(v, w)?;
        report.products += 1;
        op.space().axpy(T::from_f64(-beta), old, w);
        let alpha = op.space().dot(v, w);
        op.space().axpy(T::from_f64(-alpha), v, w);
        let mut below = op.space().norm(w);
        let length = (alpha * alpha + beta * beta + below * below).sqrt();
        if !length.is_finite() {
            return Err(Error::NonFinite { argument: "operator product", index: 0, found: length });
        }
        let (low, high) = report.curvature.unwrap_or((alpha, alpha));
        report.curvature = Some((low.min(alpha), high.max(alpha)));
        *size = size.max(length);
        if below <= 16.0 * T::EPSILON * *size {
            below = 0.0;
        }
        let delta = cosine * delta_bar + sine * alpha;
        let gamma_bar = sine * delta_bar - cosine * alpha;
        let epsilon_now = epsilon;
        (epsilon, delta_bar) = (sine * below, -cosine * below);
        let ratio = gamma_bar.hypot(delta_bar);
        let better = ratio < smallest || phi < FALLEN * best_phi;
        if best_is_x && !better {
            op.space().copy(x, best);
            best_is_x = false;
        }
        op.space().axpy(T::from_f64(step), d, x);
        if better {
            (smallest, best_phi, best_is_x) = (ratio, phi, true);
        }
        let gamma = gamma_bar.hypot(below);
        let reached = ratio <= orthogonal * *size || ratio > RISEN * smallest;
        if reached || gamma <= floor * *size {
            if !best_is_x {
                op.space().copy(best, x);
            }
            return Ok(End::Orthogonal);
        }
        (cosine, sine) = (gamma_bar / gamma, below / gamma);
        op.space().scale(T::from_f64(-epsilon_now), before);
        op.space().axpy(T::from_f64(-delta), d, before);
        op.space().axpy(T::ONE, v, before);
        op.space().scale(T::from_f64(1.0 / gamma), before);
        std::mem::swap(&mut d, &mut before);
        step = cosine * phi;
        phi *= sine;
        if phi <= (tolerance.max(floor) * norm).max(reachable * *size * op.space().norm(x)) {
            op.space().axpy(T::from_f64(step), d, x);
            return Ok(End::Small);
        }
        op.space().scale(T::from_f64(1.0 / below), w);
        std::mem::swap(&mut old, &mut v);
        std::mem::swap(&mut v, &mut w);
        beta = below;
    }
    op.space().axpy(T::from_f64(step), d, x);
    Ok(End::Limit)
}
