"""NumPy meets Variables: which rule serves which ufunc, for single Variables and for object arrays of them."""

import math
import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from autograd_lite.errors import OperandError
from autograd_lite.primitives import (
    PRIMITIVES,
    Primitive,
    abs,  # noqa: A004 - the rules
    clip,
    copysign,
    degrees,
    pow,  # noqa: A004
    radians,
)

#: The rule that is the same function as a ufunc.
RULES: dict[np.ufunc, Primitive] = {getattr(np, rule.numpy): rule for rule in PRIMITIVES.values() if rule.numpy}
RULES |= {np.float_power: pow, np.fabs: abs, np.deg2rad: radians, np.rad2deg: degrees}

_COMPARISONS: dict[np.ufunc, Callable[[Any, Any], bool]] = {
    np.less: operator.lt,
    np.less_equal: operator.le,
    np.greater: operator.gt,
    np.greater_equal: operator.ge,
    np.equal: operator.eq,
    np.not_equal: operator.ne,
}
#: Written as comparisons, so that a trace notes how they came out.
_QUESTIONS: dict[np.ufunc, Callable[[Any], bool]] = {
    np.isnan: lambda x: x != x,  # noqa: PLR0124 - true of NaN alone
    np.isfinite: lambda x: abs(x) < math.inf,
    np.isinf: lambda x: abs(x) == math.inf,
    np.signbit: lambda x: copysign(1.0, x) < 0.0,
}
_OPERATORS = (np.add, np.subtract, np.multiply, np.divide, np.power, np.negative, np.positive, np.absolute)


def _rule_of(ufunc: np.ufunc) -> Primitive | None:
    # np.clip is a function around a ufunc that has no public name.
    return clip if ufunc.__name__ == "clip" else RULES.get(ufunc)


