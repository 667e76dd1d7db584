//! Figure 11c: two synthetic points, a line through them, and one original point. u can be drawn: a plane.
//!
//! All u with u₁ + u₂ = 2 solve the problem. From the origin the exact hypergradient goes to the nearest of them, (1, 1);
//! a truncated series leaves at another angle.

use crate::antidistillation::{self, Basis, Method, Run, Setting};
use crate::experiment::{Context, Experiment, Output};
use crate::plot::{Axis, Color, Entry, Figure, Layer, Panel, Shape, Stroke};
use std::error::Error;

/// The entry of the list.
pub const EXPERIMENT: Experiment = Experiment {
    name: "fig11c",
    summary: "antidistillation of one point into two, linear regressor: paths of u to the line of solutions",
    trains: false,
    device: false,
    run,
};

/// The distance between two points of a path.
const SPACING: f64 = 0.01;
/// The corners of the plane that is drawn.
const PLANE: (f64, f64) = (-0.2, 1.8);
/// Levels of the outer loss, from the lowest, as bounds of the shades.
const LEVELS: [f64; 6] = [0.01, 0.05, 0.1, 0.2, 0.35, 0.5];
/// The darkest shade.
const SHADE: Color = Color(120, 150, 185);
/// The methods of the picture, in the order of its legend.
const SHOWN: [(Method, Color); 4] = [
    (Method::Neumann(1), Color::BLUE),
    (Method::Neumann(100), Color::GREEN),
    (Method::Neumann(200), Color::ACCENT),
    (Method::Exact, Color::INK),
];

type Path = Vec<(f64, f64)>;

fn run(context: &Context) -> Result<Output, Box<dyn Error>> {
    let setting = Setting { basis: Basis::Line, points: vec![0.0, 2.0], original: (1.0, 1.0), alpha: 0.01 };
    let problem = setting.problem()?;
    let mut methods: Vec<Method> = [0, 1, 10, 100, 200, 1000].map(Method::Neumann).into_iter().collect();
    methods.extend([Method::Damped(1.0), Method::Damped(0.1), Method::Exact]);
    let (mut runs, mut paths) = (Vec::new(), Vec::new());
    for method in methods {
        let mut path = Path::new();
        runs.push(antidistillation::run(&setting, &problem, method, antidistillation::OUTER_STEPS, |at| {
            context.progress.tick(|| format!("{}, outer step {}", method.label(), at.step));
            extend(&mut path, at.u);
        })?);
        paths.push(path);
    }
    let figure = figure(&setting, &runs, &paths)?;
    let mut output = antidistillation::output(&setting, context, &runs, figure);
    for (row, run) in output.rows.iter_mut().zip(&runs) {
        // Before u, which stays the last one.
        let u = row.shift_remove("u");
        row.insert("hypergradient_at_origin".into(), run.first_hypergradient.clone().into());
        row.extend(u.map(|u| ("u".into(), u)));
    }
    Ok(output)
}

/// Adds u to a path, once it is far enough from the last point.
fn extend(path: &mut Path, u: &[f64]) {
    let &[x, y] = u else { return };
    if path.last().is_none_or(|last| (x - last.0).hypot(y - last.1) >= SPACING) {
        path.push((x, y));
    }
}

fn figure(setting: &Setting, runs: &[Run], paths: &[Path]) -> Result<Figure, Box<dyn Error>> {
    let shown: Vec<(&Run, &Path, Color)> = SHOWN
        .iter()
        .filter_map(|&(method, color)| {
            let (run, path) = runs.iter().zip(paths).find(|(run, _)| run.method == method)?;
            Some((run, path, color))
        })
        .collect();
    Ok(Figure {
        title: "Figure 11c: one original point, two learned ones, and a linear regressor".into(),
        row_height: 720,
        rows: vec![vec![plane_panel(&shown), data_panel(setting, &shown)?]],
    })
}

