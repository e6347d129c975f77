"""Binomial checkpoints: the schedule is the best there is, and gradients have the bits of those that store every carry."""

import tracemalloc
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd_lite as al
from autograd_lite.tape import checkpoints


@cache
def fewest(segments, stored):
    """How many segments must be run forward, by trying every place for the next carry that is stored."""
    if segments <= 1:
        return 0
    if stored == 1:
        return segments * (segments - 1) // 2
    places = range(1, segments)
    return min(m + fewest(m, stored) + fewest(segments - m, stored - 1) for m in places)


@pytest.mark.parametrize("stored", range(1, 8))
def test_schedule_is_the_best(stored):
    """No other runs fewer segments again; the theory's formula gives their number."""
    for segments in range(1, 60):
        runs = checkpoints.schedule(segments, stored)
        forward = sum(stop - start for start, stop, _ in runs)
        assert forward == fewest(segments, stored) == checkpoints.reruns(segments, stored)


@given(st.integers(0, 400), st.integers(1, 30))
def test_every_segment_once_from_its_carry_and_no_more_carries_than_allowed(segments, stored):
    """From the last to the first; a carry is that of its segment, and is run forward from one that is held."""
    held, most = {0}, 0

    def advanced(carry, start, stop):
        nonlocal most
        assert carry == start < stop
        held.add(stop)
        return stop

    visited = []
    for segment, carry in checkpoints.backwards(0, segments, stored, advanced):
        assert carry == segment
        visited.append(segment)
    assert visited == [*range(segments)][::-1]
    places, now = checkpoints.schedule(segments, stored), 1
    for start, stop, stores in places:
        now += stores if start < stop else -stores
        most = max(most, now)
    assert most <= stored


