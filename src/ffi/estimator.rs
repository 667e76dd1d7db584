//! How a hypergradient is approximated, as a C struct.

use super::args::{Growing, choice, count, finite, flag, init_struct, read_struct};
use super::guard::guard;
use super::optimizer::{RULE, RuleOptions};
use super::status::Status;
use crate::error::invalid;
use crate::hypergradient::{Estimator, Mode, Unrolled};
use crate::solve::{Inverse, OnGrowth, Solve, Spectral, Step};
use crate::{Error, Result};

/// In a field that says so: take the default.
pub const BLO_DEFAULT: i32 = -1;

/// kind: q = H^+ b, exact and of minimum norm; eigenvalues at or below cutoff times the largest count as zero. Uses
/// by, cutoff.
pub const BLO_ESTIMATOR_MIN_NORM: i32 = 0;
/// kind: q = (H + epsilon I)^-1 b. Uses by, epsilon.
pub const BLO_ESTIMATOR_DAMPED: i32 = 1;
/// kind: q = alpha sum_{j=0..K} (I - alpha H)^j b, term by term: K products. Uses terms, step, alpha, on_growth.
pub const BLO_ESTIMATOR_NEUMANN: i32 = 2;
/// kind: the same sum from the spectrum of H, any K for the price of a decomposition. Uses by, terms, alpha.
pub const BLO_ESTIMATOR_NEUMANN_FILTER: i32 = 3;
/// kind: conjugate gradients from q = 0, for positive semidefinite H. Uses iterations, tolerance.
pub const BLO_ESTIMATOR_CG: i32 = 4;
/// kind: q = alpha b, the Neumann series with K = 0. Uses alpha.
pub const BLO_ESTIMATOR_IDENTITY: i32 = 5;
/// kind: q = 0, the direct gradient alone.
pub const BLO_ESTIMATOR_ZERO: i32 = 6;
/// kind: differentiate T steps of an optimizer that start at w. Uses steps, last, mode, rule.
pub const BLO_ESTIMATOR_UNROLLED: i32 = 7;
/// kind: as BLO_ESTIMATOR_MIN_NORM, for positive semidefinite H, by conjugate gradients twice. Uses tolerance,
/// max_products (to be set).
pub const BLO_ESTIMATOR_CG_TWICE: i32 = 8;
/// kind: as BLO_ESTIMATOR_MIN_NORM, by MINRES, also for indefinite H. Uses tolerance, max_products (to be set).
pub const BLO_ESTIMATOR_MINRES: i32 = 9;
/// kind: q = (H_k + epsilon I)^-1 b with a Nystrom approximation H_k of H from k random directions. Uses rank, epsilon,
/// seed.
pub const BLO_ESTIMATOR_NYSTROM: i32 = 10;
/// kind: q = H^-1 b by restarted GMRES, for H that need not be symmetric. Uses restart, tolerance, max_products (to be
/// set).
pub const BLO_ESTIMATOR_GMRES: i32 = 11;

/// mode: backward, keeping each state.
pub const BLO_MODE_REVERSE: i32 = 0;
/// mode: backward, keeping every sqrt(T)-th state and repeating the steps between.
pub const BLO_MODE_REVERSE_CHECKPOINTED: i32 = 1;
/// mode: forward, one tangent for each element of u. q is not formed: zero.
pub const BLO_MODE_FORWARD: i32 = 2;

/// by: matrix-free, by a Lanczos process from b. Uses tolerance, max_products.
pub const BLO_BY_LANCZOS: i32 = 0;
/// by: a dense eigendecomposition of H.
pub const BLO_BY_DENSE: i32 = 1;

/// step: alpha is in alpha.
pub const BLO_STEP_FIXED: i32 = 0;
/// step: alpha = 1 / (largest curvature that up to 10 Lanczos steps from b see). BLO_ESTIMATOR_NEUMANN only.
pub const BLO_STEP_AUTO: i32 = 1;

/// on_growth: stop when the terms of the Neumann series grow, with the sum up to the smallest term.
pub const BLO_GROWTH_STOP: i32 = 0;
/// on_growth: go on to K all the same, and report the growth.
pub const BLO_GROWTH_CONTINUE: i32 = 1;

