"""One snapshot of a recorded graph for every picture and every sentence: order, names, edges, adjoints, paths.

A graph of 180 nodes can have 2^60 paths, so only requested paths are walked: sums, counts and best continuations are
found node by node. Facts of nodes are held by position, since a Variable's hash is slow inside a run.
"""

import math
from bisect import insort
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain, count, islice
from typing import NamedTuple

from autograd_lite.backward import topological_order
from autograd_lite.errors import GraphTooLarge
from autograd_lite.see.labels import elide, formula, given_name, operation, shortened, signed
from autograd_lite.variable import Variable

#: What stands for the logarithm of an infinite or NaN factor: more than all finite factors of a long path together.
INFINITE = 1e9

Size = tuple[int, float]  # minus the factors 0 of a path, and the logarithm of the others


class Edge(NamedTuple):
    """One Variable among the arguments of a node, its local gradient, and the positions `i` and `j` of both nodes.

    `place` counts all arguments, `k` only the Variables; `sent` is False for a branch that was not taken.
    """

    user: Variable
    argument: Variable
    i: int
    j: int
    place: int
    k: int
    local: float
    sent: bool

    @property
    def factor(self) -> float:
        return self.local if self.sent else 0.0

    @property
    def size(self) -> Size:
        factor = abs(self.factor)
        return (-1, 0.0) if factor == 0.0 else (0, math.log(factor) if math.isfinite(factor) else INFINITE)


#: A step of the reverse sweep: an edge, the adjoint of its user, the product of both, the adjoint of its argument before.
Share = tuple[Edge, float, float, float | None]


class Graph:
    """All nodes under some outputs, arguments first; counted from 1 in pictures and sentences."""

    def __init__(self, outputs: Sequence[Variable]) -> None:
        self.nodes = tuple(topological_order(list(outputs)))
        self.position = dict(zip(map(id, self.nodes), range(len(self.nodes)), strict=True))
        #: The positions of the outputs.
        self.ends = sorted({self.position[id(y)] for y in outputs})

    @cached_property
    def numbers(self) -> list[str]:
        """The nodes in the order in which they were made: `n1`, `n2`, … those computed, `v1`, `v2`, … the leaves."""
        letters = ["n" if node.parents else "v" for node in self.nodes]
        counts = {"n": count(1), "v": count(1)}
        return [f"{letter}{next(counts[letter])}" for letter in letters]

    @cached_property
    def own_names(self) -> list[str]:
        return [given_name(node) or number for node, number in zip(self.nodes, self.numbers, strict=True)]

    def name(self, node: Variable) -> str:
        return self.own_names[self.position[id(node)]]

    @cached_property
    def names(self) -> "Names":
        return Names(self)

    @cached_property
    def parents(self) -> list[list[int]]:
        return [[self.position[id(a)] for a in node.arguments if type(a) is Variable] for node in self.nodes]

    @cached_property
    def edges(self) -> list[list[Edge]]:
        return [self.edges_of(i) for i in range(len(self.nodes))]

    def edges_of(self, i: int, towards: Container[int] | None = None) -> list[Edge]:
        """Return an edge for each Variable among the arguments of a node, or only for those of a set."""
        node, parents = self.nodes[i], self.parents[i]
        if not parents:
            return []
        selects = node.primitive is not None and node.primitive.selects
        places = [place for place, argument in enumerate(node.arguments) if type(argument) is Variable]
        return [
            Edge(node, argument, i, j, place, k, local, not (selects and local == 0.0))
            for k, (j, place, (argument, local)) in enumerate(zip(parents, places, node.local_gradients, strict=True))
            if towards is None or j in towards
        ]

    @property
    def seeds(self) -> dict[int, float]:
        """The adjoint 1 for each output, or NaN if its value is NaN."""
        return {i: math.nan if math.isnan(self.nodes[i].value) else 1.0 for i in self.ends}

    def shares(self, adjoints: dict[int, float], *, absolute: bool = False) -> Iterator[Share]:
        """Run the reverse sweep on `adjoints`, which holds the seeds; with `absolute`, on absolute values."""
        for i in reversed(range(len(self.nodes))):
            upstream = adjoints.get(i)
            if upstream is not None:  # else behind a branch that was not taken
                for edge in self.edges[i]:
                    product = (abs(edge.local) if absolute else edge.local) * upstream
                    before = adjoints.get(edge.j)
                    if edge.sent:
                        adjoints[edge.j] = product if before is None else before + product
                    yield edge, upstream, product, before

    @cached_property
    def adjoints(self) -> dict[int, float]:
        """The sum over the paths from the outputs to each node, for nodes that were reached."""
        deque(self.shares(adjoints := self.seeds), maxlen=0)
        return adjoints

    @cached_property
    def sizes(self) -> dict[int, float]:
        """The adjoints computed with the absolute value of every factor, so that nothing cancels."""
        deque(self.shares(sizes := self.seeds, absolute=True), maxlen=0)
        return sizes

    @cached_property
    def arriving(self) -> dict[int, list[Edge]]:
        """The edges over which each adjoint is summed, in the order of the sweep."""
        found = defaultdict(list)
        for edge, *_ in self.shares(self.seeds):
            if edge.sent:
                found[edge.j].append(edge)
        return found

    def rings(self, start: Iterable[int], inside: Container[int]) -> Iterator[list[int]]:
        """Yield the nodes of `start`, then the nodes one edge before them, two edges before them, …, each once."""
        ring = [*start]
        seen = set(ring)
        while ring:
            yield ring
            ring = [j for j in dict.fromkeys(j for i in ring for j in self.parents[i]) if j in inside and j not in seen]
            seen.update(ring)


