"""SciPy's optimisers, fits and solvers of differential equations, with derivatives filled in: change the import line.

Each function has SciPy's signature and runs SciPy's algorithm. What is not given (`jac`, `hess`, `hessp`, `fprime`) comes
from a trace of the function: compiled, exact, sparse where the method takes that and few entries are other than 0. Other
names of `scipy.optimize` and `scipy.integrate` are SciPy's own.

>>> import numpy as np
>>> from autograd_lite.scipy import minimize
>>> def rosenbrock(x):
...     return 100.0 * (x[1] - x[0] ** 2) ** 2 + (1.0 - x[0]) ** 2
>>> result = minimize(rosenbrock, [-1.2, 1.0], method="trust-exact")
>>> result.x.round(8), result.nit < 30
(array([1., 1.]), True)
>>> sorted(result.derivatives.uses)
['gradient', 'hessian']
"""

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import optree

from autograd_lite import hints
from autograd_lite.bridge import ipopt
from autograd_lite.bridge.evaluations import SMALL, Derivatives, Evaluations, LostError
from autograd_lite.bridge.models import Model
from autograd_lite.bridge.signatures import as_tuple, like, of_x
from autograd_lite.bridge.spaces import Space, as_vector, is_vector, on_nest, paired, renamed
from autograd_lite.errors import ArgumentError, OperandError, UnknownImportError
from autograd_lite.nests import NAMESPACE, as_array, unravel
from autograd_lite.tape.call import Compiled, jit
from autograd_lite.transforms import name_of, recipe_of
from autograd_lite.variable import Variable

try:
    from scipy import integrate as _integrate
    from scipy import optimize as _optimize
except ImportError as error:
    raise UnknownImportError(
        'autograd_lite.scipy needs SciPy, which is not installed. Install it with pip install "autograd-lite[scipy]".',
        name="scipy",
    ) from error

from autograd_lite.bridge import older

__all__ = [
    "Derivatives", "NonlinearConstraint", "arguments", "basinhopping", "curve_fit", "differential_evolution", "least_squares",
    "minimize", "root", "root_scalar", "solve_ivp",
]  # fmt: skip
#: `import *` gives what it gives of SciPy's two modules, but for what is a module itself.
__all__ += [
    name
    for module in (_optimize, _integrate)
    for name in module.__all__
    if not inspect.ismodule(getattr(module, name)) and name not in __all__
]

#: What the methods of `minimize` take besides the gradient: a Hessian, which some cannot do without, or products with it.
#: And those that take no derivative.
HESSIAN = {"dogleg", "trust-constr", "trust-exact", "newton-cg", "trust-ncg", "trust-krylov", "_custom"}
NEEDED = {"dogleg", "trust-exact", "trust-ncg", "trust-krylov"}
PRODUCT = {"newton-cg", "trust-ncg", "trust-krylov"}
NOTHING = {"nelder-mead", "powell", "cobyla", "cobyqa"}
#: Methods whose constraints may have second derivatives and sparse matrices.
SECOND = {"trust-constr", "ipopt"}


# --------------------------------------------------------------------------------------------------------- the solvers


def _bounds(bounds: Any, space: Space) -> Any:
    """Bounds of `minimize`, in SciPy's forms or as a nest like x with a pair for each number or array."""
    if (
        isinstance(bounds, (tuple, list))
        and len(bounds) == 2
        and any(isinstance(side, (int, float)) for side in bounds)
    ):
        raise ArgumentError(
            f"bounds={bounds!r} is one pair of numbers. Give a pair for each unknown, or Bounds(low, high) for all."
        )
    if space.shape is None or bounds is None:
        return bounds
    if isinstance(bounds, _optimize.Bounds):
        sides = space.spread(bounds.lb, "lb", -np.inf), space.spread(bounds.ub, "ub", np.inf)
        return _optimize.Bounds(*sides, bounds.keep_feasible)
    found = space.sides(bounds)
    return bounds if found is None else _optimize.Bounds(*found)


def _pair(bounds: Any, space: Space) -> dict[str, Any]:
    """Bounds of fits: a pair of sides."""
    if bounds is None:
        return {}
    if isinstance(bounds, _optimize.Bounds):
        if space.shape is None:
            return {"bounds": bounds}
        bounds = bounds.lb, bounds.ub
    if isinstance(bounds, Mapping) or len(bounds) != 2:
        raise ArgumentError(
            f"bounds={bounds!r:.80}: give a pair (low, high), each a number, an array or a nest like x."
        )
    return {"bounds": (space.spread(bounds[0], "bounds", -np.inf), space.spread(bounds[1], "bounds", np.inf))}


def _finished(result: Any, derivatives: Derivatives, space: Space) -> Any:
    """The result of a solver with nests in it."""
    result.derivatives = derivatives
    if space.shape is not None:
        result.x_flat, result.x = result.x, space.nest(result.x)
        for name in ("jac", "grad"):
            slope = result.get(name)
            if isinstance(slope, np.ndarray) and slope.shape == space.start.shape:
                result[name] = space.nest(slope)
    return result


