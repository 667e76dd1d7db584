//! Figure 6: what becomes of an eigenvalue of H in its inverse: 1/λ, damped, and by a Neumann series.
//!
//! With ε = 1/(alpha K) the last two are nearly the same, within a factor of 1.31: both leave alone what is steep and
//! keep what is flat from growing beyond 1/ε.

use crate::experiment::{Context, Experiment, Output, Record};
use crate::plot::{Axis, Color, Entry, Figure, Layer, Panel, Stroke};
use blo::analysis::response;
use blo::solve::Spectral;
use blo::{Estimator, Inverse};
use std::error::Error;

/// The entry of the list.
pub const EXPERIMENT: Experiment = Experiment {
    name: "fig06",
    summary: "spectra of approximate inverse Hessians: exact, damped, and a Neumann series",
    trains: false,
    device: false,
    run,
};

const ALPHA: f64 = 0.1;
/// K.
const TERMS: usize = 100;
/// 1/(alpha K).
const EPSILON: f64 = 0.1;
/// λ goes from 10 to this power to 10 to that.
const POWERS: (i32, i32) = (-5, 1);
/// Rows between two powers of ten.
const PER_DECADE: i32 = 20;

fn run(context: &Context) -> Result<Output, Box<dyn Error>> {
    let by = Spectral::Dense;
    let curves: [(&str, String, Stroke, Estimator); 3] = [
        ("exact", "1/λ".into(), Stroke::dashed(Color::INK), Inverse::MinNorm { cutoff: Some(0.0), by }.into()),
        (
            "damped",
            format!("1/(λ + {EPSILON})"),
            Stroke::solid(Color::BLUE),
            Inverse::Damped { epsilon: EPSILON, by }.into(),
        ),
        ("neumann", "Neumann".into(), Stroke::solid(Color::ACCENT), Inverse::neumann(TERMS, ALPHA).into()),
    ];
    let (low, high) = POWERS;
    let lambdas: Vec<f64> = (low * PER_DECADE..=high * PER_DECADE)
        .map(|i| {
            10.0_f64.powi(i.div_euclid(PER_DECADE))
                * 10.0_f64.powf(f64::from(i.rem_euclid(PER_DECADE)) / f64::from(PER_DECADE))
        })
        .collect();
    let mut rows: Vec<Record> =
        lambdas.iter().map(|&lambda| [("lambda".into(), lambda.into())].into_iter().collect()).collect();
    let (mut layers, mut legend) = (vec![Layer::Rule { y: 1.0 / EPSILON, label: "1/ε".into() }], Vec::new());
    for (name, label, stroke, estimator) in curves {
        let mut points = Vec::new();
        for (row, &lambda) in rows.iter_mut().zip(&lambdas) {
            let value = response::<f64>(&estimator, 1.0, lambda).ok_or("an estimator without a filter")?;
            row.insert(name.into(), value.into());
            points.push((lambda, value));
        }
        layers.push(Layer::Line { points, stroke });
        legend.push(Entry { label, stroke: Some(stroke), mark: None });
    }
    let panel = Panel {
        title: format!("r(λ) for K = {TERMS}, alpha = {ALPHA}, ε = 1/(alpha K) = {EPSILON}"),
        x: Axis::decades("eigenvalue λ of H", low, high),
        y: Axis::decades("r(λ)", -1, 5),
        layers,
        legend,
        weight: 1.6,
    };
    let ratio = ratio_panel(&rows);
    let settings = [
        ("alpha".into(), ALPHA.into()),
        ("K".into(), TERMS.into()),
        ("epsilon".into(), EPSILON.into()),
        ("seed".into(), context.options.seed.into()),
    ];
    Ok(Output {
        settings: settings.into_iter().collect(),
        rows,
        notes: Vec::new(),
        figure: Figure {
            title: "Figure 6: eigenvalues of approximate inverse Hessians".into(),
            row_height: 760,
            rows: vec![vec![panel, ratio]],
        },
    })
}

/// The series over the damped inverse.
fn ratio_panel(rows: &[Record]) -> Panel {
    let (low, high) = POWERS;
    let number = |row: &Record, name: &str| row.get(name).and_then(|value| value.as_f64());
    let points = rows
        .iter()
        .filter_map(|row| Some((number(row, "lambda")?, number(row, "neumann")? / number(row, "damped")?)))
        .collect();
    Panel {
        title: "Neumann over damped".into(),
        x: Axis::decades("λ", low, high),
        y: Axis::within("", 0.95, 1.35),
        layers: vec![Layer::Line { points, stroke: Stroke::solid(Color::PURPLE) }],
        legend: Vec::new(),
        weight: 1.0,
    }
}
