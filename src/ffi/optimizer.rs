//! First-order rules, alone: for loops that are stepped from outside.

use super::args::{choice, dimension, elements, finite, not_null, read_into, same_dimension, write_array};
use super::guard::{Done, guard};
use super::handle::{self, Opaque, create, enter};
use super::status::Status;
use crate::error::invalid;
use crate::optimize::{Rule, State};
use crate::solve::{Flat, Space};
use crate::{Error, Result, Scalar};
use std::marker::PhantomData;

/// rule: x = x - step g.
pub const BLO_RULE_DESCENT: i32 = 0;
/// rule: v = momentum v + g; x = x - step v.
pub const BLO_RULE_MOMENTUM: i32 = 1;
/// rule: Adam with bias correction.
pub const BLO_RULE_ADAM: i32 = 2;

/// How a point is moved along a gradient. Part of option structs, whose init functions fill it; by itself, with
/// blo_rule_init. This struct does not grow.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RuleOptions {
    /// One of BLO_RULE_. Default BLO_RULE_DESCENT.
    pub kind: i32,
    /// 0.
    pub reserved: i32,
    /// The step size, above 0. Default 1e-3.
    pub step: f64,
    /// From 0 to below 1, for BLO_RULE_MOMENTUM. Default 0.9.
    pub momentum: f64,
    /// From 0 to below 1, for BLO_RULE_ADAM. Default 0.9.
    pub beta1: f64,
    /// From 0 to below 1, for BLO_RULE_ADAM. Default 0.999.
    pub beta2: f64,
    /// Above 0, for BLO_RULE_ADAM. Default 1e-8.
    pub epsilon: f64,
}

pub(super) const RULE: RuleOptions = RuleOptions {
    kind: BLO_RULE_DESCENT,
    reserved: 0,
    step: 1e-3,
    momentum: 0.9,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
};

impl RuleOptions {
    /// The rule, whose fields errors call by `names`: kind, step, momentum, beta1, beta2, epsilon.
    pub(super) fn read(&self, names: &[&'static str; 6]) -> Result<Rule> {
        let RuleOptions { kind, reserved, step, momentum, beta1, beta2, epsilon } = *self;
        if reserved != 0 {
            return Err(invalid(names[0], format!("reserved {reserved}"), "reserved 0"));
        }
        for (name, value) in names[1..].iter().zip([step, momentum, beta1, beta2, epsilon]) {
            finite(name, value)?;
        }
        let kinds = ["BLO_RULE_DESCENT", "BLO_RULE_MOMENTUM", "BLO_RULE_ADAM"];
        let rule = match choice(names[0], kind, &kinds)? as i32 {
            BLO_RULE_DESCENT => Rule::Descent { step },
            BLO_RULE_MOMENTUM => Rule::Momentum { step, momentum },
            _ => Rule::Adam { step, beta1, beta2, epsilon },
        };
        let rust = ["step", "momentum", "beta1", "beta2", "epsilon"];
        rule.validate().map_err(|error| match error {
            Error::Invalid { argument, found, expected } => {
                let name = rust.iter().position(|name| *name == argument).map_or(argument, |i| names[i + 1]);
                Error::Invalid { argument: name, found, expected }
            }
            error => error,
        })?;
        Ok(rule)
    }
}

/// Fills a rule with its defaults.
///
/// - rule [out]: the rule
///
/// Errors: BLO_ERR_NULL. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_rule_init(rule: *mut RuleOptions) -> Status {
    guard(|| {
        not_null("rule", rule)?;
        // SAFETY: not null, so a place for a rule.
        unsafe { rule.write_unaligned(RULE) };
        Ok(())
    })
}

/// A rule with its buffers, for loops of the caller's own.
///
/// One call at a time may use it (BLO_ERR_BUSY otherwise); different optimizers are independent.
pub struct Optimizer<T>(PhantomData<T>);

/// What an optimizer owns.
pub(super) struct Moves<T> {
    rule: Rule,
    space: Flat,
    state: State<Vec<T>>,
    gradient: Vec<T>,
}

impl<T: Scalar> Opaque for Optimizer<T> {
    type Value = Moves<T>;
    const TAG: u64 = 0xb10_0010 + size_of::<T>() as u64;
}

