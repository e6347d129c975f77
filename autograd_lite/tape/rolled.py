"""Programs that repeat, as loops: equal parts of a program are found, and each kind becomes one small kernel over rows.

Long sums, numbers that many instructions read, and results that are sums divide a program. What lies between is cut into
parts, each with one result that is needed beyond it. Parts with the same instructions, up to the slots that they read and to
constants, are the rows of a loop; parts that share instructions row by row are one loop with several results.

Where there are branches, all bits are those of the program as it is written: sums are added up in its order, and functions
are those of one lane. Else the bits would hang on what ways through a function are known (`healing`), and on whether a way is
long enough to be rolled. Without branches there is one program: a loop adds up its terms in a fixed tree, several at a time,
by the functions of lanes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from autograd_lite import primitives
from autograd_lite.primitives import Primitive
from autograd_lite.tape.alike import Arrays
from autograd_lite.tape.program import Builder, Program

#: Programs of fewer instructions, and parts of which there are fewer equal ones, stay as they are written.
SMALLEST, ROWS = 1000, 16
#: Terms, added one after the other, from which on a sum is a loop of its own.
LONG = 32
#: Uses from which on a number divides a program: where that leaves too many kinds of parts, or too much that several of them
#: compute, all numbers that are used twice do.
USES = 16, 2
#: A rolled program has at most such a share of the instructions, so many parts outside of loops, and so much work to do.
SHARE, STRAIGHT, WORK = 1 / 4, 4000, 1.5
#: So many numbers in a row, each of which hangs on the one before, make a recurrence; also fewer that have no company.
DEPTH, PATIENCE = 400, 64

_LINEAR = (primitives.add, primitives.sub, primitives.neg)
#: What a part reads: an input of the program, a number that was computed before, a constant.
INPUT, COMPUTED, CONSTANT = 1, 2, 3


@dataclass(frozen=True, repr=False)
class Loop:
    """Equal parts of a program, one in each row.

    `kernel` has an input for each array of slots in `reads` and for each array of numbers in `data`; its results are the
    slots in `results`.
    """

    kernel: Program
    reads: tuple[Any, ...]
    data: tuple[Any, ...]
    results: tuple[Any, ...]
    members: tuple[int, ...] = ()  # the slots of the instructions of the first row

    @property
    def rows(self) -> int:
        return len(self.results[0])


@dataclass(frozen=True, repr=False)
class Sum:
    """A long sum: its terms in the order in which they are added up, and which of them are subtracted."""

    slot: int
    terms: Any
    negative: Any

    def part(self, first: int, stop: int) -> "Sum":
        return Sum(self.slot, self.terms[first:stop], self.negative[first:stop])


@dataclass(frozen=True, repr=False)
class Rolled:
    """A program as loops and long sums, in the order in which they are to run; a part without equals is a loop of one row."""

    program: Program  # with its tests for NaN, see `Program.tested`
    results: tuple[int, ...]
    steps: tuple[Loop | Sum, ...]
    products: int  # of an input and a number that is computed, each used once: matrices are made of these
    branches: bool  # guards, or conditions as numbers

    @property
    def loops(self) -> list[Loop]:
        return [step for step in self.steps if isinstance(step, Loop)]

    @property
    def instructions(self) -> int:
        """How many there are to compile."""
        return sum(len(loop.kernel.code) for loop in self.loops)

    def lines(self, told: Mapping[int, str]) -> list[str]:
        """What there is, in words, with the lines that are `told` of slots."""
        found = []
        for loop in sorted(self.loops, key=lambda loop: -loop.rows):
            if loop.rows > 1:
                where = dict.fromkeys(told[slot] for slot in loop.members if slot in told)
                source = f": {', '.join(where) or 'derivatives'}" if told else ""
                found.append(f"{loop.rows:,} × {len(loop.kernel.code):,} instructions{source}")
        straight = sum(len(loop.kernel.code) for loop in self.loops if loop.rows == 1)
        sums = sum(isinstance(step, Sum) for step in self.steps)
        return [*found, f"{straight:,} instructions outside of loops, {sums:,} long sum{'s' * (sums != 1)}"]


def rolled(program: Program) -> Rolled | None:
    """The program as loops, if it repeats itself so much that this pays; None otherwise. A program keeps what was found."""
    found = vars(program)
    if "rolled" not in found:
        ways = USES if _may_be_rolled(program) else ()
        found["rolled"] = next(filter(None, (_Parts(program, many).rolled() for many in ways)), None)
    return found["rolled"]  # type: ignore[no-any-return]


def _may_be_rolled(program: Program) -> bool:
    kinds = {operation for operation, _ in program.code}
    return len(program.code) >= SMALLEST and all(type(p) is Primitive and p.arity <= 3 for p in kinds)


class _Parts:
    """A program as arrays over its slots, cut into parts."""

    def __init__(self, program: Program, many: int) -> None:
        self.program, self.results = program.tested()
        self.many, self.branches = many, bool(program.guards)
        self.first, self.slots = program.first_instruction, program.slots
        arrays = Arrays(program)
        self.operations, self.flat = arrays.known, arrays.arguments
        self.code = np.concatenate([np.full(self.first, -1), arrays.operations])
        #: The arguments of each slot, -1 where there is none; and the same as pairs of user and place.
        self.arguments = np.full((self.slots, 3), -1)
        self.users, self.places = arrays.uses()
        self.arguments[self.users, self.places] = self.flat
        self.needed = np.zeros(self.slots, dtype=bool)
        self.needed[[*self.program.roots, *self.results]] = True
        self._divide()

    def _is(self, *operations: Primitive) -> Any:
        """Where one of these operations stands; behind the last slot there is none."""
        return np.isin(self.code, [k for k, o in enumerate(self.operations) if o in operations])

    def _trees(self) -> None:
        """Find the trees of sums: `inner` slots are used once, by another sum; each has the `root` of its tree.

        Where sums run along a chain, one term at a time, the chain is a tree by itself, `chained` if it is long.
        """
        self.uses, self.linear = np.bincount(self.flat, minlength=self.slots), self._is(*_LINEAR)
        user = np.zeros(self.slots, dtype=np.int64)
        user[self.flat] = self.users
        inner = self.linear & (self.uses == 1) & ~self.needed & self.linear[user]
        along = inner & self._along(inner, user)
        term = self.linear[self.users] & ~along[self.flat]
        top = _ends(along, user)
        self.chained = self.linear & (np.bincount(top[self.users[term]], minlength=self.slots) >= LONG)[top]
        self.inner = inner & (along | ~(self.chained | self.chained[user]))
        self.root = _ends(self.inner, user)
        self.subtracted = self._is(primitives.neg)[self.users]
        self.subtracted |= self._is(primitives.sub)[self.users] & (self.places == 1)
        negative = np.zeros(self.slots, dtype=bool)
        negative[self.flat] = self.subtracted
        negative &= self.inner
        further = np.where(self.inner, user, np.arange(self.slots))
        while not np.array_equal(further, again := further[further]):
            negative ^= negative[further]
            further = again
        self.negative = negative

    def _along(self, inner: Any, user: Any) -> Any:
        """Where a sum goes on the one longest chain that ends with its user.

        A chain begins above what resembles its further terms, as a first term does that is added to a number.
        """
        height, other = [0] * self.slots, [-1] * self.slots  # the longest chain that ends there; the next one above
        longest: dict[int, int] = {}
        slots = np.flatnonzero(inner)
        for slot, above in zip(slots.tolist(), user[slots].tolist(), strict=True):  # an argument before its user
            own = height[slot]
            if own >= height[above]:
                other[above], height[above], longest[above] = height[above] - 1, own + 1, slot
            else:
                other[above] = max(other[above], own)
        found = np.zeros(self.slots, dtype=bool)
        heights, others = np.array(height), np.array(other)
        below, users = np.array([*longest.values()], dtype=np.int64), np.array([*longest], dtype=np.int64)
        beside = np.where(others[users] >= 0, others[users], others[user[users]])
        found[below] = heights[below] > beside
        return found

    def _divide(self) -> None:
        """Find what divides the program into parts: long sums, results that are sums, numbers of many uses."""
        self._trees()
        users, flat, root = self.users, self.flat, self.root
        term = self.linear[users] & ~self.inner[flat]
        terms = np.bincount(root[users[term]], minlength=self.slots)
        results = np.zeros(self.slots, dtype=bool)
        results[[*self.results]] = True
        self.long = self.chained & ~self.inner
        short = ~self.chained & (terms > 1) & (terms < LONG) & results
        wide = self.linear & ~self.chained & (terms >= LONG)[root]  # sums of sums, level by level
        self.inner &= self.long[root] | short[root]
        self.in_long = self.linear & self.long[root] & (self.inner | self.long)
        in_short = self.linear & short[root] & (self.inner | short)
        of_long = term & self.in_long[users]
        #: The terms of long sums in their order: the slot of the sum, the slot of the term, whether it is subtracted.
        self.terms = root[users[of_long]], flat[of_long], self.negative[users[of_long]] ^ self.subtracted[of_long]
        hub = ((self.uses >= self.many) & ~self.inner) | wide
        #: The slots that parts compute, and at which of its arguments a part ends.
        self.heads = hub | self.needed
        self.heads[flat[term & (self.in_long | in_short)[users]]] = True
        self.heads &= ~self.long & ~self.inner
        self.heads[: self.first] = False
        ends = (self.long | short | hub)[flat] | (in_short[users] & ~self.inner[flat]) | (flat < self.first)
        kinds = np.where(flat < self.program.inputs, INPUT, np.where(flat < self.first, CONSTANT, COMPUTED))
        self.kind = np.zeros((self.slots, 3), dtype=np.int8)
        self.kind[users, self.places] = np.where(ends, kinds, 0)

    def rolled(self) -> Rolled | None:
        if not self._walk():
            return None
        alike = self._alike()
        many, few = ([group for group in alike if (len(group) >= ROWS) is flag] for flag in (True, False))
        if not many or sum(map(len, few)) > STRAIGHT:
            return None
        columns = []
        #: The order of slots in rows: that of inputs, then that in which loops compute them.
        self.ranks = np.arange(self.slots)
        for group in many:
            columns.append(_Column(self, group))
            self.ranks[columns[-1].head] = (len(columns) + 1) * self.slots + np.arange(len(group))
        loops = [*map(self._loop, _joined(columns)), *self._singles(few)]
        steps: list[tuple[int, Loop | Sum]] = [(int(self.stage[loop.results[0][0]]), loop) for loop in loops]
        steps += [(int(self.stage[found.slot]), found) for found in self._sums()]
        in_order = tuple(step for _, step in sorted(steps, key=lambda pair: pair[0]))
        branches = self.branches or bool(self._is(primitives.where).any())
        found = Rolled(self.program, self.results, in_order, self._products(), branches)
        return found if self._pays(found) else None

    def _products(self) -> int:
        factors = self.arguments[:, :2]
        of_input = ((factors >= 0) & (factors < self.program.inputs)).sum(axis=1) == 1
        return int((self._is(primitives.mul) & (self.uses == 1) & of_input & (factors >= self.first).any(axis=1)).sum())

    def _alike(self) -> list[Any]:
        """The heads of parts that look alike, together; earlier stages first."""
        heads = np.flatnonzero(self.heads)
        keys = np.stack([self.looks[heads].view(np.int64), self.stage[heads]])
        order = np.lexsort([heads, *keys])
        changes = np.flatnonzero((np.diff(keys[:, order]) != 0).any(axis=0)) + 1
        return np.split(heads[order], changes)

    def _pays(self, found: Rolled) -> bool:
        count = len(self.program.code)
        work = sum(loop.rows * len(loop.kernel.code) for loop in found.loops)
        return found.instructions <= SHARE * count and work <= WORK * count

    def _walk(self) -> bool:
        """Look at every slot after its arguments: its stage, and a number that tells what its part looks like.

        False where numbers hang on one another in too long a row, or too much of it looks different.
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
        count, done = len(self.program.code), 0
        for wave in range(DEPTH):
            if not len(ready):
                return len(np.unique(self.looks)) <= SHARE * count
            if wave >= min(PATIENCE, count // PATIENCE) and done < ROWS * wave:
                return False
            done += len(ready)
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
        first = tuple(int(nodes[key].slots[0]) for key in order)
        return Loop(kernel, tuple(reads.values()), tuple(numbers[key] for key in data), tuple(results.values()), first)

    def _singles(self, groups: list[Any]) -> Iterator[Loop]:
        """The parts that have too few equals, stage by stage, as loops of one row."""
        heads = np.concatenate([*groups, np.zeros(0, dtype=np.int64)])
        for stage in np.unique(self.stage[heads]).tolist():
            own = np.sort(heads[self.stage[heads] == stage]).tolist()
            inside, reads = self._inside(own)
            builder = Builder(len(reads))
            places = {slot: place for place, slot in enumerate(reads)}
            for slot in inside:
                operation, arguments = self.program.code[slot - self.first]
                for a in arguments:
                    if self.program.inputs <= a < self.first:
                        places[a] = builder.constant(self.program.constants[a - self.program.inputs])
                places[slot] = builder.instruction(operation, tuple([places[a] for a in arguments]))
            kernel = builder.finished([places[slot] for slot in own])
            yield Loop(kernel, tuple(np.array([a]) for a in reads), (), tuple(np.array([s]) for s in own))

    def _inside(self, heads: list[int]) -> tuple[list[int], list[int]]:
        """The instructions of some parts, in their order, and the slots that they read."""
        inside: set[int] = set()
        reads: dict[int, None] = {}
        waiting = [*heads]
        while waiting:
            slot = waiting.pop()
            if slot not in inside:
                inside.add(slot)
                for a, kind in zip(self.arguments[slot].tolist(), self.kind[slot].tolist(), strict=True):
                    if kind in (INPUT, COMPUTED):
                        reads[a] = None
                    elif not kind and a >= 0:
                        waiting.append(a)
        return sorted(inside), [*reads]

    def _sums(self) -> Iterator[Sum]:
        """The long sums."""
        order = np.argsort(self.terms[0], kind="stable")
        sums, slots, negative = (part[order] for part in self.terms)
        starts = np.flatnonzero(np.diff(sums, prepend=-1))
        for own in np.split(np.arange(len(sums)), starts[1:]) if len(sums) else ():
            yield Sum(int(sums[own[0]]), slots[own], negative[own])


def _ends(goes_on: Any, following: Any) -> Any:
    """Where each slot ends that goes on to the `following` one as long as it can."""
    end = np.where(goes_on, following, np.arange(len(following)))
    while not np.array_equal(further := end[end], end):
        end = further
    return end


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

    @property
    def shared(self) -> list[Any]:
        """The keys by which it may be joined with others."""
        return [*self.nodes, *(key for key, slots in self.reads.items() if slots[0] != slots[-1])]

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
    """Parts that share instructions, or numbers that differ from row to row, row by row: together."""
    leader: dict[Any, list[_Column]] = {}
    found: list[list[_Column]] = []
    for column in columns:
        keys = [(column.stage, key) for key in column.shared]
        together = [column]
        for other in {id(group): group for group in map(leader.get, keys) if group is not None}.values():
            together = other + together
            found = [group for group in found if group is not other]
        found.append(together)
        leader |= {(column.stage, key): together for member in together for key in member.shared}
    return found
