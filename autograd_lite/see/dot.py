"""A graph as Graphviz source."""

import html
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

import graphviz

from autograd_lite.see.fold import Box
from autograd_lite.see.labels import elide, formula, is_finite, name_of, number, operation, steady, title, visible
from autograd_lite.see.select import Selection
from autograd_lite.variable import Variable

INK, FAINT, LINE = "#1f2937", "#4b5563", "#7c8898"
PAPER, LEAF, INNER, ALARM = "#ffffff", "#cfe6f7", "#e5e7eb", "#b91c1c"
# The gradient's colours at full strength: light enough for dark text (a test computes the contrast).
POSITIVE, NEGATIVE = (0x6F, 0xB1, 0xE3), (0xF5, 0x8E, 0x7A)
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


class Sketch:
    """Writes a selection as Graphviz source, box by box and arrow by arrow; its numbers are those of this moment."""

    def __init__(self, selection: Selection, gradients: Mapping[Variable, Any] | None, rankdir: str) -> None:
        self.selection = selection
        self.of_mapping = gradients is not None
        self.gradients = {node: _gradient(node, gradients) for node in selection.nodes}
        self.largest = _largest(self.gradients.values())
        self.edges = 0
        self.graph = graphviz.Digraph("graph")
        self.graph.attr("graph", rankdir=rankdir, bgcolor=PAPER, nodesep="0.22", ranksep="0.42", ordering="in")
        self.graph.attr("node", shape="plain", fontname=FONT, fontsize="12", fontcolor=INK)
        self.graph.attr("edge", fontname=FONT, fontsize="10", fontcolor=INK, color=LINE, arrowsize="0.7")

    def source(self) -> str:
        """Return the source of the whole picture."""
        if self.selection.hidden:
            self._stub()
        for node in self.selection.nodes:
            self._box(node)
        arrows = list(self._arrows())
        largest = _largest(arrow.contribution for arrow in arrows)
        self.edges = len(arrows)
        for arrow in arrows:
            self._draw_arrow(arrow, largest)
        return str(self.graph.source)

    def folded(self, boxes: Sequence[Box], frames: Sequence[Box]) -> str:
        """Return the source of the folded picture: boxes of many nodes, inside the frames of those that are open."""
        nodes = self.selection.nodes
        bundles = self._bundles({nodes[i]: box.id for box in boxes for i in box.nodes})
        results = self.selection.outputs.union(*(bundle.parents for bundle in bundles.values()))
        drawn: dict[str, graphviz.Digraph] = {"": self.graph}
        for frame in frames:
            drawn[frame.id] = graphviz.Digraph(f"cluster_{frame.id}")
            told = escape(elide(f"{frame.title[0]} {', '.join(frame.title[1:])}".strip(), FRAME_LENGTH), LABEL)
            look = {"style": "dashed,rounded", "color": LINE, "fontname": FONT, "fontsize": "11", "fontcolor": FAINT}
            drawn[frame.id].attr(label=f"<{told}>", id=frame.id, tooltip=tooltip(*frame.title), labeljust="l", **look)
        if self.selection.hidden:
            self._stub()
        for box in boxes:
            if box.id.startswith("n"):
                self._box(nodes[box.nodes[0]], drawn[box.frame])
            else:
                self._group(box, [nodes[i] for i in box.nodes], results, drawn[box.frame])
        for frame in reversed(frames):
            drawn[frame.frame].subgraph(drawn[frame.id])
        largest = _largest(bundle.flow for bundle in bundles.values())
        for (parent, user), bundle in bundles.items():
            for arrow in bundle.arrows:
                self._draw_arrow(arrow, largest)
            if not bundle.arrows:
                self._draw_bundle(parent, user, bundle, largest)
            self.edges += len(bundle.arrows) or 1
        return str(self.graph.source)

    def _bundles(self, place: Mapping[Variable, str]) -> dict[tuple[str, str], "Bundle"]:
        """Return the arrows between each two boxes."""
        bundles: dict[tuple[str, str], Bundle] = defaultdict(Bundle)
        for arrow in self._arrows():
            ends = place[arrow.parent], place[arrow.user]
            if ends[0] != ends[1]:
                bundles[ends].add(arrow, kept=ends[0].startswith("n") and ends[1].startswith("n"))
        return bundles

    def _group(self, box: Box, nodes: Sequence[Variable], results: AbstractSet[Variable], graph: Any) -> None:
        gradients = [g for node in nodes if (g := self.gradients[node]) is not None]
        shown = [node.value for node in nodes if node in results]
        told = [escape(steady(elide(line, TITLE_LENGTH)), LABEL) for line in box.title]
        bad = [node for node in nodes if not is_finite(node.value, self.gradients[node])]
        leaves = not any(node.arguments for node in nodes)
        ground, ink = (LEAF if leaves else INNER, INK) if not bad else (ALARM, PAPER)
        strongest = max(gradients, key=abs, default=None) if not bad else _first_bad(gradients)
        count = f"{len(nodes):,} {'leaves' if leaves else 'nodes'}"
        counted = "" if count in box.title else f'<BR/><FONT POINT-SIZE="9" COLOR="{ink}">{count}</FONT>'
        output = any(node in self.selection.outputs for node in nodes)
        label = (
            f'<<TABLE BORDER="{2 if output else 1}" CELLBORDER="0" CELLSPACING="0" CELLPADDING="4" COLOR="{LINE}">'
            f'<TR><TD COLSPAN="2" BGCOLOR="{ground}"><FONT COLOR="{ink}"><B>{"<BR/>".join(told)}</B></FONT>'
            f"{counted}</TD></TR><TR>"
            f"{_cell('value' if leaves else 'results', _first_bad(shown), PAPER, span(shown))}"
            f"{_cell('grad', strongest, shade(strongest, self.largest), span(gradients))}</TR></TABLE>>"
        )
        operations = Counter(operation(node) or "leaf" for node in nodes).most_common()
        facts = [
            *box.title,
            f"{count} in {box.id}: {', '.join(f'{many:,} {what}' for what, many in operations)}",
            f"results {span(shown, repr)}",
            f"values {span([node.value for node in nodes], repr)}",
            f"gradients {span(gradients, repr)}",
            *[f"first that is not finite: {self._name(node)}" for node in bad[:1]],
        ]
        graph.node(box.id, label, id=box.id, tooltip=tooltip(*facts))

    def _draw_bundle(self, parent: str, user: str, bundle: "Bundle", largest: float) -> None:
        many = len(bundle.locals)
        facts = [f"{many:,} arrows, local derivatives {span(bundle.locals, repr)}"]
        if bundle.contributions:
            facts.append(f"they add {span(bundle.contributions, repr)} to gradients")
        told = tooltip(*facts)
        fine = is_finite(*bundle.locals, *bundle.contributions)
        self.graph.edge(
            parent,
            user,
            id=f"e{user}_{parent}",
            label=f" {number(bundle.locals[0]) if many == 1 else f'×{many:,}'} ",
            penwidth=f"{width(bundle.flow, largest):.3g}",
            tooltip=told,
            labeltooltip=told,
            **({} if fine else {"color": ALARM, "fontcolor": ALARM}),
        )

    def _stub(self) -> None:
        count = self.selection.hidden
        text = f"+{count:,} node{'s' if count > 1 else ''}"
        self.graph.node(STUB, text, id=STUB, shape="box", style="dashed", color=LINE, tooltip=f"{text} not drawn")
        for node in self.selection.nodes:
            if any(parent not in self.gradients for parent in node.parents):
                self.graph.edge(STUB, self._id(node), id=f"e{self._id(node)[1:]}_{STUB}", style="dashed")

    def _id(self, node: Variable) -> str:
        return f"n{self.selection.position[node]}"

    def _name(self, node: Variable) -> str:
        return name_of(node, self.selection.position[node])

    def _short(self, argument: Variable | float) -> str:
        if isinstance(argument, Variable):
            return steady(elide(self._name(argument), ARGUMENT_LENGTH))
        return number(argument)

    def _full(self, argument: Variable | float) -> str:
        return self._name(argument) if isinstance(argument, Variable) else repr(argument)

    def _box(self, node: Variable, graph: Any = None) -> None:
        gradient = self.gradients[node]
        name = self._name(node)
        short = steady(elide(name, NAME_LENGTH if node.parents else LEAF_LENGTH))
        header = escape(elide(title(node, short, self._short), HEADER_LENGTH), LABEL)
        ground, ink = (INNER if node.parents else LEAF, INK) if is_finite(node.value, gradient) else (ALARM, PAPER)
        label = (
            f'<<TABLE BORDER="{2 if node in self.selection.outputs else 1}" CELLBORDER="0" CELLSPACING="0" '
            f'CELLPADDING="4" COLOR="{LINE}"><TR><TD COLSPAN="2" BGCOLOR="{ground}"><FONT COLOR="{ink}"><B>{header}</B>'
            f"</FONT></TD></TR><TR>{_cell('value', node.value, PAPER)}"
            f"{_cell('grad', gradient, shade(gradient, self.largest))}</TR></TABLE>>"
        )
        facts = tooltip(*self._facts(node, name))
        (graph or self.graph).node(self._id(node), label, id=self._id(node), tooltip=facts)

    def _facts(self, node: Variable, name: str) -> Iterator[str]:
        """Yield the lines of a box's tooltip: the formula with all its digits, the repr."""
        made = formula(node, self._full)
        yield f"{name} = {made}" if made else name
        yield visible(repr(node))
        if self.of_mapping:
            yield f"gradient {self.gradients[node]!r}"

    def _arrows(self) -> Iterator["Arrow"]:
        for user in self.selection.nodes:
            upstream = self.gradients[user]
            for k, (parent, local) in enumerate(user.local_gradients):
                if parent in self.gradients:
                    yield Arrow(parent, user, k, local, None if upstream is None else local * upstream)

    def _draw_arrow(self, arrow: "Arrow", largest: float) -> None:
        parent, user, k, local, contribution = arrow
        parent_name = self._name(parent)
        facts = [f"d {self._name(user)} / d {parent_name} = {local!r}"]
        if contribution is not None:
            flow = f"{local!r} * {self.gradients[user]!r} = {contribution!r}"
            facts.append(f"adds {flow} to the gradient of {parent_name}")
        told = tooltip(*facts)
        look = {} if is_finite(local, contribution) else {"color": ALARM, "fontcolor": ALARM}
        self.graph.edge(
            self._id(parent),
            self._id(user),
            id=f"e{self._id(user)[1:]}_{k}",
            label=f" {number(local)} ",  # the spaces keep the number off the line
            penwidth=f"{width(contribution, largest):.3g}",
            tooltip=told,
            labeltooltip=told,
            **look,
        )


