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
//! would grow with the square of K. With many examples, where that algebra is most of the work, it is f32 too, and only what
//! it makes is summed in f64: the drift then is one of the first order, about K eps.
//!
//! All parts of a vector are linear in it, so one slice holds them, and sums are sums of slices; only inner products and
//! products with H know the parts. A layer for which this does not pay is held as it is in w; layers do not notice each other.
//! Linear models are the case L = 1: everything then happens in the n × n Gram matrix.
//!
//! For the Neumann series alone: its test of growth is content with norms to √eps ‖b‖, which is what ⟨x, x⟩ resolves where the
//! terms cancel. Residuals of Krylov solves must go below that.

use super::compact::Compact;
use super::loss::Batch;
use super::model::Layer;
use super::passes::{At, Back, Sweep};
use crate::cpu::{self, Factor, Form, Simd};
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

impl Part {
    /// y ← (y +) G Rδ + (a Raᵀ) δ and z ← (z +) (δ Rδᵀ) a + D Ra.
    fn images<S: Scalar>(
        &self,
        simd: Simd,
        [a, delta, gram, errors]: [&[S]; 4],
        [rdelta, ra]: [&[S]; 2],
        square: &mut [S],
        add: bool,
        [y, z]: [&mut [S]; 2],
    ) {
        let Part { rows: n, inputs: i, outputs: o, .. } = *self;
        if self.first {
            return cpu::gemm(simd, Form::Ab, [n, o, n], gram, rdelta, add, y);
        }
        // G and D are symmetric.
        cpu::gemm(simd, Form::Abt, [n, n, i], ra, a, false, square);
        cpu::outer_products(simd, [n, o], [[gram, rdelta], [square, delta]], add, y);
        cpu::gemm(simd, Form::Abt, [n, n, o], rdelta, delta, false, square);
        cpu::outer_products(simd, [n, i], [[square, a], [errors, ra]], add, z);
    }

    /// z ← Z_1 = s δ B + (δ Aᵀ) x, for the first layer.
    fn data_image<S: Scalar>(
        &self,
        simd: Simd,
        layer: &Layer,
        s: S,
        [b, delta, x, a]: [&[S]; 4],
        square: &mut [S],
        z: &mut [S],
    ) {
        let Part { rows: n, inputs: i, outputs: o, .. } = *self;
        layer.backward(simd, b, delta, false, z);
        cpu::scale(simd, s, z);
        cpu::gemm(simd, Form::Abt, [n, n, o], delta, a, false, square);
        cpu::gemm(simd, Form::Ab, [n, i, n], square, x, true, z);
    }
}

/// The space of such vectors, for one right-hand side.
#[derive(Debug)]
pub(super) struct Factored<T> {
    simd: Simd,
    /// The number of parameters.
    len: usize,
    parts: Vec<Part>,
    sizes: [usize; 2],
    /// b itself: s = 1, and its images.
    base: Vector<T>,
    /// ‖b_l‖².
    squares: Vec<f64>,
    /// Of each factored layer: a, δ, G and D.
    arrays: Vec<[Vec<f64>; 4]>,
    /// n × n.
    square: Vec<f64>,
    /// A layer of w.
    wide: Vec<f64>,
    /// Z_1.
    data: Vec<f64>,
    /// With many examples: G and D of each layer, n × n, and Y and Z as they are made.
    narrow: Option<Narrow<T>>,
    /// With few examples and ReLU.
    compact: Option<Compact<T>>,
}

#[derive(Debug)]
struct Narrow<T> {
    grams: Vec<[Vec<T>; 2]>,
    square: Vec<T>,
    y: Vec<T>,
    z: Vec<T>,
}

/// A vector: all factored parts, and all others.
#[derive(Debug)]
pub(super) struct Vector<T> {
    wide: Vec<f64>,
    plain: Vec<T>,
}

/// From so many examples on, the n × n algebra is of the network's own type.
const MANY: usize = 64;

