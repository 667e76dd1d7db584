//! Made from the `_f64` functions by `tests/header.rs` (`BLO_UPDATE_HEADER=1`). Not to be edited.

#![allow(clippy::undocumented_unsafe_blocks, reason = "each is that of the function it is made from")]

use super::guard::guard;
use super::handle;
use super::*;
use crate::bilevel::TraceRow;
use std::ffi::{c_char, c_double, c_void};

/// As blo_problem_create_quadratic_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_problem_create_quadratic_f32(
    terms: *const Quadratics<f32>,
    problem: *mut *mut Problem<f32>,
) -> Status {
    guard(|| unsafe { create_quadratic(terms, problem) })
}

/// As blo_problem_create_regression_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_problem_create_regression_f32(
    inner: *const ExampleRows<f32>,
    outer: *const ExampleRows<f32>,
    options: *const RegressionOptions,
    problem: *mut *mut Problem<f32>,
) -> Status {
    guard(|| unsafe { create_regression(inner, outer, options, problem) })
}

/// As blo_problem_sizes_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_problem_sizes_f32(
    problem: *const Problem<f32>,
    n_outer: *mut i64,
    n_inner: *mut i64,
    n_examples: *mut i64,
) -> Status {
    guard(|| unsafe { problem_sizes(problem, n_outer, n_inner, n_examples) })
}

/// As blo_problem_destroy_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_problem_destroy_f32(problem: *mut *mut Problem<f32>) {
    unsafe { handle::destroy(problem) }
}

/// As blo_problem_create_network_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_problem_create_network_f32(
    n_widths: i64,
    widths: *const i64,
    inner: *const ExampleRows<f32>,
    outer: *const ExampleRows<f32>,
    options: *const NetworkOptions,
    problem: *mut *mut Problem<f32>,
) -> Status {
    guard(|| unsafe { create_network(n_widths, widths, inner, outer, options, problem) })
}

/// As blo_network_initial_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_network_initial_f32(
    problem: *const Problem<f32>,
    init: i32,
    seed: u64,
    w: *mut f32,
    n_inner: i64,
) -> Status {
    guard(|| unsafe { network_initial(problem, init, seed, w, n_inner) })
}

/// As blo_network_predict_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_network_predict_f32(
    problem: *const Problem<f32>,
    w: *const f32,
    n_inner: i64,
    x: *const f32,
    rows: i64,
    x_stride: i64,
    out: *mut f32,
) -> Status {
    guard(|| unsafe { network_predict(problem, w, n_inner, x, rows, x_stride, out) })
}

/// As blo_problem_create_callbacks_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_problem_create_callbacks_f32(
    n_outer: i64,
    n_inner: i64,
    callbacks: *const Callbacks<f32>,
    user_data: *mut c_void,
    problem: *mut *mut Problem<f32>,
) -> Status {
    guard(|| unsafe { create_callbacks(n_outer, n_inner, callbacks, user_data, problem) })
}

/// As blo_problem_on_device_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_problem_on_device_f32(
    problem: *const Problem<f32>,
    device: *const Device,
    on_device: *mut *mut Problem<f32>,
) -> Status {
    guard(|| unsafe { problem_on_device(problem, device, on_device) })
}

/// As blo_optimizer_create_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_optimizer_create_f32(
    rule: *const RuleOptions,
    n: i64,
    optimizer: *mut *mut Optimizer<f32>,
) -> Status {
    guard(|| unsafe { create_optimizer(rule, n, optimizer) })
}

/// As blo_optimizer_step_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_optimizer_step_f32(
    optimizer: *mut Optimizer<f32>,
    gradient: *const f32,
    x: *mut f32,
    n: i64,
) -> Status {
    guard(|| unsafe { optimizer_step(optimizer, gradient, x, n) })
}

/// As blo_optimizer_restart_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_optimizer_restart_f32(optimizer: *mut Optimizer<f32>) -> Status {
    guard(|| unsafe { optimizer_restart(optimizer) })
}

