"""Incomplete beta functions and Student's distribution function differentiated by their parameters, and all their inverses.

Derivatives by parameters are integrals of the derivatives of the density, by adaptive quadrature on the side of x where the
integrand falls; inverses are Newton's method for the logarithm of the smaller probability, which is concave. As in `special`,
a function gives `nan` outside its domain and never raises.
"""

import math
import sys
from collections.abc import Callable
from math import comb, exp, expm1, inf, isnan, log, log1p, nan
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from autograd_lite import ieee, special
from autograd_lite.ieee import is_order
from autograd_lite.special import polygamma_gap, stirling_error

_MOST = sys.float_info.max
Vector = npt.NDArray[np.float64]

# -------------------------------------------------------------------------------------------------------- quadrature

_HALF_NODES = (
    0.9914553711208126, 0.9491079123427585, 0.8648644233597691, 0.7415311855993945, 0.5860872354676911, 0.4058451513773972,
    0.20778495500789848,
)  # fmt: skip
_HALF_KRONROD = (
    0.022935322010529224, 0.06309209262997856, 0.10479001032225019, 0.14065325971552592, 0.1690047266392679,
    0.19035057806478542, 0.20443294007529889,
)  # fmt: skip
_HALF_GAUSS = (0.0, 0.1294849661688697, 0.0, 0.27970539148927664, 0.0, 0.3818300505051189, 0.0)
_NODES = np.array([-n for n in _HALF_NODES] + [0.0] + list(_HALF_NODES[::-1]))
_KRONROD = np.array([*_HALF_KRONROD, 0.20948214108472782, *_HALF_KRONROD[::-1]])
_GAUSS = np.array([*_HALF_GAUSS, 0.4179591836734694, *_HALF_GAUSS[::-1]])


def integral(
    f: Callable[[Vector], Vector], exponent: Callable[[Vector], Vector], length: float, step: float = 0.0
) -> float:
    """∫₀^∞ f of what falls with e^exponent, by Gauss and Kronrod's rules of 7 and 15 points in parts that are halved.

    Parts begin small at 0 and at a step of the integrand, which between two points of a large one would be unseen.

    The rules agree to 1e-12 of the whole in each part, where the second has an error of some 1e-15 (QUADPACK's estimate).
    """
    end = max(length, 1e-300)
    while float(exponent(np.array([end]))[0]) > -60.0 and end < 1e300:
        end *= 2.0
    levels = max(
        11.0, math.ceil(math.log2(end)) + 2.0
    )  # down to parts of ¼: a slow fall may hide a step of the density
    parts = np.concatenate([[0.0], end * 0.5 ** np.arange(levels, -1.0, -1.0)])
    edges = np.unique(np.clip(np.concatenate([parts, step - parts, step + parts]), 0.0, end))
    low, high = edges[:-1], edges[1:]
    done, size = [0.0], 0.0
    for _ in range(30):
        half = 0.5 * (high - low)
        values = f((0.5 * (high + low))[:, None] + half[:, None] * _NODES)
        fine, rough, sizes = half * (values @ _KRONROD), half * (values @ _GAUSS), half * (np.abs(values) @ _KRONROD)
        size = max(size, float(np.sum(sizes)))
        open_ = np.abs(fine - rough) > 1e-12 * size
        done.extend(fine[~open_].tolist())
        if not open_.any():
            return math.fsum(done)
        middle = 0.5 * (low + high)[open_]
        low, high = np.concatenate([low[open_], middle]), np.concatenate([middle, high[open_]])
    return nan


def _log1pmx(w: Vector) -> Vector:
    """log(1 + w) - w."""
    v = w / (2.0 + w)
    square = v * v
    total = np.full_like(w, 1.0 / 37.0)
    for j in range(16, -1, -1):
        total = total * square + 1.0 / (2 * j + 3)
    near = v * (2.0 * square * total - w)
    return np.where(np.abs(w) < 0.5, near, np.log1p(w) - w)


def _expm1mx(s: Vector) -> Vector:
    """eˢ - 1 - s."""
    total = np.full_like(s, 1.0 / math.factorial(22))
    for k in range(21, 1, -1):
        total = total * s + 1.0 / math.factorial(k)
    return np.where(np.abs(s) < 1.0, total * s * s, np.expm1(s) - s)


