"""Conditions and held numbers: what a traced function asks of its numbers, and what its trace keeps of the answer."""

import builtins
import copy
import dataclasses
import functools
import itertools
import math
import operator
import pickle
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from corpus import SPECIAL, same_bits
from executors import BACKENDS, same
from nests import Pair

import autograd_lite as al
from autograd_lite.errors import DerivativeWarning, OperandError, TraceError

NAN = math.nan
RELATIONS = (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne)
NUMBERS = (0.0, -0.0, 1.0, -1.0, 2.0, math.inf, -math.inf, NAN)


# --- conditions are data ------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("relation", RELATIONS, ids=lambda r: r.__name__)
def test_where_of_a_comparison_was_a_branch(relation, backend):
    """One program serves all numbers, NaN and zeros too, with the values of the eager run."""
    f = lambda a, b, x, y: al.where(relation(a, b), x, y)
    jitted = al.jit(f, backend=backend)
    for a, b in itertools.product(NUMBERS, repeat=2):
        assert same(jitted(a, b, 3.0, 4.0), float(f(a, b, 3.0, 4.0))), (a, b)
    assert len(jitted.paths()) == 1


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda r: r.__name__)
def test_comparisons_in_lanes(relation):
    """Lanes select as the eager run does."""
    pairs = np.array(list(itertools.product(NUMBERS, repeat=2)))
    f = lambda a, b: al.where(relation(a, b), 1.0, 2.0)
    expected = [f(a, b) for a, b in pairs.tolist()]
    assert al.vmap(f)(*pairs.T).tolist() == expected
    assert al.jit(al.vmap(f))(*pairs.T.copy()).tolist() == expected


DATA = {
    "product": lambda x, y: (x > y) * x + (x <= y) * y,
    "sum": lambda x, y: (x > 0) + (y > 0.0) + (x == y),
    "and": lambda x, y: al.where((x > 0) & (y > 0), x * y, x - y),
    "or": lambda x, y: al.where((x > 0) | (y > 0), x * y, x - y),
    "xor": lambda x, y: al.where((x > 0) ^ (y > 0), x * y, x - y),
    "with a bool": lambda x, y: al.where((x > 0) & True | False, x * y, x - y),
    "any": lambda x, y: al.where(al.any([x > 1, y > 1]), x * y, x - y),
    "all": lambda x, y: al.where(al.all([x > 1, y > 1, True]), x * y, x - y),
    "not": lambda x, y: al.where(al.logical_not(x > y), x * y, x - y),
    "of conditions": lambda x, y: al.where((x > 0) == (y > 0), x, y),
    "of a held number": lambda x, y: (
        al.where(x.value > y.value, x, y) if hasattr(x, "value") else al.where(x > y, x, y)
    ),
    "named": lambda x, y: al.where(al.greater(x, y), x, al.where(al.equal(x, y), 7.0, y)),
    "logical": lambda x, y: al.where(al.logical_and(x > 0, al.logical_or(y > 0, x < 1)), x, y),
    "max": lambda x, y: max(x, y) * 2.0 + min(x, 1.0, y),
    "max of a list": lambda x, y: max([x, y, 0.5]) - min(v for v in (y, x)),
    "al.max": lambda x, y: al.max(x, y) + al.min([x, y, 0.25]),
}


@pytest.mark.parametrize("name", DATA)
def test_questions_are_no_branches(name):
    """Value and gradient by one program for every order of the numbers."""
    f = DATA[name]
    points = list(itertools.product((-2.0, -0.5, 0.0, 0.5, 1.0, 2.0), repeat=2))
    jitted = al.jit(al.value_and_grad(f, argnums=(0, 1)))
    for point in points:
        value, gradient = al.value_and_grad(f, argnums=(0, 1))(*point)
        got, got_gradient = jitted(*point)
        assert (got, got_gradient) == (value, gradient), point
    assert len(jitted.paths()) == 1


def test_max_is_pythons_to_the_bit():
    """Ties, NaN and signed zeros: the builtin's result in every order of the numbers."""
    numbers = (0.0, -0.0, 1.0, NAN, -math.inf)
    for pick in (max, min):
        jitted = al.jit(lambda v, pick=pick: pick(v), backend="python")
        for triple in itertools.product(numbers, repeat=3):
            expected = pick(triple)
            assert same_bits(jitted(list(triple)), expected), triple
            assert same_bits(getattr(al, pick.__name__)(triple), expected)


