"""Values of special functions that C's math library lacks: of gamma and beta functions, and of Bessel functions.

As in `ieee`, a function gives `inf` or `nan` outside its domain and never raises. An argument n is the number of derivatives,
or the order of a Bessel function.
"""

import math
from math import expm1, inf, isinf, isnan, log1p, nan, pi

from autograd_lite import ieee
from autograd_lite.ieee import BERNOULLI, FACTORIALS, exp, is_order, lgamma, lgamma1p, log, lost_in

_LOG_ROOT = 0.5 * math.log(2.0 * pi)


def stirling_error(x: float, n: float = 0.0) -> float:
    """log Γ(x) - ((x - ½)·log x - x + ½·log 2π), or its n-th derivative: what Stirling's formula leaves.

    From x = 10 + n on the asymptotic series; below, differences D(x) of neighbours are added, whose terms have one sign.
    """
    if isnan(x) or x < 0.0 or not is_order(n):
        return nan
    order = int(n)
    sign = -1.0 if order % 2 else 1.0
    if x == 0.0 or isinf(x):
        return 0.0 if x else sign * inf
    total = lost = 0.0
    while x < 10.0 + order:
        term = _stirling_difference(x, order)
        lost += lost_in(total, term)
        total += term
        x += 1.0
    factor = FACTORIALS[order] * ieee.pow(1.0 / x, order + 1)  # (2k+n-2)!/x^(2k+n-1)
    for k, bernoulli in enumerate(BERNOULLI, start=1):
        term = sign * bernoulli / FACTORIALS[2 * k] * factor
        lost += lost_in(total, term)
        total += term
        factor *= (2 * k + order - 1) * (2 * k + order) / x / x
    return total if isinf(total) else total + lost


def _stirling_difference(x: float, n: int) -> float:
    """The n-th derivative of D(x) = (x + ½)·log(1 + 1/x) - 1, with v = 1/(2x + 1): Σ v²ʲ/(2j + 1) over j ≥ 1."""
    if n >= 2:  # of ½·(1/x - 1/(x + 1))² = ½·x⁻²·(x + 1)⁻², by Leibniz's rule
        m, p, q = n - 2, 1.0 / x, 1.0 / (x + 1.0)
        total = lost = 0.0
        for i in range(m + 1):
            term = (i + 1) * (m - i + 1) * ieee.pow(p, i + 2) * ieee.pow(q, m - i + 2)
            lost += lost_in(total, term)
            total += term
        half = 0.5 if m % 2 == 0 else -0.5
        return half * FACTORIALS[m] * (total if isinf(total) else total + lost)
    logarithm = log1p(1.0 / x) if x > 1e-300 else -log(x)
    if x < 0.5:
        return (x + 0.5) * logarithm - 1.0 if n == 0 else logarithm - 0.5 / x - 0.5 / (x + 1.0)
    v = 1.0 / (2.0 * x + 1.0)
    square, total = v * v, 0.0
    for j in range(26, 0, -1):
        total = total * square + (1.0 / (2 * j + 1) if n == 0 else 2 * j / (2 * j + 1))
    return square * total if n == 0 else -2.0 * v * square * total


def polygamma_gap(x: float, a: float, n: float) -> float:
    """ψ⁽ⁿ⁾(x + a) - ψ⁽ⁿ⁾(x); for positive x and a no digit of it is lost if a is small beside x."""
    if isnan(x) or isnan(a) or not is_order(n):
        return nan
    if x <= 0.0 or a < 0.0:
        return ieee.polygamma(n, x + a) - ieee.polygamma(n, x)
    order = int(n)
    sign = 1.0 if order % 2 == 0 else -1.0
    total = lost = 0.0
    while x < 10.0 + order:
        term = -FACTORIALS[order] * _power_gap(x, a, order + 1)
        lost += lost_in(total, term)
        total += term
        x += 1.0
    first = log1p(a / x) if order == 0 else -FACTORIALS[order - 1] * _power_gap(x, a, order)
    for term in (first, -0.5 * FACTORIALS[order] * _power_gap(x, a, order + 1)):
        lost += lost_in(total, term)
        total += term
    for k, bernoulli in enumerate(BERNOULLI, start=1):
        term = -bernoulli * (FACTORIALS[2 * k + order - 1] / FACTORIALS[2 * k]) * _power_gap(x, a, 2 * k + order)
        lost += lost_in(total, term)
        total += term
    return sign * (total + lost if abs(total) < inf else inf)  # next to the pole at 0


