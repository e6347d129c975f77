"""Programs as LLVM IR, and as machine code of this machine.

LLVM's time for one long block grows faster than its length, so a program is cut into functions of some hundred
instructions. They pass values on through a scratch array, whose places are used again as soon as they are free.
"""

import ctypes
import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import nan
from typing import Any

from autograd_lite import primitives as p
from autograd_lite.primitives import PRIMITIVES, Primitive
from autograd_lite.tape.llvm import engine, matrices, matrix_loops, runtime, vector_math
from autograd_lite.tape.llvm.engine import Target
from autograd_lite.tape.llvm.ir import Bits, Builder, Doubles, at, counted, function, literal, load, spread
from autograd_lite.tape.lowering import lowered
from autograd_lite.tape.program import FEW, Guard, Program, sunk

# -------------------------------------------------------------------------------------------------------- operations

#: LLVM's name of a comparison of doubles as Python compares floats: ordered, but for "unequal".
RELATIONS = {"lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge", "eq": "oeq", "ne": "une"}
OPPOSITES = {"lt": "uge", "le": "ugt", "gt": "ule", "ge": "ult", "eq": "une", "ne": "oeq"}

Formula = Callable[..., Doubles]


def _less(x: Doubles, y: Doubles) -> Doubles:
    known = x.b.constant(1.0).where(x < y, 0.0)
    return x.b.constant(nan).where(x.compare("uno", y), known)


def _comparison(relation: str) -> Formula:
    return lambda x, y: x.b.constant(1.0).where(x.compare(relation, y), 0.0)


def _extreme(relation: str) -> Formula:
    return lambda x, y: x.where(x.compare("uno", x), x.where(x.compare(relation, y), y))


def _floor_mod(x: Doubles, y: Doubles) -> tuple[Doubles, Doubles]:
    """CPython's `divmod` of floats: remainder with the sign of y, and (x - remainder)/y before rounding."""
    remainder = x.b.library("fmod", x, y)
    quotient = (x - remainder) / y
    negative, y_negative = remainder < 0.0, y < 0.0
    other_sign = x.b.emit(f"xor {x.b.truth} {negative}, {y_negative}")
    moved = (remainder + y).where(other_sign, remainder)
    lowered = (quotient - 1.0).where(other_sign, quotient)
    nonzero = remainder.compare("une", 0.0)
    return moved.where(nonzero, x.b.constant(0.0).with_sign_of(y)), lowered.where(nonzero, quotient)


def _mod(x: Doubles, y: Doubles) -> Doubles:
    return x.b.constant(nan).where(y.compare("oeq", 0.0), _floor_mod(x, y)[0])


def _floordiv(x: Doubles, y: Doubles) -> Doubles:
    quotient = _floor_mod(x, y)[1]
    floor = quotient.intrinsic("floor")
    rounded = (floor + 1.0).where(quotient - floor > 0.5, floor)
    exact = x / y
    whole = rounded.where(quotient.compare("une", 0.0), x.b.constant(0.0).with_sign_of(exact))
    return exact.where(y.compare("oeq", 0.0), whole)


def _intrinsic(name: str) -> Formula:
    return lambda x: x.intrinsic(name)


#: Operations that are an instruction or a few; the others are calls, expressions, or calls back into Python.
_FORMULAS: dict[Primitive, Formula] = {
    p.add: operator.add,
    p.sub: operator.sub,
    p.mul: operator.mul,
    p.div: operator.truediv,
    p.neg: operator.neg,
    p.abs: operator.abs,
    p.sqrt: _intrinsic("sqrt"),
    p.floor: _intrinsic("floor"),
    p.ceil: _intrinsic("ceil"),
    p.trunc: _intrinsic("trunc"),
    p.copysign: lambda x, s: x.b.constant(nan).where(s.compare("uno", s), x.with_sign_of(s)),
    p.less: _less,
    p.where: lambda condition, x, y: x.where(condition.compare("une", 0.0), y),
    p.maximum: _extreme("ogt"),
    p.minimum: _extreme("olt"),
    p.mod: _mod,
    p.floordiv: _floordiv,
}
INLINE = _FORMULAS | {rule: _comparison(RELATIONS[relation]) for relation, rule in p.COMPARISONS.items()}

