"""Logistic regression by Newton's method: a few steps instead of thousands, with errors of the weights.

    minimise over w  L(w) = sum log(1 + e^(-s w . x)) + |w|^2 / 2,   s = 1 or -1          w <- w - H^-1 g

Of 455 tumours ten measures are known (radius, texture, ...), and whether they are benign. The probability of that is to be
1/(1 + e^(-w . x)). L is convex, and Newton's method finds its one minimum. The loss of one tumour is one line; `al.grad`,
`al.hessian` and `vmap` give g and H. You will see how each step squares the error while gradient descent creeps, and
which measures count, with errors from H^-1.

Known: g = X'(p - y) + w and H = X' diag(p (1 - p)) X + 1.

Source: Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, 2nd ed., Springer 2009, section 4.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import autograd_lite as al

from .common import BLUE, GREY, MUTED, ORANGE, Report
from .data import breast_cancer

if TYPE_CHECKING:
    from pathlib import Path

MEASURES = ("radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity", "concave points",
            "symmetry", "fractal dimension")  # fmt: skip


def loss(w: Any, x: Any, s: Any) -> Any:
    """Return the loss of one tumour."""
    return al.softplus(-s * al.sum(w * x))


def prepared(x: Any) -> Any:
    """Return the first ten measures, each with mean 0 and deviation 1, after a column of ones."""
    x = (x[:, :10] - x[:, :10].mean(axis=0)) / x[:, :10].std(axis=0)
    return np.column_stack([np.ones(len(x)), x])


def newton(slope: Any, curvature: Any, w: Any) -> list[Any]:
    """Return the weights after each step, until a step is rounding."""
    way = [w]
    while len(way) < 30 and (len(way) == 1 or np.abs(way[-1] - way[-2]).max() > 1e-12):
        way.append(way[-1] - np.linalg.solve(curvature(way[-1]), slope(way[-1])))
    return way


def descent(slope: Any, rate: float, w: Any, steps: int) -> list[Any]:
    """Return the weights after each step of gradient descent."""
    way = [w]
    for _ in range(steps):
        way.append(way[-1] - rate * slope(way[-1]))
    return way


def draw(ways: Any, w: Any, errors: Any) -> Any:
    """Return a painter of the errors on both ways, and of the weights."""

    def paint(_: Any, left: Any, right: Any) -> None:
        for (name, way), colour in zip(ways.items(), (ORANGE, BLUE), strict=True):
            away = [max(np.linalg.norm(step - w), 1e-16) for step in way]
            left.loglog(np.arange(1, len(away) + 1), away, "o-" if len(away) < 30 else "-", color=colour, label=name)
        left.set(title="Distance from the minimum", xlabel="step + 1", ylabel="|w - minimum|")
        left.legend()
        rows = np.arange(len(MEASURES))
        right.errorbar(w[1:], rows, xerr=2.0 * errors[1:], fmt="o", color=BLUE, ecolor=MUTED, capsize=3)
        right.axvline(0.0, color=GREY)
        right.set(
            title="Weights, two standard errors: benign to the right",
            xlabel="weight",
            yticks=rows,
            yticklabels=MEASURES,
        )
        right.invert_yaxis()

    return paint


def main(out: Path, seed: int = 0, *, quick: bool = False) -> Report:
    """Fit by both methods; the seed chooses the tumours that are left out."""
    report, data = Report(out), breast_cancer(seed=seed)
    x, y = prepared(data.x_train), data.y_train.astype(float)
    s, n = 2.0 * y - 1.0, x.shape[1]
    slopes = al.jit(al.vmap(al.grad(loss), in_axes=(None, 0, 0), reduce="sum"))
    curvatures = al.jit(al.vmap(al.hessian(loss), in_axes=(None, 0, 0), reduce="sum"))

    def slope(w: Any) -> Any:
        return slopes(w, x, s) + w

    def curvature(w: Any) -> Any:
        return curvatures(w, x, s) + np.eye(n)

    start = np.zeros(n)
    way = newton(slope, curvature, start)
    w = way[-1]
    p, half, h = (1.0 / (1.0 + np.exp(-x @ w)), 1.0 / (1.0 + np.exp(-x @ w / 2.0)), curvature(w))
    report.say(f"{data.describe()}; ten measures are used")
    report.number("g half-way, against the formula", np.abs(slope(w / 2) - x.T @ (half - y) - w / 2).max(), 0.0, 1e-11)
    by_hand = x.T @ (x * (p * (1.0 - p))[:, None]) + np.eye(n)
    report.number("H against the formula", np.abs(h - by_hand).max(), 0.0, 1e-11)
    report.number("steps of Newton's method", len(way) - 1)
    report.check("ten steps are enough", len(way) <= 11)
    rate = 1.0 / np.linalg.eigvalsh(curvature(start)).max()  # H is largest at the start, where p = 1/2
    slow = descent(slope, rate, start, 2_000 if quick else 20_000)
    report.number("descent: distance at its end", np.linalg.norm(slow[-1] - w))
    found = 1.0 / (1.0 + np.exp(-prepared(data.x_test) @ w)) > 0.5
    report.number("accuracy on those left out", np.mean(found == data.y_test), 0.93, 0.06)
    errors = np.sqrt(np.diag(np.linalg.inv(h)))
    ways = {"Newton": way, "gradient descent": slow}
    report.plot(
        "logistic.png", "Two ways to the minimum, and the weights", draw(ways, w, errors), (None, None), (12, 4.6)
    )
    return report
