"""Real functions on floats: the values of the rule table, whose derivatives are written there.

Outside its domain a function gives `inf`, `-inf` or `nan` and never raises, warns or turns complex; of a NaN it gives NaN.
Inside the platform's `libm` is called, through `math`.
"""

import math
from collections.abc import Callable
from math import copysign, inf, isinf, isnan, nan, pi
from typing import Any

LN2 = math.log(2.0)


def outside(function: Callable[[float], float], beyond: Callable[[float], float]) -> Callable[[float], float]:
    """`function`, and `beyond(x)` wherever `function(x)` raises."""

    def value(x: float) -> float:
        try:
            return function(x)
        except (ValueError, OverflowError):
            return beyond(x)

    value.__name__ = function.__name__
    return value


exp, exp2, expm1, cosh = (outside(f, lambda _: inf) for f in (math.exp, math.exp2, math.expm1, math.cosh))
sqrt, asin, acos, acosh = (outside(f, lambda _: nan) for f in (math.sqrt, math.asin, math.acos, math.acosh))
sin, cos, tan = (outside(f, lambda _: nan) for f in (math.sin, math.cos, math.tan))
log, log2, log10 = (outside(f, lambda x: -inf if x == 0.0 else nan) for f in (math.log, math.log2, math.log10))
log1p = outside(math.log1p, lambda x: -inf if x == -1.0 else nan)
sinh = outside(math.sinh, lambda x: copysign(inf, x))
atanh = outside(math.atanh, lambda x: copysign(inf, x) if abs(x) == 1.0 else nan)
# Poles: gamma changes sign across 0 and jumps between infinities elsewhere; lgamma is +inf at each.
gamma = outside(math.gamma, lambda x: copysign(inf, x) if x > -1.0 else nan)
_lgamma = outside(math.lgamma, lambda _: inf)

EULER = 0.5772156649015329
_ZETA = (
    1.6449340668482264, 1.2020569031595942, 1.0823232337111381, 1.03692775514337, 1.0173430619844492, 1.008349277381923,
    1.0040773561979444, 1.0020083928260821, 1.0009945751278182, 1.0004941886041194, 1.000246086553308, 1.0001227133475785,
    1.0000612481350587, 1.000030588236307,
)  # fmt: skip


def lgamma1p(a: float) -> float:
    """log Γ(1 + a), also for a so small that 1 + a is 1: -γ·a + Σ ζ(k)·(-a)ᵏ/k (Abramowitz & Stegun 6.1.33)."""
    if abs(a) > 0.1:
        return _lgamma(1.0 + a)
    series = 0.0
    for k in range(15, 1, -1):
        series = series * -a + _ZETA[k - 2] / k
    return -a * (EULER - a * series)


def lgamma(x: float) -> float:
    """log |Γ(x)|; by the series near its zeros 1 and 2, where the error of C's function is absolute."""
    if 0.9 <= x <= 1.1:
        return lgamma1p(x - 1.0)
    if 1.9 <= x <= 2.1:
        return math.log1p(x - 2.0) + lgamma1p(x - 2.0)
    return _lgamma(x)


def div(a: float, b: float) -> float:
    """a / b, with x/0 = ±inf and 0/0 = nan."""
    try:
        return a / b
    except ZeroDivisionError:
        return nan if a == 0.0 or isnan(a) else copysign(inf, a) * copysign(1.0, b)


def inv(x: float) -> float:
    try:
        return 1.0 / x
    except ZeroDivisionError:
        return copysign(inf, x)


def pow(x: float, p: float) -> float:  # noqa: A001 - the name of the operation
    """x**p as C's pow: never complex. x**2 is x·x, correctly rounded, in compiled programs too."""
    if p == 2.0:
        return x * x
    try:
        return math.pow(x, p)
    except ValueError:  # zero to a negative power, or a negative number to a broken one
        return (copysign(inf, x) if abs(math.fmod(p, 2.0)) == 1.0 else inf) if x == 0.0 else nan
    except OverflowError:
        return -inf if x < 0.0 and abs(math.fmod(p, 2.0)) == 1.0 else inf


