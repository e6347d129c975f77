"""The tape as LLVM IR, cut into functions of moderate length.

LLVM's time for one long block grows faster than its length, so the program is cut into functions of some hundred
instructions. They pass values on through a scratch array, whose places are used again as soon as they are free.
"""

import ctypes
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from autograd_lite import primitives
from autograd_lite.primitives import Primitive
from autograd_lite.tape.llvm import engine, matrices, matrix_loops, runtime
from autograd_lite.tape.llvm.ir import Builder, literal
from autograd_lite.tape.llvm.operations import INLINE, LIBRARY, NATIVE
from autograd_lite.tape.loops import Item, Operation
from autograd_lite.tape.lowering import lowered
from autograd_lite.tape.passes import FEW, Guard, Straight, sunk, with_doubt_as_guards

#: Instructions of one function: long enough to share loads, short enough for LLVM.
FUNCTION_LENGTH = 1000

#: LLVM's name of a comparison of doubles as Python compares floats: ordered, but for "unequal".
RELATIONS = {"lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge", "eq": "oeq", "ne": "une"}
OPPOSITES = {"lt": "uge", "le": "ugt", "gt": "ule", "ge": "ult", "eq": "une", "ne": "oeq"}

#: The number of the first guard that failed, while none has.
HELD = 1e300


@dataclass
class Places:
    """Where values lie: names of pointers and byte offsets.

    Attributes
    ----------
    inputs, outputs : dict
        From slot to the place of an input, and to the places an output is written to.
    uniform : set of int
        Slots of inputs that are one double for all lanes.
    stride : int
        Bytes from one place of the scratch array to the next.
    reserved : int
        Places of the scratch array that are taken.
    """

    inputs: dict[int, tuple[str, int]]
    outputs: dict[int, list[tuple[str, int]]]
    uniform: set[int] = field(default_factory=set)
    sums: dict[int, list[int]] = field(default_factory=dict)
    stride: int = 8
    reserved: int = 0
    base: str = "%s"
    results: str = "%out"


#: As many arguments of a loop as this are copied together where they lie together, or are one number.
RUN = 16

FILL = """define internal void @fill(ptr %to, double %x, i64 %count) #0 {
entry:
br label %again
again:
%k = phi i64 [ 0, %entry ], [ %next, %again ]
%place = getelementptr double, ptr %to, i64 %k
store double %x, ptr %place, align 8
%next = add i64 %k, 1
%more = icmp ult i64 %next, %count
br i1 %more, label %again, label %done
done:
ret void
}"""


def _alike(arguments: tuple[int, ...], start: int) -> int:
    """How many arguments from `start` on are one number."""
    end = start + 1
    while end < len(arguments) and arguments[end] == arguments[start]:
        end += 1
    return end - start


