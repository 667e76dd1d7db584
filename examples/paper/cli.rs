//! The command line that all experiments share.

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

    /// The seed of what is drawn at random. Recorded in the settings in any case; fig11 to fig17 draw nothing
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// A table, or one JSON object and nothing else on standard output
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
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
