"""`vmap` in graphs and traces: one operation with derivatives of every order; captured Variables; what is not sent."""

import copy
import math
import pickle
import tracemalloc

import numpy as np
import pytest
from executors import COMPILED
from tiers import mostly_full

import autograd_lite as al
from autograd_lite.arrays import VariableArray
from autograd_lite.backward import Reach
from autograd_lite.tape.backends.numpy import ArrayLanes
from autograd_lite.tape.lane_paths import LanePaths
from autograd_lite.tape.llvm import engine
from autograd_lite.tape.llvm.backend import MachineLanes

RUNNERS = {"eager": lambda f: f, **COMPILED}
runners = pytest.mark.parametrize("runner", RUNNERS)
ROWS = np.array([1.5, -0.3, 0.7, -2.0, 0.0])


def branching(w, x):
    """A lane that branches."""
    return al.tanh(w * x) * w if x > 0 else w * w * x


def selecting(w, x):
    """A lane that selects."""
    return al.where(al.less(w, x), w * al.exp(-x), w * w * x)


def several(w, x):
    """A lane with two outputs."""
    return w * x, al.exp(-w * x * x)


def smooth(w, x):
    """A lane without branches."""
    return al.tanh(w * x) * w


def one_after_the_other(f, reduce):
    """What `vmap(f, (None, 0), reduce=reduce)` gives, as lists of outputs, in plain Python."""

    def run(w, rows):
        outputs = [f(w, x) for x in rows]
        columns = list(zip(*outputs, strict=True)) if isinstance(outputs[0], tuple) else [outputs]
        if reduce is None:
            return [y for column in columns for y in column]
        return [sum(c[1:], c[0]) / (len(c) if reduce == "mean" else 1.0) for c in columns]

    return run


def flat(result):
    """The numbers of a mapped result in the same order."""
    parts = result if isinstance(result, tuple) else (result,)
    return [y for part in parts for y in (part if isinstance(part, np.ndarray) else [part])]


def loss(outputs, w):
    """A number of all outputs, each with a weight and a curvature of its own, and a regulariser."""
    total = 0.1 * w * w
    for k, y in enumerate(outputs):
        total = total + (1 + 0.3 * k) * y * y
    return total


TRANSFORMS = {
    "value": lambda f: f,
    "gradient": al.grad,
    "gradient by rows": lambda f: al.grad(f, 1),
    "gradient by both": lambda f: al.grad(f, (0, 1)),
    "second": lambda f: al.grad(al.grad(f)),
    "third": lambda f: al.grad(al.grad(al.grad(f))),
    "Hessian": al.hessian,
    "mixed": lambda f: lambda w, r: al.grad(lambda r: al.grad(f)(w, r))(r),
    "Jacobian": al.jacobian,
    "forward over reverse": lambda f: lambda w, r: al.jvp(al.grad(f), (w, r), (1.0, np.ones(len(r))))[1],
    "captured": lambda f: lambda w, r: al.grad(lambda v: f(0.7, r * v))(w),
    "pulled back": lambda f: lambda w, r: al.vjp(f, w, r)[1](2.0),
}


