"""`scan`: eager, compiled and differentiated, the same numbers; compiled in the time of one step."""

import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scans
from tiers import full, mostly_full

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


def test_higher_orders():
    """Second derivatives and forward ones are right too; see `test_loop_tangents`."""
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


def test_loop_in_a_loop_learns_branches_met_later():
    """The inner loop learns them too: the function is called for traces only."""
    calls = []

    def f(p):
        calls.append(p)
        inner = lambda d, x: (d + x if d < p else d * p, None)
        return al.scan(lambda c, x: (al.scan(inner, c, XS[:3])[0] * 0.5 + x, None), 0.0, XS[:3])[0]

    compiled, points = al.jit(f), (100.0, 0.5, -3.0, 1.5)
    first = [compiled(p) for p in points]
    met = len(calls)
    assert [compiled(p) for p in points] == first
    assert len(calls) == met
    assert first == [f(p) for p in points]


def test_second_derivative_of_a_scan_in_a_step():
    """Both stay loops."""
    inner = lambda t: al.scan(lambda d, x: (al.sin(d * t) + x, None), t, XS[:3])[0]
    f = lambda p: al.scan(lambda c, x: (al.grad(al.grad(inner))(c) * 0.1 + x, None), p, XS[:6])[0]
    compiled = al.jit(f)
    assert compiled(0.3) == pytest.approx(f(0.3), rel=1e-12)
    assert len(compiled.paths()[0].tape) < 5


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


@pytest.mark.parametrize("checkpoint", [None, 1, 2])
def test_zeros_of_a_compiled_gradient_have_the_signs_of_the_eager_one(checkpoint):
    """-0.0 where all that was sent is -0.0; 0.0 where nothing was."""

    def f(p, q):
        return -al.scan(lambda c, x: (c * q if c > -p else c * p, None), 0.0, XS[:3], checkpoint=checkpoint)[0]

    for g, signs in ((f, ["0.0", "-0.0"]), (lambda q, p: f(p, q), ["-0.0", "0.0"])):
        slopes = al.grad(g, (0, 1))
        assert list(map(str, al.jit(slopes)(2.0, 3.0))) == list(map(str, slopes(2.0, 3.0))) == signs


def test_gradient_of_a_gradient_inside_a_compiled_function():
    """Nobody can tell beforehand that a second one follows: it was recorded one by one after all."""

    def f(p):
        y = al.scan(lambda c, x: (c * p + x, None), 1.0, XS[:3])[0]
        return al.gradients(al.gradients(y, p, create_graph=True), p)

    assert al.jit(f)(2.0) == f(al.Variable(2.0))


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


def test_a_million_steps_are_one_instruction():
    """As a thousand are, around a step of as many instructions."""
    programs = []
    for n in (1000, 1_000_000):
        rows = np.full(n, 0.5)
        f = al.jit(lambda a, rows=rows: al.scan(lambda c, x: (al.sin(c * a) + x, None), 0.1, rows)[0])
        f(0.9)
        (path,) = f.paths()
        (loop,) = [operation.loop for operation, _ in path.tape.program.code if hasattr(operation, "loop")]
        (step,) = loop.steps.paths.known
        programs.append((len(path.tape), len(step.tape)))
    assert programs[0] == programs[1]
    assert sum(programs[0]) < 10


def test_steps_with_too_many_paths_run_eagerly(monkeypatch):
    """Right results, as for jit."""
    from autograd_lite.tape import steps

    monkeypatch.setattr(steps, "MAX_PATHS", 2)
    step = lambda c, x: (c + int(x), c)
    rows = np.array([0.5, 1.5, 2.5, 3.5, 0.7, 3.1])
    with pytest.warns(RuntimeWarning, match="different paths"):
        last, carries = al.jit(lambda a: al.scan(step, a, rows))(0.25)
    expected, others = al.scan(step, 0.25, rows)
    assert last == expected
    assert carries.tolist() == others.tolist()


# ------------------------------------------------------------------------------------------- what once went wrong, by symptom

SHORT = np.arange(1.0, 4.0)


def numbers(nest):
    """The numbers of a nest, without history."""
    return [getattr(n, "value", n) for n in al.nests.unravel(nest)[0]]


def agree(f, *points, backend="auto"):
    """One compiled function gives what the eager one gives, at all points in turn; so do its first two derivatives."""
    for g in (f, al.grad(f), al.grad(al.grad(f))):
        compiled = al.jit(g, backend=backend)
        for x in points:
            np.testing.assert_allclose(numbers(compiled(x)), numbers(g(x)), rtol=1e-12, err_msg=f"{g.__name__} at {x}")


