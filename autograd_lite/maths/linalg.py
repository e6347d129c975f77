"""Linear algebra on arrays of Variables: `al.linalg.solve(A, b)`, and NumPy's functions of arrays that keep Variables.

Small matrices are scalar code where that is as accurate as LAPACK; larger ones are one operation by LAPACK, with the implicit
rule for its derivatives (`matrices`). All are differentiated, traced, compiled and mapped. Axes in front of the matrices are
those of stacks, as for NumPy.
"""

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from autograd_lite import context, hints
from autograd_lite.arrays import FUNCTIONS, INSTEAD, LazyArray, as_variable_array, axes_of, boxed
from autograd_lite.errors import AutogradLiteError, ConversionError, MatrixError
from autograd_lite.functions import object_array
from autograd_lite.many import values_of
from autograd_lite.maths import matrices
from autograd_lite.maths.matrices import Matrices, applied, block
from autograd_lite.numpy_functions import norm_of
from autograd_lite.primitives import abs as absolute
from autograd_lite.primitives import div, exp, less, log, sign, sqrt, where
from autograd_lite.refusals import refusal
from autograd_lite.variable import Variable

__all__ = [
    "EighResult", "LstsqResult", "SlogdetResult", "cholesky", "cond", "det", "eigh", "eigvalsh", "expm", "inv", "lstsq",
    "matrix_power", "multi_dot", "norm", "pinv", "slogdet", "solve", "svdvals", "trace",
]  # fmt: skip

Array = Any

#: Matrices of up to so many rows are scalar code: a lane takes 0.05 µs, not the 15 µs of a call of LAPACK. That of more rows
#: is a long program: one of five rows has 21,000 instructions in the Hessian of a solution.
SMALL = 4
#: The same for a Cholesky factor, which has no pivots to choose.
SMALL_FACTOR = 6


class EighResult(NamedTuple):
    """What `eigh` returns.

    Parameters
    ----------
    eigenvalues : array of shape (…, n)
        In ascending order.
    eigenvectors : array of shape (…, n, n)
        As columns.
    """

    eigenvalues: Any
    eigenvectors: Any


class SlogdetResult(NamedTuple):
    """What `slogdet` returns.

    Parameters
    ----------
    sign : float, Variable or array of shape (…)
        -1.0, 0.0 or 1.0.
    logabsdet : float, Variable or array of shape (…)
        The logarithm of the size of the determinant.
    """

    sign: Any
    logabsdet: Any


# ------------------------------------------------------------------------------------------------------------ arguments


def _array(numbers: Any, name: str) -> Array:
    """An array of floats, or of floats and Variables, from whatever NumPy takes for one."""
    if isinstance(numbers, LazyArray):
        numbers = numbers.numbers()
    if isinstance(numbers, np.ndarray) and numbers.dtype.kind in "fiub":
        return np.asarray(numbers, dtype=np.float64)
    try:
        found = object_array(boxed(numbers) if np.ndim(numbers) == 0 else numbers)
    except ValueError as error:
        if isinstance(error, AutogradLiteError):
            raise
        raise ConversionError(f"{name}: {error} Give rows of equal length.") from error
    return block(found.ravel().tolist(), found.shape)


def _matrices(numbers: Any, name: str, *, square: bool = True) -> Array:
    a = _array(numbers, name)
    if a.ndim < 2:
        raise MatrixError(f"{name} takes a matrix and got an array of shape {a.shape}. Give rows: [[…], […]].")
    if square and a.shape[-1] != a.shape[-2]:
        raise MatrixError(
            f"{name} takes a square matrix and got one of shape {a.shape[-2:]}. For more equations than unknowns use "
            "al.linalg.lstsq; for the singular values al.linalg.svdvals."
        )
    return a


def _each(
    function: Callable[..., Sequence[Array]],
    operation: Matrices | None,
    *arrays: Array,
    ends: Sequence[int],
    gives: Sequence[tuple[int, ...]],
) -> list[Any]:
    """The results of a function of matrices for stacks of them; floats by one call of LAPACK where there is an operation.

    `ends` says how many axes of each array belong to a matrix, `gives` the shapes of the results.
    """
    leads = [a.shape[: a.ndim - end] for a, end in zip(arrays, ends, strict=True)]
    if not any(leads):
        return list(map(_finished, function(*arrays)))
    try:
        lead = np.broadcast_shapes(*leads)
    except ValueError:
        given = " and ".join(str(a.shape) for a in arrays)
        raise MatrixError(f"stacks of shapes {given} do not broadcast together.") from None
    stacks = [np.broadcast_to(a, lead + a.shape[a.ndim - end :]) for a, end in zip(arrays, ends, strict=True)]
    if 0 in lead:
        return [np.zeros(lead + shape) for shape in gives]
    if operation is not None and not any(a.dtype == object for a in arrays):
        found = _at_once(operation, math.prod(lead), stacks)
        return [part.reshape(lead + shape) for part, shape in zip(found, gives, strict=True)]
    rows = [function(*(a[index] for a in stacks)) for index in np.ndindex(lead)]
    parts = (np.stack([boxed(row[k]) for row in rows]) for k in range(len(gives)))
    return [_finished(part.reshape(lead + shape)) for part, shape in zip(parts, gives, strict=True)]


