"""`jit`: the same results as the function, whatever it branches on and whoever runs it."""

import dataclasses
import functools
import inspect
import itertools
import math
import multiprocessing
import random
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from corpus import EPS, EXAMPLES, NAMES, ORDERS, SPECIAL, TABLE, by_name, same_bits, sample
from tiers import full, mostly_full, sizes

import autograd_lite as al
from autograd_lite import errors

BACKENDS = ("llvm", "numpy", "python")
POINTS = (
    0.0,
    -0.0,
    0.5,
    -0.5,
    1.0,
    -1.0,
    2.0,
    -2.0,
    1 + EPS,
    3.7,
    -7.2,
    1e3,
    5e-324,
    1e200,
    math.inf,
    -math.inf,
    math.nan,
)
FEW = (0.0, -0.0, 1.0, -2.5, math.inf, math.nan)


# --- what "the same" means ----------------------------------------------------------------------------------


def lifted(thing):
    """Numbers become Variables, so that eager results have the types that a traced function has."""
    if isinstance(thing, np.ndarray) and thing.dtype.kind in "fiu":
        flat = np.array([al.Variable(float(v)) for v in thing.ravel()], dtype=object)
        return flat.reshape(thing.shape)
    if isinstance(thing, (float, int, np.floating, np.integer)) and not isinstance(thing, bool):
        return al.Variable(thing)
    if isinstance(thing, dict):
        return {k: lifted(v) for k, v in thing.items()}
    return type(thing)(map(lifted, thing)) if isinstance(thing, (list, tuple)) else thing


def plain(result):
    """Variables become floats again, NumPy's floats Python's."""
    if isinstance(result, np.ndarray):
        flat = [plain(v) for v in result.ravel().tolist()]
        return np.array(flat, dtype=float if result.dtype == object else result.dtype).reshape(result.shape)
    if isinstance(result, al.Variable):
        return result.value
    if isinstance(result, np.floating):
        return float(result)
    if isinstance(result, dict):
        return {k: plain(v) for k, v in result.items()}
    return type(result)(map(plain, result)) if isinstance(result, (list, tuple)) else result


def outcome(f, arguments, keywords=None):
    """The plain result of a call, or what it raised."""
    try:
        return plain(f(*arguments, **(keywords or {})))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is compared
        return ("raised", type(error), str(error))


def same(a, b, *, signs=True):
    """Say whether two nests are the same: types, shapes, dtypes, bits."""
    if isinstance(a, np.ndarray):
        alike = isinstance(b, np.ndarray) and a.shape == b.shape and a.dtype == b.dtype
        return alike and all(
            same(p, q, signs=signs) for p, q in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True)
        )
    if isinstance(a, float):
        return type(b) is float and (same_bits(a, b) or (not signs and a == b))
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[k], b[k], signs=signs) for k in a)
    if isinstance(a, (list, tuple)):
        return (
            type(a) is type(b) and len(a) == len(b) and all(same(p, q, signs=signs) for p, q in zip(a, b, strict=True))
        )
    return type(a) is type(b) and a == b


def check(f, *calls, backends=BACKENDS, keywords=None, lift=True, signs=True):
    """Every call gives eager's result on every backend, first and later, in whatever order paths were found."""
    calls = [c if isinstance(c, tuple) else (c,) for c in calls]
    for backend in backends:
        jitted = al.jit(f, backend=backend)
        for arguments in calls + calls[::-1]:
            expected = outcome(f, lifted(arguments) if lift else arguments, keywords)
            got = outcome(jitted, arguments, keywords)
            assert same(expected, got, signs=signs), f"{backend} at {arguments}: {got}, eager {expected}"


# --- primitives ---------------------------------------------------------------------------------------------


def special_points(name):
    """All combinations of special values; whole numbers where an argument is an order."""
    primitive = TABLE[name]
    kinds = [(0.0, 1.0, 2.0, 3.0) if k == ORDERS.get(name) else SPECIAL for k in range(primitive.arity)]
    points = list(itertools.product(*kinds))
    return points[::11] if primitive.arity == 3 else points


def differentiable(name):
    """Positions that are differentiated by."""
    return tuple(k for k in range(TABLE[name].arity) if k != ORDERS.get(name))


def second(name):
    """All second derivatives, by nesting."""
    slots = differentiable(name)

    def rows(*arguments):
        entry = lambda j: lambda *a: al.grad(TABLE[name], argnums=slots)(*a)[j]
        return [al.grad(entry(j), argnums=slots)(*arguments) for j in range(len(slots))]

    return rows


def flat_numbers(nest):
    """The floats of nested lists and tuples."""
    return [v for part in nest for v in flat_numbers(part)] if isinstance(nest, (list, tuple)) else [nest]


@pytest.mark.parametrize("name", mostly_full(NAMES, slice(0, None, 4)))
@pytest.mark.parametrize("backend", BACKENDS)
def test_values_at_special_points(name, backend):
    """One lane gives eager's bits, signs of zeros included."""
    jitted = al.jit(TABLE[name], backend=backend)
    wrong = [(p, TABLE[name](*p), g) for p in special_points(name) if not same_bits(TABLE[name](*p), g := jitted(*p))]
    assert not wrong, f"{len(wrong)} differ: {wrong[:3]}"


@pytest.mark.parametrize("name", mostly_full(NAMES, slice(1, None, 4)))
def test_values_at_sampled_points(name):
    """One lane gives eager's bits over the whole domain, and where both arguments are alike."""
    table, order = TABLE[name], ORDERS.get(name)
    points = sample(name, 200).tolist() + np.random.default_rng(0).normal(size=(150, table.arity)).tolist()
    points += [[p[0]] * table.arity for p in points[-150:]]
    points = [tuple(abs(round(v)) * 1.0 if k == order else v for k, v in enumerate(p)) for p in points]
    for backend in BACKENDS:
        jitted = al.jit(table, backend=backend)
        wrong = [(p, table(*p), g) for p in points if not same_bits(table(*p), g := jitted(*p))]
        assert not wrong, f"{backend}: {len(wrong)} differ: {wrong[:3]}"


@pytest.mark.parametrize("name", mostly_full(NAMES, slice(2, None, 4)))
def test_gradients_at_special_points(name):
    """Gradients give eager's bits; only the sign of a zero may differ, behind a branch not taken."""
    f = al.grad(TABLE[name], argnums=differentiable(name))
    expected = [(p, f(*p)) for p in special_points(name)]
    for backend in BACKENDS:
        jitted = al.jit(f, backend=backend)
        wrong = [(p, e, g) for p, e in expected if not same(e, g := jitted(*p), signs=False)]
        assert not wrong, f"{backend}: {len(wrong)} of {len(expected)} differ: {wrong[:3]}"


