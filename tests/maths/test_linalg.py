"""Linear algebra, and operations with many results: against mpmath, LAPACK and formulas, on every way to a derivative."""

import copy
import itertools
import math
import pickle

import mpmath
import numpy as np
import pytest
import scipy.linalg
from tiers import full, mostly_full

import autograd_lite as al
from autograd_lite import linalg as la
from autograd_lite.errors import CompilationError
from autograd_lite.maths import matrices

EPS = float(np.finfo(float).eps)


def regular(n, seed=0):
    """A matrix with a condition number below 100 that is not diagonally dominant, and so has pivots to choose."""
    rng = np.random.default_rng(seed)
    q, r = np.linalg.qr(rng.normal(size=(n, n)))
    p, _ = np.linalg.qr(rng.normal(size=(n, n)))
    return q @ np.diag(np.linspace(1.0, 3.0, n)) @ p * np.sign(r[0, 0])


def positive(n, seed=0):
    """A positive definite matrix, symmetric to the bit, with eigenvalues from 1 to 3."""
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))
    a = q @ np.diag(np.linspace(1.0, 3.0, n)) @ q.T
    return np.tril(a) + np.tril(a, -1).T


def number(f):
    """The function with a sum of its results, weighted so that no symmetry hides an error."""

    def weighted(a):
        flat = np.ravel(np.asarray(f(a), dtype=object)).tolist()
        return al.sum([math.cos(k + 1.0) * x for k, x in enumerate(flat)])

    return weighted


# ---------------------------------------------------------------------------------------------------- against mpmath


def lower_of(a):
    """The symmetric matrix of the lower triangle."""
    found = a.copy()
    for i in range(a.rows):
        for j in range(i):
            found[j, i] = found[i, j]
    return found


def singular_values(a):
    return sorted([mpmath.sqrt(x) for x in mpmath.eigsy(a.T * a, eigvals_only=True)], reverse=True)


def squared_first_row(a):
    _, vectors = mpmath.eigsy(lower_of(a))
    return [vectors[0, k] ** 2 for k in range(a.rows)]


RIGHT = np.sin(np.arange(1.0, 97.0)).reshape(48, 2)


def solution(a):
    return mpmath.inverse(a) * mpmath.matrix(RIGHT[: a.rows].tolist())


def least_squares(a, columns=1):
    b = mpmath.matrix(RIGHT[: a.rows, :columns].tolist())
    return b, mpmath.inverse(a.T * a) * (a.T * b)


def residual(a):
    b, x = least_squares(a)
    return [mpmath.fsum(r * r for r in b - a * x)]


#: By name: the function, the same in mpmath as numbers in a row, and what it takes: a regular matrix, a positive definite
#: one, or one with two rows more.
FUNCTIONS = {
    "solve": (lambda a: la.solve(a, RIGHT[: len(a)]), solution, "a"),
    "inv": (la.inv, mpmath.inverse, "a"),
    "det": (la.det, lambda a: [mpmath.det(a)], "a"),
    "slogdet": (lambda a: la.slogdet(a).logabsdet, lambda a: [mpmath.log(abs(mpmath.det(a)))], "a"),
    "cholesky": (la.cholesky, lambda a: mpmath.cholesky(lower_of(a)), "s"),
    "eigvalsh": (la.eigvalsh, lambda a: sorted(mpmath.eigsy(lower_of(a), eigvals_only=True)), "s"),
    "eigh": (lambda a: la.eigh(a).eigenvectors[0] ** 2, squared_first_row, "s"),
    "expm": (la.expm, lambda a: mpmath.expm(a, method="taylor"), "a"),
    "svdvals": (la.svdvals, singular_values, "t"),
    "lstsq": (lambda a: la.lstsq(a, RIGHT[: len(a), 0]).x, lambda a: least_squares(a)[1], "t"),
    "residuals": (lambda a: la.lstsq(a, RIGHT[: len(a), 0]).residuals, residual, "t"),
    "pinv": (la.pinv, lambda a: mpmath.inverse(a.T * a) * a.T, "t"),
    "nuclear": (lambda a: la.norm(a, "nuc") + la.norm(a, 2), lambda a: [sum(s := singular_values(a)) + s[0]], "t"),
    "power": (lambda a: la.matrix_power(a, -3), lambda a: mpmath.inverse(a * a * a), "a"),
    "cond": (la.cond, lambda a: [(s := singular_values(a))[0] / s[-1]], "a"),
}  # fmt: skip


def taken(kind, n):
    if kind == "t":
        return np.vstack([regular(n, 1), 0.5 * regular(n, 2)[: min(2, n)]])
    return positive(n) if kind == "s" else regular(n)


def along(f, a, direction):
    """Value and the first two derivatives of a weighted sum along a direction, by differences at 60 digits.

    A step of 1e-14 leaves errors of its square, 1e-28 times a fourth derivative, and 60 - 28 digits of the second difference.
    """
    with mpmath.workdps(60):
        start, step, e = mpmath.matrix(a.tolist()), mpmath.matrix(direction.tolist()), mpmath.mpf(10) ** -14

        def at(t):
            found = f(start + t * step)
            return mpmath.fsum(math.cos(k + 1.0) * x for k, x in enumerate(found))

        before, here, after = at(-e), at(0), at(e)
        return [float(here), float((after - before) / (2 * e)), float((after - 2 * here + before) / e**2)]


def three(f, direction):
    """Value and derivatives of our function: by grad, jvp, hvp, and grad of grad."""

    def all_of_them(a):
        slope = lambda a: (al.grad(f)(a) * direction).sum()
        return (
            f(a), slope(a), al.jvp(f, (a,), (direction,))[1], (al.hvp(f, (a,), (direction,)) * direction).sum(),
            (al.grad(slope)(a) * direction).sum(),
        )  # fmt: skip

    return all_of_them


ORDERS = [0, 1, 1, 2, 2]
#: The sizes of each, the quick one first; those of others are composed of the first ones.
SIZES = {
    "solve": (5, 1, 2, 3, 4, 7), "inv": (4, 1, 2, 5), "det": (5, 1, 2, 3, 4, 7), "slogdet": (2, 1, 3, 4, 7),
    "cholesky": (3, 1, 2, 7), "eigvalsh": (5, 1, 2, 7), "eigh": (3, 1, 2, 5), "expm": (2, 1, 3, 5),
    "svdvals": (2, 1, 3, 5), "lstsq": (3, 1, 2, 7),
    "residuals": (2, 5), "pinv": (2, 3), "nuclear": (2, 3), "power": (2, 4), "cond": (2, 3),
}  # fmt: skip
LATER = ("residuals", "pinv", "nuclear", "power", "cond")
CASES = [
    pytest.param(name, n, marks=full if k or name in LATER else ())
    for name, sizes in SIZES.items()
    for k, n in enumerate(sizes)
]


