"""Loops of Python whose paths are turns of one loop: one path for any number of turns, with the bits of Python."""

import math

import numpy as np
import pytest

import autograd_lite as al
from autograd_lite.tape.paths import Paths


def newton(a):
    """The number of turns hangs on the argument."""
    x = a
    while abs(x * x - a) > 1e-12 * a:
        x = (x + a / x) / 2
    return x


def until_small(a):
    """The comparison that ends the loop stands at its end, and holds."""
    x = a + 1.0
    while True:
        step = (x * x - a) / (2.0 * x)
        x = x - step
        if abs(step) < 1e-13 * x:
            break
    return x


def with_branch(a):
    """A branch in the turn, one behind the loop, and a number that only this one reads."""
    x, y = 1.0, a * 0.5
    while y > 0.01:
        if x > 3.0:
            x = x * 0.9
        else:
            x = x + y
        y = y * 0.8
    return x * a + (y if x > 2.0 else -y)


def one_in_the_other(a):
    """A loop in a loop."""
    total, x = a * 0.0, a
    while x > 1.0:
        y = x
        while y > 0.5:
            total = total + y * y
            y = y * 0.5
        x = x * 0.6
    return total


def two_in_a_row(a):
    """A loop behind a loop, and numbers in a list."""
    state = [a, 1.0]
    while state[0] > 2.0:
        state = [state[0] * 0.7, state[1] + state[0]]
    while state[1] > 1.5:
        state[1] = state[1] * 0.6 - 0.01 * state[0]
    return state[0] * state[1]


def two_exits(a):
    """A condition and a break."""
    x = a
    while x > 1.0:
        x = x * 0.9
        if 4.0 < x * x < 4.4:
            x = x * 2.0 + 0.1
            break
    return x * a


def out_of_both(a):
    """A loop in a loop that ends both, and a condition that holds only at first."""
    x, total = a, a * 0.0
    while True:
        y = x
        while y > 0.5:
            total = total + y
            if total > 100.0:
                return total - x
            y = y * 0.5
        if x < 0.7:
            return total * a
        x = x * 0.8


def ends_at_ten(a):
    """At most so many turns."""
    x = a
    for _ in range(10):
        x = x * 0.8
        if x < 1.0:
            break
    return x * a


def counts_in_counts(a):
    """Turns that are counted in turns that are counted, left and gone on with, and what comes where they run out."""
    x, total = a, a * 0.0
    for _ in range(5):
        for _again in range(7):
            if x < 1.0:
                break
            x = x * 0.8
        else:
            total = total + x
        if total > 300.0:
            return total * a
        if total > 20.0:
            continue
        x = x * 1.1
    return x + total


def counts_behind(a):
    """A count of no turns, of one, and one without a comparison, behind a loop."""
    x = a
    while x > 50.0:
        x = x * 0.7
        for _ in range(0):
            x = x + 1.0
    for _ in range(1):
        if x > 20.0:
            x = x * 0.5
    for _ in range(3):
        x = x * 0.9 + 0.1
    return x * a


SERVED = [newton, until_small, with_branch, one_in_the_other, two_in_a_row, two_exits]
#: Loops that are one in lanes of machine code; elsewhere a few paths are faster.
IN_LANES = [out_of_both, ends_at_ten, counts_in_counts, counts_behind]


def counted(a):
    """Python counts the turns, which a state shows."""
    x, turns = a, 0
    while x > 1.0:
        x = x * 0.7
        turns += 1
    return x * turns


def reads_the_turn(a):
    """Every turn is another one: what counts it is a number in it."""
    x = a
    for k in range(10):
        x = x * 0.8 + 0.001 * k
        if x < 1.0:
            break
    return x * a


def pairs_of_turns(a):
    """Python decides by itself that every other turn is another one, or that two are made at a time."""
    x, odd = a, False
    for _ in range(12):
        odd = not odd
        if odd:
            continue
        x = x * 0.7
        if x < 1.0:
            break
    return x * a


def an_iterator_with_a_name(a):
    """What counts the turns is taken from elsewhere too."""
    x, left = a, iter(range(12))
    for _ in left:
        x = x * 0.8
        if x > 2.0:
            next(left, None)
        if x < 1.0:
            break
    return x * a


def kept(a):
    """What the turns leave behind grows."""
    x, seen = a, []
    while x > 1.0:
        seen.append(x)
        x = x * 0.7
    return sum(seen, a * 0.0)


