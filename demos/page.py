"""The page of `demo all`: every picture with its numbers, in one file that needs no other."""

from __future__ import annotations

import base64
import html
import math
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import autograd_lite as al
from autograd_lite.see import palette

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .common import Number, Report

# A plot is painted for light pages; its ground is that of its paper.
COLOURS = f":root {{ color-scheme: light dark; {palette.custom_properties()} --plot: {palette.PAPER.light}; }}"
DIALOG = """<dialog class="fit" aria-label="Picture"><header><p></p><a href="index.html">the file</a>
<button type="button">Actual size</button><button type="button" autofocus>Close</button></header>
<div class="inside"></div></dialog>"""
LONG = 12  # rows of a table that begins folded


@dataclass(frozen=True)
class Entry:
    """A demo that was run: its docstring, and its report or the error that ended it."""

    name: str
    title: str
    text: str
    report: Report | None
    error: str
    seconds: float
    left_out: bool = False  # for want of a package

    @property
    def ok(self) -> bool:
        """Whether the demo reached its end and every check held, or was left out."""
        return self.left_out or (self.report is not None and self.report.ok)

    @property
    def verdict(self) -> str:
        """The end of the demo, in a few words."""
        if self.report is None:
            return f"left out: {self.error}" if self.left_out else f"stopped: {self.error}"
        return "all checks hold" if self.ok else f"failed: {'; '.join(self.report.failures)}"

    @property
    def pictures(self) -> list[tuple[Path, str]]:
        """The files of the pictures, with their captions."""
        return self.report.pictures if self.report else []


def _mark(entry: Entry) -> str:
    return "–" if entry.left_out else "✓" if entry.ok else "✗"


def write(out: Path, entries: Sequence[Entry], *, quick: bool) -> Path:
    """Write out/index.html and return its path; the page embeds the pictures and links to their files."""
    seconds = sum(entry.seconds for entry in entries)
    failed = sum(not entry.ok for entry in entries)
    left_out = sum(entry.left_out for entry in entries)
    summary = f"{len(entries)} demos, {f'✗ {failed} failed' if failed else '✓ all checks hold'}"
    summary += f", {left_out} left out" if left_out else ""
    setting = "quick settings" if quick else "default settings"
    machine = f"autograd-lite {al.__version__}, Python {platform.python_version()}, {platform.machine()}"
    links = "".join(
        f'<li><a href="#{_text(entry.name)}"{_failed(holds=entry.ok)}><span>{_mark(entry)}</span>'
        f"<span>{_text(entry.title.partition(':')[0])}{'' if entry.ok else ' (failed)'}</span></a></li>\n"
        for entry in entries
    )
    body = "\n".join(_section(out, entry) for entry in entries)
    page = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>autograd_lite: the demos</title>
