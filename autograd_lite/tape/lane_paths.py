"""A function over lanes: every lane by the path that it takes, all lanes of a path by one program."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import nan
from typing import Any

import numpy as np
import optree

from autograd_lite import context, functions
from autograd_lite.arrays import VariableArray
from autograd_lite.errors import ArgumentError, BranchError
from autograd_lite.nests import Fixed, Shape, unravel
from autograd_lite.primitives import as_float
from autograd_lite.tape.backends import python
from autograd_lite.tape.backends.lanes import Columns, LaneProgram
from autograd_lite.tape.backends.registry import single
from autograd_lite.tape.paths import Path, Paths, Unmapped, _difference
from autograd_lite.tape.trace import is_plain
from autograd_lite.transforms import name_of
from autograd_lite.variable import Variable

#: Numbers of captured Variables, by the numbers of the nodes.
Given = Mapping[int, Any]


class LanePaths:
    """The paths of one function over lanes of one kind.

    Parameters
    ----------
    f : callable
    shape : Shape
        Of the arguments of one lane.
    mapped : tuple of bool
        For each leaf whether lanes have their own; all share the others.
    limit, masked
        See `Paths`.
    backend : str
    reduce : {None, "sum", "mean"}
    contract : bool
        Allow fused products and sums.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        shape: Shape,
        mapped: tuple[bool, ...],
        limit: int,
        backend: str,
        *,
        reduce: str | None,
        contract: bool = False,
        masked: bool = False,
    ) -> None:
        self.paths = Paths(f, shape, limit, masked=masked)
        self.mapped, self.backend, self.reduce, self.contract = mapped, backend, reduce, contract
        self.derived: dict[Any, LanePaths] = {}  # of derivatives of the function
        self.entry: Any = None  # the short way of a call with arguments of this shape
        self._examples: dict[Path, list[float]] = {}  # what captured Variables were when a path was recorded
        #: The slots of the numbers that all lanes share, and of a row of each array.
        self.shared: list[int] = []
        self.rows: list[list[int]] = []
        start = 0
        for differs, size in zip(mapped, shape.sizes, strict=True):
            slots = list(range(start, start + size))
            if differs:
                self.rows.append(slots)
            else:
                self.shared += slots
            start += size
        self._order = np.argsort([*self.shared, *(slot for slots in self.rows for slot in slots)])

    def on(self, backend: str) -> "LanePaths":
        """A view of these paths that runs lanes by another backend."""
        if backend == self.backend:
            return self
        other = copy.copy(self)
        other.backend = backend
        return other

    def lane(self, columns: Columns, k: int) -> list[Any]:
        """The numbers of one lane in slot order."""
        own = np.concatenate([columns.shared, *(array[k] for array in columns.arrays)])
        return own[self._order].tolist()  # type: ignore[no-any-return]

    def program(self, path: Path, *, summed: bool = False) -> LaneProgram:
        """The path compiled."""

        def compiled(tape: Any) -> LaneProgram:
            varying = np.ones(len(self._order), dtype=bool)
            varying[self.shared] = False
            return LaneProgram(tape, varying.tolist(), self.backend, summed=summed, contract=self.contract)

        program: LaneProgram = path.program((self.backend, summed), compiled)
        return program

    def first(self, columns: Columns) -> Path:
        """The path to begin with; it is traced with ones where there is no lane."""
        known = self.paths.known
        if known:
            return known[0] if len(known) == 1 else self.paths.first(())
        if not columns.count:
            columns = Columns(1, columns.shared, [np.ones((1, array.shape[1])) for array in columns.arrays])
        return self.paths.first(self.lane(columns, 0))

    def __call__(self, columns: Columns, given: Given | None = None) -> "Served":
        """Run all lanes; captured Variables are what they are `given` as, or now."""
        path, run = self.first(columns), Run(self, columns, given)
        shape = path.tape.output_shape
        if self.reduce is None:
            run.serve(path)
            served = run.columns_out()
        elif path.guards or any(isinstance(leaf, Fixed) for leaf in shape.leaves):
            run.serve(path)
            served = run.sums_out()
        else:
            served = Served(shape, run.totals(path))
            path.lanes += columns.count
        if self.reduce == "mean":
            served.numbers = served.numbers / (columns.count or nan)
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
        values = {number: getattr(n, "_value", n) for number, n in given.items()}
        path = next((path for path in self.paths.known if self._serves(path, plain, values)), None)
        if path is None:
            with context.record_into(None):
                path = self.new(plain, values)
        if path is None:
            raise Unmapped(
                f"{name_of(self.paths.f)} takes more than {self.paths.limit} paths over lanes. Write its branches with "
                "where(condition, a, b)."
            )
        tape = path.tape
        try:
            return tape.output_shape, python.replay(tape, [*numbers, *given_to(tape.captured, given)])
        except (
            BranchError
        ):  # its careful program compares derivatives, which came out otherwise: one for this lane alone
            with context.record_into(None), self.lent(values):
                tape = self.paths.traced(plain, masked=True)
            return tape.output_shape, python.replay(tape, [*numbers, *given_to(tape.captured, given)])

    @staticmethod
    def _serves(path: Path, numbers: list[float], values: Given) -> bool:
        if any(v._number not in values for v in path.tape.captured):
            return False
        program = path.program("python", lambda tape: single(tape.program, "python"))
        return bool(program.run([*numbers, *given_to(path.tape.captured, values)])[0] <= 0)


