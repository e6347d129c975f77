"""The page of `demo all`: every picture with its numbers, in one file that needs no other."""

from __future__ import annotations

import base64
import html
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

import autograd_lite as al

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .common import Number, Report

STYLE = """
:root { color-scheme: light dark; --ink: #1f2933; --soft: #5b6773; --line: #d9dee4; --ground: #ffffff; --card: #f6f8fa;
  --good: #1b7837; --bad: #b3261e; --link: #2166ac; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --soft: #9aa5b1; --line: #333c46; --ground: #14181d;
  --card: #1c2229; --good: #6cc48a; --bad: #ff8a80; --link: #7cb4ea; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 66rem; padding: 2rem 1.25rem 4rem; background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }
h1 { margin: 0 0 .25rem; font-size: 1.7rem; }
h2 { margin: 0 0 .25rem; font-size: 1.25rem; }
p { margin: .25rem 0 1rem; }
a { color: var(--link); }
.soft { color: var(--soft); font-size: .9rem; }
.good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; }
section { border-top: 1px solid var(--line); margin-top: 2.5rem; padding-top: 1.75rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; margin: .5rem 0 1rem; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem 1.5rem .3rem 0; text-align: left; vertical-align: top; }
td.good, td.bad { white-space: nowrap; }
td.number { font-family: ui-monospace, Menlo, Consolas, monospace; white-space: nowrap; }
figure { margin: 1rem 0 1.5rem; }
figure a { display: block; background: #fff; border: 1px solid var(--line); border-radius: 8px; padding: 12px;
  overflow-x: auto; }
figure img { display: block; margin: 0 auto; max-width: 100%; height: auto; }
figure img.graph { max-height: 34rem; }
figcaption { color: var(--soft); font-size: .9rem; margin-top: .4rem; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .9rem 1rem; overflow-x: auto;
  font: .82rem/1.5 ui-monospace, Menlo, Consolas, monospace; }
details { margin: .5rem 0; } summary { cursor: pointer; color: var(--link); }
ul { list-style: none; margin: .5rem 0; padding: 0; }
"""


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


def _result(entry: Entry) -> str:
    return "left out" if entry.left_out else "✓ checks hold" if entry.ok else "✗ failed"


def write(out: Path, entries: Sequence[Entry], *, quick: bool) -> Path:
    """Write out/index.html and return its path; the page embeds the pictures and links to their files."""
    seconds = sum(entry.seconds for entry in entries)
    failed = sum(not entry.ok for entry in entries)
    left_out = sum(entry.left_out for entry in entries)
    summary = f"{len(entries)} demos, {failed} failed" if failed else f"{len(entries)} demos, all checks hold"
    summary += f", {left_out} left out" if left_out else ""
    setting = "quick settings" if quick else "default settings"
    machine = f"autograd-lite {al.__version__}, Python {platform.python_version()}, {platform.machine()}"
    rows = "".join(
        f'<tr><td><a href="#{_text(entry.name)}">{_text(entry.title)}</a></td>'
        f'<td class="{_mark(holds=entry.ok)}">{_result(entry)}</td>'
        f'<td class="number">{entry.seconds:.1f} s</td></tr>\n'
        for entry in entries
    )
    body = "\n".join(_section(out, entry) for entry in entries)
    page = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>autograd_lite: the demos</title>
<style>{STYLE}</style>
</head>
<body>
<h1>autograd_lite: the demos</h1>
<p class="soft">{_text(summary)} · {setting}, {seconds:.1f} s · {_text(machine)}</p>
<div class="scroll"><table>
<thead><tr><th>demo</th><th>result</th><th>time</th></tr></thead>
<tbody>
{rows}</tbody>
</table></div>
{body}
</body>
</html>
"""
    path = out / "index.html"
    path.write_text(page, encoding="utf-8")
    return path


def _section(out: Path, entry: Entry) -> str:
    """Return one demo: verdict, problem, pictures, numbers, claims, printed output."""
    verdict = f'<span class="{_mark(holds=entry.ok)}">{_text(entry.verdict)}</span>'
    parts = [
        f'<section id="{_text(entry.name)}">',
        f"<h2>{_text(entry.title)}</h2>",
        f'<p class="soft">{verdict} · {entry.seconds:.1f} s · <code>autograd-lite demo {_text(entry.name)}</code></p>',
        f"<pre>{_text(entry.text)}</pre>" if entry.text else "",
        *(_figure(out, path, caption) for path, caption in entry.pictures),
    ]
    if entry.report is not None:
        rows = "".join(_row(number) for number in entry.report.details)
        parts.append(
            '<div class="scroll"><table><thead><tr><th>number</th><th>value</th><th>known</th><th>within</th>'
            f"<th></th></tr></thead><tbody>\n{rows}</tbody></table></div>"
        )
        claims = "".join(
            f'<li><span class="{_mark(holds=holds)}">{"✓" if holds else "✗"}</span> {_text(claim)}</li>\n'
            for claim, holds in entry.report.claims
        )
        parts.append(f"<ul>\n{claims}</ul>" if claims else "")
        printed = _text("\n".join(entry.report.lines))
        parts.append(f"<details><summary>Printed output</summary><pre>{printed}</pre></details>")
    parts.append("</section>")
    return "\n".join(part for part in parts if part)


def _figure(out: Path, path: Path, caption: str) -> str:
    """Return a picture, embedded as data and linked to its file."""
    vector = path.suffix == ".svg"
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    source = f"data:image/{'svg+xml' if vector else 'png'};base64,{data}"
    link, kind = _text(path.relative_to(out).as_posix()), "graph" if vector else "plot"
    return (
        f'<figure><a href="{link}"><img class="{kind}" src="{source}" alt="{_text(caption)}"></a>'
        f"<figcaption>{_text(caption)}</figcaption></figure>"
    )


def _row(number: Number) -> str:
    """Return one number beside the known answer."""
    if number.known is None:
        known, within, mark = "", "", ""
    else:
        known = f"{number.known:.10g}"
        within = f"{number.tolerance:.1g}" if number.tolerance else "exactly"
        mark = f'<span class="{_mark(holds=number.agrees)}">{"✓" if number.agrees else "✗ differs"}</span>'
    value = "None" if number.value is None else f"{number.value:.10g}"
    return (
        f'<tr><td>{_text(number.name)}</td><td class="number">{value}</td><td class="number">{known}</td>'
        f'<td class="number">{within}</td><td>{mark}</td></tr>\n'
    )


def _mark(*, holds: bool) -> str:
    return "good" if holds else "bad"


def _text(text: str) -> str:
    return html.escape(text, quote=True)