def _power_gap(x: float, a: float, m: int) -> float:
    """(x + a)⁻ᵐ - x⁻ᵐ."""
    ratio = a / x
    return ieee.pow(1.0 / x, m) * (expm1(-m * log1p(ratio)) if ratio < inf else -1.0)


def betaln(a: float, b: float) -> float:
    """log |B(a, b)|, by what Stirling's formula leaves: log Γ would cancel for large ones."""
    if isnan(a) or isnan(b):
        return nan
    a, b = min(a, b), max(a, b)
    if a < 0.0:
        return _betaln_left(a, b)
    if a == 0.0:
        return nan if isinf(b) else inf
    if isinf(b):
        return -inf
    if a == 1.0 or b == 1.0:
        return -log(a * b)
    if b < 1.0:  # Γ(1 + x) = x·Γ(x): no difference of large numbers
        large, other = log(a / b + 1.0) - log(a), math.lgamma(1.0 + a)
        return _sum_of_four(large, other, math.lgamma(1.0 + b), -math.lgamma(1.0 + a + b))
    ratio = a / b
    share = ratio / (1.0 + ratio)  # a/(a + b)
    return _sum_of_four(
        a * log(share) if share > 0.0 else a * (log(a) - log(b)),
        -b * log1p(ratio),
        -0.5 * log(a) + 0.5 * log1p(ratio),
        stirling_error(a) + stirling_error(b) - stirling_error(a + b) + _LOG_ROOT,
    )


def scaled_betaln(a: float, b: float) -> float:
    """log(a·B(a, b)) for positive numbers, of which no digit is lost where it is nearly 0 with a small a.

    There ∫₀ᵃ ψ(1 + t) - ψ(b + t) dt by Gauss's rule of five points, with an error of 2e-17.
    """
    if a > 0.1:
        return log(a) + betaln(a, b)
    total = 0.0
    for node, weight in (
        (0.046910077030668004, 0.11846344252809454), (0.23076534494715845, 0.23931433524968324), (0.5, 0.28444444444444444),
        (0.7692346550528415, 0.23931433524968324), (0.953089922969332, 0.11846344252809454),
    ):  # fmt: skip
        total += weight * polygamma_gap(1.0 + a * node, b, 0.0)
    return log1p(a / b) - a * total


def _sum_of_four(a: float, b: float, c: float, d: float) -> float:
    """Rounded almost once; -inf where the first is."""
    two, three = a + b, a + b + c
    total = three + d
    lost = lost_in(a, b) + lost_in(two, c) + lost_in(three, d)
    return total if isinf(total) else total + lost


def _betaln_left(a: float, b: float) -> float:
    """log |B(a, b)| for a < 0 and b ≥ a: Γ(x)·Γ(1 - x) = π/sin πx leads to the right; inf at a pole, -inf at a zero."""
    if isinf(a) or isinf(b):
        return nan
    s = a + b
    for pole, other in ((a, b), (b, a)):
        if pole <= 0.0 and pole == math.floor(pole):  # as in SciPy: the limit along whole numbers, if there is one
            return betaln(1.0 - s, other) if other == math.floor(other) and s <= 0.0 < other else inf
    if s > 0.0:
        return log(pi / -a) - log(_sine_of_pi(a)) - betaln(s, -a)
    ratio = log(_sine_of_pi(s)) - log(_sine_of_pi(a))
    if b > 0.0:
        return ratio + betaln(b, 1.0 - s)
    return ratio + log(pi / (1.0 - s)) - log(_sine_of_pi(b)) - betaln(1.0 - a, 1.0 - b)


def _sine_of_pi(x: float) -> float:
    """|sin πx|, exact to an ULP or two also next to a whole number."""
    rest = abs(math.remainder(x, 1.0))
    return math.sin(pi * rest)


def kl_div(x: float, m: float) -> float:
    """x·log(x/m) - x + m for positive numbers; `primitives` writes it with rules."""
    r = (m - x) / x
    if r < -0.5:
        return x * math.log(x / m) + (m - x)
    return -x * _log1pmx(r) if r < inf else m


def _log1pmx(w: float) -> float:
    if not -0.5 < w < 1.0:
        return ieee.log1p(w) - w
    v = w / (2.0 + w)
    square, total = v * v, 0.0
    for j in range(17, -1, -1):
        total = total * square + 1.0 / (2 * j + 3)
    return 2.0 * v * square * total - w * v


# ------------------------------------------------------------------------------------------------ Python's Γ and log Γ

