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

from autograd_lite import observers
from autograd_lite.backward import Cotangents, Number, Place, Reach
from autograd_lite.errors import TraceError
from autograd_lite.nests import Shape, unravel
from autograd_lite.primitives import positive
from autograd_lite.tape.executors import machine
from autograd_lite.tape.steps import Steps
from autograd_lite.variable import Variable, make_node


class Item:
    """Takes result `index` out of a loop's results."""

    arity, selects, expression = 1, False, None

    def __init__(self, index: int) -> None:
        self.index, self.name = index, f"item_{index}"
        self.partials = (lambda results, result: Place(index),)  # noqa: ARG005 - as every partial

    def value(self, results: Sequence[Any]) -> Any:
        """The result."""
        return results[self.index]

    __call__ = value


@lru_cache(maxsize=1 << 16)
def item(index: int) -> Item:
    """The operation that takes out result `index`: always the same one, so that it is done once."""
    return Item(index)


class Operation:
    """What the instruction of a tape knows of a loop.

    Machine code calls `value_of`, the Python executor `value`. Both compute. A sweep over a trace asks for `pulled_back`;
    the replay of a tape on Variables calls the operation itself.
    """

    selects, expression, partials = False, None, ()
    name: str
    arity: int
    results: int

    def computed(self, arguments: Any, *, native: bool) -> Any:
        """The results for an array of arguments, as an array."""
        raise NotImplementedError

    def value_of(self, arguments: Any) -> Any:
        """The same by machine code."""
        return self.computed(arguments, native=True)

    def value(self, *arguments: float) -> list[float]:
        """The same without, as a list."""
        results: list[float] = self.computed(np.array(arguments, dtype=np.float64), native=False).tolist()
        return results


def recorded(operation: Operation, arguments: Sequence[Any], results: Any = None) -> list[Any]:
    """Enter an operation with many results into the graph; returns these, plain numbers if nothing is traced."""
    if results is None:
        numbers = np.array([getattr(a, "_value", a) for a in arguments], dtype=np.float64)
        results = operation.computed(numbers, native=machine.AVAILABLE)
    results = results.tolist()
    if not any(type(a) is Variable for a in arguments):
        return list(results)
    own: Any = copy.copy(operation)  # compiled code keeps a way back for each operation: no two instructions share one
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
        self.length, self.segment = length, segment or length
        self.steps = Steps(step, shape, carry, captured)
        self._gradients: dict[bool, LoopGradient] = {}

    def begin(self, carry: Any, rows: Any) -> Any:
        """The results for the numbers of the trace under way; fixes what the loop captures and how much it returns."""
        results = self.steps.run(carry, None, rows, native=machine.AVAILABLE)
        self.captured = tuple(self.steps.captured)
        self.results = len(results)
        self.arity = self.carry + len(self.captured) + (0 if self.rows is not None else self.length * self.steps.x)
        return results

    def apart(self, arguments: Any) -> tuple[Any, Any, Any]:
        """First carry, captured numbers, rows."""
        start = self.carry + len(self.captured)
        rows = self.rows if self.rows is not None else arguments[start:].reshape(self.length, self.steps.x)
        return arguments[: self.carry], arguments[self.carry : start], rows

    def computed(self, arguments: Any, *, native: bool) -> Any:
        """The last carry and the outputs of all steps."""
        return self.steps.run(*self.apart(arguments), native=native)

    def __call__(self, *arguments: Any) -> list[Any]:
        """The same on Variables: entered into a trace that allows it, else step by step."""
        if (notes := observers.recording()) and notes.loops:
            return recorded(self, arguments)
        return self.replayed(arguments)

    def replayed(self, arguments: Sequence[Any]) -> list[Any]:
        """The same on Variables, step by step."""
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

    def pulled_back(self, arguments: tuple[Any, ...], cotangents: Cotangents) -> list[Any]:
        """Adjoints of the arguments, as results of the reverse loop."""
        outputs = any(k >= self.carry for k in cotangents)
        if outputs not in self._gradients:
            self._gradients[outputs] = LoopGradient(self, outputs=outputs)
        given = [cotangents.get(k, 0.0) for k in range(self.results if outputs else self.carry)]
        return recorded(self._gradients[outputs], (*arguments, *given))


