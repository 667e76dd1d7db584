//! Logistic and softmax regression with L2 penalties or example weights as outer parameters.
//!
//! ```text
//! inner   f(u, w) = s Σᵢ aᵢ ℓ(W xᵢ, tᵢ) + ½ Σⱼ cⱼ wⱼ²      s = 1 (sum) or 1/n (mean)
//! outer   F(w)    = 1/N Σᵢ ℓ(W xᵢ, tᵢ)                     no penalty; ∂F/∂u = 0
//! ```
//!
//! W is classes × features, row-major: one row for the logistic loss. ℓ, its gradient r and its curvature C are in
//! [`Loss`]. Either a = 1 and the penalties c are u or exp(u), one for all, for each feature or for each class ([`L2`]);
//! or aᵢ = σ(uᵢ), one u for each inner example, and c is one fixed number.
//!
//! With X the design and V a direction in W's shape, H v = Yᵀ X + c ∘ v where the rows of Y are s aᵢ Cᵢ V xᵢ: two products
//! with X and nothing else, since `linearize` keeps what C needs. M is diagonal but for sharing (penalties), or has the
//! columns s σ′(uᵢ) rᵢ xᵢᵀ (example weights).
//!
//! One type with an enum for the loss, asked once for each row: two types would share everything but those rows, and a type
//! parameter would double each handle of a foreign interface. Squared error has a problem of its own,
//! [`LeastSquares`](super::LeastSquares), for its closed forms.

use super::data::{ExampleData, check};
use super::examples::{Reduction, check_batch};
use super::loss::{Loss, dot};
use super::penalty::{self, L2, Penalty, Source};
use super::{Problem, heap_of};
use crate::cpu::{Form, Simd};
use crate::error::{check_len, check_nonnegative};
use crate::solve::Flat;
use crate::{Result, Scalar, cpu};

/// Logistic or softmax regression.
///
/// ```
/// use blo::problem::{Examples, L2, Loss, Reduction, Regression};
///
/// let train = Examples { design: vec![1.0, 0.5, -1.0, 2.0], features: 2, targets: vec![1.0, 0.0] };
/// let validation = Examples { design: vec![0.5, 0.5], features: 2, targets: vec![1.0] };
/// let problem = Regression::log_l2(Loss::Logistic, L2::PerFeature, train, validation, Reduction::Mean)?;
/// # Ok::<(), blo::Error>(())
/// ```
#[derive(Debug)]
pub struct Regression<T> {
    loss: Loss,
    penalty: Penalty,
    inner: ExampleData<T>,
    outer: ExampleData<T>,
    scale: f64,
    inner_space: Flat,
    outer_space: Flat,
}

/// Scratch of a [`Regression`], and its linearization.
#[derive(Debug)]
pub struct Workspace<T> {
    inner_rows: Vec<T>,
    outer_rows: Vec<T>,
    /// s aᵢ.
    weights: Vec<T>,
    /// c.
    penalty: Vec<T>,
    /// ∂c/∂u ∘ w at the linearization.
    slopes: Vec<T>,
    /// What the curvature needs, a row for each inner example.
    curvature: Vec<T>,
    /// s σ′(uᵢ) rᵢ; empty unless u weighs examples.
    residuals: Vec<T>,
    /// w at the linearization.
    point: Vec<T>,
}

impl<T: Scalar> Regression<T> {
    /// The penalties themselves are the outer parameters: c = u, which must not be negative.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`](crate::Error::Shape) and [`Error::NonFinite`](crate::Error::NonFinite) for any array, and
    /// [`Error::Invalid`](crate::Error::Invalid) for targets that are not probabilities or fewer than two classes. A
    /// negative u is [`Error::Invalid`](crate::Error::Invalid) wherever it is first used.
    pub fn raw_l2(
        loss: Loss,
        l2: L2,
        inner: impl Into<ExampleData<T>>,
        outer: impl Into<ExampleData<T>>,
        reduction: Reduction,
    ) -> Result<Regression<T>> {
        Regression::new(loss, Source::Raw(l2), inner.into(), outer.into(), reduction)
    }

    /// The logarithms of the penalties are the outer parameters: c = exp(u).
    ///
    /// # Errors
    ///
    /// As [`Regression::raw_l2`], for any u.
    pub fn log_l2(
        loss: Loss,
        l2: L2,
        inner: impl Into<ExampleData<T>>,
        outer: impl Into<ExampleData<T>>,
        reduction: Reduction,
    ) -> Result<Regression<T>> {
        Regression::new(loss, Source::Log(l2), inner.into(), outer.into(), reduction)
    }

    /// The logits of the inner examples' weights are the outer parameters: aᵢ = σ(uᵢ), and c = `l2` for all of w.
    ///
    /// # Errors
    ///
    /// As [`Regression::log_l2`], and [`Error::Invalid`](crate::Error::Invalid) for a negative `l2`.
    pub fn example_weights(
        loss: Loss,
        l2: f64,
        inner: impl Into<ExampleData<T>>,
        outer: impl Into<ExampleData<T>>,
        reduction: Reduction,
    ) -> Result<Regression<T>> {
        check_nonnegative("l2", l2)?;
        Regression::new(loss, Source::Fixed(l2), inner.into(), outer.into(), reduction)
    }

