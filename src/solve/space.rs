//! Where vectors live: host memory here, factored or on a device elsewhere.

use crate::cpu::{self, Simd};
use crate::error::{check_finite, check_len};
use crate::{Result, Scalar};
use std::fmt::Debug;

/// A finite-dimensional vector space with an inner product.
///
/// The solvers know vectors through this trait alone, so that the same recurrences run on host slices, on device buffers
/// and on factored vectors. Inner products are `f64` for every scalar type.
pub trait Space<T: Scalar> {
    /// A vector of this space.
    type Vector: Debug;

    /// The dimension.
    fn len(&self) -> usize;

    /// Whether the dimension is 0.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The memory of a vector, beside the value itself.
    fn bytes(&self) -> usize {
        self.len() * size_of::<T>()
    }

    /// A new vector, zero. The only place where memory is allocated.
    fn zeros(&self) -> Self::Vector;

    /// to ← from, from host memory.
    fn load(&self, from: &[T], to: &mut Self::Vector) -> Result<()>;

    /// to ← from, to host memory.
    fn store(&self, from: &Self::Vector, to: &mut [T]) -> Result<()>;

    /// to ← from.
    fn copy(&self, from: &Self::Vector, to: &mut Self::Vector);

    /// x ← a x; a = 0 gives zero whatever x was.
    fn scale(&self, a: T, x: &mut Self::Vector);

    /// y ← a x + y.
    fn axpy(&self, a: T, x: &Self::Vector, y: &mut Self::Vector);

    /// ⟨x, y⟩.
    fn dot(&self, x: &Self::Vector, y: &Self::Vector) -> f64;

    /// ‖x‖.
    fn norm(&self, x: &Self::Vector) -> f64 {
        self.dot(x, x).sqrt()
    }

    /// The fused part of a Neumann step: q ← q + p, p ← p − alpha Hp; returns ‖p‖² of the new p.
    fn neumann_update(&self, alpha: T, hp: &Self::Vector, p: &mut Self::Vector, q: &mut Self::Vector) -> f64 {
        self.axpy(T::ONE, p, q);
        self.axpy(-alpha, hp, p);
        self.dot(p, p)
    }
}

/// A space whose vectors can be points: what first-order optimizers need elementwise.
pub trait Points<T: Scalar>: Space<T> {
    /// Checks that x belongs to this space and is finite; `argument` names it in the error.
    fn check(&self, argument: &'static str, x: &Self::Vector) -> Result<()>;

    /// One step of Adam; `t` counts from 1. See [`cpu::Adam`].
    fn adam(
        &self,
        rule: &cpu::Adam,
        t: u64,
        gradient: &Self::Vector,
        first: &mut Self::Vector,
        second: &mut Self::Vector,
        x: &mut Self::Vector,
    );

    /// The adjoint of a step of Adam; `after` are the gradient and both moments after the step, `adjoints` those of the
    /// moments and of the gradient. See [`cpu::Adam::vjp`].
    fn adam_vjp(
        &self,
        rule: &cpu::Adam,
        t: u64,
        after: [&Self::Vector; 3],
        adjoint_x: &Self::Vector,
        adjoints: [&mut Self::Vector; 3],
    );

    /// The derivative of a step of Adam; `tangents` are those of the moments and of x. See [`cpu::Adam::jvp`].
    fn adam_jvp(
        &self,
        rule: &cpu::Adam,
        t: u64,
        after: [&Self::Vector; 3],
        tangent_gradient: &Self::Vector,
        tangents: [&mut Self::Vector; 3],
    );

    /// x ← min(max(x, lower), upper), elementwise.
    fn clamp(&self, lower: f64, upper: f64, x: &mut Self::Vector);
}

/// Vectors in host memory: `Vec<T>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flat {
    len: usize,
    simd: Simd,
}

impl Flat {
    /// The space of vectors of `len` elements, with the best instructions of this machine.
    pub fn new(len: usize) -> Flat {
        Flat { len, simd: Simd::best() }
    }

    /// The same, with the instructions given.
    pub fn with_simd(len: usize, simd: Simd) -> Flat {
        Flat { len, simd }
    }

    /// The dimension.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the dimension is 0.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The instructions in use.
    pub fn simd(&self) -> Simd {
        self.simd
    }
}

impl<T: Scalar> Space<T> for Flat {
    type Vector = Vec<T>;

    fn len(&self) -> usize {
        self.len
    }

    fn zeros(&self) -> Vec<T> {
        vec![T::ZERO; self.len]
    }

    fn load(&self, from: &[T], to: &mut Vec<T>) -> Result<()> {
        check_len("vector", from.len(), self.len)?;
        to.copy_from_slice(from);
        Ok(())
    }

    fn store(&self, from: &Vec<T>, to: &mut [T]) -> Result<()> {
        check_len("vector", to.len(), self.len)?;
        to.copy_from_slice(from);
        Ok(())
    }

    fn copy(&self, from: &Vec<T>, to: &mut Vec<T>) {
        to.copy_from_slice(from);
    }

    fn scale(&self, a: T, x: &mut Vec<T>) {
        if a == T::ZERO { x.fill(T::ZERO) } else { cpu::scale(self.simd, a, x) }
    }

    fn axpy(&self, a: T, x: &Vec<T>, y: &mut Vec<T>) {
        cpu::axpy(self.simd, a, x, y);
    }

    fn dot(&self, x: &Vec<T>, y: &Vec<T>) -> f64 {
        cpu::dot(self.simd, x, y)
    }

    fn norm(&self, x: &Vec<T>) -> f64 {
        cpu::norm(self.simd, x)
    }

    fn neumann_update(&self, alpha: T, hp: &Vec<T>, p: &mut Vec<T>, q: &mut Vec<T>) -> f64 {
        cpu::neumann_update(self.simd, alpha, hp, p, q)
    }
}

impl<T: Scalar> Points<T> for Flat {
    fn check(&self, argument: &'static str, x: &Vec<T>) -> Result<()> {
        check_len(argument, x.len(), self.len)?;
        check_finite(argument, x)
    }

    fn adam(&self, rule: &cpu::Adam, t: u64, g: &Vec<T>, first: &mut Vec<T>, second: &mut Vec<T>, x: &mut Vec<T>) {
        rule.update(t, g, first, second, x);
    }

    fn adam_vjp(&self, rule: &cpu::Adam, t: u64, after: [&Vec<T>; 3], adjoint_x: &Vec<T>, adjoints: [&mut Vec<T>; 3]) {
        rule.vjp(t, after.map(Vec::as_slice), adjoint_x, adjoints.map(Vec::as_mut_slice));
    }

    fn adam_jvp(
        &self,
        rule: &cpu::Adam,
        t: u64,
        after: [&Vec<T>; 3],
        tangent_gradient: &Vec<T>,
        tangents: [&mut Vec<T>; 3],
    ) {
        rule.jvp(t, after.map(Vec::as_slice), tangent_gradient, tangents.map(Vec::as_mut_slice));
    }

    fn clamp(&self, lower: f64, upper: f64, x: &mut Vec<T>) {
        for x in x {
            *x = T::from_f64(x.to_f64().clamp(lower, upper));
        }
    }
}
