//! Products of two matrices, in the three forms that passes through a network need. Matrices are row-major and contiguous.
//!
//! faer is at its best where all three sizes are large, and far from it for the few rows of a small batch (its packing is
//! then most of the work); those shapes have kernels of their own here. The choice depends on the sizes alone.

use super::matrix::{matmul_abt, matvec_transposed};
use super::simd::{Simd, fma, kernel};
use crate::Scalar;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use std::any::TypeId;

/// Which of the two factors is transposed; C is m × n, and k is summed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// C = A B with A (m × k) and B (k × n): errors back through a layer.
    Ab,
    /// C = A Bᵀ with A (m × k) and B (n × k): activations through a layer.
    Abt,
    /// C = Aᵀ B with A (k × m) and B (k × n): gradients of a layer, k examples.
    Atb,
}

/// Up to so many rows (for gradients: examples) the vector kernels are the faster ones.
const FEW: usize = 6;

/// C ← the product, or C ← C + the product if `add`; the shape is [m, n, k].
pub fn gemm<T: Scalar>(simd: Simd, form: Form, [m, n, k]: [usize; 3], a: &[T], b: &[T], add: bool, c: &mut [T]) {
    debug_assert!(a.len() == m * k && b.len() == k * n && c.len() == m * n);
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        if !add {
            c.fill(T::ZERO);
        }
        return;
    }
    match form {
        Form::Abt if m <= FEW && add => accumulate_abt(simd, k, a, b, c),
        Form::Abt if m <= FEW => matmul_abt(simd, k, a, b, c),
        Form::Ab if m <= FEW => rows_times(simd, k, n, a, b, add, c),
        Form::Atb if k <= FEW => outer_products(simd, m, n, a, b, add, c),
        _ => large(form, [m, n, k], a, b, add, c),
    }
}

#[inline(always)]
fn accumulate_abt_body<T: Scalar, const FUSED: bool>(k: usize, a: &[T], b: &[T], c: &mut [T]) {
    const LANES: usize = 32;
    for (row, c) in a.chunks_exact(k).zip(c.chunks_exact_mut(b.len() / k)) {
        for (other, c) in b.chunks_exact(k).zip(c) {
            let mut lanes = [T::ZERO; LANES];
            let (x, x_rest) = row.as_chunks::<LANES>();
            let (y, y_rest) = other.as_chunks::<LANES>();
            for (x, y) in x.iter().zip(y) {
                for i in 0..LANES {
                    lanes[i] = fma::<T, FUSED>(x[i], y[i], lanes[i]);
                }
            }
            for (i, (x, y)) in x_rest.iter().zip(y_rest).enumerate() {
                lanes[i] = fma::<T, FUSED>(*x, *y, lanes[i]);
            }
            let mut width = LANES / 2;
            while width > 0 {
                for i in 0..width {
                    lanes[i] += lanes[i + width];
                }
                width /= 2;
            }
            *c += lanes[0];
        }
    }
}
kernel! {
    /// C ← C + A Bᵀ, `k` columns in both.
    accumulate_abt<T>(k: usize, a: &[T], b: &[T], c: &mut [T]), accumulate_abt_body
}

/// C ← A B, row by row of A.
fn rows_times<T: Scalar>(simd: Simd, k: usize, n: usize, a: &[T], b: &[T], add: bool, c: &mut [T]) {
    for (row, c) in a.chunks_exact(k).zip(c.chunks_exact_mut(n)) {
        if add { add_rows(simd, n, b, row, c) } else { matvec_transposed(simd, n, b, row, c) }
    }
}

#[inline(always)]
fn add_rows_body<T: Scalar, const FUSED: bool>(n: usize, b: &[T], row: &[T], c: &mut [T]) {
    for (b, a) in b.chunks_exact(n).zip(row) {
        for (c, b) in c.iter_mut().zip(b) {
            *c = fma::<T, FUSED>(*b, *a, *c);
        }
    }
}
kernel! {
    /// c ← c + Bᵀ row, B with rows of `n`.
    add_rows<T>(n: usize, b: &[T], row: &[T], c: &mut [T]), add_rows_body
}

#[inline(always)]
fn outer_products_body<T: Scalar, const FUSED: bool>(m: usize, n: usize, a: &[T], b: &[T], add: bool, c: &mut [T]) {
    for (j, c) in c.chunks_exact_mut(n).enumerate() {
        for (i, (a, b)) in a.chunks_exact(m).zip(b.chunks_exact(n)).enumerate() {
            if i == 0 && !add {
                for (c, b) in c.iter_mut().zip(b) {
                    *c = *b * a[j];
                }
            } else {
                for (c, b) in c.iter_mut().zip(b) {
                    *c = fma::<T, FUSED>(*b, a[j], *c);
                }
            }
        }
    }
}
kernel! {
    /// C ← Aᵀ B (m × n), one outer product for each row of A and B, while a row of C is in cache.
    outer_products<T>(m: usize, n: usize, a: &[T], b: &[T], add: bool, c: &mut [T]), outer_products_body
}

/// Through faer, on one thread.
fn large<T: Scalar>(form: Form, shape: [usize; 3], a: &[T], b: &[T], add: bool, c: &mut [T]) {
    // Scalar is sealed: there are no other types.
    if TypeId::of::<T>() == TypeId::of::<f32>() {
        through_faer::<f32>(
            form,
            shape,
            bytemuck::cast_slice(a),
            bytemuck::cast_slice(b),
            add,
            bytemuck::cast_slice_mut(c),
        );
    } else {
        through_faer::<f64>(
            form,
            shape,
            bytemuck::cast_slice(a),
            bytemuck::cast_slice(b),
            add,
            bytemuck::cast_slice_mut(c),
        );
    }
}

fn through_faer<T: Scalar + faer::traits::RealField>(
    form: Form,
    [m, n, k]: [usize; 3],
    a: &[T],
    b: &[T],
    add: bool,
    c: &mut [T],
) {
    let (a, b) = match form {
        Form::Ab => (MatRef::from_row_major_slice(a, m, k), MatRef::from_row_major_slice(b, k, n)),
        Form::Abt => (MatRef::from_row_major_slice(a, m, k), MatRef::from_column_major_slice(b, k, n)),
        Form::Atb => (MatRef::from_column_major_slice(a, m, k), MatRef::from_row_major_slice(b, k, n)),
    };
    let accumulate = if add { Accum::Add } else { Accum::Replace };
    matmul(MatMut::from_row_major_slice_mut(c, m, n), accumulate, a, b, T::ONE, Par::Seq);
}
