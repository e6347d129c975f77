"""The notes of a trace beside its nodes, and its sweeps, which must be right for whatever numbers a lane has.

A `masked` sweep carries with each adjoint the condition that it was sent at all, which can be half the program. Other sweeps
send 0·∂y/∂x into a branch that was not taken; a NaN among the `doubtful` numbers of a replay asks for the masked program.
"""

import sys
import warnings
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from math import inf, prod
from time import perf_counter
from typing import Any, ClassVar

from autograd_lite import context
from autograd_lite.backward import Number, Reach, held, local_graphs, places_of, send_graphs, shares, times
from autograd_lite.errors import ArrayWarning, TraceError
from autograd_lite.frames import deciding_location, library_frames, user_location
from autograd_lite.many import Cotangents, Sent, is_bundle
from autograd_lite.primitives import COMPARISONS, Primitive, as_float, hold, less, plain, where
from autograd_lite.tape import progress
from autograd_lite.variable import Variable

#: Operations whose results Python has as floats and bools.
_PLAIN = frozenset([plain, *COMPARISONS.values()])


#: A level of `loops` above that which lets a scan be one operation: it takes for captured whatever its step can reach.
CAPTURING_ALL = 3

#: Operations from arrays, and seconds, after which a trace warns of array code.
MANY, LONG = 50_000, progress.LONG


