"""Matrices as operations with many results: numbers by LAPACK, derivatives by the implicit rules.

An operation takes and gives blocks of numbers, `takes` and `gives` are their shapes. Its rules (`pull`, `push`) are products
of matrices and operations like itself, and serve arrays of floats and of Variables alike, so every order follows. `linalg`
has the functions that users call.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import nan, prod
from typing import Any

import numpy as np

from autograd_lite import context
from autograd_lite.backward import refuse_stale
from autograd_lite.errors import MatrixError
from autograd_lite.many import Cotangents, Number, Operation, Sent, items, recorded, values_of
from autograd_lite.primitives import where
from autograd_lite.variable import Variable

Array = Any  # of floats, or of objects: floats and Variables
Shape = tuple[int, ...]


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


def _cut(numbers: Array, shapes: Sequence[Shape]) -> list[Array]:
    """As `blocks`, of an array whose last axis is the row."""
    found, start = [], 0
    for shape in shapes:
        found.append(numbers[..., start : start + prod(shape)].reshape(numbers.shape[:-1] + shape))
        start += prod(shape)
    return found


def _is_zero(x: Any) -> bool:
    return type(x) is float and x == 0.0


def product(a: Array, b: Array) -> Array:
    """a·b; the zeros of a triangle and of an identity make no nodes."""
    if object not in (a.dtype, b.dtype):
        with np.errstate(all="ignore"):
            return a @ b
    found = np.empty((a.shape[0], b.shape[1]), dtype=object)
    columns = b.T.tolist()
    for i, row in enumerate(a.tolist()):
        for j, column in enumerate(columns):
            total: Any = None
            for x, y in zip(row, column, strict=True):
                if not (_is_zero(x) or _is_zero(y)):
                    total = x * y if total is None else total + x * y
            found[i, j] = 0.0 if total is None else total
    return found


def applied(operation: "Matrices", *arrays: Array) -> list[Array]:
    """The results of an operation on matrices as arrays."""
    numbers = recorded(operation, [n for array in arrays for n in array.ravel().tolist()])
    return blocks(numbers, operation.gives)


@dataclass(frozen=True)
class At:
    """Where a rule is asked for: the node, its blocks, which of what it takes are wanted, and whether all are floats."""

    node: Variable
    takes: list[Array]
    gives: list[Array]
    wanted: list[bool]
    numbers: bool


class Matrices(Operation):
    """An operation on matrices.

    `quiet` ones are those of derivatives: a matrix that has no result gives NaN, as it does in lanes; else it is an error.
    """

    takes: tuple[Shape, ...]
    gives: tuple[Shape, ...]
    told: tuple[Any, Any] | None = None  # the numbers that a node was recorded with: what it took and gave

    def __init__(self, *sizes: int, quiet: bool = False) -> None:
        self.sizes, self.quiet = sizes, quiet
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
        return self.told is other.told is None and (self.sizes, self.quiet) == (other.sizes, other.quiet)

    def __hash__(self) -> int:
        return hash((type(self), self.sizes, self.quiet))

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
                found = self.one(*_cut(numbers, self.takes))
        except np.linalg.LinAlgError:
            for lane in range(lead[0]) if lead and (len(lead) > 1 or lead[0] > 1) else ():
                self._fill(numbers[lane : lane + 1], results[lane : lane + 1])
            return
        results[...] = np.concatenate([part.reshape((*lead, -1)) for part in found], axis=-1)

    def computed(self, arguments: Any, *, native: bool) -> Any:  # noqa: ARG002 - LAPACK serves all
        results = self.of_numbers(arguments)
        if not self.quiet and results.size and np.isnan(results).all() and np.isfinite(arguments).all():
            raise MatrixError(self.failure(_cut(arguments, self.takes)))
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
        own = type(self)(*self.sizes, quiet=self.quiet)
        own.told = arguments, results
        return own

    def __call__(self, *arguments: Any) -> list[Any]:
        return recorded(self, arguments)

    # --------------------------------------------------------------------------------------------------- derivatives

    def pull(self, at: At, bars: list[Array | None]) -> list[Array | None]:
        """The adjoints of the blocks that it takes from those of what it gives, None where nothing was sent."""
        raise NotImplementedError

    def push(self, at: At, dots: list[Array | None]) -> list[Array]:
        """The tangents of the blocks that it gives from those of what it takes, None where none arrived."""
        raise NotImplementedError

    def _at(self, node: Variable, *, numbers: bool) -> At:
        arguments = node._arguments
        wanted = [any(type(a) is Variable for a in part) for part in _rows(arguments, self.takes)]
        if numbers:
            known = self.told or (given := values_of(arguments), self.of_numbers(given))
            return At(node, _cut(known[0], self.takes), _cut(known[1], self.gives), wanted, numbers=True)
        refuse_stale(node)
        if self.told is not None:
            results = self.told[1]
        else:
            notes: Any = context.recording()
            blind = notes is not None and notes.blind
            results = np.ones(self.results) if blind else self.of_numbers(values_of(arguments))
        return At(node, blocks(arguments, self.takes), blocks(items(node, results), self.gives), wanted, numbers=False)

    def recorded_shares(self, node: Variable, cotangents: Cotangents) -> list[tuple[Any, float]]:
        """The products that adjoints send to the arguments, at the numbers that the node was recorded with."""
        at = self._at(node, numbers=True)
        pulled = _in_a_row(self.pull(at, _of_places(cotangents, self.gives)), self.takes)
        pairs = zip(node._arguments, pulled, strict=True)
        return [(a, share) for a, share in pairs if share is not None and type(a) is Variable]

    def recorded_tangents(self, node: Variable, arrived: Sequence[float | None]) -> dict[int, float]:
        """The tangents of the results, at the numbers that the node was recorded with."""
        at = self._at(node, numbers=True)
        dots = _of_places({k: t for k, t in enumerate(arrived) if t is not None}, self.takes)
        return dict(enumerate(_in_a_row(self.push(at, dots), self.gives)))

    def shares(
        self, node: Variable, cotangents: Cotangents, conditions: dict[int, Number | None] | None = None
    ) -> list[tuple[Variable, Any]]:
        known = conditions or {}
        sent, anywhere = _masked({k: (y, known.get(k)) for k, y in cotangents.items()})
        pulled = _in_a_row(self.pull(self._at(node, numbers=False), _of_places(sent, self.gives)), self.takes)
        pairs = zip(node._arguments, pulled, strict=True)
        shares = [(a, share) for a, share in pairs if share is not None and type(a) is Variable]
        return shares if conditions is None else [(a, (share, anywhere)) for a, share in shares]

    def pushed(
        self, node: Variable, arrived: Sequence[Sent | None], _: Sequence[int], *, masked: bool
    ) -> dict[int, Sent]:
        """The tangents of the results, and the condition that any arrived."""
        sent, anywhere = _masked({k: t for k, t in enumerate(arrived) if t is not None})
        dots = _in_a_row(self.push(self._at(node, numbers=False), _of_places(sent, self.takes)), self.gives)
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

    def pull(self, at: At, bars: list[Array | None]) -> list[Array | None]:
        a, _ = at.takes
        sent = solved(a.T, bars[0])
        return [-product(sent, at.gives[0].T) if at.wanted[0] else None, sent]

    def push(self, at: At, dots: list[Array | None]) -> list[Array]:
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

    def pull(self, at: At, bars: list[Array | None]) -> list[Array | None]:
        x = at.gives[0].T
        return [-product(product(x, bars[0]), x)]

    def push(self, at: At, dots: list[Array | None]) -> list[Array]:
        (x,) = at.gives
        return [-product(product(x, dots[0]), x)]
