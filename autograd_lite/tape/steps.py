"""The steps of a loop: the tapes of a step with all its paths, run natively over rows.

What a step uses from outside, its captured Variables, are arguments of the loop. While the scan is being recorded, each new
path may add to them. Afterwards the loop is closed: the Python function of the step is not called again (see `paths`). A path
that a closed loop adopts may not add to them; whoever traced the function around the scan then does so once more (`wider`).
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


# ------------------------------------------------------------------------------------------- what steps use from outside


#: Whether a scan that is being recorded takes for captured whatever its step can reach.
capturing_all: ContextVar[bool] = ContextVar("autograd_lite_capturing_all", default=False)


class CapturingAll:
    """A function, traced with `capturing_all`."""

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f = f
        functools.update_wrapper(self, f, updated=())
        self.__name__ = name_of(f)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """The function's result."""
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


# --------------------------------------------------------------------------------------------------------- running steps


@dataclass
class Progress:
    """How far a loop has come: the next step, the carry before it, what all steps use, and the outputs so far."""

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
        """Take the results of a step."""
        self.outputs[self.step] = self.carry if self.keep else values[carry:]
        self.carry = values[:carry]
        self.step += 1


def paths_of(step: Callable[..., Any], shape: Shape, **options: Any) -> Paths:
    """The paths of a step."""
    return Paths(step, shape, MAX_PATHS, loops=2, **options)


