"""The same bits as Rust, in the same build of the library."""

import os

import numpy as np
import pytest
import rust

import pyblo


@pytest.fixture(scope="module")
def peer():
    if not rust.PATH.exists():
        reason = f"no {rust.PATH}: cargo build --release --example python_peer"
        assert not os.environ.get("BLO_REQUIRE_PEER"), reason
        pytest.skip(reason)
    with rust.Peer() as peer:
        yield peer


def bits(array):
    return [f"{word:x}" for word in array.view(f"u{array.itemsize}").tolist()]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_hypergradients_have_the_bits_of_rust(peer, dtype):
    problem, u, w = rust.quadratic(dtype)
    estimators = rust.estimators()
    expected = peer.ask(f"bits f{np.dtype(dtype).itemsize * 8}", len(estimators))
    with pyblo.Workspace(problem) as workspace:
        found = [bits(workspace.hypergradient(u, w, estimator)) for estimator in estimators]
    assert found == expected
    assert len({tuple(row) for row in found}) == len(found)


def test_a_warm_start_run_of_a_network_has_the_bits_of_rust(peer):
    expected = peer.ask("bits ring", 21)
    hypergradient = np.empty(4, np.float32)
    with rust.rings() as runner:
        for step in range(20):
            assert runner.step(out=hypergradient)
            assert bits(hypergradient) == expected[step]
        assert bits(np.concatenate([runner.u, runner.w])) == expected[20]
