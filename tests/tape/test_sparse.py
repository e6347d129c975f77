"""Sparse derivatives: the numbers of dense ones, the pattern of what is not 0 for all x, and few kernels."""

import copy
import importlib
import math
import pickle
import random
import subprocess
import sys
import threading
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from corpus import COMPOSED, EXAMPLES, by_name
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import programs
from tiers import mostly_full

import autograd_lite as al
from autograd_lite.nests import unravel
from autograd_lite.tape import paths, plans
from autograd_lite.tape.alike import Arrays
from autograd_lite.tape.elements import LANES, cut
from autograd_lite.tape.pushing import second_derivatives
from autograd_lite.tape.sparse import braille
from autograd_lite.tape.tape import record

EPS = np.finfo(float).eps


def assert_near(found, expected, terms=1.0):
    """Equal up to a few ULP of terms of a size that the test knows, NaN and infinity exactly."""
    found, expected = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    assert found.shape == expected.shape
    finite = np.isfinite(expected)
    assert np.array_equal(found[~finite], expected[~finite], equal_nan=True)
    scale = np.maximum(np.abs(expected[finite]), terms)
    assert (np.abs(found[finite] - expected[finite]) <= 64 * EPS * scale).all()


def absolute_terms(number):
    """What a number changes by, in units of the relative error that each operation makes: Σ A·|node|.

    A is ∂number/∂node with every local gradient taken absolute: a bound for whatever order the terms are added in.
    """
    if not isinstance(number, al.Variable):
        return abs(number)
    slopes, total = {number: 1.0}, 0.0
    for node in reversed(al.topological_order(number)):
        slope = slopes.pop(node)
        total += slope * abs(node.value)
        for parent, local in node.local_gradients:
            slopes[parent] = slopes.get(parent, 0.0) + slope * abs(local)
    return total


def assert_equal_to_terms(found, expected):
    """Within 4 ULP of the sum of absolute terms: an operation and its partials are good to 4 ULP. NaN, infinity: exactly."""
    for one, number in zip(np.ravel(found).tolist(), expected, strict=True):
        value = getattr(number, "value", number)
        if not math.isfinite(value):
            assert one == value or (math.isnan(one) and math.isnan(value))
        elif one != value:
            assert abs(one - value) <= 4 * EPS * absolute_terms(number)


def assert_same_derivatives(f, x, s=None):
    """Value, Jacobian and weighted Hessian against the dense ones, which are graphs of Variables."""
    s = s or al.sparse(f)
    xs = [al.Variable(number) for number in x.tolist()]
    result = f(xs)
    outputs = result if isinstance(result, list) else [result]
    assert_equal_to_terms(s.value(x), outputs)
    slopes = [
        al.gradients(y, xs, create_graph=True) if isinstance(y, al.Variable) else [0.0] * len(xs) for y in outputs
    ]
    assert_equal_to_terms(s.jacobian(x).toarray(), [slope for row in slopes for slope in row])
    weights = np.linspace(1.0, 2.0, len(outputs))
    total = al.dot(weights, outputs)
    rows = al.gradients(total, xs, create_graph=True) if isinstance(total, al.Variable) else [0.0] * len(xs)
    second = [
        al.gradients(row, xs, create_graph=True) if isinstance(row, al.Variable) else [0.0] * len(xs) for row in rows
    ]
    hessian = s.hessian(x, weights)
    assert_equal_to_terms(hessian.toarray(), [number for row in second for number in row])
    lower = s.hessian(x, weights, triangle="lower").toarray()
    assert np.array_equal(lower, np.tril(hessian.toarray()), equal_nan=True)
    return s


@pytest.mark.parametrize("example", EXAMPLES + COMPOSED, ids=by_name)
def test_the_corpus(example):
    """Every function of the corpus, at its point and at two beside it."""
    point = np.array(example.point)
    s = assert_same_derivatives(example.function, point)
    for factor in (1.01, 0.97):
        assert_same_derivatives(example.function, point * factor, s)


@settings(max_examples=40, deadline=None)
@given(programs(), st.lists(st.floats(-3.0, 3.0), min_size=3, max_size=3))
def test_any_program(program, point):
    """Programs that Hypothesis writes, where their derivatives are finite and moderate."""
    x = np.array(point)
    with np.errstate(all="ignore"):
        dense = al.hessian(lambda v: program(list(v)))(x)
        if not np.isfinite(dense).all() or np.abs(dense).max() > 1e6:
            return
        found = al.sparse_hessian(lambda v: program(list(v)))(x).toarray()
    assert np.allclose(found, dense, rtol=1e-9, atol=1e-9 * max(1.0, np.abs(dense).max()))


