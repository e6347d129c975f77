"""Each backend gives the bits of the rules, raises no floating-point warnings, and is named where it is missing."""

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
from corpus import NAMES, ORDERS, SPECIAL, TABLE, same_bits, sample, thinned
from executors import BACKENDS, same
from tiers import mostly_full, sizes

import autograd_lite as al
from autograd_lite import errors
from autograd_lite.tape.backends import outputs

# --- primitives ---------------------------------------------------------------------------------------------


def special_points(name):
    """All combinations of special values, of three arguments and more some; whole numbers where an argument is an order."""
    primitive = TABLE[name]
    kinds = [(0.0, 1.0, 2.0, 3.0) if k == ORDERS.get(name) else SPECIAL for k in range(primitive.arity)]
    points = list(itertools.product(*kinds))
    return thinned(points, 1260) if primitive.arity > 2 else points


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


# --- backends as such ---------------------------------------------------------------------------------------


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


# --- memory of results ----------------------------------------------------------------------------------------------


@pytest.fixture
def no_spare():
    """No memory of earlier results; what a test gives back goes with it."""
    kept = dict(outputs._spare)
    outputs._spare.clear()
    yield outputs._spare
    outputs._spare.clear()
    outputs._spare.update(kept)


def address(array):
    """Where an array lies."""
    return array.__array_interface__["data"][0]


def test_memory_of_large_results_is_used_again(no_spare):
    """When nobody holds a result any more, not before; and a large result begins at a cache line."""
    f = al.jit(al.vmap(lambda x: (x + 1.0, x * 2.0)), backend="llvm")
    x = np.arange(300_000.0)
    first, second = f(x)
    place = address(first)
    assert place % 64 == 0
    del first  # the second lies in the same memory
    third, _ = f(x)
    assert not no_spare
    assert address(third) != place
    assert np.array_equal(second, 2.0 * x)
    del second, third, _
    spare = {address(memory) for memory in no_spare.values()}
    assert place in spare
    again, _ = f(x + 1.0)
    assert address(again) in spare
    assert len(no_spare) == 1
    assert np.array_equal(again, x + 2.0)


@pytest.mark.parametrize(
    "held", [lambda a: a[5::7], lambda a: a.reshape(2, -1).T[3], memoryview, lambda a: [a[:1]], lambda a: a.view("i8")]
)
def test_memory_that_somebody_sees_is_left_alone(held, no_spare):
    """A view, a view of a view, a buffer: the numbers in it stay while it lives."""
    f = al.jit(al.vmap(lambda x: x * 3.0), backend="llvm")
    x = np.arange(200_000.0)
    view = held(f(x))
    before = np.array(view)
    for k in range(3):
        f(x + k)
    assert np.array_equal(np.array(view), before)
    assert len(no_spare) == 1
    del view
    assert len(no_spare) == 2


def test_little_memory_is_kept(no_spare):
    """Not more than KEPT, the last given back; a result of another size takes none that would mostly idle."""
    sizes = [outputs.KEPT // 2, outputs.KEPT // 2 - 9, outputs.KEPT // 4, outputs.KEPT + 1]
    held = [outputs.empty(size) for size in sizes]
    while held:
        held.pop(0)
    assert [len(memory) for memory in no_spare.values()] == sizes[1:3]
    small = outputs.empty(outputs.LARGE)
    assert len(no_spare) == 2
    assert len(outputs.empty(sizes[1])) == sizes[1]
    assert len(small) == outputs.LARGE
    assert len(outputs.empty(10)) == 10
