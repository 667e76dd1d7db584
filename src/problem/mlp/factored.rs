//! Vectors of a solve as coefficients: H's output is, layer by layer, a sum of outer products with stored arrays.
//!
//! With the right-hand side b = (B_l, β_l) of a solve, the vectors
//!
//! ```text
//! p_{W_l} = s_l B_l + A_lᵀ a_{l-1} + δ_lᵀ C_{l-1},     p_{b_l} = s_l β_l + A_lᵀ 1        A_l: n × o,  C_{l-1}: n × i,  C_0 = 0
//! ```
//!
//! are closed under H, sums, and penalties with one number for a layer. A vector carries s, A, C and its images Y, Z, so
//! that those of H p come from Gram matrices and only the sweep reads W:
//!
//! ```text
//! once     G_l = a_{l-1} a_{l-1}ᵀ + 1 1ᵀ,   D_l = δ_l δ_lᵀ   (n × n)
//! H p      s′ = c s;   A′ = Rδ + c A;   C′ = Ra + c C;   Y′ = G Rδ + (a Raᵀ) δ + c Y;   Z′ = (δ Rδᵀ) a + D Ra + c Z
//! ⟨x, y⟩ = Σ_l s_x ⟨b_l, y_l⟩ + A_x · Y_y + C_x · Z_y;   ⟨b_l, y_l⟩ = s_y ‖b_l‖² + A_y · Y_b + C_y · Z_b
//! ```
//!
//! For f32 networks the coefficients and the n × n algebra are f64, and only the sweep is f32. An error of the sweep then is
//! one of A and C alone, and Y and Z stay the images of what A and C say; else the two would drift apart, and the error of q
//! would grow with the square of K.
//!
//! All parts of a vector are linear in it, so one slice holds them, and sums are sums of slices; only inner products and
//! products with H know the parts. A layer for which this does not pay is held as it is in w; layers do not notice each other.
//! Linear models are the case L = 1: everything then happens in the n × n Gram matrix.
//!
//! For the Neumann series alone: its test of growth is content with norms to √eps ‖b‖, which is what ⟨x, x⟩ resolves where the
//! terms cancel. Residuals of Krylov solves must go below that.

use super::loss::Batch;
use super::passes::{At, Back, Sweep};
use crate::cpu::{self, Form, Simd};
use crate::problem::heap_of;
use crate::solve::{Space, heap};
use crate::{Error, Result, Scalar};
use std::ops::Range;

/// A layer's part of a vector.
#[derive(Debug, Clone)]
struct Part {
    factored: bool,
    /// n, i, o.
    rows: usize,
    inputs: usize,
    outputs: usize,
    /// Where W and b are in w.
    place: Range<usize>,
    /// Where the part is in a vector: [V, c], or [s, A, C, Y, Z] with C and Z from the second layer on.
    range: Range<usize>,
    first: bool,
}

/// The pieces of a factored part.
struct Pieces<S> {
    s: S,
    a: S,
    c: S,
    y: S,
    z: S,
}

impl Part {
    fn sizes(&self) -> [usize; 5] {
        let (a, c) = (self.rows * self.outputs, if self.first { 0 } else { self.rows * self.inputs });
        [1, a, c, a, c]
    }

    fn pieces<'a>(&self, vector: &'a [f64]) -> Pieces<&'a [f64]> {
        let [s, a, c, y, _] = self.sizes();
        let (s, rest) = vector[self.range.clone()].split_at(s);
        let (a, rest) = rest.split_at(a);
        let (c, rest) = rest.split_at(c);
        let (y, z) = rest.split_at(y);
        Pieces { s, a, c, y, z }
    }

    fn pieces_mut<'a>(&self, vector: &'a mut [f64]) -> Pieces<&'a mut [f64]> {
        let [s, a, c, y, _] = self.sizes();
        let (s, rest) = vector[self.range.clone()].split_at_mut(s);
        let (a, rest) = rest.split_at_mut(a);
        let (c, rest) = rest.split_at_mut(c);
        let (y, z) = rest.split_at_mut(y);
        Pieces { s, a, c, y, z }
    }
}

