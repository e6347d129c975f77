"""The built-in operations in mpmath: an independent number for every recorded local gradient.

None of the library's partials is used. A primitive without an entry, and any of a user's own, is differentiated by finite
differences of its value.
"""

import importlib
import math
from collections.abc import Callable
from functools import cache
from typing import Any

#: Digits of the step, of the smallest argument; the truncation of a central difference has twice as many.
STEP = 30

#: Digits that the derivative must have, and most digits to compute with: sums of 1e300 and 1e-300 take 650.
ENOUGH, MOST = 18, 4000


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
    "log_of_sum": lambda mp, t, r: t + mp.log1p(r * mp.exp(-t)),
    "log_of_excess": lambda mp, t, r: mp.log1p(r * mp.exp(-t)),
}  # fmt: skip


@cache
def _mpmath() -> Any:
    """The context to compute in; None without mpmath, which only the `test` extra brings."""
    try:
        context = importlib.import_module("mpmath").mp.clone()
    except ImportError:
        return None
    return context


def derivative(name: str, values: tuple[float, ...], place: int) -> float | None:
    """Return ∂name/∂argument by a central difference, with as many digits as it takes; None where mpmath cannot tell."""
    mp, function = _mpmath(), FUNCTIONS.get(name)
    if mp is None or function is None:
        return None
    digits = 3 * STEP + max(abs(math.frexp(v)[1]) for v in values) // 3
    while digits <= MOST:
        with mp.workdps(digits):
            slope = _difference(mp, function, values, place, digits)
        if slope is not None:
            return slope if math.isfinite(slope) else None
        digits *= 2
    return None


def _difference(
    mp: Any, function: Callable[..., Any], values: tuple[float, ...], place: int, digits: int
) -> float | None:
    """The difference as a float, nan where there is none; None if too few digits are left of it."""
    arguments = [mp.mpf(v) for v in values]
    step = mp.mpf(10) ** -STEP * min([abs(a) for a in arguments if a] + [1])
    try:
        above, below = (
            function(mp, *arguments[:place], arguments[place] + side, *arguments[place + 1 :]) for side in (step, -step)
        )
        slope = (above - below) / (2 * step)
    except (ArithmeticError, ValueError, TypeError):
        return math.nan
    if isinstance(slope, mp.mpc) or not mp.isfinite(slope):  # outside the domain on one side
        return math.nan
    noise = mp.mpf(10) ** (2 - digits) * (max(abs(above), abs(below)) + abs(arguments[place] * slope)) / step
    enough = noise <= mp.mpf(10) ** -ENOUGH * abs(slope) or noise < mp.mpf(10) ** -340
    return float(slope) if enough else None
