"""What to do and how: estimators, rules, and the options of a run. Reports and outcomes.

Choices are the names of the C constants in small letters: ``BLO_ESTIMATOR_CG_TWICE`` is ``"cg_twice"``. What is None is left
at the library's default. Values are checked by the library where they are used.
"""

from __future__ import annotations

import ctypes
import operator
from typing import Any, NamedTuple

from . import _abi
from ._errors import InvalidError
from ._library import LIBRARY, plain


def choices(prefix: str) -> dict[str, int]:
    """The constants with a prefix, by the rest of their names in small letters."""
    found = {name: value for name, value in vars(_abi).items() if name.startswith(prefix)}
    return {name[len(prefix) :].lower(): value for name, value in found.items()}


def choice(prefix: str, name: str, value: str) -> int:
    """The number of a choice."""
    known = choices(prefix)
    if not isinstance(value, str) or value not in known:
        raise InvalidError(f"{name}: found {value!r}, expected one of {', '.join(known)}")
    return known[value]


_NAMES = {prefix: {value: name for name, value in choices(prefix).items()} for prefix in ("BLO_ENDING_", "BLO_RUN_")}


def fill(struct: Any, prefixes: dict[str, str], values: dict[str, Any]) -> Any:
    """Sets fields of a struct; None leaves a field as it is."""
    kinds = dict(struct._fields_)
    for name, value in values.items():
        if value is None:
            continue
        try:
            if name in prefixes:
                value = choice(prefixes[name], name, value)
            elif isinstance(value, Rule):
                value = value._struct
            elif kinds[name] is ctypes.c_double:
                value = float(value)
            elif kinds[name] is not _abi.blo_rule:
                value = operator.index(value)
            setattr(struct, name, value)
        except InvalidError:
            raise
        except (TypeError, ValueError):
            raise InvalidError(f"{name}: found {value!r}, expected {_expected(kinds[name])}") from None
        if isinstance(value, int) and getattr(struct, name) != value:
            raise InvalidError(f"{name}: found {value}, expected an integer that fits its type")
    return struct


def _expected(kind: Any) -> str:
    return {ctypes.c_double: "a number", _abi.blo_rule: "a Rule"}.get(kind, "an integer")


class _Options:
    """A struct of options that was filled once."""

    _kind: Any
    _prefixes: dict[str, str] = {}
    __slots__ = ("_given", "_struct", "_place")

    def __init__(self, given: dict[str, Any]) -> None:
        self._given = {name: value for name, value in given.items() if value is not None}
        struct = self._kind()
        self._init(struct)
        self._struct = fill(struct, self._prefixes, self._given)
        self._place = ctypes.byref(struct)

    @classmethod
    def _init(cls, struct: Any) -> None:
        function = getattr(LIBRARY, f"{cls._kind.__name__}_init")
        plain(function, ctypes.byref(struct), ctypes.sizeof(struct))

    def __getattr__(self, name: str) -> Any:
        """A field: the value given, or the library's default."""
        if name.startswith("_") or name in ("struct_size", "reserved", "reserved1"):
            raise AttributeError(name)
        value = getattr(self._struct, name)
        if name in self._prefixes:
            return next(text for text, number in choices(self._prefixes[name]).items() if number == value)
        return self._given[name] if name in self._given else value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._given.items())})"


class Rule(_Options):
    """How a point is moved along a gradient: "descent", "momentum" or "adam"; see blo_rule."""

    _kind = _abi.blo_rule
    _prefixes = {"kind": "BLO_RULE_"}
    __slots__ = ()

    def __init__(
        self,
        kind: str = "descent",
        step: float | None = None,
        *,
        momentum: float | None = None,
        beta1: float | None = None,
        beta2: float | None = None,
        epsilon: float | None = None,
    ) -> None:
        super().__init__(_arguments(locals()))

    @classmethod
    def _init(cls, struct: Any) -> None:
        plain(LIBRARY.blo_rule_init, ctypes.byref(struct))


