"""A loop recorded as one operation, forward (`Loop`, `While`) and in reverse (`LoopGradient`), over the tapes of its `Steps`.

In a tape it is one instruction whose value is the list of the last carry and all outputs, and an instruction `Item(k)` for
each of these that is used. Compiled code calls back for the loop, which is machine code again.
"""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from autograd_lite import context
from autograd_lite.backward import Number, Reach
from autograd_lite.errors import LoopLimitError
from autograd_lite.many import Cotangents, Item, Operation, Sent, recorded, values_of
from autograd_lite.nests import Shape, unravel
from autograd_lite.primitives import positive, where
from autograd_lite.tape import checkpoints, recording
from autograd_lite.tape.backends.registry import fastest
from autograd_lite.tape.checkpoints import Checkpoint
from autograd_lite.tape.loop_tangents import Along
from autograd_lite.tape.masked import Entered, Masked, MaskedGradient, MaskedLoop, MaskedScan, Numbers, Rows, joined
from autograd_lite.tape.paths import Path
from autograd_lite.tape.recording import sent
from autograd_lite.tape.steps import Steps
from autograd_lite.transforms import name_of
from autograd_lite.variable import Variable

#: Turns of a `while_loop` that run before anybody asks whether it has ended: at first, and at most.
SEGMENT, LARGEST = 16, 1 << 16


class Stepped(Operation):
    """An operation that runs the steps of a loop: machine code where there is some."""

    loop: "Loop"  # whose steps it runs

    def found(self, arguments: Any) -> Any:
        return self.computed(arguments, native=fastest() == "llvm")


