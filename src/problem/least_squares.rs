//! Least squares with its targets, its L2 penalties or the weights of its examples as outer parameters.

use super::data::{ExampleData, check};
use super::examples::{Reduction, check_batch};
use super::penalty::{self, L2, Penalty, Source};
use super::quadratic::cached;
use super::{Problem, heap_of};
use crate::error::{check_finite, check_len, check_nonnegative};
use crate::solve::{Filter, Flat, Space, Spectrum, default_cutoff};
use crate::{Result, Scalar, cpu};
use std::sync::OnceLock;

/// What the outer parameters are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Targets,
    /// One penalty for all of w: H only moves its eigenvalues.
    ScalarL2,
    L2,
    ExampleWeights,
}

impl Kind {
    /// With one row of W, a penalty for each class is one for all.
    fn of(l2: L2) -> Kind {
        match l2 {
            L2::Scalar | L2::PerClass => Kind::ScalarL2,
            L2::PerFeature => Kind::L2,
        }
    }
}

/// Linear least squares.
///
/// Inner: f = s ½ Σ aᵢ (φᵢᵀw − tᵢ)² + ½ Σ cⱼ wⱼ², with s = 1 (sum) or 1/n (mean). One of these is the outer parameter:
/// the targets (u = t, a = 1, c = 0, so that M = −s Φᵀ); the penalties (c = u or exp(u), a = 1); the examples' weights
/// (aᵢ = σ(uᵢ), c fixed). Outer: F = 1/(2N) ‖Φₒ w − y‖², the mean over N outer examples; ∂F/∂u = 0.
#[derive(Debug)]
pub struct LeastSquares<T> {
    kind: Kind,
    penalty: Penalty,
    inner: ExampleData<T>,
    outer: ExampleData<T>,
    scale: f64,
    inner_space: Flat,
    outer_space: Flat,
    /// s ΦᵀΦ, where it is cheaper than Φ and Φᵀ.
    gram: Option<Vec<T>>,
    wide_gram: OnceLock<Vec<f64>>,
    spectrum: OnceLock<Spectrum>,
}

/// Scratch of a [`LeastSquares`], and its linearization.
#[derive(Debug)]
pub struct Workspace<T> {
    inner_rows: Vec<T>,
    outer_rows: Vec<T>,
    /// c; empty where u is the targets.
    penalty: Vec<T>,
    /// ∂c/∂u ∘ w at the linearization.
    slopes: Vec<T>,
    /// s aᵢ; empty unless u weighs examples.
    weights: Vec<T>,
    /// s σ′(uᵢ) (φᵢᵀw − tᵢ) at the linearization; empty unless u weighs examples.
    residuals: Vec<T>,
    /// w at the linearization.
    point: Vec<T>,
    /// u at the linearization; empty unless u is the targets.
    targets: Vec<T>,
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
    pub fn targets(
        inner: impl Into<ExampleData<T>>,
        outer: impl Into<ExampleData<T>>,
        reduction: Reduction,
    ) -> Result<LeastSquares<T>> {
        LeastSquares::new(Kind::Targets, Source::Fixed(0.0), inner.into(), outer.into(), reduction)
    }

    /// The penalties themselves are the outer parameters: c = u.
    ///
    /// # Errors
    ///
    /// As [`LeastSquares::targets`]. A negative u is [`Error::Invalid`](crate::Error::Invalid) wherever it is first used.
    pub fn raw_l2(
        l2: L2,
        inner: impl Into<ExampleData<T>>,
        outer: impl Into<ExampleData<T>>,
        reduction: Reduction,
    ) -> Result<LeastSquares<T>> {
        LeastSquares::new(Kind::of(l2), Source::Raw(l2), inner.into(), outer.into(), reduction)
    }

    /// The logarithms of the penalties are the outer parameters: c = exp(u).
    ///
    /// # Errors
    ///
    /// As [`LeastSquares::targets`].
    pub fn log_l2(
        l2: L2,
        inner: impl Into<ExampleData<T>>,
        outer: impl Into<ExampleData<T>>,
        reduction: Reduction,
    ) -> Result<LeastSquares<T>> {
        LeastSquares::new(Kind::of(l2), Source::Log(l2), inner.into(), outer.into(), reduction)
    }

    /// The logits of the inner examples' weights are the outer parameters: aᵢ = σ(uᵢ), and c = `l2` for all of w.
    ///
    /// # Errors
    ///
    /// As [`LeastSquares::targets`], and [`Error::Invalid`](crate::Error::Invalid) for a negative `l2`.
    pub fn example_weights(
        l2: f64,
        inner: impl Into<ExampleData<T>>,
        outer: impl Into<ExampleData<T>>,
        reduction: Reduction,
    ) -> Result<LeastSquares<T>> {
        check_nonnegative("l2", l2)?;
        LeastSquares::new(Kind::ExampleWeights, Source::Fixed(l2), inner.into(), outer.into(), reduction)
    }

