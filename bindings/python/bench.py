"""What a call from Python costs beside the same call in Rust: in turns, in one run; medians.

    cargo build --release --example python_peer
    python bench.py [--check]

--check fails above 5 us for a hypergradient of 20 parameters, or above 1.1 for a warm-start step of figure 7.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "tests"))
import rust  # noqa: E402

import pyblo  # noqa: E402


def nanoseconds(call, calls):
    start = time.perf_counter_ns()
    for _ in range(calls):
        call()
    return (time.perf_counter_ns() - start) / calls


def compare(peer, name, call, rounds, calls):
    """Medians of nanoseconds a call in Rust and in Python, and of their difference and ratio, round by round."""
    pairs = []
    for _ in range(rounds):
        theirs = int(peer.ask(f"time {name} {calls}")[0][0]) / calls
        pairs.append((theirs, nanoseconds(call, calls)))
    columns = [*zip(*pairs), [ours - theirs for theirs, ours in pairs], [ours / theirs for theirs, ours in pairs]]
    return [statistics.median(column) for column in columns]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    with rust.Peer() as peer:
        problem, u, w = rust.quadratic()
        estimator = pyblo.Estimator("neumann", terms=10, alpha=0.3)
        with pyblo.Workspace(problem) as workspace:
            call = lambda: workspace.hypergradient(u, w, estimator)  # noqa: E731
            theirs, ours, over, _ = compare(peer, "hypergradient", call, 200, 200)
        print(f"hypergradient, 20 parameters, K = 10: Rust {theirs / 1e3:.2f} us, Python {ours / 1e3:.2f} us, {over / 1e3:.2f} us over")
        with rust.rings() as runner:
            theirs, ours, _, ratio = compare(peer, "ring", runner.step, 60, 10)
        print(f"warm-start step of figure 7: Rust {theirs / 1e3:.0f} us, Python {ours / 1e3:.0f} us, {ratio:.3f} times")
    if check and (over > 5000 or ratio > 1.1):
        raise SystemExit("above 5 us or 1.1 times")


if __name__ == "__main__":
    main()
