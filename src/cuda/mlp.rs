//! Networks on a device.

use super::buffer::{Buffer, View};
use super::cg::CgSteps;
use super::device::Device;
use super::examples::Gathered;
use super::operations::{count, each};
use super::outer::{Change, Data, Outer, groups};
use super::passes::{At, Back, Batch, Layer, Net, Pass, Sweep};
use super::series::{Steps, TOGETHER};
use super::space::DeviceSpace;
use crate::cpu::Activation;
use crate::problem::mlp::{self, Loss, Model, OuterParameters};
use crate::problem::{Examples, Problem, Reduction};
use crate::solve::{CgRun, Space};
use crate::{Result, Scalar};

/// Outer examples that go through the network together.
pub(super) const CHUNK: usize = 4096;

/// What a [`Model`] is made of: widths from the inputs to the outputs, the activation, the loss.
#[derive(Debug, Clone, Copy)]
pub struct Network<'a> {
    /// From the inputs to the outputs.
    pub widths: &'a [usize],
    /// After every layer but the last.
    pub activation: Activation,
    /// The loss.
    pub loss: Loss,
}

/// A [`mlp::Mlp`] whose data, parameters and passes are on a device.
///
/// One pass at `linearize` serves all products, as on the host. There are no factored vectors yet. A batch of inner examples is
/// gathered on the device; of the host it takes the indices alone.
#[derive(Debug)]
pub struct Mlp<T: Scalar> {
    model: Model,
    net: Net,
    parts: Outer<T>,
    targets: Buffer<T>,
    outer_x: Buffer<T>,
    outer_targets: Buffer<T>,
    inner_space: DeviceSpace,
    outer_space: DeviceSpace,
}

/// The inner problem at some (u, w).
#[derive(Debug)]
pub(super) struct Point<T: Scalar> {
    pub data: Data<T>,
    pub pass: Pass<T>,
}

/// Scratch of an [`Mlp`], and its linearization.
#[derive(Debug)]
pub struct Workspace<T: Scalar> {
    pub(super) scratch: Point<T>,
    pub(super) frozen: Point<T>,
    u: Buffer<T>,
    pub(super) w: Buffer<T>,
    pub(super) step: Buffer<T>,
    pub(super) sweep: Sweep<T>,
    pub(super) gathered: Gathered<T>,
    pub(super) scores: Buffer<T>,
    change: Change<T>,
    outer_pass: Pass<T>,
    outer_weights: Buffer<T>,
    steps: Steps,
    cg: CgSteps,
}

impl<T: Scalar> Mlp<T> {
    /// As [`mlp::Mlp::new`], on the device given.
    ///
    /// # Errors
    ///
    /// Those of [`Model::new`] and [`mlp::Mlp::new`], and [`Error::Device`](crate::Error::Device) and
    /// [`Error::DeviceMemory`](crate::Error::DeviceMemory).
    pub fn new(
        device: &Device,
        network: Network<'_>,
        kind: OuterParameters,
        inner: Examples<T>,
        outer: Examples<T>,
        reduction: Reduction,
        l2: f64,
    ) -> Result<Mlp<T>> {
        let model = Model::new(network.widths, network.activation, network.loss)?;
        Mlp::copy_of(device, &mlp::Mlp::new(model, kind, inner, outer, reduction, l2)?)
    }

