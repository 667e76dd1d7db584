/* A program of the C interface, end to end: prints "ok" and returns 0, or tells the first thing that is wrong. */

#include "blo.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition) check((condition) != 0, #condition, __LINE__)
#define CHECK_OK(call) check_status((call), BLO_OK, #call, __LINE__)
#define CHECK_STATUS(call, expected) check_status((call), (expected), #call, __LINE__)

static void check(int holds, const char *what, int line) {
    if (!holds) {
        fprintf(stderr, "line %d: %s does not hold\n", line, what);
        exit(1);
    }
}

static void check_status(blo_status found, blo_status expected, const char *what, int line) {
    char message[512] = "";
    if (found != expected) {
        blo_last_error(message, sizeof message, NULL);
        fprintf(stderr, "line %d: %s: %d (%s), expected %d: %s\n", line, what, (int)found, blo_status_text(found),
                (int)expected, message);
        exit(1);
    }
}

static int near(double found, double expected) {
    return fabs(found - expected) <= 1e-12 * (1.0 + fabs(expected));
}

/* f(u, w) = w'A w / 2 + w'B u and F(u, w) = |w|^2 / 2 + f'w + 1.25, with A = diag(2, 4). */
static const double A[4] = {2.0, 0.0, 0.0, 4.0};
static const double B[4] = {1.0, 2.0, 3.0, 4.0};
static const double P[4] = {1.0, 0.0, 0.0, 1.0};
static const double F[2] = {-1.0, -2.0};
static const double H = 1.25;

/* The same problem by callbacks. */
typedef struct {
    int calls;
    int fail_at;
    int nan_in_hvp;
} state;

static int32_t counted(void *user_data) {
    state *s = user_data;
    s->calls += 1;
    return s->calls == s->fail_at ? 7 : 0;
}

static int32_t inner(int64_t n_outer, int64_t n_inner, const double *u, const double *w, double *value,
                     double *gradient, void *user_data) {
    double b0 = B[0] * u[0] + B[1] * u[1];
    double b1 = B[2] * u[0] + B[3] * u[1];
    CHECK(n_outer == 2 && n_inner == 2);
    gradient[0] = A[0] * w[0] + b0;
    gradient[1] = A[3] * w[1] + b1;
    *value = 0.5 * (A[0] * w[0] * w[0] + A[3] * w[1] * w[1]) + w[0] * b0 + w[1] * b1;
    return counted(user_data);
}

static int32_t outer(int64_t n_outer, int64_t n_inner, const double *u, const double *w, double *value,
                     double *gradient_u, double *gradient_w, void *user_data) {
    CHECK(n_outer == 2 && n_inner == 2);
    (void)u;
    gradient_u[0] = 0.0;
    gradient_u[1] = 0.0;
    gradient_w[0] = w[0] + F[0];
    gradient_w[1] = w[1] + F[1];
    *value = 0.5 * (w[0] * w[0] + w[1] * w[1]) + F[0] * w[0] + F[1] * w[1] + H;
    return counted(user_data);
}

static int32_t hvp(int64_t n_outer, int64_t n_inner, const double *u, const double *w, const double *v, double *out,
                   void *user_data) {
    CHECK(n_outer == 2 && n_inner == 2);
    (void)u;
    (void)w;
    out[0] = A[0] * v[0];
    out[1] = ((state *)user_data)->nan_in_hvp ? NAN : A[3] * v[1];
    return counted(user_data);
}

static int32_t mixed_vjp(int64_t n_outer, int64_t n_inner, const double *u, const double *w, const double *v,
                         double *out, void *user_data) {
    CHECK(n_outer == 2 && n_inner == 2);
    (void)u;
    (void)w;
    out[0] = B[0] * v[0] + B[2] * v[1];
    out[1] = B[1] * v[0] + B[3] * v[1];
    return counted(user_data);
}

static blo_status create_quadratic(const double *a, const double *p, int64_t n_inner, blo_problem_f64 **problem) {
    blo_quadratics_f64 terms;
    memset(&terms, 0, sizeof terms);
    terms.struct_size = sizeof terms;
    terms.n_outer = 2;
    terms.n_inner = n_inner;
    terms.a = a;
    terms.b = B;
    terms.p = p;
    terms.f = F;
    terms.outer_constant = H;
    return blo_problem_create_quadratic_f64(&terms, problem);
}