# ------------------------------------------------------------------------------ the incomplete gamma and beta functions

#: From here on the incomplete gamma function is differentiated by its shape by an integral.
_LARGE = 1e3


@np.errstate(all="ignore")
def gammainc_by_a(x: float, a: float, n: float) -> float:
    """The n-th derivative of P(a, x) by a, n ≥ 1; for large a the integral over the side of x that `betainc_by` takes."""
    if not _LARGE <= a < inf or not 0.0 < x < inf or not is_order(n) or n < 1.0:
        return special.gammainc_by_a(x, a, n) if a < inf else nan
    term = a * special._gamma_term(a, x)  # noqa: SLF001 - its own part
    if term == 0.0:
        return 0.0
    first = special._log_gap(a, x) + 1.0 / a  # noqa: SLF001 - log x less its mean ψ(a)
    sign = -1.0 if first < 0.0 else 1.0
    order, slack = int(n), a - x
    constants = {(k, 0): -ieee.polygamma(k - 1.0, a) for k in range(2, order + 1)}

    def exponent(s: Vector) -> Vector:
        """Of xᵃ·e⁻ˣ at x·e^±s over that at x."""
        return slack * sign * s - x * _expm1mx(sign * s)

    def f(s: Vector) -> Vector:
        return np.exp(exponent(s)) * _bell(first + sign * s, s, constants, order, 0)

    return -sign * term * integral(f, exponent, 1.0 / max(abs(slack), math.sqrt(x)))


#: Parameters for which the integrals were compared with mpmath.
_LEAST, _LARGEST = 1e-6, 1e8


@np.errstate(all="ignore")
def betainc_by(a: float, b: float, x: float, n: float) -> float:
    """∂ⁱ⁺ʲ/∂aⁱ∂bʲ of I(x; a, b) with n = 10·i + j ≥ 1; nan unless a and b are from 1e-6 to 1e8, or it is 0.

    The integral of the derivative of the density up to x, or from there on, since that over all is 0.
    """
    if isnan(a + b + x) or not (a > 0.0 < b and 0.0 <= x <= 1.0) or not is_order(n) or n < 1.0:
        return nan
    i, j = divmod(int(n), 10)
    y = 1.0 - x
    term = special._beta_term(a, b, x) if 0.0 < x < 1.0 else 0.0  # noqa: SLF001 - its own part
    if term == 0.0:
        return 0.0
    if not (min(a, b) >= _LEAST and max(a, b) <= _LARGEST):
        return nan
    below = a * y > b * x
    if i == 0 or j == 0:  # the side of x where less of the integrand cancels
        below = _log_over_mean(a, b, x, y) < 0.0 if i else _log_over_mean(b, a, y, x) > 0.0
    if below:
        return term * _lower_by(a, b, x, y, (i, j))
    return -term * _lower_by(b, a, y, x, (j, i))


def _log_over_mean(a: float, b: float, x: float, y: float) -> float:
    """log x less its mean ψ(a) - ψ(a + b), with y = 1 - x; for large shapes from the distance of x to a/(a + b)."""
    slack, n = special._beta_slack(a, b, x, y), a + b  # noqa: SLF001 - its own part
    if min(a, b) >= 10.0 and abs(slack) < 0.5 * a:
        return log1p(-slack / a) + 0.5 / a - 0.5 / n + stirling_error(n, 1.0) - stirling_error(a, 1.0)
    return (log1p(-y) if x > 0.5 else log(x)) + polygamma_gap(a, b, 0.0)


def _lower_by(a: float, b: float, x: float, y: float, orders: tuple[int, int]) -> float:
    """The integral of the derivative of the density up to x, over xᵃ·yᵇ/B(a, b): by s, with t/(1 - t) = e⁻ˢ·x/y."""
    n, slack = a + b, special._beta_slack(a, b, x, y)  # noqa: SLF001
    logs = _log_over_mean(a, b, x, y), _log_over_mean(b, a, y, x)
    constants = _cumulants(a, b, *orders)

    def parts(s: Vector) -> tuple[Vector, Vector, Vector]:
        """The logarithms of the density over that at x, of x/t, and of y/(1 - t)."""
        if x <= 0.5:
            w = x * np.expm1(-s)
            rest = np.log1p(w)
            return -n * _log1pmx(w) - n * x * _expm1mx(-s) - slack * s, s + rest, rest
        w = y * np.expm1(s)
        near = -n * _log1pmx(w) - n * y * _expm1mx(s) - slack * s
        fall, rest = np.log1p(w), np.log(y + x * np.exp(-s))
        close = w < 0.5
        return (
            np.where(close, near, -a * s - n * rest),
            np.where(close, fall, s + rest),
            np.where(close, fall - s, rest),
        )

    def f(s: Vector) -> Vector:
        exponent, fall, rest = parts(s)
        return np.exp(exponent) * _bell(logs[0] - fall, logs[1] - rest, constants, *orders)

    return integral(f, lambda s: parts(s)[0], 1.0 / max(abs(slack), math.sqrt(x * y * n)), max(log(x / y), 0.0))