_LANCZOS_TOP = (
    23531376880.410759688572007674451636754734846804940, 42919803642.649098768957899047001988850926355848959,
    35711959237.355668049440185451547166705960488635843, 17921034426.037209699919755754458931112671403265390,
    6039542586.3520280050642916443072979210699388420708, 1439720407.3117216736632230727949123939715485786372,
    248874557.86205415651146038641322942321632125127801, 31426415.585400194380614231628318205362874684987640,
    2876370.6289353724412254090516208496135991145378768, 186056.26539522349504029498971604569928220784236328,
    8071.6720023658162106380029022722506138218516325024, 210.82427775157934587250973392071336271166969580291,
    2.5066282746310002701649081771338373386264310793408,
)  # fmt: skip
_LANCZOS_BOTTOM = (
    0.0, 39916800.0, 120543840.0, 150917976.0, 105258076.0, 45995730.0, 13339535.0, 2637558.0, 357423.0, 32670.0, 1925.0,
    66.0, 1.0,
)  # fmt: skip
_LANCZOS_G = 6.024680040776729583740234375


def _lanczos(x: float) -> float:
    top = bottom = 0.0
    if x < 5.0:
        for k in range(12, -1, -1):
            top, bottom = top * x + _LANCZOS_TOP[k], bottom * x + _LANCZOS_BOTTOM[k]
    else:
        for k in range(13):
            top, bottom = top / x + _LANCZOS_TOP[k], bottom / x + _LANCZOS_BOTTOM[k]
    return top / bottom


def _signed_sine_of_pi(x: float) -> float:
    y = math.fmod(abs(x), 2.0)
    if y < 0.25 or y >= 1.75:
        return math.copysign(1.0, x) * math.sin(pi * (y if y < 0.25 else y - 2.0))
    if y < 0.75 or y >= 1.25:
        return math.copysign(1.0, x) * (math.cos(pi * (y - 0.5)) if y < 0.75 else -math.cos(pi * (y - 1.5)))
    return math.copysign(1.0, x) * math.sin(pi * (1.0 - y))


def lanczos_lgamma(x: float) -> float:
    """`math.lgamma`, operation by operation (CPython, mathmodule.c), for machine code; inf at the poles."""
    if isnan(x) or isinf(x):
        return abs(x)
    if x == math.floor(x) and x <= 2.0:
        return inf if x <= 0.0 else 0.0
    size = abs(x)
    if size < 1e-20:
        return -math.log(size)
    found = math.log(_lanczos(size)) - _LANCZOS_G
    found += (size - 0.5) * (math.log(size + _LANCZOS_G - 0.5) - 1.0)
    if x < 0.0:
        found = (
            1.144729885849400174143427351353058711647 - math.log(abs(_signed_sine_of_pi(size))) - math.log(size) - found
        )
    return found


def lanczos_gamma(x: float) -> float:
    """`ieee.gamma`, operation by operation, for machine code."""
    if isnan(x) or isinf(x) or x == 0.0:
        return x if x > 0.0 else nan if x != 0.0 else math.copysign(inf, x)
    whole, size = x == math.floor(x), abs(x)
    if whole and x <= 23.0:
        return nan if x < 0.0 else FACTORIALS[int(x) - 1]
    if size < 1e-20:
        return 1.0 / x
    if size > 200.0:
        return inf if x > 0.0 else 0.0 / _signed_sine_of_pi(x)
    g = _LANCZOS_G - 0.5
    y = size + g
    z = (y - size) - g if size > g else (y - g) - size
    z = z * _LANCZOS_G / y
    if x < 0.0:
        found = -pi / _signed_sine_of_pi(size) / size * exp(y) / _lanczos(size)
        found -= z * found
        if size < 140.0:
            return found / math.pow(y, size - 0.5)
        root = math.pow(y, size / 2.0 - 0.25)
        return found / root / root
    found = _lanczos(size) / exp(y)
    found += z * found
    if size < 140.0:
        return found * math.pow(y, size - 0.5)
    root = math.pow(y, size / 2.0 - 0.25)
    return found * root * root


# -------------------------------------------------------------------------------------- incomplete gamma and beta


def _gamma_term(a: float, x: float) -> float:
    """xᵃ·e⁻ˣ/Γ(a + 1): by Stirling's formula if powers are large or nearly cancel (Loader 2000), else as it stands."""
    distance = kl_div(a, x) if a >= 1.0 else inf
    if a < 150.0 and x < 700.0 and distance > 5.0:
        power = ieee.pow(x, a)
        if 1e-290 < power < 1e290:  # Γ(a + 1), in which a keeps its digits
            return power * math.exp(-x) / (math.gamma(a + 1.0) if a < 0.5 else a * math.gamma(a))
    return exp(-stirling_error(a) - kl_div(a, x)) / math.sqrt(2.0 * pi * a)