def given_to(captured: Sequence[Variable], given: Given) -> list[Any]:
    """The numbers that stand for these captured Variables."""
    try:
        return [given[v._number] for v in captured]
    except KeyError:
        lost = next(v for v in captured if v._number not in given)
        raise Unmapped(
            f"with these arguments, a lane of a vmap takes a branch that uses {lost!r}, which no lane did when the vmap was "
            "recorded. Trace the function with such arguments, or use jit, which does so by itself."
        ) from None


@dataclass
class Part:
    """Outputs (numbers, lanes) of some lanes, all if None, and the nest of each."""

    shape: Shape
    numbers: Any
    lanes: Any

    def rows(self, shape: Shape) -> Any:
        """Its numbers as those of another shape, in which more leaves are numbers."""
        if self.shape.sizes == shape.sizes:
            return self.numbers
        rows = spread(list(self.numbers), self.shape, shape)
        return np.array([np.broadcast_to(row, self.numbers.shape[1]) for row in rows])


class Run:
    """One run of a function over all lanes: the outputs of the paths that served them, put together at the end."""

    def __init__(self, family: LanePaths, columns: Columns, given: Given | None) -> None:
        self.family, self.columns, self.given = family, columns, given
        self.captured: dict[int, Variable] = {}  # what the lanes used from outside
        self.parts: list[Part] = []

    # ---------------------------------------------------------------------------------------------------- serving

    def _with_captured(self, program: LaneProgram, columns: Columns) -> Columns:
        """The columns of a program: captured Variables are numbers that all lanes share."""
        if not program.captured:
            return columns
        self.captured |= {v._number: v for v in program.captured}
        if self.given is None:
            return columns.also_shared([v._value for v in program.captured])
        return columns.also_shared(given_to(program.captured, self.given))

    def totals(self, path: Path) -> Any:
        """Sums over lanes, block by block; blocks that came out NaN once more by the careful program."""
        program = self.family.program(path, summed=True)
        columns = self._with_captured(program, self.columns)
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
                        again = Run(self.family, self.columns.rows(rows), self.given)
                        again.serve(path.careful or path)
                        totals[k] = again.sums_out().numbers
                        self.captured |= again.captured
                return totals.sum(axis=0)

        return program.sums(columns, added)

    def serve(self, first: Path) -> None:
        """Run every lane by the path it takes."""
        if not self.columns.count:
            self.captured |= {v._number: v for v in first.tape.captured}
            self.parts.append(Part(first.tape.output_shape, np.empty((len(first.tape.outputs), 0)), None))
            return
        waiting: list[tuple[Path, Any, tuple[Path, ...]]] = [(first, None, ())]  # all lanes, and paths that they failed
        while waiting:
            path, lanes, tried = waiting.pop()
            columns = self.columns if lanes is None else self.columns.rows(lanes)
            program = self.family.program(path)
            outputs, status = program.each_lane(self._with_captured(program, columns))
            if status is None:
                path.serve(columns.count)
                self.parts.append(Part(path.tape.output_shape, outputs, lanes))
                continue
            lanes, done = np.arange(columns.count) if lanes is None else lanes, status == 0
            if done.any():
                path.serve(int(np.count_nonzero(done)))
                self.parts.append(Part(path.tape.output_shape, outputs[:, done], lanes[done]))
            for code in np.unique(status[~done]):
                waiting += self._continued(path, int(code), lanes[status == code], tried)

    def _continued(self, path: Path, status: int, lanes: Any, tried: tuple[Path, ...]) -> list[Any]:
        """The further runs of lanes that a path does not serve."""
        family, failed = self.family, (*tried, path)
        following = family.paths.following(
            path, status, failed, lambda: family.new(family.lane(self.columns, lanes[0]), self.given)
        )
        if following is not None:
            return [(following, lanes, failed)]
        again = lanes[:0]
        if path.parent is None and not family.paths.full:  # this lane hangs on a last digit; the others may not
            lanes, again = lanes[:1], lanes[1:]
        with family.lent(self.given), context.record_into(None):
            for lane in lanes:
                result = family.paths.eager(family.lane(self.columns, lane))
                numbers, shape = unravel(result, "the output", is_plain)
                column = np.array([getattr(number, "_value", number) for number in numbers], dtype=np.float64)
                self.parts.append(Part(shape, column[:, None], np.array([lane])))
        return [(path, again, tried)] if len(again) else []

    # ---------------------------------------------------------------------------------------------------- results

    def sums_out(self) -> "Served":
        """Sums over lanes, in their order."""
        common = self._common()
        shape = Shape(common.containers, tuple(map(_as_number, common.leaves)))
        if any(isinstance(leaf, Fixed) for leaf in shape.leaves):
            raise ArgumentError(
                "reduce adds numbers up, but the mapped function returns something else. Return numbers only."
            )
        return Served(shape, self._numbers(shape).sum(axis=1))

    def columns_out(self) -> "Served":
        """The outputs of each lane.

        A leaf that is a float in one lane is one in all: an integer of another lane counts as the float equal to it. A leaf
        that is a float in no lane stays as it is.
        """
        shape = self._common()
        facts = {k: self._facts(k) for k, leaf in enumerate(shape.leaves) if isinstance(leaf, Fixed)}
        return Served(shape, self._numbers(shape), facts)

    def _common(self) -> Shape:
        """The shape of the outputs of all lanes."""
        common = self.parts[0].shape
        for shape in [part.shape for part in self.parts[1:]]:
            pairs = list(zip(common.leaves, shape.leaves, strict=False))
            if common.containers != shape.containers or not all(_alike(*pair) for pair in pairs):
                raise ArgumentError(
                    f"the mapped function returns {common.outline()} in some lanes and {shape.outline()} in others (* is a "
                    "float). Return the same structure from every branch."
                )
            leaves = tuple(leaf if _as_number(leaf) is leaf else other for leaf, other in pairs)
            common = Shape(common.containers, leaves)
        return common

    def _numbers(self, shape: Shape) -> Any:
        """The numbers of all lanes: an array (numbers, lanes)."""
        if self.parts[0].lanes is None:
            return self.parts[0].rows(shape)
        numbers = np.empty((sum(shape.sizes), self.columns.count))
        for part in self.parts:
            numbers[:, part.lanes] = part.rows(shape)
        return numbers

    def _facts(self, k: int) -> Any:
        """Leaf `k`, a float in no lane, as an array over lanes: of NumPy's common type if that is of the same kind."""
        facts = [_fact(part.shape.leaves[k]) for part in self.parts]
        try:
            common = np.result_type(*{fact.dtype for fact in facts})
        except TypeError:
            common = np.dtype(object)
        other = {fact.dtype.kind for fact in facts} - {common.kind}
        if other and not (other <= set("biu") and common.kind in "iu"):
            common = np.dtype(object)
        column = np.empty((self.columns.count, *facts[0].shape), common)
        for part, fact in zip(self.parts, facts, strict=True):
            column[slice(None) if part.lanes is None else part.lanes] = fact
        return column


