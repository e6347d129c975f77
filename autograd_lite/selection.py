"""Questions as data: comparisons, `any` and `all`, the largest and the smallest, without a branch.

`max(v.value for v in logits)` is the shift of every softmax in scalar Python. With the builtin each comparison is a branch,
and every order of the numbers a path of its own. While a trace runs, the builtins `max` and `min` are therefore replaced, for
the context of that trace alone: other threads, other types of arguments and `key=` get the builtin.
"""

import builtins
import operator
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import reduce
from threading import Lock
from typing import Any

import numpy as np

from autograd_lite import context, functions
from autograd_lite.primitives import less, where
from autograd_lite.variable import Variable


def greater(a: Any, b: Any) -> Any:
    """1 where a > b, 0 where not, nan where either is; the other comparisons likewise.

    Data, no branch: `where(greater(x, 0.0), a, b)`. While a function is traced `x > 0.0` is data too, and NaN compares as in
    Python.

    >>> greater(2.0, 1.0), less_equal(2.0, 1.0)
    (1.0, 0.0)
    """
    return less(b, a)


def less_equal(a: Any, b: Any) -> Any:
    """1 where a <= b, 0 where not, nan where either is.

    >>> less_equal(1.0, 1.0)
    1.0
    """
    return 1.0 - less(b, a)


def greater_equal(a: Any, b: Any) -> Any:
    """1 where a >= b, 0 where not, nan where either is.

    >>> greater_equal(1.0, 2.0)
    0.0
    """
    return 1.0 - less(a, b)


def equal(a: Any, b: Any) -> Any:
    """1 where a = b, 0 where not, nan where either is.

    >>> equal(1.0, 1.0)
    1.0
    """
    return 1.0 - not_equal(a, b)


def not_equal(a: Any, b: Any) -> Any:
    """1 where a and b differ, 0 where not, nan where either is nan.

    >>> not_equal(1.0, 1.0)
    0.0
    """
    return less(a, b) + less(b, a)


def any(numbers: Any, axis: int | None = None) -> Any:  # noqa: A001 - named as in NumPy
    """Whether any number is not 0: a bool, and while a function is traced a condition. Nothing branches.

    >>> any([False, True]), any([])
    (True, False)
    """
    return _answered(operator.or_, numbers, axis, empty=False)


def all(numbers: Any, axis: int | None = None) -> Any:  # noqa: A001
    """Whether no number is 0, as `any`.

    >>> all([True, 1.0]), all([])
    (True, True)
    """
    return _answered(operator.and_, numbers, axis, empty=True)


def _answered(combine: Callable[[Any, Any], Any], numbers: Any, axis: int | None, *, empty: bool) -> Any:
    array = functions._array(numbers)
    answers = np.frompyfunc(lambda number: number != 0.0, 1, 1)(array)
    return functions._unboxed(functions._reduced(combine, answers, axis, empty))


def larger(best: Any, item: Any) -> Any:
    """The step of Python's `max`: a later number only if it is larger."""
    return where(item > best, item, best)


def smaller(best: Any, item: Any) -> Any:
    """The step of Python's `min`."""
    return where(item < best, item, best)


def max(*numbers: Any, axis: int | None = None) -> Any:  # noqa: A001
    """The largest of some numbers, or of one list or array of them: Python's `max`, as a selection without a branch.

    The first of equal ones, with all of the derivative; `maximum(a, b)` shares it. NaN compares as in Python.

    Raises
    ------
    ArgumentError
        If there is no number.

    >>> max(1.0, 3.0, 2.0), max([[1.0, 5.0], [4.0, 2.0]], axis=0)
    (3.0, array([4., 5.]))
    """
    return _selected(larger, numbers, axis)


def min(*numbers: Any, axis: int | None = None) -> Any:  # noqa: A001
    """The smallest, as `max`.

    >>> min([2.0, 1.0])
    1.0
    """
    return _selected(smaller, numbers, axis)


def _selected(step: Callable[[Any, Any], Any], numbers: tuple[Any, ...], axis: int | None) -> Any:
    return functions._unboxed(
        functions._reduced(step, functions._array(numbers[0] if len(numbers) == 1 else list(numbers)), axis, None)
    )


# ----------------------------------------------------------------------------------------- the builtins, while traced

_max, _min = builtins.max, builtins.min
_lock = Lock()
_traces = 0


def _lifted(builtin: Callable[..., Any], step: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def selection(*arguments: Any, **keywords: Any) -> Any:
        if keywords or context.recording() is None:
            return builtin(*arguments, **keywords)
        if len(arguments) == 1 and isinstance(arguments[0], Iterable):
            arguments = (list(arguments[0]),)  # an iterator can be gone through once
        items = arguments[0] if len(arguments) == 1 else arguments
        if isinstance(items, list | tuple) and len(items) > 1 and _are_traced(items):
            return reduce(step, items)
        return builtin(*arguments)

    selection.__name__ = selection.__qualname__ = builtin.__name__
    selection.__doc__ = builtin.__doc__
    return selection


def _are_traced(items: Iterable[Any]) -> bool:
    return builtins.all(map(_is_number, items)) and builtins.any(type(item) is Variable for item in items)


def _is_number(item: Any) -> bool:
    return type(item) is Variable or isinstance(item, int | float | np.integer | np.floating | np.bool_)


_lifted_max, _lifted_min = _lifted(_max, larger), _lifted(_min, smaller)


@contextmanager
def selecting() -> Iterator[None]:
    """Replace the builtins while anything is traced."""
    global _traces  # noqa: PLW0603 - the last trace puts them back
    with _lock:
        _traces += 1
        if _traces == 1 and builtins.max is _max and builtins.min is _min:  # else somebody else has replaced them
            builtins.max, builtins.min = _lifted_max, _lifted_min
    try:
        yield
    finally:
        with _lock:
            _traces -= 1
            if not _traces:
                if builtins.max is _lifted_max:
                    builtins.max = _max
                if builtins.min is _lifted_min:
                    builtins.min = _min
