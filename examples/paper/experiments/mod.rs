//! The experiments, one file each.

mod fig01;
mod fig02;
mod fig06;
mod fig07;
mod fig08;
mod fig11;
mod fig11c;
mod fig12;
mod fig13;
mod fig14;
mod fig15;
mod fig16;
mod fig17;
mod fig18;

use crate::experiment::Experiment;

/// All of them, in the paper's order.
pub const ALL: &[Experiment] = &[
    fig01::EXPERIMENT,
    fig02::EXPERIMENT,
    fig06::EXPERIMENT,
    fig07::EXPERIMENT,
    fig08::EXPERIMENT,
    fig11::EXPERIMENT,
    fig11c::EXPERIMENT,
    fig12::EXPERIMENT,
    fig13::EXPERIMENT,
    fig14::EXPERIMENT,
    fig15::EXPERIMENT,
    fig16::EXPERIMENT,
    fig17::EXPERIMENT,
    fig18::EXPERIMENT,
];

/// The one with this name.
pub fn find(name: &str) -> Option<&'static Experiment> {
    ALL.iter().find(|experiment| experiment.name == name)
}
