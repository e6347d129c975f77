"""What every primitive is, in mpmath: the reference that shares no rule with the library.

`REFERENCE[name]` holds the mathematical function (`value`), its partial derivatives written down a second time in
high precision (`partials`, called as `partial(*arguments, value)`), and where it is smooth (`regular`). `central`
differentiates `value` by central differences with as many digits as the cancellation asks for;
`tests/oracles/test_mpmath.py` compares the library with that, and compares `partials` with it too, so that the
accuracy suite may use the faster `partials`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from statistics import NormalDist

import mpmath
from mpmath import mp, mpf

DIGITS = 40  # of the fast route: 16 are asked for, at most 16 are lost where a double lies next to a root
MAX_DOUBLE = mpf(1.7976931348623157e308)
MIN_NORMAL = mpf(2.0**-1022)

Point = tuple[float, ...]


def _always(*args):
    return True


def _smallest(*args):
    return min([mpf(1), *(abs(mpf(a)) for a in args if a != 0)])


@dataclass(frozen=True)
class Reference:
    """A mathematical function of mpf arguments, its partials, and where both are smooth.

    `regular(*args)` says whether the function is smooth in a neighbourhood of the point, for each argument: one bool
    for all or a tuple.
    """

    value: Callable
    partials: tuple[Callable, ...]
    regular: Callable = _always
    scale: Callable = (
        _smallest  # the length on which the function changes: of the order of the distance to the next singularity
    )

    def is_regular(self, args, index=None):
        """Say whether differences in argument `index` (in all of them if None) make sense at `args`."""
        if not all(math.isfinite(a) for a in args):
            return False
        answer = self.regular(*args)
        if isinstance(answer, bool):
            return answer
        return all(answer) if index is None else answer[index]

    def derivative(self, args, indices):
        """Return the derivative along the arguments `indices`, by central differences."""
        return central(self.value, args, indices, self.scale(*args))


# --- mathematical functions that mpmath lacks, or has only for complex results ------------------------------


def _pow(x, y):
    if x < 0 and y != mpmath.floor(y):
        return mpmath.nan
    return mpmath.power(x, y)


def _pow_x(x, y, p):
    return y * _pow(x, y - 1) if y != 0 else mpf(0)


def _pow_y(x, y, p):
    return p * mpmath.log(x)


def _softplus(x):
    return mpmath.log1p(mpmath.exp(x)) if x < 0 else x + mpmath.log1p(mpmath.exp(-x))


def _sigmoid(x):
    return 1 / (1 + mpmath.exp(-x))


def _slope(x):
    e = mpmath.exp(-abs(x))
    return e / (1 + e) ** 2


def _sech2(x):
    return 1 / mpmath.cosh(x) ** 2


def _tanh_second(x):
    return -2 * mpmath.tanh(x) * _sech2(x)


def _logaddexp(a, b):
    if (
        abs(a - b) > 4 * mp.prec + 1000
    ):  # exp(-1400) is below every double and below the working precision: spare mpmath the tiny term
        return max(a, b)
    return max(a, b) + mpmath.log1p(mpmath.exp(-abs(a - b)))


def _cbrt(x):
    return mpmath.sign(x) * mpmath.cbrt(abs(x))


def _lgamma(x):
    if x > 0:
        return mpmath.loggamma(x)
    return mpmath.log(mpmath.pi / abs(mpmath.sinpi(x))) - mpmath.loggamma(1 - x)


def _sinc_derivative(x, n=1):
    """Return the n-th derivative of sin(πx)/(πx)."""
    n = int(n)
    if abs(x) < 1:  # Σ (-1)ᵏ π²ᵏ x²ᵏ⁻ⁿ / ((2k+1)·(2k-n)!): terms below πⁿ·e^π, no loss worth a digit
        total, k = mpf(0), (n + 1) // 2
        while True:
            term = (
                (-1) ** k * mpmath.pi ** (2 * k) * mpf(x) ** (2 * k - n) / ((2 * k + 1) * mpmath.factorial(2 * k - n))
            )
            total += term
            if abs(term) <= mpf(10) ** -(mp.dps + 5) * abs(total):
                return total
            k += 1
    s = mpmath.sincpi(x)  # x·s = sin(πx)/π, differentiated m times: x·s⁽ᵐ⁾ + m·s⁽ᵐ⁻¹⁾ = πᵐ⁻¹·sin(πx + mπ/2)
    for m in range(1, n + 1):
        wave = (mpmath.sinpi, mpmath.cospi, lambda t: -mpmath.sinpi(t), lambda t: -mpmath.cospi(t))[m % 4](x)
        s = (mpmath.pi ** (m - 1) * wave - m * s) / x
    return s


def _quotient_floor(x, y):
    """Return floor(x/y), exactly: as many bits as the quotient has, and some."""
    if x == 0:
        return mpf(0)
    bits = max(0, mpmath.mag(x) - mpmath.mag(y))
    with mp.workprec(2 * mp.prec + bits + 64):
        return mpmath.floor(x / y)


def _mod(x, y):
    with mp.workprec(2 * mp.prec + 2200):
        return +(x - y * _quotient_floor(x, y))


def _off_multiples(x, y):
    if y == 0 or x == 0 or not abs(x / y) < 1e15:  # beyond, the next multiple is nearer than a step
        return False
    with mp.workprec(2600):
        return mpf(x) - mpf(y) * _quotient_floor(mpf(x), mpf(y)) != 0


def _copysign(x, y):
    return abs(x) if y >= 0 else -abs(x)


def _round(x, digits=0):
    x = x * mpf(10) ** digits
    below = mpmath.floor(x)
    half = x - below - mpf(1) / 2
    odd = mpmath.floor(below / 2) * 2 != below
    return (below + (1 if half > 0 or (half == 0 and odd) else 0)) / mpf(10) ** digits


def _norm2(x, y):
    return x * x + y * y


def _hypot(x, y):
    with mp.workprec(mp.prec + 20):
        return mpmath.sqrt(x * x + y * y)


def _log_phi(x):
    """log Φ(x): beyond -1000 by the asymptotic series of the tail, whose terms fall below 1e-100 there."""
    if x > 0:
        return mpmath.log1p(-_phi(-x))
    return mpmath.log(_phi(x)) if x > -1000 else mpmath.log(_density(x) / _hazard(x))


def _phi(x):
    return mpmath.ncdf(x) if abs(x) < 1e6 else mpf(x > 0)


def _density(x):
    return mpmath.npdf(x)


def _hazard(x):
    """φ(x)/Φ(x)."""
    if x > -1000:
        return _density(x) / _phi(x)
    total, term, k = mpf(0), mpf(1), 0
    while abs(term) > mpf(10) ** -(mp.dps + 5):
        total, k = total + term, k + 1
        term *= -(2 * k - 1) / x**2
    return -x / total


def _quantile(p):
    """The number at which Φ is p, by Newton's method on log Φ."""
    if not 0 < p < 1:
        return mpmath.nan if p < 0 or p > 1 else mpf("inf") if p else -mpf("inf")
    if p > 0.5:
        return -_quantile(1 - p)
    y, correct, digits = mpf(NormalDist().inv_cdf(float(p))), 14, mp.dps
    while correct < digits + 10:  # each step doubles the digits that are correct
        correct *= 2
        with mp.workdps(min(correct, digits) + 10):
            phi = _phi(y)
            y -= (mpmath.log(phi) - mpmath.log(p)) * phi / _density(y)
    return +y


