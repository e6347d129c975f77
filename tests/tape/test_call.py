"""`jit`: the results of the function itself, for arguments, facts and results of every kind."""

import collections
import copy
import dataclasses
import datetime as dt
import enum
import functools
import itertools
import math
import multiprocessing
import random
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from corpus import EXAMPLES, by_name, same_bits
from executors import BACKENDS, check, plain, same
from nests import Mode
from threads import at_once
from tiers import full, mostly_full, sizes

import autograd_lite as al
from autograd_lite import errors

# --- transforms in any order --------------------------------------------------------------------------------


@pytest.mark.parametrize("example", mostly_full(EXAMPLES, slice(0, None, 2)), ids=by_name)
@pytest.mark.parametrize("backend", BACKENDS)
def test_transforms_in_any_order(example, backend):
    """Value, gradient, Hessian, jvp, hvp and vjp through and around jit have eager's bits."""
    f, point = example.function, list(example.point)
    jit = functools.partial(al.jit, backend=backend)
    direction = [1.0 if k % 2 else -0.5 for k in range(len(point))]
    pairs = [
        (f, [jit(f), jit(jit(f))]),
        (al.grad(f), [jit(al.grad(f)), al.grad(jit(f)), jit(al.grad(jit(f)))]),
        (al.value_and_grad(f), [jit(al.value_and_grad(f)), al.value_and_grad(jit(f))]),
        (al.hessian(f), [jit(al.hessian(f)), al.hessian(jit(f))]),
        (lambda v: al.jvp(f, (v,), (direction,)), [jit(lambda v: al.jvp(f, (v,), (direction,)))]),
        (lambda v: al.hvp(f, (v,), (direction,)), [jit(lambda v: al.hvp(f, (v,), (direction,)))]),
        (lambda v: al.vjp(f, v)[1](2.0), [jit(lambda v: al.vjp(f, v)[1](2.0)), lambda v: al.vjp(jit(f), v)[1](2.0)]),
    ]
    for eager, routes in pairs:
        for route in routes:
            for numbers in (point, [p * 1.1 for p in point], point):
                expected, got = plain(eager(numbers)), plain(route(numbers))
                assert same(expected, got, signs=False), f"{got}, eager {expected}"


@pytest.mark.parametrize("backend", BACKENDS)
def test_check_grads_through_jit(backend):
    """Finite differences agree with derivatives of jitted functions."""
    for example in EXAMPLES[:5]:
        al.check_grads(al.jit(example.function, backend=backend), (list(example.point),), order=2)


def test_arrays_through_grad_and_jit():
    """Arrays in, arrays out, of the same shape."""
    a = np.arange(6.0).reshape(2, 3) / 3
    f = lambda m: al.sum(np.tanh(m) ** 2) + (m @ m.T).sum()
    for backend in BACKENDS:
        assert same(al.grad(f)(a), al.jit(al.grad(f), backend=backend)(a))
        assert same(al.grad(f)(a), al.grad(al.jit(f, backend=backend))(a))
        assert same(al.hessian(f)(a), al.jit(al.hessian(f), backend=backend)(a), signs=False)


def test_whole_number_exponents_as_arguments():
    """x**n at 0 with n an argument: derivative 0·x**-1 must not appear, in or outside jit."""
    f = lambda x, n: x**n
    for backend in BACKENDS:
        value, slope = al.jit(f, backend=backend), al.jit(al.grad(f), backend=backend)
        for x, n in itertools.product((0.0, 1.5, -2.0), (0, 1, 2, 3, -1)):
            assert same_bits(value(x, n), float(al.pow(x, n)))
            assert same(al.grad(f)(x, n), slope(x, n), signs=False), (x, n)


# --- arguments of every kind --------------------------------------------------------------------------------


@al.register_dataclass
@dataclasses.dataclass
class Model:
    """A nest for arguments and results."""

    weight: object
    bias: object

    def __call__(self, x):
        return al.tanh(self.weight * x + self.bias)

    @al.jit
    def jitted(self, x):
        return self.weight * x - self.bias


