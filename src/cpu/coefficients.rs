//! A term of a series on coefficients, for few rows: all that happens to one factor of a layer, in one pass.

use super::lanes::{Lanes, lanes_kernel};
use super::simd::Simd;
use crate::Scalar;

/// The most rows.
pub const FEW_COEFFICIENTS: usize = 4;

/// One factor of a layer in a series, n rows of the same width. What a term adds is −alpha `by`; the image of that is
/// −alpha gramᵀ by + otherᵀ stored.
#[derive(Debug)]
pub struct Factor<'a, T> {
    /// n.
    pub rows: usize,
    /// What H makes of the last term.
    pub by: &'a [T],
    /// n × n.
    pub gram: &'a [f64],
    /// n × n.
    pub other: &'a [f64],
    /// n rows, or none.
    pub stored: &'a [T],
    /// The image of b.
    pub base: &'a [f64],
    /// The term's coefficients.
    pub p: &'a mut [f64],
    /// The sum's.
    pub q: &'a mut [f64],
    /// The term's image.
    pub image: &'a mut [f64],
    /// The same, rounded to T.
    pub rounded: &'a mut [T],
}

impl<T> Factor<'_, T> {
    /// Asserts sizes; returns the width. There are rows.
    fn width(&self) -> usize {
        let (len, square) = (self.by.len(), self.rows * self.rows);
        assert!(self.gram.len() >= square && self.other.len() >= square && len.is_multiple_of(self.rows));
        assert!(self.stored.is_empty() || self.stored.len() == len);
        let others = [self.base.len(), self.p.len(), self.q.len(), self.image.len(), self.rounded.len()];
        assert!(others.iter().all(|other| *other == len));
        len / self.rows
    }
}

/// A factor's arrays, and what its gram matrices are in a term.
struct Places<T, const N: usize> {
    by: *const T,
    stored: *const T,
    base: *const f64,
    p: *mut f64,
    q: *mut f64,
    image: *mut f64,
    rounded: *mut T,
    /// −alpha gram.
    gram: [[f64; N]; N],
    other: [[f64; N]; N],
}

/// # Safety
///
/// Columns j to j + `V::COUNT` are there.
#[inline(always)]
unsafe fn columns<T: Scalar, V: Lanes<f64>, const N: usize>(
    [alpha, keep, s]: [f64; 3],
    places: &Places<T, N>,
    [width, j]: [usize; 2],
    mut sum: V,
) -> V {
    let other = !places.stored.is_null();
    // SAFETY: the caller vouches for the columns.
    unsafe {
        let (one, keep, s) = (V::splat(1.0), V::splat(keep), V::splat(s));
        let (mut by, mut stored) = ([one; N], [one; N]);
        for m in 0..N {
            by[m] = V::widen(places.by.add(m * width + j));
            if other {
                stored[m] = V::widen(places.stored.add(m * width + j));
            }
        }
        for r in 0..N {
            let at = r * width + j;
            let (p, q, image) = (places.p.add(at), places.q.add(at), places.image.add(at));
            let old = V::load(p);
            one.mul_add(old, V::load(q)).store(q);
            let new = keep.mul_add(old, V::splat(-alpha).mul_add(by[r], V::splat(0.0)));
            new.store(p);
            let mut y = keep.mul_add(V::load(image), V::splat(0.0));
            for (by, gram) in by.iter().zip(&places.gram) {
                y = V::splat(gram[r]).mul_add(*by, y);
            }
            if other {
                for (stored, other) in stored.iter().zip(&places.other) {
                    y = V::splat(other[r]).mul_add(*stored, y);
                }
            }
            y.store(image);
            y.narrow(places.rounded.add(at));
            sum = new.mul_add(s.mul_add(V::load(places.base.add(at)), y), sum);
        }
        sum
    }
}

/// The same for one column, where no register is full.
#[inline(always)]
fn column<T: Scalar, const N: usize>(
    [alpha, keep, s]: [f64; 3],
    factor: &mut Factor<'_, T>,
    [width, j]: [usize; 2],
) -> f64 {
    let mut sum = 0.0;
    for r in 0..N {
        let at = r * width + j;
        let mut y = keep * factor.image[at];
        for m in 0..N {
            y -= factor.gram[m * N + r] * alpha * factor.by[m * width + j].to_f64();
            if let Some(stored) = factor.stored.get(m * width + j) {
                y += factor.other[m * N + r] * stored.to_f64();
            }
        }
        factor.q[at] += factor.p[at];
        factor.p[at] = keep * factor.p[at] - alpha * factor.by[at].to_f64();
        factor.image[at] = y;
        factor.rounded[at] = T::from_f64(y);
        sum += factor.p[at] * (s * factor.base[at] + y);
    }
    sum
}

