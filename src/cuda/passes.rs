//! Passes through a network on the device. Formulas and names are those of `src/problem/mlp/passes.rs`.

use super::buffer::{Buffer, View};
use super::device::{Arg, Device};
use super::matrix::Epilogue;
use crate::Scalar;
use crate::cpu::{Activation, Form};
use crate::problem::mlp::Loss;
use std::ops::Range;

/// One layer: y = W x + b, with the places of W and b in w.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub inputs: usize,
    pub outputs: usize,
    pub weights: Range<usize>,
    pub biases: Range<usize>,
}

/// The network, and the device it is on.
#[derive(Debug)]
pub(super) struct Net {
    pub device: Device,
    pub layers: Vec<Layer>,
    pub activation: Activation,
    pub loss: Loss,
}

impl Layer {
    fn shape(&self, len: usize, width: usize, form: Form) -> [usize; 3] {
        let rows = len / width;
        match form {
            Form::Abt => [rows, self.outputs, self.inputs],
            Form::Ab => [rows, self.inputs, self.outputs],
            Form::Atb => [self.outputs, self.inputs, rows],
        }
    }

    /// z ← A Wᵀ + 1 bᵀ, then φ in place if there is one, with φ′ and φ″.
    pub fn forward<T: Scalar>(
        &self,
        device: &Device,
        [w, a, z]: [View<T>; 3],
        activation: Option<(Activation, View<T>, View<T>)>,
    ) {
        let shape = self.shape(a.len, self.inputs, Form::Abt);
        let after = Epilogue { bias: w.part(self.biases.clone()), activation };
        device.gemm(Form::Abt, shape, [a, w.part(self.weights.clone())], false, z, Some(after));
    }

    /// z ← (z +) A Wᵀ.
    pub fn apply<T: Scalar>(&self, device: &Device, w: View<T>, a: View<T>, add: bool, z: View<T>) {
        let shape = self.shape(a.len, self.inputs, Form::Abt);
        device.gemm(Form::Abt, shape, [a, w.part(self.weights.clone())], add, z, None);
    }

    /// out ← (out +) D W.
    pub fn backward<T: Scalar>(&self, device: &Device, w: View<T>, delta: View<T>, add: bool, out: View<T>) {
        let shape = self.shape(delta.len, self.outputs, Form::Ab);
        device.gemm(Form::Ab, shape, [delta, w.part(self.weights.clone())], add, out, None);
    }

    /// The weights' part of out ← (out +) Dᵀ A.
    pub fn outer_product<T: Scalar>(&self, device: &Device, delta: View<T>, a: View<T>, add: bool, out: View<T>) {
        let shape = self.shape(delta.len, self.outputs, Form::Atb);
        device.gemm(Form::Atb, shape, [delta, a], add, out.part(self.weights.clone()), None);
    }

    /// The layer's part of out ← (out +) [Dᵀ A, Dᵀ 1].
    pub fn gradient<T: Scalar>(&self, device: &Device, delta: View<T>, a: View<T>, add: bool, out: View<T>) {
        self.outer_product(device, delta, a, add, out);
        device.column_sums(delta, add, out.part(self.biases.clone()));
    }
}

impl Net {
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.outputs)
    }

    pub fn inputs(&self) -> usize {
        self.layers.first().map_or(0, |layer| layer.inputs)
    }

    pub fn parameters(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.biases.end)
    }

    /// The loss, as its kernels number it.
    pub fn loss(&self) -> Arg {
        Arg::U32(match self.loss {
            Loss::CrossEntropy => 0,
            Loss::SquaredError => 1,
        })
    }

    fn zeros<T: Scalar>(&self, rows: usize, hidden: bool) -> Vec<Buffer<T>> {
        let layers = &self.layers[..self.layers.len() - hidden as usize];
        layers.iter().map(|layer| Buffer::zeros(&self.device, rows * layer.outputs)).collect()
    }
}

/// The examples of a pass: x, targets, weights.
#[derive(Clone, Copy)]
pub(super) struct Batch<T> {
    pub x: View<T>,
    pub targets: View<T>,
    pub weights: View<T>,
}

/// What one forward and backward pass leaves behind.
#[derive(Debug)]
pub(super) struct Pass<T: Scalar> {
    pub activations: Vec<Buffer<T>>,
    pub slopes: Vec<Buffer<T>>,
    pub curves: Vec<Buffer<T>>,
    pub outputs: Buffer<T>,
    pub probabilities: Buffer<T>,
    values: Buffer<f64>,
    pub weighted: Buffer<f64>,
    pub deltas: Vec<Buffer<T>>,
    pub errors: Vec<Buffer<T>>,
}

