"""Activations: four curves, and their slopes from `backward`.

    sigmoid   s(x) = 1/(1 + exp(-x))           s' = s*(1 - s)       <= 1/4
    tanh      tanh(x)                          1 - tanh(x)^2        <= 1
    ReLU      x if x > 0, else 0               1 or 0
    leaky     x if x > 0, else 0.1*x           1 or 0.1

    at the 120 points x = -6, -5.9, ..., 5.9

You will see each curve with its slope. No slope is written down: every point is a Variable, `backward` runs once for
each, and its result in `x.grad` is compared with the formulas above.

At x = 0 the ReLU has a kink: every number from 0 to 1 is the slope of a line that touches it there from below. This
library takes the number nearest 0, so 0 for the ReLU and 0.1 for the leaky ReLU. A central difference gives the mean of
both sides. (numpy.arange(-6, 6, 0.1) misses the kink: its 61st point is -2e-14.)

Source: LeCun, Bottou, Orr & Mueller, "Efficient BackProp" (1998), section 4.4; Nair & Hinton, "Rectified linear units
improve restricted Boltzmann machines", ICML 2010; Maas, Hannun & Ng, ICML 2013 (leaky).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import autograd_lite as al

from .common import BLUE, ORANGE, PAPER, Report, sigmoid

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

POINTS = [k / 10 for k in range(-60, 60)]
ZERO = POINTS.index(0.0)
LEAK = 0.1
KINKED = {"ReLU": 0.0, "leaky": LEAK}  # with the slope on the left
# The function, and its value and slope as known without this library.
ACTIVATIONS: dict[str, tuple[Callable[[Any], Any], Callable[[float], float], Callable[[float], float]]] = {
    "sigmoid": (al.sigmoid, sigmoid, lambda x: sigmoid(x) * (1.0 - sigmoid(x))),
    "tanh": (al.tanh, math.tanh, lambda x: 1.0 - math.tanh(x) ** 2),
    "ReLU": (al.relu, lambda x: max(x, 0.0), lambda x: 1.0 if x > 0 else 0.0),
    "leaky": (lambda x: al.leaky_relu(x, LEAK), lambda x: max(x, LEAK * x), lambda x: 1.0 if x > 0 else LEAK),
}
REMARKS = {
    "sigmoid": "The sigmoid is steepest at 0, with 1/4",
    "tanh": "tanh is steepest at 0, with 1",
    "ReLU": "ReLU: slope 0 or 1, at the kink 0",
    "leaky": "Leaky ReLU: slope 0.1 or 1, never 0",
}


def run(f: Callable[[Any], Any]) -> tuple[list[float], list[float]]:
    """Return f and its slope at every point; `backward` computes the slopes."""
    values, slopes = [], []
    for point in POINTS:
        x = al.Variable(point)
        y = f(x)
        y.backward()
        values.append(y.value)
        slopes.append(x.grad)
    return values, slopes


def panels(found: dict[str, tuple[list[float], list[float]]]) -> Any:
    """Return a painter of four curves with their slopes."""

    def paint(figure: Any) -> None:
        for axes, (name, (values, slopes)) in zip(figure.subplots(2, 2).flat, found.items(), strict=True):
            axes.set(title=REMARKS[name], xlabel="x", xlim=(-6, 6), ylim=(-1.15, 1.15))
            cuts = (0, ZERO + 1, len(POINTS)) if name in KINKED else (0, len(POINTS))
            for start, end in pairwise(cuts):
                axes.plot(POINTS[start:end], slopes[start:end], color=ORANGE, linewidth=2.4)
            if name in KINKED:  # the slope jumps: a full dot where it is, an open one where it is not
                axes.plot(0.0, slopes[ZERO], "o", color=ORANGE, markersize=5)
                axes.plot(0.0, 1.0, "o", color=ORANGE, markerfacecolor=PAPER, markersize=5)
                axes.set_ylim(-0.8, 2.2)
            axes.plot(POINTS, values, color=BLUE)
            for label, curve, x, colour in (("f", values, 1.8, BLUE), ("f′", slopes, 4.5, ORANGE)):
                spot = x, curve[POINTS.index(x)]
                axes.annotate(label, spot, (-8, 5), textcoords="offset points", color=colour, ha="right", weight="bold")

    return paint


def main(out: Path, seed: int = 0, *, quick: bool = False) -> Report:
    """Run the example; nothing in it is random or slow."""
    del seed, quick
    report = Report(out)
    found = {name: run(f) for name, (f, _, _) in ACTIVATIONS.items()}
    report.say(f"largest difference from the formulas, {len(POINTS)} points each:")
    for name, (_, value, slope) in ACTIVATIONS.items():
        values, slopes = found[name]
        # 16 roundings of 2**-53: at most 11 of either side's e/(1 + e)^2 or 1 - t*t, all of numbers up to 1, and spare.
        # The two ReLUs multiply once at most, by 0.1, on both sides.
        bound = 0.0 if name in KINKED else 16 * 2.0**-53
        report.number(f"{name}: f", max(abs(v - value(x)) for v, x in zip(values, POINTS, strict=True)), 0.0, bound)
        report.number(f"{name}: f'", max(abs(s - slope(x)) for s, x in zip(slopes, POINTS, strict=True)), 0.0, bound)
    report.say("how steep they get:")
    report.number("largest slope of sigmoid", max(found["sigmoid"][1]), 0.25)
    report.number("largest slope of tanh", max(found["tanh"][1]), 1.0)
    report.check("sigmoid' lies between 0 and 1/4", all(0 < s <= 0.25 for s in found["sigmoid"][1]))
    report.check("tanh' lies between 0 and 1", all(0 < s <= 1 for s in found["tanh"][1]))
    report.say("at the kink, x = 0:")
    for name, left in KINKED.items():
        f = ACTIVATIONS[name][0]
        report.number(f"{name}: slope at 0", found[name][1][ZERO], left)
        # The step 2h is 1: one product and one difference of numbers up to 1 are rounded, and (1 + left)/2.
        report.number(f"{name}: (f(h) - f(-h))/2h", f(0.5) - f(-0.5), (1.0 + left) / 2, 3 * 2.0**-53)
    report.plot("activations.png", "f (blue) and f' from backward (orange)", panels(found), (), (9.6, 6.4))
    return report
