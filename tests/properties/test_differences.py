"""Gradients against Ridders' extrapolated differences: every primitive, at orders 1 and 2, and every named function."""

import itertools

import pytest
from checkers import check_against_differences
from corpus import EXAMPLES, NAMES, TABLE, by_name
from hypothesis import given
from strategies import moderate, points

import autograd_lite as al

# Away from kinks and poles (whole and half numbers) by more than the widest step, a tenth of the scale.
PLACES = (0.37, 1.23, -0.81, 2.61)


def places(primitive):
    """Return points of the primitive's domain with all arguments from PLACES, none repeated."""
    for args in itertools.permutations(PLACES, primitive.arity):
        if all(d.contains(a) for d, a in zip(primitive.domain, args, strict=True)):
            yield args


@pytest.mark.parametrize("name", NAMES)
def test_every_partial(name):
    """Order 1 over the table."""
    primitive = TABLE[name]
    assert sum(check_against_differences(lambda v: primitive(*v), args) for args in places(primitive)) >= 1


@pytest.mark.parametrize("name", NAMES)
def test_every_second_partial(name):
    """Order 2: the gradient's own gradient against differences of the gradient."""
    primitive = TABLE[name]
    settled = 0
    for args in places(primitive):
        for i in range(primitive.arity):
            settled += check_against_differences(lambda v, i=i: al.grad(lambda w: primitive(*w))(v)[i], args)
    assert settled >= 1


@pytest.mark.parametrize("example", EXAMPLES, ids=by_name)
def test_named_functions(example):
    """Every entry of the gradient is settled and agrees."""
    assert check_against_differences(example.function, example.point) == len(example.point)


@pytest.mark.parametrize("example", EXAMPLES, ids=by_name)
def test_hessian_columns_of_named_functions(example):
    """Gradient entries are functions like any other."""
    for i in range(len(example.point)):
        assert check_against_differences(lambda v, i=i: al.grad(example.function)(v)[i], example.point) >= 1


@given(points(2))
def test_polynomials(v):
    """A polynomial with every pair of powers to 3."""
    check_against_differences(lambda w: sum((i - 2 * j + 1) * w[0] ** i * w[1] ** j for i in range(4) for j in range(4)), v)


@given(moderate(), moderate())
def test_compositions(x, y):
    """A composition of six functions with a shared argument."""
    check_against_differences(lambda v: al.tanh(al.sin(v[0]) * al.exp(al.cos(v[1] * v[0])) + al.log1p(v[1] * v[1])), (x, y))
