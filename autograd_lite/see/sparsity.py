"""A picture of a sparse matrix: where its entries lie, each in the colour of the part that it comes from."""

import base64
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from autograd_lite.errors import ArgumentError, DrawingError
from autograd_lite.see import palette

#: Cells along the longer side at most; pixels of that side; pixels of a cell at most, and from which on cells have gaps.
CELLS, SIDE, LARGE, APART = 120, 360.0, 24.0, 8.0
#: Pixels of a line of text, and of a letter about.
LINE, LETTER = 18.0, 6.4
#: What stands in front of the colours of parts when there are more parts than colours.
SEVERAL, OTHERS = "several of these", "others"
INK, PAPER, FRAME, OUTSIDE = (role.light for role in (palette.INK, palette.PAPER, palette.RULE, palette.BETWEEN))
PLAIN = palette.LINE.light


class Part(NamedTuple):
    """Entries of one origin; `plain` ones are grey."""

    name: str
    rows: Any
    columns: Any
    plain: bool = False


@dataclass(frozen=True, repr=False)
class PatternPicture:
    """A picture of a pattern; made by `Sparse.draw`, shows itself in a notebook.

    Attributes
    ----------
    svg : str
        The picture as an `<svg>` element.
    """

    title: str
    svg: str

    def __repr__(self) -> str:
        return f"PatternPicture({self.title})"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture to an .svg file and return its path."""
        path = Path(path)
        if path.suffix.lower() != ".svg":
            raise ArgumentError(
                f"cannot save as {path.name!r}: its suffix is {path.suffix!r}. Give the file the suffix .svg."
            )
        try:
            path.write_text(self.svg, encoding="utf-8")
        except OSError as error:
            raise DrawingError(
                f"cannot write {str(path)!r}: {error.strerror}. Choose a folder that exists and may be written to."
            ) from error
        return path

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        del include, exclude
        encoded = base64.b64encode(self.svg.encode()).decode()
        image = f'<img alt="{escape(self.title)}" src="data:image/svg+xml;base64,{encoded}">'
        return {"image/svg+xml": self.svg, "text/html": image, "text/plain": repr(self)}


def picture(title: str, shape: tuple[int, int], parts: Sequence[Part]) -> PatternPicture:
    """Return the picture of a matrix of this shape; of a large one a cell is a block that has an entry."""
    scale = max(1.0, max(shape) / CELLS)
    high, wide = (max(1, int(np.ceil(n / scale))) for n in shape)
    parts = _few([part for part in parts if len(part.rows)])
    owner = np.full(high * wide, -1)
    for k, part in enumerate(parts):
        cells = np.unique(_block(part.rows, scale, high) * wide + _block(part.columns, scale, wide))
        owner[cells] = np.where(owner[cells] < 0, k, len(parts))
    size = min(LARGE, SIDE / max(high, wide))
    colours = [*_colours(parts), INK]
    layers = [
        f'<path fill="{colour}" d="{_cells(owner.reshape(high, wide) == k, size)}"/>'
        for k, colour in enumerate(colours)
        if (owner == k).any()
    ]
    if scale > 1.0:
        title += f" (a square is a block of {scale:.3g} × {scale:.3g})"
    names = [*(part.name for part in parts), SEVERAL]
    legend = [(names[k], colour) for k, colour in enumerate(colours) if k < len(parts) or (owner == k).any()]
    return PatternPicture(title, _svg(title, wide * size, high * size, layers, legend))


def _few(parts: Sequence[Part]) -> list[Part]:
    """At most one coloured part for each colour: the smaller ones together."""
    coloured = sorted((part for part in parts if not part.plain), key=lambda part: -len(part.rows))
    most = len(palette.SERIES)
    if len(coloured) > most:
        rest = coloured[most - 1 :]
        rows, columns = (np.concatenate([getattr(part, side) for part in rest]) for side in ("rows", "columns"))
        coloured = [*coloured[: most - 1], Part(f"{len(rest)} {OTHERS}", rows, columns)]
    return [*coloured, *(part for part in parts if part.plain)]


def _colours(parts: Sequence[Part]) -> list[str]:
    series = iter(palette.SERIES)
    plain = iter((PLAIN, FRAME))
    return [next(plain) if part.plain else next(series) for part in parts]


def _block(places: Any, scale: float, most: int) -> Any:
    return np.minimum((np.asarray(places) / scale).astype(np.int64), most - 1)


def _cells(there: Any, size: float) -> str:
    """The path of some cells: neighbours in a row are one rectangle if there is no gap between cells."""
    gap = 1.0 if size >= APART else 0.0
    edges = np.diff(np.pad(there, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    runs = [(y, x, end) for (y, x), (_, end) in zip(np.argwhere(edges > 0), np.argwhere(edges < 0), strict=True)]
    if gap:
        runs = [(y, x, x + 1) for y, first, end in runs for x in range(first, end)]
    height = _short(size - gap)
    return "".join(
        f"M{_short(x * size)} {_short(y * size)}h{_short((end - x) * size - gap)}v{height}h-{_short((end - x) * size - gap)}z"
        for y, x, end in runs
    )


def _svg(title: str, wide: float, high: float, layers: Iterable[str], legend: Sequence[tuple[str, str]]) -> str:
    top, left = LINE + 6.0, 1.0
    width = max(wide, LETTER * len(title), *(LETTER * len(name) + 16.0 for name, _ in legend), 40.0) + 2.0 * left
    height = top + high + 10.0 + LINE * len(legend)
    box = f"0 0 {_short(width)} {_short(height)}"
    size = f'width="{_short(width)}" height="{_short(height)}" viewBox="{box}"'
    font = 'font-family="Helvetica,Arial,sans-serif" font-size="12"'
    frame = f'width="{_short(wide + 1)}" height="{_short(high + 1)}" fill="{PAPER}" stroke="{FRAME}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(title)}" {size} {font}>',
        f'<text x="{left}" y="13" fill="{OUTSIDE}">{escape(title)}</text>',
        f'<g transform="translate({left} {top})"><rect x="-0.5" y="-0.5" {frame}/>{"".join(layers)}</g>',
    ]
    for k, (name, colour) in enumerate(legend):
        y = top + high + 10.0 + LINE * k
        lines.append(
            f'<rect x="{left}" y="{_short(y + 2)}" width="10" height="10" fill="{colour}" stroke="{FRAME}"/>'
            f'<text x="{left + 16}" y="{_short(y + 11)}" fill="{OUTSIDE}">{escape(name)}</text>'
        )
    return "\n".join([*lines, "</svg>"])


def _short(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")
