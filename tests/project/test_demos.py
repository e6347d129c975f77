"""The demos: the numbers they return are the published ones, and a check that misses is noticed."""

import ast
import importlib
import math
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from tiers import full

from autograd_lite.__main__ import load_demos

DEMOS = load_demos()
FOLDER = Path(DEMOS.__file__).parent


def load(name):
    return importlib.import_module(f"{DEMOS.__name__}.{name}")


class Reports(dict):
    """What each demo returns in its quick setting; run when it is first asked for."""

    def __init__(self, out):
        self.out = out

    def __missing__(self, name):
        self[name] = load(name).main(self.out / name, seed=0, quick=True)
        return self[name]


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Every demo's report."""
    return Reports(tmp_path_factory.mktemp("out"))


LONG = {
    "two_moons",
    "mnist",
    "fashion",
    "microgpt",
    "dead_relu",
    "activations",
    "logistic",
    "mixture",
    "yield_curve",
    "double_pendulum",
    "kepler_fit",
    "burgers",
}  # a second or more each, even in their quick setting
each_demo = pytest.mark.parametrize("name", [pytest.param(n, marks=full) if n in LONG else n for n in DEMOS.LADDER])


@each_demo
def test_every_check_holds(reports, name):
    """A demo's own checks hold, and it says what it found."""
    report = reports[name]
    assert report.failures == []
    assert report.ok
    assert report.numbers


@each_demo
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


def test_bratu(reports):
    """Both solutions, to the error of the grid; three numbers a row."""
    n = reports["bratu"].numbers
    assert n["entries of J"] % 3 == 1
    assert n["lower u(1/2)"] == pytest.approx(0.140539, abs=1e-5)
    assert n["upper u(1/2)"] == pytest.approx(4.091467, abs=3e-5)


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


@full
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


def test_mandelbrot(reports):
    """One path serves all pixels; the gradient is that of the recurrence, the area known."""
    n = reports["mandelbrot"].numbers
    assert n["paths that serve all pixels"] == 1
    assert n["largest relative difference from the recurrence"] < 1e-8
    assert n["area of the set"] == pytest.approx(1.5066, abs=0.02)


@full
def test_logistic(reports):
    """The derivatives are those of the formulas; Newton's method is done after ten steps."""
    n = reports["logistic"].numbers
    assert max(n["g half-way, against the formula"], n["H against the formula"]) < 1e-11
    assert n["steps of Newton's method"] <= 10 < n["descent: distance at its end"] * 1e5


def test_inverse_kinematics(reports):
    """The hand is where it should be; the joints turn as the pseudoinverse says."""
    n = reports["inverse_kinematics"].numbers
    assert max(n["largest miss of the hand"], n["J dq/dgoal - 1"], n["dq/dgoal - pseudoinverse"]) < 1e-12
    assert n["posture after a round, off by"] > 0.005


@full
def test_double_pendulum(reports):
    """Energy and areas stay; the two frequencies near rest."""
    n = reports["double_pendulum"].numbers
    assert n["wild: change of H"] < 1e-8
    assert n["wild: M'WM - W over |M|^2"] < 1e-11
    known = [math.sqrt(9.81 * (2 - math.sqrt(2))), math.sqrt(9.81 * (2 + math.sqrt(2)))]
    assert [n["frequency near rest, -1"], n["frequency near rest, +1"]] == pytest.approx(known, rel=1e-13)


def test_cartpole(reports):
    """The effort of forty times exceeds the least one by the error of the rule; the replay gets near the end."""
    n = reports["cartpole"].numbers
    assert n["effort"] == pytest.approx(58.807667, abs=0.6)
    assert n["effort"] > 58.807667
    assert n["largest defect"] < 1e-6


def test_nist(reports):
    """Ten digits of parameters and of deviations."""
    assert min(reports["nist"].numbers.values()) >= 10.0


@full
def test_nist_in_full(tmp_path):
    """All 27 sets from both starts."""
    report = load("nist").main(tmp_path)
    assert report.ok
    assert len(report.numbers) == 54


