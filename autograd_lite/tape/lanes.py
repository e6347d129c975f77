"""`vmap`: a function over many lanes at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import optree

from autograd_lite import functions, observers
from autograd_lite.errors import ArgumentError
from autograd_lite.nests import NAMESPACE, Fixed, Shape, variables_of
from autograd_lite.tape import pickles
from autograd_lite.tape.batches import Batch, axes_of, batch_of
from autograd_lite.tape.paths import Path, Paths
from autograd_lite.tape.programs import LaneProgram
from autograd_lite.tape.results import Results
from autograd_lite.tape.trace import is_fixed
from autograd_lite.transforms import name_of

REDUCTIONS = (None, "sum", "mean")


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
        shape = path.tape.output_shape
        if self.reduce and not path.guards and not any(isinstance(leaf, Fixed) for leaf in shape.leaves):
            totals = self._totals(path, batch)
            path.lanes += batch.columns.count
        else:
            results = Results(shape, batch.columns.count)
            self._run(batch, path, results)
            if self.reduce is None:
                return results.packed()
            shape, totals = results.totals()
        if self.reduce == "mean":
            with np.errstate(all="ignore"):
                totals /= batch.columns.count
        return shape.pack(totals)

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
                _, totals[k] = again.totals()
            return totals.sum(axis=0)

    def _run(self, batch: Batch, first: Path, results: Results, *, careful: bool = False) -> None:
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

    def _continued(self, batch: Batch, some: "Waiting", code: int, lanes: Any, results: Results) -> list["Waiting"]:
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

    def _eagerly(self, batch: Batch, lanes: Any, results: Results) -> list["Waiting"]:
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

    def __reduce__(self) -> tuple[Any, ...]:
        place = pickles.place_of(self)
        return (pickles.at, place) if place else (vmap_again, (pickles.stored(self.f), self.in_axes, self.reduce))

    def __copy__(self) -> "Mapped":
        return self  # nothing in it changes

    def __deepcopy__(self, memo: dict[int, Any]) -> "Mapped":
        f = self.f if pickles.place_of(self) else pickles.deeply_copied(self.f, memo)
        return self if f is self.f else Mapped(f, self.in_axes, self.reduce)

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
        axes = axes_of(arguments, keywords, self.in_axes, self.__name__)
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


def vmap_again(f: Callable[..., Any], in_axes: Any, reduce: str | None) -> Mapped:
    """What pickle makes of a mapped function."""
    return Mapped(f, in_axes, reduce)


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
