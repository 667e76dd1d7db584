//! The command line that all experiments share.

use crate::experiment::Experiment;
use crate::experiments;
use clap::{CommandFactory, FromArgMatches, Parser, ValueEnum};
use std::path::PathBuf;

/// Computes a figure of "On Implicit Bias in Overparameterized Bilevel Optimization" (ICML 2022): prints a table and
/// writes a picture.
#[derive(Debug, Clone, Parser)]
#[command(name = "paper")]
pub struct Options {
    /// The experiment, or `list`
    pub name: String,

    /// Where the picture goes, as NAME.svg; made if missing
    #[arg(long, value_name = "DIR", default_value = "target/paper")]
    pub out: PathBuf,

    /// The seed of what is drawn at random. Recorded in the settings in any case; only the figures
    /// that train networks draw anything
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// Outer steps of a figure that trains networks (fig02, fig07, fig12, fig13, fig18); each has its own default. For
    /// fig11 the most steps of each of its runs, which end by themselves
    #[arg(long, value_name = "N")]
    pub steps: Option<usize>,

    /// Where the problem and its products are (fig07, fig11, fig12, fig13). On a GPU the run is that of the CPU up to
    /// rounding; what is drawn of it, and training anew on its points, stays on the CPU
    #[arg(long, value_enum, default_value_t = Device::Cpu)]
    pub device: Device,

    /// Where frames of an animation go, as NAME-NUMBER.svg; for figures that train networks
    #[arg(long, value_name = "DIR")]
    pub frames: Option<PathBuf>,

    /// Saves each run to FILE (or FILE-RUN, where there are several) and its history to FILE.log as it goes. The same
    /// command goes on where these files end; more --steps make it longer. For figures that train networks
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,

    /// A table, or one JSON object and nothing else on standard output
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

impl Options {
    /// The first option given that the experiment has no use for, and why.
    pub fn misused(&self, experiment: &Experiment) -> Option<String> {
        let Experiment { name, trains, device, .. } = *experiment;
        let idle = |option| format!("{name} trains no network, and has no use for {option}");
        let given = [
            (!trains && !device && self.steps.is_some(), idle("--steps")),
            (!trains && self.frames.is_some(), idle("--frames")),
            (!trains && self.save.is_some(), idle("--save")),
            (!device && self.device != Device::Cpu, format!("{name} runs on the CPU only")),
            (cfg!(not(feature = "cuda")) && self.device != Device::Cpu, "this program was built without CUDA".into()),
        ];
        given.into_iter().find_map(|(misused, why)| misused.then_some(why))
    }
}

/// Where a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Device {
    /// In this computer's memory.
    Cpu,
    /// On the first NVIDIA GPU.
    Cuda,
}

impl Device {
    /// The GPU, if one is wanted.
    #[cfg(feature = "cuda")]
    pub fn open(self) -> blo::Result<Option<blo::cuda::Device>> {
        (self == Device::Cuda).then(|| blo::cuda::Device::open(0)).transpose()
    }
}

/// How the rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns.
    Table,
    /// One object: experiment, settings, rows.
    Json,
}

/// The options of this process. Ends it, as clap does, where they make no sense or help was asked for.
pub fn parse() -> Options {
    let command = Options::command().after_help(format!("Experiments:\n{}", list()));
    match Options::from_arg_matches(&command.get_matches()) {
        Ok(options) => options,
        Err(error) => error.exit(),
    }
}

/// One line for each experiment.
pub fn list() -> String {
    let width = experiments::ALL.iter().map(|experiment| experiment.name.len()).max().unwrap_or(0);
    experiments::ALL
        .iter()
        .map(|experiment| format!("  {:width$}  {}\n", experiment.name, experiment.summary))
        .collect()
}