@full
def test_kepler_fit(reports):
    """Six parameters of an orbit within their errors; the derivative of the root is the theorem's."""
    n = reports["kepler_fit"].numbers
    for name, truth in load("kepler_fit").TRUTH.items():
        assert abs(n[name] - truth) < 4.0 * n[f"error of {name}"]
    assert n["dE/de against the theorem"] < 1e-12


@full
def test_mixture(reports):
    """Newton's method ends where EM stands still, and the errors are the spread of fits."""
    n = reports["mixture"].numbers
    assert n["difference from EM"] < 1e-7
    assert n["weight"] == pytest.approx(0.3, abs=4.0 * n["error of weight"])
    assert n["spread over error, farthest"] == pytest.approx(1.0, abs=0.64)


@full
def test_yield_curve(reports):
    """The parameters behind exact prices, and the derivative of the fit."""
    n = reports["yield_curve"].numbers
    assert [n[name] for name in ("b0", "b1", "b2", "a")] == pytest.approx([0.045, -0.025, 0.02, 2.5], abs=1e-8)
    assert n["db/dprice - pseudoinverse"] < 1e-9


def test_implied_volatility(reports):
    """Volatilities come back from prices, and the Greeks are those of the book."""
    n = reports["implied_volatility"].numbers
    assert n["error of volatility times vega"] < 1e-12
    assert max(value for name, value in n.items() if "relative" in name) < 1e-13


def test_heston(reports):
    """Price and delta near Heston's integral, as 5,000 paths allow."""
    n = reports["heston"].numbers
    assert n["price"] == pytest.approx(9.3706, abs=0.8)
    assert n["d/dS"] == pytest.approx(0.6434, abs=0.04)


@full
def test_burgers(reports):
    """The adjoint is that of forward mode; the search ends where the end is met."""
    n = reports["burgers"].numbers
    assert abs(n["adjoint against jvp, relative"]) < 1e-12
    assert n["cost at its end"] < 1e-5 < n["cost at the start of the search"]


@full
def test_activations(reports):
    """120 points of four curves agree with the formulas; the steepest slopes, and what happens at the kink."""
    activations, n = load("activations"), reports["activations"].numbers
    assert (n["largest slope of sigmoid"], n["largest slope of tanh"]) == (0.25, 1.0)
    assert (n["ReLU: slope at 0"], n["leaky: slope at 0"]) == (0.0, 0.1)
    x = np.array(activations.POINTS)
    assert np.abs(x - np.arange(-6, 6, 0.1)).max() < 120 * 2**-51  # its step is off by half a unit of 6's last place
    for name, slope in {
        "sigmoid": 1 / (2 * np.cosh(x / 2)) ** 2,
        "tanh": 1 / np.cosh(x) ** 2,
        "ReLU": np.heaviside(x, 0.0),
        "leaky": 0.1 + 0.9 * np.heaviside(x, 0.0),
    }.items():
        # Both are within a few roundings of the truth, and nowhere above 1.
        assert activations.run(activations.ACTIVATIONS[name][0])[1] == pytest.approx(list(slope), rel=1e-15, abs=1e-15)


def test_layers(reports):
    """The errand costs 715, with the book's derivatives; a backward that is wrong is noticed."""
    layers, n = load("layers"), reports["layers"].numbers
    assert n["price"] == pytest.approx(715.0, rel=1e-15)
    known = {"apples": 110.0, "apple price": 2.2, "oranges": 165.0, "orange price": 3.3, "tax": 650.0}
    for name, derivative in known.items():
        assert n[f"d(price)/d({name})"] == pytest.approx(derivative, rel=1e-15)
    assert (n["multiply"], n["add"], n["relu"]) == (0.0, 0.0, 0.0)
    x, y = np.array([[1.0, 2.0]]), np.array([[3.0, 5.0]])
    assert layers.largest_difference(lambda x, y: (x * y, lambda dz: (dz * x, dz * y)), (x, y), np.ones((1, 2))) == 3.0


