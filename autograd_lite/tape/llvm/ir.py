"""Text of LLVM IR, line by line: what the code generators write with.

Text and not `llvmlite.ir`: building that object model for 8,000 instructions takes many times as long as this.
"""

import re
import struct
from collections.abc import Iterable, Sequence


def literal(value: float) -> str:
    """A double as LLVM writes it, to the last bit."""
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


def counted(
    index: str,
    limit: str,
    body: Iterable[str],
    *,
    first: str = "0",
    step: int = 1,
    carried: Iterable[tuple[str, str, str, str]] = (),
) -> list[str]:
    """A loop whose %index goes from `first` by `step` while it is below `limit`.

    `carried` are values that turns hand on: type, name, what it is at first, and what the body makes of it. After the
    loop the index and they are what they were when it ended.
    """
    phis = [("i64", index, first, f"%{index}.next"), *carried]
    return [
        f"br label %{index}.from",
        f"{index}.from:",
        f"br label %{index}.test",
        f"{index}.test:",
        *(f"%{name} = phi {t} [ {start}, %{index}.from ], [ {after}, %{index}.end ]" for t, name, start, after in phis),
        f"%{index}.going = icmp slt i64 %{index}, {limit}",
        f"br i1 %{index}.going, label %{index}.turn, label %{index}.done",
        f"{index}.turn:",
        *body,
        f"br label %{index}.end",
        f"{index}.end:",
        f"%{index}.next = add i64 %{index}, {step}",
        f"br label %{index}.test",
        f"{index}.done:",
    ]


class Library:
    """Functions that are compiled once and called by other modules, which declare them."""

    def __init__(self, *functions: str) -> None:
        self.text = "\n".join(functions)
        heads = re.findall(r"^define (?!internal)(.* @(\w+)\(.*) #0 {$", self.text, re.MULTILINE)
        self.declarations = [f"declare {head}" for head, _ in heads]
        self.names = [name for _, name in heads]


def function(name: str, parameters: str, body: Iterable[str], result: str = "void", *, internal: bool = False) -> str:
    """A function; `body` ends with the return of its result, if it has one."""
    kind = "internal " * internal + result
    return "\n".join([f"define {kind} @{name}({parameters}) #0 {{", *body, *["ret void"] * (result == "void"), "}"])


def at(name: str, base: str, index: str, kind: str = "double") -> str:
    """The address `index` elements of `kind` behind `base`; bytes are `i8`."""
    return f"{name} = getelementptr {kind}, ptr {base}, i64 {index}"


def load(name: str, base: str, index: str, kind: str = "i64", *, unit: str | None = None) -> list[str]:
    """What lies `index` units behind `base`, a unit being what is loaded; vectors need no more than a double's alignment."""
    return [at(f"{name}.at", base, index, unit or kind), f"{name} = load {kind}, ptr {name}.at, align 8"]


def spread(width: int, number: str, name: str, kind: str = "double") -> list[str]:
    """A number in every lane of a vector."""
    v = f"<{width} x {kind}>"
    return [
        f"{name}.one = insertelement {v} poison, {kind} {number}, i32 0",
        f"{name} = shufflevector {v} {name}.one, {v} poison, <{width} x i32> zeroinitializer",
    ]


def transposed(names: list[str]) -> tuple[list[str], list[str]]:
    """As many vectors as each has lanes, rows made columns; returns lines and names."""
    width, lines, half = len(names), [], 1
    v = f"<{width} x double>"
    while half < width:
        made = list(names)
        for k in range(width):
            if not k & half:
                low = [p if not p & half else width + p - half for p in range(width)]
                high = [p + half if not p & half else width + p for p in range(width)]
                for target, picked in ((k, low), (k + half, high)):
                    made[target] = f"{names[target]}.{half}"
                    mask = ", ".join(f"i32 {p}" for p in picked)
                    pair = f"{v} {names[k]}, {v} {names[k + half]}"
                    lines.append(f"{made[target]} = shufflevector {pair}, <{width} x i32> <{mask}>")
        names, half = made, 2 * half
    return lines, names


