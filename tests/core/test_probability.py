"""Φ, its logarithm and its inverse, logit, log(1 - e⁻ˣ): far out, at the ends, at every order, in every executor."""

import math

import mpmath
import numpy as np
import pytest
from corpus import orders
from mpmath import mp, mpf
from reference import REFERENCE, central

import autograd_lite as al

INF, NAN = math.inf, math.nan
POINTS = {
    "ndtr": (-37.0, -20.0, -3.0, -0.5, 0.0, 1e-9, 2.0, 8.0),
    "log_ndtr": (-1e8, -1e3, -40.0, -3.0, -2.5, -2.4, -1.0, 0.0, 0.5, 6.0, 30.0),
    "ndtri": (1e-140, 1e-20, 0.01, 0.15, 0.16, 0.3, 0.5, 0.7, 0.99, 1.0 - 1e-12),
    "erfinv": (-0.999999, -0.7, -0.6, 1e-100, 0.0, 0.3, 0.69, 0.9, 1.0 - 1e-14),
    "logit": (1e-150, 0.2, 0.25, 0.3, 0.5, 0.6, 0.75, 0.8, 1.0 - 1e-12),
    "log1mexp": (1e-100, 0.1, math.log(2.0), 0.7, 3.0, 39.0, 41.0, 700.0),
}


@pytest.mark.parametrize("name", POINTS)
def test_three_orders_keep_their_digits(name):
    """To 5e-13 of themselves, far out and where two formulas meet; at worst, in the third derivative of log Φ at -2.4, terms
    of 2.9 add up to 0.046, each of which is good to 4 ULP: 60·4·2⁻⁵³ and their roundings.
    """
    reference = REFERENCE[name]
    for x in POINTS[name]:
        for n, got in enumerate(orders(getattr(al, name), x, 3)[1:], start=1):
            exact = central(reference.value, (x,), (0,) * n, reference.scale(x))
            if got == 0.0 and abs(exact) < 1e-150:  # an odd function at its centre, of which differences leave noise
                continue
            if 1e-290 < abs(exact) < 1e290:
                assert got == pytest.approx(float(exact), rel=5e-13, abs=0.0), (x, n)
            elif abs(exact) < 1e-290:
                assert abs(got) < 1e-280, (x, n)


@pytest.mark.parametrize(
    ("f", "x", "value", "slope"),
    [
        (al.ndtr, -INF, 0.0, 0.0),
        (al.ndtr, INF, 1.0, 0.0),
        (al.ndtr, -1e200, 0.0, 0.0),
        (al.log_ndtr, -INF, -INF, INF),
        (al.log_ndtr, INF, 0.0, 0.0),
        (al.log_ndtr, -1e200, -INF, 1e200),
        (al.log_ndtr, -1e10, -5e19, 1e10),
        (al.ndtri, 0.0, -INF, INF),
        (al.ndtri, -0.0, -INF, INF),
        (al.ndtri, 1.0, INF, INF),
        (al.ndtri, 0.5, 0.0, math.sqrt(2.0 * math.pi)),
        (al.ndtri, -1e-300, NAN, NAN),
        (al.ndtri, 1.5, NAN, NAN),
        (al.ndtri, INF, NAN, NAN),
        (al.ndtri, -INF, NAN, NAN),
        (al.erfinv, 1.0, INF, INF),
        (al.erfinv, -1.0, -INF, INF),
        (al.erfinv, -0.0, -0.0, 0.5 * math.sqrt(math.pi)),
        (al.erfinv, 1.1, NAN, NAN),
        (al.logit, 0.0, -INF, INF),
        (al.logit, -0.0, -INF, INF),
        (al.logit, 1.0, INF, INF),
        (al.logit, 0.5, 0.0, 4.0),
        (al.logit, 2.0, NAN, -0.5),
        (al.log1mexp, 0.0, -INF, INF),
        (al.log1mexp, -0.0, -INF, INF),
        (al.log1mexp, INF, 0.0, 0.0),
        (al.log1mexp, -1.0, NAN, None),
        (al.log1mexp, 5e-324, math.log(5e-324), INF),
        *((f, NAN, NAN, NAN) for f in (al.ndtr, al.log_ndtr, al.ndtri, al.erfinv, al.logit, al.log1mexp)),
    ],
    ids=str,
)
def test_ends_of_the_domain(f, x, value, slope):
    """Limits inside, nan outside; the slope is that of the limit."""
    got, by_x = al.value_and_grad(f)(x)
    assert got == pytest.approx(value, rel=1e-15, abs=0.0, nan_ok=True)
    assert math.copysign(1.0, got) == math.copysign(1.0, value) or got != 0.0 or value == 0.0 != x or got != got
    if value != value:
        assert by_x != by_x
    else:
        assert by_x == pytest.approx(slope, rel=4e-16, abs=0.0)


