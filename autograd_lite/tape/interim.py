"""Long programs for one lane: the compiled core interprets them until their machine code is there, with the same bits.

Compiling takes some ten thousand times as long as a run. So the first result of a long program comes from the interpreter;
if the program runs again, it is compiled in the background, and the call after that takes the machine code.
"""

import functools
import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_lite import core
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
    if not known >= operations:
        if any(operation.expression is None for operation in operations - known):
            return None
        program = lowered(program, known)
    return _in_core(program)


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
