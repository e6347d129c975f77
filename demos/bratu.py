"""Bratu: Newton's method for a differential equation; the function is a loop, its Jacobian has three numbers a row.

    u'' + e^u = 0 on (0, 1),   u(0) = u(1) = 0

On a grid of n points, the residual at a point k uses u at k and beside it:

    r_k = (u_(k-1) - 2 u_k + u_(k+1)) / h^2 + e^(u_k)          Newton: u <- u - J^-1 r

J has n^2 places and 3 n - 2 entries. `al.sparse` finds them by itself and gives SciPy's matrix, so a step is one solve with
that matrix. There are two solutions, u(x) = -2 log(cosh((x - 1/2) t/2) / cosh(t/4)), where t = sqrt(2) cosh(t/4) has the
roots 1.517... and 10.938... You will see both, how fast Newton's method gets there, and the pattern of J.

Source: Ascher, Mattheij & Russell, Numerical Solution of Boundary Value Problems, SIAM 1995, example 3.5.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

import autograd_lite as al

from .common import BLUE, MUTED, ORANGE, Report

if TYPE_CHECKING:
    from pathlib import Path


def residuals(u: Any) -> list[Any]:
    """Return u'' + e^u at each point of the grid; u is 0 at both ends."""
    n = len(u)
    h2 = (1.0 / (n + 1)) ** 2
    found = []
    for k in range(n):
        left = u[k - 1] if k > 0 else 0.0
        right = u[k + 1] if k < n - 1 else 0.0
        found.append((left - 2.0 * u[k] + right) / h2 + al.exp(u[k]))
    return found


def solved(s: Any, u: Any) -> tuple[Any, list[float]]:
    """Return where Newton's method ends, and the lengths of its steps."""
    from scipy.sparse.linalg import spsolve  # noqa: PLC0415 - an extra

    steps: list[float] = []
    while len(steps) < 30 and (not steps or steps[-1] > 1e-9):
        step = spsolve(s.jacobian(u), np.array(s.value(u)))
        u = u - step
        steps.append(float(np.abs(step).max()))
    return u, steps


def exact(t: float, x: Any) -> Any:
    """Return the solution that belongs to a root of t = sqrt(2) cosh(t/4); four steps make all digits of t right."""
    for _ in range(4):
        t = t - (t - 2**0.5 * np.cosh(t / 4)) / (1 - 2**0.5 / 4 * np.sinh(t / 4))
    return -2.0 * np.log(np.cosh((x - 0.5) * t / 2) / np.cosh(t / 4))


def draw(figure: Any, curves: Any, steps: Any) -> Any:
    """Return a painter of both solutions and of the lengths of the steps."""
    x, found = figure

    def paint(_: Any, left: Any, right: Any) -> None:
        for (name, u), colour in zip(found.items(), (BLUE, ORANGE), strict=True):
            left.plot(x, u, color=colour, label=name)
            left.plot(x[:: len(x) // 20], curves[name][:: len(x) // 20], ".", color=MUTED)
            right.semilogy(range(1, len(steps[name]) + 1), steps[name], "o-", color=colour, label=name)
        left.set(title="Two solutions; dots: the formula", xlabel="x", ylabel="u")
        right.set(title="Each step squares the error", xlabel="step", ylabel="largest change of u", xticks=range(1, 8))
        left.legend(), right.legend()

    return paint


def main(out: Path, seed: int = 0, *, quick: bool = False) -> Report:
    """Solve from two starts and compare with the formula; nothing in it is random."""
    del seed
    report = Report(out)
    n = 199 if quick else 9_999
    x = np.linspace(0.0, 1.0, n + 2)[1:-1]
    s, began = al.sparse(residuals), perf_counter()
    starts = {"lower": np.zeros(n), "upper": 16.0 * x * (1.0 - x)}
    results = {name: solved(s, u) for name, u in starts.items()}
    seconds = perf_counter() - began
    report.say(f"{n} unknowns; both solutions in {seconds:.2f} s, tracing included. What was found:")
    report.say("\n".join(f"  {line}" for line in s.report().splitlines()[1:3]))
    curves = {"lower": exact(1.5, x), "upper": exact(11.0, x)}
    report.number("entries of J", s.pattern("jacobian").nnz, 3 * n - 2)
    for name, (u, steps) in results.items():
        # the grid's error is some 0.35 h^2, and rounding in u'' is 1e-16/h^2
        report.number(f"{name} u(1/2)", u[n // 2], curves[name][n // 2], 1.0 / n**2 + 1e-15 * n**2)
        report.check(f"{name}: ten steps are enough", len(steps) < 10)
    found = {name: u for name, (u, _) in results.items()}
    steps = {name: lengths for name, (_, lengths) in results.items()}
    report.plot("solutions.png", "both solutions, and the way there", draw((x, found), curves, steps), [None, None])
    small = al.sparse(residuals)
    small.jacobian(np.zeros(24))
    report.out.mkdir(parents=True, exist_ok=True)
    small.draw().save(report.out / "pattern.svg")
    report.pictures.append(
        (report.out / "pattern.svg", "the Jacobian on 24 points: constants, and what e^u adds to them")
    )
    return report
