"""Functions of NumPy that are no ufuncs, for Variables and arrays of them: those for which NumPy's own code is wrong.

NumPy's code serves where it only moves, adds and multiplies entries. It does not where it asks for a dtype, skips arrays of
objects, compares, or calls compiled code for floats. Those functions are written here with the rules, or refused with the
remedy. Entries that are not numbers are refused by the rules themselves.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_lite import primitives
from autograd_lite.arrays import FUNCTIONS, INSTEAD, Conditions, as_variable_array, is_variable
from autograd_lite.errors import ArgumentError
from autograd_lite.functions import norm
from autograd_lite.refusals import refusal

Function = Callable[..., Any]
_sum: Any = np.add.reduce
_largest: Any = np.maximum.reduce
_smallest: Any = np.minimum.reduce
_ABSENT: Any = np._NoValue  # noqa: SLF001 - NumPy's own functions pass it on


def _stands_for(*names: str) -> Callable[[Function], Function]:
    """Enter a function for NumPy's of these names; older versions of NumPy do not have all of them."""

    def entered(function: Function) -> Function:
        for name in names:
            home: Any = np
            for part in name.split("."):
                home = getattr(home, part, None)
            if home is not None:
                FUNCTIONS[home] = function
        return function

    return entered


def array_of(numbers: Any) -> Any:
    """An array that follows the rules, from whatever NumPy takes for an array."""
    if is_variable(numbers) and not isinstance(numbers, Conditions):
        box = np.empty((), dtype=object)
        box[()] = numbers
        return as_variable_array(box)
    return as_variable_array(np.array(numbers, dtype=object))


def _holds_variables(part: Any) -> bool:
    if isinstance(part, (list, tuple)):
        return any(map(_holds_variables, part))
    if isinstance(part, np.ndarray):
        return part.dtype == object and any(is_variable(entry) for entry in part.flat)
    return is_variable(part)


@_stands_for("where")
def _where(condition: Any, *choices: Any) -> Any:
    if not any(map(_holds_variables, (condition, *choices) if choices else ())):
        truths = np.asarray(condition, dtype=bool)
        return np.where._implementation(truths, *choices)  # type: ignore[attr-defined] # noqa: SLF001 - NumPy's own
    # By the rule also where the condition is known: what was not taken stays an argument, for `why`, and for the warning
    # that a result depends on nothing.
    first, second = choices
    return primitives.where(*[_operand(part) for part in (condition, first, second)])


def _operand(part: Any) -> Any:
    return array_of(part) if isinstance(part, (list, tuple, np.ndarray)) else part


@_stands_for("select")
def _select(conditions: Any, choices: Any, default: Any = 0) -> Any:
    if len(conditions) != len(choices):
        raise ArgumentError(
            f"np.select got {len(conditions)} conditions and {len(choices)} choices; give one for each."
        )
    shape = np.broadcast_shapes(*(np.shape(part) for part in (*conditions, *choices, default)))
    chosen = np.broadcast_to(array_of(default), shape)
    for condition, choice in zip(reversed(list(conditions)), reversed(list(choices)), strict=True):
        chosen = array_of(_where(condition, choice, chosen))
    return chosen


@_stands_for("piecewise")
def _piecewise(x: Any, condlist: Any, funclist: Any, *arguments: Any, **options: Any) -> Any:
    listed = condlist if isinstance(condlist, (list, tuple)) else [condlist]
    truths = [np.asarray(condition, dtype=bool) for condition in listed]
    plain: Any = np.piecewise._implementation  # type: ignore[attr-defined] # noqa: SLF001 - NumPy's own code
    return plain(array_of(x), truths, funclist, *arguments, **options)


# ------------------------------------------------------------------------------------------- questions about numbers


@_stands_for("isclose")
def _isclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Any:
    a, b = array_of(a), array_of(b)
    near = (np.abs(a - b) <= atol + rtol * np.abs(b)) & np.isfinite(b) | (a == b)
    return near | (np.isnan(a) & np.isnan(b)) if equal_nan else near


@_stands_for("allclose")
def _allclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> bool:
    return bool(np.all(_isclose(a, b, rtol, atol, equal_nan)))


@_stands_for("isneginf")
def _isneginf(x: Any, out: None = None) -> Any:  # noqa: ARG001 - as NumPy calls it
    return _operand(x) == -math.inf