@pytest.mark.parametrize(("name", "n"), CASES)
def test_orders_0_to_2_against_mpmath(name, n):
    """Eager, compiled, and in compiled lanes.

    Condition numbers are 3, eigenvalues at least 0.3 apart. A product of n terms has a rounding error of n·eps, an order
    multiplies sizes by at most 1/gap or the condition number, and up to 49 terms are added: 1e-12 leaves a factor of 10.
    """
    f, reference, kind = FUNCTIONS[name]
    a = taken(kind, n)
    direction = np.random.default_rng(n).normal(size=a.shape)
    expected = [along(reference, a, direction)[order] for order in ORDERS]
    ours = three(number(f), direction)
    compiled = al.jit(ours)
    found = [ours(a), compiled(a), [column[1] for column in al.jit(al.vmap(ours))(np.stack([1.5 * a, a, a + 0.01]))]]
    for numbers in found:
        assert np.allclose(np.array(numbers, dtype=float), expected, rtol=1e-12, atol=1e-12 * max(map(abs, expected)))


class TestProducts:
    """Products of matrices in rules: one operation where they are many, with the sums of scalar code."""

    @pytest.mark.parametrize("lanes", [(), (3,)])
    def test_sums_are_those_of_scalar_code(self, lanes):
        """Each from first to last, whatever the layout, the shape and the lanes; `@` has an order of its own."""
        rng = np.random.default_rng(0)
        for m, n, k in itertools.product((1, 2, 7, 20), (1, 2, 9, 33), (1, 2, 8, 21)):
            a, b = rng.normal(size=(*lanes, m, n)), rng.normal(size=(*lanes, n, k))
            expected = a[..., :, 0, None] * b[..., None, 0, :]
            for t in range(1, n):
                expected = expected + a[..., :, t, None] * b[..., None, t, :]
            turned = np.swapaxes(np.swapaxes(a, -1, -2).copy(), -1, -2)
            for left in (a, turned):
                assert np.array_equal(matrices.multiplied(left, b), expected), (m, n, k)

    @pytest.mark.parametrize(("m", "n", "k"), [(13, 13, 13), (30, 9, 8), (50, 50, 1)])
    def test_derivatives_are_those_of_scalar_code(self, m, n, k, monkeypatch):
        """Values to the bit, three orders but for the order of sums; and a row of zeros gives zeros, which are no nodes."""
        a, b = np.cos(np.arange(1.0, 1.0 + m * n)).reshape(m, n), np.sin(np.arange(1.0, 1.0 + n * k)).reshape(n, k)
        a[0] = 0.0

        def multiplied(t):
            left, right = ([[x * t if x else 0.0 for x in row] for row in given.tolist()] for given in (a, b))
            return matrices.product(np.array(left, dtype=object), np.array(right, dtype=object))

        f = number(multiplied)
        first, second = al.grad(f), al.grad(al.grad(f))
        every = lambda t: (f(t), first(t), second(t), al.grad(second)(t), al.hvp(f, (t,), (2.0,)))
        found, compiled = every(0.7), al.jit(every)(0.7)
        results = multiplied(al.Variable(0.7))
        assert [type(x) for x in results.ravel().tolist()] == [float] * k + [al.Variable] * (m * k - k)
        assert {x.primitive.name for x in results.ravel()[k:]} == {"product"}
        monkeypatch.setattr(matrices, "MANY_PRODUCTS", math.inf)
        monkeypatch.setattr(matrices, "MANY_TRACED", math.inf)
        written = every(0.7)
        assert found[0] == compiled[0] == written[0]
        # Each order is a sum of at most four times m·n·k terms t²·a·b, t·a·b or a·b, in whatever order.
        error = 4 * (m * n * k) * EPS * 4 * (np.abs(a) @ np.abs(b)).sum()
        assert np.allclose(found, written, rtol=0.0, atol=error)
        assert np.allclose(compiled, written, rtol=0.0, atol=error)

    @pytest.mark.parametrize("name", ["solve", "inv", "det", "slogdet", "cholesky", "eigh", "expm", "lstsq", "pinv"])
    def test_second_derivatives_grow_with_the_entries(self, name):
        """Twice the rows, four times the nodes of a Hessian product, not the eight times of products as scalar code.

        Lower powers of n move the quotient from 4 by less than a twentieth; products that are scalar code of 16 rows only
        make it smaller.
        """
        f, _, kind = FUNCTIONS[name]
        counts = []
        for n in (16, 32):
            a = taken(kind, n)
            counts.append(len(al.trace(lambda a, v: al.hvp(number(f), (a,), (v,)), a, a)))
        assert counts[1] <= 4.2 * counts[0]

    @pytest.mark.parametrize("name", ["solve", "inv", "cholesky", "lstsq", "expm"])
    def test_gradients_have_the_bits_of_compiled_ones(self, name):
        """Below and above the size from which on a product is one operation: LAPACK gets the same numbers."""
        f, _, kind = FUNCTIONS[name]
        for n in (6, 14):
            a = taken(kind, n)
            assert np.array_equal(al.grad(number(f))(a), al.jit(al.grad(number(f)))(a)), n

    @full
    @pytest.mark.parametrize("name", ["solve", "inv", "det", "slogdet", "cholesky", "eigh", "expm", "lstsq"])
    def test_orders_against_mpmath(self, name):
        """As of small matrices; products of 14 rows are operations in traces too."""
        test_orders_0_to_2_against_mpmath(name, 14)


@pytest.mark.parametrize("name", ["solve", "inv", "det", "slogdet", "eigh"])
def test_lanes_of_numpy(name):
    """The same numbers by the backend of arrays."""
    f, _, kind = FUNCTIONS[name]
    a, direction = taken(kind, 5), np.random.default_rng(5).normal(size=(5, 5))
    stack = np.stack([1.5 * a, a])
    ours = al.vmap(three(number(f), direction))
    for one, other in zip(al.jit(ours, backend="numpy")(stack), al.jit(ours)(stack), strict=True):
        assert np.allclose(one, other, rtol=1e-13, atol=1e-13)


@full
@pytest.mark.parametrize("name", ["solve", "slogdet", "cholesky", "eigvalsh", "lstsq"])
def test_large_matrices(name):
    """Twenty rows: the gradient against differences of our own value along a direction, by their fourth order."""
    f, _, kind = FUNCTIONS[name]
    a = taken(kind, 20)
    direction = np.random.default_rng(20).normal(size=a.shape) / 10
    ours, h = number(f), 1e-3
    slope = (
        8 * (ours(a + h * direction) - ours(a - h * direction))
        - ours(a + 2 * h * direction)
        + ours(a - 2 * h * direction)
    ) / (12 * h)
    found = (al.jit(al.grad(ours))(a) * direction).sum()
    assert found == pytest.approx(float(slope), rel=1e-6, abs=1e-6 * abs(float(ours(a))))
    assert np.allclose(al.grad(ours)(a), al.jit(al.grad(ours))(a), rtol=1e-10, atol=1e-10)


