# Made from include/blo.h by tests/bindings (BLO_UPDATE_BINDINGS=1). Not to be edited.
# fmt: off
# ruff: noqa
"""The C interface for ctypes: constants, structs, callback types, and FUNCTIONS with result, parameters and manual.

Pointers to structs take ctypes.byref(struct); all other pointers are c_void_p: addresses.
"""
from __future__ import annotations

import ctypes
from ctypes import (CFUNCTYPE, POINTER, Structure, c_bool, c_char, c_char_p, c_double, c_float, c_int8, c_int16, c_int32,
                    c_int64, c_size_t, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p)
from typing import Any

MANUAL = """blo: numerical kernels for gradient-based bilevel optimization.

min over u of F(u, w*(u)), with w*(u) in argmin over w of f(u, w).

f64 functions compute in doubles, f32 ones in floats; nothing is converted in silence. What is a double in both is
said to be.

    blo_problem      what is solved; immutable, shared by all that is made from it
    blo_device       a GPU; problems can be put on it
    blo_workspace    objectives, products, hypergradients, responses and influence at points of the caller's
    blo_runner       a whole cold- or warm-start loop, or a step of it at a time; saved and resumed
    blo_optimizer    a first-order rule alone, for loops of the caller's own; blo_lbfgsb is L-BFGS-B alone
    blo_solver       H q = b with an operator of the caller's; blo_session asks for the products instead
    blo_cycle        several linear inner problems by turns

Errors. A function that can fail returns a blo_status: BLO_OK (0) or a negative BLO_ERR_ number. An error means that
the result has no meaning; blo_last_error then tells the argument, what was found and what was expected. Outcomes of
an algorithm, such as not converging, are no errors: they are in blo_report and blo_outcome. Unless a function says
otherwise, outputs are written only if it succeeds. Besides what each function lists: BLO_ERR_INVALID for a handle of
another type, BLO_ERR_POISONED for one that BLO_ERR_PANIC left half-done.

Arrays. [in] arrays are read during the call only, [out] arrays are the caller's; what follows in the brackets is the
length. Matrices are row-major, with a stride (the elements from row to row) where they may have gaps. v' is the
transpose of v, and |v| its Euclidean norm.

Structs with a struct_size get new fields at their end in later versions; programs built before go on working.
Options are filled by their init function, which sets struct_size; in all others the caller sets it. Reserved fields
are 0, and 0 in a field added later means its default.

Handles are made by a create function, which copies the arrays given, and ended by a destroy function, which sets the
caller's pointer to NULL. They may be destroyed in any order, and from a callback too.

Without copies. The examples of a problem can be lent to it (release in blo_examples), also as DLPack tensors
(blo_examples_from_dlpack); the terms of a quadratic cannot, since they are made exactly symmetric. Vectors of a runner or
a workspace can be shown as DLPack tensors, which keep what they show in memory.

Threads. Any thread may call any function. Problems may be shared; of the other handles one call at a time may use
each, and BLO_ERR_BUSY refuses a second one, also from a callback of the first. The message of blo_last_error belongs
to the thread. Callbacks run on the thread that made the call.

Running out of memory for scratch ends the process."""

#: Success.
BLO_OK = 0

#: A pointer that must not be NULL was NULL.
BLO_ERR_NULL = -1

#: A value out of its range, or an unknown choice.
BLO_ERR_INVALID = -2

#: A size that is not the problem's.
BLO_ERR_SHAPE = -3

#: NaN or an infinity in an array, or in what a callback wrote.
BLO_ERR_NON_FINITE = -4

#: A struct whose struct_size is below the first released size; was its init function called?
BLO_ERR_STRUCT_SIZE = -5

#: A handle that another call is using: of another thread, or the one from which a callback was called.
BLO_ERR_BUSY = -6

#: A handle that BLO_ERR_PANIC left half-done; it can only be destroyed.
BLO_ERR_POISONED = -7

#: A matrix that has to be symmetric is not.
BLO_ERR_ASYMMETRIC = -20

#: A matrix that has to be positive semidefinite has a negative eigenvalue.
BLO_ERR_INDEFINITE = -21

#: An eigendecomposition did not converge.
BLO_ERR_DECOMPOSITION = -22

#: The problem cannot do what was asked; the message says what can.
BLO_ERR_UNSUPPORTED = -40

#: A file of a saved run cannot be written, read or used.
BLO_ERR_FILE = -41

#: A callback returned other than 0; the message names it and has its number.
BLO_ERR_CALLBACK = -60

#: No GPU to work on: no driver, one that is too old, no device, or a library built without CUDA. The message says which.
BLO_ERR_NO_DEVICE = -80

#: The GPU's memory does not suffice. What was made on the device is of no use after it.
BLO_ERR_DEVICE_MEMORY = -81

#: A call of the GPU's driver failed, maybe for earlier work; the message has the driver's words. What was made on the
#: device is of no use after it.
BLO_ERR_DEVICE = -82

#: A bug of this library was contained; Rust may have written about it to stderr. A handle
#: that the call was changing is poisoned.
BLO_ERR_PANIC = -100

#: The version of this binary interface: programs built for one run with every library that has the same. 0: not
#: frozen yet.
BLO_ABI_VERSION = 0

#: capabilities: AVX2 and FMA kernels are used on this machine.
BLO_CAPABILITY_AVX2 = 1

#: capabilities: AVX-512 kernels are used on this machine.
BLO_CAPABILITY_AVX512 = 2

#: capabilities: there is an NVIDIA GPU that problems can run on; see blo_device_open.
BLO_CAPABILITY_CUDA = 4

#: loss: (phi'w - t)^2 / 2.
BLO_LOSS_SQUARED = 0

#: loss: binary cross-entropy of one logit; targets are probabilities of the class 1.
BLO_LOSS_LOGISTIC = 1

#: loss: softmax cross-entropy; targets are rows of probabilities, one for each class, and w is (classes x features).
BLO_LOSS_SOFTMAX = 2

#: outer: u is the inner targets. BLO_LOSS_SQUARED only.
BLO_OUTER_TARGETS = 0

#: outer: u is the L2 penalties c, 0 or above.
BLO_OUTER_RAW_L2 = 1

#: outer: u is the logarithms of the L2 penalties, c = exp(u).
BLO_OUTER_LOG_L2 = 2

#: outer: u is the logits of the inner examples' weights, a = 1 / (1 + exp(-u)).
BLO_OUTER_EXAMPLE_WEIGHTS = 3

#: group: one penalty for all of w.
BLO_GROUP_ALL = 0

#: group: one for each feature, shared by the classes.
BLO_GROUP_FEATURE = 1

#: group: one for each class, shared by the features.
BLO_GROUP_CLASS = 2

#: reduction: the sum over the inner examples.
BLO_REDUCTION_SUM = 0

#: reduction: their mean.
BLO_REDUCTION_MEAN = 1

#: activation: z.
BLO_ACTIVATION_IDENTITY = 0

#: activation: max(z, 0); its derivative at 0 is 0.
BLO_ACTIVATION_RELU = 1

#: activation: tanh z.
BLO_ACTIVATION_TANH = 2

#: activation: log(1 + exp(z)).
BLO_ACTIVATION_SOFTPLUS = 3

#: activation: z times the normal distribution function at z (the exact GELU).
BLO_ACTIVATION_GELU = 4

#: activation: z / (1 + exp(-z)).
BLO_ACTIVATION_SILU = 5

#: loss: softmax cross-entropy; targets are rows of probabilities.
BLO_NETWORK_LOSS_CROSS_ENTROPY = 0

#: loss: |z - t|^2 / 2.
BLO_NETWORK_LOSS_SQUARED = 1

#: outer: u is the inner design x (n x d): distilled inputs.
BLO_NETWORK_OUTER_INPUTS = 0

#: outer: u is the inner targets (n x c).
BLO_NETWORK_OUTER_TARGETS = 1

#: outer: u is the inner design, then the logits of the inner targets: distilled inputs with soft labels.
BLO_NETWORK_OUTER_INPUTS_AND_LABEL_LOGITS = 2

#: outer: u is the logarithms of L2 penalties, in groups of parameters as group says.
BLO_NETWORK_OUTER_LOG_L2 = 3

#: outer: u is the logits of the inner examples' weights.
BLO_NETWORK_OUTER_EXAMPLE_WEIGHTS = 4

#: outer: u = [U, b]; the network sees U x + b, U (d x features of the inner design) row-major.
BLO_NETWORK_OUTER_LINEAR_AUGMENTATION = 5

#: outer: proximal_weight |w - u|^2 / 2 is added to f: implicit MAML.
BLO_NETWORK_OUTER_PROXIMAL_CENTRE = 6

#: group: one penalty for all parameters.
BLO_NETWORK_GROUP_ALL = 0

#: group: one for the weights and biases of each layer.
BLO_NETWORK_GROUP_LAYER = 1

#: group: one for each parameter.
BLO_NETWORK_GROUP_PARAMETER = 2

#: init: weights of standard deviation sqrt(2 / (fan_in + fan_out)), biases 0.
BLO_INIT_GLOROT = 0

#: init: weights of standard deviation sqrt(2 / fan_in), biases 0.
BLO_INIT_HE = 1

#: init: weights of standard deviation sqrt(1 / fan_in), biases 0.
BLO_INIT_LECUN = 2

#: init: 0.
BLO_INIT_ZERO = 3

#: rule: x = x - step g.
BLO_RULE_DESCENT = 0

#: rule: v = momentum v + g; x = x - step v.
BLO_RULE_MOMENTUM = 1

#: rule: Adam with bias correction.
BLO_RULE_ADAM = 2

#: next: F and its gradient are wanted at the trial.
BLO_NEXT_EVALUATE = 0

#: next: the end: the projected gradient is at most the tolerance at the trial, the last accepted point.
BLO_NEXT_CONVERGED = 1

#: next: the end: no lower F can be found from the trial, the last accepted point: F is at its rounding floor, or the gradient
#: is not F's.
BLO_NEXT_STALLED = 2

#: In a field that says so: take the default.
BLO_DEFAULT = -1

#: kind: q = H^+ b, exact and of minimum norm; eigenvalues at or below cutoff times the largest count as zero. Uses
#: by, cutoff.
BLO_ESTIMATOR_MIN_NORM = 0

#: kind: q = (H + epsilon I)^-1 b. Uses by, epsilon.
BLO_ESTIMATOR_DAMPED = 1

#: kind: q = alpha sum_{j=0..K} (I - alpha H)^j b, term by term: K products. Uses terms, step, alpha, on_growth.
BLO_ESTIMATOR_NEUMANN = 2

#: kind: the same sum from the spectrum of H, any K for the price of a decomposition. Uses by, terms, alpha.
BLO_ESTIMATOR_NEUMANN_FILTER = 3

#: kind: conjugate gradients from q = 0, for positive semidefinite H. Uses iterations, tolerance.
BLO_ESTIMATOR_CG = 4

#: kind: q = alpha b, the Neumann series with K = 0. Uses alpha.
BLO_ESTIMATOR_IDENTITY = 5

#: kind: q = 0, the direct gradient alone.
BLO_ESTIMATOR_ZERO = 6

#: kind: differentiate T steps of an optimizer that start at w. Uses steps, last, mode, rule.
BLO_ESTIMATOR_UNROLLED = 7

#: kind: as BLO_ESTIMATOR_MIN_NORM, for positive semidefinite H, by conjugate gradients twice. Uses tolerance,
#: max_products (to be set).
BLO_ESTIMATOR_CG_TWICE = 8

#: kind: as BLO_ESTIMATOR_MIN_NORM, by MINRES, also for indefinite H. Uses tolerance, max_products (to be set).
BLO_ESTIMATOR_MINRES = 9

#: kind: q = (H_k + epsilon I)^-1 b with a Nystrom approximation H_k of H from k random directions. Uses rank, epsilon,
#: seed.
BLO_ESTIMATOR_NYSTROM = 10

#: kind: q = H^-1 b by restarted GMRES, for H that need not be symmetric. Uses restart, tolerance, max_products (to be
#: set).
BLO_ESTIMATOR_GMRES = 11

#: mode: backward, keeping each state.
BLO_MODE_REVERSE = 0

#: mode: backward, keeping every sqrt(T)-th state and repeating the steps between.
BLO_MODE_REVERSE_CHECKPOINTED = 1

#: mode: forward, one tangent for each element of u. q is not formed: zero.
BLO_MODE_FORWARD = 2

#: by: matrix-free, by a Lanczos process from b. Uses tolerance, max_products.
BLO_BY_LANCZOS = 0

#: by: a dense eigendecomposition of H.
BLO_BY_DENSE = 1

#: step: alpha is in alpha.
BLO_STEP_FIXED = 0

#: step: alpha = 1 / (largest curvature that up to 10 Lanczos steps from b see). BLO_ESTIMATOR_NEUMANN only.
BLO_STEP_AUTO = 1

#: on_growth: stop when the terms of the Neumann series grow, with the sum up to the smallest term.
BLO_GROWTH_STOP = 0

#: on_growth: go on to K all the same, and report the growth.
BLO_GROWTH_CONTINUE = 1

#: ending: every term, every iteration, or a direct solve.
BLO_ENDING_COMPLETED = 0

#: ending: the tolerance was reached, or q is exact to rounding.
BLO_ENDING_CONVERGED = 1

#: ending: the limit on products came first; q is the best so far.
BLO_ENDING_PRODUCT_LIMIT = 2

#: ending: the terms of the Neumann series grow, so alpha is too large or the curvature negative; q is the sum up
#: to the smallest term.
BLO_ENDING_NON_CONTRACTIVE = 3

#: ending: negative curvature stopped conjugate gradients; q is the best iterate before it.
BLO_ENDING_NEGATIVE_CURVATURE = 4

#: ending: H is singular and b not in its range; q is the best iterate before that showed.
BLO_ENDING_SINGULAR = 5

#: ending: the residual no longer falls, or a restarted solve stands still; q is the best so far.
BLO_ENDING_STALLED = 6

#: request: the product H v of the vector is wanted.
BLO_REQUEST_PRODUCT = 0

#: request: the vector is q, and nothing more is wanted.
BLO_REQUEST_DONE = 1

#: start: every inner solve begins at the w given.
BLO_START_COLD = 0

#: start: an inner solve begins at the w of the step before.
BLO_START_WARM = 1

#: inner: the solution nearest to where the solve begins, in closed form. Quadratics and squared losses only.
BLO_INNER_FIXPOINT = 0

#: inner: an optimizer. Uses inner_rule, inner_steps, inner_tolerance.
BLO_INNER_OPTIMIZER = 1

#: method: a first-order rule, outer_rule.
BLO_METHOD_RULE = 0

#: method: L-BFGS-B. Each point that its line search tries is an outer step. Uses memory; F must be a function of u
#: alone: no partial warm start, no schedule, no batches.
BLO_METHOD_LBFGSB = 1

#: ending: the outer tolerance was reached.
BLO_RUN_CONVERGED = 0

#: ending: all outer steps were made.
BLO_RUN_STEP_LIMIT = 1

#: ending: the monitor stopped the run.
BLO_RUN_STOPPED = 2

#: ending: the inner gradient grew a millionfold or overflowed: is inner_alpha too large? u and w are the last
#: sound ones.
BLO_RUN_INNER_DIVERGED = 3

#: ending: u or the hypergradient overflowed: is outer_step too large? u and w are the last sound ones.
BLO_RUN_OUTER_DIVERGED = 4

#: ending: L-BFGS-B finds no lower F: F is at its rounding floor, or the hypergradient is not F's gradient. u and w are
#: those of the last accepted point.
BLO_RUN_STALLED = 5

#: vector: u, where the runner is. Not of a workspace, to which u is given.
BLO_VECTOR_U = 0

