"""Exceptions and interrupts through callbacks, and what they may return."""

import signal
import threading
import traceback

import numpy as np
import pytest
from common import Case

import pyblo
from pyblo import _callbacks

ESTIMATOR = pyblo.Estimator("neumann", terms=3, alpha=0.2)
NAMES = ["inner", "outer", "hvp", "mixed_vjp", "mixed_jvp"]


class Mine(Exception):
    pass


def functions(case, **changed):
    h, b = case.h, case.b
    return {
        "inner": lambda u, w: (w @ h @ w / 2 + w @ b @ u, h @ w + b @ u),
        "outer": lambda u, w: (w @ w / 2 + case.f @ w, np.zeros_like(u), w + case.f),
        "hvp": lambda u, w, v: h @ v,
        "mixed_vjp": lambda u, w, v: b.T @ v,
        "mixed_jvp": lambda u, w, du: b @ du,
    } | changed


def made(case, **changed):
    return pyblo.Problem.callbacks(case.m, case.n, **functions(case, **changed))


def use(workspace, case, name):
    """A call that runs the function."""
    if name == "inner":
        return workspace.inner(case.u, case.w)
    if name == "mixed_jvp":
        return workspace.response_jvp(case.u, case.w, case.u, ESTIMATOR)
    return workspace.hypergradient(case.u, case.w, ESTIMATOR)


@pytest.fixture
def case():
    return Case(0, 5, 5, 10.0, m=3)


def test_callbacks_equal_the_quadratic(case):
    with pyblo.Workspace(made(case)) as own, pyblo.Workspace(case.problem()) as known:
        for name in ("inner", "hvp", "mixed_jvp"):
            assert np.allclose(use(own, case, name), use(known, case, name), rtol=0, atol=1e-13)
    check = made(case).check_derivatives(case.u, case.w)
    assert check.verdict == "right" and "symmetry of hvp" in check.text
    wrong = made(case, mixed_vjp=lambda u, w, v: 2 * (case.b.T @ v))
    assert wrong.check_derivatives(case.u, case.w).verdict == "wrong"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", [Mine, KeyboardInterrupt, SystemExit])
