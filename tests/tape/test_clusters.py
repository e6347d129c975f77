"""Mapped functions over arrays of Dask: results of every kind, sums whose bits depend on the blocks alone, and faults."""

import array
import dataclasses
import functools
import operator
import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import autograd_lite as al
from autograd_lite import pickles
from autograd_lite.errors import (
    ArgumentError,
    CompilationError,
    OperandError,
    RowError,
    UnpicklableError,
    WorkerError,
    WorkerWarning,
)
from autograd_lite.tape import clusters, workers
from autograd_lite.tape.backends import registry

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")

ROWS = 103
RNG = np.random.default_rng(0)
X, Y, TABLE = RNG.normal(size=ROWS), RNG.normal(size=ROWS), RNG.normal(size=(ROWS, 3))
W = np.array([0.3, -0.2])


@pytest.fixture(autouse=True)
def _here():
    """Blocks run in this thread, one after the other."""
    with dask.config.set(scheduler="synchronous"):
        yield


def loss(w, x, y):
    """Of a neuron."""
    return (al.tanh(w[0] * x + w[1]) - y) ** 2


def branches(x, row):
    """A nest of a float, an array, a flag and a text."""
    return {"y": al.exp(x) if x > 0 else -x, "more": [row * x, x > 0], "kind": "even"}


#: A mapped function, and its arguments; those of which each row has its own are marked by a length of ROWS.
CASES = {
    "uniform": (al.vmap(al.value_and_grad(loss), in_axes=(None, 0, 0)), (W, X, Y)),
    "nest": (al.vmap(branches), (X, TABLE)),
    "other axis": (al.vmap(lambda row, x: row.sum() * x, in_axes=(1, 0)), (TABLE.T.copy(), X)),
    "last axis": (al.vmap(lambda row: row * 2.0, in_axes=-1), (np.stack([TABLE.T, TABLE.T]),)),
    "nest of axes": (al.vmap(lambda p: p["a"] * p["b"], in_axes=({"a": None, "b": 0},)), ({"a": 2.0, "b": X},)),
    "flags": (
        al.vmap(lambda x, name, on: x * 2.0 if on and name == "a" else x, in_axes=(0, None, None)),
        (X, "a", True),
    ),
    "whole numbers": (al.vmap(lambda k: al.take(np.arange(5.0), k)), (np.arange(ROWS) % 5,)),
    "loop": (al.vmap(lambda x: al.while_loop(lambda c: c < 9.0, lambda c: c * 2.0, 1.0 + x * x)), (X,)),
}


def chunked(leaf, size):
    """An array with an axis of rows as one of Dask, cut along every axis."""
    return (
        da.from_array(leaf, chunks=[size if n == ROWS else 2 for n in leaf.shape]) if ROWS in np.shape(leaf) else leaf
    )


def over_blocks(arguments, size):
    """The arguments with arrays of Dask."""
    return [{k: chunked(v, size) for k, v in a.items()} if isinstance(a, dict) else chunked(a, size) for a in arguments]


def leaves(nest):
    return al.nests.optree.tree_leaves(nest)


