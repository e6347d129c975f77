"""`while_loop` in lanes: every lane makes turns of its own, and gets the numbers of a Python `while` on that lane."""

import _thread
import operator
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from executors import BACKENDS, COMPILED
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd_lite as al
from autograd_lite import core
from autograd_lite.tape import lane_paths, steps
from autograd_lite.tape.masked import MaskedLoop
from autograd_lite.tape.program import Builder

# Every operation keeps numbers of size up to 10 there, and has slopes of at most 1.5.
OPERATIONS = {
    "mean": lambda p, q: (p + q) / 2.0,
    "product": lambda p, q: p * q / 8.0 - p / (9.0 + q * q),
    "quotient": lambda p, q: p / (1.0 + q * q),
    "root": lambda p, q: al.sqrt(1.0 + p * p) / 2.0 + q * 0.25,
    "smaller": lambda p, q: al.where(p < q, p, q * 0.5),
    "larger": lambda p, q: al.maximum(p, 0.5 - q),
    "size": lambda p, q: abs(p) - q / 3.0,
}
LEAVES = ("x", "y", "a", "outside", "constant")


def expressions(depth=2):
    """Trees of operations on the carry, an argument, a Variable from outside and a constant."""
    leaf = st.sampled_from(LEAVES)
    if not depth:
        return leaf
    node = st.tuples(st.sampled_from(sorted(OPERATIONS)), expressions(depth - 1), expressions(depth - 1))
    return st.one_of(leaf, node)


def value_of(expression, names):
    if type(expression) is str:
        return names[expression]
    operation, left, right = expression
    return OPERATIONS[operation](value_of(left, names), value_of(right, names))


def by_python(condition, step, carry, **_):
    """The loop that `while_loop` is equal to."""
    while condition(carry):
        carry = step(carry)
    return carry


@st.composite
def programs(draw):
    """A function of the kind of loop, from two numbers of a lane to one: random steps, branches in them, a nested loop."""
    first, second, third, fourth = (draw(expressions()) for _ in range(4))
    branches, nested, both = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())
    outside = al.Variable(0.7)

    def made(loop):
        def f(a, n):
            def names(x, y):
                return {"x": x, "y": y, "a": a, "outside": outside, "constant": 0.3}

            def goes(c):
                return c[0] < n and abs(c[1]) < 3.0 if both else c[0] < n

            def step(c):
                t, x, y = c
                now = names(x, y)
                if branches and x > y:
                    x, y = value_of(third, now), value_of(fourth, now)
                else:
                    x, y = value_of(first, now), value_of(second, now)
                if nested:
                    y = loop(lambda d: d[0] < t, lambda d: (d[0] + 2.0, d[1] * 0.5 + a * 0.25), (0.0 * x, y))[1]
                return t + 1.0, x, y

            t, x, y = loop(goes, step, (0.0 * a, a, 1.0))
            return x * 0.5 + y + t * 0.125

        return f

    return made


# Values of + - * / and roots are those of the eager run bit for bit. Derivatives are sums of the same terms in another order:
# at most 9 turns of some 30 operations of slopes up to 1.5 make terms below 1e5, and 300 of these are rounded to 1e-9.
CLOSE = {"rtol": 1e-12, "atol": 1e-9}
POINTS = np.array([0.4, -1.3, 2.5, 0.0, 1.0, -0.2, 0.9])
COUNTS = np.array([3.0, 0.0, 8.0, 1.0, 5.0, 2.0, np.nan])

TRANSFORMS = {
    "value": lambda f: f,
    "value_and_grad": lambda f: lambda a, n: al.value_and_grad(lambda b: f(b, n))(a),
    "jvp": lambda f: lambda a, n: al.jvp(lambda b: f(b, n), (a,), (1.5,)),
    "hessian": lambda f: lambda a, n: al.hessian(lambda b: f(b, n))(a),
}


def plain(nest):
    """All numbers of a nest, one row for each of its leaves."""
    leaves = nest if isinstance(nest, tuple) else (nest,)
    return np.array([np.vectorize(lambda v: getattr(v, "_value", v), otypes=[float])(leaf) for leaf in leaves])


def agrees_in_every_lane(transform, made):
    """Whether mapped functions, by NumPy and compiled, give what a Python `while` gives for each lane."""
    f, reference = (TRANSFORMS[transform](made(loop)) for loop in (al.while_loop, by_python))
    expected = np.array([plain(reference(a, n)) for a, n in zip(POINTS, COUNTS, strict=True)]).T
    for run in (al.vmap(f), al.jit(al.vmap(f))):
        found = plain(run(POINTS, COUNTS))
        if transform == "value":
            assert np.array_equal(found, expected, equal_nan=True)
        else:
            assert np.allclose(found, expected, equal_nan=True, **CLOSE)


