"""`vmap`: a row's result is eager's, whatever its neighbours, its place, the batch's size, layout and threads."""

import itertools
import math
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from corpus import EPS, NAMES, ORDERS, TABLE, bound_at, bounds, same_arrays, sample, thinned
from executors import COMPILED
from threads import at_once
from tiers import full, mostly_full

import autograd_lite as al
from autograd_lite import errors
from autograd_lite.tape.paths import Paths

SIZES = (0, 1, 2, 7, 8, 9, 63, 64, 65, 255, 256, 257, 1003)
RUNNERS = {"plain": lambda f: f, **COMPILED}
runners = pytest.mark.parametrize("runner", RUNNERS)


def exact(x, y):
    """Branches and + - * / sqrt only: bit for bit in lanes too."""
    return al.sqrt(x * x + y * y) / (1 + x * x) - x * y if x > 0 else (y - x) * y / 3


def smooth(x, y):
    """Functions that vector code approximates."""
    return al.sin(x) * al.exp(y) + al.tanh(x * y) if x > -0.5 else al.log1p(x * x) - al.sigmoid(y) * al.erf(x)


def rows(count, seed=0):
    """Two columns of normal numbers."""
    return np.random.default_rng(seed).normal(size=(2, count))


def by_row(f, *columns):
    """Eager results, row by row."""
    return np.array([f(*row) for row in zip(*(c.tolist() for c in columns), strict=True)], dtype=float)


# --- rows ---------------------------------------------------------------------------------------------------


@runners
@pytest.mark.parametrize("count", mostly_full(SIZES, slice(0, None, 3)))
def test_every_batch_size(runner, count):
    """Value and gradient of every row are eager's, bit for bit."""
    x, y = rows(count)
    slopes = al.grad(exact, argnums=(0, 1))
    run = RUNNERS[runner]
    assert same_arrays(run(al.vmap(exact))(x, y), by_row(exact, x, y))
    got = np.stack(run(al.vmap(slopes))(x, y), axis=-1)
    assert np.array_equal(got, by_row(slopes, x, y).reshape(count, 2))
    if runner != "plain":
        assert same_arrays(al.vmap(run(exact))(x, y), by_row(exact, x, y))


@pytest.mark.parametrize("runner", ["llvm", "numpy"])
def test_a_hundred_thousand_rows(runner):
    """Threads and blocks change nothing; the odd row at the end is there."""
    x, y = rows(100_003)
    f = RUNNERS[runner](al.vmap(exact))
    got = f(x, y)
    assert same_arrays(got, np.where(x > 0, np.sqrt(x * x + y * y) / (1 + x * x) - x * y, (y - x) * y / 3))
    assert same_arrays(f(x, y), got)
    assert same_arrays(f(x[-5:], y[-5:]), got[-5:])


@runners
def test_one_late_row_leaves_the_path(runner):
    """1,003 rows of which only the last goes another way, then only the first."""
    x, y = np.full(1003, 1.5), rows(1003)[1]
    f = RUNNERS[runner](al.vmap(exact))
    for place in (1002, 0, 500):
        x[:] = 1.5
        x[place] = -0.5
        assert same_arrays(f(x, y), by_row(exact, x, y))


@runners
def test_a_row_does_not_depend_on_its_neighbours(runner):
    """Permuted, embedded in another batch, beside NaN, alone: the same bits, also of vector functions."""
    x, y = rows(257)
    f = RUNNERS[runner](al.vmap(al.value_and_grad(smooth, argnums=(0, 1))))
    flat = lambda out: np.stack([out[0], *out[1]])
    whole = flat(f(x, y))
    order = np.random.default_rng(1).permutation(257)
    assert same_arrays(flat(f(x[order], y[order])), whole[:, order])
    for low, high in ((0, 1), (3, 4), (5, 12), (1, 9), (100, 164), (256, 257)):
        assert same_arrays(flat(f(x[low:high], y[low:high])), whole[:, low:high]), (low, high)
    spoilt_x, spoilt_y = x.copy(), y.copy()
    spoilt_x[::3], spoilt_y[1::3] = math.nan, math.inf
    assert same_arrays(flat(f(spoilt_x, spoilt_y))[:, 2::3], whole[:, 2::3])
    big = np.concatenate([rows(1000, 5)[0], x, rows(77, 6)[0]]), np.concatenate([rows(1000, 7)[1], y, rows(77, 8)[1]])
    assert same_arrays(flat(f(*big))[:, 1000:1257], whole)


@pytest.mark.parametrize("runner", ["llvm", "numpy"])
@pytest.mark.parametrize("name", mostly_full(NAMES, slice(2, None, 4)))
def test_primitives_over_lanes(runner, name):
    """Within the bounds of both sides (twice the stated one) of libm's, and exact at infinities and NaN."""
    table, points = TABLE[name], sample(name, 500)
    if name in ORDERS:
        points = points[points[:, ORDERS[name]] == points[0, ORDERS[name]]]
    columns = points.T.copy()
    expected = by_row(table, *columns)
    got = RUNNERS[runner](al.vmap(table))(*columns)
    stated = bounds(name, over_a_million=True)
    usual = np.isfinite(expected) & (np.abs(expected) > 1e-290)
    finite = np.isfinite(expected)
    assert np.array_equal(got[~finite], expected[~finite], equal_nan=True)
    for row, e, g in zip(points[usual], expected[usual], got[usual], strict=True):
        limit = 64.0 if stated is None else max(1.0, 2 * float(bound_at(stated[0], row)))
        if name in ("lgamma", "digamma", "polygamma", "sin", "cos", "tan"):
            limit = max(limit, 64.0)
        assert abs(g - e) <= limit * math.ulp(abs(e)), f"{name}{tuple(row)} = {g!r}, libm {e!r}"


