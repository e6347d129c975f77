"""The text of nodes, numbers and answers in pictures and sentences."""

import math
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from autograd_lite.errors import OperandError
from autograd_lite.see import pieces
from autograd_lite.variable import Variable

# Unicode's Bidi_Control, of which one in a name would turn round the text that we write after it; and what XML lacks.
HIDDEN = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufffe\uffff")
# Numbers as text, to five digits: as few as needed; with the sign.
number, signed = "{:.5g}".format, "{:+.5g}".format


def visible(text: str) -> str:
    r"""Return `text` without invisible characters: controls, line ends, lone surrogates, bidi controls.

    >>> visible("a\nb\x1b[31m")
    'ab[31m'
    """
    if text.isprintable():
        return text
    return "".join(c for c in text if c not in HIDDEN and unicodedata.category(c) not in {"Cc", "Cs", "Zl", "Zp"})


def elide(text: str, length: int, mark: str = "…") -> str:
    """Return `text`; if it is longer than `length`, `mark` replaces its tail.

    >>> elide("a very long name", 10)
    'a very lo…'
    """
    return text if len(text) <= length else text[: length - len(mark)] + mark


def steady(name: str) -> str:
    """Close a Hebrew or Arabic name by a left-to-right mark, without which `x - 1` would be displayed as `1 - x`."""
    return name + "\u200e" if any(unicodedata.bidirectional(c) in {"R", "AL", "AN"} for c in name) else name


def given_name(node: Variable) -> str:
    """Return the name that the user gave, or an empty text."""
    return visible(node.name).strip() if node.name is not None else ""


def short(x: float | None) -> str:
    """Return `x` to four digits; a dash if no number was computed, because that is not a zero.

    >>> short(0.70710678), short(1e-9), short(None)
    ('0.7071', '1e-09', '–')
    """
    return "–" if x is None else f"{x + 0.0:.4g}"  # -0 reads as 0; the tooltip has the number itself


def operation(node: Variable) -> str:
    """Return the sign or the name of the operation that made the node; empty for a leaf."""
    symbol = node.primitive.symbol if node.primitive is not None else ""
    return visible(symbol) or rule_name(node) or "hand-made" * bool(node.parents)


def rule_name(thing: Any) -> str:
    """Return the name of the primitive that made a node; empty for a number, a leaf and a node made by hand."""
    return thing.primitive.name if isinstance(thing, Variable) and thing.primitive is not None else ""


def values_of(node: Variable) -> tuple[float, ...]:
    return tuple(float(getattr(argument, "value", argument)) for argument in node.arguments)


def formula(node: Variable, named: Callable[[Variable], str], written: Callable[[float], str] = short) -> str:
    """Return the operation with its arguments, such as `n4 + 1` or `pow(x, 2)`; `written` writes numbers."""
    arguments = [named(a) if isinstance(a, Variable) else written(a) for a in node.arguments]
    if node.primitive is None:
        return f"hand-made({', '.join(arguments)})" if arguments else ""
    sign = visible(node.primitive.symbol)
    if sign and len(arguments) == 2:
        return f"{arguments[0]} {sign} {arguments[1]}"
    return f"{node.primitive.name}({', '.join(arguments)})"


def title(node: Variable, name: str, named: Callable[[Variable], str]) -> str:
    """Return `name = operation`, with arguments only if edges cannot show them: numbers (`n4 + 1`) and order (`a - b`)."""
    if node.primitive is None:
        return f"{name} = hand-made" if node.parents else name
    ordered = len(node.arguments) > 1 and not node.primitive.symmetric  # else two edges say everything
    told = ordered or len(node.parents) < len(node.arguments)
    return f"{name} = {formula(node, named) if told else operation(node)}"


def is_finite(*numbers: float | None) -> bool:
    return all(x is None or math.isfinite(x) for x in numbers)


def counted(number: int, noun: str) -> str:
    """Return `1 path`, `2,000 paths`; beyond thirty digits only the order of magnitude.

    >>> counted(1, "path"), counted(2**60, "path")
    ('1 path', '1,152,921,504,606,846,976 paths')
    >>> counted(2**1000, "path")
    'about 10^301 paths'
    """
    if number.bit_length() > 100:
        return f"about 10^{round(number.bit_length() * 0.30103)} {noun}s"
    return f"{number:,} {noun}{'s' * (number != 1)}"


def shortened(things: Sequence[Any], most: int, write: Callable[[Any], str] = str) -> list[str]:
    """Return the things as words; if there are more than `most`, those in the middle are left out.

    >>> shortened("abcdefgh", 6)
    ['a', 'b', '... (3 more)', 'f', 'g', 'h']
    """
    if len(things) <= most:
        return [*map(write, things)]
    return [*map(write, things[: most - 4]), f"... ({len(things) - most + 1} more)", *map(write, things[-3:])]


@dataclass(frozen=True, repr=False, eq=False)
class Report:
    """An answer: it prints itself as one sentence and, indented below, the evidence.

    Attributes
    ----------
    cause : str
        A fixed term of one or two words, for programs.
    sentence : str
        The answer.
    evidence : tuple of str
        The facts behind the answer, a line each.
    nodes : tuple of Variable
        The nodes that the answer names, the most important node first.
    location : str or None
        `file:line` of the user's code, where it was recorded (`record_locations`).
    """

    cause: str
    sentence: str
    evidence: tuple[str, ...] = ()
    nodes: tuple[Variable, ...] = ()
    location: str | None = None

    def __post_init__(self) -> None:
        if self.location is None and self.nodes:
            object.__setattr__(self, "location", self.nodes[0].location)

    def __str__(self) -> str:
        return "\n".join([self.sentence, *(f"  {line}" for line in self.evidence)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return pieces.piece(pieces.title(self.sentence), pieces.points(self.evidence))


def check_variable(caller: str, *things: Any) -> None:
    for thing in things:
        if not isinstance(thing, Variable):
            raise OperandError(f"{caller} got {thing!r:.80}, a {type(thing).__name__}; give it a Variable.")
