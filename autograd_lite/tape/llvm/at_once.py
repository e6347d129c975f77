"""Lanes at once: NumPy runs a program until the time that it takes would have paid for machine code, with the same bits.

Compiling a program for lanes takes some milliseconds, which a few runs over some thousand lanes never win back: a solver asks
for each derivative a dozen times. Sums, products, quotients and roots are rounded alike by NumPy and by machine code, and
functions are the compiled ones, so that nobody sees the change but by the clock.
"""

import ctypes
import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_lite import primitives as p
from autograd_lite.primitives import Primitive
from autograd_lite.tape.backends import numpy, registry
from autograd_lite.tape.backends.registry import BACKENDS, Backend
from autograd_lite.tape.lowering import lowered
from autograd_lite.tape.program import Program

if "llvm" in BACKENDS:
    from autograd_lite.tape.llvm import emit, engine, runtime, vector_math

#: Operations with one right result, and those of conditions.
EXACT = frozenset([p.add, p.sub, p.mul, p.div, p.neg, p.abs, p.sqrt, p.less, p.where])

#: Microseconds that an operation of NumPy takes, and a thousand lanes of it; those of compiling a program, and an operation.
OPERATION, LANES, PROGRAM, COMPILED = 0.6, 0.6, 5_000.0, 150.0

#: "0" compiles every program before its first result.
VARIABLE = "AUTOGRAD_LITE_INTERPRET"


def backend(name: str) -> str:
    """The backend for lanes that run seldom: itself, or machine code that comes when it pays."""
    return LATER if name == "llvm" and LATER in BACKENDS and os.environ.get(VARIABLE) != "0" else name


LATER = "llvm, later"


def function(name: str) -> Callable[..., Any]:
    """A compiled function of lanes, for arrays."""
    width = emit.wide(engine.host().width)
    arity = 2 if vector_math.FUNCTIONS[name] is vector_math.power else 1

    @functools.cache
    def each() -> Any:
        module = runtime.loaded(name, width, emit.LIBRARIES[name])
        return module.function(f"{name}_each_v{width}", None, *[ctypes.c_void_p] * (arity + 1), ctypes.c_int64)

    def of_arrays(*arguments: Any) -> Any:
        count = max(map(np.size, arguments))
        memory = np.empty((arity + 1, -(-count // width) * width))
        for row, argument in zip(memory, arguments, strict=False):
            row[:count] = argument
            row[count:] = row[0]
        start, step = memory.ctypes.data, memory.strides[0]
        each()(*range(start, start + (arity + 1) * step, step), memory.shape[1])
        return memory[-1, :count]

    return of_arrays


@functools.cache
def functions() -> dict[Primitive, Callable[..., Any]]:
    """What NumPy runs with the bits of machine code."""
    compiled = {rule: name for rule, name in emit.LIBRARY.items() if name in vector_math.FUNCTIONS} | {p.pow: "pow"}
    return {rule: numpy.FUNCTIONS[rule] for rule in EXACT} | {rule: function(name) for rule, name in compiled.items()}


class LanesLater:
    """A program for many lanes; see `registry.Lanes`. It is compiled when its runs have taken as long as that takes."""

    def __init__(self, program: Program, varying: int, *, summed: bool, contract: bool) -> None:
        self._compiled = functools.partial(
            registry.lanes, program, varying, "llvm", summed=summed, contract=contract
        )
        self._machine: Any = None
        own = lowered(program, emit.NATIVE)
        self._size = len(own.code)
        self._owed = PROGRAM + COMPILED * self._size
        if summed or contract or not functions().keys() >= {operation for operation, _ in own.code}:
            self._owed = 0.0
        else:
            self._arrays = numpy.ArrayLanes(own, functions=functions())

    @property
    def machine(self) -> Any:
        """The machine code."""
        if self._machine is None:
            self._machine = self._compiled()
        return self._machine

    def each(self, columns: Any, shared: Any, sizes: Sequence[int]) -> tuple[Any, Any]:
        if self._owed <= 0.0:
            return self.machine.each(columns, shared, sizes)  # type: ignore[no-any-return]
        self._owed -= self._size * (OPERATION + LANES * 1e-3 * columns.count)
        return self._arrays.each(columns, shared, sizes)

    def sums(self, columns: Any, shared: Any, use: Callable[[Any, int], Any]) -> Any:
        return self.machine.sums(columns, shared, use)


if "llvm" in BACKENDS:
    BACKENDS[LATER] = Backend(BACKENDS["llvm"].single, LanesLater, compiles=True)
