"""The results of a mapped function: outputs of all lanes, put together from the paths that served them."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
import optree

from autograd_lite import functions
from autograd_lite.arrays import VariableArray
from autograd_lite.errors import ArgumentError
from autograd_lite.nests import Fixed, Shape, unravel
from autograd_lite.primitives import as_float
from autograd_lite.tape.trace import is_plain


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
        count = self.numbers.shape[1]
        rows = spread(list(self.numbers), self.shape, shape)
        return np.array([np.full(count, row) if isinstance(row, float) else row for row in rows]).reshape(-1, count)


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


def stacked(shape: Shape, numbers: Any, facts: Mapping[int, Any]) -> Any:
    """The nest of outputs (numbers, lanes), each leaf with an axis of lanes first; `facts` are those that are no numbers."""
    leaves, start, count = [], 0, numbers.shape[1]
    for k, (leaf, size) in enumerate(zip(shape.leaves, shape.sizes, strict=True)):
        rows = numbers[start : start + size]
        if isinstance(leaf, Fixed):
            leaves.append(facts[k])
        else:
            column = rows[0] if leaf is None else np.ascontiguousarray(rows.T).reshape(count, *leaf)
            leaves.append(column.view(VariableArray) if column.dtype == object else column)
        start += size
    return optree.tree_unflatten(shape.containers, leaves)


class Results:
    """Outputs of all lanes, kept as the lanes are served and put together at the end.

    What is a float in one lane is one in all: an integer of another lane counts as the float equal to it. What is a float in
    no lane stays as it is.
    """

    def __init__(self, shape: Shape, count: int) -> None:
        self.shape, self.count = shape, count
        self.parts: list[Part] = []

    def write(self, shape: Shape, outputs: Any, lanes: Any, done: Any) -> int:
        """Keep the outputs (numbers, lanes) of those `lanes` that are `done`; returns how many these are."""
        if done.all():
            self.parts.append(Part(shape, outputs, lanes))
        elif done.any():
            self.parts.append(Part(shape, outputs[:, done], np.flatnonzero(done) if lanes is None else lanes[done]))
        return int(np.count_nonzero(done))

    def write_eagerly(self, result: Any, lane: int) -> None:
        """Keep what the function itself gave for one lane."""
        numbers, shape = unravel(result, "the output", is_plain)
        column = np.array([getattr(number, "_value", number) for number in numbers], dtype=np.float64)
        self.parts.append(Part(shape, column[:, None], np.array([lane])))

    def totals(self) -> tuple[Shape, Any]:
        """Sums over lanes, in their order, and the shape that they have."""
        common = self._common()
        shape = Shape(common.containers, tuple(map(_as_number, common.leaves)))
        if any(isinstance(leaf, Fixed) for leaf in shape.leaves):
            raise ArgumentError(
                "reduce adds numbers up, but the mapped function returns something else. Return numbers only."
            )
        return shape, self._numbers(shape).sum(axis=1)

    def columns(self) -> tuple[Shape, Any, dict[int, Any]]:
        """The shape of one lane's outputs, the numbers (numbers, lanes), and what is a float in no lane, by its place."""
        shape = self._common()
        facts = {k: self._facts(k) for k, leaf in enumerate(shape.leaves) if isinstance(leaf, Fixed)}
        return shape, self._numbers(shape), facts

    def _common(self) -> Shape:
        """The shape of the outputs of all lanes."""
        common = self.parts[0].shape if self.parts else self.shape
        for shape in [part.shape for part in self.parts[1:]]:
            pairs = list(zip(common.leaves, shape.leaves, strict=False))
            if common.containers != shape.containers or not all(_alike(*pair) for pair in pairs):
                raise ArgumentError(
                    f"the mapped function returns {common.outline()} in some lanes and {shape.outline()} in others (* is a "
                    "float). Return the same structure from every branch."
                )
            common = Shape(
                common.containers, tuple(leaf if _as_number(leaf) is leaf else other for leaf, other in pairs)
            )
        return common

    def _numbers(self, shape: Shape) -> Any:
        """The numbers of all lanes: an array (numbers, lanes)."""
        if self.parts and self.parts[0].lanes is None:
            return self.parts[0].rows(shape)
        numbers = np.empty((sum(shape.sizes), self.count))
        for part in self.parts:
            numbers[:, part.lanes] = part.rows(shape)
        return numbers

    def _facts(self, k: int) -> Any:
        """Leaf `k`, a float in no lane, as an array over lanes."""
        shapes = [part.shape for part in self.parts] or [self.shape]
        facts = [_fact(leaf) for leaf in (shape.leaves[k] for shape in shapes) if isinstance(leaf, Fixed)]
        column = np.empty((self.count, *facts[0].shape), _common_type({fact.dtype for fact in facts}))
        for part, fact in zip(self.parts, facts, strict=False):
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


def _fact(leaf: Fixed) -> Any:
    """A fact that is no float as an array, or as an object in one."""
    if isinstance(leaf.thing, (np.ndarray, np.generic, int, complex, str, bytes)):
        return np.asarray(leaf.thing)
    fact = np.empty((), dtype=object)
    fact[()] = leaf.thing
    return fact


def _common_type(types: set[Any]) -> Any:
    """The type that keeps what is of these types as it is; objects if NumPy has none."""
    try:
        common = np.result_type(*types)
    except TypeError:
        return np.dtype(object)
    kept = (kind == common.kind or (kind in "biu" and common.kind in "iu") for kind in (t.kind for t in types))
    return common if all(kept) else np.dtype(object)


def reduced(lanes: Any, reduce: str | None) -> Any:
    """Lanes that are Variables, added up or averaged over the first axis; sums over lanes start with 0.0, so none is -0.0."""
    total = functions.sum(lanes, axis=0) + 0.0
    return total / (len(lanes) or nan) if reduce == "mean" else total
