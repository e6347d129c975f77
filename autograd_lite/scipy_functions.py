"""Functions of SciPy that are no ufuncs, for Variables and arrays of them: `logsumexp` and others, and `scipy.linalg`.

NumPy asks an array which function serves it; SciPy does not. These functions take their argument apart into a plain array
of objects, on which `np.isfinite` has no loop, or turn to complex numbers: no class of arrays can answer instead. So they
get a first question: whether an argument holds Variables. A name that a program imported before is the same function object.
NumPy's linear algebra asks nobody about a plain array of objects: its functions explain the error in which that ends.
"""

import functools
import importlib.util
import inspect
import math
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FunctionType
from typing import Any

import numpy as np

from autograd_lite import forks, hints, refusals
from autograd_lite.arrays import INSTEAD, LazyArray, VariableArray, as_variable_array, axes_of, holds_variables
from autograd_lite.conversion import is_array_of_others
from autograd_lite.functions import log_softmax, logsumexp, object_array, softmax
from autograd_lite.primitives import gamma, where


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


# ------------------------------------------------------------------------------------------------------ scipy.linalg

#: Where a result is to be written, and by what: of no effect on it.
_IDLE = ("overwrite_a", "overwrite_b", "check_finite", "driver", "lapack_driver", "disp")


def _linalg() -> Any:
    return sys.modules["autograd_lite"].linalg


def _only(name: str, options: dict[str, Any]) -> None:
    given = [option for option, value in options.items() if option not in _IDLE and value is not None]
    if given:
        raise refusals.refusal(
            f"scipy.linalg.{name} of Variables does not take {', '.join(given)}. Leave it out, or write it with "
            "autograd_lite.linalg."
        )


#: What SciPy reads of a matrix by `assume_a`.
_STRUCTURES = {
    **dict.fromkeys((None, "gen", "general"), "all"),
    **dict.fromkeys(("sym", "her", "pos", "symmetric", "hermitian", "positive definite"), "half"),
    "lower triangular": "lower",
    "upper triangular": "upper",
}


def _structured(a: Any, assume_a: Any, lower: bool) -> Any:
    """The matrix that SciPy sees: for a known structure it reads a part of the entries."""
    a = as_variable_array(object_array(a))
    kind = _STRUCTURES.get(assume_a)
    if kind is None:
        raise refusals.refusal(
            f"scipy.linalg of Variables does not take assume_a={assume_a!r}. Leave it out: the result is that of any matrix."
        )
    if kind == "half":
        part, beside = (np.tril(a), np.tril(a, -1)) if lower else (np.triu(a), np.triu(a, 1))
        return part + np.swapaxes(beside, -1, -2)
    return a if kind == "all" else np.tril(a) if kind == "lower" else np.triu(a)


def _solve(a: Any, b: Any, lower: bool = False, assume_a: Any = None, transposed: bool = False, **options: Any) -> Any:
    _only("solve", options)
    a = _structured(a, assume_a, lower)
    return _linalg().solve(np.swapaxes(a, -1, -2) if transposed else a, b)


def _inv(a: Any, *, assume_a: Any = None, lower: bool = False, **options: Any) -> Any:
    _only("inv", options)
    return _linalg().inv(_structured(a, assume_a, lower))


def _solve_triangular(
    a: Any, b: Any, trans: Any = 0, lower: bool = False, unit_diagonal: bool = False, **options: Any
) -> Any:
    """By substitution: a triangle below is turned round to one above, where elimination exchanges no rows."""
    _only("solve_triangular", options)
    a = _structured(a, "lower triangular" if lower else "upper triangular", lower)
    if unit_diagonal:
        a = np.where(np.eye(a.shape[-1], dtype=bool), 1.0, a)
    if trans not in (0, "N"):
        a, lower = np.swapaxes(a, -1, -2), not lower
    if not lower:
        return _linalg().solve(a, b)
    b = as_variable_array(object_array(b))
    row = 0 if b.ndim == 1 else b.ndim - 2
    return np.flip(_linalg().solve(a[..., ::-1, ::-1], np.flip(b, row)), row)


def _cholesky(a: Any, lower: bool = False, **options: Any) -> Any:
    """SciPy reads the triangle that it returns."""
    _only("cholesky", options)
    return _linalg().cholesky(_structured(a, "sym", lower), upper=not lower)


