"""Long loops: how soon their derivatives are ready, and what binomial checkpoints cost in time and save in memory."""

from __future__ import annotations

import gc
import statistics
import tracemalloc
from dataclasses import dataclass
from itertools import combinations
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

import numpy as np

import autograd_lite as al
from benchmarks import measure
from benchmarks.contest import Bar
from benchmarks.sections import Section, duration, judged, plain

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence


def planets(mass: Any, steps: int, checkpoint: Any = None) -> Any:
    """Return where the second of five bodies is in a plane, after some steps of the leapfrog method."""
    h, masses = 1e-3, [mass, 0.01, 0.02, 0.01, 0.03]

    def pulls(places: Sequence[Sequence[Any]]) -> list[list[Any]]:
        sums = [[0.0, 0.0] for _ in places]
        for i, j in combinations(range(len(places)), 2):
            x, y = places[j][0] - places[i][0], places[j][1] - places[i][1]
            square = x * x + y * y + 1e-4
            pull = 1.0 / (square * al.sqrt(square))
            for body, other in ((i, masses[j] * pull), (j, -masses[i] * pull)):
                sums[body] = [sums[body][0] + other * x, sums[body][1] + other * y]
        return sums

    def step(state: tuple[Any, Any], _: None) -> tuple[tuple[Any, Any], None]:
        places, speeds = state
        speeds = [[v + h * a for v, a in zip(*pair, strict=True)] for pair in zip(speeds, pulls(places), strict=True)]
        places = [[x + h * v for x, v in zip(*pair, strict=True)] for pair in zip(places, speeds, strict=True)]
        return (places, speeds), None

    start = [[0.0, 0.0], [1.0, 0.0], [0.0, -1.5], [-2.0, 0.0], [0.0, 2.5]]
    speeds = [[0.0, 0.0], [0.0, 1.0], [0.8, 0.0], [0.0, -0.7], [-0.6, 0.0]]
    return al.scan(step, (start, speeds), length=steps, checkpoint=checkpoint)[0][0][1][0]


def pendulum(friction: Any, steps: int, checkpoint: Any = None) -> Any:
    """Return the angle of a pendulum after some steps of Euler's method: eight operations each."""

    def step(state: tuple[Any, Any], _: None) -> tuple[tuple[Any, Any], None]:
        x, v = state
        return (x + 0.01 * v, v - 0.01 * (al.sin(x) + friction * v)), None

    return al.scan(step, (1.0, 0.0), length=steps, checkpoint=checkpoint)[0][0]


def peak(call: Callable[[], Any]) -> int:
    """Return the most bytes that a call holds at a time."""
    gc.collect()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@dataclass(frozen=True)
class Checkpoints:
    """The gradient of a simulation: storing all carries, some, and those of a binomial schedule; times interleaved."""

    number: int
    title: str
    steps: Sequence[int]

    def run(self, options: argparse.Namespace) -> Section:
        """Measure; every gradient must have the bits of the one that stores all."""
        wrong, rows, verdicts = [], [], []
        for name, simulation in (("five bodies, 20 numbers", planets), ("pendulum, 2 numbers", pendulum)):
            for steps in self.steps[: 1 if options.quick else None]:
                choices = (None, round(steps**0.5), "binomial")
                calls = {
                    choice: al.jit(al.grad(lambda p, s=simulation, n=steps, c=choice: s(p, n, c))) for choice in choices
                }
                if len({call(1.0) for call in calls.values()}) > 1:
                    wrong.append(f"Row {self.number}: {name}, {steps:,} steps: gradients differ.")
                times = self._interleaved(calls, 5 if options.quick else 41)
                bytes_ = {choice: peak(lambda call=call: call(1.0)) for choice, call in calls.items()}
                for choice in choices:
                    ratio, less = times[choice] / times[None], bytes_[None] / bytes_[choice]
                    stored = {None: "all", "binomial": "binomial"}.get(choice, f"every {choice}th")
                    rows.append([name, f"{steps:,}", stored, duration(times[choice]), f"{ratio:.2f}", f"1/{less:.1f}"])
                    if choice == "binomial" and steps == 10_000:
                        cost = judged(ratio, Bar(bar=3.0), plain)
                        saved = judged(1 / less, Bar(bar=1 / 20), plain)
                        verdicts.append(f"{name}: time {cost}, memory {saved}.")
        header = ["simulation", "steps", "stored carries", "gradient", "time", "memory"]
        return Section(self.number, self.title, "\n\n".join([measure.table(header, rows), " ".join(verdicts)]), wrong)

    @staticmethod
    def _interleaved(calls: dict[Any, Any], rounds: int) -> dict[Any, float]:
        spent: dict[Any, list[float]] = {choice: [] for choice in calls}
        for _ in range(rounds):
            for choice, call in calls.items():
                start = process_time()
                call(1.0)
                spent[choice].append(process_time() - start)
        return {choice: statistics.median(times) for choice, times in spent.items()}


#: What is done with the simulation, a function of one number and the count of steps.
DERIVATIVES: dict[str, Callable[[Any], Any]] = {
    "value": al.jit,
    "grad": lambda f: al.jit(al.grad(f)),
    "jvp": lambda f: al.jit(lambda p: al.jvp(f, (p,), (1.0,))[1]),
    "grad of grad": lambda f: al.jit(al.grad(al.grad(f))),
    "hvp": lambda f: al.jit(lambda p: al.hvp(f, (p,), (1.0,))),
    "hessian": lambda f: al.jit(al.hessian(f)),
    "grad of grad of grad": lambda f: al.jit(al.grad(al.grad(al.grad(f)))),
    "vmap": lambda f: _in_lanes(al.jit(al.vmap(f))),
    "vmap of grad": lambda f: _in_lanes(al.jit(al.vmap(al.grad(f)))),
    "vmap of hvp": lambda f: _in_lanes(al.jit(al.vmap(lambda p: al.hvp(f, (p,), (1.0,))))),
}


def _in_lanes(mapped: Callable[[Any], Any]) -> Callable[[float], Any]:
    return lambda p: mapped(np.array([p, 2.0 * p]))


@dataclass(frozen=True)
class Ready:
    """The first call of derivatives of a loop, over its length."""

    number: int
    title: str
    steps: Sequence[int]

    def run(self, options: argparse.Namespace) -> Section:
        """Measure: the best of three first calls, each of a function that is new."""
        rows = []
        for name, derivative in DERIVATIVES.items():
            cells = []
            for steps in self.steps[: 2 if options.quick else None]:
                tries = []
                for _ in range(1 if options.quick else 3):
                    call = derivative(lambda p, n=steps: pendulum(p, n))
                    start = perf_counter()
                    call(0.1)
                    tries.append(perf_counter() - start)
                cells.append(duration(min(tries)))
            rows.append([name, *cells])
        header = ["ready", *(f"{steps:,} steps" for steps in self.steps[: len(rows[0]) - 1])]
        return Section(self.number, self.title, measure.table(header, rows))
