/*
 * A cold and a warm loop on a problem of our own, which has many inner solutions: three targets are learned so that a
 * polynomial through them, of five coefficients, passes through 1 at a fourth point. Both loops begin at w = 0, so that neither
 * brings anything into the null space of H; the warm one needs 2 inner steps where the cold one needs 400.
 *
 *   f(u, w) = |X w - u|^2 / 2,  H = X'X of rank 3,  M = -X';  F(w) = (z'w - 1)^2 / 2
 */
#include "example.h"
#include <math.h>

enum { M = 3, N = 5 };

static const double X[M][N] = {{1, -1, 1, -1, 1}, {1, 0.5, 0.25, 0.125, 0.0625}, {1, 1, 1, 1, 1}};
static const double Z[N] = {1, 0.25, 0.0625, 0.015625, 0.00390625};

/* out = X v and out = X'r. */
static void apply(const double *v, double *out) {
    int i, j;
    for (i = 0; i < M; i++) {
        out[i] = 0;
        for (j = 0; j < N; j++) {
            out[i] += X[i][j] * v[j];
        }
    }
}

static void apply_transpose(const double *r, double *out) {
    int i, j;
    for (j = 0; j < N; j++) {
        out[j] = 0;
        for (i = 0; i < M; i++) {
            out[j] += X[i][j] * r[i];
        }
    }
}

static int32_t inner(int64_t m, int64_t n, const double *u, const double *w, double *value, double *gradient, void *data) {
    double r[M];
    int i;
    (void)m, (void)n, (void)data;
    apply(w, r);
    *value = 0;
    for (i = 0; i < M; i++) {
        r[i] -= u[i];
        *value += 0.5 * r[i] * r[i];
    }
    apply_transpose(r, gradient);
    return 0;
}

static int32_t outer(int64_t m, int64_t n, const double *u, const double *w, double *value, double *gradient_u,
                     double *gradient_w, void *data) {
    double r = -1;
    int j;
    (void)u, (void)n, (void)data;
    for (j = 0; j < N; j++) {
        r += Z[j] * w[j];
    }
    for (j = 0; j < N; j++) {
        gradient_w[j] = r * Z[j];
    }
    memset(gradient_u, 0, (size_t)m * sizeof *gradient_u);
    *value = 0.5 * r * r;
    return 0;
}

static int32_t hvp(int64_t m, int64_t n, const double *u, const double *w, const double *v, double *out, void *data) {
    double r[M];
    (void)m, (void)n, (void)u, (void)w, (void)data;
    apply(v, r);
    apply_transpose(r, out);
    return 0;
}

static int32_t mixed_vjp(int64_t m, int64_t n, const double *u, const double *w, const double *v, double *out, void *data) {
    int i;
    (void)m, (void)n, (void)u, (void)w, (void)data;
    apply(v, out);
    for (i = 0; i < M; i++) {
        out[i] = -out[i];
    }
    return 0;
}

static int32_t mixed_jvp(int64_t m, int64_t n, const double *u, const double *w, const double *du, double *out, void *data) {
    int j;
    (void)m, (void)n, (void)u, (void)w, (void)data;
    apply_transpose(du, out);
    for (j = 0; j < N; j++) {
        out[j] = -out[j];
    }
    return 0;
}

static int32_t watch(const blo_progress_f64 *progress, void *data) {
    *(int64_t *)data = progress->step;
    return 0;
}

int main(void) {
    static const double u[M] = {0.5, -0.25, 2}, w[N] = {0.125, 0.5, -0.5, 1, 0.25};
    const char *names[2] = {"cold", "warm"};
    blo_callbacks_f64 callbacks;
    blo_problem_f64 *problem = NULL;
    blo_workspace_f64 *workspace = NULL;
    blo_estimator_options estimator;
    double hypergradient[M];
    char text[2048];
    int32_t verdict, start;

    memset(&callbacks, 0, sizeof callbacks);
    callbacks.struct_size = sizeof callbacks;
    callbacks.inner = inner;
    callbacks.outer = outer;
    callbacks.hvp = hvp;
    callbacks.mixed_vjp = mixed_vjp;
    callbacks.mixed_jvp = mixed_jvp;
    CHECK(blo_problem_create_callbacks_f64(M, N, &callbacks, NULL, &problem));
    CHECK(blo_check_derivatives_f64(problem, u, M, w, N, BLO_DEFAULT, 0, &verdict, text, sizeof text, NULL));
    puts(text);

    CHECK(blo_estimator_options_init(&estimator, sizeof estimator));
    estimator.kind = BLO_ESTIMATOR_NEUMANN;
    estimator.terms = 20;
    estimator.alpha = 0.125;
    CHECK(blo_workspace_create_f64(problem, &workspace));
    CHECK(blo_hypergradient_f64(workspace, &estimator, u, M, w, N, hypergradient, NULL, NULL));
    print_exact("hypergradient", hypergradient, M);
    blo_workspace_destroy_f64(&workspace);

    for (start = BLO_START_COLD; start <= BLO_START_WARM; start++) {
        const double zero[N] = {0};
        double end_u[M], end_w[N];
        int64_t last = 0;
        blo_runner_f64 *runner = NULL;
        blo_run_options options;
        blo_outcome outcome;
        CHECK(blo_run_options_init(&options, sizeof options));
        options.start = start;
        options.inner = BLO_INNER_OPTIMIZER;
        options.inner_rule.step = 0.125;
        options.inner_steps = start == BLO_START_COLD ? 400 : 2;
        options.outer_rule.kind = BLO_RULE_DESCENT;
        options.outer_rule.step = 0.25;
        options.outer_steps = 300;
        memset(&outcome, 0, sizeof outcome);
        outcome.struct_size = sizeof outcome;
        CHECK(blo_runner_create_f64(problem, &options, &estimator, u, M, zero, N, &runner));
        CHECK(blo_runner_run_f64(runner, watch, &last, 0, NULL, 0, &outcome));
        CHECK(blo_runner_state_f64(runner, end_u, M, end_w, N, NULL));
        printf("%s: F = %.2e after %d steps, |w| = %.4f\n", names[start], outcome.outer_loss, (int)last,
               sqrt(end_w[0] * end_w[0] + end_w[1] * end_w[1] + end_w[2] * end_w[2] + end_w[3] * end_w[3] +
                    end_w[4] * end_w[4]));
        print_exact(names[start], end_u, M);
        blo_runner_destroy_f64(&runner);
    }
    blo_problem_destroy_f64(&problem);
    return verdict;
}
