"""The steps of a loop: the tapes of a step with all its paths, run natively over rows.

The captured Variables of a step are arguments of the loop. While the scan is recorded, each new path may add to them. Then
the loop is closed: the step is not called again (see `paths`), and a path that needs more asks for a `wider` trace around.
"""

import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autograd_lite import context
from autograd_lite.errors import BranchError
from autograd_lite.nests import Shape, unravel
from autograd_lite.tape import recording
from autograd_lite.tape.backends import python
from autograd_lite.tape.backends.registry import single
from autograd_lite.tape.paths import Path, Paths, Uncaptured, Unserved, adopt
from autograd_lite.tape.program import merged
from autograd_lite.tape.tape import Tape
from autograd_lite.transforms import name_of
from autograd_lite.variable import Variable

MAX_PATHS = 64

#: Whether a scan that is being recorded takes for captured whatever its step can reach.
capturing_all: ContextVar[bool] = ContextVar("autograd_lite_capturing_all", default=False)


class CapturingAll:
    """A function, traced with `capturing_all`."""

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f = f
        functools.update_wrapper(self, f, updated=())
        self.__name__ = name_of(f)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        token = capturing_all.set(True)
        try:
            return self.f(*arguments, **keywords)
        finally:
            capturing_all.reset(token)


def wider(paths: Paths) -> Paths:
    """Fresh paths of a function in which a scan was `Uncaptured`: it now captures all in reach, or else is no loop at all."""
    if isinstance(paths.f, CapturingAll):
        return one_by_one(paths)
    return Paths(CapturingAll(paths.f), paths.shape, paths.limit, loops=paths.loops, merging=paths.merging)


def one_by_one(paths: Paths) -> Paths:
    """Fresh paths of a function in which steps of loops, and lanes, are recorded one by one."""
    f = paths.f.f if isinstance(paths.f, CapturingAll) else paths.f
    return Paths(f, paths.shape, paths.limit, merging=paths.merging)


@dataclass
class Progress:
    """The next step of a loop, the carry before it, the numbers of the captured Variables, and the outputs so far."""

    step: int
    carry: Any
    captured: Any
    rows: Any
    keep: bool = False  # the carry before each step, instead of its outputs
    outputs: Any = None

    def numbers(self) -> list[float]:
        """The arguments of the next step."""
        return [*map(float, self.carry), *self.rows[self.step].tolist()]

    def advance(self, values: Sequence[float], carry: int) -> None:
        self.outputs[self.step] = self.carry if self.keep else values[carry:]
        self.carry = values[:carry]
        self.step += 1


