"""Derivatives of loops of every order and in lanes: loops themselves, with the numbers of the eager run."""

import itertools
import random

import numpy as np
import pytest
import scans
from executors import BACKENDS
from tiers import mostly_full

import autograd_lite as al
from autograd_lite.tape import scan as scan_module

XS = np.linspace(0.1, 1.0, 40)
Z = np.linspace(-1.0, 1.3, 5)


def forward(f):
    """The tangent of a function of one number along 1."""
    return lambda x: al.jvp(f, (x,), (1.0,))[1]


ONE_MORE = {"R": al.grad, "F": forward}
ORDERS = ["".join(letters) for k in (1, 2, 3) for letters in itertools.product("RF", repeat=k)]


def derived(f, letters):
    """A derivative, each letter one more differentiation: in reverse or forward."""
    for letter in letters:
        f = ONE_MORE[letter](f)
    return f


def numbers(nest):
    """The values of a nest."""
    return [getattr(n, "value", n) for n in al.nests.unravel(nest)[0]]


def agree(f, *points, rel=1e-11):
    """Compiled as eager: sums of some products for each of forty steps, in another order."""
    compiled = al.jit(f)
    for x in points:
        np.testing.assert_allclose(numbers(compiled(x)), numbers(f(x)), rtol=rel, atol=1e-300)
    return compiled


def plain(a, xs=XS):
    """A carry of one number."""
    return al.scan(lambda c, x: (al.sin(c * a) * 0.5 + x, None), 0.1, xs)[0]


def nested(a, xs=XS):
    """A carry that is a nest, outputs, and rows that depend on the argument."""

    def step(carry, x):
        following = {"c": al.sin(carry["c"] * a) + x * carry["d"][0], "d": [carry["d"][0] * 0.9, carry["d"][1] * x]}
        return following, (carry["c"] * x, carry["d"][1])

    last, (one, other) = al.scan(step, {"c": 0.3, "d": [1.0, a]}, xs * a)
    return last["c"] * last["d"][0] + one[3] * a + al.sum(other)


def branching(a, xs=XS):
    """Steps of two kinds, and a carry that is passed on as it is."""
    return al.scan(lambda c, x: ((c[0] * a if c[0] > 1.0 else c[0] + a * x, c[1]), None), (0.5, a), xs)[0][0]


def looped(a, xs=XS):
    """A scan in a step of a scan."""
    inner = lambda c: al.scan(lambda d, t: (al.sin(d * a) + t, None), c, XS[:4])[0]
    return al.scan(lambda c, x: (inner(c) * 0.4 + x, None), 0.1, xs)[0]


def differentiated(a, xs=XS):
    """A gradient of a scan in a step of a scan."""
    inner = lambda c: al.scan(lambda d, t: (al.sin(d * a) + t, None), c, XS[:4])[0]
    return al.scan(lambda c, x: (al.grad(inner)(c) * 0.4 + x, None), 0.1, xs)[0]


def mapped(a, xs=XS):
    """Lanes in a step."""
    lanes = lambda c, x: al.vmap(lambda z: al.sin(z * c * a) * 0.2 + x, reduce="sum")(Z)
    return al.scan(lambda c, x: (lanes(c, x) * 0.5, None), 0.3, xs)[0]


def looking_up(a, xs=XS):
    """A table whose row is data."""
    table = [a, a * a, 1.0 - a]
    return al.scan(lambda c, x: (al.take(table, al.floor(al.abs(c) * 2.0) % 3.0) * c + x, None), 0.1, xs)[0]


def repeated(a, xs=XS):
    """A `while_loop` whose number of turns depends on the argument."""
    return al.while_loop(
        lambda c: c[1] < len(xs) + al.floor(a), lambda c: (al.sin(c[0] * a) + 0.1, c[1] + 1.0), (a, 0.0)
    )[0]


CASES = {f.__name__: f for f in (plain, nested, branching, looped, differentiated, mapped, looking_up, repeated)}