static blo_problem_f64 *make_quadratic(void) {
    blo_problem_f64 *problem = NULL;
    CHECK_OK(create_quadratic(A, P, 2, &problem));
    CHECK(problem != NULL);
    return problem;
}

static blo_problem_f64 *make_callbacks(state *user_data) {
    blo_problem_f64 *problem = NULL;
    blo_callbacks_f64 callbacks;
    memset(&callbacks, 0, sizeof callbacks);
    callbacks.struct_size = sizeof callbacks;
    callbacks.inner = inner;
    callbacks.outer = outer;
    callbacks.hvp = hvp;
    callbacks.mixed_vjp = mixed_vjp;
    CHECK_OK(blo_problem_create_callbacks_f64(2, 2, &callbacks, user_data, &problem));
    return problem;
}

static blo_estimator_options estimator(int32_t kind) {
    blo_estimator_options options;
    CHECK_OK(blo_estimator_options_init(&options, sizeof options));
    options.kind = kind;
    return options;
}

/* At w = (2, 4): b = w + f = (1, 2). Exact: q = (1/2, 1/2). Neumann with alpha = 1/4, K = 1: q = (3/8, 1/2). */
static void hypergradients(blo_workspace_f64 *workspace) {
    const double u[2] = {0.5, -1.0};
    const double w[2] = {2.0, 4.0};
    double g[2], q[2];
    int32_t by;
    blo_report report;
    blo_estimator_options options = estimator(BLO_ESTIMATOR_MIN_NORM);
    memset(&report, 0, sizeof report);
    report.struct_size = sizeof report;
    for (by = BLO_BY_LANCZOS; by <= BLO_BY_DENSE; by++) {
        options.by = by;
        CHECK_OK(blo_hypergradient_f64(workspace, &options, u, 2, w, 2, g, q, &report));
        CHECK(near(g[0], -2.0) && near(g[1], -3.0));
        CHECK(near(q[0], 0.5) && near(q[1], 0.5));
        CHECK(near(report.outer_loss, 1.25) && near(report.rhs_norm, sqrt(5.0)));
        CHECK(near(report.curvature_min, 2.0) && near(report.curvature_max, 4.0));
        CHECK(report.residual < 1e-12 && report.null_share < 1e-12);
        CHECK(isnan(report.alpha) && isnan(report.growth));
    }
    /* The defaults are the exact solve. */
    g[0] = g[1] = 0.0;
    CHECK_OK(blo_hypergradient_f64(workspace, NULL, u, 2, w, 2, g, NULL, NULL));
    CHECK(near(g[0], -2.0) && near(g[1], -3.0));

    options = estimator(BLO_ESTIMATOR_NEUMANN);
    options.terms = 1;
    options.alpha = 0.25;
    CHECK_OK(blo_hypergradient_f64(workspace, &options, u, 2, w, 2, g, q, &report));
    CHECK(near(q[0], 0.375) && near(q[1], 0.5));
    CHECK(near(g[0], -1.875) && near(g[1], -2.75));
    CHECK(report.ending == BLO_ENDING_COMPLETED && report.products == 1 && report.alpha == 0.25);

    options.kind = BLO_ESTIMATOR_NEUMANN_FILTER;
    CHECK_OK(blo_hypergradient_f64(workspace, &options, u, 2, w, 2, g, NULL, NULL));
    CHECK(near(g[0], -1.875) && near(g[1], -2.75));

    /* A step above 2/4 grows, which is told and is no error. */
    options.kind = BLO_ESTIMATOR_NEUMANN;
    options.terms = 50;
    options.alpha = 1.0;
    CHECK_OK(blo_hypergradient_f64(workspace, &options, u, 2, w, 2, g, NULL, &report));
    CHECK(report.ending == BLO_ENDING_NON_CONTRACTIVE && report.growth > 1.0);

    options.terms = 200;
    options.step = BLO_STEP_AUTO;
    options.alpha = 0.0;
    CHECK_OK(blo_hypergradient_f64(workspace, &options, u, 2, w, 2, g, NULL, &report));
    CHECK(near(g[0], -2.0) && near(g[1], -3.0) && near(report.alpha, 0.25));

    options = estimator(BLO_ESTIMATOR_DAMPED);
    options.epsilon = 2.0;
    CHECK_OK(blo_hypergradient_f64(workspace, &options, u, 2, w, 2, g, q, NULL));
    CHECK(near(q[0], 0.25) && near(q[1], 1.0 / 3.0));

    options = estimator(BLO_ESTIMATOR_CG);
    options.iterations = 2;
    CHECK_OK(blo_hypergradient_f64(workspace, &options, u, 2, w, 2, g, NULL, NULL));
    CHECK(near(g[0], -2.0) && near(g[1], -3.0));

    options = estimator(BLO_ESTIMATOR_IDENTITY);
    options.alpha = 0.5;
    CHECK_OK(blo_hypergradient_f64(workspace, &options, u, 2, w, 2, g, NULL, NULL));
    CHECK(near(g[0], -3.5) && near(g[1], -5.0));

    options = estimator(BLO_ESTIMATOR_ZERO);
    CHECK_OK(blo_hypergradient_f64(workspace, &options, u, 2, w, 2, g, NULL, NULL));
    CHECK(g[0] == 0.0 && g[1] == 0.0);

    /* From w* = -A^-1 B u = (0.75, 0.625) unrolling stays there and is the Neumann series: q = (-0.09375, -0.34375). */
    options = estimator(BLO_ESTIMATOR_UNROLLED);
    options.steps = 2;
    options.rule.step = 0.25;
    {
        const double solution[2] = {0.75, 0.625};
        CHECK_OK(blo_hypergradient_f64(workspace, &options, u, 2, solution, 2, g, q, NULL));
        CHECK(near(q[0], -0.09375) && near(q[1], -0.34375));
        CHECK(near(g[0], 1.125) && near(g[1], 1.5625));
    }
}