#: vector: w, where the runner is. Not of a workspace, to which w is given.
BLO_VECTOR_W = 1

#: vector: the hypergradient of the last call that made one.
BLO_VECTOR_HYPERGRADIENT = 2

#: verdict: everything that the problem has agrees with differences.
BLO_VERDICT_RIGHT = 0

#: verdict: something is wrong; the text says what, where, and by which factor.
BLO_VERDICT_WRONG = 1

#: verdict: nothing is wrong, but not all could be judged: a kink, rounding, or a callback that failed.
BLO_VERDICT_OPEN = 2

#: projection: that of w0 on the set, every time.
BLO_PROJECTION_COLD = 0

#: projection: that of the w before: Kaczmarz's method.
BLO_PROJECTION_FULL_WARM = 1

#: projection: some gradient steps on (x'w - y)^2 / 2 from the w before. Uses alpha, steps.
BLO_PROJECTION_PARTIAL_WARM = 2

#: Inner problems { w : x_i'w = y_i } that are solved one after the other, over and over: where warm starts by turns go. With a
#: common solution both warm starts go to the one nearest to w0, whatever the order; a cold start forgets all but the last
#: row.
#:
#: One call at a time may use it (BLO_ERR_BUSY otherwise); different cycles are independent.
blo_cycle_f32 = c_void_p

#: Inner problems { w : x_i'w = y_i } that are solved one after the other, over and over: where warm starts by turns go. With a
#: common solution both warm starts go to the one nearest to w0, whatever the order; a cold start forgets all but the last
#: row.
#:
#: One call at a time may use it (BLO_ERR_BUSY otherwise); different cycles are independent.
blo_cycle_f64 = c_void_p

#: An open GPU. Problems on it keep it open after its handle was destroyed. Threads may share it.
blo_device = c_void_p

#: L-BFGS-B: minimizes a function in a box. It names a point, the trial, and is told F and the gradient there, again and again.
#:
#: One call at a time may use it (BLO_ERR_BUSY otherwise); different ones are independent.
blo_lbfgsb_f32 = c_void_p

#: L-BFGS-B: minimizes a function in a box. It names a point, the trial, and is told F and the gradient there, again and again.
#:
#: One call at a time may use it (BLO_ERR_BUSY otherwise); different ones are independent.
blo_lbfgsb_f64 = c_void_p

#: A rule with its buffers, for loops of the caller's own.
#:
#: One call at a time may use it (BLO_ERR_BUSY otherwise); different optimizers are independent.
blo_optimizer_f32 = c_void_p

#: A rule with its buffers, for loops of the caller's own.
#:
#: One call at a time may use it (BLO_ERR_BUSY otherwise); different optimizers are independent.
blo_optimizer_f64 = c_void_p

#: A bilevel problem: u of n_outer and w of n_inner elements.
#:
#: Made by a blo_problem_create function, ended by its blo_problem_destroy function. Immutable after creation: any number
#: of threads may use one at the same time, if its callbacks allow that. What is made from a problem shares it, and keeps
#: it alive after its handle was destroyed.
blo_problem_f32 = c_void_p

#: A bilevel problem: u of n_outer and w of n_inner elements.
#:
#: Made by a blo_problem_create function, ended by its blo_problem_destroy function. Immutable after creation: any number
#: of threads may use one at the same time, if its callbacks allow that. What is made from a problem shares it, and keeps
#: it alive after its handle was destroyed.
blo_problem_f64 = c_void_p

#: A bilevel loop with its state: u, w, optimizers' buffers, and all scratch. It grows at the first step, or with
#: blo_runner_reserve; after that no step allocates.
#:
#: One call at a time may use it (BLO_ERR_BUSY otherwise); different runners are independent, of one problem too.
blo_runner_f32 = c_void_p

#: A bilevel loop with its state: u, w, optimizers' buffers, and all scratch. It grows at the first step, or with
#: blo_runner_reserve; after that no step allocates.
#:
#: One call at a time may use it (BLO_ERR_BUSY otherwise); different runners are independent, of one problem too.
blo_runner_f64 = c_void_p

#: A solve that asks for its products instead of calling for them, with the same bits. Each has a thread of its own while
#: it is under way.
#:
#: One call at a time may use it (BLO_ERR_BUSY otherwise); different sessions are independent.
blo_session_f32 = c_void_p

#: A solve that asks for its products instead of calling for them, with the same bits. Each has a thread of its own while
#: it is under way.
#:
#: One call at a time may use it (BLO_ERR_BUSY otherwise); different sessions are independent.
blo_session_f64 = c_void_p

#: Solves H q = b approximately, for operators of one size, with one estimator and its scratch.
#:
#: One call at a time may use it (BLO_ERR_BUSY otherwise); different solvers are independent.
blo_solver_f32 = c_void_p

#: Solves H q = b approximately, for operators of one size, with one estimator and its scratch.
#:
#: One call at a time may use it (BLO_ERR_BUSY otherwise); different solvers are independent.
blo_solver_f64 = c_void_p

#: The scratch of evaluations of one problem. It grows at the first call of a kind, or with blo_workspace_reserve; after
#: that no call allocates, unless it says so.
#:
#: One call at a time may use it (BLO_ERR_BUSY otherwise); different workspaces are independent, of one problem too.
blo_workspace_f32 = c_void_p

#: The scratch of evaluations of one problem. It grows at the first call of a kind, or with blo_workspace_reserve; after
#: that no call allocates, unless it says so.
#:
#: One call at a time may use it (BLO_ERR_BUSY otherwise); different workspaces are independent, of one problem too.
blo_workspace_f64 = c_void_p

#: What a call returns: BLO_OK, or one of the negative BLO_ERR_ numbers. Numbers are never reused.
blo_status = c_int32

class blo_regression_options(Structure):
    """What a regression is. Initialise it with blo_regression_options_init, then set what differs."""

    _fields_ = [
        #: Set by blo_regression_options_init.
        ("struct_size", c_uint32),
        #: 0.
        ("reserved", c_uint32),
        #: One of BLO_LOSS_. Default BLO_LOSS_SQUARED.
        ("loss", c_int32),
        #: The classes of BLO_LOSS_SOFTMAX, 2 or above; else 0. Default 0.
        ("classes", c_int32),
        #: One of BLO_OUTER_: what u is. Default BLO_OUTER_LOG_L2.
        ("outer", c_int32),
        #: One of BLO_GROUP_, for penalties. Default BLO_GROUP_ALL.
        ("group", c_int32),
        #: One of BLO_REDUCTION_. Default BLO_REDUCTION_MEAN.
        ("reduction", c_int32),
        #: 0.
        ("reserved1", c_int32),
        #: The fixed penalty of all of w with BLO_OUTER_EXAMPLE_WEIGHTS, 0 or above; else 0. Default 0.
        ("l2", c_double),
    ]

class blo_quadratics_f64(Structure):
    """The terms of a quadratic problem: f(u, w) = w'A w / 2 + w'B u + u'C u / 2 + d'w + e'u + c and
F(u, w) = w'P w / 2 + f'w + h.

Set the struct to zero, struct_size to its size, then the terms. Arrays that may be NULL are then zero. Strides are
elements from row to row; 0: no gaps."""

    _fields_ = [
        #: The size of this struct.
        ("struct_size", c_uint32),
        #: 0.
        ("reserved", c_uint32),
        #: m, the length of u, 1 or above.
        ("n_outer", c_int64),
        #: n, the length of w, 1 or above.
        ("n_inner", c_int64),
        #: A (n x n): symmetric, positive semidefinite; may be singular.
        ("a", c_void_p),
        #: The stride of a.
        ("a_stride", c_int64),
        #: B (n x m).
        ("b", c_void_p),
        #: The stride of b.
        ("b_stride", c_int64),
        #: C (m x m), symmetric; may be NULL.
        ("c", c_void_p),
        #: The stride of c.
        ("c_stride", c_int64),
        #: d (n); may be NULL.
        ("d", c_void_p),
        #: e (m); may be NULL.
        ("e", c_void_p),
        #: P (n x n): symmetric, positive semidefinite.
        ("p", c_void_p),
        #: The stride of p.
        ("p_stride", c_int64),
        #: f (n); may be NULL.
        ("f", c_void_p),
        #: The constant c.
        ("constant", c_double),
        #: The constant h.
        ("outer_constant", c_double),
    ]

#: (user_data)
#:
#: Takes back what was lent to a problem.
#:
#: - user_data: as given with it
#:
#: Called once, when the last of the problem and all that was made from it has ended, on the thread that ended it. Not called
#: after a creation that failed: what it would have been lent is still the caller's. It must return: no C++ exception and no
#: longjmp may leave it.
blo_release_fn = CFUNCTYPE(None, c_void_p)

class blo_examples_f64(Structure):
    """Examples as rows: a design matrix and targets. A bias is a column of ones. Set the struct to zero, struct_size to its
size, then the fields. Strides are elements from row to row; 0: no gaps.

Without release the arrays are copied. With it they are lent: read where they are, which needs rows without gaps and
elements at multiples of their size; nobody may write to them before release is called. For arrays that last longer than
anything, give a release that does nothing."""

    _fields_ = [
        #: The size of this struct.
        ("struct_size", c_uint32),
        #: 0.
        ("reserved", c_uint32),
        #: The number of examples, 1 or above.
        ("rows", c_int64),
        #: The number of columns of design, 1 or above.
        ("features", c_int64),
        #: (rows x features). May be NULL where it is made from u.
        ("design", c_void_p),
        #: The stride of design.
        ("design_stride", c_int64),
        #: (rows x outputs): one output for squared and logistic losses of regressions, one for each class of a softmax, those
        #: of a network. May be NULL where it is made from u.
        ("targets", c_void_p),
        #: The stride of targets.
        ("targets_stride", c_int64),
        #: NULL (the default): the arrays are copied. Else they are lent, and release is called once when they are free again.
        ("release", blo_release_fn),
        #: Passed to release.
        ("release_data", c_void_p),
    ]

class blo_network_options(Structure):
    """What a network problem is. Initialise it with blo_network_options_init, then set what differs."""

    _fields_ = [
        #: Set by blo_network_options_init.
        ("struct_size", c_uint32),
        #: 0.
        ("reserved", c_uint32),
        #: One of BLO_ACTIVATION_, after every layer but the last. Default BLO_ACTIVATION_RELU.
        ("activation", c_int32),
        #: One of BLO_NETWORK_LOSS_. Default BLO_NETWORK_LOSS_CROSS_ENTROPY.
        ("loss", c_int32),
        #: One of BLO_NETWORK_OUTER_: what u is. Default BLO_NETWORK_OUTER_INPUTS.
        ("outer", c_int32),
        #: One of BLO_NETWORK_GROUP_, for penalties. Default BLO_NETWORK_GROUP_ALL.
        ("group", c_int32),
        #: One of BLO_REDUCTION_. Default BLO_REDUCTION_MEAN.
        ("reduction", c_int32),
        #: 0.
        ("reserved1", c_int32),
        #: The fixed penalty of weights and biases, 0 or above. Default 0.
        ("l2", c_double),
        #: Above 0 with BLO_NETWORK_OUTER_PROXIMAL_CENTRE; else not used. Default 1.
        ("proximal_weight", c_double),
    ]

#: (n_outer, n_inner, u, w, value, gradient, user_data)
#:
#: The inner objective: *value = f(u, w), gradient = (partial f / partial w).
#:
#: - u [in, n_outer], w [in, n_inner]: where
#: - value [out, 1]: a double for both precisions
#: - gradient [out, n_inner]
#: - user_data: as given at creation
#:
#: Returns 0, or another number to fail.
blo_inner_fn_f64 = CFUNCTYPE(c_int32, c_int64, c_int64, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p)

#: (n_outer, n_inner, u, w, value, gradient_u, gradient_w, user_data)
#:
#: The outer objective: *value = F(u, w), gradient_u = (partial F / partial u), gradient_w = (partial F / partial
#: w).
#:
#: - u [in, n_outer], w [in, n_inner]: where
#: - value [out, 1]: a double for both precisions
#: - gradient_u [out, n_outer], gradient_w [out, n_inner]
#: - user_data: as given at creation
#:
#: Returns 0, or another number to fail.
blo_outer_fn_f64 = CFUNCTYPE(c_int32, c_int64, c_int64, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p)

#: (n_outer, n_inner, u, w, v, out, user_data)
#:
#: A product with second derivatives of f at (u, w). With H = d2f/dw dw' (n_inner x n_inner, symmetric) and
#: M = d2f/dw du' (n_inner x n_outer):
#:
#: - hvp: out = H v, with v and out of n_inner elements
#: - mixed_vjp: out = M' v, with v of n_inner and out of n_outer elements
#: - mixed_jvp: out = M v, with v of n_outer and out of n_inner elements
#:
#: Returns 0, or another number to fail.
blo_product_fn_f64 = CFUNCTYPE(c_int32, c_int64, c_int64, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p)

class blo_callbacks_f64(Structure):
    """The functions of a callback problem. Set the struct to zero, struct_size to its size, then the functions.

Rules for each: it is called on the thread that called the library; its arrays are valid until it returns;
outputs hold zeros on entry (*value: NaN) and must be written in full; NaN or an infinity in them is
BLO_ERR_NON_FINITE with the function named. A return other than 0 ends the call with BLO_ERR_CALLBACK. It must
return: no C++ exception and no longjmp may leave it. It may call this library, but not with the handle whose call
it serves: that is BLO_ERR_BUSY."""

    _fields_ = [
        #: The size of this struct.
        ("struct_size", c_uint32),
        #: 0.
        ("reserved", c_uint32),
        #: f and its gradient.
        ("inner", blo_inner_fn_f64),
        #: F and its gradients.
        ("outer", blo_outer_fn_f64),
        #: H v.
        ("hvp", blo_product_fn_f64),
        #: M' v.
        ("mixed_vjp", blo_product_fn_f64),
        #: M v; may be NULL. For what differentiates forward: BLO_MODE_FORWARD, and the response along a change of u.
        ("mixed_jvp", blo_product_fn_f64),
        #: Called once with user_data when no function will be called any more; may be NULL.
        ("release", blo_release_fn),
    ]

class blo_rule(Structure):
    """How a point is moved along a gradient. Part of option structs, whose init functions fill it; by itself, with
blo_rule_init. This struct does not grow."""

    _fields_ = [
        #: One of BLO_RULE_. Default BLO_RULE_DESCENT.
        ("kind", c_int32),
        #: 0.
        ("reserved", c_int32),
        #: The step size, above 0. Default 1e-3.
        ("step", c_double),
        #: From 0 to below 1, for BLO_RULE_MOMENTUM. Default 0.9.
        ("momentum", c_double),
        #: From 0 to below 1, for BLO_RULE_ADAM. Default 0.9.
        ("beta1", c_double),
        #: From 0 to below 1, for BLO_RULE_ADAM. Default 0.999.
        ("beta2", c_double),
        #: Above 0, for BLO_RULE_ADAM. Default 1e-8.
        ("epsilon", c_double),
    ]

