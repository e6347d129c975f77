"""The rule table: each operation's value and partial derivatives, written once.

An entry is all there is to an operation: operators, documentation, tests and executors iterate over the table.
In a partial the last argument is the result. Partials use operators and primitives only; what is piecewise is written
with `where`, `less` or `sign`, since a Python `if` would be frozen into a recorded gradient; what divides or raises to
a power is written with `div`, `inv` and `pow`, since `/` and `**` on floats raise where IEEE 754 has a value.
"""

import math
import operator
from math import inf, nan, pi
from typing import Any

from autograd_lite import ieee
from autograd_lite.rule import PRIMITIVES, REAL, Interval, Partial, Primitive, as_float, as_operand

__all__ = ["PRIMITIVES", "REAL", "Interval", "Partial", "Primitive", "as_float", "as_operand"]

POSITIVE = Interval(0.0, inf, open_ends=True)
NON_NEGATIVE = Interval(0.0, inf)
UNIT = Interval(-1.0, 1.0)
OPEN_UNIT = Interval(-1.0, 1.0, open_ends=True)

LN2, LN10 = math.log(2.0), math.log(10.0)
TWO_OVER_SQRT_PI = 2.0 / math.sqrt(pi)

AS = "Abramowitz & Stegun"
IEEE = "IEEE 754-2019"
C99 = "ISO C99 Annex F"


def rule(
    name: str,
    value: Any,
    *partials: Any,
    domain: tuple[Interval, ...] = (),
    formula: str,
    source: str,
    **facts: Any,
) -> Primitive:
    """Enter one built-in operation."""
    return Primitive(
        name=name, value=value, partials=partials, domain=domain, formula=formula, source=source, built_in=True, **facts
    )


def zero(x: Any, *_: Any) -> Any:
    """0, and nan at nan: the derivative of a step function."""
    return less(x, x)


# ---------------------------------------------------------------------------------------------------- arithmetic

add: Primitive = rule(
    "add", operator.add, 1.0, 1.0, formula="y = a + b,   ∂y/∂a = 1, ∂y/∂b = 1", source=IEEE, ulp=(0.5, 1.5), numpy="add",
    latex="{0} + {1}",
)
sub: Primitive = rule(
    "sub", operator.sub, 1.0, -1.0, formula="y = a - b,   ∂y/∂a = 1, ∂y/∂b = -1", source=IEEE, ulp=(0.5, 1.5),
    numpy="subtract",
    latex="{0} - {1}",
)
mul: Primitive = rule(
    "mul", operator.mul, lambda a, b, y: b, lambda a, b, y: a,
    formula="y = a·b,   ∂y/∂a = b, ∂y/∂b = a", source=IEEE, ulp=(0.5, 1.5), numpy="multiply",
    latex=r"{0} \cdot {1}",
)
div: Primitive = rule(
    "div", ieee.div, lambda a, b, y: inv(b), lambda a, b, y: -div(y, b),  # not -a/b²: b² overflows at 1e200
    formula="y = a/b,   ∂y/∂a = 1/b, ∂y/∂b = -(a/b)/b", source=IEEE, ulp=(0.5, 1.5), numpy="divide",
    latex=r"\frac{{{0}}}{{{1}}}",
)
positive: Primitive = rule(
    "positive", operator.pos, 1.0,
    formula="y = x,   dy/dx = 1", source=IEEE, ulp=(0.5, 0.5), numpy="positive",
    expression=lambda x: x, latex="{0}",
)
neg: Primitive = rule(
    "neg", operator.neg, -1.0,
    formula="y = -x,   dy/dx = -1", source=IEEE, ulp=(0.5, 0.5), numpy="negative",
    latex="-{0}",
)
inv: Primitive = rule(
    "inv", ieee.inv, lambda x, y: -div(y, x),  # not -y·y: rounds y twice
    formula="y = 1/x,   dy/dx = -y/x", source=IEEE, ulp=(0.5, 1.5), numpy="reciprocal",
    expression=lambda x: div(1.0, x), latex=r"\frac{{1}}{{{0}}}",
)
square: Primitive = rule(
    "square", lambda x: x * x, lambda x, y: 2.0 * x,
    formula="y = x²,   dy/dx = 2x", source=IEEE, ulp=(0.5, 0.5), numpy="square",
    expression=lambda x: x * x, latex="{0}^{{2}}",
)


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