def _erfinv(x):
    if abs(x) > 0.5:
        return _quantile((1 + x) / 2) / mpmath.sqrt(2)
    y = x * mpmath.sqrt(mpmath.pi) / 2
    for _ in range(20):
        step = (mpmath.erf(y) - x) * mpmath.sqrt(mpmath.pi) / 2 * mpmath.exp(y * y)
        y -= step
        if abs(step) <= mpf(10) ** (8 - mp.dps) * abs(y):
            return y
    raise ArithmeticError(f"no inverse at {x}")


def _moment_ratio(t, n):
    """Mₙ/Mₙ₋₁, Mₙ = ∫₀^∞ uⁿ e^(-tu - u²/2) du = n!·e^(t²/4)·U(n + ½, t); Laplace's fraction far out, and for few digits."""
    if t < 30 and mp.dps > DIGITS:
        return n * mpmath.pcfu(n + mpf(1) / 2, t) / mpmath.pcfu(n - mpf(1) / 2, t)
    ratio = mpf(0)
    for k in range(int((1.2 * mp.dps / t) ** 2) + 20, -1, -1):  # the remainder is about exp(-2t√k)
        ratio = (n + k) / (t + ratio)
    return ratio


def _log1pmx(w):
    with mp.workdps(mp.dps + 20 + int(2 * abs(mpmath.log10(abs(w))))):
        return mpmath.log1p(w) - w


def _kl_div(x, m):
    with mp.workdps(2 * mp.dps + 40):
        return x * mpmath.log(x / m) - x + m


def _stirling_error(x, n=0):
    """The n-th derivative of log Γ(x) - (x - ½)·log x + x - ½·log 2π; the terms cancel to about x⁻²ⁿ."""
    n = int(n)
    with mp.workdps(mp.dps + 30 + int(2 * abs(mpmath.log10(x)))):
        if n == 0:
            half = mpf(1) / 2
            return mpmath.loggamma(x) - (x - half) * mpmath.log(x) + x - mpmath.log(2 * mpmath.pi) / 2
        power = (-1) ** n * (mpmath.factorial(n - 2) / x ** (n - 1) if n > 1 else mpf(0))
        straight = mpmath.log(x) if n == 1 else power
        return mpmath.psi(n - 1, x) - straight - (-1) ** n * mpmath.factorial(n - 1) / (2 * x**n)


def _polygamma_gap(x, a, n=0):
    """ψ⁽ⁿ⁾(x + a) - ψ⁽ⁿ⁾(x)."""
    with mp.workdps(mp.dps + 30 + int(abs(mpmath.log10(a / x)) if a < x else 0)):
        return mpmath.psi(int(n), x + a) - mpmath.psi(int(n), x)


def _betaln(a, b):
    """log B(a, b), whose terms cancel where one argument is small beside the other."""
    with mp.workdps(2 * mp.dps + 20 + int(abs(mpmath.log10(a))) + int(abs(mpmath.log10(b)))):
        return mpmath.loggamma(a) + mpmath.loggamma(b) - mpmath.loggamma(a + b)


