//! Fourier design matrices of the paper's antidistillation experiments (sections B.3 and F).

use crate::error::check_finite;
use crate::{Result, Scalar};

/// How the amplitude of the n-th harmonic falls, n = 1..=L.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amplitude {
    /// 2^(L−n): Figures 10, 11, 14, 15.
    Exponential,
    /// 1/n: Figures 16, 17.
    Harmonic,
}

/// φ(x) = [1, a₁ cos x, …, a_L cos Lx, a₁ sin x, …, a_L sin Lx]: one row of 2L + 1 elements for each point, row-major.
///
/// # Errors
///
/// [`Error::NonFinite`](crate::Error::NonFinite) for a point that is not finite.
pub fn design<T: Scalar>(points: &[f64], order: usize, amplitude: Amplitude) -> Result<Vec<T>> {
    check_finite("points", points)?;
    let scale = |n: usize| match amplitude {
        Amplitude::Exponential => 2.0_f64.powi((order - n) as i32),
        Amplitude::Harmonic => 1.0 / n as f64,
    };
    let mut rows = Vec::with_capacity(points.len() * (2 * order + 1));
    for &x in points {
        rows.push(T::ONE);
        rows.extend((1..=order).map(|n| T::from_f64(scale(n) * (n as f64 * x).cos())));
        rows.extend((1..=order).map(|n| T::from_f64(scale(n) * (n as f64 * x).sin())));
    }
    Ok(rows)
}