@pytest.mark.parametrize("transform", ["value", "value_and_grad", "jvp"])
@given(made=programs())
@settings(max_examples=6, deadline=None)
def test_every_lane_is_the_eager_run(transform, made):
    """Derivatives inside the lanes, of lanes with no turn, with NaN in the condition, with branches and loops in a turn."""
    agrees_in_every_lane(transform, made)


@given(made=programs())
@settings(max_examples=2, deadline=None)
def test_second_derivatives_in_every_lane(made):
    """The gradient of the loop of tangents."""
    agrees_in_every_lane("hessian", made)


@pytest.mark.parametrize("argnum", [0, 1])
@pytest.mark.parametrize("order", [0, 1, pytest.param(2, marks=pytest.mark.full)])
@given(made=programs())
@settings(max_examples=2, deadline=None)
def test_derivatives_outside_of_the_lanes(order, argnum, made):
    """Of a sum over lanes, by rows and by what all lanes share; eagerly, and as one operation of a compiled function."""
    rows, counts = POINTS[:-1], COUNTS[:-1]

    def mapped(points, shared):
        f = made(al.while_loop)
        return al.vmap(lambda a, n, s: f(a * s, n), in_axes=(0, 0, None), reduce="sum")(points, counts, shared)

    def one_by_one(points, shared):
        f = made(by_python)
        return sum(f(a * shared, n) for a, n in zip(points, counts, strict=True))

    def differentiated(total):
        def f(x):
            return total(x, 0.8) if argnum == 0 else total(rows, x)

        return (f, al.grad(f), al.jacobian(al.grad(f)))[order]

    x = rows if argnum == 0 else 0.8
    expected = plain(differentiated(one_by_one)(x))
    for run in (differentiated(mapped), al.jit(differentiated(mapped))):
        assert np.allclose(plain(run(x)), expected, **CLOSE)


def root(a, limit=None):
    """√a by Newton's method."""
    return al.while_loop(lambda x: abs(x * x - a) > 1e-14 * a, lambda x: (x + a / x) / 2, a, limit=limit)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("transform", [lambda f: f, al.value_and_grad])
def test_one_path_serves_all_counts(backend, transform):
    """Whatever the numbers of turns are; the first lane may have none."""
    points = np.concatenate([[1.0, 4.0], np.geomspace(1e-9, 1e30, 60)])
    f = transform(root)
    compiled = COMPILED[backend](al.vmap(f))
    for x in (points, points[::-1].copy(), points[:1]):
        expected = np.array([np.ravel(plain(f(a))) for a in x])
        found = plain(compiled(x)).T.reshape(expected.shape)
        assert np.array_equal(found[:, 0], expected[:, 0])
        assert np.allclose(found, expected, rtol=1e-14)  # a derivative is added up in another order
    assert len(compiled.paths()) == 1


@pytest.mark.parametrize("turns", [0, 1, 31, 32, 33, 64, 65, 1000])
def test_the_stack_of_carries_grows(turns):
    """Whatever the turns are to its room."""

    def f(a, n):
        return al.while_loop(lambda c: c[0] < n, lambda c: [c[0] + 1, c[1] * 0.5 + a / (1.0 + c[1])], [0.0, a])[1]

    g = al.value_and_grad(f)
    counts = np.array([3.0, float(turns), 0.0, turns / 2.0])
    values, slopes = al.jit(al.vmap(g, in_axes=(None, 0)))(0.7, counts)
    assert values.tolist() == [g(0.7, n)[0] for n in counts]
    assert np.allclose(slopes, [g(0.7, n)[1] for n in counts], rtol=1e-12)


@pytest.mark.parametrize("transform", [lambda f: f, al.grad])
@pytest.mark.parametrize("limit", [0, 1, 7])
def test_the_limit_names_the_row(transform, limit):
    """It is allowed in full; one turn more in one lane is an error, after which the function works as before."""
    f = transform(
        lambda n: al.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1.0, c[1] * n), (0.0, 1.0), limit=limit)[1]
    )
    fine, late = np.full(20, float(limit)), np.full(20, float(limit))
    late[13] += 0.5
    for mapped in (al.vmap(f), al.jit(al.vmap(f))):
        for _ in range(2):
            assert mapped(fine).tolist() == [f(float(limit))] * 20
            with pytest.raises(
                al.LoopLimitError, match=rf"in row 13 of vmap, while_loop of .* has made limit={limit} turns"
            ):
                mapped(late)


def test_lanes_of_another_path_run_no_turn():
    """Their loop would never end: it stands behind a branch that they do not take."""

    def f(a):
        if a > 0:
            return al.while_loop(lambda x: abs(x * x - a) > 1e-14 * a, lambda x: (x + a / x) / 2, a)
        return 3.0 * a

    points = np.array([4.0, -4.0, 2.0, -1.0])
    for g in (f, al.grad(f)):
        assert al.jit(al.vmap(g))(points).tolist() == [g(a) for a in points]


