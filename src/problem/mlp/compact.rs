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
/// Rows of the copies begin at multiples of so many scalars of a line of the cache, and end in zeros.
const LINE: usize = 16;

/// W at the units that are on, outputs × inputs; begins at `start`.
#[derive(Debug)]
struct Block<T> {
    numbers: Vec<T>,
    start: usize,
}

fn padded(len: usize) -> usize {
    len.next_multiple_of(LINE)
}

/// The copies for one linearization.
#[derive(Debug)]
pub(super) struct Compact<T> {
    /// For each example, the units that are on in each hidden layer, and all outputs.
    on: Vec<Vec<Vec<u32>>>,
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
        let widths = || model.layers.iter().map(|layer| layer.outputs);
        let block = |layer: &super::model::Layer| Block {
            numbers: Vec::with_capacity(layer.outputs * padded(layer.inputs) + LINE),
            start: 0,
        };
        Some(Compact {
            on: (0..rows).map(|_| widths().map(Vec::with_capacity).collect()).collect(),
            blocks: (0..rows).map(|_| model.layers.iter().skip(1).map(block).collect()).collect(),
            from: vec![T::ZERO; padded(model.widest())],
            to: vec![T::ZERO; padded(model.widest())],
            pays: false,
        })
    }

    /// The memory in use.
    pub fn bytes(&self) -> usize {
        let Compact { on, blocks, from, to, pays: _ } = self;
        let lists = on.iter().map(|lists| heap(lists) + lists.iter().map(heap).sum::<usize>()).sum::<usize>();
        let of_blocks = |blocks: &Vec<Block<T>>| blocks.iter().map(|block| heap(&block.numbers)).sum::<usize>();
        let copies = blocks.iter().map(|blocks| heap(blocks) + of_blocks(blocks)).sum::<usize>();
        heap(on) + heap(blocks) + lists + copies + heap_of(&[from, to])
    }

    /// Copies what is on at a linearization; the sweeps that follow are to be in `sweep`.
    pub fn set(&mut self, at: &At<'_, T>, sweep: &mut Sweep<T>) {
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
        sweep.ra.iter_mut().chain(&mut sweep.rdelta).for_each(|array| array.fill(T::ZERO));
        for (on, blocks) in self.on.iter().zip(&mut self.blocks) {
            for ((block, pair), layer) in blocks.iter_mut().zip(on.windows(2)).zip(&layers[1..]) {
                let w = &at.w[layer.weights.clone()];
                let Block { numbers, start } = block;
                numbers.clear();
                *start = numbers.as_ptr().align_offset(64).min(LINE);
                numbers.resize(*start, T::ZERO);
                for &output in &pair[1] {
                    let row = &w[output as usize * layer.inputs..][..layer.inputs];
                    numbers.extend(pair[0].iter().map(|&input| row[input as usize]));
                    numbers.resize((numbers.len() - *start).next_multiple_of(LINE) + *start, T::ZERO);
                }
            }
        }
    }

    /// As [`Sweep::forward`], where it pays; else false. Ra stays 0 where units are off, and Rz is made for the outputs alone.
    pub fn forward(&mut self, at: &At<'_, T>, sweep: &mut Sweep<T>) -> bool {
        if !self.pays {
            return false;
        }
        let Compact { on, blocks, from, to, .. } = self;
        for (e, (on, blocks)) in on.iter().zip(blocks).enumerate() {
            for (l, layer) in at.model.layers.iter().enumerate() {
                let rz = &mut sweep.rz[l][e * layer.outputs..][..layer.outputs];
                gather(rz, &on[l], to);
                if l > 0 {
                    let (inputs, outputs) = (padded(on[l - 1].len()), on[l].len());
                    let Block { numbers, start } = &blocks[l - 1];
                    from[on[l - 1].len()..inputs].fill(T::ZERO);
                    let (from, to) = (&from[..inputs], &mut to[..outputs]);
                    cpu::gemm(at.simd, Form::Abt, [1, outputs, inputs], from, &numbers[*start..], true, to);
                }
                match sweep.ra.get_mut(l) {
                    Some(ra) => scatter(to, &on[l], &mut ra[e * layer.outputs..][..layer.outputs]),
                    None => rz.copy_from_slice(&to[..layer.outputs]),
                }
                std::mem::swap(from, to);
            }
        }
        true
    }

    /// As [`Sweep::backward`] with all its terms, where it pays; else false. Rδ stays 0 where units are off.
    pub fn backward(&mut self, at: &At<'_, T>, sweep: &mut Sweep<T>) -> bool {
        if !self.pays {
            return false;
        }
        let Compact { on, blocks, from, to, .. } = self;
        let outputs = at.model.outputs();
        for (e, (on, blocks)) in on.iter().zip(blocks).enumerate() {
            let last = sweep.rdelta.last().map_or(&[][..], |rdelta| &rdelta[e * outputs..][..outputs]);
            from[..outputs].copy_from_slice(last);
            for (l, layer) in at.model.layers.iter().enumerate().skip(1).rev() {
                let place = e * layer.inputs..(e + 1) * layer.inputs;
                gather(&sweep.back[l - 1][place.clone()], &on[l - 1], to);
                let (inputs, outputs) = (padded(on[l - 1].len()), on[l].len());
                let Block { numbers, start } = &blocks[l - 1];
                let shape = [1, inputs, outputs];
                cpu::gemm(at.simd, Form::Ab, shape, &from[..outputs], &numbers[*start..], true, &mut to[..inputs]);
                scatter(to, &on[l - 1], &mut sweep.rdelta[l - 1][place]);
                std::mem::swap(from, to);
            }
        }
        true
    }
}

/// to ← the units that are on.
fn gather<T: Scalar>(from: &[T], on: &[u32], to: &mut [T]) {
    to.iter_mut().zip(on).for_each(|(to, &unit)| *to = from[unit as usize]);
}

/// The units that are on ← from.
fn scatter<T: Scalar>(from: &[T], on: &[u32], to: &mut [T]) {
    from.iter().zip(on).for_each(|(from, &unit)| to[unit as usize] = *from);
}
