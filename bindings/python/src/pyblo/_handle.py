"""Handles that end themselves."""

from __future__ import annotations

import ctypes
import weakref
from typing import Any


class Handle:
    """Owner of something of the library's. Ended by ``close``, at the end of a ``with``, or with the object, in any order."""

    def __init__(self, destroy: Any) -> None:
        self._handle = ctypes.c_void_p()
        self._place = ctypes.byref(self._handle)
        # The finalizer holds the pointer and not the object.
        self._finalizer = weakref.finalize(self, destroy, self._place)

    def close(self) -> None:
        """Ends the handle; later calls with it fail with NullError. Once is enough, twice does no harm."""
        self._finalizer()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