class Scaled:
    """A callable that is no nest."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return self.factor * x

    def method(self, x, y=2.0):
        return self.factor * x + y


def test_callables_of_every_kind():
    """Functions, methods, partials, callable objects, Primitives, Tapes, jitted functions."""
    check(Scaled(3.0), 2.0)
    check(Scaled(3.0).method, 2.0, (2.0, 5.0))
    check(functools.partial(Scaled(3.0).method, y=7.0), 2.0)
    check(functools.partial(lambda a, b, c=1: a * b * c, 2.0, c=3.0), 1.0, -4.0)
    check(al.sin, 0.5)
    check(al.trace(lambda x: x * x + 1, 2.0), 0.5, -3.0)
    check(al.jit(lambda x: x * x + 1), 0.5, -3.0)
    check(lambda *a, **k: al.sum(list(a)) * k.get("q", 1.0), (1.0, 2.0, 3.0), 1.0, keywords={"q": 2.0})
    check(lambda x, y=3.0, *, z=2.0: x * y * z, 1.0, (1.0, 2.0))
    check(lambda x, y=3.0, *, z=2.0: x * y * z, 1.0, (1.0, 2.0), keywords={"z": 5.0})
    assert Model(2.0, 1.0).jitted(3.0) == 5.0
    assert Model(4.0, 1.0).jitted(3.0) == 11.0
    with pytest.raises(TypeError):
        al.jit(lambda x: x)(1.0, 2.0)
    with pytest.raises(TypeError):
        al.jit(lambda x: x)(z=1.0)


def test_keyword_and_positional_are_the_same_argument():
    """f(x, y) and f(y=…, x=…) agree."""
    for backend in BACKENDS:
        f = al.jit(lambda x, y: x - 2 * y, backend=backend)
        assert [f(1.0, 2.0), f(y=2.0, x=1.0), f(1.0, y=2.0), f(x=2.0, y=1.0)] == [-3.0, -3.0, -3.0, 0.0]


@pytest.mark.parametrize("backend", BACKENDS)
def test_functions_of_no_arguments(backend):
    """They return what they return."""
    w = al.Variable(2.0)
    for f in (lambda: al.sin(2.0), lambda: 2.0, lambda: None, lambda: [1, "a"]):
        jitted = al.jit(f, backend=backend)
        assert same(jitted(), f()) and same(jitted(), f())
    g = al.jit(lambda: w * w, backend=backend)
    assert g().value == 4.0
    w.value = 3.0
    assert g().value == 9.0
    assert al.gradients(g(), w) == 6.0


def test_static_arguments():
    """Strings, booleans and None choose the program; others too do not get mixed up."""
    f = lambda x, mode, flag=None: (x * 2 if mode == "double" else x) * (3 if flag else 1)
    check(f, (1.5, "double"), (1.5, "same"), (1.5, "double", True), (1.5, "same", False), (1.5, "same", None))
    check(lambda x, n: al.sum([x] * n), (1.5, 3), (1.5, 1), (2.0, 4))
    check(lambda x, n: [x * k for k in range(n)], (1.5, 3), (1.5, 0), (2.0, 4))


def test_one_and_true_are_different():
    """1, 1.0 and True hash alike and must not share a program that told them apart."""
    f = lambda x, flag: x * 2 if flag is True else x
    jitted = al.jit(f)
    assert [jitted(3.0, True), jitted(3.0, 1), jitted(3.0, 1.0), jitted(3.0, True)] == [6.0, 3.0, 3.0, 6.0]
    g = al.jit(lambda x, s: (x, s))
    assert [repr(g(1.0, s)) for s in (False, None, "", "0")] == [repr((1.0, s)) for s in (False, None, "", "0")]


@al.register_dataclass
@dataclasses.dataclass
class Known:
    """A number and a fact."""

    number: float
    fact: object = dataclasses.field(default=2, metadata={"static": True})


@pytest.mark.parametrize("runner", [al.jit, lambda f: al.jit(al.vmap(f))])
def test_facts_that_are_equal_but_different_have_tapes_of_their_own(runner):
    """1, True and 1.0, 0.0 and -0.0, alone and inside of tuples and lists."""
    facts = [1, True, 1.0, np.float64(1.0), 0.0, -0.0, 0, False, (0.0, 1), (-0.0, 1), (0.0, True), [1], [True], [1.0]]
    told = {repr(fact): float(number) for number, fact in enumerate(facts)}
    f = lambda known: known.number * told[repr(known.fact)]
    compiled = runner(f)
    number = 2.0 if runner is al.jit else np.array([2.0])
    for _ in range(2):
        assert [float(np.ravel(compiled(Known(number, fact)))[0]) for fact in facts] == [2.0 * v for v in told.values()]
    assert len(compiled.paths()) == len(facts)
    tape = al.trace(f, Known(2.0, 1))
    assert tape(Known(3.0, 1)) == 0.0
    with pytest.raises(errors.ArgumentError):
        tape(Known(3.0, True))


def test_number_types():
    """NumPy scalars, 0-d arrays and big whole numbers are converted exactly or refused, as eager does."""
    f = lambda x: al.sin(x) * 2.5
    for backend in BACKENDS:
        jitted = al.jit(f, backend=backend)
        for x in (
            np.float32(0.3),
            np.int64(3),
            np.float16(0.3),
            np.bool_(True),
            True,
            3,
            2**53,
            -(2**53),
            np.float64(0.1),
        ):
            assert same_bits(float(jitted(x)), al.sin(float(x)) * 2.5), x
        for x in (2**53 + 1, 10**400, np.int64(2**53 + 1), np.array([2**53 + 1]), np.array(2**53 + 1)):
            jitted(0.5)
            with pytest.raises(errors.ConversionError):
                jitted(x)
        for x in ("a", 1j, np.array([1j]), np.array(["a"]), object()):
            with pytest.raises(TypeError):
                jitted(x)
        assert jitted(0.5) == f(0.5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_arrays_of_every_kind(backend):
    """Types, byte orders, strides, orders, 0-d and empty."""
    f = al.jit(lambda a: a * 2.5 - 1, backend=backend)
    base = np.arange(24.0).reshape(2, 3, 4)
    for code in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", ">f8", ">i2", "<f4", "g"):
        a = np.arange(4).astype(code)
        assert same(f(a), a.astype(float) * 2.5 - 1), code
    frozen = base.copy()
    frozen.flags.writeable = False
    views = [
        base, np.asfortranarray(base), base.T, base.transpose(1, 2, 0), base[::-1, ::2, ::-3], base[:, 1, :], frozen,
        np.broadcast_to(np.float64(3.0), (4, 2)), np.broadcast_to(base[0, 0], (3, 4)), base[:, :0], np.zeros((0, 3)),
        np.zeros(0), np.array(2.0), base[1, 2, 3:4],
    ]  # fmt: skip
    for a in views:
        assert same(np.asarray(f(a)), np.asarray(a * 2.5 - 1)), (a.shape, a.strides)
    offset = np.frombuffer(b"\0" + np.arange(3.0).tobytes(), dtype=np.uint8)[1:].view(np.float64)
    assert same(f(offset), offset * 2.5 - 1)
    assert al.jit(lambda a: a.sum(), backend=backend)(np.zeros(0)) == 0.0


@pytest.mark.parametrize("backend", BACKENDS)
def test_results_are_fresh(backend):
    """A result is nobody's buffer: it is writable, and later calls change neither it nor the argument."""
    f = al.jit(lambda a: (a, a * 2, np.array([1.0, 2.0])), backend=backend)
    a = np.arange(3.0)
    first = f(a)
    kept = [r.copy() for r in first]
    first[0][:] = -1
    assert a.tolist() == [0.0, 1.0, 2.0]
    second_result = f(a + 1)
    assert all(np.array_equal(k, r) for k, r in zip(kept[1:], first[1:], strict=True))
    second_result[2][:] = 99
    assert f(a)[2].tolist() == [1.0, 2.0]
    nest = al.jit(lambda x: {"a": [x, "s"]}, backend=backend)
    nest(1.0)["a"].append(3)
    assert nest(2.0) == {"a": [2.0, "s"]}


