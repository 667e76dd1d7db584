//! The line search of Moré and Thuente (ACM TOMS 20, 1994) for the strong Wolfe conditions, one evaluation at a time:
//! φ(t) ≤ φ(0) + [`DECREASE`] t φ'(0) and |φ'(t)| ≤ [`CURVATURE`] |φ'(0)|.

const DECREASE: f64 = 1e-3;
const CURVATURE: f64 = 0.9;
/// A bracket this narrow, relative to its upper end, is not searched further.
const NARROW: f64 = 0.1;
/// The most evaluations in one search.
const EVALUATIONS: u32 = 20;

/// What follows an evaluation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Verdict {
    /// Evaluate at [`LineSearch::t`].
    Evaluate,
    /// The step just evaluated is taken.
    Accept,
    /// There is no step to be found.
    Fail,
}

/// An end of the bracket: t, φ and φ'.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SearchEnd {
    pub t: f64,
    pub f: f64,
    pub slope: f64,
}

/// A search in progress.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LineSearch {
    /// Where to evaluate.
    pub t: f64,
    pub start: SearchEnd,
    /// The best step so far.
    pub best: SearchEnd,
    /// The other end.
    pub other: SearchEnd,
    pub bracketed: bool,
    /// Until a step has decreased φ enough, φ is searched less its linear part, which has a minimum where φ meets both
    /// conditions.
    pub first_stage: bool,
    /// The interval that the next step is taken from.
    pub interval: (f64, f64),
    /// The width of the bracket now and before the last step.
    pub widths: (f64, f64),
    pub longest: f64,
    pub evaluations: u32,
}

impl LineSearch {
    /// From φ(0) and φ'(0) < 0, first at t, at most to `longest`.
    pub fn begin(f: f64, slope: f64, t: f64, longest: f64) -> LineSearch {
        let start = SearchEnd { t: 0.0, f, slope };
        LineSearch {
            t,
            start,
            best: start,
            other: start,
            bracketed: false,
            first_stage: true,
            interval: (0.0, 5.0 * t),
            widths: (longest, 2.0 * longest),
            longest,
            evaluations: 0,
        }
    }

    /// φ(t) or φ'(t) is not finite: a shorter step, and none as long any more.
    pub fn beyond(&mut self) -> Verdict {
        self.evaluations += 1;
        let ahead = self.t - self.best.t;
        if !self.bracketed {
            self.longest = self.best.t + 0.5 * ahead;
        }
        self.t = self.best.t + 0.25 * ahead;
        if self.evaluations >= EVALUATIONS { Verdict::Fail } else { Verdict::Evaluate }
    }

    /// φ(t) and φ'(t), finite; φ is known to ± `noise`.
    pub fn next(&mut self, f: f64, slope: f64, noise: f64) -> Verdict {
        self.evaluations += 1;
        let gain = DECREASE * self.start.slope;
        let enough = f <= self.start.f + self.t * gain;
        let flat = slope.abs() <= -CURVATURE * self.start.slope;
        // Where the decrease asked for drowns in rounding, the slopes decide (Hager and Zhang, 2005).
        let equal = (f - self.start.f).abs() <= noise && -gain * self.t <= noise;
        if flat && (enough || equal) {
            return Verdict::Accept;
        }
        let (low, high) = self.interval;
        let narrow = self.bracketed && (self.t <= low || self.t >= high || high - low <= NARROW * high);
        let at_the_end = self.t == self.longest && enough && slope <= gain;
        if narrow || at_the_end || self.evaluations >= EVALUATIONS {
            return if enough && self.t > 0.0 { Verdict::Accept } else { Verdict::Fail };
        }
        if self.first_stage && enough && slope >= 0.0 {
            self.first_stage = false;
        }
        let tilt = if self.first_stage && f <= self.best.f && !enough { gain } else { 0.0 };
        let tilted = |end: SearchEnd| SearchEnd { t: end.t, f: end.f - end.t * tilt, slope: end.slope - tilt };
        let mut ends = (tilted(self.best), tilted(self.other));
        let at = tilted(SearchEnd { t: self.t, f, slope });
        let mut t = safeguarded(&mut ends, at, &mut self.bracketed, self.interval);
        let straight = |end: SearchEnd| SearchEnd { t: end.t, f: end.f + end.t * tilt, slope: end.slope + tilt };
        (self.best, self.other) = (straight(ends.0), straight(ends.1));
        let (best, other) = (self.best.t, self.other.t);
        if self.bracketed {
            let width = (other - best).abs();
            if width >= 0.66 * self.widths.1 {
                t = best + 0.5 * (other - best);
            }
            self.widths = (width, self.widths.0);
            self.interval = (best.min(other), best.max(other));
        } else {
            self.interval = (t + 1.1 * (t - best), t + 4.0 * (t - best));
        }
        t = t.clamp(0.0, self.longest);
        let (low, high) = self.interval;
        if self.bracketed && (t <= low || t >= high || high - low <= NARROW * high) {
            if best == self.t {
                // No need to evaluate there twice.
                return if enough { Verdict::Accept } else { Verdict::Fail };
            }
            t = best;
        }
        self.t = t;
        Verdict::Evaluate
    }
}

