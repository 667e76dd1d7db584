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

// As dlpack.h has it.
struct tensor {
    std::uint32_t major, minor;
    void *context;
    void (*deleter)(tensor *);
    std::uint64_t flags;
    void *data;
    std::int32_t device_type, device_id, ndim;
    std::uint8_t code, bits;
    std::uint16_t lanes;
    std::int64_t *shape, *strides;
    std::uint64_t byte_offset;
};

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
    const std::vector<std::int64_t> all{0, 1, 2};
    const std::vector<T> logits(3), zero(2);
    CHECK(std::abs(regressed.inner_batch(all, logits, zero) - regressed.inner(logits, zero)) < 1e-6);
    auto how = blo::network_options();
    how.loss = BLO_NETWORK_LOSS_SQUARED;
    const std::vector<std::int64_t> widths{2, 4, 1};
    const auto network = blo::network<T>(widths, rows, rows, how);
    const auto start = network.initial(BLO_INIT_HE, 1);
    CHECK(start.size() == 17 && network.predict(start, design, 3, 1).size() == 3);

    // Lent examples: as copied, kept as long as the problem, and given back by a creation that fails.
    auto table = std::make_shared<std::vector<T>>(design);
    std::weak_ptr<std::vector<T>> watched = table;
    {
        const auto lend = [&](std::size_t features) {
            return blo::lent_examples<T>(3, features, *table, targets, table);
        };
        try {
            blo::regression<T>(lend(1), lend(2), weights);
            CHECK(false);
        } catch (const blo::error &error) {
            CHECK(error.status() == BLO_ERR_INVALID && watched.use_count() == 1);
        }
        const auto lent = blo::regression<T>(lend(2), lend(2), weights);
        const auto deep = blo::network<T>(widths, lend(2), lend(2), how);
        CHECK(watched.use_count() == 5);
        table.reset();
        blo::workspace<T> there(lent);
        CHECK(there.influence(std::vector<T>(3), std::vector<T>(2)) ==
              regressed.influence(std::vector<T>(3), std::vector<T>(2)));
        CHECK(watched.use_count() == 4 && deep.n_inner() == 17);
    }
    CHECK(watched.expired());
    try {
        blo::lent_examples<T>::from_dlpack(nullptr, nullptr);
        CHECK(false);
    } catch (const blo::error &error) {
        CHECK(error.status() == BLO_ERR_NULL);
    }

    // A step in halves, along half of the hypergradient; tensors that outlive the run.
    {
        blo::run_options steps;
        steps->outer_rule = blo::rule(BLO_RULE_DESCENT, 0.5);
        typename blo::detail::api<T>::quadratics terms{};
        const std::vector<T> a{2, 0, 0, 0}, m{1, 0}, id{1, 0, 0, 1}, f{-1, 2};
        terms.n_outer = 1, terms.n_inner = 2, terms.a = a.data(), terms.b = m.data(), terms.p = id.data(), terms.f = f.data();
        const auto quadratic = blo::quadratic<T>(terms);
        const std::vector<T> one{1}, begin{0, 3};
        blo::runner<T> halves(quadratic, one, begin, steps);
        std::vector<T> g(1);
        CHECK(halves.begin_step(g) && halves.end_step(std::vector<T>{g[0] / 2}));
        CHECK(g[0] != 0 && near(halves.u()[0], 1 - g[0] / 4));
        halves.set(one);
        CHECK(halves.u() == one);
        halves.set({}, begin);
        CHECK(halves.w() == begin);
        tensor *shown = static_cast<tensor *>(halves.tensor(BLO_VECTOR_W));
        { auto ended = std::move(halves); }
        CHECK(*shown->shape == 2 && static_cast<T *>(shown->data)[1] == 3);
        shown->deleter(shown);
        blo::workspace<T> last(quadratic);
        shown = static_cast<tensor *>(last.tensor());
        const auto now = last.hypergradient(one, begin);
        CHECK(static_cast<T *>(shown->data)[0] == now[0]);
        shown->deleter(shown);
        // S(u) = { w_1 = -u / 2 }, and F falls with w_2 to -2.
        const auto best = quadratic.optimistic(one, begin);
        CHECK(!best.unbounded && std::abs(best.w[0] + T(0.5)) < T(1e-5) && std::abs(best.w[1] + 2) < T(1e-5));
        CHECK(quadratic.pessimistic(one, begin).unbounded);
        // On a GPU the same, where there is one; else a status says so.
        try {
            const blo::device device;
            CHECK(!device.name().empty() && device.compute_capability()[0] >= 7);
            blo::workspace<T> host(quadratic), there(quadratic.on_device(device));
            CHECK(near(host.hypergradient(one, begin)[0], there.hypergradient(one, begin)[0]));
        } catch (const blo::error &error) {
            CHECK(error.status() == BLO_ERR_NO_DEVICE);
        }
    }

    // Several solves; L-BFGS-B; projections by turns.
    std::vector<blo_report> reports;
    const auto many = solver.solve_many(product, std::vector<T>{3, 3, 2, 1}, &reports);
    CHECK(std::abs(many[1] - 1) < T(1e-5) && std::abs(many[3]) < T(1e-5) && reports.size() == 2 && reports[1].products > 0);
    const std::vector<blo::estimator> family{blo::estimator().min_norm(), blo::estimator().damped(1)};
    const auto filtered = solver.solve_family(product, family, b);
    CHECK(std::abs(filtered[0] - 1) < T(1e-5) && std::abs(filtered[2] - T(0.75)) < T(1e-5));
    const std::vector<double> dampings{1, 3};
    const auto damped = solver.shifted_cg(product, dampings, 0, 10, b);
    CHECK(std::abs(damped[0] - T(0.75)) < T(1e-5) && std::abs(damped[2] - T(0.5)) < T(1e-5));
    CHECK(throws([&] { solver.solve_many([](auto, auto) { throw planted("from inside"); }, b); }));
    blo::lbfgsb<T> method(std::vector<T>{0, 0}, {}, std::vector<T>{2, 2});
    std::int32_t next = BLO_NEXT_EVALUATE;
    for (int i = 0; next == BLO_NEXT_EVALUATE && i < 50; i++) {
        const auto at = method.trial();
        next = method.tell(0.5 * (at[0] - 3) * (at[0] - 3) + 0.5 * at[1] * at[1], std::vector<T>{at[0] - 3, at[1]});
    }
    double value = 0;
    CHECK(next == BLO_NEXT_CONVERGED && method.x(&value)[0] == 2 && std::abs(value - 0.5) < 1e-6);
    blo::cycle<T> turns(std::vector<T>{1, 0, 1, 1}, std::vector<T>{1, 3}, std::vector<T>{0, 0}, BLO_PROJECTION_FULL_WARM);
    CHECK(near(turns.step()[0], T(1)) && near(turns.step()[1], T(1)));

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
