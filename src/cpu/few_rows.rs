//! Products with a matrix of few rows: what a small batch does in a layer. Each number of the large matrix is loaded once for
//! two rows; sums stay in registers.

// Registers are named by number in these loops.
#![allow(clippy::needless_range_loop)]

use super::lanes::{Lanes, lanes_kernel};
use crate::Scalar;

/// Rows of B taken together: with two rows of A, 16 sums that do not wait for each other.
const TOGETHER: usize = 8;

/// C ← (C +) A Bᵀ for `M` rows of A and `R` of B, all `k` long: C[m, r].
///
/// # Safety
///
/// The instructions of V; `a` and `b` good for so many rows, `c` for `M` rows `n` apart.
#[inline(always)]
unsafe fn abt_block<T: Scalar, V: Lanes<T>, const M: usize, const R: usize>(
    k: usize,
    n: usize,
    a: *const T,
    b: *const T,
    add: bool,
    c: *mut T,
) {
    // SAFETY: all offsets lie within the rows that the caller vouches for.
    unsafe {
        let mut sums = [[V::splat(T::ZERO); R]; M];
        let mut l = 0;
        while l + V::COUNT <= k {
            let left: [V; M] = std::array::from_fn(|m| V::load(a.add(m * k + l)));
            for r in 0..R {
                let right = V::load(b.add(r * k + l));
                for m in 0..M {
                    sums[m][r] = right.mul_add(left[m], sums[m][r]);
                }
            }
            l += V::COUNT;
        }
        if l < k {
            let left: [V; M] = std::array::from_fn(|m| V::load_first(a.add(m * k + l), k - l));
            for r in 0..R {
                let right = V::load_first(b.add(r * k + l), k - l);
                for m in 0..M {
                    sums[m][r] = right.mul_add(left[m], sums[m][r]);
                }
            }
        }
        for m in 0..M {
            for r in 0..R {
                let (sum, c) = (sums[m][r].sum(), c.add(m * n + r));
                *c = if add { *c + sum } else { sum };
            }
        }
    }
}

/// `M` rows of A against all of B.
///
/// # Safety
///
/// As [`abt_block`].
#[inline(always)]
unsafe fn abt_rows<T: Scalar, V: Lanes<T>, const M: usize>(
    k: usize,
    n: usize,
    a: *const T,
    b: *const T,
    add: bool,
    c: *mut T,
) {
    // SAFETY: j stays below n.
    unsafe {
        let mut j = 0;
        while j + TOGETHER <= n {
            abt_block::<T, V, M, TOGETHER>(k, n, a, b.add(j * k), add, c.add(j));
            j += TOGETHER;
        }
        while j < n {
            abt_block::<T, V, M, 1>(k, n, a, b.add(j * k), add, c.add(j));
            j += 1;
        }
    }
}

#[inline(always)]
unsafe fn few_abt_body<T: Scalar, V: Lanes<T>>(k: usize, a: &[T], b: &[T], add: bool, c: &mut [T]) {
    let (m, n) = (a.len() / k, b.len() / k);
    assert!(c.len() == m * n);
    let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
    let mut i = 0;
    // SAFETY: rows below m of A and C, whose lengths were checked.
    unsafe {
        while i + 2 <= m {
            abt_rows::<T, V, 2>(k, n, a.add(i * k), b, add, c.add(i * n));
            i += 2;
        }
        if i < m {
            abt_rows::<T, V, 1>(k, n, a.add(i * k), b, add, c.add(i * n));
        }
    }
}
lanes_kernel! {
    /// C ← (C +) A Bᵀ with few rows in A; `k` columns in both, at least 1.
    few_abt<T>(k: usize, a: &[T], b: &[T], add: bool, c: &mut [T]), few_abt_body
}

/// C ← (C +) A B for `M` rows of A and `W` registers' columns, the last one of which has `tail` lanes if that is not 0.
///
/// # Safety
///
/// The instructions of V; `a` good for `M` rows of `k`, `b` for `k` rows `n` apart, `c` for `M` rows `n` apart.
#[inline(always)]
unsafe fn ab_block<T: Scalar, V: Lanes<T>, const M: usize, const W: usize>(
    [k, n, tail]: [usize; 3],
    a: *const T,
    b: *const T,
    add: bool,
    c: *mut T,
) {
    // SAFETY: all offsets lie within what the caller vouches for.
    unsafe {
        let load = |from: *const T, i: usize| {
            if tail > 0 && i + 1 == W {
                V::load_first(from.add(i * V::COUNT), tail)
            } else {
                V::load(from.add(i * V::COUNT))
            }
        };
        let mut sums = [[V::splat(T::ZERO); W]; M];
        if add {
            for m in 0..M {
                for i in 0..W {
                    sums[m][i] = load(c.add(m * n), i);
                }
            }
        }
        for l in 0..k {
            let row: [V; W] = std::array::from_fn(|i| load(b.add(l * n), i));
            for m in 0..M {
                let left = V::splat(*a.add(m * k + l));
                for i in 0..W {
                    sums[m][i] = row[i].mul_add(left, sums[m][i]);
                }
            }
        }
        for m in 0..M {
            for i in 0..W {
                let to = c.add(m * n + i * V::COUNT);
                if tail > 0 && i + 1 == W { sums[m][i].store_first(to, tail) } else { sums[m][i].store(to) }
            }
        }
    }
}

