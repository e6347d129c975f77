"""What is refused says what to write instead; the formulas of these remedies are right."""

import math
import re
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import scipy.linalg
import scipy.special

import autograd_lite as al
from autograd_lite import hints

MATRIX = np.array([[3.0, 1.0], [1.0, 4.0]])
NAMES = hints.table()["a function of SciPy"]
#: What a function needs beside a matrix or a row.
FURTHER = {
    "lu_solve": ((None, np.arange(2)), np.ones(2)), "funm": (np.exp,), "solve_banded": (np.ones(2),), "comb": (1.0,),
    "solveh_banded": (np.ones(2),), "solve_toeplitz": (np.ones(2),), "solve_circulant": (np.ones(2),), "perm": (1.0,),
    "solve_sylvester": (MATRIX, MATRIX), "solve_continuous_lyapunov": (MATRIX,), "solve_discrete_lyapunov": (MATRIX,),
    "subspace_angles": (MATRIX,), "cdf2rdf": (MATRIX,), "factorialk": (2,), "multigammaln": (2,),
}  # fmt: skip


#: Calls elsewhere in SciPy, by a row of three numbers: what is named, and how the remedy begins.
ELSEWHERE = {
    "interp1d": lambda s, v: s.interpolate.interp1d([0.0, 1.0, 5.0], [0.0, 1.0, 4.0])(v).sum(),
    "CubicSpline": lambda s, v: s.interpolate.CubicSpline([0.0, 1.0, 5.0], [0.0, 1.0, 4.0])(v).sum(),
    "PchipInterpolator": lambda s, v: s.interpolate.PchipInterpolator([0.0, 1.0, 5.0], v)(0.5),
    "RegularGridInterpolator": lambda s, v: s.interpolate.RegularGridInterpolator(
        ([0.0, 9.0],) * 3, np.ones((2, 2, 2))
    )(v)[0],
    "dblquad": lambda s, v: s.integrate.dblquad(lambda x, _: x * v[0], 0.0, 1.0, 0.0, 1.0)[0],
    "linprog": lambda s, v: s.optimize.linprog(v, A_eq=np.ones((1, 3)), b_eq=[1.0]).fun,
    "fft": lambda s, v: np.abs(s.fft.fft(v))[0],
    "lfilter": lambda s, v: s.signal.lfilter([1.0], [1.0, 0.5], v).sum(),
    "gaussian_filter": lambda s, v: s.ndimage.gaussian_filter(v, 1.0).sum(),
    "cdist": lambda s, v: s.spatial.distance.cdist(v[None], np.eye(3)).sum(),
    "zscore": lambda s, v: s.stats.zscore(v)[0],
    "pearsonr": lambda s, v: s.stats.pearsonr(v, [1.0, 2.0, 4.0])[0],
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_is_elsewhere_in_scipy(name):
    """Its name and what to write, not how to replace math.sin."""
    import scipy.fft
    import scipy.integrate
    import scipy.interpolate
    import scipy.ndimage
    import scipy.optimize
    import scipy.signal
    import scipy.spatial
    import scipy.stats

    remedy = next(
        names[name]
        for place in ("elsewhere in SciPy", "autograd_lite.maths.stats")
        if name in (names := hints.table()[place])
    )
    with pytest.raises(al.OperandError) as caught:
        al.grad(lambda v: ELSEWHERE[name](scipy, v))(np.array([1.0, 2.0, 3.5]))
    assert str(caught.value).startswith(f"scipy's {name} ")
    assert str(caught.value).endswith(f" Use {remedy}.")


def test_formulas_of_remedies_elsewhere():
    """Of splines, Fourier's sums and distances."""
    import scipy.fft
    import scipy.interpolate
    import scipy.spatial

    s = scipy.interpolate.CubicSpline([0.0, 1.0, 2.0, 4.0], [0.0, 1.0, 4.0, 2.0])

    def piece(x):
        k = np.searchsorted(s.x[1:-1], x)
        return np.polyval(s.c[:, k], x - s.x[k])

    x, n = np.array([0.5, 1.5, 3.0, 3.5]), 4
    assert np.allclose(al.vmap(al.grad(piece))(x), s(x, 1), rtol=1e-13)
    w = 2 * np.pi / n * np.outer(np.arange(n), np.arange(n))
    assert np.allclose(np.cos(w) @ x - 1j * np.sin(w) @ x, scipy.fft.fft(x), rtol=0, atol=1e-14)
    rows = np.arange(12.0).reshape(4, 3)
    wanted = scipy.spatial.distance.cdist(rows[:2], rows)
    assert np.allclose(np.sqrt(((rows[:2, None] - rows) ** 2).sum(-1)), wanted, rtol=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_functions_of_scipy_name_what_to_write(name):
    """They said "object arrays are not supported", "No matching signature found", or how to replace math.sin."""
    function = getattr(scipy.linalg, name, None) or getattr(scipy.special, name)
    further = FURTHER.get(name, ())

    def f(matrix):
        if name == "lu_solve":
            return function((matrix, further[0][1]), further[1])
        return function((0, 0), matrix[:1], matrix[0]) if name == "solve_banded" else function(matrix, *further)

    eager = [] if name.startswith(("factorial", "multigammaln")) else [al.array(MATRIX.tolist())]
    for transform in (al.grad, al.jit):
        with pytest.raises(al.OperandError) as caught:
            transform(f)(MATRIX)
        assert f"scipy's {name} " in str(caught.value)
        assert str(caught.value).endswith(f"Use {NAMES[name]}.")
    for array in eager:
        array[0, 0] = al.Variable(3.0)
        with pytest.raises(al.OperandError, match=f"^scipy's {name} does not take Variables. Use "):
            f(array)


@pytest.mark.parametrize("fit", ["polyfit", "chebfit", "legfit", "hermfit", "hermefit", "lagfit"])
def test_fits_of_numpy_name_the_system(fit):
    """They named `al.array`, which does not help; the system that they name has NumPy's solution."""
    x, y = np.linspace(-1.0, 2.0, 6), np.array([1.0, 0.5, -2.0, 0.0, 3.0, 1.0])
    kind = {"poly": "polynomial", "cheb": "chebyshev", "leg": "legendre", "herm": "hermite", "herme": "hermite_e"}
    home = getattr(np.polynomial, kind.get(fit[:-3], "laguerre"))
    written = hints.table()["a function of NumPy"][fit].partition(", the coefficients")[0]
    with pytest.raises(al.OperandError, match=f"numpy's {fit} .*{re.escape(written)}") as caught:
        al.grad(lambda y: getattr(home, fit)(x, y, 2)[0])(y)
    assert "al.zeros" not in str(caught.value)

    def system(y):
        return eval(written, {"al": al, "np": np, "x": x, "y": y, "deg": 2})  # noqa: S307 - of the table

    assert np.allclose(system(y), getattr(home, fit)(x, y, 2), rtol=1e-12, atol=1e-12)
    al.check_grads(lambda y: (system(y) ** 2).sum(), (y,), order=1)
    with pytest.raises(al.OperandError, match=r"numpy's fit .*np.vander"):
        al.grad(lambda y: np.polynomial.Polynomial.fit(x, y, 2)(0.5))(y)


def test_formulas_of_remedies():
    """Where they are formulas, their values are SciPy's."""
    n, k, a, d = 5.5, 2.25, 3.5, 3

    def value(text):
        return float(eval(text, {"al": al, "math": math, "n": n, "k": k, "a": a, "d": d}))  # noqa: S307 - of the table

    for name, arguments in {"comb": (n, k), "perm": (n, k), "multigammaln": (a, d)}.items():
        assert np.isclose(value(NAMES[name]), getattr(scipy.special, name)(*arguments), rtol=1e-13)
    with pytest.raises(al.OperandError, match=r"binom has no derivative rule. Write al.exp\(-al.betaln"):
        al.grad(lambda n: scipy.special.binom(n, 2))(5.0)
    q = np.array([[1.0, 2.0], [0.5, -1.0]])
    system = np.kron(MATRIX, np.eye(2)) + np.kron(np.eye(2), q.T)
    assert np.allclose(np.linalg.solve(system, q.ravel()).reshape(2, 2), scipy.linalg.solve_sylvester(MATRIX, q, q))


def test_factorials_and_pseudoinverses_of_scipy():
    """Arrays were refused."""
    numbers = np.array([3.0, 0.5, -1.0])
    for transform in (lambda f: f, al.jit):
        assert np.allclose(transform(scipy.special.factorial)(numbers), scipy.special.factorial(numbers), rtol=1e-14)
    al.check_grads(lambda n: scipy.special.factorial(n).sum(), (numbers[:2],), order=2)
    al.check_grads(lambda a: scipy.linalg.pinv(a)[0, 1], (MATRIX[:, :1] + [[0.0, 1.0]],), order=1)
    assert scipy.special.factorial(5, exact=True) == 120
    with pytest.raises(al.OperandError, match="does not take exact=True"):
        al.grad(lambda n: scipy.special.factorial(n, exact=True))(3.0)


@pytest.mark.parametrize("exact", [Fraction(1, 3), Decimal("0.1")])
@pytest.mark.parametrize("operation", [lambda a, b: a + b, lambda a, b: b * a, lambda a, b: a - b, lambda a, b: b / a])
def test_exact_numbers_are_rounded_by_the_user(exact, operation):
    """`x + Fraction(1, 3)` said that float() would drop a derivative."""
    with pytest.raises(
        al.OperandError, match=re.escape(f"{exact!r} is exact, and Variables are 64-bit floats. Write float")
    ):
        operation(al.Variable(2.0), exact)
    assert al.Variable(2.0) > exact  # compared exactly


@pytest.mark.parametrize("unit", ["ns", "s", "D"])
@pytest.mark.parametrize("kind", ["timedelta64", "datetime64"])
def test_arrays_of_times_are_refused(unit, kind):
    """Those of nanoseconds became whole numbers, and multiplied."""
    times = np.array([1, 2], dtype=f"{kind}[{unit}]")
    functions = [lambda x: np.sum(x * times), lambda x: np.sum(times * x), lambda x: np.sum(np.add(times, x))]
    for f in functions:
        for transform in (al.grad, al.jit):
            for x in (2.0, np.array([2.0, 3.0])):
                with pytest.raises(al.OperandError, match=r"holds times, .* Write .* / np.timedelta64\(1, 's'\)"):
                    transform(f)(x)
    with pytest.raises(al.OperandError, match="holds times"):
        al.Variable(2.0) * times


@pytest.mark.parametrize(("weights", "said"), [
    ({"fweights": [1, -1, 2]}, "negative weight, -1.0, in fweights"),
    ({"aweights": [1.0, -1.0, 2.0]}, "negative weight, -1.0, in aweights"),
    ({"fweights": [1.0, 1.5, 2.0]}, "counts. Give others as aweights"),
    ({"aweights": [1.0, 2.0]}, r"aweights of shape \(2,\) for 3 observations"),
])  # fmt: skip
def test_weights_that_numpy_refuses(weights, said):
    """`np.cov` took them."""
    with pytest.raises((ValueError, TypeError, RuntimeError)):
        np.cov(np.arange(3.0), **weights)
    with pytest.raises(al.ArgumentError, match=said):
        al.grad(lambda x: np.cov(x, **weights))(np.arange(3.0))


def test_a_period_of_zero_is_refused():
    """It gave NaN."""
    with pytest.raises(al.ArgumentError, match="np.interp got period=0: give the length"):
        al.grad(lambda x: np.interp(x, [0.0, 1.0], [0.0, 1.0], period=0))(0.5)


@pytest.mark.parametrize("ufunc", [np.add, np.multiply, np.maximum, np.hypot, np.less])
def test_arrays_of_dask_are_not_computed_by_a_ufunc(ufunc):
    """`np.add(array, x)` computed the array at once."""
    lazy = pytest.importorskip("dask.array").arange(6, chunks=3).map_blocks(lambda block: 1 / 0, dtype=float)
    x = al.Variable(2.0)
    for operands in ((lazy, x), (x, lazy), (al.array([x]), lazy)):  # an array of Dask before one of ours answers itself
        with pytest.raises(al.OperandError, match="an array of Dask"):
            ufunc(*operands)


@pytest.mark.parametrize(
    "f", [lambda a: a * 0.5, lambda a: a**2, lambda a: a - 1.0, lambda a: -a, lambda a: a > 1.0, lambda a: a + 1.0]
)
def test_arithmetic_of_a_list_that_was_given_for_an_array(f):
    """Python said "can't multiply sequence by non-int of type 'float'"."""
    for transform in (al.grad, al.value_and_grad, al.jacobian, al.jit, lambda f: al.jit(al.grad(f))):
        for given in ([4, 9], (4.0, 9.0)):
            with pytest.raises(
                al.OperandError, match=r"Python's arithmetic of lists .* Pass an array instead, np.array"
            ):
                transform(f)(given)
    with pytest.raises(al.ArgumentError, match=r"np.array\(\[...\]\) for a list of numbers"):
        al.vmap(f)([4, 9])
    with pytest.raises(al.ArgumentError, match=r"whose rows are the steps, np.array\(\[...\]\), or"):
        al.scan(lambda c, x: (c + x, c), 0.0, [1, 2, 3])


@pytest.mark.parametrize("f", [lambda v: v[0] ** 2, lambda v: sum(v), lambda v: len(v) * v, lambda v: max(*v)])
def test_a_number_that_was_given_for_an_array(f):
    """It was "refused Variables", by NumPy, which had no part in it. `hvp(f, x, v)` of a list gives such numbers."""
    transforms = [al.grad(f), al.jit(f), al.hessian(f), lambda x: al.hvp(f, [x], [x])]
    for transform in transforms:
        with pytest.raises(
            al.OperandError, match=r"'?Variable.*it is one number, .* Pass a list or an array .*hvp\(f, \(x,\)"
        ):
            transform(2.0)
