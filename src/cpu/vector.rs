//! Vector kernels: inner products, updates, the fused step of the Neumann series.

use super::parallel::{forks, join};
use super::simd::{Simd, fma, kernel};
use crate::Scalar;

/// Partial sums held side by side; the order of additions depends on the length alone.
const LANES: usize = 32;
/// Sums of more terms are those of two halves, so that threads can share them out.
const BLOCK: usize = 1 << 15;

/// Where vectors of `len` are divided.
fn half(len: usize) -> usize {
    (len / 2).next_multiple_of(LANES)
}

/// Elements count as several multiplications: they come from memory.
pub(super) fn divides(len: usize) -> bool {
    len > BLOCK && forks(32 * len)
}

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
    /// On one thread.
    dot_here<T>(x: &[T], y: &[T]) -> f64, dot_body
}

/// Σ xᵢ yᵢ in `f64`.
pub fn dot<T: Scalar>(simd: Simd, x: &[T], y: &[T]) -> f64 {
    if x.len() <= BLOCK {
        return dot_here(simd, x, y);
    }
    let middle = half(x.len());
    let ((x, x_rest), (y, y_rest)) = (x.split_at(middle), y.split_at(middle));
    let (first, second) = if divides(x.len()) {
        join(|| dot(simd, x, y), || dot(simd, x_rest, y_rest))
    } else {
        (dot(simd, x, y), dot(simd, x_rest, y_rest))
    };
    first + second
}

#[inline(always)]
fn axpy_body<T: Scalar, const FUSED: bool>(a: T, x: &[T], y: &mut [T]) {
    for (x, y) in x.iter().zip(y) {
        *y = fma::<T, FUSED>(a, *x, *y);
    }
}
kernel! {
    /// On one thread.
    axpy_here<T>(a: T, x: &[T], y: &mut [T]), axpy_body
}

/// y ← a x + y.
pub fn axpy<T: Scalar>(simd: Simd, a: T, x: &[T], y: &mut [T]) {
    if !divides(y.len()) {
        return axpy_here(simd, a, x, y);
    }
    let middle = half(y.len());
    let ((x, x_rest), (y, y_rest)) = (x.split_at(middle), y.split_at_mut(middle));
    join(|| axpy(simd, a, x, y), || axpy(simd, a, x_rest, y_rest));
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
    /// On one thread.
    neumann_update_here<T>(alpha: T, hp: &[T], p: &mut [T], q: &mut [T]) -> f64, neumann_update_body
}

/// q ← q + p, p ← p − alpha Hp; returns ‖p‖² of the new p. One pass over the three arrays.
pub fn neumann_update<T: Scalar>(simd: Simd, alpha: T, hp: &[T], p: &mut [T], q: &mut [T]) -> f64 {
    if p.len() <= BLOCK {
        return neumann_update_here(simd, alpha, hp, p, q);
    }
    let middle = half(p.len());
    let (hp, hp_rest) = hp.split_at(middle);
    let ((p, p_rest), (q, q_rest)) = (p.split_at_mut(middle), q.split_at_mut(middle));
    let first = |p, q| neumann_update(simd, alpha, hp, p, q);
    let second = |p, q| neumann_update(simd, alpha, hp_rest, p, q);
    let (first, second) = if divides(hp.len()) {
        join(|| first(p, q), || second(p_rest, q_rest))
    } else {
        (first(p, q), second(p_rest, q_rest))
    };
    first + second
}

#[inline(always)]
fn descend_body<T: Scalar, const FUSED: bool>(
    [alpha, keep]: [f64; 2],
    from: &[T],
    by: &mut [f64],
    p: &mut [f64],
    q: &mut [f64],
) {
    for (((from, by), p), q) in from.iter().zip(by).zip(p).zip(q) {
        *by = -alpha * from.to_f64();
        *q += *p;
        *p = fma::<f64, FUSED>(keep, *p, *by);
    }
}
kernel! {
    /// With [alpha, keep]: q ← q + p, by ← −alpha from, p ← keep p + by. Coefficients of a series in `f64`, from a sweep in T.
    descend<T>(rates: [f64; 2], from: &[T], by: &mut [f64], p: &mut [f64], q: &mut [f64]), descend_body
}

