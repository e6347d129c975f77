"""Sweeps inside a trace: what they write, and what an observer sees of them."""

import warnings

import numpy as np
import pytest

import autograd_lite as al
from autograd_lite import Variable, context, jit
from autograd_lite.tape import recording


def test_backward_in_a_trace_writes_zero_where_nothing_was_sent():
    """As outside of a trace: the condition of a selection is under the output and has no part in its derivative."""

    def f(x):
        condition = x * 2.0
        al.where(condition, x * 3.0, x).backward()
        return condition.grad

    assert f(Variable(3.0)) == jit(f)(3.0) == 0.0


def test_sweeps_in_a_trace_are_shown_from_the_output_back():
    """With branches in what is swept, too."""
    orders = []

    class Watch(context.Observer):
        def sweep(self, order, adjoints, *, forward):
            orders.append([node.number for node in order])

    with context.observing(Watch()):
        al.jit(al.grad(lambda x: al.where(x, al.sin(x) * x, x)))(2.0)
        al.grad(lambda x: al.where(x, al.sin(x) * x, x))(2.0)
    assert orders and all(order == sorted(order, reverse=True) for order in orders)


SAMPLES = np.linspace(-1.0, 1.0, 20_000)


def price(s):
    return np.mean(np.maximum(np.exp(s * SAMPLES + 0.1) - 1.0, 0.0))


@pytest.mark.parametrize("transform", ["trace", "compiled gradient"])
def test_array_code_that_becomes_a_long_program_is_named(transform, monkeypatch):
    """One warning, with the shape, the user's line and the form to write; it comes before the compilation."""
    run = lambda s: al.trace(price, s)
    if transform != "trace":
        monkeypatch.setattr(recording, "MANY", 1000)
        few = SAMPLES[:400]
        run = al.jit(al.value_and_grad(lambda s: np.mean(np.exp(s * few) * few)), backend="python")
    with pytest.warns(al.ArrayWarning, match=r"shape \(\d+,\) at test_recording.py:\d+.*vmap\(f, in_axes") as caught:
        run(0.5)
    assert {w.category for w in caught} == {al.ArrayWarning}
    assert len({w.lineno for w in caught}) == 1  # a short program is traced twice
    assert caught[0].filename == __file__


def test_code_that_is_no_array_code_is_not_warned_of():
    """Loops over numbers, networks of matrices, lanes of any number, and arrays that are not traced."""
    network = al.nn.Network.create([30, 40, 1], rng=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", al.ArrayWarning)
        al.trace(lambda x: sum((x * k for k in range(20_000)), 0.0), 0.5)
        al.trace(lambda n: n(np.ones(30))[0], network)
        al.jit(al.vmap(lambda s, z: al.exp(s * z), (None, 0), reduce="mean"))(0.5, SAMPLES)
        al.value_and_grad(price)(0.5)


def test_arrays_of_plain_numbers_are_no_operations():
    """Inside a trace too."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", al.ArrayWarning)
        al.trace(lambda x: x * float((al.zeros((300, 300)) + 1.0)[0, 0]), 1.0)


def test_slow_array_code_is_warned_of_by_the_clock(monkeypatch):
    """After two seconds the count need not be full."""
    monkeypatch.setattr(recording, "LONG", 0.0)
    with pytest.warns(al.ArrayWarning, match="6,000 operations"):
        al.trace(lambda s: np.sum(np.exp(s * SAMPLES[:3000])), 0.5)
