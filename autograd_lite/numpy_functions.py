"""Functions of NumPy that are no ufuncs, for Variables and arrays of them: those for which NumPy's own code is wrong.

NumPy's code serves where it only moves, adds and multiplies entries. It does not where it asks for a dtype, skips arrays of
objects, compares, or calls compiled code for floats: `ANSWERS` has those, and `INSTEAD` the refusals with their remedies.
"""

import bisect
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_lite import context, primitives
from autograd_lite.arrays import (
    FUNCTIONS, INSTEAD, Conditions, LazyArray, as_variable_array, axes_of, boxed, holds_variables, is_variable, no_room,
    rows_first,
)  # fmt: skip
from autograd_lite.errors import ArgumentError
from autograd_lite.functions import norm
from autograd_lite.refusals import refusal

Function = Callable[..., Any]
_sum: Any = np.add.reduce


def array_of(numbers: Any) -> Any:
    """An array that follows the rules, from whatever NumPy takes for an array."""
    if isinstance(numbers, LazyArray):
        return numbers
    single = is_variable(numbers) and not isinstance(numbers, Conditions)
    return as_variable_array(boxed(numbers) if single else np.array(numbers, dtype=object))


def _operand(part: Any) -> Any:
    return array_of(part) if isinstance(part, (list, tuple, np.ndarray)) else part


def _only(name: str, **options: Any) -> None:
    given = [option for option, value in options.items() if value is not None]
    if given:
        raise refusal(f"np.{name} of Variables does not take {', '.join(given)}; leave it out, or write the formula.")


def _narrowed(found: Any, axes: tuple[int, ...], keepdims: Any) -> Any:
    """A reduction that has kept its axes, without them unless they are to be kept."""
    return found if keepdims or not axes else found.squeeze(axis=axes)[()]


def _over_axes(reduce: Function, a: Any, axes: tuple[int, ...]) -> Any:
    """A reduction that takes one axis, over several, which are kept."""
    if isinstance(a, LazyArray) and len(axes) == a.ndim:
        return as_variable_array(boxed(reduce(a)).reshape((1,) * len(axes)))
    return as_variable_array(np.expand_dims(boxed(reduce(rows_first(np.asarray(a), axes), axis=0)), axes))


def _where(condition: Any, *choices: Any) -> Any:
    if not any(map(holds_variables, (condition, *choices) if choices else ())):
        truths = np.asarray(condition, dtype=bool)
        return np.where._implementation(truths, *choices)  # type: ignore[attr-defined] # noqa: SLF001 - NumPy's own
    # By the rule also where the condition is known: what was not taken stays an argument, for `why`, and for the warning
    # that a result depends on nothing.
    first, second = choices
    return primitives.where(*[_operand(part) for part in (condition, first, second)])


def _select(conditions: Any, choices: Any, default: Any = 0) -> Any:
    if len(conditions) != len(choices):
        raise ArgumentError(
            f"np.select got {len(conditions)} conditions and {len(choices)} choices; give one for each."
        )
    shape = np.broadcast_shapes(*(np.shape(part) for part in (*conditions, *choices, default)))
    chosen = array_of(default) if len(conditions) else np.broadcast_to(array_of(default), shape)
    for condition, choice in zip(reversed(list(conditions)), reversed(list(choices)), strict=True):
        chosen = array_of(_where(condition, choice, chosen))
    return chosen


def _piecewise(x: Any, condlist: Any, funclist: Any, *arguments: Any, **options: Any) -> Any:
    listed = condlist if isinstance(condlist, (list, tuple)) else [condlist]
    truths = [np.asarray(condition, dtype=bool) for condition in listed]
    plain: Any = np.piecewise._implementation  # type: ignore[attr-defined] # noqa: SLF001 - NumPy's own code
    return plain(array_of(x), truths, funclist, *arguments, **options)


def _isclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Any:
    a, b = array_of(a), array_of(b)
    near = (np.abs(a - b) <= atol + rtol * np.abs(b)) & np.isfinite(b) | (a == b)
    return near | (np.isnan(a) & np.isnan(b)) if equal_nan else near


