"""More rows than memory holds: a mapped function, block of rows by block of rows."""

import copy
import mmap
from collections.abc import Callable, Iterator
from operator import index
from typing import Any

import numpy as np
import optree

from autograd_lite import hints, pickles
from autograd_lite.errors import ArgumentError
from autograd_lite.nests import NAMESPACE, Shape
from autograd_lite.tape.blocks import added, averaged, combined, cut, failing, raise_placed, without_rows
from autograd_lite.tape.call import Compiled
from autograd_lite.tape.vmap import Mapped, axes_of
from autograd_lite.transforms import named

ROWS = 65_536
#: Bytes of a memory map that are touched before its pages are handed back.
HANDED_BACK = 1 << 26
#: Steps of NumPy's search for a byte that two arrays share; arrays of some axes take less.
OVERLAP: Any = 100_000


@hints.keywords
def in_blocks(f: Callable[..., Any], rows: int = ROWS) -> "Blocked":
    """Return a function that runs `vmap(f)` or `jit(vmap(f))` over blocks of rows: of arrays on disk, or of iterators.

    Parameters
    ----------
    f : callable
        What `vmap` returned, or `jit` of that.
    rows : int, default 65,536
        Rows of a block; the last one may have fewer.

    Returns
    -------
    callable
        Takes the arguments of `f`, and `out=`. A mapped argument is an array, such as a memory map, or whatever else has a
        `shape` and can be sliced; or an iterator of blocks, each a piece of that argument with any number of rows.

        With `reduce="sum"` or `"mean"` of `vmap` it returns the sums. Otherwise it returns an iterator, which gives the nest
        of results of each block when asked for the next; or, with `out=`, a nest of arrays such as memory maps in the
        structure of the results, it fills these and returns them. An array of `out` may be an argument, or lie over a part of
        one, if no row of it lies over a later row of that. Two maps of one file are not known to be one.

    Raises
    ------
    ArgumentError
        If `f` is not mapped; if arguments or `out` disagree on the number of rows, or blocks on structure; if `out` lies over
        rows that are still to be read; if there is no row to reduce.

    Notes
    -----
    Memory: arguments and results of one block, what an iterator gave last, and with `reduce` as many sums as the number of
    blocks has binary digits. An array is read where it lies, slice by slice, and never copied as a whole; pages of memory
    maps are handed back to the system's cache after some 64 MB.

    Rows are cut into blocks from the first one on, in whatever pieces an iterator gives them, and sums of blocks are added up
    by a tree that the number of blocks alone decides: the same rows with the same `rows` give the same bits. Results that are
    not reduced are those of `f` itself, to the bit, and so are sums over one block.

    Variables among the arguments, or captured, give results that hold the graph of each block. For the gradient by parameters
    map the gradient itself: `in_blocks(jit(vmap(value_and_grad(loss), (None, 0), reduce="mean")))`. An error in a block
    tells the block and the row, which takes the time of two further blocks at most.

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_lite as al
    >>> x = np.linspace(0.0, 1.0, 1000)
    >>> total = in_blocks(al.jit(al.vmap(al.value_and_grad(lambda w, x: w * x), (None, 0), reduce="sum")), rows=256)
    >>> total(2.0, x) == total(2.0, iter([x[:10], x[10:900], x[900:]]))
    True
    >>> squares = in_blocks(al.vmap(lambda x: x * x), rows=400)
    >>> [len(block) for block in squares(x)]
    [400, 400, 200]
    >>> bool((squares(x, out=np.empty(1000)) == x * x).all())
    True
    """
    if not isinstance(_mapped_of(f), Mapped):
        raise ArgumentError(
            f"in_blocks takes vmap(f) or jit(vmap(f)) and got {f!r:.60}. Map the function over rows first."
        )
    if isinstance(rows, bool) or not isinstance(rows, (int, np.integer)) or rows < 1:
        raise ArgumentError(f"rows={rows!r}: give the number of rows of a block, from 1 on.")
    return Blocked(f, index(rows))


