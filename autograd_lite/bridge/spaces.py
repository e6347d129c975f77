"""What the vectors of a solver stand for: themselves, or nests."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import optree

from autograd_lite.errors import ArgumentError, OperandError
from autograd_lite.nests import Shape, as_array, unravel
from autograd_lite.transforms import name_of
from autograd_lite.variable import Variable


class Space:
    """What the vectors of a solver stand for: themselves, or nests like the starting point."""

    def __init__(self, start: Any, what: str = "x0", *, number: bool = False) -> None:
        self.shape: Shape | None = None
        if number or not is_vector(start):
            numbers, self.shape = unravel(start, what)
        else:
            numbers = np.atleast_1d(np.asarray(start)).tolist()
        for entry in numbers:
            if isinstance(entry, Variable):
                raise OperandError(
                    f"{what} holds {entry!r}: SciPy's solvers run on plain numbers, and the derivative would be lost. Pass "
                    "x.value, or use al.root, al.argmin or al.odeint, which differentiate the equation that is solved."
                )
        try:
            self.start = np.array(numbers, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise OperandError(f"{what}, {start!r:.80}, is not made of real numbers.") from error

    def nest(self, x: Any) -> Any:
        """What a vector stands for; it may hold Variables."""
        if self.shape is None:
            return x
        return self.shape.pack(x if type(x) is np.ndarray and x.dtype != object else [*x])

    def columns(self, matrix: Any) -> Any:
        """The nest whose numbers are the rows of a matrix, with its columns along the last axis."""
        assert self.shape is not None
        leaves, row = [], 0
        for leaf, size in zip(self.shape.leaves, self.shape.sizes, strict=True):
            lead = leaf if type(leaf) is tuple else ()
            leaves.append(matrix[row : row + size].reshape(*lead, matrix.shape[1]))
            row += size
        return optree.tree_unflatten(self.shape.containers, leaves)

    def flat(self, nest: Any, what: str) -> Any:
        """The vector of a nest."""
        numbers = unravel(nest, what)[0]
        if len(numbers) != len(self.start):
            raise ArgumentError(f"{what} has {len(numbers)} numbers, and x has {len(self.start)}. Give one for each.")
        return np.array(numbers, dtype=np.float64)

    def spread(self, nest: Any, what: str, missing: float) -> Any:
        """A vector from one number for all, a vector, or a nest like x, with one number or None for a whole array."""
        if isinstance(nest, np.ndarray) and nest.size == 1:
            nest = nest.item()  # SciPy's Bounds makes an array of everything
        if self.shape is None or nest is None or isinstance(nest, (int, float, np.generic)):
            return nest
        try:
            parts = self.shape.containers.flatten_up_to(nest)
        except ValueError as error:
            if not is_vector(nest):
                raise self._misfit(nest, what) from error
            return np.asarray(nest, dtype=np.float64)
        leaves = [np.empty(0)]
        for part, leaf in zip(parts, self.shape.leaves, strict=True):
            number = missing if part is None else np.asarray(part, dtype=np.float64)
            leaves.append(np.broadcast_to(number, leaf if type(leaf) is tuple else ()).ravel())
        return np.concatenate(leaves)

    def sides(self, bounds: Any) -> Any:
        """Both sides of the bounds of `minimize` where they are a nest like x, with a pair for each number or array."""
        if len(bounds) == len(self.start) and not isinstance(bounds, Mapping) and all(map(_is_pair, bounds)):
            return None  # SciPy's form
        assert self.shape is not None
        try:
            pairs = self.shape.containers.flatten_up_to(bounds)
        except ValueError as error:
            raise self._misfit(bounds, "bounds") from error
        if not all(map(_is_pair, pairs)):
            raise self._misfit(bounds, "bounds")
        nests = [optree.tree_unflatten(self.shape.containers, side) for side in zip(*pairs, strict=True)]
        return [self.spread(nest, "bounds", missing) for nest, missing in zip(nests, (-np.inf, np.inf), strict=True)]

    def _misfit(self, nest: Any, what: str) -> ArgumentError:
        assert self.shape is not None
        return ArgumentError(f"{what}={nest!r:.80} does not fit x, {self.shape.outline()}.")

    def callback(self, callback: Any) -> Any:
        """A callback that gets nests, with the parameters by which SciPy tells the two kinds apart."""
        if self.shape is None or not callable(callback):
            return callback
        if {*inspect.signature(callback).parameters} == {"intermediate_result"}:

            def report(*, intermediate_result: Any) -> Any:
                shown = type(intermediate_result)(intermediate_result)  # SciPy may go on with its own
                shown.x = self.nest(shown.x)
                return callback(intermediate_result=shown)

            return report
        return lambda x, *state: callback(self.nest(x), *state)


def is_vector(x: Any) -> bool:
    """Whether SciPy takes this as a vector or a number: then functions get vectors, as they do from SciPy."""
    if isinstance(x, np.ndarray):
        return x.ndim <= 1
    if type(x) in (list, tuple):
        return all(np.ndim(entry) == 0 for entry in x if not isinstance(entry, Mapping)) and not any(
            isinstance(entry, Mapping) or optree.is_namedtuple(entry) or hasattr(entry, "__dataclass_fields__")
            for entry in x
        )
    return isinstance(x, (int, float, complex, np.generic, Variable)) or (
        hasattr(x, "__array__") and np.ndim(x) <= 1 and not hasattr(x, "__dataclass_fields__")
    )


def renamed(f: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """The function under the name of `f`, which messages say."""

    @functools.wraps(f, updated=())
    def named(*arguments: Any, **keywords: Any) -> Any:
        return function(*arguments, **keywords)

    return named


def paired(f: Any, keyword: str, count: int = 2) -> Any:
    """A function that returns its value and its derivatives, as `keyword=True` says; it is refused if it does not."""

    def pair(*arguments: Any, **keywords: Any) -> Any:
        found = f(*arguments, **keywords)
        if (
            np.ndim(found) == 0
            if isinstance(found, np.ndarray)
            else not hasattr(found, "__len__") or len(found) < count
        ):
            raise ArgumentError(
                f"{keyword}=True says that {name_of(f)} returns its value and its derivatives. It returned {found!r:.60}. "
                f"Leave {keyword} out: derivatives are filled in."
            )
        return found

    return renamed(f, pair) if callable(f) else f


def rows_of(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function with all numbers that it returns in one array."""

    def rows(*arguments: Any) -> Any:
        numbers = unravel(f(*arguments), f"the output of {name_of(f)}")[0]
        return as_array(numbers, (len(numbers),))

    return renamed(f, rows)


