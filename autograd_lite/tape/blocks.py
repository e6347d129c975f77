"""Sums over blocks of rows, in an order that the number of blocks alone decides; and errors of a block that tell the row.

Whoever computes the blocks, in whatever order and on however many machines, gets the same bits: sums are put together by
neighbours, then the sums of neighbours, and so on. Nothing here computes a block.
"""

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from math import nan
from typing import Any, NoReturn, TypeVar

import optree

from autograd_lite.errors import ArgumentError
from autograd_lite.nests import NAMESPACE

Part = TypeVar("Part")

#: What an error says of a lane of one block, whose number is told anew among all rows.
LANE = re.compile(r"^in row \d+ of vmap, ")


def combined(parts: Iterable[Part], how: Callable[[Part, Part], Part]) -> Part:
    """Put the parts of all blocks together, in the order of the blocks, by a fixed tree.

    Parameters
    ----------
    parts : iterable
        One part for each block, in the order of the rows. At most log₂ n of them are held at a time, so that they may be made
        while they are read. They may also be tasks of a scheduler, of which `how` makes further tasks.
    how : callable
        Joins two neighbours, the left one first, such as `added`. Like numbers it need not be associative.

    Returns
    -------
    part
        Of 1, 2, 3, 4, 5 parts: a, ab, (ab)c, (ab)(cd), ((ab)(cd))e.

    Raises
    ------
    ArgumentError
        If there is no part.

    Examples
    --------
    >>> combined("abcde", lambda left, right: f"({left}{right})")
    '(((ab)(cd))e)'
    """
    waiting: list[tuple[int, Part]] = []  # height and part: the heights fall
    for part in parts:
        height = 0
        while waiting and waiting[-1][0] == height:
            part = how(waiting.pop()[1], part)  # noqa: PLW2901
            height += 1
        waiting.append((height, part))
    if not waiting:
        raise ArgumentError(
            "there is no row to add up, so the structure of the sum is not known. Give one row or more."
        )
    total = waiting.pop()[1]
    while waiting:
        total = how(waiting.pop()[1], total)
    return total


def added(left: Any, right: Any) -> Any:
    """The sum of two nests of sums, number by number."""
    return optree.tree_map(lambda a, b: a + b, left, right, namespace=NAMESPACE)


def averaged(total: Any, rows: int) -> Any:
    """The mean of all rows from their sum; NaN of no rows."""
    return optree.tree_map(lambda a: a / (rows or nan), total, namespace=NAMESPACE)


def cut(array: Any, axis: int, first: int, end: int) -> Any:
    """Some rows of an array: a view, or what slicing gives of others."""
    return array[(slice(None),) * axis + (slice(first, end),)] if axis else array[first:end]


def without_rows(name: str) -> ArgumentError:
    """The error where no argument is mapped."""
    return ArgumentError(f"{name} maps over none of its arguments. Give in_axes=0 to those that have an axis of lanes.")


def failing(run: Callable[[int, int], Any], length: int) -> int | None:
    """The row that fails, in the time of two further runs at most; None if it is not a matter of rows."""

    def fails(first: int, end: int) -> bool:
        try:
            run(first, end)
        except Exception:  # noqa: BLE001 - whatever the function raises
            return True
        return False

    first, end = 0, length
    if not length or fails(0, 0):
        return None
    while end - first > 1:
        middle = (first + end) // 2
        if fails(first, middle):
            end = middle
        elif fails(middle, end):
            first = middle
        else:
            return None
    return first


def raise_placed(error: Exception, row: int | None, block: int, start: int | None) -> NoReturn:
    """Raise the exception with the block and the row in its words; in a note, where its type has words of its own."""
    where = f"in block {block:,}"
    if start is not None:
        where = f"in block {block:,}, which begins with row {start:,}"
    if row is not None:
        where = f"in row {row:,} of block {block:,}"
        if start is not None:
            where = f"in row {start + row:,} (row {row:,} of block {block:,})"
    text, placed = f"{where}: {re.sub(LANE, '', str(error))}", None
    with suppress(Exception):  # whatever a type makes of one argument
        placed = type(error)(text)
    if placed is not None and placed.args == (text,):
        raise placed from error
    error.add_note(where)
    raise error
