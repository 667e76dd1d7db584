//! Least squares with its targets, or the logarithm of its L2 penalty, as outer parameters.

use super::Problem;
use super::quadratic::cached;
use crate::error::{check_finite, check_len, invalid};
use crate::solve::{Filter, Flat, Space, Spectrum, default_cutoff};
use crate::{Result, Scalar, cpu};
use std::sync::OnceLock;

/// Examples as rows: a design matrix (rows × features, row-major) and one target for each row.
#[derive(Debug, Clone, PartialEq)]
pub struct Examples<T> {
    /// Φ, `targets.len()` × `features`.
    pub design: Vec<T>,
    /// The number of columns.
    pub features: usize,
    /// One for each row. Where the targets are the outer parameters only their number counts.
    pub targets: Vec<T>,
}

/// How the examples' losses are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// Σ over examples.
    Sum,
    /// 1/n Σ over examples.
    Mean,
}

/// Which penalty weights the outer parameters are, as logarithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum L2 {
    /// One for all features: ½ exp(u) ‖w‖².
    Scalar,
    /// One for each feature: ½ Σ exp(uᵢ) wᵢ².
    PerFeature,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Targets,
    LogL2(L2),
}

/// Linear least squares.
///
/// Inner: f = s ½‖Φ w − t‖² + R, with s = 1 (sum) or 1/n (mean). Either u = t and R = 0, so that M = −s Φᵀ; or t is fixed
/// and R = ½ Σ exp(uᵢ) wᵢ². Outer: F = 1/(2N) ‖Φₒ w − y‖², the mean over N outer examples; ∂F/∂u = 0.
#[derive(Debug)]
pub struct LeastSquares<T> {
    kind: Kind,
    inner: Examples<T>,
    outer: Examples<T>,
    scale: f64,
    inner_space: Flat,
    outer_space: Flat,
    /// s ΦᵀΦ, where it is cheaper than Φ and Φᵀ.
    gram: Option<Vec<T>>,
    wide_gram: OnceLock<Vec<f64>>,
    spectrum: OnceLock<Spectrum>,
}

/// Scratch of a [`LeastSquares`], and exp(u) and w of the linearization.
#[derive(Debug)]
pub struct Workspace<T> {
    inner_rows: Vec<T>,
    outer_rows: Vec<T>,
    penalty: Vec<T>,
    w: Vec<T>,
    gradient: Vec<T>,
    step: Vec<T>,
    wide: Vec<f64>,
}

impl<T: Scalar> LeastSquares<T> {
    /// The inner targets are the outer parameters: u = t. The inner loss is a sum or a mean; the outer one is the mean.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`](crate::Error::Shape) and [`Error::NonFinite`](crate::Error::NonFinite) for any array.
    pub fn targets(inner: Examples<T>, outer: Examples<T>, reduction: Reduction) -> Result<LeastSquares<T>> {
        LeastSquares::new(Kind::Targets, inner, outer, reduction)
    }

    /// The logarithms of the penalty weights are the outer parameters.
    ///
    /// # Errors
    ///
    /// As [`LeastSquares::targets`].
    pub fn log_l2(l2: L2, inner: Examples<T>, outer: Examples<T>, reduction: Reduction) -> Result<LeastSquares<T>> {
        LeastSquares::new(Kind::LogL2(l2), inner, outer, reduction)
    }

    fn new(kind: Kind, inner: Examples<T>, outer: Examples<T>, reduction: Reduction) -> Result<LeastSquares<T>> {
        let (n, rows) = (inner.features, inner.targets.len());
        if outer.features != n {
            return Err(invalid("outer features", outer.features, format!("the inner features, {n}")));
        }
        if outer.targets.is_empty() {
            return Err(invalid("outer examples", 0, "at least 1"));
        }
        for (design, targets, examples) in
            [("inner design", "inner targets", &inner), ("outer design", "outer targets", &outer)]
        {
            check_len(design, examples.design.len(), examples.targets.len() * n)?;
            check_finite(design, &examples.design)?;
            check_finite(targets, &examples.targets)?;
        }
        let scale = match reduction {
            Reduction::Sum => 1.0,
            Reduction::Mean => 1.0 / rows.max(1) as f64,
        };
        let outer_len = match kind {
            Kind::Targets => rows,
            Kind::LogL2(L2::Scalar) => 1,
            Kind::LogL2(L2::PerFeature) => n,
        };
        let mut problem = LeastSquares {
            kind,
            inner,
            outer,
            scale,
            inner_space: Flat::new(n),
            outer_space: Flat::new(outer_len),
            gram: None,
            wide_gram: OnceLock::new(),
            spectrum: OnceLock::new(),
        };
        // One n × n product against two with n × rows.
        if n <= 2 * rows {
            problem.gram = Some(problem.wide_gram().iter().map(|&value| T::from_f64(value)).collect());
        }
        Ok(problem)
    }