/// Whether a layer is cheaper factored. See the costs in the module above: 6n²(i + o) against 8noi operations for a product, or
/// 2n²o against 4noi in the first layer.
fn pays(first: bool, rows: usize, inputs: usize, outputs: usize) -> bool {
    if first { rows < 2 * inputs } else { 3 * rows * (inputs + outputs) < 4 * inputs * outputs }
}

impl<T: Scalar> Factored<T> {
    /// The plan for a network with `rows` inner examples; `None` if no layer gains.
    pub fn plan(model: &super::Model, simd: Simd, rows: usize) -> Option<Factored<T>> {
        let (mut sizes, mut parts) = ([0; 2], Vec::new());
        for (l, layer) in model.layers.iter().enumerate() {
            let (inputs, outputs, first) = (layer.inputs, layer.outputs, l == 0);
            let place = layer.weights.start..layer.biases.end;
            let factored = rows > 0 && pays(first, rows, inputs, outputs);
            let mut part = Part { factored, rows, inputs, outputs, range: 0..0, first, place };
            let (len, start) =
                if factored { (part.sizes().iter().sum(), &mut sizes[0]) } else { (part.place.len(), &mut sizes[1]) };
            part.range = *start..*start + len;
            *start += len;
            parts.push(part);
        }
        if !parts.iter().any(|part| part.factored) {
            return None;
        }
        let len = |part: &Part, wanted: bool, len: usize| if part.factored && wanted { len } else { 0 };
        let many = rows >= MANY && size_of::<T>() < size_of::<f64>();
        let square = if many { 0 } else { rows * rows };
        let arrays = |part: &Part| {
            [
                vec![0.0; len(part, true, rows * part.inputs)],
                vec![0.0; len(part, true, rows * part.outputs)],
                vec![0.0; len(part, true, square)],
                vec![0.0; len(part, !part.first, square)],
            ]
        };
        let largest = |size: fn(&Part) -> usize| parts.iter().filter(|part| part.factored).map(size).max().unwrap_or(0);
        let zeros = |len| vec![T::ZERO; len];
        let narrow = many.then(|| Narrow {
            grams: parts
                .iter()
                .map(|part| [zeros(len(part, true, rows * rows)), zeros(len(part, !part.first, rows * rows))])
                .collect(),
            square: zeros(rows * rows),
            y: zeros(rows * largest(|part| part.outputs)),
            z: zeros(rows * largest(|part| part.inputs)),
        });
        Some(Factored {
            simd,
            len: model.parameters(),
            sizes,
            base: Vector { wide: vec![0.0; sizes[0]], plain: zeros(sizes[1]) },
            squares: vec![0.0; parts.len()],
            arrays: parts.iter().map(arrays).collect(),
            square: vec![0.0; square],
            wide: vec![0.0; largest(|part| part.place.len())],
            data: vec![0.0; parts.first().map_or(0, |part| len(part, !many, rows * part.inputs))],
            narrow,
            compact: Compact::plan(model, rows),
            parts,
        })
    }

    /// The memory in use.
    pub fn bytes(&self) -> usize {
        let Factored { simd: _, len: _, parts, sizes: _, base, squares, arrays, square, wide, data, narrow, compact } =
            self;
        let of_layers: usize = arrays.iter().flatten().map(heap).sum();
        let narrow = narrow.as_ref().map_or(0, |narrow| {
            let Narrow { grams, square, y, z } = narrow;
            heap(grams) + grams.iter().flatten().map(heap).sum::<usize>() + heap_of(&[square, y, z])
        });
        heap(parts)
            + base.bytes()
            + heap_of(&[squares, square, wide, data])
            + heap(arrays)
            + of_layers
            + narrow
            + compact.as_ref().map_or(0, Compact::bytes)
    }

