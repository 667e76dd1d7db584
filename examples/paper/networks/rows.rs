//! What a row says of a classifier.

use crate::experiment::Record;
use crate::training::Log;
use serde_json::Value;

/// The share of rows whose largest output is that of the label.
pub fn accuracy<T: blo::Scalar>(outputs: &[T], labels: &[usize]) -> f64 {
    let classes = outputs.len() / labels.len();
    let right = outputs.chunks_exact(classes).zip(labels).filter(|(row, label)| argmax(row) == **label);
    right.count() as f64 / labels.len() as f64
}

/// The place of the first largest element.
pub fn argmax<T: PartialOrd + Copy>(row: &[T]) -> usize {
    row.iter().enumerate().fold(0, |best, (i, value)| if *value > row[best] { i } else { best })
}

/// What a log calls [F, accuracy, f] at a step of the run, and after training anew on its points.
pub const ROW: &str = "row";

/// The rows of a variant.
pub fn rows<'a>(variant: &'a str, log: &'a Log) -> impl Iterator<Item = Record> + 'a {
    log.of(ROW).map(move |(step, values)| record(variant, step, values))
}

/// The row of [F, accuracy, f].
pub fn record(variant: &str, step: usize, values: &[f64]) -> Record {
    let names = ["outer_loss", "accuracy", "inner_loss"];
    let begin = [("variant", Value::from(variant)), ("step", step.into())];
    let numbers = names.into_iter().zip(values).map(|(name, &value)| (name, value.into()));
    begin.into_iter().chain(numbers).map(|(name, value)| (name.to_owned(), value)).collect()
}
