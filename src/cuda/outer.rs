//! What u makes of the inner problem's data, with its derivatives, on the device: as `src/problem/mlp/outer.rs`.

use super::buffer::{Buffer, View};
use super::device::Arg;
use super::matrix::Epilogue;
use super::passes::Net;
use crate::cpu::Form;
use crate::problem::mlp::{Groups, OuterParameters};
use crate::solve::heap;
use crate::{Error, Result, Scalar};
use std::ops::Range;

/// u's part in a problem.
#[derive(Debug)]
pub(super) struct Outer<T: Scalar> {
    pub kind: OuterParameters,
    /// n.
    pub rows: usize,
    /// The inner design, as given, and its features.
    pub design: Buffer<T>,
    pub features: usize,
    /// 1/n or 1.
    pub scale: f64,
    pub l2: f64,
    /// Each group's place in w, for groups of more than one.
    pub groups: Vec<Range<usize>>,
}

/// The inner problem's data at some u. What u does not set is empty.
#[derive(Debug)]
pub(super) struct Data<T: Scalar> {
    pub x: Buffer<T>,
    pub t: Buffer<T>,
    pub weights: Buffer<T>,
    /// Of the groups, on the host; of each parameter, on the device.
    pub penalties: Vec<f64>,
    pub each: Buffer<T>,
    /// u, where it is that of groups.
    host: Vec<T>,
}

/// Adjoints or tangents of what u sets.
#[derive(Debug)]
pub(super) struct Change<T: Scalar> {
    pub x: Buffer<T>,
    pub t: Buffer<T>,
    pub log_weights: Buffer<T>,
    /// Of the groups, on the host; of each parameter, on the device.
    pub penalties: Vec<f64>,
    pub each: Buffer<T>,
    /// u and du, where they are those of groups.
    host: [Vec<T>; 2],
}

impl<T: Scalar> Data<T> {
    /// The device memory in use, and the host's.
    pub fn bytes(&self) -> usize {
        let Data { x, t, weights, penalties, each, host } = self;
        x.bytes() + t.bytes() + weights.bytes() + each.bytes() + heap(penalties) + heap(host)
    }
}

impl<T: Scalar> Change<T> {
    /// The device memory in use, and the host's.
    pub fn bytes(&self) -> usize {
        let Change { x, t, log_weights, penalties, each, host: [u, du] } = self;
        x.bytes() + t.bytes() + log_weights.bytes() + each.bytes() + heap(penalties) + heap(u) + heap(du)
    }
}

/// Each group's place in w, for groups of more than one.
pub(super) fn groups(kind: OuterParameters, net: &Net) -> Vec<Range<usize>> {
    match kind {
        OuterParameters::LogL2(Groups::PerLayer) => {
            net.layers.iter().map(|layer| layer.weights.start..layer.biases.end).collect()
        }
        OuterParameters::LogL2(Groups::PerParameter) => Vec::new(),
        _ => std::iter::once(0..net.parameters()).collect(),
    }
}

impl<T: Scalar> Outer<T> {
    pub fn sets_inputs(&self) -> bool {
        use OuterParameters::*;
        matches!(self.kind, Inputs | InputsAndLabelLogits | LinearAugmentation)
    }

    pub fn sets_targets(&self) -> bool {
        matches!(self.kind, OuterParameters::Targets | OuterParameters::InputsAndLabelLogits)
    }

    pub fn sets_weights(&self) -> bool {
        self.kind == OuterParameters::ExampleWeightLogits
    }

    pub fn sets_data(&self) -> bool {
        self.sets_inputs() || self.sets_targets() || self.sets_weights()
    }

    /// λ, or 0.
    pub fn proximal_weight(&self) -> f64 {
        if let OuterParameters::ProximalCentre { weight } = self.kind { weight } else { 0.0 }
    }

    fn each_parameter(&self) -> bool {
        self.kind == OuterParameters::LogL2(Groups::PerParameter)
    }

    fn arrays(&self, net: &Net) -> [usize; 3] {
        let each = if self.each_parameter() { net.parameters() } else { 0 };
        let of = |wanted, len| if wanted { self.rows * len } else { 0 };
        [of(self.sets_inputs(), net.inputs()), of(self.sets_targets(), net.outputs()), each]
    }

    pub fn data(&self, net: &Net) -> Data<T> {
        let [x, t, each] = self.arrays(net).map(|len| Buffer::zeros(&net.device, len));
        let weights = Buffer::zeros(&net.device, self.rows);
        net.device.fill(T::from_f64(self.scale), weights.all());
        let groups = self.groups.len();
        Data { x, t, weights, penalties: vec![self.l2; groups], each, host: vec![T::ZERO; groups] }
    }

