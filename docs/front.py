"""The parts of the front page that are made with the site: charts from the tables of the benchmarks, and the stepper.

No figure of a chart is written twice: it is read from the page of the benchmark, which the benchmark itself wrote.
"""

import doctest
import re
from pathlib import Path
from typing import Any, NamedTuple

from autograd_lite.see import palette

DOCS = Path(__file__).resolve().parent
SECONDS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0}
UNITS = {"µs": "microseconds", "ms": "milliseconds"}
OURS, FREE = "autograd_lite", "floats, no gradient"
#: How a table calls an engine, and how a chart does.
ENGINES = {
    "by hand, NumPy": "NumPy by hand", "by hand, numba": "numba by hand", "casadi": "CasADi", "jax": "JAX",
    "torch": "PyTorch", "autograd": "HIPS autograd", "xad": "XAD (C++)", "Value class": "40-line Value class",
    FREE: "plain floats, no gradient",
}  # fmt: skip


class Chart(NamedTuple):
    """What was run, where its table is, and which rows are drawn; the others are named below."""

    title: str
    what: str
    page: str
    table: str  # words in the heading or in the first cell of the table
    unit: str
    drawn: tuple[str, ...]
    columns: tuple[str, ...] = ("time a run",)  # added up


CHARTS = (
    Chart(
        "Record and sweep, one number a node",
        "A ReLU network 2-25-50-25-2 in scalar code, one sample, recorded anew for each gradient.",
        "eager",
        "network, one sample",
        "ms",
        (FREE, OURS, f"{OURS}, pure Python", "xad", "Value class", "micrograd"),
        ("record µs", "backward µs"),
    ),
    Chart(
        "The gradient of such a network, compiled",
        "`al.jit(al.grad(f))`: network 2-25-50-25-2, sigmoid, one sample.",
        "replay",
        "Gradient of the network 2-25-50-25-2",
        "µs",
        (OURS, "by hand, numba", "jax", "by hand, NumPy", "casadi"),
    ),
    Chart(
        "Matrices",
        "Network 784-50-10, mean gradient of 100 samples; ours is scalar code under `al.jit(al.vmap(…))`.",
        "lanes",
        "Mean gradient of 784-50-10",
        "µs",
        (OURS, "by hand, NumPy, all cores", "by hand, NumPy", "jax", "torch, all cores"),
    ),
    Chart(
        "A small function, called with floats",
        "Value and gradient of nine operations, one call from Python.",
        "replay",
        "a graph of nine operations",
        "µs",
        (OURS, "by hand, numba", "by hand, NumPy", "casadi", "jax"),
    ),
)


def colours() -> str:
    """Return the style sheet that gives every page the colours of the pictures, as custom properties."""
    return f":root{{{palette.custom_properties()}--plot:{palette.PAPER.light}}}\n"  # plots bring white paper


def with_charts(markdown: str) -> str:
    """Put the charts into the Markdown of the front page."""
    return markdown.replace("<!-- charts -->", "\n\n".join(map(drawn, CHARTS)))


def with_stepper(page: str, markdown: str) -> str:
    """Put the page that the first Python session of the Markdown makes into the HTML of the front page."""
    return page.replace("<!-- stepper -->", played(session(markdown))["page"]._repr_html_())


def session(markdown: str) -> str:
    """Return the first Python session of a text."""
    found = re.search(r"^```python\n(>>> .*?)^```", markdown, flags=re.DOTALL | re.MULTILINE)
    assert found, "The front page has no Python session."
    return found[1]


def played(text: str) -> dict[str, Any]:
    """Run a session, and return the names that it leaves."""
    names: dict[str, Any] = {}
    for example in doctest.DocTestParser().get_examples(text):
        exec(example.source, names)  # noqa: S102 - our own page
    return names


# ------------------------------------------------------------------------------------------------------ charts


