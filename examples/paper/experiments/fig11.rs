//! Figure 11a and b: the exponential Fourier basis, Neumann series of rising K.
//!
//! A longer series finds a u of smaller norm, and a w of larger norm: approximations of the hypergradient have a bias of
//! their own. Unrolling from the inner solution is the series with one term for each step.

use crate::antidistillation::{self, Method, Setting, Sweep};
use crate::experiment::{Context, Experiment, Output};
use blo::problem::fourier::Amplitude;
use std::error::Error;

/// The entry of the list.
pub const EXPERIMENT: Experiment = Experiment {
    name: "fig11",
    summary: "antidistillation, exponential Fourier basis: Neumann series and unrolling against the exact solution",
    trains: false,
    device: true,
    run,
};

fn run(context: &Context) -> Result<Output, Box<dyn Error>> {
    let setting = Setting::fourier(10, Amplitude::Exponential, 1e-7);
    let mut methods: Vec<Method> =
        [0, 1, 10, 100, 1000, 10_000, 100_000, 1_000_000].map(Method::Neumann).into_iter().collect();
    methods.extend([1, 10, 100].map(Method::Unrolled));
    methods.push(Method::Exact);
    let title = "Figure 11: antidistillation, exponential Fourier basis (L = 10)";
    antidistillation::compare(context, title, &setting, &methods, &[Sweep::Neumann])
}
