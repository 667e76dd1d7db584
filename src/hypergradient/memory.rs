//! The memory of hypergradients: all of it at once, and how much it is.

use super::{Estimator, Workspace, unrolled};
use crate::problem::Problem;
use crate::solve::{Space, heap};
use crate::{Result, Scalar};

impl<T: Scalar, P: Problem<T>> Workspace<T, P> {
    /// Allocates now all that [`evaluate`](super::evaluate) with this estimator will need. [`Workspace::bytes`] then says what it
    /// takes, before anything is run, and evaluations allocate nothing.
    ///
    /// A Lanczos process is given room for `max_products` (at most n + 4) products, and most end sooner: without this call the
    /// workspace grows with the products that are made. Not foreseen is what a dense eigendecomposition of an H that
    /// moves with u and w takes while it is made, about five matrices of n × n in `f64`; what is kept of it is.
    ///
    /// # Errors
    ///
    /// As [`Estimator::validate`], and [`Error::Invalid`](crate::Error::Invalid) where the memory cannot be had.
    pub fn reserve(&mut self, problem: &P, estimator: &Estimator) -> Result<()> {
        match estimator {
            Estimator::Implicit(solve) => {
                let at = &self.problem;
                if solve.start_from_last {
                    self.last.get_or_insert_with(|| problem.inner_space().zeros());
                }
                self.solve.reserve_for(problem.vectors(at), solve, |own| problem.prepare_spectrum(at, own))
            }
            Estimator::Unrolled(unrolled) => unrolled::reserve(problem, unrolled, self),
        }
    }

    /// The bytes that this workspace has on the heap, those of the problem's own included
    /// ([`Problem::workspace_bytes`]). What the problem keeps for all of its users, data and decompositions, is not in it.
    pub fn bytes(&self, problem: &P) -> usize {
        // No `..` here: a new field has to say what it holds.
        let Workspace {
            problem: at,
            solve,
            gradient: _,
            gradient_w: _,
            mixed: _,
            b: _,
            q: _,
            scratch: _,
            run,
            host,
            last,
            keeps_q: _,
        } = self;
        let (outer, points, vectors) = (problem.outer_space(), problem.inner_space(), problem.vectors(at));
        problem.workspace_bytes(at)
            + solve.bytes(vectors)
            + 2 * outer.bytes()
            + (1 + usize::from(last.is_some())) * points.bytes()
            + 3 * vectors.bytes()
            + run.as_ref().map_or(0, |run| run.bytes(points))
            + heap(host)
    }
}
