//! What a run records and how it ends.

/// One row of a trace: the run at (u, w), w being the point at which the hypergradient was taken.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TraceRow {
    /// The outer steps before this point.
    pub step: i64,
    /// F(u, w).
    pub outer_loss: f64,
    /// f(u, w).
    pub inner_loss: f64,
    /// ‖u‖.
    pub norm_u: f64,
    /// ‖w‖.
    pub norm_w: f64,
    /// ‖dF/du‖, as estimated.
    pub norm_hypergradient: f64,
    /// ‖w − w₀‖.
    pub distance_from_start: f64,
    /// ‖w − w_mn‖ with w_mn the minimum-norm inner solution at u; NaN unless asked for.
    pub distance_from_min_norm: f64,
    /// ‖P₀ w‖, the part of w in the null space of H; NaN unless asked for.
    pub null_component: f64,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunEnding {
    /// The outer tolerance was reached.
    Converged,
    /// All outer steps were made.
    StepLimit,
    /// The monitor stopped it.
    Stopped,
    /// The inner gradient grew a millionfold or overflowed: is alpha above 2/λmax? u and w are those of the last sound step.
    InnerDiverged,
    /// u or the hypergradient overflowed: is the outer step too large? u and w are those of the last sound step.
    OuterDiverged,
    /// L-BFGS-B finds no lower F, not even along the gradient: F is at its rounding floor, or the hypergradient is not F's
    /// gradient. u and w are those of the last accepted point.
    Stalled,
}

impl RunEnding {
    /// The number of this ending in the C interface (`BLO_RUN_*` in `blo.h`).
    pub fn number(self) -> i32 {
        match self {
            RunEnding::Converged => 0,
            RunEnding::StepLimit => 1,
            RunEnding::Stopped => 2,
            RunEnding::InnerDiverged => 3,
            RunEnding::OuterDiverged => 4,
            RunEnding::Stalled => 5,
        }
    }
}

/// The result of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// Why it ended.
    pub ending: RunEnding,
    /// Outer steps made.
    pub steps: usize,
    /// F at the last evaluation.
    pub outer_loss: f64,
    /// ‖dF/du‖ at the last evaluation, as estimated.
    pub norm_hypergradient: f64,
    /// Inner gradient steps made.
    pub inner_steps: usize,
    /// Hessian-vector products spent on hypergradients.
    pub products: usize,
    /// Evaluations whose solve ended otherwise than `Completed` or `Converged`.
    pub doubtful_solves: usize,
    /// Trace rows written.
    pub trace_rows: usize,
}
