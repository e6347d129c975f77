"""Long arrays of a traced function: one expression for all their elements, where an instruction for each would be slow.

Sums and means of such an array are a `vmap` (see `lifting`). For what asks for elements it becomes an ordinary array of
Variables: results of lanes.
"""

import functools
import math
import operator
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from autograd_lite import arrays, context, primitives
from autograd_lite.arrays import Conditions, LazyArray, TracedArray, as_variable_array, axes_of
from autograd_lite.tape import recording
from autograd_lite.tape.lifting import Leaf, Leaves, dependents, leaf_of, one_by_one, replayed, run
from autograd_lite.tape.recording import Recording

Shape = tuple[int, ...]

#: Elements from which on an array is long; and one whose elements are traced themselves, where no other is beside it: these
#: are inputs of the program anyway, and a call by instructions is faster up to some thousands.
LONG, PASSED = 512, 4096

#: Functions of NumPy that ask an array for its method of that name, or its shape.
_BY_METHOD = {
    np.sum, np.mean, np.any, np.all, np.clip, np.ravel, np.reshape, np.transpose, np.squeeze, np.shape, np.ndim, np.size,
}  # fmt: skip
#: Functions whose results are always arrays of their own; what others return may share the memory of an argument.
_MAKING = {
    np.sort, np.argsort, np.argmax, np.argmin, np.max, np.min, np.prod, np.cumsum, np.cumprod, np.concatenate, np.stack,
    np.vstack, np.hstack, np.column_stack, np.roll, np.outer, np.tensordot, np.convolve, np.interp,
}  # fmt: skip


def may_lift() -> Recording | None:
    """The trace under way, if it has an instruction for lanes and nobody watches the nodes."""
    notes = recording.current()
    return notes if notes and notes.lanes and not context.active else None


