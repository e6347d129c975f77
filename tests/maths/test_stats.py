"""`al.stats`: every method at orders 0 to 2 by every parameter against mpmath; tails, supports, executors, errors."""

import copy
import math
import pickle
import time
from itertools import combinations_with_replacement

import mpmath
import numpy as np
import pytest
from mpmath import mp, mpf
from reference import central
from tiers import mostly_full

import autograd_lite as al
from autograd_lite import stats

INF, NAN = math.inf, math.nan
ROOT = mpmath.sqrt


def _log_beta(y, a, b):
    rest = mpmath.loggamma(a) + mpmath.loggamma(b) - mpmath.loggamma(a + b)
    return (a - 1) * mpmath.log(y) + (b - 1) * mpmath.log1p(-y) - rest


def _log_choose(n, k):
    return mpmath.loggamma(n + 1) - mpmath.loggamma(k + 1) - mpmath.loggamma(n - k + 1)


def _t(y, v):
    rest = mpmath.loggamma((v + 1) / 2) - mpmath.loggamma(v / 2) - mpmath.log(v * mp.pi) / 2
    return rest - (v + 1) / 2 * mpmath.log1p(y * y / v)


def _t_cdf(y, v):
    tail = mpmath.betainc(v / 2, mpf(1) / 2, 0, v / (v + y * y), regularized=True) / 2
    return tail if y < 0 else 1 - tail


#: The logarithms of densities and probabilities in mpmath, and distribution functions, of the standard form.
LOG_DENSITY = {
    "norm": lambda y: -y * y / 2 - mpmath.log(2 * mp.pi) / 2,
    "t": _t,
    "gamma": lambda y, a: (a - 1) * mpmath.log(y) - y - mpmath.loggamma(a),
    "chi2": lambda y, v: (v / 2 - 1) * mpmath.log(y) - y / 2 - mpmath.loggamma(v / 2) - v / 2 * mpmath.log(2),
    "beta": _log_beta,
    "uniform": lambda y: y * 0,
    "expon": lambda y: -y,
    "laplace": lambda y: -abs(y) - mpmath.log(2),
    "logistic": lambda y: -y - 2 * mpmath.log1p(mpmath.exp(-y)),
    "cauchy": lambda y: -mpmath.log(mp.pi) - mpmath.log1p(y * y),
    "lognorm": lambda y, s: -((mpmath.log(y) / s) ** 2) / 2 - mpmath.log(y * s) - mpmath.log(2 * mp.pi) / 2,
    "weibull_min": lambda y, c: mpmath.log(c) + (c - 1) * mpmath.log(y) - y**c,
    "halfnorm": lambda y: -y * y / 2 + mpmath.log(2 / mp.pi) / 2,
    "poisson": lambda k, mu: k * mpmath.log(mu) - mu - mpmath.loggamma(k + 1),
    "binom": lambda k, n, p: _log_choose(n, k) + k * mpmath.log(p) + (n - k) * mpmath.log1p(-p),
    "bernoulli": lambda k, p: mpmath.log(p) if k else mpmath.log1p(-p),
    "geom": lambda k, p: mpmath.log(p) + (k - 1) * mpmath.log1p(-p),
    "nbinom": lambda k, n, p: _log_choose(n + k - 1, k) + n * mpmath.log(p) + k * mpmath.log1p(-p),
}
CDF = {
    "norm": mpmath.ncdf,
    "t": _t_cdf,
    "gamma": lambda y, a: mpmath.gammainc(a, 0, y, regularized=True),
    "chi2": lambda y, v: mpmath.gammainc(v / 2, 0, y / 2, regularized=True),
    "beta": lambda y, a, b: mpmath.betainc(a, b, 0, y, regularized=True),
    "uniform": lambda y: y,
    "expon": lambda y: -mpmath.expm1(-y),
    "laplace": lambda y: mpmath.exp(y) / 2 if y < 0 else 1 - mpmath.exp(-y) / 2,
    "logistic": lambda y: 1 / (1 + mpmath.exp(-y)),
    "cauchy": lambda y: mpf(1) / 2 + mpmath.atan(y) / mp.pi,
    "lognorm": lambda y, s: mpmath.ncdf(mpmath.log(y) / s),
    "weibull_min": lambda y, c: -mpmath.expm1(-(y**c)),
    "halfnorm": lambda y: mpmath.erf(y / ROOT(mpf(2))),
    "poisson": lambda k, mu: mpmath.gammainc(k + 1, mu, mp.inf, regularized=True),
    "binom": lambda k, n, p: mpmath.betainc(n - k, k + 1, 0, 1 - p, regularized=True),
    "bernoulli": lambda k, p: mpf(1) if k else 1 - p,
    "geom": lambda k, p: 1 - (1 - p) ** k,
    "nbinom": lambda k, n, p: mpmath.betainc(n, k + 1, 0, p, regularized=True),
}
#: Shapes, and numbers of the standard form.
POINTS = {
    "norm": [((), (-3.0, 0.0, 1.7))],
    "t": [((3.5,), (-2.0, 0.3, 9.0)), ((1e10,), (-2.0, 0.9)), ((0.2,), (1.1, 1e6))],
    "gamma": [((2.5,), (0.3, 2.0, 20.0)), ((0.3,), (1e-6, 1.5)), ((1e6,), (9.99e5, 1.002e6))],
    "chi2": [((5.0,), (0.7, 9.0))],
    "beta": [((2.0, 3.5), (0.1, 0.8)), ((1e5, 2e5), (0.333, 0.335)), ((0.3, 0.4), (1e-7, 0.6))],
    "uniform": [((), (0.3,))],
    "expon": [((), (1e-3, 5.0))],
    "laplace": [((), (-2.0, 0.6))],
    "logistic": [((), (-30.0, 0.0, 2.0))],
    "cauchy": [((), (-1e5, 0.3, 4.0))],
    "lognorm": [((0.7,), (0.02, 3.0))],
    "weibull_min": [((1.7,), (0.2, 2.5))],
    "halfnorm": [((), (0.4, 5.0))],
    "poisson": [((2.5,), (0.0, 4.0)), ((1e6,), (1.001e6,)), ((1e-5,), (2.0,))],
    "binom": [((12.0, 0.3), (0.0, 5.0, 12.0)), ((1e6, 0.25), (2.5e5, 2.51e5)), ((20.0, 1e-6), (3.0,))],
    "bernoulli": [((0.3,), (0.0, 1.0))],
    "geom": [((0.2,), (1.0, 6.0))],
    "nbinom": [((4.5, 0.3), (0.0, 7.0)), ((1e5, 0.5), (1.001e5,))],
}
CASES = [(name, shapes, y) for name, cases in POINTS.items() for shapes, ys in cases for y in ys]
LOC, SCALE = -0.5, 2.0  # powers of two: x is exact


