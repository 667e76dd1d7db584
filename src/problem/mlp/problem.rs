//! The problem: model, outer parameters and data put together.

use super::examples::{Gathered, check_examples, scores};
use super::loss::Batch;
use super::model::Model;
use super::outer::{Change, Data, Outer, OuterParameters, check_l2};
use super::passes::{At, Back, Pass, Sweep};
use super::series::Series;
use crate::cpu::{self, Simd};
use crate::error::invalid;
use crate::problem::{self, ExampleData, Problem, Reduction};
use crate::solve::{self, Flat, Report, Solve};
use crate::{Result, Scalar};

/// Outer examples that go through the network together.
pub(super) const CHUNK: usize = 256;

/// A network trained on inner examples, and judged on outer ones.
///
/// ```
/// use blo::problem::mlp::{Activation, Loss, Mlp, Model, OuterParameters};
/// use blo::problem::{Examples, Reduction, one_hot};
///
/// // Two distilled points, one of each class, learn to stand for four.
/// let model = Model::new(&[2, 16, 2], Activation::Relu, Loss::CrossEntropy)?;
/// let distilled = Examples { design: vec![], features: 2, targets: one_hot(&[0, 1], 2)? };
/// let data = Examples {
///     design: vec![0.1, 1.0, -0.2, 1.1, 0.3, -1.0, 0.0, -1.2],
///     features: 2,
///     targets: one_hot(&[0, 0, 1, 1], 2)?,
/// };
/// let problem = Mlp::<f64>::new(model, OuterParameters::Inputs, distilled, data, Reduction::Mean, 0.0)?;
/// # Ok::<(), blo::Error>(())
/// ```
#[derive(Debug)]
pub struct Mlp<T> {
    model: Model,
    pub(super) kind: OuterParameters,
    inner: ExampleData<T>,
    outer: ExampleData<T>,
    /// n.
    rows: usize,
    scale: f64,
    l2: f64,
    inner_space: Flat,
    outer_space: Flat,
}

/// The inner problem at some (u, w).
#[derive(Debug)]
pub(super) struct Point<T> {
    pub data: Data<T>,
    pub pass: Pass<T>,
}

/// Scratch of an [`Mlp`], and its linearization.
#[derive(Debug)]
pub struct Workspace<T> {
    pub(super) scratch: Point<T>,
    /// The linearization, at `u` and `w`.
    pub(super) frozen: Point<T>,
    pub(super) u: Vec<T>,
    pub(super) w: Vec<T>,
    pub(super) sweep: Sweep<T>,
    pub(super) gathered: Gathered<T>,
    pub(super) change: Change<T>,
    outer_pass: Pass<T>,
    outer_weights: Vec<T>,
    /// n × the outer examples that go together; empty where the outer gradient is formed.
    panel: Vec<T>,
    pub(super) series: Option<Series<T>>,
}

impl<T: Scalar> Mlp<T> {
    /// The inner examples' arrays that u is, or makes anew, are not read and may be empty, except that their number is that of
    /// the targets' rows: give targets of the right length where u is the labels. With
    /// [`OuterParameters::LinearAugmentation`] the design is the data before augmentation. `l2` is μ, on weights and biases.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`](crate::Error::Shape) and [`Error::NonFinite`](crate::Error::NonFinite) for any array,
    /// [`Error::Invalid`](crate::Error::Invalid) for features that are not the model's inputs, no outer example, a negative
    /// target of a cross-entropy, a negative `l2`, or a proximal weight that is not above 0.
    pub fn new(
        model: Model,
        kind: OuterParameters,
        inner: impl Into<ExampleData<T>>,
        outer: impl Into<ExampleData<T>>,
        reduction: Reduction,
        l2: f64,
    ) -> Result<Mlp<T>> {
        let (inner, outer) = (inner.into(), outer.into());
        kind.validate()?;
        check_l2(l2)?;
        let (d, c) = (model.inputs(), model.outputs());
        let augments = kind == OuterParameters::LinearAugmentation;
        for (argument, features, free) in
            [("inner features", inner.features, augments), ("outer features", outer.features, false)]
        {
            if features == 0 || !free && features != d {
                return Err(invalid(argument, features, format!("the model's inputs, {d}")));
            }
        }
        let given = augments || !kind.sets_inputs();
        check_examples(&inner, ["inner design", "inner targets"], c, given, model.loss)?;
        check_examples(&outer, ["outer design", "outer targets"], c, true, model.loss)?;
        if outer.targets.is_empty() {
            return Err(invalid("outer examples", 0, "at least 1"));
        }
        let rows = inner.targets.len() / c;
        let mut problem = Mlp {
            kind,
            rows,
            scale: reduction.scale(rows),
            l2,
            inner_space: Flat::new(model.parameters()),
            outer_space: Flat::new(0),
            model,
            inner,
            outer,
        };
        problem.outer_space = Flat::new(problem.parts().len());
        Ok(problem)
    }