@pytest.mark.parametrize("letters", mostly_full(ORDERS, (1, 2, 3, 4, 5, 6)))
@pytest.mark.parametrize("name", CASES)
def test_every_derivative_is_that_of_the_eager_run(name, letters):
    """To order three, also where later steps take branches that no earlier one took."""
    if len(letters) == 3 and name in ("differentiated", "mapped") and letters not in ("RRR", "FRF"):
        return
    agree(derived(lambda a: CASES[name](a, XS[:9]), letters), 0.7, 1.3)


@pytest.mark.parametrize("name", CASES)
def test_products_and_matrices_of_second_derivatives(name):
    """`hessian`, `hvp`, `jacobian`, `jacfwd` and `vjp`, by two numbers."""
    f = lambda v: CASES[name](v[0] * v[1], XS[:7]) * v[0]
    at, other = np.array([0.6, 1.1]), np.array([1.2, 0.9])
    transforms = al.hessian, al.jacobian, al.jacfwd, al.jacrev, lambda f: lambda v: al.hvp(f, (v,), (other,))
    for transform in transforms:
        agree(transform(f), at, other)
    agree(lambda v: al.vjp(al.grad(f), v)[1](at)[0], at, other)


GROWING = [
    (name, around)
    for around in ("", "lanes", "gradient of lanes")
    for name in ("plain", "branching", "repeated", "nested", "looped", "differentiated", "mapped")
]


@pytest.mark.parametrize("case", mostly_full(GROWING, (0, 1, 2, 7, 8, 14)))
def test_program_does_not_grow_with_the_length(case):
    """Of any derivative to order three, in lanes too: the instructions for fifty steps are those for many."""
    name, around = case
    slow = name in ("looped", "differentiated", "mapped")  # a call back for each step
    lengths = []
    for count in (50, 120 if slow else 1000):
        xs = np.linspace(0.1, 1.0, count)
        short = lambda a, xs=xs: CASES[name](a, xs)
        if name == "nested":  # without outputs that are summed, and rows that are traced: each is an argument
            short = lambda a, xs=xs: al.scan(lambda c, x: ({"c": al.sin(c["c"] * a) + x}, None), {"c": a}, xs)[0]["c"]
        own = []
        for letters in ORDERS[: 6 if around or slow else None]:
            f = derived(short, letters)
            if around == "lanes":
                compiled = al.jit(al.vmap(f))
                compiled(Z[3:])
            elif around:
                compiled = al.jit(al.grad(lambda v, f=f: al.vmap(f, reduce="sum")(v)))
                compiled(Z[3:])
            else:
                compiled = al.jit(f)
                compiled(0.7)
            own.append(sum(len(path.tape) for path in compiled.paths()[:1]))
        lengths.append(own)
    assert lengths[0] == lengths[1]
    assert max(lengths[0]) < 400


def test_captured_variables_and_branches_met_later():
    """Variables from outside are live in tangents too; a later call that needs another branch finds it."""
    w = al.Variable(0.5)
    step = lambda y: lambda c, r: (c * w * y + r if c < 2.0 else c * 0.5 * w, None)
    f = lambda x: al.jvp(lambda y: al.scan(step(y), y, XS)[0], (x,), (1.0,))[1]
    compiled = al.jit(f)
    for value in (0.5, 3.0, 0.5):
        w.value = value
        for x in (0.7, 4.0, -1.0):
            got, expected = compiled(x), f(x)
            assert got.value == pytest.approx(expected.value, rel=1e-12)
            assert al.gradients(got, w) == pytest.approx(al.gradients(expected, w), rel=1e-11)
    second = al.jit(al.grad(al.grad(lambda a: branching(a))))
    for a in (0.1, 1.7, 0.5, 1.0):
        assert second(a) == pytest.approx(al.grad(al.grad(branching))(a), rel=1e-11)
    assert len(second.paths()) == 1