def test_gradient_counted_twice_where_a_step_uses_p_and_what_is_computed_from_p():
    """6 p³ from p and p·p."""

    def f(p):
        q = p * p
        return al.scan(lambda c, x: (c + x * p * q, None), 0.0, SHORT)[0]

    assert al.jit(al.grad(f))(2.0) == al.grad(f)(2.0) == 72.0


def test_step_called_later_saw_its_loop_variables_next_turn():
    """Two scans in a loop, by the loop's variable, a function that uses it, and a name bound again."""

    def turns(p):
        total = 0.0
        for w in (p, 2.0 * p):
            total = total + al.scan(lambda c, x: (c * 0.5 + x * w, None), 0.0, SHORT)[0]
        return total

    def by_function(p):
        for k in (1.0, 2.0):
            rate = lambda c: c * k if c < 2.0 else c * p * k
            p = al.scan(lambda c, x: (rate(c) + x, None), p, SHORT)[0]
        return p

    def again(p):
        p = al.scan(lambda c, x: (c * 0.5 + x * p, None), 0.0, SHORT)[0]
        return p

    assert al.jit(al.grad(turns))(2.0) == 12.75
    for f in (turns, by_function, again):
        agree(f, 2.0, 0.1, -1.0)


def test_branch_found_later_saw_its_loop_variables_next_turn():
    """Paths of plain values too."""
    f = lambda p, q: [
        al.scan(lambda c, x: (c + (w * k if c > q else w), None), p, SHORT)[0] for k, w in ((1.0, p), (2.0, q))
    ]
    compiled = al.jit(f)
    for p, q in ((1.0, 9.0), (1.0, 2.0), (3.0, 0.5)):
        assert compiled(p, q) == f(p, q)


@pytest.mark.parametrize(
    "step",
    [
        lambda p: lambda c, x: (c + p if x > 1 else c + 1.0, None),
        lambda p: lambda c, x: (c + p * p if c > 2 * p else c + x, None),
        lambda p: lambda c, x, a=2 * p, b=p * p: (c + a if p > 1 else c + b * x, None),
    ],
)
def test_number_that_only_another_branch_uses_was_frozen(step):
    """An argument, one computed from it, defaults: used in later steps, or only for other arguments."""
    agree(lambda p: al.scan(step(p), 0.0, np.arange(4.0))[0], 2.0, 5.0, 0.5, 100.0, -1.0)


@pytest.mark.parametrize("length", [4, pytest.param(40_000, marks=full)])
def test_late_captures_do_not_unroll_the_loop(length):
    """Traced again, the scan is a loop again: a program of a few instructions."""
    f = al.jit(lambda p: al.scan(lambda c, x: (c + p if c < p else c + p * p, None), 0.0, length=length)[0])
    g = al.jit(lambda p: al.scan(lambda c, x: (c + 1.0 if p > c else c - p, None), 0.0, length=length)[0])
    for x in (1e9, 0.5, 7.0):
        assert f(x) == al.scan(lambda c, _, x=x: (c + x if c < x else c + x * x, None), 0.0, length=length)[0]
        assert g(x) == al.scan(lambda c, _, x=x: (c + 1.0 if x > c else c - x, None), 0.0, length=length)[0]
    assert {len(path.tape) < 10 for h in (f, g) for path in h.paths()} == {True}


def test_number_that_only_a_later_step_uses_does_not_unroll_the_loop():
    """It is in the closure of the step, and no step used it while the scan was first recorded."""

    def f(p):
        q = p * p
        return al.scan(lambda c, x: (c + x if c < p else c + q, None), 0.0, XS)[0]

    compiled = al.jit(f)
    for p in (100.0, 0.5, -3.0, 1.5):
        assert compiled(p) == f(p)
    assert [len(path.tape) for path in compiled.paths()] == [3]


def test_numbers_that_no_step_uses_are_no_part_of_a_later_loop():
    """A loop that captures all in reach, and then one that does not: its results are floats."""
    q, w = 3.0, al.Variable(2.0)
    late = al.jit(lambda p: al.scan(lambda c, x, r=p * q: (c + x if c < p else c + r, None), 0.0, SHORT)[0])
    assert [late(100.0), late(0.5)] == [6.0, 4.0]
    f = al.jit(lambda p: al.scan(lambda c, x, w=w: (c + p, None), 0.0, SHORT)[0])
    assert type(f(1.0)) is float and f.paths()[0].tape.captured == ()