pow: Primitive = rule(  # noqa: A001 - named like the builtin it stands for; so are abs and round
    "pow", ieee.pow, _pow_by_base, _pow_by_exponent, domain=(NON_NEGATIVE, REAL),
    formula="y = xᵖ,   ∂y/∂x = p·xᵖ⁻¹, ∂y/∂p = xᵖ·log x", kink="∂y/∂p = 0 at x = 0, p > 0",
    source=f"{C99}; Griewank & Walther, Evaluating Derivatives, table 2.3",
    ulp=(1.0, lambda x, p: 4.0 + abs(p * ieee.log(x))), numpy="power",
    c="pow", latex="{0}^{{{1}}}",
)
mod: Primitive = rule(
    "mod", ieee.mod, 1.0, lambda x, y, r: -floordiv(x, y),
    formula="r = x - y·⌊x/y⌋,   ∂r/∂x = 1, ∂r/∂y = -⌊x/y⌋", kink="the jump's derivative is left out",
    source="Python language reference 6.7", numpy="remainder",
)
floordiv: Primitive = rule(
    "floordiv", ieee.floordiv, zero, lambda x, y, q: less(y, y),
    formula="q = ⌊x/y⌋,   ∂q/∂x = ∂q/∂y = 0", kink="0 at the jumps", source="Python language reference 6.7",
    numpy="floor_divide",
)

# ------------------------------------------------------------------------------------------- powers, exp and log

sqrt: Primitive = rule(
    "sqrt", ieee.sqrt, lambda x, y: div(0.5, y + 0.0),  # + 0.0 turns -0.0 into 0.0: +inf on both
    domain=(NON_NEGATIVE,), formula="y = √x,   dy/dx = 1/(2y)", kink="+inf at 0", source=IEEE,
    ulp=(0.5, 1.5), numpy="sqrt",
    c="sqrt", latex=r"\sqrt{{{0}}}",
)
cbrt: Primitive = rule(
    "cbrt", math.cbrt, lambda x, y: inv(3.0 * (y * y)),
    formula="y = ∛x,   dy/dx = 1/(3y²)", kink="+inf at 0", source=C99, ulp=(4.0, 12.0), numpy="cbrt",
    c="cbrt", latex=r"\sqrt[3]{{{0}}}",
)
exp: Primitive = rule(
    "exp", ieee.exp, lambda x, y: y,
    formula="y = eˣ,   dy/dx = y", source=f"{AS} 4.2", ulp=(1.0, 1.0), numpy="exp",
    c="exp", latex="e^{{{0}}}",
)
exp2: Primitive = rule(
    "exp2", ieee.exp2, lambda x, y: where(less(y, inf), y * LN2, exp2(x - 1.0) * (2.0 * LN2)),  # 2¹⁰²⁴·log 2 is finite
    formula="y = 2ˣ,   dy/dx = y·log 2", source=f"{AS} 4.2", ulp=(1.0, 1.5), numpy="exp2",
    c="exp2", latex="2^{{{0}}}",
)
expm1: Primitive = rule(
    "expm1", ieee.expm1, lambda x, y: exp(x),  # not y + 1: all digits lost where x is very negative
    formula="y = eˣ - 1,   dy/dx = eˣ", source=f"{AS} 4.2", ulp=(1.0, 1.0), numpy="expm1",
    c="expm1", latex="e^{{{0}}} - 1",
)
# In what follows + 0.0 turns -0.0 into 0.0: the domain lies to the right of it, and so does the limit of the derivative.
log: Primitive = rule(
    "log", ieee.log, lambda x, y: inv(x + 0.0), domain=(POSITIVE,),
    formula="y = log x,   dy/dx = 1/x", source=f"{AS} 4.1", ulp=(1.0, 1.0), numpy="log",
    c="log", latex=r"\log {0}",
)
log2: Primitive = rule(
    "log2", ieee.log2, lambda x, y: inv(x * LN2 + 0.0), domain=(POSITIVE,),
    formula="y = log₂ x,   dy/dx = 1/(x·log 2)", source=f"{AS} 4.1", ulp=(1.0, 2.0), numpy="log2",
    c="log2", latex=r"\log_2 {0}",
)
log10: Primitive = rule(
    "log10", ieee.log10, lambda x, y: inv(x * LN10 + 0.0), domain=(POSITIVE,),
    formula="y = log₁₀ x,   dy/dx = 1/(x·log 10)", source=f"{AS} 4.1", ulp=(2.0, 3.0), numpy="log10",
    c="log10", latex=r"\log_{{10}} {0}",
)
log1p: Primitive = rule(
    "log1p", ieee.log1p, lambda x, y: inv(1.0 + x), domain=(Interval(-1.0, inf, open_ends=True),),
    formula="y = log(1 + x),   dy/dx = 1/(1 + x)", source=f"{AS} 4.1", ulp=(1.0, 2.0), numpy="log1p",
    c="log1p", latex=r"\log(1 + {0})",
)
xlogy: Primitive = rule(
    "xlogy", ieee.xlogy, lambda x, y, r: log(y), lambda x, y, r: where(x, div(x, y + 0.0), 0.0), domain=(REAL, POSITIVE),
    formula="r = x·log y,   ∂r/∂x = log y, ∂r/∂y = x/y", kink="r = ∂r/∂y = 0 at x = 0", source="SciPy special.xlogy",
    ulp=(2.0, 2.0),
    expression=lambda x, y: where(x, x * log(y), 0.0 * less(y, y)),
)


