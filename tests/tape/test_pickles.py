"""What a call of a compiled function is made for: structure, facts, captured numbers, and what it may cost."""

import collections
import copy
import dataclasses
import datetime as dt
import enum
import functools
import itertools
import math
import multiprocessing
import pickle
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
from garbage import settle
from tiers import mostly_full, sizes

import autograd_lite as al
from autograd_lite import errors
from autograd_lite.tape import call, paths
from autograd_lite.tape.backends import registry
from autograd_lite.tape.llvm import engine

BACKENDS = ("llvm", "numpy", "python")


def weighted(d):
    """Depends on the order of keys: the first counts ten times as much as the second, and so on."""
    total = 0.0
    for k, value in enumerate(d.values()):
        total = total + 10.0**-k * (weighted(value) if isinstance(value, dict) else value)
    return total


def orders(d):
    """The dictionary with its keys in every order."""
    return [dict(items) for items in itertools.permutations(d.items())]


# --- dictionaries: the function sees the caller's order ------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "runner",
    [
        lambda f, backend: al.jit(f, backend=backend),
        lambda f, backend: al.jit(lambda d: al.jit(f, backend=backend)(d), backend=backend),
        lambda f, backend: lambda d: al.trace(f, d)(d),
        lambda f, backend: lambda d: al.jit(al.trace(f, d), backend=backend)(d),
    ],
    ids=["jit", "jit of jit", "trace", "jit of trace"],
)
def test_dictionaries_in_another_order_do_not_share_a_tape(runner, backend):
    """`fast({"b": 1, "a": 2})`, then `fast({"a": 2, "b": 1})`: each has the result of its own order."""
    fast = runner(weighted, backend)
    for d in orders({"b": 1.0, "a": 2.0, "c": 4.0}):
        assert fast(d) == weighted(d)
        nested = {"z": d, "y": 3.0}
        assert fast(nested) == weighted(nested)


@pytest.mark.parametrize("lanes", [al.vmap, lambda f: al.jit(al.vmap(f))], ids=["vmap", "jit of vmap"])
def test_lanes_see_the_order_of_keys(lanes):
    """Over lanes too."""
    fast = lanes(weighted)
    for d in orders({"b": np.array([1.0, 5.0]), "a": np.array([2.0, 7.0])}):
        rows = [weighted({key: value[k] for key, value in d.items()}) for k in range(2)]
        assert fast(d).tolist() == rows


@pytest.mark.parametrize("d", orders({"b": 1.0, "a": 2.0}))
def test_derivatives_see_the_order_of_keys(d):
    """Gradient and Hessian of each order, in the structure that was passed."""
    f = lambda d: weighted({k: v * v for k, v in d.items()})
    fast = al.jit(al.grad(f))
    for each in (d, dict(reversed(d.items())), d):
        assert fast(each) == al.grad(f)(each)
        assert list(fast(each)) == list(each)
        assert al.jit(al.hessian(f))(each) == al.hessian(f)(each)


def test_scan_sees_the_order_of_keys_of_its_carry_and_rows():
    """A compiled step and one that Python runs see the same order: that of the first carry, that of xs."""

    def f(x, row):
        def step(carry, d):
            after = weighted(carry) * x + weighted(d)
            return {"a": after, "b": carry["b"] * 0.5}, after  # the other order

        carry, ys = al.scan(step, {"b": x, "a": 2.0}, row)
        return weighted(carry) + ys.sum()

    for row in orders({"v": np.array([1.0, 2.0, 3.0]), "u": np.array([0.5, 0.25, 0.125])}):
        assert al.jit(f)(0.5, row) == f(0.5, row)
        assert al.jit(al.grad(f))(0.5, row) == pytest.approx(al.grad(f)(0.5, row), rel=1e-14)


def test_a_tape_refuses_keys_in_another_order():
    """The function would give something else."""
    tape = al.trace(weighted, {"b": 1.0, "a": 2.0})
    with pytest.raises(errors.ArgumentError, match=r"takes arguments \(\({b: \*, a: \*},\), {}\) and got"):
        tape({"a": 2.0, "b": 1.0})
    assert tape({"b": 3.0, "a": 4.0}) == weighted({"b": 3.0, "a": 4.0})