/// The step after `at` by cubic and quadratic interpolation, and the bracket that goes with it: `dcstep` of MINPACK-2.
fn safeguarded(ends: &mut (SearchEnd, SearchEnd), at: SearchEnd, bracketed: &mut bool, (low, high): (f64, f64)) -> f64 {
    let (best, other) = *ends;
    let turned = at.slope * best.slope.signum() < 0.0;
    // The cubic through two ends: its slope in the middle and the root of its discriminant.
    let cubic = |a: SearchEnd, b: SearchEnd| {
        let theta = 3.0 * (a.f - b.f) / (b.t - a.t) + a.slope + b.slope;
        let size = theta.abs().max(a.slope.abs()).max(b.slope.abs());
        let square = (theta / size).powi(2) - (a.slope / size) * (b.slope / size);
        (theta, size * square.max(0.0).sqrt())
    };
    let secant = at.t + at.slope / (at.slope - best.slope) * (best.t - at.t);
    let t = if at.f > best.f {
        *bracketed = true;
        let (theta, root) = cubic(best, at);
        let root = if at.t < best.t { -root } else { root };
        let ratio = ((root - best.slope) + theta) / (((root - best.slope) + root) + at.slope);
        let by_cubic = best.t + ratio * (at.t - best.t);
        let bend = (best.f - at.f) / (at.t - best.t) + best.slope;
        let by_square = best.t + best.slope / bend / 2.0 * (at.t - best.t);
        if (by_cubic - best.t).abs() < (by_square - best.t).abs() {
            by_cubic
        } else {
            by_cubic + (by_square - by_cubic) / 2.0
        }
    } else if turned {
        *bracketed = true;
        let (theta, root) = cubic(best, at);
        let root = if at.t > best.t { -root } else { root };
        let ratio = ((root - at.slope) + theta) / (((root - at.slope) + root) + best.slope);
        let by_cubic = at.t + ratio * (best.t - at.t);
        if (by_cubic - at.t).abs() > (secant - at.t).abs() { by_cubic } else { secant }
    } else if at.slope.abs() < best.slope.abs() {
        let (theta, root) = cubic(best, at);
        let root = if at.t > best.t { -root } else { root };
        let ratio = ((root - at.slope) + theta) / ((root + (best.slope - at.slope)) + root);
        let by_cubic = if ratio < 0.0 && root != 0.0 {
            at.t + ratio * (best.t - at.t)
        } else if at.t > best.t {
            high
        } else {
            low
        };
        let cubic_is_nearer = (by_cubic - at.t).abs() < (secant - at.t).abs();
        if *bracketed {
            let t = if cubic_is_nearer { by_cubic } else { secant };
            let limit = at.t + 0.66 * (other.t - at.t);
            if at.t > best.t { t.min(limit) } else { t.max(limit) }
        } else {
            let t = if cubic_is_nearer { secant } else { by_cubic };
            t.max(low).min(high)
        }
    } else if *bracketed {
        let (theta, root) = cubic(other, at);
        let root = if at.t > other.t { -root } else { root };
        let ratio = ((root - at.slope) + theta) / (((root - at.slope) + root) + other.slope);
        at.t + ratio * (other.t - at.t)
    } else if at.t > best.t {
        high
    } else {
        low
    };
    if at.f > best.f {
        ends.1 = at;
    } else {
        if turned {
            ends.1 = best;
        }
        ends.0 = at;
    }
    t
}
