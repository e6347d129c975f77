"""A function over lanes: every lane by the path that it takes, all lanes of a path by one program."""

import copy
import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from math import nan
from typing import Any

import numpy as np
import optree

from autograd_lite import context, functions
from autograd_lite.arrays import keeping
from autograd_lite.errors import ArgumentError, BranchError, LoopLimitError, RowError
from autograd_lite.nests import Fixed, Shape, unravel
from autograd_lite.primitives import as_float
from autograd_lite.refusals import singular_in_lane
from autograd_lite.tape import recording
from autograd_lite.tape.backends import python
from autograd_lite.tape.backends.lanes import Columns, LaneProgram
from autograd_lite.tape.backends.outputs import Outputs
from autograd_lite.tape.backends.registry import single
from autograd_lite.tape.paths import Path, Paths, Patient, Uncaptured, Unmapped, Unserved, adopt
from autograd_lite.tape.steps import MAX_PATHS as MAX_TURNS
from autograd_lite.tape.steps import lent, wider
from autograd_lite.tape.trace import is_plain
from autograd_lite.transforms import name_of
from autograd_lite.variable import Variable

#: The status of a lane in whose loop a turn takes an unknown path, and of one whose loop would go on; see `masked.inlined`.
UNSERVED, TOO_MANY = -2, -3

#: Numbers of captured Variables, by the numbers of the nodes.
Given = Mapping[int, Any]


@contextmanager
def in_row(lane: int) -> Iterator[None]:
    """Run a lane. An index that names no row of a table, and a loop that goes on too long, say in which lane they stand."""
    token = recording.lane.set(True)
    try:
        yield
    except (RowError, LoopLimitError) as error:
        raise type(error)(f"in row {lane} of vmap, {error}") from error
    finally:
        recording.lane.reset(token)