    /// The network.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The inner examples, as given.
    pub fn inner_examples(&self) -> &ExampleData<T> {
        &self.inner
    }

    /// The outer examples.
    pub fn outer_examples(&self) -> &ExampleData<T> {
        &self.outer
    }

    /// What u is, the scale of the inner sum, and μ: for the same problem elsewhere.
    #[cfg(feature = "cuda")]
    pub(crate) fn terms(&self) -> (OuterParameters, f64, f64) {
        (self.kind, self.scale, self.l2)
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// data ← what u makes of it.
    pub(super) fn set_data(&self, u: &[T], data: &mut Data<T>) -> Result<()> {
        self.parts().set(u, data)
    }

    pub(super) fn simd(&self) -> Simd {
        self.inner_space.simd()
    }

    pub(super) fn parts(&self) -> Outer<'_, T> {
        Outer {
            kind: self.kind,
            model: &self.model,
            rows: self.rows,
            design: &self.inner.design,
            features: self.inner.features,
            scale: self.scale,
            l2: self.l2,
            simd: self.simd(),
        }
    }

    /// x.
    pub(super) fn inputs<'a>(&'a self, data: &'a Data<T>) -> &'a [T] {
        if self.kind.sets_inputs() { &data.x } else { &self.inner.design }
    }

    pub(super) fn batch<'a>(&'a self, data: &'a Data<T>) -> Batch<'a, T> {
        let targets = if self.kind.sets_targets() { &data.t[..] } else { &self.inner.targets };
        Batch { outputs: self.model.outputs(), targets, weights: &data.weights }
    }

