"""Bessel, beta and incomplete gamma functions and their like: every order, edges, every executor; SciPy's names."""

import math
from itertools import combinations_with_replacement

import numpy as np
import pytest
from mpmath import mp, mpf
from reference import REFERENCE, central
from tiers import full, mostly_full

import autograd_lite as al
from autograd_lite.arrays import RULES
from autograd_lite.arrays import SCIPY as COMPOSED
from autograd_lite.primitives import PRIMITIVES

INF, NAN = math.inf, math.nan
#: Points of each function, among them where two formulas meet. At a zero of a wave the error is one of its amplitude, 1.
POINTS = {
    "erfcx": [(-26.0,), (-3.0,), (-1e-9,), (0.0,), (0.5,), (1.79,), (1.81,), (30.0,), (1e8,)],
    "xlog1py": [(2.0, 3.0), (-1e-5, 1e-12), (3.0, -0.999), (1e100, 1e100)],
    "kl_div": [(2.0, 3.0), (5.0, 5.0000001), (1e-20, 4.0), (4.0, 1e-20), (1e10, 1.3e10), (3.0, 6.1)],
    "betaln": [(0.5, 0.5), (1.0, 1.0), (1e-10, 1.0), (3.0, 1e12), (1e8, 2e8), (7.0, 0.3)],
    "gammainc": [(0.5, 0.1), (0.5, 4.0), (3.0, 2.5), (3.0, 9.0), (40.0, 35.0), (0.01, 0.2), (150.0, 160.0)],
    "gammaincc": [(0.5, 0.1), (0.5, 4.0), (3.0, 2.5), (3.0, 9.0), (40.0, 35.0), (0.01, 0.2), (150.0, 160.0)],
    "j0": [(-1.0,), (0.0,), (1e-9,), (2.404825557695773,), (7.0,), (24.0,), (26.0,), (1e4,)],
    "j1": [(-1.0,), (0.0,), (1e-9,), (3.831705970207512,), (7.0,), (24.0,), (26.0,), (1e4,)],
    "i0": [(-1.0,), (0.0,), (1e-9,), (3.0,), (49.0,), (52.0,), (700.0,)],
    "i1": [(-1.0,), (0.0,), (1e-9,), (3.0,), (49.0,), (52.0,), (700.0,)],
}
CASES = [(name, point) for name, points in POINTS.items() for point in points]
WAVES = ("j0", "j1")


def derivative(f, indices):
    """The derivative along some arguments, one grad inside another."""
    for i in indices:
        f = al.grad(f, argnums=i)
    return f


@pytest.mark.parametrize("case", mostly_full(CASES, slice(None, None, 5)), ids=str)
def test_orders_up_to_three(case):
    """Orders 0 to 3 by all arguments, to 1e-12 of themselves: at worst (gammainc by a twice, near a sign change) 60 ULP of
    the first order count forty times. Waves, and what is 0, to 1e-14 of their amplitude.
    """
    name, point = case
    f, reference = getattr(al, name), REFERENCE[name]
    most = 2 if name.startswith("gammainc") else 3
    for n in range(1, most + 1):
        for indices in combinations_with_replacement(range(len(point)), n):
            got = derivative(f, indices)(*point)
            exact = central(reference.value, point, indices, reference.scale(*point))
            if abs(exact) > 1e290 or abs(exact) < 1e-290:
                continue
            size = max(abs(exact), 1) if name in WAVES or point == (0.0,) else abs(exact)
            assert abs(mpf(got) - exact) <= 1e-12 * size, (name, point, indices, got)


@pytest.mark.parametrize("name", POINTS)
def test_every_executor_agrees(name):
    """Eager, and machine code of one lane, to the bit; lanes to some ULP of vector functions."""
    f, points = getattr(al, name), POINTS[name]
    both = al.value_and_grad(f, argnums=tuple(range(len(points[0]))))
    compiled = al.jit(both)
    assert [compiled(*p) for p in points] == [both(*p) for p in points]
    values, slopes = al.vmap(both)(*np.array(points).T)
    for k, p in enumerate(points):
        value, slope = both(*p)
        assert values[k] == pytest.approx(value, rel=1e-14, abs=1e-300)
        assert [s[k] for s in slopes] == pytest.approx(slope, rel=1e-13, abs=1e-300)


