"""The node: conversion, operators with numbers on either side, NumPy, text, copies."""

import copy
import math
import operator
import pickle
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import autograd_lite as al
from autograd_lite import Variable

OPERATORS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
    "%": operator.mod,
    "//": operator.floordiv,
}
NUMBERS = [3, 3.0, True, np.float64(3), np.float32(3), np.int64(3), np.uint8(3), np.bool_(True), np.array(3.0)]


@pytest.mark.parametrize(
    "number", [0, -0.0, 2**53, True, np.float32(0.1), np.int8(-3), np.array(2), np.float16(0.5), math.inf]
)
def test_numbers_become_floats_exactly(number):
    """Equal to what went in, and of type float."""
    value = Variable(number).value
    assert type(value) is float
    assert value == number


def test_nan_becomes_a_value():
    """NaN is a float like any other."""
    assert math.isnan(Variable(np.float32("nan")).value)


@pytest.mark.parametrize("number", [2**53 + 1, 10**400, np.int64(2**53 + 1), np.uint64(2**64 - 1), -(10**400)])
def test_number_that_no_float_equals_is_refused(number):
    """Rather than rounded silently."""
    with pytest.raises(al.ConversionError, match="not exactly representable"):
        Variable(number)


@pytest.mark.parametrize(
    "thing", ["1", None, 1j, np.complex128(1), [1.0], (1.0,), np.array([1.0]), Fraction(1, 2), Decimal(1), object(), {}]
)
def test_what_is_no_real_number_is_a_type_error(thing):
    """Constructor, setter, gradient."""
    with pytest.raises(TypeError):
        Variable(thing)
    x = Variable(1.0)
    with pytest.raises(TypeError):
        x.value = thing
    assert x.value == 1.0


def test_variable_of_a_variable_is_refused_with_a_remedy():
    """It is one already."""
    with pytest.raises(al.OperandError, match="is a Variable already"):
        Variable(Variable(1.0))


@pytest.mark.parametrize("symbol", OPERATORS)
@pytest.mark.parametrize("number", NUMBERS, ids=lambda n: type(n).__name__)
def test_operator_takes_numbers_on_either_side(symbol, number):
    """Value as for floats; gradient from the side that is a Variable."""
    apply = OPERATORS[symbol]
    for left, right in ((Variable(2.5), number), (number, Variable(2.5)), (Variable(2.5), Variable(float(number)))):
        result = apply(left, right)
        plain = apply(*(float(getattr(v, "value", v)) for v in (left, right)))
        assert type(result) is Variable
        assert type(result.value) is float
        assert result.value == plain
        assert len(result.parents) == sum(type(v) is Variable for v in (left, right))


@pytest.mark.parametrize("symbol", OPERATORS)
def test_operator_with_something_foreign_is_a_type_error(symbol):
    """As Python has it for its own numbers."""
    for foreign in ("a", None, [1.0], 1j, Fraction(1, 2)):
        if symbol == "**" and type(foreign) is Fraction:
            continue  # a Fraction turns itself into a float there, on both sides
        with pytest.raises(TypeError):
            OPERATORS[symbol](Variable(1.0), foreign)
        with pytest.raises(TypeError):
            OPERATORS[symbol](foreign, Variable(1.0))


def test_unary_operators_and_rounding():
    """-x, +x, abs, divmod, round, floor, ceil, trunc."""
    x = Variable(-2.5)
    assert [(-x).value, (+x).value, abs(x).value] == [2.5, -2.5, 2.5]
    assert [v.value for v in divmod(x, 2)] == list(divmod(-2.5, 2))
    assert [v.value for v in divmod(7, Variable(2.0))] == [3.0, 1.0]
    assert [math.floor(x).value, math.ceil(x).value, math.trunc(x).value, round(x).value] == [-3.0, -2.0, -2.0, -2.0]
    assert round(Variable(1.2345), 2).value == 1.23
    assert all(type(v) is Variable for v in (math.floor(x), round(x), +x))


def test_power_with_a_modulus_is_refused():
    """pow(x, y, z) is for integers."""
    with pytest.raises(TypeError):
        pow(Variable(2.0), 3, 5)