# ----------------------------------------------------------------------------------------------------------- accuracy


HARD = {
    "hilbert": lambda n: 1.0 / (np.arange(n)[:, None] + np.arange(n) + 1.0),
    "zero pivots": lambda n: np.roll(np.eye(n), 1, axis=0) * 3.0 + np.triu(np.ones((n, n)), 2),
    "graded": lambda n: 10.0 ** (-6.0 * np.arange(n))[:, None] * regular(n),
    "nearly singular": lambda n: np.ones((n, n)) + 1e-10 * regular(n),
    "tiny pivot": lambda n: regular(n) - np.eye(n) * (regular(n)[0, 0] - 1e-17),
}


@pytest.mark.parametrize("n", mostly_full([2, 3, 4, 6], (1, 3)))
@pytest.mark.parametrize("kind", HARD)
def test_the_backward_error_of_solve_is_that_of_lapack(kind, n):
    """|A·x - b| against n·eps·|A|·|x|, where LAPACK has a factor of about 1; growth of pivots is at most 2^(n-1)."""
    a = HARD[kind](n)
    b = np.linspace(-1.0, 2.0, n)
    for x in (la.solve(a, b), al.jit(la.solve)(a, b)):
        backward = np.abs(a @ x - b).max() / (np.abs(a).sum(axis=1).max() * np.abs(x).max())
        assert backward <= 4 * n * EPS


@pytest.mark.parametrize("n", [2, 3, 4, 6])
def test_hard_determinants(n):
    """Within n! rounding errors of the permanent of sizes, as elimination has."""
    for kind, make in HARD.items():
        a = make(n)
        with mpmath.workdps(60):
            exact = mpmath.det(mpmath.matrix(a.tolist()))
        size = float(np.prod(np.abs(a).sum(axis=1)))
        assert abs(la.det(a) - float(exact)) <= 8 * n * EPS * size, kind
        assert la.slogdet(a).sign == np.sign(float(exact)) or abs(float(exact)) <= 8 * n * EPS * size


def test_logarithms_do_not_overflow():
    """Of determinants beyond the range of floats, up and down."""
    for n in (2, 4, 6):
        for scale in (1e200, 1e-200):
            assert la.slogdet(scale * np.eye(n)).logabsdet == pytest.approx(n * math.log(scale), rel=1e-15)
            slope = al.grad(lambda a: la.slogdet(a).logabsdet)(scale * np.eye(n))
            assert np.allclose(slope * scale, np.eye(n))


# ------------------------------------------------------------------------------------------------------ singular matrices


@pytest.mark.parametrize("n", mostly_full([2, 3, 4, 5], (0, 3)))
class TestSingular:
    """Errors of ours; in lanes NaN, the neighbours right."""

    def test_errors(self, n):
        """Eagerly, under a transform, compiled, and fine again afterwards."""
        ones = np.ones((n, n))
        compiled = al.jit(lambda a: la.solve(a, np.arange(n) + 1.0)[0])
        compiled(np.eye(n))
        for wrong in (
            lambda: la.solve(ones, np.ones(n)),
            lambda: al.grad(lambda a: la.inv(a)[0, 0])(ones),
            lambda: compiled(ones),
            lambda: np.linalg.inv(al.array(ones * al.Variable(1.0))),
        ):
            with pytest.raises(
                np.linalg.LinAlgError, match=rf"of a singular matrix of shape \({n}, {n}\): pivot 2 of {n}"
            ) as e:
                wrong()
            assert isinstance(e.value, al.MatrixError)
            assert isinstance(e.value, al.AutogradLiteError)
        assert compiled(2.0 * np.eye(n)) == 0.5

    @pytest.mark.parametrize("backend", ["numpy", None])
    def test_lanes(self, n, backend):
        """Of solve, inv, cholesky; values and gradients."""
        options = {} if backend is None else {"backend": backend}
        stack = np.stack([np.eye(n), np.ones((n, n)), 2.0 * np.eye(n)])
        value = al.jit(al.vmap(lambda a: la.solve(a, np.ones(n))[0]), **options)(stack)
        slope = al.jit(al.vmap(al.grad(lambda a: la.inv(a)[0, 0])), **options)(stack)
        assert np.array_equal(value, [1.0, math.nan, 0.5], equal_nan=True)
        assert np.array_equal(slope[:, 0, 0], [-1.0, math.nan, -0.25], equal_nan=True)
        stack[1] = -np.eye(n)
        value = al.jit(al.vmap(lambda a: la.cholesky(a)[0, 0]), **options)(stack[[0, 1, 0]])
        slope = al.jit(al.vmap(al.grad(lambda a: la.cholesky(a)[0, 0])), **options)(stack[[0, 1, 0]])
        assert np.array_equal(value, [1.0, math.nan, 1.0], equal_nan=True)
        assert np.array_equal(slope[:, 0, 0], [0.5, math.nan, 0.5], equal_nan=True)

    def test_determinants(self, n):
        """The first derivative is the adjugate, the second finite: both polynomials, here of a matrix of rank n - 1."""
        a = regular(n)
        a[-1] = a[0] if n == 2 else a[0] + a[1]
        minors = [[np.linalg.det(np.delete(np.delete(a, i, 0), j, 1)) for j in range(n)] for i in range(n)]
        cofactors = np.array(minors) * (-1.0) ** np.add.outer(range(n), range(n))
        for found in (al.grad(la.det)(a), al.jit(al.grad(la.det))(a)):
            assert np.allclose(found, cofactors, rtol=0, atol=1e-13)
        direction = np.random.default_rng(n).normal(size=(n, n))
        second = along(lambda m: [mpmath.det(m) / mpmath.mpf(math.cos(1.0))], a, direction)[2]
        found = (al.hvp(la.det, (a,), (direction,)) * direction).sum()
        assert found == pytest.approx(second, rel=1e-12, abs=1e-12)
        assert np.all(
            al.hessian(la.det)(np.zeros((n, n))) == (np.zeros((n,) * 4) if n > 2 else al.hessian(la.det)(np.eye(2)))
        )

    def test_slogdet(self, n):
        """As NumPy: a sign of 0, and minus infinity."""
        for a in (np.ones((n, n)), np.zeros((n, n))):
            sign, logarithm = la.slogdet(a)
            assert (sign, logarithm) == (0.0, -math.inf)