    fn new(
        loss: Loss,
        source: Source,
        inner: ExampleData<T>,
        outer: ExampleData<T>,
        reduction: Reduction,
    ) -> Result<Regression<T>> {
        loss.validate()?;
        let classes = loss.outputs();
        check(&inner, &outer, classes)?;
        loss.check_targets("inner targets", &inner.targets)?;
        loss.check_targets("outer targets", &outer.targets)?;
        let (features, rows) = (inner.features, inner.targets.len() / classes);
        let penalty = Penalty { source, features, classes };
        let outer_len = if matches!(source, Source::Fixed(_)) { rows } else { penalty.outer_len() };
        Ok(Regression {
            loss,
            penalty,
            inner,
            outer,
            scale: reduction.scale(rows),
            inner_space: Flat::new(classes * features),
            outer_space: Flat::new(outer_len),
        })
    }

    fn weighs_examples(&self) -> bool {
        matches!(self.penalty.source, Source::Fixed(_))
    }

    /// The penalties and the weights of the examples at u.
    fn set(&self, u: &[T], workspace: &mut Workspace<T>) -> Result<()> {
        if self.weighs_examples() {
            penalty::set_example_weights(self.scale, u, &mut workspace.weights);
        }
        self.penalty.set(u, &mut workspace.penalty)
    }

    /// Σᵢ weightᵢ ℓᵢ and, in `gradient`, its gradient in W. `rows` is scratch.
    fn data_loss(
        &self,
        examples: &ExampleData<T>,
        weight: impl Fn(usize) -> f64,
        w: &[T],
        rows: &mut [T],
        gradient: &mut [T],
    ) -> f64 {
        let (simd, n, classes) = (self.inner_space.simd(), examples.features, self.loss.outputs());
        logits_of(simd, n, &examples.design, w, rows);
        let mut value = 0.0;
        for (i, (z, t)) in rows.chunks_exact_mut(classes).zip(examples.targets.chunks_exact(classes)).enumerate() {
            value += weight(i) * self.loss.gradient(weight(i), t, z);
        }
        sum_of_rows(simd, [classes, n], rows, &examples.design, gradient);
        value
    }
}

impl<T: Scalar> Problem<T> for Regression<T> {
    type Workspace = Workspace<T>;
    in_host_memory!(T);

    fn workspace(&self) -> Workspace<T> {
        let zeros = |len| vec![T::ZERO; len];
        let (n, logits) = (self.inner_space.len(), self.inner.targets.len());
        Workspace {
            inner_rows: zeros(logits),
            outer_rows: zeros(self.outer.targets.len()),
            weights: vec![T::from_f64(self.scale); logits / self.loss.outputs()],
            penalty: zeros(n),
            slopes: zeros(n),
            curvature: zeros(logits),
            residuals: zeros(if self.weighs_examples() { logits } else { 0 }),
            point: zeros(n),
        }
    }

    fn workspace_bytes(&self, workspace: &Workspace<T>) -> usize {
        let Workspace { inner_rows, outer_rows, weights, penalty, slopes, curvature, residuals, point } = workspace;
        heap_of(&[inner_rows, outer_rows, weights, penalty, slopes, curvature, residuals, point])
    }

    fn inner(&self, workspace: &mut Workspace<T>, u: &Vec<T>, w: &Vec<T>, gradient: &mut Vec<T>) -> Result<f64> {
        self.set(u, workspace)?;
        let Workspace { inner_rows, weights, penalty, .. } = workspace;
        let value = self.data_loss(&self.inner, |i| weights[i].to_f64(), w, inner_rows, gradient);
        Ok(value + penalty::add(penalty, w, gradient))
    }

    fn outer(
        &self,
        workspace: &mut Workspace<T>,
        _u: &Vec<T>,
        w: &Vec<T>,
        gradient_u: &mut Vec<T>,
        gradient_w: &mut Vec<T>,
    ) -> Result<f64> {
        gradient_u.fill(T::ZERO);
        let weight = self.loss.outputs() as f64 / self.outer.targets.len() as f64;
        Ok(self.data_loss(&self.outer, |_| weight, w, &mut workspace.outer_rows, gradient_w))
    }

    fn linearize(&self, workspace: &mut Workspace<T>, u: &Vec<T>, w: &Vec<T>) -> Result<()> {
        self.set(u, workspace)?;
        self.penalty.set_slopes(&workspace.penalty, w, &mut workspace.slopes);
        workspace.point.copy_from_slice(w);
        let classes = self.loss.outputs();
        let logits = &mut workspace.curvature;
        logits_of(self.inner_space.simd(), self.inner.features, &self.inner.design, w, logits);
        if self.weighs_examples() {
            workspace.residuals.copy_from_slice(logits);
            let rows = workspace.residuals.chunks_exact_mut(classes);
            for ((r, t), u) in rows.zip(self.inner.targets.chunks_exact(classes)).zip(u) {
                self.loss.gradient(penalty::example_slope(self.scale, *u), t, r);
            }
        }
        logits.chunks_exact_mut(classes).for_each(|z| self.loss.linearize(z));
        Ok(())
    }

