"""A program: straight-line code in static single assignment, and its exact rewrites.

Slots are numbered: the inputs, the constants, then one for each instruction, which is an operation and the slots of its
arguments. The program is that of the traced function for every input for which its guards come out as they did.
"""

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from math import isnan
from typing import Any

from autograd_lite import core, primitives
from autograd_lite.primitives import Primitive

Instruction = tuple[Primitive, tuple[int, ...]]

SIGNS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}
COMMUTATIVE = (primitives.add, primitives.mul)
#: Doubtful results that are tested one by one, as if by guards; more are tested after the run.
FEW = 32

# Constants are numbered from here on until the program is finished; all in one digit of Python's integers.
_CONSTANT = 1 << 28
_INSTRUCTION = 1 << 29


@dataclass(frozen=True)
class Guard:
    """`left relation right` came out as `outcome`, after `position` instructions, on the user's line `location`."""

    relation: str
    left: int
    right: int
    outcome: bool
    position: int
    location: str


@dataclass(frozen=True)
class Program:
    """Straight-line code; `Builder` makes it."""

    inputs: int  # the number of slots before the first constant
    constants: tuple[float, ...]
    code: tuple[Instruction, ...]
    outputs: tuple[int, ...]
    guards: tuple[Guard, ...] = ()
    doubtful: tuple[int, ...] = ()  # where NaN asks for the careful program instead (see `Tape`)

    @cached_property
    def first_instruction(self) -> int:
        return self.inputs + len(self.constants)

    @property
    def slots(self) -> int:
        """The number of values in one replay."""
        return self.first_instruction + len(self.code)

    @cached_property
    def roots(self) -> tuple[int, ...]:
        """The slots that something outside reads: the one list of what must be computed and kept."""
        return (*self.outputs, *self.doubtful, *(slot for guard in self.guards for slot in (guard.left, guard.right)))

    @cached_property
    def problem(self) -> str | None:
        """What is wrong with the slots, if anything."""
        for slot, (primitive, arguments) in enumerate(self.code, start=self.first_instruction):
            if len(arguments) != primitive.arity:
                return (
                    f"instruction {slot - self.first_instruction} gives {len(arguments)} arguments to {primitive.name}"
                )
            if not all(0 <= a < slot for a in arguments):
                place = slot - self.first_instruction
                return f"instruction {place}, {primitive.name}, uses slots {arguments} but stands at {slot}"
        if not all(0 <= slot < self.slots for slot in self.roots):
            return f"an output or guard refers to a slot outside 0 … {self.slots - 1}"
        return "a guard has an unknown relation" if any(guard.relation not in SIGNS for guard in self.guards) else None

    def evaluated(
        self, apply: Callable[[Primitive, list[Any]], Any], constant: Callable[[float], Any], inputs: Sequence[Any]
    ) -> list[Any]:
        """The value of every slot: what a program means, in whatever `apply` makes of an operation and values."""
        values = [*inputs, *map(constant, self.constants)]
        for operation, arguments in self.code:
            values.append(apply(operation, [values[a] for a in arguments]))
        return values

    def tested(self) -> tuple["Program", tuple[int, ...]]:
        """The program as it tests for doubt, and the slots of its results.

        A few doubtful slots are tested by guards; more of them stay so, and are results behind the outputs.
        """
        if len(self.doubtful) > FEW:
            known = set(self.outputs)
            return self, (*self.outputs, *(slot for slot in self.doubtful if slot not in known))
        return self.with_doubt_as_guards(), self.outputs

    def with_doubt_as_guards(self) -> "Program":
        """The program with a guard `x == x` for each doubtful slot, after all others."""
        first = self.first_instruction
        checks = (_moved(Guard("eq", slot, slot, True, 0, ""), slot, slot, first) for slot in self.doubtful)
        return replace(self, guards=(*self.guards, *checks), doubtful=())