@_stands_for("isposinf")
def _isposinf(x: Any, out: None = None) -> Any:  # noqa: ARG001
    return _operand(x) == math.inf


# ---------------------------------------------------------------------------------------------------- single numbers


@_stands_for("sinc")
def _sinc(x: Any) -> Any:
    return primitives.sinc(_operand(x))


@_stands_for("fix")
def _fix(x: Any, out: None = None) -> Any:  # noqa: ARG001
    return primitives.trunc(_operand(x))


@_stands_for("round", "around")
def _round(a: Any, decimals: int = 0, out: Any = None) -> Any:
    rounded = primitives.round(_operand(a), float(decimals))
    if out is None:
        return rounded
    out[...] = rounded
    return out


@_stands_for("real", "real_if_close")
def _real(value: Any, tol: Any = None) -> Any:  # noqa: ARG001
    return value


@_stands_for("imag")
def _imag(value: Any) -> Any:
    return np.zeros(np.shape(value)) if np.ndim(value) else 0.0


@_stands_for("angle")
def _angle(z: Any, deg: bool = False) -> Any:
    return np.arctan2(0.0, z) * (180.0 / math.pi if deg else 1.0)


@_stands_for("nan_to_num")
def _nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    largest = float(np.finfo(np.float64).max)
    given = array_of(x)
    numbers = _where(given == math.inf, largest if posinf is None else posinf, given)
    numbers = _where(given == -math.inf, -largest if neginf is None else neginf, numbers)
    numbers = _where(np.isnan(given), nan, numbers)
    if not copy and isinstance(x, np.ndarray):
        x[...] = numbers
        return x
    return (
        numbers
        if isinstance(x, (np.ndarray, list, tuple))
        else numbers[()]
        if isinstance(numbers, np.ndarray)
        else numbers
    )


# ------------------------------------------------------------------------------------------------ moments


def _counted(a: Any, axis: Any) -> int:
    return (
        a.size
        if axis is None
        else math.prod(a.shape[place] for place in (axis if isinstance(axis, tuple) else (axis,)))
    )


def _absent(thing: Any) -> bool:
    return thing is None or thing is _ABSENT


def _only(name: str, **options: Any) -> None:
    """Refuse options that are given and not offered."""
    given = [option for option, value in options.items() if not _absent(value)]
    if given:
        raise refusal(f"np.{name} of Variables does not take {', '.join(given)}; leave it out, or write the formula.")


def _along(axis: Any, ndim: int) -> tuple[int, ...]:
    return (
        tuple(range(ndim)) if axis is None else tuple(p % ndim for p in (axis if isinstance(axis, tuple) else (axis,)))
    )


def _deviations(a: Any, axis: Any, mean: Any) -> Any:
    return a - (_sum(a, axis=_along(axis, a.ndim), keepdims=True) / float(_counted(a, axis)) if _absent(mean) else mean)


def _degrees_of_freedom(a: Any, axis: Any, ddof: Any, correction: Any) -> float:
    return max(float(_counted(a, axis) - (ddof if _absent(correction) else correction)), 0.0)


@_stands_for("var")
def _var(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: Any = _ABSENT,
    *, where: Any = _ABSENT, mean: Any = _ABSENT, correction: Any = _ABSENT,
) -> Any:  # fmt: skip
    _only("var", dtype=dtype, out=out, where=where)
    a = array_of(a)
    squares = np.square(_deviations(a, axis, mean))
    total = _sum(squares, axis=_along(axis, a.ndim), keepdims=not _absent(keepdims) and bool(keepdims))
    return primitives.div(total, _degrees_of_freedom(a, axis, ddof, correction))


@_stands_for("std")
def _std(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: Any = _ABSENT,
    *, where: Any = _ABSENT, mean: Any = _ABSENT, correction: Any = _ABSENT,
) -> Any:  # fmt: skip
    # The length of the deviations: its gradient is 0 where they all are, as that of `norm` is at the origin.
    _only("std", dtype=dtype, out=out, where=where)
    a = array_of(a)
    length = _length(_deviations(a, axis, mean), axis, not _absent(keepdims) and bool(keepdims))
    return primitives.div(length, math.sqrt(_degrees_of_freedom(a, axis, ddof, correction)))


def _length(a: Any, axis: Any, keepdims: bool) -> Any:
    return _folded(norm, a, axis, keepdims)