def test_a_saved_tape_keeps_the_order_of_keys(tmp_path):
    """For dictionaries among the arguments and for `**keywords`."""
    al.trace(weighted, {"b": 1.0, "a": 2.0}).save(tmp_path / "d.tape")
    tape = al.Tape.load(tmp_path / "d.tape")
    assert tape({"b": 3.0, "a": 4.0}) == weighted({"b": 3.0, "a": 4.0})
    with pytest.raises(errors.ArgumentError):
        tape({"a": 4.0, "b": 3.0})
    for traced in (al.trace(lambda **d: weighted(d), b=1.0, a=2.0), al.trace(lambda b, a: b - a, b=1.0, a=2.0)):
        traced.save(tmp_path / "k.tape")
        again = al.Tape.load(tmp_path / "k.tape")
        assert again.ordered is traced.ordered


@pytest.mark.parametrize("kind", [dict, collections.OrderedDict, lambda d: collections.defaultdict(float, d)])
def test_all_kinds_of_dictionaries(kind):
    """OrderedDict and defaultdict as dict."""
    fast = al.jit(weighted)
    for d in orders({"b": 1.0, "a": 2.0}):
        assert fast(kind(d)) == weighted(d)


def test_keys_of_different_types_are_different():
    """{1: x}, {True: x} and {1.0: x}; 0.0 and -0.0."""
    fast = al.jit(lambda d: len(str(next(iter(d)))) * d[1])
    assert [fast({key: 2.0}) for key in (1, True, 1.0, 1)] == [2.0, 8.0, 6.0, 2.0]
    sign = al.jit(lambda d: np.copysign(1.0, next(iter(d))) * d[0])
    assert [sign({key: 2.0}) for key in (0.0, -0.0, 0.0)] == [2.0, -2.0, 2.0]


def test_keyword_arguments_in_any_order():
    """A function that cannot see the order has one tape; one that can has one for each."""
    fast = al.jit(lambda b, *, a: b - a)
    assert fast(b=3.0, a=1.0) == fast(a=1.0, b=3.0) == 2.0
    assert len(fast.paths()) == 1
    tape = al.trace(lambda b, *, a: b - a, b=3.0, a=1.0)
    assert tape(a=1.0, b=5.0) == 4.0
    free = al.jit(lambda **d: weighted(d))
    assert free(b=3.0, a=1.0) == 3.1
    assert free(a=1.0, b=3.0) == 1.3
    with pytest.raises(errors.ArgumentError):
        al.trace(lambda **d: weighted(d), b=3.0, a=1.0)(a=1.0, b=3.0)


def test_derivatives_are_matched_by_key_not_by_order():
    """A tangent or cotangent says by its keys where it belongs."""
    assert al.jvp(weighted, ({"b": 1.0, "a": 2.0},), ({"a": 1.0, "b": 0.0},)) == (1.2, 0.1)


# --- facts ------------------------------------------------------------------------------------------------------------


class Mode(enum.Enum):
    """A fact."""

    DOUBLE = 1
    TRIPLE = 2


class Whole(enum.IntEnum):
    """One that is a number, too."""

    ONE = 1
    TWO = 2


class Other(enum.IntEnum):
    """Another, whose members are equal to those."""

    ONE = 1


FACTS = [
    *Mode,
    *Whole,
    *Other,
    enum.Flag("Bits", "A B").A,
    True,
    np.True_,
    np.False_,
    "text",
    dt.date(2024, 2, 29),
    dt.datetime(2024, 2, 29),  # noqa: DTZ001
    dt.timedelta(days=3),
    range(3),
    slice(0, 2),
    ...,
]


def by_fact(x, fact):
    """Another number for each fact."""
    return x * (1 + [type(f) is type(fact) and f == fact for f in FACTS].index(True)) if fact is not None else -x