@core.or_compiled
class Code:
    """The instructions of a builder, in the order in which they were entered."""

    def __init__(self) -> None:
        self._steps: list[Instruction] = []
        self._slots: dict[Instruction, int] = {}

    def __len__(self) -> int:
        return len(self._steps)

    def __getitem__(self, place: int) -> Instruction:
        return self._steps[place]

    def __iter__(self) -> Iterator[Instruction]:
        return iter(self._steps)

    def find(self, primitive: Primitive, arguments: tuple[int, ...]) -> int | None:
        """The slot of the equal instruction that is kept, if there is one."""
        return self._slots.get((primitive, arguments))

    def append(self, primitive: Primitive, arguments: tuple[int, ...], kept: bool = False) -> int:
        """The slot of a new instruction; one that is to be `kept`, to be found again, is new only if none is equal."""
        if kept and (known := self.find(primitive, arguments)) is not None:
            return known
        self._steps.append((primitive, arguments))
        slot = _INSTRUCTION + len(self._steps) - 1
        if kept:
            self._slots[primitive, arguments] = slot
        return slot

    def taken(self, first: int) -> list[Instruction]:
        """The instructions from a place on, which are taken out."""
        taken, self._steps[first:] = self._steps[first:], []
        self._slots = {step: slot for step, slot in self._slots.items() if slot < _INSTRUCTION + first}
        return taken


class Builder:
    """Makes a program and simplifies it on the way: constants are folded, nothing is done twice, x·1 is x.

    Never x·0, x + 0, x - x, x/x: each of these has an x for which the shorter form is wrong.
    """

    def __init__(self, inputs: int, *, merging: bool = True) -> None:
        self.inputs, self.merging = inputs, merging
        self.constants: list[float] = []
        self.code = Code()
        self.constant_slots: dict[Any, int] = {}

    def constant(self, value: float) -> int:
        """The slot of a constant; 0.0 and -0.0 are different ones, and all NaNs are one."""
        key = value if value and value == value else str(value)  # noqa: PLR0124 - a NaN
        slot = self.constant_slots.get(key)
        if slot is None:
            slot = self.constant_slots[key] = _CONSTANT + len(self.constants)
            self.constants.append(value)
        return slot

    def is_constant(self, slot: int) -> bool:
        return _CONSTANT <= slot < _INSTRUCTION

    def instruction(self, primitive: Primitive, arguments: tuple[int, ...]) -> int:
        """The slot of this operation, entered unless it was done before."""
        if primitive in COMMUTATIVE and arguments[0] > arguments[1]:
            arguments = arguments[::-1]
        known = self.code.find(primitive, arguments) if self.merging else None
        return self._simplified(primitive, arguments) if known is None else known

    def _simplified(self, primitive: Primitive, arguments: tuple[int, ...]) -> int:
        # An operation with many results is not folded: it has no value to be a constant.
        if all(_CONSTANT <= a < _INSTRUCTION for a in arguments) and not hasattr(primitive, "computed"):
            return self.constant(primitive.value(*map(self.value_of, arguments)))
        if primitive is primitives.positive:
            return arguments[0]
        if primitive is primitives.hold and arguments[0] >= _INSTRUCTION:  # what is held need not be plain before
            inner, its_arguments = self.code[arguments[0] - _INSTRUCTION]
            if inner is primitives.plain:
                return self.instruction(primitive, its_arguments)
        if primitive is primitives.mul:
            for one, other in (arguments, arguments[::-1]):
                if _CONSTANT <= one < _INSTRUCTION and self.constants[one - _CONSTANT] == 1.0:
                    return other
        return self.code.append(primitive, arguments, self.merging)

    def append(self, primitive: Primitive, arguments: tuple[int, ...]) -> int:
        """The slot of this operation as it is, even if it was done before."""
        return self.code.append(primitive, arguments)

    def place_of(self, slot: int) -> int | None:
        """The place in the code of the instruction at a slot; None for inputs and constants."""
        return slot - _INSTRUCTION if slot >= _INSTRUCTION else None

    def value_of(self, slot: int) -> float | None:
        """The value of a slot that is a constant."""
        return self.constants[slot - _CONSTANT] if self.is_constant(slot) else None

    def finished(self, outputs: Sequence[int], guards: Sequence[Guard] = (), doubtful: Sequence[int] = ()) -> Program:
        """The program, without instructions and constants that nothing uses, and slots in their final order."""
        doubtful = [s for s in dict.fromkeys(doubtful) if (known := self.value_of(s)) is None or isnan(known)]
        roots = [*outputs, *doubtful, *(s for g in guards for s in (g.left, g.right))]
        code, kept, slots = pruned(self.code, self.inputs, len(self.constants), roots)
        first, last = self.inputs + len(kept), len(outputs) + len(doubtful)
        sides = zip(guards, slots[last::2], slots[last + 1 :: 2], strict=True)
        program = Program(
            self.inputs,
            tuple(self.constants[k] for k in kept),
            code,
            slots[: len(outputs)],
            tuple(_moved(guard, left, right, first) for guard, left, right in sides),
            slots[len(outputs) : last],
        )
        vars(program)["problem"] = None  # it was made right: a look at each instruction is a tenth of a trace
        return program

    def live(self, roots: Sequence[int]) -> list[int]:
        """The slots of the instructions that these slots need, in their order: what `finished` keeps for them."""
        needed = set(roots)
        for position in range(len(self.code) - 1, -1, -1):
            if _INSTRUCTION + position in needed:
                needed.update(self.code[position][1])
        return sorted(slot for slot in needed if slot >= _INSTRUCTION)

    def rewritten(self, program: Program, slots: Any) -> Program:
        """The finished program whose slots are those of `program`, each in its new place."""
        guards = [replace(g, left=slots[g.left], right=slots[g.right]) for g in program.guards]
        return self.finished([slots[s] for s in program.outputs], guards, [slots[s] for s in program.doubtful])


