"""Programs as modules of LLVM IR.

LLVM's time for one long block grows faster than its length, so a program is cut into functions. They pass values on through
a scratch array, whose places are used again as soon as they are free.
"""

import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import nan
from typing import Any

from autograd_lite import primitives as p
from autograd_lite.primitives import PRIMITIVES, Primitive
from autograd_lite.tape import background, progress
from autograd_lite.tape.llvm import (
    engine,
    masked_loops,
    matrices,
    matrix_loops,
    runtime,
    scalar_code,
    tables,
    vector_math,
)
from autograd_lite.tape.llvm.ir import Builder, Module, Value, vector
from autograd_lite.tape.lowering import TABLE, content, lowered
from autograd_lite.tape.masked import MaskedLoop
from autograd_lite.tape.program import Guard, Program, sunk

#: LLVM's name of a comparison of doubles as Python compares floats: ordered, but for "unequal".
RELATIONS = {"lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge", "eq": "oeq", "ne": "une"}
OPPOSITES = {"lt": "uge", "le": "ugt", "gt": "ule", "ge": "ult", "eq": "une", "ne": "oeq"}

Formula = Callable[..., Value]


def _less(x: Value, y: Value) -> Value:
    known = x.b.constant(1.0).where(x < y, 0.0)
    return x.b.constant(nan).where(x.compare("uno", y), known)


def _extreme(relation: str) -> Formula:
    return lambda x, y: x.where(x.compare("uno", x), x.where(x.compare(relation, y), y))


def _floor_mod(x: Value, y: Value) -> tuple[Value, Value]:
    """CPython's `divmod` of floats: remainder with the sign of y, and (x - remainder)/y before rounding."""
    remainder = x.b.library("fmod", x, y)
    quotient = (x - remainder) / y
    other_sign = (remainder < 0.0) ^ (y < 0.0)
    moved = (remainder + y).where(other_sign, remainder)
    lowered = (quotient - 1.0).where(other_sign, quotient)
    nonzero = remainder.compare("une", 0.0)
    return moved.where(nonzero, x.b.constant(0.0).with_sign_of(y)), lowered.where(nonzero, quotient)


def _floordiv(x: Value, y: Value) -> Value:
    quotient = _floor_mod(x, y)[1]
    floor = quotient.intrinsic("floor")
    rounded = (floor + 1.0).where(quotient - floor > 0.5, floor)
    exact = x / y
    whole = rounded.where(quotient.compare("une", 0.0), x.b.constant(0.0).with_sign_of(exact))
    return exact.where(y.compare("oeq", 0.0), whole)


def _pow(x: Value, y: Value) -> Value:
    """C's function; one lane gives x·x for x², as the rule does, which now and then differs in the last bit."""
    power = x.b.library("pow", x, y)
    return power if x.b.module.width else (x * x).where(y.compare("oeq", 2.0), power)


#: Operations that are an instruction or a few; the others are calls, expressions, or calls back into Python.
_FORMULAS: dict[Primitive, Formula] = {
    p.add: operator.add,
    p.sub: operator.sub,
    p.mul: operator.mul,
    p.div: operator.truediv,
    p.neg: operator.neg,
    p.abs: operator.abs,
    p.sqrt: lambda x: x.intrinsic("sqrt"),
    p.floor: lambda x: x.intrinsic("floor"),
    p.ceil: lambda x: x.intrinsic("ceil"),
    p.trunc: lambda x: x.intrinsic("trunc"),
    p.copysign: lambda x, s: x.b.constant(nan).where(s.compare("uno", s), x.with_sign_of(s)),
    p.less: _less,
    p.where: lambda condition, x, y: x.where(condition.compare("une", 0.0), y),
    p.maximum: _extreme("ogt"),
    p.minimum: _extreme("olt"),
    p.pow: _pow,
    p.mod: lambda x, y: x.b.constant(nan).where(y.compare("oeq", 0.0), _floor_mod(x, y)[0]),
    p.floordiv: _floordiv,
}
INLINE = _FORMULAS | {
    rule: lambda x, y, holds=RELATIONS[relation]: x.b.constant(1.0).where(x.compare(holds, y), 0.0)
    for relation, rule in p.COMPARISONS.items()
}

#: Operations that are a function of C's mathematical library.
LIBRARY: dict[Primitive, str] = {
    rule: rule.c for rule in PRIMITIVES.values() if rule.built_in and rule.c.isidentifier() and rule not in INLINE
}

NATIVE = frozenset([*INLINE, *LIBRARY])

#: What compiled programs call, in groups: functions of the width of their values.
LIBRARIES: dict[str, Callable[[Any], Module]] = {
    **{group: partial(runtime.library, group) for group in runtime.GROUPS},
    **{name: partial(vector_math.library, name) for name in vector_math.NAMES},
    **scalar_code.LIBRARIES,
    "matrices": matrix_loops.library,
}
_GROUP_OF = {name: group for group, functions in runtime.GROUPS.items() for name in functions}


def libraries(module: Module) -> list[tuple[str, int | None]]:
    """The groups that a module calls, each with the width of its values."""
    found: set[tuple[str, int | None]] = set()
    for name in module.called:
        function, _, width = name.rpartition("_v")
        if name in _GROUP_OF:
            found.add((_GROUP_OF[name], None))
        elif name in scalar_code.LIBRARIES:
            found.add((name, None))
        elif function in vector_math.NAMES:
            found.add((function, int(width)))
        elif name.startswith("al_"):
            found.add(("matrices", module.width))
    return sorted(found, key=str)