def test_rank_and_definiteness():
    """Messages with the numbers."""
    with pytest.raises(al.MatrixError, match=r"not positive definite: its smallest eigenvalue is -1 "):
        la.cholesky(np.diag([1.0, -1.0]))
    with pytest.raises(al.MatrixError, match=r"not positive definite: its smallest eigenvalue is -2 "):
        al.grad(lambda a: la.cholesky(a)[0, 0])(np.diag([3.0, 2.0, 1.0, -2.0, 4.0, 5.0, 6.0]))
    with pytest.raises(al.MatrixError, match=r"rank 1, singular values from 2\.45 to .*not unique"):
        la.lstsq(np.ones((3, 2)), np.ones(3))
    with pytest.raises(al.MatrixError, match=r"has rank 1"):
        la.lstsq(np.ones((2, 3)), np.ones(2))
    with pytest.raises(al.MatrixError, match=r"3 unknowns in 0 equations"):
        la.lstsq(np.ones((0, 3)), np.ones(0))


@pytest.mark.parametrize("shape", [(1, 4), (2, 3), (5, 9)])
def test_fewer_equations_than_unknowns(shape):
    """The shortest solution, as NumPy's; its derivative is that of A⁺·b, in lanes too."""
    rng = np.random.default_rng(0)
    a, b, w = rng.normal(size=shape), rng.normal(size=shape[0]), rng.normal(size=shape[1])
    plain = np.linalg.lstsq(a, b, rcond=None)
    ours = la.lstsq(a, b)
    for got, exact in zip(ours, plain, strict=True):
        np.testing.assert_allclose(got, exact, rtol=1e-12, atol=1e-13)
    slope = lambda a: al.grad(lambda a: np.linalg.lstsq(a, b, rcond=None)[0] @ w)(a)
    inverse = np.linalg.pinv(a)
    x, left = plain[0], w - inverse @ (a @ w)  # of w, what the rows of A do not reach
    exact = np.outer(inverse.T @ x, left) - np.outer(inverse.T @ w, x)  # dA⁺ = -A⁺·dA·A⁺ + (1 - A⁺A)·dAᵀ·(A·Aᵀ)⁻¹
    np.testing.assert_allclose(slope(a), exact, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(al.jit(al.vmap(slope))(np.stack([a, a]))[1], exact, rtol=1e-11, atol=1e-12)


def test_numbers_that_are_not_finite_are_values():
    """NaN in, NaN out, at every size; nothing foreign is raised."""
    for n in (2, 5):
        for bad in (math.nan, math.inf):
            a = np.full((n, n), bad)
            assert np.isnan(la.solve(a, np.ones(n))).all()
            assert np.isnan(la.eigh(a).eigenvalues).all()
            assert np.isnan(al.jit(al.grad(lambda a: la.inv(a)[0, 0]))(a)).all()


# ------------------------------------------------------------------------------------------------------ eigenvalues


def turned(values, seed=3):
    """A symmetric matrix with these eigenvalues."""
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(values),) * 2))
    a = q @ np.diag(values) @ q.T
    return np.tril(a) + np.tril(a, -1).T


SYMMETRIC = {
    "sum": (lambda w: w.sum(), lambda a, s: (np.trace(s), 0.0)),
    "squares": (lambda w: (w * w).sum(), lambda a, s: (2 * np.trace(a @ s), 2 * np.trace(s @ s))),
    "logdet": (lambda w: np.log(w).sum(), lambda a, s: (np.trace(x := np.linalg.solve(a, s)), -np.trace(x @ x))),
    "square of the sum": (lambda w: w.sum() ** 2, lambda a, s: (2 * np.trace(a) * np.trace(s), 2 * np.trace(s) ** 2)),
    "pairs": (
        lambda w: (w.sum() ** 2 - (w * w).sum()) / 2,
        lambda a, s: (np.trace(a) * np.trace(s) - np.trace(a @ s), np.trace(s) ** 2 - np.trace(s @ s)),
    ),
}


@pytest.mark.parametrize(
    "values", mostly_full([[1.0] * 4, [1.0, 1.0, 2.0], [1.0, 2.0, 3.0, 4.0], [2.0, 2.0, 2.0, 5.0, 7.0]], slice(0, 2))
)
@pytest.mark.parametrize("name", SYMMETRIC)
def test_symmetric_functions_of_equal_eigenvalues(name, values):
    """First and second derivatives, eagerly, compiled and in lanes; a fixed factor of 100 rounding errors."""
    g, derivatives = SYMMETRIC[name]
    a = turned(values) if len(set(values)) > 1 else np.eye(len(values))
    direction = np.random.default_rng(1).normal(size=a.shape)
    first, second = derivatives(a, np.tril(direction) + np.tril(direction, -1).T)
    f = lambda a: g(la.eigvalsh(a))
    curvature = lambda a: (al.hvp(f, (a,), (direction,)) * direction).sum()
    size = 100 * EPS * (np.abs(direction).sum() ** 2) * max(values)
    assert (al.grad(f)(a) * direction).sum() == pytest.approx(first, abs=size)
    assert al.jvp(f, (a,), (direction,))[1] == pytest.approx(first, abs=size)
    for found in (curvature(a), al.jit(curvature)(a), al.jit(al.vmap(curvature))(np.stack([a, a]))[1]):
        assert found == pytest.approx(second, abs=size)
    assert direction.ravel() @ al.hessian(f)(a).reshape(a.size, a.size) @ direction.ravel() == pytest.approx(
        second, abs=size
    )


def test_equal_singular_values():
    """The squared Frobenius norm by singular values: its Hessian is twice the identity."""
    for a in (np.eye(3), 2.0 * np.eye(4)[:, :2], np.diag([3.0, 3.0, 1.0])):
        hessian = al.hessian(lambda a: (la.svdvals(a) ** 2).sum())(a).reshape(a.size, a.size)
        assert np.allclose(hessian, 2.0 * np.eye(a.size), atol=1e-13)


def test_eigenvectors_of_equal_eigenvalues_have_no_derivative():
    """NaN, and not a large number; those of others have one."""
    f = lambda a: la.eigh(a).eigenvectors[0, 0]
    for slope in (al.grad(f)(np.eye(4)), al.jit(al.grad(f))(np.eye(4)), al.grad(f)(turned([1.0, 1.0, 2.0]))):
        assert np.isnan(slope[0, 0])
    assert np.isfinite(al.grad(f)(np.diag([1.0, 2.0, 3.0]))).all()