def test_tapes_of_derivatives_replay_on_variables_and_can_be_differentiated():
    """As tapes of the loop itself."""
    h = lambda p: al.scan(lambda c, x: (c * p + x if c < 2 else c * p * p, c), 0.1, XS)[0]
    for letters in ("F", "RR", "RF"):
        g = derived(h, letters)
        compiled = al.jit(g)
        compiled(0.5)
        tape, x = compiled.paths()[0].tape, al.Variable(0.5)
        assert tape(0.5) == pytest.approx(g(0.5), rel=1e-12)
        assert tape(x).value == pytest.approx(g(0.5), rel=1e-12)
        assert al.gradients(tape(x), x) == pytest.approx(al.grad(g)(0.5), rel=1e-11)
        assert tape.gradient()(0.5) == pytest.approx(al.grad(g)(0.5), rel=1e-11)


def test_derivative_along_plain_numbers_in_a_traced_function():
    """It was 0: nodes of a loop have no local gradients as numbers."""
    inner = lambda y: al.scan(lambda c, r: (c * y + r, None), y, XS)[0]
    agree(lambda a: a * al.jvp(inner, (0.3,), (2.0,))[1], 2.0, 3.0)
    agree(lambda a: a * al.hvp(inner, (0.3,), (2.0,)), 2.0)
    agree(lambda a: a * al.jacfwd(lambda v: inner(v[0]) * v[1])(np.array([0.3, 0.4])), 2.0)


@pytest.mark.parametrize("letters", ["R", "F", "RR", "RF", "FR"])
def test_branch_not_taken_and_infinite_slopes(letters):
    """0·∞ behind a branch that no step took is nothing at any order: `where(x < 1, x, sqrt(x))` at 0, and its like."""
    functions = [
        lambda a: al.scan(lambda c, x: (al.where(al.less(c, 1.0), c * a, al.sqrt(c)) + x, None), 0.0, XS[:5])[0],
        lambda a: al.scan(lambda c, x: ((c[0] * x, al.sqrt(c[1])), None), (1.0, a), XS[:5])[0][0] * a,
        lambda a: al.scan(lambda c, x: (c + 1.0, al.sqrt(a)), 0.0, XS[:5])[0] + a * a,
        lambda a: al.scan(lambda c, x: (al.relu(c) * a, c), al.sqrt(a), XS[:5])[1][0] * a * a * a,
    ]
    for f in functions:
        compiled, expected = al.jit(derived(f, letters)), derived(f, letters)
        for a in (0.0, -0.0, 0.5, 1.0, -1.0, float("inf"), float("nan")):
            np.testing.assert_allclose(compiled(a), expected(a), rtol=1e-11, err_msg=str(a))


def floats(results):
    """Floats: where a program captures Variables, its results are Variables."""
    return [float(getattr(y, "value", y)) for y in results]


def one_program(seed, orders, lanes):
    """Compare derivatives of one random program with the eager ones, at points half of which are special."""
    program, rng = scans.Program(seed), random.Random(seed)
    fixed = program.arguments(rng)[2]
    points = [program.arguments(rng)[:2] for _ in range(5 if lanes else 3)]
    for letters, swapped in itertools.product(orders, (False, True)):

        def f(p, q, letters=letters, swapped=swapped):
            by = (lambda x: program(q, x, fixed * x)) if swapped else (lambda x: program(x, q, fixed))
            return derived(by, letters)(p)

        with np.errstate(all="ignore"):  # of arrays and numbers that are plain, at infinities
            expected = floats([f(p, q) for p, q in points])
        where = f"program {seed}, {letters}, {swapped} at {points}"
        # Sums of up to some hundred products in another order, which are rarely 1e5 times the result.
        if lanes:
            for backend in BACKENDS:
                got = floats(al.jit(al.vmap(f), backend=backend)(*np.array(points).T))
                np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-300, err_msg=where)
        else:
            compiled = al.jit(f)
            got = floats([compiled(p, q) for p, q in points])
            np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-300, err_msg=where)


@pytest.mark.parametrize("seed", mostly_full(range(20), range(2), seldom=(4, 17, 19)))
def test_random_programs_to_order_three(seed):
    """Branches, selections, nests, captured numbers and objects that change, at 0, -0, infinities and NaN."""
    one_program(seed, ORDERS[2:], lanes=False)