# ---- programs of many items -----------------------------------------------------------------------------------------------


def sparse_program(seed):
    """A loop over items of a random formula with branches, over windows of the argument; the function and its size."""
    rng = random.Random(seed)
    width, size = rng.choice([1, 2, 3]), rng.randrange(12, 30)
    unary = [al.sin, al.tanh, al.exp, lambda v: v * v, lambda v: 1.0 / (2.0 + v * v), al.abs]
    shape = [(rng.choice(unary), rng.randrange(width), rng.choice("+-*")) for _ in range(rng.randrange(1, 4))]
    data = [rng.uniform(-1.0, 1.0) for _ in range(size)]
    kind, many = rng.choice(["none", "sign", "size"]), rng.random() < 0.5

    def item(x, i):
        total = x[i] * data[i]
        for operation, offset, how in shape:
            other = operation(x[i + offset])
            total = total + other if how == "+" else total - other if how == "-" else total * other
        if kind == "sign" and x[i] > 0.0:
            return total * total
        if kind == "size" and abs(total) <= 0.5:
            return 0.5 * total * total
        return total + 0.25 * x[i]

    def f(x):
        items = [item(x, i) for i in range(size - width + 1)]
        return items if many else sum(items)

    return f, size


@pytest.mark.parametrize("seeds", [range(k, k + 5) for k in range(0, 25, 5)])
def test_random_sparse_programs(seeds):
    """At several points, through branches that come and go."""
    for seed in seeds:
        f, size = sparse_program(seed)
        rng, s = np.random.default_rng(seed), al.sparse(f)
        for _ in range(4):
            assert_same_derivatives(f, rng.normal(size=size), s)


@pytest.mark.parametrize(
    "seeds", mostly_full([range(k, k + 25) for k in range(100, 300, 25)], (), seldom=(1, 3, 4, 7)), ids=str
)
def test_two_hundred_sparse_programs(seeds):
    """More of them."""
    test_random_sparse_programs(seeds)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [range(k, k + 25) for k in range(300, 1300, 25)], ids=str)
def test_a_thousand_sparse_programs(seeds):
    """The same at length: four minutes."""
    test_random_sparse_programs(seeds)


def huber(x):
    """The usual loop with a branch for each item."""
    total = 0.0
    for a, b in pairwise(x):
        r = b - a
        total = total + (0.5 * r * r if abs(r) <= 1.0 else abs(r) - 0.5)
    return total


def test_branches_compile_no_new_kernel():
    """Each call takes branches of its own; after both sides of an item are known nothing is compiled."""
    s, rng = al.sparse(huber), np.random.default_rng(0)
    for _ in range(3):
        s.hessian(rng.normal(size=60))
    known = len(s._kernels)
    for _ in range(80):  # more than are kept
        x = rng.normal(size=60)
        assert_near(s.hessian(x).toarray(), al.hessian(huber)(x))
    assert len(s._kernels) == known <= 6


def test_the_pattern_is_a_union_that_grows():
    """An entry that a branch once had stays, as 0 where it is not; also in the one-line form."""
    f = lambda x: x[0] * x[1] if x[2] > 0.0 else x[1] * x[2]
    s = al.sparse(f)
    assert s.version == 0
    first = s.hessian(np.array([1.0, 2.0, 3.0]))
    assert (first.nnz, s.version) == (2, 1)
    second = s.hessian(np.array([1.0, 2.0, -3.0]))
    assert (second.nnz, s.version) == (4, 2)
    assert second.toarray()[0, 1] == 0.0
    assert second.toarray()[1, 2] == 1.0
    assert (s.hessian(np.array([1.0, 2.0, 3.0])).nnz, s.version) == (4, 2)
    assert s.pattern("hessian").toarray().tolist() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]
    one = al.sparse_hessian(f)
    assert [one(np.array([1.0, 2.0, z])).nnz for z in (3.0, -3.0, 3.0)] == [2, 4, 4]


