"""The short way of a call: nests of every kind, and whatever the source was not written for, give what the function gives."""

import collections
import dataclasses
import itertools
from collections import OrderedDict, defaultdict

import numpy as np
import optree
import pytest
from nests import Mode, Point

import autograd_lite as al
from autograd_lite.nests import unravel
from autograd_lite.tape import call, entries
from autograd_lite.tape.llvm import engine

pytestmark = pytest.mark.skipif(not engine.AVAILABLE, reason="machine code only")


@al.register_dataclass
@dataclasses.dataclass
class Layer:
    weight: object
    bias: object
    scale: float = dataclasses.field(default=2.0, metadata={"static": True})


W = np.arange(6.0).reshape(2, 3) / 7.0
NESTS = {
    "two floats": (1.5, 2.5),
    "a tuple": ((1.5, 2.5),),
    "a dictionary": ({"b": 1.5, "a": 2.5},),
    "one key": ({"a": 2.5},),
    "a list": ([0.5, 1.5, 2.5, 3.5, 4.5],),
    "a long dictionary": (dict.fromkeys("edcba", 0.5) | {"c": 3.0},),
    "a dictionary in the order of its leaves": (dict.fromkeys("abcde", 0.5) | {"c": 3.0},),
    "an array": (W,),
    "layers": ([(W, np.ones(2)), (W.T.copy(), np.zeros(3))],),
    "layers of lists": ([W.tolist(), (1.0, [2.0, 3.0, 4.0, 5.0])],),
    "a named tuple": (Point(1.5, 2.5),),
    "a dataclass": (Layer(W, 0.5),),
    "an OrderedDict": (OrderedDict(b=1.5, a=2.5),),
    "a defaultdict": (defaultdict(float, b=1.5, a=2.5),),
    "nothing in it": ((), [None, 1.5], {}),
    "a scalar array": (np.array(2.5),),
    "an empty array": (np.empty((0, 3)), 1.5),
    "keys that are no texts": ({1: 1.5, 0: 2.5},),
    "a deque": (collections.deque([1.5, 2.5]),),
}


def numbers_in(nest):
    """All numbers of a nest, in the order in which the function sees them."""
    if isinstance(nest, (dict,)):
        nest = nest.values()
    elif isinstance(nest, Layer):
        nest = [nest.weight, nest.bias, nest.scale]
    elif isinstance(nest, np.ndarray):
        nest = nest.ravel()
    elif nest is None:
        return []
    elif not isinstance(nest, (list, tuple, collections.deque)):
        return [nest]
    return [number for part in nest for number in numbers_in(part)]


def weighted(*arguments):
    """Depends on every number and on their order."""
    return sum((k + 1.0) * x * x for k, x in enumerate(numbers_in(arguments)))


def scaled(nest, factor):
    """Other numbers in the same structure."""
    return optree.tree_map(lambda x: x * factor, nest, namespace="autograd_lite")


def counted(monkeypatch):
    """Counts the calls that go the general way."""
    calls, general = [], call.Compiled._general
    monkeypatch.setattr(call.Compiled, "_general", lambda self, *a: (calls.append(1), general(self, *a))[1])
    return calls