@pytest.mark.parametrize(
    ("f", "arguments", "value", "slopes"),
    [
        (al.j0, (0.0,), 1.0, (0.0,)),
        (al.j1, (0.0,), 0.0, (0.5,)),
        (al.i0, (0.0,), 1.0, (0.0,)),
        (al.i1, (-0.0,), -0.0, (0.5,)),
        (al.j0, (INF,), 0.0, (0.0,)),
        (al.j1, (-INF,), 0.0, (0.0,)),
        (al.i0, (-INF,), INF, (-INF,)),
        (al.i1, (-INF,), -INF, (INF,)),
        (al.i0, (713.0,), float(mp.besseli(0, 713)), (float(mp.besseli(1, 713)),)),
        (al.erfcx, (INF,), 0.0, (0.0,)),
        (al.erfcx, (-INF,), INF, (-INF,)),
        (al.erfcx, (1e300,), 5.641895835477563e-301, (0.0,)),
        (al.betaln, (1.0, 1.0), 0.0, (-1.0, -1.0)),
        (al.betaln, (0.0, 1.0), INF, None),
        (al.betaln, (-1.0, 1.0), 0.0, None),
        (al.kl_div, (0.0, 3.0), 3.0, (-INF, 1.0)),
        (al.kl_div, (2.0, 2.0), 0.0, (0.0, 0.0)),
        (al.kl_div, (1.0, 0.0), INF, (INF, -INF)),
        (al.kl_div, (-1.0, 1.0), INF, None),
        (al.kl_div, (INF, 1.0), INF, None),
        (al.xlog1py, (0.0, -1.0), 0.0, (-INF, 0.0)),
        (al.xlog1py, (0.0, NAN), NAN, None),
        (al.gammainc, (2.0, 0.0), 0.0, (0.0, 0.0)),
        (al.gammainc, (1.0, 0.0), 0.0, (0.0, 1.0)),
        (al.gammainc, (2.0, INF), 1.0, (0.0, 0.0)),
        (al.gammaincc, (2.0, 0.0), 1.0, (0.0, 0.0)),
        (al.gammaincc, (2.0, INF), 0.0, (0.0, 0.0)),
        (al.gammainc, (2.0, -1.0), NAN, (NAN, NAN)),
        (al.gammainc, (-2.0, 1.0), NAN, (NAN, NAN)),
    ],
    ids=str,
)
def test_edges(f, arguments, value, slopes):
    """Limits inside, nan or infinity outside; SciPy's values."""
    got, by = al.value_and_grad(f, argnums=tuple(range(len(arguments))))(*arguments)
    assert got == pytest.approx(value, rel=1e-15, nan_ok=True)
    if slopes is not None:
        assert by == pytest.approx(slopes, rel=1e-15, nan_ok=True)


def test_large_shapes_of_the_incomplete_gamma_function():
    """Temme's expansion meets the series at a = 10⁴, and the normal distribution far out."""
    for a, x in ((9.99e3, 1.0e4), (1.001e4, 1.0e4), (1e5, 9.97e4)):
        with mp.workdps(30):
            exact = mp.gammainc(a, 0, x, regularized=True)
        assert al.gammainc(a, x) == pytest.approx(float(exact), rel=2e-14)  # some hundred terms of the series
        assert al.gammaincc(a, x) == pytest.approx(float(1 - exact), rel=2e-14)
    assert al.gammainc(1e12, 1e12 + 1e6) == pytest.approx(al.ndtr(1.0), rel=1e-6)


def test_helpers_of_whole_numbers_refuse_others():
    """nan, and no error of `math`."""
    for name in ("stirling_error", "bessel_j", "bessel_i"):
        assert all(math.isnan(PRIMITIVES[name](1.5, n)) for n in (0.5, 81.0, INF, NAN))
    assert math.isnan(PRIMITIVES["gammainc_by_a"](1.0, 1e9, 0.5))


# ------------------------------------------------------------------------------------------------------ SciPy's names

special = pytest.importorskip("scipy.special")
UFUNCS = [n for n in dir(special) if isinstance(getattr(special, n), np.ufunc) and n != "round"]  # al.round, too
#: Names of those that are served; some are NumPy's too.
SCIPY = {*COMPOSED, *(ufunc.__name__ for ufunc in RULES)}
#: Numbers inside the domain of the functions that are served.
ARGUMENTS = {"logit": (0.3,), "ndtri": (0.3,), "erfinv": (0.3,), "erfcinv": (0.3,)}