def _log_of_sum(a: Any, b: Any) -> Any:
    return where(less(a, b) + less(b, a), maximum(a, b) + log1p(exp(-abs(a - b))), a + LN2)


logaddexp: Primitive = rule(
    "logaddexp", ieee.logaddexp, lambda a, b, y: sigmoid(_gap(a, b)), lambda a, b, y: sigmoid(_gap(b, a)),
    formula="y = log(eᵃ + eᵇ),   ∂y/∂a = σ(a - b), ∂y/∂b = σ(b - a)", kink="½ and ½ at ties, infinite ones too",
    source="Higham, Blanchard & Higham, IMA J. Numer. Anal. 41 (2021)", ulp=(2.0, 4.0), numpy="logaddexp",
    expression=_log_of_sum,
)


def _gap(a: Any, b: Any) -> Any:
    """a - b, and 0 also where a and b are the same infinity."""
    return where(less(abs(a), inf) + less(a, b) + less(b, a), a - b, 0.0)


# ---------------------------------------------------------------------------------------------------- trigonometry

sin: Primitive = rule(
    "sin", ieee.sin, lambda x, y: cos(x),
    formula="y = sin x,   dy/dx = cos x", source=f"{AS} 4.3", ulp=(1.0, 1.0), numpy="sin",
    c="sin", latex=r"\sin {0}",
)
cos: Primitive = rule(
    "cos", ieee.cos, lambda x, y: -sin(x),
    formula="y = cos x,   dy/dx = -sin x", source=f"{AS} 4.3", ulp=(1.0, 1.0), numpy="cos",
    c="cos", latex=r"\cos {0}",
)
tan: Primitive = rule(
    "tan", ieee.tan, lambda x, y: 1.0 + y * y,
    formula="y = tan x,   dy/dx = 1 + y²", source=f"{AS} 4.3", ulp=(1.0, 2.0), numpy="tan",
    c="tan", latex=r"\tan {0}",
)
asin: Primitive = rule(
    "asin", ieee.asin, lambda x, y: inv(sqrt((1.0 - x) * (1.0 + x))),
    domain=(UNIT,), formula="y = asin x,   dy/dx = 1/√((1-x)(1+x))", kink="inf at ±1", source=f"{AS} 4.4",
    ulp=(1.0, 3.0), numpy="arcsin",
    c="asin", latex=r"\arcsin {0}",
)
acos: Primitive = rule(
    "acos", ieee.acos, lambda x, y: -inv(sqrt((1.0 - x) * (1.0 + x))),
    domain=(UNIT,), formula="y = acos x,   dy/dx = -1/√((1-x)(1+x))", kink="-inf at ±1", source=f"{AS} 4.4",
    ulp=(1.0, 3.0), numpy="arccos",
    c="acos", latex=r"\arccos {0}",
)
atan: Primitive = rule(
    "atan", math.atan, lambda x, y: where(less(1e154, abs(x)), inv(x) * inv(x), inv(1.0 + x * x)),  # x² overflows
    formula="y = atan x,   dy/dx = 1/(1 + x²)", source=f"{AS} 4.4", ulp=(1.0, 3.0), numpy="arctan",
    c="atan", latex=r"\arctan {0}",
)
hypot: Primitive = rule(
    "hypot", ieee.hypot, lambda x, y, h: _over_length(x, x, y, h), lambda x, y, h: _over_length(y, x, y, h),
    formula="h = √(x² + y²),   ∂h/∂x = x/h, ∂h/∂y = y/h", kink="0 at the origin", source=C99,
    ulp=(1.0, 3.0), numpy="hypot",
    c="hypot", latex=r"\sqrt{{{0}^2 + {1}^2}}",
)
atan2: Primitive = rule(
    "atan2", math.atan2, lambda y, x, t: _over_squared_length(x, x, y), lambda y, x, t: -_over_squared_length(y, x, y),
    formula="t = atan2(y, x),   ∂t/∂y = x/(x² + y²), ∂t/∂x = -y/(x² + y²)", kink="0 at the origin", source=C99,
    ulp=(1.0, 3.0), numpy="arctan2",
    c="atan2",
)


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