@core.or_compiled
def pruned(
    code: Code, inputs: int, constants: int, roots: list[int]
) -> tuple[tuple[Instruction, ...], list[int], tuple[int, ...]]:
    """What the roots need of a builder's code and constants, in final slots: instructions, which constants, the roots."""
    needed = set(roots)
    used = needed.union(*(arguments for _, arguments in code))
    kept: Any = code
    if sum(slot >= _INSTRUCTION for slot in used) == len(code):  # every instruction has a user: none is idle
        needed = used
    else:
        for position in range(len(code) - 1, -1, -1):
            if _INSTRUCTION + position in needed:
                needed.update(code[position][1])
        kept = [step for k, step in enumerate(code, start=_INSTRUCTION) if k in needed]
    left = [k for k in range(constants) if _CONSTANT + k in needed]
    slots = dict(enumerate(range(inputs))) | {_CONSTANT + k: inputs + n for n, k in enumerate(left)}
    place = slots.__getitem__
    places = range(_INSTRUCTION, _INSTRUCTION + len(code))
    slots.update(zip(places if kept is code else filter(needed.__contains__, places), count(inputs + len(left))))
    return tuple([(rule, tuple(map(place, arguments))) for rule, arguments in kept]), left, tuple(map(place, roots))


def rewritten(program: Program, enter: Callable[[Builder, Primitive, tuple[int, ...]], int]) -> Program:
    """The program in which every instruction is whatever `enter` makes of it; guards keep their numbers."""
    builder = Builder(program.inputs)
    slots = program.evaluated(lambda p, own: enter(builder, p, tuple(own)), builder.constant, range(program.inputs))
    return builder.rewritten(program, slots)


def merged(program: Program) -> Program:
    """The program with equal operations done once."""
    return rewritten(program, Builder.instruction)


