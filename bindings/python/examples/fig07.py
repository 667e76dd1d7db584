"""Figure 7 of Vicol et al. (ICML 2022): two learned points teach a network two rings, since a warm start remembers.

    python fig07.py [--steps N] [--out DIR]

The network is trained on two points alone, one step for each step that the points make. Trained anew on the points of the end,
it does not know the rings. Writes fig07.png.
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402

import pyblo  # noqa: E402

WIDTHS = [2, 200, 200, 200, 2]
RADII, PER_RING, HALF = (1.0, 2.5), 100, 5.0


def rings(random):
    angle = np.arange(PER_RING) * 2 * np.pi / PER_RING
    radius = np.repeat(RADII, PER_RING) + 0.1 * random.standard_normal(2 * PER_RING)
    x = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)[np.arange(2 * PER_RING) % PER_RING]
    return x.astype(np.float32), np.eye(2, dtype=np.float32)[np.repeat([0, 1], PER_RING)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("."))
    asked = parser.parse_args()
    random = np.random.default_rng(asked.seed)
    x, targets = rings(random)
    problem = pyblo.Problem.network(
        WIDTHS, (None, np.eye(2, dtype=np.float32)), (x, targets), outer_parameters="inputs"
    )
    descent = pyblo.Rule("descent", step=0.001)
    options = pyblo.RunOptions(
        start="warm",
        inner="optimizer",
        inner_steps=1,
        inner_rule=descent,
        outer_rule=pyblo.Rule("adam", step=0.01),
        outer_steps=asked.steps,
    )
    u, w = random.standard_normal(4).astype(np.float32), problem.initial("glorot", asked.seed)
    way, losses = [], []

    def look(at):
        if at.step % 10 == 0:
            way.append(at.u.reshape(2, 2))
            losses.append((at.step, at.outer_loss))

    estimator = pyblo.Estimator("unrolled", steps=1, rule=descent)
    with pyblo.Runner(problem, u, w, options, estimator) as runner:
        outcome = runner.run(look, progress=True)
        u, w = runner.u, runner.w

    def accuracy(w):
        return np.mean(problem.predict(w, x).argmax(1) == targets.argmax(1))

    anew = pyblo.RunOptions(inner="optimizer", inner_steps=10_000, inner_rule=pyblo.Rule("descent", step=0.01))
    gap = pyblo.retraining_gap(problem, problem.initial("glorot", asked.seed + 1), u, w, options=anew)
    rows = [("warm start", w, gap.run_loss), ("trained anew", gap.retrained, gap.retrained_loss)]
    for name, parameters, loss in rows:
        print(f"{name:12s} accuracy {accuracy(parameters):.3f}  F {loss:.4f}")
    print(f"{outcome.steps} steps, {outcome.ending}")

    cells = np.linspace(-HALF, HALF, 200, dtype=np.float32)
    plane = np.stack(np.meshgrid(cells, cells), -1).reshape(-1, 2)
    figure, axes = plt.subplots(1, 3, figsize=(15, 4.6))
    way = np.array(way)
    for axis, (name, parameters, _) in zip(axes, rows):
        classes = problem.predict(parameters, plane).argmax(1).reshape(200, 200)
        axis.contourf(cells, cells, classes, levels=[-0.5, 0.5, 1.5], colors=["#cfe0f5", "#f8d9c4"])
        axis.scatter(*x.T, c=targets.argmax(1), cmap="coolwarm", s=6)
        axis.set(title=f"{name}, accuracy {accuracy(parameters):.0%}", aspect="equal")
    axes[0].plot(*way[:, 0].T, "b-", *way[:, 1].T, "r-", linewidth=0.8)
    axes[1].plot(*way[-1].T, "k*", markersize=12)
    axes[2].semilogy(*np.array(losses).T)
    axes[2].set(xlabel="outer steps", title="Outer loss")
    asked.out.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(asked.out / "fig07.png", dpi=120)


if __name__ == "__main__":
    main()