def _cumulants(a: float, b: float, i: int, j: int) -> dict[tuple[int, int], float]:
    """Derivatives of -log B(a, b), of order two and more."""
    found = {}
    for k in range(i + 1):
        for m in range(j + 1):
            if k + m >= 2:
                order = float(k + m - 1)
                gap = (a, b) if m == 0 else (b, a) if k == 0 else None
                found[k, m] = polygamma_gap(*gap, order) if gap else ieee.polygamma(order, a + b)
    return found


def _bell(one: Vector, other: Vector, constants: dict[tuple[int, int], float], i: int, j: int) -> Vector:
    """What the derivative of the density is times the density: that of an exponential (Bell's polynomials)."""
    found: dict[tuple[int, int], Vector] = {(0, 0): np.ones_like(one)}
    for p, q in list(np.ndindex(i + 1, j + 1))[1:]:
        first = (p - 1, q) if p else (p, q - 1)
        with np.errstate(over="ignore", invalid="ignore"):
            total = (one if p else other) * found[first]
            for k, m in list(np.ndindex(first[0] + 1, first[1] + 1))[1:]:
                cumulant = constants[(k + 1, m) if p else (k, m + 1)]
                factor = comb(first[0], k) * comb(first[1], m) * cumulant
                total = total + factor * found[first[0] - k, first[1] - m]
        found[p, q] = total
    return found[i, j]


@np.errstate(all="ignore")
def beta_density_by(a: float, b: float, x: float, n: float) -> float:
    """∂ⁱ⁺ʲ/∂aⁱ∂bʲ of the density xᵃ⁻¹·(1 - x)ᵇ⁻¹/B(a, b) with n = 10·i + j."""
    if isnan(a + b + x) or a <= 0.0 or b <= 0.0 or not is_order(n) or not 0.0 <= x <= 1.0:
        return nan
    i, j = divmod(int(n), 10)
    if not 0.0 < x < 1.0:
        return 0.0
    y = 1.0 - x
    logs = (np.array([_log_over_mean(a, b, x, y)]), np.array([_log_over_mean(b, a, y, x)]))
    factor = float(_bell(*logs, _cumulants(a, b, i, j), i, j)[0])
    if min(x, y) > 1e-10:
        return special._beta_term(a, b, x) / x / y * factor  # noqa: SLF001
    return ieee.exp((a - 1.0) * log(x) + (b - 1.0) * log1p(-x) - special.betaln(a, b)) * factor  # xᵃ may underflow


# ---------------------------------------------------------------------------------------- Student's distribution function


@np.errstate(all="ignore")
def t_cdf_by_df(y: float, v: float, n: float) -> float:
    """∂/∂v or ∂²/∂v² of the distribution function of Student's t; nan for other n, and unless v is from 1e-3 to 1e12."""
    if isnan(y) or isnan(v) or n not in (1.0, 2.0) or not 1e-3 <= v <= 1e12:
        return nan
    if y == 0.0 or math.isinf(y):
        return 0.0
    size = 2.0 * log(abs(y)) - log(v)  # of y²/v
    density = _log_t_density(size, v) + log(abs(y))
    if density < -745.0:
        return 0.0
    outer = float(_score(np.array([size]), v)[0]) < 0.0
    q = 1.0 / (1.0 + ieee.exp(-size))  # y²/(v + y²)
    logs = -float(np.logaddexp(0.0, -size)), -float(np.logaddexp(0.0, size))  # of q and 1 - q, which may underflow
    sign = 1.0 if outer else -1.0
    constant = _score_slope_constant(v)

    def exponent(r: Vector) -> Vector:
        """Of the density at |y|·e^±r, times that."""
        m = 2.0 * sign * r
        near = np.log1p(q * np.expm1(np.minimum(m, 1.0)))
        far = np.logaddexp(logs[0] + m, logs[1])
        return np.where(np.abs(m) < 1.0, near, far) * (-0.5 * (v + 1.0)) + sign * r

    def f(r: Vector) -> Vector:
        at = size + 2.0 * sign * r
        score = _score(at, v)
        if n == 2.0:
            share = _expit(at)
            score = score * score + constant + 0.5 * share * (share - (1.0 - share + 1.0) / v) / v
        return np.exp(exponent(r)) * score

    scale = exp(_log_t_density(size, v)) * abs(y) if abs(y) < 1.0 else exp(density)
    found = scale * integral(f, exponent, 1.0 / (1.0 + (v + 1.0) * q), 0.5 * abs(size))
    return found if outer == (y < 0.0) else -found


