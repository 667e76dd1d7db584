//! What u is: a small piece that makes the inner problem's data and penalties from u, and carries derivatives both ways.
//!
//! The inner objective is Σ ωᵢ ℓ(net(xᵢ; w), tᵢ) + ½ Σ cⱼ wⱼ² + ½ λ ‖w − centre‖². Each kind of outer parameters sets some of
//! x, t, ω, c and the centre. Whatever the model and the loss, mixed products then need only the adjoint or the tangent of
//! what the kind sets, and the rest of the problem never asks which kind it is.

use super::loss::{softmax_rows, softmax_rows_derivative};
use super::model::Model;
use crate::cpu::{self, Form, Simd, sigmoids};
use crate::error::{check_finite, check_nonnegative};
use crate::problem::heap_of;
use crate::{Result, Scalar};

/// The outer parameters u of an [`Mlp`](super::Mlp), for n inner examples with d inputs and c outputs each.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OuterParameters {
    /// u = x (n × d): distilled inputs.
    Inputs,
    /// u = t (n × c).
    Targets,
    /// u = [x, logits] (n × d, then n × c): distilled inputs with soft labels, t = softmax(logits) by rows.
    InputsAndLabelLogits,
    /// Penalties exp(u), on top of the fixed one: ½ Σ exp(u_g) ‖w_g‖² over groups g of parameters.
    LogL2(Groups),
    /// Example i weighs σ(uᵢ) in the sum or mean; the mean stays 1/n Σ.
    ExampleWeightLogits,
    /// u = [U, b]: the network sees x′ = U x + b, with U (d × the features of the data) row-major. The outer examples are
    /// not augmented, and have d features.
    LinearAugmentation,
    /// ½ weight ‖w − u‖² is added to f: implicit MAML's meta-parameters (Rajeswaran et al., 2019).
    ProximalCentre {
        /// λ, above 0.
        weight: f64,
    },
}

/// Which parameters of a network share a penalty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Groups {
    /// All.
    Scalar,
    /// Weights and biases of a layer.
    PerLayer,
    /// None: each has its own.
    PerParameter,
}

/// The inner problem's data at some u. What u does not set is empty, and taken from the problem.
#[derive(Debug)]
pub(super) struct Data<T> {
    pub x: Vec<T>,
    pub t: Vec<T>,
    /// ω.
    pub weights: Vec<T>,
    /// c, one for each group.
    pub penalties: Vec<T>,
}

/// Adjoints or tangents of what u sets; empty where it does not. For ω they are those of ln ω; for c the tangents are of c, and
/// the adjoints are pulled back through exp.
#[derive(Debug)]
pub(super) struct Change<T> {
    pub x: Vec<T>,
    pub t: Vec<T>,
    pub log_weights: Vec<T>,
    pub penalties: Vec<T>,
    pub centre: Vec<T>,
}

impl<T> Data<T> {
    /// The memory in use.
    pub fn bytes(&self) -> usize {
        let Data { x, t, weights, penalties } = self;
        heap_of(&[x, t, weights, penalties])
    }
}

impl<T> Change<T> {
    /// The memory in use.
    pub fn bytes(&self) -> usize {
        let Change { x, t, log_weights, penalties, centre } = self;
        heap_of(&[x, t, log_weights, penalties, centre])
    }
}

impl OuterParameters {
    pub(super) fn sets_inputs(self) -> bool {
        use OuterParameters::*;
        matches!(self, Inputs | InputsAndLabelLogits | LinearAugmentation)
    }

    pub(super) fn sets_targets(self) -> bool {
        use OuterParameters::*;
        matches!(self, Targets | InputsAndLabelLogits)
    }

    pub(super) fn sets_weights(self) -> bool {
        self == OuterParameters::ExampleWeightLogits
    }

    /// Whether any of x, t and ω depends on u.
    pub(super) fn sets_data(self) -> bool {
        self.sets_inputs() || self.sets_targets() || self.sets_weights()
    }

    /// λ, or 0.
    pub(super) fn proximal_weight(self) -> f64 {
        if let OuterParameters::ProximalCentre { weight } = self { weight } else { 0.0 }
    }

    pub(super) fn groups(self) -> Groups {
        if let OuterParameters::LogL2(groups) = self { groups } else { Groups::Scalar }
    }

    pub(super) fn validate(self) -> Result<()> {
        match self {
            OuterParameters::ProximalCentre { weight } => crate::error::check_positive("proximal weight", weight),
            _ => Ok(()),
        }
    }
}

