"""H q = b with an operator of the caller's, and first-order rules for loops of the caller's own."""

from __future__ import annotations

import ctypes
from typing import Any, Callable

import numpy as np
from numpy import ndarray

from ._arrays import Array, given, taken
from ._callbacks import call, operator
from ._errors import InvalidError
from ._handle import Handle
from ._library import api, plain, precision
from .options import Estimator, Report, ReportBuffer, Rule, choices, place


class _OfSize(Handle):
    """A handle for vectors of n elements."""

    def __init__(self, n: int, dtype: Any, noun: str) -> None:
        self.n, self.dtype = int(n), precision(dtype)
        self._api = api(self.dtype)
        super().__init__(getattr(self._api, f"{noun}_destroy"))


class Solver(_OfSize):
    """Solves H q = b approximately, for operators of n rows, with one estimator and its scratch."""

    def __init__(self, n: int, estimator: Estimator | None = None, *, dtype: Any = np.float64) -> None:
        super().__init__(n, dtype, "solver")
        self._report = ReportBuffer()
        plain(self._api.solver_create, self.n, place(estimator, Estimator, "estimator"), self._place)

    @property
    def report(self) -> Report:
        """How the last solve that succeeded went."""
        return self._report.read()

    def solve(self, product: Callable[[Any], Array], b: Array, *, out: ndarray | None = None) -> ndarray:
        """q = r(H) b; product(v) returns H v. The v that it sees is valid until it returns."""
        if not callable(product):
            raise InvalidError(f"product: found {type(product).__name__}, expected a function")
        b, b_at = given(b, self.dtype, "b", self.n)
        q = np.empty(self.n, self.dtype) if out is None else out
        q_at = taken(q, self.n, self.dtype, "out")
        function = operator(product, self.n, self.dtype)
        call(self._api.solver_solve, self._handle, function, None, b_at, b.size, q_at, self._report.place)
        return q


class Session(_OfSize):
    """A solve that asks for its products instead of calling for them, with the same bits.

    >>> session.start(b)
    >>> request, vector = session.step()
    >>> while request == "product":
    ...     request, vector = session.step(h @ vector)
    """

    def __init__(self, n: int, estimator: Estimator | None = None, *, dtype: Any = np.float64) -> None:
        super().__init__(n, dtype, "session")
        self._report = ReportBuffer()
        self._requests = {value: name for name, value in choices("BLO_REQUEST_").items()}
        plain(self._api.session_create, self.n, place(estimator, Estimator, "estimator"), self._place)

    @property
    def report(self) -> Report:
        """How the solve went, once it is done."""
        return self._report.read()

    def start(self, b: Array) -> None:
        """Begins a solve; one that is under way is given up."""
        b, b_at = given(b, self.dtype, "b", self.n)
        plain(self._api.session_start, self._handle, b_at, b.size)

    def step(self, answer: Array = None) -> tuple[str, ndarray]:
        """Gives the product last asked for: ("product", v), whose product is wanted next, or ("done", q)."""
        vector, request = np.empty(self.n, self.dtype), ctypes.c_int32()
        answer_at = None
        if answer is not None:
            answer, answer_at = given(answer, self.dtype, "answer", self.n)
        to = taken(vector, self.n, self.dtype, "vector")
        arguments = [answer_at, self.n, ctypes.byref(request), to, self._report.place]
        plain(self._api.session_step, self._handle, *arguments)
        return self._requests.get(request.value, str(request.value)), vector


class Optimizer(_OfSize):
    """A first-order rule with its buffers."""

    def __init__(self, rule: Rule, n: int, *, dtype: Any = np.float64) -> None:
        super().__init__(n, dtype, "optimizer")
        plain(self._api.optimizer_create, place(rule, Rule, "rule"), self.n, self._place)

    def step(self, gradient: Array, x: ndarray) -> None:
        """x, in place, moves along the gradient at x."""
        x_at = taken(x, self.n, self.dtype, "x")
        gradient, gradient_at = given(gradient, self.dtype, "gradient", self.n)
        plain(self._api.optimizer_step, self._handle, gradient_at, x_at, self.n)

    def restart(self) -> None:
        """Makes the buffers zero, as after creation."""
        plain(self._api.optimizer_restart, self._handle)
