/*
 * blo: numerical kernels for gradient-based bilevel optimization.
 *
 * min over u of F(u, w*(u)), with w*(u) in argmin over w of f(u, w).
 *
 * Errors. A function that can fail returns a blo_status: BLO_OK (0) or a negative BLO_ERR_ number. An error means that
 * the result has no meaning; blo_last_error then tells the argument, what was found and what was expected. Outcomes of
 * an algorithm, such as not converging, are no errors: they are in blo_report and blo_outcome. Unless a function says
 * otherwise, outputs are written only if it succeeds.
 *
 * Arrays. [in] arrays are read during the call only, [out] arrays are the caller's; what follows in the brackets is the
 * length. Matrices are row-major without gaps. v' is the transpose of v, and |v| its Euclidean norm.
 *
 * Structs with a struct_size get new fields at their end in later versions; programs built before go on working.
 * Options are filled by their init function, which sets struct_size; in all others the caller sets it. Reserved fields
 * are 0.
 *
 * Threads. Any thread may call any function. A problem never changes after its creation and may be shared; only
 * blo_problem_destroy_f64 needs it alone. The message of blo_last_error belongs to the thread. Callbacks run on the
 * thread that made the call.
 *
 * Running out of memory for scratch ends the process.
 */

#ifndef BLO_H
#define BLO_H

/* Made from the sources by cbindgen; see cbindgen.toml. Not to be edited. */

#include <stddef.h>
#include <stdint.h>

/** Success. */
#define BLO_OK 0

/** A pointer that must not be NULL was NULL. */
#define BLO_ERR_NULL -1

/** A value out of its range, or an unknown choice. */
#define BLO_ERR_INVALID -2

/** A size that is not the problem's. */
#define BLO_ERR_SHAPE -3

/** NaN or an infinity in an array, or in what a callback wrote. */
#define BLO_ERR_NON_FINITE -4

/** A struct whose struct_size is below the first released size; was its init function called? */
#define BLO_ERR_STRUCT_SIZE -5

/** A matrix that has to be symmetric is not. */
#define BLO_ERR_ASYMMETRIC -20

/** A matrix that has to be positive semidefinite has a negative eigenvalue. */
#define BLO_ERR_INDEFINITE -21

/** An eigendecomposition did not converge. */
#define BLO_ERR_DECOMPOSITION -22

/** The problem cannot do what was asked; the message says what can. */
#define BLO_ERR_UNSUPPORTED -40

/** A file of a saved run cannot be written, read or used. No function of this version saves runs. */
#define BLO_ERR_FILE -41

/** A callback returned other than 0; the message names it and has its number. */
#define BLO_ERR_CALLBACK -60

/** A bug of this library was contained; Rust may have written about it to stderr. The call had no effect. */
#define BLO_ERR_PANIC -100

/**
 * The version of this binary interface: programs built for one run with every library that has the same. 0: not
 * frozen yet.
 */
#define BLO_ABI_VERSION 0

/** In a field that says so: take the default. */
#define BLO_DEFAULT -1

/**
 * kind: q = H^+ b, exact and of minimum norm; eigenvalues at or below cutoff times the largest count as zero. Uses
 * by, cutoff.
 */
#define BLO_ESTIMATOR_MIN_NORM 0

/** kind: q = (H + epsilon I)^-1 b. Uses by, epsilon. */
#define BLO_ESTIMATOR_DAMPED 1

/** kind: q = alpha sum_{j=0..K} (I - alpha H)^j b, term by term: K products. Uses terms, step, alpha, on_growth. */
#define BLO_ESTIMATOR_NEUMANN 2

/** kind: the same sum from the spectrum of H, any K for the price of a decomposition. Uses by, terms, alpha. */
#define BLO_ESTIMATOR_NEUMANN_FILTER 3

/** kind: conjugate gradients from q = 0, for positive semidefinite H. Uses iterations, tolerance. */
#define BLO_ESTIMATOR_CG 4

