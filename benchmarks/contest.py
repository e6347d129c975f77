"""A row: one task, its contestants, the reference that checks their results, and the bars."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import statistics
import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmarks import measure, sections

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from benchmarks.sections import Section


class Contestant(NamedTuple):
    """The distribution that a contestant needs, the module with its makers, and whether it keeps to one thread."""

    distribution: str
    module: str
    one_thread: bool = False

    def worker(self, factory: Callable[..., Any], *arguments: Any) -> measure.Worker:
        """Return a worker that makes an object from the module."""
        return measure.Worker(factory, self.module, *arguments, environment=ONE_THREAD if self.one_thread else None)


OURS, NUMPY, NUMBA, ALL_CORES = "autograd_lite", "by hand, NumPy", "by hand, numba", ", all cores"
C = "by hand, C"
MAPPED = "autograd_lite, one sample under vmap"
# On small matrices one thread is about as fast as two, and two wait for each other if another process has one of the cores.
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
CONTESTANTS = {
    OURS: Contestant("autograd_lite", "benchmarks.ours"),
    MAPPED: Contestant("autograd_lite", "benchmarks.ours"),
    NUMPY: Contestant("numpy", "benchmarks.by_hand", one_thread=True),
    NUMPY + ALL_CORES: Contestant("numpy", "benchmarks.by_hand"),
    NUMBA: Contestant("numba", "benchmarks.peers.with_numba"),
    C: Contestant("numpy", "benchmarks.peers.with_c"),
    "drjit": Contestant("drjit", "benchmarks.peers.with_drjit"),
    "jax": Contestant("jax", "benchmarks.peers.with_jax"),
    "jax, scalar code": Contestant("jax", "benchmarks.peers.with_jax"),
    "casadi": Contestant("casadi", "benchmarks.peers.with_casadi"),
    "torch": Contestant("torch", "benchmarks.peers.with_torch", one_thread=True),
    "torch" + ALL_CORES: Contestant("torch", "benchmarks.peers.with_torch"),
    "pyoptinterface": Contestant("pyoptinterface", "benchmarks.peers.with_pyoptinterface"),
    "autograd": Contestant("autograd", "benchmarks.peers.with_autograd", one_thread=True),
    "xad": Contestant("xad", "benchmarks.peers.with_xad"),
    "micrograd": Contestant("micrograd", "benchmarks.peers.with_micrograd"),
}
RELATIVE = 1e-9  # how far a contestant may be from the reference
LONGEST, SLOW = 600.0, 20.0  # seconds for one request, and seconds from which a run is not repeated


def present(names: list[str]) -> tuple[list[str], list[str]]:
    """Split contestants' names into those that can be imported here and, by distribution, those that cannot."""
    needed = {name: CONTESTANTS[name].distribution for name in names}
    missing = {distribution for distribution in needed.values() if importlib.util.find_spec(distribution) is None}
    return [name for name in names if needed[name] not in missing], sorted(missing)


class Bar(NamedTuple):
    """A limit that this project sets itself: our time over that of the fastest contestant named, or our seconds."""

    against: tuple[str, ...] = ()
    bar: float | None = None
    reach: float | None = None
    of: str = "run"  # or "ready"


@dataclass
class Cell:
    """One contestant in one row: seconds until its first result, seconds a run in each round, or why there are none."""

    ready: float = float("nan")
    rounds: list[float] = field(default_factory=list)
    reason: str = ""
    note: str = ""
    wrong: bool = False

    def seconds(self, of: str = "run") -> float:
        """Return the median."""
        return self.ready if of == "ready" else statistics.median(self.rounds)

    def ratio(self, ours: Cell) -> float:
        """Return our median time over theirs."""
        return ours.seconds() / self.seconds()


Column = dict[str, Cell]


