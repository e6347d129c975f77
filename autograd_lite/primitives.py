"""The rule table: each operation's value and partial derivatives, written once.

An entry is all there is to an operation: operators, documentation, tests, backends, pictures and explanations iterate
over the table; `Primitive` says what its columns mean.
In a partial the last argument is the result. Partials use operators and primitives only; what is piecewise is written
with `where`, `less` or `sign`, since a Python `if` would be frozen into a recorded gradient; what divides or raises to
a power is written with `div`, `inv` and `pow`, since `/` and `**` on floats raise where IEEE 754 has a value.
"""

import builtins
import functools
import math
import operator
from math import inf, nan, pi
from typing import TYPE_CHECKING, Any

from autograd_lite import ieee, incomplete, special
from autograd_lite.conversion import as_float as as_float
from autograd_lite.rule import (
    PRIMITIVES as PRIMITIVES, REAL as REAL, Flat, Interval as Interval, Partial as Partial, Places, Primitive as Primitive,
)

if TYPE_CHECKING:
    from autograd_lite.typed import One, Several
else:
    One = Several = Primitive


POSITIVE = Interval(0.0, inf, open_ends=True)
NON_NEGATIVE = Interval(0.0, inf)
ORDER = Interval(0.0, inf, whole=True)
UNIT = Interval(-1.0, 1.0)
OPEN_UNIT = Interval(-1.0, 1.0, open_ends=True)

LN2, LN10 = math.log(2.0), math.log(10.0)
TWO_OVER_SQRT_PI = 2.0 / math.sqrt(pi)

AS = "Abramowitz & Stegun"
IEEE = "IEEE 754-2019"
C99 = "ISO C99 Annex F"


#: The entries that are parts of others, and no names of the package.
HELPERS: set[Primitive] = set()


def rule(name: str, value: Any, *partials: Any, helper: bool = False, **facts: Any) -> Any:
    """Enter one built-in operation; the derivative of a step function is 0 wherever it has one."""
    if partials[0] is zero:
        facts.setdefault("flat", STEP)
    primitive = Primitive(name=name, value=value, partials=partials, built_in=True, **facts)
    if helper:
        HELPERS.add(primitive)
    return primitive


def libm(name: str, value: Any, *partials: Any, **facts: Any) -> Any:
    """Enter an operation that NumPy and C's math.h have under this name."""
    return rule(name, value, *partials, **{"numpy": name, "c": name} | facts)


def zero(x: Any, *_: Any) -> Any:
    """0, and nan at nan: the derivative of a step function."""
    return less(x, x)


# ------------------------------------------------------------------------------ columns that several entries share

STEP = ("flat", "{node} is a step function: its derivative is 0 wherever it has one")


def _flat_at_origin(_: int, *x: float) -> Flat:
    return None if any(x) else ("kink", "{node} stands on its kink at 0, where the derivative counts as 0")


def _tie(a: float, b: float) -> Places:
    return (0, b), (1, a)


def _whole(x: float) -> Places:
    return ((0, float(builtins.round(x))),)


def _multiples(x: float, y: float) -> Places:
    if not y:
        return ()
    if not math.isfinite(x / y):  # a multiple lies within the last place of any number
        return (0, x), (1, y)
    whole = float(builtins.round(x / y))
    return ((0, y * whole), (1, x / whole)) if whole else ((0, 0.0),)


# ---------------------------------------------------------------------------------------------------- arithmetic

add: Several = rule(
    "add", operator.add, 1.0, 1.0, formula="y = a + b,   ∂y/∂a = 1, ∂y/∂b = 1", source=IEEE, ulp=(0.5, 1.5),
    operator="{0} + {1}", numpy="add", symbol="+", symmetric=True, latex="{0} + {1}")
sub: Several = rule(
    "sub", operator.sub, 1.0, -1.0, formula="y = a - b,   ∂y/∂a = 1, ∂y/∂b = -1", source=IEEE, ulp=(0.5, 1.5),
    operator="{0} - {1}", numpy="subtract", symbol="-", latex="{0} - {1}")
mul: Several = rule(
    "mul", operator.mul, lambda a, b, y: b, lambda a, b, y: a, formula="y = a·b,   ∂y/∂a = b, ∂y/∂b = a", source=IEEE,
    ulp=(0.5, 1.5), operator="{0} * {1}", numpy="multiply", symbol="*", symmetric=True, latex=r"{0} \cdot {1}")


def _flat_difference(_: int, a: float, b: float) -> Flat:
    return ("flat", "{node} is least where its arguments are equal") if a == b else None


def _flat_quotient(place: int, a: float, _: float) -> Flat:
    if place == 0:
        return "zero factor", "{node} divides by {1}"
    if a == 0.0:
        return "zero factor", "in {node}, the numerator is 0, so the denominator changes nothing"
    return "saturated", "{node} divides by {1}: too large to matter"


div: Several = rule(
    "div", ieee.div, lambda a, b, y: inv(b), lambda a, b, y: -div(y, b),  # not -a/b²: b² overflows at 1e200
    formula="y = a/b,   ∂y/∂a = 1/b, ∂y/∂b = -(a/b)/b", flat=_flat_quotient, source=IEEE, ulp=(0.5, 1.5),
    numpy="divide", c="{0} / {1}", symbol="/", latex=r"\frac{{{0}}}{{{1}}}", reference=lambda _, a, b: a / b)
positive: One = rule(
    "positive", operator.pos, 1.0, formula="y = x,   dy/dx = 1", source=IEEE, ulp=(0.5, 0.5), expression=lambda x: x,
    numpy="positive", latex="{0}", helper=True)
neg: One = rule(
    "neg", operator.neg, -1.0, formula="y = -x,   dy/dx = -1", source=IEEE, ulp=(0.5, 0.5), operator="-{0}",
    numpy="negative", latex="-{0}")
inv: One = rule(
    "inv", ieee.inv, lambda x, y: -div(y, x),  # not -y·y: rounds y twice
    formula="y = 1/x,   dy/dx = -y/x", saturates=True, source=IEEE, ulp=(0.5, 1.5), expression=lambda x: div(1.0, x),
    numpy="reciprocal", latex=r"\frac{{1}}{{{0}}}", reference=lambda _, x: 1 / x)
square: One = rule(
    "square", lambda x: x * x, lambda x, y: 2.0 * x, formula="y = x²,   dy/dx = 2x", source=IEEE, ulp=(0.5, 0.5),
    expression=lambda x: x * x, numpy="square", latex="{0}^{{2}}", reference=lambda _, x: x * x)


def _pow_by_base(x: Any, p: Any, y: Any) -> Any:
    """p·x**(p-1), with constant exponents peeled so that every order is right at x = 0.

    Where p - 1 is rounded, that costs |log x| ULP; p·y/x is the same function and exact to 3 ULP while y neither over-
    nor underflows. Being the same function, the two may be chosen between by p; anything else would make ∂²y/∂x∂p wrong.
    """
    if type(p) is float and p in (0.0, 1.0, 2.0):
        return less(x, x) if p == 0.0 else 1.0 if p == 1.0 else 2.0 * x
    lower = p * pow(x, p - 1.0)
    if type(p) is float:
        if _is_exact(p):
            return lower
        exact = 0.0
    else:
        equal = (1.0 - less(p - 1.0 + 1.0, p)) * (1.0 - less(p, p - 1.0 + 1.0))
        exact = equal * (1.0 - less(-1.0, p) * less(p, 0.5)) * less(abs(p), inf)
    in_range = less(1e-290, abs(y)) * less(abs(y), 1e300)
    away_from_zero = where(exact, lower, where(in_range, div(p * y, x), lower))
    return where(x, away_from_zero, p * pow(x, where(p, p - 1.0, 1.0)))


def _is_exact(p: float) -> bool:
    """Whether p - 1 is not rounded, and p·x**(p-1) overflows no earlier than p·x**p / x."""
    return p - 1.0 + 1.0 == p and not -1.0 < p < 0.5 and abs(p) < inf


def _pow_by_exponent(x: Any, p: Any, y: Any) -> Any:
    """y·log x; 0 at base 0 where p > 0. Where y is out of range, by two halves of it: 1.1**7448 is inf, its slope is not."""
    half = pow(x, 0.5 * p)
    slope = where(less(1e-290, abs(y)) * less(abs(y), inf), y * log(x), half * log(x) * half)
    return where(x, slope, where(less(0.0, p), 0.0, y * log(x)))


def _power_kinks(_: float, p: float) -> Places:
    return ((0, 0.0),) if not p.is_integer() or p < 0.0 else ()


def _flat_power(place: int, x: float, p: float) -> Flat:
    if place == 0 and p == 0.0:
        return "flat", "{node} is 1 for every base"
    if place == 1 and x == 0.0:
        return "kink", "{node} has base 0, where the derivative by the exponent counts as 0"
    return ("saturated", "{node} underflows to 0") if x != 0.0 and ieee.pow(x, p) == 0.0 else None


#: x² is x·x, and compilers know nothing better than pow.
_POW_IN_C = """(double x, double y) {
    double (*volatile power)(double, double) = pow;  /* volatile: compilers replace some powers by other functions */
    return y == 2.0 ? x * x : power(x, y);
}"""
pow: Several = rule(  # noqa: A001 - named like the builtin it stands for; so are abs and round
    "pow", ieee.pow, _pow_by_base, _pow_by_exponent, domain=(NON_NEGATIVE, REAL),
    formula="y = xᵖ,   ∂y/∂x = p·xᵖ⁻¹, ∂y/∂p = xᵖ·log x", kink="∂y/∂p = 0 at x = 0, p > 0", kinks=_power_kinks,
    flat=_flat_power, source=f"{C99}; Griewank & Walther, Evaluating Derivatives, table 2.3",
    ulp=(1.0, lambda x, p: 4.0 + abs(p * ieee.log(x))), numpy="power", c=_POW_IN_C, symbol="**", latex="{0}^{{{1}}}",
    reference="power")