    /// Makes the arrays of a linearization, and b the right-hand side.
    pub fn set(&mut self, at: &At<'_, T>, b: &[T]) {
        let (simd, n) = (self.simd, at.rows);
        if let Some(compact) = &mut self.compact {
            compact.set(at);
        }
        for (l, part) in self.parts.iter().enumerate() {
            let own = &b[part.place.clone()];
            if !part.factored {
                self.base.plain[part.range.clone()].copy_from_slice(own);
                continue;
            }
            if let Some(narrow) = &mut self.narrow {
                let [gram, errors] = &mut narrow.grams[l];
                gram.fill(T::ONE);
                cpu::gemm(simd, Form::Abt, [n, n, part.inputs], at.inputs(l), at.inputs(l), true, gram);
                if !part.first {
                    cpu::gemm(simd, Form::Abt, [n, n, part.outputs], at.deltas(l), at.deltas(l), false, errors);
                }
            }
            let layer = at.model.layers[l].shifted(part.place.start);
            let [a, delta, gram, errors] = &mut self.arrays[l];
            convert(at.inputs(l), a);
            if self.narrow.is_none() {
                gram.fill(1.0);
                cpu::gemm(simd, Form::Abt, [n, n, part.inputs], a, a, true, gram);
            }
            let (pieces, wide) = (part.pieces_mut(&mut self.base.wide), &mut self.wide[..own.len()]);
            convert(own, wide);
            pieces.s[0] = 1.0;
            layer.forward(simd, wide, a, pieces.y);
            convert(at.deltas(l), delta);
            if !part.first {
                if self.narrow.is_none() {
                    cpu::gemm(simd, Form::Abt, [n, n, part.outputs], delta, delta, false, errors);
                }
                layer.backward(simd, wide, delta, false, pieces.z);
            }
            self.squares[l] = cpu::dot(simd, wide, wide);
        }
    }

    /// X, its Gram matrix with ones added, and the image of b, where the model is linear and all is in `f64`.
    pub fn linear(&self) -> Option<[&[f64]; 3]> {
        match (self.parts.as_slice(), self.arrays.as_slice(), &self.narrow) {
            ([part], [[x, _, gram, _]], None) if part.factored => Some([x, gram, part.pieces(&self.base.wide).y]),
            _ => None,
        }
    }

    /// b.
    pub fn base(&self) -> &Vector<T> {
        &self.base
    }

    /// Rδ and Ra of v, in `sweep`; `known`: its factored images are there.
    fn sweep(&mut self, at: &At<'_, T>, batch: Batch<'_, T>, sweep: &mut Sweep<T>, v: &Vector<T>, known: bool) {
        let (simd, n) = (self.simd, at.rows);
        for (l, part) in self.parts.iter().enumerate() {
            let rz = &mut sweep.rz[l][..n * part.outputs];
            if part.factored && known {
                continue;
            }
            if part.factored {
                let pieces = part.pieces(&v.wide);
                cpu::narrow(simd, pieces.y, rz);
                if !part.first {
                    cpu::narrow(simd, pieces.z, &mut sweep.back[l - 1][..n * part.inputs]);
                }
                continue;
            }
            let layer = at.model.layers[l].shifted(part.place.start);
            let v = &v.plain[part.range.clone()];
            if l > 0 {
                let z = &mut sweep.back[l - 1][..n * part.inputs];
                layer.images(simd, v, [at.inputs(l), at.deltas(l)], [rz, z]);
            } else {
                layer.forward(simd, v, at.inputs(l), rz);
            }
        }
        if !self.compact.as_mut().is_some_and(|compact| compact.forward(at, sweep)) {
            sweep.forward(at);
        }
        sweep.turn(at, batch);
        if !self.compact.as_mut().is_some_and(|compact| compact.backward(at, sweep)) {
            sweep.backward(at, Back::Full);
        }
    }

