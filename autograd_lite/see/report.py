"""What the answers of this package have in common: a sentence, then the evidence; and how nodes are named in them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from autograd_lite.errors import OperandError
from autograd_lite.see.labels import elide, formula, name_of, operation
from autograd_lite.variable import Variable

NAME_LENGTH = 40


@dataclass(frozen=True, repr=False, eq=False)
class Report:
    """An answer: it prints itself as one sentence and, indented below, the evidence.

    Attributes
    ----------
    cause : str
        One fixed word or two, for programs.
    sentence : str
        The answer.
    evidence : tuple of str
        What it rests on, a line each.
    nodes : tuple of Variable
        The nodes that it names, the most important one first.
    location : str or None
        `file:line` of the user's code, where it was recorded (`record_locations`).
    """

    cause: str
    sentence: str
    evidence: tuple[str, ...] = ()
    nodes: tuple[Variable, ...] = field(default=())
    location: str | None = None

    def __str__(self) -> str:
        return "\n".join([self.sentence, *(f"  {line}" for line in self.evidence)])

    __repr__ = __str__


@dataclass(frozen=True, repr=False, eq=False)
class Why(Report):
    """The answer of `why`; `cause` is one of its words.

    Attributes
    ----------
    gradient : float or None
        dy/dx; None if no path leads from y to x.
    paths : int
        How many paths there are.
    """

    gradient: float | None = None
    paths: int = 0


def check_variable(caller: str, thing: Any) -> None:
    """Refuse what is no Variable."""
    if not isinstance(thing, Variable):
        raise OperandError(f"{caller} got {thing!r:.80}, a {type(thing).__name__}; give it a Variable.")


class Names:
    """What each node under an output is called, in every sentence about it.

    Nodes that share a name get their place behind it. Unnamed nodes are called by their place in topological order, as
    in `draw`.
    """

    def __init__(self, order: Sequence[Variable]) -> None:
        names = [elide(name_of(node, i), NAME_LENGTH, "...") for i, node in enumerate(order)]
        uses = Counter(names)
        self.names = {node: names[i] + f" (n{i})" * (uses[names[i]] > 1) for i, node in enumerate(order)}
        self.taken = frozenset(names)

    def __getitem__(self, node: Variable) -> str:
        known = self.names.get(node)
        if known is not None:
            return known
        own = elide(name_of(node, 0), NAME_LENGTH, "...") if node.name else ""
        if own:  # two Variables of one name: the one under the output keeps it
            return f"{own} (the one asked for)" if own in self.taken else own
        return formula(node, self._one_level) or "x"

    def _one_level(self, argument: Any) -> str:
        known = self.names.get(argument, "") if isinstance(argument, Variable) else f"{argument:.4g}"
        return known or name_of(argument, 0).replace("n0", "…" if argument.parents else "x")

    def write(self, argument: Any) -> str:
        """Return the name of a node, or a number to four digits."""
        return self[argument] if isinstance(argument, Variable) else f"{argument:.4g}"

    def call(self, node: Variable) -> str:
        """Return `n3 = relu(n2)`, or a leaf's name."""
        return f"{self[node]} = {formula(node, self.write)}" if operation(node) and node in self.names else self[node]

    def at(self, node: Variable) -> str:
        """Return `n3 = relu(n2) at file:line`, as far as the line was recorded."""
        return self.call(node) + (f" at {node.location}" if node.location else "")


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


def signed(x: float) -> str:
    """Return `x` with its sign, to five digits.

    >>> signed(0.25), signed(-3.0), signed(1e-12)
    ('+0.25', '-3', '+1e-12')
    """
    return f"{x:+.5g}"


def number(x: float) -> str:
    """Return `x` to five digits, as few as needed.

    >>> number(0.25), number(-3.0)
    ('0.25', '-3')
    """
    return f"{x:.5g}"
