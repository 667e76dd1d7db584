//! The families of problems behind one type, which is matched at each call of the library for its problem: once for a whole
//! solve, whose inner loop is the family's own.

#[cfg(feature = "cuda")]
use super::device::{DeviceNetwork, DeviceQuadratic};
use crate::problem::mlp::Mlp;
use crate::problem::{LeastSquares, Problem, Quadratic, Regression, SolveWorkspace, UserProblem};
use crate::solve::{Flat, Report, Solve, Spectrum};
use crate::{Error, Result, Scalar};

/// Declares the families, their workspaces, and how both are matched.
macro_rules! families {
    ($($(#[$when:meta])* $name:ident: $type:ident),* $(,)?) => {
        /// Any problem that a handle can hold.
        #[allow(clippy::large_enum_variant, reason = "one for each handle")]
        pub(super) enum Family<T: Scalar> {
            $($(#[$when])* $name($type<T>)),*
        }

        /// The workspace of one.
        #[allow(clippy::large_enum_variant, reason = "one for each handle")]
        pub(super) enum At<T: Scalar> {
            $($(#[$when])* $name(<$type<T> as Problem<T>>::Workspace)),*
        }

        macro_rules! each {
            ($self:expr, $problem:ident => $body:expr) => {
                match $self { $($(#[$when])* Family::$name($problem) => $body),* }
            };
        }

        macro_rules! both {
            ($self:expr, $at:expr, ($problem:ident, $workspace:ident) => $body:expr, $otherwise:expr) => {
                match ($self, $at) {
                    $($(#[$when])* (Family::$name($problem), At::$name($workspace)) => $body,)*
                    _ => $otherwise,
                }
            };
        }

        impl<T: Scalar> Family<T> {
            fn new_workspace(&self) -> At<T> {
                match self { $($(#[$when])* Family::$name(problem) => At::$name(problem.workspace())),* }
            }
        }
    };
}

families!(
    Quadratic: Quadratic,
    LeastSquares: LeastSquares,
    Regression: Regression,
    Network: Mlp,
    User: UserProblem,
    #[cfg(feature = "cuda")]
    DeviceQuadratic: DeviceQuadratic,
    #[cfg(feature = "cuda")]
    DeviceNetwork: DeviceNetwork,
);

/// A workspace is made by the problem that it is used with, so this is not seen.
fn foreign<V>() -> Result<V> {
    Err(Error::Panic { message: "a workspace of another problem".to_owned() })
}

impl<T: Scalar> Problem<T> for Family<T> {
    type Points = Flat;
    type Vectors = Flat;
    type Workspace = At<T>;

    fn outer_space(&self) -> &Flat {
        each!(self, p => p.outer_space())
    }

    fn inner_space(&self) -> &Flat {
        each!(self, p => p.inner_space())
    }

    fn workspace(&self) -> At<T> {
        self.new_workspace()
    }

    fn workspace_bytes(&self, at: &At<T>) -> usize {
        both!(self, at, (p, at) => p.workspace_bytes(at), 0)
    }

    fn inner(&self, at: &mut At<T>, u: &Vec<T>, w: &Vec<T>, gradient: &mut Vec<T>) -> Result<f64> {
        both!(self, at, (p, at) => p.inner(at, u, w, gradient), foreign())
    }

    fn outer(
        &self,
        at: &mut At<T>,
        u: &Vec<T>,
        w: &Vec<T>,
        gradient_u: &mut Vec<T>,
        gradient_w: &mut Vec<T>,
    ) -> Result<f64> {
        both!(self, at, (p, at) => p.outer(at, u, w, gradient_u, gradient_w), foreign())
    }

    fn linearize(&self, at: &mut At<T>, u: &Vec<T>, w: &Vec<T>) -> Result<()> {
        both!(self, at, (p, at) => p.linearize(at, u, w), foreign())
    }

    fn vectors<'a>(&'a self, _: &'a At<T>) -> &'a Flat {
        self.inner_space()
    }

    fn lift(&self, at: &mut At<T>, gradient: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        both!(self, at, (p, at) => p.lift(at, gradient, out), foreign())
    }

    fn lower(&self, at: &mut At<T>, vector: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        both!(self, at, (p, at) => p.lower(at, vector, out), foreign())
    }

    fn hvp(&self, at: &mut At<T>, v: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        both!(self, at, (p, at) => p.hvp(at, v, out), foreign())
    }

    fn mixed_vjp(&self, at: &mut At<T>, v: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        both!(self, at, (p, at) => p.mixed_vjp(at, v, out), foreign())
    }

    fn outer_mixed_vjp(
        &self,
        at: &mut At<T>,
        u: &Vec<T>,
        w: &Vec<T>,
        gradient_u: &mut Vec<T>,
        out: &mut Vec<T>,
    ) -> Result<Option<f64>> {
        both!(self, at, (p, at) => p.outer_mixed_vjp(at, u, w, gradient_u, out), foreign())
    }

    fn solve_mixed_vjp(&self, at: &mut At<T>, solve: &Solve, b: &Vec<T>, out: &mut Vec<T>) -> Result<Option<Report>> {
        both!(self, at, (p, at) => p.solve_mixed_vjp(at, solve, b, out), foreign())
    }

    fn mixed_jvp(&self, at: &mut At<T>, du: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        both!(self, at, (p, at) => p.mixed_jvp(at, du, out), foreign())
    }

    fn examples(&self) -> usize {
        each!(self, p => p.examples())
    }

    fn example_scores(&self, at: &mut At<T>, v: &Vec<T>, scores: &mut [f64]) -> Result<()> {
        both!(self, at, (p, at) => p.example_scores(at, v, scores), foreign())
    }

    fn inner_batch(
        &self,
        at: &mut At<T>,
        batch: &[usize],
        u: &Vec<T>,
        w: &Vec<T>,
        gradient: &mut Vec<T>,
    ) -> Result<f64> {
        both!(self, at, (p, at) => p.inner_batch(at, batch, u, w, gradient), foreign())
    }

    fn fixpoint(&self, at: &mut At<T>, u: &Vec<T>, w: &mut Vec<T>) -> Result<()> {
        both!(self, at, (p, at) => p.fixpoint(at, u, w), foreign())
    }

    fn neumann_step(&self, at: &mut At<T>, alpha: T, hp: &mut Vec<T>, p: &mut Vec<T>, q: &mut Vec<T>) -> Result<f64> {
        both!(self, at, (problem, at) => problem.neumann_step(at, alpha, hp, p, q), foreign())
    }

    fn solve(
        &self,
        at: &mut At<T>,
        solve: &Solve,
        b: &Vec<T>,
        q: &mut Vec<T>,
        scratch: &mut SolveWorkspace<T, Self>,
    ) -> Result<Report> {
        both!(self, at, (p, at) => p.solve(at, solve, b, q, scratch), foreign())
    }

    fn spectrum<'a>(&'a self, at: &'a mut At<T>, own: &'a mut Spectrum) -> Result<(&'a Spectrum, usize)> {
        both!(self, at, (p, at) => p.spectrum(at, own), foreign())
    }

    fn prepare_spectrum(&self, at: &At<T>, own: &mut Spectrum) -> Result<()> {
        both!(self, at, (p, at) => p.prepare_spectrum(at, own), foreign())
    }
}