def _method(given: Mapping[str, Any]) -> str:
    """The method of `minimize` in small letters; by default that which SciPy chooses."""
    method = given.get("method")
    if method is None:
        return "slsqp" if given.get("constraints") else "bfgs" if given.get("bounds") is None else "l-bfgs-b"
    return "_custom" if callable(method) else str(method).lower()


@like(_optimize.minimize)
def minimize(fun: Callable[..., Any], x0: Any, **given: Any) -> Any:
    """Minimise a function of several numbers: SciPy's `minimize` with `jac`, `hess` or `hessp` filled in.

    Parameters
    ----------
    fun : callable
        `fun(x, *args)` returns one number. Plain code of numbers or arrays, as for `al.grad`.
    x0 : array, number or nest
        The starting point. For lists and arrays of one dimension everything is as SciPy has it. For a dict, a registered
        dataclass, nested lists or arrays of more dimensions `fun`, `callback` and constraints get such a nest.
    args, method, tol, options : SciPy's
        As SciPy has them. `method="ipopt"` calls IPOPT, where cyipopt is installed; its options are IPOPT's.
    jac, hess, hessp : callable, optional
        What is given here is used as it is; `jac="2-point"` or `jac=False` leaves SciPy its differences. Beside a `jac` that
        is given, a Hessian is filled in for methods that cannot do without. With a nest, `jac` returns a nest, and `hess` a
        matrix in the order of the numbers.
    bounds : sequence, Bounds or nest
        SciPy's forms; or a nest like x0 with a pair (low, high) for each number or array.
    constraints : constraint or list of them
        Those of SciPy, dicts without `jac`, and `NonlinearConstraint` from here: their derivatives are filled in.
    callback : callable
        SciPy's; it gets nests.

    Returns
    -------
    OptimizeResult
        SciPy's, with `derivatives` (see `Derivatives`). With a nest `x` and the gradient (`jac`, `grad`) are nests, and
        `x_flat` is the vector; matrices are in the order of its numbers.

    Raises
    ------
    AutogradLiteError
        If `fun` cannot be traced, as `al.grad` would, with the line. What `fun` raises itself passes through.

    Notes
    -----
    Gradients for all methods but Nelder-Mead, Powell, COBYLA and COBYQA, which run `fun` itself. Hessians for trust-exact,
    trust-constr and dogleg, and for Newton-CG, trust-ncg and trust-krylov up to 50 unknowns, beyond which these get
    Hessian-vector products. Matrices are sparse for trust-constr and IPOPT if there are more than 50 unknowns and less than
    20 % entries. The function is traced in each call of `minimize`, some milliseconds and 10 µs an operation; `al.jit(fun)`
    in place of `fun` keeps what was compiled for the next call, and takes `args` as data. While it is compiled, plain numbers
    from outside are constants, and printing happens while tracing only, as in `al.jit`.

    Examples
    --------
    >>> import autograd_lite as al
    >>> from autograd_lite.scipy import minimize
    >>> found = minimize(lambda p: (p["a"] - 1.0) ** 2 + al.exp(p["b"]) - p["b"], {"a": 3.0, "b": 2.0})
    >>> round(found.x["a"], 4), abs(round(found.x["b"], 4))
    (1.0, 0.0)
    >>> found.derivatives.uses["gradient"].count == found.nfev
    True
    """
    space, method = Space(x0), _method(given)
    f = Evaluations(fun, space, as_tuple(given.get("args", ())))
    constraints, others = _constraints(given.get("constraints", ()), space, method)
    given |= {"fun": fun, "x0": space.start, "constraints": constraints, "bounds": _bounds(given.get("bounds"), space)}
    given["callback"] = space.callback(given.get("callback"))
    if method == "ipopt":
        return _finished(ipopt.minimized(f, others, given), Derivatives(f, others, space), space)
    filled, f = _filled(given, f, space, method)
    return _finished(_optimize.minimize(**(given | filled)), Derivatives(f, others, space), space)


def _filled(given: Mapping[str, Any], f: Evaluations, space: Space, method: str) -> tuple[dict[str, Any], Evaluations]:
    """What `minimize` gets for `fun`, `jac`, `hess` and `hessp`; and the function whose derivatives these are."""
    fun, jac, hess, hessp = given["fun"], given.get("jac"), given.get("hess"), given.get("hessp")
    found: dict[str, Any] = {"fun": fun, "jac": jac, "hess": hess, "hessp": hessp}
    if space.shape is not None:
        found = {"fun": on_nest(fun, space), "jac": on_nest(jac, space, back="jac"), "hess": on_nest(hess, space)}
        found["hessp"] = hessp and (lambda x, p, *a: space.flat(hessp(space.nest(x), space.nest(p), *a), "hessp"))
    if jac is None and method not in NOTHING:
        found |= {"fun": of_x(f.value), "jac": of_x(f.gradient)}
    if jac is True:
        found["fun"] = paired(found["fun"], "jac")
        if space.shape is not None:
            found["fun"] = _pair_of(found["fun"], space)
        recipe = recipe_of(fun.f if isinstance(fun, Compiled) else fun)
        if recipe is None or recipe[0] != "value_and_grad" or recipe[2] != 0 or recipe[3].get("has_aux"):
            return found, f
        f = Evaluations(recipe[1], space, as_tuple(given.get("args", ())))
    wanted = NEEDED if callable(jac) else set() if jac is False or isinstance(jac, str) else HESSIAN
    if method in wanted and hess is None and hessp is None:
        if method in PRODUCT and len(space.start) > SMALL:
            found["hessp"] = lambda x, p, *_: f.product(x, p)
        else:
            found["hess"] = of_x(f.hessian, sparse=method in SECOND)
    return found, f


