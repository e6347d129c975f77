"""Densities and distribution functions in scalar code, with SciPy's names and parameters, exact at every order.

>>> from autograd_lite import grad, stats
>>> stats.norm.logpdf(1.0, loc=0.0, scale=2.0)
-1.737085713764618
>>> grad(stats.norm.logcdf)(-40.0)  # where cdf is 0
40.02496884720726

Each distribution is a row of the table below: formulas for the standard form, to which location and scale are added. In a
density, derivatives by all parameters are right, also where Γ functions of large numbers would cancel. Outside the support a
density is 0 and its derivatives are 0; a parameter outside its domain gives nan. Everything compiles in one path.
"""

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_lite import hints
from autograd_lite.arrays import LazyArray, as_variable_array, holds_variables, is_variable
from autograd_lite.conversion import as_operand
from autograd_lite.errors import ArgumentError
from autograd_lite.functions import object_array, unboxed
from autograd_lite.maths import tails
from autograd_lite.maths.linalg import SMALL_FACTOR, _quiet_factor
from autograd_lite.maths.matrices import block, solved
from autograd_lite.primitives import (
    Primitive, abs, atan2, beta_density, beta_quantile, betaln, binom_quantile, ceil, cosh, div, erf, erfinv, exp, expm1,  # noqa: A004
    floor, gamma_density, gamma_quantile, gammainc, gammaincc, hold, hypot, inv, kl_div, less, log, log1mexp, log1p,
    log_beta_density, log_gamma_density, log_ndtr, log_t_density, logit, lower_beta, nbinom_quantile, ndtr, ndtri,
    normal_density, poisson_quantile, pow, sigmoid, softplus, sqrt, square, stirling_error, t_cdf, t_quantile, tan,  # noqa: A004
    upper_beta, upper_beta_quantile, upper_gamma_quantile, where, xlog1py, xlogy,
)  # fmt: skip
from autograd_lite.primitives import gamma as gamma_function
from autograd_lite.refusals import refusal

Formula = Callable[..., Any]
_LOG_ROOT = 0.5 * math.log(2.0 * math.pi)

# ------------------------------------------------------------------------------------------------ domains of parameters


def _positive(p: Any) -> Any:
    return where(less(0.0, p), p, math.nan * p)


def _probability(p: Any) -> Any:
    return where((1.0 - less(p, 0.0)) * (1.0 - less(1.0, p)), p, math.nan * p)


def _not_negative(p: Any) -> Any:
    return where(1.0 - less(p, 0.0), p, math.nan * p)


def _count(n: Any) -> Any:
    """A whole number, which has no derivative."""
    return where((1.0 - less(n, 0.0)) * (1.0 - less(floor(n), n)), hold(n), math.nan * n)


# ------------------------------------------------------------------------------------------------------------- the class


def _scalar(thing: Any) -> bool:
    return (
        is_variable(thing)
        or isinstance(thing, (float, int, np.generic))
        or (isinstance(thing, np.ndarray) and not thing.ndim)
    )


def _each(function: Formula, *numbers: Any) -> Any:
    """A function of numbers on each element of what is given, broadcast."""
    if all(map(_scalar, numbers)):
        return function(*[n if is_variable(n) else as_operand(n) for n in numbers])
    found = Primitive._lifted(function, *numbers)  # noqa: SLF001 - one instruction for a long array of a trace
    if found is not NotImplemented:
        return found
    boxes = [np.asarray(n.numbers() if isinstance(n, LazyArray) else object_array(n)) for n in numbers]
    with np.errstate(all="ignore"):  # infinities and NaNs are values here, not warnings
        result = unboxed(np.frompyfunc(function, len(boxes), 1)(*boxes))
    return as_variable_array(result) if holds_variables(result) else result


#: Below it, a probability has lost digits or is 0, and its logarithm is that of its tail.
_DEEP = 1e-290


def _logarithm(probability: Formula, other: Formula, tail: Formula | None, y: Any, *shapes: Any) -> Any:
    """The logarithm of a probability, from the probability of the other side where that is less, or from its tail."""
    p = probability(y, *shapes)
    size = hold(p)  # by which p is divided, so that 1/p² of a second derivative does not overflow
    small = where(size, log(div(p, where(size, size, 1.0))) + log(size), log(p))
    found = where(less(0.5, p), log1p(-other(y, *shapes)), small)
    if tail is None or (isinstance(p, float) and not p < _DEEP):  # plain numbers need no other branch
        return found
    return where(less(p, _DEEP), tail(y, *shapes), found)


def _unknown(distribution: Any, name: str) -> Exception:
    """The error to raise where a distribution lacks an attribute."""
    full = f"al.stats.{distribution.name}"
    return hints.unknown("a distribution", name, dir(distribution), f"{full}.", shown=full)


