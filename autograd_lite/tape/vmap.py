"""`vmap`: a function over many lanes at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import optree

from autograd_lite import context
from autograd_lite.errors import ArgumentError
from autograd_lite.nests import NAMESPACE, as_array, variables_of
from autograd_lite.primitives import as_float
from autograd_lite.tape import pickles, recording
from autograd_lite.tape.backends.registry import fastest
from autograd_lite.tape.batches import Batch, axes_of, batch_of
from autograd_lite.tape.lane_operations import Places, entered
from autograd_lite.tape.lane_paths import LanePaths
from autograd_lite.tape.paths import Unmapped
from autograd_lite.tape.results import reduced
from autograd_lite.tape.trace import is_fixed
from autograd_lite.transforms import name_of
from autograd_lite.variable import Variable

REDUCTIONS = (None, "sum", "mean")
MAX_PATHS = 64


@dataclass
class Call:
    """The arguments of a mapped call: numbers, and which of them are Variables, where."""

    batch: Batch
    places: Places
    variables: list[Variable]


class Mapped:
    """A mapped function."""

    def __init__(self, f: Callable[..., Any], in_axes: Any, reduce: str | None) -> None:
        self.f, self.in_axes, self.reduce = f, in_axes, reduce
        self.__name__ = self.__qualname__ = f"vmap({name_of(f)})"
        self.__doc__ = f.__doc__

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Run all lanes, by NumPy."""
        if context.active:
            return self.one_by_one(arguments, keywords)
        notes = recording.current()
        if notes and not notes.lanes and self.holds_variables(arguments, keywords):
            return self.one_by_one(arguments, keywords)
        call = self.apart(arguments, keywords, self.__name__)
        backend = fastest() if notes else "numpy"
        return self.run(LanePaths(self.f, call.batch.shape, MAX_PATHS, backend, self.reduce), call, arguments, keywords)

    def run(self, family: LanePaths, call: Call, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Run all lanes of a call; where Variables go in, or are captured, such come out."""
        served = family(call.batch)
        if not call.variables and not served.captured:
            return served.packed()
        try:
            found = entered(family, call.batch, call.places, call.variables, served)
        except Unmapped:
            found = None
        return self.one_by_one(arguments, keywords) if found is None else found

    def apart(self, arguments: tuple[Any, ...], keywords: dict[str, Any], name: str) -> Call:
        """Numbers and Variables of the arguments."""
        if not self.holds_variables(arguments, keywords):
            batch = batch_of(arguments, keywords, self.in_axes, name)
            return Call(batch, Places.none(batch.columns), [])
        nest: Any = (arguments, keywords)
        leaves: list[Any] = optree.tree_leaves(nest, namespace=NAMESPACE)
        plain: Any = optree.tree_map(_numbers, nest, namespace=NAMESPACE)
        numbers, words = plain
        batch = batch_of(numbers, words, self.in_axes, name)
        shared: list[Any] = []
        arrays: list[Any] = []
        for leaf, axis in zip(leaves, axes_of(arguments, keywords, self.in_axes, name), strict=True):
            if axis is None:
                shared += [None] if is_fixed(leaf) else np.ravel(_boxed(leaf)).tolist()
            else:
                arrays.append(np.moveaxis(_boxed(leaf), axis, 0).ravel().tolist())
        shared = [n for n in shared if n is not None]
        found = [[p for p, n in enumerate(column) if type(n) is Variable] for column in (shared, *arrays)]
        variables = [column[p] for column, places in zip((shared, *arrays), found, strict=True) for p in places]
        indices = [np.array(places, dtype=np.int64) for places in found]
        return Call(batch, Places(indices[0], indices[1:]), variables)

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

    def one_by_one(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """All lanes by the function itself, one after the other."""
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
        lanes = counts.pop()
        if not lanes:
            return self._without_lanes(arguments, keywords)
        results = []
        for k in range(lanes):
            lane = [row if axis is None else row[k] for row, axis in zip(rows, axes, strict=True)]
            rebuilt: Any = optree.tree_unflatten(containers, lane)
            inner, words = rebuilt
            results.append(self.f(*inner, **words))
        return optree.tree_map(self._joined, *results, namespace=NAMESPACE)

    def _without_lanes(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Empty arrays, or sums of nothing."""
        call = self.apart(arguments, keywords, self.__name__)
        with context.observing(alone=True), context.record_into(None):
            return LanePaths(self.f, call.batch.shape, 1, "numpy", self.reduce)(call.batch).packed()

    def _joined(self, *leaves: Any) -> Any:
        """One leaf of all lanes; what is a float in one lane is one in all."""
        stacked = np.empty((len(leaves), *np.shape(leaves[0])), dtype=object)
        for k, leaf in enumerate(leaves):
            stacked[k] = leaf
        if self.reduce is not None:
            return reduced(stacked, self.reduce)
        items = stacked.ravel().tolist()
        if not any(type(item) is Variable for item in items):
            return np.array(list(leaves))
        return as_array([as_float(n) if isinstance(n, (int, np.number)) else n for n in items], stacked.shape)


def vmap_again(f: Callable[..., Any], in_axes: Any, reduce: str | None) -> Mapped:
    """A mapped function from its pickle."""
    return Mapped(f, in_axes, reduce)


def _numbers(leaf: Any) -> Any:
    """A leaf without history."""
    if type(leaf) is Variable:
        return leaf._value
    if isinstance(leaf, np.ndarray) and leaf.dtype == object:
        numbers = [n._value if type(n) is Variable else as_float(n) for n in leaf.ravel().tolist()]
        return np.array(numbers, dtype=np.float64).reshape(leaf.shape)
    return leaf


def _boxed(leaf: Any) -> Any:
    """A leaf as an array; of objects if it is a Variable."""
    if isinstance(leaf, np.ndarray):
        return leaf
    box = np.empty((), dtype=object)
    box[()] = leaf
    return box


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
    it to vector instructions; without `jit` it runs by NumPy, traced anew in each call. On Variables, and where `f` uses some
    from outside, results are Variables, whose derivatives run over lanes too; inside a jitted function a `vmap` is one
    operation, whatever the number of lanes.

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
