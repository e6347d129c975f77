"""Pictures read back, the elements of a page, and what several tests draw."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np

import autograd_lite as al

SVG = "{http://www.w3.org/2000/svg}"
TITLE = "{http://www.w3.org/1999/xlink}title"
V = al.Variable


def neuron():
    """tanh(x1·w1 + x2·w2 + b), after backward."""
    x1, x2, w1, w2 = V(2.0, name="x1"), V(0.0, name="x2"), V(-3.0, name="w1"), V(1.0, name="w2")
    n = x1 * w1 + x2 * w2 + V(6.8813735870195432, name="b")
    n.name = "n"
    o = al.tanh(n)
    o.name = "o"
    o.backward()
    return o


def chain(n):
    """A leaf and n nodes behind one another."""
    x = V(1.0, name="x")
    for _ in range(n):
        x = x * 0.999
    return x


def parse(view):
    """Return the root of the SVG; raises unless it is well-formed XML."""
    return ET.fromstring(view.svg)  # noqa: S314 - our own output


def groups(view, kind):
    """Return the SVG groups of a kind ("node" or "edge") by id, in the order of their numbers."""
    found = [g for g in parse(view).iter(SVG + "g") if g.get("class") == kind]
    by_id = {g.get("id"): g for g in found}
    assert len(by_id) == len(found), "ids are unique"
    return dict(sorted(by_id.items(), key=lambda item: [(len(part), part) for part in item[0].split("_")]))


def texts(group):
    """Return the texts of a group, with Graphviz's no-break spaces as spaces."""
    return [(t.text or "").replace("\xa0", " ") for t in group.iter(SVG + "text")]


def boxes(view):
    """Return (header, value, gradient) of every box by id."""
    return {i: tuple(texts(g)[k] for k in (0, 2, 4)) for i, g in groups(view, "node").items() if i != "more"}


def box(view, header):
    """Return the one box with this header, as an SVG group."""
    (found,) = (g for g in groups(view, "node").values() if texts(g)[0] == header)
    return found


def fills(group):
    """Return the fill colours of a box: header, value cell, gradient cell."""
    return [p.get("fill") for p in group.iter(SVG + "polygon") if p.get("fill") != "none"]


def tooltip(group):
    """Return the tooltip of a group."""
    return next(a.get(TITLE) for a in group.iter(SVG + "a"))


def _luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return sum(
        w * (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4)
        for w, c in zip((0.2126, 0.7152, 0.0722), channels, strict=True)
    )


def contrast(one, other):
    """How well a colour can be read on another, as the Web Content Accessibility Guidelines define it."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


# Linear sRGB to the cone responses of Oklab, and their cube roots to its coordinates (B. Ottosson, 2020).
_CONES = np.array([
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
])  # fmt: skip
_OKLAB = np.array([
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
])  # fmt: skip


def mixed(full, ground, strength):
    """CSS's `color-mix(in oklab, full strength, ground)`."""

    def coordinates(colour):
        channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return _OKLAB @ np.cbrt(_CONES @ linear)

    lab = strength * coordinates(full) + (1 - strength) * coordinates(ground)
    linear = np.linalg.solve(_CONES, np.linalg.solve(_OKLAB, lab) ** 3).clip(0.0, 1.0)
    channels = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return "#" + "".join(f"{round(255 * float(x)):02x}" for x in channels)


def printed(program, *arguments):
    """Return what a program prints, once for each different output, in processes with different hash seeds."""
    command = [sys.executable, "-c", program, *arguments]
    return {
        subprocess.run(command, capture_output=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed}).stdout
        for seed in ("1", "2")
    }


HOSTILE = [
    "",
    " ",
    "\n",
    '"',
    "'",
    "\\",
    "\\N \\G \\L \\\\N",
    "<b>",
    "<<TABLE></TABLE>>",
    "</TD></TR></TABLE>>]; n9 [label=x]; //",
    "a<br/>b",
    "&",
    "&amp;lt;",
    "&#10; &#0;",
    "</svg><script>alert(1)</script>",
    "]]><!-- -->",
    '" onload="alert(1)',
    "{a|b|<c>}",
    "a\nb\r\nc\td",
    "\x00\x01\x1b[31mred\x7f\x85",
    "abc\u202edef\u2066ghi\u200f",
    "\ud800 alone",
    "\ufffe\uffff",
    "\u2028line\u2029paragraph",
    "שלום عليكم",
    "θ₁ 中文 🙂‍↔️ é",
    "n0",
    "node",
    "more",
    "a" * 100_000,
    "&<>" * 3000,
]


class Page(HTMLParser):
    """What an HTML parser makes of a page: elements, data, style, script, visible text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.scripts, self.words, self.within = [], [], [], ""
        self.feed(text)
        self.close()
        self.data = json.loads(self.scripts[0])

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, *sorted(name for name, _ in attributes)))
        self.within = tag

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)

    def handle_data(self, data):
        (self.scripts if self.within == "script" else self.words).append(data)

    def handle_endtag(self, tag):
        self.within = ""