/** kind: q = alpha b, the Neumann series with K = 0. Uses alpha. */
#define BLO_ESTIMATOR_IDENTITY 5

/** kind: q = 0, the direct gradient alone. */
#define BLO_ESTIMATOR_ZERO 6

/** kind: differentiate T inner gradient steps that start at w. Uses steps, alpha, last. */
#define BLO_ESTIMATOR_UNROLLED 7

/** by: matrix-free, by a Lanczos process from b. Uses tolerance, max_products. */
#define BLO_BY_LANCZOS 0

/** by: a dense eigendecomposition of H. */
#define BLO_BY_DENSE 1

/** step: alpha is in alpha. */
#define BLO_STEP_FIXED 0

/** step: alpha = 1 / (largest curvature that up to 10 Lanczos steps from b see). BLO_ESTIMATOR_NEUMANN only. */
#define BLO_STEP_AUTO 1

/** on_growth: stop when the terms of the Neumann series grow, with the sum up to the smallest term. */
#define BLO_GROWTH_STOP 0

/** on_growth: go on to K all the same, and report the growth. */
#define BLO_GROWTH_CONTINUE 1

/** ending: every term, every iteration, or a direct solve. */
#define BLO_ENDING_COMPLETED 0

/** ending: the tolerance was reached, or q is exact to rounding. */
#define BLO_ENDING_CONVERGED 1

/** ending: the limit on products came first; q is the best so far. */
#define BLO_ENDING_PRODUCT_LIMIT 2

/**
 * ending: the terms of the Neumann series grow, so alpha is too large or the curvature negative; q is the sum up
 * to the smallest term.
 */
#define BLO_ENDING_NON_CONTRACTIVE 3

/** ending: negative curvature stopped conjugate gradients; q is the best iterate before it. */
#define BLO_ENDING_NEGATIVE_CURVATURE 4

/** ending: H is singular and b not in its range; q is the best iterate before that showed. */
#define BLO_ENDING_SINGULAR 5

/** ending: the residual no longer falls, or a restarted solve stands still; q is the best so far. */
#define BLO_ENDING_STALLED 6

/** start: every inner solve begins at the w given. */
#define BLO_START_COLD 0

/** start: an inner solve begins at the w of the step before. */
#define BLO_START_WARM 1

/** inner: the solution nearest to where the solve begins, in closed form. Quadratics only. */
#define BLO_INNER_FIXPOINT 0

/** inner: gradient descent. Uses inner_alpha, inner_steps, inner_tolerance. */
#define BLO_INNER_DESCENT 1

/** rule: u = u - outer_step g. */
#define BLO_RULE_DESCENT 0

/** rule: Adam with bias correction. Uses outer_step, adam_beta1, adam_beta2, adam_epsilon. */
#define BLO_RULE_ADAM 1

/** ending: the outer tolerance was reached. */
#define BLO_RUN_CONVERGED 0

/** ending: all outer steps were made. */
#define BLO_RUN_STEP_LIMIT 1

/** ending: the monitor stopped the run. */
#define BLO_RUN_STOPPED 2

/**
 * ending: the inner gradient grew a millionfold or overflowed: is inner_alpha too large? u and w are the last
 * sound ones.
 */
#define BLO_RUN_INNER_DIVERGED 3

/** ending: u or the hypergradient overflowed: is outer_step too large? u and w are the last sound ones. */
#define BLO_RUN_OUTER_DIVERGED 4

/**
 * A bilevel problem in doubles: u of n_outer and w of n_inner elements.
 *
 * Made by a blo_problem_create function, ended by blo_problem_destroy_f64. Immutable after creation: any number of
 * threads may use one at the same time, if its callbacks allow that.
 */
typedef struct blo_problem_f64 blo_problem_f64;

/** What a call returns: BLO_OK, or one of the negative BLO_ERR_ numbers. Numbers are never reused. */
typedef int32_t blo_status;