/// u's part in a problem: the kind, with the sizes and the fixed data that it works on.
#[derive(Debug)]
pub(super) struct Outer<'a, T> {
    pub kind: OuterParameters,
    pub model: &'a Model,
    /// n.
    pub rows: usize,
    /// The inner design, as given.
    pub design: &'a [T],
    /// Its features.
    pub features: usize,
    /// 1/n or 1.
    pub scale: f64,
    /// The fixed penalty.
    pub l2: f64,
    pub simd: Simd,
}

impl Groups {
    pub(super) fn len(self, model: &Model) -> usize {
        match self {
            Groups::Scalar => 1,
            Groups::PerLayer => model.layers.len(),
            Groups::PerParameter => model.parameters(),
        }
    }

    /// Each group's place in w; for groups of more than one.
    fn ranges(self, model: &Model) -> impl Iterator<Item = std::ops::Range<usize>> {
        let whole = (self == Groups::Scalar).then_some(0..model.parameters());
        let layers = if self == Groups::PerLayer { model.layers.as_slice() } else { &[] };
        whole.into_iter().chain(layers.iter().map(|layer| layer.weights.start..layer.biases.end))
    }

    /// out ← out + c ∘ x.
    pub(super) fn add_scaled<T: Scalar>(self, model: &Model, simd: Simd, c: &[T], x: &[T], out: &mut [T]) {
        if self == Groups::PerParameter {
            out.iter_mut().zip(c).zip(x).for_each(|((out, c), x)| *out += *c * *x);
        } else {
            for (c, range) in c.iter().zip(self.ranges(model)) {
                if *c != T::ZERO {
                    cpu::axpy(simd, *c, &x[range.clone()], &mut out[range]);
                }
            }
        }
    }

    /// out ← ⟨x, y⟩ for each group.
    pub(super) fn dots<T: Scalar>(self, model: &Model, simd: Simd, x: &[T], y: &[T], mut out: impl FnMut(usize, f64)) {
        if self == Groups::PerParameter {
            x.iter().zip(y).enumerate().for_each(|(i, (x, y))| out(i, x.to_f64() * y.to_f64()));
        } else {
            for (g, range) in self.ranges(model).enumerate() {
                out(g, cpu::dot(simd, &x[range.clone()], &y[range]));
            }
        }
    }
}

