"""Pieces of HTML for notebooks: text as text, tables, folded where they are long; no script, no id, no global name."""

from collections.abc import Iterable, Sequence
from html import escape

from autograd_lite.see import palette

#: Rows and lines beyond which a table or a listing begins folded, and those that are written at all.
FOLDED, ROWS = 12, 1000

# A page that says whether it is dark is followed; JupyterLab and VS Code say it by a mark of their own.
_STYLE = """
.al-piece { background: var(--paper); color: var(--ink); border: 1px solid var(--rule);
  box-sizing: border-box; border-radius: 8px; padding: 8px 12px; margin: 4px 0; width: fit-content; max-width: 100%;
  overflow-x: auto;
  font: 14px/1.5 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; font-variant-numeric: tabular-nums; }
[data-jp-theme-light="false"] .al-piece, .vscode-dark .al-piece { color-scheme: dark; }
.al-piece p { margin: 4px 0; max-width: 74ch; }
.al-piece ul { margin: 4px 0; padding-left: 20px; max-width: 90ch; }
.al-piece .al-title { font-weight: 600; }
.al-piece .al-muted { color: var(--muted); }
.al-piece summary { cursor: pointer; color: var(--positive); padding: 4px 0; }
.al-piece table { border-collapse: collapse; margin: 4px 0; color: inherit; background: none; font-size: inherit; }
.al-piece tr { background: none; }
.al-piece th, .al-piece td { padding: 3px 16px 3px 0; border: 0; border-bottom: 1px solid var(--rule); text-align: left;
  vertical-align: top; }
.al-piece th { font-weight: 600; color: var(--muted); }
.al-piece td.al-number, .al-piece th.al-number { text-align: right; }
.al-piece pre, .al-piece ol { margin: 4px 0; font: 12.5px/1.5 ui-monospace, Menlo, Consolas, monospace; color: inherit;
  background: none; white-space: pre; }
.al-piece ol { padding-left: 5ch; }
.al-piece li::marker { color: var(--muted); }
"""
_STYLE = f"<style>.al-piece {{ {palette.custom_properties(_STYLE)} }}{_STYLE}</style>"


def piece(*parts: str) -> str:
    """Return parts as one element with its style; the colours follow the page if that says `color-scheme`."""
    return f'<div class="al-piece">{_STYLE}{"".join(parts)}</div>'


def title(text: str) -> str:
    return f'<p class="al-title">{escape(text)}</p>'


def prose(text: str) -> str:
    """Return a paragraph for each paragraph of the text."""
    return "".join(f"<p>{escape(part)}</p>" for part in text.split("\n\n") if part.strip())


def points(lines: Iterable[str]) -> str:
    """Return lines as a list; nothing if there are none."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def drawn(text: str) -> str:
    """Return text that is drawn with letters, such as a tree."""
    return f"<pre>{escape(text)}</pre>"


def listing(summary: str, lines: Sequence[str]) -> str:
    """Return lines with their numbers, folded if there are many."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines[:ROWS])
    return _folded(summary, f"<ol>{items}</ol>", len(lines))


def table(summary: str, head: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Sequence[int] = ()) -> str:
    """Return a table, folded if it is long; the columns `numbers` are aligned at the right."""
    kinds = [' class="al-number"' if k in numbers else "" for k in range(len(head))]
    lines = [
        "".join(f"<td{kind}>{escape(str(cell))}</td>" for kind, cell in zip(kinds, row, strict=True)) for row in rows
    ]
    top = "".join(f'<th scope="col"{kind}>{escape(name)}</th>' for kind, name in zip(kinds, head, strict=True))
    body = "".join(f"<tr>{line}</tr>" for line in lines[:ROWS])
    return _folded(summary, f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>", len(lines))


def _folded(summary: str, content: str, count: int) -> str:
    more = f'<p class="al-muted">… and {count - ROWS:,} more</p>' if count > ROWS else ""
    start = "" if count > FOLDED else " open"
    return f"<details{start}><summary>{escape(summary)}</summary>{content}{more}</details>"
