"""Matrices as operations with many results: numbers by LAPACK, derivatives by the implicit rules.

An operation takes and gives blocks of numbers, `takes` and `gives` are their shapes. Its rules (`pull`, `push`) are products
of matrices and operations like itself, and serve arrays of floats and of Variables alike, so every order follows. `linalg`
has the functions that users call.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import nan, prod
from typing import Any

import numpy as np

from autograd_lite import context
from autograd_lite.backward import Reach, adjoints, refuse_stale
from autograd_lite.errors import MatrixError
from autograd_lite.many import Cotangents, Item, Number, Operation, Sent, items, recorded, values_of
from autograd_lite.primitives import div, less, maximum, where
from autograd_lite.variable import Variable, search

EPS = float(np.finfo(np.float64).eps)

Array = Any  # of floats, or of objects: floats and Variables
Shape = tuple[int, ...]

#: From so many multiplications on a product in a rule is one operation: where nodes for all take longer, and in a trace where
#: a call back into Python (20 µs) takes some times longer than machine code, whose compilation takes most of a second.
MANY_PRODUCTS, MANY_TRACED = 200, 2000


def block(numbers: Sequence[Any], shape: Shape) -> Array:
    """Numbers as an array, of floats if they all are."""
    if Variable not in set(map(type, numbers)):
        return np.array(numbers, dtype=np.float64).reshape(shape)
    return np.fromiter(numbers, object, len(numbers)).reshape(shape)


def blocks(numbers: Sequence[Any], shapes: Sequence[Shape]) -> list[Array]:
    """Numbers in a row as arrays of these shapes."""
    found, start = [], 0
    for shape in shapes:
        found.append(block(numbers[start : start + prod(shape)], shape))
        start += prod(shape)
    return found


def cut(numbers: Array, shapes: Sequence[Shape]) -> list[Array]:
    """As `blocks`, of an array whose last axis is the row."""
    found, start = [], 0
    for shape in shapes:
        found.append(numbers[..., start : start + prod(shape)].reshape(numbers.shape[:-1] + shape))
        start += prod(shape)
    return found


def is_zero(x: Any) -> bool:
    return type(x) is float and x == 0.0


def product(a: Array, b: Array) -> Array:
    """a·b in a rule: one operation if that saves many nodes, else scalar code; the sums are the same, to the bit."""
    if object not in (a.dtype, b.dtype):
        return multiplied(a, b)
    left, right = (np.array([not is_zero(x) for x in m.ravel().tolist()], dtype=int).reshape(m.shape) for m in (a, b))
    terms = left @ right
    if terms.sum() < (MANY_PRODUCTS if context.recording() is None else MANY_TRACED) or terms.max() == 1:
        return sums_of_products(a, b)
    (found,) = applied(Product(*a.shape, b.shape[1], quiet=True), a, b)
    return block(np.where(terms > 0, found, 0.0).ravel().tolist(), found.shape)


def multiplied(a: Array, b: Array) -> Array:
    """a·b of floats, perhaps with axes of lanes first: each sum from first to last, as scalar code and unlike BLAS."""
    with np.errstate(all="ignore"):
        if b.shape[-1] == 1 <= b.shape[-2]:  # `einsum` adds up a contiguous row in parts
            return np.add.accumulate(np.swapaxes(a, -1, -2) * b, axis=-2)[..., -1, :, None]
        # Its order follows the strides, so it is given one layout.
        return np.einsum("...ik,...kj->...ij", np.ascontiguousarray(a), np.ascontiguousarray(b))


def sums_of_products(a: Array, b: Array) -> Array:
    """a·b, as scalar code; the zeros of a triangle and of an identity make no nodes."""
    if object not in (a.dtype, b.dtype):
        return multiplied(a, b)
    found = np.empty((a.shape[0], b.shape[1]), dtype=object)
    columns = b.T.tolist()
    for i, row in enumerate(a.tolist()):
        for j, column in enumerate(columns):
            total: Any = None
            for x, y in zip(row, column, strict=True):
                if not (is_zero(x) or is_zero(y)):
                    total = x * y if total is None else total + x * y
            found[i, j] = 0.0 if total is None else total
    return found


def applied(operation: "Matrices", *arrays: Array) -> list[Array]:
    """The results of an operation on matrices as arrays."""
    if not any(array.dtype == object for array in arrays):
        return cut(operation.found(np.concatenate([array.ravel() for array in arrays])), operation.gives)
    numbers = recorded(operation, [n for array in arrays for n in array.ravel().tolist()])
    return blocks(numbers, operation.gives)


@dataclass(frozen=True)
class At:
    """Where a rule is asked for: the node, its blocks, which of what it takes are wanted, and whether all are floats."""

    node: Variable
    takes: list[Array]
    given: Callable[[], list[Array]]
    wanted: list[bool]
    numbers: bool

    @cached_property
    def gives(self) -> list[Array]:
        """Made where a rule asks for it: each result is a node."""
        return self.given()


class Matrices(Operation):
    """An operation on matrices.

    `quiet` ones are those of derivatives: a matrix that has no result gives NaN, as it does in lanes; else it is an error.
    """

    takes: tuple[Shape, ...]
    gives: tuple[Shape, ...]
    untold = "an operation by LAPACK, which is no formula. Write the steps for a matrix of this size as scalar code."
    brief = True  # it runs nothing of the user's: a program with it is traced twice, as others are
    told: tuple[Any, Any] | None = None  # the numbers that a node was recorded with: what it took and gave

    def __init__(self, *sizes: int, quiet: bool = False, rcond: float | None = None) -> None:
        self.sizes, self.quiet, self.rcond = sizes, quiet, rcond
        self.takes, self.gives = self.shapes(*sizes)
        self.arity, self.results = (sum(map(prod, shapes)) for shapes in (self.takes, self.gives))

    def shapes(self, *sizes: int) -> tuple[tuple[Shape, ...], tuple[Shape, ...]]:
        """Of what it takes and gives."""
        raise NotImplementedError

    # Equal operations are one instruction; those that hold numbers of a node differ.
    def __eq__(self, other: object) -> bool:
        if self is other or type(self) is not type(other):
            return self is other
        assert isinstance(other, Matrices)
        return self.told is other.told is None and self.facts == other.facts

    def __hash__(self) -> int:
        return hash(self.facts)

    @property
    def facts(self) -> tuple[Any, ...]:
        """What makes it differ from others."""
        return type(self), self.sizes, self.quiet, self.rcond

    # ------------------------------------------------------------------------------------------------------- numbers

    def one(self, *arrays: Array) -> tuple[Array, ...]:
        """The results for float64 arrays, perhaps with axes of lanes first; `LinAlgError` where there are none."""
        raise NotImplementedError

    def failure(self, arrays: Sequence[Array]) -> str:
        """What to say where there are no results."""
        raise NotImplementedError

    def of_numbers(self, numbers: Array) -> Array:
        """The results of a row of numbers, or of one in each lane, where they lie along the last axis; NaN where none are."""
        lead = numbers.shape[:-1]
        finite = np.isfinite(numbers).all(axis=-1)
        results = np.full((*lead, self.results), nan)
        if 0 in lead:
            return results
        if finite.all():
            self._fill(numbers, results)
        elif lead and finite.any():
            part = np.full((np.count_nonzero(finite), self.results), nan)
            self._fill(numbers[finite], part)
            results[finite] = part
        return results

    def _fill(self, numbers: Array, results: Array) -> None:
        lead = numbers.shape[:-1]
        try:
            with np.errstate(all="ignore"):
                found = self.one(*cut(numbers, self.takes))
        except np.linalg.LinAlgError:
            for lane in range(lead[0]) if lead and (len(lead) > 1 or lead[0] > 1) else ():
                self._fill(numbers[lane : lane + 1], results[lane : lane + 1])
            return
        results[...] = np.concatenate([part.reshape((*lead, -1)) for part in found], axis=-1)

    def computed(self, arguments: Any, *, native: bool) -> Any:  # noqa: ARG002 - LAPACK serves all
        results = self.of_numbers(arguments)
        if not self.quiet and results.size and np.isnan(results).all() and np.isfinite(arguments).all():
            raise MatrixError(self.failure(cut(arguments, self.takes)))
        return results

    def found(self, arguments: Any) -> Any:
        notes: Any = context.recording()
        lane = notes is not None and notes.mapped  # its neighbours go on
        return self.of_numbers(arguments) if lane else self.computed(arguments, native=False)

    def of_lanes(self, *arguments: Any) -> Any:
        """The results of each lane, with an axis of lanes first."""
        return self.of_numbers(np.stack(np.broadcast_arrays(*arguments), axis=-1))

    def kept(self, arguments: Any, results: Any) -> "Matrices":
        if arguments is None:
            return self
        own = copy.copy(self)
        own.told = arguments, results
        return own

    def __call__(self, *arguments: Any) -> list[Any]:
        return recorded(self, arguments)

    # --------------------------------------------------------------------------------------------------- derivatives

    def pull(self, at: At, bars: list[Any]) -> list[Array | None]:
        """The adjoints of the blocks that it takes from those of what it gives, None where nothing was sent."""
        raise NotImplementedError

    def push(self, at: At, dots: list[Any]) -> list[Array]:
        """The tangents of the blocks that it gives from those of what it takes, None where none arrived."""
        raise NotImplementedError

    def _rule(self, rule: Any, at: At, arrived: list[Any], shapes: Sequence[Shape]) -> list[Array | None]:
        """The blocks of a rule, without NumPy's warnings; NaN where LAPACK has no decomposition, as of infinite numbers."""
        try:
            with np.errstate(all="ignore"):
                found: list[Array | None] = rule(at, arrived)
        except np.linalg.LinAlgError:
            return [np.full(shape, nan) for shape in shapes]
        return found

    def _at(self, node: Variable, *, numbers: bool) -> At:
        arguments = node._arguments
        wanted = [any(type(a) is Variable for a in part) for part in _rows(arguments, self.takes)]
        if numbers:
            known = self.told or (given := values_of(arguments), self.of_numbers(given))
            return At(node, cut(known[0], self.takes), lambda: cut(known[1], self.gives), wanted, numbers=True)
        refuse_stale(node)
        return At(node, blocks(arguments, self.takes), lambda: self._items(node), wanted, numbers=False)

    def _items(self, node: Variable) -> list[Array]:
        """What it gave as nodes."""
        if self.told is not None:
            results = self.told[1]
        else:
            notes: Any = context.recording()
            blind = notes is not None and notes.blind
            results = np.ones(self.results) if blind else self.of_numbers(values_of(node._arguments))
        return blocks(items(node, results), self.gives)

    def recorded_back(self, node: Variable, cotangents: Cotangents) -> list[float | None]:
        at = self._at(node, numbers=True)
        return _in_a_row(self._rule(self.pull, at, _of_places(cotangents, self.gives), self.takes), self.takes)

    def recorded_tangents(self, node: Variable, arrived: Sequence[float | None]) -> dict[int, float]:
        """The tangents of the results, at the numbers that the node was recorded with."""
        at = self._at(node, numbers=True)
        dots = _of_places({k: t for k, t in enumerate(arrived) if t is not None}, self.takes)
        return dict(enumerate(_in_a_row(self._rule(self.push, at, dots, self.gives), self.gives)))

    def sent_back(
        self, node: Variable, cotangents: Cotangents, conditions: dict[int, Number | None] | None = None
    ) -> Sequence[Any]:
        known = conditions or {}
        sent, anywhere = _masked({k: (y, known.get(k)) for k, y in cotangents.items()})
        at, bars = self._at(node, numbers=False), _of_places(sent, self.gives)
        pulled = _in_a_row(self._rule(self.pull, at, bars, self.takes), self.takes)
        return pulled if conditions is None else [None if share is None else (share, anywhere) for share in pulled]

    def pushed(
        self, node: Variable, arrived: Sequence[Sent | None], _: Sequence[int], *, masked: bool
    ) -> dict[int, Sent]:
        """The tangents of the results, and the condition that any arrived."""
        sent, anywhere = _masked({k: t for k, t in enumerate(arrived) if t is not None})
        at, arriving = self._at(node, numbers=False), _of_places(sent, self.takes)
        dots = _in_a_row(self._rule(self.push, at, arriving, self.gives), self.gives)
        return {k: (tangent, anywhere if masked else None) for k, tangent in enumerate(dots)}