class Estimator(_Options):
    """How a hypergradient is approximated: dF/du = (partial F / partial u) - M' q, q = r(H) (partial F / partial w).

    Kinds and the fields that they use: "min_norm" (by, cutoff), "damped" (by, epsilon), "neumann" (terms = K, step, alpha,
    on_growth), "neumann_filter" (by, terms, alpha), "cg" (iterations, tolerance), "cg_twice", "minres" (max_products,
    tolerance), "gmres" (restart, max_products, tolerance), "nystrom" (rank, epsilon, seed), "identity" (alpha), "zero",
    "unrolled" (steps = T, last, mode, rule). See blo_estimator_options.
    """

    _kind = _abi.blo_estimator_options
    _prefixes = {
        "kind": "BLO_ESTIMATOR_",
        "by": "BLO_BY_",
        "step": "BLO_STEP_",
        "on_growth": "BLO_GROWTH_",
        "mode": "BLO_MODE_",
    }
    __slots__ = ()

    def __init__(
        self,
        kind: str = "min_norm",
        *,
        by: str | None = None,
        step: str | None = None,
        on_growth: str | None = None,
        verify: bool | None = None,
        start_from_last: bool | None = None,
        mode: str | None = None,
        terms: int | None = None,
        iterations: int | None = None,
        max_products: int | None = None,
        steps: int | None = None,
        last: int | None = None,
        refine: int | None = None,
        rank: int | None = None,
        restart: int | None = None,
        seed: int | None = None,
        alpha: float | None = None,
        epsilon: float | None = None,
        cutoff: float | None = None,
        tolerance: float | None = None,
        rule: Rule | None = None,
    ) -> None:
        super().__init__(_arguments(locals()))


class RunOptions(_Options):
    """What a run does: start "cold" or "warm", inner "fixpoint" or "optimizer", method "rule" or "lbfgsb"; see
    blo_run_options."""

    _kind = _abi.blo_run_options
    _prefixes = {"start": "BLO_START_", "inner": "BLO_INNER_", "method": "BLO_METHOD_"}
    __slots__ = ()

    def __init__(
        self,
        *,
        start: str | None = None,
        inner: str | None = None,
        method: str | None = None,
        keep_look_ahead: bool | None = None,
        keep_best: bool | None = None,
        distances: bool | None = None,
        inner_steps: int | None = None,
        outer_steps: int | None = None,
        memory: int | None = None,
        batch_size: int | None = None,
        batch_seed: int | None = None,
        inner_tolerance: float | None = None,
        outer_tolerance: float | None = None,
        lower: float | None = None,
        upper: float | None = None,
        schedule_first: float | None = None,
        schedule_factor: float | None = None,
        schedule_last: float | None = None,
        inner_rule: Rule | None = None,
        outer_rule: Rule | None = None,
    ) -> None:
        super().__init__(_arguments(locals()))


def _arguments(local: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in local.items() if name not in ("self", "__class__")}


def place(options: Any, kind: type[_Options], name: str) -> Any:
    """The address of options, or NULL for the defaults."""
    if options is None:
        return None
    if not isinstance(options, kind):
        raise InvalidError(f"{name}: found {type(options).__name__}, expected {kind.__name__}")
    return options._place


class Report(NamedTuple):
    """What a solve tells about itself; see blo_report. What was not measured is NaN."""

    ending: str
    products: int
    residual: float
    null_share: float
    curvature_min: float
    curvature_max: float
    alpha: float
    growth: float
    rhs_norm: float
    outer_loss: float


class ReportBuffer:
    """Where the library writes the report of a handle's last solve."""

    __slots__ = ("struct", "place")

    def __init__(self) -> None:
        self.struct = _abi.blo_report()
        self.struct.struct_size = ctypes.sizeof(self.struct)
        self.struct.ending = -1
        self.place = ctypes.byref(self.struct)

    def read(self) -> Report:
        """The report, as it is now."""
        if self.struct.ending < 0:
            raise InvalidError("report: found no solve, expected one that succeeded")
        return Report._make(read_fields(self.struct, Report._fields, "BLO_ENDING_"))


def read_fields(struct: Any, names: tuple[str, ...], prefix: str) -> list[Any]:
    """Fields of a struct, its ending by name."""
    known, values = _NAMES[prefix], []
    for name in names:
        value = getattr(struct, name)
        values.append(known.get(value, str(value)) if name == "ending" else value)
    return values
