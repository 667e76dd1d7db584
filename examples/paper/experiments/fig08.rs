//! Figure 8: four data sets in turn, each with a line of solutions, and one point common to all lines.
//!
//! A cold start projects w₀ on the line at hand and forgets it again: it never meets the common point. A warm start projects
//! from where it is, and converges to that point; in small steps it does so, too, only later.

use crate::experiment::{Context, Experiment, Output, Record};
use crate::plot::{Axis, Color, Entry, Figure, Layer, Panel, Scale, Shape, Stroke};
use blo::analysis::{Cycle, Projection};
use serde_json::json;
use std::error::Error;

/// The entry of the list.
pub const EXPERIMENT: Experiment = Experiment {
    name: "fig08",
    summary: "projections onto four solution sets in turn: cold, full warm and partial warm starts",
    trains: false,
    device: false,
    run,
};

/// One point of data each: y = 3 x + 2.
const DATA: [(f64, f64); 4] = [(0.5, 3.5), (1.0, 5.0), (2.0, 8.0), (3.0, 11.0)];
/// The common solution (w₁, w₂) of w₁ x + w₂ = y.
const COMMON: (f64, f64) = (3.0, 2.0);
/// The step size of the partial warm start, and its T.
const ALPHA: f64 = 0.05;
const INNER_STEPS: usize = 1;
/// A run ends after the cycle that comes this near to the common point.
const NEAR: f64 = 1e-12;
/// And in any case after so many cycles; a cold start after fewer, as it repeats itself.
const CYCLES: usize = 2000;
const COLD_CYCLES: usize = 5;
/// The plane that is drawn: (from, to) of w₁ and of w₂.
const PLANE: [(f64, f64); 2] = [(-0.3, 4.1), (-0.3, 4.3)];
const COLORS: [Color; 4] = [Color::BLUE, Color::GREEN, Color::ACCENT, Color::PURPLE];

/// A way to start, and how it goes.
struct Run {
    name: &'static str,
    title: &'static str,
    color: Color,
    /// Steps that are drawn with arrows.
    arrows: usize,
    /// w after each step, from w₀ on.
    path: Vec<(f64, f64)>,
}

impl Run {
    fn new(
        (name, title): (&'static str, &'static str),
        color: Color,
        arrows: usize,
        projection: Projection,
    ) -> Result<Run, Box<dyn Error>> {
        let rows: Vec<f64> = DATA.iter().flat_map(|&(x, _)| [x, 1.0]).collect();
        let mut cycle = Cycle::new(&rows, &DATA.map(|(_, y)| y), &[0.0, 0.0], projection)?;
        let cycles = if projection == Projection::Cold { COLD_CYCLES } else { CYCLES };
        let mut path = vec![point(cycle.w())];
        for _ in 0..cycles {
            path.extend(DATA.map(|_| point(cycle.step())));
            if path.last().is_some_and(|&w| distance(w) < NEAR) {
                break;
            }
        }
        Ok(Run { name, title, color, arrows, path })
    }

    fn rows(&self) -> impl Iterator<Item = Record> {
        self.path.iter().enumerate().map(|(step, &w)| {
            let values = [
                ("variant", self.name.into()),
                ("step", step.into()),
                ("w", json!([w.0, w.1])),
                ("distance", distance(w).into()),
            ];
            values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
        })
    }

    fn note(&self) -> String {
        let cycles = self.path.len() / DATA.len();
        match self.path.last() {
            Some(&w) if distance(w) < NEAR => format!("{}: within {NEAR:e} of w† after {cycles} cycles", self.title),
            Some(&w) => format!("{}: {:.3} from w† after {cycles} cycles", self.title, distance(w)),
            None => format!("{}: no steps", self.title),
        }
    }
}

fn point(w: &[f64]) -> (f64, f64) {
    match *w {
        [a, b] => (a, b),
        _ => (f64::NAN, f64::NAN),
    }
}

fn distance(w: (f64, f64)) -> f64 {
    (w.0 - COMMON.0).hypot(w.1 - COMMON.1)
}

fn run(context: &Context) -> Result<Output, Box<dyn Error>> {
    let partial = Projection::PartialWarm { alpha: ALPHA, steps: INNER_STEPS };
    let runs = [
        Run::new(("cold", "Cold start"), Color::INK, 4, Projection::Cold)?,
        Run::new(("full_warm", "Full warm start"), Color::BLUE, 12, Projection::FullWarm)?,
        Run::new(("partial_warm", "Partial warm start"), Color::ACCENT, 40, partial)?,
    ];
    let settings = [
        ("data", json!(DATA)),
        ("common", json!([COMMON.0, COMMON.1])),
        ("w0", json!([0, 0])),
        ("alpha", ALPHA.into()),
        ("T", INNER_STEPS.into()),
        ("seed", context.options.seed.into()),
    ];
    let planes =
        vec![plane(&runs[0], Vec::new(), 1.0), plane(&runs[1], Vec::new(), 1.0), plane(&runs[2], plane_legend(), 1.4)];
    Ok(Output {
        settings: settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        rows: runs.iter().flat_map(Run::rows).collect(),
        notes: runs.iter().map(Run::note).collect(),
        figure: Figure {
            title: "Figure 8: one solution set after the other, from w₀ = 0".into(),
            row_height: 600,
            rows: vec![planes, vec![distance_panel(&runs)]],
        },
    })
}

