"""Which carries of a loop are stored while it is run in reverse: binomial checkpoints, after Griewank and Walther.

A loop is cut into segments. The carries inside of a segment are computed and kept when the reverse loop comes to it, those
before some segments are stored, and the others are computed again from there [1]_.

References
----------
.. [1] A. Griewank & A. Walther, "Algorithm 799: revolve", ACM Transactions on Mathematical Software 26 (2000) 19-45.
"""

from collections.abc import Callable, Iterator
from math import ceil, comb, sqrt
from typing import TypeVar

from autograd_lite.errors import ArgumentError

C = TypeVar("C")

#: How often a binomial schedule runs a segment forward, at most, before it keeps the carries of that segment.
REPEATS = 2

#: Instructions of a segment that take as long as starting it: shorter segments save memory and cost time.
WORTH_A_START = 20_000


def tested(checkpoint: int | str | None, loop: str, steps: str) -> int | str | None:
    """A value of `checkpoint`, or an error that says what may be one."""
    if checkpoint is None or checkpoint == "binomial":
        return checkpoint
    if isinstance(checkpoint, bool) or not isinstance(checkpoint, int) or checkpoint < 1:
        raise ArgumentError(
            f'checkpoint={checkpoint!r} of {loop}: give "binomial", a number of {steps} from 1 on, or None, which keeps the '
            "carry of every one."
        )
    return checkpoint


def planned(length: int, checkpoint: int | str | None, instructions: int) -> tuple[int, int]:
    """Steps of a segment, and how many carries before a segment may be stored.

    Binomial: half of the memory is for the carries of a segment, if that is long enough to be worth its start, and the other
    for those before segments. `instructions` is the length of a step.
    """
    if checkpoint != "binomial":
        return int(checkpoint or max(length, 1)), max(length, 1)
    size = 1
    while stored(-(-length // size)) > size:
        size += max(size // 8, 1)
    worth = min(WORTH_A_START // max(instructions, 1), ceil(sqrt(length) * SLACK))
    size = max(size, worth, 1)
    return size, stored(-(-length // size))


#: How many times the square root of the length a segment may be.
SLACK = 2.0


def reach(stored: int, repeats: int) -> int:
    """How many segments `stored` carries serve, with no segment run forward more than `repeats` times: a binomial."""
    return comb(stored + repeats, stored) if repeats >= 0 else 0


def stored(segments: int, repeats: int = REPEATS) -> int:
    """The least number of carries that serve so many segments with so many repetitions."""
    count = 1
    while reach(count, repeats) < segments:
        count += 1
    return count


def reruns(segments: int, stored: int) -> int:
    """How many segments the best schedule runs forward, beside the runs that keep their carries: t = r·l - β(c + 1, r - 1)."""
    repeats = 0
    while reach(stored, repeats) < segments:
        repeats += 1
    return repeats * segments - reach(stored + 1, repeats - 1)


def backwards(first: C, segments: int, stored: int, advanced: Callable[[C, int, int], C]) -> Iterator[tuple[int, C]]:
    """The segments from the last to the first, each with the carry before it; at most `stored` carries are held at a time.

    `advanced(carry, start, stop)` runs segments forward. No schedule runs fewer of them: see `reruns`.
    """
    held = [(0, first)]
    for segment in range(segments - 1, -1, -1):
        start, carry = held[-1]
        while start < segment:
            free = stored - len(held)
            stop = start + _advance(segment + 1 - start, free + 1) if free else segment
            carry = advanced(carry, start, stop)
            start = stop
            if free:
                held.append((start, carry))
        yield segment, carry
        if held[-1][0] == segment:
            held.pop()


def _advance(segments: int, stored: int) -> int:
    """How far to run before the next carry is stored: the last of the best places."""
    repeats = 1
    while reach(stored, repeats) < segments:
        repeats += 1
    most = segments - reach(stored - 1, repeats - 1)
    return max(1, min(reach(stored, repeats - 1), most))