typedef struct {
    int64_t stop_at;
    int64_t seen;
    double loss;
    blo_workspace_f64 *workspace;
} watch;

static int32_t monitor(const blo_progress_f64 *progress, void *user_data) {
    watch *w = user_data;
    double g[2];
    CHECK(progress->struct_size >= sizeof *progress);
    CHECK(progress->n_outer == 2 && progress->n_inner == 2);
    CHECK(progress->step == w->seen);
    CHECK(near(progress->norm_hypergradient, hypot(progress->hypergradient[0], progress->hypergradient[1])));
    /* The library may be called from here, with the same problem too. */
    CHECK_OK(blo_hypergradient_f64(w->workspace, NULL, progress->u, 2, progress->w, 2, g, NULL, NULL));
    CHECK(g[0] == progress->hypergradient[0] && g[1] == progress->hypergradient[1]);
    w->seen += 1;
    w->loss = progress->outer_loss;
    return progress->step == w->stop_at;
}

/* Three steps of u = u - 0.01 dF/du with w*(u) = -A^-1 B u, by hand. */
static void by_hand(double *u, double *w) {
    int step;
    for (step = 0;; step++) {
        double q0, q1;
        w[0] = -(B[0] * u[0] + B[1] * u[1]) / A[0];
        w[1] = -(B[2] * u[0] + B[3] * u[1]) / A[3];
        if (step == 3) {
            return;
        }
        q0 = (w[0] + F[0]) / A[0];
        q1 = (w[1] + F[1]) / A[3];
        u[0] += 0.01 * (B[0] * q0 + B[2] * q1);
        u[1] += 0.01 * (B[1] * q0 + B[3] * q1);
    }
}

static blo_runner_f64 *make_runner(const blo_problem_f64 *problem, const blo_run_options *options) {
    const double u[2] = {0.5, -1.0}, w[2] = {0.0, 0.0};
    blo_runner_f64 *runner = NULL;
    CHECK_OK(blo_runner_create_f64(problem, options, NULL, u, 2, w, 2, &runner));
    return runner;
}