def hypot(x: float, y: float) -> float:
    """√(x² + y²) by C's hypot, which `abs` of a complex number calls; `math.hypot` is Python's own."""
    try:
        return abs(complex(x, y))
    except OverflowError:  # also for a NaN, after an overflow elsewhere: CPython forgets to clear the error
        return nan if isnan(x) or isnan(y) else inf


def mod(x: float, y: float) -> float:
    try:
        return x % y
    except ZeroDivisionError:
        return nan


def floordiv(x: float, y: float) -> float:
    """x // y with Python's rounding; x // 0 as x / 0."""
    try:
        return x // y
    except ZeroDivisionError:
        return div(x, y)


def rounding(to_integer: Callable[[float], int]) -> Callable[[float], float]:
    """`math.floor` and its like from float to float, which keep -0.0, infinities and NaN."""

    def value(x: float) -> float:
        if not abs(x) < 2.0**52:  # an integer already, or not finite
            return x
        return copysign(float(to_integer(x)), x)

    return value


floor = rounding(math.floor)
ceil = rounding(math.ceil)
trunc = rounding(math.trunc)
_round_half_even = rounding(round)


def round_to(x: float, decimals: float = 0.0) -> float:
    """`round(x, decimals)` of Python: correctly rounded, ties to even."""
    if decimals == 0.0:
        return _round_half_even(x)
    try:
        return round(x, int(decimals))
    except (OverflowError, ValueError):  # rounded up beyond the largest float; or a number of digits that is none
        return copysign(inf, x) if math.isfinite(decimals) else nan


def sign(x: float) -> float:
    return 1.0 if x > 0.0 else -1.0 if x < 0.0 else x


def signed(x: float, s: float) -> float:
    """|x| with the sign of s; nan where s is, whose sign says nothing."""
    return nan if isnan(s) else copysign(x, s)


def less(a: float, b: float) -> float:
    """1 where a < b, 0 where not, nan where either is nan."""
    return 1.0 if a < b else 0.0 if a >= b else nan


def maximum(a: float, b: float) -> float:
    return a if a > b or isnan(a) else b


def minimum(a: float, b: float) -> float:
    return a if a < b or isnan(a) else b


def clip(x: float, lower: float, upper: float) -> float:
    return minimum(maximum(x, lower), upper)


def sigmoid(x: float) -> float:
    """1/(1 + e⁻ˣ), from e^-|x| so that neither side overflows or cancels."""
    e = math.exp(-abs(x))
    return 1.0 / (1.0 + e) if x >= 0.0 else e / (1.0 + e)


def sigmoid_slope(x: float) -> float:
    """σ'(x) = e/(1+e)², e = e^-|x|; σ(1-σ) would be 0 beyond x = 37."""
    e = math.exp(-abs(x))
    return e / ((1.0 + e) * (1.0 + e))


def sech_squared(x: float) -> float:
    """tanh'(x) = 4e/(1+e)², e = e^-2|x|; 1 - tanh² would be 0 beyond x = 19."""
    e = math.exp(-2.0 * abs(x))
    return 4.0 * e / ((1.0 + e) * (1.0 + e))


