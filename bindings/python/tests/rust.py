"""The problems of peer.rs in Python, and the peer itself."""

import os
import subprocess
from pathlib import Path

import numpy as np

import pyblo

N, RINGS = 20, 200
ROOT = Path(__file__).resolve().parents[3]
PATH = Path(os.environ.get("BLO_PYTHON_PEER") or ROOT / "target" / "release" / "examples" / "python_peer")


def numbers(count, seed, dtype):
    state, found = 2 * seed + 1, []
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        found.append((state >> 40) / 2**23 - 1.0)
    return np.array(found, dtype)


def quadratic(dtype=np.float64):
    x = numbers(N * N, 1, dtype).reshape(N, N)
    upper = np.triu(x, 1) * dtype(1 / 64)
    a = upper + upper.T + np.diag(dtype(2) + np.diag(x))
    b = numbers(N * N, 2, dtype).reshape(N, N)
    problem = pyblo.Problem.quadratic(a, b, np.eye(N, dtype=dtype), f=numbers(N, 3, dtype))
    return problem, numbers(N, 4, dtype), numbers(N, 5, dtype)


def estimators():
    return [
        pyblo.Estimator("neumann", terms=0, alpha=0.3),
        pyblo.Estimator("neumann", terms=10, alpha=0.3),
        pyblo.Estimator("min_norm"),
        pyblo.Estimator("min_norm", by="dense"),
        pyblo.Estimator("damped", epsilon=0.1),
        pyblo.Estimator("cg", iterations=7, tolerance=0.0),
        pyblo.Estimator("unrolled", steps=5, rule=pyblo.Rule("descent", step=0.3)),
    ]


def rings():
    targets = np.eye(2, dtype=np.float32)
    outer = numbers(2 * RINGS, 8, np.float32).reshape(-1, 2), targets[np.arange(RINGS) % 2]
    problem = pyblo.Problem.network([2, 200, 200, 200, 2], (None, targets), outer, outer_parameters="inputs")
    rule = pyblo.Rule("descent", step=0.001)
    options = pyblo.RunOptions(
        start="warm", inner="optimizer", inner_steps=1, inner_rule=rule, outer_rule=pyblo.Rule("adam", step=0.01)
    )
    estimator = pyblo.Estimator("unrolled", steps=1, rule=rule)
    u, w = numbers(4, 9, np.float32), problem.initial("glorot", 7)
    return pyblo.Runner(problem, u, w, options, estimator)


class Peer:
    """Answers lines with lines."""

    def __init__(self):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([str(PATH)], stdin=pipe, stdout=pipe, text=True)

    def ask(self, line, answers=1):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return [self.process.stdout.readline().split() for _ in range(answers)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()
