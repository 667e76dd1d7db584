//! Looking at problems and at the ends of runs: which solution was it, and of how many?
//!
//! | question | answer |
//! | --- | --- |
//! | Are my derivatives right? | [`check_derivatives`] |
//! | Is (u, w) an equilibrium of this loop? | [`equilibrium_residuals`] |
//! | What are the best and the worst inner solutions at u? | [`optimistic`], [`pessimistic`] |
//! | What is left of F when w is trained anew? | [`retraining_gap`] |
//! | What does each estimator make of the spectrum of H? | [`spectrum_table`], [`response`] |
//! | Where do warm starts on several linear problems by turns go? | [`Cycle`], [`project`] |
//!
//! These allocate, and are not for inner loops.

mod derivatives;
mod differences;
mod equilibria;
mod host;
mod inner;
mod projection;
mod report;
mod retraining;
mod solution_set;
mod spectrum;

pub use derivatives::{DerivativeOptions, check_derivatives};
pub use equilibria::{Equilibrium, Residuals, equilibrium_residuals};
pub use projection::{Cycle, Projection, project};
pub use report::{Check, Coordinate, Derivative, DerivativeReport, Verdict};
pub use retraining::{Retraining, retraining_gap};
pub use solution_set::{Extremum, optimistic, pessimistic};
pub use spectrum::{SpectrumRow, response, spectrum_table};