class Body:
    """Writes the functions of a program, each of them `void(ptr %in, ptr %s, ptr %out)`, and the calls of its groups."""

    def __init__(self, tape: Straight, width: int, places: Places, groups: matrices.Found, *, contract: bool) -> None:
        self.tape, self.width, self.places, self.groups, self.contract = tape, width, places, groups, contract
        self.first = tape.first_instruction
        self.functions: list[str] = []
        self.tables: list[str] = []
        self.declarations: set[str] = set()
        self.library_functions: set[tuple[str, int]] = set()
        self.callbacks: dict[Any, engine.Callback] = {}
        self.regions: dict[int, int] = {}  # of loops in the scratch array
        self.scratch = places.reserved
        self._place: dict[int, int] = {}
        self._free: list[int] = []
        self.segments = self._segments()
        self._guards = self._guards_by_position()
        self._last = self._last_uses()
        self._released: dict[int, list[int]] = defaultdict(list)
        self._status = ("%s", self._take()) if self._guards else ("", 0)

    def _segments(self) -> list[list[int] | matrices.Matrix]:
        """Positions of instructions function by function, and the matrices between them."""
        segments: list[list[int] | matrices.Matrix] = [[]]
        matrix_of = {row - self.first: matrix for matrix in self.groups.matrices for row in matrix.rows}
        written: set[int] = set()
        for position in sunk(self.tape):
            last, matrix = segments[-1], matrix_of.get(position)
            if matrix is not None:
                if id(matrix) not in written:  # at the first row that is needed: all rows need the same numbers
                    written.add(id(matrix))
                    segments += [matrix, []]
            elif position not in self.groups.absorbed:
                if isinstance(last, list) and len(last) == FUNCTION_LENGTH:
                    segments.append([])
                segments[-1].append(position)  # type: ignore[union-attr]
        return segments

    def _guards_by_position(self) -> dict[int, list[tuple[int, Guard]]]:
        """Numbered guards by the position of the later instruction that they compare; at -1 those that compare none."""
        guards = defaultdict(list)
        for number, guard in enumerate(self.tape.guards):
            guards[max(guard.left - self.first, guard.right - self.first, -1)].append((number, guard))
        return guards

    def _last_uses(self) -> dict[int, int]:
        """From each slot that a later segment uses to the index of the last such segment."""
        made: dict[int, int] = {}  # from slot to the index of its segment
        uses: list[tuple[int, Sequence[int]]] = []
        for index, segment in enumerate(self.segments):
            if isinstance(segment, matrices.Matrix):
                made |= dict.fromkeys(segment.rows, index)
                uses += [(index, segment.vector), (index + 1, segment.rows)]  # rows that are outputs are written there
                continue
            for position in segment:
                made[self.first + position] = index
                uses.append((index, self.tape.code[position][1]))
        for position, guards in self._guards.items():
            index = made[self.first + position] if position >= 0 else 0
            uses += [(index, (guard.left, guard.right)) for _, guard in guards]
        uses += [(len(self.segments), [*outer.left, *outer.right]) for outer in self.groups.outers]
        last: dict[int, int] = {}
        for index, slots in uses:
            for slot in slots:
                if slot >= self.first and index > made[slot]:
                    last[slot] = max(index, last.get(slot, 0))
        return last

    def write(self) -> list[str]:
        """The calls in their order, of functions whose text is in `functions` and of groups whose tables are in `tables`."""
        calls = []
        for index, segment in enumerate(self.segments):
            self._free += [self._place[slot] for slot in self._released.pop(index - 1, ())]
            calls.append(
                self._matrix(index, segment) if isinstance(segment, matrices.Matrix) else self._function(index, segment)
            )
        return calls

    def _function(self, index: int, positions: list[int]) -> str:
        """Write a function; returns its call."""
        function = _Function(self, self._status)
        if index == 0:
            function.guards(self._guards.get(-1, ()))
        before = self.segments[index - 1] if index else None
        if isinstance(before, matrices.Matrix):
            for row in before.rows:
                if row in self.places.outputs or row in self.places.sums:
                    function.output(row, function.value(row))
        for position in positions:
            slot = self.first + position
            function.instruction(slot, *self.tape.code[position])
            if slot in self._last:
                self._keep(slot)
                function.store(function.names[slot], "%s", self._place[slot] * self.places.stride)
            function.guards(self._guards.get(position, ()))
        if index == len(self.segments) - 1:
            function.passed_on()
        self.functions.append(function.text(f"f{index}"))
        self.declarations |= function.builder.declarations
        self.library_functions |= function.builder.library_functions
        return f"call void @f{index}(ptr %in, ptr {self.places.base}, ptr {self.places.results})"

    def _keep(self, slot: int) -> None:
        self._place[slot] = self._take()
        self._released[self._last[slot]].append(slot)

    def _take(self) -> int:
        if self._free:
            return self._free.pop()
        self.scratch += 1
        return self.scratch - 1

    def offset(self, slot: int) -> int:
        """Byte offset of a value in the scratch array."""
        known = self.places.inputs.get(slot)
        return known[1] if known else self._place[slot] * self.places.stride

    def _matrix(self, index: int, matrix: matrices.Matrix) -> str:
        for row in matrix.rows:
            self._keep(row)
        shared = min(self.places.uniform)
        rows, vector = [self.offset(row) for row in matrix.rows], [self.offset(x) for x in matrix.vector]
        tables, call = matrix_loops.call_matrix(index, matrix, shared, rows, vector, single=self.width == 1)
        self.tables.append(tables)
        return call

    def outer_calls(self) -> list[str]:
        """What is to be called for each block of lanes when its vectors are done."""
        calls = []
        for number, outer in enumerate(self.groups.outers):
            left, right = [self.offset(d) for d in outer.left], [self.offset(x) for x in outer.right]
            tables, call = matrix_loops.call_outer(number, outer, left, right, single=self.width == 1)
            self.tables.append(tables)
            calls.append(call)
        return calls