static void run(const blo_problem_f64 *problem, blo_workspace_f64 *workspace, int32_t inner_solver) {
    double u[2], w[2], u_expected[2] = {0.5, -1.0}, w_expected[2], g[2];
    watch seen = {3, 0, 0.0, workspace};
    blo_trace_row trace[8];
    blo_outcome outcome;
    blo_run_options options;
    blo_runner_f64 *runner;
    int64_t steps = 0;
    int32_t diverged = 7;
    CHECK_OK(blo_run_options_init(&options, sizeof options));
    options.inner = inner_solver;
    options.inner_rule.step = 0.3;
    options.inner_steps = 1000;
    options.inner_tolerance = 1e-14;
    options.outer_rule.kind = BLO_RULE_DESCENT;
    options.outer_rule.step = 0.01;
    memset(&outcome, 0, sizeof outcome);
    outcome.struct_size = sizeof outcome;
    runner = make_runner(problem, &options);
    CHECK_OK(blo_runner_run_f64(runner, monitor, &seen, 1, trace, 8, &outcome));
    by_hand(u_expected, w_expected);
    CHECK_OK(blo_runner_state_f64(runner, u, 2, w, 2, &steps));
    CHECK(outcome.ending == BLO_RUN_STOPPED && outcome.steps == 3 && steps == 3 && seen.seen == 4);
    CHECK(near(u[0], u_expected[0]) && near(u[1], u_expected[1]));
    CHECK(near(w[0], w_expected[0]) && near(w[1], w_expected[1]));
    CHECK(outcome.outer_loss == seen.loss && outcome.doubtful_solves == 0 && outcome.products > 0);
    CHECK(outcome.trace_rows == 4 && trace[0].step == 0 && trace[3].step == 3);
    CHECK(near(trace[0].norm_u, hypot(0.5, -1.0)) && near(trace[3].norm_u, hypot(u[0], u[1])));
    CHECK(trace[3].outer_loss == outcome.outer_loss && isnan(trace[3].null_component));
    blo_runner_destroy_f64(&runner);
    CHECK(runner == NULL);

    /* The same, a step at a time; saved after one and resumed. */
    runner = make_runner(problem, &options);
    CHECK_OK(blo_runner_step_f64(runner, g, NULL, &diverged));
    CHECK_OK(blo_runner_save_f64(runner, "smoke.run"));
    blo_runner_destroy_f64(&runner);
    CHECK_OK(blo_runner_resume_f64(problem, "smoke.run", &runner));
    CHECK_OK(blo_runner_step_f64(runner, NULL, NULL, &diverged));
    CHECK_OK(blo_runner_step_f64(runner, g, NULL, &diverged));
    CHECK(remove("smoke.run") == 0);
    CHECK_OK(blo_runner_state_f64(runner, w, 2, NULL, 2, &steps));
    CHECK(diverged == 0 && steps == 3 && w[0] == u[0] && w[1] == u[1]);
    blo_runner_destroy_f64(&runner);

    /* Without a monitor or a trace: to the minimum, which is 1.25 - 2.5. */
    options.outer_rule.kind = BLO_RULE_ADAM;
    options.outer_rule.step = 0.05;
    options.outer_steps = 5000;
    options.outer_tolerance = 1e-8;
    options.start = BLO_START_WARM;
    runner = make_runner(problem, &options);
    CHECK_OK(blo_runner_run_f64(runner, NULL, NULL, 0, NULL, 0, &outcome));
    CHECK(outcome.ending == BLO_RUN_CONVERGED && outcome.steps < 5000 && outcome.trace_rows == 0);
    CHECK(fabs(outcome.outer_loss + 1.25) < 1e-12 && outcome.norm_hypergradient < 1e-7);
    blo_runner_destroy_f64(&runner);
    options.outer_steps = 5;
    options.outer_tolerance = 0.0;
    runner = make_runner(problem, &options);
    CHECK_OK(blo_runner_run_f64(runner, NULL, NULL, 1, trace, 2, &outcome));
    CHECK(outcome.ending == BLO_RUN_STEP_LIMIT && outcome.steps == 5);
    CHECK(outcome.trace_rows == 2 && trace[1].step == 1);
    blo_runner_destroy_f64(&runner);

    /* By L-BFGS-B, in a few steps. */
    options.method = BLO_METHOD_LBFGSB;
    options.outer_steps = 50;
    options.outer_tolerance = 1e-8;
    options.keep_best = 1;
    runner = make_runner(problem, &options);
    CHECK_OK(blo_runner_run_f64(runner, NULL, NULL, 0, NULL, 0, &outcome));
    CHECK(outcome.ending == BLO_RUN_CONVERGED || outcome.ending == BLO_RUN_STALLED);
    CHECK_OK(blo_runner_best_f64(runner, u, 2, w, 2, &seen.loss, &steps));
    CHECK(outcome.steps < 20 && fabs(seen.loss + 1.25) < 1e-10);
    blo_runner_destroy_f64(&runner);
}

