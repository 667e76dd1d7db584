//! Matrix-vector products. Matrices are row-major and contiguous.

use super::simd::{fma, kernel};
use crate::Scalar;

/// Rows that are taken together.
const ROWS: usize = 4;
/// Columns whose partial sums are held side by side.
const LANES: usize = 32;

#[inline(always)]
fn matvec_body<T: Scalar, const FUSED: bool>(cols: usize, a: &[T], x: &[T], y: &mut [T]) {
    if cols == 0 {
        y.fill(T::ZERO);
        return;
    }
    for (row, y) in a.chunks_exact(cols).zip(y) {
        let mut lanes = [T::ZERO; LANES];
        let (a_blocks, a_rest) = row.as_chunks::<LANES>();
        let (x_blocks, x_rest) = x.as_chunks::<LANES>();
        for (a, x) in a_blocks.iter().zip(x_blocks) {
            for i in 0..LANES {
                lanes[i] = fma::<T, FUSED>(a[i], x[i], lanes[i]);
            }
        }
        for (i, (a, x)) in a_rest.iter().zip(x_rest).enumerate() {
            lanes[i] = fma::<T, FUSED>(*a, *x, lanes[i]);
        }
        let mut width = LANES / 2;
        while width > 0 {
            for i in 0..width {
                lanes[i] += lanes[i + width];
            }
            width /= 2;
        }
        *y = lanes[0];
    }
}
kernel! {
    /// y ← A x with A (rows × cols); `rows` is the length of y.
    matvec<T>(cols: usize, a: &[T], x: &[T], y: &mut [T]), matvec_body
}

#[inline(always)]
fn matvec_transposed_body<T: Scalar, const FUSED: bool>(cols: usize, a: &[T], x: &[T], y: &mut [T]) {
    y.fill(T::ZERO);
    if cols == 0 {
        return;
    }
    let (x_blocks, x_rest) = x.as_chunks::<ROWS>();
    let (blocks, rest) = a.split_at(x_blocks.len() * ROWS * cols);
    for (block, x) in blocks.chunks_exact(ROWS * cols).zip(x_blocks) {
        let (a0, block) = block.split_at(cols);
        let (a1, block) = block.split_at(cols);
        let (a2, a3) = block.split_at(cols);
        for ((((y, a0), a1), a2), a3) in y.iter_mut().zip(a0).zip(a1).zip(a2).zip(a3) {
            let first = fma::<T, FUSED>(*a1, x[1], fma::<T, FUSED>(*a0, x[0], *y));
            *y = fma::<T, FUSED>(*a3, x[3], fma::<T, FUSED>(*a2, x[2], first));
        }
    }
    for (row, x) in rest.chunks_exact(cols).zip(x_rest) {
        for (y, a) in y.iter_mut().zip(row) {
            *y = fma::<T, FUSED>(*a, *x, *y);
        }
    }
}
kernel! {
    /// y ← Aᵀ x with A (rows × cols); `rows` is the length of x, `cols` that of y.
    ///
    /// For a symmetric matrix this is also A x, and the better way for small ones: no sums across lanes.
    matvec_transposed<T>(cols: usize, a: &[T], x: &[T], y: &mut [T]), matvec_transposed_body
}

/// G ← AᵀA (cols × cols) with A (rows × cols), accumulated in `f64`.
pub fn gram<T: Scalar>(cols: usize, a: &[T]) -> Vec<f64> {
    let mut g = vec![0.0; cols * cols];
    if cols == 0 {
        return g;
    }
    for row in a.chunks_exact(cols) {
        for (j, left) in row.iter().enumerate() {
            let left = left.to_f64();
            for (sum, right) in g[j * cols..(j + 1) * cols].iter_mut().zip(row) {
                *sum += left * right.to_f64();
            }
        }
    }
    g
}
