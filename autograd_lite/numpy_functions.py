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

from autograd_lite import primitives
from autograd_lite.arrays import (
    FUNCTIONS, INSTEAD, Conditions, LazyArray, as_variable_array, axes_of, boxed, holds_variables, is_variable, rows_first,
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
    rounded = primitives.round(_operand(a), float(decimals))
    if out is None:
        return rounded
    out[...] = rounded
    return out


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


def _mean_of(a: Any, axes: tuple[int, ...], *, skips: bool) -> tuple[Any, Any]:
    """The mean, of the numbers only if NaNs are skipped, and the count; the axes are kept."""
    if not skips:
        count: Any = float(math.prod(a.shape[place] for place in axes))
        return _sum(a, axis=axes, keepdims=True) / count, count
    count = _sum(_where(np.isnan(a), 0.0, np.ones(a.shape)), axis=axes, keepdims=True)
    return primitives.div(np.nansum(a, axis=axes, keepdims=True), count), count


def _nanmean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = None
) -> Any:
    _only("nanmean", dtype=dtype, out=out, where=where)
    a = array_of(a)
    axes = axes_of(axis, a.ndim)
    return _narrowed(_mean_of(a, axes, skips=True)[0], axes, keepdims)


def _moment(name: str) -> Function:
    """The variance, or its root: the length of the deviations, whose gradient is 0 where all are, as that of `norm`."""
    skips, root = name.startswith("nan"), name.endswith("std")

    def moment(
        a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: Any = False,
        *, where: Any = None, mean: Any = None, correction: Any = None,
    ) -> Any:  # fmt: skip
        _only(name, dtype=dtype, out=out, where=where, **({"mean": mean, "correction": correction} if skips else {}))
        a = array_of(a)
        axes = axes_of(axis, a.ndim)
        centre, count = _mean_of(a, axes, skips=skips)
        deviations = a - (centre if mean is None else mean)
        free = count - (ddof if correction is None else correction)
        if skips:
            deviations = _where(np.isnan(a), 0.0, deviations)
            free = _narrowed(_where(free > 0, free, math.nan), axes, keepdims)
        else:
            free = max(free, 0.0)
        if root:
            return primitives.div(_narrowed(_over_axes(norm, deviations, axes), axes, keepdims), primitives.sqrt(free))
        return primitives.div(_sum(np.square(deviations), axis=axes, keepdims=keepdims), free)

    return moment


def _cov(
    m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None, fweights: Any = None,
    aweights: Any = None, *, dtype: Any = None,
) -> Any:  # fmt: skip
    _only("cov", fweights=fweights, aweights=aweights, dtype=dtype)
    given = [(np.ndim(part), np.atleast_2d(array_of(part))) for part in (m, y) if part is not None]
    rows = np.concatenate([part.T if not rowvar and ndim == 2 else part for ndim, part in given])
    centre, count = _mean_of(rows, (1,), skips=False)
    centred = rows - centre
    return np.squeeze((centred @ centred.T) / (count - ((0 if bias else 1) if ddof is None else ddof)))[()]


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


def _quantiles(name: str) -> Function:
    scale, skips = 100.0 if name.endswith("percentile") else 1.0, name.startswith("nan")

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
        axes = axes_of(axis, a.ndim)
        front = rows_first(np.asarray(a), axes)
        kept = front.shape[1:]
        rows = [as_variable_array(row) for row in front.reshape((len(front), math.prod(kept))).T]
        if skips:
            rows = [row[~np.asarray(np.isnan(row), dtype=bool)] for row in rows]
        rows = [list(np.sort(row)) for row in rows]
        box = np.empty(shares.size * len(rows), dtype=object)
        box[:] = [_quantile_of(row, share, method) for share in shares.ravel().tolist() for row in rows]
        result = box.reshape(shares.shape + kept)
        if keepdims:
            result = np.expand_dims(result, tuple(shares.ndim + place for place in axes))
        return as_variable_array(result)[()]

    return quantiles


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
    low = bisect.bisect_right(points, x, 1, len(points) - 1) - 1
    slope = primitives.div(values[low + 1] - values[low], points[low + 1] - points[low])
    return slope * (x - points[low]) + values[low]


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
    inner = (steps[:-1] * after + steps[1:] * before) / (before + after)
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


#: The function that answers for each of NumPy's, by its name below `np`. Older versions of NumPy lack some of them.
ANSWERS: dict[str, Function] = {
    "where": _where,
    "select": _select,
    "piecewise": _piecewise,
    "isclose": _isclose,
    "allclose": lambda *arguments, **options: bool(np.all(_isclose(*arguments, **options))),
    "isneginf": lambda x, out=None: _operand(x) == -math.inf,
    "isposinf": lambda x, out=None: _operand(x) == math.inf,
    "sinc": lambda x: primitives.sinc(_operand(x)),
    "fix": lambda x, out=None: primitives.trunc(_operand(x)),
    **dict.fromkeys(("round", "around"), _round),
    "real": lambda val: val,
    "real_if_close": lambda a, tol=None: a,
    "imag": lambda val: np.zeros(np.shape(val)) if np.ndim(val) else 0.0,
    "angle": lambda z, deg=False: np.arctan2(0.0, z) * (180.0 / math.pi if deg else 1.0),
    "nan_to_num": _nan_to_num,
    **{name: _moment(name) for name in ("var", "std", "nanvar", "nanstd")},
    "nanmean": _nanmean,
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
    np.i0: "A Bessel function has no rule here; define it with al.Primitive.",
    np.histogram: "Counts have no derivative; pass numbers, x.value.",
    np.bincount: "Counts have no derivative; pass whole numbers, and add weights with np.add.at into al.zeros.",
    np.digitize: "Places have no derivative; compare, or pass numbers, x.value.",
    np.sort_complex: "Use np.sort.",
    np.savetxt: "Pass numbers, x.value.",
}