def _pair_of(fun: Callable[..., Any], space: Space) -> Callable[..., Any]:
    """A function that returns a value and a gradient, a nest, with a vector for it."""

    def pair(x: Any, *more: Any) -> tuple[Any, Any]:
        value, slope = fun(x, *more)
        return value, space.flat(slope, "the gradient")

    return renamed(fun, pair)


# ---------------------------------------------------------------------------------------------------------- constraints


class NonlinearConstraint(_optimize.NonlinearConstraint):  # type: ignore[misc]
    """lb ≤ fun(x) ≤ ub: SciPy's constraint with its derivatives filled in.

    Parameters
    ----------
    fun : callable
        Returns a number, an array, or any nest of numbers. In our `minimize` it gets a nest like x0.
    lb, ub : number, array or nest
        As `fun` returns, or one number for all.
    jac, hess : callable, optional
        What is given is used as it is. By default the Jacobian is ours, and then the Hessian of v · fun(x) too.
    *more, **options : SciPy's
        `keep_feasible`, `finite_diff_rel_step`, `finite_diff_jac_sparsity`.

    Examples
    --------
    >>> from autograd_lite.scipy import NonlinearConstraint, minimize
    >>> disc = NonlinearConstraint(lambda x: x[0] ** 2 + x[1] ** 2, -float("inf"), 1.0)
    >>> found = minimize(lambda x: x[0] + x[1], [0.5, 0.5], method="SLSQP", constraints=disc)
    >>> found.x.round(6)
    array([-0.707107, -0.707107])
    """

    def __init__(
        self, fun: Any, lb: Any, ub: Any, jac: Any = None, hess: Any = None, *more: Any, **options: Any
    ) -> None:
        self._given = fun, jac, hess
        lb, ub = (side if is_vector(side) else np.array(unravel(side)[0]) for side in (lb, ub))
        jac, hess = self._derivatives(Evaluations(fun), Space(()), sparse=True)
        super().__init__(as_vector(fun), lb, ub, jac, _optimize.BFGS() if hess is None else hess, *more, **options)
        own = ("keep_feasible", "finite_diff_rel_step", "finite_diff_jac_sparsity")
        self._options = {name: getattr(self, name) for name in own}

    def _derivatives(self, f: Evaluations, space: Space, *, sparse: bool) -> tuple[Any, Any]:
        """`jac` and `hess` for vectors of a space."""
        _, jac, hess = self._given
        if jac is not None:
            return on_nest(jac, space), on_nest(hess, space)
        second = (lambda x, v: f.weighted(x, v, sparse=sparse)) if hess is None else on_nest(hess, space)
        return of_x(f.jacobian, sparse=sparse), second

    def on(self, space: Space, method: str) -> tuple[Any, Evaluations]:
        """Return SciPy's constraint for vectors of a space, and the evaluations that it makes.

        Parameters
        ----------
        space : Space
            What the vectors stand for.
        method : str
            The method of `minimize`, in small letters.

        Returns
        -------
        (NonlinearConstraint, Evaluations)
        """
        fun, jac, hess = self._given
        f = Evaluations(fun, space)
        first, second = self._derivatives(f, space, sparse=method in SECOND)
        if method in NOTHING and jac is None:
            first = "2-point"
        if method not in SECOND | {"_custom", "differential_evolution"}:
            second = hess  # none, unless it is given: SciPy warns of what a method ignores
        ours = jac is None and method not in NOTHING | {"differential_evolution"}
        value = of_x(f.values) if ours else as_vector(on_nest(fun, space))
        options = {**self._options, **({} if second is None else {"hess": second})}
        return _optimize.NonlinearConstraint(value, self.lb, self.ub, first, **options), f


