//! Several solves with one operator, sharing what they can.

use super::operator::{Operator, VectorOf};
use super::report::{Ending, Report};
use super::space::Space;
use super::{Inverse, Solve, Spectral, Workspace, lanczos};
use crate::error::{check_len, invalid};
use crate::{Error, Result, Scalar};

/// qᵢ ← r(H) bᵢ: one inverse, several right-hand sides.
///
/// A dense decomposition is made once, and counted in the first report alone; all else is one solve after the other, as
/// by [`solve`](super::solve). `reports` is cleared first.
///
/// # Errors
///
/// As for [`solve`](super::solve), and [`Error::Shape`] where `qs` and `bs` differ in number. The answers before the one
/// that failed are complete, and their reports are in `reports`.
pub fn solve_many<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    solve: &Solve,
    bs: &[VectorOf<T, O>],
    qs: &mut [VectorOf<T, O>],
    reports: &mut Vec<Report>,
    workspace: &mut Workspace<T, VectorOf<T, O>>,
) -> Result<()> {
    check_len("qs", qs.len(), bs.len())?;
    reports.clear();
    workspace.forget();
    for (b, q) in bs.iter().zip(qs) {
        reports.push(super::solve_next(op, solve, b, q, workspace)?);
    }
    Ok(())
}

/// qᵢ ← rᵢ(H) b: several spectral filters, one right-hand side. `reports` is cleared first.
///
/// The inverses are any of [`Inverse::MinNorm`], [`Inverse::Damped`] and [`Inverse::NeumannFilter`], either all by
/// [`Spectral::Lanczos`], and then one process serves them all: each stops at its own tolerance, its report counts the
/// products up to there, and the largest count is what was spent (and one for each residual to verify). Or all by
/// [`Spectral::Dense`], with one decomposition, counted in the first report alone.
///
/// # Errors
///
/// As for [`solve`](super::solve); [`Error::Shape`] where `qs` and `solves` differ in number; [`Error::Unsupported`] for
/// other inverses, for refinement and for starts from the last q, and [`Error::Invalid`] where Lanczos and dense ones are mixed.
pub fn solve_family<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    solves: &[Solve],
    b: &VectorOf<T, O>,
    qs: &mut [VectorOf<T, O>],
    reports: &mut Vec<Report>,
    workspace: &mut Workspace<T, VectorOf<T, O>>,
) -> Result<()> {
    check_len("qs", qs.len(), solves.len())?;
    reports.clear();
    workspace.forget();
    let mut targets = std::mem::take(&mut workspace.targets);
    let result = run(op, solves, &mut targets, b, qs, reports, workspace);
    workspace.targets = targets;
    result
}

fn run<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    solves: &[Solve],
    targets: &mut Vec<lanczos::Target>,
    b: &VectorOf<T, O>,
    qs: &mut [VectorOf<T, O>],
    reports: &mut Vec<Report>,
    workspace: &mut Workspace<T, VectorOf<T, O>>,
) -> Result<()> {
    targets.clear();
    let mut dense = 0;
    for solve in solves {
        solve.validate()?;
        if solve.refine > 0 || solve.start_from_last {
            return Err(Error::Unsupported {
                operation: "refine or start_from_last in a family",
                reason: "the members share one process from b; solve them one by one",
            });
        }
        let Some((target, by)) = super::spectral_target::<T>(&solve.inverse, op.space().len()) else {
            return Err(Error::Unsupported {
                operation: "family of inverses",
                reason: "only the spectral filters (MinNorm, Damped, NeumannFilter) share one process",
            });
        };
        dense += usize::from(by == Spectral::Dense);
        targets.push(target);
    }
    if dense == solves.len() {
        for (solve, q) in solves.iter().zip(qs) {
            reports.push(super::solve_next(op, solve, b, q, workspace)?);
        }
        return Ok(());
    }
    if dense > 0 {
        return Err(invalid("by", "both Dense and Lanczos", "the same for the whole family"));
    }
    let norm = super::finite_norm(op.space(), b)?;
    for solve in solves {
        let mut report = Report::new(Ending::Completed, norm);
        if let Inverse::NeumannFilter { alpha, .. } = solve.inverse {
            report.alpha = Some(alpha);
        }
        reports.push(report);
    }
    let exponent = if norm == 0.0 {
        qs.iter_mut().for_each(|q| op.space().scale(T::ZERO, q));
        0
    } else {
        let exponent = super::load_scaled(op.space(), norm, b, workspace);
        lanczos::run(op, targets, qs, reports, workspace)?;
        exponent
    };
    for ((solve, q), report) in solves.iter().zip(qs).zip(reports) {
        op.space().scale(T::from_f64(2.0_f64.powi(-exponent)), q);
        if solve.verify {
            report.residual = Some(if norm == 0.0 { 0.0 } else { super::residual(op, b, q, workspace)? / norm });
        }
    }
    Ok(())
}