impl<T: Scalar> Outer<'_, T> {
    /// The length of u.
    pub fn len(&self) -> usize {
        let (n, d, c) = (self.rows, self.model.inputs(), self.model.outputs());
        match self.kind {
            OuterParameters::Inputs => n * d,
            OuterParameters::Targets => n * c,
            OuterParameters::InputsAndLabelLogits => n * (d + c),
            OuterParameters::LogL2(groups) => groups.len(self.model),
            OuterParameters::ExampleWeightLogits => n,
            OuterParameters::LinearAugmentation => d * self.features + d,
            OuterParameters::ProximalCentre { .. } => self.model.parameters(),
        }
    }

    pub fn data(&self) -> Data<T> {
        let (n, d, c) = (self.rows, self.model.inputs(), self.model.outputs());
        let zeros = |wanted, len| vec![T::ZERO; if wanted { len } else { 0 }];
        Data {
            x: zeros(self.kind.sets_inputs(), n * d),
            t: zeros(self.kind.sets_targets(), n * c),
            weights: vec![T::from_f64(self.scale); n],
            penalties: vec![T::from_f64(self.l2); self.kind.groups().len(self.model)],
        }
    }

    pub fn change(&self) -> Change<T> {
        let (n, d, c) = (self.rows, self.model.inputs(), self.model.outputs());
        let zeros = |wanted, len| vec![T::ZERO; if wanted { len } else { 0 }];
        Change {
            x: zeros(self.kind.sets_inputs(), n * d),
            t: zeros(self.kind.sets_targets(), n * c),
            log_weights: zeros(self.kind.sets_weights(), n),
            penalties: zeros(matches!(self.kind, OuterParameters::LogL2(_)), self.len()),
            centre: zeros(matches!(self.kind, OuterParameters::ProximalCentre { .. }), self.len()),
        }
    }

    /// data ← what u makes of it.
    pub fn set(&self, u: &[T], data: &mut Data<T>) -> Result<()> {
        match self.kind {
            OuterParameters::Inputs => data.x.copy_from_slice(u),
            OuterParameters::Targets => data.t.copy_from_slice(u),
            OuterParameters::InputsAndLabelLogits => {
                let (x, logits) = u.split_at(data.x.len());
                data.x.copy_from_slice(x);
                data.t.copy_from_slice(logits);
                softmax_rows(self.model.outputs(), &mut data.t);
            }
            OuterParameters::LogL2(_) => {
                for (c, u) in data.penalties.iter_mut().zip(u) {
                    *c = T::from_f64(self.l2 + u.to_f64().exp());
                }
                check_finite("exp(u)", &data.penalties)?;
            }
            OuterParameters::ExampleWeightLogits => {
                for (weight, u) in data.weights.iter_mut().zip(u) {
                    *weight = T::from_f64(self.scale * sigmoids(u.to_f64()).0);
                }
            }
            OuterParameters::LinearAugmentation => {
                let d = self.model.inputs();
                let (matrix, shift) = u.split_at(d * self.features);
                data.x.chunks_exact_mut(d).for_each(|x| x.copy_from_slice(shift));
                let shape = [self.rows, d, self.features];
                cpu::gemm(self.simd, Form::Abt, shape, self.design, matrix, true, &mut data.x);
            }
            OuterParameters::ProximalCentre { .. } => {}
        }
        Ok(())
    }

    /// out ← the adjoint of u for those in `change`, which may be overwritten.
    pub fn pull_back(&self, u: &[T], data: &Data<T>, change: &mut Change<T>, out: &mut [T]) {
        match self.kind {
            OuterParameters::Inputs => out.copy_from_slice(&change.x),
            OuterParameters::Targets => out.copy_from_slice(&change.t),
            OuterParameters::InputsAndLabelLogits => {
                let (x, logits) = out.split_at_mut(change.x.len());
                x.copy_from_slice(&change.x);
                softmax_rows_derivative(self.model.outputs(), &data.t, &mut change.t);
                logits.copy_from_slice(&change.t);
            }
            OuterParameters::ExampleWeightLogits => {
                for ((out, change), u) in out.iter_mut().zip(&change.log_weights).zip(u) {
                    *out = T::from_f64(sigmoids(u.to_f64()).1 * change.to_f64());
                }
            }
            OuterParameters::LinearAugmentation => {
                let d = self.model.inputs();
                let (matrix, shift) = out.split_at_mut(d * self.features);
                let shape = [d, self.features, self.rows];
                cpu::gemm(self.simd, Form::Atb, shape, &change.x, self.design, false, matrix);
                shift.fill(T::ZERO);
                for row in change.x.chunks_exact(d) {
                    shift.iter_mut().zip(row).for_each(|(sum, x)| *sum += *x);
                }
            }
            OuterParameters::LogL2(_) => times_exp(u, &change.penalties, out),
            OuterParameters::ProximalCentre { .. } => out.copy_from_slice(&change.centre),
        }
    }

    /// change ← the tangents of the data for du.
    pub fn push_forward(&self, u: &[T], data: &Data<T>, du: &[T], change: &mut Change<T>) {
        match self.kind {
            OuterParameters::Inputs => change.x.copy_from_slice(du),
            OuterParameters::Targets => change.t.copy_from_slice(du),
            OuterParameters::InputsAndLabelLogits => {
                let (x, logits) = du.split_at(change.x.len());
                change.x.copy_from_slice(x);
                change.t.copy_from_slice(logits);
                softmax_rows_derivative(self.model.outputs(), &data.t, &mut change.t);
            }
            OuterParameters::ExampleWeightLogits => {
                for ((change, du), u) in change.log_weights.iter_mut().zip(du).zip(u) {
                    *change = T::from_f64(sigmoids(u.to_f64()).1 * du.to_f64());
                }
            }
            OuterParameters::LinearAugmentation => {
                let d = self.model.inputs();
                let (matrix, shift) = du.split_at(d * self.features);
                change.x.chunks_exact_mut(d).for_each(|x| x.copy_from_slice(shift));
                let shape = [self.rows, d, self.features];
                cpu::gemm(self.simd, Form::Abt, shape, self.design, matrix, true, &mut change.x);
            }
            OuterParameters::LogL2(_) => times_exp(u, du, &mut change.penalties),
            OuterParameters::ProximalCentre { .. } => change.centre.copy_from_slice(du),
        }
    }
}

/// out ← exp(u) ∘ x.
fn times_exp<T: Scalar>(u: &[T], x: &[T], out: &mut [T]) {
    for ((out, u), x) in out.iter_mut().zip(u).zip(x) {
        *out = T::from_f64(u.to_f64().exp() * x.to_f64());
    }
}

/// Checks the fixed penalty.
pub(super) fn check_l2(l2: f64) -> Result<()> {
    check_nonnegative("l2", l2)
}
