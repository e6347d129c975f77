"""`scan`: eager, compiled and differentiated, the same numbers; compiled in the time of one step."""

import time

import numpy as np
import pytest

import autograd_lite as al

XS = np.linspace(0.1, 1.0, 23)


def filtered(a, start, xs=XS, checkpoint=None):
    """A carry of two numbers in a nest, an output, a number and rows from outside."""

    def step(carry, x):
        following = {"c": al.sin(carry["c"] * a) + x * carry["d"], "d": carry["d"] * 0.9 + carry["c"] * x}
        return following, [carry["c"] * x, a * x]

    last, (products, scaled) = al.scan(step, {"c": start, "d": 1.0}, xs, checkpoint=checkpoint)
    return last["c"] * last["d"] + al.sum(products) - scaled[3]


def branching(a):
    """Steps that take different branches."""
    return al.scan(lambda c, x: ((c * a if c > 1 else c + a * x), c), 0.5, XS)


def collatz(n):
    """A branch by int, no rows."""
    return al.scan(lambda c, _: (c / 2 if int(c) % 2 == 0 else 3 * c + 1, c), n, length=20)


def same(left, right):
    """Equal nests, to the bit."""
    assert [np.asarray(a).tobytes() for a in al.nests.optree.tree_leaves(left)] == [
        np.asarray(b).tobytes() for b in al.nests.optree.tree_leaves(right)
    ]


@pytest.mark.parametrize("f", [branching, collatz])
@pytest.mark.parametrize("start", [7.0, 0.3, 27.0])
def test_compiled_is_eager(f, start):
    """Whatever branches the steps take, also after other starts."""
    if f is collatz and start < 1:
        start = 6.0
    compiled = al.jit(f)
    for x in (start, 1.0, start + 2):
        same(compiled(x), f(x))


@pytest.mark.parametrize("checkpoint", [None, 1, 5, 23, 100])
def test_gradient_of_a_compiled_loop(checkpoint):
    """With all carries kept or few; by the first carry, and by a number that every step uses."""
    f = al.jit(al.value_and_grad(lambda a, c: filtered(a, c, checkpoint=checkpoint), (0, 1)))
    for a, c in ((0.7, 0.3), (0.2, -1.0)):
        value, slopes = f(a, c)
        exact, expected = al.value_and_grad(filtered, (0, 1))(a, c)
        assert value == exact
        assert slopes == pytest.approx(expected, rel=1e-12)


def test_gradient_by_the_rows():
    """Rows that are arguments get their own derivatives."""
    gradient = al.jit(al.grad(filtered, (0, 2)))(0.4, 0.3, XS)
    expected = al.grad(filtered, (0, 2))(0.4, 0.3, XS)
    np.testing.assert_allclose(gradient[1], expected[1], rtol=1e-12)
    assert gradient[0] == pytest.approx(expected[0], rel=1e-12)


@pytest.mark.parametrize("a", [0.1, 0.5, 1.0, 1.3, 1.7])
def test_gradient_follows_the_branches(a):
    """The reverse loop takes the branches that the forward one took."""
    f = lambda a: branching(a)[0]
    assert al.jit(al.grad(f))(a) == pytest.approx(al.grad(f)(a), rel=1e-12)


def test_higher_orders_record_the_steps():
    """Second derivatives and forward ones are right too."""
    f = lambda v: filtered(v[0], v[1], XS[:6])
    at = np.array([0.7, 0.3])
    np.testing.assert_allclose(al.jit(al.hessian(f))(at), al.hessian(f)(at), rtol=1e-10)
    assert al.jit(lambda v: al.jvp(f, (v,), (np.ones(2),))[1])(at) == pytest.approx(al.jvp(f, (at,), (np.ones(2),))[1])
    g = lambda a: filtered(a, 0.3, XS[:6])
    assert al.jit(al.grad(al.grad(g)))(0.7) == pytest.approx(al.grad(al.grad(g))(0.7), rel=1e-10)


def test_branch_not_taken_sends_nothing_in_a_loop():
    """where(x < 1, x, sqrt(x)) at 0, inside the steps and their gradient."""
    f = lambda a: al.scan(lambda c, x: (al.where(al.less(c, 1.0), c * a, al.sqrt(c)) + x, None), 0.0, XS)[0]
    for a in (0.5, 1.5):
        assert al.jit(al.grad(f))(a) == pytest.approx(al.grad(f)(a), rel=1e-12)


def test_program_does_not_grow_with_the_length():
    """A thousand steps and a million: the same instructions, and no unrolled trace."""
    lengths = {}
    for n in (1000, 1_000_000):
        rows = np.full(n, 0.5)
        f = al.jit(lambda a, rows=rows: al.scan(lambda c, x: (al.sin(c * a) + x, None), 0.1, rows)[0])
        f(0.9)
        lengths[n] = len(f.paths()[0].tape)
    assert lengths[1000] == lengths[1_000_000] < 5


def test_loop_in_a_loop():
    """A scan as a step of a scan."""
    inner = lambda c, a: al.scan(lambda d, x: (d * a + x, None), c, XS)[0]
    f = lambda a: al.scan(lambda c, x: (inner(c, a) * 0.1 + x, c), 0.0, XS[:4])
    same(al.jit(f)(0.3), f(0.3))
    g = lambda a: f(a)[0]
    assert al.jit(al.grad(g))(0.3) == pytest.approx(al.grad(g)(0.3), rel=1e-12)