class _Function:
    """One of the functions."""

    def __init__(self, body: Body, status: tuple[str, int]) -> None:
        self.body, self.tape, self.places = body, body.tape, body.places
        self.builder = Builder(body.width, contract=body.contract)
        self.names: dict[int, str] = {}
        self.comparisons: dict[int, tuple[str, str]] = {}
        self.status = status

    def text(self, name: str) -> str:
        lines = "\n".join(self.builder.lines)
        return f"define internal void @{name}(ptr %in, ptr %s, ptr %out) #0 {{\n{lines}\nret void\n}}"

    def pointer(self, base: str, offset: int) -> str:
        return self.builder.emit(f"getelementptr i8, ptr {base}, i64 {offset}") if offset else base

    def load(self, base: str, offset: int) -> str:
        return self.builder.emit(f"load {self.builder.double}, ptr {self.pointer(base, offset)}, align 8")

    def store(self, value: str, base: str, offset: int) -> None:
        self.builder.lines.append(f"store {self.builder.double} {value}, ptr {self.pointer(base, offset)}, align 8")

    def value(self, slot: int) -> str:
        """Name of a value, loaded where it is not at hand."""
        name = self.names.get(slot)
        if name is not None:
            return name
        b = self.builder
        if self.tape.first_constant <= slot < self.tape.first_instruction:
            return b.constant(self.tape.constants[slot - self.tape.first_constant])
        if slot in self.places.uniform:  # loaded at each use: the load becomes part of the instruction
            number = b.emit(f"load double, ptr {self.pointer(*self.places.inputs[slot])}, align 8")
            return number if b.width == 1 else b.spread(number)
        name = self.load(*self.places.inputs[slot]) if slot in self.places.inputs else self._kept(slot)
        self.names[slot] = name
        return name

    def _kept(self, slot: int) -> str:
        return self.load("%s", self.body.offset(slot))

    def instruction(self, slot: int, primitive: Primitive, arguments: tuple[int, ...]) -> None:
        """One operation, and the output it may be."""
        b = self.builder
        if isinstance(primitive, (Operation, Item)):
            self.loop(slot, primitive, arguments)
            return
        if primitive is primitives.where and arguments[0] in self.comparisons:
            # where(less(p, q), …) without making the number 1, 0 or nan: p < q, or not comparable.
            p, q = self.comparisons[arguments[0]]
            name = b.select(b.compare("ult", p, q), self.value(arguments[1]), self.value(arguments[2]))
        else:
            name = self.operation(primitive, [self.value(a) for a in arguments])
        if primitive is primitives.less:
            self.comparisons[slot] = self.value(arguments[0]), self.value(arguments[1])
        self.names[slot] = name
        self.output(slot, name)

    def loop(self, slot: int, primitive: Any, arguments: tuple[int, ...]) -> None:
        """A loop: its arguments into the scratch array, a call back that leaves its results there; or one of these."""
        b = self.builder
        if isinstance(primitive, Item):
            self.names[slot] = self.load("%s", (self.body.regions[arguments[0]] + primitive.index) * 8)
            self.output(slot, self.names[slot])
            return
        region = self.body.scratch
        self.body.regions[slot] = region
        self.body.scratch += max(len(arguments), primitive.results)
        self._passed(arguments, region)
        back = engine.loop_callback(primitive)
        self.body.callbacks[primitive] = back
        b.declarations.add(f"declare void @{back.name}(ptr)")
        b.lines.append(f"call void @{back.name}(ptr {self.pointer('%s', region * 8)})")
        self.names[slot] = b.constant(0.0)

    def _passed(self, arguments: tuple[int, ...], region: int) -> None:
        """Arguments into the scratch array; runs of them at once: LLVM's time is quadratic in copies of single numbers."""
        start = 0
        while start < len(arguments):
            alike = _alike(arguments, start)
            place = self._address(arguments[start])
            row = 1
            while place and start + row < len(arguments) and self._address(arguments[start + row]) == (
                place[0], place[1] + 8 * row
            ):  # fmt: skip
                row += 1
            target = self.pointer("%s", (region + start) * 8)
            if row >= RUN and place:
                self.builder.declarations.add("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")
                source = self.pointer(*place)
                self.builder.lines.append(
                    f"call void @llvm.memcpy.p0.p0.i64(ptr {target}, ptr {source}, i64 {8 * row}, i1 false)"
                )
            elif alike >= RUN:
                if FILL not in self.body.functions:
                    self.body.functions.append(FILL)
                value = self.value(arguments[start])
                self.builder.lines.append(f"call void @fill(ptr {target}, double {value}, i64 {alike})")
                row = alike
            else:
                self.store(self.value(arguments[start]), "%s", (region + start) * 8)
                row = 1
            start += row

    def _address(self, slot: int) -> tuple[str, int] | None:
        """Where a number lies in memory among its like: an input, or the result of a loop."""
        position = slot - self.tape.first_instruction
        if position < 0:
            return self.places.inputs.get(slot)
        primitive, arguments = self.tape.code[position]
        region = self.body.regions.get(arguments[0]) if isinstance(primitive, Item) else None
        return None if region is None else ("%s", (region + primitive.index) * 8)

    def operation(self, primitive: Primitive, arguments: Sequence[str]) -> str:
        b = self.builder
        if primitive in INLINE:
            return INLINE[primitive](b, *arguments)
        if primitive in LIBRARY:
            return b.library(LIBRARY[primitive], *arguments)
        back = engine.callback(primitive)
        self.body.callbacks[primitive] = back
        return b.library(back.name, *arguments)

    def accumulate(self, name: str, index: int) -> None:
        """Add the lanes that exist to a sum; the mask of these lies before the sums."""
        b = self.builder
        size = 8 * b.width
        mask = b.emit(f"load {b.integer}, ptr %out, align 64")
        counted = b.from_bits(b.integer_op("and", b.bits(name), mask))
        place = self.pointer("%out", size * (index + 1))
        total = b.emit(f"load {b.double}, ptr {place}, align 64")
        b.lines.append(f"store {b.double} {b.add(total, counted)}, ptr {place}, align 64")

    def output(self, slot: int, name: str) -> None:
        for base, offset in self.places.outputs.get(slot, ()):
            self.store(name, base, offset)
        for offset in self.places.sums.get(slot, ()):
            self.accumulate(name, offset)

    def passed_on(self) -> None:
        """Outputs that are inputs or constants."""
        for slot in {*self.places.outputs, *self.places.sums}:
            if slot < self.tape.first_instruction:
                self.output(slot, self.value(slot))

    def guards(self, numbered: Sequence[tuple[int, Guard]]) -> None:
        """Test guards."""
        for number, guard in numbered:
            self.guard(number, guard)

    def guard(self, number: int, guard: Guard) -> None:
        """Keep the number of the first guard that failed."""
        b = self.builder
        relation = RELATIONS[guard.relation] if guard.outcome else OPPOSITES[guard.relation]
        holds = b.compare(relation, self.value(guard.left), self.value(guard.right))
        offset = self.status[1] * self.places.stride
        before = self.load(self.status[0], offset)
        failed = b.constant(float(number + 1))
        first = b.select(b.compare("olt", before, failed), before, failed)
        self.store(b.select(holds, before, first), self.status[0], offset)