def test_entries_that_are_stored():
    """What happens to be 0 here is stored; what is 0 for every x is not."""
    assert al.sparse_jacobian(lambda x: [x[0] * x[1], x[1] ** 2, al.stop_gradient(x[0])])(np.zeros(2)).nnz == 3
    assert al.sparse_hessian(lambda x: x[0] * x[1] + 3.0 * x[0] + x[1] - x[1])(np.zeros(2)).nnz == 2
    assert al.sparse_hessian(lambda x: x[0] ** 3)(np.zeros(1)).nnz == 1
    assert al.sparse_jacobian(lambda x: [x[0] - x[0] + 2.0 * x[1]])(np.ones(2)).nnz == 1
    assert al.sparse_hessian(lambda x: al.relu(x[0]) + al.where(x[1] > 0.0, x[1], -x[1]))(np.ones(2)).nnz == 0


def test_linear_and_constant_outputs():
    """Nothing nonlinear at all, no input at all, one number."""
    a = al.sparse_jacobian(lambda x: [2.0 * x[0] - x[1] / 4.0, 5.0, x[1]])(np.array([1.0, 2.0]))
    assert a.toarray().tolist() == [[2.0, -0.25], [0.0, 0.0], [0.0, 1.0]]
    assert al.sparse_hessian(lambda x: x[0] + 1.0)(np.ones(3)).nnz == 0
    assert al.sparse(lambda x: [2.0 * x[0], 5.0]).value(np.array([3.0])) == [6.0, 5.0]
    assert al.sparse_hessian(lambda x: x**3)(2.0).toarray().tolist() == [[12.0]]


def test_what_is_not_taken_sends_nothing():
    """0 × ∞ does not arrive; values that are NaN eagerly are NaN."""
    f = lambda x: sum(al.where(v > 0.0, al.log(al.abs(v)) * v, v * v) for v in x)
    assert_same_derivatives(f, np.array([0.0, 1.0, -2.0, 0.5, 0.0, 3.0]))
    assert math.isnan(al.sparse(lambda x: x[0] * 0.0 + x[1]).value(np.array([math.inf, 1.0])))
    assert math.isnan(al.sparse(lambda x: x[0] - x[0] + x[1]).value(np.array([math.inf, 1.0])))


def test_nests_and_shapes():
    """Columns are the numbers of the nest in order; each shape has a pattern of its own."""
    f = lambda p: [p["a"] * p["b"][0, 1], p["b"][1, 0] ** 2]
    j = al.sparse_jacobian(f)({"a": 2.0, "b": np.array([[1.0, 3.0], [4.0, 5.0]])})
    assert j.toarray().tolist() == [[3.0, 0.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 8.0, 0.0]]
    s = al.sparse(lambda x: sum(v**3 for v in x))
    assert [s.hessian(np.ones(n)).shape for n in (3, 5, 3)] == [(3, 3), (5, 5), (3, 3)]
    assert s.hessian([1, 2]).toarray().tolist() == [[6.0, 0.0], [0.0, 12.0]]


def test_variables_from_outside_are_numbers():
    """With the value that they hold at the call; no column."""
    w = al.Variable(3.0)
    s = al.sparse(lambda x: w * x[0] ** 2 + w * w)
    assert s.hessian(np.ones(1)).toarray().tolist() == [[6.0]]
    w.value = 5.0
    assert s.hessian(np.ones(1)).toarray().tolist() == [[10.0]]
    assert s.value(np.ones(1)) == 30.0
    assert w.grad is None


def test_equal_items_are_lanes_and_others_one_program():
    """Groups from a few equal elements on; constants that differ are data."""
    program = al.trace(lambda x: sum((k + 1) * al.sin(x[k]) * x[k - 1] for k in range(1, 20)), np.ones(20)).program
    cut_ = cut(Arrays(program))
    assert [len(group) for group in cut_.groups] == [19]
    mixed = [al.sin, al.cos, al.exp, al.tanh]
    program = al.trace(lambda x: sum(g(v) for g, v in zip(mixed, x, strict=True)), np.ones(4)).program
    assert [len(group) for group in cut(Arrays(program)).groups] == [1]
    assert LANES == 4
    pairs = lambda x: [v**p for v, p in zip(x, (2.0, 3.0, 0.5, -1.0, 2.0), strict=True)]
    assert_same_derivatives(pairs, np.array([1.5, 2.5, 3.5, 4.5, 5.5]))