class Steps:
    """A step with all its paths, run over rows.

    Parameters
    ----------
    step, shape
        The function `(carry, row) -> (carry, outputs)` on nests, and the shape of its arguments; options as of `Paths`.
    carry : int
        How many numbers the carry holds.
    captured : sequence of Variable
        What the step is known to use from outside.
    """

    def __init__(
        self, step: Callable[..., Any], shape: Shape, carry: int, captured: Sequence[Variable], **options: Any
    ) -> None:
        self.paths = Paths(step, shape, MAX_PATHS, loops=2, **options)
        self.carry, self.x = carry, sum(shape.sizes) - carry
        self.captured = {v: place for place, v in enumerate(captured)}
        self.closed = False
        self.tracing = threading.RLock()

    def run(self, carry: Any, captured: Any, rows: Any, *, native: bool, keep: bool = False) -> Any:
        """The last carry and the outputs of all steps, one after the other, as an array; if `keep`, the carry before each.

        `captured` are the numbers of the captured Variables. None: those of the trace under way, in which a path may capture
        more.

        Raises
        ------
        Unserved
            If the loop is closed and has no path for a step.
        """
        while True:
            paths = self.paths
            try:
                return self._run(carry, captured, np.ascontiguousarray(rows), native=native, keep=keep)
            except Uncaptured:
                if self.closed or not paths.loops:
                    raise
                self.paths = wider(paths)  # for a scan inside the step

    def _run(self, carry: Any, captured: Any, rows: Any, *, native: bool, keep: bool) -> Any:
        own = np.array([v._value for v in self.captured]) if captured is None else captured
        going = Progress(0, carry, own, rows, keep)
        path: Path | None = max(self.paths.known, key=lambda known: known.lanes, default=None)
        path = path or self._found(self.paths.first, going)
        assert path is not None
        width = self.carry if keep else len(path.tape.outputs) - self.carry
        results = np.empty(self.carry + len(rows) * width)
        going.outputs = results[self.carry :].reshape(len(rows), width)
        tried: list[Path] = []
        while True:
            assert keep or len(path.tape.outputs) == self.carry + width
            before = going.step
            failed = self._along(path, going, native=native)
            path.serve(going.step - before)
            if going.step == len(rows):
                results[: self.carry] = going.carry
                return results
            tried = [path] if going.step > before else [*tried, path]
            following = self._following(path, failed, tried, going)
            if following is None:
                values: Sequence[float] = self._eagerly(going)
            elif following.parent is path:  # for one step: the next need not be in doubt
                values = self._carefully(following, going, native=native)
            else:
                path = following
                continue
            going.advance(values, self.carry)
            tried = []

    def _along(self, path: Path, going: Progress, *, native: bool) -> int | None:
        """Go on by one path as far as it leads; returns the status of the step that it does not serve.

        None if a loop inside that step does not.
        """
        try:
            if native:
                return self._native(path, going)
            program, places = self._program(path, native=False)
            own = going.captured[places].tolist()
            while going.step < len(going.rows):
                status, values = program.run([*going.numbers(), *own])
                if status:
                    return int(status)
                going.advance(values, self.carry)
        except Unserved:
            return None
        return 0

    def _native(self, path: Path, going: Progress) -> int:
        program, places = self._program(path, native=True, keep=going.keep)
        own = going.captured[places]
        going.step, going.carry, status = program.scan(going.carry, own, going.rows, going.outputs, going.step)
        return status  # type: ignore[no-any-return]

    def _following(self, path: Path, status: int | None, tried: Sequence[Path], going: Progress) -> Path | None:
        """The path to try for the next step; None if it is to be run eagerly."""
        return self.paths.following(path, status, tried, lambda: self._found(self.paths.new, going))

    def _found(self, find: Callable[[list[float]], Path | None], going: Progress) -> Path | None:
        """The path that `find` gives for the next step; what it captures beside enters `going`."""
        if self.closed:
            raise Unserved(self)
        with self.lent(going.captured):
            path = find(going.numbers())
            late = [v for tape in path.tapes for v in tape.captured if v not in self.captured] if path else []
            for v in dict.fromkeys(late):
                self.captured[v] = len(self.captured)
                going.captured = np.append(going.captured, v._value)
        return path

    def adopt(
        self, other: "Steps", function: str, names: Sequence[Any], other_names: Sequence[Any]
    ) -> tuple[bool, bool]:
        """Serve the steps that those of the same scan in another trace serve; see `paths.adopt`.

        Names are those of the captured Variables, in the order of their places.
        """
        own = dict(zip(names[::-1], [*self.captured][::-1], strict=True))  # two may have one name: the first
        theirs = dict(zip(other.captured, other_names, strict=True))
        learnt = lacking = False
        for path in other.paths.known:
            known = self.paths.like(path)
            if known is not None:
                for tape, newer in zip(known.tapes, path.tapes, strict=False):
                    own_names = [names[self.captured[v]] for v in tape.captured]
                    their_names = [theirs[v] for v in newer.captured]
                    same = name_of(self.paths.f) if function and own.keys() >= {*their_names} else ""
                    more, less = adopt(tape, newer, same, own_names, their_names)
                    learnt, lacking = learnt or more, lacking or less
            elif any(theirs[v] not in own for tape in path.tapes for v in tape.captured):
                lacking = True
            elif not self.paths.full:
                translated = {v: own[name] for v, name in theirs.items() if name in own}
                self.paths.add(Path(_with_captured(path.tape, translated)))
                learnt = True
        return learnt, lacking

    @contextmanager
    def lent(self, captured: Any) -> Iterator[None]:
        """Captured Variables hold the numbers of the first trace; for a while they get today's."""
        with self.tracing:
            lent = list(self.captured)  # a path that is met meanwhile may add to them
            before = [v._value for v in lent]
            token = context.lending.set(True)
            try:
                for v, number in zip(lent, captured, strict=True):
                    v._value = float(number)
                yield
            finally:
                context.lending.reset(token)
                for v, number in zip(lent, before, strict=True):
                    v._value = number

    def _eagerly(self, going: Progress) -> list[float]:
        """The next step by the function itself."""
        numbers = going.numbers()
        with self.lent(going.captured), context.record_into(None):
            results = unravel(self.paths.eager(numbers))[0]
        return [getattr(y, "_value", y) for y in results]

    def _carefully(self, path: Path, going: Progress, *, native: bool) -> Sequence[float]:
        """The next step by the careful program of a path."""
        program, places = self._program(path, native=native)
        arguments = [*going.numbers(), *going.captured[places].tolist()]
        while True:
            status: int | None
            try:
                status, values = program.run(arguments)
            except Unserved:
                status = None
            if status == 0:
                return values  # type: ignore[no-any-return]
            if self._following(path, status, [path], going) is None:
                if self.closed:
                    raise Unserved(self)
                return self._eagerly(going)

    def _program(self, path: Path, *, native: bool, keep: bool = False) -> tuple[Any, Any]:
        """The compiled tape of a path, and the places of the Variables that it captured."""
        backend = "llvm" if native else "python"

        def build(tape: Tape) -> tuple[Any, Any]:
            program = tape.program
            if keep:
                program = replace(program, outputs=(*program.outputs[: self.carry], *range(self.carry)))
            return single(merged(program), backend), self._places(tape)

        return path.program((backend, keep), build)  # type: ignore[no-any-return]

    def _places(self, tape: Tape) -> Any:
        return np.array([self.captured[v] for v in tape.captured], dtype=np.int64)

    def replayed(self, numbers: Sequence[Any], captured: Sequence[Any]) -> list[Any]:
        """One step on Variables, by the tape of the path that they take."""
        values = [getattr(n, "_value", n) for n in numbers]
        own = [getattr(n, "_value", n) for n in captured]
        notes = recording.current()
        for path in self.paths.known:
            program, places = self._program(path, native=False)
            try:
                status, _ = program.run([*values, *(own[k] for k in places)])
            except Unserved:  # a loop inside, which need not be on the path of these numbers
                continue
            if status > 0:
                continue
            taken = path.careful if status < 0 or (notes is not None and notes.masked) else None
            taken = taken or path
            inputs = [*numbers, *(captured[k] for k in self._places(taken.tape))]
            try:
                return python.replay(taken.tape, inputs)
            except BranchError as error:  # a careful program tests more
                raise Unserved(self) from error
            except Unserved:
                if self.paths.following(taken, None, [taken], lambda: None) is not taken:
                    raise
                return python.replay(taken.tape, inputs)
        raise Unserved(self)


def _with_captured(tape: Tape, translated: dict[Variable, Variable]) -> Tape:
    """The tape with other Variables for those that it captured."""
    careful = _with_captured(tape.careful(), translated) if tape.careful else None
    own = tuple(translated[v] for v in tape.captured)
    return replace(tape, captured=own, careful=None if careful is None else lambda: careful)