def test_builtin_max_is_itself_outside_of_traces():
    """The builtins are back after each trace, after errors too, and other threads never see another one."""
    before = builtins.max, builtins.min

    def raising(x):
        assert max(x, 1.0) is not None
        raise ValueError

    with pytest.raises(ValueError):
        al.jit(raising)(2.0)
    assert (builtins.max, builtins.min) == before
    assert (
        al.jit(lambda x: x + max("ab", key=ord, default="").count("b") + max({"k": 1}, default=0).count("k"))(1.0)
        == 3.0
    )
    assert al.jit(lambda x: x + max([3, 4]) + max(2, 5))(1.0) == 10.0
    with pytest.raises(ValueError):
        al.jit(lambda x: x + max([]))(1.0)


def test_softmax_shift_of_held_numbers_was_a_path_for_each_call():
    """`max(v.value for v in logits)`: one program, with the bits of the eager run."""

    def loss(logits):
        shift = max(v.value for v in logits)
        powers = [al.exp(v - shift) for v in logits]
        return -al.log(powers[1] / sum(powers))

    rng = np.random.default_rng(1)
    jitted, eager = al.jit(al.value_and_grad(loss)), al.value_and_grad(loss)
    for _ in range(60):
        logits = rng.normal(0.0, 2.0, 27).tolist()
        assert jitted(logits) == eager(logits)
    assert len(jitted.paths()) == 1


def test_conditions_of_other_kinds_of_numbers_are_exact():
    """Comparisons with integers that no float holds come out as Python's, traced too."""
    big = 2**53 + 1
    others = (big, -big, 10**400, -(10**400), np.int64(big), np.longdouble(2) ** 53 + 1)
    points = (2.0**53, 2.0**53 + 2.0, -(2.0**53), -(2.0**53) - 2.0, math.inf, -math.inf, NAN, 1.7976931348623157e308)
    for relation, other in itertools.product(RELATIONS, others):
        jitted = al.jit(lambda x: 1.0 if relation(x, other) else 0.0, backend="python")
        for x in points:
            assert bool(jitted(x)) == bool(relation(x, other)) == bool(relation(al.Variable(x), other)), (
                relation,
                other,
                x,
            )


def test_truth_is_a_guard():
    """`if`, `not`, `and`, `sorted` ask for the truth; both sides are followed."""
    for f in (
        lambda x: x if x > 1 else -x,
        lambda x: x if not x > 1 else -x,
        lambda x: x if x > 1 and x < 3 else -x,
        lambda x: x if (x > 1) & (x < 3) else -x,
        lambda x: x if al.any([x > 1, x < -1]) else -x,
        lambda x: sorted([x, 1.0, 2.0])[1] * x,
    ):
        jitted = al.jit(f)
        for x in (0.0, 1.0, 2.0, 4.0, -3.0, 2.0, 0.0):
            assert jitted(x) == f(x)
        assert len(jitted.paths()) > 1


def test_results_that_are_conditions_are_bools_again():
    """A bool in the eager run is one in every other."""
    f = lambda x: (x > 1, [x == 2, x * (x > 1)], (x > 0) & (x < 3))
    for x in (0.0, 2.0, NAN):
        assert same(al.jit(f)(x), f(x))
    assert al.vmap(lambda x: x > 1)(np.array([0.0, 2.0])).tolist() == [False, True]
    assert al.vmap(lambda x: x > 1)(np.array([0.0, 2.0])).dtype == bool


def test_tilde_of_one_condition_is_refused():
    """~True is -2 in Python, which is true."""
    with pytest.raises(OperandError, match="logical_not"):
        al.jit(lambda x: al.where(~(x > 0), x, 1.0))(2.0)
    with pytest.raises(TypeError):
        ~al.Variable(1.0)
    with pytest.raises(TypeError):
        al.Variable(1.0) & True


def test_condition_whose_trace_has_ended():
    """Its truth is that of other numbers."""
    kept = []
    al.jit(lambda x: (kept.append(x > 0), x)[1])(1.0)
    with pytest.raises(TraceError, match="after"):
        bool(kept[0])
    assert (al.Variable(1.0) > 0) is True


