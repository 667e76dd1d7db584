//! Figure 14: the problem of Figure 11 with damped Hessians, ε from 10⁷ to 1.
//!
//! ε stands where 1/(alpha K) does in a Neumann series: a large one is a short series.

use crate::antidistillation::{self, Method, Setting, Sweep};
use crate::experiment::{Context, Experiment, Output};
use blo::problem::fourier::Amplitude;
use std::error::Error;

/// The entry of the list.
pub const EXPERIMENT: Experiment = Experiment {
    name: "fig14",
    summary: "antidistillation, exponential Fourier basis: damped Hessian inverses against the exact one",
    trains: false,
    device: false,
    run,
};

fn run(context: &Context) -> Result<Output, Box<dyn Error>> {
    let setting = Setting::fourier(10, Amplitude::Exponential, 1e-7);
    let mut methods: Vec<Method> = [1e7, 1e6, 1e5, 1e4, 1e3, 1e2, 10.0, 1.0].map(Method::Damped).into_iter().collect();
    methods.push(Method::Exact);
    let title = "Figure 14: antidistillation with damped Hessians, exponential Fourier basis (L = 10)";
    antidistillation::compare(context, title, &setting, &methods, &[Sweep::Damped])
}