#: CPython's remainder, and the signs of its zeros.
_MOD_IN_C = """(double x, double y) {
    const double r = fmod(x, y);
    if (y == 0.0) return NAN;
    if (r == 0.0) return copysign(0.0, y);
    return (r < 0.0) != (y < 0.0) ? r + y : r;
}"""
_FLOORDIV_IN_C = """(double x, double y) {
    const double r = fmod(x, y);
    const double q = r != 0.0 && (r < 0.0) != (y < 0.0) ? (x - r) / y - 1.0 : (x - r) / y;
    if (y == 0.0) return x / y;
    if (q == 0.0) return copysign(0.0, x / y);
    return q - floor(q) > 0.5 ? floor(q) + 1.0 : floor(q);
}"""
mod: Several = rule(
    "mod", ieee.mod, 1.0, lambda x, y, r: -floordiv(x, y), formula="r = x - y·⌊x/y⌋,   ∂r/∂x = 1, ∂r/∂y = -⌊x/y⌋",
    kink="the jump's derivative is left out", kinks=_multiples,
    flat=("flat", "{node} is {0} itself: {1} goes into it 0 times"), source="Python language reference 6.7",
    numpy="remainder", c=_MOD_IN_C, symbol="%")
floordiv: Several = rule(
    "floordiv", ieee.floordiv, zero, lambda x, y, q: less(y, y), formula="q = ⌊x/y⌋,   ∂q/∂x = ∂q/∂y = 0",
    kink="0 at the jumps", kinks=_multiples, source="Python language reference 6.7", numpy="floor_divide",
    c=_FLOORDIV_IN_C, symbol="//")

# ------------------------------------------------------------------------------------------- powers, exp and log

sqrt: One = libm(
    "sqrt", ieee.sqrt, lambda x, y: div(0.5, y + 0.0),  # + 0.0 turns -0.0 into 0.0: +inf on both
    domain=(NON_NEGATIVE,), formula="y = √x,   dy/dx = 1/(2y)", kink="+inf at 0", kinks=(0.0,), saturates=True,
    source=IEEE, ulp=(0.5, 1.5), latex=r"\sqrt{{{0}}}")
cbrt: One = libm(
    "cbrt", math.cbrt, lambda x, y: inv(3.0 * (y * y)), formula="y = ∛x,   dy/dx = 1/(3y²)", kink="+inf at 0",
    kinks=(0.0,), saturates=True, source=C99, ulp=(4.0, 12.0), latex=r"\sqrt[3]{{{0}}}")
exp: One = libm(
    "exp", ieee.exp, lambda x, y: y, formula="y = eˣ,   dy/dx = y", saturates=True, source=f"{AS} 4.2", ulp=(1.0, 1.0),
    latex="e^{{{0}}}")
exp2: One = libm(
    "exp2", ieee.exp2, lambda x, y: where(less(y, inf), y * LN2, exp2(x - 1.0) * (2.0 * LN2)),  # 2¹⁰²⁴·log 2 is finite
    formula="y = 2ˣ,   dy/dx = y·log 2", saturates=True, source=f"{AS} 4.2", ulp=(1.0, 1.5), latex="2^{{{0}}}",
    reference=lambda mp, x: mp.power(2, x))
expm1: One = libm(
    "expm1", ieee.expm1, lambda x, y: exp(x),  # not y + 1: all digits lost where x is very negative
    formula="y = eˣ - 1,   dy/dx = eˣ", saturates=True, source=f"{AS} 4.2", ulp=(1.0, 1.0), latex="e^{{{0}}} - 1")
# In what follows + 0.0 turns -0.0 into 0.0: the domain lies to the right of it, and so does the limit of the derivative.
log: One = libm(
    "log", ieee.log, lambda x, y: inv(x + 0.0), domain=(POSITIVE,), formula="y = log x,   dy/dx = 1/x", saturates=True,
    source=f"{AS} 4.1", ulp=(1.0, 1.0), latex=r"\log {0}")
log2: One = libm(
    "log2", ieee.log2, lambda x, y: inv(x * LN2 + 0.0), domain=(POSITIVE,), formula="y = log₂ x,   dy/dx = 1/(x·log 2)",
    saturates=True, source=f"{AS} 4.1", ulp=(1.0, 2.0), latex=r"\log_2 {0}",
    reference=lambda mp, x: mp.log(x) / mp.log(2))
log10: One = libm(
    "log10", ieee.log10, lambda x, y: inv(x * LN10 + 0.0), domain=(POSITIVE,),
    formula="y = log₁₀ x,   dy/dx = 1/(x·log 10)", saturates=True, source=f"{AS} 4.1", ulp=(2.0, 3.0),
    latex=r"\log_{{10}} {0}")
log1p: One = libm(
    "log1p", ieee.log1p, lambda x, y: inv(1.0 + x), domain=(Interval(-1.0, inf, open_ends=True),),
    formula="y = log(1 + x),   dy/dx = 1/(1 + x)", saturates=True, source=f"{AS} 4.1", ulp=(1.0, 2.0),
    latex=r"\log(1 + {0})")
xlogy: Several = rule(
    "xlogy", ieee.xlogy, lambda x, y, r: log(y), lambda x, y, r: where(y, div(x, y), where(x, div(x, y + 0.0), 0.0)),
    domain=(REAL, POSITIVE), formula="r = x·log y,   ∂r/∂x = log y, ∂r/∂y = x/y", kink="r = ∂r/∂y = 0 at x = 0",
    flat=lambda i, x, y: ("zero factor", "in {node}, the factor in front of the logarithm is 0") if i and x == 0.0 else None,
    source="SciPy special.xlogy", ulp=(2.0, 2.0),
    expression=lambda x, y: where(x, x * log(y), 0.0 * less(y, y)), reference=lambda mp, x, y: x * mp.log(y))

xlog1py: Several = rule(
    "xlog1py", lambda x, y: 0.0 if x == 0.0 and y == y else x * ieee.log1p(y), lambda x, y, r: log1p(y),  # noqa: PLR0124
    lambda x, y, r: where(1.0 + y, div(x, 1.0 + y), where(x, div(x, 1.0 + y), 0.0)),
    domain=(REAL, Interval(-1.0, inf, open_ends=True)),
    formula="r = x·log(1 + y),   ∂r/∂x = log(1 + y), ∂r/∂y = x/(1 + y)", kink="r = ∂r/∂y = 0 at x = 0",
    flat=lambda i, x, y: ("zero factor", "in {node}, the factor in front of the logarithm is 0") if i and x == 0.0 else None,
    source="SciPy special.xlog1py", ulp=(2.0, 2.5),
    expression=lambda x, y: where(x, x * log1p(y), 0.0 * less(y, y)), reference=lambda mp, x, y: x * mp.log1p(y))


def _log_of_sum(a: Any, b: Any) -> Any:
    return where(less(a, b) + less(b, a), maximum(a, b) + log1p(exp(-abs(a - b))), a + LN2)


logaddexp: Several = rule(
    "logaddexp", ieee.logaddexp, lambda a, b, y: sigmoid(_gap(a, b)), lambda a, b, y: sigmoid(_gap(b, a)),
    formula="y = log(eᵃ + eᵇ),   ∂y/∂a = σ(a - b), ∂y/∂b = σ(b - a)", kink="½ and ½ at ties, infinite ones too",
    flat=lambda i, a, b: ("saturated", f"{{node}} has lost its argument {{{i}}} against {{{1 - i}}}"),
    saturates=True, source="Higham, Blanchard & Higham, IMA J. Numer. Anal. 41 (2021)", ulp=(2.0, 4.0),
    expression=_log_of_sum, numpy="logaddexp", symmetric=True,
    reference=lambda mp, a, b: max(a, b) + mp.log1p(mp.exp(-abs(a - b))))


def _gap(a: Any, b: Any) -> Any:
    """a - b, and 0 also where a and b are the same infinity."""
    return where(less(abs(a), inf) + less(a, b) + less(b, a), a - b, 0.0)


# ---------------------------------------------------------------------------------------------------- trigonometry

sin: One = libm(
    "sin", ieee.sin, lambda x, y: cos(x), formula="y = sin x,   dy/dx = cos x", source=f"{AS} 4.3", ulp=(1.0, 1.0),
    latex=r"\sin {0}")
cos: One = libm(
    "cos", ieee.cos, lambda x, y: -sin(x), formula="y = cos x,   dy/dx = -sin x", source=f"{AS} 4.3", ulp=(1.0, 1.0),
    latex=r"\cos {0}")
tan: One = libm(
    "tan", ieee.tan, lambda x, y: 1.0 + y * y, formula="y = tan x,   dy/dx = 1 + y²", source=f"{AS} 4.3",
    ulp=(1.0, 2.0), latex=r"\tan {0}")
asin: One = rule(
    "asin", ieee.asin, lambda x, y: inv(sqrt((1.0 - x) * (1.0 + x))), domain=(UNIT,),
    formula="y = asin x,   dy/dx = 1/√((1-x)(1+x))", kink="inf at ±1", kinks=(-1.0, 1.0), source=f"{AS} 4.4",
    ulp=(1.0, 3.0), numpy="arcsin", c="asin", latex=r"\arcsin {0}")
acos: One = rule(
    "acos", ieee.acos, lambda x, y: -inv(sqrt((1.0 - x) * (1.0 + x))), domain=(UNIT,),
    formula="y = acos x,   dy/dx = -1/√((1-x)(1+x))", kink="-inf at ±1", kinks=(-1.0, 1.0), source=f"{AS} 4.4",
    ulp=(1.0, 3.0), numpy="arccos", c="acos", latex=r"\arccos {0}")
atan: One = rule(
    "atan", math.atan, lambda x, y: where(less(1e154, abs(x)), inv(x) * inv(x), inv(1.0 + x * x)),  # x² overflows
    formula="y = atan x,   dy/dx = 1/(1 + x²)", saturates=True, source=f"{AS} 4.4", ulp=(1.0, 3.0), numpy="arctan",
    c="atan", latex=r"\arctan {0}")
