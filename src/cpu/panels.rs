//! Products of large matrices: B goes panel by panel into a buffer of its own, and a block of C stays in registers.
//!
//! Each number of C is one sum over k in order, a block of `DEPTH` terms after the other, whatever the block that it is in: its
//! bits do not depend on how C is divided among threads.

// Registers are named by number in these loops.
#![allow(clippy::needless_range_loop)]

use super::lanes::{Lanes, lanes_kernel};
use crate::Scalar;
use std::mem::MaybeUninit;

/// Terms of the sums for which a panel is packed at a time.
const DEPTH: usize = 256;

/// A panel: up to 256 rows of up to 256 bytes.
#[repr(C, align(64))]
struct Panel([MaybeUninit<u8>; DEPTH * 256]);

/// A product C ← (C +) A B, by pointers: A is m × k, B k × n, C m × n.
#[derive(Debug, Clone, Copy)]
pub(super) struct Product<T> {
    /// m, n, k.
    pub shape: [usize; 3],
    pub a: *const T,
    /// From a row of A to the next, and from a column to the next.
    pub a_strides: [usize; 2],
    pub b: *const T,
    /// From a row of B to the next where its columns lie side by side; from a column to the next if `b_transposed`.
    pub b_stride: usize,
    pub b_transposed: bool,
    pub add: bool,
    pub c: *mut T,
    pub c_stride: usize,
}

// SAFETY: whoever makes a product vouches for its pointers; see `multiply_panels`.
unsafe impl<T: Sync> Sync for Product<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Product<T> {}

impl<T> Product<T> {
    /// Rows `from` to `to` of C alone.
    ///
    /// # Safety
    ///
    /// `from` ≤ `to` ≤ m.
    pub unsafe fn rows(self, from: usize, to: usize) -> Product<T> {
        let [_, n, k] = self.shape;
        // SAFETY: within A and C.
        unsafe {
            let (a, c) = (self.a.add(from * self.a_strides[0]), self.c.add(from * self.c_stride));
            Product { shape: [to - from, n, k], a, c, ..self }
        }
    }

    /// Columns `from` to `to` of C alone.
    ///
    /// # Safety
    ///
    /// `from` ≤ `to` ≤ n.
    pub unsafe fn columns(self, from: usize, to: usize) -> Product<T> {
        let [m, _, k] = self.shape;
        // SAFETY: within B and C.
        unsafe {
            let b = self.b.add(if self.b_transposed { from * self.b_stride } else { from });
            Product { shape: [m, to - from, k], b, c: self.c.add(from), ..self }
        }
    }
}

/// `M` rows and `W` registers' columns of C; the last register has `tail` lanes if that is not 0.
///
/// # Safety
///
/// The instructions of V; `a` good for `M` rows and `depth` columns at their strides, `panel` for `depth` rows of `width`,
/// `c` for `M` rows.
#[inline(always)]
unsafe fn block<T: Scalar, V: Lanes<T>, const M: usize, const W: usize>(
    [depth, tail, width]: [usize; 3],
    (a, [a_row, a_column]): (*const T, [usize; 2]),
    panel: *const T,
    add: bool,
    (c, c_stride): (*mut T, usize),
) {
    // SAFETY: all offsets lie within what the caller vouches for.
    unsafe {
        let mut sums = [[V::splat(T::ZERO); W]; M];
        for l in 0..depth {
            let row: [V; W] = std::array::from_fn(|i| V::load(panel.add(l * width + i * V::COUNT)));
            for m in 0..M {
                let left = V::splat(*a.add(m * a_row + l * a_column));
                for i in 0..W {
                    sums[m][i] = row[i].mul_add(left, sums[m][i]);
                }
            }
        }
        for m in 0..M {
            for i in 0..W {
                let to = c.add(m * c_stride + i * V::COUNT);
                let cut = tail > 0 && i + 1 == W;
                if add {
                    let before = if cut { V::load_first(to, tail) } else { V::load(to) };
                    sums[m][i] = before.mul_add(V::splat(T::ONE), sums[m][i]);
                }
                if cut { sums[m][i].store_first(to, tail) } else { sums[m][i].store(to) }
            }
        }
    }
}