def _round(a: Any, decimals: int = 0, out: Any = None) -> Any:
    """By a scaled whole number, as NumPy rounds: 0.35 becomes 0.4, where Python's `round` sees that it is below 0.35."""
    scale = 10.0 ** abs(decimals)
    number = _operand(a)
    if decimals > 0:
        return _into(out, primitives.div(np.rint(number * scale), scale))
    return _into(out, np.rint(number) if decimals == 0 else np.rint(primitives.div(number, scale)) * scale)


def _clip(a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, **options: Any) -> Any:
    """By the rule also for a single number, which NumPy would compare with the bounds, and lose a NaN."""
    low, high = options.pop("min", a_min), options.pop("max", a_max)
    found = array_of(a).clip(low, high, **options)
    return _into(out, found[()] if isinstance(found, np.ndarray) else found)


def _into(out: Any, found: Any) -> Any:
    """What was found, in the array that was given for it."""
    if out is None:
        return found
    if isinstance(found, Conditions):
        found = np.asarray(found)
    if holds_variables(found) and out.dtype != object:
        raise no_room("a function of NumPy", out)
    out[...] = found
    return out


def _bare(function: Any) -> Function:
    """NumPy's own code, on arrays that follow the rules, whatever stands for them in the call."""
    own: Any = function._implementation  # noqa: SLF001
    return lambda *arguments, **options: own(
        *map(_number_array, arguments), **{name: _number_array(option) for name, option in options.items()}
    )


def _number_array(part: Any) -> Any:
    return array_of(part) if isinstance(part, (list, tuple, np.ndarray, LazyArray)) or is_variable(part) else part


def _nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    largest = float(np.finfo(np.float64).max)
    given = array_of(x)
    numbers = _where(given == math.inf, largest if posinf is None else posinf, given)
    numbers = _where(given == -math.inf, -largest if neginf is None else neginf, numbers)
    numbers = _where(np.isnan(given), nan, numbers)
    if not copy and isinstance(x, np.ndarray):
        x[...] = numbers
        return x
    alone = isinstance(numbers, np.ndarray) and not isinstance(x, (np.ndarray, list, tuple))
    return numbers[()] if alone else numbers


def _counted(a: Any, where: Any, *, skips: bool) -> Any:
    """1 for each number that a reduction takes and 0 for the others, or None if it takes all."""
    counted = None if where is None else np.broadcast_to(boxed(_where(where, 1.0, 0.0)), a.shape)
    if not skips:
        return None if counted is None else as_variable_array(counted)
    return _where(np.isnan(a), 0.0, np.ones(a.shape) if counted is None else counted)


def _mean_of(a: Any, axes: tuple[int, ...], counted: Any = None) -> tuple[Any, Any]:
    """The mean of the numbers that count, and how many these are; the axes are kept."""
    if counted is None:
        count: Any = float(math.prod(a.shape[place] for place in axes))
        return _sum(a, axis=axes, keepdims=True) / count, count
    count = _sum(counted, axis=axes, keepdims=True)
    return primitives.div(_sum(_where(counted != 0.0, a, 0.0), axis=axes, keepdims=True), count), count


def _nanmean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = None
) -> Any:
    _only("nanmean", dtype=dtype)
    a = array_of(a)
    axes = axes_of(axis, a.ndim)
    return _into(out, _narrowed(_mean_of(a, axes, _counted(a, where, skips=True))[0], axes, keepdims))


def _moment(name: str) -> Function:
    """The variance, or its root: the length of the deviations, whose gradient is 0 where all are, as that of `norm`."""
    skips, root = name.startswith("nan"), name.endswith("std")

    def moment(
        a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: Any = False,
        *, where: Any = None, mean: Any = None, correction: Any = None,
    ) -> Any:  # fmt: skip
        _only(name, dtype=dtype)
        a = array_of(a)
        axes, counted = axes_of(axis, a.ndim), _counted(a, where, skips=skips)
        centre, count = _mean_of(a, axes, counted)
        deviations = a - (centre if mean is None else mean)
        free = count - (ddof if correction is None else correction)
        if counted is None:
            free = max(free, 0.0)
        else:
            deviations = _where(counted != 0.0, deviations, 0.0)
            free = _narrowed(_where(free > 0, free, math.nan if skips else 0.0), axes, keepdims)
        if root:
            length = _narrowed(_over_axes(norm, deviations, axes), axes, keepdims)
            return _into(out, primitives.div(length, primitives.sqrt(free)))
        return _into(out, primitives.div(_sum(np.square(deviations), axis=axes, keepdims=keepdims), free))

    return moment


