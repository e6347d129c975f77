"""Text of LLVM IR, line by line: what the code generators write with.

Text and not `llvmlite.ir`: building that object model for 8,000 instructions takes many times as long as this.
"""

import struct


def literal(value: float) -> str:
    """A double as LLVM writes it, to the last bit."""
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


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