def deep(x, levels):
    """A chain of one operation."""
    for _ in range(levels):
        x = al.sin(x)
    return x


def test_marks_see_some_levels_and_the_comparison_all():
    """Chains that differ below what a mark sees are of two groups, where there are many inputs and few instructions."""
    f = lambda x: [deep(x[k], 10 + k % 2) for k in range(10)]
    program = al.trace(f, np.linspace(0.1, 1.0, 400)).program
    assert sorted((len(group), len(group.element.code)) for group in cut(Arrays(program)).groups) == [(5, 10), (5, 11)]
    assert_same_derivatives(lambda x: f(x)[:9], np.linspace(0.1, 1.0, 12))


def test_constants_differ_by_their_bits_and_uses():
    """A zero has a sign; two constants that are equal in one element alone do not make it another kind."""
    zeros = [0.0, -0.0] * 3
    s = al.sparse(lambda x: [al.exp(v) / zero for v, zero in zip(x, zeros, strict=True)], backend="numpy")
    assert s.value(np.ones(6)) == [math.inf, -math.inf] * 3
    pairs = [(1.5, 2.0), (2.0, 2.0), (3.0, 3.0), (4.0, 1.0), (5.0, 7.0)]
    f = lambda x: [al.sin(a * v) + al.cos(b + v) * v for v, (a, b) in zip(x, pairs, strict=True)]
    assert [len(group) for group in cut(Arrays(al.trace(f, np.ones(5)).program)).groups] == [5]
    assert_same_derivatives(f, np.linspace(0.1, 0.9, 5))


def test_inputs_and_constants_alone():
    """Outputs without an instruction."""
    s = al.sparse(lambda x: [x[1], 3.0, x[0]])
    assert s.jacobian(np.ones(2)).toarray().tolist() == [[0, 1], [0, 0], [1, 0]]
    assert s.hessian(np.ones(2), np.ones(3)).nnz == 0
    assert s.value(np.array([1.0, 2.0])) == [2.0, 3.0, 1.0]


def test_a_sum_that_others_share_is_taken_once():
    """Fibonacci's sums: 2⁶⁰ paths, one term for each input; factors are added up before they are passed on."""

    def f(x):
        a, b = al.sin(x[0]), 2.0 * x[1]
        for _ in range(60):
            a, b = b, a + b
        return [a, b - a]

    s, x = al.sparse(f), np.array([0.5, 0.25])
    assert np.array_equal(s.jacobian(x).toarray(), al.jacobian(lambda v: np.array(f(v)))(x))


def test_a_shared_past_is_one_program():
    """Cones that overlap are not cut apart: a simulation."""

    def shoot(u):
        q, v, cost = 0.1, 0.0, 0.0
        for push in u:
            v = v + 0.05 * (push - al.sin(q))
            q = q + 0.05 * v
            cost = cost + push * push + q * q
        return cost

    s = assert_same_derivatives(shoot, np.linspace(-0.9, 1.0, 40))
    assert s.hessian(np.linspace(-0.9, 1.0, 40)).nnz == 40 * 40


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_copies(copied):
    """Of lambdas too, with their options; what one learns stays its own."""
    for pattern, known in ((None, 1), ({"jacobian": np.array([[1, 1], [0, 1]])}, 0)):  # which needs no path
        f = al.sparse(lambda x: [x[0] * x[1] if x[0] > 0 else x[1], x[1]], backend="python", pattern=pattern)
        again = copied(f)
        f.jacobian([-2.0, 3.0])
        f.jacobian([2.0, 3.0])
        assert np.array_equal(again.jacobian([2.0, 3.0]).toarray(), [[3.0, 2.0], [0.0, 1.0]])
        assert (len(again.paths()), len(f.paths()), again.asked) == (known, 2 * known, "python")


def test_every_backend():
    """The same numbers."""
    x = np.linspace(0.5, 2.0, 12)
    f = lambda x: [al.log(a) * b + al.maximum(a, b) for a, b in pairwise(x)]
    dense = al.jacobian(lambda v: np.array(f(v)))(x)
    for backend in ("python", "numpy", "auto"):
        assert_near(al.sparse_jacobian(f, backend=backend)(x).toarray(), dense)