@pytest.mark.parametrize("seed", mostly_full(range(40, 50), range(1), seldom=(5, 6, 7)))
def test_random_programs_in_lanes(seed, monkeypatch):
    """Each lane by its own branches, with the scan one instruction however short it is."""
    monkeypatch.setattr(scan_module, "FEW", 0)
    one_program(seed, ["", *ORDERS[:6]], lanes=True)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("count", [1, 2, 7, 33, 100])
def test_scan_in_lanes(count, backend, monkeypatch):
    """Rows that are known, of all lanes or of each; outputs; sums over lanes; gradients by all of them."""
    monkeypatch.setattr(scan_module, "FEW", 0)
    xs, lanes = np.linspace(-0.9, 1.0, count), np.array([0.2, 0.6, 1.1, -0.4, 0.9, 1.3, -1.2, 0.1, 2.0])
    own = np.sin(np.outer(lanes, np.arange(count)))

    def f(a, xs):
        last, ys = al.scan(lambda c, x: (al.sin(c * a) * 0.5 + x if c < 0.7 else c * x, c * x), a, xs)
        return last + al.sum(ys) * a

    slope = al.value_and_grad(f, (0, 1))
    for arguments, axes in (((lanes, own), (0, 0)), ((lanes, xs), (0, None))):
        rows = own if axes[1] == 0 else [xs] * len(lanes)
        expected = [slope(a, row) for a, row in zip(lanes.tolist(), rows, strict=True)]
        value, (by_a, by_xs) = al.jit(al.vmap(slope, axes), backend=backend)(*arguments)
        np.testing.assert_allclose(value, [y for y, _ in expected], rtol=1e-12)
        np.testing.assert_allclose(by_a, [a for _, (a, _) in expected], rtol=1e-11)
        np.testing.assert_allclose(by_xs, [x for _, (_, x) in expected], rtol=1e-11, atol=1e-14)
        total = al.jit(al.vmap(al.grad(f, (0, 1)), axes, reduce="sum"), backend=backend)(*arguments)
        np.testing.assert_allclose(total[0], sum(a for _, (a, _) in expected), rtol=1e-11)
        np.testing.assert_allclose(total[1], sum(x for _, (_, x) in expected), rtol=1e-11, atol=1e-13)
    known = lambda a: f(a, xs)
    got = al.jit(al.vmap(lambda a: (known(a), al.hvp(known, (a,), (1.0,)))), backend=backend)(lanes)
    expected = [(known(a), al.hvp(known, (a,), (1.0,))) for a in lanes.tolist()]
    np.testing.assert_allclose(np.transpose(got), expected, rtol=1e-11)


def test_lane_depends_on_no_neighbour_and_a_turn_of_another_lane_is_learnt():
    """Bits of a lane alone, among others, and after other lanes have taught the loop their branches."""
    f = al.value_and_grad(lambda a: branching(a, np.linspace(0.1, 1.0, 60)))
    lanes = np.array([0.1, 0.5, 1.0, 1.3, 1.7, -0.3, 0.9])
    compiled = al.jit(al.vmap(f))
    alone = [np.concatenate(compiled(lanes[k : k + 1])) for k in range(len(lanes))]
    np.testing.assert_array_equal(np.transpose(compiled(lanes)), alone)
    np.testing.assert_allclose(alone, [f(a) for a in lanes.tolist()], rtol=1e-11)
    assert len(compiled.paths()) == 1


def test_tables_of_two_scans_in_lanes_are_not_mixed_up(tmp_path, monkeypatch):
    """In code from the disk too: two tables, or one twice, make the same instructions."""
    monkeypatch.setenv("AUTOGRAD_LITE_CACHE", str(tmp_path))
    one, other = np.linspace(0.1, 1.0, 40), np.linspace(2.0, 0.5, 40)
    lanes = np.array([0.3, 0.5])
    for first, second in ((one, other), (one, one), (other, one), (other, other)) * 2:

        def f(a, first=first, second=second):
            return plain(a, first) - 2.0 * plain(a, second)

        from autograd_lite.tape.backends import registry

        registry.forget()
        np.testing.assert_allclose(al.jit(al.vmap(f))(lanes), [f(a) for a in lanes.tolist()], rtol=1e-13)
