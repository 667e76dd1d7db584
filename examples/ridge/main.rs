//! Learns the L2 penalty of each feature of a ridge regression from a table.
//!
//! ```text
//! cargo run --release --example ridge -- examples/diabetes.csv
//! ```
//!
//! The last column of the table is the target; a header line is optional. Half of the rows train the regression (the
//! inner problem), a quarter is for validation (the outer problem, over the logarithms of the penalties), and the rest
//! is left for the test error, which nothing is tuned on: it comes as it comes, and where the validation rows are few,
//! many penalties can fit them at its expense. With an inner problem that is strongly convex, as here, a full warm
//! start and a cold start find the same penalties.
//!
//! Each outer step decomposes the Hessian, features × features: for tables of up to a few hundred columns.

mod learn;
mod parts;
mod report;
mod table;

use blo::bilevel::Start;
use blo::problem::L2;
use clap::{Parser, ValueEnum};
use parts::Parts;
use report::Report;
use std::error::Error;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use table::Table;

/// Learns the L2 penalty of each feature of a ridge regression.
#[derive(Parser)]
struct Arguments {
    /// Comma-separated numbers, the last column being the target; a header line is optional
    file: PathBuf,
    /// Of the shuffle that splits the rows into training, validation and test
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How to print the results
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell it to if this fails.
            let _ = writeln!(io::stderr(), "{}: {error}", arguments.file.display());
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let table = table::read(&arguments.file)?;
    let parts = parts::split(&table, arguments.seed)?;
    let report = compare(arguments, &table, &parts)?;
    let text = match arguments.format {
        Format::Text => report.to_string(),
        Format::Json => format!("{:#}\n", report.json()),
    };
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever reads has read enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

/// No tuning, one tuned penalty, and one for each feature; the learned ones start at the best of the grid.
fn compare<'a>(arguments: &Arguments, table: &'a Table, parts: &'a Parts) -> blo::Result<Report<'a>> {
    let without_penalty = learn::without_penalty(parts)?;
    let grid = learn::best_of_grid(parts)?;
    let scalar = learn::learn(&learn::problem(L2::Scalar, parts)?, parts, Start::Warm, &grid.log_penalties)?;
    let problem = learn::problem(L2::PerFeature, parts)?;
    let start = grid.log_penalties.repeat(parts.train.features);
    let cold = learn::learn(&problem, parts, Start::Cold, &start)?;
    let warm = learn::learn(&problem, parts, Start::Warm, &start)?;
    let descent = learn::descend(&problem, parts, &start, &cold)?;
    let file = arguments.file.display().to_string();
    Ok(Report { file, seed: arguments.seed, table, parts, without_penalty, grid, scalar, cold, warm, descent })
}