def test_comparisons_are_by_value_and_give_bool():
    """With Variables, numbers, NumPy numbers; equality with something else is False."""
    x, y = Variable(2.0), Variable(2.0)
    assert x == y
    assert x == 2
    assert x <= 2.0
    assert 3 > x
    assert x != 3
    assert (x < np.float64(3)) is True
    assert (x == "2") is False
    assert (x == None) is False  # noqa: E711
    assert Variable(2.0**53) < 2**53 + 1
    assert sorted([Variable(3.0), Variable(1.0)])[0].value == 1.0
    assert max(Variable(1.0), 5.0, Variable(2.0)) == 5.0
    nan = Variable(math.nan)
    assert not (nan == nan or nan < nan)
    with pytest.raises(TypeError):
        _ = x < "2"


def test_hash_is_by_identity():
    """Equal values are different keys."""
    x, y = Variable(2.0), Variable(2.0)
    table = {x: "x", y: "y"}
    assert table[x] == "x"
    assert table[y] == "y"
    assert len({x, y, x}) == 2


def test_truth_and_format():
    """bool is value != 0; a format specification formats the value."""
    assert Variable(0.5)
    assert not Variable(-0.0)
    assert f"{Variable(3.14159):.3f}" == "3.142"
    assert f"{Variable(2.0)}" == "Variable(2.0)"


def test_repr_tells_value_gradient_operation_name():
    """In that order, each only when there."""
    o = al.tanh(Variable(0.0))
    o.name = "o"
    o.backward()
    assert repr(o) == "Variable(0.0, grad=1.0, op='tanh', name='o')"


@pytest.mark.parametrize(
    ("escape", "remedy"),
    [
        (float, "x.value"),
        (complex, "x.value"),
        (math.sin, "al.sin"),
        (math.sqrt, "al.sin for math.sin"),
        (lambda x: np.asarray(x, dtype=float), "x.value"),
        (lambda x: np.array([x, 1.0], dtype=float), "np.array without dtype=float"),
        (lambda x: math.fsum([x]), "x.value"),
        (lambda x: np.zeros(2).__setitem__(0, x), "x.value"),
    ],
)
def test_what_would_drop_the_derivative_raises_and_says_what_to_write(escape, remedy):
    """Never silently."""
    with pytest.raises(al.OperandError, match="would drop its derivative") as caught:
        escape(Variable(0.5, name="x"))
    assert remedy in str(caught.value)
    assert "name='x'" in str(caught.value)