def arguments_of(name, shapes, y):
    """What the method takes, and which of it has derivatives."""
    distribution = getattr(stats, name)
    if distribution.discrete:
        arguments = (y + LOC, *shapes, LOC)
        return arguments, [i for i in range(1, len(shapes) + 1) if not (name == "binom" and i == 1)]
    return (SCALE * y + LOC, *shapes, LOC, SCALE), list(range(len(shapes) + 3))


def exact_of(name, what):
    """A method as a function of all arguments, in mpmath."""
    table, discrete = {"log density": LOG_DENSITY, "cdf": CDF}[what], getattr(stats, name).discrete

    def logarithm(x, *parameters):
        *shapes, loc, scale = (*parameters, mpf(1)) if discrete else parameters
        found = table[name]((x - loc) / scale, *shapes)
        return found - (mpmath.log(scale) if what == "log density" else 0)

    return logarithm


def derivative(f, indices):
    """The derivative along some arguments, one grad inside another."""
    for i in indices:
        f = al.grad(f, argnums=i)
    return f


def check(name, what, shapes, y, tolerance):
    """Orders 0 to 2 against mpmath."""
    method = what if what == "cdf" else "logpmf" if getattr(stats, name).discrete else "logpdf"
    f, exact_f = getattr(getattr(stats, name), method), exact_of(name, what)
    arguments, smooth = arguments_of(name, shapes, y)
    with mp.workdps(60):
        exact = exact_f(*map(mpf, arguments))
        assert abs(mpf(f(*arguments)) - exact) <= tolerance * max(abs(exact), mpf(1e-3))
    scale = min(
        [
            mpf(1),
            abs(mpf(y)) or 1,
            *(abs(mpf(s)) for s in shapes),
            *((1 - mpf(shapes[-1]),) if name == "nbinom" else ()),
        ]
    )
    if name == "beta":
        scale = min(scale, 1 - mpf(y))
    lengths = [abs(SCALE * y) or 1.0, *map(abs, arguments[1:])]  # over which the function changes
    firsts = {i: abs(central(exact_f, arguments, (i,), scale)) for i in smooth}
    for n in (1, 2):
        for indices in combinations_with_replacement(smooth, n):
            exact = central(exact_f, arguments, indices, scale)
            got = derivative(f, indices)(*arguments)
            # A second derivative far below its usual size is a difference of terms of that size: 16 roundings of these.
            usual = firsts[indices[0]] / mpf(lengths[indices[1]]) if n == 2 else mpf(0)
            allowed = tolerance * abs(exact) + 16 * mpf(2) ** -52 * usual + mpf(1e-40)
            assert abs(mpf(got) - exact) <= allowed, (name, method, arguments, indices, got, float(exact))


@pytest.mark.parametrize("case", mostly_full(CASES, slice(None, None, 3)), ids=str)
def test_log_densities_at_orders_up_to_two(case):
    """By x and every parameter, to 1e-10 of themselves: where parameters of 1e6 meet, the rounding of x/m costs that."""
    name, shapes, y = case
    check(name, "log density", shapes, y, mpf(1e-10))


#: mpmath takes seconds for these.
SLOW = {
    ("gamma", (1e6,)),
    ("beta", (1e5, 2e5)),
    ("poisson", (1e6,)),
    ("binom", (1e6, 0.25)),
    ("nbinom", (1e5, 0.5)),
    ("t", (1e10,)),
}
MODERATE = [case for case in CASES if case[:2] not in SLOW and abs(case[2]) < 1e5 and case[2:] != (12.0,)]


@pytest.mark.parametrize("case", mostly_full(MODERATE, slice(1, None, 4)), ids=str)
def test_distribution_functions_at_orders_up_to_two(case):
    """By x, location, scale and all shapes."""
    name, shapes, y = case
    check(name, "cdf", shapes, y, mpf(1e-11))


