"""Long programs for one lane: the compiled core interprets them until their machine code is there, with the same bits.

Compiling takes some ten thousand times as long as a run. So the first result of a long program comes from the interpreter;
if the program runs again, it is compiled in the background, and the call after that takes the machine code.
"""

import ctypes
import functools
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from autograd_lite import core
from autograd_lite.copies import uncollected
from autograd_lite.many import Item, Operation
from autograd_lite.primitives import Primitive
from autograd_lite.tape import background
from autograd_lite.tape.backends import registry
from autograd_lite.tape.backends.registry import BACKENDS, Single
from autograd_lite.tape.cache import asked, asking
from autograd_lite.tape.lowering import TABLE, lowered
from autograd_lite.tape.program import Program

#: Instructions from which on a program is interpreted first: shorter ones are compiled in some milliseconds.
LONG = 500

#: "0" compiles every program before its first result.
VARIABLE = "AUTOGRAD_LITE_INTERPRET"

#: The status of a short call whose program has machine code by now.
SETTLED = -3

_RELATIONS = {name: k for k, name in enumerate(("lt", "le", "eq", "ne", "gt", "ge"))}  # as Python's C code numbers them


def single_at_once(program: Program, backend: str, *, contract: bool = False, rolled: bool = False) -> Single:
    """A program for one lane: ready by its code, or interpreted if it is long, is not to run as loops, and can be."""
    makes = BACKENDS[backend]
    rolled = rolled and makes.rolls is not None and makes.rolls(program)
    compiled = functools.partial(registry.single, program, backend, contract=contract, rolled=rolled)
    if rolled or len(program.code) < LONG or contract or not makes.compiles:
        return compiled()
    if os.environ.get(VARIABLE) == "0" or registry.is_known(program, backend):
        return compiled()
    interpret = interpreter(program)
    return compiled() if interpret is None else Interim(program, interpret, compiled)


def interpreter(program: Program) -> Callable[[int, int], int] | None:
    """A function of the addresses of inputs and outputs that runs the program; None where the core cannot."""
    if core.compiled is None:
        return None
    known, operations = _known_to_core(), {operation for operation, _ in program.code}
    called = frozenset(operation for operation in operations if _is_called_back(operation))
    if not known >= operations - called:
        if any(operation.expression is None for operation in operations - called - known):
            return None
        program = lowered(program, known | called)
    return _in_parts(program) if called else _in_core(program)


def _is_called_back(operation: Any) -> bool:
    """Whether machine code leaves an operation to Python: one with many results, or such a result."""
    return isinstance(operation, (Operation, Item)) and not hasattr(operation, "lookup")


@functools.cache
def _known_to_core() -> frozenset[Primitive]:
    """The operations of the table whose values the core has."""
    single_operations = {rule: Program(rule.arity, (), ((rule, tuple(range(rule.arity))),), ()) for rule in TABLE}
    return frozenset(rule for rule, program in single_operations.items() if _in_core(program) is not None)


def _in_core(program: Program) -> Callable[[int, int], int] | None:
    """The program as the core runs it; None if there is an operation that it lacks."""
    guards = tuple([(_RELATIONS[g.relation], g.left, g.right, g.outcome) for g in program.guards])
    parts = program.inputs, program.constants, program.code, program.outputs, guards, program.doubtful
    return core.compiled.interpreter(*parts)  # type: ignore[no-any-return]


class _Part(NamedTuple):
    """What the core runs between two operations that are Python's, and the one of these behind it.

    `reads` and `writes` are slots, `tested` the places of its guards among all of the program; the operation takes
    `arguments`, and its results at the places `used` go to the slots `items`.
    """

    run: Callable[[int, int], int] | None
    reads: Any
    writes: Any
    tested: list[int]
    operation: Any = None
    arguments: Any = ()
    used: Any = ()
    items: Any = ()


@uncollected()
def _in_parts(program: Program) -> Callable[[int, int], int] | None:
    """The program with operations that are Python's: the core runs what stands between them."""
    first, constants = program.first_instruction, np.array(program.constants)
    parts = list(_parts(program))
    if any(part.run is None and (len(part.writes) or part.tested) for part in parts):
        return None
    outputs, doubtful = _places(program.outputs), _places(program.doubtful)

    def run(given: int, out: int) -> int:
        values = np.empty(program.slots)
        values[: program.inputs] = _numbers_at(given, program.inputs)
        values[program.inputs : first] = constants
        for part in parts:
            if part.run is not None:
                own, found = values[part.reads], np.empty(len(part.writes))
                status = part.run(own.ctypes.data, found.ctypes.data)
                if status:
                    return part.tested[status - 1] + 1
                values[part.writes] = found
            if part.operation is not None:
                values[part.items] = part.operation.value_of(values[part.arguments])[part.used]
        _numbers_at(out, len(outputs))[:] = values[outputs]
        return -1 if np.isnan(values[doubtful]).any() else 0

    return run


