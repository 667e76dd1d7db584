//! A problem from the user's own functions.

use super::{Problem, heap_of};
use crate::error::check_finite;
use crate::solve::Flat;
use crate::{Error, Result, Scalar};
use std::fmt;

type Value1<T> = dyn Fn(&[T], &[T], &mut [T]) -> Result<f64>;
type Value2<T> = dyn Fn(&[T], &[T], &mut [T], &mut [T]) -> Result<f64>;
type Product<T> = dyn Fn(&[T], &[T], &[T], &mut [T]) -> Result<()>;

/// A bilevel problem given by closures over slices.
///
/// | closure | arguments | does |
/// | --- | --- | --- |
/// | `inner` | u, w, gradient | returns f; gradient ← ∇_w f |
/// | `outer` | u, w, gradient_u, gradient_w | returns F; ∂F/∂u and ∂F/∂w |
/// | `hvp` | u, w, v, out | out ← H v |
/// | `mixed_vjp` | u, w, v, out | out ← Mᵀ v, as long as u |
///
/// Outputs are zero on entry and must be written in full. A NaN or an infinity in them is an error that names the closure.
/// To fail, return [`Error::Callback`]; it comes out of the call unchanged.
pub struct UserProblem<T> {
    inner_space: Flat,
    outer_space: Flat,
    inner: Box<Value1<T>>,
    outer: Box<Value2<T>>,
    hvp: Box<Product<T>>,
    mixed_vjp: Box<Product<T>>,
    mixed_jvp: Option<Box<Product<T>>>,
}

impl<T> fmt::Debug for UserProblem<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserProblem").field("inner", &self.inner_space).field("outer", &self.outer_space).finish()
    }
}

impl<T: Scalar> UserProblem<T> {
    /// With u of `outer_len` and w of `inner_len` elements.
    pub fn new(
        outer_len: usize,
        inner_len: usize,
        inner: impl Fn(&[T], &[T], &mut [T]) -> Result<f64> + 'static,
        outer: impl Fn(&[T], &[T], &mut [T], &mut [T]) -> Result<f64> + 'static,
        hvp: impl Fn(&[T], &[T], &[T], &mut [T]) -> Result<()> + 'static,
        mixed_vjp: impl Fn(&[T], &[T], &[T], &mut [T]) -> Result<()> + 'static,
    ) -> UserProblem<T> {
        UserProblem {
            inner_space: Flat::new(inner_len),
            outer_space: Flat::new(outer_len),
            inner: Box::new(inner),
            outer: Box::new(outer),
            hvp: Box::new(hvp),
            mixed_vjp: Box::new(mixed_vjp),
            mixed_jvp: None,
        }
    }

    /// Adds out ← M du (arguments u, w, du, out), for what differentiates forward.
    pub fn with_mixed_jvp(
        mut self,
        mixed_jvp: impl Fn(&[T], &[T], &[T], &mut [T]) -> Result<()> + 'static,
    ) -> UserProblem<T> {
        self.mixed_jvp = Some(Box::new(mixed_jvp));
        self
    }
}

/// The point of the linearization.
#[derive(Debug)]
pub struct Workspace<T> {
    u: Vec<T>,
    w: Vec<T>,
}

fn check_value(argument: &'static str, value: f64) -> Result<f64> {
    if value.is_finite() { Ok(value) } else { Err(Error::NonFinite { argument, index: 0, found: value }) }
}

impl<T: Scalar> Problem<T> for UserProblem<T> {
    type Workspace = Workspace<T>;
    in_host_memory!(T);

    fn workspace(&self) -> Workspace<T> {
        use crate::solve::Space;
        Workspace { u: self.outer_space.zeros(), w: self.inner_space.zeros() }
    }

    fn workspace_bytes(&self, workspace: &Workspace<T>) -> usize {
        let Workspace { u, w } = workspace;
        heap_of(&[u, w])
    }

    fn inner(&self, _workspace: &mut Workspace<T>, u: &Vec<T>, w: &Vec<T>, gradient: &mut Vec<T>) -> Result<f64> {
        gradient.fill(T::ZERO);
        let value = (self.inner)(u, w, gradient)?;
        check_finite("gradient of callback inner", gradient)?;
        check_value("value of callback inner", value)
    }

    fn outer(
        &self,
        _workspace: &mut Workspace<T>,
        u: &Vec<T>,
        w: &Vec<T>,
        gradient_u: &mut Vec<T>,
        gradient_w: &mut Vec<T>,
    ) -> Result<f64> {
        gradient_u.fill(T::ZERO);
        gradient_w.fill(T::ZERO);
        let value = (self.outer)(u, w, gradient_u, gradient_w)?;
        check_finite("gradient_u of callback outer", gradient_u)?;
        check_finite("gradient_w of callback outer", gradient_w)?;
        check_value("value of callback outer", value)
    }

    fn linearize(&self, workspace: &mut Workspace<T>, u: &Vec<T>, w: &Vec<T>) -> Result<()> {
        workspace.u.copy_from_slice(u);
        workspace.w.copy_from_slice(w);
        Ok(())
    }

    fn hvp(&self, workspace: &mut Workspace<T>, v: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        out.fill(T::ZERO);
        (self.hvp)(&workspace.u, &workspace.w, v, out)?;
        check_finite("output of callback hvp", out)
    }

    fn mixed_vjp(&self, workspace: &mut Workspace<T>, v: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        out.fill(T::ZERO);
        (self.mixed_vjp)(&workspace.u, &workspace.w, v, out)?;
        check_finite("output of callback mixed_vjp", out)
    }

    fn mixed_jvp(&self, workspace: &mut Workspace<T>, du: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        let Some(mixed_jvp) = &self.mixed_jvp else {
            return Err(Error::Unsupported {
                operation: "mixed_jvp",
                reason: "the problem was made without this callback",
            });
        };
        out.fill(T::ZERO);
        mixed_jvp(&workspace.u, &workspace.w, du, out)?;
        check_finite("output of callback mixed_jvp", out)
    }
}
