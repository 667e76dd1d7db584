//! Figure 15: the problem of Figure 11 with truncated conjugate gradients.
//!
//! Few iterations have another bias than few terms of a series: u oscillates. φ(0) lies in a subspace of 7 dimensions that
//! H maps into itself, so the solve is exact after 7 iterations, not 21.

use crate::antidistillation::{self, Method, Setting, Sweep};
use crate::experiment::{Context, Experiment, Output};
use blo::problem::fourier::Amplitude;
use std::error::Error;

/// The entry of the list.
pub const EXPERIMENT: Experiment = Experiment {
    name: "fig15",
    summary: "antidistillation, exponential Fourier basis: truncated conjugate gradients against the exact solution",
    trains: false,
    device: false,
    run,
};

fn run(context: &Context) -> Result<Output, Box<dyn Error>> {
    let setting = Setting::fourier(10, Amplitude::Exponential, 1e-7);
    let mut methods: Vec<Method> = [1, 2, 3, 5, 7, 10, 13, 15, 21].map(Method::Cg).into_iter().collect();
    methods.push(Method::Exact);
    let title = "Figure 15: antidistillation with truncated CG, exponential Fourier basis (L = 10)";
    antidistillation::compare(context, title, &setting, &methods, &[Sweep::Cg])
}