def test_a_branch_that_a_later_lane_takes_is_learnt():
    """In the same call and in later ones; it uses a number from outside that no turn used before."""

    def f(x, n):
        far = al.exp(x) * 0.3
        step = lambda c: (c[0] + 1, c[1] * far if c[0] > 2 else c[1] + x)
        return al.while_loop(lambda c: c[0] < n, step, (0.0, x))[1]

    for g in (f, al.value_and_grad(f)):
        compiled = al.jit(al.vmap(g))
        for counts in ([0.0, 1.0, 2.0], [2.0, 7.0, 0.0], [30.0, 0.0, 4.0]):
            found = plain(compiled(np.full(3, 0.6), np.array(counts))).T
            # the vector form of exp may be an ULP away, in each of 28 factors
            assert np.allclose(found, [np.ravel(plain(g(0.6, n))) for n in counts], rtol=1e-13)


def test_loops_that_all_lanes_share():
    """Run once; where a reverse sweep of each lane needs its turns, in every lane."""
    for f in (
        lambda p, x: root(p) * x,
        lambda p, x: al.grad(lambda q: root(q) ** x)(p),
        lambda p, x: al.value_and_grad(lambda q: root(q) * x)(p),
    ):
        rows = np.arange(1.0, 6.0)
        expected = np.array([plain(f(2.0, x)) for x in rows]).T
        for mapped in (al.vmap(f, in_axes=(None, 0)), al.jit(al.vmap(f, in_axes=(None, 0)))):
            assert np.allclose(plain(mapped(2.0, rows)), expected, rtol=1e-15)


@pytest.mark.parametrize("reduce", ["sum", "mean"])
def test_sums_over_lanes(reduce):
    """Lanes whose loops can fail are tested before they are added up."""
    points = np.geomspace(0.1, 10.0, 300)
    for limit in (None, 50):
        f = lambda a, limit=limit: root(a, limit)
        value, slope = al.jit(al.vmap(al.value_and_grad(f), reduce=reduce))(points)
        both = np.array([al.value_and_grad(f)(a) for a in points])
        assert np.allclose([value, slope], both.sum(axis=0) / (1 if reduce == "sum" else 300), rtol=1e-14)


def test_variables_from_outside_are_live():
    """As numbers of the condition and of the turns, and in the derivatives by them."""
    rate, bound = al.Variable(0.5), al.Variable(20.0)
    f = al.jit(al.vmap(lambda x: al.while_loop(lambda y: y < bound, lambda y: y * (1.0 + rate), x)))
    points = np.array([1.0, 30.0, 19.0])
    first = f(points)
    assert [v.value for v in first] == [1.5**8, 30.0, 28.5]
    assert al.gradients(first[0], [rate, bound]) == [pytest.approx(8 * 1.5**7), 0.0]
    rate.value, bound.value = 1.0, 3.0
    assert [v.value for v in f(points)] == [4.0, 30.0, 19.0]


def test_infinite_slopes_of_a_branch_that_is_not_taken():
    """The careful program of a lane: conditions beside the adjoints in the reverse sweep of its loop."""
    f = lambda x: al.while_loop(
        lambda y: y > 0.1, lambda y: al.where(y > 9, al.sqrt(y - 9), y / 2), al.where(x > 0, x, al.sqrt(x))
    )
    points = np.array([1.0, 9.0, 100.0, 0.05, 18.0])
    assert al.jit(al.vmap(al.grad(f)))(points).tolist() == [al.grad(f)(x) for x in points]


def test_operations_of_a_user_in_a_turn():
    """Called back for each lane; what they raise reaches the caller, and the next call works."""

    def halve(x):
        if x == 13.0:
            raise ZeroDivisionError("thirteen")
        return x / 2

    half = al.Primitive(name="half_of_lane", value=halve, partials=(lambda x, y: 0.5,))
    f = al.value_and_grad(lambda x: al.while_loop(lambda y: y > 1, half, x))
    compiled = al.jit(al.vmap(f))
    points = np.array([1.0, 8.0, 100.0])
    for _ in range(2):
        assert plain(compiled(points)).T.tolist() == [list(f(x)) for x in points]
        with pytest.raises(ZeroDivisionError, match="thirteen"):
            compiled(np.array([4.0, 13.0, 5.0]))


def test_an_interrupt_ends_a_loop_without_end():
    """Machine code looks at what goes on outside now and then, in every thread."""
    spin = al.jit(al.vmap(lambda x: al.while_loop(lambda y: y > 0, lambda y: y + x, x)))
    assert spin(np.array([-1.0, 0.0])).tolist() == [-1.0, 0.0]
    threading.Timer(0.3, _thread.interrupt_main).start()
    with pytest.raises(KeyboardInterrupt):
        spin(np.ones(100))
    assert spin(np.array([-1.0, 0.0])).tolist() == [-1.0, 0.0]


