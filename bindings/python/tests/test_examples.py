"""The examples run, and find what they should."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
#: |u| and |w| as published with the paper's code; see tests/paper_example.rs.
FIGURE_11 = [
    ("K = 0", 3.92478978, 3.382909e-3),
    ("K = 1", 3.90385022, 3.383563e-3),
    ("K = 10", 3.70943988, 3.457994e-3),
    ("K = 100", 2.93875712, 5.660993e-3),
    ("K = 1000", 2.52607918, 1.134853e-2),
    ("K = 10000", 2.23058633, 2.749029e-2),
    ("K = 100000", 2.04017718, 6.736133e-2),
    ("K = 1000000", 2.00000009, 1.044778e-1),
    ("exact", 2.0, 1.04538248e-1),
]


def run(name, *arguments):
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=EXAMPLES).stdout


def test_figure_11_has_the_published_norms(tmp_path):
    pytest.importorskip("matplotlib")
    rows = re.findall(r"^(.*?) +\|u\| (\S+)  \|w\| (\S+)  F (\S+)  converged$", run("fig11.py", "--out", tmp_path), re.M)
    assert [row[0] for row in rows] == [row[0] for row in FIGURE_11]
    for (_, u, w, loss), (_, norm_u, norm_w) in zip(rows, FIGURE_11):
        assert abs(float(u) - norm_u) < 2e-8 and abs(float(w) - norm_w) < 1e-6 * norm_w and float(loss) < 1e-18
    assert (tmp_path / "fig11.png").stat().st_size > 10_000


def test_figure_7_remembers_more_than_its_points_teach(tmp_path):
    pytest.importorskip("matplotlib")
    text = run("fig07.py", "--steps", 1000, "--out", tmp_path)
    (warm, warm_loss), (anew, anew_loss) = re.findall(r"accuracy (\S+)  F (\S+)", text)
    assert float(warm) > 0.9 > 0.7 > float(anew) and float(warm_loss) < 1 < float(anew_loss)
    assert (tmp_path / "fig07.png").stat().st_size > 10_000


def test_the_jax_example():
    pytest.importorskip("jax", reason="jax is not installed")
    assert "relative difference" in run("jax_model.py")


def test_the_readme_s_ten_lines(capsys):
    text = (EXAMPLES.parent / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.S)
    scope = {}
    exec(code, scope)
    assert scope["outcome"].ending == "converged" and abs(scope["runner"].problem.n_outer) == 2
    assert "[2. 4.] converged" in capsys.readouterr().out
