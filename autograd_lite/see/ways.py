"""The ways from an output to a node: how many there are, what they add up to, and which contribute most.

A path is a product of local gradients, and a gradient is the sum over all paths. There can be 2^60 of them in a graph of
180 nodes, so nothing here walks them one by one: sums, numbers and best continuations are found node by node, and only
the paths that are asked for are written out.
"""

import math
from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeVar

from autograd_lite.backward import topological_order
from autograd_lite.see.report import Names, signed
from autograd_lite.variable import Variable

T = TypeVar("T")

#: By how much a path is smaller than another: factors 0 more, and the difference of the logarithms.
Loss = tuple[int, float]

#: What stands for the logarithm of an infinite or NaN factor: more than all finite factors of a long path together.
INFINITE = 1e9


class Edge(NamedTuple):
    """One argument of a node and the local gradient there; `sent` is False for a branch that was not taken."""

    user: Variable
    place: int
    argument: Variable
    local: float
    sent: bool

    @property
    def factor(self) -> float:
        """The local gradient; 0 where nothing is sent."""
        return self.local if self.sent else 0.0

    @property
    def size(self) -> tuple[int, float]:
        """-1 for a factor 0, and the logarithm of any other."""
        factor = abs(self.factor)
        return (-1, 0.0) if factor == 0.0 else (0, math.log(factor) if math.isfinite(factor) else INFINITE)


@dataclass(frozen=True, slots=True)
class Path:
    """The edges from the output down to the node."""

    edges: tuple[Edge, ...]

    @property
    def product(self) -> float:
        """The product of the local gradients; 0 if the path leads through a branch that was not taken."""
        return math.prod(e.local for e in self.edges) if all(e.sent for e in self.edges) else 0.0

    @property
    def logarithm(self) -> float:
        """log₁₀ |product|, which cannot underflow; -inf for a factor 0."""
        if any(edge.factor == 0.0 for edge in self.edges):
            return -math.inf
        return sum(edge.size[1] for edge in self.edges) / math.log(10.0)

    def written(self, names: Names, most: int = 8) -> str:
        """Return `n4 -> n2 -> x`."""
        nodes = [edge.user for edge in self.edges] + [edge.argument for edge in self.edges[-1:]]
        return " -> ".join(shortened(nodes, most, names.__getitem__))

    def amount(self) -> str:
        """Return the product; where it over- or underflows, its power of ten."""
        product, logarithm = self.product, self.logarithm
        if math.isfinite(logarithm) and logarithm < INFINITE / 10 and (product == 0.0 or math.isinf(product)):
            negative = sum(edge.local < 0.0 for edge in self.edges) % 2
            return f"{'-' if negative else '+'}10^{logarithm:.0f}"
        return signed(product)


def shortened(things: Sequence[T], most: int, write: Callable[[T], str] = str) -> list[str]:
    """Return the things as words, those in the middle left out where there are more than `most`.

    >>> shortened("abcdefgh", 6)
    ['a', 'b', '... (3 more)', 'f', 'g', 'h']
    """
    if len(things) <= most:
        return [write(thing) for thing in things]
    first, last = ([write(thing) for thing in part] for part in (things[: most - 4], things[-3:]))
    return [*first, f"... ({len(things) - most + 1} more)", *last]


#: The edge that is taken, and what the others lose against it.
Turns = tuple[Edge, list[tuple[Loss, Edge]]]