def _folded(reduce: Function, a: Any, axis: Any, keepdims: bool) -> Any:
    """A reduction that takes one axis, over several."""
    axes = _along(axis, a.ndim)
    front = np.moveaxis(np.asarray(a), axes, range(len(axes)))
    rows = front.reshape((math.prod(front.shape[: len(axes)]), *front.shape[len(axes) :]))
    found = reduce(rows, axis=0)
    return np.expand_dims(array_of(found), axes) if keepdims else found


@_stands_for("cov")
def _cov(
    m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None, fweights: Any = None,
    aweights: Any = None, *, dtype: Any = None,
) -> Any:  # fmt: skip
    _only("cov", fweights=fweights, aweights=aweights, dtype=dtype)
    rows = _as_rows(m, rowvar)
    if y is not None:
        rows = np.concatenate([rows, _as_rows(y, rowvar)])
    centred = _deviations(rows, 1, None)
    return np.squeeze((centred @ centred.T) / float(rows.shape[1] - ((0 if bias else 1) if ddof is None else ddof)))[()]


def _as_rows(m: Any, rowvar: bool) -> Any:
    rows = np.atleast_2d(array_of(m))
    return rows.T if not rowvar and np.ndim(m) == 2 else rows


@_stands_for("corrcoef")
def _corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    covariance = _cov(x, y, rowvar, dtype=dtype)
    if np.ndim(covariance) == 0:
        return covariance / covariance
    spread = np.sqrt(np.diagonal(covariance))
    return np.clip(covariance / spread[:, None] / spread[None, :], -1.0, 1.0)


# ----------------------------------------------------------------------------------------------- order statistics


def _sorted_rows(a: Any, axis: Any, skips: bool) -> tuple[list[list[Any]], tuple[int, ...], tuple[int, ...]]:
    """Each row in ascending order, the shape of the rows' array, and the axes that a row comes from."""
    axes = _along(axis, a.ndim)
    last = np.moveaxis(np.asarray(a), axes, range(a.ndim - len(axes), a.ndim))
    kept = last.shape[: a.ndim - len(axes)]
    rows = [as_variable_array(row) for row in last.reshape((math.prod(kept), -1) if a.size else (math.prod(kept), 0))]
    if skips:
        rows = [row[~np.asarray(np.isnan(row), dtype=bool)] for row in rows]
    return [list(np.sort(row)) for row in rows], kept, axes


_PLACES: dict[str, Callable[[float], tuple[int, float]]] = {
    "linear": lambda place: (math.floor(place), place - math.floor(place)),
    "lower": lambda place: (math.floor(place), 0.0),
    "higher": lambda place: (math.ceil(place), 0.0),
    "nearest": lambda place: (round(place), 0.0),
    "midpoint": lambda place: (math.floor(place), 0.0 if place.is_integer() else 0.5),
}


def _quantile_of(row: list[Any], q: float, method: str) -> Any:
    if not row:
        return math.nan
    if bool(row[-1] != row[-1]):  # NaN is sorted last
        return row[-1]
    below, share = _PLACES[method](q * (len(row) - 1))
    low = _shared(row, below)
    return low if share == 0.0 else low + (_shared(row, below + 1) - low) * share


def _shared(row: list[Any], place: int) -> Any:
    """The number at a place of a sorted row; those that tie with it share the derivative, as in `maximum`."""
    first = last = place
    while first > 0 and row[first - 1] == row[place]:
        first -= 1
    while last + 1 < len(row) and row[last + 1] == row[place]:
        last += 1
    return functools.reduce(primitives.maximum, row[first : last + 1])


def _quantiles(name: str, scale: float, *, skips: bool) -> None:
    @_stands_for(name)
    def quantiles(
        a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, method: str = "linear",
        keepdims: Any = False, *, weights: Any = None, interpolation: Any = None,
    ) -> Any:  # fmt: skip
        del overwrite_input
        _only(name, out=out, weights=weights, interpolation=interpolation)
        if method not in _PLACES:
            raise refusal(f"np.{name} of Variables takes method={', '.join(map(repr, _PLACES))}; not {method!r}.")
        shares = np.asarray(q, dtype=np.float64) / scale
        if not np.all((shares >= 0.0) & (shares <= 1.0)):
            raise ArgumentError(f"np.{name} of q={q!r}: give shares from 0 to {scale:g}.")
        a = array_of(a)
        rows, kept, axes = _sorted_rows(a, axis, skips)
        found = [[_quantile_of(row, share, method) for row in rows] for share in shares.ravel().tolist()]
        box = np.empty(shares.size * len(rows), dtype=object)
        box[:] = [entry for row in found for entry in row]
        result = box.reshape(shares.shape + kept)
        if not _absent(keepdims) and keepdims:
            result = np.expand_dims(result, tuple(shares.ndim + place for place in axes))
        return as_variable_array(result)[()]


