"""Text of LLVM IR, line by line: what the code generators write with.

Text and not `llvmlite.ir`: building that object model for 8,000 instructions takes many times as long as this.
"""

import struct
from collections.abc import Iterable


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


def chosen(label: str, truth: str, then: Iterable[str], otherwise: Iterable[str] = ()) -> list[str]:
    """What is done if `truth` holds, and what if not."""
    return [
        f"br i1 {truth}, label %{label}.then, label %{label}.else",
        f"{label}.then:",
        *then,
        f"br label %{label}.join",
        f"{label}.else:",
        *otherwise,
        f"br label %{label}.join",
        f"{label}.join:",
    ]


def function(name: str, parameters: str, body: Iterable[str], result: str = "void") -> str:
    """A function; `body` ends with what it returns, unless that is nothing."""
    lines = [*body, "ret void"] if result == "void" else list(body)
    return "\n".join([f"define {result} @{name}({parameters}) #0 {{", *lines, "}"])


def at(name: str, base: str, index: str, kind: str = "double") -> str:
    """The address `index` elements of `kind` behind `base`; bytes are `i8`."""
    return f"{name} = getelementptr {kind}, ptr {base}, i64 {index}"


def load(name: str, base: str, index: str, kind: str = "i64", *, unit: str | None = None) -> list[str]:
    """What lies `index` units behind `base`, a unit being what is loaded; vectors need no more than a double's alignment."""
    return [at(f"{name}.at", base, index, unit or kind), f"{name} = load {kind}, ptr {name}.at, align 8"]


def spread(width: int, number: str, name: str) -> list[str]:
    """A double in every lane of a vector."""
    v = f"<{width} x double>"
    return [
        f"{name}.one = insertelement {v} poison, double {number}, i32 0",
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
    """Lines of one function body whose values have `width` lanes each; an operand is the name of a value or a constant.

    Parameters
    ----------
    width : int
        Lanes of a value; 1 for plain doubles.
    contract : bool
        Whether a product and a sum may become one fused operation, which rounds once.
    """

    def __init__(self, width: int, *, contract: bool = False) -> None:
        self.width, self.flags = width, "contract " if contract else ""
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

    def constant(self, value: float) -> str:
        """A double, the same in every lane."""
        return self._splat("double", literal(value))

    def integer_constant(self, value: int) -> str:
        """A 64-bit integer, the same in every lane."""
        return self._splat("i64", str(value))

    def _splat(self, kind: str, text: str) -> str:
        return text if self.width == 1 else f"<{', '.join([f'{kind} {text}'] * self.width)}>"

    def add(self, a: str, b: str) -> str:
        """a + b."""
        return self.emit(f"fadd {self.flags}{self.double} {a}, {b}")

    def sub(self, a: str, b: str) -> str:
        """a - b."""
        return self.emit(f"fsub {self.flags}{self.double} {a}, {b}")

    def mul(self, a: str, b: str) -> str:
        """a·b."""
        return self.emit(f"fmul {self.flags}{self.double} {a}, {b}")

    def div(self, a: str, b: str) -> str:
        """a / b."""
        return self.emit(f"fdiv {self.double} {a}, {b}")

    def neg(self, a: str) -> str:
        """-a."""
        return self.emit(f"fneg {self.double} {a}")

    def compare(self, relation: str, a: str, b: str) -> str:
        """`relation` is one of LLVM's for doubles: olt, ole, ogt, oge, oeq, une, ord, uno."""
        return self.emit(f"fcmp {relation} {self.double} {a}, {b}")

    def select(self, truth: str, a: str, b: str) -> str:
        """The a of lanes where `truth` holds, the b of others."""
        return self.emit(f"select {self.truth} {truth}, {self.double} {a}, {self.double} {b}")

    def call(self, function: str, *arguments: str) -> str:
        """A function of doubles, such as an intrinsic `llvm.fma`, lane by lane."""
        name = function
        if function.startswith("llvm."):
            name += ".f64" if self.width == 1 else f".v{self.width}f64"
        self.declarations.add(f"declare {self.double} @{name}({', '.join([self.double] * len(arguments))})")
        return self.emit(f"call {self.double} @{name}({', '.join(f'{self.double} {a}' for a in arguments)})")

    def library(self, function: str, *arguments: str) -> str:
        """A function of C's mathematical library, or one of that kind; lane by lane unless there is vector code for it."""
        name = function if self.width == 1 else f"{function}_v{self.width}"
        if self.width > 1:
            self.library_functions.add((function, len(arguments)))
        else:
            self.declarations.add(f"declare double @{name}({', '.join(['double'] * len(arguments))})")
        return self.emit(f"call {self.double} @{name}({', '.join(f'{self.double} {a}' for a in arguments)})")

    def spread(self, number: str) -> str:
        """A double in every lane."""
        single = self.emit(f"insertelement {self.double} poison, double {number}, i32 0")
        return self.emit(
            f"shufflevector {self.double} {single}, {self.double} poison, <{self.width} x i32> zeroinitializer"
        )

    def bits(self, a: str) -> str:
        """The bits of doubles as integers."""
        return self.emit(f"bitcast {self.double} {a} to {self.integer}")

    def from_bits(self, a: str) -> str:
        """Doubles with these bits."""
        return self.emit(f"bitcast {self.integer} {a} to {self.double}")

    def integer_op(self, operation: str, a: str, b: str) -> str:
        """`operation` is one of LLVM's for integers: add, sub, and, or, xor, shl, lshr, ashr."""
        return self.emit(f"{operation} {self.integer} {a}, {b}")