def test_tape_with_a_loop_is_a_loop_in_another_program():
    """Replayed in a trace that allows loops."""
    f = al.jit(lambda p: al.scan(lambda c, x: (c * p + x, None), 0.1, XS)[0])
    f(0.5)
    tape = f.paths()[0].tape
    twice = al.jit(lambda p: tape(p) * 2.0)
    assert twice(0.7) == 2.0 * f(0.7)
    assert len(twice.paths()[0].tape) < 5


def test_number_that_only_another_branch_uses_where_the_closure_does_not_show_it():
    """In an object, only for other arguments: recorded step by step."""

    class Held:
        pass

    def f(p):
        held = Held()
        held.w = p * 3.0
        return al.scan(lambda c, x: (c + held.w * x if c > p else c + x, None), 0.0, SHORT)[0]

    agree(f, 100.0, 0.5, 2.0)


def test_loop_in_a_loop_whose_later_branch_uses_more():
    """In a later step of the outer loop, the inner one uses a number that it did not before."""

    def f(p):
        r = p * 3.0

        def step(c, t):
            inner = al.scan(lambda d, x: (d * p + x if d < 2 else d * r * 0.1 + c, None), c, SHORT)[0]
            return inner * 0.1 + t, inner

        last, inners = al.scan(step, 0.3, SHORT)
        return last + inners[1]

    agree(f, 0.05, 0.5, 1.5, -0.4)


def test_two_captured_variables_of_one_value_were_confused():
    """They are told apart by identity."""
    a, b = al.Variable(1.0), al.Variable(1.0)
    f = lambda p: al.scan(lambda c, x: (c + a * p if c < 3 else c * b + p, None), 0.0, SHORT)[0]
    compiled = al.jit(f)
    for a.value, b.value, p in ((1.0, 1.0, 2.0), (1.0, 5.0, 2.0), (3.0, 1.0, 0.1), (3.0, 2.0, 2.0)):
        expected, got = f(p), compiled(p)
        assert got.value == expected.value
        assert al.gradients(got, [a, b]) == pytest.approx(al.gradients(expected, [a, b]), rel=1e-12)


def test_captured_variable_of_another_branch_kept_its_value():
    """Its new value, and its derivative."""
    w = al.Variable(3.0)
    f = lambda: al.scan(lambda c, x: (c + w if x > 1 else c + 1.0, None), 0.0, np.arange(4.0))[0]
    compiled = al.jit(f)
    for w.value in (3.0, 10.0):
        assert compiled().value == f().value == 2 * w.value + 2
        assert al.gradients(compiled(), w) == 2.0


def test_derivative_by_a_captured_variable_was_that_of_the_first_path():
    """Steps branch by an argument."""
    w = al.Variable(1.0)
    f = lambda p: al.scan(lambda c, x: (c + w * w if c < p else c + w, c * w), 0.0, length=4)
    compiled = al.jit(f)
    for p in (100.0, 2.0, 3.0):
        for got, expected in zip(al.nests.unravel(compiled(p))[0], al.nests.unravel(f(p))[0], strict=True):
            assert got.value == expected.value
            assert al.gradients(got, w) == al.gradients(expected, w)


def test_gradient_with_a_captured_variable_was_a_type_error():
    """LoopGradient is not callable."""
    w = al.Variable(1.0)
    g = al.grad(lambda p: al.scan(lambda c, x: (c * p + w * x if c < 3 else c * w, None), 0.1, np.arange(4.0))[0])
    compiled = al.jit(g)
    for w.value in (1.0, -0.7, 2.0):
        for p in (2.0, 0.5, 5.0):
            assert compiled(p).value == pytest.approx(g(p).value, rel=1e-12)
            assert al.gradients(compiled(p), w) == pytest.approx(al.gradients(g(p), w), rel=1e-12)


