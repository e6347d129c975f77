"""Element-wise expressions of array code as lanes: written once, for one element, and run for all of them.

Such an expression is a graph of ordinary nodes over `Leaf` nodes, each of which stands for one element of an array. What the
graph takes besides is shared by all elements. Where its elements are added up or asked for, it becomes the operation that a
`vmap` of the same formula would have been: `run`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from autograd_lite.nests import unravel
from autograd_lite.primitives import positive
from autograd_lite.tape.backends.lanes import Columns
from autograd_lite.tape.backends.registry import fastest
from autograd_lite.tape.lane_operations import entered
from autograd_lite.tape.lane_paths import LanePaths
from autograd_lite.tape.paths import Paths
from autograd_lite.tape.recording import Recording
from autograd_lite.variable import FLOATS, VARIABLES, Variable, is_condition, kinds, reachable


class Leaf(NamedTuple):
    """An array, which nobody changes, and the node that stands for an element of it."""

    node: Variable
    data: Any  # float64, or objects: floats and Variables

    @property
    def traced(self) -> bool:
        return bool(self.data.dtype == object)

    def moved(self, change: Callable[[Any], Any], lanes: tuple[int, ...]) -> "Leaf":
        """The leaf with its data, in the shape of the lanes, changed."""
        return Leaf(self.node, change(np.broadcast_to(self.data, lanes)))

    def at(self, part: tuple[Any, ...], ndim: int) -> Any:
        """Its data in a part of the lanes, where these are `ndim` axes and the part leaves all of them."""
        data = self.data.reshape((1,) * (ndim - self.data.ndim) + self.data.shape)
        return data[tuple(own if size > 1 else slice(None) for own, size in zip(part, data.shape, strict=True))]


#: The arrays of an expression by the numbers of their nodes.
Leaves = Mapping[int, Leaf]


def leaf_of(notes: Recording, array: Any, *, owned: bool = False) -> Leaf:
    """The leaf for an array as it is now: the one that the trace has if it had such an array there before."""
    place = place_of(array)
    known: Leaf | None = notes.leaves.get(place)
    data = array if owned else array.copy()
    if known is not None and _alike(known.data, data):
        return known
    first = data.flat[0]
    leaf = Leaf(Variable(getattr(first, "_value", first)), data)
    notes.leaves[place] = leaf
    notes.stand_ins.add(leaf.node._number)
    return leaf


def place_of(array: Any) -> Any:
    """Where an array lies in memory, and how."""
    return array.__array_interface__["data"][0], array.shape, array.strides, array.dtype.str


def _alike(one: Any, other: Any) -> bool:
    """Whether the entries of two arrays of one shape and type are the same, to the sign of a zero."""
    if one is other:
        return True
    if one.dtype == object:
        return all(
            a is b or (type(a) is float and repr(a) == repr(b)) for a, b in zip(one.flat, other.flat, strict=True)
        )
    bits = [np.ascontiguousarray(array).view(np.int64) for array in (one, other)]
    return bool(np.array_equal(bits[0], bits[1]))


def as_numbers(array: Any) -> Any:
    """The array as float64, or as objects if it holds Variables; None if the expression of an element cannot have it so."""
    kind = array.dtype.kind
    if kind == "O":
        entries = array.ravel().tolist()
        found = kinds(entries)
        if found & ~(FLOATS | VARIABLES):
            if not all(isinstance(e, (float, bool, int, np.bool_)) or type(e) is Variable for e in entries):
                return None
            entries = [e if type(e) is Variable else float(e) for e in entries]
            if any(abs(e) >= 2.0**53 for e in entries if type(e) is float):
                return None
            found = kinds(entries)
        elif found & VARIABLES:
            return array
        return np.fromiter(entries, object if found & VARIABLES else np.float64, len(entries)).reshape(array.shape)
    if kind not in "biuf" or array.dtype.itemsize > 8:
        return None
    if kind in "iu" and np.abs(array, dtype=np.float64).max(initial=0.0) >= 2.0**53:
        return None  # comparisons with such integers are exact
    return array.astype(np.float64, copy=False)


def dependents(outputs: Sequence[Any], leaves: Leaves) -> tuple[list[Variable], set[int]]:
    """The operations between leaves and outputs, oldest first; and their numbers with those of the leaves that were met."""
    found, numbers = [], set()
    for node in reachable([y for y in outputs if type(y) is Variable], min(leaves, default=0)):
        if node._number in leaves:
            numbers.add(node._number)
        elif any(type(a) is Variable and a._number in numbers for a in node._arguments):
            numbers.add(node._number)
            found.append(node)
    return found, numbers


def replayed(outputs: Sequence[Any], operations: Sequence[Variable], instead: Mapping[int, Any]) -> list[Any]:
    """The outputs by these operations, with other numbers in place of some nodes."""
    values = {**instead}
    for node in operations:
        given = [values.get(a._number, a) if type(a) is Variable else a for a in node._arguments]
        values[node._number] = node._primitive(*given)  # type: ignore[misc] # nothing in an expression is made by hand
    return [values.get(y._number, y) if type(y) is Variable else y for y in outputs]


def run(outputs: Sequence[Any], leaves: Leaves, lanes: tuple[int, ...], reduce: str | None) -> list[Any]:
    """The outputs of an expression over all lanes, an array of objects for each; or their sums, or means, over the lanes."""
    operations, numbers = dependents(outputs, leaves)
    used = [leaf for number, leaf in leaves.items() if number in numbers]
    parts = [[leaf for leaf in used if leaf.traced is traced] for traced in (False, True)]
    given = {
        a._number: a
        for a in (*(a for node in operations for a in node._arguments), *outputs)
        if type(a) is Variable and a._number not in numbers
    }
    shared, count = list(given.values()), math.prod(lanes)
    order = [*given, *(leaf.node._number for part in parts for leaf in part)]

    def element(*numbers: Any) -> list[Any]:
        flat = [number for part in numbers for number in part.tolist()]
        found = replayed(outputs, operations, dict(zip(order, flat, strict=True)))
        return [positive(y) if is_condition(y) else y for y in found]  # a number: as an output it were a branch

    arrays, found = [], [list(enumerate(shared))]
    for part in filter(None, parts):
        block, inside = _block(part, lanes, count)
        arrays.append(block)
        found.append(inside)
    if not arrays:  # nothing differs from lane to lane
        arrays, found, order = [np.zeros((count, 1))], [*found, []], [*order, 0]
    _, shape = unravel(((np.zeros(len(shared)), *(np.zeros(block.shape[1]) for block in arrays)), {}))
    family = LanePaths(Paths(element, shape, 1), (False, *[True] * len(arrays)), fastest(), reduce=reduce)
    columns = Columns(count, np.array([v._value for v in shared], dtype=np.float64), arrays)
    return entered(family, columns, found, family(columns))  # type: ignore[no-any-return]


def _block(leaves: Sequence[Leaf], lanes: tuple[int, ...], count: int) -> tuple[Any, list[tuple[int, Variable]]]:
    """The columns of some leaves as one array (lanes, leaves), and the Variables in it by their places."""
    columns = [np.broadcast_to(leaf.data, lanes).ravel() for leaf in leaves]
    if not leaves[0].traced:
        return np.stack(columns).T, []  # each column in one piece
    entries = np.stack(columns, axis=1).ravel().tolist()
    values = np.array([getattr(e, "_value", e) for e in entries]).reshape(count, len(columns))
    inside = [(place, e) for place, e in enumerate(entries) if type(e) is Variable]
    return values, sorted(inside, key=lambda pair: pair[1]._number)  # as they lie in memory: copied in long runs


def one_by_one(outputs: Sequence[Any], leaves: Leaves, lanes: tuple[int, ...]) -> list[list[Any]]:
    """The outputs of an expression lane by lane, as ordinary nodes; for each output those of all lanes."""
    operations, numbers = dependents(outputs, leaves)
    columns = {n: np.broadcast_to(leaf.data, lanes).ravel().tolist() for n, leaf in leaves.items() if n in numbers}
    found = [
        replayed(outputs, operations, dict(zip(columns, row, strict=True)))
        for row in (zip(*columns.values(), strict=True) if columns else [()] * math.prod(lanes))
    ]
    return [list(column) for column in zip(*found, strict=True)]
