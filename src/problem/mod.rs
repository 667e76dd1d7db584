//! Bilevel problems: an inner objective f(u, w), an outer objective F(u, w), and the inner problem's curvature.
//!
//! | symbol | meaning |
//! | --- | --- |
//! | u, w | outer and inner parameters |
//! | H | ∂²f/∂w∂wᵀ, symmetric |
//! | M | ∂²f/∂w∂uᵀ with its sign: M·du is the change of ∇_w f, Mᵀ·v lives where u does |
//!
//! # Why this shape
//!
//! Two others were tried with three kinds of vectors (host slices on a dense quadratic, factored vectors on a two-layer
//! network, and a pretend device buffer that counts its transfers; `tests/central_types.rs` keeps them):
//!
//! - *a curvature object that borrows its problem*, made anew by `linearize`. It either allocates at each outer step or
//!   carries a lifetime into everything that holds it, and a handle of the C interface, which owns both, would have to
//!   borrow from itself;
//! - *host slices for u, w and gradients*, with only the vectors of the solve abstract. A device then moves u, w and the
//!   gradient at each inner step, where the loop below moves nothing (counted in that test).
//!
//! So a problem is immutable data; what changes is in its [`Problem::Workspace`], a plain value that the caller owns; and
//! points (u, w, gradients) and the vectors of the solve have each their own [`Space`].

/// The parts of [`Problem`] that are alike wherever points and the vectors of the solve are `Vec`s in host memory, with the
/// spaces in the fields `outer_space` and `inner_space`.
macro_rules! in_host_memory {
    ($scalar:ident) => {
        type Points = Flat;
        type Vectors = Flat;

        fn outer_space(&self) -> &Flat {
            &self.outer_space
        }

        fn inner_space(&self) -> &Flat {
            &self.inner_space
        }

        fn vectors<'a>(&'a self, _: &'a Self::Workspace) -> &'a Flat {
            &self.inner_space
        }

        fn lift(&self, _: &mut Self::Workspace, gradient: &Vec<$scalar>, out: &mut Vec<$scalar>) -> Result<()> {
            out.copy_from_slice(gradient);
            Ok(())
        }

        fn lower(&self, _: &mut Self::Workspace, vector: &Vec<$scalar>, out: &mut Vec<$scalar>) -> Result<()> {
            out.copy_from_slice(vector);
            Ok(())
        }
    };
}

mod data;
mod examples;
mod least_squares;
mod loss;
mod penalty;
mod quadratic;
mod regression;
mod user;

pub mod fourier;
pub mod mlp;

pub use data::{Data, ExampleData};
#[cfg(feature = "cuda")]
pub(crate) use examples::check_batch;
pub use examples::{Examples, Reduction, one_hot};
pub use least_squares::LeastSquares;
pub use loss::Loss;
pub use penalty::L2;
pub use quadratic::{InnerTerms, OuterTerms, Quadratic};
pub use regression::Regression;
pub use user::UserProblem;

use crate::solve::{self, CgRun, Operator, Points, Report, Solve, Space, Spectrum};
use crate::{Error, Result, Scalar};
use std::marker::PhantomData;

/// A point: u, w, or a gradient.
pub type PointOf<T, P> = <<P as Problem<T>>::Points as Space<T>>::Vector;

/// A vector of the solve: b, q, or a direction.
pub type VectorOf<T, P> = <<P as Problem<T>>::Vectors as Space<T>>::Vector;

/// A bilevel problem.
///
/// The data are immutable and may be shared; each user of the problem has a workspace of its own. `linearize` comes before
/// the products, which are taken at the (u, w) given to it.
pub trait Problem<T: Scalar>: Sized {
    /// Where u, w and gradients live.
    type Points: Points<T>;
    /// Where the vectors of a solve live.
    type Vectors: Space<T>;
    /// Scratch, and the linearization.
    type Workspace;

    /// The space of u.
    fn outer_space(&self) -> &Self::Points;

    /// The space of w.
    fn inner_space(&self) -> &Self::Points;

