"""Logarithms of probabilities that are too small for a float, of gamma, beta and Student's t distributions.

Each is the logarithm of the density plus that of an integral of what falls nearly as e⁻ʳˢ, all in scalar code: derivatives of
every order, compiled, in lanes. Valid where the probability is below 1e-290.
"""

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_lite.primitives import (
    div,
    exp,
    expm1,
    hold,
    hypot,
    inv,
    less,
    log,
    log1p,
    log_beta_density,
    log_gamma_density,
    log_ndtr,
    log_t_density,
    sqrt,
    square,
    where,
)  # fmt: skip

Formula = Callable[..., Any]
_NODES, _WEIGHTS = (numbers.tolist() for numbers in np.polynomial.laguerre.laggauss(12))


def _log_integral(exponent: Formula, rate: Any) -> Any:
    """log ∫₀^∞ exp(exponent(s)) ds of what falls nearly as e⁻ʳˢ with r = `rate`, by Gauss and Laguerre.

    So far out in a tail, each factor besides e⁻ʳˢ has a width of at least 36/r: error c¹²·12! with c = 1/(2·36²), < 1e-30.
    All terms have one sign, and so have those of derivatives, so that these keep their digits.
    """
    r = hold(where(less(0.0, rate), rate, 1.0))
    return log(_total([w * exp(v + exponent(div(v, r))) for v, w in zip(_NODES, _WEIGHTS, strict=True)])) - log(r)


def _total(terms: list[Any]) -> Any:
    return functools.reduce(operator.add, terms)


def log_upper_gamma(x: Any, a: Any) -> Any:
    """log Q(a, x) far out: the density times ∫ e⁻ˢ·(1 + s/x)ᵃ⁻¹ ds (DLMF 8.6.5)."""
    rest = _log_integral(lambda s: (a - 1.0) * log1p(div(s, x)) - s, 1.0 - div(a - 1.0, x))
    return where(less(0.0, x) * less(x, math.inf), log_gamma_density(x, a) + rest, -math.inf)


def log_lower_gamma(x: Any, a: Any) -> Any:
    """log P(a, x) far down: the density times x·∫ exp(x·(1 - e⁻ˢ) - a·s) ds (DLMF 8.2.1 with t = x·e⁻ˢ)."""
    rest = _log_integral(lambda s: -x * expm1(-s) - a * s, a - x)
    return where(less(0.0, x) * less(a, math.inf), log_gamma_density(x, a) + log(x) + rest, -math.inf)


def _log_beta_ratio(x: Any, y: Any, a: Any, b: Any) -> Any:
    """log of I(x; a, b) over x·y·density, with y = 1 - x, far down: ∫ e⁻ᵃˢ·(y + x·e⁻ˢ)⁻ᵃ⁻ᵇ ds.

    That is DLMF 8.17.1 with t/(1 - t) = x·e⁻ˢ/y.
    """
    n = a + b
    below = less(x, 0.5)  # the other form has no large terms that cancel where y is small
    return _log_integral(
        lambda s: where(below, -n * log1p(x * expm1(-s)) - a * s, b * s - n * log1p(y * expm1(s))),
        where(below, a - n * x, n * y - b),
    )


def log_lower_beta(x: Any, a: Any, b: Any) -> Any:
    """log I(x; a, b) far down."""
    y = 1.0 - x
    there = less(0.0, x) * less(a, math.inf)
    return where(there, log_beta_density(x, a, b) + log(x) + log(y) + _log_beta_ratio(x, y, a, b), -math.inf)


def log_upper_beta(x: Any, a: Any, b: Any) -> Any:
    """log(1 - I(x; a, b)) far up."""
    y = 1.0 - x
    there = less(0.0, y) * less(a, math.inf) * less(b, math.inf)
    return where(there, log_beta_density(x, a, b) + log(x) + log(y) + _log_beta_ratio(y, x, b, a), -math.inf)


def log_t_tail(y: Any, v: Any) -> Any:
    """Of y far below 0, by the incomplete beta function at 1/(1 + y²/v); by the normal distribution for large v."""
    z = div(y, sqrt(v))
    share = square(inv(hypot(1.0, z)))
    tail = log_t_density(y, v) + log(-0.5 * y) + _log_beta_ratio(share, square(div(z, hypot(1.0, z))), 0.5 * v, 0.5)
    return where(less(-math.inf, y), where(less(v, 1e17), tail, log_ndtr(y)), -math.inf)