@pytest.mark.parametrize(
    "runner",
    [
        al.jit,
        lambda f: al.jit(al.grad(lambda x, fact: f(x, fact) * x)),
        lambda f: lambda x, fact: al.trace(f, x, fact)(x, fact),
        lambda f: lambda x, fact: al.vmap(f, (0, None))(np.array([x]), fact)[0],
        lambda f: lambda x, fact: al.jit(al.vmap(f, (0, None)))(np.array([x]), fact)[0],
        lambda f: lambda x, fact: al.jit(lambda x, facts: f(x, facts["fact"]))(x, {"fact": fact}),
    ],
    ids=["jit", "jit of grad", "trace", "vmap", "jit of vmap", "in a nest"],
)
def test_enum_members_and_other_facts_are_static(runner, request):
    """`jit(f)(2.0, Mode.A)` was refused; members of two IntEnums that are equal are two facts."""
    fast = runner(by_fact)
    twice = 2.0 if "grad" in request.node.callspec.id else 1.0
    for fact in [*FACTS, None, *FACTS]:
        assert fast(1.0, fact) == twice * by_fact(1.0, fact), fact


def test_numpy_flags_are_flags():
    """`~flag` of np.True_: "bad operand type for unary ~"."""
    f = lambda x, flag: x if ~flag else -x
    fast = al.jit(f)
    assert [fast(2.0, flag) for flag in (np.True_, np.False_)] == [f(2.0, np.True_), f(2.0, np.False_)] == [-2.0, 2.0]


@pytest.mark.parametrize(
    "f",
    [
        lambda a, i: a[i],
        lambda a, i: a[list(i)],
        lambda a, i: np.take(a, i),
        lambda a, i: np.repeat(a, i),
        lambda a, i: np.ones(9)[i] * a[0],
        lambda a, i: al.vmap(lambda row: row[i])(np.ones((2, 3))) * a[0],
    ],
)
@pytest.mark.parametrize(
    "runner", [al.jit, lambda f: lambda *xs: al.trace(f, *xs), lambda f: al.vmap(f, (None, None, 0))]
)
def test_arrays_of_integers_and_flags_are_floats_and_no_indices(f, runner):
    """NumPy's bare "arrays used as indices must be of integer (or boolean) type"."""
    lanes = lambda a, i, x: f(a, i) * x
    with pytest.raises(
        errors.OperandError, match=r"are floats there, those of integers .*\. Write index.astype\(int\)"
    ):
        runner(lanes)(np.arange(4.0), np.array([0, 2, 1, 1]), np.ones(2))


def test_indices_as_the_message_says():
    """Each remedy works."""

    @al.register_dataclass
    @dataclasses.dataclass
    class Picked:
        at: tuple = dataclasses.field(metadata={"static": True})

    a, picked = np.arange(4.0), al.jit(lambda a, i: a[i.astype(int)])
    for i in ([0, 2], [3, 3], [0, 2]):
        assert picked(a, np.array(i)).tolist() == a[i].tolist()
    assert len(picked.paths()) == 2
    assert al.jit(lambda a, mask: a[mask.astype(bool)])(a, a > 1).tolist() == [2.0, 3.0]
    assert al.jit(lambda a: a[np.array([0, 2])])(a).tolist() == [0.0, 2.0]
    assert al.jit(lambda a, p: a[list(p.at)])(a, Picked((0, 2))).tolist() == [0.0, 2.0]


def test_facts_are_copied_with_their_shapes():
    """Shapes that hold what cannot be hashed are equal all the same."""
    fast = al.jit(lambda a, part: a[part].sum())
    assert fast(np.arange(4.0), slice(1, 3)) == fast(np.arange(4.0), copy.copy(slice(1, 3))) == 3.0
    assert len(fast.paths()) == 1


# --- captured Variables: derivatives of every order -----------------------------------------------------------------


def cubic(p, q, x):
    """Of order three in each, with mixed terms and a branch."""
    return p * p * q * x + al.sin(p * q) * x * x if x > 0.5 else p * q


def over(r, p, q, run):
    """One of the captured numbers, r, is made from others."""
    return run(lambda x: r * p * x + r * r * q)(2.0)