class TestNumPy:
    """Variables in NumPy's functions and arrays."""

    def test_ufunc_of_a_single_variable(self):
        """Every ufunc with a rule gives that rule's node."""
        x = Variable(0.5)
        assert np.exp(x).primitive is al.exp
        assert np.arctan2(x, 2.0).primitive is al.atan2
        assert np.maximum(1.0, x).value == 1.0
        assert np.logaddexp(x, x).value == al.logaddexp(0.5, 0.5)
        assert np.float64(2.0) * x == 1.0
        assert type(np.float64(2.0) * x) is Variable
        assert np.isnan(Variable(math.nan))

    def test_ufunc_of_an_object_array(self):
        """Element by element, methods of the nodes."""
        a = np.array([Variable(0.5), Variable(1.0)])
        for ufunc in (np.exp, np.log, np.sin, np.tanh, np.sqrt, np.arctan, np.log1p, np.expm1, np.cbrt, np.exp2):
            got = ufunc(a)
            assert got.dtype == object
            assert np.allclose([v.value for v in got], ufunc(np.array([0.5, 1.0])), rtol=1e-14)

    def test_float_array_with_a_variable(self):
        """Broadcast to an object array, on either side; comparisons give bool arrays."""
        x = Variable(2.0)
        a = np.array([[1.0, 2.0], [3.0, 4.0]])
        assert [[v.value for v in row] for row in a * x] == [[2.0, 4.0], [6.0, 8.0]]
        assert [v.value for v in (x - a)[1]] == [-1.0, -2.0]
        assert (a < x).tolist() == [[True, False], [False, False]]
        assert (x >= a).dtype == bool

    def test_linear_algebra_on_object_arrays(self):
        """sum, mean, dot, @, with floats or Variables on either side."""
        w = np.array([[Variable(1.0), Variable(2.0)], [Variable(3.0), Variable(4.0)]])
        x = np.array([1.0, -1.0])
        assert [v.value for v in w @ x] == [-1.0, -1.0]
        assert [v.value for v in x @ w] == [-2.0, -2.0]
        assert (w @ w)[0, 0].value == 7.0
        assert w.sum().value == 10.0
        assert w.mean().value == 2.5
        assert np.dot(w[0], w[1]).value == 11.0
        gradient = al.gradients((w @ x).sum(), w)
        assert gradient.tolist() == [[1.0, -1.0], [1.0, -1.0]]

    def test_arrays_inside_a_transform_follow_the_rules(self):
        """Ties, NaN, bounds, floats among the Variables, functions that NumPy's object loops do not know."""
        a = al.nests.as_array([Variable(math.nan), Variable(0.0), 1.0], (3,))
        assert math.isnan(np.maximum(a, 0.0)[0].value)
        assert [type(v) for v in np.exp(a)] == [Variable, Variable, float]
        assert np.isnan(a).tolist() == [True, False, False]
        assert np.logaddexp(1.0, a)[1].primitive is al.logaddexp
        v = np.array([0.0, 1.0, -1.0])
        assert al.grad(lambda v: np.maximum(v, 0.0).sum())(v).tolist() == [0.5, 1.0, 0.0]
        assert al.grad(lambda v: np.clip(v, 0, 1).sum())(v).tolist() == [0.0, 0.0, 0.0]
        assert al.grad(lambda v: v.std())(v).shape == (3,)
        assert al.grad(lambda v: np.linalg.norm(v))(v + 2).shape == (3,)
        assert [u.value for u in np.round(np.array([Variable(1.26)]), 0)] == [1.0]

    def test_zero_dimensional_arrays_are_numbers(self):
        """Also those that hold a Variable."""
        x = Variable(2.0)
        box = np.array(x)
        assert [(box * x).value, (x * box).value, al.sin(box).value] == [4.0, 4.0, math.sin(2.0)]
        assert al.grad(lambda p: p["w"][0] * p["b"])({"w": np.ones(2), "b": np.array(0.5)})["w"].tolist() == [0.5, 0.0]

    def test_writing_into_a_float_array_is_refused(self):
        """The derivative would be dropped."""
        a = np.array([1.0, 2.0])
        with pytest.raises(al.OperandError, match=r"a = a \+ x instead of a \+= x"):
            a += Variable(1.0)
        assert a.tolist() == [1.0, 2.0]

    def test_writing_into_an_object_array_works(self):
        """a += x on an object array."""
        a = np.array([1.0, 2.0], dtype=object)
        a += Variable(1.0)
        assert [v.value for v in a] == [2.0, 3.0]

    def test_function_without_a_rule_is_told(self):
        """And what there is instead."""
        with pytest.raises(al.OperandError, match="np.nextafter has no derivative rule"):
            np.nextafter(Variable(1.0), 2.0)
        with pytest.raises(al.OperandError, match="object array"):
            np.add.accumulate(Variable(1.0))


def test_subclass_is_refused():
    """Operations would lose it."""
    with pytest.raises(al.OperandError, match="cannot be subclassed"):
        type("Weight", (Variable,), {})