@pytest.mark.parametrize(
    ("f", "arguments", "value", "slope"),
    [
        (stats.norm.logcdf, (-40.0,), -804.6084420137538, 40.02496884720726),
        (stats.norm.logsf, (40.0,), -804.6084420137538, -40.02496884720726),
        (stats.norm.cdf, (-38.0,), 2.8854294147871564e-316, 1.0972212703690588e-314),
        (stats.expon.logcdf, (1e-300,), -690.7755278982137, 1e300),
        (stats.logistic.logcdf, (-800.0,), -800.0, 1.0),
        (stats.cauchy.cdf, (-1e200,), 3.1830988618379067e-201, 0.0),
        (stats.gamma.sf, (700.0, 1.0), math.exp(-700.0), -math.exp(-700.0)),
        (stats.poisson.logsf, (0, 1e-20), -46.051701859880914, None),
        (stats.lognorm.logcdf, (1e-10, 0.5), -1065.1287963223679, None),
        (stats.halfnorm.isf, (1e-300,), 37.06578788077213, None),
        (stats.norm.ppf, (0.0,), -INF, INF),
        (stats.norm.ppf, (1.5,), NAN, NAN),
        (stats.norm.pdf, (NAN,), NAN, NAN),
        (stats.norm.logpdf, (INF,), -INF, None),
        (stats.t.logpdf, (1e200, 3.0), -1840.871738667524, None),
        (stats.t.logpdf, (1e200, 1.0), -922.1787670834677, -2e-200),
        (stats.t.cdf, (-1e200, 1.0), 3.1830988618379067e-201, 0.0),
        (stats.t.logcdf, (-1e160, 1.0), -369.5583447648967, None),
        (stats.t.sf, (1e90, 3.0), 1.1026577908435842e-270, 0.0),
        (stats.cauchy.logcdf, (-1e200,), -461.6617484846586, 1e-200),
        (stats.cauchy.logsf, (1e160,), -369.5583447648967, -1e-160),
        (stats.logistic.logpdf, (1e-200,), -1.3862943611198906, -5e-201),
        (stats.halfnorm.logsf, (1e-200,), -7.978845608028654e-201, -0.7978845608028654),
        (stats.weibull_min.logcdf, (1e-200, 1.7), -782.8789316179756, 1.7e200),
    ],
    ids=str,
)
def test_tails(f, arguments, value, slope):
    """Where a probability is 0 or 1 its logarithm is not."""
    got, by = al.value_and_grad(f)(*arguments)
    assert got == pytest.approx(value, rel=1e-12, nan_ok=True)
    if slope is not None:
        assert by == pytest.approx(slope, rel=1e-9, nan_ok=True)


@pytest.mark.parametrize(
    ("f", "y", "exact"),
    [
        (lambda y: stats.gamma.logsf(y, 3.0), 600.0, -5.537037243049e-06),
        (lambda y: stats.chi2.logsf(y, 6.0), 1200.0, -1.384259310762e-06),
        (lambda mu: stats.poisson.logsf(40.0, mu), 1e-5, -4.1e11),
        (stats.cauchy.logsf, 1e150, 1e-300),
        (stats.logistic.logpdf, 1e-10, -0.5),
        (lambda a: stats.beta.logpdf(1e-200, a, 2.0), 1e5, -1.99998000018e-10),
        (lambda v: stats.t.logpdf(1e200, v), 1.0, -0.3224670334241132),
        (lambda v: stats.t.logpdf(-1e160, v), 1.0, -0.3224670334241132),
    ],
)  # fmt: skip
def test_second_derivatives_in_tails(f, y, exact):
    """1/p² of a probability of 1e-261 overflowed. What is left of terms of 1 keeps six digits."""
    assert al.grad(al.grad(f))(y) == pytest.approx(exact, rel=1e-5)
    assert al.jit(al.grad(al.grad(f)))(y) == pytest.approx(exact, rel=1e-5)


def _log_gamma(x, a, *, upper):
    if upper:
        return mpmath.log(mpmath.gammainc(a, x, mp.inf, regularized=True))
    return a * mpmath.log(x) - x - mpmath.loggamma(a + 1) + mpmath.log(mpmath.hyp1f1(1, a + 1, x))


def _log_share(x, a, b):
    rest = mpmath.loggamma(a) + mpmath.loggamma(b) - mpmath.loggamma(a + b) + mpmath.log(a)
    total, term, k = mpf(0), mpf(1), 0  # mpmath's 2F1 takes minutes at large a
    while term > total * mp.eps:
        total, term, k = total + term, term * x * (a + b + k) / (a + 1 + k), k + 1
    return a * mpmath.log(x) + b * mpmath.log1p(-x) - rest + mpmath.log(total)


