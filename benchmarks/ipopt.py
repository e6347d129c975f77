"""An optimum under many sparse constraints, by IPOPT: from the function or model to the optimum, everything included.

python -m benchmarks.ipopt                                              some three minutes
"""

from __future__ import annotations

import importlib
import statistics
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmarks import contest, measure, sections, sparse_problems
from benchmarks.contest import CONTESTANTS, LONGEST, ONE_THREAD, OURS, Bar
from benchmarks.measure import duration
from benchmarks.sections import Section, judged, plain

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

OPTIONS = {"tol": 1e-8, "linear_solver": "mumps", "print_level": 0, "sb": "yes", "max_iter": 500}
#: Optima and points of all contestants, relative: IPOPT ends where its scaled errors are below 1e-8.
ALIKE = 1e-6
#: The module of each contestant, and the libraries that it loads, which is not counted.
MODULES = {
    OURS: ("benchmarks.ipopt", ["autograd_lite.scipy", "cyipopt"]),
    "pyoptinterface": ("benchmarks.peers.with_pyoptinterface_models", ["cyipopt"]),
    "casadi": (CONTESTANTS["casadi"].module, []),
}
#: How much the angle of the second start swings back.
BACK = 0.3


class Swing(NamedTuple):
    """A pole on a cart is to be swung up, from one state to another in so many intervals."""

    intervals: int

    @property
    def half(self) -> float:
        """Half an interval in seconds."""
        return 0.5 * sparse_problems.SECONDS / self.intervals

    @property
    def high(self) -> np.ndarray:
        """Limits of place and force; the states at both ends are given."""
        return self._box(np.array([2.0, np.inf, np.inf, np.inf, 20.0]))

    @property
    def low(self) -> np.ndarray:
        """The other side."""
        return self._box(-np.array([2.0, np.inf, np.inf, np.inf, 20.0]))

    def _box(self, side: np.ndarray) -> np.ndarray:
        box = np.tile(side, (self.intervals + 1, 1))
        box[0, :4], box[-1, :4] = 0.0, (1.0, np.pi, 0.0, 0.0)
        return box.ravel()

    def start(self, *, again: bool) -> np.ndarray:
        """Return a straight line in place and angle; another time an angle that swings back first."""
        times = np.linspace(0.0, 1.0, self.intervals + 1)
        x = np.zeros((len(times), 5))
        x[:, 0], x[:, 1] = times, np.pi * times - again * BACK * np.sin(np.pi * times)
        return x.ravel()


class Collocation:
    """Ours: plain functions, compiled so that the next call finds what was made for the first."""

    def __init__(self, swing: Swing, options: Mapping[str, Any]) -> None:
        import autograd_lite as al
        from autograd_lite.scipy import Bounds, NonlinearConstraint

        def effort(x: Any) -> Any:
            return sparse_problems.effort(x, al, intervals=swing.intervals)

        def defects(x: Any) -> Any:
            return sparse_problems.defects(x, al, intervals=swing.intervals)

        self.effort, self.rule = al.jit(effort), NonlinearConstraint(al.jit(defects), 0.0, 0.0)
        self.box, self.options = Bounds(swing.low, swing.high), dict(options)

    def solve(self, start: np.ndarray) -> tuple[float, int, np.ndarray]:
        """Return the least effort, the number of iterations and the optimum."""
        from autograd_lite.scipy import minimize

        found = minimize(
            self.effort, start, method="ipopt", bounds=self.box, constraints=self.rule, options=self.options
        )
        return float(found.fun), int(found.nit), found.x


class Total(NamedTuple):
    """One solution: seconds and CPU seconds, least effort, iterations (-1: not told), optimum."""

    seconds: float
    cpu: float
    effort: float
    iterations: int
    x: np.ndarray


class Process:
    """A contestant in a process of its own, with its libraries loaded."""

    def __init__(self, module: str, libraries: Sequence[str]) -> None:
        for library in libraries:
            importlib.import_module(library)
        self.make = importlib.import_module(module).Collocation
        self.made: Any = None

    def total(self, intervals: int, again: bool) -> Total:
        """Solve; the first time from the function or model on."""
        swing = Swing(intervals)
        start = swing.start(again=again)
        clocks = time.perf_counter(), time.process_time()
        if not again:
            self.made = self.make(swing, OPTIONS)
        effort, iterations, x = self.made.solve(start)
        seconds, cpu = time.perf_counter() - clocks[0], time.process_time() - clocks[1]
        return Total(seconds, cpu, effort, iterations, np.asarray(x))