@pytest.mark.parametrize("backend", BACKENDS)
def test_results_that_are_no_floats_belong_to_the_caller(backend):
    """Changing an array of integers or texts changes no later result."""
    for thing in (np.array([1, 2]), np.array(["a", "b"]), np.array([True, False])):
        f = al.jit(lambda x, thing=thing: (x, {"k": thing.copy()}), backend=backend)
        for _ in range(3):
            result = f(1.0)[1]["k"]
            assert np.array_equal(result, thing)
            result[:] = result[::-1].copy()


@pytest.mark.parametrize("backend", BACKENDS)
def test_paths_that_return_integers_and_floats(backend):
    """Each call's result has the type that the function gives."""
    f = lambda x: x if x > 1 else 0 if x > 0 else False if x > -1 else "small"
    compiled = al.jit(f, backend=backend)
    for x in (2.0, 0.5, -0.5, -2.0) * 2:
        assert compiled(x) == f(x)
        assert type(compiled(x)) is type(f(x))


def test_outputs_of_every_kind():
    """Nests; numbers, booleans, strings, None and whole numbers pass through with their type."""
    check(lambda x: [x, [x, [x * 2, {"a": (x, 1, "q", None, True)}]]], 1.0, 2.0)
    for constant in (3.0, 3, "a", None, True, (), [], {}, [[]]):
        check(lambda x, c=constant: c, 1.0)
    check(lambda a: len(a), np.arange(6.0).reshape(2, 3))
    check(lambda a: a.shape, np.arange(6.0).reshape(2, 3))
    check(lambda a: (a.ndim, a[0, 0], a.size), np.arange(6.0).reshape(2, 3))
    check(lambda x: np.arange(3), 1.0)
    check(lambda x: np.array([1.0, x, x * x]), 2.0)
    check(lambda a, b: a @ b, (np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(3, 2)))
    check(lambda m: Model(m.weight * 2, 3.5), Model(1.0, 2.0), lift=False)
    big = al.jit(lambda x: [x * k for k in range(3000)])(2.0)
    assert big == [2.0 * k for k in range(3000)]
    assert same(al.jit(lambda a: np.outer(a, a))(np.arange(60.0)), np.outer(np.arange(60.0), np.arange(60.0)))


