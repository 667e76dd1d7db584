//! What a run does, as a C struct.

use super::args::{Growing, choice, count, finite, flag, init_struct, read_struct};
use super::estimator::at_least_one;
use super::guard::guard;
use super::optimizer::{BLO_RULE_ADAM, RULE, RuleOptions};
use super::status::Status;
use crate::bilevel::{Batch, InnerSolve, Outer, Settings, Start, ToleranceSchedule};
use crate::error::invalid;
use crate::hypergradient::Estimator;
use crate::optimize::Rule;
use crate::{Error, Result};

/// start: every inner solve begins at the w given.
pub const BLO_START_COLD: i32 = 0;
/// start: an inner solve begins at the w of the step before.
pub const BLO_START_WARM: i32 = 1;

/// inner: the solution nearest to where the solve begins, in closed form. Quadratics and squared losses only.
pub const BLO_INNER_FIXPOINT: i32 = 0;
/// inner: an optimizer. Uses inner_rule, inner_steps, inner_tolerance.
pub const BLO_INNER_OPTIMIZER: i32 = 1;

/// method: a first-order rule, outer_rule.
pub const BLO_METHOD_RULE: i32 = 0;
/// method: L-BFGS-B. Each point that its line search tries is an outer step. Uses memory; F must be a function of u
/// alone: no partial warm start, no schedule, no batches.
pub const BLO_METHOD_LBFGSB: i32 = 1;

/// What a run does. Initialise it with blo_run_options_init, then set what differs.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RunOptions {
    /// Set by blo_run_options_init.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// One of BLO_START_. Default BLO_START_COLD.
    pub start: i32,
    /// One of BLO_INNER_. Default BLO_INNER_FIXPOINT.
    pub inner: i32,
    /// One of BLO_METHOD_, for u. Default BLO_METHOD_RULE.
    pub method: i32,
    /// 1: a warm start takes the look-ahead's w as the next one. 0: it makes new inner steps with the new u.
    /// Default 0.
    pub keep_look_ahead: i32,
    /// 1: keep u and w of the smallest F; see blo_runner_best_f64. Default 0.
    pub keep_best: i32,
    /// 1: fill distance_from_min_norm and null_component of the trace, for two closed-form inner solves a row.
    /// Default 0.
    pub distances: i32,
    /// The inner steps T, or the most of them if inner_tolerance is not 0; 1 or above. To be set for
    /// BLO_INNER_OPTIMIZER.
    pub inner_steps: i64,
    /// The most outer steps, 0 or above. Default 1000.
    pub outer_steps: i64,
    /// The pairs that L-BFGS-B keeps, 1 to 100. Default 10.
    pub memory: i64,
    /// The inner examples in a batch of an inner step; 0 (the default): all.
    pub batch_size: i64,
    /// Of the batches' order. Default 0.
    pub batch_seed: u64,
    /// Stop an inner solve once its gradient is this small relative to the largest of the run; 0 (the default)
    /// never stops.
    pub inner_tolerance: f64,
    /// Stop once the hypergradient is this small relative to the first one; 0 (the default): once it is exactly 0.
    pub outer_tolerance: f64,
    /// Bounds of each element of u. Default minus infinity.
    pub lower: f64,
    /// Above lower. Default infinity.
    pub upper: f64,
    /// Tolerances of inner solves and of the estimator in outer step k are max(schedule_first schedule_factor^k,
    /// schedule_last) instead of those given. 0 (the default): no schedule.
    pub schedule_first: f64,
    /// Above 0 and below 1. To be set with schedule_first.
    pub schedule_factor: f64,
    /// 0 or above. Default 0.
    pub schedule_last: f64,
    /// The inner optimizer. Default: gradient descent with step 1e-3.
    pub inner_rule: RuleOptions,
    /// The outer rule. Default: Adam with step 1e-3.
    pub outer_rule: RuleOptions,
}

// SAFETY: two u32, then integers and doubles without padding, as the assertion below shows.
unsafe impl Growing for RunOptions {
    const FIRST_SIZE: usize = 224;
}

const _: () = assert!(size_of::<RunOptions>() == RunOptions::FIRST_SIZE);

