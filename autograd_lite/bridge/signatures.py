"""Functions with the signature of one of SciPy's, and the form in which SciPy calls what it is given."""

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any

from autograd_lite import hints
from autograd_lite.bridge.evaluations import LostError
from autograd_lite.errors import ArgumentError, AutogradLiteError, OperandError, UnknownKeywordError

#: What SciPy calls derivatives, and where True says that a function returns them beside its value.
_DERIVATIVES = {"jac", "hess", "hessp", "fprime", "fprime2", "fhess", "fhess_p", "Dfun"}
_BESIDE = {"minimize": {"jac"}, "root": {"jac"}, "root_scalar": {"fprime", "fprime2"}}
#: What SciPy says of a function that is not finite where it starts.
_NOT_FINITE = re.compile("infs or NaNs|not finite")


def like(
    original: Callable[..., Any], signature: inspect.Signature | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a function, which gets what is given by name, the signature of a function of SciPy."""
    signature = signature or inspect.signature(original)
    rest = [name for name, parameter in signature.parameters.items() if parameter.kind is parameter.VAR_KEYWORD]

    def decorated(body: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(body)
        def solver(*arguments: Any, **keywords: Any) -> Any:
            try:
                given = signature.bind(*arguments, **keywords).arguments
            except TypeError as error:
                wrong = [name for name in keywords if name not in signature.parameters and not rest]
                raise _misbound(body.__name__, error, wrong, signature) from None
            for name in rest:
                given |= given.pop(name, {})
            _refuse_no_function(body.__name__, given)
            _refuse_true(body.__name__, given)
            try:
                return body(**given)
            except LostError as lost:  # from here, not from within SciPy, which `refusals` would name
                raise OperandError(str(lost)) from None
            except ValueError as error:
                if isinstance(error, AutogradLiteError) or not _NOT_FINITE.search(str(error)):
                    raise
                raise _not_finite(body.__name__, error, signature) from error

        solver.__signature__ = signature  # type: ignore[attr-defined]
        return solver

    return decorated


def _misbound(solver: str, error: TypeError, wrong: list[str], signature: inspect.Signature) -> TypeError:
    """The error for a call that the signature does not take; `wrong` are keywords that it does not know."""
    if not wrong:
        return TypeError(f"{solver}() {error}")
    remedy = hints.hint(solver, wrong[0], signature.parameters) or f" It has {', '.join(signature.parameters)}."
    return UnknownKeywordError(f"{solver}() got an unexpected keyword argument {wrong[0]!r}.{remedy}")


def _not_finite(solver: str, error: ValueError, signature: inspect.Signature) -> ArgumentError:
    """The error to raise for SciPy's about numbers that are not finite."""
    policy = "nan_policy='omit' leaves out data that is NaN. " if "nan_policy" in signature.parameters else ""
    return ArgumentError(
        f"{solver} met a number that is infinite or NaN, in what was given or in a value or derivative of the function: "
        f"{error.args[0]} {policy}Where it comes from, autograd_lite.blame(f(autograd_lite.variables(x))) says. Start at "
        "another x, or set bounds."
    )


def _refuse_no_function(solver: str, given: dict[str, Any]) -> None:
    """Refuse what is no function where a solver takes one, first."""
    first, value = next(iter(given.items()))
    if not callable(value):
        raise ArgumentError(
            f"{solver} takes a function first, and {first}={value!r:.60} is none. Write {solver}(f, …)."
        )


def _refuse_true(function: str, given: dict[str, Any]) -> None:
    """Refuse `jac=True` and its like where SciPy has no meaning for it."""
    for name in (_DERIVATIVES - _BESIDE.get(function, set())) & given.keys():
        if given[name] is True:
            raise ArgumentError(
                f"{name}=True of {function}: give a function, or leave {name} out, and it is filled in."
            )


def as_tuple(arguments: Any) -> tuple[Any, ...]:
    """Arguments as SciPy takes them: one by itself needs no tuple."""
    return arguments if isinstance(arguments, tuple) else (arguments,)


def of_x(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """A function of evaluations, which know what SciPy passes besides x."""
    return lambda x, *_, **__: function(x, **options)