@given(st.integers(0, 10**7), st.integers(1, 10**5))
def test_plan_bounds_the_memory_and_the_repetitions(length, instructions):
    """No segment is run forward more than twice, and stored carries take no more than those of a segment."""
    size, stored = checkpoints.planned(length, "binomial", instructions)
    segments = -(-length // size)
    assert checkpoints.reach(stored, checkpoints.REPEATS) >= segments
    assert stored <= max(size, 1)
    assert size <= max(checkpoints.LONGEST * length**0.5, 1) + 1
    assert checkpoints.reruns(max(segments, 1), stored) <= checkpoints.REPEATS * segments


@given(st.integers(0, 1000), st.integers(1, 100))
def test_number_is_the_schedule_that_stores_the_carry_before_every_segment(length, size):
    """Each segment but the last is run forward once."""
    assert checkpoints.planned(length, size, 10) == (size, max(length, 1))
    segments = -(-length // size)
    assert checkpoints.reruns(max(segments, 1), max(length, 1)) == max(segments - 1, 0)


def pendulum(p, count, checkpoint, loop="scan"):
    """The end of a damped pendulum, which takes another branch where it turns."""

    def step(carry, _=None):
        x, v = carry
        return (x + 0.01 * v, v - 0.01 * (al.sin(x) * p + (0.1 * v if v > 0 else 0.2 * v)))

    if loop == "scan":
        (x, v), ys = al.scan(
            lambda c, t: (step(c), c[0] * t), (1.0, p), np.linspace(0, 1, count), checkpoint=checkpoint
        )
        return x * v + (ys[count // 2] if count else 0.0)
    more = lambda c: c[1] < count
    x, v = al.while_loop(more, lambda c: (step(c[0]), c[1] + 1), ((1.0, p), 0.0), checkpoint=checkpoint)[0]
    return x * v


CASES = [("llvm", "scan", n) for n in (0, 1, 2, 7, 100, 1000)] + [("llvm", "while_loop", n) for n in (0, 1, 7, 100)]


@pytest.mark.parametrize(("backend", "loop", "count"), [*CASES, ("python", "scan", 20), ("python", "while_loop", 20)])
def test_gradient_has_the_bits_of_one_that_stores_all(count, loop, backend):
    """At second order too: a schedule changes which numbers are computed again, and none of them."""
    if backend == "llvm":
        pytest.importorskip("llvmlite")
    for transform in (al.grad, lambda f: lambda p: al.hvp(f, (p,), (1.0,))):
        found = []
        for checkpoint in (None, 13, "binomial"):
            f = transform(lambda p, checkpoint=checkpoint: pendulum(p, count, checkpoint, loop))
            compiled = al.jit(f, backend=backend)
            found.append([compiled(p) for p in (0.5, 3.0)])
        assert found == [found[0]] * 3
        # Some ten roundings in each of up to a thousand steps, in another order than in the eager sweep.
        assert found[0] == pytest.approx([f(p) for p in (0.5, 3.0)], rel=1e4 * 2.0**-52 * 10)


@settings(max_examples=15)
@given(st.integers(1, 400), st.integers(1, 4), st.randoms(use_true_random=False))
def test_random_linear_steps_at_any_length(count, size, rng):
    """A carry of some numbers, each a mix of the others: the gradient by the first carry, by weights and by rows."""
    weights = np.array([[rng.uniform(-0.6, 0.6) for _ in range(size)] for _ in range(size)])
    rows = np.array([rng.uniform(-1, 1) for _ in range(count)])

    def f(w, start, xs, checkpoint):
        return al.sum(al.scan(lambda c, x: (al.tanh(w @ c + x), None), start, xs, checkpoint=checkpoint)[0])

    found = []
    for checkpoint in (None, "binomial"):
        slope = al.grad(lambda w, start, xs, checkpoint=checkpoint: f(w, start, xs, checkpoint), (0, 1, 2))
        found.append([part.tobytes() for part in al.jit(slope)(weights, np.ones(size), rows)])
    assert found[0] == found[1]


@pytest.mark.parametrize(("size", "less"), [(20, 20), (2, 18)])
def test_memory_of_a_long_loop(size, less):
    """The carries that a gradient stores: less than a twentieth of all; of few numbers Python's objects count too."""
    peaks = {}
    for checkpoint in (None, "binomial"):
        start = np.ones(size)
        compiled = al.jit(
            al.grad(
                lambda p, checkpoint=checkpoint, start=start: al.sum(
                    al.scan(lambda c, _: (al.sin(c * p), None), start, length=10_000, checkpoint=checkpoint)[0]
                )
            )
        )
        compiled(1.0), compiled(1.05)  # after which nothing is kept that was not
        tracemalloc.start()
        try:
            compiled(1.1)
            peaks[checkpoint] = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peaks["binomial"] < peaks[None] / less


def test_stored_carries_do_not_hold_on_to_outputs():
    """Those of a segment went on living while the carry behind them was stored, a view of all results."""
    compiled = al.jit(al.grad(lambda p: al.scan(lambda c, _: (c * p, [c] * 50), 1.0, length=90, checkpoint=10)[0]))
    compiled(1.0)
    (path,) = compiled.paths()
    (loop,) = {operation.loop for operation, _ in path.tape.code if hasattr(operation, "primal")}
    segments = [*loop.segments(np.array([1.0]), np.array([1.5]), loop.rows, native=False)]
    assert [part.start for _, _, part in segments] == [*range(0, 90, 10)][::-1]
    assert all(type(carry.base) is bytes and len(carry.base) == carry.nbytes for carry, _, _ in segments)


@pytest.mark.parametrize("wrong", [0, -1, 2.0, True, "revolve", "Binomial", [1], np.array(3)])
@pytest.mark.parametrize("loop", ["scan", "while_loop"])
def test_wrong_checkpoints_are_named(wrong, loop):
    """With what may be one."""
    steps = "steps" if loop == "scan" else "turns"
    words = rf'checkpoint=.* of {loop}: give a number of {steps} from 1 on, "binomial", or None, the default.'
    with pytest.raises(al.ArgumentError, match=words):
        pendulum(1.0, 3, wrong, loop)
    with pytest.raises(al.ArgumentError, match=words):
        al.jit(lambda p: pendulum(p, 3, wrong, loop))(1.0)
