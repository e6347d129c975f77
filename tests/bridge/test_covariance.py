"""Standard errors of fits: certified values, formulas by hand, likelihoods, bands, and data that determine nothing."""

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.optimize
import scipy.stats

import autograd_lite as al
from autograd_lite import scipy as ours

T = np.arange(12.0)
NOISE = np.cos(7.0 * T) + np.sin(3.0 * T)
Y = 2.0 * T + 1.0 + NOISE
DESIGN = np.stack([np.ones(12), T], axis=1)


def line(p):
    return p["offset"] + p["slope"] * T - Y


def by_hand():
    """Parameters, covariance and variance of a straight line."""
    p, rest, *_ = np.linalg.lstsq(DESIGN, Y, rcond=None)
    variance = rest[0] / 10.0
    return p, np.linalg.inv(DESIGN.T @ DESIGN) * variance, variance


@pytest.mark.parametrize("method", ["trf", "dogbox", "lm"])
def test_a_straight_line(method):
    """Matrix, errors like the parameters, correlation, and Student's interval, as the textbook has them."""
    found = ours.least_squares(line, {"offset": 0.0, "slope": 0.0}, method=method)
    fit = al.covariance(found)
    p, wanted, _ = by_hand()
    assert np.allclose(fit.matrix, wanted, rtol=1e-12)
    assert fit.errors == pytest.approx({"offset": wanted[0, 0] ** 0.5, "slope": wanted[1, 1] ** 0.5}, rel=1e-12)
    assert fit.correlation[0, 1] == pytest.approx(wanted[0, 1] / (wanted[0, 0] * wanted[1, 1]) ** 0.5)
    assert np.array_equal(np.diag(fit.correlation).round(15), [1.0, 1.0])
    assert (fit.freedom, fit.x) == (10, found.x)
    at = np.array([0.0, 20.0])
    band = fit.band(lambda p, t: p["offset"] + p["slope"] * t, at, level=0.9)
    error = np.sqrt(wanted[0, 0] + 2.0 * at * wanted[0, 1] + at**2 * wanted[1, 1])
    assert np.allclose(band.value, p[0] + p[1] * at)
    assert np.allclose(band.error, error)
    width = scipy.stats.t.ppf(0.95, 10) * error
    assert np.allclose(band.upper - band.value, width)
    assert np.allclose(band.value - band.lower, width)


def test_known_noise():
    """Residuals over their standard deviations: no variance is estimated, and intervals are normal ones."""
    sigma = 0.5
    found = ours.least_squares(lambda p: (p[0] + p[1] * T - Y) / sigma, [0.0, 0.0])
    fit = al.covariance(found, absolute_sigma=True)
    assert np.allclose(fit.matrix, np.linalg.inv(DESIGN.T @ DESIGN) * sigma**2)
    assert fit.freedom is None
    band = fit.band(lambda p: {"at 0": p[0], "both": p})
    assert band.upper["at 0"] - band.value["at 0"] == pytest.approx(scipy.stats.norm.ppf(0.975) * fit.errors[0])
    assert np.allclose(band.error["both"], fit.errors)
    two = ours.least_squares(lambda p: p[0] + p[1] * T[:2] - Y[:2], [0.0, 0.0])
    assert al.covariance(two, absolute_sigma=True).matrix.shape == (2, 2)
    with pytest.raises(al.ArgumentError, match="2 residuals leave nothing to estimate the noise of 2 parameters from"):
        al.covariance(two)


def test_curve_fit():
    """Its own covariance; a band takes the model as it is."""
    result = ours.curve_fit(lambda t, a, b: a + b * t, T, Y)
    fit = al.covariance(result)
    assert np.array_equal(fit.matrix, result[1])
    band = fit.band(lambda t, a, b: a + b * t, 20.0)
    wanted = np.array([1.0, 20.0]) @ by_hand()[1] @ np.array([1.0, 20.0])
    assert band.error == pytest.approx(wanted**0.5, rel=1e-6)
    named = al.covariance(ours.curve_fit(lambda t, a, b: a + b * t, T, Y, p0={"a": 0.0, "b": 0.0}, full_output=True))
    assert set(named.errors) == {"a", "b"}
    assert named.band(lambda t, a, b: a + b * t, 20.0).error == pytest.approx(wanted**0.5, rel=1e-6)
    assert al.covariance(scipy.optimize.curve_fit(lambda t, a, b: a + b * t, T, Y)).errors.shape == (2,)


