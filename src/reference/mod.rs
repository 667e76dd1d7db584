//! Each operation once more, plain: loops as in the formula, in `f64` or in the type given, never optimised.
//!
//! Everything fast is tested against this module; nothing in the library calls it.

use crate::Scalar;

/// Σ xᵢ yᵢ, accumulated in `f64` in index order.
pub fn dot<T: Scalar>(x: &[T], y: &[T]) -> f64 {
    let mut sum = 0.0;
    for i in 0..x.len() {
        sum += x[i].to_f64() * y[i].to_f64();
    }
    sum
}

/// y ← a x + y.
pub fn axpy<T: Scalar>(a: T, x: &[T], y: &mut [T]) {
    for i in 0..x.len() {
        y[i] += a * x[i];
    }
}

/// x ← a x.
pub fn scale<T: Scalar>(a: T, x: &mut [T]) {
    for value in x {
        *value = a * *value;
    }
}

/// One step of the Neumann series once Hp is known: q ← q + p, p ← p − alpha Hp; returns ‖p‖² of the new p.
pub fn neumann_update<T: Scalar>(alpha: T, hp: &[T], p: &mut [T], q: &mut [T]) -> f64 {
    let mut sum = 0.0;
    for i in 0..p.len() {
        q[i] += p[i];
        p[i] -= alpha * hp[i];
        sum += p[i].to_f64() * p[i].to_f64();
    }
    sum
}

/// y ← A x with A (rows × cols) row-major.
pub fn matvec<T: Scalar>(rows: usize, cols: usize, a: &[T], x: &[T], y: &mut [T]) {
    for i in 0..rows {
        let mut sum = T::ZERO;
        for j in 0..cols {
            sum += a[i * cols + j] * x[j];
        }
        y[i] = sum;
    }
}

/// y ← Aᵀ x with A (rows × cols) row-major; x has `rows` elements.
pub fn matvec_transposed<T: Scalar>(rows: usize, cols: usize, a: &[T], x: &[T], y: &mut [T]) {
    for j in 0..cols {
        let mut sum = T::ZERO;
        for i in 0..rows {
            sum += a[i * cols + j] * x[i];
        }
        y[j] = sum;
    }
}

/// C ← A B, or C ← C + A B if `add`, with C (m × n) and k summed over, all row-major. A is stored as k × m if `transpose_a`, B
/// as n × k if `transpose_b`.
pub fn gemm<T: Scalar>(
    [transpose_a, transpose_b]: [bool; 2],
    [m, n, k]: [usize; 3],
    a: &[T],
    b: &[T],
    add: bool,
    c: &mut [T],
) {
    for i in 0..m {
        for j in 0..n {
            let mut sum = T::ZERO;
            for l in 0..k {
                let left = if transpose_a { a[l * m + i] } else { a[i * k + l] };
                let right = if transpose_b { b[j * k + l] } else { b[l * n + j] };
                sum += left * right;
            }
            c[i * n + j] = if add { c[i * n + j] + sum } else { sum };
        }
    }
}

/// G ← AᵀA with A (rows × cols) row-major.
pub fn gram<T: Scalar>(rows: usize, cols: usize, a: &[T], g: &mut [T]) {
    for j in 0..cols {
        for k in 0..cols {
            let mut sum = T::ZERO;
            for i in 0..rows {
                sum += a[i * cols + j] * a[i * cols + k];
            }
            g[j * cols + k] = sum;
        }
    }
}

/// q = alpha Σ_{j=0..K} (I − alpha H)ʲ b for a dense H (row-major), term by term. Paper, Eq. 5.
pub fn neumann_series<T: Scalar>(h: &[T], b: &[T], alpha: T, terms: usize) -> Vec<T> {
    let n = b.len();
    let mut p: Vec<T> = b.iter().map(|&value| alpha * value).collect();
    let mut q = vec![T::ZERO; n];
    let mut hp = vec![T::ZERO; n];
    for _ in 0..terms {
        matvec(n, n, h, &p, &mut hp);
        neumann_update(alpha, &hp, &mut p, &mut q);
    }
    axpy(T::ONE, &p, &mut q);
    q
}

/// One step of Adam with bias correction; `t` counts from 1. Kingma and Ba (2015), Algorithm 1.
#[allow(clippy::too_many_arguments)]
pub fn adam<T: Scalar>(
    step: f64,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    t: u64,
    gradient: &[T],
    first: &mut [T],
    second: &mut [T],
    x: &mut [T],
) {
    let correction1 = 1.0 - beta1.powf(t as f64);
    let correction2 = 1.0 - beta2.powf(t as f64);
    for i in 0..x.len() {
        let g = gradient[i].to_f64();
        let m = beta1 * first[i].to_f64() + (1.0 - beta1) * g;
        let v = beta2 * second[i].to_f64() + (1.0 - beta2) * g * g;
        first[i] = T::from_f64(m);
        second[i] = T::from_f64(v);
        let change = step * (m / correction1) / ((v / correction2).sqrt() + epsilon);
        x[i] = T::from_f64(x[i].to_f64() - change);
    }
}