@pytest.mark.parametrize("every", sizes(5, 1))
@pytest.mark.parametrize("name", mostly_full(NAMES, slice(3, None, 4)))
def test_second_derivatives_at_special_points(name, every):
    """And so do second derivatives, all of them."""
    f = second(name)
    points = special_points(name)[:: every if TABLE[name].arity == 2 else 3 if TABLE[name].arity > 2 else 1]
    expected = [(p, flat_numbers(f(*p))) for p in points]
    for backend in BACKENDS:
        jitted = al.jit(f, backend=backend)
        wrong = [(p, e, g) for p, e in expected if not same(e, g := flat_numbers(jitted(*p)), signs=False)]
        assert not wrong, f"{backend}: {len(wrong)} of {len(expected)} differ: {wrong[:3]}"


@pytest.mark.parametrize("name", mostly_full(NAMES, slice(1, None, 4)))
def test_recorded_gradient_equals_graph_of_the_gradient(name):
    """A partial has the same bits on floats and on Variables, else no replay can equal eager."""
    rng = np.random.default_rng(7)
    points = [tuple(row) for row in rng.uniform(0.05, 3.0, (300, TABLE[name].arity)).tolist()]
    for point in points:
        slots = differentiable(name)
        arguments = [al.Variable(p) if k in slots else float(round(p)) for k, p in enumerate(point)]
        wrt = [arguments[k] for k in slots]
        y = TABLE[name](*arguments)
        once, graph = al.gradients(y, wrt), al.gradients(y, wrt, create_graph=True)
        assert all(same_bits(a, b.value) for a, b in zip(once, graph, strict=True)), f"{point}: {once}, {graph}"


# --- guards and branches ------------------------------------------------------------------------------------


def parabola_or_line(x):
    """Value and slope agree at 1, the second derivative does not."""
    return x * x if x == 1 else 2 * x - 1


def matching(x):
    """A match statement with values, alternatives and guards."""
    match x:
        case 0:
            return x + 1
        case 1.0 | 2.0:
            return x * 5
        case _ if x > 3:
            return x * x
        case _:
            return -x


def refusing(x):
    """Raises in one branch."""
    if x < 0:
        raise ValueError("a negative number")
    return al.sqrt(x)


def refusing_with_number(x):
    """The message quotes the number."""
    if x < 0:
        raise ValueError(f"{x.value if isinstance(x, al.Variable) else x:.3f} is negative")
    return al.sqrt(x)


def recovering(x):
    """Catches its own exception."""
    try:
        if x < 1:
            raise KeyError  # noqa: TRY301 - the point of the test
        return x * x
    except KeyError:
        return -x


def ranging(x):
    """A loop whose length is data."""
    return al.sum([x * i for i in range(int(x))]) if 0 < x < 100 else x


def halving(x):
    """A while loop."""
    while 1 < x < 1e4:
        x = x / 2
    return x * x


def nested(x):
    """Conditions on results of branches."""
    y = x * x if x > 0 else x - 1
    z = y / 3 if y > 2 else al.exp(y)
    return z - x if z < 1 or y < 0 else max(z, y, 2.0)


BRANCHING = {
    "if": lambda x: x * x if x > 0 else -x,
    "equal": parabola_or_line,
    "not equal": lambda x: x * x if x != 1 else 2 * x - 1,
    "chained": lambda x: x * 2 if -1 < x <= 2 else x / 3,
    "and": lambda x: x * 2 if x > 0 and x * x < 4 else x / 3,
    "or": lambda x: x * 2 if x > 1 or x < -1 else x / 3,
    "not": lambda x: x * 2 if not x else x / 3,
    "bool": lambda x: (bool(x), x > 1, [x == 0, x]),
    "int": lambda x: int(x) * x,
    "int alone": lambda x: int(x),
    "round": lambda x: round(x) * x,
    "round to a decimal": lambda x: round(x, 1),
    "round to tens": lambda x: round(x, -1) * 2,
    "floor": lambda x: math.floor(x),
    "ceil": lambda x: math.ceil(x),
    "trunc": lambda x: math.trunc(x),
    "range": ranging,
    "max": lambda x: max(x, 1.0, x * x),
    "min": lambda x: min([x, 1.0, x * x, -x]),
    "max by key": lambda x: max([x, 1.0, x * x, -x], key=lambda t: t * t),
    "sorted": lambda x: sorted([x, 1.0, x * x, -x]),
    "abs": lambda x: abs(x) + al.abs(x),
    "divmod": lambda x: divmod(x, 0.75),
    "mod": lambda x: x % 0.75 + x // 2,
    "match": matching,
    "raise": refusing,
    "raise with the number": refusing_with_number,
    "recover": recovering,
    "while": halving,
    "nested": nested,
    "where": lambda x: al.where(x < 1, x, al.sqrt(x)),
    "where of less": lambda x: al.where(al.less(x, 1.0), x, al.sqrt(x)),
    "where of where": lambda x: al.where(x > 0, al.where(x > 2, x * x, 1 / x), al.log(-x)),
    "relu": lambda x: al.relu(x) * 3 + al.relu(-x),
    "contains": lambda x: x in (1.0, 2.0),
    "booleans": lambda x: ((x > 0) ^ (x > 1), 1.0 * sum([x > 0, x > 1, x > 2]), (x > 0) * x),
    "value": lambda x: x.value if isinstance(x, al.Variable) else x,
}


@pytest.mark.parametrize("name", BRANCHING)
def test_branches(name):
    """Every branch at every point, on every backend."""
    check(BRANCHING[name], *POINTS)


DIFFERENTIATED = (
    "if", "equal", "not equal", "chained", "and", "or", "not", "int", "max", "min", "max by key", "abs", "mod", "match",
    "raise", "recover", "while", "nested", "where", "where of less", "where of where", "relu",
)  # fmt: skip