def test_training_by_scan():
    """Stochastic gradient descent: the steps of a Python loop, to the bit."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(50, 3))
    loss = lambda p, x: (al.tanh(p[0] * x[0] + p[1] * x[1]) - x[2]) ** 2
    step = lambda p, x: (p - 0.1 * al.grad(loss)(p, x), loss(p, x))
    start = np.array([0.3, -0.2])
    p, losses = al.jit(lambda p: al.scan(step, p, rows))(start)
    by_hand, expected = start, []
    for x in rows:
        expected.append(loss(by_hand, x))
        by_hand = by_hand - 0.1 * al.grad(loss)(by_hand, x)
    assert p.tolist() == by_hand.tolist()
    assert losses.tolist() == expected


def test_captured_variable_and_outer_gradient():
    """Variables from outside stay connected."""
    w = al.Variable(0.5)
    y = al.jit(lambda x: al.scan(lambda c, r: (c * w + r, None), x, XS)[0])(1.0)
    expected = al.scan(lambda c, r: (c * w + r, None), 1.0, XS)[0]
    assert y.value == expected.value
    assert al.gradients(y, w) == pytest.approx(al.gradients(expected, w), rel=1e-12)
    f = lambda a: al.jit(lambda b: al.scan(lambda c, r: (c * b + r, None), b, XS)[0])(a)
    assert al.grad(f)(0.5) == pytest.approx(al.grad(lambda b: al.scan(lambda c, r: (c * b + r, None), b, XS)[0])(0.5))


def test_in_lanes():
    """Each row of a batch has its own loop."""
    f = lambda a: branching(a)[0]
    lanes = np.array([0.1, 0.5, 1.0, 1.3, 1.7])
    np.testing.assert_array_equal(al.jit(al.vmap(f))(lanes), [f(a) for a in lanes.tolist()])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: al.scan(lambda c, x: c, 0.0, XS), "returns a pair"),
        (lambda: al.scan(lambda c, x: ([c], x), 0.0, XS), "Return a carry like the one"),
        (lambda: al.scan(lambda c, x: (c, x), 0.0), "how many steps"),
        (lambda: al.scan(lambda c, x: (c, x), 0.0, XS, length=5), "lengths"),
        (lambda: al.scan(lambda c, x: (c, x), 0.0, 3.0), "give arrays"),
        (lambda: al.scan(lambda c, x: (c, x), 0.0, length=-1), "whole number of steps"),
        (lambda: al.scan(lambda c, x: (c, x), 0.0, XS, checkpoint=0), "checkpoint"),
        (lambda: al.scan(3, 0.0, XS), "takes a function"),
    ],
)
def test_wrong_use(call, words):
    """What happened and what to do, eagerly and while tracing."""
    with pytest.raises(al.ArgumentError, match=words):
        call()
    with pytest.raises(al.ArgumentError, match=words):
        al.jit(lambda a: call() and a)(1.0)


def test_no_steps():
    """Nothing happens."""
    assert al.scan(lambda c, x: (c + x, x), 2.0, np.empty(0)) == (2.0, None)
    assert al.jit(lambda a: al.scan(lambda c, x: (c + x, None), a, length=0)[0])(2.0) == 2.0


def test_what_a_step_raises_reaches_the_caller():
    """An exception in a branch that only later steps take; the next call works."""

    def step(c, x):
        if c > 3:
            raise KeyError("too large")
        return c + x, None

    f = al.jit(lambda a: al.scan(step, a, XS)[0])
    assert f(-9.0) == al.scan(step, -9.0, XS)[0]
    with pytest.raises(KeyError, match="too large"):
        f(2.5)
    assert f(-9.0) == al.scan(step, -9.0, XS)[0]


@pytest.mark.slow
def test_a_million_steps_compile_as_fast_as_a_thousand():
    """Time until the first result, less the time of running."""
    first = {}
    for n in (1000, 1_000_000):
        rows = np.full(n, 0.5)
        f = al.jit(lambda a, rows=rows: al.scan(lambda c, x: (al.sin(c * a) + x, None), 0.1, rows)[0])
        start = time.perf_counter()
        f(0.9)
        middle = time.perf_counter()
        f(0.9)
        first[n] = 2 * middle - start - time.perf_counter()
    assert first[1_000_000] < 10 * abs(first[1000]) + 0.5


def test_steps_with_too_many_paths_run_eagerly(monkeypatch):
    """Right results, as for jit."""
    from autograd_lite.tape import loops

    monkeypatch.setattr(loops, "MAX_PATHS", 2)
    step = lambda c, x: (c + int(x), c)
    rows = np.array([0.5, 1.5, 2.5, 3.5, 0.7, 3.1])
    with pytest.warns(RuntimeWarning, match="different paths"):
        last, carries = al.jit(lambda a: al.scan(step, a, rows))(0.25)
    expected, others = al.scan(step, 0.25, rows)
    assert last == expected
    assert carries.tolist() == others.tolist()