def _rows(numbers: Sequence[Any], shapes: Sequence[Shape]) -> list[Sequence[Any]]:
    ends = np.cumsum([0, *map(prod, shapes)]).tolist()
    return [numbers[a:b] for a, b in pairwise(ends)]


def _of_places(known: dict[int, Any], shapes: Sequence[Shape]) -> list[Array | None]:
    """Numbers by their places as blocks, 0 where there is none; None for a block without any."""
    found: list[Array | None] = []
    start = 0
    for shape in shapes:
        stop = start + prod(shape)
        own = [known.get(k, 0.0) for k in range(start, stop)]
        found.append(block(own, shape) if any(k in known for k in range(start, stop)) else None)
        start = stop
    return found


def _in_a_row(arrays: Sequence[Array | None], shapes: Sequence[Shape]) -> list[Any]:
    """The numbers of blocks one behind the other, None for those of a block that is None."""
    pairs = zip(arrays, shapes, strict=True)
    return [n for array, shape in pairs for n in ([None] * prod(shape) if array is None else array.ravel().tolist())]


def _masked(sent: dict[int, Sent]) -> tuple[dict[int, Number], Number | None]:
    """What was sent, 0 where its condition does not hold; the condition that anything was, None if something always is."""
    conditions = [condition for _, condition in sent.values()]
    anywhere = conditions[0] if conditions else None
    for condition in conditions[1:]:
        anywhere = None if anywhere is None or condition is None else where(anywhere, anywhere, condition)
    return {k: y if c is None else where(c, y, 0.0) for k, (y, c) in sent.items()}, anywhere