class TestFacts:
    """What a node tells about itself, and what may be set."""

    def test_local_gradients(self):
        """One pair for each argument that is a Variable, in order, repeats kept."""
        x, y = Variable(2.0), Variable(3.0)
        assert (x * x).local_gradients == ((x, 2.0), (x, 2.0))
        assert (x * y).local_gradients == ((x, 3.0), (y, 2.0))
        assert (5.0 * y).local_gradients == ((y, 5.0),)
        assert (5.0 * y).arguments == (5.0, y)
        assert al.where(True, x, y).local_gradients == ((x, 1.0), (y, 0.0))
        assert x.local_gradients == x.parents == ()
        assert x.primitive is None

    def test_hand_made_node(self):
        """Variable(value, ((parent, number), …)) as the original engine has it."""
        x = Variable(3.0)
        y = Variable(9.0, ((x, 6.0),))
        z = y * 2.0
        z.backward()
        assert x.grad == 12.0
        for bad in (((x,),), ((3.0, 1.0),), (x,), (("x", 1.0),)):
            with pytest.raises(al.OperandError, match="local_gradients holds"):
                Variable(1.0, bad)

    def test_value_of_a_leaf_may_be_set(self):
        """That is how one trains; an inner node's may not."""
        x = Variable(2.0)
        y = x * x
        x.value = 5
        assert x.value == 5.0
        assert type(x.value) is float
        assert y.value == 4.0
        with pytest.raises(al.ReadOnlyError, match="computed by mul"):
            y.value = 1.0
        with pytest.raises(AttributeError):
            y.parents = ()
        with pytest.raises(AttributeError):
            x.data = 1.0

    def test_grad_may_be_set_and_cleared(self):
        """To a number, or to None."""
        x = Variable(2.0)
        assert x.grad is None
        x.grad = np.float32(0.5)
        assert x.grad == 0.5
        assert type(x.grad) is float
        x.grad = None
        assert x.grad is None
        with pytest.raises(TypeError):
            x.grad = "1"

    def test_name_is_a_string(self):
        """Or None."""
        x = Variable(1.0, name="rate")
        x.name = "other"
        assert x.name == "other"
        with pytest.raises(al.OperandError, match="name a Variable with a str"):
            x.name = 3


class TestCopies:
    """copy, deepcopy, pickle."""

    def graph(self):
        """A small graph with a shared leaf, a constant, names and gradients."""
        x = Variable(2.0, name="x")
        h = al.exp(x) * x + 3.0
        h.name = "h"
        y = h * h
        y.backward()
        return x, h, y

    @pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))])
    def test_a_graph_is_a_value(self, duplicate):
        """The copy has the facts of the original, and none of its nodes."""
        x, _, y = self.graph()
        z = duplicate(y)
        originals, copies = al.topological_order(y), al.topological_order(z)
        assert [repr(v) for v in originals] == [repr(v) for v in copies]
        assert not set(originals) & set(copies)
        z.backward()
        assert copies[0].grad == 2 * x.grad
        assert al.gradients(al.gradients(z, copies[0], create_graph=True), copies[0]) == al.gradients(
            al.gradients(y, x, create_graph=True), x
        )

    @pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))])
    def test_leaves_stay_shared(self, duplicate):
        """A model and its loss, copied together, still belong together."""
        x, _, y = self.graph()
        model = duplicate({"x": x, "loss": [y, y * 2.0]})
        assert al.gradients(model["loss"][0], model["x"]) == x.grad
        assert al.gradients(model["loss"][1], model["x"]) == 2 * x.grad

    def test_deepcopy_keeps_inner_nodes_shared(self):
        """Also inner ones."""
        _, h, y = self.graph()
        h2, y2 = copy.deepcopy([h, y])
        assert al.gradients(y2, h2) == al.gradients(y, h)

    def test_shallow_copy_shares_the_arguments(self):
        """A new node over the same parents."""
        x, _, y = self.graph()
        z = copy.copy(y)
        assert z is not y
        assert z.arguments == y.arguments
        assert al.gradients(z, x) == al.gradients(y, x)

    def test_leaf_alone(self):
        """Value, gradient, name."""
        x, _, _ = self.graph()
        for duplicate in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
            assert repr(duplicate) == repr(x)

    def test_changed_leaf_is_noticed_in_a_copy_too(self):
        """A copy of a stale graph is stale; a copy of a good one is good."""
        x, _, y = self.graph()
        x.value = 3.0
        z = copy.deepcopy(y)
        with pytest.raises(al.StaleGraphError):
            al.gradients(y, x, create_graph=True)
        with pytest.raises(al.StaleGraphError):
            al.gradients(z, al.topological_order(z)[0], create_graph=True)
        with pytest.raises(al.StaleGraphError):
            w = pickle.loads(pickle.dumps(y))
            al.gradients(w, al.topological_order(w)[0], create_graph=True)


def test_int_cuts_off_and_a_whole_number_counts():
    """The derivative of a step function is 0: int(x), range(x) and indexing lose nothing."""
    x = al.Variable(-2.7)
    assert int(x) == -2
    assert list(range(al.Variable(3.0))) == [0, 1, 2]
    assert "abc"[al.Variable(1.0)] == "b"
    with pytest.raises(al.OperandError, match="not a whole number"):
        "abc"[x]
