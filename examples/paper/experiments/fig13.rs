//! Figure 13: three rings, two learned points, whose labels are learned, too: over time they take all three.

use crate::experiment::{Context, Experiment, Output};
use crate::networks::{self, Rings};
use std::error::Error;

/// The entry of the list.
pub const EXPERIMENT: Experiment = Experiment {
    name: "fig13",
    summary: "three rings, two learned points with learned labels (a minute or two)",
    trains: true,
    device: true,
    run,
};

fn run(context: &Context) -> Result<Output, Box<dyn Error>> {
    let rings = Rings {
        name: EXPERIMENT.name,
        title: "Figure 13: three rings, two learned points with learned labels",
        radii: &[0.5, 1.5, 2.5],
        points: 2,
        soft_labels: true,
        steps: 20_000,
        snapshots: [4000, 12_000, 20_000],
        retrain_every: 2500,
        half: 7.0,
    };
    networks::run(context, &rings)
}