@dataclass(eq=False)
class Recording:
    """The notes of a trace: how comparisons came out, and which numbers show that a lane needs care; see `context.Trace`."""

    masked: bool = True  # sweeps carry conditions
    loops: int = 0  # `scan` may be one operation
    oldest: int = -1
    guards: list[tuple[str, Any, Any, bool, str]] = field(default_factory=list)
    doubtful: list[Any] = field(default_factory=list)
    elsewhere: list[tuple[Any, str]] = field(default_factory=list)
    scans: int = 0  # how many have become one operation so far
    lanes: bool = False  # `vmap` may be one operation
    lookups: bool = False  # a look-up in a table may be one
    mapped: bool = False  # it is a lane that is recorded: only loops may be one operation, scans if they are long
    blind: bool = False  # its numbers mean nothing: no loop runs for their values
    wide: bool = False  # a scan takes for captured whatever its step can reach
    began: float = field(default_factory=perf_counter)
    from_arrays: float = 0  # operations recorded from arrays; infinite once a warning was given
    _held: dict[int, bool] = field(default_factory=dict, repr=False)
    tables: dict[Any, Any] = field(default_factory=dict, repr=False)  # by their numbers
    history: Any = None  # of `healing`: what each comparison was decided in
    look_up: ClassVar[Callable[..., list[Any]]]  # given by `lookups`
    leaves: dict[Any, Any] = field(default_factory=dict, repr=False)  # arrays of expressions: see `lifting`
    stand_ins: set[int] = field(default_factory=set, repr=False)  # the nodes of these, which no program may hold
    lift: ClassVar[Callable[..., Any]]  # given by `lane_arrays`

    def guard(self, relation: str, left: Any, right: Any, *, outcome: bool) -> None:
        self.guards.append((relation, left, right, outcome, deciding_location()))
        if self.history is not None:
            self.history.note(self.guards[-1], sys._getframe(1))

    def doubt(self, numbers: Iterable[Any]) -> bool:
        if not self.masked:
            self.doubtful += [number for number in numbers if type(number) is Variable]
        return not self.masked

    def count_array(self, shape: tuple[int, ...], count: int | None = None) -> None:
        """Warn once where array code becomes a long program: a function of one sample would be ready at once."""
        self.from_arrays += prod(shape) if count is None else count
        late = self.from_arrays >= MANY / 10 and perf_counter() - self.began > LONG
        if not late and not MANY <= self.from_arrays < inf:
            return
        if self.from_arrays < inf:
            warnings.warn(
                f"{self.from_arrays:,} operations were recorded from arrays of shape {shape} at {user_location()}: each "
                "element becomes an instruction. Write the function for one sample, and map it over the samples: "
                "jit(vmap(f, in_axes=(None, 0), reduce='mean')).",
                ArrayWarning,
                stacklevel=1 + library_frames(),
            )
        self.from_arrays = inf

    def looked_up(self, rows: list[list[Any]], place: Any) -> list[Any] | None:
        return self.look_up(rows, place) if self.lookups else None

    def lifted(self, ufunc: Any, method: str, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
        return self.lift(ufunc, method, inputs, options) if self.lanes else NotImplemented

    def is_number(self, node: Variable) -> bool:
        """Whether a node is a held number: it follows from `.value` and comparisons alone."""
        known, stack = self._held, [node]
        while stack:
            top = stack[-1]
            primitive = top._primitive
            if top._number in known:
                stack.pop()
            elif primitive is None or primitive is hold:
                known[top._number] = False
            else:
                parents = [a for a in top._arguments if type(a) is Variable and primitive not in _PLAIN]
                waiting = [a for a in parents if a._number not in known]
                if waiting:
                    stack += waiting
                else:
                    known[top._number] = all(known[a._number] for a in parents)
        return known[node._number]

    @contextmanager
    def differentiated(self, *, lanes: bool) -> Iterator[None]:
        """Record for a sweep: loops and lanes have derivatives of every order."""
        before = self.lanes
        self._refuse_history()
        self.lanes = self.lanes and lanes
        try:
            yield
        finally:
            self.lanes = before

    @contextmanager
    def written_out(self) -> Iterator[None]:
        """Record operation by operation: no loop, map or look-up is one."""
        before = self.loops, self.lanes, self.lookups
        self.loops, self.lanes, self.lookups = 0, False, False
        try:
            yield
        finally:
            self.loops, self.lanes, self.lookups = before

    def connected(self, reach: Reach, outputs: Iterable[Variable]) -> Container[int]:
        """The numbers of the nodes under `outputs`; a held number and a condition lead nowhere, as numbers of Python."""
        found = {y._number for y in outputs}
        for node in reach.inner:
            if node._number in found and node._primitive not in _PLAIN:
                found.update(a._number for a in node._arguments if type(a) is Variable)
        return found

    def nan_if_nan(self, output: Variable, seed: Number) -> Number:
        return seed if self.doubt([output, seed]) else where(less(output, output), seed * output, seed)

    def _refuse_history(self) -> None:
        """A sweep goes by the graph, of which the state of a function says nothing."""
        if self.history is not None:
            self.history.refuse("it takes derivatives")

    def send(self, reach: Reach, adjoints: dict[int, Number]) -> None:
        self._refuse_history()
        primitives = {node._primitive for node in reach.inner}
        selects = any(_may_send_nothing(primitive) or hasattr(primitive, "pulled_back") for primitive in primitives)
        if selects and self.masked:
            found = sent(reach, {n: [(a, None)] for n, a in adjoints.items() if a is not None}, masked=True)
            adjoints.update({n: a if known is None else where(known, a, 0.0) for n, (a, known) in found.items()})
            return
        send_graphs(reach.inner, adjoints, True)
        if selects:
            visited = {node._number for node in reach.inner}
            self.doubt(a for number, a in adjoints.items() if number not in visited)

    def tangents(self, reach: Reach, outputs: Sequence[Any], given: dict[int, Number]) -> list[Number | None]:
        """The forward sweep."""
        self._refuse_history()
        arrived = pushed(reach, {number: (tangent, None) for number, tangent in given.items()}, masked=self.masked)
        if context.active:
            tangents = {**dict.fromkeys(reach.met), **{number: tangent for number, (tangent, _) in arrived.items()}}
            context.observe_sweep(reach.shown(), tangents, forward=True)
        found: list[Number | None] = []
        for y in outputs:
            tangent, condition = arrived.get(y._number, (None, None)) if type(y) is Variable else (None, None)
            if tangent is not None:
                tangent = self.nan_if_nan(y, tangent)
                if condition is not None:
                    tangent = where(condition, tangent, 0.0)
            found.append(tangent)
        return found

    def backward(self, y: Variable, seed: Any) -> None:
        """The pass of `y.backward(seed)`: gradients are held numbers, kept by nodes that this trace made itself."""
        reach = Reach([y])
        connected = self.connected(reach, [y])
        outside = next((node for k, node in reach.met.items() if k < self.oldest and k in connected), None)
        if outside is not None:
            raise TraceError(
                f"backward() in a traced function would write the gradient of {outside!r}, which comes from outside, at "
                f"{user_location()}: replays run without Python and would not do it again. Pass the number as an "
                "argument, or return gradients(y, x), which writes nothing."
            )
        adjoints = reach.adjoints([(y, seed if type(seed) is Variable else as_float(seed))], create_graph=True)
        for number, adjoint in adjoints.items():
            if number in connected and not is_bundle(reach.met[number]):
                node, gradient = reach.met[number], 0.0 if adjoint is None else held(adjoint)
                node._grad = gradient if node._grad is None else node._grad + gradient


def current() -> Recording | None:
    """The trace that is under way in this context, if any."""
    trace: Any = context.recording()
    return trace  # type: ignore[no-any-return]


#: Whether the function runs for one of many lanes, which must not keep the others from their results.
lane: ContextVar[bool] = ContextVar("autograd_lite_lane", default=False)


def in_lanes() -> bool:
    """Whether what runs in this context is a lane, recorded or run by itself."""
    notes = current()
    return lane.get() or (notes is not None and notes.mapped)


def sent(reach: Reach, waiting: dict[int, list[Sent]], *, masked: bool) -> dict[int, Sent]:
    """The reverse sweep from the products that are `waiting` at some nodes; `masked`: with conditions, else these are None.

    A product that was not sent counts as -0.0, which changes no sum; a condition that is NaN means sent, as for `where`.
    """
    found: dict[int, Sent] = {}
    for node in reach.inner:
        products = waiting.pop(node._number, [])
        if not products:
            continue
        if masked and type(products[0][0]) is Cotangents:
            passed_on = _masked_shares(node, products)
        else:
            adjoint, condition = found[node._number] = _added(products)
            if masked and _may_send_nothing(node._primitive):
                locals_ = zip(node._arguments, local_graphs(node, generic=True), strict=True)
                known = [(argument, local) for argument, local in locals_ if local is not None]
                passed_on = [(a, (times(local, adjoint), _together(condition, local))) for a, local in known]
            else:
                passed_on = [(a, (product, condition)) for a, product in shares(node, adjoint, True)]
        for argument, share in passed_on:
            if argument._number in reach.met:
                waiting.setdefault(argument._number, []).append(share)
    return found | {number: _added(products) for number, products in waiting.items()}


def pushed(reach: Reach, given: Mapping[int, Sent], *, masked: bool) -> dict[int, Sent]:
    """The forward sweep from the tangents that some nodes are `given`: those of all nodes where any arrived."""
    found: dict[int, Any] = {**given}
    places = places_of(reach.inner)
    for node in reversed(reach.inner):
        if node._number in given:
            continue
        arrived = [found.get(a._number) if type(a) is Variable else None for a in node._arguments]
        if not any(arrived):
            continue
        own: Any = getattr(node._primitive, "pushed", None)
        if own is not None:
            found[node._number] = own(node, arrived, places.get(node._number, ()), masked=masked)
            continue
        selects = masked and _may_send_nothing(node._primitive)
        tangent = _added(
            [
                (times(local, sent[0]), _together(sent[1], local) if selects else sent[1])
                for sent, local in zip(arrived, local_graphs(node, generic=True), strict=True)
                if local is not None and sent is not None
            ]
        )
        if tangent[0] is not None:
            found[node._number] = tangent
    return {number: sent for number, sent in found.items() if type(sent) is tuple}


def _masked_shares(node: Variable, products: list[Sent]) -> list[tuple[Variable, Sent]]:
    """The products that an operation with many results sends; each of its results has a condition of its own."""
    by_place: dict[int, list[Sent]] = {}
    for cotangents, condition in products:
        for place, adjoint in cotangents.items():
            by_place.setdefault(place, []).append((adjoint, condition))
    sums = {place: _added(own) for place, own in by_place.items()}
    cotangents = Cotangents({place: adjoint for place, (adjoint, _) in sums.items()})
    conditions = {place: condition for place, (_, condition) in sums.items()}
    operation: Any = node._primitive
    shared: list[tuple[Variable, Sent]] = operation.shares(node, cotangents, conditions)
    return shared


def _together(condition: Number | None, local: Number) -> Number | None:
    """The condition that an adjoint was sent to a node, and on to an argument that it selects if `local` is not 0."""
    if type(local) is float:
        return condition
    return local if condition is None else where(condition, local, 0.0)


def _added(products: list[Sent]) -> Sent:
    """The sum of what was sent, and the condition that anything was."""
    if len(products) < 2:
        return products[0] if products else (None, None)
    total, anywhere = None, products[0][1]
    for product, condition in products:
        number = product if condition is None else where(condition, product, -0.0)
        total = number if total is None else total + number
        anywhere = None if anywhere is None or condition is None else where(anywhere, anywhere, condition)
    return total, anywhere


def _may_send_nothing(primitive: Primitive | None) -> bool:
    return primitive is not None and primitive.selects and any(map(callable, primitive.partials))
