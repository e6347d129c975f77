"""Captured Variables: inputs that a call finds by itself, and derivatives of every order by them."""

import copy
import functools
import math
import pickle

import numpy as np
import pytest
from executors import BACKENDS, outcome
from tiers import mostly_full

import autograd_lite as al
from autograd_lite import errors
from autograd_lite.tape import connected

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


# --- many outputs over a few captured numbers ---------------------------------------------------------------------

MANY_OUTPUTS = {
    "smooth": lambda w, p: np.sum(np.sin(p * w)),
    "selecting": lambda w, p: np.sum(np.maximum(p * w, 0.5) * p + np.where(p > 0.5, p * w, p * p)),
    "shared": lambda w, p: al.exp(w * np.sum(p * p)) * p[0],
}


@pytest.mark.parametrize("name", MANY_OUTPUTS)
def test_a_gradient_over_a_captured_number_has_derivatives_of_linear_length(name, monkeypatch):
    """With 250 inputs they took 5 s: each output was swept through the value, which all have as a condition."""
    lengths = []
    record = connected.record
    monkeypatch.setattr(connected, "record", lambda *given, **options: noted(record(*given, **options), lengths))
    counts = []
    for n in (40, 80, 160):
        lengths.clear()
        w, p = al.Variable(1.5), np.linspace(0.1, 1.0, n)
        f = functools.partial(MANY_OUTPUTS[name], w)
        value, gradient = al.jit(al.value_and_grad(f))(p)
        expected_value, expected = al.value_and_grad(f)(p)
        for found, right in zip([value, *gradient], [expected_value, *expected], strict=True):
            assert found.value == right.value
            assert al.gradients(found, w) == pytest.approx(al.gradients(right, w), rel=1e-14)
        counts.append(sum(lengths))
    assert len(lengths) <= 2 and counts[2] - counts[1] <= 2.2 * (counts[1] - counts[0])


def noted(tape, lengths):
    """The tape, whose length is noted."""
    lengths.append(len(tape))
    return tape


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", UNSENT)
def test_what_is_not_sent_crosses_a_jitted_function_of_many_results(name, backend):
    """There are fewer captured Variables than results, so that conditions go forward, from these."""
    f = UNSENT[name]
    for x in (1.0, -1.0, math.nan):

        def outside(w, run, x=x):
            s = al.sqrt(w)
            return run(lambda x: [f(s, x), f(s, -x), f(2.0, x), f(s * s, x)])(x)

        for k in range(4):
            found = al.grad(lambda w, k=k: outside(w, lambda g: al.jit(g, backend=backend))[k])(0.0)
            expected = al.grad(lambda w, k=k: outside(w, lambda g: g)[k])(0.0)
            assert found == expected or (math.isnan(found) and math.isnan(expected)), (x, k)
