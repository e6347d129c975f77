"""Operations in mpmath: an independent number for every recorded local gradient.

None of the library's partials is used. A primitive without a function in mpmath is differentiated by finite differences of
its value.
"""

import importlib
import math
from collections.abc import Callable
from functools import cache, partial
from types import BuiltinFunctionType
from typing import Any

from autograd_lite.primitives import Primitive

#: Digits of the step, of the smallest argument; the truncation of a central difference has twice as many.
STEP = 30

#: Digits that the derivative must have, and most digits to compute with: sums of 1e300 and 1e-300 take 650.
ENOUGH, MOST = 18, 4000


@cache
def _mpmath() -> Any:
    """The context to compute in; None without mpmath, which only the `test` extra brings."""
    try:
        context = importlib.import_module("mpmath").mp.clone()
    except ImportError:
        return None
    return context


def _function(primitive: Primitive, mp: Any) -> Callable[..., Any] | None:
    """The operation in mpmath: the entry's own reference, an operator, or for built-in entries the function of its name."""
    reference = primitive.reference
    if callable(reference):
        return partial(reference, mp)
    if (
        primitive.built_in
        and isinstance(primitive.value, BuiltinFunctionType)
        and primitive.value.__module__ == "_operator"
    ):
        return primitive.value
    return getattr(mp, reference or primitive.name, None) if reference or primitive.built_in else None


def derivative(primitive: Primitive, values: tuple[float, ...], place: int) -> float | None:
    """Return ∂primitive/∂argument by a central difference, with as many digits as it takes; None where mpmath cannot tell."""
    mp = _mpmath()
    function = _function(primitive, mp) if mp else None
    if function is None:
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
            function(*arguments[:place], arguments[place] + side, *arguments[place + 1 :]) for side in (step, -step)
        )
        slope = (above - below) / (2 * step)
    except (ArithmeticError, ValueError, TypeError):
        return math.nan
    if isinstance(slope, mp.mpc) or not mp.isfinite(slope):  # outside the domain on one side
        return math.nan
    noise = mp.mpf(10) ** (2 - digits) * (max(abs(above), abs(below)) + abs(arguments[place] * slope)) / step
    enough = noise <= mp.mpf(10) ** -ENOUGH * abs(slope) or noise < mp.mpf(10) ** -340
    return float(slope) if enough else None
