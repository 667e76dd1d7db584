// blo.hpp compiled and run: each class once, and exceptions that travel through the library.
#include "blo.hpp"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#define CHECK(condition) check((condition), #condition, __LINE__)

static void check(bool holds, const char *what, int line) {
    if (!holds) {
        std::fprintf(stderr, "line %d: %s does not hold\n", line, what);
        std::exit(1);
    }
}

template <class T> bool near(T found, T expected) {
    return std::abs(found - expected) < 16 * std::numeric_limits<T>::epsilon();
}

struct planted : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// H = diag(2, 4), M = I, F = |w - 1|^2 / 2.
template <class T> blo::functions<T> own(bool &fails) {
    using in = blo::span<const T>;
    using out = blo::span<T>;
    blo::functions<T> f;
    f.inner = [&fails](in u, in w, out g) {
        if (fails) throw planted("from inside");
        g[0] = 2 * w[0] + u[0];
        g[1] = 4 * w[1] + u[1];
        return double(w[0] * w[0] + 2 * w[1] * w[1] + w[0] * u[0] + w[1] * u[1]);
    };
    f.outer = [](in, in w, out gu, out gw) {
        gu[0] = gu[1] = 0;
        gw[0] = w[0] - 1;
        gw[1] = w[1] - 1;
        return double(gw[0] * gw[0] + gw[1] * gw[1]) / 2;
    };
    f.hvp = [&fails](in, in, in v, out hv) {
        if (fails) throw planted("from inside");
        hv[0] = 2 * v[0];
        hv[1] = 4 * v[1];
    };
    f.mixed_vjp = [](in, in, in v, out x) { x[0] = v[0], x[1] = v[1]; };
    f.mixed_jvp = f.mixed_vjp;
    return f;
}

template <class F> bool throws(F &&body) {
    try {
        body();
    } catch (const planted &error) {
        return std::strcmp(error.what(), "from inside") == 0;
    }
    return false;
}

template <class T> void one_precision() {
    bool fails = false;
    auto problem = blo::callbacks<T>(2, 2, own<T>(fails));
    CHECK(problem.n_outer() == 2 && problem.n_inner() == 2 && problem.n_examples() == 0);
    const std::vector<T> u{1, 2}, w{3, 5};
    std::int32_t verdict = -1;
    CHECK(problem.check_derivatives(u, w, verdict).find("verdict") != std::string::npos);
    CHECK(verdict == BLO_VERDICT_RIGHT);

    blo::workspace<T> at(problem);
    CHECK(at.reserve() > 0);
    auto told = blo::report();
    const auto g = at.hypergradient(u, w, blo::estimator().cg(5), &told);
    CHECK(near(g[0], T(-1)) && near(g[1], T(-1)) && told.ending == BLO_ENDING_CONVERGED && told.outer_loss == 10.0);
    std::vector<T> gradient(2);
    CHECK(at.inner(u, w, gradient) == 9 + 50 + 3 + 10 && gradient[1] == T(22));
    at.linearize(u, w);
    CHECK(at.hvp(u)[1] == T(8) && at.mixed_vjp(w)[0] == T(3) && at.mixed_jvp(w)[1] == T(5));
    CHECK(std::abs(at.response_jvp(u, w, u)[1] + T(0.5)) < T(1e-6));

    // Exceptions come out as themselves, and everything goes on afterwards.
    fails = true;
    CHECK(throws([&] { at.hypergradient(u, w); }));
    blo::run_options options;
    options->inner = BLO_INNER_OPTIMIZER;
    options->inner_rule = blo::rule(BLO_RULE_DESCENT, 0.25);
    options->inner_steps = 60;
    options->outer_rule = blo::rule(BLO_RULE_DESCENT, 0.5);
    options->outer_steps = 20;
    options->keep_best = 1;
    blo::runner<T> runner(problem, u, w, options);
    CHECK(throws([&] { runner.run(); }));
    fails = false;
    CHECK(near(at.hypergradient(u, w)[0], T(-1)));
    CHECK(throws([&] { runner.run([](const blo::progress<T> &) -> bool { throw planted("from inside"); }); }));
    int seen = 0;
    std::vector<blo_trace_row> trace;
    auto outcome = runner.run([&](const blo::progress<T> &now) { return ++seen < 4 && now.u.size() == 2; }, &trace, 10);
    CHECK(outcome.ending == BLO_RUN_STOPPED && seen == 4 && trace.size() == 4);
    CHECK(runner.step());
    runner.save("cpp.run");
    auto resumed = blo::runner<T>::resume(problem, "cpp.run");
    CHECK(std::remove("cpp.run") == 0);
    CHECK(resumed.steps() == runner.steps() && resumed.u() == runner.u());
    CHECK(runner.run().steps == 20 && resumed.run().steps == 20);
    CHECK(resumed.u() == runner.u() && resumed.w() == runner.w());
    std::vector<T> best_u, best_w;
    CHECK(runner.best(best_u, best_w) <= outcome.outer_loss && best_u.size() == 2);

    // Handles may end in any order, and move.
    blo::workspace<T> moved = std::move(at);
    { auto ended = std::move(problem); }
    CHECK(near(moved.hypergradient(u, w)[0], T(-1)));

    // Operators.
    const auto product = [](blo::span<const T> v, blo::span<T> out) {
        out[0] = 2 * v[0] + v[1];
        out[1] = v[0] + 2 * v[1];
    };
    const std::vector<T> b{3, 3};
    blo::solver<T> solver(2, blo::estimator().cg(10));
    const auto q = solver.solve(product, b);
    CHECK(std::abs(q[0] - 1) < T(1e-6));
    CHECK(throws([&] { solver.solve([](auto, auto) { throw planted("from inside"); }, b); }));
    blo::session<T> session(2, blo::estimator().cg(10));
    session.start(b);
    std::vector<T> answer(2);
    for (bool wanted = session.step(); wanted; wanted = session.step(answer)) product(session.vector(), answer);
    CHECK(session.vector()[0] == q[0] && session.vector()[1] == q[1]);
    blo::optimizer<T> descent(blo::rule(BLO_RULE_DESCENT, 0.5), 2);
    std::vector<T> x{1, 1};
    descent.step(b, x);
    CHECK(x[0] == T(-0.5));

    // Data: least squares with a penalty, a network, influence.
    const std::vector<T> design{1, 0, 1, 1, 1, 2}, targets{1, 2, 3};
    const auto rows = blo::examples<T>(3, 2, design, targets);
    auto weights = blo::regression_options();
    weights.outer = BLO_OUTER_EXAMPLE_WEIGHTS;
    weights.l2 = 0.1;
    const auto regression = blo::regression<T>(rows, rows, weights);
    blo::workspace<T> regressed(regression);
    CHECK(regression.n_examples() == 3 && regressed.influence(std::vector<T>(3), std::vector<T>(2)).size() == 3);
    auto how = blo::network_options();
    how.loss = BLO_NETWORK_LOSS_SQUARED;
    const std::vector<std::int64_t> widths{2, 4, 1};
    const auto network = blo::network<T>(widths, rows, rows, how);
    const auto start = network.initial(BLO_INIT_HE, 1);
    CHECK(start.size() == 17 && network.predict(start, design, 3, 1).size() == 3);

    // Errors have a status and a message.
    try {
        moved.hypergradient(u, std::vector<T>(3));
        CHECK(false);
    } catch (const blo::error &error) {
        CHECK(error.status() == BLO_ERR_SHAPE && std::string(error.what()).find("n_inner") == 0);
    }
}

int main() {
    one_precision<double>();
    one_precision<float>();
    std::puts("ok");
}
