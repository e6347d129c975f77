"""From the operations of the table to the fewer that a backend has code for."""

from collections.abc import Collection
from functools import lru_cache

from autograd_lite.errors import PrimitiveError
from autograd_lite.nests import unravel
from autograd_lite.primitives import Primitive, mul, pow  # noqa: A004 - the rule
from autograd_lite.tape.program import Builder, Program, rewritten
from autograd_lite.tape.trace import recorded


@lru_cache(maxsize=1024)
def expansion(primitive: Primitive) -> Program:
    """The expression of a primitive as a program of its arguments; refused if it branches in Python."""
    assert primitive.expression is not None
    numbers, shape = unravel(((0.5,) * primitive.arity, {}))
    program, captured, _ = recorded(primitive.expression, numbers, shape)
    if program.guards or captured or len(program.outputs) != 1:
        raise PrimitiveError(
            f"expression of {primitive.name!r} compares numbers, uses Variables from outside or does not return one number. "
            "Write it with operators and functions of autograd_lite only: where(condition, a, b) for an if."
        )
    return program


def lowered(program: Program, native: Collection[Primitive]) -> Program:
    """The program with every operation that is not `native` written out by its expression, if it has one."""
    foreign = {p for p, _ in program.code if p is pow or (p not in native and p.expression is not None)}
    if not foreign:
        return program

    def written_out(builder: Builder, primitive: Primitive, arguments: tuple[int, ...]) -> int:
        if primitive is pow and builder.value_of(arguments[1]) == 2.0:  # as the rule's own value does
            primitive, arguments = mul, (arguments[0], arguments[0])
        if primitive in native or primitive.expression is None:
            return builder.instruction(primitive, arguments)
        inner = expansion(primitive)
        slots = inner.evaluated(lambda p, own: written_out(builder, p, tuple(own)), builder.constant, arguments)
        return slots[inner.outputs[0]]  # type: ignore[no-any-return]

    def enter(builder: Builder, primitive: Primitive, arguments: tuple[int, ...]) -> int:
        return (written_out if primitive in foreign else Builder.append)(builder, primitive, arguments)

    return rewritten(program, enter)