def test_what_leaves_a_callback_comes_out_of_the_call(case, name, kind):
    thrown = [kind("of the callback")]

    def deep(*_):
        raise thrown[0]

    def bad(*arguments):
        if thrown:
            deep()
        return functions(case)[name](*arguments)

    with pyblo.Workspace(made(case, **{name: bad})) as workspace:
        with pytest.raises(kind, match="of the callback") as caught:
            use(workspace, case, name)
        assert caught.value is thrown[0]
        assert "deep" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
        # The workspace goes on.
        thrown.clear()
        with pyblo.Workspace(case.problem()) as known:
            assert np.allclose(use(workspace, case, name), use(known, case, name), rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", ["inner", "hvp"])
def test_an_interrupt_during_a_call_is_raised_once_and_not_lost(case, name):
    """A signal that arrives in the library is seen when the next callback is entered."""
    right = functions(case)[name]

    def interrupted(*arguments):
        signal.raise_signal(signal.SIGINT)
        return right(*arguments)

    with pyblo.Workspace(made(case, **{name: interrupted})) as workspace:
        with pytest.raises(KeyboardInterrupt):
            use(workspace, case, name)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def runner(case, problem, **options):
    rule = pyblo.Rule("descent", step=1e-4)
    settings = dict(inner="optimizer", inner_steps=2, inner_rule=rule, outer_rule=rule, outer_steps=10**9)
    return pyblo.Runner(problem, case.u, case.w, pyblo.RunOptions(**(settings | options)), ESTIMATOR)


@pytest.mark.parametrize("kind", ["quadratic", "callbacks"])
def test_an_alarm_interrupts_a_long_run(case, kind):
    """Again and again, since the signal may arrive anywhere."""
    problem = case.problem() if kind == "quadratic" else made(case)
    previous = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        with runner(case, problem) as run:
            for wait in np.linspace(0.001, 0.02, 20):
                steps = run.steps
                signal.setitimer(signal.ITIMER_REAL, wait)
                with pytest.raises(KeyboardInterrupt):
                    run.run()
                assert run.steps >= steps
            assert run.steps > 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def test_a_monitor_stops_a_run_and_its_exceptions_come_out(case):
    seen = []

    def monitor(progress):
        seen.append((progress.step, progress.outer_loss, progress.norm_hypergradient, progress.u, progress))
        return progress.step < 3

    with runner(case, case.problem()) as run:
        outcome = run.run(monitor)
        assert outcome.ending == "stopped" and [row[0] for row in seen] == [0, 1, 2, 3]
        assert np.array_equal(seen[3][3], run.u) and not np.array_equal(seen[0][3], run.u)
        with pytest.raises(pyblo.InvalidError, match="u: the monitor has returned"):
            _ = seen[0][4].u

        def bad(progress):
            assert abs(np.linalg.norm(progress.hypergradient) - progress.norm_hypergradient) < 1e-12
            raise Mine(progress.w.size)

        with pytest.raises(Mine, match="5"):
            run.run(bad)
        assert run.run(lambda progress: progress.step < 6).ending == "stopped"
        with pytest.raises(pyblo.InvalidError, match="monitor: found int"):
            run.run(3)


def test_exceptions_of_a_solver_and_of_nested_calls(case):
    def outer_product(v):
        with pyblo.Solver(2) as nested:
            return nested.solve(lambda _: 1 / 0, np.ones(2))

    with pyblo.Solver(5, ESTIMATOR) as solver:
        with pytest.raises(ZeroDivisionError):
            solver.solve(outer_product, case.f)
        assert np.isfinite(solver.solve(lambda v: case.h @ v, case.f)).all()

        def busy(v):
            return solver.solve(lambda v: v, case.f)

        with pytest.raises(pyblo.BusyError):
            solver.solve(busy, case.f)


@pytest.mark.parametrize(
    "name, returned, words",
    [
        ("hvp", np.ones(5, np.float32), "what hvp returned: found dtype float32, expected float64"),
        ("hvp", np.ones(4), "what hvp returned: found 4 elements, expected 5"),
        ("hvp", 1.0, "what hvp returned: found 1 elements, expected 5"),
        ("hvp", None, "what hvp returned: found None"),
        ("hvp", np.full(5, np.nan), "hvp"),
        ("mixed_vjp", np.ones(5), "what mixed_vjp returned: found 5 elements, expected 3"),
        ("inner", 1.0, "what inner returned: found float, expected .value, gradient."),
        ("inner", (1.0, np.ones(5), np.ones(5)), "what inner returned: found tuple"),
        ("inner", (np.inf, np.ones(5)), "inner"),
        ("outer", (1.0, np.ones(5)), "what outer returned: found tuple, expected .value, gradient_u, gradient_w."),
    ],
)
def test_wrong_answers_are_refused_by_name(case, name, returned, words):
    with pyblo.Workspace(made(case, **{name: lambda *_: returned})) as workspace:
        with pytest.raises(pyblo.Error, match=words):
            use(workspace, case, name)


def test_what_callbacks_see_is_read_only(case):
    def writes(u, w, v):
        v[0] = 1.0
        return v

    with pyblo.Workspace(made(case, hvp=writes)) as workspace:
        with pytest.raises(ValueError, match="read-only"):
            use(workspace, case, "hvp")


def test_threads_have_their_own_exceptions(case):
    def bad(u, w, v):
        raise Mine(threading.current_thread().name)

    problem, found = made(case, hvp=bad), []

    def work():
        for of in (problem, made(case)):
            with pyblo.Workspace(of) as workspace:
                try:
                    use(workspace, case, "hvp")
                    found.append("fine")
                except Mine as error:
                    found.append(str(error))

    # As if a call of this thread were between its callback and its end.
    _callbacks._thrown.error = Mine("of the main thread")
    try:
        thread = threading.Thread(target=work, name="another")
        thread.start()
        thread.join()
    finally:
        del _callbacks._thrown.error
    assert found == ["another", "fine"]


def test_missing_and_odd_functions_are_refused(case):
    with pytest.raises(pyblo.InvalidError, match="hvp: found NoneType, expected a function"):
        made(case, hvp=None)
    with pytest.raises(pyblo.InvalidError, match="n_outer, n_inner: found 0, 5"):
        pyblo.Problem.callbacks(0, 5, **functions(case))
    with pyblo.Workspace(made(case, mixed_jvp=None)) as workspace:
        with pytest.raises(pyblo.UnsupportedError, match="mixed_jvp"):
            use(workspace, case, "mixed_jvp")
