//! The plane, cut into cells that a classifier colours.

use crate::plot::{Axis, Color, Layer};
use blo::Scalar;

/// A square around the origin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plane {
    /// It reaches from −half to half.
    pub half: f64,
    /// Cells in a row.
    pub cells: usize,
}

impl Plane {
    fn size(self) -> f64 {
        2.0 * self.half / self.cells as f64
    }

    /// The middles of the cells, row by row from the top.
    pub fn points<T: Scalar>(self) -> Vec<T> {
        let middle = |i: usize| -self.half + (i as f64 + 0.5) * self.size();
        let cells = (0..self.cells).flat_map(|row| (0..self.cells).map(move |column| (row, column)));
        cells.flat_map(|(row, column)| [middle(column), -middle(row)]).map(T::from_f64).collect()
    }

    /// [class, cells, class, cells, …]: neighbours of one class put together, each row by itself.
    pub fn runs(self, classes: impl Iterator<Item = usize>) -> Vec<f64> {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for (i, class) in classes.enumerate() {
            match runs.last_mut() {
                Some((last, length)) if *last == class && !i.is_multiple_of(self.cells) => *length += 1,
                _ => runs.push((class, 1)),
            }
        }
        runs.into_iter().flat_map(|(class, length)| [class as f64, length as f64]).collect()
    }

    /// The runs as filled areas.
    pub fn regions(self, runs: &[f64], color: impl Fn(usize) -> Color) -> Vec<Layer> {
        let (mut regions, mut row, mut column) = (Vec::new(), 0, 0);
        // A row above may have the same border to the left: rows that are equal are one area.
        let mut above: Vec<(usize, usize, usize)> = Vec::new();
        let mut begun = 0;
        let mut this: Vec<(usize, usize, usize)> = Vec::new();
        let mut emit = |runs: &[(usize, usize, usize)], from: usize, to: usize| {
            for &(class, left, right) in runs {
                // Each area reaches under those drawn after it, so that nothing shines through between them.
                let under = |end: usize| if end < self.cells { end as f64 + 0.5 } else { end as f64 };
                let x = [left as f64, under(right)].map(|x| -self.half + x * self.size());
                let y = [from as f64, under(to)].map(|y| self.half - y * self.size());
                let corners = vec![(x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1])];
                regions.push(Layer::Region { corners, color: color(class) });
            }
        };
        for run in runs.chunks_exact(2) {
            let (class, length) = (run[0] as usize, run[1] as usize);
            this.push((class, column, column + length));
            column += length;
            if column >= self.cells {
                if this != above {
                    emit(&above, begun, row);
                    begun = row;
                    above = std::mem::take(&mut this);
                }
                this.clear();
                (row, column) = (row + 1, 0);
            }
        }
        emit(&above, begun, row);
        regions
    }

    /// An axis from one side to the other.
    pub fn axis(self, label: &str) -> Axis {
        Axis::within(label, -self.half, self.half)
    }

    /// Whether a point is in the square.
    pub fn has(self, (x, y): (f64, f64)) -> bool {
        x.abs() <= self.half && y.abs() <= self.half
    }

    /// The point of the square that is nearest to one.
    pub fn nearest(self, (x, y): (f64, f64)) -> (f64, f64) {
        (x.clamp(-self.half, self.half), y.clamp(-self.half, self.half))
    }
}
