"""Functions of SciPy that are no ufuncs, for Variables and arrays of them: `logsumexp`, `softmax`, `log_softmax`.

NumPy asks an array which function serves it; SciPy does not. These three take their argument apart into a plain array of
objects, on which `np.isfinite` has no loop, or turn to complex numbers: no class of arrays can answer instead. So they get
a first question: whether an argument holds Variables. A name that a program imported before is the same function object.
"""

import functools
import math
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from autograd_lite import refusals
from autograd_lite.arrays import LazyArray, VariableArray, as_variable_array, axes_of, holds_variables
from autograd_lite.functions import log_softmax, logsumexp, object_array, softmax


def _logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False) -> Any:
    if return_sign:
        raise refusals.refusal(
            "scipy.special.logsumexp of Variables has no return_sign. Where the sum is negative, give -b as its weights: "
            "autograd_lite.logsumexp(a, b=-b) is the logarithm of its size."
        )
    array = object_array(a)
    return as_variable_array(logsumexp(array if array.ndim else array.reshape(1), axis, keepdims=keepdims, b=b))


def _shared(function: Callable[..., Any], x: Any, axis: Any = None) -> Any:
    """`softmax` or `log_softmax` with SciPy's axes, which may be several; the result is an array."""
    array = object_array(x)
    if not isinstance(axis, tuple):
        found = function(array.reshape(-1) if axis is None else array, -1 if axis is None else axis)
        return as_variable_array(found.reshape(array.shape))[()]
    places = axes_of(axis, array.ndim)
    front = np.moveaxis(array, places, range(len(places)))
    rows = front.reshape(math.prod(front.shape[: len(places)]), *front.shape[len(places) :])
    return as_variable_array(np.moveaxis(function(rows, 0).reshape(front.shape), range(len(places)), places))


#: What serves Variables, with SciPy's parameters.
SERVING: dict[str, Callable[..., Any]] = {
    "logsumexp": _logsumexp,
    "softmax": functools.partial(_shared, softmax),
    "log_softmax": functools.partial(_shared, log_softmax),
}
#: SciPy's own.
_PLAIN: dict[str, Callable[..., Any]] = {}


def served(name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """The result of a function of SciPy: its own for plain numbers."""
    ours = any(isinstance(a, (VariableArray, LazyArray)) or holds_variables(a) for a in (*arguments, *named.values()))
    return (SERVING if ours else _PLAIN)[name](*arguments, **named)


# SciPy's functions run these in their own module, whose globals have nothing of ours.


def _logsumexp_asked(*arguments: Any, **named: Any) -> Any:
    import sys  # noqa: PLC0415

    return sys.modules["autograd_lite.scipy_functions"].served("logsumexp", arguments, named)


def _softmax_asked(*arguments: Any, **named: Any) -> Any:
    import sys  # noqa: PLC0415

    return sys.modules["autograd_lite.scipy_functions"].served("softmax", arguments, named)


def _log_softmax_asked(*arguments: Any, **named: Any) -> Any:
    import sys  # noqa: PLC0415

    return sys.modules["autograd_lite.scipy_functions"].served("log_softmax", arguments, named)


_ASKED = {"logsumexp": _logsumexp_asked, "softmax": _softmax_asked, "log_softmax": _log_softmax_asked}


def meet() -> None:
    """Let SciPy's functions ask, once SciPy is there; each keeps its signature, its text and its name."""
    special = sys.modules.get("scipy.special")
    if not hasattr(special, "log_softmax"):  # or half imported
        return
    refusals.meeting = None
    for name, asked in _ASKED.items():
        function: Any = getattr(special, name)
        if not isinstance(function, FunctionType) or function.__closure__ or name in _PLAIN:
            continue
        own = FunctionType(function.__code__, function.__globals__, name, function.__defaults__)
        own.__kwdefaults__, own.__doc__ = function.__kwdefaults__, function.__doc__
        _PLAIN[name] = vars(function)["__wrapped__"] = own  # from which `inspect` reads the signature
        function.__defaults__ = function.__kwdefaults__ = None
        function.__code__ = asked.__code__


refusals.meeting = meet
meet()
