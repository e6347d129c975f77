"""A loop recorded as one operation: the tapes of its step, run natively over all steps.

In a tape it is one instruction whose value is the list of the last carry and all outputs, and an instruction `Item(k)` for
each of these that is used. `Steps` runs a step over rows; `Loop` and `LoopGradient` are the operations made of that, forward
and in reverse. Compiled code calls back for them: the loop itself is machine code again, and where a step branches otherwise
than recorded, that step is served by another tape and the loop goes on.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from autograd_lite import context
from autograd_lite.backward import Number, Reach
from autograd_lite.nests import Shape, unravel
from autograd_lite.primitives import positive
from autograd_lite.tape import recording
from autograd_lite.tape.backends.registry import fastest
from autograd_lite.tape.paths import Unmapped
from autograd_lite.tape.recording import Cotangents, Sent, sent
from autograd_lite.tape.steps import Steps, paths_of
from autograd_lite.variable import Variable, make_node


class Item:
    """Takes result `index` out of a loop's results."""

    arity, selects, expression, partials = 1, False, None, (None,)

    def __init__(self, index: int) -> None:
        self.index, self.name = index, f"item_{index}"

    def value(self, results: Sequence[Any]) -> Any:
        """The result."""
        return results[self.index]

    __call__ = value

    def shares(self, node: Variable, adjoint: Number) -> list[tuple[Any, Cotangents]]:
        """The adjoint, at its place among those of all results."""
        return [(node._arguments[0], Cotangents({self.index: adjoint}))]

    def other(self, index: int) -> "Item":
        """The operation that takes out another result."""
        return item(index)


@lru_cache(maxsize=1 << 16)
def item(index: int) -> Item:
    """The operation that takes out result `index`: always the same one, so that it is done once."""
    return Item(index)


@dataclass(frozen=True, eq=False)
class Included:
    """That an operation gives the results of another one too, from result `first` on, to be divided by `scale`."""

    operation: "Operation"
    first: int
    scale: float | None


class Operation:
    """An operation with many results, as the instruction of a tape knows it.

    Machine code calls `value_of`, the Python backend `value`. Both compute. A sweep over a trace asks for `pulled_back`;
    the replay of a tape on Variables calls the operation itself.
    """

    selects, expression, partials = False, None, ()
    includes: Included | None = None
    name: str
    arity: int
    results: int
    loop: "Loop"  # whose steps it runs

    def computed(self, arguments: Any, *, native: bool) -> Any:
        """The results for an array of arguments, as an array."""

    def another(self) -> "Operation":
        """The operation for another instruction."""
        return copy.copy(self)

    def pulled_back(self, arguments: tuple[Any, ...], cotangents: Cotangents) -> list[Any]:
        """Adjoints of the arguments."""
        raise NotImplementedError

    def shares(self, node: Variable, cotangents: Cotangents) -> list[tuple[Variable, Number]]:
        """The products that the adjoints of the results send to each argument that is a Variable."""
        pulled = zip(node._arguments, self.pulled_back(node._arguments, cotangents), strict=True)
        return [(argument, share) for argument, share in pulled if share is not None and type(argument) is Variable]

    def value_of(self, arguments: Any) -> Any:
        """The results as an array, by machine code."""
        return self.computed(arguments, native=True)

    def value(self, *arguments: float) -> list[float]:
        """The results as a list, by Python."""
        results: list[float] = self.computed(np.array(arguments, dtype=np.float64), native=False).tolist()
        return results


def recorded(operation: Operation, arguments: Sequence[Any], results: Any = None) -> list[Any]:
    """Enter an operation with many results into the graph; returns these, plain numbers if nothing is traced."""
    if results is None:
        numbers = np.array([getattr(a, "_value", a) for a in arguments], dtype=np.float64)
        results = operation.computed(numbers, native=fastest() == "llvm")
    results = results.tolist()
    if not any(type(a) is Variable for a in arguments):
        return list(results)
    own: Any = operation.another()  # compiled code keeps a way back for each operation: no two instructions share one
    bundle = make_node(own, 0.0, tuple(arguments), (None,) * len(arguments))
    return [make_node(item(k), value, (bundle,), (None,)) for k, value in enumerate(results)]  # type: ignore[arg-type]


