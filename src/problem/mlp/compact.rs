//! Sweeps of a few examples through the units that are on.
//!
//! With ReLU, Ra and Rδ of an example vanish where its unit is off. So its part of a sweep takes only the rows and columns of W of
//! units that are on, which are copied together once for each linearization: with half of them on, a quarter of the
//! numbers. Each example has its own, and W is no longer shared between examples: this pays for up to three.

use super::model::{Layer, Model};
use super::passes::{At, Sweep};
use crate::Scalar;
use crate::cpu::{self, Activation, Form};
use crate::problem::heap_of;
use crate::solve::heap;

/// More examples read W as it is.
const FEW: usize = 3;
/// Rows of the copies begin at multiples of so many scalars, a line of the cache in f32, and end in zeros.
const LINE: usize = cpu::WORD;

/// W at the units that are on, outputs × inputs; begins at `start`.
#[derive(Debug)]
struct Block<T> {
    numbers: Vec<T>,
    start: usize,
}

/// Units that are on.
#[derive(Debug)]
struct Units {
    /// A bit for each unit.
    chosen: Vec<u16>,
    count: usize,
}

fn padded(len: usize) -> usize {
    len.next_multiple_of(LINE)
}

/// The copies for one linearization.
#[derive(Debug)]
pub(super) struct Compact<T> {
    /// For each example, the units that are on in each hidden layer, and all outputs.
    on: Vec<Vec<Units>>,
    /// For each example and each layer from the second on.
    blocks: Vec<Vec<Block<T>>>,
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
        let units = || {
            let of = |layer: &Layer| Units { chosen: vec![0; layer.outputs.div_ceil(LINE)], count: 0 };
            model.layers.iter().map(of).collect()
        };
        // With a word behind the last row, and room to begin at a line.
        let block =
            |layer: &Layer| Block { numbers: vec![T::ZERO; layer.outputs * padded(layer.inputs) + 2 * LINE], start: 0 };
        let room = padded(model.widest()) + LINE;
        Some(Compact {
            on: (0..rows).map(|_| units()).collect(),
            blocks: (0..rows).map(|_| model.layers.iter().skip(1).map(block).collect()).collect(),
            from: vec![T::ZERO; room],
            to: vec![T::ZERO; room],
            pays: false,
        })
    }

    /// The memory in use.
    pub fn bytes(&self) -> usize {
        let Compact { on, blocks, from, to, pays: _ } = self;
        let lists = |of: &Vec<Units>| heap(of) + of.iter().map(|units| heap(&units.chosen)).sum::<usize>();
        let of_blocks = |blocks: &Vec<Block<T>>| blocks.iter().map(|block| heap(&block.numbers)).sum::<usize>();
        let copies = blocks.iter().map(|blocks| heap(blocks) + of_blocks(blocks)).sum::<usize>();
        heap(on) + heap(blocks) + on.iter().map(lists).sum::<usize>() + copies + heap_of(&[from, to])
    }

    /// Copies what is on at a linearization.
    pub fn set(&mut self, at: &At<'_, T>) {
        let layers = &at.model.layers;
        let mut taken = 0;
        for (e, on) in self.on.iter_mut().enumerate() {
            for (l, (Units { chosen, count }, layer)) in on.iter_mut().zip(layers).enumerate() {
                let slopes = at.pass.slopes.get(l).map(|slopes| &slopes[e * layer.outputs..][..layer.outputs]);
                chosen.fill(0);
                *count = 0;
                for unit in 0..layer.outputs {
                    if slopes.is_none_or(|slopes| slopes[unit] != T::ZERO) {
                        chosen[unit / LINE] |= 1 << (unit % LINE);
                        *count += 1;
                    }
                }
            }
            taken += on.windows(2).map(|pair| pair[0].count * pair[1].count).sum::<usize>();
        }
        let whole: usize = layers.iter().skip(1).map(|layer| layer.weights.len()).sum();
        self.pays = 4 * taken < 3 * whole;
        if !self.pays {
            return;
        }
        for (on, blocks) in self.on.iter().zip(&mut self.blocks) {
            for ((block, pair), layer) in blocks.iter_mut().zip(on.windows(2)).zip(&layers[1..]) {
                let w = at.w[layer.weights.clone()].chunks_exact(layer.inputs);
                let Block { numbers, start } = block;
                *start = numbers.as_ptr().align_offset(64).min(LINE);
                let mut to = *start;
                for (output, row) in w.enumerate() {
                    if pair[1].chosen[output / LINE] >> (output % LINE) & 1 == 1 {
                        cpu::compress(at.simd, row, &pair[0].chosen, &mut numbers[to..]);
                        to += padded(pair[0].count);
                    }
                }
            }
        }
    }

    /// As [`Sweep::forward`], where it pays; else false. Rz is made for the outputs alone.
    pub fn forward(&mut self, at: &At<'_, T>, sweep: &mut Sweep<T>) -> bool {
        if !self.pays {
            return false;
        }
        let (simd, Compact { on, blocks, from, to, .. }) = (at.simd, self);
        for (e, (on, blocks)) in on.iter().zip(blocks).enumerate() {
            for (l, layer) in at.model.layers.iter().enumerate() {
                let rz = &mut sweep.rz[l][e * layer.outputs..][..layer.outputs];
                cpu::compress(simd, rz, &on[l].chosen, to);
                if l > 0 {
                    let (inputs, outputs) = (padded(on[l - 1].count), on[l].count);
                    let Block { numbers, start } = &blocks[l - 1];
                    let (shape, w) = ([1, outputs, inputs], &numbers[*start..][..outputs * inputs]);
                    cpu::gemm(simd, Form::Abt, shape, &from[..inputs], w, true, &mut to[..outputs]);
                }
                match sweep.ra.get_mut(l) {
                    Some(ra) => cpu::expand(simd, to, &on[l].chosen, &mut ra[e * layer.outputs..][..layer.outputs]),
                    None => rz.copy_from_slice(&to[..layer.outputs]),
                }
                std::mem::swap(from, to);
            }
        }
        true
    }

    /// As [`Sweep::backward`] with all its terms, where it pays; else false.
    pub fn backward(&mut self, at: &At<'_, T>, sweep: &mut Sweep<T>) -> bool {
        if !self.pays {
            return false;
        }
        let (simd, Compact { on, blocks, from, to, .. }) = (at.simd, self);
        let outputs = at.model.outputs();
        for (e, (on, blocks)) in on.iter().zip(blocks).enumerate() {
            let last = sweep.rdelta.last().map_or(&[][..], |rdelta| &rdelta[e * outputs..][..outputs]);
            from[..outputs].copy_from_slice(last);
            for (l, layer) in at.model.layers.iter().enumerate().skip(1).rev() {
                let place = e * layer.inputs..(e + 1) * layer.inputs;
                let units = &on[l - 1];
                cpu::compress(simd, &sweep.back[l - 1][place.clone()], &units.chosen, to);
                let (inputs, outputs) = (padded(units.count), on[l].count);
                let Block { numbers, start } = &blocks[l - 1];
                let (shape, w) = ([1, inputs, outputs], &numbers[*start..][..outputs * inputs]);
                cpu::gemm(simd, Form::Ab, shape, &from[..outputs], w, true, &mut to[..inputs]);
                cpu::expand(simd, to, &units.chosen, &mut sweep.rdelta[l - 1][place]);
                std::mem::swap(from, to);
            }
        }
        true
    }
}
