/*
 * Distillation with the built-in network: two learned points, one for each class, train a classifier of forty points on
 * two circles' arcs. u is the two points, w the weights of a network 2-8-2.
 */
#include "example.h"

enum { ROWS = 40, DISTILLED = 2, D = 2, C = 2 };

/* Two arcs, made without a library whose rounding may differ. */
static void data(double *x, double *t) {
    int i;
    memset(t, 0, ROWS * C * sizeof *t);
    for (i = 0; i < ROWS; i++) {
        const double a = (double)(i / 2) / 10.0 - 1.0, side = i % 2 ? 1.0 : -1.0;
        x[i * D] = a;
        x[i * D + 1] = side * (1.0 - 0.5 * a * a) + 0.25 * a;
        t[i * C + i % 2] = 1.0;
    }
}

int main(void) {
    static double x[ROWS * D], t[ROWS * C], w[64], out[ROWS * C];
    const double labels[DISTILLED * C] = {1, 0, 0, 1}, start[DISTILLED * D] = {0.5, -0.25, -0.5, 0.25};
    double best, u[DISTILLED * D], hypergradient[DISTILLED * D];
    const int64_t widths[3] = {D, 8, C};
    int64_t n_outer, n_inner, right = 0;
    int i;
    blo_examples_f64 distilled, rows;
    blo_network_options network;
    blo_estimator_options estimator;
    blo_run_options options;
    blo_outcome outcome;
    blo_problem_f64 *problem = NULL;
    blo_workspace_f64 *workspace = NULL;
    blo_runner_f64 *runner = NULL;

    data(x, t);
    memset(&rows, 0, sizeof rows);
    rows.struct_size = sizeof rows;
    rows.rows = ROWS;
    rows.features = D;
    rows.design = x;
    rows.targets = t;
    distilled = rows;
    distilled.rows = DISTILLED;
    distilled.design = NULL; /* u */
    distilled.targets = labels;
    CHECK(blo_network_options_init(&network, sizeof network));
    network.activation = BLO_ACTIVATION_TANH;
    network.l2 = 0.0078125;
    CHECK(blo_problem_create_network_f64(3, widths, &distilled, &rows, &network, &problem));
    CHECK(blo_problem_sizes_f64(problem, &n_outer, &n_inner, NULL));
    /* Weights without a random number generator, so that everybody has the same. */
    for (i = 0; i < n_inner; i++) {
        w[i] = (double)((i * 37) % 17) / 8.0 - 1.0;
    }

    CHECK(blo_estimator_options_init(&estimator, sizeof estimator));
    estimator.kind = BLO_ESTIMATOR_NEUMANN;
    estimator.terms = 10;
    estimator.alpha = 0.25;
    estimator.on_growth = BLO_GROWTH_CONTINUE;
    CHECK(blo_workspace_create_f64(problem, &workspace));
    CHECK(blo_hypergradient_f64(workspace, &estimator, start, n_outer, w, n_inner, hypergradient, NULL, NULL));
    print_exact("hypergradient", hypergradient, n_outer);
    blo_workspace_destroy_f64(&workspace);

    /* The loop: cold starts from random weights, so that the two points have to teach everything. */
    CHECK(blo_network_initial_f64(problem, BLO_INIT_GLOROT, 0, w, n_inner));
    CHECK(blo_run_options_init(&options, sizeof options));
    options.inner = BLO_INNER_OPTIMIZER;
    options.inner_rule.step = 0.25;
    options.inner_steps = 100;
    options.outer_rule.step = 0.05;
    options.outer_steps = 400;
    options.keep_best = 1;
    memset(&outcome, 0, sizeof outcome);
    outcome.struct_size = sizeof outcome;
    CHECK(blo_runner_create_f64(problem, &options, &estimator, start, n_outer, w, n_inner, &runner));
    CHECK(blo_runner_run_f64(runner, NULL, NULL, 0, NULL, 0, &outcome));
    CHECK(blo_runner_best_f64(runner, u, n_outer, w, n_inner, &best, NULL));
    CHECK(blo_network_predict_f64(problem, w, n_inner, x, ROWS, 0, out));
    for (i = 0; i < ROWS; i++) {
        right += (out[i * C + 1] > out[i * C]) == (i % 2);
    }
    printf("F = %.4f; points (%.3f, %.3f) and (%.3f, %.3f); %d of %d right\n", best, u[0], u[1], u[2], u[3],
           (int)right, ROWS);
    blo_runner_destroy_f64(&runner);
    blo_problem_destroy_f64(&problem);
    return right < ROWS * 9 / 10;
}
