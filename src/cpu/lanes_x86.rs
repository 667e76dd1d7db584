//! The registers of x86-64.

use super::lanes::Lanes;
use crate::Scalar;
use std::arch::x86_64::*;
use std::marker::PhantomData;

/// 512 bits: 16 `f32` or 8 `f64`. The size of T, which is a constant, says which.
#[derive(Clone, Copy)]
pub struct Wide<T>(__m512, PhantomData<T>);

/// 256 bits: 8 `f32` or 4 `f64`.
#[derive(Clone, Copy)]
pub struct Half<T>(__m256, PhantomData<T>);

const fn single<T>() -> bool {
    size_of::<T>() == 4
}

/// For each choice among 8 lanes: where the lanes side by side come from, and where those in their places do.
const CHOICES: [[[u8; 8]; 2]; 256] = {
    let mut choices = [[[0; 8]; 2]; 256];
    let mut mask = 0;
    while mask < 256 {
        let (mut lane, mut at) = (0, 0);
        while lane < 8 {
            choices[mask][1][lane] = at;
            if mask >> lane & 1 == 1 {
                choices[mask][0][at as usize] = lane as u8;
                at += 1;
            }
            lane += 1;
        }
        mask += 1;
    }
    choices
};
static TABLE: [[[u8; 8]; 2]; 256] = CHOICES;

/// The transpose of 8 x 8 `f32` or 4 x 4 `f64`.
#[allow(clippy::undocumented_unsafe_blocks)]
#[inline(always)]
unsafe fn transpose_half<T>(from: *const T, stride: usize, to: *mut T, to_stride: usize) {
    unsafe {
        if single::<T>() {
            let (from, to) = (from.cast::<f32>(), to.cast::<f32>());
            let mut half = 0;
            // Rows 0 to 3 beside rows 4 to 7, for four columns at a time.
            while half < 8 {
                let mut x = [_mm256_setzero_ps(); 4];
                let mut i = 0;
                while i < 4 {
                    let low = _mm_loadu_ps(from.add(i * stride + half));
                    let high = _mm_loadu_ps(from.add((i + 4) * stride + half));
                    x[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(low), high, 1);
                    i += 1;
                }
                let (a, b) = (_mm256_unpacklo_ps(x[0], x[1]), _mm256_unpacklo_ps(x[2], x[3]));
                let (c, d) = (_mm256_unpackhi_ps(x[0], x[1]), _mm256_unpackhi_ps(x[2], x[3]));
                _mm256_storeu_ps(to.add(half * to_stride), _mm256_shuffle_ps(a, b, 0x44));
                _mm256_storeu_ps(to.add((half + 1) * to_stride), _mm256_shuffle_ps(a, b, 0xee));
                _mm256_storeu_ps(to.add((half + 2) * to_stride), _mm256_shuffle_ps(c, d, 0x44));
                _mm256_storeu_ps(to.add((half + 3) * to_stride), _mm256_shuffle_ps(c, d, 0xee));
                half += 4;
            }
        } else {
            let (from, to) = (from.cast::<f64>(), to.cast::<f64>());
            let mut half = 0;
            while half < 4 {
                let mut x = [_mm256_setzero_pd(); 2];
                let mut i = 0;
                while i < 2 {
                    let low = _mm_loadu_pd(from.add(i * stride + half));
                    let high = _mm_loadu_pd(from.add((i + 2) * stride + half));
                    x[i] = _mm256_insertf128_pd(_mm256_castpd128_pd256(low), high, 1);
                    i += 1;
                }
                _mm256_storeu_pd(to.add(half * to_stride), _mm256_unpacklo_pd(x[0], x[1]));
                _mm256_storeu_pd(to.add((half + 1) * to_stride), _mm256_unpackhi_pd(x[0], x[1]));
                half += 2;
            }
        }
    }
}

