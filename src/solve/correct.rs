//! Solves of H d = b − H q for a q that is there: from the last solve, or to be refined.

use super::inverse::{Inverse, Solve, Spectral};
use super::operator::{Operator, VectorOf};
use super::report::{Ending, Report};
use super::space::Space;
use super::{Workspace, from_zero};
use crate::{Error, Result, Scalar};

/// q ← q + r(H) (b − H q), to the tolerance relative to b. With H + ε for a damped inverse.
pub(super) fn from_last<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    solve: &Solve,
    norm: f64,
    b: &VectorOf<T, O>,
    q: &mut VectorOf<T, O>,
    workspace: &mut Workspace<T, VectorOf<T, O>>,
    report: &mut Report,
) -> Result<()> {
    let size = op.space().norm(q);
    if !size.is_finite() {
        return Err(Error::NonFinite { argument: "q", index: 0, found: size });
    }
    let mut own = take(op.space(), workspace);
    let [r, d, ..] = &mut own;
    let result = (|| {
        if size == 0.0 {
            return from_zero(op, &solve.inverse, norm, b, q, workspace, report);
        }
        let left = residual(op, &solve.inverse, b, q, r, report)?;
        if !left.is_finite() {
            return from_zero(op, &solve.inverse, norm, b, q, workspace, report);
        }
        match relative::<T>(solve.inverse, norm, size, left) {
            None => report.ending = Ending::Converged,
            Some(inverse) => {
                from_zero(op, &inverse, left, r, d, workspace, report)?;
                op.space().axpy(T::ONE, d, q);
                report.null_share = report.null_share.map(|share| (share * left / norm).min(1.0));
            }
        }
        Ok(())
    })();
    workspace.correction = Some(own);
    result
}

/// The inverse whose tolerance on r, of norm `left`, is what the given one's is on b; `None` if r is that small already.
fn relative<T: Scalar>(inverse: Inverse, norm: f64, size: f64, left: f64) -> Option<Inverse> {
    let mut inverse = inverse;
    let reached = match &mut inverse {
        Inverse::Cg { tolerance, .. }
        | Inverse::CgTwice { tolerance, .. }
        | Inverse::Gmres { tolerance, .. }
        | Inverse::Minres { tolerance, .. } => {
            *tolerance = tolerance.max(4.0 * T::EPSILON) * (norm / left);
            *tolerance >= 1.0
        }
        Inverse::Damped { epsilon, by: Spectral::Lanczos { tolerance, .. } } => {
            // The tolerance is on q, and ‖d‖ ≤ ‖r‖/ε.
            let own = tolerance.unwrap_or(super::default_tolerance::<T>());
            let raised = own * (*epsilon * size / left);
            *tolerance = Some(own.max(raised));
            raised >= 1.0
        }
        _ => left == 0.0,
    };
    (!reached).then_some(inverse)
}

/// Up to `solve.refine` corrections, as long as the residual falls.
pub(super) fn refine<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    solve: &Solve,
    b: &VectorOf<T, O>,
    q: &mut VectorOf<T, O>,
    workspace: &mut Workspace<T, VectorOf<T, O>>,
    report: &mut Report,
) -> Result<()> {
    let mut own = take(op.space(), workspace);
    let [r, d, best] = &mut own;
    let result = (|| {
        let mut left = residual(op, &solve.inverse, b, q, r, report)?;
        for _ in 0..solve.refine {
            if left == 0.0 || !left.is_finite() {
                break;
            }
            let mut pass = Report::new(Ending::Completed, left);
            from_zero(op, &solve.inverse, left, r, d, workspace, &mut pass)?;
            report.products += pass.products;
            if !pass.ending.is_sound() {
                break;
            }
            op.space().copy(q, best);
            op.space().axpy(T::ONE, d, q);
            let next = residual(op, &solve.inverse, b, q, r, report)?;
            // A NaN is no progress.
            let falls = next < left;
            if !falls {
                op.space().copy(best, q);
                break;
            }
            left = next;
        }
        Ok(())
    })();
    workspace.correction = Some(own);
    result
}

fn take<T: Scalar, S: Space<T>>(space: &S, workspace: &mut Workspace<T, S::Vector>) -> [S::Vector; 3] {
    workspace.correction.take().unwrap_or_else(|| [(); 3].map(|()| space.zeros()))
}

/// r ← b − (H + ε) q, for one product, with the ε of a damped inverse; returns ‖r‖.
fn residual<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    inverse: &Inverse,
    b: &VectorOf<T, O>,
    q: &VectorOf<T, O>,
    r: &mut VectorOf<T, O>,
    report: &mut Report,
) -> Result<f64> {
    op.apply(q, r)?;
    report.products += 1;
    if let Inverse::Damped { epsilon, .. } = *inverse {
        op.space().axpy(T::from_f64(epsilon), q, r);
    }
    op.space().scale(-T::ONE, r);
    op.space().axpy(T::ONE, b, r);
    Ok(op.space().norm(r))
}
