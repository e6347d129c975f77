"""What the eager benchmark prints, writes and draws."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import measure, transforms
from benchmarks.engines import ENGINES, FLOOR, GC_OFF, OURS, VALUE
from benchmarks.programs import DOCUMENT, ONE_SAMPLE, PARAMETERS

if TYPE_CHECKING:
    from benchmarks.contestant import Memory, Round


class Bar(NamedTuple):
    """What this project wants of its compiled core: record and backward of a program, as a share of a peer's time.

    Against nobody it is in seconds an operation.
    """

    program: str
    size: int
    bar: float
    against: str = ""
    ours: str = OURS


BARS = (
    Bar("network", ONE_SAMPLE, 0.07e-6),
    Bar("network", ONE_SAMPLE, 0.12, "xad"),
    Bar("network", ONE_SAMPLE, 0.05, "micrograd"),
    Bar("network", ONE_SAMPLE, 0.08, "micrograd" + GC_OFF, OURS + GC_OFF),
    Bar("network", ONE_SAMPLE, 4.0, FLOOR),
    *(Bar(program, 10**6, 0.20e-6) for program in ("network", "chain", "wide sum")),
    Bar("microgpt", DOCUMENT, 0.15, VALUE),
    Bar("microgpt", DOCUMENT, 0.15, VALUE + GC_OFF, OURS + GC_OFF),
)
ADDING = ("gradients", "value_and_grad")
BYTES, ADDED = 100.0, 30e-9  # wanted at most: bytes a node; seconds a leaf that a nest of lists and arrays costs
# Two engines that are right differ by rounding alone: at most 8·n·ε of the largest gradient in n operations each, and on
# the transformer, whose sums are short, much less.
CLOSE = {"microgpt": 1e-12}


@dataclass
class Cell:
    """All rounds of one engine on one program of one size, or why there are none."""

    rounds: list[Round] = field(default_factory=list)
    reason: str = ""

    def seconds(self, phase: str) -> float:
        """Return the median time per operation; of record and backward together, the sum of their medians."""
        if phase == "both":
            return self.seconds("record") + self.seconds("backward")
        return statistics.median(getattr(r, phase) for r in self.rounds)

    def ratio(self, ours: Cell) -> float:
        """Return our time over theirs, of record and backward together."""
        return ours.seconds("both") / self.seconds("both")

    def spread(self, ours: Cell) -> str:
        """Return that ratio in single rounds, from the smallest to the largest."""
        return measure.spread([r.both for r in ours.rounds], [r.both for r in self.rounds])


Column = dict[str, Cell]


class Found(NamedTuple):
    """All that was measured: programs by size and engine, bytes, calls of transforms; and what is to be said about it."""

    results: dict[str, dict[int, Column]]
    memory: dict[str, dict[str, Memory]]
    calls: dict[str, dict[str, list[float]]]
    missing: list[str]
    disagreements: list[str]


def times(columns: dict[int, Column]) -> str:
    """Return the table of one program: an engine a row, a size a column, µs per operation and our ratio."""
    names = list(next(iter(columns.values())))
    header = ["record + backward, µs per operation (ratio)", *(f"{size:,}" for size in columns)]
    return measure.table(header, [[name, *(_shown(column, name) for column in columns.values())] for name in names])


def _shown(column: Column, name: str) -> str:
    cell, ours = column[name], column.get(OURS)
    if not cell.rounds:
        return cell.reason or "–"
    text = " + ".join(
        f"{t:.3f}" if t < 0.1 else f"{t:.2f}" for t in (cell.seconds(p) * 1e6 for p in ("record", "backward"))
    )
    return text if name in (OURS, FLOOR) or ours is None or not ours.rounds else f"{text} ({_plain(cell.ratio(ours))})"


def _plain(ratio: float) -> str:
    """Return a ratio in two digits, without an exponent."""
    return f"{ratio:.2g}" if ratio < 10 else f"{ratio:,.0f}"


def phases(title: str, column: Column) -> str:
    """Return the table of one program of one size, phase by phase."""
    header = [title, "record µs", "backward µs", "reset µs", "our time / its time", "in single rounds"]
    rows = []
    for name, cell in column.items():
        if cell.rounds:
            count = cell.rounds[0].operations
            each = [f"{cell.seconds(phase) * count * 1e6:,.0f}" for phase in ("record", "backward", "reset")]
            ratio, spread = "1" if name == OURS else "–", "–"
            if name != OURS and OURS in column and column[OURS].rounds:
                ratio, spread = _plain(cell.ratio(column[OURS])), cell.spread(column[OURS])
            rows.append([name, *each, ratio, spread])
        elif cell.reason:
            rows.append([name, cell.reason, "", "", "", ""])
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


def calls(found: dict[str, dict[str, list[float]]]) -> str:
    """Return the table of transforms: a nest and a call a row."""
    if not found:
        return ""
    header = ["parameters in a", "Variables, ns a leaf", "record + backward, µs an operation"]
    for call in ADDING:
        header += [f"{call}, µs an operation", "more, ns a leaf"]
    rows = []
    for nest, rounds in found.items():
        each = {call: statistics.median(seconds) / ONE_SAMPLE * 1e6 for call, seconds in rounds.items()}
        row = [nest, f"{statistics.median(rounds['leaves']) / PARAMETERS * 1e9:.0f}", f"{each['backward']:.3f}"]
        for call in ADDING:
            row += [f"{each[call]:.3f}", f"{transforms.added(rounds, call) * 1e9:.1f}"]
        rows.append(row)
    return measure.table(header, rows)


def headline(found: Found) -> str:
    """Return how the library stands against the bars that this project set itself."""
    lines = [line for bar in BARS if (line := _stands(bar, found.results))]
    lines += [
        f"{program.capitalize()}: {judged(taken[OURS].recorded, BYTES, '{:.0f} bytes')} an operation."
        for program, taken in found.memory.items()
        if OURS in taken
    ]
    lines += [
        f"{nest.capitalize()}, {call}: {judged(transforms.added(rounds, call) * 1e9, ADDED * 1e9, '{:.1f} ns')} a leaf."
        for nest, rounds in found.calls.items()
        for call in ADDING
    ]
    return "\n".join(f"* {line}" for line in lines)


def _stands(bar: Bar, results: dict[str, dict[int, Column]]) -> str:
    column = results.get(bar.program, {}).get(bar.size, {})
    ours, theirs = column.get(bar.ours), column.get(bar.against)
    if not ours or not ours.rounds or (bar.against and not (theirs and theirs.rounds)):
        return ""
    work = f"{bar.program.capitalize()}, {bar.size:,} operations{', gc off' if GC_OFF in bar.ours else ''}"
    if not theirs:
        return f"{work}: {judged(ours.seconds('both') * 1e6, bar.bar * 1e6, '{:.3g} µs')} an operation."
    return f"{work}: {judged(theirs.ratio(ours), bar.bar, '{:.3g}')} of the time of {bar.against}."


def judged(found: float, bar: float, form: str) -> str:
    """Return a figure, and whether it is within the bar."""
    verdict = "met" if found <= bar else "missed"
    return f"{form.format(found)} (at most {form.format(bar)} wanted: {verdict})"


def disagreements(name: str, column: Column) -> list[str]:
    """Return a line for each engine whose value or gradient is not that of the first engine that has one."""
    with_gradient = {n: c.rounds[-1] for n, c in column.items() if c.rounds and c.rounds[-1].gradient is not None}
    if not with_gradient:
        return []
    first, reference = next(iter(with_gradient.items()))
    tolerance = min(16 * reference.operations * 2.0**-52, CLOSE.get(name, math.inf))
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


def summary(found: Found) -> str:
    """Return machine, core and versions, programs at one size, memory, transforms, bars, and whether all engines agree."""
    results, missing = found.results, found.missing
    names = {name for columns in results.values() for column in columns.values() for name in column}
    modules = sorted({ENGINES[name].module for name in names} - {"builtins", OURS})
    versions = ", ".join(f"{module} {measure.version(module)}" for module in modules) or "no other engine"
    parts = [f"{measure.machine()}. Beside {versions}." + (f" Not installed: {', '.join(missing)}." if missing else "")]
    if ONE_SAMPLE in results.get("network", {}):
        parts.append(phases("network, one sample", results["network"][ONE_SAMPLE]))
    for size, column in results.get("microgpt", {}).items():
        parts.append(phases(f"microgpt, {size:,} operations", column))
    parts += [memory(found.memory, results), calls(found.calls), headline(found)]
    parts.append("\n".join(found.disagreements) or "All engines agree on every value and gradient.")
    return "\n\n".join(part for part in parts if part)


def page(found: Found) -> str:
    """Return the measured part of the page: the summary, then the table of each program that has several sizes."""
    several = {name: columns for name, columns in found.results.items() if name != "microgpt"}
    tables = [f"### {name.capitalize()}\n\n{times(columns)}" for name, columns in several.items()]
    return "\n\n".join([summary(found), *tables, "![Time over size, by engine](eager.svg)"])