_quantiles("quantile", 1.0, skips=False)
_quantiles("percentile", 100.0, skips=False)
_quantiles("nanquantile", 1.0, skips=True)
_quantiles("nanpercentile", 100.0, skips=True)


@_stands_for("median")
def _median(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False) -> Any:
    return np.quantile(array_of(a), 0.5, axis=axis, out=out, overwrite_input=overwrite_input, keepdims=keepdims)


@_stands_for("nanmedian")
def _nanmedian(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False) -> Any:
    return np.nanquantile(array_of(a), 0.5, axis=axis, out=out, overwrite_input=overwrite_input, keepdims=keepdims)


# ---------------------------------------------------------------------------------------------------- without the NaNs


def _without_nan(name: str, neutral: float) -> None:
    plain = getattr(np, name.removeprefix("nan"))

    @_stands_for(name)
    def reduced(a: Any, *arguments: Any, **options: Any) -> Any:
        a = array_of(a)
        return plain(_where(np.isnan(a), neutral, a), *arguments, **options)


_without_nan("nansum", 0.0)
_without_nan("nanprod", 1.0)
_without_nan("nancumsum", 0.0)
_without_nan("nancumprod", 1.0)


def _extreme_without_nan(name: str, combine: np.ufunc) -> None:
    @_stands_for(name)
    def reduced(
        a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None, where: Any = None
    ) -> Any:
        given = {"initial": initial, "where": where}
        options = {option: value for option, value in given.items() if not _absent(value)}
        return combine.reduce(array_of(a), axis=axis, out=out, keepdims=not _absent(keepdims) and keepdims, **options)


_extreme_without_nan("nanmax", np.fmax)
_extreme_without_nan("nanmin", np.fmin)


@_stands_for("nanargmax")
def _nanargmax(a: Any, axis: Any = None, **options: Any) -> Any:
    a = array_of(a)
    return np.argmax(_where(np.isnan(a), -math.inf, a), axis=axis, **options)


@_stands_for("nanargmin")
def _nanargmin(a: Any, axis: Any = None, **options: Any) -> Any:
    a = array_of(a)
    return np.argmin(_where(np.isnan(a), math.inf, a), axis=axis, **options)


def _count_of_numbers(a: Any, axis: Any, keepdims: bool) -> Any:
    return _sum(_where(np.isnan(a), 0.0, np.ones(a.shape)), axis=_along(axis, a.ndim), keepdims=keepdims)


def _mean_of_numbers(a: Any, axis: Any, keepdims: bool) -> Any:
    total = np.nansum(a, axis=_along(axis, a.ndim), keepdims=keepdims)
    return primitives.div(total, _count_of_numbers(a, axis, keepdims))


@_stands_for("nanmean")
def _nanmean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = None
) -> Any:
    _only("nanmean", dtype=dtype, out=out, where=where)
    return _mean_of_numbers(array_of(a), axis, not _absent(keepdims) and bool(keepdims))


def _squares_of_numbers(
    name: str, a: Any, axis: Any, ddof: Any, keepdims: Any, options: dict[str, Any]
) -> tuple[Any, Any]:
    """Deviations of the numbers, 0 for a NaN, and the degrees of freedom."""
    _only(name, **options)
    count = _count_of_numbers(a, axis, not _absent(keepdims) and bool(keepdims))
    deviations = _where(np.isnan(a), 0.0, a - _mean_of_numbers(a, axis, keepdims=True))
    free = count - ddof
    return deviations, _where(free > 0, free, math.nan)


@_stands_for("nanvar")
def _nanvar(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: Any = False, **options: Any
) -> Any:
    a = array_of(a)
    deviations, free = _squares_of_numbers("nanvar", a, axis, ddof, keepdims, {"dtype": dtype, "out": out, **options})
    total = _sum(np.square(deviations), axis=_along(axis, a.ndim), keepdims=not _absent(keepdims) and keepdims)
    return primitives.div(total, free)