hypot: Several = libm(
    "hypot", ieee.hypot, lambda x, y, h: _over_length(x, x, y, h), lambda x, y, h: _over_length(y, x, y, h),
    formula="h = √(x² + y²),   ∂h/∂x = x/h, ∂h/∂y = y/h", kink="0 at the origin",
    kinks=lambda x, y: (() if y else ((0, 0.0),)) + (() if x else ((1, 0.0),)), flat=_flat_at_origin, source=C99,
    ulp=(1.0, 3.0), symmetric=True, latex=r"\sqrt{{{0}^2 + {1}^2}}")
atan2: Several = rule(
    "atan2", math.atan2, lambda y, x, t: _over_squared_length(x, x, y), lambda y, x, t: -_over_squared_length(y, x, y),
    formula="t = atan2(y, x),   ∂t/∂y = x/(x² + y²), ∂t/∂x = -y/(x² + y²)", kink="0 at the origin",
    kinks=lambda y, x: ((0, 0.0),) if x <= 0.0 else (), flat=_flat_at_origin, saturates=True, source=C99,
    ulp=(1.0, 3.0), numpy="arctan2", c="atan2")


def _over_length(a: Any, x: Any, y: Any, h: Any) -> Any:
    """a/h with h = hypot(x, y); of x, y and a scaled where h overflows or has lost digits below the normal doubles."""
    scale = where(less(h, 1e-290), 2.0**100, 0.5)
    in_range = less(1e-290, h) * less(h, inf)
    return where(h, where(in_range, div(a, h), div(scale * a, hypot(scale * x, scale * y))), 0.0)


def _over_squared_length(a: Any, x: Any, y: Any) -> Any:
    """(a/h)/h with h = hypot(x, y): no square that overflows."""
    h = hypot(x, y)
    once = _over_length(a, x, y, h)
    return where(h, where(less(h, inf), div(once, h), 0.5 * div(once, hypot(0.5 * x, 0.5 * y))), 0.0)


sinc: One = rule(
    "sinc", ieee.sinc, lambda x, y: sinc_derivative(x, 1.0), formula="y = sin(πx)/(πx),   y(0) = 1", saturates=True,
    source="NumPy sinc (the normalised function)", reference="sincpi")
sinc_derivative: Several = rule(
    "sinc_derivative", ieee.sinc_derivative, lambda x, n, y: sinc_derivative(x, n + 1.0), nan,
    domain=(REAL, ORDER), formula="y = dⁿ/dxⁿ sinc x;  n a constant integer",
    source="u·Sₙ + n·Sₙ₋₁ = sin(u + nπ/2)", helper=True)
degrees: One = rule(
    "degrees", math.degrees, 180.0 / pi, formula="y = 180x/π,   dy/dx = 180/π", source="definition", ulp=(2.0, 1.0),
    expression=lambda x: x * (180.0 / pi), numpy="degrees")
radians: One = rule(
    "radians", math.radians, pi / 180.0, formula="y = πx/180,   dy/dx = π/180", source="definition", ulp=(2.0, 1.0),
    expression=lambda x: x * (pi / 180.0), numpy="radians")

# ------------------------------------------------------------------------------------------------------- hyperbolic

sinh: One = libm(
    "sinh", ieee.sinh, lambda x, y: cosh(x), formula="y = sinh x,   dy/dx = cosh x", source=f"{AS} 4.5", ulp=(2.0, 2.0),
    latex=r"\sinh {0}")
cosh: One = libm(
    "cosh", ieee.cosh, lambda x, y: sinh(x), formula="y = cosh x,   dy/dx = sinh x", source=f"{AS} 4.5", ulp=(2.0, 2.0),
    latex=r"\cosh {0}")
tanh: One = libm(
    "tanh", math.tanh, lambda x, y: sech_squared(x),  # not 1 - y²: 0 at x = 20, where the truth is 1.7e-17
    formula="y = tanh x,   dy/dx = sech² x", saturates=True, steepest=1.0, source=f"{AS} 4.5", ulp=(2.5, 4.0),
    latex=r"\tanh {0}")


def _sech_squared(x: Any) -> Any:
    e = exp(-2.0 * abs(x))
    return div(4.0 * e, (1.0 + e) * (1.0 + e))


sech_squared: One = rule(
    "sech_squared", ieee.sech_squared, lambda x, y: -2.0 * tanh(x) * y,
    formula="y = sech² x = 4e/(1+e)², e = e^-2|x|,   dy/dx = -2·tanh x·y", saturates=True, source=f"{AS} 4.5",
    ulp=(4.0, 8.0), expression=_sech_squared, latex=r"\operatorname{{sech}}^2 {0}", helper=True)
asinh: One = rule(
    "asinh", math.asinh, lambda x, y: inv(hypot(1.0, x)), formula="y = asinh x,   dy/dx = 1/√(1 + x²)", saturates=True,
    source=f"{AS} 4.6", ulp=(2.0, 2.0), numpy="arcsinh", c="asinh")
acosh: One = rule(
    "acosh", ieee.acosh, lambda x, y: where(less(1e150, x), inv(x), inv(sqrt((x - 1.0) * (x + 1.0)))),  # x² overflows
    domain=(Interval(1.0, inf),), formula="y = acosh x,   dy/dx = 1/√((x-1)(x+1))", kink="inf at 1", kinks=(1.0,),
    saturates=True, source=f"{AS} 4.6", ulp=(2.5, 3.0), numpy="arccosh", c="acosh")
atanh: One = rule(
    "atanh", ieee.atanh, lambda x, y: inv((1.0 - x) * (1.0 + x)), domain=(OPEN_UNIT,),
    formula="y = atanh x,   dy/dx = 1/((1-x)(1+x))", source=f"{AS} 4.6", ulp=(2.0, 3.0), numpy="arctanh", c="atanh")

# ------------------------------------------------------------------------------------------------- special functions

erf: One = rule(
    "erf", math.erf, lambda x, y: TWO_OVER_SQRT_PI * exp(-x * x), formula="y = erf x,   dy/dx = 2/√π·e^-x²",
    saturates=True, source=f"{AS} 7.1", ulp=(1.5, lambda x: 4.0 + x * x), c="erf")
erfc: One = rule(
    "erfc", math.erfc, lambda x, y: -TWO_OVER_SQRT_PI * exp(-x * x), formula="y = 1 - erf x,   dy/dx = -2/√π·e^-x²",
    saturates=True, source=f"{AS} 7.1", ulp=(4.0, lambda x: 4.0 + x * x), c="erfc")


def _size(y: float) -> float:
    """|y|, for bounds that grow near a zero of y."""
    return builtins.max(builtins.abs(y), 1e-300)


gamma: One = rule(
    "gamma", ieee.gamma, lambda x, y: y * digamma(x), domain=(POSITIVE,), formula="y = Γ(x),   dy/dx = Γ(x)·ψ(x)",
    source=f"{AS} 6.1", ulp=(12.0, lambda x: 24.0 + 16.0 / _size(ieee.digamma(x))), c="tgamma({0})", latex=r"\Gamma({0})")
lgamma: One = rule(
    "lgamma", ieee.lgamma, lambda x, y: digamma(x), domain=(POSITIVE,), formula="y = log |Γ(x)|,   dy/dx = ψ(x)",
    source=f"{AS} 6.1", ulp=(lambda x: 8.0 + 32.0 / _size(ieee.lgamma(x)), lambda x: 8.0 + 8.0 / _size(ieee.digamma(x))),
    c="lgamma({0})", latex=r"\log|\Gamma({0})|", reference="loggamma")
digamma: One = rule(
    "digamma", ieee.digamma, lambda x, y: polygamma(1.0, x), domain=(POSITIVE,), formula="y = ψ(x),   dy/dx = ψ⁽¹⁾(x)",
    source=f"{AS} 6.3", ulp=(lambda x: 8.0 + 8.0 / _size(ieee.digamma(x)), 12.0), latex=r"\psi({0})")
polygamma: Several = rule(
    "polygamma", ieee.polygamma, nan, lambda n, x, y: polygamma(n + 1.0, x), domain=(ORDER, POSITIVE),
    formula="y = ψ⁽ⁿ⁾(x),   ∂y/∂x = ψ⁽ⁿ⁺¹⁾(x);  n a constant integer", source=f"{AS} 6.4",
    ulp=(lambda n, x: 12.0 if x > 0.0 else 48.0, lambda n, x: 16.0 if x > 0.0 else 64.0),
    latex=r"\psi^{{({0})}}({1})")

# ------------------------------------------------------------------------------------------- the normal distribution


def normal_density(x: Any) -> Any:
    """e^(-x²/2)/√(2π); x² as h² + (x - h)(x + h), where h² is exact."""
    h = where(less(abs(x), 40.0), trunc(16.0 * x) * 0.0625, 0.0)
    return exp(-0.5 * h * h) * exp(-0.5 * (x - h) * (x + h)) * (0.5 * SQRT_HALF * TWO_OVER_SQRT_PI)


def _ndtr(x: Any) -> Any:
    """½·erfc(-x/√2): the quotient in two parts, of which erfc takes the first, and its slope the second."""
    v = where(less(abs(x), 40.0), x, 0.0)
    high = v * 134217729.0 - (v * 134217729.0 - v)  # 26 bits, as of the root: Veltkamp's and Dekker's product
    low, t = v - high, -SQRT_HALF * v
    lost = ((-_ROOT_HIGH * high - t) - _ROOT_LOW * high - _ROOT_HIGH * low) - _ROOT_LOW * low
    return 0.5 * erfc(-SQRT_HALF * x) - 0.5 * TWO_OVER_SQRT_PI * exp(-t * t) * (lost - _ROOT_ERROR * v)


SQRT_HALF = math.sqrt(0.5)
_ROOT_HIGH, _ROOT_LOW, _ROOT_ERROR = 0.7071067839860916, -2.7995440410322203e-09, -4.833646656726457e-17
ndtr: One = rule(
    "ndtr", _ndtr, lambda x, y: normal_density(x), formula="y = Φ(x),   dy/dx = φ(x) = e^(-x²/2)/√(2π)", saturates=True,
    source=f"{AS} 26.2", ulp=(4.0, 5.0), expression=_ndtr, latex=r"\Phi({0})", reference="ncdf")