/// How a hypergradient is approximated: dF/du = (partial F / partial u) - M' q, where q approximates H^-1 b and
/// b = partial F / partial w.
///
/// Initialise it with blo_estimator_options_init, then set kind and the fields that the kind uses. The defaults are
/// BLO_ESTIMATOR_MIN_NORM by Lanczos. Fields that a kind does not use are checked for being numbers and known
/// choices only.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EstimatorOptions {
    /// Set by blo_estimator_options_init.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// One of BLO_ESTIMATOR_.
    pub kind: i32,
    /// One of BLO_BY_: how a spectral filter is applied. Default BLO_BY_LANCZOS.
    pub by: i32,
    /// One of BLO_STEP_. Default BLO_STEP_FIXED.
    pub step: i32,
    /// One of BLO_GROWTH_. Default BLO_GROWTH_STOP.
    pub on_growth: i32,
    /// 1: spend one more product with H on the residual of the report. 0: do not. Default 1; unrolling has no
    /// residual.
    pub verify: i32,
    /// 1: start from the q of the workspace's last evaluation, q = q + r(H) (b - H q), instead of from 0. For
    /// BLO_ESTIMATOR_CG, _CG_TWICE, _MINRES, _GMRES, _NEUMANN, _IDENTITY, and _DAMPED by Lanczos. Default 0.
    pub start_from_last: i32,
    /// One of BLO_MODE_: how unrolled steps are differentiated. Default BLO_MODE_REVERSE.
    pub mode: i32,
    /// 0.
    pub reserved1: i32,
    /// K, 0 or above: the products of a Neumann series, which has K + 1 terms. To be set.
    pub terms: i64,
    /// The most iterations of conjugate gradients, 1 or above. To be set.
    pub iterations: i64,
    /// The most products, 1 or above; BLO_DEFAULT (the default), for a Lanczos process only: n_inner + 4.
    pub max_products: i64,
    /// T, the steps to unroll, 1 or above. To be set.
    pub steps: i64,
    /// Differentiate only the last this many steps, 1 to T; BLO_DEFAULT (the default): all.
    pub last: i64,
    /// The most passes of iterative refinement, for BLO_ESTIMATOR_DAMPED and BLO_ESTIMATOR_CG. Default 0.
    pub refine: i64,
    /// k of the Nystrom approximation, 1 or above. To be set.
    pub rank: i64,
    /// Products in a cycle of GMRES, 1 or above. To be set.
    pub restart: i64,
    /// Of the Nystrom approximation's directions. Default 0.
    pub seed: u64,
    /// alpha, above 0. To be set, but 0 with BLO_STEP_AUTO.
    pub alpha: f64,
    /// The damping, above 0. To be set.
    pub epsilon: f64,
    /// From 0 to below 1; BLO_DEFAULT (the default): 1e-10 in doubles, 1e-6 in
    /// floats.
    pub cutoff: f64,
    /// 0 or above. Lanczos: stop once q changes by less, relatively, twice running; BLO_DEFAULT (the default):
    /// 1e-12 in doubles, 1e-6 in floats. The other iterations: stop once |b - H q| is this small relative to |b|; 0 or BLO_DEFAULT: at the
    /// rounding floor.
    pub tolerance: f64,
    /// The optimizer whose steps are differentiated.
    pub rule: RuleOptions,
}

// SAFETY: two u32, then integers and doubles without padding, as the assertion below shows.
unsafe impl Growing for EstimatorOptions {
    const FIRST_SIZE: usize = 192;
}

const _: () = assert!(size_of::<EstimatorOptions>() == EstimatorOptions::FIRST_SIZE);

const DEFAULTS: EstimatorOptions = EstimatorOptions {
    struct_size: EstimatorOptions::FIRST_SIZE as u32,
    reserved: 0,
    kind: BLO_ESTIMATOR_MIN_NORM,
    by: BLO_BY_LANCZOS,
    step: BLO_STEP_FIXED,
    on_growth: BLO_GROWTH_STOP,
    verify: 1,
    start_from_last: 0,
    mode: BLO_MODE_REVERSE,
    reserved1: 0,
    terms: -1,
    iterations: 0,
    max_products: BLO_DEFAULT as i64,
    steps: 0,
    last: BLO_DEFAULT as i64,
    refine: 0,
    rank: 0,
    restart: 0,
    seed: 0,
    alpha: 0.0,
    epsilon: 0.0,
    cutoff: BLO_DEFAULT as f64,
    tolerance: BLO_DEFAULT as f64,
    rule: RULE,
};

