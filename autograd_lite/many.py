"""Operations with many results: one node for all of them, and an `Item` for each result that is used.

Such an operation knows the adjoints of its arguments from those of its results (`pulled_back`), and the tangents of its
results from those of its arguments (`pushed`). A sweep brings the adjoints of the items together as `Cotangents` of the one
node. Loops, lanes and tables (`tape`) are such operations while a function is traced, matrices (`linalg`) at any time.
"""

import copy
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np

from autograd_lite import context
from autograd_lite.rule import REAL, Interval, Primitive
from autograd_lite.variable import Variable, make_node

Number = Any  # a float or a Variable
Sent = tuple[Number, Number | None]  # an adjoint and the condition that it was sent: None if it always is


class Cotangents(dict[int, Number]):
    """Adjoints of some results of an operation that has many, by their places."""

    def __add__(self, other: "Cotangents") -> "Cotangents":
        """Adds into this one, which a sweep alone holds: a copy for each of many results would be quadratic."""
        for place, adjoint in other.items():
            self[place] = self[place] + adjoint if place in self else adjoint
        return self


class Item:
    """Takes result `index` out of the results of an operation."""

    arity, selects, expression, partials = 1, False, None, (None,)

    def __init__(self, index: int) -> None:
        self.index, self.name = index, f"item_{index}"

    @staticmethod
    @lru_cache(maxsize=1 << 16)
    def at(index: int) -> "Item":
        """The operation for result `index`: always the same object, so that it is done once."""
        return Item(index)

    def __reduce__(self) -> tuple[Any, ...]:
        return Item.at, (self.index,)

    def value(self, results: Sequence[Any]) -> Any:
        return results[self.index]

    def of_lanes(self, results: Any) -> Any:
        """The result in each lane, of columns or of an array with an axis of lanes first."""
        return results[self.index] if isinstance(results, list) else results[..., self.index]

    __call__ = value

    def shares(self, node: Variable, adjoint: Number) -> list[tuple[Any, Cotangents]]:
        """The adjoint, at its place among those of all results."""
        return [(node._arguments[0], Cotangents({self.index: adjoint}))]

    recorded_shares = shares

    def part_of(self, node: Variable) -> "Part":
        """The operation as users see it: on the arguments of the operation with many results."""
        return Part(node._arguments[0], self.index)

    def row(self, node: Variable) -> list[Any]:
        """The local gradients as graphs."""
        bundle: Any = node._arguments[0]
        return list(bundle._primitive.sent_back(bundle, Cotangents({self.index: 1.0})))

    def recorded_row(self, node: Variable) -> list[float | None]:
        """The local gradients, at the numbers that the node was recorded with."""
        bundle: Any = node._arguments[0]
        return list(bundle._primitive.recorded_back(bundle, Cotangents({self.index: 1.0})))

    def pushed(self, _: Any, arrived: Sequence[Any], *_places: Any, masked: bool) -> Sent | None:  # noqa: ARG002
        """The tangent, from its place among those of all results."""
        tangent: Sent | None = arrived[0].get(self.index)
        return tangent


class Part(Primitive):
    """One result of an operation with many, as pictures and messages see it. It does not enter the rule table."""

    bundle: Any
    index: int

    def __init__(self, bundle: Any, index: int) -> None:
        self.__dict__.update(name=bundle._primitive.name, bundle=bundle, index=index)  # of a frozen dataclass

    @property
    def arity(self) -> int:
        return len(self.bundle._arguments)

    @property
    def domain(self) -> tuple[Interval, ...]:
        return (REAL,) * self.arity

    def value(self, *numbers: float) -> float:
        """The result for other numbers."""
        return self.bundle._primitive.value(*numbers)[self.index]  # type: ignore[no-any-return]

    @property
    def partials(self) -> tuple[Callable[..., Any], ...]:
        return tuple(partial(self._partial, place) for place in range(self.arity))

    def __reduce__(self) -> tuple[Any, ...]:
        return Part, (self.bundle, self.index)

    def _partial(self, place: int, *_: Any) -> Any:
        sent = self.bundle._primitive.sent_back(self.bundle, Cotangents({self.index: 1.0}))[place]
        return 0.0 if sent is None else sent


