//! A cold- or warm-start loop.

use super::args::{Growing, choice, count, declared_size, finite, flag, init_struct, read_array, read_struct};
use super::args::{same_dimension, write_array, write_struct};
use super::estimator::{EstimatorOptions, at_least_one, read_estimator, rename};
use super::guard::guard;
use super::problem::{Kind, ProblemF64, borrow};
use super::status::Status;
use crate::bilevel::{InnerSolve, Outcome, Progress, Runner, Settings, Start, TraceRow};
use crate::error::invalid;
use crate::hypergradient::Estimator;
use crate::optimize::Rule;
use crate::problem::Problem;
use crate::solve::Flat;
use crate::{Error, Result};
use std::ffi::c_void;
use std::ops::ControlFlow;
use std::slice;

/// start: every inner solve begins at the w given.
pub const BLO_START_COLD: i32 = 0;
/// start: an inner solve begins at the w of the step before.
pub const BLO_START_WARM: i32 = 1;

/// inner: the solution nearest to where the solve begins, in closed form. Quadratics only.
pub const BLO_INNER_FIXPOINT: i32 = 0;
/// inner: gradient descent. Uses inner_alpha, inner_steps, inner_tolerance.
pub const BLO_INNER_DESCENT: i32 = 1;

/// rule: u = u - outer_step g.
pub const BLO_RULE_DESCENT: i32 = 0;
/// rule: Adam with bias correction. Uses outer_step, adam_beta1, adam_beta2, adam_epsilon.
pub const BLO_RULE_ADAM: i32 = 1;

/// ending: the outer tolerance was reached.
pub const BLO_RUN_CONVERGED: i32 = 0;
/// ending: all outer steps were made.
pub const BLO_RUN_STEP_LIMIT: i32 = 1;
/// ending: the monitor stopped the run.
pub const BLO_RUN_STOPPED: i32 = 2;
/// ending: the inner gradient grew a millionfold or overflowed: is inner_alpha too large? u and w are the last
/// sound ones.
pub const BLO_RUN_INNER_DIVERGED: i32 = 3;
/// ending: u or the hypergradient overflowed: is outer_step too large? u and w are the last sound ones.
pub const BLO_RUN_OUTER_DIVERGED: i32 = 4;

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
    /// One of BLO_RULE_, the rule for u. Default BLO_RULE_ADAM.
    pub rule: i32,
    /// 1: a warm start takes the look-ahead's w as the next one. 0: it makes new inner steps with the new u.
    /// Default 0.
    pub keep_look_ahead: i32,
    /// 1: fill distance_from_min_norm and null_component of the trace, for two closed-form inner solves a row.
    /// Default 0.
    pub distances: i32,
    /// 0.
    pub reserved1: i32,
    /// The inner steps T, or the most of them if inner_tolerance is not 0; 1 or above. To be set for
    /// BLO_INNER_DESCENT.
    pub inner_steps: i64,
    /// The most outer steps, 0 or above. Default 1000.
    pub outer_steps: i64,
    /// A trace row is written every so many outer steps, and at the end; 0: never. Default 1.
    pub trace_every: i64,
    /// The inner step size, above 0. To be set for BLO_INNER_DESCENT.
    pub inner_alpha: f64,
    /// Stop an inner solve once its gradient is this small relative to the largest of the run; 0 (the default)
    /// never stops.
    pub inner_tolerance: f64,
    /// The outer step size, above 0. Default 1e-3.
    pub outer_step: f64,
    /// Stop once the hypergradient is this small relative to the first one; 0 (the default): once it is exactly 0.
    pub outer_tolerance: f64,
    /// From 0 to below 1. Default 0.9.
    pub adam_beta1: f64,
    /// From 0 to below 1. Default 0.999.
    pub adam_beta2: f64,
    /// Above 0. Default 1e-8.
    pub adam_epsilon: f64,
}

// SAFETY: two u32, then integers and doubles without padding, as the assertion below shows.
unsafe impl Growing for RunOptions {
    const FIRST_SIZE: usize = 112;
}

const _: () = assert!(size_of::<RunOptions>() == RunOptions::FIRST_SIZE);

const DEFAULTS: RunOptions = RunOptions {
    struct_size: RunOptions::FIRST_SIZE as u32,
    reserved: 0,
    start: BLO_START_COLD,
    inner: BLO_INNER_FIXPOINT,
    rule: BLO_RULE_ADAM,
    keep_look_ahead: 0,
    distances: 0,
    reserved1: 0,
    inner_steps: 0,
    outer_steps: 1000,
    trace_every: 1,
    inner_alpha: 0.0,
    inner_tolerance: 0.0,
    outer_step: 1e-3,
    outer_tolerance: 0.0,
    adam_beta1: 0.9,
    adam_beta2: 0.999,
    adam_epsilon: 1e-8,
};

