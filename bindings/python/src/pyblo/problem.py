"""Bilevel problems."""

from __future__ import annotations

import ctypes
import itertools
from typing import Any, Callable, NamedTuple, Sequence

import numpy as np
from numpy import ndarray

from . import _abi
from ._arrays import Array, dtype_of, given, pointer, read, shaped, taken
from ._callbacks import call, problem_table
from ._errors import InvalidError, ShapeError
from ._handle import Handle
from ._library import LIBRARY, api, plain, precision
from .options import choice, choices, fill


class Check(NamedTuple):
    """What check_derivatives found: "right", "wrong" or "open", and a table for people."""

    verdict: str
    text: str


class Problem(Handle):
    """A bilevel problem: u of ``n_outer`` and w of ``n_inner`` elements, float32 or float64. Immutable.

    Made by ``Problem.quadratic``, ``.regression``, ``.network`` and ``.callbacks``. What is made from a problem keeps what it
    needs of it, so that it may be closed before. Arrays are copied, unless ``copy=False`` lends them.
    """

    #: Inputs and outputs of a network.
    _widths: tuple[int, int] | None = None

    def __init__(self, dtype: Any, create: Callable[[Any, Any], None], functions: Any = None) -> None:
        self.dtype: np.dtype[Any] = precision(dtype)
        self._api = api(self.dtype)
        super().__init__(self._api.problem_destroy)
        create(self._api, self._place)
        # The library calls these as long as anything made from the problem is used.
        self._functions = functions
        self._invoke = plain if functions is None else call
        sizes = [ctypes.c_int64() for _ in range(3)]
        plain(self._api.problem_sizes, self._handle, *map(ctypes.byref, sizes))
        self.n_outer, self.n_inner, self.n_examples = (size.value for size in sizes)

    def __repr__(self) -> str:
        return f"<pyblo.Problem: n_outer {self.n_outer}, n_inner {self.n_inner}, {self.dtype}>"

    @classmethod
    def quadratic(
        cls,
        a: Array,
        b: Array,
        p: Array,
        *,
        c: Array = None,
        d: Array = None,
        e: Array = None,
        f: Array = None,
        constant: float = 0.0,
        outer_constant: float = 0.0,
        dtype: Any = None,
    ) -> Problem:
        """f(u, w) = w'A w / 2 + w'B u + u'C u / 2 + d'w + e'u + constant and F(u, w) = w'P w / 2 + f'w + outer_constant.

        a and p (n, n): symmetric, positive semidefinite; b (n, m); c (m, m), d (n), e (m), f (n): None is zero.
        """
        dtype = precision(dtype_of(a, b, p) if dtype is None else dtype)
        b = read(b, dtype, "b")
        if b.ndim != 2:
            raise ShapeError(f"b: found shape {b.shape}, expected (n, m)")
        n, m = b.shape
        shapes = {"a": (n, n), "b": (n, m), "c": (m, m), "d": (n,), "e": (m,), "p": (n, n), "f": (n,)}
        terms = api(dtype).quadratics(n_outer=m, n_inner=n, constant=constant, outer_constant=outer_constant)
        terms.struct_size = ctypes.sizeof(terms)
        arrays = {}
        for name, value in {"a": a, "b": b, "c": c, "d": d, "e": e, "p": p, "f": f}.items():
            if value is not None:
                arrays[name] = shaped(value, shapes[name], dtype, name)
                setattr(terms, name, arrays[name].ctypes.data)
        return cls(dtype, lambda of, place: plain(of.problem_create_quadratic, ctypes.byref(terms), place))

    @classmethod
    def regression(
        cls,
        inner: tuple[Array, Array],
        outer: tuple[Array, Array],
        *,
        loss: str | None = None,
        classes: int | None = None,
        outer_parameters: str | None = None,
        group: str | None = None,
        reduction: str | None = None,
        l2: float | None = None,
        dtype: Any = None,
        copy: bool = True,
    ) -> Problem:
        """A linear regression with loss "squared", "logistic" or "softmax" (with ``classes``); see
        blo_problem_create_regression_f64.

        ``inner`` and ``outer`` are (design (n, d), targets (n) or (n, classes)); inner targets are None where u sets them.
        ``outer_parameters`` says what u is: "targets", "raw_l2", "log_l2" or "example_weights". With ``copy=False`` the
        arrays are read where they are, and nobody may write to them as long as anything made from the problem is used.
        """
        options = _abi.blo_regression_options()
        _init(options)
        prefixes = {"loss": "BLO_LOSS_", "outer": "BLO_OUTER_", "group": "BLO_GROUP_", "reduction": "BLO_REDUCTION_"}
        values: dict[str, Any] = {"loss": loss, "outer": outer_parameters, "group": group, "reduction": reduction}
        fill(options, prefixes, values | {"classes": classes, "l2": l2})
        outputs = options.classes if options.loss == _abi.BLO_LOSS_SOFTMAX else 1
        dtype, keep, rows = _examples(inner, outer, outputs, None, dtype)
        arguments = [*map(ctypes.byref, rows), ctypes.byref(options)]
        with _Lent(rows, keep, copy):
            return cls(dtype, lambda of, place: plain(of.problem_create_regression, *arguments, place))

    @classmethod
    def network(
        cls,
        widths: Sequence[int],
        inner: tuple[Array, Array] | int,
        outer: tuple[Array, Array],
        *,
        activation: str | None = None,
        loss: str | None = None,
        outer_parameters: str | None = None,
        group: str | None = None,
        reduction: str | None = None,
        l2: float | None = None,
        proximal_weight: float | None = None,
        dtype: Any = None,
        copy: bool = True,
    ) -> Problem:
        """A multilayer perceptron of widths (d, ..., c); see blo_problem_create_network_f64.

        ``inner`` and ``outer`` are (design (n, d), targets (n, c)); what u sets is None in ``inner``, or ``inner`` is the
        number of examples if u sets both. ``outer_parameters`` says what u is: "inputs", "targets",
        "inputs_and_label_logits", "log_l2", "example_weights", "linear_augmentation" or "proximal_centre". ``copy`` as in
        ``regression``.
        """
        options = _abi.blo_network_options()
        _init(options)
        prefixes = {
            "activation": "BLO_ACTIVATION_",
            "loss": "BLO_NETWORK_LOSS_",
            "outer": "BLO_NETWORK_OUTER_",
            "group": "BLO_NETWORK_GROUP_",
            "reduction": "BLO_REDUCTION_",
        }
        values: dict[str, Any] = {"activation": activation, "loss": loss, "outer": outer_parameters, "group": group}
        values |= {"reduction": reduction, "l2": l2, "proximal_weight": proximal_weight}
        fill(options, prefixes, values)
        try:
            layers = np.array(widths, dtype=np.int64).reshape(-1)
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidError(f"widths: found {widths!r}, expected integers ({error})") from None
        if layers.size < 2:
            raise InvalidError(f"widths: found {layers.size}, expected two or more")
        dtype, keep, rows = _examples(inner, outer, int(layers[-1]), int(layers[0]), dtype)
        arguments = [layers.size, pointer(layers), *map(ctypes.byref, rows), ctypes.byref(options)]
        with _Lent(rows, keep, copy):
            made = cls(dtype, lambda of, place: plain(of.problem_create_network, *arguments, place))
        made._widths = int(layers[0]), int(layers[-1])
        return made

    @classmethod
    def callbacks(
        cls,
        n_outer: int,
        n_inner: int,
        *,
        inner: Callable[..., tuple[float, Array]],
        outer: Callable[..., tuple[float, Array, Array]],
        hvp: Callable[..., Array],
        mixed_vjp: Callable[..., Array],
        mixed_jvp: Callable[..., Array] | None = None,
        dtype: Any = np.float64,
    ) -> Problem:
        """A problem of functions of the caller's. With H = d2f/dw dw' and M = d2f/dw du' at (u, w):

        - inner(u, w): (f, gradient by w)
        - outer(u, w): (F, gradient by u, gradient by w)
        - hvp(u, w, v): H v
        - mixed_vjp(u, w, v): M' v
        - mixed_jvp(u, w, du): M du; only for what differentiates forward

        Their arrays lie in the library's memory and are read-only; they are valid until the function returns, so copy what
        you keep. What they return has the problem's dtype. An exception comes out of the call that ran them.
        """
        dtype = precision(dtype)
        m, n = int(n_outer), int(n_inner)
        if m < 1 or n < 1:
            raise InvalidError(f"n_outer, n_inner: found {m}, {n}, expected 1 or above")
        functions = {"inner": inner, "outer": outer, "hvp": hvp, "mixed_vjp": mixed_vjp, "mixed_jvp": mixed_jvp}
        for name, function in functions.items():
            if not (callable(function) or name == "mixed_jvp" and function is None):
                raise InvalidError(f"{name}: found {type(function).__name__}, expected a function")
        table = problem_table(m, n, dtype, functions)

        def create(of: Any, place: Any) -> None:
            plain(of.problem_create_callbacks, m, n, ctypes.byref(table), None, place)

        return cls(dtype, create, table)

    def check_derivatives(self, u: Array, w: Array, *, tolerance: float | None = None, seed: int = 0) -> Check:
        """Compares the problem's functions with differences of what they are the derivatives of; see
        blo_check_derivatives_f64. Choose a point in general position."""
        u, u_at = given(u, self.dtype, "u", self.n_outer)
        w, w_at = given(w, self.dtype, "w", self.n_inner)
        tolerance = _abi.BLO_DEFAULT if tolerance is None else tolerance
        verdict, needed, text = ctypes.c_int32(), ctypes.c_size_t(), ctypes.create_string_buffer(1 << 14)
        while True:
            arguments = [tolerance, seed, ctypes.byref(verdict), text, len(text), ctypes.byref(needed)]
            self._invoke(self._api.check_derivatives, self._handle, u_at, u.size, w_at, w.size, *arguments)
            if needed.value <= len(text):
                names = {number: name for name, number in choices("BLO_VERDICT_").items()}
                return Check(names.get(verdict.value, str(verdict.value)), text.value.decode())
            text = ctypes.create_string_buffer(needed.value)

    def initial(self, init: str = "glorot", seed: int = 0, *, out: ndarray | None = None) -> ndarray:
        """Initial parameters of a network: "glorot", "he", "lecun" or "zero"."""
        w = np.empty(self.n_inner, self.dtype) if out is None else out
        at = taken(w, self.n_inner, self.dtype, "out")
        plain(self._api.network_initial, self._handle, choice("BLO_INIT_", "init", init), seed, at, self.n_inner)
        return w

    def predict(self, w: Array, x: Array) -> ndarray:
        """The outputs (rows, c) of a network for examples x (rows, d), before any softmax."""
        w, w_at = given(w, self.dtype, "w", self.n_inner)
        x = read(x, self.dtype, "x")
        if self._widths is None:
            raise InvalidError("predict: found a problem that is no network")
        first, last = self._widths
        if x.ndim != 2 or x.shape[1] != first:
            raise ShapeError(f"x: found shape {x.shape}, expected (rows, {first})")
        out = np.empty((x.shape[0], last), self.dtype)
        plain(self._api.network_predict, self._handle, w_at, w.size, pointer(x), x.shape[0], 0, pointer(out))
        return out

