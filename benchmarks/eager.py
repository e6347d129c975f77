"""Time and memory of recording a graph and sweeping it backward, beside the other installed eager engines.

    python -m benchmarks.eager                                              about three minutes
    python -m benchmarks.eager --budget 40 --write docs/benchmarks          up to 10⁷ operations; writes page and plot

One run times every engine on the same programs in turns, checks that all gradients agree, and reports times and ratios;
then what `gradients` and `value_and_grad` add to a sweep.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from benchmarks import engines, measure, plots, report, transforms
from benchmarks.contestant import Contestant, Memory
from benchmarks.programs import DOCUMENT, ONE_SAMPLE, PROGRAMS
from benchmarks.report import Cell, Column

SIZES = (1e4, 1e5, 1e6, 1e7)


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; return 0, or 1 if engines disagree about a gradient."""
    options = _options(argv)
    names, missing = engines.present(options.engines)
    if missing:
        print(f"Not installed, hence not measured: {', '.join(missing)}.")
    sizes = sorted({int(size) for size in options.sizes})
    special = {"network": sorted({ONE_SAMPLE, *sizes}), "microgpt": [min(DOCUMENT, sizes[-1])]}
    results, disagreements = {}, []
    for name in options.programs:
        results[name] = run_program(name, special.get(name, sizes), engines.able(names, name), options)
        print(f"\n{name}\n\n{report.times(results[name])}", flush=True)
        disagreements += [line for column in results[name].values() for line in report.disagreements(name, column)]
    # the other programs show nothing new
    memory = {name: memory_of(name, names) for name in ("network", "chain") if name in results}
    calls = transforms.measured(3 * options.rounds) if "network" in results and engines.OURS in names else {}
    found = report.Found(results, memory, calls, missing, disagreements)
    print(f"\n{report.summary(found)}")
    if options.write:
        options.write.mkdir(parents=True, exist_ok=True)
        measure.write_between_marks(options.write / "eager.md", "measured", report.page(found))
        plots.draw(options.write / "eager.md")
    return 1 if disagreements else 0


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.eager", description=__doc__.split("\n", 1)[0])
    add = parser.add_argument
    add("--sizes", nargs="+", type=float, default=SIZES, metavar="N", help="operations in a graph (default 1e4 … 1e7)")
    add("--engines", nargs="+", choices=engines.ENGINES, default=[*engines.ENGINES], help="default: all installed")
    add("--programs", nargs="+", choices=PROGRAMS, default=[*PROGRAMS], help="default: all")
    add("--budget", type=float, default=2.5, metavar="SECONDS", help="longest pass that is still run (default 2.5)")
    add("--memory", type=float, default=6.0, metavar="GB", help="largest graph that is still built (default 6)")
    add("--rounds", type=int, default=7, help="rounds over the engines; fewer where a pass is slow (default 7)")
    add("--write", type=Path, metavar="FOLDER", help="put tables and plot into eager.md and eager.svg there")
    return parser.parse_args(argv)


def run_program(name: str, sizes: list[int], names: list[str], options: argparse.Namespace) -> dict[int, Column]:
    """Time the engines on one program at growing sizes, in processes made for it."""
    workers = {engine: engines.ENGINES[engine].worker(Contestant, engine) for engine in names}
    columns: dict[int, Column] = {}
    try:
        smaller = {engine: Cell() for engine in names}
        for size in sizes:
            if sys.stderr.isatty():
                print(f"{name}: {size:,} operations …", file=sys.stderr)
            asks = {engine: partial(workers[engine].ask, "time", name, size) for engine in names}
            smaller = columns[size] = _run_size(asks, size, smaller, options)
    finally:
        for worker in workers.values():
            worker.close()
    return columns


def _run_size(asks: dict[str, partial], size: int, smaller: Column, options: argparse.Namespace) -> Column:
    """Run every engine once, then make as many rounds as its speed allows."""
    column = {engine: Cell(reason=_foretold(smaller[engine], size, options)) for engine in asks}
    tasks = {}
    for engine, ask in asks.items():
        cell = column[engine]
        if cell.reason:
            continue
        try:
            cell.rounds = [ask(1, timeout=60 + 20 * options.budget)]
        except measure.NotRunError as error:
            cell.reason = str(error)
            continue
        first = cell.rounds[0]
        seconds = (first.both + first.reset) * first.operations
        # Many passes make a round where they are short: the collector's work, which comes in bursts, is shared out fairly.
        passes = max(1, min(100, int(0.1 / max(seconds, 1e-6))))
        if seconds < 0.3:
            cell.rounds, more = [], options.rounds  # the first round warmed the engine up
        else:
            more = min(options.rounds, 3) - 1 if seconds < 5 else 0
        tasks[engine] = (partial(ask, passes, timeout=60 + 40 * seconds * passes), more)
    for engine, rounds in measure.in_turns(tasks).items():
        column[engine].rounds += rounds
    return column


def _foretold(smaller: Cell, size: int, options: argparse.Namespace) -> str:
    """Return the reason why a size cannot be run, judged by the size before; empty if it can."""
    if smaller.reason.startswith("over"):
        return "over budget"
    if not smaller.rounds:
        return smaller.reason
    seconds, memory = smaller.seconds("both") * size, smaller.rounds[-1].memory * size
    if seconds > options.budget:
        return f"over budget: {seconds:.0f} s"
    return f"over budget: {memory / 1e9:.0f} GB" if memory > options.memory * 1e9 else ""


def memory_of(name: str, names: list[str]) -> dict[str, Memory]:
    """Trace each engine's Python allocations on one program, in new processes."""
    traced = {}
    for engine in names:
        if engines.GC_OFF in engine or engine == engines.FLOOR:
            continue
        worker = engines.ENGINES[engine].worker(Contestant, engine)
        try:
            traced[engine] = worker.ask("memory", name, 10_000, timeout=120)
        except measure.NotRunError:
            continue
        finally:
            worker.close()
    return traced


if __name__ == "__main__":
    sys.exit(main())