/**
 * The inner objective: *value = f(u, w), gradient = (partial f / partial w).
 *
 * - u [in, n_outer], w [in, n_inner]: where
 * - value [out, 1]
 * - gradient [out, n_inner]
 * - user_data: as given at creation
 *
 * Returns 0, or another number to fail.
 */
typedef int32_t (*blo_inner_f64)(int64_t n_outer,
                                 int64_t n_inner,
                                 const double *u,
                                 const double *w,
                                 double *value,
                                 double *gradient,
                                 void *user_data);

/**
 * The outer objective: *value = F(u, w), gradient_u = (partial F / partial u), gradient_w = (partial F / partial
 * w).
 *
 * - u [in, n_outer], w [in, n_inner]: where
 * - value [out, 1]
 * - gradient_u [out, n_outer], gradient_w [out, n_inner]
 * - user_data: as given at creation
 *
 * Returns 0, or another number to fail.
 */
typedef int32_t (*blo_outer_f64)(int64_t n_outer,
                                 int64_t n_inner,
                                 const double *u,
                                 const double *w,
                                 double *value,
                                 double *gradient_u,
                                 double *gradient_w,
                                 void *user_data);

/**
 * A product with second derivatives of f at (u, w). With H = d2f/dw dw' (n_inner x n_inner, symmetric) and
 * M = d2f/dw du' (n_inner x n_outer):
 *
 * - hvp: out = H v, with v and out of n_inner elements
 * - mixed_vjp: out = M' v, with v of n_inner and out of n_outer elements
 * - mixed_jvp: out = M v, with v of n_outer and out of n_inner elements
 *
 * Returns 0, or another number to fail.
 */
typedef int32_t (*blo_product_f64)(int64_t n_outer,
                                   int64_t n_inner,
                                   const double *u,
                                   const double *w,
                                   const double *v,
                                   double *out,
                                   void *user_data);

/**
 * The functions of a callback problem. Set the struct to zero, struct_size to its size, then the functions.
 *
 * Rules for each: it is called on the thread that called the library; its arrays are valid until it returns;
 * outputs hold zeros on entry (*value: NaN) and must be written in full; NaN or an infinity in them is
 * BLO_ERR_NON_FINITE with the function named. A return other than 0 ends the call with BLO_ERR_CALLBACK. It must
 * return: no C++ exception and no longjmp may leave it. It may call this library, also with the same problem.
 */
typedef struct blo_callbacks_f64 {
    /** sizeof(blo_callbacks_f64). */
    uint32_t struct_size;
    /** 0. */
    uint32_t reserved;
    /** f and its gradient. */
    blo_inner_f64 inner;
    /** F and its gradients. */
    blo_outer_f64 outer;
    /** H v. */
    blo_product_f64 hvp;
    /** M' v. */
    blo_product_f64 mixed_vjp;
    /** M v; may be NULL. For what differentiates forward, which nothing in this version does. */
    blo_product_f64 mixed_jvp;
} blo_callbacks_f64;

/**
 * How a hypergradient is approximated: dF/du = (partial F / partial u) - M' q, where q approximates H^-1 b and
 * b = partial F / partial w.
 *
 * Initialise it with blo_estimator_options_init, then set kind and the fields that the kind uses. The defaults are
 * BLO_ESTIMATOR_MIN_NORM by Lanczos. Fields that a kind does not use are checked for being numbers and known
 * choices only.
 */
