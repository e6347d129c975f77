"""Gradient tape semantics: what is recorded, asking twice, asking for more.

    y = w*x            w = 1, x = 2            dy/dw = x = 2, or None when w was not recorded
    y = x*w + b        w = 1, b = 2, x = 3     dy/dw = 3, dy/db = 1, d2y/dw2 = None

TensorFlow records inside `with tf.GradientTape()`; a number that is computed outside has gradient None. Here every
operation on a Variable is recorded, without a block. TensorFlow leaves an operation out by its position, this library
by a call:

    outside the tape        al.stop_gradient(w) * x, asked with unconnected="none"      None
    inside                  w * x                                                       2
    persistent=True         ask twice: the graph stays as long as y does                2 and 2
    tape in a tape          create_graph=True: the gradient is a graph of its own       3, 1, then None

None means "does not depend on it" and is not the number 0. The default answer is 0.0, and unconnected="raise" makes it
an error. d2y/dw2 is None since dy/dw = x does not contain w; for z = x*w^2 the second derivative is 2*x = 6.

Source: TensorFlow's guides "Introduction to gradients and automatic differentiation" (tapes, None, persistent=True) and
"Advanced automatic differentiation" (nested tapes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import autograd_lite as al

from .common import Report

if TYPE_CHECKING:
    from pathlib import Path


def one_tape() -> dict[str, float | None]:
    """Ask for a gradient outside, inside and twice; then let `backward` add up."""
    w, x = al.Variable(1.0, name="w"), al.Variable(2.0, name="x")
    outside, inside = al.stop_gradient(w) * x, w * x
    found = {
        "outside: dy/dw": al.gradients(outside, w, unconnected="none"),
        "outside, as a number": al.gradients(outside, w),
        "inside: dy/dw": al.gradients(inside, w, unconnected="none"),
        "asked again: dy/dw": al.gradients(inside, w, unconnected="none"),
    }
    inside.backward()
    found["w.grad after backward()"] = w.grad
    inside.backward()
    found["w.grad after another"] = w.grad
    return found


def nested_tapes(report: Report) -> dict[str, float | None]:
    """Differentiate a derivative."""
    w, b, x = (al.Variable(value, name=name) for name, value in (("w", 1.0), ("b", 2.0), ("x", 3.0)))
    y = x * w + b
    dy_dw, dy_db = al.gradients(y, [w, b], create_graph=True)
    z = x * w * w
    dz_dw = al.gradients(z, w, create_graph=True)
    found = {
        "dy/dw": dy_dw.value,
        "dy/db": dy_db.value,
        "d2y/dw2": al.gradients(dy_dw, w, unconnected="none"),
        "dz/dw": dz_dw.value,
        "d2z/dw2": al.gradients(dz_dw, w, unconnected="none"),
    }
    z.name, dz_dw.name = "z", "dz/dw"
    z.backward()
    report.graph("z.svg", "z = x*w*w: w is used twice, so two paths add up in its gradient", z)
    dz_dw.backward()
    report.graph("dz_dw.svg", "dz/dw, recorded by create_graph=True: a graph like any other", dz_dw)
    return found


def main(out: Path, seed: int = 0, *, quick: bool = False) -> Report:
    """Run the example; nothing in it is random or slow."""
    del seed, quick
    report = Report(out)
    report.say("y = w*x at w = 1, x = 2")
    single = one_tape()
    for (name, value), known in zip(single.items(), (None, 0.0, 2.0, 2.0, 2.0, 4.0), strict=True):
        report.number(name, value, known)
    report.check("outside the tape the gradient is None", single["outside: dy/dw"] is None)
    report.say("y = x*w + b and z = x*w*w at w = 1, b = 2, x = 3")
    nested = nested_tapes(report)
    for (name, value), known in zip(nested.items(), (3.0, 1.0, None, 6.0, 6.0), strict=True):
        report.number(name, value, known)
    report.check("dy/dw does not depend on w: d2y/dw2 is None", nested["d2y/dw2"] is None)
    return report
