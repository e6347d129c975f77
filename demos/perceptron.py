"""Perceptron: gradient descent on one sample.

    y = s(w*x + b)     s(z) = 1/(1 + exp(-z))     C = (y - 1)^2     x = 1, from w = b = 0

    1,000 times:  w <- w - 0.1 * dC/dw,  b <- b - 0.1 * dC/db

You will see dy/dw = dy/db = 0.25 at the start (s'(0) = 1/4), so dC/dw = 2*(y - 1)/4 = -0.25, and a cost that falls at
every step, fast at first and then ever more slowly, since s' goes to 0 as y approaches 1.

Source: M. Nielsen, Neural Networks and Deep Learning (2015), chapter 3, has the same neuron with x = 1.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import autograd_lite as al

from .common import BLUE, GREY, ORANGE, Report, sigmoid

if TYPE_CHECKING:
    from pathlib import Path

STEPS, RATE, TARGET = 1000, 0.1, 1.0


def model(w: al.Variable, b: al.Variable, x: float) -> al.Variable:
    """Return the neuron's output."""
    return al.sigmoid(w * x + b)


def run(w: al.Variable, b: al.Variable) -> tuple[list[float], list[float]]:
    """Descend; return cost and output before each step, and after the last."""
    costs, outputs = [], []
    for step in range(STEPS + 1):
        y = model(w, b, 1.0)
        cost = (y - TARGET) ** 2
        costs.append(cost.value)
        outputs.append(y.value)
        if step < STEPS:
            al.zero_grad([w, b])
            cost.backward()
            for p in (w, b):
                p.value -= RATE * p.grad
    return costs, outputs


def by_hand() -> float:
    """Return the output after this descent without the library, by dC/dz = 2 (y - 1) y (1 - y)."""
    w = b = 0.0
    for _ in range(STEPS):
        y = sigmoid(w + b)
        slope = 2.0 * (y - TARGET) * y * (1.0 - y)
        w, b = w - RATE * slope, b - RATE * slope
    return sigmoid(w + b)


def curves(costs: list[float], outputs: list[float]) -> Any:
    """Return a painter of cost and output over the steps."""

    def paint(_figure: Any, left: Any, right: Any) -> None:
        left.semilogy(costs, color=BLUE)
        left.set(title="The cost falls at every step", xlabel="step", ylabel="C = (y - 1)²", xlim=(0, STEPS))
        right.plot(outputs, color=ORANGE)
        right.axhline(TARGET, color=GREY, linewidth=1, linestyle="--")
        right.annotate("target", (STEPS, TARGET), (-4, -12), textcoords="offset points", ha="right")
        right.set(title="The output nears its target", xlabel="step", ylabel="y = σ(w + b)", xlim=(0, STEPS))
        right.set_ylim(0.48, 1.02)

    return paint


def main(out: Path, seed: int = 0, *, quick: bool = False) -> Report:
    """Run the example; nothing in it is random or slow."""
    del seed, quick
    report = Report(out)
    w, b = al.Variable(0.0, name="w"), al.Variable(0.0, name="b")
    y = model(w, b, 1.0)
    cost = (y - TARGET) ** 2
    report.say("at the start, w = b = 0, x = 1:")
    for name, output, leaf, known in (
        ("dy/dw", y, w, 0.25),
        ("dy/db", y, b, 0.25),
        ("dC/dw", cost, w, -0.25),
        ("dC/db", cost, b, -0.25),
    ):
        report.number(name, al.gradients(output, leaf), known)
    y.name, cost.name = "y", "C"
    cost.backward()
    report.graph("graph.svg", "The first step: C = (σ(w*x + b) - 1)² with dC/dw = dC/db = -0.25", cost)
    costs, outputs = run(w, b)
    report.say(f"after {STEPS:,} steps at rate {RATE}:")
    report.number("cost at the start", costs[0], 0.25)
    report.number("cost at the end", costs[-1])
    # 1,000 steps, each rounding a handful of numbers below 4: 1000 * 8 * 2**-52 * 4 = 7e-12.
    report.number("output", outputs[-1], by_hand(), 7e-12)
    report.number("w", w.value)
    report.number("b", b.value, w.value)
    report.check("the cost falls at every step", all(later < earlier for earlier, later in pairwise(costs)))
    report.plot("descent.png", f"{STEPS:,} steps of gradient descent", curves(costs, outputs), (None, None))
    return report