def test_losses(reports):
    """Both losses as NumPy finds them; every closed form is met; the slopes where the wrong class leads by 10."""
    n = reports["losses"].numbers
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=(2, 4)), rng.normal(size=(4, 3)), rng.normal(size=3)
    p = np.exp(x @ w + b) / np.exp(x @ w + b).sum(axis=1, keepdims=True)
    targets = np.array([[0.0, 0, 1], [1, 0, 0]])
    assert n["squared_error"] == pytest.approx(((p - targets) ** 2).mean(), rel=1e-14)
    assert n["cross_entropy"] == pytest.approx(-np.log(p[[0, 1], [2, 0]]).mean(), rel=1e-14)
    assert n["cross-entropy, wrong by 10"] == pytest.approx(1 / (1 + math.exp(-10)), rel=1e-15)
    assert n["squared error, wrong by 10"] == pytest.approx(2 * math.exp(-10) / (1 + math.exp(-10)) ** 3, rel=1e-11)
    assert sum(name in n for name in load("losses").NETWORKS) == 3


def by_complex_step(f, weights):
    """df/dw for each weight: Im f(w + ih)/h, exact to rounding where f is made of products and sums."""
    return np.array([f(weights + 1e-200j * row).imag * 1e200 for row in np.eye(len(weights))])


def test_vanishing_gradient(reports):
    """Ten gradients as the complex step finds them, for the chain of ten and for the original's eleven applications."""
    n = reports["vanishing_gradient"].numbers

    def cost(weights):
        y = 1.0
        for w in weights:
            y = 1 / (1 + np.exp(-w * y))
        return (3 - y) ** 2

    rng = np.random.default_rng(0)
    start = rng.normal(size=10)
    ours = by_complex_step(cost, start)
    assert [n[f"dC/dw{i}"] for i in range(1, 11)] == pytest.approx(list(ours), rel=1e-12, abs=0)
    assert n["first against last"] == pytest.approx(abs(ours[0] / ours[-1]), rel=1e-12)
    original = by_complex_step(lambda w: cost([w[1], *w]), start)
    assert n["original: dC/dw[1], two uses"] == pytest.approx(original[1], rel=1e-12)
    many = [by_complex_step(cost, w) for w in rng.normal(size=(load("vanishing_gradient").QUICK_STARTS, 50))]
    assert n["median ratio, 50 layers"] == pytest.approx(np.median([abs(g[0] / g[-1]) for g in many]), rel=1e-11)
    assert n["typical factor"] < n["typical |w|/4"]


@full
def test_dead_relu(reports):
    """The share of dead chains is that of the rows with a negative weight."""
    dead_relu, n = load("dead_relu"), reports["dead_relu"].numbers
    assert n["gradients other than 0"] == 0
    rng = np.random.default_rng(0)
    rng.normal(size=10)
    weights = rng.normal(size=(dead_relu.QUICK_STARTS, dead_relu.DEEPEST))
    for depth in range(1, dead_relu.DEEPEST + 1):
        assert n[f"share dead at depth {depth}"] == (weights[:, :depth].min(axis=1) < 0).mean()
    assert dead_relu.bound(0.5, 10**6) == pytest.approx(math.sqrt(math.log(2e6) / 2e6), rel=0.01)  # Hoeffding's


def test_leaky_relu(reports):
    """Eight gradients as the complex step finds them; the original's slope is 1; a computed value is not overwritten."""
    leaky_relu, n = load("leaky_relu"), reports["leaky_relu"].numbers

    def cost(w):
        def leaky(z):
            return z if z.real > 0 else 0.01 * z

        y = 1.0 + 0j
        for _ in range(11):
            first = w[6] * leaky(w[3] * leaky(w[0] * y))
            second = w[5] * leaky(w[7] * leaky(w[1] * y))
            y = leaky(first + second + w[8] * leaky(w[5] * leaky(w[2] * y)))
        return (3 - y) ** 2

    known = by_complex_step(cost, np.random.default_rng(0).normal(size=(load("leaky_relu").QUICK_STARTS, 9))[0])
    assert known[4] == 0.0
    assert [n[f"dC/dw{i}"] for i in leaky_relu.USED] == pytest.approx(list(known[known != 0]), rel=1e-12, abs=0)
    assert (n["L at -2"], n["original's L at -2"]) == (-0.02, -0.02)
    assert (n["L' at -2"], n["original's L' at -2"]) == (0.01, 1.0)
    assert n["slope 1: too large by up to"] > 1e14
    assert n["this library"] == 0 < n["slope 1, ReLU mixed in"] < n["ReLU"]
    z = leaky_relu.al.Variable(-2.0) * 1.0
    with pytest.raises(leaky_relu.al.ReadOnlyError):
        z.value *= 0.01


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


