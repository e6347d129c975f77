"""The pictures of the benchmarks' pages, drawn from the tables on the pages: a picture shows what is printed, nothing else.

    python -m benchmarks.plots              draws every picture of docs/benchmarks again, without a measurement

Times are sorted. They are bars from 0 where the longest is at most thirty times the shortest, so that a bar's length can
be seen; else they are dots on a logarithmic axis. Our own are blue.
"""

from __future__ import annotations

import re
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

from autograd_lite.see import palette
from benchmarks.measure import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PAGES = Path(__file__).parent.parent / "docs" / "benchmarks"
OURS = "autograd_lite"
UNITS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}
SEEN = 30.0  # the longest bar over the shortest, at most
INK, MUTED, GREY, GRID, PAPER = (
    role.light for role in (palette.INK, palette.MUTED, palette.LINE, palette.RULE, palette.PAPER)
)
BLUE, *OTHERS = palette.SERIES
STYLE = {
    "svg.hashsalt": "autograd_lite",
    "svg.fonttype": "none",
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": GRID,
    "figure.facecolor": PAPER,
}


@dataclass(frozen=True)
class Table:
    """A table of a page, with the heading above it."""

    title: str
    head: list[str]
    rows: list[list[str]]

    def column(self, name: str) -> list[str]:
        """Return the cells under a head."""
        place = self.head.index(name)
        return [row[place] for row in self.rows]


def tables(text: str) -> list[Table]:
    """Return the measured tables of a page."""
    found, title, lines = [], "", list[list[str]]()
    for line in [*text.partition("<!-- measured -->")[2].partition("<!-- end of measured -->")[0].splitlines(), ""]:
        if line.startswith("|"):
            lines.append([cell.strip() for cell in line.strip("|").split("|")])
        elif lines:
            found.append(Table(title, lines[0], lines[2:]))
            lines = []
        if line.startswith("#"):
            title = line.strip("# ")
    return found


def seconds(cell: str) -> float | None:
    """Return `5.41 µs` or `47 s, from 5,000 steps` in seconds; None for a cell that holds no time.

    >>> seconds("5.5 s"), seconds("1,094 s, from 500 steps"), seconds("stopped after 600 s")
    (5.5, 1094.0, None)
    """
    match = re.match(r"([\d,.]+) (s|ms|µs|ns)\b", cell)
    return float(match[1].replace(",", "")) * UNITS[match[2]] if match else None


def number(cell: str) -> float | None:
    """Return the number at the start of a cell, `1.56e+05 (6.3)`; None where there is none."""
    match = re.match(r"-?[\d,.]+(e[+-]\d+)?(?= |$)", cell)
    return float(match[0].replace(",", "")) if match else None