def _at_once(operation: Matrices, count: int, stacks: Sequence[Array]) -> list[Array]:
    """The results for many matrices of floats; an error for the first that has none."""
    numbers = np.concatenate([a.reshape(count, -1) for a in stacks], axis=-1)
    results = operation.of_numbers(numbers)
    for place in np.flatnonzero(np.isnan(results).any(axis=-1) & np.isfinite(numbers).all(axis=-1)).tolist():
        operation.computed(numbers[place], native=False)  # which says what is the matter
    return matrices.cut(results, operation.gives)


def _finished(result: Any) -> Any:
    """A float array if all are floats, else one that keeps Variables; a number for an array without axes."""
    if not isinstance(result, np.ndarray):
        return float(result) if isinstance(result, np.floating) else result
    if result.ndim == 0:
        return result[()] if result.dtype == object else float(result)
    return as_variable_array(block(result.ravel().tolist(), result.shape))


# -------------------------------------------------------------------------------------------------- small matrices


def _value(x: Any) -> Any:
    return x._value if type(x) is Variable else x


def _exchanged(rows: list[list[Any]], k: int, i: int) -> Any:
    """Exchange two rows if the second has the larger pivot, which in a trace is data, no branch. Returns whether."""
    if context.recording() is None or Variable not in (type(rows[i][k]), type(rows[k][k])):
        larger = abs(_value(rows[i][k])) > abs(_value(rows[k][k]))
        if larger:
            rows[k], rows[i] = rows[i], rows[k]
        return larger
    condition = less(absolute(rows[k][k]), absolute(rows[i][k]))
    pairs = list(zip(rows[k], rows[i], strict=True))
    rows[k] = [x if x is y else where(condition, y, x) for x, y in pairs]
    rows[i] = [x if x is y else where(condition, x, y) for x, y in pairs]
    return condition


def _checked(pivot: Any, missing: Callable[[Any], Any], fails: Callable[[], str]) -> Any:
    """The pivot; an error if it is missing, in a lane NaN."""
    notes: Any = context.recording()
    if notes is None or type(pivot) is not Variable or notes.mapped or notes.blind:
        lost = bool(missing(_value(pivot)))
        if notes is None or not (notes.mapped or notes.blind):
            if lost:
                raise MatrixError(fails())
            return pivot
        if type(pivot) is not Variable:
            return math.nan if lost else pivot
        there = pivot if missing is _is_0 else less(0.0, pivot)
        return pivot * where(there, 1.0, math.nan)  # a factor, so that derivatives are NaN too
    if missing(pivot):  # a guard
        raise MatrixError(fails())
    return pivot


def _is_0(pivot: Any) -> Any:
    return pivot == 0.0


def _is_not_positive(pivot: Any) -> Any:
    return pivot <= 0.0


def _eliminated(rows: list[list[Any]], fails: Callable[[], str] | None) -> list[Any]:
    """Gaussian elimination in place by the largest pivots; says of each comparison whether rows were exchanged."""
    n = len(rows)
    exchanges = []
    for k in range(n):
        exchanges += [_exchanged(rows, k, i) for i in range(k + 1, n)]
        pivot = rows[k][k]
        if fails is not None:
            pivot = rows[k][k] = _checked(pivot, _is_0, fails)
        elif k < n - 1:
            pivot = where(pivot, pivot, 1.0)  # else the column is 0, and so is the determinant
        for i in range(k + 1, n):
            factor = div(rows[i][k], pivot)
            for j in range(k + 1, len(rows[i])):
                if not matrices.is_zero(rows[k][j]):
                    rows[i][j] = rows[i][j] - factor * rows[k][j]
    return exchanges