def gammainc(a: float, x: float) -> float:
    """P(a, x), the share of Γ(a) below x."""
    return _incomplete_gamma(a, x, lower=True)


def gammaincc(a: float, x: float) -> float:
    """Q(a, x) = 1 - P(a, x)."""
    return _incomplete_gamma(a, x, lower=False)


def _incomplete_gamma(a: float, x: float, *, lower: bool) -> float:
    if isnan(a) or isnan(x) or a < 0.0 or x < 0.0 or (a == 0.0 and x == 0.0) or (isinf(a) and isinf(x)):
        return nan
    if a == 0.0 or isinf(x):
        return float(lower)
    if x == 0.0 or isinf(a):
        return float(not lower)
    if a >= 1e4 and abs(x / a - 1.0) < 0.06:
        return _temme(a, x, lower=lower)
    if x < 0.3 and a < 1.0 and not lower:
        return _upper_small(a, x)
    term = _gamma_term(a, x)
    if x < a + 1.0 and (lower or a >= 1.0):
        found = min(term * _gamma_series(a, x), 1.0) if term > 0.0 else 0.0
        return found if lower else 1.0 - found
    found = min(a * term * _gamma_fraction(a, x), 1.0) if term > 0.0 else 0.0
    return 1.0 - found if lower else found


def _gamma_series(a: float, x: float) -> float:
    total = term = 1.0
    while term > 1e-17 * total:
        a += 1.0
        term *= x / a
        total += term
    return total


def _gamma_fraction(a: float, x: float) -> float:
    """Γ(a, x)/(xᵃ·e⁻ˣ) as 1/(x + 1 - a - 1·(1 - a)/(x + 3 - a - …)) by Lentz's method (DLMF 8.9.2, contracted)."""
    if a < 1.0:  # as it stands there: all terms are positive, and errors die away
        tail = x
        for k in range(int(120.0 / x) + 30, 0, -1):
            tail = x + (k - a) / (1.0 + k / tail)
        return 1.0 / tail
    b = x + 1.0 - a
    d = 1.0 / b
    c, h = 1e300, d
    for i in range(1, 100_000):
        step = -i * (i - a)
        b += 2.0
        d = 1.0 / (step * d + b or 1e-300)
        c = b + step / c or 1e-300
        h *= c * d
        if not abs(c * d - 1.0) >= 2e-16:  # also of nan
            break
    return h


def _upper_small(a: float, x: float) -> float:
    """Q for small a and x, where 1 - P would have no digit left (Gautschi 1979)."""
    gamma1 = lgamma1p(a)
    logarithm = a * log(x) - gamma1
    total, term, k = 0.0, -x, 1
    while abs(term) > 1e-18 * abs(total) * (a + k):
        total += term / (a + k)
        k += 1
        term *= -x / k
    return -expm1(logarithm) - a * exp(logarithm) * total


def gammainc_by_a(x: float, a: float, n: float) -> float:
    """The n-th derivative of P(a, x) by a, n ≥ 1: the series and the fraction of P and Q as Taylor series in a.

    They have some √a terms; `incomplete` takes large shapes.
    """
    if isnan(a) or isnan(x) or a <= 0.0 or x < 0.0 or not is_order(n) or n < 1.0:
        return nan
    if x == 0.0 or isinf(x):
        return 0.0
    term, order = [_gamma_term(a, x)], int(n)
    if term[0] == 0.0:  # far from a the fraction has no digits, nor an end
        return 0.0
    logarithm = [0.0, _log_gap(a, x)]  # of the term xᵃ·e⁻ˣ/Γ(a + 1), by powers of the step of a
    logarithm += [-ieee.polygamma(k - 1.0, a + 1.0) / math.factorial(k) for k in range(2, order + 1)]
    for k in range(1, order + 1):
        term.append(sum(i * logarithm[i] * term[k - i] for i in range(1, k + 1)) / k)
    if x < a + 1.0:
        found = _product(term, _series_by_a(a, x, order))
    else:
        found = [-c for c in _product(_product(term, [a, 1.0, *[0.0] * (order - 1)]), _fraction_by_a(a, x, order))]
    return found[order] * math.factorial(order)