sinc: Primitive = rule(
    "sinc", ieee.sinc, lambda x, y: sinc_derivative(x, 1.0),
    formula="y = sin(πx)/(πx),   y(0) = 1", source="NumPy sinc (the normalised function)",
)
sinc_derivative: Primitive = rule(
    "sinc_derivative", ieee.sinc_derivative, lambda x, n, y: sinc_derivative(x, n + 1.0), nan,
    domain=(REAL, NON_NEGATIVE), formula="y = dⁿ/dxⁿ sinc x;  n a constant integer",
    source="u·Sₙ + n·Sₙ₋₁ = sin(u + nπ/2)",
)
degrees: Primitive = rule(
    "degrees", math.degrees, 180.0 / pi,
    formula="y = 180x/π,   dy/dx = 180/π", source="definition", ulp=(2.0, 1.0), numpy="degrees",
    expression=lambda x: x * (180.0 / pi),
)
radians: Primitive = rule(
    "radians", math.radians, pi / 180.0,
    formula="y = πx/180,   dy/dx = π/180", source="definition", ulp=(2.0, 1.0), numpy="radians",
    expression=lambda x: x * (pi / 180.0),
)

# ------------------------------------------------------------------------------------------------------- hyperbolic

sinh: Primitive = rule(
    "sinh", ieee.sinh, lambda x, y: cosh(x),
    formula="y = sinh x,   dy/dx = cosh x", source=f"{AS} 4.5", ulp=(2.0, 2.0), numpy="sinh",
    c="sinh", latex=r"\sinh {0}",
)
cosh: Primitive = rule(
    "cosh", ieee.cosh, lambda x, y: sinh(x),
    formula="y = cosh x,   dy/dx = sinh x", source=f"{AS} 4.5", ulp=(2.0, 2.0), numpy="cosh",
    c="cosh", latex=r"\cosh {0}",
)
tanh: Primitive = rule(
    "tanh", math.tanh, lambda x, y: sech_squared(x),  # not 1 - y²: 0 at x = 20, where the truth is 1.7e-17
    formula="y = tanh x,   dy/dx = sech² x", source=f"{AS} 4.5", ulp=(2.5, 4.0), numpy="tanh",
    c="tanh", latex=r"\tanh {0}",
)


def _sech_squared(x: Any) -> Any:
    e = exp(-2.0 * abs(x))
    return div(4.0 * e, (1.0 + e) * (1.0 + e))