#: Operations that are a function of C's mathematical library.
LIBRARY: dict[Primitive, str] = {
    rule: rule.c for rule in PRIMITIVES.values() if rule.built_in and rule.c.isidentifier() and rule not in INLINE
} | {p.pow: "pow"}  # lowering makes x·x of x²

NATIVE = frozenset([*INLINE, *LIBRARY])

# ---------------------------------------------------------------------------------------------- the module of a program

#: Instructions of one function: long enough to share loads, short enough for LLVM.
FUNCTION_LENGTH = 1000

#: As many arguments of an operation with many results as this are copied together where they lie together, or are one number.
RUN = 16

#: The number of the first guard that failed, while none has.
HELD = 1e300


@dataclass
class Layout:
    """Where the numbers of a program lie: names of pointers and byte offsets.

    Attributes
    ----------
    width : int or None
        Lanes of a vector; None for a program of one lane.
    inputs, outputs : dict
        From slot to the place of an input, and to the places that an output is written to.
    sums : dict
        From slot to the numbers of the sums over lanes that it is added to.
    uniform : set of int
        Slots of inputs that are one double for all lanes.
    stride : int
        Bytes from one row of the scratch array to the next.
    reserved : int
        Rows of the scratch array that are taken.
    """

    width: int | None
    inputs: dict[int, tuple[str, int]]
    uniform: set[int]
    outputs: dict[int, list[tuple[str, int]]] = field(default_factory=lambda: defaultdict(list))
    sums: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    stride: int = 8
    reserved: int = 0


