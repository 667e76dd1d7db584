//! Passes through the network. Rows are examples; layers count from 1, a₀ = X.
//!
//! ```text
//! pass     z_l = a_{l-1} W_lᵀ + 1 b_lᵀ;   a_l = φ(z_l);   δ_L = ω ∂ℓ/∂z;   e_l = δ_{l+1} W_{l+1};   δ_l = e_l ∘ φ′_l
//!          ∇W_l = δ_lᵀ a_{l-1};   ∇b_l = δ_lᵀ 1
//! images   Y_l = a_{l-1} V_lᵀ + 1 c_lᵀ;   Z_l = δ_l V_l                of a direction v = [V_l, c_l] in w
//! sweep    Rz_1 = Y_1;   Rz_l = Y_l + Ra_{l-1} W_lᵀ;   Ra_l = φ′_l ∘ Rz_l;   Rδ_L = ω Q Rz_L
//!          Rδ_l = (Rδ_{l+1} W_{l+1} + Z_{l+1}) ∘ φ′_l + e_l ∘ φ″_l ∘ Rz_l
//! output   (H v)_{W_l} = Rδ_lᵀ a_{l-1} + δ_lᵀ Ra_{l-1};   (H v)_{b_l} = Rδ_lᵀ 1
//! ```
//!
//! (Pearlmutter, 1994.) One pass at (u, w) serves every product there. The Gauss-Newton product leaves out Z and φ″; a
//! direction dx in the inputs has Rz_1 = dx W_1ᵀ, Ra_0 = dx and neither Y nor Z.

use super::loss::Batch;
use super::model::Model;
use crate::Scalar;
use crate::cpu::{self, Form, Simd};
use crate::problem::heap_of;
use crate::solve::heap;

/// What one forward and backward pass leaves behind.
#[derive(Debug)]
pub(super) struct Pass<T> {
    /// a_1 to a_{L-1}.
    pub activations: Vec<Vec<T>>,
    /// φ′ there.
    pub slopes: Vec<Vec<T>>,
    /// φ″ there; none if it is 0, or not wanted.
    pub curves: Vec<Vec<T>>,
    /// z_L.
    pub outputs: Vec<T>,
    /// s: softmax of the outputs for cross-entropy, else the outputs.
    pub probabilities: Vec<T>,
    /// ℓ of each example.
    pub values: Vec<f64>,
    /// δ_1 to δ_L.
    pub deltas: Vec<Vec<T>>,
    /// e_1 to e_{L-1}; none where there is no φ″.
    pub errors: Vec<Vec<T>>,
}

fn zeros<T: Scalar>(rows: usize, widths: impl Iterator<Item = usize>) -> Vec<Vec<T>> {
    widths.map(|width| vec![T::ZERO; rows * width]).collect()
}

/// The memory of lists of lists.
pub(super) fn heap_of_lists<T>(lists: &[&Vec<Vec<T>>]) -> usize {
    lists.iter().map(|list| heap(list) + list.iter().map(heap).sum::<usize>()).sum()
}

impl<T: Scalar> Pass<T> {
    /// The memory in use.
    pub fn bytes(&self) -> usize {
        let Pass { activations, slopes, curves, outputs, probabilities, values, deltas, errors } = self;
        heap_of_lists(&[activations, slopes, curves, deltas, errors])
            + heap_of(&[outputs, probabilities])
            + heap(values)
    }

    /// For up to `rows` examples; with φ″ if `second`.
    pub fn new(model: &Model, rows: usize, second: bool) -> Pass<T> {
        let outputs = || model.layers.iter().map(|layer| layer.outputs);
        let hidden = || outputs().take(model.layers.len() - 1);
        let curved = |wanted| if wanted && model.activation.is_curved() { zeros(rows, hidden()) } else { Vec::new() };
        Pass {
            activations: zeros(rows, hidden()),
            slopes: zeros(rows, hidden()),
            curves: curved(second),
            outputs: vec![T::ZERO; rows * model.outputs()],
            probabilities: vec![T::ZERO; rows * model.outputs()],
            values: vec![0.0; rows],
            deltas: zeros(rows, outputs()),
            errors: curved(second),
        }
    }

    /// Forward and back; returns Σ ωᵢ ℓᵢ.
    pub fn run(&mut self, model: &Model, simd: Simd, w: &[T], x: &[T], batch: Batch<'_, T>) -> f64 {
        let rows = batch.weights.len();
        let value = self.forward(model, simd, w, x, batch);
        let Pass { slopes, deltas, errors, .. } = self;
        for (l, layer) in model.layers.iter().enumerate().skip(1).rev() {
            let size = rows * layer.inputs;
            let (before, after) = deltas.split_at_mut(l);
            let (delta, above) = (&mut before[l - 1][..size], &after[0][..rows * layer.outputs]);
            if let Some(error) = errors.get_mut(l - 1) {
                layer.backward(simd, w, above, false, &mut error[..size]);
                cpu::product(simd, &error[..size], &slopes[l - 1], delta);
            } else {
                layer.backward(simd, w, above, false, delta);
                cpu::multiply(simd, delta, &slopes[l - 1]);
            }
        }
        value
    }