def _expit(x: Vector) -> Vector:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def _log_t_density(size: float, v: float) -> float:
    """By the logarithm of y²/v."""
    h = 0.5 * v
    rest = h * log1p(1.0 / v) - 0.5 + stirling_error(h + 0.5) - stirling_error(h) - 0.5 * log(2.0 * math.pi)
    return rest - 0.5 * (v + 1.0) * (log1p(exp(size)) if size < 700.0 else size)


def _score(size: Vector, v: float) -> Vector:
    """∂/∂v of the logarithm of the density; its terms of order 1/v cancel and are left out."""
    u, h = 1.0 / v, 0.5 * v
    constant = (
        float(_log1pmx(np.array([u]))[0]) + u * u / (1.0 + u) + stirling_error(h + 0.5, 1.0) - stirling_error(h, 1.0)
    )
    w, share = np.exp(np.minimum(size, 0.0)), _expit(size)
    gap = np.where(size < 0.0, -_log1pmx(w) - w * share, share - np.logaddexp(0.0, size))
    return np.asarray(0.5 * (constant + gap + share * u))


def _score_slope_constant(v: float) -> float:
    h = 0.5 * v
    return 0.5 * (-1.0 / (v * (v + 1.0) ** 2) + 0.5 * (stirling_error(h + 0.5, 2.0) - stirling_error(h, 2.0)))


# ------------------------------------------------------------------------------------------------------------ inverses


def _solution(
    tail: Callable[[float], float], slope: Callable[[float], float], target: float, start: float, *,
    move: Callable[[float, float], float], ends: tuple[float, float], rising: bool,
) -> float:  # fmt: skip
    """x with tail(x) = target: Newton's method for the logarithms by `move`, and halving where it leaves its bounds."""
    (low, high), x = ends, start
    for _ in range(400):
        value = tail(x)
        if value == target:
            break
        low, high = (x, high) if (value < target) == rising else (low, x)
        new = nan
        if 0.0 < value < 1.0 and (density := slope(x)) > 0.0:
            step = -log(value / target) * value / density * (1.0 if rising else -1.0)
            new = move(x, step) if abs(step) < 700.0 else nan
            if abs(step) < 1e-15 or (abs(step) < 1e-9 and not low < new < high):
                return new
        if not low < new < high:
            new = math.sqrt(low) * math.sqrt(high) if high > 2.0 * low else 0.5 * (low + high)
            if not low < new < high:
                break
        x = new
    return x


def gamma_quantile(a: float, p: float) -> float:
    """x with P(a, x) = p."""
    return _gamma_quantile(a, p, lower=True)


def upper_gamma_quantile(a: float, q: float) -> float:
    """x with Q(a, x) = q."""
    return _gamma_quantile(a, q, lower=False)