class Blocked:
    """A mapped function that runs in blocks of rows."""

    def __init__(self, f: Any, rows: int) -> None:
        self.f, self.rows = f, rows
        self.mapped = _mapped_of(f)
        self._of_block = f.of_blocks()
        self.__name__ = named(self, "in_blocks", f)
        self.__doc__ = f.__doc__

    def __call__(self, *arguments: Any, out: Any = None, **keywords: Any) -> Any:
        """Sums, an iterator of results, or `out`."""
        reduce, name = self.mapped.reduce, self.__name__
        if reduce and out is not None:
            raise ArgumentError(f'{name} has reduce="{reduce}", so there is no row for out. Leave out= away.')
        given = _Arguments(arguments, keywords, self.mapped.in_axes, name)
        blocks = self._blocks(given)
        if out is not None:
            return _filled(out, blocks, given)
        if not reduce:
            return (result for _, result in blocks)
        count = 0

        def sums() -> Iterator[Any]:
            nonlocal count
            for end, result in blocks:
                count = end
                yield result

        total = combined(sums(), added)
        return averaged(total, count) if reduce == "mean" else total

    def _blocks(self, given: "_Arguments") -> Iterator[tuple[int, Any]]:
        """The last row and the results of each block."""
        start = number = 0
        shape = None
        while (block := given.take(start, self.rows)) is not None:
            size, arguments, keywords = block
            try:
                result = self._of_block(*arguments, **keywords)
                shape = self._alike(shape, result)
            except Exception as error:  # noqa: BLE001 - whatever the function raises, which is raised again
                raise_placed(error, self._failing(size, arguments, keywords), number, start)
            start, number = start + size, number + 1
            given.files.touched(size)
            yield start, result

    def _alike(self, before: Shape | None, result: Any) -> Shape:
        """The structure of the results of a row, or of sums, which must be that of the blocks before."""
        leaves, containers = optree.tree_flatten(result, namespace=NAMESPACE)
        first = 0 if self.mapped.reduce else 1
        shape = Shape(containers, tuple(np.shape(leaf)[first:] or None for leaf in leaves))
        if before is not None and not before.resembles(shape):
            raise ArgumentError(
                f"the mapped function returns {shape.outline()} here and {before.outline()} in the blocks before (* is a "
                "float). Return the same structure from every branch."
            )
        return shape

    def _failing(self, size: int, arguments: Any, keywords: Any) -> int | None:
        """The row of a block that fails."""

        def run(first: int, end: int) -> Any:
            part = _Arguments(arguments, keywords, self.mapped.in_axes, self.__name__).take(first, end - first)
            assert part is not None
            return self._of_block(*part[1], **part[2])

        return failing(run, size)

    def __repr__(self) -> str:
        return f"<{self.__name__}, {self.rows:,} rows each>"

    def __reduce__(self) -> tuple[Any, ...]:
        place = pickles.written_as(self)
        return (pickles.at, place) if place else (Blocked, (self.f, self.rows))

    def __copy__(self) -> "Blocked":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Blocked":
        f = self.f if pickles.place_of(self) else copy.deepcopy(self.f, memo)
        return self if f is self.f else Blocked(f, self.rows)


def _mapped_of(f: Any) -> Any:
    return f.f if isinstance(f, Compiled) else f


