//! The spectral filter r(λ) behind each estimator: q = r(H) b.

/// A function of an eigenvalue of H. See the table in the module's documentation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Filter {
    /// 1/λ where |λ| > `floor`, else 0: the minimum-norm inverse.
    MinNorm {
        /// Eigenvalues of this magnitude or less count as zero (absolute).
        floor: f64,
    },
    /// 1/(λ + epsilon).
    Damped {
        /// The damping.
        epsilon: f64,
    },
    /// alpha Σ_{j=0..terms} (1 − alpha λ)ʲ. Paper, Eq. 5.
    Neumann {
        /// K: the last exponent, which is the number of Hessian-vector products.
        terms: u64,
        /// The step size.
        alpha: f64,
    },
}

impl Filter {
    /// r(λ).
    pub fn value(&self, lambda: f64) -> f64 {
        match *self {
            Filter::MinNorm { floor } => {
                if lambda.abs() > floor {
                    1.0 / lambda
                } else {
                    0.0
                }
            }
            Filter::Damped { epsilon } => 1.0 / (lambda + epsilon),
            Filter::Neumann { terms, alpha } => {
                let count = terms as f64 + 1.0;
                let x = alpha * lambda;
                // log1p and expm1 keep the digits that 1 − (1 − x)^count loses for small x.
                if x == 0.0 {
                    alpha * count
                } else if x < 1.0 {
                    -f64::exp_m1(count * f64::ln_1p(-x)) / lambda
                } else {
                    let sign = if terms % 2 == 0 { -1.0 } else { 1.0 };
                    (1.0 - sign * (x - 1.0).powf(count)) / lambda
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn neumann_filter_equals_the_sum_of_its_terms() {
        for terms in [0_u64, 1, 2, 3, 10, 101] {
            for alpha_lambda in [-0.3, -1e-9, 0.0, 1e-12, 1e-3, 0.5, 1.0, 1.3, 1.999_f64] {
                let alpha = 0.25;
                let lambda = alpha_lambda / alpha;
                let sum: f64 = (0..=terms).map(|j| alpha * (1.0 - alpha_lambda).powi(j as i32)).sum();
                let value = Filter::Neumann { terms, alpha }.value(lambda);
                assert_relative_eq!(value, sum, max_relative = 4.0 * (terms as f64 + 4.0) * f64::EPSILON);
            }
        }
    }

    #[test]
    fn neumann_filter_keeps_its_digits_at_small_curvature() {
        // The paper's figure 6: alpha = 0.1, K = 100.
        let filter = Filter::Neumann { terms: 100, alpha: 0.1 };
        for (lambda, expected) in
            [(1e-5, 10.099495), (1e-3, 10.049666), (0.1, 6.3762798), (1.0, 0.99997609), (10.0, 0.1)]
        {
            assert_relative_eq!(filter.value(lambda), expected, max_relative = 1e-7);
        }
    }
}
