"""Rolled programs as modules of LLVM IR: a machine-code loop for each kind of part, several rows in a vector.

Results of loops lie in the scratch array, those of one kind one after the other. Rows that lie evenly in memory are read as
vectors, others by a table of their places. What stands outside of loops calls the same functions as they do, so that no bit
depends on how many equals a part has. A loop whose results are the terms of a long sum, in their order or from the last to
the first, adds them up as it goes: one after the other, or without branches in as many sums as a vector has lanes.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import takewhile
from typing import Any

import numpy as np

from autograd_lite.tape import progress
from autograd_lite.tape.llvm import engine, matrices, vector_math
from autograd_lite.tape.llvm.emit import HELD, NATIVE, OPPOSITES, RELATIONS, FunctionWriter, enter, halved
from autograd_lite.tape.llvm.ir import Builder, Module, Value
from autograd_lite.tape.lowering import lowered
from autograd_lite.tape.program import Program
from autograd_lite.tape.rolled import COMPUTED, CONSTANT, INPUT, ROWS, Loop, Rolled, Sum, rolled

#: Runs of terms of one kind in a sum, beyond which all are copied into a row first.
RUNS = 8
#: A number for each row: as a function of the builder and of the first row of a vector.
Rows = Callable[[Builder, Value], Value]


def rolled_module(program: Program, *, contract: bool) -> "RolledModule | None":
    """The module of a program for one lane, rolled, with `main` and `framed` as of `emit.lane_module`; None if it is not."""
    if not rolls(program):
        return None
    found = rolled(program)
    assert found is not None
    module = RolledModule(found, contract=contract)
    enter(module, module.run, found.program, len(program.guards), len(found.results))
    module.facts["rolled"] = True
    return module


def rolls(program: Program) -> bool:
    """Whether a program runs as loops; those over matrices, which the emitter finds itself, go before."""
    found, count = rolled(program), len(program.code)
    if found is None or 5 * found.products < count:
        return found is not None
    return 2 * len(matrices.found(program, 0, summed=True).absorbed) <= count


@dataclass(frozen=True, eq=False)
class _Added:
    """A sum that a loop adds up: row by row its results at `places` are the terms `first` … `stop` - 1 of the sum."""

    sum: Sum
    loop: Loop
    places: tuple[int, ...]
    first: int
    stop: int
    backwards: bool  # from the last row to the first
    subtracted: tuple[bool, ...]
    total: int  # where it lies, in bytes from the start of the scratch array


class RolledModule(Module):
    def __init__(self, found: Rolled, *, contract: bool) -> None:
        width = engine.host().width
        super().__init__(width, contract=contract, vectorised=() if found.branches else vector_math.FUNCTIONS)
        progress.part("writing LLVM's language")
        self.tape, self.instructions = found.program, found.instructions
        self.callbacks: dict[Any, str] = {}
        self.scratch, self.status = 0, 0
        if self.tape.guards:
            self._region(1)
        #: Where a number lies: bytes from the start of the scratch array.
        self.place = np.full(self.tape.slots, -1)
        self.branches = found.branches
        self._plan(found, np.array(found.results, dtype=np.int64))
        self._tables = 0
        self._calls: list[str] = []
        for step in found.steps:
            if isinstance(step, Loop):
                self._add(self._loop, step, width=1 if step.rows == 1 else None)
            else:
                self._add(self._sum, step, width=1)
        self._add(self._left_over, width=1)
        self._add(self._guards)

    def _plan(self, found: Rolled, results: Any) -> None:
        """Tell what is to be kept of what loops compute."""
        self._results = results
        self._written = np.zeros(len(results), dtype=bool)  # the results that a loop writes where they belong
        self._numbers = np.full(self.tape.slots, -1)  # the first of the results that a slot is
        self._numbers[results[::-1]] = np.arange(len(results))[::-1]
        self._left = np.bincount(results, minlength=self.tape.slots) > 1  # the slots that are copied in the end
        self._added: dict[int, _Added] = {}  # by the slot of the sum
        self._read_later = np.zeros(self.tape.slots, dtype=bool)
        for step in found.steps:
            if isinstance(step, Sum):
                added = self._adding(step, found.loops)
                if added is not None:
                    self._added[step.slot] = added
                self._read_later[step.terms[added.stop if added else 0 :]] = True
        for slots in (slots for loop in found.loops for slots in loop.reads):
            self._read_later[slots] = True
        self._read_later[[side for guard in self.tape.guards for side in (guard.left, guard.right)]] = True

    @property
    def level(self) -> int:
        """All optimisations unless there is much code."""
        return 2 if self.instructions <= 1000 else int(self.contract)

    def _add(self, write: Callable[..., None], *step: Any, width: int | None = None) -> None:
        """Write a function; what is not a loop has values of one lane."""
        name = f"f{len(self._calls)}"

        def body(b: Builder, *pointers: Value) -> None:
            write(b, *pointers, *step)

        self.function(name, ["ptr"] * 3, body, linkage="internal", width=width)
        self._calls.append(name)

    def run(self, b: Builder, given: Value, scratch: Value, out: Value) -> None:
        """All of it, with no guard failed before."""
        if self.tape.guards:
            scratch.at(self.status, "i8").store(b.constant(HELD, "double"))
        for name in self._calls:
            b.call("void", name, given, scratch, out)

    def called_back(self, operation: Any) -> str:
        """The name of the way back into Python for an operation."""
        return self.callbacks.setdefault(operation, f"callback_{len(self.callbacks)}")

    def _region(self, size: int) -> int:
        """Room for so many numbers in the scratch array: its place in bytes, at the start of a vector."""
        start = self.scratch
        self.scratch += -(-size // 8) * 8
        return 8 * start

    def _table(self, numbers: Any) -> str:
        """A constant array of integers or doubles."""
        self._tables += 1
        name = f"t{self._tables}"
        write = self.numbers if numbers.dtype == np.float64 else self.table
        return write(name, numbers.tolist())

    def _read(self, b: Builder, slots: Any, given: Value, scratch: Value) -> Rows:
        """How a loop reads the numbers of these slots, one in each row, which are all of a kind."""
        (kind,) = {*self._kinds(slots).tolist()}
        if kind == CONSTANT:
            return self._data(b, np.array(self.tape.constants)[slots - self.tape.inputs])
        places = 8 * slots if kind == INPUT else self.place[slots]
        assert (places >= 0).all(), "a number is read that was not kept"
        return _rows(b, given if kind == INPUT else scratch, places, self._table)

    def _kinds(self, slots: Any) -> Any:
        """What slots are: inputs, constants, or computed."""
        return np.array([INPUT, CONSTANT, COMPUTED])[
            np.digitize(slots, [self.tape.inputs, self.tape.first_instruction])
        ]

    def _loop(self, b: Builder, given: Value, scratch: Value, out: Value, loop: Loop) -> None:
        kernel = lowered(loop.kernel, NATIVE)
        reads = [self._read(b, slots, given, scratch) for slots in loop.reads]
        reads += [self._data(b, numbers) for numbers in loop.data]
        writes = [self._write(slots, scratch, out) for slots in loop.results]
        summed = [added for added in self._added.values() if added.loop is loop]
        backwards = any(added.backwards for added in summed)
        begun = [self._begun(b, added, given, scratch) if self.branches else b.constant(-0.0) for added in summed]
        with b.counted(loop.rows, step=b.width, carried=begun) as turn:
            index, *totals = turn
            first = _start(b, index, loop.rows, backwards=backwards)
            writer = KernelWriter(self, b, kernel, [read(b, first) for read in reads])
            for slot, (operation, arguments) in enumerate(kernel.code, start=kernel.first_instruction):
                writer.instruction(slot, operation, arguments)
            values = [writer.value(slot) for slot in kernel.outputs]
            for targets, value in zip(writes, values, strict=True):
                for target in targets:
                    target.at(first).store(value)
            if summed:  # rows that were in the vector before are no new ones
                rows = first.spread(b.width) + b.lanes
                left = b.constant(loop.rows, "i64") - index
                new = (
                    rows.compare("slt", left.spread(b.width))
                    if backwards
                    else rows.compare("sge", index.spread(b.width))
                )
                for place, added in enumerate(summed, start=1):
                    own = zip(added.places, added.subtracted, strict=True)
                    terms = [(-values[k] if less else values[k]).where(new, -0.0) for k, less in own]
                    turn[place] = self._added_up(b, totals[place - 1], terms, backwards=backwards)
        for total, added in zip(totals, summed, strict=True):
            scratch.at(added.total, "i8").store(total if self.branches else halved(total, b.width))

    def _added_up(self, b: Builder, total: Value, terms: list[Value], *, backwards: bool) -> Value:
        """A total and some terms of each row: lane by lane, or where there are branches one after the other."""
        if not self.branches:
            return reduce(Value.__add__, terms, total)
        lanes = range(b.width)[::-1] if backwards else range(b.width)
        return reduce(Value.__add__, (term.lane(k) for k in lanes for term in terms), total)

    def _data(self, b: Builder, numbers: Any) -> Rows:
        return _rows(b, Value(b, "ptr", self._table(numbers)), np.arange(0, 8 * len(numbers), 8), self._table)

    def _write(self, slots: Any, scratch: Value, out: Value) -> list[Value]:
        """Where a loop writes the results of its rows: where they belong if that is in a row, and in the scratch array."""
        numbers = self._numbers[slots]
        targets = []
        if numbers[0] >= 0 and (np.diff(numbers) == 1).all():
            targets.append(out.at(int(numbers[0])))
            self._written[numbers] = True
        else:
            self._left[slots] |= numbers >= 0
        if (self._read_later | self._left)[slots].any():
            start = self._region(len(slots))
            self.place[slots] = start + 8 * np.arange(len(slots))
            targets.append(scratch.at(start, "i8"))
        return targets

    def _adding(self, found: Sum, loops: Sequence[Loop]) -> _Added | None:
        """How a loop adds up a sum: its results are all of the terms behind some that are no results of loops."""
        first = int(np.argmax(self._kinds(found.terms) == COMPUTED))
        for loop, backwards in ((loop, flag) for loop in loops if loop.rows > 1 for flag in (False, True)):
            rows = [slots[::-1] if backwards else slots for slots in loop.results]
            heads = {int(slots[0]): k for k, slots in enumerate(rows)}
            here = found.terms[first : first + len(rows)].tolist()
            places = tuple([heads[t] for t in takewhile(heads.__contains__, here)])
            stop = first + len(places) * loop.rows
            others = {added.backwards for added in self._added.values() if added.loop is loop}
            if not places or stop > len(found.terms) or others - {backwards}:
                continue
            negative = found.negative[first:stop].reshape(loop.rows, len(places))
            in_order = np.stack([rows[k] for k in places], axis=1).ravel()
            if np.array_equal(found.terms[first:stop], in_order) and (negative == negative[0]).all():
                return _Added(found, loop, places, first, stop, backwards, tuple(negative[0].tolist()), self._region(1))
        return None

    def _begun(self, b: Builder, added: "_Added", given: Value, scratch: Value) -> Value:
        """The sum of the terms before those that a loop adds up."""
        width = b.width
        b.wide(1)
        total = self._on(b, b.constant(-0.0), added.sum.part(0, added.first), given, scratch)
        b.wide(width)
        return total

    def _sum(self, b: Builder, given: Value, scratch: Value, _: Value, found: Sum) -> None:
        total, first, added = b.constant(-0.0), 0, self._added.get(found.slot)
        if added is not None:
            if not self.branches:
                total = self._on(b, total, found.part(0, added.first), given, scratch)
            its = scratch.at(added.total, "i8").load("double")
            total, first = its if self.branches else total + its, added.stop
        total = self._on(b, total, found.part(first, len(found.terms)), given, scratch)
        self.place[found.slot] = self._region(1)
        scratch.at(int(self.place[found.slot]), "i8").store(total)

    def _on(self, b: Builder, total: Value, found: Sum, given: Value, scratch: Value) -> Value:
        """A total and the terms of a sum, one after the other."""
        terms, negative = found.terms, found.negative
        kinds = 2 * self._kinds(terms) + negative
        if not len(terms):
            return total
        starts = np.flatnonzero(np.diff(kinds, prepend=-1))
        if len(starts) <= RUNS:
            for run, less in zip(np.split(terms, starts[1:]), negative[starts].tolist(), strict=True):
                read = self._read(b, run, given, scratch)
                with b.counted(len(run), carried=[total]) as turn:
                    row, total = turn
                    turn[1] = total - read(b, row) if less else total + read(b, row)
            return total
        start = scratch.at(self._region(len(terms)), "i8")
        for kind in np.unique(kinds).tolist():
            own = np.flatnonzero(kinds == kind)
            read, targets = self._read(b, terms[own], given, scratch), Value(b, "ptr", self._table(own))
            with b.counted(len(own)) as (row,):
                number = read(b, row)
                start.at(targets.at(row, "i64").load("i64")).store(-number if kind % 2 else number)
        with b.counted(len(terms), carried=[total]) as turn:
            row, total = turn
            turn[1] = total + start.at(row).load("double")
        return total

    def _left_over(self, b: Builder, given: Value, scratch: Value, out: Value) -> None:
        """The results that no loop has written where they belong."""
        left = np.flatnonzero(~self._written)
        slots = self._results[left]
        for kind in np.unique(kinds := self._kinds(slots)).tolist():
            read = self._read(b, slots[kinds == kind], given, scratch)
            targets = Value(b, "ptr", self._table(left[kinds == kind]))
            with b.counted(int((kinds == kind).sum())) as (row,):
                number = read(b, row)
                out.at(targets.at(row, "i64").load("i64")).store(number)

    def _guards(self, b: Builder, given: Value, scratch: Value, _: Value) -> None:
        """Tests of all guards, which leave the number of the first one that failed."""
        guards = self.tape.guards
        sides = np.array([(guard.left, guard.right) for guard in guards], dtype=np.int64).reshape(-1, 2)
        alike: dict[Any, list[int]] = defaultdict(list)
        for number, (guard, kinds) in enumerate(zip(guards, self._kinds(sides).tolist(), strict=True)):
            alike[(RELATIONS if guard.outcome else OPPOSITES)[guard.relation], *kinds].append(number)
        many = b.width
        for (relation, *_), numbers in alike.items():
            b.wide(many if len(numbers) >= ROWS else 1)
            left, right = (self._read(b, side, given, scratch) for side in sides[numbers].T)
            which = self._data(b, np.array(numbers, dtype=np.float64) + 1.0)
            with b.counted(len(numbers), step=b.width, carried=[b.constant(HELD)]) as turn:
                index, failed = turn
                first = _start(b, index, len(numbers))
                status = failed.where(left(b, first).compare(relation, right(b, first)), which(b, first))
                turn[1] = status.where(status < failed, failed)
            place = scratch.at(self.status, "i8")
            for lane in range(b.width):
                before, one = place.load("double"), failed.lane(lane)
                place.store(one.where(one < before, before))


def _start(b: Builder, index: Value, rows: int, *, backwards: bool = False) -> Value:
    """The first row of a vector: the last vector ends with the last row, or begins with the first one."""
    last = b.constant(rows - b.width, "i64")
    forwards = index.where(index.compare("slt", last), last)
    return last - forwards if backwards else forwards


def _rows(b: Builder, base: Value, places: Any, table: Callable[[Any], str]) -> Rows:
    """How rows at these places behind an address are read; what is the same in all is read once, before the loop."""
    steps = np.diff(places)
    start = int(places[0])
    if not steps.any():
        number = base.at(start, "i8").load("double").spread(b.width)
        return lambda _, __: number
    if (steps == 8).all():
        return lambda b, first: base.at(start, "i8").at(first).load(b.double)
    if (steps == -8).all():
        return lambda b, first: base.at(start - 8 * (b.width - 1), "i8").at(first * -8, "i8").load(b.double).reversed()
    if (steps == steps[0]).all():
        step = int(steps[0])

        def evenly(b: Builder, first: Value) -> Value:
            here = base.at(start, "i8").at(first * step, "i8")
            return b.joined(b.width, [here.at(step * lane, "i8").load("double") for lane in range(b.width)])

        return evenly
    offsets = table(places)

    def by_table(b: Builder, first: Value) -> Value:
        own = Value(b, "ptr", offsets).at(first, "i64")
        return b.joined(b.width, [base.at(own.at(k, "i64").load("i64"), "i8").load("double") for k in range(b.width)])

    return by_table


class KernelWriter(FunctionWriter):
    """Writes the instructions of a kernel, whose inputs are at hand."""

    def __init__(self, module: RolledModule, b: Builder, kernel: Program, inputs: Sequence[Value]) -> None:
        nowhere = Value(b, "ptr", "null")
        super().__init__(module, b, nowhere, nowhere, nowhere)  # type: ignore[arg-type] # nothing of it lies in memory
        self.tape, self.values = kernel, dict(enumerate(inputs))

    def value(self, slot: int) -> Value:
        known = self.values.get(slot)
        return known if known is not None else self.b.constant(self.tape.constants[slot - self.tape.inputs])

    def output(self, slot: int) -> None:
        """Results are written when all are there."""
