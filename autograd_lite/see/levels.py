"""The page of a folded picture: boxes that open in place, level by level, down to single nodes with all their digits.

Few numbers are stored: the page computes sums and products, and every gradient, to the bit. A level that would make the page
too large is left out with its nodes: a node that is shown keeps its arguments and its users, and their numbers.
"""

import html
import json
import re
import zlib
from base64 import b64encode
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, compress, repeat
from operator import attrgetter
from typing import Any

import numpy as np

from autograd_lite.copies import uncollected
from autograd_lite.errors import ArgumentError
from autograd_lite.see.dot import Box
from autograd_lite.see.fold import Positions, levels
from autograd_lite.see.formulas import stem
from autograd_lite.see.graph import Graph
from autograd_lite.see.labels import elide, formula, given_name, operation, rule_name, short, steady, visible
from autograd_lite.see.render import page, section
from autograd_lite.variable import Variable

# Bytes of numbers and structure in a page. About how many boxes, of MANY nodes or more: their sizes take time.
BUDGET, MOST, MANY = 900_000, 400, 100_000
# A copy of more nodes opens on boxes instead of nodes; letters of a name.
CHIPS, NAME_LENGTH = 400, 40
# The operations whose values and local derivatives the page computes as IEEE 754 says; the script knows them by name.
EXACT: dict[str, Callable[..., Any]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "neg": np.negative,
    "relu": lambda x: np.where(x < 0.0, 0.0, x),
}  # fmt: skip
LOCALS: dict[str, Callable[..., Sequence[Any]]] = {  # of the arguments and the value
    "add": lambda *_: (1.0, 1.0),
    "sub": lambda *_: (1.0, -1.0),
    "mul": lambda a, b, _: (b, a),
    "div": lambda _, b, y: (1.0 / b, -(y / b)),
    "neg": lambda *_: (-1.0,),
    "relu": lambda x, _: (x > 0.0,),
}


