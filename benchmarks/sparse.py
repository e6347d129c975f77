"""Sparse Jacobians and Hessians of plain scalar functions, beside CasADi: until the first result, and each one after it.

python -m benchmarks.sparse                                             about ten minutes
python -m benchmarks.sparse --write docs/benchmarks                     writes page and plot
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from benchmarks import measure, sections, sparse_problems
from benchmarks.contest import CONTESTANTS, LONGEST, OURS, Bar, Entrant, Row, difference, flat, present
from benchmarks.measure import duration
from benchmarks.sections import Section, judged

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

CASES = {
    "rosenbrock": ("Rosenbrock, 10,000 variables, Hessian", 10_000, 1.0),
    "broyden": ("Broyden tridiagonal, 10,000 variables, Jacobian", 10_000, 1.0),
    "bratu": ("Bratu on 100 × 100 points, Jacobian", 10_000, 1.0),
    "bundle": ("Bundle adjustment, 5,000 observations, cameras of nine parameters, Jacobian", 5_000, 0.1),
    "defects": ("Cart-pole collocation, 10,005 variables, Jacobian", 10_000, 1.0),
    "lagrangian": ("Cart-pole collocation, 10,005 variables, Hessian of the Lagrangian", 10_000, 1.0),
}


def _rows() -> list[Row]:
    rows = []
    for k, (name, (title, size, bar)) in enumerate(CASES.items()):
        shared = (
            partial(sparse_problems.problem, name, size),
            partial(sparse_problems.problem, name, 50),
            sparse_problems.reference,
            (OURS, "casadi"),
        )
        ready, run = Bar(("casadi",), 0.5), Bar(("casadi",), bar)
        rows.append(
            Row(20 + 2 * k, f"{title}: traced anew until the first result", "sparse_anew", *shared, (ready,), anew=True)
        )
        rows.append(Row(21 + 2 * k, f"{title}: evaluated", "sparse", *shared, (run,)))
    return rows


@dataclass(frozen=True)
class Growth:
    """The Hessian of the Rosenbrock function, for growing numbers of variables."""

    number: int
    title: str
    sizes: Sequence[int]
    largest: dict[str, int]
    judged_at: int  # variables whose function has a million operations
    bar: Bar

    def run(self, options: argparse.Namespace) -> Section:
        """Measure each size, in a fresh process each; of small ones the best of three."""
        names, _ = present([name for name in self.largest if name in options.contestants])
        rows, wrong, verdict = [], [], ""
        for size in self.sizes[:1] if options.quick else self.sizes:
            arguments = sparse_problems.problem("rosenbrock", size)
            reference = sparse_problems.reference(*arguments)
            for name in names:
                if size > self.largest[name]:
                    continue
                try:
                    ready, run, fault = _measured(name, size, reference)
                except measure.NotRunError as error:
                    rows.append([name, f"{size:,}", str(error), "", "", ""])
                    continue
                if fault:
                    wrong.append(f"Row {self.number}: {name}, {size:,} variables: WRONG: {fault}")
                operations = 8 * (size - 1)  # of the function; an operation that is repeated is one
                each = ready / operations
                rows.append(
                    [name, f"{size:,}", duration(ready), f"{each * 1e6:.2f}", duration(run), f"{run / size * 1e9:.1f}"]
                )
                if name == OURS and size == self.judged_at:
                    verdict = f"Ready, 10⁶ operations: {duration(each)} each ({judged(each, self.bar, duration)})."
        header = ["contestant", "variables", "first result after", "µs an operation", "a matrix", "ns a variable"]
        return Section(
            self.number, self.title, "\n\n".join(filter(None, [measure.table(header, rows), verdict])), wrong
        )


def _measured(name: str, size: int, reference: object) -> tuple[float, float, str]:
    """Return seconds until the first result and a run, and what is wrong with the result."""
    worker = CONTESTANTS[name].worker(Entrant, "sparse")
    try:
        worker.ask("ready", partial(sparse_problems.problem, "rosenbrock", 50), timeout=LONGEST)  # loads what is used
        tries = []
        while len(tries) < 3 and sum(tries) < 5.0:
            seconds, result = worker.ask("ready", partial(sparse_problems.problem, "rosenbrock", size), timeout=LONGEST)
            tries.append(seconds)
        run = worker.ask("time", timeout=LONGEST)
        return min(tries), run, difference(result, flat(reference))
    finally:
        worker.close()


ROWS: list[sections.Task] = [
    *_rows(),
    Growth(
        32,
        "Hessian of the Rosenbrock function over the number of variables",
        [100, 1_000, 10_000, 125_000, 1_000_000],
        {OURS: 1_000_000, "casadi": 10_000},
        125_000,
        Bar(bar=5e-6),
    ),
]


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; return 0, or 1 if a result was wrong."""
    return sections.main("sparse", ROWS, argv, (__doc__ or "").split("\n", 1)[0])


if __name__ == "__main__":
    sys.exit(main())
