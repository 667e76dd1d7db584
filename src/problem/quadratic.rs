//! The general convex quadratic of the paper's Assumption 3.1.

use super::{Problem, heap_of};
use crate::error::{check_finite, check_len, invalid};
use crate::solve::{Filter, Flat, Space, Spectrum, default_cutoff, symmetrize};
use crate::{Error, Result, Scalar, cpu};
use std::sync::OnceLock;

/// The terms of f(u, w) = ½ wᵀA w + wᵀB u + ½ uᵀC u + dᵀw + eᵀu + c. Matrices are row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct InnerTerms<T> {
    /// A (n × n), symmetric positive semidefinite: the Hessian H.
    pub a: Vec<T>,
    /// B (n × m): the mixed derivative M.
    pub b: Vec<T>,
    /// C (m × m), symmetric.
    pub c: Vec<T>,
    /// d (n).
    pub d: Vec<T>,
    /// e (m).
    pub e: Vec<T>,
    /// The constant c.
    pub constant: T,
}

/// The terms of F(w) = ½ wᵀP w + fᵀw + h.
#[derive(Debug, Clone, PartialEq)]
pub struct OuterTerms<T> {
    /// P (n × n), symmetric positive semidefinite, row-major.
    pub p: Vec<T>,
    /// f (n).
    pub f: Vec<T>,
    /// The constant h.
    pub h: T,
}

/// A quadratic inner and a quadratic outer objective: Assumption 3.1, with w of n and u of m elements.
#[derive(Debug, Clone)]
pub struct Quadratic<T> {
    inner: InnerTerms<T>,
    outer: OuterTerms<T>,
    inner_space: Flat,
    outer_space: Flat,
    spectrum: OnceLock<Spectrum>,
}

/// Scratch of a [`Quadratic`].
#[derive(Debug)]
pub struct Workspace<T> {
    n: Vec<T>,
    m: Vec<T>,
    step: Vec<T>,
    wide: Vec<f64>,
}

impl<T: Scalar> Quadratic<T> {
    /// Copies the terms; `inner_len` is n and `outer_len` is m.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] and [`Error::NonFinite`] for any array, [`Error::Asymmetric`] for A, C or P, and
    /// [`Error::Indefinite`] for A or P.
    pub fn new(
        inner_len: usize,
        outer_len: usize,
        mut inner: InnerTerms<T>,
        mut outer: OuterTerms<T>,
    ) -> Result<Quadratic<T>> {
        let (n, m) = (inner_len, outer_len);
        for (argument, values, expected) in [
            ("A", &inner.a, n * n),
            ("B", &inner.b, n * m),
            ("C", &inner.c, m * m),
            ("d", &inner.d, n),
            ("e", &inner.e, m),
            ("P", &outer.p, n * n),
            ("f", &outer.f, n),
        ] {
            check_len(argument, values.len(), expected)?;
            check_finite(argument, values)?;
        }
        check_finite("c", &[inner.constant])?;
        check_finite("h", &[outer.h])?;
        positive_semidefinite("A", n, &mut inner.a)?;
        positive_semidefinite("P", n, &mut outer.p)?;
        make_symmetric("C", m, &mut inner.c)?;
        Ok(Quadratic { inner, outer, inner_space: Flat::new(n), outer_space: Flat::new(m), spectrum: OnceLock::new() })
    }

    /// The eigendecomposition of A; made at the first call, kept after it.
    pub fn hessian_spectrum(&self) -> Result<&Spectrum> {
        let make = || {
            let a: Vec<f64> = self.inner.a.iter().map(|value| value.to_f64()).collect();
            Spectrum::of("A", self.inner.d.len(), &a)
        };
        cached(&self.spectrum, make)
    }

    /// A, B, C, d, e and c.
    pub fn inner_terms(&self) -> &InnerTerms<T> {
        &self.inner
    }

    /// P, f and h.
    pub fn outer_terms(&self) -> &OuterTerms<T> {
        &self.outer
    }

    /// out ← A x for a symmetric A.
    fn symmetric(&self, a: &[T], x: &[T], out: &mut [T]) {
        cpu::matvec_transposed(self.inner_space.simd(), out.len(), a, x, out);
    }
}

/// The value of a cell, made at the first call.
pub(super) fn cached(cell: &OnceLock<Spectrum>, make: impl FnOnce() -> Result<Spectrum>) -> Result<&Spectrum> {
    if let Some(spectrum) = cell.get() {
        return Ok(spectrum);
    }
    let spectrum = make()?;
    Ok(cell.get_or_init(|| spectrum))
}

fn make_symmetric<T: Scalar>(argument: &'static str, n: usize, matrix: &mut [T]) -> Result<Vec<f64>> {
    let mut wide: Vec<f64> = matrix.iter().map(|value| value.to_f64()).collect();
    symmetrize(argument, n, &mut wide, 64.0 * T::EPSILON)?;
    for (value, wide) in matrix.iter_mut().zip(&wide) {
        *value = T::from_f64(*wide);
    }
    Ok(wide)
}