def _gamma_quantile(a: float, p: float, *, lower: bool) -> float:
    if isnan(a + p) or a <= 0.0 or not 0.0 <= p <= 1.0 or math.isinf(a):
        return nan
    if p in (0.0, 1.0):
        return 0.0 if (p == 0.0) == lower else inf
    if a > 1e36:  # what it differs by is √a
        return a
    if p > 0.5:
        p, lower = 1.0 - p, not lower
    if a > 1e40:  # the distribution has less than an ULP of it
        return a
    share, sign = (special.gammainc, 1.0) if lower else (special.gammaincc, -1.0)
    logarithm = (log(p) if lower else log1p(-p)) + ieee.lgamma1p(a)
    power = ieee.exp(logarithm / a)  # of the first term of the series, which is all where x is small
    if power < 1e-300:
        return power
    z = sign * NormalDist().inv_cdf(p)
    normal = a * max(1.0 - 1.0 / (9.0 * a) + z / (3.0 * math.sqrt(a)), 0.0) ** 3  # Wilson & Hilferty
    start = max(power, normal) if lower or a >= 1.0 else max(power, 1e-3 - log(p)) if p < 1e-2 else power
    return _solution(
        lambda x: share(a, x), lambda x: a * special._gamma_term(a, x), p, min(start, 1e300),  # noqa: SLF001
        move=lambda x, step: x * exp(step), ends=(1e-305, 1e305), rising=lower,
    )  # fmt: skip


def beta_quantile(a: float, b: float, p: float) -> float:
    """x with I(x; a, b) = p."""
    return _beta_quantile(a, b, p, lower=True)[0]


def upper_beta_quantile(a: float, b: float, q: float) -> float:
    """x with 1 - I(x; a, b) = q."""
    return _beta_quantile(a, b, q, lower=False)[0]


def _beta_quantile(a: float, b: float, p: float, *, lower: bool) -> tuple[float, float]:
    """x and 1 - x, each with all its digits."""
    if isnan(a + b + p) or a <= 0.0 or b <= 0.0 or not 0.0 <= p <= 1.0 or math.isinf(a) or math.isinf(b):
        return nan, nan
    if p in (0.0, 1.0):
        return (0.0, 1.0) if (p == 0.0) == lower else (1.0, 0.0)
    if p > 0.5:
        p, lower = 1.0 - p, not lower
    half = (special.betainc if lower else special.betaincc)(a, b, 0.5)
    if (half < p) == lower:  # x is more than ½
        y = _small_beta_quantile(b, a, p, lower=not lower)
        return 1.0 - y, y
    x = _small_beta_quantile(a, b, p, lower=lower)
    return x, 1.0 - x


def _small_beta_quantile(a: float, b: float, p: float, *, lower: bool) -> float:
    """x up to ½."""
    share, sign = (special.betainc, 1.0) if lower else (special.betaincc, -1.0)
    logarithm = (log(p) if lower else log1p(-p)) + special.scaled_betaln(a, b)
    power = ieee.exp(min(logarithm / a, 0.0))
    if power < 1e-300:
        return power
    z = sign * NormalDist().inv_cdf(p)
    spread = math.sqrt(ieee.polygamma(1.0, a) + ieee.polygamma(1.0, b))
    normal = ieee.exp(min(ieee.digamma(a) - ieee.digamma(b) + z * spread, 0.0))
    start = min(max(normal / (1.0 + normal), 1e-300), 0.5) if min(a, b) > 0.5 else min(power, 0.5)
    return _solution(
        lambda x: share(a, b, x), lambda x: special._beta_term(a, b, x), p, start,  # noqa: SLF001
        move=lambda x, step: x * exp(step) / (1.0 + x * expm1(step)), ends=(1e-305, 0.501), rising=lower,
    )  # fmt: skip


def t_quantile(p: float, v: float) -> float:
    """y with `t_cdf(y, v)` = p."""
    if isnan(p + v) or v <= 0.0 or not 0.0 <= p <= 1.0:
        return nan
    if p == 0.5:
        return 0.0
    sign, tail = (-1.0, p) if p < 0.5 else (1.0, 1.0 - p)
    if tail == 0.0:
        return sign * inf
    if v > 1e5:
        return sign * _far_t_quantile(tail, v)
    x, y = _beta_quantile(0.5 * v, 0.5, 2.0 * tail, lower=True) if tail < 0.25 else _beta_quantile(
        0.5, 0.5 * v, 1.0 - 2.0 * tail, lower=True)[::-1]  # fmt: skip
    if x < 1e-290:  # the first term of the series
        return sign * ieee.exp(0.5 * log(v) - (log(2.0 * tail) + special.scaled_betaln(0.5 * v, 0.5)) / v)
    return sign * math.sqrt(v) * math.sqrt(y / x)


