"""From the operations of the table to the fewer that a backend has code for."""

from collections.abc import Collection
from functools import lru_cache
from hashlib import sha256
from itertools import chain
from typing import Any

import numpy as np

from autograd_lite.errors import PrimitiveError
from autograd_lite.nests import unravel
from autograd_lite.primitives import PRIMITIVES, Primitive, mul, pow  # noqa: A004 - the rule
from autograd_lite.tape.program import Builder, Program, rewritten
from autograd_lite.tape.trace import recorded

#: The operations that the library brings, which no user can replace.
TABLE = frozenset(PRIMITIVES.values())


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


def content(program: Program, native: Collection[Primitive], own: dict[Any, int]) -> str:
    """A digest of what a program becomes: equal in all processes, whatever objects its operations are there.

    An operation with an expression counts by the content of that, others of the table by their names, and those of users by
    their numbers in `own`, where they are entered.
    """

    def meaning(operation: Any) -> Any:
        if hasattr(operation, "turn"):  # a loop in lanes
            called = [own.setdefault(c, len(own)) for c in (operation.pause, *getattr(operation, "tables", ()))]
            return operation.content, called, content(operation.turn, native, own)
        if hasattr(operation, "content"):  # a look-up in a table
            return operation.content
        if hasattr(operation, "index"):
            return "item", operation.index
        if operation not in native and operation.expression is not None:
            return "expression", content(expansion(operation), native, own)
        if operation in TABLE:
            return operation.name
        return "own", own.setdefault(operation, len(own)), getattr(operation, "results", None)

    operations, arguments = [o for o, _ in program.code], [a for _, a in program.code]
    numbers = {operation: k for k, operation in enumerate(dict.fromkeys(operations))}
    guards = [(g.relation, g.left, g.right, g.outcome) for g in program.guards]
    counts = program.inputs, len(program.constants), len(program.code)
    few = counts, program.outputs, program.doubtful, guards, [meaning(operation) for operation in numbers]
    digest = sha256(repr(few).encode())
    digest.update(np.array(program.constants, dtype=np.float64).tobytes())  # their bits: 0.0 is not -0.0
    for column in (map(numbers.__getitem__, operations), map(len, arguments), chain.from_iterable(arguments)):
        digest.update(np.fromiter(column, np.int64).tobytes())
    return digest.hexdigest()


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