/* The same steps by a loop of our own: inner step, hypergradient, outer step. */
static void stepped(const blo_problem_f64 *problem, blo_workspace_f64 *workspace) {
    double u[2] = {0.5, -1.0}, w[2] = {0.0, 0.0}, g[2], gradient[2], value, u_expected[2] = {0.5, -1.0}, w_expected[2];
    blo_rule rule;
    blo_optimizer_f64 *inner_steps = NULL, *outer_steps = NULL;
    int step, t;
    CHECK_OK(blo_rule_init(&rule));
    rule.step = 0.3;
    CHECK_OK(blo_optimizer_create_f64(&rule, 2, &inner_steps));
    rule.step = 0.01;
    CHECK_OK(blo_optimizer_create_f64(&rule, 2, &outer_steps));
    for (step = 0; step <= 3; step++) {
        for (t = 0; t < 200; t++) {
            CHECK_OK(blo_inner_f64(workspace, u, 2, w, 2, &value, gradient));
            CHECK_OK(blo_optimizer_step_f64(inner_steps, gradient, w, 2));
        }
        if (step < 3) {
            CHECK_OK(blo_hypergradient_f64(workspace, NULL, u, 2, w, 2, g, NULL, NULL));
            CHECK_OK(blo_optimizer_step_f64(outer_steps, g, u, 2));
        }
    }
    by_hand(u_expected, w_expected);
    CHECK(near(u[0], u_expected[0]) && near(u[1], u_expected[1]));
    CHECK(near(w[0], w_expected[0]) && near(w[1], w_expected[1]));
    blo_optimizer_destroy_f64(&inner_steps);
    blo_optimizer_destroy_f64(&outer_steps);
    (void)problem;
}

static int32_t product(int64_t n, const double *v, double *out, void *user_data) {
    CHECK(n == 2 && user_data != NULL);
    out[0] = A[0] * v[0];
    out[1] = A[3] * v[1];
    return 0;
}

/* Products at a point, and the same solve three ways: at the problem, by an operator, and asked for. */
static void operators(blo_workspace_f64 *workspace) {
    const double u[2] = {0.5, -1.0}, w[2] = {2.0, 4.0}, b[2] = {1.0, 2.0};
    double out[2], q[2], mine[2], answer[2];
    int32_t request = BLO_REQUEST_PRODUCT;
    int asked = 0;
    blo_report report;
    blo_solver_f64 *solver = NULL;
    blo_session_f64 *session = NULL;
    blo_estimator_options options = estimator(BLO_ESTIMATOR_CG);
    options.iterations = 5;
    CHECK_OK(blo_linearize_f64(workspace, u, 2, w, 2));
    CHECK_OK(blo_hvp_f64(workspace, b, 2, out));
    CHECK(out[0] == 2.0 && out[1] == 8.0);
    CHECK_OK(blo_mixed_vjp_f64(workspace, b, 2, out));
    CHECK(out[0] == B[0] + 2.0 * B[2] && out[1] == B[1] + 2.0 * B[3]);
    CHECK_OK(blo_hypergradient_f64(workspace, &options, u, 2, w, 2, out, q, NULL));
    memset(&report, 0, sizeof report);
    report.struct_size = sizeof report;
    CHECK_OK(blo_solver_create_f64(2, &options, &solver));
    CHECK_OK(blo_solver_solve_f64(solver, product, &report, b, 2, mine, &report));
    CHECK(mine[0] == q[0] && mine[1] == q[1] && report.residual < 1e-15 && isnan(report.outer_loss));
    blo_solver_destroy_f64(&solver);
    CHECK_OK(blo_session_create_f64(2, &options, &session));
    CHECK_OK(blo_session_start_f64(session, b, 2));
    for (;;) {
        CHECK_OK(blo_session_step_f64(session, asked ? answer : NULL, 2, &request, mine, &report));
        if (request == BLO_REQUEST_DONE) {
            break;
        }
        product(2, mine, answer, &asked);
        asked += 1;
    }
    CHECK(mine[0] == q[0] && mine[1] == q[1] && asked == report.products + 1);
    blo_session_destroy_f64(&session);
    /* dw / du_0 = -A^-1 B e_0, and its transpose. */
    CHECK_OK(blo_response_vjp_f64(workspace, NULL, u, 2, w, 2, b, out, NULL));
    CHECK(near(out[0], -(B[0] / A[0] + 2.0 * B[2] / A[3])) && near(out[1], -(B[1] / A[0] + 2.0 * B[3] / A[3])));
}