    /// Forward, with the loss and its gradient δ_L.
    fn forward(&mut self, model: &Model, simd: Simd, w: &[T], x: &[T], batch: Batch<'_, T>) -> f64 {
        let (rows, last) = (batch.weights.len(), model.layers.len() - 1);
        for (l, layer) in model.layers.iter().enumerate() {
            let size = rows * layer.outputs;
            let (before, after) = self.activations.split_at_mut(l);
            let from = if l == 0 { x } else { &before[l - 1][..rows * layer.inputs] };
            if l == last {
                layer.forward(simd, w, from, &mut self.outputs[..size]);
            } else {
                let z = &mut after[0][..size];
                layer.apply(simd, w, from, false, z);
                let curve = self.curves.get_mut(l).map_or(&mut [][..], |curve| &mut curve[..size]);
                model.activation.apply(simd, &w[layer.biases.clone()], z, &mut self.slopes[l][..size], curve);
            }
        }
        let size = rows * model.outputs();
        let (z, s) = (&self.outputs[..size], &mut self.probabilities[..size]);
        model.loss.apply(batch, z, s, &mut self.deltas[last][..size], &mut self.values[..rows])
    }
}

/// A pass at (u, w) with what it was made from.
#[derive(Clone, Copy)]
pub(super) struct At<'a, T> {
    pub model: &'a Model,
    pub simd: Simd,
    /// n.
    pub rows: usize,
    pub w: &'a [T],
    pub x: &'a [T],
    pub pass: &'a Pass<T>,
}

impl<'a, T> At<'a, T> {
    /// a_l: what layer l + 1 sees.
    pub fn inputs(&self, l: usize) -> &'a [T] {
        if l == 0 { self.x } else { &self.pass.activations[l - 1][..self.rows * self.model.layers[l].inputs] }
    }

    /// δ_{l+1}.
    pub fn deltas(&self, l: usize) -> &'a [T] {
        &self.pass.deltas[l][..self.rows * self.model.layers[l].outputs]
    }

    /// out ← (out +) the gradient in w of Σ ωᵢ ℓᵢ.
    pub fn gradient(&self, add: bool, out: &mut [T])
    where
        T: Scalar,
    {
        for (l, layer) in self.model.layers.iter().enumerate() {
            layer.gradient(self.simd, self.deltas(l), self.inputs(l), add, out);
        }
    }
}

/// What a direction does to the arrays of a pass.
#[derive(Debug)]
pub(super) struct Sweep<T> {
    /// Y_l, then Rz_l, l = 1 to L.
    pub rz: Vec<Vec<T>>,
    /// Ra_1 to Ra_{L-1}.
    pub ra: Vec<Vec<T>>,
    /// Rδ_1 to Rδ_L.
    pub rdelta: Vec<Vec<T>>,
    /// Z_2 to Z_L, then with Rδ_l W_l added.
    pub back: Vec<Vec<T>>,
}

/// Which terms the way back of a sweep has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Back {
    /// All: Hessian and mixed products of a direction in w.
    Full,
    /// No Z: a direction in the data.
    Data,
    /// Neither Z nor φ″: Gauss-Newton.
    GaussNewton,
}

impl<T: Scalar> Sweep<T> {
    /// The memory in use.
    pub fn bytes(&self) -> usize {
        let Sweep { rz, ra, rdelta, back } = self;
        heap_of_lists(&[rz, ra, rdelta, back])
    }

    /// For up to `rows` examples.
    pub fn new(model: &Model, rows: usize) -> Sweep<T> {
        let outputs = || model.layers.iter().map(|layer| layer.outputs);
        let hidden = || outputs().take(model.layers.len() - 1);
        Sweep {
            rz: zeros(rows, outputs()),
            ra: zeros(rows, hidden()),
            rdelta: zeros(rows, outputs()),
            back: zeros(rows, hidden()),
        }
    }

    /// Y and, if `errors`, Z of the direction v.
    pub fn images(&mut self, at: &At<'_, T>, v: &[T], errors: bool) {
        for (l, layer) in at.model.layers.iter().enumerate() {
            let y = &mut self.rz[l][..at.rows * layer.outputs];
            if errors && l > 0 {
                let z = &mut self.back[l - 1][..at.rows * layer.inputs];
                layer.images(at.simd, v, [at.inputs(l), at.deltas(l)], [y, z]);
            } else {
                layer.forward(at.simd, v, at.inputs(l), y);
            }
        }
    }