def test_results_are_the_callers():
    """What is done to a matrix does not reach the next one."""
    s, x = al.sparse(huber), np.linspace(0.0, 1.0, 8)
    first = s.hessian(x)
    expected = first.toarray()
    first.data[:] = 7.0
    first.indices[:] = 0
    assert np.array_equal(s.hessian(x).toarray(), expected)


# ---- what a reviewer found ------------------------------------------------------------------------------------------------


def test_partials_that_branch_or_look_outside():
    """A user's operation with an `if` in its partial, a Variable in it, a value that refuses numbers."""
    bent = al.Primitive(
        name="bent",
        value=lambda a: a * a if a > 0 else a,
        partials=(lambda a, y: 2.0 * a if a > 0 else 1.0,),
        replace=True,
    )
    s = al.sparse(lambda x: [bent(v) * w for v, w in pairwise(x)])
    for x in ([-1.0, 2.0, 3.0, -2.0, 1.0, 2.0], [3.0, -1.0, 1.0, 1.0, -4.0, 0.5]):
        assert_same_derivatives(s.f, np.array(x), s)
    w = al.Variable(2.0)
    scaled = al.Primitive(name="scaled", value=lambda a: 6.0 * a, partials=(lambda a, y: 3.0 * w,), replace=True)
    assert al.sparse_jacobian(lambda x: [scaled(x[0]) * x[1]])(np.ones(2)).toarray().tolist() == [[6.0, 6.0]]
    assert al.sparse_hessian(lambda x: scaled(x[0]) * x[1])(np.ones(2)).toarray().tolist() == [[0.0, 6.0], [6.0, 0.0]]

    def picky(a):
        if a < 1.0:
            raise ValueError("too small")
        return a**3

    far = al.Primitive(name="far", value=picky, partials=(lambda a, y: 3.0 * a * a,), replace=True)
    assert al.sparse_hessian(lambda x: far(x[0]))(np.array([2.0])).toarray().tolist() == [[12.0]]


def test_whole_numbers_and_flags_are_rows():
    """A literal 0 on one branch is a result like others."""
    f = lambda x: [v * v if v > 0 else 0 for v in x]
    s = al.sparse(f)
    for x in ([1.0, -1.0, 2.0], [1.0, 1.0, -1.0]):
        assert_near(s.jacobian(np.array(x)).toarray(), al.jacobian(lambda v: np.array(f(v)))(np.array(x)))
    assert al.sparse_jacobian(lambda x: [0, x[0] * x[1], True])(np.ones(2)).toarray().tolist() == [
        [0, 0],
        [1, 1],
        [0, 0],
    ]
    assert al.sparse_hessian(lambda x: x[0] ** 2 if x[0] > 0 else 0)(np.array([-1.0])).nnz == 0


def test_what_cancels_is_no_entry():
    """Of the Hessian as of the Jacobian."""
    assert al.sparse_hessian(lambda x: x[0] * x[1] - x[0] * x[1] + x[2] ** 2)(np.ones(3)).nnz == 1


def test_factors_that_would_overflow_stay_with_their_number():
    """1e200·1e200·1e-300 is 1e100."""
    assert al.sparse(lambda x: x[0] * 1e200 * 1e200).value(np.array([1e-300])) == 1e-300 * 1e200 * 1e200
    assert al.sparse(lambda x: x[0] * 1e-200 * 1e-200).value(np.array([1e300])) == 1e300 * 1e-200 * 1e-200
    assert al.sparse(lambda x: x[0] / 1e-310).value(np.array([1e-310])) == 1.0


def test_threads_share_one_object():
    """Branches and shapes come from several threads at once; each gets its own matrix, and the next call is right."""
    f = lambda x: x[0] * x[1] if x[0] > 0.0 else x[1] * x[-1]
    points = [np.array([sign, 2.0, *np.ones(n)]) for sign in (1.0, -1.0) for n in (1, 4)]
    for _ in range(10):
        s, wrong = al.sparse(f), []

        def work(x, s=s, wrong=wrong):
            for _ in range(3):
                if not np.array_equal(s.hessian(x).toarray(), al.hessian(f)(x)):
                    wrong.append(x)

        threads = [threading.Thread(target=work, args=(x,)) for x in points]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
        for x in points:
            work(x)
        assert not wrong


def test_pickles_as_its_function():
    """Used or not."""
    s = al.sparse(huber)
    for _ in range(2):
        assert_near(pickle.loads(pickle.dumps(s)).hessian(np.arange(4.0)).toarray(), al.hessian(huber)(np.arange(4.0)))
        s.hessian(np.arange(5.0))