def gamma_density_by_a(x: float, a: float, n: float) -> float:
    """The n-th derivative of xᵃ⁻¹·e⁻ˣ/Γ(a) by a; 0 for n = -1.

    Of a·h with h = xᵃ⁻¹·e⁻ˣ/Γ(a + 1) and h'/h = log x - ψ(a + 1), where nothing is large next to a = 0.
    """
    if isnan(x) or isnan(a) or x <= 0.0 or a <= 0.0 or not (is_order(n) or n == -1.0) or isinf(a):
        return nan
    if isinf(x) or n < 0.0:
        return 0.0
    found = [_gamma_term(a, x) / x if x > 1e-10 else exp((a - 1.0) * log(x) - x - lgamma(a + 1.0))]  # xᵃ may underflow
    slopes = [_log_gap(a, x)]
    for m in range(1, int(n) + 1):
        found.append(sum(math.comb(m - 1, k) * slopes[k] * found[m - 1 - k] for k in range(m)))
        slopes.append(-ieee.polygamma(float(m), a + 1.0))
    return a * found[-1] + (n * found[-2] if n else 0.0)


def _log_gap(a: float, x: float) -> float:
    """log x - ψ(a + 1)."""
    if a < 1.0:
        return log(x) - ieee.digamma(a + 1.0)
    logarithm = log1p((x - a) / a) if x > 0.5 * a else log(x / a)
    return logarithm - 0.5 / a - stirling_error(a, 1.0)


Series = list[float]


def _product(p: Series, q: Series) -> Series:
    return [math.fsum(p[i] * q[k - i] for i in range(k + 1)) for k in range(len(p))]


def _inverse(p: Series) -> Series:
    found = [1.0 / p[0]]
    for k in range(1, len(p)):
        found.append(-found[0] * math.fsum(p[i] * found[k - i] for i in range(1, k + 1)))
    return found


def _series_by_a(a: float, x: float, order: int) -> Series:
    """`_gamma_series` as a Taylor series in a."""
    term = [1.0, *[0.0] * order]
    total = term
    while any(abs(t) > 1e-17 * abs(s) for t, s in zip(term, total, strict=True)):
        a += 1.0
        ratio = [x / a]  # x/(a + h)
        for _ in range(order):
            ratio.append(-ratio[-1] / a)
        term = _product(term, ratio)
        total = [s + t for s, t in zip(total, term, strict=True)]
    return total


def _fraction_by_a(a: float, x: float, order: int) -> Series:
    """`_gamma_fraction` as a Taylor series in a."""
    zeros = [0.0] * (order - 1)
    b = [x + 1.0 - a, -1.0, *zeros]
    d = _inverse(b)
    c, h = [1e300, 0.0, *zeros], d
    for i in range(1, 100_000):
        step = [-i * (i - a), float(i), *zeros]
        b = [b[0] + 2.0, *b[1:]]
        d = _inverse([p + q for p, q in zip(_product(step, d), b, strict=True)])
        c = [p + q for p, q in zip(b, _product(step, _inverse(c)), strict=True)]
        ratio = _product(c, d)
        before, h = h, _product(h, ratio)
        if all(abs(p - q) <= 2e-16 * abs(p) for p, q in zip(h, before, strict=True)):
            break
    return h


#: Coefficients of powers of η up to η⁷, of 1, 1/a, 1/a² and 1/a³.
_TEMME = (
    -1 / 3, 1 / 12, -2 / 135, 1 / 864, 1 / 2835, -139 / 777600, 3.919263178522438e-05, -2.185448510679992e-06,
    -1 / 540, -1 / 288, 1 / 378, -0.0009902263374485596, 0.00020576131687242798, -4.018775720164609e-07, 0.0, 0.0,
    25 / 6048, -139 / 51840, 0.0007716049382716049, 2.0093878600823047e-06, 0.0, 0.0, 0.0, 0.0,
    0.0006494341563786008, 0.00022947209362139917, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
)  # fmt: skip


def _temme(a: float, x: float, *, lower: bool) -> float:
    """Temme's expansion for large a near x = a: ½·erfc(±√(aη²/2)) and a series in 1/a, with η²/2 = x/a - 1 - log(x/a)."""
    distance = kl_div(a, x)
    root = math.copysign(math.sqrt(distance), x - a)
    eta = root * math.sqrt(2.0 / a)
    first = second = third = fourth = 0.0
    for j in range(7, -1, -1):
        first = first * eta + _TEMME[j]
        second = second * eta + _TEMME[8 + j]
        third = third * eta + _TEMME[16 + j]
        fourth = fourth * eta + _TEMME[24 + j]
    series = first + (second + (third + fourth / a) / a) / a
    rest = math.exp(-distance) / math.sqrt(2.0 * pi * a) * series
    return 0.5 * math.erfc(-root if lower else root) + (-rest if lower else rest)


