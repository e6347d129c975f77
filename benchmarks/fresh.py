"""The first call in a fresh process: without a cache of compiled code on disk, with an empty one, and with a full one."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks import measure, networks
from benchmarks.contest import OURS, Bar, flat
from benchmarks.sections import Section, judged, plain

if TYPE_CHECKING:
    import argparse

    import numpy as np

WITHOUT, EMPTY, FULL = SIDES = ("no cache", "empty cache", "full cache")
LONGEST = 300.0

#: What is called, by the name of its maker in `ours`, and what that gets.
PROGRAMS = {
    "network 2-25-50-25-2, gradient": ("network_gradient", lambda: (networks.spirals(4),)),
    "the same over 100 lanes, mean": ("mean_gradient", lambda: (networks.spirals(100),)),
    "nine operations, gradient": ("tiny", lambda: ((2.0, 3.0),)),
}


class First(NamedTuple):
    """Seconds of a first call and of its traces, whether nothing was compiled, and the result."""

    seconds: float
    tracing: float
    kept: bool
    result: np.ndarray


class Process:
    """Makes a compiled function, in a process of its own that has imported the library, and calls it once."""

    def __init__(self, program: str) -> None:
        from benchmarks import ours

        maker, arguments = PROGRAMS[program]
        self.run = getattr(ours, maker)(*arguments())

    def first(self) -> First:
        """Call the function for the first time."""
        from autograd_lite.tape.llvm import engine
        from autograd_lite.tape.paths import Paths

        spent, kept, trace, load = [0.0], [True], Paths.traced, engine.Module.__init__

        def traced(paths: Any, *arguments: Any, **options: Any) -> Any:
            began = time.perf_counter()
            try:
                return trace(paths, *arguments, **options)
            finally:
                spent[0] += time.perf_counter() - began

        def loaded(module: Any, *arguments: Any, cached: bool = False) -> None:
            load(module, *arguments, cached=cached)
            kept[0] = kept[0] and cached

        setattr(Paths, "traced", traced)  # noqa: B010 - mypy lets no method be assigned
        setattr(engine.Module, "__init__", loaded)  # noqa: B010
        began = time.perf_counter()
        result = self.run()
        return First(time.perf_counter() - began, spent[0], kept[0], flat(result))


@dataclass(frozen=True)
class Fresh:
    """First calls, one process for each side and round."""

    number: int
    title: str
    bar: Bar

    def run(self, options: argparse.Namespace) -> Section:
        """Measure every program on every side, in turns."""
        if OURS not in options.contestants:
            return Section(self.number, self.title, "")
        lines, wrong, text = [], [], ""
        for program in [*PROGRAMS][-1:] if options.quick else PROGRAMS:
            with TemporaryDirectory() as folder:
                found = _rounds(program, options.rounds, Path(folder))
            wrong += _faults(self.number, program, found)
            without = [call.seconds for call in found[WITHOUT]]
            for side, calls in found.items():
                seconds = [call.seconds for call in calls]
                ratio = statistics.median(seconds) / statistics.median(without)
                share = statistics.median(call.tracing / call.seconds for call in calls)
                shown = "1" if side is WITHOUT else f"{ratio:.2f}"
                each = "–" if side is WITHOUT else measure.spread(seconds, without)
                lines.append([program, side, measure.duration(statistics.median(seconds)), shown, each, f"{share:.0%}"])
                if side is FULL and not text:
                    text = (
                        f"First call with a full cache: {ratio:.2f} of that without ({judged(ratio, self.bar, plain)})."
                    )
        header = ["program", "side", "first call", "its time / without", "in single rounds", "tracing"]
        return Section(self.number, self.title, f"{measure.table(header, lines)}\n\n{text}", wrong)


def _rounds(program: str, rounds: int, folder: Path) -> dict[str, list[First]]:
    """First calls on each side; an empty cache is new in each round, and the full one was filled before all."""
    _call(program, folder / "full")
    places = {WITHOUT: lambda _: None, EMPTY: lambda k: folder / f"empty {k}", FULL: lambda _: folder / "full"}
    turns = {side: iter(range(rounds)) for side in SIDES}
    tasks = {s: ((lambda s=s: _call(program, places[s](next(turns[s])))), rounds) for s in SIDES}
    return measure.in_turns(tasks)


def _call(program: str, cache: Path | None) -> First:
    worker = measure.Worker(Process, program, environment={"AUTOGRAD_LITE_CACHE": str(cache or "")})
    try:
        return worker.ask("first", timeout=LONGEST)  # type: ignore[no-any-return]
    finally:
        worker.close()


def _faults(number: int, program: str, found: dict[str, list[First]]) -> list[str]:
    """What is wrong: other bits, or code that did not come from where it should."""
    expected = found[WITHOUT][0].result
    faults = []
    for side, calls in found.items():
        if any(call.result.tobytes() != expected.tobytes() for call in calls):
            faults.append(f"Row {number}: {program}, {side}: other bits.")
        if any(call.kept is not (side is FULL) for call in calls):
            faults.append(
                f"Row {number}: {program}, {side}: code is from {'elsewhere' if side is FULL else 'the disk'}."
            )
    return faults
