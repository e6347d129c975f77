"""Equal parts of a program, found by arrays: one part is explored, and all others are compared with it at once.

A part is what some slots, its roots, depend on. Two parts are equal if the same operations join them in the same way down to
inputs and constants. Marks, which are hashes of operations some levels deep, say which parts may be equal; the comparison
with an explored part decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from autograd_lite import core
from autograd_lite.primitives import Primitive
from autograd_lite.tape.program import Instruction, Program

#: Levels of operations that a mark sees.
DEEP = 8
#: So many explored parts that too few equal ends the search among parts of one mark.
MISSES = 16

_ODD = np.uint64(0x9E3779B97F4A7C15)

#: An instruction of a part: an operation, and its arguments as `("input", k)`, `("constant", k)`, `("code", k)`.
Step = tuple[Primitive, tuple[tuple[str, int], ...]]


@core.or_compiled
def columns(code: Sequence[Instruction]) -> tuple[list[Primitive], Any, Any, Any]:
    """The operations of instructions, and as whole numbers the operation of each, how many arguments, and all these."""
    operations = [operation for operation, _ in code]
    known = [*dict.fromkeys(operations)]
    numbers = {operation: k for k, operation in enumerate(known)}
    lists = [arguments for _, arguments in code]
    parts = map(numbers.__getitem__, operations), map(len, lists), chain.from_iterable(lists)
    return known, *(np.fromiter(part, np.int64) for part in parts)  # type: ignore[return-value]


class Arrays:
    """A program as arrays: the operation of each instruction as a number, and its arguments from a start on."""

    def __init__(self, program: Program) -> None:
        self.program, self.inputs, self.first = program, program.inputs, program.first_instruction
        self.known, *found = columns(program.code)
        self.operations, lengths, self.arguments = (np.frombuffer(part, np.int64) for part in found)
        self.starts = np.cumsum(lengths) - lengths

    def uses(self) -> tuple[Any, Any]:
        """For each of the `arguments`, whose it is and which."""
        counts = np.diff(self.starts, append=len(self.arguments))
        users = np.repeat(np.arange(self.first, self.first + len(counts)), counts)
        return users, np.arange(len(self.arguments)) - np.repeat(self.starts, counts)

    def argument(self, slots: Any, place: int) -> Any:
        """An argument of each of these instructions."""
        return self.arguments[self.starts[slots - self.first] + place]

    def marks(self) -> Any:
        """A hash for each slot; slots of equal parts have equal ones."""
        own = _mixed(self.operations.astype(np.uint64) + np.uint64(3))
        marks = np.ones(self.first + len(own), dtype=np.uint64)
        marks[self.inputs : self.first], marks[self.first :] = 2, own
        if len(own):
            levels(own, self.starts, self.arguments, marks, DEEP)
        return marks


@core.or_compiled
def levels(own: Any, starts: Any, arguments: Any, marks: Any, deep: int) -> None:
    """Let the marks of instructions see so many levels: those of what an instruction works on, and its own operation."""
    counts = np.diff(starts, append=len(arguments))
    factors = _mixed(
        (np.arange(len(arguments)) - np.repeat(starts, counts)).astype(np.uint64) + np.uint64(1)
    ) | np.uint64(1)
    for _ in range(deep):
        marks[-len(own) :] = own ^ _mixed(np.add.reduceat(marks[arguments] * factors, starts))


def _mixed(numbers: Any) -> Any:
    """A hash of each number."""
    numbers = (numbers ^ (numbers >> np.uint64(31))) * _ODD
    return numbers ^ (numbers >> np.uint64(29))


def hashed(rows: Any) -> Any:
    """A hash for each row of whole numbers, in which their order counts; never 0."""
    total = np.full(len(rows), rows.shape[1] + 1, dtype=np.uint64)
    for column in rows.T:
        total = _mixed(total * np.uint64(3) + column.astype(np.uint64) + np.uint64(1))
    return total | np.uint64(1)


@dataclass(frozen=True)
class Part:
    """A part explored from its roots, arguments first."""

    slots: list[int]  # of its nodes, which are instructions, inputs, and a constant for each use
    origins: list[tuple[int, int]]  # how to come to a node: (-1, root), or a node before it and which argument of that
    links: list[tuple[int, int, int]]  # a node, which argument of it, and the known node that this is
    order: list[int]  # the nodes that are instructions, each after its arguments


def explored(program: Program, roots: Sequence[int], most: float) -> Part | None:
    """The part under these roots; None if it has more than `most` nodes."""
    inputs, first, code = program.inputs, program.first_instruction, program.code
    part, known = Part([], [], [], []), dict[int, int]()
    waiting = [(root, -1, k) for k, root in enumerate(roots)][::-1]
    while waiting:
        slot, above, place = waiting.pop()
        if slot < 0:  # all its arguments are done
            part.order.append(above)
            continue
        node = known.get(slot)
        if node is not None:
            part.links.append((above, place, node))
            continue
        node = len(part.slots)
        if node >= most:
            return None
        part.slots.append(slot)
        part.origins.append((above, place))
        if not inputs <= slot < first:
            known[slot] = node
        if slot >= first:
            waiting.append((-1, node, 0))
            arguments = code[slot - first][1]
            waiting += [(arguments[k], node, k) for k in range(len(arguments) - 1, -1, -1)]
    return part


def compared(arrays: Arrays, part: Part, roots: Any) -> tuple[Any, list[Any]]:
    """Which rows of roots have a part equal to this one, and for each node of it the slots in those."""
    kept, columns = np.arange(len(roots)), list[Any]()
    inputs, first, operations = arrays.inputs, arrays.first, arrays.operations

    def keep(fits: Any) -> None:
        nonlocal kept
        if not fits.all():
            kept = kept[fits]
            columns[:] = [column[fits] for column in columns]

    for slot, (above, place) in zip(part.slots, part.origins, strict=True):
        slots = roots[kept, place] if above < 0 else arrays.argument(columns[above], place)
        columns.append(slots)
        if slot >= first:
            keep((slots >= first) & (operations[np.maximum(slots - first, 0)] == operations[slot - first]))
        else:
            keep(slots < inputs if slot < inputs else (slots >= inputs) & (slots < first))
    for above, place, node in part.links:
        keep((roots[kept, place] if above < 0 else arrays.argument(columns[above], place)) == columns[node])
    own = [columns[node] for node, slot in enumerate(part.slots) if slot < inputs]
    if len(own) > 1:  # what are two inputs here are two in every part
        keep((np.diff(np.sort(np.array(own), axis=0), axis=0) != 0).all(axis=0))
    return kept, columns


def alike(arrays: Arrays, roots: Any, marks: Any, fewest: int, most: float) -> list[tuple[Part, Any, list[Any]]]:
    """Sets of at least `fewest` equal parts: one of them, the rows of its set, and the slots of its nodes in each.

    `roots` are rows of slots, with a mark each. A part that has no equals is in none of the sets, nor is one that would make
    the nodes of all sets together more than `most`.
    """
    order = np.argsort(marks, kind="stable")
    found = []
    for rows in np.split(order, np.flatnonzero(np.diff(marks[order])) + 1):
        misses, waiting = 0, rows
        while len(waiting) >= fewest and misses < MISSES:
            part = explored(arrays.program, roots[waiting[0]].tolist(), most / len(waiting))
            if part is None:
                break
            kept, columns = compared(arrays, part, roots[waiting])
            if len(kept) >= fewest:
                found.append((part, waiting[kept], columns))
                most -= len(kept) * len(part.slots)
            else:
                misses += 1
            waiting = np.delete(waiting, kept)
    return sorted(found, key=lambda set_: int(set_[1][0]))
