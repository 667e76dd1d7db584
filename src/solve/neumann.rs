//! The Neumann series, term by term.
//!
//! ```text
//! p₀ = alpha b;   pₖ₊₁ = pₖ − alpha H pₖ;   q = Σ_{k=0..K} pₖ
//! ```
//!
//! For symmetric H the norms ‖pₖ‖ are log-convex in k: once they grow, they grow for good. So growth of the terms is the
//! test for a series that does not contract, and the sum up to the smallest term is the best there is. The fused step adds
//! the old term and makes the next one in one pass, so that a term's norm is known before it is added.

use super::inverse::OnGrowth;
use super::operator::{Operator, VectorOf};
use super::report::{Ending, Report};
use super::space::Space;
use crate::{Result, Scalar};

/// Growing terms in a row before the growth counts as sustained.
const SUSTAINED: usize = 4;

/// q ← alpha Σ_{j=0..terms} (I − alpha H)ʲ b. The three vectors of `work` are scratch; the first holds b on entry.
pub(super) fn run<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    terms: usize,
    alpha: f64,
    on_growth: OnGrowth,
    q: &mut VectorOf<T, O>,
    [p, hp, best]: [&mut VectorOf<T, O>; 3],
    report: &mut Report,
) -> Result<()> {
    // Rounding alone moves a norm by a few eps; in f32 a slower growth cannot be told from it.
    let tolerance = 1.0 + 64.0 * T::EPSILON;
    let limit = 2.0_f64.powi(T::MAX_SCALE_EXPONENT - 20);
    let step = T::from_f64(alpha);
    report.alpha = Some(alpha);
    report.ending = Ending::Completed;
    op.space().scale(T::ZERO, q);
    op.space().scale(step, p);
    let mut norm = op.space().norm(p);
    let mut smallest = norm;
    let mut growing = 0;
    for _ in 0..terms {
        let next = op.neumann_step(step, hp, p, q)?.sqrt();
        report.products += 1;
        if next == 0.0 {
            return Ok(());
        }
        let overflow = !next.is_finite() || next > limit;
        if next > norm * tolerance || next > 2.0 * smallest || overflow {
            report.growth = Some(report.growth.unwrap_or(0.0).max(next / norm));
            if growing == 0 && !overflow {
                op.space().copy(q, best);
            }
            growing += 1;
            if overflow || (growing >= SUSTAINED && on_growth == OnGrowth::Stop) {
                if growing > 1 {
                    op.space().copy(best, q);
                }
                report.ending = Ending::NonContractive;
                return Ok(());
            }
        } else {
            growing = 0;
        }
        smallest = smallest.min(next);
        norm = next;
    }
    op.space().axpy(T::ONE, p, q);
    Ok(())
}