class LanePaths(Patient):
    """The paths of one function over lanes; those leaves of a lane's arguments that are `mapped` differ from lane to lane."""

    def __init__(
        self, paths: Paths, mapped: tuple[bool, ...], backend: str, *, reduce: str | None, contract: bool = False
    ) -> None:
        self.paths, self.mapped, self.backend, self.reduce, self.contract = paths, mapped, backend, reduce, contract
        self.derived: dict[Any, LanePaths] = {}  # of derivatives of the function
        self.entry: Any = None  # the short way of a call with arguments of this shape
        self._examples: dict[Path, list[float]] = {}  # what captured Variables were when a path was recorded
        ends = itertools.accumulate(paths.shape.sizes)
        slots = [range(end - size, end) for size, end in zip(paths.shape.sizes, ends, strict=True)]
        #: The slots of the numbers that all lanes share, and of a row of each array.
        self.shared = [slot for own, differs in zip(slots, mapped, strict=True) if not differs for slot in own]
        self.rows = [own for own, differs in zip(slots, mapped, strict=True) if differs]
        self.order = np.argsort([*self.shared, *itertools.chain(*self.rows)])  # in which a lane takes them

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
        return own[self.order].tolist()  # type: ignore[no-any-return]

    def program(self, path: Path, *, summed: bool = False) -> LaneProgram:
        def compiled(tape: Any) -> LaneProgram:
            varying = np.ones(len(self.order), dtype=bool)
            varying[self.shared] = False
            return LaneProgram(tape, varying.tolist(), self.backend, summed=summed, contract=self.contract)

        key = self.backend, summed
        if path.loops:
            key = *key, self.learnt(path)  # type: ignore[assignment]
            for old in [old for old in path.programs if old[:2] == key[:2] and old != key]:
                path.programs.pop(old, None)
        program: LaneProgram = path.program(key, compiled)
        return program

    @staticmethod
    def learnt(path: Path) -> tuple[int, ...]:
        """How many paths the loops of a path know: its code is that of those."""
        return tuple([n for steps in path.loops for n in steps.known()])

    def first(self, columns: Columns) -> Path:
        """The path to begin with; it is traced with ones where there is no lane."""
        known = self.paths.known
        if known:
            return known[0] if len(known) == 1 else self.paths.first(())
        if not columns.count:
            columns = Columns(1, columns.shared, [np.ones((1, array.shape[1])) for array in columns.arrays])
        with in_row(0):
            return self.paths.first(self.lane(columns, 0))

    def __call__(self, columns: Columns, given: Given | None = None) -> "Served":
        """Run all lanes; captured Variables are what they are `given` as, or now."""
        while True:
            try:
                return self._served(columns, given)
            except Uncaptured as error:  # by a loop, which captures all in reach from now on, or else is none
                if given is not None or not self.paths.loops:
                    raise Unmapped(f"{error} Its lanes are to be recorded one by one.") from error
                self.paths, self.derived = wider(self.paths), {}

    def _served(self, columns: Columns, given: Given | None) -> "Served":
        served, path = Served(self, columns, given), self.first(columns)
        tested = path.guards or path.loops or any(isinstance(n, Fixed) for n in path.tape.output_shape.leaves)
        if self.skips > 0 and given is None and not any(path.tape.captured for path in self.paths.known):
            self.skips -= 1
            served.run_each()
        elif self.reduce and not tested:
            served.add_up(path)
        else:
            served.serve(path)
        if self.reduce == "mean":
            served.sums = served.sums / (columns.count or nan)
        return served

    def new(self, numbers: list[float], given: Given | None) -> Path | None:
        """The path of a lane that no known one serves; see `Paths.new`."""
        with self.lent(given):
            if given is not None:
                self._test_unchanged()
            return self.paths.new(numbers)

    def lent(self, given: Given | None) -> AbstractContextManager[None]:
        """For a while captured Variables have the numbers that they are given as."""
        if given is None:
            return nullcontext()
        captured = {v._number: v for path in self.paths.known for v in path.tape.captured if v._number in given}
        return lent(self.paths._lock, [*captured.values()], [given[number] for number in captured])

    def note_examples(self) -> None:
        """Remember what captured Variables are now for the paths that were recorded with that."""
        for path in self.paths.known:
            self._examples.setdefault(path, [v._value for v in path.tape.captured])

    def _test_unchanged(self) -> None:
        """Refuse to record a further path of a function that has changed since, by what it takes from outside."""
        for path, values in self._examples.items():
            with self.lent({v._number: value for v, value in zip(path.tape.captured, values, strict=True)}):
                changed = self.paths.changed(path)
            if changed:
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
        inputs = [*numbers, *given_to(tape.captured, given)]
        with suppress(BranchError):  # its careful program compares derivatives: then one for this lane alone
            with suppress(Unserved):  # the loops of the careful program met the turns of one trace only
                return tape.output_shape, python.replay(tape, inputs)
            if path.careful and adopt(path.careful.tape, tape)[0]:
                return tape.output_shape, python.replay(tape, inputs)
        with context.record_into(None), self.lent(values):
            tape = self.paths.traced(plain, masked=True)
        return tape.output_shape, python.replay(tape, [*numbers, *given_to(tape.captured, given)])

    @staticmethod
    def _serves(path: Path, numbers: list[float], values: Given) -> bool:
        if any(v._number not in values for v in path.tape.captured):
            return False
        program = path.program("python", lambda tape: single(tape.program, "python"))
        try:
            return bool(program.run([*numbers, *given_to(path.tape.captured, values)])[0] <= 0)
        except Unserved:
            return False


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