fn positive_semidefinite<T: Scalar>(argument: &'static str, n: usize, matrix: &mut [T]) -> Result<()> {
    let wide = make_symmetric(argument, n, matrix)?;
    let size = wide.iter().map(|value| value * value).sum::<f64>().sqrt();
    let floor = 8.0 * (n as f64) * T::EPSILON * size;
    if size == 0.0 || cpu::is_positive_definite(n, &wide, floor) {
        return Ok(());
    }
    let smallest = Spectrum::of(argument, n, &wide)?.values().first().copied().unwrap_or(0.0);
    if smallest < -floor { Err(Error::Indefinite { argument, eigenvalue: smallest, floor: -floor }) } else { Ok(()) }
}

impl<T: Scalar> Problem<T> for Quadratic<T> {
    type Workspace = Workspace<T>;
    in_host_memory!(T);

    fn workspace(&self) -> Workspace<T> {
        let n = self.inner.d.len();
        Workspace {
            n: vec![T::ZERO; n],
            m: vec![T::ZERO; self.inner.e.len()],
            step: vec![T::ZERO; n],
            wide: Vec::with_capacity(2 * n),
        }
    }

    fn workspace_bytes(&self, workspace: &Workspace<T>) -> usize {
        let Workspace { n, m, step, wide } = workspace;
        heap_of(&[n, m, step]) + heap_of(&[wide])
    }

    fn inner(&self, workspace: &mut Workspace<T>, u: &Vec<T>, w: &Vec<T>, gradient: &mut Vec<T>) -> Result<f64> {
        let terms = &self.inner;
        let (simd, n, m) = (self.inner_space.simd(), &self.inner_space, &self.outer_space);
        // ½ wᵀ(A w) + wᵀ(B u + d), with both products needed for the gradient anyway.
        self.symmetric(&terms.a, w, gradient);
        let mut value = 0.5 * n.dot(w, gradient);
        cpu::matvec(simd, u.len(), &terms.b, u, &mut workspace.n);
        n.axpy(T::ONE, &terms.d, &mut workspace.n);
        value += n.dot(w, &workspace.n);
        n.axpy(T::ONE, &workspace.n, gradient);
        cpu::matvec_transposed(simd, u.len(), &terms.c, u, &mut workspace.m);
        value += 0.5 * m.dot(u, &workspace.m) + m.dot(u, &terms.e) + terms.constant.to_f64();
        Ok(value)
    }

    fn outer(
        &self,
        _workspace: &mut Workspace<T>,
        _u: &Vec<T>,
        w: &Vec<T>,
        gradient_u: &mut Vec<T>,
        gradient_w: &mut Vec<T>,
    ) -> Result<f64> {
        let (terms, n) = (&self.outer, &self.inner_space);
        gradient_u.fill(T::ZERO);
        self.symmetric(&terms.p, w, gradient_w);
        let value = 0.5 * n.dot(w, gradient_w) + n.dot(w, &terms.f) + terms.h.to_f64();
        n.axpy(T::ONE, &terms.f, gradient_w);
        Ok(value)
    }

    fn linearize(&self, _workspace: &mut Workspace<T>, _u: &Vec<T>, _w: &Vec<T>) -> Result<()> {
        Ok(())
    }

    fn hvp(&self, _workspace: &mut Workspace<T>, v: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        self.symmetric(&self.inner.a, v, out);
        Ok(())
    }

    fn mixed_vjp(&self, _workspace: &mut Workspace<T>, v: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        cpu::matvec_transposed(self.inner_space.simd(), out.len(), &self.inner.b, v, out);
        Ok(())
    }

    fn mixed_jvp(&self, _workspace: &mut Workspace<T>, du: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        cpu::matvec(self.inner_space.simd(), du.len(), &self.inner.b, du, out);
        Ok(())
    }

    /// w − A⁺ (A w + B u + d): the minimiser nearest to w (Lemma C.1, k → ∞).
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where B u + d has a part outside of the range of A: f is then unbounded below.
    fn fixpoint(&self, workspace: &mut Workspace<T>, u: &Vec<T>, w: &mut Vec<T>) -> Result<()> {
        let spectrum = self.hessian_spectrum()?;
        let floor = default_cutoff::<T>() * spectrum.radius();
        let mut gradient = std::mem::take(&mut workspace.step);
        let value = self.inner(workspace, u, w, &mut gradient);
        // What is left in the null space of A is rounding, or a slope along which f falls for ever.
        let slope = spectrum.null_share(floor, &gradient) * self.inner_space.norm(&gradient);
        let size = spectrum.radius() * self.inner_space.norm(w) + self.inner_space.norm(&workspace.n);
        spectrum.apply(Filter::MinNorm { floor }, &gradient, &mut workspace.n, &mut workspace.wide);
        workspace.step = gradient;
        value?;
        if slope > default_cutoff::<T>().sqrt() * size {
            return Err(invalid(
                "inner objective",
                format!("a slope of {slope:e} in the null space of A"),
                "B u + d in the range of A (f is unbounded below)",
            ));
        }
        self.inner_space.axpy(-T::ONE, &workspace.n, w);
        Ok(())
    }

    fn spectrum<'a>(&'a self, _: &'a mut Workspace<T>, _: &'a mut Spectrum) -> Result<(&'a Spectrum, usize)> {
        Ok((self.hessian_spectrum()?, 0))
    }

    fn prepare_spectrum(&self, _: &Workspace<T>, _: &mut Spectrum) -> Result<()> {
        self.hessian_spectrum().map(|_| ())
    }
}
