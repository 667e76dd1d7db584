//! Figure 17: an underparameterized inner problem, 9 features for 13 points, harmonic amplitudes.
//!
//! H is regular here, and u is what there is too much of: the exact solution is the u of smallest norm, and no longer one
//! point put on the original.

use crate::antidistillation::{self, Method, Setting, Sweep};
use crate::experiment::{Context, Experiment, Output};
use blo::problem::fourier::Amplitude;
use std::error::Error;

/// The entry of the list.
pub const EXPERIMENT: Experiment = Experiment {
    name: "fig17",
    summary: "antidistillation, underparameterized harmonic basis: Neumann series and damping",
    trains: false,
    device: false,
    run,
};

fn run(context: &Context) -> Result<Output, Box<dyn Error>> {
    let setting = Setting::fourier(4, Amplitude::Harmonic, 1e-3);
    let mut methods: Vec<Method> =
        [0, 1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000].map(Method::Neumann).into_iter().collect();
    methods.extend([1000.0, 100.0, 10.0, 1.0, 0.1].map(Method::Damped));
    methods.push(Method::Exact);
    let title = "Figure 17: antidistillation, underparameterized harmonic Fourier basis (L = 4)";
    antidistillation::compare(context, title, &setting, &methods, &[Sweep::Neumann, Sweep::Damped])
}
