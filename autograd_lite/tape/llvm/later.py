"""Machine code for lanes that comes when it pays: until then NumPy runs the program, with the same bits.

Compiling a program takes some milliseconds, which a dozen runs over some thousand lanes never win back, and a solver asks for
a derivative a dozen times. Sums, products, quotients and roots have one right rounding, which NumPy and machine code share;
functions are the compiled ones in both. So only the clock tells when the code has come.
"""

import ctypes
import os
import time
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from autograd_lite import primitives as p
from autograd_lite.primitives import Primitive
from autograd_lite.tape import background
from autograd_lite.tape.backends import numpy, registry
from autograd_lite.tape.backends.registry import BACKENDS, Backend
from autograd_lite.tape.interim import VARIABLE
from autograd_lite.tape.llvm import backend as _backend  # the machine code itself among the backends
from autograd_lite.tape.llvm import engine, runtime, vector_math
from autograd_lite.tape.lowering import lowered
from autograd_lite.tape.program import Program

if engine.AVAILABLE:
    from autograd_lite.tape.llvm import emit

    #: The compiled functions of lanes.
    _NAMES = {rule: name for rule, name in emit.LIBRARY.items() if name in vector_math.FUNCTIONS} | {p.pow: "pow"}

#: Seconds in which a thread that compiles comes from one of LLVM's parts to the next.
_MOMENT = 0.002

#: The name of the backend.
LATER = "llvm, later"

#: Operations of which NumPy and machine code give the same bits.
EXACT = frozenset([p.add, p.sub, p.mul, p.div, p.neg, p.abs, p.sqrt, p.less, p.where])

#: Microseconds of an operation of NumPy, and of each of its lanes; and of compiling a program, and each of its operations.
CALL, LANE, PROGRAM, OPERATION = 0.6, 0.0006, 5_000.0, 150.0


def later(backend: str) -> str:
    """For lanes that may run a few times only: the backend, or machine code that comes when it pays."""
    return LATER if backend == "llvm" and os.environ.get(VARIABLE) != "0" else backend


@cache
def functions() -> dict[Primitive, Callable[..., Any]]:
    """What NumPy runs with the bits of machine code."""
    return {rule: numpy.FUNCTIONS[rule] for rule in EXACT} | {rule: _of_arrays(name) for rule, name in _NAMES.items()}


def begin(operations: Iterable[Primitive], backend: str) -> None:
    """Have the functions compiled in the background that these operations will call, for a backend that comes `later`.

    While one is under way, wait for a moment: the thread needs the interpreter for what lies between LLVM's long parts, and
    a recording does not let go of it.
    """
    if later(backend) == LATER:
        jobs = [_compiling(name) for name in sorted(_NAMES[own] for own in operations if own in _NAMES)]
        waiting = [job for job in jobs if not job.done]
        for job in waiting:
            job.begin()
        if waiting:
            time.sleep(_MOMENT)


@cache
def _compiling(name: str) -> background.Job:
    return background.Job(partial(_compiled, name))


def _compiled(name: str) -> engine.Module:
    return runtime.loaded(name, emit.wide(engine.host().width), emit.LIBRARIES[name])


def _of_arrays(name: str) -> Callable[..., Any]:
    """The compiled function of lanes, for arrays."""
    width, rows = emit.wide(engine.host().width), 3 if name == "pow" else 2
    kinds = *[ctypes.c_void_p] * rows, ctypes.c_int64

    def function(*arguments: Any) -> Any:
        count = max(map(np.size, arguments))
        memory = np.empty((rows, -(-count // width) * width))
        for row, argument in zip(memory, arguments, strict=False):
            row[:count] = argument
            row[count:] = row[0]
        start, step = memory.ctypes.data, memory.strides[0]
        each = _compiled(name).function(f"{name}_each_v{width}", None, *kinds)
        each(*range(start, start + rows * step, step), memory.shape[1])
        return memory[-1, :count]

    return function


class LanesLater:
    """A program for many lanes; see `registry.Lanes`. It is compiled when its runs have taken as long as that takes."""

    cached = False

    def __init__(self, program: Program, varying: int, *, summed: bool, contract: bool) -> None:
        self._compile = partial(registry.lanes, program, varying, "llvm", summed=summed, contract=contract)
        self._machine: Any = None
        own = lowered(program, emit.NATIVE)
        known = functions().keys() >= {operation for operation, _ in own.code}
        self._size = len(own.code)
        #: Microseconds that NumPy may yet take.
        self.left = PROGRAM + OPERATION * self._size if known and not (summed or contract) else 0.0
        self._arrays = numpy.ArrayLanes(own, functions=functions()) if self.left else None

    @property
    def machine(self) -> Any:
        if self._machine is None:
            self._machine = self._compile()
        return self._machine

    def each(self, columns: Any, shared: Any, sizes: Sequence[int]) -> tuple[Any, Any]:
        if self._arrays is None or self.left <= 0.0:
            return self.machine.each(columns, shared, sizes)  # type: ignore[no-any-return]
        self.left -= self._size * (CALL + LANE * columns.count)
        return self._arrays.each(columns, shared, sizes)

    def sums(self, columns: Any, shared: Any, use: Callable[[Any, int], Any]) -> Any:
        return self.machine.sums(columns, shared, use)


if engine.AVAILABLE:
    assert _backend
    BACKENDS[LATER] = Backend(BACKENDS["llvm"].single, LanesLater, compiles=True)
