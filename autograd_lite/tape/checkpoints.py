"""Which carries of a loop are stored while it is run in reverse: binomial checkpoints, after Griewank and Walther.

A loop is cut into segments. The carries inside of a segment are computed and kept when the reverse loop comes to it, those
before some segments are stored, and the others are computed again from there [1]_.

References
----------
.. [1] A. Griewank & A. Walther, "Algorithm 799: revolve", ACM Transactions on Mathematical Software 26 (2000) 19-45.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from math import comb, sqrt
from typing import Any, Literal, TypeVar

from autograd_lite.errors import ArgumentError

C = TypeVar("C")

#: After how many steps a carry is kept; "binomial": the schedule decides; None: after each.
Checkpoint = int | Literal["binomial"] | None

#: How often a binomial schedule runs a segment forward, at most, before it keeps the carries of that segment.
REPEATS = 2

#: Instructions of a segment that take as long as its start: shorter segments save little memory and cost time.
WORTH_A_START = 40_000

#: How many times the square root of the number of steps a segment may have because of that.
LONGEST = 3


def tested(checkpoint: Any, loop: str, steps: str) -> None:
    """Refuse a value of `checkpoint` that is none, and say what may be one."""
    if checkpoint is None or (isinstance(checkpoint, str) and checkpoint == "binomial"):
        return
    if isinstance(checkpoint, bool) or not isinstance(checkpoint, int) or checkpoint < 1:
        raise ArgumentError(
            f'checkpoint={checkpoint!r} of {loop}: give a number of {steps} from 1 on, "binomial", or None, the default.'
        )


@lru_cache(maxsize=64)
def planned(length: int, checkpoint: Checkpoint, instructions: int) -> tuple[int, int]:
    """Steps of a segment, and how many of the carries before segments may be stored at a time.

    For a binomial schedule both are least together, about ∛(2·length) each, if a step of so many `instructions` is long
    enough for segments that are so short.
    """
    if checkpoint != "binomial":
        return checkpoint or max(length, 1), max(length, 1)
    worth = min(WORTH_A_START // max(instructions, 1), int(LONGEST * sqrt(length)))
    size = max(1, worth)
    while stored_for(-(-length // size)) > size:
        size += max(size // 8, 1)
    segments = max(-(-length // size), 1)
    return size, max(stored_for(segments), min(segments, size // 8))  # an eighth more memory for fewer runs


def reach(stored: int, repeats: int) -> int:
    """How many segments `stored` carries serve, with no segment run forward more than `repeats` times: a binomial."""
    return comb(stored + repeats, stored) if repeats >= 0 else 0


def stored_for(segments: int, repeats: int = REPEATS) -> int:
    """The least number of carries that serve so many segments with so many repetitions."""
    count = 1
    while reach(count, repeats) < segments:
        count += 1
    return count


def reruns(segments: int, stored: int) -> int:
    """How many segments the best schedule runs forward, beside those that keep carries: t = r·l - β(c + 1, r - 1)."""
    repeats = 0
    while reach(stored, repeats) < segments:
        repeats += 1
    return repeats * segments - reach(stored + 1, repeats - 1)


@lru_cache(maxsize=64)
def schedule(segments: int, stored: int) -> tuple[tuple[int, int, bool], ...]:
    """The forward runs of the best schedule: from where to where, and whether the carry there is stored.

    A run that ends where it began is no run: there the carries of a segment are kept and the segment is run in reverse, and
    the carry before it is stored no longer if so marked. No schedule needs fewer segments of forward runs: see `reruns`.
    """
    runs, held = [], [0]
    for segment in range(segments - 1, -1, -1):
        start = held[-1]
        while start < segment:
            free = stored - len(held)
            stop = start + _advance(segment + 1 - start, free + 1) if free else segment
            runs.append((start, stop, free > 0))
            start = stop
            if free:
                held.append(start)
        runs.append((segment, segment, held[-1] == segment))
        if held[-1] == segment:
            held.pop()
    return tuple(runs)


def backwards(first: C, segments: int, stored: int, advanced: Callable[[C, int, int], C]) -> Iterator[tuple[int, C]]:
    """The segments from the last to the first, each with the carry before it; at most `stored` carries are held at a time.

    `advanced(carry, start, stop)` runs segments forward.
    """
    held = carry = [first]
    for start, stop, stores in schedule(segments, stored):
        if start < stop:
            carry = [advanced(carry[-1], start, stop)]
            if stores:
                held += carry
                carry = held
        else:
            yield start, carry[-1]
            if stores:
                held.pop()
            carry = held


def _advance(segments: int, stored: int) -> int:
    """How far to run before the next carry is stored: the last of the best places."""
    repeats = 1
    while reach(stored, repeats) < segments:
        repeats += 1
    most = segments - reach(stored - 1, repeats - 1)
    return max(1, min(reach(stored, repeats - 1), most))