#: Logarithms of probabilities that are no floats; the first arguments are differentiated by, the others constants.
_UNDERFLOW = {
    "gamma.logsf": (stats.gamma.logsf, lambda x, a: _log_gamma(x, a, upper=True),
                    ((800.0, 3.0), (1e5, 0.5), (2000.0, 300.0), (700.0, 1e-3)), 2),
    "gamma.logcdf": (stats.gamma.logcdf, lambda x, a: _log_gamma(x, a, upper=False),
                     ((1e-120, 3.0), (1.0, 300.0), (5e4, 5.9e4)), 2),
    "chi2.logsf": (stats.chi2.logsf, lambda x, v: _log_gamma(x / 2, v / 2, upper=True), ((2000.0, 3.0),), 2),
    "chi2.logcdf": (stats.chi2.logcdf, lambda x, v: _log_gamma(x / 2, v / 2, upper=False), ((1.0, 900.0),), 2),
    "poisson.logcdf": (lambda mu, k: stats.poisson.logcdf(k, mu), lambda mu, k: _log_gamma(mu, k + 1, upper=True),
                       ((800.0, 3.0),), 1),
    "poisson.logsf": (lambda mu, k: stats.poisson.logsf(k, mu), lambda mu, k: _log_gamma(mu, k + 1, upper=False),
                      ((0.01, 200.0),), 1),
    "beta.logcdf": (stats.beta.logcdf, _log_share, ((1e-5, 100.0, 3.0), (0.2, 1e4, 1e4), (0.8, 1e5, 3.0)), 1),
    "beta.logsf": (stats.beta.logsf, lambda x, a, b: _log_share(1 - x, b, a), ((0.999, 3.0, 200.0),), 1),
    "binom.logsf": (lambda p, k, n: stats.binom.logsf(k, n, p), lambda p, k, n: _log_share(p, k + 1, n - k),
                    ((0.01, 300.0, 400.0),), 1),
    "binom.logcdf": (lambda p, k, n: stats.binom.logcdf(k, n, p), lambda p, k, n: _log_share(1 - p, n - k, k + 1),
                     ((0.9, 3.0, 2000.0),), 1),
    "nbinom.logsf": (lambda p, k, n: stats.nbinom.logsf(k, n, p), lambda p, k, n: _log_share(1 - p, k + 1, n),
                     ((0.5, 3000.0, 5.0),), 1),
    "nbinom.logcdf": (lambda p, k, n: stats.nbinom.logcdf(k, n, p), lambda p, k, n: _log_share(p, n, k + 1),
                      ((0.01, 3.0, 400.0),), 1),
    "t.logsf": (stats.t.logsf, lambda y, v: _log_share(v / (v + y * y), v / 2, mpf(1) / 2) - mpmath.log(2),
                ((1e10, 50.0), (45.0, 1e4), (1e150, 4.0)), 1),
}  # fmt: skip


@pytest.mark.parametrize("name", _UNDERFLOW)
def test_logarithms_of_probabilities_that_are_no_floats(name):
    """They were -inf, with the slope nan: gamma.logsf(800, 3). Orders 0 to 2, eagerly and in lanes."""
    f, exact_f, points, smooth = _UNDERFLOW[name]
    for arguments in points:
        constants = arguments[smooth:]
        free = tuple(range(smooth))
        for indices in [(), *((i,) * n for i in free for n in (1, 2))]:
            with mp.workdps(60):
                scale = min(mpf(abs(a)) for a in arguments[:smooth])
                exact = central(exact_f, arguments, indices, scale) if indices else exact_f(*map(mpf, arguments))
            g = derivative(lambda *x: f(*x, *constants), indices)
            got = [g(*arguments[:smooth])]
            if indices == (0,) and arguments == points[0]:
                got.append(al.jit(al.vmap(g))(*(np.full(2, a) for a in arguments[:smooth]))[1])
            # the terms of a second derivative cancel to some 1e-6 of their size
            assert got == pytest.approx([float(exact)] * len(got), rel=1e-9 if len(indices) == 2 else 1e-13), indices


#: Numbers outside the support of each distribution that has an end, and shapes.
OUTSIDE = {
    "gamma": (-1.0, 2.5), "chi2": (-1.0, 2.0), "beta": (1.5, 2.0, 3.0), "uniform": (1.5,), "expon": (-1e-300,),
    "lognorm": (-2.0, 0.5), "weibull_min": (-2.0, 1.5), "halfnorm": (-0.5,), "poisson": (-1.0, 2.0),
    "binom": (11.0, 10.0, 0.3), "bernoulli": (2.0, 0.3), "geom": (0.0, 0.3), "nbinom": (-1.0, 3.0, 0.2),
}  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
def test_outside_the_support(name):
    """Densities are 0, their logarithms -inf, distribution functions 0 or 1; all derivatives are 0 at orders 1 and 2."""
    distribution, arguments = getattr(stats, name), OUTSIDE[name]
    ends = (0.0, 1.0)
    places = range(len(arguments))
    for method in distribution.methods:
        if method in ("ppf", "isf"):
            continue
        f = getattr(distribution, method)
        value, slopes = al.value_and_grad(f, argnums=tuple(places))(*arguments)
        assert value == -INF if method.startswith("logp") else value in (*ends, -INF), method
        assert all(slope == 0.0 for slope in slopes), (method, slopes)
        assert al.grad(al.grad(f))(*arguments) == 0.0
        compiled = al.jit(al.value_and_grad(f, argnums=tuple(places)))
        assert compiled(*arguments) == (value, slopes)
    if distribution.discrete:
        assert distribution.pmf(2.5, *arguments[1:]) == 0.0
        assert distribution.logpmf(2.5, *arguments[1:]) == -INF


