"""Python functions that the library calls. What leaves one is kept, the library stops, and the call that ran it raises it."""

from __future__ import annotations

import ctypes
import sys
import threading
from types import CodeType
from typing import Any, Callable

from . import _errors
from ._arrays import answer, views
from ._library import LIBRARY, api

#: The exception that left a callback of this thread, until the call that ran it has returned.
_thrown = threading.local()
_main = threading.main_thread()


def kept(body: Callable[..., int], kind: Any) -> Any:
    """A C function of this kind from a Python function that returns 0 to go on."""

    def trampoline(*arguments: Any) -> int:
        try:
            # After an exception nothing more is run.
            return -1 if hasattr(_thrown, "error") else body(*arguments)
        except BaseException as error:
            _thrown.error = error
            return -1

    return kind(trampoline)


def _idle(_progress: Any, _data: Any) -> int:
    return -1 if hasattr(_thrown, "error") else 0


# Without the pointer to a struct, which would be made anew at each step.
_IDLE = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)(_idle)


def idle(kind: Any) -> Any:
    """A monitor that does nothing but let Python see a signal."""
    return ctypes.cast(_IDLE, kind)


_TRAMPOLINES = {code for code in kept.__code__.co_consts if isinstance(code, CodeType)} | {_idle.__code__}


def call(function: Any, *arguments: Any) -> None:
    """Calls a function that returns a status and may run callbacks; raises what left one of them."""
    # Python runs the handler of a signal that arrived in the library when the next callback is entered, before its try
    # begins. What the handler raises there, such as KeyboardInterrupt, would be printed and lost.
    main = threading.current_thread() is _main
    if main:
        previous = sys.unraisablehook

        def unraisable(lost: Any) -> None:
            trace = lost.exc_traceback
            if trace is not None and trace.tb_frame.f_code in _TRAMPOLINES:
                _thrown.error = lost.exc_value
            else:
                previous(lost)

        sys.unraisablehook = unraisable
    try:
        status = function(*arguments)
    finally:
        if main:
            sys.unraisablehook = previous
        error = _thrown.__dict__.pop("error", None)
    if error is not None:
        try:
            raise error
        finally:
            del error  # a cycle, with its traceback
    if status:
        raise _errors.error(LIBRARY, status)


def problem_table(n_outer: int, n_inner: int, dtype: Any, functions: dict[str, Any]) -> Any:
    """The struct of functions of a callback problem."""
    outer, inner = views(n_outer, dtype, False), views(n_inner, dtype, False)
    to_outer, to_inner = views(n_outer, dtype, True), views(n_inner, dtype, True)
    kinds = api(dtype)
    double = ctypes.c_double.from_address

    def objective(name: str, outputs: list[Callable[[int], Any]]) -> Any:
        function = functions[name]
        expected = "(value, gradient)" if len(outputs) == 1 else "(value, gradient_u, gradient_w)"

        def body(_m: int, _n: int, u: int, w: int, value: int, *rest: int) -> int:
            found = function(outer(u), inner(w))
            if not isinstance(found, tuple) or len(found) != 1 + len(outputs):
                raise _errors.InvalidError(f"what {name} returned: found {type(found).__name__}, expected {expected}")
            double(value).value = float(found[0])
            for gradient, output, address in zip(found[1:], outputs, rest):
                answer(gradient, output(address), name)
            return 0

        return body

    def product(name: str, source: Callable[[int], Any], target: Callable[[int], Any]) -> Any:
        function = functions[name]

        def body(_m: int, _n: int, u: int, w: int, v: int, out: int, _data: Any) -> int:
            answer(function(outer(u), inner(w), source(v)), target(out), name)
            return 0

        return body

    table = kinds.callbacks()
    table.struct_size = ctypes.sizeof(table)
    if functions["inner"] is not None:
        table.inner = kept(objective("inner", [to_inner]), kinds.inner_fn)
    if functions["outer"] is not None:
        table.outer = kept(objective("outer", [to_outer, to_inner]), kinds.outer_fn)
    spaces = {"hvp": (inner, to_inner), "mixed_vjp": (inner, to_outer), "mixed_jvp": (outer, to_inner)}
    for name, (source, target) in spaces.items():
        if functions[name] is not None:
            setattr(table, name, kept(product(name, source, target), kinds.product_fn))
    return table


def operator(function: Callable[[Any], Any], n: int, dtype: Any) -> Any:
    """A C function for the products of an operator."""
    source, target = views(n, dtype, False), views(n, dtype, True)

    def body(_n: int, v: int, out: int, _data: Any) -> int:
        answer(function(source(v)), target(out), "product")
        return 0

    return kept(body, api(dtype).operator_fn)