def _far_t_quantile(p: float, v: float) -> float:
    """-y with `t_cdf(y, v)` = p < ½ for large v, from the normal quantile."""
    y = -NormalDist().inv_cdf(p)
    if v > 1e18:
        return y
    y *= 1.0 + (y * y + 1.0) / (4.0 * v)
    for _ in range(4):
        density = exp(_log_t_density(2.0 * log(y) - log(v), v)) if y > 0.0 else 0.4
        y += (special.t_cdf(-y, v) - p) / density
    return y


#: The largest mean of counts: above it not all whole numbers are floats, and the probabilities have lost their digits.
_MOST = 2.0**53


def _whole_quantile(reached: Callable[[float], bool], start: float, low: float, high: float) -> float:
    """The least whole number from `low` on that has reached it."""
    if high < inf and not reached(high):
        return high
    start = float(math.floor(min(max(start, low), high)))
    step = 1.0
    if reached(start):
        top, bottom = start, start - 1.0
        while bottom >= low and reached(bottom):
            top, step = bottom, 2.0 * step
            bottom = max(bottom - step, low - 1.0)
    else:
        bottom, top = start, start + 1.0
        while not reached(min(top, high)):
            if top == inf:  # the probabilities are nan
                return nan
            bottom, step = top, 2.0 * step
            top += step
        top = min(top, high, _MOST)
    while top - bottom > 1.0:
        middle = float(math.floor(0.5 * top + 0.5 * bottom))
        if middle in (top, bottom):
            break
        top, bottom = (middle, bottom) if reached(middle) else (top, middle)
    return top


def _discrete(
    q: float, upper: float, cdf: Callable[[float], float], sf: Callable[[float], float], *, mean: float, variance: float,
    ends: tuple[float, float],
) -> float:  # fmt: skip
    """The least k with cdf(k) ≥ q, or with sf(k) ≤ q; as in SciPy one below the support where all have reached it.

    nan where the mean is 2⁵³ or more, unless the first has reached it.
    """
    low, high = ends
    if not (mean < inf and variance < inf):
        return nan
    if q == (1.0 if upper else 0.0):
        return low - 1.0
    if q == (0.0 if upper else 1.0):
        return high
    reached: Callable[[float], bool] = (lambda k: sf(k) <= q) if upper else (lambda k: cdf(k) >= q)
    if not mean < _MOST:
        return low if reached(low) else nan
    z = NormalDist().inv_cdf(q) * (-1.0 if upper else 1.0)
    return _whole_quantile(reached, mean + z * math.sqrt(min(variance, 1e300)), low, high)


def poisson_quantile(q: float, mu: float, upper: float) -> float:
    """The least k whose probability of k or less is at least q; with `upper` = 1 that of more than k at most q."""
    if isnan(q + mu) or mu < 0.0 or not 0.0 <= q <= 1.0 or math.isinf(mu):
        return nan
    return _discrete(
        q, upper, lambda k: special.gammaincc(k + 1.0, mu), lambda k: special.gammainc(k + 1.0, mu), mean=mu, variance=mu,
        ends=(0.0, inf),
    )  # fmt: skip


def binom_quantile(q: float, n: float, p: float, upper: float) -> float:
    """As `poisson_quantile`, of the binomial distribution."""
    if isnan(q + n + p) or n < 0.0 or not (0.0 <= p <= 1.0 and 0.0 <= q <= 1.0) or math.isinf(n) or n != math.floor(n):
        return nan
    return _discrete(
        q, upper, lambda k: special.betaincc(k + 1.0, n - k, p) if k < n else 1.0,
        lambda k: special.betainc(k + 1.0, n - k, p) if k < n else 0.0, mean=n * p, variance=n * p * (1.0 - p),
        ends=(0.0, n),
    )  # fmt: skip


def nbinom_quantile(q: float, n: float, p: float, upper: float) -> float:
    """As `poisson_quantile`, of the negative binomial distribution."""
    if isnan(q + n + p) or n <= 0.0 or not (0.0 < p <= 1.0 and 0.0 <= q <= 1.0) or math.isinf(n):
        return nan
    mean = n * (1.0 - p) / p
    return _discrete(
        q, upper, lambda k: special.betainc(n, k + 1.0, p), lambda k: special.betaincc(n, k + 1.0, p), mean=mean,
        variance=mean / p, ends=(0.0, inf),
    )  # fmt: skip