/// The part of {w : w₁ x + w₂ = y} in the plane that is drawn.
fn solutions((x, y): (f64, f64)) -> Vec<(f64, f64)> {
    let [(left, right), (low, high)] = PLANE;
    let (from, to) = (left.max((y - high) / x), right.min((y - low) / x));
    [from, to].map(|w| (w, y - x * w)).into()
}

fn plane(run: &Run, legend: Vec<Entry>, weight: f64) -> Panel {
    let mut layers: Vec<Layer> = DATA
        .iter()
        .zip(COLORS)
        .map(|(&data, color)| Layer::Line { points: solutions(data), stroke: set_stroke(color) })
        .collect();
    let stroke = Stroke::thin(Color::INK);
    if run.name == "cold" {
        // From w₀ each time.
        let start = run.path.iter().take(1);
        layers.extend(
            run.path
                .iter()
                .skip(1)
                .take(run.arrows)
                .map(|&w| Layer::Arrows { points: start.clone().copied().chain([w]).collect(), stroke }),
        );
    } else {
        layers.push(Layer::Line { points: run.path.iter().skip(run.arrows).copied().collect(), stroke });
        layers.push(Layer::Arrows { points: run.path.iter().take(run.arrows + 1).copied().collect(), stroke });
    }
    let origin = run.path.iter().take(1).copied().collect();
    layers.push(Layer::Marks { points: origin, shape: Shape::Disc, color: Color::INK });
    layers.push(Layer::Marks { points: vec![COMMON], shape: Shape::Star, color: Color::INK });
    Panel {
        title: run.title.into(),
        x: Axis::within("w₁", PLANE[0].0, PLANE[0].1),
        y: Axis::within("w₂", PLANE[1].0, PLANE[1].1),
        layers,
        legend,
        weight,
    }
}

fn set_stroke(color: Color) -> Stroke {
    Stroke::solid(color.toward(Color::WHITE, 0.25))
}

fn plane_legend() -> Vec<Entry> {
    let sets = DATA.iter().zip(COLORS).zip(["S(u₁)", "S(u₂)", "S(u₃)", "S(u₄)"]);
    let mut legend: Vec<Entry> = sets
        .map(|((_, color), label)| Entry { label: label.into(), stroke: Some(set_stroke(color)), mark: None })
        .collect();
    legend.push(Entry { label: "w₀".into(), stroke: None, mark: Some((Shape::Disc, Color::INK)) });
    legend.push(Entry { label: "w†".into(), stroke: None, mark: Some((Shape::Star, Color::INK)) });
    legend
}

/// The distance from the common point after each cycle.
fn distance_panel(runs: &[Run]) -> Panel {
    let after_cycles = |run: &Run| -> Vec<(f64, f64)> {
        run.path.iter().step_by(DATA.len()).enumerate().map(|(cycle, &w)| (cycle as f64, distance(w))).collect()
    };
    let last = runs.iter().map(|run| after_cycles(run).len()).max().unwrap_or(0) as f64;
    let (mut layers, mut legend) = (Vec::new(), Vec::new());
    for run in runs {
        let mut points = after_cycles(run);
        if run.name == "cold" {
            // Every cycle is as the first one.
            points.extend(points.last().map(|&(_, distance)| (last, distance)));
        }
        let stroke = if run.name == "cold" { Stroke::dashed(run.color) } else { Stroke::solid(run.color) };
        layers.push(Layer::Line { points, stroke });
        legend.push(Entry { label: run.name.replace('_', " "), stroke: Some(stroke), mark: None });
    }
    let heights: Vec<f64> = layers.iter().flat_map(Layer::heights).chain([1e-13, 10.0]).collect();
    Panel {
        title: "Distance from w† after each cycle".into(),
        x: Axis::fit("cycles", Scale::Linear, &[0.0, last]),
        y: decades_around("‖w − w†‖", &heights),
        layers,
        legend,
        weight: 1.0,
    }
}

/// The powers of ten around positive values.
fn decades_around(label: &str, values: &[f64]) -> Axis {
    let powers = || values.iter().map(|value| value.log10()).filter(|power| power.is_finite());
    let (low, high) = (powers().fold(0.0, f64::min), powers().fold(0.0, f64::max));
    Axis::decades(label, low.floor() as i32, high.ceil() as i32)
}