typedef struct blo_estimator_options {
    /** Set by blo_estimator_options_init. */
    uint32_t struct_size;
    /** 0. */
    uint32_t reserved;
    /** One of BLO_ESTIMATOR_. */
    int32_t kind;
    /** One of BLO_BY_: how a spectral filter is applied. Default BLO_BY_LANCZOS. */
    int32_t by;
    /** One of BLO_STEP_. Default BLO_STEP_FIXED. */
    int32_t step;
    /** One of BLO_GROWTH_. Default BLO_GROWTH_STOP. */
    int32_t on_growth;
    /**
     * 1: spend one more product with H on the residual of the report. 0: do not. Default 1; unrolling has no
     * residual.
     */
    int32_t verify;
    /** 0. */
    int32_t reserved1;
    /** K, 0 or above: the products of a Neumann series, which has K + 1 terms. To be set. */
    int64_t terms;
    /** The most iterations of conjugate gradients, 1 or above. To be set. */
    int64_t iterations;
    /** The most products of a Lanczos process, 1 or above; BLO_DEFAULT (the default): n_inner + 4. */
    int64_t max_products;
    /** T, the steps to unroll, 1 or above. To be set. */
    int64_t steps;
    /** Differentiate only the last this many steps, 1 to T; BLO_DEFAULT (the default): all. */
    int64_t last;
    /** alpha, above 0. To be set, but 0 with BLO_STEP_AUTO. */
    double alpha;
    /** The damping, above 0. To be set. */
    double epsilon;
    /** From 0 to below 1; BLO_DEFAULT (the default): 1e-10. */
    double cutoff;
    /**
     * 0 or above. Lanczos: stop once q changes by less, relatively, twice running; BLO_DEFAULT (the default):
     * 1e-12. Conjugate gradients: stop once |b - H q| is this small relative to |b|; 0 or BLO_DEFAULT: at the
     * rounding floor.
     */
    double tolerance;
} blo_estimator_options;

/**
 * What a hypergradient's solve tells about itself. Set struct_size before the call; nothing is written past it.
 * What was not measured is NaN.
 */
typedef struct blo_report {
    /** sizeof(blo_report). */
    uint32_t struct_size;
    /** 0. */
    uint32_t reserved;
    /** One of BLO_ENDING_. Only the first two mean that all that was asked for was done. */
    int32_t ending;
    /** 0. */
    int32_t reserved1;
    /** Products with H, the one for residual not counted. */
    int64_t products;
    /** |H q - b| / |b|, recomputed with the undamped H. */
    double residual;
    /** The share of b in the null space of H, |P0 b| / |b|. */
    double null_share;
    /** The smallest curvature seen. */
    double curvature_min;
    /** The largest curvature seen. */
    double curvature_max;
    /** The step size of the Neumann series. */
    double alpha;
    /** The largest ratio of a term's norm to the one before, once a term grew. */
    double growth;
    /** |b|. */
    double rhs_norm;
    /** F at w, or after the steps of an unrolled estimator. */
    double outer_loss;
} blo_report;

/** What a run does. Initialise it with blo_run_options_init, then set what differs. */
typedef struct blo_run_options {
    /** Set by blo_run_options_init. */
    uint32_t struct_size;
    /** 0. */
    uint32_t reserved;
    /** One of BLO_START_. Default BLO_START_COLD. */
    int32_t start;
    /** One of BLO_INNER_. Default BLO_INNER_FIXPOINT. */
    int32_t inner;
    /** One of BLO_RULE_, the rule for u. Default BLO_RULE_ADAM. */
    int32_t rule;
    /**
     * 1: a warm start takes the look-ahead's w as the next one. 0: it makes new inner steps with the new u.
     * Default 0.
     */
    int32_t keep_look_ahead;
    /**
     * 1: fill distance_from_min_norm and null_component of the trace, for two closed-form inner solves a row.
     * Default 0.
     */
    int32_t distances;
    /** 0. */
    int32_t reserved1;
    /**
     * The inner steps T, or the most of them if inner_tolerance is not 0; 1 or above. To be set for
     * BLO_INNER_DESCENT.
     */
    int64_t inner_steps;
    /** The most outer steps, 0 or above. Default 1000. */
    int64_t outer_steps;
    /** A trace row is written every so many outer steps, and at the end; 0: never. Default 1. */
    int64_t trace_every;
    /** The inner step size, above 0. To be set for BLO_INNER_DESCENT. */
    double inner_alpha;
    /**
     * Stop an inner solve once its gradient is this small relative to the largest of the run; 0 (the default)
     * never stops.
     */
    double inner_tolerance;
    /** The outer step size, above 0. Default 1e-3. */
    double outer_step;
    /** Stop once the hypergradient is this small relative to the first one; 0 (the default): once it is exactly 0. */
    double outer_tolerance;
    /** From 0 to below 1. Default 0.9. */
    double adam_beta1;
    /** From 0 to below 1. Default 0.999. */
    double adam_beta2;
    /** Above 0. Default 1e-8. */
    double adam_epsilon;
} blo_run_options;