def _quiet_solution(a: Array, b: Array, small: int = SMALL) -> Array:
    """The solution of a system, NaN or infinite if it is singular; scalar code up to so many rows."""
    return _small_solution(a, b, None) if len(a) <= small else matrices.solved(a, b)


def _small_solution(a: Array, b: Array, fails: Callable[[], str] | None) -> Array:
    n, k = b.shape
    rows = [[*left, *right] for left, right in zip(a.tolist(), b.tolist(), strict=True)]
    _eliminated(rows, fails)
    for i in range(n - 1, -1, -1):
        for column in range(n, n + k):
            total = rows[i][column]
            for j in range(i + 1, n):
                total = total - rows[i][j] * rows[j][column]
            rows[i][column] = div(total, rows[i][i])
    return block([x for row in rows for x in row[n:]], (n, k))


def _floats(a: Array) -> Array:
    return values_of(a) if a.dtype == object else a


# ------------------------------------------------------------------------------------------------------- the functions


def solve(a: Any, b: Any) -> Any:
    """The solution x of A·x = b, by elimination with the largest pivots.

    Parameters
    ----------
    a : array of shape (…, n, n)
        Floats and Variables; the matrices.
    b : array of shape (n,) or (…, n, k)
        One right-hand side, or k of them as columns. An array of one axis is one right-hand side, as for NumPy.

    Returns
    -------
    array of shape (…, n) or (…, n, k)
        The solutions; floats if all arguments are.

    Raises
    ------
    MatrixError
        For a singular matrix, and shapes that do not fit. In lanes of a mapped function the lane of a singular matrix is NaN.

    Notes
    -----
    b̄ = A⁻ᵀ·x̄ and Ā = -b̄·xᵀ: a gradient takes one more solution, of any order. Up to four rows it is scalar code; larger
    systems are one operation by LAPACK. The backward error is that of LAPACK.

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_lite as al
    >>> A, b = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([3.0, 5.0])
    >>> [round(x, 12) for x in al.linalg.solve(A, b).tolist()]
    [0.8, 1.4]
    >>> [round(x, 12) for x in al.grad(lambda b: al.linalg.solve(A, b)[0])(b).tolist()]
    [0.6, -0.2]
    """
    a, b = _matrices(a, "solve"), _array(b, "solve")
    vector, n = b.ndim == 1, a.shape[-1]
    right = b[:, None] if vector else b
    if right.ndim < 2 or right.shape[-2] != n:
        raise MatrixError(
            f"solve of a matrix of shape {a.shape} and right-hand sides of shape {b.shape}: give {n} numbers, or columns "
            f"of {n}."
        )

    def one(a: Array, b: Array) -> list[Array]:
        if 0 in b.shape:
            return [np.zeros(b.shape)]
        if n <= SMALL:
            return [_small_solution(a, b, lambda: matrices.singular_text("solve", _floats(a)))]
        return applied(matrices.Solve(*b.shape), a, b)

    (x,) = _each(
        one, matrices.Solve(*right.shape[-2:]) if n > SMALL else None, a, right, ends=(2, 2), gives=[right.shape[-2:]]
    )
    return x[..., 0] if vector else x


def inv(a: Any) -> Any:
    """The inverse.

    Parameters
    ----------
    a : array of shape (…, n, n)
        Floats and Variables.

    Returns
    -------
    array of shape (…, n, n)
        The inverses; floats if all entries are.

    Raises
    ------
    MatrixError
        For a singular matrix, and one that is not square. In lanes the lane of a singular matrix is NaN.

    Notes
    -----
    Ā = -X̄ between two transposed inverses. To solve a system take `solve`, which is more accurate and takes less time.

    Examples
    --------
    >>> import autograd_lite as al
    >>> al.linalg.inv([[2.0, 0.0], [0.0, 4.0]]).tolist()
    [[0.5, 0.0], [0.0, 0.25]]
    """
    a = _matrices(a, "inv")
    n = a.shape[-1]

    def one(a: Array) -> list[Array]:
        if n == 0:
            return [np.zeros((0, 0))]
        if n <= SMALL:
            return [_small_solution(a, np.eye(n), lambda: matrices.singular_text("inv", _floats(a)))]
        return applied(matrices.Inverse(n), a)

    return _each(one, matrices.Inverse(n) if n > SMALL else None, a, ends=(2,), gives=[(n, n)])[0]


