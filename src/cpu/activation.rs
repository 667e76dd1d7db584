//! Activations with their first two derivatives, elementwise.

use super::parallel::join;
use super::simd::{Simd, kernel};
use super::vector::divides;
use crate::Scalar;

/// φ, which follows every layer of a network but the last.
///
/// | | φ(z) | φ′ | φ″ |
/// | --- | --- | --- | --- |
/// | `Identity` | z | 1 | 0 |
/// | `Relu` | max(z, 0) | 1 for z > 0, else 0 | 0 |
/// | `Tanh` | a = tanh z | 1 − a² | −2a(1 − a²) |
/// | `Softplus` | ln(1 + eᶻ) | σ | σ(1 − σ) |
/// | `Gelu` | zΦ(z) | Φ + zϕ | ϕ(2 − z²) |
/// | `Silu` | zσ | σ(1 + z(1 − σ)) | σ(1 − σ)(2 + z(1 − 2σ)) |
///
/// σ(z) = 1/(1 + e⁻ᶻ); Φ and ϕ are the normal distribution and its density (the exact GELU; Hendrycks and Gimpel, 2016).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// z.
    Identity,
    /// max(z, 0); its derivative at 0 is 0.
    Relu,
    /// tanh z.
    Tanh,
    /// ln(1 + eᶻ).
    Softplus,
    /// z Φ(z).
    Gelu,
    /// z σ(z), also called swish.
    Silu,
}

impl Activation {
    /// Whether φ″ is not 0 everywhere.
    pub fn is_curved(self) -> bool {
        !matches!(self, Activation::Identity | Activation::Relu)
    }

    /// z ← φ(z + 1 bᵀ), slope ← φ′ there and, unless empty, curve ← φ″; z has rows as long as b.
    ///
    /// Transcendental functions are taken in `f64` for both types.
    pub fn apply<T: Scalar>(self, simd: Simd, bias: &[T], z: &mut [T], slope: &mut [T], curve: &mut [T]) {
        if self != Activation::Relu {
            for z in z.chunks_exact_mut(bias.len()) {
                z.iter_mut().zip(bias).for_each(|(z, bias)| *z += *bias);
            }
        }
        match self {
            Activation::Identity => {
                slope.fill(T::ONE);
                curve.fill(T::ZERO);
            }
            Activation::Relu => {
                relu(simd, bias, z, slope);
                curve.fill(T::ZERO);
            }
            Activation::Tanh => each(z, slope, curve, |z| {
                let a = z.tanh();
                let slope = (1.0 - a) * (1.0 + a);
                [a, slope, -2.0 * a * slope]
            }),
            Activation::Softplus => each(z, slope, curve, |z| {
                let (near, far) = sigmoids(z);
                [z.max(0.0) + (-z.abs()).exp().ln_1p(), near, near * far]
            }),
            Activation::Gelu => each(z, slope, curve, |z| {
                let below = 0.5 * libm::erfc(-z * std::f64::consts::FRAC_1_SQRT_2);
                let density =
                    (-0.5 * z * z).exp() * (0.5 * std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2);
                // ϕ is 0 long before z² overflows.
                let (lean, bend) = if density == 0.0 { (0.0, 0.0) } else { (z * density, density * (2.0 - z * z)) };
                [if below == 0.0 { 0.0 } else { z * below }, below + lean, bend]
            }),
            Activation::Silu => each(z, slope, curve, |z| {
                let (near, far) = sigmoids(z);
                [z * near, near * (1.0 + z * far), near * far * (2.0 + z * (far - near))]
            }),
        }
    }
}

#[inline(always)]
fn relu_body<T: Scalar, const FUSED: bool>(bias: &[T], z: &mut [T], slope: &mut [T]) {
    let rows = z.chunks_exact_mut(bias.len()).zip(slope.chunks_exact_mut(bias.len()));
    for (z, slope) in rows {
        for ((z, slope), bias) in z.iter_mut().zip(slope).zip(bias) {
            *z += *bias;
            *slope = if *z > T::ZERO { T::ONE } else { T::ZERO };
            // A NaN stays one.
            *z = if *z <= T::ZERO { T::ZERO } else { *z };
        }
    }
}
kernel! {
    /// On one thread.
    relu_here<T>(bias: &[T], z: &mut [T], slope: &mut [T]), relu_body
}

/// z ← max(z + 1 bᵀ, 0), slope ← its derivative.
fn relu<T: Scalar>(simd: Simd, bias: &[T], z: &mut [T], slope: &mut [T]) {
    let rows = z.len() / bias.len();
    if rows < 2 || !divides(z.len()) {
        return relu_here(simd, bias, z, slope);
    }
    let middle = rows / 2 * bias.len();
    let ((z, z_rest), (slope, slope_rest)) = (z.split_at_mut(middle), slope.split_at_mut(middle));
    join(|| relu(simd, bias, z, slope), || relu(simd, bias, z_rest, slope_rest));
}

/// σ(z) and σ(−z) = 1 − σ(z), each accurate in relative terms.
pub fn sigmoids(z: f64) -> (f64, f64) {
    let e = (-z.abs()).exp();
    let (near, far) = (1.0 / (1.0 + e), e / (1.0 + e));
    if z >= 0.0 { (near, far) } else { (far, near) }
}

#[inline(always)]
fn each<T: Scalar>(z: &mut [T], slope: &mut [T], curve: &mut [T], of: impl Fn(f64) -> [f64; 3]) {
    for (i, (z, slope)) in z.iter_mut().zip(slope).enumerate() {
        let [value, first, second] = of(z.to_f64());
        *z = T::from_f64(value);
        *slope = T::from_f64(first);
        if let Some(curve) = curve.get_mut(i) {
            *curve = T::from_f64(second);
        }
    }
}