class Steps:
    """A step with all its paths, run over rows.

    Parameters
    ----------
    paths : Paths
        Of the function `(carry, row) -> (carry, outputs)` on nests.
    carry : int
        How many numbers the carry holds.
    captured : sequence of Variable
        What the step is known to use from outside.
    """

    def __init__(self, paths: Paths, carry: int, captured: Sequence[Variable] = ()) -> None:
        self.paths = paths
        self.carry, self.x = carry, sum(paths.shape.sizes) - carry
        self.captured = {v: place for place, v in enumerate(captured)}
        self.closed = False
        self._places: dict[Tape, Any] = {}
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
        path = path or self._trace(going)
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
            if following is not None and following.parent is path:  # for one step: the next need not be in doubt
                going.advance(self._carefully(following, going, native=native), self.carry)
                tried = []
            elif following is not None:
                path = following
            else:
                going.advance(self._eagerly(going), self.carry)
                tried = []

    def _along(self, path: Path, going: Progress, *, native: bool) -> int | None:
        """Go on by one path as far as it leads; returns the status of the step that it does not serve.

        None if a loop inside that step does not.
        """
        try:
            return (self._native if native else self._stepwise)(path, going)
        except Unserved:
            return None

    def _following(self, path: Path, status: int | None, tried: Sequence[Path], going: Progress) -> Path | None:
        """The path to try for the next step; None if it is to be run eagerly."""
        return self.paths.following(path, status, tried, lambda: self._new(going))

    def _new(self, going: Progress) -> Path | None:
        """The path of a step that no known one serves."""
        if self.closed:
            raise Unserved(self)
        with self.lent(going.captured):
            return self._entered(self.paths.new(going.numbers()), going)

    def _trace(self, going: Progress) -> Path | None:
        """The first path."""
        with self.lent(going.captured):
            return self._entered(self.paths.first(going.numbers()), going)

    def _entered(self, path: Path | None, going: Progress) -> Path | None:
        """A path that may be new, when all that it captures is known."""
        if path is not None:
            late = dict.fromkeys(v for tape in path.tapes for v in tape.captured if v not in self.captured)
            self.captured |= {v: place for place, v in enumerate(late, start=len(self.captured))}
            going.captured = np.append(going.captured, [v._value for v in late])
        return path

    def adopt(
        self, other: "Steps", function: str, names: Sequence[Any], other_names: Sequence[Any]
    ) -> tuple[bool, bool]:
        """Serve the steps that those of the same scan in another trace serve; see `paths.adopt`.

        Names are those of the captured Variables, in the order of their places.
        """
        places = [names.index(name) if name in names else None for name in other_names]
        learnt = lacking = False
        for path in other.paths.known:
            known = self.paths.like(path)
            if known is not None:
                for tape, theirs in zip(known.tapes, path.tapes, strict=False):
                    own_names = [names.index(names[self.captured[v]]) for v in tape.captured]  # two may have one name
                    their_names = [places[other.captured[v]] for v in theirs.captured]
                    same = name_of(self.paths.f) if function and None not in their_names else ""
                    more, less = adopt(tape, theirs, same, own_names, their_names)
                    learnt, lacking = learnt or more, lacking or less
            elif any(places[other.captured[v]] is None for tape in path.tapes for v in tape.captured):
                lacking = True
            elif not self.paths.full:
                own = dict(enumerate(self.captured))
                translated = {
                    v: own[place] for v, place in zip(other.captured, places, strict=True) if place is not None
                }
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
        program = self._program(path, native=native)
        arguments = [*going.numbers(), *going.captured[self._own(path.tape)].tolist()]
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

    def _own(self, tape: Tape) -> Any:
        """Which of the captured Variables a tape uses."""
        places = self._places.get(tape)
        if places is None:
            places = self._places[tape] = np.array([self.captured[v] for v in tape.captured], dtype=np.int64)
        return places

    def _program(self, path: Path, *, native: bool, keep: bool = False) -> Any:
        backend = "llvm" if native else "python"

        def build(tape: Tape) -> Any:
            program = tape.program
            if keep:
                program = replace(program, outputs=(*program.outputs[: self.carry], *range(self.carry)))
            return single(merged(program), backend)

        return path.program((backend, keep), build)

    def _native(self, path: Path, going: Progress) -> int:
        """By the native loop."""
        program = self._program(path, native=True, keep=going.keep)
        own = going.captured[self._own(path.tape)]
        going.step, going.carry, status = program.scan(going.carry, own, going.rows, going.outputs, going.step)
        return status  # type: ignore[no-any-return]

    def _stepwise(self, path: Path, going: Progress) -> int:
        """By Python, step by step."""
        program, own = self._program(path, native=False), going.captured[self._own(path.tape)].tolist()
        while going.step < len(going.rows):
            status, values = program.run([*going.numbers(), *own])
            if status:
                return int(status)
            going.advance(values, self.carry)
        return 0

    def replayed(self, numbers: Sequence[Any], captured: Sequence[Any]) -> list[Any]:
        """One step on Variables, by the tape of the path that they take."""
        values = [getattr(n, "_value", n) for n in numbers]
        own = [getattr(n, "_value", n) for n in captured]
        notes = recording.current()
        for path in self.paths.known:
            try:
                status, _ = self._program(path, native=False).run([*values, *(own[k] for k in self._own(path.tape))])
            except Unserved:  # a loop inside, which need not be on the path of these numbers
                continue
            if status <= 0:
                if path.careful and (status < 0 or (notes is not None and notes.masked)):
                    path = path.careful  # noqa: PLW2901
                inputs = [*numbers, *(captured[k] for k in self._own(path.tape))]
                return self._replayed(path, inputs)
        raise Unserved(self)

    def _replayed(self, path: Path, inputs: Sequence[Any]) -> list[Any]:
        try:
            return python.replay(path.tape, inputs)
        except BranchError as error:  # a careful program tests more
            raise Unserved(self) from error
        except Unserved:
            if self.paths.following(path, None, [path], lambda: None) is not path:
                raise
            return python.replay(path.tape, inputs)


def _with_captured(tape: Tape, translated: dict[Variable, Variable]) -> Tape:
    """The tape with other Variables for those that it captured."""
    careful = _with_captured(tape.careful(), translated) if tape.careful else None
    own = tuple(translated[v] for v in tape.captured)
    return replace(tape, captured=own, careful=None if careful is None else lambda: careful)