def test_other_structures_are_traced_again():
    """The same function on floats, lists, arrays and dicts, back and forth."""
    f = lambda v: al.sum([x * x for x in (v.values() if isinstance(v, dict) else v)])
    calls = [[1.0, 2.0], (1.0, 2.0, 3.0), np.arange(4.0), {"a": 1.0, "b": 3.0}, {"b": 1.0, "c": 3.0}, [5.0]]
    for backend in BACKENDS:
        jitted = al.jit(f, backend=backend)
        for v in calls + calls[::-1]:
            assert float(jitted(v)) == float(f(v))


def test_user_primitives():
    """With an expression they compile, without it they are called back; both have eager's bits."""
    cube = al.Primitive(
        name="test_jit_cube", value=lambda x: x * x * x, partials=(lambda x, y: 3.0 * x * x,), expression=lambda x: x * x * x,
        replace=True,
    )  # fmt: skip
    odd = al.Primitive(
        name="test_jit_odd", value=lambda x, y: math.floor(x) + y * 0.5, partials=(0.0, 0.5), replace=True
    )
    check(lambda x: cube(x) + odd(x, x * x), 0.5, -1.25, 3.0)
    check(cube, 0.5, -3.0)
    check(odd, (0.5, 2.0))
    check(al.grad(lambda x: cube(x) * odd(x, x * x)), 0.5, -1.25, 3.0, lift=False)
    check(al.grad(al.grad(lambda x: cube(x) * odd(x, x * x))), 0.5, -1.25, 3.0, lift=False)
    x = np.linspace(-2, 2, 37)
    assert same(al.vmap(lambda t: cube(t) + odd(t, t))(x), np.array([cube(t) + odd(t, t) for t in x.tolist()]))


def test_user_primitive_that_raises():
    """What `value` raises reaches the caller, and the next call works."""

    def value(x):
        if x < 0:
            raise ArithmeticError("no negative numbers")
        return x * 2

    picky = al.Primitive(name="test_jit_picky", value=value, partials=(2.0,), replace=True)
    for backend in BACKENDS:
        f = al.jit(lambda x: picky(x) + 1, backend=backend)
        assert f(1.0) == 3.0
        with pytest.raises(ArithmeticError, match="no negative"):
            f(-1.0)
        assert f(2.0) == 5.0


# --- dictionaries: the function sees the caller's order ------------------------------------------------------------


def weighted(d):
    """Depends on the order of keys: the first counts ten times as much as the second, and so on."""
    total = 0.0
    for k, value in enumerate(d.values()):
        total = total + 10.0**-k * (weighted(value) if isinstance(value, dict) else value)
    return total


def orders(d):
    """The dictionary with its keys in every order."""
    return [dict(items) for items in itertools.permutations(d.items())]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "runner",
    [
        lambda f, backend: al.jit(f, backend=backend),
        lambda f, backend: al.jit(lambda d: al.jit(f, backend=backend)(d), backend=backend),
        lambda f, backend: lambda d: al.trace(f, d)(d),
        lambda f, backend: lambda d: al.jit(al.trace(f, d), backend=backend)(d),
    ],
    ids=["jit", "jit of jit", "trace", "jit of trace"],
)
def test_dictionaries_in_another_order_do_not_share_a_tape(runner, backend):
    """`fast({"b": 1, "a": 2})`, then `fast({"a": 2, "b": 1})`: each has the result of its own order."""
    fast = runner(weighted, backend)
    for d in orders({"b": 1.0, "a": 2.0, "c": 4.0}):
        assert fast(d) == weighted(d)
        nested = {"z": d, "y": 3.0}
        assert fast(nested) == weighted(nested)