def _gammainc(a, x):
    with mp.workdps(mp.dps + 15):
        return mpmath.gammainc(a, 0, x, regularized=True)


def _gammaincc(a, x):
    with mp.workdps(mp.dps + 15):
        return mpmath.gammainc(a, x, mpmath.inf, regularized=True)


def _gamma_density(x, a):
    return mpmath.exp((a - 1) * mpmath.log(x) - x - mpmath.loggamma(a))


def _gammainc_by_a(x, a, n=1):
    """∂ⁿP/∂aⁿ, the series Σ xᵃ⁺ᵏ·e⁻ˣ/Γ(a + k + 1) differentiated term by term; it loses up to x/2 + 40 digits."""
    n, total, k = int(n), mpf(0), 0
    with mp.workdps(2 * mp.dps + 60 + int(x)):
        power = mpmath.exp(a * mpmath.log(x) - x - mpmath.loggamma(a + 1))
        slope = mpmath.log(x) - mpmath.digamma(a + 1)
        trigamma, third = (mpmath.psi(m, a + 1) if n > m else mpf(0) for m in (1, 2))
        while True:
            factor = (1, slope, slope**2 - trigamma, slope**3 - 3 * slope * trigamma - third)[n]
            total += power * factor
            if k > x and abs(power * factor) < mpf(10) ** -mp.dps * abs(total):
                return total
            k += 1
            power *= x / (a + k)
            slope, trigamma, third = slope - 1 / (a + k), trigamma - 1 / (a + k) ** 2, third + 2 / (a + k) ** 3


def _density_by_a(x, a, n):
    """∂ⁿ/∂aⁿ of the density of the gamma distribution."""
    n, slope = int(n), mpmath.log(x) - mpmath.digamma(a)
    trigamma, third = mpmath.psi(1, a), mpmath.psi(2, a)
    fourth = slope**4 - 6 * slope**2 * trigamma - 4 * slope * third + 3 * trigamma**2 - mpmath.psi(3, a)
    powers = (1, slope, slope**2 - trigamma, slope**3 - 3 * slope * trigamma - third, fourth)
    return _gamma_density(x, a) * powers[n]


def _lower_beta(a, b, x):
    return mpmath.betainc(a, b, 0, x, regularized=True)


def _count(name, *arguments):
    from autograd_lite import incomplete

    return getattr(incomplete, name)(*arguments)


def _upper_beta(a, b, x):
    return _lower_beta(b, a, 1 - x)