def _constraints(given: Any, space: Space, method: str) -> tuple[list[Any], list[Evaluations]]:
    """Constraints as SciPy is to have them, and the evaluations that they make."""
    if callable(given):
        raise ArgumentError(
            f"constraints={name_of(given)} is a function alone. Write NonlinearConstraint(f, lower, upper), or "
            '{"type": "eq", "fun": f} for f(x) = 0 and "ineq" for f(x) ≥ 0.'
        )
    kinds = Mapping, _optimize.NonlinearConstraint, _optimize.LinearConstraint
    found, others = [], []
    for constraint in [given] if isinstance(given, kinds) else list(given):
        made, f = constraint, None
        if isinstance(constraint, Mapping) and callable(constraint.get("fun")):
            made, f = _of_dict(constraint, space, method)
        elif isinstance(constraint, NonlinearConstraint):
            made, f = constraint.on(space, method)
        elif isinstance(constraint, _optimize.NonlinearConstraint) and (space.shape is not None or method == "ipopt"):
            names = (
                "fun",
                "lb",
                "ub",
                "jac",
                "hess",
                "keep_feasible",
                "finite_diff_rel_step",
                "finite_diff_jac_sparsity",
            )
            made, f = NonlinearConstraint(*(getattr(constraint, name) for name in names)).on(space, method)
        found.append(made)
        others += [f] if f is not None else []
    return found, others


def _of_dict(given: Mapping[str, Any], space: Space, method: str) -> tuple[Any, Evaluations]:
    """A constraint in SciPy's old form: fun(x) = 0 or fun(x) ≥ 0."""
    fun, jac, arguments = given["fun"], given.get("jac"), as_tuple(given.get("args", ()))
    f = Evaluations(fun, space, arguments)
    if method in SECOND and jac is None and given.get("type") in ("eq", "ineq"):
        upper = 0.0 if given["type"] == "eq" else np.inf
        return NonlinearConstraint(renamed(fun, lambda x: fun(x, *arguments)), 0.0, upper).on(space, method)
    if jac is None and method not in NOTHING:
        return {**given, "fun": of_x(f.values), "jac": of_x(f.jacobian, sparse=False)}, f
    if space.shape is None:
        return given, f
    return {**given, "fun": as_vector(on_nest(fun, space)), **({"jac": on_nest(jac, space)} if jac else {})}, f


# ----------------------------------------------------------------------------------------------------- fits and equations


@like(_optimize.least_squares)
def least_squares(fun: Callable[..., Any], x0: Any, **given: Any) -> Any:
    """Fit by least squares: SciPy's `least_squares` with the Jacobian filled in, dense or sparse.

    Parameters
    ----------
    fun : callable
        `fun(x, *args, **kwargs)` returns the residuals: an array, a list, or any nest of numbers.
    x0 : array, number or nest
        As for `minimize`.
    jac : callable or str, optional
        What is given is used as it is: "2-point" leaves SciPy its differences.
    bounds : pair or Bounds
        (low, high), each a number, an array, or a nest like x0 with one number for each array.
    method, loss, x_scale, max_nfev : SciPy's
        These and the others are as SciPy has them.

    Returns
    -------
    OptimizeResult
        SciPy's, with `derivatives`. With a nest `x` and `grad` are nests, and `x_flat` is the vector. `al.covariance` gives
        its standard errors.

    Notes
    -----
    With more than 50 unknowns the residuals are cut into elements (see `al.sparse`), and the Jacobian is sparse if less than
    20 % of its entries are other than 0 and the method takes that: "trf" and "dogbox" without `tr_solver="exact"`.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_lite.scipy import least_squares
    >>> t = np.linspace(0.0, 2.0, 9)
    >>> y = 2.0 * np.exp(-1.5 * t)
    >>> found = least_squares(lambda p: p["a"] * np.exp(-p["k"] * t) - y, {"a": 1.0, "k": 1.0})
    >>> round(found.x["a"], 6), round(found.x["k"], 6)
    (2.0, 1.5)
    """
    space, jac = Space(x0), given.get("jac")
    f = Evaluations(fun, space, as_tuple(given.get("args", ())), given.get("kwargs"))
    given |= {"x0": space.start, "fun": fun if space.shape is None else as_vector(on_nest(fun, space))}
    if jac is None:
        sparse = given.get("method", "trf") != "lm" and given.get("tr_solver") != "exact"
        given |= {"fun": of_x(f.values), "jac": of_x(f.jacobian, sparse=sparse)}
        given.pop("jac_sparsity", None)
    else:
        given["jac"] = on_nest(jac, space)
    for name in given.keys() & {"x_scale", "diff_step"}:
        if not isinstance(given[name], str):
            given[name] = space.spread(given[name], name, np.nan)
    given |= _pair(given.get("bounds"), space)
    if "callback" in given:
        given["callback"] = space.callback(given["callback"])
    return _finished(_optimize.least_squares(**given), Derivatives(f, space=space), space)


