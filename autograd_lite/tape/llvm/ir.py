"""Text of LLVM IR: values whose operators write instructions, the builder of a function, and modules of functions.

Text and not `llvmlite.ir`: building that object model for 8,000 instructions takes many times as long as this.
"""

import struct
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any


def vector(width: int, kind: str = "double") -> str:
    """The type of `width` lanes; of one lane that of a plain number."""
    return kind if width == 1 else f"<{width} x {kind}>"


def literal(kind: str, number: float) -> str:
    """A number as a constant of a type, in every lane of a vector; a double to the last bit."""
    if kind == "double":
        return f"0x{struct.unpack('<Q', struct.pack('<d', number))[0]:016X}"
    if kind[0] == "<":
        width, _, element = kind[1:-1].split(" ")
        return f"<{', '.join([f'{element} {literal(element, number)}'] * int(width))}>"
    return str(number)


class Module:
    """Functions and tables, written one by one; a function that they call and the module lacks is declared.

    Values have `width` lanes, of which eight doubles stay in one register where there is one for them; a program of one lane
    has None, and functions of libm. `contract` lets a product and a sum become one operation, which rounds once. Functions
    that are not `vectorised` in another module are called once for each lane.
    """

    def __init__(self, width: int | None, *, contract: bool = False, vectorised: Collection[str] = ()) -> None:
        self.width, self.contract, self.vectorised = width, contract, vectorised
        self.fused = {name: f"{name} contract" for name in ("fadd", "fsub", "fmul") if contract}
        self.parts: list[str] = []
        self.data: list[str] = []  # tables
        self.names: list[str] = []  # of functions that other modules may call
        self.facts: dict[str, Any] = {}  # what is to be known of its machine code
        self.codes: list[bytes] = []  # of functions that were compiled before the others were written
        self.written: set[str] = set()
        self.declarations: dict[str, str] = {}
        self._called: set[str] = set()

    def function(
        self,
        name: str,
        kinds: Sequence[str],
        body: Callable[..., Any],
        *,
        linkage: str | None = None,
        width: int | None = None,
    ) -> None:
        """Write the function that `body` makes of a builder and arguments of these types; it gives the result, if any.

        Without a `linkage` other modules may call it. `width`: of the values of this function, if they have not as many lanes
        as those of the module.
        """
        b = Builder(self, width)
        arguments = [Value(b, kind, f"%a{k}") for k, kind in enumerate(kinds)]
        result: Value | None = body(b, *arguments)
        kind, returned = (result.kind, f"{result.kind} {result.name}") if result is not None else ("void", "void")
        parameters = ", ".join(f"{a.kind} {a.name}" for a in arguments)
        head = f"define {linkage or ''} {kind} @{name}({parameters}) #0 {{"
        self.parts.append("\n".join([head, *b.lines, f"ret {returned}", "}"]))
        self.written.add(name)
        if linkage is None:
            self.names.append(name)

    def table(self, name: str, numbers: Iterable[int]) -> str:
        entries = [f"i64 {n}" for n in numbers]
        line = f"@{name} = internal constant [{len(entries)} x i64] [{', '.join(entries)}]"
        if line not in self.data:
            self.data.append(line)
        return f"@{name}"

    def cut(self) -> str:
        """The functions so far as a module of their own, which those that follow may call."""
        text, self._called = self._around(self.parts), self.called
        self.parts, self.declarations, self.written = [], {}, set()
        return text

    def numbers(self, name: str, numbers: Iterable[float]) -> str:
        """A table of doubles."""
        entries = [f"double {literal('double', n)}" for n in numbers]
        self.data.append(f"@{name} = internal constant [{len(entries)} x double] [{', '.join(entries)}]")
        return f"@{name}"

    def in_lanes(self, function: str) -> Callable[..., Any]:
        """The body of the form for lanes of a function of libm: a call for each lane."""
        return lambda b, *x: b.lane_by_lane(function, *x)

    def of_one_lane(self, function: str) -> str:
        """The name by which a function of libm is called; another where a module brings its own."""
        return function

    @property
    def called(self) -> set[str]:
        """The names of functions of other modules that it calls."""
        return self._called | (self.declarations.keys() - self.written)

    @property
    def level(self) -> int:
        """How far LLVM optimises it, from 0 to 3."""
        return 2

    @property
    def text(self) -> str:
        return self._around([*self.data, *self.parts])

    def _around(self, parts: Sequence[str]) -> str:
        declared = [line for name, line in sorted(self.declarations.items()) if name not in self.written]
        attributes = '"min-legal-vector-width"="512" "prefer-vector-width"="512"' * (self.width is not None)
        return "\n".join([*declared, *parts, f"attributes #0 = {{ nounwind {attributes} }}"])