/** What a monitor sees after each hypergradient, before u moves. Valid until the monitor returns. */
typedef struct blo_progress_f64 {
    /** The size of this struct in the library. */
    uint32_t struct_size;
    /** 0. */
    uint32_t reserved;
    /** The outer steps made before. */
    int64_t step;
    /** The length of u and of hypergradient. */
    int64_t n_outer;
    /** The length of w. */
    int64_t n_inner;
    /** F(u, w). */
    double outer_loss;
    /** |hypergradient|. */
    double norm_hypergradient;
    /** u. */
    const double *u;
    /** The w at which the hypergradient was taken. */
    const double *w;
    /** dF/du, as estimated. */
    const double *hypergradient;
} blo_progress_f64;

/**
 * Looks on at a run. Returns 0 to go on, another number to stop the run, which then succeeds with BLO_RUN_STOPPED.
 * Called on the thread that called the library. It must return: no C++ exception and no longjmp may leave it. It
 * may call this library.
 */
typedef int32_t (*blo_monitor_f64)(const struct blo_progress_f64 *progress, void *user_data);

/** One row of a trace: the run at (u, w), w being the point at which the hypergradient was taken. */
typedef struct blo_trace_row {
    /** The outer steps before this point. */
    int64_t step;
    /** F(u, w). */
    double outer_loss;
    /** f(u, w). */
    double inner_loss;
    /** |u|. */
    double norm_u;
    /** |w|. */
    double norm_w;
    /** |dF/du|, as estimated. */
    double norm_hypergradient;
    /** |w - w0|. */
    double distance_from_start;
    /** |w - w_mn| with w_mn the minimum-norm inner solution at u; NaN unless asked for. */
    double distance_from_min_norm;
    /** |P0 w|, the part of w in the null space of H; NaN unless asked for. */
    double null_component;
} blo_trace_row;

/** How a run went. Set struct_size before the call; nothing is written past it. */
typedef struct blo_outcome {
    /** sizeof(blo_outcome). */
    uint32_t struct_size;
    /** 0. */
    uint32_t reserved;
    /** One of BLO_RUN_. */
    int32_t ending;
    /** 0. */
    int32_t reserved1;
    /** Outer steps made. */
    int64_t steps;
    /** Inner gradient steps made. */
    int64_t inner_steps;
    /** Products with H spent on hypergradients. */
    int64_t products;
    /** Hypergradients whose solve ended otherwise than BLO_ENDING_COMPLETED or BLO_ENDING_CONVERGED. */
    int64_t doubtful_solves;
    /** Trace rows written. */
    int64_t trace_rows;
    /** F at the last hypergradient. */
    double outer_loss;
    /** The norm of the last hypergradient. */
    double norm_hypergradient;
} blo_outcome;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * What a status means, in a few words.
 *
 * - status [in]: any number, known or not
 *
 * Returns a static text, never NULL. blo_last_error has the particulars of a failure.
 */
const char *blo_status_text(blo_status status);

