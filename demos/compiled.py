"""Compiled: a loop that ends when the numbers say so, over a million rows.

    y = a;  while |y*y - a| > 1e-12*a:  y = (y + a/y)/2        Newton's square root, written for one number

`jit(vmap(f))` records what a row does, and sees in what other rows do that they take other numbers of turns of one loop.
So one path of machine code serves them all, each row for as many turns as it needs, and its result equals that of plain
Python, bit for bit. You will see the paths, and the derivative of the loop beside the exact derivative, 1/(2 sqrt a).

Source: Heron of Alexandria, Metrica I.8 (the iteration); docs/tape.md (how replays heal themselves).
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

import autograd_lite as al

from .common import Report

if TYPE_CHECKING:
    from pathlib import Path


def newton_sqrt(a: Any) -> Any:
    """Square root by Newton's method, for one positive number."""
    y = a if a > 1 else 1 + 0 * a
    while abs(y * y - a) > 1e-12 * a:
        y = 0.5 * (y + a / y)
    return y


def run(rows: np.ndarray) -> tuple[dict[str, Any], float]:
    """Return roots, slopes and paths, and the seconds of a replay."""
    roots, slopes = al.jit(al.vmap(newton_sqrt)), al.jit(al.vmap(al.grad(newton_sqrt)))
    roots(rows)
    start = perf_counter()
    found = {"roots": roots(rows)}
    seconds = perf_counter() - start
    return found | {"slopes": slopes(rows), "paths": roots.paths()}, seconds


def main(out: Path, seed: int = 0, *, quick: bool = False) -> Report:
    """Run over many rows; compare some with plain Python and all with the exact root."""
    report = Report(out)
    count = 20_000 if quick else 1_000_000
    rows = np.random.default_rng(seed).uniform(0.01, 1e4, count)
    found, seconds = run(rows)
    report.say(f"{count} rows in {1e3 * seconds:.0f} ms; the paths of two such calls:")
    report.say(str(found["paths"]))
    first = zip(rows[:2000].tolist(), found["roots"][:2000].tolist(), strict=True)
    report.number("equal to plain Python", sum(newton_sqrt(a) == root for a, root in first), 2000)
    exact = np.sqrt(rows)
    report.number("largest error of a root", float(np.max(np.abs(found["roots"] / exact - 1))), 0.0, 1e-12)
    report.number("largest error of a slope", float(np.max(np.abs(found["slopes"] * 2 * exact - 1))), 0.0, 1e-9)
    report.check("every row is served by one path", sum(path.lanes for path in found["paths"]) == 2 * count)
    one = newton_sqrt(al.Variable(3.0, name="a"))
    one.name = "y"
    report.graph("rounds.svg", "one row at a = 3: each round of the loop is recorded", one)
    return report