def test_eager_comparisons_are_bools():
    """Variables outside of traces, and inside of transforms without a trace, give bools."""
    x = al.Variable(1.0)
    assert all(type(relation(x, 1.0)) is bool for relation in RELATIONS)
    seen = []
    al.grad(lambda v: (seen.append(v > 0), v)[1])(1.0)
    assert seen == [True]


@pytest.mark.parametrize(("a", "b"), [(1.0, 2.0), (2.0, 1.0), (1.0, 1.0), (math.inf, math.inf), (0.0, -0.0)])
def test_comparisons_by_name_are_those_of_python(a, b):
    """As 1.0 and 0.0, of numbers outside of a trace and inside."""
    for name, relation in (
        ("greater", operator.gt),
        ("less_equal", operator.le),
        ("greater_equal", operator.ge),
        ("equal", operator.eq),
        ("not_equal", operator.ne),
    ):
        question = getattr(al, name)
        assert question(a, b) == al.jit(question)(a, b) == float(relation(a, b)), name


# --- no number leaves a trace by a side door ----------------------------------------------------------------


def micrograd_step(x):
    w = al.Variable(2.0)
    ((w * x - 1) ** 2).backward()
    return w.grad


def twice(x):
    w = al.Variable(2.0)
    y = w * w * x
    y.backward()
    y.backward(2.0)
    before = w.grad
    w.grad = None
    (w * x).backward()
    return before + w.grad


def trained(x):
    w = al.Variable(x.value if hasattr(x, "value") else x)
    for _ in range(5):
        loss = (w * w - 2.0) ** 2
        al.zero_grad([w])
        loss.backward()
        w.value -= 0.01 * w.grad
    return w.value


def lifted(f, x):
    """What f gives on a Variable, as a number."""
    y = f(al.Variable(x))
    return getattr(y, "value", y)


DOORS = {
    "grad": micrograd_step,
    "grad of two passes": twice,
    "a leaf that is trained": trained,
    "gradients": lambda x: al.gradients(x * x, x),
    "gradients of all": lambda x: al.gradients(x * x * 1.5)[x],
    "gradients of a nest": lambda x: al.gradients(x * x, {"k": [x]})["k"][0],
    "seeded": lambda x: al.gradients(x * x, x, seed=x),
    "local_gradients": lambda x: (x * x).local_gradients[0][1] * 3.0,
    "local gradients of sin": lambda x: al.sin(x).local_gradients[0][1],
    "copy": lambda x: copy.copy(x) * 2,
    "deepcopy": lambda x: copy.deepcopy([x])[0] * 2,
    "copy of a computed node": lambda x: copy.deepcopy(x * x) * 2,
    "asdict": lambda x: dataclasses.asdict(Pair(x, np.ones(2)))["a"] ** 2,
    "astuple": lambda x: dataclasses.astuple(Pair(x, np.ones(2)))[0] ** 2,
    "value": lambda x: x.value * 2.0,
    "value in a branch": lambda x: x if x.value > 1.5 else -x,
    "float of value": lambda x: float(x.value) * x,
    "math of value": lambda x: math.sin(x.value) * x,
    "complex of value": lambda x: abs(complex(x.value, 1.0)) * x,
    "int of value": lambda x: int(x.value) * x,
    "floor of value": lambda x: math.floor(x.value) * x,
    "method of a float": lambda x: (2.0 if x.value.is_integer() else 3.0) * x,
    "Variable of value": lambda x: al.Variable(x.value) * x,
    "index": lambda x: [1.0, 5.0, 7.0, 9.0][int(x.value)] * x,
    "set": lambda x: 5.0 * x if x.value in {0.0, 1.0, 2.0} else x,
    "dict": lambda x: {1: 5.0, 2: 6.0}.get(round(x.value), 0.0) * x,
    "list": lambda x: 5.0 * x if x in [0.0, 1.0, 2.0] else x,
    "array of values": lambda x: np.array([x.value, 1.0], dtype=float)[0] * x,
    "stop_gradient": lambda x: al.stop_gradient(x) * x,
    "is a number": lambda x: 2 * x if np.isscalar(x) else 3 * x,
}