sech_squared: Primitive = rule(
    "sech_squared", ieee.sech_squared, lambda x, y: -2.0 * tanh(x) * y,
    formula="y = sech² x = 4e/(1+e)², e = e^-2|x|,   dy/dx = -2·tanh x·y", source=f"{AS} 4.5", ulp=(4.0, 8.0),
    expression=_sech_squared, latex=r"\operatorname{{sech}}^2 {0}",
)
asinh: Primitive = rule(
    "asinh", math.asinh, lambda x, y: inv(hypot(1.0, x)),
    formula="y = asinh x,   dy/dx = 1/√(1 + x²)", source=f"{AS} 4.6", ulp=(2.0, 2.0), numpy="arcsinh",
    c="asinh",
)
acosh: Primitive = rule(
    "acosh", ieee.acosh, lambda x, y: where(less(1e150, x), inv(x), inv(sqrt((x - 1.0) * (x + 1.0)))),  # x² overflows
    domain=(Interval(1.0, inf),), formula="y = acosh x,   dy/dx = 1/√((x-1)(x+1))", kink="inf at 1", source=f"{AS} 4.6",
    ulp=(2.5, 3.0), numpy="arccosh",
    c="acosh",
)
atanh: Primitive = rule(
    "atanh", ieee.atanh, lambda x, y: inv((1.0 - x) * (1.0 + x)), domain=(OPEN_UNIT,),
    formula="y = atanh x,   dy/dx = 1/((1-x)(1+x))", source=f"{AS} 4.6", ulp=(2.0, 3.0), numpy="arctanh",
    c="atanh",
)

# ------------------------------------------------------------------------------------------------- special functions

erf: Primitive = rule(
    "erf", math.erf, lambda x, y: TWO_OVER_SQRT_PI * exp(-x * x),
    formula="y = erf x,   dy/dx = 2/√π·e^-x²", source=f"{AS} 7.1", ulp=(1.5, lambda x: 4.0 + x * x),
    c="erf",
)
erfc: Primitive = rule(
    "erfc", math.erfc, lambda x, y: -TWO_OVER_SQRT_PI * exp(-x * x),
    formula="y = 1 - erf x,   dy/dx = -2/√π·e^-x²", source=f"{AS} 7.1", ulp=(4.0, lambda x: 4.0 + x * x),
    c="erfc",
)
gamma: Primitive = rule(
    "gamma", ieee.gamma, lambda x, y: y * digamma(x), domain=(POSITIVE,),
    formula="y = Γ(x),   dy/dx = Γ(x)·ψ(x)", source=f"{AS} 6.1",
    latex=r"\Gamma({0})",
)
lgamma: Primitive = rule(
    "lgamma", ieee.lgamma, lambda x, y: digamma(x), domain=(POSITIVE,),
    formula="y = log |Γ(x)|,   dy/dx = ψ(x)", source=f"{AS} 6.1",
    latex=r"\log|\Gamma({0})|",
)
digamma: Primitive = rule(
    "digamma", ieee.digamma, lambda x, y: polygamma(1.0, x), domain=(POSITIVE,),
    formula="y = ψ(x),   dy/dx = ψ⁽¹⁾(x)", source=f"{AS} 6.3",
    latex=r"\psi({0})",
)
polygamma: Primitive = rule(
    "polygamma", ieee.polygamma, nan, lambda n, x, y: polygamma(n + 1.0, x), domain=(NON_NEGATIVE, POSITIVE),
    formula="y = ψ⁽ⁿ⁾(x),   ∂y/∂x = ψ⁽ⁿ⁺¹⁾(x);  n a constant integer", source=f"{AS} 6.4",
    latex=r"\psi^{{({0})}}({1})",
)

# ------------------------------------------------------------------------------------------------------- activations



def _sigmoid(x: Any) -> Any:
    e = exp(-abs(x))
    return div(where(less(x, 0.0), e, 1.0), 1.0 + e)


def _sigmoid_slope(x: Any) -> Any:
    e = exp(-abs(x))
    return div(e, (1.0 + e) * (1.0 + e))