def _average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, **options: Any) -> Any:
    plain: Any = np.average._implementation  # type: ignore[attr-defined] # noqa: SLF001 - NumPy's own code
    a, weights = array_of(a), None if weights is None else array_of(weights)
    mean = plain(a, axis, weights, **options)
    if not returned:
        return mean
    if weights is None:
        total = float(math.prod(a.shape[place] for place in axes_of(axis, a.ndim)))
    else:
        total = _sum(weights, axis=axis if weights.shape == a.shape else None)
    return mean, np.broadcast_to(boxed(total).reshape(np.shape(total)), np.shape(mean))[()]


def _check_weights(count: int, fweights: Any, aweights: Any) -> None:
    """Refuse weights of `cov` that NumPy refuses."""
    for name, weights in (("fweights", fweights), ("aweights", aweights)):
        if weights is not None and np.shape(weights) != (count,):
            raise ArgumentError(
                f"np.cov got {name} of shape {np.shape(weights)} for {count} observations: give one for each."
            )
        if weights is None or holds_variables(weights):
            continue
        numbers = np.asarray(weights, dtype=np.float64)
        if (numbers < 0.0).any():
            raise ArgumentError(
                f"np.cov got a negative weight, {numbers.min()}, in {name}: give weights of at least 0."
            )
        if name == "fweights" and (numbers != np.rint(numbers)).any():
            raise ArgumentError("np.cov got fweights that are not whole: they are counts. Give others as aweights.")


def _cov(
    m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None, fweights: Any = None,
    aweights: Any = None, *, dtype: Any = None,
) -> Any:  # fmt: skip
    _only("cov", dtype=dtype)
    given = [(np.ndim(part), np.atleast_2d(array_of(part))) for part in (m, y) if part is not None]
    rows = np.concatenate([part.T if not rowvar and ndim == 2 else part for ndim, part in given])
    _check_weights(rows.shape[1], fweights, aweights)
    lost = (0 if bias else 1) if ddof is None else ddof
    if fweights is None and aweights is None:
        centre, count = _mean_of(rows, (1,))
        centred = rows - centre
        weighted, free = centred, count - lost
    else:
        weights, by = [array_of(np.ones(rows.shape[1]) if w is None else w) for w in (fweights, aweights)]
        weights = weights * by
        total = _sum(weights)
        centred = rows - primitives.div(_sum(rows * weights, axis=1, keepdims=True), total)
        weighted = centred * weights
        free = total - (lost if aweights is None else lost * primitives.div(_sum(weights * by), total))
    return np.squeeze(primitives.div(centred @ weighted.T, free if is_variable(free) else max(free, 0.0)))[()]


def _corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    covariance = _cov(x, y, rowvar, dtype=dtype)
    if np.ndim(covariance) == 0:
        return covariance / covariance
    spread = np.sqrt(np.diagonal(covariance))
    return np.clip(covariance / spread[:, None] / spread[None, :], -1.0, 1.0)


def _without_nan(name: str, neutral: float) -> Function:
    """The function without "nan" before its name, of an array in which each NaN is `neutral`."""
    plain = getattr(np, name.removeprefix("nan"))

    def reduced(a: Any, *arguments: Any, **options: Any) -> Any:
        a = array_of(a)
        return plain(_where(np.isnan(a), neutral, a), *arguments, **options)

    return reduced


def _extreme_of_numbers(combine: np.ufunc) -> Function:
    return lambda a, axis=None, out=None, keepdims=False, initial=None, where=None: combine.reduce(
        array_of(a), axis=axis, out=out, keepdims=keepdims, initial=initial, where=where
    )


