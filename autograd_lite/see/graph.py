"""One snapshot of a recorded graph, which every picture and every sentence reads: order, names, edges, adjoints, paths.

A path is a product of local gradients, and a gradient is the sum over all paths. There can be 2^60 of them in a graph of
180 nodes, so nothing here walks them one by one: sums, numbers and best continuations are found node by node, and only
the paths that are asked for are written out.
"""

import math
from bisect import insort
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain, islice
from typing import Any, NamedTuple

from autograd_lite.backward import topological_order
from autograd_lite.errors import GraphTooLarge
from autograd_lite.see.labels import elide, formula, name_of, operation, shortened, signed
from autograd_lite.variable import Variable

#: What stands for the logarithm of an infinite or NaN factor: more than all finite factors of a long path together.
INFINITE = 1e9


class Edge(NamedTuple):
    """One Variable among the arguments of a node, and the local gradient there.

    `place` counts all arguments, `k` only the Variables; `sent` is False for a branch that was not taken.
    """

    user: Variable
    place: int
    k: int
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


def edges_of(node: Variable, towards: Container[Variable] | None = None) -> list[Edge]:
    """Return an edge for each Variable among the arguments of a node, or only for those of a set."""
    selects = node.primitive is not None and node.primitive.selects
    pairs = node.local_gradients
    places: Iterable[int] = range(len(pairs))
    if len(pairs) < len(node.arguments):
        places = (place for place, argument in enumerate(node.arguments) if type(argument) is Variable)
    return [
        Edge(node, place, k, argument, local, not (selects and local == 0.0))
        for k, (place, (argument, local)) in enumerate(zip(places, pairs, strict=True))
        if towards is None or argument in towards
    ]


#: A step of the reverse sweep: an edge, the adjoint of its user, the product of both, the adjoint of its argument before.
Share = tuple[Edge, float, float, float | None]


class Graph:
    """All that lies under some outputs, arguments first; a node's position there is its number in pictures and words."""

    def __init__(self, outputs: Sequence[Variable]) -> None:
        self.nodes = tuple(topological_order(list(outputs)))
        self.position = {node: i for i, node in enumerate(self.nodes)}
        self.outputs = tuple(sorted({*outputs}, key=self.position.__getitem__))

    def name(self, node: Variable) -> str:
        """Return the node's own name, or `n` and its position."""
        return name_of(node, self.position[node])

    @cached_property
    def names(self) -> "Names":
        """What each node is called in sentences."""
        return Names(self)

    @cached_property
    def edges(self) -> dict[Variable, list[Edge]]:
        """The edges of each node that has parents."""
        return {node: edges for node in self.nodes if (edges := edges_of(node))}

    @property
    def seeds(self) -> dict[Variable, float]:
        """Adjoint 1 for each output, NaN where its value is."""
        return {y: math.nan if math.isnan(y.value) else 1.0 for y in self.outputs}

    def shares(self, adjoints: dict[Variable, float], *, absolute: bool = False) -> Iterator[Share]:
        """Run the reverse sweep on `adjoints`, which holds the seeds; with `absolute`, as if nothing could cancel."""
        for user, edges in reversed(self.edges.items()):
            upstream = adjoints.get(user)
            if upstream is not None:  # else behind a branch that was not taken
                for edge in edges:
                    product = (abs(edge.local) if absolute else edge.local) * upstream
                    before = adjoints.get(edge.argument)
                    if edge.sent:
                        adjoints[edge.argument] = product if before is None else before + product
                    yield edge, upstream, product, before

    @cached_property
    def adjoints(self) -> dict[Variable, float]:
        """The sum over the paths from the outputs to each node; only nodes that were reached."""
        deque(self.shares(adjoints := self.seeds), maxlen=0)
        return adjoints

    @cached_property
    def sizes(self) -> dict[Variable, float]:
        """The adjoints with every factor taken absolute: what they would be if nothing cancelled."""
        deque(self.shares(sizes := self.seeds, absolute=True), maxlen=0)
        return sizes

    @cached_property
    def arriving(self) -> dict[Variable, list[Edge]]:
        """The edges that each adjoint is added up over, in the order of the sweep."""
        found = defaultdict(list)
        for user, edges in reversed(self.edges.items()):
            if user in self.adjoints:
                for edge in edges:
                    if edge.sent:
                        found[edge.argument].append(edge)
        return found

    def rings(self, start: Iterable[Variable], inside: Container[Variable]) -> Iterator[list[Variable]]:
        """Yield the nodes of `start`, then those one edge before them, two edges before them, …, each once."""
        ring = [*start]
        seen = set(ring)
        while ring:
            yield ring
            ring = [p for p in dict.fromkeys(p for node in ring for p in node.parents) if p in inside and p not in seen]
            seen.update(ring)