@pytest.mark.parametrize(
    ("step", "init"),
    [
        (lambda c, t, x: ((0 if c > 3 else c + x), c), 0.0),
        (lambda c, t, x: (c + x, 0 if c > 3 else c * 2), 0.0),
        (lambda c, t, x: (c + x, 1), 0.0),
        (lambda c, t, x: (c + x, c > 3), 0.0),
        (lambda c, t, x: (0, c * x), 1.0),
        (lambda c, t, x: (c > 3, np.array([1, 2]) if t > 2 else np.array([c, x])), 1),
        (lambda c, t, x: (np.array([1, 0]) if c[0] > 1 else c * x, None), np.array([1, 2])),
    ],
)
def test_step_that_returned_integers_gave_garbage(step, init):
    """Constants, flags and arrays of integers are numbers, in some branches or in all."""
    f = lambda x: al.scan(lambda c, t: step(c, t, x), init, np.arange(6.0))
    compiled = al.jit(f)
    for x in (2.0, 0.5):
        same(compiled(x), f(x))


@pytest.mark.parametrize(
    "step",
    [
        lambda c, t, x: (c + x, [c, t] if c > 3 else (t, c)),
        lambda c, t, x: (c + x, None if c > 3 else c * 2),
        lambda c, t, x: (c + x, np.ones(2) if c > 3 else np.ones(3)),
    ],
)
def test_outputs_of_different_structure_were_mixed_up(step):
    """An error, the same one eagerly and compiled."""
    f = lambda x: al.scan(lambda c, t: step(c, t, x), 0.0, np.arange(6.0))
    with pytest.raises(al.ArgumentError, match="Return the same structure from every branch") as eager:
        f(2.0)
    compiled = al.jit(f)
    same(compiled(0.1), f(0.1))
    with pytest.raises(al.ArgumentError) as later:
        compiled(2.0)
    assert str(later.value) == str(eager.value)


def test_gradient_without_rows_or_without_carry_was_a_value_error():
    """Arrays with no column."""
    f = lambda x: al.scan(lambda c, _: (c * x, None), 1.0, length=6)[0]
    g = lambda x: al.sum(al.scan(lambda c, t: (c, t * x), (), np.arange(6.0))[1])
    assert al.jit(al.grad(f))(2.0) == al.grad(f)(2.0) == 192.0
    assert al.jit(al.grad(g))(2.0) == al.grad(g)(2.0) == 15.0


def test_infinity_that_the_result_does_not_use_made_the_gradient_nan():
    """In the carry as it is, and as the slope of a part that goes nowhere."""
    f = lambda p: al.scan(lambda c, x: ((c[0] * p + x, c[1]), None), (1.0, float("inf")), SHORT)[0][0]
    g = lambda p: al.scan(lambda c, x: ((c[0] * p + x, al.sqrt(c[1] * p)), None), (1.0, 0.0), SHORT)[0][0]
    assert al.jit(al.grad(f))(2.0) == al.grad(f)(2.0) == 18.0
    assert al.jit(al.grad(g))(2.0) == al.grad(g)(2.0) == 18.0


@pytest.mark.parametrize("checkpoint", [None, 1, 2])
@pytest.mark.parametrize("start", [0.05, 0.1, 0.3, 0.0])
def test_branch_not_taken_in_a_later_step_made_the_gradient_nan(start, checkpoint):
    """An adjoint of 0 that was sent is another thing than none."""
    smaller = lambda c: al.less(c, 0.1)
    step = lambda c, p: (al.where(smaller(c), c + p, al.sqrt(c - 0.1)), c)
    f = lambda p: al.sum(al.scan(lambda c, _: step(c, p), p, np.arange(5.0), checkpoint=checkpoint)[1])
    np.testing.assert_array_equal(al.jit(al.grad(f))(start), al.grad(f)(start))


@pytest.mark.filterwarnings("ignore:.*different paths:RuntimeWarning")
@full
def test_gradient_of_more_paths_than_are_kept_was_an_operand_error():
    """Steps beyond run eagerly, backwards too."""

    def f(p):
        def step(c, x):
            k = 0
            while k < x:
                k += 1
            return c + p * p * (k % 3), None

        return al.scan(step, 0.0, np.arange(80.0))[0]

    assert al.jit(al.grad(f))(2.0) == al.grad(f)(2.0) == 316.0


@pytest.mark.parametrize(
    ("rows", "step"),
    [
        (np.array([2**53 + 1, 2**60 + 3, 5]), lambda c, x, p: c * p + x % 10),
        (np.array(["a", "b", "a"]), lambda c, x, p: c + p if x == "a" else c * p),
    ],
)
def test_rows_that_float64_cannot_hold_were_rounded(rows, step):
    """Their steps are recorded one by one."""
    agree(lambda p: al.scan(lambda c, x: (step(c, x, p), None), 1.0, rows)[0], 0.5, 1.5)


