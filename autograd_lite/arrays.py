"""NumPy meets Variables: which rule serves which ufunc, and the array that knows it.

A ufunc acts by its rule where an argument is a Variable or an array of objects; arrays of plain numbers stay NumPy's.
`numpy_functions` enters functions that are no ufuncs.
"""

import functools
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from autograd_lite import context, hints, primitives
from autograd_lite.conversion import as_operand, is_lazy_array, refuse_times
from autograd_lite.errors import ArgumentError, AutogradLiteError, OperandError
from autograd_lite.primitives import (
    COMPARISONS, PRIMITIVES, Primitive, abs, clip, copysign, degrees, div, exp2, floordiv, log,  # noqa: A004
    logaddexp, maximum, minimum, mod, mul, pow, radians, softplus, sub, trunc, where,  # noqa: A004 - the rules
)  # fmt: skip
from autograd_lite.refusals import asking, refusal, remedy

LN2 = math.log(2.0)

#: The rule that is the same function as a ufunc.
RULES: dict[np.ufunc, Primitive] = {getattr(np, rule.numpy): rule for rule in PRIMITIVES.values() if rule.numpy}
RULES |= {np.float_power: pow, np.fabs: abs, np.deg2rad: radians, np.rad2deg: degrees}


def _is_nan(x: Any) -> Any:
    return x != x  # noqa: PLR0124 - true of NaN alone


def _fmod(a: Any, b: Any) -> Any:
    """The remainder with the sign of a: that of C."""
    remainder = mod(abs(a), abs(b))
    return where(copysign(1.0, a) < 0.0, -remainder, remainder)


#: Ufuncs that are composed of rules, as functions of numbers.
COMPOSED: dict[np.ufunc, Callable[..., Any]] = {
    np.logaddexp2: lambda a, b: div(logaddexp(mul(a, LN2), mul(b, LN2)), LN2),
    np.fmod: _fmod,
    np.fmax: lambda a, b: where(_is_nan(a), b, where(_is_nan(b), a, maximum(a, b))),
    np.fmin: lambda a, b: where(_is_nan(a), b, where(_is_nan(b), a, minimum(a, b))),
    np.ldexp: lambda x, n: mul(x, exp2(n)),
    np.conjugate: lambda x: x,
}
#: Those with two results.
PAIRS: dict[np.ufunc, tuple[Callable[..., Any], Callable[..., Any]]] = {
    np.divmod: (floordiv, mod),
    np.modf: (lambda x: sub(x, trunc(x)), trunc),
}
#: SciPy's ufuncs, which are known by name since SciPy need not be there.
SCIPY: dict[str, Callable[..., Any]] = {
    **{
        name: getattr(primitives, name)
        for name in (
            "gamma", "gammaln", "psi", "digamma", "expit", "logit", "softplus", "erf", "erfc", "erfinv", "ndtr", "log_ndtr",
            "ndtri", "xlogy", "log1p", "expm1", "exp2", "cbrt", "erfcx", "xlog1py", "kl_div", "betaln", "gammainc",
            "gammaincc", "j0", "j1", "i0", "i1",
        )
    },
    "loggamma": primitives.lgamma,
    "log_expit": lambda x: -softplus(-x),
    "beta": lambda a, b: primitives.exp(primitives.betaln(a, b)),
    "rgamma": lambda x: primitives.inv(primitives.gamma(x)),
    "erfcinv": lambda y: primitives.ndtri(0.5 * y) * -math.sqrt(0.5),
    "entr": lambda x: -primitives.xlogy(x, x),
    "exp10": lambda x: pow(10.0, x),
    "rel_entr": lambda x, y: where(x, mul(x, log(div(x, y))), 0.0 * y),
}  # fmt: skip
#: What is near to a ufunc that has no rule.
_NEAREST = {
    "boxcox": "al.expm1(p * al.log(x)) / p",
    "huber": "al.where(abs(r) <= d, 0.5 * r * r, d * (abs(r) - 0.5 * d))",
    **dict.fromkeys(("i0e", "i1e"), "al.i0(x) * al.exp(-abs(x)), or al.i1"),
    **dict.fromkeys(("jn", "jv"), "al.j0(x) or al.j1(x)"),
    **dict.fromkeys(("iv", "ive"), "al.i0(x) or al.i1(x)"),
    **dict.fromkeys(("betainc", "betaincc", "btdtr"), "al.stats.beta.cdf(x, a, b), or sf, for numbers a and b"),
    **dict.fromkeys(("pdtr", "pdtrc"), "al.stats.poisson.cdf(k, mu), or sf"),
    **dict.fromkeys(("bdtr", "bdtrc"), "al.stats.binom.cdf(k, n, p), or sf"),
    **dict.fromkeys(("chdtr", "chdtrc"), "al.stats.chi2.cdf(x, df), or sf"),
    **dict.fromkeys(("gdtr", "gdtrc"), "al.gammainc(b, a * x), or al.gammaincc"),
    "stdtr": "al.stats.t.cdf(x, df) for a number df",
    "binom": "al.exp(-al.betaln(n - k + 1, k + 1)) / (n + 1)",
    "poch": "al.exp(al.lgamma(x + a) - al.lgamma(x))",
    "exprel": "al.expm1(x) / x",
    "powm1": "al.expm1(p * al.log(x))",
    "_riemann_zeta": "al.polygamma(1, x) for the sum of 1/(k + x)², or a plain number",
    "_zeta": "al.polygamma(n - 1, x) * (-1) ** n / math.factorial(n - 1), for a whole number n",
    "cosm1": "-2 * al.sin(x / 2) ** 2",
    "sindg": "al.sin(al.radians(x))",
    "cosdg": "al.cos(al.radians(x))",
    "_lambertw": "al.root(lambda w, x: w * al.exp(w) - x, w0, x) with a number w0 near the result",
    **dict.fromkeys(
        ("eval_legendre", "eval_chebyt", "eval_hermite", "eval_hermitenorm", "eval_laguerre"),
        "the polynomial with plain coefficients: np.polyval(scipy.special.legendre(n).coef, x) and the like",
    ),
    "nextafter": "x: its derivative is that of x",
    "frexp": "x / 2.0**e with the exponent e = np.frexp(al.values(x))[1]",
    "spacing": "np.spacing(al.values(x)): it has no derivative",
}
_COMPARISONS: dict[np.ufunc, Callable[[Any, Any], Any]] = {
    np.less: operator.lt,
    np.less_equal: operator.le,
    np.greater: operator.gt,
    np.greater_equal: operator.ge,
    np.equal: operator.eq,
    np.not_equal: operator.ne,
}
#: The same with the operands exchanged.
_EXCHANGED: dict[np.ufunc, np.ufunc] = {
    np.less: np.greater, np.less_equal: np.greater_equal, np.greater: np.less, np.greater_equal: np.less_equal,
    np.equal: np.equal, np.not_equal: np.not_equal,
}  # fmt: skip
_CONDITIONS = frozenset(COMPARISONS.values())