FUNCTION_LENGTH = 1000  # instructions of one function: long enough to share loads, short enough for LLVM
TOGETHER = 8  # functions that LLVM compiles at once: a tenth of a second
RUN = 16  # as many arguments of a loop or vmap are copied together where they lie together, or are one number
WIDE = 4  # lanes of a register from which on two registers go together: while one waits for a result, the other goes on
HELD = 1e300  # the number of the first guard that failed, while none has
ON_STACK = 8192  # doubles of scratch that a compiled function takes from the stack; beyond, the caller brings them

TURNS = 16  # of a loop in lanes, as a guess at its work

Place = tuple[str, int]  # the name of a pointer, and bytes from there


def wide(width: int) -> int:
    """The lanes that go together where registers have so many."""
    return 2 * width if width >= WIDE else width


class ProgramModule(Module):
    """The module of a program: functions of inputs, scratch array and outputs, tables of matrices, and their calls.

    The first `varying` inputs lie in rows of the scratch array. The slots `results` are written to the array of outputs by
    one lane, to rows behind the inputs by several; if `summed` they are added up over the lanes of a block instead.
    """

    def __init__(
        self, tape: Program, varying: int, width: int | None, *, results: Sequence[int], summed: bool, contract: bool
    ) -> None:
        super().__init__(width, contract=contract, vectorised=vector_math.FUNCTIONS)
        self.tape, self.varying, self.first = tape, varying, tape.first_instruction
        self.summed = summed
        progress.part("looking for products of matrices")
        asked = summed or width is None
        self.groups = matrices.Found() if contract else matrices.found(tape, varying, summed=asked)
        self.tables = tables.found(tape) if summed else tables.Found()
        self.groups.absorbed |= self.tables.absorbed
        self.read, copied = tables.in_place(tape, varying) if width is not None else ({}, [])
        self.copied = len(copied), self.table("inputs", copied)
        turns = sum(len(f.turn.code) for f, _ in tape.code if hasattr(f, "turn"))
        self.instructions = len(tape.code) - len(self.groups.absorbed) + turns
        self.work = self.instructions + len(self.groups.absorbed) // 4 + TURNS * turns  # matrices keep the adders busy
        few = self.instructions < 1000 and len(copied) < 200
        self.block = 256 if few else 64  # its numbers should stay in the cache
        # Bytes from one row of the scratch array to the next. No power of two: rows would fall into few sets of the cache.
        self.row = 8 if width is None else 8 * self.block + 64
        #: Whether rows of inputs and outputs may lie where the caller has them; loops over matrices want the scratch array.
        kinds = {operation for operation, _ in tape.code}
        apart = any(hasattr(f, fact) for f in kinds for fact in ("lookup", "results", "turn"))  # what works on memory
        self.in_place = width is not None and not (apart or self.groups.matrices or self.groups.outers)
        if width is not None and self.in_place:
            self.width = width = wide(width)
        in_outers = {k for outer in self.groups.outers for k in outer.outputs}
        terms = {k: self.tables.terms.get(k, [slot]) for k, slot in enumerate(results) if summed and k not in in_outers}
        self.added = [k for k, slots in terms.items() if slots]
        self.sums: dict[int, list[int]] = defaultdict(list)
        for number, k in enumerate(self.added):
            for slot in terms[k]:
                self.sums[slot].append(number)
        self.outputs: dict[int, list[Place]] = defaultdict(list)
        for k, slot in enumerate(() if summed else results):
            self.outputs[slot].append(("out", 8 * k) if width is None else self._row(varying + k))
        self.scratch = 0 if width is None else varying if summed else varying + len(results)
        self.callbacks: dict[Any, str] = {}  # names of operations that are Python's
        self.results: dict[int, Place] = {}  # of operations with many results, and of these
        self.stacks: list[Place] = []  # of the carries of loops
        self.stack_of: dict[int, Place] = {}  # by the slot of a loop
        self.kept = {arguments[0] for f, arguments in tape.code if hasattr(f, "keeps")}  # loops with a reverse sweep
        self._write()

    def _write(self) -> None:
        background.pause()
        progress.part("writing LLVM's language")
        self._rows: dict[int, int] = {}
        self._free: list[int] = []
        self._schedule = self._scheduled()
        self._guards: dict[int, list[tuple[int, Guard]]] = defaultdict(list)  # at -1 those that test no instruction
        for number, guard in enumerate(self.tape.guards):
            self._guards[max(guard.left - self.first, guard.right - self.first, -1)].append((number, guard))
        self._last = self._last_uses()
        self._released: dict[int, list[int]] = defaultdict(list)
        self.status = self._take() * self.row if self.tape.guards else 0  # the first row that is taken
        operands = {slot for table in self.tables.scattered for slot in table.arguments}
        self.spread = {slot: self._take() for slot in sorted(operands) if self.varying <= slot < self.first}
        self.located = [self._take() * self.row for _ in range(3)] if self.read else []
        self._calls: list[matrix_loops.Call] = []
        for index, part in enumerate(self._schedule):
            background.pause()
            if index and index % TOGETHER == 0 and self.parts:  # who needs the compiler meanwhile waits for these only
                self.codes.append(engine.compiled(self.cut(), self.level))
            self._free += [self._rows[slot] for slot in self._released.pop(index - 1, ())]
            if not isinstance(part, matrices.Matrix):
                self._calls.append(self._function(index, part))
                continue
            for row in part.rows:
                self._keep(row)
            places, sources = ([self.place(slot)[1] for slot in slots] for slots in (part.rows, part.vector))
            self._calls.append(matrix_loops.matrix(self, index, part, self.varying, places=places, sources=sources))
        self.scatters = [tables.Calls(self, k, table, self.operand) for k, table in enumerate(self.tables.scattered)]
        self.outers = []
        for number, outer in enumerate(self.groups.outers):
            left, right = ([self.place(slot)[1] for slot in side] for side in (outer.left, outer.right))
            self.outers.append(matrix_loops.outer(self, number, outer, left, right))

    def _scheduled(self) -> list[list[int] | matrices.Matrix]:
        """Positions of instructions function by function, and the matrices between them."""
        schedule: list[list[int] | matrices.Matrix] = []
        current: list[int] = []
        matrix_of = {row - self.first: matrix for matrix in self.groups.matrices for row in matrix.rows}
        written: set[int] = set()
        for position in sunk(self.tape):
            matrix = matrix_of.get(position)
            if matrix is not None:
                if id(matrix) not in written:  # at the first row that is needed: all rows need the same numbers
                    written.add(id(matrix))
                    schedule += [current, matrix]
                    current = []
            elif position not in self.groups.absorbed:
                if len(current) == FUNCTION_LENGTH:
                    schedule.append(current)
                    current = []
                current.append(position)
        return [*schedule, current]

    def _last_uses(self) -> dict[int, int]:
        """From each slot that a later part of the schedule uses to the index of the last such part."""
        made: dict[int, int] = {}  # from slot to the index of its part
        last: dict[int, int] = {}

        def used(index: int, slots: Iterable[int]) -> None:
            last.update(dict.fromkeys([s for s in slots if s >= self.first and index > made[s]], index))

        for index, part in enumerate(self._schedule):
            if isinstance(part, matrices.Matrix):
                made |= dict.fromkeys(part.rows, index)
                used(index, part.vector)
                used(index + 1, part.rows)  # rows that are outputs are written there
                continue
            made |= dict.fromkeys([self.first + position for position in part], index)
            tested = [guard for position in part for _, guard in self._guards.get(position, ())]
            used(index, [a for position in part for a in self.tape.code[position][1]])
            used(index, [side for guard in tested for side in (guard.left, guard.right)])
        for outer in self.groups.outers:
            used(len(self._schedule), [*outer.left, *outer.right])
        for table in self.tables.scattered:
            used(len(self._schedule), table.arguments)
        return last

    def _function(self, index: int, positions: list[int]) -> matrix_loops.Call:
        def body(b: Builder, *pointers: Value) -> None:
            writer = FunctionWriter(self, b, *pointers)
            writer.gaussians = self._gaussians(positions)
            if index == 0:
                writer.guards(self._guards.get(-1, ()))
            before = self._schedule[index - 1] if index else None
            for row in before.rows if isinstance(before, matrices.Matrix) else ():
                writer.output(row)
            for position in positions:
                slot = self.first + position
                writer.instruction(slot, *self.tape.code[position])
                if slot in self._last:
                    self._keep(slot)
                    writer.pointer(*self.place(slot)).store(writer.values[slot])
                if position in self._guards:
                    writer.guards(self._guards[position])
            if index == len(self._schedule) - 1:
                for slot in range(self.first):  # inputs and constants
                    writer.output(slot)
                for slot, row in self.spread.items():
                    writer.pointer("scratch", row * self.row).store(writer.value(slot))

        kinds = ["ptr"] * 3 + ["ptr", "i64"] * self.in_place
        self.function(f"f{index}", kinds, body, linkage="internal" if len(self._schedule) <= TOGETHER else "")
        return lambda b, *pointers: b.call("void", f"f{index}", *pointers)

    def _gaussians(self, positions: list[int]) -> dict[int, tuple[int, int]]:
        """For each erf(x) or erfc(x) among instructions in lanes, and each exp(-x·x) beside it, the slots of the two."""
        if self.width is None:
            return {}
        code, first, found = self.tape.code, self.first, dict[int, int]()
        for position in positions:
            operation, arguments = code[position]
            if operation is p.exp and (x := self._root_of_square(arguments[0])) is not None:
                found[x] = first + position
        pairs: dict[int, tuple[int, int]] = {}
        for position in positions:
            operation, arguments = code[position]
            if LIBRARY.get(operation) in vector_math.WITH_GAUSSIAN and arguments[0] in found:
                both = first + position, found.pop(arguments[0])
                pairs |= dict.fromkeys(both, both)
        return pairs

    def _root_of_square(self, slot: int) -> int | None:
        """The slot of x where this one is -x·x, with the same bits however it is written."""
        operation, arguments = self._made(slot)
        if operation is p.neg:
            operation, arguments = self._made(arguments[0])
            return arguments[0] if operation is p.mul and arguments[0] == arguments[1] else None
        for x, other in (arguments, arguments[::-1]) if operation is p.mul else ():
            if self._made(other) == (p.neg, (x,)):
                return x
        return None

    def _made(self, slot: int) -> tuple[Any, tuple[int, ...]]:
        """The instruction of a slot, if there is one."""
        return self.tape.code[slot - self.first] if slot >= self.first else (None, ())

    def _keep(self, slot: int) -> None:
        self._rows[slot] = self._take()
        self._released[self._last[slot]].append(slot)

    def _take(self) -> int:
        if self._free:
            return self._free.pop()
        self.scratch += 1
        return self.scratch - 1

    def place(self, slot: int) -> Place:
        """Where an input lies, or a number in the scratch array."""
        return self.input(slot) or ("scratch", self._rows[slot] * self.row)

    def room(self, numbers: int) -> int:
        """The offset in bytes of room in the scratch array for so many numbers side by side."""
        start = self.scratch
        self.scratch += -(-8 * numbers // self.row)
        return start * self.row

    def operand(self, slot: int) -> int:
        """Where a number of each lane lies in the scratch array."""
        return self.spread[slot] * self.row if slot in self.spread else self.place(slot)[1]

    def input(self, slot: int) -> Place | None:
        if slot >= self.tape.inputs:
            return None
        return self._row(slot) if slot < self.varying else ("given", 8 * (slot - self.varying))

    def step(self, place: Place) -> int:
        """Bytes from one number to the next: what all lanes share lies side by side."""
        return self.row if place[0] == "scratch" else 8

    def _row(self, number: int) -> Place:
        """A row of inputs, or behind them of outputs."""
        return ("places", number) if self.in_place else ("scratch", number * self.row)

    def run(self, b: Builder, given: Value, scratch: Value, out: Value, *places: Value) -> None:
        """All functions and matrices, with no guard failed before; `places` has the addresses of rows that are in place."""
        if self.tape.guards:
            scratch.at(self.status, "i8").store(b.constant(HELD))
        for call in self._calls:
            call(b, given, scratch, out, *places)

    def stack(self) -> Place:
        """Room for another stack: behind the sums of a block, since rows are of many lanes."""
        if self.width is None:
            place = "scratch", 8 * self.scratch
            self.scratch += masked_loops.STACK
        else:
            place = "out", 8 * (self.width * (1 + len(self.added)) + masked_loops.STACK * len(self.stacks))
        self.stacks.append(place)
        return place

    def stacked(self, run: Callable[[], None], **pointers: Value) -> None:
        """Run with empty stacks, and give their memory back."""
        stacks = [pointers[base].at(offset, "i8") for base, offset in self.stacks]
        for stack in stacks:
            stack.store(Value(stack.b, "ptr", "null"))
            stack.at(1).store(stack.b.constant(0, "i64"))
        run()
        for stack in stacks:
            stack.b.call("void", "free", stack.load("ptr"))

    def called_back(self, operation: Any) -> str:
        """The name of the way back into Python for an operation."""
        return self.callbacks.setdefault(operation, f"callback_{len(self.callbacks)}")

    @property
    def level(self) -> int:
        """All optimisations for a few instructions; level 0 fuses nothing."""
        return 2 if self.instructions <= (300 if self.width is None else 1000) else int(self.contract)


class FunctionWriter:
    def __init__(
        self, module: ProgramModule, b: Builder, given: Value, scratch: Value, out: Value, *places: Value
    ) -> None:
        self.module, self.tape, self.b = module, module.tape, b
        self.places = places  # the addresses of rows that are in place, and the lane
        self.pointers = {"given": given, "scratch": scratch, "out": out}
        self.values: dict[int, Value] = {}
        self.distances: dict[Any, Value] = {}  # of rows of tables
        self.comparisons: dict[int, tuple[Value, Value]] = {}
        self.gaussians: dict[int, tuple[int, int]] = {}  # from each of two slots that one function computes to both

    def pointer(self, base: str, offset: int) -> Value:
        if base == "places":
            table, lane = self.places
            return table.at(offset, "ptr").load("ptr").at(lane)
        return (self.pointers.get(base) or Value(self.b, "ptr", base)).at(offset, "i8")

    def value(self, slot: int) -> Value:
        """A number, loaded where it is not at hand."""
        value = self.values.get(slot)
        if value is not None:
            return value
        b = self.b
        if self.tape.inputs <= slot < self.tape.first_instruction:
            return b.constant(self.tape.constants[slot - self.tape.inputs])
        place = self.pointer(*self.module.place(slot))
        if self.module.varying <= slot < self.tape.inputs:  # loaded at each use: that becomes part of the instruction
            return place.load("double").spread(b.width)
        value = self.values[slot] = place.load(b.double)
        return value

    def instruction(self, slot: int, operation: Any, arguments: tuple[int, ...]) -> None:
        """One operation, and the output that it may be."""
        inline = INLINE.get(operation)
        if slot in self.gaussians:
            value = self.values.get(slot) or self._with_gaussian(slot)
        elif operation is p.where and arguments[0] in self.comparisons:
            # where(less(x, y), …) without making the number 1, 0 or nan: x < y, or not comparable.
            x, y = self.comparisons[arguments[0]]
            holds = x.compare("ult", y)
            value = self.value(arguments[1]).where(holds, self.value(arguments[2]))
        elif inline is not None:
            value = inline(*[self.value(a) for a in arguments])
            if operation is p.less:
                self.comparisons[slot] = self.value(arguments[0]), self.value(arguments[1])
        elif hasattr(operation, "turn"):
            self._masked(slot, operation, arguments)
            return
        elif hasattr(operation, "lookup"):
            value = getattr(self, f"_{operation.lookup}")(slot, operation, arguments)
        elif hasattr(operation, "results"):
            self.called_back(slot, operation, arguments)
            return
        elif hasattr(operation, "index"):  # one of the results of such an operation
            base, offset = self.module.results[arguments[0]]
            place = self.module.results[slot] = base, offset + self.module.row * operation.index
            value = self.pointer(*place).load(self.b.double)
        else:
            given = [self.value(a) for a in arguments]
            value = self.b.library(self._name(operation), *given)
        self.values[slot] = value
        self.output(slot)

    def _masked(self, slot: int, operation: Any, arguments: tuple[int, ...]) -> None:
        """A loop in lanes, or its reverse sweep: results into rows of the scratch array, and how many turns lanes made."""
        module, b = self.module, self.b
        if slot in module.kept:
            module.stack_of[slot] = module.stack()
        if hasattr(operation, "rows"):
            stack = module.stack_of.get(arguments[0] if operation.reverse else slot)
            heads, rows = (
                arguments[operation.reverse :][: operation.heads],
                arguments[operation.reverse + operation.heads :],
            )
            sources = [self._memory(part) for part in operation.parts(rows)]
            module.results[slot] = "scratch", module.scratch * module.row
            self._scanned(operation, [self.value(a) for a in heads], sources, stack and self.pointer(*stack))
            self.values[slot] = b.constant(0.0)
            return
        given: list[Any] = [self.value(a) for a in arguments]
        if hasattr(operation, "keeps"):
            base, offset = module.results[arguments[0]]
            counts = self.pointer(base, offset + module.row * (operation.carry + 1)).load(b.double)
            given[0] = masked_loops.Ran([], counts.bits(), self.pointer(*module.stack_of[arguments[0]]))
        stack = module.stack_of.get(slot)
        ran = self._applied(operation, given, None if stack is None else self.pointer(*stack))
        module.results[slot] = "scratch", module.scratch * module.row
        numbers = [*ran.results, ran.counts.double()] if isinstance(ran, masked_loops.Ran) else ran
        for k, number in enumerate(numbers):
            self.pointer("scratch", (module.scratch + k) * module.row).store(number)
        module.scratch += len(numbers)
        self.values[slot] = b.constant(0.0)

    def _applied(self, operation: Any, values: list[Any], stack: Value | None = None) -> Any:
        """An operation on values in registers, as in the turns of a loop; `values` hold a list where a loop stands."""
        if hasattr(operation, "index"):
            return (
                values[0].results[operation.index]
                if type(values[0]) is masked_loops.Ran
                else values[0][operation.index]
            )
        if hasattr(operation, "rows"):
            heads = values[operation.reverse :][: operation.heads]
            parts = operation.parts(values[operation.reverse + operation.heads :])
            sources = [self._stored(part) if part else None for part in parts]
            return self._scanned(operation, heads, sources, values[0].stack if operation.reverse else stack)
        if hasattr(operation, "turn"):
            turn, b = lowered(operation.turn, NATIVE), self.b
            if isinstance(operation, MaskedLoop):
                pause = self.module.called_back(operation.pause)
                return masked_loops.forward(b, operation, turn, self._turn(turn), values, stack=stack, pause=pause)
            return masked_loops.backward(b, operation, turn, self._turn(turn), values)
        if hasattr(operation, "results"):
            room = self._room(max(operation.arity, operation.results))
            for k, number in enumerate(values):
                room.at(k).store(number)
            self._call_back(operation, room.start)
            return [room.at(k).load(self.b.double) for k in range(operation.results)]
        inline = INLINE.get(operation)
        if inline is not None:
            return inline(*values)
        return self.b.library(self._name(operation), *values)

    def _name(self, operation: Any) -> str:
        """A function of C, one that was written from the value, or the way back into Python."""
        return LIBRARY.get(operation) or scalar_code.VALUES.get(operation) or self.module.called_back(operation)

    def _scanned(self, scan: Any, heads: list[Any], sources: list[Any], stack: Value | None) -> masked_loops.Ran:
        """A scan in lanes or its reverse sweep, with its results in the scratch array."""
        turn, pause = lowered(scan.turn, NATIVE), self.module.called_back(scan.pause)
        pairs = zip(scan.rows.sources, sources, strict=True)
        memory = [given if known is None else self._known(known) for (_, known), given in pairs]
        results = self._room(scan.results)
        return masked_loops.scanned(
            scan, turn, self._turn(turn), heads, memory, results=results, stack=stack, pause=pause
        )

    def _known(self, table: Any) -> masked_loops.Region:
        name = self.module.called_back(table)
        self.module.declarations[name] = f"declare void @{name}()"  # where it lies is told as for a way back
        return masked_loops.Region(Value(self.b, "ptr", f"@{name}"), 8, uniform=True)

    def _stored(self, numbers: Sequence[Value]) -> masked_loops.Region:
        room = self._room(len(numbers))
        for k, number in enumerate(numbers):
            room.at(k).store(number)
        return room

    def _room(self, size: int) -> masked_loops.Region:
        """Room for so many numbers of each lane in the scratch array."""
        start = self.pointer("scratch", self.module.scratch * self.module.row)
        self.module.scratch += size
        return masked_loops.Region(start, self.module.row)

    def _memory(self, arguments: Sequence[int]) -> masked_loops.Region | None:
        """Arguments as numbers that lie in a row in memory; they are copied where they do not. None if there are none."""
        if not arguments:
            return None
        run, region = self._neighbours(arguments, 0)
        if region is not None and run == len(arguments):
            return region
        room, start = self._room(len(arguments)), 0
        while start < len(arguments):
            run, region = self._neighbours(arguments, start)
            alike = 1
            while start + alike < len(arguments) and arguments[start + alike] == arguments[start]:
                alike += 1
            run, number = max(run, alike), self.value(arguments[start])
            if run == 1:
                room.at(start).store(number)
            else:
                with self.b.counted(run) as (k,):
                    there = region[k] if region is not None and alike < run else number
                    room.at(k + start).store(there)
            start += run
        return room

    def _neighbours(self, arguments: Sequence[int], start: int) -> tuple[int, masked_loops.Region | None]:
        """How many arguments from one on lie behind each other in memory, and where."""
        place = self._address(arguments[start])
        if place is None:
            return 0, None
        step, run = self.module.row if place[0] == "scratch" else 8, 1
        while start + run < len(arguments) and self._address(arguments[start + run]) == (
            place[0],
            place[1] + step * run,
        ):
            run += 1
        return run, masked_loops.Region(self.pointer(*place), step, uniform=place[0] == "given")

    def _turn(self, turn: Program) -> Callable[[Any, list[Any]], Any]:
        """How the operations of a turn are applied: loops that a reverse sweep inside it needs keep their carries."""
        swept = {arguments[0] for f, arguments in turn.code if hasattr(f, "keeps")}
        slots = iter(range(turn.first_instruction, turn.slots))

        def apply(operation: Any, values: list[Any]) -> Any:
            stack = self.pointer(*self.module.stack()) if next(slots) in swept else None
            return self._applied(operation, values, stack)

        return apply

    def _with_gaussian(self, slot: int) -> Value:
        """One of erf(x) or erfc(x), and exp(-x·x), by a function that computes both."""
        both = self.gaussians[slot]
        operation, (x,) = self.tape.code[both[0] - self.tape.first_instruction]
        function = f"{LIBRARY[operation]}_gaussian_v{self.b.width}"
        self.values |= zip(both, self.b.call_for_two(function, self.value(x)), strict=True)
        return self.values[slot]

    def _table(self, slot: int, operation: Any, arguments: tuple[int, ...]) -> Value:
        """The numbers of a table in a row: where they lie, or in the scratch array."""
        module = self.module
        if slot in module.read:
            return self.b.constant(0.0)
        known = [self.tape.constants[a - self.tape.inputs] for a in arguments if self.tape.inputs <= a < module.first]
        if len(known) == len(arguments):
            module.results[slot] = module.numbers(f"t{slot}", known), 0
            return self.b.constant(0.0)
        start = self._address(arguments[0])
        step = module.step(start) if start else 0
        if not start or any(self._address(a) != (start[0], start[1] + step * k) for k, a in enumerate(arguments)):
            start = self._region(operation.arity)
            self._passed(arguments, start[1])
        module.results[slot] = start
        return self.b.constant(0.0)

    def _row(self, _: int, operation: Any, arguments: tuple[int, ...]) -> Value:
        table, place = arguments
        first = self.module.read.get(table)
        if first is not None:
            return self._read(first, operation, place)
        return self._entry(self.module.results[table], operation, place).gathered()

    def _read(self, first: int, row: Any, place: int) -> Value:
        """An entry of a table that each lane has in memory: by the address and the stride of that input (8 bytes each)."""
        b, pointers = self.b, vector(self.b.width, "ptr")
        bases, strides, lane = (self.pointer("scratch", offset).load(b.whole) for offset in self.module.located)
        entry = self._distance(place, row, 8) + 8 * (first + row.offset)
        base, stride = ((table + entry).cast("inttoptr", pointers).gathered().bits() for table in (bases, strides))
        address: Value = base + lane * stride
        return address.cast("inttoptr", pointers).gathered()

    def _entry(self, start: Place, row: Any, place: int) -> Value:
        """The address of an entry in each lane; a place that is none, as of a NaN, counts as the first."""
        step = self.module.step(start)
        distance = self._distance(place, row, step)
        if self.b.width > 1 and step != 8:  # a number for each lane
            distance = distance + self.b.joined_whole(range(0, 8 * self.b.width, 8))
        return self.pointer(start[0], start[1] + step * row.offset).at(distance, "i8")

    def _distance(self, place: int, row: Any, step: int) -> Value:
        """Bytes from the first row of a table to the one that is taken."""
        key = place, row.count, row.width * step
        if key not in self.distances:
            x = self.value(place)
            inside = x.where((x > 0.0) & (x < float(row.count)), 0.0).cast("fptosi", self.b.whole)
            self.distances[key] = inside * (row.width * step)
        return self.distances[key]

    def _scatter(self, slot: int, operation: Any, arguments: tuple[int, ...]) -> Value:
        """Each lane's sums, in a table of its own."""
        start, count = self._region(operation.results), len(operation.rows)
        self.module.results[slot], step = start, self.module.step(start)
        with self.b.counted(operation.results) as (k,):
            self.pointer(*start).at(k * step, "i8").store(self.b.constant(0.0))
        entries = [self._entry(start, row, place) for row, place in zip(operation.rows, arguments, strict=False)]
        for entry in entries:
            entry.scatter(self.b.constant(-0.0))  # which changes no sum
        for entry, number in zip(entries, arguments[count:], strict=True):
            entry.scatter(entry.gathered() + self.value(number))
        return self.b.constant(0.0)

    def _region(self, size: int) -> Place:
        """Room in the scratch array."""
        start = "scratch", self.module.scratch * self.module.row
        self.module.scratch += size
        return start

    def called_back(self, slot: int, operation: Any, arguments: tuple[int, ...]) -> None:
        """An operation with many results: arguments into the scratch array, and a call back that leaves the results there."""
        place = self.module.results[slot] = self._region(max(len(arguments), operation.results))
        self._passed(arguments, place[1])
        self._call_back(operation, self.pointer(*place))
        self.values[slot] = self.b.constant(0.0)

    def _call_back(self, operation: Any, memory: Value) -> None:
        """Let Python put the results of an operation in the place of its arguments, for each lane of a register."""
        width = 1 if self.module.width is None else self.b.width
        self.b.call("void", self.module.called_back(operation), memory, self.module.row, width)

    def _passed(self, arguments: tuple[int, ...], region: int) -> None:
        """Arguments into the scratch array; runs of them at once: LLVM's time is quadratic in copies of single numbers."""
        start = 0
        if self.module.width is not None:
            for k, argument in enumerate(arguments):
                self.pointer("scratch", region + self.module.row * k).store(self.value(argument))
            return
        while start < len(arguments):
            place = self._address(arguments[start])
            row = alike = 1
            while place and start + row < len(arguments) and self._address(arguments[start + row]) == (
                place[0], place[1] + 8 * row
            ):  # fmt: skip
                row += 1
            while start + alike < len(arguments) and arguments[start + alike] == arguments[start]:
                alike += 1
            target = "scratch", region + 8 * start
            if row >= RUN and place:
                self.b.copy(self.pointer(*target), self.pointer(*place), 8 * row)
                start += row
            elif alike >= RUN:
                self.b.call("void", "al_fill", self.pointer(*target), self.value(arguments[start]), alike)
                start += alike
            else:
                value = self.value(arguments[start])
                self.pointer(*target).store(value)
                start += 1

    def _address(self, slot: int) -> Place | None:
        """Where a number lies in memory among its like: an input, or one of many results."""
        place = self.module.input(slot) or self.module.results.get(slot)
        return None if place and place[0] == "places" else place

    def output(self, slot: int) -> None:
        """Write the number where it is an output, and add it where it is summed."""
        b = self.b
        for place in self.module.outputs.get(slot, ()):
            value = self.value(slot)
            self.pointer(*place).store(value)
        for number in self.module.sums.get(slot, ()):  # behind the mask of the lanes that exist
            mask = self.pointers["out"].load(vector(b.width, "i64"), align=64)
            masked = (self.value(slot).bits() & mask).double()
            total = self.pointer("out", 8 * b.width * (number + 1))
            total.store(total.load(b.double, align=64) + masked, align=64)

    def guards(self, numbered: Sequence[tuple[int, Guard]]) -> None:
        """Tests of guards, which keep the number of the first one that failed."""
        for number, guard in numbered:
            relation = (RELATIONS if guard.outcome else OPPOSITES)[guard.relation]
            holds = self.value(guard.left).compare(relation, self.value(guard.right))
            status = self.pointer("scratch", self.module.status)
            before = status.load(self.b.double)
            status.store(before.where(holds, before.where(before < number + 1.0, number + 1.0)))


def machine_code(program: Program, write: Callable[[], Any], *options: Any) -> engine.Module:
    """The code of a program as `write` writes it with these options, or from the disk."""
    own: dict[Any, int] = {}  # the operations of users that machine code calls, as the cache numbers them

    def written() -> Any:
        module = write()
        called = [o.name if o in TABLE else own.setdefault(o, len(own)) for o in module.callbacks]
        module.facts |= {"libraries": libraries(module), "callbacks": called}
        return module

    def prepared(facts: engine.Facts) -> list[engine.Callback]:
        for name, width in facts["libraries"]:
            runtime.loaded(name, width, LIBRARIES[name])
        operations = [*own]
        called = [PRIMITIVES[o] if type(o) is str else operations[o] for o in facts["callbacks"]]
        return [engine.called_back(o) for o in called]

    return engine.ready(lambda: [content(program, NATIVE, own), *options], written, prepared)


def lane_module(tape: Program, *, contract: bool = False) -> ProgramModule:
    """The module of a program for one lane: `main(in, out, scratch)`, and `framed` with the address of these three.

    They return 0, the number (from 1) of the first guard that failed, or -1 if a doubtful value is NaN. Values are bit for
    bit those of the eager run, unless `contract`.
    """
    guards = len(tape.guards)
    tape = lowered(tape, NATIVE)
    background.pause()
    tape, results = tape.tested()
    module = ProgramModule(tape, 0, None, results=results, summed=False, contract=contract)

    def run(b: Builder, given: Value, scratch: Value, out: Value) -> None:
        module.run(b, given, scratch, out)
        for call in module.outers:
            call(b, scratch, out)

    enter(module, run, tape, guards, len(results))
    module.facts["rolled"] = False
    return module


def enter(module: Any, run: Callable[..., None], tape: Program, guards: int, results: int) -> None:
    """Add the ways into a program for one lane, which `run` runs; of its guards the first were written by users."""

    def main(b: Builder, given: Value, out: Value, scratch: Value) -> Value:
        if module.scratch <= ON_STACK:
            scratch = b.emit("ptr", f"alloca [{max(module.scratch, 1)} x double], align 64")
        run(b, given, scratch, out)
        failed = b.constant(0, "i64")
        if tape.guards:  # -1 if only tests for NaN failed, which stand behind the guards that users wrote
            status = scratch.load("double")
            held = status.compare("oeq", HELD)
            number = status.cast("fptosi", "i64")
            failed = failed.where(held, number.where(number.compare("sle", guards), -1))
        if not tape.doubtful:
            return failed
        # -1 if a result is NaN; or if infinities cancel in their sum: then the careful program finds nothing new
        total = b.call("double", "al_total", out, results)
        doubt = b.constant(-1, "i64").where(total.compare("uno", total), 0)
        return failed.where(failed.compare("ne", 0), doubt)

    def framed(b: Builder, frame: Value) -> Value:
        return b.call("i64", "main", *[frame.at(k, "ptr").load("ptr") for k in range(3)])

    module.function("main", ["ptr"] * 3, main, width=1)
    module.function("framed", ["ptr"], framed, width=1)
    module.facts = {"outputs": results, "scratch": module.scratch, "length": len(tape.code)}


def lanes_module(tape: Program, varying: int, width: int, *, summed: bool, contract: bool = False) -> ProgramModule:
    """The module of a program for many lanes: `main` works on blocks of them, of which the last may be shorter.

    The first `varying` inputs have one value for each lane, the others one for all. A block is gathered into the scratch
    array, worked through one vector register at a time, and its results are scattered from there; so any strides will do, and
    a lane's neighbours never enter it. Without loops over matrices, numbers that lie side by side stay where they are, and
    two registers go together. `summed` outputs are added up over the lanes of a block and never stored for each.
    """
    tape = lowered(tape, NATIVE)
    module = ProgramModule(tape, varying, width, results=tape.outputs, summed=summed, contract=contract)

    def main(b: Builder, *arguments: Value) -> Value:
        """How many blocks have a lane whose guards do not hold; their `status` is written then.

        `results` are the sums of blocks or else `leaves` arrays of n lanes, which have so many numbers each in `sizes`; `out`
        is a mask, and the sums of vectors behind it.
        """
        *common, start, end, together = arguments
        failing: list[Value] = []

        def blocks() -> None:
            with b.counted(end, first=start, carried=[b.constant(0, "i64")]) as around:
                part, before = around
                failing.append(before)
                if module.scatters:
                    _blocks(module, b, common, part, together)
                else:
                    around[1] = before + _block(module, b, common, part, common[3].at(part * len(tape.outputs)))

        module.stacked(blocks, out=common[8])
        return failing[0]

    module.table("places", module.added)
    module.function("main", [*["ptr"] * 6, "i64", *["ptr"] * 2, *["i64"] * 5], main)
    work = module.work + sum(len(table.arguments) for table in module.tables.scattered)
    stacks = masked_loops.STACK * len(module.stacks)
    size = module.scratch * (module.row // 8) + (varying + len(tape.outputs) + 7) // 8 * 8
    module.facts = {"block": module.block, "scratch": size, "stacks": stacks, "work": work, "width": module.width}
    module.facts["together"] = bool(module.scatters) and not module.outers  # whether blocks may share a row of sums
    return module


def _blocks(module: ProgramModule, b: Builder, common: Sequence[Value], part: Value, together: Value) -> None:
    """As many blocks as share a row of sums, where tables are added up."""
    results, scratch, n, size = common[3], common[7], *common[9:]
    count, begin = len(module.tape.outputs), part * together
    total = results.at(part * count)
    b.call("void", "al_fill", total, b.constant(0.0, "double"), count)
    for scatter in module.scatters:
        scatter.clear(b, scratch)
    with b.counted(begin + together, first=begin) as (block,):
        b.leave((block * size).compare("sge", n))
        _block(module, b, common, block, total)
    for scatter in module.scatters:
        scatter.add_table(b, scratch, total)


def _block(module: ProgramModule, b: Builder, common: Sequence[Value], block: Value, total: Value) -> Value:
    """Run a block; 1 if a guard fails in one of its lanes, else 0."""
    given, bases, strides, results, sizes, status, leaves, scratch, out, n, block_size = common
    row, varying, width, guarded = module.row, module.varying, b.width, bool(module.tape.guards)
    rows, sums, first = scratch.at(varying * row, "i8"), out.at(width), block * block_size
    addresses = scratch.at(module.scratch * row, "i8")
    ahead = n - first
    lanes = block_size.where(ahead.compare("sge", block_size), ahead)
    padded = lanes + (width - 1) & -width
    size, inputs = module.copied
    allowed = lanes if module.in_place else -1
    b.call("void", "al_gather", bases, strides, inputs, size, first, lanes, scratch, row, padded, addresses, allowed)
    if module.read:
        located = [scratch.at(offset, "i8") for offset in module.located]
        b.call("void", "al_locate", bases, strides, first, lanes, padded, *located)
    whole = lanes.compare("eq", padded).cast("zext", "i64") if module.in_place else 0
    b.call("void", "al_targets", results, sizes, leaves, n, first, rows, row, addresses.at(varying, "ptr"), whole)
    b.call("void", "al_fill", sums, b.constant(0.0, "double"), len(module.added) * width)
    with b.counted(lanes, step=width, carried=[b.constant(HELD)]) as turn:
        lane, least = turn
        if module.added or not module.in_place:
            exists = (lanes - lane).spread(width).compare("sgt", b.lanes)
            out.store(exists.cast("sext", b.whole), align=64)
        module.run(b, given, scratch.at(lane), out, *[addresses, lane] * module.in_place)
        if guarded:
            own = scratch.at(module.status, "i8").at(lane).load(b.double)
            turn[1] = own.where(own < least, least)
    failing = b.constant(0, "i64")
    if guarded:
        failed = b.any(least < HELD)
        with b.when(failed):
            own, held = scratch.at(module.status, "i8"), b.constant(HELD, "double")
            b.call("void", "al_status", status.at(first), own, lanes, held)
        failing = failed.cast("zext", "i64")
    b.call("void", "al_leaves", results, sizes, leaves, n, first, lanes, rows, row, whole)
    _add_up(module, b, scratch, lanes, sums=sums, total=total)
    return failing


def _add_up(module: ProgramModule, b: Builder, scratch: Value, lanes: Value, *, sums: Value, total: Value) -> None:
    """What a block adds to a row of sums."""
    with b.counted(len(module.added)) as (k,):
        number = halved(sums.at(k, b.double).load(b.double), b.width)
        place = total.at(Value(b, "ptr", "@places").at(k, "i64").load("i64"))
        place.store(place.load("double") + number if module.scatters else number)
    for call in module.outers:
        call(b, scratch, total, lanes)
    for scatter in module.scatters:
        scatter.add_lanes(b, scratch, lanes)


def halved(numbers: Value, width: int) -> Value:
    """The lanes added up, halves onto halves."""
    half = width // 2
    while half:
        numbers = numbers + numbers.shuffled([(k + half) % width for k in range(width)])
        half //= 2
    return numbers.lane(0)
