"""`vmap`: a function over many lanes at once."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import optree

from autograd_lite import functions, observers
from autograd_lite.errors import ArgumentError, OperandError
from autograd_lite.nests import NAMESPACE, Fixed, Shape, unravel, variables_of
from autograd_lite.primitives import as_float
from autograd_lite.tape.paths import Path, Paths
from autograd_lite.tape.programs import Columns, LaneProgram
from autograd_lite.tape.trace import is_fixed, is_plain
from autograd_lite.transforms import name_of

REDUCTIONS = (None, "sum", "mean")


@dataclass
class Batch:
    """Arguments taken apart: columns of numbers, the shape of one lane's arguments, and which leaves differ by lane."""

    columns: Columns
    shape: Shape
    mapped: tuple[bool, ...]

    @property
    def varying(self) -> list[bool]:
        """Which numbers differ from lane to lane, in slot order."""
        flags: list[bool] = []
        for differs, size in zip(self.mapped, self.shape.sizes, strict=True):
            flags += [differs] * size
        return flags

    def lane(self, k: int) -> list[float]:
        """The numbers of one lane in slot order."""
        return self._numbers([array[k] for array in self.columns.arrays])

    def of_lanes(self, lanes: Any) -> "Batch":
        """Only these lanes."""
        return Batch(self.columns.rows(lanes), self.shape, self.mapped)

    def example(self) -> list[float]:
        """Numbers to trace with: those of the first lane, ones where there is no lane."""
        if self.columns.count:
            return self.lane(0)
        return self._numbers([np.ones(array.shape[1]) for array in self.columns.arrays])

    def _numbers(self, own: list[Any]) -> list[float]:
        numbers: list[float] = []
        shared, start, rows = self.columns.shared.tolist(), 0, iter(own)
        for differs, size in zip(self.mapped, self.shape.sizes, strict=True):
            if differs:
                numbers += next(rows).tolist()
            else:
                numbers += shared[start : start + size]
                start += size
        return numbers


def batch_of(arguments: tuple[Any, ...], keywords: dict[str, Any], in_axes: Any, name: str) -> Batch:
    """Take the arguments of a mapped function apart.

    Raises
    ------
    ArgumentError
        If the axes do not fit the arguments, or arrays disagree on the number of lanes.
    """
    nest: Any = (arguments, keywords)
    leaves, containers = optree.tree_flatten(nest, namespace=NAMESPACE)
    axes = _axes(arguments, keywords, in_axes, name)
    count = None
    shared: list[Any] = []
    arrays: list[Any] = []
    outlines: list[Any] = []
    for leaf, axis in zip(leaves, axes, strict=True):
        if axis is None:
            if isinstance(leaf, np.ndarray) and leaf.dtype == np.float64:
                shared.append(leaf.ravel())
                outlines.append(leaf.shape)
            else:
                numbers, own = unravel(leaf, f"an argument of {name}", is_fixed)
                shared.append(np.array(numbers, dtype=np.float64))
                outlines += own.leaves
            continue
        array = _array(leaf, name)
        if not -array.ndim <= axis < array.ndim:
            raise ArgumentError(f"{name} maps over axis {axis} of an array of shape {array.shape}. Check in_axes.")
        rows = np.moveaxis(array, axis, 0) if axis else array
        if count not in (None, len(rows)):
            raise ArgumentError(
                f"{name} got {count} lanes in one argument and {len(rows)} in another (shape {array.shape}, axis {axis}). "
                "Give all mapped arguments one length, and in_axes=None to those that all lanes share."
            )
        count = len(rows)
        outlines.append(rows.shape[1:] or None)
        size = math.prod(rows.shape[1:])
        arrays.append(rows.reshape(count, size))
    if count is None:
        raise ArgumentError(
            f"{name} maps over none of its arguments. Give in_axes=0 to those that have an axis of lanes."
        )
    together = shared[0] if len(shared) == 1 else np.concatenate(shared) if shared else np.empty(0)
    columns = Columns(count, together, arrays)
    return Batch(columns, Shape(containers, tuple(outlines)), tuple(axis is not None for axis in axes))