class Names:
    """What each node of a graph is called, in at most `length` letters; `closed` ends a name that is the node's own.

    Nodes that share a name get their position behind it. Unnamed nodes are called by their position, as in `draw`.
    """

    def __init__(self, graph: Graph, length: int = 40, mark: str = "...", closed: Callable[[str], str] = str) -> None:
        self._elide = partial(elide, length=length, mark=mark)
        short = [self._elide(name_of(node, i)) for i, node in enumerate(graph.nodes)]
        self._uses = Counter(short)
        self._names = {
            node: closed(short[i]) + f" (n{i})" * (self._uses[short[i]] > 1) for i, node in enumerate(graph.nodes)
        }

    def __getitem__(self, node: Variable) -> str:
        known = self._names.get(node)
        if known is not None:
            return known
        own = self._elide(name_of(node, 0)) if node.name else ""
        if own:  # two Variables of one name: the one under the output keeps it
            return f"{own} (the one asked for)" if own in self._uses else own
        return formula(node, self._one_level) or "x"

    def _one_level(self, argument: Any) -> str:
        known = self._names.get(argument, "") if isinstance(argument, Variable) else f"{argument:.4g}"
        return known or name_of(argument, 0).replace("n0", "…" if argument.parents else "x")

    def write(self, argument: Any) -> str:
        """Return the name of a node, or a number to four digits."""
        return self[argument] if isinstance(argument, Variable) else f"{argument:.4g}"

    def call(self, node: Variable) -> str:
        """Return `n3 = relu(n2)`, or a leaf's name."""
        return f"{self[node]} = {formula(node, self.write)}" if operation(node) and node in self._names else self[node]

    def at(self, node: Variable) -> str:
        """Return `n3 = relu(n2) at file:line`, as far as the line was recorded."""
        return self.call(node) + (f" at {node.location}" if node.location else "")


@dataclass(frozen=True, slots=True)
class Path:
    """The edges from the output down to the node."""

    edges: tuple[Edge, ...]

    @property
    def nodes(self) -> list[Variable]:
        """The nodes on the way; none where no edge is."""
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
        """Return `n4 -> n2 -> x`."""
        return " -> ".join(shortened(self.nodes, 8, names.__getitem__))

    def amount(self) -> str:
        """Return the product; where it over- or underflows, its power of ten."""
        product, logarithm = self.product, self.logarithm
        if math.isfinite(logarithm) and logarithm < INFINITE / 10 and (product == 0.0 or math.isinf(product)):
            negative = sum(edge.local < 0.0 for edge in self.edges) % 2
            return f"{'-' if negative else '+'}10^{logarithm:.0f}"
        return signed(product)