/// The transpose of `COUNT` x `COUNT` scalars, in squares of half a wide register.
///
/// # Safety
///
/// As [`Lanes::transpose`].
#[inline(always)]
unsafe fn transpose_squares<T: Scalar>(count: usize, from: *const T, stride: usize, to: *mut T, to_stride: usize) {
    let side = 32 / size_of::<T>();
    for i in (0..count).step_by(side) {
        for j in (0..count).step_by(side) {
            // SAFETY: within the squares that the caller vouches for.
            unsafe { transpose_half(from.add(i * stride + j), stride, to.add(j * to_stride + i), to_stride) };
        }
    }
}

// In each method below: SAFETY: the caller vouches for instructions and pointers; T is `f32` or `f64` by its size.
#[allow(clippy::undocumented_unsafe_blocks)]
impl<T: Scalar> Wide<T> {
    #[inline(always)]
    fn d(self) -> __m512d {
        unsafe { _mm512_castps_pd(self.0) }
    }

    #[inline(always)]
    fn of(x: __m512) -> Self {
        Wide(x, PhantomData)
    }

    #[inline(always)]
    fn of_d(x: __m512d) -> Self {
        Wide(unsafe { _mm512_castpd_ps(x) }, PhantomData)
    }

    /// The upper half added to the lower one.
    #[inline(always)]
    fn fold(self) -> Half<T> {
        unsafe {
            let (low, high) = (_mm512_castpd512_pd256(self.d()), _mm512_extractf64x4_pd(self.d(), 1));
            if single::<T>() {
                Half::of(_mm256_add_ps(_mm256_castpd_ps(low), _mm256_castpd_ps(high)))
            } else {
                Half::of_d(_mm256_add_pd(low, high))
            }
        }
    }
}

#[allow(clippy::undocumented_unsafe_blocks)]
impl<T: Scalar> Lanes<T> for Wide<T> {
    const COUNT: usize = 64 / size_of::<T>();
    const MANY: bool = true;

    #[inline(always)]
    unsafe fn transpose(from: *const T, stride: usize, to: *mut T, to_stride: usize) {
        unsafe { transpose_squares(Self::COUNT, from, stride, to, to_stride) }
    }