    /// A problem of the host's, on the device given.
    ///
    /// # Errors
    ///
    /// [`Error::Device`](crate::Error::Device) and [`Error::DeviceMemory`](crate::Error::DeviceMemory).
    pub fn copy_of(device: &Device, host: &mlp::Mlp<T>) -> Result<Mlp<T>> {
        let (model, inner, outer) = (host.model(), host.inner_examples(), host.outer_examples());
        let (kind, scale, l2) = host.terms();
        let mut layers = Vec::new();
        let mut start = 0;
        for pair in model.widths().windows(2) {
            let (inputs, outputs) = (pair[0], pair[1]);
            let split = start + inputs * outputs;
            layers.push(Layer { inputs, outputs, weights: start..split, biases: split..split + outputs });
            start = split + outputs;
        }
        let net = Net { device: device.clone(), layers, activation: model.activation(), loss: model.loss() };
        let rows = host.rows();
        let design = Buffer::from_slice(device, &inner.design)?;
        Ok(Mlp {
            parts: Outer { kind, rows, design, features: inner.features, scale, l2, groups: groups(kind, &net) },
            targets: Buffer::from_slice(device, &inner.targets)?,
            outer_x: Buffer::from_slice(device, &outer.design)?,
            outer_targets: Buffer::from_slice(device, &outer.targets)?,
            inner_space: DeviceSpace::new(device, net.parameters()),
            outer_space: DeviceSpace::new(device, Space::<T>::len(host.outer_space())),
            model: model.clone(),
            net,
        })
    }

    /// The network, for initial parameters and predictions on the host.
    pub fn model(&self) -> &Model {
        &self.model
    }

    fn device(&self) -> &Device {
        &self.net.device
    }

    pub(super) fn net(&self) -> &Net {
        &self.net
    }

    /// n.
    pub(super) fn rows(&self) -> usize {
        self.parts.rows
    }

    pub(super) fn set_data(&self, u: &Buffer<T>, point: &mut Point<T>) -> Result<()> {
        self.parts.set(&self.net, u, &mut point.data)
    }

    /// gradient ← gradient + that of f's terms that are no sum over examples; returns their value. `step` is scratch.
    pub(super) fn add_rest(&self, data: &Data<T>, [u, w, step, gradient]: [&Buffer<T>; 4]) -> Result<f64> {
        let (net, device, out, step) = (&self.net, self.device(), gradient.all(), step.all());
        self.parts.add_penalties(net, data, w.all(), out);
        let mut value = self.parts.penalty(net, data, w.all(), step)?;
        let weight = self.parts.proximal_weight();
        if weight > 0.0 {
            device.assign(w.all(), step);
            device.axpy(-T::ONE, u.all(), step);
            value += 0.5 * weight * device.dot(step, step)?;
            device.axpy(T::from_f64(weight), step, out);
        }
        device.status().map(|()| value)
    }

    pub(super) fn batch(&self, data: &Data<T>) -> Batch<T> {
        let x = if self.parts.sets_inputs() { &data.x } else { &self.parts.design };
        let targets = if self.parts.sets_targets() { &data.t } else { &self.targets };
        Batch { x: x.all(), targets: targets.all(), weights: data.weights.all() }
    }

    pub(super) fn at<'a>(&'a self, w: &Buffer<T>, point: &'a Point<T>) -> At<'a, T> {
        let batch = self.batch(&point.data);
        At { net: &self.net, rows: self.parts.rows, w: w.all(), batch, pass: &point.pass }
    }

    /// The pass at (u, w).
    pub(super) fn pass(&self, u: &Buffer<T>, w: &Buffer<T>, point: &mut Point<T>) -> Result<()> {
        self.parts.set(&self.net, u, &mut point.data)?;
        point.pass.run(&self.net, w.all(), self.batch(&point.data));
        Ok(())
    }

    /// out ← the product with v, in w, at the linearization, with the terms given.
    fn product(
        &self,
        (frozen, w, sweep): (&Point<T>, &Buffer<T>, &Sweep<T>),
        v: View<T>,
        terms: Back,
        out: View<T>,
    ) -> Result<()> {
        let at = self.at(w, frozen);
        sweep.images(&at, v, terms == Back::Full);
        sweep.forward(&at);
        sweep.turn(&at);
        sweep.backward(&at, terms);
        sweep.output(&at, None, terms, out);
        self.parts.add_penalties(&self.net, &frozen.data, v, out);
        let weight = self.parts.proximal_weight();
        if weight > 0.0 {
            self.device().axpy(T::from_f64(weight), v, out);
        }
        self.device().status()
    }