moment_ratio: Several = rule(
    "moment_ratio", ieee.moment_ratio, lambda t, n, y: -y * (moment_ratio(t, n + 1.0) - y), nan,
    domain=(Interval(2.5, inf), Interval(1.0, 80.0, whole=True)),
    formula="y = Mₙ/Mₙ₋₁, Mₙ = ∫₀^∞ uⁿ e^(-tu - u²/2) du,   ∂y/∂t = -y·(Mₙ₊₁/Mₙ - y);  n a constant integer",
    source=f"{AS} 26.2.14 (Laplace)", ulp=(3.0, lambda t, n: 12.0 + 4.0 * n),
    expression=lambda t, n: ieee.moment_ratio(t, n, div, sqrt), helper=True)


def _log_ndtr(x: Any) -> Any:
    tail = -0.5 * x * x - 0.5 * math.log(2.0 * pi) - log(_far_hazard(x))
    return where(less(x, -2.5), tail, where(less(x, 0.0), log(ndtr(x)), log1p(-ndtr(-x))))


def _far_hazard(x: Any) -> Any:
    return moment_ratio(-x, 1.0) - x


def _hazard(x: Any) -> Any:
    """φ(x)/Φ(x): of its derivatives none cancels far out, as -y·(x + y) would."""
    return where(less(x, -2.5), _far_hazard(x), div(normal_density(x), ndtr(x)))


def _log_ndtr_in_mpmath(mp: Any, x: Any) -> Any:
    if x > -1000:
        return mp.log1p(-mp.ncdf(-x)) if x > 0 else mp.log(mp.ncdf(x))
    total = mp.nsum(lambda k: mp.fac2(2 * k - 1) * (-1) ** int(k) / x ** (2 * k), [0, 40])
    return -x * x / 2 - mp.log(-x * mp.sqrt(2 * mp.pi)) + mp.log(total)


log_ndtr: One = rule(
    "log_ndtr", _log_ndtr, lambda x, y: _hazard(x), formula="y = log Φ(x),   dy/dx = φ(x)/Φ(x)", saturates=True,
    source=f"{AS} 26.2", ulp=(4.0, 6.0), expression=_log_ndtr, latex=r"\log \Phi({0})", reference=_log_ndtr_in_mpmath)



def _erfcx(x: Any) -> Any:
    """e^(x²)·erfc x, with x² as h² + (x - h)(x + h), where h² is exact; from 1.8 on by the fraction of the tail."""
    v = where(less(-30.0, x), minimum(x, 2.0), -30.0)
    h = trunc(16.0 * v) * 0.0625
    near = exp(h * h) * (exp((v - h) * (v + h)) * erfc(v))
    t = x / SQRT_HALF
    return where(less(x, 1.8), near, div(SQRT_HALF * TWO_OVER_SQRT_PI, t + moment_ratio(t, 1.0)))


erfcx: One = rule(
    "erfcx", _erfcx,
    lambda x, y: where(less(x, 1.8), 2.0 * x * y - TWO_OVER_SQRT_PI, -(y / SQRT_HALF) * moment_ratio(x / SQRT_HALF, 1.0)),
    formula="y = e^(x²)·erfc x,   dy/dx = 2x·y - 2/√π", saturates=True, source=f"{AS} 7.1; 26.2.14 (Laplace)",
    ulp=(4.0, 24.0), expression=_erfcx, latex=r"\operatorname{{erfcx}}({0})",
    reference=lambda mp, x: mp.exp(x * x) * mp.erfc(x))


# Of quotients of polynomials, highest powers first: in the middle, in the tails, and far out.
_QUANTILES = (
    ((2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457, 13731.693765509461125,
      1971.5909503065514427, 133.14166789178437745, 3.387132872796366608),
     (5226.495278852545925, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867, 5394.1960214247511077,
      687.1870074920579083, 42.313330701600911252, 1.0)),
    ((7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
      3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734),
     (1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
      0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0)),
    ((2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386, 0.026532189526576123093,
      0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772),
     (2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
      0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1.0)),
)


def _sum(x: Any, *coefficients: float) -> Any:
    return functools.reduce(lambda total, c: total * x + c, coefficients)


def _quantile(q: Any, m: Any) -> Any:
    """The number at which Φ is ½ + q, where m is ½ - |q|."""
    r = sqrt(-log(where(m, m, 0.5)))
    places = (0.180625 - q * q, r - 1.6, r - 5.0)
    middle, tail, far = (div(_sum(x, *top), _sum(x, *bottom)) for x, (top, bottom) in zip(places, _QUANTILES, strict=True))
    size = where(m, where(less(r, 5.0), tail, far), inf)
    return where(less(abs(q), 0.425), q * middle, where(less(q, 0.0), -size, size))


def _quantile_slope(y: Any, m: Any) -> Any:
    """1/φ(y), where Φ(-|y|) = m: by m where φ would lose y² ULP."""
    return where(less(abs(y), 1.0), inv(normal_density(y)), where(m, inv(m * _hazard(-abs(y))), inf))


def _ndtri(p: Any) -> Any:
    return _quantile(p - 0.5, _smaller_part(p))


def _smaller_part(p: Any) -> Any:
    return where(less(p, 0.5), p, 1.0 - p)


def _ndtri_in_mpmath(mp: Any, p: Any) -> Any:
    if p > 0.5:
        return -_ndtri_in_mpmath(mp, 1 - p)
    y, logarithm = mp.mpf(_ndtri(float(p))), mp.log(p)
    for _ in range(int(math.log2(mp.dps))):  # Newton's method
        y -= (mp.log(mp.ncdf(y)) - logarithm) * mp.ncdf(y) / mp.npdf(y)
    return y


ndtri: One = rule(
    "ndtri", _ndtri, lambda p, y: _quantile_slope(y, _smaller_part(p)), domain=(Interval(0.0, 1.0, open_ends=True),),
    formula="Φ(y) = p,   dy/dp = 1/φ(y)", kink="inf at 0 and 1", source="Wichura, Applied Statistics 37 (1988), AS 241",
    ulp=(7.0, 8.0), expression=_ndtri, latex=r"\Phi^{{-1}}({0})", reference=_ndtri_in_mpmath)


def _erfinv(x: Any) -> Any:
    return SQRT_HALF * _quantile(0.5 * x, 0.5 * (1.0 - abs(x)))


erfinv: One = rule(
    "erfinv", _erfinv, lambda x, y: 0.5 * SQRT_HALF * _quantile_slope(y / SQRT_HALF, 0.5 * (1.0 - abs(x))),
    domain=(OPEN_UNIT,), formula="erf y = x,   dy/dx = √π/2·e^y²", kink="inf at ±1", source="erf y = 2Φ(√2·y) - 1",
    ulp=(7.0, 8.0), expression=_erfinv, latex=r"\operatorname{{erf}}^{{-1}}({0})", reference="erfinv")

# ------------------------------------------------------------------------------------------ gamma and beta functions


def _log1pmx(w: Any) -> Any:
    """With v = w/(2 + w): log(1 + w) = 2·artanh v, and 2v - w = -w·v."""
    v = div(w, 2.0 + w)
    near = v * (2.0 * v * v * _sum(v * v, *[1.0 / (2.0 * j + 3.0) for j in range(17, -1, -1)]) - w)
    return where(less(-0.5, w) * less(w, 1.0), near, where(less(w, inf), log1p(w) - w, -w))


log1pmx: One = rule(
    "log1pmx", _log1pmx, lambda w, y: where(less(w, 1.0), -div(w, 1.0 + w), inv(1.0 + w) - 1.0),
    domain=(Interval(-1.0, inf, open_ends=True),),
    formula="y = log(1 + w) - w,   dy/dw = -w/(1 + w)", source="Loader 2000; R's log1pmx", ulp=(4.0, 2.5),
    expression=_log1pmx, reference=lambda mp, w: mp.log1p(w) - w, helper=True)


def _log_ratio(x: Any, m: Any) -> Any:
    """log(x/m): exact to some ULP where x and m are near to each other, and where x/m over- or underflows."""
    r, q = div(x - m, m), div(x, m)
    far = where(less(1e-300, q) * less(q, 1e300), log(q), log(x) - log(m))
    return where(less(abs(r), 0.5), log1p(r), far)


def _kl_div(x: Any, m: Any) -> Any:
    r = div(m - x, x)
    apart = x * _log_ratio(x, m) + (m - x)
    finite = where(less(-0.5, r) * less(r, 1.0), -x * log1pmx(r), apart)
    found = where(x, where(less(x, inf) * less(m, inf), finite, where(less(x, m) + less(m, x), inf, nan)), m)
    return where((1.0 - less(x, 0.0)) * (1.0 - less(m, 0.0)), found, inf)


def _kl_div_in_mpmath(mp: Any, x: Any, m: Any) -> Any:
    with mp.workdps(3 * mp.dps):  # the terms cancel
        return x * mp.log(x / m) - x + m


kl_div: Several = rule(
    "kl_div", _kl_div, lambda x, m, y: _log_ratio(x, m),
    lambda x, m, y: where(less(2.0 * x, m), 1.0 - div(x, m), div(m - x, m)), domain=(POSITIVE, POSITIVE),
    formula="y = x·log(x/m) - x + m,   ∂y/∂x = log(x/m), ∂y/∂m = (m - x)/m", kink="y = m at x = 0",
    flat=_flat_difference, source="SciPy special.kl_div; Loader 2000", ulp=(10.0, 4.0), expression=_kl_div,
    reference=_kl_div_in_mpmath)
stirling_error: Several = rule(
    "stirling_error", special.stirling_error, lambda x, n, y: stirling_error(x, n + 1.0), nan, domain=(POSITIVE, ORDER),
    formula="y = dⁿ/dxⁿ (log Γ(x) - (x - ½)·log x + x - ½·log 2π);  n a constant integer", saturates=True,
    source=f"{AS} 6.1.40", ulp=(16.0, 16.0), helper=True)
