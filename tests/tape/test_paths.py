"""Guards and branches: which path serves a call, how many are kept, and what a call costs beyond them."""

import dataclasses
import functools
import inspect
import itertools
import math
import subprocess
import sys
import warnings
import weakref
from pathlib import Path

import numpy as np
import pytest
from corpus import EPS
from executors import BACKENDS, check, outcome, same
from garbage import settle
from nests import Mode
from threads import at_once
from tiers import mostly_full, sizes

import autograd_lite as al
from autograd_lite.tape import call, paths
from autograd_lite.tape.backends import registry
from autograd_lite.tape.llvm import engine

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
    """Beyond max_paths calls run eagerly, right, after one warning that names the branch, and one that names `int`."""
    f = lambda x: x * int(x)  # BRANCH
    jitted = al.jit(f, max_paths=3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert [jitted(v + 0.5) for v in range(20)] == [(v + 0.5) * v for v in range(20)]
        assert [jitted(v + 0.25) for v in range(20)] == [(v + 0.25) * v for v in range(20)]
        assert [al.grad(jitted)(v + 0.25) for v in range(20)] == [float(v) for v in range(20)]
    assert [w.category for w in caught] == [al.PathWarning, RuntimeWarning], [str(w.message) for w in caught]
    line = inspect.getsourcelines(f)[1]
    text = str(caught[1].message)
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


def test_short_way_follows_the_path_taken_last():
    """A function that settles on another branch is not run twice a call."""
    pytest.importorskip("llvmlite")
    f = al.jit(lambda x: x * x if x > 1 else -x)
    assert [f(x) for x in (2.0, 0.5, 0.25, 0.125)] == [4.0, -0.5, -0.25, -0.125]
    assert f._short[1].__globals__["path"].guards[0].outcome is False
    assert f(3.0) == 9.0
    assert f._short[1].__globals__["path"].guards[0].outcome is True


# --- memory: compiled code is kept for what was used last ---------------------------------------------------------------


def by_length(x, text):
    """One program for each length of the text."""
    k = len(text)
    return al.sin(x * k) + k * x * x if x > 0 else -k * x


def with_code(fast):
    """The paths whose compiled code is alive."""
    return [path for path in fast.paths() if any(program is not None for program in path.programs.values())]


def test_code_of_dropped_paths_is_freed(monkeypatch):
    """800 static facts kept 631 MB: what `Path.programs` held was never let go."""
    monkeypatch.setattr(paths, "KEPT", 8)
    fast = al.jit(al.value_and_grad(by_length))
    expected = [al.value_and_grad(by_length)(0.3, "a" * k) for k in range(40)]
    for _ in range(3):
        assert [fast(0.3, "a" * k) for k in range(40)] == expected
    assert len(fast.paths()) == 40
    assert len(with_code(fast)) <= 8


@pytest.mark.skipif(not engine.AVAILABLE, reason="machine code is what is freed")
def test_machine_code_goes_when_nothing_holds_it(monkeypatch):
    """A module is freed with the last path, cached program and call that holds it."""
    monkeypatch.setattr(paths, "KEPT", 4)
    monkeypatch.setattr(registry, "_CACHED", 4)
    alive = weakref.WeakSet()
    made = engine.Module.__init__
    monkeypatch.setattr(engine.Module, "__init__", lambda self, *a, **k: (alive.add(self), made(self, *a, **k))[1])
    fast = al.jit(lambda x, text: al.cosh(x) * len(text) + x)
    plain = al.jit(lambda v: al.sum(al.cosh(v)))  # the short way holds code, too
    for k in range(1, 21):
        assert fast(0.5, "b" * k) == al.cosh(0.5) * k + 0.5
        for _ in range(3):
            assert plain(np.zeros(k)) == k
    settle()
    assert 0 < len(alive) <= 10


def test_what_is_used_again_and_again_is_compiled_again(monkeypatch):
    """Dropped code comes back for a path that is used often enough to be worth it; results are the same to the bit."""
    monkeypatch.setattr(paths, "KEPT", 2)
    fast = al.jit(by_length)
    for k in range(6):
        fast(0.3, "a" * k)
    first = next(path for path in fast.paths() if path not in with_code(fast))
    length = next(k for k in range(6) if fast._general((0.3, "a" * k), {}) is not None and first.lanes > 1)
    seen = {fast(0.3, "a" * length) for _ in range(paths.WORTH_COMPILING + 2)}
    assert seen == {by_length(0.3, "a" * length)}
    assert first in with_code(fast)


def test_what_is_used_all_the_time_keeps_its_code(monkeypatch):
    """New programs push out what is idle."""
    monkeypatch.setattr(paths, "KEPT", 4)
    hot, fast = al.jit(lambda x: al.sinh(x) * 3.0), al.jit(by_length)
    hot(1.0)
    code = dict(hot.paths()[0].programs)
    for k in range(20):
        hot(1.0)
        fast(0.3, "a" * k)
    assert hot.paths()[0].programs.items() >= code.items()


@pytest.mark.parametrize("many", [al.jit, lambda f: al.jit(al.vmap(f, (0, None)))], ids=["jit", "jit of vmap"])
@pytest.mark.parametrize("turns", sizes(8, 25))
def test_code_is_not_freed_under_a_thread_that_runs_it(many, turns, monkeypatch):
    """Each of eight threads makes the others' code go."""
    monkeypatch.setattr(paths, "KEPT", 1)
    monkeypatch.setattr(registry, "_CACHED", 1)
    monkeypatch.setattr(paths, "WORTH_COMPILING", 1)
    fast = many(lambda x, text: al.exp(x) * len(text) - x)
    rows = np.array([0.5, 1.5]) if many is not al.jit else 0.5
    expected = [np.exp(0.5) * k - 0.5 for k in range(4)]
    wrong = []

    def work(k):
        for turn in range(turns):
            found = np.ravel(fast(rows, "c" * ((k + turn) % 4)))[0]
            if abs(found - expected[(k + turn) % 4]) > 1e-14 * 10:  # a few ULP of numbers below 5
                wrong.append((k, turn, found))

    at_once(work)
    assert not wrong


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the memory of the process from /proc")
def test_memory_of_many_static_facts():
    """300 facts in 2,000 calls: 240 MB before, some 20 now."""
    text = """
import autograd_lite as al
def used():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20
f = lambda x, text: al.sin(x) * len(text) + x * x
fast = al.jit(f)
fast(1.0, "")
before = used()
for k in range(2000):
    assert fast(1.0, "a" * (k % 300)) == f(1.0, "a" * (k % 300))
print(used() - before)
"""
    grown = float(subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout)
    assert grown < 300 * 100 / 800


# --- more paths than are kept ------------------------------------------------------------------------------------------


def third(numbers):
    """More paths than anybody keeps."""
    return sorted(numbers)[2]


@al.register_dataclass
@dataclasses.dataclass
class Bag:
    """Numbers in a field."""

    numbers: list

    def __iter__(self):
        """As a list."""
        return iter(self.numbers)


CROWDS = {
    "list": lambda numbers: (numbers,),
    "dataclass": lambda numbers: (Bag(numbers),),
    "tuple": lambda numbers: (tuple(numbers),),
    "array": lambda numbers: (np.array(numbers),),
    "integers": lambda numbers: ([round(100 * x) for x in numbers],),
}


def attempts(monkeypatch):
    """Counts how often compiled paths are tried."""
    calls = []
    made = call.Family.__call__
    monkeypatch.setattr(call.Family, "__call__", lambda self, numbers: (calls.append(1), made(self, numbers))[1])
    return calls


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("form", CROWDS)
def test_beyond_max_paths_calls_go_to_the_function_at_once(form, backend, monkeypatch):
    """Each call compared the outcomes of all paths guard by guard: 2.6 ms for a function of 5 µs."""
    tried = attempts(monkeypatch)
    fast, rng = al.jit(third, backend=backend, max_paths=4), np.random.default_rng(0)
    rows = [CROWDS[form](rng.random(25).tolist()) for _ in range(1000)]
    with pytest.warns(RuntimeWarning, match="4 different paths") as warned:
        results = [fast(*given) for given in rows]
    assert len([w for w in warned if w.category is RuntimeWarning]) == 1  # and one of the orders that sorted makes
    assert results == [third(*given) for given in rows]
    assert {type(result) for result in results} <= {float, np.float64}
    assert len(tried) < 30


@pytest.mark.filterwarnings("ignore:chosen has taken")
def test_keywords_and_facts_beyond_max_paths(monkeypatch):
    """Other ways to pass the same numbers, all mixed, each with its own count."""

    def chosen(numbers, k=0, mode=None):
        return sorted(numbers)[int(k)] * (2.0 if mode is Mode.DOUBLE else 1.0)

    tried = attempts(monkeypatch)
    fast, rng = al.jit(chosen, max_paths=4), np.random.default_rng(0)
    for _ in range(300):
        row = rng.random(15).tolist()
        for words in ({}, {"k": 2}, {"mode": Mode.DOUBLE}, {"mode": Mode.TRIPLE, "k": 1.0}):
            assert fast(row, **words) == chosen(row, **words)
            assert fast(numbers=row, **words) == chosen(row, **words)
        assert fast(Bag(row)) == chosen(row)
    assert len(tried) < 9 * 20  # nine kinds of calls


def test_one_warning_for_arguments_of_all_lengths():
    """`sorted` of 20 to 30 numbers is one branch in one line."""
    fast, rng = al.jit(third, max_paths=2), np.random.default_rng(0)
    rows = [rng.random(20 + turn % 6).tolist() for turn in range(60)]
    with pytest.warns(RuntimeWarning, match="2 different paths") as warned:
        results = [fast(numbers) for numbers in rows]
    assert results == [third(numbers) for numbers in rows]
    assert len([w for w in warned if w.category is RuntimeWarning]) == 1  # and one of the orders that sorted makes
    assert warned[0].filename == __file__


@pytest.mark.filterwarnings("ignore:third has taken")
def test_paths_are_tried_again_after_a_crowd(monkeypatch):
    """What one path serves for a while is compiled code again; other structures never noticed."""
    fast, rng = al.jit(third, max_paths=3), np.random.default_rng(0)
    for _ in range(40):
        fast(rng.random(12).tolist())
    served = fast.paths()[0]
    tried = attempts(monkeypatch)
    steady = [float(k) for k in served.tape.example]
    before = served.lanes
    assert {fast(steady) for _ in range(1200)} == {third(steady)}
    assert served.lanes > before + 100
    assert fast([3.0, 1.0, 2.0]) == 3.0
    assert tried


@pytest.mark.filterwarnings("ignore:spoiling has taken")
def test_the_caller_keeps_arguments_beyond_max_paths():
    """A function that sorts in place sorts a copy, compiled or not."""

    def spoiling(numbers, table):
        numbers.sort()
        table["a"][:] = 0.0
        return numbers[1]

    fast, rng = al.jit(spoiling, max_paths=2), np.random.default_rng(0)
    for _ in range(50):
        numbers, table = rng.random(9).tolist(), {"a": np.ones(2)}
        given = list(numbers)
        assert fast(numbers, table) == sorted(given)[1]
        assert numbers == given
        assert table["a"].tolist() == [1.0, 1.0]


def events(f, *arguments):
    """How many calls of Python and C functions a call makes, this one included."""
    count = 0

    def note(_frame, event, _argument):
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        f(*arguments)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.filterwarnings("ignore:third has taken")
def test_a_call_beyond_max_paths_does_little_beside_the_function():
    """Whatever the length of the argument: it is not traced, not compared with paths, and not gone through in Python."""
    fast, rng = al.jit(third, max_paths=8), np.random.default_rng(0)
    more = []
    for length in (10, 60):
        for _ in range(100):
            fast(rng.random(length).tolist())
        row = rng.random(length).tolist()
        more.append(events(fast, row) - events(third, row))
    assert more[0] == more[1] <= 25


@pytest.mark.filterwarnings("ignore:third has taken")
def test_forks_of_paths():
    """Of two paths the first guard that came out otherwise is known, and nothing is compared in a call."""
    fast, rng = al.jit(third, max_paths=12), np.random.default_rng(0)
    for _ in range(40):
        fast(rng.random(5).tolist())
    known = next(iter(fast._families.values())).paths
    assert len(known.known) == 12
    for one, other in itertools.permutations(known.known, 2):
        fork = one.fork(other)
        assert one.outcomes[:fork] == other.outcomes[:fork]
        assert one.outcomes[fork] != other.outcomes[fork]
        assert other in known.others(one, fork, [])
        assert other not in known.others(one, fork, [other])


def test_a_path_is_traced_without_conditions():
    """They are written out in the careful program alone, which is twice as long."""
    f = al.jit(al.grad(lambda x: al.where(x > 0.0, al.log(al.abs(x)), x * x)))
    f(2.0)
    (path,) = f.paths()
    assert path.tape.doubtful
    assert len(path.tape) < len(path.careful.tape)
