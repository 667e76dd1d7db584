"""JAX: models as problems, and inner solutions as differentiable functions. Needs jax; the rest of pyblo does not."""

from __future__ import annotations

import threading
from typing import Any, Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from .options import Estimator
from .problem import Problem
from .workspace import Workspace


def problem(inner: Callable[..., Any], outer: Callable[..., Any], u: Any, w: Any) -> Problem:
    """A problem of two JAX functions f(u, w) and F(u, w) that return scalars; derivatives are JAX's.

    u and w are arrays or trees of arrays, of the shapes and the one dtype that the functions take; the problem's own u and w
    are their ``jax.flatten_util.ravel_pytree``. float64 needs JAX's ``jax_enable_x64``.
    """
    flat_u, make_u = ravel_pytree(u)
    flat_w, make_w = ravel_pytree(w)
    if flat_u.dtype != flat_w.dtype:
        raise ValueError(f"u and w: found dtypes {flat_u.dtype} and {flat_w.dtype}, expected one")

    def f(u: Any, w: Any) -> Any:
        return inner(make_u(u), make_w(w))

    def big_f(u: Any, w: Any) -> Any:
        return outer(make_u(u), make_w(w))

    gradient = jax.grad(f, argnums=1)
    functions = {
        "inner": jax.value_and_grad(f, argnums=1),
        "outer": jax.value_and_grad(big_f, argnums=(0, 1)),
        "hvp": lambda u, w, v: jax.jvp(lambda w: gradient(u, w), (w,), (v,))[1],
        "mixed_vjp": lambda u, w, v: jax.vjp(lambda u: gradient(u, w), u)[1](v)[0],
        "mixed_jvp": lambda u, w, du: jax.jvp(lambda u: gradient(u, w), (u,), (du,))[1],
    }
    compiled = {name: _on_arrays(jax.jit(function)) for name, function in functions.items()}
    flat = {name: _flat(function) if name == "outer" else function for name, function in compiled.items()}
    return Problem.callbacks(flat_u.size, flat_w.size, dtype=np.dtype(flat_u.dtype), **flat)


def _on_arrays(function: Callable[..., Any]) -> Callable[..., Any]:
    # Copies: JAX may keep what it is given longer than the call, and the library's arrays do not last.
    return lambda *arrays: jax.tree_util.tree_map(np.asarray, function(*(jnp.array(array) for array in arrays)))


def _flat(function: Callable[..., Any]) -> Callable[..., Any]:
    def outer(u: Any, w: Any) -> Any:
        value, (gradient_u, gradient_w) = function(u, w)
        return value, gradient_u, gradient_w

    return outer


def solution(
    problem: Problem, estimator: Estimator | None = None, solve: Callable[[Any], Any] | None = None
) -> Callable[[Any], Any]:
    """u -> w*(u) as a JAX function, whose derivative is J'v = -M' r(H) v of the estimator (``jax.custom_vjp``).

    ``solve(u)`` returns the inner solution as a NumPy array; without it the one nearest to zero is taken in closed form, for
    quadratics and squared losses. Works under ``jax.jit`` and ``jax.vmap``, through ``jax.pure_callback``.
    """
    workspace, lock = Workspace(problem), threading.Lock()
    dtype, n_inner = problem.dtype, problem.n_inner

    def solved(u: Any) -> Any:
        u = np.asarray(u)
        with lock:
            return solve(u) if solve is not None else workspace.fixpoint(u, np.zeros(n_inner, dtype))

    def pulled_back(u: Any, w: Any, v: Any) -> Any:
        with lock:
            out = workspace.response_vjp(np.asarray(u), np.asarray(w), np.asarray(v), estimator)
        return out.reshape(np.shape(u))

    @jax.custom_vjp
    def found(u: Any) -> Any:
        shape = jax.ShapeDtypeStruct((n_inner,), dtype)
        return jax.pure_callback(solved, shape, u, vmap_method="sequential")

    def forward(u: Any) -> Any:
        w = found(u)
        return w, (u, w)

    def backward(kept: Any, v: Any) -> Any:
        u, w = kept
        shape = jax.ShapeDtypeStruct(u.shape, dtype)
        return (jax.pure_callback(pulled_back, shape, u, w, v, vmap_method="sequential"),)

    found.defvjp(forward, backward)
    return found
