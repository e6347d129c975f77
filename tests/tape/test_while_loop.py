"""`while_loop`: eager, compiled and differentiated, the same numbers; one path whatever the number of turns."""

import math

import numpy as np
import pytest
from executors import BACKENDS, COMPILED
from mpmath import mp

import autograd_lite as al


def root(a):
    """√a by Newton's method; the number of turns depends on a."""
    return al.while_loop(lambda x: abs(x * x - a) > 1e-14 * a, lambda x: (x + a / x) / 2, a, limit=200)


def fixed(a):
    """cos(a·x) = x by iteration: some hundred turns, linear convergence."""
    return al.while_loop(lambda c: abs(c[1] - c[0]) > 1e-15, lambda c: (c[1], al.cos(a * c[1])), (9.0, 0.5))[1]


def branching(n):
    """Steps that branch, in a nest."""

    def step(carry):
        if carry["n"] % 2 == 0:
            return {"n": carry["n"] / 2, "y": al.sin(carry["y"]) + n, "v": carry["v"] * 0.9}
        return {"n": 3 * carry["n"] + 1, "y": carry["y"] * 0.5, "v": carry["v"] + carry["y"]}

    last = al.while_loop(lambda c: c["n"] > 1, step, {"n": al.floor(n), "y": n, "v": np.array([1.0, 2.0])})
    return last["y"] + al.sum(last["v"])