/// As blo_optimizer_destroy_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_optimizer_destroy_f32(optimizer: *mut *mut Optimizer<f32>) {
    unsafe { handle::destroy(optimizer) }
}

/// As blo_lbfgsb_create_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_lbfgsb_create_f32(
    x: *const f32,
    n: i64,
    lower: *const f32,
    upper: *const f32,
    memory: i64,
    tolerance: c_double,
    lbfgsb: *mut *mut Lbfgsb<f32>,
) -> Status {
    guard(|| unsafe { create_lbfgsb((x, n), [lower, upper], (memory, tolerance), lbfgsb) })
}

/// As blo_lbfgsb_trial_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_lbfgsb_trial_f32(lbfgsb: *mut Lbfgsb<f32>, trial: *mut f32, n: i64) -> Status {
    guard(|| unsafe { lbfgsb_trial(lbfgsb, trial, n) })
}

/// As blo_lbfgsb_tell_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_lbfgsb_tell_f32(
    lbfgsb: *mut Lbfgsb<f32>,
    value: c_double,
    gradient: *const f32,
    n: i64,
    next: *mut i32,
) -> Status {
    guard(|| unsafe { lbfgsb_tell(lbfgsb, value, (gradient, n), next) })
}

/// As blo_lbfgsb_state_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_lbfgsb_state_f32(
    lbfgsb: *mut Lbfgsb<f32>,
    x: *mut f32,
    n: i64,
    value: *mut c_double,
) -> Status {
    guard(|| unsafe { lbfgsb_state(lbfgsb, (x, n), value) })
}

/// As blo_lbfgsb_destroy_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_lbfgsb_destroy_f32(lbfgsb: *mut *mut Lbfgsb<f32>) {
    unsafe { handle::destroy(lbfgsb) }
}

/// As blo_workspace_create_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_workspace_create_f32(
    problem: *const Problem<f32>,
    workspace: *mut *mut Workspace<f32>,
) -> Status {
    guard(|| unsafe { create_workspace(problem, workspace) })
}

/// As blo_workspace_reserve_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_workspace_reserve_f32(
    workspace: *mut Workspace<f32>,
    estimator: *const EstimatorOptions,
    bytes: *mut i64,
) -> Status {
    guard(|| unsafe { workspace_reserve(workspace, estimator, bytes) })
}

/// As blo_workspace_destroy_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_workspace_destroy_f32(workspace: *mut *mut Workspace<f32>) {
    unsafe { handle::destroy(workspace) }
}

/// As blo_hypergradient_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_hypergradient_f32(
    workspace: *mut Workspace<f32>,
    estimator: *const EstimatorOptions,
    u: *const f32,
    n_outer: i64,
    w: *const f32,
    n_inner: i64,
    hypergradient: *mut f32,
    q: *mut f32,
    report: *mut ReportInfo,
) -> Status {
    guard(|| unsafe { compute(workspace, estimator, (u, n_outer), (w, n_inner), hypergradient, q, report) })
}

/// As blo_inner_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_inner_f32(
    workspace: *mut Workspace<f32>,
    u: *const f32,
    n_outer: i64,
    w: *const f32,
    n_inner: i64,
    value: *mut c_double,
    gradient: *mut f32,
) -> Status {
    guard(|| unsafe { inner_value(workspace, (u, n_outer), (w, n_inner), value, gradient) })
}

/// As blo_outer_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_outer_f32(
    workspace: *mut Workspace<f32>,
    u: *const f32,
    n_outer: i64,
    w: *const f32,
    n_inner: i64,
    value: *mut c_double,
    gradient_u: *mut f32,
    gradient_w: *mut f32,
) -> Status {
    guard(|| unsafe { outer_value(workspace, (u, n_outer), (w, n_inner), value, gradient_u, gradient_w) })
}