def betainc(a: float, b: float, x: float) -> float:
    """I(x; a, b), the share of B(a, b) below x."""
    return _incomplete_beta(a, b, x, lower=True)


def betaincc(a: float, b: float, x: float) -> float:
    """1 - I(x; a, b)."""
    return _incomplete_beta(a, b, x, lower=False)


def t_cdf(y: float, v: float) -> float:
    """The distribution function of Student's t with v degrees of freedom."""
    if isnan(y) or isnan(v) or v <= 0.0:
        return nan
    if v > 1e5:
        return 0.5 * math.erfc(-_normal_quantile_of_t(y, v) * math.sqrt(0.5))
    z = y / math.sqrt(v)
    if abs(z) > 1e80:  # the first term of the series, of which 1/z² would underflow
        tail = 0.5 * ieee.pow(abs(z), -v) * exp(-scaled_betaln(0.5 * v, 0.5))
        return tail if y < 0.0 else 1.0 - tail
    share = z / (1.0 + z * z) * z if abs(z) < 1e150 else 1.0
    if abs(y) < 0.7 and share < 0.5:
        return 0.5 + math.copysign(0.5, y) * betainc(0.5, 0.5 * v, share)
    tail = 0.5 * (betaincc(0.5, 0.5 * v, share) if share < 0.5 else betainc(0.5 * v, 0.5, 1.0 / (1.0 + z * z)))
    return tail if y < 0.0 else 1.0 - tail


def _normal_quantile_of_t(y: float, v: float) -> float:
    """The number at which the normal distribution function is that of Student's t at y, for large v (Hill 1970)."""
    if v > 1e100 or abs(y) > 1e6:
        return y
    a = v - 0.5
    b = 48.0 * a * a
    z = math.sqrt(a * log1p(y / v * y))
    z += (z**3 + 3.0 * z) / b - (4.0 * z**7 + 33.0 * z**5 + 240.0 * z**3 + 855.0 * z) / (
        10.0 * b * (b + 0.8 * z**4 + 100.0)
    )
    return math.copysign(z, y)


def _incomplete_beta(a: float, b: float, x: float, *, lower: bool) -> float:
    if isnan(a + b + x) or a < 0.0 or b < 0.0 or not 0.0 <= x <= 1.0 or a + b == 0.0 or (isinf(a) and isinf(b)):
        return nan
    if x in (0.0, 1.0) or a == 0.0 or b == 0.0 or isinf(a) or isinf(b):
        above = x == 1.0 or (x > 0.0 and (a == 0.0 or isinf(b)))
        return float(above == lower)
    if max(a, b) < 1e-100:  # as x⁰: what is left is the share of the ends
        return b / (a + b) if lower else a / (a + b)
    if min(a, b) > 1e10:
        return _large_beta(a, b, x, lower=lower)
    first = x <= (a + 1.0) / (a + b + 2.0)
    end = a if first else b
    if end < 0.1 and (first != lower or end < 1e-100):
        rest = _beta_rest(a, b, x) if first else _beta_rest(b, a, 1.0 - x)
        return rest if first != lower else 1.0 - rest
    found = _beta_part(a, b, x, lower=first)
    if first == lower:
        return min(found, 1.0)
    if found > 0.7 and 0.01 < x < 0.99:  # 1 - found would lose digits, and the other fraction converges too
        return _beta_part(a, b, x, lower=lower)
    return 1.0 - found


def _beta_part(a: float, b: float, x: float, *, lower: bool) -> float:
    term = _beta_term(a, b, x)
    if term == 0.0:
        return 0.0
    return term * (_beta_fraction(a, b, x, 1.0 - x) if lower else _beta_fraction(b, a, 1.0 - x, x))