def _numbers_at(address: int, count: int) -> Any:
    return np.ctypeslib.as_array((ctypes.c_double * count).from_address(address))


def _parts(program: Program) -> Iterator[_Part]:
    first, code = program.first_instruction, program.code
    called: list[int] = []  # the operations that are Python's, by slots
    items: dict[int, list[tuple[int, int]]] = {}  # their results, and where they go
    made, parts = [0] * first, [list[int]()]  # in which part a number is there; the instructions of each part
    for slot, (operation, arguments) in enumerate(code, start=first):
        if isinstance(operation, Operation):
            called.append(slot)
            items[slot] = []
            made.append(len(parts))
            parts.append([])
        elif isinstance(operation, Item):
            items[arguments[0]].append((operation.index, slot))
            made.append(made[arguments[0]])
        else:
            made.append(len(parts) - 1)
            parts[-1].append(slot)
    later = set(program.roots)  # what is used behind the part that makes it
    for slot, (operation, arguments) in enumerate(code, start=first):
        later.update(arguments if isinstance(operation, Operation) else [a for a in arguments if made[a] < made[slot]])
    tests: list[list[int]] = [[] for _ in parts]
    for place, guard in enumerate(program.guards):
        tests[max(made[guard.left], made[guard.right])].append(place)
    for own, tested, behind in zip(parts, tests, [*called, None], strict=True):
        run, reads, writes = _between(program, own, tested, later)
        if behind is None:
            yield _Part(run, reads, writes, tested)
        else:
            operation, arguments = code[behind - first]
            used, to = (_places(pair[k] for pair in items[behind]) for k in (0, 1))
            yield _Part(run, reads, writes, tested, operation, _places(arguments), used, to)


def _between(program: Program, own: list[int], tested: list[int], later: set[int]) -> tuple[Any, Any, Any]:
    """How the core runs some instructions and guards of a program, and the slots that they read and write."""
    code = [program.code[slot - program.first_instruction] for slot in own]
    guards = [program.guards[place] for place in tested]
    writes, mine = [slot for slot in own if slot in later], set(own)
    used = [a for _, arguments in code for a in arguments] + [s for g in guards for s in (g.left, g.right)]
    reads = [slot for slot in dict.fromkeys(used) if slot not in mine]
    new = {slot: k for k, slot in enumerate([*reads, *own])}
    moved = tuple([replace(g, left=new[g.left], right=new[g.right]) for g in guards])
    lines = tuple([(operation, tuple([new[a] for a in arguments])) for operation, arguments in code])
    part = Program(len(reads), (), lines, tuple([new[slot] for slot in writes]), moved)
    return _in_core(part) if code or guards else None, _places(reads), _places(writes)


def _places(slots: Iterable[int]) -> Any:
    return np.fromiter(slots, dtype=np.intp)


class Interim:
    """A program for one lane while it is interpreted; see `registry.Single`. From its second run on it is being compiled."""

    is_interim = True

    def __init__(self, program: Program, interpret: Callable[[int, int], int], compiled: Callable[[], Single]) -> None:
        cache = asked()

        def work() -> Single:
            with asking(cache):
                return compiled()

        self.inputs, self.count, self._interpret = program.inputs, len(program.outputs), interpret
        self._job, self._met, self._stays = background.Job(work), False, False

    @property
    def settled(self) -> bool:
        """Whether it is to be exchanged for `final`."""
        return self._job.done and not self._stays

    def final(self) -> Single:
        """The machine code; if there is none after all, the interpreter stays."""
        failure = self._job.failure
        if failure is None:
            return self._job.result  # type: ignore[no-any-return]
        self._stays = True
        warnings.warn(
            f"a program is interpreted, some three times slower than machine code, since compiling it failed: {failure}",
            RuntimeWarning,
            stacklevel=2,
        )
        return self

    def run(self, inputs: Sequence[float]) -> tuple[int, Sequence[float]]:
        status, results = self.computed(np.array(inputs, dtype=np.float64))
        return status, results.tolist()

    def computed(self, given: Any) -> tuple[int, Any]:
        results = np.empty(self.count)
        self._met_again()
        return self._interpret(given.ctypes.data, results.ctypes.data), results

    def bound(self) -> tuple[Any, Any, Callable[[], int], Any]:
        """As of machine code; the function returns SETTLED once that is there."""
        given, out = np.empty(self.inputs), np.empty(self.count)
        addresses = given.ctypes.data, out.ctypes.data

        def go() -> int:
            if self.settled:
                return SETTLED
            self._met_again()
            return self._interpret(*addresses)

        return given, out, go, None

    def _met_again(self) -> None:
        """Have it compiled from the second run on."""
        if self._met:
            self._job.begin()
        self._met = True
