"""The stepper: one HTML page that plays the forward pass and then the backward pass of a drawn graph.

The page holds the picture as Graphviz laid it out, the numbers of both passes as JSON, and `stepper.js`, which plays them.
"""

import html
import json
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from autograd_lite.see.dot import NAME_LENGTH
from autograd_lite.see.graph import Graph, Names, Selection
from autograd_lite.see.labels import formula, short, steady, visible
from autograd_lite.see.render import page
from autograd_lite.variable import is_stale

SVG = "{http://www.w3.org/2000/svg}"
DIGIT, PADDING = 6.7, 8.0  # in points: the widest digit of a cell's font, the space around a cell's text
# A place in the picture's source: the start of a cell that holds a gradient. In a name `<` and `"` are escaped.
GRADIENT_CELL = re.compile(r'<TD (?=BGCOLOR="#\w{6}"><FONT POINT-SIZE="9" COLOR="#\w{6}">grad</FONT>)')
KEPT: tuple[str, ...] = ("d", "points", "x", "y", "text-anchor")  # where things are; how they look, the page says
# The parts of a box in the order in which Graphviz writes them.
CELLS, TEXTS = ("head", "value", "grad"), ("title", "caption", "v", "caption", "g")


class Stepper:
    """Both passes over a selection, with the numbers of this moment; nodes that are not drawn take part in the sweep.

    `kept` holds by position the gradients that the picture shows; the page says where they differ from those of its pass,
    which starts at the seed 1. `source` is `.grad` or `gradients=`: gradients from the user also give the seed.

    >>> from autograd_lite.see.graph import Variable, select
    >>> x = Variable(3.0, name="x")
    >>> stepper = Stepper(select([x * x]), {}, ".grad")
    >>> [[[*stepper.numbers][k] for k in share[3:]] for share in stepper.shares]  # upstream, product, old, new
    [['1.0', '3.0', '0.0', '3.0'], ['1.0', '3.0', '3.0', '6.0']]
    """

    def __init__(self, selection: Selection, kept: Mapping[int, float | None], source: str) -> None:
        self.numbers: dict[str, int] = {}  # each number that occurs, and its place among them
        graph, names = selection.graph, Names(selection.graph, NAME_LENGTH, "…", closed=steady)
        index = {i: place for place, i in enumerate(selection.drawn)}
        seeds = graph.seeds
        if source == "gradients=" and len(seeds) == 1 and (given := kept.get(graph.ends[0])) is not None:
            seeds = {graph.ends[0]: given}
        # User, which of its arguments, the argument, upstream, product, old and new sum; without the last three where the
        # argument was not taken, so that nothing is sent. A user that is not drawn is None.
        self.shares: list[list[int | None]] = []
        adjoints = dict(seeds)
        for edge, upstream, product, before in graph.shares(adjoints):
            if edge.j in index:
                sums = [product, 0.0 if before is None else before, adjoints[edge.j]] if edge.sent else []
                places = map(self._place, [upstream, *sums])
                self.shares.append([index.get(edge.i), edge.k, index[edge.j], *places])
        self.rules: dict[str, int] = {}
        whole: Any = {"graph": graph, "names": names, "index": index}
        self.nodes = [self._facts(i, adjoints.get(i, 0.0), kept.get(i), **whole) for i in selection.drawn]
        self.outputs = {index[i]: self._place(seed) for i, seed in seeds.items()}
        self.title = " and ".join(names[graph.nodes[i]] for i in graph.ends[:3]) + " and others" * (len(seeds) > 3)
        self.notes = list(_notes(selection, names, adjoints, kept, source))

    def _place(self, x: float) -> int:
        return self.numbers.setdefault(repr(x), len(self.numbers))

    def _facts(
        self, i: int, grad: float, kept: float | None, *, graph: Graph, names: Names, index: Mapping[int, int]
    ) -> dict[str, Any]:
        node = graph.nodes[i]
        name, full = names[node], graph.name(node)
        facts: dict[str, Any] = {
            "id": f"n{i}",
            "name": name,
            "full": full if full != name else None,
            "value": self._place(node.value),
            "grad": self._place(grad),
            "kept": None if kept is None or _same(kept, grad) else self._place(kept),
            "line": node.location and visible(node.location),
            "scope": node.scope and visible(node.scope),
        }
        if node.parents:
            rule = node.primitive
            infix = rule is not None and rule.symbol

            def digits(x: float) -> str:
                return f"({short(x)})" if infix and short(x).startswith("-") else short(x)

            facts["made"] = formula(node, names.__getitem__, short)
            facts["sum"] = formula(node, lambda a: digits(a.value), digits)
            facts["from"] = [index.get(parent) for parent in graph.parents[i]]
            facts["locals"] = [self._place(edge.local) for edge in graph.edges[i]]
            if rule and rule.formula:
                facts["rule"] = self.rules.setdefault(visible(f"{rule.name}: {rule.formula}"), len(self.rules))
        return {key: fact for key, fact in facts.items() if fact is not None}

    def make_room(self, source: str) -> str:
        """Return the source of the picture with gradient cells as wide as their longest number."""
        length = [len(short(float(text))) for text in self.numbers]
        letters = [length[node["grad"]] for node in self.nodes]
        for _, _, argument, _, *sums in self.shares:
            letters[argument or 0] = max(letters[argument or 0], *(length[place or 0] for place in sums), 0)
        widths = iter([math.ceil(DIGIT * count + PADDING) for count in letters])
        return GRADIENT_CELL.sub(lambda _: f'<TD WIDTH="{next(widths)}" ', source)

    def page(self, source: str, rendered: Callable[[str], str]) -> str:
        """Return the page that plays both passes on the picture of this source."""
        svg, inner = rendered(self.make_room(source)), sum("made" in node for node in self.nodes)
        shown = {place for share in self.shares for place in share[5:]} | {node["grad"] for node in self.nodes}
        sizes = [abs(float(text)) for text, place in self.numbers.items() if place in shown]
        data = {
            "numbers": [[n, s] if n != (s := short(float(n))) else n for n in self.numbers],
            "nodes": self.nodes,
            "rules": list(self.rules),
            "outputs": list(self.outputs.items()),
            "shares": self.shares,
            "largest": max((size for size in sizes if 0.0 < size < math.inf), default=1.0),
        }
        return page(
            "stepper",
            title=html.escape(self.title),
            notes="".join(f"<p>{html.escape(note)}</p>" for note in self.notes),
            seed=inner + 1,
            last=inner + len(self.shares) + 2,
            picture=stage(svg, {node["id"]: node for node in self.nodes}, {self.nodes[i]["id"] for i in self.outputs}),
            data=json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
            style=Path(__file__).with_suffix(".css").read_text(encoding="utf-8"),
        )