class _Arguments:
    """The arguments of a call, from which blocks of rows are taken."""

    def __init__(self, positional: tuple[Any, ...], keywords: dict[str, Any], in_axes: Any, name: str) -> None:
        self.name, self.keywords = name, [*keywords]
        if isinstance(in_axes, (tuple, list)) and len(in_axes) != len(positional):
            axes_of(positional, {}, in_axes, name)  # says so
        prefixes = in_axes if isinstance(in_axes, (tuple, list)) else (in_axes,) * len(positional)
        pairs = [*zip(positional, prefixes, strict=True), *((word, 0) for word in keywords.values())]
        kinds = [_Read if isinstance(argument, Iterator) else _Held for argument, _ in pairs]
        self.parts: list[Any] = [kind(*pair, name) for kind, pair in zip(kinds, pairs, strict=True)]
        self.counts = {part.count for part in self.parts if type(part) is _Held and part.count is not None}
        self.files = _Files([file for part in self.parts if type(part) is _Held for file in part.mapped()])
        self.begun = False  # one block is there, even without rows
        self.count = next(iter(self.counts), None)  # of rows; iterators do not tell
        self.read = [part for part in self.parts if type(part) is _Read]
        if len({id(part.pieces) for part in self.read}) < len(self.read):
            raise ArgumentError(
                f"{name} got one iterator for two arguments, which would take turns at its rows. Give each its own, as "
                "itertools.tee(blocks) makes them, or a dict of arrays as one argument."
            )
        if len(self.counts) > 1:
            raise self._unequal(*sorted(self.counts)[:2])
        if not self.counts and not self.read:
            raise without_rows(name)

    def take(self, start: int, rows: int) -> tuple[int, list[Any], dict[str, Any]] | None:
        """The next rows: how many, and the arguments; None behind the last."""
        count = self.count
        rows = rows if count is None else min(rows, count - start)
        found = {id(part): part.take(rows or 1) for part in self.read}  # a row too many is one that should not be there
        sizes = {size for size, _ in found.values()} | ({rows} if count is not None else set())
        if len(sizes) > 1:
            raise self._unequal(start + min(sizes), start + max(sizes))
        size = sizes.pop()
        if not size and (self.begun or any(part.piece is None for part in self.read)):
            return None
        self.begun = True
        values = [found[id(part)][1] if id(part) in found else part.at(start, start + size) for part in self.parts]
        first = len(values) - len(self.keywords)
        return size, values[:first], dict(zip(self.keywords, values[first:], strict=True))

    def _unequal(self, fewer: int, more: int) -> ArgumentError:
        return ArgumentError(
            f"{self.name} got {fewer:,} rows in one argument and {more:,} or more in another. Give all mapped arguments one "
            "length, and in_axes=None to those that all rows share."
        )


class _Files:
    """Memory maps whose pages are handed back as they are used up; else a process seems to hold all that it has read.

    The pages stay in the system's cache. Of a copy-on-write map they would be lost.
    """

    def __init__(self, arrays: list[tuple[Any, int]]) -> None:
        self.maps: list[Any] = []
        self.row = 0.0  # bytes
        for array, axis in arrays:
            if isinstance(array, np.memmap) and array.mode != "c" and hasattr(mmap, "MADV_DONTNEED"):
                self.maps.append(array)
                self.row += array.nbytes / max(array.shape[axis], 1)
        self.bytes = 0.0

    def touched(self, rows: int) -> None:
        """Count what was read or written."""
        self.bytes += rows * self.row
        if self.bytes >= HANDED_BACK:
            for array in self.maps:
                if array._mmap is not None:  # noqa: SLF001 - else a copy in memory
                    array._mmap.madvise(mmap.MADV_DONTNEED)  # noqa: SLF001
            self.bytes = 0.0


class _Held:
    """An argument that is there as a whole."""

    def __init__(self, argument: Any, prefix: Any, name: str) -> None:
        self.axes = axes_of((argument,), {}, (prefix,), name)
        self.leaves, self.containers = optree.tree_flatten(argument, namespace=NAMESPACE)
        counts = set()
        for leaf, axis in zip(self.leaves, self.axes, strict=True):
            if axis is not None:
                counts.add(_length(leaf, axis, name))
        if len(counts) > 1:
            raise ArgumentError(
                f"{name} got arrays of {sorted(counts)} rows in one argument. Give them one length, or iter(blocks) if they "
                "are blocks of rows."
            )
        self.count = counts.pop() if counts else None
        #: The shape of a row of each array that has rows.
        self.row = [leaf.shape[:axis] + leaf.shape[axis:][1:] for leaf, axis in self.mapped()]

    def mapped(self) -> list[tuple[Any, int]]:
        """The arrays that have rows, and along which axis."""
        return [(leaf, axis) for leaf, axis in zip(self.leaves, self.axes, strict=True) if axis is not None]

    def at(self, start: int, end: int) -> Any:
        """The argument of these rows."""
        parts = [
            leaf if axis is None else _slice(leaf, axis, start, end)
            for leaf, axis in zip(self.leaves, self.axes, strict=True)
        ]
        return optree.tree_unflatten(self.containers, parts)