def _init(options: Any) -> None:
    plain(getattr(LIBRARY, f"{type(options).__name__}_init"), ctypes.byref(options), ctypes.sizeof(options))


#: The arrays that are lent, by the number that the library gives back.
_lent: dict[int, Any] = {}
_numbers = itertools.count(1)


def _returned(number: int) -> None:
    _lent.pop(number, None)


_release = _abi.blo_release_fn(_returned)


class _Lent:
    """Lends arrays to the problem that is made meanwhile, unless they are copied. What fails keeps nothing."""

    def __init__(self, structs: Any, arrays: Any, copy: bool) -> None:
        self.numbers = [] if copy else [next(_numbers) for _ in structs]
        for number, struct, pair in zip(self.numbers, structs, arrays):
            _lent[number] = pair
            struct.release, struct.release_data = _release, number

    def __enter__(self) -> None:
        pass

    def __exit__(self, failure: Any, *_: Any) -> None:
        for number in self.numbers if failure else []:
            _lent.pop(number, None)


def _examples(inner: Any, outer: Any, outputs: int, features: int | None, dtype: Any) -> Any:
    """The precision, arrays to keep for a while, and the structs of inner and outer examples."""
    pairs = {}
    for name, value in {"inner": inner, "outer": outer}.items():
        if isinstance(value, (int, np.integer)) and name == "inner":
            pairs[name] = (None, None)
        elif isinstance(value, (tuple, list)) and len(value) == 2:
            pairs[name] = tuple(value)
        else:
            raise InvalidError(f"{name}: found {type(value).__name__}, expected (design, targets)")
    flat = [value for pair in pairs.values() for value in pair if value is not None]
    dtype = precision(dtype_of(*flat) if dtype is None else dtype)
    structs, keep = [], []
    for name, (design, targets) in pairs.items():
        made = api(dtype).examples()
        made.struct_size = ctypes.sizeof(made)
        made.rows = inner if isinstance(inner, (int, np.integer)) and name == "inner" else 0
        if design is not None:
            design = read(design, dtype, f"{name} design")
            if design.ndim != 2:
                raise ShapeError(f"{name} design: found shape {design.shape}, expected (rows, features)")
            made.rows, made.features = design.shape
            made.design = design.ctypes.data
        if targets is not None:
            targets = read(targets, dtype, f"{name} targets")
            rows = made.rows if design is not None else len(targets)
            if targets.shape != (rows, outputs) and not (outputs == 1 and targets.shape == (rows,)):
                raise ShapeError(f"{name} targets: found shape {targets.shape}, expected ({rows}, {outputs})")
            made.rows = rows
            made.targets = targets.ctypes.data
        structs.append(made)
        keep.append((design, targets))
    if not structs[0].design:
        structs[0].features = features if features is not None else structs[1].features
    return dtype, keep, structs