def same(one, other):
    """To the bit, types and structure too."""
    assert al.nests.optree.tree_structure(one) == al.nests.optree.tree_structure(other)
    for a, b in zip(leaves(one), leaves(other), strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        assert np.array_equal(a, b)


@pytest.mark.parametrize("size", [ROWS, 40])
@pytest.mark.parametrize("case", CASES)
def test_rows_are_those_of_one_machine(case, size):
    """Values, types and structure; shapes are known before."""
    mapped, arguments = CASES[case]
    compiled = al.jit(mapped)
    lazy = compiled(*over_blocks(arguments, size))
    expected = compiled(*arguments)
    assert [(leaf.shape, leaf.dtype) for leaf in leaves(lazy)] == [
        (leaf.shape, leaf.dtype) for leaf in leaves(expected)
    ]
    (computed,) = dask.compute(lazy)
    same(computed, expected)


def test_without_jit_blocks_run_by_numpy():
    """A row does not depend on its block."""
    mapped, arguments = CASES["nest"]
    same(dask.compute(mapped(*over_blocks(arguments, 40)))[0], mapped(*arguments))


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
@pytest.mark.parametrize("size", [1, 2, 7, 12, 13, 14, ROWS])  # 103, 52, 15, 9, 8, 8 and 1 blocks
@pytest.mark.parametrize("reduce", ["sum", "mean"])
def test_sums_have_the_bits_of_the_same_blocks_on_one_machine(reduce, size, scheduler):
    """Whoever runs a block, and when."""
    step = al.jit(al.vmap(al.value_and_grad(loss), in_axes=(None, 0, 0), reduce=reduce))
    lazy = step(W, chunked(X, size), chunked(Y, size))
    assert [leaf.shape for leaf in lazy] == [(), (2,)]
    same(dask.compute(*lazy, scheduler=scheduler), al.in_blocks(step, rows=size)(W, X, Y))


def test_nothing_is_computed_before_it_is_asked_for():
    """Not even a row."""

    def refused(block):
        raise AssertionError("a block was computed")

    x = da.from_array(X, chunks=50).map_blocks(refused, dtype=float, meta=np.empty(0))
    lazy = al.jit(al.vmap(al.value_and_grad(loss), in_axes=(None, 0, 0), reduce="mean"))(W, x, Y)
    assert [leaf.dtype for leaf in lazy] == [float, float]
    with pytest.raises(AssertionError, match="a block was computed"):
        lazy[0].compute()


def test_parameters_may_be_lazy_too():
    """Steps of training as one graph, with the bits of single steps."""
    step = al.jit(al.vmap(al.value_and_grad(loss), in_axes=(None, 0, 0), reduce="mean"))
    x, y = chunked(X, 40), chunked(Y, 40)
    lazy, now = da.from_array(W, chunks=1), W
    for _ in range(3):
        lazy = lazy - 0.5 * step(lazy, x, y)[1]
        now = now - 0.5 * dask.compute(*step(now, x, y))[1]
    assert np.array_equal(lazy.compute(), now)


def test_shared_arrays_are_those_of_the_call():
    """As a loop of training writes its parameters in place, before it asks for the results."""
    for w in (np.array([2.0]), array.array("d", [2.0]), memoryview(np.array([2.0]))):
        lazy = al.vmap(lambda x, w: x * w[0], (0, None))(chunked(X, 20), w)
        rows = al.vmap(lambda x, y: x * y)(chunked(X, 20), y := np.array(Y))
        w[0] = y[:] = 7.0
        assert np.array_equal(lazy.compute(), 2.0 * X)
        assert np.array_equal(rows.compute(), X * Y)


def test_rows_of_unknown_number():
    """As data frames and selections have them; blocks without rows count for nothing."""
    x = chunked(np.abs(X), 20)
    x = x[x > 1.0]
    mean = al.jit(al.vmap(lambda x: x * x, reduce="mean"))(x)
    assert mean.compute() == pytest.approx(np.mean(np.abs(X)[np.abs(X) > 1.0] ** 2), rel=1e-15)  # a few additions
    assert np.isnan(al.jit(al.vmap(lambda x: x, reduce="mean"))(da.zeros(0)).compute())
    some, more = (da.from_array(np.zeros(0), chunks=((0,) * n,)) for n in (2, 3))
    assert al.vmap(lambda a, b: a * b, reduce="sum")(some, more).compute() == 0.0
    rows = al.jit(al.vmap(lambda x: x * x))(x)
    assert np.isnan(rows.shape[0])
    assert np.array_equal(rows.compute(), np.abs(X)[np.abs(X) > 1.0] ** 2)
    with pytest.raises(ArgumentError, match=r"lengths Dask does not know.*compute_chunk_sizes"):
        al.vmap(lambda a, b: a * b)(x, chunked(X, 30))
    for call in (
        lambda: al.vmap(lambda t, w: t * w[0], (0, None))(chunked(X, 20), x),
        lambda: al.vmap(al.sum)(chunked(TABLE, 20)[:, da.from_array(TABLE[0] > 0.0, chunks=2)]),
    ):
        with pytest.raises(
            ArgumentError, match=r"nan,?\), and only the number of rows may be unknown .*compute_chunk_sizes"
        ):
            call()


@pytest.mark.parametrize("reduce", [None, "sum"])
def test_rows_of_two_selections_are_no_pairs(reduce):
    """The longer one was cut to the length of the first, block by block."""
    x = da.arange(12.0, chunks=4)
    f = al.jit(al.vmap(lambda a, b: a * b, reduce=reduce))
    for a, b in ((x[x > 5.0], x[x > 4.0]), (x[x > 4.0], x[x > 5.0])):
        with pytest.raises(ArgumentError, match="^in block 1: its arguments have 2 and 3 rows, .*by one condition"):
            f(a, b).compute()
    assert np.array_equal(
        dask.compute(f(x[x > 5.0], 2.0 * x[x > 5.0]))[0], f(np.arange(6.0, 12), np.arange(12.0, 24, 2))
    )


def test_columns_of_a_data_frame():
    """By name; the result can be a new column."""
    pytest.importorskip("pyarrow")
    frames = pytest.importorskip("dask.dataframe")
    import pandas as pd

    table = pd.DataFrame({"x": X, "y": Y})
    frame = frames.from_pandas(table, npartitions=3)
    for rows in (table, frame):
        with pytest.raises(OperandError, match=r"write row\[0\] for row\['x'\], or pass columns by name"):
            al.vmap(lambda row: row["x"])(rows)
    step = al.jit(al.vmap(al.value_and_grad(loss), in_axes=(None, 0, 0)))
    value, _ = step(W, frame["x"], frame["y"])
    assert np.array_equal(frame.assign(loss=value).compute()["loss"], step(W, X, Y)[0])
    assert np.array_equal(al.vmap(lambda row: row[0] * row[1])(frame).compute(), X * Y)


def test_minimize_over_blocks():
    """SciPy's solver, a nest of parameters."""
    scipy = pytest.importorskip("autograd_lite.scipy")
    x, y = chunked(X, 40), chunked(np.tanh(0.5 * X - 0.1), 40)
    step = al.jit(
        al.vmap(al.value_and_grad(lambda p, x, y: loss([p["w"], p["b"]], x, y)), in_axes=(None, 0, 0), reduce="mean")
    )
    found = scipy.minimize(lambda p: dask.compute(*step(p, x, y)), {"w": 0.0, "b": 0.0}, jac=True)
    assert (found.x["w"], found.x["b"]) == pytest.approx((0.5, -0.1), abs=1e-4)  # where |gradient| < 1e-5


# --- what is sent -----------------------------------------------------------------------------------------------------------


def test_functions_and_shared_arguments_are_sent_once():
    """Not with each block, and a function not with each call."""
    step = al.jit(al.vmap(al.value_and_grad(loss), in_axes=(None, 0, 0), reduce="sum"))
    x = da.arange(100.0, chunks=1)
    one, two = step(W, x, x)[0], step(np.arange(1000.0), x, x)[0]
    functions = [{key for key in lazy.__dask_graph__() if "function-" in str(key)} for lazy in (one, two)]
    assert functions[0] == functions[1] and len(functions[0]) == 1
    grown = len(pickle.dumps(dict(two.__dask_graph__()))) - len(pickle.dumps(dict(one.__dask_graph__())))
    assert 8 * 998 <= grown < 9 * 998


def test_a_function_is_read_once_in_a_process():
    """However often it arrives."""
    program = al.jit(al.vmap(loss, in_axes=(None, 0, 0)))._shipped
    written = pickle.dumps(program)
    assert pickle.loads(written) is program
    del pickles.here[program.token]
    arrived = pickle.loads(written)
    assert arrived is not program and pickle.loads(written) is arrived


def sent(backend="llvm", **facts):
    """A function that comes from a machine of other facts."""
    origin = workers.machine(registry.fastest())
    return clusters.Program("a token", None, workers.Machine(backend, {**origin.facts, **facts}), pickle.dumps(al.sin))


def test_a_worker_of_another_kind_says_that_bits_may_differ():
    """By what differs."""
    with pytest.warns(WorkerWarning, match=r"\(processor is .*, not z80; .*last bits") as caught:
        sent(registry.fastest(), processor="z80", zlib="1").ready((), lambda f: f)
    assert len(caught) == 1


@pytest.mark.parametrize("backend", sorted({"llvm", "cuda"} & {*registry.BACKENDS}))
def test_the_processor_and_the_compiler_are_told_of_every_backend_that_compiles(backend):
    """Lanes on a device are cut, and served by other paths, by code of this machine."""
    assert {"llvmlite", "processor", "instructions"} <= {*workers.machine(backend).facts}


def test_a_worker_that_cannot_run_a_function_says_why(monkeypatch):
    """Before it reads it."""
    with pytest.raises(WorkerError, match=r"runs Python 3.*, and the process that sent the work 2\.7"):
        sent(registry.fastest(), Python="2.7").ready((), lambda f: f)

    def without_device():
        raise CompilationError("no device")

    with monkeypatch.context() as without:
        name = registry.fastest()
        without.setitem(registry.BACKENDS, name, dataclasses.replace(registry.BACKENDS[name], check=without_device))
        with pytest.raises(WorkerError, match=r"^the worker .* cannot run the function that was sent: no device"):
            sent(name).ready((), lambda f: f)
    with monkeypatch.context() as without:
        without.delitem(registry.BACKENDS, "llvm", raising=False)
        with pytest.raises(WorkerError, match=r"no llvmlite.*autograd-lite\[jit\]"):
            sent().ready((), lambda f: f)
    written = pickle.dumps(al.sin).replace(b"autograd_lite", b"autograd_fine")
    with pytest.raises(WorkerError, match=r"No module named 'autograd_fine.*upload_file"):
        workers.read(written)


LOCK = threading.Lock()


class Holder:
    """Holds a lock, in a list of an attribute."""

    def __init__(self):
        self.parts, self.f = {"a": [1.0, LOCK]}, abs

    def __call__(self, x):
        return x

    def method(self, x):
        return x


def holding(thing):
    """Functions that hold a thing, and what an error says of where."""
    holder = Holder()

    def helper(x):
        return x if thing else -x

    def default(x, given=thing):
        return x if given else -x

    return [
        (helper, r"jit\(vmap\(helper\)\) cannot be sent to another process: helper holds thing, a "),
        (al.value_and_grad(helper), "helper holds thing, "),
        (lambda x: next(helper(y) for y in [x]), "helper holds thing, "),
        (al.jit(lambda x: al.jit(helper)(x)), "helper holds thing, "),
        (default, "default holds given, "),
        (functools.partial(default), "default holds given, "),
        (functools.partial(lambda k, x: x if k else -x, thing), r"partial\)\) holds \[0\], "),
        (
            lambda x: next(x if LOCK else y for y in [x]),
            "<lambda> holds LOCK, a lock, which .* inside of <lambda>, or pass the numbers",
        ),
        (lambda x: holder(x), r"<lambda> holds holder.parts\['a'\]\[1\], a lock"),
        (holder.method, r"holds parts\['a'\]\[1\], a lock"),
        (holder, r"vmap\(Holder\)\) holds parts\['a'\]\[1\], a lock"),
    ]


def test_what_cannot_be_sent_is_named(tmp_path):
    """By the function and the name in it. The worker raises the error, as Dask would raise its own; threads do not."""
    with (tmp_path / "open").open("w", encoding="utf-8") as file:
        for thing in (threading.Lock(), (k for k in range(3)), file):
            for f, words in holding(thing):
                step = al.jit(al.vmap(f))
                dask.compute(step(chunked(X, 60)))
                with pytest.raises(UnpicklableError, match=words):
                    workers.read(workers.written(step))


def test_dask_is_imported_by_its_users_only():
    """Not by the library."""
    code = "import sys, numpy, autograd_lite as al; al.jit(al.vmap(al.sin))(numpy.ones(3)); sys.exit('dask' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- errors -----------------------------------------------------------------------------------------------------------------


class Particular(Exception):
    """Has words of its own."""

    def __init__(self, number, text):
        super().__init__(f"{number} {text}")


def raising(error):
    """A function that fails in one row, which is compiled with a way back into Python."""

    def value(x):
        if x == 7.0:
            raise error
        return x

    return al.Primitive(name=f"raising_{type(error).__name__}", value=value, partials=(lambda x, y: 1.0,), replace=True)


@pytest.mark.parametrize("compiled", [al.jit, lambda f: f])
@pytest.mark.parametrize("reduce", [None, "sum"])
def test_an_error_names_its_block_and_row(reduce, compiled):
    """Counted over all blocks, whatever has failed."""
    x = np.zeros(ROWS)
    x[77] = 7.0
    for f, error in (
        (lambda x: al.take(np.arange(5.0), x), RowError),
        (raising(ZeroDivisionError("mine")), ZeroDivisionError),
    ):
        lazy = compiled(al.vmap(f, reduce=reduce))(chunked(x, 20))
        with pytest.raises(error, match=r"^in row 77 \(row 17 of block 3\): (take got index 7|mine)"):
            lazy.compute()
    lazy = compiled(al.vmap(raising(Particular(3, "mine")), reduce=reduce))(chunked(x, 20)[chunked(x, 20) >= 0.0])
    with pytest.raises(Particular, match="^3 mine") as caught:
        lazy.compute()
    assert caught.value.__notes__ == ["in row 17 of block 3"]


@pytest.mark.parametrize("reduce", [None, "sum"])
def test_blocks_of_other_structure_are_refused(reduce):
    """Branches that a row of ones does not take."""
    f = al.vmap(lambda x: (x, x) if x < -2.0 else x, reduce=reduce)
    x = np.zeros(ROWS)
    x[60:80] = -3.0
    with pytest.raises(ArgumentError, match=r"^in block 3, which begins with row 60: its (rows|sums) .*one structure"):
        dask.compute(f(chunked(x, 20)))


def test_a_function_that_takes_no_ones_is_asked_by_the_first_row():
    """Its structure is that of a row."""

    def choosy(x):
        if x == 1.0:
            raise ValueError("no ones")
        return [x, 2.0 * x]

    assert [leaf.shape for leaf in al.jit(al.vmap(choosy))(chunked(X, 20))] == [(ROWS,), (ROWS,)]
    x = da.from_array(X, chunks=((0, 50, 53),))  # the first row is not in the first block
    for rows, expected in ((x, X), (x[x > 0.0], X[X > 0.0]), (x[x > np.max(X[:50])], X[X > np.max(X[:50])])):
        assert np.array_equal(dask.compute(al.jit(al.vmap(choosy))(rows))[0], [expected, 2.0 * expected])
    with pytest.raises(ValueError, match="^no ones") as caught:
        al.vmap(choosy)(da.zeros(0))
    assert caught.value.__notes__ == ["of vmap(choosy) with a row of ones, as there is no row"]
    with pytest.raises(RowError, match=r"^in row 0 \(row 0 of block 1\): take got index 7"):
        al.vmap(lambda k: al.take(np.arange(1.0), k))(da.from_array(np.array([7]), chunks=((0, 1),)))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: al.vmap(lambda a, b: a * b)(x, np.ones(5)), ArgumentError, "got 103, 5 lanes"),
        (lambda x: al.vmap(al.sin, in_axes=1)(x), ArgumentError, r"axis 1 of an array of shape \(103,\)"),
        (lambda x: al.vmap(al.sin, in_axes=None)(x), ArgumentError, "none of its arguments"),
        (lambda x: al.vmap(lambda a, b: a * b, in_axes=(0, None))(x, al.Variable(2.0)), OperandError, "Variables"),
        (lambda x: al.grad(lambda w: al.vmap(lambda a: w * a, reduce="sum")(x))(2.0), OperandError, "ifferentiate inside"),
        (lambda x: al.jit(lambda w: al.vmap(lambda a: w * a, reduce="sum")(x))(2.0), OperandError, "ifferentiate inside"),
        (lambda x: al.jit(al.vmap(lambda a: OUTSIDE * a))(x), OperandError, "uses some from outside"),
        (lambda x: al.vmap(al.sin)(dask.delayed(X)), OperandError, r"got Delayed\('.*, whose shape Dask does not know"),
        (lambda x: al.vmap(al.mul, (0, None))(x, dask.delayed(2.0)), OperandError, "Pass an array: da.from_delayed"),
        (lambda x: al.vmap(al.sin)(da.ma.masked_greater(x, 0)).compute(), OperandError, "would lose its mask"),
    ],
)  # fmt: skip
def test_refusals(call, error, message):
    """Before anything is computed, with a way out."""
    with pytest.raises(error, match=message):
        call(chunked(X, 20))


