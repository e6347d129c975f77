"""A graph as Graphviz source."""

import html
import math
from collections.abc import Mapping
from typing import Any

import graphviz

from autograd_lite.drawing.labels import elide, formula, is_finite, name_of, number, title, visible
from autograd_lite.drawing.select import Selection
from autograd_lite.variable import Variable

INK, FAINT, LINE = "#1f2937", "#4b5563", "#7c8898"
PAPER, LEAF, INNER, ALARM = "#ffffff", "#cfe6f7", "#e5e7eb", "#b91c1c"
# The gradient's colours at full strength: light enough for dark text (a test computes the contrast).
POSITIVE, NEGATIVE = (0x6F, 0xB1, 0xE3), (0xF5, 0x8E, 0x7A)
TITLE_LENGTH, NAME_LENGTH, ARGUMENT_LENGTH = 40, 16, 10  # in letters: the whole header, the name in it, a name in its formula
# One plain name: with a list of fonts, graphviz-pure measures the text with another font than it draws.
FONT = "Helvetica"
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
            count = self.selection.hidden
            text = f"+{count:,} node{'s' if count > 1 else ''}"
            self.graph.node(STUB, text, id=STUB, shape="box", style="dashed", color=LINE, tooltip=f"{text} beyond the depth")
        for node in self.selection.nodes:
            self._box(node)
        self._arrows()
        return str(self.graph.source)

    def _id(self, node: Variable) -> str:
        return f"n{self.selection.position[node]}"

    def _name(self, node: Variable) -> str:
        return name_of(node, self.selection.position[node])

    def _short(self, argument: Variable | float) -> str:
        return elide(self._name(argument), ARGUMENT_LENGTH) if isinstance(argument, Variable) else number(argument)

    def _full(self, argument: Variable | float) -> str:
        return self._name(argument) if isinstance(argument, Variable) else repr(argument)

    def _box(self, node: Variable) -> None:
        gradient = self.gradients[node]
        alarm = not is_finite(node.value, gradient)
        name = self._name(node)
        header = title(node, elide(name, NAME_LENGTH) if node.parents else name, self._short)
        made = formula(node, self._full)
        tooltip = [f"{name} = {made}" if made else name, visible(repr(node))]
        if self.of_mapping:
            tooltip.append(f"gradient {gradient!r}")
        label = (
            f'<<TABLE BORDER="{2 if node in self.selection.outputs else 1}" CELLBORDER="0" CELLSPACING="0" '
            f'CELLPADDING="4" COLOR="{LINE}"><TR><TD COLSPAN="2" '
            f'BGCOLOR="{ALARM if alarm else INNER if node.parents else LEAF}">'
            f'<FONT COLOR="{PAPER if alarm else INK}"><B>{escape(elide(header, TITLE_LENGTH))}</B></FONT></TD></TR><TR>'
            f"{_cell('value', node.value, PAPER)}{_cell('grad', gradient, shade(gradient, self.largest))}</TR></TABLE>>"
        )
        self.graph.node(self._id(node), label, id=self._id(node), tooltip=escape("\n".join(tooltip)))

    def _arrows(self) -> None:
        arrows = []
        for user in self.selection.nodes:
            upstream = self.gradients[user]
            hides = False
            for k, (parent, local) in enumerate(user.local_gradients):
                if parent in self.gradients:
                    arrows.append((user, k, parent, local, None if upstream is None else local * upstream))
                else:
                    hides = True
            if hides:
                self.graph.edge(STUB, self._id(user), id=f"e{self._id(user)[1:]}_{STUB}", style="dashed")
        largest = _largest(contribution for *_, contribution in arrows)
        self.edges = len(arrows)
        for user, k, parent, local, contribution in arrows:
            self._arrow(user, k, parent, local, contribution, largest)

    def _arrow(
        self, user: Variable, k: int, parent: Variable, local: float, contribution: float | None, largest: float
    ) -> None:
        name, parent_name = self._name(user), self._name(parent)
        tooltip = f"d {name} / d {parent_name} = {local!r}"
        if contribution is not None:
            tooltip += f"\nadds {local!r} * {self.gradients[user]!r} = {contribution!r} to the gradient of {parent_name}"
        look = {} if is_finite(local, contribution) else {"color": ALARM, "fontcolor": ALARM}
        self.graph.edge(
            self._id(parent),
            self._id(user),
            id=f"e{self._id(user)[1:]}_{k}",
            label=f" {number(local)} ",  # the spaces keep the number off the line
            penwidth=f"{width(contribution, largest):.3g}",
            tooltip=escape(tooltip),
            labeltooltip=escape(tooltip),
            **look,
        )


def escape(text: str) -> str:
    r"""Return `text` such that Graphviz takes all of it as text, in an HTML-like label and in a quoted attribute.

    A backslash becomes an entity: Graphviz looks for escapes such as `\N` (the node's name) even behind a doubled one.

    >>> escape('<b> & "\\N"')
    '&lt;b&gt; &amp; &quot;&#92;N&quot;'
    """
    return html.escape(text).replace("\\", "&#92;").replace("\n", "&#10;")


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


def _cell(caption: str, x: float | None, colour: str) -> str:
    ink, faint = (INK, FAINT if colour == PAPER else INK) if is_finite(x) else (PAPER, PAPER)
    return (
        f'<TD BGCOLOR="{colour if is_finite(x) else ALARM}"><FONT POINT-SIZE="9" COLOR="{faint}">{caption}</FONT><BR/>'
        f'<FONT COLOR="{ink}">{number(x)}</FONT></TD>'
    )


def _gradient(node: Variable, gradients: Mapping[Variable, Any] | None) -> float | None:
    """Return the gradient to show: the node's own, or what the mapping holds (a float, or a Variable after create_graph)."""
    gradient = node.grad if gradients is None else gradients.get(node)
    if isinstance(gradient, Variable):
        return gradient.value
    return None if gradient is None else float(gradient)


def _largest(numbers: Any) -> float:
    return max((abs(x) for x in numbers if x is not None and math.isfinite(x)), default=0.0)