@like(_optimize.root)
def root(fun: Callable[..., Any], x0: Any, **given: Any) -> Any:
    """Solve a system of equations: SciPy's `root` with the Jacobian filled in for the methods "hybr" and "lm".

    Parameters
    ----------
    fun : callable
        `fun(x, *args)` returns as many numbers as x has: an array, a list, or any nest.
    x0 : array, number or nest
        As for `minimize`.
    jac : callable or bool, optional
        What is given is used as it is: False leaves SciPy its differences.
    args, method, tol, callback, options : SciPy's
        As SciPy has them. Callbacks get nests.

    Returns
    -------
    OptimizeResult
        SciPy's, with `derivatives`. With a nest `x` is a nest, and `x_flat` the vector.

    Examples
    --------
    >>> import autograd_lite as al
    >>> from autograd_lite.scipy import root
    >>> root(lambda x: [x[0] * al.cos(x[1]) - 4.0, x[1] * x[0] - x[1] - 5.0], [1.0, 1.0]).x.round(8)
    array([6.50409711, 0.90841421])
    """
    space, jac = Space(x0), given.get("jac")
    f = Evaluations(fun, space, as_tuple(given.get("args", ())), without="jac=False")
    given |= {"fun": fun, "x0": space.start}
    if jac is None and str(given.get("method", "hybr")).lower() in ("hybr", "lm"):
        given |= {"fun": of_x(f.values), "jac": of_x(f.jacobian, sparse=False)}
    elif jac is True:
        given["fun"] = paired(on_nest(fun, space), "jac")
    elif space.shape is not None:
        given |= {"fun": as_vector(on_nest(fun, space)), "jac": on_nest(jac, space)}
    if "callback" in given and space.shape is not None and given["callback"] is not None:
        callback = given["callback"]
        given["callback"] = lambda x, residual: callback(space.nest(x), residual)
    return _finished(_optimize.root(**given), Derivatives(f, space=space), space)


@like(_optimize.root_scalar)
def root_scalar(f: Callable[..., Any], **given: Any) -> Any:
    """Solve one equation: SciPy's `root_scalar` with `fprime` and `fprime2` filled in for "newton" and "halley".

    Parameters
    ----------
    f : callable
        `f(x, *args)` of a number returns a number.
    args, method, bracket, x0, x1, xtol, rtol, maxiter, options : SciPy's
        As SciPy has them. With `x0` alone the method is "newton"; methods with a bracket take no derivative.
    fprime, fprime2 : callable or bool, optional
        What is given is used as it is.

    Returns
    -------
    RootResults
        SciPy's, with `derivatives`.

    Examples
    --------
    >>> from autograd_lite.scipy import root_scalar
    >>> found = root_scalar(lambda x: x**3 - 2.0, x0=1.0)
    >>> print(round(found.root, 12), found.method, found.derivatives.uses["gradient"].count)
    1.259921049895 newton 5
    """
    start: Any = given.get("x0")
    method = given.get("method")
    by_slope = str(method).lower() if method else "newton" if given.get("bracket") is given.get("x1") is None else ""
    plain = isinstance(start, (int, float, np.integer, np.floating)) or (
        isinstance(start, np.ndarray) and not start.ndim
    )
    e = Evaluations(f, Space(0.0, number=True), as_tuple(given.get("args", ())), without='method="secant"')
    given["f"] = f
    if given.get("fprime") is True:
        given["f"] = paired(f, "fprime", 3 if given.get("fprime2") is True else 2)
    if plain and by_slope in ("newton", "halley") and given.get("fprime") is None:
        given |= {"x0": float(start), "f": lambda x, *_: e.value(np.full(1, x))}
        given["fprime"] = lambda x, *_: float(e.gradient(np.full(1, x))[0])
    if plain and by_slope == "halley" and given.get("fprime2") is None and given.get("fprime") is not True:
        given["fprime2"] = lambda x, *_: float(e.hessian(np.full(1, x))[0, 0])
    found = _optimize.root_scalar(**given)
    found.derivatives = Derivatives(e)
    return found


@like(_optimize.curve_fit)
def curve_fit(f: Callable[..., Any], xdata: Any, ydata: Any, **given: Any) -> Any:
    """Fit a model to data: SciPy's `curve_fit` with the Jacobian filled in.

    Parameters
    ----------
    f : callable
        `f(x, *parameters)` for all of `xdata` at once, as SciPy calls it, or for one measurement only: plain scalar code
        with branches.
    xdata, ydata, sigma, absolute_sigma, method, full_output : SciPy's
        These and the others are as SciPy has them.
    p0 : sequence, dict or nest, optional
        With a dict the model is called `f(x, **parameters)`, with a list or tuple of arrays `f(x, *parameters)`, with
        another nest `f(x, parameters)`; the fitted parameters come back as such a nest.
    jac : callable or str, optional
        What is given is used as it is: "2-point" leaves SciPy its differences.
    bounds : pair
        (low, high), each a number, an array or a nest like p0.

    Returns
    -------
    popt, pcov, …
        SciPy's. With `full_output=True` and the method "lm" `infodict["derivatives"]` says what was used. `al.covariance`
        takes the result.

    Notes
    -----
    A model that works row by row, as the agreement of its values shows at each evaluation, is traced for one row, and its
    Jacobian comes from lanes: ready in some 30 ms whatever the number of rows. Others are traced as a whole.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_lite.scipy import curve_fit
    >>> t = np.linspace(0.0, 2.0, 9)
    >>> popt, pcov = curve_fit(lambda t, a, k: a * np.exp(-k * t), t, 2.0 * np.exp(-1.5 * t))
    >>> popt.round(6)
    array([2. , 1.5])
    """
    start, sigma = given.get("p0"), given.get("sigma")
    given |= {"f": f, "xdata": xdata, "ydata": ydata}
    if sigma is not None and np.ndim(sigma) == 0:
        given["sigma"] = np.full(np.size(ydata), sigma)  # SciPy scales no Jacobian by one number
    space = None if start is None else Space(start, "p0")
    if isinstance(given.get("jac"), str) and _by_minpack(given):
        given["jac"] = False  # MINPACK's own differences, for which SciPy has no name
    if given.get("jac") is not None and (space is None or space.shape is None):
        return _optimize.curve_fit(**{**given, "jac": given["jac"] or None})
    model = Model(f, space)
    given["f"] = renamed(f, model.value)
    if given.get("jac") is None:
        given["jac"] = model.jacobian
    elif callable(given["jac"]):
        raise ArgumentError("curve_fit takes no jac for a nest of parameters: leave it out, or pass p0 as an array.")
    given["jac"] = given["jac"] or None
    if space is not None:
        given |= {"p0": space.start, **_pair(given.get("bounds"), space)}
    found = _optimize.curve_fit(**given)
    if len(found) > 2 and isinstance(found[2], dict):
        found[2]["derivatives"] = Derivatives(model)
    return found if space is None or space.shape is None else (space.nest(found[0]), *found[1:])


