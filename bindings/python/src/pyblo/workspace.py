"""Evaluations of one problem at points of the caller's."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy import empty, ndarray

from ._arrays import Array, given, pointer, taken
from ._handle import Handle
from ._library import plain
from .options import Estimator, Report, ReportBuffer, place
from .problem import Problem


class Workspace(Handle):
    """The scratch of evaluations of one problem, and what they are.

    u and w are arrays of the problem's dtype with its number of elements, in any shape; a gradient has the shape of what it
    is the gradient by. ``out`` is an array to write to instead of a new one. One call at a time may use a workspace.
    """

    def __init__(self, problem: Problem) -> None:
        self._api = problem._api
        super().__init__(self._api.workspace_destroy)
        self.problem = problem
        self.dtype = problem.dtype
        self._m, self._n = problem.n_outer, problem.n_inner
        self._invoke = problem._invoke
        self._hypergradient = self._api.hypergradient
        self._report = ReportBuffer()
        self._report_place = self._report.place
        plain(self._api.workspace_create, problem._handle, self._place)

    @property
    def report(self) -> Report:
        """How the last solve that succeeded went."""
        return self._report.read()

    def hypergradient(
        self, u: Array, w: Array, estimator: Estimator | None = None, *, out: ndarray | None = None, q: ndarray | None = None
    ) -> ndarray:
        """dF/du = (partial F / partial u) - M' q; writes q = r(H) (partial F / partial w) to ``q`` if that is given."""
        dtype = self.dtype
        u, u_at = given(u, dtype, "u", self._m)
        w, w_at = given(w, dtype, "w", self._n)
        if out is None:
            out = empty(u.shape, dtype)
            out_at = pointer(out)
        else:
            out_at = taken(out, self._m, dtype, "out")
        q_at = None if q is None else taken(q, self._n, dtype, "q")
        how = estimator._place if type(estimator) is Estimator else place(estimator, Estimator, "estimator")
        self._invoke(
            self._hypergradient, self._handle, how, u_at, u.size, w_at, w.size, out_at, q_at, self._report_place
        )
        return out

    def inner(self, u: Array, w: Array, *, gradient: ndarray | None = None) -> float:
        """f(u, w); writes its gradient by w to ``gradient`` if that is given."""
        value = ctypes.c_double()
        out = None if gradient is None else taken(gradient, self._n, self.dtype, "gradient")
        self._at(self._api.inner, u, w, ctypes.byref(value), out)
        return value.value

    def outer(
        self, u: Array, w: Array, *, gradient_u: ndarray | None = None, gradient_w: ndarray | None = None
    ) -> float:
        """F(u, w); writes its gradients by u and w to arrays that are given."""
        value = ctypes.c_double()
        out_u = None if gradient_u is None else taken(gradient_u, self._m, self.dtype, "gradient_u")
        out_w = None if gradient_w is None else taken(gradient_w, self._n, self.dtype, "gradient_w")
        self._at(self._api.outer, u, w, ctypes.byref(value), out_u, out_w)
        return value.value

    def fixpoint(self, u: Array, w: Array) -> ndarray:
        """The minimiser of f(u, .) nearest to w, in closed form. Quadratics and squared losses only."""
        u, u_at = given(u, self.dtype, "u", self._m)
        found = np.array(given(w, self.dtype, "w", self._n)[0])
        self._invoke(self._api.fixpoint, self._handle, u_at, u.size, pointer(found), found.size)
        return found

    def linearize(self, u: Array, w: Array) -> None:
        """Freezes H and M at (u, w) for the products with this workspace, until it evaluates anything else."""
        self._at(self._api.linearize, u, w)

    def hvp(self, v: Array, *, out: ndarray | None = None) -> ndarray:
        """H v at the last linearize."""
        return self._product(self._api.hvp, v, "v", self._n, self._n, out)

    def mixed_vjp(self, v: Array, *, out: ndarray | None = None) -> ndarray:
        """M' v at the last linearize."""
        return self._product(self._api.mixed_vjp, v, "v", self._n, self._m, out)

    def mixed_jvp(self, du: Array, *, out: ndarray | None = None) -> ndarray:
        """M du at the last linearize."""
        return self._product(self._api.mixed_jvp, du, "du", self._m, self._n, out)

    def response_jvp(
        self, u: Array, w: Array, du: Array, estimator: Estimator | None = None, *, out: ndarray | None = None
    ) -> ndarray:
        """J du, J = -r(H) M = dw/du: how the inner solution at (u, w) moves with u."""
        du, du_at = given(du, self.dtype, "du", self._m)
        return self._respond(self._api.response_jvp, u, w, du_at, self._n, estimator, out)

    def response_vjp(
        self, u: Array, w: Array, v: Array, estimator: Estimator | None = None, *, out: ndarray | None = None
    ) -> ndarray:
        """J' v = -M' r(H) v: the gradient by u of v'w*(u) at (u, w)."""
        v, v_at = given(v, self.dtype, "v", self._n)
        return self._respond(self._api.response_vjp, u, w, v_at, self._m, estimator, out)

    def influence(self, u: Array, w: Array, estimator: Estimator | None = None) -> ndarray:
        """The influence of each inner example on F: doubles; one above 0 raises the outer loss."""
        # One element at least, so that there is an address for problems without examples.
        scores = np.empty(max(self.problem.n_examples, 1))
        arguments = [pointer(scores), self.problem.n_examples, self._report_place]
        self._at(self._api.influence, u, w, *arguments, how=[place(estimator, Estimator, "estimator")])
        return scores

    def reserve(self, estimator: Estimator | None = None) -> int:
        """Allocates now all that hypergradients need; the bytes then held, without the problem's data."""
        held = ctypes.c_int64()
        how = place(estimator, Estimator, "estimator")
        plain(self._api.workspace_reserve, self._handle, how, ctypes.byref(held))
        return held.value

    def _at(self, function: Any, u: Array, w: Array, *rest: Any, how: Any = ()) -> None:
        u, u_at = given(u, self.dtype, "u", self._m)
        w, w_at = given(w, self.dtype, "w", self._n)
        self._invoke(function, self._handle, *how, u_at, u.size, w_at, w.size, *rest)

    def _product(self, function: Any, v: Array, name: str, length: int, size: int, out: ndarray | None) -> ndarray:
        v, v_at = given(v, self.dtype, name, length)
        result = empty(size, self.dtype) if out is None else out
        self._invoke(function, self._handle, v_at, v.size, taken(result, size, self.dtype, "out"))
        return result

    def _respond(
        self, function: Any, u: Array, w: Array, v_at: Any, size: int, estimator: Any, out: ndarray | None
    ) -> ndarray:
        result = empty(size, self.dtype) if out is None else out
        to = taken(result, size, self.dtype, "out")
        self._at(function, u, w, v_at, to, self._report_place, how=[place(estimator, Estimator, "estimator")])
        return result
