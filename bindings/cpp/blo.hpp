// blo for C++17: what blo.h has, with destructors, exceptions and lambdas. Header-only; the manual is blo.h.
//
//     blo::problem<double> p = blo::callbacks<double>(m, n, functions);
//     blo::workspace<double> at(p);
//     std::vector<double> g = at.hypergradient(u, w, blo::estimator().cg(10));
//
// T is float or double. Arrays come in as blo::span<const T>, made from a vector, an array or (pointer, size); sizes are
// checked by the library. A failed call throws blo::error; an exception that leaves a lambda passes through the library and
// comes out of the call that ran it. Handles can be moved, not copied; problems may be shared by threads, the others not.
#ifndef BLO_HPP
#define BLO_HPP

#include "blo.h"

#include <array>
#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace blo {
inline namespace v0 {

static_assert(BLO_ABI_VERSION == 0, "this header is for another version of the binary interface");

/// A call that failed: status() is one of BLO_ERR_, what() tells argument, found and expected.
class error : public std::runtime_error {
  public:
    error(blo_status status, const std::string &message) : std::runtime_error(message), status_(status) {}
    blo_status status() const noexcept { return status_; }

  private:
    blo_status status_;
};

/// An array of somebody else's. T may be const.
template <class T> class span {
  public:
    span() noexcept = default;
    span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <std::size_t N> span(T (&array)[N]) noexcept : data_(array), size_(N) {}
    /// From a vector, std::array, or another container with data() and size().
    template <class C, class = std::enable_if_t<std::is_convertible_v<decltype(std::declval<C &>().data()), T *>>>
    span(C &&container) noexcept : data_(container.data()), size_(container.size()) {}
    T *data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    T &operator[](std::size_t i) const { return data_[i]; }
    T *begin() const noexcept { return data_; }
    T *end() const noexcept { return data_ + size_; }

  private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
};

namespace detail {

inline std::string last_message() {
    std::size_t needed = 0;
    blo_last_error(nullptr, 0, &needed);
    std::string text(needed, '\0');
    blo_last_error(text.data(), text.size(), nullptr);
    text.resize(needed == 0 ? 0 : needed - 1);
    return text;
}

inline void check(blo_status status) {
    if (status != BLO_OK) throw error(status, last_message());
}

/// An exception that left a lambda, on its way through the library.
class caught {
  public:
    template <class F> std::int32_t run(F &&body) noexcept {
        try {
            return body();
        } catch (...) {
            exception_ = std::current_exception();
            return -1;
        }
    }
    void check(blo_status status) {
        if (exception_) std::rethrow_exception(std::exchange(exception_, nullptr));
        detail::check(status);
    }

  private:
    std::exception_ptr exception_;
};

inline std::int64_t size(std::size_t n) { return static_cast<std::int64_t>(n); }

/// The C functions of each precision.
template <class T> struct api;

#define BLO_DETAIL_API(T, S)                                                                                           \
    template <> struct api<T> {                                                                                        \
        using problem = blo_problem_##S;                                                                               \
        using workspace = blo_workspace_##S;                                                                           \
        using runner = blo_runner_##S;                                                                                 \
        using optimizer = blo_optimizer_##S;                                                                           \
        using solver = blo_solver_##S;                                                                                 \
        using session = blo_session_##S;                                                                               \
        using lbfgsb = blo_lbfgsb_##S;                                                                                 \
        using cycle = blo_cycle_##S;                                                                                   \
        using callbacks = blo_callbacks_##S;                                                                           \
        using quadratics = blo_quadratics_##S;                                                                         \
        using examples = blo_examples_##S;                                                                             \
        using progress = blo_progress_##S;                                                                             \
        static constexpr auto problem_destroy = blo_problem_destroy_##S;                                               \
        static constexpr auto problem_sizes = blo_problem_sizes_##S;                                                   \
        static constexpr auto create_quadratic = blo_problem_create_quadratic_##S;                                     \
        static constexpr auto create_regression = blo_problem_create_regression_##S;                                   \
        static constexpr auto create_network = blo_problem_create_network_##S;                                         \
        static constexpr auto create_callbacks = blo_problem_create_callbacks_##S;                                     \
        static constexpr auto network_initial = blo_network_initial_##S;                                               \
        static constexpr auto network_predict = blo_network_predict_##S;                                               \
        static constexpr auto workspace_create = blo_workspace_create_##S;                                             \
        static constexpr auto workspace_destroy = blo_workspace_destroy_##S;                                           \
        static constexpr auto workspace_reserve = blo_workspace_reserve_##S;                                           \
        static constexpr auto hypergradient = blo_hypergradient_##S;                                                   \
        static constexpr auto inner = blo_inner_##S;                                                                   \
        static constexpr auto outer = blo_outer_##S;                                                                   \
        static constexpr auto fixpoint = blo_fixpoint_##S;                                                             \
        static constexpr auto linearize = blo_linearize_##S;                                                           \
        static constexpr auto hvp = blo_hvp_##S;                                                                       \
        static constexpr auto mixed_vjp = blo_mixed_vjp_##S;                                                           \
        static constexpr auto mixed_jvp = blo_mixed_jvp_##S;                                                           \
        static constexpr auto response_jvp = blo_response_jvp_##S;                                                     \
        static constexpr auto response_vjp = blo_response_vjp_##S;                                                     \
        static constexpr auto influence = blo_influence_##S;                                                           \
        static constexpr auto runner_create = blo_runner_create_##S;                                                   \
        static constexpr auto runner_resume = blo_runner_resume_##S;                                                   \
        static constexpr auto runner_save = blo_runner_save_##S;                                                       \
        static constexpr auto runner_reserve = blo_runner_reserve_##S;                                                 \
        static constexpr auto runner_run = blo_runner_run_##S;                                                         \
        static constexpr auto runner_step = blo_runner_step_##S;                                                       \
        static constexpr auto runner_state = blo_runner_state_##S;                                                     \
        static constexpr auto runner_best = blo_runner_best_##S;                                                       \
        static constexpr auto runner_destroy = blo_runner_destroy_##S;                                                 \
        static constexpr auto optimizer_create = blo_optimizer_create_##S;                                             \
        static constexpr auto optimizer_step = blo_optimizer_step_##S;                                                 \
        static constexpr auto optimizer_restart = blo_optimizer_restart_##S;                                           \
        static constexpr auto optimizer_destroy = blo_optimizer_destroy_##S;                                           \
        static constexpr auto solver_create = blo_solver_create_##S;                                                   \
        static constexpr auto solver_solve = blo_solver_solve_##S;                                                     \
        static constexpr auto solver_destroy = blo_solver_destroy_##S;                                                 \
        static constexpr auto session_create = blo_session_create_##S;                                                 \
        static constexpr auto session_start = blo_session_start_##S;                                                   \
        static constexpr auto session_step = blo_session_step_##S;                                                     \
        static constexpr auto session_destroy = blo_session_destroy_##S;                                               \
        static constexpr auto check_derivatives = blo_check_derivatives_##S;                                           \
        static constexpr auto inner_batch = blo_inner_batch_##S;                                                       \
        static constexpr auto examples_from_dlpack = blo_examples_from_dlpack_##S;                                     \
        static constexpr auto workspace_tensor = blo_workspace_tensor_##S;                                             \
        static constexpr auto runner_tensor = blo_runner_tensor_##S;                                                   \
        static constexpr auto runner_set = blo_runner_set_##S;                                                         \
        static constexpr auto runner_begin_step = blo_runner_begin_step_##S;                                           \
        static constexpr auto runner_end_step = blo_runner_end_step_##S;                                               \
        static constexpr auto solver_solve_many = blo_solver_solve_many_##S;                                           \
        static constexpr auto solver_solve_family = blo_solver_solve_family_##S;                                       \
        static constexpr auto solver_shifted_cg = blo_solver_shifted_cg_##S;                                           \
        static constexpr auto lbfgsb_create = blo_lbfgsb_create_##S;                                                   \
        static constexpr auto lbfgsb_trial = blo_lbfgsb_trial_##S;                                                     \
        static constexpr auto lbfgsb_tell = blo_lbfgsb_tell_##S;                                                       \
        static constexpr auto lbfgsb_state = blo_lbfgsb_state_##S;                                                     \
        static constexpr auto lbfgsb_destroy = blo_lbfgsb_destroy_##S;                                                 \
        static constexpr auto cycle_create = blo_cycle_create_##S;                                                     \
        static constexpr auto cycle_step = blo_cycle_step_##S;                                                         \
        static constexpr auto cycle_destroy = blo_cycle_destroy_##S;                                                   \
        static constexpr auto optimistic = blo_optimistic_##S;                                                         \
        static constexpr auto problem_on_device = blo_problem_on_device_##S;                                           \
        static constexpr auto pessimistic = blo_pessimistic_##S;                                                       \
    }

BLO_DETAIL_API(double, f64);
BLO_DETAIL_API(float, f32);
#undef BLO_DETAIL_API

/// A handle that ends itself.
template <class H, void (*Destroy)(H **)> class handle {
  public:
    handle() noexcept = default;
    handle(handle &&other) noexcept : pointer_(std::exchange(other.pointer_, nullptr)) {}
    handle &operator=(handle &&other) noexcept {
        std::swap(pointer_, other.pointer_);
        return *this;
    }
    ~handle() { Destroy(&pointer_); }
    H *get() const noexcept { return pointer_; }
    H **place() noexcept { return &pointer_; }

  private:
    H *pointer_ = nullptr;
};

} // namespace detail

/// blo_estimator_options, with a function for each kind; other fields by options().
class estimator {
  public:
    estimator() { detail::check(blo_estimator_options_init(&options_, sizeof options_)); }
    estimator &min_norm() { return kind(BLO_ESTIMATOR_MIN_NORM); }
    estimator &damped(double epsilon) { return options_.epsilon = epsilon, kind(BLO_ESTIMATOR_DAMPED); }
    estimator &neumann(std::int64_t terms, double alpha) {
        return options_.terms = terms, options_.alpha = alpha, kind(BLO_ESTIMATOR_NEUMANN);
    }
    estimator &cg(std::int64_t iterations, double tolerance = 0.0) {
        return options_.iterations = iterations, options_.tolerance = tolerance, kind(BLO_ESTIMATOR_CG);
    }
    estimator &minres(std::int64_t max_products, double tolerance = 0.0) {
        return options_.max_products = max_products, options_.tolerance = tolerance, kind(BLO_ESTIMATOR_MINRES);
    }
    estimator &identity(double alpha) { return options_.alpha = alpha, kind(BLO_ESTIMATOR_IDENTITY); }
    estimator &zero() { return kind(BLO_ESTIMATOR_ZERO); }
    estimator &unrolled(std::int64_t steps, double step) {
        return options_.steps = steps, options_.rule.step = step, kind(BLO_ESTIMATOR_UNROLLED);
    }
    blo_estimator_options &options() noexcept { return options_; }
    const blo_estimator_options *get() const noexcept { return &options_; }

  private:
    estimator &kind(std::int32_t kind) { return options_.kind = kind, *this; }
    blo_estimator_options options_{};
};

/// blo_run_options with its defaults: `blo::run_options o; o->outer_steps = 10;`
class run_options {
  public:
    run_options() { detail::check(blo_run_options_init(&options_, sizeof options_)); }
    blo_run_options *operator->() noexcept { return &options_; }
    const blo_run_options *get() const noexcept { return &options_; }

  private:
    blo_run_options options_{};
};

/// A first-order rule with its defaults and a step size.
inline blo_rule rule(std::int32_t kind, double step) {
    blo_rule rule;
    detail::check(blo_rule_init(&rule));
    rule.kind = kind;
    rule.step = step;
    return rule;
}

inline blo_report report() noexcept {
    blo_report report{};
    report.struct_size = sizeof report;
    return report;
}

/// The functions of a problem of the caller's own: as in blo_callbacks, without sizes. `inner` and `outer` return the value.
template <class T> struct functions {
    using in = span<const T>;
    using out = span<T>;
    std::function<double(in u, in w, out gradient)> inner;
    std::function<double(in u, in w, out gradient_u, out gradient_w)> outer;
    std::function<void(in u, in w, in v, out hv)> hvp;
    std::function<void(in u, in w, in v, out mtv)> mixed_vjp;
    std::function<void(in u, in w, in du, out mdu)> mixed_jvp = {};
};

namespace detail {

/// The functions, and what left one of them.
template <class T> struct user {
    functions<T> own;
    caught thrown;
};

template <class T, std::function<void(span<const T>, span<const T>, span<const T>, span<T>)> functions<T>::*Function>
std::int32_t product(std::int64_t m, std::int64_t n, const T *u, const T *w, const T *v, T *out, void *data) noexcept {
    auto &self = *static_cast<user<T> *>(data);
    // M du goes from u-space to w-space, the others from w-space.
    constexpr bool forward = Function == &functions<T>::mixed_jvp, back = Function == &functions<T>::mixed_vjp;
    const auto from = static_cast<std::size_t>(forward ? m : n), to = static_cast<std::size_t>(back ? m : n);
    const auto outer = static_cast<std::size_t>(m), inner = static_cast<std::size_t>(n);
    return self.thrown.run([&] { return (self.own.*Function)({u, outer}, {w, inner}, {v, from}, {out, to}), 0; });
}

} // namespace detail

/// The best or the worst inner solution at u: w, and F there; if unbounded, w is a direction of length 1 and F is infinite.
template <class T> struct extremum {
    std::vector<T> w;
    double outer_loss;
    bool unbounded;
};

/// An NVIDIA GPU. Problems on it keep it open. Throws an error with BLO_ERR_NO_DEVICE where there is none to work on.
class device {
  public:
    static std::size_t count() {
        std::int64_t count = 0;
        detail::check(blo_device_count(&count));
        return static_cast<std::size_t>(count);
    }
    explicit device(std::size_t index = 0) { detail::check(blo_device_open(detail::size(index), handle_.place())); }
    std::string name() const {
        std::size_t needed = 0;
        std::vector<char> text(256);
        detail::check(blo_device_name(get(), text.data(), text.size(), &needed));
        return std::string(text.data());
    }
    /// Major and minor.
    std::array<std::int32_t, 2> compute_capability() const {
        std::array<std::int32_t, 2> found{};
        detail::check(blo_device_compute_capability(get(), &found[0], &found[1]));
        return found;
    }
    const blo_device *get() const noexcept { return handle_.get(); }

  private:
    detail::handle<blo_device, blo_device_destroy> handle_;
};

/// A bilevel problem.
template <class T> class problem {
    using api = detail::api<T>;

  public:
    std::size_t n_outer() const { return static_cast<std::size_t>(sizes()[0]); }
    std::size_t n_inner() const { return static_cast<std::size_t>(sizes()[1]); }
    std::size_t n_examples() const { return static_cast<std::size_t>(sizes()[2]); }
    /// A table for people; verdict gets one of BLO_VERDICT_.
    std::string check_derivatives(span<const T> u, span<const T> w, std::int32_t &verdict, std::uint64_t seed = 0) const {
        std::size_t needed = 0;
        std::vector<char> text(1 << 14);
        check(api::check_derivatives(get(), u.data(), detail::size(u.size()), w.data(), detail::size(w.size()), BLO_DEFAULT,
                                     seed, &verdict, text.data(), text.size(), &needed));
        return std::string(text.data());
    }
    /// Of a quadratic: the inner solution at u with the smallest F, the nearest to start where there are many.
    extremum<T> optimistic(span<const T> u, span<const T> start) const { return extreme(api::optimistic, u, start); }
    /// The one with the largest F.
    extremum<T> pessimistic(span<const T> u, span<const T> start) const { return extreme(api::pessimistic, u, start); }
    /// Initial parameters of a network; kind is one of BLO_INIT_.
    std::vector<T> initial(std::int32_t kind, std::uint64_t seed) const {
        std::vector<T> w(n_inner());
        check(api::network_initial(get(), kind, seed, w.data(), detail::size(w.size())));
        return w;
    }
    /// The outputs of a network of `outputs` outputs for examples as rows.
    std::vector<T> predict(span<const T> w, span<const T> x, std::size_t rows, std::size_t outputs) const {
        std::vector<T> out(rows * outputs);
        check(api::network_predict(get(), w.data(), detail::size(w.size()), x.data(), detail::size(rows),
                                   rows ? detail::size(x.size() / rows) : 0, out.data()));
        return out;
    }
    /// A quadratic or a network on a GPU, for the same workspaces and runners.
    problem on_device(const device &device) const {
        return make([&](auto **place) { return api::problem_on_device(get(), device.get(), place); });
    }
    const typename api::problem *get() const noexcept { return handle_.get(); }

    /// For the functions below. Throws what the problem's lambdas threw, or an error.
    template <class Make> static problem make(Make &&create, std::shared_ptr<detail::user<T>> user = nullptr) {
        problem made;
        made.user_ = std::move(user);
        detail::check(create(made.handle_.place()));
        return made;
    }
    void check(blo_status status) const {
        if (user_) user_->thrown.check(status);
        detail::check(status);
    }
    const std::shared_ptr<detail::user<T>> &user() const noexcept { return user_; }

  private:
    problem() = default;
    template <class F> extremum<T> extreme(F function, span<const T> u, span<const T> start) const {
        extremum<T> found{std::vector<T>(start.size()), 0.0, false};
        std::int32_t unbounded = 0;
        check(function(get(), u.data(), detail::size(u.size()), start.data(), detail::size(start.size()), found.w.data(),
                       &found.outer_loss, &unbounded));
        found.unbounded = unbounded != 0;
        return found;
    }
    std::array<std::int64_t, 3> sizes() const {
        std::array<std::int64_t, 3> sizes{};
        detail::check(api::problem_sizes(get(), &sizes[0], &sizes[1], &sizes[2]));
        return sizes;
    }
    // Behind the handle, so that it is there as long.
    std::shared_ptr<detail::user<T>> user_;
    detail::handle<typename api::problem, api::problem_destroy> handle_;
};

/// A problem of lambdas. An exception that leaves one comes out of the call that ran it. One thread at a time.
template <class T> problem<T> callbacks(std::size_t n_outer, std::size_t n_inner, functions<T> own) {
    auto user = std::make_shared<detail::user<T>>();
    typename detail::api<T>::callbacks table{};
    table.struct_size = sizeof table;
    if (own.inner)
        table.inner = [](std::int64_t m, std::int64_t n, const T *u, const T *w, double *value, T *g, void *data) {
            auto &self = *static_cast<detail::user<T> *>(data);
            const auto outer = static_cast<std::size_t>(m), inner = static_cast<std::size_t>(n);
            return self.thrown.run([&] { return *value = self.own.inner({u, outer}, {w, inner}, {g, inner}), 0; });
        };
    if (own.outer)
        table.outer = [](std::int64_t m, std::int64_t n, const T *u, const T *w, double *value, T *gu, T *gw, void *data) {
            auto &self = *static_cast<detail::user<T> *>(data);
            const auto outer = static_cast<std::size_t>(m), inner = static_cast<std::size_t>(n);
            return self.thrown.run(
                [&] { return *value = self.own.outer({u, outer}, {w, inner}, {gu, outer}, {gw, inner}), 0; });
        };
    if (own.hvp) table.hvp = detail::product<T, &functions<T>::hvp>;
    if (own.mixed_vjp) table.mixed_vjp = detail::product<T, &functions<T>::mixed_vjp>;
    if (own.mixed_jvp) table.mixed_jvp = detail::product<T, &functions<T>::mixed_jvp>;
    user->own = std::move(own);
    void *data = user.get();
    const auto create = [&](auto **place) {
        return detail::api<T>::create_callbacks(detail::size(n_outer), detail::size(n_inner), &table, data, place);
    };
    return problem<T>::make(create, std::move(user));
}

/// From blo_quadratics; struct_size is set here.
template <class T> problem<T> quadratic(typename detail::api<T>::quadratics terms) {
    terms.struct_size = sizeof terms;
    return problem<T>::make([&](auto **place) { return detail::api<T>::create_quadratic(&terms, place); });
}

/// Examples as rows, without gaps; either array may be empty where u makes it.
template <class T>
typename detail::api<T>::examples examples(std::size_t rows, std::size_t features, span<const T> design, span<const T> targets) {
    typename detail::api<T>::examples made{};
    made.struct_size = sizeof made;
    made.rows = detail::size(rows);
    made.features = detail::size(features);
    made.design = design.size() ? design.data() : nullptr;
    made.targets = targets.size() ? targets.data() : nullptr;
    return made;
}

/// Examples that are lent to one problem, not copied. What they belong to is kept until the problem, and all that was made from
/// it, has ended; or until this ends, if no problem was made.
template <class T> class lent_examples {
    using api = detail::api<T>;

  public:
    /// As examples(), in arrays that owner keeps alive where they are: a std::shared_ptr to a vector, for example.
    template <class Owner>
    lent_examples(std::size_t rows, std::size_t features, span<const T> design, span<const T> targets, Owner owner)
        : rows_(examples<T>(rows, features, design, targets)) {
        rows_.release_data = new Owner(std::move(owner));
        rows_.release = [](void *data) { delete static_cast<Owner *>(data); };
    }
    /// From DLPack tensors, each of which may be nullptr where u makes it; features counts without a design. If this throws, the
    /// tensors are still the caller's. See blo_examples_from_dlpack.
    static lent_examples from_dlpack(void *design, void *targets, bool versioned = true, std::size_t features = 0) {
        lent_examples lent;
        lent.rows_.struct_size = sizeof lent.rows_;
        lent.rows_.features = detail::size(features);
        detail::check(api::examples_from_dlpack(design, targets, versioned ? 1 : 0, &lent.rows_));
        return lent;
    }
    lent_examples(lent_examples &&other) noexcept : rows_(std::exchange(other.rows_, {})) {}
    lent_examples &operator=(lent_examples &&other) noexcept {
        std::swap(rows_, other.rows_);
        return *this;
    }
    ~lent_examples() {
        if (rows_.release) rows_.release(rows_.release_data);
    }
    const typename api::examples *get() const noexcept { return &rows_; }
    /// A problem has them now.
    void taken() noexcept { rows_.release = nullptr; }

  private:
    lent_examples() = default;
    typename api::examples rows_{};
};

inline blo_regression_options regression_options() {
    blo_regression_options options;
    detail::check(blo_regression_options_init(&options, sizeof options));
    return options;
}

inline blo_network_options network_options() {
    blo_network_options options;
    detail::check(blo_network_options_init(&options, sizeof options));
    return options;
}

/// See blo_problem_create_regression.
template <class T>
problem<T> regression(const typename detail::api<T>::examples &inner, const typename detail::api<T>::examples &outer,
                      const blo_regression_options &options) {
    return problem<T>::make(
        [&](auto **place) { return detail::api<T>::create_regression(&inner, &outer, &options, place); });
}

/// From lent examples.
template <class T>
problem<T> regression(lent_examples<T> inner, lent_examples<T> outer, const blo_regression_options &options) {
    auto made = problem<T>::make(
        [&](auto **place) { return detail::api<T>::create_regression(inner.get(), outer.get(), &options, place); });
    inner.taken();
    outer.taken();
    return made;
}

/// See blo_problem_create_network.
template <class T>
problem<T> network(span<const std::int64_t> widths, const typename detail::api<T>::examples &inner,
                   const typename detail::api<T>::examples &outer, const blo_network_options &options) {
    return problem<T>::make([&](auto **place) {
        return detail::api<T>::create_network(detail::size(widths.size()), widths.data(), &inner, &outer, &options, place);
    });
}

/// From lent examples.
template <class T>
problem<T> network(span<const std::int64_t> widths, lent_examples<T> inner, lent_examples<T> outer,
                   const blo_network_options &options) {
    auto made = problem<T>::make([&](auto **place) {
        return detail::api<T>::create_network(detail::size(widths.size()), widths.data(), inner.get(), outer.get(), &options,
                                              place);
    });
    inner.taken();
    outer.taken();
    return made;
}

/// Evaluations of one problem. Functions that return vectors allocate them; get() is there for those who must not.
template <class T> class workspace {
    using api = detail::api<T>;
    using in = span<const T>;

  public:
    explicit workspace(const problem<T> &problem) : user_(problem.user()), m_(problem.n_outer()), n_(problem.n_inner()) {
        n_examples_ = problem.n_examples();
        detail::check(api::workspace_create(problem.get(), handle_.place()));
    }
    /// dF/du; q and report, where given, get those of the solve.
    std::vector<T> hypergradient(in u, in w, const estimator &how = {}, blo_report *report = nullptr, T *q = nullptr) {
        std::vector<T> g(m_);
        check(api::hypergradient(get(), how.get(), u.data(), detail::size(u.size()), w.data(), detail::size(w.size()),
                                 g.data(), q, report));
        return g;
    }
    /// The hypergradient as a DLManagedTensorVersioned, to be ended by its deleter; see blo_workspace_tensor.
    void *tensor(std::int32_t vector = BLO_VECTOR_HYPERGRADIENT) {
        void *tensor = nullptr;
        check(api::workspace_tensor(get(), vector, &tensor));
        return tensor;
    }
    /// f; gradient, where given, gets its gradient by w.
    double inner(in u, in w, span<T> gradient = {}) {
        double value = 0.0;
        room(gradient, n_);
        check(api::inner(get(), u.data(), detail::size(u.size()), w.data(), detail::size(w.size()), &value, gradient.data()));
        return value;
    }
    /// f on a batch of the inner examples, given by their indices; see blo_inner_batch.
    double inner_batch(span<const std::int64_t> batch, in u, in w, span<T> gradient = {}) {
        double value = 0.0;
        room(gradient, n_);
        check(api::inner_batch(get(), batch.data(), detail::size(batch.size()), u.data(), detail::size(u.size()), w.data(),
                               detail::size(w.size()), &value, gradient.data()));
        return value;
    }
    /// F; the gradients, where given, get those by u and w.
    double outer(in u, in w, span<T> gradient_u = {}, span<T> gradient_w = {}) {
        double value = 0.0;
        room(gradient_u, m_);
        room(gradient_w, n_);
        check(api::outer(get(), u.data(), detail::size(u.size()), w.data(), detail::size(w.size()), &value,
                         gradient_u.data(), gradient_w.data()));
        return value;
    }
    /// w moves to the nearest inner solution, in closed form.
    void fixpoint(in u, span<T> w) {
        check(api::fixpoint(get(), u.data(), detail::size(u.size()), w.data(), detail::size(w.size())));
    }
    void linearize(in u, in w) {
        check(api::linearize(get(), u.data(), detail::size(u.size()), w.data(), detail::size(w.size())));
    }
    std::vector<T> hvp(in v) { return product(api::hvp, v, n_); }
    std::vector<T> mixed_vjp(in v) { return product(api::mixed_vjp, v, m_); }
    std::vector<T> mixed_jvp(in du) { return product(api::mixed_jvp, du, n_); }
    std::vector<T> response_jvp(in u, in w, in du, const estimator &how = {}, blo_report *report = nullptr) {
        need(du, m_);
        return respond(api::response_jvp, u, w, du, n_, how, report);
    }
    std::vector<T> response_vjp(in u, in w, in v, const estimator &how = {}, blo_report *report = nullptr) {
        need(v, n_);
        return respond(api::response_vjp, u, w, v, m_, how, report);
    }
    std::vector<double> influence(in u, in w, const estimator &how = {}, blo_report *report = nullptr) {
        std::vector<double> scores(n_examples_ + 1);
        check(api::influence(get(), how.get(), u.data(), detail::size(u.size()), w.data(), detail::size(w.size()),
                             scores.data(), detail::size(n_examples_), report));
        scores.pop_back();
        return scores;
    }
    /// Allocates all that hypergradients need; returns the bytes held.
    std::int64_t reserve(const estimator &how = {}) {
        std::int64_t bytes = 0;
        check(api::workspace_reserve(get(), how.get(), &bytes));
        return bytes;
    }
    typename api::workspace *get() const noexcept { return handle_.get(); }

  private:
    void check(blo_status status) {
        if (user_) user_->thrown.check(status);
        detail::check(status);
    }
    template <class V> static void need(span<V> array, std::size_t size) {
        if (array.size() != size)
            throw error(BLO_ERR_SHAPE, "array: found length " + std::to_string(array.size()) + ", expected length " +
                                           std::to_string(size));
    }
    static void room(span<T> out, std::size_t size) {
        if (out.data()) need(out, size);
    }
    template <class F> std::vector<T> product(F function, in v, std::size_t size) {
        std::vector<T> out(size);
        check(function(get(), v.data(), detail::size(v.size()), out.data()));
        return out;
    }
    template <class F>
    std::vector<T> respond(F function, in u, in w, in v, std::size_t size, const estimator &how, blo_report *report) {
        std::vector<T> out(size);
        check(function(get(), how.get(), u.data(), detail::size(u.size()), w.data(), detail::size(w.size()), v.data(),
                       out.data(), report));
        return out;
    }
    std::shared_ptr<detail::user<T>> user_;
    std::size_t m_, n_, n_examples_;
    detail::handle<typename api::workspace, api::workspace_destroy> handle_;
};

/// What a monitor sees; see blo_progress.
template <class T> struct progress {
    std::int64_t step;
    double outer_loss, norm_hypergradient;
    span<const T> u, w, hypergradient;
};

/// A cold- or warm-start loop.
template <class T> class runner {
    using api = detail::api<T>;

  public:
    /// Returns false to stop.
    using monitor = std::function<bool(const progress<T> &)>;

    runner(const problem<T> &problem, span<const T> u, span<const T> w, const run_options &options = {},
           const estimator &how = {})
        : runner(problem) {
        check(api::runner_create(problem.get(), options.get(), how.get(), u.data(), detail::size(u.size()), w.data(),
                                 detail::size(w.size()), handle_.place()));
    }
    /// Goes on with a saved run.
    static runner resume(const problem<T> &problem, const std::string &path) {
        runner resumed(problem);
        resumed.check(api::runner_resume(problem.get(), path.c_str(), resumed.handle_.place()));
        return resumed;
    }
    void save(const std::string &path) { check(api::runner_save(get(), path.c_str())); }
    /// To the end; trace, where given, gets a row every `every` steps.
    blo_outcome run(const monitor &look = {}, std::vector<blo_trace_row> *trace = nullptr, std::size_t rows = 0,
                    std::int64_t every = 1) {
        struct watch {
            const monitor &look;
            detail::caught thrown;
        } watch{look, {}};
        const auto trampoline = [](const typename api::progress *seen, void *data) -> std::int32_t {
            auto &self = *static_cast<struct watch *>(data);
            const auto m = static_cast<std::size_t>(seen->n_outer), n = static_cast<std::size_t>(seen->n_inner);
            const progress<T> now{seen->step,  seen->outer_loss, seen->norm_hypergradient,
                                  {seen->u, m}, {seen->w, n},     {seen->hypergradient, m}};
            return self.thrown.run([&]() -> std::int32_t { return self.look(now) ? 0 : 1; });
        };
        blo_outcome outcome{};
        outcome.struct_size = sizeof outcome;
        if (trace) trace->resize(rows);
        const auto status = api::runner_run(get(), look ? +trampoline : nullptr, &watch, trace ? every : 0,
                                            trace && rows ? trace->data() : nullptr, trace ? detail::size(rows) : 0, &outcome);
        if (trace) trace->resize(status == BLO_OK ? static_cast<std::size_t>(outcome.trace_rows) : 0);
        watch.thrown.check(BLO_OK);
        check(status);
        return outcome;
    }
    /// One outer step; false if something diverged.
    bool step(blo_report *report = nullptr, T *hypergradient = nullptr) {
        std::int32_t diverged = 0;
        check(api::runner_step(get(), hypergradient, report, &diverged));
        return diverged == 0;
    }
    /// The first half of a step, up to the hypergradient; false if something diverged, so that there is no second half.
    bool begin_step(span<T> hypergradient = {}, blo_report *report = nullptr) {
        if (hypergradient.data()) need(hypergradient, m_);
        std::int32_t diverged = 0;
        check(api::runner_begin_step(get(), hypergradient.data(), report, &diverged));
        return diverged == 0;
    }
    /// The second half, along the hypergradient or what is given in its place; false if something diverged.
    bool end_step(span<const T> hypergradient = {}) {
        std::int32_t diverged = 0;
        const auto size = hypergradient.data() ? hypergradient.size() : m_;
        check(api::runner_end_step(get(), hypergradient.data(), detail::size(size), &diverged));
        return diverged == 0;
    }
    /// Puts u, w or both elsewhere; an empty one stays.
    void set(span<const T> u, span<const T> w = {}) {
        check(api::runner_set(get(), u.data(), detail::size(u.data() ? u.size() : m_), w.data(),
                              detail::size(w.data() ? w.size() : n_)));
    }
    /// One of BLO_VECTOR_ as a DLManagedTensorVersioned, to be ended by its deleter; see blo_runner_tensor.
    void *tensor(std::int32_t vector) {
        void *tensor = nullptr;
        check(api::runner_tensor(get(), vector, &tensor));
        return tensor;
    }
    std::vector<T> u() const {
        std::vector<T> u(m_);
        detail::check(api::runner_state(get(), u.data(), detail::size(m_), nullptr, detail::size(n_), nullptr));
        return u;
    }
    std::vector<T> w() const {
        std::vector<T> w(n_);
        detail::check(api::runner_state(get(), nullptr, detail::size(m_), w.data(), detail::size(n_), nullptr));
        return w;
    }
    std::int64_t steps() const {
        std::int64_t steps = 0;
        detail::check(api::runner_state(get(), nullptr, detail::size(m_), nullptr, detail::size(n_), &steps));
        return steps;
    }
    /// u, w and F of the smallest F, with keep_best.
    double best(std::vector<T> &u, std::vector<T> &w) const {
        double loss = 0.0;
        u.resize(m_);
        w.resize(n_);
        detail::check(api::runner_best(get(), u.data(), detail::size(m_), w.data(), detail::size(n_), &loss, nullptr));
        return loss;
    }
    /// Allocates all that the run needs; returns the bytes held.
    std::int64_t reserve() {
        std::int64_t bytes = 0;
        check(api::runner_reserve(get(), &bytes));
        return bytes;
    }
    typename api::runner *get() const noexcept { return handle_.get(); }

  private:
    explicit runner(const problem<T> &problem)
        : user_(problem.user()), m_(problem.n_outer()), n_(problem.n_inner()) {}
    static void need(span<T> array, std::size_t size) {
        if (array.size() != size) throw error(BLO_ERR_SHAPE, "hypergradient: another length than the problem's u");
    }
    void check(blo_status status) {
        if (user_) user_->thrown.check(status);
        detail::check(status);
    }
    std::shared_ptr<detail::user<T>> user_;
    std::size_t m_, n_;
    detail::handle<typename api::runner, api::runner_destroy> handle_;
};

/// A first-order rule alone.
template <class T> class optimizer {
    using api = detail::api<T>;

  public:
    optimizer(const blo_rule &rule, std::size_t n) : n_(n) {
        detail::check(api::optimizer_create(&rule, detail::size(n), handle_.place()));
    }
    void step(span<const T> gradient, span<T> x) {
        if (gradient.size() != n_) throw error(BLO_ERR_SHAPE, "gradient: another length than the optimizer's");
        detail::check(api::optimizer_step(handle_.get(), gradient.data(), x.data(), detail::size(x.size())));
    }
    void restart() { detail::check(api::optimizer_restart(handle_.get())); }

  private:
    std::size_t n_;
    detail::handle<typename api::optimizer, api::optimizer_destroy> handle_;
};

/// Solves with a lambda as the operator: product(v, out) does out = H v.
template <class T> class solver {
    using api = detail::api<T>;

  public:
    solver(std::size_t n, const estimator &how = {}) : n_(n) {
        detail::check(api::solver_create(detail::size(n), how.get(), handle_.place()));
    }
    template <class F> std::vector<T> solve(F &&product, span<const T> b, blo_report *report = nullptr) {
        std::vector<T> q(n_);
        run(product, [&](auto *function, void *data) {
            return api::solver_solve(handle_.get(), function, data, b.data(), detail::size(b.size()), q.data(), report);
        });
        return q;
    }
    /// Several right-hand sides, as rows; reports, where given, gets one for each.
    template <class F>
    std::vector<T> solve_many(F &&product, span<const T> b, std::vector<blo_report> *reports = nullptr) {
        const auto count = b.size() / n_;
        if (count * n_ != b.size()) throw error(BLO_ERR_SHAPE, "b: a length that is no multiple of the solver's");
        return rows(product, count, reports, [&](auto *function, void *data, T *q, blo_report *report) {
            return api::solver_solve_many(handle_.get(), function, data, detail::size(count), b.data(), detail::size(n_), q,
                                          report);
        });
    }
    /// Several spectral filters and one right-hand side; a row for each. See blo_solver_solve_family.
    template <class F>
    std::vector<T> solve_family(F &&product, const std::vector<estimator> &family, span<const T> b,
                                std::vector<blo_report> *reports = nullptr) {
        std::vector<blo_estimator_options> filters;
        for (const auto &filter : family) filters.push_back(*filter.get());
        return rows(product, filters.size(), reports, [&](auto *function, void *data, T *q, blo_report *report) {
            return api::solver_solve_family(handle_.get(), function, data, detail::size(filters.size()), filters.data(),
                                            b.data(), detail::size(b.size()), q, report);
        });
    }
    /// Several dampings and one right-hand side; a row for each. See blo_solver_shifted_cg.
    template <class F>
    std::vector<T> shifted_cg(F &&product, span<const double> epsilons, double tolerance, std::int64_t max_products,
                              span<const T> b, std::vector<blo_report> *reports = nullptr) {
        return rows(product, epsilons.size(), reports, [&](auto *function, void *data, T *q, blo_report *report) {
            return api::solver_shifted_cg(handle_.get(), function, data, detail::size(epsilons.size()), epsilons.data(),
                                          tolerance, max_products, b.data(), detail::size(b.size()), q, report);
        });
    }

  private:
    /// Calls with a C function for the lambda; what leaves the lambda comes out.
    template <class F, class Call> void run(F &product, Call &&call) {
        struct state {
            F &product;
            detail::caught thrown;
        } state{product, {}};
        const auto trampoline = [](std::int64_t n, const T *v, T *out, void *data) -> std::int32_t {
            auto &self = *static_cast<struct state *>(data);
            const auto size = static_cast<std::size_t>(n);
            return self.thrown.run([&] { return self.product(span<const T>(v, size), span<T>(out, size)), 0; });
        };
        const auto status = call(+trampoline, static_cast<void *>(&state));
        state.thrown.check(status);
    }
    template <class F, class Call>
    std::vector<T> rows(F &product, std::size_t count, std::vector<blo_report> *reports, Call &&call) {
        std::vector<T> q(count * n_);
        if (reports) reports->assign(count, report());
        run(product, [&](auto *function, void *data) {
            return call(function, data, q.data(), reports ? reports->data() : nullptr);
        });
        return q;
    }
    std::size_t n_;
    detail::handle<typename api::solver, api::solver_destroy> handle_;
};

/// L-BFGS-B, which asks for its evaluations: while (m.tell(F, gradient) == BLO_NEXT_EVALUATE), both at m.trial().
template <class T> class lbfgsb {
    using api = detail::api<T>;
    using in = span<const T>;

  public:
    /// Bounds that are empty are none.
    explicit lbfgsb(in x, in lower = {}, in upper = {}, std::int64_t memory = 10, double tolerance = 0.0) : n_(x.size()) {
        for (const in &bound : {lower, upper})
            if (bound.data() && bound.size() != n_) throw error(BLO_ERR_SHAPE, "bounds: another length than that of x");
        detail::check(api::lbfgsb_create(x.data(), detail::size(n_), lower.data(), upper.data(), memory, tolerance,
                                         handle_.place()));
    }
    std::vector<T> trial() const {
        std::vector<T> x(n_);
        detail::check(api::lbfgsb_trial(handle_.get(), x.data(), detail::size(n_)));
        return x;
    }
    /// One of BLO_NEXT_.
    std::int32_t tell(double value, in gradient) {
        std::int32_t next = 0;
        detail::check(api::lbfgsb_tell(handle_.get(), value, gradient.data(), detail::size(gradient.size()), &next));
        return next;
    }
    /// The last accepted point; value, where given, gets F there.
    std::vector<T> x(double *value = nullptr) const {
        std::vector<T> x(n_);
        detail::check(api::lbfgsb_state(handle_.get(), x.data(), detail::size(n_), value));
        return x;
    }

  private:
    std::size_t n_;
    detail::handle<typename api::lbfgsb, api::lbfgsb_destroy> handle_;
};

/// Linear inner problems { w : x_i'w = y_i } that are solved by turns.
template <class T> class cycle {
    using api = detail::api<T>;
    using in = span<const T>;

  public:
    /// x as rows; projection is one of BLO_PROJECTION_.
    cycle(in x, in y, in start, std::int32_t projection, double alpha = 0.0, std::int64_t steps = 0) : n_(start.size()) {
        if (x.size() != y.size() * n_) throw error(BLO_ERR_SHAPE, "x: another length than that of y times that of start");
        detail::check(api::cycle_create(detail::size(y.size()), detail::size(n_), x.data(), 0, y.data(), start.data(),
                                        projection, alpha, steps, handle_.place()));
    }
    /// Solves the next `count`, and returns w.
    std::vector<T> step(std::int64_t count = 1) {
        std::vector<T> w(n_);
        detail::check(api::cycle_step(handle_.get(), count, w.data(), detail::size(n_), nullptr));
        return w;
    }

  private:
    std::size_t n_;
    detail::handle<typename api::cycle, api::cycle_destroy> handle_;
};

/// A solve that asks for its products.
template <class T> class session {
    using api = detail::api<T>;

  public:
    session(std::size_t n, const estimator &how = {}) : vector_(n) {
        detail::check(api::session_create(detail::size(n), how.get(), handle_.place()));
    }
    void start(span<const T> b) { detail::check(api::session_start(handle_.get(), b.data(), detail::size(b.size()))); }
    /// False: vector() is q. True: the product with vector() is wanted, as the answer of the next step.
    bool step(span<const T> answer = {}, blo_report *report = nullptr) {
        std::int32_t request = BLO_REQUEST_DONE;
        const auto size = answer.data() ? answer.size() : vector_.size();
        if (size != vector_.size()) throw error(BLO_ERR_SHAPE, "answer: another length than the session's");
        detail::check(api::session_step(handle_.get(), answer.data(), detail::size(size), &request, vector_.data(), report));
        return request == BLO_REQUEST_PRODUCT;
    }
    span<const T> vector() const noexcept { return vector_; }

  private:
    std::vector<T> vector_;
    detail::handle<typename api::session, api::session_destroy> handle_;
};

} // namespace v0
} // namespace blo

#endif
