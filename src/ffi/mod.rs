//! The C interface: `include/blo.h`, whose text is the doc comments of this module.
//!
//! | file | holds |
//! | --- | --- |
//! | `status` | status numbers, the last message, the version |
//! | `problem` | problem handles: quadratics and callbacks |
//! | `estimator` | how a hypergradient is approximated, as a C struct |
//! | `hypergradient` | one hypergradient and its report |
//! | `run` | a cold- or warm-start loop |
//! | `guard`, `args` | what every function shares: panics, pointers, sizes, growing structs |
//!
//! Each exported body is one call of `guard` or `contain`, which keep panics in. Inputs are copied before anything runs
//! and outputs are written after everything has succeeded, so that no Rust reference to a caller's array is alive while
//! a callback runs (the trace, which its documentation reserves, excepted).

#![allow(clippy::missing_safety_doc, reason = "the doc comments are the C manual, with each pointer's contract")]
#![allow(clippy::too_many_arguments, reason = "C has no slices, and the terms of a quadratic are many")]
#![allow(rustdoc::broken_intra_doc_links, reason = "[in] and [out] are for the reader of the header")]

mod args;
mod estimator;
mod guard;
mod hypergradient;
mod problem;
mod run;
mod status;

pub use estimator::*;
pub use hypergradient::*;
pub use problem::*;
pub use run::*;
pub use status::*;
