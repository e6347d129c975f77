"""The built-in operations in mpmath: an independent number for every recorded local gradient.

None of the library's partials is used. A primitive without an entry, and any of a user's own, is differentiated by finite
differences of its value.
"""

import importlib
import math
from collections.abc import Callable
from functools import cache
from typing import Any

#: Digits to work with, and of the step: as many are lost to the difference, and as many again to its truncation.
DIGITS, STEP = 60, 20


def _same(name: str) -> Callable[..., Any]:
    """The function that mpmath has under this name."""
    return lambda mp, *arguments: getattr(mp, name)(*arguments)


#: Each takes mpmath and its numbers, and returns one.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{
        name: _same(name)
        for name in (
            "exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh",
            "tanh", "asinh", "acosh", "atanh", "erf", "erfc", "gamma", "hypot", "degrees", "radians", "digamma",
        )
    },
    "add": lambda _, a, b: a + b,
    "sub": lambda _, a, b: a - b,
    "mul": lambda _, a, b: a * b,
    "div": lambda _, a, b: a / b,
    "neg": lambda _, x: -x,
    "positive": lambda _, x: x,
    "inv": lambda _, x: 1 / x,
    "square": lambda _, x: x * x,
    "pow": lambda mp, x, p: mp.power(x, p),
    "exp2": lambda mp, x: mp.power(2, x),
    "log2": lambda mp, x: mp.log(x) / mp.log(2),
    "log10": lambda mp, x: mp.log(x) / mp.log(10),
    "lgamma": lambda mp, x: mp.loggamma(x),
    "sigmoid": lambda mp, x: 1 / (1 + mp.exp(-x)),
    "softplus": lambda mp, x: mp.log1p(mp.exp(-abs(x))) + max(x, 0),
    "logaddexp": lambda mp, a, b: max(a, b) + mp.log1p(mp.exp(-abs(a - b))),
    "xlogy": lambda mp, x, y: x * mp.log(y),
    "sinc": lambda mp, x: mp.sincpi(x),
    "softsign": lambda _, x: x / (1 + abs(x)),
    "share": lambda _, a, b: a / (a + b),
    "log_of_sum": lambda mp, t, r: mp.log(mp.exp(t) + r),
    "log_of_excess": lambda mp, t, r: mp.log1p(r * mp.exp(-t)),
}  # fmt: skip


@cache
def _mpmath() -> Any:
    """The context to compute in; None without mpmath, which only the `test` extra brings."""
    try:
        context = importlib.import_module("mpmath").mp.clone()
    except ImportError:
        return None
    context.dps = DIGITS
    return context


def derivative(name: str, values: tuple[float, ...], place: int) -> float | None:
    """Return ∂name/∂argument by a central difference at 60 digits; None where mpmath cannot tell."""
    mp, function = _mpmath(), FUNCTIONS.get(name)
    if mp is None or function is None:
        return None
    arguments = [mp.mpf(v) for v in values]
    step = mp.mpf(10) ** -STEP * (min(abs(arguments[place]), 1) or 1)
    ends = []
    try:
        for side in (step, -step):
            moved = [*arguments[:place], arguments[place] + side, *arguments[place + 1 :]]
            ends.append(function(mp, *moved))
        slope = (ends[0] - ends[1]) / (2 * step)
    except (ArithmeticError, ValueError, TypeError):
        return None
    if isinstance(slope, mp.mpc):  # outside the domain on one side
        return None
    result = float(slope)
    return result if math.isfinite(result) else None
