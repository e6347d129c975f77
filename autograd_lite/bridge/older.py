"""SciPy's older functions, `fsolve`, `leastsq`, `newton`, `fmin_bfgs` and its relatives, with derivatives filled in."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import integrate, optimize

from autograd_lite.bridge.evaluations import Evaluations
from autograd_lite.bridge.signatures import as_tuple, like, of_x
from autograd_lite.bridge.spaces import Space
from autograd_lite.errors import ArgumentError

#: By function, the keywords of derivatives and what each is of the first argument.
FILLED: dict[str, dict[str, str]] = {
    "fsolve": {"fprime": "jacobian"},
    "leastsq": {"Dfun": "jacobian"},
    **{name: {"fprime": "gradient"} for name in ("fmin_bfgs", "fmin_cg", "fmin_l_bfgs_b", "fmin_tnc", "fmin_slsqp")},
    "fmin_ncg": {"fprime": "gradient", "fhess": "hessian"},
}
#: How to leave SciPy its differences where a function has none of first derivatives.
_WITHOUT = {"fmin_ncg": "fmin_bfgs(f, x0, fprime=False)"}


def _vectors(name: str, x0: Any) -> Space:
    """The space of a start, which is a vector."""
    space = Space(x0)
    if space.shape is not None:
        better = {"fsolve": "root", "leastsq": "least_squares"}.get(name, "minimize")
        raise ArgumentError(
            f"x0={x0!r:.60} of {name} is a nest, and this function of SciPy takes a vector. Use {better}, which takes nests."
        )
    return space


def _filled(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """What a function of SciPy gets, with what is missing filled in."""
    original = getattr(optimize, name)
    key = next(iter(inspect.signature(original).parameters))  # what is minimised or solved
    fun, wanted, more = given[key], FILLED[name], as_tuple(given.get("args", ()))
    first = next(iter(wanted))
    if given.get(first) is False:  # SciPy's differences
        if name in _WITHOUT:
            raise ArgumentError(
                f"{first}=False leaves SciPy its differences, and {name} has none in place of a gradient. Leave {first} out, "
                f"and it is filled in; for differences write {_WITHOUT[name]}."
            )
        return {**given, first: None, **({"approx_grad": True} if "approx_grad" in _names(original) else {})}
    space = _vectors(name, given["x0"])
    own = given.get(first) is not None or given.get("approx_grad")
    if own or ("approx_grad" in _names(original) and _returns_pair(fun, space, more)):
        return given
    f = Evaluations(fun, space, more, without=_WITHOUT.get(name, f"{first}=False"))
    found = {keyword: None if part is False and keyword in wanted else part for keyword, part in given.items()}
    for keyword, kind in wanted.items():
        if given.get(keyword) is None and found.get(f"{keyword}_p") is None:  # products in place of the matrix
            options = {"sparse": False} if kind in ("jacobian", "hessian") else {}
            found[keyword] = of_x(getattr(f, kind), **options)
            if found.get("col_deriv"):
                found[keyword] = lambda x, *_, whole=found[keyword]: whole(x).T
    found[key] = of_x(f.values if "jacobian" in wanted.values() else f.value)
    for side in ("eqcons", "ieqcons"):
        rows = found.get(f"f_{side}")
        if rows is not None and found.get(f"fprime_{side}") is None:
            found[f"fprime_{side}"] = of_x(Evaluations(rows, space, more).jacobian, sparse=False)
    return found


def _names(original: Callable[..., Any]) -> Any:
    return inspect.signature(original).parameters


def _returns_pair(fun: Callable[..., Any], space: Space, more: tuple[Any, ...]) -> bool:
    """Whether a function returns its value and its gradient, as two functions of SciPy take it."""
    found = fun(space.start, *more)
    return isinstance(found, tuple) and len(found) == 2


def _older(name: str) -> Callable[..., Any]:
    original = getattr(optimize, name)
    signature = inspect.signature(original)
    parameters = [
        p.replace(default=None) if p.name == "fprime" else p for p in signature.parameters.values()
    ]  # `fmin_ncg` has no default for it

    def body(**given: Any) -> Any:
        return original(**_filled(name, given))

    body.__name__ = body.__qualname__ = name
    keywords = " and ".join(f"`{keyword}`" for keyword in FILLED[name])
    without = _WITHOUT.get(name, f"{next(iter(FILLED[name]))}=False")
    body.__doc__ = (
        f"SciPy's `{name}` with {keywords} filled in, for vectors; `{without}` leaves SciPy its differences.\n\n"
        f"{inspect.getdoc(original)}"
    )
    return like(original, signature.replace(parameters=parameters))(body)


@like(optimize.newton)
def newton(func: Callable[..., Any], x0: Any, **given: Any) -> Any:
    """SciPy's `newton` with `fprime` filled in where x0 is one number; `fprime=False` or `x1=` leave it the secants."""
    number = np.ndim(x0) == 0 and not np.iscomplexobj(x0)
    if given.get("fprime") is False:
        given["fprime"] = None
    elif number and given.get("fprime") is None and given.get("x1") is None:
        e = Evaluations(func, Space(0.0, number=True), as_tuple(given.get("args", ())), without="fprime=False")
        func, x0 = lambda x, *_: e.value(np.full(1, x)), float(x0)
        given["fprime"] = lambda x, *_: float(e.gradient(np.full(1, x))[0])
    return optimize.newton(func, x0, **given)


@like(integrate.odeint)
def odeint(func: Callable[..., Any], y0: Any, t: Any, **given: Any) -> Any:
    """SciPy's `odeint` with `Dfun` filled in; `Dfun=False` leaves SciPy its differences. See `al.odeint` for derivatives."""
    first = bool(given.get("tfirst"))
    if given.get("Dfun") is False:
        given["Dfun"] = None
    elif given.get("Dfun") is None and given.get("ml") is given.get("mu") is None:
        more = as_tuple(given.get("args", ()))
        by_state = (lambda y, now, *a: func(now, y, *a)) if first else func
        f = Evaluations(by_state, None, more, without="Dfun=False")

        def slopes(y: Any, now: Any, *_: Any) -> Any:
            if first:
                y, now = now, y
            found = f.jacobian(y, float(now), sparse=False)
            return found.T if given.get("col_deriv") else found

        given["Dfun"] = slopes
    return integrate.odeint(func, y0, t, **given)


#: The functions of this file by their names in SciPy.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: _older(name) for name in FILLED},
    "newton": newton,
    "odeint": odeint,
}