class _Read:
    """An argument whose rows an iterator gives, in pieces of any length."""

    def __init__(self, pieces: Iterator[Any], prefix: Any, name: str) -> None:
        self.pieces, self.prefix, self.name = pieces, prefix, name
        self.piece: _Held | None = None  # of which the rows before `start` are used up
        self.start = 0

    def take(self, rows: int) -> tuple[int, Any]:
        """The next rows, fewer where it ends."""
        parts: list[Any] = []
        size = 0
        while size < rows and (piece := self._ahead(parts)) is not None:
            end = min(self.start + rows - size, piece.count or 0)
            parts.append(piece.at(self.start, end))
            size += end - self.start
            self.start = end
        if self.piece is None:  # it gave nothing
            return 0, None
        if len(parts) < 2:
            return size, parts[0] if parts else self.piece.at(0, 0)
        axes = optree.tree_unflatten(self.piece.containers, self.piece.axes)
        return size, optree.tree_map(_joined, axes, *parts, namespace=NAMESPACE)

    def _ahead(self, parts: list[Any]) -> _Held | None:
        """The piece that has the next row; `parts` are copied before the iterator goes on, which may use its memory again."""
        while self.piece is None or self.start == self.piece.count:
            parts[-1:] = [optree.tree_map(np.array, part, namespace=NAMESPACE) for part in parts[-1:]]
            given = next(self.pieces, self)
            if given is self:
                return None
            piece = _Held(given, self.prefix, self.name)
            if piece.count is None or None in piece.axes:
                raise ArgumentError(
                    f"an iterator of {self.name} gave {given!r:.60}, of which in_axes={self.prefix!r} maps not every part. "
                    "Let it give arrays of rows, and pass what all rows share as an argument of its own."
                )
            before = self.piece or piece
            if before.containers != piece.containers:
                raise ArgumentError(f"an iterator of {self.name} gave {given!r:.60}, of another structure than before.")
            if before.row != piece.row:
                own, others = (", ".join(map(str, part.row)) for part in (piece, before))
                raise ArgumentError(
                    f"an iterator of {self.name} gave rows of shape {own}, and of {others} before. Give all rows one shape."
                )
            self.piece, self.start = piece, 0
        return self.piece


def _length(leaf: Any, axis: int, name: str) -> int:
    shape = getattr(leaf, "shape", None)
    if not isinstance(shape, tuple):
        raise ArgumentError(
            f"{name} maps over {leaf!r:.60}, which is neither an array nor an iterator of blocks of rows. Pass one "
            "(np.array([...]) for a list of numbers, np.load(path, mmap_mode='r') for a file), or give in_axes=None to what "
            "all rows share."
        )
    if not -len(shape) <= axis < len(shape):
        raise ArgumentError(f"{name} maps over axis {axis} of an array of shape {shape}. Check in_axes.")
    try:
        return index(shape[axis])
    except TypeError as error:
        raise ArgumentError(
            f"{name} maps over a {type(leaf).__name__} of Dask, which does not know how many rows there are. Call the mapped "
            "function itself with it, or give x.compute_chunk_sizes() or frame['x'].to_dask_array(lengths=True)."
        ) from error


def _slice(leaf: Any, axis: int, start: int, end: int) -> Any:
    """Some rows: a view of an array, what slicing gives of others."""
    part = cut(leaf, axis % len(leaf.shape), start, end)
    if not isinstance(leaf, np.ndarray) and np.shape(part)[axis : axis + 1 or None] != (end - start,):
        raise ArgumentError(
            f"a {type(leaf).__name__} of shape {leaf.shape} gave an array of shape {np.shape(part)} for rows {start:,} to "
            f"{end:,} along axis {axis}. Pass something that counts rows as NumPy does, such as x.to_numpy() of a series "
            "with labels."
        )
    return np.asarray(part) if isinstance(part, np.memmap) else part


