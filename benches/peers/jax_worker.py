"""JAX's side of compare.py: the same requests, arrays and answers as blo_worker.rs.

Whatever is fixed between repetitions is made outside of the time: compilation, the linearization where the workload does not
include it (`jax.linearize` under jit, whose residuals are arguments of the compiled loop and not constants in it), and the tree
of parameters. Each repetition is one compiled call up to `block_until_ready`; state that a call replaces is donated.
"""

import json
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

# On CPU a call that may return early costs a switch of threads.
jax.config.update("jax_cpu_enable_async_dispatch", False)


class Request:
    def __init__(self, fields):
        self.fields = fields
        self.dtype = {"f32": np.float32, "f64": np.float64}[fields["dtype"]]
        if self.dtype == np.float64:
            jax.config.update("jax_enable_x64", True)

    def __getitem__(self, key):
        return self.fields[key]

    def array(self, name, columns=None):
        values = np.fromfile(f"{self['folder']}/{name}.bin", self.dtype)
        return jnp.asarray(values if columns is None else values.reshape(-1, columns))

    def time(self, operation):
        """The seconds of each repetition, and the result of the last."""
        result = jax.block_until_ready(operation())
        seconds = []
        for _ in range(self["repeat"]):
            start = time.perf_counter()
            result = jax.block_until_ready(operation())
            seconds.append(time.perf_counter() - start)
        return seconds, result

    def tree(self, flat):
        """A vector in w-space as a list of (W, b), W being o x i as in blo: up to twice as fast here as i x o."""
        layers, start = [], 0
        for i, o in zip(self["widths"], self["widths"][1:]):
            weights = flat[start : start + i * o].reshape(o, i)
            start += i * o
            layers.append((weights, flat[start : start + o]))
            start += o
        return layers


def flatten(result):
    return np.concatenate([np.asarray(leaf).ravel() for leaf in jax.tree.leaves(result)])


def axpy(alpha, x, y):
    return jax.tree.map(lambda x, y: alpha * x + y, x, y)


class Network:
    """The mean cross-entropy of a network with ReLUs."""

    def __init__(self, request):
        self.columns, classes = request["widths"][0], request["widths"][-1]
        self.weighted = request["outer_parameters"] == "weights"
        self.x = request.array("x", self.columns) if self.weighted else None
        self.targets = request.array("targets", classes)
        self.outer_data = request.array("outer_x", self.columns), request.array("outer_targets", classes)
        self.u = request.array("u", None if self.weighted else self.columns)
        self.w, self.v = request.tree(request.array("w")), request.tree(request.array("v"))

    @staticmethod
    def losses(w, x, targets):
        for weights, bias in w[:-1]:
            x = jax.nn.relu(x @ weights.T + bias)
        weights, bias = w[-1]
        return -jnp.sum(targets * jax.nn.log_softmax(x @ weights.T + bias), axis=1)

    def inner(self, u, w):
        if self.weighted:
            return jnp.mean(jax.nn.sigmoid(u) * self.losses(w, self.x, self.targets))
        return jnp.mean(self.losses(w, u, self.targets))

    def outer(self, w):
        return jnp.mean(self.losses(w, *self.outer_data))

    def gradient(self, u, w):
        return jax.grad(self.inner, argnums=1)(u, w)

    def linearize(self):
        """v -> H v at (u, w), as a tree that can be an argument."""
        return jax.jit(lambda u, w: jax.linearize(lambda w: self.gradient(u, w), w)[1])(self.u, self.w)


def series(product, terms, alpha, b):
    """alpha sum over j = 0..terms of (1 - alpha H)^j b."""

    def step(state, _):
        p, q = state
        return (axpy(-alpha, product(p), p), axpy(1, p, q)), None

    p = jax.tree.map(lambda b: alpha * b, b)
    start = p, jax.tree.map(jnp.zeros_like, p)
    # Five steps unrolled: a fifth to a quarter faster than the plain loop for the small networks, and than 20.
    (p, q), _ = jax.lax.scan(step, start, None, length=terms, unroll=5)
    return axpy(1, p, q)


