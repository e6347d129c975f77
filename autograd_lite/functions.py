"""Functions composed of primitives: reductions of arrays and of any iterable of numbers, and activations."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from autograd_lite import context
from autograd_lite.arrays import LazyArray, axes_of, boxed, is_variable, rows_first
from autograd_lite.conversion import as_operand
from autograd_lite.errors import ArgumentError
from autograd_lite.primitives import (
    abs, add, clip, div, erfc, exp, expm1, hold, less, log, log1p, log_of_excess, log_of_sum, logaddexp,  # noqa: A004
    maximum, mul, share, sigmoid, sqrt, square, sub, where,
)  # fmt: skip

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805  # Klambauer et al. 2017, equation (14)


def object_array(numbers: Any) -> Any:
    """An object array of floats and Variables, made from an array or any iterable of numbers."""
    if isinstance(numbers, LazyArray):
        return numbers.numbers()
    if not isinstance(numbers, np.ndarray) and hasattr(type(numbers), "__array__") and not is_variable(numbers):
        numbers = np.asarray(numbers)  # of another library: going through a table gives the names of its columns
    if not isinstance(numbers, np.ndarray):
        listed = numbers if isinstance(numbers, list) or not isinstance(numbers, Iterable) else list(numbers)
        if isinstance(listed, list) and all(k is float or hasattr(k, "local_gradients") for k in {*map(type, listed)}):
            return np.fromiter(listed, object, len(listed))  # `np.array` asks each Variable for an array
        numbers = np.array(listed, dtype=object)
    entries = [n if is_variable(n) else as_operand(n) for n in numbers.ravel()]
    return np.fromiter(entries, object, len(entries)).reshape(numbers.shape)


def unboxed(result: Any) -> Any:
    """The array as float64 if every entry is a float."""
    if isinstance(result, LazyArray):
        return result
    if isinstance(result, np.ndarray) and all(type(entry) is float for entry in result.ravel()):
        return result.astype(np.float64)
    return result


def reduced(combine: Callable[[Any, Any], Any], array: Any, axis: int | None, empty: float | None) -> Any:
    """Combine the numbers of an object array along an axis (all of them by default), from first to last."""
    if array.ndim == 0 or not (axis is None or isinstance(axis, (int, np.integer))):
        raise ArgumentError(
            f"got {array[()] if array.ndim == 0 else 'an array'!r:.60} with axis={axis!r:.40}: pass a list or an array of "
            "numbers, and one axis of it."
        )
    if axis is None:
        array, axis = array.ravel(), 0
    axes_of(axis, array.ndim)  # which says what is wrong with it
    if array.shape[axis] == 0:
        if empty is None:
            raise ArgumentError("an empty sequence has no largest element; pass at least one number.")
        return empty if array.ndim == 1 else np.full(np.delete(array.shape, axis), empty, dtype=object)
    with np.errstate(all="ignore"):
        return np.frompyfunc(combine, 2, 1).reduce(array, axis=axis)


def sum(numbers: Any, axis: int | None = None) -> Any:  # noqa: A001 - named as in NumPy
    """The sum, from first to last; 0 for no numbers.

    Parameters
    ----------
    numbers : iterable of numbers
        Floats, Variables, or an array of either, nested as in NumPy.
    axis : int, optional
        The axis along which to go; all numbers by default.

    Returns
    -------
    float, Variable or array
        One number, or an array without that axis.

    Examples
    --------
    >>> sum([1.0, 2.0, 3.5])
    6.5
    """
    lifted = _lifted(numbers, axis)
    return unboxed(reduced(add, object_array(numbers), axis, 0.0)) if lifted is None else lifted


def _lifted(numbers: Any, axis: int | None, *, mean: bool = False) -> Any:
    """The sum or mean of a long array of a traced function, which is one instruction; None for what is none."""
    if isinstance(numbers, LazyArray):
        return np.mean(numbers, axis=axis) if mean else np.sum(numbers, axis=axis)  # type: ignore[call-overload]
    if not (context.tracing and (trace := context.recording()) and isinstance(numbers, np.ndarray)):
        return None
    found = trace.lifted(np.add, "reduce", (numbers,), {"axis": axis})
    if found is NotImplemented:
        return None
    return found / float(numbers.size if axis is None else numbers.shape[axis]) if mean else found


def prod(numbers: Any, axis: int | None = None) -> Any:
    """The product, from first to last; 1 for no numbers. Its gradient is right even if factors are zero.

    Parameters
    ----------
    numbers : iterable of numbers
        Floats, Variables, or an array of either, nested as in NumPy.
    axis : int, optional
        The axis along which to go; all numbers by default.

    Returns
    -------
    float, Variable or array
        One number, or an array without that axis.

    Examples
    --------
    >>> prod([2.0, 3.0])
    6.0
    """
    return unboxed(reduced(mul, object_array(numbers), axis, 1.0))


def mean(numbers: Any, axis: int | None = None) -> Any:
    """The arithmetic mean; nan for no numbers.

    Parameters
    ----------
    numbers : iterable of numbers
        Floats, Variables, or an array of either, nested as in NumPy.
    axis : int, optional
        The axis along which to go; all numbers by default.

    Returns
    -------
    float, Variable or array
        One number, or an array without that axis.

    Examples
    --------
    >>> mean([1.0, 2.0, 6.0])
    3.0
    """
    lifted = _lifted(numbers, axis, mean=True)
    if lifted is not None:
        return lifted
    array = object_array(numbers)
    total = reduced(add, array, axis, 0.0)
    return unboxed(div(total, float(array.size if axis is None else array.shape[axis])))


def dot(a: Any, b: Any) -> Any:
    """Inner product of vectors, product of matrices, like `numpy.dot`.

    Parameters
    ----------
    a, b : sequence or array
        Vectors of one length, or matrices that fit.

    Returns
    -------
    float, Variable or array
        One number for two vectors.

    Examples
    --------
    >>> dot([1.0, 2.0], [3.0, 4.0])
    11.0
    """
    if isinstance(a, LazyArray) or isinstance(b, LazyArray):
        return np.dot(a, b)
    left, right = object_array(a), object_array(b)
    if left.ndim == right.ndim == 1:
        if left.shape != right.shape:
            raise ArgumentError(
                f"dot of vectors with {left.size} and {right.size} elements; give vectors of one length."
            )
        return sum(mul(left, right))
    with np.errstate(all="ignore"):
        return unboxed(np.dot(left, right))


def norm(numbers: Any, axis: int | None = None) -> Any:
    """Euclidean length. No square overflows; at the origin the gradient is 0, the subgradient of least norm.

    Parameters
    ----------
    numbers : iterable of numbers
        Floats, Variables, or an array of either, nested as in NumPy.
    axis : int, optional
        The axis along which to go; all numbers by default.

    Returns
    -------
    float, Variable or array
        One number, or an array without that axis.

    Examples
    --------
    >>> norm([3.0, 4.0]), norm([1e200, 0.0])
    (5.0, 1e+200)
    """
    lazy = isinstance(numbers, LazyArray) and axis is None
    array = numbers if lazy else object_array(numbers)
    if array.size == 0:
        return unboxed(reduced(add, array, axis, 0.0))
    # Divided by the largest, a constant: smooth in every coordinate, as a chain of hypot would not be where one is 0. The
    # sum of all sizes, which lanes have, is such a constant too.
    largest = hold(sum(abs(array)) if lazy else reduced(maximum, abs(array), axis, None))
    scale = clip(largest, 2.0**-1000, 2.0**1000)  # whose inverse has all its digits
    squares = square(div(array, _spread(scale, axis)))
    length = scale * sqrt(sum(squares) if lazy else reduced(add, squares, axis, 0.0))
    return unboxed(where(largest, length, 0.0))


def _spread(found: Any, axis: int | None) -> Any:
    """The result of `reduced`, shaped so that it broadcasts against the array again."""
    return found if axis is None or not isinstance(found, np.ndarray) else np.expand_dims(found, axis)


def _is_infinite(largest: Any) -> bool:
    """Whether any number is infinite; in a trace this is no branch but a doubt, which the careful program settles."""
    trace = context.recording()
    each = largest.ravel() if isinstance(largest, np.ndarray) else [largest]
    if trace and trace.doubt(x - x for x in each if is_variable(x)):  # NaN where x is infinite
        return False
    return any(abs(x) == math.inf for x in each)


def _shifted(array: Any, axis: int | None) -> tuple[Any, Any]:
    """Numbers minus their maximum, and the maximum held constant; 0 for a number equal to an infinite maximum."""
    largest = hold(reduced(maximum, array, axis, None))
    spread = _spread(largest, axis)
    if _is_infinite(largest):  # inf - inf: what ties with the largest is at distance 0
        unequal = less(array, spread)
        return where(unequal, sub(array, spread), 0.0 * unequal), largest
    return sub(array, spread), largest


def _beside_largest(shifted: Any, axis: int | None) -> tuple[Any, Any, list[Any], list[Any], list[Any]]:
    """For numbers with the maximum 0: the first maximum, Σ eˣ of all others; each number, its mark and its eˣ.

    The mark is 1 at the first maximum and 0 elsewhere. The maximum is separate since its share is 1 - Σ of the other
    shares, a difference that has no digit left if the others are small: see `log_of_sum`.
    """
    numbers = list(shifted.ravel() if axis is None else np.moveaxis(shifted, axis, 0))
    largest: Any = 0.0
    before, others, marks, powers = 1.0, None, [], []
    for number in numbers:
        after = where(less(number, 0.0), before, 0.0)  # 1 while none has been the largest; NaN is among the others
        marks.append(sub(before, after))
        powers.append(exp(number))
        largest = where(marks[-1], number, largest)
        other = where(marks[-1], 0.0, powers[-1])
        before, others = after, other if others is None else add(others, other)
    return largest, others, numbers, marks, powers


def _mapped(rows_of: Callable[..., list[Any]], numbers: Any, axis: int | None) -> Any:
    """Rows along an axis, each computed from all rows, in the shape and type of the argument: a list for a list."""
    array = object_array(numbers)
    rows = rows_of(array, axis) if array.size else []
    if rows and axis is not None and array.ndim > 1:
        array = np.stack(rows, axis=axis).astype(object)
    elif rows:
        array = np.fromiter(rows, object, len(rows)).reshape(array.shape)
    if isinstance(numbers, np.ndarray):
        return unboxed(array)
    return type(numbers)(array.tolist()) if isinstance(numbers, (list, tuple)) else array.tolist()


def logsumexp(numbers: Any, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False, b: Any = None) -> Any:
    """log Σ b·eˣ without overflow, along one axis or several; -inf for no numbers. Its gradient by x is the softmax.

    Parameters
    ----------
    numbers : iterable of numbers
        Floats, Variables, or an array of either, nested as in NumPy.
    axis : int or tuple of int, optional
        The axis, or several; all numbers by default.
    keepdims : bool, default False
        Keep the axes, with length 1.
    b : number or iterable of numbers, optional
        Weights, broadcast against the numbers; 1 by default. Weights may be 0 or negative; the result is nan where the
        weighted sum is negative.

    Returns
    -------
    float, Variable or array
        One number, or an array without those axes.

    Examples
    --------
    >>> logsumexp([1000.0, 1000.0]), logsumexp([0.0, -40.0])
    (1000.6931471805599, 4.248354255291589e-18)
    >>> logsumexp([1.0, 1.0], b=[0.5, 0.5])
    1.0
    """
    array = object_array(numbers)
    weights = None if b is None else object_array(b)
    if weights is not None:
        try:
            array, weights = np.broadcast_arrays(array, weights)
        except ValueError as error:
            raise ArgumentError(f"b of shape {weights.shape} does not fit numbers of shape {array.shape}.") from error
    axes = axes_of(axis, array.ndim)
    if isinstance(axis, tuple):
        array, weights = (None if each is None else rows_first(each, axes) for each in (array, weights))
        axis = 0
    total = _log_of_sum(array, axis) if weights is None else _log_of_weighted_sum(array, weights, axis)
    return unboxed(np.expand_dims(boxed(total), axes) if keepdims else total)


def _log_of_weighted_sum(array: Any, weights: Any, axis: int | None) -> Any:
    """The logarithm P of the terms with positive weights, plus log(1 + Σ b·e^(x - P)) of all others."""
    positive = less(0.0, weights)
    total = _log_of_sum(where(positive, add(array, log(weights)), -math.inf), axis)
    if all(type(w) is float and w > 0.0 for w in weights.flat):
        return total
    others = where(positive, 0.0, mul(weights, exp(sub(array, _spread(total, axis)))))
    negative = reduced(add, where(less(weights, 0.0), 1.0, 0.0), axis, 0.0)
    nothing = where(negative, math.nan, -math.inf)
    return where(less(-math.inf, total), add(total, log1p(reduced(add, others, axis, 0.0))), nothing)


def _log_of_sum(array: Any, axis: int | None) -> Any:
    if array.size == 0:
        return reduced(add, array, axis, -math.inf)
    shifted, largest = _shifted(array, axis)
    if _is_infinite(largest):  # the derivative of inf + log Σ would not pass through the held infinity
        return reduced(logaddexp, array, axis, -math.inf)
    top, others, _, _, _ = _beside_largest(shifted, axis)
    return add(largest, log_of_sum(top, others))


def softmax(numbers: Any, axis: int | None = -1) -> Any:
    """eˣ / Σ eˣ along an axis, without overflow; the result has the type of the argument.

    Parameters
    ----------
    numbers : iterable of numbers
        Floats, Variables, or an array of either, nested as in NumPy.
    axis : int or None, default -1
        The axis along which the shares add up to 1; None for all numbers.

    Returns
    -------
    list, tuple or array
        A share for each number.

    Examples
    --------
    >>> softmax([0.0, 0.0])
    [0.5, 0.5]
    """

    def shares(array: Any, axis: int | None) -> list[Any]:
        top, others, _, marks, powers = _beside_largest(_shifted(array, axis)[0], axis)
        power = exp(top)
        largest, total = share(power, others), add(power, others)
        return [where(mark, largest, div(each, total)) for mark, each in zip(marks, powers, strict=True)]

    return _mapped(shares, numbers, axis)


def log_softmax(numbers: Any, axis: int | None = -1) -> Any:
    """x - logsumexp(x) along an axis; the result has the type of the argument.

    Parameters
    ----------
    numbers : iterable of numbers
        Floats, Variables, or an array of either, nested as in NumPy.
    axis : int or None, default -1
        The axis of the softmax; None for all numbers.

    Returns
    -------
    list, tuple or array
        The logarithm of a share for each number.

    Examples
    --------
    >>> log_softmax([0.0, 0.0])
    [-0.6931471805599453, -0.6931471805599453]
    """
    return _mapped(lambda array, axis: [sub(0.0, row) for row in surprises(array, axis)], numbers, axis)


def surprises(array: Any, axis: int | None = None) -> list[Any]:
    """logsumexp(x) - x for each number along an axis: never negative, and accurate near 0."""
    top, others, numbers, marks, _ = _beside_largest(_shifted(object_array(array), axis)[0], axis)
    least, total = log_of_excess(top, others), log_of_sum(top, others)
    return [where(mark, least, sub(total, number)) for mark, number in zip(marks, numbers, strict=True)]


def gelu(x: Any) -> Any:
    """x·Φ(x), Φ the normal distribution function (Hendrycks & Gimpel 2016), exact.

    Parameters
    ----------
    x : float, Variable or array
        The argument, or many of them.

    Returns
    -------
    float, Variable or array
        As the argument.

    Examples
    --------
    >>> gelu(0.0)
    0.0
    """
    return 0.5 * x * erfc(-math.sqrt(0.5) * x)


def silu(x: Any) -> Any:
    """x·σ(x), also called swish.

    Parameters
    ----------
    x : float, Variable or array
        The argument, or many of them.

    Returns
    -------
    float, Variable or array
        As the argument.

    Examples
    --------
    >>> silu(0.0)
    0.0
    """
    return x * sigmoid(x)


def elu(x: Any, alpha: Any = 1.0) -> Any:
    """X where x > 0, else α(eˣ - 1) (Clevert et al. 2015).

    Parameters
    ----------
    x : float, Variable or array
        The argument, or many of them.
    alpha : float, default 1
        How far below 0 it goes: to -alpha.

    Returns
    -------
    float, Variable or array
        As the argument.

    Examples
    --------
    >>> elu(-1000.0)
    -1.0
    """
    return where(less(0.0, x), x, alpha * expm1(x))


def selu(x: Any) -> Any:
    """Scaled `elu` that keeps zero mean and unit variance (Klambauer et al. 2017).

    Parameters
    ----------
    x : float, Variable or array
        The argument, or many of them.

    Returns
    -------
    float, Variable or array
        As the argument.

    Examples
    --------
    >>> selu(1.0)
    1.0507009873554805
    """
    return SELU_SCALE * elu(x, SELU_ALPHA)