/// Fills the options of an estimator with their defaults.
///
/// - options [out]: the options
/// - size [in]: sizeof *options
///
/// Errors: BLO_ERR_NULL; BLO_ERR_STRUCT_SIZE for a size below the first released one; BLO_ERR_INVALID for one above
/// 4096. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_estimator_options_init(options: *mut EstimatorOptions, size: usize) -> Status {
    // SAFETY: the caller vouches for `size` bytes.
    guard(|| unsafe { Ok(init_struct("options", options, size, &DEFAULTS)?) })
}

/// The estimator that options describe; the default one if they are null.
///
/// # Safety
///
/// `options` is null or points to as many readable bytes as its first field says.
pub(super) unsafe fn read_estimator(argument: &'static str, options: *const EstimatorOptions) -> Result<Estimator> {
    // SAFETY: as the caller of this function vouches.
    let options = if options.is_null() { DEFAULTS } else { unsafe { read_struct(argument, options, DEFAULTS) }? };
    let estimator = options.estimator()?;
    estimator.validate()?;
    Ok(estimator)
}

/// The solve that a pointer means; unrolling is none.
///
/// # Safety
///
/// As `read_estimator`.
pub(super) unsafe fn read_solve(
    argument: &'static str,
    operation: &'static str,
    options: *const EstimatorOptions,
) -> Result<Solve> {
    // SAFETY: as the caller of this function vouches.
    match unsafe { read_estimator(argument, options) }? {
        Estimator::Implicit(solve) => Ok(solve),
        Estimator::Unrolled(_) => Err(Error::Unsupported { operation, reason: "unrolling is no solve with H" }),
    }
}

impl EstimatorOptions {
    fn estimator(&self) -> Result<Estimator> {
        if self.reserved1 != 0 {
            return Err(invalid("reserved1", self.reserved1, 0));
        }
        for (argument, value) in
            [("alpha", self.alpha), ("epsilon", self.epsilon), ("cutoff", self.cutoff), ("tolerance", self.tolerance)]
        {
            finite(argument, value)?;
        }
        let kind = choice("kind", self.kind, &KINDS)? as i32;
        let by = self.by()?;
        let step = self.step(kind)?;
        let on_growth = match choice("on_growth", self.on_growth, &["BLO_GROWTH_STOP", "BLO_GROWTH_CONTINUE"])? as i32 {
            BLO_GROWTH_CONTINUE => OnGrowth::Continue,
            _ => OnGrowth::Stop,
        };
        let verify = flag("verify", self.verify)?;
        let mode = match choice("mode", self.mode, &MODES)? as i32 {
            BLO_MODE_REVERSE_CHECKPOINTED => Mode::ReverseCheckpointed,
            BLO_MODE_FORWARD => Mode::Forward,
            _ => Mode::Reverse,
        };
        let refine = count("refine", self.refine)?;
        let start_from_last = flag("start_from_last", self.start_from_last)?;
        let tolerance = or_default(self.tolerance);
        let inverse = match kind {
            BLO_ESTIMATOR_DAMPED => Inverse::Damped { epsilon: self.epsilon, by },
            BLO_ESTIMATOR_NEUMANN => Inverse::Neumann { terms: count("terms", self.terms)?, step, on_growth },
            BLO_ESTIMATOR_NEUMANN_FILTER => {
                Inverse::NeumannFilter { terms: count("terms", self.terms)? as u64, alpha: self.alpha, by }
            }
            BLO_ESTIMATOR_CG => Inverse::Cg {
                iterations: at_least_one("iterations", self.iterations)?,
                tolerance: tolerance.unwrap_or(0.0),
            },
            BLO_ESTIMATOR_IDENTITY => Inverse::Identity { alpha: self.alpha },
            BLO_ESTIMATOR_ZERO => Inverse::Zero,
            BLO_ESTIMATOR_UNROLLED => {
                let rule = self.rule.read(&RULE_NAMES)?;
                let steps = at_least_one("steps", self.steps)?;
                return Ok(Estimator::Unrolled(Unrolled {
                    rule,
                    steps,
                    last: count_or_default("last", self.last)?,
                    mode,
                }));
            }
            BLO_ESTIMATOR_CG_TWICE => {
                Inverse::CgTwice { tolerance: tolerance.unwrap_or(0.0), max_products: self.most_products()? }
            }
            BLO_ESTIMATOR_MINRES => {
                Inverse::Minres { tolerance: tolerance.unwrap_or(0.0), max_products: self.most_products()? }
            }
            BLO_ESTIMATOR_NYSTROM => {
                Inverse::Nystrom { rank: at_least_one("rank", self.rank)?, epsilon: self.epsilon, seed: self.seed }
            }
            BLO_ESTIMATOR_GMRES => Inverse::Gmres {
                restart: at_least_one("restart", self.restart)?,
                tolerance: tolerance.unwrap_or(0.0),
                max_products: self.most_products()?,
            },
            _ => Inverse::MinNorm { cutoff: or_default(self.cutoff), by },
        };
        Ok(Estimator::Implicit(Solve { inverse, verify, refine, start_from_last }))
    }

