//! A symmetric operator, known by its products.

use super::Spectrum;
use super::cg::{self, CgRun};
use super::space::{Flat, Space};
use crate::error::check_finite;
use crate::{Result, Scalar};
use std::fmt;
use std::marker::PhantomData;

/// The vectors of an operator.
pub type VectorOf<T, O> = <<O as Operator<T>>::Space as Space<T>>::Vector;

/// A linear operator H with its own kind of vectors.
///
/// Only `space` and `apply` are needed; the rest is for operators that can do better than the default.
pub trait Operator<T: Scalar> {
    /// The space that H maps to itself.
    type Space: Space<T>;

    /// The space.
    fn space(&self) -> &Self::Space;

    /// out ← H v.
    fn apply(&mut self, v: &VectorOf<T, Self>, out: &mut VectorOf<T, Self>) -> Result<()>;

    /// One step of the Neumann series: q ← q + p, p ← p − alpha H p; returns ‖p‖² of the new p. `hp` is scratch.
    fn neumann_step(
        &mut self,
        alpha: T,
        hp: &mut VectorOf<T, Self>,
        p: &mut VectorOf<T, Self>,
        q: &mut VectorOf<T, Self>,
    ) -> Result<f64> {
        self.apply(p, hp)?;
        Ok(self.space().neumann_update(alpha, hp, p, q))
    }

    /// How many steps of the series go best together, without a look at the terms between them: 1 where each is as good alone.
    fn steps_together(&self) -> usize {
        1
    }

    /// So many steps as `norms` is long, as [`Operator::neumann_step`]; norms ← ‖p‖² after each.
    fn neumann_steps(
        &mut self,
        alpha: T,
        hp: &mut VectorOf<T, Self>,
        p: &mut VectorOf<T, Self>,
        q: &mut VectorOf<T, Self>,
        norms: &mut [f64],
    ) -> Result<()> {
        for norm in norms {
            *norm = self.neumann_step(alpha, hp, p, q)?;
        }
        Ok(())
    }

    /// So many steps of conjugate gradients, or fewer if the run ends; the vectors are q, r, p, hp and the best iterate, as
    /// `src/solve/cg.rs` has them. For operators that keep the scalars of a step on their device; one around another that does
    /// hands the call on.
    fn cg_steps(&mut self, steps: usize, run: &mut CgRun, vectors: [&mut VectorOf<T, Self>; 5]) -> Result<()> {
        cg::steps(self, steps, run, vectors)
    }

    /// The dense eigendecomposition of H, and the products that it took. `own` is the caller's, to put it there; an operator
    /// that keeps its decomposition returns that one.
    fn spectrum<'a>(&'a mut self, own: &'a mut Spectrum) -> Result<(&'a Spectrum, usize)> {
        let products = own.decompose(self)?;
        Ok((own, products))
    }
}

/// An operator from a function: product(v, out) does out ← H v on slices.
///
/// `out` is zero on entry and must be written in full; a NaN or an infinity in it is an error. To fail, return
/// [`Error::Callback`](crate::Error::Callback); it comes out of the solve unchanged.
///
/// ```
/// use blo::Inverse;
/// use blo::solve::{FnOperator, Workspace, solve};
///
/// let mut h = FnOperator::new(2, |v: &[f64], out: &mut [f64]| {
///     out[0] = 2.0 * v[0] + v[1];
///     out[1] = v[0] + 2.0 * v[1];
///     Ok(())
/// });
/// let mut q = vec![0.0; 2];
/// let cg = Inverse::Cg { iterations: 10, tolerance: 1e-12 };
/// let report = solve(&mut h, &cg.into(), &vec![3.0, 3.0], &mut q, &mut Workspace::new())?;
/// assert!((q[0] - 1.0).abs() < 1e-14 && report.products == 1);
/// # Ok::<(), blo::Error>(())
/// ```
pub struct FnOperator<T, F> {
    space: Flat,
    product: F,
    scalar: PhantomData<fn(T)>,
}

impl<T: Scalar, F: FnMut(&[T], &mut [T]) -> Result<()>> FnOperator<T, F> {
    /// With vectors of `len` elements.
    pub fn new(len: usize, product: F) -> Self {
        FnOperator { space: Flat::new(len), product, scalar: PhantomData }
    }
}

impl<T, F> fmt::Debug for FnOperator<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FnOperator").field("space", &self.space).finish()
    }
}

impl<T: Scalar, F: FnMut(&[T], &mut [T]) -> Result<()>> Operator<T> for FnOperator<T, F> {
    type Space = Flat;

    fn space(&self) -> &Flat {
        &self.space
    }

    fn apply(&mut self, v: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        out.fill(T::ZERO);
        (self.product)(v, out)?;
        check_finite("operator product", out)
    }
}
