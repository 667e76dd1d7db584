//! Cold- and warm-start loops over u and w.

mod encode;
mod inner;
mod many;
mod runner;
mod sampler;
mod saved;
mod search;
mod settings;
mod stepping;
mod trace;

pub(crate) use inner::solve_inner;
pub use many::run_many;
pub use runner::{Best, Progress, Runner};
pub use sampler::{Batch, Sampler};
pub use settings::{InnerSolve, Outer, Settings, Start, ToleranceSchedule};
pub use trace::{Outcome, RunEnding, TraceRow};