@pytest.mark.parametrize("backend", ["python", "numpy", "llvm"])
def test_step_in_doubt_got_numbers_of_a_derivative_that_is_not_used(backend):
    """NaN there asks for the careful program, which does not take them."""

    def step(c, x, p):
        al.grad(lambda t: t * al.sqrt(t))(p)
        return c * 0.5 + x, None

    f = lambda p: al.scan(lambda c, x: step(c, x, p), 0.0, SHORT)[0]
    compiled = al.jit(f, backend=backend)
    assert [compiled(p) for p in (1.0, -1.0, 1.0)] == [4.25] * 3


def test_nodes_of_a_trace_keep_their_values():
    """A later call, whose steps take a new branch, lends them other numbers for a while."""
    left = []

    def f(p):
        left.append(p * p)
        return al.scan(lambda c, x: (c + left[-1] if c < x else c * left[-1], None), 0.0, SHORT)[0]

    compiled = al.jit(al.grad(f))
    compiled(0.1)
    first, before = left[0], left[0].value
    assert compiled(5.0) == al.grad(f)(5.0)
    assert first.value == before == pytest.approx(0.01)


def test_step_that_assigns_a_name_from_outside():
    """There is more to it than its results: recorded one by one."""

    def f(p):
        total = 0.0

        def step(c, x):
            nonlocal total
            total = total + c * p
            return c * p + x, None

        return al.scan(step, 0.1, SHORT)[0] + total

    agree(f, 0.5, 1.5)


@pytest.mark.parametrize("backend", ["python", "numpy", "llvm"])
def test_loop_by_each_backend(backend, monkeypatch):
    """No machine code where none was asked for, once the trace is done."""
    if backend == "llvm":
        pytest.importorskip("llvmlite")
    step = lambda c, x, p: (c * p + x if c < 2 else al.sin(c) * p, None)
    agree(lambda p: al.scan(lambda c, x: step(c, x, p), 0.1, SHORT)[0], 0.5, 3.0, backend=backend)
    f = al.jit(lambda p: al.scan(lambda c, x: (c * p + x, None), 0.1, SHORT)[0], backend=backend)
    f(0.5)
    if backend != "llvm":
        monkeypatch.delattr("autograd_lite.tape.llvm.backend.MachineSingle.scan")
    assert f(0.7) == al.scan(lambda c, x: (c * 0.7 + x, None), 0.1, SHORT)[0]


def test_tape_with_a_loop_replays_on_variables_and_can_be_differentiated():
    """As a tape without one; on numbers of a branch that uses more, it says so."""
    f = lambda p: al.scan(lambda c, x: (c * p + x if c < 2 else c * p * p, c), 0.1, SHORT)[0]
    for g in (f, al.grad(f)):
        compiled = al.jit(g)
        compiled(0.5)
        tape = compiled.paths()[0].tape
        assert tape(0.5) == tape(al.Variable(0.5)).value == pytest.approx(g(0.5), rel=1e-12)
        assert tape.gradient()(0.5) == pytest.approx(al.grad(g)(0.5), rel=1e-12)
        assert al.jit(lambda p, tape=tape: tape(p) * 2)(9.0) == pytest.approx(2 * g(9.0), rel=1e-12)
    w = al.Variable(2.0)
    compiled = al.jit(lambda p: al.scan(lambda c, x: (c * w if c > p else c + x, None), 0.1, SHORT)[0])
    compiled(100.0)
    with pytest.raises(al.TraceError, match="which no step did when the scan was recorded"):
        compiled.paths()[0].tape(0.5)


def test_loop_twice_in_one_program_crashed():
    """Each instruction calls back by itself."""
    f = lambda p: al.scan(lambda c, x: (c * p + x, c), 0.1, SHORT)[0]
    compiled = al.jit(f)
    compiled(0.5)
    tape = compiled.paths()[0].tape
    twice = al.jit(lambda p: tape(p) + tape(2.0 * p))
    for p in (0.5, 1.5):
        assert twice(p) == f(p) + f(2.0 * p)
        assert al.jit(al.grad(lambda p: tape(p) + tape(2.0 * p)))(p) == pytest.approx(
            al.grad(lambda p: f(p) + f(2.0 * p))(p), rel=1e-12
        )


# ------------------------------------------------------------------------ what a step sees in objects, when they change later


