"""Gradients, Jacobians and Hessians of small scalar functions, over the time of the compiled function itself.

Run by `python -m benchmarks.optimisation --rows 56 57 58`.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmarks import formulas, measure, more_garbow_hillstrom, networks, sparse_problems
from benchmarks.contest import CONTESTANTS, LONGEST, OURS, difference, flat, present, timed
from benchmarks.ratios import ratio
from benchmarks.sections import Section, duration

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

NETWORK = (2, 6, 6, 1)
OBSERVED = (0.3, -0.2)


class Case(NamedTuple):
    """A function of numbers and `m`, where it is differentiated, and the derivatives that are asked for."""

    f: Callable[[Any, Any], Any]
    x: np.ndarray
    kinds: tuple[str, ...] = ("gradient", "hessian")

    @property
    def large(self) -> bool:
        """Whether its Hessian is asked for by the entries of its lower triangle that are not 0, row by row."""
        return len(self.x) > 100


def _squares(problem: more_garbow_hillstrom.Problem) -> dict[str, Case]:
    x = np.array(problem.start) + 0.1
    name = f"{problem.name}, {len(x)} variables"
    return {name: Case(problem.value, x), f"{name}, residuals": Case(problem.residuals, x, ("jacobian",))}


def _network(x: Any, m: Any) -> Any:
    return networks.scalar_sigmoids(x, (0.3, -0.6), (0.8,), NETWORK, lambda z: 1.0 / (1.0 + m.exp(-z)))


CASES = {
    "Rosenbrock, 10 variables": Case(sparse_problems.rosenbrock, np.linspace(-0.9, 1.0, 10)),
    "Rosenbrock, 1,000 variables": Case(sparse_problems.rosenbrock, np.linspace(-0.9, 1.0, 1000)),
    **_squares(next(p for p in more_garbow_hillstrom.PROBLEMS if p.name == "Watson" and len(p.start) == 12)),
    **_squares(next(p for p in more_garbow_hillstrom.PROBLEMS if p.name == "Kowalik and Osborne")),
    "bundle adjustment, 15 parameters": Case(
        lambda x, m: formulas.residual(x, OBSERVED, m), formulas.observations(1)[0][0], ("jacobian",)
    ),
    "Black–Scholes call, 5 inputs": Case(lambda x, m: formulas.call(*x, m), formulas.options(1)[:, 0]),
    "network 2-6-6-1, one sample": Case(_network, networks.start(NETWORK)),
}


def reference(name: str, kind: str) -> np.ndarray:
    """Return the derivative by this library's graph, of a large Hessian the entries that are not 0."""
    import autograd_lite as al

    case = CASES[name]
    if kind == "hessian" and case.large:
        return sparse_problems.reference(sparse_problems.Problem(case.f, "hessian", case.x))
    return flat(getattr(al, {"gradient": "grad"}.get(kind, kind))(lambda x: case.f(x, al))(case.x))


class Both:
    """A contestant in a process of its own, which times a function and a derivative of it."""

    def __init__(self, module: str) -> None:
        self.module = importlib.import_module(module)
        self.runs: list[Callable[[], Any]] = []

    def ready(self, name: str, kind: str) -> np.ndarray:
        """Compile both and return the derivative."""
        self.runs = [self.module.derivative(CASES[name], which) for which in ("value", kind)]
        self.runs[0]()
        return flat(self.runs[1]())

    def times(self) -> tuple[float, float]:
        """Return seconds for the function and for the derivative, with what is compiled beside the runs."""
        for run in self.runs:
            run()
        getattr(self.module, "settle", lambda: None)()
        value, derivative = (timed(run) for run in self.runs)
        return value, derivative


@dataclass(frozen=True)
class Study:
    """A derivative a row, a contestant a column: its time over that of the contestant's own compiled function."""

    number: int
    title: str
    kind: str
    contestants: tuple[str, ...]

    def run(self, options: argparse.Namespace) -> Section:
        """Measure in turn: all contestants on a case, then the next case."""
        names, _ = present([name for name in self.contestants if name in options.contestants])
        cases = [name for name, case in CASES.items() if self.kind in case.kinds]
        rows, wrong = [], []
        for case in cases[:1] if options.quick else cases:
            found = {name: self._measured(name, case, options.rounds) for name in names}
            rows.append([case, *(_shown(rounds) for rounds in found.values())])
            wrong += [f"Row {self.number}: {name}: {case}: {r}" for name, r in found.items() if "WRONG" in str(r)]
        header = [f"{self.kind} time / function time ({self.kind} time)", *names]
        return Section(self.number, self.title, measure.table(header, rows), wrong)

    def _measured(self, name: str, case: str, rounds: int) -> list[tuple[float, float]] | str:
        worker = CONTESTANTS[name].worker(Both)
        try:
            result = worker.ask("ready", case, self.kind, timeout=LONGEST)
            fault = difference(result, reference(case, self.kind))
            return f"WRONG: {fault}" if fault else [worker.ask("times", timeout=LONGEST) for _ in range(rounds)]
        except measure.NotRunError as error:
            return str(error)
        finally:
            worker.close()


def _shown(rounds: list[tuple[float, float]] | str) -> str:
    """Return the ratio and the median time of the derivative, both with the time of the call itself."""
    if isinstance(rounds, str):
        return rounds
    return f"{ratio(rounds):.2f} ({duration(float(np.median([slope for _, slope in rounds])))})"


_EVERYBODY = (OURS, "casadi", "jax, scalar code", "pyoptinterface", "autograd")
ROWS = [
    Study(56, "Gradients over functions", "gradient", _EVERYBODY),
    Study(57, "Jacobians of residuals over functions", "jacobian", _EVERYBODY),
    Study(58, "Hessians over functions", "hessian", _EVERYBODY),
]