@pytest.mark.parametrize("name", DOORS)
def test_no_number_leaves_by_a_side_door(name):
    """jit on each backend and vmap give what the function gives on Variables, for every later call."""
    f = DOORS[name]
    points = (1.0, 2.0, 3.0, 2.5, 1.0)
    expected = [lifted(f, x) for x in points]
    for backend in BACKENDS:
        jitted = al.jit(f, backend=backend)
        assert [jitted(x) for x in points] == expected
    assert al.vmap(f)(np.array(points)).tolist() == expected
    assert al.jit(al.vmap(f))(np.array(points)).tolist() == pytest.approx(
        expected, rel=4e-16
    )  # 2 ULP: vector functions


@pytest.mark.parametrize(
    "name", [n for n in DOORS if n not in ("grad", "grad of two passes", "a leaf that is trained")]
)
def test_derivatives_beside_side_doors(name):
    """The derivative of such a function is the eager one, traced or not."""
    f = DOORS[name]
    jitted = al.jit(al.grad(f))
    for x in (1.0, 2.0, 3.0, 2.5):
        assert jitted(x) == al.grad(f)(x)


def test_copies_inside_a_transform_lost_the_derivative():
    """asdict and its like copy leaves: a copy of an argument still depends on it, eagerly too."""
    assert al.grad(lambda m: dataclasses.asdict(m)["a"] ** 2)(Pair(3.0, np.ones(2))).a == 6.0
    assert al.grad(lambda x: copy.copy(x) * copy.deepcopy((x,))[0])(3.0) == 6.0
    assert al.grad(lambda x: copy.deepcopy({"a": [x, x * x]})["a"][1])(3.0) == 6.0
    with pytest.raises(OperandError, match="pickle"):
        al.grad(lambda x: pickle.loads(pickle.dumps(x)))(3.0)
    with pytest.raises(OperandError, match="pickle"):
        al.jit(lambda x: pickle.loads(pickle.dumps(x)))(3.0)
    own = al.Variable(2.0)
    assert copy.deepcopy(own) is not own and copy.copy(own * own).arguments[0] is own


CACHED = functools.lru_cache(lambda x: x * x)


def test_look_ups_missed_in_silence():
    """A number in a set is found by value: a traced or differentiated one refuses, and says how."""
    for f, x in (
        (lambda x: 5.0 * x if x in {0.0, 1.0, 2.0} else x, 1.0),
        (lambda v: len(set(v)) * v[0], [2.0, 2.0, 3.0]),
        (lambda x: {1: 5.0}.get(round(x), 0.0) * x, 1.2),
        (lambda x: CACHED(x) * 2, 1.0),
    ):
        for transform in (al.jit, al.value_and_grad, al.grad):
            with pytest.raises(OperandError, match=r"x\.value"):
                transform(f)(x)
    x, y = al.Variable(1.0), al.Variable(1.0)
    assert {x: "x", y: "y"}[x] == "x" and y not in {x, 3.0}
    inside = al.grad(lambda t: dict.fromkeys((al.Variable(1.0), x), t * 3)[x])
    assert inside(2.0) == 3.0


def test_nodes_from_outside_are_not_written():
    """What a replay would not do again is refused while tracing."""
    w = al.Variable(2.0, name="w")

    def step(x):
        (w * x).backward()
        return x

    def setting(x):
        w.value = 3.0
        return x * w

    def reading(x):
        return x * (w.grad or 1.0)

    def clearing(x):
        al.zero_grad([w])
        return x

    for f in (step, setting, reading, clearing):
        with pytest.raises(TraceError, match="outside"):
            al.jit(f)(1.0)
        assert (w.value, w.grad) == (2.0, None)


def test_guards_in_another_thread_were_not_recorded():
    """A thread that a traced function starts has no trace to note its branches in."""

    def branching(v):
        return v * 1.5 if v > 0 else -2.0

    def pooled(x):
        with ThreadPoolExecutor(1) as pool:
            return next(pool.map(branching, [x]))

    def threaded(x):
        out = []
        thread = threading.Thread(target=lambda: out.append(al.gradients(x * x, x)))
        thread.start()
        thread.join()
        return out[0]

    for f in (pooled, threaded):
        for transform in (al.jit, al.vmap):
            with pytest.raises(TraceError, match="thread"):
                transform(f)(1.0 if transform is al.jit else np.ones(2))
    assert al.grad(pooled)(1.0) == 1.5
    assert al.jit(lambda x: x * 2)(1.0) == 2.0


