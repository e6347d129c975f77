"""Tables, page, plot and command line of the benchmarks that consist of rows."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from benchmarks import measure, plots
from benchmarks.measure import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.contest import Bar, Column, Row


@dataclass
class Section:
    """The part of a page for one row: heading, tables and verdicts, wrong results."""

    number: int
    title: str
    text: str
    wrong: list[str] = field(default_factory=list)


class Task(Protocol):
    """A row, or a study of its own form."""

    @property
    def number(self) -> int:
        """The number of the row."""

    @property
    def title(self) -> str:
        """The title, in one line."""

    def run(self, options: argparse.Namespace) -> Section:
        """Measure."""


def main(name: str, tasks: Sequence[Task], argv: list[str] | None, about: str) -> int:
    """Run the tasks that are asked for; return 0, or 1 if a contestant's result was wrong."""
    options = _options(name, tasks, argv, about)
    _, missing = contest().present([*contest().CONTESTANTS])
    parts = [measure.machine() + ".", _versions(), f"Not installed: {', '.join(missing)}." if missing else ""]
    head = " ".join(part for part in parts if part)
    print(head)
    sections = []
    for task in tasks:
        if task.number in options.rows:
            if sys.stderr.isatty():
                print(f"{task.number}. {task.title} …", file=sys.stderr)
            sections.append(task.run(options))
            print(f"\n{sections[-1].number}. {sections[-1].title}\n\n{sections[-1].text}", flush=True)
    wrong = [line for section in sections for line in section.wrong]
    verdict = "\n".join(wrong) or "Every result that was timed agreed with the reference to 1e-9."
    print(f"\n{verdict}")
    if options.write:
        options.write.mkdir(parents=True, exist_ok=True)
        texts = [f"### {section.title}\n\n{section.text}" for section in sections]
        page = "\n\n".join([head, verdict, *texts, f"![The rows, drawn]({name}.svg)"])
        measure.write_between_marks(options.write / f"{name}.md", "measured", page)
        plots.draw(options.write / f"{name}.md")
    return 1 if wrong else 0


def contest() -> Any:
    """Return the module of contestants, which imports this one."""
    from benchmarks import contest as module

    return module


def _options(name: str, tasks: Sequence[Task], argv: list[str] | None, about: str) -> argparse.Namespace:
    listed = "\n".join(f"  {task.number:>2}  {task.title}" for task in tasks)
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=f"{about}\n\nrows:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add, numbers = parser.add_argument, [task.number for task in tasks]
    everybody = [*contest().CONTESTANTS]
    add("--rows", nargs="+", type=int, choices=numbers, default=numbers, metavar="N", help="default: all")
    add("--contestants", nargs="+", choices=everybody, default=everybody, help="default: all installed")
    add("--quick", action="store_true", help="small sizes, one round: shows that it runs, not how fast")
    add("--rounds", type=int, help="rounds over the contestants (default 7)")
    add("--write", type=Path, metavar="FOLDER", help=f"put tables and plot into {name}.md and {name}.svg there")
    options = parser.parse_args(argv)
    options.rounds = options.rounds or (1 if options.quick else 7)
    return options


def _versions() -> str:
    names = sorted({found.distribution for found in contest().CONTESTANTS.values()} - {"autograd_lite"})
    return ", ".join(f"{name} {measure.version(name)}" for name in names if measure.version(name)) + "."


def of_row(row: Row, column: Column) -> Section:
    """Return the table of a row, its verdicts, and its bars drawn."""
    ours = column.get(contest().OURS)
    header = ["contestant", "time a run", "our time / its time", "in single rounds", "first result after"]
    lines = []
    for name, cell in column.items():
        if not cell.rounds:
            lines.append([name, cell.reason, "", "", ""])
            continue
        ratio, spread = "1" if cell is ours else "–", "–"
        if ours and ours.rounds and cell is not ours:
            ratio, spread = f"{cell.ratio(ours):.3g}", measure.spread(ours.rounds, cell.rounds)
        lines.append([name, duration(cell.seconds()) + cell.note, ratio, spread, duration(cell.ready)])
    verdicts = [verdict(bar, column) for bar in row.bars]
    text = "\n\n".join([measure.table(header, lines), "\n".join(filter(None, verdicts))]).strip()
    wrong = [f"Row {row.number}: {name}: {cell.reason}" for name, cell in column.items() if cell.wrong]
    return Section(row.number, row.title, text, wrong)


def verdict(bar: Bar, column: Column) -> str:
    """Return our ratio beside a bar; empty if it was not measured."""
    ours = column.get(contest().OURS)
    others = {name: cell for name, cell in column.items() if name in bar.against and cell.rounds}
    if not ours or not ours.rounds or (bar.against and not others):
        return ""
    what = "First result" if bar.of == "ready" else "Run"
    if not others:
        return f"{what}: {duration(ours.seconds(bar.of))} ({judged(ours.seconds(bar.of), bar, duration)})."
    name = min(others, key=lambda name: others[name].seconds(bar.of))
    ratio = others[name].ratio(ours) if bar.of == "run" else ours.ready / others[name].ready
    return f"{what}: {ratio:.3g} of the time of {name} ({judged(ratio, bar, plain)})."


def judged(found: float, bar: Bar, shown: Callable[[float], str]) -> str:
    """Return bar and reach, each met or missed."""
    limits = [("bar", bar.bar), ("reach", bar.reach)]
    return ", ".join(
        f"{name} {shown(limit)}: {'met' if found <= limit else 'missed'}" for name, limit in limits if limit is not None
    )


def plain(ratio: float) -> str:
    """Return a ratio in its usual form: 1/n if it is small."""
    return f"1/{1 / ratio:.3g}" if ratio < 0.5 else f"{ratio:.3g}"
