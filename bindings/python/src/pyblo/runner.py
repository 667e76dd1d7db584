"""Whole cold- and warm-start loops."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from typing import Any, Callable, NamedTuple

import numpy as np
from numpy import ndarray

from . import _abi
from ._arrays import Array, given, pointer, taken
from ._callbacks import call, idle, kept
from ._errors import InvalidError
from ._handle import Handle
from ._library import c_type, plain
from .options import Estimator, Report, ReportBuffer, RunOptions, place, read_fields
from .problem import Problem

#: One row of a trace, as NumPy sees it; the fields are those of blo_trace_row.
TRACE = np.dtype([(name, "i8" if name == "step" else "f8") for name, *_ in _abi.blo_trace_row._fields_])


class Outcome(NamedTuple):
    """How a run went; see blo_outcome. ``trace`` has the fields of blo_trace_row."""

    ending: str
    steps: int
    inner_steps: int
    products: int
    doubtful_solves: int
    trace_rows: int
    outer_loss: float
    norm_hypergradient: float
    trace: ndarray


class Best(NamedTuple):
    """The point of the smallest F so far."""

    u: ndarray
    w: ndarray
    outer_loss: float
    step: int


class Progress:
    """What a monitor sees after each hypergradient, before u moves. Valid until the monitor returns; arrays are copies."""

    __slots__ = ("_at", "_element")

    def __init__(self, element: Any) -> None:
        self._at: Any = None
        self._element = element

    def _field(self, name: str) -> Any:
        if self._at is None:
            raise InvalidError(f"{name}: the monitor has returned; read what you keep before")
        return getattr(self._at, name)

    def _array(self, name: str, size: str) -> ndarray:
        address = self._field(name)
        kind = self._element * getattr(self._at, size)
        return np.array(kind.from_address(address))

    @property
    def step(self) -> int:
        """The outer steps made before."""
        return self._field("step")

    @property
    def outer_loss(self) -> float:
        """F(u, w)."""
        return self._field("outer_loss")

    @property
    def norm_hypergradient(self) -> float:
        """|hypergradient|."""
        return self._field("norm_hypergradient")

    @property
    def u(self) -> ndarray:
        """u."""
        return self._array("u", "n_outer")

    @property
    def w(self) -> ndarray:
        """The w at which the hypergradient was taken."""
        return self._array("w", "n_inner")

    @property
    def hypergradient(self) -> ndarray:
        """dF/du, as estimated."""
        return self._array("hypergradient", "n_outer")


class Runner(Handle):
    """A bilevel loop with its state: solve the inner problem for w, take the hypergradient at (u, w), move u, and again."""

    def __init__(
        self,
        problem: Problem,
        u: Array,
        w: Array,
        options: RunOptions | None = None,
        estimator: Estimator | None = None,
    ) -> None:
        self._prepare(problem)
        u, u_at = given(u, problem.dtype, "u", problem.n_outer)
        w, w_at = given(w, problem.dtype, "w", problem.n_inner)
        self._outer_steps: int | None = (options or RunOptions()).outer_steps
        how = [place(options, RunOptions, "options"), place(estimator, Estimator, "estimator")]
        arguments = [*how, u_at, u.size, w_at, w.size, self._place]
        plain(self._api.runner_create, problem._handle, *arguments)

    def _prepare(self, problem: Problem) -> None:
        self._api = problem._api
        super().__init__(self._api.runner_destroy)
        self.problem, self.dtype = problem, problem.dtype
        self._invoke = problem._invoke
        self._report = ReportBuffer()
        self._diverged = ctypes.c_int32()
        self._diverged_place = ctypes.byref(self._diverged)

    @classmethod
    def resume(cls, problem: Problem, path: str | os.PathLike[str]) -> Runner:
        """Goes on with a run that ``save`` wrote: on the same build and machine with the same bits."""
        runner = cls.__new__(cls)
        runner._prepare(problem)
        runner._outer_steps = None
        plain(runner._api.runner_resume, problem._handle, os.fspath(path).encode(), runner._place)
        return runner

    def save(self, path: str | os.PathLike[str]) -> None:
        """Saves the whole run, without the problem."""
        plain(self._api.runner_save, self._handle, os.fspath(path).encode())

    def reserve(self) -> int:
        """Allocates now all that the run needs; the bytes then held, without the problem's data."""
        held = ctypes.c_int64()
        plain(self._api.runner_reserve, self._handle, ctypes.byref(held))
        return held.value

    def run(
        self,
        monitor: Callable[[Progress], Any] | None = None,
        *,
        trace_every: int = 0,
        capacity: int | None = None,
        progress: bool = False,
    ) -> Outcome:
        """Runs to the end. ``monitor`` sees each step and returns False to stop.

        A trace row is kept every ``trace_every`` steps and at the end, ``capacity`` of them at most (None: all that the
        options allow). ``progress`` draws a line on stderr, if that is a terminal. Divergence is no error: see ``ending``.
        """
        if capacity is None:
            if trace_every and self._outer_steps is None:
                raise InvalidError("capacity: found None, expected a number for a resumed run with a trace")
            capacity = (self._outer_steps or 0) // trace_every + 2 if trace_every else 0
        trace: Any = np.zeros(capacity, TRACE)
        outcome = _abi.blo_outcome(struct_size=ctypes.sizeof(_abi.blo_outcome))
        bar = _Bar(self._outer_steps) if progress and sys.stderr.isatty() else None
        rows = (_abi.blo_trace_row * capacity).from_buffer(trace) if capacity else None
        arguments = [self._watch(monitor, bar), None, trace_every, rows, capacity, ctypes.byref(outcome)]
        try:
            call(self._api.runner_run, self._handle, *arguments)
        finally:
            if bar is not None:
                bar.close()
        counted = read_fields(outcome, Outcome._fields[:-1], "BLO_RUN_")
        return Outcome._make([*counted, trace[: outcome.trace_rows]])

    def _watch(self, monitor: Any, bar: Any) -> Any:
        """The library's monitor. Without any, one that does nothing lets an interrupt stop a run of the main thread."""
        kind = self._api.monitor_fn
        if monitor is None and bar is None:
            main = threading.current_thread() is threading.main_thread()
            return idle(kind) if main else kind()
        if monitor is not None and not callable(monitor):
            raise InvalidError(f"monitor: found {type(monitor).__name__}, expected a function")
        seen = Progress(c_type(self.dtype))

        def body(at: Any, _data: Any) -> int:
            seen._at = at.contents
            try:
                if bar is not None:
                    bar.draw(seen)
                return 1 if monitor is not None and monitor(seen) is False else 0
            finally:
                seen._at = None

        return kept(body, kind)

    def step(self, *, out: ndarray | None = None) -> bool:
        """One outer step; writes its hypergradient to ``out`` if that is given. False if something diverged: u stayed."""
        at = None if out is None else taken(out, self.problem.n_outer, self.dtype, "out")
        self._invoke(self._api.runner_step, self._handle, at, self._report.place, self._diverged_place)
        return not self._diverged.value

    @property
    def report(self) -> Report:
        """How the solve of the last ``step`` went."""
        return self._report.read()

    @property
    def u(self) -> ndarray:
        """The outer parameters now."""
        u = np.empty(self.problem.n_outer, self.dtype)
        self._state(pointer(u), None, None)
        return u

    @property
    def w(self) -> ndarray:
        """The inner parameters now."""
        w = np.empty(self.problem.n_inner, self.dtype)
        self._state(None, pointer(w), None)
        return w

    @property
    def steps(self) -> int:
        """The outer steps made."""
        steps = ctypes.c_int64()
        self._state(None, None, ctypes.byref(steps))
        return steps.value

    def _state(self, u: Any, w: Any, steps: Any) -> None:
        plain(self._api.runner_state, self._handle, u, self.problem.n_outer, w, self.problem.n_inner, steps)

    def best(self) -> Best:
        """The point of the smallest F so far, with ``keep_best``."""
        u, w = np.empty(self.problem.n_outer, self.dtype), np.empty(self.problem.n_inner, self.dtype)
        loss, step = ctypes.c_double(), ctypes.c_int64()
        at = [pointer(u), u.size, pointer(w), w.size, ctypes.byref(loss), ctypes.byref(step)]
        plain(self._api.runner_best, self._handle, *at)
        return Best(u, w, loss.value, step.value)


class _Bar:
    """One line of a terminal, drawn ten times a second at most."""

    def __init__(self, total: int | None) -> None:
        self._total = "" if total is None else f" of {total}"
        self._next = 0.0

    def draw(self, seen: Progress) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + 0.1
            sys.stderr.write(f"\r\x1b[Kouter step {seen.step}{self._total}, outer loss {seen.outer_loss:.3e}")
            sys.stderr.flush()

    def close(self) -> None:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