const DEFAULTS: RunOptions = RunOptions {
    struct_size: RunOptions::FIRST_SIZE as u32,
    reserved: 0,
    start: BLO_START_COLD,
    inner: BLO_INNER_FIXPOINT,
    method: BLO_METHOD_RULE,
    keep_look_ahead: 0,
    keep_best: 0,
    distances: 0,
    inner_steps: 0,
    outer_steps: 1000,
    memory: 10,
    batch_size: 0,
    batch_seed: 0,
    inner_tolerance: 0.0,
    outer_tolerance: 0.0,
    lower: f64::NEG_INFINITY,
    upper: f64::INFINITY,
    schedule_first: 0.0,
    schedule_factor: 0.0,
    schedule_last: 0.0,
    inner_rule: RULE,
    outer_rule: RuleOptions { kind: BLO_RULE_ADAM, ..RULE },
};

/// Fills the options of a run with their defaults.
///
/// - options [out]: the options
/// - size [in]: sizeof *options
///
/// Errors: BLO_ERR_NULL; BLO_ERR_STRUCT_SIZE for a size below the first released one; BLO_ERR_INVALID for one above
/// 4096. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_run_options_init(options: *mut RunOptions, size: usize) -> Status {
    // SAFETY: the caller vouches for `size` bytes.
    guard(|| unsafe { Ok(init_struct("options", options, size, &DEFAULTS)?) })
}

/// The settings that a pointer means; NULL means the defaults.
///
/// # Safety
///
/// `options` is null or points to as many readable bytes as its first field says.
pub(super) unsafe fn read_options(
    argument: &'static str,
    options: *const RunOptions,
    estimator: Estimator,
) -> Result<Settings> {
    // SAFETY: as the caller vouches.
    let options = if options.is_null() { DEFAULTS } else { unsafe { read_struct(argument, options, DEFAULTS) }? };
    options.settings(estimator)
}

const INNER_RULE: [&str; 6] = [
    "inner_rule.kind",
    "inner_rule.step",
    "inner_rule.momentum",
    "inner_rule.beta1",
    "inner_rule.beta2",
    "inner_rule.epsilon",
];

const OUTER_RULE: [&str; 6] = [
    "outer_rule.kind",
    "outer_rule.step",
    "outer_rule.momentum",
    "outer_rule.beta1",
    "outer_rule.beta2",
    "outer_rule.epsilon",
];

/// Settings whose names in C differ from those in Rust.
const NAMES: [(&str, &str); 8] = [
    ("inner steps", "inner_steps"),
    ("inner tolerance", "inner_tolerance"),
    ("unrolled steps", "steps"),
    ("unrolled rule", "rule"),
    ("schedule.first", "schedule_first"),
    ("schedule.factor", "schedule_factor"),
    ("schedule.last", "schedule_last"),
    ("batch.size", "batch_size"),
];

impl RunOptions {
    fn settings(&self, estimator: Estimator) -> Result<Settings> {
        for (argument, value) in [
            ("inner_tolerance", self.inner_tolerance),
            ("outer_tolerance", self.outer_tolerance),
            ("schedule_first", self.schedule_first),
            ("schedule_factor", self.schedule_factor),
            ("schedule_last", self.schedule_last),
        ] {
            finite(argument, value)?;
        }
        let start = match choice("start", self.start, &["BLO_START_COLD", "BLO_START_WARM"])? as i32 {
            BLO_START_WARM => Start::Warm,
            _ => Start::Cold,
        };
        let mut settings = Settings::new(start, self.inner_solve()?, estimator, Rule::descent(1.0));
        settings.outer = match choice("method", self.method, &["BLO_METHOD_RULE", "BLO_METHOD_LBFGSB"])? as i32 {
            BLO_METHOD_LBFGSB => Outer::Lbfgsb { memory: count("memory", self.memory)? },
            _ => self.outer_rule.read(&OUTER_RULE)?.into(),
        };
        settings.outer_steps = count("outer_steps", self.outer_steps)?;
        settings.outer_tolerance = self.outer_tolerance;
        settings.keep_look_ahead = flag("keep_look_ahead", self.keep_look_ahead)?;
        settings.keep_best = flag("keep_best", self.keep_best)?;
        settings.distances = flag("distances", self.distances)?;
        if (self.lower, self.upper) != (f64::NEG_INFINITY, f64::INFINITY) {
            settings.bounds = Some((self.lower, self.upper));
        }
        if (self.schedule_first, self.schedule_factor, self.schedule_last) != (0.0, 0.0, 0.0) {
            let (first, factor, last) = (self.schedule_first, self.schedule_factor, self.schedule_last);
            settings.schedule = Some(ToleranceSchedule { first, factor, last });
        }
        match count("batch_size", self.batch_size)? {
            0 => {}
            size => settings.batch = Some(Batch { size, seed: self.batch_seed }),
        }
        settings.validate().map_err(|error| match error {
            Error::Invalid { argument, found, expected } => {
                let name = NAMES.iter().find(|(rust, _)| *rust == argument).map_or(argument, |(_, c)| *c);
                Error::Invalid { argument: name, found, expected }
            }
            error => error,
        })?;
        Ok(settings)
    }

