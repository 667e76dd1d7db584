//! What a run or a problem is worth looking at for: derivatives that may be wrong.

mod derivatives;
mod differences;
mod projection;
mod report;
mod spectrum;

pub use derivatives::{DerivativeOptions, check_derivatives};
pub use projection::{Cycle, Projection, project};
pub use report::{Check, Coordinate, Derivative, DerivativeReport, Verdict};
pub use spectrum::{SpectrumRow, response, spectrum_table};