def test_one_triangle_is_read():
    """As NumPy does it. An entry below the diagonal stands for two: its derivative is the sum of both, that above is 0."""
    a = positive(3)
    garbage = a + np.triu(np.full((3, 3), 9.0), 1)
    for f in (lambda a: la.cholesky(a)[2, 2], lambda a: la.eigvalsh(a)[0], lambda a: la.eigh(a, "l").eigenvalues[2]):
        slope = al.grad(f)(garbage)
        assert f(garbage) == f(a)
        assert np.array_equal(slope, al.grad(f)(a))
        assert np.array_equal(slope, np.tril(slope))
        al.check_grads(f, (garbage,), order=1)
    assert np.array_equal(la.cholesky(garbage.T, upper=True), la.cholesky(a).T)
    assert np.array_equal(la.eigvalsh(garbage.T, "U"), la.eigvalsh(a))
    upper = al.grad(lambda a: la.cholesky(a, upper=True)[0, 2])(garbage.T)
    assert np.array_equal(upper, al.grad(lambda a: la.cholesky(a)[2, 0])(a).T)


# -------------------------------------------------------------------------------------------------------- arguments


def test_floats_give_plain_results():
    """Of NumPy's types and values; also of stacks."""
    for n in (3, 6):
        a, b = regular(n), np.linspace(0.0, 1.0, n)
        assert type(la.solve(a, b)) is np.ndarray
        assert la.solve(a, b).dtype == float
        assert type(la.det(a)) is type(la.slogdet(a).sign) is type(la.norm(a)) is type(la.norm(a, 2)) is float
        s = np.stack([a, 2 * a, a.T])
        for name in ("inv", "det", "svdvals", "expm", "pinv"):
            theirs = getattr(np.linalg, name, scipy.linalg.expm)
            if name != "pinv":
                assert np.allclose(getattr(la, name)(s), theirs(s), rtol=1e-12)
            assert np.allclose(getattr(la, name)(a), theirs(a), rtol=1e-12)
        assert np.allclose(la.slogdet(s), np.linalg.slogdet(s), rtol=1e-12)
        assert np.allclose(la.solve(s, b[:, None]), np.linalg.solve(s, b[:, None]))
        assert np.allclose(la.solve(s, b), np.linalg.solve(s, b))
        assert np.allclose(la.cholesky(np.stack([positive(n)] * 2)), np.linalg.cholesky(np.stack([positive(n)] * 2)))
        assert np.allclose(
            la.eigh(np.stack([positive(n)] * 2)).eigenvalues, np.linalg.eigvalsh(np.stack([positive(n)] * 2))
        )


def test_lists_and_mixed_numbers():
    """Nests of floats and Variables."""
    x = al.Variable(2.0)
    y = la.solve([[x, 1], [1, 3]], [1, 2])
    assert [v.value for v in y] == la.solve([[2.0, 1.0], [1.0, 3.0]], [1.0, 2.0]).tolist()
    y[0].backward()
    assert x.grad == pytest.approx(-0.2 * 0.6, rel=1e-15)  # -(A⁻¹)₀₀·x₀
    assert la.det([[x]]).value == 2.0
    assert al.grad(lambda b: la.solve(regular(5), b).sum())(np.ones(5)) == pytest.approx(la.inv(regular(5)).sum(axis=0))


def test_stacks_have_derivatives():
    """Of matrices alone, of right-hand sides alone, and broadcast."""
    for n in (2, 5):
        a, b = np.stack([regular(n), regular(n, 1)]), np.ones((n, 1))
        for f in (la.inv, la.det, lambda a: la.slogdet(a)[1], lambda a: la.solve(a, b), la.expm, la.svdvals):
            slope = al.grad(number(lambda a: [f(m) for m in a]))(a)
            assert np.array_equal(al.grad(number(f))(a), slope)
        slope = al.grad(lambda b: (la.solve(a, b) ** 2).sum())(b)
        assert np.allclose(slope, sum(al.grad(lambda b: (la.solve(m, b) ** 2).sum())(b) for m in a))


def test_mapped_over_matrices_right_hand_sides_or_both():
    """And the gradient with respect to what all lanes share."""
    for n in (2, 5):
        a, b = np.stack([regular(n, k) for k in range(3)]), np.arange(3.0 * n).reshape(3, n)
        for axes, f in (
            ((0, None), lambda k: (a[k], b[0])),
            ((None, 0), lambda k: (a[0], b[k])),
            ((0, 0), lambda k: (a[k], b[k])),
        ):
            given = tuple(whole if axis == 0 else whole[0] for whole, axis in zip((a, b), axes, strict=True))
            found = al.jit(al.vmap(la.solve, in_axes=axes))(*given)
            assert np.array_equal(found, al.vmap(la.solve, in_axes=axes)(*given))
            assert np.allclose(found, [np.linalg.solve(*f(k)) for k in range(3)])
        shared = lambda a: al.vmap(lambda b: la.solve(a, b).sum(), reduce="sum")(b)
        one_by_one = lambda a: al.sum([la.solve(a, row).sum() for row in b])
        for found in (al.grad(shared)(a[0]), al.jit(al.grad(shared))(a[0])):
            assert np.allclose(found, al.grad(one_by_one)(a[0]), rtol=1e-13)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (
            lambda: la.solve(np.ones((2, 3)), np.ones(2)),
            r"solve takes a square matrix and got one of shape \(2, 3\).*lstsq",
        ),
        (lambda: la.solve(np.eye(3), np.ones(2)), r"matrix of shape \(3, 3\) and right-hand sides of shape \(2,\)"),
        (lambda: la.solve(np.ones((2, 2, 2)), np.ones((3, 2, 1))), "do not broadcast together"),
        (lambda: la.inv([1.0, 2.0]), r"inv takes a matrix and got an array of shape \(2,\)"),
        (lambda: la.det(3.0), r"det takes a matrix and got an array of shape \(\)"),
        (lambda: la.inv([[1.0, 2.0], [3.0]]), "Give rows of equal length"),
        (lambda: la.inv([["a", 2.0], [3.0, 1.0]]), "'a' is not a real number"),
        (lambda: la.inv(np.eye(2) * 1j), "complex"),
        (lambda: la.eigh(np.eye(2), "X"), 'UPLO="L"'),
        (lambda: la.matrix_power(np.eye(2), 0.5), "whole number"),
        (lambda: la.lstsq(np.eye(2), np.ones(3)), "for each of its rows"),
        (lambda: la.solve_triangular, "al.linalg.solve"),
        (lambda: al.logdet, "al.linalg.slogdet"),
        (lambda: np.linalg.norm(al.array([[al.Variable(1.0)]]), "x"), "'nuc', 1, -1, 2, -2"),
    ],
)
def test_errors_name_what_was_given(wrong, words):
    """Of ours, with shapes."""
    with pytest.raises(al.AutogradLiteError, match=words):
        wrong()


def test_empty_matrices():
    """As NumPy has them."""
    none = np.zeros((0, 0))
    assert la.det(none) == 1.0
    assert la.slogdet(none) == (1.0, 0.0)
    assert la.inv(none).shape == la.cholesky(none).shape == (0, 0)
    assert la.solve(none, np.zeros(0)).shape == (0,)
    for n in (2, 5):
        stack = np.zeros((0, n, n))
        for name in ("inv", "det", "cholesky", "eigvalsh", "svdvals"):
            assert getattr(la, name)(stack).shape == getattr(np.linalg, name, lambda a: a[:, 0])(stack).shape
        assert la.solve(stack, np.zeros((0, n, 1))).shape == (0, n, 1)


