//! Copies of the chosen elements of a vector side by side, and back.

use super::lanes::{Lanes, lanes_kernel};
use super::simd::Simd;
use crate::Scalar;

/// What is chosen: a bit for each element, in words of so many.
pub const WORD: usize = 16;

/// The bits of the elements from j on, as many as a register has lanes.
#[inline(always)]
fn bits(chosen: &[u16], j: usize, count: usize) -> u32 {
    (u32::from(chosen[j / WORD]) >> (j % WORD)) & ((1 << count) - 1)
}

#[inline(always)]
unsafe fn compress_body<T: Scalar, V: Lanes<T>>(from: &[T], chosen: &[u16], to: &mut [T]) -> usize {
    assert!(chosen.len() * WORD >= from.len() && to.len() >= from.len().next_multiple_of(WORD) + WORD);
    let (mut j, mut at) = (0, 0);
    // SAFETY: within `from`; each step writes one register at `at` ≤ j, and WORD elements beyond `from` are there.
    unsafe {
        while j < from.len() {
            let left = from.len() - j;
            let x = from.as_ptr().add(j);
            let (x, mask) = if left < V::COUNT {
                (V::load_first(x, left), bits(chosen, j, left))
            } else {
                (V::load(x), bits(chosen, j, V::COUNT))
            };
            x.compress(mask).store(to.as_mut_ptr().add(at));
            at += mask.count_ones() as usize;
            j += V::COUNT;
        }
        let zero = V::splat(T::ZERO);
        let mut past = at;
        while past < at + WORD {
            zero.store(to.as_mut_ptr().add(past));
            past += V::COUNT;
        }
    }
    at
}
lanes_kernel! {
    compress_kernel<T>(from: &[T], chosen: &[u16], to: &mut [T]) -> usize, compress_body
}

/// The chosen elements, side by side, and [`WORD`] zeros behind them; returns how many they are. `to` has room for
/// all, rounded up to words, and one word more.
pub fn compress<T: Scalar>(simd: Simd, from: &[T], chosen: &[u16], to: &mut [T]) -> usize {
    compress_kernel(simd, from, chosen, to)
}

#[inline(always)]
unsafe fn expand_body<T: Scalar, V: Lanes<T>>(from: &[T], chosen: &[u16], to: &mut [T]) {
    assert!(chosen.len() * WORD >= to.len() && from.len() >= to.len().next_multiple_of(WORD) + WORD);
    let (mut j, mut at) = (0, 0);
    // SAFETY: within `to`; a register is read at `at` ≤ j, and WORD elements beyond are there.
    unsafe {
        while j < to.len() {
            let left = to.len() - j;
            let mask = bits(chosen, j, left.min(V::COUNT));
            let x = V::load(from.as_ptr().add(at)).expand(mask);
            let place = to.as_mut_ptr().add(j);
            if left < V::COUNT {
                x.store_first(place, left)
            } else {
                x.store(place)
            }
            at += mask.count_ones() as usize;
            j += V::COUNT;
        }
    }
}
lanes_kernel! {
    expand_kernel<T>(from: &[T], chosen: &[u16], to: &mut [T]), expand_body
}

/// The chosen elements of `to` from those side by side in `from`, the others 0. `from` is as long as [`compress`] asks.
pub fn expand<T: Scalar>(simd: Simd, from: &[T], chosen: &[u16], to: &mut [T]) {
    expand_kernel(simd, from, chosen, to);
}
