"""Tables in lanes: those that are read where they lie in memory, and those that are added up over lanes.

The gradient by a table that all lanes share is a sum over lanes of scatters. What each lane scatters goes into one table, and
no lane has a table of its own: numbers are added place by place, and for each place lane by lane, at the end of a block.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from autograd_lite.primitives import add
from autograd_lite.tape.llvm.ir import Builder, Value
from autograd_lite.tape.program import Program, is_table

#: A read in place, by three gathers, costs as much as so many copies of numbers.
COPIES = 20


def in_place(tape: Program, varying: int) -> tuple[dict[int, int], list[int]]:
    """The first inputs of tables that lanes read where they lie in memory, and the inputs that are copied.

    Tables of inputs that differ from lane to lane, of which lanes take few numbers.
    """
    first, looked_up = tape.first_instruction, Counter(own[0] for op, own in tape.code if hasattr(op, "lookup") and own)
    read = {}
    for slot, (operation, own) in enumerate(tape.code, start=first):
        neighbours = is_table(operation) and own == tuple(range(own[0], own[0] + len(own))) and own[-1] < varying
        if neighbours and len(own) > COPIES * looked_up[slot]:
            read[slot] = own[0]
    if not read:
        return {}, [*range(varying)]
    used = {a for slot, (_, own) in enumerate(tape.code, start=first) if slot not in read for a in own}
    used.update(tape.roots)
    return read, [s for s in range(varying) if s in used]


@dataclass
class Scattered:
    """A scatter whose results are terms of summed outputs only: the slots of its arguments, and (result, output) pairs."""

    operation: Any
    arguments: tuple[int, ...]
    targets: list[tuple[int, int]] = field(default_factory=list)

    @property
    def groups(self) -> dict[tuple[int, int, int], list[tuple[int, int]]]:
        """By slot of the place, count and width of rows: the offset in the row, and the slot of the number."""
        found: dict[tuple[int, int, int], list[tuple[int, int]]] = defaultdict(list)
        count = len(self.operation.rows)
        pairs = zip(self.operation.rows, self.arguments[:count], self.arguments[count:], strict=True)
        for row, place, number in pairs:
            found[place, row.count, row.width].append((row.offset, number))
        return found


@dataclass
class Found:
    """The scatters of a program, the slots that are added up for an output instead of its own, and instructions left out."""

    scattered: list[Scattered] = field(default_factory=list)
    terms: dict[int, list[int]] = field(default_factory=dict)
    absorbed: set[int] = field(default_factory=set)


def found(tape: Program) -> Found:
    """The scatters of a program whose outputs are all summed."""
    first = tape.first_instruction
    scatters = [s for s, (op, _) in enumerate(tape.code, start=first) if getattr(op, "lookup", "") == "scatter"]
    return _Search(tape, scatters).found() if scatters else Found()


class _Search:
    def __init__(self, tape: Program, scatters: Sequence[int]) -> None:
        self.tape, self.first, self.scatters = tape, tape.first_instruction, {*scatters}
        self.uses = Counter((*tape.roots, *(a for _, arguments in tape.code for a in arguments)))
        self.trees = [self._tree(slot) for slot in tape.outputs]
        met = Counter(self._source(slot) for tree in self.trees for slot in tree)
        operations = {s: tape.code[s - self.first] for s in scatters if met[s] == self.uses[s]}  # used for nothing else
        self.known = {s: Scattered(*operation) for s, operation in operations.items()}

    def found(self) -> Found:
        result = Found([*self.known.values()], absorbed={s - self.first for s in self.known})
        for output, tree in enumerate(self.trees):
            above: set[int] = set()  # results of scatters, and the sums that hold them
            for slot in reversed(tree):
                if self._source(slot) in self.known or above.intersection(self._terms(slot)):
                    above.add(slot)
            if not above:
                continue
            result.absorbed.update(slot - self.first for slot in above)
            result.terms[output] = [s for slot in above for s in self._terms(slot) if s not in above]
            for slot in above:
                item: Any = self.tape.code[slot - self.first][0]
                if (scatter := self._source(slot)) in self.known:
                    self.known[scatter].targets.append((item.index, output))
        return result

    def _tree(self, slot: int) -> list[int]:
        """The slots of a tree of additions, each of them used once; sums before their terms."""
        tree = [slot] if self.uses[slot] == 1 else []
        for total in tree:
            tree.extend(s for s in self._terms(total) if self.uses[s] == 1)
        return tree

    def _terms(self, slot: int) -> tuple[int, ...]:
        """The slots that an addition adds up."""
        operation, arguments = self.tape.code[slot - self.first] if slot >= self.first else (None, ())
        return arguments if operation is add else ()

    def _source(self, slot: int) -> int:
        """The scatter of which a slot is a result; -1 if it is none."""
        own = self.tape.code[slot - self.first][1][:1] if slot >= self.first else ()
        return own[0] if own and own[0] in self.scatters else -1


class Calls:
    """The code around one such table: `offset` is that of a slot in bytes, in the scratch array, where the table lies too."""

    def __init__(self, module: Any, number: int, found: Scattered, offset: Callable[[int], int]) -> None:
        self.results, self.table = found.operation.results, module.room(found.operation.results)
        self.lists = []
        for k, ((place, count, width), numbers) in enumerate(found.groups.items()):
            pairs = [n for column, slot in numbers for n in (column, offset(slot))]
            self.lists.append((offset(place), module.table(f"s{number}_{k}", pairs), len(numbers), count, width))
        self.targets, self.count = module.table(f"s{number}", chain(*found.targets)), len(found.targets)

    def clear(self, b: Builder, scratch: Value) -> None:
        b.call("void", "al_fill", scratch.at(self.table, "i8"), b.constant(0.0, "double"), self.results)

    def add_lanes(self, b: Builder, scratch: Value, lanes: Value) -> None:
        for place, *rest in self.lists:
            b.call("void", "al_scatter", scratch.at(self.table, "i8"), scratch, scratch.at(place, "i8"), *rest, lanes)

    def add_table(self, b: Builder, scratch: Value, total: Value) -> None:
        b.call("void", "al_add", total, scratch.at(self.table, "i8"), self.targets, self.count)


def scatter(b: Builder, *arguments: Value) -> None:
    """Numbers at offsets of the scratch array, added to rows of the table lane by lane; a place that is none is the first."""
    table, scratch, places, pairs, size, count, width, lanes = arguments
    rows = b.emit("double", f"sitofp i64 {count.name} to double")
    with b.counted(lanes) as (lane,):
        x = places.at(lane).load("double")
        inside = x.where((x > 0.0) & (x < rows), 0.0)
        row = table.at(inside.cast("fptosi", "i64") * width)
        with b.counted(size) as (k,):
            pair = pairs.at(k * 2, "i64")
            entry = row.at(pair.load("i64"))
            number = scratch.at(pair.at(1, "i64").load("i64"), "i8").at(lane).load("double")
            entry.store(entry.load("double") + number)


def added(b: Builder, *arguments: Value) -> None:
    """Entries of a table, added to the totals that they belong to."""
    totals, table, pairs, size = arguments
    with b.counted(size) as (k,):
        pair = pairs.at(k * 2, "i64")
        total = totals.at(pair.at(1, "i64").load("i64"))
        total.store(total.load("double") + table.at(pair.load("i64")).load("double"))