@pytest.mark.parametrize("name", mostly_full(DIFFERENTIATED, slice(0, None, 2)))
@pytest.mark.parametrize("order", [1, 2])
def test_gradients_of_branches(name, order):
    """The branch taken is differentiated, to order 2, by every nesting of grad and jit."""
    f = BRANCHING[name]
    derivative = functools.reduce(lambda g, _: al.grad(g), range(order), f)
    for backend in BACKENDS:
        jit = functools.partial(al.jit, backend=backend)
        inside = functools.reduce(lambda g, _: al.grad(g), range(order), jit(f))
        routes = [jit(derivative), inside, al.grad(jit(al.grad(f))) if order == 2 else jit(jit(derivative))]
        for x in POINTS:
            expected = outcome(derivative, (x,))
            for number, route in enumerate(routes):
                got = outcome(route, (x,))
                assert same(expected, got, signs=False), f"{backend}, route {number} at {x}: {got}, eager {expected}"


def test_equal_values_with_other_gradients():
    """Where two branches agree in value, the one that Python took still counts."""
    f = lambda x: x * x * x if x == 1 else x
    g = al.jit(al.grad(f))
    assert [g(2.0), g(1.0), g(2.0), g(1.0)] == [1.0, 3.0, 1.0, 3.0]
    h = al.jit(al.grad(lambda x: max(x, 1.0)))
    assert [h(1.0), h(2.0), h(0.5), h(1.0)] == [al.grad(lambda x: max(x, 1.0))(v) for v in (1.0, 2.0, 0.5, 1.0)]


def test_ties_and_zeros_of_two_arguments():
    """Ties, signed zeros and NaN in comparisons of two traced numbers."""
    pairs = list(itertools.product((0.0, -0.0, 1.0, math.nan, math.inf), repeat=2))
    for f in (max, min, al.maximum, al.minimum, lambda x, y: max(x, y), lambda x, y: sorted([x, y, x])):
        check(f, *pairs)
    for f in (lambda x, y: max(x, y) * x, al.maximum, lambda x, y: x * y if x == y else x - y):
        finite = [p for p in pairs if all(map(math.isfinite, p))]
        check(al.grad(f, argnums=(0, 1)), *finite, lift=False, signs=False)  # max selects: a zero's sign may differ


def test_recursion_and_loops_on_data():
    """Recursion, bisection, Newton, Collatz: each its own number of steps."""

    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    def collatz(n):
        steps = 0
        while n != 1:
            n = n / 2 if n % 2 == 0 else 3 * n + 1
            steps += 1
        return steps, n

    def bisect(c):
        low, high = 0.0, 2.0
        while high - low > 1e-4:
            middle = (low + high) / 2
            low, high = (middle, high) if middle * middle < c else (low, middle)
        return low, high

    def newton(c):
        y = c
        for _ in range(60):
            z = 0.5 * (y + c / y)
            if abs(z - y) < 1e-14:
                break
            y = z
        return z

    check(fib, *map(float, range(9)))
    check(collatz, *map(float, range(1, 20)))
    check(bisect, 0.1, 0.5, 1.0, 2.0, 3.0)
    check(newton, 0.1, 0.5, 1.0, 2.0, 3.0, 1e10, 1e-5)
    check(al.grad(newton), 0.1, 1.0, 2.0, 1e5, lift=False)


def test_indexing_by_traced_numbers():
    """`list[x]`, `array[x]`, `array[int(x)]`: the entry of this call, and IndexError where eager raises it."""
    entries, array = [10.0, 20.0, 30.0, 40.0], np.arange(5.0) * 7
    check(lambda x: entries[x] * x, *map(float, range(-4, 4)), 7.0)
    check(lambda x: array[x] * x, *map(float, range(-5, 5)), 9.0)
    check(lambda x: entries[int(x)] * x, -3.9, 0.2, 1.99, 3.0, 17.0)
    check(lambda a, i: a[i] * 2, *[(np.arange(4.0), i) for i in (1, 3, -1, 0)])
    check(lambda a, i: a[i] * 2, *[([1.0, 2.0, 3.0], i) for i in (1, 0, 2)])
    jitted = al.jit(lambda a, i: a[i])
    with pytest.raises(IndexError):
        jitted([1.0, 2.0], 5)
    assert jitted([1.0, 2.0], 1) == 2.0


ARRAYS = [np.array(row) for row in ((1.0, 3.0, 2.0), (5.0, 3.0, 2.0), (5.0, 5.0, 2.0), (-1.0, -0.0, 0.0))]
WITH_NAN = np.array([5.0, math.nan, 2.0])
ARRAY_FUNCTIONS = {
    "argmax": lambda a: a[np.argmax(a)] * 2,
    "argmin": lambda a: [int(np.argmin(a)), a[np.argmin(a)] * 2],
    "argsort": lambda a: np.argsort(a, kind="stable"),
    "sort": lambda a: np.sort(a),
    "max": lambda a: a.max() * np.min(a),
    "where": lambda a: np.where(a > 2, a, -a),
    "mask": lambda a: a[a > 2].sum() + a[a > 2].size,
    "any": lambda a: bool((a > 2).any()),
    "all": lambda a: bool(np.all(a > 0)),
    "isnan": lambda a: np.isnan(a),
    "cumsum": lambda a: np.cumsum(a),
}


@pytest.mark.parametrize("name", ARRAY_FUNCTIONS)
def test_numpy_functions_that_branch(name):
    """NumPy compares object arrays entry by entry: guards; results are those on arrays of floats."""
    f = ARRAY_FUNCTIONS[name]
    for backend in BACKENDS:
        jitted = al.jit(f, backend=backend)
        for a in ARRAYS + ARRAYS[::-1]:
            assert np.array_equal(np.asarray(jitted(a)), np.asarray(f(a))), f"{backend} at {a}"


@pytest.mark.parametrize("name", ["max", "argmax", "argmin", "sort", "where", "isnan"])
def test_nan_in_numpy_functions(name):
    """A NaN is not laundered: the jitted function gives what the function gives on floats."""
    f = ARRAY_FUNCTIONS[name]
    expected = np.asarray(f(WITH_NAN), dtype=float)
    got = np.asarray(al.jit(f)(WITH_NAN), dtype=float)
    assert np.array_equal(expected, got, equal_nan=True), f"{got}, eager {expected}"


def test_exception_of_one_branch_is_raised_every_time():
    """Same type and text as eager, before and after other paths were compiled, and for other numbers."""
    for backend in BACKENDS:
        f = al.jit(refusing_with_number, backend=backend)
        for x in (4.0, -1.0, 9.0, -2.5, -1.0, 0.0):
            assert outcome(f, (x,)) == outcome(refusing_with_number, (x,))