def other_from_the_fifth_on(a):
    """A turn that is another one later."""
    x, turns = a, 0
    while x > 0.5:
        x = x * 0.9 if turns < 5 else x * 0.7
        turns = min(turns + 1, 5)
    return x * a


OTHERS = [counted, reads_the_turn, kept, other_from_the_fifth_on, pairs_of_turns, an_iterator_with_a_name]


def points(seed, count):
    return [10.0**u for u in np.random.default_rng(seed).uniform(-3.0, 3.0, count)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("f", SERVED + IN_LANES + OTHERS, ids=lambda f: f.__name__)
def test_numbers_are_those_of_python(f, order):
    """To the bit, for every number of turns, served or not; a loop that is found is one path, or one a branch behind it."""
    g = [f, al.value_and_grad(f), al.grad(al.grad(f))][order]
    compiled = al.jit(g)
    for a in points(order, 40):
        assert compiled(a) == g(a)
    found = "turns of one loop" in str(compiled.paths())
    assert found == (f in SERVED or f in (other_from_the_fifth_on, counts_behind))
    assert not found or len(compiled.paths()) <= (12 if f in SERVED else 8)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("f", "order", "backend"),
    [(f, 1, "auto") for f in SERVED + IN_LANES + OTHERS]
    + [
        pytest.param(f, order, backend, marks=pytest.mark.full)
        for f in SERVED + IN_LANES
        for order, backend in ((0, "auto"), (2, "auto"), (1, "numpy"))
    ],
)
def test_lanes_have_the_numbers_of_python(f, order, backend):
    """To the bit, each lane with its own number of turns; a loop that is found leaves few paths."""
    g = [f, al.value_and_grad(f), al.grad(al.grad(f))][order]
    rows = np.array(points(10 + order, 40))
    compiled = al.jit(al.vmap(g), backend=backend)
    expected = np.array([g(a) for a in rows.tolist()])
    assert np.array_equal(np.array(compiled(rows[:7])).T, expected[:7])
    assert np.array_equal(np.array(compiled(rows)).T, expected)
    if backend == "numpy":
        assert np.array_equal(np.array(al.vmap(g)(rows)).T, expected)
    if f in SERVED or (f in IN_LANES and backend == "auto"):
        assert "turns of one loop" in str(compiled.paths())
        assert len(compiled.paths()) <= 12


def test_many_numbers_of_turns_need_two_programs(monkeypatch):
    """Lanes that wait for other paths when the loop is found are served by it, not by the function itself."""
    rows = np.exp(np.linspace(-60.0, 60.0, 300))
    expected = [newton(a) for a in rows.tolist()]
    monkeypatch.delattr(Paths, "eager")
    compiled = al.jit(al.vmap(newton))
    assert np.array_equal(compiled(rows), expected)
    assert len(compiled.paths()) == 1
    written = al.jit(al.vmap(newton), order="as written")
    assert np.array_equal(written(rows[:100:20]), expected[:100:20])
    assert len(written.paths()) == 5


def test_lanes_inside_a_gradient():
    """A mapped loop on a captured Variable is one operation; so it stays where lanes take another branch behind it later."""

    def behind(w, x):
        while x > 1.0:
            x = x * w
        return x * w if x > 0.95 else x * x

    def mean(w, rows):
        return al.vmap(lambda x: behind(w, x), reduce="mean")(rows)

    rows = np.linspace(1.5, 40.0, 60)
    high = np.array([x for x in rows.tolist() if behind(0.9, x) > 0.95 * 0.9])
    compiled = al.jit(al.value_and_grad(mean))
    for part in (high[:20], high, rows, 1e5 * rows):
        expected = al.value_and_grad(lambda w, part: al.mean([behind(w, x) for x in part]))(0.9, part)
        np.testing.assert_allclose(compiled(0.9, part), expected, rtol=1e-13)
    assert all(len(path.tape) < 20 for path in compiled.paths())


def test_the_loop_is_named():
    """The report of paths says where it stands; other conditions keep their lines."""
    compiled = al.jit(with_branch)
    for a in points(3, 20):
        compiled(a)
    line = with_branch.__code__.co_firstlineno
    assert f"test_turns.py:{line + 3}: turns of one loop, any number of them" in str(compiled.paths()[0])
    assert any(f"test_turns.py:{line + 9}" in str(path) for path in compiled.paths())


