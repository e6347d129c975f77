"""Programs as kernels: one thread for each lane, in LLVM IR that any processor runs, and as PTX.

A thread has one number where the code for this machine has a register of lanes. So the vector functions are those of lanes
here, one number wide, and a lane has the bits that it has here. Nothing is called that is not in the text.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from autograd_lite.errors import CompilationError
from autograd_lite.tape import background, progress
from autograd_lite.tape.llvm import engine, masked_loops, vector_math
from autograd_lite.tape.llvm.emit import INLINE, LIBRARY, NATIVE, OPPOSITES, RELATIONS
from autograd_lite.tape.llvm.ir import Builder, Module, Value
from autograd_lite.tape.lowering import lowered
from autograd_lite.tape.masked import MaskedLoop
from autograd_lite.tape.program import Guard, Program, sunk
from autograd_lite.tape.ptx.functions import OWN

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
    the `scratch` memory of a thread, whose places are used again.
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
        self.places, self.scratch = self._places()
        self._called = len(self.parts_of_lane) > 1

    def _places(self) -> tuple[dict[int, int], int]:
        """Where in the scratch memory numbers lie that a later part uses, and how many places there are."""
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
                if slot in last:
                    if not free:
                        free, size = [size], size + 1
                    places[slot] = free.pop()
                    ending[last[slot]].append(places[slot])
        return places, size

    def in_lanes(self, function: str) -> Callable[..., Any]:
        formula = vector_math.FUNCTIONS.get(function) or OWN[function]
        return lambda _, *x: formula(*x)

    def of_one_lane(self, function: str) -> str:
        name, formula = f"{function}_by_integers", OWN[function]
        if name not in self.written:
            self.function(name, ["double"], lambda _, x: formula(x), linkage="internal")  # an angle
        return name

    def lane(self, b: Builder, scratch: Value, *places: Value) -> None:
        """A lane, from addresses of rows of inputs, shared inputs, rows of outputs and statuses, how many lanes and which."""
        for k, part in enumerate(self.parts_of_lane):
            if not self._called:
                LaneWriter(self, b, scratch, *places).write(k, part)
                continue
            if f"lane_part{k}" not in self.written:
                body = partial(_written, self, k, part)
                self.function(f"lane_part{k}", ["ptr"] * 5 + ["i64"] * 2, body, linkage="internal")
            b.call("void", f"lane_part{k}", scratch, *places)

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
            scratch = b.emit("ptr", f"alloca [{max(self.scratch, 1)} x double], align 8")
            block, size, thread = (b.call("i32", _REGISTER.format(r)) for r in ("ctaid", "ntid", "tid"))
            number = block.cast("zext", "i64") * size.cast("zext", "i64") + thread.cast("zext", "i64")
            with b.when(number.compare("slt", arguments[-1])):
                body(b, scratch, *arguments, number)

        self.function(name, ["ptr"] * pointers + ["i64"] * counts, entry, linkage="ptx_kernel")


def _scheduled(program: Program) -> list[list[int]]:
    """The slots of instructions in the order of their work, part by part; results of a loop stand right behind it."""
    first, items = program.first_instruction, defaultdict[int, list[int]](list)
    for slot, (operation, arguments) in enumerate(program.code, start=first):
        if hasattr(operation, "index"):
            items[arguments[0]].append(slot)
    parts: list[list[int]] = [[]]
    for position in sunk(program):
        if hasattr(program.code[position][0], "index"):
            continue
        if len(parts[-1]) >= LENGTH:
            parts.append([])
        parts[-1] += [first + position, *items[first + position]]
    return parts


def _written(kernel: Kernel, number: int, part: Sequence[int], b: Builder, *places: Value) -> None:
    LaneWriter(kernel, b, *places).write(number, part)


class LaneWriter:
    """Writes a part of a lane of a program."""

    def __init__(self, kernel: Kernel, b: Builder, scratch: Value, *places: Value) -> None:
        rows, self.shared, outputs, statuses, self.n, lane = places
        self.kernel, self.program, self.b, self.scratch = kernel, kernel.program, b, scratch
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
            operation, arguments = self.program.code[slot - self.program.first_instruction]
            value = self.values[slot] = self.applied(operation, [self.value(a) for a in arguments])
            if slot in self.kernel.places:
                self.scratch.at(self.kernel.places[slot]).store(value)
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
            if slot >= program.inputs:
                place = self.scratch.at(self.kernel.places[slot])
            else:
                place = self.rows.at(self.n * slot) if slot < varying else self.shared.at(slot - varying)
            self.values[slot] = place.load("double")
        return self.values[slot]

    def _put(self, slot: int) -> None:
        """Store a number that is an output."""
        for k in self.kernel.outputs.get(slot, ()):
            self.outputs.at(self.n * k).store(self.value(slot))

    def applied(self, operation: Any, values: list[Any]) -> Any:
        """An operation on values; of one with many results their list."""
        if hasattr(operation, "index"):
            return values[0][operation.index]
        if isinstance(operation, MaskedLoop):
            turn = lowered(operation.turn, NATIVE)
            loop = masked_loops.forward(self.b, operation, turn, self.applied, values, stack=None, pause=self._pause())
            return loop.results
        inline = INLINE.get(operation)
        return inline(*values) if inline is not None else self.b.library(LIBRARY[operation], *values)

    def _pause(self) -> str:
        """A function in the place of a look at what goes on outside of a loop: a device has nothing to look at."""
        if "lane_pause" not in self.kernel.written:
            self.kernel.function("lane_pause", ["double"], lambda b, _: b.constant(0.0), linkage="internal")
        return "lane_pause"

    def _tested(self, status: Any, number: int, guard: Guard) -> Value:
        """The number of the first guard that failed; they are tested in another order."""
        relation = (RELATIONS if guard.outcome else OPPOSITES)[guard.relation]
        holds = self.value(guard.left).compare(relation, self.value(guard.right))
        earlier = status.compare("ne", 0) & status.compare("slt", number)
        kept: Value = status.where(holds | earlier, number)
        return kept


def refuse(program: Program) -> None:
    """Refuse operations that need something outside of the device."""
    for operation, _ in program.code:
        if operation in INLINE or hasattr(operation, "index"):
            continue
        if isinstance(operation, MaskedLoop):
            refuse(lowered(operation.turn, NATIVE))
            continue
        name = LIBRARY.get(operation)
        if name in vector_math.FUNCTIONS or name in OWN:
            continue
        remedy = (
            'Write the loop with a fixed number of turns, or run it by backend="llvm".'
            if hasattr(operation, "turn")
            else 'Write it in functions that have code there (see "Devices" in docs/tape.md), or run it by backend="llvm".'
            if operation in NATIVE or getattr(operation, "built_in", True)
            else "Give the Primitive an `expression`."
        )
        raise CompilationError(
            f"a device has no code for {operation.name}: it needs a library of this machine. {remedy}"
        )


def assembly(kernel: Module, capability: int = OLDEST) -> str:
    """A module of kernels as PTX for devices of this compute capability, times 10, and younger ones."""
    if not engine.AVAILABLE:
        raise CompilationError(
            'PTX needs llvmlite, which is not installed. Install it with pip install "autograd-lite[jit]".'
        )
    background.pause()
    progress.part("LLVM writes PTX")
    return engine.assembly(kernel.text, engine.Target("nvptx64-nvidia-cuda", f"sm_{capability}"), kernel.level)