def test_max_paths():
    """Beyond max_paths calls run eagerly, right, after one warning that names the branch."""
    f = lambda x: x * int(x)  # BRANCH
    jitted = al.jit(f, max_paths=3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert [jitted(v + 0.5) for v in range(20)] == [(v + 0.5) * v for v in range(20)]
        assert [jitted(v + 0.25) for v in range(20)] == [(v + 0.25) * v for v in range(20)]
        assert [al.grad(jitted)(v + 0.25) for v in range(20)] == [float(v) for v in range(20)]
    assert len(caught) == 1, [str(w.message) for w in caught]
    line = inspect.getsourcelines(f)[1]
    text = str(caught[0].message)
    assert Path(__file__).name in text and str(line) in text, text
    assert len(jitted.paths()) == 3


def test_comparisons_with_a_constant_nan_are_one_path():
    """NaN differs from itself, but a branch by it does not."""
    f = lambda x: x * 2 if x < float("nan") else (x if x > 0 else -x)
    single, lanes = al.jit(f), al.jit(al.vmap(f))
    for x in np.random.default_rng(0).normal(size=100).tolist():
        assert single(x) == lanes(np.array([x]))[0] == f(x)
    assert len(single.paths()) == len(lanes.paths()) == 2


def test_path_report():
    """Number of lanes, condition, file and line."""

    def f(x):
        if x > 3:
            return x * x
        return -x if x < 0 else x

    jitted = al.jit(f)
    for x in (5.0, 6.0, 7.0, -1.0, 1.0, 2.0):
        jitted(x)
    report = jitted.paths()
    assert sorted(path.lanes for path in report) == [1, 2, 3]
    text, first = str(report), inspect.getsourcelines(f)[1]
    assert f"{Path(__file__).name}:{first + 1}" in text and f"{Path(__file__).name}:{first + 3}" in text
    assert "x > 3.0 is True" in text and "x < 0.0 is False" in text


def test_path_report_counts_lanes_of_vmap():
    """Lanes of a batch are counted one by one."""
    jitted = al.jit(al.vmap(lambda x: x * x if x > 0 else -x))
    jitted(np.array([1.0, 2.0, -1.0, 3.0, -4.0]))
    jitted(np.array([-1.0, -1.0]))
    assert sorted(path.lanes for path in jitted.paths()) == [3, 4]


# --- transforms in any order --------------------------------------------------------------------------------


@pytest.mark.parametrize("example", mostly_full(EXAMPLES, slice(0, None, 2)), ids=by_name)
@pytest.mark.parametrize("backend", BACKENDS)
def test_transforms_in_any_order(example, backend):
    """Value, gradient, Hessian, jvp, hvp and vjp through and around jit have eager's bits."""
    f, point = example.function, list(example.point)
    jit = functools.partial(al.jit, backend=backend)
    direction = [1.0 if k % 2 else -0.5 for k in range(len(point))]
    pairs = [
        (f, [jit(f), jit(jit(f))]),
        (al.grad(f), [jit(al.grad(f)), al.grad(jit(f)), jit(al.grad(jit(f)))]),
        (al.value_and_grad(f), [jit(al.value_and_grad(f)), al.value_and_grad(jit(f))]),
        (al.hessian(f), [jit(al.hessian(f)), al.hessian(jit(f))]),
        (lambda v: al.jvp(f, (v,), (direction,)), [jit(lambda v: al.jvp(f, (v,), (direction,)))]),
        (lambda v: al.hvp(f, (v,), (direction,)), [jit(lambda v: al.hvp(f, (v,), (direction,)))]),
        (lambda v: al.vjp(f, v)[1](2.0), [jit(lambda v: al.vjp(f, v)[1](2.0)), lambda v: al.vjp(jit(f), v)[1](2.0)]),
    ]
    for eager, routes in pairs:
        for route in routes:
            for numbers in (point, [p * 1.1 for p in point], point):
                expected, got = plain(eager(numbers)), plain(route(numbers))
                assert same(expected, got, signs=False), f"{got}, eager {expected}"


@pytest.mark.parametrize("backend", BACKENDS)
def test_check_grads_through_jit(backend):
    """Finite differences agree with derivatives of jitted functions."""
    for example in EXAMPLES[:5]:
        al.check_grads(al.jit(example.function, backend=backend), (list(example.point),), order=2)


def test_arrays_through_grad_and_jit():
    """Arrays in, arrays out, of the same shape."""
    a = np.arange(6.0).reshape(2, 3) / 3
    f = lambda m: al.sum(np.tanh(m) ** 2) + (m @ m.T).sum()
    for backend in BACKENDS:
        assert same(al.grad(f)(a), al.jit(al.grad(f), backend=backend)(a))
        assert same(al.grad(f)(a), al.grad(al.jit(f, backend=backend))(a))
        assert same(al.hessian(f)(a), al.jit(al.hessian(f), backend=backend)(a), signs=False)


def test_whole_number_exponents_as_arguments():
    """x**n at 0 with n an argument: derivative 0·x**-1 must not appear, in or outside jit."""
    f = lambda x, n: x**n
    for backend in BACKENDS:
        value, slope = al.jit(f, backend=backend), al.jit(al.grad(f), backend=backend)
        for x, n in itertools.product((0.0, 1.5, -2.0), (0, 1, 2, 3, -1)):
            assert same_bits(value(x, n), float(al.pow(x, n)))
            assert same(al.grad(f)(x, n), slope(x, n), signs=False), (x, n)


# --- Variables: arguments, closures, mutation, nesting ------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
def test_closed_over_variables_are_live(backend):
    """The captured Variable is an input: set it, differentiate by it, replace it."""
    w = al.Variable(3.0, name="w")
    f = al.jit(lambda x: w * x * x, backend=backend)
    y = f(2.0)
    assert isinstance(y, al.Variable) and y.value == 12.0
    assert al.gradients(y, w) == 4.0
    w.value = 5.0
    assert f(2.0).value == 20.0
    assert al.grad(f)(2.0).value == 20.0
    x = al.Variable(2.0)
    assert al.gradients(f(x), [x, w]) == [20.0, 4.0]
    inner = al.gradients(f(x), x, create_graph=True)
    assert al.gradients(inner, w) == 4.0
    f(x).backward()
    assert (x.grad, w.grad) == (20.0, 4.0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_mutation_changes_the_branch(backend):
    """A guard on a captured Variable is evaluated at every call."""
    w = al.Variable(3.0)
    f = al.jit(lambda x: x * w if w > 0 else x - w, backend=backend)
    assert f(2.0).value == 6.0
    w.value = -1.0
    assert f(2.0).value == 3.0
    w.value = 4.0
    assert f(2.0).value == 8.0


@pytest.mark.parametrize("backend", BACKENDS)
def test_perturbation_confusion(backend):
    """d/dx x·(d/dy (x + y)) = 1, and its relatives, with jit at every place."""
    jit = functools.partial(al.jit, backend=backend)
    assert al.grad(lambda x: x * al.grad(lambda y: x + y)(2.0))(1.0) == 1.0
    assert al.grad(lambda x: x * al.grad(jit(lambda y: x + y))(2.0))(1.0) == 1.0
    assert al.grad(lambda x: x * jit(al.grad(lambda y: x + y))(2.0))(1.0) == 1.0
    assert al.grad(jit(lambda x: x * al.grad(jit(lambda y: x + y))(2.0)))(1.0) == 1.0
    assert jit(al.grad(lambda x: x * jit(al.grad(lambda y: x * y * y))(x)))(3.0) == 54.0
    assert al.grad(al.grad(lambda x: jit(lambda y: x * y * y)(x)))(3.0) == 18.0
    assert jit(al.grad(lambda x: al.grad(lambda z: jit(lambda y: x * y * z)(x))(x) ** 2))(2.0) == 32.0


@pytest.mark.parametrize("backend", BACKENDS)
def test_outputs_that_are_inputs(backend):
    """An argument, a captured Variable or a constant may come out as it went in."""
    v = al.Variable(2.0)
    assert al.jit(lambda x: x, backend=backend)(3.0) == 3.0
    assert al.gradients(al.jit(lambda x: x, backend=backend)(v), v) == 1.0
    assert al.gradients(al.jit(lambda x: v, backend=backend)(1.0), v) == 1.0
    assert al.gradients(al.jit(lambda x: [x, x], backend=backend)(v)[1], v) == 1.0
    assert al.jit(al.grad(lambda x: 3.0), backend=backend)(1.0) == outcome(al.grad(lambda x: 3.0), (1.0,))


def test_stop_gradient_stays_stopped():
    """d/dx x·stop(x) = x, in every nesting."""
    f = lambda x: x * al.stop_gradient(x * x)
    for backend in BACKENDS:
        assert al.jit(al.grad(f), backend=backend)(3.0) == 9.0
        assert al.grad(al.jit(f, backend=backend))(3.0) == 9.0
        assert al.grad(al.grad(al.jit(f, backend=backend)))(3.0) == al.grad(al.grad(f))(3.0)


def test_backward_on_results_of_jit():
    """A training loop with .backward() and .value on leaves."""

    def train(f):
        w, b = al.Variable(0.1), al.Variable(0.0)
        for k in range(20):
            al.zero_grad([w, b])
            f(w, b, float(k % 5)).backward()
            w.value, b.value = w.value - 0.01 * w.grad, b.value - 0.01 * b.grad
        return w.value, b.value

    loss = lambda w, b, x: (al.tanh(w * x + b) - 0.5 * x) ** 2
    for backend in BACKENDS:
        assert train(al.jit(loss, backend=backend)) == train(loss)


# --- arguments of every kind --------------------------------------------------------------------------------


@al.register_dataclass
@dataclasses.dataclass
class Model:
    """A nest for arguments and results."""

    weight: object
    bias: object

    def __call__(self, x):
        return al.tanh(self.weight * x + self.bias)

    @al.jit
    def jitted(self, x):
        return self.weight * x - self.bias


class Scaled:
    """A callable that is no nest."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return self.factor * x

    def method(self, x, y=2.0):
        return self.factor * x + y


def test_callables_of_every_kind():
    """Functions, methods, partials, callable objects, Primitives, Tapes, jitted functions."""
    check(Scaled(3.0), 2.0)
    check(Scaled(3.0).method, 2.0, (2.0, 5.0))
    check(functools.partial(Scaled(3.0).method, y=7.0), 2.0)
    check(functools.partial(lambda a, b, c=1: a * b * c, 2.0, c=3.0), 1.0, -4.0)
    check(al.sin, 0.5)
    check(al.trace(lambda x: x * x + 1, 2.0), 0.5, -3.0)
    check(al.jit(lambda x: x * x + 1), 0.5, -3.0)
    check(lambda *a, **k: al.sum(list(a)) * k.get("q", 1.0), (1.0, 2.0, 3.0), 1.0, keywords={"q": 2.0})
    check(lambda x, y=3.0, *, z=2.0: x * y * z, 1.0, (1.0, 2.0))
    check(lambda x, y=3.0, *, z=2.0: x * y * z, 1.0, (1.0, 2.0), keywords={"z": 5.0})
    assert Model(2.0, 1.0).jitted(3.0) == 5.0
    assert Model(4.0, 1.0).jitted(3.0) == 11.0
    with pytest.raises(TypeError):
        al.jit(lambda x: x)(1.0, 2.0)
    with pytest.raises(TypeError):
        al.jit(lambda x: x)(z=1.0)


def test_keyword_and_positional_are_the_same_argument():
    """f(x, y) and f(y=…, x=…) agree."""
    for backend in BACKENDS:
        f = al.jit(lambda x, y: x - 2 * y, backend=backend)
        assert [f(1.0, 2.0), f(y=2.0, x=1.0), f(1.0, y=2.0), f(x=2.0, y=1.0)] == [-3.0, -3.0, -3.0, 0.0]


@pytest.mark.parametrize("backend", BACKENDS)
def test_functions_of_no_arguments(backend):
    """They return what they return."""
    w = al.Variable(2.0)
    for f in (lambda: al.sin(2.0), lambda: 2.0, lambda: None, lambda: [1, "a"]):
        jitted = al.jit(f, backend=backend)
        assert same(jitted(), f()) and same(jitted(), f())
    g = al.jit(lambda: w * w, backend=backend)
    assert g().value == 4.0
    w.value = 3.0
    assert g().value == 9.0
    assert al.gradients(g(), w) == 6.0


def test_static_arguments():
    """Strings, booleans and None choose the program; others too do not get mixed up."""
    f = lambda x, mode, flag=None: (x * 2 if mode == "double" else x) * (3 if flag else 1)
    check(f, (1.5, "double"), (1.5, "same"), (1.5, "double", True), (1.5, "same", False), (1.5, "same", None))
    check(lambda x, n: al.sum([x] * n), (1.5, 3), (1.5, 1), (2.0, 4))
    check(lambda x, n: [x * k for k in range(n)], (1.5, 3), (1.5, 0), (2.0, 4))


def test_one_and_true_are_different():
    """1, 1.0 and True hash alike and must not share a program that told them apart."""
    f = lambda x, flag: x * 2 if flag is True else x
    jitted = al.jit(f)
    assert [jitted(3.0, True), jitted(3.0, 1), jitted(3.0, 1.0), jitted(3.0, True)] == [6.0, 3.0, 3.0, 6.0]
    g = al.jit(lambda x, s: (x, s))
    assert [repr(g(1.0, s)) for s in (False, None, "", "0")] == [repr((1.0, s)) for s in (False, None, "", "0")]


@al.register_dataclass
@dataclasses.dataclass
class Known:
    """A number and a fact."""

    number: float
    fact: object = dataclasses.field(default=2, metadata={"static": True})


@pytest.mark.parametrize("runner", [al.jit, lambda f: al.jit(al.vmap(f))])
def test_facts_that_are_equal_but_different_have_tapes_of_their_own(runner):
    """1, True and 1.0, 0.0 and -0.0, alone and inside of tuples and lists."""
    facts = [1, True, 1.0, np.float64(1.0), 0.0, -0.0, 0, False, (0.0, 1), (-0.0, 1), (0.0, True), [1], [True], [1.0]]
    told = {repr(fact): float(number) for number, fact in enumerate(facts)}
    f = lambda known: known.number * told[repr(known.fact)]
    compiled = runner(f)
    number = 2.0 if runner is al.jit else np.array([2.0])
    for _ in range(2):
        assert [float(np.ravel(compiled(Known(number, fact)))[0]) for fact in facts] == [2.0 * v for v in told.values()]
    assert len(compiled.paths()) == len(facts)
    tape = al.trace(f, Known(2.0, 1))
    assert tape(Known(3.0, 1)) == 0.0
    with pytest.raises(errors.ArgumentError):
        tape(Known(3.0, True))


def test_number_types():
    """NumPy scalars, 0-d arrays and big whole numbers are converted exactly or refused, as eager does."""
    f = lambda x: al.sin(x) * 2.5
    for backend in BACKENDS:
        jitted = al.jit(f, backend=backend)
        for x in (
            np.float32(0.3),
            np.int64(3),
            np.float16(0.3),
            np.bool_(True),
            True,
            3,
            2**53,
            -(2**53),
            np.float64(0.1),
        ):
            assert same_bits(float(jitted(x)), al.sin(float(x)) * 2.5), x
        for x in (2**53 + 1, 10**400, np.int64(2**53 + 1), np.array([2**53 + 1]), np.array(2**53 + 1)):
            jitted(0.5)
            with pytest.raises(errors.ConversionError):
                jitted(x)
        for x in ("a", 1j, np.array([1j]), np.array(["a"]), object()):
            with pytest.raises(TypeError):
                jitted(x)
        assert jitted(0.5) == f(0.5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_arrays_of_every_kind(backend):
    """Types, byte orders, strides, orders, 0-d and empty."""
    f = al.jit(lambda a: a * 2.5 - 1, backend=backend)
    base = np.arange(24.0).reshape(2, 3, 4)
    for code in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", ">f8", ">i2", "<f4", "g"):
        a = np.arange(4).astype(code)
        assert same(f(a), a.astype(float) * 2.5 - 1), code
    frozen = base.copy()
    frozen.flags.writeable = False
    views = [
        base, np.asfortranarray(base), base.T, base.transpose(1, 2, 0), base[::-1, ::2, ::-3], base[:, 1, :], frozen,
        np.broadcast_to(np.float64(3.0), (4, 2)), np.broadcast_to(base[0, 0], (3, 4)), base[:, :0], np.zeros((0, 3)),
        np.zeros(0), np.array(2.0), base[1, 2, 3:4],
    ]  # fmt: skip
    for a in views:
        assert same(np.asarray(f(a)), np.asarray(a * 2.5 - 1)), (a.shape, a.strides)
    offset = np.frombuffer(b"\0" + np.arange(3.0).tobytes(), dtype=np.uint8)[1:].view(np.float64)
    assert same(f(offset), offset * 2.5 - 1)
    assert al.jit(lambda a: a.sum(), backend=backend)(np.zeros(0)) == 0.0


@pytest.mark.parametrize("backend", BACKENDS)
def test_results_are_fresh(backend):
    """A result is nobody's buffer: it is writable, and later calls change neither it nor the argument."""
    f = al.jit(lambda a: (a, a * 2, np.array([1.0, 2.0])), backend=backend)
    a = np.arange(3.0)
    first = f(a)
    kept = [r.copy() for r in first]
    first[0][:] = -1
    assert a.tolist() == [0.0, 1.0, 2.0]
    second_result = f(a + 1)
    assert all(np.array_equal(k, r) for k, r in zip(kept[1:], first[1:], strict=True))
    second_result[2][:] = 99
    assert f(a)[2].tolist() == [1.0, 2.0]
    nest = al.jit(lambda x: {"a": [x, "s"]}, backend=backend)
    nest(1.0)["a"].append(3)
    assert nest(2.0) == {"a": [2.0, "s"]}


@pytest.mark.parametrize("backend", BACKENDS)
def test_results_that_are_no_floats_belong_to_the_caller(backend):
    """Changing an array of integers or texts changes no later result."""
    for thing in (np.array([1, 2]), np.array(["a", "b"]), np.array([True, False])):
        f = al.jit(lambda x, thing=thing: (x, {"k": thing.copy()}), backend=backend)
        for _ in range(3):
            result = f(1.0)[1]["k"]
            assert np.array_equal(result, thing)
            result[:] = result[::-1].copy()


@pytest.mark.parametrize("backend", BACKENDS)
def test_paths_that_return_integers_and_floats(backend):
    """Each call's result has the type that the function gives."""
    f = lambda x: x if x > 1 else 0 if x > 0 else False if x > -1 else "small"
    compiled = al.jit(f, backend=backend)
    for x in (2.0, 0.5, -0.5, -2.0) * 2:
        assert compiled(x) == f(x)
        assert type(compiled(x)) is type(f(x))


def test_outputs_of_every_kind():
    """Nests; numbers, booleans, strings, None and whole numbers pass through with their type."""
    check(lambda x: [x, [x, [x * 2, {"a": (x, 1, "q", None, True)}]]], 1.0, 2.0)
    for constant in (3.0, 3, "a", None, True, (), [], {}, [[]]):
        check(lambda x, c=constant: c, 1.0)
    check(lambda a: len(a), np.arange(6.0).reshape(2, 3))
    check(lambda a: a.shape, np.arange(6.0).reshape(2, 3))
    check(lambda a: (a.ndim, a[0, 0], a.size), np.arange(6.0).reshape(2, 3))
    check(lambda x: np.arange(3), 1.0)
    check(lambda x: np.array([1.0, x, x * x]), 2.0)
    check(lambda a, b: a @ b, (np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(3, 2)))
    check(lambda m: Model(m.weight * 2, 3.5), Model(1.0, 2.0), lift=False)
    big = al.jit(lambda x: [x * k for k in range(3000)])(2.0)
    assert big == [2.0 * k for k in range(3000)]
    assert same(al.jit(lambda a: np.outer(a, a))(np.arange(60.0)), np.outer(np.arange(60.0), np.arange(60.0)))


def test_other_structures_are_traced_again():
    """The same function on floats, lists, arrays and dicts, back and forth."""
    f = lambda v: al.sum([x * x for x in (v.values() if isinstance(v, dict) else v)])
    calls = [[1.0, 2.0], (1.0, 2.0, 3.0), np.arange(4.0), {"a": 1.0, "b": 3.0}, {"b": 1.0, "c": 3.0}, [5.0]]
    for backend in BACKENDS:
        jitted = al.jit(f, backend=backend)
        for v in calls + calls[::-1]:
            assert float(jitted(v)) == float(f(v))


def test_user_primitives():
    """With an expression they compile, without it they are called back; both have eager's bits."""
    cube = al.Primitive(
        name="test_jit_cube", value=lambda x: x * x * x, partials=(lambda x, y: 3.0 * x * x,), expression=lambda x: x * x * x,
        replace=True,
    )  # fmt: skip
    odd = al.Primitive(
        name="test_jit_odd", value=lambda x, y: math.floor(x) + y * 0.5, partials=(0.0, 0.5), replace=True
    )
    check(lambda x: cube(x) + odd(x, x * x), 0.5, -1.25, 3.0)
    check(cube, 0.5, -3.0)
    check(odd, (0.5, 2.0))
    check(al.grad(lambda x: cube(x) * odd(x, x * x)), 0.5, -1.25, 3.0, lift=False)
    check(al.grad(al.grad(lambda x: cube(x) * odd(x, x * x))), 0.5, -1.25, 3.0, lift=False)
    x = np.linspace(-2, 2, 37)
    assert same(al.vmap(lambda t: cube(t) + odd(t, t))(x), np.array([cube(t) + odd(t, t) for t in x.tolist()]))


def test_user_primitive_that_raises():
    """What `value` raises reaches the caller, and the next call works."""

    def value(x):
        if x < 0:
            raise ArithmeticError("no negative numbers")
        return x * 2

    picky = al.Primitive(name="test_jit_picky", value=value, partials=(2.0,), replace=True)
    for backend in BACKENDS:
        f = al.jit(lambda x: picky(x) + 1, backend=backend)
        assert f(1.0) == 3.0
        with pytest.raises(ArithmeticError, match="no negative"):
            f(-1.0)
        assert f(2.0) == 5.0


# --- failures leave no state --------------------------------------------------------------------------------


def test_exceptions_while_tracing_leave_no_state():
    """The next call works, on the same function and on others; Variables are not left tracing."""
    switch = {"broken": True}

    def f(x):
        y = x * 2
        if switch["broken"]:
            raise RuntimeError("not yet")
        return y + 1

    for backend in BACKENDS:
        switch["broken"] = True
        jitted = al.jit(f, backend=backend)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="not yet"):
                jitted(1.0)
        x = al.Variable(2.0)
        assert (x > 1, int(x), bool(x)) == (True, 2, True)
        switch["broken"] = False
        assert jitted(1.0) == 3.0
        assert al.jit(al.grad(f), backend=backend)(1.0) == 2.0


def test_exceptions_in_a_later_path_leave_no_state():
    """A path that fails is not half registered."""
    f = al.jit(lambda x: x * 2 if x > 0 else 1 / (x * 0).undefined)
    assert f(1.0) == 2.0
    for _ in range(2):
        with pytest.raises(AttributeError):
            f(-1.0)
    assert f(3.0) == 6.0
    assert len(f.paths()) == 1


def test_indeterminate_functions_are_refused():
    """A random number or a counter: TraceError, not a frozen number."""
    count, rng = itertools.count(), random.Random(0)
    for f in (lambda x: x * next(count), lambda x: x + rng.random(), lambda x: [x] * next(count)):
        with pytest.raises(errors.TraceError):
            al.jit(f)(2.0)
    flip = itertools.cycle((True, False))
    with pytest.raises(errors.TraceError):
        al.jit(lambda x: al.sin(x) if next(flip) else al.cos(x))(2.0)
    with pytest.raises(errors.TraceError):
        al.jit(lambda x: [x] if next(flip) else x)(2.0)
    with pytest.raises(errors.TraceError):
        al.jit(lambda x: (x, next(count)))(2.0)


def test_raise_on_nonfinite_around_a_jitted_call():
    """The error is eager's, whether or not the path is compiled already; outside, nothing is raised."""
    f = lambda x: al.log(x) * 2
    for backend in BACKENDS:
        jitted = al.jit(f, backend=backend)
        for warm in (False, True):
            with al.raise_on_nonfinite():
                with pytest.raises(errors.NonFiniteError) as jit_error:
                    jitted(al.Variable(-1.0))
                with pytest.raises(errors.NonFiniteError):
                    al.jit(al.grad(f), backend=backend)(0.0)
                with pytest.raises(errors.NonFiniteError):
                    al.grad(jitted)(0.0)
                with pytest.raises(errors.NonFiniteError) as eager_error:
                    f(al.Variable(-1.0))
                assert str(jit_error.value).split("(")[0] == str(eager_error.value).split("(")[0], warm
            assert math.isnan(jitted(-1.0))
            assert jitted(1.0) == 0.0


def test_unknown_backend():
    """Names those that exist."""
    with pytest.raises((errors.ArgumentError, errors.CompilationError), match="llvm"):
        al.jit(lambda x: x, backend="fortran")(1.0)


def test_no_floating_point_warnings():
    """Overflow, log(0) and 0/0 give IEEE results in silence; NumPy's error state is neither obeyed nor changed."""
    f = lambda x: [al.exp(x), al.log(x), al.div(x, x), x * 1e308 * x, al.sqrt(-x)]
    for backend in BACKENDS:
        with np.errstate(all="raise"):
            before = np.geterr()
            jitted = al.jit(f, backend=backend)
            for x in (0.0, 1e6, -1.0, math.inf):
                assert same(jitted(x), f(x))
            al.jit(al.vmap(f), backend=backend)(np.array([0.0, 1e6, -1.0, math.inf, math.nan]))
            al.vmap(al.grad(lambda t: al.log(t) / t))(np.array([0.0, -1.0]))
            assert np.geterr() == before


# --- size ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turns", sizes(2_000, 10_000))
@pytest.mark.parametrize("backend", BACKENDS)
def test_deep_chains(backend, turns):
    """Thousands of operations in a row, value and gradient, without recursion."""
    f = lambda x: functools.reduce(lambda s, _: s * 0.9998 + x, range(turns), x)
    jitted, slope = al.jit(f, backend=backend), al.jit(al.grad(f), backend=backend)
    depth = sys.getrecursionlimit()
    for x in (1.0, 0.3):
        assert same_bits(jitted(x), f(x))
        assert same_bits(slope(x), al.grad(f)(x))
    assert sys.getrecursionlimit() == depth


@pytest.mark.parametrize("count", sizes(1000, 5000))
def test_many_arguments(count):
    """Thousands of numbers in a list, each used once."""
    numbers = [k / 7 for k in range(count)]
    f = lambda v: al.sum([x * x for x in v])
    assert al.jit(f)(numbers) == f(numbers)
    assert al.jit(al.grad(f))(numbers) == al.grad(f)(numbers)


# --- threads and processes ----------------------------------------------------------------------------------


def heavy(x):
    """Branches, libm and a loop."""
    y = al.sin(x) * x if x > 0 else al.exp(x) - x
    while abs(y) > 0.7:
        y = y / 2 + 0.01
    return y * al.tanh(x)


def batch():
    """A batch that is larger than one block."""
    return np.random.default_rng(3).normal(size=4099) * 3


def test_threads():
    """Eight threads that call the same and different new functions get the serial bits."""
    x = batch()
    shared = [al.jit(heavy, backend=b) for b in BACKENDS] + [al.jit(al.grad(heavy))]
    lanes = al.jit(al.vmap(al.value_and_grad(heavy)))
    total = al.jit(al.vmap(heavy, reduce="sum"))
    serial = [[f(v) for v in x[:60].tolist()] for f in (heavy, heavy, heavy, al.grad(heavy))]
    mapped, summed = al.vmap(al.value_and_grad(heavy)), al.jit(al.vmap(heavy, reduce="sum"))(x)
    expected = al.jit(mapped)(x)
    failures, barrier = [], threading.Barrier(8)

    def work(number):
        try:
            barrier.wait()
            for f, reference in zip(shared, serial, strict=True):
                assert [f(v) for v in x[:60].tolist()] == reference
            own = al.jit(lambda t: heavy(t) + number)
            assert [own(v) for v in x[:20].tolist()] == [heavy(v) + number for v in x[:20].tolist()]
            for _ in range(3):
                value, slope = lanes(x)
                assert np.array_equal(value, expected[0]) and np.array_equal(slope, expected[1])
                assert total(x) == summed
        except BaseException as error:  # noqa: BLE001 - raised in the main thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures, failures[:2]


def replay_in_child(x):
    """Value, gradient and lanes in another process."""
    f = al.jit(heavy)
    lanes = al.jit(al.vmap(heavy))
    return [f(v) for v in x[:20].tolist()], lanes(x).tobytes(), al.jit(al.vmap(heavy, reduce="sum"))(x)


COMPILED = {"f": al.jit(heavy), "lanes": al.jit(al.vmap(heavy)), "sum": al.jit(al.vmap(heavy, reduce="sum"))}


def replay_inherited(x):
    """The same with functions that were compiled, and threads that were started, before the fork."""
    return [COMPILED["f"](v) for v in x[:20].tolist()], COMPILED["lanes"](x).tobytes(), COMPILED["sum"](x)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=full)])
