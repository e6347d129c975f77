"""Leaky ReLU: a small slope below 0 keeps every gradient alive, provided that it is the slope.

    L(z) = z if z > 0, else 0.01*z
    f(y) = L(w7*L(w4*L(w1*y)) + w6*L(w8*L(w2*y)) + w9*L(w6*L(w3*y)))
    y = f(f(... f(x) ...)), f eleven times        C = (3 - y)^2        x = 1,  w_i from N(0, 1)

You will see that no gradient is 0, each beside a central difference. With a plain ReLU some gradients are 0 in nearly
every start. The gradients are small: eleven passes through slopes of 0.01 make a vanishing gradient.

The original program has three mistakes:
1. Its leaky ReLU overwrites the value of its argument with 0.01*z and keeps the slope 1. The values are right, but a
   derivative is 100 times too large for every negative unit on its path. (Here, setting a computed value raises
   ReadOnlyError.)
2. It mixes a plain ReLU into the second and the third term (here: their first unit). So some gradients are 0 again.
3. It uses w6 in two places and w5 in none. The gradient of w6 adds up both uses; C does not depend on w5.

Source: Maas, Hannun & Ng, "Rectifier nonlinearities improve neural network acoustic models", ICML 2013.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import autograd_lite as al

from .common import BLUE, INK, ORANGE, Report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

PASSES, TARGET, SLOPE, STARTS, QUICK_STARTS, USED = 11, 3.0, 0.01, 300, 60, (1, 2, 3, 4, 6, 7, 8, 9)


def leaky(z: Any) -> Any:
    """Return L(z)."""
    return al.leaky_relu(z, SLOPE)


def slope_one(z: al.Variable) -> al.Variable:
    """Return a node with the value L(z) and the slope of the original, 1 on both sides."""
    return al.Variable(z.value if z.value > 0 else SLOPE * z.value, local_gradients=((z, 1.0),))


VARIANTS = {
    "this library": (leaky, leaky), "slope 1": (slope_one, slope_one),
    "slope 1, ReLU mixed in": (slope_one, al.relu), "ReLU": (al.relu, al.relu),
}  # fmt: skip


def network(w: Sequence[Any], L: Callable[[Any], Any], inner: Callable[[Any], Any]) -> Any:
    """Return y; `inner` is the first unit of the second and of the third term."""
    w1, w2, w3, w4, _, w6, w7, w8, w9 = w
    y = 1.0
    for _ in range(PASSES):
        y = L(w7 * L(w4 * L(w1 * y)) + w6 * L(w8 * inner(w2 * y)) + w9 * L(w6 * inner(w3 * y)))
    return y


def gradients(weights: Sequence[float], L: Callable[[Any], Any], inner: Callable[[Any], Any]) -> np.ndarray:
    """Return dC/dw_i of the eight weights that are used."""
    w = [al.Variable(value) for value in weights]
    return np.array(al.gradients((TARGET - network(w, L, inner)) ** 2, [w[i - 1] for i in USED]))


def difference(weights: np.ndarray, i: int) -> tuple[float, float]:
    """Return dC/dw_i by a central difference of y, and a bound on its error."""
    step = np.where(np.arange(1, 10) == i, 1e-7 * np.abs(weights), 0.0)
    y, after, before = (network(weights + s * step, leaky, leaky) for s in (0, 1, -1))
    slope = (after - before) / (2 * step.sum())
    # y is a product of 11 factors, each linear in w_i (quadratic in w6): a step of 1e-7 of w_i costs (22e-7)^2/6 of the
    # slope by curvature, and 200 * 2**-53 of y over the step, 2e-7, by rounding. 1e-5 leaves room for terms that cancel.
    return 2 * (y - TARGET) * slope, 1e-5 * 2 * abs(y - TARGET) * (abs(slope) + abs(y / weights[i - 1]))


def panels(found: dict[str, np.ndarray], known: np.ndarray) -> Any:
    """Return a painter of the two slopes at one point, and of the gradients of one start."""

    def paint(_figure: Any, left: Any, right: Any) -> None:
        z, near = np.linspace(-4, 3, 701), np.array([-3.0, -1.0])
        left.plot(z, leaky(z), color=INK, linewidth=1.2, marker="o", markevery=[200], zorder=3)
        for L, colour, label in ((leaky, BLUE, "this library"), (slope_one, ORANGE, "the original")):
            slope = al.grad(L)(-2.0)
            left.plot(near, SLOPE * -2.0 + slope * (near + 2.0), color=colour, linewidth=4, label=f"{slope:g}, {label}")
        left.set(title="One value, two slopes", xlabel="z", ylabel="L(z)", ylim=(-1.5, 3))
        left.legend(loc="upper left", title="slope at -2", alignment="left")
        places, ours, wrong = range(len(USED)), np.abs(found["this library"]), np.abs(found["slope 1"])
        right.semilogy(places, wrong, "^", color=ORANGE, ms=9, label="slope 1")
        right.semilogy(places, np.abs(known), "s", color=INK, ms=12, mfc="none", label="central difference")
        right.semilogy(places, ours, "o", color=BLUE, label="this library")
        power = np.log10(np.max(wrong / ours))
        right.set(title=f"Slope 1: too large by up to $10^{{{power:.0f}}}$", xticks=places, ylabel="|dC/dwᵢ|")
        right.set(xticklabels=[f"w{i}" for i in USED], ymargin=0.25)
        right.legend(ncols=3, loc="upper center", columnspacing=1, handletextpad=0)

    return paint


def main(out: Path, seed: int = 0, *, quick: bool = False) -> Report:
    """Show one unit, one start, and many starts."""
    report = Report(out)
    z = al.Variable(-2.0)
    for name, L, slope in (("L", leaky, SLOPE), ("original's L", slope_one, 1.0)):
        report.number(f"{name} at -2", L(z).value, SLOPE * -2.0)
        report.number(f"{name}' at -2", al.gradients(L(z), z), slope)
    starts = np.random.default_rng(seed).normal(size=(QUICK_STARTS if quick else STARTS, 9))
    found = {name: gradients(starts[0], *units) for name, units in VARIANTS.items()}
    known, errors = np.array([difference(starts[0], i) for i in USED]).T
    for i, ours, value, error in zip(USED, found["this library"], known, errors, strict=True):
        report.number(f"dC/dw{i}", ours, value, error)
    report.number("slope 1: too large by up to", np.max(np.abs(found["slope 1"] / found["this library"])))
    refuted = any(abs(found["slope 1"] - known) > errors)
    report.check("central differences refute slope 1, if a weight is negative", refuted or all(starts[0] > 0))
    report.say(f"of {len(starts)} starts, those in which a gradient is 0:")
    for name, units in VARIANTS.items():
        zeros = sum(0.0 in gradients(start, *units) for start in starts)
        report.number(name, zeros, 0 if units[0] is leaky else None)
    graph = network([al.Variable(v) for v in starts[0]], *VARIANTS["this library"])
    report.flow(
        "flow.png",
        "The eight weights in order: small, never 0; and the units on the flat side",
        found["this library"].tolist(),
        (3.0 - graph) ** 2,
        names=[f"w{i}" for i in USED],
    )
    report.plot("leaky.png", "At z = -2, and the gradients of one start", panels(found, known), (None, None))
    return report
