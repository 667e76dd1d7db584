//! Projections on solution sets: warm starts by turns on several linear inner problems (paper, section B.2, Eq. 18).

use crate::error::{check_finite, check_len, check_positive, invalid};
use crate::{Result, Scalar};

/// How each inner solve of a [`Cycle`] starts, and how far it goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Projection {
    /// The projection of w₀ on the set, every time.
    Cold,
    /// The projection of the w before: Kaczmarz's method.
    FullWarm,
    /// T gradient steps on ½ (x·w − y)² from the w before.
    PartialWarm {
        /// The step size, above 0.
        alpha: f64,
        /// T, at least 1.
        steps: usize,
    },
}

/// w ← w − (x·w − y)/(x·x) x, the point of {w : x·w = y} nearest to w. Eq. 18.
///
/// # Errors
///
/// [`Error::Shape`](crate::Error::Shape) if x and w differ in length, [`Error::NonFinite`](crate::Error::NonFinite) for an
/// argument, [`Error::Invalid`](crate::Error::Invalid) for x = 0.
pub fn project<T: Scalar>(x: &[T], y: T, w: &mut [T]) -> Result<()> {
    check_len("w", w.len(), x.len())?;
    check_finite("w", w)?;
    check_row(x, y)?;
    step(x, y, 1.0, w);
    Ok(())
}

/// Checks a row and returns x·x.
fn check_row<T: Scalar>(x: &[T], y: T) -> Result<f64> {
    check_finite("x", x)?;
    check_finite("y", &[y])?;
    let square = dot(x, x);
    if square > 0.0 && square.is_finite() {
        Ok(square)
    } else {
        Err(invalid("x·x", square, "a finite number above 0"))
    }
}

/// w ← w − share (x·w − y)/(x·x) x.
fn step<T: Scalar>(x: &[T], y: T, share: f64, w: &mut [T]) {
    let factor = share * (dot(x, w) - y.to_f64()) / dot(x, x);
    for (w, x) in w.iter_mut().zip(x) {
        *w = T::from_f64(w.to_f64() - factor * x.to_f64());
    }
}

fn dot<T: Scalar>(x: &[T], y: &[T]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x.to_f64() * y.to_f64()).sum()
}

/// Inner problems S(uᵢ) = {w : xᵢ·w = yᵢ} that are solved one after the other, over and over.
///
/// From consistent rows both warm starts go to the common point nearest to w₀, whatever the order within a cycle; a cold start
/// forgets all but the last row. With no common point a full warm start goes to a limit cycle.
#[derive(Debug, Clone)]
pub struct Cycle<T> {
    rows: Vec<T>,
    targets: Vec<T>,
    projection: Projection,
    /// What a step takes of the way to the set, for each row.
    shares: Vec<f64>,
    start: Vec<T>,
    w: Vec<T>,
    steps: usize,
}

impl<T: Scalar> Cycle<T> {
    /// Rows x (row-major, `targets.len()` × `start.len()`), their targets y, and w₀.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`](crate::Error::Shape) and [`Error::NonFinite`](crate::Error::NonFinite) for any array,
    /// [`Error::Invalid`](crate::Error::Invalid) for no rows, a row of zeros, T = 0, or an alpha that is not above 0 and below
    /// 2/(x·x) for each row.
    pub fn new(rows: &[T], targets: &[T], start: &[T], projection: Projection) -> Result<Cycle<T>> {
        if targets.is_empty() {
            return Err(invalid("targets", "none", "at least 1"));
        }
        check_len("rows", rows.len(), targets.len() * start.len())?;
        check_finite("start", start)?;
        if start.is_empty() {
            return Err(invalid("start", "no elements", "at least 1"));
        }
        let mut shares = Vec::with_capacity(targets.len());
        for (x, &y) in rows.chunks_exact(start.len()).zip(targets) {
            let square = check_row(x, y)?;
            shares.push(match projection {
                Projection::Cold | Projection::FullWarm => 1.0,
                Projection::PartialWarm { alpha, steps } => {
                    check_positive("alpha", alpha)?;
                    if alpha * square >= 2.0 {
                        return Err(invalid("alpha", alpha, format!("below 2/(x·x) = {}", 2.0 / square)));
                    }
                    if steps == 0 {
                        return Err(invalid("steps", 0, "at least 1"));
                    }
                    // 1 − (1 − alpha x·x)^T of the way: each step leaves the same share of the residual.
                    1.0 - (1.0 - alpha * square).powf(steps as f64)
                }
            });
        }
        let (start, w) = (start.to_vec(), start.to_vec());
        Ok(Cycle { rows: rows.to_vec(), targets: targets.to_vec(), projection, shares, start, w, steps: 0 })
    }

    /// w.
    pub fn w(&self) -> &[T] {
        &self.w
    }

    /// How many inner problems have been solved so far.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Solves the next inner problem; returns w.
    pub fn step(&mut self) -> &[T] {
        let i = self.steps % self.targets.len();
        let n = self.start.len();
        if self.projection == Projection::Cold {
            self.w.copy_from_slice(&self.start);
        }
        step(&self.rows[i * n..(i + 1) * n], self.targets[i], self.shares[i], &mut self.w);
        self.steps += 1;
        &self.w
    }

    /// Solves each inner problem once; returns w.
    pub fn cycle(&mut self) -> &[T] {
        for _ in 0..self.targets.len() {
            self.step();
        }
        &self.w
    }
}
