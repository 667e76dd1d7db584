//! The central types with three kinds of vectors: host slices on dense quadratics (everywhere else in these tests), factored
//! vectors on a two-layer network with two examples, and a pretend device that counts its transfers. The same solvers and
//! the same loop serve all three.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod device;
mod factored;
