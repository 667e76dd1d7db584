//! The C interface: `include/blo.h`, whose text is the doc comments of this module.
//!
//! | file | holds |
//! | --- | --- |
//! | `status` | status numbers, the last message, the version |
//! | `problem`, `network`, `callbacks` | problem handles of every family |
//! | `lend`, `dlpack` | arrays that are lent to problems, and vectors of handles that are lent to the caller |
//! | `device` | GPUs, and problems on them |
//! | `tensors` | hypergradients from and into tensors of DLPack, on a GPU too |
//! | `estimator`, `report` | how a hypergradient is approximated and how its solve went, as C structs |
//! | `evaluate`, `batch` | workspaces: objectives, products, hypergradients, responses, influence |
//! | `solver`, `several` | solves with an operator of the caller's, called for its products or asking for them |
//! | `optimizer`, `lbfgsb` | first-order rules and L-BFGS-B alone, for loops of the caller's own |
//! | `run_options`, `runner`, `stepping` | cold- and warm-start loops, whole and stepped from outside |
//! | `analysis`, `solution_set` | checks of derivatives, equilibria, spectra, inner solutions |
//! | `f32` | every `_f64` function in single precision; generated from them by `tests/header.rs` |
//! | `family` | the families of problems behind one type |
//! | `handle`, `guard`, `args` | what every function shares: handles, panics, pointers, sizes, growing structs |
//!
//! # The header's central shape
//!
//! Two shapes were written down before it was coded:
//!
//! - *one object for everything*, as OSQP has it: `blo_setup(problem, options, estimator, &solver)`, then calls that read and
//!   write its parts. One handle to learn; but a hypergradient at a point of the caller's needs setters for u and w, two
//!   threads that share a problem need two copies of its data, and options that only some calls use sit in one struct;
//! - *immutable problems, and small handles that each own the scratch of one kind of work*: a workspace for evaluations, a
//!   runner for loops, a solver and a session for operators, an optimizer for loops of the caller's. Data are shared by
//!   reference count, so handles may be destroyed in any order; all that a call needs is in its arguments.
//!
//! The second is here: it is the shape of the Rust library (`Problem`, `Workspace`, `Runner`, `Session`), so that no state
//! lives in the C layer alone, and threads need one rule: share problems, confine the rest. Its price is one more create and
//! destroy in the shortest program.
//!
//! Each exported body is one call of `guard` or `contain`, which keep panics in, over a generic function for both
//! precisions. Inputs are copied before anything runs and outputs are written after everything has succeeded, so that no
//! Rust reference to a caller's array is alive while a callback runs (the trace, which its documentation reserves, and lent
//! examples, which nobody writes to, excepted).
//! Copies go into the handle's own arrays: nothing is allocated per step.
//!
//! # What Rust has and C does not
//!
//! | Rust | why |
//! | --- | --- |
//! | `bilevel::run_many` | handles may be used on any thread: the caller's threads do it, and its callbacks stay on them |
//! | `bilevel::Sampler` | batches are the caller's indices (`blo_inner_batch`), or a runner's `batch_size` |
//! | `solve::Spectrum`, `Filter`, `Hessian::dense` | parts; `blo_spectrum` has the eigenvalues, `blo_hvp` the columns |
//! | `analysis::response` | one number of `blo_spectrum`'s responses |
//! | `optimize::State::step_vjp`, `step_jvp` | parts of the unrolled estimators |
//! | `Problem::example_scores`, `Mlp::gauss_newton` | parts; `blo_influence` has the scores |
//! | `problem::fourier`, `one_hot` | tables are made where the data are |
//! | runs and products whose vectors stay on a GPU | `blo_hypergradient_dlpack` alone works on tensors there |
//! | `bilevel::Runner::hypergradient` | an output of each step, and `blo_runner_tensor` |

#![allow(clippy::missing_safety_doc, reason = "the doc comments are the C manual, with each pointer's contract")]
#![allow(clippy::too_many_arguments, reason = "C has no slices")]
#![allow(rustdoc::broken_intra_doc_links, reason = "[in] and [out] are for the reader of the header")]

mod analysis;
mod args;
mod batch;
mod callbacks;
mod device;
mod dlpack;
mod estimator;
mod evaluate;
mod f32;
mod family;
mod guard;
mod handle;
mod lbfgsb;
mod lend;
mod network;
mod optimizer;
mod problem;
mod report;
mod run_options;
mod runner;
mod several;
mod solution_set;
mod solver;
mod status;
mod stepping;
mod tensors;

pub use analysis::*;
pub use batch::*;
pub use callbacks::*;
pub use device::*;
pub use dlpack::*;
pub use estimator::*;
pub use evaluate::*;
pub use f32::*;
pub use lbfgsb::*;
pub use lend::*;
pub use network::*;
pub use optimizer::*;
pub use problem::*;
pub use report::*;
pub use run_options::*;
pub use runner::*;
pub use several::*;
pub use solution_set::*;
pub use solver::*;
pub use status::*;
pub use stepping::*;
pub use tensors::*;