    fn new(
        kind: Kind,
        source: Source,
        inner: ExampleData<T>,
        outer: ExampleData<T>,
        reduction: Reduction,
    ) -> Result<LeastSquares<T>> {
        check(&inner, &outer, 1)?;
        let (n, rows) = (inner.features, inner.targets.len());
        let penalty = Penalty { source, features: n, classes: 1 };
        let outer_len = match kind {
            Kind::Targets | Kind::ExampleWeights => rows,
            Kind::ScalarL2 | Kind::L2 => penalty.outer_len(),
        };
        let mut problem = LeastSquares {
            kind,
            penalty,
            inner,
            outer,
            scale: reduction.scale(rows),
            inner_space: Flat::new(n),
            outer_space: Flat::new(outer_len),
            gram: None,
            wide_gram: OnceLock::new(),
            spectrum: OnceLock::new(),
        };
        // One n × n product against two with n × rows.
        if n <= 2 * rows && kind != Kind::ExampleWeights {
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

    /// H in `f64`, for the penalties and the weights in the workspace.
    fn hessian(&self, workspace: &Workspace<T>) -> Result<Vec<f64>> {
        check_finite("exp(u)", &workspace.penalty)?;
        let n = self.inner.features;
        let mut h = if self.kind == Kind::ExampleWeights {
            let rows = self.inner.design.chunks_exact(n.max(1)).zip(&workspace.weights);
            let weighed = rows.flat_map(|(row, weight)| {
                let root = weight.to_f64().sqrt();
                row.iter().map(move |value| root * value.to_f64())
            });
            cpu::gram(n, &weighed.collect::<Vec<f64>>())
        } else {
            self.wide_gram().to_vec()
        };
        for (i, value) in workspace.penalty.iter().enumerate() {
            h[i * n + i] += value.to_f64();
        }
        Ok(h)
    }

    /// The eigendecomposition of s ΦᵀΦ, the Hessian without penalty and weights; made at the first call, kept after it.
    pub fn gram_spectrum(&self) -> Result<&Spectrum> {
        cached(&self.spectrum, || Spectrum::of("inner design", self.inner.features, self.wide_gram()))
    }

    /// The penalties and the weights of the examples at u.
    fn set(&self, u: &[T], workspace: &mut Workspace<T>) -> Result<()> {
        penalty::set_example_weights(self.scale, u, &mut workspace.weights);
        self.penalty.set(u, &mut workspace.penalty)
    }

    /// The spectrum of H for the penalties and the weights in the workspace.
    fn spectrum_at<'a>(&'a self, workspace: &Workspace<T>, own: &'a mut Spectrum) -> Result<&'a Spectrum> {
        match self.kind {
            Kind::Targets => return self.gram_spectrum(),
            Kind::ScalarL2 => {
                let shift = workspace.penalty.first().map_or(0.0, |value| value.to_f64());
                check_finite("exp(u)", &[shift])?;
                *own = self.gram_spectrum()?.shifted(shift);
            }
            Kind::L2 | Kind::ExampleWeights => {
                *own = Spectrum::of("inner Hessian", self.inner.features, &self.hessian(workspace)?)?;
            }
        }
        Ok(own)
    }

    /// rows ← Φ x.
    fn images(&self, examples: &ExampleData<T>, x: &[T], rows: &mut [T]) {
        cpu::matvec(self.inner_space.simd(), examples.features, &examples.design, x, rows);
    }

    /// out ← Φᵀ rows.
    fn pull_back(&self, examples: &ExampleData<T>, rows: &[T], out: &mut [T]) {
        cpu::matvec_transposed(self.inner_space.simd(), examples.features, &examples.design, rows, out);
    }
}

/// x ← x ∘ y.
fn multiply<T: Scalar>(x: &mut [T], y: &[T]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x = *x * *y);
}

impl<T: Scalar> Problem<T> for LeastSquares<T> {
    type Workspace = Workspace<T>;
    in_host_memory!(T);

    fn workspace(&self) -> Workspace<T> {
        let (n, rows) = (self.inner.features, self.inner.targets.len());
        let zeros = |len| vec![T::ZERO; len];
        let weighed = if self.kind == Kind::ExampleWeights { rows } else { 0 };
        Workspace {
            inner_rows: zeros(rows),
            outer_rows: zeros(self.outer.targets.len()),
            penalty: zeros(if self.kind == Kind::Targets { 0 } else { n }),
            slopes: zeros(n),
            weights: zeros(weighed),
            residuals: zeros(weighed),
            point: zeros(n),
            targets: zeros(if self.kind == Kind::Targets { rows } else { 0 }),
            gradient: zeros(n),
            step: zeros(n),
            wide: Vec::with_capacity(2 * n),
        }
    }

