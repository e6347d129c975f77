"""The stepper: a page that plays the forward pass and then the backward pass of a drawn graph.

Python gives structure, values, local derivatives and two layouts of the graph; `stepper.js` multiplies and adds the shares
in the order of the sweep, in doubles, so that its last step holds the bits of `backward`.
"""

import html
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from autograd_lite.see.dot import NAME_LENGTH
from autograd_lite.see.expressions import Term, definitions, number, plain, written
from autograd_lite.see.graph import Names, Selection
from autograd_lite.see.labels import elide, short, steady, visible
from autograd_lite.see.render import page, section
from autograd_lite.variable import is_stale

SVG = "{http://www.w3.org/2000/svg}"
#: In pixels: a letter of a box's head, a digit of its numbers, what stands around them, the least width, the height of a box.
LETTER, DIGIT, PADDING, WIDTH, HEIGHT = 7.2, 7.7, 24.0, 112.0, 56
#: In letters: the operation in the head of a box, the title of the page.
MADE_LENGTH, TITLE_LENGTH = 28, 80


class Stepper:
    """Both passes over a selection, with the numbers of this moment; nodes that are not drawn take part in the sweep.

    `kept` holds by position the gradients that the picture shows; the page says where they differ from those of its pass,
    which starts at the seed 1. `source` is `.grad` or `gradients=`: gradients from the user also give the seed.
    """

    def __init__(self, selection: Selection, kept: Mapping[int, float | None], source: str) -> None:
        self.selection, graph = selection, selection.graph
        names = Names(graph, NAME_LENGTH, "…", closed=steady)
        self.index = {i: place for place, i in enumerate(selection.drawn)}
        seeds = graph.seeds
        if source == "gradients=" and len(seeds) == 1 and (given := kept.get(graph.ends[0])) is not None:
            seeds = {graph.ends[0]: given}
        self.seeds = {self.index[i]: _exact(seed) for i, seed in seeds.items()}
        #: User, which of its arguments, the argument, and a 0 if nothing is sent because the branch was not taken; of a user
        #: that is not drawn -1, its local derivative, the argument, the gradient of the user.
        self.shares: list[list[Any]] = []
        adjoints = dict(seeds)
        longest: dict[int, int] = {}
        for edge, upstream, _, _ in graph.shares(adjoints):
            if edge.j in self.index:
                place = self.index[edge.j]
                longest[place] = max(longest.get(place, 1), len(short(adjoints.get(edge.j))))
                if edge.i in self.index:
                    self.shares.append([self.index[edge.i], edge.k, place] + [0] * (not edge.sent))
                elif edge.sent:
                    self.shares.append([-1, _exact(edge.local), place, _exact(upstream)])
        self.gradients = [adjoints.get(i) for i in selection.drawn]
        self.definitions = definitions(graph, selection.drawn, names.__getitem__)
        self.rules: dict[str, str] = {}
        self.nodes = [
            self._facts(i, names, longest.get(place, 1), adjoints.get(i, 0.0), kept.get(i))
            for i, place in self.index.items()
        ]
        first = self.definitions[-1]
        others = " and others" * (len(seeds) > 1)
        told = plain(first.tree)
        self.title = elide(first.name if told == first.name else f"{first.name} = {told}", TITLE_LENGTH) + others
        self.notes = list(_notes(selection, names, adjoints, kept, source))

    def _facts(self, i: int, names: Names, letters: int, grad: float, kept: float | None) -> dict[str, Any]:
        graph, node = self.selection.graph, self.selection.graph.nodes[i]
        name, full = names[node], graph.name(node)
        facts: dict[str, Any] = {
            "name": name,
            "full": full if full != name else None,
            "value": _exact(node.value),
            "kept": None if kept is None or _same(kept, grad) else _exact(kept),
            "line": node.location and visible(node.location),
            "scope": node.scope and visible(node.scope),
        }
        made = ""
        if graph.parents[i]:
            made = elide(plain(written(node, lambda a: Term([names[a]])).parts), MADE_LENGTH)
            facts |= {
                "made": made,
                "from": [self.index.get(parent, -1) for parent in graph.parents[i]],
                "locals": [_exact(edge.local) for edge in graph.edges[i]],
            }
            rule = node.primitive
            if rule is not None and rule.formula:
                facts["op"] = visible(rule.name)
                self.rules[facts["op"]] = visible(rule.formula)
        head = len(name) + (len(made) + 3 if made else 0)
        digits = max(len(short(node.value)) / 0.46, letters / 0.54)
        facts["w"] = math.ceil(max(WIDTH, head * LETTER + PADDING, digits * DIGIT + PADDING))
        return {key: fact for key, fact in facts.items() if fact is not None}

    def fragment(self, rendered: Callable[[str], str], **attributes: object) -> str:
        """Return the section that plays both passes; `rendered` turns Graphviz's source into SVG."""
        data = {
            "nodes": self.nodes,
            "rules": self.rules,
            "seeds": [*self.seeds.items()],
            "shares": self.shares,
            "definitions": self.definitions,
            "notes": self.notes,
            "lr": self._layout("LR", rendered),
            "tb": self._layout("TB", rendered),
        }
        rows = "".join(
            f"<tr><th>{html.escape(node['name'])}<td>{number(float(node['value']))}<td>{number(grad or 0.0)}"
            for node, grad in zip(self.nodes, self.gradients, strict=True)
        )
        plain_ = (
            f"<p><b>{html.escape(self.title)}</b>. Stepping needs JavaScript; these are the numbers.</p>"
            f"<table><tr><th>node<th>value<th>gradient{rows}</table>"
        )
        return section("stepper", "al-step", f"Forward and backward through {self.title}", data, plain_, **attributes)

    def page(self, rendered: Callable[[str], str]) -> str:
        return page(self.title, self.fragment(rendered, full=True, level=1, address=True))

    def _layout(self, rankdir: str, rendered: Callable[[str], str]) -> dict[str, Any]:
        """Return the size of the graph, the middle of each box, and for each node the paths of its arguments, in pixels."""
        widest = max((len(short(float(x))) for node in self.nodes for x in node.get("locals", ())), default=0)
        between = (widest * DIGIT + PADDING) / 72 if rankdir == "LR" else 0.4  # room for the numbers on arrows
        lines = [
            f"digraph{{rankdir={rankdir};nodesep=.22;ranksep={between:.2f}",
            f'node[shape=box,fixedsize=true,label="",height={HEIGHT / 72:.3f}]edge[arrowsize=.7]',
            *[f"n{place}[id=n{place},width={node['w'] / 72:.3f}]" for place, node in enumerate(self.nodes)],
            *[
                f"n{j}->n{i}[id=e{i}_{k}]"
                for i, node in enumerate(self.nodes)
                for k, j in enumerate(node.get("from", ()))
                if j >= 0
            ],
        ]
        root = ET.fromstring(rendered("\n".join([*lines, "}"])))  # noqa: S314 - our own renderer's output
        _, _, width, height = (round(float(x)) for x in root.get("viewBox", "").split())
        moved = next(root.iter(SVG + "g")).get("transform", "").partition("translate(")[2].partition(")")[0]
        x0, y0 = map(float, moved.replace(",", " ").split())

        def shifted(text: str) -> list[int]:
            numbers = map(float, re.findall(r"-?[\d.]+", text))
            return [round(x + (y0 if k % 2 else x0)) for k, x in enumerate(numbers)]

        shapes = {g.get("id", ""): g for g in root.iter(SVG + "g") if g.get("class") in {"node", "edge"}}
        middles, paths = [], []
        for place, node in enumerate(self.nodes):
            corners = shifted(next(shapes[f"n{place}"].iter(SVG + "polygon")).get("points", ""))
            middles.append([(max(c) + min(c)) // 2 for c in (corners[::2], corners[1::2])])
            paths.append(
                [
                    "" if j < 0 else _path(shifted(next(shapes[f"e{place}_{k}"].iter(SVG + "path")).get("d", "")))
                    for k, j in enumerate(node.get("from", ()))
                ]
            )
        return {"w": width, "h": height, "at": middles, "paths": paths}


def _path(points: Sequence[int]) -> str:
    """Return a curve through control points, as Graphviz draws all edges."""
    start, *rest = zip(points[::2], points[1::2], strict=True)
    return f"M{start[0]},{start[1]}C{' '.join(f'{x},{y}' for x, y in rest)}"


def _exact(x: float) -> float | str:
    """Return the number as JSON can hold it: every digit, and text that JavaScript reads where JSON knows no number."""
    if math.isfinite(x):
        return int(x) if x.is_integer() and 0.0 < abs(x) < 1e15 else x
    return "NaN" if math.isnan(x) else "Infinity" if x > 0 else "-Infinity"


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