class Operation:
    """An operation with many results, as a node and as the instruction of a tape know it.

    Machine code calls `value_of`, the Python backend `value`. A sweep over a trace asks for `pulled_back`; the replay of a
    tape on Variables calls the operation itself.
    """

    selects, expression, partials = False, None, ()
    #: Another operation with results that this one has too: from which place on, to be divided by what.
    includes: "tuple[Operation, int, float | None] | None" = None
    #: Why a tape with it has no text and no file, and what to do.
    untold = (
        "a loop or look-up of jit, which is one operation there. Trace the function with trace(f, *arguments) again."
    )
    name: str
    arity: int
    results: int
    replayed: Callable[[Sequence[Any]], list[Any]]  # on Variables
    pulled_back: Callable[..., list[Any]]  # the adjoints of the arguments
    pushed: Callable[..., dict[int, Sent]]  # the tangents of some results, from those of the arguments that arrived

    def computed(self, arguments: Any, *, native: bool) -> Any:
        """The results for an array of arguments, as an array."""

    def found(self, arguments: Any) -> Any:
        """The results where the operation is recorded."""
        return self.computed(arguments, native=False)

    def kept(self, arguments: Any, results: Any) -> "Operation":  # noqa: ARG002 - for those that keep them
        """The operation of a new node, which may keep the numbers that it was recorded with."""
        return copy.copy(self)

    def __call__(self, *arguments: Any) -> list[Any]:
        """The results on Variables: one instruction in a trace that allows it, else step by step."""
        if (notes := _notes()) and notes.loops:
            return recorded(self, arguments)
        return self.replayed(arguments)

    def sent_back(
        self, node: Variable, cotangents: Cotangents, conditions: dict[int, Number | None] | None = None
    ) -> Sequence[Any]:
        """What the adjoints of results send to each argument, as graphs; with `conditions` in pairs with such a condition."""
        given = (cotangents,) if conditions is None else (cotangents, conditions)
        return self.pulled_back(node._arguments, *given)

    def shares(
        self, node: Variable, cotangents: Cotangents, conditions: dict[int, Number | None] | None = None
    ) -> list[tuple[Variable, Any]]:
        """What is sent to those arguments that are Variables."""
        pairs = zip(node._arguments, self.sent_back(node, cotangents, conditions), strict=True)
        return [(argument, share) for argument, share in pairs if share is not None and type(argument) is Variable]

    def recorded_back(self, node: Variable, cotangents: Cotangents) -> list[float | None]:
        """As `sent_back`, at the numbers that the node was recorded with."""
        return [getattr(share, "_value", share) for share in self.sent_back(node, cotangents)]

    def recorded_shares(self, node: Variable, cotangents: Cotangents) -> list[tuple[Variable, float]]:
        """As `shares`, at the numbers that the node was recorded with."""
        pairs = zip(node._arguments, self.recorded_back(node, cotangents), strict=True)
        return [(argument, share) for argument, share in pairs if share is not None and type(argument) is Variable]

    def value_of(self, arguments: Any) -> Any:
        return self.computed(arguments, native=True)

    def value(self, *arguments: float) -> list[float]:
        results: list[float] = self.computed(np.array(arguments, dtype=np.float64), native=False).tolist()
        return results


def _notes() -> Any:
    """The trace that is under way, with its notes: see `tape.recording`."""
    return context.recording()


def recorded(operation: Operation, arguments: Sequence[Any], results: Any = None) -> list[Any]:
    """Enter an operation with many results into the graph; returns these, plain numbers if no argument is a Variable."""
    traced, notes, values = any(type(a) is Variable for a in arguments), _notes(), None
    if results is None:
        blind = notes is not None and notes.blind and traced
        values = None if blind else values_of(arguments)
        results = np.ones(operation.results) if blind else operation.found(values)
    if not traced:
        return list(results.tolist())
    # Compiled code keeps a way back for each loop: no two instructions share one.
    own: Any = operation.kept(None if notes else values, results)
    bundle = make_node(own, 0.0, tuple(arguments), (None,) * len(arguments))
    return items(bundle, results)


def items(bundle: Variable, results: Any) -> list[Any]:
    """A node for each result of the operation that a node is."""
    pairs: Any = enumerate(results.tolist())
    return [make_node(Item.at(k), value, (bundle,), (None,)) for k, value in pairs]  # type: ignore[arg-type]


def values_of(numbers: Any) -> Any:
    """Numbers without history, as an array of the same shape."""
    array = isinstance(numbers, np.ndarray)
    values = [getattr(n, "_value", n) for n in (numbers.ravel().tolist() if array else numbers)]
    return np.array(values, dtype=np.float64).reshape(numbers.shape if array else -1)


def is_bundle(node: Variable) -> bool:
    """Whether a node is an operation with many results, which has no value of its own."""
    return isinstance(node._primitive, Operation)