    /// s ΦᵀΦ in `f64`; made at the first call, kept after it.
    fn wide_gram(&self) -> &[f64] {
        self.wide_gram.get_or_init(|| {
            let mut gram = cpu::gram(self.inner.features, &self.inner.design);
            for value in &mut gram {
                *value *= self.scale;
            }
            gram
        })
    }

    /// s ΦᵀΦ + diag(penalty) in `f64`.
    fn penalised_gram(&self, penalty: &[T]) -> Result<Vec<f64>> {
        check_finite("exp(u)", penalty)?;
        let mut h = self.wide_gram().to_vec();
        for (i, value) in penalty.iter().enumerate() {
            h[i * penalty.len() + i] += value.to_f64();
        }
        Ok(h)
    }

    /// The eigendecomposition of s ΦᵀΦ, the Hessian without penalty; made at the first call, kept after it.
    pub fn gram_spectrum(&self) -> Result<&Spectrum> {
        cached(&self.spectrum, || Spectrum::of("inner design", self.inner.features, self.wide_gram()))
    }

    /// penalty ← exp(u) for each feature; zero where u is the targets.
    fn set_penalty(&self, u: &[T], penalty: &mut [T]) {
        match self.kind {
            Kind::Targets => penalty.fill(T::ZERO),
            Kind::LogL2(L2::Scalar) => penalty.fill(T::from_f64(u[0].to_f64().exp())),
            Kind::LogL2(L2::PerFeature) => {
                for (penalty, u) in penalty.iter_mut().zip(u) {
                    *penalty = T::from_f64(u.to_f64().exp());
                }
            }
        }
    }

    /// The spectrum of H for the penalty in the workspace.
    fn spectrum_at<'a>(&'a self, penalty: &[T], own: &'a mut Spectrum) -> Result<&'a Spectrum> {
        match self.kind {
            Kind::Targets => self.gram_spectrum(),
            Kind::LogL2(L2::Scalar) => {
                let shift = penalty.first().map_or(0.0, |value| value.to_f64());
                *own = self.gram_spectrum()?.shifted(shift);
                Ok(own)
            }
            Kind::LogL2(L2::PerFeature) => {
                *own = Spectrum::of("inner Hessian", penalty.len(), &self.penalised_gram(penalty)?)?;
                Ok(own)
            }
        }
    }
}

impl<T: Scalar> Problem<T> for LeastSquares<T> {
    type Points = Flat;
    type Vectors = Flat;
    type Workspace = Workspace<T>;

    fn outer_space(&self) -> &Flat {
        &self.outer_space
    }

    fn inner_space(&self) -> &Flat {
        &self.inner_space
    }

    fn workspace(&self) -> Workspace<T> {
        let n = self.inner.features;
        let zeros = |len| vec![T::ZERO; len];
        Workspace {
            inner_rows: zeros(self.inner.targets.len()),
            outer_rows: zeros(self.outer.targets.len()),
            penalty: zeros(n),
            w: zeros(n),
            gradient: zeros(n),
            step: zeros(n),
            wide: Vec::with_capacity(2 * n),
        }
    }

    fn inner(&self, workspace: &mut Workspace<T>, u: &Vec<T>, w: &Vec<T>, gradient: &mut Vec<T>) -> Result<f64> {
        let (simd, n) = (self.inner_space.simd(), self.inner.features);
        let residual = &mut workspace.inner_rows;
        cpu::matvec(simd, n, &self.inner.design, w, residual);
        let targets = if self.kind == Kind::Targets { u } else { &self.inner.targets };
        cpu::axpy(simd, -T::ONE, targets, residual);
        let mut value = 0.5 * self.scale * cpu::dot(simd, residual, residual);
        cpu::scale(simd, T::from_f64(self.scale), residual);
        cpu::matvec_transposed(simd, n, &self.inner.design, residual, gradient);
        if self.kind != Kind::Targets {
            self.set_penalty(u, &mut workspace.penalty);
            for ((gradient, penalty), w) in gradient.iter_mut().zip(&workspace.penalty).zip(w) {
                *gradient += *penalty * *w;
                value += 0.5 * penalty.to_f64() * w.to_f64() * w.to_f64();
            }
        }
        Ok(value)
    }

    fn outer(
        &self,
        workspace: &mut Workspace<T>,
        _u: &Vec<T>,
        w: &Vec<T>,
        gradient_u: &mut Vec<T>,
        gradient_w: &mut Vec<T>,
    ) -> Result<f64> {
        let (simd, n) = (self.inner_space.simd(), self.outer.features);
        gradient_u.fill(T::ZERO);
        let residual = &mut workspace.outer_rows;
        cpu::matvec(simd, n, &self.outer.design, w, residual);
        cpu::axpy(simd, -T::ONE, &self.outer.targets, residual);
        let scale = 1.0 / self.outer.targets.len() as f64;
        let value = 0.5 * scale * cpu::dot(simd, residual, residual);
        cpu::scale(simd, T::from_f64(scale), residual);
        cpu::matvec_transposed(simd, n, &self.outer.design, residual, gradient_w);
        Ok(value)
    }