@pytest.mark.parametrize("lanes", [al.vmap, lambda f: al.jit(al.vmap(f))], ids=["vmap", "jit of vmap"])
def test_lanes_see_the_order_of_keys(lanes):
    """Over lanes too."""
    fast = lanes(weighted)
    for d in orders({"b": np.array([1.0, 5.0]), "a": np.array([2.0, 7.0])}):
        rows = [weighted({key: value[k] for key, value in d.items()}) for k in range(2)]
        assert fast(d).tolist() == rows


@pytest.mark.parametrize("d", orders({"b": 1.0, "a": 2.0}))
def test_derivatives_see_the_order_of_keys(d):
    """Gradient and Hessian of each order, in the structure that was passed."""
    f = lambda d: weighted({k: v * v for k, v in d.items()})
    fast = al.jit(al.grad(f))
    for each in (d, dict(reversed(d.items())), d):
        assert fast(each) == al.grad(f)(each)
        assert list(fast(each)) == list(each)
        assert al.jit(al.hessian(f))(each) == al.hessian(f)(each)


def test_scan_sees_the_order_of_keys_of_its_carry_and_rows():
    """A compiled step and one that Python runs see the same order: that of the first carry, that of xs."""

    def f(x, row):
        def step(carry, d):
            after = weighted(carry) * x + weighted(d)
            return {"a": after, "b": carry["b"] * 0.5}, after  # the other order

        carry, ys = al.scan(step, {"b": x, "a": 2.0}, row)
        return weighted(carry) + ys.sum()

    for row in orders({"v": np.array([1.0, 2.0, 3.0]), "u": np.array([0.5, 0.25, 0.125])}):
        assert al.jit(f)(0.5, row) == f(0.5, row)
        assert al.jit(al.grad(f))(0.5, row) == pytest.approx(al.grad(f)(0.5, row), rel=1e-14)


def test_a_tape_refuses_keys_in_another_order():
    """The function would give something else."""
    tape = al.trace(weighted, {"b": 1.0, "a": 2.0})
    with pytest.raises(errors.ArgumentError, match=r"takes arguments \(\({b: \*, a: \*},\), {}\) and got"):
        tape({"a": 2.0, "b": 1.0})
    assert tape({"b": 3.0, "a": 4.0}) == weighted({"b": 3.0, "a": 4.0})


def test_a_saved_tape_keeps_the_order_of_keys(tmp_path):
    """For dictionaries among the arguments and for `**keywords`."""
    al.trace(weighted, {"b": 1.0, "a": 2.0}).save(tmp_path / "d.tape")
    tape = al.Tape.load(tmp_path / "d.tape")
    assert tape({"b": 3.0, "a": 4.0}) == weighted({"b": 3.0, "a": 4.0})
    with pytest.raises(errors.ArgumentError):
        tape({"a": 4.0, "b": 3.0})
    for traced in (al.trace(lambda **d: weighted(d), b=1.0, a=2.0), al.trace(lambda b, a: b - a, b=1.0, a=2.0)):
        traced.save(tmp_path / "k.tape")
        again = al.Tape.load(tmp_path / "k.tape")
        assert again.ordered is traced.ordered


@pytest.mark.parametrize("kind", [dict, collections.OrderedDict, lambda d: collections.defaultdict(float, d)])
def test_all_kinds_of_dictionaries(kind):
    """OrderedDict and defaultdict as dict."""
    fast = al.jit(weighted)
    for d in orders({"b": 1.0, "a": 2.0}):
        assert fast(kind(d)) == weighted(d)


def test_keys_of_different_types_are_different():
    """{1: x}, {True: x} and {1.0: x}; 0.0 and -0.0."""
    fast = al.jit(lambda d: len(str(next(iter(d)))) * d[1])
    assert [fast({key: 2.0}) for key in (1, True, 1.0, 1)] == [2.0, 8.0, 6.0, 2.0]
    sign = al.jit(lambda d: np.copysign(1.0, next(iter(d))) * d[0])
    assert [sign({key: 2.0}) for key in (0.0, -0.0, 0.0)] == [2.0, -2.0, 2.0]