def hvp(request):
    network = Network(request)
    compiled = jax.jit(lambda product, v: product(v))
    product = network.linearize()
    return lambda: compiled(product, network.v)


def linearize_and_hvp(request):
    network = Network(request)
    compiled = jax.jit(lambda u, w, v: jax.jvp(lambda w: network.gradient(u, w), (w,), (v,))[1])
    return lambda: compiled(network.u, network.w, network.v)


def gradient(request):
    network = Network(request)
    compiled = jax.jit(jax.value_and_grad(network.inner, argnums=1))
    return lambda: compiled(network.u, network.w)


def neumann(request):
    network = Network(request)
    compiled = jax.jit(lambda product, b: series(product, request["terms"], request["alpha"], b))
    product = network.linearize()
    return lambda: compiled(product, network.v)


def warm_step(request):
    network = Network(request)
    alpha, beta = request["alpha"], request["beta"]

    def step(state):
        u, w, m, v, t = state
        look_ahead = axpy(-alpha, network.gradient(u, w), w)
        outer = jax.grad(network.outer)(look_ahead)
        # M'g as the gradient in u of f's derivative along g: one pass back through one pass forward.
        along = lambda u: jax.jvp(lambda w: network.inner(u, w), (w,), (outer,))[1]
        g = -alpha * jax.grad(along)(u)
        t = t + 1
        m = 0.9 * m + (1 - 0.9) * g
        v = 0.999 * v + (1 - 0.999) * g * g
        u = u - beta * (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8)
        return u, axpy(-alpha, network.gradient(u, w), w), m, v, t

    compiled = jax.jit(step, donate_argnums=0)
    u = network.u
    # Copies: what is donated must not be part of the cache.
    start = jax.tree.map(np.asarray, (u, network.w, jnp.zeros_like(u), jnp.zeros_like(u), jnp.zeros((), u.dtype)))
    state = None

    def reset():
        nonlocal state
        state = jax.tree.map(lambda x: jnp.array(x, copy=True), start)

    def operation():
        nonlocal state
        state = compiled(state)
        return state

    operation.reset = reset
    operation.result = lambda state: state[:2]
    return operation


def quadratic(request):
    u, w = request.array("u"), request.array("w")
    m, n = len(u), len(w)
    names = [("a", n), ("b", m), ("c", m), ("d", None), ("e", None), ("p", n), ("f", None)]
    terms = {name: request.array(name, columns) for name, columns in names}

    @jax.jit
    def hypergradient(terms, u, w):
        def inner(u, w):
            by_u = 0.5 * u @ terms["c"] @ u + terms["e"] @ u
            return 0.5 * w @ terms["a"] @ w + w @ terms["b"] @ u + by_u + terms["d"] @ w

        gradient = jax.grad(inner, argnums=1)
        product = jax.linearize(lambda w: gradient(u, w), w)[1]
        value, b = jax.value_and_grad(lambda w: 0.5 * w @ terms["p"] @ w + terms["f"] @ w)(w)
        q = series(product, request["terms"], request["alpha"], b)
        return value, -jax.vjp(lambda u: gradient(u, w), u)[1](q)[0]

    operation = lambda: hypergradient(terms, u, w)
    operation.result = lambda result: result[1]
    return operation


def product(request):
    a, b = request.array("a", request["size"]), request.array("b", request["size"])
    compiled = jax.jit(jnp.matmul)
    return lambda: compiled(a, b)


OPERATIONS = {
    "hvp": hvp,
    "linearize and hvp": linearize_and_hvp,
    "gradient": gradient,
    "neumann": neumann,
    "warm step": warm_step,
    "quadratic": quadratic,
    "product": product,
}


def main():
    prepared = {}
    for line in sys.stdin:
        try:
            request = Request(json.loads(line))
            key = request["workload"], request["dtype"]
            if key not in prepared:
                prepared[key] = OPERATIONS[request["operation"]](request)
            operation = prepared[key]
            getattr(operation, "reset", lambda: None)()
            seconds, result = request.time(operation)
            flatten(getattr(operation, "result", lambda result: result)(result)).tofile(request["result"])
            answer = {"seconds": seconds, "version": jax.__version__}
        except Exception as error:  # compare.py reports it.
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


main()