def _change(f, args, i):
    """A derivative for which there is no formula, by a central difference in three times as many digits."""
    with mp.workdps(3 * mp.dps):
        step = abs(args[i]) * mpf(10) ** (-mp.dps // 3)
        up, down = ([a + sign * step if k == i else a for k, a in enumerate(args)] for sign in (1, -1))
        return (f(*up) - f(*down)) / (2 * step)


def _by_orders(f, a, b, x, n):
    """∂ⁱ⁺ʲf/∂aⁱ∂bʲ, n = 10·i + j."""
    places = (0,) * (int(n) // 10) + (1,) * (int(n) % 10)
    return central(f, (a, b, x), places, min(mpf(1), abs(a), abs(b))) if places else f(a, b, x)


def _t_by_df(y, v, n):
    return central(_t_cdf, (y, v), (1,) * int(n), abs(v))


def _root(f, slope, start):
    """Newton's method for log f = 0, in u = log(x/(1 - x)) or log x, from a float that is near."""
    x = mpf(start)
    for _ in range(8):
        x -= f(x) / slope(x)
    return x


def _gamma_quantile(a, p, *, upper=False):
    if upper:
        return _gamma_quantile(a, 1 - p)
    from autograd_lite.incomplete import gamma_quantile  # a place to start from

    return _root(lambda x: _gammainc(a, x) - p, lambda x: _gamma_density(x, a), gamma_quantile(float(a), float(p)))


def _beta_quantile(a, b, p, *, upper=False):
    if upper:
        return _beta_quantile(a, b, 1 - p)
    from autograd_lite.incomplete import beta_quantile

    start = beta_quantile(float(a), float(b), float(p))
    return _root(lambda x: _lower_beta(a, b, x) - p, lambda x: _beta_density(a, b, x), start)


def _t_quantile(p, v):
    from autograd_lite.incomplete import t_quantile

    return _root(lambda y: _t_cdf(y, v) - p, lambda y: _t_density(y, v), t_quantile(float(p), float(v)))


def _beta_density(a, b, x):
    return mpmath.exp((a - 1) * mpmath.log(x) + (b - 1) * mpmath.log1p(-x) - _betaln(a, b))


def _t_cdf(y, v):
    with mp.workdps(2 * mp.dps):
        tail = mpmath.betainc(v / 2, mpf(1) / 2, 0, v / (v + y * y), regularized=True) / 2
        return tail if y < 0 else 1 - tail


def _t_density(y, v):
    rest = mpmath.gammaprod([(v + 1) / 2], [v / 2]) / mpmath.sqrt(v * mpmath.pi)
    return rest * mpmath.exp(-(v + 1) / 2 * mpmath.log1p(y * y / v))


def _erfcx(x):
    if x > 100:  # Laplace's fraction of the tail
        ratio = mpf(0)
        for k in range(int((1.2 * mp.dps / x) ** 2) + 40, 0, -1):
            ratio = k / (x * mpmath.sqrt(2) + ratio)
        return mpmath.sqrt(2 / mpmath.pi) / (x * mpmath.sqrt(2) + ratio)
    with mp.workdps(mp.dps + 10):
        return mpmath.exp(x * x) * mpmath.erfc(x)


def _erfcx_slope(x, y):
    with mp.workdps(2 * mp.dps + 20 + int(4 * abs(mpmath.log10(abs(x) + 1)))):
        return 2 * x * _erfcx(x) - 2 / mpmath.sqrt(mpmath.pi)


# --- the table ----------------------------------------------------------------------------------------------


def _zero(*args):
    return mpf(0)


def _one(*args):
    return mpf(1)


def _positive(x):
    return x > 0


def _nonzero(x):
    return x != 0


def _not_a_pole(x):
    return x > 0 or x != math.floor(x)


def _fractional(x):
    return x != math.floor(x)


def _inside(x):
    return -1 < x < 1


def _between(p):
    return 0 < p < 1


def _erfc(x):
    """erfc, which mpmath itself cannot evaluate beyond about 1e10: e^-x² is below every double by then."""
    return mpmath.erfc(x) if x < 1e6 else mpf(0)


REFERENCE: dict[str, Reference] = {
    "add": Reference(lambda x, y: x + y, (_one, _one)),
    "sub": Reference(lambda x, y: x - y, (_one, lambda x, y, d: mpf(-1))),
    "mul": Reference(lambda x, y: x * y, (lambda x, y, p: y, lambda x, y, p: x)),
    "div": Reference(lambda x, y: x / y, (lambda x, y, q: 1 / y, lambda x, y, q: -q / y), lambda x, y: y != 0),
    "neg": Reference(lambda x: -x, (lambda x, y: mpf(-1),)),
    "positive": Reference(lambda x: x, (_one,)),
    "inv": Reference(lambda x: 1 / x, (lambda x, y: -y * y,), _nonzero),
    "reciprocal": Reference(lambda x: 1 / x, (lambda x, y: -y * y,), _nonzero),
    "square": Reference(lambda x: x * x, (lambda x, y: 2 * x,)),
    "pow": Reference(
        _pow,
        (_pow_x, _pow_y),
        # A whole exponent above 2**53 loses its parity in y - 1; differences of 1e30th powers take thousands of
        # digits.
        lambda x, y: (
            abs(y) <= 1e30 and (x > 0 or (x < 0 and y == math.floor(y) and abs(y) <= 2**53)),
            abs(y) <= 1e30 and x > 0,
        ),
        lambda x, y: min(_smallest(x, y), 1 / abs(mpf(y))) if y else _smallest(x),
    ),
    "abs": Reference(abs, (lambda x, y: mpmath.sign(x),), _nonzero),
    "sqrt": Reference(mpmath.sqrt, (lambda x, y: 1 / (2 * y),), _positive),
    "cbrt": Reference(_cbrt, (lambda x, y: y / (3 * x),), _nonzero),
    "exp": Reference(mpmath.exp, (lambda x, y: y,)),
    "exp2": Reference(lambda x: mpmath.power(2, x), (lambda x, y: y * mpmath.ln(2),)),
    "expm1": Reference(mpmath.expm1, (lambda x, y: mpmath.exp(x),)),
    "log": Reference(mpmath.log, (lambda x, y: 1 / x,), _positive),
    "log2": Reference(lambda x: mpmath.log(x) / mpmath.ln(2), (lambda x, y: 1 / (x * mpmath.ln(2)),), _positive),
    "log10": Reference(lambda x: mpmath.log(x) / mpmath.ln(10), (lambda x, y: 1 / (x * mpmath.ln(10)),), _positive),
    "log1p": Reference(mpmath.log1p, (lambda x, y: 1 / (1 + x),), lambda x: x > -1),
    "sin": Reference(mpmath.sin, (lambda x, y: mpmath.cos(x),)),
    "cos": Reference(mpmath.cos, (lambda x, y: -mpmath.sin(x),)),
    "tan": Reference(mpmath.tan, (lambda x, y: 1 + y * y,)),
    "asin": Reference(mpmath.asin, (lambda x, y: 1 / mpmath.sqrt((1 - x) * (1 + x)),), _inside),
    "acos": Reference(mpmath.acos, (lambda x, y: -1 / mpmath.sqrt((1 - x) * (1 + x)),), _inside),
    "atan": Reference(mpmath.atan, (lambda x, y: 1 / (1 + x * x),)),
    "atan2": Reference(
        mpmath.atan2,
        (lambda y, x, a: x / _norm2(x, y), lambda y, x, a: -y / _norm2(x, y)),
        lambda y, x: y != 0 or x > 0,
    ),
    "sinh": Reference(mpmath.sinh, (lambda x, y: mpmath.cosh(x),)),
    "cosh": Reference(mpmath.cosh, (lambda x, y: mpmath.sinh(x),)),
    "tanh": Reference(mpmath.tanh, (lambda x, y: _sech2(x),)),
    "asinh": Reference(mpmath.asinh, (lambda x, y: 1 / mpmath.sqrt(1 + x * x),)),
    "acosh": Reference(mpmath.acosh, (lambda x, y: 1 / mpmath.sqrt((x - 1) * (x + 1)),), lambda x: x > 1),
    "atanh": Reference(mpmath.atanh, (lambda x, y: 1 / ((1 - x) * (1 + x)),), _inside),
    "hypot": Reference(_hypot, (lambda x, y, h: x / h, lambda x, y, h: y / h), lambda x, y: x != 0 or y != 0),
    "erf": Reference(mpmath.erf, (lambda x, y: 2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-x * x),)),
    "erfc": Reference(_erfc, (lambda x, y: -2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-x * x),)),
    "ndtr": Reference(_phi, (lambda x, y: _density(x),), lambda x: abs(x) < 1e6),
    "log_ndtr": Reference(_log_phi, (lambda x, y: _hazard(x),), lambda x: abs(x) < 1e150),
    "ndtri": Reference(_quantile, (lambda p, y: 1 / _density(y),), _between),
    "erfinv": Reference(_erfinv, (lambda x, y: mpmath.sqrt(mpmath.pi) / 2 * mpmath.exp(y * y),), _inside),
    "logit": Reference(lambda p: mpmath.log(p / (1 - p)), (lambda p, y: 1 / (p * (1 - p)),), _between),
    "log1mexp": Reference(
        lambda x: mpmath.log1p(-mpmath.exp(-x)) if x > 1 else mpmath.log(-mpmath.expm1(-x)),
        (lambda x, y: 1 / mpmath.expm1(x),),
        lambda x: 0 < x < 1e6,
    ),
    "moment_ratio": Reference(
        _moment_ratio,
        (lambda t, n, r: -r * (_moment_ratio(t, n + 1) - r), _zero),
        lambda t, n: (2.5 <= t < 1e250, False),
    ),
    "erfcx": Reference(_erfcx, (_erfcx_slope,), lambda x: -26 < x < 1e100),
    "log1pmx": Reference(_log1pmx, (lambda w, y: -w / (1 + w),), lambda w: w > -1 and w != 0),
    "xlog1py": Reference(
        lambda x, y: x * mpmath.log1p(y) if x != 0 else mpf(0),
        (lambda x, y, p: mpmath.log1p(y), lambda x, y, p: x / (1 + y)),
        lambda x, y: x != 0 and y > -1,
    ),
    "kl_div": Reference(
        _kl_div,
        (lambda x, m, y: mpmath.log(x / m), lambda x, m, y: (m - x) / m),
        lambda x, m: x > 0 and m > 0 and x != m,
    ),
    "stirling_error": Reference(
        _stirling_error, (lambda x, n, y: _stirling_error(x, n + 1), _zero), lambda x, n: (0 < x < 1e30, False)
    ),
    "polygamma_gap": Reference(
        _polygamma_gap,
        (lambda x, a, n, y: _polygamma_gap(x, a, n + 1), lambda x, a, n, y: mpmath.psi(int(n) + 1, x + a), _zero),
        lambda x, a, n: (1e-30 < x < 1e30 and 1e-30 < a < 1e30,) * 2 + (False,),
    ),
    "betaln": Reference(
        _betaln,
        (lambda a, b, y: -_polygamma_gap(a, b), lambda a, b, y: -_polygamma_gap(b, a)),
        lambda a, b: 1e-150 < a < 1e100 and 1e-150 < b < 1e100,
    ),
    "gammainc": Reference(
        _gammainc,
        (lambda a, x, y: _gammainc_by_a(x, a), lambda a, x, y: _gamma_density(x, a)),
        lambda a, x: 1e-10 < a < 200 and 1e-10 < x < 200,
    ),
    "gammaincc": Reference(
        _gammaincc,
        (lambda a, x, y: -_gammainc_by_a(x, a), lambda a, x, y: -_gamma_density(x, a)),
        lambda a, x: 1e-10 < a < 200 and 1e-10 < x < 200,
    ),
    "gammainc_by_a": Reference(
        _gammainc_by_a,
        (lambda x, a, n, y: _density_by_a(x, a, n), lambda x, a, n, y: _gammainc_by_a(x, a, n + 1), _zero),
        lambda x, a, n: (1e-3 < a < 100 and 1e-3 < x < 100,) * 2 + (False,),
    ),
    "gamma_density_by_a": Reference(
        _density_by_a,
        (
            lambda x, a, n, y: y * ((a - 1) / x - 1) + (n * _density_by_a(x, a, n - 1) / x if n else 0),
            lambda x, a, n, y: _density_by_a(x, a, n + 1),
            _zero,
        ),
        lambda x, a, n: (1e-3 < a < 100 and 1e-3 < x < 100,) * 2 + (False,),
    ),
    "betainc_by": Reference(
        lambda a, b, x, n: _by_orders(_lower_beta, a, b, x, n),
        (
            lambda a, b, x, n, y: _by_orders(_lower_beta, a, b, x, n + 10),
            lambda a, b, x, n, y: _by_orders(_lower_beta, a, b, x, n + 1),
            lambda a, b, x, n, y: _by_orders(_beta_density, a, b, x, n),
            _zero,
        ),
        lambda a, b, x, n: (0.1 < a < 100 and 0.1 < b < 100 and 0 < x < 1 and 0 < n < 12,) * 3 + (False,),
    ),
    "beta_density_by": Reference(
        lambda a, b, x, n: _by_orders(_beta_density, a, b, x, n),
        (
            lambda a, b, x, n, y: _by_orders(_beta_density, a, b, x, n + 10),
            lambda a, b, x, n, y: _by_orders(_beta_density, a, b, x, n + 1),
            lambda a, b, x, n, y: _change(lambda a, b, x: _by_orders(_beta_density, a, b, x, n), (a, b, x), 2),
            _zero,
        ),
        lambda a, b, x, n: (0.1 < a < 100 and 0.1 < b < 100 and 0 < x < 1 and n < 12,) * 3 + (False,),
    ),
    "t_cdf_by_df": Reference(
        _t_by_df,
        (
            lambda y, v, n, p: _change(lambda y, v: _t_by_df(y, v, n), (y, v), 0),
            lambda y, v, n, p: _t_by_df(y, v, n + 1),
            _zero,
        ),
        lambda y, v, n: (0.01 < v < 1e3 and abs(y) < 1e3 and n == 1,) * 2 + (False,),
    ),
    "gamma_quantile": Reference(
        _gamma_quantile,
        (lambda a, p, y: -_gammainc_by_a(y, a) / _gamma_density(y, a), lambda a, p, y: 1 / _gamma_density(y, a)),
        lambda a, p: 0.1 < a < 100 and 0.01 < p < 0.99,
    ),
    "upper_gamma_quantile": Reference(
        lambda a, p: _gamma_quantile(a, p, upper=True),
        (lambda a, p, y: -_gammainc_by_a(y, a) / _gamma_density(y, a), lambda a, p, y: -1 / _gamma_density(y, a)),
        lambda a, p: 0.1 < a < 100 and 0.01 < p < 0.99,
    ),
    **{
        name: Reference(
            lambda a, b, p, upper=upper: _beta_quantile(a, b, p, upper=upper),
            (
                lambda a, b, p, y: -_change(_lower_beta, (a, b, y), 0) / _beta_density(a, b, y),
                lambda a, b, p, y: -_change(_lower_beta, (a, b, y), 1) / _beta_density(a, b, y),
                lambda a, b, p, y, sign=-1 if upper else 1: sign / _beta_density(a, b, y),
            ),
            lambda a, b, p: 0.1 < a < 100 and 0.1 < b < 100 and 0.01 < p < 0.99,
        )
        for name, upper in (("beta_quantile", False), ("upper_beta_quantile", True))
    },
    "t_quantile": Reference(
        _t_quantile,
        (lambda p, v, y: 1 / _t_density(y, v), lambda p, v, y: -_change(_t_cdf, (y, v), 1) / _t_density(y, v)),
        lambda p, v: 0.1 < v < 1e3 and 0.01 < p < 0.99,
    ),
    **{
        name: Reference(
            lambda *arguments, name=name: mpf(_count(name, *map(float, arguments))),
            (_zero,) * (3 if name == "poisson_quantile" else 4),
            lambda *arguments: (False,) * len(arguments),
        )
        for name in ("poisson_quantile", "binom_quantile", "nbinom_quantile")
    },
    "t_cdf": Reference(
        _t_cdf,
        (lambda y, v, p: _t_density(y, v), lambda y, v, p: _change(_t_cdf, (y, v), 1)),
        lambda y, v: 0.01 < v < 1e3 and abs(y) < 1e3,
    ),
    "lower_beta": Reference(
        _lower_beta,
        (
            lambda a, b, x, y: _change(_lower_beta, (a, b, x), 0),
            lambda a, b, x, y: _change(_lower_beta, (a, b, x), 1),
            lambda a, b, x, y: _beta_density(a, b, x),
        ),
        lambda a, b, x: 1e-3 < a < 1e3 and 1e-3 < b < 1e3 and 0 < x < 1,
    ),
    "upper_beta": Reference(
        _upper_beta,
        (
            lambda a, b, x, y: _change(_upper_beta, (a, b, x), 0),
            lambda a, b, x, y: _change(_upper_beta, (a, b, x), 1),
            lambda a, b, x, y: -_beta_density(a, b, x),
        ),
        lambda a, b, x: 1e-3 < a < 1e3 and 1e-3 < b < 1e3 and 0 < x < 1,
    ),
    "j0": Reference(lambda x: mpmath.besselj(0, x), (lambda x, y: -mpmath.besselj(1, x),), lambda x: abs(x) < 1e6),
    "j1": Reference(
        lambda x: mpmath.besselj(1, x),
        (lambda x, y: (mpmath.besselj(0, x) - mpmath.besselj(2, x)) / 2,),
        lambda x: abs(x) < 1e6,
    ),
    "bessel_j": Reference(
        lambda x, n: mpmath.besselj(int(n), x),
        (lambda x, n, y: (mpmath.besselj(int(n) - 1, x) - mpmath.besselj(int(n) + 1, x)) / 2, _zero),
        lambda x, n: (abs(x) < 1e6, False),
    ),
    "i0": Reference(lambda x: mpmath.besseli(0, x), (lambda x, y: mpmath.besseli(1, x),), lambda x: abs(x) < 700),
    "i1": Reference(
        lambda x: mpmath.besseli(1, x),
        (lambda x, y: (mpmath.besseli(0, x) + mpmath.besseli(2, x)) / 2,),
        lambda x: abs(x) < 700,
    ),
    "bessel_i": Reference(
        lambda x, n: mpmath.besseli(int(n), x),
        (lambda x, n, y: (mpmath.besseli(int(n) - 1, x) + mpmath.besseli(int(n) + 1, x)) / 2, _zero),
        lambda x, n: (abs(x) < 700, False),
    ),
    "heaviside": Reference(
        lambda x, h: h if x == 0 else mpf(x > 0), (_zero, lambda x, h, y: mpf(x == 0)), lambda x, h: (x != 0, True)
    ),
    "gamma": Reference(mpmath.gamma, (lambda x, y: y * mpmath.digamma(x),), _not_a_pole),
    "lgamma": Reference(_lgamma, (lambda x, y: mpmath.digamma(x),), _not_a_pole),
    "digamma": Reference(
        mpmath.digamma, (lambda x, y: mpmath.psi(1, x),), lambda x: _not_a_pole(x) and not -1e-100 < x < 0
    ),
    "sigmoid": Reference(_sigmoid, (lambda x, y: _slope(x),)),
    "softplus": Reference(_softplus, (lambda x, y: _sigmoid(x),)),
    "logaddexp": Reference(_logaddexp, (lambda a, b, y: _sigmoid(a - b), lambda a, b, y: _sigmoid(b - a))),
    "xlogy": Reference(
        lambda x, y: x * mpmath.log(y) if x != 0 else mpf(0),
        (lambda x, y, p: mpmath.log(y), lambda x, y, p: x / y),
        lambda x, y: x != 0 and y > 0,
    ),
    "sinc": Reference(mpmath.sincpi, (lambda x, y: _sinc_derivative(x),)),
    "softsign": Reference(lambda x: x / (1 + abs(x)), (lambda x, y: 1 / (1 + abs(x)) ** 2,), _nonzero),
    "share": Reference(
        lambda a, b: a / (a + b),
        (lambda a, b, y: b / (a + b) ** 2, lambda a, b, y: -a / (a + b) ** 2),
        lambda a, b: a >= 0 and b >= 0 and a + b > 0,
    ),
    "log_of_sum": Reference(
        lambda t, r: t + mpmath.log1p(r * mpmath.exp(-t)),
        (lambda t, r, y: mpmath.exp(t) / (mpmath.exp(t) + r), lambda t, r, y: 1 / (mpmath.exp(t) + r)),
        lambda t, r: 0 <= t <= 700 and r >= 0,
    ),
    "log_of_excess": Reference(
        lambda t, r: mpmath.log1p(r * mpmath.exp(-t)),
        (lambda t, r, y: -r / (mpmath.exp(t) + r), lambda t, r, y: 1 / (mpmath.exp(t) + r)),
        lambda t, r: 0 <= t <= 700 and r >= 0,
    ),
    "relu": Reference(lambda x: max(x, mpf(0)), (lambda x, y: mpf(x > 0),), _nonzero),
    "leaky_relu": Reference(
        lambda x, s: x if x > 0 else s * x,
        (lambda x, s, y: mpf(1) if x > 0 else s, lambda x, s, y: mpf(0) if x > 0 else x),
        lambda x, s: x != 0,
    ),
    "maximum": Reference(max, (lambda x, y, m: mpf(x > y), lambda x, y, m: mpf(y > x)), lambda x, y: x != y),
    "minimum": Reference(min, (lambda x, y, m: mpf(x < y), lambda x, y, m: mpf(y < x)), lambda x, y: x != y),
    "clip": Reference(
        lambda x, a, b: min(max(x, a), b),
        (lambda x, a, b, y: mpf(a < x < b), lambda x, a, b, y: mpf(x < a < b), lambda x, a, b, y: mpf(a < b < x)),
        lambda x, a, b: a < b and x not in (a, b),
    ),
    "where": Reference(
        lambda c, a, b: a if c != 0 else b,
        (_zero, lambda c, a, b, y: mpf(c != 0), lambda c, a, b, y: mpf(c == 0)),
        lambda c, a, b: (c != 0, True, True),
    ),
    "step": Reference(lambda x: mpf(x > 0), (_zero,), _nonzero),
    "less": Reference(lambda x, y: mpf(x < y), (_zero, _zero), lambda x, y: x != y),
    "sign": Reference(mpmath.sign, (_zero,), _nonzero),
    "floor": Reference(mpmath.floor, (_zero,), _fractional),
    "ceil": Reference(mpmath.ceil, (_zero,), _fractional),
    "trunc": Reference(
        lambda x: mpmath.sign(x) * mpmath.floor(abs(x)), (_zero,), lambda x: abs(x) < 1 or _fractional(x)
    ),
    "round": Reference(_round, (_zero, _zero), lambda x, n: (abs(x) < 1e10 and _fractional(x * 10.0**n + 0.5), False)),
    "mod": Reference(_mod, (_one, lambda x, y, r: -_quotient_floor(x, y)), _off_multiples),
    "floordiv": Reference(_quotient_floor, (_zero, _zero), _off_multiples),
    "copysign": Reference(
        _copysign, (lambda x, y, r: mpmath.sign(x) * (1 if y >= 0 else -1), _zero), lambda x, y: x != 0 and y != 0
    ),
    "degrees": Reference(lambda x: x * 180 / mpmath.pi, (lambda x, y: 180 / mpmath.pi,)),
    "radians": Reference(lambda x: x * mpmath.pi / 180, (lambda x, y: mpmath.pi / 180,)),
    "sech_squared": Reference(_sech2, (lambda x, y: _tanh_second(x),)),
    "sigmoid_slope": Reference(_slope, (lambda x, y: -y * mpmath.tanh(x / 2),)),
    "sinc_derivative": Reference(
        _sinc_derivative, (lambda x, n, y: _sinc_derivative(x, n + 1), _zero), lambda x, n: (True, False)
    ),
    "polygamma": Reference(
        lambda n, x: mpmath.psi(int(n), x),
        (_zero, lambda n, x, y: mpmath.psi(int(n) + 1, x)),
        lambda n, x: (False, x > 0),
    ),
    "hold": Reference(lambda x: x, (_zero,), lambda x: (False,)),  # its rule is to have none of its derivatives
    "plain": Reference(lambda x: x, (_zero,), lambda x: (False,)),
    "logical_and": Reference(lambda x, y: mpf(x != 0 and y != 0), (_zero, _zero), lambda x, y: (x != 0, y != 0)),
    "logical_or": Reference(lambda x, y: mpf(x != 0 or y != 0), (_zero, _zero), lambda x, y: (x != 0, y != 0)),
    "logical_not": Reference(lambda x: mpf(x == 0), (_zero,), _nonzero),
}