def test_an_interrupt_ends_compiled_turns_without_end():
    """It is raised where the first frame of Python begins behind machine code, outside of any `try`, and is not lost."""
    if not core.compiled:
        pytest.skip("ctypes drops it without the compiled core")
    spin = al.jit(al.vmap(lambda x, d: al.while_loop(lambda y: y > 0, lambda y: y + d, x)))
    assert spin(np.array([3.0, 0.0]), -np.ones(2)).tolist() == [0.0, 0.0]  # machine code knows the turn
    for _ in range(3):
        threading.Timer(0.05, _thread.interrupt_main).start()
        with pytest.raises(KeyboardInterrupt):
            spin(np.ones(100), np.ones(100))
    assert spin(np.array([3.0, 0.0]), -np.ones(2)).tolist() == [0.0, 0.0]


def test_a_scan_in_a_turn_and_a_loop_in_a_scan():
    """The steps of a scan are recorded one by one in lanes; a loop in them is masked."""

    def turn(c, a):
        return c[0] + 1, al.scan(lambda s, x: (s * 0.5 + x * a, None), c[1], np.arange(3.0))[0]

    def f(a):
        return al.while_loop(lambda c: c[0] < 4 * a, lambda c: turn(c, a), (0.0, a))[1]

    def h(a):
        return al.scan(lambda c, x: (c * a + root(x * a + 1.0), c), 0.1, np.linspace(0.5, 2.0, 4))[0]

    points = np.array([0.2, 0.9, 1.7])
    for g in (f, h, al.value_and_grad(f), al.value_and_grad(h)):
        expected = np.array([np.ravel(plain(g(a))) for a in points]).T
        assert np.allclose(plain(al.jit(al.vmap(g))(points)), expected, rtol=1e-13)


def test_equal_loops_are_one_program():
    """A masked loop is known by what it does, zeros by their sign."""

    def loop(zero):
        builder = Builder(2)
        return MaskedLoop(builder.finished([1, builder.constant(zero), builder.constant(0.0)]), 1, None)

    assert loop(0.0) == loop(0.0) and hash(loop(0.0)) == hash(loop(0.0))
    assert loop(0.0) != loop(-0.0) and operator.ne(loop(0.0), 1)


def test_a_turn_looks_up_in_a_table():
    """Its index is tested in every turn of every lane, and the error names the row."""
    table = np.arange(5.0)
    walk = lambda i: al.while_loop(lambda c: c[1] < 3, lambda c: (c[0] + al.take(table, c[0]), c[1] + 1), (i, 0.0))[0]
    for f in (walk, al.grad(walk)):
        for mapped in (al.vmap(f), al.jit(al.vmap(f))):
            for _ in range(2):
                assert mapped(np.array([0.0, 1.0, 0.0])).tolist() == [f(i) for i in (0.0, 1.0, 0.0)]
                with pytest.raises(al.RowError, match=r"in row 1 of vmap, take got index 8.0"):
                    mapped(np.array([0.0, 2.0, 3.0]))


@pytest.mark.filterwarnings("ignore:step has taken")
def test_lanes_whose_turns_take_too_many_branches_run_eagerly(monkeypatch):
    """With a warning; the others stay compiled."""
    monkeypatch.setattr(steps, "MAX_PATHS", 5)
    monkeypatch.setattr(lane_paths, "MAX_TURNS", 5)

    def f(x):
        def step(c):
            for j in range(12):
                if c[0] < j:
                    return c[0] + 1, c[1] * 0.5 + j
            return c[0] + 1, c[1]

        return al.while_loop(lambda c: c[0] < x, step, (0.0, x))[1]

    points = np.array([2.0, 9.0, 0.0, 11.0, 1.0, 20.0] * 3)
    assert al.jit(al.vmap(f))(points).tolist() == [f(x) for x in points]


def test_code_of_loops_is_kept_on_disk(tmp_path):
    """A second process takes it from there, with operations of users in the turns, and has the same bits."""
    program = """
import numpy as np, autograd_lite as al
half = al.Primitive(name="half_kept", value=lambda x: x / 2, partials=(lambda x, y: 0.5,))
def f(x, n):
    return al.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, half(c[1]) + al.exp(-x)), (0.0, x))[1]
compiled = al.jit(al.vmap(al.value_and_grad(f)))
print(np.array(compiled(np.linspace(0.1, 2.0, 20), np.arange(20.0))).tobytes().hex(), str(compiled.paths()).count("cache"))
"""
    runs = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "AUTOGRAD_LITE_CACHE": str(tmp_path / "code")},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for _ in range(2)
    ]
    assert runs[0][0] == runs[1][0]
    assert [run[1] for run in runs] == ["0", "1"]