class ModuleWriter:
    """Writes the module of a program: functions `void(ptr %in, ptr %s, ptr %out)`, tables of matrices, and their calls."""

    def __init__(self, tape: Program, layout: Layout, groups: matrices.Found, *, contract: bool) -> None:
        self.tape, self.layout, self.groups, self.contract = tape, layout, groups, contract
        self.first, self.width = tape.first_instruction, layout.width
        self.functions: list[str] = []
        self.tables: list[str] = []
        self.declarations: set[str] = set()
        self.library_functions: set[tuple[str, int]] = set()
        self.callbacks: dict[Any, engine.Callback] = {}
        self.results: dict[int, tuple[str, int]] = {}  # places of operations with many results, and of these
        self.libraries = [runtime.library()]
        if self.width is not None:
            self.libraries.append(runtime.lanes_library(self.width))
        if groups.matrices or groups.outers:
            self.libraries.append(matrix_loops.library(self.width))
        self.scratch = layout.reserved
        self.instructions = len(tape.code) - len(groups.absorbed)
        self._rows: dict[int, int] = {}
        self._free: list[int] = []
        self._schedule = self._scheduled()
        self._guards: dict[int, list[tuple[int, Guard]]] = defaultdict(list)  # at -1 those that test no instruction
        for number, guard in enumerate(tape.guards):
            self._guards[max(guard.left - self.first, guard.right - self.first, -1)].append((number, guard))
        self._last = self._last_uses()
        self._released: dict[int, list[int]] = defaultdict(list)
        self.status = ("%s", self._take() * layout.stride if tape.guards else 0)
        self.calls = []
        for index, part in enumerate(self._schedule):
            self._free += [self._rows[slot] for slot in self._released.pop(index - 1, ())]
            write = self._matrix if isinstance(part, matrices.Matrix) else self._function
            self.calls.append(write(index, part))  # type: ignore[arg-type]
        self.outer_calls = []
        for number, outer in enumerate(groups.outers):
            left, right = ([self.place(slot)[1] for slot in side] for side in (outer.left, outer.right))
            tables, call = matrix_loops.call_outer(number, outer, left, right, width=self.width)
            self.tables.append(tables)
            self.outer_calls.append(call)

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
        return last

    def _matrix(self, index: int, matrix: matrices.Matrix) -> str:
        """Write the tables of a matrix; returns its call."""
        for row in matrix.rows:
            self._keep(row)
        rows, vector = ([self.place(slot)[1] for slot in slots] for slots in (matrix.rows, matrix.vector))
        tables, call = matrix_loops.call_matrix(index, matrix, min(self.layout.uniform), rows, vector, width=self.width)
        self.tables.append(tables)
        return call

    def _function(self, index: int, positions: list[int]) -> str:
        """Write a function; returns its call."""
        writer = FunctionWriter(self)
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
                writer.store(writer.values[slot], *self.place(slot))
            writer.guards(self._guards.get(position, ()))
        if index == len(self._schedule) - 1:
            for slot in range(self.first):  # inputs and constants
                writer.output(slot)
        self.functions.append(function(f"f{index}", "ptr %in, ptr %s, ptr %out", writer.b.lines, internal=True))
        self.declarations |= writer.b.declarations
        self.library_functions |= writer.b.library_functions
        return f"call void @f{index}(ptr %in, ptr %s, ptr %out)"

    def _keep(self, slot: int) -> None:
        self._rows[slot] = self._take()
        self._released[self._last[slot]].append(slot)

    def _take(self) -> int:
        if self._free:
            return self._free.pop()
        self.scratch += 1
        return self.scratch - 1

    def place(self, slot: int) -> tuple[str, int]:
        """Pointer and byte offset of an input, or of a number in the scratch array."""
        return self.layout.inputs.get(slot) or ("%s", self._rows[slot] * self.layout.stride)

    def finish(self, mains: Sequence[str], attributes: str) -> None:
        """Write the module, with the functions that are called from outside."""
        wrappers = []
        for name, arity in sorted(self.library_functions):
            if name not in vector_math.FUNCTIONS:  # called once for each lane
                b = Builder(self.width or 1)
                arguments = [Doubles(b, f"%a{k}") for k in range(arity)]
                result = b.lane_by_lane(name, *arguments)
                wrappers.append(b.function(f"{name}_v{b.width}", arguments, result, internal=True))
                self.declarations |= b.declarations
        self.declarations.update(*[library.declarations for library in self.libraries])
        parts = [*sorted(self.declarations), *wrappers, *self.tables, *self.functions, *mains]
        self.text = "\n".join([*parts, f"attributes #0 = {{ nounwind {attributes} }}"])

    def compiled(self, few: int) -> engine.Module:
        """Machine code of this machine: with all optimisations for a `few` instructions; level 0 fuses nothing."""
        for library in self.libraries:
            runtime.loaded(library)
        return engine.Module(self.text, 2 if self.instructions <= few else int(self.contract))