class Holder:
    """An object with a number, and a method that is a step."""

    def __init__(self, k):
        self.k = k

    def step(self, c, x):
        """A step of a scan."""
        return (c + self.k * x if c < 2.0 else c * self.k + x), None


def turned(kind, x):
    """Three scans in a row by steps that read an object, which is changed before the next one and after the last."""
    global SHARED
    held = {"k": 0.0}
    listed, buffer, holder, total = [0.0], np.zeros(1), Holder(0.0), x
    steps = {
        "dict": lambda c, r: (c * x + held["k"] if c < 2.0 else c * 0.5 * held["k"] + r, None),
        "list": lambda c, r: (c * x + listed[-1] if c < 2.0 else c * 0.5 * listed[-1] + r, None),
        "array": lambda c, r: (c * x + buffer[0] if c < 2.0 else c * 0.5 * buffer[0] + r, None),
        "attribute": lambda c, r: (c * x + holder.k if c < 2.0 else c * 0.5 * holder.k + r, None),
        "method": holder.step,
        "global": lambda c, r: (c * x + SHARED if c < 2.0 else c * 0.5 * SHARED + r, None),
        "only later": lambda c, r: (c * x if c < 2.0 else c * 0.5 * held["k"] + r, None),
    }
    for k in (1.0, 2.0, 0.5):
        held["k"], buffer[0], holder.k, SHARED = k, k, k * x, k
        listed.append(k * x)
        total = total + al.scan(steps[kind], total * 0.5, SHORT)[0]
    held["k"], buffer[0], holder.k, SHARED, listed = 9.0, 9.0, 9.0, 9.0, [9.0]
    return total


SHARED = 0.0


@pytest.mark.parametrize("kind", ["dict", "list", "array", "attribute", "method", "global", "only later"])
def test_step_called_later_saw_changed_objects(kind):
    """13.8 for 7.8: value and gradient are of what the objects held when the scan was reached, in branches met later too."""
    f = lambda x: turned(kind, x)
    compiled = [al.jit(g) for g in (f, al.grad(f), al.value_and_grad(f))]
    for x in (0.1, 3.0, 0.5, 1.0, -2.0, 0.1):
        for got, g in zip(compiled, (f, al.grad(f), al.value_and_grad(f)), strict=True):
            np.testing.assert_allclose(numbers(got(x)), numbers(g(x)), rtol=1e-12)


def test_scan_in_a_scan_whose_step_changes_an_object():
    """The inner scan is recorded in the turn that it is reached in."""

    def f(x):
        seen = {}

        def step(c, r):
            seen["k"] = c * r
            inner = al.scan(lambda d, t: (d + seen["k"] * t if d < 3.0 else d - seen["k"], None), c, SHORT)[0]
            seen["k"] = 100.0
            return inner * 0.5, inner

        last, inners = al.scan(step, x, SHORT)
        return last + inners[0] * x

    agree(f, 0.1, 2.0, -1.0, 5.0)
    lanes = np.array([0.1, 2.0, -1.0, 5.0])
    got = al.jit(al.vmap(al.value_and_grad(f)))(lanes)
    np.testing.assert_allclose(np.transpose(got), [al.value_and_grad(f)(x) for x in lanes.tolist()], rtol=1e-12)


def test_object_that_changed_between_calls_was_mixed_with_what_it_was():
    """Numbers from outside are those of the trace; where a branch is traced later, with others, that is an error."""
    held = {"k": 1.0}
    f = lambda x: al.scan(lambda c, r: (c * held["k"] + r if c < 4.0 else c * 0.5 * held["k"], None), x, SHORT)[0]
    compiled = al.jit(f)
    assert compiled(-9.0) == f(-9.0)
    held["k"] = 2.0
    with pytest.raises(
        al.TraceError, match="gave another program when it was traced again for a new branch in the steps"
    ):
        compiled(3.0)
    held["k"] = 1.0
    assert compiled(3.0) == f(3.0)
    assert compiled(-9.0) == f(-9.0)


def test_branch_met_later_keeps_the_program():
    """The loop learns the step; nothing is compiled anew around it."""
    f = al.jit(lambda p: al.scan(lambda c, x: (c + p if c < x else c * p, None), 0.0, SHORT)[0])
    f(0.1)
    tape = f.paths()[0].tape
    for p in (5.0, 0.1, -3.0, 1.5):
        assert f(p) == al.scan(lambda c, x, p=p: (c + p if c < x else c * p, None), 0.0, SHORT)[0]
    assert [path.tape for path in f.paths()] == [tape]


