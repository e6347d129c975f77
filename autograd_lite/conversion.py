"""Numbers of Python and NumPy as 64-bit floats: a leaf exactly or not at all, an operand as Python itself does."""

import datetime as dt
from decimal import Decimal
from fractions import Fraction
from math import nan

import numpy as np

from autograd_lite.errors import ConversionError, OperandError

_WHOLE = (int, np.integer, np.bool_)


def as_float(number: object) -> float:
    """Convert a real number to the float equal to it, or refuse.

    Raises
    ------
    ConversionError
        If no 64-bit float equals the number.
    OperandError
        If it is no real number of Python or NumPy.

    Examples
    --------
    >>> as_float(True), as_float(np.float32(0.5)), as_float(np.array(3))
    (1.0, 0.5, 3.0)
    """
    if isinstance(number, np.ndarray) and number.ndim == 0:
        number = number[()]
    if isinstance(number, float):
        return float(number)
    if isinstance(number, _WHOLE) and not isinstance(number, np.timedelta64):
        number = int(number)
    elif not isinstance(number, np.floating):
        raise OperandError(_not_a_real_number(number))
    try:
        converted = float(number)
    except OverflowError:
        converted = nan
    if converted == number or number != number:  # noqa: PLR0124 - a NaN is converted
        return converted
    text = str(number)
    shown = text if len(text) <= 40 else f"{text[:20]}… ({len(text)} digits)"
    raise ConversionError(
        f"{shown} is not exactly representable as a 64-bit float. Pass float({'…' if shown != text else text}) "
        "if the nearest float is meant, or scale the number down."
    )


def as_operand(number: object) -> float:
    """Convert a number that an operation is applied to: an integer to the nearest float, anything else as `as_float` does.

    Python computes `float op int` this way: the integer is rounded once, ties to even. A leaf is data, which nothing may
    change; an operand is part of a formula, and `x**k / math.factorial(k)` means what it means for floats.

    Raises
    ------
    OverflowError
        If an integer is beyond the largest float; with Python's own words.
    ConversionError, OperandError
        As `as_float`.

    Examples
    --------
    >>> as_operand(2**53 + 1), as_operand(10**23)
    (9007199254740992.0, 1e+23)
    """
    if type(number) is float:
        return number
    if isinstance(number, np.ndarray) and number.ndim == 0:
        number = number[()]
    if isinstance(number, _WHOLE) and not isinstance(number, np.timedelta64):
        return float(int(number))
    return as_float(number)


def is_lazy_array(thing: object) -> bool:
    """Whether it is an array of Dask."""
    return hasattr(type(thing), "__dask_graph__") and hasattr(type(thing), "chunks")


def refuse_times(array: np.ndarray) -> None:
    """Refuse an array of times: as objects those of nanoseconds would be whole numbers, and others objects of Python."""
    if array.dtype.kind in "mM":
        raise OperandError(
            f"an array of {array.dtype} holds times, whose numbers depend on their unit. Write "
            f"{'t' if array.dtype.kind == 'm' else '(t - t[0])'} / np.timedelta64(1, 's') for seconds."
        )


def is_array_of_others(thing: object) -> bool:
    """Whether it is an array of another library, whose numbers are here."""
    kind = type(thing)
    numbers = hasattr(kind, "__array__") and not hasattr(kind, "__apply_primitive__")
    return numbers and not isinstance(thing, (np.ndarray, np.generic)) and not is_lazy_array(thing)


def _not_a_real_number(thing: object) -> str:
    kind = type(thing).__name__
    if hasattr(type(thing), "__apply_primitive__"):
        return f"{thing!r} is a {kind} already; use it as it is, or its number, x.value, if its history is not wanted here."
    if isinstance(thing, (complex, np.complexfloating)):
        return f"complex number {thing!r}: derivatives here are of real functions. Use its .real and .imag parts."
    if isinstance(thing, (np.timedelta64, dt.timedelta)):
        return f"{thing!r} is a time, whose number depends on its unit. Write x / np.timedelta64(1, 's') for seconds."
    if isinstance(thing, (Fraction, Decimal)):
        return f"{thing!r} is exact, and Variables are 64-bit floats. Write float(...) around it, which rounds it once."
    if isinstance(thing, (np.ndarray, list, tuple)):
        return (
            f"{kind} of {len(thing)} elements where one real number is needed. Apply the operation to each element; a list "
            "of Variables is [al.Variable(v) for v in numbers], and al.grad takes arrays and lists as they are."
        )
    if is_lazy_array(thing):
        return (
            "an array of Dask, whose numbers are computed later and elsewhere, takes no Variables. Map a function over "
            "its rows, al.vmap(al.value_and_grad(f), in_axes=…)(parameters, x), or take its numbers here, x.compute()."
        )
    if is_array_of_others(thing):
        shown = " ".join(repr(thing).split())
        return f"{kind} {shown:.60} is of another library. Give np.asarray(x), or float(x) of one number."
    if hasattr(thing, "__dataclass_fields__"):
        return f"{kind} is a dataclass. Decorate it with @al.register_dataclass, and it is a nest of its fields."
    return f"{kind} {thing!r:.60} is not a real number. Use an int, a float or a NumPy real number."