SPECIAL = (
    0.0,
    -0.0,
    0.5,
    -1.0,
    1.0,
    2.0,
    2.0**53,
    5e-324,
    -5e-324,
    2.2e-308,
    1e200,
    -1e200,
    1.7976931348623157e308,
    math.inf,
    -math.inf,
    math.nan,
)


@pytest.mark.parametrize("runner", ["llvm", "numpy"])
@pytest.mark.parametrize("name", mostly_full(NAMES, slice(1, None, 4)))
def test_special_values_over_lanes(runner, name):
    """Zeros, infinities, NaN and subnormal numbers in lanes: eager's class, sign of zero included; within 4 ULP."""
    table = TABLE[name]
    kinds = [(0.0, 1.0, 2.0) if k == ORDERS.get(name) else SPECIAL for k in range(table.arity)]
    points = np.array(list(itertools.product(*kinds)))
    if name in ORDERS:
        points = points[points[:, ORDERS[name]] == 1.0]
    expected = by_row(table, *points.T)
    got = RUNNERS[runner](al.vmap(table))(*points.T)
    for row, e, g in zip(points, expected, got, strict=True):
        if not math.isfinite(e) or e == 0:
            assert same_arrays(g, e), f"{name}{tuple(row)} = {g!r}, eager {e!r}"
        else:
            assert abs(g - e) <= 4 * math.ulp(abs(e)), f"{name}{tuple(row)} = {g!r}, eager {e!r}"


# --- axes and layouts ---------------------------------------------------------------------------------------


@runners
def test_layouts_and_types(runner):
    """Strided, reversed, Fortran order, transposed, broadcast, read-only, other types: the numbers are what counts."""
    run = RUNNERS[runner]
    x, y = rows(64)
    f, expected = run(al.vmap(exact)), by_row(exact, x, y)
    locked = x.copy()
    locked.flags.writeable = False
    assert same_arrays(f(np.repeat(x, 3)[::3], y), expected)
    assert same_arrays(f(x[::-1], y[::-1]), expected[::-1])
    assert same_arrays(f(locked, y), expected)
    assert same_arrays(f(np.stack([x, y], 1)[:, 0], np.stack([x, y], 1)[:, 1]), expected)
    assert same_arrays(f(np.broadcast_to(1.5, (64,)), y), by_row(exact, np.full(64, 1.5), y))
    for code in ("f4", "f2", "i8", "i1", "u2", ">f8", ">i4", "?", "g"):
        z = (x * 3).astype(code)
        assert same_arrays(f(z, y), by_row(exact, z.astype(float), y)), code
    with pytest.raises(errors.ConversionError):
        f(np.full(64, 2**53 + 1), y)
    with pytest.raises(TypeError):
        f(np.full(64, 1j), y)
    assert same_arrays(x, rows(64)[0])


WAYS = {
    "one block of memory": lambda a: a,
    "every third number": lambda a: np.repeat(a, 3)[::3],
    "backwards": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "at an odd address": lambda a: np.frombuffer(b"x" + a.tobytes(), dtype=np.uint8)[1:].view(np.float64),
}


@pytest.mark.parametrize("count", [*SIZES, 15, 16, 17, 31, 271])
@runners
def test_outputs_of_any_shape_from_inputs_of_any_layout(runner, count):
    """Numbers, vectors and matrices among the outputs, in every size of a last block; each is one block of memory."""

    def f(x, y, v):
        return (
            x * y,
            [v[0] * x, v[1] - y, v[2]],
            np.array([[x, y, v[k] * v[0]] for k in range(3)]),
            (y, al.array(v[:1])),
        )

    (x, y), v = rows(count), np.random.default_rng(1).normal(size=(3, count)).T
    matrix = np.stack([np.stack([x, y, v[:, k] * v[:, 0]], 1) for k in range(3)], 1)
    expected = [x * y, v[:, 0] * x, v[:, 1] - y, v[:, 2], matrix, y, v[:, :1]]
    mapped = RUNNERS[runner](al.vmap(f))
    for name, way in WAYS.items():
        for rows_of_three in (v, np.ascontiguousarray(v)):
            product, [a, b, c], cube, (last, short) = mapped(way(x), way(y), rows_of_three)
            for got, wanted in zip([product, a, b, c, cube, last, short], expected, strict=True):
                assert same_arrays(got, wanted), name
                assert got.flags.c_contiguous, name
                assert got.flags.writeable, name


@pytest.mark.parametrize("place", [0, 7, 15, 16, 254, 255, 256, 599])
@runners
def test_a_lane_that_leaves_the_path_anywhere_in_a_block(runner, place):
    """One lane of 600 takes the other branch, first or last of a register, of a block, of all."""
    x, y = np.abs(rows(600)) + 0.1
    x[place] *= -1
    f = RUNNERS[runner](
        al.vmap(lambda x, y: [al.jacobian(lambda v: [exact(v[0], v[1]), v[0]])(al.array([x, y])), x / y])
    )
    for _ in range(2):
        [first, second], quotient = f(x, y)
        assert same_arrays(quotient, x / y)
        assert same_arrays(first, np.stack([al.jacobian(lambda v: exact(v[0], v[1]))(p) for p in np.stack([x, y], 1)]))
        assert same_arrays(second, np.tile([1.0, 0.0], (600, 1)))


