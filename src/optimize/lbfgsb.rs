//! L-BFGS-B: limited-memory BFGS with bounds on each element (Byrd, Lu, Nocedal and Zhu, SIAM J. Sci. Comput. 16, 1995), with
//! the subspace step of its version 3 (Morales and Nocedal, ACM TOMS 38, 2011) and the line search of Moré and Thuente.
//!
//! It does not call for F: it names a point, and is told F and its gradient there. So whoever has them to give, at whatever
//! price, drives it.

use super::lbfgsb_model::{Bounds, Model};
use super::lbfgsb_search::{LineSearch, Verdict};
use crate::error::{check_finite, check_len, check_nonnegative, invalid};
use crate::solve::heap;
use crate::{Error, Result, Scalar};

/// Accepted steps in a row that lower neither F nor the projected gradient below what was seen before, after which it stalls.
const IDLE: u32 = 20;

/// What to do after [`Lbfgsb::tell`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Evaluate at [`Lbfgsb::trial`], and tell.
    Evaluate,
    /// The end: ‖P(x − g) − x‖ is at most the tolerance at [`Lbfgsb::trial`], the last accepted point.
    Converged,
    /// The end: no lower F can be found from [`Lbfgsb::trial`], the last accepted point, not even along the gradient. F is at
    /// its rounding floor, the gradient is not F's, or F is not finite around the point.
    Stalled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    First,
    Searching,
    Converged,
    Stalled,
}

/// All of its state that is not a vector.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    pub stage: Stage,
    pub tolerance: f64,
    /// F at the last accepted point.
    pub f: f64,
    /// The smallest F and projected gradient at accepted points, and how many in a row had no smaller one.
    pub lowest: f64,
    pub flattest: f64,
    pub idle: u32,
    pub search: LineSearch,
}

/// Minimizes F(x) in the box lower ≤ x ≤ upper.
///
/// Points and gradients are `T`; all between is `f64`. A trial is always in the box and exactly representable in `T`. F or a
/// gradient that is not finite at a trial makes the line search step back; it counts as one of the at most 20 evaluations of a
/// search. A search that fails is tried once more along the projected gradient.
///
/// ```
/// use blo::optimize::{Lbfgsb, Next};
///
/// // ½(x₀ − 3)² + 50(x₁ + 1)² with x₀ ≤ 2.
/// let infinite = f64::INFINITY;
/// let mut method = Lbfgsb::new(&[0.0, 0.0], &[-infinite; 2], &[2.0, infinite], 10)?;
/// method.set_tolerance(1e-10)?;
/// loop {
///     let x = method.trial();
///     let (f, g) = (0.5 * (x[0] - 3.0).powi(2) + 50.0 * (x[1] + 1.0).powi(2), [x[0] - 3.0, 100.0 * (x[1] + 1.0)]);
///     match method.tell(f, &g)? {
///         Next::Evaluate => continue,
///         end => break assert_eq!(end, Next::Converged),
///     }
/// }
/// assert!(method.trial()[0] == 2.0 && (method.trial()[1] + 1.0).abs() < 1e-11);
/// # Ok::<(), blo::Error>(())
/// ```
#[derive(Debug)]
pub struct Lbfgsb<T> {
    bounds: Bounds,
    /// Every element has two finite bounds.
    boxed: bool,
    /// None has a bound.
    unbounded: bool,
    model: Model,
    pub(crate) progress: Progress,
    /// The last accepted point, the gradient there, and the end of the segment that is searched from it.
    x: Vec<f64>,
    gradient: Vec<f64>,
    end: Vec<f64>,
    trial: Vec<T>,
    step: Vec<f64>,
    change: Vec<f64>,
}

/// Checks the number of pairs to keep.
pub(crate) fn check_memory(memory: usize) -> Result<()> {
    if (1..=100).contains(&memory) { Ok(()) } else { Err(invalid("memory", memory, "from 1 to 100")) }
}

impl<T: Scalar> Lbfgsb<T> {
    /// The memory in use.
    pub(crate) fn bytes(&self) -> usize {
        let Lbfgsb { bounds, boxed: _, unbounded: _, model, progress: _, x, gradient, end, trial, step, change } = self;
        let lists = [&bounds.lower, &bounds.upper, x, gradient, end, step, change];
        lists.iter().map(|list| heap(list)).sum::<usize>() + heap(trial) + model.bytes()
    }

