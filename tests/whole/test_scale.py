"""Size: chains of a million nodes, exponential numbers of paths, wide sums; time, bytes and garbage.

The deep chain runs in a process of its own, so that a stack overflow is a failed test with a name and not the end of
the whole run.
"""

import gc
import json
import subprocess
import sys
import tracemalloc

import pytest
from garbage import alive, collector_off, settle
from house import TESTS
from tiers import mostly_full, sizes

import autograd_lite as al

DEEP = """
import copy, gc, json, pickle, sys, time
import autograd_lite as al
from garbage import alive

def chain(n):
    y = x = al.Variable(0.5, name="x")
    for _ in range(n):
        y = y * 0.9999999
    return x, y

def run(n):
    times, facts = {}, {}
    def timed(name, action):
        start = time.process_time()
        result = action()
        times[name] = time.process_time() - start
        return result
    x, y = timed("build", lambda: chain(n))
    timed("backward", y.backward)
    facts["gradient"] = x.grad
    facts["gradients"] = timed("gradients", lambda: al.gradients(y, x))
    facts["nodes"] = len(timed("order", lambda: al.topological_order(y)))
    facts["repr"] = len(repr(y))
    y2 = timed("deepcopy", lambda: copy.deepcopy(y))
    facts["copied"] = [y2.value, y2.grad, len(al.topological_order(y2))]
    facts["apart"] = y2 is not y and al.topological_order(y2)[0] is not x
    timed("free the copy", lambda: globals().update(y2=None))
    del y2
    data = timed("pickle", lambda: pickle.dumps(y))
    y3 = timed("unpickle", lambda: pickle.loads(data))
    del data
    facts["pickled"] = [y3.value, y3.grad, len(al.topological_order(y3))]
    x3 = al.topological_order(y3)[0]
    facts["pickled gradient"] = al.gradients(y3, x3)
    del y3, x3
    def free():
        nonlocal x, y
        x = y = None
    timed("free", free)
    facts["left"] = alive()
    return {"times": times, "facts": facts}

gc.disable()
run(1000)
print(json.dumps(run(int(sys.argv[1]))))
"""

MILLION = 1_000_000


def run_deep(size):
    """Run the chain in a new process, so that every size finds fresh memory; return its times and facts."""
    done = subprocess.run(
        [sys.executable, "-c", DEEP, str(size)], capture_output=True, text=True, check=False, timeout=300, cwd=TESTS
    )
    assert done.returncode == 0, f"exit {done.returncode}: {done.stderr[-2000:]}"
    return json.loads(done.stdout)


def total(run):
    """Processor time of all phases."""
    return sum(run["times"].values())


