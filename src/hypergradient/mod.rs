//! Hypergradients: dF/du of the outer objective through the inner solution.
//!
//! dF/du = ∂F/∂u − Mᵀ q. For an implicit estimator q = r(H) ∂F/∂w at the point given (paper, section 2; the minus comes
//! from H J = −M); unrolling differentiates T inner steps from that point instead (paper, Algorithm 5).
#![doc = include_str!("estimators.md")]

mod implicit;
mod influence;
mod memory;
mod response;
mod unrolled;

pub(crate) use implicit::OVERFLOW;
pub use influence::influence;
pub use response::{response_jvp, response_vjp};
pub(crate) use unrolled::DIVERGED;
pub use unrolled::{Mode, Unrolled};

use crate::optimize::State;
use crate::problem::{PointOf, Problem, SolveWorkspace, VectorOf};
use crate::solve::{Inverse, Points, Report, Solve, Space};
use crate::{Result, Scalar};

/// How the hypergradient is approximated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Estimator {
    /// By the implicit function theorem, at (u, w) as given: best where w solves the inner problem.
    Implicit(Solve),
    /// By reverse-mode differentiation of T inner gradient steps that start at w.
    Unrolled(Unrolled),
}

impl From<Solve> for Estimator {
    fn from(solve: Solve) -> Estimator {
        Estimator::Implicit(solve)
    }
}

impl From<Inverse> for Estimator {
    fn from(inverse: Inverse) -> Estimator {
        Estimator::Implicit(inverse.into())
    }
}

impl Estimator {
    /// Checks the parameters.
    pub fn validate(&self) -> Result<()> {
        match self {
            Estimator::Implicit(solve) => solve.validate(),
            Estimator::Unrolled(unrolled) => unrolled.validate(),
        }
    }
}

/// What an evaluation tells beside the hypergradient and q, which are in the [`Workspace`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evaluation {
    /// F, at w, or after T steps from w for an unrolled estimator.
    pub outer_loss: f64,
    /// The report of the solve.
    pub report: Report,
}

/// Scratch and results of [`evaluate`] for one problem; grows at the first call and is reused without allocation.
/// [`Workspace::reserve`] makes it grow before that.
pub struct Workspace<T: Scalar, P: Problem<T>> {
    pub(crate) problem: P::Workspace,
    solve: SolveWorkspace<T, P>,
    gradient: PointOf<T, P>,
    gradient_w: PointOf<T, P>,
    mixed: PointOf<T, P>,
    b: VectorOf<T, P>,
    q: VectorOf<T, P>,
    scratch: VectorOf<T, P>,
    /// q of the last evaluation whose estimator starts from the last, as a point.
    last: Option<PointOf<T, P>>,
    run: Option<unrolled::Run<PointOf<T, P>>>,
    host: Vec<T>,
    keeps_q: bool,
}

impl<T: Scalar, P: Problem<T>> Workspace<T, P> {
    /// A workspace for this problem.
    pub fn new(problem: &P) -> Workspace<T, P> {
        let workspace = problem.workspace();
        let [b, q, scratch] = [(); 3].map(|()| problem.vectors(&workspace).zeros());
        Workspace {
            problem: workspace,
            solve: SolveWorkspace::<T, P>::new(),
            gradient: problem.outer_space().zeros(),
            gradient_w: problem.inner_space().zeros(),
            mixed: problem.outer_space().zeros(),
            b,
            q,
            scratch,
            last: None,
            run: None,
            host: Vec::new(),
            keeps_q: true,
        }
    }

    /// The hypergradient of the last evaluation, in u-space.
    pub fn gradient(&self) -> &PointOf<T, P> {
        &self.gradient
    }

    /// What a run moves u along.
    pub(crate) fn gradient_mut(&mut self) -> &mut PointOf<T, P> {
        &mut self.gradient
    }

    /// q of the last evaluation, if it was kept ([`Workspace::keep_q`]). For an unrolled estimator minus the sum of the adjoints of the inner gradients, so that
    /// dF/du = ∂F/∂u − Mᵀ q where M is constant; zero where it was not formed (forward mode, and one differentiated step of
    /// a problem that needs no ∂F/∂w for it: [`Problem::outer_mixed_vjp`]).
    pub fn q(&self) -> &VectorOf<T, P> {
        &self.q
    }

    /// Whether [`Workspace::q`] is wanted after an evaluation, as it is at first. Without it a solve that is not verified forms
    /// no q where the problem has a shorter way to Mᵀq ([`Problem::solve_mixed_vjp`]); the hypergradient is the same to rounding.
    pub fn keep_q(&mut self, keep: bool) {
        self.keeps_q = keep;
    }

    /// Where the next solve that starts from the last q starts; `None`: from 0.
    pub(crate) fn last_q(&self) -> Option<&PointOf<T, P>> {
        self.last.as_ref()
    }

    /// Sets it.
    pub(crate) fn set_last_q(&mut self, last: Option<PointOf<T, P>>) {
        self.last = last;
    }

    /// out ← q as a point in w-space.
    pub fn lower_q(&mut self, problem: &P, out: &mut PointOf<T, P>) -> Result<()> {
        problem.lower(&mut self.problem, &self.q, out)
    }
}

/// The hypergradient at (u, w); read it from [`Workspace::gradient`].
///
/// # Errors
///
/// A wrong shape or a value that is not finite in u or w, a parameter out of range, whatever the problem returns, and
/// [`Error::NonFinite`](crate::Error::NonFinite) if the hypergradient itself is not finite.
pub fn evaluate<T: Scalar, P: Problem<T>>(
    problem: &P,
    estimator: &Estimator,
    u: &PointOf<T, P>,
    w: &PointOf<T, P>,
    workspace: &mut Workspace<T, P>,
) -> Result<Evaluation> {
    problem.outer_space().check("u", u)?;
    problem.inner_space().check("w", w)?;
    let evaluation = match estimator {
        Estimator::Implicit(solve) => implicit::run(problem, solve, u, w, workspace)?,
        Estimator::Unrolled(unrolled) => unrolled::run(problem, unrolled, u, w, workspace)?,
    };
    problem.outer_space().check("hypergradient", &workspace.gradient)?;
    Ok(evaluation)
}

/// The same for a run that goes on: an unrolled estimator starts from `state` with its buffers, and leaves its end there.
pub(crate) fn evaluate_on<T: Scalar, P: Problem<T>>(
    problem: &P,
    unrolled: &Unrolled,
    u: &PointOf<T, P>,
    state: &mut State<PointOf<T, P>>,
    workspace: &mut Workspace<T, P>,
) -> Result<Evaluation> {
    problem.outer_space().check("u", u)?;
    problem.inner_space().check("w", &state.x)?;
    let evaluation = unrolled::run_on(problem, unrolled, u, state, workspace)?;
    problem.outer_space().check("hypergradient", &workspace.gradient)?;
    Ok(evaluation)
}