@pytest.mark.parametrize("name", POINTS)
def test_parameters_outside_their_domain_give_nan(name):
    """As in SciPy: a negative scale, or a negative shape; inside and outside the support."""
    distribution = getattr(stats, name)
    shapes, (y, *_) = POINTS[name][0]
    for method in distribution.methods:
        f = getattr(distribution, method)
        x = 0.3 if method in ("ppf", "isf") else y
        for k in range(len(shapes)):
            wrong = [-1.0 if i == k else s for i, s in enumerate(shapes)]
            assert math.isnan(f(x, *wrong)), method
            assert math.isnan(f(-7.0, *wrong)) or method in ("ppf", "isf")
        if not distribution.discrete:
            for scale in (0.0, -1.0):
                assert math.isnan(f(x, *shapes, 0.0, scale)), (method, scale)
        assert math.isnan(f(NAN, *shapes))


@pytest.mark.parametrize("name", POINTS)
def test_every_executor_agrees(name):
    """Eager and compiled to the bit, lanes to 1e-13 (some vector functions in a row); one path serves all points."""
    distribution = getattr(stats, name)
    shapes, _ = POINTS[name][0]
    method = "logpmf" if distribution.discrete else "logpdf"
    f = getattr(distribution, method)
    places = (0, len(shapes) + 1)
    both = al.value_and_grad(lambda x, *p: f(x, *p), argnums=places)
    compiled = al.jit(both)
    points = [(x, *shapes, 0.5) for x in (-3.0, 0.5, 0.75, 1.5, 4.5)]
    for p in points:
        assert compiled(*p) == both(*p)
    assert len(compiled.paths()) == 1
    values, slopes = al.jit(al.vmap(both))(*np.array(points).T)
    for k, p in enumerate(points):
        value, by = both(*p)
        assert values[k] == pytest.approx(value, rel=1e-13, abs=1e-13)
        assert [s[k] for s in slopes] == pytest.approx(by, rel=1e-13, abs=1e-13)


def test_arrays_lists_and_parameters_are_broadcast():
    """As NumPy does; floats give float64, Variables an array that follows the rules."""
    x = np.array([[0.1], [2.0]])
    found = stats.norm.logpdf(x, [0.0, 1.0, 2.0], scale=2)
    assert found.shape == (2, 3)
    assert found.dtype == np.float64
    assert found[1, 2] == stats.norm.logpdf(2.0, 2.0, 2.0)
    assert stats.norm.cdf([0.0, 0.0]).tolist() == [0.5, 0.5]
    assert stats.poisson.pmf(np.arange(3), 1.0).sum() == pytest.approx(2.5 * math.exp(-1.0))
    gradient = al.grad(lambda m: np.sum(stats.norm.logpdf(x, m)))(np.array([0.0, 1.0]))
    assert gradient == pytest.approx([2.1, 0.1])
    assert isinstance(stats.norm(0.0, 1.0).cdf(al.array([al.Variable(0.0)])), np.ndarray)
    assert stats.norm(loc=1).sf(al.Variable(1.0)).value == 0.5


def test_a_likelihood_of_many_samples_is_a_short_program():
    """A traced likelihood of 5,000 numbers is recorded once, for one of them."""
    x = np.linspace(-2.0, 2.0, 5000)

    def likelihood(p):
        return np.sum(stats.t.logpdf(x, p[0], p[1], p[2]))

    compiled = al.jit(al.value_and_grad(likelihood))
    value, slope = compiled(np.array([4.0, 0.3, 1.2]))
    assert " 133 instructions" in str(compiled.report())
    v = mpf(4)
    with mp.workdps(20):
        exact = sum(_t((mpf(a) - mpf(0.3)) / mpf(1.2), v) for a in x) - 5000 * mpmath.log(mpf(1.2))
    assert value == pytest.approx(float(exact), rel=1e-13)
    assert slope[1] == pytest.approx(sum(5.0 * (a - 0.3) / (4.0 * 1.44 + (a - 0.3) ** 2) for a in x), rel=1e-11)


@pytest.mark.parametrize("n", [6, 12])
def test_many_components_and_vectors(n):
    """One factor for all vectors, by LAPACK for many components; nan where the covariance is not positive definite."""
    rng = np.random.default_rng(n)
    a, points, mean = rng.normal(size=(n, n)), rng.normal(size=(4, n)), rng.normal(size=n)
    cov = a @ a.T + n * np.eye(n)

    def likelihood(s):
        return al.sum(stats.multivariate_normal.logpdf(points, mean, s))

    inverse, apart = np.linalg.inv(cov), points - mean
    slope = 0.5 * (inverse @ apart.T @ apart @ inverse - 4 * inverse)
    for f in (al.grad(likelihood), al.jit(al.grad(likelihood))):
        np.testing.assert_allclose(f(cov), slope, rtol=1e-11, atol=1e-14)
    assert math.isnan(likelihood(-cov))
    found = al.vmap(lambda s: likelihood(s * cov))(np.array([-1.0, 1.0]))
    assert math.isnan(found[0])
    assert found[1] == pytest.approx(likelihood(cov), rel=1e-13)


def _normal_of_vectors(x, mean, cov):
    """The density in mpmath."""
    d = mpmath.matrix(x) - mpmath.matrix(mean)
    c = mpmath.matrix(cov)
    square = (d.T * mpmath.inverse(c) * d)[0]
    return -square / 2 - mpmath.log(mpmath.det(c)) / 2 - len(x) * mpmath.log(2 * mp.pi) / 2