class FunctionWriter:
    """Writes one function of a program."""

    def __init__(self, module: ModuleWriter) -> None:
        self.module, self.tape, self.layout = module, module.tape, module.layout
        self.b = Builder(module.width or 1, lanes=module.width is not None, contract=module.contract)
        self.values: dict[int, Doubles] = {}
        self.comparisons: dict[int, tuple[Doubles, Doubles]] = {}

    def pointer(self, base: str, offset: int) -> str:
        return self.b.emit(f"getelementptr i8, ptr {base}, i64 {offset}") if offset else base

    def load(self, base: str, offset: int) -> Doubles:
        return self.b.doubles(f"load {self.b.double}, ptr {self.pointer(base, offset)}, align 8")

    def store(self, value: Doubles, base: str, offset: int) -> None:
        self.b.lines.append(f"store {self.b.double} {value.name}, ptr {self.pointer(base, offset)}, align 8")

    def value(self, slot: int) -> Doubles:
        """A number, loaded where it is not at hand."""
        value = self.values.get(slot)
        if value is not None:
            return value
        b = self.b
        if self.tape.inputs <= slot < self.tape.first_instruction:
            return b.constant(self.tape.constants[slot - self.tape.inputs])
        if slot in self.layout.uniform:  # loaded at each use: the load becomes part of the instruction
            return b.spread(b.emit(f"load double, ptr {self.pointer(*self.layout.inputs[slot])}, align 8"))
        value = self.values[slot] = self.load(*self.module.place(slot))
        return value

    def instruction(self, slot: int, operation: Any, arguments: tuple[int, ...]) -> None:
        """One operation, and the output that it may be."""
        if hasattr(operation, "results"):
            self.called_back(slot, operation, arguments)
            return
        if hasattr(operation, "index"):  # one of the results of such an operation
            base, offset = self.module.results[arguments[0]]
            place = self.module.results[slot] = base, offset + 8 * operation.index
            value = self.load(*place)
        elif operation is p.where and arguments[0] in self.comparisons:
            # where(less(x, y), …) without making the number 1, 0 or nan: x < y, or not comparable.
            x, y = self.comparisons[arguments[0]]
            holds = x.compare("ult", y)
            value = self.value(arguments[1]).where(holds, self.value(arguments[2]))
        else:
            value = self.operation(operation, [self.value(a) for a in arguments])
            if operation is p.less:
                self.comparisons[slot] = self.value(arguments[0]), self.value(arguments[1])
        self.values[slot] = value
        self.output(slot)

    def operation(self, primitive: Primitive, arguments: Sequence[Doubles]) -> Doubles:
        if primitive in INLINE:
            return INLINE[primitive](*arguments)
        if primitive in LIBRARY:
            return self.b.library(LIBRARY[primitive], *arguments)
        back = self.module.callbacks[primitive] = engine.callback(primitive)
        return self.b.library(back.name, *arguments)

    def called_back(self, slot: int, operation: Any, arguments: tuple[int, ...]) -> None:
        """An operation with many results: arguments into the scratch array, and a call back that leaves the results there."""
        region = self.module.scratch * 8
        place = self.module.results[slot] = "%s", region
        self.module.scratch += max(len(arguments), operation.results)
        self._passed(arguments, region)
        back = self.module.callbacks[operation] = engine.loop_callback(operation)
        self.b.declarations.add(f"declare void @{back.name}(ptr)")
        self.b.lines.append(f"call void @{back.name}(ptr {self.pointer(*place)})")
        self.values[slot] = self.b.constant(0.0)

    def _passed(self, arguments: tuple[int, ...], region: int) -> None:
        """Arguments into the scratch array; runs of them at once: LLVM's time is quadratic in copies of single numbers."""
        start = 0
        while start < len(arguments):
            place, offset = self._address(arguments[start]), region + 8 * start
            row = alike = 1
            while place and start + row < len(arguments) and self._address(arguments[start + row]) == (
                place[0], place[1] + 8 * row
            ):  # fmt: skip
                row += 1
            while start + alike < len(arguments) and arguments[start + alike] == arguments[start]:
                alike += 1
            if row >= RUN and place:
                self.b.declarations.add("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")
                pointers = f"ptr {self.pointer('%s', offset)}, ptr {self.pointer(*place)}"
                self.b.lines.append(f"call void @llvm.memcpy.p0.p0.i64({pointers}, i64 {8 * row}, i1 false)")
                start += row
            elif alike >= RUN:
                target, value = self.pointer("%s", offset), self.value(arguments[start])
                self.b.lines.append(f"call void @al_fill(ptr {target}, double {value.name}, i64 {alike})")
                start += alike
            else:
                self.store(self.value(arguments[start]), "%s", offset)
                start += 1

    def _address(self, slot: int) -> tuple[str, int] | None:
        """Where a number lies in memory among its like: an input, or one of many results."""
        return self.layout.inputs.get(slot) or self.module.results.get(slot)

    def output(self, slot: int) -> None:
        """Write the number where it is an output, and add it where it is summed."""
        b = self.b
        for base, offset in self.layout.outputs.get(slot, ()):
            self.store(self.value(slot), base, offset)
        for number in self.layout.sums.get(slot, ()):  # behind the mask of the lanes that exist
            mask = Bits(b, b.emit(f"load {b.integer}, ptr %out, align 64"))
            masked = self.value(slot).bits().op("and", mask).double()
            place = self.pointer("%out", 8 * b.width * (number + 1))
            total = b.doubles(f"load {b.double}, ptr {place}, align 64") + masked
            b.lines.append(f"store {b.double} {total.name}, ptr {place}, align 64")

    def guards(self, numbered: Sequence[tuple[int, Guard]]) -> None:
        """Tests of guards, which keep the number of the first one that failed."""
        for number, guard in numbered:
            relation = (RELATIONS if guard.outcome else OPPOSITES)[guard.relation]
            holds = self.value(guard.left).compare(relation, self.value(guard.right))
            before, failed = self.load(*self.module.status), self.b.constant(float(number + 1))
            self.store(before.where(holds, before.where(before < failed, failed)), *self.module.status)


