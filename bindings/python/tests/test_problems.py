"""Regressions and networks against NumPy, and the analyses."""

import numpy as np
import pytest
from common import Case

import pyblo

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((9, 4)), RNG.standard_normal(9)
X2, Y2 = RNG.standard_normal((5, 4)), RNG.standard_normal(5)
W = RNG.standard_normal(4)


def test_regressions_are_their_formulas():
    with pyblo.Problem.regression((X, Y), (X2, Y2), outer_parameters="log_l2", group="feature") as problem:
        assert (problem.n_outer, problem.n_inner, problem.n_examples) == (4, 4, 9)
        u = RNG.standard_normal(4)
        with pyblo.Workspace(problem) as workspace:
            f = np.mean((X @ W - Y) ** 2) / 2 + np.exp(u) @ W**2 / 2
            assert abs(workspace.inner(u, W) - f) < 1e-13
            assert abs(workspace.outer(u, W) - np.mean((X2 @ W - Y2) ** 2) / 2) < 1e-13
            h = X.T @ X / 9 + np.diag(np.exp(u))
            w = workspace.fixpoint(u, W)
            assert np.allclose(w, np.linalg.solve(h, X.T @ Y / 9), rtol=0, atol=1e-12)
            expected = -np.exp(u) * w * np.linalg.solve(h, X2.T @ (X2 @ w - Y2) / 5)
            found = workspace.hypergradient(u, w, pyblo.Estimator("min_norm", by="dense"))
            assert np.linalg.norm(found - expected) <= 1e-11 * np.linalg.norm(expected)
            scores = workspace.influence(u, w, pyblo.Estimator("min_norm", by="dense"))
            q = np.linalg.solve(h, X2.T @ (X2 @ w - Y2) / 5)
            expected = -(X * (X @ w - Y)[:, None]) @ q / 9
            assert scores.shape == (9,) and np.allclose(scores, expected, rtol=0, atol=1e-11)
    targets = pyblo.Problem.regression((X, None), (X2, Y2), outer_parameters="targets", reduction="sum")
    with targets, pyblo.Workspace(targets) as workspace:
        assert abs(workspace.inner(Y, W) - np.sum((X @ W - Y) ** 2) / 2) < 1e-12
    classes = np.eye(3)[RNG.integers(0, 3, 9)], np.eye(3)[RNG.integers(0, 3, 5)]
    softmax = pyblo.Problem.regression((X, classes[0]), (X2, classes[1]), loss="softmax", classes=3)
    with softmax, pyblo.Workspace(softmax) as workspace:
        w = RNG.standard_normal((3, 4))
        z = X2 @ w.T
        expected = np.mean(np.log(np.exp(z).sum(1)) - (z * classes[1]).sum(1))
        assert abs(workspace.outer([0.0], w) - expected) < 1e-13


def test_a_network_is_its_layers():
    widths = [4, 6, 2]
    labels = np.eye(2)[RNG.integers(0, 2, 5)]
    problem = pyblo.Problem.network(widths, (None, np.eye(2)), (X2, labels), activation="tanh", outer_parameters="inputs")
    with problem, pyblo.Workspace(problem) as workspace:
        assert (problem.n_outer, problem.n_inner) == (8, 4 * 6 + 6 + 6 * 2 + 2)
        w = problem.initial("glorot", 3)
        assert np.array_equal(w, problem.initial("glorot", 3)) and not np.array_equal(w, problem.initial("glorot", 4))
        assert not problem.initial("zero").any()
        w1, b1, w2, b2 = w[:24].reshape(6, 4), w[24:30], w[30:42].reshape(2, 6), w[42:]
        z = np.tanh(X2 @ w1.T + b1) @ w2.T + b2
        assert np.allclose(problem.predict(w, X2), z, rtol=0, atol=1e-13)
        assert problem.predict(w, X2[:1]).shape == (1, 2)
        expected = np.mean(np.log(np.exp(z).sum(1)) - (z * labels).sum(1))
        u = RNG.standard_normal((2, 4))
        assert abs(workspace.outer(u, w) - expected) < 1e-13
        assert workspace.hypergradient(u, w, pyblo.Estimator("neumann", terms=3, alpha=0.1)).shape == (2, 4)
        with pytest.raises(pyblo.ShapeError, match=r"x: found shape \(5, 3\), expected \(rows, 4\)"):
            problem.predict(w, X2[:, :3])
    both = pyblo.Problem.network(widths, 3, (X2, labels), outer_parameters="inputs_and_label_logits")
    assert both.n_outer == 3 * 4 + 3 * 2


