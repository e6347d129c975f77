"""A mapped function over arrays of Dask: lazy arrays, whose tasks are (function, block of rows) → results, or sums.

The function is shipped once to each process and compiled there once, and so are the arguments that all rows share. Sums of
blocks are put together by the tree of `blocks`, so their bits depend on the blocks alone, not on the number of workers.
Nothing of Dask is imported before somebody passes an array of it.
"""

import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from itertools import chain, count
from math import nan
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np
import optree

from autograd_lite import foreign, forks, pickles
from autograd_lite.arrays import VariableArray
from autograd_lite.errors import ArgumentError, OperandError, UnpicklableError
from autograd_lite.nests import NAMESPACE, Fixed, Shape, variables_of
from autograd_lite.tape import workers
from autograd_lite.tape.backends.registry import in_one_thread
from autograd_lite.tape.blocks import combined, cut, failing, raise_placed, without_rows
from autograd_lite.tape.trace import is_fixed

#: Sums that one task adds up: a power of two, so that groups of groups are parts of the tree over all blocks.
TOGETHER = 8

#: The label of the axis of rows among those of all axes.
ROWS = 0


class Program:
    """A function over rows as it is shipped: read once, and compiled once, in each process."""

    def __init__(
        self, token: str, run: Callable[..., Any] | None, origin: workers.Machine, written: bytes = b""
    ) -> None:
        self.token, self.origin = token, origin
        self.outlines: dict[Any, Any] = {}  # results without rows, by the shape of arguments
        self._run, self._written = run, written
        self._warm: set[Any] = set()
        self._lock = forks.lock()

    def __reduce__(self) -> tuple[Any, ...]:
        with self._lock:
            self._written = self._written or workers.written(self._run)
        return pickles.arrived, (self.token, Program, self.token, None, self.origin, self._written)

    def __dask_tokenize__(self) -> str:
        return self.token

    def ready(self, kind: Any, first: Callable[[Any], object]) -> Any:
        """The function; of threads that need it at once, one compiles it, for the `first` row of arguments of a kind."""
        if kind in self._warm:
            return self._run
        with self._lock:
            if self._run is None:
                workers.compared(self.origin)
                self._run = workers.read(self._written)
            if kind not in self._warm:
                with suppress(Exception):  # the block itself meets it again, and says in which row
                    first(self._run)
                self._warm.add(kind)
        return self._run


def shipped(run: Callable[..., Any], backend: str) -> Program:
    """A function that is to run on other machines too; in this process it is not read again."""
    program = Program(uuid4().hex, run, workers.machine(backend))
    pickles.here[program.token] = program
    return program


@dataclass(frozen=True)
class Late:
    """The place of an argument that comes later: the rows of a block, or what Dask is still to compute for all blocks."""

    number: int
    varying: bool


class Task(NamedTuple):
    """What all blocks share."""

    nest: Any  # arguments and keywords, with `Late` for arrays of Dask
    axes: tuple[int, ...]  # the axis of rows of each array of blocks
    kinds: tuple[tuple[Any, tuple[int, ...]], ...]  # type and shape of each result of a row
    starts: Any  # the first row of each block, or None where Dask does not know how long blocks are
    summed: bool

    def __reduce__(self) -> tuple[Any, ...]:
        functions = [leaf for leaf in optree.tree_leaves(self.nest, namespace=NAMESPACE) if callable(leaf)]
        return Task, (workers.refusal(functions, "a function among the arguments") or self.nest, *self[1:])

    def filled(self, things: Sequence[Any], *, varying: bool) -> Any:
        """The arguments with these in their places."""
        return optree.tree_map(
            lambda leaf: things[leaf.number] if type(leaf) is Late and leaf.varying == varying else leaf,
            self.nest,
            is_leaf=lambda leaf: type(leaf) is Late,
            namespace=NAMESPACE,
        )


def is_lazy(arguments: Any, keywords: Any) -> bool:
    """Whether there are arrays of Dask among the arguments; only who has imported Dask has any."""
    if "dask" not in sys.modules:
        return False
    nest: Any = (arguments, keywords)
    return any(map(foreign.is_lazy, optree.tree_leaves(nest, namespace=NAMESPACE)))