class Ways:
    """What lies between `y` and `x`: the edges of every path from one to the other. Without `x`: all that is under `y`."""

    def __init__(self, y: Variable, x: Variable | None) -> None:
        self.y, self.x = y, x
        self.order = topological_order(y)
        self.names = Names(self.order)
        self.edges: dict[Variable, list[Edge]] = {}
        below: set[Variable] = {x} if x is not None else {node for node in self.order if not node.parents}
        for node in self.order:
            if edges := list(_edges(node, below)):
                self.edges[node] = edges
                below.add(node)
        self.connected = y in below

    @property
    def between(self) -> list[Variable]:
        """The nodes of all paths but the last, newest first."""
        return list(reversed(self.edges)) if self.connected else []

    @property
    def nodes(self) -> list[Variable]:
        """The nodes of all paths, newest first; `y` alone if there is none."""
        if self.x is None:
            return self.order[::-1]
        return [*self.between, self.x] if self.connected else [self.y]

    @cached_property
    def number(self) -> int:
        """How many paths there are, exactly."""
        counts = {self.y: int(self.connected)}
        for node in self.between:  # counts may have thousands of digits: drop each as soon as it is passed on
            here = counts.pop(node, 0)
            for edge in self.edges[node]:
                counts[edge.argument] = counts.get(edge.argument, 0) + here
        return 0 if self.x is None else counts.get(self.x, 0)

    @cached_property
    def adjoints(self) -> dict[Variable, float]:
        """The sum over the paths from `y` to each node; only nodes that were reached."""
        return self._swept(absolute=False)

    @cached_property
    def sizes(self) -> dict[Variable, float]:
        """The same with every factor taken absolute: what the adjoints would be if nothing cancelled."""
        return self._swept(absolute=True)

    def _swept(self, *, absolute: bool) -> dict[Variable, float]:
        sums = {self.y: math.nan if math.isnan(self.y.value) else 1.0}
        for node in self.between:
            adjoint = sums.get(node)
            if adjoint is None:
                continue
            for edge in self.edges[node]:
                if edge.sent:
                    product = (abs(edge.local) if absolute else edge.local) * adjoint
                    before = sums.get(edge.argument)
                    sums[edge.argument] = product if before is None else before + product
        return sums

    @cached_property
    def arriving(self) -> dict[Variable, list[Edge]]:
        """The edges that each adjoint is added up over, in the order of the sweep."""
        found: dict[Variable, list[Edge]] = {}
        for node in self.between:
            if node in self.adjoints:
                for edge in self.edges[node]:
                    if edge.sent:
                        found.setdefault(edge.argument, []).append(edge)
        return found

    @property
    def largest(self) -> dict[Variable, tuple[int, float]]:
        """The size of the largest path from each node to `x`: minus its factors 0, and the logarithm of the others."""
        return self._turns[0]

    @cached_property
    def _turns(self) -> tuple[dict[Variable, tuple[int, float]], dict[Variable, Turns]]:
        """See `largest`; and the edge that the largest path takes at each node, with what the others lose against it."""
        best: dict[Variable, tuple[int, float]] = {self.x: (0, 0.0)} if self.x is not None else {}
        turns: dict[Variable, Turns] = {}
        for node, edges in self.edges.items():
            if len(edges) == 1:
                size, taken = _plus(edges[0].size, best[edges[0].argument]), edges[0]
                others: list[tuple[Loss, Edge]] = []
            else:
                sizes = [_plus(edge.size, best[edge.argument]) for edge in edges]
                size = max(sizes)
                taken = edges[sizes.index(size)]
                pairs = zip(sizes, edges, strict=True)
                others = [((size[0] - s[0], size[1] - s[1]), edge) for s, edge in pairs if edge is not taken]
            best[node], turns[node] = size, (taken, others)
        return best, turns

    def top(self, number: int) -> list[Path]:
        """The paths of the largest products by size, the largest first.

        Best first: each path found is the best continuation of a prefix, and every turn it did not take is a new prefix
        that loses so much against the best. Time: that of following the paths found.
        """
        if self.x is None or not self.connected:
            return []
        found: list[list[Edge]] = []
        # A turn: what it loses, the order of discovery, which path it leaves, after how many edges, and by which.
        turns: list[tuple[Loss, int, int, int, Edge | None]] = [((0, 0.0), 0, -1, 0, None)]
        at = self._turns[1]
        seen = 1
        while turns and len(found) < number:
            loss, _, left, length, edge = turns.pop(0)
            path = found[left][:length] if edge else []
            if edge:
                path.append(edge)
            node = path[-1].argument if path else self.y
            room = number - len(found) - 1
            while node is not self.x:
                taken, others = at[node]
                for further, other in others:
                    total = _plus(loss, further)
                    if room and (len(turns) < room or total < turns[room - 1][0]):
                        insort(turns, (total, seen, len(found), len(path), other), key=_order)
                        del turns[room:]
                        seen += 1
                path.append(taken)
                node = taken.argument
            found.append(path)
            del turns[room:]
        return [Path(tuple(path)) for path in found]


def _order(turn: tuple[Loss, int, int, int, Edge | None]) -> tuple[Loss, int]:
    return turn[:2]


def _edges(node: Variable, below: set[Variable]) -> Iterator[Edge]:
    selects = node.primitive is not None and node.primitive.selects
    pairs = node.local_gradients
    places: Iterable[int] = range(len(pairs))
    if len(pairs) < len(node.arguments):
        places = (i for i, argument in enumerate(node.arguments) if isinstance(argument, Variable))
    for place, (argument, local) in zip(places, pairs, strict=True):
        if argument in below:
            yield Edge(node, place, argument, local, not (selects and local == 0.0))


def _plus(a: tuple[int, float], b: tuple[int, float]) -> tuple[int, float]:
    return a[0] + b[0], a[1] + b[1]