def det(a: Any) -> Any:
    """The determinant. Its derivatives are the cofactors, which a singular matrix has too.

    Parameters
    ----------
    a : array of shape (…, n, n)
        Floats and Variables.

    Returns
    -------
    float, Variable or array of shape (…)
        The determinants.

    Raises
    ------
    MatrixError
        If a matrix is not square.

    Notes
    -----
    Up to four rows a polynomial; larger ones by LAPACK, with cofactors by singular values. The first two derivatives hold
    for every matrix, higher ones from five rows on for regular ones, and are NaN for others.

    Examples
    --------
    >>> import autograd_lite as al
    >>> al.linalg.det([[1.0, 2.0], [2.0, 4.0]])
    0.0
    >>> al.grad(al.linalg.det)([[1.0, 2.0], [2.0, 4.0]])
    [[4.0, -2.0], [-2.0, 1.0]]
    """
    a = _matrices(a, "det")
    n = a.shape[-1]

    def one(a: Array) -> list[Array]:
        return [_small_determinant(a)] if n <= SMALL else [applied(matrices.Determinant(n), a)[0][0]]

    return _each(one, matrices.Determinant(n) if n > SMALL else None, a, ends=(2,), gives=[()])[0]


def _small_determinant(a: Array) -> Any:
    """By the minors of the last rows, two, three, … of them: no division, and so no pivot."""
    n = len(a)
    minors: dict[tuple[int, ...], Any] = {(): 1.0}
    for count, row in enumerate(a.tolist()[::-1], start=1):
        wider = {}
        for columns in combinations(range(n), count):
            terms = [(row[c], minors[columns[:k] + columns[k + 1 :]]) for k, c in enumerate(columns)]
            total = terms[0][0] if count == 1 else terms[0][0] * terms[0][1]
            for k, (x, minor) in enumerate(terms[1:], start=1):
                total = total - x * minor if k % 2 else total + x * minor
            wider[columns] = total
        minors = wider
    return minors[tuple(range(n))]


def slogdet(a: Any) -> SlogdetResult:
    """The sign of the determinant and the logarithm of its size, which neither overflows nor underflows.

    Parameters
    ----------
    a : array of shape (…, n, n)
        Floats and Variables.

    Returns
    -------
    SlogdetResult
        `sign`, -1.0, 0.0 or 1.0, and `logabsdet`, of shape (…); (0.0, -inf) for a singular matrix.

    Raises
    ------
    MatrixError
        If a matrix is not square.

    Notes
    -----
    The gradient of the logarithm is A⁻ᵀ, NaN or infinite for a singular matrix; that of the sign is 0.

    Examples
    --------
    >>> import autograd_lite as al
    >>> sign, logabsdet = al.linalg.slogdet([[0.0, 1.0], [1.0, 0.0]])
    >>> sign, logabsdet
    (-1.0, 0.0)
    """
    a = _matrices(a, "slogdet")
    n = a.shape[-1]

    def one(a: Array) -> list[Array]:
        if n <= SMALL:
            return list(_small_logarithm(a))
        return [part[0] for part in applied(matrices.LogDeterminant(n), a)]

    operation = matrices.LogDeterminant(n) if n > SMALL else None
    return SlogdetResult(*_each(one, operation, a, ends=(2,), gives=[(), ()]))


def _small_logarithm(a: Array) -> tuple[Any, Any]:
    rows = a.tolist()
    found: Any = 1.0
    logarithm: Any = 0.0
    for exchanged in _eliminated(rows, None):
        found = where(exchanged, -found, found) if type(exchanged) is Variable else -found if exchanged else found
    for k, row in enumerate(rows):
        found = found * sign(row[k])
        logarithm = log(absolute(row[k])) if k == 0 else logarithm + log(absolute(row[k]))
    return found, logarithm


def cholesky(a: Any, *, upper: bool = False) -> Any:
    """The lower triangular L with A = L·Lᵀ.

    Parameters
    ----------
    a : array of shape (…, n, n)
        Floats and Variables; only the lower triangle is read, and stands for a symmetric matrix.
    upper : bool, default False
        Read the upper triangle, and return Lᵀ.

    Returns
    -------
    array of shape (…, n, n)
        L, with zeros above the diagonal.

    Raises
    ------
    MatrixError
        For a matrix that is not positive definite, and one that is not square. In lanes such a lane is NaN.

    Notes
    -----
    Murray, *Differentiation of the Cholesky decomposition*, 2016. An entry below the diagonal stands for two of the matrix,
    so its derivative is the sum of both; that of an entry above it is 0.

    Examples
    --------
    >>> import autograd_lite as al
    >>> al.linalg.cholesky([[4.0, 0.0], [2.0, 5.0]]).tolist()
    [[2.0, 0.0], [1.0, 2.0]]
    """
    a = _matrices(a, "cholesky")
    n = a.shape[-1]
    if upper:
        return np.swapaxes(cholesky(np.swapaxes(a, -1, -2)), -1, -2)

    def one(entries: Array) -> list[Array]:
        return [_small_factor(entries, n)] if n <= SMALL_FACTOR else applied(matrices.Cholesky(n), entries)

    entries = a[(..., *matrices.lower(n))]
    operation = matrices.Cholesky(n) if n > SMALL_FACTOR else None
    (found,) = _each(one, operation, entries, ends=(1,), gives=[entries.shape[-1:]])
    return _finished(matrices.triangle(np.asarray(found), n))