def _by_minpack(given: Mapping[str, Any]) -> bool:
    """Whether `curve_fit` chooses the method "lm"."""
    method, bounds = given.get("method"), given.get("bounds")
    free = isinstance(bounds, tuple) and all(np.ndim(side) == 0 and np.isinf(side) for side in bounds)
    return method == "lm" if method else bounds is None or free


# --------------------------------------------------------------------------------------------------- differential equations


@like(_integrate.solve_ivp)
def solve_ivp(fun: Callable[..., Any], t_span: Any, y0: Any, **given: Any) -> Any:
    """Solve an initial value problem: SciPy's `solve_ivp` with `jac` filled in for "Radau", "BDF" and "LSODA".

    Parameters
    ----------
    fun : callable
        `fun(t, y, *args)` returns the rates, an array or a list. It runs on floats; only its Jacobian comes from a trace.
        If y0 is a dict or another nest, y and the rates are such nests, as are those that events get.
    t_span, y0, method, t_eval, events, args : SciPy's
        These and the others are as SciPy has them.
    jac : callable, matrix or False, optional
        What is given is used as it is; False leaves SciPy its differences.

    Returns
    -------
    OdeResult
        SciPy's, with `derivatives`. If y0 is a nest, `y` is one too, with times along the last axis of its arrays, and
        `y_flat` is SciPy's matrix.

    Notes
    -----
    With more than 50 unknowns and less than 20 % of entries the Jacobian is sparse for Radau and BDF.

    Examples
    --------
    >>> from autograd_lite.scipy import solve_ivp
    >>> def van_der_pol(t, y):
    ...     return [y[1], 1000.0 * (1.0 - y[0] ** 2) * y[1] - y[0]]
    >>> found = solve_ivp(van_der_pol, (0.0, 1000.0), [2.0, 0.0], method="Radau")
    >>> found.success, found.derivatives.uses["jacobian"].count == found.njev
    (True, True)
    """
    method, arguments = given.get("method", "RK45"), given.get("args") or ()
    space = None if is_vector(y0) else Space(y0, "y0")
    if space is not None:
        fun, y0 = _rates_of_nest(fun, space), space.start
        given |= {name: _of_state(given[name], space) for name in ("events", "jac") if given.get(name) is not None}
    name, start = getattr(method, "__name__", method), np.asarray(y0)
    given |= {"fun": fun, "t_span": t_span, "y0": y0}
    f = Evaluations(_by_state(fun), None, arguments, without="jac=False")
    if given.get("jac") is False:
        del given["jac"]
    elif (
        name in ("Radau", "BDF", "LSODA")
        and given.get("jac") is None
        and start.ndim == 1
        and start.dtype.kind in "biuf"
    ):
        if len(start) > SMALL and name != "LSODA":
            # By elements t is an unknown beside y, whose column is left out.
            f = Evaluations(renamed(fun, lambda z: fun(z[0], z[1:], *arguments)), without=f.without)
            given["jac"] = lambda t, y, *_: f.jacobian(np.concatenate([[t], y]), leaving=1)
        else:
            given["jac"] = lambda t, y, *_: f.jacobian(y, float(t), sparse=False)
    try:
        found = _integrate.solve_ivp(**given)
    except OperandError:
        if start.dtype != object and _holds_variables(fun(float(t_span[0]), start, *arguments)):
            raise LostError(name_of(fun)) from None
        raise
    if space is not None:
        found.y_flat, found.y = found.y, space.columns(found.y)
    found.derivatives = Derivatives(f)
    return found


def _holds_variables(rates: Any) -> bool:
    """Whether rates that were computed from floats hold Variables."""
    return any(type(n) is Variable for n in np.ravel(np.asarray(rates, dtype=object)).tolist())


