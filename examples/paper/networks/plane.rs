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

    /// (class, first cell, the one after the last) of the runs of each row.
    fn rows(self, runs: &[f64]) -> Vec<Vec<(usize, usize, usize)>> {
        let (mut rows, mut row, mut column) = (Vec::new(), Vec::new(), 0);
        for run in runs.chunks_exact(2) {
            let (class, length) = (run[0] as usize, run[1] as usize);
            row.push((class, column, column + length));
            column += length;
            if column >= self.cells {
                rows.push(std::mem::take(&mut row));
                column = 0;
            }
        }
        rows
    }

    /// The runs as filled areas; rows that are equal to the one above are put together with it.
    pub fn regions(self, runs: &[f64], color: impl Fn(usize) -> Color) -> Vec<Layer> {
        // Each area reaches under those drawn after it, so that nothing shines through between them.
        let under = |end: usize| if end < self.cells { end as f64 + 0.5 } else { end as f64 };
        let (rows, mut regions, mut first) = (self.rows(runs), Vec::new(), 0);
        for end in 1..=rows.len() {
            if rows.get(end) == Some(&rows[first]) {
                continue;
            }
            for &(class, left, right) in &rows[first] {
                let [left, right] = [left as f64, under(right)].map(|x| -self.half + x * self.size());
                let [top, bottom] = [first as f64, under(end)].map(|y| self.half - y * self.size());
                let corners = vec![(left, top), (right, top), (right, bottom), (left, bottom)];
                regions.push(Layer::Region { corners, color: color(class) });
            }
            first = end;
        }
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