sigmoid: Primitive = rule(
    "sigmoid", ieee.sigmoid, lambda x, y: sigmoid_slope(x),  # not y(1-y): 0 beyond x = 37
    formula="y = 1/(1 + e⁻ˣ),   dy/dx = e/(1+e)², e = e^-|x|", source="logistic function", ulp=(2.5, 4.0),
    expression=_sigmoid, latex=r"\sigma({0})",
)
sigmoid_slope: Primitive = rule(
    "sigmoid_slope", ieee.sigmoid_slope, lambda x, y: -tanh(0.5 * x) * y,
    formula="y = σ'(x),   dy/dx = -tanh(x/2)·y", source="σ'' = σ'(1 - 2σ), 1 - 2σ = -tanh(x/2)", ulp=(4.0, 8.0),
    expression=_sigmoid_slope, latex=r"\sigma'({0})",
)
softplus: Primitive = rule(
    "softplus", ieee.softplus, lambda x, y: sigmoid(x),
    formula="y = log(1 + eˣ),   dy/dx = σ(x)", source="max(x, 0) + log1p(e^-|x|)", ulp=(2.0, 3.0),
    expression=lambda x: maximum(x, 0.0) + log1p(exp(-abs(x))),
)
softsign: Primitive = rule(
    "softsign", ieee.softsign, lambda x, y: square(inv(1.0 + abs(x))),  # not by the rule for quotients, whose terms cancel
    formula="y = x/(1 + |x|),   dy/dx = 1/(1 + |x|)²", source="Turian, Bergstra & Bengio 2009", ulp=(1.5, 4.0),
    expression=lambda x: where(less(abs(x), inf), div(x, 1.0 + abs(x)), sign(x)),
)
share: Primitive = rule(
    "share", ieee.share, lambda a, b, y: div(share(b, a), a + b), lambda a, b, y: -div(share(a, b), a + b),
    domain=(NON_NEGATIVE, NON_NEGATIVE),
    formula="y = a/(a + b),   ∂y/∂a = b/(a + b)², ∂y/∂b = -a/(a + b)²", source="softmax of two; 1 - y is share(b, a)",
    ulp=(1.5, 4.0), expression=lambda a, b: div(a * _halved(a), a * _halved(a) + b * _halved(a)),
)


def _halved(a: Any) -> Any:
    """½ where a + b may overflow, which is no digit of a, and none of b that counts."""
    return where(less(a, 1.0), 1.0, 0.5)


# The largest of some numbers beside all others, for softmax and its logarithm: t is its logarithm (0 when it is divided by
# itself), r the sum of the others. Derivatives are shares, products of positive numbers, at every order: that of
# log Σ would be 1 - Σ, which is 0 where the others are below 1e-16.
log_of_sum: Primitive = rule(
    "log_of_sum", ieee.log_of_sum, lambda t, r, y: share(exp(t), r), lambda t, r, y: inv(exp(t) + r),
    domain=(Interval(0.0, 700.0), NON_NEGATIVE),
    formula="y = log(eᵗ + r),   ∂y/∂t = eᵗ/(eᵗ + r), ∂y/∂r = 1/(eᵗ + r)", source="t + log1p(r·e⁻ᵗ)", ulp=(2.0, 4.0),
    expression=lambda t, r: t + log1p(r * exp(-t)),
)
log_of_excess: Primitive = rule(
    "log_of_excess", ieee.log_of_excess, lambda t, r, y: -share(r, exp(t)), lambda t, r, y: inv(exp(t) + r),
    domain=(Interval(0.0, 700.0), NON_NEGATIVE),
    formula="y = log(1 + r·e⁻ᵗ),   ∂y/∂t = -r/(eᵗ + r), ∂y/∂r = 1/(eᵗ + r)", source="log1p(r·e⁻ᵗ)", ulp=(2.5, 4.0),
    expression=lambda t, r: log1p(r * exp(-t)),
)
relu: Primitive = rule(
    "relu", lambda x: x if not x < 0.0 else 0.0, lambda x, y: less(0.0, x),
    formula="y = max(x, 0),   dy/dx = 1 where x > 0", kink="0 at 0", source="Nair & Hinton 2010",
    ulp=(0.5, 0.5), selects=True,
    expression=lambda x: maximum(0.0, x),
)
leaky_relu: Primitive = rule(
    "leaky_relu", lambda x, slope: slope * x if x <= 0.0 else x,
    lambda x, slope, y: _left_or_one(less(0.0, x), slope), lambda x, slope, y: minimum(x, 0.0),
    formula="y = x where x > 0, else slope·x", kink="the negative side's slope at 0", source="Maas, Hannun & Ng 2013",
    ulp=(0.5, 0.5), defaults=(0.01,),
    expression=lambda x, slope: where(less(0.0, x), x, slope * x),
)


