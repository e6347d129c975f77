"""The steps of a loop: the tapes of a step with all its paths, run natively over rows.

What a step uses from outside, its captured Variables, are arguments of the loop. While the scan is being recorded, each new
path may add to them. A path that would do so later raises `Uncaptured`: nobody passes that number. Whoever traced the
function around the scan then traces it once more (`wider`).
"""

import ctypes
import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd_lite import observers
from autograd_lite.errors import TraceError
from autograd_lite.nests import Shape, unravel
from autograd_lite.tape.executors import machine, python
from autograd_lite.tape.paths import Path, Paths
from autograd_lite.tape.programs import single
from autograd_lite.tape.tape import Tape
from autograd_lite.transforms import name_of
from autograd_lite.variable import Variable

MAX_PATHS = 64


# ------------------------------------------------------------------------------------------- what steps use from outside


class Uncaptured(TraceError):  # noqa: N818 - reads as the fact it states
    """A branch of a step uses a Variable from outside that no branch did while the scan was recorded."""

    def __init__(self, steps: "Steps", variable: Variable) -> None:
        self.steps = steps
        super().__init__(
            f"with these arguments, a step of a compiled scan takes a branch that uses {variable!r}, which no step did when "
            "the scan was recorded. Trace the function with such arguments, or use jit, which does so by itself."
        )


#: Whether a scan that is being recorded takes for captured whatever its step can reach.
capturing_all: ContextVar[bool] = ContextVar("autograd_lite_capturing_all", default=False)


class CapturingAll:
    """A function, traced with `capturing_all`."""

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f = f
        functools.update_wrapper(self, f, updated=())
        self.__name__ = name_of(f)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """The same as the function."""
        token = capturing_all.set(True)
        try:
            return self.f(*arguments, **keywords)
        finally:
            capturing_all.reset(token)


def wider(paths: Paths) -> Paths:
    """Fresh paths of a function in which a scan was `Uncaptured`: it now captures all in reach, or else is no loop at all."""
    if isinstance(paths.f, CapturingAll):
        return one_by_one(paths)
    return Paths(CapturingAll(paths.f), paths.shape, paths.limit, loops=paths.loops)


def one_by_one(paths: Paths) -> Paths:
    """Fresh paths of a function in which steps of loops, and lanes, are recorded one by one."""
    return Paths(paths.f.f if isinstance(paths.f, CapturingAll) else paths.f, paths.shape, paths.limit)


# --------------------------------------------------------------------------------------------------------- running steps


@dataclass
class Progress:
    """How far a loop has come: the next step, the carry before it, what all steps use, and the outputs so far."""

    step: int
    carry: Any
    captured: Any
    rows: Any
    outputs: Any = None

    def numbers(self) -> list[float]:
        """The arguments of the next step."""
        return [*map(float, self.carry), *self.rows[self.step].tolist()]

    def advance(self, values: Sequence[float], carry: int) -> None:
        """Take the results of a step."""
        self.carry, self.outputs[self.step] = values[:carry], values[carry:]
        self.step += 1