def is_variable(thing: Any) -> bool:
    return hasattr(type(thing), "__apply_primitive__")


def _is_condition(thing: Any) -> bool:
    return is_variable(thing) and not isinstance(thing, Conditions) and thing.primitive in _CONDITIONS


def _truth(number: Any) -> Any:
    """Whether a number is not 0: a bool, or where it is traced a condition."""
    truth = number if _is_condition(number) else number != 0.0
    return truth if is_variable(truth) else bool(truth)


#: Questions, written as comparisons so that a trace notes how they came out.
_TRUTHS: dict[np.ufunc, Callable[..., Any]] = {
    **_COMPARISONS,
    np.isnan: _is_nan,
    np.isfinite: lambda x: abs(x) < math.inf,
    np.isinf: lambda x: abs(x) == math.inf,
    np.signbit: lambda x: copysign(1.0, x) < 0.0,
    np.logical_and: lambda a, b: _truth(a) & _truth(b),
    np.logical_or: lambda a, b: _truth(a) | _truth(b),
    np.logical_not: lambda x: _truth(x) == 0.0,
    np.logical_xor: lambda a, b: _truth(a) != _truth(b),
}
_FUNCTIONS: dict[np.ufunc, Callable[..., Any]] = {**RULES, **COMPOSED, **_TRUTHS}
#: The question that a ufunc of truths is.
_OF_TRUTHS: dict[np.ufunc, np.ufunc] = {
    np.bitwise_and: np.logical_and,
    np.bitwise_or: np.logical_or,
    np.bitwise_xor: np.logical_xor,
    np.invert: np.logical_not,
    np.add: np.logical_or,
    np.multiply: np.logical_and,
}
#: NumPy's own loops over objects call the operators, and are faster than a loop over a rule.
_OPERATORS = frozenset((np.add, np.subtract, np.multiply, np.negative, np.positive, np.absolute))
_PRODUCTS = frozenset(getattr(np, name) for name in ("matmul", "vecdot", "matvec", "vecmat") if hasattr(np, name))
_NATIVE = _OPERATORS | _PRODUCTS
_COMPOUND = _PRODUCTS | PAIRS.keys()
#: The like, but where two plain floats meet, Python raises or turns complex, and a rule does not.
_GUARDED = frozenset((np.divide, np.power))