/// As blo_fixpoint_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_fixpoint_f32(
    workspace: *mut Workspace<f32>,
    u: *const f32,
    n_outer: i64,
    w: *mut f32,
    n_inner: i64,
) -> Status {
    guard(|| unsafe { solve_inner(workspace, (u, n_outer), (w, n_inner)) })
}

/// As blo_linearize_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_linearize_f32(
    workspace: *mut Workspace<f32>,
    u: *const f32,
    n_outer: i64,
    w: *const f32,
    n_inner: i64,
) -> Status {
    guard(|| unsafe { freeze(workspace, (u, n_outer), (w, n_inner)) })
}

/// As blo_hvp_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_hvp_f32(
    workspace: *mut Workspace<f32>,
    v: *const f32,
    n_inner: i64,
    out: *mut f32,
) -> Status {
    guard(|| unsafe { multiply(workspace, Which::Hvp, v, n_inner, out) })
}

/// As blo_mixed_vjp_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_mixed_vjp_f32(
    workspace: *mut Workspace<f32>,
    v: *const f32,
    n_inner: i64,
    out: *mut f32,
) -> Status {
    guard(|| unsafe { multiply(workspace, Which::MixedVjp, v, n_inner, out) })
}

/// As blo_mixed_jvp_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_mixed_jvp_f32(
    workspace: *mut Workspace<f32>,
    du: *const f32,
    n_outer: i64,
    out: *mut f32,
) -> Status {
    guard(|| unsafe { multiply(workspace, Which::MixedJvp, du, n_outer, out) })
}

/// As blo_response_jvp_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_response_jvp_f32(
    workspace: *mut Workspace<f32>,
    estimator: *const EstimatorOptions,
    u: *const f32,
    n_outer: i64,
    w: *const f32,
    n_inner: i64,
    du: *const f32,
    out: *mut f32,
    report: *mut ReportInfo,
) -> Status {
    guard(|| unsafe { respond(workspace, estimator, (u, n_outer), (w, n_inner), true, du, out, report) })
}

/// As blo_response_vjp_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_response_vjp_f32(
    workspace: *mut Workspace<f32>,
    estimator: *const EstimatorOptions,
    u: *const f32,
    n_outer: i64,
    w: *const f32,
    n_inner: i64,
    v: *const f32,
    out: *mut f32,
    report: *mut ReportInfo,
) -> Status {
    guard(|| unsafe { respond(workspace, estimator, (u, n_outer), (w, n_inner), false, v, out, report) })
}

/// As blo_influence_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_influence_f32(
    workspace: *mut Workspace<f32>,
    estimator: *const EstimatorOptions,
    u: *const f32,
    n_outer: i64,
    w: *const f32,
    n_inner: i64,
    scores: *mut c_double,
    n_examples: i64,
    report: *mut ReportInfo,
) -> Status {
    guard(|| unsafe { score(workspace, estimator, (u, n_outer), (w, n_inner), scores, n_examples, report) })
}

/// As blo_inner_batch_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_inner_batch_f32(
    workspace: *mut Workspace<f32>,
    batch: *const i64,
    size: i64,
    u: *const f32,
    n_outer: i64,
    w: *const f32,
    n_inner: i64,
    value: *mut c_double,
    gradient: *mut f32,
) -> Status {
    guard(|| unsafe { inner_batch(workspace, (batch, size), (u, n_outer), (w, n_inner), value, gradient) })
}

/// As blo_solver_create_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_solver_create_f32(
    n: i64,
    estimator: *const EstimatorOptions,
    solver: *mut *mut Solver<f32>,
) -> Status {
    guard(|| unsafe { create_solver(n, estimator, solver) })
}

/// As blo_solver_solve_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_solver_solve_f32(
    solver: *mut Solver<f32>,
    product: OperatorFn<f32>,
    user_data: *mut c_void,
    b: *const f32,
    n: i64,
    q: *mut f32,
    report: *mut ReportInfo,
) -> Status {
    guard(|| unsafe { solve_with(solver, product, user_data, (b, n), q, report) })
}