/**
 * Copies the message of the last call that this thread made: argument, what was found, what was expected.
 *
 * - buffer [out, capacity bytes]: the message, cut if it does not fit, always closed by a NUL; NULL if capacity is
 *   0
 * - capacity [in]: the size of buffer
 * - needed [out]: the capacity that holds the whole message and its NUL; may be NULL
 *
 * The message is empty after a call that succeeded. Every function that returns a blo_status replaces it, except
 * this one; destroy functions leave it alone too. The message is for people: programs should decide by the status.
 *
 * Returns BLO_ERR_NULL if buffer is NULL and capacity is not 0.
 */
blo_status blo_last_error(char *buffer, size_t capacity, size_t *needed);

/** The version of the library, such as "1.2.3": a static text. */
const char *blo_version(void);

/** BLO_ABI_VERSION of the library; compare it with that of the header. */
int32_t blo_abi_version(void);

/**
 * Makes a problem of two quadratics: f(u, w) = w'A w / 2 + w'B u + u'C u / 2 + d'w + e'u + c and
 * F(u, w) = w'P w / 2 + f'w + h.
 *
 * - n_outer, n_inner [in]: the lengths of u and w, 1 or above
 * - A [in, n_inner x n_inner]: symmetric, positive semidefinite; may be singular
 * - B [in, n_inner x n_outer]
 * - C [in, n_outer x n_outer]: symmetric
 * - d [in, n_inner], e [in, n_outer], c [in]
 * - P [in, n_inner x n_inner]: symmetric, positive semidefinite
 * - f [in, n_inner], h [in]
 * - problem [out]: the problem, NULL after an error; end it with blo_problem_destroy_f64
 *
 * Matrices are row-major without gaps. All arrays are copied.
 *
 * Errors: BLO_ERR_NULL; BLO_ERR_INVALID for a size below 1, or so large that a matrix cannot exist;
 * BLO_ERR_NON_FINITE; BLO_ERR_ASYMMETRIC for A, C or P; BLO_ERR_INDEFINITE for A or P.
 */
blo_status blo_problem_create_quadratic_f64(int64_t n_outer,
                                            int64_t n_inner,
                                            const double *A,
                                            const double *B,
                                            const double *C,
                                            const double *d,
                                            const double *e,
                                            double c,
                                            const double *P,
                                            const double *f,
                                            double h,
                                            struct blo_problem_f64 **problem);

/**
 * Makes a problem of the caller's functions.
 *
 * - n_outer, n_inner [in]: the lengths of u and w, 1 or above
 * - callbacks [in]: the functions; the struct is copied
 * - user_data [in]: passed to each of them; may be NULL; lent until the problem is destroyed
 * - problem [out]: the problem, NULL after an error; end it with blo_problem_destroy_f64
 *
 * Errors: BLO_ERR_NULL, also for a missing function other than mixed_jvp; BLO_ERR_INVALID for a size below 1;
 * BLO_ERR_STRUCT_SIZE.
 */
blo_status blo_problem_create_callbacks_f64(int64_t n_outer,
                                            int64_t n_inner,
                                            const struct blo_callbacks_f64 *callbacks,
                                            void *user_data,
                                            struct blo_problem_f64 **problem);

/**
 * Ends a problem and sets *problem to NULL.
 *
 * - problem [in, out]: the place of the handle; NULL, or a place that holds NULL, is fine
 *
 * No call may be using the problem. Leaves the message of blo_last_error alone.
 */
void blo_problem_destroy_f64(struct blo_problem_f64 **problem);

/**
 * Fills the options of an estimator with their defaults.
 *
 * - options [out]: the options
 * - size [in]: sizeof *options
 *
 * Errors: BLO_ERR_NULL; BLO_ERR_STRUCT_SIZE for a size below the first released one; BLO_ERR_INVALID for one above
 * 4096.
 */
blo_status blo_estimator_options_init(struct blo_estimator_options *options, size_t size);

