//! The Neumann series, term by term.
//!
//! ```text
//! p₀ = alpha b;   pₖ₊₁ = pₖ − alpha H pₖ;   q = Σ_{k=0..K} pₖ
//! ```
//!
//! For symmetric H the norms ‖pₖ‖ are log-convex in k: once they grow, they grow for good. So growth of the terms is the
//! test for a series that does not contract, and the sum up to the smallest term is the best there is. The fused step adds
//! the old term and makes the next one in one pass, so that a term's norm is known before it is added. Where an operator makes
//! several steps together, as on a device, norms are looked at once for all of them; where one grows they are made again, each
//! with its look, so that the sums are the same.

use super::inverse::OnGrowth;
use super::operator::{Operator, VectorOf};
use super::report::{Ending, Report};
use super::space::Space;
use crate::{Result, Scalar};

/// Growing terms in a row before the growth counts as sustained.
const SUSTAINED: usize = 4;

/// The most steps between two looks at the norms.
const TOGETHER: usize = 16;

/// What a norm says.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Seen {
    Zero,
    Shrinks,
    Grows,
    Overflows,
}

/// The norms of a series so far.
struct Norms {
    last: f64,
    smallest: f64,
    tolerance: f64,
    limit: f64,
}

impl Norms {
    fn judge(&self, next: f64) -> Seen {
        if next == 0.0 {
            Seen::Zero
        } else if !next.is_finite() || next > self.limit {
            Seen::Overflows
        } else if next > self.last * self.tolerance || next > 2.0 * self.smallest {
            Seen::Grows
        } else {
            Seen::Shrinks
        }
    }

    /// What the next norm says; the growth is reported.
    fn see(&mut self, next: f64, report: &mut Report) -> Seen {
        let seen = self.judge(next);
        if matches!(seen, Seen::Grows | Seen::Overflows) {
            report.growth = Some(report.growth.unwrap_or(0.0).max(next / self.last));
        }
        self.smallest = self.smallest.min(next);
        self.last = next;
        seen
    }
}