    /// A new workspace. The only place where memory is allocated.
    fn workspace(&self) -> Self::Workspace;

    /// The bytes that a workspace has on the heap; 0 for problems that do not tell.
    fn workspace_bytes(&self, _workspace: &Self::Workspace) -> usize {
        0
    }

    /// Returns f(u, w); gradient ← ∇_w f.
    fn inner(
        &self,
        workspace: &mut Self::Workspace,
        u: &PointOf<T, Self>,
        w: &PointOf<T, Self>,
        gradient: &mut PointOf<T, Self>,
    ) -> Result<f64>;

    /// Returns F(u, w); gradient_u ← ∂F/∂u and gradient_w ← ∂F/∂w.
    fn outer(
        &self,
        workspace: &mut Self::Workspace,
        u: &PointOf<T, Self>,
        w: &PointOf<T, Self>,
        gradient_u: &mut PointOf<T, Self>,
        gradient_w: &mut PointOf<T, Self>,
    ) -> Result<f64>;

    /// Freezes H and M at (u, w).
    fn linearize(&self, workspace: &mut Self::Workspace, u: &PointOf<T, Self>, w: &PointOf<T, Self>) -> Result<()>;

    /// The space of the solve's vectors at the linearization.
    fn vectors<'a>(&'a self, workspace: &'a Self::Workspace) -> &'a Self::Vectors;

    /// out ← a gradient in w, as a vector of the solve.
    fn lift(
        &self,
        workspace: &mut Self::Workspace,
        gradient: &PointOf<T, Self>,
        out: &mut VectorOf<T, Self>,
    ) -> Result<()>;

    /// out ← a vector of the solve, as a point.
    fn lower(
        &self,
        workspace: &mut Self::Workspace,
        vector: &VectorOf<T, Self>,
        out: &mut PointOf<T, Self>,
    ) -> Result<()>;

    /// out ← H v.
    fn hvp(&self, workspace: &mut Self::Workspace, v: &VectorOf<T, Self>, out: &mut VectorOf<T, Self>) -> Result<()>;

    /// out ← Mᵀ v.
    fn mixed_vjp(
        &self,
        workspace: &mut Self::Workspace,
        v: &VectorOf<T, Self>,
        out: &mut PointOf<T, Self>,
    ) -> Result<()>;

    /// Returns F(u, w), with gradient_u ← ∂F/∂u and out ← Mᵀ ∂F/∂w at this (u, w) but with the M of the linearization, without
    /// forming ∂F/∂w: for problems that have a shorter way to it. `None`, and nothing written, where there is none.
    fn outer_mixed_vjp(
        &self,
        _workspace: &mut Self::Workspace,
        _u: &PointOf<T, Self>,
        _w: &PointOf<T, Self>,
        _gradient_u: &mut PointOf<T, Self>,
        _out: &mut PointOf<T, Self>,
    ) -> Result<Option<f64>> {
        Ok(None)
    }

    /// out ← M du.
    fn mixed_jvp(
        &self,
        workspace: &mut Self::Workspace,
        du: &PointOf<T, Self>,
        out: &mut VectorOf<T, Self>,
    ) -> Result<()>;

    /// n, the number of inner examples, where f is a sum over examples and a penalty: f = Σᵢ fᵢ + R. Else 0.
    fn examples(&self) -> usize {
        0
    }

    /// scoresᵢ ← ⟨∇_w fᵢ, v⟩ at the linearization, for each of the [`Problem::examples`].
    ///
    /// fᵢ is the term of inner example i as it stands in f: with the example's weight and the 1/n of a mean, and without the
    /// penalty R, so that Σᵢ scoresᵢ = ⟨∇_w f − ∇_w R, v⟩. See [`influence`](crate::hypergradient::influence).
    fn example_scores(
        &self,
        _workspace: &mut Self::Workspace,
        _v: &VectorOf<T, Self>,
        _scores: &mut [f64],
    ) -> Result<()> {
        Err(Error::Unsupported {
            operation: "scores of inner examples",
            reason: "this problem's inner objective is not known as a sum over examples",
        })
    }