class Loop(Stepped):
    """The steps of a scan, as an operation on its first carry, what the step captured, and the rows of xs that are traced.

    `step` takes nests of `shape` and returns two flat lists; `carry` counts the numbers of the first. `table` has a row for
    each step, of objects if it is traced. A reverse sweep keeps carries as `checkpoint` says: see `checkpoints`.
    """

    name = "scan"
    step_outputs = own_outputs = (
        0  # outputs of a step, and how many of them the loop itself reads, which are no results
    )

    def __init__(
        self,
        step: Any,
        shape: Shape,
        *,
        carry: int,
        table: Any,
        checkpoint: Checkpoint,
        captured: Sequence[Variable],
        mapped: bool = False,
    ) -> None:
        self.carry, self.rows = carry, None if table.dtype == object else table
        self.length, self.checkpoint, self.number = len(table), checkpoint, 0
        self.steps = Steps(step, shape, carry, captured, merging=False, mapped=mapped)
        self.loop = self
        self.derived: dict[Any, Any] = {}  # the steps of its gradients, and its loops of tangents

    @property
    def known(self) -> Numbers | None:
        """The rows if they are no arguments."""
        return None if self.rows is None else Numbers(self.rows)

    def begin(self, first: list[Any], table: Any) -> list[Any]:
        """The results in the trace under way; fixes what the loop captures and how much it returns."""
        results = self.steps.run(values_of(first), None, values_of(table), native=fastest() == "llvm")
        self.steps.closed = True
        self.captured = tuple(self.steps.captured)
        arguments = [*first, *self.captured, *(table.ravel().tolist() if self.rows is None else ())]
        self.results, self.arity = len(results), len(arguments)
        self.step_outputs = (self.results - self.carry) // self.length
        return recorded(self, arguments, results)

    def kept(self, arguments: Any, results: Any) -> "Loop":  # noqa: ARG002
        """The loop for another instruction, numbered within the trace under way; one of tangents stands for its loop."""
        own = copy.copy(self)
        if self.loop is not self:
            return own
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
        return self.steps.run(*self.apart(arguments), native=native)

    def segments(self, carry: Any, captured: Any, rows: Any, *, native: bool) -> Iterator[tuple[Any, Any, slice]]:
        """From the last to the first: the carry before each segment, its rows, and their places."""
        length = max(len(path.tape.code) for path in self.steps.paths.known) if self.steps.paths.known else 1
        size, stored = checkpoints.planned(len(rows), self.checkpoint, length)

        def advanced(carry: bytes, start: int, stop: int) -> bytes:
            part = rows[start * size : stop * size]
            after: bytes = self.steps.run(np.frombuffer(carry), captured, part, native=native)[: self.carry].tobytes()
            return after

        first = np.asarray(carry, dtype=np.float64).tobytes()  # a third of the memory of a short array
        for k, before in checkpoints.backwards(first, -(-len(rows) // size), stored, advanced):
            part = slice(k * size, (k + 1) * size)
            yield np.frombuffer(before), rows[part], part

    def in_lanes(self, entered: Entered, arguments: tuple[int, ...]) -> tuple[int, ...]:
        """Enter this loop into a program of lanes: its slot, and that of its status if it can fail."""
        own, captured, y = self.carry + self.steps.x, len(self.captured), self.step_outputs
        turn = joined(self.steps.programs(), own + captured, own, self.carry + y, served=False)
        rows = Rows(self.length, ((self.steps.x, self.known),), y)
        scan = MaskedScan(turn, self.carry, captured, rows)
        return _with_status(entered, scan, entered.loop(scan, arguments))

    def stops(self, _: Path) -> bool:
        """Whether a step of this path ends the loop; no adjoints pass through it."""
        return False

    def replayed(self, arguments: Sequence[Any]) -> list[Any]:
        numbers, captured, rows = (part.tolist() for part in self.apart(np.array(arguments, dtype=object)))
        outputs: list[Any] = []
        for row in rows:
            values = self.steps.replayed([*numbers, *row], captured)
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
        forms: list[dict[int, Number]] = [cotangents]
        if conditions is not None:
            forms.append({k: 1.0 if condition is None else condition for k, condition in conditions.items()})
        given = [form.get(k, 0.0) for form in forms for k in range(self.results if outputs else self.carry)]
        results = recorded(gradient, (*arguments, *given))
        return results if conditions is None else list(zip(results[: self.arity], results[self.arity :], strict=True))

    def pushed(
        self, node: Variable, arrived: Sequence[Sent | None], places: Sequence[int], *, masked: bool
    ) -> dict[int, Sent]:
        """The tangents of results at some places."""
        along = Along(self, node._arguments, arrived, outputs=any(k >= self.carry for k in places), masked=masked)
        return dict(zip(places, along.tangents(places), strict=True))


class While(Loop):
    """The turns of a `while_loop`: a loop whose length is known when it has run.

    An output of its step says whether the condition held; if not, the step hands its carry on. Turns run in segments that
    grow, until one ends so. Results are the numbers of the last carry.
    """

    name = "while_loop"
    step_outputs = own_outputs = 1

    def __init__(self, step: Any, shape: Shape, *, limit: int | None, **options: Any) -> None:
        super().__init__(step, shape, table=np.empty((0, 0)), **options)
        self.limit, self.segment = limit, self.checkpoint if type(self.checkpoint) is int else None

    def started(self, first: list[Any]) -> list[Any]:
        """The results in the trace under way; fixes what the loop captures."""
        last = self._run(values_of(first), None, native=fastest() == "llvm")[0]
        self.steps.closed = True
        self.captured = tuple(self.steps.captured)
        self.results, self.arity = self.carry, self.carry + len(self.captured)
        return recorded(self, [*first, *self.captured], last)

    def _run(self, carry: Any, captured: Any, *, native: bool) -> tuple[Any, list[tuple[Any, Any, slice]]]:
        """The last carry, and the segments."""
        found: list[tuple[Any, Any, slice]] = []
        turns, size = 0, self.segment or SEGMENT
        while True:
            if self.limit is not None:
                size = min(size, self.limit - turns + 1)
            rows = np.empty((size, 0))
            results = self.steps.run(carry, captured, rows, native=native)
            count = int(results[self.carry :].sum())
            found.append((carry, rows[:count], slice(turns, turns + count)))
            turns, carry = turns + count, results[: self.carry]
            if self.limit is not None and turns > self.limit:
                raise too_many(self.__name__, self.limit)
            if count < size:
                return carry, found
            size = self.segment or min(2 * size, LARGEST)

    @property
    def __name__(self) -> str:
        return name_of(self.steps.paths.f)

    def computed(self, arguments: Any, *, native: bool) -> Any:
        return self._run(arguments[: self.carry], arguments[self.carry :], native=native)[0]

    def segments(self, carry: Any, captured: Any, rows: Any, *, native: bool) -> Iterator[tuple[Any, Any, slice]]:  # noqa: ARG002
        found = self._run(carry, captured, native=native)[1]
        if self.checkpoint != "binomial":
            return iter([segment for segment in found[::-1] if len(segment[1])])
        turns = found[-1][2].stop  # counted first
        return super().segments(carry, captured, np.empty((turns, 0)), native=native)

    def stops(self, path: Path) -> bool:
        program, last = path.tape.program, path.tape.program.outputs[-1]
        return program.inputs <= last < program.first_instruction and program.constants[last - program.inputs] == 0.0

    def in_lanes(self, entered: Entered, arguments: tuple[int, ...]) -> tuple[int, ...]:
        """Enter this loop into a program of lanes: its slot, and that of its status if it can fail."""
        turn = joined(self.steps.programs(), self.arity, self.carry, self.carry + 1, self.carry)
        loop = MaskedLoop(turn, self.carry, self.limit)
        return _with_status(entered, loop, entered.loop(loop, arguments))

    def replayed(self, arguments: Sequence[Any]) -> list[Any]:
        numbers, captured, turns = [*arguments[: self.carry]], [*arguments[self.carry :]], 0
        while True:
            *following, going = self.steps.replayed(numbers, captured)
            if not going:
                return numbers
            if turns == self.limit:
                raise too_many(self.__name__, self.limit)
            numbers, turns = following, turns + 1


def too_many(name: str, limit: int) -> LoopLimitError:
    """The error of a loop that would go on."""
    return LoopLimitError(
        f"while_loop of {name} has made limit={limit} turns and its condition still holds. Raise limit, or look for what "
        "keeps it from ending: a tolerance below the rounding of the numbers, or a step that does not approach."
    )


def _with_status(entered: Entered, operation: Masked, slot: int) -> tuple[int, ...]:
    """The slot of a loop in lanes, and that of its status if it can fail."""
    place: Any = Item.at(operation.results - 1)
    return (slot, entered.builder.instruction(place, (slot,))) if operation.fails else (slot,)


class LoopGradient(Stepped):
    """The reverse sweep over a loop, a loop itself, over the tapes of the steps.

    Its arguments are those of the loop, then the adjoints of the last carry and, if `outputs`, of all outputs. If `masked`,
    as in a careful program, there is a second form of these, and of the results: the conditions that they were sent, 0 if
    not. Carries are computed again: those where a segment begins, and then those of one segment at a time.
    """

    name = "scan_gradient"

    def __init__(self, loop: Loop, *, outputs: bool, masked: bool) -> None:
        self.primal, self.loop, self.carry = loop, loop.loop, loop.carry
        self.forms = 2 if masked else 1
        self.y = (loop.results - loop.carry) // loop.length if outputs else 0
        self.x = 0 if loop.rows is not None else loop.steps.x  # rows that are known need no adjoints
        self.arity = loop.arity + self.forms * (loop.carry + self.y * loop.length)
        self.results = self.forms * loop.arity
        if masked:
            self.name = "scan_gradient_careful"
        self.outputs = outputs
        key = "gradient", outputs, masked
        if key not in loop.derived:
            state = [0.0] * (self.forms * (loop.carry + len(loop.captured)))
            row = [0.0] * (loop.carry + loop.steps.x + self.forms * self.y)
            shape = unravel(((state, row), {}))[1]
            how: Any = {
                "primal": loop.steps,
                "without": loop.stops,
                "masked": masked,
                "mapped": loop.steps.paths.mapped,
            }
            loop.derived[key] = Steps(self._reversed, shape, len(state), loop.captured, **how)
            loop.derived[key].tracing = loop.steps.tracing
        self.backward = loop.derived[key]

    def _reversed(self, state: list[Any], row: list[Any]) -> Any:
        """The step of the reverse loop.

        Its state: in each form the adjoints of the carry and, added up so far, of what was captured. A row: the carry before
        the step, its x, and in each form the adjoints of its outputs.
        """
        loop = self.primal
        oldest = Variable(0.0).number  # what was captured is older and so a leaf: the sweep outside goes on from there
        inputs = [n if type(n) is Variable else Variable(n) for n in row[: loop.carry + loop.steps.x]]
        captured = list(loop.captured)
        with context.differentiated():
            results = loop.steps.replayed(inputs, captured)[: loop.carry + self.y]
        given = np.reshape(np.array(row[len(inputs) :], dtype=object), (self.forms, self.y)).tolist()
        carried = np.reshape(np.array(state, dtype=object), (self.forms, loop.carry + len(captured))).tolist()
        seeds = [[*numbers, *own] for numbers, own in zip(carried, given, strict=True)]
        roots = [*results[: loop.carry], *captured, *results[loop.carry :]]
        forms = _sweep(roots, seeds, [*inputs, *captured], oldest)
        following = [n for numbers in forms for n in (*numbers[: loop.carry], *numbers[len(inputs) :])]
        return following, [n for numbers in forms for n in numbers[loop.carry : loop.carry + self.x]]

    def computed(self, arguments: Any, *, native: bool) -> Any:
        loop, width = self.primal, self.carry
        carry, captured, table = loop.apart(arguments[: loop.arity])
        seeds = arguments[loop.arity :].reshape(self.forms, width + self.y * loop.length)
        by_form = seeds[:, width:].reshape(self.forms, loop.length, self.y)
        given = by_form.swapaxes(0, 1).reshape(loop.length, self.forms * self.y)
        first = np.zeros((self.forms, len(captured)))
        first[0] = -0.0  # which changes no sum
        state: Any = np.concatenate([seeds[:, :width], first], axis=1).ravel()
        by_rows = [np.empty((0, self.forms, self.x))]  # the adjoints of rows, from the last one on
        for before, xs, part in loop.segments(carry, captured, table, native=native):
            kept = loop.steps.run(before, captured, xs, native=native, keep=True)[width:]
            rows = np.empty((len(xs), self.backward.x))
            backwards = rows[::-1]
            backwards[:, :width] = kept.reshape(len(xs), width)
            backwards[:, width : width + loop.steps.x] = xs
            if self.y:
                backwards[:, width + loop.steps.x :] = given[part]
            del kept  # half of the memory
            found = self.backward.run(state, captured, rows, native=native)
            if self.x:
                by_rows.append(found[len(state) :].reshape(len(xs), self.forms, self.x))
            state = found[: len(state)]
            del rows, backwards, found  # before the next segment is run
        state = state.reshape(self.forms, width + len(captured))
        for k in np.flatnonzero(np.signbit(state[0, width:])) + width:
            if all(path.tape.outputs[k] == k for path in self.backward.paths.known):  # no step adds anything
                state[0, k] = 0.0
        ordered = np.concatenate(by_rows)[::-1].swapaxes(0, 1).reshape(self.forms, self.x and loop.length * self.x)
        return np.concatenate([state, ordered], axis=1).ravel()

    def in_lanes(self, entered: Entered, arguments: tuple[int, ...]) -> tuple[int, ...]:
        """Enter this reverse loop into a program of lanes, behind the loop itself: its slot, and the statuses of both."""
        loop, builder, width = self.primal, entered.builder, self.carry
        own, seeds, count = arguments[: loop.arity], arguments[loop.arity :], len(loop.captured)
        captured, traced, each = own[width : width + count], own[width + count :], len(seeds) // self.forms
        kept, *status = loop.in_lanes(entered, own)
        size, row = self.forms * (width + count), width + loop.steps.x + self.forms * self.y
        paths, outputs = self.backward.programs(), self.forms * self.x
        turn = joined(paths, size + row + count, size + row, size + outputs)
        state: list[int] = []
        for form in range(self.forms):
            state += seeds[form * each : form * each + width]
            for _ in captured:  # -0.0 changes no sum; if no turn adds anything, the derivative is 0.0
                idle = form or turn.outputs[len(state)] == 1 + len(state)
                state.append(builder.constant(0.0 if idle else -0.0))
        sweep: Masked = MaskedGradient(turn, size, width)
        given = [kept, *state, *captured]
        if loop.length:
            by_step = np.array(seeds, dtype=np.int64).reshape(self.forms, each)[:, width:]
            by_step = by_step.reshape(self.forms, loop.length, self.y).swapaxes(0, 1).ravel()
            sources = (loop.steps.x, loop.known), (self.forms * self.y, None)
            rows = Rows(loop.length, sources, outputs, self.forms)
            sweep = MaskedScan(turn, size, count, rows, carry=width)
            given = [kept, entered.takes_part(), *given[1:], *traced, *by_step.tolist()]
        slot = builder.instruction(sweep, tuple(given))  # type: ignore[arg-type]
        return *_with_status(entered, sweep, slot), *status

    def replayed(self, arguments: Sequence[Any]) -> list[Any]:
        oldest = Variable(0.0).number
        inputs = [positive(a) if type(a) is Variable else Variable(a) for a in arguments[: self.primal.arity]]
        given = arguments[self.primal.arity :]
        count = len(given) // self.forms
        with context.differentiated():
            results = self.primal.replayed(inputs)[:count]
        forms = _sweep(results, [given[k : k + count] for k in range(0, len(given), count)], inputs, oldest)
        return [n for numbers in forms for n in numbers]

    def _seeds(self, arguments: Sequence[Any]) -> list[Sent | None]:
        """The adjoints of the results of the loop, None for those that were not sent."""
        given = arguments[self.primal.arity :]
        count = len(given) // self.forms
        sent = given[count:] or [1.0] * count
        pairs = zip(given[:count], sent, strict=True)
        return [(y, s if type(s) is Variable else None) if type(s) is Variable or s != 0.0 else None for y, s in pairs]

    def pushed(
        self, node: Variable, arrived: Sequence[Sent | None], places: Sequence[int], *, masked: bool
    ) -> dict[int, Sent]:
        """The tangents of adjoints: see `loop_tangents`."""
        arguments = node._arguments
        count, seeds = self.primal.arity, self._seeds(arguments)
        along = Along(self.primal, arguments[:count], arrived[:count], outputs=self.outputs, masked=masked)
        tangents = [_where_sent(t, y) for t, y in zip(arrived[count : count + len(seeds)], seeds, strict=True)]
        found = along.gradient(tangents, seeds)
        return {k: found[k] for k in places if k < count}

    def pulled_back(
        self, arguments: tuple[Any, ...], cotangents: Cotangents, conditions: dict[int, Number | None] | None = None
    ) -> list[Any]:
        """Adjoints of the arguments of the loop, and of the adjoints of its results: see `loop_tangents`."""
        count, seeds, known = self.primal.arity, self._seeds(arguments), conditions or {}
        along = Along(
            self.primal,
            arguments[:count],
            [(cotangents[k], known.get(k)) if k in cotangents else None for k in range(count)],
            outputs=self.outputs,
            masked=conditions is not None,
        )
        found: list[Sent | None] = [*along.gradient([None] * len(seeds), seeds)]
        own = arguments[count : count + len(seeds)]
        if any(type(a) is Variable for a in own):
            found += map(_where_sent, along.tangents(range(len(seeds))), seeds)
        found += [None] * (self.arity - len(found))
        return found if conditions is not None else [sent and sent[0] for sent in found]


def _where_sent(tangent: Sent | None, adjoint: Sent | None) -> Sent | None:
    """The tangent of an adjoint, where that was sent."""
    if tangent is None or adjoint is None:
        return None
    number, condition = tangent
    if adjoint[1] is not None:
        condition = where(adjoint[1], 1.0 if condition is None else condition, 0.0)
    return number, condition


def _sweep(
    outputs: list[Any], seeds: Sequence[Sequence[Number]], wrt: list[Variable], oldest: int
) -> list[list[Number]]:
    """Adjoints of `wrt` from those of `outputs`; where the seeds are masked, behind each a list of conditions.

    What is older than `oldest` is a leaf.
    """
    masked = len(seeds) == 2
    conditions = seeds[1] if masked else [None] * len(outputs)
    reach = Reach([y for y in outputs if type(y) is Variable], oldest).towards(wrt)
    waiting: dict[int, list[Sent]] = {}
    for output, adjoint, condition in zip(outputs, seeds[0], conditions, strict=True):
        if type(output) is Variable and output._number in reach.met:
            waiting.setdefault(output._number, []).append((adjoint, condition))
    found = sent(reach, waiting, masked=masked)
    shares = [found.get(v._number, (None, None)) for v in wrt]
    forms = [[0.0 if adjoint is None else adjoint for adjoint, _ in shares]]
    if masked:
        forms.append([0.0 if a is None else 1.0 if condition is None else condition for a, condition in shares])
    return forms