def _left_or_one(right: Any, slope: Any) -> Any:
    """1 where `right`, else the slope; nan where `right` is nan."""
    return where(right, right, slope)


# --------------------------------------------------------------------------------------- selection and step functions

abs: Primitive = rule(  # noqa: A001
    "abs", operator.abs, lambda x, y: sign(x),
    formula="y = |x|,   dy/dx = sign x", kink="0 at 0", source="minimum-norm subgradient",
    ulp=(0.5, 0.5), numpy="absolute",
    c="fabs", latex="|{0}|",
)
maximum: Primitive = rule(
    "maximum", ieee.maximum, lambda a, b, y: _share(b, a), lambda a, b, y: _share(a, b),
    formula="y = max(a, b),   ∂y/∂a = 1 where a > b", kink="½ and ½ at ties", source="minimum-norm subgradient",
    ulp=(0.5, 0.5), numpy="maximum", selects=True,
    latex=r"\max({0}, {1})",
)
minimum: Primitive = rule(
    "minimum", ieee.minimum, lambda a, b, y: _share(a, b), lambda a, b, y: _share(b, a),
    formula="y = min(a, b),   ∂y/∂a = 1 where a < b", kink="½ and ½ at ties", source="minimum-norm subgradient",
    ulp=(0.5, 0.5), numpy="minimum", selects=True,
    latex=r"\min({0}, {1})",
)


def _share(a: Any, b: Any) -> Any:
    """1 where a < b, ½ where they tie, 0 where a > b, nan where they cannot be compared."""
    return 0.5 * (less(a, b) + (1.0 - less(b, a)))


clip: Primitive = rule(
    "clip", ieee.clip,
    lambda x, lower, upper, y: less(lower, x) * less(x, upper),
    lambda x, lower, upper, y: less(x, lower) * less(lower, upper),
    lambda x, lower, upper, y: less(upper, maximum(x, lower)),
    formula="y = min(max(x, lower), upper),   ∂y/∂x = 1 strictly between", kink="0 at a bound",
    source="minimum-norm subgradient", ulp=(0.5, 0.5), defaults=(-inf, inf), selects=True,
    expression=lambda x, lower, upper: minimum(maximum(x, lower), upper),
)
where: Primitive = rule(
    "where", lambda c, a, b: a if c != 0.0 else b,
    0.0, lambda c, a, b, y: where(c, 1.0, 0.0), lambda c, a, b, y: where(c, 0.0, 1.0),
    formula="y = a where c ≠ 0, else b", kink="nothing is sent into the branch that was not taken",
    source="definition", ulp=(0.5, 0.5), selects=True,
    latex=r"({0} \ne 0\,?\,{1} : {2})",
)
less: Primitive = rule(
    "less", ieee.less, zero, lambda a, b, y: less(b, b),
    formula="y = 1 where a < b, else 0,   ∂y/∂a = ∂y/∂b = 0", kink="0 at the jump; y = nan where a or b is",
    source="definition",
    latex="[{0} < {1}]",
)
step: Primitive = rule(
    "step", lambda x: ieee.less(0.0, x), zero,
    formula="y = 1 where x > 0, else 0,   dy/dx = 0", kink="y(0) = 0; dy/dx = 0 at the jump",
    source="Heaviside function",
    expression=lambda x: less(0.0, x), latex="[{0} > 0]",
)
sign: Primitive = rule(
    "sign", ieee.sign, zero,
    formula="y = -1, 0, 1,   dy/dx = 0", kink="0 at the jump", source="definition", numpy="sign",
    expression=lambda x: where(x, less(0.0, x) - less(x, 0.0), x),
)
copysign: Primitive = rule(
    "copysign", ieee.signed, lambda x, s, y: sign(x) * copysign(1.0, s), lambda x, s, y: less(s, s),
    formula="y = |x| with the sign of s,   ∂y/∂x = sign x·sign s, ∂y/∂s = 0", kink="0 at x = 0; nan where s is", source=IEEE,
    ulp=(0.5, 0.5), numpy="copysign",
    c="copysign",
)
floor: Primitive = rule(
    "floor", ieee.floor, zero,
    formula="y = ⌊x⌋,   dy/dx = 0", kink="0 at the jumps", source=IEEE, numpy="floor",
    c="floor", latex=r"\lfloor {0} \rfloor",
)
ceil: Primitive = rule(
    "ceil", ieee.ceil, zero,
    formula="y = ⌈x⌉,   dy/dx = 0", kink="0 at the jumps", source=IEEE, numpy="ceil",
    c="ceil", latex=r"\lceil {0} \rceil",
)
trunc: Primitive = rule(
    "trunc", ieee.trunc, zero,
    formula="y = x towards 0,   dy/dx = 0", kink="0 at the jumps", source=IEEE, numpy="trunc",
    c="trunc",
)
round: Primitive = rule(  # noqa: A001
    "round", ieee.round_to, zero, 0.0,
    formula="y = x rounded to some decimals, ties to even,   ∂y/∂x = 0", kink="0 at the jumps",
    source="Python round", numpy="rint", defaults=(0.0,),
)
hold: Primitive = rule(
    "hold", operator.pos, 0.0,
    formula="y = x, held constant in derivatives,   dy/dx = 0", source="definition", ulp=(0.5, 0.5), selects=True,
    expression=lambda x: x, latex="{0}",
)
#: A held number: what `x.value` is while a function is traced. Python has a plain float in its place.
plain: Primitive = rule(
    "plain", operator.pos, 0.0,
    formula="y = x as a plain number,   dy/dx = 0", source="definition", ulp=(0.5, 0.5), selects=True,
    expression=lambda x: x, latex="{0}",
)

