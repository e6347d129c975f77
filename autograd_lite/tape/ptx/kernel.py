"""Programs as kernels: one thread for each lane, in LLVM IR that any processor runs, and as PTX.

A thread has one number where the code for this machine has a register of lanes. So the vector functions are those of lanes
here, one number wide, and a lane has the bits that it has here. Nothing is called that is not in the text.
"""

import math
from array import array
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from autograd_lite.errors import CompilationError
from autograd_lite.tape import background, progress
from autograd_lite.tape.llvm import engine, vector_math
from autograd_lite.tape.llvm.emit import NATIVE, OPPOSITES, RELATIONS
from autograd_lite.tape.llvm.ir import Builder, Module, Value
from autograd_lite.tape.llvm.masked_loops import Region
from autograd_lite.tape.lowering import lowered
from autograd_lite.tape.program import Guard, Program, is_table, sunk
from autograd_lite.tape.ptx.functions import OWN
from autograd_lite.tape.ptx.operations import MOST, Operations, is_item, refuse

#: The oldest device that the text serves; younger ones take it too.
OLDEST = 80

#: Instructions of a function. More of them need more than the registers of a thread, and the assembler takes longer.
LENGTH = 250

#: Lanes that are added up to one number.
ADDED = 64

#: Where the registers of a thread are, whose names LLVM knows.
_REGISTER = "llvm.nvvm.read.ptx.sreg.{}.x"