/// What a monitor sees after each hypergradient, before u moves. Valid until the monitor returns.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ProgressF64 {
    /// The size of this struct in the library.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// The outer steps made before.
    pub step: i64,
    /// The length of u and of hypergradient.
    pub n_outer: i64,
    /// The length of w.
    pub n_inner: i64,
    /// F(u, w).
    pub outer_loss: f64,
    /// |hypergradient|.
    pub norm_hypergradient: f64,
    /// u.
    pub u: *const f64,
    /// The w at which the hypergradient was taken.
    pub w: *const f64,
    /// dF/du, as estimated.
    pub hypergradient: *const f64,
}

/// Looks on at a run. Returns 0 to go on, another number to stop the run, which then succeeds with BLO_RUN_STOPPED.
/// Called on the thread that called the library. It must return: no C++ exception and no longjmp may leave it. It
/// may call this library.
pub type MonitorF64 = Option<unsafe extern "C" fn(progress: *const ProgressF64, user_data: *mut c_void) -> i32>;

/// How a run went. Set struct_size before the call; nothing is written past it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutcomeInfo {
    /// sizeof(blo_outcome).
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// One of BLO_RUN_.
    pub ending: i32,
    /// 0.
    pub reserved1: i32,
    /// Outer steps made.
    pub steps: i64,
    /// Inner gradient steps made.
    pub inner_steps: i64,
    /// Products with H spent on hypergradients.
    pub products: i64,
    /// Hypergradients whose solve ended otherwise than BLO_ENDING_COMPLETED or BLO_ENDING_CONVERGED.
    pub doubtful_solves: i64,
    /// Trace rows written.
    pub trace_rows: i64,
    /// F at the last hypergradient.
    pub outer_loss: f64,
    /// The norm of the last hypergradient.
    pub norm_hypergradient: f64,
}

// SAFETY: two u32, then integers and doubles without padding, as the assertion below shows.
unsafe impl Growing for OutcomeInfo {
    const FIRST_SIZE: usize = 72;
}

const _: () = assert!(size_of::<OutcomeInfo>() == OutcomeInfo::FIRST_SIZE);

impl From<&Outcome> for OutcomeInfo {
    fn from(outcome: &Outcome) -> OutcomeInfo {
        OutcomeInfo {
            struct_size: OutcomeInfo::FIRST_SIZE as u32,
            reserved: 0,
            ending: outcome.ending.number(),
            reserved1: 0,
            steps: outcome.steps as i64,
            inner_steps: outcome.inner_steps as i64,
            products: outcome.products as i64,
            doubtful_solves: outcome.doubtful_solves as i64,
            trace_rows: outcome.trace_rows as i64,
            outer_loss: outcome.outer_loss,
            norm_hypergradient: outcome.norm_hypergradient,
        }
    }
}

/// Fills the options of a run with their defaults.
///
/// - options [out]: the options
/// - size [in]: sizeof *options
///
/// Errors: BLO_ERR_NULL; BLO_ERR_STRUCT_SIZE for a size below the first released one; BLO_ERR_INVALID for one above
/// 4096.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_run_options_init(options: *mut RunOptions, size: usize) -> Status {
    // SAFETY: the caller vouches for `size` bytes.
    guard(|| unsafe { init_struct("options", options, size, &DEFAULTS) })
}