    /// q ← q + p, p ← p − alpha H p; returns ‖p‖² of the new p. `penalties` holds one number for each layer, `hp` is scratch. The
    /// images of q are left as they are: only its coefficients are asked for. `again`: p and `sweep` are as the last step left them.
    pub fn step(
        &mut self,
        at: &At<'_, T>,
        (batch, penalties): (Batch<'_, T>, &[f64]),
        sweep: &mut Sweep<T>,
        (alpha, again): (T, bool),
        [hp, p, q]: [&mut Vector<T>; 3],
    ) -> f64 {
        let few = at.rows <= cpu::FEW_COEFFICIENTS;
        self.sweep(at, batch, sweep, p, few && again);
        let (simd, n, step) = (self.simd, at.rows, alpha.to_f64());
        let (mut total, mut resolved) = (0.0, 0.0);
        for (l, part) in self.parts.iter().enumerate() {
            let rdelta = &sweep.rdelta[l][..n * part.outputs];
            let ra = if part.first { &[][..] } else { &sweep.ra[l - 1][..n * part.inputs] };
            if !part.factored {
                let range = part.range.clone();
                let [hp, p, q] = [&mut hp.plain, &mut p.plain, &mut q.plain].map(|vector| &mut vector[range.clone()]);
                let layer = at.model.layers[l].shifted(part.place.start);
                layer.output(simd, [rdelta, at.inputs(l)], [at.deltas(l), ra], hp);
                if penalties[l] != 0.0 {
                    cpu::axpy(simd, T::from_f64(penalties[l]), p, hp);
                }
                total += cpu::neumann_update(simd, alpha, hp, p, q);
                continue;
            }
            let [by, p, q] = [&mut *hp, &mut *p, &mut *q].map(|vector| part.pieces_mut(&mut vector.wide));
            let keep = 1.0 - step * penalties[l];
            q.s[0] += p.s[0];
            p.s[0] *= keep;
            let (s, base) = (p.s[0], part.pieces(&self.base.wide));
            let own = s * s * self.squares[l];
            resolved += own;
            total += own;
            if few {
                let ([_, _, gram, errors], square) = (&self.arrays[l], &mut self.square[..]);
                let (a, delta, rates) = (at.inputs(l), at.deltas(l), [step, keep, s]);
                let stored = if part.first { &[][..] } else { delta };
                if !part.first {
                    cpu::inner_products(simd, n, -step, ra, a, square);
                }
                total += cpu::advance(
                    simd,
                    rates,
                    Factor {
                        rows: n,
                        by: rdelta,
                        gram,
                        other: square,
                        stored,
                        base: base.y,
                        p: p.a,
                        q: q.a,
                        image: p.y,
                        rounded: &mut sweep.rz[l][..n * part.outputs],
                    },
                );
                if !part.first {
                    cpu::inner_products(simd, n, -step, rdelta, delta, square);
                    total += cpu::advance(
                        simd,
                        rates,
                        Factor {
                            rows: n,
                            by: ra,
                            gram: errors,
                            other: square,
                            stored: a,
                            base: base.z,
                            p: p.c,
                            q: q.c,
                            image: p.z,
                            rounded: &mut sweep.back[l - 1][..n * part.inputs],
                        },
                    );
                }
                continue;
            }
            cpu::descend(simd, [step, keep], rdelta, by.a, p.a, q.a);
            cpu::descend(simd, [step, keep], ra, by.c, p.c, q.c);
            if keep != 1.0 {
                cpu::scale(simd, keep, p.y);
                cpu::scale(simd, keep, p.z);
            }
            if let Some(Narrow { grams, square, y, z }) = &mut self.narrow {
                let (y, z) = (&mut y[..rdelta.len()], &mut z[..ra.len()]);
                let arrays = [at.inputs(l), at.deltas(l), &grams[l][0], &grams[l][1]];
                part.images(simd, arrays, [rdelta, ra], square, false, [&mut *y, &mut *z]);
                cpu::widen_axpy(simd, -step, y, p.y);
                cpu::widen_axpy(simd, -step, z, p.z);
            } else {
                let [a, delta, gram, errors] = &self.arrays[l];
                part.images(simd, [a, delta, gram, errors], [by.a, by.c], &mut self.square, true, [p.y, p.z]);
            }
            total += cpu::dot_sum(simd, p.a, s, base.y, p.y) + cpu::dot_sum(simd, p.c, s, base.z, p.z);
        }
        // Where terms that vanish have cancelled, the norm stays at what it can resolve: growth of noise is none.
        let floor = if self.narrow.is_some() { 16.0 * T::EPSILON } else { 16.0 * f64::EPSILON } * resolved;
        if total < floor { floor } else { total }
    }

    /// out ← the vector as it is in w, where b is the right-hand side.
    pub fn form(&mut self, at: &At<'_, T>, b: &[T], v: &Vector<T>, out: &mut [T]) {
        let simd = self.simd;
        for (l, part) in self.parts.iter().enumerate() {
            let (from, to) = (&b[part.place.clone()], &mut out[part.place.clone()]);
            if !part.factored {
                to.copy_from_slice(&v.plain[part.range.clone()]);
                continue;
            }
            // In f64 up to the end: with many terms, s B and the rest cancel.
            let ([a, delta, ..], pieces) = (&self.arrays[l], part.pieces(&v.wide));
            let (layer, wide) = (at.model.layers[l].shifted(part.place.start), &mut self.wide[..from.len()]);
            layer.output(simd, [pieces.a, a], [delta, pieces.c], wide);
            for ((to, from), wide) in to.iter_mut().zip(from).zip(wide) {
                *to = T::from_f64(pieces.s[0] * from.to_f64() + *wide);
            }
        }
    }

    /// Y and Z of a vector, from its coefficients, in `sweep`, and Z_1 in `first` unless that is empty.
    pub fn images(&mut self, at: &At<'_, T>, b: &[T], v: &mut Vector<T>, sweep: &mut Sweep<T>, first: &mut [T]) {
        let (simd, n) = (self.simd, at.rows);
        for (l, part) in self.parts.iter().enumerate() {
            let layer = at.model.layers[l].shifted(part.place.start);
            let rz = &mut sweep.rz[l][..n * part.outputs];
            if !part.factored {
                let v = &v.plain[part.range.clone()];
                if part.first {
                    layer.forward(simd, v, at.inputs(l), rz);
                    if !first.is_empty() {
                        layer.backward(simd, v, at.deltas(l), false, first);
                    }
                } else {
                    let z = &mut sweep.back[l - 1][..n * part.inputs];
                    layer.images(simd, v, [at.inputs(l), at.deltas(l)], [rz, z]);
                }
                continue;
            }
            let (base, own) = (part.pieces(&self.base.wide), part.pieces_mut(&mut v.wide));
            let s = own.s[0];
            own.y.iter_mut().zip(base.y).for_each(|(own, base)| *own = s * base);
            own.z.iter_mut().zip(base.z).for_each(|(own, base)| *own = s * base);
            if let Some(Narrow { grams, square, y, z }) = &mut self.narrow {
                // A and C in T, where the sweep's own arrays have room.
                let (y, z) = (&mut y[..own.y.len()], &mut z[..own.z.len()]);
                let (a, c) = (&mut *rz, if part.first { &mut [][..] } else { &mut sweep.ra[l - 1][..own.c.len()] });
                cpu::narrow(simd, own.a, a);
                cpu::narrow(simd, own.c, c);
                let arrays = [at.inputs(l), at.deltas(l), &grams[l][0], &grams[l][1]];
                part.images(simd, arrays, [a, c], square, false, [&mut *y, &mut *z]);
                cpu::widen_axpy(simd, 1.0, y, own.y);
                cpu::widen_axpy(simd, 1.0, z, own.z);
            } else {
                let [a, delta, gram, errors] = &self.arrays[l];
                part.images(simd, [a, delta, gram, errors], [own.a, own.c], &mut self.square, true, [own.y, own.z]);
            }
            if part.first && !first.is_empty() {
                if let Some(Narrow { square, .. }) = &mut self.narrow {
                    let arrays = [&b[part.place.clone()], at.deltas(l), at.inputs(l), rz];
                    part.data_image(simd, &layer, T::from_f64(s), arrays, square, first);
                } else {
                    let ([x, delta, ..], wide) = (&self.arrays[l], &mut self.wide[..part.place.len()]);
                    convert(&b[part.place.clone()], wide);
                    part.data_image(simd, &layer, s, [wide, delta, x, own.a], &mut self.square, &mut self.data);
                    cpu::narrow(simd, &self.data, first);
                }
            }
            cpu::narrow(simd, own.y, rz);
            if !part.first {
                cpu::narrow(simd, own.z, &mut sweep.back[l - 1][..n * part.inputs]);
            }
        }
    }

    fn part_dot(&self, l: usize, x: &Vector<T>, y: &Vector<T>) -> f64 {
        let (part, simd) = (&self.parts[l], self.simd);
        if !part.factored {
            return cpu::dot(simd, &x.plain[part.range.clone()], &y.plain[part.range.clone()]);
        }
        let (x, y, b) = (part.pieces(&x.wide), part.pieces(&y.wide), part.pieces(&self.base.wide));
        let with_base = y.s[0] * self.squares[l] + cpu::dot(simd, y.a, b.y) + cpu::dot(simd, y.c, b.z);
        x.s[0] * with_base + cpu::dot(simd, x.a, y.y) + cpu::dot(simd, x.c, y.z)
    }
}

impl<T: Scalar> Vector<T> {
    /// The memory in use.
    pub fn bytes(&self) -> usize {
        let Vector { wide, plain } = self;
        heap(wide) + heap(plain)
    }
}

/// to ← from, in the other type.
fn convert<A: Scalar, B: Scalar>(from: &[A], to: &mut [B]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = B::from_f64(from.to_f64()));
}

