//! Eigendecomposition of a symmetric tridiagonal matrix by the implicit QL method with Wilkinson's shift.
//!
//! Golub and Van Loan, Matrix Computations, section 8.3. In place, in `f64`, without allocation.

/// `diagonal` ← the eigenvalues (not sorted); `off` (the sub-diagonal, one element longer than needed) is destroyed;
/// `vectors` (k × width, row j at `j * width`) ← the first `width` elements of eigenvector j. The time is O(k²) for width 1
/// and O(k³) for width k. The elements must be about 1 in size, or less: their squares are formed. Returns false if an
/// eigenvalue did not converge.
pub(super) fn eigen(diagonal: &mut [f64], off: &mut [f64], vectors: &mut [f64], width: usize) -> bool {
    let k = diagonal.len();
    vectors.fill(0.0);
    for i in 0..width.min(k) {
        vectors[i * width + i] = 1.0;
    }
    if k == 0 {
        return true;
    }
    off[k - 1] = 0.0;
    for l in 0..k {
        let mut rounds = 0;
        loop {
            let m = (l..k - 1)
                .find(|&m| off[m].abs() <= f64::EPSILON * (diagonal[m].abs() + diagonal[m + 1].abs()))
                .unwrap_or(k - 1);
            if m == l {
                break;
            }
            rounds += 1;
            if rounds > 60 {
                return false;
            }
            let mut g = (diagonal[l + 1] - diagonal[l]) / (2.0 * off[l]);
            let mut r = length(g, 1.0);
            g = diagonal[m] - diagonal[l] + off[l] / (g + r.copysign(g));
            let (mut sine, mut cosine, mut p) = (1.0, 1.0, 0.0);
            let mut deflated = false;
            for i in (l..m).rev() {
                let f = sine * off[i];
                let b = cosine * off[i];
                r = length(f, g);
                off[i + 1] = r;
                if r == 0.0 {
                    diagonal[i + 1] -= p;
                    off[m] = 0.0;
                    deflated = true;
                    break;
                }
                sine = f / r;
                cosine = g / r;
                g = diagonal[i + 1] - p;
                r = (diagonal[i] - g) * sine + 2.0 * cosine * b;
                p = sine * r;
                diagonal[i + 1] = g + p;
                g = cosine * r - b;
                let (left, right) = vectors[i * width..(i + 2) * width].split_at_mut(width);
                for (left, right) in left.iter_mut().zip(right) {
                    let (old, above) = (*left, *right);
                    *right = sine * old + cosine * above;
                    *left = cosine * old - sine * above;
                }
            }
            if deflated {
                continue;
            }
            diagonal[l] -= p;
            off[l] = g;
            off[m] = 0.0;
        }
    }
    true
}

/// √(x² + y²), where x may be huge but not both tiny.
fn length(x: f64, y: f64) -> f64 {
    let square = x * x + y * y;
    if square.is_finite() { square.sqrt() } else { x.hypot(y) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(diagonal: &[f64], off: &[f64]) {
        let k = diagonal.len();
        let (mut d, mut e, mut z) = (diagonal.to_vec(), off.to_vec(), vec![0.0; k * k]);
        e.resize(k, 0.0);
        assert!(eigen(&mut d, &mut e, &mut z, k));
        let size = diagonal.iter().chain(off).fold(1e-300_f64, |size, x| size.max(x.abs()));
        for j in 0..k {
            for i in 0..k {
                let mut product = diagonal[i] * z[j * k + i];
                if i > 0 {
                    product += off[i - 1] * z[j * k + i - 1];
                }
                if i + 1 < k {
                    product += off[i] * z[j * k + i + 1];
                }
                assert!((product - d[j] * z[j * k + i]).abs() <= 40.0 * k as f64 * f64::EPSILON * size);
            }
            let norm: f64 = (0..k).map(|i| z[j * k + i].powi(2)).sum();
            assert!((norm - 1.0).abs() <= 40.0 * k as f64 * f64::EPSILON);
        }
        // The first elements alone: the same numbers.
        let (mut values, mut e, mut first) = (diagonal.to_vec(), off.to_vec(), vec![0.0; k]);
        e.resize(k, 0.0);
        assert!(eigen(&mut values, &mut e, &mut first, 1));
        assert_eq!(values, d);
        assert!((0..k).all(|j| first[j] == z[j * k]));
    }

    #[test]
    fn eigenpairs_satisfy_their_equation() {
        check(&[], &[]);
        check(&[3.0], &[]);
        check(&[1.0, 2.0], &[0.5]);
        check(&[0.0, 0.0, 0.0], &[1.0, 1.0]);
        check(&[1.0, 1.0, 1.0, 1.0], &[0.0, 0.0, 0.0]);
        check(&[1e-8, 1.0, 1e8, 3.0], &[1e-4, 1e4, 2.0]);
        let diagonal: Vec<f64> = (0..67).map(|i| ((i * 37) % 11) as f64 - 3.0).collect();
        let off: Vec<f64> = (0..66).map(|i| ((i * 17) % 7) as f64 * 0.5).collect();
        check(&diagonal, &off);
    }
}
