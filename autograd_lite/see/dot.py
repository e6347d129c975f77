"""A graph as Graphviz source."""

import html
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import graphviz

from autograd_lite.see import palette
from autograd_lite.see.graph import Edge, Selection
from autograd_lite.see.labels import elide, formula, is_finite, operation, short, steady, title, visible

INK, FAINT, LINE, PAPER, HEAD, ALARM = (
    role.light for role in (palette.INK, palette.MUTED, palette.LINE, palette.PAPER, palette.HEAD, palette.BAD)
)
# Outside of boxes, which bring their own paper, the page may be light or dark.
OUTSIDE, OUTSIDE_ALARM = palette.BETWEEN.light, palette.BETWEEN_BAD.light
# In letters: a leaf's name, another node's name, a name in a formula, a whole header.
LEAF_LENGTH, NAME_LENGTH, ARGUMENT_LENGTH, HEADER_LENGTH = 24, 16, 10, 40
# A line in the title of a folded box, the title of a frame.
TITLE_LENGTH, FRAME_LENGTH = 60, 80
# One plain name: with a list of fonts, graphviz-pure measures the text with another font than it draws.
FONT = "Helvetica"
# How a backslash is written in each.
LABEL, TOOLTIP = "\\" * 2, "\\" * 4
# The box that stands for all nodes beyond `depth`.
STUB = "more"

Arrow = tuple[Edge, float | None]  # with the gradient that it passes back, where that of its user is shown


@dataclass(frozen=True)
class Box:
    """Nodes drawn as one box, by position; their scope, the number of open scopes around them, the open box around them.

    `cells` holds the nodes of each copy, turn or leaf where the box is a repetition.
    """

    id: str
    title: tuple[str, ...]
    nodes: tuple[int, ...]
    scope: str = ""
    depth: int = 0
    frame: str = ""
    cells: tuple[tuple[int, ...], ...] = ()


