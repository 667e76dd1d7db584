//! Figure 16: the harmonic Fourier basis, amplitudes 1/n, with Neumann series, damping and conjugate gradients.

use crate::antidistillation::{self, Method, Setting, Sweep};
use crate::experiment::{Context, Experiment, Output};
use blo::problem::fourier::Amplitude;
use std::error::Error;

/// The entry of the list.
pub const EXPERIMENT: Experiment = Experiment {
    name: "fig16",
    summary: "antidistillation, harmonic Fourier basis: Neumann series, damping and conjugate gradients",
    trains: false,
    device: false,
    run,
};

fn run(context: &Context) -> Result<Output, Box<dyn Error>> {
    let setting = Setting::fourier(10, Amplitude::Harmonic, 1e-3);
    let mut methods: Vec<Method> = [1, 10, 100, 1000, 10_000, 100_000].map(Method::Neumann).into_iter().collect();
    methods.extend([1000.0, 100.0, 10.0, 1.0, 0.1].map(Method::Damped));
    methods.extend([1, 2, 5, 10].map(Method::Cg));
    methods.push(Method::Exact);
    let title = "Figure 16: antidistillation, harmonic Fourier basis (L = 10)";
    antidistillation::compare(context, title, &setting, &methods, &[Sweep::Neumann, Sweep::Damped, Sweep::Cg])
}