@runners
def test_rows_may_repeat_one_number_in_memory(runner):
    """`np.broadcast_to` gives rows whose stride is 0: machine code raised ValueError."""
    run = RUNNERS[runner]
    x = np.broadcast_to(rows(5)[0][:, None], (5, 3))
    assert same_arrays(run(al.vmap(lambda row: row[0] + row[1] * row[2]))(x), x[:, 0] + x[:, 1] * x[:, 2])


@runners
def test_axes(runner):
    """Positive and negative axes of arrays in any order."""
    run = RUNNERS[runner]
    cube = np.random.default_rng(0).normal(size=(5, 17, 3))
    f = lambda m: m[0, 1] * m[4, 2] - m[2, 0] / m[1, 1]
    g = lambda m: m * 2 + m[0, 0]
    expected = f(cube.transpose(0, 2, 1))
    for array in (
        cube,
        np.asfortranarray(cube),
        np.ascontiguousarray(cube.transpose(2, 0, 1)).transpose(1, 2, 0),
        cube[::-1][::-1],
    ):
        for axis in (1, -2, (1,), [1]):
            assert same_arrays(run(al.vmap(f, in_axes=axis))(array), expected)
        assert same_arrays(
            run(al.vmap(g, in_axes=1))(array), cube.transpose(1, 0, 2) * 2 + cube[0, :, 0][:, None, None]
        )
    assert run(al.vmap(lambda m: m.sum(), in_axes=-1))(cube).shape == (3,)


@runners
def test_nests_of_axes(runner):
    """None shares, a nest of axes follows the argument's nest, one axis serves a whole nest."""
    run = RUNNERS[runner]
    x, y = rows(9)
    assert same_arrays(run(al.vmap(exact, in_axes=(None, 0)))(0.3, y), by_row(exact, np.full(9, 0.3), y))
    d = {"a": x, "b": (2.0, np.stack([y, y]))}
    f = lambda d, z: d["a"] * d["b"][0] + d["b"][1] * z
    got = run(al.vmap(f, in_axes=({"a": 0, "b": (None, 1)}, None)))(d, 3.0)
    assert same_arrays(got, np.stack([x * 2 + y * 3] * 2, 1))
    assert same_arrays(run(al.vmap(lambda d, z: d["a"] * z, in_axes=(None, 0)))({"a": 2.0}, x), 2 * x)
    assert same_arrays(run(al.vmap(lambda d: d["a"] * d["b"]))({"a": x, "b": y}), x * y)
    assert same_arrays(run(al.vmap(lambda s, t=1.0: s * t))(x, t=y), x * y)
    shared = np.arange(3.0)
    assert same_arrays(run(al.vmap(lambda w, s: w * s, in_axes=(None, 0)))(shared, x), x[:, None] * shared)
    assert same_arrays(run(al.vmap(lambda s, m: s * 2 if m == "d" else s, in_axes=(0, None)))(x, "d"), x * 2)


@runners
def test_outputs(runner):
    """Nests of outputs get an axis of lanes first; what does not depend on the lane too."""
    run = RUNNERS[runner]
    x = rows(5)[0]
    out = run(al.vmap(lambda s: {"v": s, "w": [s * s, 1.0, np.array([s, 2.0])], "c": s > 0, "n": int(s * 3)}))(x)
    assert same_arrays(out["v"], x) and same_arrays(out["w"][0], x * x) and same_arrays(out["w"][1], np.ones(5))
    assert same_arrays(out["w"][2], np.stack([x, np.full(5, 2.0)], 1))
    assert out["c"].tolist() == (x > 0).tolist() and out["n"].tolist() == [int(v * 3) for v in x]
    assert run(al.vmap(lambda s: 3.0))(x).tolist() == [3.0] * 5
    out["v"][:] = 0
    assert same_arrays(x, rows(5)[0])


@runners
def test_no_lanes(runner):
    """A batch of none gives empty results of the right nest, sums of 0.0."""
    run, none = RUNNERS[runner], np.zeros(0)
    assert run(al.vmap(exact))(none, none).shape == (0,)
    assert run(al.vmap(exact, reduce="sum"))(none, none) == 0.0
    assert run(al.vmap(lambda w, x: w * x, in_axes=(None, 0)))(np.ones(3), none).shape == (0, 3)


@runners
def test_mismatches_are_named(runner):
    """Numbers of lanes, axes and values that cannot be mapped: the message says which and how many."""
    run = RUNNERS[runner]
    x, y = rows(9)
    for arguments, axes, text in (
        ((x, y[:5]), 0, "9 lanes.*5"),
        ((x, 2.0), 0, "2.0, which is no array"),
        ((1.0, 2.0), (None, None), "none of its arguments"),
        ((x, y), (1, 0), "axis 1"),
        ((x, y), (0, -2), "axis -2"),
        ((x, y), (0, 0, 0), "2 positional arguments"),
        ((x, y), (0,), "2 positional arguments"),
        (([1.0, 2.0], x), 0, "1.0, which is no array"),
    ):
        with pytest.raises(errors.ArgumentError, match=text):
            run(al.vmap(exact, in_axes=axes))(*arguments)
    with pytest.raises(errors.ArgumentError, match="max"):
        al.vmap(exact, reduce="max")
    with pytest.raises(errors.ArgumentError, match=r"What f is mapped over comes later: vmap\(f\)\(x\)"):
        al.vmap(lambda x: x, np.ones(2))
    assert repr(al.vmap(al.sum, (None, 0), reduce="sum")) == "<vmap(sum), in_axes=(None, 0), reduce='sum'>"
    with pytest.raises(errors.ArgumentError, match="structure"):
        run(al.vmap(lambda s: (s, s) if s > 0 else s))(np.array([1.0, -1.0]))
    f = run(al.vmap(exact))
    with pytest.raises(errors.ArgumentError):
        f(x, y[:5])
    assert same_arrays(f(x, y), by_row(exact, x, y))