@pytest.mark.parametrize("method", ["BFGS", "trust-exact", "Nelder-Mead"])
def test_likelihood(method):
    """The inverse of the exact Hessian, whatever the method knows of it; the noise is a parameter."""

    def loss(p):
        r = line(p["line"])
        return 0.5 * (r * r).sum() / al.exp(2.0 * p["log"]) + 12.0 * p["log"]

    start = {"line": {"offset": 1.0, "slope": 2.0}, "log": 0.0}
    found = ours.minimize(loss, start, method=method, tol=1e-10, options={"maxiter": 2000})
    fit = al.covariance(found)
    _, wanted, variance = by_hand()
    smaller = wanted / variance * np.exp(2.0 * found.x["log"])
    assert np.allclose(fit.matrix[:2, :2], smaller, rtol=1e-4)
    assert fit.errors["log"] == pytest.approx((2.0 * 12.0) ** -0.5, rel=1e-4)
    assert fit.errors["line"]["slope"] == pytest.approx(smaller[1, 1] ** 0.5, rel=1e-4)
    assert "line.slope " in repr(fit)


def test_scipys_own_results():
    """least_squares of SciPy has all that is needed; minimize has not."""
    found = scipy.optimize.least_squares(lambda p: p[0] + p[1] * T - Y, [0.0, 0.0])
    assert np.allclose(al.covariance(found).matrix, by_hand()[1], rtol=1e-5)
    sparse = scipy.optimize.least_squares(lambda p: p[0] + p[1] * T - Y, [0.0, 0.0], jac_sparsity=np.ones((12, 2)))
    assert np.allclose(al.covariance(sparse).matrix, by_hand()[1], rtol=1e-5)
    others = (
        scipy.optimize.minimize(lambda p: (p[0] - 1.0) ** 2, [0.0]),
        ours.root(lambda x: x - 1.0, [0.0]),
        3.0,
        (1.0,),
    )
    message = r"^covariance got a [A-Za-z]+(, \(1\.0,\)\.| without second derivatives\.) Give the (whole )?result of "
    for other in others:
        with pytest.raises(al.ArgumentError, match=message):
            al.covariance(other)


def test_what_determines_nothing():
    """The direction is named; saddle points, bent downwards, infinite ones, and what contradicts itself."""
    found = ours.least_squares(lambda p: (p["a"] + 2.0 * p["b"]) * T - Y, {"a": 1.0, "b": 1.0})
    message = r"the data do not determine the parameters: along [+-]1·a [+-]0\.5·b nothing changes\. Fix one of them"
    with pytest.raises(al.ArgumentError, match=message):
        al.covariance(found)
    with pytest.raises(al.ArgumentError, match=r"do not determine .* along \+1·\[1\] nothing changes"):
        al.covariance(ours.minimize(lambda x: (x[0] - 1.0) ** 2, [0.0, 0.0]))
    with pytest.raises(al.ArgumentError, match=r"the second derivative by \[1\] is -2: x is no minimum"):
        al.covariance(ours.minimize(lambda x: x[0] ** 2 - x[1] ** 2, [0.0, 0.0]))
    with pytest.raises(al.ArgumentError, match="a negative eigenvalue, -0.6"):
        al.covariance(ours.minimize(lambda x: x[0] ** 2 + x[1] ** 2 + 3.2 * x[0] * x[1], [0.0, 0.0]))
    with pytest.raises(al.ArgumentError, match="not finite"):
        al.covariance(ours.minimize(lambda x: abs(x[0]) ** 1.5, [0.0]))
    with pytest.raises(al.ArgumentError, match="absolute_sigma is for least_squares"):
        al.covariance(ours.minimize(lambda x: x[0] ** 2, [1.0]), absolute_sigma=True)
    with pytest.warns(scipy.optimize.OptimizeWarning):
        result = ours.curve_fit(lambda t, a, b: a + 0.0 * b + t, T, Y)
    with pytest.raises(al.ArgumentError, match="pcov is not finite"):
        al.covariance(result)
    with pytest.raises(al.ArgumentError, match=r"level=95: give a probability"):
        al.covariance(ours.minimize(lambda x: x[0] ** 2, [1.0])).band(lambda x: x, level=95)