class Served:
    """One run over all lanes: the outputs of the paths that served them, put together."""

    shape: Shape  # of one lane's outputs, or of their sums
    sums: Any = None  # (outputs,) if they are summed
    outputs: Outputs  # else

    def __init__(self, family: LanePaths, columns: Columns, given: Given | None, above: int = 0) -> None:
        self.family, self.columns, self.given = family, columns, given
        self.above = above  # rows of the call before those of these columns: errors count them
        self.facts: dict[int, Any] = {}  # leaves that are no numbers, by their places, with an axis of lanes first
        self.captured: dict[int, Variable] = {}  # what the lanes used from outside
        self.alone = 0  # lanes that the function itself has run
        #: Of lanes, all if None, the shape of each, and outputs; a lane has those of the last part that it is in.
        self._parts: list[tuple[Shape, Outputs, Any]] = []

    def _with_captured(self, program: LaneProgram, columns: Columns) -> Columns:
        """The columns of a program: captured Variables are numbers that all lanes share."""
        if not program.captured:
            return columns
        self.captured |= {v._number: v for v in program.captured}
        captured, given = program.captured, self.given
        return columns.also_shared([v._value for v in captured] if given is None else given_to(captured, given))

    def add_up(self, path: Path) -> None:
        """Sums over lanes by one path, block by block; blocks that came out NaN once more by its careful program."""
        program, self.shape = self.family.program(path, summed=True), path.tape.output_shape
        columns = self._with_captured(program, self.columns)

        def added(sums: Any, block: int) -> Any:
            totals = sums[:, : program.outputs]
            if len(sums) == 1 and not (program.doubtful and np.isnan(sums).any()):
                return totals[0] + 0.0
            with np.errstate(all="ignore"):
                if program.doubtful and np.isnan(sums.sum()):
                    for k in map(int, np.flatnonzero(np.isnan(sums).any(axis=1))):
                        rows = np.arange(k * block, min((k + 1) * block, columns.count))
                        again = Served(self.family, self.columns.rows(rows), self.given, self.above + k * block)
                        again.serve(path.careful or path)
                        totals[k] = again.sums
                        self.captured |= again.captured
                return totals.sum(axis=0)

        self.sums = program.sums(columns, added) if columns.count else np.zeros(program.outputs)
        path.serve(columns.count)

    def serve(self, first: Path) -> None:
        """Every lane by the path it takes; by that which has taken its place, if it was dropped for what later lanes do."""
        waiting: list[tuple[Path, Any, tuple[Path, ...]]] = [(first, None, ())]  # lanes, and the paths that they failed
        runs, served_by = 0, list[tuple[Path, Any]]()
        while waiting or self._replaced(served_by, waiting):
            runs += 1
            path, lanes, tried = waiting.pop()
            path = self.family.paths.standing(path, tried)
            columns = self.columns if lanes is None else self.columns.rows(lanes)
            program, shape = self.family.program(path), path.tape.output_shape
            outputs, status = program.each_lane(self._with_captured(program, columns), self._sizes(shape))
            if status is None:
                path.serve(columns.count)
                self._parts.append((shape, outputs, lanes))
                served_by.append((path, np.arange(columns.count) if lanes is None else lanes))
                continue
            groups = by_status(status)
            if (done := groups.pop(0, None)) is not None:
                path.serve(len(done))
                served_by.append((path, done if lanes is None else lanes[done]))
                self._parts.append((shape, outputs, lanes))  # with those that other paths will write again
            for code, failed in groups.items():
                waiting += self._continued(path, code, failed if lanes is None else lanes[failed], tried)
        served = self.columns.count - self.alone
        if self.family.paths.full and served < runs:  # by more programs than lanes
            self.family.miss()
        else:
            self.family.hit()
        self._put_together()

    def _replaced(self, served_by: list[tuple[Path, Any]], waiting: list[Any]) -> bool:
        """Let the lanes of paths that were dropped meanwhile wait again: the bits of a lane do not hang on its place."""
        paths = self.family.paths
        dropped = [own for own in served_by if (own[0].parent or own[0]) not in paths.known]
        if dropped:
            served_by[:] = [own for own in served_by if (own[0].parent or own[0]) in paths.known]
            for path, lanes in dropped:
                path.serve(-len(lanes))
            lanes = np.concatenate([lanes for _, lanes in dropped])
            waiting.append((paths.first(self.family.lane(self.columns, lanes[0])), lanes, ()))
        return bool(dropped)

    def run_each(self) -> None:
        """Every lane by the function itself."""
        self._eagerly(np.arange(self.columns.count))
        self._put_together()

    def _continued(self, path: Path, status: int, lanes: Any, tried: tuple[Path, ...]) -> list[Any]:
        """The further runs of lanes that a path does not serve."""
        family, failed = self.family, (*tried, path)
        first, known = family.lane(self.columns, lanes[0]), family.learnt(path)
        following = None
        if status != TOO_MANY:  # else the function itself says so
            failing = None if status == UNSERVED else status
            with in_row(self.above + lanes[0]):
                following = family.paths.following(path, failing, failed, lambda: family.new(first, self.given))
        if following is None and family.learnt(path) != known:
            following = path
        if following is not None:
            return [(following, lanes, () if following is path else failed)]
        again = lanes[:0]
        full = family.paths.full or (status == UNSERVED and max(known, default=0) >= MAX_TURNS)
        if (path.parent is None and not full) or status == TOO_MANY:
            # This lane hangs on a last digit, or is the first whose loop goes on too long; others need not.
            lanes, again = lanes[:1], lanes[1:]
        self._eagerly(lanes)
        return [(path, again, tried)] if len(again) else []

    def _eagerly(self, lanes: Any) -> None:
        """These lanes by the function itself."""
        found: dict[Any, list[tuple[Shape, int, list[float]]]] = {}
        singular: dict[int, Exception] = {}
        with self.family.lent(self.given), context.record_into(None):
            for lane in lanes.tolist():
                try:
                    with in_row(self.above + lane):
                        result = self.family.paths.eager(self.family.lane(self.columns, lane))
                except np.linalg.LinAlgError as error:
                    singular[lane] = error
                    continue
                numbers, shape = unravel(result, "the output", is_plain)
                key = lane if any(isinstance(leaf, Fixed) for leaf in shape.leaves) else shape  # facts may differ
                found.setdefault(key, []).append(
                    (shape, lane, [getattr(number, "_value", number) for number in numbers])
                )
        self._without_result(singular, found)
        for own in found.values():
            shapes, alike, rows = zip(*own, strict=True)
            outputs = Outputs.empty(len(rows), self._sizes(shapes[0]))
            for column, row in zip(outputs.columns(), np.array(rows, dtype=np.float64).T, strict=True):
                column[:] = row
            self._parts.append((shapes[0], outputs, np.array(alike)))
        self.alone += len(lanes)

    def _without_result(self, singular: dict[int, Exception], found: dict[Any, Any]) -> None:
        """NaN for lanes whose matrix has no result, as in compiled ones; the error if no lane has a result to go by."""
        shapes = [part[0] for part in self._parts] + [own[0][0] for own in found.values()]
        for lane, error in singular.items():
            if not shapes or any(isinstance(leaf, Fixed) for leaf in shapes[0].leaves):
                raise singular_in_lane(error, self.above + lane) from error
            count = sum(shapes[0].sizes)
            found.setdefault(shapes[0], []).append((shapes[0], lane, [nan] * count))

    def _put_together(self) -> None:
        """The shape and the numbers of all lanes.

        A leaf that is a float in one lane is one in all: an integer of another lane counts as the float equal to it. A leaf
        that is a float in no lane stays as it is.
        """
        common = self._parts[0][0]
        for shape, _, _ in self._parts[1:]:
            pairs = list(zip(common.leaves, shape.leaves, strict=False))
            alike = all(
                _fact(one).shape == _fact(other).shape
                if isinstance(one, Fixed) and isinstance(other, Fixed)
                else _as_number(one) == _as_number(other)
                for one, other in pairs
            )
            if common.containers != shape.containers or not alike:
                raise ArgumentError(
                    f"the mapped function returns {common.outline()} in some lanes and {shape.outline()} in others (* is a "
                    "float). Return the same structure from every branch."
                )
            leaves = tuple(leaf if _as_number(leaf) is leaf else other for leaf, other in pairs)
            common = Shape(common.containers, leaves)
        if self.family.reduce is not None:
            common = Shape(common.containers, tuple(map(_as_number, common.leaves)))
        self.shape = common
        self.facts = {k: self._facts(k) for k, leaf in enumerate(common.leaves) if isinstance(leaf, Fixed)}
        if self.facts and self.family.reduce is not None:
            raise ArgumentError(
                "reduce adds numbers up, but the mapped function returns something else. Return numbers only."
            )
        self.outputs = self._joined()
        if self.family.reduce is not None:
            self.sums = self.outputs.table().sum(axis=1)

    def _sizes(self, shape: Shape) -> Sequence[int]:
        """How many numbers stand together in a lane: those of a leaf, but single ones where they are added up in rows."""
        return shape.sizes if self.family.reduce is None else [1] * sum(shape.sizes)

    def _joined(self) -> Outputs:
        """The outputs of all lanes."""
        joined: Outputs | None = None
        for shape, outputs, lanes in self._parts:
            same = shape.sizes == self.shape.sizes
            if lanes is None and same:
                joined = outputs
                continue
            if joined is None:
                joined = Outputs.empty(self.columns.count, self._sizes(self.shape))
            if same:
                pairs = zip(joined.pieces(), outputs.pieces(), strict=True)
            else:
                pairs = zip(joined.columns(), spread(outputs.columns(), shape, self.shape), strict=True)
            for own, numbers in pairs:
                own[slice(None) if lanes is None else lanes] = numbers
        assert joined is not None
        return joined

    def _facts(self, k: int) -> Any:
        """Leaf `k`, a float in no lane, as an array over lanes: of NumPy's common type if that is of the same kind."""
        facts = [_fact(shape.leaves[k]) for shape, _, _ in self._parts]
        try:
            common = np.result_type(*{fact.dtype for fact in facts})
        except TypeError:
            common = np.dtype(object)
        other = {fact.dtype.kind for fact in facts} - {common.kind}
        if other and not (other <= set("biu") and common.kind in "iu"):
            common = np.dtype(object)
        column = np.empty((self.columns.count, *facts[0].shape), common)
        for (_, _, lanes), fact in zip(self._parts, facts, strict=True):
            column[slice(None) if lanes is None else lanes] = fact
        return column

    @property
    def numbers(self) -> Any:
        """The sums, or else all numbers as an array (numbers, lanes)."""
        return self.outputs.table() if self.sums is None else self.sums

    def packed(self, numbers: Any = None) -> Any:
        """The nest of outputs, with an axis of lanes first if they are not summed; of Variables if those are given."""
        shape = self.shape
        if self.sums is not None:
            return shape.pack(self.sums if numbers is None else numbers)
        leaves, start = [], 0
        for k, (leaf, size) in enumerate(zip(shape.leaves, shape.sizes, strict=True)):
            if isinstance(leaf, Fixed):
                leaves.append(self.facts[k])
            elif numbers is None:
                leaves.append(self.outputs.leaf(k, leaf))
            else:
                rows = numbers[start : start + size]
                column = rows[0] if leaf is None else np.ascontiguousarray(rows.T).reshape(self.columns.count, *leaf)
                leaves.append(column.view(keeping()))
            start += size
        return optree.tree_unflatten(shape.containers, leaves)


def by_status(status: Any) -> dict[int, Any]:
    """The lanes of each status, in their order: as integers of 16 bits they are sorted in one pass."""
    codes = status.astype(np.int16 if np.abs(status).max() < 2**15 else np.int64)
    order = np.argsort(codes, kind="stable")
    ends = np.flatnonzero(np.diff(codes[order])) + 1
    return {int(codes[lanes[0]]): lanes for lanes in np.split(order, ends)}


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


def reduced(lanes: Any, reduce: str | None) -> Any:
    """Lanes that are Variables, added up or averaged over the first axis; sums over lanes start with 0.0, so none is -0.0."""
    total = functions.sum(lanes, axis=0) + 0.0
    return total / (len(lanes) or nan) if reduce == "mean" else total