class Ways(Graph):
    """The graph of an output `y`, of its edges only those of the paths from `y` to `x`."""

    def __init__(self, y: Variable, x: Variable) -> None:
        super().__init__([y])
        self.y, self.x = y, x
        #: The size of the largest path from each node to `x`: minus its factors 0, and the logarithm of the others.
        self.largest = {x: (0, 0.0)}
        self.edges = {}
        for node in self.nodes:
            if edges := edges_of(node, self.largest):
                self.edges[node] = edges
                self.largest[node] = max(map(self._size, edges))
        self.connected = y in self.largest

    def _size(self, edge: Edge) -> tuple[int, float]:
        """The size of the largest path that begins with an edge."""
        (zeros, logarithm), further = edge.size, self.largest[edge.argument]
        return zeros + further[0], logarithm + further[1]

    def _turns(self, node: Variable) -> tuple[Edge, list[tuple[tuple[int, float], Edge]]]:
        """The edge that the largest path takes at a node, and what each of the others loses against it."""
        most, edges = self.largest[node], self.edges[node]
        sizes = [self._size(edge) for edge in edges]
        taken = edges[sizes.index(most)]
        losses = [(most[0] - size[0], most[1] - size[1]) for size in sizes]
        return taken, [(loss, edge) for loss, edge in zip(losses, edges, strict=True) if edge is not taken]

    @property
    def between(self) -> list[Variable]:
        """The nodes of all paths but the last, newest first."""
        return list(reversed(self.edges)) if self.connected else []

    @cached_property
    def number(self) -> int:
        """How many paths there are, exactly."""
        counts = {self.y: int(self.connected)}
        for node in self.between:  # counts may have thousands of digits: drop each as soon as it is passed on
            here = counts.pop(node, 0)
            for edge in self.edges[node]:
                counts[edge.argument] = counts.get(edge.argument, 0) + here
        return counts.get(self.x, 0)

    def top(self, number: int) -> list[Path]:
        """The paths of the largest products by size, the largest first.

        Best first: each path found is the best continuation of a prefix, and every turn it did not take is a new prefix
        that loses so much against the best. Time: that of following the paths found.
        """
        if not self.connected:
            return []
        found: list[list[Edge]] = []
        # A turn: what it loses (factors 0, logarithm), the order of discovery, which path it leaves, after how many edges,
        # and by which.
        turns: list[tuple[tuple[int, float], int, int, int, Edge | None]] = [((0, 0.0), 0, -1, 0, None)]
        seen = 1
        at: dict[Variable, tuple[Edge, list[tuple[tuple[int, float], Edge]]]] = {}
        while turns and len(found) < number:
            loss, _, left, length, edge = turns.pop(0)
            path = [*found[left][:length], edge] if edge else []
            node = path[-1].argument if path else self.y
            room = number - len(found) - 1
            while node is not self.x:
                taken, others = at.get(node) or at.setdefault(node, self._turns(node))
                for further, other in others:
                    total = loss[0] + further[0], loss[1] + further[1]
                    if room and (len(turns) < room or total < turns[room - 1][0]):
                        insort(turns, (total, seen, len(found), len(path), other))
                        del turns[room:]
                        seen += 1
                path.append(taken)
                node = taken.argument
            found.append(path)
            del turns[room:]
        return [Path(tuple(path)) for path in found]


@dataclass(frozen=True)
class Selection:
    """The nodes of a graph to draw, arguments first; `hidden` counts those that one box stands for."""

    graph: Graph
    outputs: frozenset[Variable]
    nodes: tuple[Variable, ...]
    hidden: int = 0


def select(outputs: Sequence[Variable], *, depth: int | None = None, max_nodes: int | None = None) -> Selection:
    """Choose the nodes within `depth` edges of an output.

    Positions are counted in the whole graph: `n7` is the same node in every run, at every depth, and in `explain`.
    """
    graph = Graph(outputs)
    nodes = graph.nodes
    if depth is not None:
        near = set(chain.from_iterable(islice(graph.rings(outputs, graph.position), depth + 1)))
        nodes = tuple(node for node in nodes if node in near)
    if max_nodes is not None and len(nodes) > max_nodes:
        smaller = 10 if depth is None else max(depth // 2, 1)
        raise GraphTooLarge(
            f"{len(nodes):,} nodes; max_nodes={max_nodes:,}. Pass max_nodes=None to draw them all, depth={smaller} to draw "
            "only what lies that many steps before the output, or fold=True to draw what is repeated as one box."
        )
    return Selection(graph, frozenset(outputs), nodes, len(graph.nodes) - len(nodes))


def levels(blocks: Iterable[Any], pairs: Iterable[tuple[Any, Any]]) -> dict[Any, int]:
    """Return the length of the longest way to each block, except to those on a cycle or behind one."""
    users: dict[Any, list[Any]] = defaultdict(list)
    missing = dict.fromkeys(blocks, 0)
    for a, b in pairs:
        users[a].append(b)
        missing[b] += 1
    level = {b: 0 for b, count in missing.items() if not count}
    ready = [*level]
    for a in ready:  # which grows
        for b in users[a]:
            missing[b] -= 1
            if not missing[b]:
                level[b] = level[a] + 1
                ready.append(b)
    return level