# ---------------------------------------------------------------------------------------------------------- one lane

#: Doubles of scratch that a compiled function takes from the stack; beyond, the caller brings them.
ON_STACK = 8192


def lane_module(tape: Program, *, contract: bool = False) -> ModuleWriter:
    """The module of a program for one lane: `main(in, out, scratch)`, and `framed` with the address of these three."""
    guards = len(tape.guards)
    tape = lowered(tape, NATIVE)
    many = len(tape.doubtful) > FEW
    if not many:
        tape = tape.with_doubt_as_guards()
    slots = range(tape.inputs)
    layout = Layout(None, {slot: ("%in", 8 * slot) for slot in slots}, set(slots))
    known = set(tape.outputs)
    results = [*tape.outputs, *(slot for slot in tape.doubtful if slot not in known)]
    for k, slot in enumerate(results):
        layout.outputs[slot].append(("%out", 8 * k))
    groups = matrices.found(tape, 0, summed=True) if not contract else matrices.Found()
    module = ModuleWriter(tape, layout, groups, contract=contract)
    on_stack = module.scratch <= ON_STACK
    lines = [f"%s = alloca [{max(module.scratch, 1)} x double], align 64"] if on_stack else []
    lines += [f"store double {literal(HELD)}, ptr %s, align 8"] if tape.guards else []
    lines += [*module.calls, *module.outer_calls]
    lines += _status(guards if tape.guards else None, len(results) if many else None)
    main = function("main", f"ptr %in, ptr %out, ptr %{'unused' if on_stack else 's'}", lines, "i64")
    framed = [line for k, name in enumerate(("%in", "%out", "%s")) for line in load(name, "%frame", str(k), "ptr")]
    framed += ["%status = call i64 @main(ptr %in, ptr %out, ptr %s)", "ret i64 %status"]
    module.finish([main, function("framed", "ptr %frame", framed, "i64")], "")
    return module


def _status(guards: int | None, results: int | None) -> list[str]:
    """Lines that return the status: of `guards` that users wrote, tests for NaN behind them; of a sum of `results`."""
    lines, failed = [], "0"
    if guards is not None:  # 0 if all held, the number of the first that failed, or -1 if only tests for NaN did
        failed = "%failed"
        lines += [
            "%status = load double, ptr %s, align 8",
            f"%held = fcmp oeq double %status, {literal(HELD)}",
            "%number = fptosi double %status to i64",
            f"%real = icmp sle i64 %number, {guards}",
            "%failure = select i1 %real, i64 %number, i64 -1",
            "%failed = select i1 %held, i64 0, i64 %failure",
        ]
    if results is None:
        return [*lines, f"ret i64 {failed}"]
    return [  # -1 if a result is NaN; or if infinities cancel in their sum: then the careful program finds nothing new
        *lines,
        f"%total = call double @al_total(ptr %out, i64 {results})",
        "%nan = fcmp uno double %total, %total",
        f"%any = icmp ne i64 {failed}, 0",
        "%doubt = select i1 %nan, i64 -1, i64 0",
        f"%result = select i1 %any, i64 {failed}, i64 %doubt",
        "ret i64 %result",
    ]