def _cho_factor(a: Any, lower: bool = False, **options: Any) -> Any:
    return _cholesky(a, lower, **options), lower


def _cho_solve(c_and_lower: Any, b: Any, **options: Any) -> Any:
    _only("cho_solve", options)
    c, lower = c_and_lower
    half = _solve_triangular(c, b, trans=0 if lower else 1, lower=lower)
    return _solve_triangular(c, half, trans=1 if lower else 0, lower=lower)


def _eigh(a: Any, b: Any = None, *, lower: bool = True, eigvals_only: bool = False, **options: Any) -> Any:
    _only("eigh", {"b": b, **options, "type": options.get("type", 1) if options.get("type", 1) != 1 else None})
    found = _linalg().eigh(a, "L" if lower else "U")
    return found.eigenvalues if eigvals_only else tuple(found)


def _lstsq(a: Any, b: Any, cond: Any = None, **options: Any) -> Any:
    _only("lstsq", options)
    found = tuple(_linalg().lstsq(a, b, cond))
    alone = np.ndim(b) == 1 and np.size(found[1]) == 1
    return (found[0], found[1][0] if alone else found[1], *found[2:])


def _factorial(n: Any, exact: bool = False, extend: str = "zero") -> Any:
    """Γ(n + 1), and 0 of what is negative."""
    if exact or extend != "zero":
        raise refusals.refusal(
            "scipy.special.factorial of Variables does not take exact=True or extend='complex'. Leave them out, or write "
            "autograd_lite.gamma(n + 1)."
        )
    numbers = as_variable_array(object_array(n))
    return where(numbers < 0.0, 0.0, gamma(numbers + 1.0))


def _by_ours(name: str) -> Callable[..., Any]:
    def served_by_ours(**options: Any) -> Any:
        matrix, *_ = options.values()
        _only(name, dict(list(options.items())[1:]))
        return getattr(_linalg(), name)(matrix)

    return served_by_ours


#: What serves Variables, with SciPy's parameters.
SERVING: dict[str, Callable[..., Any]] = {
    "logsumexp": _logsumexp,
    "softmax": functools.partial(_shared, softmax),
    "log_softmax": functools.partial(_shared, log_softmax),
    "solve": _solve, "inv": _inv, "solve_triangular": _solve_triangular, "cholesky": _cholesky, "cho_factor": _cho_factor,
    "cho_solve": _cho_solve, "eigh": _eigh, "eigvalsh": functools.partial(_eigh, eigvals_only=True), "lstsq": _lstsq,
    **{name: _by_ours(name) for name in ("det", "expm", "pinv", "svdvals")}, "factorial": _factorial,
}  # fmt: skip


def _refusing(name: str) -> Callable[..., Any]:
    def refuses(**_: Any) -> Any:
        raise refusals.refusal(f"scipy's {name} does not take Variables.{hints.hint(REFUSED, name)}")

    return refuses


#: The place of what to write instead of functions of SciPy; those of factorials serve single numbers.
REFUSED = "a function of SciPy"
SERVING |= {name: _refusing(name) for name in hints.table()[REFUSED] if not name.startswith("factorial")}
#: Where they are.
_MODULES = ("scipy.special", "scipy.linalg")
#: Their own.
PLAIN: dict[str, Callable[..., Any]] = {}
_meeting = forks.lock()


