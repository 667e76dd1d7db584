"""The exceptions: one class for each status, below Error."""

from __future__ import annotations

import ctypes

from . import _abi


class Error(Exception):
    """A call that failed: ``status`` is one of the BLO_ERR_ numbers; the text names argument, found and expected."""

    status: int = 0

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        if status is not None:
            self.status = status


class NullError(Error, ValueError):
    """An argument that is needed is missing, or a handle was closed."""

    status = _abi.BLO_ERR_NULL


class InvalidError(Error, ValueError):
    """A value out of its range, an unknown choice, or an array of another dtype."""

    status = _abi.BLO_ERR_INVALID


class ShapeError(Error, ValueError):
    """A size that is not the problem's."""

    status = _abi.BLO_ERR_SHAPE


class NonFiniteError(Error, ArithmeticError):
    """NaN or an infinity in an array, or in what a callback returned."""

    status = _abi.BLO_ERR_NON_FINITE


class StructSizeError(Error):
    """The library and this package do not agree on a struct."""

    status = _abi.BLO_ERR_STRUCT_SIZE


class BusyError(Error, RuntimeError):
    """A handle that another call is using: of another thread, or the one whose callback made this call."""

    status = _abi.BLO_ERR_BUSY


class PoisonedError(Error, RuntimeError):
    """A handle that a PanicError left half-done; it can only be closed."""

    status = _abi.BLO_ERR_POISONED


class AsymmetricError(Error, ValueError):
    """A matrix that has to be symmetric is not."""

    status = _abi.BLO_ERR_ASYMMETRIC


class IndefiniteError(Error, ValueError):
    """A matrix that has to be positive semidefinite has a negative eigenvalue."""

    status = _abi.BLO_ERR_INDEFINITE


class DecompositionError(Error, ArithmeticError):
    """An eigendecomposition did not converge."""

    status = _abi.BLO_ERR_DECOMPOSITION


class UnsupportedError(Error, NotImplementedError):
    """The problem cannot do what was asked."""

    status = _abi.BLO_ERR_UNSUPPORTED


class FileError(Error):
    """A file of a saved run cannot be written, read or used."""

    status = _abi.BLO_ERR_FILE


class CallbackError(Error, RuntimeError):
    """A callback failed without an exception."""

    status = _abi.BLO_ERR_CALLBACK


class NoDeviceError(Error, RuntimeError):
    """No GPU to work on; the message says why."""

    status = _abi.BLO_ERR_NO_DEVICE


class DeviceMemoryError(Error, MemoryError):
    """The GPU's memory does not suffice."""

    status = _abi.BLO_ERR_DEVICE_MEMORY


class DeviceError(Error, RuntimeError):
    """A call of the GPU's driver failed."""

    status = _abi.BLO_ERR_DEVICE


class PanicError(Error, RuntimeError):
    """A bug of the library was contained."""

    status = _abi.BLO_ERR_PANIC


_CLASSES = {found.status: found for found in Error.__subclasses__()}


def last_error(library: ctypes.CDLL) -> str:
    """The message of this thread's last call."""
    capacity, needed = 512, ctypes.c_size_t()
    while True:
        buffer = ctypes.create_string_buffer(capacity)
        library.blo_last_error(buffer, capacity, ctypes.byref(needed))
        if needed.value <= capacity:
            return buffer.value.decode()
        capacity = needed.value


def error(library: ctypes.CDLL, status: int) -> Error:
    """The exception of a status other than 0, with the library's message."""
    message = last_error(library) or library.blo_status_text(status).decode()
    return _CLASSES.get(status, Error)(message, status)