ENTIRE = (  # no singularity on or near the real line: the scale is 1, however small or large the arguments
    "add", "sub", "mul", "neg", "positive", "square", "exp", "exp2", "expm1", "sin", "cos", "sinh",
    "cosh", "tanh", "atan", "asinh", "erf", "erfc", "sigmoid", "softplus", "logaddexp", "sinc", "sinc_derivative",
    "sech_squared", "sigmoid_slope", "degrees", "radians", "ndtr", "log_ndtr", "moment_ratio",
    "erfcx", "j0", "j1", "bessel_j", "i0", "i1", "bessel_i",
)  # fmt: skip
REFERENCE |= {name: replace(REFERENCE[name], scale=lambda *args: mpf(1)) for name in ENTIRE}


# --- evaluation ---------------------------------------------------------------------------------------------


def evaluate(function, args, digits=DIGITS):
    """Return `function` at exact doubles, to `digits` digits; None where mpmath sees a pole or a complex number."""
    with mp.workdps(digits):
        try:
            y = function(*map(mpf, args))
        except (ValueError, ZeroDivisionError, OverflowError):
            return None
        if not isinstance(y, mpf):
            y = mpf(y) if isinstance(y, int | float) else mpmath.nan
        return None if mpmath.isnan(y) else y


STEP = (
    mpf(10) ** -40
)  # of the nearest scale; doubles keep 1e-16 of it away from any singularity, so truncation is (1e-24)²
ENOUGH = mpf(10) ** -22  # relative noise at which a difference is settled: 1e-6 of an ULP
NOWHERE = mpf(10) ** -360  # noise below the smallest double: whatever it hides rounds to zero


