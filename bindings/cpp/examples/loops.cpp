// A cold and a warm loop on a problem of our own, in C++: the least squares of bindings/c/examples/loops.c as lambdas.
#include "blo.hpp"

#include <cmath>
#include <cstdio>

using in = blo::span<const double>;
using out = blo::span<double>;

constexpr int M = 3, N = 5;
constexpr double X[M][N] = {{1, -1, 1, -1, 1}, {1, 0.5, 0.25, 0.125, 0.0625}, {1, 1, 1, 1, 1}};
constexpr double Z[N] = {1, 0.25, 0.0625, 0.015625, 0.00390625};

static void apply(in v, out x) {
    for (int i = 0; i < M; i++) {
        x[i] = 0;
        for (int j = 0; j < N; j++) x[i] += X[i][j] * v[j];
    }
}

static void apply_transpose(in r, out x) {
    for (int j = 0; j < N; j++) {
        x[j] = 0;
        for (int i = 0; i < M; i++) x[j] += X[i][j] * r[i];
    }
}

int main() try {
    blo::functions<double> f;
    f.inner = [](in u, in w, out gradient) {
        double r[M], value = 0;
        apply(w, r);
        for (int i = 0; i < M; i++) r[i] -= u[i], value += 0.5 * r[i] * r[i];
        apply_transpose(r, gradient);
        return value;
    };
    f.outer = [](in, in w, out, out gradient_w) { // dF/du is 0, as it is on entry
        double r = -1;
        for (int j = 0; j < N; j++) r += Z[j] * w[j];
        for (int j = 0; j < N; j++) gradient_w[j] = r * Z[j];
        return 0.5 * r * r;
    };
    f.hvp = [](in, in, in v, out hv) {
        double r[M];
        apply(v, r);
        apply_transpose(r, hv);
    };
    f.mixed_vjp = [](in, in, in v, out x) {
        apply(v, x);
        for (double &element : x) element = -element;
    };
    const auto problem = blo::callbacks<double>(M, N, f);

    const std::vector<double> u{0.5, -0.25, 2}, w{0.125, 0.5, -0.5, 1, 0.25};
    const auto neumann = blo::estimator().neumann(20, 0.125);
    std::printf("hypergradient");
    for (double g : blo::workspace<double>(problem).hypergradient(u, w, neumann)) std::printf(" %a", g);
    std::printf("\n");

    for (const std::int32_t start : {BLO_START_COLD, BLO_START_WARM}) {
        blo::run_options options;
        options->start = start;
        options->inner = BLO_INNER_OPTIMIZER;
        options->inner_rule = blo::rule(BLO_RULE_DESCENT, 0.125);
        options->inner_steps = start == BLO_START_COLD ? 400 : 2;
        options->outer_rule = blo::rule(BLO_RULE_DESCENT, 0.25);
        options->outer_steps = 300;
        blo::runner<double> runner(problem, u, std::vector<double>(N), options, neumann);
        const auto outcome = runner.run([](const blo::progress<double> &now) { return now.outer_loss > 1e-20; });
        double square = 0;
        for (double x : runner.w()) square += x * x;
        std::printf("%s: F = %.2e after %d steps, |w| = %.4f\n", start == BLO_START_COLD ? "cold" : "warm",
                    outcome.outer_loss, static_cast<int>(outcome.steps), std::sqrt(square));
    }
} catch (const blo::error &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