class Kernel(Module):
    """The code of a lane of a program, for kernels that run it.

    Numbers of lanes lie in rows, one for each input that differs from lane to lane and one for each output. The assembler's
    time grows faster than the length of a function, so a long program is cut into several. They pass numbers on through
    the `memory` of a thread, whose places are used again.
    """

    def __init__(self, program: Program, varying: int, *, contract: bool = False) -> None:
        super().__init__(1, contract=contract)
        self.program = lowered(program, NATIVE).with_doubt_as_guards()
        self.varying, self.user_guards = varying, len(program.guards)
        refuse(self.program)
        self.parts_of_lane = _scheduled(self.program)
        self.guards: dict[int, list[tuple[int, Guard]]] = defaultdict(list)  # by slot; at -1 those of no instruction
        for number, guard in enumerate(self.program.guards, start=1):
            latest = max(guard.left, guard.right)
            self.guards[latest if latest >= self.program.first_instruction else -1].append((number, guard))
        self.outputs: dict[int, list[int]] = defaultdict(list)
        for k, slot in enumerate(self.program.outputs):
            self.outputs[slot].append(k)
        self.kept = {arguments[0] for f, arguments in self.program.code if hasattr(f, "keeps")}
        self.places, self.memory = self._places()
        self.tables = self._tables()
        self._known: dict[bytes, str] = {}
        self._in_parts = len(self.parts_of_lane) > 1

    def _places(self) -> tuple[dict[int, int], int]:
        """Where in the memory of a thread numbers lie that a later part uses, and how many places there are."""
        part_of = {slot: k for k, part in enumerate(self.parts_of_lane) for slot in part}
        last: dict[int, int] = {}
        for k, part in enumerate(self.parts_of_lane):
            for slot in part:
                sides = (side for _, guard in self.guards.get(slot, ()) for side in (guard.left, guard.right))
                used = (*self.program.code[slot - self.program.first_instruction][1], *sides)
                last.update((a, k) for a in used if part_of.get(a, k) < k)
        places, free, size = dict[int, int](), list[int](), 0
        ending: dict[int, list[int]] = defaultdict(list)
        for k, part in enumerate(self.parts_of_lane):
            free += ending.pop(k - 1, [])
            for slot in part:
                if slot in last and not is_table(self.program.code[slot - self.program.first_instruction][0]):
                    if not free:
                        free, size = [size], size + 1
                    places[slot] = free.pop()
                    ending[last[slot]].append(places[slot])
        return places, size

    def _tables(self) -> dict[int, tuple[str, Any]]:
        """Where tables lie: among shared inputs, among known numbers, or else in the memory of a thread, copied there."""
        first, varying, tables = self.program.first_instruction, self.varying, dict[int, tuple[str, Any]]()
        for slot, (operation, own) in enumerate(self.program.code, start=first):
            if not is_table(operation):
                continue
            constants = [
                self.program.constants[a - self.program.inputs] for a in own if self.program.inputs <= a < first
            ]
            if varying <= own[0] and own == tuple(range(own[0], own[0] + len(own))) and own[-1] < self.program.inputs:
                tables[slot] = "shared", own[0] - varying
            elif len(constants) == len(own):
                tables[slot] = "known", constants
            else:
                tables[slot] = "memory", self.room(len(own))
        return tables

    def room(self, numbers: int) -> int:
        """The place of room for so many numbers in the memory of a thread."""
        if numbers > MOST:
            raise CompilationError(
                f"a thread of a device has room for {MOST:,} numbers, and a table or its gradient has {numbers:,}. Let lanes "
                'share the table (in_axes=None), or use backend="llvm".'
            )
        self.memory += numbers
        return self.memory - numbers

    def known(self, b: Builder, numbers: Sequence[float]) -> Value:
        """The address of known numbers, which all threads read."""
        key = array("d", numbers).tobytes()
        if key not in self._known:
            self._known[key] = self.numbers(f"known{len(self._known)}", numbers)
        return Value(b, "ptr", self._known[key])

    def in_memory(self, b: Builder, write: Callable[[Value], None]) -> None:
        """Let `write` add code that has the memory of a thread, as much as it turns out to need."""
        memory, line = b.emit("ptr", "alloca"), len(b.lines) - 1
        write(memory)
        b.lines[line] = f"{memory.name} = alloca [{max(self.memory, 1)} x double], align 8"

    def in_lanes(self, function: str) -> Callable[..., Any]:
        formula = vector_math.FUNCTIONS.get(function) or OWN[function]
        return lambda _, *x: formula(*x)

    def of_one_lane(self, function: str) -> str:
        name, formula = f"{function}_by_integers", OWN[function]
        if name not in self.written:
            self.function(name, ["double"], lambda _, x: formula(x), linkage="internal")  # an angle
        return name

    def lane(self, b: Builder, memory: Value, *places: Value) -> None:
        """A lane, from addresses of rows of inputs, shared inputs, rows of outputs and statuses, how many lanes and which."""
        for k, part in enumerate(self.parts_of_lane):
            if not self._in_parts:
                LaneWriter(self, b, memory, *places).write(k, part)
                continue
            if f"lane_part{k}" not in self.written:
                body = partial(_written, self, k, part)
                self.function(f"lane_part{k}", ["ptr"] * 5 + ["i64"] * 2, body, linkage="internal")
            b.call("void", f"lane_part{k}", memory, *places)

    def block(self, b: Builder, _: Value, *places: Value) -> None:
        """One sum of a row, of up to 64 lanes: halves are added onto halves; a lane that is not there counts as 0."""
        rows, sums, n, blocks, _, number = places
        first = number.op("urem", blocks) * ADDED
        row, left = rows.at(number.op("udiv", blocks) * n + first), n - first
        numbers = []
        for k in range(ADDED):
            here = left.compare("sgt", k)
            numbers.append(row.at(b.constant(k, "i64").where(here, 0)).load("double").where(here, 0.0))
        while len(numbers) > 1:
            half = len(numbers) // 2
            numbers = [a + b for a, b in zip(numbers[:half], numbers[half:], strict=True)]
        sums.at(number).store(numbers[0])

    def threads(self, name: str, body: Callable[..., None], pointers: int, counts: int) -> None:
        """Let each thread run `body` on its memory, these arguments and its number, if that is below the last argument."""

        def entry(b: Builder, *arguments: Value) -> None:
            block, size, thread = (b.call("i32", _REGISTER.format(r)) for r in ("ctaid", "ntid", "tid"))
            number = block.cast("zext", "i64") * size.cast("zext", "i64") + thread.cast("zext", "i64")

            def write(memory: Value) -> None:
                with b.when(number.compare("slt", arguments[-1])):
                    body(b, memory, *arguments, number)

            self.in_memory(b, write)

        self.function(name, ["ptr"] * pointers + ["i64"] * counts, entry, linkage="ptx_kernel")


def _scheduled(program: Program) -> list[list[int]]:
    """The slots of instructions in the order of their work, part by part; results of a loop stand right behind it."""
    first, items = program.first_instruction, defaultdict[int, list[int]](list)
    for slot, (operation, arguments) in enumerate(program.code, start=first):
        if is_item(operation):
            items[arguments[0]].append(slot)
    parts: list[list[int]] = [[]]
    length = math.inf if any(hasattr(f, "keeps") for f, _ in program.code) else LENGTH  # carries are in one function
    for position in sunk(program):
        if is_item(program.code[position][0]):
            continue
        if len(parts[-1]) >= length:
            parts.append([])
        parts[-1] += [first + position, *items[first + position]]
    return parts


