"""Look-ups in lanes: gathers from tables that lanes share or have for themselves, and sums of what they scatter."""

import math

import numpy as np
import pytest
from executors import BACKENDS, COMPILED
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd_lite as al

EPS = 2.0**-52
LENGTH = 11  # of tables, which are looked up in and not selected from
SMALL = np.sin(np.arange(3.0 * LENGTH)).reshape(LENGTH, 3)


def several(table, at):
    """Rows, some of them twice, along both axes; entries that are used beside the look-ups."""
    rows, first, other = al.take(table, at), al.take(table, at[0]), al.take(table, at[-1], axis=0)
    return al.sum(rows[:, 0] * al.tanh(rows[:, 1])) + al.exp(first[2]) * other[0] + table[at[1], 1] ** 3 * table[2, 0]


def along(table, at):
    """Columns of the table, transposed."""
    return al.sum(al.take(table.T, at, axis=1)[1] ** 2) + al.sum(al.take(table.T, at[:2], axis=-1)[0])


def computed(table, at):
    """A table that is computed in each lane or for all, with constants in it; a constant one."""
    squares = [[x * x, al.sin(x), 2.0] for x in table[:, 0]]
    rows = [al.take(squares, i) for i in at]
    known = np.linspace(0.0, 1.0, LENGTH)
    return al.sum([al.take(known, i) * row[0] * row[1] + row[2] for i, row in zip(at, rows, strict=True)])


def by_lane(table, at):
    """A table whose entries depend on the index."""
    return al.take([x * at[0] for x in table[:, 1]], at[1]) ** 2 + al.take(table[:, 2], at[2])


def scanned(table, at):
    """In the steps of a loop, the index carried on from row to row."""
    step = lambda c, i: ((al.tanh(c[0] + table[i, 0]) * al.take(table, c[1])[1], i), al.take(table[:, 2], c[1]))
    (last, _), ys = al.scan(step, (0.3, at[0]), at)
    return last + al.sum(ys**2)


FUNCTIONS = {f.__name__: f for f in (several, along, computed, by_lane, scanned)}
DIRECTION = np.cos(SMALL)
TRANSFORMS = {
    "value": lambda f: f,
    "gradient": al.grad,
    "both": al.value_and_grad,
    "gradient of gradient": lambda f: al.grad(lambda t, at: al.sum(al.grad(f)(t, at) ** 2)),
    "tangent": lambda f: lambda t, at: al.jvp(lambda t: f(t, at), (t,), (DIRECTION,))[1],
    "Hessian times vector": lambda f: lambda t, at: al.hvp(lambda t: f(t, at), (t,), (DIRECTION,)),
}
FOLDS = {
    None: lambda rows: np.stack(rows),
    "sum": lambda rows: np.sum(rows, axis=0),
    "mean": lambda rows: np.mean(rows, axis=0),
}


def close(found, rows, reduce):
    """Compare with the lanes one by one: a program of some 500 operations, and sums of as many lanes."""
    leaves = found if isinstance(found, tuple) else (found,)
    for k, leaf in enumerate(leaves):
        own = [np.asarray(row[k] if isinstance(found, tuple) else row) for row in rows]
        scale = np.abs(own).max() * (len(own) if reduce == "sum" else 1) + 1.0
        assert np.allclose(leaf, FOLDS[reduce](own), rtol=0.0, atol=8 * (500 + len(own)) * EPS * scale)