/**
 * Computes one hypergradient: hypergradient = (partial F / partial u) - M' q, with q an approximation of
 * H^-1 (partial F / partial w) at (u, w).
 *
 * - problem [in]: the problem
 * - estimator [in]: how; NULL for the defaults
 * - u [in, n_outer], n_outer [in]: the outer parameters, and their number, the problem's
 * - w [in, n_inner], n_inner [in]: the inner parameters, best a solution of the inner problem at u, and their
 *   number
 * - hypergradient [out, n_outer]: the result
 * - q [out, n_inner]: q; may be NULL. After unrolling: the sum of alpha times the adjoint states
 * - report [out]: how the solve went; may be NULL; struct_size to be set
 *
 * Outputs may overlap u and w, and are written only if the call succeeds. A solve that did not do all that was
 * asked for still succeeds: see ending in the report. Allocates its scratch.
 *
 * Errors: BLO_ERR_NULL; BLO_ERR_SHAPE for sizes other than the problem's; BLO_ERR_NON_FINITE for u, w, the
 * hypergradient, or what a callback wrote; BLO_ERR_INVALID for a field of estimator; BLO_ERR_STRUCT_SIZE;
 * BLO_ERR_ASYMMETRIC for a dense solve with callbacks whose H is not symmetric; BLO_ERR_DECOMPOSITION;
 * BLO_ERR_CALLBACK.
 */
blo_status blo_hypergradient_f64(const struct blo_problem_f64 *problem,
                                 const struct blo_estimator_options *estimator,
                                 const double *u,
                                 int64_t n_outer,
                                 const double *w,
                                 int64_t n_inner,
                                 double *hypergradient,
                                 double *q,
                                 struct blo_report *report);

/**
 * Fills the options of a run with their defaults.
 *
 * - options [out]: the options
 * - size [in]: sizeof *options
 *
 * Errors: BLO_ERR_NULL; BLO_ERR_STRUCT_SIZE for a size below the first released one; BLO_ERR_INVALID for one above
 * 4096.
 */
blo_status blo_run_options_init(struct blo_run_options *options, size_t size);

/**
 * Runs a bilevel loop: solve the inner problem for w, take the hypergradient at (u, w), move u, and again.
 *
 * - problem [in]: the problem
 * - options [in]: what the run does; NULL for the defaults
 * - estimator [in]: how hypergradients are approximated; NULL for the defaults. With BLO_ESTIMATOR_UNROLLED and
 *   BLO_INNER_DESCENT the inner steps are those that are differentiated: steps and alpha equal inner_steps and
 *   inner_alpha, and inner_tolerance is 0
 * - u [in, out, n_outer], n_outer [in]: where u starts and ends, and its length, the problem's
 * - w [in, out, n_inner], n_inner [in]: where w starts and ends, and its length. A cold start begins every inner
 *   solve at the w given
 * - monitor [in]: called after each hypergradient; may be NULL
 * - user_data [in]: passed to monitor
 * - trace [out, capacity]: rows of the run, not to be touched while it lasts; NULL if capacity is 0
 * - capacity [in]: the most rows; what does not fit is not recorded
 * - outcome [out]: how it went; struct_size to be set
 *
 * After an error u, w and outcome are unchanged, and trace has no meaning. Divergence is not an error: see ending
 * in outcome. Scratch is allocated where it is first needed, and reused.
 *
 * Errors: as blo_hypergradient_f64, and BLO_ERR_UNSUPPORTED for keep_look_ahead with a cold start, and for
 * BLO_INNER_FIXPOINT or distances with callbacks.
 */
blo_status blo_run_f64(const struct blo_problem_f64 *problem,
                       const struct blo_run_options *options,
                       const struct blo_estimator_options *estimator,
                       double *u,
                       int64_t n_outer,
                       double *w,
                       int64_t n_inner,
                       blo_monitor_f64 monitor,
                       void *user_data,
                       struct blo_trace_row *trace,
                       int64_t capacity,
                       struct blo_outcome *outcome);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* BLO_H */
