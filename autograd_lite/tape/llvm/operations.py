"""What each operation of the table is in LLVM IR."""

from collections.abc import Callable
from math import nan

from autograd_lite import primitives as p
from autograd_lite.primitives import PRIMITIVES, Primitive
from autograd_lite.tape.llvm.ir import Builder

Emitter = Callable[..., str]


def _less(b: Builder, x: str, y: str) -> str:
    known = b.select(b.compare("olt", x, y), b.constant(1.0), b.constant(0.0))
    return b.select(b.compare("uno", x, y), b.constant(nan), known)


def _comparison(relation: str) -> Emitter:
    code = {"ne": "une"}.get(relation, f"o{relation}")  # ordered: a NaN compares with nothing, but is unequal to all
    return lambda b, x, y: b.select(b.compare(code, x, y), b.constant(1.0), b.constant(0.0))


def _where(b: Builder, condition: str, x: str, y: str) -> str:
    return b.select(b.compare("une", condition, b.constant(0.0)), x, y)


def _extreme(relation: str) -> Emitter:
    def emit(b: Builder, x: str, y: str) -> str:
        return b.select(b.compare("uno", x, x), x, b.select(b.compare(relation, x, y), x, y))

    return emit


def _floor_mod(b: Builder, x: str, y: str) -> tuple[str, str]:
    """CPython's `divmod` of floats: remainder with the sign of y, and (x - remainder)/y before rounding."""
    zero = b.constant(0.0)
    remainder = b.library("fmod", x, y)
    quotient = b.div(b.sub(x, remainder), y)
    negative, y_negative = b.compare("olt", remainder, zero), b.compare("olt", y, zero)
    other_sign = b.emit(f"xor {b.truth} {negative}, {y_negative}")
    moved = b.select(other_sign, b.add(remainder, y), remainder)
    lowered = b.select(other_sign, b.sub(quotient, b.constant(1.0)), quotient)
    nonzero = b.compare("une", remainder, zero)
    return b.select(nonzero, moved, b.call("llvm.copysign", zero, y)), b.select(nonzero, lowered, quotient)


def _mod(b: Builder, x: str, y: str) -> str:
    return b.select(b.compare("oeq", y, b.constant(0.0)), b.constant(nan), _floor_mod(b, x, y)[0])


def _floordiv(b: Builder, x: str, y: str) -> str:
    zero, quotient = b.constant(0.0), _floor_mod(b, x, y)[1]
    floor = b.call("llvm.floor", quotient)
    too_low = b.compare("ogt", b.sub(quotient, floor), b.constant(0.5))
    rounded = b.select(too_low, b.add(floor, b.constant(1.0)), floor)
    exact = b.div(x, y)
    whole = b.select(b.compare("une", quotient, zero), rounded, b.call("llvm.copysign", zero, exact))
    return b.select(b.compare("oeq", y, zero), exact, whole)


def _signed(b: Builder, x: str, s: str) -> str:
    return b.select(b.compare("uno", s, s), b.constant(nan), b.call("llvm.copysign", x, s))


def _called(name: str) -> Emitter:
    return lambda b, *arguments: b.call(name, *arguments)


#: Operations that are an instruction or a few; the others are calls, expressions, or calls back into Python.
INLINE: dict[Primitive, Emitter] = {
    p.add: Builder.add,
    p.sub: Builder.sub,
    p.mul: Builder.mul,
    p.div: Builder.div,
    p.neg: Builder.neg,
    p.abs: _called("llvm.fabs"),
    p.sqrt: _called("llvm.sqrt"),
    p.floor: _called("llvm.floor"),
    p.ceil: _called("llvm.ceil"),
    p.trunc: _called("llvm.trunc"),
    p.copysign: _signed,
    p.less: _less,
    p.where: _where,
    p.maximum: _extreme("ogt"),
    p.minimum: _extreme("olt"),
    p.mod: _mod,
    p.floordiv: _floordiv,
}
INLINE |= {rule: _comparison(relation) for relation, rule in p.COMPARISONS.items()}

#: Operations that are a function of C's mathematical library.
LIBRARY: dict[Primitive, str] = {
    rule: rule.c for rule in PRIMITIVES.values() if rule.built_in and rule.c.isidentifier() and rule not in INLINE
} | {p.pow: "pow"}  # lowering makes x·x of x²

NATIVE = frozenset([*INLINE, *LIBRARY])