def _written(kernel: Kernel, number: int, part: Sequence[int], b: Builder, *places: Value) -> None:
    LaneWriter(kernel, b, *places).write(number, part)


class LaneWriter:
    """Writes a part of a lane of a program."""

    def __init__(self, kernel: Kernel, b: Builder, memory: Value, *places: Value) -> None:
        rows, self.shared, outputs, statuses, self.n, lane = places
        self.kernel, self.program, self.b, self.memory = kernel, kernel.program, b, memory
        self.operations = Operations(kernel, b, memory)
        self.rows, self.outputs, self.status_at = rows.at(lane), outputs.at(lane), statuses.at(lane, "i32")
        self.values: dict[int, Any] = {}

    def write(self, number: int, part: Sequence[int]) -> None:
        first, last = number == 0, number == len(self.kernel.parts_of_lane) - 1
        status = self.b.constant(0, "i64") if first else None
        tested = [guard for slot in part for guard in self.kernel.guards.get(slot, ())]
        if self.program.guards and status is None and (tested or last):
            status = self.status_at.load("i32", align=4).cast("sext", "i64")
        for guard in self.kernel.guards.get(-1, ()) if first else ():
            status = self._tested(status, *guard)
        for slot in part:
            if slot in self.kernel.tables:
                self.values[slot] = self.table(slot, new=True)
                continue
            operation, arguments = self.code_of(slot)
            values, kept = [self.value(a) for a in arguments], slot in self.kernel.kept
            value = self.values[slot] = self.operations.applied(operation, values, kept=kept)
            if slot in self.kernel.places:
                self.memory.at(self.kernel.places[slot]).store(value)
            self._put(slot)
            for guard in self.kernel.guards.get(slot, ()):
                status = self._tested(status, *guard)
        for slot in range(self.program.first_instruction) if last else ():  # inputs and constants
            self._put(slot)
        if status is not None and self.program.guards:
            if last:  # a number that is NaN in doubt is no guard of the user
                status = status.where(status.compare("sle", self.kernel.user_guards), -1)
            self.status_at.store(status.cast("trunc", "i32"), align=4)

    def value(self, slot: int) -> Any:
        program, varying = self.program, self.kernel.varying
        if slot not in self.values:
            if program.inputs <= slot < program.first_instruction:
                return self.b.constant(program.constants[slot - program.inputs])
            if slot in self.kernel.tables:
                return self.table(slot)
            if slot >= program.inputs:
                place = self.memory.at(self.kernel.places[slot])
            else:
                place = self.rows.at(self.n * slot) if slot < varying else self.shared.at(slot - varying)
            self.values[slot] = place.load("double")
        return self.values[slot]

    def table(self, slot: int, *, new: bool = False) -> Region:
        """The numbers of a table in a row: where they lie, or in the memory of the thread, where a `new` one is copied to."""
        base, place = self.kernel.tables[slot]
        if base == "known":
            return Region(self.kernel.known(self.b, place), 8)
        region = Region((self.shared if base == "shared" else self.memory).at(place), 8)
        for k, a in enumerate(self.code_of(slot)[1] if new and base == "memory" else ()):
            region.at(k).store(self.value(a))
        return region

    def code_of(self, slot: int) -> Any:
        """The instruction of a slot."""
        return self.program.code[slot - self.program.first_instruction]

    def _put(self, slot: int) -> None:
        """Store a number that is an output."""
        for k in self.kernel.outputs.get(slot, ()):
            self.outputs.at(self.n * k).store(self.value(slot))

    def _tested(self, status: Any, number: int, guard: Guard) -> Value:
        """The number of the first guard that failed; they are tested in another order."""
        relation = (RELATIONS if guard.outcome else OPPOSITES)[guard.relation]
        holds = self.value(guard.left).compare(relation, self.value(guard.right))
        earlier = status.compare("ne", 0) & status.compare("slt", number)
        kept: Value = status.where(holds | earlier, number)
        return kept


def assembly(kernel: Module, capability: int = OLDEST) -> str:
    """A module of kernels as PTX for devices of this compute capability, times 10, and younger ones."""
    if not engine.AVAILABLE:
        raise CompilationError(
            'PTX is written by llvmlite, which is not installed. Install it with pip install "autograd-lite[jit]".'
        )
    background.pause()
    progress.part("LLVM writes PTX")
    return engine.assembly(kernel.text, engine.Target("nvptx64-nvidia-cuda", f"sm_{capability}"), kernel.level)