#[inline(always)]
unsafe fn rows<T: Scalar, V: Lanes<f64>, const N: usize>(rates: [f64; 3], mut factor: Factor<'_, T>) -> f64 {
    let width = factor.width();
    let whole = width - width % V::COUNT;
    let (mut gram, mut other) = ([[0.0; N]; N], [[0.0; N]; N]);
    for m in 0..N {
        for r in 0..N {
            (gram[m][r], other[m][r]) = (-rates[0] * factor.gram[m * N + r], factor.other[m * N + r]);
        }
    }
    let Factor { by, stored, base, p, q, image, rounded, .. } = &mut factor;
    let stored = if stored.is_empty() { std::ptr::null() } else { stored.as_ptr() };
    let (by, base, p, q, image) = (by.as_ptr(), base.as_ptr(), p.as_mut_ptr(), q.as_mut_ptr(), image.as_mut_ptr());
    let rounded = rounded.as_mut_ptr();
    let places = Places { by, stored, base, p, q, image, rounded, gram, other };
    // SAFETY: within the width.
    let mut sum = unsafe {
        let mut sum = V::splat(0.0);
        let mut j = 0;
        while j < whole {
            sum = columns::<T, V, N>(rates, &places, [width, j], sum);
            j += V::COUNT;
        }
        sum.sum()
    };
    for j in whole..width {
        sum += column::<T, N>(rates, &mut factor, [width, j]);
    }
    sum
}

#[inline(always)]
unsafe fn advance_body<T: Scalar, V: Lanes<f64>>(rates: [f64; 3], factor: Factor<'_, T>) -> f64 {
    // SAFETY: as vouched.
    unsafe {
        match factor.rows {
            0 => 0.0,
            1 => rows::<T, V, 1>(rates, factor),
            2 => rows::<T, V, 2>(rates, factor),
            3 => rows::<T, V, 3>(rates, factor),
            _ => rows::<T, V, 4>(rates, factor),
        }
    }
}
lanes_kernel! {
    advance_kernel<T>(rates: [f64; 3], factor: Factor<'_, T>) -> f64, advance_body of f64
}

/// With [alpha, keep, s]:
///
/// ```text
/// q ← q + p;   p ← keep p − alpha by;   image ← keep image − alpha gramᵀ by + otherᵀ stored
/// ```
///
/// Returns Σ p (s base + image) with the new ones.
pub fn advance<T: Scalar>(simd: Simd, rates: [f64; 3], factor: Factor<'_, T>) -> f64 {
    assert!(factor.rows <= FEW_COEFFICIENTS);
    advance_kernel(simd, rates, factor)
}

#[inline(always)]
unsafe fn inner_products_rows<T: Scalar, V: Lanes<f64>, const N: usize>(a: f64, x: &[T], y: &[T], out: &mut [f64]) {
    assert!(x.len() == y.len() && x.len().is_multiple_of(N) && out.len() >= N * N);
    let width = x.len() / N;
    let whole = width - width % V::COUNT;
    // SAFETY: within the width.
    let sums = unsafe {
        let mut sums = [[V::splat(0.0); N]; N];
        for j in (0..whole).step_by(V::COUNT) {
            for (m, sums) in sums.iter_mut().enumerate() {
                let x = V::widen(x.as_ptr().add(m * width + j));
                for (r, sum) in sums.iter_mut().enumerate() {
                    *sum = V::widen(y.as_ptr().add(r * width + j)).mul_add(x, *sum);
                }
            }
        }
        sums
    };
    for (m, sums) in sums.into_iter().enumerate() {
        for (r, sum) in sums.into_iter().enumerate() {
            // SAFETY: needs nothing.
            let mut sum = unsafe { sum.sum() };
            for j in whole..width {
                sum += x[m * width + j].to_f64() * y[r * width + j].to_f64();
            }
            out[m * N + r] = a * sum;
        }
    }
}

#[inline(always)]
unsafe fn inner_products_body<T: Scalar, V: Lanes<f64>>(rows: usize, a: f64, x: &[T], y: &[T], out: &mut [f64]) {
    // SAFETY: as vouched.
    unsafe {
        match rows {
            0 => {}
            1 => inner_products_rows::<T, V, 1>(a, x, y, out),
            2 => inner_products_rows::<T, V, 2>(a, x, y, out),
            3 => inner_products_rows::<T, V, 3>(a, x, y, out),
            _ => inner_products_rows::<T, V, 4>(a, x, y, out),
        }
    }
}
lanes_kernel! {
    inner_products_kernel<T>(rows: usize, a: f64, x: &[T], y: &[T], out: &mut [f64]), inner_products_body of f64
}

/// out[m, r] ← a ⟨row m of x, row r of y⟩, n × n.
pub fn inner_products<T: Scalar>(simd: Simd, rows: usize, a: f64, x: &[T], y: &[T], out: &mut [f64]) {
    assert!(rows <= FEW_COEFFICIENTS);
    inner_products_kernel(simd, rows, a, x, y, out);
}