def test_data_that_are_met_exactly():
    """No noise, no error; correlations of nothing are NaN."""
    fit = al.covariance(ours.least_squares(lambda p: p["a"] * T - 2.0 * T, {"a": 2.0}))
    assert (fit.errors, repr(fit).splitlines()[1]) == ({"a": 0.0}, "  a  2 ± 0")
    assert np.isnan(fit.correlation).all()
    assert fit.band(lambda p: p["a"]) == (2.0, 0.0, 2.0, 2.0)


def test_repr():
    """Two digits of each error, and how the noise was known."""
    fit = al.covariance(ours.least_squares(line, {"offset": 0.0, "slope": 0.0}))
    assert repr(fit).splitlines()[0] == "2 parameters, noise estimated, 10 degrees of freedom"
    assert [row.split()[0] for row in repr(fit).splitlines()[1:]] == ["offset", "slope"]
    vector = al.covariance(ours.minimize(lambda x: 5e-7 * (x[0] - 123456789.0) ** 2 + x[1] ** 2, [123456000.0, 0.0]))
    assert repr(vector).splitlines()[0] == "2 parameters, noise as given"
    assert repr(vector).splitlines()[1] == "  [0]  1.23457e+08 ± 1e+03"


@pytest.mark.parametrize("name", ["Misra1a", "Rat42"])
def test_certified_deviations(name):
    """NIST's, to 6 digits at least, from SciPy's own stopping point; `oracles/test_nist.py` has all data sets."""
    sets = json.loads((Path(__file__).parents[2] / "demos" / "nist_strd.json").read_text(encoding="utf-8"))
    models = {
        "Misra1a": lambda x, a, b: a * (1.0 - np.exp(-b * x)),
        "Rat42": lambda x, a, b, c: a / (1.0 + np.exp(b - c * x)),
    }
    numbers = sets[name]
    tight = {"ftol": 2.0**-52, "xtol": 2.0**-52}
    found = ours.curve_fit(models[name], np.array(numbers["x"][0]), np.array(numbers["y"]), numbers["start 2"], **tight)
    assert np.allclose(found[0], numbers["parameters"], rtol=1e-8)
    assert np.allclose(al.covariance(found).errors, numbers["deviations"], rtol=1e-6)


STOPPED = {"it gave up": {"max_nfev": 1}, "a bound is active": {"bounds": ([-np.inf, -np.inf], [np.inf, 0.0])}}


@pytest.mark.parametrize("why", STOPPED)
@pytest.mark.parametrize("known", [False, True])
def test_what_is_no_minimum_has_no_errors(why, known):
    """A parameter at its bound had the errors of a free one, and a fit that had given up those of its start."""
    found = ours.least_squares(line, {"offset": 50.0, "slope": -5.0}, **STOPPED[why])
    with pytest.raises(
        al.ArgumentError, match=r"x is no minimum: Newton's step.*standard errors\. Minimise further; hold"
    ):
        al.covariance(found, absolute_sigma=known)


@pytest.mark.parametrize(
    "given",
    [
        {"bounds": [(None, None), (None, 0.0)]},
        {"constraints": {"type": "eq", "fun": lambda p: p[0] - 2.0}},
        {"method": "BFGS", "options": {"maxiter": 1}},
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_no_minimum_of_a_likelihood(given):
    """Bounds, constraints, and a solver that was stopped."""
    found = ours.minimize(lambda p: 0.5 * ((p[0] + p[1] * T - Y) ** 2).sum(), [50.0, -5.0], **given)
    with pytest.raises(al.ArgumentError, match="x is no minimum: Newton's step"):
        al.covariance(found)


@pytest.mark.parametrize("scale", [1e-100, 1.0, 1e100])
def test_fits_without_noise_are_minima(scale):
    """Their errors are rounding, and so is what is left of the gradient."""
    model = lambda p: p[0] * scale * np.exp(-p[1] * T) - 2.0 * scale * np.exp(-0.3 * T)
    found = ours.least_squares(model, [1.0, 1.0], method="lm")
    assert np.allclose(found.x, [2.0, 0.3])
    assert np.all(np.asarray(al.covariance(found).errors) < 1e-12)
