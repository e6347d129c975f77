"""The demos: the numbers they return are the published ones, and a check that misses is noticed."""

import ast
import importlib
import math
from pathlib import Path

import numpy as np
import pytest

from autograd_lite.__main__ import load_demos

DEMOS = load_demos()
FOLDER = Path(DEMOS.__file__).parent


def load(name):
    return importlib.import_module(f"{DEMOS.__name__}.{name}")


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Every demo, run once in its quick setting."""
    out = tmp_path_factory.mktemp("out")
    return {name: load(name).main(out / name, seed=0, quick=True) for name in DEMOS.LADDER}


@pytest.mark.parametrize("name", DEMOS.LADDER)
def test_every_check_holds(reports, name):
    """A demo's own checks hold, and it says what it found."""
    report = reports[name]
    assert report.failures == []
    assert report.ok
    assert report.numbers


@pytest.mark.parametrize("name", DEMOS.LADDER)
def test_pictures_are_there(reports, name):
    """Every picture is a file of the kind its name says, with a caption."""
    for path, caption in reports[name].pictures:
        head = path.read_bytes()[:400]
        assert head.startswith(b"\x89PNG") if path.suffix == ".png" else b"<svg" in head or b"<?xml" in head
        assert caption
    assert reports[name].pictures


def test_worked_example(reports):
    """f(1, 0, 0) = 0.5, its local derivatives, 0.25 and 0.25; a diamond chain costs one visit a node."""
    n = reports["worked_example"].numbers
    local = {"dh1/dw": 1, "dh1/dx": 0, "dh2/dh1": 1, "dh2/db": 1, "dh3/dh2": -1, "dh4/dh3": 1, "dh5/dh4": 1}
    assert {name: n[name] for name in local} == local
    assert n["dh6/dh5"] == -0.25
    assert (n["f"], n["df/dw"], n["df/db"], n["df/dx"]) == (0.5, 0.25, 0.25, 0.0)
    assert (n["L"], n["dL/dw1"], n["dL/dw2"], n["dL/dw3"]) == (20.0, 4.0, 4.0, 5.0)
    assert (n["nodes visited"], n["dy/dx"]) == (61, 2.0**60)


def test_compiled(reports):
    """Every row equals plain Python; the loop's derivative is that of the square root."""
    n = reports["compiled"].numbers
    assert n["equal to plain Python"] == 2000
    assert n["largest error of a slope"] < 1e-9


def test_chain_rule(reports):
    """dy2/dy1 times dy1/dw1 is dy2/dw1 = 2."""
    n = reports["chain_rule"].numbers
    assert n["dy2/dy1"] * n["dy1/dw1"] == n["dy2/dw1"] == 2.0


def test_gradient_tape(reports):
    """None outside, 2 inside, 2 when asked again; nested: 3, 1, None."""
    n = reports["gradient_tape"].numbers
    assert (n["outside: dy/dw"], n["inside: dy/dw"], n["asked again: dy/dw"]) == (None, 2.0, 2.0)
    assert (n["dy/dw"], n["dy/db"], n["d2y/dw2"]) == (3.0, 1.0, None)
    assert n["d2z/dw2"] == 6.0


def test_perceptron(reports):
    """Gradients of 0.25 at the start; afterwards the output of the same descent in NumPy."""
    n = reports["perceptron"].numbers
    assert (n["dy/dw"], n["dy/db"], n["dC/dw"], n["dC/db"]) == (0.25, 0.25, -0.25, -0.25)
    p = np.zeros(2)
    for _ in range(1000):
        y = 1 / (1 + np.exp(-p.sum()))
        p = p - 0.1 * 2 * (y - 1) * y * (1 - y) * np.ones(2)
    assert n["w"] == pytest.approx(p[0], abs=1e-11)
    assert n["output"] == pytest.approx(1 / (1 + math.exp(-p.sum())), abs=1e-11)


def matrix_xor(p, inputs, targets, steps):
    """Train 2-2-1 by backpropagation written with matrices: shares nothing with the demos."""
    W, b, v, c = p[[0, 1, 3, 4]].reshape(2, 2), p[[2, 5]], p[[6, 7]], p[8]
    for _ in range(steps):
        h = 1 / (1 + np.exp(-(inputs @ W.T + b)))
        y = 1 / (1 + np.exp(-(h @ v + c)))
        delta = 2 * (y - targets) * y * (1 - y)
        inner = delta[:, None] * v * h * (1 - h)
        W, b = W - 0.1 * inner.T @ inputs, b - 0.1 * inner.sum(0)
        v, c = v - 0.1 * h.T @ delta, c - 0.1 * delta.sum()
    h = 1 / (1 + np.exp(-(inputs @ W.T + b)))
    return np.array([*W[0], b[0], *W[1], b[1], *v, c]), 1 / (1 + np.exp(-(h @ v + c)))