def test_a_long_simulation_is_cut_in_time_proportional_to_it():
    """The cones of its heads overlap, and are not written out: 2·10⁴ instructions, and less than 20 numbers a slot."""

    def shoot(u):
        q, cost = 0.1, 0.0
        for push in u:
            q = q + 0.05 * (push - al.sin(q))
            cost = cost + q * q
        return cost

    program = al.trace(shoot, np.linspace(-0.9, 1.0, 4000)).program
    tracemalloc.start()
    found = cut(Arrays(program))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [len(group) for group in found.groups] == [1]
    assert peak < 2000 * program.slots


# ---- reports and refusals -------------------------------------------------------------------------------------------------


def test_report_and_picture():
    """Groups, paths, entries, and dots for the eye."""
    s = al.sparse(huber)
    assert s.report().endswith(": not called yet")
    s.hessian(np.linspace(0.0, 1.0, 100))
    text = s.report()
    assert "99 elements of 2 inputs" in text
    assert "hessian: 100 × 100, 298 entries" in text
    import scipy.sparse

    assert braille(scipy.sparse.eye_array(8, format="csr")) == "⠑⢄⠀⠀\n⠀⠀⠑⢄"


def test_wrong_use():
    """What is missing or does not fit is said, with the remedy."""
    two = lambda x: [x[0] ** 2, x[1] ** 2]
    with pytest.raises(al.OutputError, match=r"returns 2 numbers, and a Hessian is that of one\. Pass weights"):
        al.sparse_hessian(two)(np.ones(2))
    with pytest.raises(al.ArgumentError, match=r"weights have the shape \(3,\), and .* returns 2 numbers"):
        al.sparse(two).hessian(np.ones(2), np.ones(3))
    with pytest.raises(al.ArgumentError, match=r"weights='ab' are no numbers"):
        al.sparse(two).hessian(np.ones(2), "ab")
    with pytest.raises(al.ArgumentError, match=r'triangle=\'upper\': give "full" or "lower"'):
        al.sparse(two).hessian(np.ones(2), np.ones(2), triangle="upper")
    with pytest.raises(al.ArgumentError, match="compute that derivative first"):
        al.sparse(two).pattern("jacobian")
    with pytest.raises(al.OperandError, match=r"its matrices are SciPy's, which hold floats only\. Pass x\.value"):
        al.sparse_jacobian(two)([al.Variable(1.0), 2.0])
    with pytest.raises(al.OutputError, match="results of another shape on the branch"):
        s = al.sparse(lambda x: [x[0]] if x[0] > 0.0 else [x[0], x[0]])
        s.jacobian(np.ones(1))
        s.jacobian(-np.ones(1))