    pub fn change(&self, net: &Net) -> Change<T> {
        let [x, t, each] = self.arrays(net).map(|len| Buffer::zeros(&net.device, len));
        let log_weights = Buffer::zeros(&net.device, if self.sets_weights() { self.rows } else { 0 });
        let groups = if matches!(self.kind, OuterParameters::LogL2(_)) { self.groups.len() } else { 0 };
        Change { x, t, log_weights, penalties: vec![0.0; groups], each, host: [(); 2].map(|()| vec![T::ZERO; groups]) }
    }

    /// x ← x′ = x Uᵀ + 1 bᵀ for u = [U, b].
    fn augment(&self, net: &Net, u: View<T>, x: View<T>) {
        let (d, matrix) = (net.inputs(), net.inputs() * self.features);
        let bias = u.part(matrix..matrix + d);
        let after = Epilogue { bias, activation: None };
        let shape = [self.rows, d, self.features];
        net.device.gemm(Form::Abt, shape, [self.design.all(), u.first(matrix)], false, x, Some(after));
    }

    /// data ← what u makes of it.
    pub fn set(&self, net: &Net, u: &Buffer<T>, data: &mut Data<T>) -> Result<()> {
        let (device, v) = (&net.device, u.all());
        match self.kind {
            OuterParameters::Inputs => device.assign(v, data.x.all()),
            OuterParameters::Targets => device.assign(v, data.t.all()),
            OuterParameters::InputsAndLabelLogits => {
                let split = data.x.len();
                device.assign(v.first(split), data.x.all());
                device.assign(v.part(split..v.len), data.t.all());
                device.by_rows::<T>("softmax_rows", &[], &[data.t.all().arg()], [self.rows, net.outputs()]);
            }
            OuterParameters::LogL2(Groups::PerParameter) => {
                device.elementwise("exp", &[Arg::F64(self.l2)], &[v, data.each.all()]);
                if let Some((index, found)) = device.nonfinite(data.each.all())? {
                    return Err(Error::NonFinite { argument: "exp(u)", index, found });
                }
            }
            OuterParameters::LogL2(_) => {
                u.store(&mut data.host)?;
                for (c, u) in data.penalties.iter_mut().zip(&data.host) {
                    *c = T::from_f64(self.l2 + u.to_f64().exp()).to_f64();
                }
                if let Some(index) = data.penalties.iter().position(|c| !c.is_finite()) {
                    let found = data.penalties[index];
                    return Err(Error::NonFinite { argument: "exp(u)", index, found });
                }
            }
            OuterParameters::ExampleWeightLogits => {
                device.elementwise("sigmoid", &[Arg::F64(self.scale)], &[v, data.weights.all()]);
            }
            OuterParameters::LinearAugmentation => self.augment(net, v, data.x.all()),
            OuterParameters::ProximalCentre { .. } => {}
        }
        Ok(())
    }

    /// out ← out + c ∘ v for the penalties c.
    pub fn add_penalties(&self, net: &Net, data: &Data<T>, v: View<T>, out: View<T>) {
        if self.each_parameter() {
            net.device.elementwise("add_product", &[], &[data.each.all(), v, out]);
        } else {
            self.add_groups(net, &data.penalties, v, out);
        }
    }

    fn add_groups(&self, net: &Net, c: &[f64], v: View<T>, out: View<T>) {
        for (c, range) in c.iter().zip(self.groups.iter().cloned()) {
            if *c != 0.0 {
                net.device.axpy(T::from_f64(*c), v.part(range.clone()), out.part(range));
            }
        }
    }

    /// ½ Σ c w²; `scratch` is as long as w.
    pub fn penalty(&self, net: &Net, data: &Data<T>, w: View<T>, scratch: View<T>) -> Result<f64> {
        if self.each_parameter() {
            net.device.elementwise("product", &[], &[data.each.all(), w, scratch]);
            return Ok(0.5 * net.device.dot(w, scratch)?);
        }
        let mut value = 0.0;
        for (c, range) in data.penalties.iter().zip(self.groups.iter().cloned()) {
            if *c != 0.0 {
                value += 0.5 * c * net.device.dot(w.part(range.clone()), w.part(range))?;
            }
        }
        Ok(value)
    }

    /// The adjoint of the penalties: ⟨w, v⟩ of each group, before u's part.
    pub fn penalty_vjp(&self, net: &Net, w: View<T>, v: View<T>, change: &mut Change<T>) -> Result<()> {
        if self.each_parameter() {
            net.device.elementwise("product", &[], &[w, v, change.each.all()]);
        }
        for (change, range) in change.penalties.iter_mut().zip(self.groups.iter().cloned()) {
            *change = net.device.dot(w.part(range.clone()), v.part(range))?;
        }
        Ok(())
    }