def _quiet_factor(a: Array) -> Array:
    """L of the lower triangle of a matrix; NaN where it is not positive definite."""
    n = len(a)
    entries = block(a[matrices.lower(n)].tolist(), (-1,))
    if n <= SMALL_FACTOR:
        return matrices.triangle(_small_factor(entries, n, quiet=True), n)
    return matrices.triangle(applied(matrices.Cholesky(n, quiet=True), entries)[0], n)


def _small_factor(entries: Array, n: int, *, quiet: bool = False) -> Array:
    rows = matrices.triangle(entries, n).tolist()

    def fails() -> str:
        return matrices.indefinite_text(float(np.linalg.eigvalsh(matrices.triangle(_floats(entries), n))[0]), n)

    for j in range(n):
        for i in range(j, n):
            for k in range(j):
                rows[i][j] = rows[i][j] - rows[i][k] * rows[j][k]
            if i == j:
                rows[i][j] = sqrt(rows[j][j] if quiet else _checked(rows[j][j], _is_not_positive, fails))
            else:
                rows[i][j] = div(rows[i][j], rows[j][j])
    return block([rows[i][j] for i, j in zip(*matrices.lower(n), strict=True)], (-1,))


def eigh(a: Any, UPLO: str = "L") -> EighResult:  # noqa: N803 - NumPy's name
    """Eigenvalues and eigenvectors of a symmetric matrix.

    Parameters
    ----------
    a : array of shape (…, n, n)
        Floats and Variables; only one triangle is read, and stands for a symmetric matrix.
    UPLO : {"L", "U"}, default "L"
        Read the lower or the upper triangle.

    Returns
    -------
    EighResult
        `eigenvalues` of shape (…, n), in ascending order, and `eigenvectors` of shape (…, n, n), as columns.

    Raises
    ------
    MatrixError
        If a matrix is not square.

    Notes
    -----
    An entry below the diagonal stands for two of the matrix, so its derivative is the sum of both. Where eigenvalues are
    equal to 8·n rounding errors of the largest, eigenvectors have no derivative: it is NaN. First and second derivatives of
    symmetric functions of equal eigenvalues (`grad`, `hessian`, `hvp`) are right; those of a single one are not defined.

    Examples
    --------
    >>> import autograd_lite as al
    >>> al.linalg.eigh([[2.0, 0.0], [0.0, 1.0]]).eigenvalues.tolist()
    [1.0, 2.0]
    """
    a = _matrices(a, "eigh")
    if UPLO.upper() not in ("L", "U"):
        raise MatrixError(f'eigh takes UPLO="L" for the lower triangle, "U" for the upper one, and got {UPLO!r}.')
    if UPLO.upper() == "U":
        a = np.swapaxes(a, -1, -2)
    n = a.shape[-1]

    def one(entries: Array) -> list[Array]:
        return applied(matrices.Eigh(n), entries) if n > 1 else [entries, np.ones((n, n))]

    operation, entries = matrices.Eigh(n) if n > 1 else None, a[(..., *matrices.lower(n))]
    return EighResult(*_each(one, operation, entries, ends=(1,), gives=[(n,), (n, n)]))


def eigvalsh(a: Any, UPLO: str = "L") -> Any:  # noqa: N803 - NumPy's name
    """The eigenvalues of a symmetric matrix: see `eigh`.

    Parameters
    ----------
    a : array of shape (…, n, n)
        Floats and Variables; only one triangle is read.
    UPLO : {"L", "U"}, default "L"
        Read the lower or the upper triangle.

    Returns
    -------
    array of shape (…, n)
        In ascending order.

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_lite as al
    >>> al.grad(lambda a: (al.linalg.eigvalsh(a) ** 2).sum())(np.eye(2)).tolist()
    [[2.0, 0.0], [0.0, 2.0]]
    """
    return eigh(a, UPLO).eigenvalues