class Sketch:
    """A selection as Graphviz source; `gradients` holds what boxes show, which tooltips repeat if it was `given`."""

    def __init__(self, selection: Selection, gradients: dict[int, float | None], rankdir: str, *, given: bool) -> None:
        self.selection, self.rankdir, self.given = selection, rankdir, given
        self.named, self.nodes = selection.graph.name, selection.graph.nodes
        self.gradients = {i: gradients.get(i) for i in selection.drawn}
        self.largest = _largest(self.gradients.values())
        self.widest = 0.0
        self.edges = 0
        self.graph = graphviz.Digraph("graph")
        self.graph.attr("graph", rankdir=rankdir, bgcolor="transparent", nodesep="0.22", ranksep="0.42", ordering="in")
        self.graph.attr("node", shape="plain", fontname=FONT, fontsize="12", fontcolor=INK)
        self.graph.attr("edge", fontname=FONT, fontsize="10", fontcolor=OUTSIDE, color=LINE, arrowsize="0.7")
        if count := selection.hidden:
            text = f"+{count:,} node{'s' if count > 1 else ''}"
            self.graph.node(
                STUB,
                text,
                id=STUB,
                shape="box",
                style="dashed",
                color=LINE,
                fontcolor=OUTSIDE,
                tooltip=f"{text} not drawn",
            )
            for i in selection.drawn:
                if any(j not in self.gradients for j in selection.graph.parents[i]):
                    self.graph.edge(STUB, f"n{i}", id=f"e{i}_{STUB}", style="dashed")

    def _arrows(self, users: Iterable[int]) -> list[Arrow]:
        return [
            (edge, None if (upstream := self.gradients[i]) is None else edge.local * upstream)
            for i in users
            for edge in self.selection.graph.edges_of(i, self.gradients)
        ]

    def source(self) -> str:
        for i in self.selection.drawn:
            self._box(i, self.graph)
        arrows = self._arrows(self.gradients)
        self.widest = _largest(share for _, share in arrows)
        for edge, share in arrows:
            self._arrow(edge, share)
        return str(self.graph.source)

    def folded(self, boxes: Sequence[Box], frames: Sequence[Box]) -> str:
        """Return the source of the folded picture: boxes of many nodes, inside the frames of open boxes."""
        place = {i: box.id for box in boxes for i in box.nodes}
        bundles: dict[tuple[str, str], list[Arrow]] = defaultdict(list)
        parents = self.selection.graph.parents
        between = [i for i in self.gradients if any(place.get(j, place[i]) != place[i] for j in parents[i])]
        for edge, share in self._arrows(between):
            ends = place[edge.j], place[edge.i]
            if ends[0] != ends[1]:
                bundles[ends].append((edge, share))
        drawn: dict[str, graphviz.Digraph] = {"": self.graph}
        for frame in frames:
            drawn[frame.id] = graphviz.Digraph(f"cluster_{frame.id}")
            told = escape(elide(f"{frame.title[0]} {', '.join(frame.title[1:])}".strip(), FRAME_LENGTH), LABEL)
            look = {"style": "dashed,rounded", "color": LINE, "fontname": FONT, "fontsize": "11", "fontcolor": OUTSIDE}
            drawn[frame.id].attr(label=f"<{told}>", id=frame.id, tooltip=tooltip(*frame.title), labeljust="l", **look)
        results = {*self.selection.outputs, *(edge.j for bundle in bundles.values() for edge, _ in bundle)}
        for box in boxes:
            if box.id.startswith("n"):
                self._box(box.nodes[0], drawn[box.frame])
            else:
                self._group(box, results, drawn[box.frame])
        for frame in reversed(frames):
            drawn[frame.frame].subgraph(drawn[frame.id])
        shares = {ends: [share for _, share in bundle if share is not None] for ends, bundle in bundles.items()}
        self.widest = _largest(sum(map(abs, passed)) for passed in shares.values())
        for ends, bundle in bundles.items():
            if all(end.startswith("n") for end in ends):
                for edge, share in bundle:
                    self._arrow(edge, share)
                continue
            locals_, passed = [edge.local for edge, _ in bundle], shares[ends]
            facts = [f"{len(bundle):,} arrows, local derivatives {span(locals_, repr)}"]
            facts += [f"they add {span(passed, repr)} to gradients"] * bool(passed)
            flow = sum(map(abs, passed)) if passed else None
            label = short(locals_[0]) if len(bundle) == 1 else f"×{len(bundle):,}"
            fine = is_finite(*locals_, *passed)
            self._line(*ends, label, id_=f"e{ends[1]}_{ends[0]}", flow=flow, facts=facts, fine=fine)
        return str(self.graph.source)

    def _group(self, box: Box, results: set[int], graph: Any) -> None:
        nodes = [self.nodes[i] for i in box.nodes]
        gradients = [g for i in box.nodes if (g := self.gradients[i]) is not None]
        shown = [self.nodes[i].value for i in box.nodes if i in results]
        told = [escape(steady(elide(line, TITLE_LENGTH)), LABEL) for line in box.title]
        bad = [i for i in box.nodes if not is_finite(self.nodes[i].value, self.gradients[i])]
        leaves = not any(node.arguments for node in nodes)
        strongest = max(gradients, key=abs, default=None) if not bad else _first_bad(gradients)
        count = f"{len(nodes):,} {'leaves' if leaves else 'nodes'}"
        label = _table(
            "<BR/>".join(told),
            _cell("value" if leaves else "results", _first_bad(shown), PAPER, span(shown)),
            _cell("grad", strongest, shade(strongest, self.largest), span(gradients)),
            leaf=leaves,
            fine=not bad,
            under="" if count in box.title else count,
            framed=any(i in self.selection.outputs for i in box.nodes),
        )
        operations = Counter(operation(node) or "leaf" for node in nodes).most_common()
        facts = [
            *box.title,
            f"{count} in {box.id}: {', '.join(f'{many:,} {what}' for what, many in operations)}",
            f"results {span(shown, repr)}",
            f"values {span([node.value for node in nodes], repr)}",
            f"gradients {span(gradients, repr)}",
            *[f"first that is not finite: {self.named(self.nodes[i])}" for i in bad[:1]],
        ]
        graph.node(box.id, label, id=box.id, tooltip=tooltip(*facts))

    def _box(self, i: int, graph: Any) -> None:
        node, gradient = self.nodes[i], self.gradients[i]
        name, leaf = self.named(node), not node.parents
        letters = steady(elide(name, LEAF_LENGTH if leaf else NAME_LENGTH))
        heading = title(node, letters, lambda a: steady(elide(self.named(a), ARGUMENT_LENGTH)))
        label = _table(
            escape(elide(heading, HEADER_LENGTH), LABEL),
            _cell("value", node.value, PAPER),
            _cell("grad", gradient, shade(gradient, self.largest)),
            leaf=leaf,
            fine=is_finite(node.value, gradient),
            framed=i in self.selection.outputs,
        )
        made = formula(node, self.named, repr)
        facts = [f"{name} = {made}" if made else name, visible(repr(node))]
        facts += [f"gradient {gradient!r}"] * self.given
        graph.node(f"n{i}", label, id=f"n{i}", tooltip=tooltip(*facts))

    def _arrow(self, edge: Edge, share: float | None) -> None:
        user, argument = self.named(edge.user), self.named(edge.argument)
        facts = [f"d {user} / d {argument} = {edge.local!r}"]
        if share is not None:
            facts.append(f"adds {edge.local!r} * {self.gradients[edge.i]!r} = {share!r} to the gradient of {argument}")
        fine, id_ = is_finite(edge.local, share), f"e{edge.i}_{edge.k}"
        self._line(f"n{edge.j}", f"n{edge.i}", short(edge.local), id_=id_, flow=share, facts=facts, fine=fine)

    def _line(
        self, start: str, end: str, label: str, *, id_: str, flow: float | None, facts: Sequence[str], fine: bool
    ) -> None:
        """Draw an arrow, or one arrow for many; the spaces keep the number clear of the line."""
        self.edges += 1
        told = tooltip(*facts)
        look = {"id": id_, "penwidth": f"{width(flow, self.widest):.3g}", "tooltip": told, "labeltooltip": told}
        colour = {} if fine else {"color": OUTSIDE_ALARM, "fontcolor": OUTSIDE_ALARM}
        self.graph.edge(start, end, label=f" {label} ", **look, **colour)


