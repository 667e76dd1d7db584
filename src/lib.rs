//! Numerical kernels for gradient-based bilevel optimization.
//!
//! An outer parameter u is trained through the solution w*(u) of an inner problem:
//!
//! > min over u of F(u, w*(u)), with w*(u) ∈ argmin over w of f(u, w).
//!
//! When the inner problem has many solutions, which one is reached is decided by cold or warm starting and by how the
//! hypergradient dF/du is approximated (Vicol et al., "On Implicit Bias in Overparameterized Bilevel Optimization",
//! ICML 2022). This crate has the approximations, the loops, and what is needed to see their effect:
//!
//! - [`solve`]: q ≈ H⁻¹ b from products alone, with a report that says when the answer is not to be trusted;
//! - [`problem`]: the trait, and quadratics, least squares, logistic and softmax regression, and problems of your own;
//! - [`hypergradient`]: implicit and unrolled estimators;
//! - [`bilevel`]: cold and warm loops;
//! - [`analysis`]: checks of derivatives, solution sets, equilibria.
//!
//! ```
//! use blo::bilevel::{InnerSolve, Runner, Settings, Start};
//! use blo::problem::{Examples, LeastSquares, Reduction, fourier};
//! use blo::{Inverse, Rule};
//!
//! // The targets of 13 points are learned so that a regressor trained on them predicts 2 at x = 0.
//! let points: Vec<f64> = (0..13).map(|i| -2.0 + i as f64 / 3.0).collect();
//! let design = |x: &[f64]| fourier::design::<f64>(x, 10, fourier::Amplitude::Exponential);
//! let inner = Examples { design: design(&points)?, features: 21, targets: vec![0.0; 13] };
//! let outer = Examples { design: design(&[0.0])?, features: 21, targets: vec![2.0] };
//! let problem = LeastSquares::targets(inner, outer, Reduction::Sum)?;
//!
//! let mut settings = Settings::new(Start::Cold, InnerSolve::Fixpoint, Inverse::neumann(100, 1e-7), Rule::descent(1e-2));
//! settings.outer_tolerance = 1e-10;
//! settings.outer_steps = 100_000;
//! let mut runner = Runner::new(&problem, settings, &[0.0; 13], &[0.0; 21])?;
//! let outcome = runner.run()?;
//! assert!(outcome.outer_loss < 1e-18);
//! # Ok::<(), blo::Error>(())
//! ```

mod error;
mod random;
mod scalar;

pub mod analysis;
pub mod bilevel;
pub mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;
pub mod ffi;
pub mod hypergradient;
pub mod optimize;
pub mod problem;
pub mod reference;
pub mod solve;

pub use error::{Error, Result};
pub use hypergradient::Estimator;
pub use optimize::Rule;
pub use scalar::Scalar;
pub use solve::Inverse;

/// The README's Rust example, compiled and run with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
