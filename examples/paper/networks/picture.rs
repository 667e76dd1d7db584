//! Panels: decision regions with data, learned points and their ways; losses against steps.

use super::Plane;
use crate::plot::{Axis, Color, Entry, Layer, Panel, Scale, Shape, Stroke};

/// The colours of classes.
pub const CLASSES: [Color; 3] = [Color::BLUE, Color::ACCENT, Color::GREEN];
/// The way of a learned point between two heads of arrows, and how far back an arrow begins, as shares of the plane's half.
const BETWEEN_HEADS: f64 = 0.5;
const ARROW: f64 = 0.06;

/// What a panel of the plane shows.
pub struct Snapshot<'a> {
    /// Where, and how finely.
    pub plane: Plane,
    /// The decisions, as [`Plane::runs`] gives them.
    pub runs: &'a [f64],
    /// The original data, of each class.
    pub data: &'a [Vec<(f64, f64)>],
    /// The ways of the learned points, each to where it is, with the class that its label gives it.
    pub paths: Vec<(Vec<(f64, f64)>, usize)>,
}

fn light(class: usize) -> Color {
    CLASSES[class].toward(Color::WHITE, 0.72)
}

/// The colour of way j: those of classes are taken where labels may change.
pub fn dark(class: usize) -> Color {
    CLASSES[class].toward(Color::INK, 0.55)
}

impl Snapshot<'_> {
    /// The panel; `ways` are the colours of the ways.
    pub fn panel(&self, title: String, ways: &[Color], legend: bool, weight: f64) -> Panel {
        let mut layers = self.plane.regions(self.runs, light);
        for (points, &color) in self.data.iter().zip(&CLASSES) {
            let points = points.iter().copied().filter(|&point| self.plane.has(point)).collect();
            layers.push(Layer::Marks { points, shape: Shape::Dot, color });
        }
        for ((path, _), &color) in self.paths.iter().zip(ways) {
            for points in path.split(|&point| !self.plane.has(point)).filter(|part| part.len() > 1) {
                layers.push(Layer::Line { points: points.to_vec(), stroke: Stroke::thin(color) });
                let heads = heads(points, BETWEEN_HEADS * self.plane.half, ARROW * self.plane.half);
                layers.extend(heads.into_iter().map(|points| Layer::Arrows { points, stroke: Stroke::thin(color) }));
            }
        }
        for (path, class) in &self.paths {
            let Some(&at) = path.last() else { continue };
            // A point that has left the plane is a ring on the border, where it would come in again.
            let shape = if self.plane.has(at) { Shape::Star } else { Shape::Ring };
            layers.push(Layer::Marks { points: vec![self.plane.nearest(at)], shape, color: dark(*class) });
        }
        Panel {
            title,
            x: self.plane.axis(""),
            y: self.plane.axis(""),
            layers,
            legend: if legend { self.legend(ways) } else { Vec::new() },
            weight,
        }
    }

    fn legend(&self, ways: &[Color]) -> Vec<Entry> {
        let mut legend = Vec::new();
        for (class, &color) in CLASSES.iter().enumerate().take(self.data.len()) {
            let label = format!("data {}", class + 1);
            legend.push(Entry { label, stroke: None, mark: Some((Shape::Dot, color)) });
        }
        for class in 0..self.data.len() {
            let label = format!("decides {}", class + 1);
            legend.push(Entry { label, stroke: None, mark: Some((Shape::Square, light(class))) });
        }
        for (j, (&color, (_, class))) in ways.iter().zip(&self.paths).enumerate() {
            let mark = Some((Shape::Star, dark(*class)));
            legend.push(Entry { label: format!("learned {}", j + 1), stroke: Some(Stroke::thin(color)), mark });
        }
        let ends = self.paths.iter().filter_map(|(path, _)| path.last());
        if ends.into_iter().any(|&at| !self.plane.has(at)) {
            legend.push(Entry { label: "beyond".into(), stroke: None, mark: Some((Shape::Ring, Color::INK)) });
        }
        legend
    }
}

/// Short straight pieces, each to end in the head of an arrow on the way. A way that stays in one place has few.
fn heads(path: &[(f64, f64)], between: f64, length: f64) -> Vec<Vec<(f64, f64)>> {
    let far = |a: (f64, f64), b: (f64, f64)| (a.0 - b.0).hypot(a.1 - b.1);
    // The first head is not long in coming.
    let (mut pieces, mut way, mut head) = (Vec::new(), 0.5 * between, path[0]);
    for i in 1..path.len() {
        let at = path[i];
        way += far(path[i - 1], at);
        if way >= between && far(head, at) >= 0.4 * between {
            let from = (0..i).rev().map(|j| path[j]).find(|&from| far(from, at) >= length).unwrap_or(path[0]);
            let share = length / far(from, at);
            pieces.push(vec![(at.0 + share * (from.0 - at.0), at.1 + share * (from.1 - at.1)), at]);
            (way, head) = (0.0, at);
        }
    }
    pieces
}

/// A loss of each named course against the step; the axis is logarithmic.
pub fn loss_panel(title: &str, courses: Vec<(Entry, Vec<(f64, f64)>)>, last: usize, weight: f64) -> Panel {
    let (mut layers, mut legend) = (Vec::new(), Vec::new());
    for (entry, points) in courses {
        if let Some(stroke) = entry.stroke {
            layers.push(Layer::Line { points: points.clone(), stroke });
        }
        if let Some((shape, color)) = entry.mark {
            layers.push(Layer::Marks { points, shape, color });
        }
        legend.push(entry);
    }
    // The paper's axis at least, which is the same for all frames of most animations.
    let heights: Vec<f64> = layers.iter().flat_map(Layer::heights).chain([0.1, 1.0]).collect();
    Panel {
        title: title.into(),
        x: Axis::fit("outer steps", Scale::Linear, &[0.0, last as f64]),
        y: Axis::fit("", Scale::Log, &heights),
        layers,
        legend,
        weight,
    }
}