def test_multivariate_normal():
    """Value, gradient and Hessian by x, mean and covariance; several rows; nan where it is not positive definite."""
    x, mean, cov = (
        np.array([0.3, -1.0, 2.0]),
        np.array([0.1, 0.2, 0.3]),
        np.array([[2, 0.3, 0.1], [0.3, 1, -0.2], [0.1, -0.2, 0.7]]),
    )

    def flat(*v):
        rows = [[v[6], v[7], v[8]], [v[7], v[9], v[10]], [v[8], v[10], v[11]]]
        return stats.multivariate_normal.logpdf(list(v[:3]), list(v[3:6]), rows)

    def exact(*v):
        return _normal_of_vectors(v[:3], v[3:6], [[v[6], v[7], v[8]], [v[7], v[9], v[10]], [v[8], v[10], v[11]]])

    point = (*x, *mean, cov[0, 0], cov[0, 1], cov[0, 2], cov[1, 1], cov[1, 2], cov[2, 2])
    for indices in ((), (0,), (4,), (6,), (7,), (10,), (0, 1), (6, 7), (10, 10), (2, 9)):
        with mp.workdps(60):
            found = central(exact, point, indices, mpf(0.1)) if indices else exact(*map(mpf, point))
        assert derivative(flat, indices)(*point) == pytest.approx(float(found), rel=1e-12), indices
    rows = np.array([x, 2.0 * x])
    assert stats.multivariate_normal(mean, cov).logpdf(rows)[0] == pytest.approx(
        float(exact(*map(mpf, point))), rel=1e-13
    )
    assert stats.multivariate_normal.pdf([0.0, 0.0], [0.0, 0.0]) == pytest.approx(1.0 / (2.0 * math.pi))
    assert stats.multivariate_normal.logpdf(1.0, 0.0, 4.0) == pytest.approx(stats.norm.logpdf(1.0, 0.0, 2.0))
    assert stats.multivariate_normal.logpdf([1.0, 1.0], cov=[1.0, 4.0]) == pytest.approx(
        stats.norm.logpdf(1.0) + stats.norm.logpdf(1.0, scale=2.0)
    )
    assert math.isnan(stats.multivariate_normal.logpdf([0.0, 0.0], cov=[[1.0, 2.0], [2.0, 1.0]]))
    compiled = al.jit(al.value_and_grad(stats.multivariate_normal.logpdf, argnums=(0, 1, 2)))
    value, slopes = compiled(x, mean, cov)
    again, expected = al.value_and_grad(stats.multivariate_normal.logpdf, argnums=(0, 1, 2))(x, mean, cov)
    assert value == again
    assert np.array_equal(slopes[2], slopes[2].T)
    assert all(np.array_equal(a, b) for a, b in zip(slopes, expected, strict=True))
    with pytest.raises(al.ArgumentError, match="give all of them one size"):
        stats.multivariate_normal.logpdf([0.0, 0.0], cov=np.eye(3))


def test_methods_without_a_formula_are_not_listed():
    """An editor offers what there is, and a slip of the pen finds that."""
    assert {"logpdf", "ppf", "parameters"} <= {*dir(stats.norm)}
    assert not {"pmf", "logpmf"} & {*dir(stats.norm)}


@pytest.mark.parametrize(
    "distribution", [stats.norm, stats.gamma, stats.poisson, stats.norm(0.0, 1.0), stats.multivariate_normal]
)
@pytest.mark.parametrize("name", ["rvs", "fit", "mean", "std", "entropy", "interval", "expect", "log_prob"])
def test_what_scipy_alone_has(distribution, name):
    """Named with what to write, under the name of the distribution."""
    with pytest.raises(al.UnknownNameError, match=rf"^al.stats.\w+ has no attribute '{name}'. Use .*\.$"):
        getattr(distribution, name)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: stats.norm.pmf(x), "al.stats.norm is continuous: write al.stats.norm.pdf."),
        (lambda x: stats.poisson.logpdf(x, 1.0), "al.stats.poisson is discrete: write al.stats.poisson.logpmf."),
        (lambda x: stats.gamma.logpdf(x), "al.stats.gamma.logpdf misses a. Its parameters are a, loc, scale."),
        (lambda x: stats.norm.cdf(x, sigma=1.0), "al.stats.norm.cdf got 'sigma'. Its parameters are loc, scale."),
        (
            lambda x: stats.norm.cdf(x, 0.0, 1.0, 2.0),
            "al.stats.norm.cdf got 3 parameters. Its parameters are loc, scale.",
        ),
        (lambda x: stats.multivariate_normal.cdf(x), "al.stats.multivariate_normal.cdf has no formula here."),
        (lambda _: stats.norm.logpfd, "al.stats.norm has no attribute 'logpfd'. Did you mean al.stats.norm.logpdf?"),
        (lambda _: stats.lognormal, "al.stats has no attribute 'lognormal'."),
    ],
)
def test_what_is_not_there_says_so(call, text):
    """Errors of ours, with what to write."""
    with pytest.raises(al.AutogradLiteError) as caught:
        al.grad(call)(0.5)
    assert text in str(caught.value)


def test_names_are_scipys():
    """Every distribution is SciPy's, with its parameters in order, and shows itself."""
    scipy = pytest.importorskip("scipy.stats")
    for name in stats.__all__:
        if name != "multivariate_normal":
            assert [s.strip() for s in (getattr(scipy, name).shapes or "").split(",") if s] == list(
                getattr(stats, name).shapes
            )
    assert repr(stats.t) == "al.stats.t(df, loc, scale)"
    assert repr(stats.norm(1.0)) == "al.stats.norm(1.0, 1.0)"
    assert "logpdf" in dir(stats.norm(1.0))