# --- reductions ---------------------------------------------------------------------------------------------


@runners
@pytest.mark.parametrize("count", mostly_full([1, 2, 7, 8, 9, 63, 65, 256, 257, 1003], slice(0, None, 3)))
@pytest.mark.parametrize("reduce", ["sum", "mean"])
def test_reductions(runner, count, reduce):
    """n·eps of the absolute sum, in any order of additions, for value and gradients by shared and mapped arguments."""
    x, y = rows(count)
    weights = {"a": 0.5, "b": np.array([0.25, -1.5])}
    f = lambda w, s, t: exact(s * w["a"], t) * w["b"][0] + w["b"][1] * t
    run, each = RUNNERS[runner], al.value_and_grad(f)
    value, gradient = run(al.vmap(each, in_axes=(None, 0, 0), reduce=reduce))(weights, x, y)
    parts = [each(weights, s, t) for s, t in zip(x.tolist(), y.tolist(), strict=True)]
    table = np.array([[v, g["a"], *g["b"]] for v, g in parts])
    scale = 1.0 if reduce == "sum" else 1.0 / count
    expected = np.array([math.fsum(column) for column in table.T]) * scale
    bound = (count + 1) * EPS * np.abs(table).sum(axis=0) * scale
    assert type(value) is float and type(gradient["a"]) is float and gradient["b"].shape == (2,)
    assert np.all(np.abs(np.array([value, gradient["a"], *gradient["b"]]) - expected) <= bound)


@pytest.mark.parametrize("runner", ["llvm", "numpy"])
def test_gradient_of_a_reduction(runner):
    """grad outside vmap(reduce) = vmap(grad, reduce)."""
    run, x = RUNNERS[runner], rows(300)[0]
    loss = lambda w, s: al.tanh(w * s) ** 2
    outside = run(al.grad(lambda w: al.vmap(lambda s: loss(w, s), reduce="mean")(x)))(0.7)
    passed = run(al.grad(lambda w, xs: al.vmap(loss, in_axes=(None, 0), reduce="mean")(w, xs)))(0.7, x)
    inside = run(al.vmap(al.grad(loss), in_axes=(None, 0), reduce="mean"))(0.7, x)
    bound = 8 * 300 * EPS * np.abs([al.grad(loss)(0.7, s) for s in x.tolist()]).sum()
    assert max(abs(outside - inside), abs(passed - inside)) <= bound


REPRODUCE = """
import numpy as np, sys, threading
import autograd_lite as al
x, y = np.random.default_rng(0).normal(size=(2, 100_003))
f = lambda w, s, t: al.tanh(w * s) * al.exp(t) if s > 0 else w * w * t
total = al.jit(al.vmap(al.value_and_grad(f), in_axes=(None, 0, 0), reduce="sum"), backend=sys.argv[1])
print([v.hex() for _ in range(3) for v in total(0.7, x, y)])
print(al.jit(al.vmap(f, in_axes=(None, 0, 0)), backend=sys.argv[1])(0.7, x, y).tobytes().hex()[-4000:])
"""


@pytest.mark.parametrize("backend", ["llvm", pytest.param("numpy", marks=full)])
def test_sums_are_reproducible(backend):
    """Same bits from process to process, and on one core as on all."""

    def outputs(prefix):
        command = [*prefix, sys.executable, "-c", REPRODUCE, backend]
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout

    one = "import os, sys; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); os.execv(sys.argv[1], sys.argv[1:])"
    plain = outputs([])
    assert plain == outputs([])
    if hasattr(os, "sched_setaffinity"):
        assert plain == outputs([sys.executable, "-c", one])


# --- branches, NaN, nesting ---------------------------------------------------------------------------------


@runners
def test_where_and_relu_in_lanes(runner):
    """A branch not taken contributes nothing, in any lane, first and second order."""
    run, x = RUNNERS[runner], np.array([0.0, -1.0, 4.0, math.nan, 1.0, 0.25, -0.0, math.inf, 9.0])
    for f in (
        lambda t: al.where(t < 1, t, al.sqrt(t)),
        lambda t: al.where(al.less(t, 1.0), t, al.sqrt(t)),
        lambda t: al.where(t > 0, al.log(t), t * t),
        lambda t: al.where(al.less(0.0, t), al.log(t) / t, t * t),
        lambda t: al.sqrt(al.relu(t - 1)) + t,
        lambda t: al.relu(t) * 2 + al.clip(t, 0, 1),
        lambda t: al.maximum(t, al.log(t)),
        abs,
    ):
        for g in (al.grad(f), al.grad(al.grad(f))):
            got, expected = run(al.vmap(g))(x), by_row(g, x)
            assert np.array_equal(got, expected, equal_nan=True), f"{got}, eager {expected}"


