//! The figures of Vicol et al., "On Implicit Bias in Overparameterized Bilevel Optimization" (ICML 2022), computed anew.
//!
//! ```text
//! cargo run --release --example paper -- list
//! cargo run --release --example paper -- fig11
//! cargo run --release --example paper -- fig11 --format json
//! cargo run --release --example paper -- fig07 --seed 1 --frames frames --save run
//! ```
//!
//! Each experiment prints a table and writes a picture. A new one is a file in `experiments/` and its line in the list
//! of `experiments/mod.rs`.

mod antidistillation;
mod cli;
mod experiment;
mod experiments;
mod networks;
mod plot;
mod progress;
#[path = "../../src/random.rs"]
mod random;
mod record;
mod training;

use cli::{Format, Options};
use experiment::{Context, Experiment, Output};
use progress::Progress;
use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// The exit code of a failed run.
const FAILED: u8 = 1;
/// The exit code of a command line that cannot be understood; the one that clap uses, too.
const MISUSED: u8 = 2;

fn main() -> ExitCode {
    let options = cli::parse();
    let experiment = match experiments::find(&options.name) {
        Some(experiment) => experiment,
        None if options.name == "list" => return exit_code(print(&cli::list())),
        None => {
            eprintln!("error: there is no experiment `{}`; there are:\n\n{}", options.name, cli::list());
            return ExitCode::from(MISUSED);
        }
    };
    if let Some(why) = options.misused(experiment) {
        eprintln!("error: {why}");
        return ExitCode::from(MISUSED);
    }
    exit_code(run(experiment, options))
}

/// Runs an experiment, writes its picture, and prints what it found.
fn run(experiment: &Experiment, options: Options) -> Result<(), Box<dyn Error>> {
    // Where the picture cannot go, nobody wants to have waited for it.
    let path = picture_path(experiment, &options)?;
    let context = Context { options, progress: Progress::new(experiment.name) };
    let mut output = (experiment.run)(&context)?;
    context.progress.clear();
    if context.options.device == cli::Device::Cuda {
        output.settings.insert("device".into(), "cuda".into());
    }
    output.figure.save(&path).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    report(experiment, &context.options, &output, &path.display().to_string())
}

/// The place of the picture, in a directory that exists.
fn picture_path(experiment: &Experiment, options: &Options) -> Result<PathBuf, Box<dyn Error>> {
    let folder = &options.out;
    std::fs::create_dir_all(folder)
        .map_err(|error| format!("cannot make the directory {}: {error}", folder.display()))?;
    Ok(folder.join(format!("{}.svg", experiment.name)))
}

fn report(experiment: &Experiment, options: &Options, output: &Output, path: &str) -> Result<(), Box<dyn Error>> {
    match options.format {
        Format::Json => {
            for note in &output.notes {
                eprintln!("note: {note}");
            }
            eprintln!("figure: {path}");
            print(&record::json(experiment, output)?)
        }
        Format::Table => print(&record::text(experiment, output, path)),
    }
}

/// Prints to standard output. A reader who left before the end is no error.
fn print(text: &str) -> Result<(), Box<dyn Error>> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn exit_code(result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(FAILED)
        }
    }
}