class Names:
    """The names of the nodes of a graph, in at most `length` letters; `closed` ends a name that the user gave.

    Nodes that share a name get their number behind it. Unnamed nodes are named by their number, as in `draw`.
    """

    def __init__(self, graph: Graph, length: int = 40, mark: str = "...", closed: Callable[[str], str] = str) -> None:
        self._elide = partial(elide, length=length, mark=mark)
        short = [self._elide(name) for name in graph.own_names]
        self._uses = Counter(short)
        numbered = zip(short, graph.numbers, strict=True)
        told = [closed(name) + f" ({number})" * (self._uses[name] > 1) for name, number in numbered]
        self._names = dict(zip(graph.position, told, strict=True))

    def __getitem__(self, node: Variable) -> str:
        known = self._names.get(id(node))
        if known is not None:
            return known
        own = self._elide(given_name(node))
        if own:  # two Variables of one name: the one under the output keeps it
            return f"{own} (the one asked for)" if own in self._uses else own
        return formula(node, self._one_level) or "x"

    def _one_level(self, argument: Variable) -> str:
        return self._names.get(id(argument)) or given_name(argument) or ("…" if argument.parents else "x")

    def call(self, node: Variable) -> str:
        """Return `n3 = relu(n2)`, or a leaf's name."""
        made = operation(node) and id(node) in self._names
        return f"{self[node]} = {formula(node, self.__getitem__)}" if made else self[node]

    def at(self, node: Variable) -> str:
        """Return `n3 = relu(n2) at file:line`, without the line if it was not recorded."""
        return self.call(node) + (f" at {node.location}" if node.location else "")


class Path(NamedTuple):
    edges: tuple[Edge, ...]

    @property
    def nodes(self) -> list[Variable]:
        return [edge.user for edge in self.edges] + [edge.argument for edge in self.edges[-1:]]

    @property
    def product(self) -> float:
        """The product of the local gradients; 0 if the path leads through a branch that was not taken."""
        return math.prod(e.local for e in self.edges) if all(e.sent for e in self.edges) else 0.0

    @property
    def logarithm(self) -> float:
        """log₁₀ |product|, which cannot underflow; -inf for a factor 0."""
        zeros, logarithms = zip((0, 0.0), *(edge.size for edge in self.edges), strict=True)
        return -math.inf if any(zeros) else sum(logarithms) / math.log(10.0)

    def written(self, names: Names) -> str:
        return " -> ".join(shortened(self.nodes, 8, names.__getitem__))

    def amount(self) -> str:
        """Return the product; where it over- or underflows, its power of ten."""
        product, logarithm = self.product, self.logarithm
        if math.isfinite(logarithm) and logarithm < INFINITE / 10 and (product == 0.0 or math.isinf(product)):
            negative = sum(edge.local < 0.0 for edge in self.edges) % 2
            return f"{'-' if negative else '+'}10^{logarithm:.0f}"
        return signed(product)