/// The space of such vectors, for one right-hand side.
#[derive(Debug)]
pub(super) struct Factored<T> {
    simd: Simd,
    /// The number of parameters.
    len: usize,
    parts: Vec<Part>,
    size: usize,
    /// b itself: s = 1, and its images.
    base: Vec<f64>,
    /// ‖b_l‖².
    squares: Vec<f64>,
    /// Of each factored layer: a, δ, G and D.
    arrays: Vec<[Vec<f64>; 4]>,
    /// n × n.
    square: Vec<f64>,
    /// A layer of w.
    wide: Vec<f64>,
    narrow: [Vec<T>; 2],
}

/// Whether a layer is cheaper factored. See the costs in the module above: 6n²(i + o) against 8noi operations for a product, or
/// 2n²o against 4noi in the first layer.
fn pays(first: bool, rows: usize, inputs: usize, outputs: usize) -> bool {
    if first { rows < 2 * inputs } else { 3 * rows * (inputs + outputs) < 4 * inputs * outputs }
}

impl<T: Scalar> Factored<T> {
    /// The plan for a network with `rows` inner examples; `None` if no layer gains.
    pub fn plan(model: &super::Model, simd: Simd, rows: usize) -> Option<Factored<T>> {
        let (mut start, mut parts) = (0, Vec::new());
        for (l, layer) in model.layers.iter().enumerate() {
            let (inputs, outputs, first) = (layer.inputs, layer.outputs, l == 0);
            let place = layer.weights.start..layer.biases.end;
            let factored = rows > 0 && pays(first, rows, inputs, outputs);
            let mut part = Part { factored, rows, inputs, outputs, range: 0..0, first, place };
            let size = if factored { part.sizes().iter().sum() } else { part.place.len() };
            part.range = start..start + size;
            start += size;
            parts.push(part);
        }
        if !parts.iter().any(|part| part.factored) {
            return None;
        }
        let zeros = |part: &Part, wanted: bool, len: usize| vec![0.0; if part.factored && wanted { len } else { 0 }];
        let arrays = |part: &Part| {
            let deep = !part.first;
            [
                zeros(part, true, rows * part.inputs),
                zeros(part, deep, rows * part.outputs),
                zeros(part, true, rows * rows),
                zeros(part, deep, rows * rows),
            ]
        };
        let largest = parts.iter().map(|part| part.place.len()).max().unwrap_or(0);
        let plain = parts.iter().filter(|part| !part.factored).map(|part| part.place.len()).max().unwrap_or(0);
        Some(Factored {
            simd,
            len: model.parameters(),
            size: start,
            base: vec![0.0; start],
            squares: vec![0.0; parts.len()],
            arrays: parts.iter().map(arrays).collect(),
            square: vec![0.0; rows * rows],
            wide: vec![0.0; largest],
            narrow: [(); 2].map(|()| vec![T::ZERO; plain]),
            parts,
        })
    }

    /// The memory in use.
    pub fn bytes(&self) -> usize {
        let Factored { simd: _, len: _, parts, size: _, base, squares, arrays, square, wide, narrow } = self;
        let of_layers: usize = arrays.iter().flatten().map(heap).sum();
        heap(parts)
            + heap_of(&[base, squares, square, wide])
            + heap(arrays)
            + of_layers
            + heap_of(&[&narrow[0], &narrow[1]])
    }

    /// Makes the arrays of a linearization, and b the right-hand side.
    pub fn set(&mut self, at: &At<'_, T>, b: &[T]) {
        let (simd, n) = (self.simd, at.rows);
        for (l, part) in self.parts.iter().enumerate() {
            let own = &b[part.place.clone()];
            if !part.factored {
                convert(own, &mut self.base[part.range.clone()]);
                continue;
            }
            let layer = at.model.layers[l].shifted(part.place.start);
            let [a, delta, gram, errors] = &mut self.arrays[l];
            convert(at.inputs(l), a);
            gram.fill(1.0);
            cpu::gemm(simd, Form::Abt, [n, n, part.inputs], a, a, true, gram);
            let (pieces, wide) = (part.pieces_mut(&mut self.base), &mut self.wide[..own.len()]);
            convert(own, wide);
            pieces.s[0] = 1.0;
            layer.forward(simd, wide, a, pieces.y);
            if !part.first {
                convert(at.deltas(l), delta);
                cpu::gemm(simd, Form::Abt, [n, n, part.outputs], delta, delta, false, errors);
                layer.backward(simd, wide, delta, false, pieces.z);
            }
            self.squares[l] = cpu::dot(simd, wide, wide);
        }
    }