    /// Y and Z of a gradient at other examples, given by its own pass `from`, added to what is there; Z_1 to `first` unless
    /// that is empty. `panel` holds n × the other examples.
    pub fn add_images(&mut self, at: &At<'_, T>, from: &At<'_, T>, panel: &mut [T], first: &mut [T]) {
        let (simd, n, rows) = (at.simd, at.rows, from.rows);
        for (l, layer) in at.model.layers.iter().enumerate() {
            let (i, o) = (layer.inputs, layer.outputs);
            panel.fill(T::ONE);
            cpu::gemm(simd, Form::Abt, [n, rows, i], at.inputs(l), from.inputs(l), true, panel);
            cpu::gemm(simd, Form::Ab, [n, o, rows], panel, from.deltas(l), true, &mut self.rz[l][..n * o]);
            let back = if l == 0 { &mut *first } else { &mut self.back[l - 1][..n * i] };
            if !back.is_empty() {
                cpu::gemm(simd, Form::Abt, [n, rows, o], at.deltas(l), from.deltas(l), false, panel);
                cpu::gemm(simd, Form::Ab, [n, i, rows], panel, from.inputs(l), true, back);
            }
        }
    }

    /// Rz_l ← 0, Ra_l ← 0 and Rδ_L ← 0: a direction that leaves the inputs as they are.
    pub fn clear(&mut self) {
        self.rz.iter_mut().chain(&mut self.ra).chain(self.rdelta.last_mut()).for_each(|array| array.fill(T::ZERO));
    }

    /// Rz_1 for a direction dx in the inputs; no images elsewhere.
    pub fn data_image(&mut self, at: &At<'_, T>, dx: &[T]) {
        for rz in &mut self.rz[1..] {
            rz.fill(T::ZERO);
        }
        let layer = &at.model.layers[0];
        layer.apply(at.simd, at.w, dx, false, &mut self.rz[0][..at.rows * layer.outputs]);
    }

    /// From the images to Rz_L.
    pub fn forward(&mut self, at: &At<'_, T>) {
        for (l, layer) in at.model.layers.iter().enumerate() {
            let size = at.rows * layer.outputs;
            if l > 0 {
                let ra = &self.ra[l - 1][..at.rows * layer.inputs];
                layer.apply(at.simd, at.w, ra, true, &mut self.rz[l][..size]);
            }
            if let Some(ra) = self.ra.get_mut(l) {
                cpu::product(at.simd, &self.rz[l][..size], &at.pass.slopes[l], &mut ra[..size]);
            }
        }
    }

    /// Rδ_L ← ω Q Rz_L.
    pub fn turn(&mut self, at: &At<'_, T>, batch: Batch<'_, T>) {
        let size = at.rows * batch.outputs;
        let (Some(rz), Some(rdelta)) = (self.rz.last(), self.rdelta.last_mut()) else { return };
        at.model.loss.curvature(batch, &at.pass.probabilities[..size], &rz[..size], &mut rdelta[..size]);
    }

    /// From Rδ_L to Rδ_1.
    pub fn backward(&mut self, at: &At<'_, T>, terms: Back) {
        for (l, layer) in at.model.layers.iter().enumerate().skip(1).rev() {
            let size = at.rows * layer.inputs;
            let (before, after) = self.rdelta.split_at_mut(l);
            let (rdelta, back) = (&mut before[l - 1][..size], &mut self.back[l - 1][..size]);
            layer.backward(at.simd, at.w, &after[0][..at.rows * layer.outputs], terms == Back::Full, back);
            cpu::product(at.simd, back, &at.pass.slopes[l - 1], rdelta);
            if terms == Back::GaussNewton || at.pass.curves.is_empty() {
                continue;
            }
            let terms = at.pass.errors[l - 1].iter().zip(&at.pass.curves[l - 1]).zip(&self.rz[l - 1]);
            for (rdelta, ((e, curve), rz)) in rdelta.iter_mut().zip(terms) {
                *rdelta += *e * *curve * *rz;
            }
        }
    }

    /// out ← [Rδ_lᵀ a_{l-1} + δ_lᵀ Ra_{l-1}, Rδ_lᵀ 1], with Ra_0 = dx unless that is empty; without the second terms for
    /// Gauss-Newton.
    pub fn output(&self, at: &At<'_, T>, dx: &[T], terms: Back, out: &mut [T]) {
        for (l, layer) in at.model.layers.iter().enumerate() {
            let rdelta = &self.rdelta[l][..at.rows * layer.outputs];
            let ra = if l == 0 { dx } else { &self.ra[l - 1][..at.rows * layer.inputs] };
            let ra = if terms == Back::GaussNewton { &[] } else { ra };
            layer.output(at.simd, [rdelta, at.inputs(l)], [at.deltas(l), ra], out);
        }
    }
}
