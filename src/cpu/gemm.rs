//! Products of two matrices, in the three forms that passes through a network need. Matrices are row-major and contiguous.
//!
//! With few rows the large matrix is read as it is, else it is packed panel by panel; which of the two depends on the sizes
//! alone. (Measured on Zen 4, f32: 111 of 117 GFLOP/s for 200 x 200 weights with 8 rows or more, where faer has 70 to 106.)

use super::few_rows::{few_ab, few_abt, few_atb, few_images};
use super::panels::{Product, multiply_panels};
use super::parallel::{forks, join, threads};
use super::simd::Simd;
use crate::Scalar;

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

/// Up to so many rows (for gradients: examples) packing costs more than it saves.
const FEW: usize = 32;
/// Up to so many rows both images of a direction are made in one reading of it.
const FEWER: usize = 6;

/// Rows and columns of C that threads divide in multiples of: whole blocks, whole panels.
const ROWS: usize = 6;
const COLUMNS: usize = 64;

/// Whether rows of `len` scalars fill registers.
fn fill<T>(len: usize) -> bool {
    len * size_of::<T>() >= 128
}

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
        Form::Abt if m <= FEW && (fill::<T>(k) || m <= FEWER) => few_abt(simd, k, a, b, add, c),
        Form::Ab if m <= FEW => few_ab(simd, n, a, b, add, c),
        Form::Atb if k <= FEW && fill::<T>(n) => few_atb(simd, m, n, [[a, b], [&[], &[]]], add, c),
        _ => large(simd, form, [m, n, k], a, b, add, c),
    }
}

/// C ← (C +) A₁ᵀ B₁ + A₂ᵀ B₂, m × n: the weights' part of a product with H.
pub fn outer_products<T: Scalar>(simd: Simd, [m, n]: [usize; 2], pairs: [[&[T]; 2]; 2], add: bool, c: &mut [T]) {
    if m == 0 || n == 0 {
        return;
    }
    let [first, second] = pairs.map(|[a, _]| a.len() / m);
    if first + second > 0 && first.max(second) <= FEW && fill::<T>(n) {
        return few_atb(simd, m, n, pairs, add, c);
    }
    let [[a, b], [a2, b2]] = pairs;
    gemm(simd, Form::Atb, [m, n, first], a, b, add, c);
    if second > 0 {
        gemm(simd, Form::Atb, [m, n, second], a2, b2, true, c);
    }
}

/// Y ← Y + A Vᵀ (m × n) and Z ← Δ V (m × k) for a direction V (n × k): its images at m examples.
pub fn images<T: Scalar>(simd: Simd, [m, n, k]: [usize; 3], v: &[T], [a, delta]: [&[T]; 2], y: &mut [T], z: &mut [T]) {
    debug_assert!(v.len() == n * k && a.len() == m * k && delta.len() == m * n);
    if m <= FEWER && n > 0 && k > 0 {
        return few_images(simd, [n, k], v, [a, delta], y, z);
    }
    gemm(simd, Form::Abt, [m, n, k], a, v, true, y);
    gemm(simd, Form::Ab, [m, k, n], delta, v, false, z);
}

/// Packed, and divided among threads.
fn large<T: Scalar>(simd: Simd, form: Form, shape: [usize; 3], a: &[T], b: &[T], add: bool, c: &mut [T]) {
    let [m, n, k] = shape;
    let (a_strides, b_stride) = match form {
        Form::Ab => ([k, 1], n),
        Form::Abt => ([k, 1], k),
        Form::Atb => ([1, m], n),
    };
    let b_transposed = form == Form::Abt;
    assert!(a.len() == m * k && b.len() == k * n && c.len() == m * n);
    let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
    // A number of threads makes them: not for what is not divided.
    let parts = if forks(m * n * k) { threads() } else { 1 };
    divide(simd, Product { shape, a, a_strides, b, b_stride, b_transposed, add, c, c_stride: n }, parts);
}

/// The product in so many parts, by rows or by columns: whichever takes its slower part less time. Each part packs its columns of
/// B, which takes about as long as a block of rows of the product itself.
fn divide<T: Scalar>(simd: Simd, product: Product<T>, parts: usize) {
    let [m, n, k] = product.shape;
    let left = parts / 2;
    if left == 0 || !forks(m * n * k) {
        return multiply_panels(simd, product);
    }
    let middle = |len: usize, whole: usize| (len * left / parts + whole / 2) / whole * whole;
    let slower = |first: usize, len: usize| (first * parts / left).max((len - first) * parts / (parts - left));
    let (row, column) = (middle(m, ROWS), middle(n, COLUMNS));
    let (by_rows, by_columns) = ((slower(row, m) + ROWS) * n, slower(column, n) * (m + ROWS));
    // SAFETY: both parts lie within the whole, and share nothing of C.
    let (first, second) = unsafe {
        if by_rows <= by_columns {
            (product.rows(0, row), product.rows(row, m))
        } else {
            (product.columns(0, column), product.columns(column, n))
        }
    };
    join(|| divide(simd, first, left), || divide(simd, second, parts - left));
}