def test_another_thread_that_works_by_itself_is_left_alone():
    """Comparisons of its own nodes are bools, while this one traces."""
    found, stop = [], threading.Event()

    def work():
        while not stop.is_set():
            v = al.Variable(1.0) * 2.0
            found.append(v > 1.0)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        jitted = [al.jit(lambda x, k=k: x * k if x > k else -x)(2.0) for k in range(20)]
    finally:
        stop.set()
        thread.join()
    assert jitted[:3] == [0.0, 2.0, -2.0]
    assert set(map(type, found)) == {bool}


def test_the_library_reads_numbers_itself():
    """Drawing and watching inside a traced function make no paths of their own."""

    def drawn(x):
        y = x * x
        al.draw(y)
        repr(y), f"{y:.3f}", str(y)
        return y

    jitted = al.jit(drawn)
    assert [jitted(x) for x in (1.0, 2.0, 3.0)] == [1.0, 4.0, 9.0] and len(jitted.paths()) == 1

    def watched(x):
        with al.raise_on_nonfinite():
            return al.log(x) * 2.0

    jitted = al.jit(watched)
    assert [jitted(x) for x in (1.0, 2.0, 3.0)] == [2.0 * math.log(x) for x in (1.0, 2.0, 3.0)]
    assert len(jitted.paths()) == 1
    with pytest.raises(al.NonFiniteError):
        jitted(0.0)
    assert jitted(1.0) == 0.0


def test_setting_a_zero_of_the_other_sign():
    """-0.0 equals 0.0 and is another number: 1/x differs."""
    x = al.Variable(0.0)
    x.value = -0.0
    assert same_bits(x.value, -0.0) and (1 / x).value == -math.inf


# --- branches that cut the derivative -----------------------------------------------------------------------


def bisected(a):
    low, high = 0.0, 4.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if middle * middle < a else (low, middle)
    return low


def test_derivative_that_branches_cut_is_said():
    """A result that does not depend on what the function compared or read: one warning with the line."""
    for f in (bisected, lambda x: 1.0 if x > 0 else 0.0, lambda x: float(x.value) ** 2, lambda v: 3.0 * int(v)):
        with pytest.warns(DerivativeWarning, match="test_conditions.py"):
            assert al.grad(f)(2.0) == 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert al.grad(lambda x: 3.0)(2.0) == 0.0
        assert al.grad(al.grad(lambda x: 3.0 * x))(2.0) == 0.0
        assert al.grad(lambda x, y: y if y > 0 else 0.0)(2.0, 1.0) == 0.0
        assert al.grad(lambda v: v[0] if v[0] > 0 else v[1])(np.array([1.0, 2.0])).tolist() == [1.0, 0.0]
        assert al.grad(lambda v: v["a"] * 2)({"a": 1.0, "b": 2.0}) == {"a": 2.0, "b": 0.0}
        assert al.grad(al.relu)(-1.0) == 0.0


def test_special_numbers_compare_as_in_python():
    """The rules that comparisons record, at every pair of special numbers, on each executor."""
    pairs = list(itertools.product(SPECIAL, repeat=2))
    arrays = np.array(pairs).T.copy()
    for relation in RELATIONS:
        f = lambda a, b: (relation(a, b)) * 1.0
        expected = [float(relation(a, b)) for a, b in pairs]
        for backend in BACKENDS:
            jitted = al.jit(f, backend=backend)
            assert [jitted(a, b) for a, b in pairs] == expected
        assert al.vmap(f)(*arrays).tolist() == expected
        assert al.jit(al.vmap(f))(*arrays).tolist() == expected