    /// out ← the Gauss-Newton product: see [`mlp::Mlp::gauss_newton`].
    ///
    /// # Errors
    ///
    /// The first error of the device.
    pub fn gauss_newton(&self, workspace: &mut Workspace<T>, v: &Buffer<T>, out: &mut Buffer<T>) -> Result<()> {
        self.product((&workspace.frozen, &workspace.w, &workspace.sweep), v.all(), Back::GaussNewton, out.all())
    }

    /// out ← ∇_u f(u, w): see [`mlp::Mlp::inner_gradient_u`].
    ///
    /// # Errors
    ///
    /// As [`Problem::inner`].
    pub fn inner_gradient_u(
        &self,
        workspace: &mut Workspace<T>,
        u: &Buffer<T>,
        w: &Buffer<T>,
        out: &mut Buffer<T>,
    ) -> Result<()> {
        let Workspace { scratch, change, .. } = workspace;
        self.pass(u, w, scratch)?;
        let (net, parts, device, at) = (&self.net, &self.parts, self.device(), self.at(w, scratch));
        if parts.sets_inputs() {
            net.layers[0].backward(device, at.w, at.deltas(0), false, change.x.all());
        }
        if parts.sets_targets() {
            let arrays = [at.pass.outputs.all(), at.batch.targets, at.batch.weights, change.t.all()].map(View::arg);
            device.by_rows::<T>("target_gradient", &[net.loss()], &arrays, [parts.rows, net.outputs()]);
        }
        if parts.sets_weights() && parts.rows > 0 {
            let arrays = [at.pass.weighted.all().arg(), change.log_weights.all().arg(), count(parts.rows)];
            device.launch::<T>("narrow", each(parts.rows), &arrays);
        }
        parts.penalty_gradient(net, at.w, change)?;
        parts.pull_back(net, u, &scratch.data, change, out)?;
        if parts.proximal_weight() > 0.0 {
            device.assign(u.all(), out.all());
            device.axpy(-T::ONE, at.w, out.all());
            device.scale(T::from_f64(parts.proximal_weight()), out.all());
        }
        device.status()
    }
}

impl<T: Scalar> Problem<T> for Mlp<T> {
    type Points = DeviceSpace;
    type Vectors = DeviceSpace;
    type Workspace = Workspace<T>;

    fn outer_space(&self) -> &DeviceSpace {
        &self.outer_space
    }

    fn inner_space(&self) -> &DeviceSpace {
        &self.inner_space
    }

    fn workspace(&self) -> Workspace<T> {
        let (net, rows) = (&self.net, self.parts.rows);
        let outer_rows = self.outer_targets.len() / net.outputs();
        let chunk = CHUNK.min(outer_rows);
        let outer_weights = Buffer::zeros(self.device(), chunk);
        self.device().fill(T::from_f64(1.0 / outer_rows as f64), outer_weights.all());
        let point = |second| Point { data: self.parts.data(net), pass: Pass::new(net, rows, second) };
        Workspace {
            scratch: point(false),
            frozen: point(true),
            u: self.outer_space.zeros(),
            w: self.inner_space.zeros(),
            step: self.inner_space.zeros(),
            sweep: Sweep::new(net, rows),
            gathered: Gathered::new(self.device(), rows.min(CHUNK), net.inputs(), net.outputs()),
            scores: Buffer::zeros(self.device(), rows),
            change: self.parts.change(net),
            outer_pass: Pass::new(net, chunk, false),
            outer_weights,
            steps: Steps::new(self.device()),
            cg: CgSteps::new(self.device()),
        }
    }

    /// Device memory, for the most part.
    fn workspace_bytes(&self, workspace: &Workspace<T>) -> usize {
        let Workspace { scratch, frozen, u, w, step, sweep, gathered, scores, change, .. } = workspace;
        let Workspace { outer_pass, outer_weights, steps, cg, .. } = workspace;
        let points = [scratch, frozen].map(|point| point.data.bytes() + point.pass.bytes());
        let vectors = [u, w, step, scores, outer_weights].map(Buffer::bytes);
        points.iter().chain(&vectors).sum::<usize>()
            + sweep.bytes()
            + gathered.bytes()
            + change.bytes()
            + outer_pass.bytes()
            + steps.bytes()
            + cg.bytes()
    }