    pub(super) fn at<'a>(&'a self, w: &'a [T], point: &'a Point<T>) -> At<'a, T> {
        let x = self.inputs(&point.data);
        At { model: &self.model, simd: self.simd(), rows: self.rows, w, x, pass: &point.pass }
    }

    /// f, on several threads if `examples` are many for this model.
    pub(super) fn on_threads<R: Send>(&self, examples: usize, f: impl FnOnce() -> R + Send) -> R {
        cpu::on_threads(3 * examples * self.model.parameters(), f)
    }

    /// The pass at (u, w); returns f without the penalties.
    fn pass(&self, u: &[T], w: &[T], point: &mut Point<T>) -> Result<f64> {
        let Point { data, pass } = point;
        self.set_data(u, data)?;
        Ok(pass.run(&self.model, self.simd(), w, self.inputs(data), self.batch(data)))
    }

    /// gradient ← gradient + the penalties' part; returns their value.
    pub(super) fn add_penalties(&self, u: &[T], w: &[T], data: &Data<T>, gradient: &mut [T]) -> f64 {
        let (groups, simd) = (self.kind.groups(), self.simd());
        groups.add_scaled(&self.model, simd, &data.penalties, w, gradient);
        let mut value = 0.0;
        if data.penalties.iter().any(|c| *c != T::ZERO) {
            groups.dots(&self.model, simd, w, w, |g, square| value += 0.5 * data.penalties[g].to_f64() * square);
        }
        let weight = self.kind.proximal_weight();
        if weight > 0.0 {
            for ((gradient, w), u) in gradient.iter_mut().zip(w).zip(u) {
                let away = w.to_f64() - u.to_f64();
                value += 0.5 * weight * away * away;
                *gradient += T::from_f64(weight * away);
            }
        }
        value
    }

    /// out ← out + the penalties' Hessian times v.
    fn add_penalty_curvature(&self, data: &Data<T>, v: &[T], out: &mut [T]) {
        self.kind.groups().add_scaled(&self.model, self.simd(), &data.penalties, v, out);
        let weight = self.kind.proximal_weight();
        if weight > 0.0 {
            cpu::axpy(self.simd(), T::from_f64(weight), v, out);
        }
    }

    /// out ← the product with v, in w, at the linearization, with the terms given.
    fn product(&self, workspace: &mut Workspace<T>, v: &[T], terms: Back, out: &mut [T]) {
        let Workspace { frozen, w, sweep, .. } = workspace;
        let at = self.at(w, frozen);
        sweep.images(&at, v, terms == Back::Full);
        sweep.forward(&at);
        sweep.turn(&at, self.batch(&frozen.data));
        sweep.backward(&at, terms);
        sweep.output(&at, &[], terms, out);
        self.add_penalty_curvature(&frozen.data, v, out);
    }

    /// out ← the Gauss-Newton product Σ ωᵢ Jᵢᵀ (∂²ℓ/∂z²) Jᵢ v, with J = ∂z/∂w, plus the penalties'. Positive semidefinite
    /// where no target is negative; H need not be.
    pub fn gauss_newton(&self, workspace: &mut Workspace<T>, v: &[T], out: &mut [T]) {
        self.product(workspace, v, Back::GaussNewton, out);
    }

    /// The adjoints of the data for the images in `sweep`; Z_1 is in `change.x`.
    pub(super) fn pull_back_images(
        &self,
        at: &At<'_, T>,
        batch: Batch<'_, T>,
        sweep: &mut Sweep<T>,
        change: &mut Change<T>,
    ) {
        sweep.forward(at);
        // Without inputs among the outer parameters, the way forward is enough.
        if self.kind.sets_inputs() {
            sweep.turn(at, batch);
            sweep.backward(at, Back::Full);
            self.model.layers[0].backward(self.simd(), at.w, &sweep.rdelta[0], true, &mut change.x);
        }
        let Some(rz) = sweep.rz.last() else { return };
        if self.kind.sets_targets() {
            self.model.loss.target_vjp(batch, &at.pass.probabilities, rz, &mut change.t);
        }
        if self.kind.sets_weights() {
            scores(at.pass, rz, self.model.outputs(), |i, score| change.log_weights[i] = T::from_f64(score));
        }
    }

    /// Whether images of the outer gradient's factors are cheaper than its matrices: 4nN(i + o) operations for a layer
    /// against 2Noi, and it has to be made of data alone.
    fn short_way(&self) -> bool {
        let size = |of: fn(usize, usize) -> usize| -> usize {
            self.model.layers.iter().map(|layer| of(layer.inputs, layer.outputs)).sum()
        };
        self.kind.sets_data() && 2 * self.rows * size(|i, o| i + o) < size(|i, o| i * o)
    }

    /// The number of hidden pre-activations of the inner examples at (u, w) with |z| ≤ distance: how many units could switch
    /// under a small step, so that a derivative through ReLUs says little there.
    pub fn near_kink(&self, workspace: &mut Workspace<T>, u: &[T], w: &[T], distance: f64) -> Result<usize> {
        self.pass(u, w, &mut workspace.scratch)?;
        let at = self.at(w, &workspace.scratch);
        let mut near = 0;
        let mut z = Vec::new();
        for (l, layer) in self.model.layers.iter().enumerate().take(self.model.layers.len() - 1) {
            z.resize(self.rows * layer.outputs, T::ZERO);
            layer.forward(self.simd(), w, at.inputs(l), &mut z);
            near += z.iter().filter(|z| z.to_f64().abs() <= distance).count();
        }
        Ok(near)
    }

    /// out ← ∇_u f(u, w).
    pub fn inner_gradient_u(&self, workspace: &mut Workspace<T>, u: &[T], w: &[T], out: &mut [T]) -> Result<()> {
        let Workspace { scratch, change, .. } = workspace;
        self.pass(u, w, scratch)?;
        let Point { data, pass } = scratch;
        let (batch, simd) = (self.batch(data), self.simd());
        if self.kind.sets_inputs() {
            self.model.layers[0].backward(simd, w, &pass.deltas[0], false, &mut change.x);
        }
        if self.kind.sets_targets() {
            self.model.loss.target_gradient(batch, &pass.outputs, &mut change.t);
        }
        for ((change, weight), value) in change.log_weights.iter_mut().zip(&data.weights).zip(&pass.values) {
            *change = T::from_f64(weight.to_f64() * value);
        }
        if !change.penalties.is_empty() {
            let groups = self.kind.groups();
            groups.dots(&self.model, simd, w, w, |g, square| change.penalties[g] = T::from_f64(0.5 * square));
        }
        let weight = self.kind.proximal_weight();
        for ((change, u), w) in change.centre.iter_mut().zip(u).zip(w) {
            *change = T::from_f64(weight * (u.to_f64() - w.to_f64()));
        }
        self.parts().pull_back(u, data, change, out);
        Ok(())
    }
}

