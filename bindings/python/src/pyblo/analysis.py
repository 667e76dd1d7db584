"""Equilibria, the retraining gap, spectra, and projections."""

from __future__ import annotations

import ctypes
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from ._arrays import Array, dtype_of, given, pointer, read
from ._library import api, plain, precision
from .options import Estimator, RunOptions, place
from .problem import Problem


class Residuals(NamedTuple):
    """How far a point is from an equilibrium: |Xi - w| and |dF/du|."""

    fixpoint: float
    outer: float


class RetrainingGap(NamedTuple):
    """F(u, w), F(u, w') with w' trained anew, and w'."""

    run_loss: float
    retrained_loss: float
    retrained: ndarray


class Spectrum(NamedTuple):
    """Eigenvalues of H, ascending; |v'b| / |b| of each eigenvector; and what an estimator makes of each. Doubles."""

    eigenvalues: ndarray
    shares: ndarray
    responses: ndarray


def equilibrium_residuals(
    problem: Problem,
    u: Array,
    w: Array,
    *,
    options: RunOptions | None = None,
    estimator: Estimator | None = None,
    start: Array = None,
) -> Residuals:
    """How far (u, w) is from an equilibrium of a loop; ``start`` is w0 of a cold one."""
    u, u_at = given(u, problem.dtype, "u", problem.n_outer)
    w, w_at = given(w, problem.dtype, "w", problem.n_inner)
    start, start_at = (None, None) if start is None else given(start, problem.dtype, "start", problem.n_inner)
    fixpoint, outer = ctypes.c_double(), ctypes.c_double()
    how = [place(options, RunOptions, "options"), place(estimator, Estimator, "estimator"), start_at]
    where = [u_at, u.size, w_at, w.size, ctypes.byref(fixpoint), ctypes.byref(outer)]
    problem._invoke(problem._api.equilibrium_residuals, problem._handle, *how, *where)
    return Residuals(fixpoint.value, outer.value)


def retraining_gap(
    problem: Problem, start: Array, u: Array, w: Array, *, options: RunOptions | None = None
) -> RetrainingGap:
    """What u is worth without the w that it was learned with: w' is trained anew from ``start``."""
    start, start_at = given(start, problem.dtype, "start", problem.n_inner)
    u, u_at = given(u, problem.dtype, "u", problem.n_outer)
    w, w_at = given(w, problem.dtype, "w", problem.n_inner)
    run, anew, retrained = ctypes.c_double(), ctypes.c_double(), np.empty(problem.n_inner, problem.dtype)
    where = [u_at, u.size, w_at, w.size, ctypes.byref(run), ctypes.byref(anew), pointer(retrained)]
    how = [place(options, RunOptions, "options"), start_at]
    problem._invoke(problem._api.retraining_gap, problem._handle, *how, *where)
    return RetrainingGap(run.value, anew.value, retrained)


def spectrum(problem: Problem, u: Array, w: Array, *, estimator: Estimator | None = None) -> Spectrum:
    """The eigenvalues of H at (u, w), and what an estimator makes of each."""
    u, u_at = given(u, problem.dtype, "u", problem.n_outer)
    w, w_at = given(w, problem.dtype, "w", problem.n_inner)
    found = Spectrum(*(np.empty(problem.n_inner) for _ in range(3)))
    where = [u_at, u.size, w_at, w.size, *map(pointer, found)]
    problem._invoke(problem._api.spectrum, problem._handle, place(estimator, Estimator, "estimator"), *where)
    return found


def project(x: Array, y: float, w: Array) -> ndarray:
    """The point of { w : x'w = y } nearest to w."""
    dtype = precision(dtype_of(x, w))
    x = read(x, dtype, "x")
    found = np.array(given(w, dtype, "w", x.size)[0])
    plain(api(dtype).project, x.size, pointer(x), y, pointer(found))
    return found