class Moments:
    """The numbers of a graph at one or several moments: a row for each node or argument, a column for each moment.

    `flat` holds the arguments of all nodes one behind another: positions, or -1 for a number. The sweep starts from the
    seed 1 at each output, or from `seed`; frames are graphs of one structure.
    """

    def __init__(self, graph: Graph, frames: Mapping[Any, Graph], seed: float | None = None) -> None:
        nodes, self.graph, self.labels = graph.nodes, graph, [*frames]
        self.ops = [rule_name(node) or "hand-made" * bool(node.arguments) for node in nodes]
        self.flat, consts = _arguments(graph)
        self.start = np.cumsum([0, *(len(node.arguments) for node in nodes)])
        graphs, constants = [*frames.values()], []
        self.shown = graphs.index(graph) if graph in graphs else len(graphs) - 1
        for label, other in frames.items():
            given, numbers = (self.flat, consts) if other is graph else _arguments(other)
            self._compare(label, other, given)
            constants.append(numbers)
        self.values = np.array([[*map(attrgetter("_value"), g.nodes)] for g in graphs]).T.copy()
        #: The values of the arguments.
        self.given = np.empty((len(self.flat), len(graphs)))
        number = self.flat < 0
        self.given[number], self.given[~number] = np.transpose(constants), self.values[self.flat[~number]]
        self.user = np.repeat(np.arange(len(nodes)), np.diff(self.start))
        self.computed = np.zeros(len(nodes), dtype=bool)  # whose values the page can compute
        self.locals = np.zeros_like(self.given)
        self.selects = [node.primitive is not None and node.primitive.selects for node in nodes]
        with np.errstate(all="ignore"):
            self._differentiate(graphs)
            self.grads = self._sweep(graphs, seed)

    def _compare(self, label: Any, other: Graph, given: Any) -> None:
        """Refuse a frame of another structure."""
        rules, theirs = ([*map(attrgetter("_primitive"), g.nodes)] for g in (self.graph, other))
        if rules == theirs and other.ends == self.graph.ends and np.array_equal(given, self.flat):
            return
        told = f"frames[{label!r}] has another structure than the graph that is drawn: "
        for i, (a, b) in enumerate(zip(self.graph.nodes, other.nodes, strict=False)):
            kinds = [(operation(n), g.parents[i], [*map(type, n.arguments)]) for n, g in ((a, self.graph), (b, other))]
            if kinds[0] != kinds[1]:
                here, there = (elide(formula(n, g.name) or "a leaf", 60) for n, g in ((a, self.graph), (b, other)))
                raise ArgumentError(
                    f"{told}node {i} is {there}, and not {here}. Run the function anew for each frame, on the same path."
                )
        if len(other.nodes) != len(self.graph.nodes) or other.ends != self.graph.ends:
            counts = f"{len(other.nodes):,} nodes, and not {len(self.graph.nodes):,}"
            raise ArgumentError(f"{told}{counts}. Run the function anew for each frame, on the same path.")

    def _differentiate(self, graphs: Sequence[Graph]) -> None:
        """Fill the local derivatives: by rule where a rule gives the value that the node has, else from the node."""
        where: dict[tuple[str, bool], list[int]] = {}
        for i, (op, node) in enumerate(zip(self.ops, self.graph.nodes, strict=True)):
            where.setdefault((op, node.primitive is not None and node.primitive.built_in), []).append(i)
        for (op, ours), found in where.items():
            rest, slots = found, self.start[found]
            if ours and op in EXACT:
                operands = [self.given[slots + k] for k in range(self.start[found[0] + 1] - slots[0])]
                value, own = EXACT[op](*operands), self.values[found]
                right = ((value == own) | (np.isnan(value) & np.isnan(own))).all(axis=1)
                self.computed[found] = right
                for k, local in enumerate(LOCALS[op](*operands, own)):
                    self.locals[slots + k] = local
                rest = [i for i, fine in zip(found, right, strict=True) if not fine]
            if op:
                places = np.array(
                    [s for i in rest for s in range(*self.start[i : i + 2]) if self.flat[s] >= 0], dtype=int
                )
                for f, g in enumerate(graphs):
                    self.locals[places, f] = [local for i in rest for _, local in g.nodes[i].local_gradients]

    def _sweep(self, graphs: Sequence[Graph], given: float | None) -> Any:
        """Return the gradients of all nodes; the page sums in the same order."""
        grads = np.zeros_like(self.values)
        for f, g in enumerate(graphs):
            for i, seed in g.seeds.items():
                grads[i, f] = seed if given is None else given
        self.seeds = {i: grads[i].copy() for i in self.graph.ends}
        rows, slopes, flat, start = [*grads], [*self.locals], self.flat.tolist(), self.start.tolist()
        for i in range(len(rows) - 1, -1, -1):
            upstream, selects = rows[i], self.selects[i]
            for s in range(start[i], start[i + 1]):
                if (j := flat[s]) >= 0:
                    product = slopes[s] * upstream
                    rows[j] += np.where(slopes[s] == 0.0, 0.0, product) if selects else product
        return grads


def _arguments(graph: Graph) -> tuple[Any, list[float]]:
    """Return the arguments of all nodes: positions, -1 for numbers; and these numbers."""
    given = [*chain.from_iterable(map(attrgetter("arguments"), graph.nodes))]
    flat = np.fromiter(map(graph.position.get, map(id, given), repeat(-1)), int, len(given))
    return flat, [float(getattr(a, "value", a)) for a in compress(given, flat < 0)]


def root_mean_square(rows: Any) -> Any:
    """Return √(mean x²) of each column; nothing overflows.

    >>> root_mean_square(np.array([[3e200], [4e200]])) / 1e200
    array([3.53553391])
    """
    with np.errstate(all="ignore"):
        most = np.abs(rows).max(axis=0)
        scaled = np.sqrt(np.mean(np.square(rows / np.where(most > 0.0, most, 1.0)), axis=0)) * most
        return np.where(np.isfinite(most), scaled, most)


