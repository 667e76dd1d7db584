//! The picture of Figures 11, 14, 15, 16 and 17: learned points with their fits, and the norms of u and w.

use super::{Basis, Method, Run, Setting};
use crate::plot::{Axis, Color, Entry, Figure, Layer, Panel, Scale, Shape, Stroke, ramp};
use std::error::Error;

/// How far the curves go beyond the points.
const MARGIN: f64 = 0.25;
/// The points of a curve.
const SAMPLES: usize = 600;
/// The height of a row of panels.
const ROW_HEIGHT: u32 = 560;
/// The mark of unrolled runs, around that of the series which they equal.
const UNROLLED: (Shape, Color) = (Shape::Ring, Color::ACCENT);

/// Which runs a row of panels shows, beside the exact one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sweep {
    /// Neumann series, and unrolling.
    Neumann,
    /// Damping.
    Damped,
    /// Truncated conjugate gradients.
    Cg,
    /// Unrolling alone.
    Unrolled,
}

impl Sweep {
    fn has(self, method: Method) -> bool {
        match method {
            Method::Neumann(_) => self == Sweep::Neumann,
            Method::Damped(_) => self == Sweep::Damped,
            Method::Cg(_) => self == Sweep::Cg,
            Method::Unrolled(_) => self == Sweep::Unrolled,
            Method::Exact => false,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Sweep::Neumann => "Neumann series to K",
            Sweep::Damped => "damping ε",
            Sweep::Cg => "k iterations of conjugate gradients",
            Sweep::Unrolled => "alternating, T unrolled steps",
        }
    }

    fn axis(self, runs: &[&Run]) -> Axis {
        let values: Vec<f64> = runs.iter().filter_map(|run| run.method.parameter()).collect();
        match self {
            Sweep::Neumann => Axis::fit("K", Scale::Count, &values),
            Sweep::Damped => Axis::fit("ε, falling", Scale::FallingLog, &values),
            Sweep::Cg => Axis::fit("k", Scale::Linear, &values),
            Sweep::Unrolled => Axis::fit("T − 1", Scale::Count, &values),
        }
    }
}

/// One row of panels for each sweep.
pub fn figure(title: &str, setting: &Setting, runs: &[Run], sweeps: &[Sweep]) -> Result<Figure, Box<dyn Error>> {
    let rows = sweeps.iter().map(|&sweep| row(setting, runs, sweep)).collect::<Result<_, _>>()?;
    Ok(Figure { title: title.into(), row_height: ROW_HEIGHT, rows })
}

/// Colours from dark to light for runs whose parameter rises, and black for the exact one.
fn colors(runs: &[&Run]) -> Vec<Color> {
    let last = runs.iter().filter(|run| run.method != Method::Exact).count().saturating_sub(1).max(1) as f64;
    let color = |(i, run): (usize, &&Run)| match run.method {
        Method::Exact => Color::INK,
        _ => ramp(i as f64 / last),
    };
    runs.iter().enumerate().map(color).collect()
}

/// The fit of a run from `low` to `high`.
pub fn curve(setting: &Setting, run: &Run, low: f64, high: f64) -> Result<Vec<(f64, f64)>, Box<dyn Error>> {
    let x: Vec<f64> = (0..=SAMPLES).map(|i| low + (high - low) * i as f64 / SAMPLES as f64).collect();
    let y = setting.basis.predict(&x, &run.w)?;
    Ok(x.into_iter().zip(y).collect())
}

fn row(setting: &Setting, runs: &[Run], sweep: Sweep) -> Result<Vec<Panel>, Box<dyn Error>> {
    let shown: Vec<&Run> = runs.iter().filter(|run| sweep.has(run.method) || run.method == Method::Exact).collect();
    let unrolled: Vec<&Run> =
        runs.iter().filter(|run| sweep == Sweep::Neumann && matches!(run.method, Method::Unrolled(_))).collect();
    let norms = |name, norm: fn(&Run) -> f64| norm_panel(name, sweep, &shown, &unrolled, norm);
    Ok(vec![
        fit_panel(setting, &shown, !unrolled.is_empty(), sweep)?,
        norms("‖u‖", Run::norm_u),
        norms("‖w‖", Run::norm_w),
    ])
}

/// Learned points and fits.
fn fit_panel(setting: &Setting, runs: &[&Run], unrolled: bool, sweep: Sweep) -> Result<Panel, Box<dyn Error>> {
    let (low, high) = extent(&setting.points);
    let (low, high) = (low - MARGIN, high + MARGIN);
    let colors = colors(runs);
    let (mut layers, mut legend) = (Vec::new(), Vec::new());
    for (run, &color) in runs.iter().zip(&colors) {
        let stroke = if run.method == Method::Exact { Stroke::dashed(color) } else { Stroke::solid(color) };
        layers.push(Layer::Line { points: curve(setting, run, low, high)?, stroke });
        legend.push(Entry { label: run.method.label(), stroke: Some(stroke), mark: Some((Shape::Disc, color)) });
    }
    for (run, &color) in runs.iter().zip(&colors) {
        let points = setting.points.iter().copied().zip(run.u.iter().copied()).collect();
        layers.push(Layer::Marks { points, shape: Shape::Disc, color });
    }
    layers.push(Layer::Marks { points: vec![setting.original], shape: Shape::Star, color: Color::ACCENT });
    legend.push(Entry { label: "original".into(), stroke: None, mark: Some((Shape::Star, Color::ACCENT)) });
    if unrolled {
        legend.push(Entry { label: "unrolled".into(), stroke: None, mark: Some(UNROLLED) });
    }
    let heights: Vec<f64> = layers.iter().flat_map(Layer::heights).collect();
    Ok(Panel {
        title: format!("Learned points and fits: {}", sweep.title()),
        x: Axis::within("x", low, high),
        y: Axis::fit(
            if setting.basis == Basis::Network { "u, net(x; w)" } else { "u, φ(x)·w" },
            Scale::Linear,
            &heights,
        ),
        layers,
        legend,
        weight: 1.9,
    })
}

/// A norm against the sweep's parameter, with the exact one as a dashed line.
fn norm_panel(name: &str, sweep: Sweep, runs: &[&Run], unrolled: &[&Run], norm: fn(&Run) -> f64) -> Panel {
    let colors = colors(runs);
    let place = |run: &&Run| run.method.parameter().map(|parameter| (parameter, norm(run)));
    let heights: Vec<f64> = runs.iter().map(|run| norm(run)).collect();
    let mut layers = Vec::new();
    if let Some(exact) = runs.iter().find(|run| run.method == Method::Exact) {
        layers.push(Layer::Rule { y: norm(exact), label: "exact".into() });
    }
    let points = runs.iter().filter_map(place).collect();
    layers.push(Layer::Line { points, stroke: Stroke::thin(Color::GREY) });
    for (run, &color) in runs.iter().zip(&colors) {
        layers.push(Layer::Marks { points: place(run).into_iter().collect(), shape: Shape::Disc, color });
    }
    if !unrolled.is_empty() {
        let (shape, color) = UNROLLED;
        layers.push(Layer::Marks { points: unrolled.iter().filter_map(place).collect(), shape, color });
    }
    Panel {
        title: name.into(),
        x: sweep.axis(runs),
        y: Axis::fit("", Scale::Log, &heights),
        layers,
        legend: Vec::new(),
        weight: 1.0,
    }
}

fn extent(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| (low.min(value), high.max(value)))
}