def test_without_scipy():
    """The import works, the call names the extra."""
    program = (
        "import sys\nsys.modules['scipy'] = None\nimport autograd_lite as al\n"
        "try:\n    al.sparse_jacobian(lambda x: [x[0]])([1.0])\nexcept al.AutogradLiteError as error:\n    print(error)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert 'pip install "autograd-lite[scipy]"' in run.stdout


# ---- patterns from outside ------------------------------------------------------------------------------------------------


def tridiagonal(n):
    """The pattern of a chain."""
    return np.abs(np.subtract.outer(np.arange(n), np.arange(n))) <= 1


def refusing(x):
    """A chain that refuses to be traced: its program would be another one each time."""
    if al.tape.recording.current() is not None:
        raise AssertionError("traced")
    return [al.sin(x[k]) * x[max(k - 1, 0)] + x[min(k + 1, len(x) - 1)] ** 2 for k in range(len(x))]


def test_a_pattern_that_is_given():
    """Few sweeps over an eager run; the numbers of dense derivatives; nothing is traced."""
    import scipy.sparse

    n = 12
    x, p = np.linspace(0.5, 1.5, n), tridiagonal(n)
    dense = al.jacobian(lambda v: np.array(refusing(v)))(x)
    for pattern in (p, scipy.sparse.csr_array(p), scipy.sparse.coo_matrix(p.astype(int))):
        found = al.sparse_jacobian(refusing, pattern=pattern)(x)
        assert_near(found.toarray(), dense)
        assert (type(found), found.nnz) == (scipy.sparse.csr_array, 3 * n - 2)
    weights = np.linspace(1.0, 2.0, n)
    expected = al.hessian(lambda v: al.dot(weights, refusing(v)))(x)
    s = al.sparse(refusing, pattern={"jacobian": p, "hessian": p})
    assert_near(s.hessian(x, weights).toarray(), expected, 10.0)
    assert_near(s.hessian(x, weights, triangle="lower").toarray(), np.tril(expected), 10.0)
    assert s.value(x) == refusing(x)
    assert np.array_equal(s.pattern("hessian").toarray(), p)
    assert "3 colours of columns" in s.report()
    assert_near(pickle.loads(pickle.dumps(s)).jacobian(x).toarray(), dense)
    quadratic = al.sparse_hessian(lambda x: sum(v * v for v in x) * 0.5, pattern=np.eye(5))
    assert_near(quadratic(np.ones(5)).toarray(), np.eye(5))
    assert al.sparse_hessian(lambda x: x[0] + x[1], pattern=np.eye(2))(np.ones(2)).toarray().tolist() == [
        [0, 0],
        [0, 0],
    ]


def test_rows_or_columns():
    """One dense row costs a sweep of its own, not one for each column; nests and captured Variables as elsewhere."""
    n, w = 30, al.Variable(2.0)
    pattern = np.vstack([np.ones(n), np.eye(n)])
    f = lambda p: [al.dot(p["x"], p["x"]), *[w * al.exp(v) for v in p["x"]]]
    s = al.sparse(f, pattern={"jacobian": pattern})
    assert "2 colours of rows" in s.report()
    x = np.linspace(0.0, 1.0, n)
    assert_near(s.jacobian({"x": x}).toarray(), np.vstack([2.0 * x, np.diag(2.0 * np.exp(x))]))
    assert "2 colours of columns" in al.sparse(f, pattern={"jacobian": pattern.T}).report()


@pytest.mark.parametrize("seed", range(8))
def test_colours_never_meet(seed):
    """In random patterns no row has two entries of one colour, and matrices are those of the dense derivative."""
    import scipy.sparse

    from autograd_lite.tape.colours import coloured

    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(1, 20, 2)
    pattern = rng.random((rows, columns)) < 0.3
    colours = coloured(scipy.sparse.csr_array(pattern))
    for row in pattern:
        assert len(set(colours[row])) == row.sum()
    numbers = rng.normal(size=pattern.shape) * pattern
    f = lambda x: [al.dot(row, [al.sin(v) for v in x]) if row.any() else 0.0 for row in numbers]
    x = rng.normal(size=columns)
    assert_near(al.sparse_jacobian(f, pattern=pattern)(x).toarray(), numbers * np.cos(x), 10.0)


def test_a_pattern_that_lacks_an_entry_is_found_out():
    """By a random product; in a Jacobian and in a Hessian."""
    short = tridiagonal(8)
    short[3, 4] = False
    x = np.linspace(0.5, 1.5, 8)
    with pytest.raises(al.ArgumentError, match=r"the pattern of the jacobian lacks an entry: row 3 of the product"):
        al.sparse_jacobian(refusing, pattern=short)(x)
    with pytest.raises(al.ArgumentError, match=r"the pattern of the hessian lacks an entry: row 0 "):
        al.sparse_hessian(lambda x: x[0] * x[1] + x[1] ** 3, pattern=np.diag([0, 1]))(np.ones(2))
    with pytest.raises(al.ArgumentError, match=r"lacks an entry: column 1 of the product"):
        al.sparse_jacobian(lambda x: [al.dot(x, x)], pattern=[[1, 0, 1]] @ np.eye(3))(np.ones(3))


def test_patterns_that_do_not_fit():
    """Shapes and kinds."""
    two = lambda x: [x[0] ** 2, x[1] ** 2]
    with pytest.raises(al.ArgumentError, match=r'pattern=array.*: give \{"jacobian": …, "hessian": …\}'):
        al.sparse(two, pattern=np.eye(2))
    with pytest.raises(al.ArgumentError, match=r"sparse takes a function and got array"):
        al.sparse(np.eye(2))
    with pytest.raises(
        al.ArgumentError, match=r"is not called itself. Write s.value\(x\), s.jacobian\(x\), s.hessian\(x\)"
    ):
        al.sparse(lambda x: x)(np.ones(2))
    with pytest.raises(TypeError, match=r"s.jacobian\(\) got 1 more by position than it takes. Write s.jacobian\(x\)"):
        al.sparse_jacobian(lambda x, y: x * y)(np.ones(2), np.ones(2))
    with pytest.raises(al.ArgumentError, match=r"pattern='abc': give a SciPy sparse matrix or an array"):
        al.sparse_jacobian(two, pattern="abc")
    with pytest.raises(al.ArgumentError, match=r"the pattern of a hessian has the shape \(2, 3\)"):
        al.sparse_hessian(two, pattern=np.ones((2, 3)))
    for wrong in (np.eye(3), np.ones((3, 2)), np.ones((2, 3)), np.ones((1, 2))):
        with pytest.raises(al.ArgumentError, match=r"the pattern of the jacobian has the shape .* Give a pattern of"):
            al.sparse_jacobian(two, pattern=wrong)(np.ones(2))
    with pytest.raises(al.OutputError, match=r"returns 2 numbers, and a Hessian is that of one"):
        al.sparse_hessian(two, pattern=np.eye(2))(np.ones(2))


def test_an_element_is_traced_once_for_each_derivative(monkeypatch):
    """A kernel without branches is the program that told its entries."""
    traced = []
    recorded = plans.record
    monkeypatch.setattr(plans, "record", lambda f, *a, **k: traced.append(f.__name__) or recorded(f, *a, **k))
    monkeypatch.setattr(paths, "record", lambda f, *a, **k: traced.append("again") or recorded(f, *a, **k))
    s = al.sparse(lambda x: al.sum([al.sin(a) / b for a, b in zip(x[1:], x[:-1], strict=True)]))
    x = np.linspace(1.0, 2.0, 50)
    assert s.value(x) == pytest.approx(np.sum(np.sin(x[1:]) / x[:-1]), rel=1e-14)
    s.jacobian(x), s.hessian(x)
    assert traced[:2] == ["again", "again"]  # the function itself, which is short enough to be compared with itself
    assert traced[2:] == ["value of 49 elements", "jacobian of 49 elements", "hessian of 49 elements"]
    x[3] = 0.0  # sin(x)/0 is infinite, its derivative by x[3] NaN: only those entries
    assert not np.isfinite(s.jacobian(x).toarray()[0, 3])
    assert np.isfinite(np.delete(s.jacobian(x).toarray()[0], [3, 4])).all()


def test_functions_are_begun_before_the_recording(monkeypatch):
    """Sine and cosine come while a program is recorded: the nodes near its first and last results tell of them."""
    begun = []
    module = importlib.import_module("autograd_lite.tape.sparse")
    monkeypatch.setattr(module, "begin", lambda operations, _: begun.append({own.name for own in operations}))
    s = al.sparse(lambda x: [*(al.sin(a * b) - b for a, b in pairwise(x)), al.cos(x[0])])
    x = np.linspace(0.1, 0.9, 5000)
    found = s.jacobian(x)
    assert len(begun) >= 2
    assert all({"sin", "cos"} <= each for each in begun)
    assert found[3, 3] == math.cos(x[3] * x[4]) * x[4]


def test_kernels_of_hessians_ask_for_nan_once():
    """The conditions by which a NaN value has NaN derivatives are not in the program that numbers take."""
    f = lambda x: al.sum([al.sin(a * b) / (1.0 + b * b) for a, b in zip(x[::2], x[1::2], strict=True)])
    group = cut(Arrays(al.trace(f, np.ones(20)).program)).groups[0]
    lengths = []

    def second(own, weight):
        return [*second_derivatives(group.element, own, group.constants[0].tolist(), [weight]).values()]

    for masked in (False, True):
        numbers, shape = unravel((([0.3, 0.4], 1.0), {}))
        tape = record(second, numbers, shape, masked=masked)
        lengths.append(len(tape.program.code))
        assert bool(tape.doubtful) is not masked
    assert 2 * lengths[0] < lengths[1]
    assert not {"less", "where"} & {operation.name for operation, _ in record(second, numbers, shape).program.code}
    x = np.ones(20)
    x[3] = math.nan
    found = al.sparse_hessian(f)(x).toarray()
    assert np.isnan(found[2:4, 2:4]).all()
    assert np.isfinite(found[4:, 4:]).all()
