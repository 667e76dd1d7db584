//! A vector register as a type, for kernels whose speed hangs on what stays in registers.
//!
//! One body, generic in the register, is compiled for each set of instructions by [`lanes_kernel!`]. Kernels that the compiler
//! turns into good vector code by itself are written with plain loops instead, see [`kernel!`](super::simd::kernel).

use crate::Scalar;

/// A register of `COUNT` scalars.
///
/// # Safety
///
/// All methods need the instructions of the register's set; pointers must be good for `COUNT` scalars, or `count` of them.
pub(super) trait Lanes<T: Scalar>: Copy {
    const COUNT: usize;
    /// Whether there are 32 registers, so that 16 sums leave room for the rest.
    const MANY: bool;
    unsafe fn splat(value: T) -> Self;
    unsafe fn load(from: *const T) -> Self;
    /// The first `count` (below `COUNT`) from memory, the others 0.
    unsafe fn load_first(from: *const T, count: usize) -> Self;
    /// `COUNT` scalars of another type, converted; for registers of `f64`.
    unsafe fn widen<S: Scalar>(from: *const S) -> Self;
    /// Back, rounded.
    unsafe fn narrow<S: Scalar>(self, to: *mut S);
    unsafe fn store(self, to: *mut T);
    unsafe fn store_first(self, to: *mut T, count: usize);
    /// self · a + b.
    unsafe fn mul_add(self, a: Self, b: Self) -> Self;
    /// The sum of all lanes, in an order of its own.
    unsafe fn sum(self) -> T;
    /// The sums of four registers' lanes, for less than four times one.
    unsafe fn sums(x: [Self; 4]) -> [T; 4];
    /// The lanes whose bits are set, side by side; zeros behind them.
    unsafe fn compress(self, mask: u32) -> Self;
    /// The first lanes, in order, at the set bits; zeros elsewhere.
    unsafe fn expand(self, mask: u32) -> Self;
    /// to ← the transpose of `COUNT` rows of `COUNT` scalars; both have their rows at a stride.
    #[inline(always)]
    unsafe fn transpose(from: *const T, stride: usize, to: *mut T, to_stride: usize) {
        for i in 0..Self::COUNT {
            for j in 0..Self::COUNT {
                // SAFETY: the caller vouches for the pointers.
                unsafe { *to.add(j * to_stride + i) = *from.add(i * stride + j) };
            }
        }
    }
}

/// The register of machines that are not known better: as many scalars as compilers like to see side by side.
#[derive(Clone, Copy)]
pub(super) struct Portable<T>([T; 8]);

impl<T: Scalar> Lanes<T> for Portable<T> {
    const COUNT: usize = 8;
    const MANY: bool = false;

    #[inline(always)]
    unsafe fn splat(value: T) -> Self {
        Portable([value; 8])
    }

    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: the caller vouches for the pointer, here and below.
        Portable(unsafe { from.cast::<[T; 8]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn load_first(from: *const T, count: usize) -> Self {
        let mut lanes = [T::ZERO; 8];
        for (i, lane) in lanes.iter_mut().enumerate().take(count) {
            // SAFETY: as above.
            *lane = unsafe { *from.add(i) };
        }
        Portable(lanes)
    }

    #[inline(always)]
    unsafe fn widen<S: Scalar>(from: *const S) -> Self {
        // SAFETY: as above.
        let lanes = unsafe { from.cast::<[S; 8]>().read_unaligned() };
        Portable(std::array::from_fn(|i| T::from_f64(lanes[i].to_f64())))
    }

    #[inline(always)]
    unsafe fn narrow<S: Scalar>(self, to: *mut S) {
        // SAFETY: as above.
        unsafe { to.cast::<[S; 8]>().write_unaligned(std::array::from_fn(|i| S::from_f64(self.0[i].to_f64()))) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: as above.
        unsafe { to.cast::<[T; 8]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut T, count: usize) {
        for (i, lane) in self.0.iter().enumerate().take(count) {
            // SAFETY: as above.
            unsafe { *to.add(i) = *lane };
        }
    }

    #[inline(always)]
    unsafe fn mul_add(self, a: Self, b: Self) -> Self {
        Portable(std::array::from_fn(|i| self.0[i] * a.0[i] + b.0[i]))
    }

    #[inline(always)]
    unsafe fn sum(self) -> T {
        let [a, b, c, d, e, f, g, h] = self.0;
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }

    #[inline(always)]
    unsafe fn sums(x: [Self; 4]) -> [T; 4] {
        // SAFETY: needs nothing.
        x.map(|x| unsafe { x.sum() })
    }

    #[inline(always)]
    unsafe fn compress(self, mask: u32) -> Self {
        let (mut lanes, mut at) = ([T::ZERO; 8], 0);
        for (i, x) in self.0.into_iter().enumerate() {
            if mask >> i & 1 == 1 {
                lanes[at] = x;
                at += 1;
            }
        }
        Portable(lanes)
    }

    #[inline(always)]
    unsafe fn expand(self, mask: u32) -> Self {
        let (mut lanes, mut at) = ([T::ZERO; 8], 0);
        for (i, lane) in lanes.iter_mut().enumerate() {
            if mask >> i & 1 == 1 {
                *lane = self.0[at];
                at += 1;
            }
        }
        Portable(lanes)
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use super::lanes_x86::{Half, Wide};

/// Declares a kernel whose body is generic in the register: `unsafe fn body<T: Scalar, V: Lanes<T>>(…)`, or `V: Lanes<f64>` with
/// `body of f64`.
macro_rules! lanes_kernel {
    ($(#[$meta:meta])* $name:ident<$T:ident>($($arg:ident: $type:ty),*) $(-> $ret:ty)?, $body:ident) => {
        $crate::cpu::lanes::lanes_kernel! { $(#[$meta])* $name<$T>($($arg: $type),*) $(-> $ret)?, $body of $T }
    };
    ($(#[$meta:meta])* $name:ident<$T:ident>($($arg:ident: $type:ty),*) $(-> $ret:ty)?, $body:ident of $lane:ty) => {
        $(#[$meta])*
        pub(super) fn $name<$T: $crate::Scalar>(simd: $crate::cpu::Simd, $($arg: $type),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx2,fma")]
                fn avx512<$T: $crate::Scalar>($($arg: $type),*) $(-> $ret)? {
                    // SAFETY: the instructions are enabled here.
                    unsafe { $body::<$T, $crate::cpu::lanes::Wide<$lane>>($($arg),*) }
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2<$T: $crate::Scalar>($($arg: $type),*) $(-> $ret)? {
                    // SAFETY: the instructions are enabled here.
                    unsafe { $body::<$T, $crate::cpu::lanes::Half<$lane>>($($arg),*) }
                }
                match simd.0 {
                    // SAFETY: a value of `Simd` exists only where its instructions do.
                    $crate::cpu::simd::Level::Avx512 => return unsafe { avx512($($arg),*) },
                    // SAFETY: as above.
                    $crate::cpu::simd::Level::Avx2 => return unsafe { avx2($($arg),*) },
                    $crate::cpu::simd::Level::Portable => {}
                }
            }
            let _ = simd;
            // SAFETY: needs no instructions beyond the baseline.
            unsafe { $body::<$T, $crate::cpu::lanes::Portable<$lane>>($($arg),*) }
        }
    };
}
pub(super) use lanes_kernel;