@pytest.mark.parametrize("reduce", FOLDS)
@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.filterwarnings("ignore:the result of:autograd_lite.DerivativeWarning")
def test_lanes_are_the_function_lane_by_lane(name, transform, reduce):
    """At every order, by every backend, for a table that all lanes share and for one of each lane: by one path."""
    f = TRANSFORMS[transform](FUNCTIONS[name])
    rng = np.random.default_rng(5)
    at = rng.integers(-LENGTH, LENGTH, size=(19, 4))
    tables = SMALL + rng.normal(size=(19, LENGTH, 3))
    if name == "scanned" and transform not in ("value", "gradient"):
        pytest.skip("its steps are written out one by one, as in every loop over lanes: a minute of tracing")
    for compiled in COMPILED.values():
        shared = compiled(al.vmap(f, in_axes=(None, 0), reduce=reduce))
        close(shared(SMALL, at), [f(SMALL, row) for row in at], reduce)
        own = compiled(al.vmap(f, reduce=reduce))
        close(own(tables, at), [f(table, row) for table, row in zip(tables, at, strict=True)], reduce)
        assert len(shared.paths()) == len(own.paths()) == 1


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_any_table_any_index(data):
    """Of any length and shape, along any axis, indices of any shape and kind, repeated and negative; lanes and sums."""
    shape = tuple(data.draw(st.lists(st.integers(1, 12), min_size=1, max_size=3)))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    lanes = data.draw(st.integers(1, 21))
    of_index = tuple(data.draw(st.lists(st.integers(1, 3), max_size=2)))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    count = shape[axis]
    index = rng.integers(-count, count, size=(lanes, *of_index)).astype(data.draw(st.sampled_from([float, int])))
    table, weights = (
        rng.normal(size=shape),
        rng.normal(size=np.take(np.zeros(shape), np.zeros(of_index, int), axis).shape),
    )
    f = lambda table, index: al.sum(np.ravel(al.take(table, index, axis=axis) ** 3 * weights))
    expected = np.zeros(shape)
    for row in index:
        where = np.moveaxis(np.arange(table.size).reshape(shape), axis, 0)[row.astype(int) % count]
        sent = (
            3.0
            * table.ravel()[where] ** 2
            * np.moveaxis(weights, range(a := axis % len(shape), a + len(of_index)), range(len(of_index)))
        )
        np.add.at(expected.reshape(-1), where.ravel(), sent.ravel())
    backend = data.draw(st.sampled_from(BACKENDS))
    values, total = (
        COMPILED[backend](al.vmap(g, in_axes=(None, 0), reduce=r)) for g, r in ((f, None), (al.grad(f), "sum"))
    )
    size = lanes * max(weights.size, 1)
    scale = 30.0 * np.abs(table).max() ** 3 * np.abs(weights).max() * size
    assert np.allclose(
        values(table, index), [f(table, row) for row in index], rtol=0.0, atol=8 * EPS * (size + 20) * scale
    )
    assert np.allclose(total(table, index), expected, rtol=0.0, atol=8 * EPS * (size + 20) * scale)


@pytest.mark.parametrize("name", BACKENDS)
def test_infinite_slopes_of_other_rows_stay_there(name):
    """In lanes that take them they are in the result; sums over lanes are made again by the careful program."""
    f = lambda v, i: al.take([al.sqrt(x) for x in v], i) * 2.0
    v = np.array([0.0, 4.0, -1.0, 9.0, math.nan, 1.0, 0.0, 2.0, 3.0, 16.0])
    each = COMPILED[name](al.vmap(al.grad(f), in_axes=(None, 0)))
    total = COMPILED[name](al.vmap(al.grad(f), in_axes=(None, 0), reduce="sum"))
    at = np.array([1.0, 3.0, 9.0, 5.0, 3.0])
    expected = np.array([al.grad(f)(v, i) for i in at])
    assert np.array_equal(each(v, at), expected) and np.allclose(total(v, at), expected.sum(axis=0), rtol=1e-15)
    at[2] = 0.0
    assert np.array_equal(each(v, at), [al.grad(f)(v, i) for i in at], equal_nan=True)
    assert total(v, at)[0] == math.inf and np.isfinite(total(v, at)[1:]).all()


@pytest.mark.parametrize("name", BACKENDS)
def test_forward_derivatives_look_up_too(name):
    """Jacobians by forward sweeps, tangents of tangents, and tangents of what was not taken."""
    many = lambda table, at: [row[0] * row[1] ** 2 for row in al.take(table, at)]
    at = np.tile(np.arange(LENGTH - 1.0), 5)
    expected = al.jacobian(many)(SMALL[:, :2], at)
    found = COMPILED[name](al.jacobian(many))(SMALL[:, :2], at)
    assert np.allclose(found, expected, rtol=1e-14)
    twice = lambda t, at: al.jvp(lambda t: al.jvp(lambda t: several(t, at), (t,), (DIRECTION,))[1], (t,), (SMALL,))
    compiled = COMPILED[name](twice)
    for row in (np.array([3, 0, -1, 3]), np.array([7, 7, 7, 1])):
        assert np.allclose(compiled(SMALL, row), twice(SMALL, row), rtol=1e-12)
    assert len(compiled.paths()) == 1
    names = [operation.name for operation, _ in compiled.paths()[0].tape.code]
    assert sum(name.startswith("row") for name in names) > 20 and sum(name == "where" for name in names) < 60
    f = lambda v, i, d: al.jvp(lambda v: al.take([al.sqrt(v[0]), *v[1:]], i), (v,), (d,))[1]
    v, d = np.arange(12.0), np.ones(12)
    assert [COMPILED[name](f)(v, i, d) for i in (0, 3)] == [math.inf, 1.0]
    constant = lambda x, i: al.jvp(lambda x: al.take([0.0] * 9 + [x, x * x], i) ** 0.5, (x,), (1.0,))[1]
    assert [COMPILED[name](constant)(4.0, i) for i in (0, 9, 10)] == [constant(4.0, i) for i in (0, 9, 10)]
