"""Explanation of a gradient: a tree, a table of the chain rule, and the sum over paths, as text, HTML and LaTeX."""

import math
import re
from collections import deque
from collections.abc import Callable
from typing import Any, Self

from autograd_lite.context import unnoticed
from autograd_lite.errors import ArgumentError, PrimitiveError
from autograd_lite.see import pieces
from autograd_lite.see.graph import Graph, Ways
from autograd_lite.see.labels import check_variable, counted, number, shortened, signed, title
from autograd_lite.tape.text import escaped, in_latex, with_power_of_ten
from autograd_lite.variable import Variable

#: Rows that a table, a page or a formula holds; the rest is counted.
ROWS = 1000

# Deeper levels of a tree start again at the left margin: the lines of a chain of n nodes would have n² characters otherwise.
LEVELS = 20


class Explanation(str):
    """Text that a Python prompt shows without quotes and escapes; also a table, HTML and LaTeX.

    The text is fixed; `table`, `html()` and `latex()` read the graph when they are asked for.
    """

    __slots__ = ("_top", "_x", "_y")

    _y: Variable
    _x: Variable | None
    _top: int

    def __new__(cls, text: str, y: Variable, x: Variable | None = None, top: int = 10) -> Self:
        self = super().__new__(cls, text)
        self._y, self._x, self._top = y, x, top
        return self

    def __repr__(self) -> str:
        return str(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return Explanation, (str(self), self._y, self._x, self._top)

    @property
    @unnoticed()
    def paths(self) -> int:
        """The number of paths from `y` to `x`; 0 without `x`."""
        return 0 if self._x is None else Ways(self._y, self._x).number

    @property
    def table(self) -> str:
        """The chain rule, a line for each node: its gradient as the sum over its users of adjoint * local gradient."""
        rows, left = _rows(self._y, self._x)
        width = max(len(row[0]) for row in rows)
        lines = [f"grad({name})".ljust(width + 6) + f" = {sum_}" for name, _, _, sum_ in rows]
        return "\n".join([*lines, *([f"... and {left:,} more nodes"] if left else [])])

    def html(self) -> str:
        """Return the text and the table as a piece of HTML, without scripts."""
        rows, left = _rows(self._y, self._x)
        title, _, tree = self.partition("\n") if self._x is not None else ("", "", str(self))
        head = ("node", "operation", "value", "gradient = Σ adjoint × local gradient")
        parts = [pieces.title(title)] * bool(title) + [pieces.drawn(tree)] * bool(tree)
        parts.append(pieces.table("The chain rule, node by node", head, rows, numbers=[2]))
        parts += [pieces.prose(f"… and {left:,} more nodes")] * bool(left)
        return pieces.piece(*parts)

    _repr_html_ = html

    @unnoticed()
    def latex(self) -> str:
        """Return the derivation as an `aligned` block: with `x` the sum over paths, else values and adjoints."""
        y, x = self._y, self._x
        lines = _equations(Graph([y])) if x is None else _sums(Ways(y, x), self._top)
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


def explain(y: Variable, x: Variable | None = None, *, top: int = 10) -> Explanation:
    """Explain how `y` was computed; with `x`, explain dy/dx by the product of every path and their sum.

    Without `x` the result is a tree: each node with its operation, value and gradient, and its arguments below it. A node
    with several users is written out once; elsewhere `name ^` refers to it (look above). A tree of more than 20 levels is
    cut into several: `name v` is continued below. A gradient that was never computed is `-`, not 0.

    Parameters
    ----------
    y : Variable
        The output.
    x : Variable, optional
        Any node under `y`.
    top : int, default 10
        The number of paths to list, the largest products first.

    Returns
    -------
    Explanation
        A `str`; also `.table` (the chain rule node by node), `.html()`, `.latex()`, `.paths` (their number). Notebooks
        show the HTML.

    Notes
    -----
    Time and length grow linearly with the graph. Paths are counted exactly without a walk along them, even 2^60 of them,
    and the largest are found best first. Unnamed nodes are numbered from 1 as they were made, as in `draw`: `n6` is the same
    node in both. The text is plain ASCII, unless a name is not.

    Examples
    --------
    >>> import autograd_lite as al
    >>> x, w = al.Variable(1.0, name="x"), al.Variable(3.0, name="w")
    >>> y = w * x + 2 * x
    >>> y.backward()
    >>> al.explain(y)
    n3 = +  value +5.0000  grad +1.0000
    |- n1 = *  value +3.0000  grad +1.0000
    |  |- w  value +3.0000  grad +1.0000
    |  `- x  value +1.0000  grad +5.0000
    `- n2 = 2 * x  value +2.0000  grad +1.0000
       `- x ^
    >>> al.explain(y, x)
    d n3 / d x = +5 over 2 paths (along a path the local gradients multiply, different paths add):
    |- +3 = (+1) * (+3)   n3 -> n1 -> x
    |- +2 = (+1) * (+2)   n3 -> n2 -> x
    `- sum +5
    >>> print(al.explain(y, x).table)
    grad(n3) = +1
    grad(n2) = +1 = (+1) * (+1) [n3]
    grad(n1) = +1 = (+1) * (+1) [n3]
    grad(x)  = +5 = (+1) * (+2) [n2] + (+1) * (+3) [n1]
    """
    check_variable("explain", y)
    if isinstance(top, bool) or not isinstance(top, int) or top < 1:
        raise ArgumentError(f"top={top!r}: give the number of paths to list, 1 or more.")
    if x is not None:
        check_variable("explain", x)
    with unnoticed():
        lines = _tree(y) if x is None else _paths(Ways(y, x), top)
        return Explanation("\n".join(lines), y, x, top)


def _tree(y: Variable) -> list[str]:
    """The computation of `y` as a tree: each node with its operation, value and gradient, arguments below it."""
    names = Graph([y]).names
    lines: list[str] = []
    written: set[int] = set()
    # A node, what its own line begins with, what the lines below it begin with; newest last, later trees first.
    stack = deque([(y, "", "")])
    while stack:
        node, start, below = stack.pop()
        if id(node) in written:  # the root of a later tree has no mark: a shorter way has led there meanwhile
            lines += [f"{start}{names[node]} ^"] * bool(start)
        elif node.parents and len(below) > 3 * LEVELS:
            lines.append(f"{start}{names[node]} v")
            stack.appendleft((node, "", ""))
        else:
            written.add(id(node))
            numbers = f"value {_four_decimals(node.value)}  grad {_four_decimals(node.grad)}"
            lines.append(f"{start}{title(node, names[node], names.__getitem__)}  {numbers}")
            branches = [(parent, below + "|- ", below + "|  ") for parent in node.parents]
            branches[-1:] = [(parent, below + "`- ", below + "   ") for parent in node.parents[-1:]]
            stack.extend(reversed(branches))
    return lines


def _four_decimals(x: float | None) -> str:
    """Return `x` with its sign and four decimals; in exponent form if it is too small or too large for that."""
    if x is None:
        return "-"
    return f"{x:+.4f}" if x == 0.0 or 0.01 <= abs(x) < 1e6 else f"{x:+.4g}"


def _paths(ways: Ways, top: int) -> list[str]:
    names, x = ways.names, ways.x
    heading = f"d {names[ways.y]} / d {names[x]}"
    if not ways.connected:
        return [f"{heading} = 0: no path leads from {names[ways.y]} to {names[x]}. al.why says more."]
    total = ways.adjoints.get(ways.end, 0.0)
    found = ways.top(top)
    some = f", the {len(found)} largest" if ways.number > len(found) else ""
    rule = "(along a path the local gradients multiply, different paths add)"
    lines = [f"{heading} = {signed(total)} over {counted(ways.number, 'path')} {rule}{some}:"]
    products = [path.amount() for path in found]
    factors = [
        " * ".join(shortened(path.edges, 6, lambda e: f"({signed(e.local)})" if e.sent else "(not taken)")) or "(+1)"
        for path in found
    ]
    width, column = max(map(len, products)), max(map(len, factors))
    for product, text, path in zip(products, factors, found, strict=True):
        lines.append(f"|- {product.ljust(width)} = {text.ljust(column)}   {path.written(names)}".rstrip())
    if some:
        listed = [path.product for path in found]
        try:
            rest = total - math.fsum(listed)
        except (OverflowError, ValueError):  # beyond the largest float on the way, inf - inf
            rest = total - sum(listed)
        lines.append(f"|- {signed(rest)} from the other {counted(ways.number - len(found), 'path')}")
    return [*lines, f"`- sum {signed(total)}"]


@unnoticed()
def _rows(y: Variable, x: Variable | None) -> tuple[list[tuple[str, str, str, str]], int]:
    """Name, operation, value and sum of products of each node, the output first; and the number of nodes left out."""
    graph = Graph([y]) if x is None else Ways(y, x)
    shown = [*reversed(range(len(graph.nodes)))]
    if isinstance(graph, Ways):
        shown = [*graph.between, graph.end] if graph.connected else [graph.start]
    names, adjoints, rows = graph.names, graph.adjoints, []
    for i in shown[:ROWS]:
        node = graph.nodes[i]
        terms = [
            f"({signed(adjoints[edge.i])}) * ({signed(edge.local)}) [{names[edge.user]}]"
            for edge in graph.arriving.get(i, ())
        ]
        total = signed(adjoints[i]) if i in adjoints else "0"
        text = " = ".join([total, *([" + ".join(shortened(terms, 8))] if terms else [])])
        rows.append((names[node], names.call(node).partition(" = ")[2] or "leaf", number(node.value), text))
    return rows, max(len(shown) - ROWS, 0)


def symbol(name: str) -> str:
    r"""Return a name in mathematics: a letter with an index, or upright.

    >>> symbol("x"), symbol("n12"), symbol("loss_1")
    ('x', 'n_{12}', '\\mathrm{loss\\_1}')
    """
    if match := re.fullmatch(r"([A-Za-z])(\d*)", name):
        return f"{match[1]}_{{{match[2]}}}" if match[2] else match[1]
    return rf"\mathrm{{{escaped(name)}}}".replace(" ", r"\ ")


def in_tex(x: float, *, factor: bool = False) -> str:
    r"""Return `x` to five digits; in parentheses where a sign would meet another.

    >>> in_tex(0.5), in_tex(-2.0, factor=True), in_tex(1e-9)
    ('0.5', '(-2)', '10^{-9}')
    """
    text = with_power_of_ten(f"{x:.5g}".replace("inf", r"\infty").replace("nan", r"\mathrm{nan}"))
    return f"({text})" if factor and text.startswith("-") else text


def _equations(graph: Graph) -> list[str]:
    """The value of each node, then each adjoint as the sum over the users of the node."""
    symbols = [symbol(graph.names[node]) for node in graph.nodes]
    bars = [rf"\overline{{{text}}}" for text in symbols]
    lines = []
    for i, node in enumerate(graph.nodes):
        operation = _operation(node, lambda a: symbols[graph.position[id(a)]])
        lines.append(f"{symbols[i]} &= " + (f"{operation} = " if operation else "") + in_tex(node.value))
    for i in reversed(range(len(symbols))):
        terms = [rf"{bars[edge.i]} \cdot {in_tex(edge.local, factor=True)}" for edge in graph.arriving.get(i, ())]
        sum_ = f"{_joined(terms, ' + ')} = " if terms else ""
        lines.append(f"{bars[i]} &= {sum_}{in_tex(graph.adjoints.get(i, 0.0))}")
    half = ROWS // 2
    return lines if len(lines) <= ROWS else [*lines[:half], r"&\vdots", *lines[-half:]]


def _sums(ways: Ways, top: int) -> list[str]:
    """dy/dx as a sum of products of local derivatives, with symbols, with numbers, and as a number."""

    def ratio(y: Variable, x: Variable) -> str:
        return rf"\frac{{\partial {symbol(ways.names[y])}}}{{\partial {symbol(ways.names[x])}}}"

    left = f"{ratio(ways.y, ways.x)} &= "
    if not ways.connected:
        return [left + "0"]
    found = ways.top(top)
    rest = ways.number - len(found)
    more = [rf"\text{{({counted(rest, 'more path')})}}"] if rest else []

    symbols = [_joined([ratio(edge.user, edge.argument) for edge in path.edges], r" \, ") for path in found]
    numbers = [_joined([in_tex(edge.factor, factor=True) for edge in path.edges], r" \cdot ") for path in found]
    return [
        left + "\n  + ".join(symbols + more),
        "&= " + "\n  + ".join(numbers + more),
        f"&= {in_tex(ways.adjoints.get(ways.end, 0.0))}",
    ]


def _joined(parts: list[str], sign: str) -> str:
    return sign.join(shortened(parts, 8)).replace("...", r"\ldots") or "1"


def _operation(node: Variable, symbol: Callable[[Variable], str]) -> str:
    arguments = [symbol(a) if isinstance(a, Variable) else in_tex(a) for a in node.arguments]
    if node.primitive is None:
        return rf"\operatorname{{hand\text{{-}}made}}({', '.join(arguments)})" if arguments else ""
    try:
        return in_latex(node.primitive.name, node.primitive.latex, arguments)
    except PrimitiveError:  # a user's own template that does not fit
        return in_latex(node.primitive.name, "", arguments)