NUMPYS = {
    "inv": (), "det": (), "cholesky": (), "eigvalsh": (), "eigh": (), "slogdet": (), "solve": (np.ones(5),), "pinv": (),
    "lstsq": (np.ones(5),), "matrix_power": (-2,), "cond": (), "norm": ("nuc",),
}  # fmt: skip


def flat(found):
    """All numbers of a result, of the parts of a tuple one behind the other."""
    parts = found if isinstance(found, tuple) else (found,)
    return [n for part in parts for n in np.ravel(np.asarray(part, dtype=object)).tolist()]


@pytest.mark.parametrize("name", NUMPYS)
def test_numpys_functions_of_our_arrays(name):
    """Those of `al.linalg`, to the bit, with named tuples where NumPy has them; and under transforms."""
    more, a = NUMPYS[name], positive(5)
    variables = al.array(a * al.Variable(1.0))
    theirs, ours = getattr(np.linalg, name)(variables, *more), getattr(la, name)(variables, *more)
    assert type(theirs) is type(ours)
    assert [getattr(n, "value", n) for n in flat(theirs)] == [getattr(n, "value", n) for n in flat(ours)]
    slopes = [al.grad(lambda a: al.sum(flat(getattr(home, name)(a, *more))[:5]))(a) for home in (np.linalg, la)]
    assert slopes[0].shape == (5, 5)
    assert np.array_equal(*slopes)


def test_plain_arrays_and_scipy_name_the_way():
    """Where they refuse Variables inside a transform."""
    plain = lambda t: np.array([[t, 1.0], [1.0, 3.0]], dtype=object)
    with pytest.raises(al.OperandError, match=r"numpy's inv .*al\.linalg\.inv.*al\.array"):
        al.grad(lambda t: np.linalg.inv(plain(t))[0, 0])(2.0)
    for name in ("logm", "sqrtm", "solve_toeplitz", "ldl", "lu_factor"):
        more = (np.ones(2),) if name.startswith("solve") else ()
        with pytest.raises(al.OperandError, match=rf"scipy's {name}"):
            al.grad(lambda a: getattr(scipy.linalg, name)(a, *more)[0])(np.array([[2.0, 1.0], [0.5, 3.0]]))


# ------------------------------------------------------------------------------------ operations with many results


def variables(n=5):
    return al.array([[al.Variable(x, name=f"a{i}{j}") for j, x in enumerate(row)] for i, row in enumerate(regular(n))])


class TestNodes:
    """Plain Variables without a trace."""

    def test_sweeps(self):
        """backward, gradients, accumulation, and graphs of gradients; the numbers are those of the recording."""
        a = variables()
        y = (la.solve(a, np.ones(5)) ** 2).sum()
        slopes = al.grad(lambda a: (la.solve(a, np.ones(5)) ** 2).sum())(regular(5))
        y.backward()
        y.backward(2.0)
        assert np.allclose([[v.grad for v in row] for row in a], 3.0 * slopes)
        assert np.array_equal(al.gradients(y, a), slopes)
        graph = al.gradients(y, a, create_graph=True)
        second = np.array(al.gradients(graph[0, 0], a))
        assert np.allclose(second, al.hessian(lambda a: (la.solve(a, np.ones(5)) ** 2).sum())(regular(5))[0, 0])
        a[0, 0].value = 7.0
        assert np.array_equal(al.gradients(y, a), slopes)
        with pytest.raises(al.StaleGraphError):
            al.gradients(y, a, create_graph=True)

    def test_facts(self):
        """A result is a node of the operation on all its arguments."""
        a = variables()
        x = la.solve(a, np.ones(5))
        assert "op='solve'" in repr(x[0])
        assert x[0].primitive.name == "solve"
        assert x[0].parents == tuple(a.ravel())
        inverse = np.linalg.inv(regular(5))
        locals_ = np.array([local for _, local in x[2].local_gradients]).reshape(5, 5)
        assert np.allclose(locals_, -np.outer(inverse[2], [v.value for v in x]))
        assert all(
            node.primitive is None or node.primitive.name in ("solve", "add") for node in al.topological_order(x.sum())
        )
        assert set(al.gradients(x[0])) == {x[0], *a.ravel()}
        with pytest.raises(al.ReadOnlyError, match="computed by solve"):
            x[0].value = 1.0

    def test_copies(self):
        """Pickles and deep copies keep the numbers of the recording."""
        a = variables()
        y = la.inv(a)[1, 2] * la.inv(2.0 * a)[0, 1]
        for other in (pickle.loads(pickle.dumps((y, a))), copy.deepcopy((y, a))):
            assert other[0].value == y.value
            assert np.array_equal(al.gradients(*other), al.gradients(y, a))
            assert np.array_equal(
                [[v.value for v in row] for row in al.gradients(*other, create_graph=True)], al.gradients(y, a)
            )

    def test_pictures_and_words(self):
        """draw, explain, why, blame, kinks and the watch."""
        a = variables()
        y = (la.solve(a, np.ones(5)) ** 2).sum()
        assert "solve" in str(al.explain(y))
        slope = al.gradients(y, a)[0, 0]
        assert f"{slope:+.5g}" in str(al.explain(y, a[0, 0]))
        assert f"{slope:.5g}" in str(al.why(y, a[0, 0]))
        assert "finite" in str(al.blame(y))
        assert "agrees" in str(al.audit(y))
        assert "No kink" in str(al.kinks(y))
        assert "nodes" in repr(al.draw(y))
        assert "born" in str(al.blame(la.solve(a * al.Variable(math.nan), np.ones(5)).sum()))
        with al.raise_on_nonfinite(), pytest.raises(al.NonFiniteError):
            al.grad(lambda a: la.eigh(a).eigenvectors[0, 0])(np.eye(5))

    @pytest.mark.parametrize("name", ["inv", "cholesky"])
    def test_a_watched_lane_without_a_result_is_named(self, name):
        """Lanes run one by one there, on plain numbers: NumPy's own error came out."""
        stack = np.stack([regular(5) @ regular(5).T, np.zeros((5, 5))])

        def by_numpy(a):
            return getattr(np.linalg, name)(a)

        for f in (by_numpy, al.jit(by_numpy), al.grad(lambda a: by_numpy(a).sum())):
            with (
                al.raise_on_nonfinite(),
                pytest.raises(al.MatrixError, match=rf"^lane 1 at test_linalg.py:\d+: {name}"),
            ):
                al.vmap(f)(stack)
        with pytest.raises(al.MatrixError, match=rf"^lane 1: {name}"), al.raise_on_nonfinite():
            al.vmap(getattr(np.linalg, name))(stack)

    def test_checks(self):
        """check_grads to the second order."""
        al.check_grads(lambda b: (la.solve(regular(5), b) ** 2).sum(), (np.ones(5),), order=2)

    def test_other_nodes_around(self):
        """An operation beside branches, conditions, and a node that is reached twice."""

        def f(a, t):
            x = la.solve(a * t, np.ones(5))
            return al.where(t > 0, x[0], 1.0) * al.relu(x[1]) + al.maximum(x[2], x[3]) + x[2] * t

        slopes = al.grad(f, (0, 1))(regular(5), 1.5)
        for found in (al.jit(al.grad(f, (0, 1)))(regular(5), 1.5), al.grad(al.jit(f), (0, 1))(regular(5), 1.5)):
            assert np.array_equal(found[0], slopes[0])
            assert found[1] == slopes[1]
        al.check_grads(f, (regular(5), 1.5), order=1)


