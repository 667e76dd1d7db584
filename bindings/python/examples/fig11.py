"""Figure 11 of Vicol et al. (ICML 2022): the more terms the Neumann series has, the smaller the learned u and the larger w.

    python fig11.py [--out DIR]

The targets u of 13 points are learned so that a Fourier regressor trained on them predicts 2 at x = 0. Many targets do that;
which are found depends on the hypergradient. Writes fig11.png, and a table to the standard output.
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402

import pyblo  # noqa: E402

ORDER, ALPHA = 10, 1e-7
POINTS = (np.arange(13) - 6.0) / 3.0


def design(x):
    """[1, a_1 cos x, ..., a_L cos Lx, a_1 sin x, ..., a_L sin Lx], a_n = 2^(L - n)."""
    n = np.arange(1, ORDER + 1)
    angle, amplitude = np.multiply.outer(np.atleast_1d(x), n), 2.0 ** (ORDER - n)
    return np.hstack([np.ones((len(angle), 1)), amplitude * np.cos(angle), amplitude * np.sin(angle)])


def methods():
    for terms in (0, 1, 10, 100, 1000):
        yield f"K = {terms}", pyblo.Estimator("neumann", terms=terms, alpha=ALPHA, verify=False)
    for terms in (10_000, 100_000, 1_000_000):  # from the spectrum
        estimator = pyblo.Estimator("neumann_filter", by="dense", terms=terms, alpha=ALPHA, verify=False)
        yield f"K = {terms}", estimator
    yield "exact", pyblo.Estimator("min_norm", by="dense", verify=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("."))
    out = parser.parse_args().out
    problem = pyblo.Problem.regression(
        (design(POINTS), None), (design(0.0), [2.0]), outer_parameters="targets", reduction="sum"
    )
    options = pyblo.RunOptions(
        outer_rule=pyblo.Rule("descent", step=1e-2), outer_steps=2_000_000, outer_tolerance=5e-11
    )
    figure, axes = plt.subplots(1, 2, figsize=(11, 4))
    x = np.linspace(-2.2, 2.2, 400)
    norms = []
    for color, (name, estimator) in zip(plt.cm.viridis(np.linspace(0, 0.95, 9)), methods()):
        with pyblo.Runner(problem, np.zeros(13), np.zeros(2 * ORDER + 1), options, estimator) as runner:
            outcome = runner.run(progress=True)
            u, w = runner.u, runner.w
        norms.append((np.linalg.norm(u), np.linalg.norm(w)))
        print(f"{name:11s} |u| {norms[-1][0]:.8f}  |w| {norms[-1][1]:.6e}  F {outcome.outer_loss:.1e}  {outcome.ending}")
        axes[0].plot(x, design(x) @ w, color=color, label=name)
        axes[0].plot(POINTS, u, ".", color=color)
    axes[0].plot([0], [2], "k*", markersize=12)
    axes[0].set(xlabel="x", title="Regressors and learned targets")
    axes[0].legend(fontsize=8)
    axes[1].loglog(*np.array(norms[:-1]).T, "o-", label="Neumann series")
    axes[1].loglog(*norms[-1], "r*", markersize=12, label="exact")
    axes[1].set(xlabel="|u|", ylabel="|w|", title="A small u needs a large w")
    axes[1].legend()
    out.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(out / "fig11.png", dpi=120)


if __name__ == "__main__":
    main()