OUTSIDE = al.Variable(3.0)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "pow", "mod", "floordiv", "lt", "ge", "eq"])
def test_operators_of_variables_refuse_lazy_arrays(name):
    """On both sides, which Dask leaves to the Variable."""
    for operands in ((OUTSIDE, chunked(X, 20)), (chunked(X, 20), OUTSIDE)):
        with pytest.raises(
            OperandError, match=r"an array of Dask, .* takes no Variables. Map a function .*, x.compute()"
        ):
            getattr(operator, name)(*operands)
    assert (OUTSIDE + dask.delayed(2.0)).compute(scheduler="synchronous").value == 5.0


def test_blocks_of_unknown_length_are_no_blocks_of_in_blocks():
    """It must know where the rows end."""
    with pytest.raises(ArgumentError, match="does not know how many rows there are"):
        al.in_blocks(al.vmap(al.sin, reduce="sum"))(chunked(X, 20)[chunked(X, 20) > 0.0])


# --- clusters ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def cluster(tmp_path):
    """A way to start workers, each a process of one thread."""
    distributed = pytest.importorskip("distributed")

    def started(workers, **options):
        return distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=":0", silence_logs=50,
            local_directory=str(tmp_path), **options,
        )  # fmt: skip

    # A worker that is down so long after it was killed, perhaps by a second kill, would be taken out for good.
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "10m"}):
        yield started