    fn workspace_bytes(&self, workspace: &Workspace<T>) -> usize {
        let Workspace {
            inner_rows,
            outer_rows,
            penalty,
            slopes,
            weights,
            residuals,
            point,
            targets,
            gradient,
            step,
            wide,
        } = workspace;
        heap_of(&[inner_rows, outer_rows, penalty, slopes, weights, residuals, point, targets, gradient, step])
            + heap_of(&[wide])
    }

    fn inner(&self, workspace: &mut Workspace<T>, u: &Vec<T>, w: &Vec<T>, gradient: &mut Vec<T>) -> Result<f64> {
        self.set(u, workspace)?;
        let simd = self.inner_space.simd();
        let residual = &mut workspace.inner_rows;
        self.images(&self.inner, w, residual);
        let targets = if self.kind == Kind::Targets { &u[..] } else { &self.inner.targets };
        cpu::axpy(simd, -T::ONE, targets, residual);
        let value = if self.kind == Kind::ExampleWeights {
            let terms = residual.iter().zip(&workspace.weights);
            let value = 0.5 * terms.map(|(r, weight)| weight.to_f64() * r.to_f64() * r.to_f64()).sum::<f64>();
            multiply(residual, &workspace.weights);
            value
        } else {
            let value = 0.5 * self.scale * cpu::dot(simd, residual, residual);
            cpu::scale(simd, T::from_f64(self.scale), residual);
            value
        };
        self.pull_back(&self.inner, residual, gradient);
        Ok(value + penalty::add(&workspace.penalty, w, gradient))
    }

    fn outer(
        &self,
        workspace: &mut Workspace<T>,
        _u: &Vec<T>,
        w: &Vec<T>,
        gradient_u: &mut Vec<T>,
        gradient_w: &mut Vec<T>,
    ) -> Result<f64> {
        let simd = self.inner_space.simd();
        gradient_u.fill(T::ZERO);
        let residual = &mut workspace.outer_rows;
        self.images(&self.outer, w, residual);
        cpu::axpy(simd, -T::ONE, &self.outer.targets, residual);
        let scale = 1.0 / self.outer.targets.len() as f64;
        let value = 0.5 * scale * cpu::dot(simd, residual, residual);
        cpu::scale(simd, T::from_f64(scale), residual);
        self.pull_back(&self.outer, residual, gradient_w);
        Ok(value)
    }

    fn linearize(&self, workspace: &mut Workspace<T>, u: &Vec<T>, w: &Vec<T>) -> Result<()> {
        self.set(u, workspace)?;
        workspace.point.copy_from_slice(w);
        match self.kind {
            Kind::Targets => workspace.targets.copy_from_slice(u),
            Kind::ScalarL2 | Kind::L2 => self.penalty.set_slopes(&workspace.penalty, w, &mut workspace.slopes),
            Kind::ExampleWeights => {
                let residuals = &mut workspace.residuals;
                self.images(&self.inner, w, residuals);
                for ((r, t), u) in residuals.iter_mut().zip(self.inner.targets.iter()).zip(u) {
                    *r = T::from_f64(penalty::example_slope(self.scale, *u) * (*r - *t).to_f64());
                }
            }
        }
        Ok(())
    }

    fn hvp(&self, workspace: &mut Workspace<T>, v: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        let (simd, images) = (self.inner_space.simd(), &mut workspace.inner_rows);
        if let Some(gram) = &self.gram {
            cpu::matvec_transposed(simd, self.inner.features, gram, v, out);
        } else {
            self.images(&self.inner, v, images);
            if self.kind == Kind::ExampleWeights {
                multiply(images, &workspace.weights);
            } else {
                cpu::scale(simd, T::from_f64(self.scale), images);
            }
            self.pull_back(&self.inner, images, out);
        }
        for ((out, penalty), v) in out.iter_mut().zip(&workspace.penalty).zip(v) {
            *out += *penalty * *v;
        }
        Ok(())
    }

    fn mixed_vjp(&self, workspace: &mut Workspace<T>, v: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        match self.kind {
            Kind::Targets => {
                self.images(&self.inner, v, out);
                cpu::scale(self.inner_space.simd(), T::from_f64(-self.scale), out);
            }
            Kind::ScalarL2 | Kind::L2 => self.penalty.mixed_vjp(&workspace.slopes, v, out),
            Kind::ExampleWeights => {
                self.images(&self.inner, v, out);
                multiply(out, &workspace.residuals);
            }
        }
        Ok(())
    }

