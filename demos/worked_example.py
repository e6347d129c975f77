"""Worked example: one derivative by hand and by machine.

    f(x, w, b) = 1 / (exp(-(w*x + b)) + 1)       at x = 1, w = 0, b = 0

    h1 = w*x    h2 = h1 + b    h3 = -h2    h4 = exp(h3)    h5 = h4 + 1    h6 = 1/h5

Each step has a local derivative: dh1/dw = x, dh4/dh3 = exp(h3), dh6/dh5 = -1/h5^2, ... The chain rule multiplies them
along the path from h6 back to w, and adds the products of several paths:

    df/dw = (-1/4) * 1 * 1 * (-1) * 1 * x = 1/4

You will see those local derivatives, the gradients 0.25 and 0.25, the graph with both, L = (w1 + w2) * w3, and a chain
of 60 diamonds y = y + y, in which 2^60 paths lead from the end to the start. An engine that walks along every path
would never finish; this library visits each of the 61 nodes once.

Source: the five functions and `local_gradients` follow S. Radcliffe, "Reverse-mode automatic differentiation from
scratch, in Python" (2020); the method is in Griewank & Walther, Evaluating Derivatives, 2nd ed., SIAM 2008, chapter 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import autograd_lite as al

from .common import Report

if TYPE_CHECKING:
    from pathlib import Path

DIAMONDS = 60


def model(x: al.Variable, w: al.Variable, b: al.Variable) -> list[al.Variable]:
    """Return h1 ... h6."""
    h1 = al.mul(w, x)
    h2 = al.add(h1, b)
    h3 = al.neg(h2)
    h4 = al.exp(h3)
    h5 = al.add(h4, 1)
    h6 = al.inv(h5)
    return [h1, h2, h3, h4, h5, h6]


def diamonds(x: al.Variable, depth: int) -> al.Variable:
    """Double x `depth` times; every addition uses the result of the previous addition twice."""
    y = x
    for _ in range(depth):
        y = al.add(y, y)
    return y


def report_sigmoid(report: Report) -> None:
    """Show f step by step: values, local derivatives, gradients."""
    x, w, b = (al.Variable(value, name=name) for name, value in (("x", 1.0), ("w", 0.0), ("b", 0.0)))
    steps = model(x, w, b)
    f = steps[-1]
    for i, h in enumerate(steps, 1):
        h.name = f"h{i}"
    known = {"dh1/dw": 1, "dh1/dx": 0, "dh2/dh1": 1, "dh2/db": 1, "dh3/dh2": -1, "dh4/dh3": 1, "dh5/dh4": 1}
    known["dh6/dh5"] = -0.25
    report.say("f = 1/(exp(-(w*x + b)) + 1) at x = 1, w = 0, b = 0")
    report.number("f", f.value, 0.5)
    report.say("local derivatives, recorded while f was computed:")
    for h in steps:
        for parent, derivative in h.local_gradients:
            name = f"d{h.name}/d{parent.name}"
            report.number(name, derivative, known[name])
    report.say("gradients, by one sweep from f back to the leaves:")
    gradients = al.gradients(f)
    for leaf, answer in ((x, 0.0), (w, 0.25), (b, 0.25)):
        report.number(f"df/d{leaf.name}", gradients[leaf], answer)
    f.backward()
    caption = "f with its values, gradients, and a local derivative on each edge"
    report.graph("graph.svg", caption, f, play="graph.html")


def report_product(report: Report) -> None:
    """Show L = (w1 + w2) * w3."""
    w1, w2, w3 = (al.Variable(value, name=name) for name, value in (("w1", 2.0), ("w2", 3.0), ("w3", 4.0)))
    loss = al.mul(al.add(w1, w2), w3)
    loss.name = "L"
    report.say("L = (w1 + w2) * w3 at 2, 3, 4")
    report.number("L", loss.value, 20.0)
    for weight, answer in ((w1, 4.0), (w2, 4.0), (w3, 5.0)):
        report.number(f"dL/d{weight.name}", al.gradients(loss, weight), answer)
    loss.backward()
    report.graph("product.svg", "L = (w1 + w2) * w3: w1 and w2 get w3, w3 gets w1 + w2", loss)


def report_diamonds(report: Report) -> None:
    """Show that the number of paths does not matter."""
    x = al.Variable(1.0, name="x")
    y = diamonds(x, DIAMONDS)
    report.say(f"y = x doubled {DIAMONDS} times by y + y: {2**DIAMONDS:,} paths lead from y to x")
    report.number("nodes visited", len(al.topological_order(y)), DIAMONDS + 1)
    report.number("dy/dx", al.gradients(y, x), 2.0**DIAMONDS)
    small = diamonds(al.Variable(1.0, name="x"), 4)
    small.name = "y"
    small.backward()
    report.graph("diamonds.svg", "Four diamonds: two edges a step, 16 paths, 5 visits", small)


def main(out: Path, seed: int = 0, *, quick: bool = False) -> Report:
    """Run the example; nothing in it is random or slow."""
    del seed, quick
    report = Report(out)
    report_sigmoid(report)
    report_product(report)
    report_diamonds(report)
    return report