class SingleLane:
    """A compiled program of one lane.

    Call `run(inputs, outputs, scratch)` with addresses, or `framed` with the address of these three; it returns 0, the number
    (from 1) of the first guard that failed, or -1 if a doubtful value is NaN.
    """

    def __init__(self, written: ModuleWriter) -> None:
        self.inputs, self.outputs = written.tape.inputs, sum(map(len, written.layout.outputs.values()))
        self.scratch = 0 if written.scratch <= ON_STACK else written.scratch
        self.module = written.compiled(300)
        self.address = self.module.address("main")
        pointer, short = ctypes.c_void_p, len(written.tape.code) < 500
        self.run = engine.function(self.address, ctypes.c_int64, pointer, pointer, pointer, hold_gil=short)
        self.framed = engine.function(self.module.address("framed"), ctypes.c_int64, pointer, hold_gil=short)
        self.callbacks = list(written.callbacks.values())


def single_lane(tape: Program, *, contract: bool = False) -> SingleLane:
    """Compile a program for one lane. Values are bit for bit those of the eager run, unless `contract`."""
    return SingleLane(lane_module(tape, contract=contract))


# ------------------------------------------------------------------------------------------------------- many lanes


def lanes_module(tape: Program, varying: int, target: Target, *, summed: bool, contract: bool = False) -> ModuleWriter:
    """The module of a program for many lanes: `main` works on blocks of them, of which the last may be shorter.

    A block is gathered into the scratch array, worked through one vector register at a time, and its results are scattered
    from there; so any strides will do, and a lane's neighbours never enter it. `summed` outputs are added up over the lanes
    of a block and never stored for each.
    """
    tape = lowered(tape, NATIVE)
    width, count, guarded = target.width, len(tape.outputs), bool(tape.guards)
    groups = matrices.found(tape, varying, summed=summed) if not contract else matrices.Found()
    short = len(tape.code) - len(groups.absorbed) < 1000 and varying < 200
    block = 256 if short else 64  # a block's numbers should stay in the cache
    row = 8 * block + 64  # not a power of two: rows would fall into few sets of the cache
    in_outers = {k for outer in groups.outers for k in outer.outputs}
    added = [k for k in range(count) if summed and k not in in_outers]
    layout = _lanes_layout(tape, varying, width, row, added if summed else None)
    module = ModuleWriter(tape, layout, groups, contract=contract)
    v, status = f"<{width} x double>", []
    if guarded:  # it lies in the row behind the outputs
        held = Builder(width).constant(HELD)
        status = [at("%status", "%s", str(layout.reserved * row), "i8")]
        status.append(f"store {held.b.double} {held.name}, ptr %status, align 8")
    vector = [*_masked(width), at("%s", "%scratch", "%v"), *status, *module.calls]
    one_sum = [
        *load("%va", "%sums", "%i", v),
        *_halved(width),
        *load("%place", "@places", "%i"),
        at("%result", "%redb", "%place"),
        "store double %sum, ptr %result, align 8",
    ]
    lanes = "i64 %first, i64 %count"
    scattered = guarded + (0 if summed else count)
    lines = [
        "%first = mul i64 %b, %size",
        "%ahead = sub i64 %n, %first",
        "%full = icmp sge i64 %ahead, %size",
        "%count = select i1 %full, i64 %size, i64 %ahead",
        f"%up = add i64 %count, {width - 1}",
        f"%padded = and i64 %up, {-width}",
        f"call void @al_gather_v{width}(ptr %vb, ptr %vs, {lanes}, ptr %scratch, i64 {row}, i64 %padded, i64 {varying})",
        f"call void @al_fill(ptr %sums, double 0.0, i64 {len(added) * width})",
        *counted("v", "%count", vector, step=width),
        f"call void @al_scatter(ptr %ob, ptr %os, i64 {scattered}, {lanes}, ptr %outs, i64 {row})",
        f"%redb.skip = mul i64 %b, {8 * count * summed}",
        at("%redb", "%red", "%redb.skip", "i8"),
        *counted("i", str(len(added)), one_sum),
        *module.outer_calls,
    ]
    blocks = [
        at("%outs", "%scratch", str(varying * row), "i8"),
        at("%sums", "%out", str(width)),
        *counted("b", "%to", lines, first="%from"),
    ]
    pointers = "ptr %in, ptr %vb, ptr %vs, ptr %ob, ptr %os, ptr %red, ptr %scratch, ptr %out"
    main = function("main", f"{pointers}, i64 %n, i64 %size, i64 %from, i64 %to", blocks)
    module.finish([matrix_loops.table("places", added), main], runtime.WIDE)
    return module