impl<T: Scalar> Problem<T> for Mlp<T> {
    type Workspace = Workspace<T>;
    in_host_memory!(T);

    fn workspace(&self) -> Workspace<T> {
        let (model, parts) = (&self.model, self.parts());
        let outer_rows = self.outer.targets.len() / model.outputs();
        let point = |second| Point { data: parts.data(), pass: Pass::new(model, self.rows, second) };
        Workspace {
            scratch: point(false),
            frozen: point(true),
            u: vec![T::ZERO; self.outer_space.len()],
            w: vec![T::ZERO; model.parameters()],
            sweep: Sweep::new(model, self.rows),
            gathered: Gathered::new(CHUNK.min(self.rows), model.inputs(), model.outputs()),
            change: parts.change(),
            outer_pass: Pass::new(model, CHUNK.min(outer_rows), false),
            outer_weights: vec![T::from_f64(1.0 / outer_rows as f64); CHUNK.min(outer_rows)],
            panel: vec![T::ZERO; if self.short_way() { self.rows * CHUNK.min(outer_rows) } else { 0 }],
            series: self.series(),
        }
    }

    fn workspace_bytes(&self, workspace: &Workspace<T>) -> usize {
        let Workspace { scratch, frozen, u, w, sweep, gathered, change, .. } = workspace;
        let Workspace { outer_pass, outer_weights, panel, series, .. } = workspace;
        let point = |point: &Point<T>| point.data.bytes() + point.pass.bytes();
        let series = series.as_ref().map_or(0, Series::bytes);
        let lists = problem::heap_of(&[u, w, outer_weights, panel]);
        point(scratch)
            + point(frozen)
            + lists
            + sweep.bytes()
            + gathered.bytes()
            + change.bytes()
            + outer_pass.bytes()
            + series
    }

