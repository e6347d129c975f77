"""Tables that are added up over lanes: what each lane scatters goes into one table, and no lane has a table of its own.

The gradient by a table that all lanes share is a sum over lanes of scatters. Numbers are added place by place, and for each
place lane by lane, at the end of a block of lanes.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from autograd_lite.primitives import add
from autograd_lite.tape.llvm.ir import Builder, Value
from autograd_lite.tape.program import Program


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
    first, code = tape.first_instruction, tape.code
    scatters = {s: op for s, (op, _) in enumerate(code, start=first) if getattr(op, "lookup", "") == "scatter"}
    if not scatters:
        return Found()
    uses = [0] * tape.slots
    for slot in (*tape.roots, *(a for _, arguments in code for a in arguments)):
        uses[slot] += 1

    def source(slot: int) -> int | None:
        """The scatter of which a slot is a result that is used once."""
        own = code[slot - first][1][:1] if slot >= first and uses[slot] == 1 else ()
        return own[0] if own and own[0] in scatters else None

    trees = [_tree(tape, slot, uses) for slot in tape.outputs]
    met: dict[int, int] = defaultdict(int)
    for tree in trees:
        for slot in tree:
            if (scatter := source(slot)) is not None:
                met[scatter] += 1
    known = {s: Scattered(op, code[s - first][1]) for s, op in scatters.items() if met[s] == uses[s]}
    result = Found([*known.values()], absorbed={s - first for s in known})
    for output, tree in enumerate(trees):
        holding: set[int] = set()  # the slots above results of scatters
        for slot in reversed(tree):
            if source(slot) in known or (len(tree) > 1 and holding.intersection(_terms(tape, slot))):
                holding.add(slot)
        if holding:
            result.absorbed.update(slot - first for slot in holding)
            result.terms[output] = [s for slot in holding for s in _terms(tape, slot) if s not in holding and s not in known]
            for slot in holding:
                if (scatter := source(slot)) in known:
                    known[scatter].targets.append((code[slot - first][0].index, output))  # type: ignore[attr-defined,index]
    return result


def _terms(tape: Program, slot: int) -> tuple[int, ...]:
    """What an addition adds up."""
    operation, arguments = tape.code[slot - tape.first_instruction] if slot >= tape.first_instruction else (None, ())
    return arguments if operation is add else ()


def _tree(tape: Program, slot: int, uses: list[int]) -> list[int]:
    """The slots of a tree of additions, each of them used once; sums before their terms."""
    tree = [slot] if uses[slot] == 1 else []
    for sum_ in tree:
        tree += [s for s in _terms(tape, sum_) if uses[s] == 1]
    return tree


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
    """For each lane: numbers at offsets of the scratch array, added to a row of the table; a place that is none is the first."""
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
