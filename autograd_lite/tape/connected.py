"""Results of a compiled call as nodes over the Variables that the function captured.

A node holds the derivatives that compiled code gave, so a sweep costs what it does for any other node. A second derivative
needs the partials as graphs: only then the tape is replayed on Variables.
"""

from collections.abc import Callable, Sequence
from functools import partial
from math import nan
from typing import Any

from autograd_lite.backward import Reach, gradients
from autograd_lite.errors import TraceError
from autograd_lite.many import Operation
from autograd_lite.nests import unravel
from autograd_lite.primitives import Primitive, positive
from autograd_lite.rule import REAL, Interval
from autograd_lite.tape import recording
from autograd_lite.tape.backends import python
from autograd_lite.tape.interim import single_at_once
from autograd_lite.tape.paths import Path
from autograd_lite.tape.tape import Tape, record
from autograd_lite.variable import Variable, make_node


class Call:
    """A compiled call: its tape and its plain numbers, replayed when somebody asks."""

    def __init__(self, tape: Tape, numbers: Sequence[float]) -> None:
        self.tape, self.numbers = tape, numbers
        self._last: tuple[Any, Sequence[Any], list[Variable], list[Any]] | None = None

    def replayed(self, captured: Sequence[Any]) -> tuple[list[Variable], list[Any]]:
        """Fresh nodes for what was captured, and the outputs as graphs over them; once for all outputs in one trace."""
        notes, last = recording.current(), self._last
        if last is not None and last[0] is notes and all(a is b for a, b in zip(last[1], captured, strict=True)):
            return last[2:]
        # One of them may be made from another: a partial holds all but one fixed.
        fresh = [positive(v) if type(v) is Variable else Variable(v) for v in captured]
        outputs = python.replay(self.tape, [*self.numbers, *fresh])
        self._last = notes, captured, fresh, outputs
        return fresh, outputs


class Output(Primitive):
    """Output `index` of a compiled call, as an operation on what the function captured. It does not enter the rule table."""

    name: str
    call: Call
    index: int

    def __init__(self, call: Call, index: int) -> None:
        self.__dict__.update(name="jit", call=call, index=index, _row=(None, None, []))  # of a frozen dataclass

    @property
    def arity(self) -> int:
        return len(self.call.tape.captured)

    @property
    def domain(self) -> tuple[Interval, ...]:
        return (REAL,) * self.arity

    def value(self, *captured: float) -> float:
        """The output for other numbers in what was captured."""
        number: float = python.replay(self.call.tape, [*self.call.numbers, *captured])[self.index]
        return number

    @property
    def partials(self) -> tuple[Callable[..., Any], ...]:
        return tuple(partial(self._partial, position) for position in range(self.arity))

    def _partial(self, position: int, *captured_and_result: Any) -> Any:
        """One of the derivatives as graphs. A sweep asks for each in turn, and one sweep over the replay gives all."""
        notes, node, row = self._row  # type: ignore[attr-defined]
        if node is not captured_and_result[-1] or notes is not recording.current():
            fresh, outputs = self.call.replayed(captured_and_result[:-1])
            row = _row(outputs[self.index], fresh)
            self.__dict__["_row"] = recording.current(), captured_and_result[-1], row
        return row[position]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()  # in a file the node keeps its numbers, as one that was made by hand


def connected(path: Path, backend: str, numbers: Sequence[float], outputs: Sequence[float]) -> list[Variable] | None:
    """The outputs as nodes over the captured Variables, with derivatives from compiled code too; None if it cannot."""
    captured = path.tape.captured
    given = [*numbers, *(v._value for v in captured)]

    def run(name: str, record: Callable[[], Tape]) -> tuple[int, Any]:
        program = path.program((backend, name), lambda _: single_at_once(record().program, backend))
        return program.run(given)  # type: ignore[no-any-return]

    try:
        status, rows = run("jacobian", lambda: _jacobian(path.tape, 1.0, masked=False))
        selects = status < 0 or any(f.selects or isinstance(f, Operation) for f, _ in path.tape.code)
        if status < 0:  # a NaN: with the condition of every adjoint
            status, rows = run("careful", lambda: _jacobian(path.tape, 1.0, masked=True))
        if status:  # another branch in the steps of a loop
            return None
        if 0.0 in rows:  # 0, or not sent at all? Times an infinite slope, 0 is NaN
            # 0 where nothing is sent, else NaN
            status, sent = run(f"sent {selects}", lambda: _sent(path.tape, selects=selects))
            if status:
                return None
            rows = [None if row == 0.0 and s == 0.0 else row for row, s in zip(rows, sent, strict=True)]
    except TraceError:  # a step of a loop with too many branches
        return None
    call, width = Call(path.tape, numbers), len(captured)
    return [
        make_node(Output(call, k), y, captured, tuple(rows[k * width : (k + 1) * width])) for k, y in enumerate(outputs)
    ]


def _jacobian(tape: Tape, seed: float, *, masked: bool) -> Tape:
    """The tape of all derivatives of the outputs, times a seed, by the captured Variables, which become inputs.

    Unless `masked`, the row of an output is a sweep over what only that output is made of. A masked one is longer: through
    the condition that the value is not NaN, each derivative in the program depends on all that the value is made of.
    """

    def rows(numbers: list[Any], captured: list[Any]) -> list[Any]:
        return [_row(y, captured, seed) for y in python.replay(tape, [*numbers, *captured])]

    return _recorded(tape, rows, masked=masked)


def _sent(tape: Tape, *, selects: bool) -> Tape:
    """The tape of numbers that are NaN where an output sends something to a captured Variable, and 0 where it does not.

    If something `selects`, that is a sweep with conditions: from each output, or from each captured Variable where those are
    fewer.
    """
    if not selects or len(tape.program.outputs) <= len(tape.captured):
        return _jacobian(tape, nan, masked=selects)

    def columns(numbers: list[Any], captured: list[Any]) -> list[Any]:
        outputs = python.replay(tape, [*numbers, *captured])
        reach = Reach([y for y in outputs if type(y) is Variable])
        found = [reach.tangents(outputs, [(x, nan)], create_graph=True) for x in captured]
        return [0.0 if tangent is None else tangent for row in zip(*found, strict=True) for tangent in row]

    return _recorded(tape, columns, masked=True)


def _recorded(tape: Tape, derivatives: Callable[..., Any], *, masked: bool) -> Tape:
    """The tape of a function of the numbers that a tape takes, and of those captured."""
    example = [*tape.example, *(v._value for v in tape.captured)]
    _, shape = unravel(((list(tape.example), [v._value for v in tape.captured]), {}))
    found = record(derivatives, example, shape, masked=masked, loops=1, lookups=True)
    if found.captured:
        raise TraceError(f"the careful program of {tape.name} uses Variables from outside that its program does not.")
    return found


def _row(y: Any, captured: list[Any], seed: float = 1.0) -> list[Any]:
    """The derivatives of an output as graphs."""
    return gradients(y, captured, seed=seed, create_graph=True) if type(y) is Variable else [0.0] * len(captured)
