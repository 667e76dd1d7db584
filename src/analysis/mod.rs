//! What a run or a problem is worth looking at for: derivatives that may be wrong.

mod derivatives;
mod differences;
mod report;

pub use derivatives::{DerivativeOptions, check_derivatives};
pub use report::{Check, Coordinate, Derivative, DerivativeReport, Verdict};