@dataclass
class Segment:
    """Some steps of a loop: the carry before them, what they use, their rows, and the adjoints of their outputs."""

    carry: Any
    captured: Any
    rows: Any
    given: Any


class LoopGradient(Operation):
    """The reverse sweep over a loop, a loop itself.

    Its arguments are those of the loop, then the adjoints of the last carry and, if `outputs`, of all outputs. Carries are
    not passed on from the forward loop but computed again: all of them, or with a segment length those where a segment
    begins, and then those of one segment at a time.
    """

    name = "scan_gradient"

    def __init__(self, loop: Loop, *, outputs: bool) -> None:
        self.loop = loop
        self.y = (loop.results - loop.carry) // loop.length if outputs else 0
        self.arity = loop.arity + loop.carry + self.y * loop.length
        self.results = loop.arity
        carry, captured, x = [0.0] * loop.carry, [0.0] * len(loop.captured), [0.0] * loop.steps.x
        _, shape = unravel((((carry, captured), (carry, x, [0.0] * self.y)), {}))
        self.forward = Steps(self._remembering, loop.shape, loop.carry, loop.captured)
        self.backward = Steps(self._reversed, shape, len(carry) + len(captured), loop.captured)

    def _remembering(self, carry: Any, x: Any) -> Any:
        """The step of the forward loop: its outputs are the carries."""
        return self.loop.step(carry, x)[0], carry

    def _reversed(self, adjoints: Any, row: Any) -> Any:
        """The step of the reverse loop: its carry are the adjoints of the carry and, added up, of what was captured."""
        (adjoint, by_captured), (carry, x, given) = adjoints, row
        inputs = [n if type(n) is Variable else Variable(n) for n in (*carry, *x)]
        shares = self._pulled_back(inputs, [*adjoint, *given])
        by_inputs = [0.0 if share is None else share for share in shares[: len(inputs)]]
        sums = [a if b is None else a + b for a, b in zip(by_captured, shares[len(inputs) :], strict=True)]
        return (by_inputs[: len(carry)], sums), by_inputs[len(carry) :]

    def _pulled_back(self, inputs: list[Variable], adjoints: Sequence[Number | None]) -> list[Number | None]:
        """Adjoints of carry, x and captured from those of the results of a step; None for what was not reached."""
        oldest = Variable(0.0).number  # what was captured is older and so a leaf: the sweep outside goes on from there
        with observers.differentiated(once=True):
            following, y = self.loop.step(*self.loop.shape.pack(inputs)[0])
        notes = observers.recording()
        known = len(notes.doubtful) if notes else 0
        wrt = [*inputs, *self.loop.captured]
        shares = _sweep([*following, *y[: self.y]], adjoints, wrt, oldest, create_graph=notes is not None)
        if notes:
            del notes.doubtful[known:]  # `computed` looks for NaN itself
        return shares

    def computed(self, arguments: Any, *, native: bool) -> Any:
        """The adjoints of the loop's arguments.

        Natively what was not sent is a 0, and 0·inf is NaN. Where a NaN comes out, sweeps over recorded steps decide.
        """
        loop = self.loop
        carry, captured, rows = loop.apart(arguments[: loop.arity])
        given_from = loop.arity + loop.carry
        adjoint = arguments[loop.arity : given_from]
        given = arguments[given_from:].reshape(loop.length, self.y)
        segments = []
        for start in range(0, loop.length, loop.segment):
            part = slice(start, start + loop.segment)
            segments.append(Segment(carry, captured, rows[part], given[part]))
            if start + loop.segment < loop.length:
                carry = loop.steps.run(carry, captured, rows[part], native=native)[: loop.carry]
        results = self._swept(segments, adjoint, native=native)
        return self._swept(segments, adjoint, native=native, exactly=True) if np.isnan(results).any() else results

    def _swept(self, segments: "list[Segment]", adjoint: Any, *, native: bool, exactly: bool = False) -> Any:
        """The same, segment by segment from the last one, natively or `exactly`."""
        loop = self.loop
        by_captured, by_rows = np.zeros(len(loop.captured)), []
        if exactly:
            adjoint = _sent(adjoint)
        for segment in segments[::-1]:
            history = self.forward.run(segment.carry, segment.captured, segment.rows, native=native)
            carries = history[loop.carry :].reshape(len(segment.rows), loop.carry)
            if exactly:
                adjoint, by_captured, by_row = self._one_by_one(segment, carries, adjoint, by_captured)
            else:
                reverse = np.concatenate([carries, segment.rows, segment.given], axis=1)[::-1]
                first = np.concatenate([adjoint, by_captured])
                found = self.backward.run(first, segment.captured, reverse, native=native)
                adjoint, by_captured = found[: loop.carry], found[loop.carry : self.backward.carry]
                by_row = found[self.backward.carry :]
            by_rows.append(by_row.reshape(segment.rows.shape)[::-1])
        parts = [[a or 0.0 for a in adjoint] if exactly else adjoint, by_captured]
        if loop.rows is None:
            parts += [by_row.ravel() for by_row in by_rows[::-1]]
        return np.concatenate(parts)

    def _one_by_one(
        self, segment: "Segment", carries: Any, adjoint: list[Number | None], by_captured: Any
    ) -> tuple[list[Number | None], Any, Any]:
        """A segment backwards by sweeps over recorded steps, which know what was sent."""
        x, by_rows = self.loop.carry + self.loop.steps.x, []
        with self.backward.lent(segment.captured), observers.record_into(None):
            for t in range(len(segment.rows))[::-1]:
                inputs = [Variable(n) for n in (*carries[t].tolist(), *segment.rows[t].tolist())]
                shares = self._pulled_back(inputs, [*adjoint, *_sent(segment.given[t])])
                adjoint = shares[: self.loop.carry]
                by_rows.append([share or 0.0 for share in shares[self.loop.carry : x]])
                by_captured = by_captured + [share or 0.0 for share in shares[x:]]
        return adjoint, by_captured, np.array(by_rows)

    def __call__(self, *arguments: Any) -> list[Any]:
        """The same on Variables: entered into a trace that allows it, else a sweep over the loop step by step."""
        if (notes := observers.recording()) and notes.loops > 1:
            return recorded(self, arguments)
        oldest = Variable(0.0).number
        inputs = [positive(a) if type(a) is Variable else Variable(a) for a in arguments[: self.loop.arity]]
        given = arguments[self.loop.arity :]
        shares = _sweep(self.loop.replayed(inputs)[: len(given)], given, inputs, oldest, create_graph=True)
        return [0.0 if share is None else share for share in shares]

    def pulled_back(self, arguments: tuple[Any, ...], cotangents: Cotangents) -> list[Any]:  # noqa: ARG002 - as a loop's
        """Not available: what differentiates twice records the steps of a scan one by one."""
        raise TraceError(
            "the gradient of a compiled scan is differentiated again. Put the scan inside both derivatives, as in "
            "jit(grad(grad(f))), so that its steps are recorded one by one."
        )


def _sent(adjoints: Any) -> list[float | None]:
    """Adjoints from outside, where a 0 stands for what was not sent too."""
    return [a or None for a in adjoints.tolist()]


def _sweep(
    outputs: Sequence[Any],
    adjoints: Sequence[Number | None],
    wrt: Sequence[Variable],
    oldest: int,
    *,
    create_graph: bool,
) -> list[Number | None]:
    """Adjoints of `wrt`, with what is older than `oldest` as leaves; None where nothing was sent, and to send nothing."""
    seeds = [
        (output, adjoint)
        for output, adjoint in zip(outputs, adjoints, strict=True)
        if type(output) is Variable and adjoint is not None
    ]
    reach = Reach.of([y for y, _ in seeds], oldest).towards(wrt)
    seeds = [(y, seed) for y, seed in seeds if y._number in reach.met]
    found = reach.adjoints(seeds, create_graph=create_graph)
    return [found.get(v._number) for v in wrt]