polygamma_gap: Several = rule(
    "polygamma_gap", special.polygamma_gap, lambda x, a, n, y: polygamma_gap(x, a, n + 1.0),
    lambda x, a, n, y: polygamma(n + 1.0, x + a), nan, domain=(POSITIVE, POSITIVE, ORDER),
    reference=lambda mp, x, a, n: mp.psi(n, x + a) - mp.psi(n, x),
    formula="y = ψ⁽ⁿ⁾(x + a) - ψ⁽ⁿ⁾(x),   ∂y/∂x = ψ⁽ⁿ⁺¹⁾(x + a) - ψ⁽ⁿ⁺¹⁾(x), ∂y/∂a = ψ⁽ⁿ⁺¹⁾(x + a);  n a constant integer",
    saturates=True, source=f"{AS} 6.4.6 and 6.4.11", ulp=(8.0, 16.0), helper=True)
betaln: Several = rule(
    "betaln", special.betaln, lambda a, b, y: -polygamma_gap(a, b, 0.0), lambda a, b, y: -polygamma_gap(b, a, 0.0),
    domain=(POSITIVE, POSITIVE), formula="y = log |B(a, b)|,   ∂y/∂a = ψ(a) - ψ(a + b), ∂y/∂b = ψ(b) - ψ(a + b)",
    saturates=True, symmetric=True, source=f"{AS} 6.2; Loader 2000",
    ulp=(lambda a, b: 8.0 + 8.0 / _size(special.betaln(a, b)), 4.0),
    reference=lambda mp, a, b: mp.re(mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)))


def gamma_density(x: Any, a: Any) -> Any:
    """xᵃ⁻¹·e⁻ˣ/Γ(a): as it stands, or by Stirling's formula where powers are large (Loader 2000)."""
    plain = pow(x, a - 1.0) * exp(-x) / gamma(a)
    mass = exp(-stirling_error(a, 0.0) - kl_div(a, x)) * sqrt(a * (0.5 / pi))
    large = where(mass, div(mass, x), 0.0)  # 0 times 1/x² of a derivative would be nan
    return where(where(x, less(a, 20.0) * less(x, 700.0), 1.0), plain, large)


def _spread_of_gamma(a: float, x: float) -> float:
    """How much one rounding in the exponent of xᵃ·e⁻ˣ moves the tails."""
    return builtins.min(special.kl_div(a, x), 750.0) if a > 0.0 < x else 0.0


gammainc: Several = rule(
    "gammainc", special.gammainc, lambda a, x, y: gammainc_by_a(x, a, 1.0), lambda a, x, y: gamma_density(x, a),
    domain=(POSITIVE, NON_NEGATIVE),
    formula="y = P(a, x) = ∫₀ˣ tᵃ⁻¹e⁻ᵗ dt/Γ(a),   ∂y/∂x = xᵃ⁻¹e⁻ˣ/Γ(a), ∂y/∂a by the derivatives of the series",
    saturates=True, source=f"{AS} 6.5.29, 6.5.31; Temme 1979", ulp=(lambda a, x: 60.0 + 8.0 * _spread_of_gamma(a, x),
    lambda a, x: 100.0 + 8.0 * _spread_of_gamma(a, x)),
    reference=lambda mp, a, x: mp.gammainc(a, 0, x, regularized=True))
gammaincc: Several = rule(
    "gammaincc", special.gammaincc, lambda a, x, y: -gammainc_by_a(x, a, 1.0), lambda a, x, y: -gamma_density(x, a),
    domain=(POSITIVE, NON_NEGATIVE),
    formula="y = Q(a, x) = 1 - P(a, x),   ∂y/∂x = -xᵃ⁻¹e⁻ˣ/Γ(a), ∂y/∂a by the derivatives of the continued fraction",
    saturates=True, source=f"{AS} 6.5.31; Gautschi 1979", ulp=(lambda a, x: 60.0 + 8.0 * _spread_of_gamma(a, x),
    lambda a, x: 100.0 + 8.0 * _spread_of_gamma(a, x)),
    reference=lambda mp, a, x: mp.gammainc(a, x, mp.inf, regularized=True))
gammainc_by_a: Several = rule(
    "gammainc_by_a", incomplete.gammainc_by_a, lambda x, a, n, y: gamma_density_by_a(x, a, n),
    lambda x, a, n, y: gammainc_by_a(x, a, n + 1.0), nan, domain=(POSITIVE, POSITIVE, ORDER),
    formula="y = ∂ⁿP(a, x)/∂aⁿ;  n ≥ 1 a constant integer", saturates=True,
    source="Taylor series in a of the series and the fraction of P and Q; an integral for large a", helper=True)
gamma_density_by_a: Several = rule(
    "gamma_density_by_a", special.gamma_density_by_a,
    lambda x, a, n, y: y * (div(a - 1.0, x) - 1.0) + n * div(gamma_density_by_a(x, a, n - 1.0), x),
    lambda x, a, n, y: gamma_density_by_a(x, a, n + 1.0), nan, domain=(POSITIVE, POSITIVE, ORDER),
    formula="y = fₙ = ∂ⁿ/∂aⁿ xᵃ⁻¹e⁻ˣ/Γ(a),   ∂y/∂x = fₙ·((a - 1)/x - 1) + n·fₙ₋₁/x, ∂y/∂a = fₙ₊₁;  n a constant integer",
    saturates=True, source="f′/f = log x - ψ(a), Leibniz", helper=True)


def log_beta_density(x: Any, a: Any, b: Any, *, power: float = 1.0) -> Any:
    """log(xᵃ⁻¹·(1 - x)ᵇ⁻¹/B(a, b)): by Stirling's formula (Loader 2000) for large a + b, else as it stands.

    With a power of 0 that of x times the density.
    """
    n = a + b
    rest = stirling_error(n, 0.0) - stirling_error(a, 0.0) - stirling_error(b, 0.0)
    # a·b/n, whose product may not overflow, nor b/n underflow
    spread = 0.5 * (log(minimum(a, b)) + log(div(maximum(a, b), n))) - 0.5 * math.log(2.0 * pi)
    inside = rest - kl_div(a, n * x) - kl_div(b, n * (1.0 - x)) + spread
    inside = (inside - log(x) if power else inside) - log1p(-x)
    plain = xlogy(a - power, x) + xlog1py(b - 1.0, -x) - betaln(a, b)
    return where(less(1e-100, x) * less(x, 1.0) * less(20.0, n), inside, plain)


def beta_density(x: Any, a: Any, b: Any) -> Any:
    """xᵃ⁻¹·(1 - x)ᵇ⁻¹/B(a, b) by its logarithm, or as it stands at 0 and 1, where that has infinite slopes."""
    inside = x * (1.0 - x)
    a_there, b_there = where(inside, 1.0, a), where(inside, 1.0, b)
    plain = pow(x, a_there - 1.0) * pow(1.0 - x, b_there - 1.0) * exp(-betaln(a_there, b_there))
    return where(inside, exp(log_beta_density(x, a, b)), plain)


def log_gamma_density(x: Any, a: Any, *, power: float = 1.0) -> Any:
    """log(xᵃ⁻¹·e⁻ˣ/Γ(a)) by Stirling's formula (Loader 2000), or as it stands at 0; the power as for `log_beta_density`."""
    spread = 0.5 * log(a * (0.5 / pi))
    inside = (spread - log(x) if power else spread) - stirling_error(a, 0.0) - kl_div(a, x)
    return where(x, inside, xlogy(a - power, x) - lgamma(a) - x)


def log_t_density(y: Any, v: Any) -> Any:
    """The logarithm of Student's density, by Stirling's formula: no digit is lost where v is large."""
    h, z = 0.5 * v, div(y, sqrt(v))
    w = z * z
    near = -0.5 * y * y - h * log1pmx(w) - 0.5 * log1p(w)  # -(h + ½)·log(1 + w), with h·w = y²/2
    far = log(abs(y)) - 0.5 * log(v)  # log z, of which the second derivative by v has no 1/z² that underflows
    size = where(less(w, 1.0), near, -(v + 1.0) * where(less(w, 1e100), log(hypot(1.0, z)), far))
    few = less(v, 1.0)  # where 1/v² of a derivative may overflow
    power = where(few, h * (log1p(v) - log(v)) - 0.5, h * log1pmx(inv(where(few, 1.0, v))))
    rest = power + stirling_error(h + 0.5, 0.0) - stirling_error(h, 0.0)
    return where(less(v, inf), size + rest, -0.5 * y * y) - 0.5 * math.log(2.0 * pi)


def _incomplete_beta(name: str, value: Any, sign: float, formula: str) -> Any:
    return rule(
        name, value, lambda a, b, x, y: sign * betainc_by(a, b, x, 10.0), lambda a, b, x, y: sign * betainc_by(a, b, x, 1.0),
        lambda a, b, x, y: sign * beta_density(x, a, b), domain=(POSITIVE, POSITIVE, Interval(0.0, 1.0)),
        formula=f"{formula}xᵃ⁻¹(1 - x)ᵇ⁻¹/B(a, b);  by a and b integrals of the derivatives of that", saturates=True,
        source="DLMF 8.17.22", helper=True)


lower_beta: Several = _incomplete_beta("lower_beta", special.betainc, 1.0, "y = I(x; a, b),   ∂y/∂x = ")
upper_beta: Several = _incomplete_beta("upper_beta", special.betaincc, -1.0, "y = 1 - I(x; a, b),   ∂y/∂x = -")
betainc_by: Several = rule(
    "betainc_by", incomplete.betainc_by, lambda a, b, x, n, y: betainc_by(a, b, x, n + 10.0),
    lambda a, b, x, n, y: betainc_by(a, b, x, n + 1.0), lambda a, b, x, n, y: beta_density_by(a, b, x, n), nan,
    domain=(POSITIVE, POSITIVE, Interval(0.0, 1.0), ORDER), saturates=True,
    formula="y = ∂ⁱ⁺ʲI(x; a, b)/∂aⁱ∂bʲ, n = 10·i + j ≥ 1;  n a constant integer, nan unless a and b are 10⁻⁶ … 10⁸",
    source="adaptive quadrature on the side of x where the integrand falls", helper=True)


