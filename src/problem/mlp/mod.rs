//! Networks as inner problems: distilled data, soft labels, penalties, example weights, augmentation, implicit MAML.
//!
//! ```text
//! inner   f(u, w) = Σᵢ ωᵢ ℓ(net(xᵢ; w), tᵢ) + ½ μ ‖w‖²  (+ what u adds)      ωᵢ = 1/n (mean) or 1 (sum)
//! outer   F(w)    = 1/N Σᵢ ℓ(net(xᵢ; w), tᵢ) over the outer examples;  ∂F/∂u = 0
//! ```
//!
//! [`OuterParameters`] says which of the data or penalties u is. `linearize` makes one forward and backward pass at (u, w), and
//! every product after it is a sweep over the stored arrays (see `passes.rs` for the formulas): no product repeats the pass.
//!
//! H of a network is in general indefinite, and singular where parameters outnumber what the examples say of them.

mod compact;
mod examples;
mod factored;
mod gram;
mod loss;
mod model;
mod outer;
mod passes;
mod problem;
mod series;

pub use crate::cpu::Activation;
pub use loss::Loss;
pub use model::{Init, Model};
pub use outer::{Groups, OuterParameters};
pub use problem::{Mlp, Workspace};