static void analysis(const blo_problem_f64 *problem, int exact) {
    const double u[2] = {0.5, -1.0}, w[2] = {2.0, 4.0}, start[2] = {0.0, 0.0};
    double values[2], shares[2], responses[2], fixpoint, outer_residual, run_loss, retrained_loss, again[2];
    char text[4096];
    int32_t verdict = 7;
    size_t needed = 0;
    int64_t n_outer, n_inner, n_examples;
    blo_run_options options;
    CHECK_OK(blo_problem_sizes_f64(problem, &n_outer, &n_inner, &n_examples));
    CHECK(n_outer == 2 && n_inner == 2 && n_examples == 0);
    CHECK_OK(blo_check_derivatives_f64(problem, u, 2, w, 2, BLO_DEFAULT, 1, &verdict, text, sizeof text, &needed));
    CHECK(verdict == BLO_VERDICT_RIGHT && needed == strlen(text) + 1 && strstr(text, "verdict: all right") != NULL);
    CHECK_OK(blo_spectrum_f64(problem, NULL, u, 2, w, 2, values, shares, responses));
    CHECK(near(values[0], 2.0) && near(values[1], 4.0) && near(responses[0], 0.5) && near(responses[1], 0.25));
    CHECK(near(shares[0], 1.0 / sqrt(5.0)) && near(shares[1], 2.0 / sqrt(5.0)));
    CHECK_OK(blo_run_options_init(&options, sizeof options));
    options.inner = exact ? BLO_INNER_FIXPOINT : BLO_INNER_OPTIMIZER;
    options.inner_steps = 200;
    options.inner_rule.step = 0.3;
    CHECK_OK(blo_equilibrium_residuals_f64(problem, &options, NULL, start, u, 2, w, 2, &fixpoint, &outer_residual));
    CHECK(near(fixpoint, hypot(2.0 - 0.75, 4.0 - 0.625)) && near(outer_residual, hypot(2.0, 3.0)));
    CHECK_OK(blo_retraining_gap_f64(problem, &options, start, u, 2, w, 2, &run_loss, &retrained_loss, again));
    CHECK(near(again[0], 0.75) && near(again[1], 0.625) && near(run_loss, 1.25));
}

static int message_has(const char *part) {
    char message[512], cut[8];
    size_t needed = 0;
    CHECK_OK(blo_last_error(message, sizeof message, &needed));
    CHECK(needed == strlen(message) + 1);
    CHECK_OK(blo_last_error(cut, sizeof cut, NULL));
    CHECK(strlen(cut) < sizeof cut && strncmp(message, cut, strlen(cut)) == 0);
    if (strstr(message, part) == NULL) {
        fprintf(stderr, "\"%s\" is not in \"%s\"\n", part, message);
        return 0;
    }
    return 1;
}