    #[inline(always)]
    unsafe fn splat(value: T) -> Self {
        unsafe {
            if single::<T>() {
                Self::of(_mm512_set1_ps(value.to_f64() as f32))
            } else {
                Self::of_d(_mm512_set1_pd(value.to_f64()))
            }
        }
    }

    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        unsafe { Self::of(_mm512_loadu_ps(from.cast())) }
    }

    #[inline(always)]
    unsafe fn load_first(from: *const T, count: usize) -> Self {
        unsafe {
            if single::<T>() {
                Self::of(_mm512_maskz_loadu_ps((1_u32 << count).wrapping_sub(1) as u16, from.cast()))
            } else {
                Self::of_d(_mm512_maskz_loadu_pd((1_u32 << count).wrapping_sub(1) as u8, from.cast()))
            }
        }
    }

    #[inline(always)]
    unsafe fn widen<S: Scalar>(from: *const S) -> Self {
        debug_assert!(!single::<T>());
        unsafe {
            if single::<S>() {
                Self::of_d(_mm512_cvtps_pd(_mm256_loadu_ps(from.cast())))
            } else {
                Self::of_d(_mm512_loadu_pd(from.cast()))
            }
        }
    }

    #[inline(always)]
    unsafe fn narrow<S: Scalar>(self, to: *mut S) {
        unsafe {
            if single::<S>() {
                _mm256_storeu_ps(to.cast(), _mm512_cvtpd_ps(self.d()))
            } else {
                _mm512_storeu_pd(to.cast(), self.d())
            }
        }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        unsafe { _mm512_storeu_ps(to.cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut T, count: usize) {
        unsafe {
            if single::<T>() {
                _mm512_mask_storeu_ps(to.cast(), (1_u32 << count).wrapping_sub(1) as u16, self.0);
            } else {
                _mm512_mask_storeu_pd(to.cast(), (1_u32 << count).wrapping_sub(1) as u8, self.d());
            }
        }
    }

    #[inline(always)]
    unsafe fn mul_add(self, a: Self, b: Self) -> Self {
        unsafe {
            if single::<T>() {
                Self::of(_mm512_fmadd_ps(self.0, a.0, b.0))
            } else {
                Self::of_d(_mm512_fmadd_pd(self.d(), a.d(), b.d()))
            }
        }
    }

    #[inline(always)]
    unsafe fn sum(self) -> T {
        unsafe {
            if single::<T>() {
                T::from_f64(f64::from(_mm512_reduce_add_ps(self.0)))
            } else {
                T::from_f64(_mm512_reduce_add_pd(self.d()))
            }
        }
    }

    #[inline(always)]
    unsafe fn sums(x: [Self; 4]) -> [T; 4] {
        unsafe {
            // The halves of each register first. No closures: they would lose the instructions.
            let [a, b, c, d] = x;
            Half::sums([a.fold(), b.fold(), c.fold(), d.fold()])
        }
    }

    #[inline(always)]
    unsafe fn compress(self, mask: u32) -> Self {
        unsafe {
            if single::<T>() {
                Self::of(_mm512_maskz_compress_ps(mask as u16, self.0))
            } else {
                Self::of_d(_mm512_maskz_compress_pd(mask as u8, self.d()))
            }
        }
    }

    #[inline(always)]
    unsafe fn expand(self, mask: u32) -> Self {
        unsafe {
            if single::<T>() {
                Self::of(_mm512_maskz_expand_ps(mask as u16, self.0))
            } else {
                Self::of_d(_mm512_maskz_expand_pd(mask as u8, self.d()))
            }
        }
    }
}

#[allow(clippy::undocumented_unsafe_blocks)]
impl<T: Scalar> Half<T> {
    #[inline(always)]
    fn d(self) -> __m256d {
        unsafe { _mm256_castps_pd(self.0) }
    }

    #[inline(always)]
    fn of(x: __m256) -> Self {
        Half(x, PhantomData)
    }

    #[inline(always)]
    fn of_d(x: __m256d) -> Self {
        Half(unsafe { _mm256_castpd_ps(x) }, PhantomData)
    }

    /// All bits set in the first `count` lanes.
    #[inline(always)]
    unsafe fn mask(count: usize) -> __m256i {
        unsafe {
            if single::<T>() {
                let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
                _mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), lanes)
            } else {
                let lanes = _mm256_setr_epi64x(0, 1, 2, 3);
                _mm256_cmpgt_epi64(_mm256_set1_epi64x(count as i64), lanes)
            }
        }
    }
}

/// The choice in terms of 32-bit lanes.
#[inline(always)]
fn halves<T>(mask: u32) -> usize {
    let pairs = (mask & 1) | (mask & 2) << 1 | (mask & 4) << 2 | (mask & 8) << 3;
    (if single::<T>() { mask & 0xff } else { pairs | pairs << 1 }) as usize
}

/// # Safety
///
/// Needs AVX2.
#[allow(clippy::undocumented_unsafe_blocks)]
#[inline(always)]
unsafe fn permute(x: __m256, from: &[u8; 8]) -> __m256 {
    unsafe { _mm256_permutevar8x32_ps(x, _mm256_cvtepu8_epi32(_mm_loadl_epi64(from.as_ptr().cast()))) }
}

#[allow(clippy::undocumented_unsafe_blocks)]
impl<T: Scalar> Lanes<T> for Half<T> {
    const COUNT: usize = 32 / size_of::<T>();
    const MANY: bool = false;

    #[inline(always)]
    unsafe fn transpose(from: *const T, stride: usize, to: *mut T, to_stride: usize) {
        unsafe { transpose_squares(Self::COUNT, from, stride, to, to_stride) }
    }

