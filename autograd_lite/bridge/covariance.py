"""Standard errors of a fit, and what they mean for whatever is computed from its parameters."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from autograd_lite import hints
from autograd_lite.bridge.spaces import called
from autograd_lite.errors import ArgumentError
from autograd_lite.nests import Shape, as_array, unravel, written
from autograd_lite.primitives import ndtri
from autograd_lite.transforms import jacobian, name_of

EPS = 2.0**-52


class Band(NamedTuple):
    """A quantity computed from fitted parameters: value, standard error, and the ends of its confidence interval."""

    value: Any
    error: Any
    lower: Any
    upper: Any


@hints.of_instances("a covariance")
class Covariance:
    """The covariance of fitted parameters; made by `covariance`.

    Attributes
    ----------
    x : nest
        The parameters.
    matrix : array
        (n, n), in the order of the numbers.
    errors : nest
        The standard errors, like x.
    correlation : array
        (n, n): the matrix over the products of the errors.
    freedom : int or None
        Measurements minus parameters, where the size of the noise was estimated from the residuals.
    """

    def __init__(self, x: Any, matrix: Any, freedom: int | None, *, spread: bool = False) -> None:
        self.x, self.matrix, self.freedom = x, matrix, freedom
        self._numbers, self._shape = unravel(x, "the parameters")
        self._spread = spread  # whether functions take parameters one by one, after their data, as curve_fit's do
        deviations = np.sqrt(np.diag(matrix))
        self.errors = self._shape.pack(deviations)
        with np.errstate(invalid="ignore"):  # 0/0 where data are met exactly
            self.correlation = matrix / deviations / deviations[:, None]

    def __repr__(self) -> str:
        errors = unravel(self.errors)[0]
        names = _names(self._shape)
        wide = max(map(len, names), default=0)
        rows = (f"  {n:{wide}}  {_rounded(v, e)}" for n, v, e in zip(names, self._numbers, errors, strict=True))
        noise = "noise as given" if self.freedom is None else f"noise estimated, {self.freedom} degrees of freedom"
        noise = "by curve_fit" if self._spread else noise
        return "\n".join([f"{len(names)} parameters, {noise}", *rows])

    def band(self, f: Callable[..., Any], *arguments: Any, level: float = 0.95) -> Band:
        """Return f(x, *arguments) with its standard error and confidence interval, by propagation: ∇f·C·∇f.

        Parameters
        ----------
        f : callable
            `f(x, *arguments)` returns a number, an array or any nest. After `curve_fit` it is called as the model there:
            `f(*arguments, *x)`, with a dict by name.
        *arguments
            Data: the points of a curve.
        level : float, default 0.95
            Probability of the interval. It is Student's where the noise was estimated, else the normal one.

        Returns
        -------
        Band
            `value`, `error`, `lower`, `upper`, each as f returns.
        """
        if not 0.0 < level < 1.0:
            raise ArgumentError(f"level={level!r}: give a probability between 0 and 1, such as 0.95.")
        shapes: list[Shape] = []

        def rows(vector: Any) -> Any:
            nest = self._shape.pack([*vector])
            found = called(f, nest, arguments) if self._spread else f(nest, *arguments)
            numbers, shape = unravel(found, f"the output of {name_of(f)}")
            shapes[:] = [shape]
            return as_array(numbers, (len(numbers),))

        vector = np.array(self._numbers, dtype=np.float64)
        slopes = np.asarray(jacobian(rows)(vector), dtype=np.float64).reshape(-1, len(vector))
        value = np.asarray(rows(vector), dtype=np.float64)
        error = np.sqrt(np.maximum(np.einsum("ki,ij,kj->k", slopes, self.matrix, slopes), 0.0))
        width = _quantile(0.5 + level / 2.0, self.freedom) * error
        return Band(*(shapes[0].pack(part) for part in (value, error, value - width, value + width)))


def _quantile(probability: float, freedom: int | None) -> float:
    if freedom is None:
        return float(ndtri(probability))
    from scipy.special import stdtrit  # noqa: PLC0415 - fits come from SciPy

    return float(stdtrit(freedom, probability))


def _names(shape: Shape) -> list[str]:
    return [written(path) + index for path, index in shape.places()]


def _rounded(value: float, error: float) -> str:
    """A value to the second digit of its error.

    >>> _rounded(2.53456, 0.0312), _rounded(1234.5, 56.0)
    ('2.535 ± 0.031', '1234 ± 56')
    """
    if not (math.isfinite(error) and error > 0.0 and math.isfinite(value)):
        return f"{value:.6g} ± {error:.2g}"
    digits = 1 - math.floor(math.log10(error))
    if not 0 <= digits <= 12 or abs(value) >= 1e12:
        return f"{value:.6g} ± {error:.2g}"
    return f"{value:.{digits}f} ± {error:.{digits}f}"


@hints.keywords
def covariance(result: Any, *, absolute_sigma: bool = False) -> Covariance:
    """Return the covariance of the parameters of a fit, with standard errors, correlations and confidence bands.

    Parameters
    ----------
    result : OptimizeResult or tuple
        What `autograd_lite.scipy` or SciPy returned: of `least_squares` the residuals' (JᵀJ)⁻¹·s², with s² = Σr²/(m - n); of
        our `minimize` of a negative log-likelihood the inverse of its exact Hessian; of `curve_fit` its pcov.
    absolute_sigma : bool, default False
        For `least_squares`: the residuals were divided by known standard deviations, so that s² is 1. (`curve_fit` has an
        argument of this name itself.)

    Returns
    -------
    Covariance
        `.matrix`, `.errors` (like x), `.correlation`, `.band(f, …)`.

    Raises
    ------
    ArgumentError
        If the data do not determine the parameters, if x is no minimum (the solver gave up, a bound is active, a constraint
        holds), or if the result has no derivatives.

    Notes
    -----
    Linear theory at the optimum: right where a model is nearly linear over a few standard errors [1]_. pcov of `curve_fit`
    is taken as it is, also where a bound is active. J is scaled to columns of length 1 and decomposed into singular values;
    JᵀJ is never formed. With a robust loss J and s² are those of SciPy, which include the weights.

    References
    ----------
    .. [1] Seber & Wild, *Nonlinear Regression*, Wiley 1989, chapter 5.

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_lite as al
    >>> from autograd_lite.scipy import least_squares
    >>> t = np.arange(6.0)
    >>> y = np.array([1.1, 2.9, 5.2, 6.8, 9.1, 10.9])
    >>> fit = al.covariance(least_squares(lambda p: p["slope"] * t + p["offset"] - y, {"offset": 0.0, "slope": 1.0}))
    >>> fit
    2 parameters, noise estimated, 4 degrees of freedom
      offset  1.06 ± 0.12
      slope   1.977 ± 0.040
    >>> far = fit.band(lambda p, t: p["slope"] * t + p["offset"], 10.0)
    >>> print(f"{far.value:.2f}, 95 %: {far.lower:.2f} to {far.upper:.2f}")
    20.83, 95 %: 19.98 to 21.68
    """
    if isinstance(result, tuple):
        return _of_curve_fit(result)
    x: Any = getattr(result, "x", None)
    matrix: Any = getattr(result, "jac", None)
    if x is not None and getattr(result, "cost", None) is not None and np.ndim(matrix) == 2:
        return _of_residuals(result, absolute_sigma=absolute_sigma)
    derivatives: Any = getattr(result, "derivatives", None)
    if x is None or not hasattr(result, "fun") or not hasattr(derivatives, "hessian") or np.ndim(result.fun):
        raise ArgumentError(
            f"covariance got a {type(result).__name__} without second derivatives. Give the result of minimize or "
            "least_squares of autograd_lite.scipy, or that of curve_fit."
        )
    if absolute_sigma:
        raise ArgumentError("absolute_sigma is for least_squares: a likelihood knows the size of its noise.")
    curvature = np.asarray(derivatives.hessian(x))
    matrix = _inverse(curvature, unravel(x)[1])
    _check_minimum(x, derivatives.gradient(x), matrix, np.sqrt(np.diag(curvature)), 1.0)
    return Covariance(x, matrix, None)


def _of_curve_fit(result: tuple[Any, ...]) -> Covariance:
    if len(result) < 2 or np.ndim(result[1]) != 2:
        raise ArgumentError(
            f"covariance got a tuple, {result!r:.60}. Give the whole result of curve_fit, (popt, pcov) at least."
        )
    if not np.all(np.isfinite(result[1])):
        raise ArgumentError(
            "pcov is not finite: the data do not determine the parameters. Fix one of them, or add data."
        )
    return Covariance(result[0], np.array(result[1]), None, spread=True)


def _of_residuals(result: Any, *, absolute_sigma: bool) -> Covariance:
    slopes = result.jac.toarray() if hasattr(result.jac, "toarray") else np.asarray(result.jac, dtype=np.float64)
    shape, (count, unknowns) = unravel(result.x)[1], slopes.shape
    freedom = count - unknowns
    if freedom <= 0 and not absolute_sigma:
        raise ArgumentError(
            f"{count} residuals leave nothing to estimate the noise of {unknowns} parameters from. Add data, or divide the "
            "residuals by known standard deviations and pass absolute_sigma=True."
        )
    _check_finite(slopes)
    lengths = np.linalg.norm(slopes, axis=0)
    lengths[lengths == 0.0] = 1.0
    _, sizes, axes = np.linalg.svd(slopes / lengths, full_matrices=False)
    sizes = np.concatenate([sizes, np.zeros(unknowns - len(sizes))])
    if sizes[-1] <= EPS * max(slopes.shape) * sizes[0]:
        raise _undetermined(axes[-1] / lengths if len(axes) == unknowns else None, shape)
    scaled = axes.T / sizes / lengths[:, None]
    variance = 1.0 if absolute_sigma else 2.0 * result.cost / freedom
    _check_minimum(result.x, unravel(result.grad)[0], scaled @ scaled.T, lengths, variance)
    return Covariance(result.x, scaled @ scaled.T * variance, None if absolute_sigma else freedom)


def _inverse(matrix: Any, shape: Shape) -> Any:
    """The inverse of a Hessian at a minimum."""
    _check_finite(matrix)
    diagonal = np.diag(matrix)
    if np.any(diagonal < 0.0):
        place = _names(shape)[int(np.argmin(diagonal))] or "x"
        raise ArgumentError(
            f"the second derivative by {place} is {diagonal.min():.3g}: x is no minimum. Minimise further."
        )
    lengths = np.sqrt(np.where(diagonal == 0.0, 1.0, diagonal))
    sizes, axes = np.linalg.eigh(matrix / lengths / lengths[:, None])
    smallest = EPS * len(matrix) * abs(sizes).max(initial=0.0)
    if len(sizes) and sizes[0] < -smallest:
        raise ArgumentError(
            f"the Hessian has a negative eigenvalue, {sizes[0]:.3g} of its scaled form: x is a saddle point and no minimum. "
            "Minimise further, or from another start."
        )
    if len(sizes) and sizes[0] <= smallest:
        raise _undetermined(axes[:, 0] / lengths, shape)
    scaled = axes / np.sqrt(sizes) / lengths[:, None]
    return scaled @ scaled.T


def _check_minimum(x: Any, slope: Any, inverse: Any, lengths: Any, variance: float) -> None:
    """Refuse a point that is no minimum: where a solver gave up, a bound is active or a constraint holds.

    Newton's step there is more than a tenth of a standard error; in a fit without noise it may be, by rounding.
    """
    numbers, shape = unravel(x)
    step, errors = inverse @ np.asarray(slope, dtype=np.float64), np.sqrt(np.diag(inverse) * variance)
    size = np.divide(np.abs(step), errors, out=np.zeros(len(step)), where=errors > 0.0)
    if np.any(size > 0.1) and np.linalg.norm(step * lengths) > 1e-6 * np.linalg.norm(np.array(numbers) * lengths):
        place = _names(shape)[int(np.argmax(size))] or "x"
        raise ArgumentError(
            f"x is no minimum: Newton's step from it moves {place} by {size.max():.3g} standard errors. Minimise further; "
            "hold a parameter that lies at a bound, or that a constraint determines, at its value."
        )


def _check_finite(matrix: Any) -> None:
    if not np.all(np.isfinite(matrix)):
        raise ArgumentError(
            "the derivatives at x are not finite there: no covariance exists. See al.blame for the origin."
        )


def _undetermined(direction: Any, shape: Shape) -> ArgumentError:
    """The error for a direction in which nothing changes."""
    way = ""
    if direction is not None:
        direction = direction / np.abs(direction).max()
        names = [name or "x" for name in _names(shape)]
        parts = [f"{number:+.3g}·{name}" for number, name in zip(direction, names, strict=True) if abs(number) > 1e-3]
        way = f": along {' '.join(parts[:6])}{' …' if len(parts) > 6 else ''} nothing changes"
    return ArgumentError(f"the data do not determine the parameters{way}. Fix one of them, or add data or a prior.")
