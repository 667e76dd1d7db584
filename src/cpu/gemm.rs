//! Products of two matrices, in the three forms that passes through a network need. Matrices are row-major and contiguous.
//!
//! faer is at its best where all three sizes are large, and far from it for the few rows of a small batch (its packing is
//! then most of the work); those shapes have kernels of their own here. The choice depends on the sizes alone.

use super::few_rows::{few_ab, few_abt, few_atb};
use super::simd::Simd;
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
        Form::Abt if m <= FEW => few_abt(simd, k, a, b, add, c),
        Form::Ab if m <= FEW => few_ab(simd, n, a, b, add, c),
        Form::Atb if k <= FEW => few_atb(simd, m, n, a, b, add, c),
        _ => large(form, [m, n, k], a, b, add, c),
    }
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