class Steps:
    """A step with all its paths, run over rows.

    Parameters
    ----------
    step : callable
        `(carry, row) -> (carry, outputs)` on nests.
    shape : Shape
        Of the arguments of a step.
    carry : int
        How many numbers the carry holds.
    captured : sequence of Variable
        What the step is known to use from outside.
    """

    def __init__(self, step: Callable[..., Any], shape: Shape, carry: int, captured: Sequence[Variable] = ()) -> None:
        self.paths = Paths(step, shape, MAX_PATHS, loops=2)
        self.carry, self.x = carry, sum(shape.sizes) - carry
        self.captured = {v: place for place, v in enumerate(captured)}
        self._places: dict[Tape, Any] = {}
        self._tracing = threading.RLock()

    def run(self, carry: Any, captured: Any, rows: Any, *, native: bool) -> Any:
        """The last carry and the outputs of all steps, one after the other, as an array.

        `captured` are the numbers of the captured Variables. None: those of the trace under way, in which a path may capture
        more.
        """
        while True:
            paths = self.paths
            try:
                return self._run(carry, captured, np.ascontiguousarray(rows), native=native)
            except Uncaptured as late:
                if late.steps is self or not paths.loops:
                    raise
                if self.paths is paths:  # no other thread was faster
                    self.paths = wider(paths)  # for a scan inside the step

    def _run(self, carry: Any, captured: Any, rows: Any, *, native: bool) -> Any:
        fixed = captured is not None
        going = Progress(0, carry, captured if fixed else np.array([v._value for v in self.captured]), rows)
        path: Path | None = max(self.paths.known, key=lambda known: known.lanes, default=None)
        path = path or self._trace(going, fixed=fixed)
        assert path is not None
        width = len(path.tape.outputs) - self.carry
        results = np.empty(self.carry + len(rows) * width)
        going.outputs = results[self.carry :].reshape(len(rows), width)
        tried: list[Path] = []
        while True:
            assert len(path.tape.outputs) == self.carry + width
            before = going.step
            status = (self._native if native else self._by_python)(path, going)
            path.lanes += going.step - before
            if going.step == len(rows):
                results[: self.carry] = going.carry
                return results
            tried = [path] if going.step > before else [*tried, path]
            if status < 0:
                going.advance(self._carefully(path, going, native=native), self.carry)
                tried = []
                continue
            following = self._following(path, status, tried, going, fixed=fixed)
            if following is None:
                going.advance(self._eagerly(going), self.carry)
                tried = []
            else:
                path = following

    def _following(self, path: Path, failed: int, tried: list[Path], going: Progress, *, fixed: bool) -> Path | None:
        """The path to try where guard `failed` came out otherwise; as `Paths.following`."""
        others = self.paths.others(path, failed - 1, tried)
        if not others:
            with self._tracing:  # another thread may have added that very path since
                others = self.paths.others(path, failed - 1, tried)
                if not others:
                    return self._trace(going, fixed=fixed)
        return others[0]

    def _trace(self, going: Progress, *, fixed: bool) -> Path | None:
        """The path of the next step; None if there are too many."""
        numbers = going.numbers()
        with self.lent(going.captured):
            path = self.paths.new(numbers) if self.paths.known else self.paths.first(numbers)
        late = [v for v in path.tape.captured if v not in self.captured] if path is not None else []
        if late and fixed:
            self.paths.known = [known for known in self.paths.known if known is not path]
            raise Uncaptured(self, late[0])
        for v in late:
            self.captured[v] = len(self.captured)
        going.captured = np.append(going.captured, [v._value for v in late])
        return path

    @contextmanager
    def lent(self, captured: Any) -> Iterator[None]:
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

    def _eagerly(self, going: Progress) -> list[float]:
        """The next step by the function itself."""
        numbers = going.numbers()
        with self.lent(going.captured), observers.record_into(None):
            results = unravel(self.paths.eager(numbers))[0]
        return [getattr(y, "_value", y) for y in results]

    def _carefully(self, path: Path, going: Progress, *, native: bool) -> Sequence[float]:
        """The next step by the careful program of a path, which tests more and has no paths of its own."""
        tape = path.tape.careful() if path.tape.careful else path.tape
        program = self._program(path, native=native, careful=True)
        status, values = program.run([*going.numbers(), *going.captured[self._own(tape)].tolist()])
        return self._eagerly(going) if status > 0 else values

    def _own(self, tape: Tape) -> Any:
        """Which of the captured Variables a tape uses."""
        places = self._places.get(tape)
        if places is None:
            places = self._places[tape] = np.array([self.captured[v] for v in tape.captured], dtype=np.int64)
        return places

    def _program(self, path: Path, *, native: bool, careful: bool = False) -> Any:
        backend = "llvm" if native else "python"
        return path.program(backend, lambda tape: single(tape, backend), careful=careful)

    def _native(self, path: Path, going: Progress) -> int:
        """Go on by one path as far as it leads; returns the status of the step that it does not serve."""
        code = self._program(path, native=True).code
        # Inputs and outputs may change places if outputs never reach the captured numbers behind carry and row.
        swap = code.outputs <= self.carry + self.x
        buffers = np.empty((2, max(code.inputs, code.outputs)))
        buffers[0, : self.carry] = going.carry
        buffers[:, self.carry + self.x : code.inputs] = going.captured[self._own(path.tape)]
        scratch, status, before = np.empty(code.scratch), ctypes.c_int64(), going.step
        going.step = machine.scan()(
            code.address,
            *(a.ctypes.data for a in (buffers[0], buffers[1], scratch, going.rows, going.outputs)),
            *(self.carry, self.x, going.outputs.shape[1], going.step, len(going.rows)),
            ctypes.addressof(status),
            swap,
        )
        machine.raise_failures(code.callbacks)
        going.carry = buffers[(going.step - before) % 2 if swap else 0, : self.carry].copy()
        return status.value

    def _by_python(self, path: Path, going: Progress) -> int:
        """The same without machine code."""
        program, own = self._program(path, native=False), going.captured[self._own(path.tape)].tolist()
        while going.step < len(going.rows):
            status, values = program.run([*going.numbers(), *own])
            if status:
                return int(status)
            going.advance(values, self.carry)
        return 0

    def replayed(self, numbers: Sequence[Any], captured: Sequence[Any]) -> list[Any]:
        """One step on Variables, by the tape of the path that they take."""
        first, own_numbers = (np.array([getattr(n, "_value", n) for n in given]) for given in (numbers, captured))
        going = Progress(0, first[: self.carry], own_numbers, first[None, self.carry :])
        for path in self.paths.known:
            own = self._own(path.tape)
            status, _ = self._program(path, native=False).run([*first.tolist(), *going.captured[own].tolist()])
            if status <= 0:
                break
        else:
            with observers.record_into(None):
                traced = self._trace(going, fixed=True)
            if traced is None:
                raise TraceError(
                    f"a step of scan takes more than {MAX_PATHS} paths. Write its branches with where(condition, a, b)."
                )
            path, own = traced, self._own(traced.tape)
        return python.replay(path.tape, [*numbers, *(captured[k] for k in own)])