def _alike(leaf: Any, other: Any) -> bool:
    """Whether leaves of two lanes can go into one array."""
    if isinstance(leaf, Fixed) and isinstance(other, Fixed):
        return bool(_fact(leaf).shape == _fact(other).shape)
    return bool(_as_number(leaf) == _as_number(other))


def _as_number(leaf: Any) -> Any:
    """The leaf; if it is an integer, a flag or an array of such, that of the floats equal to them."""
    if not isinstance(leaf, Fixed) or _fact(leaf).dtype.kind not in "biu":
        return leaf
    return leaf.thing.shape if isinstance(leaf.thing, np.ndarray) else None


def _fact(leaf: Any) -> Any:
    """A `Fixed` leaf as an array, or as an object in one."""
    if isinstance(leaf.thing, (np.ndarray, np.generic, int, complex, str, bytes)):
        return np.asarray(leaf.thing)
    fact = np.empty((), dtype=object)
    fact[()] = leaf.thing
    return fact


def spread(numbers: list[Any], own: Shape, shape: Shape) -> list[Any]:
    """Numbers of a shape as those of another, in which more leaves are numbers."""
    if own.sizes == shape.sizes:
        return numbers
    found: list[Any] = []
    start = 0
    for leaf, size, wanted in zip(own.leaves, own.sizes, shape.sizes, strict=True):
        found += numbers[start : start + size]
        if isinstance(leaf, Fixed) and wanted:
            found += [as_float(number) for number in np.ravel(leaf.thing)]
        start += size
    return found