/// As blo_solver_destroy_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_solver_destroy_f32(solver: *mut *mut Solver<f32>) {
    unsafe { handle::destroy(solver) }
}

/// As blo_session_create_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_session_create_f32(
    n: i64,
    estimator: *const EstimatorOptions,
    session: *mut *mut Session<f32>,
) -> Status {
    guard(|| unsafe { create_session(n, estimator, session) })
}

/// As blo_session_start_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_session_start_f32(session: *mut Session<f32>, b: *const f32, n: i64) -> Status {
    guard(|| unsafe { session_start(session, b, n) })
}

/// As blo_session_step_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_session_step_f32(
    session: *mut Session<f32>,
    answer: *const f32,
    n: i64,
    request: *mut i32,
    vector: *mut f32,
    report: *mut ReportInfo,
) -> Status {
    guard(|| unsafe { session_step(session, (answer, n), request, vector, report) })
}

/// As blo_session_destroy_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_session_destroy_f32(session: *mut *mut Session<f32>) {
    unsafe { handle::destroy(session) }
}

/// As blo_solver_solve_many_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_solver_solve_many_f32(
    solver: *mut Solver<f32>,
    product: OperatorFn<f32>,
    user_data: *mut c_void,
    count: i64,
    b: *const f32,
    n: i64,
    q: *mut f32,
    report: *mut ReportInfo,
) -> Status {
    guard(|| unsafe { solve_many(solver, (product, user_data), count, (b, n), q, report) })
}

/// As blo_solver_solve_family_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_solver_solve_family_f32(
    solver: *mut Solver<f32>,
    product: OperatorFn<f32>,
    user_data: *mut c_void,
    count: i64,
    estimator: *const EstimatorOptions,
    b: *const f32,
    n: i64,
    q: *mut f32,
    report: *mut ReportInfo,
) -> Status {
    guard(|| unsafe { solve_family(solver, (product, user_data), (estimator, count), (b, n), q, report) })
}

/// As blo_solver_shifted_cg_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_solver_shifted_cg_f32(
    solver: *mut Solver<f32>,
    product: OperatorFn<f32>,
    user_data: *mut c_void,
    count: i64,
    epsilon: *const c_double,
    tolerance: c_double,
    max_products: i64,
    b: *const f32,
    n: i64,
    q: *mut f32,
    report: *mut ReportInfo,
) -> Status {
    guard(|| unsafe {
        shifted_cg(solver, (product, user_data), (epsilon, count), (tolerance, max_products), (b, n), q, report)
    })
}

/// As blo_runner_create_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_runner_create_f32(
    problem: *const Problem<f32>,
    options: *const RunOptions,
    estimator: *const EstimatorOptions,
    u: *const f32,
    n_outer: i64,
    w: *const f32,
    n_inner: i64,
    runner: *mut *mut Runner<f32>,
) -> Status {
    guard(|| unsafe { create_runner(problem, options, estimator, (u, n_outer), (w, n_inner), runner) })
}

/// As blo_runner_resume_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_runner_resume_f32(
    problem: *const Problem<f32>,
    path: *const c_char,
    runner: *mut *mut Runner<f32>,
) -> Status {
    guard(|| unsafe { runner_resume(problem, path, runner) })
}

/// As blo_runner_save_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_runner_save_f32(runner: *mut Runner<f32>, path: *const c_char) -> Status {
    guard(|| unsafe { runner_save(runner, path) })
}

/// As blo_runner_reserve_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_runner_reserve_f32(runner: *mut Runner<f32>, bytes: *mut i64) -> Status {
    guard(|| unsafe { runner_reserve(runner, bytes) })
}