def test_examples_are_lent_without_copies():
    from pyblo.problem import _lent

    assert not _lent
    labels = np.eye(2)[[0, 1, 1, 0, 1]]
    for make in [
        lambda x, copy: pyblo.Problem.regression((X, Y), (x, Y2), copy=copy),
        lambda x, copy: pyblo.Problem.network([4, 3, 2], (None, np.eye(2)), (x, labels), copy=copy),
    ]:
        x = X2.copy()
        copied, lent = make(x, True), make(x, False)
        assert len(_lent) == 2
        u, w = np.ones(lent.n_outer), np.linspace(-1.0, 2.0, lent.n_inner)
        with copied, pyblo.Workspace(copied) as by_copy, pyblo.Workspace(lent) as in_place:
            value = by_copy.outer(u, w)
            assert in_place.outer(u, w) == value
            # Written to in spite of the rule: only to see where it is read.
            x[:] = 2.0 * x
            assert by_copy.outer(u, w) == value and in_place.outer(u, w) != value
            lent.close()
            assert len(_lent) == 2 and np.isfinite(in_place.outer(u, w))
        assert not _lent
        with pytest.raises(pyblo.Error):
            make(X2[:, :3].copy(), False)
        assert not _lent


def test_wrong_examples_are_refused():
    for make, words in [
        (lambda: pyblo.Problem.regression(X, (X2, Y2)), r"inner: found ndarray, expected \(design, targets\)"),
        (lambda: pyblo.Problem.regression((X, Y[:3]), (X2, Y2)), r"inner targets: found shape \(3,\), expected \(9, 1\)"),
        (lambda: pyblo.Problem.regression((X[0], Y), (X2, Y2)), r"inner design: found shape \(4,\)"),
        (lambda: pyblo.Problem.regression((X, Y), (X2[:, :3].copy(), Y2)), "features"),
        (lambda: pyblo.Problem.regression((X, Y), (X2, Y2), loss="hinge"), "loss: found 'hinge', expected one of squared"),
        (lambda: pyblo.Problem.regression((X, Y), (X2, None)), "targets"),
        (lambda: pyblo.Problem.network([4], (X, Y), (X2, Y2)), "widths: found 1, expected two or more"),
        (lambda: pyblo.Problem.network("ab", (X, Y), (X2, Y2)), "widths: found 'ab'"),
        (lambda: pyblo.Problem.network([3, 1], (X, Y), (X2, Y2), outer_parameters="log_l2"), "features|widths|design"),
    ]:
        with pytest.raises(pyblo.Error, match=words):
            make()
    with pytest.raises(pyblo.InvalidError, match="predict: found a problem that is no network"):
        Case(0, 2, 2, 1.0).problem().predict(np.zeros(2), np.zeros((1, 2)))


def test_analyses():
    case = Case(2, 5, 3, 10.0, m=2).in_range()
    problem, estimator = case.problem(), pyblo.Estimator("damped", by="dense", epsilon=0.5)
    spectrum = pyblo.spectrum(problem, case.u, case.w, estimator=estimator)
    assert np.allclose(spectrum.eigenvalues, np.sort(case.values), rtol=0, atol=1e-14)
    assert np.allclose(spectrum.responses, 1 / (np.sort(case.values) + 0.5), rtol=1e-12, atol=0)
    assert abs(np.sum(spectrum.shares**2) - 1) < 1e-12
    with pyblo.Workspace(problem) as workspace:
        w = workspace.fixpoint(case.u, np.zeros(5))
        norm = np.linalg.norm(workspace.hypergradient(case.u, w, estimator))
    for options, start in [(pyblo.RunOptions(start="cold"), np.zeros(5)), (pyblo.RunOptions(start="warm"), None)]:
        found = pyblo.equilibrium_residuals(problem, case.u, w, options=options, estimator=estimator, start=start)
        assert found.fixpoint < 1e-12 and abs(found.outer - norm) < 1e-12
    away = w + (np.eye(5) - case.apply(lambda value: float(value != 0.0))) @ case.f
    gap = pyblo.retraining_gap(problem, np.zeros(5), case.u, away)
    assert np.allclose(gap.retrained, w, rtol=0, atol=1e-12)
    assert abs(gap.run_loss - (away @ away / 2 + case.f @ away)) < 1e-12
    assert abs(gap.retrained_loss - (w @ w / 2 + case.f @ w)) < 1e-12
    for n in (1, 2, 3):
        x, w = case.rng.standard_normal(n), case.rng.standard_normal(n)
        expected = w + x * (0.7 - x @ w) / (x @ x)
        assert np.allclose(pyblo.project(x, 0.7, w), expected, rtol=0, atol=1e-13)
    with pytest.raises(pyblo.InvalidError):
        pyblo.project(np.zeros(3), 1.0, np.zeros(3))