@runners
def test_lanes_that_take_many_paths(runner):
    """Loops of different lengths, indexing, integers, sorting: lane by lane."""
    run = RUNNERS[runner]

    def steps(n):
        total = 0.0
        while n != 1:
            n = n / 2 if n % 2 == 0 else 3 * n + 1
            total = total + n
        return total

    table = [10.0, 20.0, 30.0, 40.0]
    for f, column in (
        (steps, np.array([1.0, 2, 3, 6, 3, 2, 10, 5, 1])),
        (lambda i: table[int(i)] * i, np.array([0.0, 2, 1.5, 3.9, 2, -1])),
        (lambda i: table[i] * 2 if isinstance(i, al.Variable) else table[int(i)] * 2, np.array([0.0, 2, 1, 3, 2])),
        (lambda i: sorted([i, 1.0, i * i])[1], rows(20)[0]),
        (lambda i: max(i, 1.0, -i), np.array([1.0, -1.0, math.nan, 0.5, 2.0])),
        (lambda i: al.round(i) * i, rows(20)[0] * 2),
    ):
        assert same_arrays(run(al.vmap(f))(column), by_row(f, column))


@runners
def test_too_many_paths_in_one_batch(runner):
    """Every row its own path: right, with one warning of that, and one that names `int`."""
    f = lambda i: i * int(i)
    x = np.arange(200.0) + 0.5
    mapped = RUNNERS[runner](al.vmap(f))
    with pytest.warns(match="path") as caught:
        assert same_arrays(mapped(x), x * np.arange(200.0))
    assert [w.category for w in caught] == [al.PathWarning, RuntimeWarning]


@runners
def test_an_exception_in_one_lane(runner):
    """Raised as eager raises it; other batches work."""

    def f(t):
        if t < 0:
            raise ValueError("a negative lane")
        return al.sqrt(t)

    mapped = RUNNERS[runner](al.vmap(f))
    assert mapped(np.array([1.0, 4.0])).tolist() == [1.0, 2.0]
    for _ in range(2):
        with pytest.raises(ValueError, match="a negative lane"):
            mapped(np.array([1.0, 4.0, -1.0]))
    assert mapped(np.array([9.0, 4.0])).tolist() == [3.0, 2.0]


@runners
def test_vmap_of_vmap(runner):
    """Two axes of lanes, in both orders, with and without a reduction."""
    run = RUNNERS[runner]
    x, y = rows(7)[0], rows(5, 1)[1]
    expected = np.array([[exact(s, t) for t in y.tolist()] for s in x.tolist()])
    assert same_arrays(run(al.vmap(al.vmap(exact, in_axes=(None, 0)), in_axes=(0, None)))(x, y), expected)
    assert same_arrays(run(al.vmap(al.vmap(exact, in_axes=(0, None)), in_axes=(None, 0)))(x, y), expected.T)
    inner = al.vmap(exact, in_axes=(None, 0), reduce="sum")
    assert np.allclose(run(al.vmap(inner, in_axes=(0, None)))(x, y), expected.sum(axis=1), rtol=1e-13, atol=1e-13)
    grid = rows(12)[0].reshape(3, 4)
    assert same_arrays(
        run(al.vmap(al.vmap(lambda s: s * s if s > 0 else -s)))(grid), np.where(grid > 0, grid * grid, -grid)
    )


@runners
def test_closed_over_variables(runner):
    """Live, differentiable, and guards on them are evaluated at each call."""
    run, x = RUNNERS[runner], np.array([1.0, 2.0, 3.0])
    w = al.Variable(2.0)
    total = run(al.vmap(lambda s: s * w if w > 0 else s - w, reduce="sum"))
    assert float(getattr(total(x), "value", total(x))) == 12.0
    assert al.gradients(total(x), w) == 6.0
    w.value = -1.0
    assert total(x).value == 9.0
    assert al.gradients(total(x), w) == -3.0


@runners
def test_mapping_variables(runner):
    """Arrays of Variables go in, differentiable ones come out."""
    run = RUNNERS[runner]
    leaves = [al.Variable(v) for v in (1.0, -2.0, 3.0)]
    out = run(al.vmap(lambda s: s * s if s > 0 else 3 * s))(np.array(leaves))
    assert [v.value for v in out] == [1.0, -6.0, 9.0]
    assert al.gradients(al.sum(out), leaves) == [2.0, 3.0, 6.0]


@runners
def test_jacobians_and_hessians_in_lanes(runner):
    """Dense second derivatives of every row."""
    run = RUNNERS[runner]
    points = np.random.default_rng(0).normal(size=(6, 2))
    f = lambda v: v[0] * v[0] * v[1] - v[1] / (1 + v[0] * v[0]) if v[0] > v[1] else v[0] * v[1]
    assert np.array_equal(run(al.vmap(al.hessian(f)))(points), np.stack([al.hessian(f)(p) for p in points]))
    g = lambda v: [v[0] * v[1], v[0] / v[1]]
    got = run(al.vmap(al.jacobian(g)))(points)
    assert np.array_equal(np.stack(got, 1), np.stack([np.stack(al.jacobian(g)(p)) for p in points]))


@pytest.mark.parametrize("backend", ["llvm", "numpy"])
def test_square_is_a_product(backend):
    """x**2 is x·x, correctly rounded, in lanes as elsewhere."""
    x = np.random.default_rng(0).normal(size=1000)
    np.testing.assert_array_equal(al.jit(al.vmap(lambda t: t**2), backend=backend)(x), x * x)