def _large_beta(a: float, b: float, x: float, *, lower: bool) -> float:
    """For large a and b, whose fraction has √(a + b) terms: ½·erfc and the first term of a series in 1/√a (Temme 1982)."""
    if isinf(a + b):
        a, b = 0.25 * a, 0.25 * b
    slack = _beta_slack(a, b, x, 1.0 - x)
    if abs(slack) > 0.1 * min(a, b):
        return float((slack < 0.0) == lower)
    n, spread, distance = a + b, math.sqrt(a / (a + b) * b), _beta_distance(a, b, x)
    z, w, skew = math.copysign(math.sqrt(2.0 * distance), -slack), -slack / spread, (b - a) / n / spread
    rest = skew / 3.0 - (skew * skew / 12.0 + 0.25 / n) * w if abs(w) < 0.1 else 1.0 / z - 1.0 / w
    rest *= math.exp(-distance) / math.sqrt(2.0 * pi)
    return 0.5 * math.erfc((-z if lower else z) * math.sqrt(0.5)) + (rest if lower else -rest)


def _beta_distance(a: float, b: float, x: float) -> float:
    """kl_div(a, (a + b)·x) + kl_div(b, (a + b)·(1 - x))."""
    slack = _beta_slack(a, b, x, 1.0 - x)
    if abs(slack) < 0.5 * min(a, b):
        return -a * _log1pmx(-slack / a) - b * _log1pmx(slack / b)
    n = a + b
    return kl_div(a, n * x) + kl_div(b, n * (1.0 - x))


def _beta_slack(a: float, b: float, x: float, y: float) -> float:
    """a - (a + b)·x with y = 1 - x, rounded once: the roundings of sum and product are subtracted, too (Dekker 1971)."""
    if y < x:
        return -_beta_slack(b, a, y, x)
    n = a + b
    product = n * x
    if n > 1e290:
        return a - product
    split, other = 134217729.0 * n, 134217729.0 * x
    high, top = split - (split - n), other - (other - x)
    lost = ((high * top - product) + high * (x - top) + (n - high) * top) + (n - high) * (x - top)
    return a - product - lost - lost_in(a, b) * x


def _beta_rest(a: float, b: float, x: float) -> float:
    """1 - I(x; a, b) for small a and x up to about the mean, where I may be nearly 1: as `_upper_small`."""
    logarithm = a * log(x) - scaled_betaln(a, b)
    total, term, k = 0.0, (1.0 - b) * x, 1
    while abs(term) > 1e-18 * abs(total) * (a + k):
        total += term / (a + k)
        k += 1
        term *= (k - b) / k * x
    return -expm1(logarithm) - a * exp(logarithm) * total


def _beta_term(a: float, b: float, x: float) -> float:
    """xᵃ·(1 - x)ᵇ/B(a, b): as `_gamma_term`."""
    small = min(a, b)
    if small < 1e-3:  # of which the logarithm would lose digits
        return small * exp(a * log(x) + b * ieee.log1p(-x) - scaled_betaln(small, max(a, b)))
    n = a + b
    distance = _beta_distance(a, b, x) if a >= 1.0 and b >= 1.0 else inf
    other, rest = b * ieee.log1p(-x), betaln(a, b)
    if distance > 5.0 and abs(other) < 30.0 and abs(rest) < 30.0:
        power = ieee.pow(x, a)
        if power > 1e-290:
            return power * exp(other) / exp(rest)
    if distance == inf:
        return exp(a * log(x) + other - rest)
    rest = stirling_error(n) - stirling_error(a) - stirling_error(b)
    return exp(rest - distance) * math.sqrt(a / n * b / (2.0 * pi))


def _beta_fraction(a: float, b: float, x: float, y: float) -> float:
    """B(x; a, b)/(xᵃ·yᵇ) with y = 1 - x: the fraction of DiDonato & Morris 1992, in which neither x nor y loses digits."""
    slack = _beta_slack(a, b, x, y)
    c, c1 = slack + 1.0, 1.0 + 1.0 / a
    top_before, bottom_before, p, s = 0.0, 1.0, 1.0, a + 1.0
    top, bottom = 1.0, c / c1
    ratio = ieee.div(top, bottom)
    for n in range(1, 100_000):
        w = n * (b - n) * x
        e = a / s
        alpha = p * (p + b / a) * e * e * (w * x)
        beta = n + w / s + (1.0 + n / a) / (c1 + 2.0 * n / a) * (c + n * (y + 1.0))
        p, s = 1.0 + n / a, s + 2.0
        new = alpha * bottom_before + beta * bottom
        last, ratio = ratio, (alpha * top_before + beta * top) / new
        top_before, bottom_before, top, bottom = top / new, bottom / new, ratio, 1.0
        if not abs(ratio - last) > 1e-16 * ratio:  # also of nan
            break
    return ratio


# -------------------------------------------------------------------------------------------------- Bessel functions


