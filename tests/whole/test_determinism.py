"""The same bits from run to run, process to process, hash seed to hash seed, thread to thread."""

import os
import random
import subprocess
import sys
import threading
from itertools import pairwise

import pytest
from threads import at_once
from tiers import sizes

import autograd_lite as al

PROGRAM = """
import struct, zlib
import autograd_lite as al
weights = {name: al.Variable(0.37 * (i + 1) % 1.1 - 0.4, name=name) for i, name in enumerate("abcdefghijkl")}
names = set(weights)
total = al.Variable(0.0)
for epoch in range(3):
    layer = [al.tanh(sum(weights[n] * (0.1 * k + 0.7) for n in sorted(weights)[k:])) for k in range(10)]
    total = total + sum(h * h for h in layer) / (1.0 + al.logsumexp(layer)) + al.erf(layer[0]) ** layer[1].value
order = [(n.value, n.grad) for n in al.topological_order(total)]
total.backward()
every = al.gradients(total)
first = al.gradients(total, weights, create_graph=True)
second = al.gradients(first["a"] * first["c"], weights)
numbers = [total.value, *(w.grad for w in weights.values()), *every.values(), *second.values(), *(v for v, _ in order)]
print(len(numbers), zlib.crc32(b"".join(struct.pack("<d", n) for n in numbers)), *(struct.pack("<d", w.grad).hex() for
w in weights.values()))
"""


@pytest.mark.parametrize("processes", sizes(2, 20))
def test_processes_with_random_hash_seeds_give_the_same_bits(processes):
    """Values, gradients of every node in sweep order, and second gradients."""
    rng = random.Random(20)
    seen = set()
    for _ in range(processes):
        environment = {**os.environ, "PYTHONHASHSEED": str(rng.randrange(2**32))}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=environment
        )
        seen.add(done.stdout)
    assert len(seen) == 1
    assert int(seen.pop().split()[0]) > 100


def test_the_order_of_unrelated_work_does_not_matter():
    """Nodes made in between, and a graph made twice, change no bit."""

    def build(noise):
        x, y = al.Variable(0.3), al.Variable(-1.7)
        parts = []
        for i in range(50):
            for _ in range(noise * i % 5):
                al.exp(x)
            parts.append(al.sin(x * (i + 0.1)) / (y + i + 0.3))
        return al.gradients(sum(parts), [x, y])

    assert build(0) == build(1) == build(3)


def test_threads_that_share_leaves_get_the_bits_of_one_thread():
    """Gradients by al.gradients and nested al.grad in eight threads at once, over shared leaves."""
    weights = [al.Variable(0.1 * i - 0.3) for i in range(6)]

    def loss(w, k):
        return sum(al.tanh(a * (j + k + 1.0)) * b for j, (a, b) in enumerate(pairwise(w)))

    def compute(k):
        y = loss(weights, k)
        return al.gradients(y, weights), al.grad(lambda x: al.grad(lambda t: t**3 * (k + 1))(x) ** 2)(1.5)

    expected = [compute(k) for k in range(8)]
    results = [[None] * 20 for _ in range(8)]

    def work(k):
        for i in range(20):
            results[k][i] = compute(k)

    at_once(work, 8, interval=1e-6)
    assert results == [[e] * 20 for e in expected]


@pytest.mark.parametrize("shared", ["leaves", "graph"])
def test_threads_that_call_backward_at_once_lose_nothing(shared):
    """.grad of shared leaves ends as the exact sum of all passes.

    Whole numbers, so the order of additions does not show.
    """
    leaves = [al.Variable(float(i + 1)) for i in range(20)]
    graph = sum(x * x for x in leaves)

    def work(k):
        for _ in range(50):
            (graph if shared == "graph" else sum(x * x for x in leaves)).backward()

    at_once(work, 8, interval=1e-6)
    assert [x.grad for x in leaves] == [8 * 50 * 2.0 * x.value for x in leaves]


def test_raise_on_nonfinite_is_local_to_its_thread():
    """A block in one thread does not make another thread's infinity an error."""
    inside, done = threading.Event(), threading.Event()

    def work(k):
        if k == 0:
            with al.raise_on_nonfinite():
                inside.set()
                done.wait(10)
                with pytest.raises(al.errors.NonFiniteError):
                    al.log(al.Variable(0.0))
        else:
            inside.wait(10)
            try:
                assert al.log(al.Variable(0.0)).value == float("-inf")
            finally:
                done.set()

    at_once(work, 2, interval=1e-6)
