"""Operators: numbers on either side, rounding, comparisons, whole numbers."""

import math
import operator
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


def test_int_cuts_off_and_a_whole_number_counts():
    """The derivative of a step function is 0: int(x), range(x) and indexing lose nothing."""
    x = al.Variable(-2.7)
    assert int(x) == -2
    assert list(range(al.Variable(3.0))) == [0, 1, 2]
    assert "abc"[al.Variable(1.0)] == "b"
    with pytest.raises(al.OperandError, match="not a whole number"):
        "abc"[x]