class blo_estimator_options(Structure):
    """How a hypergradient is approximated: dF/du = (partial F / partial u) - M' q, where q approximates H^-1 b and
b = partial F / partial w.

Initialise it with blo_estimator_options_init, then set kind and the fields that the kind uses. The defaults are
BLO_ESTIMATOR_MIN_NORM by Lanczos. Fields that a kind does not use are checked for being numbers and known
choices only."""

    _fields_ = [
        #: Set by blo_estimator_options_init.
        ("struct_size", c_uint32),
        #: 0.
        ("reserved", c_uint32),
        #: One of BLO_ESTIMATOR_.
        ("kind", c_int32),
        #: One of BLO_BY_: how a spectral filter is applied. Default BLO_BY_LANCZOS.
        ("by", c_int32),
        #: One of BLO_STEP_. Default BLO_STEP_FIXED.
        ("step", c_int32),
        #: One of BLO_GROWTH_. Default BLO_GROWTH_STOP.
        ("on_growth", c_int32),
        #: 1: spend one more product with H on the residual of the report. 0: do not. Default 1; unrolling has no
        #: residual.
        ("verify", c_int32),
        #: 1: start from the q of the workspace's last evaluation, q = q + r(H) (b - H q), instead of from 0. For
        #: BLO_ESTIMATOR_CG, _CG_TWICE, _MINRES, _GMRES, _NEUMANN, _IDENTITY, and _DAMPED by Lanczos. Default 0.
        ("start_from_last", c_int32),
        #: One of BLO_MODE_: how unrolled steps are differentiated. Default BLO_MODE_REVERSE.
        ("mode", c_int32),
        #: 0.
        ("reserved1", c_int32),
        #: K, 0 or above: the products of a Neumann series, which has K + 1 terms. To be set.
        ("terms", c_int64),
        #: The most iterations of conjugate gradients, 1 or above. To be set.
        ("iterations", c_int64),
        #: The most products, 1 or above; BLO_DEFAULT (the default), for a Lanczos process only: n_inner + 4.
        ("max_products", c_int64),
        #: T, the steps to unroll, 1 or above. To be set.
        ("steps", c_int64),
        #: Differentiate only the last this many steps, 1 to T; BLO_DEFAULT (the default): all.
        ("last", c_int64),
        #: The most passes of iterative refinement, for BLO_ESTIMATOR_DAMPED and BLO_ESTIMATOR_CG. Default 0.
        ("refine", c_int64),
        #: k of the Nystrom approximation, 1 or above. To be set.
        ("rank", c_int64),
        #: Products in a cycle of GMRES, 1 or above. To be set.
        ("restart", c_int64),
        #: Of the Nystrom approximation's directions. Default 0.
        ("seed", c_uint64),
        #: alpha, above 0. To be set, but 0 with BLO_STEP_AUTO.
        ("alpha", c_double),
        #: The damping, above 0. To be set.
        ("epsilon", c_double),
        #: From 0 to below 1; BLO_DEFAULT (the default): 1e-10 in doubles, 1e-6 in
        #: floats.
        ("cutoff", c_double),
        #: 0 or above. Lanczos: stop once q changes by less, relatively, twice running; BLO_DEFAULT (the default):
        #: 1e-12 in doubles, 1e-6 in floats. The other iterations: stop once |b - H q| is this small relative to |b|; 0 or BLO_DEFAULT: at the
        #: rounding floor.
        ("tolerance", c_double),
        #: The optimizer whose steps are differentiated.
        ("rule", blo_rule),
    ]

class blo_report(Structure):
    """What a solve tells about itself. Set struct_size before the call; nothing is written past it.
What was not measured is NaN."""

    _fields_ = [
        #: The size of this struct.
        ("struct_size", c_uint32),
        #: 0.
        ("reserved", c_uint32),
        #: One of BLO_ENDING_. Only the first two mean that all that was asked for was done.
        ("ending", c_int32),
        #: 0.
        ("reserved1", c_int32),
        #: Products with H, the one for residual not counted.
        ("products", c_int64),
        #: |H q - b| / |b|, recomputed with the undamped H.
        ("residual", c_double),
        #: The share of b in the null space of H, |P0 b| / |b|.
        ("null_share", c_double),
        #: The smallest curvature seen.
        ("curvature_min", c_double),
        #: The largest curvature seen.
        ("curvature_max", c_double),
        #: The step size of the Neumann series.
        ("alpha", c_double),
        #: The largest ratio of a term's norm to the one before, once a term grew.
        ("growth", c_double),
        #: |b|.
        ("rhs_norm", c_double),
        #: F at w, or after the steps of an unrolled estimator; NaN where no hypergradient was asked for.
        ("outer_loss", c_double),
    ]

#: (n, v, out, user_data)
#:
#: A product with a linear operator H of n rows: out = H v.
#:
#: - n: the length of v and out
#: - v [in, n], out [out, n]: out holds zeros on entry and must be written in full
#: - user_data: as given to the call
#:
#: Returns 0, or another number to fail. It is called on the thread that called the library, and must return: no C++
#: exception and no longjmp may leave it.
blo_operator_fn_f64 = CFUNCTYPE(c_int32, c_int64, c_void_p, c_void_p, c_void_p)

class blo_run_options(Structure):
    """What a run does. Initialise it with blo_run_options_init, then set what differs."""

    _fields_ = [
        #: Set by blo_run_options_init.
        ("struct_size", c_uint32),
        #: 0.
        ("reserved", c_uint32),
        #: One of BLO_START_. Default BLO_START_COLD.
        ("start", c_int32),
        #: One of BLO_INNER_. Default BLO_INNER_FIXPOINT.
        ("inner", c_int32),
        #: One of BLO_METHOD_, for u. Default BLO_METHOD_RULE.
        ("method", c_int32),
        #: 1: a warm start takes the look-ahead's w as the next one. 0: it makes new inner steps with the new u.
        #: Default 0.
        ("keep_look_ahead", c_int32),
        #: 1: keep u and w of the smallest F; see blo_runner_best_f64. Default 0.
        ("keep_best", c_int32),
        #: 1: fill distance_from_min_norm and null_component of the trace, for two closed-form inner solves a row.
        #: Default 0.
        ("distances", c_int32),
        #: The inner steps T, or the most of them if inner_tolerance is not 0; 1 or above. To be set for
        #: BLO_INNER_OPTIMIZER.
        ("inner_steps", c_int64),
        #: The most outer steps, 0 or above. Default 1000.
        ("outer_steps", c_int64),
        #: The pairs that L-BFGS-B keeps, 1 to 100. Default 10.
        ("memory", c_int64),
        #: The inner examples in a batch of an inner step; 0 (the default): all.
        ("batch_size", c_int64),
        #: Of the batches' order. Default 0.
        ("batch_seed", c_uint64),
        #: Stop an inner solve once its gradient is this small relative to the largest of the run; 0 (the default)
        #: never stops.
        ("inner_tolerance", c_double),
        #: Stop once the hypergradient is this small relative to the first one; 0 (the default): once it is exactly 0.
        ("outer_tolerance", c_double),
        #: Bounds of each element of u. Default minus infinity.
        ("lower", c_double),
        #: Above lower. Default infinity.
        ("upper", c_double),
        #: Tolerances of inner solves and of the estimator in outer step k are max(schedule_first schedule_factor^k,
        #: schedule_last) instead of those given. 0 (the default): no schedule.
        ("schedule_first", c_double),
        #: Above 0 and below 1. To be set with schedule_first.
        ("schedule_factor", c_double),
        #: 0 or above. Default 0.
        ("schedule_last", c_double),
        #: The inner optimizer. Default: gradient descent with step 1e-3.
        ("inner_rule", blo_rule),
        #: The outer rule. Default: Adam with step 1e-3.
        ("outer_rule", blo_rule),
    ]

class blo_progress_f64(Structure):
    """What a monitor sees after each hypergradient, before u moves. Valid until the monitor returns."""

    _fields_ = [
        #: The size of this struct in the library.
        ("struct_size", c_uint32),
        #: 0.
        ("reserved", c_uint32),
        #: The outer steps made before.
        ("step", c_int64),
        #: The length of u and of hypergradient.
        ("n_outer", c_int64),
        #: The length of w.
        ("n_inner", c_int64),
        #: F(u, w).
        ("outer_loss", c_double),
        #: |hypergradient|.
        ("norm_hypergradient", c_double),
        #: u.
        ("u", c_void_p),
        #: The w at which the hypergradient was taken.
        ("w", c_void_p),
        #: dF/du, as estimated.
        ("hypergradient", c_void_p),
    ]

#: (progress, user_data)
#:
#: Looks on at a run. Returns 0 to go on, another number to stop the run, which then succeeds with BLO_RUN_STOPPED.
#: Called on the thread that called the library. It must return: no C++ exception and no longjmp may leave it. It
#: may call this library, but not with the runner.
blo_monitor_fn_f64 = CFUNCTYPE(c_int32, POINTER(blo_progress_f64), c_void_p)

class blo_trace_row(Structure):
    """One row of a trace: the run at (u, w), w being the point at which the hypergradient was taken."""

    _fields_ = [
        #: The outer steps before this point.
        ("step", c_int64),
        #: F(u, w).
        ("outer_loss", c_double),
        #: f(u, w).
        ("inner_loss", c_double),
        #: |u|.
        ("norm_u", c_double),
        #: |w|.
        ("norm_w", c_double),
        #: |dF/du|, as estimated.
        ("norm_hypergradient", c_double),
        #: |w - w0|.
        ("distance_from_start", c_double),
        #: |w - w_mn| with w_mn the minimum-norm inner solution at u; NaN unless asked for.
        ("distance_from_min_norm", c_double),
        #: |P0 w|, the part of w in the null space of H; NaN unless asked for.
        ("null_component", c_double),
    ]

class blo_outcome(Structure):
    """How a run went. Set struct_size before the call; nothing is written past it."""

    _fields_ = [
        #: The size of this struct.
        ("struct_size", c_uint32),
        #: 0.
        ("reserved", c_uint32),
        #: One of BLO_RUN_.
        ("ending", c_int32),
        #: 0.
        ("reserved1", c_int32),
        #: Outer steps made, those before a resume included.
        ("steps", c_int64),
        #: Inner gradient steps made.
        ("inner_steps", c_int64),
        #: Products with H spent on hypergradients.
        ("products", c_int64),
        #: Hypergradients whose solve ended otherwise than BLO_ENDING_COMPLETED or BLO_ENDING_CONVERGED.
        ("doubtful_solves", c_int64),
        #: Trace rows written.
        ("trace_rows", c_int64),
        #: F at the last hypergradient.
        ("outer_loss", c_double),
        #: The norm of the last hypergradient.
        ("norm_hypergradient", c_double),
    ]

class blo_quadratics_f32(Structure):
    """The terms of a quadratic problem: f(u, w) = w'A w / 2 + w'B u + u'C u / 2 + d'w + e'u + c and
F(u, w) = w'P w / 2 + f'w + h.

Set the struct to zero, struct_size to its size, then the terms. Arrays that may be NULL are then zero. Strides are
elements from row to row; 0: no gaps."""

    _fields_ = [
        #: The size of this struct.
        ("struct_size", c_uint32),
        #: 0.
        ("reserved", c_uint32),
        #: m, the length of u, 1 or above.
        ("n_outer", c_int64),
        #: n, the length of w, 1 or above.
        ("n_inner", c_int64),
        #: A (n x n): symmetric, positive semidefinite; may be singular.
        ("a", c_void_p),
        #: The stride of a.
        ("a_stride", c_int64),
        #: B (n x m).
        ("b", c_void_p),
        #: The stride of b.
        ("b_stride", c_int64),
        #: C (m x m), symmetric; may be NULL.
        ("c", c_void_p),
        #: The stride of c.
        ("c_stride", c_int64),
        #: d (n); may be NULL.
        ("d", c_void_p),
        #: e (m); may be NULL.
        ("e", c_void_p),
        #: P (n x n): symmetric, positive semidefinite.
        ("p", c_void_p),
        #: The stride of p.
        ("p_stride", c_int64),
        #: f (n); may be NULL.
        ("f", c_void_p),
        #: The constant c.
        ("constant", c_double),
        #: The constant h.
        ("outer_constant", c_double),
    ]

class blo_examples_f32(Structure):
    """Examples as rows: a design matrix and targets. A bias is a column of ones. Set the struct to zero, struct_size to its
size, then the fields. Strides are elements from row to row; 0: no gaps.

Without release the arrays are copied. With it they are lent: read where they are, which needs rows without gaps and
elements at multiples of their size; nobody may write to them before release is called. For arrays that last longer than
anything, give a release that does nothing."""

    _fields_ = [
        #: The size of this struct.
        ("struct_size", c_uint32),
        #: 0.
        ("reserved", c_uint32),
        #: The number of examples, 1 or above.
        ("rows", c_int64),
        #: The number of columns of design, 1 or above.
        ("features", c_int64),
        #: (rows x features). May be NULL where it is made from u.
        ("design", c_void_p),
        #: The stride of design.
        ("design_stride", c_int64),
        #: (rows x outputs): one output for squared and logistic losses of regressions, one for each class of a softmax, those
        #: of a network. May be NULL where it is made from u.
        ("targets", c_void_p),
        #: The stride of targets.
        ("targets_stride", c_int64),
        #: NULL (the default): the arrays are copied. Else they are lent, and release is called once when they are free again.
        ("release", blo_release_fn),
        #: Passed to release.
        ("release_data", c_void_p),
    ]

#: (n_outer, n_inner, u, w, value, gradient, user_data)
#:
#: The inner objective: *value = f(u, w), gradient = (partial f / partial w).
#:
#: - u [in, n_outer], w [in, n_inner]: where
#: - value [out, 1]: a double for both precisions
#: - gradient [out, n_inner]
#: - user_data: as given at creation
#:
#: Returns 0, or another number to fail.
blo_inner_fn_f32 = CFUNCTYPE(c_int32, c_int64, c_int64, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p)

#: (n_outer, n_inner, u, w, value, gradient_u, gradient_w, user_data)
#:
#: The outer objective: *value = F(u, w), gradient_u = (partial F / partial u), gradient_w = (partial F / partial
#: w).
#:
#: - u [in, n_outer], w [in, n_inner]: where
#: - value [out, 1]: a double for both precisions
#: - gradient_u [out, n_outer], gradient_w [out, n_inner]
#: - user_data: as given at creation
#:
#: Returns 0, or another number to fail.
blo_outer_fn_f32 = CFUNCTYPE(c_int32, c_int64, c_int64, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p)

#: (n_outer, n_inner, u, w, v, out, user_data)
#:
#: A product with second derivatives of f at (u, w). With H = d2f/dw dw' (n_inner x n_inner, symmetric) and
#: M = d2f/dw du' (n_inner x n_outer):
#:
#: - hvp: out = H v, with v and out of n_inner elements
#: - mixed_vjp: out = M' v, with v of n_inner and out of n_outer elements
#: - mixed_jvp: out = M v, with v of n_outer and out of n_inner elements
#:
#: Returns 0, or another number to fail.
blo_product_fn_f32 = CFUNCTYPE(c_int32, c_int64, c_int64, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p)

class blo_callbacks_f32(Structure):
    """The functions of a callback problem. Set the struct to zero, struct_size to its size, then the functions.

Rules for each: it is called on the thread that called the library; its arrays are valid until it returns;
outputs hold zeros on entry (*value: NaN) and must be written in full; NaN or an infinity in them is
BLO_ERR_NON_FINITE with the function named. A return other than 0 ends the call with BLO_ERR_CALLBACK. It must
return: no C++ exception and no longjmp may leave it. It may call this library, but not with the handle whose call
it serves: that is BLO_ERR_BUSY."""

    _fields_ = [
        #: The size of this struct.
        ("struct_size", c_uint32),
        #: 0.
        ("reserved", c_uint32),
        #: f and its gradient.
        ("inner", blo_inner_fn_f32),
        #: F and its gradients.
        ("outer", blo_outer_fn_f32),
        #: H v.
        ("hvp", blo_product_fn_f32),
        #: M' v.
        ("mixed_vjp", blo_product_fn_f32),
        #: M v; may be NULL. For what differentiates forward: BLO_MODE_FORWARD, and the response along a change of u.
        ("mixed_jvp", blo_product_fn_f32),
        #: Called once with user_data when no function will be called any more; may be NULL.
        ("release", blo_release_fn),
    ]