@pytest.mark.parametrize("name", mostly_full(UFUNCS, slice(None, None, 12)))
def test_scipys_ufuncs_meet_a_rule_or_our_error(name):
    """On a Variable and on an array of ours: SciPy's value with a derivative, or an error of ours that says what to do."""
    ufunc = getattr(special, name)
    numbers = ARGUMENTS.get(name, (0.7, 1.3, 0.4, 0.9, 1.1)[: ufunc.nin])
    for arguments in (tuple(map(al.Variable, numbers)), tuple(al.array([al.Variable(a)]) for a in numbers)):
        if name not in SCIPY:
            with pytest.raises(al.OperandError, match="has no derivative rule"):
                ufunc(*arguments)
            continue
        got = ufunc(*arguments)
        number = np.ravel(got)[0]
        assert isinstance(number, al.Variable), name
        assert number.value == pytest.approx(float(ufunc(*numbers)), rel=1e-13)


def test_the_functions_of_the_issue_are_served():
    """None of those is refused, and the rule of the same name serves it."""
    for name in (
        "expit", "logit", "gammaln", "erf", "erfc", "erfcx", "erfinv", "ndtr", "log_ndtr", "ndtri", "xlogy", "xlog1py", "psi",
        "betaln", "gammainc", "gammaincc", "i0", "i1", "j0", "j1", "kl_div",
    ):  # fmt: skip
        ufunc = getattr(special, name)
        numbers = ARGUMENTS.get(name, (0.7, 1.3)[: ufunc.nin])
        got = ufunc(*map(al.Variable, numbers))
        assert got.primitive is getattr(al, name)
        assert got.value == pytest.approx(ufunc(*numbers), rel=1e-13)


@full
def test_values_are_scipys():
    """Beside SciPy over a grid, wherever SciPy is right to 1e-12 itself."""
    grid = np.concatenate([10.0 ** np.linspace(-4, 2, 25)])
    a, x = map(np.ravel, np.meshgrid(grid, grid))
    for name in ("betaln", "kl_div", "xlog1py", "gammainc", "gammaincc"):
        np.testing.assert_allclose(getattr(al, name)(a, x), getattr(special, name)(a, x), rtol=2e-12, atol=1e-300)
    for name in ("erfcx", "i0", "i1", "j0", "j1"):
        np.testing.assert_allclose(getattr(al, name)(grid), getattr(special, name)(grid), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("zero", [1.0, 2.0])
def test_lgamma_near_its_zeros(zero):
    """Digits of the result itself, in every executor; C's function has an absolute error of 4e-16 there."""
    near = [zero + sign * size for size in (2.0**-52, 1e-10, 1e-7, 1e-3, 0.05, 0.0999) for sign in (1.0, -1.0)]
    with mp.workdps(60):
        expected = [float(mp.loggamma(mpf(x))) for x in near]
    for run in (al.lgamma, al.jit(al.lgamma), lambda x: al.value_and_grad(al.lgamma)(x)[0]):
        # the series: two roundings of terms at most 2.4 times the sum
        assert [run(x) for x in near] == pytest.approx(expected, rel=6 * 2.0**-52)
    assert al.vmap(al.lgamma)(np.array(near)) == pytest.approx(expected, rel=6 * 2.0**-52)
    assert al.lgamma(zero) == 0.0


@pytest.mark.parametrize("a", [-0.5, -1.5, -37.125, -1e-3, -800.71])
@pytest.mark.parametrize("b", [2.0, 0.3, -0.75, -2.3, 1e3])
def test_beta_function_of_negative_numbers(a, b):
    """log |B|, as in SciPy; it was nan. Next to a pole of Γ(a + b) the rounding of a + b counts."""
    with mp.workdps(50):
        x, y = mpf(a), mpf(b)
        value, slopes = mp.log(abs(mp.beta(x, y))), [mp.psi(0, z) - mp.psi(0, x + y) for z in (x, y)]
        size = sum(abs(mp.psi(0, z)) for z in (x, y, x + y)) + abs(mp.psi(1, x + y) * (x + y))
        moved = abs(mp.psi(0, x + y) * (x + y))
    assert abs(al.betaln(a, b) - value) <= 16 * 2.0**-52 * (abs(value) + moved + 1)
    for found, slope in zip(al.grad(al.betaln, argnums=(0, 1))(a, b), slopes, strict=True):
        assert abs(found - slope) <= 16 * 2.0**-52 * size


def test_beta_function_at_poles_and_zeros():
    """As SciPy has it."""
    found = [
        al.betaln(*pair) for pair in ((-2.0, 3.0), (-2.0, 1.0), (0.0, -0.5), (-1.5, 1.5), (-3.0, 0.5), (-2.0, -3.0))
    ]
    assert found == [math.inf, pytest.approx(-math.log(2.0)), math.inf, -math.inf, math.inf, math.inf]
