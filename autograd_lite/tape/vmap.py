"""`vmap`: a function over many lanes at once."""

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import optree

from autograd_lite import context, hints, pickles
from autograd_lite.errors import ArgumentError, OperandError
from autograd_lite.nests import NAMESPACE, Shape, arrays_in, as_array, unravel, variables_of
from autograd_lite.primitives import as_float
from autograd_lite.refusals import singular_in_lane
from autograd_lite.tape import clusters, recording
from autograd_lite.tape.backends.lanes import Columns
from autograd_lite.tape.backends.registry import fastest
from autograd_lite.tape.blocks import without_rows
from autograd_lite.tape.lane_operations import Found, entered
from autograd_lite.tape.lane_paths import LanePaths, in_row, reduced
from autograd_lite.tape.paths import Paths, Unmapped
from autograd_lite.tape.trace import is_fixed
from autograd_lite.transforms import named
from autograd_lite.variable import Variable

REDUCTIONS = (None, "sum", "mean")
MAX_PATHS = 64


class Call(NamedTuple):
    """The arguments of a mapped call: numbers, of which those of some leaves differ from lane to lane, and Variables."""

    columns: Columns
    shape: Shape
    mapped: tuple[bool, ...]
    found: Sequence[Found]


class Mapped:
    """A mapped function."""

    def __init__(self, f: Callable[..., Any], in_axes: Any, reduce: str | None) -> None:
        self.f, self.in_axes, self.reduce = f, in_axes, reduce
        self.__name__ = named(self, "vmap", f)
        self.__doc__ = f.__doc__

    def __repr__(self) -> str:
        return f"<{self.__name__}, in_axes={self.in_axes}{f', reduce={self.reduce!r}' if self.reduce else ''}>"

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Run all lanes, by NumPy."""
        notes = recording.current()
        if clusters.is_lazy(arguments, keywords):
            return self.lazily(clusters.shipped(self.of_blocks(), "numpy"), arguments, keywords)
        if context.active or (notes and not notes.lanes and _hold_variables(arguments, keywords)):
            return self.one_by_one(arguments, keywords)
        columns, shape, mapped, found = self.apart(arguments, keywords, self.__name__)
        backend = fastest() if notes else "numpy"
        paths = Paths(self.f, shape, MAX_PATHS, loops=2, mapped=True, turning=2 if backend == "llvm" else 1)
        family = LanePaths(paths, mapped, backend, reduce=self.reduce)
        return self.run(family, columns, found, arguments, keywords)

    def of_blocks(self) -> "Mapped":
        """The function over one block of many: the mean of all rows needs sums, since blocks may differ in length."""
        return Mapped(self.f, self.in_axes, "sum") if self.reduce == "mean" else self

    def lazily(self, program: clusters.Program, arguments: Any, keywords: dict[str, Any]) -> Any:
        """Arrays of Dask, whose blocks a program computes."""
        if context.active or recording.current():
            raise OperandError(
                f"{self.__name__} over an array of Dask gives lazy arrays, which no trace can record. Differentiate inside: "
                "jit(vmap(value_and_grad(f), in_axes=…, reduce=…))(parameters, rows)."
            )
        axes = axes_of(arguments, keywords, self.in_axes, self.__name__)
        return clusters.lazily(program, self, axes, arguments, keywords)

    def run(
        self, family: LanePaths, columns: Columns, found: Sequence[Found], arguments: Any, keywords: dict[str, Any]
    ) -> Any:
        """Run all lanes of a call; where Variables go in, or are captured, such come out."""
        served = family(columns)
        if not any(found) and not served.captured:
            return served.packed()
        try:
            results = entered(family, columns, found, served)
        except Unmapped:
            results = None
        return self.one_by_one(arguments, keywords) if results is None else results

    def apart(self, arguments: tuple[Any, ...], keywords: dict[str, Any], name: str) -> Call:
        """Take the arguments apart.

        Raises
        ------
        ArgumentError
            If the axes do not fit the arguments, or arrays disagree on the number of lanes.
        """
        _hold_variables(arguments, keywords)  # refuses an object that may hold some unseen
        nest: Any = (arguments, keywords)
        leaves, containers = optree.tree_flatten(nest, namespace=NAMESPACE)
        axes = axes_of(arguments, keywords, self.in_axes, name)
        outlines: list[Any] = []
        shared, arrays, count = [np.empty(0)], [], None
        found: list[list[tuple[int, Variable]]] = [[]]
        for leaf, axis in zip(arrays_in(leaves), axes, strict=True):
            if axis is None:
                numbers, outline, inside = _shared(leaf, name)
                start = sum(map(len, shared))
                found[0] += [(start + place, variable) for place, variable in inside]
                shared.append(numbers)
                outlines.append(outline)
                continue
            rows, inside = _rows(leaf, axis, name)
            if count not in (None, len(rows)):
                raise ArgumentError(
                    f"{name} got {count} lanes in one argument and {len(rows)} in another (shape {leaf.shape}, axis {axis}). "
                    "Give all mapped arguments one length, and in_axes=None to those that all lanes share."
                )
            count = len(rows)
            found.append(inside)
            arrays.append(rows.reshape(count, math.prod(rows.shape[1:])))
            outlines.append(rows.shape[1:] or None)
        if count is None:
            raise without_rows(name)
        columns = Columns(count, shared[1] if len(shared) == 2 else np.concatenate(shared), arrays)
        return Call(columns, Shape(containers, tuple(outlines)), tuple(axis is not None for axis in axes), found)

    def __reduce__(self) -> tuple[Any, ...]:
        place = pickles.written_as(self)
        return (pickles.at, place) if place else (Mapped, (self.f, self.in_axes, self.reduce))

    def __copy__(self) -> "Mapped":
        return self  # nothing in it changes

    def __deepcopy__(self, memo: dict[int, Any]) -> "Mapped":
        f = self.f if pickles.place_of(self) else copy.deepcopy(self.f, memo)
        return self if f is self.f else Mapped(f, self.in_axes, self.reduce)

    def one_by_one(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """All lanes by the function itself, one after the other."""
        nest: Any = (arguments, keywords)
        leaves, containers = optree.tree_flatten(nest, namespace=NAMESPACE)
        axes = axes_of(arguments, keywords, self.in_axes, self.__name__)
        rows = [
            leaf if axis is None else np.moveaxis(np.asarray(leaf), axis, 0)
            for leaf, axis in zip(arrays_in(leaves), axes, strict=True)
        ]
        counts = {len(row) for row, axis in zip(rows, axes, strict=True) if axis is not None}
        if len(counts) != 1:
            raise ArgumentError(f"{self.__name__} got {sorted(counts)} lanes; give all mapped arguments one length.")
        lanes = counts.pop()
        if not lanes:  # empty arrays, or sums of nothing
            columns, shape, mapped, _ = self.apart(arguments, keywords, self.__name__)
            with context.observing(alone=True), context.record_into(None):
                return LanePaths(Paths(self.f, shape, 1), mapped, "numpy", reduce=self.reduce)(columns).packed()
        results = []
        for k in range(lanes):
            lane = [row if axis is None else row[k] for row, axis in zip(rows, axes, strict=True)]
            rebuilt: Any = optree.tree_unflatten(containers, lane)
            inner, words = rebuilt
            try:
                with in_row(k):
                    results.append(self.f(*inner, **words))
            except np.linalg.LinAlgError as error:
                raise singular_in_lane(error, k) from error
        return optree.tree_map(self._joined, *results, namespace=NAMESPACE)

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


def axes_of(arguments: tuple[Any, ...], keywords: Any, in_axes: Any, name: str) -> list[int | None]:
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


def _hold_variables(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> bool:
    nest: Any = (arguments, keywords)
    leaves: list[Any] = optree.tree_leaves(nest, namespace=NAMESPACE)
    if all(type(leaf) is np.ndarray and leaf.dtype == np.float64 for leaf in leaves):
        return False
    return bool(variables_of([leaf for leaf in leaves if not is_fixed(leaf)]))


def _shared(leaf: Any, name: str) -> tuple[Any, Any, list[tuple[int, Variable]]]:
    """The numbers of a leaf that all lanes share, its outline, and the Variables in it by their places."""
    if isinstance(leaf, np.ndarray) and leaf.dtype == np.float64:
        return leaf.ravel(), leaf.shape, []
    numbers, shape = unravel(leaf, f"an argument of {name}", is_fixed)
    inside = [(place, n) for place, n in enumerate(numbers) if type(n) is Variable]
    return np.array([getattr(n, "_value", n) for n in numbers], dtype=np.float64), shape.leaves[0], inside


def _rows(leaf: Any, axis: int, name: str) -> tuple[Any, list[tuple[int, Variable]]]:
    """A float64 array equal to the leaf, lanes first, and the Variables in it by their places."""
    array = _array(leaf, name)
    if not -array.ndim <= axis < array.ndim:
        raise ArgumentError(f"{name} maps over axis {axis} of an array of shape {array.shape}. Check in_axes.")
    boxed = np.moveaxis(leaf, axis, 0).ravel().tolist() if leaf.dtype == object else ()
    inside = [(place, n) for place, n in enumerate(boxed) if type(n) is Variable]
    return np.moveaxis(array, axis, 0) if axis else array, inside


def _array(leaf: Any, name: str) -> Any:
    """A float64 array equal to the leaf, without history."""
    if not isinstance(leaf, np.ndarray):
        raise ArgumentError(
            f"{name} maps over {getattr(leaf, '_value', leaf)!r:.60}, which is no array. Pass an array with an axis of "
            "lanes (np.array([...]) for a list of numbers), or give in_axes=None to what all lanes share."
        )
    if leaf.dtype == np.float64:
        return leaf
    if leaf.dtype == object:  # Variables, and plain numbers as NumPy's functions leave them where none was chosen
        numbers = [n._value if type(n) is Variable else as_float(n) for n in leaf.ravel().tolist()]
        return np.array(numbers, dtype=np.float64).reshape(leaf.shape)
    if leaf.dtype.kind not in "biuf":
        raise OperandError(f"{name} maps over an array of {leaf.dtype}. Pass an array of real numbers.")
    with np.errstate(over="ignore"):
        converted = leaf.astype(np.float64)
    whole = leaf.dtype.kind in "iu"
    for number in leaf[np.abs(converted) >= 2.0**53 if whole else (converted != leaf) & ~np.isnan(converted)]:
        as_float(number)  # refuses the one that is not exact
    return converted


@hints.keywords
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
    if isinstance(in_axes, float) or hasattr(in_axes, "__array__"):
        raise ArgumentError(
            f"in_axes={in_axes!r:.60}: give axes, or None. What f is mapped over comes later: vmap(f)(x)."
        )
    if reduce not in REDUCTIONS:
        raise ArgumentError(f'reduce={reduce!r}: choose None, "sum" or "mean".')
    return Mapped(f, in_axes, reduce)