@dataclass(frozen=True)
class Totals:
    """Totals of all contestants for one size, in fresh processes, in turns."""

    number: int
    title: str
    intervals: int
    bars: Mapping[str, Bar]

    def run(self, options: argparse.Namespace) -> Section:
        """Measure first solutions, and further ones from another start."""
        swing = Swing(10 if options.quick else self.intervals)
        names, _ = contest.present([name for name in MODULES if name in options.contestants])
        tasks = {name: ((lambda name=name: _totals(swing, *MODULES[name])), options.rounds) for name in names}
        found = measure.in_turns(tasks)
        heads = ["From the function or model to the optimum:", "From another start, in the same process:"]
        tables = [f"{head}\n\n{_table(found, which)}" for which, head in enumerate(heads)]
        found = {name: rounds for name, rounds in found.items() if rounds}
        verdicts = [self._verdict(name, found) for name in self.bars if name in found and OURS in found]
        text = "\n\n".join([*tables, "\n".join(verdicts)]).strip()
        return Section(self.number, self.title, text, self._wrong(found))

    def _verdict(self, name: str, found: Mapping[str, Sequence[tuple[Total, Total]]]) -> str:
        ratio = _middle(_seconds(found[OURS], 0)) / _middle(_seconds(found[name], 0))
        return f"First optimum: {plain(ratio)} of the time of {name} ({judged(ratio, self.bars[name], plain)})."

    def _wrong(self, found: Mapping[str, Sequence[tuple[Total, Total]]]) -> list[str]:
        """Optima that are not those of the first contestant; each of both starts ends in the same one."""
        faults = []
        expected = next(iter(found.values()))[0][0] if found else None
        for name, rounds in found.items():
            for total in (one for pair in rounds for one in pair):
                far = np.abs(total.x - expected.x).max() / np.abs(expected.x).max()
                if not (far < ALIKE**0.5 and abs(total.effort - expected.effort) < ALIKE * expected.effort):
                    faults.append(f"Row {self.number}: {name}: {total.effort} for {expected.effort}, {far:.1e} away.")
        return faults


def _totals(swing: Swing, module: str, libraries: Sequence[str]) -> tuple[Total, Total]:
    """Both solutions in a new process."""
    worker = measure.Worker(Process, module, libraries, environment=ONE_THREAD)
    try:
        first, again = (worker.ask("total", swing.intervals, again, timeout=LONGEST) for again in (False, True))
        return first, again
    finally:
        worker.close()


def _table(found: Mapping[str, Sequence[tuple[Total, Total]]], which: int) -> str:
    """Return the table of first solutions, or of those from another start."""
    lines = []
    for name, rounds in found.items():
        if not rounds:
            lines.append([name, "not run", *[""] * 5])
            continue
        times, ratio, spread, cpu = _seconds(rounds, which), "1", "–", "1"
        if found.get(OURS) and name != OURS:
            ours, both = (
                _seconds(found[OURS], which),
                [[pair[which].cpu for pair in of] for of in (found[OURS], rounds)],
            )
            ratio, spread = f"{_middle(ours) / _middle(times):.3g}", measure.spread(ours, times)
            cpu = f"{_middle(both[0]) / _middle(both[1]):.3g}"
        one = rounds[0][which]
        told = "–" if one.iterations < 0 else str(one.iterations)
        lines.append([name, duration(_middle(times)), ratio, spread, cpu, told, f"{one.effort:.8g}"])
    header = [
        "contestant", "time a run", "our time / its time", "in single rounds", "in CPU time", "iterations", "least effort",
    ]  # fmt: skip
    return measure.table(header, lines)


def _seconds(rounds: Sequence[tuple[Total, Total]], which: int) -> list[float]:
    return [pair[which].seconds for pair in rounds]


def _middle(numbers: Sequence[float]) -> float:
    return statistics.median(numbers)


ROWS: list[sections.Task] = [
    Totals(41, "Cart and pole by IPOPT, 505 variables, everything included", 100, {"pyoptinterface": Bar(bar=1.5)}),
    Totals(42, "Cart and pole by IPOPT, 2,005 variables, everything included", 400, {}),
    Totals(
        43,
        "Cart and pole by IPOPT, 10,005 variables, everything included",
        2000,
        {"pyoptinterface": Bar(bar=1.0), "casadi": Bar(bar=0.5)},
    ),
]


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; return 0, or 1 if the optima differ."""
    return sections.main("ipopt", ROWS, argv, (__doc__ or "").split("\n", 1)[0])


if __name__ == "__main__":
    sys.exit(main())