class Builder:
    """Writes the lines of one function."""

    def __init__(self, module: Module, width: int | None = None) -> None:
        self.module = module
        self.wide(width or module.width or 1)
        self.lines: list[str] = []
        self._names = 0
        self._loop = ""  # the innermost

    def wide(self, width: int) -> None:
        """Let values have so many lanes from here on."""
        self.width, self.double, self.whole = width, vector(width), vector(width, "i64")

    def emit(self, kind: str, instruction: str) -> "Value":
        """Add an instruction, whose result has this type."""
        self._names += 1
        name = f"%t{self._names}"
        self.lines.append(f"{name} = {instruction}")
        return Value(self, kind, name)

    def constant(self, number: float, kind: str | None = None) -> "Value":
        kind = kind or self.double
        return Value(self, kind, literal(kind, number))

    def call(self, kind: str, function: str, *arguments: "Value | int | str") -> "Value":
        """A call of a function whose result has this type; numbers are passed as i64, tables as their address."""
        kinds = {int: "i64", str: "ptr"}
        values = [a if isinstance(a, Value) else Value(self, kinds[type(a)], str(a)) for a in arguments]
        self.module.declarations[function] = f"declare {kind} @{function}({', '.join(v.kind for v in values)})"
        call = f"call {kind} @{function}({', '.join(f'{v.kind} {v.name}' for v in values)})"
        if kind != "void":
            return self.emit(kind, call)
        self.lines.append(call)
        return Value(self, kind, "")

    @property
    def lanes(self) -> "Value":
        """The numbers of the lanes of a vector, from 0."""
        numbers = ", ".join(f"i64 {k}" for k in range(self.width))
        return Value(self, self.whole, f"<{numbers}>" if self.width > 1 else "0")

    def copy(self, target: "Value", source: "Value", size: "Value | int") -> None:
        self.call("void", "llvm.memcpy.p0.p0.i64", target, source, size, Value(self, "i1", "false"))

    def prefetch(self, place: "Value", *, write: bool) -> None:
        """Ask for the cache line at an address, which need not exist."""
        self.module.declarations["llvm.prefetch.p0"] = "declare void @llvm.prefetch.p0(ptr, i32, i32, i32)"
        self.lines.append(f"call void @llvm.prefetch.p0(ptr {place.name}, i32 {write:d}, i32 2, i32 1)")

    def library(self, function: str, *arguments: "Value") -> "Value":
        """A call of a function of doubles; in lanes of its form for them."""
        module = self.module
        if module.width is None:
            return self.lane_by_lane(function, *arguments)
        name = f"{function}_v{self.width}"
        if function not in module.vectorised and name not in module.written:
            kinds = [self.double] * len(arguments)
            module.function(name, kinds, module.in_lanes(function), linkage="internal", width=self.width)
        return self.call(self.double, name, *arguments)

    def lane_by_lane(self, function: str, *arguments: "Value") -> "Value":
        """A call of a function of plain doubles for each lane."""
        name = self.module.of_one_lane(function)
        lanes = ([a.lane(k) for a in arguments] for k in range(self.width))
        return self.joined(self.width, (self.call("double", name, *lane) for lane in lanes))

    def joined(self, width: int, numbers: "Iterable[Value]") -> "Value":
        """A vector of plain doubles, one a lane."""
        if width == 1:
            (result,) = numbers
            return result
        v = vector(width)
        result = Value(self, v, "poison")
        for k, number in enumerate(numbers):
            result = self.emit(v, f"insertelement {v} {result.name}, double {number.name}, i32 {k}")
        return result

    def joined_whole(self, numbers: Iterable[int]) -> "Value":
        """A vector of known integers, one a lane."""
        return Value(self, self.whole, f"<{', '.join(f'i64 {n}' for n in numbers)}>")

    def any(self, truth: "Value") -> "Value":
        """Whether a mask holds in some lane."""
        return truth if self.width == 1 else self.call("i1", f"llvm.vector.reduce.or.v{self.width}i1", truth)

    def pair(self, first: "Value", second: "Value") -> "Value":
        """Two values of a type as one, which a function can return."""
        kind = f"{{ {first.kind}, {first.kind} }}"
        half = self.emit(kind, f"insertvalue {kind} poison, {first.kind} {first.name}, 0")
        return self.emit(kind, f"insertvalue {kind} {half.name}, {second.kind} {second.name}, 1")

    def call_for_two(self, function: str, argument: "Value") -> "tuple[Value, Value]":
        """A call of a function that returns a pair of values of the type of its argument."""
        kind = argument.kind
        both = self.call(f"{{ {kind}, {kind} }}", function, argument)
        first, second = (self.emit(kind, f"extractvalue {both.kind} {both.name}, {k}") for k in range(2))
        return first, second

    @contextmanager
    def counted(
        self, limit: "Value | int", *, first: "Value | int" = 0, step: int = 1, carried: "Iterable[Value]" = ()
    ) -> "Iterator[list[Value]]":
        """A loop whose index goes from `first` by `step` while it is below `limit`, as a list of the index and the carried.

        The body puts into the list what the next turn begins with; after the loop the values that it was given are those
        with which the loop ended.
        """
        self._names += 1
        around, self._loop = self._loop, (loop := f"loop{self._names}")
        start = [first if isinstance(first, Value) else self.constant(first, "i64"), *carried]
        self.lines += [f"br label %{loop}.from", f"{loop}.from:", f"br label %{loop}.test", f"{loop}.test:"]
        place = len(self.lines)
        values = [Value(self, s.kind, f"%{loop}.{k}") for k, s in enumerate(start)]
        going = values[0].compare("slt", limit)
        self.lines += [f"br i1 {going.name}, label %{loop}.turn, label %{loop}.done", f"{loop}.turn:"]
        turn = list(values)
        yield turn
        self.lines += [f"br label %{loop}.end", f"{loop}.end:"]
        turn[0] = values[0] + step
        self.lines += [f"br label %{loop}.test", f"{loop}.done:"]
        self.lines[place:place] = [
            f"{v.name} = phi {v.kind} [ {before.name}, %{loop}.from ], [ {after.name}, %{loop}.end ]"
            for v, before, after in zip(values, start, turn, strict=True)
        ]
        self._loop = around

    @contextmanager
    def when(self, truth: "Value") -> Iterator[None]:
        """Instructions that run where `truth` holds; no value of theirs is used behind them."""
        self._names += 1
        name = f"when{self._names}"
        self.lines += [f"br i1 {truth.name}, label %{name}.then, label %{name}.end", f"{name}.then:"]
        yield
        self.lines += [f"br label %{name}.end", f"{name}.end:"]

    def leave(self, truth: "Value") -> None:
        """End the innermost loop here where `truth` holds."""
        self._names += 1
        stay = f"stay{self._names}"
        self.lines += [f"br i1 {truth.name}, label %{self._loop}.done, label %{stay}", f"{stay}:"]