    /// Returns f_B(u, w), and gradient ← ∇_w f_B: the estimate of f by a batch B of its examples, given by their indices.
    ///
    /// f_B = n/|B| Σ_{i∈B} fᵢ + R: the mean over the batch where f is a mean, the penalty in full. An index that occurs twice
    /// counts twice. Over batches that are drawn uniformly the expectation of f_B is f, and so for the gradients. The batch
    /// is an argument, and not a state of the workspace, so that no other product can be taken at a batch by mistake.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for an empty batch and for an index that is not below n.
    fn inner_batch(
        &self,
        _workspace: &mut Self::Workspace,
        _batch: &[usize],
        _u: &PointOf<T, Self>,
        _w: &PointOf<T, Self>,
        _gradient: &mut PointOf<T, Self>,
    ) -> Result<f64> {
        Err(Error::Unsupported {
            operation: "batches of inner examples",
            reason: "this problem's inner objective is not known as a sum over examples",
        })
    }

    /// w ← the minimiser of f(u, ·) nearest to w: Ξ^∞(u, w), for problems that have it in closed form.
    fn fixpoint(
        &self,
        _workspace: &mut Self::Workspace,
        _u: &PointOf<T, Self>,
        _w: &mut PointOf<T, Self>,
    ) -> Result<()> {
        Err(Error::Unsupported {
            operation: "inner fixpoint in closed form",
            reason: "this problem has none; use gradient descent with a tolerance",
        })
    }

    /// One step of the Neumann series, for problems that fuse it. See [`Operator::neumann_step`].
    fn neumann_step(
        &self,
        workspace: &mut Self::Workspace,
        alpha: T,
        hp: &mut VectorOf<T, Self>,
        p: &mut VectorOf<T, Self>,
        q: &mut VectorOf<T, Self>,
    ) -> Result<f64> {
        self.hvp(workspace, p, hp)?;
        Ok(self.vectors(workspace).neumann_update(alpha, hp, p, q))
    }

    /// How many steps of the series go best together. See [`Operator::steps_together`].
    fn steps_together(&self) -> usize {
        1
    }

    /// Several steps of the Neumann series. See [`Operator::neumann_steps`].
    fn neumann_steps(
        &self,
        workspace: &mut Self::Workspace,
        alpha: T,
        hp: &mut VectorOf<T, Self>,
        p: &mut VectorOf<T, Self>,
        q: &mut VectorOf<T, Self>,
        norms: &mut [f64],
    ) -> Result<()> {
        for norm in norms {
            *norm = self.neumann_step(workspace, alpha, hp, p, q)?;
        }
        Ok(())
    }

    /// Steps of conjugate gradients. See [`Operator::cg_steps`].
    fn cg_steps(
        &self,
        workspace: &mut Self::Workspace,
        steps: usize,
        run: &mut CgRun,
        vectors: [&mut VectorOf<T, Self>; 5],
    ) -> Result<()> {
        solve::cg_steps(&mut Hessian::new(self, workspace), steps, run, vectors)
    }

    /// q ← r(H) b: the one call that a backend with whole solves of its own (one launch on a device) replaces. See
    /// [`solve::solve`].
    fn solve(
        &self,
        workspace: &mut Self::Workspace,
        solve: &Solve,
        b: &VectorOf<T, Self>,
        q: &mut VectorOf<T, Self>,
        scratch: &mut SolveWorkspace<T, Self>,
    ) -> Result<Report> {
        solve::solve(&mut Hessian::new(self, workspace), solve, b, q, scratch)
    }

    /// out ← Mᵀ r(H) b at the linearization, without forming q = r(H) b: for problems that have a shorter way to it. `None`, and
    /// nothing written, where there is none.
    fn solve_mixed_vjp(
        &self,
        _workspace: &mut Self::Workspace,
        _solve: &Solve,
        _b: &VectorOf<T, Self>,
        _out: &mut PointOf<T, Self>,
    ) -> Result<Option<Report>> {
        Ok(None)
    }