def pivot_text(a: Array) -> str:
    """The first column that has no pivot, in words."""
    n, work = len(a), np.array(a)
    for k in range(n):
        p = k + int(np.abs(work[k:, k]).argmax())
        if work[p, k] == 0.0:
            return f"pivot {k + 1} of {n} is 0"
        work[[k, p]] = work[[p, k]]
        work[k + 1 :] -= np.outer(work[k + 1 :, k] / work[k, k], work[k])
    return "a pivot is 0"


def singular_text(what: str, a: Array) -> str:
    """What to say of a singular matrix."""
    return (
        f"{what} of a singular matrix of shape {a.shape}: {pivot_text(a)}, so one row is a combination of the others. Look "
        "for rows that are equal or 0; al.linalg.lstsq solves in the sense of least squares if there are more equations, and "
        "a small multiple of the identity, added, makes a matrix regular."
    )


def solved(a: Array, b: Array) -> Array:
    """The solution in a rule: NaN if there is none."""
    operation = Solve(*b.shape, quiet=True)
    if object not in (a.dtype, b.dtype):
        return operation.of_numbers(np.concatenate([a.ravel(), b.ravel()])).reshape(b.shape)
    return applied(operation, a, b)[0]


def inverse(a: Array) -> Array:
    """The inverse in a rule: NaN if there is none."""
    operation = Inverse(len(a), quiet=True)
    return operation.of_numbers(a.ravel()).reshape(a.shape) if a.dtype != object else applied(operation, a)[0]


class Product(Matrices):
    """A·B, of m rows, n terms in a sum and k columns: Ā = C̄·Bᵀ, B̄ = Aᵀ·C̄."""

    name = "product"

    def shapes(self, *sizes: int) -> tuple[tuple[Shape, ...], tuple[Shape, ...]]:
        m, n, k = sizes
        return ((m, n), (n, k)), ((m, k),)

    def of_numbers(self, numbers: Array) -> Array:
        """Infinite numbers have products too."""
        return multiplied(*cut(numbers, self.takes)).reshape((*numbers.shape[:-1], self.results))

    def pull(self, at: At, bars: list[Any]) -> list[Array | None]:
        a, b = at.takes
        return [product(bars[0], b.T) if at.wanted[0] else None, product(a.T, bars[0]) if at.wanted[1] else None]

    def push(self, at: At, dots: list[Any]) -> list[Array]:
        (a, b), (da, db) = at.takes, dots
        parts = [] if da is None else [product(da, b)]
        parts += [] if db is None else [product(a, db)]
        return [parts[0] if len(parts) == 1 else parts[0] + parts[1]]


class Solve(Matrices):
    """x of A·x = b, for b of n rows and k columns: b̄ = A⁻ᵀ·x̄, Ā = -b̄·xᵀ."""

    name = "solve"

    def shapes(self, *sizes: int) -> tuple[tuple[Shape, ...], tuple[Shape, ...]]:
        n, k = sizes
        return ((n, n), (n, k)), ((n, k),)

    def one(self, *arrays: Array) -> tuple[Array, ...]:
        return (np.linalg.solve(*arrays),)

    def failure(self, arrays: Sequence[Array]) -> str:
        return singular_text("solve", arrays[0])

    def pull(self, at: At, bars: list[Any]) -> list[Array | None]:
        a, _ = at.takes
        sent = solved(a.T, bars[0])
        return [-product(sent, at.gives[0].T) if at.wanted[0] else None, sent]

    def push(self, at: At, dots: list[Any]) -> list[Array]:
        a, b = at.takes
        right = dots[1] if dots[1] is not None else np.zeros(b.shape)
        return [solved(a, right if dots[0] is None else right - product(dots[0], at.gives[0]))]