class Builder:
    """Writes the lines of one function whose values have `width` lanes each.

    Parameters
    ----------
    width : int
        Lanes of a value; 1 for plain doubles.
    lanes : bool
        Whether library functions are those of lanes, the same on every machine, instead of libm's.
    contract : bool
        Whether a product and a sum may become one fused operation, which rounds once.
    """

    def __init__(self, width: int, *, lanes: bool = True, contract: bool = False) -> None:
        self.width, self.lanes, self.flags = width, lanes, " contract" if contract else ""
        self.double, self.integer, self.truth = (
            t if width == 1 else f"<{width} x {t}>" for t in ("double", "i64", "i1")
        )
        self.lines: list[str] = []
        self.declarations: set[str] = set()
        self.library_functions: set[tuple[str, int]] = set()
        self._names = 0

    def emit(self, expression: str) -> str:
        """Add an instruction; returns the name of its result."""
        self._names += 1
        name = f"%t{self._names}"
        self.lines.append(f"{name} = {expression}")
        return name

    def doubles(self, expression: str) -> "Doubles":
        return Doubles(self, self.emit(expression))

    def constant(self, value: float) -> "Doubles":
        return Doubles(self, self.in_every_lane("double", literal(value)))

    def in_every_lane(self, kind: str, constant: str) -> str:
        return constant if self.width == 1 else f"<{', '.join([f'{kind} {constant}'] * self.width)}>"

    def call(self, function: str, arguments: Sequence[str], kind: str) -> str:
        return self.emit(f"call {kind} @{function}({', '.join(f'{kind} {a}' for a in arguments)})")

    def declared(self, function: str, arguments: Sequence[str], kind: str) -> str:
        """A call of a function that lies outside the module."""
        self.declarations.add(f"declare {kind} @{function}({', '.join([kind] * len(arguments))})")
        return self.call(function, arguments, kind)

    def library(self, function: str, *arguments: "Doubles") -> "Doubles":
        """A call of a function of doubles; in lanes of its form for them, noted in `library_functions`."""
        if not self.lanes:
            return self.lane_by_lane(function, *arguments)
        self.library_functions.add((function, len(arguments)))
        return Doubles(self, self.call(f"{function}_v{self.width}", [a.name for a in arguments], self.double))

    def function(self, name: str, arguments: Sequence["Doubles"], result: "Doubles", *, internal: bool = False) -> str:
        """The function of these lines."""
        parameters = ", ".join(f"{self.double} {a.name}" for a in arguments)
        lines = [*self.lines, f"ret {self.double} {result.name}"]
        return function(name, parameters, lines, self.double, internal=internal)

    def spread(self, number: str) -> "Doubles":
        """A plain double in every lane."""
        if self.width == 1:
            return Doubles(self, number)
        single = self.emit(f"insertelement {self.double} poison, double {number}, i32 0")
        poison = f"{self.double} poison, <{self.width} x i32> zeroinitializer"
        return self.doubles(f"shufflevector {self.double} {single}, {poison}")

    def lane_by_lane(self, function: str, *arguments: "Doubles") -> "Doubles":
        """A call of a function of plain doubles for each lane."""
        if self.width == 1:
            return Doubles(self, self.declared(function, [a.name for a in arguments], "double"))
        result = "poison"
        for lane in range(self.width):
            singles = [self.emit(f"extractelement {self.double} {a.name}, i32 {lane}") for a in arguments]
            value = self.declared(function, singles, "double")
            result = self.emit(f"insertelement {self.double} {result}, double {value}, i32 {lane}")
        return Doubles(self, result)