def sunk(program: Program) -> list[int]:
    """An order of the instructions in which what is used once is computed just before its use.

    A sweep adds up many adjoints side by side; sunk, the partial sums of each never leave a register.
    """
    first = program.first_instruction
    uses = [0] * program.slots
    for _, arguments in program.code:
        for a in arguments:
            uses[a] += 1
    for slot in program.roots:
        uses[slot] = 2
    done = bytearray(program.slots)
    done[:first] = b"\1" * first
    order = []
    for root in range(first, program.slots):
        if uses[root] == 1:
            continue
        stack = [root]
        while stack:
            slot = stack[-1]
            waiting = [a for a in program.code[slot - first][1] if not done[a]]
            if waiting:
                stack += waiting[::-1]
                continue
            stack.pop()
            if not done[slot]:
                done[slot] = 1
                order.append(slot - first)
    return order


def _moved(guard: Guard, left: int, right: int, first: int) -> Guard:
    """A guard on other slots, where instructions begin at slot `first`."""
    return replace(guard, left=left, right=right, position=max(left, right, first - 1) - first + 1)


def split(program: Program, varying: Sequence[bool]) -> tuple[Program, Program]:
    """The part that is the same for all lanes, on the inputs that are, and the part of each lane.

    The second has the varying inputs in their order, then the results of the first, those of a table side by side.
    """
    first, code = program.first_instruction, list(enumerate(program.code, start=program.first_instruction))
    differs = _differing(program, varying)
    kept = {arguments[0] for slot, (f, arguments) in code if hasattr(f, "keeps") and differs[slot]}
    if not all(differs[slot] for slot in kept):  # a loop whose turns a reverse sweep of lanes needs runs in lanes too
        differs = _differing(program, varying, kept)
    used = {a for slot, (_, arguments) in code if differs[slot] for a in arguments}
    used.update(program.roots)
    tables = {slot for slot, (operation, _) in code if slot in used and not differs[slot] and is_table(operation)}
    passed_on = [s for s in sorted(used - tables) if not differs[s] and (s < program.inputs or s >= first)]
    entries = {slot: program.code[slot - first][1] for slot in sorted(tables)}  # lanes look up in these
    entries = {s: own for s, own in entries.items() if not all(program.inputs <= a < first for a in own)}
    shared_inputs = [s for s in range(program.inputs) if not varying[s]]
    lane_inputs = [s for s in range(program.inputs) if varying[s]]
    passed = [*passed_on, *(a for own in entries.values() for a in own)]
    shared, lanes = Builder(len(shared_inputs)), Builder(len(lane_inputs) + len(passed))
    shared_slots = {s: k for k, s in enumerate(shared_inputs)}
    lane_slots = {s: k for k, s in enumerate([*lane_inputs, *passed_on])}
    at = len(lane_slots)
    for slot, value in enumerate(program.constants, start=program.inputs):
        shared_slots[slot], lane_slots[slot] = shared.constant(value), lanes.constant(value)
    for slot, (operation, arguments) in code:
        builder, slots = (lanes, lane_slots) if differs[slot] else (shared, shared_slots)
        slots[slot] = builder.instruction(operation, tuple([slots[a] for a in arguments]))
        if slot in tables:
            own = range(at, at := at + len(arguments)) if slot in entries else [lane_slots[a] for a in arguments]
            lane_slots[slot] = lanes.instruction(operation, tuple(own))
    return shared.finished([shared_slots[s] for s in passed]), lanes.rewritten(program, lane_slots)


def is_table(operation: Any) -> bool:
    """Whether an operation is the numbers of a table, which has no number as its value."""
    return getattr(operation, "lookup", "") == "table"


def _differing(program: Program, varying: Sequence[bool], also: Container[int] = ()) -> list[bool]:
    """For each slot whether it may differ from lane to lane; some do in any case."""
    flags = [*varying, *[False] * len(program.constants)]
    for _, arguments in program.code:
        flags.append(len(flags) in also or any(flags[a] for a in arguments))
    return flags