@pytest.mark.parametrize("name", NESTS)
@pytest.mark.parametrize("order", ["value", "gradient"])
def test_every_nest(name, order, monkeypatch):
    """The second call and those after it take the short way, and give the bits and the nest of the function."""
    arguments = NESTS[name]
    f = weighted if order == "value" else al.grad(weighted, argnums=tuple(range(len(arguments))))
    general = counted(monkeypatch)
    fast = al.jit(f)
    for factor in (1.0, 0.5, -3.0):
        given = scaled(arguments, factor)
        expected, got = f(*given), fast(*given)
        assert got == expected if order == "value" else repr(got) == repr(expected)
    assert len(general) == (3 if name == "keys that are no texts" else 1)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ((1.5, 2.0), (np.float64(1.5), np.float32(2.0))),
        ((1.5, 2.0), (1, np.int64(2))),
        (([1.5, 2.0, 3.0, 4.0],), ([1, np.float64(2.0), np.uint8(3), 4.0],)),
        ((W,), (W.astype(np.float32),)),
        ((W,), (np.arange(6, dtype=np.int32).reshape(2, 3),)),
        ((W,), (np.arange(6).reshape(2, 3),)),
        ((W,), (W > 0.3,)),
        ((W,), (np.asfortranarray(W),)),
        ((W,), (np.repeat(W, 2, axis=1)[:, ::2],)),
        ((W,), (W.astype(">f8"),)),
        (({"a": 1.0, "b": 2.0},), ({"b": 1.0, "a": 2.0},)),
        (({"a": 1.0, "b": 2.0},), (OrderedDict(a=1.0, b=2.0),)),
        ((OrderedDict(a=1.0, b=2.0),), ({"a": 1.0, "b": 2.0},)),
        (({"a": 1.0, "b": 2.0},), (defaultdict(float, a=1.0, b=2.0),)),
        (((1.0, 2.0),), (Point(1.0, 2.0),)),
        ((Point(1.0, 2.0),), ((1.0, 2.0),)),
        (((1.0, 2.0),), ([1.0, 2.0],)),
        (((1.0, 2.0),), ((1.0, 2.0, 3.0),)),
        ((Layer(W, 0.5),), (Layer(W, 0.5, 3.0),)),
        ((Layer(W, 0.5),), (Layer(0.5, W),)),
        ((1.0, 2.0), (1.0,)),
        ((1.0, 2.0), (1.0, W)),
    ],
)
def test_other_kinds_after_the_first(first, then):
    """Numbers of other types are converted exactly; another structure is another tape."""
    fast = al.jit(weighted)
    fast(*first)
    for _ in range(2):
        assert fast(*first) == weighted(*first)
        assert fast(*then) == weighted(*map(_as_floats, then))


def _as_floats(argument):
    return argument.astype(float) if isinstance(argument, np.ndarray) else argument


@pytest.mark.parametrize("bad", [2**53 + 1, np.int64(2**60 + 1), 10**400, "x", 1 + 2j])
@pytest.mark.parametrize("form", [lambda x: (x, 1.0), lambda x: ([x, 1.0, 1.0, 1.0],)])
def test_what_is_no_exact_float_is_refused_as_in_the_first_call(bad, form):
    """The message is that of the general way."""
    fast = al.jit(weighted)
    fast(*form(1.0))
    with pytest.raises(Exception) as first:
        al.jit(weighted)(*form(bad))
    with pytest.raises(type(first.value)) as later:
        fast(*form(bad))
    assert str(later.value) == str(first.value)


def test_facts_are_told_apart_by_type_and_value():
    """True is not 1, members of an Enum are themselves, texts are compared."""

    def f(x, fact):
        return x * (2.0 if fact is True else 3.0 if fact == "three" else 5.0 if fact is Mode.TRIPLE else 7.0)

    fast = al.jit(f)
    for _ in range(3):
        for fact in (True, False, "three", "four", Mode.DOUBLE, Mode.TRIPLE):
            assert fast(1.5, fact) == f(1.5, fact)


def test_keywords_in_any_order():
    """By name, whatever the function calls its own."""

    def f(x, *, given, numbers, path=1.0):
        return x * given + numbers / path

    fast = al.jit(f)
    for _ in range(3):
        assert fast(1.0, given=2.0, numbers=3.0) == f(1.0, given=2.0, numbers=3.0)
        assert fast(1.0, numbers=3.0, given=2.0) == f(1.0, given=2.0, numbers=3.0)
        assert fast(1.0, path=4.0, numbers=3.0, given=2.0) == f(1.0, path=4.0, given=2.0, numbers=3.0)


def test_results_are_fresh():
    """No result shares memory with another, nor with an argument."""
    fast = al.jit(lambda v: [v, {"twice": v * 2.0}])
    v = np.ones(3)
    results = [fast(v) for _ in range(3)]
    for again, other in itertools.pairwise(results):
        assert not np.shares_memory(again[0], other[0])
        again[0][:] = 9.0
        assert other[0].tolist() == [1.0, 1.0, 1.0]
    assert v.tolist() == [1.0, 1.0, 1.0]