class LazyArray:
    """An array of a traced function that is an expression still; see `tape.lane_arrays`."""

    ndim: Any
    numbers: Callable[[], Any]  # its Variables as an array


def _plain(operand: Any) -> Any:
    if isinstance(operand, Conditions):
        operand = operand.each
    if isinstance(operand, LazyArray):
        operand = operand.numbers()
    other = isinstance(operand, VariableArray) or hasattr(type(operand), "__array__")  # of another library
    return np.asarray(operand) if other and not isinstance(operand, np.generic) else operand


def _holds_objects(operand: Any) -> bool:
    return operand.dtype == object if isinstance(operand, np.ndarray) else is_variable(operand)


#: Types of numbers, for long lists of them.
_NUMBERS = {float, int, bool, complex, np.float64}


def holds_variables(part: Any) -> bool:
    if isinstance(part, LazyArray):
        return True
    if isinstance(part, (list, tuple)):
        return not set(map(type, part)) <= _NUMBERS and any(map(holds_variables, part))
    return (
        any(map(is_variable, part.flat)) if isinstance(part, np.ndarray) and part.dtype == object else is_variable(part)
    )


def boxed(operand: Any) -> np.ndarray[Any, Any]:
    if isinstance(operand, LazyArray):
        operand = operand.numbers()
    if isinstance(operand, np.ndarray):
        refuse_times(operand)
        return operand.astype(object, copy=False)
    if isinstance(operand, (list, tuple)):
        return np.array(operand, dtype=object)
    box = np.empty((), dtype=object)
    box[()] = operand
    return box


def as_variable_array(result: Any) -> Any:
    """An array of objects, or a tuple of them, as one that follows the rules; anything else as plain NumPy has it."""
    if not isinstance(result, np.ndarray) or isinstance(result, LazyArray):
        return tuple(map(as_variable_array, result)) if type(result) is tuple else result
    if result.dtype == object:
        return result if isinstance(result, VariableArray) else result.view(keeping())
    return np.asarray(result) if isinstance(result, VariableArray) else result


def name_of(ufunc: np.ufunc) -> str:
    return f"np.{ufunc.__name__}" if _is_numpys(ufunc) else f"scipy.special.{ufunc.__name__}"


def _is_numpys(ufunc: np.ufunc) -> bool:
    return getattr(np, ufunc.__name__, None) is ufunc or ufunc.__name__ == "clip"


def function_of(ufunc: np.ufunc) -> Callable[..., Any] | None:
    if ufunc.__name__ == "clip":  # np.clip is a function around a ufunc that has no public name
        return clip
    return _FUNCTIONS.get(ufunc) or (None if _is_numpys(ufunc) else SCIPY.get(ufunc.__name__))


def is_question(ufunc: np.ufunc) -> bool:
    """Whether the results of a ufunc are truths."""
    return ufunc in _TRUTHS


def _generic(ufunc: np.ufunc, function: Callable[..., Any] | None = None) -> Any:
    function = function or function_of(ufunc)
    return ufunc if function is None else np.frompyfunc(function, ufunc.nin, 1, identity=None)


#: The usual operands of ufuncs; `variable` adds the node.
OPERANDS: set[type] = {np.ndarray, float, int}


#: Ufuncs of operators, which who has labels computes by them.
_BY_LABELS = {
    "add", "subtract", "multiply", "divide", "true_divide", "floor_divide", "remainder", "divmod", "power", "matmul", "equal",
    "not_equal", "less", "less_equal", "greater", "greater_equal", "bitwise_and", "bitwise_or", "bitwise_xor",
}  # fmt: skip


def _has_labels(operand: Any) -> bool:
    """Whether an operand has labels by which it computes, as a Series of pandas: such arithmetic is its own."""
    kind = type(operand)
    return hasattr(kind, "__array_ufunc__") and any(hasattr(kind, name) for name in ("iloc", "names", "dims"))


