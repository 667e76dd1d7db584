//! Neumann series on factored vectors: their scratch, and which of the ways is taken.

use super::factored::{Factored, Vector};
use super::gram;
use super::loss::Batch;
use super::outer::Groups;
use super::passes::{At, Sweep};
use super::problem::{Mlp, Workspace};
use crate::cpu;
use crate::problem::Problem;
use crate::solve::{self, Ending, Filter, Inverse, Operator, Report, Solve, Space, Step, heap};
use crate::{Error, Result, Scalar};

/// Scratch of a Neumann series on factored vectors.
#[derive(Debug)]
pub(super) struct Series<T> {
    space: Factored<T>,
    /// c of each layer.
    penalties: Vec<f64>,
    b: Vector<T>,
    q: Vector<T>,
    product: Vec<T>,
    scratch: solve::Workspace<T, Vector<T>>,
}

impl<T: Scalar> Series<T> {
    /// The memory in use.
    pub fn bytes(&self) -> usize {
        let Series { space, penalties, b, q, product, scratch } = self;
        Factored::bytes(space) + heap(penalties) + b.bytes() + q.bytes() + heap(product) + scratch.bytes(space)
    }
}

impl<T: Scalar> Mlp<T> {
    /// Scratch of the factored series, where some layer gains by it and penalties allow it.
    pub(super) fn series(&self) -> Option<Series<T>> {
        if self.kind.groups() == Groups::PerParameter {
            return None;
        }
        let space = Factored::plan(self.model(), self.simd(), self.rows())?;
        let [b, q] = [(); 2].map(|()| space.zeros());
        let product = vec![T::ZERO; self.model().parameters()];
        let penalties = vec![0.0; self.model().layers.len()];
        let mut scratch = solve::Workspace::new();
        scratch.reserve_for(&space, &Inverse::neumann(2, 1.0).into(), |_| Ok(())).ok()?;
        Some(Series { space, penalties, b, q, product, scratch })
    }

    /// q ← the Neumann series, term by term on factored vectors.
    pub(super) fn solve_factored(
        &self,
        workspace: &mut Workspace<T>,
        solve: &Solve,
        b: &Vec<T>,
        q: &mut Vec<T>,
        series: &mut Series<T>,
    ) -> Result<Report> {
        let Workspace { frozen, w, sweep, .. } = workspace;
        let (at, batch) = (self.at(w, frozen), self.batch(&frozen.data));
        let proximal = self.kind.proximal_weight();
        for (l, penalty) in series.penalties.iter_mut().enumerate() {
            let c = &frozen.data.penalties;
            *penalty = c[if c.len() == 1 { 0 } else { l }].to_f64() + proximal;
        }
        series.space.set(&at, b);
        let mut report = match self.filtered(&at, batch, solve, b, q, series)? {
            Some(report) => report,
            None => {
                series.space.copy(series.space.base(), &mut series.b);
                let Series { space, penalties, b: base, q: sum, scratch, .. } = series;
                let mut product = FactoredProduct { space, at, batch, sweep, penalties, again: false };
                // The residual comes from a product of the plain kind.
                let unverified = Solve { verify: false, ..*solve };
                let report = solve::solve(&mut product, &unverified, base, sum, scratch)?;
                space.form(&at, b, sum, q);
                report
            }
        };
        if solve.verify {
            self.hvp(workspace, q, &mut series.product)?;
            self.inner_space().axpy(-T::ONE, b, &mut series.product);
            let residual = cpu::norm(self.simd(), &series.product);
            report.residual = Some(if report.rhs_norm == 0.0 { 0.0 } else { residual / report.rhs_norm });
        }
        Ok(report)
    }

    /// q ← the series by the eigenvectors of a Gram matrix, where the model is linear and the terms are many.
    fn filtered(
        &self,
        at: &At<'_, T>,
        batch: Batch<'_, T>,
        solve: &Solve,
        b: &[T],
        q: &mut [T],
        series: &Series<T>,
    ) -> Result<Option<Report>> {
        let Inverse::Neumann { terms, step: Step::Fixed(alpha), .. } = solve.inverse else { return Ok(None) };
        if series.space.linear().is_none() || !gram::pays(self.rows(), batch.outputs, terms) {
            return Ok(None);
        }
        let norm = cpu::norm(self.simd(), b);
        if !norm.is_finite() || norm == 0.0 {
            return Ok(None);
        }
        solve.validate()?;
        let filter = Filter::Neumann { terms: terms as u64, alpha };
        let given = (batch, series.penalties[0]);
        Ok(series.space.filter(at, given, filter, alpha, b, q)?.map(|found| Report {
            alpha: Some(alpha),
            curvature: Some(found.curvature),
            null_share: (series.penalties[0] == 0.0).then_some(found.rest / norm),
            ..Report::new(Ending::Completed, norm)
        }))
    }
}

/// H on factored vectors, at a linearization.
struct FactoredProduct<'a, T: Scalar> {
    space: &'a mut Factored<T>,
    at: At<'a, T>,
    batch: Batch<'a, T>,
    sweep: &'a mut Sweep<T>,
    penalties: &'a [f64],
    /// Whether a step was made: no vector changes between the steps of a series.
    again: bool,
}

impl<T: Scalar> Operator<T> for FactoredProduct<'_, T> {
    type Space = Factored<T>;

    fn space(&self) -> &Factored<T> {
        self.space
    }

    fn apply(&mut self, _: &Vector<T>, _: &mut Vector<T>) -> Result<()> {
        Err(Error::Unsupported { operation: "apply", reason: "factored vectors are for Neumann series" })
    }

    fn neumann_step(&mut self, alpha: T, hp: &mut Vector<T>, p: &mut Vector<T>, q: &mut Vector<T>) -> Result<f64> {
        let again = std::mem::replace(&mut self.again, true);
        Ok(self.space.step(&self.at, (self.batch, self.penalties), self.sweep, (alpha, again), [hp, p, q]))
    }
}
