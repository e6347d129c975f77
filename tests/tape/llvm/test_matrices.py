"""Layers written as loops become matrices and outer products, and every bit stays."""

import dataclasses
import functools
import itertools

import numpy as np
import pytest
from tiers import mostly_full, sizes

import autograd_lite as al
from autograd_lite.tape.backends import registry
from autograd_lite.tape.llvm import backend, matrices
from autograd_lite.tape.llvm.emit import NATIVE
from autograd_lite.tape.lowering import lowered

pytest.importorskip("llvmlite")


def network(sizes, bias, activation):
    """A squared error of layers as scalar loops; the bias stands first, last or nowhere."""

    def loss(p, x, t):
        k, h = 0, list(x)
        for inputs, outputs in itertools.pairwise(sizes):
            row = []
            for _ in range(outputs):
                terms = [p[k + i + (bias == "first")] * h[i] for i in range(inputs)]
                if bias == "first":
                    s = p[k]
                    for term in terms:
                        s = s + term
                else:
                    s = terms[0]
                    for term in terms[1:]:
                        s = term + s
                    s = s + p[k + inputs] if bias == "last" else s
                k += inputs + (bias != "none")
                row.append(activation(s))
            h = row
        return al.sum([(u - v) ** 2 for u, v in zip(h, t, strict=True)])

    count = sum(b * (a + (bias != "none")) for a, b in itertools.pairwise(sizes))
    return loss, count


SHAPES = ([1, 2, 1], [3, 5, 4], [7, 9, 8, 3], [16, 17, 33, 2], [8, 8, 8, 8], [2, 64, 3])


@pytest.mark.parametrize("bias", ["first", "last", "none"])
@pytest.mark.parametrize("sizes", mostly_full(SHAPES, [0, 2, 5]), ids=str)
def test_layers_keep_every_bit(sizes, bias):
    """One lane, each of many lanes, and sums over lanes that are not a multiple of anything."""
    f, count = network(sizes, bias, al.relu)
    rng = np.random.default_rng(1)
    p, x, t = rng.normal(size=count), rng.normal(size=(70, sizes[0])), rng.normal(size=(70, sizes[-1]))
    both = al.value_and_grad(f)
    value, gradient = both(p, x[0], t[0])
    compiled = al.jit(both)(p, x[0], t[0])
    assert compiled[0] == value
    np.testing.assert_array_equal(compiled[1], gradient)
    values, gradients = al.jit(al.vmap(both, (None, 0, 0)))(p, x, t)
    for lane in (0, 9, 69):
        value, gradient = both(p, x[lane], t[lane])
        assert values[lane] == value
        np.testing.assert_array_equal(gradients[lane], gradient)
    total = al.jit(al.vmap(both, (None, 0, 0), reduce="sum"))(p, x, t)
    scale = np.abs(gradients).sum(axis=0) + 1e-300
    assert np.max(np.abs(total[1] - gradients.sum(axis=0)) / scale) < 70 * 2.3e-16


def test_what_is_found():
    """Both directions of the layers, and the gradients of the weights: most of the program."""
    f, count = network([16, 17, 33, 2], "first", al.relu)
    tape = al.trace(al.grad(f), np.ones(count), np.ones(16), np.ones(2))
    straight = lowered(tape.program, NATIVE)
    found = matrices.found(straight, 0, summed=True)
    assert len(found.matrices) >= 3
    assert len(found.absorbed) > len(straight.code) / 2


def test_threads_do_not_change_a_sum(monkeypatch):
    """Sums over lanes are the same bits on one core and on many."""
    f, count = network([16, 17, 33, 2], "first", al.sigmoid)
    rng = np.random.default_rng(2)
    p, x, t = rng.normal(size=count), rng.normal(size=(3001, 16)), rng.normal(size=(3001, 2))
    step = al.jit(al.vmap(al.value_and_grad(f), (None, 0, 0), reduce="mean"))
    results = []
    for cores in (1, 2, 5):
        monkeypatch.setattr(backend, "_CORES", cores)
        monkeypatch.setattr(backend, "WORTH_A_THREAD", 1)
        value, gradient = step(p, x, t)
        results.append((value, gradient.tobytes()))
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("inputs", [7, 8, 9, 20])
def test_weights_that_lie_by_input(inputs, monkeypatch):
    """Weights stored column by column: outer products are found turned round, and sums stay."""

    def loss(w, x, t):
        hidden = [al.sum([w[i, j] * x[i] for i in range(inputs)]) for j in range(5)]
        return al.sum([(al.tanh(h) - u) ** 2 for h, u in zip(hidden, t, strict=True)])

    rng = np.random.default_rng(3)
    w, x, t = rng.normal(size=(inputs, 5)), rng.normal(size=(70, inputs)), rng.normal(size=(70, 5))
    outers = []
    search = matrices.found
    monkeypatch.setattr(matrices, "found", lambda *a, **k: outers.append(search(*a, **k).outers) or search(*a, **k))
    gradients = np.array([al.grad(loss)(w, *row) for row in zip(x, t, strict=True)])
    total = al.jit(al.vmap(al.grad(loss), (None, 0, 0), reduce="sum"), cache=False)(w, x, t)
    assert [len(outer.left) for outer in outers[-1]] == [inputs]
    assert np.max(np.abs(total - gradients.sum(axis=0))) < 70 * 2.3e-16 * np.abs(gradients).sum(axis=0).max()


