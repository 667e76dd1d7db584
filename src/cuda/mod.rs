//! Problems on an NVIDIA GPU: device memory as a [`Space`](crate::solve::Space), and problems whose products are kernels.
//!
//! The kernels are the PTX texts of `kernels/`; the driver compiles them at first use. The driver is looked for when a device
//! is opened, and nothing of CUDA is needed to build: [`probe`] tells what there is, and [`Device::open`] says in an error
//! what is missing.
//!
//! ```
//! use blo::cuda::{Capability, Device, probe};
//!
//! match probe() {
//!     Capability::Present { devices, .. } => assert!(devices > 0),
//!     Capability::Absent { reason } => assert_eq!(Device::open(0).unwrap_err().to_string(), format!("device: found {reason}")),
//! }
//! ```
//!
//! Softmax regression has no type of its own here: it is a [`Network`] without hidden layers, `widths: &[features, classes]`, with
//! the biases that a [`Regression`](crate::problem::Regression) has as a column of ones, and
//! [`OuterParameters::LogL2`](crate::problem::mlp::OuterParameters) or `ExampleWeightLogits` for its penalty or its examples'
//! weights. Logistic regression with the penalty c is that of two classes with the penalty 2c: ½ · 2c (‖w₁‖² + ‖w₂‖²) at its
//! smallest for w₁ − w₂ = w is ½ c ‖w‖². Linear least squares is one with [`Loss::SquaredError`](crate::problem::mlp::Loss).
//!
//! Launches are asynchronous, on a stream of the device's own. What goes wrong in one is found by a later call that returns a
//! `Result`: the device then keeps its first error, and returns it from every call.

mod buffer;
mod cg;
mod device;
mod examples;
mod from_host;
mod kernels;
mod matrix;
mod mlp;
mod operations;
mod outer;
mod passes;
mod probe;
mod quadratic;
mod recorded;
mod series;
mod space;

pub use buffer::Buffer;
pub use device::Device;
pub use from_host::{FromHost, Workspace as FromHostWorkspace};
pub use mlp::{Mlp, Network, Workspace as MlpWorkspace};
pub use probe::{Capability, probe};
pub use quadratic::{Quadratic, Workspace as QuadraticWorkspace};
pub use space::DeviceSpace;
