"""Which nodes of a graph a picture shows, the number each one goes by, and where their order has levels and loops."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd_lite.backward import topological_order
from autograd_lite.errors import GraphTooLarge
from autograd_lite.variable import Variable

# What is folded: a block of nodes by its last node, a scope by its path, or by (path, rank) where it had to be cut.
Block = Any
# A loop has this many turns or more, each of at most PERIOD levels.
TURNS, PERIOD = 6, 256


@dataclass(frozen=True)
class Selection:
    """The nodes to draw, parents first, and the position of every node among all that lie under the outputs."""

    outputs: frozenset[Variable]
    nodes: tuple[Variable, ...]
    position: dict[Variable, int]

    @property
    def hidden(self) -> int:
        """How many nodes lie beyond the depth asked for."""
        return len(self.position) - len(self.nodes)


def select(outputs: Sequence[Variable], *, depth: int | None, max_nodes: int | None) -> Selection:
    """Choose the nodes within `depth` edges of an output.

    Positions are counted in the whole graph: `n7` is the same node in every run, at every depth, and in `explain`.
    """
    nodes = tuple(topological_order(list(outputs)))
    position = {node: i for i, node in enumerate(nodes)}
    if depth is not None:
        near = _within(outputs, depth)
        nodes = tuple(node for node in nodes if node in near)
    if max_nodes is not None and len(nodes) > max_nodes:
        smaller = 10 if depth is None else max(depth // 2, 1)
        raise GraphTooLarge(
            f"{len(nodes):,} nodes; max_nodes={max_nodes:,}. Pass max_nodes=None to draw them all, depth={smaller} to draw "
            "only what lies that many steps before the output, or fold=True to draw what is repeated as one box."
        )
    return Selection(frozenset(outputs), nodes, position)


def _within(outputs: Sequence[Variable], depth: int) -> set[Variable]:
    """Return the nodes at most `depth` edges before an output, ring by ring."""
    seen = set(outputs)
    ring = set(outputs)
    for _ in range(depth):
        ring = {parent for node in ring for parent in node.parents} - seen
        if not ring:
            break
        seen |= ring
    return seen


def untangle(parents: Sequence[Sequence[int]], block: dict[int, Block], scopes: Mapping[int, str]) -> dict[Block, int]:
    """Return the level of each block, its longest way from the first ones; cut scopes that were left and entered again.

    `block` holds the block of each node, arguments first, and `scopes` the path of those that are in a scope. A scope on a
    cycle is cut into ranks, one for each time that it was entered; `block` is changed to say so.

    >>> block = {0: "cell", 1: "head", 2: "cell"}
    >>> untangle([(), (0,), (1,)], block, dict(block))
    {('cell', 0): 0, ('head', 1): 1, ('cell', 2): 2}
    """

    def arrows() -> list[tuple[Block, Block]]:
        return [(block[p], b) for i, b in block.items() for p in parents[i] if p in block and block[p] != b]

    level = levels(block.values(), between := arrows())
    stuck = {*block.values()} - level.keys()
    if not stuck:
        return level
    stuck -= levels(block.values(), [(b, a) for a, b in between]).keys()
    rank: dict[int, int] = {}
    for i, b in block.items():
        if b in stuck:
            rank[i] = max((rank[p] + (block[p] != b) for p in parents[i] if p in rank), default=0)
    # What a scope computes ahead goes to its first use there.
    room: dict[int, int] = {}
    use: dict[int, int] = {}
    for i in reversed(rank):
        if i in use and i in scopes:
            rank[i] = max(rank[i], min(use[i], room[i]))
        for p in parents[i]:
            same = block.get(p) == block[i]
            room[p] = min(room.get(p, rank[i]), rank[i] - (not same))
            if same:
                use[p] = min(use.get(p, rank[i]), rank[i])
    block |= {i: (scopes[i], rank[i]) for i in rank if i in scopes}
    return levels(block.values(), arrows())


def levels(blocks: Iterable[Block], pairs: Iterable[tuple[Block, Block]]) -> dict[Block, int]:
    """Return the length of the longest way to each block, except to those on a cycle or behind one."""
    users: dict[Block, list[Block]] = defaultdict(list)
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


def loops(marks: Any) -> list[tuple[int, int, int]]:
    """Return (start, period, turns) of what recurs in a sequence, the longest first where they overlap.

    >>> loops(np.array([9] + [1, 2] * 7 + [8, 8]))
    [(1, 2, 7)]
    """
    found: list[tuple[int, int, int]] = []
    for period in range(1, min(PERIOD, len(marks) // TURNS) + 1):
        breaks = np.flatnonzero(marks[period:] != marks[:-period])
        starts: Any = np.concatenate(([0], breaks + 1))
        turns: Any = (np.append(breaks, len(marks) - period) - starts) // period + 1
        found += [(int(starts[k]), period, int(turns[k])) for k in np.flatnonzero(turns >= TURNS)]
    taken = np.zeros(len(marks), dtype=bool)
    chosen = []
    for start, period, many in sorted(found, key=lambda loop: (-loop[1] * (loop[2] - 2), loop)):
        span = slice(start, start + period * many)
        if not taken[span].any():
            taken[span] = True
            chosen.append((start, period, many))
    return sorted(chosen)


def pieces(items: Sequence[Any], most: int) -> list[Sequence[Any]]:
    """Cut a sequence into at most so many pieces of almost one length."""
    count = min(most, len(items))
    return [items[k * len(items) // count : (k + 1) * len(items) // count] for k in range(count)]
