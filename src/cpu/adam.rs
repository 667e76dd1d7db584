//! A step of Adam (Kingma and Ba, 2015, Algorithm 1) and its derivatives, by hand.

use crate::Scalar;

/// The constants of Adam. In each method `t` counts the steps from 1.
pub struct Adam {
    /// Step size.
    pub step: f64,
    /// Decay of the mean.
    pub beta1: f64,
    /// Decay of the uncentred variance.
    pub beta2: f64,
    /// Added to the root of the variance.
    pub epsilon: f64,
}

impl Adam {
    /// x ← x − step · m̂ / (√v̂ + epsilon), with m and v updated from the gradient.
    pub fn update<T: Scalar>(&self, t: u64, gradient: &[T], first: &mut [T], second: &mut [T], x: &mut [T]) {
        let (correction1, correction2) = self.corrections(t);
        for (((g, m), v), x) in gradient.iter().zip(first).zip(second).zip(x) {
            let g = g.to_f64();
            let mean = self.beta1 * m.to_f64() + (1.0 - self.beta1) * g;
            let variance = self.beta2 * v.to_f64() + (1.0 - self.beta2) * g * g;
            *m = T::from_f64(mean);
            *v = T::from_f64(variance);
            let change = self.step * (mean / correction1) / ((variance / correction2).sqrt() + self.epsilon);
            *x = T::from_f64(x.to_f64() - change);
        }
    }

    /// 1 − β₁ᵗ and 1 − β₂ᵗ.
    fn corrections(&self, t: u64) -> (f64, f64) {
        (1.0 - self.beta1.powf(t as f64), 1.0 - self.beta2.powf(t as f64))
    }

    /// ∂(x change)/∂m and ∂(x change)/∂s of a step whose moments after it are m and s.
    ///
    /// m̂/√ŝ is bounded, so both are finite as s → 0; at s = 0, where the gradients so far were all zero, the second is 0.
    #[inline(always)]
    fn slopes(&self, (correction1, correction2): (f64, f64), m: f64, s: f64) -> (f64, f64) {
        let root = (s / correction2).sqrt();
        let denominator = root + self.epsilon;
        let by_m = -self.step / (correction1 * denominator);
        let by_s = if root > 0.0 {
            self.step * (m / correction1 / root) / (2.0 * correction2 * denominator * denominator)
        } else {
            0.0
        };
        (by_m, by_s)
    }

    /// The adjoint of [`Adam::update`]: `after` are the gradient and both moments after the step; the adjoints of the moments
    /// after the step become those before it, and the adjoint of the gradient is written.
    pub fn vjp<T: Scalar>(&self, t: u64, after: [&[T]; 3], adjoint_x: &[T], adjoints: [&mut [T]; 3]) {
        let corrections = self.corrections(t);
        let [gradient, first, second] = after;
        let [adjoint_first, adjoint_second, adjoint_gradient] = adjoints;
        for i in 0..adjoint_x.len() {
            let (by_m, by_s) = self.slopes(corrections, first[i].to_f64(), second[i].to_f64());
            let x = adjoint_x[i].to_f64();
            let m = adjoint_first[i].to_f64() + by_m * x;
            let s = adjoint_second[i].to_f64() + by_s * x;
            let g = (1.0 - self.beta1) * m + 2.0 * (1.0 - self.beta2) * gradient[i].to_f64() * s;
            adjoint_gradient[i] = T::from_f64(g);
            adjoint_first[i] = T::from_f64(self.beta1 * m);
            adjoint_second[i] = T::from_f64(self.beta2 * s);
        }
    }

    /// The derivative of [`Adam::update`] along tangents of the moments, of x, and of the gradient.
    pub fn jvp<T: Scalar>(&self, t: u64, after: [&[T]; 3], tangent_gradient: &[T], tangents: [&mut [T]; 3]) {
        let corrections = self.corrections(t);
        let [gradient, first, second] = after;
        let [tangent_first, tangent_second, tangent_x] = tangents;
        for i in 0..tangent_gradient.len() {
            let g = tangent_gradient[i].to_f64();
            let (by_m, by_s) = self.slopes(corrections, first[i].to_f64(), second[i].to_f64());
            let m = self.beta1 * tangent_first[i].to_f64() + (1.0 - self.beta1) * g;
            let s = self.beta2 * tangent_second[i].to_f64() + 2.0 * (1.0 - self.beta2) * gradient[i].to_f64() * g;
            tangent_first[i] = T::from_f64(m);
            tangent_second[i] = T::from_f64(s);
            tangent_x[i] = T::from_f64(tangent_x[i].to_f64() + by_m * m + by_s * s);
        }
    }
}
