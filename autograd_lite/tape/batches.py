"""The arguments of a mapped function: columns of numbers over lanes."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import optree

from autograd_lite.errors import ArgumentError, OperandError
from autograd_lite.nests import NAMESPACE, Shape, unravel
from autograd_lite.primitives import as_float
from autograd_lite.tape.backends.lanes import Columns
from autograd_lite.tape.trace import is_fixed


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

    def of(self, columns: Columns) -> "Batch":
        """With other numbers."""
        return Batch(columns, self.shape, self.mapped)

    def of_lanes(self, lanes: Any) -> "Batch":
        """Only these lanes."""
        return self.of(self.columns.rows(lanes))

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
    axes = axes_of(arguments, keywords, in_axes, name)
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


def _array(leaf: Any, name: str) -> Any:
    """A float64 array equal to the leaf."""
    if not isinstance(leaf, np.ndarray):
        raise ArgumentError(
            f"{name} maps over {leaf!r:.60}, which is no array. Pass an array with an axis of lanes, or give in_axes=None to "
            "what all lanes share."
        )
    if leaf.dtype == np.float64:
        return leaf
    if leaf.dtype == object:  # plain numbers, as NumPy's functions leave them where no Variable was chosen
        return np.array([as_float(number) for number in leaf.ravel().tolist()], dtype=np.float64).reshape(leaf.shape)
    if leaf.dtype.kind not in "biuf":
        raise OperandError(f"{name} maps over an array of {leaf.dtype}. Pass an array of real numbers.")
    with np.errstate(over="ignore"):
        converted = leaf.astype(np.float64)
    whole = leaf.dtype.kind in "iu"
    for number in leaf[np.abs(converted) >= 2.0**53 if whole else (converted != leaf) & ~np.isnan(converted)]:
        as_float(number)  # refuses the one that is not exact
    return converted