@dataclass(eq=False)
class SingleLane:
    """A compiled program of one lane.

    Call `run(inputs, outputs, scratch)` with addresses, or `framed` with the address of these three; it returns 0, the number
    (from 1) of the first guard that failed, or -1 if a doubtful value is NaN.
    """

    inputs: int
    outputs: int
    scratch: int
    run: Callable[[Any, Any, Any], int]
    framed: Callable[[Any], int]
    address: int
    callbacks: Sequence[engine.Callback]
    module: engine.Module


@dataclass(eq=False)
class Lanes:
    """A compiled program of many lanes; see `lanes`."""

    outputs: int
    sums: int
    guarded: bool
    block: int
    scratch: int
    width: int
    work: int
    run: Callable[..., None]
    callbacks: Sequence[engine.Callback]
    module: engine.Module
    spare: engine.Memory = field(default_factory=engine.Memory)
    totals: engine.Memory = field(default_factory=engine.Memory)
    held: float = HELD

    def block_of(self, count: int) -> int:
        """Lanes of a block for so many lanes: a matter of their number alone, as the order of additions is."""
        half = -(-count // (2 * self.width)) * self.width
        return max(min(64, self.block), min(self.block, half))


#: Doubles of scratch that a compiled function takes from the stack; beyond, the caller brings them.
ON_STACK = 8192


def single_lane(tape: Straight, level: int | None = None, *, contract: bool = False) -> SingleLane:
    """Compile a tape for one lane. Values are bit for bit those of the eager run, unless `contract`."""
    guards = len(tape.guards)
    tape = lowered(tape, NATIVE)
    many = len(tape.doubtful) > FEW
    if not many:
        tape = with_doubt_as_guards(tape)
    known = set(tape.outputs)
    results = [*tape.outputs, *(slot for slot in tape.doubtful if slot not in known)]
    outputs = defaultdict(list)
    for k, slot in enumerate(results):
        outputs[slot].append(("%out", 8 * k))
    places = Places(
        {slot: ("%in", 8 * slot) for slot in range(tape.first_constant)}, outputs, set(range(tape.first_constant))
    )
    groups = NO_GROUPS if contract else matrices.found(tape, 0, summed=True)
    body = Body(tape, 1, places, groups, contract=contract)
    calls = "\n".join([*body.write(), *body.outer_calls()])
    if groups.matrices or groups.outers:
        runtime.load_products(1)
        body.declarations.update(matrix_loops.DECLARATIONS.values())
    on_stack = body.scratch <= ON_STACK
    scratch = f"%s = alloca [{max(body.scratch, 1)} x double], align 64" if on_stack else ""
    status = f"store double {literal(HELD)}, ptr %s, align 8" if tape.guards else ""
    text = f"""
{_unique(body.declarations)}
{chr(10).join(body.tables)}
{chr(10).join(body.functions)}
define i64 @main(ptr %in, ptr %out, ptr %{"unused" if on_stack else "s"}) #0 {{
{scratch}
{status}
{calls}
{_guards(guards) if tape.guards else "%failed = add i64 0, 0"}
{_doubt(len(results)) if many else _CERTAIN}
}}
define i64 @framed(ptr %frame) #0 {{
%in = load ptr, ptr %frame, align 8
%outp = getelementptr ptr, ptr %frame, i64 1
%out = load ptr, ptr %outp, align 8
%sp = getelementptr ptr, ptr %frame, i64 2
%s = load ptr, ptr %sp, align 8
%status = call i64 @main(ptr %in, ptr %out, ptr %s)
ret i64 %status
}}
attributes #0 = {{ nounwind }}
"""
    runtime.load_support()
    module = engine.Module(
        text, _level(len(tape.code) - len(groups.absorbed), 300, contract=contract) if level is None else level
    )
    address = module.address("main")
    callbacks = list(body.callbacks.values())
    pointers = [ctypes.c_void_p] * 3
    short = len(tape.code) < 500
    run = engine.function(address, ctypes.c_int64, *pointers, hold_gil=short)
    framed = engine.function(module.address("framed"), ctypes.c_int64, ctypes.c_void_p, hold_gil=short)
    memory = 0 if on_stack else body.scratch
    return SingleLane(tape.first_constant, len(results), memory, run, framed, address, callbacks, module)


def _level(instructions: int, few: int, *, contract: bool) -> int:
    """LLVM's level of optimisation: all of it for short programs; level 0 fuses nothing."""
    return 2 if instructions <= few else int(contract)


NO_GROUPS = matrices.Found([], [], set())

_CERTAIN = "ret i64 %failed"


def _guards(count: int) -> str:
    """0 if all held, the number of the first that failed, or -1 if only the tests for NaN after the first `count` did."""
    return f"""%status = load double, ptr %s, align 8
%held = fcmp oeq double %status, {literal(HELD)}
%number = fptosi double %status to i64
%real = icmp sle i64 %number, {count}
%failure = select i1 %real, i64 %number, i64 -1
%failed = select i1 %held, i64 0, i64 %failure"""


def _doubt(count: int) -> str:
    """-1 if a result is NaN; or if infinities cancel in their sum: then the careful program finds nothing new."""
    return f"""%total = call double @al_total(ptr %out, i64 {count})
%nan = fcmp uno double %total, %total
%any = icmp ne i64 %failed, 0
%doubt = select i1 %nan, i64 -1, i64 0
%result = select i1 %any, i64 %failed, i64 %doubt
ret i64 %result"""


def _unique(declarations: Iterable[str]) -> str:
    return "\n".join(sorted({*declarations, *runtime.DECLARATIONS}))


def lanes(tape: Straight, varying: int, *, summed: bool, level: int | None = None, contract: bool = False) -> Lanes:
    """Compile a program for many lanes: the first `varying` inputs have one value for each, the others one for all.

    A block of lanes is gathered into the scratch array, worked through one vector register at a time, and its results are
    scattered from there; so any strides will do, and what stands beside a lane never enters it. `summed` outputs are added up
    over the lanes of a block and never stored for each.
    """
    guarded = bool(tape.guards)
    tape = lowered(tape, NATIVE)
    width = engine.width()
    groups = NO_GROUPS if contract else matrices.found(tape, varying, summed=summed)
    straight = len(tape.code) - len(groups.absorbed)
    block = 256 if straight < 1000 and varying < 200 else 64  # a block's numbers should stay in the cache
    stride = 8 * block + 64  # not a power of two: places would fall into few sets of the cache
    inputs = {k: ("%s", k * stride) if k < varying else ("%in", 8 * (k - varying)) for k in range(tape.first_constant)}
    places = Places(inputs, {}, set(range(varying, tape.first_constant)), stride=stride, reserved=varying)
    places.base, places.results = "%sv", "%acc"
    in_outers = {k for outer in groups.outers for k in outer.outputs}
    added = [k for k in range(len(tape.outputs) if summed else 0) if k not in in_outers]
    scattered = 0 if summed else len(tape.outputs)
    if summed:
        sums: dict[int, list[int]] = defaultdict(list)
        for index, k in enumerate(added):
            sums[tape.outputs[k]].append(index)
        places.sums = sums
    else:
        outputs = defaultdict(list)
        for k, slot in enumerate(tape.outputs):
            outputs[slot].append(("%s", (varying + k) * stride))
        places.outputs = outputs
        places.reserved += scattered
    body = Body(tape, width, places, groups, contract=contract)
    calls = body.write()
    scattered += guarded  # the first place after the outputs is the status
    runtime.load_support()
    helpers = vector_functions(body, width)
    sums_count = len(tape.outputs) if summed else 0
    if groups.matrices or groups.outers:
        runtime.load_products(width)
        body.declarations.update(matrix_loops.DECLARATIONS.values())
    main = runtime.lanes_main(
        calls,
        body.outer_calls(),
        width=width,
        row=stride,
        inputs=varying,
        outputs=scattered,
        sums=sums_count,
        places=added,
        status=HELD if guarded else None,
    )
    text = f"""
{_unique(body.declarations)}
{helpers}
{chr(10).join(body.tables)}
{chr(10).join(body.functions)}
{main}
{runtime.ATTRIBUTES}
"""
    module = engine.Module(text, _level(straight, 1000, contract=contract) if level is None else level)
    kinds = [ctypes.c_void_p] * 8 + [ctypes.c_int64] * 4
    run = engine.function(module.address("main"), None, *kinds)
    scratch = body.scratch * stride // 8 + 16
    scratch += -scratch % 8  # what follows begins at a cache line
    callbacks = list(body.callbacks.values())
    work = straight + len(groups.absorbed) // 4  # matrices keep the adders busy: about so much less time for each
    return Lanes(
        len(tape.outputs) - sums_count, sums_count, guarded, block, scratch, width, work, run, callbacks, module
    )


def vector_functions(body: Body, width: int) -> str:
    """Text of the functions that the program calls on vectors: our own, or one call for each lane."""
    known = runtime.load_vector_functions(width)
    text = []
    for name, arity in sorted(body.library_functions):
        vector = f"<{width} x double>"
        arguments = [f"{vector} %a{k}" for k in range(arity)]
        if name in known:
            text.append(f"declare {vector} @{name}_v{width}({', '.join([vector] * arity)})")
            continue
        lines, result = [], "poison"
        for lane in range(width):
            lines += [f"%x{lane}_{k} = extractelement {vector} %a{k}, i32 {lane}" for k in range(arity)]
            single = ", ".join(f"double %x{lane}_{k}" for k in range(arity))
            lines += [
                f"%y{lane} = call double @{name}({single})",
                f"%r{lane} = insertelement {vector} {result}, double %y{lane}, i32 {lane}",
            ]
            result = f"%r{lane}"
        text += [
            f"declare double @{name}({', '.join(['double'] * arity)})",
            f"define internal {vector} @{name}_v{width}({', '.join(arguments)}) #0 {{",
            *lines,
            f"ret {vector} {result}\n}}",
        ]
    return "\n".join(text)