    /// b.
    pub fn base(&self) -> &[f64] {
        &self.base
    }

    /// out ← H v; `penalties` holds one number for each layer.
    pub fn apply(
        &mut self,
        at: &At<'_, T>,
        batch: Batch<'_, T>,
        sweep: &mut Sweep<T>,
        penalties: &[f64],
        v: &[f64],
        out: &mut [f64],
    ) {
        let (simd, n) = (self.simd, at.rows);
        for (l, part) in self.parts.iter().enumerate() {
            let rz = &mut sweep.rz[l][..n * part.outputs];
            if part.factored {
                let pieces = part.pieces(v);
                convert(pieces.y, rz);
                if !part.first {
                    convert(pieces.z, &mut sweep.back[l - 1][..n * part.inputs]);
                }
                continue;
            }
            let layer = at.model.layers[l].shifted(part.place.start);
            let narrow = &mut self.narrow[0][..part.place.len()];
            convert(&v[part.range.clone()], narrow);
            layer.forward(simd, narrow, at.inputs(l), rz);
            if l > 0 {
                layer.backward(simd, narrow, at.deltas(l), false, &mut sweep.back[l - 1][..n * part.inputs]);
            }
        }
        sweep.forward(at);
        sweep.turn(at, batch);
        sweep.backward(at, Back::Full);
        for (l, part) in self.parts.iter().enumerate() {
            let rdelta = &sweep.rdelta[l][..n * part.outputs];
            let ra = if part.first { &[][..] } else { &sweep.ra[l - 1][..n * part.inputs] };
            if part.factored {
                let [a, delta, gram, errors] = &self.arrays[l];
                let (to, square) = (part.pieces_mut(out), &mut self.square);
                to.s[0] = 0.0;
                convert(rdelta, to.a);
                convert(ra, to.c);
                cpu::gemm(simd, Form::Ab, [n, part.outputs, n], gram, to.a, false, to.y);
                if !part.first {
                    cpu::gemm(simd, Form::Abt, [n, n, part.inputs], a, to.c, false, square);
                    cpu::gemm(simd, Form::Ab, [n, part.outputs, n], square, delta, true, to.y);
                    cpu::gemm(simd, Form::Abt, [n, n, part.outputs], delta, to.a, false, square);
                    cpu::gemm(simd, Form::Ab, [n, part.inputs, n], square, a, false, to.z);
                    cpu::gemm(simd, Form::Ab, [n, part.inputs, n], errors, to.c, true, to.z);
                }
            } else {
                let layer = at.model.layers[l].shifted(part.place.start);
                let narrow = &mut self.narrow[1][..part.place.len()];
                layer.output(simd, [rdelta, at.inputs(l)], [at.deltas(l), ra], narrow);
                convert(narrow, &mut out[part.range.clone()]);
            }
            if penalties[l] != 0.0 {
                cpu::axpy(simd, penalties[l], &v[part.range.clone()], &mut out[part.range.clone()]);
            }
        }
    }