    /// The penalties' part of ∂f/∂c: ½ ‖w‖² of each group, before u's part.
    pub fn penalty_gradient(&self, net: &Net, w: View<T>, change: &mut Change<T>) -> Result<()> {
        self.penalty_vjp(net, w, w, change)?;
        change.penalties.iter_mut().for_each(|change| *change *= 0.5);
        net.device.scale(T::from_f64(0.5), change.each.all());
        Ok(())
    }

    /// out ← the change of the penalties' gradient for the tangents in `change`.
    pub fn penalty_jvp(&self, net: &Net, change: &Change<T>, w: View<T>, out: View<T>) {
        if self.each_parameter() {
            net.device.elementwise("product", &[], &[change.each.all(), w, out]);
        } else {
            net.device.fill(T::ZERO, out);
            self.add_groups(net, &change.penalties, w, out);
        }
    }

    /// out ← the adjoint of u for those in `change`, which may be overwritten.
    pub fn pull_back(
        &self,
        net: &Net,
        u: &Buffer<T>,
        data: &Data<T>,
        change: &mut Change<T>,
        out: &Buffer<T>,
    ) -> Result<()> {
        let (device, to) = (&net.device, out.all());
        match self.kind {
            OuterParameters::Inputs => device.assign(change.x.all(), to),
            OuterParameters::Targets => device.assign(change.t.all(), to),
            OuterParameters::InputsAndLabelLogits => {
                let split = change.x.len();
                device.assign(change.x.all(), to.first(split));
                let arrays = [data.t.all().arg(), change.t.all().arg()];
                device.by_rows::<T>("softmax_derivative", &[], &arrays, [self.rows, net.outputs()]);
                device.assign(change.t.all(), to.part(split..to.len));
            }
            OuterParameters::ExampleWeightLogits => {
                device.elementwise("sigmoid_slope", &[], &[u.all(), change.log_weights.all(), to]);
            }
            OuterParameters::LinearAugmentation => {
                let (d, matrix) = (net.inputs(), net.inputs() * self.features);
                let (x, shape) = (change.x.all(), [d, self.features, self.rows]);
                device.gemm(Form::Atb, shape, [x, self.design.all()], false, to.first(matrix), None);
                device.column_sums(x, false, to.part(matrix..matrix + d));
            }
            OuterParameters::LogL2(Groups::PerParameter) => {
                device.elementwise("times_exp", &[], &[u.all(), change.each.all(), to]);
            }
            OuterParameters::LogL2(_) => {
                let values = &mut change.host[0];
                u.store(values)?;
                for (u, change) in values.iter_mut().zip(&change.penalties) {
                    *u = T::from_f64(u.to_f64().exp() * change);
                }
                out.load(values)?;
            }
            OuterParameters::ProximalCentre { .. } => {}
        }
        Ok(())
    }

    /// change ← the tangents of the data for du.
    pub fn push_forward(
        &self,
        net: &Net,
        u: &Buffer<T>,
        data: &Data<T>,
        du: &Buffer<T>,
        change: &mut Change<T>,
    ) -> Result<()> {
        let (device, from) = (&net.device, du.all());
        match self.kind {
            OuterParameters::Inputs => device.assign(from, change.x.all()),
            OuterParameters::Targets => device.assign(from, change.t.all()),
            OuterParameters::InputsAndLabelLogits => {
                let split = change.x.len();
                device.assign(from.first(split), change.x.all());
                device.assign(from.part(split..from.len), change.t.all());
                let arrays = [data.t.all().arg(), change.t.all().arg()];
                device.by_rows::<T>("softmax_derivative", &[], &arrays, [self.rows, net.outputs()]);
            }
            OuterParameters::ExampleWeightLogits => {
                device.elementwise("sigmoid_slope", &[], &[u.all(), from, change.log_weights.all()]);
            }
            OuterParameters::LinearAugmentation => self.augment(net, from, change.x.all()),
            OuterParameters::LogL2(Groups::PerParameter) => {
                device.elementwise("times_exp", &[], &[u.all(), from, change.each.all()]);
            }
            OuterParameters::LogL2(_) => {
                let [at, by] = &mut change.host;
                u.store(at)?;
                du.store(by)?;
                for (change, (u, du)) in change.penalties.iter_mut().zip(at.iter().zip(&*by)) {
                    *change = T::from_f64(u.to_f64().exp() * du.to_f64()).to_f64();
                }
            }
            OuterParameters::ProximalCentre { .. } => {}
        }
        Ok(())
    }
}