def _density_slope(a: Any, b: Any, x: Any, n: Any, y: Any) -> Any:
    """((a - 1)/x - (b - 1)/(1 - x))·density, differentiated i times by a and j times by b."""
    i = floordiv(n, 10.0)
    j = n - 10.0 * i
    by_a = where(i, i * div(beta_density_by(a, b, x, where(i, n - 10.0, n)), x), 0.0)
    by_b = where(j, j * div(beta_density_by(a, b, x, where(j, n - 1.0, n)), 1.0 - x), 0.0)
    return y * (div(a - 1.0, x) - div(b - 1.0, 1.0 - x)) + by_a - by_b


beta_density_by: Several = rule(
    "beta_density_by", incomplete.beta_density_by, lambda a, b, x, n, y: beta_density_by(a, b, x, n + 10.0),
    lambda a, b, x, n, y: beta_density_by(a, b, x, n + 1.0), _density_slope, nan,
    domain=(POSITIVE, POSITIVE, Interval(0.0, 1.0), ORDER), saturates=True,
    formula="y = ∂ⁱ⁺ʲ/∂aⁱ∂bʲ xᵃ⁻¹(1 - x)ᵇ⁻¹/B(a, b), n = 10·i + j;  n a constant integer",
    source="Bell's polynomials, Leibniz", helper=True)


def _t_score(y: Any, v: Any) -> Any:
    """∂/∂v of the logarithm of Student's density, without its terms of order 1/v, which cancel."""
    h, u, z = 0.5 * v, inv(v), div(y, sqrt(v))
    share = square(div(z, hypot(1.0, z)))
    w = where(less(abs(z), 1.0), z * z, 0.0)
    gap = where(less(abs(z), 1.0), -log1pmx(w) - w * share, share - 2.0 * log(hypot(1.0, z)))
    constant = log1pmx(u) + u * div(u, 1.0 + u) + stirling_error(h + 0.5, 1.0) - stirling_error(h, 1.0)
    return 0.5 * (constant + gap + u * share)


t_cdf: Several = rule(
    "t_cdf", special.t_cdf, lambda y, v, p: exp(log_t_density(y, v)), lambda y, v, p: t_cdf_by_df(y, v, 1.0),
    domain=(REAL, POSITIVE),
    formula="p = ½ + ½·sign y·I(y²/(v + y²); ½, v/2),   ∂p/∂y = the density of Student's t", saturates=True,
    source=f"{AS} 26.7", helper=True)
t_cdf_by_df: Several = rule(
    "t_cdf_by_df", incomplete.t_cdf_by_df,
    lambda y, v, n, p: where(less(n, 1.5), _t_score(y, v), nan) * exp(log_t_density(y, v)),
    lambda y, v, n, p: t_cdf_by_df(y, v, n + 1.0), nan, domain=(REAL, POSITIVE, ORDER), saturates=True,
    formula="y = ∂ⁿ/∂vⁿ of Student's distribution function, n = 1, 2;  n a constant, nan unless v is 10⁻³ … 10¹²",
    source="adaptive quadrature on the side of y where the integrand falls", helper=True)

# --------------------------------------------------------------------------------------------------------- quantiles


# Slopes are y over y times the density, by its logarithm: neither 1/y² nor the square of a small density is needed for
# derivatives of them.


def _moved(change: Any, y: Any, log_mass: Any) -> Any:
    """-change over the density; 0 at an end of the support, where change is 0."""
    return where(change, -y * (change * exp(-log_mass)), 0.0)


def _inverse_density(inside: Any, y: Any, log_mass: Any, shape: Any, density: Any) -> Any:
    """One over the density; at an end of the support, by whose shape the quantile is flat below ½, for two derivatives."""
    return where(inside, y * exp(-log_mass), where(less(shape, 0.5), 0.0, inv(density)))


def _quantile_of_gamma(name: str, value: Any, sign: float, formula: str) -> Any:
    mass: Any = lambda y, a: log_gamma_density(y, a, power=0.0)  # noqa: E731
    return rule(
        name, value, lambda a, p, y: _moved(gammainc_by_a(y, a, 1.0), y, mass(y, a)),
        lambda a, p, y: sign * _inverse_density(y, y, mass(y, a), a, gamma_density(y, a)),
        domain=(POSITIVE, Interval(0.0, 1.0)), saturates=True,
        formula=f"{formula} = p,   ∂y/∂p = 1/(∂P/∂y), ∂y/∂a = -(∂P/∂a)/(∂P/∂y)", source="implicit function theorem",
        helper=True)


def _quantile_of_beta(name: str, value: Any, sign: float, formula: str) -> Any:
    mass: Any = lambda y, a, b: log_beta_density(y, a, b, power=0.0)  # noqa: E731
    return rule(
        name, value, lambda a, b, p, y: _moved(betainc_by(a, b, y, 10.0), y, mass(y, a, b)),
        lambda a, b, p, y: _moved(betainc_by(a, b, y, 1.0), y, mass(y, a, b)),
        lambda a, b, p, y: sign * _inverse_density(
            y * (1.0 - y), y, mass(y, a, b), where(y, b, a), exp(log_beta_density(y, a, b))),
        domain=(POSITIVE, POSITIVE, Interval(0.0, 1.0)),
        formula=f"{formula} = p,   ∂y/∂p = 1/(∂I/∂y), ∂y/∂a = -(∂I/∂a)/(∂I/∂y)", saturates=True,
        source="implicit function theorem", helper=True)


gamma_quantile: Several = _quantile_of_gamma("gamma_quantile", incomplete.gamma_quantile, 1.0, "P(a, y)")
upper_gamma_quantile: Several = _quantile_of_gamma("upper_gamma_quantile", incomplete.upper_gamma_quantile, -1.0, "Q(a, y)")
beta_quantile: Several = _quantile_of_beta("beta_quantile", incomplete.beta_quantile, 1.0, "I(y; a, b)")
upper_beta_quantile: Several = _quantile_of_beta(
    "upper_beta_quantile", incomplete.upper_beta_quantile, -1.0, "1 - I(y; a, b)")


def _t_part(y: Any, v: Any) -> tuple[Any, Any]:
    """A number and the logarithm of its product with the density: |y| far out, else 1."""
    size = where(less(1.0, abs(y)) * less(abs(y), inf), abs(y), 1.0)
    return size, log_t_density(y, v) + log(size)


def _t_slope(y: Any, v: Any) -> Any:
    size, log_mass = _t_part(y, v)
    return size * exp(-log_mass)


t_quantile: Several = rule(
    "t_quantile", incomplete.t_quantile, lambda p, v, y: _t_slope(y, v),
    lambda p, v, y: _moved(t_cdf_by_df(y, v, 1.0), *_t_part(y, v)), domain=(Interval(0.0, 1.0), POSITIVE),
    formula="F(y, v) = p,   ∂y/∂p = 1/(∂F/∂y), ∂y/∂v = -(∂F/∂v)/(∂F/∂y)", saturates=True, source="implicit function theorem",
    helper=True)


def _steps(name: str, value: Any, parameters: int) -> Any:
    """The quantile of a discrete distribution, a step function of all its arguments."""
    flat = (lambda *arguments: less(arguments[-1], arguments[-1]),) * (parameters + 1)
    domain = (Interval(0.0, 1.0), NON_NEGATIVE, Interval(0.0, 1.0))[: parameters + 1]
    return rule(
        name, value, *flat, nan, domain=(*domain, Interval(0.0, 1.0, whole=True)),
        flat=STEP, formula="y = the least k with F(k) ≥ q, or 1 - F(k) ≤ q if the last argument is 1;   ∂y = 0",
        kink="0 at the jumps", source="definition", helper=True)


poisson_quantile: Several = _steps("poisson_quantile", incomplete.poisson_quantile, 1)
binom_quantile: Several = _steps("binom_quantile", incomplete.binom_quantile, 2)
nbinom_quantile: Several = _steps("nbinom_quantile", incomplete.nbinom_quantile, 2)

# -------------------------------------------------------------------------------------------------- Bessel functions


def _near_zeros(order: float) -> Any:
    """A bound that is one of the amplitude √(2/πx), of which a zero of Jₙ leaves little."""
    return lambda x: 16.0 + 16.0 / (math.sqrt(1.0 + builtins.abs(x)) * _size(special.bessel_j(x, order)))


def _near_zeros_of_slope(x: float) -> float:
    slope = 0.5 * (special.bessel_j(x, 0.0) - special.bessel_j(x, 2.0))
    return 16.0 + 16.0 / (math.sqrt(1.0 + builtins.abs(x)) * _size(slope))


j0: One = rule(
    "j0", special.j0, lambda x, y: -j1(x), formula="y = J₀(x),   dy/dx = -J₁(x)", saturates=True,
    source="DLMF 10.6; Miller's recurrence, Hankel's expansion", ulp=(_near_zeros(0.0), _near_zeros(1.0)),
    reference=lambda mp, x: mp.besselj(0, x))
j1: One = rule(
    "j1", special.j1, lambda x, y: 0.5 * (j0(x) - bessel_j(x, 2.0)),  # not J₀ - J₁/x: 0/0 at 0
    formula="y = J₁(x),   dy/dx = ½(J₀(x) - J₂(x))", saturates=True, source="DLMF 10.6",
    ulp=(_near_zeros(1.0), _near_zeros_of_slope), reference=lambda mp, x: mp.besselj(1, x))
bessel_j: Several = rule(
    "bessel_j", special.bessel_j, lambda x, n, y: 0.5 * (bessel_j(x, n - 1.0) - bessel_j(x, n + 1.0)), nan,
    domain=(REAL, Interval(1.0, 80.0, whole=True)),
    formula="y = Jₙ(x),   ∂y/∂x = ½(Jₙ₋₁(x) - Jₙ₊₁(x));  n a constant integer",
    saturates=True, source="DLMF 10.6", reference=lambda mp, x, n: mp.besselj(n, x), helper=True)
i0: One = rule(
    "i0", special.i0, lambda x, y: i1(x), formula="y = I₀(x),   dy/dx = I₁(x)",
    source="DLMF 10.29; Miller's recurrence, Hankel's expansion", ulp=(10.0, 10.0),
    reference=lambda mp, x: mp.besseli(0, x))
