//! The network: layers, activation and loss, and where its parameters lie in w.

use super::loss::Loss;
use crate::cpu::{self, Activation};
use crate::error::invalid;
use crate::random::Random;
use crate::{Result, Scalar};
use std::ops::Range;

/// One layer: y = W x + b.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layer {
    /// i.
    pub inputs: usize,
    /// o.
    pub outputs: usize,
    /// W, o × i row-major, in w.
    pub weights: Range<usize>,
    /// b in w, right behind W.
    pub biases: Range<usize>,
}

/// A multilayer perceptron: layers W x + b of the widths given, `activation` after every one but the last, then `loss`.
///
/// Two widths make a linear model. w = [W₁, b₁, W₂, b₂, …], each W fan_out × fan_in row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    pub(super) layers: Vec<Layer>,
    pub(super) activation: Activation,
    pub(super) loss: Loss,
}

/// Where the weights start; biases start at 0. Normal numbers with the standard deviations given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Init {
    /// √(2/(fan_in + fan_out)); Glorot and Bengio, 2010.
    Glorot,
    /// √(2/fan_in); He et al., 2015.
    He,
    /// √(1/fan_in); LeCun et al., 1998.
    LeCun,
    /// 0.
    Zero,
}

impl Model {
    /// Widths from the inputs to the outputs.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`](crate::Error::Invalid) for fewer than two widths, a width of 0, or more parameters than memory
    /// can address.
    pub fn new(widths: &[usize], activation: Activation, loss: Loss) -> Result<Model> {
        if widths.len() < 2 {
            return Err(invalid("widths", format!("{} of them", widths.len()), "at least inputs and outputs"));
        }
        if let Some(i) = widths.iter().position(|&width| width == 0) {
            return Err(invalid("widths", format!("0 at index {i}"), "at least 1"));
        }
        let mut start = 0_usize;
        let mut layers = Vec::with_capacity(widths.len() - 1);
        for pair in widths.windows(2) {
            let (inputs, outputs) = (pair[0], pair[1]);
            let split = inputs.checked_mul(outputs).and_then(|weights| weights.checked_add(start));
            let end = split.and_then(|split| split.checked_add(outputs)).filter(|&end| end <= isize::MAX as usize / 8);
            let (Some(split), Some(end)) = (split, end) else {
                return Err(invalid("widths", format!("{widths:?}"), "as many parameters as memory can hold"));
            };
            layers.push(Layer { inputs, outputs, weights: start..split, biases: split..end });
            start = end;
        }
        Ok(Model { layers, activation, loss })
    }

    /// From the inputs to the outputs.
    pub fn widths(&self) -> Vec<usize> {
        std::iter::once(self.inputs()).chain(self.layers.iter().map(|layer| layer.outputs)).collect()
    }

    /// After every layer but the last.
    pub fn activation(&self) -> Activation {
        self.activation
    }

    /// The loss.
    pub fn loss(&self) -> Loss {
        self.loss
    }

    /// The number of parameters.
    pub fn parameters(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.biases.end)
    }

    /// d, the features of an example.
    pub fn inputs(&self) -> usize {
        self.layers.first().map_or(0, |layer| layer.inputs)
    }

    /// c, the outputs for an example.
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.outputs)
    }

    /// The widest layer.
    pub(super) fn widest(&self) -> usize {
        self.layers.iter().map(|layer| layer.inputs.max(layer.outputs)).max().unwrap_or(0)
    }

    /// Initial parameters. Equal for equal seeds, on every machine, up to the rounding of logarithms and cosines.
    ///
    /// ```
    /// use blo::problem::mlp::{Activation, Init, Loss, Model};
    ///
    /// let model = Model::new(&[2, 200, 200, 200, 2], Activation::Relu, Loss::CrossEntropy)?;
    /// let w: Vec<f32> = model.initial(Init::Glorot, 0);
    /// assert_eq!(w.len(), 81402);
    /// # Ok::<(), blo::Error>(())
    /// ```
    pub fn initial<T: Scalar>(&self, init: Init, seed: u64) -> Vec<T> {
        let mut random = Random::new(seed);
        let mut w = vec![T::ZERO; self.parameters()];
        for layer in &self.layers {
            let (i, o) = (layer.inputs as f64, layer.outputs as f64);
            let deviation = match init {
                Init::Glorot => (2.0 / (i + o)).sqrt(),
                Init::He => (2.0 / i).sqrt(),
                Init::LeCun => (1.0 / i).sqrt(),
                Init::Zero => continue,
            };
            for w in &mut w[layer.weights.clone()] {
                *w = T::from_f64(deviation * random.normal());
            }
        }
        w
    }

    /// out ← the outputs (before any softmax) for `x`, examples as rows: what accuracies and decision regions are made of.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`](crate::Error::Shape) for w, x or out.
    pub fn predict<T: Scalar>(&self, w: &[T], x: &[T], out: &mut [T]) -> Result<()> {
        let (d, c) = (self.inputs(), self.outputs());
        let rows = x.len() / d;
        crate::error::check_len("w", w.len(), self.parameters())?;
        crate::error::check_len("x", x.len(), rows * d)?;
        crate::error::check_len("out", out.len(), rows * c)?;
        const ROWS: usize = 256;
        let simd = cpu::Simd::best();
        let widest = ROWS.min(rows) * self.widest();
        let [mut a, mut z, mut slope] = [(); 3].map(|()| vec![T::ZERO; widest]);
        for (x, out) in x.chunks(ROWS * d).zip(out.chunks_mut(ROWS * c)) {
            let rows = x.len() / d;
            for (l, layer) in self.layers.iter().enumerate() {
                let size = rows * layer.outputs;
                let from = if l == 0 { x } else { &a[..rows * layer.inputs] };
                if l + 1 == self.layers.len() {
                    layer.forward(simd, w, from, out);
                } else {
                    let bias = &w[layer.biases.clone()];
                    layer.apply(simd, w, from, false, &mut z[..size]);
                    self.activation.apply(simd, bias, &mut z[..size], &mut slope[..size], &mut []);
                    std::mem::swap(&mut a, &mut z);
                }
            }
        }
        Ok(())
    }
}