#: (n, v, out, user_data)
#:
#: A product with a linear operator H of n rows: out = H v.
#:
#: - n: the length of v and out
#: - v [in, n], out [out, n]: out holds zeros on entry and must be written in full
#: - user_data: as given to the call
#:
#: Returns 0, or another number to fail. It is called on the thread that called the library, and must return: no C++
#: exception and no longjmp may leave it.
blo_operator_fn_f32 = CFUNCTYPE(c_int32, c_int64, c_void_p, c_void_p, c_void_p)

class blo_progress_f32(Structure):
    """What a monitor sees after each hypergradient, before u moves. Valid until the monitor returns."""

    _fields_ = [
        #: The size of this struct in the library.
        ("struct_size", c_uint32),
        #: 0.
        ("reserved", c_uint32),
        #: The outer steps made before.
        ("step", c_int64),
        #: The length of u and of hypergradient.
        ("n_outer", c_int64),
        #: The length of w.
        ("n_inner", c_int64),
        #: F(u, w).
        ("outer_loss", c_double),
        #: |hypergradient|.
        ("norm_hypergradient", c_double),
        #: u.
        ("u", c_void_p),
        #: The w at which the hypergradient was taken.
        ("w", c_void_p),
        #: dF/du, as estimated.
        ("hypergradient", c_void_p),
    ]

#: (progress, user_data)
#:
#: Looks on at a run. Returns 0 to go on, another number to stop the run, which then succeeds with BLO_RUN_STOPPED.
#: Called on the thread that called the library. It must return: no C++ exception and no longjmp may leave it. It
#: may call this library, but not with the runner.
blo_monitor_fn_f32 = CFUNCTYPE(c_int32, POINTER(blo_progress_f32), c_void_p)