class Distribution:
    """A distribution of SciPy's name and parameters; calling it binds the parameters.

    Parameters
    ----------
    name : str
        As in `scipy.stats`.
    shapes : dict from str to callable
        The parameters before `loc` and `scale`, and what maps a number outside the domain of each to nan.
    support : tuple of (number or callable)
        Its ends, numbers or functions of the shapes.
    discrete : bool, default False
        Whether it has probabilities of whole numbers, and no scale.
    symmetric : bool, default False
        Whether x and -x are alike.
    far : tuple of (callable or None), optional
        `logcdf` and `logsf` where `cdf` and `sf` are too small for a number.
    change : tuple of (callable, callable), optional
        Where, by the standard form y and the shapes, a density takes its derivatives by x, `loc` and `scale` from the other:
        log f(y·r) - log f(y) as a function of y, of r, which is 1, and of the shapes.
    ends : tuple of (callable, callable), optional
        What is 0 at ends of the support or of a parameter, where slopes of the logarithm are infinite; and the density there.
    **formulas : callable
        `logpdf`, `cdf`, `ppf` and others as functions of a number of the standard form and the shapes.

    Examples
    --------
    >>> norm(loc=1.0, scale=2.0).cdf(1.0), gamma.logpdf(2.0, 3.0), poisson.pmf(0, 2.0)
    (0.5, -1.3068528194400546, 0.1353352832366127)
    """

    def __init__(
        self, name: str, shapes: dict[str, Formula], support: tuple[Any, Any] = (-math.inf, math.inf), *,
        discrete: bool = False, symmetric: bool = False,
        far: tuple[Formula | None, Formula | None] = (None, None), change: tuple[Formula, Formula] | None = None,
        ends: tuple[Formula, Formula] | None = None, **formulas: Formula,
    ) -> None:  # fmt: skip
        self.name, self.shapes, self.support, self.change = name, shapes, support, change
        self.discrete, self.symmetric = discrete, symmetric
        self.formulas = self._completed(formulas, far, ends)
        self.parameters = (*shapes, "loc") if discrete else (*shapes, "loc", "scale")

    def _completed(
        self,
        formulas: dict[str, Formula],
        far: tuple[Formula | None, Formula | None],
        ends: tuple[Formula, Formula] | None,
    ) -> dict[str, Formula]:
        """With those that follow from others.

        A density is that of its logarithm; where `ends[0]` is 0, at an end of the support or of a parameter, it is `ends[1]`,
        since slopes of the logarithm are infinite there.
        """
        log_density, density = ("logpmf", "pmf") if self.discrete else ("logpdf", "pdf")
        found = dict(formulas)
        if self.symmetric:
            for one, other in (("sf", "cdf"), ("logsf", "logcdf")):
                if other in formulas:
                    found[one] = lambda y, *s, other=other: formulas[other](-y, *s)
            if "ppf" in formulas:
                found["isf"] = lambda q, *s: -formulas["ppf"](q, *s)

        def of_logarithm(y: Any, *s: Any) -> Any:
            """Where it underflows its slopes are 0, whatever those of its logarithm are."""
            logarithm = found[log_density](y, *s)
            return where(less(-800.0, logarithm), exp(logarithm), 0.0)

        if ends is not None:
            inside, at_end = ends
            found[density] = lambda y, *s: where(inside(y, *s), of_logarithm(y, *s), at_end(y, *s))
        found.setdefault(density, of_logarithm)
        for logarithm, plain, other, tail in (("logcdf", "cdf", "sf", far[0]), ("logsf", "sf", "cdf", far[1])):
            found.setdefault(logarithm, functools.partial(_logarithm, found[plain], found[other], tail))
        return found

    def __call__(self, *parameters: Any, **named: Any) -> "Frozen":
        """The distribution with these parameters."""
        return Frozen(self, self._bound(parameters, named, "()"))

    def __reduce__(self) -> str:
        return self.name  # of the module: copies are the object itself

    def __repr__(self) -> str:
        return f"al.stats.{self.name}({', '.join(self.parameters)})"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise _unknown(self, name)

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if name not in _METHODS or name in self.formulas]

    def _bound(self, parameters: tuple[Any, ...], named: dict[str, Any], method: str) -> tuple[Any, ...]:
        given = dict(zip(self.parameters, parameters, strict=False))
        wrong = [key for key in named if key not in self.parameters or key in given]
        missing = [key for key in self.shapes if key not in given and key not in named]
        if wrong or missing or len(parameters) > len(self.parameters):
            what = (
                f"misses {missing[0]}"
                if missing
                else f"got {wrong[0]!r}"
                if wrong
                else f"got {len(parameters)} parameters"
            )
            raise ArgumentError(
                f"al.stats.{self.name}{method} {what}. Its parameters are {', '.join(self.parameters)}."
            )
        return tuple([(given | named).get(key, 1.0 if key == "scale" else 0.0) for key in self.parameters])

    def _at(self, method: str, x: Any, parameters: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if method not in self.formulas:
            raise refusal(self.lacks(method))
        bound = self._bound(parameters, named, f".{method}")
        return _each(self._function(method), x, *bound)

    @property
    def methods(self) -> list[str]:
        """The names of the methods that it has."""
        return sorted(self.formulas)

    def lacks(self, method: str) -> str:
        """What to write instead of a method that it lacks.

        Parameters
        ----------
        method : str
            The name of the method in SciPy.

        Returns
        -------
        str
            A sentence or two.
        """
        full = f"al.stats.{self.name}"
        if method not in _METHODS and (remedy := hints.hint("a distribution", method)):
            return remedy.strip()
        if method.endswith(("pdf", "pmf")):
            kind, other = ("discrete", "pmf") if self.discrete else ("continuous", "pdf")
            return f"{full} is {kind}: write {full}.{'log' if 'log' in method else ''}{other}."
        return f"{full}.{method} has no formula here. It has {', '.join(self.methods)}."

    def _function(self, method: str) -> Formula:
        """A method as a function of one number and of all parameters."""
        formula, domains = self.formulas[method], tuple(self.shapes.values())

        def discrete(x: Any, *parameters: Any) -> Any:
            *given, loc = parameters
            shapes = [domain(p) for domain, p in zip(domains, given, strict=True)]
            if method in ("ppf", "isf"):
                q = _probability(x)
                found = hold(formula(q, *shapes))
                for p in (q, *shapes):
                    found = where(less(p, p), p, found)  # nan
                return loc + found
            y = x - loc
            whole = hold(floor(y))  # steps: no derivative by x and loc
            there = 1.0 - less(whole, y) if method in ("pmf", "logpmf") else 1.0
            found = self._inside(whole, shapes, formula(whole, *shapes), _ENDS[method], there)
            return where(less(y, y), math.nan * y, found)

        def continuous(x: Any, *parameters: Any) -> Any:
            *given, loc, scale = parameters
            shapes = [domain(p) for domain, p in zip(domains, given, strict=True)]
            scale = _positive(scale)
            if method in ("ppf", "isf"):
                return loc + scale * formula(_probability(x), *shapes)
            y = div(x - loc, scale)
            if method in ("pdf", "logpdf"):
                found = self._scaled(method, x - loc, scale, shapes)
                found = found - log(scale) if method == "logpdf" else div(found, scale)
            else:
                found = formula(y, *shapes)
            return self._inside(y, [*shapes, scale], found, _ENDS[method])

        return discrete if self.discrete else continuous

    def _scaled(self, method: str, distance: Any, scale: Any, shapes: list[Any]) -> Any:
        """A density of y = (x - loc)/scale, whose derivatives by x, location and scale are those of a function of log y.

        By the quotient itself a second derivative may be 1/y² times y², which is nan where one overflows.
        """
        y = div(distance, scale)
        if self.change is None:
            return self.formulas[method](y, *shapes)
        there, change = self.change
        plain = hold(y)
        inside = where(plain, less(abs(plain), math.inf) * there(plain, *shapes), 0.0)
        d, s = (where(inside, n, 1.0) for n in (distance, scale))
        ratio = div(div(d, hold(d)), div(s, hold(s)))  # 1
        moved = where(inside, change(where(inside, plain, 0.5), ratio, *shapes), 0.0)  # 0
        found = self.formulas[method](where(inside, plain, y), *shapes)
        return found + moved if method == "logpdf" else found * exp(moved)

    def _inside(self, y: Any, shapes: list[Any], found: Any, ends: tuple[float, float], there: Any = 1.0) -> Any:
        """`found` inside the support, other numbers outside; nan where a parameter is."""
        low, high = (end(*shapes) if callable(end) else end for end in self.support)
        spoilt = 0.0
        for p in shapes:
            spoilt = where(less(p, p), p, spoilt)  # nan, if a parameter is, which comparisons take for true
        below, above = (where(spoilt, spoilt, end) for end in ends)
        found = where(there, where(1.0 - less(high, y), found, above), below)
        return where(1.0 - less(y, low), found, below)


#: What stands below and above the support.
_ENDS = {
    "pdf": (0.0, 0.0), "pmf": (0.0, 0.0), "cdf": (0.0, 1.0), "sf": (1.0, 0.0),
    "logpdf": (-math.inf, -math.inf), "logpmf": (-math.inf, -math.inf), "logcdf": (-math.inf, 0.0), "logsf": (0.0, -math.inf),
}  # fmt: skip
_METHODS = {
    "pdf": "The density at x.",
    "logpdf": "The logarithm of the density at x.",
    "pmf": "The probability of the whole number x.",
    "logpmf": "The logarithm of the probability of the whole number x.",
    "cdf": "The probability of numbers up to x.",
    "logcdf": "The logarithm of the probability of numbers up to x.",
    "sf": "The probability of numbers above x.",
    "logsf": "The logarithm of the probability of numbers above x.",
    "ppf": "The number x whose `cdf` is the first argument.",
    "isf": "The number x whose `sf` is the first argument.",
}


def _method(name: str, summary: str) -> Any:
    def method(self: Distribution, x: Any = None, *parameters: Any, **named: Any) -> Any:
        first = "q" if name in ("ppf", "isf") else "k" if self.discrete else "x"
        if x is None and first in named:
            x = named.pop(first)
        if x is None:
            raise ArgumentError(f"al.stats.{self.name}.{name} misses {first}, the number or array at which to take it.")
        return self._at(name, x, parameters, named)

    method.__name__, method.__qualname__ = name, f"Distribution.{name}"
    method.__doc__ = f"""{summary}

        Parameters
        ----------
        x : float, Variable or array
            One number or many, broadcast against the parameters. By name it is `k` of a discrete distribution, and `q`
            of `ppf` and `isf`, as in SciPy.
        *parameters, **named : float, Variable or array
            By position or by name, as in SciPy.

        Returns
        -------
        float, Variable or array
            Differentiable by every argument; what counts (`k`, `n` of `binom`, quantiles of discrete distributions) is held.

        Raises
        ------
        OperandError
            If the distribution has no such formula.
        ArgumentError
            If a parameter is missing or unknown.
        """
    return method


for _name, _summary in _METHODS.items():
    setattr(Distribution, _name, _method(_name, _summary))


class Frozen:
    """A distribution with its parameters: what `al.stats.norm(loc, scale)` returns. It has the same methods, of x alone.

    Parameters
    ----------
    distribution : Distribution
        The family.
    parameters : tuple
        All of its parameters.

    Examples
    --------
    >>> norm(1.0, 2.0).logpdf([1.0, 3.0]).tolist()
    [-1.612085713764618, -2.112085713764618]
    """

    def __init__(self, distribution: Any, parameters: tuple[Any, ...]) -> None:
        self.distribution, self.parameters = distribution, parameters

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        method = getattr(self.distribution, name)
        return lambda x=None, **named: method(x, *self.parameters, **named)

    def __dir__(self) -> list[str]:
        return [*_METHODS, "distribution", "parameters"]

    def __repr__(self) -> str:
        return f"al.stats.{self.distribution.name}{self.parameters}"


# ------------------------------------------------------------------------------------------------------------ continuous

_HALF_LINE = (0.0, math.inf)
LN2 = math.log(2.0)


def _log_cauchy(y: Any) -> Any:
    """The logarithm of the distribution function: in the tail log(1/-y) + log(-y·atan(1/-y)), of which nothing underflows."""
    x = where(less(y, -1.0), -y, 1.0)
    small = where(less(x, 1e100), log(x * atan2(1.0, x)), 0.0) - log(x) - math.log(math.pi)
    return where(
        less(y, -1.0), small, where(less(y, 0.0), log(atan2(1.0, -y) / math.pi), log1p(-atan2(1.0, y) / math.pi))
    )


def _log_logistic_density(y: Any) -> Any:
    """In the middle by cosh, whose slope is exact where those of two softplus would cancel."""
    middle = where(less(abs(y), 1.0), y, 0.0)
    return where(less(abs(y), 1.0), -2.0 * (log(cosh(0.5 * middle)) + LN2), -softplus(y) - softplus(-y))


def _log_weibull(y: Any, c: Any) -> Any:
    """log(1 - e⁻ᵗ) with t = yᶜ, of which log t is left where t underflows."""
    t = pow(y, c)
    return where(less(t, 1e-5), c * log(y) - 0.5 * t + t * t / 24.0, where(less(t, 800.0), log1mexp(t), 0.0))


norm = Distribution(
    "norm", {}, symmetric=True, logpdf=lambda y: -0.5 * y * y - _LOG_ROOT, pdf=normal_density, cdf=ndtr, logcdf=log_ndtr,
    ppf=ndtri,
)  # fmt: skip
t = Distribution(
    "t", {"df": _positive}, symmetric=True, logpdf=log_t_density, cdf=t_cdf, ppf=t_quantile,
    far=(tails.log_t_tail, lambda y, v: tails.log_t_tail(-y, v)),
    change=(lambda y, v: less(1e50 * sqrt(v), abs(y)), lambda _, r, v: -(v + 1.0) * log(r)),
)  # fmt: skip
gamma = Distribution(
    "gamma", {"a": _positive}, _HALF_LINE, logpdf=log_gamma_density, pdf=gamma_density, cdf=lambda y, a: gammainc(a, y),
    sf=lambda y, a: gammaincc(a, y), far=(tails.log_lower_gamma, tails.log_upper_gamma),
    ppf=lambda q, a: gamma_quantile(a, q), isf=lambda q, a: upper_gamma_quantile(a, q),
    change=(lambda *_: 1.0, lambda y, r, a: (a - 1.0) * log(r) - y * (r - 1.0)),
)  # fmt: skip
chi2 = Distribution(
    "chi2", {"df": _positive}, _HALF_LINE, logpdf=lambda y, v: log_gamma_density(0.5 * y, 0.5 * v) - LN2,
    pdf=lambda y, v: 0.5 * gamma_density(0.5 * y, 0.5 * v), cdf=lambda y, v: gammainc(0.5 * v, 0.5 * y),
    sf=lambda y, v: gammaincc(0.5 * v, 0.5 * y), ppf=lambda q, v: 2.0 * gamma_quantile(0.5 * v, q),
    isf=lambda q, v: 2.0 * upper_gamma_quantile(0.5 * v, q),
    change=(lambda *_: 1.0, lambda y, r, v: (0.5 * v - 1.0) * log(r) - 0.5 * y * (r - 1.0)),
    far=(lambda y, v: tails.log_lower_gamma(0.5 * y, 0.5 * v), lambda y, v: tails.log_upper_gamma(0.5 * y, 0.5 * v)),
)  # fmt: skip
beta = Distribution(
    "beta", {"a": _positive, "b": _positive}, (0.0, 1.0), logpdf=log_beta_density, pdf=beta_density,
    cdf=lambda y, a, b: lower_beta(a, b, y), sf=lambda y, a, b: upper_beta(a, b, y),
    ppf=lambda q, a, b: beta_quantile(a, b, q), isf=lambda q, a, b: upper_beta_quantile(a, b, q),
    far=(tails.log_lower_beta, tails.log_upper_beta),
    change=(
        lambda y, *_: less(y, 1.0),
        lambda y, r, a, b: (a - 1.0) * log(r) + (b - 1.0) * log1p(div(y, 1.0 - y) * (1.0 - r)),
    ),
)  # fmt: skip
uniform = Distribution(
    "uniform", {}, (0.0, 1.0), logpdf=lambda y: 0.0 * y, cdf=lambda y: +y, sf=lambda y: 1.0 - y, ppf=lambda q: +q,
    isf=lambda q: 1.0 - q,
)  # fmt: skip
expon = Distribution(
    "expon", {}, _HALF_LINE, logpdf=lambda y: -y, cdf=lambda y: -expm1(-y), sf=lambda y: exp(-y), logcdf=log1mexp,
    logsf=lambda y: -y, ppf=lambda q: -log1p(-q), isf=lambda q: -log(q),
)  # fmt: skip
laplace = Distribution(
    "laplace", {}, symmetric=True, logpdf=lambda y: -abs(y) - LN2,
    cdf=lambda y: where(less(y, 0.0), 0.5 * exp(y), 1.0 - 0.5 * exp(-y)),
    logcdf=lambda y: where(less(y, 0.0), y - LN2, log1p(-0.5 * exp(-y))),
    ppf=lambda q: where(less(q, 0.5), log(2.0 * q), -log(2.0 * (1.0 - q))),
)  # fmt: skip
logistic = Distribution(
    "logistic", {}, symmetric=True, logpdf=_log_logistic_density, cdf=sigmoid,
    logcdf=lambda y: -softplus(-y), ppf=logit,
)  # fmt: skip
cauchy = Distribution(
    "cauchy", {}, symmetric=True, logpdf=lambda y: -math.log(math.pi) - 2.0 * log(hypot(1.0, y)),
    change=(lambda y: less(1e50, abs(y)), lambda _, r: -2.0 * log(r)),
    cdf=lambda y: atan2(1.0, -y) / math.pi, logcdf=_log_cauchy,
    ppf=lambda q: where(less(q, 0.5), -inv(tan(math.pi * q)), inv(tan(math.pi * (1.0 - q)))),
)  # fmt: skip
lognorm = Distribution(
    "lognorm", {"s": _positive}, _HALF_LINE,
    change=(
        lambda *_: 1.0, lambda y, r, s: -log(r) - div(log(r), s) * div(log(y) + 0.5 * log(r), s),
    ),
    logpdf=lambda y, s: where(y, -0.5 * square(div(log(y), s)) - log(y) - log(s) - _LOG_ROOT, -math.inf),
    cdf=lambda y, s: where(y, ndtr(div(log(y), s)), 0.0), sf=lambda y, s: where(y, ndtr(-div(log(y), s)), 1.0),
    logcdf=lambda y, s: where(y, log_ndtr(div(log(y), s)), -math.inf),
    logsf=lambda y, s: where(y, log_ndtr(-div(log(y), s)), 0.0), ppf=lambda q, s: exp(s * ndtri(q)),
    isf=lambda q, s: exp(-s * ndtri(q)),
)  # fmt: skip
weibull_min = Distribution(
    "weibull_min", {"c": _positive}, _HALF_LINE, logpdf=lambda y, c: log(c) + xlogy(c - 1.0, y) - pow(y, c),
    cdf=lambda y, c: where(less(pow(y, c), 800.0), -expm1(-pow(y, c)), 1.0),
    sf=lambda y, c: where(less(pow(y, c), 800.0), exp(-pow(y, c)), 0.0),
    change=(
        lambda y, c: less(pow(y, c), math.inf), lambda y, r, c: (c - 1.0) * log(r) - pow(y, c) * (pow(r, c) - 1.0),
    ), logcdf=_log_weibull, logsf=lambda y, c: -pow(y, c), ppf=lambda q, c: pow(-log1p(-q), inv(c)),
    isf=lambda q, c: pow(-log(q), inv(c)), ends=(lambda y, _: y, lambda y, c: c * pow(y, c - 1.0) * exp(-pow(y, c))),
)  # fmt: skip
halfnorm = Distribution(
    "halfnorm", {}, _HALF_LINE, logpdf=lambda y: -0.5 * y * y - _LOG_ROOT + LN2, cdf=lambda y: erf(math.sqrt(0.5) * y),
    sf=lambda y: 2.0 * ndtr(-y),
    logsf=lambda y: where(less(y, 0.5), log1p(-erf(math.sqrt(0.5) * y)), log_ndtr(-y) + LN2),
    ppf=lambda q: math.sqrt(2.0) * erfinv(q), isf=lambda q: -ndtri(0.5 * q),
)  # fmt: skip

# -------------------------------------------------------------------------------------------------------------- discrete


def _log_binomial(k: Any, other: Any, p: Any) -> Any:
    """log(C(n, k)·pᵏ·(1 - p)ⁿ⁻ᵏ) with n = k + other, by Stirling's formula (Loader 2000)."""
    n = k + other
    rest = stirling_error(n, 0.0) - stirling_error(k, 0.0) - stirling_error(other, 0.0)
    power = 0.5 * log(div(n, k * other)) - _LOG_ROOT
    inside = rest + power - kl_div(k, n * p) - kl_div(other, n * (1.0 - p))
    return where(k, where(other, inside, xlogy(n, p)), xlog1py(n, -p))


def _binomial(k: Any, other: Any) -> Any:
    """C(k + other, k) for whole numbers."""
    return where(k, where(other, div(exp(-betaln(k + 1.0, other + 1.0)), k + other + 1.0), 1.0), 1.0)


def _geometric_quantile(logarithm: Any, p: Any, reached: Formula) -> Any:
    """The least k with (1 - p)ᵏ up to e^logarithm, next to the quotient of logarithms, which is rounded."""
    k = hold(ceil(div(logarithm, log1p(-p))))
    k = where(reached(k - 1.0), k - 1.0, where(reached(k), k, k + 1.0))
    return where(hold(logarithm), where(less(k, 1.0), 1.0, k), 0.0)


poisson = Distribution(
    "poisson", {"mu": _not_negative}, _HALF_LINE, discrete=True,
    logpmf=lambda k, mu: where(k, -stirling_error(k, 0.0) - kl_div(k, mu) - 0.5 * log(k) - _LOG_ROOT, -mu),
    ends=(lambda _, mu: mu, lambda k, mu: div(pow(mu, k) * exp(-mu), gamma_function(k + 1.0))),
    cdf=lambda k, mu: gammaincc(k + 1.0, mu), sf=lambda k, mu: gammainc(k + 1.0, mu),
    ppf=lambda q, mu: poisson_quantile(q, mu, 0.0), isf=lambda q, mu: poisson_quantile(q, mu, 1.0),
    far=(lambda k, mu: tails.log_upper_gamma(mu, k + 1.0), lambda k, mu: tails.log_lower_gamma(mu, k + 1.0)),
)  # fmt: skip
binom = Distribution(
    "binom", {"n": _count, "p": _probability}, (0.0, lambda n, _: n), discrete=True,
    logpmf=lambda k, n, p: _log_binomial(k, n - k, p),
    ends=(lambda *s: s[-1] * (1.0 - s[-1]), lambda k, n, p: _binomial(k, n - k) * pow(p, k) * pow(1.0 - p, n - k)),
    cdf=lambda k, n, p: where(less(k, n), upper_beta(k + 1.0, n - k, p), 1.0),
    sf=lambda k, n, p: where(less(k, n), lower_beta(k + 1.0, n - k, p), 0.0),
    ppf=lambda q, n, p: binom_quantile(q, n, p, 0.0), isf=lambda q, n, p: binom_quantile(q, n, p, 1.0),
    far=(
        lambda k, n, p: tails.log_upper_beta(p, k + 1.0, n - k),
        lambda k, n, p: where(less(k, n), tails.log_lower_beta(p, k + 1.0, n - k), -math.inf),
    ),
)  # fmt: skip
bernoulli = Distribution(
    "bernoulli", {"p": _probability}, (0.0, 1.0), discrete=True, logpmf=lambda k, p: where(k, log(p), log1p(-p)),
    pmf=lambda k, p: where(k, p, 1.0 - p),
    cdf=lambda k, p: where(k, 1.0, 1.0 - p), sf=lambda k, p: where(k, 0.0, p),
    ppf=lambda q, p: where(q, less(1.0 - p, q), -1.0), isf=lambda q, p: where(1.0 - less(q, 1.0), -1.0, less(q, p)),
)  # fmt: skip
geom = Distribution(
    "geom", {"p": _probability}, (1.0, math.inf), discrete=True, logpmf=lambda k, p: log(p) + xlog1py(k - 1.0, -p),
    ends=(lambda _, p: p * (1.0 - p), lambda k, p: p * pow(1.0 - p, k - 1.0)),
    cdf=lambda k, p: where(1.0 - p, -expm1(xlog1py(k, -p)), 1.0 - pow(1.0 - p, k)),
    sf=lambda k, p: where(1.0 - p, exp(xlog1py(k, -p)), pow(1.0 - p, k)), logsf=lambda k, p: xlog1py(k, -p),
    ppf=lambda q, p: _geometric_quantile(log1p(-q), p, lambda k: 1.0 - less(-expm1(xlog1py(k, -p)), q)),
    isf=lambda q, p: _geometric_quantile(log(q), p, lambda k: 1.0 - less(q, exp(xlog1py(k, -p)))),
)  # fmt: skip
nbinom = Distribution(
    "nbinom", {"n": _positive, "p": _probability}, _HALF_LINE, discrete=True,
    logpmf=lambda k, n, p: where(k, log(div(n, n + k)), 0.0) + _log_binomial(n, k, p),
    ends=(
        lambda *s: 1.0 - s[-1],
        lambda k, n, p: where(k, div(exp(-betaln(k + 1.0, n)), n + k), 1.0) * pow(p, n) * pow(1.0 - p, k),
    ),
    ppf=lambda q, n, p: nbinom_quantile(q, n, p, 0.0), isf=lambda q, n, p: nbinom_quantile(q, n, p, 1.0),
    cdf=lambda k, n, p: lower_beta(n, k + 1.0, p), sf=lambda k, n, p: upper_beta(n, k + 1.0, p),
    far=(lambda k, n, p: tails.log_lower_beta(p, n, k + 1.0), lambda k, n, p: tails.log_upper_beta(p, n, k + 1.0)),
)  # fmt: skip

# ---------------------------------------------------------------------------------------------------------- multivariate


def _solved(cov: Any, rows: list[list[Any]]) -> tuple[list[Any], Any]:
    """|L⁻¹x|² for each row x, and log det L, with cov = L·Lᵀ; nan where cov is not positive definite."""
    size = len(cov)
    lower = _quiet_factor(0.5 * (cov + cov.T))  # so that the gradient is symmetric, too
    logarithms = _added(log(lower[k, k]) for k in range(size))
    if size > SMALL_FACTOR and rows:
        columns = solved(lower, block([n for row in rows for n in row], (len(rows), size)).T).T.tolist()
        return [_added(f * f for f in column) for column in columns], logarithms
    factor, squares = lower.tolist(), []
    for x in rows:
        found: list[Any] = []
        for i in range(size):
            found.append(div(x[i] - _added(factor[i][k] * found[k] for k in range(i)), factor[i][i]))
        squares.append(_added(f * f for f in found))
    return squares, logarithms


def _added(numbers: Any) -> Any:
    return functools.reduce(operator.add, numbers, 0.0)


class MultivariateNormal:
    """The normal distribution of vectors, by SciPy's name and parameters; calling it binds the parameters.

    Examples
    --------
    >>> multivariate_normal.logpdf([1.0, 2.0], mean=[0.0, 0.0], cov=[[2.0, 0.5], [0.5, 1.0]])
    -4.117684960377057
    """

    name, methods = "multivariate_normal", ("logpdf", "pdf")

    def __call__(self, mean: Any = None, cov: Any = 1.0, allow_singular: bool = False) -> Frozen:
        """The distribution with this mean and covariance."""
        return Frozen(self, (mean, cov, allow_singular))

    def __reduce__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return "al.stats.multivariate_normal(mean, cov)"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in _METHODS:
            raise refusal(self.lacks(name))
        raise _unknown(self, name)

    def lacks(self, method: str) -> str:
        """As that of other distributions.

        Parameters
        ----------
        method : str
            The name of the method in SciPy.

        Returns
        -------
        str
            A sentence.
        """
        return (
            f"al.stats.multivariate_normal.{method} has no formula here. It has logpdf and pdf. A probability of several "
            "components is an integral, of which SciPy gives some digits: take scipy.stats.multivariate_normal of plain "
            "numbers. For one component, or independent ones, write al.stats.norm.cdf."
        )

    def logpdf(self, x: Any, mean: Any = None, cov: Any = 1.0, allow_singular: bool = False) -> Any:
        """The logarithm of the density, by Cholesky's factor of the covariance.

        Parameters
        ----------
        x : vector, or array whose last axis has the components
            Floats or Variables.
        mean : number or vector, optional
            0 by default.
        cov : number, vector (a diagonal) or matrix, default 1
            Of a matrix, the symmetric part counts. The result is nan where it is not positive definite. As in SciPy,
            there is one component if mean and cov are numbers; then a vector x has one point in each place.
        allow_singular : bool, default False
            SciPy's name, for False only: a singular covariance has no density here.

        Returns
        -------
        float, Variable or array
            A number for each vector.

        Raises
        ------
        ArgumentError
            If the sizes do not fit, or a singular covariance is allowed.

        Notes
        -----
        The factor is that of `al.linalg.cholesky`, one for all vectors: scalar code for few components, else LAPACK's.
        """
        if allow_singular:
            raise ArgumentError(
                "al.stats.multivariate_normal has no density of a singular covariance. Leave out components that follow "
                "from others, or add a small multiple of the identity to cov."
            )
        points, centre, spread = (np.asarray(object_array(each)) for each in (x, 0.0 if mean is None else mean, cov))
        size = max(centre.size, spread.shape[-1] if spread.ndim else 1)
        if points.ndim == 0 or (size == 1 and points.shape != (1,) and points.ndim == 1):
            points = points[..., None]
        if spread.ndim < 2:
            spread = np.where(np.eye(size, dtype=bool), np.broadcast_to(spread, (size,)), 0.0)
        if points.shape[-1] != size or centre.size not in (1, size) or spread.shape != (size, size):
            raise ArgumentError(
                f"al.stats.multivariate_normal of x with {points.shape[-1]} components, a mean of {centre.size} and a "
                f"covariance of shape {spread.shape}: give all of them one size."
            )
        rows = (points - centre).reshape(-1, size).tolist()
        constant = size * _LOG_ROOT
        squares, half = _solved(block(spread.ravel().tolist(), spread.shape), rows)
        found = [-0.5 * square - half - constant for square in squares]
        if points.ndim == 1:
            return found[0]
        result = unboxed(np.fromiter(found, object, len(found)).reshape(points.shape[:-1]))
        return as_variable_array(result) if holds_variables(result) else result

    def pdf(self, x: Any, mean: Any = None, cov: Any = 1.0, allow_singular: bool = False) -> Any:
        """The density.

        Parameters
        ----------
        x, mean, cov, allow_singular
            As for `logpdf`.

        Returns
        -------
        float, Variable or array
            A number for each vector.
        """
        return exp(self.logpdf(x, mean, cov, allow_singular))


multivariate_normal = MultivariateNormal()

#: The names of the module, which are SciPy's.
__all__ = [
    "bernoulli", "beta", "binom", "cauchy", "chi2", "expon", "gamma", "geom", "halfnorm", "laplace", "logistic", "lognorm",
    "multivariate_normal", "nbinom", "norm", "poisson", "t", "uniform", "weibull_min",
]  # fmt: skip
__getattr__ = hints.of_module(__name__, "al.stats")