CAPTURING = {
    "one": lambda run: lambda p, q: run(lambda x: cubic(p, q, x))(2.0),
    "two calls": lambda run: lambda p, q: run(lambda x: p * x * x)(2.0) * run(lambda x: cubic(q, p, x))(3.0),
    "array": lambda run: lambda p, q: run(lambda x: np.array([cubic(p, q, t) for t in x]))(np.array([1.0, 0.2])).sum(),
    "one from another": lambda run: lambda p, q: over(p * q, p, q, run),
    "within": lambda run: lambda p, q: run(lambda x: run(lambda y: cubic(p, q, y) * p)(3.0) * x)(2.0),
    "nest": lambda run: lambda p, q: run(lambda x: {"a": cubic(p, q, x), "b": [p, x, q * q]})(2.0)["a"] * q,
    "gradient": lambda run: lambda p, q: run(al.grad(lambda x: cubic(p, q, x) * x * x))(2.0),
    "scan": lambda run: (
        lambda p, q: run(lambda x: al.scan(lambda c, _: (c * p + q * c * c, None), x, length=3)[0])(0.7)
    ),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", mostly_full(CAPTURING, slice(0, None, 2)))
def test_derivatives_through_a_jitted_function_that_captured_the_numbers(name, backend):
    """Second ones raised HandMadeNodeError: "was made by hand … Define … a Primitive"."""
    fast, plain = (CAPTURING[name](run) for run in (lambda f: al.jit(f, backend=backend), lambda f: f))
    at, direction = (1.3, 0.4), (1.0, -2.0)
    near = lambda number: pytest.approx(number, rel=1e-12, abs=1e-12)
    for argnum in (0, 1):
        derivative, expected = fast, plain
        for _ in range(3):
            derivative, expected = al.grad(derivative, argnum), al.grad(expected, argnum)
            assert derivative(*at) == near(expected(*at))
    assert al.grad(al.grad(fast, 0), 1)(*at) == near(al.grad(al.grad(plain, 0), 1)(*at))
    for transform in (al.jacobian, al.hessian):
        found, right = (transform(lambda v, f=f: f(v[0], v[1]))(np.array(at)) for f in (fast, plain))
        assert found.ravel().tolist() == near(right.ravel().tolist())
    assert al.jvp(fast, at, direction) == near(al.jvp(plain, at, direction))
    assert al.hvp(fast, at, direction) == near(al.hvp(plain, at, direction))
    assert al.jit(al.grad(al.grad(fast)))(*at) == near(al.grad(al.grad(plain))(*at))


UNSENT = {
    "not selected": lambda s, x: al.where(x > 0, x, s),
    "not selected by a traced number": lambda s, x: al.where(al.less(0.0, x), x, s),
    "another branch": lambda s, x: x * x if x > 0 else s,
    "not used": lambda s, x: (x, s)[0],
    "zero": lambda s, x: (x - x) * s,
    "the larger": lambda s, x: al.maximum(x, s),
    "both": lambda s, x: al.where(al.less(0.0, x), x, s) + s * 2.0,
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", UNSENT)
def test_what_is_not_sent_crosses_a_jitted_function(name, backend):
    """An adjoint that is not sent is no 0: times the infinite slope of a root at 0, that is NaN."""
    f = UNSENT[name]

    def inside(w, run):
        return run(lambda x: f(al.sqrt(w), x))(1.0)

    def outside(w, run):
        s = al.sqrt(w)
        return run(lambda x: f(s, x))(1.0)

    def above(w, run):  # an infinite adjoint comes in
        return al.sqrt(run(lambda x: f(w, x) - f(0.0, 1.0))(1.0))

    for case in (inside, outside, above):
        found = al.grad(lambda w, case=case: case(w, lambda g: al.jit(g, backend=backend)))(0.0)
        expected = al.grad(lambda w, case=case: case(w, lambda g: g))(0.0)
        assert found == expected or (math.isnan(found) and math.isnan(expected)), case


@pytest.mark.parametrize("backend", BACKENDS)
def test_results_over_captured_leaves_are_differentiated_to_any_order(backend):
    """Outside of every transform, with `create_graph`."""
    w = al.Variable(2.0)
    y = al.jit(lambda x: w * w * w * x, backend=backend)(3.0)
    for expected in (36.0, 36.0, 18.0):
        y = al.gradients(y, w, create_graph=True)
        assert y.value == expected


def test_nested_gradients_over_captured_numbers():
    """grad of grad of a jitted function."""
    assert al.grad(lambda x: al.grad(lambda y: al.jit(lambda z: x * x * z * z * y)(3.0))(1.0))(2.0) == 36.0


def test_results_over_captured_numbers_are_copied_and_pickled():
    """A copy can be differentiated as often; a pickle keeps its numbers."""
    w = al.Variable(2.0)
    y = al.jit(lambda x: w * w * w * x)(3.0)
    again = copy.deepcopy(y)
    assert again.parents[0] is not w
    slope = al.gradients(again, again.parents[0], create_graph=True)
    assert (slope.value, al.gradients(slope, again.parents[0])) == (36.0, 36.0)
    stored = pickle.loads(pickle.dumps(y))
    assert stored.value == 24.0
    assert al.gradients(stored, stored.parents[0]) == 36.0


def test_a_captured_number_that_changed_is_stale():
    """As for any other graph."""
    w = al.Variable(2.0)
    y = al.jit(lambda x: w * w * x)(3.0)
    w.value = 5.0
    with pytest.raises(errors.StaleGraphError):
        al.gradients(y, w, create_graph=True)
    assert al.gradients(y, w) == 12.0


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
    monkeypatch.setattr(engine.Module, "__init__", lambda self, *rest: (alive.add(self), made(self, *rest))[1])
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

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
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


@pytest.mark.filterwarnings("ignore:third has taken")
def test_time_beyond_max_paths():
    """At most half as much again as the function itself, and 5 µs; smallest times of alternating runs."""
    fast, rng = al.jit(third, max_paths=8), np.random.default_rng(0)
    rows = [rng.random(30).tolist() for _ in range(100)]
    for row in rows:
        fast(row)
    times = {fast: [], third: []}
    for _ in range(30):
        for f, seen in times.items():
            start = time.perf_counter()
            for row in rows[:30]:
                f(row)
            seen.append((time.perf_counter() - start) / 30)
    assert min(times[fast]) <= 1.5 * min(times[third]) + 5e-6


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


# --- copies and pickles -------------------------------------------------------------------------------------------------


def bent(x):
    """Found by its name."""
    return x * x * x if x > 0 else -x


def waved(x):
    """One path."""
    return x * al.sin(x)


@al.jit
def decorated(x):
    """The name stands for the compiled function."""
    return x * x


@al.jit
@al.grad
def twice_decorated(x):
    """A transform between."""
    return x**3


@al.vmap
def mapped(x):
    """Over lanes."""
    return al.sin(x)


class Holder:
    """Has jitted functions in every place."""

    def __init__(self, factor):
        self.factor = factor
        self.fast = al.jit(self.loss)
        self.slope = al.jit(al.grad(self.loss))
        self.several = {"rows": [al.jit(al.vmap(self.loss))]}

    def loss(self, x):
        """Depends on the object."""
        return self.factor * x * x

    @al.jit
    def method(self, x):
        """Bound by name."""
        return 3.0 * x

    def __call__(self, x):
        """The object itself is the function."""
        return self.factor * x


ROWS = np.array([1.0, -2.0, 3.0])
PICKLED = {
    "function": (lambda: al.jit(bent), 2.0),
    "options": (lambda: al.jit(bent, backend="numpy", max_paths=7), 2.0),
    "contracted": (lambda: al.jit(bent, contract=True), 2.0),
    "grad": (lambda: al.jit(al.grad(bent)), 2.0),
    "grad of grad": (lambda: al.jit(al.grad(al.grad(bent))), 2.0),
    "value_and_grad": (lambda: al.jit(al.value_and_grad(bent, 0)), 2.0),
    "has_aux": (lambda: al.jit(al.grad(with_aux, 0, True)), 2.0),
    "jacobian": (lambda: al.jit(al.jacobian(bent)), 2.0),
    "hessian": (lambda: al.jit(al.hessian(bent)), 2.0),
    "vmap": (lambda: al.jit(al.vmap(al.grad(bent), reduce="sum")), ROWS),
    "vmap alone": (lambda: al.vmap(al.grad(bent), in_axes=0), ROWS),
    "tape": (lambda: al.jit(al.trace(waved, 2.0)), 3.0),
    "gradient of a tape": (lambda: al.jit(al.grad(al.trace(waved, 2.0))), 3.0),
    "jit of jit": (lambda: al.jit(al.jit(bent)), 2.0),
    "decorated": (lambda: decorated, 2.0),
    "twice decorated": (lambda: twice_decorated, 2.0),
    "mapped": (lambda: mapped, ROWS),
    "jit of decorated": (lambda: al.jit(al.vmap(decorated)), ROWS),
    "object": (lambda: al.jit(Holder(4.0)), 2.0),
    "method": (lambda: Holder(4.0).method, 2.0),
    "method of an object": (lambda: al.jit(Holder(4.0).loss), 2.0),
    "primitive": (lambda: al.jit(al.sin), 2.0),
    "NumPy's function": (lambda: al.jit(np.tanh), 2.0),
}


def with_aux(x):
    """A pair."""
    return x * x, 2.0 * x


@pytest.mark.parametrize("how", [lambda f: pickle.loads(pickle.dumps(f)), copy.copy, copy.deepcopy])
@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("name", PICKLED)
def test_jitted_functions_are_copied_and_pickled(name, used, how):
    """After its first call: "the tape of f is not pickled"."""
    make, x = PICKLED[name]
    f = make()
    if used:
        f(x)
        f(-x)
    again = how(f)
    for at in (x, -x):
        assert np.array_equal(again(at), f(at))
    for option in ("__name__", "backend", "max_paths", "contract", "in_axes", "reduce", "asked"):
        assert getattr(again, option, None) == getattr(f, option, None)


def test_objects_that_hold_jitted_functions_are_copied_and_pickled():
    """The copy's functions are those of the copy."""
    holder = Holder(2.0)
    assert (holder.fast(1.0), holder.slope(1.0)) == (2.0, 4.0)
    for how in (copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))):
        again = how(holder)
        again.factor = 5.0
        assert (again.fast(1.0), again.slope(1.0)) == (5.0, 10.0)
        assert again.several["rows"][0](ROWS).tolist() == [5.0, 20.0, 45.0]
    assert (holder.fast(1.0), holder.slope(1.0)) == (2.0, 4.0)