    fn most_products(&self) -> Result<usize> {
        at_least_one("max_products", self.max_products)
    }

    fn by(&self) -> Result<Spectral> {
        match choice("by", self.by, &["BLO_BY_LANCZOS", "BLO_BY_DENSE"])? as i32 {
            BLO_BY_DENSE => Ok(Spectral::Dense),
            _ => Ok(Spectral::Lanczos {
                tolerance: or_default(self.tolerance),
                max_products: count_or_default("max_products", self.max_products)?,
            }),
        }
    }

    fn step(&self, kind: i32) -> Result<Step> {
        if choice("step", self.step, &["BLO_STEP_FIXED", "BLO_STEP_AUTO"])? as i32 == BLO_STEP_FIXED {
            return Ok(Step::Fixed(self.alpha));
        }
        if kind != BLO_ESTIMATOR_NEUMANN {
            return Err(invalid(
                "step",
                "BLO_STEP_AUTO",
                "BLO_STEP_FIXED: only BLO_ESTIMATOR_NEUMANN chooses its step",
            ));
        }
        if self.alpha != 0.0 {
            return Err(invalid("alpha", format!("{} with BLO_STEP_AUTO", self.alpha), 0));
        }
        Ok(Step::Auto)
    }
}

const RULE_NAMES: [&str; 6] = ["rule.kind", "rule.step", "rule.momentum", "rule.beta1", "rule.beta2", "rule.epsilon"];

const MODES: [&str; 3] = ["BLO_MODE_REVERSE", "BLO_MODE_REVERSE_CHECKPOINTED", "BLO_MODE_FORWARD"];

const KINDS: [&str; 12] = [
    "BLO_ESTIMATOR_MIN_NORM",
    "BLO_ESTIMATOR_DAMPED",
    "BLO_ESTIMATOR_NEUMANN",
    "BLO_ESTIMATOR_NEUMANN_FILTER",
    "BLO_ESTIMATOR_CG",
    "BLO_ESTIMATOR_IDENTITY",
    "BLO_ESTIMATOR_ZERO",
    "BLO_ESTIMATOR_UNROLLED",
    "BLO_ESTIMATOR_CG_TWICE",
    "BLO_ESTIMATOR_MINRES",
    "BLO_ESTIMATOR_NYSTROM",
    "BLO_ESTIMATOR_GMRES",
];

fn or_default(value: f64) -> Option<f64> {
    (value != f64::from(BLO_DEFAULT)).then_some(value)
}

/// The library checks the range of what is not negative.
fn count_or_default(argument: &'static str, n: i64) -> Result<Option<usize>> {
    if n == i64::from(BLO_DEFAULT) {
        return Ok(None);
    }
    let expected = "a number, 1 or above, or BLO_DEFAULT (-1)";
    count(argument, n).map(Some).map_err(|_| invalid(argument, n, expected))
}

