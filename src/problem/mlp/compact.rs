//! Sweeps of a few examples through the units that are on.
//!
//! With ReLU, Ra and Rδ of an example vanish where its unit is off. So its part of a sweep takes only the rows and columns of W of
//! units that are on, which are copied together once for each linearization: with half of them on, a quarter of the
//! numbers. Each example has its own, and W is no longer shared between examples: this pays for up to three.

use super::model::Model;
use super::passes::{At, Sweep};
use crate::Scalar;
use crate::cpu::{self, Activation, Form};
use crate::problem::heap_of;
use crate::solve::heap;

/// More examples read W as it is.
const FEW: usize = 3;

/// The copies for one linearization.
#[derive(Debug)]
pub(super) struct Compact<T> {
    /// For each example, the units that are on in each hidden layer, and all outputs.
    on: Vec<Vec<Vec<u32>>>,
    /// For each example and each layer from the second on, W at the units that are on: outputs × inputs.
    blocks: Vec<Vec<Vec<T>>>,
    from: Vec<T>,
    to: Vec<T>,
    /// Whether enough units are off.
    pays: bool,
}

impl<T: Scalar> Compact<T> {
    /// Room for a network with `rows` examples; `None` where W is read as it is.
    pub fn plan(model: &Model, rows: usize) -> Option<Compact<T>> {
        if model.activation != Activation::Relu || rows > FEW || model.layers.len() < 2 {
            return None;
        }
        let widths = || model.layers.iter().map(|layer| layer.outputs);
        let sizes = || model.layers.iter().skip(1).map(|layer| layer.weights.len());
        Some(Compact {
            on: (0..rows).map(|_| widths().map(Vec::with_capacity).collect()).collect(),
            blocks: (0..rows).map(|_| sizes().map(Vec::with_capacity).collect()).collect(),
            from: vec![T::ZERO; model.widest()],
            to: vec![T::ZERO; model.widest()],
            pays: false,
        })
    }

    /// The memory in use.
    pub fn bytes(&self) -> usize {
        let Compact { on, blocks, from, to, pays: _ } = self;
        let lists = on.iter().map(|lists| heap(lists) + lists.iter().map(heap).sum::<usize>()).sum::<usize>();
        let copies = blocks.iter().map(|lists| heap(lists) + lists.iter().map(heap).sum::<usize>()).sum::<usize>();
        heap(on) + heap(blocks) + lists + copies + heap_of(&[from, to])
    }

    /// Copies what is on at a linearization.
    pub fn set(&mut self, at: &At<'_, T>) {
        let layers = &at.model.layers;
        let mut taken = 0;
        for (e, on) in self.on.iter_mut().enumerate() {
            for (l, (on, layer)) in on.iter_mut().zip(layers).enumerate() {
                on.clear();
                match at.pass.slopes.get(l) {
                    Some(slopes) => {
                        let slopes = slopes[e * layer.outputs..][..layer.outputs].iter().zip(0..);
                        on.extend(slopes.filter(|(slope, _)| **slope != T::ZERO).map(|(_, unit)| unit));
                    }
                    None => on.extend(0..layer.outputs as u32),
                }
            }
            taken += on.windows(2).map(|pair| pair[0].len() * pair[1].len()).sum::<usize>();
        }
        let whole: usize = layers.iter().skip(1).map(|layer| layer.weights.len()).sum();
        self.pays = 4 * taken < 3 * whole;
        if !self.pays {
            return;
        }
        for (on, blocks) in self.on.iter().zip(&mut self.blocks) {
            for ((block, pair), layer) in blocks.iter_mut().zip(on.windows(2)).zip(&layers[1..]) {
                let w = &at.w[layer.weights.clone()];
                block.clear();
                for &output in &pair[1] {
                    let row = &w[output as usize * layer.inputs..][..layer.inputs];
                    block.extend(pair[0].iter().map(|&input| row[input as usize]));
                }
            }
        }
    }

    /// As [`Sweep::forward`], where it pays; else false.
    pub fn forward(&mut self, at: &At<'_, T>, sweep: &mut Sweep<T>) -> bool {
        if !self.pays {
            return false;
        }
        for (l, layer) in at.model.layers.iter().enumerate() {
            for e in 0..if l > 0 { at.rows } else { 0 } {
                let (inputs, outputs) = (&self.on[e][l - 1], &self.on[e][l]);
                let ra = &sweep.ra[l - 1][e * layer.inputs..][..layer.inputs];
                let (from, to) = (&mut self.from[..inputs.len()], &mut self.to[..outputs.len()]);
                from.iter_mut().zip(inputs).for_each(|(from, &unit)| *from = ra[unit as usize]);
                let shape = [1, outputs.len(), inputs.len()];
                cpu::gemm(at.simd, Form::Abt, shape, from, &self.blocks[e][l - 1], false, to);
                let rz = &mut sweep.rz[l][e * layer.outputs..][..layer.outputs];
                to.iter().zip(outputs).for_each(|(to, &unit)| rz[unit as usize] += *to);
            }
            if let Some(ra) = sweep.ra.get_mut(l) {
                let size = at.rows * layer.outputs;
                cpu::product(at.simd, &sweep.rz[l][..size], &at.pass.slopes[l], &mut ra[..size]);
            }
        }
        true
    }

    /// As [`Sweep::backward`] with all its terms, where it pays; else false.
    pub fn backward(&mut self, at: &At<'_, T>, sweep: &mut Sweep<T>) -> bool {
        if !self.pays {
            return false;
        }
        for (l, layer) in at.model.layers.iter().enumerate().skip(1).rev() {
            for e in 0..at.rows {
                let (inputs, outputs) = (&self.on[e][l - 1], &self.on[e][l]);
                let rdelta = &sweep.rdelta[l][e * layer.outputs..][..layer.outputs];
                let (from, to) = (&mut self.from[..outputs.len()], &mut self.to[..inputs.len()]);
                from.iter_mut().zip(outputs).for_each(|(from, &unit)| *from = rdelta[unit as usize]);
                let shape = [1, inputs.len(), outputs.len()];
                cpu::gemm(at.simd, Form::Ab, shape, from, &self.blocks[e][l - 1], false, to);
                let back = &mut sweep.back[l - 1][e * layer.inputs..][..layer.inputs];
                to.iter().zip(inputs).for_each(|(to, &unit)| back[unit as usize] += *to);
            }
            let size = at.rows * layer.inputs;
            let rdelta = &mut sweep.rdelta[l - 1][..size];
            cpu::product(at.simd, &sweep.back[l - 1][..size], &at.pass.slopes[l - 1], rdelta);
        }
        true
    }
}