def test_dataclass_whose_static_field_is_an_array():
    """Arrays do not compare to a bool: the general way decides."""
    fast = al.jit(lambda layer: layer.bias * float(np.sum(layer.scale)))
    assert fast(Layer(1.0, 2.0, np.ones(3))) == 6.0
    assert fast(Layer(1.0, 2.0, 4.0)) == 8.0


def test_nonfinite_numbers_raise_as_without_jit():
    """An observer sees nodes, so that the function itself runs."""
    fast = al.jit(al.grad(lambda p: al.log(p[0])))
    fast((1.0, 2.0))
    with pytest.raises(al.NonFiniteError), al.raise_on_nonfinite():
        fast((0.0, 2.0))


def test_variables_after_floats():
    """They go to the function, in nests too."""
    fast = al.jit(lambda p: p["a"] * p["b"])
    assert fast({"a": 2.0, "b": 3.0}) == fast({"a": 2.0, "b": 3.0}) == 6.0
    x = al.Variable(2.0)
    y = fast({"a": x, "b": 3.0})
    assert al.gradients(y, x) == 3.0
    assert al.grad(fast)({"a": 2.0, "b": 3.0}) == {"a": 3.0, "b": 2.0}


@pytest.mark.parametrize("reduce", [None, "sum", "mean"])
def test_lanes(reduce, monkeypatch):
    """Nests that all lanes share, and rows."""

    def f(p, x, v):
        return weighted(p) * x + weighted(v) + (1.0 if x > 0 else 2.0)

    slow, fast = (wrap(al.vmap(f, (None, 0, 0), reduce=reduce)) for wrap in (lambda g: g, al.jit))
    general = counted(monkeypatch)
    rng = np.random.default_rng(0)
    for lanes in (3, 5, 1, 40):
        arguments = ([(W, 2.0), {"k": 1.0}], rng.normal(size=lanes), rng.normal(size=(lanes, 2)))
        np.testing.assert_allclose(fast(*arguments), slow(*arguments), rtol=1e-15)
    assert len(general) == 1
    with pytest.raises(al.ArgumentError, match="lanes"):
        fast(arguments[0], np.ones(3), np.ones((4, 2)))
    whole = (arguments[0], np.ones(4, dtype=int), np.ones((4, 2)))
    np.testing.assert_allclose(fast(*whole), slow(*whole), rtol=1e-15)


def test_long_nests_have_no_source():
    """Beyond some thousand containers a call goes the general way, instead of compiling source for minutes."""
    rows = [[1.0, 2.0] for _ in range(2 * entries._LONG)]
    fast = al.jit(lambda rows: rows[0][0] * rows[-1][1])
    assert fast(rows) == fast(rows) == 2.0


@pytest.mark.parametrize("rows", [2, 30, 200])
def test_lists_in_lists_come_out_in_one_piece(rows):
    """A Jacobian of lists was written out row by row: one slice of the buffer for each."""
    _, shape = unravel([[0.5 * (i + j) for j in range(3)] for i in range(rows)])
    source, taken = entries._nest(shape)
    assert source == f"out[0 : {3 * rows}].reshape(({rows}, 3)).tolist()" and taken == []


@pytest.mark.parametrize(
    "nest",
    [
        [[1.0, 2.0], [3.0]], [[1.0, 2.0], (3.0, 4.0)], [[[1.0], [2.0]], [[3.0], [4.0]]], [[], []],
        [1.0, [2.0, 3.0, 4.0, 5.0]], [[1.0]],
    ],
    ids=["ragged", "a tuple", "three deep", "empty", "mixed", "one"],
)  # fmt: skip
def test_lists_of_other_forms_keep_them(nest):
    """Only lists of equal length are one piece."""

    def f(x):
        return optree.tree_map(lambda number: number * x, nest)

    jitted = al.jit(f)
    for x in (1.0, 2.0, -3.0):
        assert jitted(x) == f(x)