@dataclass(frozen=True)
class Row:
    """One task.

    `full` and `quick` make the arguments of every maker and of `reference`. In a row whose run is a number of steps, the
    check and the quick run take the numbers of steps of `full` and `quick`; `timed` gives the number of steps on which each
    contestant is timed, and times are scaled to `whole` steps.
    """

    number: int
    title: str
    maker: str
    full: Callable[[], tuple[Any, ...]]
    quick: Callable[[], tuple[Any, ...]]
    reference: Callable[..., Any]
    contestants: tuple[str, ...]
    bars: tuple[Bar, ...] = ()
    makers: dict[str, str] = field(default_factory=dict)  # where a contestant's maker has a name of its own
    timed: dict[str, int] = field(default_factory=dict)
    whole: int = 0
    anew: bool = False  # every run compiles anew, so that the first run is like the others

    def run(self, options: argparse.Namespace) -> Section:
        """Return the table of this row."""
        return sections.of_row(self, self.column(options))

    def at(self, problem: Callable[[], tuple[Any, ...]]) -> Row:
        """Return this row for another problem."""
        return replace(self, full=problem, quick=problem)

    def column(self, options: argparse.Namespace) -> Column:
        """Check every contestant, then time the contestants in turns."""
        names, _ = present([name for name in self.contestants if name in options.contestants])
        problem = self.quick if options.quick else self.full
        reference = flat(self.reference(*problem()))
        column, workers, tasks = {}, {}, {}
        try:
            for name in names:
                maker = self.makers.get(name, self.maker)
                workers[name] = CONTESTANTS[name].worker(Entrant, maker)
                column[name] = cell = Cell()
                try:
                    _check(cell, workers[name], problem, reference)
                    if not cell.wrong:
                        tasks[name] = self._task(workers[name], name, cell, options)
                except measure.NotRunError as error:
                    cell.reason = str(error)
            for name, rounds in measure.in_turns(tasks).items():
                column[name].rounds += rounds
        finally:
            for worker in workers.values():
                worker.close()
        return column

    def _task(self, worker: measure.Worker, name: str, cell: Cell, options: argparse.Namespace) -> Any:
        """Return a function that measures a round, and the number of rounds: none after a slow first run."""
        scale = 1.0
        if self.whole and not options.quick:
            arguments = (*self.full()[:-1], self.timed[name])
            worker.ask("ready", partial(_given, arguments), timeout=LONGEST)
            scale = self.whole / self.timed[name]
            cell.note = "" if scale == 1.0 else f", from {self.timed[name]:,} steps"
        once = cell.ready if self.anew and cell.ready > SLOW else worker.ask("time", timeout=LONGEST)
        rounds = options.rounds if once < SLOW else 0
        if not rounds:
            cell.rounds = [once * scale]
        return lambda: scale * worker.ask("time", timeout=LONGEST), rounds


def _given(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    return arguments


def _check(cell: Cell, worker: measure.Worker, problem: Callable[[], tuple[Any, ...]], reference: np.ndarray) -> None:
    """Have a contestant compute the first result and compare it."""
    cell.ready, result = worker.ask("ready", problem, timeout=LONGEST)
    fault = difference(result, reference)
    if fault:
        cell.reason, cell.wrong = f"WRONG: {fault}", True


def difference(result: np.ndarray, reference: np.ndarray) -> str:
    """Return how a result differs from the reference by more than 1e-9; empty if it does not."""
    if result.shape != reference.shape:
        return f"{result.size} numbers for {reference.size}"
    # numbers that are zero but for cancellation are compared by the size of the largest; a NaN is close to nothing
    close = np.allclose(result, reference, rtol=RELATIVE, atol=RELATIVE * 0.01 * np.abs(reference).max())
    return "" if close else f"off by {np.abs(result - reference).max():.1e}"


class Entrant:
    """A contestant in a process of its own."""

    def __init__(self, module: str, maker: str) -> None:
        found = importlib.import_module(module)
        self.make = getattr(found, maker)
        self.settle: Callable[[], Any] = getattr(found, "settle", lambda: None)
        self.run: Callable[[], Any] = lambda: None

    def ready(self, problem: Callable[[], tuple[Any, ...]]) -> tuple[float, np.ndarray]:
        """Make the function to run and run it once; return seconds and result."""
        arguments = problem()
        started = time.perf_counter()
        self.run = self.make(*arguments)
        result = self.run()
        return time.perf_counter() - started, flat(result)

    def time(self) -> float:
        """Return seconds a run, with whatever a contestant compiles beside its runs."""
        self.run()
        self.settle()
        return timed(self.run)


def timed(run: Callable[[], Any]) -> float:
    """Return seconds a run: the best of fifteen batches of 5 ms, since other processes can only add time."""
    clock, best, passes, batches = time.perf_counter, float("inf"), 1, 0
    gc.collect()
    while batches < 15:
        started = clock()
        for _ in range(passes):
            run()
        spent = clock() - started
        if spent < 0.005:
            passes = max(2 * passes, int(0.006 * passes / spent))
            continue
        best = min(best, spent / passes)
        batches += 1 + int(20 * spent)  # long runs: fewer of them
    return best


def flat(result: Any) -> np.ndarray:
    """Return all numbers of a result in one array."""
    return np.concatenate([np.ravel(np.asarray(part, dtype=float)) for part in _parts(result)])


def _parts(result: Any) -> Iterator[Any]:
    if isinstance(result, tuple | list):
        for part in result:
            yield from _parts(part)
    else:
        yield result
