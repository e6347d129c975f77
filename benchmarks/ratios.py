"""The time of a gradient over the time of its function, both by one executor."""

from __future__ import annotations

import importlib
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import measure
from benchmarks.contest import CONTESTANTS, LONGEST, OURS, Bar, difference, flat, present, timed
from benchmarks.functions import FUNCTIONS
from benchmarks.sections import Section, duration, judged

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

# contestant, lanes (0: one point) → function → rounds of seconds for value and gradient, or a reason for their absence
Found = dict[tuple[str, int], dict[str, Any]]


class Pair:
    """A contestant in a process of its own, which times value and gradient of one function after another."""

    def __init__(self, module: str) -> None:
        self.module = importlib.import_module(module)
        self.runs: list[Callable[[], Any]] = []

    def ready(self, name: str, lanes: int) -> np.ndarray:
        """Compile both and return the gradient."""
        points = points_of(name, lanes)
        self.runs = [self.module.value(name, points), self.module.gradient(name, points)]
        self.runs[0]()
        return flat(self.runs[1]())

    def times(self) -> tuple[float, float]:
        """Return seconds for the value and for the gradient."""
        value, gradient = (timed(run) for run in self.runs)
        return value, gradient


def points_of(name: str, lanes: int) -> np.ndarray:
    """Return the point of a function, or rows of points near it."""
    point = FUNCTIONS[name][1]()
    return point if lanes == 0 else point * (1.0 + 1e-3 * np.arange(lanes)[:, None] / lanes)


def references(name: str) -> np.ndarray:
    """Return the gradient by this library's graph."""
    import autograd_lite as al

    return flat(al.grad(lambda x: FUNCTIONS[name][0](x, al))(points_of(name, 0)))


@dataclass(frozen=True)
class Study:
    """The table of all functions, for each contestant that compiles scalar code."""

    number: int
    title: str
    contestants: tuple[str, ...]
    bar: Bar
    lanes: int = 256

    def run(self, options: argparse.Namespace) -> Section:
        """Measure every function at one point and over lanes."""
        names, _ = present([name for name in self.contestants if name in options.contestants])
        functions = [*FUNCTIONS][:: 10 if options.quick else 1]
        found: Found = {(name, lanes): {} for name in names for lanes in (0, self.lanes)}
        wrong = []
        for name, lanes in found:
            worker = CONTESTANTS[name].worker(Pair)
            try:
                for function in functions:
                    found[name, lanes][function] = _measured(worker, function, lanes, options.rounds)
            finally:
                worker.close()
            wrong += [
                f"Row {self.number}: {name}: {f}: {r}" for f, r in found[name, lanes].items() if "WRONG" in str(r)
            ]
        return Section(self.number, self.title, self._text(found, functions), wrong)

    def _text(self, found: Found, functions: list[str]) -> str:
        header = ["gradient time / value time (value time)", *(_column(name, lanes) for name, lanes in found)]
        rows = [[f, *(_shown(column[f]) for column in found.values())] for f in functions]
        medians = {key: _median(column) for key, column in found.items()}
        rows.append(["**median**", *("–" if m is None else f"**{m:.2f}**" for m in medians.values())])
        verdicts = [
            f"Median, {_column(name, lanes)}: {m:.2f} ({judged(m, self.bar, '{:.3g}'.format)})."
            for (name, lanes), m in medians.items()
            if name == OURS and m is not None
        ]
        return "\n\n".join([measure.table(header, rows), "\n".join(verdicts)]).strip()


def _measured(worker: measure.Worker, function: str, lanes: int, rounds: int) -> list[tuple[float, float]] | str:
    try:
        result = worker.ask("ready", function, lanes, timeout=LONGEST)
        expected = references(function)
        fault = difference(result[: expected.size], expected)  # the first lane is that point
        if fault:
            return f"WRONG: {fault}"
        return [worker.ask("times", timeout=LONGEST) for _ in range(rounds)]
    except measure.NotRunError as error:
        return str(error)


def _column(name: str, lanes: int) -> str:
    return f"{name}, {lanes} points" if lanes else f"{name}, one point"


def ratio(rounds: list[tuple[float, float]]) -> float:
    return statistics.median(gradient / value for value, gradient in rounds)


def _shown(rounds: list[tuple[float, float]] | str) -> str:
    """Return the ratio and the median time of a value, which includes the time of the call itself."""
    if isinstance(rounds, str):
        return rounds
    return f"{ratio(rounds):.2f} ({duration(statistics.median(value for value, _ in rounds))})"


def _median(column: dict[str, Any]) -> float | None:
    ratios = [ratio(rounds) for rounds in column.values() if not isinstance(rounds, str)]
    return statistics.median(ratios) if ratios else None
