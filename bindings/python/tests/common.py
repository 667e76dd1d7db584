"""Random quadratics with known eigenpairs."""

import numpy as np

import pyblo

EPSILON = {np.float64: 2.0**-52, np.float32: 2.0**-23}


class Case:
    """H of a rank and condition, b = P w + f, in doubles."""

    def __init__(self, seed, n, rank, condition, m=None, scale=1.0):
        rng = np.random.default_rng(seed)
        self.n, self.m, self.rng = n, m or n, rng
        self.vectors = np.linalg.qr(rng.standard_normal((n, n)))[0]
        decay = condition ** (-np.arange(n) / max(rank - 1, 1))
        self.values = scale * np.where(np.arange(n) < rank, decay, 0.0)
        self.h = self.apply(lambda value: value)
        self.h = (self.h + self.h.T) / 2
        self.b = rng.standard_normal((n, self.m))
        self.f = rng.standard_normal(n)
        self.u, self.w = rng.standard_normal(self.m), rng.standard_normal(n)

    def apply(self, r):
        return self.vectors * np.array([r(value) for value in self.values]) @ self.vectors.T

    def in_range(self):
        """The same with B in the range of H, so that there are inner solutions."""
        self.b = self.apply(lambda value: float(value != 0.0)) @ self.b
        return self

    def problem(self, dtype=np.float64):
        arrays = (array.astype(dtype) for array in (self.h, self.b, np.eye(self.n)))
        return pyblo.Problem.quadratic(*arrays, f=self.f.astype(dtype))

    def hypergradient(self, r, w=None):
        """-B' r(H) (w + f)."""
        return -self.b.T @ self.apply(r) @ ((self.w if w is None else w) + self.f)
