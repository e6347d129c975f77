"""The points at which Stan tests the derivatives of its functions, orders 0 to 3, settled by mpmath.

Points only, from the Stan Math library (BSD-3), https://github.com/stan-dev/math: `common_nonzero_args` and `common_args`
of test/unit/math/test_ad.hpp for every function, and those of test/unit/math/mix/fun/{erf,hypot,log1p,pow}_test.cpp.
"""

import math
from itertools import product

import pytest
from checkers import check_partials, check_second, check_value, leaves, overflows, running_bound
from corpus import DIFFERENTIATED, ORDERS, STEPS, TABLE
from mpmath import mp, mpf
from reference import REFERENCE
from tiers import mostly_full

import autograd_lite as al

NONZERO = [-1.3, 0.49, 0.99, 1.01]
COMMON = [*NONZERO, 0.0]
NOT_FINITE = [math.inf, -math.inf, math.nan]
OWN = {
    "erf": [(-2.0,), (-1.0,), (-0.2,), (2.6,)],
    "log1p": [(-2.0,), (-0.99,), (-0.5,), (0.5,), (7.2,), (1000.0,)],
    "moment_ratio": [(2.6, 1.0), (3.0, 2.0), (7.5, 1.0)],
    "hypot": [(0.5, 0.0), (0.5, 2.3), (0.5001, 1.0001), (3.0, 4.0), (3.0, 6.0)],
    "pow": [
        *[(-0.4, 0.5), (0.5, 0.5), (0.5, 1.0), (0.5, 1.2), (0.5, 5.0), (1.0, 2.0), (3.0, 4.0)],
        *((4.0, k / 2) for k in range(-4, 9)),
    ],
}
#: Derivatives by shapes: the oracle differentiates integrals by differences, which have no digits at the third order, and the
#: running bound asks for the third derivative by `df`, which is none. tests/maths/test_quantiles.py has orders 0 to 2.
FIRST = {"betainc_by", "beta_density_by", "t_cdf_by_df", "t_quantile"}
#: nan, as docs/how_to/statistics.md says.
NO_THIRD = {("t_cdf", 1), ("t_quantile", 1)}
COVERED = [name for name in DIFFERENTIATED if name in REFERENCE]


def points(name, numbers):
    """All tuples of the numbers, as many as the function has arguments, and its own points."""
    columns = [numbers] * TABLE[name].arity
    if name in ORDERS:
        columns[ORDERS[name]] = [1.0]
    return [*product(*columns), *OWN.get(name, ())]


@pytest.mark.parametrize("name", mostly_full([name for name in COVERED if name not in STEPS], slice(1, None, 4)))
def test_values_and_first_and_second_derivatives(name):
    """Within the bounds of the table, at every point where the function is smooth."""
    primitive, reference = TABLE[name], REFERENCE[name]
    done = 0
    for args in points(name, COMMON if primitive.arity < 3 else [-1.3, 0.49, 0.0]):
        if any(reference.is_regular(args, i) for i in range(primitive.arity)):
            check_value(primitive, reference, args)
            done += check_partials(primitive, reference, args)
            if name not in FIRST:
                check_second(primitive, reference, args)
    assert done


def third(name, args, i):
    """The third derivative along argument i, as a node; None where a lower one depends on no argument."""
    variables = leaves(name, args)
    d = TABLE[name](*variables)
    for _ in range(3):
        if not isinstance(d, al.Variable):
            return None
        d = al.gradients(d, variables[i], create_graph=True)
    return d


@pytest.mark.parametrize("name", mostly_full([n for n in COVERED if TABLE[n].arity < 3], slice(0, None, 4)))
def test_third_derivatives(name):
    """Within the running error bound of the program that computes them."""
    reference = REFERENCE[name]
    for args in points(name, COMMON):
        for i in range(len(args)):
            if i == ORDERS.get(name) or not reference.is_regular(args, i) or (name, i) in NO_THIRD:
                continue
            d = third(name, args, i)
            if d is None or overflows(d):
                continue
            with mp.workdps(60):
                exact = reference.derivative(args, (i, i, i))
                assert abs(mpf(d.value) - exact) <= running_bound(d), (name, args, i, d.value, float(exact))


@pytest.mark.parametrize("name", [name for name in COVERED if TABLE[name].arity < 3])
def test_not_finite(name):
    """Nothing raises, and a NaN is not laundered: where the value is NaN, so is the gradient."""
    for args in points(name, [*NOT_FINITE, *NONZERO]):
        variables = leaves(name, args)
        y = TABLE[name](*variables)
        slopes = al.gradients(y, [v for v in variables if isinstance(v, al.Variable)])
        if math.isnan(y.value):
            assert all(map(math.isnan, slopes)), (name, args, slopes)
