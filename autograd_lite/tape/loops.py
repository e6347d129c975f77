"""A loop recorded as one operation: the tapes of its step, run natively over all steps.

In a tape it is one instruction whose value is the list of the last carry and all outputs, and an instruction `Item(k)` for
each of these that is used. Compiled code calls back for it: the loop itself is machine code again, and where a step
branches otherwise than recorded, that step is served by another tape and the loop goes on.
"""

import ctypes
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from autograd_lite import observers
from autograd_lite.errors import BranchError, TraceError
from autograd_lite.nests import Shape, unravel
from autograd_lite.tape.executors import machine, python
from autograd_lite.tape.paths import Path, Paths
from autograd_lite.tape.programs import single
from autograd_lite.variable import Variable  # noqa: TC001 - imported as everywhere

MAX_PATHS = 64


class Item:
    """Takes result `index` out of a loop's results."""

    arity, selects, expression, partials = 1, False, None, ()

    def __init__(self, index: int) -> None:
        self.index, self.name = index, f"item_{index}"

    def value(self, results: Sequence[Any]) -> Any:
        """The result."""
        return results[self.index]

    __call__ = value


@lru_cache(maxsize=1 << 16)
def item(index: int) -> Item:
    """The operation that takes out result `index`: always the same one, so that it is done once."""
    return Item(index)


@dataclass
class Progress:
    """How far a loop has come: the next step, the carry before it, what all steps use, and the outputs so far."""

    step: int
    carry: Any
    captured: Any
    rows: Any
    outputs: Any

    def advance(self, values: Sequence[float], carry: int) -> None:
        """Take the results of a step."""
        self.carry, self.outputs[self.step] = values[:carry], values[carry:]
        self.step += 1


