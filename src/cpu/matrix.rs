//! Matrix-vector products, and products with a matrix of few rows. Matrices are row-major and contiguous.

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

#[inline(always)]
fn matmul_abt_body<T: Scalar, const FUSED: bool>(cols: usize, a: &[T], b: &[T], c: &mut [T]) {
    if cols == 0 || b.is_empty() {
        c.fill(T::ZERO);
        return;
    }
    for (row, c) in a.chunks_exact(cols).zip(c.chunks_exact_mut(b.len() / cols)) {
        matvec_body::<T, FUSED>(cols, b, row, c);
    }
}
kernel! {
    /// C ← A Bᵀ (rows of A × rows of B), with A and B of `cols` columns: of each example in A its images by the rows of B.
    matmul_abt<T>(cols: usize, a: &[T], b: &[T], c: &mut [T]), matmul_abt_body
}

#[inline(always)]
fn matmul_atb_body<T: Scalar, const FUSED: bool>(a_cols: usize, b_cols: usize, a: &[T], b: &[T], c: &mut [T]) {
    c.fill(T::ZERO);
    if a_cols == 0 || b_cols == 0 {
        return;
    }
    let mut a_blocks = a.chunks_exact(ROWS * a_cols);
    let mut b_blocks = b.chunks_exact(ROWS * b_cols);
    for (a, b) in a_blocks.by_ref().zip(b_blocks.by_ref()) {
        let (b0, b) = b.split_at(b_cols);
        let (b1, b) = b.split_at(b_cols);
        let (b2, b3) = b.split_at(b_cols);
        for (j, c) in c.chunks_exact_mut(b_cols).enumerate() {
            let (a0, a1, a2, a3) = (a[j], a[a_cols + j], a[2 * a_cols + j], a[3 * a_cols + j]);
            for ((((c, b0), b1), b2), b3) in c.iter_mut().zip(b0).zip(b1).zip(b2).zip(b3) {
                let first = fma::<T, FUSED>(*b1, a1, fma::<T, FUSED>(*b0, a0, *c));
                *c = fma::<T, FUSED>(*b3, a3, fma::<T, FUSED>(*b2, a2, first));
            }
        }
    }
    for (a, b) in a_blocks.remainder().chunks_exact(a_cols).zip(b_blocks.remainder().chunks_exact(b_cols)) {
        for (a, c) in a.iter().zip(c.chunks_exact_mut(b_cols)) {
            for (c, b) in c.iter_mut().zip(b) {
                *c = fma::<T, FUSED>(*b, *a, *c);
            }
        }
    }
}
kernel! {
    /// C ← Aᵀ B (`a_cols` × `b_cols`), with A and B of the same number of rows: a sum of one outer product for each row.
    matmul_atb<T>(a_cols: usize, b_cols: usize, a: &[T], b: &[T], c: &mut [T]), matmul_atb_body
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
