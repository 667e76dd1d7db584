"""Every estimator against its spectral filter on matrices whose eigenpairs are known, and unrolling against the series."""

import numpy as np
import pytest
from common import EPSILON, Case

import pyblo

SHAPES = [(1, 1), (1, 0), (2, 2), (2, 1), (3, 3), (3, 2), (5, 0), (7, 4), (13, 13), (20, 11)]


def series(alpha, terms):
    return lambda value: sum(alpha * (1 - alpha * value) ** j for j in range(terms + 1))


def filters(scale, condition):
    """(estimator, its r, how much it amplifies rounding)."""
    for by in ("lanczos", "dense"):
        yield pyblo.Estimator("min_norm", by=by), lambda value: 1 / value if value else 0.0, condition**2
        for epsilon in (0.01 * scale, scale):
            estimator = pyblo.Estimator("damped", by=by, epsilon=epsilon)
            yield estimator, lambda value, epsilon=epsilon: 1 / (value + epsilon), scale / epsilon
    alpha = 1.3 / scale
    for terms in (0, 1, 2, 7, 40):
        r = series(alpha, terms)
        yield pyblo.Estimator("neumann", terms=terms, alpha=alpha), r, 1 + terms
        yield pyblo.Estimator("neumann_filter", terms=terms, alpha=alpha, by="dense"), r, 4 * (1 + terms)
    yield pyblo.Estimator("identity", alpha=alpha), lambda _: alpha, 1
    yield pyblo.Estimator("zero"), lambda _: 0.0, 1


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n, rank", SHAPES)
def test_estimators_equal_their_filters(n, rank, dtype):
    scale, condition = 3.0, 10.0
    for seed in range(4):
        case = Case(seed, n, rank, condition, m=n + 1, scale=scale)
        u, w = case.u.astype(dtype), case.w.astype(dtype)
        slack = (1e-12 if dtype == np.float64 else 1e-6) / EPSILON[dtype]
        with pyblo.Workspace(case.problem(dtype)) as workspace:
            for estimator, r, amplification in filters(scale, condition):
                found = workspace.hypergradient(u, w, estimator)
                expected = case.hypergradient(r)
                largest = max(abs(r(value)) for value in case.values)
                size = np.linalg.norm(case.b, 2) * largest * np.linalg.norm(case.w + case.f)
                bound = 16 * (n + 4) * EPSILON[dtype] * (amplification + slack) * size
                error = np.linalg.norm(found - expected)
                assert error <= bound, f"{estimator}: {error} above {bound}, {workspace.report}"
                assert found.dtype == dtype


@pytest.mark.parametrize("n, rank", SHAPES)
def test_unrolling_from_a_solution_is_the_series_with_one_term_less(n, rank):
    case, alpha = Case(3, n, rank, 10.0).in_range(), 0.7
    with pyblo.Workspace(case.problem()) as workspace:
        w = workspace.fixpoint(case.u, case.w)
        assert np.linalg.norm(case.h @ w + case.b @ case.u) <= 1e-12 * (1 + np.linalg.norm(case.b @ case.u))
        for steps in (1, 2, 3, 10):
            neumann = pyblo.Estimator("neumann", terms=steps - 1, alpha=alpha)
            expected = workspace.hypergradient(case.u, w, neumann)
            for mode in ("reverse", "reverse_checkpointed", "forward"):
                rule = pyblo.Rule("descent", step=alpha)
                unrolled = pyblo.Estimator("unrolled", steps=steps, rule=rule, mode=mode)
                found = workspace.hypergradient(case.u, w, unrolled)
                assert np.linalg.norm(found - expected) <= 1e-12 * (np.linalg.norm(expected) + 1)


def test_solver_and_session_equal_the_filter_and_each_other():
    for n, rank in SHAPES:
        case = Case(5, n, rank, 10.0)
        b = case.h @ case.f if rank else case.f
        estimator = pyblo.Estimator("cg", iterations=2 * n + 3)
        with pyblo.Solver(n, estimator) as solver, pyblo.Session(n, estimator) as session:
            q = solver.solve(lambda v: case.h @ v, b)
            session.start(b)
            request, vector = session.step()
            while request == "product":
                request, vector = session.step(case.h @ vector)
            assert request == "done"
            assert np.array_equal(vector, q)
            assert repr(session.report) == repr(solver.report)  # NaN is not NaN
            if rank:
                expected = case.apply(lambda value: 1 / value if value else 0.0) @ b
                assert np.linalg.norm(q - expected) <= 1e-11 * np.linalg.norm(expected), (n, rank, solver.report)


def test_the_report_tells_what_was_done():
    case = Case(0, 7, 7, 10.0)
    with pyblo.Workspace(case.problem()) as workspace:
        with pytest.raises(pyblo.InvalidError, match="report: found no solve"):
            _ = workspace.report
        q = np.empty(7)
        workspace.hypergradient(case.u, case.w, pyblo.Estimator("neumann", terms=9, alpha=0.5), q=q)
        report = workspace.report
        b = case.w + case.f
        assert (report.ending, report.products, report.alpha) == ("completed", 9, 0.5)
        assert abs(report.residual - np.linalg.norm(case.h @ q - b) / np.linalg.norm(b)) < 1e-14
        assert abs(report.rhs_norm - np.linalg.norm(b)) < 1e-14
        assert abs(report.outer_loss - (case.w @ case.w / 2 + case.f @ case.w)) < 1e-13
        workspace.hypergradient(case.u, case.w, pyblo.Estimator("neumann", terms=50, alpha=5.0))
        assert workspace.report.ending == "non_contractive" and workspace.report.growth > 1


def test_products_and_responses():
    case = Case(1, 7, 4, 10.0, m=3)
    v, du = case.rng.standard_normal(7), case.rng.standard_normal(3)
    estimator = pyblo.Estimator("damped", by="dense", epsilon=0.1)
    r = case.apply(lambda value: 1 / (value + 0.1))
    with pyblo.Workspace(case.problem()) as workspace:
        workspace.linearize(case.u, case.w)
        pairs = [
            (workspace.hvp(v), case.h @ v),
            (workspace.mixed_vjp(v), case.b.T @ v),
            (workspace.mixed_jvp(du), case.b @ du),
            (workspace.response_jvp(case.u, case.w, du, estimator), -r @ case.b @ du),
            (workspace.response_vjp(case.u, case.w, v, estimator), -case.b.T @ r @ v),
        ]
        for found, expected in pairs:
            assert np.linalg.norm(found - expected) <= 1e-13 * np.linalg.norm(expected)
        gradient = np.empty(7)
        value = workspace.inner(case.u, case.w, gradient=gradient)
        assert abs(value - (case.w @ case.h @ case.w / 2 + case.w @ case.b @ case.u)) < 1e-13
        assert np.allclose(gradient, case.h @ case.w + case.b @ case.u, rtol=0, atol=1e-13)
        by_u, by_w = np.empty(3), np.empty(7)
        value = workspace.outer(case.u, case.w, gradient_u=by_u, gradient_w=by_w)
        assert abs(value - (case.w @ case.w / 2 + case.f @ case.w)) < 1e-13
        assert not by_u.any() and np.allclose(by_w, case.w + case.f, rtol=0, atol=1e-14)
        assert workspace.reserve(estimator) > 0