    fn mixed_jvp(&self, workspace: &mut Workspace<T>, du: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        match self.kind {
            Kind::Targets => {
                self.pull_back(&self.inner, du, out);
                cpu::scale(self.inner_space.simd(), T::from_f64(-self.scale), out);
            }
            Kind::ScalarL2 | Kind::L2 => self.penalty.mixed_jvp(&workspace.slopes, du, out),
            Kind::ExampleWeights => {
                workspace.inner_rows.copy_from_slice(du);
                multiply(&mut workspace.inner_rows, &workspace.residuals);
                self.pull_back(&self.inner, &workspace.inner_rows, out);
            }
        }
        Ok(())
    }

    fn examples(&self) -> usize {
        self.inner.targets.len()
    }

    fn example_scores(&self, workspace: &mut Workspace<T>, v: &Vec<T>, scores: &mut [f64]) -> Result<()> {
        check_len("scores", scores.len(), self.examples())?;
        let (simd, n) = (self.inner_space.simd(), self.inner.features);
        let targets = if self.kind == Kind::Targets { &workspace.targets[..] } else { &self.inner.targets };
        for (i, (score, target)) in scores.iter_mut().zip(targets).enumerate() {
            let row = &self.inner.design[i * n..(i + 1) * n];
            let weight = workspace.weights.get(i).map_or(self.scale, |weight| weight.to_f64());
            let residual = cpu::dot(simd, row, &workspace.point) - target.to_f64();
            *score = weight * residual * cpu::dot(simd, row, v);
        }
        Ok(())
    }

    fn inner_batch(
        &self,
        workspace: &mut Workspace<T>,
        batch: &[usize],
        u: &Vec<T>,
        w: &Vec<T>,
        gradient: &mut Vec<T>,
    ) -> Result<f64> {
        let share = check_batch(batch, self.examples())?;
        self.penalty.set(u, &mut workspace.penalty)?;
        let (simd, n) = (self.inner_space.simd(), self.inner.features);
        let targets = if self.kind == Kind::Targets { &u[..] } else { &self.inner.targets };
        let mut value = 0.0;
        gradient.fill(T::ZERO);
        for &i in batch {
            let row = &self.inner.design[i * n..(i + 1) * n];
            let weight = match self.kind {
                Kind::ExampleWeights => share * penalty::example_weight(self.scale, u[i]).to_f64(),
                _ => share * self.scale,
            };
            let residual = cpu::dot(simd, row, w) - targets[i].to_f64();
            value += 0.5 * weight * residual * residual;
            cpu::axpy(simd, T::from_f64(weight * residual), row, gradient);
        }
        Ok(value + penalty::add(&workspace.penalty, w, gradient))
    }

    /// w − H⁺ ∇f(u, w): the minimiser nearest to w.
    ///
    /// Where every penalty is above 0 the solution is unique and none of it is cut off, however small the penalties. Where
    /// one is 0, directions whose curvature is below [`default_cutoff`] of the largest count as flat, and w keeps its part
    /// in them.
    fn fixpoint(&self, workspace: &mut Workspace<T>, u: &Vec<T>, w: &mut Vec<T>) -> Result<()> {
        let mut gradient = std::mem::take(&mut workspace.gradient);
        let value = self.inner(workspace, u, w, &mut gradient);
        workspace.gradient = gradient;
        value?;
        check_finite("exp(u)", &workspace.penalty)?;
        let strict = self.kind != Kind::Targets && workspace.penalty.iter().all(|value| *value > T::ZERO);
        if self.kind == Kind::ScalarL2 && strict {
            let filter = Filter::Damped { epsilon: workspace.penalty.first().map_or(0.0, |value| value.to_f64()) };
            self.gram_spectrum()?.apply(filter, &workspace.gradient, &mut workspace.step, &mut workspace.wide);
        } else if strict {
            let h = self.hessian(workspace)?;
            cpu::solve_positive_definite("inner Hessian", &h, &workspace.gradient, &mut workspace.step)?;
        } else {
            let mut own = Spectrum::default();
            let spectrum = self.spectrum_at(workspace, &mut own)?;
            let filter = Filter::MinNorm { floor: default_cutoff::<T>() * spectrum.radius() };
            spectrum.apply(filter, &workspace.gradient, &mut workspace.step, &mut workspace.wide);
        }
        self.inner_space.axpy(-T::ONE, &workspace.step, w);
        Ok(())
    }

    fn spectrum<'a>(&'a self, workspace: &'a mut Workspace<T>, own: &'a mut Spectrum) -> Result<(&'a Spectrum, usize)> {
        Ok((self.spectrum_at(workspace, own)?, 0))
    }

    fn prepare_spectrum(&self, _: &Workspace<T>, own: &mut Spectrum) -> Result<()> {
        match self.kind {
            Kind::Targets | Kind::ScalarL2 => _ = self.gram_spectrum()?,
            Kind::L2 => _ = self.wide_gram(),
            Kind::ExampleWeights => {}
        }
        if self.kind != Kind::Targets {
            own.reserve(self.inner.features);
        }
        Ok(())
    }
}