/// q ← alpha Σ_{j=0..terms} (I − alpha H)ʲ b. The vectors of `work` are scratch; the first holds b on entry. Steps that are made
/// again count once in the report.
pub(super) fn run<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    terms: usize,
    alpha: f64,
    on_growth: OnGrowth,
    q: &mut VectorOf<T, O>,
    [p, hp, best, spare]: [&mut VectorOf<T, O>; 4],
    report: &mut Report,
) -> Result<()> {
    let step = T::from_f64(alpha);
    report.alpha = Some(alpha);
    report.ending = Ending::Completed;
    op.space().scale(T::ZERO, q);
    op.space().scale(step, p);
    let first = op.space().norm(p);
    let mut norms = Norms {
        last: first,
        smallest: first,
        // Rounding alone moves a norm by a few eps; in f32 a slower growth cannot be told from it.
        tolerance: 1.0 + 64.0 * T::EPSILON,
        limit: 2.0_f64.powi(T::MAX_SCALE_EXPONENT - 20),
    };
    let together = op.steps_together().clamp(1, TOGETHER);
    // Steps to be made one by one, because something happens among them.
    let mut singly = 0;
    let mut growing = 0;
    let mut left = terms;
    while left > 0 {
        let many = together > 1 && left >= together && singly == 0;
        if many && growing == 0 {
            op.space().copy(p, spare);
            op.space().copy(q, best);
            let mut next = [0.0; TOGETHER];
            let next = &mut next[..together];
            op.neumann_steps(step, hp, p, q, next)?;
            let mut ahead = Norms { ..norms };
            let mut aside = *report;
            if next.iter().all(|next| ahead.see(next.sqrt(), &mut aside) == Seen::Shrinks) {
                norms = ahead;
                report.products += together;
                left -= together;
            } else {
                op.space().copy(spare, p);
                op.space().copy(best, q);
                singly = together;
            }
            continue;
        }
        if many && on_growth == OnGrowth::Continue {
            // The best sum is known, and the growth is for good: nothing between the steps matters but an overflow.
            let mut next = [0.0; TOGETHER];
            let next = &mut next[..together];
            op.neumann_steps(step, hp, p, q, next)?;
            for next in next {
                report.products += 1;
                match norms.see(next.sqrt(), report) {
                    Seen::Zero => return Ok(()),
                    Seen::Grows => growing += 1,
                    Seen::Shrinks => growing = 0,
                    Seen::Overflows => {
                        op.space().copy(best, q);
                        report.ending = Ending::NonContractive;
                        return Ok(());
                    }
                }
            }
            left -= together;
            continue;
        }
        let next = op.neumann_step(step, hp, p, q)?.sqrt();
        report.products += 1;
        left -= 1;
        singly = usize::saturating_sub(singly, 1);
        let seen = norms.see(next, report);
        match seen {
            Seen::Zero => return Ok(()),
            Seen::Shrinks => growing = 0,
            Seen::Grows | Seen::Overflows => {
                if growing == 0 && seen == Seen::Grows {
                    op.space().copy(q, best);
                }
                growing += 1;
                if seen == Seen::Overflows || (growing >= SUSTAINED && on_growth == OnGrowth::Stop) {
                    if growing > 1 {
                        op.space().copy(best, q);
                    }
                    report.ending = Ending::NonContractive;
                    return Ok(());
                }
            }
        }
    }
    op.space().axpy(T::ONE, p, q);
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::solve::{Flat, Inverse, Solve, Step, Workspace, solve};

    /// H = diag(values), whose steps go `together`.
    struct Diagonal {
        space: Flat,
        values: Vec<f64>,
        together: usize,
        looks: usize,
    }

    impl Operator<f64> for Diagonal {
        type Space = Flat;

        fn space(&self) -> &Flat {
            &self.space
        }

        fn apply(&mut self, v: &Vec<f64>, out: &mut Vec<f64>) -> Result<()> {
            out.iter_mut().zip(v.iter().zip(&self.values)).for_each(|(out, (v, h))| *out = h * v);
            Ok(())
        }

        fn steps_together(&self) -> usize {
            self.together
        }

        fn neumann_steps(
            &mut self,
            alpha: f64,
            hp: &mut Vec<f64>,
            p: &mut Vec<f64>,
            q: &mut Vec<f64>,
            norms: &mut [f64],
        ) -> Result<()> {
            assert_eq!(norms.len(), self.together.min(TOGETHER));
            self.looks += 1;
            for norm in norms {
                *norm = self.neumann_step(alpha, hp, p, q)?;
            }
            Ok(())
        }
    }

    #[test]
    fn steps_together_are_those_alone() {
        let b = vec![1.0, -2.0, 0.5, 3.0];
        let positive = vec![1.0, 0.1, 0.01, 0.5];
        let saddle = vec![1.0, -0.05, 0.3, 0.7];
        let steep = vec![1.0, -40.0, 0.3, 2.0];
        let identity = vec![1.0; 4];
        for values in [positive, saddle, steep, identity] {
            for terms in [0, 1, 7, 8, 9, 16, 40, 900] {
                for on_growth in [OnGrowth::Stop, OnGrowth::Continue] {
                    let inverse = Inverse::Neumann { terms, step: Step::Fixed(1.0), on_growth };
                    let by = |together| {
                        let (space, values) = (Flat::new(4), values.clone());
                        let mut h = Diagonal { space, values, together, looks: 0 };
                        let (mut q, mut workspace) = (vec![f64::NAN; 4], Workspace::new());
                        let report = solve(&mut h, &Solve::from(inverse), &b, &mut q, &mut workspace).unwrap();
                        (q, report, h.looks)
                    };
                    let (q, report, _) = by(1);
                    for together in [2, 8, 99] {
                        let (found, told, looks) = by(together);
                        assert_eq!(
                            (found, told),
                            (q.clone(), report),
                            "{values:?}, {terms}, {on_growth:?}, {together}"
                        );
                        assert_eq!(looks > 0, terms >= together.min(TOGETHER), "{terms}, {together}");
                    }
                }
            }
        }
    }
}
