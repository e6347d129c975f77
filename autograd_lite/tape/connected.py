"""Results of a compiled call as nodes over the Variables that the function captured.

A node holds the derivatives that compiled code gave, so a sweep costs what it does for any other node. A second derivative
needs the partials as graphs: only then the tape is replayed on Variables.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from autograd_lite.backward import gradients
from autograd_lite.primitives import Primitive, positive
from autograd_lite.rule import REAL, Interval
from autograd_lite.tape import recording
from autograd_lite.tape.backends import python
from autograd_lite.tape.tape import Tape
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

    def __post_init__(self) -> None:
        """Nothing to check and nothing to enter."""

    @property
    def arity(self) -> int:
        """How many Variables the function captured."""
        return len(self.call.tape.captured)

    @property
    def domain(self) -> tuple[Interval, ...]:
        """All numbers, as far as anybody knows."""
        return (REAL,) * self.arity

    def value(self, *captured: float) -> float:
        """The output for other numbers in what was captured."""
        number: float = python.replay(self.call.tape, [*self.call.numbers, *captured])[self.index]
        return number

    @property
    def partials(self) -> tuple[Callable[..., Any], ...]:
        """The derivatives as graphs."""
        return tuple(partial(self._partial, position) for position in range(self.arity))

    def _partial(self, position: int, *captured_and_result: Any) -> Any:
        """One of them. A sweep asks for each in turn, and one sweep over the replay gives all."""
        notes, node, row = self._row  # type: ignore[attr-defined]
        if node is not captured_and_result[-1] or notes is not recording.current():
            fresh, outputs = self.call.replayed(captured_and_result[:-1])
            y = outputs[self.index]
            row = gradients(y, fresh, create_graph=True) if type(y) is Variable else [0.0] * self.arity
            self.__dict__["_row"] = recording.current(), captured_and_result[-1], row
        return row[position]

    def __reduce__(self) -> tuple[Any, ...]:
        return nothing, ()  # in a file the node keeps its numbers, as one that was made by hand


def nothing() -> None:
    """The unpickled `Output`: no operation."""


def connected(
    tape: Tape, numbers: Sequence[float], outputs: Sequence[float], rows: Sequence[float | None]
) -> list[Variable]:
    """The outputs as nodes; `rows` are the derivatives of each by each captured Variable, None where nothing is sent."""
    call, captured, width = Call(tape, numbers), tape.captured, len(tape.captured)
    return [
        make_node(Output(call, k), y, captured, tuple(rows[k * width : (k + 1) * width])) for k, y in enumerate(outputs)
    ]