def _quantile_of(row: list[Any], place: float) -> Any:
    """The number at a place of a sorted row, or between two."""
    if not row:
        return math.nan
    if bool(row[-1] != row[-1]):  # NaN is sorted last
        return row[-1]
    below = math.floor(place)
    low, share = _shared(row, below), place - below
    if share == 0.0:
        return low
    high = _shared(row, below + 1)
    return low + (high - low) * share if share < 0.5 else high - (high - low) * (1.0 - share)  # as NumPy rounds


def _shared(row: list[Any], place: int) -> Any:
    """The number at a place of a sorted row; those that tie with it share the derivative, as in `maximum`."""
    first = last = place
    while first > 0 and row[first - 1] == row[place]:
        first -= 1
    while last + 1 < len(row) and row[last + 1] == row[place]:
        last += 1
    return functools.reduce(primitives.maximum, row[first : last + 1])


def _quantiles(name: str) -> Function:
    scale, skips = 100.0 if name.endswith("percentile") else 1.0, name.startswith("nan")

    def quantiles(
        a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, method: str = "linear",
        keepdims: Any = False, *, weights: Any = None, interpolation: Any = None,
    ) -> Any:  # fmt: skip
        del overwrite_input
        _only(name, interpolation=interpolation)
        if holds_variables(q) or holds_variables(weights):
            raise refusal(
                f"np.{name} of Variables takes plain q and weights. Pass numbers, al.values(q), or write "
                "np.interp(q * (len(a) - 1), np.arange(len(a)), np.sort(a)), which has a derivative by q, from 0 to 1."
            )
        shares = np.asarray(q, dtype=np.float64) / scale
        if not np.all((shares >= 0.0) & (shares <= 1.0)):
            raise ArgumentError(f"np.{name} of q={q!r}: give shares from 0 to {scale:g}.")
        a = array_of(a)
        axes = axes_of(axis, a.ndim)
        front = rows_first(np.asarray(a), axes)
        beside = _weights_of(a, weights, axes, np.empty(front.shape, dtype=object))
        kept, each = front.shape[1:], (len(front), math.prod(front.shape[1:]))
        rows = zip(front.reshape(each).T, beside.reshape(each).T, strict=True)
        found = [_of_row(as_variable_array(row), by, shares, method, skips=skips) for row, by in rows]
        box = np.empty((len(found), shares.size), dtype=object)
        box[:] = found
        result = box.T.reshape(shares.shape + kept)
        if keepdims:
            result = np.expand_dims(result, tuple(shares.ndim + place for place in axes))
        return _into(out, as_variable_array(result)[()])

    return quantiles


def _weights_of(a: Any, weights: Any, axes: tuple[int, ...], none: Any) -> Any:
    if weights is None:
        return none
    given = np.asarray(weights, dtype=np.float64)
    if given.shape != a.shape:
        given = np.broadcast_to(np.expand_dims(given, [k for k in range(a.ndim) if k not in axes]), a.shape)
    return rows_first(given, axes)


def _of_row(row: Any, by: Any, shares: Any, method: str, *, skips: bool) -> list[Any]:
    """The quantiles of one row. NumPy computes their places, as quantiles of 0, 1, 2 and so on."""
    if skips:
        numbers = ~np.asarray(np.isnan(row), dtype=bool)
        row, by = row[numbers], by[numbers]
    if by.dtype == object:
        ascending, options = list(np.sort(row)), dict[str, Any]()
    else:
        order = np.asarray(row.argsort(), dtype=np.intp)
        ascending, options = list(row[order]), {"weights": by[order]}
    places: Any = shares.ravel()
    if len(row):
        places = np.quantile(np.arange(len(row), dtype=np.float64), places, method=method, **options)  # type: ignore[call-overload]
    return [_quantile_of(ascending, place) for place in places.tolist()]


def _median(quantile: Function) -> Function:
    return lambda a, axis=None, out=None, overwrite_input=False, keepdims=False: quantile(
        array_of(a), 0.5, axis=axis, out=out, overwrite_input=overwrite_input, keepdims=keepdims
    )


