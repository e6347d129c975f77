"""How a node is written: its name, its operation, its numbers. Shared by pictures and by `explain`."""

import math
import unicodedata
from collections.abc import Callable

from autograd_lite.variable import Variable

# Unicode's Bidi_Control: one of these in a name would turn round the text that we write after it.
BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
NOT_IN_XML = frozenset("\ufffe\uffff")


def visible(text: str) -> str:
    r"""Return `text` without what is no character to look at: controls, line ends, lone surrogates, bidi controls.

    >>> visible("a\nb\x1b[31m")
    'ab[31m'
    """
    if text.isprintable():
        return text
    return "".join(
        c
        for c in text
        if unicodedata.category(c) not in {"Cc", "Cs", "Zl", "Zp"} and c not in BIDI_CONTROLS and c not in NOT_IN_XML
    )


def elide(text: str, length: int, mark: str = "…") -> str:
    """Return `text`, its tail replaced by `mark` where it is longer than `length`.

    >>> elide("a very long name", 10)
    'a very lo…'
    """
    return text if len(text) <= length else text[: length - len(mark)] + mark


def steady(name: str) -> str:
    """Return `name`, closed by a left-to-right mark if it is Hebrew, Arabic and the like.

    Without it the rest of the formula joins the name's direction: `x - 1` would be displayed as `1 - x`.
    """
    return name + "\u200e" if any(unicodedata.bidirectional(c) in {"R", "AL", "AN"} for c in name) else name


def name_of(node: Variable, position: int) -> str:
    """Return the node's own name, or `n` and its position in topological order, which is the same in every run."""
    return (visible(node.name).strip() if node.name is not None else "") or f"n{position}"


def number(x: float | None) -> str:
    """Return `x` to four digits; a dash where nothing was computed, because that is not a zero.

    >>> number(0.70710678), number(1e-9), number(None)
    ('0.7071', '1e-09', '–')
    """
    return "–" if x is None else f"{x + 0.0:.4g}"  # -0 reads as 0; the tooltip has the number itself


def operation(node: Variable) -> str:
    """Return the sign or the name of the operation that made the node; empty for a leaf."""
    return (visible(node.primitive.symbol) if node.primitive is not None else "") or primitive_name(node)


def primitive_name(node: Variable) -> str:
    """Return the name of the operation that made the node; empty for a leaf."""
    if node.primitive is not None:
        return visible(node.primitive.name)
    return "hand-made" if node.parents else ""


def formula(node: Variable, written: Callable[[Variable | float], str]) -> str:
    """Return the operation with its arguments, such as `n4 + 1` or `pow(x, 2)`; each is written by `written`."""
    if node.primitive is None:
        return f"hand-made({', '.join(map(written, node.parents))})" if node.parents else ""
    arguments = [written(argument) for argument in node.arguments]
    sign = visible(node.primitive.symbol)
    if sign and len(arguments) == 2:
        return f"{arguments[0]} {sign} {arguments[1]}"
    return f"{visible(node.primitive.name)}({', '.join(arguments)})"


def title(node: Variable, name: str, written: Callable[[Variable | float], str]) -> str:
    """Return `name = operation`, for a leaf its name alone.

    The arguments are written out only where edges cannot tell them: a number (`n4 + 1`) and the order (`a - b`). A
    number gets no box of its own, since a box stands for a Variable: something with a gradient. Written inside the
    formula it shows its place as well, so that `x ** 2` and `2 ** x` do not look alike.
    """
    if node.primitive is None:
        return f"{name} = hand-made" if node.parents else name
    ordered = len(node.arguments) > 1 and not node.primitive.symmetric  # else two edges say everything
    told = ordered or len(node.parents) < len(node.arguments)
    return f"{name} = {formula(node, written) if told else operation(node)}"


def is_finite(*numbers: float | None) -> bool:
    """Return whether every number that is there is finite."""
    return all(x is None or math.isfinite(x) for x in numbers)