def test_what_a_primitive_raises_reaches_the_caller_of_a_sum():
    """Not the next caller, and not nobody."""

    def refuse(x):
        if x > 2:
            raise KeyError("too large")
        return x

    rule = al.Primitive(name="refusing", value=refuse, partials=(1.0,), replace=True)
    total = al.jit(al.vmap(lambda x: rule(x), reduce="sum"))
    assert total(np.array([1.0, 2.0])) == 3.0
    with pytest.raises(KeyError, match="too large"):
        total(np.array([1.0, 3.0]))
    assert total(np.array([1.0, 2.0])) == 3.0


# --- results that are no floats -----------------------------------------------------------------------------


@runners
@pytest.mark.parametrize(
    "f",
    [
        lambda v: "positive" if v > 0 else "no",
        lambda v: "no" if v > 0 else "negative or nothing",
        lambda v: True if v > 0 else 5,
        lambda v: 5 if v > 0 else True,
        lambda v: np.int8(3) if v > 0 else 1000,
        lambda v: 2**63 if v > 0 else -1,
        lambda v: 10**30 if v > 0 else 1,
        lambda v: 1j if v > 0 else 2j,
        lambda v: "text" if v > 0 else 5,
        lambda v: b"bytes" if v > 0 else "text",
        lambda v: abs if v > 0 else len,
        lambda v: np.array([1, 2, 3]),
        lambda v: np.array([1, 2]),
        lambda v: np.array([1, 2]) if v > 0 else np.array([True, False]),
        lambda v: np.array(["a", "b"]) if v > 0 else np.array(["longer", "text"]),
        lambda v: np.array([1, 2]) if v > 0 else np.array([v, v]),
        lambda v: v if v > 0.25 else 0,
        lambda v: 0 if v > 0.25 else v,
        lambda v: v if v > 0 else v > 1,
    ],
)
def test_results_that_are_no_floats_are_kept_whole(runner, f):
    """Texts, flags, integers, arrays and objects: each lane's is that of the function, whatever the others return."""
    for x in (np.array([3.0, -1.0, 0.5]), np.array([-1.0, 3.0]), np.array([2.0]), np.array([-2.0, -3.0])):
        for _ in range(2):
            got, expected = RUNNERS[runner](al.vmap(f))(x), [f(v) for v in x.tolist()]
            assert got.tolist() == [e.tolist() if isinstance(e, np.ndarray) else e for e in expected]


@runners
def test_the_usual_relu_returns_an_integer_zero(runner):
    """`x if x > 0 else 0`: integers beside floats are floats, and are added up as such."""

    def relu(v):
        if v > 0:
            return v
        return 0

    run, x = RUNNERS[runner], np.array([3.0, -1.0, 0.5])
    assert same_arrays(run(al.vmap(relu))(x), np.array([3.0, 0.0, 0.5]))
    for reduce, scale in (("sum", 1.0), ("mean", 3.0)):
        assert run(al.vmap(relu, reduce=reduce))(x) == 3.5 / scale
        assert same_arrays(run(al.vmap(relu, reduce=reduce))(-x), 1.0 / scale)
        assert same_arrays(run(al.vmap(relu, reduce=reduce))(-np.abs(x)), 0.0)
    assert same_arrays(run(al.grad(lambda v: al.sum(al.vmap(relu)(v))))(x), np.array([1.0, 0.0, 1.0]))
    both = run(al.vmap(lambda v: (relu(v), v > 0, 1), reduce="sum"))(x)
    assert both == (3.5, 2.0, 3.0)
    with pytest.warns(match="path"):
        assert run(al.vmap(lambda v: v if v > 150 else int(v)))(np.arange(200.0)).tolist() == list(range(200))


@runners
def test_results_that_fit_into_no_array_are_refused(runner):
    """Texts beside floats, arrays of two lengths, integers that no float is equal to, sums of texts."""
    run, x = RUNNERS[runner], np.array([3.0, -1.0, 0.5])
    for f in (
        lambda v: "text" if v > 1 else v,
        lambda v: "text" if v > 1 else 1 if v > 0 else v,
        lambda v: np.array([1, 2]) if v > 0 else np.array([1, 2, 3]),
        lambda v: np.array([1, 2]) if v > 0 else v,
    ):
        for lanes in (x, x[::-1]):
            with pytest.raises(errors.ArgumentError, match="in some lanes"):
                run(al.vmap(f))(lanes)
    with pytest.raises(errors.ConversionError, match="9007199254740993"):
        run(al.vmap(lambda v: v if v > 0 else 2**53 + 1))(x)
    for f in (lambda v: "text", lambda v: (v, "text"), lambda v: "text" if v > 0 else 1):
        with pytest.raises(errors.ArgumentError, match="Return numbers only"):
            run(al.vmap(f, reduce="sum"))(x)


@runners
def test_numbers_that_no_float_is_equal_to_are_refused(runner):
    """Long doubles and integers are converted exactly or not at all; NaN and infinities are."""
    f = RUNNERS[runner](al.vmap(lambda v: v * 2))
    assert same_arrays(f(np.array([0.5, math.nan, -math.inf], dtype="g")), np.array([1.0, math.nan, -math.inf]))
    assert f(np.array([2**53, 2**60, 2**63], dtype="u8")).tolist() == [2.0**54, 2.0**61, 2.0**64]
    wrong = [np.array([1, 2**64 - 1], dtype="u8"), np.array([1, 2**63 - 1]), np.array([2**53 + 1, 1])]
    if np.finfo("g").nmant > 52:
        wrong += [np.array([1, 3], dtype="g") / 3, np.array(["1e400"], dtype="g")]
    for numbers in wrong:
        with pytest.raises(errors.ConversionError, match="not exactly representable"):
            f(numbers)