/// As blo_runner_run_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_runner_run_f32(
    runner: *mut Runner<f32>,
    monitor: MonitorFn<f32>,
    user_data: *mut c_void,
    trace_every: i64,
    trace: *mut TraceRow,
    capacity: i64,
    outcome: *mut OutcomeInfo,
) -> Status {
    guard(|| unsafe { run_whole(runner, (monitor, user_data), trace_every, (trace, capacity), outcome) })
}

/// As blo_runner_state_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_runner_state_f32(
    runner: *mut Runner<f32>,
    u: *mut f32,
    n_outer: i64,
    w: *mut f32,
    n_inner: i64,
    steps: *mut i64,
) -> Status {
    guard(|| unsafe { run_state(runner, (u, n_outer), (w, n_inner), steps) })
}

/// As blo_runner_best_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_runner_best_f32(
    runner: *mut Runner<f32>,
    u: *mut f32,
    n_outer: i64,
    w: *mut f32,
    n_inner: i64,
    outer_loss: *mut c_double,
    step: *mut i64,
) -> Status {
    guard(|| unsafe { run_best(runner, (u, n_outer), (w, n_inner), outer_loss, step) })
}

/// As blo_runner_destroy_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_runner_destroy_f32(runner: *mut *mut Runner<f32>) {
    unsafe { handle::destroy(runner) }
}

/// As blo_runner_step_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_runner_step_f32(
    runner: *mut Runner<f32>,
    hypergradient: *mut f32,
    report: *mut ReportInfo,
    diverged: *mut i32,
) -> Status {
    guard(|| unsafe { run_step(runner, hypergradient, report, diverged) })
}

/// As blo_runner_begin_step_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_runner_begin_step_f32(
    runner: *mut Runner<f32>,
    hypergradient: *mut f32,
    report: *mut ReportInfo,
    diverged: *mut i32,
) -> Status {
    guard(|| unsafe { begin_step(runner, hypergradient, report, diverged) })
}

/// As blo_runner_end_step_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_runner_end_step_f32(
    runner: *mut Runner<f32>,
    hypergradient: *const f32,
    n_outer: i64,
    diverged: *mut i32,
) -> Status {
    guard(|| unsafe { end_step(runner, (hypergradient, n_outer), diverged) })
}

/// As blo_runner_set_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_runner_set_f32(
    runner: *mut Runner<f32>,
    u: *const f32,
    n_outer: i64,
    w: *const f32,
    n_inner: i64,
) -> Status {
    guard(|| unsafe { runner_set(runner, (u, n_outer), (w, n_inner)) })
}

/// As blo_examples_from_dlpack_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_examples_from_dlpack_f32(
    design: *mut c_void,
    targets: *mut c_void,
    versioned: i32,
    examples: *mut ExampleRows<f32>,
) -> Status {
    guard(|| unsafe { examples_from_dlpack(design, targets, versioned, examples) })
}

/// As blo_runner_tensor_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_runner_tensor_f32(
    runner: *mut Runner<f32>,
    vector: i32,
    tensor: *mut *mut c_void,
) -> Status {
    guard(|| unsafe { runner_tensor(runner, vector, tensor) })
}

/// As blo_workspace_tensor_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_workspace_tensor_f32(
    workspace: *mut Workspace<f32>,
    vector: i32,
    tensor: *mut *mut c_void,
) -> Status {
    guard(|| unsafe { workspace_tensor(workspace, vector, tensor) })
}

/// As blo_hypergradient_dlpack_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_hypergradient_dlpack_f32(
    workspace: *mut Workspace<f32>,
    estimator: *const EstimatorOptions,
    u: *const c_void,
    w: *const c_void,
    hypergradient: *mut c_void,
    q: *mut c_void,
    versioned: i32,
    report: *mut ReportInfo,
) -> Status {
    guard(|| unsafe { compute_in_tensors(workspace, estimator, [u, w], [hypergradient, q], versioned, report) })
}