class Loop(Operation):
    """The steps of a scan, as an operation on its first carry, what the step captured, and the rows of xs that are traced.

    Parameters
    ----------
    step : callable
        `(carry, x) -> (carry, y)`: takes nests, returns two flat lists.
    shape : Shape
        Of the arguments of a step.
    carry : int
        How many numbers the carry holds.
    rows : array or None
        xs of shape (length, x) where its numbers are known; None if they are arguments.
    length : int
    segment : int, optional
        Steps between carries that a reverse sweep keeps; all by default.
    captured : sequence of Variable
        What the step may use, as far as it is known beforehand.
    """

    name = "scan"

    def __init__(
        self,
        step: Callable[..., Any],
        shape: Shape,
        *,
        carry: int,
        rows: Any,
        length: int,
        segment: int | None = None,
        captured: Sequence[Variable] = (),
    ) -> None:
        self.step, self.shape, self.carry, self.rows = step, shape, carry, rows
        self.length, self.segment, self.number = length, segment or length, 0
        self.steps = Steps(paths_of(step, shape, merging=False), carry, captured)
        self.loop = self
        self.reversed: dict[tuple[bool, bool], Steps] = {}

    def begin(self, carry: Any, rows: Any) -> Any:
        """The results for the numbers of the trace under way; fixes what the loop captures and how much it returns."""
        results = self.steps.run(carry, None, rows, native=fastest() == "llvm")
        self.steps.closed = True
        self.captured = tuple(self.steps.captured)
        self.results = len(results)
        self.arity = self.carry + len(self.captured) + (0 if self.rows is not None else self.length * self.steps.x)
        return results

    def another(self) -> "Loop":
        """The loop for another instruction, numbered within the trace under way."""
        own = copy.copy(self)
        own.loop = own
        if notes := recording.current():
            own.number, notes.scans = notes.scans, notes.scans + 1
        return own

    def apart(self, arguments: Any) -> tuple[Any, Any, Any]:
        """First carry, captured numbers, rows."""
        start = self.carry + len(self.captured)
        rows = self.rows if self.rows is not None else arguments[start:].reshape(self.length, self.steps.x)
        return arguments[: self.carry], arguments[self.carry : start], rows

    def computed(self, arguments: Any, *, native: bool) -> Any:
        """The last carry and the outputs of all steps."""
        return self.steps.run(*self.apart(arguments), native=native)

    def __call__(self, *arguments: Any) -> list[Any]:
        """The loop on Variables: one instruction in a trace that allows it, else step by step."""
        if (notes := recording.current()) and notes.loops:
            return recorded(self, arguments)
        return self.replayed(arguments)

    def replayed(self, arguments: Sequence[Any]) -> list[Any]:
        """The loop on Variables, step by step."""
        start = self.carry + len(self.captured)
        numbers, captured = list(arguments[: self.carry]), arguments[self.carry : start]
        outputs: list[Any] = []
        for t in range(self.length):
            place = start + t * self.steps.x
            x = arguments[place : place + self.steps.x] if self.rows is None else self.rows[t].tolist()
            values = self.steps.replayed([*numbers, *x], captured)
            numbers = values[: self.carry]
            outputs += values[self.carry :]
        return [*numbers, *outputs]

    def pulled_back(
        self, arguments: tuple[Any, ...], cotangents: Cotangents, conditions: dict[int, Number | None] | None = None
    ) -> list[Any]:
        """Adjoints of the arguments, as results of the reverse loop.

        With the conditions that the cotangents were sent, each adjoint comes with the condition that anything was.
        """
        outputs = any(k >= self.carry for k in cotangents)
        gradient = LoopGradient(self, outputs=outputs, masked=conditions is not None)
        places = range(self.results if outputs else self.carry)
        given = [cotangents.get(k, 0.0) for k in places]
        if conditions is None:
            return recorded(gradient, (*arguments, *given))
        certain = {k: 1.0 if condition is None else condition for k, condition in conditions.items()}
        results = recorded(gradient, (*arguments, *given, *(certain.get(k, 0.0) for k in places)))
        return list(zip(results[: self.arity], results[self.arity :], strict=True))