def test_distributions_are_pickled_by_name():
    """A frozen one with its parameters."""
    for thing in (stats.norm, stats.multivariate_normal):
        assert pickle.loads(pickle.dumps(thing)) is thing
        assert copy.deepcopy(thing) is thing
    assert pickle.loads(pickle.dumps(stats.norm(1.0, 2.0))).cdf(1.0) == 0.5


def test_scipys_distributions_name_ours():
    """A call of SciPy's on Variables inside a transform."""
    scipy = pytest.importorskip("scipy.stats")
    for call, text in (
        (lambda x: scipy.norm.logpdf(x), "Use autograd_lite.stats.norm.logpdf."),
        (lambda x: scipy.norm(x, 1.0).cdf(0.3), "Use autograd_lite.stats.norm.cdf."),
        (lambda x: scipy.poisson.logpmf(3, x), "Use autograd_lite.stats.poisson.logpmf."),
        (
            lambda x: scipy.multivariate_normal.logpdf([x, x], [0, 0]),
            "Use autograd_lite.stats.multivariate_normal.logpdf.",
        ),
        (lambda x: scipy.t.ppf(0.3, x), "Use autograd_lite.stats.t.ppf."),
        (lambda x: scipy.gengamma.pdf(x, 1, 2), "autograd_lite.stats has bernoulli, beta,"),
    ):
        with pytest.raises(al.OperandError) as caught:
            al.grad(call)(0.7)
        assert text in str(caught.value)


def test_values_are_scipys():
    """At ends of the support, infinities and NaN, for every method; SciPy has nan where inf - inf has a limit."""
    scipy = pytest.importorskip("scipy.stats")
    for name, cases in POINTS.items():
        ours, theirs = getattr(stats, name), getattr(scipy, name)
        for method in ours.methods:
            xs = (
                [0.0, 0.1, 0.5, 1.0, -0.1, NAN]
                if method in ("ppf", "isf")
                else [-INF, -1.0, -0.0, 0.4, 1.0, 3.0, INF, NAN]
            )
            for shapes, _ in cases[:1]:
                with np.errstate(all="ignore"):
                    exact = getattr(theirs, method)(xs, *shapes)
                got = getattr(ours, method)(xs, *shapes)
                kept = ~(np.isnan(exact) & np.isinf(xs))
                np.testing.assert_allclose(got[kept], exact[kept], rtol=1e-9, atol=2e-16, err_msg=f"{name}.{method}")


@pytest.mark.parametrize("parameters", [(), (0.5,), (0.5, 2.0), ([0.0, 1.0], 2.0), ([0.0, 1.0], [1.0, 2.0])])
@pytest.mark.parametrize("x", [0.3, [0.3, 0.4], [[0.3, 0.4], [0.5, 0.6], [1.0, 2.0]]])
def test_multivariate_normal_counts_components_as_scipy(parameters, x):
    """By mean and covariance: where they are numbers, a vector x has many points. One density of two components was given."""
    scipy = pytest.importorskip("scipy.stats")
    if not parameters or np.ndim(parameters[0]) == 0:
        x = np.asarray(x) if np.ndim(x) < 2 else np.asarray(x)[:, :1]
    elif np.ndim(x) == 0:
        return
    expected = scipy.multivariate_normal.logpdf(x, *parameters)
    assert stats.multivariate_normal.logpdf(x, *parameters) == pytest.approx(expected, rel=1e-14)
    found = al.jit(lambda x: np.sum(stats.multivariate_normal(*parameters).logpdf(x)))(x)
    assert found == pytest.approx(np.sum(expected), rel=1e-13)


def test_first_argument_by_scipys_name():
    """`k` of discrete distributions, `q` of `ppf`; also of bound ones. They were foreign TypeErrors."""
    scipy = pytest.importorskip("scipy.stats")
    assert stats.poisson.logpmf(k=[1, 2], mu=2.0) == pytest.approx(scipy.poisson.logpmf(k=[1, 2], mu=2.0))
    assert stats.binom(5, 0.3).cdf(k=2) == pytest.approx(scipy.binom(5, 0.3).cdf(2))
    assert stats.norm.ppf(q=0.3, loc=1.0) == pytest.approx(scipy.norm.ppf(q=0.3, loc=1.0))
    assert stats.gamma.pdf(x=0.3, a=2.0) == pytest.approx(scipy.gamma.pdf(x=0.3, a=2.0))
    assert al.grad(lambda mu: stats.poisson(mu).logpmf(k=3))(2.0) == pytest.approx(0.5)
    for call, first in ((lambda: stats.poisson.pmf(mu=2.0), "k"), (lambda: stats.norm.isf(), "q")):
        with pytest.raises(al.ArgumentError, match=rf"misses {first}, the number"):
            call()
    with pytest.raises(al.ArgumentError, match="no density of a singular covariance"):
        stats.multivariate_normal.pdf([0.0, 0.0], [0.0, 0.0], np.ones((2, 2)), allow_singular=True)


