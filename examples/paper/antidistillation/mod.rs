//! Antidistillation (paper, sections 4.2, B.3 and F): the targets of synthetic points are learned so that a regressor
//! trained on them fits one original point. Many targets do; which ones are found depends on the hypergradient.

mod method;
mod picture;
mod setting;
mod sweep;

pub use method::Method;
pub use picture::{Sweep, curve, figure};
pub use setting::{Basis, Setting};
pub use sweep::{OUTER_STEPS, Run, output, run};

use crate::experiment::{Context, Output};
use std::error::Error;

/// Runs the methods, and draws a row of panels for each sweep.
pub fn compare(
    context: &Context,
    title: &str,
    setting: &Setting,
    methods: &[Method],
    sweeps: &[Sweep],
) -> Result<Output, Box<dyn Error>> {
    let runs = sweep::run_all(setting, methods, context)?;
    let figure = picture::figure(title, setting, &runs, sweeps)?;
    Ok(output(setting, context, &runs, figure))
}