@dataclass
class Segment:
    """Some steps of a loop: the carry before them, their rows, and what comes from the adjoints of their outputs."""

    carry: Any
    rows: Any
    given: Any


class LoopGradient(Operation):
    """The reverse sweep over a loop, a loop itself: over the tapes of the steps, not by the function that they recorded.

    Its arguments are those of the loop, then the adjoints of the last carry and, if `outputs`, of all outputs. If `masked`,
    the conditions that these were sent follow, and behind the adjoints of the loop's arguments come the conditions that
    anything was sent to them: 0 if nothing was. Else 0 stands for what was not sent, and 0·inf makes NaN of it: the careful
    program around the loop has the masked form.

    Carries are not passed on from the forward loop but computed again: all of them, or with a segment length those where a
    segment begins, and then those of one segment at a time.
    """

    name = "scan_gradient"

    def __init__(self, loop: Loop, *, outputs: bool, masked: bool) -> None:
        self.loop, self.masked, self.forms = loop, masked, 2 if masked else 1
        self.y = (loop.results - loop.carry) // loop.length if outputs else 0
        self.x = 0 if loop.rows is not None else loop.steps.x  # rows that are known need no adjoints
        self.arity = loop.arity + self.forms * (loop.carry + self.y * loop.length)
        self.results = self.forms * loop.arity
        if masked:
            self.name = "scan_gradient_careful"
        key = outputs, masked
        if key not in loop.reversed:
            state = [0.0] * (self.forms * (loop.carry + len(loop.captured)))
            row = [0.0] * (loop.carry + loop.steps.x + self.forms * self.y)
            paths = paths_of(self._reversed, unravel(((state, row), {}))[1], masked=masked)
            loop.reversed[key] = Steps(paths, len(state), loop.captured)
            loop.reversed[key].tracing = loop.steps.tracing
        self.backward = loop.reversed[key]

    def _reversed(self, state: list[Any], row: list[Any]) -> Any:
        """The step of the reverse loop.

        Its state: the adjoints of the carry and, added up so far, of what was captured, then the conditions of these. A row:
        the carry before the step, its x, the adjoints of its outputs and their conditions.
        """
        loop = self.loop
        oldest = Variable(0.0).number  # what was captured is older and so a leaf: the sweep outside goes on from there
        inputs = [n if type(n) is Variable else Variable(n) for n in row[: loop.carry + loop.steps.x]]
        captured = list(loop.captured)
        with context.differentiated(once=True):
            results = loop.steps.replayed(inputs, captured)[: loop.carry + self.y]
        given = np.reshape(np.array(row[len(inputs) :], dtype=object), (self.forms, self.y)).tolist()
        carried = np.reshape(np.array(state, dtype=object), (self.forms, loop.carry + len(captured))).tolist()
        seeds = [[*numbers, *own] for numbers, own in zip(carried, given, strict=True)]
        conditions = seeds[1] if self.masked else [None] * len(seeds[0])
        roots = [*results[: loop.carry], *captured, *results[loop.carry :]]
        shares = _sweep(roots, seeds[0], conditions, [*inputs, *captured], oldest, masked=self.masked)
        forms = [[0.0 if adjoint is None else adjoint for adjoint, _ in shares]]
        if self.masked:
            forms.append([0.0 if a is None else 1.0 if condition is None else condition for a, condition in shares])
        by_carry, by_x = slice(loop.carry), slice(loop.carry, loop.carry + self.x)
        following = [[*numbers[by_carry], *numbers[len(inputs) :]] for numbers in forms]
        return [n for numbers in following for n in numbers], [n for numbers in forms for n in numbers[by_x]]

    def computed(self, arguments: Any, *, native: bool) -> Any:
        """The adjoints of the loop's arguments."""
        loop = self.loop
        carry, captured, rows = loop.apart(arguments[: loop.arity])
        seeds = arguments[loop.arity :].reshape(self.forms, loop.carry + self.y * loop.length)
        by_form = seeds[:, loop.carry :].reshape(self.forms, loop.length, self.y)
        given = np.moveaxis(by_form, 0, 1).reshape(loop.length, self.forms * self.y)
        segments = []
        for start in range(0, loop.length, loop.segment):
            part = slice(start, start + loop.segment)
            segments.append(Segment(carry, rows[part], given[part]))
            if start + loop.segment < loop.length:
                carry = loop.steps.run(carry, captured, rows[part], native=native)[: loop.carry]
        first = np.zeros((self.forms, len(captured)))
        first[0] = -0.0  # which changes no sum
        state: Any = np.concatenate([seeds[:, : loop.carry], first], axis=1).ravel()
        by_rows = []
        for segment in segments[::-1]:
            state, by_row = self._swept(segment, captured, state, native=native)
            by_rows.append(by_row)
        state = state.reshape(self.forms, loop.carry + len(captured))
        self._unsent(state[0, loop.carry :])
        parts: list[Any] = [state]
        if loop.rows is None:
            ordered = np.concatenate(by_rows)[::-1].reshape(loop.length, self.forms, self.x)
            parts.append(np.moveaxis(ordered, 1, 0).reshape(self.forms, loop.length * self.x))
        return np.concatenate(parts, axis=1).ravel()

    def _swept(self, segment: Segment, captured: Any, state: Any, *, native: bool) -> tuple[Any, Any]:
        """The state before a segment, and the adjoints of its rows from the last one on."""
        loop, count = self.loop, len(segment.rows)
        history = loop.steps.run(segment.carry, captured, segment.rows, native=native, keep=True)
        carries = history[loop.carry :].reshape(count, loop.carry)
        reverse = np.concatenate([carries, segment.rows, segment.given], axis=1)[::-1]
        found = self.backward.run(state, captured, reverse, native=native)
        return found[: len(state)], found[len(state) :].reshape(count, self.forms * self.x)

    def _unsent(self, sums: Any) -> None:
        """Make the sums 0.0 to which no step adds anything."""
        carry, paths = self.loop.carry, self.backward.paths.known
        for k in np.flatnonzero(np.signbit(sums)).tolist():
            if all(path.tape.outputs[carry + k] == carry + k for path in paths):
                sums[k] = 0.0

    def __call__(self, *arguments: Any) -> list[Any]:
        """The reverse loop on Variables: one instruction in a trace that allows it, else a sweep step by step."""
        if (notes := recording.current()) and notes.loops > 1:
            return recorded(self, arguments)
        oldest = Variable(0.0).number
        inputs = [positive(a) if type(a) is Variable else Variable(a) for a in arguments[: self.loop.arity]]
        given = arguments[self.loop.arity :]
        count = len(given) // self.forms
        conditions = given[count:] if self.masked else [None] * count
        with context.differentiated(once=True):
            results = self.loop.replayed(inputs)[:count]
        shares = _sweep(results, given[:count], conditions, inputs, oldest, masked=self.masked)
        adjoints = [0.0 if adjoint is None else adjoint for adjoint, _ in shares]
        if not self.masked:
            return adjoints
        return adjoints + [0.0 if a is None else 1.0 if condition is None else condition for a, condition in shares]

    def pulled_back(self, *_: Any) -> list[Any]:
        """Not available: what differentiates twice records the steps of a scan one by one, to which `jit` returns."""
        raise Unmapped(
            "the gradient of a compiled scan is differentiated again. Put the scan inside both derivatives, as in "
            "jit(grad(grad(f))), so that its steps are recorded one by one."
        )


def _sweep(
    outputs: Sequence[Any],
    adjoints: Sequence[Number],
    conditions: Sequence[Number | None],
    wrt: Sequence[Variable],
    oldest: int,
    *,
    masked: bool,
) -> list[Sent]:
    """Adjoints of `wrt` and, if `masked`, their conditions; what is older than `oldest` is a leaf, None was not sent."""
    seeds = [
        (output, (adjoint, condition))
        for output, adjoint, condition in zip(outputs, adjoints, conditions, strict=True)
        if type(output) is Variable
    ]
    reach = Reach.of([y for y, _ in seeds], oldest).towards(wrt)
    found = sent(reach, [(y, seed) for y, seed in seeds if y._number in reach.met], masked=masked)
    return [found.get(v._number, (None, None)) for v in wrt]
