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
from autograd_lite.backward import Cotangents, Place, gradients
from autograd_lite.errors import BranchError, TraceError
from autograd_lite.nests import Shape, unravel
from autograd_lite.tape.executors import machine, python
from autograd_lite.tape.paths import Path, Paths
from autograd_lite.tape.programs import single
from autograd_lite.variable import Variable, make_node

MAX_PATHS = 64


class Item:
    """Takes result `index` out of a loop's results."""

    arity, selects, expression = 1, False, None

    def __init__(self, index: int) -> None:
        self.index, self.name = index, f"item_{index}"
        self.partials = (lambda results, result: Place(index),)  # noqa: ARG005 - as every partial

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
    segment : int, optional
        Steps between carries that a reverse sweep keeps; all by default.
    """

    selects, expression, partials = False, None, ()
    name = "scan"

    def __init__(
        self,
        step: Callable[..., Any],
        shape: Shape,
        *,
        carry: int,
        x: int,
        rows: Any,
        length: int,
        backend: str,
        segment: int | None = None,
    ) -> None:
        self.step, self.shape, self.segment = step, shape, segment
        self.carry, self.x, self.rows, self.length, self.backend = carry, x, rows, length, backend
        self.paths = Paths(step, shape, MAX_PATHS, loops=2)
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
        return self.run(*self.apart(arguments))

    def apart(self, arguments: Any) -> tuple[Any, Any, Any]:
        """First carry, captured numbers, rows."""
        start = self.carry + len(self.captured)
        rows = self.rows if self.rows is not None else arguments[start:].reshape(self.length, self.x)
        return arguments[: self.carry], arguments[self.carry : start], rows

    def like(self, step: Callable[..., Any], shape: Shape, carry: int, x: int, length: int) -> "Loop":
        """Another loop over what this one captured, its rows given when it runs."""
        other = Loop(step, shape, carry=carry, x=x, rows=None, length=length, backend=self.backend)
        other.captured = self.captured
        return other

    def run(self, carry: Any, captured: Any, rows: Any) -> Any:
        """All steps."""
        going = Progress(0, carry, captured, np.ascontiguousarray(rows), np.empty((0, 0)))
        path = self.first(going)
        width = len(path.tape.outputs) - self.carry
        results = np.empty(self.carry + self.length * width)
        going.outputs = results[self.carry :].reshape(self.length, width)
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
            following = others[0] if others else self._trace(numbers, captured)
            if following is None:
                going.advance(self._eager(numbers, captured), self.carry)
                tried = []
            else:
                path = following
        results[: self.carry] = going.carry
        return results

    def first(self, going: "Progress") -> Path:
        """The path to begin with."""
        if not self.paths.known:
            with self._lent(going.captured):
                self.paths.first([float(n) for n in (*going.carry, *going.rows[0])])
        return max(self.paths.known, key=lambda known: known.lanes)

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

    def _trace(self, numbers: Sequence[float], captured: Any) -> Path | None:
        """A new path of the step; None if there are too many."""
        with self._lent(captured):
            path = self.paths.new([float(n) for n in numbers])
        if path is not None and any(v not in self.captured and v._first is not None for v in path.tape.captured):
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
        own = self._own(path, going.captured)
        # Inputs and outputs may change places if outputs never reach the captured numbers behind carry and row.
        swap = code.outputs <= self.carry + self.x
        buffers = np.empty((2, max(code.inputs, code.outputs)))
        buffers[0, : self.carry] = going.carry
        buffers[:, self.carry + self.x : code.inputs] = own
        scratch, status, before = np.empty(code.scratch), ctypes.c_int64(), going.step
        going.step = machine.scan()(
            code.address,
            *(a.ctypes.data for a in (buffers[0], buffers[1], scratch, going.rows, going.outputs)),
            *(self.carry, self.x, going.outputs.shape[1], going.step, self.length),
            ctypes.addressof(status),
            swap,
        )
        machine.raise_failures(code.callbacks)
        going.carry = buffers[(going.step - before) % 2 if swap else 0, : self.carry].copy()
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

    def pulled_back(self, arguments: tuple[Any, ...], cotangents: Cotangents) -> list[Any]:
        """Adjoints of the arguments, as results of the reverse loop."""
        given = [cotangents.get(k, 0.0) for k in range(self.results)]
        if not any(k in cotangents for k in range(self.carry, self.results)):
            given = given[: self.carry]  # no output was used
        backward = LoopGradient(self, outputs=len(given) > self.carry)
        return recorded(backward, (*arguments, *given))

    def _step(self, numbers: list[Any], captured: list[Any]) -> list[Any]:
        for known in self.paths.known:
            try:
                return python.replay(known.tape, [*numbers, *self._own(known, captured)])
            except BranchError:
                continue
        plain = [getattr(n, "_value", n) for n in (*numbers, *captured)]
        with observers.record_into(None):
            path = self._trace(plain[: len(numbers)], plain[len(numbers) :])
        if path is None:
            raise TraceError(
                f"a step of scan takes more than {MAX_PATHS} paths. Write its branches with where(condition, a, b)."
            )
        return python.replay(path.tape, [*numbers, *self._own(path, captured)])


def recorded(operation: Any, arguments: tuple[Any, ...]) -> list[Any]:
    """Enter an operation with many results into the graph; returns these, plain numbers if nothing is traced."""
    results = operation.value(*[getattr(a, "_value", a) for a in arguments])
    if not any(type(a) is Variable for a in arguments):
        return list(results)
    bundle = make_node(operation, 0.0, arguments, (None,) * len(arguments))
    return [make_node(item(k), value, (bundle,), (None,)) for k, value in enumerate(results)]  # type: ignore[arg-type]


class LoopGradient:
    """The reverse sweep over a loop, a loop itself.

    Its arguments are those of the loop, then the adjoints of the last carry and, if `outputs`, of all outputs. Carries are
    not passed on from the forward loop but computed again: all of them, or with a segment length those where a segment
    begins, and then those of one segment at a time.
    """

    selects, expression, partials = False, None, ()
    name = "scan_gradient"

    def __init__(self, loop: Loop, *, outputs: bool) -> None:
        self.loop, self.outputs = loop, outputs
        self.each = (loop.results - loop.carry) // max(loop.length, 1) if outputs else 0
        self.results = loop.arity
        self._segments: dict[int, tuple[Loop, Loop]] = {}

    @property
    def arity(self) -> int:
        """Arguments of the loop and adjoints of its results."""
        return self.loop.arity + self.loop.carry + self.each * self.loop.length

    def value(self, *arguments: float) -> Any:
        """The adjoints of the loop's arguments."""
        return self.value_of(np.array(arguments, dtype=np.float64)).tolist()

    def value_of(self, arguments: Any) -> Any:
        """The same for an array of arguments, as an array."""
        loop = self.loop
        first, captured, rows = loop.apart(arguments[: loop.arity])
        adjoint = arguments[loop.arity : loop.arity + loop.carry]
        given = arguments[loop.arity + loop.carry :].reshape(loop.length, self.each)
        segment = loop.segment or loop.length
        starts = list(range(0, loop.length, segment))
        carries = [first]
        for start in starts[:-1]:
            carries.append(
                self._steps(segment)[0].run(carries[-1], captured, rows[start : start + segment])[: loop.carry]
            )
        by_captured = np.zeros(len(captured))
        by_rows = np.empty((loop.length, loop.x))
        for start, carry in zip(starts[::-1], carries[::-1], strict=True):
            part = slice(start, min(start + segment, loop.length))
            forward, backward = self._steps(part.stop - start)
            history = forward.run(carry, captured, rows[part])[loop.carry :].reshape(-1, loop.carry)
            backward_rows = np.concatenate([history, rows[part], given[part]], axis=1)[::-1]
            results = backward.run(np.concatenate([adjoint, by_captured]), captured, backward_rows)
            size = loop.carry + len(captured)
            adjoint, by_captured = results[: loop.carry], results[loop.carry : size]
            by_rows[part] = results[size:].reshape(-1, loop.x)[::-1]
        return np.concatenate([adjoint, by_captured, *([] if loop.rows is not None else [by_rows.ravel()])])

    def _steps(self, length: int) -> tuple[Loop, Loop]:
        """The loop with its carries as outputs, and the reverse one, of some length."""
        if length not in self._segments:
            self._segments[length] = self._forward(length), self._backward(length)
        return self._segments[length]

    def _forward(self, length: int) -> Loop:
        loop = self.loop

        def remembering(carry: Any, row: Any) -> Any:
            return loop.step(carry, row)[0], carry

        return loop.like(remembering, loop.shape, loop.carry, loop.x, length)

    def _backward(self, length: int) -> Loop:
        loop = self.loop
        captured = list(loop.captured)

        def step(adjoints: Any, row: Any) -> Any:
            (adjoint, by_captured), (carry, x, given) = adjoints, row
            with observers.differentiated(once=True):
                following, y = loop.step(*loop.shape.pack([*carry, *x])[0])
                outputs = [*unravel(following)[0], *(unravel(y)[0] if given else ())]
            total = 0.0
            for output, cotangent in zip(outputs, [*adjoint, *given], strict=True):
                total = total + output * cotangent
            slopes = gradients(total, [*carry, *x, *captured], create_graph=True)
            ends = loop.carry, loop.carry + loop.x
            sums = [a + b for a, b in zip(by_captured, slopes[ends[1] :], strict=True)]
            return (slopes[: ends[0]], sums), slopes[ends[0] : ends[1]]

        carry, x, each, kept = loop.carry, loop.x, self.each, len(captured)
        _, shape = unravel(((([0.0] * carry, [0.0] * kept), ([0.0] * carry, [0.0] * x, [0.0] * each)), {}))
        return loop.like(step, shape, carry + kept, carry + x + each, length)

    def pulled_back(self, arguments: tuple[Any, ...], cotangents: Cotangents) -> list[Any]:  # noqa: ARG002 - as a loop's
        """Not available: what differentiates twice records the steps of a scan one by one."""
        raise TraceError(
            "the gradient of a compiled scan is differentiated again. Put the scan inside both derivatives, as in "
            "jit(grad(grad(f))), so that its steps are recorded one by one."
        )