i1: One = rule(
    "i1", special.i1, lambda x, y: 0.5 * (i0(x) + bessel_i(x, 2.0)),
    formula="y = I₁(x),   dy/dx = ½(I₀(x) + I₂(x))", source="DLMF 10.29", ulp=(10.0, 10.0),
    reference=lambda mp, x: mp.besseli(1, x))
bessel_i: Several = rule(
    "bessel_i", special.bessel_i, lambda x, n, y: 0.5 * (bessel_i(x, n - 1.0) + bessel_i(x, n + 1.0)), nan,
    domain=(REAL, Interval(1.0, 80.0, whole=True)),
    formula="y = Iₙ(x),   ∂y/∂x = ½(Iₙ₋₁(x) + Iₙ₊₁(x));  n a constant integer",
    source="DLMF 10.29", ulp=(8.0, 10.0), reference=lambda mp, x, n: mp.besseli(n, x), helper=True)

# ------------------------------------------------------------------------------------------------------- activations


def _logit(p: Any) -> Any:
    m = _smaller_part(p)  # exact from ¼ on, and so is 1 - 2m
    size = where(less(m, 0.25), log1p(-m) - log(m), log1p(div(1.0 - 2.0 * m, m)))
    return where(less(p, 0.5), -size, size)


logit: One = rule(
    "logit", _logit, lambda p, y: inv(p * (1.0 - p) + 0.0), domain=(Interval(0.0, 1.0, open_ends=True),),
    formula="y = log(p/(1 - p)),   dy/dp = 1/(p(1 - p))", kink="inf at 0 and 1", source="inverse of the logistic function",
    ulp=(2.0, 2.5), expression=_logit, reference=lambda mp, p: mp.log(p / (1 - p)))


def _log1mexp(x: Any) -> Any:
    return where(less(LN2, x), log1p(-exp(-x)), log(-expm1(-x)))


log1mexp: One = rule(
    "log1mexp", _log1mexp, lambda x, y: where(less(x, 40.0), inv(expm1(x) + 0.0), exp(-x)), domain=(POSITIVE,),
    formula="y = log(1 - e⁻ˣ),   dy/dx = 1/(eˣ - 1)", kink="inf at 0", source="Mächler 2012, Rmpfr log1mexp", saturates=True,
    ulp=(2.0, 2.5), expression=_log1mexp, reference=lambda mp, x: mp.log(-mp.expm1(-x)))


def _sigmoid(x: Any) -> Any:
    e = exp(-abs(x))
    return div(where(less(x, 0.0), e, 1.0), 1.0 + e)


def _sigmoid_slope(x: Any) -> Any:
    e = exp(-abs(x))
    return div(e, (1.0 + e) * (1.0 + e))


sigmoid: One = rule(
    "sigmoid", ieee.sigmoid, lambda x, y: sigmoid_slope(x),  # not y(1-y): 0 beyond x = 37
    formula="y = 1/(1 + e⁻ˣ),   dy/dx = e/(1+e)², e = e^-|x|", saturates=True, steepest=0.25,
    source="logistic function", ulp=(2.5, 4.0), expression=_sigmoid, latex=r"\sigma({0})",
    reference=lambda mp, x: 1 / (1 + mp.exp(-x)))
sigmoid_slope: One = rule(
    "sigmoid_slope", ieee.sigmoid_slope, lambda x, y: -tanh(0.5 * x) * y, formula="y = σ'(x),   dy/dx = -tanh(x/2)·y",
    saturates=True, source="σ'' = σ'(1 - 2σ), 1 - 2σ = -tanh(x/2)", ulp=(4.0, 8.0), expression=_sigmoid_slope,
    latex=r"\sigma'({0})", helper=True)
softplus: One = rule(
    "softplus", ieee.softplus, lambda x, y: sigmoid(x), formula="y = log(1 + eˣ),   dy/dx = σ(x)", saturates=True,
    steepest=1.0, source="max(x, 0) + log1p(e^-|x|)", ulp=(2.0, 3.0),
    expression=lambda x: maximum(x, 0.0) + log1p(exp(-abs(x))),
    reference=lambda mp, x: mp.log1p(mp.exp(-abs(x))) + max(x, 0))
softsign: One = rule(
    "softsign", ieee.softsign, lambda x, y: square(inv(1.0 + abs(x))),  # not by the rule for quotients, whose terms cancel
    formula="y = x/(1 + |x|),   dy/dx = 1/(1 + |x|)²", saturates=True, source="Turian, Bergstra & Bengio 2009",
    ulp=(1.5, 4.0), expression=lambda x: where(less(abs(x), inf), div(x, 1.0 + abs(x)), sign(x)),
    reference=lambda _, x: x / (1 + abs(x)))
share: Several = rule(
    "share", ieee.share, lambda a, b, y: div(share(b, a), a + b), lambda a, b, y: -div(share(a, b), a + b),
    domain=(NON_NEGATIVE, NON_NEGATIVE), formula="y = a/(a + b),   ∂y/∂a = b/(a + b)², ∂y/∂b = -a/(a + b)²",
    flat=("saturated", "{node} is {y}: a saturated unit of softmax, which lost all others"), saturates=True,
    source="softmax of two; 1 - y is share(b, a)", ulp=(1.5, 4.0),
    expression=lambda a, b: div(a * _halved(a), a * _halved(a) + b * _halved(a)), reference=lambda _, a, b: a / (a + b),
    helper=True)


def _halved(a: Any) -> Any:
    """½ where a + b may overflow, which is no digit of a, and none of b that counts."""
    return where(less(a, 1.0), 1.0, 0.5)


# The largest of some numbers beside all others, for softmax and its logarithm: t is its logarithm (0 when it is divided by
# itself), r the sum of the others. Derivatives are shares, products of positive numbers, at every order: that of
# log Σ would be 1 - Σ, which is 0 where the others are below 1e-16.
log_of_sum: Several = rule(
    "log_of_sum", ieee.log_of_sum, lambda t, r, y: share(exp(t), r), lambda t, r, y: inv(exp(t) + r),
    domain=(Interval(0.0, 700.0), NON_NEGATIVE), formula="y = log(eᵗ + r),   ∂y/∂t = eᵗ/(eᵗ + r), ∂y/∂r = 1/(eᵗ + r)",
    source="t + log1p(r·e⁻ᵗ)", ulp=(2.0, 4.0), expression=lambda t, r: t + log1p(r * exp(-t)),
    reference=lambda mp, t, r: t + mp.log1p(r * mp.exp(-t)), helper=True)
log_of_excess: Several = rule(
    "log_of_excess", ieee.log_of_excess, lambda t, r, y: -share(r, exp(t)), lambda t, r, y: inv(exp(t) + r),
    domain=(Interval(0.0, 700.0), NON_NEGATIVE),
    formula="y = log(1 + r·e⁻ᵗ),   ∂y/∂t = -r/(eᵗ + r), ∂y/∂r = 1/(eᵗ + r)", saturates=True, source="log1p(r·e⁻ᵗ)",
    ulp=(2.5, 4.0), expression=lambda t, r: log1p(r * exp(-t)), reference=lambda mp, t, r: mp.log1p(r * mp.exp(-t)),
    helper=True)
relu: One = rule(
    "relu", lambda x: x if not x < 0.0 else 0.0, lambda x, y: less(0.0, x),
    formula="y = max(x, 0),   dy/dx = 1 where x > 0", kink="0 at 0", kinks=(0.0,),
    flat=("dead relu", "{node} got {0} ≤ 0: it is dead here"), steepest=1.0, source="Nair & Hinton 2010",
    ulp=(0.5, 0.5), selects=True, expression=lambda x: maximum(0.0, x))


def _flat_leaky(place: int, *_: float) -> Flat:
    if place:
        return "untaken branch", "{node} got {0} > 0 and did not use its slope"
    return "dead relu", "{node} got {0} ≤ 0 and the slope there is {1}: it is dead here"


leaky_relu: Several = rule(
    "leaky_relu", lambda x, slope: slope * x if x <= 0.0 else x, lambda x, slope, y: _left_or_one(less(0.0, x), slope),
    lambda x, slope, y: minimum(x, 0.0), formula="y = x where x > 0, else slope·x",
    kink="the negative side's slope at 0", kinks=(0.0,), flat=_flat_leaky, steepest=1.0,
    source="Maas, Hannun & Ng 2013", ulp=(0.5, 0.5), defaults=(0.01,),
    expression=lambda x, slope: where(less(0.0, x), x, slope * x))


def _left_or_one(right: Any, slope: Any) -> Any:
    """1 where `right`, else the slope; nan where `right` is nan."""
    return where(right, right, slope)


# --------------------------------------------------------------------------------------- selection and step functions

abs: One = rule(  # noqa: A001
    "abs", operator.abs, lambda x, y: sign(x), formula="y = |x|,   dy/dx = sign x", kink="0 at 0", kinks=(0.0,),
    flat=_flat_at_origin, source="minimum-norm subgradient", ulp=(0.5, 0.5), numpy="absolute", c="fabs", latex="|{0}|")
maximum: Several = rule(
    "maximum", ieee.maximum, lambda a, b, y: _share(b, a), lambda a, b, y: _share(a, b),
    formula="y = max(a, b),   ∂y/∂a = 1 where a > b", kink="½ and ½ at ties", kinks=_tie,
    flat=("untaken branch", "{node} took {other}, the larger, and not {x}"), source="minimum-norm subgradient",
    ulp=(0.5, 0.5), selects=True, numpy="maximum", arrays="np.where(({0} > {1}) | np.isnan({0}), {0}, {1})",
    c="(double a, double b) { return a > b || isnan(a) ? a : b; }", symmetric=True, latex=r"\max({0}, {1})")