class Arrow(NamedTuple):
    """One use of a node: its place among the user's parents, the local derivative, and the gradient it passes back."""

    parent: Variable
    user: Variable
    k: int
    local: float
    contribution: float | None


class Bundle:
    """All arrows between two boxes; as wide as the sum of what they pass back."""

    def __init__(self) -> None:
        self.arrows: list[Arrow] = []  # where each of them is drawn
        self.parents: set[Variable] = set()
        self.locals: list[float] = []
        self.contributions: list[float] = []

    def add(self, arrow: Arrow, *, kept: bool) -> None:
        """Take one more."""
        self.parents.add(arrow.parent)
        self.locals.append(arrow.local)
        if arrow.contribution is not None:
            self.contributions.append(arrow.contribution)
        if kept:
            self.arrows.append(arrow)

    @property
    def flow(self) -> float | None:
        """What all pass back."""
        return sum(map(abs, self.contributions)) if self.contributions else None


def span(numbers: Sequence[float], written: Callable[[float], str] = number) -> str:
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
    r"""Return `text` such that Graphviz takes all of it as text.

    Graphviz looks for escapes such as `\N` (the node's name) after it has read entities, so that none can hide a
    backslash: it must be doubled, once in an HTML-like label (`LABEL`), twice in a tooltip (`TOOLTIP`), read twice.

    >>> escape('<b> & "\\N"', LABEL)
    '&lt;b&gt; &amp; &quot;\\\\N&quot;'
    """
    return html.escape(text).replace("\\", backslash).replace("\n", "&#10;")


