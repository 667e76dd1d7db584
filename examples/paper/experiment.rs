//! What an experiment is: a name, a line about it, and a function from the options to rows and a picture.

use crate::cli::Options;
use crate::plot::Figure;
use crate::progress::Progress;
use serde_json::{Map, Value};
use std::error::Error;

/// Names and values, in the order in which they are printed.
pub type Record = Map<String, Value>;

/// An entry of the list in `experiments/mod.rs`.
pub struct Experiment {
    /// What it is called on the command line.
    pub name: &'static str,
    /// One line about it.
    pub summary: &'static str,
    /// Whether it trains networks, for a time that is worth options: steps, frames, a file to go on from.
    pub trains: bool,
    /// Whether its problem can be put on a GPU; such a run may also be cut short, by --steps.
    pub device: bool,
    /// Computes it.
    pub run: fn(&Context) -> Result<Output, Box<dyn Error>>,
}

/// What an experiment is given.
pub struct Context {
    /// The command line.
    pub options: Options,
    /// Where to say how far the work is.
    pub progress: Progress,
}

/// What an experiment found.
pub struct Output {
    /// Every number that the rows depend on.
    pub settings: Record,
    /// One for each method or point.
    pub rows: Vec<Record>,
    /// What a reader of the rows must know: runs that did not converge, solves that are not to be trusted.
    pub notes: Vec<String>,
    /// The picture.
    pub figure: Figure,
}