def svdvals(a: Any) -> Any:
    """The singular values, from the largest.

    Parameters
    ----------
    a : array of shape (…, m, n)
        Floats and Variables.

    Returns
    -------
    array of shape (…, min(m, n))
        Their first derivatives by singular vectors, higher ones as those of the eigenvalues of [[0, Aᵀ], [A, 0]].

    Examples
    --------
    >>> import autograd_lite as al
    >>> al.linalg.svdvals([[3.0, 0.0], [0.0, -4.0]]).tolist()
    [4.0, 3.0]
    """
    a = _matrices(a, "svdvals", square=False)
    operation = matrices.SingularValues(*a.shape[-2:])
    return _each(lambda a: applied(operation, a), operation, a, ends=(2,), gives=operation.gives)[0]


class LstsqResult(NamedTuple):
    """What `lstsq` returns.

    Parameters
    ----------
    x : array of shape (n,) or (n, k)
        The solution.
    residuals : array of shape (k,)
        The sum of squares of each column; empty if there are as many equations as unknowns.
    rank : int
        The number of columns.
    singular_values : array of shape (n,)
        From the largest.
    """

    x: Any
    residuals: Any
    rank: int
    singular_values: Any


def lstsq(a: Any, b: Any, rcond: float | None = None) -> LstsqResult:
    """The x that minimizes |b - A·x|, for a matrix of full rank; the shortest where there are more unknowns than equations.

    Parameters
    ----------
    a : array of shape (m, n)
        Floats and Variables.
    b : array of shape (m,) or (m, k)
        One right-hand side, or k of them as columns.
    rcond : float, optional
        Singular values below so many times the largest count as 0; by default rounding errors times max(m, n).

    Returns
    -------
    LstsqResult
        `x`, `residuals` (the sums of squares; none if m ≤ n), `rank`, which is the lesser of m and n, and `singular_values`.

    Raises
    ------
    MatrixError
        If the columns depend on each other, or the rows where there are fewer. In lanes such a lane is NaN.

    Notes
    -----
    Golub & Pereyra, *The differentiation of pseudo-inverses*, 1973; here by the system [[1, A], [Aᵀ, 0]].

    Examples
    --------
    >>> import autograd_lite as al
    >>> x = al.linalg.lstsq([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]], [1.0, 3.0, 5.0]).x
    >>> [round(number, 12) for number in x.tolist()]
    [1.0, 2.0]
    """
    a, b = _matrices(a, "lstsq", square=False), _array(b, "lstsq")
    right = b[:, None] if b.ndim == 1 else b
    if a.ndim != 2 or right.ndim != 2 or len(right) != len(a):
        raise MatrixError(
            f"lstsq of a matrix of shape {a.shape} and right-hand sides of shape {b.shape}: give one matrix, and a number "
            "or a row for each of its rows."
        )
    rows, n = a.shape
    if rows == 0 or n == 0:
        raise MatrixError(f"lstsq of a matrix of shape {a.shape}: {n} unknowns in {rows} equations have no solution.")
    if rows < n:
        x = matrices.product(pinv(a, rcond), right)
        return LstsqResult(_finished(x[:, 0] if b.ndim == 1 else x), _finished(block([], (-1,))), rows, svdvals(a))
    limit = matrices.EPS * max(a.shape) if rcond is None else float(rcond)
    (x,) = applied(matrices.LeastSquares(rows, n, right.shape[1], rcond=limit), a, right)
    residual = right - matrices.product(a, x)
    squares = (
        [matrices.total(matrices.entrywise(column, column)).tolist()[0] for column in residual.T] if rows > n else []
    )
    return LstsqResult(_finished(x[:, 0] if b.ndim == 1 else x), _finished(block(squares, (-1,))), n, svdvals(a))


def expm(a: Any) -> Any:
    """The exponential of a matrix, by scaling and squaring.

    Parameters
    ----------
    a : array of shape (…, n, n)
        Floats and Variables.

    Returns
    -------
    array of shape (…, n, n)
        exp A.

    Raises
    ------
    MatrixError
        If a matrix is not square.

    Notes
    -----
    Higham, *The scaling and squaring method for the matrix exponential revisited*, 2005. A derivative is a block of the
    exponential of a matrix of twice the size, a second one of four times the size.

    Examples
    --------
    >>> import autograd_lite as al
    >>> al.linalg.expm([[0.0, 1.0], [0.0, 0.0]]).round(12).tolist()
    [[1.0, 1.0], [0.0, 1.0]]
    """
    a = _matrices(a, "expm")
    n = a.shape[-1]
    operation = matrices.Exponential(n, quiet=True)

    def one(a: Array) -> list[Array]:
        if n < 2:
            return [block([exp(x) for x in a.ravel().tolist()], a.shape)]
        return applied(operation, a)

    return _each(one, operation if n > 1 else None, a, ends=(2,), gives=[(n, n)])[0]


