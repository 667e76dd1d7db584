//! Minimum-norm solutions with a fixed number of vectors, whatever the number of products.
//!
//! For singular H and any b, where memory has no room for a vector per product; else Lanczos is more exact and cheaper.
//!
//! **CG twice**, for positive semidefinite H: H y = H b, then H q = y. H b and all iterates of the first solve lie in the
//! range of H, so y = H⁺H b is b without its null part, and q = H⁺ b. The condition number is not squared.

use super::operator::{Operator, VectorOf};
use super::report::{Ending, Report};
use super::space::Space;
use super::{Workspace, cg};
use crate::{Result, Scalar};

/// q ← H⁺ b by conjugate gradients twice. The workspace's first vector holds b.
pub(super) fn cg_twice<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    tolerance: f64,
    max_products: usize,
    q: &mut VectorOf<T, O>,
    workspace: &mut Workspace<T, VectorOf<T, O>>,
    report: &mut Report,
) -> Result<()> {
    workspace.reserve(op.space(), 6);
    let [b, r, p, hp, best, y, ..] = workspace.vectors.as_mut_slice() else { return Ok(()) };
    let norm = op.space().norm(b);
    let max_products = report.products.saturating_add(max_products);
    op.apply(b, r)?;
    report.products += 1;
    op.space().scale(T::ZERO, q);
    if op.space().norm(r) == 0.0 {
        (report.ending, report.null_share) = (Ending::Converged, Some(1.0));
        return Ok(());
    }
    let mut phase = |op: &mut O, q: &mut VectorOf<T, O>, r: &mut VectorOf<T, O>, report: &mut Report| -> Result<bool> {
        let iterations = max_products.saturating_sub(report.products);
        let (floor, kept) = cg::run(op, iterations, tolerance, q, [r, p, hp, best], report)?;
        if report.ending == Ending::Completed {
            report.ending = Ending::ProductLimit;
            if kept {
                op.space().copy(best, q);
            }
        } else if report.ending == Ending::Singular {
            // The right-hand side is in the range: what is left is rounding.
            let reached = floor <= tolerance.max(T::EPSILON.sqrt());
            report.ending = if reached { Ending::Converged } else { Ending::Stalled };
        }
        Ok(report.ending == Ending::Converged)
    };
    let projected = phase(op, y, r, report)?;
    let curvature = report.curvature;
    if !projected {
        return Ok(());
    }
    keep_range(op.space(), y, b, r, norm, report);
    phase(op, q, r, report)?;
    if let (Some((low, high)), Some((lower, higher))) = (curvature, report.curvature) {
        report.curvature = Some((low.min(lower), high.max(higher)));
    }
    Ok(())
}

/// r ← y, b ← b − y, the null part, whose share goes to the report.
fn keep_range<T: Scalar, S: Space<T>>(
    space: &S,
    y: &S::Vector,
    b: &mut S::Vector,
    r: &mut S::Vector,
    norm: f64,
    report: &mut Report,
) {
    space.copy(y, r);
    space.axpy(-T::ONE, y, b);
    report.null_share = Some((space.norm(b) / norm).min(1.0));
}