def test_keyword_arguments_in_any_order():
    """A function that cannot see the order has one tape; one that can has one for each."""
    fast = al.jit(lambda b, *, a: b - a)
    assert fast(b=3.0, a=1.0) == fast(a=1.0, b=3.0) == 2.0
    assert len(fast.paths()) == 1
    tape = al.trace(lambda b, *, a: b - a, b=3.0, a=1.0)
    assert tape(a=1.0, b=5.0) == 4.0
    free = al.jit(lambda **d: weighted(d))
    assert free(b=3.0, a=1.0) == 3.1
    assert free(a=1.0, b=3.0) == 1.3
    with pytest.raises(errors.ArgumentError):
        al.trace(lambda **d: weighted(d), b=3.0, a=1.0)(a=1.0, b=3.0)


def test_derivatives_are_matched_by_key_not_by_order():
    """A tangent or cotangent says by its keys where it belongs."""
    assert al.jvp(weighted, ({"b": 1.0, "a": 2.0},), ({"a": 1.0, "b": 0.0},)) == (1.2, 0.1)


# --- facts ------------------------------------------------------------------------------------------------------------


class Whole(enum.IntEnum):
    """One that is a number, too."""

    ONE = 1
    TWO = 2


class Other(enum.IntEnum):
    """Another, whose members are equal to those."""

    ONE = 1


FACTS = [
    *Mode,
    *Whole,
    *Other,
    enum.Flag("Bits", "A B").A,
    True,
    np.True_,
    np.False_,
    "text",
    dt.date(2024, 2, 29),
    dt.datetime(2024, 2, 29),  # noqa: DTZ001
    dt.timedelta(days=3),
    range(3),
    slice(0, 2),
    ...,
]


def by_fact(x, fact):
    """Another number for each fact."""
    return x * (1 + [type(f) is type(fact) and f == fact for f in FACTS].index(True)) if fact is not None else -x


@pytest.mark.parametrize(
    "runner",
    [
        al.jit,
        lambda f: al.jit(al.grad(lambda x, fact: f(x, fact) * x)),
        lambda f: lambda x, fact: al.trace(f, x, fact)(x, fact),
        lambda f: lambda x, fact: al.vmap(f, (0, None))(np.array([x]), fact)[0],
        lambda f: lambda x, fact: al.jit(al.vmap(f, (0, None)))(np.array([x]), fact)[0],
        lambda f: lambda x, fact: al.jit(lambda x, facts: f(x, facts["fact"]))(x, {"fact": fact}),
    ],
    ids=["jit", "jit of grad", "trace", "vmap", "jit of vmap", "in a nest"],
)
def test_enum_members_and_other_facts_are_static(runner, request):
    """`jit(f)(2.0, Mode.A)` was refused; members of two IntEnums that are equal are two facts."""
    fast = runner(by_fact)
    twice = 2.0 if "grad" in request.node.callspec.id else 1.0
    for fact in [*FACTS, None, *FACTS]:
        assert fast(1.0, fact) == twice * by_fact(1.0, fact), fact


def test_numpy_flags_are_flags():
    """`~flag` of np.True_: "bad operand type for unary ~"."""
    f = lambda x, flag: x if ~flag else -x
    fast = al.jit(f)
    assert [fast(2.0, flag) for flag in (np.True_, np.False_)] == [f(2.0, np.True_), f(2.0, np.False_)] == [-2.0, 2.0]


@pytest.mark.parametrize(
    "f",
    [
        lambda a, i: a[i],
        lambda a, i: a[list(i)],
        lambda a, i: np.repeat(a, i),
        lambda a, i: np.ones(9)[i] * a[0],
        lambda a, i: al.vmap(lambda row: row[i])(np.ones((2, 3))) * a[0],
    ],
)
@pytest.mark.parametrize(
    "runner", [al.jit, lambda f: lambda *xs: al.trace(f, *xs), lambda f: al.vmap(f, (None, None, 0))]
)
def test_arrays_of_integers_and_flags_are_floats_and_no_indices(f, runner):
    """NumPy's bare "arrays used as indices must be of integer (or boolean) type"."""
    lanes = lambda a, i, x: f(a, i) * x
    with pytest.raises(
        errors.OperandError, match=r"are floats there, those of integers .*\. Write al.take\(table, index\)"
    ):
        runner(lanes)(np.arange(4.0), np.array([0, 2, 1, 1]), np.ones(2))


