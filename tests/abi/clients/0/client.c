/* The first client of version 0 of the binary interface: options, a callback problem, a run with a monitor, an error. */
#include "blo.h"
#include <stdio.h>
#include <string.h>

static int32_t inner(int64_t m, int64_t n, const double *u, const double *w, double *value, double *g, void *data) {
    (void)m, (void)n, (void)data;
    g[0] = 2 * w[0] - u[0];
    *value = w[0] * w[0] - u[0] * w[0];
    return 0;
}

static int32_t outer(int64_t m, int64_t n, const double *u, const double *w, double *value, double *gu, double *gw,
                     void *data) {
    (void)m, (void)n, (void)u, (void)data;
    gu[0] = 0;
    gw[0] = w[0] - 1;
    *value = 0.5 * gw[0] * gw[0];
    return 0;
}

static int32_t hvp(int64_t m, int64_t n, const double *u, const double *w, const double *v, double *out, void *data) {
    (void)m, (void)n, (void)u, (void)w, (void)data;
    out[0] = 2 * v[0];
    return 0;
}

static int32_t mixed_vjp(int64_t m, int64_t n, const double *u, const double *w, const double *v, double *out,
                         void *data) {
    (void)m, (void)n, (void)u, (void)w, (void)data;
    out[0] = -v[0];
    return 0;
}

static int32_t monitor(const blo_progress_f64 *progress, void *data) {
    printf("step %d: u = %g, F = %g\n", (int)progress->step, progress->u[0], progress->outer_loss);
    return progress->step == *(int *)data;
}

int main(void) {
    const double u = 0, w = 0;
    int last = 3;
    blo_callbacks_f64 callbacks;
    blo_run_options options;
    blo_estimator_options estimator;
    blo_outcome outcome;
    blo_problem_f64 *problem = NULL;
    blo_runner_f64 *runner = NULL;
    memset(&callbacks, 0, sizeof callbacks);
    callbacks.struct_size = sizeof callbacks;
    callbacks.inner = inner;
    callbacks.outer = outer;
    callbacks.hvp = hvp;
    callbacks.mixed_vjp = mixed_vjp;
    if (blo_abi_version() != BLO_ABI_VERSION) return 1;
    if (blo_problem_create_callbacks_f64(1, 1, &callbacks, NULL, &problem) != BLO_OK) return 2;
    if (blo_run_options_init(&options, sizeof options) != BLO_OK) return 3;
    if (blo_estimator_options_init(&estimator, sizeof estimator) != BLO_OK) return 4;
    options.inner = BLO_INNER_OPTIMIZER;
    options.inner_rule.step = 0.5;
    options.inner_steps = 1;
    options.outer_rule.kind = BLO_RULE_DESCENT;
    options.outer_rule.step = 2;
    estimator.kind = BLO_ESTIMATOR_CG;
    estimator.iterations = 1;
    if (blo_runner_create_f64(problem, &options, &estimator, &u, 1, &w, 1, &runner) != BLO_OK) return 5;
    memset(&outcome, 0, sizeof outcome);
    outcome.struct_size = sizeof outcome;
    if (blo_runner_run_f64(runner, monitor, &last, 0, NULL, 0, &outcome) != BLO_OK) return 6;
    printf("ending %d after %d steps\n", (int)outcome.ending, (int)outcome.steps);
    blo_runner_destroy_f64(&runner);
    estimator.iterations = 0;
    if (blo_runner_create_f64(problem, &options, &estimator, &u, 1, &w, 1, &runner) != BLO_ERR_INVALID) return 7;
    blo_problem_destroy_f64(&problem);
    return problem != NULL || runner != NULL;
}