# ------------------------------------------------------------------------------------------------------- conditions


def _comparison(relation: str, sign: str) -> Primitive:
    """`a relation b` as 1 or 0, as Python decides it: of a NaN, only `!=` holds."""
    compare = getattr(operator, relation)
    return rule(
        f"is_{relation}", lambda a, b: 1.0 if compare(a, b) else 0.0, 0.0, 0.0,
        formula=f"y = 1 where a {sign} b, else 0,   ∂y/∂a = ∂y/∂b = 0", kink="0 at the jump",
        source="Python language reference 6.10",
    )


#: The comparisons of Python, by their names in `operator`: what comparing traced numbers records.
COMPARISONS: dict[str, Primitive] = {
    "lt": _comparison("lt", "<"),
    "le": _comparison("le", "≤"),
    "gt": _comparison("gt", ">"),
    "ge": _comparison("ge", "≥"),
    "eq": _comparison("eq", "="),
    "ne": _comparison("ne", "≠"),
}


logical_and: Primitive = rule(
    "logical_and", lambda a, b: nan if a != a or b != b else float(a != 0.0 and b != 0.0), zero,  # noqa: PLR0124
    lambda a, b, y: less(b, b),
    formula="y = 1 where a ≠ 0 and b ≠ 0, else 0", kink="0 at the jump; y = nan where a or b is", source="definition",
    expression=lambda a, b: where(a, where(b, 1.0, 0.0), 0.0) + less(a, a) + less(b, b),
)
logical_or: Primitive = rule(
    "logical_or", lambda a, b: nan if a != a or b != b else float(a != 0.0 or b != 0.0), zero,  # noqa: PLR0124
    lambda a, b, y: less(b, b),
    formula="y = 1 where a ≠ 0 or b ≠ 0, else 0", kink="0 at the jump; y = nan where a or b is", source="definition",
    expression=lambda a, b: where(a, 1.0, where(b, 1.0, 0.0)) + less(a, a) + less(b, b),
)
logical_not: Primitive = rule(
    "logical_not", lambda x: nan if x != x else float(x == 0.0), zero,  # noqa: PLR0124
    formula="y = 1 where x = 0, else 0", kink="0 at the jump; y = nan where x is", source="definition",
    expression=lambda x: where(x, less(x, x), 1.0),
)

#: The same rule under NumPy's name.
reciprocal = inv
