"""Vanishing gradient: why a deep chain of sigmoids learns at its end only.

    y_0 = x,   y_i = s(w_i * y_(i-1)),   i = 1 ... 10        s(z) = 1/(1 + exp(-z))
    C = (3 - y_10)^2        x = 1,  w_i from N(0, 1)

    dC/dw_i = dC/dy_10 * (f_10 * f_9 * ... * f_(i+1)) * dy_i/dw_i,    f_j = dy_j/dy_(j-1) = w_j * s'(w_j*y_(j-1))

Since s' <= 1/4, a factor is at most |w_j|/4. The logarithm of |w| has the mean -(gamma + ln 2)/2, gamma = 0.5772...
(Euler), so a typical factor, the geometric mean, is at most 0.53/4 = 0.132: eight layers divide by ten million.

You will see dC/dw_i for ten layers beside the product of derivatives from the formula, and |dC/dw_first| : |dC/dw_last|
for 1 to 50 layers, median and quartiles over many starts. With 50 layers this ratio is some 10^-44.

The original program applies w[1] first and then w[0] ... w[9]: eleven applications, w[1] twice, so that the gradient of
w[1] is the sum of both uses. Both chains are shown; their gradients fade in the same way.

Source: M. Nielsen, Neural Networks and Deep Learning (2015), chapter 5, has this chain; Bengio, Simard & Frasconi,
"Learning long-term dependencies with gradient descent is difficult", IEEE Trans. Neural Networks 5 (1994), 157-166.
"""

from __future__ import annotations

import math
from itertools import accumulate, pairwise
from operator import mul
from typing import TYPE_CHECKING, Any

import numpy as np

import autograd_lite as al

from .common import BLUE, GREEN, ORANGE, Report, name_results

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LAYERS, DEEPEST, STARTS, QUICK_STARTS, TARGET = 10, 50, 120, 30, 3.0
TYPICAL = math.exp(-(np.euler_gamma + math.log(2.0)) / 2) / 4


def chain(weights: Sequence[al.Variable]) -> tuple[list[al.Variable], al.Variable]:
    """Return y_1 ... y_n, and C."""
    ys, y = [], 1.0
    for w in weights:
        y = al.sigmoid(w * y)
        ys.append(y)
    return ys, (TARGET - y) ** 2


def factors(ys: list[al.Variable]) -> list[float]:
    """Return dy_j/dy_(j-1) of the layers from the second on."""
    return [al.gradients(y, before) for before, y in pairwise(ys)]


def products(w: list[al.Variable]) -> list[float]:
    """Return each dC/dw_i as the product of the derivatives on its path, the reference for the sweep."""
    ys, cost = chain(w)
    adjoints = accumulate([al.gradients(cost, ys[-1]), *reversed(factors(ys))], mul)
    return [adjoint * al.gradients(y, v) for adjoint, y, v in zip(adjoints, ys[::-1], w[::-1], strict=True)][::-1]