<style>{COLOURS}
{_beside("css")}</style>
</head>
<body>
<div class="layout">
<nav aria-label="Demos"><details open><summary>{_text(summary)}</summary><ul>
{links}</ul></details></nav>
<main>
<h1>autograd_lite: the demos</h1>
<p class="soft">{_text(summary)} · {setting}, {seconds:.1f} s · {_text(machine)}</p>
{body}
</main>
</div>
{DIALOG}
<script>{_beside("js")}</script>
</body>
</html>
"""
    path = out / "index.html"
    path.write_text(page, encoding="utf-8")
    return path


def _beside(kind: str) -> str:
    return Path(__file__).with_suffix(f".{kind}").read_text(encoding="utf-8")


def _section(out: Path, entry: Entry) -> str:
    """Return one demo: verdict, problem, pictures, claims, numbers, printed output."""
    verdict = f"<span{_failed(holds=entry.ok)}>{_mark(entry)} {_text(entry.verdict)}</span>"
    parts = [
        f'<section id="{_text(entry.name)}">',
        f"<h2>{_text(entry.title)}</h2>",
        f'<p class="soft">{verdict} · {entry.seconds:.1f} s · <code>autograd-lite demo {_text(entry.name)}</code></p>',
        prose(entry.text),
        *(_figure(out, entry, path, caption) for path, caption in entry.pictures),
    ]
    if entry.report is not None:
        claims = "".join(
            f"<li{_failed(holds=holds)}>{'✓' if holds else '✗ does not hold:'} {_text(claim)}</li>\n"
            for claim, holds in entry.report.claims
        )
        parts.append(f'<ul class="claims">\n{claims}</ul>' if claims else "")
        parts.append(_numbers(entry.report.details))
        printed = _text("\n".join(entry.report.lines))
        parts.append(f"<details><summary>Printed output</summary><pre>{printed}</pre></details>")
    parts.append("</section>")
    return "\n".join(part for part in parts if part)


def prose(text: str) -> str:
    """Return a docstring as HTML: paragraphs, formulas (what is indented), numbered lists, `code`."""
    blocks: list[tuple[str, list[str]]] = []
    kind = ""  # of the block that is being read; empty after a blank line
    for line in text.splitlines():
        if not line.strip():
            kind = ""
        elif line.startswith("    "):
            if blocks and blocks[-1][0] == "pre":
                blocks[-1][1].extend([""] * (kind == "") + [line[4:]])
            else:
                blocks.append(("pre", [line[4:]]))
            kind = "pre"
        elif re.match(r"\d+\. ", line):
            blocks.append(("li", [line.partition(" ")[2]]))
            kind = "li"
        elif kind == "p" or (kind == "li" and line.startswith(" ")):
            blocks[-1][1].append(line.strip())
        else:
            blocks.append(("p", [line]))
            kind = "p"
    parts = []
    for k, (kind, lines) in enumerate(blocks):
        if kind == "pre":
            parts.append("<pre>" + _text("\n".join(lines)) + "</pre>")
            continue
        words = re.sub(r"`([^`]+)`", r"<code>\1</code>", _text(" ".join(lines)))
        soft = ' class="soft"' if words.startswith("Source:") else ""
        first = kind == "li" and (k == 0 or blocks[k - 1][0] != "li")
        last = kind == "li" and (k + 1 == len(blocks) or blocks[k + 1][0] != "li")
        parts.append(f"{'<ol>' * first}<{kind}{soft}>{words}</{kind}>{'</ol>' * last}")
    return "\n".join(parts)


def _figure(out: Path, entry: Entry, path: Path, caption: str) -> str:
    """Return a picture, embedded as data and linked to its file, and the link to the page that plays it."""
    vector = path.suffix == ".svg"
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    source = f"data:image/{'svg+xml' if vector else 'png'};base64,{data}"
    link, kind = _text(path.relative_to(out).as_posix()), "graph" if vector else "plot"
    page = entry.report.pages.get(path.name) if entry.report else None
    play = f'<a href="{_text(page.relative_to(out).as_posix())}">Play this graph</a>' if page else ""
    return (
        f'<figure class="{kind}"><a class="picture" href="{link}"><img src="{source}" alt="{_text(caption)}"></a>'
        f"<figcaption>{_text(caption)}{play}</figcaption></figure>"
    )


def _numbers(numbers: Sequence[Number]) -> str:
    """Return the numbers beside the known answers; a long table begins folded, unless one differs."""
    known = [number for number in numbers if number.known is not None]
    wrong = sum(not number.agrees for number in known)
    verdict = f"✗ {wrong} of {len(known)} differ" if wrong else f"✓ {len(known)} agree with known answers"
    summary = f"{len(numbers)} numbers" + (f", {verdict}" if known else "")
    start = " open" if len(numbers) <= LONG or wrong else ""
    rows = "".join(map(_row, numbers))
    return (
        f'<details{start}><summary>{summary}</summary><div class="scroll"><table><thead><tr><th scope="col">number</th>'
        '<th scope="col">value</th><th scope="col">known</th><th scope="col">within</th><th scope="col">agrees</th></tr>'
        f"</thead><tbody>\n{rows}</tbody></table></div></details>"
    )


def _row(number: Number) -> str:
    """Return one number beside the known answer."""
    if number.known is None:
        known, within, mark = "", "", ""
    else:
        known = f"{number.known:.10g}"
        within = f"{number.tolerance:.1g}" if number.tolerance else "exactly"
        mark = "✓" if number.agrees else '<span class="failed">✗ differs</span>'
    value = "None" if number.value is None else f"{number.value:.10g}"
    odd = " nan" if number.value is not None and not math.isfinite(number.value) else ""
    return (
        f'<tr><td>{_text(number.name)}</td><td class="number{odd}">{value}</td><td class="number">{known}</td>'
        f'<td class="number">{within}</td><td>{mark}</td></tr>\n'
    )


def _failed(*, holds: bool) -> str:
    return "" if holds else ' class="failed"'


def _text(text: str) -> str:
    return html.escape(text, quote=True)
