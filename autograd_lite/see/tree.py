"""The tree of a computation, for the terminal."""

from collections import deque

from autograd_lite.backward import topological_order
from autograd_lite.see.labels import title
from autograd_lite.see.report import Names
from autograd_lite.variable import Variable

# Deeper levels start again at the left margin: the lines of a chain of n nodes would have n² characters otherwise.
LEVELS = 20


def tree(y: Variable) -> str:
    """Return the computation of `y` as a tree: each node with its operation, value and gradient, arguments below it."""
    names = Names(topological_order(y))
    lines: list[str] = []
    written: set[Variable] = set()
    roots = deque([y])
    while roots:
        root = roots.popleft()
        if root not in written:  # a shorter way may have led there meanwhile
            _tree(root, names, lines, written, roots)
    return "\n".join(lines)


def _tree(root: Variable, names: Names, lines: list[str], written: set[Variable], roots: deque[Variable]) -> None:
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


def _line(node: Variable, names: Names) -> str:
    return f"{title(node, names[node], names.write)}  value {_signed(node.value)}  grad {_signed(node.grad)}"


def _signed(x: float | None) -> str:
    """Return `x` with its sign and four decimals; in exponent form where those would hide or crowd it."""
    if x is None:
        return "-"
    return f"{x:+.4f}" if x == 0.0 or 0.01 <= abs(x) < 1e6 else f"{x:+.4g}"
