"""How a gradient came about: a tree, a table of the chain rule, and the sum over paths; as text, HTML and LaTeX."""

import math
from html import escape
from typing import Any, Self

from autograd_lite.context import unnoticed
from autograd_lite.errors import ArgumentError
from autograd_lite.see import latex
from autograd_lite.see.report import check_variable, counted, number, signed
from autograd_lite.see.tree import tree
from autograd_lite.see.ways import Edge, Ways, shortened
from autograd_lite.variable import Variable

#: Rows that a table, a page or a formula holds; the rest is counted.
ROWS = 1000

MULTIPLY_AND_ADD = "along a path the local gradients multiply, different paths add"


class Explanation(str):
    """Text that a Python prompt shows as it is, without quotes and escapes; also a table, HTML and LaTeX.

    The text is fixed; `table`, `html()` and `latex()` read the graph when they are asked for.
    """

    __slots__ = ("_top", "_x", "_y")

    _y: Variable
    _x: Variable | None
    _top: int

    def __new__(cls, text: str, y: Variable, x: Variable | None = None, top: int = 10) -> Self:
        """Hold the text and what it is about."""
        self = super().__new__(cls, text)
        self._y, self._x, self._top = y, x, top
        return self

    def __repr__(self) -> str:
        return str(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return Explanation, (str(self), self._y, self._x, self._top)

    @property
    def paths(self) -> int:
        """How many paths lead from `y` to `x`; 0 without `x`."""
        if self._x is None:
            return 0
        with unnoticed():
            return Ways(self._y, self._x).number

    @property
    def table(self) -> str:
        """The chain rule, a line for each node: its gradient as the sum over its users of adjoint * local gradient."""
        with unnoticed():
            rows, left = _rows(self._y, self._x)
        width = max(len(row[0]) for row in rows)
        lines = [f"grad({name})".ljust(width + 6) + f" = {sum_}" for name, _, _, sum_ in rows]
        return "\n".join([*lines, *([f"... and {left:,} more nodes"] if left else [])])

    def html(self) -> str:
        """Return the text and the table as a piece of HTML, without scripts and without styles of its own."""
        with unnoticed():
            rows, left = _rows(self._y, self._x)
        head = "".join(f"<th>{h}</th>" for h in ("node", "operation", "value", "gradient = Σ adjoint × local gradient"))
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        more = f"<p>… and {left:,} more nodes</p>" if left else ""
        return (
            f'<div class="autograd-lite-explain"><pre>{escape(self)}</pre>'
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}</div>"
        )

    _repr_html_ = html

    def latex(self) -> str:
        """Return the derivation as an `aligned` block: with `x` the sum over paths, else values and adjoints."""
        with unnoticed():
            ways = Ways(self._y, self._x)
            lines = latex.graph(ways, ROWS) if self._x is None else latex.paths(ways, self._top)
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


def explain(y: Variable, x: Variable | None = None, *, top: int = 10) -> Explanation:
    """Return how `y` was computed, or with `x` how dy/dx came about: every path with its product, and their sum.

    Without `x` it is a tree: each node with its operation, value and gradient, arguments below it. A node that several
    others use is written out once; elsewhere it stands as `name ^` (look above). A tree of more than 20 levels is cut
    into several: `name v` is continued below. A gradient that was never computed is `-`, not 0.

    Parameters
    ----------
    y : Variable
        The output.
    x : Variable, optional
        Any node under `y`.
    top : int, default 10
        How many paths to list, the largest products first.

    Returns
    -------
    Explanation
        A `str`; also `.table` (the chain rule node by node), `.html()`, `.latex()`, `.paths` (how many). Notebooks show
        the HTML.

    Notes
    -----
    Time and length grow linearly with the graph. Paths are counted exactly without being walked, 2^60 of them if need be,
    and the largest are found best first. Unnamed nodes are called by their place in topological order, as in `draw`: `n6`
    is the same node in both. Plain ASCII, unless a name is not.

    Examples
    --------
    >>> import autograd_lite as al
    >>> x, w = al.Variable(1.0, name="x"), al.Variable(3.0, name="w")
    >>> y = w * x + 2 * x
    >>> y.backward()
    >>> al.explain(y)
    n4 = +  value +5.0000  grad +1.0000
    |- n2 = *  value +3.0000  grad +1.0000
    |  |- w  value +3.0000  grad +1.0000
    |  `- x  value +1.0000  grad +5.0000
    `- n3 = 2 * x  value +2.0000  grad +1.0000
       `- x ^
    >>> al.explain(y, x)
    d n4 / d x = +5 over 2 paths (along a path the local gradients multiply, different paths add):
    |- +3 = (+1) * (+3)   n4 -> n2 -> x
    |- +2 = (+1) * (+2)   n4 -> n3 -> x
    `- sum +5
    >>> print(al.explain(y, x).table)
    grad(n4) = +1
    grad(n3) = +1 = (+1) * (+1) [n4]
    grad(n2) = +1 = (+1) * (+1) [n4]
    grad(x)  = +5 = (+1) * (+2) [n3] + (+1) * (+3) [n2]
    """
    check_variable("explain", y)
    if isinstance(top, bool) or not isinstance(top, int) or top < 1:
        raise ArgumentError(f"top={top!r}: give the number of paths to list, 1 or more.")
    if x is not None:
        check_variable("explain", x)
    with unnoticed():
        if x is None:
            return Explanation(tree(y), y)
        return Explanation("\n".join(_paths(y, x, top)), y, x, top)


def _paths(y: Variable, x: Variable, top: int) -> list[str]:
    ways = Ways(y, x)
    names = ways.names
    title = f"d {names[y]} / d {names[x]}"
    if not ways.connected:
        return [f"{title} = 0: no path leads from {names[y]} to {names[x]}. al.why says more."]
    total = ways.adjoints.get(x, 0.0)
    found = ways.top(top)
    some = f", the {len(found)} largest" if ways.number > len(found) else ""
    lines = [f"{title} = {signed(total)} over {counted(ways.number, 'path')} ({MULTIPLY_AND_ADD}){some}:"]
    products = [path.amount() for path in found]
    factors = [" * ".join(shortened(path.edges, 6, _factor)) or "(+1)" for path in found]
    width, column = max(map(len, products)), max(map(len, factors))
    for product, text, path in zip(products, factors, found, strict=True):
        lines.append(f"|- {product.ljust(width)} = {text.ljust(column)}   {path.written(names)}".rstrip())
    if some:
        rest = total - math.fsum(path.product for path in found)
        lines.append(f"|- {signed(rest)} from the other {counted(ways.number - len(found), 'path')}")
    return [*lines, f"`- sum {signed(total)}"]


def _factor(edge: Edge) -> str:
    return f"({signed(edge.local)})" if edge.sent else "(not taken)"


def _rows(y: Variable, x: Variable | None) -> tuple[list[tuple[str, str, str, str]], int]:
    """Name, operation, value and sum of products of each node, the output first; and how many were left out."""
    ways = Ways(y, x)
    names, nodes, rows = ways.names, ways.nodes, []
    for node in nodes[:ROWS]:
        terms = [
            f"({signed(ways.adjoints[edge.user])}) * ({signed(edge.local)}) [{names[edge.user]}]"
            for edge in ways.arriving.get(node, ())
        ]
        total = signed(ways.adjoints[node]) if node in ways.adjoints else "0"
        text = " = ".join([total, *([" + ".join(shortened(terms, 8))] if terms else [])])
        rows.append((names[node], names.call(node).partition(" = ")[2] or "leaf", number(node.value), text))
    return rows, max(len(nodes) - ROWS, 0)