/// As blo_check_derivatives_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_check_derivatives_f32(
    problem: *const Problem<f32>,
    u: *const f32,
    n_outer: i64,
    w: *const f32,
    n_inner: i64,
    tolerance: c_double,
    seed: u64,
    verdict: *mut i32,
    text: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> Status {
    guard(|| unsafe {
        check(problem, (u, n_outer), (w, n_inner), (tolerance, seed), verdict, (text, capacity, needed))
    })
}

/// As blo_equilibrium_residuals_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_equilibrium_residuals_f32(
    problem: *const Problem<f32>,
    options: *const RunOptions,
    estimator: *const EstimatorOptions,
    start: *const f32,
    u: *const f32,
    n_outer: i64,
    w: *const f32,
    n_inner: i64,
    fixpoint: *mut c_double,
    outer: *mut c_double,
) -> Status {
    guard(|| unsafe {
        equilibrium(problem, (options, estimator), start, (u, n_outer), (w, n_inner), (fixpoint, outer))
    })
}

/// As blo_retraining_gap_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_retraining_gap_f32(
    problem: *const Problem<f32>,
    options: *const RunOptions,
    start: *const f32,
    u: *const f32,
    n_outer: i64,
    w: *const f32,
    n_inner: i64,
    run_loss: *mut c_double,
    retrained_loss: *mut c_double,
    retrained: *mut f32,
) -> Status {
    guard(|| unsafe {
        retrain(problem, options, start, (u, n_outer), (w, n_inner), (run_loss, retrained_loss), retrained)
    })
}

/// As blo_spectrum_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_spectrum_f32(
    problem: *const Problem<f32>,
    estimator: *const EstimatorOptions,
    u: *const f32,
    n_outer: i64,
    w: *const f32,
    n_inner: i64,
    eigenvalues: *mut c_double,
    shares: *mut c_double,
    responses: *mut c_double,
) -> Status {
    guard(|| unsafe { spectrum(problem, estimator, (u, n_outer), (w, n_inner), eigenvalues, shares, responses) })
}

/// As blo_project_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_project_f32(n: i64, x: *const f32, y: f32, w: *mut f32) -> Status {
    guard(|| unsafe { project(n, x, y, w) })
}

/// As blo_optimistic_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_optimistic_f32(
    problem: *const Problem<f32>,
    u: *const f32,
    n_outer: i64,
    start: *const f32,
    n_inner: i64,
    w: *mut f32,
    outer_loss: *mut c_double,
    unbounded: *mut i32,
) -> Status {
    guard(|| unsafe { extreme(problem, true, (u, n_outer), (start, n_inner), w, outer_loss, unbounded) })
}

/// As blo_pessimistic_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_pessimistic_f32(
    problem: *const Problem<f32>,
    u: *const f32,
    n_outer: i64,
    start: *const f32,
    n_inner: i64,
    w: *mut f32,
    outer_loss: *mut c_double,
    unbounded: *mut i32,
) -> Status {
    guard(|| unsafe { extreme(problem, false, (u, n_outer), (start, n_inner), w, outer_loss, unbounded) })
}

/// As blo_cycle_create_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_cycle_create_f32(
    rows: i64,
    n: i64,
    x: *const f32,
    x_stride: i64,
    y: *const f32,
    start: *const f32,
    projection: i32,
    alpha: c_double,
    steps: i64,
    cycle: *mut *mut Cycle<f32>,
) -> Status {
    guard(|| unsafe { create_cycle((rows, n), (x, x_stride), y, start, (projection, alpha, steps), cycle) })
}

/// As blo_cycle_step_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_cycle_step_f32(
    cycle: *mut Cycle<f32>,
    count: i64,
    w: *mut f32,
    n: i64,
    solved: *mut i64,
) -> Status {
    guard(|| unsafe { cycle_step(cycle, count, (w, n), solved) })
}

/// As blo_cycle_destroy_f64, in single precision.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_cycle_destroy_f32(cycle: *mut *mut Cycle<f32>) {
    unsafe { handle::destroy(cycle) }
}