def serving(name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> Callable[..., Any]:
    """The function that computes a call of a function of SciPy: for plain numbers, and for wrong calls, SciPy's own."""
    parts = [part for a in (*arguments, *named.values()) for part in (a if type(a) is tuple else (a,))]
    parts = [np.asarray(part) if is_array_of_others(part) else part for part in parts]
    if any(isinstance(part, (VariableArray, LazyArray)) or holds_variables(part) for part in parts):
        with suppress(TypeError):
            bound = inspect.signature(PLAIN[name]).bind(*arguments, **named).arguments
            return lambda *_, **__: SERVING[name](**bound)
    return PLAIN[name]


def _file(name: str) -> str:
    """The file that the code in a function of SciPy or NumPy seems to come from.

    It is part of the library (`frames`), and where warnings count frames, those that seem to be of importlib are passed over:
    a warning of theirs names the line that it named before.
    """
    return f"<operator {name}, unseen like importlib._bootstrap>"


#: The code that stands in functions of SciPy and NumPy: it runs in their modules, whose globals have nothing of ours.
_FIRST = """
def asked(*arguments, **named):
    import sys
    serving = sys.modules['autograd_lite.scipy_functions'].serving({name!r}, arguments, named)
    return serving(*arguments, **named)
"""
_AFTERWARDS = """
def asked(*arguments, **named):
    import sys
    ours = sys.modules['autograd_lite.scipy_functions']
    try:
        return ours.PLAIN[{name!r}](*arguments, **named)
    except TypeError as error:
        ours.explain({name!r}, error, arguments, named)
        raise
"""


def _ask(function: Any, name: str, text: str) -> None:
    """Put the code into a function that has not got it; the function keeps its signature, its text and its name."""
    if not isinstance(function, FunctionType) or name in PLAIN:
        return
    PLAIN[name] = vars(function)["__wrapped__"] = _own(function, name)  # `inspect` reads its signature
    names: dict[str, Any] = {}
    exec(compile(text.format(name=name), _file(name), "exec"), names)  # noqa: S102 - the texts above, and a known name
    # Last, and in one step: another thread may be calling it.
    function.__code__ = names["asked"].__code__.replace(co_freevars=function.__code__.co_freevars)


def explain(name: str, error: Exception, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
    """Raise the error that says what to write where a function of np.linalg was given plain arrays of Variables."""
    if any(map(holds_variables, (*arguments, *named.values()))):
        short = name.rpartition(".")[2]
        instead = INSTEAD.get(getattr(np.linalg, short)) or refusals.remedy(f"numpy's {short}").strip()
        raise refusals.refusal(f"numpy's {short} takes no plain array of Variables. {instead}") from error


def meet() -> None:
    """Let SciPy's functions ask, as far as SciPy is there."""
    there = [sys.modules.get(module) for module in _MODULES]
    with _meeting:
        for name in SERVING:
            _ask(next((getattr(module, name) for module in there if hasattr(module, name)), None), name, _FIRST)


def _own(function: Any, name: str) -> Any:
    """What a function of SciPy or NumPy does itself, as a function of its own."""
    if function.__code__.co_filename == _file(name):  # this package is imported for the second time
        return function.__wrapped__
    own: Any = FunctionType(function.__code__, function.__globals__, name, function.__defaults__, function.__closure__)
    own.__kwdefaults__, own.__doc__ = function.__kwdefaults__, function.__doc__
    if hasattr(function, "__wrapped__"):
        own.__wrapped__ = function.__wrapped__
    return own


class Arrivals:
    """A finder of modules that meets those of SciPy when they have been imported; others find them."""

    def __init__(self) -> None:
        self.awaited = {*_MODULES}

    def find_spec(self, name: str, *_: Any, **__: Any) -> Any:
        """The specification that the others give, whose loader meets the module that it has run."""
        if name not in self.awaited:
            return None
        self.awaited.remove(name)  # while the others are asked
        try:
            spec: Any = importlib.util.find_spec(name)
        finally:
            self.awaited.add(name)
        if spec is None or not hasattr(spec.loader, "exec_module"):
            return spec
        run = spec.loader.exec_module

        def run_and_meet(module: Any) -> None:
            run(module)
            meet()

        spec.loader.exec_module = run_and_meet
        return spec


def _await() -> None:
    """Meet SciPy's modules now, or when they come."""
    sys.meta_path.insert(0, Arrivals())
    for name in _MODULES:
        if sys.modules.get(name) is not None:
            importlib.import_module(name)  # another thread may be importing it
    meet()


_await()
#: Functions of np.linalg that call LAPACK.
_LAPACK = (
    "cholesky", "cond", "det", "eig", "eigh", "eigvals", "eigvalsh", "inv", "lstsq", "matrix_rank", "pinv", "qr", "slogdet",
    "solve", "svd", "svdvals", "tensorinv", "tensorsolve",
)  # fmt: skip
for _name in _LAPACK:
    _ask(getattr(getattr(np.linalg, _name, None), "_implementation", None), f"np.linalg.{_name}", _AFTERWARDS)