def as_vector(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function with a vector for whatever nest of numbers it returns; arrays stay as they are."""

    def vector(*arguments: Any, **keywords: Any) -> Any:
        found = f(*arguments, **keywords)
        if isinstance(found, (np.ndarray, np.complexfloating, complex)):  # complex steps are SciPy's business
            return found
        if isinstance(found, (list, tuple)) and all(isinstance(n, (np.complexfloating, complex)) for n in found):
            return np.array(found)
        return np.array(unravel(found)[0], dtype=np.float64)

    return renamed(f, vector)


def on_nest(f: Any, space: Space, *, back: str = "") -> Any:
    """A user's function of nests as one of vectors; its results are nests like x if they are called `back`."""
    if space.shape is None or not callable(f):
        return f

    def on_vector(x: Any, *more: Any, **keywords: Any) -> Any:
        found = f(space.nest(np.asarray(x, dtype=np.float64)), *more, **keywords)
        return space.flat(found, back) if back else found

    return renamed(f, on_vector)


def called(f: Callable[..., Any], parameters: Any, arguments: tuple[Any, ...]) -> Any:
    """A model of data with its parameters: one by one, a dict by name, another nest as it is."""
    if isinstance(parameters, Mapping):
        return f(*arguments, **parameters)
    return f(*arguments, *(parameters if isinstance(parameters, (np.ndarray, list, tuple)) else (parameters,)))


def _is_pair(part: Any) -> bool:
    return hasattr(part, "__len__") and not isinstance(part, Mapping) and len(part) == 2
