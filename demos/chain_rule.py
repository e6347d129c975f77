"""Chain rule: gradients with respect to inner nodes.

    y1 = x*w1 + b1        y2 = y1*w2 + b2        at x = 1, w1 = 2, b1 = 1, w2 = 2, b2 = 1

    dy2/dw1 = dy2/dy1 * dy1/dw1 = w2 * x = 2

You will see both factors and their product. A gradient with respect to any node may be asked for: y1 is an inner node,
and the sweep that computes dy2/dw1 passes through dy2/dy1 on its way.

Source: Griewank & Walther, Evaluating Derivatives, 2nd ed., SIAM 2008, chapter 3: every intermediate has an adjoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import autograd_lite as al

from .common import Report

if TYPE_CHECKING:
    from pathlib import Path

START = {"x": 1.0, "w1": 2.0, "b1": 1.0, "w2": 2.0, "b2": 1.0}


def model(v: dict[str, al.Variable]) -> tuple[al.Variable, al.Variable]:
    """Return y1 and y2: two layers without an activation."""
    y1 = v["x"] * v["w1"] + v["b1"]
    y2 = y1 * v["w2"] + v["b2"]
    return y1, y2


def run() -> tuple[al.Variable, dict[str, float]]:
    """Return y2 and the gradients to report."""
    v = {name: al.Variable(value, name=name) for name, value in START.items()}
    y1, y2 = model(v)
    y1.name, y2.name = "y1", "y2"
    return y2, {
        "y2": y2.value,
        "dy2/dy1": al.gradients(y2, y1),
        "dy1/dw1": al.gradients(y1, v["w1"]),
        "dy2/dw1": al.gradients(y2, v["w1"]),
        "dy2/db1": al.gradients(y2, v["b1"]),
        "dy2/dw2": al.gradients(y2, v["w2"]),
        "dy2/db2": al.gradients(y2, v["b2"]),
        "dy2/dx": al.gradients(y2, v["x"]),
    }


def main(out: Path, seed: int = 0, *, quick: bool = False) -> Report:
    """Run the example; nothing in it is random or slow."""
    del seed, quick
    report = Report(out)
    y2, found = run()
    known = {"y2": 7.0, "dy2/dy1": 2.0, "dy1/dw1": 1.0, "dy2/dw1": 2.0, "dy2/db1": 2.0, "dy2/dw2": 3.0, "dy2/db2": 1.0}
    known["dy2/dx"] = 4.0
    report.say("y1 = x*w1 + b1, y2 = y1*w2 + b2 at x = 1, w1 = 2, b1 = 1, w2 = 2, b2 = 1")
    for name, value in found.items():
        report.number(name, value, known[name])
    product = found["dy2/dy1"] * found["dy1/dw1"]
    report.number("dy2/dy1 * dy1/dw1", product, 2.0)
    report.check("dy2/dy1 * dy1/dw1 equals dy2/dw1", product == found["dy2/dw1"])
    y2.backward()
    report.graph("graph.svg", "dy2/dw1 is the product of the local derivatives on the path from y2 back to w1", y2)
    return report