    fn examples(&self) -> usize {
        self.parts.rows
    }

    fn example_scores(&self, workspace: &mut Workspace<T>, v: &Buffer<T>, scores: &mut [f64]) -> Result<()> {
        self.scores_along(workspace, v, scores)
    }

    fn inner_batch(
        &self,
        workspace: &mut Workspace<T>,
        batch: &[usize],
        u: &Buffer<T>,
        w: &Buffer<T>,
        gradient: &mut Buffer<T>,
    ) -> Result<f64> {
        self.batch_gradient(workspace, batch, [u, w, gradient])
    }

    fn inner(
        &self,
        workspace: &mut Workspace<T>,
        u: &Buffer<T>,
        w: &Buffer<T>,
        gradient: &mut Buffer<T>,
    ) -> Result<f64> {
        let Workspace { scratch, step, .. } = workspace;
        self.pass(u, w, scratch)?;
        self.at(w, scratch).gradient(false, gradient.all());
        let value = scratch.pass.value(&self.net, self.parts.rows)?;
        Ok(value + self.add_rest(&scratch.data, [u, w, step, gradient])?)
    }

    fn outer(
        &self,
        workspace: &mut Workspace<T>,
        _: &Buffer<T>,
        w: &Buffer<T>,
        gradient_u: &mut Buffer<T>,
        gradient_w: &mut Buffer<T>,
    ) -> Result<f64> {
        let Workspace { outer_pass, outer_weights, .. } = workspace;
        let net = &self.net;
        net.device.fill(T::ZERO, gradient_u.all());
        let (d, c) = (net.inputs(), net.outputs());
        let total = self.outer_targets.len() / c;
        let mut value = 0.0;
        for start in (0..total).step_by(CHUNK) {
            let rows = CHUNK.min(total - start);
            let batch = Batch {
                x: self.outer_x.part(start * d..(start + rows) * d),
                targets: self.outer_targets.part(start * c..(start + rows) * c),
                weights: outer_weights.all().first(rows),
            };
            outer_pass.run(net, w.all(), batch);
            At { net, rows, w: w.all(), batch, pass: outer_pass }.gradient(start > 0, gradient_w.all());
            value += outer_pass.value(net, rows)?;
        }
        Ok(value)
    }

    fn linearize(&self, workspace: &mut Workspace<T>, u: &Buffer<T>, w: &Buffer<T>) -> Result<()> {
        self.outer_space.copy(u, &mut workspace.u);
        self.inner_space.copy(w, &mut workspace.w);
        self.pass(u, w, &mut workspace.frozen)?;
        self.device().status()
    }

    fn vectors<'a>(&'a self, _: &'a Workspace<T>) -> &'a DeviceSpace {
        &self.inner_space
    }

    fn lift(&self, _: &mut Workspace<T>, gradient: &Buffer<T>, out: &mut Buffer<T>) -> Result<()> {
        self.inner_space.copy(gradient, out);
        self.device().status()
    }

    fn lower(&self, _: &mut Workspace<T>, vector: &Buffer<T>, out: &mut Buffer<T>) -> Result<()> {
        self.inner_space.copy(vector, out);
        self.device().status()
    }

    fn hvp(&self, workspace: &mut Workspace<T>, v: &Buffer<T>, out: &mut Buffer<T>) -> Result<()> {
        self.product((&workspace.frozen, &workspace.w, &workspace.sweep), v.all(), Back::Full, out.all())
    }

    fn steps_together(&self) -> usize {
        TOGETHER
    }

    fn neumann_steps(
        &self,
        workspace: &mut Workspace<T>,
        alpha: T,
        hp: &mut Buffer<T>,
        p: &mut Buffer<T>,
        q: &mut Buffer<T>,
        norms: &mut [f64],
    ) -> Result<()> {
        let Workspace { frozen, w, sweep, steps, .. } = workspace;
        let vectors @ [hp, p, _] = [hp.all(), p.all(), q.all()];
        steps.run(self.device(), alpha, vectors, &frozen.data.penalties, norms, |_, norm| {
            self.product((frozen, w, sweep), p, Back::Full, hp)?;
            self.device().neumann_update_to(alpha, vectors, norm);
            self.device().status()
        })
    }