def bessel_ie(x: float, n: float) -> float:
    """e^-|x|·Iₙ(x): Miller's backward recurrence, whose terms are positive, and Hankel's expansion far out."""
    if isnan(x) or not is_order(abs(n)):
        return nan
    order, size = abs(int(n)), abs(x)
    sign = -1.0 if x < 0.0 and order % 2 else 1.0
    if size < 1.0:
        return sign * _bessel_series(size, order, 1.0) * math.exp(-size)
    if size > 50.0 + order * order:
        total = term = 1.0
        for k in range(1, 60):
            term *= -(4.0 * order * order - (2 * k - 1) ** 2) / (8.0 * k * size)
            total += term
            if abs(term) < 1e-17 * abs(total):
                break
        return sign * total / math.sqrt(2.0 * pi) / math.sqrt(size) if size < inf else 0.0
    after, current, total, found = 0.0, 1e-300, 0.0, 0.0
    for k in range(order + 30 + int(1.2 * size + 30.0), 0, -1):  # I(k-1) = I(k+1) + 2k/x·I(k)
        if k == order:
            found = current
        total += 2.0 * current
        after, current = current, after + 2.0 * k / size * current
        if current > 1e250:
            after, current, total, found = after * 1e-250, current * 1e-250, total * 1e-250, found * 1e-250
    return sign * (found if order else current) / (total + current)


def _bessel_series(x: float, n: int, sign: float) -> float:
    """Σ (±x²/4)ᵏ/(k!·(k + n)!)·(x/2)ⁿ."""
    term = math.pow(0.5 * x, n) / FACTORIALS[n]
    total, k = term, 1
    while abs(term) > 1e-17 * abs(total):
        term *= sign * 0.25 * x * x / (k * (k + n))
        total += term
        k += 1
    return total


def bessel_i(x: float, n: float) -> float:
    """Iₙ(x)."""
    if isinf(x) and is_order(abs(n)):
        return x if abs(int(n)) % 2 else inf
    root = exp(0.5 * abs(x))
    return root * (bessel_ie(x, n) * root)


def bessel_j(x: float, n: float) -> float:
    """Jₙ(x): a power series, Miller's backward recurrence, and Hankel's expansion far out."""
    if isnan(x) or not is_order(abs(n)):
        return nan
    order, size = abs(int(n)), abs(x)
    sign = -1.0 if (x < 0.0) != (n < 0.0) and order % 2 else 1.0  # J₋ₙ = (-1)ⁿ·Jₙ
    if isinf(x):
        return 0.0
    if size < 2.0:
        return sign * _bessel_series(size, order, -1.0)
    if size > 25.0 + order * order:
        return sign * _bessel_far(size, order)
    after, current, total, found = 0.0, 1e-300, 0.0, 0.0
    start = order + 40 + int(1.2 * size)
    for k in range(start + start % 2, 0, -1):  # J(k-1) = 2k/x·J(k) - J(k+1)
        if k == order:
            found = current
        if k % 2 == 0:
            total += 2.0 * current
        after, current = current, 2.0 * k / size * current - after
        if abs(current) > 1e250:
            after, current, total, found = after * 1e-250, current * 1e-250, total * 1e-250, found * 1e-250
    return sign * (found if order else current) / (total + current)


def _bessel_far(x: float, n: int) -> float:
    """√(2/(πx))·(P·cos χ - Q·sin χ), χ = x - nπ/2 - π/4: DLMF 10.17.3."""
    p, q, term = 1.0, 0.0, 1.0
    for k in range(1, 60):
        step = (4.0 * n * n - (2 * k - 1) ** 2) / (8.0 * k * x)
        if abs(step) >= 1.0:
            break
        term *= step
        if k % 2:
            q += term if k % 4 == 1 else -term
        else:
            p += term if k % 4 == 0 else -term
        if abs(term) < 1e-17:
            break
    s, c = math.sin(x), math.cos(x)
    sign = 1.0 if n % 4 < 2 else -1.0
    even, odd = sign * (c + s), sign * (s - c)  # √2·cos χ and √2·sin χ
    whole = p * even - q * odd if n % 2 == 0 else p * odd + q * even
    return whole / math.sqrt(pi) / math.sqrt(x)


def j0(x: float) -> float:
    """J₀(x)."""
    return bessel_j(x, 0.0)


def j1(x: float) -> float:
    """J₁(x)."""
    return bessel_j(x, 1.0)


def i0(x: float) -> float:
    """I₀(x)."""
    return bessel_i(x, 0.0)


def i1(x: float) -> float:
    """I₁(x)."""
    return bessel_i(x, 1.0)