def tooltip(*lines: str) -> str:
    """Return the lines as a tooltip; a long one is broken by line ends that Graphviz takes out again.

    Graphviz 2 and 3 refuse a string with more than 16,384 bytes in one piece.
    """
    return re.sub(r"([^\\]{4000})", "\\1\\\\\n", escape("\n".join(lines), TOOLTIP))


def shade(gradient: float | None, largest: float) -> str:
    """Return the colour of a gradient: blue above 0, red below, the stronger the nearer to the largest of the picture.

    >>> shade(0.0, 2.0), shade(2.0, 2.0), shade(-0.5, 2.0)
    ('#ffffff', '#6fb1e3', '#fac6bc')
    """
    if not gradient or not math.isfinite(gradient):
        return PAPER
    # The square root, because signs must be seen: with the bare ratio all but the largest of a network look white.
    strength = math.sqrt(abs(gradient) / largest)
    full = POSITIVE if gradient > 0.0 else NEGATIVE
    return "#" + "".join(f"{round(0xFF - (0xFF - channel) * strength):02x}" for channel in full)


def width(contribution: float | None, largest: float) -> float:
    """Return the width of an edge in points, from 0.7 for nothing to 3.7 for what adds most to some gradient.

    >>> width(None, 0.0), width(0.0, 2.0), width(-2.0, 2.0)
    (1.0, 0.7, 3.7)
    """
    if contribution is None or math.isnan(contribution):
        return 1.0
    return 0.7 + 3.0 * (1.0 if math.isinf(contribution) else abs(contribution) / largest if largest else 0.0)


def _first_bad(numbers: Sequence[float]) -> float | None:
    return next((x for x in numbers if not math.isfinite(x)), None)


def _cell(caption: str, x: float | None, colour: str, text: str = "") -> str:
    ink, faint = (INK, FAINT if colour == PAPER else INK) if is_finite(x) else (PAPER, PAPER)
    return (
        f'<TD BGCOLOR="{colour if is_finite(x) else ALARM}"><FONT POINT-SIZE="9" COLOR="{faint}">{caption}</FONT><BR/>'
        f'<FONT COLOR="{ink}">{text or number(x)}</FONT></TD>'
    )


def _gradient(node: Variable, gradients: Mapping[Variable, Any] | None) -> float | None:
    """Return the gradient to show: the node's own, or what the mapping holds (after `create_graph` a Variable)."""
    gradient = node.grad if gradients is None else gradients.get(node)
    if isinstance(gradient, Variable):
        return gradient.value
    return None if gradient is None else float(gradient)


def _largest(numbers: Any) -> float:
    return max((abs(x) for x in numbers if x is not None and math.isfinite(x)), default=0.0)
