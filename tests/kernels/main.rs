//! Every PTX kernel on the simulator, against the plain reference: edge shapes, starts that are aligned to an element and
//! no more, NaN-filled outputs, guards; and the simulator's own checks of memory, races and barriers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cg;
#[path = "../common/mod.rs"]
mod common;
mod counts;
mod dense;
mod examples;
mod faults;
mod gemm;
mod hardware;
mod harness;
mod headers;
mod loss;
mod outer;
mod pass;
mod tensor;
mod vector;