    /// How the inner problem is solved.
    pub(super) fn inner_solve(&self) -> Result<InnerSolve> {
        if choice("inner", self.inner, &["BLO_INNER_FIXPOINT", "BLO_INNER_OPTIMIZER"])? as i32 == BLO_INNER_FIXPOINT {
            return Ok(InnerSolve::Fixpoint);
        }
        if self.inner_tolerance < 0.0 {
            return Err(invalid("inner_tolerance", self.inner_tolerance, "a finite number, 0 or above"));
        }
        Ok(InnerSolve::Optimizer {
            rule: self.inner_rule.read(&INNER_RULE)?,
            steps: at_least_one("inner_steps", self.inner_steps)?,
            tolerance: self.inner_tolerance,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Inverse;

    #[test]
    fn every_field_arrives() {
        let set = RunOptions {
            start: BLO_START_WARM,
            inner: BLO_INNER_OPTIMIZER,
            keep_look_ahead: 1,
            keep_best: 1,
            distances: 1,
            inner_steps: 2,
            outer_steps: 3,
            batch_size: 4,
            batch_seed: 5,
            outer_tolerance: 0.7,
            lower: -1.0,
            upper: 1.5,
            inner_rule: RuleOptions { kind: 1, step: 0.4, momentum: 0.3, ..RULE },
            outer_rule: RuleOptions { kind: 2, step: 0.6, beta1: 0.8, beta2: 0.85, epsilon: 0.01, ..RULE },
            ..DEFAULTS
        };
        let inner = InnerSolve::Optimizer { rule: Rule::momentum(0.4, 0.3), steps: 2, tolerance: 0.0 };
        let adam = Rule::Adam { step: 0.6, beta1: 0.8, beta2: 0.85, epsilon: 0.01 };
        let mut expected = Settings::new(Start::Warm, inner, Inverse::Zero, adam);
        expected.outer_steps = 3;
        expected.outer_tolerance = 0.7;
        (expected.keep_look_ahead, expected.keep_best, expected.distances) = (true, true, true);
        expected.bounds = Some((-1.0, 1.5));
        expected.batch = Some(Batch { size: 4, seed: 5 });
        assert_eq!(set.settings(Inverse::Zero.into()).unwrap(), expected);
        let other = RunOptions {
            start: BLO_START_COLD,
            keep_look_ahead: 0,
            batch_size: 0,
            inner_tolerance: 0.5,
            schedule_first: 0.1,
            schedule_factor: 0.2,
            schedule_last: 0.05,
            outer_rule: RuleOptions { kind: 0, step: 0.6, ..RULE },
            ..set
        };
        expected.start = Start::Cold;
        expected.keep_look_ahead = false;
        expected.batch = None;
        expected.inner = InnerSolve::Optimizer { rule: Rule::momentum(0.4, 0.3), steps: 2, tolerance: 0.5 };
        expected.schedule = Some(ToleranceSchedule { first: 0.1, factor: 0.2, last: 0.05 });
        expected.outer = Rule::Descent { step: 0.6 }.into();
        assert_eq!(other.settings(Inverse::Zero.into()).unwrap(), expected);
        let other = RunOptions { method: BLO_METHOD_LBFGSB, memory: 7, schedule_first: 0.0, ..other };
        let other = RunOptions { schedule_factor: 0.0, schedule_last: 0.0, ..other };
        expected.schedule = None;
        expected.outer = Outer::Lbfgsb { memory: 7 };
        assert_eq!(other.settings(Inverse::Zero.into()).unwrap(), expected);
    }

    #[test]
    fn the_defaults_are_those_of_the_library() {
        let expected = Settings::new(Start::Cold, InnerSolve::Fixpoint, Inverse::Zero, Rule::adam(1e-3));
        assert_eq!(DEFAULTS.settings(Inverse::Zero.into()).unwrap(), expected);
    }
}