    fn hvp(&self, workspace: &mut Workspace<T>, v: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        let (simd, n, classes) = (self.inner_space.simd(), self.inner.features, self.loss.outputs());
        let images = &mut workspace.inner_rows;
        logits_of(simd, n, &self.inner.design, v, images);
        let rows = images.chunks_exact_mut(classes).zip(self.inner.targets.chunks_exact(classes));
        for (((y, t), p), weight) in rows.zip(workspace.curvature.chunks_exact(classes)).zip(&workspace.weights) {
            self.loss.curvature(weight.to_f64(), t, p, y);
        }
        sum_of_rows(simd, [classes, n], images, &self.inner.design, out);
        for ((out, penalty), v) in out.iter_mut().zip(&workspace.penalty).zip(v) {
            *out += *penalty * *v;
        }
        Ok(())
    }

    fn mixed_vjp(&self, workspace: &mut Workspace<T>, v: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        if !self.weighs_examples() {
            self.penalty.mixed_vjp(&workspace.slopes, v, out);
            return Ok(());
        }
        let (images, classes) = (&mut workspace.inner_rows, self.loss.outputs());
        logits_of(self.inner_space.simd(), self.inner.features, &self.inner.design, v, images);
        let rows = images.chunks_exact(classes).zip(workspace.residuals.chunks_exact(classes));
        out.iter_mut().zip(rows).for_each(|(out, (y, r))| *out = T::from_f64(dot(y, r)));
        Ok(())
    }

    fn mixed_jvp(&self, workspace: &mut Workspace<T>, du: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        if !self.weighs_examples() {
            self.penalty.mixed_jvp(&workspace.slopes, du, out);
            return Ok(());
        }
        let (changes, classes) = (&mut workspace.inner_rows, self.loss.outputs());
        let rows = changes.chunks_exact_mut(classes).zip(workspace.residuals.chunks_exact(classes));
        for ((change, r), du) in rows.zip(du) {
            change.iter_mut().zip(r).for_each(|(change, r)| *change = *r * *du);
        }
        sum_of_rows(self.inner_space.simd(), [classes, self.inner.features], changes, &self.inner.design, out);
        Ok(())
    }

    fn examples(&self) -> usize {
        self.inner.targets.len() / self.loss.outputs()
    }

    fn example_scores(&self, workspace: &mut Workspace<T>, v: &Vec<T>, scores: &mut [f64]) -> Result<()> {
        check_len("scores", scores.len(), self.examples())?;
        let Workspace { inner_rows, weights, point, .. } = workspace;
        let (simd, n, classes) = (self.inner_space.simd(), self.inner.features, self.loss.outputs());
        logits_of(simd, n, &self.inner.design, point, inner_rows);
        let rows = inner_rows.chunks_exact_mut(classes).zip(self.inner.targets.chunks_exact(classes));
        for (i, ((r, t), weight)) in rows.zip(weights).enumerate() {
            self.loss.gradient(weight.to_f64(), t, r);
            let x = &self.inner.design[i * n..(i + 1) * n];
            let image = |k: usize| cpu::dot(simd, x, &v[k * n..(k + 1) * n]);
            scores[i] = r.iter().enumerate().map(|(k, r)| r.to_f64() * image(k)).sum();
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
        let (simd, n, classes) = (self.inner_space.simd(), self.inner.features, self.loss.outputs());
        let z = &mut workspace.inner_rows[..classes];
        let mut value = 0.0;
        gradient.fill(T::ZERO);
        for &i in batch {
            let weight = if self.weighs_examples() {
                share * penalty::example_weight(self.scale, u[i]).to_f64()
            } else {
                share * self.scale
            };
            let x = &self.inner.design[i * n..(i + 1) * n];
            logits_of(simd, n, x, w, z);
            value += weight * self.loss.gradient(weight, &self.inner.targets[i * classes..(i + 1) * classes], z);
            for (k, z) in z.iter().enumerate() {
                cpu::axpy(simd, *z, x, &mut gradient[k * n..(k + 1) * n]);
            }
        }
        Ok(value + penalty::add(&workspace.penalty, w, gradient))
    }
}

/// z ← X Wᵀ: the logits of each row of X.
fn logits_of<T: Scalar>(simd: Simd, features: usize, design: &[T], w: &[T], z: &mut [T]) {
    if features == 0 {
        z.fill(T::ZERO);
        return;
    }
    let shape = [design.len() / features, w.len() / features, features];
    cpu::gemm(simd, Form::Abt, shape, design, w, false, z);
}

/// out ← Rᵀ X, with a row of R for each row of X.
fn sum_of_rows<T: Scalar>(simd: Simd, [classes, features]: [usize; 2], r: &[T], design: &[T], out: &mut [T]) {
    cpu::gemm(simd, Form::Atb, [classes, features, r.len() / classes], r, design, false, out);
}