static void errors(blo_workspace_f64 *quadratic) {
    const double asymmetric[4] = {2.0, 1.0, 0.0, 4.0};
    const double indefinite[4] = {2.0, 0.0, 0.0, -4.0};
    double u[2] = {0.5, -1.0}, w[2] = {2.0, 4.0}, g[2] = {5.0, 6.0};
    blo_problem_f64 *problem = NULL;
    blo_workspace_f64 *workspace = NULL;
    blo_runner_f64 *runner = NULL;
    blo_estimator_options options = estimator(BLO_ESTIMATOR_NEUMANN);
    blo_outcome outcome;
    state s = {0, 0, 0};

    CHECK_STATUS(create_quadratic(asymmetric, P, 2, &problem), BLO_ERR_ASYMMETRIC);
    CHECK(problem == NULL && message_has("A: found"));
    CHECK_STATUS(create_quadratic(A, indefinite, 2, &problem), BLO_ERR_INDEFINITE);
    CHECK(message_has("P: found eigenvalue -4"));
    CHECK_STATUS(create_quadratic(A, P, -2, &problem), BLO_ERR_INVALID);
    CHECK(message_has("n_inner: found -2"));

    options.terms = 1;
    CHECK_STATUS(blo_hypergradient_f64(quadratic, &options, u, 2, w, 2, g, NULL, NULL), BLO_ERR_INVALID);
    CHECK(message_has("alpha: found 0"));
    options.struct_size = 8;
    CHECK_STATUS(blo_hypergradient_f64(quadratic, &options, u, 2, w, 2, g, NULL, NULL), BLO_ERR_STRUCT_SIZE);
    CHECK(message_has("estimator: found struct_size 8"));
    CHECK_STATUS(blo_hypergradient_f64(quadratic, NULL, u, 3, w, 2, g, NULL, NULL), BLO_ERR_SHAPE);
    CHECK(message_has("n_outer: found length 3, expected length 2"));
    CHECK_STATUS(blo_hypergradient_f64(quadratic, NULL, NULL, 2, w, 2, g, NULL, NULL), BLO_ERR_NULL);
    CHECK(message_has("u: found a null pointer"));

    /* A callback that fails, and one that writes NaN. */
    problem = make_callbacks(&s);
    CHECK_OK(blo_workspace_create_f64(problem, &workspace));
    s.fail_at = 2;
    CHECK_STATUS(blo_hypergradient_f64(workspace, NULL, u, 2, w, 2, g, NULL, NULL), BLO_ERR_CALLBACK);
    CHECK(message_has("callback hvp: found return value 7, expected 0"));
    s.fail_at = 0;
    s.nan_in_hvp = 1;
    CHECK_STATUS(blo_hypergradient_f64(workspace, NULL, u, 2, w, 2, g, NULL, NULL), BLO_ERR_NON_FINITE);
    CHECK(message_has("callback hvp: found NaN at index 1"));
    memset(&outcome, 0, sizeof outcome);
    outcome.struct_size = sizeof outcome;
    CHECK_OK(blo_runner_create_f64(problem, NULL, NULL, u, 2, w, 2, &runner));
    CHECK_STATUS(blo_runner_run_f64(runner, NULL, NULL, 0, NULL, 0, &outcome), BLO_ERR_UNSUPPORTED);
    CHECK(message_has("fixpoint"));
    CHECK(u[0] == 0.5 && u[1] == -1.0 && w[0] == 2.0 && w[1] == 4.0 && g[0] == 5.0 && g[1] == 6.0);
    blo_runner_destroy_f64(&runner);
    blo_workspace_destroy_f64(&workspace);
    blo_problem_destroy_f64(&problem);
    CHECK(problem == NULL && workspace == NULL && message_has("fixpoint"));
    blo_problem_destroy_f64(&problem);
    blo_problem_destroy_f64(NULL);

    CHECK(strcmp(blo_status_text(BLO_OK), "success") == 0);
    CHECK(strcmp(blo_status_text(12345), "unknown status") == 0);
    CHECK(blo_abi_version() == BLO_ABI_VERSION && strchr(blo_version(), '.') != NULL);
}

int main(void) {
    state s = {0, 0, 0};
    blo_problem_f64 *problems[2];
    blo_workspace_f64 *workspaces[2] = {NULL, NULL};
    int i;
    problems[0] = make_quadratic();
    problems[1] = make_callbacks(&s);
    for (i = 0; i < 2; i++) {
        CHECK_OK(blo_workspace_create_f64(problems[i], &workspaces[i]));
        hypergradients(workspaces[i]);
        run(problems[i], workspaces[i], BLO_INNER_OPTIMIZER);
        stepped(problems[i], workspaces[i]);
        operators(workspaces[i]);
        analysis(problems[i], i == 0);
    }
    run(problems[0], workspaces[0], BLO_INNER_FIXPOINT);
    errors(workspaces[0]);
    for (i = 0; i < 2; i++) {
        blo_problem_destroy_f64(&problems[i]);
        blo_workspace_destroy_f64(&workspaces[i]);
        CHECK(problems[i] == NULL && workspaces[i] == NULL);
    }
    puts("ok");
    return 0;
}