/// Runs a bilevel loop: solve the inner problem for w, take the hypergradient at (u, w), move u, and again.
///
/// - problem [in]: the problem
/// - options [in]: what the run does; NULL for the defaults
/// - estimator [in]: how hypergradients are approximated; NULL for the defaults. With BLO_ESTIMATOR_UNROLLED and
///   BLO_INNER_DESCENT the inner steps are those that are differentiated: steps and alpha equal inner_steps and
///   inner_alpha, and inner_tolerance is 0
/// - u [in, out, n_outer], n_outer [in]: where u starts and ends, and its length, the problem's
/// - w [in, out, n_inner], n_inner [in]: where w starts and ends, and its length. A cold start begins every inner
///   solve at the w given
/// - monitor [in]: called after each hypergradient; may be NULL
/// - user_data [in]: passed to monitor
/// - trace [out, capacity]: rows of the run, not to be touched while it lasts; NULL if capacity is 0
/// - capacity [in]: the most rows; what does not fit is not recorded
/// - outcome [out]: how it went; struct_size to be set
///
/// After an error u, w and outcome are unchanged, and trace has no meaning. Divergence is not an error: see ending
/// in outcome. Scratch is allocated where it is first needed, and reused.
///
/// Errors: as blo_hypergradient_f64, and BLO_ERR_UNSUPPORTED for keep_look_ahead with a cold start, and for
/// BLO_INNER_FIXPOINT or distances with callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_run_f64(
    problem: *const ProblemF64,
    options: *const RunOptions,
    estimator: *const EstimatorOptions,
    u: *mut f64,
    n_outer: i64,
    w: *mut f64,
    n_inner: i64,
    monitor: MonitorF64,
    user_data: *mut c_void,
    trace: *mut TraceRow,
    capacity: i64,
    outcome: *mut OutcomeInfo,
) -> Status {
    guard(|| {
        // SAFETY: the caller vouches for a living handle.
        let problem = unsafe { borrow(problem) }?;
        // SAFETY: the caller vouches for structs of the sizes in their first fields.
        let (options, estimator, outcome_size) = unsafe {
            let options = if options.is_null() { DEFAULTS } else { read_struct("options", options, DEFAULTS)? };
            (options, read_estimator("estimator", estimator)?, declared_size("outcome", outcome)?)
        };
        let settings = options.settings(estimator)?;
        let trace_every = count("trace_every", options.trace_every)?;
        let (m, n) = problem.dimensions();
        same_dimension("n_outer", n_outer, m)?;
        same_dimension("n_inner", n_inner, n)?;
        // SAFETY: the caller vouches for arrays of these sizes, the first two of which have just been compared with the
        // problem's.
        let (start_u, start_w, rows) = unsafe {
            let rows = trace_rows(trace, capacity, trace_every, settings.outer_steps)?;
            (read_array("u", u, m)?, read_array("w", w, n)?, rows)
        };
        let how = How { settings, trace_every, monitor, user_data };
        let end = match problem {
            Kind::Quadratic(problem) => how.run(problem, &start_u, &start_w, rows),
            Kind::User(problem) => how.run(problem, &start_u, &start_w, rows),
        }?;
        // SAFETY: as for the inputs.
        unsafe {
            write_array(u, &end.u);
            write_array(w, &end.w);
            write_struct(outcome, outcome_size, &OutcomeInfo::from(&end.outcome));
        }
        Ok(())
    })
}

/// The part of the caller's trace that the run can reach, zero.
///
/// # Safety
///
/// `trace` is null or points to `capacity` rows that nobody else uses while the result lives.
unsafe fn trace_rows<'a>(
    trace: *mut TraceRow,
    capacity: i64,
    every: usize,
    outer_steps: usize,
) -> Result<&'a mut [TraceRow]> {
    let capacity = count("capacity", capacity)?;
    if capacity == 0 {
        return Ok(&mut []);
    }
    if trace.is_null() {
        return Err(Error::Null { argument: "trace" });
    }
    if !trace.is_aligned() {
        return Err(invalid("trace", format!("{trace:p}"), format!("a multiple of {}", align_of::<TraceRow>())));
    }
    let reached = outer_steps.checked_div(every).map_or(0, |rows| rows.saturating_add(2));
    let rows = capacity.min(reached);
    // SAFETY: as the caller of this function vouches; zero bytes are a row.
    unsafe {
        trace.write_bytes(0, rows);
        Ok(slice::from_raw_parts_mut(trace, rows))
    }
}

impl RunOptions {
    fn settings(&self, estimator: Estimator) -> Result<Settings> {
        if self.reserved1 != 0 {
            return Err(invalid("reserved1", self.reserved1, 0));
        }
        for (argument, value) in [
            ("inner_alpha", self.inner_alpha),
            ("inner_tolerance", self.inner_tolerance),
            ("outer_step", self.outer_step),
            ("outer_tolerance", self.outer_tolerance),
            ("adam_beta1", self.adam_beta1),
            ("adam_beta2", self.adam_beta2),
            ("adam_epsilon", self.adam_epsilon),
        ] {
            finite(argument, value)?;
        }
        let start = match choice("start", self.start, &["BLO_START_COLD", "BLO_START_WARM"])? as i32 {
            BLO_START_WARM => Start::Warm,
            _ => Start::Cold,
        };
        let inner = match choice("inner", self.inner, &["BLO_INNER_FIXPOINT", "BLO_INNER_DESCENT"])? as i32 {
            BLO_INNER_DESCENT => InnerSolve::Optimizer {
                rule: Rule::descent(self.inner_alpha),
                steps: at_least_one("inner_steps", self.inner_steps)?,
                tolerance: self.inner_tolerance,
            },
            _ => InnerSolve::Fixpoint,
        };
        let step = self.outer_step;
        let outer = match choice("rule", self.rule, &["BLO_RULE_DESCENT", "BLO_RULE_ADAM"])? as i32 {
            BLO_RULE_DESCENT => Rule::Descent { step },
            _ => Rule::Adam { step, beta1: self.adam_beta1, beta2: self.adam_beta2, epsilon: self.adam_epsilon },
        };
        outer.validate().map_err(|error| rename(error, &RULE_NAMES))?;
        let mut settings = Settings::new(start, inner, estimator, outer);
        settings.outer_steps = count("outer_steps", self.outer_steps)?;
        settings.outer_tolerance = self.outer_tolerance;
        settings.keep_look_ahead = flag("keep_look_ahead", self.keep_look_ahead)?;
        settings.distances = flag("distances", self.distances)?;
        if let (Estimator::Unrolled(unrolled), BLO_INNER_DESCENT) = (settings.estimator, self.inner)
            && unrolled.rule.step() != self.inner_alpha
        {
            return Err(invalid("alpha", unrolled.rule.step(), format!("the inner alpha, {}", self.inner_alpha)));
        }
        settings.validate().map_err(|error| rename(error, &SETTING_NAMES))?;
        Ok(settings)
    }
}