impl<T: Scalar> Pass<T> {
    /// For up to `rows` examples; with φ″ if `second`.
    pub fn new(net: &Net, rows: usize, second: bool) -> Pass<T> {
        let curved = || if second && net.activation.is_curved() { net.zeros(rows, true) } else { Vec::new() };
        let outputs = || Buffer::zeros(&net.device, rows * net.outputs());
        let numbers = || Buffer::zeros(&net.device, rows);
        Pass {
            activations: net.zeros(rows, true),
            slopes: net.zeros(rows, true),
            curves: curved(),
            outputs: outputs(),
            probabilities: outputs(),
            values: numbers(),
            weighted: numbers(),
            deltas: net.zeros(rows, false),
            errors: curved(),
        }
    }

    /// The device memory in use.
    pub fn bytes(&self) -> usize {
        let Pass { activations, slopes, curves, outputs, probabilities, values, weighted, deltas, errors } = self;
        let lists = [activations, slopes, curves, deltas, errors];
        let arrays = outputs.bytes() + probabilities.bytes() + values.bytes() + weighted.bytes();
        arrays + lists.into_iter().flatten().map(Buffer::bytes).sum::<usize>()
    }

    /// Forward and back.
    pub fn run(&self, net: &Net, w: View<T>, batch: Batch<T>) {
        let (device, rows, last) = (&net.device, batch.weights.len, net.layers.len() - 1);
        let mut from = batch.x;
        for (l, layer) in net.layers.iter().enumerate() {
            let size = rows * layer.outputs;
            if l == last {
                layer.forward(device, [w, from, self.outputs.all().first(size)], None);
            } else {
                let to = self.activations[l].all().first(size);
                let curve = self.curves.get(l).map_or(View::none(), |curve| curve.all().first(size));
                let after = (net.activation, self.slopes[l].all().first(size), curve);
                layer.forward(device, [w, from, to], Some(after));
                from = to;
            }
        }
        let arrays = [
            self.outputs.all().arg(),
            batch.targets.arg(),
            batch.weights.arg(),
            self.probabilities.all().arg(),
            self.deltas[last].all().arg(),
            self.values.all().arg(),
            self.weighted.all().arg(),
        ];
        device.by_rows::<T>("loss", &[net.loss()], &arrays, [rows, net.outputs()]);
        for (l, layer) in net.layers.iter().enumerate().skip(1).rev() {
            let size = rows * layer.inputs;
            let (delta, above) =
                (self.deltas[l - 1].all().first(size), self.deltas[l].all().first(rows * layer.outputs));
            let error = self.errors.get(l - 1).map_or(delta, |error| error.all().first(size));
            layer.backward(device, w, above, false, error);
            device.elementwise("product", &[], &[error, self.slopes[l - 1].all().first(size), delta]);
        }
    }

    /// Σ ωᵢ ℓᵢ of the last run.
    pub fn value(&self, net: &Net, rows: usize) -> crate::Result<f64> {
        net.device.sum(self.weighted.all().arg(), rows, || ())
    }
}

/// A pass at (u, w) with what it was made from.
#[derive(Clone, Copy)]
pub(super) struct At<'a, T: Scalar> {
    pub net: &'a Net,
    pub rows: usize,
    pub w: View<T>,
    pub batch: Batch<T>,
    pub pass: &'a Pass<T>,
}

impl<T: Scalar> At<'_, T> {
    /// a_l: what layer l + 1 sees.
    pub fn inputs(&self, l: usize) -> View<T> {
        let size = self.rows * self.net.layers[l].inputs;
        if l == 0 { self.batch.x } else { self.pass.activations[l - 1].all().first(size) }
    }

    /// δ_{l+1}.
    pub fn deltas(&self, l: usize) -> View<T> {
        self.pass.deltas[l].all().first(self.rows * self.net.layers[l].outputs)
    }

    fn slopes(&self, l: usize) -> View<T> {
        self.pass.slopes[l].all().first(self.rows * self.net.layers[l].outputs)
    }

    /// out ← (out +) the gradient in w of Σ ωᵢ ℓᵢ.
    pub fn gradient(&self, add: bool, out: View<T>) {
        for (l, layer) in self.net.layers.iter().enumerate() {
            layer.gradient(&self.net.device, self.deltas(l), self.inputs(l), add, out);
        }
    }
}

/// What a direction does to the arrays of a pass.
#[derive(Debug)]
pub(super) struct Sweep<T: Scalar> {
    pub rz: Vec<Buffer<T>>,
    ra: Vec<Buffer<T>>,
    pub rdelta: Vec<Buffer<T>>,
    back: Vec<Buffer<T>>,
}