def _joined(axis: int, *parts: Any) -> Any:
    return np.concatenate([np.asarray(part) for part in parts], axis)


def _filled(out: Any, blocks: Iterator[tuple[int, Any]], given: _Arguments) -> Any:
    """The results of all blocks in the arrays of `out`."""
    leaves, containers = optree.tree_flatten(out, namespace=NAMESPACE)
    start, name, files = 0, given.name, _Files([(leaf, 0) for leaf in leaves if np.ndim(leaf)])
    if given.count is not None:
        _test_lengths(leaves, given.count, name)
    _test_apart(leaves, given)
    for end, result in blocks:
        found, own = optree.tree_flatten(result, namespace=NAMESPACE)
        if own != containers:
            raise ArgumentError(
                f"out of {name} has the structure {containers!s:.60}, and its results have {own!s:.60}. Give one array each."
            )
        for target, leaf in zip(leaves, found, strict=True):
            _test_fits(target, leaf, end, name)
            target[start:end] = leaf
        files.touched(end - start)
        start = end
    _test_lengths(leaves, start, name)
    return out


def _test_apart(targets: list[Any], given: _Arguments) -> None:
    """Refuse to write into rows that are still to be read, or twice; each row into its own place is allowed."""
    held = [pair for part in given.parts if type(part) is _Held for pair in zip(part.leaves, part.axes, strict=True)]
    for k, target in enumerate(targets):
        if any(target is other or _meet(target, other) for other in targets[:k]):
            raise ArgumentError(f"out of {given.name} holds arrays that lie over each other. Give each result its own.")
        for leaf, axis in held:
            if _meet(target, leaf) and (axis is None or _meets_later(target, np.moveaxis(leaf, axis, 0))):
                raise ArgumentError(
                    f"out of {given.name} lies over an argument, whose rows it would write before they are read. Give an "
                    "array of its own, or exactly the rows of the argument."
                )


def _meet(one: Any, other: Any) -> bool:
    """Whether two arrays share a byte: exactly, unless that takes long to find out."""
    arrays = isinstance(one, np.ndarray) and isinstance(other, np.ndarray)
    return arrays and np.may_share_memory(one, other, max_work=OVERLAP)


def _meets_later(target: Any, leaf: Any) -> bool:
    """Whether a row of `target` lies over a later row of `leaf`, by halves; where strides are equal, the first one tells."""
    if not target.ndim or len(target) < 2 or not _meet(target, leaf):
        return False
    if target.strides[0] == leaf.strides[0]:
        return _meet(target[:1], leaf[1:])
    middle = len(target) // 2
    halves = (target[:middle], leaf[:middle]), (target[middle:], leaf[middle:])
    return _meet(target[:middle], leaf[middle:]) or any(_meets_later(*half) for half in halves)


def _test_lengths(leaves: list[Any], count: int, name: str) -> None:
    if lengths := {np.shape(leaf)[0] for leaf in leaves if np.ndim(leaf)} - {count}:
        raise ArgumentError(f"out of {name} has {lengths.pop():,} rows for {count:,}. Give arrays of that length.")


def _test_fits(target: Any, leaf: Any, end: int, name: str) -> None:
    shape: Any = getattr(target, "shape", None)
    dtype: Any = getattr(target, "dtype", None)
    if not isinstance(shape, tuple) or not shape or shape[1:] != leaf.shape[1:] or shape[0] < end:
        raise ArgumentError(
            f"out of {name} holds {f'an array of shape {shape}' if shape else repr(target)[:60]}, for {end:,} rows or more "
            f"of results of shape {leaf.shape[1:]}. Give an array with these axes."
        )
    if isinstance(target, np.ndarray) and not target.flags.writeable:
        raise ArgumentError(f"out of {name} holds an array that can only be read. Open it for writing: mode='r+'.")
    if not np.can_cast(leaf.dtype, dtype, "same_kind"):
        raise ArgumentError(
            f"out of {name} holds an array of {dtype} for results of {leaf.dtype}. Give one of that type."
        )
