"""Growth of the time an operation with the length of a program, phase by phase, and of the time a lane with the lanes."""

from __future__ import annotations

import gc
import importlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks import formulas, measure
from benchmarks.contest import CONTESTANTS, LONGEST, OURS, Bar, Row, difference, flat, present, timed
from benchmarks.sections import Section, duration, judged, plain

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    import numpy as np

PHASES = ("trace", "gradient", "compile", "run")


class Spent(NamedTuple):
    """Seconds of each phase, and the number of operations that the contestant counts in value and gradient."""

    phases: dict[str, float]
    operations: int

    def each(self, phase: str) -> float:
        """Return seconds an operation."""
        return self.phases[phase] / self.operations


class Builder:
    """A contestant in a process of its own, which traces, differentiates, compiles and runs random programs."""

    def __init__(self, module: str) -> None:
        self.phases = importlib.import_module(module).phases

    def build(self, operations: int) -> tuple[Spent, np.ndarray]:
        """Return the seconds for a program whose gradient has about so many operations, and the gradient."""
        program = formulas.random_program(operations // 3)
        gc.collect()
        phases, compiled, result, run = self.phases(program)
        return Spent({**phases, "run": timed(run)}, compiled), flat(result)


@dataclass(frozen=True)
class Lengths:
    """Random programs of growing length."""

    number: int
    title: str
    sizes: Sequence[int]
    largest: dict[str, int]  # contestant → the length of its longest program
    bar: Bar | None = None
    flat_within: float = float("inf")

    def run(self, options: argparse.Namespace) -> Section:
        """Build every program, at each length one contestant after the other; short builds count by the best of three."""
        names, _ = present([name for name in self.largest if name in options.contestants])
        sizes = self.sizes[:1] if options.quick else self.sizes
        found: dict[str, dict[int, Spent]] = {name: {} for name in names}
        reasons, wrong = [], []
        for size in sizes:
            reference = formulas.random_gradient(formulas.random_program(size // 3))
            for name in names:
                if size > self.largest[name]:
                    continue
                try:
                    found[name][size] = _best(name, size, reference)
                except measure.NotRunError as error:
                    reasons.append(f"{name}, {size:,} operations: {error}.")
                    if "WRONG" in str(error):
                        wrong.append(f"Row {self.number}: {reasons[-1]}")
        parts = [self._table(found), "\n".join(reasons), self._verdict(found.get(OURS, {}))]
        return Section(self.number, self.title, "\n\n".join(filter(None, parts)), wrong)

    def _table(self, found: dict[str, dict[int, Spent]]) -> str:
        header = [
            "contestant",
            "operations",
            *(f"{phase}, µs each" for phase in PHASES[:3]),
            "run, ns each",
            "all in all",
        ]
        rows = []
        for name, column in found.items():
            for spent in column.values():
                each = [f"{spent.each(phase) * 1e6:.2f}" for phase in PHASES[:3]]
                total = duration(sum(spent.phases.values()))
                rows.append([name, f"{spent.operations:,}", *each, f"{spent.each('run') * 1e9:.2f}", total])
        return measure.table(header, rows)

    def _verdict(self, ours: dict[int, Spent]) -> str:
        if not ours or self.bar is None:
            return ""
        each = [spent.each("compile") for spent in ours.values()]
        spread = max(each) / min(each)
        judgement = judged(max(each), self.bar, duration)
        return (
            f"Compile: at most {duration(max(each))} an operation ({judgement}), "
            f"flat within {spread:.2f} ({judged(spread, Bar(bar=self.flat_within), plain)})."
        )


def _best(name: str, size: int, reference: np.ndarray) -> Spent:
    """Build a program in a fresh process, after a small program as a warm-up; take the best of up to three for each phase."""
    worker = CONTESTANTS[name].worker(Builder)
    try:
        worker.ask("build", 300, timeout=LONGEST)
        tries: list[Spent] = []
        while len(tries) < 3 and sum(sum(spent.phases.values()) for spent in tries) < 5:
            spent, gradient = worker.ask("build", size, timeout=LONGEST)
            fault = difference(gradient, reference)
            if fault:
                raise measure.NotRunError(f"WRONG: {fault}")
            tries.append(spent)
    finally:
        worker.close()
    return Spent({phase: min(t.phases[phase] for t in tries) for phase in PHASES}, tries[0].operations)


@dataclass(frozen=True)
class Lanes:
    """One row, for growing numbers of lanes."""

    number: int
    title: str
    row: Row
    problem: Callable[[int], tuple[Any, ...]]
    sizes: Sequence[int]

    def run(self, options: argparse.Namespace) -> Section:
        """Measure the row at each size."""
        columns, wrong = {}, []
        for size in self.sizes[:2] if options.quick else self.sizes:
            problem = partial(self.problem, size)
            columns[size] = self.row.at(problem).column(options)
            wrong += [
                f"Row {self.number}, {size:,} lanes: {n}: {c.reason}" for n, c in columns[size].items() if c.wrong
            ]
        names = [*next(iter(columns.values()))]
        header = ["ns a lane (our time / its time)", *(f"{size:,}" for size in columns)]
        rows = [[name, *(_lane(column, name, size) for size, column in columns.items())] for name in names]
        return Section(self.number, self.title, measure.table(header, rows), wrong)


def _lane(column: Any, name: str, size: int) -> str:
    cell, ours = column[name], column.get(OURS)
    if not cell.rounds:
        return str(cell.reason)
    ratio = f" ({cell.ratio(ours):.2g})" if ours and ours.rounds and ours is not cell else ""
    return f"{cell.seconds() / size * 1e9:,.3g}{ratio}"
