"""A function over lanes: every lane by the path that it takes, all lanes of a path by one program."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import nan
from typing import Any

import numpy as np

from autograd_lite import context
from autograd_lite.errors import BranchError
from autograd_lite.nests import Fixed, Shape
from autograd_lite.tape.backends import python
from autograd_lite.tape.backends.lanes import LaneProgram
from autograd_lite.tape.backends.registry import single
from autograd_lite.tape.batches import Batch
from autograd_lite.tape.paths import Path, Paths, Unmapped, _difference
from autograd_lite.tape.results import Results, stacked
from autograd_lite.transforms import name_of
from autograd_lite.variable import Variable

#: Numbers of captured Variables, by the numbers of the nodes.
Given = Mapping[int, Any]


class LanePaths:
    """The paths of one function over lanes of one shape."""

    def __init__(
        self,
        f: Callable[..., Any],
        shape: Shape,
        limit: int,
        backend: str,
        reduce: str | None,
        *,
        contract: bool = False,
        masked: bool = False,
    ) -> None:
        self.paths = Paths(f, shape, limit, masked=masked)
        self.backend, self.reduce, self.contract = backend, reduce, contract
        self.derived: dict[Any, LanePaths] = {}  # of derivatives of the function
        self.entry: Any = None  # the short way of a call with arguments of this shape
        self._examples: dict[Path, list[float]] = {}  # what captured Variables were when a path was recorded

    def on(self, backend: str) -> "LanePaths":
        """A view of these paths that runs lanes by another backend."""
        if backend == self.backend:
            return self
        other = copy.copy(self)
        other.backend = backend
        return other

    def program(self, path: Path, batch: Batch, *, summed: bool = False) -> LaneProgram:
        """The path compiled."""
        program: LaneProgram = path.program(
            (batch.mapped, self.backend, summed),
            lambda tape: LaneProgram(tape, batch.varying, self.backend, summed=summed, contract=self.contract),
        )
        return program

    def first(self, batch: Batch) -> Path:
        """The path to begin with."""
        return self.paths.first(() if self.paths.known else batch.example())

    def __call__(self, batch: Batch, given: Given | None = None) -> "Served":
        """Run all lanes; captured Variables are what they are `given` as, or now."""
        path = self.first(batch)
        run = Run(self, batch, given)
        if (
            self.reduce
            and not path.guards
            and not any(isinstance(leaf, Fixed) for leaf in path.tape.output_shape.leaves)
        ):
            served = Served(path.tape.output_shape, run.totals(path))
            path.lanes += batch.columns.count
        else:
            served = Served.of(run.results(path), summed=self.reduce is not None)
        if self.reduce == "mean":
            served.numbers = served.numbers / (batch.columns.count or nan)
        served.captured = list(run.captured.values())
        return served

    def new(self, numbers: list[float], given: Given | None) -> Path | None:
        """The path of a lane that no known one serves; see `Paths.new`."""
        with self.lent(given):
            if given is not None:
                self._test_unchanged()
            return self.paths.new(numbers)

    @contextmanager
    def lent(self, given: Given | None) -> Iterator[None]:
        """For a while captured Variables have the numbers that they are given as."""
        if given is None:
            yield
            return
        with self.paths._lock:
            captured = {v._number: v for path in self.paths.known for v in path.tape.captured}
            before = {number: v._value for number, v in captured.items()}
            token = context.lending.set(True)
            try:
                for number, v in captured.items():
                    v._value = float(given.get(number, v._value))
                yield
            finally:
                context.lending.reset(token)
                for number, v in captured.items():
                    v._value = before[number]

    def note_examples(self) -> None:
        """Remember what captured Variables are now for the paths that were recorded with that."""
        for path in self.paths.known:
            self._examples.setdefault(path, [v._value for v in path.tape.captured])

    def _test_unchanged(self) -> None:
        """Refuse to record a further path of a function that has changed since, by what it takes from outside."""
        for path, values in self._examples.items():
            with self.lent({v._number: value for v, value in zip(path.tape.captured, values, strict=True)}):
                again = self.paths.traced(path.tape.example)
            if _difference(path.tape, again):
                raise Unmapped(
                    f"{name_of(self.paths.f)} takes a branch in vmap that it did not take when it was recorded, and what it "
                    "uses from outside has changed since. Pass that in as an argument."
                )

    def replayed(self, numbers: Sequence[Any], given: Given) -> tuple[Shape, list[Any]]:
        """One lane on Variables, by the tape of the path that it takes."""
        plain = [getattr(n, "_value", n) for n in numbers]
        path = next((path for path in self.paths.known if self._serves(path, plain, given)), None)
        if path is None:
            values = {number: getattr(n, "_value", n) for number, n in given.items()}
            with context.record_into(None), self.lent(values):
                self._test_unchanged()
                path = self.paths.new(plain)
        if path is None:
            raise Unmapped(
                f"{name_of(self.paths.f)} takes more than {self.paths.limit} paths over lanes. Write its branches with "
                "where(condition, a, b)."
            )
        try:
            return path.tape.output_shape, python.replay(path.tape, [*numbers, *_own(path.tape.captured, given)])
        except (
            BranchError
        ):  # its careful program compares derivatives, which came out otherwise: one for this lane alone
            values = {number: getattr(n, "_value", n) for number, n in given.items()}
            with context.record_into(None), self.lent(values):
                tape = self.paths.traced(plain, masked=True)
            return tape.output_shape, python.replay(tape, [*numbers, *_own(tape.captured, given)])

    def _serves(self, path: Path, numbers: list[float], given: Given) -> bool:
        if any(v._number not in given for v in path.tape.captured):
            return False
        program = path.program("python", lambda tape: single(tape.program, "python"))
        own = [getattr(n, "_value", n) for n in _own(path.tape.captured, given)]
        return bool(program.run([*numbers, *own])[0] <= 0)


def _own(captured: Sequence[Variable], given: Given) -> list[Any]:
    """The numbers that stand for these captured Variables."""
    try:
        return [given[v._number] for v in captured]
    except KeyError:
        lost = next(v for v in captured if v._number not in given)
        raise Unmapped(
            f"with these arguments, a lane of a vmap takes a branch that uses {lost!r}, which no lane did when the vmap was "
            "recorded. Trace the function with such arguments, or use jit, which does so by itself."
        ) from None


class Run:
    """One run of a function over all lanes."""

    def __init__(self, family: LanePaths, batch: Batch, given: Given | None) -> None:
        self.family, self.batch, self.given = family, batch, given
        self.captured: dict[int, Variable] = {}  # what the lanes used from outside

    def _columns(self, program: LaneProgram, columns: Any) -> Any:
        """The columns of a program: captured Variables are numbers that all lanes share."""
        if not program.captured:
            return columns
        self.captured |= {v._number: v for v in program.captured}
        if self.given is None:
            return columns.also_shared([v._value for v in program.captured])
        return columns.also_shared(_own(program.captured, self.given))

    def totals(self, path: Path) -> Any:
        """Sums over lanes, block by block; blocks that came out NaN once more by the careful program."""
        batch = self.batch
        program = self.family.program(path, batch, summed=True)
        columns = self._columns(program, batch.columns)
        if not columns.count:
            return np.zeros(program.outputs)

        def added(sums: Any, block: int) -> Any:
            totals = sums[:, : program.outputs]
            if len(sums) == 1 and not (program.doubtful and np.isnan(sums).any()):
                return totals[0] + 0.0
            with np.errstate(all="ignore"):
                if program.doubtful and np.isnan(sums.sum()):
                    for k in map(int, np.flatnonzero(np.isnan(sums).any(axis=1))):
                        rows = np.arange(k * block, min((k + 1) * block, columns.count))
                        again = Run(self.family, batch.of_lanes(rows), self.given)
                        _, totals[k] = again.results(path.careful or path).totals()
                        self.captured |= again.captured
                return totals.sum(axis=0)

        return program.sums(columns, added)

    def results(self, first: Path) -> Results:
        """Serve every lane by the path it takes."""
        batch = self.batch
        results = Results(first.tape.output_shape, batch.columns.count)
        if not batch.columns.count:
            self.captured |= {v._number: v for v in first.tape.captured}
        waiting = [Waiting(None, first)]
        while waiting:
            some = waiting.pop()
            columns = batch.columns if some.lanes is None else batch.columns.rows(some.lanes)
            if not columns.count:
                continue
            program = self.family.program(some.path, batch)
            outputs, status = program.each_lane(self._columns(program, columns))
            done = status == 0
            some.path.serve(results.write(some.path.tape.output_shape, outputs, some.lanes, done))
            if done.all():
                continue
            numbers = np.arange(columns.count) if some.lanes is None else some.lanes
            for code in np.unique(status[~done]):
                waiting += self._continued(some, int(code), numbers[status == code], results)
        return results

    def _continued(self, some: "Waiting", status: int, lanes: Any, results: Results) -> list["Waiting"]:
        """How lanes go on that a path does not serve."""
        family, tried = self.family, (*some.tried, some.path)
        following = family.paths.following(
            some.path, status, tried, lambda: family.new(self.batch.lane(lanes[0]), self.given)
        )
        if following is not None:
            return [Waiting(lanes, following, tried)]
        if some.path.parent is None and not family.paths.full:  # this lane hangs on a last digit; the others may not
            self._eagerly(lanes[:1], results)
            return [Waiting(lanes[1:], some.path, some.tried)]
        return self._eagerly(lanes, results)

    def _eagerly(self, lanes: Any, results: Results) -> list["Waiting"]:
        """These lanes by the function itself."""
        with self.family.lent(self.given), context.record_into(None):
            for lane in lanes:
                results.write_eagerly(self.family.paths.eager(self.batch.lane(lane)), lane)
        return []


@dataclass
class Served:
    """The outputs of all lanes: numbers (outputs,) if they are summed, else (outputs, lanes); and their shape for one lane.

    `facts` are the leaves that are no numbers, by their places; `captured` what the lanes used from outside.
    """

    shape: Shape
    numbers: Any
    facts: dict[int, Any] = field(default_factory=dict)
    captured: list[Variable] = field(default_factory=list)

    @classmethod
    def of(cls, results: Results, *, summed: bool) -> "Served":
        """From the results of the lanes."""
        if summed:
            return cls(*results.totals())
        return cls(*results.columns())

    def packed(self, numbers: Any = None) -> Any:
        """The nest of outputs, with an axis of lanes first if they are not summed; of other numbers if those are given."""
        own = self.numbers if numbers is None else numbers
        return self.shape.pack(own) if own.ndim == 1 else stacked(self.shape, own, self.facts)


@dataclass
class Waiting:
    """Lanes to be run by a path, all if None; and the paths that they failed."""

    lanes: Any
    path: Path
    tried: tuple[Path, ...] = ()
