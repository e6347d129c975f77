"""A graph in words: the tree of a computation, for the terminal."""

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

from autograd_lite.backward import topological_order
from autograd_lite.drawing.labels import elide, name_of, title
from autograd_lite.errors import OperandError
from autograd_lite.variable import Variable

# Deeper levels start again at the left margin: the lines of a chain of n nodes would have n² characters otherwise.
LEVELS = 20
NAME_LENGTH = 40


class Explanation(str):
    """Text that a Python prompt shows as it is, without quotes and escapes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def explain(y: Variable) -> Explanation:
    """Return the computation of `y` as a tree: each node with its operation, value and gradient, arguments below it.

    A node that several others use is written out once; elsewhere it stands as `name ^` (look above). A tree of more
    than 20 levels is cut into several: `name v` is continued below. A gradient that was never computed is `-`, not 0.

    Parameters
    ----------
    y : Variable
        The output.

    Returns
    -------
    Explanation
        A `str`, one line for every node and every repeated mention.

    Notes
    -----
    Time and length grow linearly with the graph. Unnamed nodes are called by their place in topological order, as in
    `draw`: `n6` is the same node in both. Plain ASCII, unless a name is not.

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
    """
    if not isinstance(y, Variable):
        raise OperandError(f"explain got {y!r:.80}, a {type(y).__name__}; give it a Variable.")
    names = _names(y)
    lines: list[str] = []
    written: set[Variable] = set()
    roots = deque([y])
    while roots:
        root = roots.popleft()
        if root not in written:  # a shorter way may have led there meanwhile
            _tree(root, names, lines, written, roots)
    return Explanation("\n".join(lines))


def _tree(
    root: Variable, names: Mapping[Variable, str], lines: list[str], written: set[Variable], roots: deque[Variable]
) -> None:
    """Write the tree under `root`; a node that lies too deep is added to `roots`."""
    stack = [(root, "", "")]  # a node, what its own line begins with, what the lines below it begin with
    while stack:
        node, start, below = stack.pop()
        if node in written:
            lines.append(f"{start}{names[node]} ^")
        elif node.parents and len(below) > 3 * LEVELS:
            lines.append(f"{start}{names[node]} v")
            roots.append(node)
        else:
            written.add(node)
            lines.append(start + _line(node, names))
            branches = [(parent, below + "|- ", below + "|  ") for parent in node.parents]
            if branches:
                branches[-1] = (node.parents[-1], below + "`- ", below + "   ")
            stack.extend(reversed(branches))


def _names(y: Variable) -> dict[Variable, str]:
    """Return what each node is called; nodes that share a name get their place behind it, or `^` would be ambiguous."""
    nodes = topological_order(y)
    names = [elide(name_of(node, i), NAME_LENGTH, "...") for i, node in enumerate(nodes)]
    uses = Counter(names)
    return {node: names[i] + f" (n{i})" * (uses[names[i]] > 1) for i, node in enumerate(nodes)}


def _line(node: Variable, names: Mapping[Variable, str]) -> str:
    def write(argument: Any) -> str:
        return names[argument] if isinstance(argument, Variable) else f"{argument:.4g}"

    return f"{title(node, names[node], write)}  value {_signed(node.value)}  grad {_signed(node.grad)}"


def _signed(x: float | None) -> str:
    """Return `x` with its sign and four decimals; in exponent form where those would hide or crowd it."""
    if x is None:
        return "-"
    return f"{x:+.4f}" if x == 0.0 or 0.01 <= abs(x) < 1e6 else f"{x:+.4g}"