def array_ufunc(ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
    """What `ufunc` gives where an input is a single Variable."""
    if method == "reduce" and _rule_of(ufunc) is not None:  # np.sum(x): all there is to add up
        return inputs[0]
    if method != "__call__" or any(option is not None for option in options.values()):
        raise OperandError(
            f"np.{ufunc.__name__}{'' if method == '__call__' else '.' + method} with {', '.join(options) or method} does "
            "not take a Variable. Put the Variables into an object array, np.array([x, y], dtype=object), and use "
            "sum, dot or plain operators."
        )
    if ufunc in _COMPARISONS:
        result = _mapped(_COMPARISONS[ufunc], inputs, bool)
    elif ufunc in _QUESTIONS:
        result = _mapped(_QUESTIONS[ufunc], inputs, bool)
    elif ufunc is np.divmod:
        result = _mapped(operator.floordiv, inputs, object), _mapped(operator.mod, inputs, object)
    elif (rule := _rule_of(ufunc)) is not None:
        result = rule(*inputs)
    else:
        raise OperandError(
            f"{ufunc.__name__} of a Variable: use autograd_lite.{ufunc.__name__}."
            if ufunc.__name__ in PRIMITIVES
            else f"np.{ufunc.__name__} has no derivative rule. autograd_lite has {len(RULES)} of NumPy's functions and "
            "others (print autograd_lite.__all__); define your own with autograd_lite.Primitive."
        )
    return result if out is None else _written(ufunc, result, out[0])


def _mapped(function: Callable[..., Any], inputs: tuple[Any, ...], dtype: type) -> Any:
    boxed = []
    for item in inputs:
        box = np.empty(np.shape(item) if isinstance(item, np.ndarray) else (), dtype=object)
        box[...] = item
        boxed.append(box)
    result = np.frompyfunc(function, len(inputs), 1)(*boxed)
    return result.astype(dtype) if isinstance(result, np.ndarray) else result


def _written(ufunc: np.ufunc, result: Any, out: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if out.dtype != object or isinstance(result, tuple):
        raise OperandError(
            f"np.{ufunc.__name__} writes Variables into an array of {out.dtype}, which would drop their derivatives. "
            "Write a = a + x instead of a += x, or start from an object array."
        )
    out[...] = result
    return out


class VariableArray(np.ndarray[Any, Any]):
    """An object array of Variables whose ufuncs are the rules of the table.

    NumPy's own loops over objects compare in `maximum` (a tie or a NaN would get the wrong derivative), know no
    `logaddexp`, and fail where a float stands among the Variables. Arithmetic stays NumPy's: it calls the operators.
    """

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        """Apply a ufunc: by its rule if it has one."""
        plain = [np.asarray(i) if isinstance(i, VariableArray) else i for i in inputs]
        if "out" in options:
            options["out"] = tuple(np.asarray(o) if isinstance(o, VariableArray) else o for o in options["out"])
        by_rule = ufunc in _QUESTIONS or (_rule_of(ufunc) is not None and ufunc not in _OPERATORS)
        if by_rule and method == "__call__" and not options:
            result = array_ufunc(ufunc, method, *plain)
        elif by_rule and method == "reduce":  # np.max of an array with a NaN is NaN
            with np.errstate(all="ignore"):
                reduction: Any = np.frompyfunc(partial(array_ufunc, ufunc, "__call__"), 2, 1)
                result = reduction.reduce(*plain, **options)
        else:
            with np.errstate(all="ignore"):
                result = getattr(ufunc, method)(*plain, **options)
        return result.view(VariableArray) if isinstance(result, np.ndarray) and result.dtype == object else result

    # NumPy's order of numbers, in which NaN comes last and is the largest: comparisons of objects would lose it.

    def argmax(self, axis: int | None = None, *_: Any, **__: Any) -> Any:  # type: ignore[override]
        """Place of the first largest, or of the first NaN."""
        return self._along(axis, lambda row: _extreme(row, operator.gt))

    def argmin(self, axis: int | None = None, *_: Any, **__: Any) -> Any:  # type: ignore[override]
        """Place of the first smallest, or of the first NaN."""
        return self._along(axis, lambda row: _extreme(row, operator.lt))

    def argsort(self, axis: int | None = -1, *_: Any, **__: Any) -> Any:  # type: ignore[override]
        """Places in ascending order, equal ones in their own."""
        return self._along(axis, _ascending)

    def sort(self, axis: int = -1, *_: Any, **__: Any) -> None:  # type: ignore[override]
        """Sort in place."""
        self[...] = np.take_along_axis(np.asarray(self), np.asarray(self.argsort(axis)), axis)

    def _along(self, axis: int | None, places: Callable[[Any], Any]) -> Any:
        plain = np.asarray(self)
        if axis is None:
            return places(plain.ravel())
        rows = np.moveaxis(plain, axis, -1)
        found = np.array([places(rows[index]) for index in np.ndindex(rows.shape[:-1])], dtype=np.int64)
        shaped = found.reshape(rows.shape[:-1] + found.shape[1:])
        return np.moveaxis(shaped, -1, axis) if found.ndim > 1 else shaped[()]


def _is_nan(x: Any) -> bool:
    return bool(x != x)  # noqa: PLR0124 - true of NaN alone


def _extreme(row: Any, better: Callable[[Any, Any], bool]) -> int:
    best = 0
    for place, x in enumerate(row):
        if _is_nan(x):
            return place
        if better(x, row[best]):
            best = place
    return best


def _ascending(row: Any) -> list[int]:
    nans = [place for place, x in enumerate(row) if _is_nan(x)]
    others = [place for place in range(len(row)) if place not in nans]
    return [*sorted(others, key=lambda place: row[place]), *nans]


def methods() -> dict[str, Primitive]:
    """Rules that are also methods of a Variable: `x.exp()` for its reader, and NumPy asks for them in object arrays."""
    named = {rule.name: rule for rule in PRIMITIVES.values() if rule.arity == 1}
    return named | {ufunc.__name__: rule for ufunc, rule in RULES.items() if "O" in "".join(ufunc.types)}
