"""Rows of a table by an index that is data: while a function is traced a look-up or a selection, where Python has a branch.

The index is tested in every call and lane, without a branch too: an index that names no row is a doubt, which the careful
program settles (see `tape.recording`) by a guard that sends the call, or the lane, to the function itself, which refuses.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_lite import arrays, context, foreign, hints
from autograd_lite.arrays import Conditions, as_variable_array, boxed, holds_variables
from autograd_lite.conversion import as_operand
from autograd_lite.errors import ArgumentError, OperandError, RowError
from autograd_lite.nests import as_array, unravel
from autograd_lite.primitives import clip, div, floor, where
from autograd_lite.variable import Variable

#: A table of so many rows is selected from wherever it stands: that is as fast.
FEW = 8


@hints.keywords
def take(table: Any, index: Any, axis: int = 0) -> Any:
    """The row of a table at an index, or the rows at an array of them. The index is data: no branch, and no path for each.

    Parameters
    ----------
    table : array, or list or tuple of rows
        Numbers, Variables or both. The rows of a list are numbers or nests of one structure.
    index : whole number, or list or array of such
        An int, a float, a Variable, a condition. Negative ones count from the end.
    axis : int, default 0
        The axis of an array along which the rows lie.

    Returns
    -------
    number, array or nest
        As `table[index]`, or as `numpy.take(table, index, axis)`. The gradient by the table is added into the row that was
        taken; that by the index is 0.

    Raises
    ------
    RowError
        If an index names no row: it is out of range, NaN, or not whole. Also an IndexError. In lanes it says in which one.
    ArgumentError
        If `axis` is none of the table's, or the rows of a list differ in structure.

    Notes
    -----
    Time: that of a look-up, in lanes too. In tables of at most eight rows and tapes of `trace`, a selection for each number.

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_lite as al
    >>> take([10.0, 20.0, 30.0], -1)
    30.0
    >>> take(np.array([[1.0, 2.0], [3.0, 4.0]]), [1, 1, 0], axis=1)
    array([[2., 2., 1.],
           [4., 4., 3.]])
    >>> slope = al.jit(al.grad(lambda table, i: al.take(table, i) ** 2))
    >>> slope(np.array([1.0, 2.0, 3.0]), 2), slope(np.array([1.0, 2.0, 3.0]), 0), len(slope.paths())
    (array([0., 0., 6.]), array([2., 0., 0.]), 1)
    """
    array = None if isinstance(table, (list, tuple)) else foreign.array_of(table)
    if array is not None:
        return _of_array(array, index, axis)
    if not isinstance(table, (list, tuple)):
        raise OperandError(f"take of {type(table).__name__} {table!r:.60}: give an array, or a list of rows.")
    if axis != 0:
        raise ArgumentError(f"axis={axis!r} of a list: its rows lie along axis 0. Pass an array, np.array(table).")
    return _nested(_Rows(table), _indices(index).tolist() if _is_array(index) else index)


def _nested(table: "_Rows", index: Any) -> Any:
    return [_nested(table, part) for part in index] if isinstance(index, list) else table.at(index)


def _is_array(index: Any) -> bool:
    return np.ndim(index) > 0 if isinstance(index, np.ndarray) else isinstance(index, (list, tuple, Conditions))


def _indices(index: Any) -> np.ndarray[Any, Any]:
    """Indices as an array of numbers, or of objects."""
    if isinstance(index, Conditions):
        index = index.each
    return np.asarray(index) if not isinstance(index, (list, tuple)) else np.asarray(boxed(index))


def _of_array(table: np.ndarray[Any, Any], index: Any, axis: int) -> Any:
    """As `numpy.take`, in the order of its axes."""
    axis = arrays.axes_of(axis, table.ndim)[0]
    rows = np.moveaxis(np.asarray(table), axis, 0)
    if not _is_array(index):
        found = _Rows(rows).at(index)
        return found.item() if isinstance(found, np.generic) else as_variable_array(found)
    indices, from_rows = _indices(index), _Rows(rows)
    places = [from_rows.at(i) for i in indices.ravel().tolist()]
    found = np.empty((len(places), *rows.shape[1:]), dtype=rows.dtype if not holds_variables(places) else object)
    for k, row in enumerate(places):
        found[k] = row
    front = found.reshape(indices.shape + rows.shape[1:])
    return as_variable_array(np.moveaxis(front, range(indices.ndim), range(axis, axis + indices.ndim))[()])


def place_of(index: Any, count: int) -> int:
    """The place, from 0 on, of the row that an index names; refused if there is none."""
    whole = index if isinstance(index, (int, np.integer)) else as_operand(index)
    if not (isinstance(whole, (int, np.integer)) or whole.is_integer()):
        raise RowError(f"take got index {index!r}: an index is a whole number. Round it: al.floor(index).")
    if not -count <= whole < count:
        has = f"{count} rows, from 0 to {count - 1}, or from -{count} to -1" if count else "no rows"
        raise RowError(f"take got index {index!r}, and the table has {has}. Correct the index, or al.clip it.")
    return int(whole) % count


class _Rows:
    """The rows of a table, and where a trace asks for them their numbers."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    @functools.cached_property
    def numbers(self) -> tuple[list[list[Any]], Callable[[list[Any]], Any]]:
        """Those of each row, and what makes a row of them."""
        rows = self.rows
        if isinstance(rows, np.ndarray):
            shape = rows.shape[1:]
            return rows.reshape(len(rows), -1).tolist(), lambda found: as_array(found, shape) if shape else found[0]
        unraveled = [unravel(row, "a row of take") for row in rows]
        first = unraveled[0][1]
        for k, (_, other) in enumerate(unraveled):
            if not other.resembles(first):
                raise ArgumentError(
                    f"row 0 of a table is {first.outline()} and row {k} is {other.outline()}. Give rows of one structure, "
                    "since take selects number by number."
                )
        return [numbers for numbers, _ in unraveled], first.pack

    def at(self, index: Any) -> Any:
        """One row. A traced index is a held number from here on, since the derivative by it is 0."""
        number, count = index.value if type(index) is Variable else index, len(self.rows)
        if type(number) is not Variable:
            return self.rows[place_of(number, count)]
        trace = context.recording()
        assert trace is not None
        place_of(number._value, count)
        place = where(number < 0.0, number + float(count), number)
        valid = clip(floor(place), 0.0, count - 1.0) == place
        if not trace.doubt([div(0.0, valid)]):  # NaN where it names no row
            bool(valid)  # a guard, after which the function refuses
        numbers, packed = self.numbers
        return packed(_looked_up(trace, numbers, place))


