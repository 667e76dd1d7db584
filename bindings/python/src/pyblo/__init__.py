"""Gradient-based bilevel optimization: min over u of F(u, w*(u)), with w*(u) in argmin over w of f(u, w).

    problem = pyblo.Problem.quadratic(a, b, p)
    with pyblo.Workspace(problem) as workspace:
        gradient = workspace.hypergradient(u, w, pyblo.Estimator("neumann", terms=10, alpha=0.1))

float32 problems compute in floats, float64 ones in doubles; nothing is converted in silence. Arrays may be NumPy's, or tensors
on the CPU with ``__dlpack__`` (PyTorch, JAX), which are not copied. Errors are subclasses of ``Error``, outcomes such as not
converging are in reports. ``pyblo.jax`` and ``pyblo.torch`` are imported only when asked for.

The library's own manual, function by function, is in ``pyblo.manual("blo_hypergradient_f64")``.
"""

from __future__ import annotations

import importlib
from typing import Any

from . import _abi
from ._errors import (
    AsymmetricError,
    BusyError,
    CallbackError,
    DecompositionError,
    DeviceError,
    DeviceMemoryError,
    Error,
    FileError,
    IndefiniteError,
    InvalidError,
    NoDeviceError,
    NonFiniteError,
    NullError,
    PanicError,
    PoisonedError,
    ShapeError,
    StructSizeError,
    UnsupportedError,
)
from ._library import capabilities, version
from .analysis import (
    Residuals,
    RetrainingGap,
    Spectrum,
    equilibrium_residuals,
    project,
    retraining_gap,
    spectrum,
)
from .options import Estimator, Report, Rule, RunOptions
from .problem import Check, Problem
from .runner import Best, Outcome, Progress, Runner
from .solver import Optimizer, Session, Solver
from .workspace import Workspace


def manual(name: str) -> str:
    """The manual of a C function, struct or the whole ("blo"), as in blo.h."""
    if name == "blo":
        return _abi.MANUAL
    if name in _abi.FUNCTIONS:
        return _abi.FUNCTIONS[name][2]
    found = getattr(_abi, name, None)
    if not name.startswith("blo_") or not isinstance(found, type) or not found.__doc__:
        raise InvalidError(f"name: found {name!r}, expected a function or struct of blo.h")
    return found.__doc__


def __getattr__(name: str) -> Any:
    if name in ("jax", "torch"):
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "AsymmetricError",
    "Best",
    "BusyError",
    "CallbackError",
    "Check",
    "DecompositionError",
    "DeviceError",
    "DeviceMemoryError",
    "Error",
    "Estimator",
    "FileError",
    "IndefiniteError",
    "InvalidError",
    "NoDeviceError",
    "NonFiniteError",
    "NullError",
    "Optimizer",
    "Outcome",
    "PanicError",
    "PoisonedError",
    "Problem",
    "Progress",
    "Report",
    "Residuals",
    "RetrainingGap",
    "Rule",
    "RunOptions",
    "Runner",
    "Session",
    "ShapeError",
    "Solver",
    "Spectrum",
    "StructSizeError",
    "UnsupportedError",
    "Workspace",
    "capabilities",
    "equilibrium_residuals",
    "manual",
    "project",
    "retraining_gap",
    "spectrum",
    "version",
]
__version__ = version()