class TestPrograms:
    """Compiled, in loops, under conditions."""

    def test_captured_variables(self):
        """From outside of a compiled function, at both orders."""
        w = al.Variable(2.0)
        f = lambda a: (la.solve(a * (w * w), np.ones(5)) ** 2).sum()
        compiled, plain = al.jit(f)(regular(5)), f(regular(5))
        slopes = [al.gradients(y, w, create_graph=True) for y in (compiled, plain)]
        assert slopes[0].value == slopes[1].value
        assert al.gradients(slopes[0], w) == pytest.approx(al.gradients(slopes[1], w), rel=1e-13)

    @pytest.mark.parametrize("backend", ["numpy", None])
    def test_loops_in_lanes(self, backend):
        """A scan and a while_loop whose steps solve."""
        options = {} if backend is None else {"backend": backend}

        def scanned(xs):
            step = lambda c, x: ((s := la.solve(regular(5) + 3.0 * np.eye(5) * x, c)), s[0])
            carry, outputs = al.scan(step, np.ones(5), xs)
            return carry.sum() + outputs.sum()

        def repeated(t):
            a = 4.0 * np.eye(5) + regular(5)
            return al.while_loop(lambda c: abs(c[0]) > 1e-3, lambda c: la.solve(a * t, c), np.ones(5)).sum()

        xs = np.linspace(1.0, 2.0, 6)
        rows = np.stack([xs, xs + 1.0, 2.0 * xs])
        slopes = [al.grad(scanned)(row) for row in rows]
        assert np.allclose(al.jit(al.vmap(al.grad(scanned)), **options)(rows), slopes, rtol=1e-13)
        assert np.allclose(al.jit(al.grad(scanned))(xs), slopes[0], rtol=1e-13)
        found = al.jit(al.vmap(al.value_and_grad(repeated)), **options)(np.array([0.7, 1.0, 2.0]))
        expected = [al.value_and_grad(repeated)(t) for t in (0.7, 1.0, 2.0)]
        assert np.allclose(np.array(found).T, expected, rtol=1e-13)

    def test_conditions(self):
        """What was not taken sends nothing: an infinite derivative behind it stays there."""

        def f(a, t):
            return al.where(t > 0.0, la.solve(a, np.ones(5)).sum(), al.sqrt(t) * la.inv(a)[0, 0])

        for t in (0.0, 1.0):
            slopes = al.grad(f, (0, 1))(regular(5), t)
            compiled = al.jit(al.grad(f, (0, 1)))(regular(5), t)
            lanes = al.jit(al.vmap(al.grad(f, (0, 1)), in_axes=(None, 0)))(regular(5), np.array([t, 1.0]))
            assert np.allclose(compiled[0], slopes[0])
            assert np.allclose(lanes[0][0], slopes[0])
            assert compiled[1] == slopes[1] == lanes[1][0]

    def test_equal_operations_are_one_instruction(self):
        """And those of a gradient use the results of the value."""
        tape = al.trace(lambda a: la.inv(a)[0, 0] + la.inv(a)[1, 1], regular(5))
        assert [rule.name for rule, _ in tape.code].count("inv") == 1
        tape = al.trace(al.value_and_grad(lambda a: la.inv(a)[0, 0]), regular(5))
        assert [rule.name for rule, _ in tape.code].count("inv") == 1

    def test_random_numbers_beside_them_are_found(self):
        """A program with matrices is traced twice, as others are."""
        rng = np.random.default_rng(0)
        with pytest.raises(al.TraceError, match="different programs when traced twice"):
            al.jit(lambda a: la.inv(a)[0, 0] * rng.normal())(regular(5))

    def test_many_of_them(self):
        """Programs that repeat stay right, whatever is rolled."""
        stack = np.stack([regular(5, k) for k in range(30)])
        f = lambda a: al.sum([(la.solve(m, np.ones(5)) ** 2).sum() for m in a])
        assert np.array_equal(al.jit(al.grad(f))(stack), al.grad(f)(stack))

    def test_texts_and_files(self, tmp_path):
        """Small matrices are scalar code; an operation by LAPACK says that it has no text."""
        tape = al.trace(lambda a: la.inv(a)[0, 0], regular(5))
        assert tape(regular(5)) == la.inv(regular(5))[0, 0]
        with pytest.raises(CompilationError, match="holds inv, an operation by LAPACK"):
            tape.source("c")
        with pytest.raises(al.TapeError, match="inv is an operation by LAPACK"):
            tape.save(tmp_path / "x.tape")
        with pytest.raises(al.OperandError, match="inv works on floats, not on numbers of type mpf"):
            tape(np.vectorize(mpmath.mpf, otypes=[object])(regular(5)))
        small = al.trace(lambda a: la.inv(a)[0, 0], regular(3))
        assert "double" in small.source("c")

    def test_sparse_patterns_are_dense(self):
        """Each result depends on all numbers."""
        found = al.sparse_jacobian(lambda b: la.solve(regular(5), b))(np.ones(5))
        assert np.allclose(found.toarray(), la.inv(regular(5)), rtol=1e-13)

    def test_in_another_process(self):
        """Operations of compiled functions are pickled with these."""
        for operation in (
            matrices.Solve(3, 1),
            matrices.LeastSquares(4, 2, 1, rcond=0.1),
            matrices.Eigh(2, quiet=True),
        ):
            assert pickle.loads(pickle.dumps(operation)) == operation