pub(super) fn at_least_one(argument: &'static str, n: i64) -> Result<usize> {
    match count(argument, n) {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(invalid(argument, n, "a number, 1 or above")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Rule;

    #[test]
    fn every_field_arrives() {
        let set = EstimatorOptions {
            verify: 0,
            terms: 3,
            iterations: 4,
            max_products: 5,
            steps: 6,
            last: 2,
            refine: 0,
            rank: 9,
            restart: 8,
            seed: 10,
            rule: RuleOptions { kind: 2, step: 0.3, beta1: 0.4, beta2: 0.5, epsilon: 0.6, ..RULE },
            alpha: 0.7,
            epsilon: 0.8,
            cutoff: 0.09,
            tolerance: 0.01,
            ..DEFAULTS
        };
        let lanczos = Spectral::Lanczos { tolerance: Some(0.01), max_products: Some(5) };
        let (dense, alpha) = (EstimatorOptions { by: BLO_BY_DENSE, ..set }, 0.7);
        let neumann = |step, on_growth| Inverse::Neumann { terms: 3, step, on_growth };
        for (kind, options, inverse) in [
            (BLO_ESTIMATOR_MIN_NORM, set, Inverse::MinNorm { cutoff: Some(0.09), by: lanczos }),
            (BLO_ESTIMATOR_MIN_NORM, dense, Inverse::MinNorm { cutoff: Some(0.09), by: Spectral::Dense }),
            (BLO_ESTIMATOR_DAMPED, set, Inverse::Damped { epsilon: 0.8, by: lanczos }),
            (BLO_ESTIMATOR_DAMPED, dense, Inverse::Damped { epsilon: 0.8, by: Spectral::Dense }),
            (BLO_ESTIMATOR_NEUMANN, set, neumann(Step::Fixed(alpha), OnGrowth::Stop)),
            (
                BLO_ESTIMATOR_NEUMANN,
                EstimatorOptions { on_growth: BLO_GROWTH_CONTINUE, ..set },
                neumann(Step::Fixed(alpha), OnGrowth::Continue),
            ),
            (
                BLO_ESTIMATOR_NEUMANN,
                EstimatorOptions { step: BLO_STEP_AUTO, alpha: 0.0, ..set },
                neumann(Step::Auto, OnGrowth::Stop),
            ),
            (BLO_ESTIMATOR_NEUMANN_FILTER, set, Inverse::NeumannFilter { terms: 3, alpha, by: lanczos }),
            (BLO_ESTIMATOR_CG, set, Inverse::Cg { iterations: 4, tolerance: 0.01 }),
            (BLO_ESTIMATOR_IDENTITY, set, Inverse::Identity { alpha }),
            (BLO_ESTIMATOR_ZERO, set, Inverse::Zero),
            (BLO_ESTIMATOR_CG_TWICE, set, Inverse::CgTwice { tolerance: 0.01, max_products: 5 }),
            (BLO_ESTIMATOR_MINRES, set, Inverse::Minres { tolerance: 0.01, max_products: 5 }),
            (BLO_ESTIMATOR_NYSTROM, set, Inverse::Nystrom { rank: 9, epsilon: 0.8, seed: 10 }),
            (BLO_ESTIMATOR_GMRES, set, Inverse::Gmres { restart: 8, tolerance: 0.01, max_products: 5 }),
        ] {
            for verify in [false, true] {
                let options = EstimatorOptions { kind, verify: verify.into(), ..options };
                assert_eq!(options.estimator().unwrap(), Estimator::Implicit(Solve { verify, ..inverse.into() }));
            }
        }
        let options = EstimatorOptions { kind: BLO_ESTIMATOR_CG, refine: 2, start_from_last: 1, ..set };
        let cg = Inverse::Cg { iterations: 4, tolerance: 0.01 };
        let solve = Solve { inverse: cg, verify: false, refine: 2, start_from_last: true };
        assert_eq!(options.estimator().unwrap(), Estimator::Implicit(solve));
        let rule = Rule::Adam { step: 0.3, beta1: 0.4, beta2: 0.5, epsilon: 0.6 };
        for (number, mode) in [Mode::Reverse, Mode::ReverseCheckpointed, Mode::Forward].into_iter().enumerate() {
            let options = EstimatorOptions { kind: BLO_ESTIMATOR_UNROLLED, mode: number as i32, ..set };
            let unrolled = Unrolled { rule, steps: 6, last: Some(2), mode };
            assert_eq!(options.estimator().unwrap(), Estimator::Unrolled(unrolled));
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_library() {
        let exact = Inverse::MinNorm { cutoff: None, by: Spectral::LANCZOS };
        assert_eq!(DEFAULTS.estimator().unwrap(), Estimator::from(exact));
        let options = EstimatorOptions { kind: BLO_ESTIMATOR_CG, iterations: 1, ..DEFAULTS };
        assert_eq!(options.estimator().unwrap(), Estimator::from(Inverse::Cg { iterations: 1, tolerance: 0.0 }));
        let options = EstimatorOptions { kind: BLO_ESTIMATOR_UNROLLED, steps: 1, ..DEFAULTS };
        let unrolled = Unrolled::descent(1, 1e-3);
        assert_eq!(options.estimator().unwrap(), Estimator::Unrolled(unrolled));
    }
}
