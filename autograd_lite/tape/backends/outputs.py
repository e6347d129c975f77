"""Outputs of many lanes, and the memory that they lie in."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

#: Doubles from which on memory is used again, and how many are kept while nobody uses them: 1 and 64 MiB.
LARGE, KEPT = 1 << 17, 1 << 23

_spare: dict[int, Any] = {}  # by identity; given back last comes last. Each step is one operation: threads need no lock


class _Lent:
    """The owner of memory in which arrays lie; when the last of them goes, so does this, and the memory is spare."""

    def __init__(self, memory: Any) -> None:
        self.memory, self.__array_interface__ = memory, memory.__array_interface__

    def __del__(self, spare: dict[int, Any] = _spare, kept: int = KEPT) -> None:  # globals may be gone at the end
        if len(self.memory) > kept:
            return
        spare[id(self.memory)] = self.memory
        while sum(map(len, [*spare.values()])) > kept:
            spare.pop(next(iter([*spare])), None)


def empty(count: int) -> Any:
    """An array of so many doubles, with anything in it; a large one begins at a cache line.

    The system clears fresh pages, which takes as long as a third of the arithmetic of an option's price and sensitivities. So
    memory of large results that nobody holds any more, not even a view of them, is used again; at most half of it idles.
    """
    if count < LARGE:
        return np.empty(count)
    for memory in [*_spare.values()][::-1]:
        if count <= len(memory) <= 2 * count and _spare.pop(id(memory), None) is not None:
            break
    else:
        memory = np.empty(count + 8)
        memory = memory[-(memory.ctypes.data // 8) % 8 :][:count]
    return np.asarray(_Lent(memory))[:count]


class Outputs:
    """Outputs of many lanes, leaf by leaf in one array: of each leaf (lanes, numbers)."""

    def __init__(self, numbers: Any, count: int, sizes: Sequence[int]) -> None:
        self.numbers, self.count, self.sizes = numbers, count, sizes
        self._starts = [*itertools.accumulate(sizes, initial=0)]

    @classmethod
    def empty(cls, count: int, sizes: Sequence[int]) -> "Outputs":
        return cls(empty(count * sum(sizes)), count, sizes)

    def leaf(self, k: int, outline: tuple[int, ...] | None) -> Any:
        """A leaf over lanes, of which each has this outline; None for one number."""
        piece = self.numbers[self._starts[k] * self.count : self._starts[k + 1] * self.count]
        return piece if outline is None else piece.reshape(self.count, *outline)

    def pieces(self) -> list[Any]:
        """Each leaf as an array (lanes, numbers)."""
        return [self.leaf(k, (size,)) for k, size in enumerate(self.sizes)]

    def columns(self) -> list[Any]:
        """Each number over lanes."""
        return [column for piece in self.pieces() for column in piece.T]

    def of(self, chosen: Any) -> "Outputs":
        """The outputs of those lanes alone that are flagged."""
        found = Outputs.empty(int(np.count_nonzero(chosen)), self.sizes)
        for own, piece in zip(found.pieces(), self.pieces(), strict=True):
            np.compress(chosen, piece, axis=0, out=own)
        return found

    def table(self) -> Any:
        """All numbers as an array (numbers, lanes)."""
        if all(size == 1 for size in self.sizes):
            return self.numbers.reshape(len(self.sizes), self.count)
        return np.concatenate([piece.T for piece in self.pieces()])
