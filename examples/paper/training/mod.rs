//! Runs that take a while: their history, their saved state, their frames.

mod log;
mod session;

pub use log::Log;
pub use session::{Session, Training};