def test_orders_that_become_paths_are_said_once():
    """At the third path that `sorted`, or `max` with a key, makes: one warning with line and remedy."""
    middle = lambda v: sorted(v)[1] * 2.0
    largest = lambda v: max(v, key=lambda x: x * x)
    for f, remedy in ((middle, "sorted"), (largest, "max")):
        jitted = al.jit(f)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for order in itertools.permutations([1.0, 2.0, 3.0]):
                assert jitted(list(order)) == f(list(order))
        assert [w.category for w in caught] == [al.PathWarning]
        assert remedy in str(caught[0].message) and "test_conditions.py" in str(caught[0].message)
        assert caught[0].filename == __file__
    branches = al.jit(lambda x: x if x < 1 else 2 * x if x < 2 else 3 * x if x < 3 else 4 * x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [branches(x) for x in (0.0, 1.0, 2.0, 3.0)] == [0.0, 2.0, 6.0, 12.0]


def test_condition_of_an_ended_trace_in_the_next_one():
    """It holds no number of the new trace."""
    kept = []
    al.jit(lambda x: (kept.append(x > 0), x)[1])(1.0)
    with pytest.raises(TraceError, match="ended"):
        al.jit(lambda x: x if kept[0] else -x)(1.0)
    with pytest.raises(TraceError, match="ended"):
        al.jit(lambda x: al.where(kept[0], x, -x))(1.0)
    outer = al.jit(lambda x, rows: al.scan(lambda c, r: (al.where(x > 0, c + r, c), None), 0.0, rows)[0])
    assert [outer(x, np.ones(3)) for x in (1.0, -1.0)] == [3.0, 0.0]


CUTS = {
    "stop_gradient": lambda x: al.stop_gradient(x * 2.0),
    "value": lambda x: x.value * 2.0,
    "float of value": lambda x: float(x.value),
    "condition": lambda x: (x > 1) * 1.0,
    "constant": lambda x: 3.0,
}


@pytest.mark.parametrize("name", CUTS)
def test_what_is_cut_is_unconnected_traced_too(name):
    """Where no path leads to a number, .grad stays None and `unconnected` says so, traced and not."""
    cut = CUTS[name]

    def passed(x):
        node, own = x * 2.0, al.Variable(1.5)
        (cut(node) * own).backward()
        return float(node.grad is None) * own

    def asked(x):
        own = al.Variable(1.5)
        found = al.gradients(cut(x) * own, [x, own], unconnected="none")
        return float(found[0] is None) * own

    for f in (passed, asked):
        assert [al.jit(f)(x) for x in (2.0, 3.0)] == [f(al.Variable(x)).value for x in (2.0, 3.0)] == [1.5, 1.5]
    lost = al.grad(lambda p: cut(p["a"]) * p["b"], unconnected="none")
    assert lost({"a": 2.0, "b": 3.0})["a"] is None
    raising = al.jit(al.grad(lambda p: cut(p["a"]) * p["b"], unconnected="raise"))
    with pytest.raises(al.UnconnectedError):
        raising({"a": 2.0, "b": 3.0})


def test_tangents_through_selections_at_infinite_slopes():
    """A tangent arrives where it is taken, traced as eagerly."""
    f = lambda x: al.jvp(lambda t: al.where(t > 0, al.sqrt(t), t * 3.0) + al.relu(t), (x,), (1.0,))[1]
    jitted = al.jit(f)
    for x in (4.0, 0.0, -1.0, -0.0, NAN):
        assert same_bits(jitted(x), f(x))


def test_connectives_with_numpys_truths():
    """One of NumPy's bools beside a condition, on either side, alone and in arrays: data, and bools where they come out."""
    yes = np.bool_(True)
    forms = [
        lambda x: al.where(yes & (x > 1), x, -x),
        lambda x: al.where((x > 1) | np.bool_(False), x, -x),
        lambda x: al.where(np.logical_not(x > 1) ^ yes, x, -x),
        lambda x: (
            np.where(~(np.array([x, 2.0 * x]) > 1) & yes, x, -x).sum()
            if not hasattr(x, "value")
            else al.where(x > 1, x, -x)
        ),
        lambda x: (((x > 1) | np.array([True, False])) * x).sum(),
        lambda x: ((np.array([True, False]) & (x > 1)) * x).sum(),
    ]
    for k, f in enumerate(forms):
        jitted = al.jit(f)
        for x in (0.5, 2.0, 1.0):
            assert jitted(x) == f(al.Variable(x)).value, k
        assert len(jitted.paths()) == 1
    assert al.jit(lambda x: (yes & (x > 1), (x > 1) | yes))(0.5) == (False, True)
