"""NumPy's functions on long arrays of a traced function, where they work element by element, add up or multiply matrices."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_lite import arrays
from autograd_lite.arrays import Conditions, TracedArray, VariableArray, as_variable_array, axes_of, boxed, is_variable
from autograd_lite.conversion import as_operand
from autograd_lite.errors import AutogradLiteError
from autograd_lite.primitives import Primitive
from autograd_lite.tape import lane_arrays
from autograd_lite.tape.lane_arrays import LaneArray, Shape, may_lift, ordinary
from autograd_lite.tape.lifting import Leaf, as_numbers, dependents, leaf_of, place_of, replayed
from autograd_lite.tape.recording import Recording
from autograd_lite.variable import Variable

#: Other classes of arrays mean something of their own: masks, matrices.
_ARRAYS = (np.ndarray, VariableArray, TracedArray, np.memmap)
#: More axes than that are not looked through for the best lanes.
AXES = 4


def lifted(function: Callable[..., Any] | None, *operands: Any) -> Any:
    """A function of numbers on each element of broadcast operands, as one expression; NotImplemented where that is none."""
    notes = may_lift()
    if notes is None or function is None or not _are_long(operands):
        return NotImplemented
    parts = [_part(operand) for operand in operands]
    if any(part is None for part in parts):
        return NotImplemented
    try:
        shape = np.broadcast_shapes(*(part.shape for part in parts))
    except ValueError:  # NumPy says it better
        return NotImplemented
    if math.prod(shape) < lane_arrays.LONG or not any(map(_is_traced, parts)):
        return NotImplemented
    lanes = _lanes(shape, parts)
    if lanes is None or not (math.prod(lanes) >= lane_arrays.PASSED or any(map(_starts, parts))):
        return NotImplemented
    leaves: dict[int, Leaf] = {}
    cells = [_cells(part, shape, lanes, leaves, notes) for part in parts]
    with np.errstate(all="ignore"):
        found = boxed(np.frompyfunc(function, len(cells), 1)(*cells))
    return LaneArray(found.reshape((1,) * (len(shape) - found.ndim) + found.shape), lanes, leaves)


def _are_long(operands: Sequence[Any]) -> bool:
    """Whether operands may make a long array: a quick look."""
    sizes = [operand.size for operand in operands if isinstance(operand, (np.ndarray, Conditions))]
    sizes += [len(operand) for operand in operands if isinstance(operand, (list, tuple))]
    return math.prod(filter(None, sizes)) >= lane_arrays.LONG if sizes else False


def _part(operand: Any) -> Any:
    """An operand as a `LaneArray`, an array of float64, or one of objects: floats and Variables; None if it is none."""
    if isinstance(operand, Conditions):
        operand = operand.each
    if isinstance(operand, LaneArray):
        return operand if operand.lazy else as_numbers(np.asarray(operand.numbers()))
    if isinstance(operand, (list, tuple)):
        operand = boxed(operand)
    if isinstance(operand, np.ndarray):
        return as_numbers(np.asarray(operand)) if type(operand) in _ARRAYS else None
    try:
        return boxed(operand if type(operand) is Variable else as_operand(operand))
    except (AutogradLiteError, TypeError, OverflowError):
        return None


def _starts(part: Any) -> bool:
    """Whether an operand is an expression, or a long array from outside, which becomes one."""
    return isinstance(part, LaneArray) or bool(part.dtype != object and part.size >= lane_arrays.LONG)


def _is_traced(part: Any) -> bool:
    return bool(part.dtype == object and (isinstance(part, LaneArray) or any(map(is_variable, part.flat))))


def _lanes(shape: Shape, parts: Sequence[Any]) -> Shape | None:
    """The axes that lanes can have, those with most of them, as a shape with 1 for the others; None if they are too few.

    Along lanes an expression has one form, so cells of an operand can be none. An array with Variables has an argument for
    each lane: it is not repeated over some of them.
    """
    ndim = len(shape)
    if ndim > AXES:
        return None
    whole = []  # shapes that span all lanes or none
    cells = [1] * ndim
    for part in parts:
        if isinstance(part, LaneArray):
            cells[ndim - part.ndim :] = map(max, cells[ndim - part.ndim :], part.cells.shape)
            whole += [_aligned(leaf.data.shape, ndim) for leaf in part.leaves.values() if leaf.traced]
        elif part.dtype == object:
            whole.append(_aligned(part.shape, ndim))
    free = [axis for axis in range(ndim) if shape[axis] > 1 and cells[axis] == 1]
    best: tuple[int, ...] = ()
    for count in range(1, len(free) + 1):
        for axes in itertools.combinations(free, count):
            fits = all(len({own[axis] > 1 for axis in axes}) == 1 for own in whole)
            if fits and math.prod(shape[a] for a in axes) > math.prod(shape[a] for a in best):
                best = axes
    lanes = tuple([length if axis in best else 1 for axis, length in enumerate(shape)])
    return lanes if math.prod(lanes) >= lane_arrays.LONG else None


def _aligned(shape: Shape, ndim: int) -> Shape:
    return (1,) * (ndim - len(shape)) + shape


def _cells(part: Any, shape: Shape, lanes: Shape, leaves: dict[int, Leaf], notes: Recording) -> Any:
    """The expressions of an operand, whose leaves are added to those of the others."""
    own_lanes = lanes[len(shape) - part.ndim :]
    if isinstance(part, LaneArray):
        split = part.split([axis for axis, length in enumerate(part.lanes) if length > 1 and own_lanes[axis] == 1])
        return _entered(split, leaves, notes)
    along = [axis for axis in range(part.ndim) if own_lanes[axis] > 1 and part.shape[axis] > 1]
    if not along:
        return part.astype(object) if part.dtype != object else part
    leaf = leaf_of(notes, part)
    whole = LaneArray(boxed(leaf.node).reshape((1,) * part.ndim), part.shape, {leaf.node._number: leaf})
    return _entered(whole.split([axis for axis in range(part.ndim) if axis not in along]), leaves, notes)


def _entered(array: LaneArray, leaves: dict[int, Leaf], notes: Recording) -> Any:
    """The cells of an array; where a leaf of the others has other data for its node, with another node."""
    instead = {}
    for number, leaf in array.leaves.items():
        known = leaves.setdefault(number, leaf)
        if place_of(known.data) != place_of(leaf.data):
            other = leaf_of(notes, leaf.data, owned=True)
            instead[number] = other.node
            leaves[other.node._number] = other
    if not instead:
        return array.cells
    outputs = array.cells.ravel().tolist()
    operations, _ = dependents(outputs, array.leaves)
    found = replayed(outputs, operations, instead)
    return np.fromiter(found, object, len(found)).reshape(array.cells.shape)


# --------------------------------------------------------------------------------------------------------------- ufuncs


def served(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """The result of a ufunc where it is an expression, or the sum of one."""
    given = {name: option for name, option in options.items() if option is not None}
    if given.get("where") is True:  # as `a.mean()` passes it on
        del given["where"]
    if method == "reduce":
        return _reduced(ufunc, inputs[0], given, axis=options.get("axis", 0))
    if method != "__call__" or given:
        return NotImplemented
    if ufunc is np.matmul:
        return product(*inputs)
    pair = arrays.PAIRS.get(ufunc)
    if pair is not None:
        found = tuple([lifted(function, *inputs) for function in pair])
        return NotImplemented if any(part is NotImplemented for part in found) else found
    result = lifted(arrays.function_of(ufunc), *inputs)
    return Conditions(result) if result is not NotImplemented and arrays.is_question(ufunc) else result


def _reduced(ufunc: np.ufunc, array: Any, options: dict[str, Any], axis: Any) -> Any:
    keepdims = options.pop("keepdims", False)
    if options.keys() - {"axis"} or ufunc not in (np.add, np.logical_or, np.logical_and):
        return NotImplemented
    expression = as_lanes(array)
    if expression is None:
        return NotImplemented
    if ufunc is np.add:
        return expression.added(axis, keepdims=keepdims)
    # As sums of 1 and 0, which are exact.
    function = arrays.function_of(np.logical_not if ufunc is np.logical_and else np.logical_or)
    marks = lifted(function, expression) if ufunc is np.logical_and else lifted(function, expression, False)
    if marks is NotImplemented:
        return NotImplemented
    total = marks.added(axis, keepdims=keepdims)
    return total == 0.0 if ufunc is np.logical_and else total > 0.0


def as_lanes(array: Any) -> LaneArray | None:
    """A long array of Variables as one whose elements have one expression; None if it is none."""
    if may_lift() is None or not _are_long([array]):
        return None
    part = _part(array)
    if part is None or not _is_traced(part):
        return None
    if isinstance(part, LaneArray):
        return part
    found = lifted(lambda x: x, part)
    return found if isinstance(found, LaneArray) else None


def product(a: Any, b: Any) -> Any:
    """A product of vectors and matrices, NotImplemented where that is none of long arrays.

    A matrix of Variables times a vector has loops of its own in machine code; it is no expression unless its rows are many.
    """
    if may_lift() is None or np.size(a) * np.size(b) < lane_arrays.LONG:
        return NotImplemented
    parts = [_part(a), _part(b)]
    if any(part is None or not 1 <= part.ndim <= 2 for part in parts):
        return NotImplemented
    left, right = parts
    inner = left.shape[-1], right.shape[0]
    if inner[0] != inner[1] or left.size * right.size // inner[0] < lane_arrays.LONG:
        return NotImplemented
    rows = left.shape[:-1] + right.shape[1:]
    matrices = [part for part in parts if part.ndim == 2 and not isinstance(part, LaneArray)]
    if any(part.dtype == object for part in matrices) and max(rows) < lane_arrays.LONG:
        return NotImplemented
    if left.ndim == right.ndim == 2:
        left, right = left[:, :, None], right[None]
    elif right.ndim == 2:
        left = left[:, None]
    terms = lifted(arrays.function_of(np.multiply), left, right)
    return (
        NotImplemented
        if terms is NotImplemented
        else terms.added(terms.ndim - (2 if parts[1].ndim == 2 else 1), keepdims=False)
    )


# ------------------------------------------------------------------------------------------- functions that are no ufuncs


def _by_product(function: Callable[..., Any], arranged: Callable[..., Any]) -> Callable[..., Any]:
    """A function of NumPy that multiplies vectors or matrices, which are `arranged` as for `@`."""
    implementation: Any = function._implementation  # type: ignore[attr-defined]

    def multiplied(a: Any, b: Any, out: Any = None) -> Any:
        found = product(*arranged(a, b)) if out is None and np.ndim(a) and np.ndim(b) else NotImplemented
        if found is not NotImplemented:
            return found
        return implementation(*map(ordinary, (a, b)), **({} if out is None else {"out": out}))

    return multiplied


def _diff(a: Any, n: int = 1, axis: int = -1, **options: Any) -> Any:
    if options:
        return NotImplemented
    axis = axes_of(axis, a.ndim)[0]
    front = (slice(None),) * axis
    for _ in range(n):
        a = a[(*front, slice(1, None))] - a[(*front, slice(None, -1))]
    return a


def _average(a: Any, axis: Any = None, weights: Any = None, **options: Any) -> Any:
    if options or axis is not None:
        return NotImplemented
    return np.mean(a) if weights is None else np.sum(a * weights) / np.sum(weights)


def _expanded(a: Any, axis: Any) -> Any:
    ndim = a.ndim + np.size(axis)
    new = axes_of(axis, ndim)
    return a[tuple([None if k in new else slice(None) for k in range(ndim)])]


def _like(function: Callable[..., Any]) -> Callable[..., Any]:
    """Of an array, but for its shape."""

    def like(a: Any, *arguments: Any, **options: Any) -> Any:
        return as_variable_array(function(np.empty(a.shape, dtype=object), *arguments, **options))

    return like


own: dict[Any, Callable[..., Any]] = {
    np.diff: _diff,
    np.average: _average,
    np.copy: lambda a, *_, **__: a.copy(),
    np.expand_dims: _expanded,
    **{function: _like(function) for function in (np.zeros_like, np.ones_like, np.full_like, np.empty_like)},
}
LaneArray.functions |= own
arrays.FUNCTIONS |= {
    np.dot: _by_product(np.dot, lambda a, b: (a, b)),
    np.inner: _by_product(np.inner, lambda a, b: (a, b.T if np.ndim(b) == 2 else b)),
    np.vdot: _by_product(np.vdot, lambda a, b: (np.ravel(a), np.ravel(b))),
}
Recording.lift = staticmethod(served)
Primitive._lifted = staticmethod(lifted)
