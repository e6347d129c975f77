"""Questions as data: comparisons, `any` and `all`, the largest and the smallest, without a branch.

While a trace runs, its context alone has the builtins `max` and `min` replaced: with them `max(v.value for v in logits)`,
the shift of every softmax, would have a path for every order of the numbers. With `key=` they are the builtins.
"""

import builtins
import operator
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import reduce, wraps
from typing import Any

import numpy as np

from autograd_lite import context, forks
from autograd_lite.functions import object_array, reduced, unboxed
from autograd_lite.primitives import less, where
from autograd_lite.variable import Variable


def greater(a: Any, b: Any) -> Any:
    """1 where a > b, 0 where not, nan where either is; the other comparisons likewise.

    Data, no branch: `where(greater(x, 0.0), a, b)`. While a function is traced `x > 0.0` is data too, and NaN compares as in
    Python.

    Parameters
    ----------
    a, b : float, Variable or array
        The numbers to compare; arrays are broadcast.

    Returns
    -------
    float, Variable or array
        1.0 or 0.0; for Variables a Variable, whose derivative is 0.

    Examples
    --------
    >>> greater(2.0, 1.0), less_equal(2.0, 1.0)
    (1.0, 0.0)
    """
    return less(b, a)


def less_equal(a: Any, b: Any) -> Any:
    """1 where a <= b, 0 where not, nan where either is.

    Parameters
    ----------
    a, b : float, Variable or array
        The numbers to compare; arrays are broadcast.

    Returns
    -------
    float, Variable or array
        1.0 or 0.0; for Variables a Variable, whose derivative is 0.

    Examples
    --------
    >>> less_equal(1.0, 1.0)
    1.0
    """
    return 1.0 - less(b, a)


def greater_equal(a: Any, b: Any) -> Any:
    """1 where a >= b, 0 where not, nan where either is.

    Parameters
    ----------
    a, b : float, Variable or array
        The numbers to compare; arrays are broadcast.

    Returns
    -------
    float, Variable or array
        1.0 or 0.0; for Variables a Variable, whose derivative is 0.

    Examples
    --------
    >>> greater_equal(1.0, 2.0)
    0.0
    """
    return 1.0 - less(a, b)


def equal(a: Any, b: Any) -> Any:
    """1 where a = b, 0 where not, nan where either is.

    Parameters
    ----------
    a, b : float, Variable or array
        The numbers to compare; arrays are broadcast.

    Returns
    -------
    float, Variable or array
        1.0 or 0.0; for Variables a Variable, whose derivative is 0.

    Examples
    --------
    >>> equal(1.0, 1.0)
    1.0
    """
    return 1.0 - not_equal(a, b)


def not_equal(a: Any, b: Any) -> Any:
    """1 where a and b differ, 0 where not, nan where either is nan.

    Parameters
    ----------
    a, b : float, Variable or array
        The numbers to compare; arrays are broadcast.

    Returns
    -------
    float, Variable or array
        1.0 or 0.0; for Variables a Variable, whose derivative is 0.

    Examples
    --------
    >>> not_equal(1.0, 1.0)
    0.0
    """
    return less(a, b) + less(b, a)


def any(numbers: Any, axis: int | None = None) -> Any:  # noqa: A001 - named as in NumPy
    """Whether any number is not 0: a bool, and while a function is traced a condition. Nothing branches.

    Parameters
    ----------
    numbers : iterable of numbers
        Floats, Variables, or an array of either, nested as in NumPy.
    axis : int, optional
        The axis along which to go; all numbers by default.

    Returns
    -------
    bool, condition or array
        False for no numbers.

    Examples
    --------
    >>> any([False, True]), any([])
    (True, False)
    """
    return _answered(operator.or_, numbers, axis, empty=False)


def all(numbers: Any, axis: int | None = None) -> Any:  # noqa: A001
    """Whether no number is 0, as `any`.

    Parameters
    ----------
    numbers : iterable of numbers
        Floats, Variables, or an array of either, nested as in NumPy.
    axis : int, optional
        The axis along which to go; all numbers by default.

    Returns
    -------
    bool, condition or array
        True for no numbers.

    Examples
    --------
    >>> all([True, 1.0]), all([])
    (True, True)
    """
    return _answered(operator.and_, numbers, axis, empty=True)


