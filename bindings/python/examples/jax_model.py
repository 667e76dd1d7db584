"""A JAX model as a pyblo problem: learned penalties of a tanh network, and the same hypergradient from JAX itself.

    python jax_model.py
"""

import jax

jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from jax.flatten_util import ravel_pytree  # noqa: E402

import pyblo  # noqa: E402

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.standard_normal((40, 6)), RANDOM.standard_normal(40)


def predict(w, x):
    return jnp.tanh(x @ w["hidden"] + w["bias"]) @ w["out"]


def inner(u, w):
    """The training loss, with one penalty exp(u) for each array of parameters."""
    penalty = sum(jnp.exp(u[name]) * jnp.vdot(w[name], w[name]) for name in w)
    return 0.5 * jnp.mean((predict(w, X[:20]) - Y[:20]) ** 2) + 0.5 * penalty


def outer(u, w):
    """The loss on other examples."""
    return 0.5 * jnp.mean((predict(w, X[20:]) - Y[20:]) ** 2)


def main():
    w = {"hidden": RANDOM.standard_normal((6, 4)) / 3, "bias": np.zeros(4), "out": RANDOM.standard_normal(4) / 2}
    u = {name: -1.0 for name in w}
    problem = pyblo.jax.problem(inner, outer, u, w)
    flat_u, make_u = ravel_pytree(u)
    flat_w, make_w = ravel_pytree(w)

    def f(u, w):
        return inner(make_u(u), make_w(w))

    # Newton's method finds the inner solution.
    gradient, hessian = jax.jit(jax.grad(f, 1)), jax.jit(jax.hessian(f, 1))
    for _ in range(30):
        flat_w -= jnp.linalg.solve(hessian(flat_u, flat_w), gradient(flat_u, flat_w))

    with pyblo.Workspace(problem) as workspace:
        found = workspace.hypergradient(flat_u, flat_w, pyblo.Estimator("cg", iterations=200))
        print("pyblo:", found, workspace.report)

    by_w = jax.grad(lambda w: outer(u, make_w(w)))(flat_w)
    q = jnp.linalg.solve(hessian(flat_u, flat_w), by_w)
    expected = -jax.jacobian(jax.grad(f, 1), 0)(flat_u, flat_w).T @ q
    error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    print("JAX:  ", expected, f"relative difference {error:.1e}")
    assert error <= 1e-10


if __name__ == "__main__":
    main()