def test_indices_as_the_message_says():
    """Each remedy works."""

    @al.register_dataclass
    @dataclasses.dataclass
    class Picked:
        at: tuple = dataclasses.field(metadata={"static": True})

    a, picked = np.arange(4.0), al.jit(lambda a, i: a[i.astype(int)])
    for i in ([0, 2], [3, 3], [0, 2]):
        assert picked(a, np.array(i)).tolist() == a[i].tolist()
    assert len(picked.paths()) == 2
    taken = al.jit(al.take)
    assert taken(a, np.array([0, 2])).tolist() == [0.0, 2.0] and taken(a, np.array([3, 3])).tolist() == [3.0, 3.0]
    assert len(taken.paths()) == 1
    assert al.jit(lambda a, mask: a[mask.astype(bool)])(a, a > 1).tolist() == [2.0, 3.0]
    assert al.jit(lambda a: a[np.array([0, 2])])(a).tolist() == [0.0, 2.0]
    assert al.jit(lambda a, p: a[list(p.at)])(a, Picked((0, 2))).tolist() == [0.0, 2.0]


def test_facts_are_copied_with_their_shapes():
    """Shapes that hold what cannot be hashed are equal all the same."""
    fast = al.jit(lambda a, part: a[part].sum())
    assert fast(np.arange(4.0), slice(1, 3)) == fast(np.arange(4.0), copy.copy(slice(1, 3))) == 3.0
    assert len(fast.paths()) == 1


# --- failures leave no state --------------------------------------------------------------------------------


def test_exceptions_while_tracing_leave_no_state():
    """The next call works, on the same function and on others; Variables are not left tracing."""
    switch = {"broken": True}

    def f(x):
        y = x * 2
        if switch["broken"]:
            raise RuntimeError("not yet")
        return y + 1

    for backend in BACKENDS:
        switch["broken"] = True
        jitted = al.jit(f, backend=backend)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="not yet"):
                jitted(1.0)
        x = al.Variable(2.0)
        assert (x > 1, int(x), bool(x)) == (True, 2, True)
        switch["broken"] = False
        assert jitted(1.0) == 3.0
        assert al.jit(al.grad(f), backend=backend)(1.0) == 2.0


def test_exceptions_in_a_later_path_leave_no_state():
    """A path that fails is not half registered."""
    f = al.jit(lambda x: x * 2 if x > 0 else 1 / (x * 0).undefined)
    assert f(1.0) == 2.0
    for _ in range(2):
        with pytest.raises(AttributeError):
            f(-1.0)
    assert f(3.0) == 6.0
    assert len(f.paths()) == 1


def test_indeterminate_functions_are_refused():
    """A random number or a counter: TraceError, not a frozen number."""
    count, rng = itertools.count(), random.Random(0)
    for f in (lambda x: x * next(count), lambda x: x + rng.random(), lambda x: [x] * next(count)):
        with pytest.raises(errors.TraceError):
            al.jit(f)(2.0)
    flip = itertools.cycle((True, False))
    with pytest.raises(errors.TraceError):
        al.jit(lambda x: al.sin(x) if next(flip) else al.cos(x))(2.0)
    with pytest.raises(errors.TraceError):
        al.jit(lambda x: [x] if next(flip) else x)(2.0)
    with pytest.raises(errors.TraceError):
        al.jit(lambda x: (x, next(count)))(2.0)


def test_raise_on_nonfinite_around_a_jitted_call():
    """The error is eager's, whether or not the path is compiled already; outside, nothing is raised."""
    f = lambda x: al.log(x) * 2
    for backend in BACKENDS:
        jitted = al.jit(f, backend=backend)
        for warm in (False, True):
            with al.raise_on_nonfinite():
                with pytest.raises(errors.NonFiniteError) as jit_error:
                    jitted(al.Variable(-1.0))
                with pytest.raises(errors.NonFiniteError):
                    al.jit(al.grad(f), backend=backend)(0.0)
                with pytest.raises(errors.NonFiniteError):
                    al.grad(jitted)(0.0)
                with pytest.raises(errors.NonFiniteError) as eager_error:
                    f(al.Variable(-1.0))
                assert str(jit_error.value).split("(")[0] == str(eager_error.value).split("(")[0], warm
            assert math.isnan(jitted(-1.0))
            assert jitted(1.0) == 0.0