def draw(page: Path) -> Path:
    """Draw the tables of a page one below the other; return the path of the picture, which lies beside the page."""
    import matplotlib as mpl

    panels = [(table, found) for table in tables(page.read_text(encoding="utf-8")) if (found := panel(table))]
    with mpl.rc_context(STYLE):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        heights = [height for _, (_, height) in panels]
        figure = Figure(figsize=(8, sum(heights)), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(len(panels), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
        for axis, (table, (paint, _)) in zip(axes, panels, strict=True):
            paint(axis, table)
            axis.set_title(fill(table.title or table.head[0], 80), fontsize=10, fontweight="bold", loc="left")
        path = page.with_suffix(".svg")
        figure.savefig(path, metadata={"Date": None})
    return path


def panel(table: Table) -> tuple[Callable[[Any, Table], None], float] | None:
    """Return how to paint a table, and how high in inches; None if there is nothing to see in it."""
    head, rows = table.head, len(table.rows)
    if "time a run" in head:
        return _times, 0.9 + 0.26 * rows
    if "record µs" in head:
        return _passes, 0.9 + 0.26 * rows
    if "trace, µs each" in head:
        return _phases, 3.4
    if "time / " in head[0]:
        return _ratios, 1.0 + 0.4 * (len(head) - 1)
    if head[0].startswith(("ns a lane", "record + backward")):
        return _sizes, 3.6
    return None


def _times(axis: Any, table: Table) -> None:
    times = {
        name: seconds(cell) for name, cell in zip(table.column(table.head[0]), table.column("time a run"), strict=True)
    }
    cells = dict(zip(times, table.column("time a run"), strict=True))
    _sorted(axis, {name: time for name, time in times.items() if time is not None}, cells, "time a run")


def _passes(axis: Any, table: Table) -> None:
    found: dict[str, float] = {}
    for name, *parts in zip(*map(table.column, (table.head[0], "record µs", "backward µs")), strict=True):
        if None not in (both := [number(part) for part in parts]):
            found[name] = sum(each or 0.0 for each in both) * 1e-6
    _sorted(axis, found, {name: duration(time) for name, time in found.items()}, "record + backward")


def _sorted(axis: Any, times: dict[str, float], cells: dict[str, str], label: str) -> None:
    """Paint times, the shortest on top, with what is printed beside them."""
    order = sorted(times, key=lambda name: -times[name])
    values, colours = [times[name] for name in order], [BLUE if _is_ours(name) else GREY for name in order]
    linear = max(values) <= SEEN * min(values)
    if linear:
        axis.barh(order, values, 0.66, color=colours)
    else:
        axis.scatter(values, order, 42, color=colours, zorder=3)
        axis.set_xscale("log")
    for name, value in zip(order, values, strict=True):
        weight = "bold" if name == OURS else "normal"
        look = {"va": "center", "color": INK, "fontweight": weight, "textcoords": "offset points"}
        axis.annotate(cells[name], (value, name), (5 if linear else 8, 0), **look)
    for tick, name in zip(axis.get_yticklabels(), order, strict=True):
        tick.set_fontweight("bold" if name == OURS else "normal")
    low, high = (0.0, 1.3 * max(values)) if linear else (min(values) / 2, 12 * max(values))
    scale = "" if linear else "logarithmic; "
    axis.set(xlim=(low, high), ylim=(-0.6, len(order) - 0.4), xlabel=f"{label}, {scale}less is better")
    axis.xaxis.set_major_formatter(lambda value, _: duration(value) if value else "0")
    axis.grid(axis="x")


def _is_ours(name: str) -> bool:
    return name.split(",", maxsplit=1)[0] == OURS


def _phases(axis: Any, table: Table) -> None:
    """Paint seconds an operation over operations: a colour for each contestant, a kind of line for each phase."""
    names, operations = table.column(table.head[0]), [number(cell) for cell in table.column("operations")]
    lines = {"trace, µs each": "-", "gradient, µs each": "--", "compile, µs each": "-.", "run, ns each": ":"}
    for name, look in _looks([*dict.fromkeys(names)]):
        for head, line in lines.items():
            unit = UNITS["ns" if "ns" in head else "µs"]
            spent = [number(cell) for cell in table.column(head)]
            points = [
                (n, t * unit) for n, t, who in zip(operations, spent, names, strict=True) if who == name and n and t
            ]
            if points:
                label = f"{name}, {head.partition(',')[0]}"
                axis.loglog(*zip(*points, strict=True), line, **look, label=label)
    _finish(axis, "operations", "an operation")


def _sizes(axis: Any, table: Table) -> None:
    """Paint the time of one lane or one operation over their number."""
    sizes = [float(cell.replace(",", "")) for cell in table.head[1:]]
    lanes = table.head[0].startswith("ns a lane")
    for name, look in _looks(table.column(table.head[0])):
        row = next(row for row in table.rows if row[0] == name)[1:]
        spent = [number(cell) if lanes else _both(cell) for cell in row]
        points = [(n, t * UNITS["ns" if lanes else "µs"]) for n, t in zip(sizes, spent, strict=True) if t]
        if points:
            line = "--" if name.endswith("gc off") else ":" if name.endswith("pure Python") else "-"
            axis.loglog(*zip(*points, strict=True), line, **look, label=name)
    _finish(axis, "lanes" if lanes else "operations", "a lane" if lanes else "record + backward, an operation")


def _both(cell: str) -> float | None:
    match = re.match(r"([\d.]+) \+ ([\d.]+)", cell)
    return float(match[1]) + float(match[2]) if match else None


def _looks(names: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    """Return a colour and a mark for each contestant; its variants, after a comma, share them."""
    kinds = [*dict.fromkeys(name.partition(",")[0] for name in names)]
    others = [(colour, mark) for mark in "sD" for colour in (*OTHERS, INK, GREY)]
    look = dict(zip((kind for kind in kinds if kind != OURS), others, strict=False)) | {OURS: (BLUE, "o")}
    found = []
    for name in names:
        colour, mark = look[name.partition(",")[0]]
        width = 2.2 if _is_ours(name) else 1.3
        found.append((name, {"color": colour, "marker": mark, "markersize": 4, "linewidth": width}))
    return found


def _finish(axis: Any, x: str, y: str) -> None:
    axis.set(xlabel=x, ylabel=y)
    axis.yaxis.set_major_formatter(lambda value, _: duration(value) if value else "0")
    axis.grid()
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _ratios(axis: Any, table: Table) -> None:
    """Paint a row of dots for each contestant, a dot for each function, and the median."""
    drawn: list[float] = []
    for place, name in enumerate(reversed(table.head[1:])):
        cells = [number(cell) for cell in table.column(name)]
        ratios = [ratio for ratio in cells if ratio is not None]
        if ratios:
            drawn += ratios
            axis.plot(ratios, [place] * len(ratios), "o", alpha=0.5, color=BLUE if _is_ours(name) else GREY)
            axis.plot(statistics.median(ratios), place, "|", markersize=22, color=INK)
    axis.set_yticks(range(len(table.head) - 1), [*reversed(table.head[1:])])
    axis.set(xlabel=f"{table.head[0].partition(' (')[0]}; the stroke is the median", ylim=(-0.6, len(table.head) - 1.4))
    if drawn and max(drawn) > SEEN * min(drawn):
        axis.set_xscale("log")
    else:
        axis.set_xlim(0, None)
    axis.grid(axis="x")


def main(names: list[str]) -> None:
    """Draw the pictures of these pages, or of all."""
    for page in sorted(PAGES.glob("*.md")):
        if not names or page.stem in names:
            print(draw(page).name)


if __name__ == "__main__":
    main(sys.argv[1:])