def drawn(chart: Chart) -> str:
    """Return a chart as Markdown around a table of HTML, sorted, with bars that begin at 0."""
    times = sorted((time, row) for row, time in measured(chart).items())
    scale = max(time for time, row in times if row in chart.drawn)
    lines = "".join(_bar(row, time, scale, chart.unit) for time, row in times if row in chart.drawn)
    others = "; ".join(f"{_name(row)} {_figure(time)}" for time, row in times if row not in chart.drawn)
    winner = next(row for _, row in times if row != FREE)
    title = chart.title if winner.startswith(OURS) else f"{chart.title}: {_name(winner).split()[0]} wins"
    notes = [f"Not drawn: {others}." if others else "", _first_results(chart)]
    return (
        f'<div class="chart" markdown>\n\n### {title}\n\n{chart.what}\n\n'
        f'<table class="bars"><caption>{UNITS[chart.unit]}, shorter is better</caption><tbody>{lines}</tbody></table>\n\n'
        f"{' '.join(filter(None, notes))}\n\n"
        f"`python -m benchmarks.{chart.page}`, {_machine(chart)}. [All figures](benchmarks/{chart.page}.md)\n\n</div>"
    )


def measured(chart: Chart) -> dict[str, float]:
    """Return the seconds of every row of the chart's table."""
    head, rows = table(chart)
    places = [head.index(column) for column in chart.columns]
    found = {name: sum(seconds(cells[k], head[k]) for k in places) for name, cells in rows.items()}
    missing = set(chart.drawn) - set(found)
    assert not missing, f"{chart.page}.md has no row {missing} in its table “{chart.table}”."
    return found


def table(chart: Chart) -> tuple[list[str], dict[str, list[str]]]:
    """Return the heading cells of the chart's table, and its rows by their first cell."""
    text = _text(chart)
    begin = text.rindex("\n", 0, text.index(chart.table)) + 1
    found = re.search(r"(^\|.*\n)\| *-.*\n((?:\|.*\n)+)", text[begin:], flags=re.MULTILINE)
    assert found, f"{chart.page}.md has no table “{chart.table}”."
    rows = map(_cells, found[2].splitlines())
    return _cells(found[1]), {row[0]: row for row in rows}


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|\n").split("|")]


def seconds(cell: str, heading: str = "") -> float:
    """Return the time in a cell, which has its unit there or in its heading.

    >>> seconds("5.41 µs"), seconds("4,303", "record µs"), seconds("47 s, from 5,000 steps")
    (5.41e-06, 0.004303, 47.0)
    """
    number, unit = re.findall(r"[^ ,]+", f"{cell.replace(',', '')} {heading.rpartition(' ')[2]}")[:2]
    return float(f"{float(number) * SECONDS[unit]:.12g}")


def _text(chart: Chart) -> str:
    return (DOCS / "benchmarks" / f"{chart.page}.md").read_text(encoding="utf-8")


def _machine(chart: Chart) -> str:
    """Where the page was measured, without the system and the peers' versions."""
    line = _text(chart).partition("<!-- measured -->\n")[2].partition("\n")[0]
    return re.sub(r"\(R\)", "", line.partition(", Linux")[0])


def _bar(row: str, time: float, scale: float, unit: str) -> str:
    kind = ' class="ours"' if row == OURS else ' class="free"' if row == FREE else ""
    return (
        f'<tr{kind}><th scope="row">{_name(row)}</th><td><i style="width:{100 * time / scale:.1f}%"></i></td>'
        f'<td class="figure">{_digits(time / SECONDS[unit])}</td></tr>'
    )


def _first_results(chart: Chart) -> str:
    """How long the drawn engines take until their first result, where the table says it."""
    head, rows = table(chart)
    if (column := "first result after") not in head:
        return ""
    after = {row: rows[row][head.index(column)] for row in chart.drawn}
    ours, others = after.pop(OURS), "; ".join(f"{_name(row)} {time}" for row, time in after.items())
    return f"First result after {ours} ({others})."


def _name(row: str) -> str:
    """An engine's name; what follows a comma stays."""
    name, _, rest = row.rpartition(", ")
    return ENGINES.get(row) or (f"{ENGINES.get(name, name)}, {rest}" if name else row)


def _figure(time: float) -> str:
    unit = next(unit for unit in reversed(SECONDS) if time >= SECONDS[unit] or unit == "ns")
    return f"{_digits(time / SECONDS[unit])} {unit}"


def _digits(number: float) -> str:
    """Three digits, or all of those before the point."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