    fn inner(&self, workspace: &mut Workspace<T>, u: &Vec<T>, w: &Vec<T>, gradient: &mut Vec<T>) -> Result<f64> {
        let point = &mut workspace.scratch;
        self.on_threads(self.rows, || {
            let value = self.pass(u, w, point)?;
            self.at(w, point).gradient(false, gradient);
            Ok(value + self.add_penalties(u, w, &point.data, gradient))
        })
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
        let Workspace { outer_pass, outer_weights, .. } = workspace;
        let (d, c) = (self.model.inputs(), self.model.outputs());
        let chunks = self.outer.design.chunks(CHUNK * d).zip(self.outer.targets.chunks(CHUNK * c));
        self.on_threads(self.outer.targets.len() / c, || {
            let mut value = 0.0;
            for (i, (x, targets)) in chunks.enumerate() {
                let rows = targets.len() / c;
                let batch = Batch { outputs: c, targets, weights: &outer_weights[..rows] };
                value += outer_pass.run(&self.model, self.simd(), w, x, batch);
                let at = At { model: &self.model, simd: self.simd(), rows, w, x, pass: outer_pass };
                at.gradient(i > 0, gradient_w);
            }
            Ok(value)
        })
    }

    fn linearize(&self, workspace: &mut Workspace<T>, u: &Vec<T>, w: &Vec<T>) -> Result<()> {
        workspace.u.copy_from_slice(u);
        workspace.w.copy_from_slice(w);
        self.on_threads(self.rows, || self.pass(u, w, &mut workspace.frozen).map(|_| ()))
    }

    fn hvp(&self, workspace: &mut Workspace<T>, v: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        self.on_threads(self.rows, || self.product(workspace, v, Back::Full, out));
        Ok(())
    }

    /// As [`Problem::solve`], but a Neumann series of two products or more runs on factored vectors where that is cheaper:
    /// by the sizes alone, and equal to the plain series to rounding.
    fn solve(
        &self,
        workspace: &mut Workspace<T>,
        solve: &Solve,
        b: &Vec<T>,
        q: &mut Vec<T>,
        scratch: &mut problem::SolveWorkspace<T, Self>,
    ) -> Result<Report> {
        let Some(mut series) = self.take_series(workspace, solve) else {
            return solve::solve(&mut problem::Hessian::new(self, workspace), solve, b, q, scratch);
        };
        let report = self.solve_by_series(workspace, solve, b, q, scratch, &mut series);
        workspace.series = Some(series);
        report
    }

    /// By the images of q on factored vectors, where u sets the data.
    fn solve_mixed_vjp(
        &self,
        workspace: &mut Workspace<T>,
        solve: &Solve,
        b: &Vec<T>,
        out: &mut Vec<T>,
    ) -> Result<Option<Report>> {
        if solve.verify || !self.kind.sets_data() {
            return Ok(None);
        }
        let Some(mut series) = self.take_series(workspace, solve) else { return Ok(None) };
        let report = self.on_threads(self.rows, || self.pull_back_series(workspace, solve, b, out, &mut series));
        workspace.series = Some(series);
        report
    }

    fn mixed_vjp(&self, workspace: &mut Workspace<T>, v: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        let Workspace { frozen, u, w, sweep, change, .. } = workspace;
        let (model, simd, at) = (&self.model, self.simd(), self.at(w, frozen));
        if self.kind.sets_data() {
            sweep.images(&at, v, self.kind.sets_inputs());
            if self.kind.sets_inputs() {
                model.layers[0].backward(simd, v, &at.pass.deltas[0], false, &mut change.x);
            }
            self.pull_back_images(&at, self.batch(&frozen.data), sweep, change);
        }
        if !change.penalties.is_empty() {
            let groups = self.kind.groups();
            groups.dots(model, simd, w, v, |g, dot| change.penalties[g] = T::from_f64(dot));
        }
        let weight = self.kind.proximal_weight();
        change.centre.iter_mut().zip(v).for_each(|(change, v)| *change = T::from_f64(-weight * v.to_f64()));
        self.parts().pull_back(u, &frozen.data, change, out);
        Ok(())
    }