ENDS = [  # distribution, method, arguments with None for the differentiated one, where, derivatives of order 0, 1, 2
    ("gamma", "logpdf", (None, 1.0, 0.0, 2.0), 0.0, (-math.log(2.0), -0.5, 0.0)),
    ("gamma", "pdf", (None, 2.0), 0.0, (0.0, 1.0, -2.0)),
    ("gamma", "cdf", (None, 2.0), 0.0, (0.0, 0.0, 1.0)),
    ("chi2", "logpdf", (None, 2.0), 0.0, (-math.log(2.0), -0.5, 0.0)),
    ("expon", "logpdf", (None,), 0.0, (0.0, -1.0, 0.0)),
    ("weibull_min", "pdf", (None, 2.0), 0.0, (0.0, 2.0, 0.0)),
    ("weibull_min", "pdf", (None, 3.0), 0.0, (0.0, 0.0, 6.0)),
    ("beta", "logpdf", (None, 1.0, 3.5), 0.0, (math.log(3.5), -2.5, -2.5)),
    ("beta", "logpdf", (None, 3.5, 1.0), 1.0, (math.log(3.5), 2.5, -2.5)),
    ("beta", "pdf", (None, 1.0, 3.5), 0.0, (3.5, -8.75, 13.125)),
    ("beta", "pdf", (None, 2.0, 3.0), 0.0, (0.0, 12.0, -48.0)),
    ("beta", "pdf", (None, 3.0, 2.0), 1.0, (0.0, -12.0, -48.0)),
    ("beta", "cdf", (None, 2.0, 3.0), 0.0, (0.0, 0.0, 12.0)),
    ("beta", "cdf", (None, 3.0, 2.0), 1.0, (1.0, 0.0, -12.0)),
    ("poisson", "logpmf", (0.0, None), 0.0, (0.0, -1.0, 0.0)),
    ("poisson", "pmf", (0.0, None), 0.0, (1.0, -1.0, 1.0)),
    ("poisson", "pmf", (1.0, None), 0.0, (0.0, 1.0, -2.0)),
    ("poisson", "pmf", (2.0, None), 0.0, (0.0, 0.0, 1.0)),
    ("binom", "logpmf", (0.0, 5.0, None), 0.0, (0.0, -5.0, -5.0)),
    ("binom", "pmf", (0.0, 5.0, None), 0.0, (1.0, -5.0, 20.0)),
    ("binom", "pmf", (2.0, 5.0, None), 0.0, (0.0, 0.0, 20.0)),
    ("binom", "pmf", (4.0, 5.0, None), 1.0, (0.0, -5.0, -40.0)),
    ("binom", "cdf", (1.0, 5.0, None), 0.0, (1.0, 0.0, -20.0)),
    ("bernoulli", "pmf", (1.0, None), 0.0, (0.0, 1.0, 0.0)),
    ("geom", "pmf", (2.0, None), 0.0, (0.0, 1.0, -2.0)),
    ("geom", "pmf", (2.0, None), 1.0, (0.0, -1.0, -2.0)),
    ("geom", "cdf", (2.0, None), 1.0, (1.0, 0.0, -2.0)),
    ("nbinom", "pmf", (1.0, 3.0, None), 1.0, (0.0, -3.0, -18.0)),
    ("nbinom", "pmf", (2.0, 3.0, None), 1.0, (0.0, 0.0, 12.0)),
]


@pytest.mark.parametrize(("name", "method", "arguments", "x", "expected"), ENDS)
def test_ends_of_the_support_and_of_parameters(name, method, arguments, x, expected):
    """The limits from inside, at orders 0 to 2: a logarithm has infinite slopes where its density has finite ones."""
    density = getattr(getattr(al.stats, name), method)

    def f(y):
        return density(*[y if a is None else a for a in arguments])

    for order, value in enumerate(expected):
        assert f(x) == pytest.approx(value, rel=1e-14, abs=0.0), order
        assert al.jit(f)(x) == pytest.approx(value, rel=1e-14, abs=0.0), order
        assert al.jit(al.vmap(f))(np.array([x]))[0] == pytest.approx(value, rel=1e-14, abs=0.0), order
        f = al.grad(f)


FAR_SHAPES = {
    "beta": [(0.01, 300.0), (128.0, 2e4)],
    "binom": [(300.0, 1e-12), (2e4, 0.7)],
    "nbinom": [(0.01, 0.3), (2e4, 1e-9)],
}
FAR_NUMBERS = (1e-300, 1e-20, 0.5, 31.0, 856.7, 3e4, 1e20, 1e300)


@pytest.mark.parametrize("name", POINTS)
def test_first_derivatives_far_out_are_numbers(name):
    """Of all but logarithms of 0: where powers inside overflow, a probability still has slopes; in milliseconds."""
    distribution = getattr(stats, name)
    kinds = {0: [()], 1: [(0.3,)] if name in ("geom", "bernoulli") else [(0.01,), (1.5,), (128.0,), (2e4,)]}
    began = time.process_time()
    for shapes in FAR_SHAPES.get(name) or kinds[len(distribution.shapes)]:
        for method in distribution.methods:
            if method in ("ppf", "isf"):
                continue
            both = al.value_and_grad(
                lambda *a, m=method: getattr(distribution, m)(*a), argnums=tuple(range(len(shapes) + 1))
            )
            for x in FAR_NUMBERS:
                value, slopes = both(math.floor(x) if distribution.discrete else x, *shapes)
                assert not math.isnan(value), (method, x, shapes)
                if math.isfinite(value):
                    assert not any(map(math.isnan, slopes)), (method, x, shapes, value, slopes)
    assert time.process_time() - began < 5.0
