"""The steps of a loop: the tapes of a step with all its paths, run natively over rows.

The captured Variables of a step are arguments of the loop. While the scan is recorded, each new path may add to them. Then
the loop is closed: the step is not called again (see `paths`), and a path that needs more asks for a `wider` trace around.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from autograd_lite import context, forks
from autograd_lite.errors import BranchError
from autograd_lite.nests import Shape, unravel
from autograd_lite.tape import recording
from autograd_lite.tape.backends import python
from autograd_lite.tape.backends.registry import single
from autograd_lite.tape.paths import Path, Paths, Uncaptured, Unserved, adopt
from autograd_lite.tape.program import Program, merged
from autograd_lite.tape.recording import CAPTURING_ALL
from autograd_lite.tape.tape import Tape
from autograd_lite.transforms import name_of
from autograd_lite.variable import Variable

MAX_PATHS = 64

#: Steps up to which a loop runs by Python while a lane is recorded: compiling them for one lane would take longer.
FEW = 1024


#: The path that each of some steps takes, whatever the numbers, while the steps of a derivative are recorded in this context.
_along: ContextVar[Mapping["Steps", Path]] = ContextVar("autograd_lite_along", default=MappingProxyType({}))


def wider(paths: Paths) -> Paths:
    """Fresh paths of a function in which a scan was `Uncaptured`: it now captures all in reach, or else is no loop at all."""
    if paths.loops == CAPTURING_ALL:
        return one_by_one(paths)
    found = one_by_one(paths, loops=CAPTURING_ALL, turning=paths.turning)
    if paths.healer and found.healer:
        found.healer.turns = paths.healer.turns
    return found


def one_by_one(paths: Paths, **how: Any) -> Paths:
    """Fresh paths of a function in which steps of loops, and lanes, are recorded one by one, or `how` these say."""
    how |= {
        "lookups": paths.lookups, "masked": paths.masked, "merging": paths.merging, "mapped": paths.mapped,
        "cache": paths.cache,
    }  # fmt: skip
    return Paths(paths.f, paths.shape, paths.limit, **how)


@contextmanager
def lent(lock: Any, captured: Sequence[Variable], numbers: Sequence[Any]) -> Iterator[None]:
    """Captured Variables hold the numbers of the first trace; for a while they get these."""
    with lock:
        before = [v._value for v in captured]
        token = context.lending.set(True)
        try:
            for v, number in zip(captured, numbers, strict=True):
                v._value = float(number)
            yield
        finally:
            context.lending.reset(token)
            for v, number in zip(captured, before, strict=True):
                v._value = number


class Steps:
    """A step `(carry, row) -> (carry, outputs)` on nests of `shape` with all its paths, run over rows.

    `carry` counts the numbers of the carry; `captured` is what the step is known to use from outside. Those of a derivative
    replay the tapes of `primal` steps, and are never asked for that of a path that they are `without`.
    """

    def __init__(
        self,
        step: Any,
        shape: Shape,
        carry: int,
        captured: Sequence[Variable],
        *,
        primal: "Steps | None" = None,
        without: Callable[[Path], bool] = lambda _: False,
        **options: Any,
    ) -> None:
        self.paths, self.primal, self.without = Paths(step, shape, MAX_PATHS, loops=2, **options), primal, without
        self._covered: set[Path] = set()  # the paths of the primal steps whose derivatives are known
        self.carry, self.x = carry, sum(shape.sizes) - carry
        self.captured = {v: place for place, v in enumerate(captured)}
        self.closed = False
        self.tracing = forks.lock()

    def run(self, carry: Any, captured: Any, rows: Any, *, native: bool, keep: bool = False) -> Any:
        """The last carry and the outputs of all steps, one after the other, as an array; if `keep`, the carry before each.

        `captured` are the numbers of the captured Variables. None: those of the trace under way, in which a path may capture
        more; a closed loop that has no path for a step is `Unserved`.
        """
        native = native and not (self.paths.mapped and len(rows) <= FEW)
        while True:
            paths = self.paths
            try:
                own = np.array([v._value for v in self.captured]) if captured is None else captured
                return Run(self, carry, own, np.ascontiguousarray(rows), native, keep).results()
            except Uncaptured:
                if self.closed or not paths.loops:
                    raise
                self.paths = wider(paths)  # for a scan inside the step

    def adopt(self, other: "Steps", function: str, names: list[Any], other_names: Sequence[Any]) -> tuple[bool, bool]:
        """Serve the steps that those of the same scan in another trace serve; `names` of what is captured: see `paths`."""
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
                self.paths.add(Path(_with_captured(path.tape, translated), self.paths.cache))
                learnt = True
        return learnt, lacking

    def program(self, path: Path, *, native: bool, keep: bool = False) -> tuple[Any, Any]:
        backend = "llvm" if native else "python"

        def build(tape: Tape) -> tuple[Any, Any]:
            program = tape.program
            if keep:
                program = replace(program, outputs=(*program.outputs[: self.carry], *range(self.carry)))
            return single(merged(program), backend), self.places(tape)

        return path.program((backend, keep), build)  # type: ignore[no-any-return]

    def known(self) -> list[int]:
        """How many paths are known, and those of the loops inside."""
        return [len(self.paths.known), *(n for path in self.paths.known for steps in path.loops for n in steps.known())]

    def programs(self) -> list[tuple[Program, Any]]:
        """The programs of all paths, each with the places of what it captures; a derivative those of all of its primal."""
        if self.primal is not None:
            self.primal.programs()
            for path in [path for path in self.primal.paths.known if path not in self._covered]:
                if not self.without(path):
                    self._cover(self.primal, path)
                self._covered.add(path)
        return [(path.tape.program, self.places(path.tape)) for path in self.paths.known]

    def _cover(self, primal: "Steps", path: Path) -> None:
        """Know the derivative of a path of the primal steps; that this path is taken is recorded, and not tested."""
        own = path.tape.example[: primal.carry]
        numbers = ([1.0] * self.carry + [*own] + [1.0] * self.x)[: self.carry + self.x]
        values = [v._value for v in self.captured]
        with lent(self.tracing, [*self.captured], values):
            token = _along.set({**_along.get(), primal: path})
            try:
                found = Path(self.paths.traced(numbers, blind=True), self.paths.cache)
            finally:
                _along.reset(token)
        if self.paths.like(found) is None:
            self.paths.add(found)

    def places(self, tape: Tape) -> Any:
        return np.array([self.captured[v] for v in tape.captured], dtype=np.int64)

    def replayed(self, numbers: Sequence[Any], captured: Sequence[Any]) -> list[Any]:
        """One step on Variables, by the tape of the path that they take."""
        if self in _along.get():
            tape = _along.get()[self].tape
            return python.along(tape, [*numbers, *(captured[k] for k in self.places(tape))])
        values = [getattr(n, "_value", n) for n in numbers]
        own = [getattr(n, "_value", n) for n in captured]
        notes = recording.current()
        for path in self._serving(values, np.array(own, dtype=np.float64)):
            program, places = self.program(path, native=False)
            try:
                status, _ = program.run([*values, *(own[k] for k in places)])
            except Unserved:  # a loop inside, which need not be on the path of these numbers
                continue
            if status > 0:
                continue
            taken = path.careful if status < 0 or (notes is not None and notes.masked) else None
            taken = taken or path
            inputs = [*numbers, *(captured[k] for k in self.places(taken.tape))]
            try:
                return python.replay(taken.tape, inputs)
            except BranchError as error:  # a careful program tests more
                raise Unserved(self) from error
            except Unserved:
                if self.paths.following(taken, None, [taken], lambda: None) is not taken:
                    raise
                return python.replay(taken.tape, inputs)
        raise Unserved(self)

    def _serving(self, values: list[float], captured: Any) -> Iterator[Path]:
        """The paths that may serve a step with these numbers: the known ones, and a new one if the steps are not closed."""
        yield from self.paths.known
        if not self.closed:
            with context.record_into(None):
                run = Run(
                    self, values[: self.carry], captured, np.array([values[self.carry :]]), native=False, keep=False
                )
                path = run.found()
            if path is not None:
                yield path


@dataclass
class Run:
    """A run over rows: the carry before the next step, the numbers of the captured Variables, the outputs so far."""

    steps: Steps
    carry: Any
    captured: Any
    rows: Any
    native: bool
    keep: bool  # the carry before each step, instead of its outputs
    step: int = 0
    outputs: Any = None

    def results(self) -> Any:
        width, known = self.steps.carry, self.steps.paths.known
        path = max(known, key=lambda path: path.lanes) if known else self.found()
        assert path is not None
        each = width if self.keep else len(path.tape.outputs) - width
        results = np.empty(width + len(self.rows) * each)
        self.outputs = results[width:].reshape(len(self.rows), each)
        tried: list[Path] = []
        while True:
            assert self.keep or len(path.tape.outputs) == width + each
            before = self.step
            failed = self._along(path)
            path.serve(self.step - before)
            if self.step == len(self.rows):
                results[:width] = self.carry
                return results
            tried = [path] if self.step > before else [*tried, path]
            following = self._following(path, failed, tried)
            if following is not None and following.parent is not path:
                path = following
                continue
            # The careful program serves one step: the next need not be in doubt.
            self._advance(self._carefully(following) if following else self._eagerly())
            tried = []

    def _numbers(self) -> list[float]:
        return [*map(float, self.carry), *self.rows[self.step].tolist()]

    def _advance(self, values: Sequence[float]) -> None:
        self.outputs[self.step] = self.carry if self.keep else values[self.steps.carry :]
        self.carry = values[: self.steps.carry]
        self.step += 1

    def _along(self, path: Path) -> int | None:
        """Go on by one path as far as it leads; returns the status of the step that fails, None if a loop inside it does."""
        try:
            program, places = self.steps.program(path, native=self.native, keep=self.native and self.keep)
            own: Any = self.captured[places]
            if self.native:
                self.step, self.carry, status = program.scan(self.carry, own, self.rows, self.outputs, self.step)
                return int(status)
            own = own.tolist()
            while self.step < len(self.rows):
                status, values = program.run([*self._numbers(), *own])
                if status:
                    return int(status)
                self._advance(values)
        except Unserved:
            return None
        return 0

    def _following(self, path: Path, status: int | None, tried: Sequence[Path]) -> Path | None:
        """The path to try for the next step; None if it is to be run eagerly."""
        paths = self.steps.paths
        return paths.following(path, status, tried, self.found)

    def found(self) -> Path | None:
        """A new path for the next step, None if there is none; its captured Variables enter those of the steps."""
        if self.steps.closed:
            raise Unserved(self.steps)
        places = self.steps.captured
        with self._lent():
            paths, numbers = self.steps.paths, self._numbers()
            path = paths.new(numbers) if paths.known else paths.first(numbers)
            late = [v for tape in path.tapes for v in tape.captured if v not in places] if path else []
            for v in dict.fromkeys(late):
                places[v] = len(places)
                self.captured = np.append(self.captured, v._value)
        return path

    def _lent(self) -> AbstractContextManager[None]:
        return lent(self.steps.tracing, [*self.steps.captured], self.captured)

    def _eagerly(self) -> list[float]:
        numbers = self._numbers()
        with self._lent(), context.record_into(None):
            results = unravel(self.steps.paths.eager(numbers))[0]
        return [getattr(y, "_value", y) for y in results]

    def _carefully(self, path: Path) -> Sequence[float]:
        program, places = self.steps.program(path, native=self.native)
        arguments = [*self._numbers(), *self.captured[places].tolist()]
        while True:
            status: int | None
            try:
                status, values = program.run(arguments)
            except Unserved:
                status = None
            if status == 0:
                return values  # type: ignore[no-any-return]
            if self._following(path, status, [path]) is None:
                if self.steps.closed:
                    raise Unserved(self.steps)
                return self._eagerly()


def _with_captured(tape: Tape, translated: dict[Variable, Variable]) -> Tape:
    careful = _with_captured(tape.careful(), translated) if tape.careful else None
    own = tuple(translated[v] for v in tape.captured)
    return replace(tape, captured=own, careful=None if careful is None else lambda: careful)
