//! Eigendecomposition of a small dense symmetric matrix by Jacobi's method: in place, in `f64`, without allocation.
//!
//! Golub and Van Loan, Matrix Computations, section 8.5. For matrices of up to a few hundred rows.

/// The diagonal of `matrix` (k × k) ← its eigenvalues, not sorted; row j of `vectors` (k × k) ← eigenvector j. False if it did not
/// converge, which needs elements that are not finite.
pub(super) fn eigen(k: usize, matrix: &mut [f64], vectors: &mut [f64]) -> bool {
    vectors.fill(0.0);
    (0..k).for_each(|i| vectors[i * k + i] = 1.0);
    let size = matrix.iter().fold(0.0_f64, |size, x| size.max(x.abs()));
    if size == 0.0 {
        return true;
    }
    matrix.iter_mut().for_each(|x| *x /= size);
    let mut done = false;
    for _ in 0..60 {
        done = true;
        for p in 0..k {
            for q in p + 1..k {
                let off = matrix[p * k + q];
                let (first, second) = (matrix[p * k + p], matrix[q * k + q]);
                // Relative to the two diagonal elements, so that small eigenvalues keep their digits; but not below rounding.
                if off.abs() <= (f64::EPSILON * (first * second).abs().sqrt()).max(1e-3 * f64::EPSILON * f64::EPSILON) {
                    continue;
                }
                done = false;
                let theta = (second - first) / (2.0 * off);
                let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let cosine = 1.0 / tangent.hypot(1.0);
                let sine = tangent * cosine;
                for i in 0..k {
                    let (x, y) = (matrix[i * k + p], matrix[i * k + q]);
                    matrix[i * k + p] = cosine * x - sine * y;
                    matrix[i * k + q] = sine * x + cosine * y;
                }
                rotate(matrix, k, p, q, cosine, sine);
                rotate(vectors, k, p, q, cosine, sine);
                (matrix[p * k + q], matrix[q * k + p]) = (0.0, 0.0);
            }
        }
        if done {
            break;
        }
    }
    (0..k).for_each(|i| matrix[i * k + i] *= size);
    done && (0..k).all(|i| matrix[i * k + i].is_finite())
}

/// Rows p and q of a k × k matrix, turned.
fn rotate(matrix: &mut [f64], k: usize, p: usize, q: usize, cosine: f64, sine: f64) {
    let (front, back) = matrix.split_at_mut(q * k);
    for (x, y) in front[p * k..(p + 1) * k].iter_mut().zip(&mut back[..k]) {
        (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn check(k: usize, matrix: &[f64]) {
        let (mut values, mut vectors) = (matrix.to_vec(), vec![f64::NAN; k * k]);
        assert!(eigen(k, &mut values, &mut vectors));
        let size = matrix.iter().fold(1e-300_f64, |size, x| size.max(x.abs()));
        let bound = 16.0 * k as f64 * f64::EPSILON;
        for (i, x) in vectors.chunks_exact(k.max(1)).enumerate() {
            for (j, y) in vectors.chunks_exact(k).enumerate() {
                let dot: f64 = x.iter().zip(y).map(|(x, y)| x * y).sum();
                assert!((dot - f64::from(i == j)).abs() <= bound);
            }
            for row in 0..k {
                let product: f64 = (0..k).map(|column| matrix[row * k + column] * x[column]).sum();
                assert!((product - values[i * k + i] * x[row]).abs() <= bound * size);
            }
        }
    }

    #[test]
    fn eigenpairs_satisfy_their_equation() {
        check(0, &[]);
        check(1, &[-3.0]);
        check(2, &[0.0, 1.0, 1.0, 0.0]);
        check(3, &[0.0; 9]);
        check(3, &[1.0; 9]);
        let mut random = Random::new(3);
        for k in [5, 24, 61] {
            for scale in [1e-200, 1.0, 1e150] {
                let mut matrix = vec![0.0; k * k];
                for i in 0..k {
                    for j in 0..=i {
                        let x = scale * random.normal();
                        (matrix[i * k + j], matrix[j * k + i]) = (x, x);
                    }
                }
                check(k, &matrix);
            }
        }
        let mut values = [1.0, f64::NAN, f64::NAN, 1.0];
        assert!(!eigen(2, &mut values, &mut [0.0; 4]));
    }
}
