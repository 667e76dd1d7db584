"""Whole loops: steps, runs, traces, saved runs, the best point, and the line in a terminal."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from common import Case

import pyblo

HERE = Path(__file__).resolve().parent
CASE = Case(1, 6, 6, 5.0, m=4)
ESTIMATOR = pyblo.Estimator("min_norm", by="dense")


def options(**changed):
    settings = dict(start="warm", outer_steps=40, outer_rule=pyblo.Rule("descent", step=0.02), outer_tolerance=1e-12)
    return pyblo.RunOptions(**(settings | changed))


def runner(**changed):
    return pyblo.Runner(CASE.problem(), CASE.u, CASE.w, options(**changed), ESTIMATOR)


def test_a_run_is_outer_descent_with_the_exact_hypergradient():
    h, b = CASE.h, CASE.b
    u, w = CASE.u.copy(), CASE.w
    with runner() as run:
        for _ in range(5):
            w = -np.linalg.solve(h, b @ u)
            expected = -b.T @ np.linalg.solve(h, w + CASE.f)
            u = u - 0.02 * expected
            found = np.empty(4)
            assert run.step(out=found)
            assert np.linalg.norm(found - expected) <= 1e-11 * np.linalg.norm(expected)
            assert np.linalg.norm(run.u - u) <= 1e-11 * np.linalg.norm(u)
        assert run.steps == 5 and run.reserve() > 0 and run.report.ending == "completed"


def test_run_and_steps_have_the_same_bits_and_the_trace_says_what_happened():
    with runner() as whole, runner() as single:
        losses = []
        outcome = whole.run(lambda progress: losses.append(progress.outer_loss), trace_every=1)
        for _ in range(40):
            single.step()
        assert np.array_equal(whole.u, single.u) and np.array_equal(whole.w, single.w)
        assert outcome.ending == "step_limit" and outcome.steps == 40
        assert outcome.trace["step"].tolist() == list(range(outcome.trace_rows)) and outcome.trace_rows >= 40
        assert outcome.trace["outer_loss"][:40].tolist() == losses[:40]
        assert abs(outcome.trace["norm_u"][0] - np.linalg.norm(CASE.u)) < 1e-14
        assert np.isnan(outcome.trace["null_component"]).all()
        assert losses[-1] < losses[0]
    with runner() as run:
        assert run.run(trace_every=7, capacity=3).trace["step"].tolist() == [0, 7, 14]


def test_a_saved_run_goes_on_with_the_same_bits(tmp_path):
    path = tmp_path / "run é.blo"
    with runner() as run:
        for _ in range(7):
            run.step()
        run.save(path)
        for _ in range(7):
            run.step()
        with pyblo.Runner.resume(CASE.problem(), path) as resumed:
            assert resumed.steps == 7
            for _ in range(7):
                resumed.step()
            assert np.array_equal(run.u, resumed.u)
            with pytest.raises(pyblo.InvalidError, match="capacity: found None"):
                resumed.run(trace_every=1)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(pyblo.FileError):
        pyblo.Runner.resume(CASE.problem(), path)
    with pytest.raises(pyblo.FileError):
        pyblo.Runner.resume(CASE.problem(), tmp_path / "nothing")


def test_the_best_point_is_kept():
    with runner(outer_rule=pyblo.Rule("descent", step=0.4), outer_steps=12, keep_best=True) as run:
        seen = []
        run.run(lambda progress: seen.append((progress.outer_loss, progress.step, progress.u)))
        best = run.best()
        loss, step, u = min(seen, key=lambda row: row[0])
        assert (best.outer_loss, best.step) == (loss, step) and np.array_equal(best.u, u)
    with runner() as run, pytest.raises(pyblo.InvalidError):
        run.best()


def test_divergence_is_an_outcome():
    wild = pyblo.Rule("descent", step=1e200)
    with runner(outer_rule=wild) as run:
        assert run.run().ending == "outer_diverged"
    with runner(outer_rule=wild) as run:
        assert [run.step() for _ in range(3)].count(False) > 0


def test_lbfgsb_with_bounds_finds_the_smallest_outer_loss():
    free = pyblo.RunOptions(method="lbfgsb", outer_steps=200, outer_tolerance=1e-10)
    with pyblo.Runner(CASE.problem(), CASE.u, CASE.w, free, ESTIMATOR) as run:
        assert run.run().ending in ("converged", "stalled")
        jacobian = -np.linalg.solve(CASE.h, CASE.b)
        expected = np.linalg.lstsq(jacobian, -CASE.f, rcond=None)[0]
        assert np.linalg.norm(run.u - expected) <= 1e-6 * np.linalg.norm(expected)
    with pytest.raises(pyblo.InvalidError, match="u"):
        pyblo.Runner(CASE.problem(), CASE.u, CASE.w, pyblo.RunOptions(upper=-5.0), ESTIMATOR)


PROGRAM = """
import numpy as np, pyblo
problem = pyblo.Problem.quadratic(np.eye(2), np.eye(2), np.eye(2))
options = pyblo.RunOptions(outer_steps=5)
pyblo.Runner(problem, np.ones(2), np.ones(2), options).run(progress=True)
"""


def test_progress_is_shown_in_a_terminal_only():
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, check=True, cwd=HERE)
    assert done.stdout == b"" and done.stderr == b""
    parent, child = pty.openpty()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=child, check=True, cwd=HERE)
    os.close(child)
    shown = os.read(parent, 10_000)
    os.close(parent)
    assert done.stdout == b"" and b"outer step 0 of 5, outer loss" in shown and b"\n" not in shown


def test_an_optimizer_makes_the_steps_of_its_rule():
    rng = np.random.default_rng(0)
    for n in (1, 2, 3, 7):
        x, y, v = rng.standard_normal(n), np.zeros(n), np.zeros(n)
        y[:] = x
        with pyblo.Optimizer(pyblo.Rule("momentum", step=0.1, momentum=0.5), n) as optimizer:
            for step in range(4):
                if step == 2:
                    optimizer.restart()
                    v[:] = 0
                gradient = rng.standard_normal(n)
                v = 0.5 * v + gradient
                y -= 0.1 * v
                optimizer.step(gradient, x)
                assert np.allclose(x, y, rtol=1e-14, atol=0)
            with pytest.raises(pyblo.ShapeError, match="x: found"):
                optimizer.step(np.zeros(n), np.zeros(n + 1))
            with pytest.raises(pyblo.ShapeError, match="gradient: found"):
                optimizer.step(np.zeros(n + 1), x)