@pytest.fixture(scope="module", params=sizes(MILLION // 10, MILLION))
def deep(request):
    """Run the chain once; how long it is and what it found."""
    return request.param, run_deep(request.param)["facts"]


@pytest.fixture(scope="module")
def timed():
    """Run the chain of 10⁵ nodes three times, of which the median counts, and of 10⁶ three times, of which the best.

    Whatever else runs on the machine only ever adds to the time, and most where memory is short. Times depend on the
    machine all the same, so the tests that read them are marked slow and run by hand.
    """
    small = sorted((run_deep(MILLION // 10) for _ in range(3)), key=total)[1]
    return {"small": small, "large": min((run_deep(MILLION) for _ in range(3)), key=total)}


def test_a_deep_chain_is_built_swept_copied_and_pickled(deep):
    """All of it without recursion, and the copies are whole."""
    size, facts = deep
    gradient = 1.0
    for _ in range(size):
        gradient *= 0.9999999
    value = 0.5
    for _ in range(size):
        value *= 0.9999999
    assert facts["gradient"] == facts["gradients"] == facts["pickled gradient"] == gradient
    assert facts["nodes"] == size + 1
    assert facts["copied"] == facts["pickled"] == [value, 1.0, size + 1]
    assert facts["apart"]
    assert facts["repr"] < 200


def test_a_deep_chain_is_freed_by_reference_counts(deep):
    """With the cyclic collector off, no node is left."""
    assert deep[1]["left"] == 0


@pytest.mark.slow
def test_time_grows_at_most_twelve_times_for_ten_times_the_size(timed):
    """From 10⁵ to 10⁶ nodes, all phases together."""
    small, large = total(timed["small"]), total(timed["large"])
    assert large <= 12 * small, {
        phase: (t, timed["large"]["times"][phase]) for phase, t in timed["small"]["times"].items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["build", "backward", "gradients", "order", "deepcopy", "pickle", "unpickle", "free"])
def test_no_phase_is_quadratic(timed, phase):
    """A quadratic phase would take 100 times as long.

    25 leaves room for memory that no longer fits the caches, and 20 ms for the clock.
    """
    small, large = timed["small"]["times"][phase], timed["large"]["times"][phase]
    assert large <= 25 * max(small, 0.02), f"{phase}: {small:.3f} s, then {large:.3f} s"


@pytest.mark.parametrize(
    "step", [lambda y: y * 0.999, lambda y: al.tanh(y), lambda y: y + y, lambda y: y * y], ids=["*c", "tanh", "+", "*"]
)
@pytest.mark.parametrize("count", sizes(10_000, 50_000))
def test_at_most_350_bytes_a_node(step, count):
    """What a recorded node holds, by tracemalloc, over thousands of nodes of one operation."""
    y = step(al.Variable(0.5))
    settle()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(count):
            y = step(y)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / count <= 350


def test_a_diamond_of_depth_60():
    """2⁶⁰ paths, 61 nodes: each is visited once."""
    x = y = al.Variable(1.0)
    for _ in range(60):
        y = y + y
    y.backward()
    assert x.grad == 2.0**60
    assert len(al.topological_order(y)) == 61
    assert al.gradients(al.gradients(y * y, x, create_graph=True), x) == 2.0 * 2.0**120


def test_a_diamond_of_products():
    """x**(2**10) by squaring ten times: gradient and second gradient are exact at 1."""
    x = y = al.Variable(1.0)
    for _ in range(10):
        y = y * y
    assert al.gradients(y, x) == 1024.0
    assert al.gradients(al.gradients(y, x, create_graph=True), x) == 1024.0 * 1023.0


@pytest.mark.parametrize("count", sizes(20_000, 100_000))
def test_a_wide_sum(count):
    """Many leaves added by +, by sum and by al.sum: every gradient is 1."""
    leaves = [al.Variable(float(i % 7)) for i in range(count)]
    exact = float(sum(i % 7 for i in range(count)))
    for add in (sum, al.sum):
        y = add(leaves)
        assert y.value == exact
        assert set(al.gradients(y, leaves)) == {1.0}
    y.backward()
    assert all(x.grad == 1.0 for x in leaves)


def test_one_leaf_used_100_000_times():
    """Wide fan-out: the adjoint is the exact sum."""
    x = al.Variable(2.0)
    y = sum(x * float(i) for i in range(100_000))
    assert al.gradients(y, x) == 100_000 * 99_999 / 2


def test_hessian_vector_products_of_a_deep_chain():
    """create_graph over 20,000 nodes, swept again: no recursion at order 2 either."""
    x = al.Variable(1.0)
    y = x
    for _ in range(20_000):
        y = y * x
    first = al.gradients(y, x, create_graph=True)
    assert first.value == 20_001.0
    assert al.gradients(first, x) == 20_001.0 * 20_000.0


@pytest.mark.parametrize(
    "route", mostly_full(["backward", "gradients", "grad", "second order", "failed pass"], [0, 3, 4])
)
def test_a_thousand_training_steps_leave_nothing_but_the_leaves(route):
    """With the cyclic collector off: as many Variables as before, and not a block of memory more for each step."""
    weights = [al.Variable(0.1 * i) for i in range(5)]

    def loss(w):
        return (al.tanh(w[0] * 0.3 + w[1]) * w[2] + w[3] - w[4]) ** 2

    def step():
        if route == "backward":
            loss(weights).backward()
            gradients = [w.grad for w in weights]
            al.zero_grad(weights)
        elif route == "gradients":
            gradients = al.gradients(loss(weights), weights)
        elif route == "grad":
            gradients = al.grad(loss)([w.value for w in weights])
        elif route == "second order":
            first = al.gradients(loss(weights), weights, create_graph=True)
            gradients = al.gradients(first[0] * first[1], weights)
        else:
            gradients, failed = [0.0] * 5, False
            try:
                with al.raise_on_nonfinite():
                    (al.sqrt(weights[0] * 0.0) + loss(weights)).backward()
            except al.errors.NonFiniteError:
                failed = True
            assert failed
        for w, g in zip(weights, gradients, strict=True):
            w.value -= 0.01 * g

    with collector_off():
        for _ in range(1000):  # the interpreter's free lists fill up: 2,000 tuples of each size
            step()
        before, blocks = alive(), sys.getallocatedblocks()
        for _ in range(1000):
            step()
        assert alive() == before
        # Each step of a leak would leave a block at least; caches of the interpreter may grow by a few.
        assert sys.getallocatedblocks() - blocks < 500
        assert gc.collect() == 0