class Ways(Graph):
    """The graph of an output `y`, with only the edges of the paths from `y` to `x`."""

    def __init__(self, y: Variable, x: Variable) -> None:
        super().__init__([y])
        self.y, self.x = y, x
        self.start, self.end = len(self.nodes) - 1, self.position.get(id(x), -1)
        #: The size of the largest path from each node to `x`.
        self.largest: dict[int, Size] = {self.end: (0, 0.0)}
        self.edges = []
        for i in range(len(self.nodes)):
            self.edges.append(edges := self.edges_of(i, self.largest))
            if edges:
                self.largest[i] = max(map(self._size, edges))
        self.connected = self.start in self.largest

    def _size(self, edge: Edge) -> Size:
        """The size of the largest path that begins with an edge."""
        (zeros, logarithm), further = edge.size, self.largest[edge.j]
        return zeros + further[0], logarithm + further[1]

    def _turns(self, i: int) -> tuple[Edge, list[tuple[Size, Edge]]]:
        """The edge of the largest path at a node, and for each other edge the loss against it."""
        most, edges = self.largest[i], self.edges[i]
        sizes = [self._size(edge) for edge in edges]
        taken = edges[sizes.index(most)]
        losses = [(most[0] - size[0], most[1] - size[1]) for size in sizes]
        return taken, [(loss, edge) for loss, edge in zip(losses, edges, strict=True) if edge is not taken]

    @property
    def between(self) -> list[int]:
        """The nodes of all paths but the last, newest first."""
        return [i for i in range(self.start, -1, -1) if self.edges[i]] if self.connected else []

    @cached_property
    def number(self) -> int:
        """The exact number of paths."""
        counts = {self.start: int(self.connected)}
        for i in self.between:  # counts may have thousands of digits: drop each as soon as it is passed on
            here = counts.pop(i, 0)
            for edge in self.edges[i]:
                counts[edge.j] = counts.get(edge.j, 0) + here
        return counts.get(self.end, 0)

    def top(self, number: int) -> list[Path]:
        """The paths with the largest absolute products, the largest first. Time: proportional to their length.

        Each path is the best continuation of a prefix, and every edge that it did not take makes a new prefix.
        """
        if not self.connected:
            return []
        found: list[list[Edge]] = []
        # A turn: what it loses, the order of discovery, which path it leaves, after how many edges, and by which.
        turns: list[tuple[Size, int, int, int, Edge | None]] = [((0, 0.0), 0, -1, 0, None)]
        seen = 1
        at: dict[int, tuple[Edge, list[tuple[Size, Edge]]]] = {}
        while turns and len(found) < number:
            loss, _, left, length, edge = turns.pop(0)
            path = [*found[left][:length], edge] if edge else []
            i = path[-1].j if path else self.start
            room = number - len(found) - 1
            while i != self.end:
                taken, others = at.get(i) or at.setdefault(i, self._turns(i))
                for further, other in others:
                    total = loss[0] + further[0], loss[1] + further[1]
                    if room and (len(turns) < room or total < turns[room - 1][0]):
                        insort(turns, (total, seen, len(found), len(path), other))
                        del turns[room:]
                        seen += 1
                path.append(taken)
                i = taken.j
            found.append(path)
            del turns[room:]
        return [Path(tuple(path)) for path in found]


@dataclass(frozen=True)
class Selection:
    """The positions of the nodes to draw, and of the outputs among them; `hidden` counts the nodes that one box replaces."""

    graph: Graph
    outputs: Sequence[int]
    drawn: Sequence[int]
    hidden: int = 0

    @property
    def nodes(self) -> list[Variable]:
        return [self.graph.nodes[i] for i in self.drawn]


def select(outputs: Sequence[Variable], *, depth: int | None = None, max_nodes: int | None = None) -> Selection:
    """Choose the nodes within `depth` edges of an output; positions refer to the whole graph."""
    graph = Graph(outputs)
    count = len(graph.nodes)
    drawn: Sequence[int] = range(count)
    if depth is not None:
        drawn = sorted(chain.from_iterable(islice(graph.rings(graph.ends, range(count)), depth + 1)))
    if max_nodes is not None and len(drawn) > max_nodes:
        smaller = 10 if depth is None else max(depth // 2, 1)
        raise GraphTooLarge(
            f"{len(drawn):,} nodes; max_nodes={max_nodes:,}. Pass max_nodes=None to draw them all, depth={smaller} to draw "
            "only what lies that many steps before the output, or fold=True to draw what is repeated as one box."
        )
    return Selection(graph, graph.ends, drawn, count - len(drawn))