impl<T: Scalar> Space<T> for Factored<T> {
    type Vector = Vector<T>;

    fn len(&self) -> usize {
        self.len
    }

    fn zeros(&self) -> Vector<T> {
        Vector { wide: vec![0.0; self.sizes[0]], plain: vec![T::ZERO; self.sizes[1]] }
    }

    fn bytes(&self) -> usize {
        self.sizes[0] * size_of::<f64>() + self.sizes[1] * size_of::<T>()
    }

    fn load(&self, _: &[T], _: &mut Vector<T>) -> Result<()> {
        Err(Error::Unsupported { operation: "load", reason: "a factored vector belongs to its right-hand side" })
    }

    fn store(&self, _: &Vector<T>, _: &mut [T]) -> Result<()> {
        Err(Error::Unsupported { operation: "store", reason: "a factored vector belongs to its right-hand side" })
    }

    fn copy(&self, from: &Vector<T>, to: &mut Vector<T>) {
        to.wide.copy_from_slice(&from.wide);
        to.plain.copy_from_slice(&from.plain);
    }

    fn scale(&self, a: T, x: &mut Vector<T>) {
        if a == T::ZERO {
            x.wide.fill(0.0);
            x.plain.fill(T::ZERO);
        } else {
            cpu::scale(self.simd, a.to_f64(), &mut x.wide);
            cpu::scale(self.simd, a, &mut x.plain);
        }
    }

    fn axpy(&self, a: T, x: &Vector<T>, y: &mut Vector<T>) {
        cpu::axpy(self.simd, a.to_f64(), &x.wide, &mut y.wide);
        cpu::axpy(self.simd, a, &x.plain, &mut y.plain);
    }

    /// The terms of a sum that is 0 cancel to about eps ‖b‖², below which a square of a norm says nothing.
    fn dot(&self, x: &Vector<T>, y: &Vector<T>) -> f64 {
        (0..self.parts.len()).map(|l| self.part_dot(l, x, y)).sum()
    }

    fn norm(&self, x: &Vector<T>) -> f64 {
        let square = self.dot(x, x);
        // Rounding may leave a little less than nothing; a NaN stays one.
        if square <= 0.0 { 0.0 } else { square.sqrt() }
    }
}
