"""Sparse derivatives by a pattern that is given: inputs, or outputs, that never meet share a sweep; they have one colour.

For functions that cannot be traced. Each evaluation runs the function once or once a colour, eagerly, and compares one random
product with the matrix: a pattern that lacks an entry is found out.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_lite import functions
from autograd_lite.errors import ArgumentError
from autograd_lite.nests import unravel
from autograd_lite.see.sparsity import Part
from autograd_lite.tape.elements import scipy_sparse
from autograd_lite.transforms import grad, jvp, vjp

EPS = float(np.finfo(float).eps)

Vector = Any


class Given:
    """A pattern from outside, with colours for the columns, or for the rows if those need fewer."""

    def __init__(self, pattern: Any, *, of: str) -> None:
        sparse = scipy_sparse()
        try:
            found = sparse.csr_array(pattern != 0)
        except (TypeError, ValueError) as error:
            shown = " ".join(repr(pattern).split())
            raise ArgumentError(
                f"pattern={shown:.60}: give a SciPy sparse matrix or an array, other than 0 where the {of} may be."
            ) from error
        if found.ndim != 2 or (of == "hessian" and found.shape[0] != found.shape[1]):
            raise ArgumentError(
                f"the pattern of a {of} has the shape {found.shape}. Give one of (outputs, inputs) for a Jacobian, of "
                "(inputs, inputs) for a Hessian."
            )
        if of == "hessian":
            found = sparse.csr_array((found + found.T) != 0)
        found.sort_indices()
        self.of, self.structure, self.shape = of, found, found.shape
        self.rows = np.repeat(np.arange(found.shape[0]), np.diff(found.indptr))
        self.columns = found.indices.astype(np.int64)
        most = [np.bincount(which, minlength=1).max(initial=0) for which in (self.rows, self.columns)]
        #: No row has two entries of one colour of columns, so a row with many needs many.
        self.by_rows = bool(of == "jacobian" and most[1] < most[0])
        self.colours = coloured(sparse.csr_array(found.T) if self.by_rows else found)
        self.count = int(self.colours.max(initial=-1)) + 1

    def __str__(self) -> str:
        which = "rows" if self.by_rows else "columns"
        return f"{self.of}: {self.shape[0]:,} × {self.shape[1]:,}, given; {self.count} colours of {which}"

    def parts(self) -> list[Part]:
        """The entries by colour."""
        own = self.colours[self.rows if self.by_rows else self.columns]
        return [Part(f"sweep {k + 1}", self.rows[own == k], self.columns[own == k]) for k in range(self.count)]

    def jacobian(self, f: Callable[[Vector], list[Any]], x: Vector) -> Any:
        """The Jacobian of a function from a vector to a list of numbers."""
        if not self.by_rows:
            return self._matrix(lambda tangent: _floats(jvp(f, (x,), (tangent,))[1]), len(x), x)
        value, pull = vjp(f, x)
        return self._matrix(lambda cotangent: _floats(pull(cotangent.tolist())[0]), len(value), x)

    def hessian(self, f: Callable[[Vector], list[Any]], x: Vector, weights: Vector) -> Any:
        """The Hessian of `weights · f`."""
        _, pull = vjp(grad(lambda vector: functions.dot(weights, f(vector))), x)
        return self._matrix(lambda direction: _floats(pull(direction)[0]), len(x), x)

    def _matrix(self, product: Callable[[Vector], Vector], length: int, x: Vector) -> Any:
        """The matrix from its products with vectors of this length, from the left if colours are of rows."""
        own, other = (self.rows, self.columns) if self.by_rows else (self.columns, self.rows)
        sides = self.shape if self.by_rows else self.shape[::-1]
        if length != sides[0] or len(x) != self.shape[1]:
            self._refuse(length if self.by_rows else "?", len(x))
        data = np.empty(len(own))
        for colour in range(self.count):
            found = product((self.colours == colour).astype(np.float64))
            if len(found) != sides[1]:
                self._refuse(len(found), len(x))
            mine = self.colours[own] == colour
            data[mine] = found[other[mine]]
        self._test(product, data, own, other, sides)
        matrix = self.structure.astype(np.float64)
        matrix.data = data
        return matrix

    def _refuse(self, outputs: Any, inputs: int) -> None:
        raise ArgumentError(
            f"the pattern of the {self.of} has the shape {self.shape}, and there are {inputs} inputs"
            + f" and {outputs} outputs" * (self.of == "jacobian" and outputs != "?")
            + ". Give a pattern of that shape."
        )

    def _test(
        self, product: Callable[[Vector], Vector], data: Vector, own: Vector, other: Vector, sides: tuple[int, int]
    ) -> None:
        """Compare one product with that of the matrix; rounding is within a few ULP of the sum of absolute terms."""
        direction = np.random.default_rng(0).uniform(0.5, 1.0, sides[0])
        expected, terms = product(direction), data * direction[own]
        if len(expected) != sides[1]:
            self._refuse(len(expected), sides[0])
        with np.errstate(all="ignore"):
            found = np.bincount(other, terms, sides[1])
            bound = 1e3 * EPS * (np.bincount(other, np.abs(terms), sides[1]) + np.abs(expected))
            wrong = np.flatnonzero(np.abs(found - expected) > bound)
        if len(wrong):
            which = "column" if self.by_rows else "row"
            raise ArgumentError(
                f"the pattern of the {self.of} lacks an entry: {which} {wrong[0]} of the product with a random vector is "
                f"{float(expected[wrong[0]])!r}, and by the pattern {float(found[wrong[0]])!r}. Give a pattern with every "
                "entry that is ever other than 0, or none if the function can be traced."
            )


def coloured(structure: Any) -> Any:
    """A colour for each column, such that none has two entries in a row: greedy, the better of two orders."""
    near = scipy_sparse().csr_array(structure.astype(bool).T @ structure.astype(bool))
    starts, others = near.indptr.tolist(), near.indices.tolist()
    natural = np.arange(structure.shape[1])
    largest_first = np.argsort(-np.diff(near.indptr), kind="stable")
    tries = [_greedy(order.tolist(), starts, others) for order in (natural, largest_first)]
    return np.array(min(tries, key=lambda colours: max(colours, default=0)), dtype=np.int64)


def _greedy(order: list[int], starts: list[int], others: list[int]) -> list[int]:
    colours = [-1] * len(order)
    for column in order:
        taken = {colours[other] for other in others[starts[column] : starts[column + 1]]}
        colour = 0
        while colour in taken:
            colour += 1
        colours[column] = colour
    return colours


def _floats(numbers: Any) -> Vector:
    """An array of the numbers, without derivatives by what the function uses from outside."""
    flat, _ = unravel(numbers, "the result")
    return np.array([getattr(number, "_value", number) for number in flat], dtype=np.float64)