class Inverse(Matrices):
    """X = A⁻¹: Ā = -Xᵀ·X̄·Xᵀ."""

    name = "inv"

    def shapes(self, *sizes: int) -> tuple[tuple[Shape, ...], tuple[Shape, ...]]:
        (n,) = sizes
        return ((n, n),), ((n, n),)

    def one(self, *arrays: Array) -> tuple[Array, ...]:
        return (np.linalg.inv(*arrays),)

    def failure(self, arrays: Sequence[Array]) -> str:
        return singular_text("inv", arrays[0])

    def pull(self, at: At, bars: list[Any]) -> list[Array | None]:
        x = at.gives[0].T
        return [-product(product(x, bars[0]), x)]

    def push(self, at: At, dots: list[Any]) -> list[Array]:
        (x,) = at.gives
        return [-product(product(x, dots[0]), x)]


class Determinant(Matrices):
    """det A: Ā = d̄·cofactors, which are finite for a singular matrix too."""

    name = "det"

    def shapes(self, *sizes: int) -> tuple[tuple[Shape, ...], tuple[Shape, ...]]:
        (n,) = sizes
        return ((n, n),), ((1,),)

    def one(self, *arrays: Array) -> tuple[Array, ...]:
        return (np.asarray(np.linalg.det(*arrays)),)

    def pull(self, at: At, bars: list[Any]) -> list[Array | None]:
        return [scaled(cofactors(at.takes[0]), bars[0][0])]

    def push(self, at: At, dots: list[Any]) -> list[Array]:
        return [total(entrywise(cofactors(at.takes[0]), dots[0]))]


def entrywise(a: Array, b: Array) -> Array:
    """a times b, entry by entry; a plain 0 makes no node."""
    if object not in (a.dtype, b.dtype):
        return a * b
    found = [
        0.0 if is_zero(x) or is_zero(y) else x * y for x, y in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True)
    ]
    return block(found, a.shape)


def scaled(a: Array, factor: Any) -> Array:
    """a times a number."""
    if a.dtype != object and type(factor) is not Variable:
        return a * factor
    return block([0.0 if is_zero(x) else x * factor for x in a.ravel().tolist()], a.shape)


def total(array: Array) -> Array:
    """The sum of all entries, as a block of one number."""
    numbers = [n for n in array.ravel().tolist() if not is_zero(n)] or [0.0]
    found = numbers[0]
    for number in numbers[1:]:
        found = found + number
    return block([found], (1,))


def cofactors(a: Array) -> Array:
    """The derivative of the determinant: the transpose of the adjugate."""
    operation = Cofactors(len(a), quiet=True)
    return operation.of_numbers(a.ravel()).reshape(a.shape) if a.dtype != object else applied(operation, a)[0]


def _along(a: Array, h: Array) -> Array:
    """The derivative of the cofactors of A in the direction H; symmetric, as a second derivative."""
    operation = CofactorsAlong(len(a), quiet=True)
    if object not in (a.dtype, h.dtype):
        return operation.of_numbers(np.concatenate([a.ravel(), h.ravel()])).reshape(a.shape)
    return applied(operation, a, h)[0]


def _decomposed(a: Array) -> tuple[Array, Array, Array, Array]:
    """U, the singular values, Vᵀ, and the sign det U·det V."""
    u, s, v = np.linalg.svd(a)
    return u, s, v, np.sign(np.linalg.det(u) * np.linalg.det(v))[..., None, None]


class Cofactors(Matrices):
    """The cofactors U·diag(∏ of the other singular values)·Vᵀ: no division, so that a singular matrix has them too."""

    name = "cofactors"

    def shapes(self, *sizes: int) -> tuple[tuple[Shape, ...], tuple[Shape, ...]]:
        (n,) = sizes
        return ((n, n),), ((n, n),)

    def one(self, *arrays: Array) -> tuple[Array, ...]:
        u, s, v, sign = _decomposed(*arrays)
        return (sign * (u * _without(s, 1)[..., None, :]) @ v,)

    def pull(self, at: At, bars: list[Any]) -> list[Array | None]:
        return [_along(at.takes[0], bars[0])]

    def push(self, at: At, dots: list[Any]) -> list[Array]:
        return [_along(at.takes[0], dots[0])]


def _without(s: Array, count: int) -> Array:
    """Products of all singular values but one, by its place, or but two, by theirs."""
    n = s.shape[-1]
    factors = np.broadcast_to(s[(..., *[None] * count, slice(None))], s.shape[:-1] + (n,) * count + (n,)).copy()
    for axis in range(count):
        left_out = np.eye(n, dtype=bool).reshape([n if k in (axis, count) else 1 for k in range(count + 1)])
        factors[np.broadcast_to(left_out, factors.shape)] = 1.0
    return factors.prod(axis=-1)


class CofactorsAlong(Matrices):
    """The derivative of the cofactors in a direction H: finite for a singular matrix; its own derivative only for others."""

    name = "cofactors_along"

    def shapes(self, *sizes: int) -> tuple[tuple[Shape, ...], tuple[Shape, ...]]:
        (n,) = sizes
        return ((n, n), (n, n)), ((n, n),)

    def one(self, *arrays: Array) -> tuple[Array, ...]:
        a, h = arrays
        u, s, v, sign = _decomposed(a)
        turned, pairs = np.swapaxes(u, -1, -2) @ h @ np.swapaxes(v, -1, -2), _without(s, 2)
        n = s.shape[-1]
        pairs[..., range(n), range(n)] = 0.0
        middle = -pairs * np.swapaxes(turned, -1, -2)
        middle[..., range(n), range(n)] = (pairs @ np.diagonal(turned, 0, -2, -1)[..., None])[..., 0]
        return (sign * u @ middle @ v,)

    def pull(self, at: At, bars: list[Any]) -> list[Array | None]:
        a, h = at.takes
        return [_twice(a, h, bars[0]), _along(a, bars[0])]

    def push(self, at: At, dots: list[Any]) -> list[Array]:
        (a, h), (da, dh) = at.takes, dots
        parts = [_along(a, dh)] if dh is not None else []
        parts += [_twice(a, h, da)] if da is not None else []
        return [parts[0] if len(parts) == 1 else parts[0] + parts[1]]