    #[inline(always)]
    unsafe fn splat(value: T) -> Self {
        unsafe {
            if single::<T>() {
                Self::of(_mm256_set1_ps(value.to_f64() as f32))
            } else {
                Self::of_d(_mm256_set1_pd(value.to_f64()))
            }
        }
    }

    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        unsafe { Self::of(_mm256_loadu_ps(from.cast())) }
    }

    #[inline(always)]
    unsafe fn load_first(from: *const T, count: usize) -> Self {
        unsafe {
            let mask = Self::mask(count);
            if single::<T>() {
                Self::of(_mm256_maskload_ps(from.cast(), mask))
            } else {
                Self::of_d(_mm256_maskload_pd(from.cast(), mask))
            }
        }
    }

    #[inline(always)]
    unsafe fn widen<S: Scalar>(from: *const S) -> Self {
        debug_assert!(!single::<T>());
        unsafe {
            if single::<S>() {
                Self::of_d(_mm256_cvtps_pd(_mm_loadu_ps(from.cast())))
            } else {
                Self::of_d(_mm256_loadu_pd(from.cast()))
            }
        }
    }

    #[inline(always)]
    unsafe fn narrow<S: Scalar>(self, to: *mut S) {
        unsafe {
            if single::<S>() {
                _mm_storeu_ps(to.cast(), _mm256_cvtpd_ps(self.d()))
            } else {
                _mm256_storeu_pd(to.cast(), self.d())
            }
        }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        unsafe { _mm256_storeu_ps(to.cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut T, count: usize) {
        unsafe {
            let mask = Self::mask(count);
            if single::<T>() {
                _mm256_maskstore_ps(to.cast(), mask, self.0);
            } else {
                _mm256_maskstore_pd(to.cast(), mask, self.d());
            }
        }
    }

    #[inline(always)]
    unsafe fn mul_add(self, a: Self, b: Self) -> Self {
        unsafe {
            if single::<T>() {
                Self::of(_mm256_fmadd_ps(self.0, a.0, b.0))
            } else {
                Self::of_d(_mm256_fmadd_pd(self.d(), a.d(), b.d()))
            }
        }
    }

    #[inline(always)]
    unsafe fn sum(self) -> T {
        unsafe {
            if single::<T>() {
                let half = _mm_add_ps(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps(self.0, 1));
                let quarter = _mm_add_ps(half, _mm_movehl_ps(half, half));
                let last = _mm_add_ss(quarter, _mm_shuffle_ps(quarter, quarter, 1));
                T::from_f64(f64::from(_mm_cvtss_f32(last)))
            } else {
                let half = _mm_add_pd(_mm256_castpd256_pd128(self.d()), _mm256_extractf128_pd(self.d(), 1));
                T::from_f64(_mm_cvtsd_f64(_mm_add_sd(half, _mm_unpackhi_pd(half, half))))
            }
        }
    }

    #[inline(always)]
    unsafe fn sums(x: [Self; 4]) -> [T; 4] {
        let mut sums = [T::ZERO; 4];
        unsafe {
            if single::<T>() {
                let (low, high) = (_mm256_hadd_ps(x[0].0, x[1].0), _mm256_hadd_ps(x[2].0, x[3].0));
                let all = _mm256_hadd_ps(low, high);
                let all = _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1));
                _mm_storeu_ps(sums.as_mut_ptr().cast(), all);
            } else {
                let (low, high) = (_mm256_hadd_pd(x[0].d(), x[1].d()), _mm256_hadd_pd(x[2].d(), x[3].d()));
                let (even, odd) = (_mm256_permute2f128_pd(low, high, 0x20), _mm256_permute2f128_pd(low, high, 0x31));
                _mm256_storeu_pd(sums.as_mut_ptr().cast(), _mm256_add_pd(even, odd));
            }
        }
        sums
    }

    #[inline(always)]
    unsafe fn compress(self, mask: u32) -> Self {
        let mask = halves::<T>(mask);
        unsafe {
            let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            let kept = _mm256_cmpgt_epi32(_mm256_set1_epi32(mask.count_ones() as i32), lanes);
            Self::of(_mm256_and_ps(permute(self.0, &TABLE[mask][0]), _mm256_castsi256_ps(kept)))
        }
    }

    #[inline(always)]
    unsafe fn expand(self, mask: u32) -> Self {
        let mask = halves::<T>(mask);
        unsafe {
            let lanes = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            let kept = _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(mask as i32), lanes), lanes);
            Self::of(_mm256_and_ps(permute(self.0, &TABLE[mask][1]), _mm256_castsi256_ps(kept)))
        }
    }
}