@full
def test_microgpt(reports):
    """A uniform guess at first; three ways to the same losses."""
    n = reports["microgpt"].numbers
    assert n["loss at the start"] == pytest.approx(math.log(27), abs=0.3)
    assert n["loss at the end"] < n["loss at the start"] - 0.5
    assert max(n["losses, compiled"], n["losses, lanes"]) <= 1e-12
    page = reports["microgpt"].pages["graph.svg"].read_text(encoding="utf-8")
    assert "nodes in 14 boxes</title>" in page
    assert len(page.encode()) < 1_000_000


def test_the_ladder_is_complete():
    """Every demo file stands in the ladder, has a source in its docstring, and stays short."""
    files = {path.stem for path in FOLDER.glob("*.py")} - {
        "__init__",
        "by_hand",
        "common",
        "data",
        "page",
        "pictures",
        "transformer",
    }
    assert files == set(DEMOS.LADDER)
    for name in DEMOS.LADDER:
        text = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
        assert "Source:" in ast.get_docstring(ast.parse(text)), name
        # microgpt also names its nodes and draws eleven moments of its training; nist has 27 models.
        assert text.count("\n") <= (150 if name in {"microgpt", "nist"} else 130), name


def test_demos_import_only_the_public_names():
    """No demo reaches into a module of the library; what demos share takes its colours from the palette."""
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "autograd_lite.see":
                assert path.stem in ("common", "page")
                assert [alias.name for alias in node.names] == ["palette"]
            elif isinstance(node, ast.ImportFrom):
                outside = node.module == "autograd_lite.scipy" or not (node.module or "").startswith("autograd_lite.")
                assert outside, path.name
                if node.module == "autograd_lite":
                    assert {alias.name for alias in node.names} <= {"nn", "optim"}, path.name
            if isinstance(node, ast.Import):
                assert all(alias.name == "autograd_lite" or "autograd" not in alias.name for alias in node.names)


GRAPHS = {
    "worked_example": ("graph.svg", {"x", "w", "b", "h1", "h2", "h3", "h4", "h5", "h6"}),
    "chain_rule": ("graph.svg", {"x", "w1", "b1", "w2", "b2", "y1", "y2"}),
    "gradient_tape": ("z.svg", {"w", "x", "z"}),
    "perceptron": ("graph.svg", {"w", "b", "y", "C"}),
    "neuron": ("neuron.svg", {"x0", "x1", "w0", "w1", "b", "y"}),
    "xor_one_sample": ("graph.svg", {"x1", "x2", "w1", "w6", "b3", "h1", "h2", "y", "C"}),
    "xor": ("graph.svg", {"x1", "x2", "w1", "w6", "b3", "h1", "h2", "y", "C"}),
    "vanishing_gradient": ("graph.svg", {"w1", "w10", "y1", "y10", "C"}),
    "layers": ("errand.svg", {"apples", "tax", "price"}),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_name_their_nodes_as_the_text_does(reports, name):
    """What the docstring calls h1 is h1 in the picture."""
    file, wanted = GRAPHS[name]
    svg = ET.parse(reports[name].out / file)  # noqa: S314 - our own output
    headers = {
        (text.text or "").replace("\xa0", " ").split(" = ")[0] for text in svg.iter("{http://www.w3.org/2000/svg}text")
    }
    assert wanted <= headers


def test_four_demos_have_a_page_that_plays_their_graph(reports):
    """Beside the picture, under the name that the page of all demos links to."""
    for name in ("neuron", "worked_example", "xor", "vanishing_gradient"):
        ((file, page),) = reports[name].pages.items()
        assert file in {path.name for path, _ in reports[name].pictures}
        assert page == reports[name].out / "graph.html"
        assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