def pinv(a: Any, rcond: float | None = None) -> Any:
    """The pseudo-inverse of a matrix of full rank.

    Parameters
    ----------
    a : array of shape (m, n)
        Floats and Variables.
    rcond : float, optional
        As for `lstsq`.

    Returns
    -------
    array of shape (n, m)
        (AᵀA)⁻¹·Aᵀ, or Aᵀ·(A·Aᵀ)⁻¹ where there are more columns than rows.

    Raises
    ------
    MatrixError
        If the rank is lower.

    Examples
    --------
    >>> import autograd_lite as al
    >>> al.linalg.pinv([[1.0], [1.0]]).round(12).tolist()
    [[0.5, 0.5]]
    """
    a = _matrices(a, "pinv", square=False)
    if a.ndim == 2 and a.shape[0] < a.shape[1]:
        return pinv(a.T, rcond).T
    return lstsq(a, np.eye(len(a)), rcond).x


def matrix_power(a: Any, n: int) -> Any:
    """A matrix times itself, n times; for negative n its inverse.

    Parameters
    ----------
    a : array of shape (…, n, n)
        Floats and Variables.
    n : int
        The exponent.

    Returns
    -------
    array of shape (…, n, n)
        Aⁿ, by repeated squares.

    Examples
    --------
    >>> import autograd_lite as al
    >>> al.linalg.matrix_power([[1.0, 1.0], [0.0, 1.0]], 3).tolist()
    [[1.0, 3.0], [0.0, 1.0]]
    """
    a = _matrices(a, "matrix_power")
    if not isinstance(n, (int, np.integer)):
        raise MatrixError(
            f"matrix_power takes a whole number and got {n!r}. For others use al.linalg.eigh of a symmetric matrix."
        )
    if n < 0:
        return matrix_power(inv(a), -n)

    def one(a: Array) -> list[Array]:
        found: Array = None
        for digit in f"{n:b}":
            found = None if found is None else matrices.sums_of_products(found, found)
            if digit == "1":
                found = a if found is None else matrices.sums_of_products(found, a)
        return [np.eye(len(a)) if found is None else found]

    return _each(one, None, a, ends=(2,), gives=[a.shape[-2:]])[0]


def multi_dot(arrays: Sequence[Any]) -> Any:
    """The product of several matrices, in the order that takes the fewest multiplications.

    Parameters
    ----------
    arrays : sequence of arrays
        Matrices of floats and Variables; the first and the last may be vectors.

    Returns
    -------
    array or number
        Their product.

    Examples
    --------
    >>> import autograd_lite as al
    >>> al.linalg.multi_dot([[[1.0, 2.0]], [[3.0], [4.0]], [[2.0]]]).tolist()
    [[22.0]]
    """
    given = [as_variable_array(a) for a in (_array(a, "multi_dot") for a in arrays)]
    return _finished(np.asarray(np.linalg.multi_dot._implementation(given)))  # type: ignore[attr-defined]


def trace(a: Any) -> Any:
    """The sum of the diagonal.

    Parameters
    ----------
    a : array of shape (…, n, n)
        Floats and Variables.

    Returns
    -------
    float, Variable or array of shape (…)
        The sums.

    Examples
    --------
    >>> import autograd_lite as al
    >>> al.linalg.trace([[1.0, 5.0], [7.0, 2.0]])
    3.0
    """
    a = _matrices(a, "trace", square=False)
    return _each(lambda a: matrices.total(np.diagonal(a)).tolist(), None, a, ends=(2,), gives=[()])[0]


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:  # noqa: A002 - NumPy's name
    """The norm of vectors and matrices, as `np.linalg.norm` has it.

    Parameters
    ----------
    x : array
        Floats and Variables.
    ord : None, number, "fro" or "nuc", optional
        Which norm: the Euclidean one of all numbers by default. Of a matrix 2, -2 and "nuc" are the largest and the smallest
        singular value and the sum of all.
    axis : int or pair of int, optional
        The axis of vectors, or those of matrices.
    keepdims : bool, default False
        Keep the axes, of length 1.

    Returns
    -------
    float, Variable or array
        The norms.

    Examples
    --------
    >>> import autograd_lite as al
    >>> al.linalg.norm([3.0, 4.0]), al.linalg.norm([[3.0, 0.0], [0.0, 4.0]], 2)
    (5.0, 4.0)
    """
    a = x if isinstance(x, LazyArray) else _array(x, "norm")
    axes = axes_of(axis, a.ndim)
    if len(axes) == 2 and isinstance(ord, (int, float, str)) and ord in _OF_SINGULAR_VALUES:
        found = _OF_SINGULAR_VALUES[ord](svdvals(np.moveaxis(_array(a, "norm"), axes, (-2, -1))))
        return _finished(np.expand_dims(boxed(found), axes) if keepdims else found)
    return _finished(norm_of(a, ord, axis, keepdims))