def array_ufunc(ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
    """The result of `ufunc` where an argument is a Variable or a `VariableArray`; a trace counts what it costs."""
    if not OPERANDS.issuperset(map(type, inputs)):
        if any(map(_has_labels, inputs)):
            function = function_of(ufunc)
            if method != "__call__" or options or function is None or ufunc.__name__ in _BY_LABELS:
                return NotImplemented
            return Primitive._on_others(function, inputs)  # noqa: SLF001 - pandas waits for us, as we do for it
        for lazy in filter(is_lazy_array, inputs):  # NumPy would compute it here and now
            as_operand(lazy)  # which refuses it
    try:
        result = _served(ufunc, method, *inputs, **options)
    except TypeError as error:
        for given in inputs:
            if isinstance(given, np.ndarray):
                refuse_times(given)
        if isinstance(error, AutogradLiteError) or "'Variable'" not in str(error):
            raise
        asker = asking()
        what = f"{asker} was given Variables" if asker else f"{name_of(ufunc)} of Variables"
        raise refusal(f"{what}: {error}.{remedy(asker) if asker else ''}") from error
    counted = context.tracing and isinstance(result, np.ndarray) and not isinstance(result, LazyArray)
    trace = context.recording() if counted else None
    if trace and any(map(is_variable, result.flat)):
        trace.count_array(result.shape)
    return result


def _served(ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
    if (len(inputs) > 1 or ufunc is np.invert) and ufunc in _OF_TRUTHS and all(map(_is_truth, inputs)):
        ufunc = _OF_TRUTHS[ufunc]
    if context.tracing and (trace := context.recording()):
        lifted = trace.lifted(ufunc, method, inputs, options)
        if lifted is not NotImplemented:
            return lifted
    operands = tuple([_plain(operand) for operand in inputs])
    if method == "__call__" and not options:  # the usual ones, for their speed
        if ufunc in _NATIVE and all(isinstance(operand, np.ndarray) for operand in operands):
            with np.errstate(all="ignore"):
                return as_variable_array(ufunc(*operands))
        if ufunc in RULES and not any(isinstance(operand, (np.ndarray, list, tuple)) for operand in operands):
            return RULES[ufunc](*operands)
    given: tuple[Any, ...] = options.pop("out", None) or ()
    out = tuple([_plain(o) for o in given])
    options = {name: option for name, option in options.items() if option is not None or name == "axis"}
    if not any(map(_holds_objects, (*operands, *out))):
        return getattr(ufunc, method)(*operands, **options, **({"out": out} if out else {}))
    _refuse_dtype(ufunc, options)
    # A ufunc that was made of a Python function has types such as "OO->O".
    if function_of(ufunc) is None and ufunc not in _COMPOUND and not all(set(t) <= set("O->") for t in ufunc.types):
        return _on_numbers(ufunc, method, operands, options)
    with np.errstate(all="ignore"):
        serve = {"__call__": _called, "reduce": _reduced}.get(method) or functools.partial(_by_method, method)
        result = serve(ufunc, operands, options)
    return _written(ufunc, result, given, options.get("where", True)) if out else as_variable_array(result)


def _is_truth(operand: Any) -> bool:
    if isinstance(operand, np.ndarray):
        return bool(operand.dtype == np.bool_)
    return _is_condition(operand) or isinstance(operand, (Conditions, bool, np.bool_))


def _refuse_dtype(ufunc: np.ufunc, options: dict[str, Any]) -> None:
    dtype = options.pop("dtype", None)
    for ignored in ("casting", "order", "subok"):
        options.pop(ignored, None)
    if dtype is not None and np.dtype(dtype) not in (object, np.float64) and ufunc not in _TRUTHS:
        raise refusal(
            f"{name_of(ufunc)} with dtype={np.dtype(dtype)} would drop the derivatives of Variables, which are of float64; "
            "leave dtype out."
        )


def _on_numbers(ufunc: np.ufunc, method: str, operands: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """A ufunc without a rule: of arrays of objects that hold plain numbers only."""
    if any(map(holds_variables, operands)):
        near = _NEAREST.get(ufunc.__name__, "")
        raise refusal(
            f"{name_of(ufunc)} has no derivative rule. {f'Write {near}. ' if near else ''}autograd_lite has "
            f"{len(RULES) + len(COMPOSED)} of NumPy's ufuncs, {len(SCIPY)} of scipy.special's and others (print "
            "autograd_lite.__all__); define your own with autograd_lite.Primitive."
        )
    numbers = [boxed(o).astype(np.float64) if _holds_objects(o) else o for o in operands]
    return getattr(ufunc, method)(*numbers, **options)


def _exchanged(ufunc: np.ufunc, operands: tuple[Any, ...]) -> tuple[np.ufunc, tuple[Any, ...]]:
    """A comparison whose first operand is no long double, which would ask NumPy again, endlessly."""
    long_double = ufunc in _EXCHANGED and getattr(getattr(operands[0], "dtype", None), "char", "") == "g"
    return (_EXCHANGED[ufunc], operands[::-1]) if long_double else (ufunc, operands)


def _called(ufunc: np.ufunc, operands: tuple[Any, ...], options: dict[str, Any]) -> Any:
    arrays = any(isinstance(operand, (np.ndarray, list, tuple)) for operand in operands)
    if ufunc in PAIRS:
        return tuple([_generic(ufunc, function)(*map(boxed, operands)) for function in PAIRS[ufunc]])
    function = function_of(ufunc)
    if function is None:  # a product, or made of a Python function
        return ufunc(*map(boxed, operands), **options)
    if ufunc in _TRUTHS:
        ufunc, operands = _exchanged(ufunc, operands)
        if ufunc in _COMPARISONS and arrays and not options and context.recording() is None:
            return ufunc(*map(boxed, operands))
        return truths(_generic(ufunc)(*map(boxed, operands), **_where_of(options, operands)))
    if not arrays:
        return function(*operands)
    boxes = [boxed(operand) for operand in operands]
    if not options and ufunc in _OPERATORS:
        return ufunc(*boxes)
    if not options and ufunc in _GUARDED:
        try:
            result = ufunc(*boxes)
        except (ZeroDivisionError, OverflowError):
            result = None
        if result is not None and not (ufunc is np.power and any(isinstance(y, complex) for y in boxed(result).flat)):
            return result
    return _generic(ufunc)(*boxes, **_where_of(options, operands))


def _where_of(options: dict[str, Any], operands: tuple[Any, ...]) -> dict[str, Any]:
    where = options.get("where", True)
    if where is True:
        return {}
    mask = np.asarray(where, dtype=bool)
    return {"where": mask, "out": np.zeros(np.broadcast_shapes(mask.shape, *map(np.shape, operands)), dtype=object)}


def truths(found: Any) -> Any:
    """Outcomes of questions: bools, and while tracing conditions, whose truth nobody has asked for yet."""
    if context.recording() is None:
        return found.astype(bool) if isinstance(found, np.ndarray) else bool(found)
    return _conditions(found)


def _reduced(ufunc: np.ufunc, operands: tuple[Any, ...], options: dict[str, Any]) -> Any:
    (array,) = operands
    if is_variable(array) and "initial" not in options:
        return array if ufunc not in _TRUTHS else truths(_generic(ufunc)(array, array))  # all there is to add up
    array = boxed(array)
    axis, keepdims, where = options.get("axis", 0), options.get("keepdims", False), options.get("where", True)
    masked, start = where is not True, {"initial": options["initial"]} if "initial" in options else {}
    if ufunc in (np.add, np.multiply) and not masked:
        return ufunc.reduce(array, axis=axis, keepdims=keepdims, **start)
    if ufunc.identity is not None and (masked or array.size == 0):
        start = {"initial": ufunc.identity, **start}
    axes = sorted(axes_of(axis, array.ndim))
    rows = rows_first(array, axes)
    if not start and (masked or len(rows) == 0):
        raise ArgumentError(
            f"{name_of(ufunc)} of no numbers has no value. Pass at least one number"
            f"{', or initial= beside where=' if masked else ', or initial='}."
        )
    mask = rows_first(np.broadcast_to(np.asarray(where, dtype=bool), array.shape), axes) if masked else True
    found = _generic(ufunc).reduce(rows, axis=0, **start, where=mask)
    if keepdims:
        found = np.expand_dims(boxed(found), tuple(axes))
    return truths(found) if ufunc in _TRUTHS else found


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """The axes that `axis=` names, in its order."""
    if axis is None:
        return tuple(range(ndim))
    axes = [operator.index(place) for place in (axis if isinstance(axis, tuple) else (axis,))]
    if not all(-ndim <= place < ndim for place in axes) or len({place % ndim for place in axes}) < len(axes):
        raise np.exceptions.AxisError(
            f"axis={axis} of an array of {ndim} dimensions: name each axis once, from 0 to {ndim - 1}."
        )
    return tuple([place % ndim for place in axes])


def rows_first(array: np.ndarray[Any, Any], axes: Sequence[int]) -> np.ndarray[Any, Any]:
    """The axes that are reduced as one, in front and in C order: the order of reduction, whatever the memory's."""
    front = np.moveaxis(array, tuple(axes), range(len(axes)))
    height = math.prod(front.shape[: len(axes)])
    return np.ascontiguousarray(front.reshape((height, *front.shape[len(axes) :])))


def _by_method(method: str, ufunc: np.ufunc, operands: tuple[Any, ...], options: dict[str, Any]) -> Any:
    served = ufunc if ufunc in _OPERATORS else _generic(ufunc)
    if method == "at":
        target, indices, *others = operands
        if not isinstance(target, np.ndarray) or target.dtype != object:
            raise no_room(name_of(ufunc), target)
        return served.at(target, indices, *map(boxed, others), **options)
    count = 2 if method == "outer" else 1
    arrays = [boxed(operand) for operand in operands[:count]]
    if method != "outer" and arrays[0].ndim == 0:
        raise refusal(
            f"{name_of(ufunc)}.{method} takes an array. Put the Variables into one that keeps them: "
            "autograd_lite.array([x, y]), or another object array."
        )
    found = getattr(served, method)(*arrays, *operands[count:], **options)
    return truths(found) if ufunc in _TRUTHS else found


def no_room(name: str, out: Any) -> OperandError:
    """The error to raise where Variables would go into an array of floats."""
    return refusal(
        f"{name} writes Variables into an array of {getattr(out, 'dtype', type(out).__name__)}, which would drop "
        "their derivatives. Write a = a + x instead of a += x, or start from an array that keeps them: "
        "autograd_lite.zeros(shape), autograd_lite.full(shape, value) or autograd_lite.array(nest)."
    )


def _written(ufunc: np.ufunc, result: Any, given: tuple[Any, ...], where: Any) -> Any:
    if isinstance(given[0], Conditions):  # as in `mask &= a > 0`
        given[0][...] = result
        return given[0]
    out = tuple([_plain(o) for o in given])
    results = result if isinstance(result, tuple) else (result,)
    for found, target in zip(results, out, strict=True):
        if target is None:
            raise refusal(f"{name_of(ufunc)} with out= for some of its results only: give an array for each.")
        if target.dtype != object and ufunc not in _TRUTHS and holds_variables(found):
            raise no_room(name_of(ufunc), target)
        keeps = target.dtype == object
        plain = boxed(_plain(found)) if keeps else np.asarray(found)  # which asks for the truth of conditions
        np.copyto(target, plain, where=np.asarray(where, dtype=bool))
    return as_variable_array(out if len(out) > 1 else out[0])


_ABSENT: Any = np._NoValue  # noqa: SLF001 - NumPy's own functions pass it on
#: What stands for a function of NumPy that is no ufunc; `numpy_functions` enters it.
FUNCTIONS: dict[Any, Callable[..., Any]] = {}
#: Functions whose `dtype=float` asks for an array of plain numbers.
_TYPED = {np.zeros_like, np.ones_like, np.full_like, np.empty_like, getattr(np, "astype", None)}
#: What to write instead of a function that arrays of Variables do not have.
INSTEAD: dict[Any, str] = {}


def array_function(function: Any, types: Any, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """The result of a function of NumPy: by `FUNCTIONS`, else by NumPy's code, whose errors leave in our words."""
    if not all(issubclass(kind, np.ndarray) or hasattr(kind, "__apply_primitive__") for kind in types):
        return NotImplemented
    options = {name: option for name, option in options.items() if option is not _ABSENT}
    if getattr(options.get("out"), "dtype", np.dtype(object)).kind == "f" and holds_variables(inputs):
        raise no_room(_full_name(function), options["out"])
    if options.get("dtype") is not None and np.dtype(options["dtype"]) == np.float64 and function not in _TYPED:
        del options["dtype"]  # the numbers of Variables are such
    try:
        if function in INSTEAD:
            raise refusal(f"{_full_name(function)} does not take Variables. {INSTEAD[function]}")
        serving = FUNCTIONS.get(function) or function._implementation  # noqa: SLF001 - NumPy's own code
        found = serving(*inputs, **options)
    except (TypeError, AttributeError, SystemError) as error:
        name = _full_name(function)
        if str(error).startswith(name):
            raise
        raise OperandError(
            f"{name} of Variables: {error} Write it with functions of autograd_lite (print autograd_lite.__all__) or as "
            "scalar code."
        ) from error
    if options.get("out") is not None:
        return found
    if isinstance(found, list):
        return list(map(as_variable_array, found))
    named = isinstance(found, tuple) and hasattr(found, "_fields")
    return type(found)(*map(as_variable_array, found)) if named else as_variable_array(found)


def open_bounds(low: Any, high: Any) -> tuple[Any, Any]:
    """The bounds of `clip`: one that is left out is infinite."""
    if low is None and high is None:
        return low, high
    return -math.inf if low is None else low, math.inf if high is None else high


def _full_name(function: Any) -> str:
    return f"{function.__module__.replace('numpy', 'np', 1)}.{function.__name__}"


def _extreme(better: Callable[[Any, Any], bool], row: Any) -> int:
    """The place of the first best, or of the first NaN."""
    best = 0
    for place, x in enumerate(row):
        if _is_nan(x):
            return place
        if better(x, row[best]):
            best = place
    return best


#: As many numbers are sorted in lanes by a network: one path, where comparisons would take one for each order. A single call
#: branches instead, and keeps the bits of eager gradients, whose sums a network groups in another way.
FEW_SORTED = 64


def _network(count: int) -> Iterator[tuple[int, int]]:
    """Pairs of places to compare and exchange: Batcher's odd-even merge sort (Knuth, volume 3, algorithm 5.2.2M)."""
    width = 1
    while width < count:
        apart = width
        while apart >= 1:
            for start in range(apart % width, count - apart, 2 * apart):
                for low in range(start, min(start + apart, count - apart)):
                    if low // (2 * width) == (low + apart) // (2 * width):
                        yield low, low + apart
            apart //= 2
        width *= 2


def _sorted_as_data(rows: Any) -> list[Any]:
    """Rows in the order of their numbers, column by column: NaN last, and equal ones in their own order."""
    numbers = [as_variable_array(row) for row in rows]
    places: list[Any] = [float(place) for place in range(len(numbers))]
    for i, j in _network(len(numbers)):
        a, b, p, q = numbers[i], numbers[j], places[i], places[j]
        swap = (a > b) | (a != a)  # noqa: PLR0124 - NaN
        later = p > q
        if later is not False:
            swap = swap | ((a == b) & later)
        numbers[i], numbers[j] = where(swap, b, a), where(swap, a, b)
        places[i], places[j] = where(swap, q, p), where(swap, p, q)
    return numbers


def _ascending(row: Any) -> list[int]:
    """The places of a row in the order of its numbers, equal ones in their own."""
    nans = [place for place, x in enumerate(row) if _is_nan(x)]
    others = [place for place in range(len(row)) if place not in nans]
    return [*sorted(others, key=lambda place: row[place]), *nans]


class VariableArray(np.ndarray[Any, Any]):
    """An object array of Variables and numbers whose ufuncs are the rules of the table, arithmetic apart."""

    #: At least that of arrays of PyTorch and JAX, which would take our numbers for theirs, and at most that of pandas.
    __array_priority__ = 1000

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        return array_ufunc(ufunc, method, *inputs, **options)

    def __array_function__(self, function: Any, types: Any, inputs: Any, options: Any) -> Any:
        return array_function(function, types, inputs, options)

    def take(self, indices: Any, axis: Any = None, out: Any = None, mode: Any = "raise") -> Any:
        """As `numpy.take`."""
        return FUNCTIONS[np.take](self, indices, axis, out, mode)

    def astype(self, dtype: Any, *arguments: Any, **options: Any) -> Any:
        """A copy; a plain array unless it holds objects again."""
        return as_variable_array(np.asarray(self).astype(dtype, *arguments, **options))

    def to_numpy(self) -> Any:
        """The array itself: what a function of a column of pandas asks it for."""
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # NumPy's own questions
            raise AttributeError(name)
        raise hints.unknown("an array of Variables", name, dir(np.ndarray), "x.")

    var = functools.partialmethod(np.var)
    std = functools.partialmethod(np.std)
    round = functools.partialmethod(np.round)

    def clip(self, min: Any = None, max: Any = None, out: Any = None, **options: Any) -> Any:  # noqa: A002 - NumPy's
        """As of any array. A bound that is left out is infinite, as for `autograd_lite.clip`, whose slope at a bound is 0."""
        return super().clip(*open_bounds(min, max), out, **options)

    # NumPy's order of numbers, in which NaN comes last and is the largest: comparisons of objects would lose it.

    def _along(self, places: Callable[[Any], Any], axis: int | None = None, *_: Any, **__: Any) -> Any:
        plain = np.asarray(self)
        if axis is None:
            return places(plain.ravel())
        rows = np.moveaxis(plain, axis, -1)
        found = np.array([places(rows[index]) for index in np.ndindex(rows.shape[:-1])], dtype=np.int64)
        shaped = found.reshape(rows.shape[:-1] + found.shape[1:])
        return np.moveaxis(shaped, -1, axis) if found.ndim > 1 else shaped[()]

    argmax = functools.partialmethod(_along, functools.partial(_extreme, operator.gt))
    argmin = functools.partialmethod(_along, functools.partial(_extreme, operator.lt))

    def argsort(self, axis: int | None = -1, *_: Any, **__: Any) -> Any:  # type: ignore[override]
        return self._along(_ascending, axis)

    def sort(self, axis: int = -1, *_: Any, **__: Any) -> None:  # type: ignore[override]
        trace = context.recording()
        if trace and trace.mapped and self.shape[axis] <= FEW_SORTED and holds_variables(self):
            rows = _sorted_as_data(np.moveaxis(np.asarray(self), axis, 0))
            for place in range(len(rows)):
                np.moveaxis(self, axis, 0)[place, ...] = rows[place]
            return
        self[...] = np.take_along_axis(np.asarray(self), np.asarray(self.argsort(axis)), axis)

    def partition(self, kth: Any, axis: Any = -1, *_: Any, **__: Any) -> None:  # noqa: ARG002
        self.sort(axis)

    def argpartition(self, kth: Any, axis: Any = -1, *_: Any, **__: Any) -> Any:  # noqa: ARG002
        return self.argsort(axis)


class TracedArray(VariableArray):
    """Such an array while a function is traced: an index is data, no branch. Its look-up takes 0.2 µs more than NumPy's."""

    looked_up: Callable[[Any, Any], Any]  # given by `tables`

    def __getitem__(self, index: Any) -> Any:
        if type(index) is int:  # most look-ups
            return super().__getitem__(index)
        if context.tracing and context.recording() is not None and holds_variables(index):
            found = self.looked_up(self, index)
            if found is not None:
                return found
        return super().__getitem__(index)


def keeping() -> type[VariableArray]:
    """The class of arrays that keep Variables, here and now."""
    return VariableArray if context.recording() is None else TracedArray


OPERANDS |= {VariableArray, TracedArray}


class Conditions(np.lib.mixins.NDArrayOperatorsMixin):
    """The result of a comparison of arrays while tracing: data until a bool array is needed, which is a branch for each."""

    __slots__ = ("each",)
    __hash__ = None  # type: ignore[assignment] # as arrays have it

    def __init__(self, each: Any) -> None:
        self.each: Any = each if isinstance(each, LazyArray) else as_variable_array(boxed(each))

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray[Any, Any]:
        del copy  # always made anew
        if dtype is not None and np.dtype(dtype) == object:
            return np.array(np.asarray(self.each))
        truths = np.frompyfunc(bool, 1, 1)(np.asarray(self.each))
        return np.asarray(truths, dtype=bool).astype(bool if dtype is None else dtype)

    __array_ufunc__ = VariableArray.__array_ufunc__
    __array_function__ = VariableArray.__array_function__

    @staticmethod
    def __apply_primitive__(primitive: Primitive, arguments: tuple[Any, ...]) -> Any:
        return as_variable_array(primitive(*[a.each if isinstance(a, Conditions) else a for a in arguments]))

    dtype = np.dtype(bool)
    T = property(lambda self: Conditions(self.each.T))

    def __len__(self) -> int:
        return len(self.each)

    def __iter__(self) -> Iterator[Any]:
        return (_conditions(each) for each in self.each)

    def __getitem__(self, index: Any) -> Any:
        return _conditions(self.each[index])

    def __setitem__(self, index: Any, value: Any) -> None:
        self.each[index] = value.each if isinstance(value, Conditions) else value

    def __bool__(self) -> bool:
        return bool(np.asarray(self))

    def __repr__(self) -> str:
        return f"Conditions({self.each.tolist()})"

    def _over(self, ufunc: np.ufunc, axis: Any = None, **options: Any) -> Any:
        return ufunc.reduce(self, axis=axis, **options)

    any = functools.partialmethod(_over, np.logical_or)
    all = functools.partialmethod(_over, np.logical_and)
    sum = functools.partialmethod(_over, np.add)

    def astype(self, dtype: Any, **_: Any) -> Any:
        """Numbers 0.0 and 1.0 for a floating dtype; whole numbers and bools ask for the truth."""
        return self.each if np.dtype(dtype).kind in "fO" else np.asarray(self).astype(dtype)

    def __getattr__(self, name: str) -> Any:
        if name in ("copy", "ravel", "flatten", "reshape", "transpose", "squeeze", "swapaxes", "take", "repeat"):
            method = getattr(self.each, name)
            return lambda *places, **options: Conditions(method(*places, **options))
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.each if name in ("shape", "ndim", "size", "flat", "mean") else np.asarray(self), name)


def _conditions(each: Any) -> Any:
    return Conditions(each) if isinstance(each, np.ndarray) else each
