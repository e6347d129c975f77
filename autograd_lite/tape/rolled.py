"""Programs that repeat, as loops: equal parts of a program are found, and each kind becomes one small kernel over rows.

Long sums, numbers that many instructions read, and results that are sums divide a program. What lies between is cut into
parts, each with one result that is needed beyond it. Parts with the same instructions, up to the slots that they read and to
constants, are the rows of a loop; parts that share instructions row by row are one loop with several results.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from autograd_lite import primitives
from autograd_lite.primitives import Primitive
from autograd_lite.tape.program import Builder, Program

#: Programs of fewer instructions, and parts of which there are fewer equal ones, stay as they are written.
SMALLEST, ROWS = 1000, 16
#: Terms from which on a sum is added up in a fixed tree instead of in its order; uses of a number that are many.
LONG, MANY = 32, 16
#: A rolled program has at most such a share of the instructions, in `STRAIGHT` outside of loops, and does at most so much work.
SHARE, STRAIGHT, WORK = 1 / 4, 4000, 1.5
#: Parts one inside the other, or numbers one after the other, beyond which a program is taken for a recurrence.
DEPTH = 400

_LINEAR = (primitives.add, primitives.sub, primitives.neg)
#: What a part reads: an input of the program, a number that was computed before, a constant.
INPUT, COMPUTED, CONSTANT = 1, 2, 3


@dataclass(frozen=True)
class Loop:
    """Equal parts of a program, one in each row.

    `kernel` has an input for each array of slots in `reads` and for each array of numbers in `data`; its results are the
    slots in `results`.
    """

    kernel: Program
    reads: tuple[Any, ...]
    data: tuple[Any, ...]
    results: tuple[Any, ...]

    @property
    def rows(self) -> int:
        return len(self.results[0])


@dataclass(frozen=True)
class Sum:
    """A long sum: arrays of slots, of which each is added up, and what each of these sums is multiplied by, 1 or -1."""

    slot: int
    terms: tuple[tuple[Any, float], ...]


@dataclass(frozen=True)
class Rolled:
    """A program as loops and long sums, in the order in which they are to run; a part without equals is a loop of one row."""

    program: Program
    steps: tuple[Loop | Sum, ...]

    @property
    def loops(self) -> list[Loop]:
        return [step for step in self.steps if isinstance(step, Loop)]

    @property
    def instructions(self) -> int:
        """How many there are to compile."""
        return sum(len(loop.kernel.code) for loop in self.loops)

    def __str__(self) -> str:
        lines = [
            f"{loop.rows:,} × {len(loop.kernel.code):,} instructions" for loop in self.loops if loop.rows > 1
        ]
        straight = sum(len(loop.kernel.code) for loop in self.loops if loop.rows == 1)
        sums = sum(isinstance(step, Sum) for step in self.steps)
        return "\n".join([*lines, f"{straight:,} instructions outside of loops, {sums:,} long sums"])


def rolled(program: Program) -> Rolled | None:
    """The program as loops, if it repeats itself so much that this pays; None otherwise."""
    if len(program.code) < SMALLEST or any(type(p) is not Primitive or p.arity > 3 for p in {p for p, _ in program.code}):
        return None
    return _Parts(program).rolled()


class _Parts:
    """A program as arrays over its slots, cut into parts."""

    def __init__(self, program: Program) -> None:
        self.program, self.first, self.slots = program, program.first_instruction, program.slots
        operations, arguments = [o for o, _ in program.code], [a for _, a in program.code]
        kinds = {operation: k for k, operation in enumerate(dict.fromkeys(operations))}
        self.operations = [*kinds]
        code = np.fromiter(map(kinds.__getitem__, operations), np.int64, len(operations))
        self.code = np.concatenate([np.full(self.first, -1), code])
        counts = np.fromiter(map(len, arguments), np.int64, len(arguments))
        flat = np.fromiter(chain.from_iterable(arguments), np.int64, int(counts.sum()))
        #: The arguments of each slot, -1 where there is none; and the same as pairs of user and place.
        self.arguments = np.full((self.slots, 3), -1)
        self.users = np.repeat(np.arange(self.first, self.slots), counts)
        self.places = np.arange(len(flat)) - np.repeat(np.cumsum(counts) - counts, counts)
        self.arguments[self.users, self.places] = flat
        self.flat = flat
        self.needed = np.zeros(self.slots, dtype=bool)
        self.needed[list(program.roots)] = True
        self._divide()

    def _is(self, *operations: Primitive) -> Any:
        """Where one of these operations stands; behind the last slot there is none."""
        return np.isin(self.code, [k for k, o in enumerate(self.operations) if o in operations])

    def _divide(self) -> None:
        """Find the sums, and the slots that divide the program into parts."""
        uses, linear = np.bincount(self.flat, minlength=self.slots), self._is(*_LINEAR)
        user = np.zeros(self.slots, dtype=np.int64)
        user[self.flat] = self.users
        inner = linear & (uses == 1) & ~self.needed & linear[user]
        root = np.where(inner, user, np.arange(self.slots))
        negative = np.zeros(self.slots, dtype=bool)
        subtracted = self._is(primitives.neg)[self.users] | (self._is(primitives.sub)[self.users] & (self.places == 1))
        negative[self.flat] = subtracted
        negative &= inner
        while not np.array_equal(further := root[root], root):
            negative ^= negative[root]
            root = further
        term = linear[self.users] & ~inner[self.flat]
        terms = np.bincount(root[self.users[term]], minlength=self.slots)
        results = np.zeros(self.slots, dtype=bool)
        results[[*self.program.outputs, *self.program.doubtful]] = True
        self.long = terms >= LONG
        short = ~self.long & (terms > 1) & results
        inner &= self.long[root] | short[root]
        self.inner, self.root = inner, root
        self.in_long = linear & self.long[root] & (inner | self.long)
        in_short = linear & short[root] & (inner | short)
        #: The terms of long sums: the slot of the sum, the slot of the term, whether it is subtracted.
        of_long = term & self.in_long[self.users]
        self.terms = (
            root[self.users[of_long]],
            self.flat[of_long],
            negative[self.users[of_long]] ^ subtracted[of_long],
        )
        heads = np.zeros(self.slots, dtype=bool)
        heads[self.flat[term & (self.in_long | in_short)[self.users]]] = True
        hub = (uses >= MANY) & ~inner
        #: What divides; what is computed by a part; at which of its arguments a part ends.
        divides = self.long | short | hub
        self.heads = (heads | hub | self.needed) & ~self.long & ~inner
        self.heads[: self.first] = False
        ends = divides[self.flat] | (in_short[self.users] & ~inner[self.flat]) | (self.flat < self.first)
        self.kind = np.zeros((self.slots, 3), dtype=np.int8)
        kinds = np.where(self.flat < self.program.inputs, INPUT, np.where(self.flat < self.first, CONSTANT, COMPUTED))
        self.kind[self.users, self.places] = np.where(ends, kinds, 0)

    def rolled(self) -> Rolled | None:
        if not self._walk():
            return None
        heads = np.flatnonzero(self.heads)
        keys = np.stack([self.stage[heads], self.looks[heads].view(np.int64)])
        order = np.lexsort([heads, *keys])
        changes = np.flatnonzero((np.diff(keys[:, order]) != 0).any(axis=0)) + 1
        alike = np.split(heads[order], changes)
        if sum(len(group) for group in alike if len(group) < ROWS) > STRAIGHT:
            return None
        columns = []
        #: The order of slots in rows: that of inputs, then that in which loops compute them.
        self.ranks = np.arange(self.slots)
        for group in sorted((group for group in alike if len(group) >= ROWS), key=lambda group: self.stage[group[0]]):
            columns.append(_Column(self, group))
            self.ranks[columns[-1].head] = (len(columns) + 1) * self.slots + np.arange(len(group))
        if not columns:
            return None
        loops: list[tuple[int, Loop | Sum]] = []
        for together in _joined(columns):
            loop = self._loop(together)
            loops.append((int(self.stage[loop.results[0][0]]), loop))
        for stage, single in self._singles([group for group in alike if len(group) < ROWS]):
            loops.append((stage, single))
        loops += self._sums([loop for _, loop in loops if isinstance(loop, Loop)])
        rolled_ = Rolled(self.program, tuple(step for _, step in sorted(loops, key=lambda pair: pair[0])))
        return rolled_ if self._pays(rolled_) else None

    def _pays(self, rolled_: Rolled) -> bool:
        count = len(self.program.code)
        work = sum(loop.rows * len(loop.kernel.code) for loop in rolled_.loops)
        return rolled_.instructions <= SHARE * count and work <= WORK * count

    def _walk(self) -> bool:
        """Look at every slot after its arguments: its stage, and a number that tells what its part looks like.

        False where numbers hang on one another in too long a row.
        """
        to = np.where(self.in_long[self.users], self.root[self.users], self.users)
        apart = ~(self.in_long[self.users] & self.inner[self.flat]) & (self.flat >= self.first)
        source, to = self.flat[apart], to[apart]
        order = np.argsort(source, kind="stable")
        source, to = source[order], to[order]
        starts = np.searchsorted(source, np.arange(self.slots + 1))
        waiting = np.bincount(to, minlength=self.slots)
        self.stage = np.zeros(self.slots, dtype=np.int64)
        self.looks = np.zeros(self.slots, dtype=np.uint64)
        self.marks = self._marks()
        ready = np.flatnonzero(waiting == 0)
        ready = ready[(ready >= self.first) & ~(self.in_long & self.inner)[ready]]
        for _ in range(DEPTH):
            if not len(ready):
                return True
            self._look(ready[~self.long[ready]])
            counts = starts[ready + 1] - starts[ready]
            places = np.repeat(starts[ready] - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
            users = to[places]
            of_sum = self.long[users]
            np.maximum.at(self.stage, users[of_sum], self.stage[source[places[of_sum]]] + 1)
            np.subtract.at(waiting, users, 1)
            ready = np.unique(users[waiting[users] == 0])
        return False

    def _marks(self) -> Any:
        """What an argument at which a part ends looks like: its kind, and as an exponent its number."""
        marks = self.kind.astype(np.uint64)
        bits = np.array(self.program.constants or [0.0]).view(np.uint64)
        exponents = np.flatnonzero(self._is(primitives.pow) & (self.kind[:, 1] == CONSTANT))
        marks[exponents, 1] += bits[self.arguments[exponents, 1] - self.program.inputs] | np.uint64(8)
        return marks

    def _look(self, slots: Any) -> None:
        looks = (self.code[slots].astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        stage = np.zeros(len(slots), dtype=np.int64)
        for place in range(3):
            arguments, ends = self.arguments[slots, place], self.kind[slots, place] != 0
            there, computed = arguments >= 0, arguments >= self.first
            stage = np.maximum(stage, np.where(computed, self.stage[arguments] + (ends & computed), 0))
            mark = np.where(ends, self.marks[slots, place], np.where(there, self.looks[arguments], np.uint64(0)))
            looks = (looks ^ mark) * np.uint64(0xD6E8FEB86659FD93)
            looks ^= looks >> np.uint64(32)
        self.stage[slots], self.looks[slots] = stage, looks

    def _loop(self, together: "list[_Column]") -> Loop:
        nodes = dict(chain.from_iterable(column.nodes.items() for column in together))
        order = sorted(nodes, key=lambda key: int(nodes[key].slots[0]))
        reads = {key: column.reads[key] for column in together for key in column.reads}
        numbers = {key: column.numbers[key] for column in together for key in column.numbers}
        shared = {key for key, found in numbers.items() if (found.view(np.int64) == found[:1].view(np.int64)).all()}
        data = [key for key in numbers if key not in shared]
        builder = Builder(len(reads) + len(data))
        places = {key: place for place, key in enumerate([*reads, *data])}
        places |= {key: builder.constant(float(numbers[key][0])) for key in shared}
        for key in order:
            node = nodes[key]
            places[key] = builder.instruction(node.operation, tuple([places[a] for a in node.arguments]))
        results = {column.key: column.head for column in together}
        kernel = builder.finished([places[key] for key in results])
        return Loop(kernel, tuple(reads.values()), tuple(numbers[key] for key in data), tuple(results.values()))

    def _singles(self, groups: list[Any]) -> Iterator[tuple[int, Loop]]:
        """What has too few equals, stage by stage, as loops of one row."""
        heads = np.concatenate([*groups, np.zeros(0, dtype=np.int64)])
        for stage in np.unique(self.stage[heads]).tolist():
            own = np.sort(heads[self.stage[heads] == stage]).tolist()
            reads: dict[int, int] = {}
            inside: set[int] = set()
            waiting = [*own]
            while waiting:
                slot = waiting.pop()
                if slot in inside:
                    continue
                inside.add(slot)
                for a, kind in zip(self.arguments[slot].tolist(), self.kind[slot].tolist(), strict=True):
                    if a >= 0 and not kind:
                        waiting.append(a)
                    elif kind in (INPUT, COMPUTED) and a not in own:
                        reads.setdefault(a, len(reads))
            builder = Builder(len(reads))
            places = dict(reads)
            for slot in sorted(inside):
                operation, arguments = self.program.code[slot - self.first]
                places[slot] = builder.instruction(operation, tuple([self._place(builder, places, a) for a in arguments]))
            kernel = builder.finished([places[slot] for slot in own])
            yield stage, Loop(kernel, tuple(np.array([a]) for a in reads), (), tuple(np.array([s]) for s in own))

    def _place(self, builder: Builder, places: dict[int, int], slot: int) -> int:
        if self.program.inputs <= slot < self.first:
            return builder.constant(self.program.constants[slot - self.program.inputs])
        return places[slot]

    def _sums(self, loops: Sequence[Loop]) -> Iterator[tuple[int, Sum]]:
        """The long sums; terms that are all the results of a loop stay together."""
        column = np.full(self.slots, -1)
        columns: list[Any] = []
        for loop in loops:
            for result in loop.results if loop.rows > 1 else ():
                column[result] = len(columns)
                columns.append(result)
        order = np.argsort(self.terms[0], kind="stable")
        sums, slots, negative = (part[order] for part in self.terms)
        ends = [*(np.flatnonzero(np.diff(sums)) + 1).tolist(), len(sums)]
        start = 0
        for end in ends if len(sums) else ():
            yield int(self.stage[sums[start]]), _sum(int(sums[start]), slots[start:end], negative[start:end], column, columns)
            start = end


def _sum(slot: int, slots: Any, negative: Any, column: Any, columns: list[Any]) -> Sum:
    parts: list[tuple[Any, float]] = []
    own = column[slots]
    rest = np.ones(len(slots), dtype=bool)
    for number in dict.fromkeys(own[own >= 0].tolist()):
        here = own == number
        sign = negative[here]
        if sign.all() == sign.any() and len(sign) == len(columns[number]) == len(np.unique(slots[here])):
            parts.append((columns[number], -1.0 if sign[0] else 1.0))
            rest &= ~here
    parts += [(slots[rest & (negative == flag)], sign) for flag, sign in ((False, 1.0), (True, -1.0))]
    return Sum(slot, tuple((part, sign) for part, sign in parts if len(part)))


@dataclass(frozen=True)
class _Node:
    operation: Primitive
    arguments: tuple[Any, ...]
    slots: Any


class _Column:
    """Equal parts: the slots of each of their instructions, and what they read, in arrays over the parts.

    A key stands for an array. Rows are in the order of what they read, so that arrays of other equal parts, which read the
    same, have the same order.
    """

    def __init__(self, parts: _Parts, heads: Any) -> None:
        self.parts = parts
        self.nodes: dict[Any, _Node] = {}
        self.reads: dict[Any, Any] = {}
        self.numbers: dict[Any, Any] = {}
        head = self._add(heads)
        if self.reads:
            told = np.sort(parts.ranks[np.stack([*self.reads.values()])], axis=0)
            order = np.lexsort([heads, *told[::-1]])
            if (np.diff(order) != 1).any():
                self.nodes, self.reads, self.numbers = {}, {}, {}
                heads = heads[order]
                head = self._add(heads)
        self.key, self.head, self.stage = head, heads, int(parts.stage[heads[0]])

    def _add(self, heads: Any) -> Any:
        """Enter the instructions that end with these; their key."""
        parts = self.parts
        todo: list[tuple[Any, Any]] = [(self._key(heads), heads)]
        while todo:
            key, slots = todo[-1]
            if key in self.nodes:
                todo.pop()
                continue
            code = int(parts.code[slots[0]])
            assert (parts.code[slots] == code).all()
            found: list[Any] = []
            ready = True
            for place in range(parts.operations[code].arity):
                arguments, kind = parts.arguments[slots, place], int(parts.kind[slots[0], place])
                assert (parts.kind[slots, place] == kind).all()
                inner = self._entered(arguments, kind)
                if not kind and inner not in self.nodes:
                    todo.append((inner, arguments))
                    ready = False
                found.append(inner)
            if ready:
                self.nodes[key] = _Node(parts.operations[code], tuple(found), slots)
                todo.pop()
        return self._key(heads)

    def _entered(self, slots: Any, kind: int) -> Any:
        if kind == CONSTANT:
            numbers = np.array(self.parts.program.constants)[slots - self.parts.program.inputs]
            key = "number", numbers.tobytes()
            self.numbers[key] = numbers
            return key
        if kind:
            key = "read", slots.tobytes()
            self.reads[key] = slots
            return key
        return self._key(slots)

    def _key(self, slots: Any) -> Any:
        return "node", slots.tobytes()


def _joined(columns: list[_Column]) -> list[list[_Column]]:
    """Parts that share instructions, row by row, together."""
    leader: dict[Any, list[_Column]] = {}
    found: list[list[_Column]] = []
    for column in columns:
        keys = [(column.stage, key) for key in column.nodes]
        together = [column]
        for other in {id(group): group for group in map(leader.get, keys) if group is not None}.values():
            together = other + together
            found = [group for group in found if group is not other]
        found.append(together)
        leader |= {(column.stage, key): together for member in together for key in member.nodes}
    return found