@_stands_for("nanstd")
def _nanstd(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: Any = False, **options: Any
) -> Any:
    a = array_of(a)
    deviations, free = _squares_of_numbers("nanstd", a, axis, ddof, keepdims, {"dtype": dtype, "out": out, **options})
    return primitives.div(_length(deviations, axis, not _absent(keepdims) and bool(keepdims)), np.sqrt(free))


# --------------------------------------------------------------------------------------------------- along a line


@_stands_for("interp")
def _interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    # At a knot the slope is that of the segment to its right, and 0 at the last one.
    xp, fp = array_of(xp), array_of(fp)
    if xp.ndim != 1 or xp.shape != fp.shape or xp.size == 0:
        raise ArgumentError(
            f"np.interp got points of shape {xp.shape} and values of shape {fp.shape}; give two equal rows."
        )
    if period is not None:
        period = abs(period)
        x, xp = np.mod(_operand(x), period), np.mod(xp, period)
        order = np.argsort(xp)
        xp, fp = xp[order], fp[order]
        xp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
        fp = np.concatenate([fp[-1:], fp, fp[:1]])
    left, right = fp[0] if left is None else left, fp[-1] if right is None else right
    numbers = array_of(x)
    box = np.empty(numbers.size, dtype=object)
    box[:] = [_between(number, list(xp), list(fp), left, right) for number in numbers.flat]
    return as_variable_array(box.reshape(numbers.shape))[()]


def _between(x: Any, points: list[Any], values: list[Any], left: Any, right: Any) -> Any:
    if x != x:  # noqa: PLR0124 - NaN
        return x
    if x < points[0]:
        return left
    if x > points[-1]:
        return right
    if x == points[-1]:
        return values[-1] + 0.0 * x
    low, high = 0, len(points) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if points[middle] <= x else (low, middle)
    slope = primitives.div(values[low + 1] - values[low], points[low + 1] - points[low])
    return slope * (x - points[low]) + values[low]


@_stands_for("gradient")
def _gradient(f: Any, *spacings: Any, axis: Any = None, edge_order: int = 1) -> Any:
    f = array_of(f)
    axes = _along(axis, f.ndim)
    if len(spacings) not in (0, 1, len(axes)) or (len(spacings) == 1 and np.ndim(spacings[0]) and len(axes) > 1):
        raise ArgumentError(
            f"np.gradient got {len(spacings)} spacings for {len(axes)} axes; give one, or one for each."
        )
    each = spacings if len(spacings) == len(axes) else (spacings or (1.0,)) * len(axes)
    slopes = [
        _slopes(np.moveaxis(f, place, 0), spacing, edge_order, place) for place, spacing in zip(axes, each, strict=True)
    ]
    return slopes[0] if len(slopes) == 1 else tuple(slopes)


def _slopes(f: Any, spacing: Any, edge_order: int, place: int) -> Any:
    """Second-order differences along the first axis, which moves to `place`; first or second order at the ends."""
    count = f.shape[0]
    if count < edge_order + 1 or edge_order not in (1, 2):
        raise ArgumentError(
            f"np.gradient of {count} numbers with edge_order={edge_order}: give at least edge_order + 1, 1 or 2."
        )
    gaps = np.diff(array_of(spacing)) if np.ndim(spacing) else array_of([spacing] * (count - 1))
    if len(gaps) != count - 1:
        raise ArgumentError(f"np.gradient got {len(gaps) + 1} points for {count} numbers; give one for each.")
    shaped = gaps.reshape((-1,) + (1,) * (f.ndim - 1))
    steps = np.diff(f, axis=0) / shaped
    before, after = shaped[:-1], shaped[1:]
    inner = (steps[:-1] * after + steps[1:] * before) / (before + after)
    first, last = steps[:1], steps[-1:]
    if edge_order == 2:
        first = first - (steps[1:2] - steps[:1]) * shaped[:1] / (shaped[:1] + shaped[1:2])
        last = last + (steps[-1:] - steps[-2:-1]) * shaped[-1:] / (shaped[-1:] + shaped[-2:-1])
    return np.moveaxis(np.concatenate([first, inner, last]), 0, place)


# ------------------------------------------------------------------------------------------------------- linear algebra


