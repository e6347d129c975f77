"""The node: what becomes its value, its text, its facts, and what it refuses."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import autograd_lite as al
from autograd_lite import Variable, core


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

    def test_hand_made_node_of_many_parents(self):
        """Each of its parents gets its share."""
        leaves = [Variable(float(k)) for k in range(5)]
        y = Variable(9.0, [(leaf, 2.0 * k) for k, leaf in enumerate(leaves)])
        (y * 3.0).backward()
        assert y.parents == tuple(leaves)
        assert [leaf.grad for leaf in leaves] == [0.0, 6.0, 12.0, 18.0, 24.0]

    def test_attributes_that_are_missing(self):
        """Names of other libraries say what to write; others are an error of Python, inside transforms too."""
        x = Variable(3.0)
        assert not hasattr(x, "is_integer")
        with pytest.raises(AttributeError, match=r"^a Variable has no attribute 'data'\. Use x\.value\.$"):
            _ = x.data
        for read in (lambda x: x.valeu, al.grad(lambda x: x * x.valeu)):
            words = "'valeu'. Did you mean x.value" if core.compiled else "'valeu'"
            with pytest.raises(AttributeError, match=words):
                read(x)

    @pytest.mark.skipif(core.compiled is not None, reason="the compiled class reads by itself")
    def test_slots_were_read_five_times_slower(self):
        """Python specialises neither reading nor writing of attributes where a class has methods for them."""
        assert Variable.__getattribute__ is object.__getattribute__
        assert Variable.__setattr__ is object.__setattr__
        assert not hasattr(Variable, "__getattr__")

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
