//! Figure 1: what is underspecified, in a problem that can be drawn.
//!
//! One example with the features (cos u, sin u) and the target r(u) = 1 + 2 cos u: f = ½ (cos u w₁ + sin u w₂ − r(u))², so
//! that S(u) is a line, and its point of minimum norm, r(u) (cos u, sin u), goes along a curve with u, a limaçon. F = ½ w₁².
//!
//! - The inner problem is underspecified: every point of the line S(u) solves it, with another F.
//! - The outer one is so in two ways, even once one point of each S(u) is chosen. Two u may lead to the same w, where the
//!   curve meets itself; and two w may have the same F, where the curve meets the line w₁ = 0 more than once.

use crate::experiment::{Context, Experiment, Output, Record};
use crate::plot::{Axis, Color, Entry, Figure, Layer, Panel, Shape, Stroke};
use blo::analysis::{Extremum, optimistic, pessimistic};
use blo::problem::{InnerTerms, OuterTerms, Problem, Quadratic};
use serde_json::{Value, json};
use std::error::Error;

/// The entry of the list.
pub const EXPERIMENT: Experiment = Experiment {
    name: "fig01",
    summary: "inner and outer underspecification where S(u) is a line: minimum-norm, optimistic and pessimistic solutions",
    trains: false,
    device: false,
    run,
};

/// Half of the rows, less the one at u = 0: one for each 5 degrees.
const HALF: i32 = 36;
/// The u whose set is shown with two of its points: one solution from w₀ = 0, another from elsewhere.
const SHOWN: i32 = 9;
const ELSEWHERE: [f64; 2] = [2.2, 0.2];
/// Rows between two sets that are drawn.
const SPACING: i32 = 4;
/// The plane that is drawn: (from, to) of w₁ and of w₂.
const PLANE: [(f64, f64); 2] = [(-0.7, 3.3), (-2.2, 2.2)];
/// F that counts as its minimum, 0.
const SMALL: f64 = 1e-24;

type Point = (f64, f64);

/// What there is at one u.
struct Place {
    u: f64,
    min_norm: Point,
    outer_loss: f64,
    optimistic: Value,
    pessimistic: Value,
    kind: Option<Kind>,
}

/// Why a minimiser of the outer problem is not the only one.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    TwoU,
    TwoW,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::TwoU => "two u, one w",
            Kind::TwoW => "one F, two w",
        }
    }

    fn mark(self) -> (Shape, Color) {
        match self {
            Kind::TwoU => (Shape::Square, Color::ACCENT),
            Kind::TwoW => (Shape::Star, Color::GREEN),
        }
    }
}

/// u of a row.
fn angle(i: i32) -> f64 {
    std::f64::consts::PI * f64::from(i) / f64::from(HALF)
}

fn target(u: f64) -> f64 {
    1.0 + 2.0 * u.cos()
}

/// The problem at one u, as the general quadratic: A = x xᵀ, d = −r x.
fn problem(u: f64) -> blo::Result<Quadratic<f64>> {
    let (x, r) = ([u.cos(), u.sin()], target(u));
    let inner = InnerTerms {
        a: vec![x[0] * x[0], x[0] * x[1], x[0] * x[1], x[1] * x[1]],
        b: vec![0.0; 2],
        c: vec![0.0],
        d: vec![-r * x[0], -r * x[1]],
        e: vec![0.0],
        constant: 0.5 * r * r,
    };
    Quadratic::new(2, 1, inner, OuterTerms { p: vec![1.0, 0.0, 0.0, 0.0], f: vec![0.0; 2], h: 0.0 })
}

/// The solution at u that is nearest to w₀.
fn solution(u: f64, start: [f64; 2]) -> Result<Point, Box<dyn Error>> {
    let problem = problem(u)?;
    let mut w = start.to_vec();
    problem.fixpoint(&mut problem.workspace(), &vec![u], &mut w)?;
    match w[..] {
        [a, b] => Ok((a, b)),
        _ => Err("a point of the plane has two coordinates".into()),
    }
}

