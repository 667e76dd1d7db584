//! A symmetric operator, known by its products.

use super::Spectrum;
use super::space::Space;
use crate::{Result, Scalar};

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

    /// The dense eigendecomposition of H, and the products that it took. `own` is the caller's, to put it there; an operator
    /// that keeps its decomposition returns that one.
    fn spectrum<'a>(&'a mut self, own: &'a mut Spectrum) -> Result<(&'a Spectrum, usize)> {
        let products = own.decompose(self)?;
        Ok((own, products))
    }
}
