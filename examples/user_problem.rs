//! A problem of your own: closures, a check of their derivatives, and a run.
//!
//! ```text
//! cargo run --release --example user_problem
//! ```
//!
//! The inner problem fits a curve w₁ exp(−w₂ t) + w₃ to 30 noisy points by least squares with a penalty exp(u) ‖w‖² / 2; the
//! outer one is the squared error on 30 others. Nothing in it is linear in w, so H is written as JᵀJ + Σ rᵢ ∇²mᵢ + exp(u) I.

use blo::analysis::{DerivativeOptions, check_derivatives};
use blo::bilevel::{InnerSolve, Runner, Settings, Start};
use blo::problem::UserProblem;
use blo::solve::Spectral;
use blo::{Inverse, Result, Rule};