def stage(svg: str, nodes: Mapping[str, Mapping[str, Any]], outputs: set[str]) -> str:
    """Return Graphviz's picture with arrows before boxes, boxes in order, and without colours and tooltips."""
    root = ET.fromstring(svg)  # noqa: S314 - our own renderer's output
    _, _, width, height = root.get("viewBox", "").split()
    about = {"viewBox": f"0 0 {width} {height}", "style": f"--w:{width}pt"}
    picture = ET.Element("svg", {**about, "role": "group", "aria-label": f"{len(nodes)} nodes"})
    layer = ET.SubElement(picture, "g", transform=next(root.iter(SVG + "g")).get("transform", ""))
    groups = {g.get("id", ""): g for g in root.iter(SVG + "g") if g.get("class") in {"node", "edge"}}
    for id_ in [*(id_ for id_ in groups if id_ not in nodes), *nodes]:
        group = groups[id_]
        if id_ in nodes:
            _box(layer, group, nodes[id_], is_output=id_ in outputs)
        elif group.get("class") == "edge":
            thickness = next(group.iter(SVG + "path")).get("stroke-width", "1")
            _copy(group, ET.SubElement(layer, "g", {"class": "edge", "id": id_, "style": f"--w:{thickness}"}), {})
        else:
            _copy(group, ET.SubElement(layer, "g", {"class": "stub"}), {})
    return ET.tostring(picture, encoding="unicode")


def _box(layer: ET.Element, group: ET.Element, node: Mapping[str, Any], *, is_output: bool) -> None:
    """Add a box: its frame, three filled cells, five texts."""
    kind = "node" + " inner" * ("made" in node) + " output" * is_output
    label = f"{node['name']} = {node['made']}" if "made" in node else node["name"]
    about = {"class": kind, "id": node["id"], "role": "button", "tabindex": "0", "aria-label": label}
    cells = [polygon for polygon in group.iter(SVG + "polygon") if polygon.get("fill") != "none"]
    texts = list(group.iter(SVG + "text"))
    classes = {**dict(zip(cells, CELLS, strict=True)), **dict(zip(texts, TEXTS, strict=True))}
    for cell, text in ((cells[1], texts[2]), (cells[2], texts[4])):  # in the middle: the number will change
        xs = [float(point.split(",")[0]) for point in cell.get("points", "").split()]
        text.attrib |= {"x": f"{(min(xs) + max(xs)) / 2:.2f}", "text-anchor": "middle"}
    _copy(group, ET.SubElement(layer, "g", about), classes)


def _copy(group: ET.Element, target: ET.Element, classes: Mapping[ET.Element, str]) -> None:
    """Add the shapes and texts of a group; a shape without a class is a frame or a line."""
    for shape in group.iter():
        tag = shape.tag.removeprefix(SVG)
        if tag in {"polygon", "path", "text"}:
            kept = {key: shape.attrib[key] for key in KEPT if key in shape.attrib}
            ET.SubElement(target, tag, {"class": classes.get(shape, "line"), **kept}).text = shape.text


def _same(a: float, b: float) -> bool:
    """Return whether two numbers agree up to rounding: a sweep of several outputs adds in another order."""
    return math.isclose(a, b, rel_tol=1e-12) or (math.isnan(a) and math.isnan(b))


def _notes(
    selection: Selection, names: Names, adjoints: Mapping[int, float], kept: Mapping[int, float | None], source: str
) -> Iterator[str]:
    nodes = selection.graph.nodes
    if len(selection.outputs) > 1:
        yield f"{len(selection.outputs)} outputs, each with the seed 1: the gradients are those of their sum."
    if selection.hidden:
        yield f"{selection.hidden:,} of the {len(nodes):,} nodes take part without being drawn."
    stale = next((names[node] for node in nodes if is_stale(node)), None)
    if stale:
        yield f"An argument of {stale} was set after {stale} was computed: run the function again, then draw."
    for i in selection.drawn:
        x, here = kept.get(i), adjoints.get(i, 0.0)
        if x is not None and not _same(x, here):
            yield (
                f"This page plays one pass by itself. {source} holds other numbers, as after several passes: {x!r} for "
                f"{names[nodes[i]]}, where this pass gives {here!r}. Click a box to see both."
            )
            return
