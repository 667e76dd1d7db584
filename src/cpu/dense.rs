//! Dense decompositions of symmetric matrices through faer, always in `f64` and on one thread.

use crate::{Error, Result, Scalar};
use faer::linalg::solvers::Solve;
use faer::{Mat, Side};

/// Eigenvalues, ascending, and eigenvectors: vector i is `vectors[i * n..(i + 1) * n]`.
pub fn symmetric_eigen(argument: &'static str, n: usize, matrix: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
    if n == 0 {
        return Ok((Vec::new(), Vec::new()));
    }
    let matrix = Mat::from_fn(n, n, |i, j| matrix[i * n + j]);
    let eigen = matrix.self_adjoint_eigen(Side::Lower).map_err(|_| Error::Decomposition { argument })?;
    let values = (0..n).map(|i| eigen.S()[i]).collect();
    let mut vectors = Vec::with_capacity(n * n);
    for i in 0..n {
        vectors.extend((0..n).map(|j| eigen.U()[(j, i)]));
    }
    Ok((values, vectors))
}

/// Whether matrix + shift·I has a Cholesky factor: a cheap proof that no eigenvalue lies below −shift.
pub fn is_positive_definite(n: usize, matrix: &[f64], shift: f64) -> bool {
    let matrix = Mat::from_fn(n, n, |i, j| matrix[i * n + j] + if i == j { shift } else { 0.0 });
    matrix.llt(Side::Lower).is_ok()
}

/// x ← A⁻¹ b for a positive definite A, by Cholesky: accurate however differently the rows are scaled.
pub fn solve_positive_definite<T: Scalar>(argument: &'static str, a: &[f64], b: &[T], x: &mut [T]) -> Result<()> {
    let n = b.len();
    let a = Mat::from_fn(n, n, |i, j| a[i * n + j]);
    let factor = a.llt(Side::Lower).map_err(|_| Error::Decomposition { argument })?;
    let solution = factor.solve(Mat::from_fn(n, 1, |i, _| b[i].to_f64()));
    for (i, x) in x.iter_mut().enumerate() {
        *x = T::from_f64(solution[(i, 0)]);
    }
    Ok(())
}