def test_xor_one_sample(reports):
    """Nine parameters after 1,000 steps from 0 are those of matrix backpropagation."""
    n = reports["xor_one_sample"].numbers
    p, y = matrix_xor(np.zeros(9), np.array([[1.0, 0.0]]), np.array([1.0]), 1000)
    assert [n[name] for name in load("xor_one_sample").NAMES] == pytest.approx(list(p), abs=1e-11)
    assert n["output"] == pytest.approx(y[0], abs=1e-11)
    assert n["w2"] == n["w4"] == 0.0


INPUTS, TARGETS = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0.0, 1, 1, 0])


def test_xor(reports):
    """The quick run ends where matrix backpropagation ends from the same start."""
    n = reports["xor"].numbers
    epochs = load("xor").QUICK_EPOCHS
    _, y = matrix_xor(np.random.default_rng(0).normal(size=9), INPUTS, TARGETS, epochs)
    outputs = [n[f"y({a:.0f}, {b:.0f}), wanted {t:.0f}"] for (a, b), t in zip(INPUTS, TARGETS, strict=True)]
    assert outputs == pytest.approx(list(y), abs=1e-9)
    assert n["cost at the end"] == pytest.approx(float(((y - TARGETS) ** 2).sum()), abs=1e-9)


@pytest.mark.slow
def test_xor_in_full(tmp_path):
    """30,000 epochs: seed 0 gets below 0.002, seed 8 stays at 0.50 and says so."""
    xor = load("xor")
    solved, stuck = (xor.main(tmp_path / str(seed), seed=seed) for seed in (0, 8))
    assert solved.ok
    assert solved.numbers["cost at the end"] < 0.002
    assert stuck.ok
    assert stuck.numbers["cost at the end"] == pytest.approx(0.50, abs=0.005)
    assert any("stuck" in line for line in stuck.lines)


def test_himmelblau(reports):
    """Four starts, four minima; on the way the points that the original printed."""
    n = reports["himmelblau"].numbers
    for start, minimum in {
        "4, 0": (3.584428, -1.848127),
        "1, 0": (3.0, 2.0),
        "-4, 0": (-3.779310, -3.283186),
        "-2, 2": (-2.805118, 3.131313),
    }.items():
        assert (n[f"x from {start}"], n[f"y from {start}"]) == pytest.approx(minimum, abs=1.5e-6)
        assert n[f"f from {start}"] < 1e-11
    assert (n["x after step 19"], n["y after step 19"]) == pytest.approx((3.5381215, -1.3465767), abs=5e-6)
    assert n["f before step 19"] == pytest.approx(3.7151756, rel=1e-4)
    assert (n["x after step 39"], n["y after step 39"]) == pytest.approx((3.5843277, -1.8470242), abs=5e-6)


def test_a_missed_check_is_a_failure(tmp_path, capsys):
    """A number off its known answer, a NaN, a None and a false claim each fail the report; the others do not."""
    report = load("common").Report(tmp_path)
    report.number("near", 1.0 + 1e-9, 1.0, 1e-8)
    report.number("unknown", 3.0)
    report.check("true", holds=True)
    assert report.ok
    report.number("far", 1.1, 1.0, 1e-8)
    report.number("nan", math.nan, 1.0, 1e-8)
    report.number("none", None, 1.0)
    report.check("false", holds=False)
    assert len(report.failures) == 4
    assert "FAILED" in capsys.readouterr().out


def test_without_matplotlib(tmp_path, monkeypatch):
    """A demo prints and checks itself where matplotlib is missing."""
    common = load("common")
    found = importlib.util.find_spec
    monkeypatch.setattr(common.importlib.util, "find_spec", lambda name: None if name == "matplotlib" else found(name))
    report = load("himmelblau").main(tmp_path)
    assert report.ok
    assert report.pictures == []
    assert any("needs matplotlib" in line for line in report.lines)


def test_without_a_renderer(tmp_path, monkeypatch):
    """A demo prints and checks itself where no Graphviz renderer is found."""
    al = pytest.importorskip("autograd_lite")

    def missing(*_args, **_kwargs):
        raise al.RendererNotFound("no Graphviz renderer was found")

    monkeypatch.setattr(al, "draw", missing)
    report = load("chain_rule").main(tmp_path)
    assert report.ok
    assert report.pictures == []


def test_the_ladder_is_complete():
    """Every demo file stands in the ladder, has a source in its docstring, and stays short."""
    files = {path.stem for path in FOLDER.glob("*.py")} - {"__init__", "common", "page"}
    assert files == set(DEMOS.LADDER)
    for name in DEMOS.LADDER:
        text = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
        assert "Source:" in ast.get_docstring(ast.parse(text)), name
        assert text.count("\n") <= 130, name


def test_demos_import_only_the_public_names():
    """No demo reaches into a module of the library."""
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith("autograd_lite"), path.name
            if isinstance(node, ast.Import):
                assert all(alias.name == "autograd_lite" or "autograd" not in alias.name for alias in node.names)
