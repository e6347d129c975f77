"""Gradients against Ridders' extrapolated differences: every primitive, at orders 1 and 2, and every named function."""

import itertools

import pytest
from checkers import check_against_differences
from corpus import COMPOSED, DIFFERENTIATED, EXAMPLES, HELD, ORDERS, TABLE, by_name
from hypothesis import given
from strategies import moderate, points
from tiers import mostly_full

import autograd_lite as al

# Away from kinks and poles (whole and half numbers) by more than the widest step, a tenth of the scale.
PLACES = (0.37, 1.23, -0.81, 2.61)


def cases(name):
    """Yield (function of a list, point).

    Arguments from PLACES, none repeated, inside the domain; whole-number arguments held at 2.
    """
    primitive, order = TABLE[name], ORDERS.get(name)
    for args in itertools.permutations(PLACES, primitive.arity):
        held = [2.0 if i == order else a for i, a in enumerate(args)]
        if not all(d.contains(a) for d, a in zip(primitive.domain, held, strict=True)):
            continue
        if order is None:
            yield (lambda v: primitive(*v)), args
        else:
            yield (lambda v: primitive(*v[:order], 2.0, *v[order:])), (*args[:order], *args[order + 1 :])


SMOOTH = [name for name in DIFFERENTIATED if name not in HELD]


@pytest.mark.parametrize("name", SMOOTH)
def test_every_partial(name):
    """Order 1 over the table."""
    assert sum(check_against_differences(f, args) for f, args in cases(name)) >= 1


@pytest.mark.parametrize("name", mostly_full(SMOOTH, slice(2, None, 3)))
def test_every_second_partial(name):
    """Order 2: the gradient's own gradient against differences of the gradient."""
    settled = 0
    for f, args in cases(name):
        for i in range(len(args)):
            settled += check_against_differences(lambda v, f=f, i=i: al.grad(f)(v)[i], args)
    assert settled >= 1


@pytest.mark.parametrize("example", [*EXAMPLES, *COMPOSED], ids=by_name)
def test_named_functions(example):
    """Every entry of the gradient is settled and agrees."""
    assert check_against_differences(example.function, example.point) == len(example.point)


@pytest.mark.parametrize("example", [*EXAMPLES, *COMPOSED], ids=by_name)
def test_hessian_columns_of_named_functions(example):
    """Gradient entries are functions like any other."""
    for i in range(len(example.point)):
        assert check_against_differences(lambda v, i=i: al.grad(example.function)(v)[i], example.point) >= 1


@given(points(2))
def test_polynomials(v):
    """A polynomial with every pair of powers to 3."""
    check_against_differences(
        lambda w: sum((i - 2 * j + 1) * w[0] ** i * w[1] ** j for i in range(4) for j in range(4)), v
    )


@given(moderate(), moderate())
def test_compositions(x, y):
    """A composition of six functions with a shared argument."""
    check_against_differences(
        lambda v: al.tanh(al.sin(v[0]) * al.exp(al.cos(v[1] * v[0])) + al.log1p(v[1] * v[1])), (x, y)
    )
