/*
 * The penalty of each feature of a logistic regression, learned on the breast cancer table by L-BFGS-B: u is their
 * logarithms. penalties [TABLE], by default bindings/c/examples/breast_cancer.csv.
 */
#include "table.h"

static table train, validation;

int main(int argc, char **argv) {
    static double u[MOST_FEATURES], w[MOST_FEATURES], hypergradient[MOST_FEATURES];
    double before, after;
    int64_t m, n, i;
    int32_t diverged;
    blo_examples_f64 inner, outer;
    blo_regression_options regression;
    blo_estimator_options estimator;
    blo_run_options options;
    blo_outcome outcome;
    blo_problem_f64 *problem = NULL;
    blo_workspace_f64 *workspace = NULL;
    blo_runner_f64 *runner = NULL;

    read_table(argc > 1 ? argv[1] : "bindings/c/examples/breast_cancer.csv", &train, &validation);
    inner = examples(&train);
    outer = examples(&validation);
    CHECK(blo_regression_options_init(&regression, sizeof regression));
    regression.loss = BLO_LOSS_LOGISTIC;
    regression.outer = BLO_OUTER_LOG_L2;
    regression.group = BLO_GROUP_FEATURE;
    CHECK(blo_problem_create_regression_f64(&inner, &outer, &regression, &problem));
    CHECK(blo_problem_sizes_f64(problem, &m, &n, NULL));
    for (i = 0; i < m; i++) {
        u[i] = -2;
        w[i] = (double)(i * 7 % 5 - 2) / 8;
    }

    CHECK(blo_estimator_options_init(&estimator, sizeof estimator));
    estimator.kind = BLO_ESTIMATOR_CG;
    estimator.iterations = 100;
    estimator.tolerance = 1e-10;
    CHECK(blo_workspace_create_f64(problem, &workspace));
    CHECK(blo_hypergradient_f64(workspace, &estimator, u, m, w, n, hypergradient, NULL, NULL));
    print_exact("hypergradient", hypergradient, m);
    memset(w, 0, sizeof w);

    CHECK(blo_run_options_init(&options, sizeof options));
    options.inner = BLO_INNER_OPTIMIZER;
    options.inner_rule.step = 0.25;
    options.inner_steps = 20000;
    options.inner_tolerance = 1e-8;
    options.method = BLO_METHOD_LBFGSB;
    options.lower = -12;
    options.upper = 4;
    options.outer_steps = 40;
    options.outer_tolerance = 1e-4;
    options.keep_best = 1;
    memset(&outcome, 0, sizeof outcome);
    outcome.struct_size = sizeof outcome;
    CHECK(blo_runner_create_f64(problem, &options, &estimator, u, m, w, n, &runner));
    CHECK(blo_runner_step_f64(runner, NULL, NULL, &diverged));
    CHECK(blo_runner_best_f64(runner, u, m, w, n, &before, NULL));
    CHECK(blo_runner_run_f64(runner, NULL, NULL, 0, NULL, 0, &outcome));
    CHECK(blo_runner_best_f64(runner, u, m, w, n, &after, NULL));
    printf("validation loss %.4f with equal penalties, %.4f with learned ones, after %d steps\n", before, after,
           (int)outcome.steps);
    blo_runner_destroy_f64(&runner);
    blo_workspace_destroy_f64(&workspace);
    blo_problem_destroy_f64(&problem);
    return !(after < before);
}