def _answered(combine: Callable[[Any, Any], Any], numbers: Any, axis: int | None, *, empty: bool) -> Any:
    answers = np.frompyfunc(lambda number: number != 0.0, 1, 1)(object_array(numbers))
    return unboxed(reduced(combine, answers, axis, empty))


def _larger(best: Any, item: Any) -> Any:
    return where(item > best, item, best)


def _smaller(best: Any, item: Any) -> Any:
    return where(item < best, item, best)


def max(*numbers: Any, axis: int | None = None) -> Any:  # noqa: A001
    """The largest of some numbers, or of one list or array of them: Python's `max`, as a selection without a branch.

    The first of equal ones, with all of the derivative; `maximum(a, b)` shares it. NaN compares as in Python.

    Parameters
    ----------
    *numbers : float or Variable
        Two or more numbers, or one list or array of them.
    axis : int, optional
        The axis along which to go; all numbers by default.

    Returns
    -------
    float, Variable or array
        One number, or an array without that axis.

    Raises
    ------
    ArgumentError
        If there is no number.

    Examples
    --------
    >>> max(1.0, 3.0, 2.0), max([[1.0, 5.0], [4.0, 2.0]], axis=0)
    (3.0, array([4., 5.]))
    """
    return _selected(_larger, numbers, axis)


def min(*numbers: Any, axis: int | None = None) -> Any:  # noqa: A001
    """The smallest, as `max`.

    Parameters
    ----------
    *numbers : float or Variable
        Two or more numbers, or one list or array of them.
    axis : int, optional
        The axis along which to go; all numbers by default.

    Returns
    -------
    float, Variable or array
        One number, or an array without that axis.

    Examples
    --------
    >>> min([2.0, 1.0])
    1.0
    """
    return _selected(_smaller, numbers, axis)


def _selected(step: Callable[[Any, Any], Any], numbers: tuple[Any, ...], axis: int | None) -> Any:
    return unboxed(reduced(step, object_array(numbers[0] if len(numbers) == 1 else list(numbers)), axis, None))


# ----------------------------------------------------------------------------------------- the builtins, while traced

_NUMBERS = (Variable, int, float, np.integer, np.floating, np.bool_)
_max, _min = builtins.max, builtins.min
_lock = forks.lock()
_traces = 0


def _lifted(builtin: Callable[..., Any], step: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    @wraps(builtin)
    def selection(*arguments: Any, **keywords: Any) -> Any:
        if keywords or context.recording() is None:
            return builtin(*arguments, **keywords)
        if len(arguments) == 1 and isinstance(arguments[0], Iterable):
            arguments = (list(arguments[0]),)  # an iterator can be gone through once
        items = arguments[0] if len(arguments) == 1 else arguments
        kinds = set(map(type, items)) if isinstance(items, list | tuple) and len(items) > 1 else set()
        if Variable in kinds and builtins.all(issubclass(kind, _NUMBERS) for kind in kinds):
            return reduce(step, items)
        return builtin(*arguments)

    return selection


_lifted_max, _lifted_min = _lifted(_max, _larger), _lifted(_min, _smaller)


@contextmanager
def selecting() -> Iterator[None]:
    """Replace the builtins while anything is traced."""
    global _traces  # noqa: PLW0603 - the last trace puts them back
    with _lock:
        _traces += 1
        if _traces == 1 and (builtins.max, builtins.min) == (_max, _min):  # else somebody else has replaced them
            builtins.max, builtins.min = _lifted_max, _lifted_min
    try:
        yield
    finally:
        with _lock:
            _traces -= 1
            for name, lifted, builtin in (("max", _lifted_max, _max), ("min", _lifted_min, _min)):
                if not _traces and getattr(builtins, name) is lifted:
                    setattr(builtins, name, builtin)
