"""PyTorch: models as problems, and inner solutions as differentiable functions. Needs torch; the rest of pyblo does not."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np
import torch

from .options import Estimator
from .problem import Problem
from .workspace import Workspace


def problem(inner: Callable[..., Any], outer: Callable[..., Any], u: Any, w: Any) -> Problem:
    """A problem of two functions f(u, w) and F(u, w) of tensors that return scalars; derivatives are PyTorch's.

    u and w are CPU tensors of the shapes and the one dtype that the functions take; the problem's own u and w are flat.
    """
    shape_u, shape_w = u.shape, w.shape
    if u.dtype != w.dtype:
        raise ValueError(f"u and w: found dtypes {u.dtype} and {w.dtype}, expected one")

    def tensors(*arrays: Any) -> list[Any]:
        # Copies: the library's arrays do not last.
        shapes = [shape_u, shape_w]
        return [torch.tensor(array).reshape(shape).requires_grad_(True) for array, shape in zip(arrays, shapes)]

    def gradient(value: Any, by: Any, graph: bool = False) -> Any:
        found = torch.autograd.grad(value, by, create_graph=graph, allow_unused=True)[0]
        return torch.zeros_like(by) if found is None else found

    def numpy(tensor: Any) -> Any:
        return tensor.detach().numpy().ravel()

    def inner_gradient(u: Any, w: Any) -> tuple[float, Any]:
        u, w = tensors(u, w)
        value = inner(u, w)
        return value.item(), numpy(gradient(value, w))

    def outer_gradient(u: Any, w: Any) -> tuple[float, Any, Any]:
        u, w = tensors(u, w)
        value = outer(u, w)
        by_u, by_w = torch.autograd.grad(value, (u, w), allow_unused=True)
        zero_or = [torch.zeros_like(x) if g is None else g for x, g in ((u, by_u), (w, by_w))]
        return value.item(), numpy(zero_or[0]), numpy(zero_or[1])

    def product(by: int) -> Callable[..., Any]:
        def along(u: Any, w: Any, v: Any) -> Any:
            point = tensors(u, w)
            first = gradient(inner(*point), point[1], graph=True)
            slope = (first * torch.tensor(v).reshape(shape_w)).sum()
            if not slope.requires_grad:  # f is linear in w, and u has no part in its slope
                return np.zeros(point[by].numel(), v.dtype)
            return numpy(gradient(slope, point[by]))

        return along

    def graph(function: Callable[..., Any]) -> Callable[..., Any]:
        # A backward pass runs without graphs, and may run these.
        return torch.enable_grad()(function)

    size_u, size_w, dtype = u.numel(), w.numel(), u.detach().numpy().dtype
    functions = {"inner": inner_gradient, "outer": outer_gradient, "hvp": product(1), "mixed_vjp": product(0)}
    return Problem.callbacks(size_u, size_w, dtype=dtype, **{name: graph(of) for name, of in functions.items()})


class _Solution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Any, workspace: Workspace, estimator: Any, solve: Any) -> Any:
        flat = u.detach().numpy()
        if solve is not None:
            w = np.asarray(solve(flat))
        else:
            w = workspace.fixpoint(flat, np.zeros(workspace.problem.n_inner, workspace.dtype))
        w = torch.tensor(w)
        ctx.save_for_backward(u, w)
        ctx.workspace, ctx.estimator = workspace, estimator
        return w

    @staticmethod
    def backward(ctx: Any, v: Any) -> Any:
        u, w = ctx.saved_tensors
        arrays = [tensor.detach().contiguous().numpy() for tensor in (u, w, v)]
        out = ctx.workspace.response_vjp(*arrays, ctx.estimator)
        return torch.from_numpy(out).reshape(u.shape), None, None, None


def solution(
    problem: Problem, estimator: Estimator | None = None, solve: Callable[[Any], Any] | None = None
) -> Callable[[Any], Any]:
    """u -> w*(u) as a function of tensors, whose derivative is J'v = -M' r(H) v of the estimator
    (``torch.autograd.Function``).

    ``solve(u)`` returns the inner solution as a NumPy array; without it the one nearest to zero is taken in closed form, for
    quadratics and squared losses.
    """
    workspace = Workspace(problem)
    return lambda u: _Solution.apply(u, workspace, estimator, solve)