CASES = {
    "root": (root, (4.0, 2.0, 1e-9, 3e30, 1.0)),
    "fixed": (fixed, (0.7, 0.9, 0.1, 0.0)),
    "branching": (branching, (7.0, 27.0, 1.0, 6.5, 97.25)),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", CASES)
def test_compiled_is_eager(name, backend):
    """In one path, whatever the number of turns: the value to the bit, the gradient to a rounding of each turn."""
    f, points = CASES[name]
    value, slope = COMPILED[backend](f), COMPILED[backend](al.value_and_grad(f))
    for x in (*points, *points[::-1]):
        assert value(x) == f(x)
        assert slope(x) == pytest.approx(al.value_and_grad(f)(x), rel=1e-13, abs=1e-300)
    assert len(value.paths()) == len(slope.paths()) == 1


@pytest.mark.parametrize(
    "transform", [lambda f: al.grad(al.grad(f)), al.hessian, lambda f: lambda x: al.jvp(f, (x,), (1.0,))[1]]
)
def test_other_derivatives_are_loops_too(transform):
    """Second and forward derivatives, in one path."""
    for f, x in ((root, 3.0), (fixed, 0.8)):
        compiled = al.jit(transform(f))
        for point in (x, 1.3 * x):
            assert compiled(point) == pytest.approx(transform(f)(point), rel=1e-12)
        assert len(compiled.paths()) == 1


@pytest.mark.parametrize("order", [1, 2, 3])
def test_derivatives_of_a_root_are_those_of_mathematics(order):
    """√a: Newton's turns are exact to higher order than they are differentiated."""
    more = lambda a: al.while_loop(lambda c: c[1] < 9, lambda c: ((c[0] + a / c[0]) / 2, c[1] + 1), (1.5, 0))[0]
    f = more
    for _ in range(order):
        f = al.grad(f)
    assert al.jit(f)(2.0) == pytest.approx(float(mp.diff(mp.sqrt, 2, order)), rel=1e-13)


@pytest.mark.parametrize("checkpoint", [None, 1, 7, 1000])
@pytest.mark.parametrize("turns", [0, 1, 15, 16, 17, 48, 49, 500])
def test_segments_grow_or_have_a_length(turns, checkpoint):
    """Whatever the turns are to the segments: none, full ones, one more."""

    def f(a, n):
        going = lambda c: c[0] < n
        return al.while_loop(going, lambda c: [c[0] + 1, al.sin(c[1]) * a + 1.0], [0.0, a], checkpoint=checkpoint)[1]

    g = al.value_and_grad(f)
    compiled = al.jit(g)
    compiled(0.5, 3.0)
    assert compiled(0.7, float(turns)) == pytest.approx(g(0.7, float(turns)), rel=1e-13)
    assert len(compiled.paths()) == 1


@pytest.mark.parametrize("transform", [lambda f: f, al.grad])
def test_limit_turns_are_allowed_and_one_more_is_an_error(transform):
    """Eagerly and compiled, at the first call and later, also where the loop has no turn."""
    for limit in (0, 1, 16, 17, 40):
        f = transform(
            lambda n, limit=limit: al.while_loop(lambda c: c < n, lambda c: c + 1 + 0 * n, 0.0 * n, limit=limit)
        )
        for run in (f, al.jit(f)):
            for _ in range(2):
                assert run(float(limit)) in (float(limit), 0.0)
                with pytest.raises(
                    al.LoopLimitError, match=f"has made limit={limit} turns and its condition still holds"
                ):
                    run(limit + 0.5)


def test_a_loop_without_turns_learns_them_later():
    """Traced where it has none; then turns use what the condition did not, in a branch of their own."""

    def f(x, n):
        far = al.exp(x) * 0.3
        step = lambda c: (c[0] + 1, c[1] * far if c[0] > 2 else c[1] + x)
        return al.while_loop(lambda c: c[0] < n, step, (0.0, x))[1]

    compiled, g = al.jit(al.value_and_grad(f)), al.value_and_grad(f)
    for n in (0.0, 2.0, 5.0, 0.0, 30.0):
        assert compiled(0.6, n) == pytest.approx(g(0.6, n), rel=1e-14)


def test_loops_in_loops():
    """A while in the steps of a scan, a scan and a while in the turns of a while."""

    def f(a):
        inner = lambda x: al.while_loop(lambda y: y > 1, lambda y: y * 0.7 * a, x)
        return al.scan(lambda c, x: (c * a + inner(x * a), c), 0.1, np.linspace(0.5, 9.0, 12))[0]

    def h(a):
        turn = lambda c: (
            c[0] + 1,
            al.scan(lambda s, x: (al.sin(s) + x * a, None), c[1], np.arange(3.0))[0] + root(a + c[0]),
        )
        return al.while_loop(lambda c: c[0] < 4 * a, turn, (0.0, a))[1]

    for f_ in (f, h):
        for g in (f_, al.value_and_grad(f_)):
            compiled = al.jit(g)
            for a in (0.9, 1.1, 0.6):
                assert compiled(a) == pytest.approx(g(a), rel=1e-12)


def test_variables_from_outside_are_live():
    """As numbers of the condition and of the step; the gradient by them is that of the turns."""
    rate, bound = al.Variable(0.5), al.Variable(20.0)
    compiled = al.jit(lambda x: al.while_loop(lambda y: y < bound, lambda y: y * (1.0 + rate), x))
    y = compiled(1.0)
    assert al.gradients(y, [rate, bound]) == [pytest.approx(8 * 1.5**7), 0.0]
    rate.value, bound.value = 1.0, 3.0
    assert compiled(1.0).value == 4.0
    assert al.gradients(compiled(1.0), rate) == pytest.approx(4.0)


def test_infinite_slopes_before_the_loop_are_not_sent():
    """The careful program: a branch that was not taken, beside a loop."""
    f = lambda x: al.while_loop(
        lambda y: y > 0.1, lambda y: al.where(y > 9, al.sqrt(y - 9), y / 2), al.where(x > 0, x, al.sqrt(x))
    )
    slope = al.jit(al.grad(f))
    for x in (1.0, 9.0, 100.0, 0.05):
        assert slope(x) == al.grad(f)(x) and math.isfinite(slope(x))


def test_lanes_have_turns_of_their_own():
    """Each lane gets the result and the derivative of its own number of turns."""
    points = np.array([4.0, 2.0, 1e-9, 1.0, 3e30, 2.0])
    values, slopes = al.jit(al.vmap(al.value_and_grad(root)))(points)
    assert values.tolist() == [root(x) for x in points]
    assert np.allclose(slopes, [al.grad(root)(x) for x in points], rtol=1e-13)


def test_what_a_step_may_not_do():
    """Another structure, no functions, a limit that is none; a name that is assigned is no part of the loop."""
    with pytest.raises(
        al.ArgumentError, match=r"shrink turned a carry \(\*, \*\) into \*. Return a carry like the one"
    ):

        def shrink(c):
            return c[0]

        al.while_loop(lambda c: c[0] < 1, shrink, (0.0, 1.0))
    with pytest.raises(al.ArgumentError, match="while_loop takes two functions and got 1.0"):
        al.while_loop(1.0, lambda c: c, 0.0)
    for options in ({"limit": -1}, {"limit": 1.5}, {"checkpoint": 0}, {"limit": True}):
        with pytest.raises(al.ArgumentError, match=f"{next(iter(options))}=.* of while_loop: give a number of turns"):
            al.while_loop(lambda c: c < 1, lambda c: c + 1, 0.0, **options)
    with pytest.raises(al.OperandError, match="the carry of while_loop"):
        al.while_loop(lambda c: c < 1, lambda c: c + 1, "a")

    def counted(n):
        turns = 0

        def step(c):
            nonlocal turns
            turns += 1
            return c + 1

        return al.while_loop(lambda c: c < n, step, 0.0) * turns

    assert [al.jit(counted)(float(n)) for n in (3, 5)] == [9.0, 25.0]


def test_the_first_carry_is_the_result_where_nothing_is_to_do():
    """As floats."""
    assert al.while_loop(lambda c: c[0] < 0, lambda c: c, [1, 2]) == [1.0, 2.0]