    /// The dense eigendecomposition of H, and the products it took. See [`Operator::spectrum`].
    fn spectrum<'a>(
        &'a self,
        workspace: &'a mut Self::Workspace,
        own: &'a mut Spectrum,
    ) -> Result<(&'a Spectrum, usize)> {
        let products = own.decompose(&mut Hessian::new(self, workspace))?;
        Ok((own, products))
    }

    /// Makes room in `own` for what [`Problem::spectrum`] will keep there. Problems that keep their decomposition themselves, whatever
    /// (u, w), make it here.
    fn prepare_spectrum(&self, workspace: &Self::Workspace, own: &mut Spectrum) -> Result<()> {
        own.reserve(self.vectors(workspace).len());
        Ok(())
    }
}

/// The memory of a workspace's lists.
fn heap_of<T>(lists: &[&Vec<T>]) -> usize {
    lists.iter().map(|list| solve::heap(list)).sum()
}

/// The Hessian of a problem's inner objective at its linearization, as an operator.
pub struct Hessian<'a, T: Scalar, P: Problem<T>> {
    problem: &'a P,
    workspace: &'a mut P::Workspace,
    scalar: PhantomData<T>,
}

impl<'a, T: Scalar, P: Problem<T>> Hessian<'a, T, P> {
    /// At the point of the last `linearize` on this workspace.
    pub fn new(problem: &'a P, workspace: &'a mut P::Workspace) -> Self {
        Hessian { problem, workspace, scalar: PhantomData }
    }

    /// H itself, n × n row-major: n products, for small n.
    pub fn dense(&mut self) -> Result<Vec<T>> {
        let n = self.space().len();
        let (mut unit, mut dense) = (vec![T::ZERO; n], vec![T::ZERO; n * n]);
        let [mut v, mut column] = [(); 2].map(|()| self.space().zeros());
        for (i, row) in dense.chunks_exact_mut(n.max(1)).enumerate() {
            unit[i] = T::ONE;
            self.space().load(&unit, &mut v)?;
            self.apply(&v, &mut column)?;
            self.space().store(&column, row)?;
            unit[i] = T::ZERO;
        }
        Ok(dense)
    }
}

impl<T: Scalar, P: Problem<T>> Operator<T> for Hessian<'_, T, P> {
    type Space = P::Vectors;

    fn space(&self) -> &P::Vectors {
        self.problem.vectors(self.workspace)
    }

    fn apply(&mut self, v: &VectorOf<T, P>, out: &mut VectorOf<T, P>) -> Result<()> {
        self.problem.hvp(self.workspace, v, out)
    }

    fn neumann_step(
        &mut self,
        alpha: T,
        hp: &mut VectorOf<T, P>,
        p: &mut VectorOf<T, P>,
        q: &mut VectorOf<T, P>,
    ) -> Result<f64> {
        self.problem.neumann_step(self.workspace, alpha, hp, p, q)
    }

    fn steps_together(&self) -> usize {
        self.problem.steps_together()
    }

    fn neumann_steps(
        &mut self,
        alpha: T,
        hp: &mut VectorOf<T, P>,
        p: &mut VectorOf<T, P>,
        q: &mut VectorOf<T, P>,
        norms: &mut [f64],
    ) -> Result<()> {
        self.problem.neumann_steps(self.workspace, alpha, hp, p, q, norms)
    }

    fn cg_steps(&mut self, steps: usize, run: &mut CgRun, vectors: [&mut VectorOf<T, P>; 5]) -> Result<()> {
        self.problem.cg_steps(self.workspace, steps, run, vectors)
    }

    fn spectrum<'b>(&'b mut self, own: &'b mut Spectrum) -> Result<(&'b Spectrum, usize)> {
        self.problem.spectrum(self.workspace, own)
    }
}

/// Scratch of a solve on a problem.
pub type SolveWorkspace<T, P> = solve::Workspace<T, VectorOf<T, P>>;