class LaneArray(np.lib.mixins.NDArrayOperatorsMixin, LazyArray):
    """An array by the expression of an element.

    Some axes are lanes, of which the lengths are in `lanes`, with 1 for all others: along them `leaves` have data. Along the
    others each index has an expression of its own: `cells` is an array of nodes and floats with as many axes, of length 1
    where there are lanes. A view knows the array that it was taken from. Where somebody writes into one of them, or takes
    hold of its memory, all become ordinary arrays.
    """

    __hash__ = None  # type: ignore[assignment] # as arrays have it
    __class__ = property(lambda _: TracedArray)  # what asks for arrays is told that it is one
    functions: ClassVar[dict[Any, Callable[..., Any]]] = {}  # what stands for functions of NumPy; given by `array_code`

    def __init__(self, cells: Any, lanes: Shape, leaves: Leaves) -> None:
        self.cells, self.lanes, self.leaves = cells, lanes, leaves
        self.notes = recording.current()
        self._made: Any = None  # the ordinary array that it has become
        self._parent: tuple[LaneArray, Callable[[Any], Any]] | None = None
        self._views: list[weakref.ref[LaneArray]] = []
        self._known: tuple[Any, Any] = (None, None)  # its Variables, and in which trace

    # ------------------------------------------------------------------------------------------------- as an array

    dtype = np.dtype(object)
    shape = property(lambda self: tuple(map(max, self.cells.shape, self.lanes)))
    ndim = property(lambda self: len(self.lanes))
    size = property(lambda self: math.prod(self.shape))
    flat = property(lambda self: self.held().flat)
    T = property(lambda self: self.transpose())

    def __len__(self) -> int:
        return self.shape[0]  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<array of shape {self.shape}, traced as one element>"

    def __bool__(self) -> bool:
        return bool(self.numbers())

    def __iter__(self) -> Iterator[Any]:
        return iter(self.numbers()) if self.ndim == 1 else (self[k] for k in range(len(self)))

    def tolist(self) -> Any:
        """As of an array."""
        return self.numbers().tolist()

    @property
    def lazy(self) -> bool:
        """Whether it is an expression still."""
        return self._made is None

    @property
    def long(self) -> bool:
        """Whether its lanes are enough; a part of an array may have few, which are ordinary numbers when asked for."""
        return math.prod(self.lanes) >= LONG

    def numbers(self) -> Any:
        """Its Variables in an array of their own."""
        if self._made is not None:
            return self._made.copy()
        notes = recording.current()
        if self._known[1] is None or self._known[0] is not notes:
            self._known = notes, self._numbers(notes)
        return self._known[1].copy()

    def _numbers(self, notes: Recording | None) -> Any:
        outputs, as_lanes = self.cells.ravel().tolist(), self.long and may_lift() is not None
        own = outputs, self.leaves, self.lanes
        found = run(*own, None) if as_lanes else one_by_one(*own)
        if notes is not None and self.size >= LONG:
            each = 1 if as_lanes else max(len(dependents(outputs, self.leaves)[0]) // len(outputs), 1)
            notes.count_array(self.shape, self.size * each)
        table = np.empty((len(outputs), math.prod(self.lanes)), dtype=object)
        for row, column in zip(table, found, strict=True):
            row[:] = column
        return self._joined(table)

    def _joined(self, table: Any) -> Any:
        """An array of this shape from a table (cells, lanes)."""
        ndim = len(self.lanes)
        joined = [axis + ndim if self.lanes[axis] > 1 else axis for axis in range(ndim)]
        left = [axis for axis in range(2 * ndim) if axis not in joined]
        spread = table.reshape(*self.cells.shape, *self.lanes).transpose(*joined, *left)
        return np.ascontiguousarray(spread).reshape(self.shape).view(arrays.keeping())

    # --------------------------------------------------------------------------------------------------- its memory

    def held(self) -> Any:
        """The ordinary array that it is from now on, with all views of its memory."""
        if self._made is None:
            if recording.current() is not self.notes:  # another trace, whose Variables end with it
                return self.numbers()
            if self._parent is not None:
                self._parent[0].held()
            if self._made is None:
                self._become(self.numbers())
        return self._made

    def _become(self, array: Any) -> None:
        self._made = array
        for view in [reference() for reference in self._views]:
            if view is not None:
                view._become(view._parent[1](array))  # type: ignore[index]

    def _viewed(self, other: "LaneArray", change: Callable[[Any], Any]) -> "LaneArray":
        other._parent = self, change
        self._views.append(weakref.ref(other))
        return other

    def write(self, other: Any) -> None:
        """Take over the numbers of another array."""
        alone = self._parent is None and not any(reference() is not None for reference in self._views)
        alike = type(other) is LaneArray and other.lazy and other.shape == self.shape
        if self.lazy and alone and alike and self.notes is recording.current():
            self.cells, self.lanes, self.leaves, self._known = other.cells, other.lanes, other.leaves, (None, None)
            return
        self.held()[...] = other.numbers() if isinstance(other, LazyArray) else other

    def __setitem__(self, index: Any, value: Any) -> None:
        self.held()[index] = value.numbers() if isinstance(value, LazyArray) else value

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        array = np.asarray(self.held())
        return np.array(array, dtype=dtype) if copy else array.astype(dtype or object, copy=False)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # NumPy's own questions
            raise AttributeError(name)
        return getattr(self.held(), name)

    def copy(self, order: str = "C") -> Any:  # noqa: ARG002 - as NumPy calls it
        """As of an array."""
        return LaneArray(self.cells, self.lanes, self.leaves) if self.lazy else self._made.copy()

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    def __reduce__(self) -> Any:
        return self.numbers().__reduce__()

    def astype(self, dtype: Any, *arguments: Any, **options: Any) -> Any:
        """As of an array."""
        return self.copy() if np.dtype(dtype) == object else self.numbers().astype(dtype, *arguments, **options)

    # ------------------------------------------------------------------------------------------------ parts and shapes

    def __getitem__(self, index: Any) -> Any:
        if self._made is not None:
            return self._made[index]
        parts = _parts(index, self.ndim)
        if parts is not None:
            part = self._part(parts)
            if part is None or not part.ndim:
                return self._few(index)
            return self._viewed(part, operator.itemgetter(index))
        if not _is_plain(index):
            return self.numbers()[index]
        picked = self._picked(index) if self.cells.size == 1 else None
        return picked if picked is not None and picked.long else self._few(index)

    def _part(self, parts: Sequence[Any]) -> "LaneArray | None":
        """By slices, places and new axes."""
        own: tuple[list[Any], list[Any]] = ([], [])
        axis = 0
        for part in parts:
            lane = part is not None and self.lanes[axis] > 1
            whole = None if part is None else slice(None) if isinstance(part, slice) else 0
            own[0].append(part if lane else whole)
            own[1].append(whole if lane else part)
            axis += part is not None
        by_lanes, by_cells = map(tuple, own)
        if 0 in self.cells[by_cells].shape:
            return None
        return self._moved(self.cells[by_cells], lambda data: data[by_lanes])

    def _picked(self, index: Any) -> "LaneArray":
        """By places or a mask, where all axes are lanes."""
        ndim = np.broadcast_to(0.0, self.lanes)[index].ndim
        return self._moved(self.cells.reshape((1,) * ndim), lambda data: data[index])

    def _moved(self, cells: Any, change: Callable[[Any], Any]) -> "LaneArray":
        leaves = {number: leaf.moved(change, self.lanes) for number, leaf in self.leaves.items()}
        return LaneArray(cells, change(np.broadcast_to(0.0, self.lanes)).shape, leaves)

    def _few(self, index: Any) -> Any:
        """Some elements as ordinary numbers: an expression for each."""
        places = np.arange(self.size).reshape(self.shape)[index]
        if np.size(places) >= LONG:
            return self.numbers()[index]
        outputs = self.cells.ravel().tolist()
        cells = np.broadcast_to(np.arange(len(outputs)).reshape(self.cells.shape), self.shape).ravel()
        operations, numbers = dependents(outputs, self.leaves)
        columns = {n: np.broadcast_to(leaf.data, self.shape) for n, leaf in self.leaves.items() if n in numbers}
        found = []
        for place in np.ravel(places).tolist():
            where = np.unravel_index(place, self.shape)
            instead = {number: column[where] for number, column in columns.items()}
            instead = {
                number: entry.item() if isinstance(entry, np.generic) else entry for number, entry in instead.items()
            }
            found += replayed([outputs[cells[place]]], operations, instead)
        if (notes := recording.current()) is not None:
            notes.count_array(self.shape, np.size(places) * max(len(operations), 1))
        if np.ndim(places) == 0:
            return found[0]
        few = np.fromiter(found, object, len(found)).reshape(places.shape)
        return few.view(arrays.keeping())

    def transpose(self, *axes: Any) -> Any:
        """As of an array."""
        if not self.lazy:
            return self._made.transpose(*axes)
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
        moved = self._moved(self.cells.transpose(order), lambda data: data.transpose(order))
        return self._viewed(moved, lambda array: array.transpose(order))

    def reshape(self, *shape: Any, **options: Any) -> Any:
        """As of an array."""
        given: Any = shape[0] if len(shape) == 1 else shape
        if not self.lazy or self.cells.size > 1 or options:
            return self.held().reshape(given, **options)
        known = np.broadcast_to(0.0, self.lanes).reshape(given).shape
        moved = self._moved(self.cells.reshape((1,) * len(known)), lambda data: data.reshape(known))
        return self._viewed(moved, lambda array: array.reshape(known))

    def ravel(self, order: str = "C") -> Any:
        """As of an array."""
        return self.reshape(-1) if order == "C" else self.held().ravel(order)

    def flatten(self, order: str = "C") -> Any:
        """As of an array."""
        return self.copy().ravel(order)

    def squeeze(self, axis: Any = None) -> Any:
        """As of an array."""
        ones = tuple([k for k, length in enumerate(self.shape) if length == 1])
        axes = ones if axis is None else axes_of(axis, self.ndim)
        if not self.lazy or not set(axes) <= set(ones):
            return self.held().squeeze(axis)
        moved = self._moved(self.cells.squeeze(axes), lambda data: data.squeeze(axes))
        return self._viewed(moved, lambda array: array.squeeze(axes))

    def split(self, axes: Sequence[int]) -> "LaneArray":
        """With some axes of lanes as cells."""
        axes = [axis for axis in axes if self.lanes[axis] > 1]
        if not axes:
            return self
        outputs, notes = self.cells.ravel().tolist(), recording.current()
        assert notes is not None
        operations, _ = dependents(outputs, self.leaves)
        lanes = tuple([1 if axis in axes else length for axis, length in enumerate(self.lanes)])
        cells = np.empty([self.lanes[a] if a in axes else n for a, n in enumerate(self.cells.shape)], dtype=object)
        leaves: dict[int, Leaf] = {}
        for index in np.ndindex(*(self.lanes[axis] for axis in axes)):
            part: list[Any] = [slice(None)] * self.ndim
            for axis, place in zip(axes, index, strict=True):
                part[axis] = slice(place, place + 1)
            instead = {}
            for number, leaf in self.leaves.items():
                data = leaf.at(tuple(part), self.ndim)
                own = leaf if data.shape == leaf.data.shape else None
                if own is None and data.size > 1:
                    own = leaf_of(notes, data, owned=True)
                instead[number] = data.item() if own is None else own.node
                if own is not None:
                    leaves[own.node._number] = own
            found = replayed(outputs, operations, instead)
            cells[tuple(part)] = np.fromiter(found, object, len(found)).reshape(self.cells.shape)
        return LaneArray(cells, lanes, leaves)

    # ------------------------------------------------------------------------------------------------------ reductions

    def added(self, axis: Any, *, keepdims: bool, mean: bool = False) -> Any:
        """The sum over some axes, or the mean: that of a `vmap` over the lanes among them."""
        axes = axes_of(axis, self.ndim)
        if not (self.lazy and self.long and may_lift()):
            reduction: Any = np.mean if mean else np.add.reduce
            return reduction(self.numbers(), axis=axes, keepdims=keepdims)
        inside, outside = (
            [a for a in range(self.ndim) if self.lanes[a] > 1 and (a in axes) is among] for among in (True, False)
        )
        array = self
        if inside and outside:  # the longer ones stay lanes
            more = math.prod(self.lanes[a] for a in inside) >= math.prod(self.lanes[a] for a in outside)
            array = self.split(outside if more else inside)
            inside = inside if more else []
        own, count = tuple([a for a in axes if array.cells.shape[a] > 1]), math.prod(self.shape[a] for a in axes)
        cells = np.add.reduce(array.cells, axis=own, keepdims=True) if own else array.cells
        narrow = () if keepdims else axes
        if not inside:
            rest = LaneArray(cells, array.lanes, array.leaves)
            rest = rest.squeeze(narrow) if narrow else rest
            return rest / float(count) if mean else rest
        reduce = "mean" if mean and not own else "sum"
        numbers = run(cells.ravel().tolist(), array.leaves, array.lanes, reduce)
        if mean and own:
            numbers = [number / float(count) for number in numbers]
        found = np.fromiter(numbers, object, len(numbers)).reshape(cells.shape).squeeze(narrow)
        return found.item() if found.ndim == 0 else as_variable_array(found)

    def sum(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, **options: Any) -> Any:
        """As of an array."""
        if dtype is not None or out is not None or options:
            return np.add.reduce(self.numbers(), axis=axis, dtype=dtype, out=out, keepdims=keepdims, **options)
        return self.added(axis, keepdims=keepdims)

    def mean(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, **options: Any) -> Any:
        """As of an array."""
        if dtype is not None or out is not None or options:
            return np.mean(self.numbers(), axis=axis, dtype=dtype, out=out, keepdims=keepdims, **options)
        return self.added(axis, keepdims=keepdims, mean=True)

    def any(self, axis: Any = None, out: Any = None, keepdims: bool = False, **options: Any) -> Any:
        """As of an array."""
        return np.logical_or.reduce(self, axis=axis, out=out, keepdims=keepdims, **options)

    def all(self, axis: Any = None, out: Any = None, keepdims: bool = False, **options: Any) -> Any:
        """As of an array."""
        return np.logical_and.reduce(self, axis=axis, out=out, keepdims=keepdims, **options)

    var = functools.partialmethod(np.var)
    std = functools.partialmethod(np.std)
    round = functools.partialmethod(np.round)

    def dot(self, other: Any) -> Any:
        """As of an array."""
        return np.dot(self, other)

    def clip(self, low: Any = None, high: Any = None, **options: Any) -> Any:
        """As of an array."""
        if any(option is not None for option in options.values()) or (low is None and high is None):
            return self.numbers().clip(low, high, **options)
        return primitives.clip(self, *arrays.open_bounds(low, high))

    # --------------------------------------------------------------------------------------------- functions of NumPy

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        out: Any = options.pop("out", None) or ()
        if method == "__call__" and len(out) == 1 and isinstance(out[0], LaneArray) and not options:
            out[0].write(arrays.array_ufunc(ufunc, method, *inputs))
            return out[0]
        if out:
            options["out"] = tuple([_held(part) for part in out])
        return arrays.array_ufunc(ufunc, method, *(map(_held, inputs) if method == "at" else inputs), **options)

    def __array_function__(self, function: Any, types: Any, inputs: Any, options: Any) -> Any:
        own = self.functions.get(function)
        found = NotImplemented if own is None else own(*inputs, **options)
        if found is not NotImplemented:
            return found
        if function in _BY_METHOD or (own is None and function in arrays.FUNCTIONS):
            return arrays.array_function(function, (TracedArray,), inputs, options)
        made = ordinary if function in _MAKING else _held
        options = {name: _held(part) if name == "out" else made(part) for name, part in options.items()}
        return function(*map(made, inputs), **options)


def ordinary(part: Any) -> Any:
    """An argument, or a list of them, with ordinary arrays of their own."""
    if type(part) in (list, tuple):
        return type(part)(map(ordinary, part))
    return part.numbers() if isinstance(part, LaneArray) else part


def _held(part: Any) -> Any:
    """The same with arrays that share the memory of the argument."""
    if type(part) in (list, tuple):
        return type(part)(map(_held, part))
    return part.held() if isinstance(part, LaneArray) else part


def _parts(index: Any, ndim: int) -> list[Any] | None:
    """The slices, places and new axes of a basic index, one for each axis; None if it is of another kind."""
    parts = [*index] if isinstance(index, tuple) else [index]
    if not all(part is None or part is ... or _is_place(part) or isinstance(part, slice) for part in parts):
        return None
    missing = ndim - sum(part is not None and part is not ... for part in parts)
    dots = [k for k, part in enumerate(parts) if part is ...]
    if missing < 0 or len(dots) > 1:
        return None
    at = dots[0] if dots else len(parts)
    parts[at : at + 1] = [slice(None)] * missing
    return parts


def _is_place(part: Any) -> bool:
    return isinstance(part, (int, np.integer)) and not isinstance(part, (bool, np.bool_))


def _is_plain(index: Any) -> bool:
    """Whether an index holds no traced numbers."""
    if isinstance(index, (list, tuple)):
        return all(map(_is_plain, index))
    return type(index) is not Conditions and not arrays.holds_variables(index)