@dataclass(eq=False)
class Level:
    """A box of the page. `extra` are the leaves that nothing outside uses; the other fields are filled when it is unfolded.

    It shows cells (copies, turns, leaves), then boxes, then single nodes. `lines` are pairs of places among the boxes: a
    value goes past the boxes between, and is added to what they make of it.
    """

    box: Box
    around: str = ""  # the path of the scope that is open around it, with a slash
    extra: list[int] = field(default_factory=list)
    cells: Sequence[Sequence[int]] = ()
    rows: Sequence[int] = ()
    boxes: list["Level"] = field(default_factory=list)
    copies: list["Level"] = field(default_factory=list)  # the cells that are too large to be shown node by node
    what: Sequence[str] = ()
    lines: list[tuple[int, int]] = field(default_factory=list)
    nodes: Sequence[int] = ()
    unfolded: bool = False
    brief: bool = False  # of each cell only the result, without its shares: the page has no room for more

    @property
    def title(self) -> tuple[str, ...]:
        alone = len(self.box.nodes) == 1 and not self.box.scope  # its formula is told instead
        first, *rest = ("",) if alone else self.box.title or ("",)
        lines = [f"{first} {rest.pop(0)}" if rest and first.endswith(" of") else first, *rest]
        return tuple(visible(line.replace(self.around, "", 1) if self.around else line) for line in lines if line)

    def shown(self) -> list[int]:
        """The nodes that can be looked at where this box is open, without those in boxes inside."""
        if self.brief:
            return []
        return [*(i for cell in self.cells if len(cell) <= CHIPS for i in cell), *self.nodes]