def _rates_of_nest(fun: Callable[..., Any], space: Space) -> Callable[..., Any]:
    """Rates of a state that is a nest, as a function of vectors."""

    def rates(t: Any, y: Any, *more: Any) -> Any:
        numbers, shape = unravel(fun(t, space.nest(y), *more), f"the output of {name_of(fun)}")
        if len(numbers) != len(space.start):
            raise ArgumentError(f"{name_of(fun)} returned {shape.outline()}. Return a rate for each number of y0.")
        return as_array(numbers, (len(numbers),))

    return renamed(fun, rates)


def _of_state(given: Any, space: Space) -> Any:
    """Events and a Jacobian of nests, as functions of vectors that keep `terminal` and `direction`."""
    if isinstance(given, (list, tuple)):
        return [_of_state(event, space) for event in given]
    if not callable(given):
        return given
    return functools.wraps(given)(lambda t, y, *more: given(t, space.nest(y), *more))


def _by_state(fun: Callable[..., Any]) -> Callable[..., Any]:
    """Rates as a function of the state first; the same one for a function that is compiled."""
    swapped = renamed(fun, lambda y, t, *more: fun(t, y, *more))
    return vars(fun).setdefault("_by_state", jit(swapped)) if isinstance(fun, Compiled) else swapped


@like(_optimize.differential_evolution)
def differential_evolution(func: Callable[..., Any], bounds: Any, **given: Any) -> Any:
    """Find a global minimum: SciPy's `differential_evolution`, whose last polishing uses our derivatives.

    Parameters
    ----------
    func : callable
        As for `minimize`; the population runs on floats.
    bounds : sequence, Bounds or nest
        SciPy's; or a dict or other nest with a pair (low, high) for each number: `func` gets such nests then.
    constraints : constraint or list of them
        As for `minimize`.
    polish : bool or callable, default True
        With True L-BFGS-B gets our gradient, or trust-constr our gradient and Hessian where
        there are constraints. (SciPy before 1.17 polishes by differences.) The other arguments are as SciPy has them.

    Returns
    -------
    OptimizeResult
        SciPy's, with `derivatives`; `x` is a nest if the bounds are one.

    Examples
    --------
    >>> from autograd_lite.scipy import differential_evolution
    >>> def egg(p):
    ...     return (p["a"] ** 2 - 2.0) ** 2 + 0.1 * p["a"] + (p["b"] - p["a"]) ** 2
    >>> found = differential_evolution(egg, {"a": (-3.0, 3.0), "b": (-3.0, 3.0)}, rng=1)
    >>> round(found.x["a"], 4), found.derivatives.uses["gradient"].count > 0
    (-1.4204, True)
    """
    start = given.get("x0")
    nested = isinstance(bounds, Mapping) or hasattr(bounds, "__dataclass_fields__")
    if start is None and nested:
        start = optree.tree_map(
            lambda pair: pair[0], bounds, is_leaf=lambda n: type(n) in (tuple, list), namespace=NAMESPACE
        )
    space = Space([] if start is None else start)
    single = renamed(func, lambda x, *a: func(x[:, None], *a)) if given.get("vectorized") else func
    f = Evaluations(single, space, as_tuple(given.get("args", ())))
    constraints, others = _constraints(given.get("constraints", ()), space, "differential_evolution")
    given |= {"func": on_nest(func, space), "bounds": _bounds(bounds, space), "constraints": constraints}
    if given.get("x0") is not None:
        given["x0"] = space.start
    if given.get("callback") is not None:
        given["callback"] = space.callback(given["callback"])
    method = "trust-constr" if constraints else "L-BFGS-B"

    def polished(_: Any, x: Any, **options: Any) -> Any:
        second = {"hess": lambda x: f.hessian(x, sparse=True)} if constraints else {}
        return _optimize.minimize(f.value, x, jac=f.gradient, method=method, **second, **options)

    if given.get("polish", True) is True and "{bool, callable}" in (_optimize.differential_evolution.__doc__ or ""):
        given["polish"] = polished
    return _finished(_optimize.differential_evolution(**given), Derivatives(f, others, space), space)


def _of_minimize(func: Callable[..., Any], x0: Any, given: Any) -> tuple[dict[str, Any], Callable[[], Derivatives]]:
    """What `minimize` gets from a search around it, with what is missing filled in."""
    space = Space(x0)
    if space.shape is not None:
        raise ArgumentError(
            f"x0={x0!r:.60} is a nest: searches around minimize take a vector. Use differential_evolution."
        )
    found = {"fun": func, **(given or {})}
    method = _method(found)
    found["constraints"], others = _constraints(found.get("constraints", ()), space, method)
    filled, f = _filled(found, Evaluations(func, space, as_tuple(found.get("args", ()))), space, method)
    found |= {name: part for name, part in filled.items() if part is not None}
    return found, lambda: Derivatives(f, others, space)