const NAMES: [&str; 6] = ["kind", "step", "momentum", "beta1", "beta2", "epsilon"];

/// Makes an optimizer with zero buffers.
///
/// - rule [in]: the rule
/// - n [in]: the length of the points that it moves, 1 or above
/// - optimizer [out]: the handle, NULL after an error; end it with blo_optimizer_destroy_f64
///
/// Errors: BLO_ERR_NULL; BLO_ERR_INVALID. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_optimizer_create_f64(
    rule: *const RuleOptions,
    n: i64,
    optimizer: *mut *mut Optimizer<f64>,
) -> Status {
    // SAFETY: the caller vouches for the rule and the place of the handle.
    guard(|| unsafe { create_optimizer(rule, n, optimizer) })
}

pub(super) unsafe fn create_optimizer<T: Scalar>(
    rule: *const RuleOptions,
    n: i64,
    optimizer: *mut *mut Optimizer<T>,
) -> Done {
    let body = || {
        not_null("rule", rule)?;
        // SAFETY: not null, so a whole rule.
        let rule = unsafe { rule.read_unaligned() }.read(&NAMES)?;
        let n = dimension("n", n)?;
        elements("n", n, 4)?;
        super::args::room::<T>("n", n)?;
        let space = Flat::new(n);
        Ok(Moves { rule, state: State::new(&rule, &space), gradient: Space::<T>::zeros(&space), space })
    };
    // SAFETY: as the caller vouches.
    unsafe { create("optimizer", optimizer, body) }
}

/// One step: x moves along the gradient. Allocates nothing.
///
/// - optimizer [in]: the optimizer
/// - gradient [in, n]: at x
/// - x [in, out, n], n [in]: the point, and its length, the optimizer's
///
/// The caller may change x between steps; the buffers stay. A step that overflows is made all the same: look at x.
///
/// Errors: BLO_ERR_NULL; BLO_ERR_SHAPE; BLO_ERR_BUSY. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_optimizer_step_f64(
    optimizer: *mut Optimizer<f64>,
    gradient: *const f64,
    x: *mut f64,
    n: i64,
) -> Status {
    // SAFETY: the caller vouches for a living handle and arrays of this size.
    guard(|| unsafe { optimizer_step(optimizer, gradient, x, n) })
}

pub(super) unsafe fn optimizer_step<T: Scalar>(
    optimizer: *mut Optimizer<T>,
    gradient: *const T,
    x: *mut T,
    n: i64,
) -> Done {
    // SAFETY: as the caller vouches.
    let mut own = unsafe { enter("optimizer", optimizer) }?;
    let Moves { rule, space, state, gradient: from } = &mut *own;
    same_dimension("n", n, space.len())?;
    // SAFETY: as the caller vouches; the size is the optimizer's.
    unsafe {
        read_into("gradient", gradient, from)?;
        read_into("x", x, &mut state.x)?;
        state.step(rule, space, from);
        write_array(x, &state.x);
    }
    Ok(())
}

/// Makes the buffers zero, as after creation.
///
/// - optimizer [in]: the optimizer
///
/// Errors: BLO_ERR_NULL; BLO_ERR_BUSY. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_optimizer_restart_f64(optimizer: *mut Optimizer<f64>) -> Status {
    // SAFETY: the caller vouches for a living handle.
    guard(|| unsafe { optimizer_restart(optimizer) })
}

pub(super) unsafe fn optimizer_restart<T: Scalar>(optimizer: *mut Optimizer<T>) -> Done {
    // SAFETY: as the caller vouches.
    let mut own = unsafe { enter("optimizer", optimizer) }?;
    let Moves { space, state, gradient, .. } = &mut *own;
    state.restart(space, gradient);
    Ok(())
}

/// Ends an optimizer and sets *optimizer to NULL.
///
/// - optimizer [in, out]: the place of the handle; NULL, or a place that holds NULL, is fine
///
/// Leaves the message of blo_last_error alone. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_optimizer_destroy_f64(optimizer: *mut *mut Optimizer<f64>) {
    // SAFETY: the caller vouches for the place of a handle.
    unsafe { handle::destroy(optimizer) }
}