@full
@pytest.mark.parametrize("n", [2, 4, 5, 14])
def test_third_derivatives(n):
    """Of the determinant, a polynomial, and of the logarithm of it."""
    a, direction = regular(n), np.random.default_rng(n).normal(size=(n, n))
    third = lambda f: (al.grad(lambda a: (al.hvp(f, (a,), (direction,)) * direction).sum())(a) * direction).sum()
    x = np.linalg.solve(a, direction)
    assert third(lambda a: la.slogdet(a).logabsdet) == pytest.approx(2 * np.trace(x @ x @ x), rel=1e-12)
    t = np.cos(np.pi * (np.arange(n + 1) + 0.5) / (n + 1))
    coefficients = np.polynomial.polynomial.polyfit(t, [np.linalg.det(a + s * direction) for s in t], n)
    expected = 6 * coefficients[3] if n > 2 else 0.0
    assert third(la.det) == pytest.approx(expected, rel=1e-10, abs=1e-10)


class TestNumbersWithoutAnEnd:
    """NaN, infinities and numbers near the ends of the range: the same everywhere, no error or warning of NumPy."""

    FUNCTIONS = (
        lambda m: la.norm(m, 2),
        lambda m: la.norm(m, "nuc"),
        lambda m: la.cond(m),
        lambda m: np.sum(la.svdvals(m)),
        lambda m: la.pinv(m)[0, 0],
        lambda m: la.lstsq(m, np.ones(len(m))).x[0],
    )

    @pytest.mark.parametrize("f", FUNCTIONS)
    @pytest.mark.parametrize("n", [3, 6])
    @pytest.mark.parametrize("bad", [math.nan, math.inf])
    def test_decompositions(self, f, n, bad):
        """A `LinAlgError` "SVD did not converge" left value and gradient."""
        m = np.eye(n) + 0.1
        m[0, 1] = bad
        for run in (f, al.jit(f), lambda m: al.value_and_grad(f)(m)[0]):
            assert math.isnan(run(m))
        for run in (al.grad(f), al.jit(al.grad(f))):
            assert np.isnan(run(m)).any()
        lanes = al.vmap(al.grad(f))(np.stack([m, np.eye(n) * np.arange(1.0, n + 1.0)]))
        assert np.isnan(lanes[0]).any()
        assert np.isfinite(lanes[1]).all()

    @pytest.mark.parametrize("size", [1e-310, 1e-200, 1e200])
    @pytest.mark.parametrize("order", [None, "fro", 2, "nuc"])
    def test_scale(self, size, order):
        """Of floats the Frobenius norm was 0 or infinite where that of Variables was right."""
        m = np.array([[3.0, 1.0], [1.0, 3.0]])
        expected = la.norm(m, order)
        f = lambda m: la.norm(m, order)
        for run in (f, al.jit(f), lambda m: al.value_and_grad(f)(m)[0]):
            # subnormal numbers of 1e-310 are multiples of 5e-324, 5e-14 of themselves
            assert run(m * size) / size == pytest.approx(expected, rel=1e-12)

    def test_no_warnings_of_derivatives(self):
        """Where a derivative overflows, it is infinite or NaN, as elsewhere."""
        m = np.array([[3.0, 1.0, 0.5], [1.0, 4.0, 0.2], [0.5, 0.2, 2.0]])
        for f in (la.cond, lambda m: np.sum(la.eigh(m)[1] ** 2 * [[1.0, 2.0, 3.0]])):
            for scaled in (m * 1e-200, m * 1e-310):
                al.hessian(f)(scaled)

    def test_exponential_overflows_as_exp(self):
        """It was a bare NotImplementedError."""
        for run in (la.expm, al.jit(la.expm), al.jacobian(la.expm)):
            for matrix in (np.eye(6) * 1e100, np.array([[1e6, 1.0], [2.0, 1e6]]), np.eye(2)[None] * 1e200):
                assert not np.isfinite(run(matrix)).all()

    def test_message_of_many_numbers(self):
        """An operation on matrices takes many; all 36 were listed, by letters used twice."""
        with al.raise_on_nonfinite(), pytest.raises(al.NonFiniteError, match=r"slogdet\(36 numbers\) is -inf .* …"):
            al.grad(lambda m: la.slogdet(m)[1])(np.zeros((6, 6)))

    def test_vector_beside_equal_eigenvalues(self):
        """The vector of a simple eigenvalue has a derivative: NaN by `grad`, right by `jit`."""
        for n in (3, 5, 14):
            m = np.diag([1.0, 1.0, *np.arange(3.0, n + 1.0)])
            expected = np.zeros((n, n))
            expected[-1, 0] = 1.0 / (n - 1.0)  # v of n moves towards that of 1 by 1/(n - 1)
            f = lambda m: la.eigh(m)[1][0, -1] * np.sign(la.eigh(m)[1][-1, -1])
            for run in (al.grad(f), al.jit(al.grad(f)), lambda m: al.vmap(al.grad(f))(m[None])[0]):
                assert run(m) == pytest.approx(expected)
            assert np.isnan(al.grad(lambda m: la.eigh(m)[1][0, 0])(m)).any()

    def test_tables_of_another_library(self):
        """Going through a DataFrame gave the names of its columns."""
        pandas = pytest.importorskip("pandas")
        m, b = np.array([[3.0, 1.0], [1.0, 2.0]]), np.array([1.0, 2.0])
        table, column = pandas.DataFrame(m, columns=list("xy")), pandas.Series(b, index=list("pq"))
        assert la.solve(table, column) == pytest.approx(la.solve(m, b))
        assert la.det(table) == la.det(m)
        assert al.logsumexp(table, axis=0) == pytest.approx(al.logsumexp(m, axis=0))
        assert al.stats.norm.logpdf(table) == pytest.approx(al.stats.norm.logpdf(m))
        assert al.jit(al.grad(lambda t: np.sum(la.solve(table * t, column))))(2.0) == pytest.approx(
            al.grad(lambda t: np.sum(la.solve(m * t, b)))(2.0)
        )


@pytest.mark.parametrize("n", [3, 6])
def test_singular_lanes_that_run_eagerly(n):
    """Lanes beyond `max_paths` run the function itself: a singular one ended all of them with an error of NumPy."""

    def f(m):
        b = np.ones(n)
        return np.sum(np.linalg.solve(m, b)) if m[0, 0] > 0 else np.sum(la.solve(2.0 * m, b))

    matrices = np.stack([np.eye(n), np.zeros((n, n)), -np.eye(n), 2.0 * np.eye(n)])
    for reduce, expected in ((None, [n, math.nan, -n / 2.0, n / 2.0]), ("sum", math.nan)):
        with pytest.warns(RuntimeWarning, match="further ones run eagerly"):
            found = al.jit(al.vmap(f, reduce=reduce), max_paths=1)(matrices)
        assert found == pytest.approx(expected, nan_ok=True)
    gradient = al.grad(f)
    with pytest.warns(RuntimeWarning, match="further ones run eagerly"):
        found = al.jit(al.vmap(gradient), max_paths=1)(matrices)
    assert np.isnan(found[1]).all()
    assert found[2] == pytest.approx(gradient(matrices[2]))
