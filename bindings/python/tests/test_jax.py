"""JAX functions as problems, solutions as JAX functions. Needs jax; skipped, and said so, without."""

import numpy as np
import pytest
from common import Case

import pyblo

jax = pytest.importorskip("jax", reason="jax is not installed")
jax.config.update("jax_enable_x64", True)
jnp = jax.numpy
ravel_pytree = pytest.importorskip("jax.flatten_util").ravel_pytree
CG = pyblo.Estimator("cg", iterations=200)


def ridge(seed=0, n=12, d=5):
    """A tanh model with one penalty for each parameter, as trees."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((2 * n, d)), rng.standard_normal(2 * n)

    def predict(w, x):
        return jnp.tanh(x @ w["first"]) @ w["second"]

    def inner(u, w):
        penalty = sum(jnp.vdot(jnp.exp(u[name]), w[name] ** 2) for name in w)
        return 0.5 * jnp.mean((predict(w, x[:n]) - y[:n]) ** 2) + 0.5 * penalty

    def outer(u, w):
        return 0.5 * jnp.mean((predict(w, x[n:]) - y[n:]) ** 2) + 0.01 * jnp.vdot(u["second"], u["second"])

    w = {"first": rng.standard_normal((d, 3)) / 2, "second": rng.standard_normal(3) / 2}
    u = {name: jnp.zeros_like(value) - 0.5 for name, value in w.items()}
    return inner, outer, u, w


def test_the_hypergradient_of_a_jax_model_is_jax_s_own():
    inner, outer, u, w = ridge()
    flat_u, make_u = ravel_pytree(u)
    flat_w, make_w = ravel_pytree(w)

    def f(u, w):
        return inner(make_u(u), make_w(w))

    def big_f(u, w):
        return outer(make_u(u), make_w(w))

    problem = pyblo.jax.problem(inner, outer, u, w)
    assert problem.check_derivatives(flat_u, flat_w).verdict == "right"
    gradient, hessian = jax.jit(jax.grad(f, 1)), jax.jit(jax.hessian(f, 1))
    for _ in range(30):  # Newton's method
        flat_w = flat_w - jnp.linalg.solve(hessian(flat_u, flat_w), gradient(flat_u, flat_w))
    assert jnp.linalg.norm(gradient(flat_u, flat_w)) < 1e-12
    assert jnp.linalg.eigvalsh(hessian(flat_u, flat_w))[0] > 0

    by_u, by_w = jax.grad(big_f, (0, 1))(flat_u, flat_w)
    q = jnp.linalg.solve(hessian(flat_u, flat_w), by_w)
    expected = by_u - jax.jacobian(jax.grad(f, 1), 0)(flat_u, flat_w).T @ q
    with pyblo.Workspace(problem) as workspace:
        # JAX's arrays, through DLPack.
        found = workspace.hypergradient(flat_u, flat_w, CG)
        assert np.linalg.norm(found - expected) <= 1e-10 * np.linalg.norm(expected)

    # And through the solution as a JAX function: the chain rule adds up to the same.
    solution = pyblo.jax.solution(problem, CG, solve=lambda _: np.asarray(flat_w))
    gradient = jax.grad(lambda u: big_f(u, solution(u)))(flat_u)
    assert np.linalg.norm(gradient - expected) <= 1e-10 * np.linalg.norm(expected)


def test_a_solution_in_closed_form_under_grad_jit_and_vmap():
    case = Case(0, 6, 4, 10.0, m=3).in_range()
    solution = pyblo.jax.solution(case.problem())
    inverse = case.apply(lambda value: 1 / value if value else 0.0)
    u, v = jnp.array(case.u), jnp.array(case.f)
    assert np.allclose(solution(u), -inverse @ case.b @ case.u, rtol=0, atol=1e-12)
    gradient = jax.grad(lambda u: v @ solution(u))
    expected = -case.b.T @ inverse @ case.f
    for function in (gradient, jax.jit(gradient)):
        assert np.allclose(function(u), expected, rtol=0, atol=1e-11)
    batch = jnp.stack([u, 2 * u, -u])
    assert np.allclose(jax.vmap(solution)(batch)[1], 2 * solution(u), rtol=0, atol=1e-12)
    assert np.allclose(jax.vmap(gradient)(batch), expected, rtol=0, atol=1e-11)


def test_single_precision_stays_single():
    problem = pyblo.jax.problem(
        lambda u, w: 0.5 * jnp.vdot(w - u, w - u),
        lambda u, w: 0.5 * jnp.vdot(w - 1, w - 1),
        jnp.zeros(3, jnp.float32),
        jnp.zeros(3, jnp.float32),
    )
    u = jnp.array([0.5, 1.5, 2.0], jnp.float32)
    with pyblo.Workspace(problem) as workspace:
        found = workspace.hypergradient(u, u)
        assert found.dtype == np.float32 and np.allclose(found, u - 1, rtol=1e-6)
        with pytest.raises(pyblo.InvalidError, match="u: found dtype float64, expected float32"):
            workspace.hypergradient(jnp.zeros(3), u)


def test_an_exception_of_a_jax_function_comes_out():
    def broken(u, w):
        raise ZeroDivisionError("of the model")

    problem = pyblo.jax.problem(broken, broken, jnp.zeros(2), jnp.zeros(2))
    with pyblo.Workspace(problem) as workspace, pytest.raises(ZeroDivisionError, match="of the model"):
        workspace.inner(np.zeros(2), np.zeros(2))