/// The paths of u over the outer loss.
fn plane_panel(shown: &[(&Run, &Path, Color)]) -> Panel {
    let (low, high) = PLANE;
    let mut layers = shades();
    let line = vec![(2.0 - high, high), (high, 2.0 - high)];
    let solutions = Stroke::solid(Color::PURPLE);
    layers.push(Layer::Line { points: line, stroke: solutions });
    let mut legend = Vec::new();
    for &(run, path, color) in shown {
        let mut points = path.clone();
        points.extend(last_point(run));
        let stroke = Stroke::solid(color);
        layers.push(Layer::Line { points, stroke });
        layers.push(Layer::Marks { points: last_point(run).into_iter().collect(), shape: Shape::Disc, color });
        legend.push(Entry { label: run.method.label(), stroke: Some(stroke), mark: Some((Shape::Disc, color)) });
    }
    layers.push(Layer::Marks { points: vec![(0.0, 0.0)], shape: Shape::Disc, color: Color::INK });
    legend.push(Entry { label: "u₁ + u₂ = 2".into(), stroke: Some(solutions), mark: None });
    let mut above = 0.0;
    for (i, level) in LEVELS.iter().enumerate() {
        let mark = Some((Shape::Square, shade(i)));
        legend.push(Entry { label: format!("F < {level}"), stroke: None, mark });
        above = *level;
    }
    let mark = Some((Shape::Square, shade(LEVELS.len())));
    legend.push(Entry { label: format!("F ≥ {above}"), stroke: None, mark });
    Panel {
        title: "Paths of u from the origin over the outer loss F".into(),
        x: Axis::within("u₁", low, high),
        y: Axis::within("u₂", low, high),
        layers,
        legend,
        weight: 1.0,
    }
}

fn last_point(run: &Run) -> Option<(f64, f64)> {
    match run.u.as_slice() {
        &[x, y] => Some((x, y)),
        _ => None,
    }
}

/// The shade of the outer loss between two levels.
fn shade(level: usize) -> Color {
    Color::WHITE.toward(SHADE, level as f64 / LEVELS.len() as f64)
}

/// F = ½ ((u₁ + u₂)/2 − 1)² is constant along u₁ + u₂, so that its levels are bands: the largest first, the rest over it.
fn shades() -> Vec<Layer> {
    let (low, high) = PLANE;
    let mut layers = vec![Layer::Region {
        corners: vec![(low, low), (high, low), (high, high), (low, high)],
        color: shade(LEVELS.len()),
    }];
    for (i, level) in LEVELS.iter().enumerate().rev() {
        let half = 2.0 * (2.0 * level).sqrt();
        layers.push(Layer::Region { corners: band(2.0 - half, 2.0 + half), color: shade(i) });
    }
    layers
}

/// The part of the plane with u₁ + u₂ from `from` to `to`.
fn band(from: f64, to: f64) -> Path {
    let (low, high) = PLANE;
    let square = vec![(low, low), (high, low), (high, high), (low, high)];
    let above = clip(&square, |(x, y)| x + y - from);
    clip(&above, |(x, y)| to - x - y)
}

/// The part of a convex polygon where a linear function is not negative.
fn clip(corners: &[(f64, f64)], value: impl Fn((f64, f64)) -> f64) -> Path {
    let mut kept = Path::new();
    for (i, &a) in corners.iter().enumerate() {
        let b = corners[(i + 1) % corners.len()];
        let (at_a, at_b) = (value(a), value(b));
        if at_a >= 0.0 {
            kept.push(a);
        }
        if at_a * at_b < 0.0 {
            let share = at_a / (at_a - at_b);
            kept.push((a.0 + share * (b.0 - a.0), a.1 + share * (b.1 - a.1)));
        }
    }
    kept
}

/// The learned points and the lines through them.
fn data_panel(setting: &Setting, shown: &[(&Run, &Path, Color)]) -> Result<Panel, Box<dyn Error>> {
    let (low, high) = (-0.3, 2.3);
    let (mut lines, mut marks, mut legend) = (Vec::new(), Vec::new(), Vec::new());
    for &(run, _, color) in shown {
        let stroke = Stroke::solid(color);
        lines.push(Layer::Line { points: antidistillation::curve(setting, run, low, high)?, stroke });
        let points = setting.points.iter().copied().zip(run.u.iter().copied()).collect();
        marks.push(Layer::Marks { points, shape: Shape::Disc, color });
        legend.push(Entry { label: run.method.label(), stroke: Some(stroke), mark: Some((Shape::Disc, color)) });
    }
    marks.push(Layer::Marks { points: vec![setting.original], shape: Shape::Star, color: Color::PURPLE });
    legend.push(Entry { label: "original".into(), stroke: None, mark: Some((Shape::Star, Color::PURPLE)) });
    lines.append(&mut marks);
    Ok(Panel {
        title: "Learned points and fits".into(),
        x: Axis::within("x", low, high),
        y: Axis::within("u, w₁ + w₂ x", 0.3, 1.7),
        layers: lines,
        legend,
        weight: 1.0,
    })
}
