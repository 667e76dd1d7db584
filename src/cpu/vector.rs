//! Vector kernels: inner products, updates, the fused step of the Neumann series.

use super::simd::{fma, kernel};
use crate::Scalar;

/// Partial sums held side by side; the order of additions depends on the length alone.
const LANES: usize = 32;

#[inline(always)]
fn sum_lanes(mut lanes: [f64; LANES]) -> f64 {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

#[inline(always)]
fn dot_body<T: Scalar, const FUSED: bool>(x: &[T], y: &[T]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (x_blocks, x_rest) = x.as_chunks::<LANES>();
    let (y_blocks, y_rest) = y.as_chunks::<LANES>();
    for (x, y) in x_blocks.iter().zip(y_blocks) {
        for i in 0..LANES {
            lanes[i] = fma::<f64, FUSED>(x[i].to_f64(), y[i].to_f64(), lanes[i]);
        }
    }
    for (i, (x, y)) in x_rest.iter().zip(y_rest).enumerate() {
        lanes[i] = fma::<f64, FUSED>(x.to_f64(), y.to_f64(), lanes[i]);
    }
    sum_lanes(lanes)
}
kernel! {
    /// Σ xᵢ yᵢ in `f64`.
    dot<T>(x: &[T], y: &[T]) -> f64, dot_body
}

#[inline(always)]
fn axpy_body<T: Scalar, const FUSED: bool>(a: T, x: &[T], y: &mut [T]) {
    for (x, y) in x.iter().zip(y) {
        *y = fma::<T, FUSED>(a, *x, *y);
    }
}
kernel! {
    /// y ← a x + y.
    axpy<T>(a: T, x: &[T], y: &mut [T]), axpy_body
}

#[inline(always)]
fn scale_body<T: Scalar, const FUSED: bool>(a: T, x: &mut [T]) {
    for x in x {
        *x = a * *x;
    }
}
kernel! {
    /// x ← a x.
    scale<T>(a: T, x: &mut [T]), scale_body
}

#[inline(always)]
fn neumann_step<T: Scalar, const FUSED: bool>(alpha: T, hp: T, p: &mut T, q: &mut T, sum: &mut f64) {
    *q += *p;
    *p = fma::<T, FUSED>(-alpha, hp, *p);
    *sum = fma::<f64, FUSED>(p.to_f64(), p.to_f64(), *sum);
}

#[inline(always)]
fn neumann_update_body<T: Scalar, const FUSED: bool>(alpha: T, hp: &[T], p: &mut [T], q: &mut [T]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (h_blocks, h_rest) = hp.as_chunks::<LANES>();
    let (p_blocks, p_rest) = p.as_chunks_mut::<LANES>();
    let (q_blocks, q_rest) = q.as_chunks_mut::<LANES>();
    for ((h, p), q) in h_blocks.iter().zip(p_blocks).zip(q_blocks) {
        for i in 0..LANES {
            neumann_step::<T, FUSED>(alpha, h[i], &mut p[i], &mut q[i], &mut lanes[i]);
        }
    }
    for (i, ((h, p), q)) in h_rest.iter().zip(p_rest).zip(q_rest).enumerate() {
        neumann_step::<T, FUSED>(alpha, *h, p, q, &mut lanes[i]);
    }
    sum_lanes(lanes)
}
kernel! {
    /// q ← q + p, p ← p − alpha Hp; returns ‖p‖² of the new p. One pass over the three arrays.
    neumann_update<T>(alpha: T, hp: &[T], p: &mut [T], q: &mut [T]) -> f64, neumann_update_body
}

#[inline(always)]
fn product_body<T: Scalar, const FUSED: bool>(x: &[T], y: &[T], out: &mut [T]) {
    for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
        *out = *x * *y;
    }
}
kernel! {
    /// out ← x ∘ y.
    product<T>(x: &[T], y: &[T], out: &mut [T]), product_body
}

#[inline(always)]
fn multiply_body<T: Scalar, const FUSED: bool>(x: &mut [T], y: &[T]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x = *x * *y;
    }
}
kernel! {
    /// x ← x ∘ y.
    multiply<T>(x: &mut [T], y: &[T]), multiply_body
}

#[inline(always)]
fn is_finite_body<T: Scalar, const FUSED: bool>(x: &[T]) -> bool {
    // 0 · x is 0 for every finite x, and a NaN for the others.
    let mut lanes = [T::ZERO; LANES];
    let (blocks, rest) = x.as_chunks::<LANES>();
    for block in blocks {
        for i in 0..LANES {
            lanes[i] += T::ZERO * block[i];
        }
    }
    lanes.iter().all(|lane| *lane == T::ZERO) && rest.iter().all(|x| x.is_finite())
}
kernel! {
    /// Whether neither a NaN nor an infinity is in x.
    is_finite<T>(x: &[T]) -> bool, is_finite_body
}

/// ‖x‖₂ without overflow or underflow on the way.
pub fn norm<T: Scalar>(simd: super::Simd, x: &[T]) -> f64 {
    let square = dot(simd, x, x);
    if (1e-280..1e280).contains(&square) {
        return square.sqrt();
    }
    let largest = x.iter().fold(0.0_f64, |largest, value| {
        let size = value.to_f64().abs();
        if size > largest || size.is_nan() { size } else { largest }
    });
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    let sum: f64 = x.iter().map(|value| (value.to_f64() / largest).powi(2)).sum();
    largest * sum.sqrt()
}