def softplus(x: float) -> float:
    """log(1 + eˣ) = max(x, 0) + log1p(e^-|x|)."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def softsign(x: float) -> float:
    return x / (1.0 + abs(x)) if not isinf(x) else copysign(1.0, x)


def share(a: float, b: float) -> float:
    """a / (a + b); halved where the sum may overflow."""
    half = 1.0 if a < 1.0 else 0.5
    return div(a * half, a * half + b * half)


def log_of_sum(t: float, r: float) -> float:
    return t + log1p(r * exp(-t))


def log_of_excess(t: float, r: float) -> float:
    """log(1 + r·e⁻ᵗ), for t ≥ 0."""
    return log1p(r * exp(-t))


def moment_ratio(t: Any, n: Any, div: Callable[[Any, Any], Any] = div, sqrt: Callable[[Any], Any] = sqrt) -> Any:
    """Mₙ/Mₙ₋₁ with Mₙ = ∫₀^∞ uⁿ e^(-tu - u²/2) du, to some ULP for t ≥ 2.5: n/(t + (n+1)/(t + (n+2)/(t + …))).

    Laplace's continued fraction for the tail of the normal distribution, from term 64 upwards; all terms are positive.
    """
    last = n + 64.0
    ratio = div(2.0 * last, t + sqrt(t * t + 4.0 * last))  # of r = k/(t + r) with k = last
    for k in range(63, -1, -1):
        ratio = div(n + float(k), t + ratio)
    return ratio


def logaddexp(a: float, b: float) -> float:
    if a == b:  # also where a - b is inf - inf
        return a + LN2
    return maximum(a, b) + math.log1p(math.exp(-abs(a - b)))


def xlogy(x: float, y: float) -> float:
    """x·log y, and 0 where x = 0 whatever number y is."""
    return 0.0 if x == 0.0 and not isnan(y) else x * log(y)


def is_order(n: float) -> bool:
    """Whether n is a supported number of derivatives: beyond 80, powers and factorials overflow floats."""
    return 0.0 <= n <= 80.0 and n == math.floor(n)


def sinc(x: float) -> float:
    return sinc_derivative(x, 0.0)


def sinc_derivative(x: float, n: float) -> float:
    """The n-th derivative of sin(πx)/(πx).

    With u = πx, S₀ = sin u / u and u·Sₙ + n·Sₙ₋₁ = sin(u + nπ/2). That recurrence loses a factor n/u a step, so below
    |u| = 1 + n/2 the power series Σ (-1)ᵏ uᵐ/(m!·(m+n+1)) over m = 2k - n ≥ 0 is summed instead.
    """
    if not is_order(n) or isnan(x):
        return nan
    if isinf(x):
        return 0.0
    order, u = int(n), pi * x
    if abs(u) < 1.0 + order / 2:
        return pi**order * _sinc_series(u, order)
    phase = math.remainder(x, 1.0)  # exact: x = k + phase, and sin(πx) = (-1)ᵏ sin(π·phase)
    flip = -1.0 if math.fmod(x - phase, 2.0) else 1.0
    sin_u, cos_u = flip * math.sin(pi * phase), flip * math.cos(pi * phase)
    cycle = (sin_u, cos_u, -sin_u, -cos_u)
    if isinf(u):  # all that is left of the recurrence
        return cycle[order % 4] / x * math.pow(pi, order - 1)
    s = sin_u / u
    for k in range(1, order + 1):
        s = (cycle[k % 4] - k * s) / u
    return pi**order * s


def _sinc_series(u: float, n: int) -> float:
    m = n % 2  # the least power that survives n derivatives
    term = math.pow(u, m) * (-1.0) ** ((m + n) // 2)
    total, square = 0.0, u * u
    while True:
        step: float = term / (m + n + 1)
        if total + step == total:
            return total
        total += step
        m += 2
        term *= -square / (m * (m - 1))


BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330)
FACTORIALS = tuple(float(math.factorial(k)) for k in range(171))


def polygamma(n: float, x: float) -> float:
    """ψ⁽ⁿ⁾(x), the n-th derivative of digamma; nan at its poles 0, -1, -2 and so on.

    Reflection moves x to the right half line, the recurrence moves it beyond 10 + n, and there the asymptotic series
    converges to double precision (Abramowitz & Stegun 6.4.11). Accuracy: a few ULP away from the zeros of ψ⁽ⁿ⁾.
    """
    if n == 0.0:
        return digamma(x)
    if not is_order(n) or isnan(x) or x == -inf or (x <= 0.0 and x == math.floor(x)):
        return nan
    order = int(n)
    if x == inf:
        return 0.0
    if x < 0.0:  # (-1)ⁿ ψ⁽ⁿ⁾(1-x) - ψ⁽ⁿ⁾(x) = dⁿ/dxⁿ π cot πx
        right = polygamma(n, 1.0 - x)
        return (right if order % 2 == 0 else -right) - _cotangent_derivative(order, x)
    sign_ = -1.0 if order % 2 == 0 else 1.0
    total = lost = 0.0
    while x < 10.0 + order:
        term = FACTORIALS[order] * pow(1.0 / x, order + 1)
        lost += lost_in(total, term)
        total += term
        x += 1.0
    r = 1.0 / x
    for term in (FACTORIALS[order - 1] * pow(r, order), 0.5 * FACTORIALS[order] * pow(r, order + 1)):
        lost += lost_in(total, term)
        total += term
    factor = FACTORIALS[order + 1] * pow(r, order + 2)  # (2k+n-1)!/x^(2k+n)
    for k, bernoulli in enumerate(BERNOULLI, start=1):
        term = bernoulli * factor / FACTORIALS[2 * k]
        lost += lost_in(total, term)
        total += term
        factor *= (2 * k + order) * (2 * k + order + 1) * r * r
    return sign_ * (total if isinf(total) else total + lost)  # inf next to the pole at 0


def digamma(x: float) -> float:
    if isnan(x) or x == -inf or (x <= 0.0 and x == math.floor(x)):
        return nan
    if x < 0.0:  # ψ(1-x) - ψ(x) = π cot πx
        phase = math.remainder(x, 1.0)
        return _digamma_right(1.0 - x) - pi * (math.cos(pi * phase) / math.sin(pi * phase))
    return inf if isinf(x) else _digamma_right(x)


def _digamma_right(x: float) -> float:
    """For positive x; what comes before the logarithm and the series is summed with its roundings."""
    total = lost = 0.0
    while x < 10.0:
        term = -1.0 / x
        lost += lost_in(total, term)
        total += term
        x += 1.0
    series, square = 0.0, 1.0 / x / x
    for k in range(10, 0, -1):
        series = series * square + BERNOULLI[k - 1] / (2 * k)
    for term in (math.log(x), -0.5 / x, -series * square):
        lost += lost_in(total, term)
        total += term
    return total if isinf(total) else total + lost


def lost_in(a: float, b: float) -> float:
    """What the rounding of a + b loses (Knuth)."""
    total = a + b
    part = total - a
    return (a - (total - part)) + (b - part)


def _cotangent_polynomials(orders: int) -> tuple[float, ...]:
    """Coefficients of P in dⁿ/dtⁿ cot t = P(cot t), lowest power first, order after order: d/dt makes -(1 + c²)·P′ of P."""
    coefficients: tuple[int, ...] = (0, 1)
    found = [0, 1]
    for _ in range(orders):
        slopes = [power * c for power, c in enumerate(coefficients)][1:]
        coefficients = tuple(-a - b for a, b in zip((*slopes, 0, 0), (0, 0, *slopes), strict=True))
        found += coefficients
    return tuple(map(float, found))


_COTANGENT = _cotangent_polynomials(80)


def _cotangent_derivative(n: int, x: float) -> float:
    """The n-th derivative of π cot πx."""
    phase = math.remainder(x, 1.0)  # exact: cot πx has period 1
    cotangent = math.cos(pi * phase) / math.sin(pi * phase)
    total = lost = 0.0
    for k in range((n + 1) % 2, n + 2, 2):  # the powers that it has
        term = _COTANGENT[n * (n + 3) // 2 + k] * pow(cotangent, k)
        lost += lost_in(total, term)
        total += term
    return pow(pi, n + 1) * (total + lost)