def test_smallest_numbers():
    """The least probability above 0, and the nearest to 1."""
    with mp.workdps(40):
        for name, x in (("ndtri", 1e-300), ("ndtri", 5e-324), ("logit", 5e-324), ("logit", 1.0 - 2.0**-53)):
            exact = REFERENCE[name].value(mpf(x))
            assert abs(mpf(getattr(al, name)(x)) - exact) <= 6 * math.ulp(float(exact))
        assert al.log1mexp(744.0) == float(mpmath.log1p(-mpmath.exp(-744)))


@pytest.mark.parametrize("name", POINTS)
def test_every_executor_agrees(name):
    """Eager, Python, NumPy and machine code of a lane to the bit; lanes of vector functions to some ULP."""
    f = getattr(al, name)
    both = al.value_and_grad(f)
    for backend in ("python", "llvm"):
        compiled = al.jit(both, backend=backend)
        assert [compiled(x) for x in POINTS[name]] == [both(x) for x in POINTS[name]]
    values, slopes = al.vmap(both)(np.array(POINTS[name]))
    for x, value, slope in zip(POINTS[name], values, slopes, strict=True):
        assert (value, slope) == pytest.approx(both(x), rel=4e-15, abs=0.0)
    assert f(np.array(POINTS[name])).tolist() == [f(x) for x in POINTS[name]]


def test_inverses():
    """ndtri undoes ndtr, erfinv erf, and sigmoid logit, slopes included."""
    for f, inverse, x in ((al.ndtr, al.ndtri, -20.0), (al.erf, al.erfinv, 0.3), (al.expit, al.logit, -40.0)):
        assert al.grad(lambda t, f=f, inverse=inverse: inverse(f(t)))(x) == pytest.approx(1.0, rel=1e-14)
        assert inverse(f(x)) == pytest.approx(x, rel=1e-14)


def test_heaviside_is_numpys():
    """At all pairs of special numbers; only the number at 0 has a derivative, and only there."""
    special = [0.0, -0.0, 1.0, -2.0, 5e-324, INF, -INF, NAN]
    x, h = map(np.ravel, np.meshgrid(special, special))
    assert np.array_equal(al.heaviside(x, h), np.heaviside(x, h), equal_nan=True)
    assert np.array_equal(al.jit(al.vmap(al.heaviside))(x, h), np.heaviside(x, h), equal_nan=True)
    assert al.grad(al.heaviside, argnums=(0, 1))(0.0, 0.5) == (0.0, 1.0)
    assert al.grad(al.heaviside, argnums=(0, 1))(-3.0, 0.5) == (0.0, 0.0)
    assert al.grad(lambda t: al.heaviside(1.0, al.log(t)))(0.0) == 0.0  # what is not taken gets no adjoint
    assert np.heaviside(al.Variable(0.0), 0.5).primitive is al.heaviside
    assert al.why(y := al.heaviside(x := al.Variable(1.0), 0.5), x).cause == "flat"
    assert al.kinks(al.heaviside(al.Variable(0.0), 0.5)).cause == "jump"
    assert y.value == 1.0


def test_second_names_are_the_same_objects():
    """NumPy's, SciPy's and PyTorch's names of what the table has under another."""
    for names, rule in {
        "absolute": al.abs, "subtract": al.sub, "multiply": al.mul, "divide": al.div, "negative": al.neg, "power": al.pow,
        "reciprocal": al.inv, "remainder": al.mod, "floor_divide": al.floordiv, "deg2rad": al.radians,
        "rad2deg": al.degrees, "arcsin": al.asin, "arccos": al.acos, "arctan": al.atan, "arctan2": al.atan2,
        "arcsinh": al.asinh, "arccosh": al.acosh, "arctanh": al.atanh, "expit": al.sigmoid, "gammaln": al.lgamma,
        "psi": al.digamma,
    }.items():  # fmt: skip
        assert getattr(al, names) is rule
        assert names in al.__all__
