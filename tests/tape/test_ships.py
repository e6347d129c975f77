"""Everything ships: written in one process and read in another one that has imported the library only."""

import copy
import gc
import importlib.util
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import warnings
from concurrent import futures
from pathlib import Path

import cloudpickle
import joblib
import numpy as np
import pytest

import autograd_lite as al
from autograd_lite import errors, forks
from tests.tape import shipped_functions
from tests.tape.shipped_functions import NAMED, Line, call, captures, decorated, written

HERE = Path(__file__)
ROOT = HERE.parents[2]
#: Reads cases, calls each, and says which give something else; nothing of the tests is imported but by a pickle.
READ = """
import pickle, sys
import autograd_lite
call, found = pickle.load(open(sys.argv[1], "rb"))
call = pickle.loads(call)
for name, (expected, *data) in found.items():
    for one in data:
        result = call(*pickle.loads(one))
        assert result == expected, (name, result[:300], expected[:300])
print(len(found), "shipped_functions" in sys.modules, *[m for m in sys.modules if m.startswith("tests")])
"""


def python(*arguments, **environment):
    """Run Python beside this process; its output."""
    given = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(
        [sys.executable, "-W", "error", *map(str, arguments)], env=given, capture_output=True, text=True, timeout=300
    )
    assert not done.returncode, done.stderr[-2000:]
    return done.stdout


def test_named_functions_by_plain_pickle(tmp_path):
    """The other process imports the module, as pickle does; user's operations come with it."""
    path = tmp_path / "named.pickle"
    path.write_bytes(pickle.dumps((pickle.dumps(call), written(pickle.dumps, NAMED))))
    assert python("-c", READ, path).split()[0] == str(len(NAMED))


def test_everything_by_cloudpickle_from_main(tmp_path):
    """What is defined in `__main__`: lambdas, decorated functions, models, operations. And code on disk is found again."""
    path, cache = tmp_path / "main.pickle", tmp_path / "cache"
    python(HERE.with_name("shipped_functions.py"), path, AUTOGRAD_LITE_CACHE=str(cache))
    entries = {*cache.rglob("*")}
    count, imported, *others = python("-c", READ, path, PYTHONPATH=str(ROOT), AUTOGRAD_LITE_CACHE=str(cache)).split()
    assert (int(count), imported, others) == (len(NAMED | shipped_functions.UNNAMED), "False", [])
    if entries:  # machine code is here
        assert {*cache.rglob("*")} == entries


def test_pickles_are_small():
    """Never code, never what was compiled, never a graph for a leaf; an array once."""
    for name, (_, fresh, used) in written(cloudpickle.dumps, NAMED).items():
        assert fresh == used or len(used) == len(fresh), name
        assert len(used) < 20_000, name
    x = al.Variable(1.0)
    y = x
    for _ in range(1000):
        y = al.sin(y)
    assert len(pickle.dumps(x)) < 200
    big = np.ones(10_000)
    assert len(cloudpickle.dumps([al.jit(lambda x: x * big), al.grad(lambda x: (x * big).sum())])) < 8 * 10_000 + 3000


def test_a_deep_graph_that_a_function_captures():
    """Without recursion."""
    y = al.Variable(1.0)
    for _ in range(20_000):
        y = y + 0.0
    assert pickle.loads(cloudpickle.dumps(al.jit(lambda x: y * x)))(2.0).value == 2.0


TRACED = []


def noted(x):
    """Notes that it is traced."""
    TRACED.append(x)
    return x[0] ** 2 if np.ndim(x) else x * x


@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps])
@pytest.mark.parametrize(
    "make",
    [
        al.jit,
        lambda f: al.jit(al.vmap(f)),
        lambda f: al.in_blocks(al.jit(al.vmap(f, reduce="mean"))),
        lambda f: al.sparse(f).value,
    ],
)
def test_a_pool_compiles_a_function_once(make, dumps):
    """Though it reads it again for each of its tasks."""
    f = make(noted)
    written = dumps(f)
    assert dumps(f) == written
    for _ in range(3):
        pickle.loads(written)(np.array([2.0]))
    del TRACED[:]
    pickle.loads(written)(np.array([2.0]))
    assert TRACED == []