def test_copies_compile_for_themselves():
    """Shared caches would count the calls of both."""
    fast = al.jit(bent)
    fast(2.0)
    again = copy.copy(fast)
    again(2.0)
    again(-2.0)
    assert (len(fast.paths()), len(again.paths())) == (1, 2)


def test_a_wrapper_of_the_users_is_no_transform():
    """`functools.wraps` copies attributes; the pickle must not lose the wrapper."""

    @functools.wraps(al.grad(bent))
    def doubled(x):
        return 2.0 * bent(x)

    again = copy.deepcopy(al.jit(doubled))
    assert again(2.0) == 16.0
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(al.jit(doubled))


def test_pickles_in_another_process():
    """With `spawn`, which imports the module anew."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(al.jit(al.grad(bent)), [2.0, -1.0]) == [12.0, -1.0]


def test_tapes_are_copied():
    """A tape does not change: a copy is the tape itself."""
    tape = al.trace(bent, 2.0)
    assert copy.copy(tape) is copy.deepcopy(tape) is tape


# --- functions that make their own primitives ----------------------------------------------------------------------------


def cubed_here(x):
    """Makes one in each call."""
    cube = al.Primitive(name="cubed_here", value=lambda t: t**3, partials=(lambda t, y: 3.0 * t * t,))
    return cube(x) * x


def powered_here(x, text):
    """Another one for each text."""
    n = len(text)
    power = al.Primitive(name="powered_here", value=lambda t: t**n, partials=(lambda t, y: n * t ** (n - 1),))
    return power(x) * x


def twice_here(x):
    """Two that know each other, made in a helper that is called several times; another branch has others."""

    def both(u):
        outer = al.Primitive(name="outer_here", value=lambda t: t**3, partials=(lambda t, y: inner(t),))
        inner = al.Primitive(name="inner_here", value=lambda t: 3.0 * t * t, partials=(lambda t, y: 6.0 * t,))
        return outer(u)

    if x > 0:
        return both(x) + both(2.0 * x)
    return al.Primitive(name="other_here", value=lambda t: -t, partials=(-1.0,), expression=lambda t: -t)(x)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("f", [cubed_here, twice_here])
def test_a_function_that_makes_its_own_primitive_can_be_jitted(f, backend):
    """Traced twice, the name of the second was taken; and the two were taken for different programs."""
    for transform in (lambda f: f, al.grad, al.value_and_grad, al.hessian):
        fast = al.jit(transform(f), backend=backend)
        for x in (2.0, -1.0, 0.5):
            assert fast(x) == transform(f)(x)
    rows = np.array([1.0, -2.0, 3.0])
    for lanes in (al.vmap(f), al.jit(al.vmap(f), backend=backend)):
        assert lanes(rows) == pytest.approx([f(x) for x in rows], rel=1e-15)
    assert al.trace(f, 1.0).gradient()(2.0) == al.grad(f)(2.0)
    loop = lambda x: al.scan(lambda c, _: (f(c) * 0.1, None), x, length=3)[0]
    assert al.jit(al.grad(loop), backend=backend)(1.1) == pytest.approx(al.grad(loop)(1.1), rel=1e-14)


def test_another_primitive_of_that_name_for_another_fact():
    """As eagerly, where the first is gone by then."""
    fast = al.jit(al.grad(powered_here))
    for text in ("aa", "aaa", "aa", "a"):
        assert fast(2.0, text) == al.grad(powered_here)(2.0, text)


def test_the_same_definition_again_while_the_first_is_in_use():
    """A graph, or a tape, holds the first; names still tell different definitions apart."""
    graphs = [cubed_here(al.Variable(2.0)) for _ in range(3)]
    assert {y.value for y in graphs} == {16.0}
    assert pickle.loads(pickle.dumps(graphs[2])).value == 16.0
    kept = powered_here(al.Variable(2.0), "aa")
    with pytest.raises(errors.PrimitiveError, match="'powered_here' exists already"):
        powered_here(al.Variable(2.0), "aaa")
    assert kept.value == 8.0


def test_a_pickle_never_finds_another_primitive_by_the_name():
    """What a later one replaced is refused."""
    old = al.Primitive(name="replaced_here", value=lambda t: t * 2.0, partials=(2.0,), replace=True)
    y = old(al.Variable(1.0))
    new = al.Primitive(name="replaced_here", value=lambda t: t * 3.0, partials=(3.0,), replace=True)
    with pytest.raises(errors.PrimitiveError, match="another one has its name"):
        pickle.dumps(y)
    assert pickle.loads(pickle.dumps(new)) is new


def test_primitives_that_differ_from_trace_to_trace_are_different_programs():
    """A random number in it is one."""
    rng = np.random.default_rng(0)

    def f(x):
        k = rng.random()
        return al.Primitive(name="random_here", value=lambda t: k * t, partials=(lambda t, y: k,))(x)

    with pytest.raises(errors.TraceError, match="of another definition"):
        al.jit(f)(1.0)


def test_a_tape_with_a_primitive_of_the_function_is_saved(tmp_path):
    """Found by its name while it exists."""
    tape = al.trace(cubed_here, 1.0)
    al.jit(cubed_here)(1.0)
    tape.save(tmp_path / "f.tape")
    assert al.Tape.load(tmp_path / "f.tape")(2.0) == 16.0
