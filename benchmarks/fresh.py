"""The first call in a fresh process: interpreted or compiled first; without a cache of compiled code, and with one."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks import formulas, measure, networks
from benchmarks.contest import OURS, Bar, flat, timed
from benchmarks.sections import Section, duration, judged, plain

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy as np

WITHOUT, EMPTY, FULL = CACHES = ("no cache", "empty cache", "full cache")
AT_ONCE, COMPILED = ORDERS = ("interpreted first", "compiled first")
LONGEST = 300.0


def _random(operations: int) -> tuple[Any, ...]:
    """Return a random program whose value and gradient have about so many operations."""
    return (formulas.random_program(operations // 3),)


#: What is called, by the name of its maker in `ours`, and what that gets.
PROGRAMS: dict[str, tuple[str, Callable[[], tuple[Any, ...]]]] = {
    "network 2-25-50-25-2, gradient": ("network_gradient", lambda: (networks.spirals(4),)),
    "the same over 100 lanes, mean": ("mean_gradient", lambda: (networks.spirals(100),)),
    "nine operations, gradient": ("tiny", lambda: ((2.0, 3.0),)),
    **{f"random program, {size:,}": ("random_gradient", partial(_random, size)) for size in (1_000, 10_000, 100_000)},
}
LANES, TINY = [*PROGRAMS][1:3]


class First(NamedTuple):
    """Seconds of a first call, of its traces, until there is machine code, and of a call then; and what was found.

    `kept`: whether nothing was compiled; `operations`: of the program that was traced.
    """

    seconds: float
    tracing: float
    ready: float
    call: float
    kept: bool
    operations: int
    result: np.ndarray


class Process:
    """Makes a compiled function, in a process of its own that has imported the library, and calls it."""

    def __init__(self, program: str) -> None:
        from benchmarks import ours

        maker, arguments = PROGRAMS[program]
        self.run, self.settle = getattr(ours, maker)(*arguments()), ours.settle

    def first(self) -> First:
        """Call the function for the first time, and again until its machine code is there."""
        from autograd_lite.tape.llvm import engine
        from autograd_lite.tape.paths import Paths

        spent, kept, lengths, trace, load = [0.0], [True], [0], Paths.traced, engine.Module.__init__

        def traced(paths: Any, *arguments: Any, **options: Any) -> Any:
            began = time.perf_counter()
            try:
                tape = trace(paths, *arguments, **options)
                lengths.append(len(tape))
                return tape
            finally:
                spent[0] += time.perf_counter() - began

        def loaded(module: Any, *arguments: Any, cached: bool = False) -> None:
            load(module, *arguments, cached=cached)
            kept[0] = kept[0] and cached

        setattr(Paths, "traced", traced)  # noqa: B010 - mypy lets no method be assigned
        setattr(engine.Module, "__init__", loaded)  # noqa: B010
        began = time.perf_counter()
        result = self.run()
        seconds = ready = time.perf_counter() - began
        self.run()
        if self.settle():
            ready = time.perf_counter() - began
        return First(seconds, spent[0], ready, timed(self.run), kept[0], max(lengths), flat(result))


@dataclass(frozen=True)
class Cold:
    """First results, one process for each side and round: of the interpreter, and of machine code that is waited for."""

    number: int
    title: str
    bar: Bar  # seconds an operation
    steady: Bar  # the time of a call later, by that of a program that was compiled first

    def run(self, options: argparse.Namespace) -> Section:
        """Measure every program on both sides, in turns; the best round counts, since other processes can only add time."""
        if OURS not in options.contestants:
            return Section(self.number, self.title, "")
        lines, wrong, each, calls = [], [], [], []
        names = [name for name in PROGRAMS if name not in (LANES, TINY)]
        for program in names[1:2] if options.quick else names:
            found = _rounds(program, options.rounds, {AT_ONCE: _environments({}), COMPILED: _environments(_ORDERED)})
            wrong += _faults(self.number, program, found)
            best = {side: [min(column) for column in _times(rounds)] for side, rounds in found.items()}
            operations = found[AT_ONCE][0].operations
            each.append(best[AT_ONCE][0] / operations)
            calls.append(best[AT_ONCE][2] / best[COMPILED][2])
            for side, (seconds, ready, call) in best.items():
                share = statistics.median(f.tracing / f.seconds for f in found[side])
                an_operation = f"{seconds / operations * 1e6:.1f} µs"
                row = [duration(seconds), an_operation, f"{share:.0%}", duration(ready), duration(call)]
                lines.append([program, f"{operations:,}", side, *row])
        header = [
            "program", "operations", "side", "first result", "an operation", "tracing", "machine code after", "a call then",
        ]  # fmt: skip
        text = (
            f"First result: at most {duration(max(each))} an operation ({judged(max(each), self.bar, duration)}).\n"
            f"A call later: at most {max(calls):.2f} of that of a program that was compiled first "
            f"({judged(max(calls), self.steady, plain)})."
        )
        return Section(self.number, self.title, f"{measure.table(header, lines)}\n\n{text}", wrong)


@dataclass(frozen=True)
class Fresh:
    """First calls without and with a cache, one process for each side and round."""

    number: int
    title: str
    bar: Bar

    def run(self, options: argparse.Namespace) -> Section:
        """Measure every program on every side, in turns."""
        if OURS not in options.contestants:
            return Section(self.number, self.title, "")
        lines, wrong, text = [], [], ""
        for program in [TINY] if options.quick else [*PROGRAMS][:3]:
            with TemporaryDirectory() as folder:
                found = _with_caches(program, options.rounds, Path(folder))
            wrong += _faults(self.number, program, found, cached=True)
            without = [first.ready for first in found[WITHOUT]]
            for side, rounds in found.items():
                ready = [first.ready for first in rounds]
                ratio = statistics.median(ready) / statistics.median(without)
                shown = "1" if side is WITHOUT else f"{ratio:.2f}"
                each = "–" if side is WITHOUT else measure.spread(ready, without)
                share = f"{statistics.median(first.tracing / first.ready for first in rounds):.0%}"
                first = duration(statistics.median(first.seconds for first in rounds))
                lines.append([program, side, first, duration(statistics.median(ready)), shown, each, share])
                if side is FULL and not text:
                    judgement = judged(ratio, self.bar, plain)
                    text = f"Machine code with a full cache: {ratio:.2f} of the time without ({judgement})."
        header = [
            "program",
            "side",
            "first result",
            "machine code after",
            "its time / without",
            "in single rounds",
            "tracing",
        ]
        return Section(self.number, self.title, f"{measure.table(header, lines)}\n\n{text}", wrong)


_ORDERED = {"AUTOGRAD_LITE_INTERPRET": "0"}


def _times(rounds: Sequence[First]) -> tuple[list[float], ...]:
    return [f.seconds for f in rounds], [f.ready for f in rounds], [f.call for f in rounds]


def _environments(variables: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """The same environment in each round."""
    while True:
        yield variables


def _with_caches(program: str, rounds: int, folder: Path) -> dict[str, list[First]]:
    """First calls on each side; an empty cache is new in each round, and the full one was filled before all."""

    def cached(place: str) -> dict[str, str]:
        return {"AUTOGRAD_LITE_CACHE": str(folder / place) if place else ""}

    _call(program, cached("full"))
    empty = (cached(f"empty {k}") for k in range(rounds))
    sides = {WITHOUT: _environments(cached("")), EMPTY: empty, FULL: _environments(cached("full"))}
    return _rounds(program, rounds, sides)


def _rounds(program: str, rounds: int, sides: dict[str, Iterator[Mapping[str, str]]]) -> dict[str, list[First]]:
    """First calls in the environments of each side, in turns."""
    tasks = {side: ((lambda turns=turns: _call(program, next(turns))), rounds) for side, turns in sides.items()}
    return measure.in_turns(tasks)


def _call(program: str, environment: Mapping[str, str]) -> First:
    worker = measure.Worker(Process, program, environment={"AUTOGRAD_LITE_CACHE": "", **environment})
    try:
        return worker.ask("first", timeout=LONGEST)  # type: ignore[no-any-return]
    finally:
        worker.close()


def _faults(number: int, program: str, found: dict[str, list[First]], *, cached: bool = False) -> list[str]:
    """What is wrong: other bits, or code that did not come from where it should."""
    expected = next(iter(found.values()))[0].result
    faults = []
    for side, rounds in found.items():
        if any(first.result.tobytes() != expected.tobytes() for first in rounds):
            faults.append(f"Row {number}: {program}, {side}: other bits.")
        if any(first.kept is not (side is FULL) for first in rounds) and cached:
            faults.append(
                f"Row {number}: {program}, {side}: code is from {'elsewhere' if side is FULL else 'the disk'}."
            )
    return faults
