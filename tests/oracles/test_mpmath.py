"""Every primitive against mpmath at orders 0, 1 and 2: points sampled by exponent, and all pairs of special values.

The oracle is the central difference of the mathematical function with step 1e-40 at 100 digits and more; it shares no
rule with the library.
"""

import math
from itertools import islice, product

import pytest
from checkers import check_partials, check_second, check_value
from corpus import BY_DIFFERENCES, DIFFERENTIATED, NAMES, ORDERS, SLOW, SPECIAL, STEPS, TABLE, sample
from mpmath import mp, mpf
from reference import REFERENCE, evaluate
from tiers import but_for, mostly_full, sizes

COVERED = [name for name in DIFFERENTIATED if name in REFERENCE]
FINITE = [x for x in SPECIAL if math.isfinite(x)]


#: Those that the oracle has at most of their points.
SMOOTH = [name for name in COVERED if name not in STEPS | BY_DIFFERENCES]
#: The running bound of their second derivatives asks for the third one by `df`, which is nan.
WITHOUT_BOUND = {"t_cdf", "t_quantile"}


def rows(name, count, seed):
    """Return sampled points as tuples of floats."""
    return [tuple(map(float, row)) for row in sample(name, count, seed)]


def moderate_rows(name, count, seed):
    """Return sampled points whose exponents are small enough for products of four to stay in range."""
    kept = [row for row in rows(name, 60 * count, seed) if all(a == 0 or 1e-30 < abs(a) < 1e30 for a in row)]
    return kept[:count]


def special_rows(name, pairs):
    """Return all tuples of finite special values; for three arguments, or if not all pairs are wanted, of shorter lists."""
    short = [-0.0, 0.5, -1.0, 5e-324, 1e200]
    every = pairs == "all pairs"
    few = (FINITE if every else FINITE[::2], FINITE if every else short, [0.0, -1.0, 2.0**53, 5e-324, 1e200])[
        min(TABLE[name].arity, 3) - 1
    ]
    columns = [few] * TABLE[name].arity
    if name in ORDERS:
        columns[ORDERS[name]] = [1.0, 2.0]
    return product(*columns)


def test_every_primitive_has_a_reference():
    """An operation of the table without its mathematical function in reference.py is not tested here: add it there."""
    assert sorted(set(NAMES) - set(REFERENCE)) == []
    for name in COVERED:
        assert len(REFERENCE[name].partials) == TABLE[name].arity


@pytest.mark.parametrize("name", but_for(SLOW, [name for name in COVERED if name not in BY_DIFFERENCES]))
def test_the_reference_agrees_with_itself(name):
    """The partials written in reference.py are the differences of its function, to 20 digits.

    The oracle of the accuracy suite is right.
    """
    reference = REFERENCE[name]
    for args in rows(name, 4 if name in SLOW else 12, seed=2):
        y = evaluate(reference.value, args, 60)
        for i, partial in enumerate(reference.partials):
            if y is None or not reference.is_regular(args, i):
                continue
            with mp.workdps(60):
                written = mpf(partial(*map(mpf, args), y))
                difference = reference.derivative(args, (i,))
                assert abs(written - difference) <= mpf(10) ** -20 * abs(difference) + mpf(10) ** -350, (
                    f"{name} {args} ∂{i}"
                )


@pytest.mark.parametrize("name", but_for(SLOW, mostly_full(SMOOTH, slice(0, None, 4))))
def test_value_and_gradient_at_sampled_points(name):
    """Orders 0 and 1 within the bounds of the policy over the whole range of exponents."""
    values = compared = 0
    count = 10 if name in SLOW else 60
    for args in rows(name, count, seed=3):
        values += check_value(TABLE[name], REFERENCE[name], args)
        compared += check_partials(TABLE[name], REFERENCE[name], args)
    assert values >= count / 2
    assert compared >= count / 2.4  # the others lie where the value is subnormal or overflows, or on a kink


@pytest.mark.parametrize(
    "name", but_for(SLOW, mostly_full([name for name in SMOOTH if name not in WITHOUT_BOUND], slice(1, None, 4)))
)
def test_second_derivatives_at_sampled_points(name):
    """Order 2 within the running error bound of the gradient program; at least half of the points must be settled."""
    points = moderate_rows(name, 6 if name in SLOW else 25, seed=4)
    settled = sum(check_second(TABLE[name], REFERENCE[name], args) > 0 for args in points)
    assert settled >= len(points) / 2 > 2


@pytest.mark.parametrize("pairs", sizes("some pairs", "all pairs"))
@pytest.mark.parametrize("name", but_for(SLOW, mostly_full(COVERED, slice(2, None, 4))))
def test_special_values(name, pairs):
    """Orders 0, 1 and 2 at every pair of special values where the function is smooth."""
    primitive, reference = TABLE[name], REFERENCE[name]
    done = 0
    for args in islice(special_rows(name, pairs), 0, None, 7 if name in SLOW else 1):
        if not any(reference.is_regular(args, i) for i in range(primitive.arity)):
            continue
        check_value(primitive, reference, args)
        done += check_partials(primitive, reference, args)
        if name not in BY_DIFFERENCES:
            check_second(primitive, reference, args)
    assert done or name in SLOW  # few of their special values lie where mpmath is fast