def _axes(arguments: tuple[Any, ...], keywords: Any, in_axes: Any, name: str) -> list[int | None]:
    """The axis of each leaf; keyword arguments are mapped over their first."""
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)
    if isinstance(in_axes, tuple) and len(in_axes) != len(arguments):
        raise ArgumentError(
            f"{name} got {len(arguments)} positional arguments for in_axes={in_axes}. Give one axis, or None, for each."
        )
    prefixes = in_axes if isinstance(in_axes, tuple) else (in_axes,) * len(arguments)
    axes: list[int | None] = []
    for prefix, argument in zip(prefixes, arguments, strict=True):
        count = len(optree.tree_leaves(argument, namespace=NAMESPACE))
        if prefix is None or isinstance(prefix, int):
            axes += [prefix] * count
            continue
        try:
            spread = optree.broadcast_prefix(prefix, argument, none_is_leaf=True, namespace=NAMESPACE)
        except ValueError as error:
            raise ArgumentError(f"in_axes {prefix!r} of {name} does not fit its argument: {error}") from error
        axes += spread
    axes += [0] * len(optree.tree_leaves(keywords, namespace=NAMESPACE))
    for axis in axes:
        if axis is not None and (isinstance(axis, bool) or not isinstance(axis, int)):
            raise ArgumentError(f"in_axes of {name} holds {axis!r}; give the number of an axis, or None.")
    return axes


def _array(leaf: Any, name: str) -> Any:
    """A float64 array equal to the leaf."""
    if not isinstance(leaf, np.ndarray):
        raise ArgumentError(
            f"{name} maps over {leaf!r:.60}, which is no array. Pass an array with an axis of lanes, or give in_axes=None to "
            "what all lanes share."
        )
    if leaf.dtype == np.float64:
        return leaf
    if leaf.dtype.kind not in "biuf":
        raise OperandError(f"{name} maps over an array of {leaf.dtype}. Pass an array of real numbers.")
    converted = leaf.astype(np.float64)
    if leaf.dtype.kind in "iu" and leaf.dtype.itemsize == 8 and not np.array_equal(converted.astype(leaf.dtype), leaf):
        for number in leaf.ravel():
            as_float(number)  # refuses the one that is not exact
    return converted


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
    ) -> None:
        self.paths = Paths(f, shape, limit)
        self.backend, self.reduce, self.contract = backend, reduce, contract

    def program(self, path: Path, batch: Batch, *, careful: bool = False, summed: bool = False) -> LaneProgram:
        """The path compiled."""
        program: LaneProgram = path.program(
            (batch.mapped, summed),
            lambda tape: LaneProgram(tape, batch.varying, self.backend, summed=summed, contract=self.contract),
            careful=careful,
        )
        return program

    def first(self, batch: Batch) -> Path:
        """The path to begin with."""
        return self.paths.first(() if self.paths.known else batch.example())

    def __call__(self, batch: Batch) -> Any:
        """Run all lanes."""
        path = self.first(batch)
        results = Results(path.tape.output_shape, batch.columns.count)
        if self.reduce and not path.guards:
            totals = self._totals(path, batch)
            path.lanes += batch.columns.count
        else:
            self._run(batch, path, results)
            totals = results.totals() if self.reduce else None
        if totals is None:
            return results.packed()
        if self.reduce == "mean":
            with np.errstate(all="ignore"):
                totals /= batch.columns.count
        return results.shape.pack(totals)

    def _totals(self, path: Path, batch: Batch) -> Any:
        """Sums over lanes, block by block; blocks that came out NaN once more by the careful program."""
        program = self.program(path, batch, summed=True)
        if not batch.columns.count:
            return np.zeros(program.outputs)
        with program.sums(batch.columns) as (totals, block), np.errstate(all="ignore"):
            total = totals.sum(axis=0)
            if not program.doubtful or not np.isnan(total.sum()):
                return total
            for k in map(int, np.flatnonzero(np.isnan(totals).any(axis=1))):
                rows = np.arange(k * block, min((k + 1) * block, batch.columns.count))
                again = Results(path.tape.output_shape, len(rows))
                self._run(batch.of_lanes(rows), path, again, careful=True)
                totals[k] = again.totals()
            return totals.sum(axis=0)

    def _run(self, batch: Batch, first: Path, results: "Results", *, careful: bool = False) -> None:
        """Serve every lane by the path it takes."""
        waiting = [Waiting(None, first, careful=careful)]
        while waiting:
            some = waiting.pop()
            columns = batch.columns if some.lanes is None else batch.columns.rows(some.lanes)
            if not columns.count:
                continue
            outputs, status = self.program(some.path, batch, careful=some.careful).each_lane(columns)
            done = status <= 0 if some.careful else status == 0
            some.path.lanes += results.write(some.path.tape.output_shape, outputs, some.lanes, done)
            if done.all():
                continue
            numbers = np.arange(columns.count) if some.lanes is None else some.lanes
            for code in np.unique(status[~done]):
                waiting += self._continued(batch, some, int(code), numbers[status == code], results)

    def _continued(self, batch: Batch, some: "Waiting", code: int, lanes: Any, results: "Results") -> list["Waiting"]:
        """What to do with lanes that failed guard `code`."""
        if some.careful:  # the careful program tests more, and has no paths of its own
            return self._eagerly(batch, lanes, results)
        if code < 0:
            return [Waiting(lanes, some.path, some.tried, careful=True)]
        tried = (*some.tried, some.path)
        others = self.paths.others(some.path, code - 1, tried)
        following = others[0] if others else self.paths.new(batch.lane(lanes[0]))
        if following is not None:
            return [Waiting(lanes, following, tried)]
        if len(self.paths.known) < self.paths.limit:  # this lane hangs on a last digit; the others may not
            results.write_eagerly(self.paths.eager(batch.lane(lanes[0])), lanes[0])
            return [Waiting(lanes[1:], some.path, some.tried)]
        return self._eagerly(batch, lanes, results)

    def _eagerly(self, batch: Batch, lanes: Any, results: "Results") -> list["Waiting"]:
        for lane in lanes:
            results.write_eagerly(self.paths.eager(batch.lane(lane)), lane)
        return []