/// # Safety
///
/// As [`ab_block`].
#[inline(always)]
unsafe fn ab_rows<T: Scalar, V: Lanes<T>, const M: usize>(
    k: usize,
    n: usize,
    a: *const T,
    b: *const T,
    add: bool,
    c: *mut T,
) {
    // SAFETY: j stays below n.
    unsafe {
        let mut j = 0;
        while j + 8 * V::COUNT <= n {
            ab_block::<T, V, M, 8>([k, n, 0], a, b.add(j), add, c.add(j));
            j += 8 * V::COUNT;
        }
        while j + 4 * V::COUNT <= n {
            ab_block::<T, V, M, 4>([k, n, 0], a, b.add(j), add, c.add(j));
            j += 4 * V::COUNT;
        }
        while j + V::COUNT <= n {
            ab_block::<T, V, M, 1>([k, n, 0], a, b.add(j), add, c.add(j));
            j += V::COUNT;
        }
        if j < n {
            ab_block::<T, V, M, 1>([k, n, n - j], a, b.add(j), add, c.add(j));
        }
    }
}

#[inline(always)]
unsafe fn few_ab_body<T: Scalar, V: Lanes<T>>(n: usize, a: &[T], b: &[T], add: bool, c: &mut [T]) {
    let (m, k) = (c.len() / n, b.len() / n);
    assert!(a.len() == m * k);
    let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
    let mut i = 0;
    // SAFETY: rows below m of A and C, whose lengths were checked.
    unsafe {
        while i + 2 <= m {
            ab_rows::<T, V, 2>(k, n, a.add(i * k), b, add, c.add(i * n));
            i += 2;
        }
        if i < m {
            ab_rows::<T, V, 1>(k, n, a.add(i * k), b, add, c.add(i * n));
        }
    }
}
lanes_kernel! {
    /// C ← (C +) A B with few rows in A; `n` columns in B and C, at least 1, and at least one row in B.
    few_ab<T>(n: usize, a: &[T], b: &[T], add: bool, c: &mut [T]), few_ab_body
}

/// c ← (c +) Σ aᵢ bᵢ over `K` rows b of `n`, for one row c of C; the aᵢ lie `m` apart.
///
/// # Safety
///
/// The instructions of V; `a` good for `K` elements `m` apart, `b` for `K` rows of `n`, `c` for `n`.
#[inline(always)]
unsafe fn atb_row<T: Scalar, V: Lanes<T>, const K: usize>(
    m: usize,
    n: usize,
    a: *const T,
    b: *const T,
    add: bool,
    c: *mut T,
) {
    // SAFETY: all offsets lie within what the caller vouches for.
    unsafe {
        let left: [V; K] = std::array::from_fn(|i| V::splat(*a.add(i * m)));
        let mut j = 0;
        while j + V::COUNT <= n {
            let mut sum = if add { V::load(c.add(j)) } else { V::splat(T::ZERO) };
            for i in 0..K {
                sum = left[i].mul_add(V::load(b.add(i * n + j)), sum);
            }
            sum.store(c.add(j));
            j += V::COUNT;
        }
        if j < n {
            let mut sum = if add { V::load_first(c.add(j), n - j) } else { V::splat(T::ZERO) };
            for i in 0..K {
                sum = left[i].mul_add(V::load_first(b.add(i * n + j), n - j), sum);
            }
            sum.store_first(c.add(j), n - j);
        }
    }
}

#[inline(always)]
unsafe fn few_atb_body<T: Scalar, V: Lanes<T>>(m: usize, n: usize, a: &[T], b: &[T], add: bool, c: &mut [T]) {
    let k = a.len() / m;
    assert!(b.len() == k * n && c.len() == m * n);
    let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
    for j in 0..m {
        let mut i = 0;
        // SAFETY: column j of A, row j of C, and rows below k of B, whose lengths were checked.
        unsafe {
            while i < k {
                let (a, b, c) = (a.add(i * m + j), b.add(i * n), c.add(j * n));
                let add = add || i > 0;
                match k - i {
                    1 => atb_row::<T, V, 1>(m, n, a, b, add, c),
                    2 => atb_row::<T, V, 2>(m, n, a, b, add, c),
                    3 => atb_row::<T, V, 3>(m, n, a, b, add, c),
                    _ => atb_row::<T, V, 4>(m, n, a, b, add, c),
                }
                i += 4;
            }
        }
    }
}
lanes_kernel! {
    /// C ← (C +) Aᵀ B (m × n, at least 1), with few rows in A and B, at least 1: outer products while a row of C is in registers.
    few_atb<T>(m: usize, n: usize, a: &[T], b: &[T], add: bool, c: &mut [T]), few_atb_body
}
