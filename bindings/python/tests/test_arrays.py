"""What comes in and goes out: dtypes, shapes, gaps, read-only arrays, tensors."""

import numpy as np
import pytest
from common import Case

import pyblo
from pyblo import _arrays

ESTIMATOR = pyblo.Estimator("neumann", terms=5, alpha=0.3)


class Tensor:
    """A tensor of another library: DLPack and nothing else."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class OnDevice(Tensor):
    def __dlpack__(self, **_):
        raise BufferError("not on the CPU")


@pytest.fixture
def at():
    case = Case(0, 6, 6, 10.0, m=4)
    with pyblo.Workspace(case.problem()) as workspace:
        yield case, workspace, workspace.hypergradient(case.u, case.w, ESTIMATOR)


def frozen(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def test_arrays_of_any_kind_give_the_same_bits(at):
    case, workspace, expected = at
    gaps = np.zeros((6, 3))
    gaps[:, 1] = case.w
    for u, w in [
        (frozen(case.u), frozen(case.w)),
        (case.u, gaps[:, 1]),
        (case.u[::-1][::-1], case.w),
        (case.u.tolist(), tuple(case.w)),
        (Tensor(case.u), Tensor(case.w)),
        (case.u.newbyteorder("=") if hasattr(case.u, "newbyteorder") else case.u, case.w),
    ]:
        assert np.array_equal(workspace.hypergradient(u, w, ESTIMATOR), expected)


def test_arrays_and_tensors_without_gaps_are_not_copied():
    array = np.arange(5.0)
    for value in (array, frozen(array), Tensor(array)):
        source = value if isinstance(value, np.ndarray) else array
        found, _ = _arrays.given(value, np.dtype(np.float64), "u", 5)
        assert np.shares_memory(found, source)
    assert not np.shares_memory(_arrays.given(np.zeros((5, 2))[:, 0], np.dtype(np.float64), "u", 5)[0], array)


def test_a_gradient_has_the_shape_of_what_it_is_the_gradient_by(at):
    case, workspace, expected = at
    found = workspace.hypergradient(case.u.reshape(2, 2), case.w.reshape(3, 2), ESTIMATOR)
    assert found.shape == (2, 2) and np.array_equal(found.ravel(), expected)
    out = np.full((4, 1), np.nan)
    assert workspace.hypergradient(case.u, case.w, ESTIMATOR, out=out) is out
    assert np.array_equal(out.ravel(), expected)


def test_an_output_may_be_an_input(at):
    case, workspace, expected = at
    u = case.u.copy()
    workspace.hypergradient(u, case.w, ESTIMATOR, out=u)
    assert np.array_equal(u, expected)


def refused(error, *words):
    return pytest.raises(error, match=".*".join(words))


def test_bad_arrays_are_refused_by_name(at):
    case, workspace, _ = at
    u, w = case.u, case.w

    def evaluate(u=u, w=w, **rest):
        return workspace.hypergradient(u, w, ESTIMATOR, **rest)

    with refused(pyblo.InvalidError, "u: found dtype float32, expected float64"):
        evaluate(u.astype(np.float32))
    with refused(pyblo.InvalidError, "w: found dtype int64, expected float64"):
        evaluate(w=np.arange(6))
    with refused(pyblo.InvalidError, "w: found dtype >f8, expected float64"):
        evaluate(w=w.astype(">f8"))
    with refused(pyblo.InvalidError, "u: found str, expected numbers"):
        evaluate("abcd")
    with refused(pyblo.InvalidError, "u: found None"):
        evaluate(None)
    with refused(pyblo.InvalidError, "u: found OnDevice, expected a tensor on the CPU", "not on the CPU"):
        evaluate(OnDevice(u))
    for size in (0, 1, 3, 5):
        with refused(pyblo.ShapeError, f"u: found {size} elements, expected 4"):
            evaluate(np.zeros(size))
        with refused(pyblo.ShapeError, f"out: found {size} elements, expected 4"):
            evaluate(out=np.zeros(size))
        with refused(pyblo.ShapeError, f"v: found {size} elements, expected 6"):
            workspace.response_vjp(u, w, np.zeros(size), ESTIMATOR)
    with refused(pyblo.InvalidError, "out: found dtype float32"):
        evaluate(out=np.zeros(4, np.float32))
    with refused(pyblo.InvalidError, "out: found an array that cannot be written in place"):
        evaluate(out=frozen(u))
    with refused(pyblo.InvalidError, "out: found an array that cannot be written in place"):
        evaluate(out=np.zeros((4, 2))[:, 0])
    with refused(pyblo.InvalidError, "q: found list, expected a NumPy array"):
        evaluate(q=[0.0] * 6)
    with refused(pyblo.NonFiniteError, "w"):
        evaluate(w=w * np.nan)
    with refused(pyblo.InvalidError, "estimator: found str, expected Estimator"):
        workspace.hypergradient(u, w, "cg")


def test_results_are_those_of_the_precision():
    case = Case(2, 5, 5, 10.0)
    with pyblo.Workspace(case.problem(np.float32)) as workspace:
        found = workspace.hypergradient(case.u.astype(np.float32), case.w.astype(np.float32), ESTIMATOR)
        assert found.dtype == np.float32
        with refused(pyblo.InvalidError, "u: found dtype float64, expected float32"):
            workspace.hypergradient(case.u, case.w, ESTIMATOR)
        # Numbers of Python have no precision of their own.
        lists = case.u.astype(np.float32).tolist(), case.w.astype(np.float32).tolist()
        assert np.array_equal(workspace.hypergradient(*lists, ESTIMATOR), found)


def test_options_are_checked():
    for make, words in [
        (lambda: pyblo.Estimator("newton"), "kind: found 'newton', expected one of min_norm, damped"),
        (lambda: pyblo.Estimator("cg", iterations=2.5), "iterations: found 2.5, expected an integer"),
        (lambda: pyblo.Estimator("cg", iterations=2**70), "expected an integer that fits"),
        (lambda: pyblo.Estimator("damped", epsilon="x"), "epsilon"),
        (lambda: pyblo.Estimator("unrolled", rule="adam"), "rule: found 'adam', expected a Rule"),
        (lambda: pyblo.RunOptions(start="hot"), "start: found 'hot', expected one of cold, warm"),
        (lambda: pyblo.Solver(3, pyblo.Estimator("damped", epsilon=-1.0)), "epsilon: found -1"),
        (lambda: pyblo.Solver(0), "n: found 0"),
        (lambda: pyblo.Problem.quadratic(np.eye(2), np.eye(3), np.eye(3)), r"a: found shape \(2, 2\), expected"),
        (lambda: pyblo.Problem.quadratic(np.eye(2, dtype=int), np.eye(2), np.eye(2)), "dtype: found int64"),
    ]:
        with pytest.raises(pyblo.Error, match=words):
            make()
    estimator = pyblo.Estimator("cg", iterations=np.int64(3), tolerance=np.float32(0.5))
    assert (estimator.kind, estimator.iterations, estimator.tolerance, estimator.by) == ("cg", 3, 0.5, "lanczos")
    assert repr(pyblo.Rule("adam", step=0.1)) == "Rule(kind='adam', step=0.1)"
    assert pyblo.RunOptions().outer_steps == 1000
    with pytest.raises(AttributeError):
        estimator.nothing
