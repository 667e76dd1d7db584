//! Pictures: rows of panels as plain data, drawn as SVG.

mod axis;
mod draw;
mod style;

pub use axis::{Axis, Scale, power_of_ten};
pub use style::{Color, Shape, Stroke, ramp};

use std::error::Error;
use std::path::Path;

/// A picture.
pub struct Figure {
    /// Above everything.
    pub title: String,
    /// The height of a row in pixels; the picture is [`draw::WIDTH`] wide.
    pub row_height: u32,
    /// Panels from left to right, rows from top to bottom.
    pub rows: Vec<Vec<Panel>>,
}

impl Figure {
    /// Writes it as SVG.
    pub fn save(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        Ok(std::fs::write(path, draw::svg(self)?)?)
    }
}

/// A pair of axes with what is drawn between them.
pub struct Panel {
    /// Above the panel.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// From the bottom to the top.
    pub layers: Vec<Layer>,
    /// What the layers are, to the right of the panel; may be empty.
    pub legend: Vec<Entry>,
    /// The share of the row's width.
    pub weight: f64,
}

/// A line of a legend.
pub struct Entry {
    /// What it is.
    pub label: String,
    /// The line that stands for it.
    pub stroke: Option<Stroke>,
    /// The mark that stands for it.
    pub mark: Option<(Shape, Color)>,
}

/// Something in a panel, in the units of its axes.
pub enum Layer {
    /// Points joined by a line.
    Line {
        /// In order.
        points: Vec<(f64, f64)>,
        /// How.
        stroke: Stroke,
    },
    /// Marks at points.
    Marks {
        /// In any order.
        points: Vec<(f64, f64)>,
        /// Their shape.
        shape: Shape,
        /// Their colour.
        color: Color,
    },
    /// A line from point to point, with a head at each but the first.
    Arrows {
        /// In order.
        points: Vec<(f64, f64)>,
        /// How.
        stroke: Stroke,
    },
    /// A filled polygon.
    Region {
        /// Its corners.
        corners: Vec<(f64, f64)>,
        /// Its colour.
        color: Color,
    },
    /// A dashed line from left to right, with a label at its left end.
    Rule {
        /// Where.
        y: f64,
        /// What.
        label: String,
    },
}

impl Layer {
    /// The y of all points: what a vertical axis has to hold.
    pub fn heights(&self) -> Vec<f64> {
        match self {
            Layer::Line { points, .. } | Layer::Marks { points, .. } | Layer::Arrows { points, .. } => {
                points.iter().map(|point| point.1).collect()
            }
            Layer::Region { corners, .. } => corners.iter().map(|corner| corner.1).collect(),
            Layer::Rule { y, .. } => vec![*y],
        }
    }
}