    /// With the images at the inner examples of the outer gradient's outer products, never of the matrices that they sum to:
    /// g_l = Δ_lᵀ A_{l-1} has Y_l = (a_{l-1} A_{l-1}ᵀ + 1 1ᵀ) Δ_l and Z_l = (δ_l Δ_lᵀ) A_{l-1}. For few inner examples.
    fn outer_mixed_vjp(
        &self,
        workspace: &mut Workspace<T>,
        _u: &Vec<T>,
        w: &Vec<T>,
        gradient_u: &mut Vec<T>,
        out: &mut Vec<T>,
    ) -> Result<Option<f64>> {
        if workspace.panel.is_empty() {
            return Ok(None);
        }
        let Workspace { frozen, u, w: before, sweep, change, outer_pass, outer_weights, panel, .. } = workspace;
        let at = self.at(before, frozen);
        sweep.clear();
        sweep.back.iter_mut().for_each(|back| back.fill(T::ZERO));
        change.x.fill(T::ZERO);
        let (d, c) = (self.model.inputs(), self.model.outputs());
        let chunks = self.outer.design.chunks(CHUNK * d).zip(self.outer.targets.chunks(CHUNK * c));
        let value = self.on_threads(self.outer.targets.len() / c, || {
            let mut value = 0.0;
            for (x, targets) in chunks {
                let rows = targets.len() / c;
                let batch = Batch { outputs: c, targets, weights: &outer_weights[..rows] };
                value += outer_pass.run(&self.model, self.simd(), w, x, batch);
                let from = At { model: &self.model, simd: self.simd(), rows, w, x, pass: outer_pass };
                sweep.add_images(&at, &from, &mut panel[..self.rows * rows], &mut change.x);
            }
            value
        });
        self.pull_back_images(&at, self.batch(&frozen.data), sweep, change);
        gradient_u.fill(T::ZERO);
        self.parts().pull_back(u, &frozen.data, change, out);
        Ok(Some(value))
    }

    fn examples(&self) -> usize {
        self.rows
    }

    fn example_scores(&self, workspace: &mut Workspace<T>, v: &Vec<T>, scores: &mut [f64]) -> Result<()> {
        self.scores_along(workspace, v, scores)
    }

    fn inner_batch(
        &self,
        workspace: &mut Workspace<T>,
        batch: &[usize],
        u: &Vec<T>,
        w: &Vec<T>,
        gradient: &mut Vec<T>,
    ) -> Result<f64> {
        self.batch_gradient(workspace, batch, u, w, gradient)
    }

    fn mixed_jvp(&self, workspace: &mut Workspace<T>, du: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        let Workspace { frozen, u, w, sweep, change, .. } = workspace;
        let (model, at) = (&self.model, self.at(w, frozen));
        self.parts().push_forward(u, &frozen.data, du, change);
        if !self.kind.sets_data() {
            out.fill(T::ZERO);
            self.kind.groups().add_scaled(model, self.simd(), &change.penalties, w, out);
            let weight = self.kind.proximal_weight();
            out.iter_mut().zip(&change.centre).for_each(|(out, du)| *out = T::from_f64(-weight * du.to_f64()));
            return Ok(());
        }
        let batch = self.batch(&frozen.data);
        if self.kind.sets_inputs() {
            sweep.data_image(&at, &change.x);
            sweep.forward(&at);
            sweep.turn(&at, batch);
        } else {
            sweep.clear();
        }
        let (Some(rdelta), Some(delta)) = (sweep.rdelta.last_mut(), at.pass.deltas.last()) else { return Ok(()) };
        if self.kind.sets_targets() {
            model.loss.target_jvp(batch, &at.pass.probabilities, &change.t, rdelta);
        }
        let rows = rdelta.chunks_exact_mut(model.outputs()).zip(delta.chunks_exact(model.outputs()));
        for ((rdelta, delta), change) in rows.zip(&change.log_weights) {
            rdelta.iter_mut().zip(delta).for_each(|(rdelta, delta)| *rdelta += *change * *delta);
        }
        sweep.backward(&at, Back::Data);
        sweep.output(&at, &change.x, Back::Data, out);
        Ok(())
    }
}
