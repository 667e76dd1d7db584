//! Rows as a table and as JSON.

use crate::experiment::{Experiment, Output, Record};
use serde_json::{Value, json};

/// The longest array that a table shows; longer ones are for the JSON.
const SHOWN_ELEMENTS: usize = 2;
/// Longer tables of steps show those with one digit that is not zero, and the last of each run.
const SHOWN_ROWS: usize = 200;

/// The one object that `--format json` prints.
pub fn json(experiment: &Experiment, output: &Output) -> Result<String, serde_json::Error> {
    let object = json!({ "experiment": experiment.name, "settings": output.settings, "rows": output.rows });
    Ok(serde_json::to_string_pretty(&object)? + "\n")
}

/// The title, the settings, the table, the notes, and where the picture is.
pub fn text(experiment: &Experiment, output: &Output, path: &str) -> String {
    let mut text = format!("{}: {}\n", experiment.name, experiment.summary);
    text += &settings_line(&output.settings);
    text += "\n";
    let shown = thinned(&output.rows);
    text += &table(&shown);
    text += "\n";
    if shown.len() < output.rows.len() {
        text += &format!("note: {} of {} steps are shown; --format json has all\n", shown.len(), output.rows.len());
    }
    for note in &output.notes {
        text += &format!("note: {note}\n");
    }
    text + &format!("figure: {path}\n")
}

fn settings_line(settings: &Record) -> String {
    let shown: Vec<String> = settings
        .iter()
        .filter(|(_, value)| is_shown(value))
        .map(|(name, value)| format!("{name} = {}", cell(value)))
        .collect();
    shown.join(", ") + "\n"
}

/// The rows to show of a table that may be too long for a person.
fn thinned(rows: &[Record]) -> Vec<Record> {
    let step = |row: &Record| row.get("step").and_then(Value::as_u64);
    let round = |step: u64| step == 0 || step.is_multiple_of(10_u64.pow(step.ilog10()));
    let shows = |i: usize| match (step(&rows[i]), rows.get(i + 1).and_then(step)) {
        (Some(step), Some(next)) => round(step) || next < step,
        _ => true,
    };
    (0..rows.len()).filter(|&i| rows.len() <= SHOWN_ROWS || shows(i)).map(|i| rows[i].clone()).collect()
}

/// Aligned columns: numbers to the right, text to the left.
fn table(rows: &[Record]) -> String {
    let names = columns(rows);
    let mut lines = vec![names.clone()];
    lines.extend(rows.iter().map(|row| names.iter().map(|name| row.get(name).map_or(String::new(), cell)).collect()));
    let widths: Vec<usize> = (0..names.len())
        .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0))
        .collect();
    let left: Vec<bool> =
        names.iter().map(|name| rows.iter().any(|row| row.get(name).is_some_and(Value::is_string))).collect();
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .zip(&left)
            .map(|((cell, &width), left)| if *left { format!("{cell:<width$}") } else { format!("{cell:>width$}") })
            .collect();
        text += cells.join("  ").trim_end();
        text += "\n";
    }
    text
}

/// The names that some row has. One that comes up late goes before the next known name of its row.
fn columns(rows: &[Record]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for row in rows {
        let shown: Vec<&String> = row.iter().filter(|(_, value)| is_shown(value)).map(|(name, _)| name).collect();
        for (i, &name) in shown.iter().enumerate() {
            if names.contains(name) {
                continue;
            }
            let place = shown[i..].iter().find_map(|next| names.iter().position(|known| known == *next));
            names.insert(place.unwrap_or(names.len()), name.clone());
        }
    }
    names
}

fn is_shown(value: &Value) -> bool {
    value.as_array().is_none_or(|elements| elements.len() <= SHOWN_ELEMENTS)
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(elements) => {
            let elements: Vec<String> = elements.iter().map(cell).collect();
            format!("({})", elements.join(", "))
        }
        Value::Number(number) if number.is_f64() => number.as_f64().map_or(String::new(), decimal),
        other => other.to_string(),
    }
}

/// Nine digits where a number was computed, none that say nothing where it was chosen.
fn decimal(value: f64) -> String {
    let size = value.abs();
    if value == value.trunc() && size < 1e5 {
        format!("{value}")
    } else if !(1e-4..1e5).contains(&size) {
        let (short, long) = (format!("{value:e}"), format!("{value:.2e}"));
        if short.len() < long.len() { short } else { long }
    } else {
        // What rounds up to a power of ten has the digits of that.
        let decimals = (8 - (size * (1.0 + 5e-9)).log10().floor() as i32).max(0) as usize;
        let short = format!("{value}");
        let long = format!("{value:.*}", decimals);
        if short.len() < long.len() { short } else { long }
    }
}