    /// From x, with `memory` pairs of steps and gradient changes (3 to 20 are usual) and tolerance 0. Bounds may be infinite, and
    /// may be equal.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for bounds of another length than x, [`Error::NonFinite`] for x, [`Error::Invalid`] for bounds that are
    /// NaN or crossed, an x outside of them, and a memory outside of 1 to 100.
    pub fn new(x: &[T], lower: &[T], upper: &[T], memory: usize) -> Result<Lbfgsb<T>> {
        check_len("lower", lower.len(), x.len())?;
        check_len("upper", upper.len(), x.len())?;
        check_finite("x", x)?;
        check_memory(memory)?;
        for (index, ((x, lower), upper)) in x.iter().zip(lower).zip(upper).enumerate() {
            // Written so that NaN fails; a point can be at neither infinity.
            if !(lower <= upper && lower.to_f64() < f64::INFINITY && upper.to_f64() > f64::NEG_INFINITY) {
                let found = format!("{lower} to {upper} at index {index}");
                return Err(invalid("bounds", found, "a lower bound that is not above the upper one"));
            }
            if !(lower <= x && x <= upper) {
                return Err(invalid("x", format!("{x} at index {index}"), format!("{lower} to {upper}")));
            }
        }
        let wide = |values: &[T]| values.iter().map(|value| value.to_f64()).collect::<Vec<f64>>();
        let bounds = Bounds { lower: wide(lower), upper: wide(upper) };
        let all = |what: fn(f64) -> bool| bounds.lower.iter().chain(&bounds.upper).all(|&bound| what(bound));
        let (boxed, unbounded) = (all(f64::is_finite), all(f64::is_infinite));
        let zeros = || vec![0.0; x.len()];
        let progress = Progress {
            stage: Stage::First,
            tolerance: 0.0,
            f: f64::INFINITY,
            lowest: f64::INFINITY,
            flattest: f64::INFINITY,
            idle: 0,
            search: LineSearch::default(),
        };
        Ok(Lbfgsb {
            boxed,
            unbounded,
            bounds,
            model: Model::new(x.len(), memory),
            progress,
            x: wide(x),
            gradient: zeros(),
            end: zeros(),
            trial: x.to_vec(),
            step: zeros(),
            change: zeros(),
        })
    }

    /// Converged once ‖P(x − g) − x‖ is at most this, P the projection on the box.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a tolerance that is negative or not finite.
    pub fn set_tolerance(&mut self, tolerance: f64) -> Result<()> {
        check_nonnegative("tolerance", tolerance)?;
        self.progress.tolerance = tolerance;
        Ok(())
    }

    /// Where F is to be evaluated; after the end, the last accepted point.
    pub fn trial(&self) -> &[T] {
        &self.trial
    }

    /// The last accepted point; the start, before one was told.
    pub fn x(&self) -> &[f64] {
        &self.x
    }

    /// F at the last accepted point; infinite before one was told.
    pub fn f(&self) -> f64 {
        self.progress.f
    }