/// All rows of C in the columns of one panel.
///
/// # Safety
///
/// As [`block`], with all `m` rows.
#[inline(always)]
unsafe fn columns<T: Scalar, V: Lanes<T>, const W: usize>(
    m: usize,
    size: [usize; 3],
    (a, strides): (*const T, [usize; 2]),
    panel: *const T,
    add: bool,
    (c, c_stride): (*mut T, usize),
) {
    let mut i = 0;
    // SAFETY: i stays below m.
    unsafe {
        while i + 6 <= m {
            let (a, c) = ((a.add(i * strides[0]), strides), (c.add(i * c_stride), c_stride));
            block::<T, V, 6, W>(size, a, panel, add, c);
            i += 6;
        }
        while i + 2 <= m {
            let (a, c) = ((a.add(i * strides[0]), strides), (c.add(i * c_stride), c_stride));
            block::<T, V, 2, W>(size, a, panel, add, c);
            i += 2;
        }
        if i < m {
            let (a, c) = ((a.add(i * strides[0]), strides), (c.add(i * c_stride), c_stride));
            block::<T, V, 1, W>(size, a, panel, add, c);
        }
    }
}

/// panel ← `depth` rows and `count` columns of B, and zeros up to `width`.
///
/// # Safety
///
/// The instructions of V; `b` good for so many at its stride, `panel` for `depth` rows of `width`, a multiple of `V::COUNT`.
#[inline(always)]
unsafe fn pack<T: Scalar, V: Lanes<T>>(
    [depth, count, width]: [usize; 3],
    b: *const T,
    b_stride: usize,
    b_transposed: bool,
    panel: *mut T,
) {
    // SAFETY: all offsets lie within what the caller vouches for.
    unsafe {
        let mut j = 0;
        while j < width {
            let here = V::COUNT.min(count.saturating_sub(j));
            if b_transposed {
                let mut l = 0;
                while here == V::COUNT && l + V::COUNT <= depth {
                    V::transpose(b.add(j * b_stride + l), b_stride, panel.add(l * width + j), width);
                    l += V::COUNT;
                }
                while l < depth {
                    for i in 0..V::COUNT {
                        *panel.add(l * width + j + i) = if i < here { *b.add((j + i) * b_stride + l) } else { T::ZERO };
                    }
                    l += 1;
                }
            } else {
                for l in 0..depth {
                    let from = b.add(l * b_stride + j);
                    let row = if here == V::COUNT { V::load(from) } else { V::load_first(from, here) };
                    row.store(panel.add(l * width + j));
                }
            }
            j += V::COUNT;
        }
    }
}

#[inline(always)]
unsafe fn multiply_panels_body<T: Scalar, V: Lanes<T>>(product: Product<T>) {
    let Product { shape: [m, n, k], a, a_strides, b, b_stride, b_transposed, add, c, c_stride } = product;
    let mut buffer = Panel([const { MaybeUninit::uninit() }; DEPTH * 256]);
    let panel: *mut T = buffer.0.as_mut_ptr().cast();
    let widest = if V::MANY { 4 } else { 2 };
    // Blocks of about the same depth.
    let depth = k.div_ceil(k.div_ceil(DEPTH));
    let mut l = 0;
    while l < k {
        let (depth, add) = (depth.min(k - l), add || l > 0);
        let mut j = 0;
        while j < n {
            let registers = (n - j).div_ceil(V::COUNT).min(widest);
            let width = registers * V::COUNT;
            let count = width.min(n - j);
            let tail = count % V::COUNT;
            // SAFETY: within A, B and C, and `depth` rows of at most 256 bytes in the buffer.
            unsafe {
                let from = b.add(if b_transposed { j * b_stride + l } else { l * b_stride + j });
                pack::<T, V>([depth, count, width], from, b_stride, b_transposed, panel);
                let (a, c) = ((a.add(l * a_strides[1]), a_strides), (c.add(j), c_stride));
                let size = [depth, tail, width];
                match registers {
                    1 => columns::<T, V, 1>(m, size, a, panel, add, c),
                    2 => columns::<T, V, 2>(m, size, a, panel, add, c),
                    3 => columns::<T, V, 3>(m, size, a, panel, add, c),
                    _ => columns::<T, V, 4>(m, size, a, panel, add, c),
                }
            }
            j += count;
        }
        l += depth;
    }
}
lanes_kernel! {
    /// The product, k being at least 1. Its pointers are good for what its sizes and strides say, and C is not written by others.
    multiply_panels<T>(product: Product<T>), multiply_panels_body
}