def test_branch_that_another_program_knows_is_not_traced_again():
    """Where a step is unserved, the numbers may take another way through the function around the scan."""
    calls = []

    def f(p, q):
        calls.append(p)
        y = al.scan(lambda c, x: (c + p if c < q else c * p, None), 0.0, SHORT)[0]
        return y if p > 0 else -y

    compiled, called = al.jit(f), []
    for point in [(0.1, 9.0), (-3.0, -100.0), (0.1, 9.0), (0.1, -100.0), (-3.0, 9.0)] * 2:
        calls.clear()
        got = compiled(*point)
        called.append(len(calls))
        assert got == f(*point)
    assert called == [1, 1, 0, 1, 1] + [0] * 5


def test_loop_of_numbers_made_inside_was_a_type_error():
    """A list is no constant to fold."""
    f = lambda p: al.scan(lambda c, _: (c * 2.0, c), al.Variable(1.0), length=3)[0] + p
    assert al.jit(f)(1.0) == al.jit(al.value_and_grad(f))(1.0)[0] == 9.0


def test_exception_of_one_call_was_raised_by_the_next():
    """Two operations that raise: the second one's exception was kept."""

    def strict(name):
        def value(x):
            if x > 5.0:
                raise KeyError(name)
            return x

        return al.Primitive(name=name, value=value, partials=(1.0,))

    one, other = strict("strict_one"), strict("strict_other")
    f = al.jit(lambda x: one(x) + other(x))
    assert f(1.0) == 2.0
    with pytest.raises(KeyError, match="strict_one"):
        f(7.0)
    assert f(1.0) == 2.0


# ---------------------------------------------------------------------- "was not sent", a true 0, and NaN at a loop's border


@pytest.mark.parametrize("checkpoint", mostly_full([None, 1, 2], [0, 2]))
@pytest.mark.parametrize(
    "f",
    mostly_full(
        [
            lambda p, q, scan: (
                scan(lambda c, r: (r * 2.0, None), al.sqrt(p), SHORT)[0] + p
            ),  # the first carry is not used
            lambda p, q, scan: q * scan(lambda c, r: (al.sqrt(c), None), p, SHORT)[0],  # 0·inf is sent
            lambda p, q, scan: 0.0 * scan(lambda c, r: (al.sqrt(c * p), None), q, SHORT)[0] + p,
            lambda p, q, scan: scan(lambda c, r: (c if r > 0 else al.sqrt(p), None), q, SHORT)[0] + p,  # a branch
            lambda p, q, scan: scan(lambda c, r: (al.where(q, c, al.sqrt(p)), None), 1.0, SHORT)[0] + p,
            lambda p, q, scan: (
                scan(lambda c, r: (al.where(al.less(-1.0, c), c, r), None), q, al.sqrt(p) * SHORT)[0] + p
            ),
            lambda p, q, scan: scan(lambda c, r: (c + 1.0, al.sqrt(p)), q, SHORT)[0] + p,  # an output is not used
            lambda p, q, scan: scan(lambda c, r: (c, c * r), al.sqrt(p), SHORT)[1][0] * q,
            lambda p, q, scan: scan(lambda c, r: ((c[0] * q, al.sqrt(c[1])), None), (1.0, p), SHORT)[0][
                0
            ],  # nor half a carry
            lambda p, q, scan: al.where(al.less(q, 1.0), q, scan(lambda c, r: (al.sqrt(c), None), p, SHORT)[0]),
            lambda p, q, scan: al.where(al.less(q, 1.0), scan(lambda c, r: (al.sqrt(c), None), p, SHORT)[0], q),
            lambda p, q, scan: (
                scan(lambda c, r: (scan(lambda d, t: (t, None), al.sqrt(c), SHORT)[0], None), p, SHORT)[0] + p
            ),
            lambda p, q, scan: scan(lambda c, r: (al.sqrt(c) * 0.0 + al.sqrt(c), None), p, SHORT)[
                0
            ],  # equal, not the same
            lambda p, q, scan: scan(lambda c, r: (al.sqrt(c) * al.Variable(2.0), None), p, SHORT)[0],
            lambda p, q, scan: scan(lambda c, r: (c * al.stop_gradient(al.sqrt(c)) * q, None), p, SHORT)[0],
            lambda p, q, scan: scan(lambda c, r: (al.grad(lambda t: al.sqrt(t) * q)(c), None), p, SHORT)[0],
        ],
        slice(0, None, 2),
    ),
)
def test_what_was_not_sent_left_a_compiled_scan_as_nan_and_a_true_zero_was_lost(f, checkpoint):
    """As the eager sweep does at infinite slopes, whichever part of the loop they are in."""
    by_carry = lambda step, init, xs: al.scan(step, init, xs, checkpoint=checkpoint)
    g = al.value_and_grad(lambda p, q: f(p, q, by_carry), (0, 1))
    compiled = al.jit(g)
    for p in (1.0, 0.0, -0.0, -1.0, 4.0):
        for q in (0.0, 1.0, 2.0, -0.0, -1.0, float("inf"), float("nan")):
            np.testing.assert_allclose(numbers(compiled(p, q)), numbers(g(p, q)), rtol=1e-12, err_msg=f"{p}, {q}")