class Levels:
    """The levels of a folded graph, with the numbers of its moments."""

    def __init__(self, positions: Positions, moments: Moments, opened: Iterable[str] = ()) -> None:
        self.positions, self.moments, self.opened = positions, moments, {*opened}
        self.nodes = moments.graph.nodes
        self.top = Level(Box("", (), tuple(positions.parents)))
        # For each argument that is drawn: its node and its user.
        drawn = np.zeros(len(self.nodes), dtype=bool)
        drawn[[*positions.parents]] = True
        sent = (moments.flat >= 0) & drawn[moments.user]
        self.arrows = moments.user[sent], moments.flat[sent]
        self.anchor: dict[int, int] = {}  # the sum that each node is a term of
        for i in reversed(positions.parents):
            user = positions.user.get(i)
            self.anchor[i] = i if user is None or moments.ops[user] != "add" else self.anchor[user]
        #: The first user of each node.
        self.first = dict(zip(*(a[::-1].tolist() for a in self.arrows[::-1]), strict=True))

    def unfold(self, level: Level) -> list[Level]:
        """Fill a level; return the boxes in it."""
        box, level.unfolded = level.box, True
        if len(box.cells) > 1:
            level.cells, level.rows = self._arranged(box.cells)
            if max(level.rows) == 1:
                level.rows = [len(level.cells)]
            parts = self._leaves(level.extra)
        elif len(box.nodes) + len(level.extra) == 1:
            level.nodes = box.nodes
            return []
        elif box.scope:  # its leaves are told apart by the boxes in it that use them
            parts = self.positions.children(replace(box, nodes=tuple(sorted({*box.nodes, *level.extra}))))
        else:
            parts = self.positions.children(box)
        loose = [] if box.scope or level.cells else level.extra
        if not level.cells and not any(part.scope or len(part.nodes) > 1 for part in parts):
            level.nodes = [*(part.nodes[0] for part in reversed(parts)), *loose]
            counts = Counter(self.moments.ops[i] for i in level.nodes if self.nodes[i].arguments)
            level.what = [", ".join(op for op, _ in counts.most_common())] if box.scope else []
            return []
        level.boxes = self._sorted([*parts, *self._leaves(loose)], level)
        level.what = [part.title[0] for part in level.boxes if part.title]
        if len(level.boxes) == 1 and not level.cells:  # nothing to choose: show what is in it
            only = level.boxes[0]
            inner = self.unfold(only)
            level.cells, level.rows, level.boxes, level.copies = only.cells, only.rows, only.boxes, only.copies
            level.nodes, level.lines = only.nodes, only.lines
            return inner
        large = [cell for cell in level.cells if len(cell) > CHIPS]
        level.copies = [
            Level(replace(box, nodes=tuple(cell), scope=self._scope(cell, box), cells=())) for cell in large
        ]
        return level.boxes + level.copies

    def _leaves(self, leaves: Sequence[int]) -> list[Box]:
        """Boxes of the leaves of a repetition, one for each name without its numbers."""
        groups: dict[str, list[int]] = {}
        for i in sorted(leaves):
            letter = self.positions.letters.get(i) or stem(given_name(self.nodes[i]))
            groups.setdefault(letter, []).append(i)
        return [
            Box(
                f"g{of[0]}",
                (f"{len(of):,} " + (f"× {letter}" if letter else "leaves"),),
                tuple(of),
                cells=tuple((i,) for i in of),
            )
            for letter, of in groups.items()
        ]

    def _scope(self, cell: Sequence[int], box: Box) -> str:
        """The scope of a copy that is a scope, else nothing."""
        paths = {"/".join((self.nodes[i].scope or "").split("/")[: box.depth + 1]) for i in cell}
        return paths.pop() if len(paths) == 1 and {self.nodes[i].scope for i in cell} != {None} else ""

    def _sorted(self, parts: Sequence[Box], level: Level) -> list[Level]:
        """The boxes in the order in which gradients flow; leaves of one box go into it; lines past boxes are noted."""
        owner = np.full(len(self.nodes), -1)
        for k, part in enumerate(parts):
            owner[list(part.nodes)] = k
        users, args = self.arrows
        known = owner[args] >= 0
        pairs = [*{*zip(owner[args[known]].tolist(), owner[users[known]].tolist(), strict=True)}]
        computed = [any(self.nodes[i].arguments for i in part.nodes) for part in parts]
        parts, new = _merged(parts, pairs, computed)
        owner = np.array([*new, -1])[owner]
        pairs = [*{(new[a], new[b] if b >= 0 else b) for a, b in pairs}]
        by = {k: {b for a, b in pairs if a == k and b != k} for k in range(len(parts))}
        leaves = {
            k for k, part in enumerate(parts) if not any(self.nodes[i].arguments for i in part.nodes) and not part.scope
        }
        inside = {k: next(iter(by[k])) for k in leaves if len(by[k]) == 1 and -1 not in by[k] and not by[k] & leaves}
        kept = [k for k in range(len(parts)) if k not in inside]
        depth = levels(kept, [(a, b) for a, b in pairs if a != b and a in kept and b in kept])
        kept.sort(key=lambda k: (k in leaves, -depth[k], parts[k].nodes[0]))
        boxes = {k: Level(parts[k], around=f"{level.box.scope}/" if level.box.scope else "") for k in kept}
        for k, other in inside.items():
            boxes[other].extra += parts[k].nodes
        place = np.full(len(parts) + 1, -1)
        place[kept] = range(len(kept))
        level.lines = self._lines(place[owner], {place[k] for k in leaves if k in boxes})
        return [*boxes.values()]

    def _lines(self, place: Any, leaves: set[int]) -> list[tuple[int, int]]:
        """Pairs (a, b) of places: an addition in box a takes a value of box b, which boxes between use too."""
        users, args = self.arrows
        above, below = place[users], place[args]
        crossing = (above >= 0) & (below > above + 1)
        if not crossing.any():
            return []
        reach: dict[int, list[int]] = {}
        for i, k in zip(args[below >= 0].tolist(), above[below >= 0].tolist(), strict=True):
            reach.setdefault(i, []).append(k)
        found = Counter[tuple[int, int]]()
        for user, i, a, b in zip(*(x[crossing].tolist() for x in (users, args, above, below)), strict=True):
            if self.moments.ops[user] == "add" and b not in leaves and any(a < k < b for k in reach[i]):
                found[a, b] += 1
        lines: list[tuple[int, int]] = []
        for a, b in sorted(found, key=lambda line: (-found[line], line)):  # a line that would cross another is left out
            if all(b <= c or d <= a or (c <= a and b <= d) or (a <= c and d <= b) for c, d in lines):
                lines.append((a, b))
        return sorted(lines, key=lambda line: (line[0], -line[1]))

    def _arranged(self, cells: Sequence[Sequence[int]]) -> tuple[Sequence[Sequence[int]], Sequence[int]]:
        """Return cells row by row, and the lengths of the rows: by two numbers in names, by users of leaves, by gaps."""
        results = [cell[-1] for cell in cells]
        names = [given_name(self.nodes[i]) for i in results]
        numbers = [tuple(map(int, re.findall(r"\d{1,9}", name)[-2:])) for name in names]
        alike = len({re.sub(r"\d+", "#", name) for name in names}) == 1
        if alike and len({*numbers}) == len(cells) and all(len(pair) == 2 for pair in numbers):
            order = sorted(range(len(cells)), key=numbers.__getitem__)
            lengths = Counter(numbers[k][0] for k in order)
            return [cells[k] for k in order], [*lengths.values()]
        if all(not self.nodes[i].arguments for i in results):
            anchors = [self.anchor.get(self.first.get(i, i), i) for i in results]
            rows = Counter(anchors)
            rank = {anchor: k for k, anchor in enumerate(rows)}
            order = sorted(range(len(cells)), key=lambda k: rank[anchors[k]])
            return [cells[k] for k in order], [*rows.values()]
        # A row ends where more was made in between than between its own cells.
        gaps = np.pad(np.diff(results), 1)
        breaks = np.flatnonzero((gaps[1:-1] > 1.2 * gaps[:-2]) & (gaps[1:-1] > 1.2 * gaps[2:])) + 1
        return cells, np.diff([0, *breaks, len(cells)]).tolist()

    def size(self, level: Level) -> Any:
        """The root mean square of the gradients of the results of a box: of the nodes that others use."""
        nodes = np.array([*level.box.nodes, *level.extra])
        inside = np.zeros(len(self.nodes), dtype=bool)
        inside[nodes] = True
        users, args = self.arrows
        results = np.zeros_like(inside)
        results[args[inside[args] & ~inside[users]]] = True
        results[[i for i in self.moments.graph.ends if inside[i]]] = True
        return root_mean_square(self.moments.grads[results])

    def choose(self, budget: int) -> tuple[list[Level], Any, Any]:
        """Unfold boxes, those of `opened` first, then breadth first, as far as the budget goes.

        Return all boxes, which nodes are stored with their shares, and which without.
        """
        whole, brief = np.zeros((2, len(self.nodes)), dtype=bool)
        if (
            self.cost(~whole, brief) < 0.9 * budget
        ):  # all together; a part may cost more, for it stores what the rest tells
            budget = 2**63
        most = max(MOST, MOST * MANY // len(self.nodes))
        found, first, then = [self.top], deque[Level](), deque([self.top])
        while (first or then) and len(found) < most:
            level = (first or then).popleft()
            inner = self.unfold(level)
            for short_of_room in (False, True)[: 2 if level.cells else 1]:
                level.brief = short_of_room
                more = whole.copy(), brief.copy()
                more[0][level.shown()] = True
                more[1][[cell[-1] for cell in level.cells]] = True
                if level is self.top or self.cost(*more) + 250 * (len(found) + len(inner)) < budget:
                    whole, brief = more
                    found += inner
                    for box in inner:
                        (first if self.is_opened(box) else then).append(box)
                    break
            else:
                level.unfolded = level.brief = False
                level.cells, level.nodes, level.boxes, level.copies = (), (), [], []
        return found, whole, brief

    def is_opened(self, level: Level) -> bool:
        return level.box.id in self.opened or any(
            f"{w}/".startswith(f"{level.box.scope}/") for w in self.opened if level.box.scope
        )

    def _stored(self, kept: Any, brief: Any) -> tuple[Any, Any, Any, Any, Any]:
        """For nodes to look at: the page's nodes; whose values and gradients, and which arguments and locals it stores."""
        m = self.moments
        node = m.flat >= 0
        near = kept[m.user] | (node & kept[m.flat])
        known = kept | brief
        known[m.user[near]] = True
        known[m.flat[kept[m.user] & node]] = True
        takes = near & (~node | known[m.flat])  # arguments that the page knows
        whole = np.ones(len(known), dtype=bool)
        whole[m.user[~takes]] = False
        values = known & ~(m.computed & whole)
        locals_ = takes & node & ~(m.computed & whole)[m.user]
        return known, values, known & ~kept, takes, locals_

    def cost(self, kept: Any, brief: Any) -> int:
        """About how many bytes the numbers and the structure take."""
        known, values, grads, takes, locals_ = self._stored(kept, brief)
        each = 10.0 * len(self.moments.labels)
        return int(each * (values.sum() + grads.sum() + locals_.sum()) + 1.2 * known.sum() + 0.6 * takes.sum())

    @property
    def title(self) -> str:
        """The name of the output, and how much there is."""
        name, count = given_name(self.nodes[self.moments.graph.ends[0]]), len(self.top.boxes)
        told = f"{len(self.positions.parents):,} nodes" + f" in {count:,} boxes" * bool(count)
        return f"{elide(name, NAME_LENGTH)}: {told}" if name else told

    @uncollected()
    def fragment(self, budget: int = BUDGET) -> str:
        """Return the section of the page."""
        found, kept, brief = self.choose(budget)
        stored = self._stored(kept, brief)
        sizes = np.array([self.size(level) for level in found[1:]]).reshape(-1, len(self.moments.labels))
        words = _finite(self._words(found, kept, stored))
        data = {
            "text": _packed(json.dumps(words, separators=(",", ":")).encode()),
            "numbers": _packed(_planes(self._numbers(sizes, stored))),
        }
        plain = (
            f"<p>Opening boxes needs JavaScript.</p><table>{_table(self.top.boxes, sizes, self.moments.labels)}</table>"
        )
        return section("folded", "al-fold", self.title, data, plain)

    def _numbers(self, sizes: Any, stored: Sequence[Any]) -> Any:
        """What the page holds as numbers, a row for each and a column for each moment."""
        m, (known, values, grads, _, locals_) = self.moments, stored
        seeds = np.array([m.seeds[i] for i in m.graph.ends if known[i]])
        given = m.given[(m.flat < 0) & known[m.user]]
        parts = [sizes, m.values[values], m.grads[grads], m.locals[locals_], given, seeds]
        return np.concatenate([part.reshape(-1, len(m.labels)) for part in parts])

    def _words(self, found: Sequence[Level], kept: Any, stored: Sequence[Any]) -> dict[str, Any]:
        """What the page holds as words and places: titles, boxes, operations, and for each node how it came about."""
        m, (known, values, _, takes, locals_) = self.moments, stored
        record = np.cumsum(known) - 1
        pages = {id(level): k for k, level in enumerate(found)}
        shown = np.flatnonzero(known)
        # An argument: its distance to the node, 0 if the page does not know it, -1 for a number.
        args = np.where(m.flat < 0, -1, np.where(takes, record[m.user] - record[m.flat], 0))[known[m.user]]
        ops = {op: k for k, op in enumerate(dict.fromkeys(m.ops[i] for i in shown))}
        rules = {i: self.nodes[i].primitive for i in shown}
        told = {
            m.ops[i]: [m.ops[i], visible(rule.symbol) if rule else "", int(m.selects[i])] for i, rule in rules.items()
        }
        return {
            "title": self.title,
            "labels": [visible(str(label)) for label in m.labels],
            "boxes": [self._told(level, pages, record) for level in found],
            "ops": [told[op] for op in ops],
            "op": [ops[m.ops[i]] for i in shown],
            "names": [steady(elide(given_name(self.nodes[i]), NAME_LENGTH)) or 0 for i in shown],
            "numbers": _steps([int(m.graph.numbers[i][1:]) for i in shown]),
            "counts": np.diff(m.start)[shown].tolist(),
            "args": args.tolist(),
            "whole": kept[shown].astype(int).tolist(),
            "values": _steps(record[np.flatnonzero(values)].tolist()),
            "locals": _steps(np.flatnonzero(locals_[known[m.user]]).tolist()),
            "ends": record[[i for i in m.graph.ends if known[i]]].tolist(),
            "shown": m.shown,
            "curve": m.values[m.graph.ends[0]].tolist(),
        }

    def element(self, *_: Any, **_attributes: object) -> str:
        """The page as one element, as `Drawing` asks for it."""
        return self.fragment(BUDGET)

    def page(self, budget: int = BUDGET) -> str:
        fragment = self.fragment(budget)  # which unfolds the boxes that the title counts
        return page(self.title, fragment)

    def _told(self, level: Level, pages: Mapping[int, int], record: Any) -> dict[str, Any]:
        title = level.title or (_single(self.nodes[level.box.nodes[0]], self.moments.graph) if level.box.nodes else "",)
        facts = {
            "title": title[0],
            "what": ", ".join([*title[1:], *dict.fromkeys(level.what)][:6]),
            "count": len(level.box.nodes) + len(level.extra),
            "id": level.box.scope or level.box.id,
            "open": int(self.is_opened(level)),
            "closed": int(not level.unfolded),
            "brief": int(level.brief),
            "cells": [
                [len(cell), *_steps(record[list(cell)].tolist())] if len(cell) <= CHIPS else [0, int(record[cell[-1]])]
                for cell in (cell[-1:] if level.brief else cell for cell in level.cells)
            ],
            "rows": level.rows,
            "boxes": [pages[id(box)] for box in level.boxes],
            "copies": [pages[id(copy)] for copy in level.copies],
            "lines": level.lines,
            "nodes": record[list(level.nodes)].tolist(),
        }
        return {key: fact for key, fact in facts.items() if fact}


def _merged(
    parts: Sequence[Box], pairs: Sequence[tuple[int, int]], computed: Sequence[bool]
) -> tuple[Sequence[Box], list[int]]:
    """Join boxes of one formula, such as those of rows of different length, where that makes no cycle of boxes.

    Return the boxes, and the new number of each. `pairs` holds the numbers of a box and of one that uses it.
    """
    kinds: dict[str, list[int]] = {}
    for k, part in enumerate(parts):
        if len(part.title) == 1 and not part.scope and computed[k]:
            kinds.setdefault(re.sub(r"^[\d,]+ × ", "", part.title[0]), []).append(k)
    new = [*range(len(parts))]
    for same in kinds.values():
        if len(same) == 1 or any(a in same and b in same and a != b for a, b in pairs):
            continue
        tried = [same[0] if k in same else number for k, number in enumerate(new)]
        between = {(tried[a], tried[b]) for a, b in pairs if b >= 0 and tried[a] != tried[b]}
        if len(levels({*tried}, between)) == len({*tried}):
            new = tried
    numbers = {k: number for number, k in enumerate(dict.fromkeys(new))}
    found = list[Box]()
    for k in numbers:
        joined = [part for part, other in zip(parts, new, strict=True) if other == k]
        if len(joined) > 1:
            cells = sorted((cell for part in joined for cell in part.cells or (part.nodes,)), key=lambda cell: cell[-1])
            title = re.sub(r"^([\d,]+ × )?", f"{len(cells):,} × ", joined[0].title[0])
            nodes = tuple(sorted(chain.from_iterable(cells)))
            joined = [replace(joined[0], title=(title,), nodes=nodes, cells=tuple(cells))]
        found += joined
    return found, [numbers[k] for k in new]


def _single(node: Variable, graph: Graph) -> str:
    name = elide(graph.name(node), 16)
    return f"{name} = {elide(formula(node, lambda a: elide(graph.name(a), 10)), 40)}" if node.arguments else name


def _steps(numbers: Sequence[int]) -> list[int]:
    """Return the first number and the steps from each to the next, which pack better."""
    return [b - a for a, b in zip([0, *numbers], numbers, strict=False)]


def _finite(thing: Any) -> Any:
    """Replace NaN and infinity, which JSON lacks, by text."""
    if isinstance(thing, dict):
        return {key: _finite(part) for key, part in thing.items()}
    if isinstance(thing, list) and thing and isinstance(thing[0], float):
        return [x if np.isfinite(x) else repr(x) for x in thing]
    return thing


def _planes(numbers: Any) -> bytes:
    """Return the bytes of numbers, first bytes first: signs and exponents pack well by themselves."""
    return bytes(np.ascontiguousarray(numbers.astype("<f8").reshape(-1, 1).view(np.uint8).T).tobytes())


def _packed(data: bytes) -> str:
    return b64encode(zlib.compress(data, 9)).decode()


def _table(rows: Sequence[Level], sizes: Any, labels: Sequence[Any]) -> str:
    """The boxes as a table, for readers without JavaScript."""
    heads = [f"at {label}" for label in labels] if len(labels) > 1 else ["gradients, root mean square"]
    lines = [["box", "nodes", *heads]]
    lines += [
        [", ".join(r.title) or "node", f"{len(r.box.nodes) + len(r.extra):,}", *map(short, size)]
        for r, size in zip(rows, sizes, strict=False)
    ]
    return "".join("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in line) + "</tr>" for line in lines)
