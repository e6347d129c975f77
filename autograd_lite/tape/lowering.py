"""From the operations of the table to the fewer that an executor has code for."""

from collections.abc import Collection
from dataclasses import replace
from functools import lru_cache

from autograd_lite.errors import PrimitiveError
from autograd_lite.nests import unravel
from autograd_lite.primitives import Primitive, mul, pow  # noqa: A004 - the rule
from autograd_lite.tape.passes import Program, Straight
from autograd_lite.tape.tape import Tape
from autograd_lite.tape.trace import record


@lru_cache(maxsize=1024)
def expansion(primitive: Primitive) -> Tape:
    """The expression of a primitive as a tape of its arguments.

    Raises
    ------
    PrimitiveError
        If the expression branches in Python: its tape would hold for one side only.
    """
    assert primitive.expression is not None
    numbers, shape = unravel(((0.5,) * primitive.arity, {}))
    tape = record(primitive.expression, numbers, shape)
    if tape.guards or tape.captured or len(tape.outputs) != 1:
        raise PrimitiveError(
            f"expression of {primitive.name!r} compares numbers, uses Variables from outside or does not return one number. "
            "Write it with operators and functions of autograd_lite only: where(condition, a, b) for an if."
        )
    return tape


def lowered(tape: Straight, native: Collection[Primitive]) -> Straight:
    """The same program in which every operation that is not `native` is written out by its expression, if it has one."""
    foreign = {p for p, _ in tape.code if p is pow or (p not in native and p.expression is not None)}
    if not foreign:
        return tape
    program = Program(tape.first_constant)
    slots = list(range(tape.first_constant))
    slots += map(program.constant, tape.constants)
    for primitive, arguments in tape.code:
        inner = tuple([slots[a] for a in arguments])
        slots.append(
            _written_out(program, primitive, inner, native)
            if primitive in foreign
            else program.append(primitive, inner)  # a tape holds no operation twice
        )
    guards = [replace(g, left=slots[g.left], right=slots[g.right]) for g in tape.guards]
    parts = program.finished([slots[s] for s in tape.outputs], guards, [slots[s] for s in tape.doubtful])
    return Straight(tape.first_constant, **parts)


def _written_out(
    program: Program, primitive: Primitive, arguments: tuple[int, ...], native: Collection[Primitive]
) -> int:
    """The slot of an operation, by its expression unless it is native; what expressions share is done once."""
    if primitive is pow and program.value_of(arguments[1]) == 2.0:  # as the rule's own value does
        primitive, arguments = mul, (arguments[0], arguments[0])
    if primitive in native or primitive.expression is None:
        return program.instruction(primitive, arguments)
    tape = expansion(primitive)
    slots = [*arguments, *map(program.constant, tape.constants)]
    for inner, inner_arguments in tape.code:
        slots.append(_written_out(program, inner, tuple([slots[a] for a in inner_arguments]), native))
    return slots[tape.outputs[0]]
