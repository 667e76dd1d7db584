//! What a solve tells about itself.

/// How a solve ended. Not an error: the result has a meaning in each case, and the documentation says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// All that was asked for was done: every term, every iteration, or a direct solve.
    Completed,
    /// The tolerance was reached, or the solution is exact to rounding.
    Converged,
    /// The limit on products came first; q is the best so far.
    ProductLimit,
    /// The terms of the Neumann series grow: the step is too large for the curvature, or the curvature is negative. q is the
    /// sum up to the smallest term, or 0 where a filter overflows.
    NonContractive,
    /// A direction of negative curvature stopped conjugate gradients, which are for positive semidefinite H; q is the best
    /// iterate before it. For [`Inverse::Nystrom`](super::Inverse::Nystrom), q leaves such directions of the sketch out.
    NegativeCurvature,
    /// A direction of no curvature stopped the solve: H is singular and b not in its range. q is the best iterate before it,
    /// or 0 where a filter has a pole at an eigenvalue.
    Singular,
    /// The residual no longer falls, a restarted solve stands still, or the answer did not stand its check; q is the best so far.
    Stalled,
}

impl Ending {
    /// Whether the answer is what was asked for: completed or converged.
    pub fn is_sound(self) -> bool {
        matches!(self, Ending::Completed | Ending::Converged)
    }

    /// The number of this ending in the C interface (`BLO_ENDING_*` in `blo.h`).
    pub fn number(self) -> i32 {
        match self {
            Ending::Completed => 0,
            Ending::Converged => 1,
            Ending::ProductLimit => 2,
            Ending::NonContractive => 3,
            Ending::NegativeCurvature => 4,
            Ending::Singular => 5,
            Ending::Stalled => 6,
        }
    }
}

/// The report of a solve H q ≈ b. What was not measured is `None`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Report {
    /// How it ended.
    pub ending: Ending,
    /// Products with H that were spent, the one for `residual` not counted.
    pub products: usize,
    /// ‖b‖.
    pub rhs_norm: f64,
    /// ‖H q − b‖ / ‖b‖, recomputed with the undamped H from the q returned; 0 for b = 0.
    pub residual: Option<f64>,
    /// The share of b in the null space, ‖P₀ b‖ / ‖b‖, where the solve resolved it.
    pub null_share: Option<f64>,
    /// Smallest and largest curvature seen: eigenvalues, Ritz values or Rayleigh quotients.
    pub curvature: Option<(f64, f64)>,
    /// The step size of the Neumann series.
    pub alpha: Option<f64>,
    /// The largest ratio of a term's norm to the one before, once a term grew.
    pub growth: Option<f64>,
}

impl Report {
    pub(crate) fn new(ending: Ending, rhs_norm: f64) -> Report {
        Report {
            ending,
            products: 0,
            rhs_norm,
            residual: None,
            null_share: None,
            curvature: None,
            alpha: None,
            growth: None,
        }
    }
}