def first_against_last(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return |dC/dw_first| / |dC/dw_last| for each start and depth, and all factors of the deepest chains."""
    ratios, found = np.empty(weights.shape), []
    for start, ratio in zip(weights, ratios, strict=True):
        w = [al.Variable(value) for value in start]
        for i, last in enumerate(w):
            ys, cost = chain(w[: i + 1])
            ratio[i] = abs(np.divide(*al.gradients(cost, [w[0], last])))
        found.append(factors(ys))
    return ratios, np.array(found)


def panels(ours: list[float], original: list[float], ratios: np.ndarray) -> Any:
    """Return a painter of the gradient by layer, and of first against last by depth."""

    def paint(_figure: Any, left: Any, right: Any) -> None:
        layers, depths = np.arange(1, LAYERS + 1), np.arange(1, DEEPEST + 1)
        left.semilogy(layers, np.abs(ours), "o-", color=BLUE, label="ten layers")
        left.semilogy(layers, np.abs(original), "s", color=ORANGE, ms=11, mfc="none", label="the original, w₂ twice")
        left.set(title="The gradient fades on its way back", xlabel="layer i", ylabel="|dC/dwᵢ|", xticks=layers)
        left.legend(loc="upper left")
        low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75], axis=0)
        right.fill_between(depths, low, high, color=BLUE, alpha=0.2, linewidth=0, label="quartiles")
        right.semilogy(depths, middle, color=BLUE, label="median")
        right.semilogy(depths, TYPICAL ** (depths - 1.0), color=ORANGE, linestyle="--", label=f"{TYPICAL:.3f} a layer")
        right.semilogy(depths, 0.25 ** (depths - 1.0), color=GREEN, linestyle=":", label="1/4 a layer")
        share = f"$10^{{{np.log10(middle[-1]):.0f}}}$"
        right.set(title=f"The first of {DEEPEST} layers gets {share} of the last", xlim=(1, DEEPEST))
        right.set(xlabel="layers n", ylabel="|dC/dw₁| / |dC/dwₙ|", yticks=[10.0**-k for k in range(0, 50, 10)])
        right.legend(loc="lower left")

    return paint


def main(out: Path, seed: int = 0, *, quick: bool = False) -> Report:
    """Show one start layer by layer, then many starts by depth."""
    report = Report(out)
    rng = np.random.default_rng(seed)
    w = [al.Variable(value, name=f"w{i}") for i, value in enumerate(rng.normal(size=LAYERS), 1)]
    ours, original = (al.gradients(chain(order)[1], w) for order in (w, [w[1], *w]))
    for v, gradient, product in zip(w, ours, products(w), strict=True):
        # Two products a layer, each rounded once on either side: 4 * 10 * 2**-53 of the value, and as much to spare.
        report.number(f"dC/d{v.name}", gradient, product, 80 * 2.0**-53 * abs(product))
    report.number("first against last", abs(ours[0] / ours[-1]))
    uses = al.gradients(chain([twin := al.Variable(w[1].value), *w])[1], [twin, w[1]])  # as two weights
    report.number("original: dC/dw[1], two uses", original[1], sum(uses), 80 * 2.0**-53 * sum(map(abs, uses)))
    report.number("original: first against last", abs(original[0] / original[-1]))
    weights = rng.normal(size=(QUICK_STARTS if quick else STARTS, DEEPEST))
    ratios, found = first_against_last(weights)
    bounds = np.abs(weights[:, 1:]) / 4
    # ln|w| has the standard deviation pi/sqrt(8); five of those of its mean are missed once in two million seeds.
    margin = math.expm1(5 * math.pi / math.sqrt(8 * bounds.size))
    report.number("typical |w|/4", math.exp(np.log(bounds).mean()), TYPICAL, TYPICAL * margin)
    report.number("typical factor", math.exp(np.log(np.abs(found)).mean()))
    report.check("every factor |dy_j/dy_(j-1)| is at most |w_j|/4", bool((np.abs(found) <= bounds).all()))
    report.number(f"median ratio, {DEEPEST} layers", float(np.median(ratios[:, -1])))
    history, values = [], [v.value for v in w]
    for _ in range(50 if quick else 300):
        history.append(al.gradients(*(chain(leaves := [al.Variable(v) for v in values])[1], leaves)))
        values = [v - 0.1 * g for v, g in zip(values, history[-1], strict=True)]
    cost, layers = chain(w)[1], range(1, LAYERS + 1)
    name_results(cost, "C", al.sigmoid, [f"y{i}" for i in layers])
    cost.backward()
    report.graph("graph.svg", "Ten layers: the gradient shrinks on its way from C back to w1", cost, play="graph.html")
    caption = "The first layers stay behind while the chain learns"
    report.flow("flow.png", caption, history, cost, names=[f"w{i}" for i in layers])
    report.plot("vanishing.png", "One start by layer, many by depth", panels(ours, original, ratios), (None, None))
    return report