    fn cg_steps(
        &self,
        workspace: &mut Workspace<T>,
        steps: usize,
        run: &mut CgRun,
        vectors: [&mut Buffer<T>; 5],
    ) -> Result<()> {
        let Workspace { frozen, w, sweep, cg, .. } = workspace;
        let vectors @ [_, _, p, hp, _] = vectors.map(|vector| vector.all());
        cg.run(self.device(), steps, run, vectors, &frozen.data.penalties, || {
            self.product((frozen, w, sweep), p, Back::Full, hp)
        })
    }

    fn mixed_vjp(&self, workspace: &mut Workspace<T>, v: &Buffer<T>, out: &mut Buffer<T>) -> Result<()> {
        let Workspace { frozen, u, w, sweep, change, .. } = workspace;
        let (net, parts, device, at, v) = (&self.net, &self.parts, self.device(), self.at(w, frozen), v.all());
        if parts.sets_data() {
            sweep.images(&at, v, parts.sets_inputs());
            sweep.forward(&at);
            if parts.sets_inputs() {
                sweep.turn(&at);
                sweep.backward(&at, Back::Full);
                let first = &net.layers[0];
                first.backward(device, v, at.deltas(0), false, change.x.all());
                first.backward(device, at.w, sweep.rdelta[0].all(), true, change.x.all());
            }
            let (rz, shape) = (sweep.rz[net.layers.len() - 1].all(), [parts.rows, net.outputs()]);
            if parts.sets_targets() {
                let arrays = [at.batch.weights, at.pass.probabilities.all(), rz, change.t.all()].map(View::arg);
                device.by_rows::<T>("target_vjp", &[net.loss()], &arrays, shape);
            }
            if parts.sets_weights() {
                let arrays = [at.deltas(net.layers.len() - 1), rz, change.log_weights.all()].map(View::arg);
                device.by_rows::<T>("row_dots", &[], &arrays, shape);
            }
        }
        parts.penalty_vjp(net, at.w, v, change)?;
        parts.pull_back(net, u, &frozen.data, change, out)?;
        if parts.proximal_weight() > 0.0 {
            device.assign(v, out.all());
            device.scale(T::from_f64(-parts.proximal_weight()), out.all());
        }
        device.status()
    }

    fn mixed_jvp(&self, workspace: &mut Workspace<T>, du: &Buffer<T>, out: &mut Buffer<T>) -> Result<()> {
        let Workspace { frozen, u, w, sweep, change, .. } = workspace;
        let (net, parts, device, at) = (&self.net, &self.parts, self.device(), self.at(w, frozen));
        parts.push_forward(net, u, &frozen.data, du, change)?;
        if parts.proximal_weight() > 0.0 {
            device.assign(du.all(), out.all());
            device.scale(T::from_f64(-parts.proximal_weight()), out.all());
            return device.status();
        }
        if !parts.sets_data() {
            parts.penalty_jvp(net, change, at.w, out.all());
            return device.status();
        }
        if parts.sets_inputs() {
            sweep.data_image(&at, change.x.all());
            sweep.forward(&at);
            sweep.turn(&at);
        } else {
            sweep.clear(net);
        }
        let (last, c) = (net.layers.len() - 1, net.outputs());
        let (rdelta, delta) = (sweep.rdelta[last].all(), at.deltas(last));
        if parts.sets_targets() {
            let arrays = [at.batch.weights, at.pass.probabilities.all(), change.t.all(), rdelta].map(View::arg);
            device.by_rows::<T>("target_jvp", &[net.loss()], &arrays, [parts.rows, c]);
        }
        if parts.sets_weights() {
            device.row_axpy(change.log_weights.all(), delta, rdelta);
        }
        sweep.backward(&at, Back::Data);
        let dx = parts.sets_inputs().then(|| change.x.all());
        sweep.output(&at, dx, Back::Data, out.all());
        device.status()
    }
}