@dataclass
class Served:
    """The outputs of all lanes: numbers (outputs,) if they are summed, else (outputs, lanes); and their shape for one lane.

    `facts` are the leaves that are no numbers, by their places; `captured` what the lanes used from outside.
    """

    shape: Shape
    numbers: Any
    facts: dict[int, Any] = field(default_factory=dict)
    captured: list[Variable] = field(default_factory=list)

    def packed(self, numbers: Any = None) -> Any:
        """The nest of outputs, with an axis of lanes first if they are not summed; of other numbers if those are given."""
        own, shape = self.numbers if numbers is None else numbers, self.shape
        if own.ndim == 1:
            return shape.pack(own)
        leaves, start = [], 0
        for k, (leaf, size) in enumerate(zip(shape.leaves, shape.sizes, strict=True)):
            rows = own[start : start + size]
            if isinstance(leaf, Fixed):
                leaves.append(self.facts[k])
            else:
                column = rows[0] if leaf is None else np.ascontiguousarray(rows.T).reshape(own.shape[1], *leaf)
                leaves.append(column.view(VariableArray) if column.dtype == object else column)
            start += size
        return optree.tree_unflatten(shape.containers, leaves)


def reduced(lanes: Any, reduce: str | None) -> Any:
    """Lanes that are Variables, added up or averaged over the first axis; sums over lanes start with 0.0, so none is -0.0."""
    total = functions.sum(lanes, axis=0) + 0.0
    return total / (len(lanes) or nan) if reduce == "mean" else total
