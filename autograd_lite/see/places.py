"""Where the operations that are not smooth everywhere have their kinks and jumps."""

import math
from collections.abc import Callable

#: Where the kinks of an operation lie, given its arguments: (argument, place), nearest places only.
Places = Callable[..., tuple[tuple[int, float], ...]]


def _zero(*_: float) -> tuple[tuple[int, float], ...]:
    return ((0, 0.0),)


def _ends(*_: float) -> tuple[tuple[int, float], ...]:
    return (0, -1.0), (0, 1.0)


def _tie(a: float, b: float) -> tuple[tuple[int, float], ...]:
    return (0, b), (1, a)


def _whole(x: float) -> tuple[tuple[int, float], ...]:
    return ((0, float(round(x))),)


def _whole_but_zero(x: float) -> tuple[tuple[int, float], ...]:
    return ((0, float(round(x))),) if round(x) else ((0, math.copysign(1.0, x)),)


def _half(x: float, digits: float) -> tuple[tuple[int, float], ...]:
    if digits < -300.0:
        return ()
    if digits > 300.0 or abs(x * 10.0**digits) >= 2.0**52:  # nothing is left to round
        return ((0, x),)
    scale = 10.0**digits
    return ((0, (math.floor(x * scale) + 0.5) / scale),)


def _multiple(x: float, y: float) -> tuple[tuple[int, float], ...]:
    if not y:
        return ()
    if not math.isfinite(x / y):  # a multiple lies within the last place of any number
        return (0, x), (1, y)
    whole = float(round(x / y))
    return ((0, y * whole), (1, x / whole)) if whole else ((0, 0.0),)


def _power(x: float, p: float) -> tuple[tuple[int, float], ...]:  # noqa: ARG001
    return ((0, 0.0),) if not p.is_integer() or p < 0.0 else ()


#: The operations that are not smooth everywhere. The slopes on both sides come from the rules themselves.
PLACES: dict[str, Places] = {
    **dict.fromkeys(("relu", "leaky_relu", "abs", "step", "sign", "sqrt", "cbrt", "copysign"), _zero),
    **dict.fromkeys(("asin", "acos"), _ends),
    "acosh": lambda _: ((0, 1.0),),
    **dict.fromkeys(("maximum", "minimum", "less"), _tie),
    "clip": lambda x, lower, upper: ((0, lower), (0, upper), (1, x), (2, x)),
    **dict.fromkeys(("floor", "ceil"), _whole),
    "trunc": _whole_but_zero,
    "round": _half,
    **dict.fromkeys(("mod", "floordiv"), _multiple),
    "pow": _power,
    "hypot": lambda x, y: (() if y else ((0, 0.0),)) + (() if x else ((1, 0.0),)),
    "atan2": lambda _, x: ((0, 0.0),) if x <= 0.0 else (),
}