def span(numbers: Sequence[float], written: Callable[[float], str] = short) -> str:
    """Return the range of some numbers; infinite ones and NaN come first.

    >>> span([0.5, -0.25, 1.0]), span([2.0, 2.0]), span([1.0, math.nan]), span([])
    ('-0.25 … 1', '2', 'nan, 1', '–')
    """
    finite = [x for x in numbers if math.isfinite(x)]
    told = sorted({written(x) for x in numbers if not math.isfinite(x)})
    low, high = (written(min(finite)), written(max(finite))) if finite else ("", "")
    told += [low if low == high else f"{low} … {high}"] * bool(finite)
    return ", ".join(told) or "–"


def escape(text: str, backslash: str) -> str:
    r"""Return `text` in a form that Graphviz reads as plain text: backslashes are doubled, twice where it reads them twice.

    No entity can hide a backslash: Graphviz looks for escapes such as `\N` after it has read entities.

    >>> escape('<b> & "\\N"', LABEL)
    '&lt;b&gt; &amp; &quot;\\\\N&quot;'
    """
    return html.escape(text).replace("\\", backslash).replace("\n", "&#10;")


def tooltip(*lines: str) -> str:
    """Return the lines as a tooltip, with breaks that Graphviz removes: versions 2 and 3 refuse a piece of 16,384 bytes."""
    return re.sub(r"([^\\]{4000})", "\\1\\\\\n", escape("\n".join(lines), TOOLTIP))


def shade(gradient: float | None, largest: float) -> str:
    """Return the colour of a gradient: blue above 0, orange below, the stronger the nearer to the largest of the picture.

    >>> shade(0.0, 2.0), shade(2.0, 2.0), shade(-0.5, 2.0)
    ('#ffffff', '#7fbcf0', '#fbd2aa')
    """
    if not gradient or not math.isfinite(gradient):
        return PAPER
    # The square root, because signs must be seen: with the bare ratio all but the largest of a network look white.
    strength = 0.12 + 0.88 * math.sqrt(abs(gradient) / largest)
    full = palette.POSITIVE_FILL if gradient > 0.0 else palette.NEGATIVE_FILL
    channels = (int(full.light[k : k + 2], 16) for k in (1, 3, 5))
    return "#" + "".join(f"{round(0xFF - (0xFF - channel) * strength):02x}" for channel in channels)


def width(contribution: float | None, largest: float) -> float:
    """Return the width of an edge in points, from 0.7 for no share to 3.7 for the largest share of any gradient.

    >>> width(None, 0.0), width(0.0, 2.0), width(-2.0, 2.0)
    (1.0, 0.7, 3.7)
    """
    if contribution is None or math.isnan(contribution):
        return 1.0
    return 0.7 + 3.0 * (1.0 if math.isinf(contribution) else abs(contribution) / largest if largest else 0.0)


def _first_bad(numbers: Sequence[float]) -> float | None:
    return next((x for x in numbers if not math.isfinite(x)), None)


def _table(header: str, *cells: str, leaf: bool, fine: bool, framed: bool, under: str = "") -> str:
    ground, ink = (PAPER if leaf else HEAD, INK) if fine else (ALARM, PAPER)
    small = f'<BR/><FONT POINT-SIZE="9" COLOR="{ink}">{under}</FONT>' if under else ""
    return (
        f'<<TABLE BORDER="{2 if framed else 1}" CELLBORDER="0" CELLSPACING="0" CELLPADDING="4" COLOR="{LINE}"><TR>'
        f'<TD COLSPAN="2" BGCOLOR="{ground}"><FONT COLOR="{ink}"><B>{header}</B></FONT>{small}</TD></TR>'
        f"<TR>{''.join(cells)}</TR></TABLE>>"
    )


def _cell(caption: str, x: float | None, colour: str, text: str = "") -> str:
    ink, faint = (INK, FAINT if colour == PAPER else INK) if is_finite(x) else (PAPER, PAPER)
    return (
        f'<TD BGCOLOR="{colour if is_finite(x) else ALARM}"><FONT POINT-SIZE="9" COLOR="{faint}">{caption}</FONT><BR/>'
        f'<FONT COLOR="{ink}">{text or short(x)}</FONT></TD>'
    )


def _largest(numbers: Iterable[float | None]) -> float:
    return max((abs(x) for x in numbers if x is not None and math.isfinite(x)), default=0.0)