#[inline(always)]
fn widen_axpy_body<T: Scalar, const FUSED: bool>(a: f64, x: &[T], y: &mut [f64]) {
    for (x, y) in x.iter().zip(y) {
        *y = fma::<f64, FUSED>(a, x.to_f64(), *y);
    }
}
kernel! {
    /// y ← a x + y in `f64`.
    widen_axpy<T>(a: f64, x: &[T], y: &mut [f64]), widen_axpy_body
}

#[inline(always)]
fn narrow_body<T: Scalar, const FUSED: bool>(from: &[f64], to: &mut [T]) {
    for (from, to) in from.iter().zip(to) {
        *to = T::from_f64(*from);
    }
}
kernel! {
    /// to ← from, rounded to T.
    narrow<T>(from: &[f64], to: &mut [T]), narrow_body
}

#[inline(always)]
fn dot_sum_body<T: Scalar, const FUSED: bool>(x: &[T], s: T, y: &[T], z: &[T]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (x_blocks, x_rest) = x.as_chunks::<LANES>();
    let (y_blocks, y_rest) = y.as_chunks::<LANES>();
    let (z_blocks, z_rest) = z.as_chunks::<LANES>();
    for ((x, y), z) in x_blocks.iter().zip(y_blocks).zip(z_blocks) {
        for i in 0..LANES {
            let sum = fma::<T, FUSED>(s, y[i], z[i]);
            lanes[i] = fma::<f64, FUSED>(x[i].to_f64(), sum.to_f64(), lanes[i]);
        }
    }
    for (i, ((x, y), z)) in x_rest.iter().zip(y_rest).zip(z_rest).enumerate() {
        let sum = fma::<T, FUSED>(s, *y, *z);
        lanes[i] = fma::<f64, FUSED>(x.to_f64(), sum.to_f64(), lanes[i]);
    }
    sum_lanes(lanes)
}
kernel! {
    /// Σ xᵢ (s yᵢ + zᵢ).
    dot_sum<T>(x: &[T], s: T, y: &[T], z: &[T]) -> f64, dot_sum_body
}

#[inline(always)]
fn product_body<T: Scalar, const FUSED: bool>(x: &[T], y: &[T], out: &mut [T]) {
    for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
        *out = *x * *y;
    }
}
kernel! {
    /// On one thread.
    product_here<T>(x: &[T], y: &[T], out: &mut [T]), product_body
}

/// out ← x ∘ y.
pub fn product<T: Scalar>(simd: Simd, x: &[T], y: &[T], out: &mut [T]) {
    if !divides(out.len()) {
        return product_here(simd, x, y, out);
    }
    let middle = half(out.len());
    let ((x, x_rest), (y, y_rest)) = (x.split_at(middle), y.split_at(middle));
    let (out, out_rest) = out.split_at_mut(middle);
    join(|| product(simd, x, y, out), || product(simd, x_rest, y_rest, out_rest));
}

#[inline(always)]
fn multiply_body<T: Scalar, const FUSED: bool>(x: &mut [T], y: &[T]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x = *x * *y;
    }
}
kernel! {
    /// On one thread.
    multiply_here<T>(x: &mut [T], y: &[T]), multiply_body
}

/// x ← x ∘ y.
pub fn multiply<T: Scalar>(simd: Simd, x: &mut [T], y: &[T]) {
    if !divides(x.len()) {
        return multiply_here(simd, x, y);
    }
    let middle = half(x.len());
    let ((x, x_rest), (y, y_rest)) = (x.split_at_mut(middle), y.split_at(middle));
    join(|| multiply(simd, x, y), || multiply(simd, x_rest, y_rest));
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
