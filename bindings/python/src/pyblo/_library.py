"""The library: found, loaded, checked; and its functions by precision."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from . import _abi, _errors

_NAME = {"darwin": "libblo.dylib", "win32": "blo.dll"}.get(sys.platform, "libblo.so")


def load() -> ctypes.CDLL:
    """The library that BLO_LIBRARY names in the environment, or else the one in this package."""
    chosen = os.environ.get("BLO_LIBRARY")
    path = Path(chosen) if chosen else Path(__file__).with_name(_NAME)
    inside = Path(__file__).with_name(_NAME)
    tried = f"BLO_LIBRARY={chosen}" if chosen else f"BLO_LIBRARY (not set), {inside}"
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise ImportError(f"cannot load the blo library: {error}; tried {tried}") from None
    try:
        version = library.blo_abi_version
        version.restype = ctypes.c_int32
        found = version()
        if found != _abi.BLO_ABI_VERSION:
            expected = _abi.BLO_ABI_VERSION
            raise ImportError(f"{path}: found version {found} of the binary interface, expected {expected}")
        _abi.declare(library)
    except AttributeError as error:
        raise ImportError(f"{path} is not the blo library of this package: {error}") from None
    return library


LIBRARY = load()
F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
_SUFFIXES = {F32: "_f32", F64: "_f64"}


def _of(suffix: str) -> SimpleNamespace:
    """The functions, structs and callback types of a precision, without prefix and suffix."""
    names = {name: getattr(LIBRARY, name) for name in _abi.FUNCTIONS if name.endswith(suffix)}
    names |= {name: value for name, value in vars(_abi).items() if name.endswith(suffix)}
    return SimpleNamespace(**{name[4 : -len(suffix)]: value for name, value in names.items()})


_API = {dtype: _of(suffix) for dtype, suffix in _SUFFIXES.items()}
_C_TYPES = {F32: ctypes.c_float, F64: ctypes.c_double}


def precision(dtype: Any) -> np.dtype[Any]:
    """float32 or float64 as a NumPy dtype."""
    found = np.dtype(dtype)
    if found not in _API:
        raise _errors.InvalidError(f"dtype: found {found}, expected float32 or float64")
    return F32 if found == F32 else F64


def api(dtype: np.dtype[Any]) -> SimpleNamespace:
    """The functions of a precision."""
    return _API[dtype]


def c_type(dtype: np.dtype[Any]) -> Any:
    """The C type of an element."""
    return _C_TYPES[dtype]


def plain(function: Any, *arguments: Any) -> None:
    """Calls a function that returns a status and runs no callback."""
    status = function(*arguments)
    if status:
        raise _errors.error(LIBRARY, status)


def version() -> str:
    """The version of the library."""
    return LIBRARY.blo_version().decode()


def capabilities() -> set[str]:
    """What the library uses on this machine: "avx2", "avx512", "cuda"."""
    bits, prefix = LIBRARY.blo_capabilities(), "BLO_CAPABILITY_"
    known = {name[len(prefix) :].lower(): bit for name, bit in vars(_abi).items() if name.startswith(prefix)}
    return {name for name, bit in known.items() if bits & bit}