def central(function, args, indices, scale=None):
    """Return the derivative of `function` along the arguments `indices`, such as (0,), (0, 0) or (0, 1), by central
    differences.

    Step 1e-40 of the given scale, or of the smallest in sight. The working precision doubles until the rounding noise
    is below 1e-22 of the result or below every double; raises ArithmeticError if 6,000 digits do not suffice.
    """
    h = STEP * (_smallest(*args) if scale is None else scale)
    signs = list(product((1, -1), repeat=len(indices)))
    digits = 60 + 40 * len(indices)
    while digits < 6000:
        with mp.workdps(digits):
            total, largest = mpf(0), mpf(0)
            for pattern in signs:
                point = [mpf(a) for a in args]
                for i, s in zip(indices, pattern, strict=True):
                    point[i] += s * h
                y = mpf(function(*point))
                total += math.prod(pattern) * y
                largest = max(largest, abs(y))
            width = (2 * h) ** len(indices)
            slope = total / width
            reach = max([mpf(1), *(abs(mpf(a)) for a in args)])
            noise = mpf(10) ** (2 - digits) * max(largest, mpf(10) ** -(4 * digits)) / width
            kept = reach / h < mpf(10) ** (digits - 30)  # else x + h is x
            if kept and (noise <= ENOUGH * abs(slope) or noise < NOWHERE):
                return slope
        digits *= 2
    raise ArithmeticError(f"no settled difference at {args} along {indices}")


def reaches_double(exact):
    """Say whether an exact value is a normal double after rounding (zero counts)."""
    return exact == 0 or MIN_NORMAL <= abs(exact) <= MAX_DOUBLE


def split(exact):
    """Return an exact value as the nearest double and the remainder.

    So that errors can be taken in double arithmetic.
    """
    with mp.workdps(DIGITS):
        high = float(exact)
        return high, float(exact - high) if math.isfinite(high) else 0.0


def ulps(got, exact):
    """Return the error of a double in units in the last place of the exact value (of the nearest double)."""
    high, low = split(exact)
    if math.isnan(got) or math.isinf(got) or math.isinf(high):
        return 0.0 if got == high else math.inf
    return abs((got - high) - low) / math.ulp(high)