FUNCTIONS: dict[str, tuple[Any, list[tuple[str, Any]], str]] = {
    "blo_status_text": (c_char_p, [
        ("status", blo_status),
    ], """What a status means, in a few words.

- status [in]: any number, known or not

Returns a static text, never NULL. blo_last_error has the particulars of a failure."""),
    "blo_last_error": (blo_status, [
        ("buffer", c_void_p),
        ("capacity", c_size_t),
        ("needed", c_void_p),
    ], """Copies the message of the last call that this thread made: argument, what was found, what was expected.

- buffer [out, capacity bytes]: the message, cut if it does not fit, always closed by a NUL; NULL if capacity is
  0
- capacity [in]: the size of buffer
- needed [out]: the capacity that holds the whole message and its NUL; may be NULL

The message is empty after a call that succeeded. Every function that returns a blo_status replaces it, except
this one; destroy functions leave it alone too. The message is for people: programs should decide by the status.

Returns BLO_ERR_NULL if buffer is NULL and capacity is not 0."""),
    "blo_version": (c_char_p, [
    ], """The version of the library, such as "1.2.3": a static text."""),
    "blo_abi_version": (c_int32, [
    ], """BLO_ABI_VERSION of the library; compare it with that of the header."""),
    "blo_capabilities": (c_uint64, [
    ], """What this build can do on this machine: a sum of BLO_CAPABILITY_ bits. The same for the life of the process. Every
function exists in every build."""),
    "blo_regression_options_init": (blo_status, [
        ("options", POINTER(blo_regression_options)),
        ("size", c_size_t),
    ], """Fills the options of a regression with their defaults.

- options [out]: the options
- size [in]: sizeof *options

Errors: BLO_ERR_NULL; BLO_ERR_STRUCT_SIZE for a size below the first released one; BLO_ERR_INVALID for one above
4096. Since 0.1."""),
    "blo_problem_create_quadratic_f64": (blo_status, [
        ("terms", POINTER(blo_quadratics_f64)),
        ("problem", c_void_p),
    ], """Makes a problem of two quadratics; see blo_quadratics_f64 for the formula. H = A, M = B.

- terms [in]: the terms; all arrays are copied
- problem [out]: the problem, NULL after an error; end it with blo_problem_destroy_f64

Errors: BLO_ERR_NULL for terms, problem, a, b or p; BLO_ERR_INVALID for a size below 1, or so large that a matrix cannot
exist, and for a stride; BLO_ERR_NON_FINITE; BLO_ERR_ASYMMETRIC for A, C or P; BLO_ERR_INDEFINITE for A or P;
BLO_ERR_STRUCT_SIZE. Since 0.1."""),
    "blo_problem_create_regression_f64": (blo_status, [
        ("inner", POINTER(blo_examples_f64)),
        ("outer", POINTER(blo_examples_f64)),
        ("options", POINTER(blo_regression_options)),
        ("problem", c_void_p),
    ], """Makes a linear regression, with loss l of the logits z = W phi:
f(u, w) = s sum_i a_i l(z_i, t_i) + sum_j c_j w_j^2 / 2, s = 1 or 1/n, and F(w) = 1/N sum_i l(z_i, t_i) over the N
outer examples. The options say which of t, c and a is u.

- inner, outer [in]: the examples, of as many features; copied or lent. inner.targets may be NULL with
  BLO_OUTER_TARGETS
- options [in]: what the regression is; NULL for the defaults
- problem [out]: the problem, NULL after an error; end it with blo_problem_destroy_f64

n_inner is features, or classes x features; n_outer is the number of inner examples (BLO_OUTER_TARGETS,
BLO_OUTER_EXAMPLE_WEIGHTS) or of penalties.

Errors: BLO_ERR_NULL; BLO_ERR_INVALID for sizes, strides, options, and targets that are no probabilities;
BLO_ERR_NON_FINITE; BLO_ERR_STRUCT_SIZE. Since 0.1."""),
    "blo_problem_sizes_f64": (blo_status, [
        ("problem", c_void_p),
        ("n_outer", c_void_p),
        ("n_inner", c_void_p),
        ("n_examples", c_void_p),
    ], """The sizes of a problem.

- problem [in]: the problem
- n_outer, n_inner [out]: the lengths of u and w; may be NULL
- n_examples [out]: the number of inner examples, 0 where f is not known as a sum over examples; may be NULL

Errors: BLO_ERR_NULL or BLO_ERR_INVALID for problem. Since 0.1."""),
    "blo_problem_destroy_f64": (None, [
        ("problem", c_void_p),
    ], """Ends a problem and sets *problem to NULL. What was made from it goes on with it.

- problem [in, out]: the place of the handle; NULL, or a place that holds NULL, is fine

No call may be using this handle on another thread. Leaves the message of blo_last_error alone. Since 0.1."""),
    "blo_network_options_init": (blo_status, [
        ("options", POINTER(blo_network_options)),
        ("size", c_size_t),
    ], """Fills the options of a network problem with their defaults.

- options [out]: the options
- size [in]: sizeof *options

Errors: BLO_ERR_NULL; BLO_ERR_STRUCT_SIZE for a size below the first released one; BLO_ERR_INVALID for one above
4096. Since 0.1."""),
    "blo_problem_create_network_f64": (blo_status, [
        ("n_widths", c_int64),
        ("widths", c_void_p),
        ("inner", POINTER(blo_examples_f64)),
        ("outer", POINTER(blo_examples_f64)),
        ("options", POINTER(blo_network_options)),
        ("problem", c_void_p),
    ], """Makes a multilayer perceptron, layers W x + b with an activation after each but the last:
f(u, w) = sum_i omega_i l(net(x_i; w), t_i) + l2 |w|^2 / 2 (+ what u adds), omega_i = 1/n or 1, and
F(w) = 1/N sum_i l(net(x_i; w), t_i) over the N outer examples.

- n_widths [in], widths [in, n_widths]: the widths d, ..., c from inputs to outputs, at least two; two make a linear
  model
- inner, outer [in]: the examples; copied or lent. inner.design and inner.targets may be NULL where u sets them (inner.rows
  counts all the same)
- options [in]: what the problem is; NULL for the defaults
- problem [out]: the problem, NULL after an error; end it with blo_problem_destroy_f64

w = [W1, b1, W2, b2, ...], each W (fan_out x fan_in) row-major.

Errors: BLO_ERR_NULL; BLO_ERR_INVALID for widths, sizes, strides and options; BLO_ERR_NON_FINITE;
BLO_ERR_STRUCT_SIZE. Since 0.1."""),
    "blo_network_initial_f64": (blo_status, [
        ("problem", c_void_p),
        ("init", c_int32),
        ("seed", c_uint64),
        ("w", c_void_p),
        ("n_inner", c_int64),
    ], """w = initial parameters of a network: normal numbers from a seed.

- problem [in]: a network
- init [in]: one of BLO_INIT_
- seed [in]: the same seed gives the same numbers, on every machine up to the rounding of logarithms and cosines
- w [out, n_inner], n_inner [in]: the parameters, and their number, the problem's

Errors: BLO_ERR_NULL; BLO_ERR_UNSUPPORTED for another problem; BLO_ERR_INVALID; BLO_ERR_SHAPE. Since 0.1."""),
    "blo_network_predict_f64": (blo_status, [
        ("problem", c_void_p),
        ("w", c_void_p),
        ("n_inner", c_int64),
        ("x", c_void_p),
        ("rows", c_int64),
        ("x_stride", c_int64),
        ("out", c_void_p),
    ], """out = the outputs of a network, before any softmax.

- problem [in]: a network with d inputs and c outputs
- w [in, n_inner], n_inner [in]: the parameters, and their number, the problem's
- x [in, rows x d], rows [in], x_stride [in]: the examples, and the elements from row to row; 0: no gaps
- out [out, rows x c]: without gaps

Errors: BLO_ERR_NULL; BLO_ERR_UNSUPPORTED for another problem; BLO_ERR_INVALID for rows and x_stride; BLO_ERR_SHAPE.
Allocates. Since 0.1."""),
    "blo_problem_create_callbacks_f64": (blo_status, [
        ("n_outer", c_int64),
        ("n_inner", c_int64),
        ("callbacks", POINTER(blo_callbacks_f64)),
        ("user_data", c_void_p),
        ("problem", c_void_p),
    ], """Makes a problem of the caller's functions.

- n_outer, n_inner [in]: the lengths of u and w, 1 or above
- callbacks [in]: the functions; the struct is copied
- user_data [in]: passed to each of them; may be NULL; lent until the problem, and all that was made from it, is
  destroyed: see release in blo_callbacks_f64
- problem [out]: the problem, NULL after an error; end it with blo_problem_destroy_f64

Errors: BLO_ERR_NULL, also for a missing function other than mixed_jvp; BLO_ERR_INVALID for a size below 1;
BLO_ERR_STRUCT_SIZE. Since 0.1."""),
    "blo_device_count": (blo_status, [
        ("count", c_void_p),
    ], """The number of GPUs that can be opened: 0 without a driver, or with one that is too old. blo_device_open then tells why.

- count [out]: the number

The same for the life of the process. Errors: BLO_ERR_NULL. Since 0.1."""),
    "blo_device_open": (blo_status, [
        ("index", c_int64),
        ("device", c_void_p),
    ], """Opens a GPU.

- index [in]: which, from 0
- device [out]: the handle, NULL after an error; end it with blo_device_destroy

Errors: BLO_ERR_NULL; BLO_ERR_NO_DEVICE; BLO_ERR_INVALID for an index that no device has; BLO_ERR_DEVICE;
BLO_ERR_DEVICE_MEMORY. Since 0.1."""),
    "blo_device_name": (blo_status, [
        ("device", c_void_p),
        ("buffer", c_void_p),
        ("capacity", c_size_t),
        ("needed", c_void_p),
    ], """Copies the name of a GPU.

- device [in]: the GPU
- buffer [out, capacity bytes]: the name, cut if it does not fit, always closed by a NUL; NULL if capacity is 0
- capacity [in]: the size of buffer
- needed [out]: the capacity that holds the whole name and its NUL; may be NULL

Errors: BLO_ERR_NULL. Since 0.1."""),
    "blo_device_compute_capability": (blo_status, [
        ("device", c_void_p),
        ("major", c_void_p),
        ("minor", c_void_p),
    ], """The compute capability of a GPU, such as 9.0.

- device [in]: the GPU
- major, minor [out]: the numbers

Errors: BLO_ERR_NULL. Since 0.1."""),
    "blo_device_destroy": (None, [
        ("device", c_void_p),
    ], """Ends a handle of a GPU and sets *device to NULL. The GPU closes when no problem on it is left.

- device [in, out]: the place of the handle; NULL, or a place that holds NULL, is fine

No call may be using this handle on another thread. Leaves the message of blo_last_error alone. Since 0.1."""),
    "blo_problem_on_device_f64": (blo_status, [
        ("problem", c_void_p),
        ("device", c_void_p),
        ("on_device", c_void_p),
    ], """Puts a problem on a GPU: the same problem, whose objectives, products and solves are computed there. Workspaces and runners
take it as any other, with every estimator and loop; u, w and results stay in host memory, and are copied at each call. A
solve is one call, whatever its number of products. Eigendecompositions and inner fixpoints are made on the host.

- problem [in]: a quadratic or a network; it may be destroyed after this
- device [in]: the GPU
- on_device [out]: the problem on it, NULL after an error; end it with blo_problem_destroy_f64

Results are those of the host up to rounding, and equal bits for equal input on the same GPU and driver.

Errors: BLO_ERR_NULL; BLO_ERR_UNSUPPORTED for other problems; BLO_ERR_DEVICE; BLO_ERR_DEVICE_MEMORY. Calls with what was
made from it have the last two as well. Since 0.1."""),
    "blo_rule_init": (blo_status, [
        ("rule", POINTER(blo_rule)),
    ], """Fills a rule with its defaults.

- rule [out]: the rule

Errors: BLO_ERR_NULL. Since 0.1."""),
    "blo_optimizer_create_f64": (blo_status, [
        ("rule", POINTER(blo_rule)),
        ("n", c_int64),
        ("optimizer", c_void_p),
    ], """Makes an optimizer with zero buffers.

- rule [in]: the rule
- n [in]: the length of the points that it moves, 1 or above
- optimizer [out]: the handle, NULL after an error; end it with blo_optimizer_destroy_f64

Errors: BLO_ERR_NULL; BLO_ERR_INVALID. Since 0.1."""),
    "blo_optimizer_step_f64": (blo_status, [
        ("optimizer", c_void_p),
        ("gradient", c_void_p),
        ("x", c_void_p),
        ("n", c_int64),
    ], """One step: x moves along the gradient. Allocates nothing.

- optimizer [in]: the optimizer
- gradient [in, n]: at x
- x [in, out, n], n [in]: the point, and its length, the optimizer's

The caller may change x between steps; the buffers stay. A step that overflows is made all the same: look at x.

Errors: BLO_ERR_NULL; BLO_ERR_SHAPE; BLO_ERR_BUSY. Since 0.1."""),
    "blo_optimizer_restart_f64": (blo_status, [
        ("optimizer", c_void_p),
    ], """Makes the buffers zero, as after creation.

- optimizer [in]: the optimizer

Errors: BLO_ERR_NULL; BLO_ERR_BUSY. Since 0.1."""),
    "blo_optimizer_destroy_f64": (None, [
        ("optimizer", c_void_p),
    ], """Ends an optimizer and sets *optimizer to NULL.

- optimizer [in, out]: the place of the handle; NULL, or a place that holds NULL, is fine

Leaves the message of blo_last_error alone. Since 0.1."""),
    "blo_lbfgsb_create_f64": (blo_status, [
        ("x", c_void_p),
        ("n", c_int64),
        ("lower", c_void_p),
        ("upper", c_void_p),
        ("memory", c_int64),
        ("tolerance", c_double),
        ("lbfgsb", c_void_p),
    ], """Makes a minimization.

- x [in, n], n [in]: where it begins, within the bounds, which is the first trial; and its length, 1 or above
- lower, upper [in, n]: the bounds, which may be infinite, and equal; NULL: none
- memory [in]: the pairs that are kept, 1 to 100; 10 is usual
- tolerance [in]: it ends where the projected gradient |P(x - g) - x| is at most this; 0 or above
- lbfgsb [out]: the handle, NULL after an error; end it with blo_lbfgsb_destroy_f64

Errors: BLO_ERR_NULL; BLO_ERR_INVALID, also for bounds that are NaN or crossed and an x outside of them;
BLO_ERR_NON_FINITE. Since 0.1."""),
    "blo_lbfgsb_trial_f64": (blo_status, [
        ("lbfgsb", c_void_p),
        ("trial", c_void_p),
        ("n", c_int64),
    ], """Where F is to be evaluated; after the end, the last accepted point.

- lbfgsb [in]: the minimization
- trial [out, n], n [in]: the point, and its length

Errors: BLO_ERR_NULL; BLO_ERR_SHAPE; BLO_ERR_BUSY. Since 0.1."""),
    "blo_lbfgsb_tell_f64": (blo_status, [
        ("lbfgsb", c_void_p),
        ("value", c_double),
        ("gradient", c_void_p),
        ("n", c_int64),
        ("next", c_void_p),
    ], """Tells F and its gradient at the trial. What is not finite makes the next trial step back, but for the first one, where it is
an error. After the end it says the end again. Allocates nothing.

- lbfgsb [in]: the minimization
- value [in]: F, a double for both precisions
- gradient [in, n], n [in]: at the trial, and its length
- next [out]: one of BLO_NEXT_

Errors: BLO_ERR_NULL; BLO_ERR_SHAPE; BLO_ERR_NON_FINITE at the first trial; BLO_ERR_BUSY. Since 0.1."""),
    "blo_lbfgsb_state_f64": (blo_status, [
        ("lbfgsb", c_void_p),
        ("x", c_void_p),
        ("n", c_int64),
        ("value", c_void_p),
    ], """The last accepted point; the start, before F was told there.

- lbfgsb [in]: the minimization
- x [out, n], n [in]: the point, and its length; x may be NULL
- value [out]: F there, a double for both precisions, infinite before it was told; may be NULL

Allocates nothing. Errors: BLO_ERR_NULL; BLO_ERR_SHAPE; BLO_ERR_BUSY. Since 0.1."""),
    "blo_lbfgsb_destroy_f64": (None, [
        ("lbfgsb", c_void_p),
    ], """Ends a minimization and sets *lbfgsb to NULL.

- lbfgsb [in, out]: the place of the handle; NULL, or a place that holds NULL, is fine

Leaves the message of blo_last_error alone. Since 0.1."""),
    "blo_estimator_options_init": (blo_status, [
        ("options", POINTER(blo_estimator_options)),
        ("size", c_size_t),
    ], """Fills the options of an estimator with their defaults.

- options [out]: the options
- size [in]: sizeof *options

Errors: BLO_ERR_NULL; BLO_ERR_STRUCT_SIZE for a size below the first released one; BLO_ERR_INVALID for one above
4096. Since 0.1."""),
    "blo_workspace_create_f64": (blo_status, [
        ("problem", c_void_p),
        ("workspace", c_void_p),
    ], """Makes a workspace.

- problem [in]: the problem; its handle may be destroyed before the workspace
- workspace [out]: the handle, NULL after an error; end it with blo_workspace_destroy_f64

Errors: BLO_ERR_NULL; BLO_ERR_INVALID for another kind of handle. Since 0.1."""),
    "blo_workspace_reserve_f64": (blo_status, [
        ("workspace", c_void_p),
        ("estimator", POINTER(blo_estimator_options)),
        ("bytes", c_void_p),
    ], """Allocates now all that hypergradients with an estimator need, and says how much the workspace then holds.

- workspace [in]: the workspace
- estimator [in]: how; NULL for the defaults
- bytes [out]: the bytes on the heap, without the problem's data; may be NULL

Not foreseen is what a dense eigendecomposition takes while it is made.

Errors: BLO_ERR_NULL; BLO_ERR_INVALID for a field of estimator, and where the memory cannot be had;
BLO_ERR_STRUCT_SIZE; BLO_ERR_BUSY. Since 0.1."""),
    "blo_workspace_destroy_f64": (None, [
        ("workspace", c_void_p),
    ], """Ends a workspace and sets *workspace to NULL.

- workspace [in, out]: the place of the handle; NULL, or a place that holds NULL, is fine

Leaves the message of blo_last_error alone. Since 0.1."""),
    "blo_hypergradient_f64": (blo_status, [
        ("workspace", c_void_p),
        ("estimator", POINTER(blo_estimator_options)),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
        ("hypergradient", c_void_p),
        ("q", c_void_p),
        ("report", POINTER(blo_report)),
    ], """Computes one hypergradient: hypergradient = (partial F / partial u) - M' q, with q an approximation of
H^-1 (partial F / partial w) at (u, w).

- workspace [in]: a workspace of the problem
- estimator [in]: how; NULL for the defaults
- u [in, n_outer], n_outer [in]: the outer parameters, and their number, the problem's
- w [in, n_inner], n_inner [in]: the inner parameters, best a solution of the inner problem at u, and their
  number
- hypergradient [out, n_outer]: the result
- q [out, n_inner]: q; may be NULL, and is then not formed where there is a shorter way (a network's Neumann series
  with verify = 0; the hypergradient is the same to rounding). After unrolling: the sum of alpha times the adjoint
  states, or zero where it was not formed (forward mode, and one differentiated step of a network with few inner
  examples)
- report [out]: how the solve went; may be NULL; struct_size to be set

Outputs may overlap u and w, and are written only if the call succeeds. A solve that did not do all that was
asked for still succeeds: see ending in the report.

Errors: BLO_ERR_NULL; BLO_ERR_SHAPE for sizes other than the problem's; BLO_ERR_NON_FINITE for u, w, the
hypergradient, or what a callback wrote; BLO_ERR_INVALID for a field of estimator; BLO_ERR_STRUCT_SIZE;
BLO_ERR_ASYMMETRIC for a dense solve with callbacks whose H is not symmetric; BLO_ERR_DECOMPOSITION;
BLO_ERR_CALLBACK; BLO_ERR_BUSY. Since 0.1."""),
    "blo_inner_f64": (blo_status, [
        ("workspace", c_void_p),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
        ("value", c_void_p),
        ("gradient", c_void_p),
    ], """The inner objective: *value = f(u, w), gradient = (partial f / partial w).

- workspace [in]: a workspace of the problem
- u [in, n_outer], n_outer [in], w [in, n_inner], n_inner [in]: where, and the problem's sizes
- value [out]: a double for both precisions; may be NULL
- gradient [out, n_inner]: may be NULL

Errors: BLO_ERR_NULL; BLO_ERR_SHAPE; BLO_ERR_NON_FINITE; BLO_ERR_INVALID for a u that the problem cannot have;
BLO_ERR_CALLBACK; BLO_ERR_BUSY. Since 0.1."""),
    "blo_outer_f64": (blo_status, [
        ("workspace", c_void_p),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
        ("value", c_void_p),
        ("gradient_u", c_void_p),
        ("gradient_w", c_void_p),
    ], """The outer objective: *value = F(u, w), gradient_u = (partial F / partial u), gradient_w = (partial F / partial w).

- workspace [in]: a workspace of the problem
- u [in, n_outer], n_outer [in], w [in, n_inner], n_inner [in]: where, and the problem's sizes
- value [out]: a double for both precisions; may be NULL
- gradient_u [out, n_outer], gradient_w [out, n_inner]: may be NULL

Errors: as blo_inner_f64. Since 0.1."""),
    "blo_fixpoint_f64": (blo_status, [
        ("workspace", c_void_p),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
    ], """w = the minimiser of f(u, .) nearest to w, in closed form. Quadratics and squared losses only. Allocates.

- workspace [in]: a workspace of the problem
- u [in, n_outer], n_outer [in]: the outer parameters, and their number, the problem's
- w [in, out, n_inner], n_inner [in]: from where and to where, and the problem's size

Errors: as blo_inner_f64, and BLO_ERR_UNSUPPORTED for other problems. Since 0.1."""),
    "blo_linearize_f64": (blo_status, [
        ("workspace", c_void_p),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
    ], """Freezes H and M at (u, w) for the products with this workspace, until it evaluates anything else.

- workspace [in]: a workspace of the problem
- u [in, n_outer], n_outer [in], w [in, n_inner], n_inner [in]: where, and the problem's sizes

Errors: as blo_inner_f64. Since 0.1."""),
    "blo_hvp_f64": (blo_status, [
        ("workspace", c_void_p),
        ("v", c_void_p),
        ("n_inner", c_int64),
        ("out", c_void_p),
    ], """out = H v at the last blo_linearize_f64.

- workspace [in]: a linearized workspace
- v [in, n_inner], n_inner [in]: the direction, and the problem's size
- out [out, n_inner]: the product; may be v

Errors: BLO_ERR_NULL; BLO_ERR_SHAPE; BLO_ERR_NON_FINITE for v and the product; BLO_ERR_INVALID for a workspace that
is not linearized; BLO_ERR_CALLBACK; BLO_ERR_BUSY. Since 0.1."""),
    "blo_mixed_vjp_f64": (blo_status, [
        ("workspace", c_void_p),
        ("v", c_void_p),
        ("n_inner", c_int64),
        ("out", c_void_p),
    ], """out = M' v at the last blo_linearize_f64.

- workspace [in]: a linearized workspace
- v [in, n_inner], n_inner [in]: the direction, and the problem's size
- out [out, n_outer]: the product

Errors: as blo_hvp_f64. Since 0.1."""),
    "blo_mixed_jvp_f64": (blo_status, [
        ("workspace", c_void_p),
        ("du", c_void_p),
        ("n_outer", c_int64),
        ("out", c_void_p),
    ], """out = M du at the last blo_linearize_f64.

- workspace [in]: a linearized workspace
- du [in, n_outer], n_outer [in]: the direction, and the problem's size
- out [out, n_inner]: the product

Errors: as blo_hvp_f64, and BLO_ERR_UNSUPPORTED for callbacks without mixed_jvp. Since 0.1."""),
    "blo_response_jvp_f64": (blo_status, [
        ("workspace", c_void_p),
        ("estimator", POINTER(blo_estimator_options)),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
        ("du", c_void_p),
        ("out", c_void_p),
        ("report", POINTER(blo_report)),
    ], """out = J du, J = -r(H) M = dw/du: how the inner solution at (u, w) moves with u.

- workspace [in]: a workspace of the problem
- estimator [in]: r; NULL for the defaults; not BLO_ESTIMATOR_UNROLLED
- u [in, n_outer], n_outer [in], w [in, n_inner], n_inner [in]: where, and the problem's sizes
- du [in, n_outer]: the direction
- out [out, n_inner]: the response
- report [out]: how the solve went; may be NULL; struct_size to be set

Errors: as blo_hypergradient_f64, and BLO_ERR_UNSUPPORTED for callbacks without mixed_jvp, and for unrolling. Since 0.1."""),
    "blo_response_vjp_f64": (blo_status, [
        ("workspace", c_void_p),
        ("estimator", POINTER(blo_estimator_options)),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
        ("v", c_void_p),
        ("out", c_void_p),
        ("report", POINTER(blo_report)),
    ], """out = J' v = -M' r(H) v: the gradient by u of v'w*(u) at (u, w).

- workspace [in]: a workspace of the problem
- estimator [in]: r; NULL for the defaults; not BLO_ESTIMATOR_UNROLLED
- u [in, n_outer], n_outer [in], w [in, n_inner], n_inner [in]: where, and the problem's sizes
- v [in, n_inner]: the direction
- out [out, n_outer]: the gradient
- report [out]: how the solve went; may be NULL; struct_size to be set

Errors: as blo_hypergradient_f64, and BLO_ERR_UNSUPPORTED for unrolling. Since 0.1."""),
    "blo_influence_f64": (blo_status, [
        ("workspace", c_void_p),
        ("estimator", POINTER(blo_estimator_options)),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
        ("scores", c_void_p),
        ("n_examples", c_int64),
        ("report", POINTER(blo_report)),
    ], """The influence of each inner example on F, from one solve: scores_i = -(partial f_i / partial w)'q, the derivative of
F(w*) by epsilon in f + epsilon f_i. An example above 0 raises the outer loss; to remove it changes F by about -scores_i.

- workspace [in]: a workspace of the problem
- estimator [in]: how q is found; NULL for the defaults; not BLO_ESTIMATOR_UNROLLED
- u [in, n_outer], n_outer [in], w [in, n_inner], n_inner [in]: where, and the problem's sizes
- scores [out, n_examples], n_examples [in]: doubles for both precisions, and the number of inner examples
- report [out]: how the solve went; may be NULL; struct_size to be set

Errors: as blo_hypergradient_f64, and BLO_ERR_UNSUPPORTED for unrolling and for problems that are no sum over examples.
Since 0.1."""),
    "blo_inner_batch_f64": (blo_status, [
        ("workspace", c_void_p),
        ("batch", c_void_p),
        ("size", c_int64),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
        ("value", c_void_p),
        ("gradient", c_void_p),
    ], """The inner objective on a batch B of its n examples, for loops of the caller's own: f_B = n/|B| sum_{i in B} f_i + penalties,
whose expectation over uniform batches is f. An index that occurs twice counts twice.

- workspace [in]: a workspace of a problem with examples
- batch [in, size], size [in]: the indices of the examples, from 0, and their number, 1 or above
- u [in, n_outer], n_outer [in], w [in, n_inner], n_inner [in]: where, and the problem's sizes
- value [out]: a double for both precisions; may be NULL
- gradient [out, n_inner]: may be NULL

Allocates where size is larger than before. Errors: as blo_inner_f64; BLO_ERR_INVALID for size and for an index that is no
example's; BLO_ERR_UNSUPPORTED for problems that are no sum over examples. Since 0.1."""),
    "blo_solver_create_f64": (blo_status, [
        ("n", c_int64),
        ("estimator", POINTER(blo_estimator_options)),
        ("solver", c_void_p),
    ], """Makes a solver.

- n [in]: the rows of the operators, 1 or above
- estimator [in]: how; NULL for the defaults; not BLO_ESTIMATOR_UNROLLED
- solver [out]: the handle, NULL after an error; end it with blo_solver_destroy_f64

Errors: BLO_ERR_NULL; BLO_ERR_INVALID for n and fields of estimator; BLO_ERR_STRUCT_SIZE; BLO_ERR_UNSUPPORTED for
unrolling. Since 0.1."""),
    "blo_solver_solve_f64": (blo_status, [
        ("solver", c_void_p),
        ("product", blo_operator_fn_f64),
        ("user_data", c_void_p),
        ("b", c_void_p),
        ("n", c_int64),
        ("q", c_void_p),
        ("report", POINTER(blo_report)),
    ], """q = r(H) b. The solver keeps q; with start_from_last the next solve starts there (and the first from 0). Allocates at
the first call only.

- solver [in]: the solver
- product [in]: H, by its products; user_data [in]: passed to it
- b [in, n], n [in]: the right-hand side, and the solver's size
- q [out, n]: the solution; may be b
- report [out]: how it went; may be NULL; struct_size to be set

Errors: BLO_ERR_NULL; BLO_ERR_SHAPE; BLO_ERR_NON_FINITE for b and for what product wrote; BLO_ERR_CALLBACK;
BLO_ERR_ASYMMETRIC for a dense solve whose H is not symmetric; BLO_ERR_DECOMPOSITION; BLO_ERR_BUSY. Since 0.1."""),
    "blo_solver_destroy_f64": (None, [
        ("solver", c_void_p),
    ], """Ends a solver and sets *solver to NULL.

- solver [in, out]: the place of the handle; NULL, or a place that holds NULL, is fine

Leaves the message of blo_last_error alone. Since 0.1."""),
    "blo_session_create_f64": (blo_status, [
        ("n", c_int64),
        ("estimator", POINTER(blo_estimator_options)),
        ("session", c_void_p),
    ], """Makes a session.

- n [in]: the rows of the operators, 1 or above
- estimator [in]: how; NULL for the defaults; not BLO_ESTIMATOR_UNROLLED
- session [out]: the handle, NULL after an error; end it with blo_session_destroy_f64

Errors: as blo_solver_create_f64. Since 0.1."""),
    "blo_session_start_f64": (blo_status, [
        ("session", c_void_p),
        ("b", c_void_p),
        ("n", c_int64),
    ], """Begins a solve; one that is under way is given up.

- session [in]: the session
- b [in, n], n [in]: the right-hand side, and the session's size

Errors: BLO_ERR_NULL; BLO_ERR_SHAPE; BLO_ERR_NON_FINITE; BLO_ERR_UNSUPPORTED if the system has no thread to give;
BLO_ERR_BUSY. Since 0.1."""),
    "blo_session_step_f64": (blo_status, [
        ("session", c_void_p),
        ("answer", c_void_p),
        ("n", c_int64),
        ("request", c_void_p),
        ("vector", c_void_p),
        ("report", POINTER(blo_report)),
    ], """Gives the product last asked for, and says what is wanted next.

- session [in]: the session, started
- answer [in, n]: the product asked for; NULL for the first call after blo_session_start_f64, and to hear again what the
  last call said
- n [in]: the session's size
- request [out]: one of BLO_REQUEST_
- vector [out, n]: v, whose product is wanted, or q; may be answer
- report [out]: with BLO_REQUEST_DONE, how it went; may be NULL; struct_size to be set

Errors: BLO_ERR_NULL; BLO_ERR_SHAPE; BLO_ERR_INVALID for a session that is not started, and for an answer that was not
asked for; BLO_ERR_NON_FINITE for an answer, which ends the solve; BLO_ERR_ASYMMETRIC, BLO_ERR_DECOMPOSITION;
BLO_ERR_BUSY. Since 0.1."""),
    "blo_session_destroy_f64": (None, [
        ("session", c_void_p),
    ], """Ends a session and sets *session to NULL. A solve under way is given up.

- session [in, out]: the place of the handle; NULL, or a place that holds NULL, is fine

Leaves the message of blo_last_error alone. Since 0.1."""),
    "blo_solver_solve_many_f64": (blo_status, [
        ("solver", c_void_p),
        ("product", blo_operator_fn_f64),
        ("user_data", c_void_p),
        ("count", c_int64),
        ("b", c_void_p),
        ("n", c_int64),
        ("q", c_void_p),
        ("report", POINTER(blo_report)),
    ], """q_i = r(H) b_i for several right-hand sides, with the solver's estimator. A dense decomposition is made once, and counted in
the first report; all else is one solve after the other.

- solver [in]: the solver
- product [in]: H, by its products; user_data [in]: passed to it
- count [in]: the number of right-hand sides, 1 or above
- b [in, count x n], n [in]: the right-hand sides as rows without gaps, and the solver's size
- q [out, count x n]: the solutions; may be b
- report [out, count]: how each went; may be NULL; struct_size to be set in each

With start_from_last each starts at the q of its row in the last call for several. Allocates where count is new.

Errors: as blo_solver_solve_f64, and BLO_ERR_INVALID for count. Since 0.1."""),
    "blo_solver_solve_family_f64": (blo_status, [
        ("solver", c_void_p),
        ("product", blo_operator_fn_f64),
        ("user_data", c_void_p),
        ("count", c_int64),
        ("estimator", POINTER(blo_estimator_options)),
        ("b", c_void_p),
        ("n", c_int64),
        ("q", c_void_p),
        ("report", POINTER(blo_report)),
    ], """q_i = r_i(H) b for several spectral filters and one right-hand side: BLO_ESTIMATOR_MIN_NORM, BLO_ESTIMATOR_DAMPED and
BLO_ESTIMATOR_NEUMANN_FILTER, all BLO_BY_LANCZOS, where one process serves them all and the largest number of products is
what was spent; or all BLO_BY_DENSE, with one decomposition, counted in the first report. The solver's own estimator is not
used.

- solver [in]: the solver
- product [in]: H, by its products; user_data [in]: passed to it
- count [in]: the number of filters, 1 or above
- estimator [in, count]: the filters, one struct behind the other
- b [in, n], n [in]: the right-hand side, and the solver's size
- q [out, count x n]: the solutions as rows without gaps; may begin at b
- report [out, count]: how each went; may be NULL; struct_size to be set in each

Allocates where count is new. Errors: as blo_solver_solve_f64; BLO_ERR_INVALID for count, fields of estimator and filters
that mix dense and Lanczos; BLO_ERR_UNSUPPORTED for other kinds, refine and start_from_last; BLO_ERR_STRUCT_SIZE. Since 0.1."""),
    "blo_solver_shifted_cg_f64": (blo_status, [
        ("solver", c_void_p),
        ("product", blo_operator_fn_f64),
        ("user_data", c_void_p),
        ("count", c_int64),
        ("epsilon", c_void_p),
        ("tolerance", c_double),
        ("max_products", c_int64),
        ("b", c_void_p),
        ("n", c_int64),
        ("q", c_void_p),
        ("report", POINTER(blo_report)),
    ], """q_i = (H + epsilon_i I)^-1 b for several epsilon and positive semidefinite H, for the products of the smallest: conjugate
gradients with shifts, in the memory of one vector for each epsilon. The solver's own estimator is not used.

- solver [in]: the solver
- product [in]: H, by its products; user_data [in]: passed to it
- count [in]: the number of dampings, 1 or above
- epsilon [in, count]: the dampings, above 0, doubles for both precisions
- tolerance [in]: each stops at a residual this small relative to b; 0: at the rounding floor
- max_products [in]: the most products, 0 or above
- b [in, n], n [in]: the right-hand side, and the solver's size
- q [out, count x n]: the solutions as rows without gaps; may begin at b
- report [out, count]: how each went, without a residual; may be NULL; struct_size to be set in each

Allocates where count is new. Errors: as blo_solver_solve_f64, and BLO_ERR_INVALID for count, epsilon, tolerance and
max_products. Since 0.1."""),
    "blo_run_options_init": (blo_status, [
        ("options", POINTER(blo_run_options)),
        ("size", c_size_t),
    ], """Fills the options of a run with their defaults.

- options [out]: the options
- size [in]: sizeof *options

Errors: BLO_ERR_NULL; BLO_ERR_STRUCT_SIZE for a size below the first released one; BLO_ERR_INVALID for one above
4096. Since 0.1."""),
    "blo_runner_create_f64": (blo_status, [
        ("problem", c_void_p),
        ("options", POINTER(blo_run_options)),
        ("estimator", POINTER(blo_estimator_options)),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
        ("runner", c_void_p),
    ], """Makes a loop: solve the inner problem for w, take the hypergradient at (u, w), move u, and again.

- problem [in]: the problem; its handle may be destroyed before the runner
- options [in]: what the run does; NULL for the defaults
- estimator [in]: how hypergradients are approximated; NULL for the defaults. With BLO_ESTIMATOR_UNROLLED and
  BLO_INNER_OPTIMIZER the inner steps are those that are differentiated: steps and rule are inner_steps and
  inner_rule, and inner_tolerance is 0
- u [in, n_outer], n_outer [in]: where u starts, and its length, the problem's
- w [in, n_inner], n_inner [in]: where w starts, and every inner solve of a cold start, and its length
- runner [out]: the handle, NULL after an error; end it with blo_runner_destroy_f64

Errors: BLO_ERR_NULL; BLO_ERR_SHAPE; BLO_ERR_NON_FINITE; BLO_ERR_INVALID for fields of options and estimator, and a u
out of its bounds; BLO_ERR_UNSUPPORTED for options that do not go together; BLO_ERR_STRUCT_SIZE. Since 0.1."""),
    "blo_runner_resume_f64": (blo_status, [
        ("problem", c_void_p),
        ("path", c_char_p),
        ("runner", c_void_p),
    ], """Goes on with a run that blo_runner_save_f64 wrote: on the same build and machine with the same bits.

- problem [in]: the problem of that run; its sizes are checked, its data are not
- path [in]: the file, in UTF-8
- runner [out]: the handle, NULL after an error; end it with blo_runner_destroy_f64

Errors: BLO_ERR_NULL; BLO_ERR_INVALID for a path that is no UTF-8; BLO_ERR_FILE for a file that cannot be read, is torn or
changed, is no saved run, or one of another version, precision or size. Since 0.1."""),
    "blo_runner_save_f64": (blo_status, [
        ("runner", c_void_p),
        ("path", c_char_p),
    ], """Saves a whole run, without the problem. The file is written aside and renamed, so that a crash leaves the old one or
the new one. Allocates.

- runner [in]: the runner
- path [in]: the file, in UTF-8

Errors: BLO_ERR_NULL; BLO_ERR_INVALID for a path that is no UTF-8; BLO_ERR_FILE; BLO_ERR_BUSY. Since 0.1."""),
    "blo_runner_reserve_f64": (blo_status, [
        ("runner", c_void_p),
        ("bytes", c_void_p),
    ], """Allocates now all that the run needs, and says how much it then holds.

- runner [in]: the runner
- bytes [out]: the bytes on the heap, without the problem's data; may be NULL

Errors: BLO_ERR_NULL; BLO_ERR_INVALID where the memory cannot be had; BLO_ERR_BUSY. Since 0.1."""),
    "blo_runner_run_f64": (blo_status, [
        ("runner", c_void_p),
        ("monitor", blo_monitor_fn_f64),
        ("user_data", c_void_p),
        ("trace_every", c_int64),
        ("trace", POINTER(blo_trace_row)),
        ("capacity", c_int64),
        ("outcome", POINTER(blo_outcome)),
    ], """Runs to the end.

- runner [in]: the runner
- monitor [in]: called after each hypergradient; may be NULL; user_data [in]: passed to it
- trace_every [in]: a trace row is written every so many outer steps, and at the end; 0: never
- trace [out, capacity]: rows of this call, not to be touched while it lasts; NULL if capacity is 0
- capacity [in]: the most rows; what does not fit is not recorded
- outcome [out]: how it went; struct_size to be set

After an error u and w are those of the last whole step. Divergence is not an error: see ending in outcome. A run that
was stopped goes on with the next call.

Errors: as blo_hypergradient_f64, and BLO_ERR_UNSUPPORTED for BLO_INNER_FIXPOINT or distances where the problem has
no closed form; BLO_ERR_BUSY. Since 0.1."""),
    "blo_runner_state_f64": (blo_status, [
        ("runner", c_void_p),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
        ("steps", c_void_p),
    ], """Where a run is.

- runner [in]: the runner
- u [out, n_outer], n_outer [in]: the outer parameters, and their number, the problem's; u may be NULL
- w [out, n_inner], n_inner [in]: the inner parameters, and their number, the problem's; w may be NULL
- steps [out]: the outer steps made; may be NULL

Errors: BLO_ERR_NULL; BLO_ERR_SHAPE; BLO_ERR_BUSY. Since 0.1."""),
    "blo_runner_best_f64": (blo_status, [
        ("runner", c_void_p),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
        ("outer_loss", c_void_p),
        ("step", c_void_p),
    ], """The point of the smallest F so far, with keep_best.

- runner [in]: the runner
- u [out, n_outer], n_outer [in], w [out, n_inner], n_inner [in]: as blo_runner_state_f64
- outer_loss [out]: F there, a double for both precisions; may be NULL
- step [out]: the outer steps before it; may be NULL

Errors: as blo_runner_state_f64, and BLO_ERR_INVALID without keep_best or before the first step. Since 0.1."""),
    "blo_runner_destroy_f64": (None, [
        ("runner", c_void_p),
    ], """Ends a runner and sets *runner to NULL.

- runner [in, out]: the place of the handle; NULL, or a place that holds NULL, is fine

Leaves the message of blo_last_error alone. Since 0.1."""),
    "blo_runner_step_f64": (blo_status, [
        ("runner", c_void_p),
        ("hypergradient", c_void_p),
        ("report", POINTER(blo_report)),
        ("diverged", c_void_p),
    ], """One outer step: look ahead, hypergradient, u, w.

- runner [in]: the runner
- hypergradient [out, n_outer]: that of the step; may be NULL
- report [out]: of its solve; may be NULL; struct_size to be set
- diverged [out]: 1 if something overflowed or grew without bound, so that u stayed and nothing else is written; else 0

The number of steps and the tolerance of the options are not looked at. Errors: as blo_runner_run_f64. Since 0.1."""),
    "blo_runner_begin_step_f64": (blo_status, [
        ("runner", c_void_p),
        ("hypergradient", c_void_p),
        ("report", POINTER(blo_report)),
        ("diverged", c_void_p),
    ], """The first half of an outer step: the look-ahead, which is the inner solve, and the hypergradient at its end. u stays.

- runner [in]: the runner
- hypergradient [out, n_outer]: at u; may be NULL
- report [out]: of its solve; may be NULL; struct_size to be set
- diverged [out]: 1 if something overflowed or grew without bound, so that there is nothing to end and nothing else is
  written; else 0

Errors: as blo_runner_run_f64. Since 0.1."""),
    "blo_runner_end_step_f64": (blo_status, [
        ("runner", c_void_p),
        ("hypergradient", c_void_p),
        ("n_outer", c_int64),
        ("diverged", c_void_p),
    ], """The second half of an outer step: u moves by the outer rule, and w after it.

- runner [in]: the runner, for which blo_runner_begin_step_f64 was the last call, but for those that only look
- hypergradient [in, n_outer], n_outer [in]: what u moves along, such as the hypergradient clipped; NULL: the hypergradient
  itself. And the problem's size
- diverged [out]: 1 if something overflowed or grew without bound, so that u stayed; else 0

Begun and ended without a change a step has the bits of blo_runner_step_f64.

Errors: BLO_ERR_INVALID if no step has begun; BLO_ERR_SHAPE and BLO_ERR_NON_FINITE for hypergradient, after which the step
may still be ended; as blo_runner_run_f64. Since 0.1."""),
    "blo_runner_set_f64": (blo_status, [
        ("runner", c_void_p),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
    ], """Puts u, w or both elsewhere, between steps. The rules' buffers stay, and so does where a cold start begins its inner solves;
L-BFGS-B begins a new search at u.

- runner [in]: the runner
- u [in, n_outer], n_outer [in]: the outer parameters, and their number, the problem's; u may be NULL: it stays
- w [in, n_inner], n_inner [in]: the inner parameters, and their number, the problem's; w may be NULL: it stays

Allocates with BLO_METHOD_LBFGSB only.

Errors, after which nothing has moved: BLO_ERR_NULL; BLO_ERR_SHAPE; BLO_ERR_NON_FINITE; BLO_ERR_INVALID for a u out of its
bounds; BLO_ERR_BUSY. Since 0.1."""),
    "blo_examples_from_dlpack_f64": (blo_status, [
        ("design", c_void_p),
        ("targets", c_void_p),
        ("versioned", c_int32),
        ("examples", POINTER(blo_examples_f64)),
    ], """Fills examples with DLPack tensors in host memory, to be lent to a problem without a copy: floats of this precision, without
gaps, read-only ones too.

- design [in]: (rows x features), or NULL where it is made from u: features is then to be set before
- targets [in]: (rows) or (rows x outputs), or NULL where they are made from u
- versioned [in]: 1 for a DLManagedTensorVersioned of version 1 (the capsule dltensor_versioned), 0 for a DLManagedTensor
- examples [in, out]: struct_size to be set; all else is set, release among it, but features without a design

After BLO_OK the tensors belong to the examples: release, called by the problem that they are lent to, calls their
deleters. Where no problem is created from them the caller calls examples.release(examples.release_data). One struct is for
one problem. After an error the tensors are still the caller's.

Errors: BLO_ERR_NULL, also if both tensors are NULL; BLO_ERR_INVALID with the part: version, device, dtype, ndim, shape,
strides, data (which is not aligned); BLO_ERR_SHAPE for another number of targets; BLO_ERR_STRUCT_SIZE. Since 0.1."""),
    "blo_runner_tensor_f64": (blo_status, [
        ("runner", c_void_p),
        ("vector", c_int32),
        ("tensor", c_void_p),
    ], """Shows a vector of a runner as a DLPack tensor, without a copy: a DLManagedTensorVersioned of version 1, read-only, of one
dimension.

- runner [in]: the runner
- vector [in]: one of BLO_VECTOR_
- tensor [out]: the tensor, NULL after an error; to be ended by its own deleter, on any thread

The numbers are the runner's, and change with its calls: read them between calls. They stay in memory, and with them all
that the runner holds, until the last such tensor has ended and the runner is destroyed, in any order. Allocates.

Errors: BLO_ERR_NULL; BLO_ERR_INVALID for vector; BLO_ERR_BUSY. Since 0.1."""),
    "blo_workspace_tensor_f64": (blo_status, [
        ("workspace", c_void_p),
        ("vector", c_int32),
        ("tensor", c_void_p),
    ], """As blo_runner_tensor_f64, of a workspace: its hypergradient, without the copy that blo_hypergradient_f64 makes.

- workspace [in]: the workspace
- vector [in]: BLO_VECTOR_HYPERGRADIENT
- tensor [out]: the tensor, NULL after an error; to be ended by its own deleter, on any thread

Errors: BLO_ERR_NULL; BLO_ERR_INVALID for vector; BLO_ERR_BUSY. Since 0.1."""),
    "blo_hypergradient_dlpack_f64": (blo_status, [
        ("workspace", c_void_p),
        ("estimator", POINTER(blo_estimator_options)),
        ("u", c_void_p),
        ("w", c_void_p),
        ("hypergradient", c_void_p),
        ("q", c_void_p),
        ("versioned", c_int32),
        ("report", POINTER(blo_report)),
    ], """Computes one hypergradient, as blo_hypergradient_f64, from and into DLPack tensors in place. On a GPU u, w and the results
stay there, but for estimators that decompose H and for a u of penalties of groups of weights, with which the host works.

- workspace [in]: a workspace of the problem
- estimator [in]: how; NULL for the defaults
- u [in], w [in]: the outer and the inner parameters
- hypergradient [out]: the result
- q [out]: q, as blo_hypergradient_f64 tells; may be NULL
- versioned [in]: of all of these: 1 for a DLManagedTensorVersioned of version 1, 0 for a DLManagedTensor
- report [out]: how the solve went; may be NULL; struct_size to be set

Tensors are borrowed for the call: their deleters are not called. They have floats of this precision, without gaps,
row-major in any shape of as many elements as the problem's vector has, and are in host memory, all of them, or, for a
problem of blo_problem_on_device_f64, all in the memory of its GPU (type kDLCUDA, the number that blo_device_open was
given). On a GPU all work on the tensors has to be done before (their stream synchronised), because the library has a stream of
its own; that has done its work when the call returns, after errors too. An address that is not what its tensor says is the
caller's fault, and can be BLO_ERR_DEVICE.

Outputs may overlap u and w, but not each other, and are written only if the call succeeds. The first call with tensors on a
GPU allocates scratch there, which blo_workspace_reserve_f64 does not foresee, but counts after that; such calls start from the
last q of such calls (start_from_last), and change nothing of what blo_workspace_tensor_f64 shows.

Errors: as blo_hypergradient_f64; BLO_ERR_INVALID with the part of a tensor: version, flags (an output that is read-only),
device, dtype, ndim, shape, strides, data (which is not aligned); BLO_ERR_NULL for data too; BLO_ERR_SHAPE; for a problem
on a GPU BLO_ERR_DEVICE and BLO_ERR_DEVICE_MEMORY. Since 0.1."""),
    "blo_check_derivatives_f64": (blo_status, [
        ("problem", c_void_p),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
        ("tolerance", c_double),
        ("seed", c_uint64),
        ("verdict", c_void_p),
        ("text", c_void_p),
        ("capacity", c_size_t),
        ("needed", c_void_p),
    ], """Compares a problem's functions at (u, w) with differences of what they are the derivatives of, and checks that H is
symmetric and M and M' are adjoints. For callbacks above all. Choose a point in general position: at an optimum or at
zero a mistake may not show. Allocates.

- problem [in]: the problem
- u [in, n_outer], n_outer [in], w [in, n_inner], n_inner [in]: where, and the problem's sizes
- tolerance [in]: the relative disagreement that counts as none; BLO_DEFAULT: 1e-6 in doubles, 1e-3 in floats
- seed [in]: of the random directions
- verdict [out]: one of BLO_VERDICT_
- text [out, capacity]: a table for people, cut if it does not fit, always closed by a NUL; NULL if capacity is 0
- capacity [in]: the size of text
- needed [out]: the capacity that holds the whole text and its NUL; may be NULL

A callback that fails is no error, but part of the text. Errors: BLO_ERR_NULL; BLO_ERR_SHAPE; BLO_ERR_NON_FINITE for u and
w; BLO_ERR_INVALID. Since 0.1."""),
    "blo_equilibrium_residuals_f64": (blo_status, [
        ("problem", c_void_p),
        ("options", POINTER(blo_run_options)),
        ("estimator", POINTER(blo_estimator_options)),
        ("start", c_void_p),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
        ("fixpoint", c_void_p),
        ("outer", c_void_p),
    ], """How far (u, w) is from an equilibrium of a loop: *fixpoint = |Xi - w| with Xi the inner solution at u, from w0 (cold) or
from w (warm), infinite if that solve diverges; *outer = |dF/du|. Both are 0 at an equilibrium. Allocates.

- problem [in]: the problem
- options [in]: start and inner solve of the loop; NULL for the defaults
- estimator [in]: its estimator; NULL for the defaults
- start [in, n_inner]: w0, for BLO_START_COLD; else it may be NULL
- u [in, n_outer], n_outer [in], w [in, n_inner], n_inner [in]: where, and the problem's sizes
- fixpoint, outer [out]: the residuals, doubles for both precisions; may be NULL

Errors: as blo_runner_run_f64. Since 0.1."""),
    "blo_retraining_gap_f64": (blo_status, [
        ("problem", c_void_p),
        ("options", POINTER(blo_run_options)),
        ("start", c_void_p),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
        ("run_loss", c_void_p),
        ("retrained_loss", c_void_p),
        ("retrained", c_void_p),
    ], """What u is worth without the w that it was learned with: F(u, w), and F(u, w') with w' trained anew from w0. The second
less the first is what of F was in w and not in u. Allocates.

- problem [in]: the problem
- options [in]: the inner solve; NULL for the defaults
- start [in, n_inner]: w0
- u [in, n_outer], n_outer [in], w [in, n_inner], n_inner [in]: the end of a run, and the problem's sizes
- run_loss, retrained_loss [out]: F(u, w) and F(u, w'), doubles for both precisions; may be NULL
- retrained [out, n_inner]: w'; may be NULL

Errors: as blo_runner_run_f64, and BLO_ERR_INVALID if the new inner solve diverges. Since 0.1."""),
    "blo_spectrum_f64": (blo_status, [
        ("problem", c_void_p),
        ("estimator", POINTER(blo_estimator_options)),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
        ("eigenvalues", c_void_p),
        ("shares", c_void_p),
        ("responses", c_void_p),
    ], """The eigenvalues of H at (u, w), ascending, with the share of b = (partial F / partial w) along each eigenvector, and what
an estimator makes of each. Allocates; one dense eigendecomposition.

- problem [in]: the problem
- estimator [in]: r; NULL for the defaults
- u [in, n_outer], n_outer [in], w [in, n_inner], n_inner [in]: where, and the problem's sizes
- eigenvalues [out, n_inner]: doubles for both precisions, as are the others
- shares [out, n_inner]: |v'b| / |b|; may be NULL
- responses [out, n_inner]: r(eigenvalue), NaN where it depends on b; may be NULL

Errors: as blo_hypergradient_f64. Since 0.1."""),
    "blo_project_f64": (blo_status, [
        ("n", c_int64),
        ("x", c_void_p),
        ("y", c_double),
        ("w", c_void_p),
    ], """w = the point of { w : x'w = y } nearest to w. Allocates.

- n [in]: the length of x and w, 1 or above
- x [in, n], y [in]: the set; x is not 0
- w [in, out, n]: from where and to where

Errors: BLO_ERR_NULL; BLO_ERR_INVALID for n and for x = 0; BLO_ERR_NON_FINITE. Since 0.1."""),
    "blo_optimistic_f64": (blo_status, [
        ("problem", c_void_p),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("start", c_void_p),
        ("n_inner", c_int64),
        ("w", c_void_p),
        ("outer_loss", c_void_p),
        ("unbounded", c_void_p),
    ], """w = the inner solution at u with the smallest F: the optimistic one. Quadratics only. Of many the one nearest to start.
Allocates.

- problem [in]: a quadratic
- u [in, n_outer], n_outer [in]: the outer parameters, and their number, the problem's
- start [in, n_inner], n_inner [in]: of many solutions the nearest to it; and the problem's size
- w [out, n_inner]: the solution; where F has no bound among the inner solutions, a direction of length 1 along which it falls
  for ever
- outer_loss [out]: F there, or minus infinity; a double for both precisions; may be NULL
- unbounded [out]: 1 where F has no bound, so that w is a direction; else 0

Errors: BLO_ERR_NULL; BLO_ERR_SHAPE; BLO_ERR_NON_FINITE; BLO_ERR_INVALID where f has no minimum at u; BLO_ERR_UNSUPPORTED
for other problems; BLO_ERR_DECOMPOSITION. Since 0.1."""),
    "blo_pessimistic_f64": (blo_status, [
        ("problem", c_void_p),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("start", c_void_p),
        ("n_inner", c_int64),
        ("w", c_void_p),
        ("outer_loss", c_void_p),
        ("unbounded", c_void_p),
    ], """w = the inner solution at u with the largest F: the pessimistic one. As blo_optimistic_f64, with plus infinity and a
direction along which F grows for ever where it has no bound: wherever F is not constant on the inner solutions.

- problem [in]: a quadratic
- u [in, n_outer], n_outer [in]: the outer parameters, and their number, the problem's
- start [in, n_inner], n_inner [in]: of many solutions the nearest to it; and the problem's size
- w [out, n_inner]: the solution, or the direction
- outer_loss [out]: F there, or infinity; a double for both precisions; may be NULL
- unbounded [out]: 1 where F has no bound, so that w is a direction; else 0

Errors: as blo_optimistic_f64. Since 0.1."""),
    "blo_cycle_create_f64": (blo_status, [
        ("rows", c_int64),
        ("n", c_int64),
        ("x", c_void_p),
        ("x_stride", c_int64),
        ("y", c_void_p),
        ("start", c_void_p),
        ("projection", c_int32),
        ("alpha", c_double),
        ("steps", c_int64),
        ("cycle", c_void_p),
    ], """Makes a cycle.

- rows [in], n [in]: the number of inner problems and the length of w, 1 or above
- x [in, rows x n], x_stride [in]: the x_i, none of them 0, and the elements from row to row; 0: no gaps
- y [in, rows]: the y_i
- start [in, n]: w0
- projection [in]: one of BLO_PROJECTION_
- alpha [in], steps [in]: the step size, above 0 and below 2 / x_i'x_i, and the steps, 1 or above, of
  BLO_PROJECTION_PARTIAL_WARM; else not looked at
- cycle [out]: the handle, NULL after an error; end it with blo_cycle_destroy_f64

Errors: BLO_ERR_NULL; BLO_ERR_INVALID; BLO_ERR_NON_FINITE. Since 0.1."""),
    "blo_cycle_step_f64": (blo_status, [
        ("cycle", c_void_p),
        ("count", c_int64),
        ("w", c_void_p),
        ("n", c_int64),
        ("solved", c_void_p),
    ], """Solves the next inner problems. Allocates nothing.

- cycle [in]: the cycle
- count [in]: how many, 0 or above; as many as there are rows are a whole cycle
- w [out, n], n [in]: w after them, and its length, the cycle's; w may be NULL
- solved [out]: how many were solved so far; may be NULL

Errors: BLO_ERR_NULL; BLO_ERR_INVALID for count; BLO_ERR_SHAPE; BLO_ERR_BUSY. Since 0.1."""),
    "blo_cycle_destroy_f64": (None, [
        ("cycle", c_void_p),
    ], """Ends a cycle and sets *cycle to NULL.

- cycle [in, out]: the place of the handle; NULL, or a place that holds NULL, is fine

Leaves the message of blo_last_error alone. Since 0.1."""),
    "blo_problem_create_quadratic_f32": (blo_status, [
        ("terms", POINTER(blo_quadratics_f32)),
        ("problem", c_void_p),
    ], """As blo_problem_create_quadratic_f64, in single precision."""),
    "blo_problem_create_regression_f32": (blo_status, [
        ("inner", POINTER(blo_examples_f32)),
        ("outer", POINTER(blo_examples_f32)),
        ("options", POINTER(blo_regression_options)),
        ("problem", c_void_p),
    ], """As blo_problem_create_regression_f64, in single precision."""),
    "blo_problem_sizes_f32": (blo_status, [
        ("problem", c_void_p),
        ("n_outer", c_void_p),
        ("n_inner", c_void_p),
        ("n_examples", c_void_p),
    ], """As blo_problem_sizes_f64, in single precision."""),
    "blo_problem_destroy_f32": (None, [
        ("problem", c_void_p),
    ], """As blo_problem_destroy_f64, in single precision."""),
    "blo_problem_create_network_f32": (blo_status, [
        ("n_widths", c_int64),
        ("widths", c_void_p),
        ("inner", POINTER(blo_examples_f32)),
        ("outer", POINTER(blo_examples_f32)),
        ("options", POINTER(blo_network_options)),
        ("problem", c_void_p),
    ], """As blo_problem_create_network_f64, in single precision."""),
    "blo_network_initial_f32": (blo_status, [
        ("problem", c_void_p),
        ("init", c_int32),
        ("seed", c_uint64),
        ("w", c_void_p),
        ("n_inner", c_int64),
    ], """As blo_network_initial_f64, in single precision."""),
    "blo_network_predict_f32": (blo_status, [
        ("problem", c_void_p),
        ("w", c_void_p),
        ("n_inner", c_int64),
        ("x", c_void_p),
        ("rows", c_int64),
        ("x_stride", c_int64),
        ("out", c_void_p),
    ], """As blo_network_predict_f64, in single precision."""),
    "blo_problem_create_callbacks_f32": (blo_status, [
        ("n_outer", c_int64),
        ("n_inner", c_int64),
        ("callbacks", POINTER(blo_callbacks_f32)),
        ("user_data", c_void_p),
        ("problem", c_void_p),
    ], """As blo_problem_create_callbacks_f64, in single precision."""),
    "blo_problem_on_device_f32": (blo_status, [
        ("problem", c_void_p),
        ("device", c_void_p),
        ("on_device", c_void_p),
    ], """As blo_problem_on_device_f64, in single precision."""),
    "blo_optimizer_create_f32": (blo_status, [
        ("rule", POINTER(blo_rule)),
        ("n", c_int64),
        ("optimizer", c_void_p),
    ], """As blo_optimizer_create_f64, in single precision."""),
    "blo_optimizer_step_f32": (blo_status, [
        ("optimizer", c_void_p),
        ("gradient", c_void_p),
        ("x", c_void_p),
        ("n", c_int64),
    ], """As blo_optimizer_step_f64, in single precision."""),
    "blo_optimizer_restart_f32": (blo_status, [
        ("optimizer", c_void_p),
    ], """As blo_optimizer_restart_f64, in single precision."""),
    "blo_optimizer_destroy_f32": (None, [
        ("optimizer", c_void_p),
    ], """As blo_optimizer_destroy_f64, in single precision."""),
    "blo_lbfgsb_create_f32": (blo_status, [
        ("x", c_void_p),
        ("n", c_int64),
        ("lower", c_void_p),
        ("upper", c_void_p),
        ("memory", c_int64),
        ("tolerance", c_double),
        ("lbfgsb", c_void_p),
    ], """As blo_lbfgsb_create_f64, in single precision."""),
    "blo_lbfgsb_trial_f32": (blo_status, [
        ("lbfgsb", c_void_p),
        ("trial", c_void_p),
        ("n", c_int64),
    ], """As blo_lbfgsb_trial_f64, in single precision."""),
    "blo_lbfgsb_tell_f32": (blo_status, [
        ("lbfgsb", c_void_p),
        ("value", c_double),
        ("gradient", c_void_p),
        ("n", c_int64),
        ("next", c_void_p),
    ], """As blo_lbfgsb_tell_f64, in single precision."""),
    "blo_lbfgsb_state_f32": (blo_status, [
        ("lbfgsb", c_void_p),
        ("x", c_void_p),
        ("n", c_int64),
        ("value", c_void_p),
    ], """As blo_lbfgsb_state_f64, in single precision."""),
    "blo_lbfgsb_destroy_f32": (None, [
        ("lbfgsb", c_void_p),
    ], """As blo_lbfgsb_destroy_f64, in single precision."""),
    "blo_workspace_create_f32": (blo_status, [
        ("problem", c_void_p),
        ("workspace", c_void_p),
    ], """As blo_workspace_create_f64, in single precision."""),
    "blo_workspace_reserve_f32": (blo_status, [
        ("workspace", c_void_p),
        ("estimator", POINTER(blo_estimator_options)),
        ("bytes", c_void_p),
    ], """As blo_workspace_reserve_f64, in single precision."""),
    "blo_workspace_destroy_f32": (None, [
        ("workspace", c_void_p),
    ], """As blo_workspace_destroy_f64, in single precision."""),
    "blo_hypergradient_f32": (blo_status, [
        ("workspace", c_void_p),
        ("estimator", POINTER(blo_estimator_options)),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
        ("hypergradient", c_void_p),
        ("q", c_void_p),
        ("report", POINTER(blo_report)),
    ], """As blo_hypergradient_f64, in single precision."""),
    "blo_inner_f32": (blo_status, [
        ("workspace", c_void_p),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
        ("value", c_void_p),
        ("gradient", c_void_p),
    ], """As blo_inner_f64, in single precision."""),
    "blo_outer_f32": (blo_status, [
        ("workspace", c_void_p),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
        ("value", c_void_p),
        ("gradient_u", c_void_p),
        ("gradient_w", c_void_p),
    ], """As blo_outer_f64, in single precision."""),
    "blo_fixpoint_f32": (blo_status, [
        ("workspace", c_void_p),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
    ], """As blo_fixpoint_f64, in single precision."""),
    "blo_linearize_f32": (blo_status, [
        ("workspace", c_void_p),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
    ], """As blo_linearize_f64, in single precision."""),
    "blo_hvp_f32": (blo_status, [
        ("workspace", c_void_p),
        ("v", c_void_p),
        ("n_inner", c_int64),
        ("out", c_void_p),
    ], """As blo_hvp_f64, in single precision."""),
    "blo_mixed_vjp_f32": (blo_status, [
        ("workspace", c_void_p),
        ("v", c_void_p),
        ("n_inner", c_int64),
        ("out", c_void_p),
    ], """As blo_mixed_vjp_f64, in single precision."""),
    "blo_mixed_jvp_f32": (blo_status, [
        ("workspace", c_void_p),
        ("du", c_void_p),
        ("n_outer", c_int64),
        ("out", c_void_p),
    ], """As blo_mixed_jvp_f64, in single precision."""),
    "blo_response_jvp_f32": (blo_status, [
        ("workspace", c_void_p),
        ("estimator", POINTER(blo_estimator_options)),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
        ("du", c_void_p),
        ("out", c_void_p),
        ("report", POINTER(blo_report)),
    ], """As blo_response_jvp_f64, in single precision."""),
    "blo_response_vjp_f32": (blo_status, [
        ("workspace", c_void_p),
        ("estimator", POINTER(blo_estimator_options)),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
        ("v", c_void_p),
        ("out", c_void_p),
        ("report", POINTER(blo_report)),
    ], """As blo_response_vjp_f64, in single precision."""),
    "blo_influence_f32": (blo_status, [
        ("workspace", c_void_p),
        ("estimator", POINTER(blo_estimator_options)),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
        ("scores", c_void_p),
        ("n_examples", c_int64),
        ("report", POINTER(blo_report)),
    ], """As blo_influence_f64, in single precision."""),
    "blo_inner_batch_f32": (blo_status, [
        ("workspace", c_void_p),
        ("batch", c_void_p),
        ("size", c_int64),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
        ("value", c_void_p),
        ("gradient", c_void_p),
    ], """As blo_inner_batch_f64, in single precision."""),
    "blo_solver_create_f32": (blo_status, [
        ("n", c_int64),
        ("estimator", POINTER(blo_estimator_options)),
        ("solver", c_void_p),
    ], """As blo_solver_create_f64, in single precision."""),
    "blo_solver_solve_f32": (blo_status, [
        ("solver", c_void_p),
        ("product", blo_operator_fn_f32),
        ("user_data", c_void_p),
        ("b", c_void_p),
        ("n", c_int64),
        ("q", c_void_p),
        ("report", POINTER(blo_report)),
    ], """As blo_solver_solve_f64, in single precision."""),
    "blo_solver_destroy_f32": (None, [
        ("solver", c_void_p),
    ], """As blo_solver_destroy_f64, in single precision."""),
    "blo_session_create_f32": (blo_status, [
        ("n", c_int64),
        ("estimator", POINTER(blo_estimator_options)),
        ("session", c_void_p),
    ], """As blo_session_create_f64, in single precision."""),
    "blo_session_start_f32": (blo_status, [
        ("session", c_void_p),
        ("b", c_void_p),
        ("n", c_int64),
    ], """As blo_session_start_f64, in single precision."""),
    "blo_session_step_f32": (blo_status, [
        ("session", c_void_p),
        ("answer", c_void_p),
        ("n", c_int64),
        ("request", c_void_p),
        ("vector", c_void_p),
        ("report", POINTER(blo_report)),
    ], """As blo_session_step_f64, in single precision."""),
    "blo_session_destroy_f32": (None, [
        ("session", c_void_p),
    ], """As blo_session_destroy_f64, in single precision."""),
    "blo_solver_solve_many_f32": (blo_status, [
        ("solver", c_void_p),
        ("product", blo_operator_fn_f32),
        ("user_data", c_void_p),
        ("count", c_int64),
        ("b", c_void_p),
        ("n", c_int64),
        ("q", c_void_p),
        ("report", POINTER(blo_report)),
    ], """As blo_solver_solve_many_f64, in single precision."""),
    "blo_solver_solve_family_f32": (blo_status, [
        ("solver", c_void_p),
        ("product", blo_operator_fn_f32),
        ("user_data", c_void_p),
        ("count", c_int64),
        ("estimator", POINTER(blo_estimator_options)),
        ("b", c_void_p),
        ("n", c_int64),
        ("q", c_void_p),
        ("report", POINTER(blo_report)),
    ], """As blo_solver_solve_family_f64, in single precision."""),
    "blo_solver_shifted_cg_f32": (blo_status, [
        ("solver", c_void_p),
        ("product", blo_operator_fn_f32),
        ("user_data", c_void_p),
        ("count", c_int64),
        ("epsilon", c_void_p),
        ("tolerance", c_double),
        ("max_products", c_int64),
        ("b", c_void_p),
        ("n", c_int64),
        ("q", c_void_p),
        ("report", POINTER(blo_report)),
    ], """As blo_solver_shifted_cg_f64, in single precision."""),
    "blo_runner_create_f32": (blo_status, [
        ("problem", c_void_p),
        ("options", POINTER(blo_run_options)),
        ("estimator", POINTER(blo_estimator_options)),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
        ("runner", c_void_p),
    ], """As blo_runner_create_f64, in single precision."""),
    "blo_runner_resume_f32": (blo_status, [
        ("problem", c_void_p),
        ("path", c_char_p),
        ("runner", c_void_p),
    ], """As blo_runner_resume_f64, in single precision."""),
    "blo_runner_save_f32": (blo_status, [
        ("runner", c_void_p),
        ("path", c_char_p),
    ], """As blo_runner_save_f64, in single precision."""),
    "blo_runner_reserve_f32": (blo_status, [
        ("runner", c_void_p),
        ("bytes", c_void_p),
    ], """As blo_runner_reserve_f64, in single precision."""),
    "blo_runner_run_f32": (blo_status, [
        ("runner", c_void_p),
        ("monitor", blo_monitor_fn_f32),
        ("user_data", c_void_p),
        ("trace_every", c_int64),
        ("trace", POINTER(blo_trace_row)),
        ("capacity", c_int64),
        ("outcome", POINTER(blo_outcome)),
    ], """As blo_runner_run_f64, in single precision."""),
    "blo_runner_state_f32": (blo_status, [
        ("runner", c_void_p),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
        ("steps", c_void_p),
    ], """As blo_runner_state_f64, in single precision."""),
    "blo_runner_best_f32": (blo_status, [
        ("runner", c_void_p),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
        ("outer_loss", c_void_p),
        ("step", c_void_p),
    ], """As blo_runner_best_f64, in single precision."""),
    "blo_runner_destroy_f32": (None, [
        ("runner", c_void_p),
    ], """As blo_runner_destroy_f64, in single precision."""),
    "blo_runner_step_f32": (blo_status, [
        ("runner", c_void_p),
        ("hypergradient", c_void_p),
        ("report", POINTER(blo_report)),
        ("diverged", c_void_p),
    ], """As blo_runner_step_f64, in single precision."""),
    "blo_runner_begin_step_f32": (blo_status, [
        ("runner", c_void_p),
        ("hypergradient", c_void_p),
        ("report", POINTER(blo_report)),
        ("diverged", c_void_p),
    ], """As blo_runner_begin_step_f64, in single precision."""),
    "blo_runner_end_step_f32": (blo_status, [
        ("runner", c_void_p),
        ("hypergradient", c_void_p),
        ("n_outer", c_int64),
        ("diverged", c_void_p),
    ], """As blo_runner_end_step_f64, in single precision."""),
    "blo_runner_set_f32": (blo_status, [
        ("runner", c_void_p),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
    ], """As blo_runner_set_f64, in single precision."""),
    "blo_examples_from_dlpack_f32": (blo_status, [
        ("design", c_void_p),
        ("targets", c_void_p),
        ("versioned", c_int32),
        ("examples", POINTER(blo_examples_f32)),
    ], """As blo_examples_from_dlpack_f64, in single precision."""),
    "blo_runner_tensor_f32": (blo_status, [
        ("runner", c_void_p),
        ("vector", c_int32),
        ("tensor", c_void_p),
    ], """As blo_runner_tensor_f64, in single precision."""),
    "blo_workspace_tensor_f32": (blo_status, [
        ("workspace", c_void_p),
        ("vector", c_int32),
        ("tensor", c_void_p),
    ], """As blo_workspace_tensor_f64, in single precision."""),
    "blo_hypergradient_dlpack_f32": (blo_status, [
        ("workspace", c_void_p),
        ("estimator", POINTER(blo_estimator_options)),
        ("u", c_void_p),
        ("w", c_void_p),
        ("hypergradient", c_void_p),
        ("q", c_void_p),
        ("versioned", c_int32),
        ("report", POINTER(blo_report)),
    ], """As blo_hypergradient_dlpack_f64, in single precision."""),
    "blo_check_derivatives_f32": (blo_status, [
        ("problem", c_void_p),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
        ("tolerance", c_double),
        ("seed", c_uint64),
        ("verdict", c_void_p),
        ("text", c_void_p),
        ("capacity", c_size_t),
        ("needed", c_void_p),
    ], """As blo_check_derivatives_f64, in single precision."""),
    "blo_equilibrium_residuals_f32": (blo_status, [
        ("problem", c_void_p),
        ("options", POINTER(blo_run_options)),
        ("estimator", POINTER(blo_estimator_options)),
        ("start", c_void_p),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
        ("fixpoint", c_void_p),
        ("outer", c_void_p),
    ], """As blo_equilibrium_residuals_f64, in single precision."""),
    "blo_retraining_gap_f32": (blo_status, [
        ("problem", c_void_p),
        ("options", POINTER(blo_run_options)),
        ("start", c_void_p),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
        ("run_loss", c_void_p),
        ("retrained_loss", c_void_p),
        ("retrained", c_void_p),
    ], """As blo_retraining_gap_f64, in single precision."""),
    "blo_spectrum_f32": (blo_status, [
        ("problem", c_void_p),
        ("estimator", POINTER(blo_estimator_options)),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("w", c_void_p),
        ("n_inner", c_int64),
        ("eigenvalues", c_void_p),
        ("shares", c_void_p),
        ("responses", c_void_p),
    ], """As blo_spectrum_f64, in single precision."""),
    "blo_project_f32": (blo_status, [
        ("n", c_int64),
        ("x", c_void_p),
        ("y", c_float),
        ("w", c_void_p),
    ], """As blo_project_f64, in single precision."""),
    "blo_optimistic_f32": (blo_status, [
        ("problem", c_void_p),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("start", c_void_p),
        ("n_inner", c_int64),
        ("w", c_void_p),
        ("outer_loss", c_void_p),
        ("unbounded", c_void_p),
    ], """As blo_optimistic_f64, in single precision."""),
    "blo_pessimistic_f32": (blo_status, [
        ("problem", c_void_p),
        ("u", c_void_p),
        ("n_outer", c_int64),
        ("start", c_void_p),
        ("n_inner", c_int64),
        ("w", c_void_p),
        ("outer_loss", c_void_p),
        ("unbounded", c_void_p),
    ], """As blo_pessimistic_f64, in single precision."""),
    "blo_cycle_create_f32": (blo_status, [
        ("rows", c_int64),
        ("n", c_int64),
        ("x", c_void_p),
        ("x_stride", c_int64),
        ("y", c_void_p),
        ("start", c_void_p),
        ("projection", c_int32),
        ("alpha", c_double),
        ("steps", c_int64),
        ("cycle", c_void_p),
    ], """As blo_cycle_create_f64, in single precision."""),
    "blo_cycle_step_f32": (blo_status, [
        ("cycle", c_void_p),
        ("count", c_int64),
        ("w", c_void_p),
        ("n", c_int64),
        ("solved", c_void_p),
    ], """As blo_cycle_step_f64, in single precision."""),
    "blo_cycle_destroy_f32": (None, [
        ("cycle", c_void_p),
    ], """As blo_cycle_destroy_f64, in single precision."""),
}


def declare(library: ctypes.CDLL) -> None:
    """Gives every function of a loaded library its types; AttributeError for one that it lacks."""
    for name, (result, parameters, manual) in FUNCTIONS.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = [kind for _, kind in parameters]
        function.__doc__ = manual