class Doubles:
    """One double a lane, as the name of a value or constant: formulas of these write their instructions.

    A comparison gives the name of a mask; it is false where one side is nan, unless the relation is `une` or `uno`.
    """

    __slots__ = ("b", "name")

    def __init__(self, b: Builder, name: str) -> None:
        self.b, self.name = b, name

    def operand(self, other: "Operand") -> str:
        return (other if isinstance(other, Doubles) else self.b.constant(other)).name

    def _with(self, operation: str, other: "Operand") -> "Doubles":
        b = self.b
        return Doubles(b, b.emit(f"{operation} {b.double} {self.name}, {self.operand(other)}"))

    def __add__(self, other: "Operand") -> "Doubles":
        return self._with(f"fadd{self.b.flags}", other)

    def __sub__(self, other: "Operand") -> "Doubles":
        return self._with(f"fsub{self.b.flags}", other)

    def __rsub__(self, other: float) -> "Doubles":
        return self.b.constant(other) - self

    def __mul__(self, other: "Operand") -> "Doubles":
        return self._with(f"fmul{self.b.flags}", other)

    def __truediv__(self, other: "Operand") -> "Doubles":
        return self._with("fdiv", other)

    def __rtruediv__(self, other: float) -> "Doubles":
        return self.b.constant(other) / self

    def __neg__(self) -> "Doubles":
        return self.b.doubles(f"fneg {self.b.double} {self.name}")

    def __abs__(self) -> "Doubles":
        return self.intrinsic("fabs")

    def __lt__(self, other: "Operand") -> str:
        return self.compare("olt", other)

    def __gt__(self, other: "Operand") -> str:
        return self.compare("ogt", other)

    def __ge__(self, other: "Operand") -> str:
        return self.compare("oge", other)

    def compare(self, relation: str, other: "Operand") -> str:
        """The mask of lanes in which one of LLVM's relations holds: olt, ole, ogt, oge, oeq, une, ord, uno, …."""
        return self._with(f"fcmp {relation}", other).name

    def where(self, truth: str, other: "Operand") -> "Doubles":
        """These lanes where `truth` holds, the other's elsewhere."""
        b = self.b
        return b.doubles(f"select {b.truth} {truth}, {b.double} {self.name}, {b.double} {self.operand(other)}")

    def clamp(self, lower: float, upper: float) -> "Doubles":
        """The nearest number of [lower, upper]; nan stays nan."""
        raised = self.b.constant(lower).where(self < lower, self)
        return self.b.constant(upper).where(raised > upper, raised)

    def with_sign_of(self, other: "Doubles") -> "Doubles":
        """These magnitudes with those signs; -0.0 has one too."""
        return self.intrinsic("copysign", other)

    def intrinsic(self, function: str, *others: "Operand") -> "Doubles":
        """LLVM's function `llvm.…` of this and others, lane by lane."""
        suffix = "f64" if self.b.width == 1 else f"v{self.b.width}f64"
        arguments = [self.name, *map(self.operand, others)]
        return Doubles(self.b, self.b.declared(f"llvm.{function}.{suffix}", arguments, self.b.double))

    def bits(self) -> "Bits":
        return Bits(self.b, self.b.emit(f"bitcast {self.b.double} {self.name} to {self.b.integer}"))


class Bits:
    """One integer of 64 bits a lane."""

    __slots__ = ("b", "name")

    def __init__(self, b: Builder, name: str) -> None:
        self.b, self.name = b, name

    def op(self, operation: str, other: "Bits | int") -> "Bits":
        """One of LLVM's operations: add, sub, and, or, xor, shl, lshr, ashr."""
        operand = other.name if isinstance(other, Bits) else self.b.in_every_lane("i64", str(other))
        return Bits(self.b, self.b.emit(f"{operation} {self.b.integer} {self.name}, {operand}"))

    def odd(self) -> str:
        """The mask of lanes whose last bit is 1."""
        return self.b.emit(f"trunc {self.b.integer} {self.name} to {self.b.truth}")

    def double(self) -> Doubles:
        """The doubles with these bits."""
        return self.b.doubles(f"bitcast {self.b.integer} {self.name} to {self.b.double}")


Operand = Doubles | float