fn loss(extremum: &Extremum<f64>) -> Value {
    match extremum {
        Extremum::Attained { outer_loss, .. } => (*outer_loss).into(),
        Extremum::Unbounded { .. } => "unbounded".into(),
    }
}

fn place(i: i32) -> Result<Place, Box<dyn Error>> {
    let (u, origin) = (angle(i), [0.0; 2]);
    let problem = problem(u)?;
    let min_norm = solution(u, origin)?;
    let outer_loss = 0.5 * min_norm.0 * min_norm.0;
    // On w₁ = 0 the curve is either at the point where it meets itself, or elsewhere.
    let at_crossing = min_norm.0.hypot(min_norm.1) < SMALL.sqrt();
    let kind = (outer_loss < SMALL).then_some(if at_crossing { Kind::TwoU } else { Kind::TwoW });
    Ok(Place {
        u,
        min_norm,
        outer_loss,
        optimistic: loss(&optimistic(&problem, &[u], &origin)?),
        pessimistic: loss(&pessimistic(&problem, &[u], &origin)?),
        kind,
    })
}

fn record(place: &Place) -> Record {
    let values = [
        ("u", place.u.into()),
        ("w", json!([place.min_norm.0, place.min_norm.1])),
        ("outer_loss", place.outer_loss.into()),
        ("optimistic_loss", place.optimistic.clone()),
        ("pessimistic_loss", place.pessimistic.clone()),
        ("underspecified", place.kind.map_or(Value::Null, |kind| kind.name().into())),
    ];
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn run(context: &Context) -> Result<Output, Box<dyn Error>> {
    let places = (-HALF..=HALF).map(place).collect::<Result<Vec<_>, _>>()?;
    let settings = [
        ("features", json!("(cos u, sin u)")),
        ("target", json!("1 + 2 cos u")),
        ("outer", json!("½ w₁²")),
        ("w0", json!([0, 0])),
        ("seed", context.options.seed.into()),
    ];
    let notes = [
        "w is the point of minimum norm of S(u), and outer_loss is F there",
        "optimistic_loss and pessimistic_loss are the least and the largest F on all of S(u)",
        "two u, one w: u = ±2π/3 have the same w, as their S(u) cross at it",
        "one F, two w: u = ±π/2 have other w, with the same F",
    ];
    Ok(Output {
        settings: settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        rows: places.iter().map(record).collect(),
        notes: notes.map(String::from).into(),
        figure: Figure {
            title: "Figure 1: underspecified inner and outer problems".into(),
            row_height: 800,
            rows: vec![vec![plane_panel(&places)?, loss_panel(&places)]],
        },
    })
}

/// The part of S(u) in the plane that is drawn, if there is one.
fn solutions(u: f64) -> Option<Vec<Point>> {
    let (x, r) = ((u.cos(), u.sin()), target(u));
    let inside = |&(a, b): &Point| {
        let [(left, right), (low, high)] = PLANE;
        let room = 1e-9;
        (left - room..=right + room).contains(&a) && (low - room..=high + room).contains(&b)
    };
    let [(left, right), (low, high)] = PLANE;
    let on_sides = [left, right].map(|a| (a, (r - x.0 * a) / x.1));
    let on_ends = [low, high].map(|b| ((r - x.1 * b) / x.0, b));
    let mut ends = on_sides.into_iter().chain(on_ends).filter(inside);
    let first = ends.next()?;
    let last = ends.max_by(|a, b| far(first, *a).total_cmp(&far(first, *b)))?;
    Some(vec![first, last])
}

fn far(a: Point, b: Point) -> f64 {
    (a.0 - b.0).hypot(a.1 - b.1)
}

fn marks(places: &[Place], kind: Kind, at: impl Fn(&Place) -> Point) -> Layer {
    let (shape, color) = kind.mark();
    let points = places.iter().filter(|place| place.kind == Some(kind)).map(at).collect();
    Layer::Marks { points, shape, color }
}

/// The sets, the curve of their points of minimum norm, and the minimisers of F.
fn plane_panel(places: &[Place]) -> Result<Panel, Box<dyn Error>> {
    let (faint, set) = (Stroke { width: 2, ..Stroke::solid(Color(205, 214, 224)) }, Stroke::solid(Color::BLUE));
    let (curve, outer) = (Stroke { width: 4, ..Stroke::solid(Color::INK) }, Stroke::dashed(Color::PURPLE));
    let mut layers = Vec::new();
    for i in (-HALF..HALF).step_by(SPACING as usize) {
        layers.extend(solutions(angle(i)).map(|points| Layer::Line { points, stroke: faint }));
    }
    for place in places.iter().filter(|place| place.kind == Some(Kind::TwoU)) {
        let stroke = Stroke { width: 2, ..Stroke::solid(Color::ACCENT) };
        layers.extend(solutions(place.u).map(|points| Layer::Line { points, stroke }));
    }
    layers.extend(solutions(angle(SHOWN)).map(|points| Layer::Line { points, stroke: set }));
    layers.push(Layer::Line { points: vec![(0.0, PLANE[1].0), (0.0, PLANE[1].1)], stroke: outer });
    layers.push(Layer::Line { points: fine_curve(), stroke: curve });
    for (start, color) in [([0.0; 2], Color::INK), (ELSEWHERE, Color::GREY)] {
        let points = vec![(start[0], start[1]), solution(angle(SHOWN), start)?];
        layers.push(Layer::Arrows { points, stroke: Stroke::thin(color) });
    }
    layers.push(Layer::Marks { points: vec![ELSEWHERE.into()], shape: Shape::Disc, color: Color::GREY });
    layers.extend([Kind::TwoU, Kind::TwoW].map(|kind| marks(places, kind, |place| place.min_norm)));
    let line = |label: &str, stroke| Entry { label: label.into(), stroke: Some(stroke), mark: None };
    let dot = |label: &str, mark| Entry { label: label.into(), stroke: None, mark: Some(mark) };
    Ok(Panel {
        title: "Inner solutions: S(u) is a line for each u".into(),
        x: Axis::within("w₁", PLANE[0].0, PLANE[0].1),
        y: Axis::within("w₂", PLANE[1].0, PLANE[1].1),
        layers,
        legend: vec![
            line("min. norm", curve),
            line("S(u)", faint),
            line("S(π/4)", set),
            line("S(±2π/3)", Stroke { width: 2, ..Stroke::solid(Color::ACCENT) }),
            line("F = 0", outer),
            dot("other w₀", (Shape::Disc, Color::GREY)),
            dot("2 u, 1 w", Kind::TwoU.mark()),
            dot("1 F, 2 w", Kind::TwoW.mark()),
        ],
        weight: 1.15,
    })
}

/// r(u) (cos u, sin u), at enough u for a smooth line.
fn fine_curve() -> Vec<Point> {
    let fine = 10;
    (-fine * HALF..=fine * HALF)
        .map(|i| angle(i) / f64::from(fine))
        .map(|u| (target(u) * u.cos(), target(u) * u.sin()))
        .collect()
}

/// The root of F along the curve, in which minimisers stand out.
fn loss_panel(places: &[Place]) -> Panel {
    let points = fine_curve();
    let last = (points.len() - 1) as f64;
    let pi = std::f64::consts::PI;
    let loss = points.iter().enumerate().map(|(i, w)| (pi * (2.0 * i as f64 / last - 1.0), w.0.abs())).collect();
    let mut layers = vec![Layer::Line { points: loss, stroke: Stroke { width: 4, ..Stroke::solid(Color::INK) } }];
    layers.extend(
        [Kind::TwoU, Kind::TwoW].map(|kind| marks(places, kind, |place| (place.u, (2.0 * place.outer_loss).sqrt()))),
    );
    Panel {
        title: "F at the point of minimum norm: four minimisers".into(),
        x: Axis::within("u", -1.03 * pi, 1.03 * pi),
        y: Axis::within("√(2F) = |w₁|", -0.2, 3.2),
        layers,
        legend: Vec::new(),
        weight: 1.0,
    }
}