@_stands_for("linalg.norm")
def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:  # noqa: A002 - NumPy's name
    a = array_of(x)
    axes = _along(axis, a.ndim)
    if ord is None or (ord == 2 and len(axes) == 1) or (ord == "fro" and len(axes) == 2):
        return _length(a, axes, keepdims)
    return _vector_norm(a, ord, axes, keepdims) if len(axes) == 1 else _matrix_norm(a, ord, axes, keepdims)


def _vector_norm(a: Any, order: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    size = np.abs(a)
    if order == math.inf:
        return _largest(size, axis=axes, keepdims=keepdims)
    if order == -math.inf:
        return _smallest(size, axis=axes, keepdims=keepdims)
    if order == 0:
        return _sum(_where(size != 0.0, 1.0, 0.0 * a), axis=axes, keepdims=keepdims)
    if order == 1:
        return _sum(size, axis=axes, keepdims=keepdims)
    if not isinstance(order, (int, float)):
        raise refusal(
            f"np.linalg.norm of Variables with ord={order!r}: give a number; a matrix takes 'fro', 1 and inf too."
        )
    # Divided by the largest, a constant, so that no power overflows and the origin has gradient 0: as `norm`.
    largest = primitives.hold(_largest(size, axis=axes, keepdims=True))
    scale = _where((largest > 0.0) & (largest < math.inf), largest, 1.0)
    powers = np.power(primitives.div(size, scale), float(order))
    total = _sum(powers, axis=axes, keepdims=True)
    length = scale * np.power(total, 1.0 / order)
    length = _where(largest != 0.0, length, 0.0)
    return length if keepdims else np.squeeze(length, axis=axes)[()]


def _matrix_norm(a: Any, order: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if order not in (1, -1, math.inf, -math.inf) or len(axes) != 2:
        raise refusal(
            f"np.linalg.norm of a matrix of Variables with ord={order!r} needs singular values, which have no rule here. "
            "Use ord=None, 'fro', 1 or inf."
        )
    along, over = axes if abs(order) == 1 else axes[::-1]
    sums = _sum(np.abs(a), axis=along, keepdims=True)
    extreme = (_largest if order > 0 else _smallest)(sums, axis=over, keepdims=True)
    return extreme if keepdims else np.squeeze(extreme, axis=axes)[()]


@_stands_for("linalg.vector_norm")
def _vector_norm_of(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:  # noqa: A002
    a = array_of(x)
    axes = _along(axis, a.ndim)
    front = np.moveaxis(a, axes, range(len(axes)))
    row = front.reshape((math.prod(front.shape[: len(axes)]), *front.shape[len(axes) :]))
    found = _norm(row, ord, 0)
    return np.expand_dims(array_of(found), axes) if keepdims else found


@_stands_for("linalg.matrix_norm")
def _matrix_norm_of(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:  # noqa: A002
    return _norm(x, ord, (-2, -1), keepdims)


_SCALAR_CODE = (
    "There are al.norm, al.dot, al.sum and NumPy's @, dot, outer, cross, trace and einsum; for the rest write the "
    "elimination as scalar code, or differentiate the formula by hand in an al.Primitive."
)
_SOLVERS = (
    "solve", "inv", "pinv", "det", "slogdet", "cholesky", "qr", "svd", "svdvals", "eig", "eigh", "eigvals", "eigvalsh",
    "lstsq", "cond", "matrix_rank", "tensorsolve", "tensorinv",
)  # fmt: skip
INSTEAD.update({getattr(np.linalg, name): _SCALAR_CODE for name in _SOLVERS if hasattr(np.linalg, name)})
INSTEAD.update(
    {
        np.polyfit: "It solves a linear system. " + _SCALAR_CODE,
        np.roots: "Roots are eigenvalues. " + _SCALAR_CODE,
        np.poly: "Multiply the factors: np.polymul.",
        np.i0: "A Bessel function has no rule here; define it with al.Primitive.",
        np.histogram: "Counts have no derivative; pass numbers, x.value.",
        np.bincount: "Counts have no derivative; pass whole numbers, and add weights with np.add.at into al.zeros.",
        np.digitize: "Places have no derivative; compare, or pass numbers, x.value.",
        np.sort_complex: "Use np.sort.",
        np.savetxt: "Pass numbers, x.value.",
    }
)
INSTEAD.update(
    {
        function: "Derivatives here are of real functions; write the sums of sines and cosines."
        for function in vars(np.fft).values()
        if hasattr(function, "_implementation")
    }
)