impl Layer {
    /// z ← A Wᵀ + 1 bᵀ.
    pub fn forward<T: Scalar>(&self, simd: cpu::Simd, w: &[T], a: &[T], z: &mut [T]) {
        self.spread_biases(w, z);
        self.apply(simd, w, a, true, z);
    }

    /// z ← 1 bᵀ.
    fn spread_biases<T: Scalar>(&self, w: &[T], z: &mut [T]) {
        for z in z.chunks_exact_mut(self.outputs) {
            z.copy_from_slice(&w[self.biases.clone()]);
        }
    }

    /// sums ← (sums +) Dᵀ 1.
    fn add_columns<T: Scalar>(&self, delta: &[T], add: bool, sums: &mut [T]) {
        if !add {
            sums.fill(T::ZERO);
        }
        for row in delta.chunks_exact(self.outputs) {
            sums.iter_mut().zip(row).for_each(|(sum, delta)| *sum += *delta);
        }
    }

    /// z ← (z +) A Wᵀ.
    pub fn apply<T: Scalar>(&self, simd: cpu::Simd, w: &[T], a: &[T], add: bool, z: &mut [T]) {
        let shape = [a.len() / self.inputs, self.outputs, self.inputs];
        cpu::gemm(simd, cpu::Form::Abt, shape, a, &w[self.weights.clone()], add, z);
    }

    /// out ← (out +) D W: errors through the layer.
    pub fn backward<T: Scalar>(&self, simd: cpu::Simd, w: &[T], delta: &[T], add: bool, out: &mut [T]) {
        let rows = delta.len() / self.outputs;
        let shape = [rows, self.inputs, self.outputs];
        cpu::gemm(simd, cpu::Form::Ab, shape, delta, &w[self.weights.clone()], add, out);
    }

    /// The layer's part of out ← (out +) [Dᵀ A, Dᵀ 1].
    pub fn gradient<T: Scalar>(&self, simd: cpu::Simd, delta: &[T], a: &[T], add: bool, out: &mut [T]) {
        self.outer_product(simd, delta, a, add, out);
        self.add_columns(delta, add, &mut out[self.biases.clone()]);
    }

    /// The layer's part of out ← [Rδᵀ a + δᵀ Ra, Rδᵀ 1], without the second term if Ra is empty.
    pub fn output<T: Scalar>(&self, simd: cpu::Simd, [rdelta, a]: [&[T]; 2], [delta, ra]: [&[T]; 2], out: &mut [T]) {
        let second = if ra.is_empty() { [&[][..]; 2] } else { [delta, ra] };
        let shape = [self.outputs, self.inputs];
        cpu::outer_products(simd, shape, [[rdelta, a], second], false, &mut out[self.weights.clone()]);
        self.add_columns(rdelta, false, &mut out[self.biases.clone()]);
    }

    /// Y ← A Vᵀ + 1 cᵀ and Z ← D V of the direction [V, c].
    pub fn images<T: Scalar>(&self, simd: cpu::Simd, v: &[T], [a, delta]: [&[T]; 2], [y, z]: [&mut [T]; 2]) {
        self.spread_biases(v, y);
        let shape = [a.len() / self.inputs, self.outputs, self.inputs];
        cpu::images(simd, shape, &v[self.weights.clone()], [a, delta], y, z);
    }

    /// The same layer where w begins at `start`.
    pub fn shifted(&self, start: usize) -> Layer {
        let shift = |range: &Range<usize>| range.start - start..range.end - start;
        Layer { weights: shift(&self.weights), biases: shift(&self.biases), ..*self }
    }

    /// The layer's weights' part of out ← (out +) Dᵀ A.
    fn outer_product<T: Scalar>(&self, simd: cpu::Simd, delta: &[T], a: &[T], add: bool, out: &mut [T]) {
        let rows = delta.len() / self.outputs;
        let shape = [self.outputs, self.inputs, rows];
        cpu::gemm(simd, cpu::Form::Atb, shape, delta, a, add, &mut out[self.weights.clone()]);
    }
}