def test_processes(method):
    """A child that was forked after a replay, or spawned, gives the parent's bits."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip("this platform cannot fork")
    x = np.resize(batch(), 70_000)
    expected = replay_inherited(x)
    with multiprocessing.get_context(method).Pool(2) as pool:
        for work in (replay_inherited, replay_in_child):
            for result in pool.map_async(work, [x, x]).get(timeout=60):
                assert result == expected
    assert replay_inherited(x) == expected


def test_contraction_only_on_request():
    """a·b - c with a·b inexact: zero when rounded twice, the rounding error when fused."""
    pytest.importorskip("llvmlite")
    a = 1.0 + 2.0**-30
    f = lambda a, b, c: a * b - c
    assert al.jit(f)(a, a, a * a) == 0.0
    assert al.jit(f, contract=True)(a, a, a * a) == 2.0**-60
    lanes = np.full(9, a)
    assert not al.jit(al.vmap(f))(lanes, lanes, lanes * lanes).any()
    assert (al.jit(al.vmap(f), contract=True)(lanes, lanes, lanes * lanes) == 2.0**-60).all()


WITHOUT_LLVMLITE = """
import sys, warnings
sys.modules["llvmlite"] = sys.modules["llvmlite.binding"] = None
import numpy as np, autograd_lite as al
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    f = al.jit(lambda x: x * x if x > 1 else -x)
    assert (f(2.0), f(0.5)) == (4.0, -0.5)
    slope = al.jit(al.vmap(al.grad(lambda x: al.where(x < 1, x, al.sqrt(x)))))
    assert slope(np.array([0.0, 4.0])).tolist() == [1.0, 0.25]
    total = al.jit(al.grad(lambda a: al.scan(lambda c, x: (c * a + x, None), 1.0, np.arange(5.0))[0]))
    assert total(0.5) == 6.0625
assert len(caught) == 1 and "NumPy" in str(caught[0].message), caught
try:
    al.jit(abs, backend="llvm")
except al.CompilationError as error:
    assert "autograd-lite[jit]" in str(error)
"""


def test_without_llvmlite():
    """NumPy and Python do the work, which is said once."""
    subprocess.run([sys.executable, "-c", WITHOUT_LLVMLITE], check=True, timeout=60)


def test_short_way_follows_the_path_taken_last():
    """A function that settles on another branch is not run twice a call."""
    pytest.importorskip("llvmlite")
    f = al.jit(lambda x: x * x if x > 1 else -x)
    assert [f(x) for x in (2.0, 0.5, 0.25, 0.125)] == [4.0, -0.5, -0.25, -0.125]
    assert f._short[1].__globals__["path"].guards[0].outcome is False
    assert f(3.0) == 9.0
    assert f._short[1].__globals__["path"].guards[0].outcome is True