minimum: Several = rule(
    "minimum", ieee.minimum, lambda a, b, y: _share(a, b), lambda a, b, y: _share(b, a),
    formula="y = min(a, b),   ∂y/∂a = 1 where a < b", kink="½ and ½ at ties", kinks=_tie,
    flat=("untaken branch", "{node} took {other}, the smaller, and not {x}"), source="minimum-norm subgradient",
    ulp=(0.5, 0.5), selects=True, numpy="minimum", arrays="np.where(({0} < {1}) | np.isnan({0}), {0}, {1})",
    c="(double a, double b) { return a < b || isnan(a) ? a : b; }", symmetric=True, latex=r"\min({0}, {1})")


def _share(a: Any, b: Any) -> Any:
    """1 where a < b, ½ where they tie, 0 where a > b, nan where they cannot be compared."""
    return 0.5 * (less(a, b) + (1.0 - less(b, a)))


def _flat_clip(place: int, *_: float) -> Flat:
    if place:
        return "untaken branch", "{node} did not reach that bound: it got {0}"
    return "saturated", "{node} got {0}, which is not inside {1} … {2}"


clip: Several = rule(
    "clip", ieee.clip, lambda x, lower, upper, y: less(lower, x) * less(x, upper),
    lambda x, lower, upper, y: less(x, lower) * less(lower, upper),
    lambda x, lower, upper, y: less(upper, maximum(x, lower)),
    formula="y = min(max(x, lower), upper),   ∂y/∂x = 1 strictly between", kink="0 at a bound",
    kinks=lambda x, lower, upper: ((0, lower), (0, upper), (1, x), (2, x)), flat=_flat_clip, saturates=True,
    source="minimum-norm subgradient", ulp=(0.5, 0.5), defaults=(-inf, inf), selects=True,
    expression=lambda x, lower, upper: minimum(maximum(x, lower), upper))
where: Several = rule(
    "where", lambda c, a, b: a if c != 0.0 else b, 0.0, lambda c, a, b, y: where(c, 1.0, 0.0),
    lambda c, a, b, y: where(c, 0.0, 1.0), formula="y = a where c ≠ 0, else b",
    kink="nothing is sent into the branch that was not taken", source="definition", ulp=(0.5, 0.5), selects=True,
    arrays="np.where({0} != 0.0, {1}, {2})", c="{0} != 0.0 ? {1} : {2}", latex=r"({0} \ne 0\,?\,{1} : {2})")
less: Several = rule(
    "less", ieee.less, zero, lambda a, b, y: less(b, b), formula="y = 1 where a < b, else 0,   ∂y/∂a = ∂y/∂b = 0",
    kink="0 at the jump; y = nan where a or b is", kinks=_tie, source="definition",
    arrays="np.where({0} < {1}, 1.0, np.where({0} >= {1}, 0.0, np.nan))",
    c="(double a, double b) { return a < b ? 1.0 : a >= b ? 0.0 : NAN; }", latex="[{0} < {1}]")
step: One = rule(
    "step", lambda x: ieee.less(0.0, x), zero, formula="y = 1 where x > 0, else 0,   dy/dx = 0",
    kink="y(0) = 0; dy/dx = 0 at the jump", kinks=(0.0,), source="Heaviside function",
    expression=lambda x: less(0.0, x), latex="[{0} > 0]")
heaviside: Several = rule(
    "heaviside", lambda x, h: h if x == 0.0 else ieee.less(0.0, x), lambda x, h, y: where(x, less(x, x), less(h, h)),
    lambda x, h, y: where(x, less(x, x), 1.0),
    formula="y = 0 where x < 0, h where x = 0, 1 where x > 0,   ∂y/∂h = 1 where x = 0", kink="∂y/∂x = 0 at the jump",
    kinks=(0.0,), flat=lambda i, x, h: ("untaken branch", "{node} is {y} whatever number stands for 0") if i else STEP,
    source="NumPy heaviside", ulp=(0.5, 0.5), selects=True, expression=lambda x, h: where(x, less(0.0, x), h),
    numpy="heaviside")
sign: One = rule(
    "sign", ieee.sign, zero, formula="y = -1, 0, 1,   dy/dx = 0", kink="0 at the jump", kinks=(0.0,),
    source="definition", expression=lambda x: where(x, less(0.0, x) - less(x, 0.0), x), numpy="sign")
copysign: Several = rule(
    "copysign", ieee.signed, lambda x, s, y: sign(x) * copysign(1.0, s), lambda x, s, y: less(s, s),
    formula="y = |x| with the sign of s,   ∂y/∂x = sign x·sign s, ∂y/∂s = 0", kink="0 at x = 0; nan where s is",
    kinks=(0.0,),
    flat=lambda i, x, s: ("flat", "{node} takes only the sign of it") if i else _flat_at_origin(0, x), source=IEEE,
    ulp=(0.5, 0.5), numpy="copysign",
    arrays="np.where(np.isnan({1}), np.nan, np.copysign({0}, {1}))", c="isnan({1}) ? NAN : copysign({0}, {1})")
floor: One = libm(
    "floor", ieee.floor, zero, formula="y = ⌊x⌋,   dy/dx = 0", kink="0 at the jumps", kinks=_whole, source=IEEE,
    latex=r"\lfloor {0} \rfloor")
ceil: One = libm(
    "ceil", ieee.ceil, zero, formula="y = ⌈x⌉,   dy/dx = 0", kink="0 at the jumps", kinks=_whole, source=IEEE,
    latex=r"\lceil {0} \rceil")
trunc: One = libm(
    "trunc", ieee.trunc, zero, formula="y = x towards 0,   dy/dx = 0", kink="0 at the jumps",
    kinks=lambda x: _whole(x) if builtins.round(x) else ((0, math.copysign(1.0, x)),),
    source=IEEE)


def _halves(x: float, digits: float) -> Places:
    if digits < -300.0:
        return ()
    if digits > 300.0 or builtins.abs(x * 10.0**digits) >= 2.0**52:  # nothing is left to round
        return ((0, x),)
    scale = 10.0**digits
    return ((0, (math.floor(x * scale) + 0.5) / scale),)


round: Several = rule(  # noqa: A001
    "round", ieee.round_to, zero, 0.0, domain=(REAL, Interval(whole=True)),
    formula="y = x rounded to some decimals, ties to even,   ∂y/∂x = 0",
    kink="0 at the jumps", kinks=_halves, source="Python round", defaults=(0.0,), numpy="rint")
hold: One = rule(
    "hold", operator.pos, 0.0, formula="y = x, held constant in derivatives,   dy/dx = 0",
    flat=("stopped", "{node} is held constant on purpose (stop_gradient, or hold inside norm and softmax)"),
    source="definition", ulp=(0.5, 0.5), selects=True, expression=lambda x: x, latex="{0}", helper=True)
#: A held number: what `x.value` is while a function is traced. Python has a plain float in its place.
plain: One = rule(
    "plain", operator.pos, 0.0, formula="y = x as a plain number,   dy/dx = 0", source="definition", ulp=(0.5, 0.5),
    selects=True, expression=lambda x: x, latex="{0}", helper=True)

# ------------------------------------------------------------------------------------------------------- conditions


def _comparison(relation: str, sign: str, formula: str = "") -> Any:
    """`a relation b` as 1 or 0, as Python decides it: of a NaN, only `!=` holds."""
    compare = getattr(operator, relation)
    return rule(
        f"is_{relation}", lambda a, b: 1.0 if compare(a, b) else 0.0, 0.0, 0.0,
        formula=f"y = 1 where a {formula or sign} b, else 0,   ∂y/∂a = ∂y/∂b = 0", kink="0 at the jump",
        source="Python language reference 6.10", selects=True,  # nothing is sent into what is compared: Python has a bool
        arrays=f"np.where({{0}} {sign} {{1}}, 1.0, 0.0)", c=f"{{0}} {sign} {{1}} ? 1.0 : 0.0", helper=True)


#: The comparisons of Python, by their names in `operator`: what comparing traced numbers records.
COMPARISONS: dict[str, Primitive] = {
    "lt": _comparison("lt", "<"),
    "le": _comparison("le", "<=", "≤"),
    "gt": _comparison("gt", ">"),
    "ge": _comparison("ge", ">=", "≥"),
    "eq": _comparison("eq", "==", "="),
    "ne": _comparison("ne", "!=", "≠"),
}

logical_and: Several = rule(
    "logical_and", lambda a, b: nan if a != a or b != b else float(a != 0.0 and b != 0.0), zero,  # noqa: PLR0124
    lambda a, b, y: less(b, b), formula="y = 1 where a ≠ 0 and b ≠ 0, else 0",
    kink="0 at the jump; y = nan where a or b is", source="definition",
    expression=lambda a, b: where(a, where(b, 1.0, 0.0), 0.0) + less(a, a) + less(b, b))
logical_or: Several = rule(
    "logical_or", lambda a, b: nan if a != a or b != b else float(a != 0.0 or b != 0.0), zero,  # noqa: PLR0124
    lambda a, b, y: less(b, b), formula="y = 1 where a ≠ 0 or b ≠ 0, else 0",
    kink="0 at the jump; y = nan where a or b is", source="definition",
    expression=lambda a, b: where(a, 1.0, where(b, 1.0, 0.0)) + less(a, a) + less(b, b))
logical_not: One = rule(
    "logical_not", lambda x: nan if x != x else float(x == 0.0), zero,  # noqa: PLR0124
    formula="y = 1 where x = 0, else 0", kink="0 at the jump; y = nan where x is", source="definition",
    expression=lambda x: where(x, less(x, x), 1.0))

# ------------------------------------------------------------------------------------------------------ second names

# of NumPy, SciPy and PyTorch
absolute, subtract, multiply, divide, negative, reciprocal = abs, sub, mul, div, neg, inv
remainder, floor_divide, power, deg2rad, rad2deg = mod, floordiv, pow, radians, degrees
arcsin, arccos, arctan, arctan2, arcsinh, arccosh, arctanh = asin, acos, atan, atan2, asinh, acosh, atanh
expit, gammaln, psi = sigmoid, lgamma, digamma

#: The names of the package: all entries but helpers. Not written out as `__all__`, so that type checkers see all names.
PUBLIC = [name for name, thing in globals().items() if isinstance(thing, Primitive) and thing not in HELPERS]
globals()["__all__"] = PUBLIC