@dataclass
class Waiting:
    """Lanes to be run by a path, all if None; and the paths that they failed."""

    lanes: Any
    path: Path
    tried: tuple[Path, ...] = ()
    careful: bool = False


class Results:
    """Outputs of all lanes, written as the lanes are served."""

    def __init__(self, shape: Shape, count: int) -> None:
        self.shape, self.count = shape, count
        self.numbers: Any = None
        self.fixed: dict[int, Any] = {}

    def write(self, shape: Shape, outputs: Any, lanes: Any, done: Any) -> int:
        """Keep the outputs (numbers, lanes) of those `lanes` that are `done`; returns how many these are."""
        self._check(shape)
        if lanes is None and done.all():
            self.numbers = outputs
        else:
            if self.numbers is None:
                self.numbers = np.empty((len(outputs), self.count))
            target = np.arange(self.count)[done] if lanes is None else lanes[done]
            self.numbers[:, target] = outputs[:, done]
        for k, leaf in enumerate(shape.leaves):
            if isinstance(leaf, Fixed):
                held = self.fixed.setdefault(k, np.full(self.count, leaf.thing))
                held[slice(None) if lanes is None else lanes[done]] = leaf.thing
        return int(np.count_nonzero(done))

    def write_eagerly(self, result: Any, lane: int) -> None:
        """Keep what the function itself gave for one lane."""
        numbers, shape = unravel(result, "the output", is_plain)
        column = np.array(numbers, dtype=np.float64)[:, None]
        self.write(shape, column, np.array([lane]), np.array([True]))

    def _check(self, shape: Shape) -> None:
        alike = shape.containers == self.shape.containers and [
            isinstance(leaf, Fixed) or leaf for leaf in shape.leaves
        ] == [isinstance(leaf, Fixed) or leaf for leaf in self.shape.leaves]
        if not alike:
            raise ArgumentError(
                f"the mapped function returns {self.shape.leaves} in some lanes and {shape.leaves} in others. Return the "
                "same structure from every branch."
            )

    def totals(self) -> Any:
        """Sums over lanes, in their order."""
        if self.fixed:
            raise ArgumentError(
                "reduce adds numbers up, but the mapped function returns something else. Return numbers only."
            )
        if self.numbers is None:
            return np.zeros(sum(self.shape.sizes))
        return self.numbers.sum(axis=1)

    def packed(self) -> Any:
        """The nest of outputs, each leaf with an axis of lanes first."""
        if self.numbers is None:
            self.numbers = np.empty((sum(self.shape.sizes), self.count))
        leaves, start = [], 0
        for k, (leaf, size) in enumerate(zip(self.shape.leaves, self.shape.sizes, strict=True)):
            if isinstance(leaf, Fixed):
                leaves.append(self.fixed.get(k, np.full(self.count, leaf.thing)))
                continue
            rows = self.numbers[start : start + size]
            leaves.append(rows[0] if leaf is None else np.ascontiguousarray(rows.T).reshape(self.count, *leaf))
            start += size
        return optree.tree_unflatten(self.shape.containers, leaves)


