"""Handles end, in any order, and leave nothing behind."""

import gc
import itertools
import resource

import numpy as np
import pytest
from common import Case

import pyblo

CASE = Case(0, 4, 4, 10.0)
ESTIMATOR = pyblo.Estimator("neumann", terms=2, alpha=0.2)


def everything():
    problem = CASE.problem()
    return [
        problem,
        pyblo.Workspace(problem),
        pyblo.Runner(problem, CASE.u, CASE.w),
        pyblo.Solver(4),
        pyblo.Session(4),
        pyblo.Optimizer(pyblo.Rule("adam"), 4),
    ]


def test_the_order_of_destruction_does_not_matter():
    for order in itertools.permutations(range(3)):
        handles = everything()[:3]
        workspace, runner = handles[1], handles[2]
        for i in order:
            handles[i].close()
            if i == 0 and order[0] == 0:
                # What was made from a problem goes on with it.
                assert np.isfinite(workspace.hypergradient(CASE.u, CASE.w, ESTIMATOR)).all()
                assert runner.step()
            handles[i].close()
    # The collector's order: a cycle of all.
    for shift in range(6):
        handles = everything()
        handles = handles[shift:] + handles[:shift]
        for a, b in zip(handles, handles[1:] + handles[:1]):
            a.next = b
        del handles, a, b
        gc.collect()


def test_a_session_under_way_may_be_dropped():
    session = pyblo.Session(4, pyblo.Estimator("cg", iterations=10))
    session.start(CASE.f)
    assert session.step()[0] == "product"
    del session
    gc.collect()


def test_use_after_close_is_an_error():
    problem, workspace, runner, solver, session, optimizer = everything()
    for handle in (problem, workspace, runner, solver, session, optimizer):
        with handle as same:
            assert same is handle
    calls = [
        lambda: pyblo.Workspace(problem),
        lambda: workspace.hypergradient(CASE.u, CASE.w),
        runner.step,
        lambda: runner.u,
        lambda: solver.solve(lambda v: v, CASE.f),
        lambda: session.start(CASE.f),
        lambda: optimizer.step(CASE.f, CASE.w.copy()),
    ]
    for call in calls:
        with pytest.raises(pyblo.NullError):
            call()


def test_callbacks_outlive_their_problem():
    names = ("inner", "outer", "hvp", "mixed_vjp")
    answers = (lambda u, w: (0.0, 0 * w), lambda u, w: (0.0, 0 * u, w), lambda u, w, v: v, lambda u, w, v: v)
    problem = pyblo.Problem.callbacks(4, 4, **dict(zip(names, answers)))
    workspace = pyblo.Workspace(problem)
    problem.close()
    del problem, answers
    gc.collect()
    expected = -sum(0.2 * 0.8**j for j in range(3)) * CASE.w
    assert np.allclose(workspace.hypergradient(CASE.u, CASE.w, ESTIMATOR), expected, rtol=1e-14, atol=0)


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def cycle(callbacks):
    if callbacks:
        names = ("inner", "outer", "hvp", "mixed_vjp")
        answers = (lambda u, w: (0.0, w), lambda u, w: (0.0, u, w), lambda u, w, v: v, lambda u, w, v: v)
        problem = pyblo.Problem.callbacks(4, 4, **dict(zip(names, answers)))
    else:
        problem = CASE.problem()
    workspace = pyblo.Workspace(problem)
    workspace.hypergradient(CASE.u, CASE.w, ESTIMATOR)
    if callbacks:
        problem.close()
    workspace.close()


@pytest.mark.parametrize("callbacks, cycles", [(False, 100_000), (True, 20_000)])
def test_memory_is_flat(callbacks, cycles):
    for _ in range(cycles // 10):
        cycle(callbacks)
    gc.collect()
    before = resident()
    for _ in range(cycles):
        cycle(callbacks)
    gc.collect()
    # Less than 10 bytes a cycle; a lost workspace would be several thousand.
    assert resident() - before < 1 << 20


def test_failed_creations_leave_nothing():
    for _ in range(3):
        with pytest.raises(pyblo.IndefiniteError):
            pyblo.Problem.quadratic(-np.eye(3), np.eye(3), np.eye(3))
        with pytest.raises(pyblo.AsymmetricError):
            pyblo.Problem.quadratic(np.triu(np.ones((3, 3))), np.eye(3), np.eye(3))
        with pytest.raises(pyblo.ShapeError):
            pyblo.Runner(CASE.problem(), CASE.u[:2], CASE.w)
    gc.collect()