const RULE_NAMES: [(&str, &str); 4] =
    [("step", "outer_step"), ("beta1", "adam_beta1"), ("beta2", "adam_beta2"), ("epsilon", "adam_epsilon")];

const SETTING_NAMES: [(&str, &str); 4] = [
    ("inner step", "inner_alpha"),
    ("inner steps", "inner_steps"),
    ("inner tolerance", "inner_tolerance"),
    ("unrolled steps", "steps"),
];

/// A run, all but the problem.
struct How {
    settings: Settings,
    trace_every: usize,
    monitor: MonitorF64,
    user_data: *mut c_void,
}

struct End {
    u: Vec<f64>,
    w: Vec<f64>,
    outcome: Outcome,
}

impl How {
    fn run<P: Problem<f64, Points = Flat, Vectors = Flat>>(
        self,
        problem: &P,
        u: &[f64],
        w: &[f64],
        rows: &mut [TraceRow],
    ) -> Result<End> {
        let mut runner = Runner::new(problem, self.settings, u, w)?;
        let outcome = runner.run_with(self.trace_every, rows, |progress| match self.monitor {
            None => ControlFlow::Continue(()),
            Some(monitor) => {
                let progress = seen(progress);
                // SAFETY: the pointers in `progress` live until the monitor returns.
                match unsafe { monitor(&progress, self.user_data) } {
                    0 => ControlFlow::Continue(()),
                    _ => ControlFlow::Break(()),
                }
            }
        })?;
        Ok(End { u: runner.u().clone(), w: runner.w().clone(), outcome })
    }
}

fn seen(progress: &Progress<'_, Vec<f64>>) -> ProgressF64 {
    ProgressF64 {
        struct_size: size_of::<ProgressF64>() as u32,
        reserved: 0,
        step: progress.step as i64,
        n_outer: progress.u.len() as i64,
        n_inner: progress.w.len() as i64,
        outer_loss: progress.evaluation.outer_loss,
        norm_hypergradient: progress.norm_hypergradient,
        u: progress.u.as_ptr(),
        w: progress.w.as_ptr(),
        hypergradient: progress.hypergradient.as_ptr(),
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
            inner: BLO_INNER_DESCENT,
            rule: BLO_RULE_ADAM,
            keep_look_ahead: 1,
            distances: 1,
            inner_steps: 2,
            outer_steps: 3,
            inner_alpha: 0.4,
            inner_tolerance: 0.5,
            outer_step: 0.6,
            outer_tolerance: 0.7,
            adam_beta1: 0.8,
            adam_beta2: 0.9,
            adam_epsilon: 0.01,
            ..DEFAULTS
        };
        let descent = InnerSolve::Optimizer { rule: Rule::descent(0.4), steps: 2, tolerance: 0.5 };
        let adam = Rule::Adam { step: 0.6, beta1: 0.8, beta2: 0.9, epsilon: 0.01 };
        let mut expected = Settings::new(Start::Warm, descent, Inverse::Zero, adam);
        expected.outer_steps = 3;
        expected.outer_tolerance = 0.7;
        expected.keep_look_ahead = true;
        expected.distances = true;
        assert_eq!(set.settings(Inverse::Zero.into()).unwrap(), expected);
        let other = RunOptions {
            start: BLO_START_COLD,
            inner: BLO_INNER_FIXPOINT,
            rule: BLO_RULE_DESCENT,
            keep_look_ahead: 0,
            distances: 0,
            ..set
        };
        expected.start = Start::Cold;
        expected.inner = InnerSolve::Fixpoint;
        expected.outer = Rule::Descent { step: 0.6 }.into();
        expected.keep_look_ahead = false;
        expected.distances = false;
        assert_eq!(other.settings(Inverse::Zero.into()).unwrap(), expected);
    }

    #[test]
    fn the_defaults_are_those_of_the_library() {
        let expected = Settings::new(Start::Cold, InnerSolve::Fixpoint, Inverse::Zero, Rule::adam(1e-3));
        assert_eq!(DEFAULTS.settings(Inverse::Zero.into()).unwrap(), expected);
    }
}