def _lanes_layout(tape: Program, varying: int, width: int, row: int, added: Sequence[int] | None) -> Layout:
    """Where the numbers of lanes lie: inputs in rows of a block, then outputs, unless these are `added` up."""
    inputs = {k: ("%s", k * row) if k < varying else ("%in", 8 * (k - varying)) for k in range(tape.inputs)}
    layout = Layout(width, inputs, set(range(varying, tape.inputs)), stride=row, reserved=varying)
    if added is not None:
        for number, k in enumerate(added):
            layout.sums[tape.outputs[k]].append(number)
        return layout
    for k, slot in enumerate(tape.outputs):
        layout.outputs[slot].append(("%s", (varying + k) * row))
    layout.reserved += len(tape.outputs)
    return layout


def _masked(width: int) -> list[str]:
    """The mask of a vector: all bits for each lane that there is."""
    integers = f"<{width} x i64>"
    return [
        "%left = sub i64 %count, %v",
        *spread(width, "%left", "%lefts", "i64"),
        f"%live = icmp sgt {integers} %lefts, <{', '.join(f'i64 {k}' for k in range(width))}>",
        f"%mask = sext <{width} x i1> %live to {integers}",
        f"store {integers} %mask, ptr %out, align 64",
    ]


def _halved(width: int) -> list[str]:
    """The lanes of `%va` added up, halves onto halves, as `%sum`."""
    v, lines, name, half = f"<{width} x double>", [], "%va", width // 2
    while half:
        other = ", ".join(f"i32 {(k + half) % width}" for k in range(width))
        lines.append(f"%other{half} = shufflevector {v} {name}, {v} poison, <{width} x i32> <{other}>")
        lines.append(f"%half{half} = fadd {v} {name}, %other{half}")
        name, half = f"%half{half}", half // 2
    return [*lines, f"%sum = extractelement {v} {name}, i32 0"]


class ManyLanes:
    """A compiled program of many lanes; see `lanes_module`.

    `run` needs `scratch` doubles for a block, and behind them a vector as mask and one for each of the sums. `work` is the
    time for a lane, in instructions.
    """

    held = HELD

    def __init__(self, written: ModuleWriter, width: int, *, summed: bool) -> None:
        count, row = len(written.tape.outputs), written.layout.stride // 8
        self.outputs, self.sums = (0, count) if summed else (count, 0)
        self.guarded, self.width, self.block = bool(written.tape.guards), width, row - 8
        self.scratch = written.scratch * row + 16  # what follows begins at a cache line
        self.work = written.instructions + len(written.groups.absorbed) // 4  # matrices keep the adders busy
        self.module = written.compiled(1000)
        kinds = [ctypes.c_void_p] * 8 + [ctypes.c_int64] * 4
        self.run = engine.function(self.module.address("main"), None, *kinds)
        self.callbacks = list(written.callbacks.values())

    def block_of(self, count: int) -> int:
        """Lanes of a block for so many lanes: a matter of their number alone, as the order of additions is."""
        half = -(-count // (2 * self.width)) * self.width
        return max(min(64, self.block), min(self.block, half))


def lanes(tape: Program, varying: int, *, summed: bool, contract: bool = False) -> ManyLanes:
    """Compile a program for many lanes: the first `varying` inputs have one value for each, the others one for all."""
    host = engine.host()
    written = lanes_module(tape, varying, host, summed=summed, contract=contract)
    return ManyLanes(written, host.width, summed=summed)