@pytest.mark.skipif(importlib.util.find_spec("llvmlite") is None, reason="llvmlite is not installed")
def test_a_pool_compiles_what_captures_variables_once(monkeypatch):
    """It is traced for each task, with the Variables of that task; equal programs share their machine code."""
    from autograd_lite.tape.llvm import engine

    compile_, found = engine.compiled, []
    monkeypatch.setattr(engine, "compiled", lambda *given: found.append(given) or compile_(*given))
    u = al.Variable(3.125)
    for make in (al.jit, lambda f: al.jit(al.vmap(f)), lambda f: al.jit(al.vmap(al.value_and_grad(f)))):
        written = cloudpickle.dumps(make(lambda x: al.sin(u * x) * x + 0.0625 * x))
        call(pickle.loads(written), np.array([2.0]))
        del found[:]
        call(pickle.loads(written), np.array([2.0]))
        assert found == []


def test_what_changed_is_another_function():
    """What a function captures belongs to its key, and a copy, or a function that was made again, has a key of its own."""
    state = [2.0]
    f = al.jit(lambda x: x * state[0])
    first, same = (pickle.loads(cloudpickle.dumps(f)) for _ in range(2))
    state[0] = 5.0
    second = pickle.loads(cloudpickle.dumps(f))
    assert first is same and (first(1.0), second(1.0)) == (2.0, 5.0)
    assert pickle.loads(cloudpickle.dumps(copy.copy(f))) is not second


@pytest.mark.parametrize("make", [al.jit, al.grad, lambda f: al.jit(al.value_and_grad(f)), lambda f: al.trace(f, 1.0)])
def test_a_captured_variable_stays_that_of_the_nest(make):
    """Within one pickle; by cloudpickle of a closure, and in a tape by plain pickle."""
    for dumps, inside in ((cloudpickle.dumps, False), (pickle.dumps, True)):
        u = al.Variable(3.0)
        f = make(lambda x, u=u: u * x * x)
        if inside and not isinstance(f, al.Tape):
            continue
        again, nest = pickle.loads(dumps((f, {"u": u})))
        result = again(2.0)
        y = result[0] if isinstance(result, tuple) else result
        y.backward()
        assert nest["u"].grad == y.value / 3.0
        nest["u"].value = 6.0
        later = again(2.0)
        assert (later[0] if isinstance(later, tuple) else later).value == 2.0 * y.value
        assert u.grad is None


def test_options_ship():
    """Those of the compiled function, and of what is in it."""
    f = al.jit(al.vmap(al.grad(lambda x, y: x * y, (0, 1)), (None, 0)), backend="numpy", max_paths=3, cache=False)
    again = pickle.loads(cloudpickle.dumps(f))
    assert (again.asked, again.max_paths, again.cache, again.order) == ("numpy", 3, False, "rolled")
    assert again.f.in_axes == (None, 0)
    assert again.f.f.recipe[2] == (0, 1)


@pytest.mark.parametrize(
    "make",
    [al.jit, al.grad, al.vmap, al.hvp, lambda f: al.jit(al.hessian(f)), al.sparse, lambda f: al.in_blocks(al.vmap(f))],
)
def test_plain_pickle_of_a_lambda_says_what_to_do(make):
    """It names cloudpickle."""
    with pytest.raises(errors.UnpicklableError, match="cloudpickle"):
        pickle.dumps(make(lambda x: x * x))


def test_registered_modules_go_by_value():
    """As `cloudpickle.register_pickle_by_value` asks for."""
    cloudpickle.register_pickle_by_value(shipped_functions)
    try:
        data = cloudpickle.dumps(decorated)
    finally:
        cloudpickle.unregister_pickle_by_value(shipped_functions)
    assert pickle.loads(data) is not decorated
    assert pickle.loads(data)(3.0) == 9.0
    assert pickle.loads(cloudpickle.dumps(decorated)) is decorated


def test_another_definition_of_an_operation_that_came_before():
    """A cell of a notebook that ran twice; a definition of this process is never replaced."""

    def shipped(factor):
        make = lambda t: t * factor
        own = al.Primitive(name="shipped_twice", value=make, partials=(factor,), replace=True)
        return cloudpickle.dumps(own)

    first, second = shipped(2.0), shipped(3.0)
    gc.collect()
    assert [pickle.loads(data)(1.0) for data in (first, second)] == [2.0, 3.0]
    kept = al.Primitive(name="shipped_once", value=lambda t: t, partials=(1.0,))
    data = cloudpickle.dumps(kept)
    del kept
    gc.collect()
    mine = al.Primitive(name="shipped_once", value=lambda t: 2.0 * t, partials=(2.0,))
    with pytest.raises(errors.PrimitiveError, match="'shipped_once' exists already"):
        pickle.loads(data)
    assert mine(1.0) == 2.0