    /// Whether nothing has been told yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.progress.stage == Stage::First
    }

    /// The pairs that there are.
    pub(crate) fn pairs(&self) -> usize {
        self.model.count
    }

    /// Makes room for as many pairs; `None` if that is more than the memory.
    pub(crate) fn set_pairs(&mut self, count: usize) -> Option<()> {
        let fits = count <= self.model.capacity();
        self.model.count = if fits { count } else { 0 };
        fits.then_some(())
    }

    /// With [`Lbfgsb::trial`] all of its state that is vectors.
    pub(crate) fn vectors(&self) -> impl Iterator<Item = &[f64]> {
        let (s, y) = self.model.rows();
        [&self.x, &self.gradient, &self.end].into_iter().map(Vec::as_slice).chain([s, y])
    }

    pub(crate) fn vectors_mut(&mut self) -> impl Iterator<Item = &mut [f64]> {
        let (s, y) = self.model.rows_mut();
        [&mut self.x, &mut self.gradient, &mut self.end].into_iter().map(Vec::as_mut_slice).chain([s, y])
    }

    pub(crate) fn trial_mut(&mut self) -> &mut [T] {
        &mut self.trial
    }

    /// Takes F and its gradient at [`Lbfgsb::trial`]. After the end it only says the end again.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for a gradient of another length; [`Error::NonFinite`] at the first point only, where there is nothing to
    /// step back to. Nothing has changed then.
    pub fn tell(&mut self, f: f64, gradient: &[T]) -> Result<Next> {
        check_len("gradient", gradient.len(), self.x.len())?;
        let finite = f.is_finite() && gradient.iter().all(|g| g.is_finite());
        match self.progress.stage {
            Stage::Converged => return Ok(Next::Converged),
            Stage::Stalled => return Ok(Next::Stalled),
            Stage::First if !finite => {
                check_finite("gradient", gradient)?;
                return Err(Error::NonFinite { argument: "F", index: 0, found: f });
            }
            Stage::First => return Ok(self.accept(f, gradient)),
            Stage::Searching => {}
        }
        let verdict = if finite {
            let parts = gradient.iter().zip(&self.end).zip(&self.x);
            let slope: f64 = parts.map(|((g, end), x)| g.to_f64() * (end - x)).sum();
            self.progress.search.next(f, slope, 10.0 * T::EPSILON * self.progress.f.abs())
        } else {
            self.progress.search.beyond()
        };
        Ok(match verdict {
            Verdict::Accept => self.accept(f, gradient),
            Verdict::Evaluate if self.set_trial() => Next::Evaluate,
            Verdict::Evaluate | Verdict::Fail if self.model.count > 0 => {
                self.model.clear();
                self.search()
            }
            Verdict::Evaluate | Verdict::Fail => self.stall(),
        })
    }

    /// The trial is the next point.
    fn accept(&mut self, f: f64, gradient: &[T]) -> Next {
        let first = self.is_fresh();
        let (mut decrease, mut square) = (0.0, 0.0);
        for (i, (x, g)) in self.trial.iter().zip(gradient).enumerate() {
            let (x, g) = (x.to_f64(), g.to_f64());
            (self.step[i], self.change[i]) = (x - self.x[i], g - self.gradient[i]);
            decrease -= self.gradient[i] * self.step[i];
            (self.x[i], self.gradient[i]) = (x, g);
            let moved = (x - g).clamp(self.bounds.lower[i], self.bounds.upper[i]) - x;
            square += moved * moved;
        }
        if !first {
            self.model.push(&self.step, &self.change, decrease);
        }
        let (progress, flatness) = (&mut self.progress, square.sqrt());
        progress.f = f;
        let better = f < progress.lowest || flatness < progress.flattest;
        progress.lowest = progress.lowest.min(f);
        progress.flattest = progress.flattest.min(flatness);
        progress.idle = if better { 0 } else { progress.idle + 1 };
        if flatness <= progress.tolerance {
            progress.stage = Stage::Converged;
            return Next::Converged;
        }
        if progress.idle >= IDLE {
            return self.stall();
        }
        self.search()
    }

    /// Begins a line search from x.
    fn search(&mut self) -> Next {
        loop {
            self.model.refresh();
            self.model.minimize(&self.x, &self.gradient, &self.bounds, &mut self.end);
            let (mut slope, mut square) = (0.0, 0.0);
            for ((end, x), g) in self.end.iter().zip(&self.x).zip(&self.gradient) {
                slope += g * (end - x);
                square += (end - x) * (end - x);
            }
            if slope < 0.0 && slope.is_finite() && square.is_finite() {
                let fresh = self.model.count == 0;
                let longest = if fresh && !self.unbounded { 1.0 } else { self.longest() };
                let t = if fresh && !self.boxed { (1.0 / square.sqrt()).min(longest) } else { 1.0 };
                self.progress.stage = Stage::Searching;
                self.progress.search = LineSearch::begin(self.progress.f, slope, t, longest);
                if self.set_trial() {
                    return Next::Evaluate;
                }
            }
            if self.model.count == 0 {
                return self.stall();
            }
            self.model.clear();
        }
    }

    /// The longest step along the segment that stays in the box.
    fn longest(&self) -> f64 {
        let mut longest: f64 = 1e10;
        for i in 0..self.x.len() {
            let d = self.end[i] - self.x[i];
            let limit = if d < 0.0 { self.bounds.lower[i] } else { self.bounds.upper[i] };
            if d != 0.0 {
                longest = longest.min((limit - self.x[i]) / d);
            }
        }
        // The segment is in the box, whatever rounding says.
        longest.max(1.0)
    }

    /// trial ← x + t (end − x), in the box; false if that is x itself.
    fn set_trial(&mut self) -> bool {
        let t = self.progress.search.t;
        let mut moved = false;
        for i in 0..self.x.len() {
            let (x, end) = (self.x[i], self.end[i]);
            let (lower, upper) = (self.bounds.lower[i], self.bounds.upper[i]);
            let limit = if end < x { lower } else { upper };
            let mut at = if t == 1.0 { end } else { (x + t * (end - x)).clamp(lower, upper) };
            // A rounding short of a bound is at the bound: its element would count as free otherwise.
            if end != x && limit.is_finite() && (limit - at).abs() <= 4.0 * f64::EPSILON * x.abs().max(limit.abs()) {
                at = limit;
            }
            self.trial[i] = T::from_f64(at);
            moved |= self.trial[i].to_f64() != x;
        }
        moved
    }

    fn stall(&mut self) -> Next {
        for (trial, x) in self.trial.iter_mut().zip(&self.x) {
            *trial = T::from_f64(*x);
        }
        self.progress.stage = Stage::Stalled;
        Next::Stalled
    }
}