def _interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    # At a knot the slope is that of the segment to its right, and 0 at the last one.
    xp, fp = array_of(xp), array_of(fp)
    if xp.ndim != 1 or xp.shape != fp.shape or xp.size == 0:
        raise ArgumentError(
            f"np.interp got points of shape {xp.shape} and values of shape {fp.shape}; give two equal rows."
        )
    if period is not None:
        if period == 0:
            raise ArgumentError(
                "np.interp got period=0: give the length after which the values repeat, or leave it out."
            )
        period = abs(period)
        x, xp = np.mod(_operand(x), period), np.mod(xp, period)
        order = np.argsort(xp)
        xp, fp = xp[order], fp[order]
        xp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
        fp = np.concatenate([fp[-1:], fp, fp[:1]])
    left, right = fp[0] if left is None else left, fp[-1] if right is None else right
    numbers = array_of(x)
    traced = context.recording() is not None and (holds_variables(numbers) or holds_variables(xp))
    between = _between_as_data if traced else _between
    box = np.empty(numbers.size, dtype=object)
    box[:] = [between(number, list(xp), list(fp), left, right) for number in numbers.flat]
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
    low = bisect.bisect_right(points, x, 1, len(points) - 1) - 1
    return _on_segment(x, points[low], points[low + 1], values[low], values[low + 1])


def _on_segment(x: Any, start: Any, end: Any, low: Any, high: Any) -> Any:
    return primitives.div(high - low, end - start) * (x - start) + low


def _between_as_data(x: Any, points: list[Any], values: list[Any], left: Any, right: Any) -> Any:
    """The same without a branch: the segment is found by halves, each of which is a look-up."""
    last, inside = len(points) - 1, values[-1]
    if last:
        starts = array_of(points)
        segments = array_of([list(part) for part in zip(points, points[1:], values, values[1:], strict=False)])
        place: Any = 0.0
        for step in [2.0**k for k in reversed(range((last - 1).bit_length()))]:
            further = place + step
            start = _entry(starts, primitives.minimum(further, last - 1.0))
            place = primitives.where((start <= x) & (further < last), further, place)
        on_segment = _on_segment(x, *_entry(segments, place))
        inside = primitives.where(x == points[-1], values[-1] + 0.0 * x, on_segment)
    inside = primitives.where(x < points[0], left, primitives.where(x > points[-1], right, inside))
    return primitives.where(x == x, inside, x)  # noqa: PLR0124 - NaN


def _entry(table: Any, place: Any) -> Any:
    return table[place if is_variable(place) else int(place)]


def _gradient(f: Any, *spacings: Any, axis: Any = None, edge_order: int = 1) -> Any:
    f = array_of(f)
    axes = axes_of(axis, f.ndim)
    if len(spacings) not in (0, 1, len(axes)) or (len(spacings) == 1 and np.ndim(spacings[0]) and len(axes) > 1):
        raise ArgumentError(
            f"np.gradient got {len(spacings)} spacings for {len(axes)} axes; give one, or one for each."
        )
    each = spacings if len(spacings) == len(axes) else (spacings or (1.0,)) * len(axes)
    slopes = [
        np.moveaxis(_slopes(np.moveaxis(f, place, 0), spacing, edge_order), 0, place)
        for place, spacing in zip(axes, each, strict=True)
    ]
    return slopes[0] if len(slopes) == 1 else tuple(slopes)


def _slopes(f: Any, spacing: Any, edge_order: int) -> Any:
    """Second-order differences along the first axis; first or second order at the ends."""
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
    if np.ndim(spacing):
        inner = (steps[:-1] * after + steps[1:] * before) / (before + after)
    else:
        inner = (f[2:] - f[:-2]) / (2.0 * spacing)
    first, last = steps[:1], steps[-1:]
    if edge_order == 2:
        first = first - (steps[1:2] - steps[:1]) * shaped[:1] / (shaped[:1] + shaped[1:2])
        last = last + (steps[-1:] - steps[-2:-1]) * shaped[-1:] / (shaped[-1:] + shaped[-2:-1])
    return np.concatenate([first, inner, last])