class Mapped:
    """What `vmap` returns."""

    def __init__(self, f: Callable[..., Any], in_axes: Any, reduce: str | None) -> None:
        self.f, self.in_axes, self.reduce = f, in_axes, reduce
        self.__name__ = self.__qualname__ = f"vmap({name_of(f)})"
        self.__doc__ = f.__doc__

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Run all lanes: as arrays on numbers, one after the other on Variables."""
        if observers.active or self.holds_variables(arguments, keywords):
            return self._one_by_one(arguments, keywords)
        batch = batch_of(arguments, keywords, self.in_axes, self.__name__)
        paths = LanePaths(self.f, batch.shape, 64, "numpy", self.reduce)
        if paths.first(batch).tape.captured:
            return self._one_by_one(arguments, keywords)
        return paths(batch)

    @staticmethod
    def holds_variables(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> bool:
        """Whether an argument is a Variable or holds some: then lanes run one by one, and results are Variables."""
        nest: Any = (arguments, keywords)
        leaves: list[Any] = optree.tree_leaves(nest, namespace=NAMESPACE)
        if all(type(leaf) is np.ndarray and leaf.dtype == np.float64 for leaf in leaves):
            return False
        return bool(variables_of([leaf for leaf in leaves if not is_fixed(leaf)]))

    def _one_by_one(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        nest: Any = (arguments, keywords)
        leaves, containers = optree.tree_flatten(nest, namespace=NAMESPACE)
        axes = _axes(arguments, keywords, self.in_axes, self.__name__)
        rows = [
            leaf if axis is None else np.moveaxis(np.asarray(leaf), axis, 0)
            for leaf, axis in zip(leaves, axes, strict=True)
        ]
        counts = {len(row) for row, axis in zip(rows, axes, strict=True) if axis is not None}
        if len(counts) != 1:
            raise ArgumentError(f"{self.__name__} got {sorted(counts)} lanes; give all mapped arguments one length.")
        results = []
        for k in range(counts.pop()):
            lane = [row if axis is None else row[k] for row, axis in zip(rows, axes, strict=True)]
            rebuilt: Any = optree.tree_unflatten(containers, lane)
            inner, words = rebuilt
            results.append(self.f(*inner, **words))
        if not results:
            raise ArgumentError(f"{self.__name__} on Variables needs at least one lane.")
        return optree.tree_map(self._joined, *results, namespace=NAMESPACE)

    def _joined(self, *leaves: Any) -> Any:
        stacked = np.empty((len(leaves), *np.shape(leaves[0])), dtype=object)
        for k, leaf in enumerate(leaves):
            stacked[k] = leaf
        if self.reduce is None:
            return stacked
        return (functions.sum if self.reduce == "sum" else functions.mean)(stacked, axis=0)


def vmap(f: Callable[..., Any], in_axes: Any = 0, *, reduce: str | None = None) -> Mapped:
    """Map a function over lanes: the rows of its arguments.

    Parameters
    ----------
    f : callable
        Takes the arguments of one lane; returns any nest of numbers.
    in_axes : int, None or tuple, default 0
        The axis of lanes of each argument; None for what all lanes share. A nest of axes for an argument that is a nest.
        Keyword arguments are mapped over their first axis.
    reduce : {None, "sum", "mean"}
        Add the outputs up over the lanes while they are computed: gradients of parameters never exist for each lane.

    Returns
    -------
    callable
        Takes arrays with an axis of lanes; returns `f`'s nest with an axis of lanes first, or without it if reduced.

    Raises
    ------
    ArgumentError
        If arguments disagree on the number of lanes.

    Notes
    -----
    Lanes may branch differently. A lane's result depends neither on its neighbours nor on its place. `jit(vmap(f))` compiles
    it to vector instructions; without `jit` it runs by NumPy, traced anew in each call.

    Examples
    --------
    >>> import numpy as np
    >>> vmap(lambda x: x * x if x > 0 else -x)(np.array([3.0, -1.0]))
    array([9., 1.])
    >>> vmap(lambda w, x: w * x, in_axes=(None, 0), reduce="sum")(2.0, np.array([1.0, 2.0]))
    6.0
    """
    if not callable(f):
        raise ArgumentError(f"vmap takes a function and got {f!r}. Write vmap(f)(x), not vmap(f(x)).")
    if reduce not in REDUCTIONS:
        raise ArgumentError(f'reduce={reduce!r}: choose None, "sum" or "mean".')
    return Mapped(f, in_axes, reduce)
