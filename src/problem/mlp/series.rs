//! Neumann series on factored vectors: their scratch, and which of the ways is taken.

use super::factored::{Factored, Vector};
use super::gram;
use super::loss::Batch;
use super::outer::{Data, Groups};
use super::passes::{At, Sweep};
use super::problem::{Mlp, Workspace};
use crate::cpu;
use crate::problem::{Hessian, Problem, SolveWorkspace};
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
    /// The sum, in q; its residual would come from a product of the plain kind.
    fn sum(&mut self, at: &At<'_, T>, batch: Batch<'_, T>, sweep: &mut Sweep<T>, solve: &Solve) -> Result<Report> {
        self.space.copy(self.space.base(), &mut self.b);
        let Series { space, penalties, b, q, scratch, .. } = self;
        let mut product = FactoredProduct { space, at: *at, batch, sweep, penalties, again: false };
        solve::solve(&mut product, &Solve { verify: false, ..*solve }, b, q, scratch)
    }

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

    /// The workspace's series, if it is for this solve: one of two products or more, from 0.
    pub(super) fn take_series(&self, workspace: &mut Workspace<T>, solve: &Solve) -> Option<Series<T>> {
        let long = matches!(solve.inverse, Inverse::Neumann { terms: 2.., .. }) && !solve.start_from_last;
        if long { workspace.series.take() } else { None }
    }

    /// q ← the Neumann series on factored vectors, with a step by plain products where none is given.
    pub(super) fn solve_by_series(
        &self,
        workspace: &mut Workspace<T>,
        solve: &Solve,
        b: &Vec<T>,
        q: &mut Vec<T>,
        scratch: &mut SolveWorkspace<T, Mlp<T>>,
        series: &mut Series<T>,
    ) -> Result<Report> {
        let Inverse::Neumann { terms, step: Step::Auto, on_growth } = solve.inverse else {
            return self.on_threads(self.rows(), || self.solve_factored(workspace, solve, b, q, series));
        };
        let mut hessian = Hessian::new(self, workspace);
        let (Some(alpha), found) = solve::find_step(&mut hessian, b, scratch)? else {
            return solve::solve(&mut hessian, solve, b, q, scratch);
        };
        let fixed = Solve { inverse: Inverse::Neumann { terms, step: Step::Fixed(alpha), on_growth }, ..*solve };
        let mut report = self.on_threads(self.rows(), || self.solve_factored(workspace, &fixed, b, q, series))?;
        report.products += found.products;
        report.curvature = found.curvature;
        Ok(report)
    }

    /// q ← the Neumann series, term by term on factored vectors.
    fn solve_factored(
        &self,
        workspace: &mut Workspace<T>,
        solve: &Solve,
        b: &Vec<T>,
        q: &mut Vec<T>,
        series: &mut Series<T>,
    ) -> Result<Report> {
        let Workspace { frozen, w, sweep, .. } = workspace;
        let (at, batch) = (self.at(w, frozen), self.batch(&frozen.data));
        self.set_series(&at, &frozen.data, b, series);
        let mut report = match self.filtered(&at, batch, solve, b, q, series)? {
            Some(report) => report,
            None => {
                let report = series.sum(&at, batch, sweep, solve)?;
                series.space.form(&at, b, &series.q, q);
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

    /// The arrays of the linearization, and b, for a series.
    fn set_series(&self, at: &At<'_, T>, data: &Data<T>, b: &[T], series: &mut Series<T>) {
        let proximal = self.kind.proximal_weight();
        for (l, penalty) in series.penalties.iter_mut().enumerate() {
            let c = &data.penalties;
            *penalty = c[if c.len() == 1 { 0 } else { l }].to_f64() + proximal;
        }
        series.space.set(at, b);
    }

    /// out ← Mᵀ q for the q of a series that is not formed; `None` for series that are not summed term by term.
    pub(super) fn pull_back_series(
        &self,
        workspace: &mut Workspace<T>,
        solve: &Solve,
        b: &[T],
        out: &mut [T],
        series: &mut Series<T>,
    ) -> Result<Option<Report>> {
        let Workspace { frozen, u, w, sweep, change, .. } = workspace;
        let (at, batch) = (self.at(w, frozen), self.batch(&frozen.data));
        let Inverse::Neumann { terms, step: Step::Fixed(_), .. } = solve.inverse else { return Ok(None) };
        if self.filters(series, terms) {
            return Ok(None);
        }
        self.set_series(&at, &frozen.data, b, series);
        let report = series.sum(&at, batch, sweep, solve)?;
        series.space.images(&at, b, &mut series.q, sweep, &mut change.x);
        self.pull_back_images(&at, batch, sweep, change);
        self.parts().pull_back(u, &frozen.data, change, out);
        Ok(Some(report))
    }

    /// Whether a series of so many terms goes by the eigenvectors of a Gram matrix.
    fn filters(&self, series: &Series<T>, terms: usize) -> bool {
        series.space.linear().is_some() && gram::pays(self.rows(), self.model().outputs(), terms)
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
        if !self.filters(series, terms) {
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