def norm_of(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:  # noqa: A002 - NumPy's name
    a = array_of(x)
    axes = axes_of(axis, a.ndim)
    euclidean = ord is None or (ord == 2 and len(axes) == 1) or (ord == "fro" and len(axes) == 2)
    other = _vector_norm if len(axes) == 1 else _matrix_norm
    return _narrowed(_over_axes(norm, a, axes) if euclidean else other(a, ord, axes), axes, keepdims)


def _vector_norm(a: Any, order: Any, axes: tuple[int, ...]) -> Any:
    size = np.abs(a)
    if order == 0:
        size = _where(size != 0.0, 1.0, 0.0 * a)
    simple = {math.inf: np.maximum, -math.inf: np.minimum, 0: np.add, 1: np.add}
    if order in simple:
        return simple[order].reduce(size, axis=axes, keepdims=True)
    if not isinstance(order, (int, float)):
        raise refusal(
            f"np.linalg.norm of Variables with ord={order!r}: give a number; a matrix takes 'fro', 1 and inf too."
        )
    # Divided by the largest, a constant, so that no power overflows and the origin has gradient 0: as `norm`.
    largest = primitives.hold(np.maximum.reduce(size, axis=axes, keepdims=True))
    scale = _where((largest > 0.0) & (largest < math.inf), largest, 1.0)
    total = _sum(np.power(primitives.div(size, scale), float(order)), axis=axes, keepdims=True)
    return _where(largest != 0.0, scale * np.power(total, 1.0 / order), 0.0)


def _matrix_norm(a: Any, order: Any, axes: tuple[int, ...]) -> Any:
    if order not in (1, -1, math.inf, -math.inf) or len(axes) != 2:
        raise refusal(
            f"np.linalg.norm of Variables with ord={order!r} along {len(axes)} axes: give None, 'fro', 'nuc', 1, -1, 2, -2, "
            "inf or -inf for a matrix, and a number for vectors along one axis."
        )
    along, over = axes if abs(order) == 1 else axes[::-1]
    sums = _sum(np.abs(a), axis=along, keepdims=True)
    return (np.maximum if order > 0 else np.minimum).reduce(sums, axis=over, keepdims=True)


def _vector_norm_of(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:  # noqa: A002
    a = array_of(x)
    axes = axes_of(axis, a.ndim)
    return _narrowed(_over_axes(lambda rows, axis: norm_of(rows, ord, axis), a, axes), axes, keepdims)


def _array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> bool:
    a, b = array_of(a1), array_of(a2)
    if a.shape != b.shape:
        return False
    same = a == b
    return bool(np.all(same | (np.isnan(a) & np.isnan(b)) if equal_nan else same))


def _digitize(x: Any, bins: Any, right: bool = False) -> Any:
    edges = array_of(bins)
    falls = len(edges) > 1 and bool(edges[0] > edges[-1])
    if not np.all(np.diff(edges) <= 0.0 if falls else np.diff(edges) >= 0.0):
        raise ArgumentError(f"np.digitize got bins {bins!r:.80}: give edges that rise or fall throughout.")
    places = np.searchsorted(edges[::-1] if falls else edges, array_of(x), side="left" if right else "right")
    return len(edges) - places if falls else places


def _bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    if holds_variables(x):
        raise refusal(
            "np.bincount of Variables: counts have no derivative; pass whole numbers. Weights may be Variables."
        )
    places, weights = np.asarray(x, dtype=np.intp), array_of(weights)
    if places.shape != weights.shape:
        raise ArgumentError(
            f"np.bincount got {places.shape} numbers and weights of shape {weights.shape}; give one for each."
        )
    counts = array_of(np.zeros(len(np.bincount(x, minlength=minlength))))
    np.add.at(counts, places, weights)
    return counts


def _histogram(a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:  # noqa: A002
    if holds_variables((a, bins, range)):
        raise refusal(
            "np.histogram of Variables: counts have no derivative; pass numbers, al.values(a). Weights may be Variables."
        )
    numbers = np.asarray(a, dtype=np.float64).ravel()
    edges = np.histogram_bin_edges(numbers, bins, range)
    inside = (numbers >= edges[0]) & (numbers <= edges[-1])
    places = np.minimum(np.searchsorted(edges, numbers[inside], side="right"), len(edges) - 1) - 1
    counts = _bincount(places, array_of(weights).ravel()[inside], minlength=len(edges) - 1)
    return (counts / np.diff(edges) / _sum(counts) if density else counts), edges


def _geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    _only("geomspace", dtype=dtype)
    low, high = array_of(start), array_of(stop)
    sign = np.sign(low)
    found = sign * np.logspace(np.log10(low * sign), np.log10(high * sign), num, endpoint)
    rows = array_of(found)
    ends = {0: low, -1: high} if endpoint and num > 1 else {0: low}
    for place, end in ends.items() if num > 0 else ():
        rows[place] = end[()]
    return np.moveaxis(rows, 0, axis)


def _copyto(dst: Any, src: Any, casting: Any = "same_kind", where: Any = True) -> None:
    if dst.dtype != object and holds_variables(src):
        raise no_room("np.copyto", dst)
    np.copyto._implementation(dst, src, casting=casting, where=np.asarray(where, dtype=bool))  # type: ignore[attr-defined] # noqa: SLF001


#: The function that answers for each of NumPy's, by its name below `np`. Older versions of NumPy lack some of them.
ANSWERS: dict[str, Function] = {
    "where": _where,
    "select": _select,
    "piecewise": _piecewise,
    "isclose": _isclose,
    "allclose": lambda *arguments, **options: bool(np.all(_isclose(*arguments, **options))),
    "array_equal": _array_equal,
    "isneginf": lambda x, out=None: _into(out, _operand(x) == -math.inf),
    "isposinf": lambda x, out=None: _into(out, _operand(x) == math.inf),
    "sinc": lambda x: primitives.sinc(_operand(x)),
    "fix": lambda x, out=None: _into(out, primitives.trunc(_operand(x))),
    **dict.fromkeys(("round", "around"), _round),
    "clip": _clip,
    "real": lambda val: val,
    "real_if_close": lambda a, tol=None: a,
    "imag": lambda val: np.zeros(np.shape(val)) if np.ndim(val) else 0.0,
    "angle": lambda z, deg=False: np.arctan2(0.0, z) * (180.0 / math.pi if deg else 1.0),
    "nan_to_num": _nan_to_num,
    **{name: _moment(name) for name in ("var", "std", "nanvar", "nanstd")},
    "nanmean": _nanmean,
    "average": _average,
    "cov": _cov,
    "corrcoef": _corrcoef,
    **{name: _without_nan(name, 0.0) for name in ("nansum", "nancumsum")},
    **{name: _without_nan(name, 1.0) for name in ("nanprod", "nancumprod")},
    "nanargmax": _without_nan("nanargmax", -math.inf),
    "nanargmin": _without_nan("nanargmin", math.inf),
    "nanmax": _extreme_of_numbers(np.fmax),
    "nanmin": _extreme_of_numbers(np.fmin),
    **{name: _quantiles(name) for name in ("quantile", "percentile", "nanquantile", "nanpercentile")},
    "median": _median(np.quantile),
    "nanmedian": _median(np.nanquantile),
    "interp": _interp,
    "gradient": _gradient,
    "digitize": _digitize,
    "bincount": _bincount,
    "histogram": _histogram,
    "copyto": _copyto,
    "geomspace": _geomspace,
    **{name: _bare(getattr(np, name)) for name in ("ediff1d", "flip")},
    "i0": primitives.i0,
    "linalg.vector_norm": _vector_norm_of,
}
for _name, _answer in ANSWERS.items():
    _home: Any = np.linalg if _name.startswith("linalg.") else np
    if hasattr(_home, _name.removeprefix("linalg.")):
        FUNCTIONS[getattr(_home, _name.removeprefix("linalg."))] = _answer

_TRANSFORMS = [function for function in vars(np.fft).values() if hasattr(function, "_implementation")]
INSTEAD |= {
    **dict.fromkeys(_TRANSFORMS, "Derivatives here are of real functions; write the sums of sines and cosines."),
    np.poly: "Multiply the factors: np.polymul.",
    **dict.fromkeys(
        (np.busday_count, np.busday_offset, np.is_busday), "Dates have no derivative; pass numbers, x.value."
    ),
    np.common_type: "An array of Variables has the dtype object, and its numbers are of float64.",
    np.sort_complex: "Use np.sort.",
    np.savetxt: "Pass numbers, x.value.",
}