# --- the libraries that run processes -----------------------------------------------------------------------------------

NUMBERS = [0.5, 1.0, -2.0, 3.0]


def spawned():
    """Processes that import what they need."""
    return multiprocessing.get_context("spawn")


def forked():
    """Processes that are copies, whatever was compiled."""
    if not hasattr(os, "fork"):
        pytest.skip("this platform cannot fork")
    return multiprocessing.get_context("fork")


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("method", [forked, pytest.param(spawned, marks=pytest.mark.full)])
def test_pools_of_processes(method):
    """`multiprocessing` and `concurrent.futures`."""
    f = al.jit(al.value_and_grad(Line(2.0, 1.0)))
    expected = [*map(f, NUMBERS)]
    with method().Pool(2) as pool:
        assert pool.map(f, NUMBERS) == expected
        assert pool.map(decorated, NUMBERS) == [x * x for x in NUMBERS]
    with futures.ProcessPoolExecutor(2, mp_context=method()) as executor:
        assert [*executor.map(f, NUMBERS)] == expected


@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.full)])
def test_joblib(backend):
    """Lambdas too."""
    k = 2.0
    f = al.jit(al.vmap(al.grad(lambda x: k * x**3)))
    rows = [np.array(NUMBERS) + shift for shift in range(6)]
    found = joblib.Parallel(n_jobs=2, backend=backend)(joblib.delayed(f)(row) for row in rows)
    assert all(np.array_equal(one, f(row)) for one, row in zip(found, rows, strict=True))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_does_not_wait_for_locks_of_threads_that_it_has_not():
    """Another thread holds every lock of the library while the process forks, as in a trace or a sweep."""
    fast, rows, sparse = al.jit(al.grad(captures)), al.jit(al.vmap(al.sin)), al.sparse(lambda x: al.sum(x[1:] * x[:-1]))
    x = np.array(NUMBERS)
    expected = call(fast, 2.0), rows(x).tolist(), sparse.hessian(x).toarray().tolist()
    held, done = threading.Event(), threading.Event()

    def hold():
        locks = [*forks._locks]
        for lock in locks:
            lock.acquire()
        held.set()
        done.wait()
        for lock in locks:
            lock.release()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    child = os.fork()
    if not child:
        faults = 1
        try:
            warnings.simplefilter("ignore")
            found = call(fast, 2.0), rows(x).tolist(), sparse.hessian(x).toarray().tolist()
            new = al.jit(lambda x: x * x if x > 0 else -x)
            faults = int((found, new(2.0), new(-2.0)) != (expected, 4.0, 2.0))
        finally:
            os._exit(faults)
    done.set()
    thread.join()
    for _ in range(600):
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        threading.Event().wait(0.05)
    else:
        os.kill(child, 9)
        os.waitpid(child, 0)
        pytest.fail("the child hangs")
    assert status == 0


@pytest.mark.skipif(importlib.util.find_spec("llvmlite") is None, reason="llvmlite is not installed")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_compiles_while_a_thread_of_its_parent_is_in_llvm():
    """The lock of llvmlite, which calls from anywhere take, is held by another thread when the process forks."""
    import llvmlite.binding as llvm

    rows, stop, status = al.jit(al.vmap(al.sin)), threading.Event(), []
    rows(np.array(NUMBERS))

    def frees_modules():
        while not stop.is_set():
            llvm.parse_assembly("define double @f(double %x) {\nret double %x\n}").verify()

    threads = [threading.Thread(target=frees_modules) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for k in range(8):
            child = os.fork()
            if not child:
                signal.alarm(20)  # ends a child that hangs
                os._exit(int(al.jit(al.vmap(lambda x, k=k: x * (k + 0.25)))(np.array(NUMBERS))[1] != k + 0.25))
            status.append(os.waitpid(child, 0)[1])
            if status[-1]:
                break
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert status == [0] * 8


@pytest.mark.slow
def test_twenty_gigabytes_in_one_of_anonymous_memory():
    """A sparse file: sums, an iterator of results, results in a file."""
    if not Path("/proc/self/status").exists():
        pytest.skip("this platform does not tell anonymous memory")
    told = python("-m", "benchmarks.blocks")
    assert told.count("RssAnon at most") == 3
