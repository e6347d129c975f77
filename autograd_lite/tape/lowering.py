"""From the operations of the table to the fewer that an executor has code for."""

from collections.abc import Collection, Sequence
from functools import lru_cache

from autograd_lite.errors import PrimitiveError
from autograd_lite.nests import unravel
from autograd_lite.primitives import Primitive, mul, pow  # noqa: A004 - the rule
from autograd_lite.tape.passes import Instruction, Straight, moved
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
    lowering = _Lowering(tape, native)
    slots = list(range(tape.first_constant))
    slots += map(lowering.constant, tape.constants)
    for primitive, arguments in tape.code:
        inner = tuple([slots[a] for a in arguments])
        if primitive in foreign:
            slots.append(lowering.written_out(primitive, inner))
        else:
            lowering.code.append((primitive, inner))
            slots.append(_INSTRUCTION + len(lowering.code) - 1)
    return lowering.finished(tape, slots)


_INSTRUCTION = 1 << 41  # instructions are numbered from here on until the number of constants is known


class _Lowering:
    """A program in the making; what stands in expressions is entered once, however often it occurs."""

    def __init__(self, tape: Straight, native: Collection[Primitive]) -> None:
        self.native, self.start = native, tape.first_constant
        self.constants: list[float] = []
        self.code: list[Instruction] = []
        self._constant_slots: dict[str, int] = {}
        self._known: dict[Instruction, int] = {}

    def constant(self, value: float) -> int:
        """The slot of a constant."""
        slot = self._constant_slots.setdefault(repr(value), self.start + len(self.constants))
        if slot == self.start + len(self.constants):
            self.constants.append(value)
        return slot

    def written_out(self, primitive: Primitive, arguments: tuple[int, ...]) -> int:
        """The slot of an operation, by its expression unless it is native."""
        if primitive is pow and self._is_two(arguments[1]):  # as the rule's own value does
            primitive, arguments = mul, (arguments[0], arguments[0])
        if primitive in self.native or primitive.expression is None:
            key = (primitive, arguments)
            slot = self._known.get(key)
            if slot is None:
                self.code.append(key)
                slot = self._known[key] = _INSTRUCTION + len(self.code) - 1
            return slot
        tape = expansion(primitive)
        slots = [*arguments, *map(self.constant, tape.constants)]
        for inner, inner_arguments in tape.code:
            slots.append(self.written_out(inner, tuple([slots[a] for a in inner_arguments])))
        return slots[tape.outputs[0]]

    def _is_two(self, slot: int) -> bool:
        return self.start <= slot < _INSTRUCTION and self.constants[slot - self.start] == 2.0

    def finished(self, tape: Straight, slots: Sequence[int]) -> Straight:
        """The program; `slots` says where the values of `tape` lie."""
        shift = self.start + len(self.constants) - _INSTRUCTION
        final = [s + shift if s >= _INSTRUCTION else s for s in slots]
        code = [(p, tuple([a + shift if a >= _INSTRUCTION else a for a in arguments])) for p, arguments in self.code]
        return Straight(
            self.start,
            tuple(self.constants),
            tuple(code),
            tuple(final[s] for s in tape.outputs),
            tuple(moved(g, final[g.left], final[g.right], self.start + len(self.constants)) for g in tape.guards),
            tuple(final[s] for s in tape.doubtful),
        )
