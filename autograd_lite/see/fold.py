"""Folding: nodes of a large graph share boxes. A scope is a box; other nodes are cut into blocks.

A node joins its only user while their formula stays short: a neuron is `tanh(Σ w·x + b)`. Blocks of one formula and level
(longest path from a leaf) share a box. Recurring levels are turns of a loop, and the other levels are cut into bands. No
path leaves a box and enters it again, so the folded picture has no cycle. Time and memory grow linearly.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, compress
from operator import and_
from typing import Any

import numpy as np

from autograd_lite.errors import ArgumentError
from autograd_lite.see import formulas
from autograd_lite.see.dot import Box
from autograd_lite.see.formulas import BLANK, PLAIN, Formula
from autograd_lite.see.graph import Selection
from autograd_lite.see.labels import elide, operation, visible
from autograd_lite.variable import Variable

# What is folded: a block of nodes by its last node, a scope by its path, or by (path, rank) where it had to be cut.
Block = Any

# Up to SMALL nodes are drawn one by one; else at most INNER boxes of what is computed, LEAVES of leaves. Without a pattern
# BANDS boxes are enough: each has arrows to most others. A turn of more than TURN boxes is drawn as one.
SMALL, INNER, LEAVES, BANDS, TURN = 60, 40, 16, 12, 4
# Letters of a scope's path, lines of a loop; what the results of a loop are called.
PATH_LENGTH, FORMULAS, LOOP_LETTERS = 30, 4, "yzuvpqrs"
# A loop has this many turns or more, each of at most PERIOD levels.
TURNS, PERIOD = 6, 256


@dataclass
class Group:
    """Blocks that share a box: copies, by kind; with `turns`, the blocks of so many turns of a loop."""

    kinds: list[list[Block]]
    turns: int = 0


def fold(selection: "Selection | Positions", opened: Iterable[str] = ()) -> tuple[list[Box], list[Box]]:
    """Return the boxes to draw, with each node in one of them, and the open boxes, which are drawn as frames.

    `opened` names boxes by id or scope; boxes inside `g3` have ids such as `g3-5`. To open a scope opens the scopes around.

    >>> from autograd_lite.see.graph import select
    >>> y, a = Variable(1.0, name="y"), Variable(2.0, name="a")
    >>> for _ in range(1000):
    ...     y = 0.5 * (y + a / y)
    >>> boxes, _ = fold(select([y]))
    >>> [(box.id, " ".join(box.title), len(box.nodes)) for box in boxes][3:]
    [('g5', '998 turns of y = 0.5·(y + a/y)', 2994), ('g2999', 'y = 0.5·(y + a/y)', 3)]
    """
    graph = selection if isinstance(selection, Positions) else Positions(selection)
    wanted = {*opened}
    found, done, frames = set[str](), list[Box](), list[Box]()
    waiting = graph.children(Box("", (), tuple(graph.parents)))[::-1]
    while waiting:
        box = waiting.pop()
        named = {w for w in wanted if w == box.id or (box.scope and f"{w}/".startswith(f"{box.scope}/"))}
        if named and (len(box.nodes) > 1 or box.scope):
            found |= {w for w in named if w in {box.id, box.scope}}
            frames.append(box)
            waiting += graph.children(box)[::-1]
        else:
            done.append(box)
    if missing := sorted(wanted - found):
        known = [box.scope or box.id for box in (*frames, *done) if len(box.nodes) > 1 or box.scope]
        raise ArgumentError(
            f"open={missing[0]!r:.80} is no folded box of this picture. Give ids or scopes of boxes that are there, such as "
            f"{', '.join(map(repr, known[:5])) or 'none: nothing is folded'}."
        )
    return done, frames


class Positions:
    """The nodes of a selection by position: the parents of each that are drawn, and its only user."""

    def __init__(self, selection: Selection) -> None:
        self.nodes = selection.graph.nodes
        self.index = {id(self.nodes[i]): i for i in selection.drawn}
        drawn = {*selection.drawn}
        self.parents = {i: [p for p in selection.graph.parents[i] if p in drawn] for i in selection.drawn}
        self.user: dict[int, int | None] = {}
        for i, parents in self.parents.items():
            for p in parents:
                self.user[p] = i if self.user.get(p, i) == i else None
        self.user |= dict.fromkeys(selection.outputs)
        self.letters: dict[int, str] = {}  # what inputs are called
        self.results: dict[Block, str] = {}  # what the results of loops are called
        self._children: dict[Box, list[Box]] = {}

    def children(self, box: Box) -> list[Box]:
        """Return the boxes in a box."""
        if box not in self._children:
            self._children[box] = self._divided(box)
        return self._children[box]

    def _divided(self, box: Box) -> list[Box]:
        depth = box.depth + bool(box.scope)
        layout = _Layout(self, box.nodes, depth)
        if layout.small and len(layout.content) > SMALL:
            layout = _Layout(self, box.nodes, depth, small=False)
        parts = layout.parts(divide=not box.scope)
        if parts[0].nodes == box.nodes and not (box.scope or parts[0].scope) and len(box.nodes) > 1:
            cut = pieces(box.nodes, BANDS)
            parts = [Box("", (f"part {k} of {len(cut)}",), tuple(piece)) for k, piece in enumerate(cut, 1)]
        for k, part in enumerate(parts):
            first = part.nodes[0]
            folded = f"{box.id}-{first}" if box.id else f"g{first}"
            id_ = folded if len(part.nodes) > 1 or part.scope else f"n{first}"
            parts[k] = replace(part, id=id_, depth=depth, frame=box.id)
        return sorted(parts, key=lambda part: part.nodes[0])


class _Layout:
    def __init__(self, graph: Positions, members: Sequence[int], depth: int, *, small: bool = True) -> None:
        self.graph = graph
        self.closed: dict[int, str] = {}  # the path of the outermost scope that is not open
        for i in members:
            scope = (graph.nodes[i].scope or "").split("/")
            if scope[0] and len(scope) > depth:
                self.closed[i] = "/".join(scope[: depth + 1])
        self.small = small and len(members) - len(self.closed) <= SMALL  # each node that is in no scope is a box
        self.computed = [i for i in members if i in self.closed or self.small or graph.nodes[i].arguments]
        self.leaves = [i for i in members if not (graph.nodes[i].arguments or i in self.closed or self.small)]
        self.block: dict[int, Block] = {}
        self.formulas: dict[int, Formula] = {}
        self._cut()
        self.level = untangle(graph.parents, self.block, self.closed)
        self.content: dict[Block, list[int]] = defaultdict(list)
        for i in self.computed:
            self.content[self.block[i]].append(i)
        self.kinds = {b: f"\2{_path(b)}" if _path(b) else self.formulas[b].shape.text for b in self.content}

    def _cut(self) -> None:
        """Find the block of each node: that of its only user, if their common formula can be written."""
        joins: dict[int, int] = {}
        for i in self.computed:
            if i in self.closed:
                continue
            op, arguments = formulas.call(self.graph.nodes[i])
            index = self.graph.index
            operands: Any = tuple([index.get(id(a), -1) if type(a) is Variable else (a,) for a in arguments])
            once = {j for j, times in Counter(operands).items() if times == 1 and not self.small}
            fits = [j in once and j in self.formulas and self.graph.user.get(j) == i for j in operands]
            given = zip(operands, fits, strict=True)
            shapes = [self.formulas[j].shape if fit else PLAIN if type(j) is tuple else BLANK for j, fit in given]
            shape, kept = formulas.combine(op, tuple(shapes)) if arguments else (BLANK, ())
            self.formulas[i] = Formula(shape, operands, tuple(map(and_, fits, kept)))
            joins.update(dict.fromkeys(compress(operands, self.formulas[i].joined), i))
        last: dict[int, Block] = {}
        for i in reversed(self.computed):
            last[i] = self.closed.get(i) or (last[joins[i]] if i in joins else i)
        self.block = {i: last[i] for i in self.computed}

    def parts(self, *, divide: bool) -> list[Box]:
        """Return the boxes, without their ids; with `divide`, many copies get more than one box."""
        blocks = sorted(self.content, key=lambda b: (self.level[b], self.content[b][0]))
        groups = [Group([[b]]) for b in blocks] if self.small else _arrange(self, blocks)
        if divide and len(groups) == 1 and not self.leaves and len(blocks) > 1:
            groups = [_gathered(self, [Group([[*piece]])]) for piece in pieces(blocks, INNER)]
        parts, used = list[Box](), defaultdict[int, set[int]](set)
        for g, group in enumerate(groups):
            members = [*chain.from_iterable(group.kinds)]
            nodes = sorted(chain.from_iterable(self.content[b] for b in members))
            for p in chain.from_iterable(self.graph.parents[i] for i in nodes):
                used[p].add(g)
            scope = _path(members[0]) if len(members) == 1 else ""
            title = self._title(group, nodes) if len(nodes) > 1 or scope else ()
            parts.append(Box("", title, tuple(nodes), scope, cells=self._cells(group)))
        return parts + self._leaf_parts({i: sorted(used[i]) for i in self.leaves})

    def _leaf_parts(self, used: Mapping[int, list[int]]) -> list[Box]:
        """Group leaves by the boxes that use them and by their letter there; more coarsely if there are many groups."""
        letters = {i: self.graph.letters.get(i) or formulas.stem(visible(self.graph.nodes[i].name or "")) for i in used}
        for named, uses in ((True, None), (True, 1), (True, 0), (False, 0)):
            groups: dict[Any, list[int]] = defaultdict(list)
            for i, boxes in used.items():
                groups[letters[i] if named else "", *boxes[:uses]].append(i)
            if len(groups) <= LEAVES:
                break
        parts = []
        for group in groups.values():
            letter = letters[group[0]] if len({letters[i] for i in group}) == 1 else ""
            title = (f"{len(group):,} " + (f"× {letter}" if letter else "leaves"),)
            parts.append(Box("", title, tuple(group), cells=tuple((i,) for i in group)))
        return parts

    def _cells(self, group: Group) -> tuple[tuple[int, ...], ...]:
        """Return the nodes of each copy or turn; nothing where a box is no repetition."""
        turns = group.turns or len(group.kinds[0])
        if turns == 1 or (len(group.kinds) > 1 and not group.turns) or any(len(kind) % turns for kind in group.kinds):
            return ()
        each = [(kind, len(kind) // turns) for kind in group.kinds]
        cells = (chain.from_iterable(kind[t * many : (t + 1) * many] for kind, many in each) for t in range(turns))
        return tuple(tuple(sorted(chain.from_iterable(self.content[b] for b in cell))) for cell in cells)

    def _title(self, group: Group, nodes: Sequence[int]) -> tuple[str, ...]:
        if group.turns:
            lines = [self._formula(kind, len(kind) // group.turns) for kind in group.kinds[:FORMULAS]]
            lines += ["…"] * (len(group.kinds) > FORMULAS)
            return (f"{group.turns:,} turn{'s' * (group.turns > 1)} of", *lines)
        if len(group.kinds) == 1:
            return (self._formula(group.kinds[0], len(group.kinds[0])),)
        counts = Counter(operation(self.graph.nodes[i]) for i in nodes if self.graph.nodes[i].arguments).most_common()
        told = ", ".join(f"{count:,} {op}" for op, count in counts[:FORMULAS])
        blocks = sum(map(len, group.kinds))
        return f"{blocks:,} blocks of {len(group.kinds):,} kinds", told + ", …" * (len(counts) > FORMULAS)

    def _formula(self, blocks: Sequence[Block], copies: int) -> str:
        """Return `25 × tanh(Σ w·x + b)`, the name of a scope."""
        times, first = f"{copies:,} × " if copies > 1 else "", blocks[0]
        if path := _path(first):
            if len({*map(_path, blocks)}) > 1:
                path = re.sub(r"\d+", "#", path)
            return times + elide(visible(path).strip() or "scope", PATH_LENGTH)
        shape, each = self.formulas[first].shape, [formulas.inputs(self.content[b], self.formulas) for b in blocks]
        slots = [formulas.union(same) for same in zip(*each, strict=True)]
        letters = formulas.letters(shape, slots, self.graph.nodes, self.graph.results)
        for slot, letter in zip(slots, letters, strict=True):
            for i in slot:
                self.graph.letters.setdefault(i, letter)
        own = visible(self.graph.nodes[first].name or "").strip() if len(blocks) == 1 else ""
        result = elide(own, 16) or self.graph.results.get(first)
        return times + (f"{result} = " if result else "") + formulas.fill(shape, letters)


def _arrange(layout: _Layout, blocks: Sequence[Block]) -> list[Group]:
    """Group copies, then turns of loops, then bands of the remaining blocks, until there are few enough boxes."""
    units: list[list[Group]] = []
    for exact in (True, False):
        rows: dict[int, dict[str, list[Block]]] = defaultdict(lambda: defaultdict(list))
        for b in blocks:
            kind = layout.kinds[b]
            rows[layout.level[b]][kind if exact or not _path(b) else re.sub(r"\d+", "#", kind)].append(b)
        levels = [rows[k] for k in sorted(rows)]
        marks: dict[Any, int] = {}
        row = [tuple(sorted((kind, len(of) if exact else 0) for kind, of in level.items())) for level in levels]
        found = loops(np.array([marks.setdefault(mark, len(marks)) for mark in row]))
        units, k = [], 0
        for start, period, turns in [*found, (len(levels), 1, 0)]:
            units += [[Group([of]) for of in level.values()] for level in levels[k:start]]
            k = start + period * turns
            if turns:
                units.append(_turns(levels[start:k], period, turns, layout.graph.results))
        if sum(map(len, units)) <= INNER:
            return [*chain.from_iterable(units)]
    mixed = 0
    for unit in sorted(units, key=len, reverse=True):
        if sum(map(len, units)) > INNER and len(unit) > 1:
            unit[:] = [_gathered(layout, unit)]
            mixed += 1
    few = sum(map(len, units)) <= INNER and mixed <= BANDS
    parts = units if few else [[*chain.from_iterable(piece)] for piece in pieces(units, BANDS)]
    return [g for piece in parts for g in (piece if few or len(piece) == 1 else [_gathered(layout, piece)])]


def _turns(levels: Sequence[dict[str, Any]], period: int, turns: int, results: dict[Block, str]) -> list[Group]:
    """Return the first turn of a loop, all turns between, the last turn; note the names of their results."""
    kinds: dict[tuple[int, str], list[Block]] = defaultdict(list)
    names: dict[tuple[int, str], str] = {}
    for k, level in enumerate(levels):
        for kind, blocks in level.items():
            letter = names.setdefault((k % period, kind), LOOP_LETTERS[len(names) % len(LOOP_LETTERS)])
            results |= dict.fromkeys(blocks, letter)
            if period <= k < len(levels) - period:
                kinds[k % period, kind] += blocks
    ends = [[blocks for level in part for blocks in level.values()] for part in (levels[:period], levels[-period:])]
    first, last = ([Group([kind]) for kind in end] if len(end) <= TURN else [Group(end, 1)] for end in ends)
    return [*first, Group([*kinds.values()], turns - 2), *last]


def _gathered(layout: _Layout, groups: Iterable[Group]) -> Group:
    kinds: dict[str, list[Block]] = defaultdict(list)
    for b in chain.from_iterable(kind for group in groups for kind in group.kinds):
        kinds[layout.kinds[b]].append(b)
    return Group([*kinds.values()])


def _path(block: Block) -> str:
    """Return the path if the block is a scope, else an empty text."""
    return block if isinstance(block, str) else block[0] if isinstance(block, tuple) else ""


def untangle(parents: Mapping[int, Sequence[int]], block: dict[int, Block], scopes: dict[int, str]) -> dict[Block, int]:
    """Return the level of each block; in `block`, which holds the block of each node, cut scopes that lie on a cycle.

    Such a scope is cut into ranks, one for each entry into it.

    >>> block = {0: "cell", 1: "head", 2: "cell"}
    >>> untangle({0: (), 1: (0,), 2: (1,)}, block, dict(block))
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


def levels(blocks: Iterable[Any], pairs: Iterable[tuple[Any, Any]]) -> dict[Any, int]:
    """Return the length of the longest path to each block, except to blocks on a cycle or behind one."""
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


def loops(marks: Any) -> list[tuple[int, int, int]]:
    """Return (start, period, turns) of the repetitions in a sequence; of overlapping ones the longest is first.

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
    """Cut a sequence into at most so many pieces of nearly equal length."""
    count = min(most, len(items))
    return [items[k * len(items) // count : (k + 1) * len(items) // count] for k in range(count)]
