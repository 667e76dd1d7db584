/*
 * Wrong labels found by influence: every tenth label of the breast cancer table's training rows is flipped, a logistic
 * regression is trained, and the examples that raise the validation loss most are looked at.
 * influence [TABLE], by default bindings/c/examples/breast_cancer.csv.
 */
#include "table.h"

static table train, validation;
static double scores[MOST_ROWS];

static int by_score(const void *left, const void *right) {
    const double l = scores[*(const int *)left], r = scores[*(const int *)right];
    return (l < r) - (l > r);
}

int main(int argc, char **argv) {
    static double w[MOST_FEATURES], gradient[MOST_FEATURES];
    static int order[MOST_ROWS];
    const double u[1] = {0.03125};
    int64_t n, flipped = 0, found = 0, i;
    blo_examples_f64 inner, outer;
    blo_regression_options regression;
    blo_rule rule;
    blo_problem_f64 *problem = NULL;
    blo_workspace_f64 *workspace = NULL;
    blo_optimizer_f64 *optimizer = NULL;

    read_table(argc > 1 ? argv[1] : "bindings/c/examples/breast_cancer.csv", &train, &validation);
    for (i = 0; i < train.rows; i += 10) {
        train.targets[i] = 1 - train.targets[i];
        flipped += 1;
    }
    inner = examples(&train);
    outer = examples(&validation);
    CHECK(blo_regression_options_init(&regression, sizeof regression));
    regression.loss = BLO_LOSS_LOGISTIC;
    regression.outer = BLO_OUTER_RAW_L2;
    CHECK(blo_problem_create_regression_f64(&inner, &outer, &regression, &problem));
    CHECK(blo_workspace_create_f64(problem, &workspace));
    n = train.features;

    /* A loop of our own. */
    CHECK(blo_rule_init(&rule));
    rule.step = 0.25;
    CHECK(blo_optimizer_create_f64(&rule, n, &optimizer));
    for (i = 0; i < 2000; i++) {
        CHECK(blo_inner_f64(workspace, u, 1, w, n, NULL, gradient));
        CHECK(blo_optimizer_step_f64(optimizer, gradient, w, n));
    }
    CHECK(blo_influence_f64(workspace, NULL, u, 1, w, n, scores, train.rows, NULL));
    print_exact("influence", scores, 5);
    for (i = 0; i < train.rows; i++) {
        order[i] = (int)i;
    }
    qsort(order, (size_t)train.rows, sizeof *order, by_score);
    for (i = 0; i < flipped; i++) {
        found += order[i] % 10 == 0;
    }
    printf("%d labels are wrong; of the %d most harmful examples %d are among them\n", (int)flipped, (int)flipped,
           (int)found);
    blo_optimizer_destroy_f64(&optimizer);
    blo_workspace_destroy_f64(&workspace);
    blo_problem_destroy_f64(&problem);
    return found < flipped / 2;
}
