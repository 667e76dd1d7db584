//! Figure 7: two rings, two learned points. The points trace their rings, and the network remembers.

use crate::experiment::{Context, Experiment, Output};
use crate::networks::{self, Rings};
use std::error::Error;

/// The entry of the list.
pub const EXPERIMENT: Experiment = Experiment {
    name: "fig07",
    summary: "two rings, two learned points: a network that remembers what they were (half a minute)",
    trains: true,
    device: true,
    run,
};

fn run(context: &Context) -> Result<Output, Box<dyn Error>> {
    let rings = Rings {
        name: EXPERIMENT.name,
        title: "Figure 7: two rings, two learned points",
        radii: &[1.0, 2.5],
        points: 2,
        soft_labels: false,
        steps: 8000,
        snapshots: [100, 1000, 7000],
        retrain_every: 1000,
        half: 5.0,
    };
    networks::run(context, &rings)
}