def _operator(real: str = "", whole: str = "") -> "Callable[[Value, Operand], Value]":
    """The operation on doubles or on integers."""
    return lambda self, other: self.op(real if "double" in self.kind else whole, other)


def _comparison(relation: str) -> "Callable[[Value, Operand], Value]":
    return lambda self, other: self.compare(relation, other)


class Value:
    """A value or constant of a type, as its name: formulas of these write their instructions, lane by lane.

    A comparison of doubles is false where one side is nan, unless the relation is `une` or `uno`.
    """

    __slots__ = ("b", "kind", "name")

    def __init__(self, b: Builder, kind: str, name: str) -> None:
        self.b, self.kind, self.name = b, kind, name

    def operand(self, other: "Operand") -> str:
        return other.name if isinstance(other, Value) else literal(self.kind, other)

    def op(self, operation: str, other: "Operand") -> "Value":
        """One of LLVM's operations on two values of a type."""
        operation = self.b.module.fused.get(operation, operation)
        return self.b.emit(self.kind, f"{operation} {self.kind} {self.name}, {self.operand(other)}")

    __add__, __sub__, __mul__ = _operator("fadd", "add"), _operator("fsub", "sub"), _operator("fmul", "mul")
    __truediv__, __lshift__, __rshift__ = _operator("fdiv"), _operator(whole="shl"), _operator(whole="ashr")
    __and__, __or__, __xor__ = _operator(whole="and"), _operator(whole="or"), _operator(whole="xor")
    __lt__, __gt__, __ge__ = _comparison("olt"), _comparison("ogt"), _comparison("oge")

    def __rsub__(self, other: float) -> "Value":
        return self.b.constant(other) - self

    def __rtruediv__(self, other: float) -> "Value":
        return self.b.constant(other) / self

    def __neg__(self) -> "Value":
        return self.b.emit(self.kind, f"fneg {self.kind} {self.name}")

    def __abs__(self) -> "Value":
        return self.intrinsic("fabs")

    def compare(self, relation: str, other: "Operand") -> "Value":
        """The mask of lanes in which one of LLVM's relations holds: olt, ole, ogt, oge, oeq, une, uno, …; slt, eq, ne, …."""
        operation = "fcmp" if "double" in self.kind else "icmp"
        mask = self.kind.replace("double", "i1").replace("i64", "i1")
        return self.b.emit(mask, f"{operation} {relation} {self.kind} {self.name}, {self.operand(other)}")

    def where(self, truth: "Value", other: "Operand") -> "Value":
        """These lanes where `truth` holds, the other's elsewhere."""
        pair = f"{self.kind} {self.name}, {self.kind} {self.operand(other)}"
        return self.b.emit(self.kind, f"select {truth.kind} {truth.name}, {pair}")

    def clamp(self, lower: float, upper: float) -> "Value":
        """The nearest number of [lower, upper]; nan stays nan."""
        raised = self.b.constant(lower).where(self < lower, self)
        return self.b.constant(upper).where(raised > upper, raised)

    def with_sign_of(self, other: "Value") -> "Value":
        """These magnitudes with those signs; -0.0 has one too."""
        return self.intrinsic("copysign", other)

    def intrinsic(self, function: str, *others: "Operand") -> "Value":
        """LLVM's function `llvm.…` of this and others, lane by lane."""
        suffix = "f64" if self.b.width == 1 else f"v{self.b.width}f64"
        values = [Value(self.b, self.kind, self.operand(other)) for other in others]
        return self.b.call(self.kind, f"llvm.{function}.{suffix}", self, *values)

    def bits(self) -> "Value":
        return self.cast("bitcast", self.kind.replace("double", "i64"))

    def double(self) -> "Value":
        return self.cast("bitcast", self.kind.replace("i64", "double"))

    def any(self) -> "Value":
        """Whether a mask holds in any lane."""
        return self if self.b.width == 1 else self.b.call("i1", f"llvm.vector.reduce.or.v{self.b.width}i1", self)

    def odd(self) -> "Value":
        """The mask of lanes whose last bit is 1."""
        return self.cast("trunc", self.kind.replace("i64", "i1"))

    def cast(self, operation: str, kind: str) -> "Value":
        return self.b.emit(kind, f"{operation} {self.kind} {self.name} to {kind}")

    def lane(self, lane: int) -> "Value":
        if self.kind[0] != "<":
            return self
        kind = self.kind[1:-1].split(" ")[2]
        return self.b.emit(kind, f"extractelement {self.kind} {self.name}, i32 {lane}")

    def spread(self, width: int) -> "Value":
        if width == 1:
            return self
        v = vector(width, self.kind)
        one = self.b.emit(v, f"insertelement {v} poison, {self.kind} {self.name}, i32 0")
        return self.b.emit(v, f"shufflevector {v} {one.name}, {v} poison, <{width} x i32> zeroinitializer")

    def shuffled(self, lanes: Sequence[int], other: "Value | None" = None) -> "Value":
        """A vector of these lanes, those of `other` being numbered behind one's own."""
        mask = ", ".join(f"i32 {k}" for k in lanes)
        pair = f"{self.kind} {self.name}, {self.kind} {other.name if other is not None else 'poison'}"
        return self.b.emit(self.kind, f"shufflevector {pair}, <{len(lanes)} x i32> <{mask}>")

    def reversed(self) -> "Value":
        """The lanes from the last to the first."""
        return self if self.b.width == 1 else self.shuffled(range(self.b.width)[::-1])

    def at(self, index: "Value | int", kind: str = "double") -> "Value":
        """The address `index` elements of a type behind this one, or a vector of such; bytes are `i8`."""
        if not isinstance(index, Value):
            index = self.b.constant(index, "i64")
        if index.name == "0":
            return self
        pointers = index.kind.replace("i64", "ptr")
        return self.b.emit(pointers, f"getelementptr {kind}, ptr {self.name}, {index.kind} {index.name}")

    def gathered(self) -> "Value":
        """The double at this address; at a vector of addresses one for each lane."""
        if self.kind == "ptr":
            return self.load("double")
        b, suffix = self.b, f"v{self.b.width}f64.v{self.b.width}p0"
        every = Value(b, vector(b.width, "i1"), literal(vector(b.width, "i1"), 1))
        return b.call(b.double, f"llvm.masked.gather.{suffix}", self, Value(b, "i32", "8"), every, b.constant(0.0))

    def scatter(self, value: "Value") -> None:
        """Store a double at this address; at a vector of addresses one for each lane."""
        if self.kind == "ptr":
            self.store(value)
            return
        b, suffix = self.b, f"v{self.b.width}f64.v{self.b.width}p0"
        every = Value(b, vector(b.width, "i1"), literal(vector(b.width, "i1"), 1))
        b.call("void", f"llvm.masked.scatter.{suffix}", value, self, Value(b, "i32", "8"), every)

    def load(self, kind: str, align: int = 8) -> "Value":
        """What lies at this address; vectors need no more than a double's alignment."""
        return self.b.emit(kind, f"load {kind}, ptr {self.name}, align {align}")

    def store(self, value: "Value", align: int = 8) -> None:
        self.b.lines.append(f"store {value.kind} {value.name}, ptr {self.name}, align {align}")


Operand = Value | float