def _twice(a: Array, h: Array, k: Array) -> Array:
    """The second derivative of the cofactors in two directions, of a regular matrix: that of det A·A⁻ᵀ."""
    x, c, e = inverse(a), cofactors(a), _along(a, k)
    hx, kx = product(h, x), product(k, x)
    both = product(hx, kx)
    first = scaled(e, _trace(hx)) - scaled(c, _trace(both))
    return first + product(both.T, c) - product(hx.T, e)


def _trace(a: Array) -> Any:
    return total(np.diagonal(a)).tolist()[0]


class LogDeterminant(Matrices):
    """The sign of det A and log |det A|: Ā = A⁻ᵀ·adjoint of the logarithm."""

    name = "slogdet"

    def shapes(self, *sizes: int) -> tuple[tuple[Shape, ...], tuple[Shape, ...]]:
        (n,) = sizes
        return ((n, n),), ((1,), (1,))

    def one(self, *arrays: Array) -> tuple[Array, ...]:
        sign, logarithm = np.linalg.slogdet(*arrays)
        return np.asarray(sign), np.asarray(logarithm)

    def pull(self, at: At, bars: list[Any]) -> list[Array | None]:
        x = inverse(at.takes[0]).T
        return [np.zeros(x.shape) if bars[1] is None else scaled(x, bars[1][0])]

    def push(self, at: At, dots: list[Any]) -> list[Array]:
        return [np.zeros(1), total(entrywise(inverse(at.takes[0]).T, dots[0]))]


def lower(n: int) -> tuple[Array, Array]:
    """The rows and columns of the lower triangle."""
    return np.tril_indices(n)


def triangle(entries: Array, n: int) -> Array:
    """The lower triangular matrix of these entries, of floats or of objects, perhaps with axes of lanes first."""
    found = np.zeros((*entries.shape[:-1], n, n), dtype=entries.dtype)
    if found.dtype == object:
        found[...] = 0.0
    found[(..., *lower(n))] = entries
    return found


def symmetric(entries: Array, n: int) -> Array:
    """The symmetric matrix whose lower triangle has these entries."""
    found = triangle(entries, n)
    rows, columns = lower(n)
    found[..., columns, rows] = entries
    return found


def folded(a: Array) -> Array:
    """The adjoint of the lower triangle of a symmetric matrix from that of all entries: those of both halves are added."""
    n = len(a)
    if a.dtype != object:
        return (a + a.T - np.diag(np.diagonal(a)))[lower(n)]
    rows = a.tolist()
    return block([rows[i][j] if i == j else rows[i][j] + rows[j][i] for i, j in zip(*lower(n), strict=True)], (-1,))


def _halved(a: Array) -> Array:
    """The lower triangle with half of the diagonal."""
    found = triangle(a[lower(len(a))], len(a))
    for k in range(len(a)):
        found[k, k] = found[k, k] * 0.5
    return found