    /// out ← the vector as it is in w, where b is the right-hand side.
    pub fn form(&mut self, at: &At<'_, T>, b: &[T], v: &[f64], out: &mut [T]) {
        let simd = self.simd;
        for (l, part) in self.parts.iter().enumerate() {
            let (from, to) = (&b[part.place.clone()], &mut out[part.place.clone()]);
            if !part.factored {
                convert(&v[part.range.clone()], to);
                continue;
            }
            // In f64 up to the end: with many terms, s B and the rest cancel.
            let ([a, delta, ..], pieces) = (&self.arrays[l], part.pieces(v));
            let (layer, wide) = (at.model.layers[l].shifted(part.place.start), &mut self.wide[..from.len()]);
            layer.output(simd, [pieces.a, a], [delta, pieces.c], wide);
            for ((to, from), wide) in to.iter_mut().zip(from).zip(wide) {
                *to = T::from_f64(pieces.s[0] * from.to_f64() + *wide);
            }
        }
    }

    fn part_dot(&self, l: usize, x: &[f64], y: &[f64]) -> f64 {
        let (part, simd) = (&self.parts[l], self.simd);
        if !part.factored {
            return cpu::dot(simd, &x[part.range.clone()], &y[part.range.clone()]);
        }
        let (x, y, b) = (part.pieces(x), part.pieces(y), part.pieces(&self.base));
        let with_base = y.s[0] * self.squares[l] + cpu::dot(simd, y.a, b.y) + cpu::dot(simd, y.c, b.z);
        x.s[0] * with_base + cpu::dot(simd, x.a, y.y) + cpu::dot(simd, x.c, y.z)
    }
}

/// to ← from, in the other type.
fn convert<A: Scalar, B: Scalar>(from: &[A], to: &mut [B]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = B::from_f64(from.to_f64()));
}

impl<T: Scalar> Space<T> for Factored<T> {
    type Vector = Vec<f64>;

    fn len(&self) -> usize {
        self.len
    }

    fn zeros(&self) -> Vec<f64> {
        vec![0.0; self.size]
    }

    fn bytes(&self) -> usize {
        self.size * size_of::<f64>()
    }

    fn load(&self, _: &[T], _: &mut Vec<f64>) -> Result<()> {
        Err(Error::Unsupported { operation: "load", reason: "a factored vector belongs to its right-hand side" })
    }

    fn store(&self, _: &Vec<f64>, _: &mut [T]) -> Result<()> {
        Err(Error::Unsupported { operation: "store", reason: "a factored vector belongs to its right-hand side" })
    }

    fn copy(&self, from: &Vec<f64>, to: &mut Vec<f64>) {
        to.copy_from_slice(from);
    }

    fn scale(&self, a: T, x: &mut Vec<f64>) {
        if a == T::ZERO { x.fill(0.0) } else { cpu::scale(self.simd, a.to_f64(), x) }
    }

    fn axpy(&self, a: T, x: &Vec<f64>, y: &mut Vec<f64>) {
        cpu::axpy(self.simd, a.to_f64(), x, y);
    }

    /// The terms of a sum that is 0 cancel to about eps ‖b‖², below which a square of a norm says nothing.
    fn dot(&self, x: &Vec<f64>, y: &Vec<f64>) -> f64 {
        (0..self.parts.len()).map(|l| self.part_dot(l, x, y)).sum()
    }

    fn norm(&self, x: &Vec<f64>) -> f64 {
        let square = self.dot(x, x);
        // Rounding may leave a little less than nothing; a NaN stays one.
        if square <= 0.0 { 0.0 } else { square.sqrt() }
    }

    fn neumann_update(&self, alpha: T, hp: &Vec<f64>, p: &mut Vec<f64>, q: &mut Vec<f64>) -> f64 {
        let (mut square, mut resolved) = (0.0, 0.0);
        for (l, part) in self.parts.iter().enumerate() {
            let range = part.range.clone();
            let (hp, q) = (&hp[range.clone()], &mut q[range.clone()]);
            let sum = cpu::neumann_update(self.simd, alpha.to_f64(), hp, &mut p[range], q);
            square += if part.factored { self.part_dot(l, p, p) } else { sum };
            if part.factored {
                resolved += part.pieces(p).s[0].powi(2) * self.squares[l];
            }
        }
        // Where terms that vanish have cancelled, the norm stays at what it can resolve: growth of noise is none.
        let floor = 16.0 * f64::EPSILON * resolved;
        if square < floor { floor } else { square }
    }
}