def _looked_up(trace: context.Trace, rows: list[list[Any]], place: Any) -> list[Any]:
    """The numbers of the row at `place`, by one instruction each where the trace has such, and it pays."""
    found = trace.looked_up(rows, place) if len(rows) > FEW and rows[0] else None
    return between(rows, place, 0, len(rows)) if found is None else found


def between(rows: list[list[Any]], place: Any, first: int, last: int) -> list[Any]:
    """The numbers of the row at `place`, of rows `first` … `last` - 1: by halves, so that no chain is long."""
    if last - first == 1:
        return rows[first]
    middle = (first + last) // 2
    low, high = between(rows, place, first, middle), between(rows, place, middle, last)
    below = place < float(middle)
    return [a if a is b else where(below, a, b) for a, b in zip(low, high, strict=True)]


def _of_numpy(a: Any, indices: Any, axis: int | None = None, out: None = None, mode: str = "raise") -> Any:
    """`numpy.take` of an array of Variables."""
    if out is not None or mode not in ("raise", "wrap", "clip"):
        raise ArgumentError(
            f"np.take of Variables got mode={mode!r} and out={out!r}: give 'raise', 'wrap' or 'clip', and leave out= out."
        )
    flat = np.asarray(a).ravel() if axis is None else np.asarray(a)
    if mode != "raise":
        count = flat.shape[axis or 0]
        numbers = _indices(indices) if _is_array(indices) else indices
        indices = np.mod(numbers, count) if mode == "wrap" else np.clip(numbers, 0, count - 1)
    return _of_array(flat, indices, axis or 0)


def _at(table: np.ndarray[Any, Any], index: Any) -> Any:
    """`table[index]` with numbers that are Variables in the index, one for an axis; else None.

    An array of them may have been flags before the trace made floats of them: a mask, which picks other rows.
    """
    if not isinstance(index, tuple):
        return _of_array(table, index, 0) if type(index) is Variable else None
    parts = [*index] if any(part is ... for part in index) else [*index, ...]
    if any(isinstance(part, (list, tuple, np.ndarray, Conditions)) for part in parts):
        return None
    cut = next(k for k, part in enumerate(parts) if part is ...)
    given = sum(part is not None for part in parts) - 1
    parts[cut : cut + 1] = [slice(None)] * (table.ndim - given)
    whole = np.asarray(table)[tuple(slice(None) if type(part) is Variable else part for part in parts)]
    kept = [part for part in parts if not isinstance(part, (int, np.integer))]
    for axis in reversed([k for k, part in enumerate(kept) if type(part) is Variable]):
        whole = _of_array(whole, kept[axis], axis)
    return whole


arrays.FUNCTIONS[np.take] = _of_numpy
arrays.TracedArray.looked_up = staticmethod(_at)
