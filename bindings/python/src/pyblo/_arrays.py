"""Arrays on their way to the library: checked, never converted in silence, copied only if they have gaps."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy import ndarray

from ._errors import InvalidError, ShapeError
from ._library import F64, c_type

#: An object at the address of an array's buffer: a fifth of the time that array.ctypes.data takes.
_from_buffer: Any = (ctypes.c_char * 0).from_buffer

#: What is taken for an array: NumPy's, anything with __dlpack__ on the CPU, or numbers in lists.
Array = Any


def read(value: Array, dtype: np.dtype[Any], name: str) -> ndarray:
    """An array of this dtype without gaps; tensors and arrays without gaps are not copied."""
    if not isinstance(value, ndarray):
        if hasattr(value, "__dlpack__"):
            value = _from_dlpack(value, name)
        elif value is None:
            raise InvalidError(f"{name}: found None, expected an array")
        else:
            # Numbers of Python have no precision of their own.
            try:
                value = np.asarray(value, None if hasattr(value, "dtype") else dtype)
            except (TypeError, ValueError) as error:
                raise InvalidError(f"{name}: found {type(value).__name__}, expected numbers ({error})") from None
    if value.dtype != dtype:
        raise InvalidError(f"{name}: found dtype {value.dtype}, expected {dtype}")
    return np.ascontiguousarray(value) if value.ndim else value.reshape(1)


def _from_dlpack(value: Any, name: str) -> ndarray:
    try:
        return np.from_dlpack(value)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise InvalidError(f"{name}: found {type(value).__name__}, expected a tensor on the CPU ({error})") from error


def dtype_of(*values: Array) -> np.dtype[Any]:
    """The precision of the first that has one; doubles if none has."""
    for value in values:
        if isinstance(value, ndarray):
            return value.dtype
        if hasattr(value, "__dlpack__"):
            return _from_dlpack(value, "array").dtype
    return F64


def pointer(array: ndarray) -> Any:
    """The address of an array without gaps, which the caller keeps alive."""
    try:
        return _from_buffer(array)
    except TypeError:  # read-only
        return array.ctypes.data


def given(value: Array, dtype: np.dtype[Any], name: str, size: int) -> tuple[ndarray, Any]:
    """An array to be read, and its address."""
    if type(value) is not ndarray or value.dtype is not dtype or not value.flags.c_contiguous or not value.ndim:
        value = read(value, dtype, name)
    if value.size != size:
        raise ShapeError(f"{name}: found {value.size} elements, expected {size}")
    return value, pointer(value)


def shaped(value: Array, shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> ndarray:
    """As read, of one shape."""
    value = read(value, dtype, name)
    if value.shape != shape:
        raise ShapeError(f"{name}: found shape {value.shape}, expected {shape}")
    return value


def taken(out: Any, size: int, dtype: np.dtype[Any], name: str) -> Any:
    """The address of an array to be written."""
    if not isinstance(out, ndarray):
        raise InvalidError(f"{name}: found {type(out).__name__}, expected a NumPy array to write to")
    if out.dtype != dtype:
        raise InvalidError(f"{name}: found dtype {out.dtype}, expected {dtype}")
    if out.size != size:
        raise ShapeError(f"{name}: found {out.size} elements, expected {size}")
    try:
        return _from_buffer(out)
    except TypeError as error:
        raise InvalidError(f"{name}: found an array that cannot be written in place ({error})") from None


def views(size: int, dtype: np.dtype[Any], writeable: bool) -> Any:
    """A function from an address in the library's memory to an array over it, which remembers what it made."""
    kind = c_type(dtype) * size
    known: dict[int, ndarray] = {}

    def view(address: int) -> ndarray:
        array = known.get(address)
        if array is None:
            if len(known) >= 64:
                known.clear()
            array = np.frombuffer(kind.from_address(address), dtype)
            array.flags.writeable = writeable
            known[address] = array
        return array

    return view


def answer(value: Array, view: ndarray, name: str) -> None:
    """Copies what a callable returned to where the library reads it."""
    if type(value) is not ndarray or value.dtype is not view.dtype:
        value = read(value, view.dtype, f"what {name} returned")
    if value.size != view.size:
        raise ShapeError(f"what {name} returned: found {value.size} elements, expected {view.size}")
    view[:] = value if value.ndim == 1 else value.ravel()