@pytest.mark.parametrize("lanes", [1, 7, 8, 9, 65, 300])
def test_inputs_are_gathered_from_any_layout(lanes):
    """Rows side by side, columns side by side, steps and reversals: the same numbers reach the lanes."""
    f = al.jit(al.vmap(lambda x, y: [a * 2.0 for a in x] + [y[1] - x[0]]))
    numbers = np.random.default_rng(4).normal(size=(2 * lanes, 42))
    x, y = numbers[:lanes, :19], numbers[:lanes, 20:23]
    for given in (x.copy(), np.asfortranarray(x), x, x[::-1], x[:, ::-1], numbers[::2, 1:20], numbers[::2, :38:2]):
        results = np.array(f(given, y))
        np.testing.assert_array_equal(results[:-1], given.T * 2.0)
        np.testing.assert_array_equal(results[-1], y[:, 1] - given[:, 0])


def signed(w, x):
    """A sum of products with the sign of a number, which is asked for first."""
    sign = 1.0 if x[0] > 0.0 else -1.0
    total = 0.0
    for row in w:
        s = row[0] * x[0]
        for weight, number in zip(row[1:], x[1:], strict=True):
            s = s + weight * number
        total = total + s
    return sign * total


def hidden(w, x):
    """The same with what is multiplied computed before, so that one lane has a matrix too."""
    h = [v * v for v in x]
    return signed(w, [x[0], *h[1:]]) + signed(w, h)


@pytest.mark.parametrize("f", [signed, hidden])
def test_a_branch_on_an_input_before_a_matrix_is_followed(f):
    """Lanes and single calls that differ in the sign of an input, where the first operation belongs to a matrix."""
    w, x = np.arange(1.0, 17.0).reshape(4, 4), np.array([[1.0, 1.0, 1.0, 1.0], [-1.0, 1.0, 1.0, 1.0]])
    lanes, single = al.jit(al.vmap(f, in_axes=(None, 0))), al.jit(f)
    assert lanes(w, x).tolist() == [single(w, row) for row in x] == [f(w, row) for row in x]
    assert len(lanes.paths()) == len(single.paths()) == 2
    both = al.jit(al.vmap(al.value_and_grad(f), in_axes=(None, 0), reduce="sum"))
    value, gradient = both(w, x)
    assert value == f(w, x[0]) + f(w, x[1])
    assert np.array_equal(gradient, al.grad(f)(w, x[0]) + al.grad(f)(w, x[1]))


@pytest.mark.parametrize("every", sizes(4, 1))
@pytest.mark.parametrize("f", [signed, hidden])
def test_a_branch_is_followed_wherever_its_guard_stands(f, every):
    """A tape from a file may have a guard later than it was recorded: it is tested all the same."""
    w, x = np.arange(2.0, 18.0).reshape(4, 4), np.ones(4)
    tape = al.trace(f, w, x)
    for position in range(len(tape), -1, -every):
        guards = tuple(dataclasses.replace(g, position=position) for g in tape.guards)
        moved = dataclasses.replace(tape, program=dataclasses.replace(tape.program, guards=guards))
        registry.forget()
        for run, one in ((al.jit(moved), x), (al.jit(al.vmap(moved, in_axes=(None, 0))), x[None])):
            assert run(w, one) == f(w, x)
            with pytest.raises(al.errors.BranchError):
                run(w, -one)


@pytest.mark.parametrize("outputs", [8, 16, 19])
def test_rows_of_neighbouring_weights_begin_with_their_own_numbers(outputs):
    """A matrix stored by inputs, times a vector, added to a vector: every bit of the eager run, in one lane."""

    def f(w, b, x):
        h = [v * 2.0 for v in x]  # a vector of results, which lie in a row
        return [functools.reduce(lambda s, i: s + w[i, j] * h[i], range(len(h)), b[j]) for j in range(outputs)]

    rng = np.random.default_rng(4)
    w, b, x = rng.normal(size=(12, outputs)), rng.normal(size=outputs), rng.normal(size=12)
    np.testing.assert_array_equal(al.jit(f, backend="llvm")(w, b, x), f(w, b, x))
