//! Many runs at once: seeds, starting points, settings.

use super::runner::Runner;
use super::trace::Outcome;
use crate::problem::Problem;
use crate::{Result, Scalar, cpu};
use std::ops::Deref;

/// Runs each to its end, as many at a time as there are cores (or as the global pool of rayon has threads), and returns what
/// each returned, in order.
///
/// A run is never split, so each has the same bits as alone, whatever the number of threads. The closures of a
/// [`UserProblem`](crate::problem::UserProblem) cannot be shared between threads: its runs are made one after the other.
pub fn run_many<T, R>(runners: &mut [Runner<T, R>]) -> Vec<Result<Outcome>>
where
    T: Scalar,
    R: Deref<Target: Problem<T>>,
    Runner<T, R>: Send,
{
    cpu::map_in_parallel(runners, Runner::run)
}