#: Each transform with each runner, each function and each reduction, though not with all at once.
CASES = [
    (transform, f, reduce, runner)
    for k, transform in enumerate(TRANSFORMS)
    for m, runner in enumerate(RUNNERS)
    for f, reduce in [
        ((branching, selecting, several)[(k + m) % 3], (None, "sum", "mean")[(k + m // 2) % 3]),
        ((smooth, branching, several)[(k + m) % 3], ("mean", None, "sum")[(k + m) % 3]),
    ]
]


@pytest.mark.parametrize(
    "case", mostly_full(CASES, slice(0, None, 3)), ids=lambda case: f"{case[0]}-{case[1].__name__}-{case[2]}-{case[3]}"
)
def test_a_vmap_inside_a_transform_is_the_loop(case):
    """Every derivative of a function with a vmap in it is that of the loop over its rows, on every path."""
    transform, f, reduce, runner = case
    mapped = lambda w, r: loss(flat(al.vmap(f, (None, 0), reduce=reduce)(w, r)), w)
    plain = lambda w, r: loss(one_after_the_other(f, reduce)(w, r), w)
    run, reference = RUNNERS[runner](TRANSFORMS[transform](mapped)), TRANSFORMS[transform](plain)
    for w, rows in ((0.8, ROWS), (-0.6, ROWS * 1.7 + 0.2), (1.1, -ROWS)):  # paths that come later, too
        got, expected = run(w, rows), reference(w, rows)
        got, expected = (
            np.concatenate([np.ravel(p) for p in (y if isinstance(y, tuple) else (y,))]) for y in (got, expected)
        )
        # Fewer than 100 operations a term and sums of 10 terms of one size: 1000 roundings.
        scale = np.abs(expected).max()
        assert np.abs(got - expected).max() <= 1000 * np.finfo(float).eps * max(scale, 1.0)


@pytest.mark.parametrize("reduce", ["sum", "mean"])
@pytest.mark.parametrize("order", [al.grad, al.value_and_grad, lambda f: al.grad(al.grad(f)), al.hessian])
def test_a_program_does_not_grow_with_the_rows(order, reduce):
    """`jit` of a gradient of a reduced vmap has as many instructions for 2,000 rows as for 2, and compiles as fast."""
    lengths = []
    for count in (2, 2000):
        rows = np.linspace(0.1, 1.0, count)
        step = al.jit(order(lambda w, rows=rows: al.vmap(smooth, (None, 0), reduce=reduce)(w, rows) + 0.1 * w * w))
        step(0.7)
        lengths.append(len(step.paths()[0].tape))
    assert lengths[0] == lengths[1] < 40


def test_a_gradient_of_a_mean_costs_what_the_mean_of_gradients_costs():
    """The order of those who come from JAX, regulariser beside the batch: as many instructions, whatever the rows."""
    rows = np.random.default_rng(0).normal(size=10_000)
    inside = al.jit(al.grad(lambda w: al.vmap(smooth, (None, 0), reduce="mean")(w, rows) + 0.1 * w * w))
    outside = al.jit(al.vmap(al.grad(smooth), (None, 0), reduce="mean"))
    assert inside(0.7) == pytest.approx(outside(0.7, rows) + 0.14, rel=1e-13)  # sums of 10,000 in trees
    (path,), (lanes,) = inside.paths(), outside.paths()
    (gradient,) = [operation for operation, _ in path.tape.program.code if hasattr(operation, "computed")]
    assert len(path.tape) < 10  # beside the lanes, which run once
    (own,) = gradient.family.paths.known
    assert len(own.tape) <= len(lanes.tape) + 2  # times the seed, and added up


INCLUDED = {
    "beside a regulariser": (lambda m, w: m(w) + 0.1 * w * w, 1),
    "inside a function": (lambda m, w: al.log(2 + m(w)), 2),  # the gradient depends on the value
    "a product of two": (
        lambda m, w: m(w) * m(2 * w),
        3,
    ),  # one value comes first, then its gradient with the other value
    "a branch on the value": (lambda m, w: m(w) if m(w) > 0 else -w, 2),  # it calls twice
}


@runners
@pytest.mark.parametrize("name", INCLUDED)
def test_a_gradient_brings_the_value_with_it(name, runner):
    """Lanes run once for value and gradient where the gradient does not depend on the value; both are right."""
    f, lanes = INCLUDED[name]
    outer = lambda w: f(lambda v: al.vmap(smooth, (None, 0), reduce="mean")(v, ROWS + 2), w)
    plain = lambda w: f(lambda v: sum(smooth(v, x) for x in (ROWS + 2).tolist()) / 5, w)
    run = RUNNERS[runner](al.value_and_grad(outer))
    for w in (0.7, 1.3):
        assert run(w) == pytest.approx(al.value_and_grad(plain)(w), rel=1e-14)
    if runner != "eager":
        assert [p.name for p, _ in run.paths()[0].tape.code].count("vmap") == lanes


def test_an_eager_gradient_of_a_vmap_takes_little_memory():
    """10,000 rows of 40 operations without jit: a few megabytes, where a graph of all lanes takes 80."""
    rows = np.random.default_rng(0).normal(size=10_000)

    def deep(w, x):
        for _ in range(20):
            x = al.sin(w * x)
        return x

    f = al.grad(lambda w: al.vmap(deep, (None, 0), reduce="mean")(w, rows))
    tracemalloc.start()
    slope = f(0.9)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert slope == pytest.approx(al.vmap(al.grad(deep), (None, 0), reduce="mean")(0.9, rows), rel=1e-12)
    assert peak < 20e6


# --- what was not sent, and what is NaN -----------------------------------------------------------------------------

careful = pytest.mark.skipif(not hasattr(Reach, "sent"), reason="needs sweeps that tell operations what was sent")
THREE = np.array([0.0, 1.0, 4.0])
BORDERS = {
    "a lane that is not used": (lambda x: al.vmap(al.sqrt)(THREE * x)[1] + x, 1.0, 1.5),
    "a shared number": (lambda x: al.vmap(lambda t, r: al.sqrt(t * r), (None, 0))(x, THREE)[2], 1.0, 1.0),
    "a lane that selects": (
        lambda x: (
            al.vmap(lambda t, r: al.where(al.less(1.0, r), al.sqrt(t), r), (None, 0), reduce="sum")(x, THREE[:2]) + x
        ),
        0.0,
        1.0,
    ),
    "behind an infinite slope": (
        lambda x: (
            al.sqrt(al.vmap(lambda t, r: al.where(al.less(9.0, r), t, 0.0), (None, 0), reduce="sum")(x, THREE)) + x
        ),
        0.0,
        1.0,
    ),
    "a true zero": (
        lambda x: x * al.vmap(lambda t, r: al.sqrt(t) * r, (None, 0), reduce="sum")(x, THREE),
        0.0,
        math.nan,
    ),
    "a NaN row": (
        lambda x: al.vmap(lambda t, r: t * 2 + r, (None, 0), reduce="sum")(x, np.array([1.0, math.nan])),
        1.0,
        math.nan,
    ),
    "a NaN row that is not used": (
        lambda x: al.vmap(lambda t, r: t * 2 + r, (None, 0))(x, np.array([1.0, math.nan]))[0],
        1.0,
        2.0,
    ),
}


@runners
@pytest.mark.parametrize("name", BORDERS)
def test_what_is_not_sent_stays_so_across_the_border_of_a_vmap(name, runner):
    """0·inf is NaN where a 0 was sent, and nothing where nothing was."""
    f, x, slope = BORDERS[name]
    got = RUNNERS[runner](al.grad(f))(x)
    assert got == slope or (math.isnan(got) and math.isnan(slope))


@careful
@runners
def test_a_vmap_behind_a_branch_that_is_not_selected_sends_nothing(runner):
    """An infinite slope in every lane, behind a `where` that takes the other side."""
    mapped = lambda x: al.vmap(lambda t, r: al.sqrt(t) * r, (None, 0), reduce="sum")(x, THREE)
    f = RUNNERS[runner](al.grad(lambda x: al.where(al.less(x, 1.0), x, mapped(x))))
    assert f(0.0) == 1.0
    assert f(4.0) == 5.0 / 4.0


# --- captured Variables ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reduce", [None, "sum", "mean"])
@pytest.mark.parametrize("runner", ["eager", "llvm", "numpy", "python"])
@pytest.mark.parametrize("first", [-1.0, 1.0])
def test_a_variable_that_only_some_lanes_use(first, runner, reduce):
    """Whichever path uses it first, results are Variables, connected to it, live, and never bare numbers of NumPy."""
    w = al.Variable(2.0)
    rows = np.array([first, -first, 3.0])
    f = RUNNERS[runner](al.vmap(lambda x: w * w * x if x > 0 else -x, reduce=reduce))
    for value in (2.0, -3.0):
        w.value, w.grad = value, None
        results = f(rows)
        items = results.tolist() if reduce is None else [results]
        assert reduce is not None or type(results) is VariableArray
        assert all(type(y) is al.Variable for y in items)
        expected = [value * value * x if x > 0 else -x for x in rows]
        slopes = [2 * value * x if x > 0 else 0.0 for x in rows]
        if reduce is not None:
            expected, slopes = (sum(c) / (3 if reduce == "mean" else 1) for c in (expected, slopes))
            expected, slopes = [expected], [slopes]
        assert [y.value for y in items] == pytest.approx(expected, rel=1e-15)
        assert [al.gradients(y, w) for y in items] == pytest.approx(slopes, rel=1e-15)
        total = al.sum(np.array(items, dtype=object))
        total.backward()
        assert w.grad == pytest.approx(sum(slopes), rel=1e-15)
        curvature = al.gradients(al.gradients(total, w, create_graph=True), w)
        assert curvature == pytest.approx(sum(slopes) / value, rel=1e-15)


@pytest.mark.parametrize("runner", ["eager", "llvm", "numpy"])
def test_a_variable_that_only_a_guard_uses(runner):
    """Results are Variables, whose derivative is 0, and the branch follows the Variable."""
    w = al.Variable(1.0)
    f = RUNNERS[runner](al.vmap(lambda x: 2 * x if w > x else -x))
    for value, expected in ((1.0, [0.0, -2.0]), (5.0, [0.0, 4.0])):
        w.value = value
        results = f(np.array([0.0, 2.0]))
        assert [type(y) for y in results] == [al.Variable] * 2
        assert [y.value for y in results] == expected
        assert al.gradients(results[1], w) == 0.0


def test_captured_variables_run_compiled():
    """jit(vmap(f)) with a captured Variable calls the function for its traces only."""
    calls, w = [], al.Variable(2.0)

    def f(x):
        calls.append(1)
        return w * x * x

    fast = al.jit(al.vmap(f, reduce="sum"))
    fast(np.ones(1000))
    before = len(calls)
    w.value = 3.0
    assert fast(np.ones(1000)).value == 3000.0
    assert before <= 4 and len(calls) == before


@pytest.mark.parametrize("runner", ["llvm", "numpy", "python"])
def test_a_lane_path_that_comes_later_uses_today_s_numbers(runner):
    """A guard of a lane compares with a captured number that has changed; a later branch captures a further one."""

    def mapped(w, v, r):
        return al.vmap(lambda x: w * x if w * x > 1 else (v * x * w if x > -1 else v * v), reduce="sum")(r)

    def plain(w, v, r):
        return sum(w * x if w * x > 1 else (v * x * w if x > -1 else v * v) for x in r.tolist())

    f, reference = RUNNERS[runner](al.grad(mapped, (0, 1))), al.grad(plain, (0, 1))
    for w, v, rows in (
        (3.0, 2.0, [1.0, 2.0]),
        (0.1, 2.0, [1.0, 2.0]),
        (-3.0, 5.0, [-2.0, 1.0, 0.0]),
        (3.0, 2.0, [-5.0]),
    ):
        assert f(w, v, np.array(rows)) == pytest.approx(reference(w, v, np.array(rows)), rel=1e-14)


@pytest.mark.parametrize("runner", ["llvm", "numpy", "python"])
def test_a_mapped_function_that_has_changed_when_a_new_branch_comes(runner):
    """What lanes use in objects has changed by the time a lane takes a new branch: right all the same."""

    def f(x, rows, mapped=True):
        cfg, out = {"k": 0.0}, 0.0
        for k in range(3):
            cfg["k"] = float(k)
            lane = lambda t: t * x + cfg["k"] * t * x if t > 0 else x * x * cfg["k"]
            out = out + (al.vmap(lane, reduce="sum")(rows) if mapped else sum(lane(t) for t in rows.tolist()))
        return out

    run = RUNNERS[runner](al.grad(f))
    for rows in (np.ones(3), np.array([1.0, -1.0, 2.0]), -np.ones(3)):
        assert run(0.5, rows) == pytest.approx(al.grad(f)(0.5, rows, mapped=False), rel=1e-14)


# --- who runs the lanes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["llvm", "numpy", "python"])
def test_lanes_of_a_trace_run_by_its_executor(backend, monkeypatch):
    """No machine code where none was asked for, and nothing else where it was, once the trace is done."""
    if backend == "llvm":
        pytest.importorskip("llvmlite")
    compiled = al.jit(lambda w: al.vmap(lambda w, x: w * x, (None, 0), reduce="sum")(w, ROWS), backend=backend)
    compiled(0.5)
    monkeypatch.delattr(*((ArrayLanes, "each") if backend == "llvm" else (MachineLanes, "_in_threads")))
    assert compiled(0.7) == pytest.approx(0.7 * ROWS.sum(), rel=1e-14)


def test_a_tape_with_lanes_that_take_no_variable_replays_on_variables(monkeypatch):
    """They give numbers, by the executor that lanes have outside of a trace."""
    f = al.jit(lambda x: al.vmap(lambda w, t: w * t, (None, 0), reduce="sum")(al.Variable(2.0), ROWS) + x)
    f(1.0)
    tape = f.paths()[0].tape
    if engine.AVAILABLE:
        monkeypatch.delattr(ArrayLanes, "each")
    y = tape(al.Variable(1.0))
    assert y.value == pytest.approx(2 * ROWS.sum() + 1.0, rel=1e-14)
    assert len(al.topological_order(y)) == 2


@pytest.mark.parametrize(
    ("reduce", "rows"), [(None, ROWS), ("sum", ROWS), ("mean", ROWS), (None, ROWS[:0]), ("sum", ROWS[:0])]
)
def test_a_tape_with_lanes_is_differentiated(reduce, rows):
    """Its gradient as a tape, where the lanes are recorded one by one, and by a sweep, watched or not."""
    mapped = lambda w: loss(flat(al.vmap(branching, (None, 0), reduce=reduce)(w, rows)), w)
    plain = lambda w: loss(one_after_the_other(branching, reduce)(w, rows.tolist()) if len(rows) else [], w)
    f = al.jit(mapped)
    f(0.8)
    tape = f.paths()[0].tape
    expected = pytest.approx(al.grad(plain)(0.8), rel=1e-13)
    assert tape.gradient()(0.8) == expected
    assert al.grad(tape)(0.8) == expected
    with al.raise_on_nonfinite():
        assert al.grad(tape)(0.8) == expected


def test_a_mean_of_no_lanes_is_nan_on_every_route():
    """As `al.mean` of nothing is."""
    f = al.jit(lambda w: al.vmap(smooth, (None, 0), reduce="mean")(w, np.empty(0)))
    tape = (f(2.0), f.paths()[0].tape)[1]
    found = [f(2.0), tape(2.0), tape(al.Variable(2.0)).value, al.trace(tape, 2.0)(2.0)]
    assert all(math.isnan(y) for y in found)


def test_a_gradient_as_a_graph_runs_once_for_all_lanes(monkeypatch):
    """Each lane's node takes its own out of it: 20 rows take as many runs as 5."""
    w, runs, run = al.Variable(2.0), [], LanePaths.__call__
    monkeypatch.setattr(LanePaths, "__call__", lambda *arguments: runs.append(1) or run(*arguments))
    counts = []
    for count in (5, 20):
        ys = al.vmap(lambda w, t: w * w * t, (None, 0))(w, np.arange(float(count)))
        runs.clear()
        slope = al.gradients(al.sum(ys), w, create_graph=True)
        counts.append(len(runs))
        assert al.gradients(slope, w) == 2.0 * sum(range(count))
    assert counts[0] == counts[1] > 0


@pytest.mark.parametrize("outputs", [1, 2])
def test_nodes_of_lanes_know_their_own_arguments(outputs):
    """Outside of jit, each with a slope by each number of its row and by what all lanes share."""
    a, b = al.Variable(0.5), al.Variable(2.0)
    x = [[al.Variable(float(3 * lane + k)) for k in range(3)] for lane in range(2)]
    f = lambda a, b, r: tuple((k + 1) * (a * r[0] + b * r[1] * r[2]) for k in range(outputs))
    parts = al.vmap(f, (None, None, 0))(a, b, np.array(x, dtype=object))
    for k, part in enumerate(parts):
        for (p, q, r), y in zip(x, part, strict=True):
            slopes = [p.value, q.value * r.value, a.value, b.value * r.value, b.value * q.value]
            assert al.gradients(y, [a, b, p, q, r]) == [(k + 1) * slope for slope in slopes]


# --- around it ------------------------------------------------------------------------------------------------------


@runners
def test_a_vmap_in_the_steps_of_a_scan(runner):
    """Value, gradient and second derivative of a scan whose steps map."""
    rows, times = np.array([0.3, 0.5, 1.2]), np.array([1.0, 2.0, 0.5])

    def scanned(w):
        step = lambda c, x: (al.vmap(lambda a: a * c * x * w, reduce="mean")(rows) + 0.1, c)
        return al.scan(step, 1.0, times)[0]

    def plain(w):
        c = 1.0
        for x in times.tolist():
            c = sum(a * c * x * w for a in rows.tolist()) / 3 + 0.1
        return c

    for order in (lambda f: f, al.grad, lambda f: al.grad(al.grad(f))):
        assert RUNNERS[runner](order(scanned))(0.7) == pytest.approx(order(plain)(0.7), rel=1e-14)


@runners
def test_no_lanes_at_all(runner):
    """A sum over no rows is 0 and so is its gradient; rows of results are an empty array."""
    none = np.empty(0)
    mapped = lambda w, reduce: al.vmap(smooth, (None, 0), reduce=reduce)(w, none)
    assert RUNNERS[runner](al.grad(lambda w: mapped(w, "sum") + 3 * w))(2.0) == 3.0
    assert RUNNERS[runner](al.grad(lambda w: al.sum(mapped(w, None)) + 3 * w))(2.0) == 3.0
    assert np.shape(RUNNERS[runner](lambda w: mapped(w, None))(2.0)) == (0,)


@runners
def test_arrays_of_results_follow_the_rules_of_numpy_on_variables(runner):
    """Ties of np.maximum go half and half; np.exp takes entries that are plain floats."""
    f = RUNNERS[runner](al.grad(lambda x: np.maximum(al.vmap(lambda t: t * t)(x), 4.0).sum()))
    assert f(np.array([2.0, 3.0])).tolist() == [2.0, 6.0]
    f = RUNNERS[runner](al.grad(lambda x: np.exp(al.vmap(lambda t: t if t > 0 else 1.0)(x)).sum()))
    assert f(np.array([2.0, -2.0])) == pytest.approx([math.exp(2.0), 0.0], rel=1e-15)


def test_nodes_of_a_vmap_are_nodes_as_others():
    """They are copied, pickled (as made by hand), drawn, explained; a watched run makes one node an operation."""
    w = al.Variable(2.0, name="w")
    y = al.vmap(lambda x: w * w * x, reduce="sum")(np.array([1.0, 3.0]))
    assert y.local_gradients == ((w, 16.0),) and y.primitive.name == "vmap"
    assert copy.deepcopy(y).value == 16.0
    assert pickle.loads(pickle.dumps(y)).local_gradients[0][1] == 16.0
    assert "vmap" in al.draw(y).source
    assert "16" in str(al.why(y, w))
    with al.raise_on_nonfinite():
        watched = al.vmap(lambda x: w * w * x, reduce="sum")(np.array([1.0, 3.0]))
    assert len(al.topological_order(watched)) > 4


@runners
def test_maps_in_maps(runner):
    """Inner lanes are recorded one by one in outer ones; derivatives through both are right."""
    inner = lambda w, x: al.vmap(lambda t: w * w * t * x, reduce="sum")(np.arange(3.0))
    f = lambda w: al.vmap(lambda x: inner(w, x), reduce="sum")(np.arange(4.0))
    assert RUNNERS[runner](al.grad(f))(2.0) == 72.0
    assert RUNNERS[runner](al.grad(al.grad(f)))(2.0) == 36.0


@runners
@pytest.mark.parametrize("count", [1, 3, 40])
def test_arguments_of_every_kind(runner, count):
    """Nests, axes, keywords, flags: mapped, shared and traced ones mixed."""
    generator = np.random.default_rng(1)
    table, target = generator.normal(size=(2, count)), generator.normal(size=count)

    def lane(model, x, flag, *, y):
        return (model["w"][0] * x[0] + model["w"][1] * al.sin(x[1]) + model["b"] - y) ** 2 * (2.0 if flag else 1.0)

    def mapped(w, b, t):
        axes = (None, 1, None)
        return al.vmap(lane, axes, reduce="mean")({"w": w, "b": b}, t, True, y=target)

    def plain(w, b, t):
        losses = [lane({"w": w, "b": b}, t[:, k], True, y=target[k]) for k in range(count)]
        return sum(losses[1:], losses[0]) / count

    arguments = np.array([0.5, -0.2]), 0.3, table
    got, expected = RUNNERS[runner](al.grad(mapped, (0, 1, 2)))(*arguments), al.grad(plain, (0, 1, 2))(*arguments)
    for a, b in zip(got, expected, strict=True):
        assert np.shape(a) == np.shape(b)
        assert np.allclose(a, b, rtol=1e-13, atol=1e-15)  # sums of 40 terms below 100


@pytest.mark.parametrize("backend", ["llvm", "numpy", "python"])
def test_an_operation_on_variables_made_inside(backend):
    """A vmap, or a scan, of nothing but a Variable made inside the traced function is an instruction on a constant."""
    rows = np.array([1.0, 2.0, 3.0])
    mapped = lambda x: al.vmap(lambda w, t: w * t, (None, 0), reduce="sum")(al.Variable(2.0), rows) + x
    scanned = lambda x: al.scan(lambda c, t: (c * t, None), al.Variable(2.0), rows)[0] + x
    assert [al.jit(f, backend=backend)(1.0) for f in (mapped, scanned)] == [13.0, 13.0]
    assert [al.jit(al.grad(f), backend=backend)(1.0) for f in (mapped, scanned)] == [1.0, 1.0]


@pytest.mark.parametrize("runner", ["eager", "llvm"])
def test_integers_beside_variables(runner):
    """An integer in every lane stays one outside of jit; beside Variables it is the float equal to it."""
    f = RUNNERS[runner](lambda v: al.vmap(lambda x: (v * x, x * v if x > 0 else 0))(np.arange(3.0)))
    assert [part.tolist() for part in f(2.0)] == [[0.0, 2.0, 4.0], [0.0, 2.0, 4.0]]
    w = al.Variable(2.0)
    products, facts = al.vmap(lambda x: (w * x, 3))(np.arange(2.0))
    assert type(products[0]) is al.Variable and facts.dtype.kind == "i"


LOOPS = {
    "vmap, summed": lambda x: al.vmap(lambda r: al.sin(x) * r, reduce="sum")(np.array([1.0, 2.0])),
    "vmap": lambda x: al.sum(al.vmap(lambda r: al.sin(x) * r)(np.array([1.0, 2.0]))),
    "scan": lambda x: al.scan(lambda c, r: (al.sin(c + x * r), None), 0.0, np.array([1.0, 2.0]))[0],
    "while_loop": lambda x: al.while_loop(lambda c: c < 3.0, lambda c: c + x * x, x),
    "take": lambda x: al.sum([al.take([x, x * x, x**3, *[2.0] * 9], k) ** 2 for k in (1, 2)]),
}
DERIVATIVES = {
    "grad": al.grad,
    "value_and_grad": lambda f: lambda x: al.value_and_grad(f)(x)[1],
    "vjp": lambda f: lambda x: al.vjp(f, x)[1](1.0)[0],
    "jvp": lambda f: lambda x: al.jvp(f, (x,), (1.0,))[1],
    "second": lambda f: al.grad(al.grad(f)),
    "hessian": al.hessian,
    "jacobian": al.jacobian,
    "hvp": lambda f: lambda x: al.hvp(f, (x,), (1.0,)),
    "of a nest": lambda f: lambda x: al.grad(lambda d: f(d["a"]))({"a": x})["a"],
    "of an array": lambda f: lambda x: al.grad(lambda d: f(d[0]))(np.array([x]))[0],
}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("transform", DERIVATIVES)
def test_derivatives_of_numbers_inside_a_compiled_function(loop, transform):
    """The argument of the inner derivative is a plain number: a loop that is one node was left out, and it was 0."""
    derivative = DERIVATIVES[transform](LOOPS[loop])
    expected = 2.0 * derivative(1.3)
    for backend in ("python", "auto"):
        found = al.jit(lambda t: derivative(1.3) * t, backend=backend)(2.0)
        assert found == pytest.approx(expected, rel=1e-12)
    assert expected != 0.0


def infinite(w, x):
    """A lane whose side that is not taken has an infinite slope."""
    return al.where(x < 0.7, x * x * w, al.sqrt(x - 0.7) * w)


def repeated(w, x):
    """A lane with a number of turns of its own."""
    return al.while_loop(lambda c: abs(c) > 0.1, lambda c: c * 0.7 * w, x)


FORWARD = {
    "jvp": lambda f, total, z, v: al.jvp(f, (z,), (v,))[1],
    "jvp of jvp": lambda f, total, z, v: al.jvp(lambda z: al.jvp(total, (z,), (v,))[1], (z,), (v,))[1],
    "hvp": lambda f, total, z, v: al.hvp(total, (z,), (v,)),
    "grad of jvp": lambda f, total, z, v: al.grad(lambda z: al.jvp(total, (z,), (v,))[1])(z),
    "jacfwd": lambda f, total, z, v: al.jacfwd(f)(z),
}


@pytest.mark.parametrize(
    ("f", "reduce"),
    [(infinite, None), (branching, "sum"), (repeated, "mean"), (smooth, "mean")]
    + [
        pytest.param(f, reduce, marks=pytest.mark.full)
        for f, reduce in [(smooth, None), (branching, None), (repeated, None), (infinite, "sum"), (infinite, "mean")]
    ],
)
def test_forward_derivatives_are_lanes(f, reduce):
    """By what lanes share and by rows, as eager runs one after the other; also where one slope is infinite."""
    rows = np.append(ROWS, 0.7)
    alone = one_after_the_other(f, reduce)

    def apart(z):
        return alone(*z)[0] if reduce else al.array(alone(*z))

    def mapped(z):
        return al.vmap(f, (None, 0), reduce=reduce)(*z)

    def derivative(transform, f):
        return lambda z, v: transform(f, f if reduce else lambda z: al.sum(f(z)), z, v)

    z, v = (0.8, rows), (0.3, np.linspace(-1.0, 1.0, len(rows)))
    for name, transform in FORWARD.items():
        runs = al.jit(derivative(transform, mapped)), derivative(transform, apart)
        numbers = [al.flatten(run(z, v))[0] for run in runs]
        np.testing.assert_allclose(*numbers, rtol=1e-11, atol=1e-13, err_msg=name)


@pytest.mark.parametrize("order", ["jvp", "hvp", "jacfwd"])
@pytest.mark.parametrize("f", [smooth, branching, repeated])
def test_programs_of_forward_derivatives_do_not_grow(f, order):
    """They are as long for 2,000 lanes as for ten."""
    lengths = []
    for count in (10, 2000):
        rows = np.linspace(-1.0, 1.0, count)

        def mean(z, rows=rows):
            return al.vmap(f, (None, 0), reduce="mean")(z[0], rows)

        compiled = al.jit(lambda w, mean=mean: FORWARD[order](mean, mean, [w], [1.0]))
        compiled(0.8)
        lengths.append(len(compiled.paths()[0].tape))
    assert lengths[0] == lengths[1] < 20