# --- size ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turns", sizes(2_000, 10_000))
@pytest.mark.parametrize("backend", BACKENDS)
def test_deep_chains(backend, turns):
    """Thousands of operations in a row, value and gradient, without recursion."""
    f = lambda x: functools.reduce(lambda s, _: s * 0.9998 + x, range(turns), x)
    jitted, slope = al.jit(f, backend=backend), al.jit(al.grad(f), backend=backend)
    depth = sys.getrecursionlimit()
    for x in (1.0, 0.3):
        assert same_bits(jitted(x), f(x))
        assert same_bits(slope(x), al.grad(f)(x))
    assert sys.getrecursionlimit() == depth


@pytest.mark.parametrize("count", sizes(1000, 5000))
def test_many_arguments(count):
    """Thousands of numbers in a list, each used once."""
    numbers = [k / 7 for k in range(count)]
    f = lambda v: al.sum([x * x for x in v])
    assert al.jit(f)(numbers) == f(numbers)
    assert al.jit(al.grad(f))(numbers) == al.grad(f)(numbers)


# --- threads and processes ----------------------------------------------------------------------------------


def heavy(x):
    """Branches, libm and a loop."""
    y = al.sin(x) * x if x > 0 else al.exp(x) - x
    while abs(y) > 0.7:
        y = y / 2 + 0.01
    return y * al.tanh(x)


def batch():
    """A batch that is larger than one block."""
    return np.random.default_rng(3).normal(size=4099) * 3


def test_threads():
    """Eight threads that call the same and different new functions get the serial bits."""
    x = batch()
    shared = [al.jit(heavy, backend=b) for b in BACKENDS] + [al.jit(al.grad(heavy))]
    lanes = al.jit(al.vmap(al.value_and_grad(heavy)))
    total = al.jit(al.vmap(heavy, reduce="sum"))
    serial = [[f(v) for v in x[:60].tolist()] for f in (heavy, heavy, heavy, al.grad(heavy))]
    mapped, summed = al.vmap(al.value_and_grad(heavy)), al.jit(al.vmap(heavy, reduce="sum"))(x)
    expected = al.jit(mapped)(x)

    def work(number):
        for f, reference in zip(shared, serial, strict=True):
            assert [f(v) for v in x[:60].tolist()] == reference
        own = al.jit(lambda t: heavy(t) + number)
        assert [own(v) for v in x[:20].tolist()] == [heavy(v) + number for v in x[:20].tolist()]
        for _ in range(3):
            value, slope = lanes(x)
            assert np.array_equal(value, expected[0]) and np.array_equal(slope, expected[1])
            assert total(x) == summed

    at_once(work)


def replay_in_child(x):
    """Value, gradient and lanes in another process."""
    f = al.jit(heavy)
    lanes = al.jit(al.vmap(heavy))
    return [f(v) for v in x[:20].tolist()], lanes(x).tobytes(), al.jit(al.vmap(heavy, reduce="sum"))(x)


COMPILED = {"f": al.jit(heavy), "lanes": al.jit(al.vmap(heavy)), "sum": al.jit(al.vmap(heavy, reduce="sum"))}


def replay_inherited(x):
    """The same with functions that were compiled, and threads that were started, before the fork."""
    return [COMPILED["f"](v) for v in x[:20].tolist()], COMPILED["lanes"](x).tobytes(), COMPILED["sum"](x)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=full)])
def test_processes(method):
    """A child that was forked after a replay, or spawned, gives the parent's bits."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip("this platform cannot fork")
    x = np.resize(batch(), 70_000)
    expected = replay_inherited(x)
    with multiprocessing.get_context(method).Pool(2) as pool:
        for work in (replay_inherited, replay_in_child):
            for result in pool.map_async(work, [x, x]).get(timeout=60):
                assert result == expected
    assert replay_inherited(x) == expected


@dataclass
class Reading:
    """A class that the library does not know."""

    value: object


@dataclasses.dataclass(slots=True)
class Slotted:
    """The same without a dictionary."""

    value: object


@pytest.mark.parametrize(
    "wrapped", [Reading, lambda v: Reading({"deep": [v]}), Slotted], ids=["number", "nest", "slots"]
)
def test_results_that_hold_numbers_unseen(wrapped):
    """Later calls, and all lanes, had the numbers of the first one."""
    f = lambda x: [x, wrapped(2.0 * x)]
    for call, x in ((al.jit(f), 1.0), (al.vmap(f), np.ones(2)), (al.jit(al.vmap(f)), np.ones(2))):
        with pytest.raises(al.OutputError, match=r"returned a \w+ whose \.value holds a Variable.*register_dataclass"):
            call(x)
    assert al.jit(lambda x: [x, Reading(3.0)])(1.0)[1].value == 3.0
