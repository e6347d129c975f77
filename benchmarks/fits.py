"""A fit with many unknowns by `autograd_lite.scipy`, beside SciPy with its own differences: everything included.

python -m benchmarks.fits                                               about a minute
"""

from __future__ import annotations

import math
import statistics
import sys
import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

import autograd_lite as al
from benchmarks import measure, sections, sparse_problems
from benchmarks.contest import Bar
from benchmarks.measure import duration
from benchmarks.sections import Section, judged, plain

if TYPE_CHECKING:
    import argparse

#: How far the start lies from the solution, and the noise of a measurement in pixels.
AWAY, NOISE = 0.02, 0.5
#: Sums of squares of both fits, relative: both stop where the sum falls by less than 1e-8 of itself.
ALIKE = 1e-6


@dataclass(frozen=True)
class Fit:
    """Bundle adjustment: cameras and points from the places of the points in pictures."""

    number: int
    title: str
    observations: int
    bar: Bar

    def run(self, options: argparse.Namespace) -> Section:
        """Measure both in turn, each traced or grouped anew: seconds and CPU seconds of the process, medians."""
        problem = _Problem(600 if options.quick else self.observations)
        fits = {"autograd_lite": problem.ours, "SciPy": problem.scipys, "autograd_lite, compiled before": problem.again}
        problem.again()
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in fits}
        costs = {}
        for _ in range(min(options.rounds, 3)):
            for name, fit in fits.items():
                start = time.perf_counter(), time.process_time()
                costs[name] = fit()
                times[name].append((time.perf_counter() - start[0], time.process_time() - start[1]))
        middle = {name: [statistics.median(each) for each in zip(*found, strict=True)] for name, found in times.items()}
        ours = middle["autograd_lite"]
        ratios = [a / b for a, b in zip(ours, middle["SciPy"], strict=True)]
        rows = [
            [name, duration(wall), f"{ours[0] / wall:.3g}", duration(cpu), f"{costs[name]:.6g}"]
            for name, (wall, cpu) in middle.items()
        ]
        verdict = (
            f"{ratios[0]:.3g} of the time of SciPy ({judged(ratios[0], self.bar, plain)}); {ratios[1]:.3g} in CPU time."
        )
        header = ["contestant", "time a run", "our time / its time", "CPU time", "half the sum of squares"]
        wrong = any(abs(cost - costs["SciPy"]) > ALIKE * costs["SciPy"] for cost in costs.values())
        return Section(
            self.number,
            self.title,
            f"{measure.table(header, rows)}\n\n{verdict}",
            [f"Row {self.number}: WRONG: {costs}"] if wrong else [],
        )


class _Problem:
    """The problem of `sparse_problems`, with measurements that belong to its parameters."""

    def __init__(self, observations: int) -> None:
        made = sparse_problems.problem("bundle", observations)[0]
        rng, self.given = np.random.default_rng(1), dict(made.f.keywords)
        self.given["pixels"] = [[0.0, 0.0]] * len(self.given["seen"])
        self.plain = SimpleNamespace(sin=math.sin, cos=math.cos, sqrt=math.sqrt)
        places = np.reshape(self.residuals(made.x.tolist(), self.plain), (-1, 2))
        self.given["pixels"] = (places + rng.normal(0.0, NOISE, places.shape)).tolist()
        self.compiled = al.jit(lambda x: self.residuals(x, al))
        self.start, self.columns = made.x + rng.normal(0.0, AWAY, len(made.x)), made.columns

    def residuals(self, x: Any, m: Any) -> list[Any]:
        """In plain scalar code."""
        return sparse_problems.bundle(x, m, **self.given)

    def ours(self) -> float:
        """Nothing is given but the residuals."""
        from autograd_lite.scipy import least_squares

        return float(least_squares(lambda x: self.residuals(x, al), self.start, x_scale="jac").cost)

    def again(self) -> float:
        """With the derivatives that the compiled function has kept."""
        from autograd_lite.scipy import least_squares

        return float(least_squares(self.compiled, self.start, x_scale="jac").cost)

    def scipys(self) -> float:
        """The pattern is given, by hand; differences are taken for all inputs of a group at once."""
        from scipy.optimize import least_squares
        from scipy.sparse import csr_array

        rows = np.repeat(np.arange(len(self.columns)), self.columns.shape[1])
        ones, shape = np.ones(self.columns.size), (len(self.columns), len(self.start))
        pattern = csr_array((ones, (rows, self.columns.ravel())), shape)

        def residuals(x: Any) -> Any:
            return np.array(self.residuals(x.tolist(), self.plain))

        return float(least_squares(residuals, self.start, jac_sparsity=pattern, x_scale="jac").cost)


ROWS: list[sections.Task] = [
    Fit(
        40,
        "Bundle adjustment by least_squares, 3,180 unknowns, 10,000 residuals, everything included",
        5_000,
        Bar(bar=0.5),
    )
]


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; return 0, or 1 if the fits differ."""
    return sections.main("fits", ROWS, argv, (__doc__ or "").split("\n", 1)[0])


if __name__ == "__main__":
    sys.exit(main())
