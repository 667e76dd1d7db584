//! Products with a matrix of few rows: what a small batch does in a layer. Each number of the large matrix is loaded once for
//! two or four rows; sums stay in registers.

// Registers are named by number in these loops.
#![allow(clippy::needless_range_loop)]

use super::lanes::{Lanes, lanes_kernel};
use crate::Scalar;

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
            store_sums::<T, V, R>(&sums[m], add, c.add(m * n));
        }
    }
}

/// c ← (c +) the sums of the lanes.
///
/// # Safety
///
/// The instructions of V; `c` good for `R`.
#[inline(always)]
unsafe fn store_sums<T: Scalar, V: Lanes<T>, const R: usize>(sums: &[V; R], add: bool, c: *mut T) {
    // SAFETY: r stays below R.
    unsafe {
        let mut r = 0;
        while r + 4 <= R {
            for (i, sum) in V::sums([sums[r], sums[r + 1], sums[r + 2], sums[r + 3]]).into_iter().enumerate() {
                let c = c.add(r + i);
                *c = if add { *c + sum } else { sum };
            }
            r += 4;
        }
        while r < R {
            let (sum, c) = (sums[r].sum(), c.add(r));
            *c = if add { *c + sum } else { sum };
            r += 1;
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
        while V::MANY && M <= 2 && j + 8 <= n {
            abt_block::<T, V, M, 8>(k, n, a, b.add(j * k), add, c.add(j));
            j += 8;
        }
        while j + 4 <= n {
            abt_block::<T, V, M, 4>(k, n, a, b.add(j * k), add, c.add(j));
            j += 4;
        }
        let (b, c) = (b.add(j * k), c.add(j));
        match n - j {
            1 => abt_block::<T, V, M, 1>(k, n, a, b, add, c),
            2 => abt_block::<T, V, M, 2>(k, n, a, b, add, c),
            3 => abt_block::<T, V, M, 3>(k, n, a, b, add, c),
            _ => {}
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
        while V::MANY && i + 4 <= m {
            abt_rows::<T, V, 4>(k, n, a.add(i * k), b, add, c.add(i * n));
            i += 4;
        }
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
        while V::MANY && M <= 2 && j + 8 * V::COUNT <= n {
            ab_block::<T, V, M, 8>([k, n, 0], a, b.add(j), add, c.add(j));
            j += 8 * V::COUNT;
        }
        while j + 4 * V::COUNT <= n {
            ab_block::<T, V, M, 4>([k, n, 0], a, b.add(j), add, c.add(j));
            j += 4 * V::COUNT;
        }
        // What is left together, so that its sums do not wait for each other.
        let (shape, b, c) = ([k, n, (n - j) % V::COUNT], b.add(j), c.add(j));
        match (n - j).div_ceil(V::COUNT) {
            1 => ab_block::<T, V, M, 1>(shape, a, b, add, c),
            2 => ab_block::<T, V, M, 2>(shape, a, b, add, c),
            3 => ab_block::<T, V, M, 3>(shape, a, b, add, c),
            4 => ab_block::<T, V, M, 4>(shape, a, b, add, c),
            _ => {}
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
        while V::MANY && i + 4 <= m {
            ab_rows::<T, V, 4>(k, n, a.add(i * k), b, add, c.add(i * n));
            i += 4;
        }
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

/// `R` rows of C, each ← (itself +) Σ aᵢ bᵢ over `K` rows b of `n`; the rows' aᵢ lie side by side.
///
/// # Safety
///
/// The instructions of V; each of `a` good for `R` elements, each of `b` for `n`, `c` for `R` rows of `n`.
#[inline(always)]
unsafe fn atb_rows<T: Scalar, V: Lanes<T>, const R: usize, const K: usize>(
    n: usize,
    a: [*const T; K],
    b: [*const T; K],
    add: bool,
    c: *mut T,
) {
    // SAFETY: all offsets lie within what the caller vouches for.
    unsafe {
        let left: [[V; K]; R] = std::array::from_fn(|r| std::array::from_fn(|i| V::splat(*a[i].add(r))));
        let mut j = 0;
        while j + V::COUNT <= n {
            let right: [V; K] = std::array::from_fn(|i| V::load(b[i].add(j)));
            for r in 0..R {
                let c = c.add(r * n + j);
                let mut sum = if add { V::load(c) } else { V::splat(T::ZERO) };
                for i in 0..K {
                    sum = left[r][i].mul_add(right[i], sum);
                }
                sum.store(c);
            }
            j += V::COUNT;
        }
        if j < n {
            let right: [V; K] = std::array::from_fn(|i| V::load_first(b[i].add(j), n - j));
            for r in 0..R {
                let c = c.add(r * n + j);
                let mut sum = if add { V::load_first(c, n - j) } else { V::splat(T::ZERO) };
                for i in 0..K {
                    sum = left[r][i].mul_add(right[i], sum);
                }
                sum.store_first(c, n - j);
            }
        }
    }
}

/// All `m` rows of C.
///
/// # Safety
///
/// As [`atb_rows`], with `m` for R.
#[inline(always)]
unsafe fn atb_sum<T: Scalar, V: Lanes<T>, const K: usize>(
    m: usize,
    n: usize,
    a: [*const T; K],
    b: [*const T; K],
    add: bool,
    c: *mut T,
) {
    let mut j = 0;
    // SAFETY: j stays below m.
    unsafe {
        while V::MANY && j + 4 <= m {
            atb_rows::<T, V, 4, K>(n, a.map(|a| a.add(j)), b, add, c.add(j * n));
            j += 4;
        }
        while j + 2 <= m {
            atb_rows::<T, V, 2, K>(n, a.map(|a| a.add(j)), b, add, c.add(j * n));
            j += 2;
        }
        if j < m {
            atb_rows::<T, V, 1, K>(n, a.map(|a| a.add(j)), b, add, c.add(j * n));
        }
    }
}

#[inline(always)]
unsafe fn few_atb_body<T: Scalar, V: Lanes<T>>(m: usize, n: usize, pairs: [[&[T]; 2]; 2], add: bool, c: &mut [T]) {
    let [first, second] = pairs.map(|[a, b]| {
        assert!(a.len() / m == b.len() / n);
        a.len() / m
    });
    assert!(c.len() == m * n);
    let row = |i: usize| {
        let ([a, b], i) = if i < first { (pairs[0], i) } else { (pairs[1], i - first) };
        [&a[i * m..][..m], &b[i * n..][..n]].map(<[T]>::as_ptr)
    };
    let (k, c) = (first + second, c.as_mut_ptr());
    let mut i = 0;
    while i < k {
        let add = add || i > 0;
        // SAFETY: pointers to rows of m and n elements, and C, whose length was checked.
        unsafe {
            match k - i {
                1 => {
                    let [a, b] = row(i);
                    atb_sum::<T, V, 1>(m, n, [a], [b], add, c);
                }
                2 => {
                    let rows = [row(i), row(i + 1)];
                    atb_sum::<T, V, 2>(m, n, rows.map(|[a, _]| a), rows.map(|[_, b]| b), add, c);
                }
                3 => {
                    let rows = [row(i), row(i + 1), row(i + 2)];
                    atb_sum::<T, V, 3>(m, n, rows.map(|[a, _]| a), rows.map(|[_, b]| b), add, c);
                }
                _ => {
                    let rows = [row(i), row(i + 1), row(i + 2), row(i + 3)];
                    atb_sum::<T, V, 4>(m, n, rows.map(|[a, _]| a), rows.map(|[_, b]| b), add, c);
                }
            }
        }
        i += 4;
    }
}
lanes_kernel! {
    /// C ← (C +) A₁ᵀ B₁ + A₂ᵀ B₂ (m × n, at least 1), with few rows in the factors: outer products while rows of C are in registers.
    few_atb<T>(m: usize, n: usize, pairs: [[&[T]; 2]; 2], add: bool, c: &mut [T]), few_atb_body
}

/// `R` rows of V, each `k` long, for `M` examples: their Y, and their part of Z.
///
/// # Safety
///
/// The instructions of V; `a` and `z` good for `M` rows of `k`, `delta` and `y` for `R` elements of `M` rows `n` apart.
#[inline(always)]
unsafe fn image_rows<T: Scalar, V: Lanes<T>, const M: usize, const R: usize>(
    [n, k]: [usize; 2],
    v: *const T,
    [a, delta]: [*const T; 2],
    [y, z]: [*mut T; 2],
) {
    // SAFETY: all offsets lie within what the caller vouches for.
    unsafe {
        let errors: [[V; R]; M] = std::array::from_fn(|m| std::array::from_fn(|r| V::splat(*delta.add(m * n + r))));
        let mut sums = [[V::splat(T::ZERO); R]; M];
        let mut l = 0;
        while l < k {
            let whole = l + V::COUNT <= k;
            let load = |from: *const T| if whole { V::load(from.add(l)) } else { V::load_first(from.add(l), k - l) };
            let rows: [V; R] = std::array::from_fn(|r| load(v.add(r * k)));
            for m in 0..M {
                let (a, z) = (load(a.add(m * k)), z.add(m * k));
                let mut back = load(z);
                for r in 0..R {
                    sums[m][r] = rows[r].mul_add(a, sums[m][r]);
                    back = rows[r].mul_add(errors[m][r], back);
                }
                if whole { back.store(z.add(l)) } else { back.store_first(z.add(l), k - l) }
            }
            l += V::COUNT;
        }
        for m in 0..M {
            store_sums::<T, V, R>(&sums[m], true, y.add(m * n));
        }
    }
}

/// `M` examples.
///
/// # Safety
///
/// As [`image_rows`], with `n` for R.
#[inline(always)]
unsafe fn images_of<T: Scalar, V: Lanes<T>, const M: usize>(
    [n, k]: [usize; 2],
    v: *const T,
    [a, delta]: [*const T; 2],
    [y, z]: [*mut T; 2],
) {
    let mut j = 0;
    // SAFETY: j stays below n.
    unsafe {
        while V::MANY && j + 4 <= n {
            image_rows::<T, V, M, 4>([n, k], v.add(j * k), [a, delta.add(j)], [y.add(j), z]);
            j += 4;
        }
        while j + 2 <= n {
            image_rows::<T, V, M, 2>([n, k], v.add(j * k), [a, delta.add(j)], [y.add(j), z]);
            j += 2;
        }
        if j < n {
            image_rows::<T, V, M, 1>([n, k], v.add(j * k), [a, delta.add(j)], [y.add(j), z]);
        }
    }
}

#[inline(always)]
unsafe fn few_images_body<T: Scalar, V: Lanes<T>>(
    [n, k]: [usize; 2],
    v: &[T],
    [a, delta]: [&[T]; 2],
    y: &mut [T],
    z: &mut [T],
) {
    let m = a.len() / k;
    assert!(v.len() == n * k && a.len() == m * k && delta.len() == m * n && y.len() == m * n && z.len() == m * k);
    z.fill(T::ZERO);
    let (v, a, delta, y, z) = (v.as_ptr(), a.as_ptr(), delta.as_ptr(), y.as_mut_ptr(), z.as_mut_ptr());
    let mut i = 0;
    // SAFETY: rows below m, of arrays whose lengths were checked.
    unsafe {
        while i + 2 <= m {
            images_of::<T, V, 2>([n, k], v, [a.add(i * k), delta.add(i * n)], [y.add(i * n), z.add(i * k)]);
            i += 2;
        }
        if i < m {
            images_of::<T, V, 1>([n, k], v, [a.add(i * k), delta.add(i * n)], [y.add(i * n), z.add(i * k)]);
        }
    }
}
lanes_kernel! {
    /// Y ← Y + A Vᵀ and Z ← Δ V for V (n × k, at least 1) and few rows in the others, reading V once for two rows.
    few_images<T>(shape: [usize; 2], v: &[T], from: [&[T]; 2], y: &mut [T], z: &mut [T]), few_images_body
}