#: Norms of matrices by their singular values.
_OF_SINGULAR_VALUES: dict[Any, Callable[[Array], Any]] = {
    2: lambda s: s[..., 0],
    -2: lambda s: s[..., -1],
    "nuc": lambda s: s.sum(axis=-1),
}


def cond(x: Any, p: Any = None) -> Any:
    """The condition number: the norm of a matrix times that of its inverse.

    Parameters
    ----------
    x : array of shape (…, m, n)
        Floats and Variables; square but for `p` None, 2 and -2.
    p : None, number, "fro" or "nuc", optional
        Which norm: by default the largest singular value over the smallest.

    Returns
    -------
    float, Variable or array of shape (…)
        The condition numbers.

    Examples
    --------
    >>> import autograd_lite as al
    >>> al.linalg.cond([[2.0, 0.0], [0.0, 4.0]])
    2.0
    """
    a = _matrices(x, "cond", square=p not in (None, 2, -2))
    if p in (None, 2, -2):
        s = svdvals(a)
        return _finished(div(s[..., -1], s[..., 0]) if p == -2 else div(s[..., 0], s[..., -1]))
    return norm(a, p, (-2, -1)) * norm(inv(a), p, (-2, -1))


# ----------------------------------------------------------------------------------------------------- NumPy's functions


def _svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    del full_matrices
    if compute_uv:
        raise refusal(f"np.linalg.svd does not take Variables. {_VECTORS}")
    return np.sort(absolute(eigvalsh(a)))[..., ::-1] if hermitian else svdvals(a)


def _pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:  # noqa: ARG001
    return pinv(a, rtol if rcond is None else rcond)


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:  # noqa: A002
    return norm(x, ord, axis, keepdims)


def _matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:  # noqa: A002
    return norm(x, ord, (-2, -1), keepdims)


_VECTORS = (
    "Singular values are al.linalg.svdvals(A); singular vectors are the eigenvectors of A.T @ A and A @ A.T, al.linalg.eigh, "
    "where the singular values differ."
)
_ANSWERS: dict[str, Callable[..., Any]] = {
    "solve": solve, "inv": inv, "det": det, "slogdet": slogdet, "cholesky": cholesky, "eigh": eigh, "eigvalsh": eigvalsh,
    "svdvals": svdvals, "svd": _svd, "lstsq": lstsq, "pinv": _pinv, "matrix_power": matrix_power, "cond": cond,
    "norm": _norm, "matrix_norm": _matrix_norm,
}  # fmt: skip
_REMEDIES = {
    "qr": "R is al.linalg.cholesky(A.T @ A, upper=True), and Q is A @ al.linalg.inv(R); for a least-squares problem take "
    "al.linalg.lstsq.",
    "eig": "Of symmetric matrices there is al.linalg.eigh; others may have complex eigenvalues.",
    "eigvals": "Of symmetric matrices there is al.linalg.eigvalsh; others may have complex eigenvalues.",
    "matrix_rank": "A rank has no derivative; pass numbers, x.value.",
    "tensorsolve": "Reshape to a matrix, and take al.linalg.solve.",
    "tensorinv": "Reshape to a matrix, and take al.linalg.inv.",
}
for _name, _answer in _ANSWERS.items():
    if hasattr(np.linalg, _name):
        FUNCTIONS[getattr(np.linalg, _name)] = _answer
INSTEAD |= {getattr(np.linalg, name): remedy for name, remedy in _REMEDIES.items()}
INSTEAD[np.polyfit] = "It solves a linear system: al.linalg.lstsq(np.vander(x, degree + 1), y).x."
INSTEAD[np.roots] = (
    "Roots are eigenvalues of a matrix that is not symmetric. Use al.root(lambda x, c: np.polyval(c, x), x0, coefficients)."
)

__getattr__ = hints.of_module(__name__, "al.linalg")
