"""Burgers' equation and its adjoint: the start of a wave is found from its end.

    u_t + u u_x = nu u_xx          x in (0, 1), periodic

Waves that are higher run faster, so a smooth wave grows steep until friction nu holds it. Explicit steps in time are a loop
over arrays, `scan`. The cost J is half the squared distance between the end and an end that was seen. One reverse sweep
through all steps, which is the discrete adjoint equation, gives dJ by every number of the start, and L-BFGS finds the start
from it. You will see the waves, and how the start comes back. What the front has swallowed does not: starts that differ by
6 % have ends that agree to 1e-5.

Known: phi_t = nu phi_xx solves the equation by u = -2 nu phi_x/phi (Cole and Hopf), here with cosines for phi. In any
direction d, dJ . d by the adjoint is what `jvp` says.

Source: E. Hopf, The partial differential equation u_t + u u_x = mu u_xx, Comm. Pure Appl. Math. 3, 1950.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import autograd_lite as al

from .common import BLUE, INK, MUTED, ORANGE, Report

if TYPE_CHECKING:
    from pathlib import Path

FRICTION, SECONDS = 0.01, 0.3


def end(start: Any, steps: int) -> Any:
    """Return u at the end by central differences and steps of the midpoint rule."""
    n, h = len(start), SECONDS / steps

    def rate(u: Any) -> Any:
        right, left = np.roll(u, -1), np.roll(u, 1)
        return -0.25 * n * (right * right - left * left) + FRICTION * n * n * (right - 2.0 * u + left)

    def step(u: Any, _: Any) -> Any:
        return u + h * rate(u + 0.5 * h * rate(u)), None

    return al.scan(step, start, length=steps)[0]


def exact(x: Any, t: float) -> Any:
    """Return the solution of Cole and Hopf that starts as 1/2 + sin(2 pi x); phi is a sum of fading waves."""
    n, moved = 512, x - 0.5 * t
    phi = np.exp((np.cos(2.0 * np.pi * np.arange(n) / n) - 1.0) / (4.0 * np.pi * FRICTION))
    k = 2.0 * np.pi * np.arange(n // 2)
    waves = np.fft.rfft(phi)[:-1].real / n * np.exp(-FRICTION * k * k * t)  # phi is even: cosines only
    angles = np.multiply.outer(moved, k)
    return 0.5 + 2.0 * FRICTION * (np.sin(angles) @ (2.0 * k * waves)) / (
        waves[0] + np.cos(angles[:, 1:]) @ (2.0 * waves[1:])
    )


def recovered(cost: Any, n: int, turns: int) -> list[Any]:
    """Return the starts on the way of L-BFGS, from nothing known: u = 1/2."""
    from autograd_lite.scipy import minimize  # noqa: PLC0415 - an extra

    way = [np.full(n, 0.5)]
    options = {"maxiter": turns, "ftol": 0.0, "gtol": 1e-12}
    minimize(cost, way[0], method="L-BFGS-B", options=options, callback=lambda u: way.append(np.array(u)))
    return way


def draw(x: Any, seen: Any, start: Any, way: Any) -> Any:
    """Return a painter of the waves, and of the start on its way back."""

    def paint(_: Any, left: Any, right: Any) -> None:
        times = np.linspace(0.0, SECONDS, 6)
        for k, t in enumerate(times):
            left.plot(x, exact(x, t), color=BLUE, alpha=0.25 + 0.15 * k, label=f"t = {t:.2g}")
        left.plot(x[::3], seen[::3], ".", color=INK, markersize=4, label=f"computed, t = {SECONDS:.2g}")
        left.set(title="The front grows steep", xlabel="x", ylabel="u")
        left.legend(fontsize=8.5)
        for k, turn in enumerate((2, 5, 15)):
            right.plot(x, way[turn], color=MUTED, alpha=0.4 + 0.3 * k, linewidth=1.2, label=f"after {turn} turns")
        right.plot(x, way[-1], color=ORANGE, label=f"after {len(way) - 1} turns")
        right.plot(x, start, "--", color=INK, linewidth=1.2, label="the true start")
        right.set(title="The start, found from the end", xlabel="x", ylabel="u at t = 0")
        right.legend(fontsize=8.5)

    return paint


def main(out: Path, seed: int = 0, *, quick: bool = False) -> Report:
    """Simulate, check the adjoint, and find the start again."""
    report = Report(out)
    n, steps, turns = (64, 100, 40) if quick else (128, 400, 300)
    x = np.arange(n) / n
    start = exact(x, 0.0)
    seen = np.asarray(al.jit(lambda u: end(u, steps))(start))
    # central differences have an error in proportion to 1/n^2, which the front makes large
    report.number("largest error of the end", np.abs(seen - exact(x, SECONDS)).max(), 0.0, 400.0 / n**2)
    report.number("mean of u at the end", seen.mean(), start.mean(), 1e-13)  # nothing changes it

    def cost(u: Any) -> Any:
        return 0.5 * np.sum((end(u, steps) - seen) ** 2) / n

    at, direction = np.full(n, 0.5), np.random.default_rng(seed).normal(size=n)
    value, gradient = al.jit(al.value_and_grad(cost))(at)
    forward = al.jit(lambda u, d: al.jvp(cost, (u,), (d,))[1])(at, direction)
    report.say(f"{n} numbers, {steps} steps: one sweep back for {n} derivatives")
    report.number("adjoint against jvp, relative", gradient @ direction / forward - 1.0, 0.0, 1e-10)
    way = recovered(cost, n, turns)
    compiled = al.jit(cost)
    report.number("cost at the start of the search", value)
    report.number("cost at its end", compiled(way[-1]), 0.0, 1e-5)
    report.number("distance of the start found", np.sqrt(np.mean((way[-1] - start) ** 2)), 0.0, 0.1)
    report.plot("burgers.png", "A shock, and its start", draw(x, seen, start, way), (None, None), (12, 4.6))
    return report