def lazily(
    program: Program, mapped: Any, axes: Sequence[int | None], arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> Any:
    """The nest of results as lazy arrays of Dask; `mapped`, of `vmap`, says what they are like, `program` computes a block.

    Raises
    ------
    ArgumentError
        If arrays disagree on the number of rows, or none has rows.
    OperandError
        If Variables go in, or are used from outside.
    """
    nest: Any = (arguments, keywords)
    leaves, containers = optree.tree_flatten(nest, namespace=NAMESPACE)
    name = mapped.__name__
    _hold_no_variables([leaf for leaf in leaves if not foreign.is_lazy(leaf)], name)
    rows: list[Any] = []
    late: list[Any] = []
    places: list[int] = []
    given: list[Any] = []
    for leaf, axis in zip(leaves, axes, strict=True):
        if axis is not None:
            given.append(Late(len(rows), varying=True))
            rows.append(_in_blocks(leaf, axis, name))
            places.append(axis % rows[-1].ndim)
        elif foreign.is_lazy(leaf):
            given.append(Late(len(late), varying=False))
            late.append(_whole(leaf, name))
        else:
            array = foreign.array_of(leaf)
            given.append(leaf if array is None else array.copy())  # as it is now, whatever is written later
    if not rows:
        raise without_rows(name)
    rows, pairs, sizes = _aligned(rows, places, name)
    starts = None if np.isnan(sizes).any() else np.concatenate([[0], np.cumsum(sizes[:-1])]).astype(np.int64)
    task = Task(optree.tree_unflatten(containers, given), tuple(places), (), starts, summed=mapped.reduce is not None)
    outline = _outline(program, mapped, task, rows, late)
    results, structure = optree.tree_flatten(outline, namespace=NAMESPACE)
    _hold_no_variables(results, name)
    kinds = tuple((np.asarray(leaf).dtype, np.shape(leaf)[0 if mapped.reduce else 1 :]) for leaf in results)
    return optree.tree_unflatten(structure, _graph(program, task._replace(kinds=kinds), pairs, late, mapped))


def _hold_no_variables(leaves: list[Any], name: str) -> None:
    captured = any(isinstance(leaf, VariableArray) for leaf in leaves)
    if captured or variables_of([leaf for leaf in leaves if not is_fixed(leaf)]):
        raise OperandError(
            f"{name} over an array of Dask got Variables, or uses some from outside, and blocks of rows run on other "
            "machines. Pass plain numbers, and differentiate inside: vmap(value_and_grad(f), in_axes=…, reduce=…)."
        )


def _in_blocks(leaf: Any, axis: int, name: str) -> Any:
    """An argument that is mapped as an array of Dask, cut along the axis of rows only."""
    array = _as_array(leaf, name)
    if not -array.ndim <= axis < array.ndim:
        raise ArgumentError(f"{name} maps over axis {axis} of an array of shape {array.shape}. Check in_axes.")
    _test_known(array, axis % array.ndim, name)
    if array.shape[axis] == 0:  # whose blocks Dask does not align with others
        array = cut(array.blocks, axis % array.ndim, 0, 1)
    whole = {d: -1 for d in range(array.ndim) if d != axis % array.ndim and array.numblocks[d] > 1}
    return array.rechunk(whole) if whole else array


def _whole(leaf: Any, name: str) -> Any:
    """An array of Dask that all rows share: its shape, and its numbers in one task."""
    array = _as_array(leaf, name)
    _test_known(array, None, name)
    return array if array.npartitions == 1 else array.rechunk(-1)


def _test_known(array: Any, axis: int | None, name: str) -> None:
    if np.isnan(array.shape[:axis] + array.shape[axis:][1:] if axis is not None else array.shape).any():
        raise ArgumentError(
            f"{name} got an array of shape {array.shape}, and only the number of rows may be unknown to Dask. Call "
            ".compute_chunk_sizes() on it, or .to_dask_array(lengths=True) of a data frame."
        )


def _as_array(leaf: Any, name: str) -> Any:
    """An argument as an array of Dask."""
    if foreign.is_lazy(leaf) and not hasattr(type(leaf), "ndim"):
        raise OperandError(
            f"{name} got {leaf!r:.60}, whose shape Dask does not know. Pass an array: da.from_delayed(value, shape, dtype)."
        )
    return import_module("dask.array").asanyarray(leaf)


def _aligned(rows: list[Any], places: list[int], name: str) -> tuple[list[Any], list[Any], Any]:
    """Arrays cut at the same rows; these with labels of their axes, one behind the other; the lengths of blocks."""
    further = count(ROWS + 1)
    labels = [
        tuple(ROWS if d == place else next(further) for d in range(array.ndim))
        for array, place in zip(rows, places, strict=True)
    ]
    lengths = [array.shape[place] for array, place in zip(rows, places, strict=True)]
    if len({length for length in lengths if length == length}) > 1:  # noqa: PLR0124 - NaN is a length that is not known
        raise ArgumentError(
            f"{name} got {', '.join(map(str, lengths))} lanes in its arguments. Give all mapped arguments one length, and "
            "in_axes=None to those that all lanes share."
        )
    try:
        chunks, arrays = import_module("dask.array").unify_chunks(*chain(*zip(rows, labels, strict=True)))
    except ValueError as error:
        raise ArgumentError(
            f"the arguments of {name} are cut into blocks whose lengths Dask does not know. Call "
            ".compute_chunk_sizes() on them, or take all of them from one data frame."
        ) from error
    return arrays, [*chain(*zip(arrays, labels, strict=True))], np.array(chunks[ROWS], dtype=np.float64)


def _outline(program: Program, mapped: Any, task: Task, rows: list[Any], late: list[Any]) -> Any:
    """The results of no rows, which have the structure, types and shapes of all results."""
    empty = [
        np.empty([0 if d == place else n for d, n in enumerate(array.shape)], array.dtype)
        for array, place in zip(rows, task.axes, strict=True)
    ]
    ones = [np.ones(array.shape, array.dtype) if array.ndim else array.dtype.type(1) for array in late]
    nest: Any = task._replace(nest=task.filled(ones, varying=False)).filled(empty, varying=True)
    leaves, containers = optree.tree_flatten(nest, namespace=NAMESPACE)
    key = Shape(containers, tuple(Fixed(leaf) if is_fixed(leaf) else np.shape(leaf) or None for leaf in leaves))
    if key not in program.outlines:
        try:
            program.outlines[key] = mapped(*nest[0], **nest[1])
        except Exception as error:  # noqa: BLE001 - of a function that does not take ones
            program.outlines[key] = _of_first_row(mapped, task, rows, late, error)
    return program.outlines[key]


def _of_first_row(mapped: Any, task: Task, rows: list[Any], late: list[Any], error: Exception) -> Any:
    """The results of the first row, which Dask computes for that; if there is none, the error that a row of ones has met."""
    for number, length in enumerate(rows[0].chunks[task.axes[0]]):
        first = [
            cut(array.blocks, place, number, number + 1).map_blocks(cut, place, 0, 1, dtype=array.dtype)
            for array, place in zip(rows, task.axes, strict=True)
        ]
        computed = import_module("dask").compute(*first, *late) if length else None
        if computed is None or not computed[0].shape[task.axes[0]]:
            continue
        task = task._replace(nest=task.filled(computed[len(rows) :], varying=False))
        arguments, keywords = task.filled(computed[: len(rows)], varying=True)
        try:
            return mapped(*arguments, **keywords)
        except Exception as own:  # noqa: BLE001 - whatever the function raises, which is raised again
            row = None if str(own) == str(error) else 0  # no matter of rows
            raise_placed(own, row, number, None if task.starts is None else task.starts[number])
    error.add_note(f"of {mapped.__name__} with a row of ones, as there is no row")
    raise error


def _graph(program: Program, task: Task, pairs: list[Any], late: list[Any], mapped: Any) -> list[Any]:
    """An array of Dask for each result."""
    da, dask, layers = (import_module(f"dask{module}") for module in (".array", "", ".layers"))
    readable = re.sub(r"\W+", "_", mapped.__name__).strip("_")
    token = dask.base.tokenize(program, task, *pairs, *late)
    function = dask.delayed(program, name=f"function-{program.token}", traverse=False)
    shared = dask.delayed(task, name=f"arguments-{token}", traverse=False)
    if late:
        parts = [array.to_delayed(optimize_graph=False).item() for array in late]
        shared = dask.delayed(_together, pure=True)(shared, *parts)
    numbers = layers.ArrayBlockIdDep((pairs[0].chunks[task.axes[0]],))
    blocks = da.blockwise(
        _block, (ROWS,), numbers, (ROWS,), function, None, shared, None, *pairs,
        name=f"{readable}-{token}", align_arrays=False, dtype=object, meta=np.empty(0, dtype=object),
    )  # fmt: skip
    if mapped.reduce is None:
        return [
            da.blockwise(
                _picked, (ROWS, *range(1, len(shape) + 1)), blocks, (ROWS,), k, None,
                new_axes=dict(enumerate(shape, 1)), dtype=dtype, meta=np.empty((0,) * (len(shape) + 1), dtype),
            )
            for k, (dtype, shape) in enumerate(task.kinds)
        ]  # fmt: skip
    total = da.reduction(
        blocks, _same, _added, combine=_added, axis=0, concatenate=False, split_every=TOGETHER, dtype=object,
        meta=np.empty((), dtype=object), name=f"sum_{readable}",
    )  # fmt: skip
    ends = np.cumsum([0, *(int(np.prod(shape)) for _, shape in task.kinds)]).tolist()
    return [
        da.blockwise(
            _part, tuple(range(len(shape))), total, (), start, None, end, None, shape, None, mapped.reduce == "mean", None,
            new_axes=dict(enumerate(shape)), dtype=np.float64, meta=np.empty((0,) * len(shape)),
        )
        for (_, shape), start, end in zip(task.kinds, ends, ends[1:], strict=False)
    ]  # fmt: skip


# --- on a worker ----------------------------------------------------------------------------------------------------------


def _together(task: Task, *late: Any) -> Task:
    """The arguments with what Dask has computed for all blocks."""
    return task._replace(nest=task.filled(late, varying=False))


def _block(number: tuple[int, ...], program: Program, task: Task, *arrays: Any) -> Any:
    """The results of a block: a tuple of arrays, or if summed one of all sums and the number of rows."""
    if isinstance(task.nest, UnpicklableError):
        raise task.nest
    rows = [_alone(array) for array in arrays]
    length, *others = (array.shape[axis] for array, axis in zip(rows, task.axes, strict=True))
    start = None if task.starts is None else task.starts[number[0]]
    if {*others} - {length}:
        raise_placed(_unequal({length, *others}), None, number[0], start)

    def run(function: Callable[..., Any], first: int = 0, end: int = length) -> Any:
        part = [cut(array, axis, first, end) for array, axis in zip(rows, task.axes, strict=True)]
        arguments, keywords = task.filled(part, varying=True)
        return function(*arguments, **keywords)

    with in_one_thread():  # Dask runs a task on each of its threads
        kind = tuple(
            (array.dtype, array.shape[:axis] + array.shape[axis + 1 :])
            for array, axis in zip(rows, task.axes, strict=True)
        )
        function = program.ready(kind, lambda function: run(function, 0, min(length, 1)))
        try:
            results = optree.tree_leaves(run(function), namespace=NAMESPACE)
            return _sums(results, length, task) if task.summed else _fitting(results, task)
        except Exception as error:  # noqa: BLE001 - whatever the function raises, which is raised again
            row = failing(lambda first, end: run(function, first, end), length)
            raise_placed(error, row, number[0], start)


def _unequal(lengths: set[int]) -> ArgumentError:
    return ArgumentError(
        f"its arguments have {' and '.join(map(str, sorted(lengths)))} rows, as blocks whose lengths Dask does not know "
        "may have. Select the rows of all arguments by one condition, or call .compute_chunk_sizes() on them before."
    )


def _alone(array: Any) -> Any:
    """A block out of the lists that Dask makes of axes of one block."""
    while isinstance(array, list):
        (array,) = array
    known = foreign.array_of(array)  # refuses a masked one
    return np.asarray(array) if known is None else known


def _fitting(results: list[Any], task: Task) -> tuple[Any, ...]:
    """The results, if they are like those of a row of ones."""
    arrays = [np.asarray(leaf) for leaf in results]
    alike = (
        array.shape[1:] == shape and np.can_cast(array.dtype, dtype, "safe")
        for array, (dtype, shape) in zip(arrays, task.kinds, strict=False)
    )
    if len(arrays) != len(task.kinds) or not all(alike):
        told, found = _told(task.kinds), _told([(array.dtype, array.shape[1:]) for array in arrays])
        raise ArgumentError(
            f"its rows give {found}, and a row of ones gives {told}. Return one structure from every branch, floats rather "
            "than whole numbers, and take no Variables from outside."
        )
    return tuple(array.astype(dtype, copy=False) for array, (dtype, _) in zip(arrays, task.kinds, strict=True))


def _sums(results: list[Any], length: int, task: Task) -> Any:
    arrays = [np.asarray(leaf) for leaf in results]
    if [array.shape for array in arrays] != [shape for _, shape in task.kinds] or any(
        a.dtype == object for a in arrays
    ):
        raise ArgumentError(
            f"its sums are {_told([(array.dtype, array.shape) for array in arrays])}, and those of a row of ones "
            f"{_told(task.kinds)}. Return one structure from every branch, and take no Variables from outside."
        )
    return np.concatenate([*(array.ravel() for array in arrays), [float(length)]])


def _told(kinds: Sequence[tuple[Any, tuple[int, ...]]]) -> str:
    return ", ".join(f"{dtype}{list(shape) or ''}" for dtype, shape in kinds)


def _picked(results: tuple[Any, ...], k: int) -> Any:
    return results[k]


def _same(sums: Any, axis: Any, keepdims: bool) -> Any:  # noqa: ARG001
    return sums


def _added(sums: Any, axis: Any, keepdims: bool) -> Any:  # noqa: ARG001
    """Sums of neighbours; Dask hands over what is alone without a list."""
    with np.errstate(all="ignore"):
        return combined(sums, np.add) if isinstance(sums, list) else sums


def _part(total: Any, start: int, end: int, shape: tuple[int, ...], mean: bool) -> Any:
    """One result out of the sums of all rows."""
    sums = total[start:end] / (total[-1] or nan) if mean else total[start:end]
    return sums.reshape(shape) if shape else sums[0]