class Loop:
    """The steps of a scan, as an operation on its first carry, what the step captured, and the rows of xs that are traced.

    Parameters
    ----------
    step : callable
        `(carry, x) -> (carry, y)` on nests.
    shape : Shape
        Of the arguments of a step.
    carry, x : int
        How many numbers the carry and one row of xs hold.
    rows : array or None
        xs of shape (length, x) where its numbers are known; None if they are arguments.
    length : int
    """

    selects, expression, partials = False, None, ()
    name = "scan"

    def __init__(
        self, step: Callable[..., Any], shape: Shape, *, carry: int, x: int, rows: Any, length: int, backend: str
    ) -> None:
        self.carry, self.x, self.rows, self.length, self.backend = carry, x, rows, length, backend
        self.paths = Paths(step, shape, MAX_PATHS, loops=True)
        self.captured: tuple[Variable, ...] = ()
        self.results = 0
        self._tracing = threading.RLock()

    @property
    def arity(self) -> int:
        """First carry, captured Variables, and xs unless known."""
        return self.carry + len(self.captured) + (0 if self.rows is not None else self.length * self.x)

    def begin(self, numbers: Sequence[float]) -> Path:
        """Trace the step with the first carry and row; fixes what it captures and returns."""
        path = self.paths.first(numbers)
        self.captured = path.tape.captured
        self.results = self.carry + self.length * (len(path.tape.outputs) - self.carry)
        return path

    def value(self, *arguments: float) -> Any:
        """The last carry and the outputs of all steps, one after the other."""
        return self.value_of(np.array(arguments, dtype=np.float64)).tolist()

    def value_of(self, arguments: Any) -> Any:
        """The same for an array of arguments, as an array."""
        start = self.carry + len(self.captured)
        rows = self.rows if self.rows is not None else arguments[start:].reshape(self.length, self.x)
        return self.run(arguments[: self.carry], arguments[self.carry : start], rows)

    def run(self, carry: Any, captured: Any, rows: Any) -> Any:
        """All steps."""
        results = np.empty(self.results)
        going = Progress(0, carry, captured, np.ascontiguousarray(rows), results[self.carry :].reshape(self.length, -1))
        path = max(self.paths.known, key=lambda known: known.lanes)
        tried: list[Path] = []
        while True:
            before = going.step
            status = self._native(path, going) if self.backend == "llvm" else self._by_python(path, going)
            path.lanes += going.step - before
            if going.step == self.length:
                break
            tried = [path] if going.step > before else [*tried, path]
            numbers = [*going.carry, *going.rows[going.step]]
            if status < 0:
                failed, values = self._program(path, careful=True).run([*numbers, *self._own(path, captured)])
                if failed > 0:
                    values = self._eager(numbers, captured)
                going.advance(values, self.carry)
                tried = []
                continue
            others = self.paths.others(path, status - 1, tried)
            path = others[0] if others else self._trace(numbers, captured)
        results[: self.carry] = going.carry
        return results

    def _own(self, path: Path, captured: Any) -> Any:
        """The numbers that this path captured, among those of all."""
        if path.tape.captured == self.captured:
            return captured
        return [captured[self.captured.index(v)] if v in self.captured else v._value for v in path.tape.captured]

    @contextmanager
    def _lent(self, captured: Any) -> Iterator[None]:
        """What the step captured has the numbers of the first trace; for a while it gets today's."""
        with self._tracing:
            before = [v._value for v in self.captured]
            try:
                for v, number in zip(self.captured, captured, strict=True):
                    v._value = float(number)
                yield
            finally:
                for v, number in zip(self.captured, before, strict=True):
                    v._value = number

    def _eager(self, numbers: Sequence[float], captured: Any) -> list[float]:
        """One step by the function itself."""
        with self._lent(captured):
            results = unravel(self.paths.eager([float(n) for n in numbers]))[0]
        return [getattr(y, "_value", y) for y in results]

    def _trace(self, numbers: Sequence[float], captured: Any) -> Path:
        """A new path of the step."""
        with self._lent(captured):
            path = self.paths.new([float(n) for n in numbers])
        if path is None:
            raise TraceError(
                f"a step of scan takes more than {MAX_PATHS} paths. Write its branches with where(condition, a, b)."
            )
        if any(v not in self.captured and v._first is not None for v in path.tape.captured):
            raise TraceError(
                "a branch of a step of scan uses a computed number from outside that the first branch did not use. Put it "
                "into the carry or into xs."
            )
        return path

    def _program(self, path: Path, *, careful: bool = False) -> Any:
        return path.program(self.backend, lambda tape: single(tape, self.backend), careful=careful)

    def _native(self, path: Path, going: "Progress") -> int:
        """Go on by one path as far as it leads; returns the status of the step that it does not serve."""
        code = self._program(path).code
        given = np.array([*going.carry, *np.zeros(self.x), *self._own(path, going.captured)], dtype=np.float64)
        results, scratch, status = np.empty(code.outputs), np.empty(code.scratch), ctypes.c_int64()
        going.step = machine.scan()(
            code.address,
            *(a.ctypes.data for a in (given, results, scratch, going.rows, going.outputs)),
            *(self.carry, self.x, going.outputs.shape[1], going.step, self.length),
            ctypes.addressof(status),
        )
        machine.raise_failures(code.callbacks)
        going.carry = given[: self.carry]
        return status.value

    def _by_python(self, path: Path, going: "Progress") -> int:
        """The same without machine code."""
        program, own = self._program(path), list(self._own(path, going.captured))
        while going.step < self.length:
            status, values = program.run([*going.carry, *going.rows[going.step].tolist(), *own])
            if status:
                return int(status)
            going.advance(values, self.carry)
        return 0

    def __call__(self, *arguments: Any) -> list[Any]:
        """The same on Variables, step by step: what differentiates a tape with a loop in it."""
        start = self.carry + len(self.captured)
        numbers, captured = list(arguments[: self.carry]), list(arguments[self.carry : start])
        outputs: list[Any] = []
        for t in range(self.length):
            known = self.rows[t].tolist() if self.rows is not None else arguments[start + t * self.x :][: self.x]
            values = self._step([*numbers, *known], captured)
            numbers = values[: self.carry]
            outputs += values[self.carry :]
        return [*numbers, *outputs]

    def _step(self, numbers: list[Any], captured: list[Any]) -> list[Any]:
        for path in self.paths.known:
            try:
                return python.replay(path.tape, [*numbers, *self._own(path, captured)])
            except BranchError:
                continue
        plain = [getattr(n, "_value", n) for n in (*numbers, *captured)]
        with observers.record_into(None):
            path = self._trace(plain[: len(numbers)], plain[len(numbers) :])
        return python.replay(path.tape, [*numbers, *self._own(path, captured)])