def test_captured_variables():
    """Variables from outside, and results that are connected to them; a new value is used at once."""
    tolerance, factor = al.Variable(1e-3), al.Variable(0.7)

    def shrunk(a):
        x = a
        while x > tolerance:
            x = x * factor
        return x

    compiled = al.jit(shrunk)
    for a in points(4, 12):
        result, expected = compiled(a), shrunk(a)
        assert result.value == expected.value
        assert al.gradients(result, factor) == al.gradients(expected, factor)
    factor.value = 0.6
    assert compiled(5.0).value == shrunk(5.0).value
    assert len(compiled.paths()) == 1


def test_errors_and_nan_in_the_loop():
    """What the function raises comes out; NaN ends the loop as Python's does."""

    def logarithms(a):
        x = a
        while x > 1.0:
            x = al.log(x) + 0.1
        return x

    compiled = al.jit(al.value_and_grad(logarithms))
    for a in points(5, 20):
        assert compiled(a) == al.value_and_grad(logarithms)(a)
    assert all(math.isnan(n) for n in compiled(math.nan))
    for a in (0.0, -1.0, 1.0):
        assert compiled(a) == al.value_and_grad(logarithms)(a)


def test_as_written_keeps_the_paths():
    """`order="as written"` looks for no loops."""
    compiled = al.jit(newton, order="as written")
    for a in points(6, 12):
        assert compiled(a) == newton(a)
    assert "turns of one loop" not in str(compiled.paths())


def numbers_of(result):
    """The leaves of nested tuples, in order."""
    return [number for part in result for number in numbers_of(part)] if isinstance(result, tuple) else [result]


def in_a_row(x, y):
    """Two loops; the branch in the second is met when the first is known, and reads an argument that no turn read before."""
    a, b, c = x * 0.7, y + 0.2, x - y
    t = x * 1.22
    while t > 0.07:
        t = t - 0.63
        b = 0.5 * b + 0.25 * y
    t = (0.5 * a + abs(a)) * 2.58
    while t > 0.75:
        t = t - 0.96
        if b <= c:
            b = 0.5 * b + 0.25 * x * y
    return a * b + c


def used_again(x, y):
    """The turns use arguments, in two places, which are used behind them too."""
    t, b = x, y
    while t > 0.0:
        t = t - 1.0
        b = b * 0.5 * y + y * 0.3 - x * y + 0.1 * x
    return b * x + y


def one_in_the_other(x, y):
    """As `used_again`; the inner turns use what the outer ones use."""
    t, b = x, y
    while t > 0.0:
        t, s = t - 1.0, y + 0.5 * t
        while s > 0.0:
            s = s - 1.0 - x * x
            b = b * 0.4 + x * y - 0.2 * y
        b = b - 0.3 * x
    return b * x + y


@pytest.mark.parametrize("f", [in_a_row, used_again, one_in_the_other])
def test_gradients_of_turns_have_the_bits_of_python(f):
    """In single calls and in lanes, whatever the order of lanes, at the first call and later."""
    rng, slopes = np.random.default_rng(7), al.value_and_grad(f, argnums=(0, 1))
    points = np.array([rng.uniform(0.0, 5.0, 60), rng.normal(0.0, 1.5, 60)])
    expected = np.array([numbers_of(slopes(x, y)) for x, y in points.T.tolist()])
    lanes, single = al.jit(al.vmap(slopes)), al.jit(slopes)
    for order in (slice(None), slice(None, None, -1)):
        value, (by_x, by_y) = lanes(*points[:, order])
        assert np.array_equal(np.array([value, by_x, by_y]).T, expected[order])
        assert [numbers_of(single(x, y)) for x, y in points.T.tolist()] == expected.tolist()
    assert len(lanes.paths()) <= 4 and all("turns of one loop" in str(path) for path in lanes.paths())


def test_lanes_that_were_served_before_a_loop_was_known_run_again():
    """So the bits of a lane do not hang on its place, even where the derivatives of a loop are added in another order."""
    f = al.hessian(used_again, argnums=(0, 1))
    points = np.array([np.linspace(0.3, 6.0, 9), np.linspace(-1.0, 1.0, 9)])
    once = al.jit(al.vmap(f))
    first, second = (np.array(numbers_of(once(*points))) for _ in range(2))
    backwards = np.array(numbers_of(al.jit(al.vmap(f))(*points[:, ::-1])))
    assert np.array_equal(first, second) and np.array_equal(first, backwards[..., ::-1])
