"""Dead ReLU: one negative weight, and nothing before or behind it learns.

    y_0 = x,   y_i = r(w_i * y_(i-1)),   i = 1 ... n        r(z) = max(z, 0)
    C = (3 - y_n)^2        x = 1,  w_i from N(0, 1)

While y > 0, the sign of z_i = w_i*y_(i-1) is that of w_i. The first negative weight makes its y_i = r(z_i) = 0:

    up to it     dC/dw_j has the factor r'(z_i) = 0
    behind it    dC/dw_j has the factor y_(j-1) = 0

So every gradient is exactly 0, and gradient descent changes no weight. A chain is alive only if all its weights are
positive: of the chains with n layers, the share 1 - 2^-n is dead.

You will see a dead chain of ten layers, 100 steps of descent that change nothing, and the share of dead chains for 1 to
12 layers beside the prediction. A slope of 0.01 below 0 is the usual remedy: see leaky_relu, the next demo.

The original program reports that nothing is learned. This is true for 1,023 of 1,024 starts: one in 1,024 has ten
positive weights, and none of its gradients is 0. (The original applies w[1] twice, as in vanishing_gradient. That changes
no share, since the signs of ten weights decide.)

Source: Lu, Shin, Su & Karniadakis, "Dying ReLU and initialization", Commun. Comput. Phys. 28 (2020), 1671-1706.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

import autograd_lite as al

from .common import BLUE, GRID, ORANGE, Report

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LAYERS, DEEPEST, STARTS, QUICK_STARTS = 10, 12, 2000, 400
TARGET, STEPS, RATE = 3.0, 100, 0.1


def cost_of(weights: Sequence[al.Variable]) -> tuple[al.Variable, list[al.Variable]]:
    """Return C, and y_1 ... y_n."""
    ys, y = [], 1.0
    for w in weights:
        y = al.relu(w * y)
        ys.append(y)
    return (TARGET - y) ** 2, ys


def gradients(weights: Sequence[float]) -> list[float]:
    """Return every dC/dw_i."""
    w = [al.Variable(value) for value in weights]
    return al.gradients(cost_of(w)[0], w)


def descend(weights: np.ndarray) -> np.ndarray:
    """Return the weights after STEPS steps of gradient descent."""
    for _ in range(STEPS):
        weights = weights - RATE * np.array(gradients(weights))
    return weights


def dead(weights: np.ndarray) -> np.ndarray:
    """Return for each start (row) and depth (column) whether all gradients are 0."""
    return np.array([[not any(gradients(start[:n])) for n in range(1, DEEPEST + 1)] for start in weights])


def bound(p: float, count: int) -> float:
    """Return a bound on the distance of a share of `count` trials from p, exceeded once in a million."""
    # Bernstein: P(|share - p| >= t) <= 2 exp(-count t^2 / (2 p (1 - p) + 2 t / 3)). Solved for t.
    third = math.log(2e6) / (3 * count)
    return third + math.sqrt(third**2 + 6 * third * p * (1 - p))


def panels(start: np.ndarray, living: np.ndarray, count: int) -> Any:
    """Return a painter of one chain, and of the share of live chains by depth."""

    def paint(_figure: Any, left: Any, right: Any) -> None:
        layers, n = np.arange(1, LAYERS + 1), np.arange(1, DEEPEST + 1)
        left.bar(layers, start, color=[BLUE if w > 0 else ORANGE for w in start])
        left.set(title="Ten positive weights: a living chain", xlabel="layer i", ylabel="weight wᵢ", xticks=layers)
        if (start < 0).any():
            first = int(np.argmax(start < 0)) + 1
            left.axvspan(first - 0.5, LAYERS + 0.5, color=GRID, alpha=0.6, linewidth=0, zorder=0)
            left.text(first - 0.4, 0.03, f"y = 0 from layer {first} on", transform=left.get_xaxis_transform())
            left.set(title=f"Weight {first} is negative: every gradient is 0", ymargin=0.15)
        right.semilogy(n, 0.5**n, color=ORANGE, label="2⁻ⁿ")
        right.semilogy(n[living > 0], living[living > 0], "o", color=BLUE, label=f"{count:,} starts")
        right.set(title="Every layer halves the chains that live", xlabel="layers n", ylabel="share that lives")
        right.set(xticks=n, ylim=(0.5 / count, 1))
        right.legend(loc="lower left")

    return paint


def main(out: Path, seed: int = 0, *, quick: bool = False) -> Report:
    """Show one chain, then many chains."""
    report = Report(out)
    rng = np.random.default_rng(seed)
    start = rng.normal(size=LAYERS)
    w = [al.Variable(value) for value in start]
    cost, ys = cost_of(w)
    for i, (weight, y, slope) in enumerate(zip(start, ys, al.gradients(cost, w), strict=True), 1):
        report.say(f"  w{i:<2d} {weight:+.4f}   y{i:<2d} {abs(y.value):.4f}   dC/dw{i:<2d} {slope:.4f}")
    report.number("gradients other than 0", np.count_nonzero(gradients(start)), LAYERS * all(start > 0))
    report.check("all weights positive: no gradient is 0", all(gradients(np.abs(start))))
    planted = np.abs(start) * (1 - 2 * np.eye(LAYERS))
    report.check("any single one negative: every gradient is 0", not any(map(any, map(gradients, planted))))
    report.check(f"{STEPS} steps of descent change nothing then", np.array_equal(descend(planted[0]), planted[0]))
    weights = rng.normal(size=(QUICK_STARTS if quick else STARTS, DEEPEST))
    found = dead(weights)
    shares = found.mean(axis=0)
    for n, share in enumerate(shares, 1):
        report.number(f"share dead at depth {n}", share, 1 - 0.5**n, bound(0.5**n, len(weights)))
    signs = np.logical_or.accumulate(weights < 0, axis=1)
    report.check(f"of {len(weights):,} starts, those with a negative weight are dead", np.array_equal(found, signs))
    graphs = [cost_of([al.Variable(v) for v in start[:LAYERS]])[0] for start in weights[:200]]
    caption = "The gradient of an all-positive start, and the dead units of 200"
    names = [f"w{i + 1}" for i in range(LAYERS)]
    report.flow("flow.png", caption, gradients(abs(start)), graphs, names=names)
    report.plot("dead.png", "One chain, and many", panels(start, 1 - shares, len(weights)), (None, None))
    return report