@like(_optimize.basinhopping)
def basinhopping(func: Callable[..., Any], x0: Any, **given: Any) -> Any:
    """Hop from minimum to minimum: SciPy's `basinhopping`, whose descents use our derivatives.

    Parameters
    ----------
    func : callable
        As for `minimize`, of a vector.
    x0 : array or number
        The starting point.
    minimizer_kwargs : dict, optional
        What `minimize` is to get. What is given there is used as it is; `{"jac": "2-point"}` leaves SciPy its differences.
    niter, T, stepsize, take_step, accept_test, callback, rng : SciPy's
        These and the others are as SciPy has them.

    Returns
    -------
    OptimizeResult
        SciPy's, with `derivatives`.

    Examples
    --------
    >>> import autograd_lite as al
    >>> from autograd_lite.scipy import basinhopping
    >>> found = basinhopping(lambda x: al.cos(14.5 * x[0] - 0.3) + (x[0] + 0.2) * x[0], 1.0, rng=1)
    >>> print(round(found.x[0], 4), sorted(found.derivatives.uses))
    -0.1951 ['gradient']
    """
    passed, derivatives = _of_minimize(func, x0, given.get("minimizer_kwargs"))
    given |= {"func": passed.pop("fun"), "x0": x0, "minimizer_kwargs": passed}
    result = _optimize.basinhopping(**given)
    result.derivatives = derivatives()
    return result


# -------------------------------------------------------------------------------------------- for those who call SciPy


def arguments(f: Callable[..., Any], solver: str, x0: Any = None) -> dict[str, Any]:
    """Return what a solver of SciPy takes for a function: itself and its derivatives, compiled.

    Parameters
    ----------
    f : callable
        The function; further arguments (`args=` of the solver) are passed on as data.
    solver : str
        "minimize" (value and gradient) or a method of `minimize`, with what it takes; "least_squares", "root",
        "root_scalar", "curve_fit", "solve_ivp", "NonlinearConstraint".
    x0 : nest, optional
        The starting point, if it is a nest: the functions then take vectors, and the vector of x0 is among the arguments.

    Returns
    -------
    dict
        Keywords for SciPy's function.

    Raises
    ------
    ArgumentError
        If the solver is none of these.

    Examples
    --------
    >>> import scipy.optimize
    >>> from autograd_lite.scipy import arguments
    >>> given = arguments(lambda x: [x[0] ** 2 - x[1], x[1] - 4.0], "least_squares")
    >>> sorted(given)
    ['fun', 'jac']
    >>> scipy.optimize.least_squares(x0=[1.0, 1.0], **given).x.round(6)
    array([2., 4.])
    """
    name = solver if isinstance(solver, str) else getattr(solver, "__name__", repr(solver))
    space = Space([] if x0 is None else x0)
    found: dict[str, Any] = {"x0": space.start} if x0 is not None else {}
    if name == "curve_fit":
        model = Model(f, None)
        return {"f": renamed(f, model.value), "jac": model.jacobian}
    if name == "solve_ivp":
        by_state = Evaluations(_by_state(f))
        return {"fun": f, "jac": lambda t, y, *more: by_state.jacobian(y, float(t), *more, sparse=False)}
    if name == "root_scalar":
        e = Evaluations(f, Space(0.0, number=True))
        return {
            "f": lambda x, *more: e.value(np.full(1, x), *more),
            "fprime": lambda x, *more: float(e.gradient(np.full(1, x), *more)[0]),
            "fprime2": lambda x, *more: float(e.hessian(np.full(1, x), *more)[0, 0]),
        }
    e = Evaluations(f, space)
    if name in ("least_squares", "root"):
        return {"fun": e.values, "jac": functools.partial(e.jacobian, sparse=name == "least_squares"), **found}
    if name == "NonlinearConstraint":
        return {"fun": e.values, "jac": e.jacobian, "hess": e.weighted}
    method = name.lower()
    found |= {"fun": e.value, "jac": e.gradient, **({"method": name} if method != "minimize" else {})}
    if method in PRODUCT and len(space.start) > SMALL:
        return {**found, "hessp": e.product}
    if method in HESSIAN - {"_custom"}:
        return {**found, "hess": functools.partial(e.hessian, sparse=method in SECOND)}
    if method in {"minimize", "bfgs", "cg", "l-bfgs-b", "tnc", "slsqp"}:
        return found
    raise ArgumentError(
        f'{name!r} is no solver that takes derivatives. Give "minimize" or one of its methods, "least_squares", "root", '
        '"root_scalar", "curve_fit", "solve_ivp" or "NonlinearConstraint".'
    )


def _elsewhere(name: str) -> Any:
    """A name of SciPy's: an older function with derivatives filled in, or what has none to fill in."""
    if name in older.FUNCTIONS:
        return older.FUNCTIONS[name]
    for module in (_optimize, _integrate):
        if name in module.__all__:
            return getattr(module, name)
    raise AttributeError(name)


def __dir__() -> list[str]:
    return sorted(__all__)


#: `from autograd_lite.scipy import optimize` and `import autograd_lite.scipy.optimize` give the same functions.
optimize = integrate = sys.modules[__name__]
sys.modules[f"{__name__}.optimize"] = sys.modules[f"{__name__}.integrate"] = optimize

__getattr__ = hints.of_module(__name__, "al.scipy", lazily=_elsewhere)
