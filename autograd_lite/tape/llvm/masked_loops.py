"""Loops in lanes as machine code: turns with the carry in registers, selected by a mask, until no lane goes on.

The carries before each turn go to a stack where a reverse sweep needs them. A stack is three words: its address, the turns
that it has room for, and how many were made. It grows as turns are made, and lives as long as the call.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from autograd_lite.tape.llvm.ir import Builder, Value, vector
from autograd_lite.tape.masked import LIMIT, MaskedGradient, MaskedLoop, MaskedScan
from autograd_lite.tape.program import Program

#: Turns between two looks at what goes on outside.
PATIENCE = 1 << 14

#: Words of a stack.
STACK = 3

Apply = Callable[[Any, list[Any]], Any]


@dataclass
class Ran:
    """A loop that has run: its results, how many turns each lane has made, and the stack of their carries, if kept."""

    results: Any
    counts: Any
    stack: Value | None


@dataclass
class Region:
    """Numbers in memory, so many bytes apart; one for all lanes if `uniform`."""

    start: Value
    step: int
    uniform: bool = False

    def at(self, k: Any) -> Value:
        return self.start.at(k * self.step, "i8")

    def __getitem__(self, k: Any) -> Value:
        b, place = self.start.b, self.at(k)
        return place.load("double").spread(b.width) if self.uniform else place.load(b.double)


def _evaluated(b: Builder, turn: Program, apply: Apply, inputs: Sequence[Value]) -> list[Value]:
    """The outputs of the program of a turn."""
    values = turn.evaluated(apply, b.constant, inputs)
    return [values[slot] for slot in turn.outputs]


def forward(
    b: Builder,
    loop: MaskedLoop,
    turn: Program,
    apply: Apply,
    arguments: Sequence[Value],
    *,
    stack: Value | None,
    pause: str,
) -> Ran:
    """The loop on these arguments; `turn` is its program as this machine has code for it, `pause` the way out at times."""
    on, *numbers = arguments
    captured, whole = numbers[loop.carry :], vector(b.width, "i64")
    start = [*numbers[: loop.carry], on.compare("une", 0.0), b.constant(0.0), b.constant(0, whole)]
    with b.counted(1 << 62, carried=start) as state:
        t, *carry, active, status, counts = state
        b.leave(active.any() ^ 1)
        with b.when((t & PATIENCE - 1).compare("eq", PATIENCE - 1)):
            _ask(b, pause, 0.0)
        if stack is not None:
            _push(b, stack, t, carry, pause)
        own = [b.constant(1.0).where(active, 0.0), *carry, *captured]
        *following, going, failed = _evaluated(b, turn, apply, own)
        fails = failed.compare("une", 0.0)
        goes = active & going.compare("une", 0.0) & (fails ^ 1)
        then = failed.where(active & fails, status)
        if loop.limit is not None:
            over = goes & t.compare("eq", loop.limit).spread(b.width)
            then, goes = b.constant(float(LIMIT)).where(over, then), goes & (over ^ 1)
        state[1:] = [
            *(new.where(goes, old) for new, old in zip(following, carry, strict=True)),
            goes, then, counts - goes.cast("sext", whole),
        ]  # fmt: skip
    if stack is not None:  # in the last turn nobody went on
        made = t - b.constant(1, "i64").where(t.compare("sgt", 0), 0)
        stack.at(2).store(made)
    return Ran([*carry, status], counts, stack)


def _ask(b: Builder, pause: str, full: float) -> None:
    """Let Python look at what goes on; where it fails, the loop ends."""
    answer = b.call("double", pause, b.constant(full, "double"))
    b.leave(answer.compare("uno", answer))


def _push(b: Builder, stack: Value, t: Value, carry: Sequence[Value], pause: str) -> None:
    """Keep the carry before turn `t`."""
    size = max(len(carry), 1) * b.width
    with b.when(t.compare("eq", stack.at(1).load("i64"))):
        full = b.call("i64", "al_room", stack, size * 8).compare("ne", 0)
        with b.when(full):
            _ask(b, pause, 1.0)
    top = stack.load("ptr").at(t * size)
    for k, number in enumerate(carry):
        top.at(k * b.width).store(number)


def backward(b: Builder, sweep: MaskedGradient, turn: Program, apply: Apply, arguments: Sequence[Any]) -> list[Value]:
    """The reverse sweep over a loop that has run."""
    kept, *arguments = arguments
    assert kept.stack is not None
    stack, size = kept.stack, max(sweep.carry, 1) * b.width
    captured, turns = arguments[sweep.state :], stack.at(2).load("i64")
    with b.counted(turns, carried=[*arguments[: sweep.state], b.constant(0.0)]) as state:
        k, *adjoints, status = state
        t = turns - k - 1
        top = stack.load("ptr").at(t * size)
        carry = [top.at(place * b.width).load(b.double) for place in range(sweep.carry)]
        active = kept.counts.compare("sgt", t.spread(b.width))
        own = [b.constant(1.0).where(active, 0.0), *adjoints, *carry, *captured]
        *following, failed = _evaluated(b, turn, apply, own)
        first = active & status.compare("oeq", 0.0)
        state[1:] = [
            *(new.where(active, old) for new, old in zip(following, adjoints, strict=True)),
            failed.where(first, status),
        ]
    return [*adjoints, status]


def scanned(
    scan: MaskedScan,
    turn: Program,
    apply: Apply,
    heads: Sequence[Value],
    sources: Sequence[Region],
    *,
    results: Region,
    stack: Value | None,
    pause: str,
) -> Ran:
    """A scan or its reverse sweep, whose results go to memory; all lanes take all steps, whether they take part or not."""
    b, (on, *numbers) = results.start.b, heads
    captured, length = numbers[scan.state :], scan.rows.length
    size = max(scan.carry if scan.reverse else scan.state, 1) * b.width
    with b.counted(length, carried=[*numbers[: scan.state], b.constant(0.0)]) as carried:
        k, *state, status = carried
        t = b.constant(length - 1, "i64") - k if scan.reverse else k
        with b.when((k & PATIENCE - 1).compare("eq", PATIENCE - 1)):
            _ask(b, pause, 0.0)
        own = [on, *state]
        if scan.reverse:
            assert stack is not None
            top = stack.load("ptr").at(t * size)
            own += [top.at(place * b.width).load(b.double) for place in range(scan.carry)]
        elif stack is not None:
            _push(b, stack, t, state, pause)
        for (width, _), source in zip(scan.rows.sources, sources, strict=True):
            own += [source[t * width + j] for j in range(width)]
        *following, failed = _evaluated(b, turn, apply, [*own, *captured])
        for v, number in enumerate(following[scan.state :]):
            first, step = scan.output_at(v)
            results.at(t * step + first).store(number)
        first_failure = on.compare("une", 0.0) & status.compare("oeq", 0.0)
        carried[1:] = [*following[: scan.state], failed.where(first_failure, status)]
    for place, number in enumerate(state):
        results.at(scan.state_at(place)).store(number)
    results.at(scan.results - 1).store(status)
    return Ran(results, None, stack)