/// Which terms the way back of a sweep has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Back {
    /// All.
    Full,
    /// No Z: a direction in the data.
    Data,
    /// Neither Z nor φ″.
    GaussNewton,
}

impl<T: Scalar> Sweep<T> {
    pub fn new(net: &Net, rows: usize) -> Sweep<T> {
        Sweep {
            rz: net.zeros(rows, false),
            ra: net.zeros(rows, true),
            rdelta: net.zeros(rows, false),
            back: net.zeros(rows, true),
        }
    }

    /// The device memory in use.
    pub fn bytes(&self) -> usize {
        let Sweep { rz, ra, rdelta, back } = self;
        [rz, ra, rdelta, back].into_iter().flatten().map(Buffer::bytes).sum()
    }

    /// Y and, if `errors`, Z of the direction v.
    pub fn images(&self, at: &At<'_, T>, v: View<T>, errors: bool) {
        let device = &at.net.device;
        for (l, layer) in at.net.layers.iter().enumerate() {
            layer.forward(device, [v, at.inputs(l), self.rz[l].all()], None);
            if errors && l > 0 {
                layer.backward(device, v, at.deltas(l), false, self.back[l - 1].all());
            }
        }
    }

    /// Rz_l ← 0, Ra_l ← 0 and Rδ_L ← 0.
    pub fn clear(&self, net: &Net) {
        let all = self.rz.iter().chain(&self.ra).chain(self.rdelta.last());
        all.for_each(|array| net.device.fill(T::ZERO, array.all()));
    }

    /// Rz_1 for a direction dx in the inputs; no images elsewhere.
    pub fn data_image(&self, at: &At<'_, T>, dx: View<T>) {
        self.rz[1..].iter().for_each(|rz| at.net.device.fill(T::ZERO, rz.all()));
        at.net.layers[0].apply(&at.net.device, at.w, dx, false, self.rz[0].all());
    }

    /// From the images to Rz_L.
    pub fn forward(&self, at: &At<'_, T>) {
        let device = &at.net.device;
        for (l, layer) in at.net.layers.iter().enumerate() {
            if l > 0 {
                layer.apply(device, at.w, self.ra[l - 1].all(), true, self.rz[l].all());
            }
            if let Some(ra) = self.ra.get(l) {
                device.elementwise("product", &[], &[self.rz[l].all(), at.slopes(l), ra.all()]);
            }
        }
    }

    /// Rδ_L ← ω Q Rz_L.
    pub fn turn(&self, at: &At<'_, T>) {
        let (Some(rz), Some(rdelta)) = (self.rz.last(), self.rdelta.last()) else { return };
        let probabilities = at.pass.probabilities.all();
        let arrays = [at.batch.targets, at.batch.weights, probabilities, rz.all(), rdelta.all()].map(View::arg);
        at.net.device.by_rows::<T>("curvature", &[at.net.loss()], &arrays, [at.rows, at.net.outputs()]);
    }

    /// From Rδ_L to Rδ_1.
    pub fn backward(&self, at: &At<'_, T>, terms: Back) {
        let device = &at.net.device;
        for (l, layer) in at.net.layers.iter().enumerate().skip(1).rev() {
            let (rdelta, back, slopes) = (self.rdelta[l - 1].all(), self.back[l - 1].all(), at.slopes(l - 1));
            layer.backward(device, at.w, self.rdelta[l].all(), terms == Back::Full, back);
            match (at.pass.errors.get(l - 1), at.pass.curves.get(l - 1)) {
                (Some(error), Some(curve)) if terms != Back::GaussNewton => {
                    let arrays = [back, slopes, error.all(), curve.all(), self.rz[l - 1].all(), rdelta];
                    device.elementwise("curve_term", &[], &arrays);
                }
                _ => device.elementwise("product", &[], &[back, slopes, rdelta]),
            }
        }
    }

    /// out ← [Rδ_lᵀ a_{l-1} + δ_lᵀ Ra_{l-1}, Rδ_lᵀ 1], with Ra_0 = dx unless there is none.
    pub fn output(&self, at: &At<'_, T>, dx: Option<View<T>>, terms: Back, out: View<T>) {
        let device = &at.net.device;
        for (l, layer) in at.net.layers.iter().enumerate() {
            layer.gradient(device, self.rdelta[l].all(), at.inputs(l), false, out);
            let ra = if l == 0 { dx } else { Some(self.ra[l - 1].all()) };
            if let Some(ra) = ra.filter(|_| terms != Back::GaussNewton) {
                layer.outer_product(device, at.deltas(l), ra, true, out);
            }
        }
    }
}