def mark(folder, x):
    """Note who traces."""
    with (folder / f"{os.getpid()}.txt").open("a", encoding="utf-8") as file:
        file.write("x")
    return x


def slowly(block):
    """Time for a worker to be killed in."""
    time.sleep(0.05)
    return block


def killed_in_the_middle(client, step, x, expected):
    """One worker is killed while both are at work; nothing is lost, no bit changes."""
    running = client.compute(step(W, x.map_blocks(slowly, dtype=float, meta=np.empty(0)), Y))
    time.sleep(0.2)
    os.kill(min(client.run(os.getpid).values()), signal.SIGKILL)
    same(tuple(client.gather(running)), tuple(expected))


@pytest.mark.filterwarnings("ignore")  # of sockets and processes that a kill leaves behind
def test_a_cluster_gives_the_bits_of_one_machine(cluster, tmp_path):
    """Each process reads and compiles a function once; a kill changes nothing; an error comes back with its row."""

    def traced(w, x, y):
        return loss(w, mark(tmp_path, x), y)

    step = al.jit(al.vmap(al.value_and_grad(traced), in_axes=(None, 0, 0), reduce="mean"))
    x = chunked(X, 8)
    expected = dask.compute(*step(W, x, Y), scheduler="synchronous")
    with cluster(2) as two, two.get_client() as client:
        for _ in range(2):
            same(tuple(client.gather(client.compute(step(W, x, Y)))), tuple(expected))
        traces = {int(path.stem): len(path.read_text("utf-8")) for path in tmp_path.glob("*.txt")}
        assert {pid: n for pid, n in traces.items() if pid != os.getpid()} == dict.fromkeys(
            client.run(os.getpid).values(), 2
        )
        killed_in_the_middle(client, step, x, expected)
        table = al.jit(al.vmap(lambda k: al.take(np.arange(5.0), k)))(da.arange(20, chunks=4))
        with pytest.raises(RowError, match=r"^in row 5 \(row 1 of block 1\)|^in row \d+ \(row 0 of block [234]\)"):
            client.gather(client.compute(table))
        locked = lambda x: x if LOCK else -x
        for lazy in (al.jit(al.vmap(locked))(x), al.vmap(lambda x, f: f(x), (0, None))(x, locked)):
            with pytest.raises(
                UnpicklableError, match="^(jit|a function among the arguments).* <lambda> holds LOCK, a lock"
            ):
                client.gather(client.compute(lazy))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_ten_kills_ten_right_results(cluster):
    """A worker in each run."""
    step = al.jit(al.vmap(al.value_and_grad(loss), in_axes=(None, 0, 0), reduce="mean"))
    x = chunked(X, 5)
    expected = dask.compute(*step(W, x, Y), scheduler="synchronous")
    with cluster(2) as two, two.get_client() as client:
        for _ in range(10):
            killed_in_the_middle(client, step, x, expected)
            client.wait_for_workers(2, timeout=60)


@pytest.mark.full
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_that_goes_away_is_reported(cluster, monkeypatch):
    """Within the time-outs of Dask, which are set to a second here: workers that all die, and then the scheduler."""
    step = al.jit(al.vmap(al.value_and_grad(loss), in_axes=(None, 0, 0), reduce="mean"))
    x = chunked(X, 1).map_blocks(slowly, dtype=float, meta=np.empty(0))
    limits = {"distributed.comm.timeouts.connect": "1s", "distributed.scheduler.no-workers-timeout": "1s"}
    with dask.config.set(limits):
        for gone in ("workers", "scheduler"):
            with cluster(1, processes=True) as one, one.get_client() as client:
                running = client.compute(step(W, x, Y))
                time.sleep(0.3)
                start = time.monotonic()
                if gone == "workers":
                    one.scale(0)
                else:
                    one.sync(one.scheduler.close)
                with pytest.raises(Exception, match=r"(?i)worker|cancel|lost|clos"):
                    client.gather(running)
                assert time.monotonic() - start < 20.0
