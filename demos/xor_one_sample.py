"""XOR network, one sample: nine gradients at once, and what symmetry does.

    h1 = s(w1*x1 + w2*x2 + b1)      h2 = s(w3*x1 + w4*x2 + b2)      y = s(w5*h1 + w6*h2 + b3)

    C = (y - 1)^2 at (x1, x2) = (1, 0), all nine parameters from 0, 1,000 steps at rate 0.1

You will see the parameters after training, and that they are not nine different numbers. Since x2 = 0, w2 and w4 get no
gradient and stay 0. Since the two hidden units start equal, they get equal gradients and stay equal: w1 = w3 = b1 = b2,
w5 = w6. Therefore networks start from random numbers.

The original program printed w4 a second time in place of w2. Both are 0, so its output does not show the mistake.

Source: Rumelhart, Hinton & Williams, "Learning representations by back-propagating errors", Nature 323 (1986), 533-536.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import autograd_lite as al

from .common import BLUE, GREEN, ORANGE, VIOLET, Report, name_results, sigmoid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

STEPS, RATE = 1000, 0.1
NAMES = ("w1", "w2", "b1", "w3", "w4", "b2", "w5", "w6", "b3")


def network(p: Sequence[Any], x1: Any, x2: Any) -> Any:
    """Return the output y of the 2-2-1 network; the nine parameters and the inputs are numbers, Variables or arrays."""
    w1, w2, b1, w3, w4, b2, w5, w6, b3 = p
    h1 = al.sigmoid(w1 * x1 + w2 * x2 + b1)
    h2 = al.sigmoid(w3 * x1 + w4 * x2 + b2)
    return al.sigmoid(w5 * h1 + w6 * h2 + b3)


def gradient_by_hand(p: Sequence[float], x1: float, x2: float, target: float) -> list[float]:
    """Return the nine derivatives of (y - target)^2 by the textbook's delta rule, the reference for `backward`."""
    w1, w2, b1, w3, w4, b2, w5, w6, b3 = p
    h1, h2 = sigmoid(w1 * x1 + w2 * x2 + b1), sigmoid(w3 * x1 + w4 * x2 + b2)
    y = sigmoid(w5 * h1 + w6 * h2 + b3)
    delta = 2.0 * (y - target) * y * (1.0 - y)
    delta1, delta2 = delta * w5 * h1 * (1.0 - h1), delta * w6 * h2 * (1.0 - h2)
    return [delta1 * x1, delta1 * x2, delta1, delta2 * x1, delta2 * x2, delta2, delta * h1, delta * h2, delta]


def run(p: list[al.Variable]) -> list[list[float]]:
    """Descend; return the parameters and the output before each step, and after the last."""
    history = []
    for step in range(STEPS + 1):
        y = network(p, 1.0, 0.0)
        history.append([*(v.value for v in p), y.value])
        if step < STEPS:
            al.zero_grad(p)
            ((y - 1.0) ** 2).backward()
            for v in p:
                v.value -= RATE * v.grad
    return history


def by_hand() -> list[float]:
    """Return the nine parameters after this descent without the library."""
    p = [0.0] * 9
    for _ in range(STEPS):
        p = [v - RATE * g for v, g in zip(p, gradient_by_hand(p, 1.0, 0.0, 1.0), strict=True)]
    return p


def curves(history: list[list[float]]) -> Any:
    """Return a painter of parameters and cost over the steps."""

    def paint(_figure: Any, left: Any, right: Any) -> None:
        columns = dict(zip((*NAMES, "y"), zip(*history, strict=True), strict=True))
        for label, name, colour in (
            ("b3", "b3", VIOLET),
            ("w5 = w6", "w5", BLUE),
            ("w1 = w3 = b1 = b2", "w1", ORANGE),
            ("w2 = w4", "w2", GREEN),
        ):
            left.plot(columns[name], color=colour)
            end = (STEPS, columns[name][-1])
            left.annotate(label, end, (-4, 5), textcoords="offset points", ha="right", color=colour)
        left.set(title="Nine parameters, four curves", xlabel="step", ylabel="value", xlim=(0, STEPS))
        right.semilogy([(y - 1.0) ** 2 for y in columns["y"]], color=BLUE)
        right.set(title="The cost", xlabel="step", ylabel="C = (y - 1)²", xlim=(0, STEPS))

    return paint


def draw_sample(
    report: Report, values: Sequence[float], sample: tuple[float, float, float], caption: str, play: str = ""
) -> list[al.Variable]:
    """Draw (y - target)^2 at one sample, with its gradients; return the nine parameters."""
    p = [al.Variable(value, name=name) for name, value in zip(NAMES, values, strict=True)]
    x1, x2 = (al.Variable(x, name=name) for x, name in zip(sample[:2], ("x1", "x2"), strict=True))
    cost = (network(p, x1, x2) - sample[2]) ** 2
    name_results(cost, "C", al.sigmoid, ("h1", "h2", "y"))
    cost.backward()
    report.graph("graph.svg", caption, cost, play=play)
    return p


def main(out: Path, seed: int = 0, *, quick: bool = False) -> Report:
    """Run the example; nothing in it is random or slow."""
    del seed, quick
    report = Report(out)
    caption = "The first step, all parameters 0: only w5, w6 and b3 get a gradient"
    p = draw_sample(report, [0.0] * 9, (1.0, 0.0, 1.0), caption)
    history = run(p)
    report.say(f"after {STEPS:,} steps at rate {RATE} on (1, 0) -> 1:")
    for v, known in zip(p, by_hand(), strict=True):
        # 1,000 steps, each rounding some 20 numbers below 2: 1000 * 20 * 2**-53 * 2 = 4e-12.
        report.number(v.name, v.value, known, 4e-12)
    report.number("output", history[-1][-1])
    w1, w2, b1, w3, w4, b2, w5, w6, _ = (v.value for v in p)
    report.check("w2 = w4 = 0: x2 = 0 gives them no gradient (the original printed w4 for w2)", w2 == w4 == 0)
    report.check("the hidden units stay equal: w1 = w3 = b1 = b2 and w5 = w6", w1 == w3 == b1 == b2 and w5 == w6)
    report.check("the output rises from 0.5 towards 1", 0.5 < history[1][-1] < history[-1][-1] < 1)
    report.plot("descent.png", f"{STEPS:,} steps of gradient descent on one sample", curves(history), (None, None))
    return report
