"""Rolled programs as modules of LLVM IR: a machine-code loop for each kind of part, several rows in a vector.

Results of loops lie in the scratch array, those of one kind one after the other. Rows that lie evenly in memory are read as
vectors, others by a table of their places. What stands outside of loops calls the same functions as they do, so that no bit
depends on how many equals a part has.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from autograd_lite.tape import progress
from autograd_lite.tape.llvm import engine, vector_math
from autograd_lite.tape.llvm.emit import HELD, NATIVE, OPPOSITES, RELATIONS, FunctionWriter, enter, halved, results_of
from autograd_lite.tape.llvm.ir import Builder, Module, Value, literal
from autograd_lite.tape.lowering import lowered
from autograd_lite.tape.program import Program
from autograd_lite.tape.rolled import ROWS, Loop, Rolled, Sum, rolled

#: A number for each row: as a function of the builder and of the first row of a vector.
Rows = Callable[[Builder, Value], Value]


def rolled_module(program: Program, *, contract: bool) -> "RolledModule | None":
    """The module of a program for one lane, rolled, with `main` and `framed` as of `emit.lane_module`; None if it is not."""
    guards = len(program.guards)
    program, results = results_of(program)
    found = rolled(program)
    if found is None:
        return None
    module = RolledModule(found, results, contract=contract)
    enter(module, module.run, program, guards, len(results))
    return module


class RolledModule(Module):
    def __init__(self, found: Rolled, results: Sequence[int], *, contract: bool) -> None:
        width = engine.host().width
        super().__init__(width, contract=contract, vectorised=vector_math.FUNCTIONS)
        progress.part("writing LLVM's language")
        self.tape = found.program
        self.callbacks: dict[Any, str] = {}
        self.libraries = [("runtime", None), ("vectors", width), ("vectors", 1)]
        self.scratch, self.status = 0, 0
        #: Where a number lies: bytes from the start of the scratch array.
        self.place = np.full(self.tape.slots, -1)
        self._results = np.array(results, dtype=np.int64)
        self.instructions = found.instructions
        self._tables = 0
        if self.tape.guards:
            self._region(1)
        self._calls: list[str] = []
        #: The results that a loop writes where they belong, and the slots that are copied in the end.
        self._written = np.zeros(len(results), dtype=bool)
        self._numbers = self._by_slot()
        many, counts = np.unique(self._results, return_counts=True)
        self._left = np.zeros(self.tape.slots, dtype=bool)
        self._left[many[counts > 1]] = True
        columns = {id(slots) for loop in found.loops for slots in loop.results if loop.rows > 1}
        sums = [step for step in found.steps if isinstance(step, Sum)]
        #: Where the totals of those results lie that are added up as a whole, by their array.
        self._totals = {id(slots): self._region(1) for s in sums for slots, _ in s.terms if id(slots) in columns}
        self._read_later = self._consumed(found.loops, sums)
        for step in found.steps:
            self._add(self._loop if isinstance(step, Loop) else self._sum, step)
        self._add(self._left_over)
        self._add(self._guards)

    @property
    def level(self) -> int:
        """All optimisations unless there is much code."""
        return 2 if self.instructions <= 1000 else int(self.contract)

    def _add(self, write: Callable[..., None], *step: Any) -> None:
        name = f"f{len(self._calls)}"
        width = 1 if step and (isinstance(step[0], Sum) or step[0].rows == 1) else None
        self.function(name, ["ptr"] * 3, lambda b, *pointers: write(b, *pointers, *step), internal=True, width=width)
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

    def _by_slot(self) -> Any:
        """For each slot the first of the results that it is, -1 if it is none."""
        numbers = np.full(self.tape.slots, -1)
        numbers[self._results[::-1]] = np.arange(len(self._results))[::-1]
        return numbers

    def _consumed(self, loops: Sequence[Loop], sums: Sequence[Sum]) -> Any:
        """The slots that are read again where they lie."""
        consumed = np.zeros(self.tape.slots, dtype=bool)
        for loop in loops:
            for slots in loop.reads:
                consumed[slots] = True
        for sum_ in sums:
            for slots, _ in sum_.terms:
                consumed[slots] |= id(slots) not in self._totals
        consumed[[side for guard in self.tape.guards for side in (guard.left, guard.right)]] = True
        return consumed

    def _table(self, numbers: Any) -> str:
        """A constant array of integers or doubles."""
        self._tables += 1
        name = f"t{self._tables}"
        if numbers.dtype == np.float64:
            entries = ", ".join(f"double {literal('double', number)}" for number in numbers.tolist())
            self.parts.append(f"@{name} = internal constant [{len(numbers)} x double] [{entries}]")
        else:
            self.table(name, numbers.tolist())
        return f"@{name}"

    def _read(self, b: Builder, slots: Any, given: Value, scratch: Value) -> Rows:
        """How a loop reads the numbers of these slots, one in each row; all are inputs, or none is."""
        inputs = slots[0] < self.tape.inputs
        return _rows(b, given if inputs else scratch, 8 * slots if inputs else self.place[slots], self._table)

    def _loop(self, b: Builder, given: Value, scratch: Value, out: Value, loop: Loop) -> None:
        kernel = lowered(loop.kernel, NATIVE)
        reads = [self._read(b, slots, given, scratch) for slots in loop.reads]
        reads += [self._data(b, numbers) for numbers in loop.data]
        writes = [self._write(b, slots, scratch, out) for slots in loop.results]
        rows, width = loop.rows, b.width
        summed = [k for k, slots in enumerate(loop.results) if id(slots) in self._totals]
        with b.counted(rows, step=width, carried=[b.constant(-0.0)] * len(summed)) as turn:
            index, *totals = turn
            last = b.constant(rows - width, "i64")  # the rest of the rows are the last ones of the vector that ends with them
            first = index.where(index.compare("slt", last), last)
            writer = KernelWriter(self, b, kernel, [read(b, first) for read in reads])
            for slot, (operation, arguments) in enumerate(kernel.code, start=kernel.first_instruction):
                writer.instruction(slot, operation, arguments)
            values = [writer.value(slot) for slot in kernel.outputs]
            for write, value in zip(writes, values, strict=True):
                write(first, value)
            if summed:
                new = first.spread(width) + b.lanes
                fresh = new.compare("sge", index.spread(width))
                turn[1:] = [t + values[k].where(fresh, -0.0) for t, k in zip(totals, summed, strict=True)]
        for total, k in zip(totals, summed, strict=True):
            scratch.at(self._totals[id(loop.results[k])], "i8").store(halved(total, width))

    def _data(self, b: Builder, numbers: Any) -> Rows:
        return _rows(b, Value(b, "ptr", self._table(numbers)), np.arange(0, 8 * len(numbers), 8), self._table)

    def _write(self, b: Builder, slots: Any, scratch: Value, out: Value) -> Callable[[Value, Value], None]:
        """How a loop writes the results of its rows: into the scratch array, and where they belong if that is in a row."""
        numbers = self._numbers[slots]
        direct = numbers[0] >= 0 and bool((np.diff(numbers) == 1).all())
        targets = [out.at(int(numbers[0]))] if direct else []
        if direct:
            self._written[numbers] = True
        else:
            self._left[slots] |= numbers >= 0
        if (self._read_later | self._left)[slots].any():
            start = self._region(len(slots))
            self.place[slots] = start + 8 * np.arange(len(slots))
            targets.append(scratch.at(start, "i8"))

        def write(first: Value, value: Value) -> None:
            for target in targets:
                target.at(first).store(value)

        return write

    def _sum(self, b: Builder, given: Value, scratch: Value, _: Value, sum_: Sum) -> None:
        total: Value | None = None
        for slots, sign in sum_.terms:
            for part in self._parts(b, slots, given, scratch):
                if total is None:
                    total = part if sign > 0 else -part
                else:
                    total = total + part if sign > 0 else total - part
        assert total is not None
        self.place[sum_.slot] = self._region(1)
        scratch.at(int(self.place[sum_.slot]), "i8").store(total)

    def _parts(self, b: Builder, slots: Any, given: Value, scratch: Value) -> Iterator[Value]:
        """The sums of these slots: those of constants, of inputs, and of numbers that were computed."""
        tape = self.tape
        if id(slots) in self._totals:
            yield scratch.at(self._totals[id(slots)], "i8").load("double")
            return
        kinds = np.digitize(slots, [tape.inputs, tape.first_instruction])
        if len(own := slots[kinds == 1]):
            total = -0.0
            for number in np.array(tape.constants)[own - tape.inputs].tolist():
                total += number
            yield b.constant(total)
        for kind, base in ((0, given), (2, scratch)):
            if not len(own := slots[kinds == kind]):
                continue
            places = self.place[own] if kind else 8 * own
            start = base.at(int(places[0]), "i8")
            if (np.diff(places) != 8).any():
                start = scratch.at(self._region(len(own)), "i8")
                read = _rows(b, base, places, self._table)
                with b.counted(len(own)) as (row,):
                    start.at(row).store(read(b, row))
            yield b.call("double", "al_total", start, len(own))

    def _left_over(self, b: Builder, given: Value, scratch: Value, out: Value) -> None:
        """The results that no loop has written where they belong."""
        left = np.flatnonzero(~self._written)
        slots = self._results[left]
        kinds = np.digitize(slots, [self.tape.inputs, self.tape.first_instruction])
        b.width, b.double = 1, "double"
        for kind, base in enumerate((given, None, scratch)):
            own, to = slots[kinds == kind], left[kinds == kind]
            if not len(own):
                continue
            if base is None:
                read = self._data(b, np.array(self.tape.constants)[own - self.tape.inputs])
            else:
                read = _rows(b, base, self.place[own] if kind else 8 * own, self._table)
            targets = Value(b, "ptr", self._table(to))
            with b.counted(len(own)) as (row,):
                number = read(b, row)
                out.at(targets.at(row, "i64").load("i64")).store(number)

    def _guards(self, b: Builder, given: Value, scratch: Value, _: Value) -> None:
        """Tests of all guards, which leave the number of the first one that failed."""
        tape = self.tape
        alike: dict[Any, list[int]] = defaultdict(list)
        for number, guard in enumerate(tape.guards):
            kinds = np.digitize([guard.left, guard.right], [tape.inputs, tape.first_instruction]).tolist()
            alike[(RELATIONS if guard.outcome else OPPOSITES)[guard.relation], *kinds].append(number)
        status = scratch.at(self.status, "i8")
        width, double = b.width, b.double
        for (relation, *kinds), numbers in alike.items():
            b.width, b.double = (width, double) if len(numbers) >= ROWS else (1, "double")
            sides = np.array([(tape.guards[n].left, tape.guards[n].right) for n in numbers]).T
            reads = []
            for side, kind in zip(sides, kinds, strict=True):
                data = kind == 1
                reads.append(
                    self._data(b, np.array(tape.constants)[side - tape.inputs]) if data else self._read(b, side, given, scratch)
                )
            which = self._data(b, np.array(numbers, dtype=np.float64) + 1.0)
            with b.counted(len(numbers), step=b.width, carried=[b.constant(HELD)]) as turn:
                index, failed = turn
                last = b.constant(len(numbers) - b.width, "i64")
                first = index.where(index.compare("slt", last), last)
                left, right = (read(b, first) for read in reads)
                number = failed.where(left.compare(relation, right), which(b, first))
                turn[1] = number.where(number < failed, failed)
            for lane in range(b.width):
                before, one = status.load("double"), failed.lane(lane)
                status.store(one.where(one < before, before))


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
        self.module, self.tape, self.b = module, kernel, b  # type: ignore[assignment]
        self.values = dict(enumerate(inputs))
        self.comparisons = {}

    def value(self, slot: int) -> Value:
        known = self.values.get(slot)
        return known if known is not None else self.b.constant(self.tape.constants[slot - self.tape.inputs])

    def output(self, slot: int) -> None:
        """Results are written when all are there."""