# --- threads ------------------------------------------------------------------------------------------------


def branching(t):
    """Four paths, none of which vector code and libm compute alike."""
    if t > 1:
        return al.exp(-t) * al.sin(t)
    if t > 0:
        return al.log1p(t) * al.tanh(t)
    return al.sin(t) / (2 + t * t) if t > -1 else al.cosh(t)


def one_by_one(f):
    """A function of arrays that calls `f` for each number."""
    return lambda x: np.array([f(t) for t in x.tolist()])


@pytest.mark.parametrize("kind", ["lanes", "one lane", "scan"])
def test_a_path_that_another_thread_has_just_added_serves(kind, monkeypatch):
    """A thread that finds no path waits; another adds that path; the first one runs it, and not the function itself."""
    x = np.array([2.0, 0.5, -0.5, -2.0])
    make = {
        "lanes": lambda: al.jit(al.vmap(branching)),
        "one lane": lambda: one_by_one(al.jit(branching)),
        "scan": lambda: al.jit(lambda x: al.scan(lambda c, t: (branching(c) + t, c), 1.5, x)[1]),
    }[kind]
    serial, f = make()(x), make()
    f(np.full(4, 2.0))  # both know one path
    other, waited, eager = threading.Thread(target=f, args=(x,)), threading.Event(), []
    others, run = Paths.others, Paths.eager

    def late(self, path, failed, tried):
        found = others(self, path, failed, tried)
        if not found and threading.current_thread() is not other and not waited.is_set():
            waited.set()
            other.start()
            other.join()
        return found

    monkeypatch.setattr(Paths, "others", late)
    monkeypatch.setattr(Paths, "eager", lambda self, numbers: eager.append(numbers) or run(self, numbers))
    assert same_arrays(f(x), serial)
    assert waited.is_set() and not eager


@pytest.mark.parametrize("backend", ["llvm", "numpy", "python"])
def test_eight_threads_cold_and_warm(backend):
    """Concurrent calls of one mapped function that branches give the serial bits, at the smallest switch interval."""
    x = np.random.default_rng(0).normal(size=64) * 2
    make = lambda: [
        al.jit(al.vmap(al.value_and_grad(branching)), backend=backend),
        al.jit(al.vmap(branching, reduce="sum"), backend=backend),
    ]
    bits = lambda f: np.concatenate([np.ravel(part) for part in np.atleast_1d(f(x))]).tobytes()
    expected = [bits(f) for f in make()]
    for _ in range(4):
        functions, found = make(), []

        def work(k, functions=functions, found=found):
            for _ in range(2):  # cold, then warm
                found.append([bits(f) for f in functions])

        at_once(work, interval=1e-6)
        assert found == [expected] * 16


# --- a NaN row in a sum -------------------------------------------------------------------------------------

WITH_A_BAD_ROW = {
    "gradient": al.grad(lambda w, x: w * 2 + x),
    "second derivative": al.grad(al.grad(lambda w, x: w * w * 2 + x)),
    "gradient behind a branch": al.grad(lambda w, x: w * 2 + x if w > 0 else w * 3 + x),
    "Hessian": lambda w, x: al.hessian(lambda v: v[0] * v[1] + x)(np.array([1.0, 2.0]) * w),
    "one of two": lambda w, x: (al.grad(lambda w: w * 2 + x)(w), w * x),
    "many parameters": lambda w, x: al.grad(lambda v: al.sum(v) * w + x)(np.arange(40.0)),
    "inner gradient": lambda w, x: w * al.grad(lambda t: 3 * t + x)(w),
}


@pytest.mark.parametrize("reduce", ["sum", "mean"])
@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("name", mostly_full(WITH_A_BAD_ROW, slice(0, None, 2)))
def test_a_nan_row_reaches_the_sum(name, runner, reduce):
    """A sum of derivatives is NaN where one row's is, also if the NaN value of that row does not reach the derivative."""
    f, x = WITH_A_BAD_ROW[name], np.linspace(-1.0, 2.0, 150)
    run = RUNNERS[runner]
    total, separate = run(al.vmap(f, (None, 0), reduce=reduce)), run(al.vmap(f, (None, 0)))
    parts = lambda result: result if isinstance(result, tuple) else (result,)
    for place in (None, 0, 77, 149):
        rows = x.copy()
        if place is not None:
            rows[place] = math.nan
        for each, added in zip(parts(separate(1.5, rows)), parts(total(1.5, rows)), strict=True):
            assert np.array_equal(np.isnan(each).any(axis=0), np.isnan(added))
            assert np.isnan(added).all() == (place is not None)


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_sum_without_doubt_is_the_same_beside_infinite_values(runner):
    """Values of +inf and -inf whose sum is NaN do not make a finite sum of derivatives NaN."""
    f = al.vmap(al.grad(lambda w, x: w * 2 + x), (None, 0), reduce="sum")
    assert RUNNERS[runner](f)(1.0, np.array([math.inf, 1.0, -math.inf])) == 6.0


# --- special values, one by one -----------------------------------------------------------------------------