    fn linearize(&self, workspace: &mut Workspace<T>, u: &Vec<T>, w: &Vec<T>) -> Result<()> {
        if self.kind != Kind::Targets {
            self.set_penalty(u, &mut workspace.penalty);
            workspace.w.copy_from_slice(w);
        }
        Ok(())
    }

    fn vectors<'a>(&'a self, _workspace: &'a Workspace<T>) -> &'a Flat {
        &self.inner_space
    }

    fn lift(&self, _workspace: &mut Workspace<T>, gradient: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        out.copy_from_slice(gradient);
        Ok(())
    }

    fn lower(&self, _workspace: &mut Workspace<T>, vector: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        out.copy_from_slice(vector);
        Ok(())
    }

    fn hvp(&self, workspace: &mut Workspace<T>, v: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        let (simd, n) = (self.inner_space.simd(), self.inner.features);
        match &self.gram {
            Some(gram) => cpu::matvec_transposed(simd, n, gram, v, out),
            None => {
                cpu::matvec(simd, n, &self.inner.design, v, &mut workspace.inner_rows);
                cpu::scale(simd, T::from_f64(self.scale), &mut workspace.inner_rows);
                cpu::matvec_transposed(simd, n, &self.inner.design, &workspace.inner_rows, out);
            }
        }
        if self.kind != Kind::Targets {
            for ((out, penalty), v) in out.iter_mut().zip(&workspace.penalty).zip(v) {
                *out += *penalty * *v;
            }
        }
        Ok(())
    }

    fn mixed_vjp(&self, workspace: &mut Workspace<T>, v: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        let (simd, n) = (self.inner_space.simd(), self.inner.features);
        match self.kind {
            Kind::Targets => {
                cpu::matvec(simd, n, &self.inner.design, v, out);
                cpu::scale(simd, T::from_f64(-self.scale), out);
            }
            Kind::LogL2(L2::Scalar) => {
                let penalty = workspace.penalty.first().map_or(0.0, |value| value.to_f64());
                out[0] = T::from_f64(penalty * cpu::dot(simd, &workspace.w, v));
            }
            Kind::LogL2(L2::PerFeature) => {
                for (((out, penalty), w), v) in out.iter_mut().zip(&workspace.penalty).zip(&workspace.w).zip(v) {
                    *out = *penalty * *w * *v;
                }
            }
        }
        Ok(())
    }

    fn mixed_jvp(&self, workspace: &mut Workspace<T>, du: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        let (simd, n) = (self.inner_space.simd(), self.inner.features);
        if self.kind == Kind::Targets {
            cpu::matvec_transposed(simd, n, &self.inner.design, du, out);
            cpu::scale(simd, T::from_f64(-self.scale), out);
            return Ok(());
        }
        for (i, ((out, penalty), w)) in out.iter_mut().zip(&workspace.penalty).zip(&workspace.w).enumerate() {
            let du = if self.kind == Kind::LogL2(L2::Scalar) { du[0] } else { du[i] };
            *out = *penalty * *w * du;
        }
        Ok(())
    }

    /// w − H⁺ ∇f(u, w): the minimiser nearest to w.
    fn fixpoint(&self, workspace: &mut Workspace<T>, u: &Vec<T>, w: &mut Vec<T>) -> Result<()> {
        self.set_penalty(u, &mut workspace.penalty);
        let mut gradient = std::mem::take(&mut workspace.gradient);
        let value = self.inner(workspace, u, w, &mut gradient);
        workspace.gradient = gradient;
        value?;
        match self.kind {
            Kind::Targets => {
                let spectrum = self.gram_spectrum()?;
                let filter = Filter::MinNorm { floor: default_cutoff::<T>() * spectrum.radius() };
                spectrum.apply(filter, &workspace.gradient, &mut workspace.step, &mut workspace.wide);
            }
            // A penalised problem has one solution however small the penalty: no cutoff.
            Kind::LogL2(L2::Scalar) => {
                let penalty = workspace.penalty.first().map_or(0.0, |value| value.to_f64());
                check_finite("exp(u)", &[penalty])?;
                let filter = Filter::Damped { epsilon: penalty };
                self.gram_spectrum()?.apply(filter, &workspace.gradient, &mut workspace.step, &mut workspace.wide);
            }
            Kind::LogL2(L2::PerFeature) => {
                let h = self.penalised_gram(&workspace.penalty)?;
                cpu::solve_positive_definite("inner Hessian", &h, &workspace.gradient, &mut workspace.step)?;
            }
        }
        self.inner_space.axpy(-T::ONE, &workspace.step, w);
        Ok(())
    }

    fn spectrum<'a>(&'a self, workspace: &'a mut Workspace<T>, own: &'a mut Spectrum) -> Result<(&'a Spectrum, usize)> {
        Ok((self.spectrum_at(&workspace.penalty, own)?, 0))
    }
}
