"""Pictures of sparse patterns."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import autograd_lite as al
from autograd_lite.see import palette
from autograd_lite.see.sparsity import CELLS, Part, picture

SVG = "{http://www.w3.org/2000/svg}"


def squares(path):
    """The rectangles of a path, as (x, y, width)."""
    return [tuple(map(float, found)) for found in re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)", path.get("d"))]


def read(drawn):
    """The paths of a picture by colour, and the names in its legend."""
    root = ET.fromstring(drawn.svg)  # noqa: S314 - our own output
    paths = {path.get("fill"): squares(path) for path in root.iter(f"{SVG}path")}
    return paths, [text.text for text in root.iter(f"{SVG}text")]


def test_entries_in_the_colour_of_what_gives_them():
    """A square for each entry; where two parts meet it is ink, and the legend says so."""
    drawn = picture("five", (3, 4), [Part("a", [0, 1, 1], [0, 1, 2]), Part("b", [1, 2], [2, 3]), Part("none", [], [])])
    paths, texts = read(drawn)
    blue, orange = palette.SERIES[:2]
    assert {colour: len(found) for colour, found in paths.items()} == {blue: 2, orange: 1, palette.INK.light: 1}
    assert paths[blue] == [(0, 0, 23), (24, 24, 23)]
    assert texts == ["five", "a", "b", "several of these"]


def test_large_matrices_are_blocks():
    """No more squares than there is room for, each with a hint of its size; neighbours are one rectangle."""
    n = 10 * CELLS
    paths, texts = read(
        picture("band", (n, n), [Part("all", np.arange(n), np.arange(n)), Part("row", np.full(n, 5), np.arange(n))])
    )
    assert len(paths[palette.SERIES[0]]) == CELLS - 1
    assert len(paths[palette.SERIES[1]]) == 1
    assert texts[0] == "band (a square is a block of 10 × 10)"
    wide = picture("wide", (1, n), [Part("row", np.zeros(n), np.arange(n))])
    assert len(read(wide)[0][palette.SERIES[0]]) == 1


def test_more_parts_than_colours():
    """The smallest are one part; grey ones keep their own."""
    parts = [Part(f"p{k}", np.arange(9 - k), np.full(9 - k, k)) for k in range(7)]
    paths, texts = read(picture("many", (9, 9), [*parts, Part("constants", [8], [8], plain=True)]))
    assert texts == ["many", "p0", "p1", "p2", "4 others", "constants"]
    assert len(paths) == 5


def test_a_drawing_of_sparse_derivatives(tmp_path):
    """Groups, constants and other branches; given patterns by their sweeps; saved, and shown in a notebook."""
    s = al.sparse(lambda x: [x[0] * x[1] + 2.0 * x[2], x[2] if x[3] > 0.0 else x[3] ** 2])
    with pytest.raises(al.ArgumentError, match="compute that derivative first"):
        s.draw()
    s.jacobian(np.ones(4))
    assert read(s.draw())[1] == [
        "jacobian: 2 × 4, 4 entries",
        "1 element of 2 inputs: 1 instruction",
        "sums of inputs: constants",
    ]
    s.jacobian(-np.ones(4))
    assert "on other branches" in read(s.draw())[1]
    s.hessian(-np.ones(4), np.ones(2))
    paths, texts = read(s.draw("hessian"))
    assert texts[0] == "hessian: 4 × 4, 3 entries"
    assert sum(map(len, paths.values())) == 3
    given = al.sparse(lambda x: [x[0] * x[1]], pattern={"jacobian": [[1, 1]] @ np.eye(2)}).draw()
    assert read(given)[1] == ["jacobian: 1 × 2, 2 entries", "sweep 1"]
    assert given.save(tmp_path / "p.svg").read_text(encoding="utf-8") == given.svg
    with pytest.raises(al.ArgumentError, match=r"cannot save as 'p\.png'"):
        given.save(tmp_path / "p.png")
    with pytest.raises(al.DrawingError, match="cannot write"):
        given.save(tmp_path / "no" / "p.svg")
    assert {*given._repr_mimebundle_()} == {"image/svg+xml", "text/html", "text/plain"}


def test_a_title_is_text():
    """Nothing of it is markup."""
    drawn = picture("a < b & c", (1, 1), [Part("<i>", [0], [0])])
    assert read(drawn)[1] == ["a < b & c", "<i>"]