def test_adam_on_a_dead_unit_in_a_compiled_scan_was_a_key_error():
    """Training differentiated, by a gradient inside each step."""
    rows = np.array([[0.5, 1.0], [-0.25, 0.5], [1.0, -1.0]])
    loss = lambda w, row: (al.relu(w[0] * row[0] - 9.0) * w[1] + w[1] * row[1] - 1.0) ** 2

    def trained(scale):
        adam = al.optim.Adam(0.1)
        step = lambda state, row: (adam.update(al.grad(loss)(state[0], row), state[1], state[0]), None)
        start = [1.0 * scale, 0.5 * scale]
        (w, _), _ = al.scan(step, (start, adam.init(start)), rows)
        return w[0] + w[1] * w[1]

    np.testing.assert_allclose(al.jit(al.grad(trained))(1.0), al.grad(trained)(1.0), rtol=1e-12)


def one_program(seed):
    """Compare value and gradients of one random program at five points, most of them special."""
    program, rng = scans.Program(seed), random.Random(seed)
    fixed = program.arguments(rng)[2]
    if program.plain_rows:
        f, wrt = lambda p, q: program(p, q, fixed), (0, 1)
    else:
        f, wrt = program, (0, 1, 2)
    g = al.value_and_grad(f, wrt)
    value, both = al.jit(f), al.jit(g)
    for _ in range(5):
        arguments = program.arguments(rng)[: len(wrt)]
        where = f"program {seed} at {arguments}"
        np.testing.assert_array_equal(numbers(value(*arguments)), numbers(f(*arguments)), err_msg=where)
        # Sums of up to some twenty products in another order: 20·eps of the largest term, which is rarely 1e4 times the sum.
        np.testing.assert_allclose(numbers(both(*arguments)), numbers(g(*arguments)), rtol=1e-10, err_msg=where)


@pytest.mark.parametrize("block", mostly_full(range(4), [0]))
def test_random_programs_around_a_scan_are_as_when_unrolled(block):
    """Branches, selections, nests, captured numbers and objects that change, at 0, -0, infinities and NaN."""
    for seed in range(8 * block, 8 * block + 8):
        one_program(seed)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_many_random_programs_around_a_scan_are_as_when_unrolled(block):
    """The same, five hundred of them."""
    for seed in range(100 + 25 * block, 125 + 25 * block):
        one_program(seed)


def test_threads_that_meet_new_branches_at_once():
    """Each gets its own result."""
    f = lambda p: al.scan(lambda c, x: (c + p if c < x else (c * p if c < 2 * x else c - x), None), 0.0, SHORT)[0]
    compiled = al.jit(al.value_and_grad(f))
    compiled(0.1)
    points = [0.1 + 0.37 * k for k in range(40)]
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(compiled, points))
    assert got == [al.value_and_grad(f)(p) for p in points]


def test_a_pass_over_the_results_of_a_loop_inside_a_traced_function():
    """`backward` writes gradients of nodes; the loop itself is none that a user sees."""

    def f(x):
        last, rows = al.scan(lambda c, row: (c * row, c), x, np.array([1.5, 2.0]))
        y = al.Variable(3.0)
        (y * last + rows[1] * x).backward()
        return y.grad, last.grad, x.grad

    found = [al.jit(f, backend=backend)(2.0) for backend in ("llvm", "numpy", "python")]
    assert found == [f(al.Variable(2.0))] * 3 == [(6.0, 3.0, 15.0)] * 3