class Cholesky(Matrices):
    """The entries of L for the lower triangle of A = L·Lᵀ: Ā = L⁻ᵀ·Φ(Lᵀ·L̄)·L⁻¹, Φ the lower triangle with half its diagonal.

    Murray, Differentiation of the Cholesky decomposition, 2016.
    """

    name = "cholesky"

    def shapes(self, *sizes: int) -> tuple[tuple[Shape, ...], tuple[Shape, ...]]:
        (n,) = sizes
        return ((n * (n + 1) // 2,),), ((n * (n + 1) // 2,),)

    def one(self, *arrays: Array) -> tuple[Array, ...]:
        (n,) = self.sizes
        return (np.linalg.cholesky(triangle(arrays[0], n))[(..., *lower(n))],)

    def failure(self, arrays: Sequence[Array]) -> str:
        (n,) = self.sizes
        return indefinite_text(float(np.linalg.eigvalsh(triangle(arrays[0], n))[0]), n)

    def pull(self, at: At, bars: list[Any]) -> list[Array | None]:
        (n,) = self.sizes
        l, bar = triangle(at.gives[0], n), triangle(bars[0], n)
        half = solved(l.T, _halved(product(l.T, bar)))
        return [folded(solved(l.T, half.T))]

    def push(self, at: At, dots: list[Any]) -> list[Array]:
        (n,) = self.sizes
        l = triangle(at.gives[0], n)
        turned = solved(l, solved(l, symmetric(dots[0], n)).T)
        return [product(l, _halved(turned))[lower(n)]]


def indefinite_text(smallest: float, n: int) -> str:
    """What to say of a matrix that is not positive definite."""
    return (
        f"cholesky of a matrix of shape ({n}, {n}) that is not positive definite: its smallest eigenvalue is {smallest:.3g} "
        "(of the symmetric matrix of its lower triangle). Add a small multiple of the identity, or use al.linalg.eigh."
    )


class Eigh(Matrices):
    """Eigenvalues and eigenvectors for the lower triangle of a symmetric matrix.

    Ā = V·(diag w̄ + F∘Vᵀ·V̄)·Vᵀ with F = 1/(w of the column - w of the row), NaN where they are equal.
    """

    name = "eigh"

    def shapes(self, *sizes: int) -> tuple[tuple[Shape, ...], tuple[Shape, ...]]:
        (n,) = sizes
        return ((n * (n + 1) // 2,),), ((n,), (n, n))

    def one(self, *arrays: Array) -> tuple[Array, ...]:
        return tuple(np.linalg.eigh(triangle(arrays[0], self.sizes[0])))

    def failure(self, arrays: Sequence[Array]) -> str:
        return f"eigh of a matrix of shape {(self.sizes[0],) * 2} did not converge: {arrays[0]!r:.60}"

    def pull(self, at: At, bars: list[Any]) -> list[Array | None]:
        (w, v), (n,) = at.gives, self.sizes
        found = None
        if bars[0] is not None:
            found = scaled_by_place(spectral(at, bars[0]), [2.0 - (i == j) for i, j in zip(*lower(n), strict=True)])
        if bars[1] is not None:
            gaps = inverse_gaps(w)
            if at.numbers:  # a vector that sends nothing has no gaps, as in a graph, where 0 is no node: NaN · 0 is NaN
                gaps = np.where(bars[1].any(axis=0), gaps, 0.0)
            turned = product(product(v, entrywise(gaps, product(v.T, bars[1]))), v.T)
            found = folded(turned) if found is None else found + folded(turned)
        return [found]

    def push(self, at: At, dots: list[Any]) -> list[Array]:
        (w, v), (n,) = at.gives, self.sizes
        turned = product(product(v.T, symmetric(dots[0], n)), v)
        return [np.diagonal(turned).copy(), product(v, entrywise(inverse_gaps(w), turned))]


def scaled_by_place(entries: Array, factors: Sequence[float]) -> Array:
    """Each number by its factor, 1 or 2."""
    if entries.dtype != object:
        return entries * np.array(factors)
    return block([x if f == 1.0 else x * f for x, f in zip(entries.tolist(), factors, strict=True)], (-1,))


def _resolution(w: Array) -> Any:
    """The distance below which eigenvalues are equal: 8·n rounding errors of the largest."""
    return 8.0 * len(w) * EPS * maximum(abs(w[0]), abs(w[-1]))


def _far(gap: Any, resolution: Any) -> Any:
    """Whether eigenvalues differ; data in a trace."""
    if context.recording() is None:
        return 1.0 if abs(getattr(gap, "_value", gap)) > getattr(resolution, "_value", resolution) else 0.0
    return less(resolution, abs(gap))


def inverse_gaps(w: Array) -> Array:
    """F: 1/(w of the column - w of the row), 0 on the diagonal, NaN for equal ones."""
    n = len(w)
    found = np.zeros((n, n), dtype=object)
    found[...] = 0.0
    resolution = _resolution(w)
    for i in range(n):
        for j in range(i + 1, n):
            gap = w[j] - w[i]
            found[i, j] = div(1.0, where(_far(gap, resolution), gap, nan))
            found[j, i] = -found[i, j]
    return block(found.ravel().tolist(), (n, n))


def spectral(at: At, weights: Array) -> Array:
    """The lower triangle of V·diag(weights)·Vᵀ."""
    n = len(weights)
    if at.numbers:
        _, v = at.gives
        return ((v * weights) @ v.T)[lower(n)]
    entries = [*at.takes[0].tolist(), *weights.tolist()]
    return applied(Spectral(n, quiet=True), block(entries, (-1,)))[0]


class Spectral(Matrices):
    """The lower triangle of V·diag(g)·Vᵀ from that of A and numbers g, one for each eigenvalue.

    It is what sends the adjoints g of eigenvalues to A, so that its derivative is a second derivative of eigenvalues: off the
    diagonal (g_i - g_j)/(w_i - w_j), and ∂g_i/∂w_i - ∂g_i/∂w_j where these are equal [1]_.

    .. [1] Lewis & Sendov, Twice differentiable spectral functions, SIAM J. Matrix Anal. Appl. 23, 2001.
    """

    name = "spectral"

    def shapes(self, *sizes: int) -> tuple[tuple[Shape, ...], tuple[Shape, ...]]:
        (n,) = sizes
        return ((n * (n + 1) // 2,), (n,)), ((n * (n + 1) // 2,),)

    def one(self, *arrays: Array) -> tuple[Array, ...]:
        entries, g = arrays
        _, v = np.linalg.eigh(triangle(entries, self.sizes[0]))
        return (((v * g[..., None, :]) @ np.swapaxes(v, -1, -2))[(..., *lower(self.sizes[0]))],)

    def _turned(self, at: At, h: Array) -> tuple[Array, Array, Array]:
        """V, Vᵀ·H·V, and that times the differences of g over those of w, off the diagonal."""
        (entries, g), (n,) = at.takes, self.sizes
        operation = Eigh(n, quiet=True)
        known = operation.of_numbers(entries) if at.numbers else None
        w, v = applied(operation, entries) if known is None else cut(known, operation.gives)
        turned = product(product(v.T, h), v)
        return v, turned, entrywise(self._differences(at, w, g), turned)

    def _differences(self, at: At, w: Array, g: Array) -> Array:
        n, resolution = len(w), _resolution(w)
        found = np.zeros((n, n), dtype=object)
        found[...] = 0.0
        slopes: Any = None
        for i in range(n):
            for j in range(i):
                gap, rise = w[i] - w[j], g[i] - g[j]
                far = _far(gap, resolution)
                slope: Any = div(rise, gap) if far == 1.0 and type(far) is float else None
                if slope is None:
                    slopes = _slopes_of_weights(at) if slopes is None else slopes
                    near = 0.5 * (slopes[i][i] - slopes[i][j] + slopes[j][j] - slopes[j][i])
                    slope = near if type(far) is float else where(far, div(rise, where(far, gap, 1.0)), near)
                found[i, j] = found[j, i] = slope
        return block(found.ravel().tolist(), (n, n))

    def pull(self, at: At, bars: list[Any]) -> list[Array | None]:
        (n,) = self.sizes
        sent = symmetric(scaled_by_place(bars[0], [1.0 if i == j else 0.5 for i, j in zip(*lower(n), strict=True)]), n)
        v, turned, apart = self._turned(at, sent)
        return [folded(product(product(v, apart), v.T)), np.diagonal(turned).copy()]

    def push(self, at: At, dots: list[Any]) -> list[Array]:
        (n,) = self.sizes
        h = np.zeros((n, n)) if dots[0] is None else symmetric(dots[0], n)
        v, _, apart = self._turned(at, h)
        if dots[1] is not None:
            apart = block(apart.ravel().tolist(), (n, n)).astype(object)
            for k in range(n):
                apart[k, k] = dots[1][k]
        return [product(product(v, block(apart.ravel().tolist(), (n, n))), v.T)[lower(n)]]


def _slopes_of_weights(at: At) -> list[list[Any]]:
    """∂g_i/∂w_j, of the graph that computed the arguments g of a `Spectral` from eigenvalues of the matrix."""
    arguments, n = at.node._arguments, at.node._primitive.sizes[0]  # type: ignore[union-attr] # a Spectral
    entries, weights = arguments[: len(arguments) - n], arguments[len(arguments) - n :]
    oldest = 1 + max((a._number for a in entries if type(a) is Variable), default=-1)
    found: list[list[Any]] = [[0.0] * n for _ in range(n)]
    for i, weight in enumerate(weights):
        if type(weight) is not Variable:
            continue
        met, _ = search([weight], oldest)
        places = [(node, k) for node in met.values() if (k := _place_of(node, entries)) is not None and k < n]
        nodes = [node for node, _ in places]
        reach = Reach([weight], oldest)
        if at.numbers and context.recording() is None:
            slopes = adjoints([weight], [1.0], oldest, nodes, (0.0, 0.0))
        else:
            sent = reach.towards(nodes).adjoints([(weight, 1.0)] if nodes else [], create_graph=True)
            slopes = [sent.get(node._number) for node in nodes]
        for (_, k), slope in zip(places, slopes, strict=True):
            if slope is not None:
                found[i][k] = slope if is_zero(found[i][k]) else found[i][k] + slope
    return found


def _place_of(node: Variable, entries: Sequence[Any]) -> int | None:
    """Which eigenvalue of the matrix of these entries a node is, if it is one."""
    if not isinstance(node._primitive, Item):
        return None
    bundle = node._arguments[0]
    operation, place, own = bundle._primitive, node._primitive.index, list(bundle._arguments)
    if isinstance(operation, SingularValues):
        place, own = sum(operation.sizes) - 1 - place, wide(block(own, operation.sizes)).tolist()
    elif not isinstance(operation, Eigh):
        return None
    same = (a is b or (type(a) is float and a == b) for a, b in zip(own, entries, strict=False))
    return place if len(entries) == len(own) and all(same) else None


def wide(a: Array) -> Array:
    """The lower triangle of [[0, Aᵀ], [A, 0]], whose eigenvalues are the singular values of A, their negatives, and zeros."""
    m, n = a.shape
    rows = a.tolist()
    entries = [rows[i - n][j] if i >= n > j else 0.0 for i, j in zip(*lower(m + n), strict=True)]
    return block(entries, (-1,))


class SingularValues(Matrices):
    """The singular values of A, from the largest: Ā = U·diag(adjoints)·Vᵀ. Further derivatives are those of `wide` ones."""

    name = "svdvals"

    def shapes(self, *sizes: int) -> tuple[tuple[Shape, ...], tuple[Shape, ...]]:
        return (sizes,), ((min(sizes),),)

    def one(self, *arrays: Array) -> tuple[Array, ...]:
        return (np.linalg.svd(*arrays, compute_uv=False),)

    def failure(self, arrays: Sequence[Array]) -> str:
        return f"the singular values of a matrix of shape {arrays[0].shape} did not converge: {arrays[0]!r:.60}"

    def _vectors(self, a: Array) -> tuple[Array, Array]:
        """U and Vᵀ; where values are equal those of the wide matrix, by which second derivatives go."""
        (m, n), count = self.sizes, min(self.sizes)
        u, s, v = np.linalg.svd(a, full_matrices=False)
        if count > 1 and np.diff(s).max() >= -8.0 * (m + n) * EPS * s[0]:
            both = np.linalg.eigh(triangle(wide(a), m + n))[1][:, : m + n - count - 1 : -1] * math.sqrt(2.0)
            return both[n:], both[:n].T
        return u, v

    def pull(self, at: At, bars: list[Any]) -> list[Array | None]:
        a, (m, n) = at.takes[0], self.sizes
        if at.numbers:
            u, v = self._vectors(a)
            return [(u * bars[0]) @ v]
        weights = [*[0.0] * max(m, n), *bars[0].tolist()[::-1]]
        entries = block([*wide(a).tolist(), *weights], (-1,))
        found = triangle(applied(Spectral(m + n, quiet=True), entries)[0], m + n)
        return [found[n:, :n] * 2.0]

    def push(self, at: At, dots: list[Any]) -> list[Array]:
        a, (m, n), count = at.takes[0], self.sizes, min(self.sizes)
        if at.numbers:
            u, v = self._vectors(a)
            return [np.diagonal(u.T @ dots[0] @ v.T).copy()]
        vectors = applied(Eigh(m + n, quiet=True), wide(a))[1][:, : m + n - count - 1 : -1]
        sides = product(product(vectors[n:].T, dots[0]), vectors[:n])
        return [np.diagonal(sides) * 2.0]


class LeastSquares(Matrices):
    """x that minimizes |b - A·x|, of m equations in n unknowns and k columns b; A has full column rank.

    With p and y from p - A·y = 0, Aᵀ·p = x̄: b̄ = p, Ā = (b - A·x)·yᵀ - p·xᵀ.
    """

    name = "lstsq"

    def shapes(self, *sizes: int) -> tuple[tuple[Shape, ...], tuple[Shape, ...]]:
        m, n, k = sizes
        return ((m, n), (m, k)), ((n, k),)

    def one(self, *arrays: Array) -> tuple[Array, ...]:
        a, b = arrays
        if a.ndim == 2:
            x, _, rank, _ = np.linalg.lstsq(a, b, self.rcond)
            if rank < a.shape[1]:
                raise np.linalg.LinAlgError
            return (x,)
        return (np.stack([self.one(*lane)[0] for lane in zip(a, b, strict=True)]),)

    def failure(self, arrays: Sequence[Array]) -> str:
        a = arrays[0]
        _, _, rank, s = np.linalg.lstsq(a, arrays[1], self.rcond)
        return (
            f"lstsq of a matrix of shape {a.shape} has rank {rank}, singular values from {s[0]:.3g} to {s[-1]:.3g}: the "
            "columns depend on each other, and the solution is not unique. Leave columns out, give rcond= if they only "
            "nearly do, or add rows of a small multiple of the identity, with 0 in b."
        )

    def _system(self, a: Array) -> Array:
        m, n, _ = self.sizes
        found = np.zeros((m + n, m + n), dtype=a.dtype)
        found[...] = 0.0
        found[range(m), range(m)] = 1.0
        found[:m, m:], found[m:, :m] = a, a.T
        return found

    def _residual(self, at: At) -> Array:
        return at.takes[1] - product(at.takes[0], at.gives[0])

    def pull(self, at: At, bars: list[Any]) -> list[Array | None]:
        m, _, k = self.sizes
        both = solved(self._system(at.takes[0]), _stacked(np.zeros((m, k)), bars[0]))
        p, y = both[:m], -both[m:]
        return [product(self._residual(at), y.T) - product(p, at.gives[0].T) if at.wanted[0] else None, p]

    def push(self, at: At, dots: list[Any]) -> list[Array]:
        m, n, k = self.sizes
        above = np.zeros((m, k)) if dots[1] is None else dots[1]
        below = np.zeros((n, k))
        if dots[0] is not None:
            above = above - product(dots[0], at.gives[0])
            below = -product(dots[0].T, self._residual(at))
        return [solved(self._system(at.takes[0]), _stacked(above, below))[m:]]


def _stacked(above: Array, below: Array) -> Array:
    rows = [*above.ravel().tolist(), *below.ravel().tolist()]
    return block(rows, (len(above) + len(below), above.shape[1]))


def _beside(a: Array, b: Array, c: Array, d: Array) -> Array:
    """The matrix of four blocks."""
    rows = [*np.concatenate([a.astype(object), b.astype(object)], axis=1).ravel().tolist()]
    rows += [*np.concatenate([c.astype(object), d.astype(object)], axis=1).ravel().tolist()]
    return block(rows, (len(a) + len(c), a.shape[1] + b.shape[1]))


#: Coefficients of the Padé approximant of degree 13, and the norm up to which it has full accuracy (Higham 2005).
_PADE = (
    64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0, 10559470521600.0,
    670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0, 1.0,
)  # fmt: skip
_PADE_NORM = 5.371920351148152


def exponential(a: Array) -> Array:
    """exp A by scaling and squaring, of one matrix of floats [1]_.

    .. [1] Higham, The scaling and squaring method for the matrix exponential revisited, SIAM J. Matrix Anal. Appl. 26, 2005.
    """
    size = float(np.abs(a).sum(axis=0).max()) if a.size else 0.0
    squarings = max(0, math.frexp(size / _PADE_NORM)[1]) if size > 0.0 else 0
    a = np.ldexp(a, -squarings)
    c, one = _PADE, np.eye(len(a))
    a2 = a @ a
    a4 = a2 @ a2
    a6 = a4 @ a2
    odd = a6 @ (c[13] * a6 + c[11] * a4 + c[9] * a2) + c[7] * a6 + c[5] * a4 + c[3] * a2 + c[1] * one
    even = a6 @ (c[12] * a6 + c[10] * a4 + c[8] * a2) + c[6] * a6 + c[4] * a4 + c[2] * a2 + c[0] * one
    odd = a @ odd
    found = np.eye(len(a)) + np.linalg.solve(even - odd, 2.0 * odd)
    for _ in range(squarings):
        found = found @ found
    return found


class Exponential(Matrices):
    """exp A: Ā = L(Aᵀ, adjoint), where L(A, E) is the derivative of exp at A in the direction E. Every matrix has one.

    It is `quiet`, therefore: where numbers overflow, results are infinite or NaN, as those of `exp` are.
    """

    name = "expm"

    def shapes(self, *sizes: int) -> tuple[tuple[Shape, ...], tuple[Shape, ...]]:
        (n,) = sizes
        return ((n, n),), ((n, n),)

    def one(self, *arrays: Array) -> tuple[Array, ...]:
        (a,) = arrays
        return (exponential(a) if a.ndim == 2 else np.stack([exponential(lane) for lane in a]),)

    def pull(self, at: At, bars: list[Any]) -> list[Array | None]:
        return [_exponential_along(at.takes[0].T, bars[0])]

    def push(self, at: At, dots: list[Any]) -> list[Array]:
        return [_exponential_along(at.takes[0], dots[0])]


def _exponential_along(a: Array, e: Array) -> Array:
    operation = ExponentialAlong(len(a), quiet=True)
    if object not in (a.dtype, e.dtype):
        return operation.of_numbers(np.concatenate([a.ravel(), e.ravel()])).reshape(a.shape)
    return applied(operation, a, e)[0]


class ExponentialAlong(Matrices):
    """L(A, E): the block above the diagonal of exp [[A, E], [0, A]], linear in E, which is therefore scaled to the size of A.

    Its derivative at A in the direction H is L of [[A, E], [0, A]] in the direction [[H, 0], [0, H]], above the diagonal.
    """

    name = "expm_along"

    def shapes(self, *sizes: int) -> tuple[tuple[Shape, ...], tuple[Shape, ...]]:
        (n,) = sizes
        return ((n, n), (n, n)), ((n, n),)

    def one(self, *arrays: Array) -> tuple[Array, ...]:
        a, e = arrays
        if a.ndim > 2:
            return (np.stack([self.one(*lane)[0] for lane in zip(a, e, strict=True)]),)
        size = float(np.abs(e).max()) if e.size else 0.0
        power = math.frexp(size)[1] - math.frexp(float(np.abs(a).max()) or 1.0)[1] if size > 0.0 else 0
        n, zero = len(a), np.zeros(a.shape)
        found = exponential(np.block([[a, np.ldexp(e, -power)], [zero, a]]))
        return (np.ldexp(found[:n, n:], power),)

    def pull(self, at: At, bars: list[Any]) -> list[Array | None]:
        a, e = at.takes
        return [_exponential_twice(a.T, e.T, bars[0]), _exponential_along(a.T, bars[0])]

    def push(self, at: At, dots: list[Any]) -> list[Array]:
        (a, e), (da, de) = at.takes, dots
        parts = [] if de is None else [_exponential_along(a, de)]
        parts += [] if da is None else [_exponential_twice(a, e, da)]
        return [parts[0] if len(parts) == 1 else parts[0] + parts[1]]


def _exponential_twice(a: Array, e: Array, h: Array) -> Array:
    n, zero = len(a), np.zeros(a.shape)
    return _exponential_along(_beside(a, e, zero, a), _beside(h, zero, zero, h))[:n, n:]