EVERY_SPECIAL = [
    sign * x
    for x in (
        *(0.0, 0.5, 1 / 3, 1.0, 1 + EPS, 1 - EPS / 2, math.pi / 2, 2.0, 3.0, 2.0**53),
        *(5e-324, 2.2e-308, 1e200, 1e-200, sys.float_info.max, math.inf),
    )
    for sign in (1.0, -1.0)
] + [math.nan]


def alike(got, expected, points):
    """The same infinity, NaN and zero with its sign; what is finite within 16 ULP of the largest number involved."""
    with np.errstate(all="ignore"):
        largest = np.maximum(np.abs(expected), np.abs(np.where(np.isfinite(points), points, 0.0)).max(axis=1))
        near = np.abs(got - expected) <= 16 * EPS * largest  # 8 ULP on either side; a difference may cancel
    finite = np.isfinite(got) & np.isfinite(expected) & ((got == 0.0) == (expected == 0.0)) & near
    zero = (got == 0.0) & (expected == 0.0)
    same = (got == expected) | (np.isnan(got) & np.isnan(expected)) | finite
    return same & (~zero | (np.signbit(got) == np.signbit(expected)))


@pytest.mark.parametrize("runner", ["plain", "llvm", "numpy"])
@pytest.mark.parametrize("name", mostly_full(NAMES, slice(0, None, 4)))
def test_lanes_follow_the_rule_at_every_special_value(name, runner):
    """A primitive over lanes at each special value is the rule's own value; also where an argument is constant or shared."""
    rule, run = TABLE[name], RUNNERS[runner]
    points = np.array(thinned(list(itertools.product(EVERY_SPECIAL, repeat=rule.arity)), 40_000))
    expected = np.array([rule.value(*point) for point in points.tolist()])
    assert alike(run(al.vmap(rule))(*points.T.copy()), expected, points).all()
    assert alike(run(al.vmap(rule))(*points[:1].T.copy()), expected[:1], points[:1]).all()
    if rule.arity != 2 or name in ORDERS:
        return
    shared, mapped = run(al.vmap(rule, (0, None))), np.array(EVERY_SPECIAL)
    for exponent in (0.5, -0.5, 1 / 3, 2.0, 3.0, -1.0, 0.0, -0.0, math.inf, math.nan):
        column = np.array([[x, exponent] for x in EVERY_SPECIAL])
        wanted = np.array([rule.value(x, exponent) for x in EVERY_SPECIAL])
        constant = run(al.vmap(lambda x, c=exponent: rule(x, c)))
        for got in (shared(mapped, exponent), constant(mapped)):
            assert alike(np.asarray(got), wanted, column).all(), (exponent, mapped[~alike(got, wanted, column)])


def branches(x):
    """As many paths as there are signs of twelve numbers."""
    total = 0.0
    for k, number in enumerate(x):
        total = total + (number * number if number > 0 else k * number)
    return total


@pytest.mark.parametrize("backend", ["llvm", "numpy"])
@pytest.mark.filterwarnings("ignore:.*has taken 4 different paths:RuntimeWarning")
def test_past_max_paths_short_batches_run_the_function_at_once(backend):
    """When calls in a row ran more programs than these served lanes; with its results, also of captured Variables."""
    rng, w = np.random.default_rng(0), al.Variable(2.0)
    compiled = al.jit(al.vmap(al.grad(branches)), max_paths=4, backend=backend)
    captured = al.jit(al.vmap(lambda x: branches(x) * w), max_paths=4, backend=backend)
    for _ in range(12):
        x = rng.normal(size=(3, 12))
        assert same_arrays(compiled(x), np.array([al.grad(branches)(row) for row in x]))
        assert [y.value for y in captured(x)] == [branches(row) * 2.0 for row in x]
    family = next(iter(compiled._families.values()))
    assert family.skips > 0
    served, skips = [path.lanes for path in compiled.paths()], family.skips
    x[1, 0] = math.nan
    assert same_arrays(compiled(x), np.array([al.grad(branches)(row) for row in x]))
    assert [path.lanes for path in compiled.paths()] == served and family.skips == skips - 1
    family.skips = 1
    known = np.array([path.tape.example for path in compiled.paths()])
    compiled(known)
    compiled(known)  # paths are tried again, and serve
    assert family.skips == 0 and sum(path.lanes for path in compiled.paths()) == sum(served) + 4
    y = captured(x[:1])[0]
    assert al.gradients(y, w) == branches(x[0])


@pytest.mark.parametrize("backend", ["llvm", "numpy"])
def test_lanes_of_many_paths_are_put_together(backend):
    """Integers of some paths and floats of others, flags, texts, doubt: each lane has what its own path gives."""

    def f(x):
        if x > 3:
            return x * x, 1, "high", al.where(x > 4, al.sqrt(x - 4), 0.0)
        if x > 1:
            return 2, x, "some", 0.0
        return (al.sin(x), 3, "low", x) if x > 0 else (x, -x, "none", 1.0)

    x = np.random.default_rng(3).permutation(np.linspace(-1.0, 6.0, 1000))
    compiled = al.jit(al.vmap(f), backend=backend)
    for part in (x, x[:7], x[::-3]):
        found, rows = compiled(part), [f(number) for number in part]
        for column, own in zip(found, zip(*rows, strict=True), strict=True):
            assert (
                column.tolist() == pytest.approx(list(own), rel=1e-15)
                if column.dtype == float
                else column.tolist() == list(own)
            )
    assert len(compiled.paths()) == 4
