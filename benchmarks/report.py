"""What the eager benchmark prints, writes and draws."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks import measure
from benchmarks.engines import ENGINES, FLOOR, OURS
from benchmarks.programs import OPERATIONS_PER_SAMPLE

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.contestant import Memory, Round

# peer → the largest ratio of our time to its time, record and backward of the network, that this project allows itself
BAR = {"micrograd": 0.7, "xad": 1.5}
BYTES_PER_NODE = 350


@dataclass
class Cell:
    """All rounds of one engine on one program of one size, or why there are none."""

    rounds: list[Round] = field(default_factory=list)
    reason: str = ""

    def seconds(self, phase: str) -> float:
        """Return the median time per operation."""
        return statistics.median(getattr(r, phase) for r in self.rounds)

    def ratio(self, ours: Cell) -> float:
        """Return the median over rounds of our time over theirs."""
        return measure.paired_ratio([r.both for r in ours.rounds], [r.both for r in self.rounds])


Column = dict[str, Cell]


def times(columns: dict[int, Column]) -> str:
    """Return the table of one program: an engine a row, a size a column, µs per operation and our ratio."""
    names = list(next(iter(columns.values())))
    header = ["record + backward, µs per operation (ratio)", *(f"{size:,}" for size in columns)]
    return measure.table(header, [[name, *(_shown(column, name) for column in columns.values())] for name in names])


def _shown(column: Column, name: str) -> str:
    cell, ours = column[name], column.get(OURS)
    if not cell.rounds:
        return cell.reason or "–"
    text = f"{cell.seconds('record') * 1e6:.2f} + {cell.seconds('backward') * 1e6:.2f}"
    return text if name in (OURS, FLOOR) or ours is None or not ours.rounds else f"{text} ({cell.ratio(ours):.2f})"


def one_sample(column: Column) -> str:
    """Return the table of the network at one sample, phase by phase."""
    header = ["network, one sample", "record µs", "backward µs", "reset µs", "our time / its time"]
    rows = []
    for name, cell in column.items():
        if cell.rounds:
            count = cell.rounds[0].operations
            phases = [f"{cell.seconds(phase) * count * 1e6:,.0f}" for phase in ("record", "backward", "reset")]
            ratio = f"{cell.ratio(column[OURS]):.2f}" if OURS in column and column[OURS].rounds else "–"
            rows.append([name, *phases, "1" if name == OURS else "" if name == FLOOR else ratio])
    return measure.table(header, rows)


def memory(traced: dict[str, dict[str, Memory]], results: dict[str, dict[int, Column]]) -> str:
    """Return the table of bytes: what Python allocated, and what the whole process grew by on its largest graph."""
    if not traced:
        return ""
    header = ["bytes", "a leaf"]
    for program in traced:
        header += [f"{program}: an operation", "after backward", "whole process"]
    rows = []
    for name in next(iter(traced.values()), {}):
        row = [name, f"{min(found[name].leaf for found in traced.values() if name in found):,.0f}"]
        for program, found in traced.items():
            cells = [c[name] for c in results[program].values() if c[name].rounds]
            grown = f"{cells[-1].rounds[-1].memory:,.0f}" if cells else "–"
            row += [f"{found[name].recorded:,.0f}", f"{found[name].swept:,.0f}", grown] if name in found else ["–"] * 3
        rows.append(row)
    return measure.table(header, rows)


def headline(results: dict[str, dict[int, Column]]) -> str:
    """Return how the network at one sample stands against the bar this project set itself."""
    column = results.get("network", {}).get(OPERATIONS_PER_SAMPLE, {})
    lines = []
    for peer, bar in BAR.items():
        if peer in column and column[peer].rounds and column.get(OURS) and column[OURS].rounds:
            ratio = column[peer].ratio(column[OURS])
            verdict = "met" if ratio <= bar else "missed"
            lines.append(f"Network, one sample: {ratio:.2f} of {peer}'s time (at most {bar} wanted: {verdict}).")
    return "\n".join(lines)


def disagreements(name: str, column: Column) -> list[str]:
    """Return a line for each engine whose value or gradient is not that of the first engine that has one.

    Two right engines differ by rounding alone, at most 8·n·ε of the largest gradient in n operations each.
    """
    with_gradient = {n: c.rounds[-1] for n, c in column.items() if c.rounds and c.rounds[-1].gradient is not None}
    if not with_gradient:
        return []
    first, reference = next(iter(with_gradient.items()))
    tolerance = 16 * reference.operations * 2.0**-52
    lines = []
    for engine, found in with_gradient.items():
        scale = max(map(abs, reference.gradient))
        pairs = [(found.value, reference.value, max(abs(reference.value), 1.0))]
        pairs += [(a, b, scale) for a, b in zip(found.gradient, reference.gradient, strict=True)]
        # `not …` rather than `>`, so that a NaN disagrees
        wrong = [(a, b) for a, b, size in pairs if not abs(a - b) <= tolerance * size]
        if wrong:
            lines.append(
                f"DISAGREE: {name}, {reference.operations:,} operations: {engine} has {wrong[0][0]!r} where {first} has "
                f"{wrong[0][1]!r}, and {len(wrong) - 1} more."
            )
    return lines


def summary(
    results: dict[str, dict[int, Column]], traced: dict[str, dict[str, Memory]], missing: list[str], found: list[str]
) -> str:
    """Return machine, versions, the network at one sample, memory, the bar, and whether all engines agree."""
    names = list(next(iter(next(iter(results.values())).values())))
    modules = sorted({ENGINES[name][0] for name in names} - {"builtins", OURS})
    versions = ", ".join(f"{module} {measure.version(module)}" for module in modules) or "no other engine"
    parts = [f"{measure.machine()}. Beside {versions}." + (f" Not installed: {', '.join(missing)}." if missing else "")]
    if OPERATIONS_PER_SAMPLE in results.get("network", {}):
        parts += [one_sample(results["network"][OPERATIONS_PER_SAMPLE]), headline(results)]
    parts += [memory(traced, results), "\n".join(found) or "All engines agree on every value and gradient."]
    return "\n\n".join(part for part in parts if part)


def page(
    results: dict[str, dict[int, Column]], traced: dict[str, dict[str, Memory]], missing: list[str], found: list[str]
) -> str:
    """Return the measured part of the page: the summary, then the table of each program."""
    tables = [f"### {name.capitalize()}\n\n{times(columns)}" for name, columns in results.items()]
    return "\n\n".join([summary(results, traced, missing, found), *tables, "![Time over size, by engine](eager.svg)"])


def plot(path: Path, results: dict[str, dict[int, Column]]) -> None:
    """Draw seconds over operations, both logarithmic, a panel a program."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    mpl.rcParams.update({"svg.hashsalt": "autograd_lite", "svg.fonttype": "none"})
    figure, axes = plt.subplots(1, len(results), figsize=(4.2 * len(results), 4.4), sharey=True, squeeze=False)
    for axis, (program, columns) in zip(axes[0], results.items(), strict=True):
        for colour, engine in enumerate(ENGINES):
            points = [
                (c[engine].rounds[0].operations, c[engine].seconds("both") * c[engine].rounds[0].operations)
                for c in columns.values()
                if engine in c and c[engine].rounds
            ]
            if points:
                style: dict[str, Any] = {"color": f"C{colour // 2 if colour < 4 else colour - 2}", "label": engine}
                axis.loglog(*zip(*points, strict=True), "--" if "gc off" in engine else "-", marker="o", ms=4, **style)
        axis.set(title=program, xlabel="operations")
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("record + backward, seconds")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=4, frameon=False)
    figure.tight_layout(rect=(0, 0.13, 1, 1))
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
