"""The state of this thread or task: the observers of nodes, the functions that run on which inputs, the trace under way.

Recording a node or reading a value tests one module attribute while nothing of this goes on.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

from autograd_lite.frames import reading_location, user_location

#: Marks of what goes on in any thread: contexts in which an observer watches; contexts in which a function is being traced;
#: runs by transforms and traces, which comparisons and reads of values test. Sets, since entering and leaving one needs no
#: lock, which an interrupt could leave locked; the compiled core looks at the same sets.
active: set[object] = set()
tracing: set[object] = set()
running: set[object] = set()


# --- observers ------------------------------------------------------------------------------------------------


class Observer:
    """Watches nodes in the context that entered it; each method does nothing unless a subclass overrides it."""

    def node(self, node: Any) -> None:
        """Look at a node that was just made."""

    def read(self, node: Any) -> None:
        """Look at a node whose value is being read."""

    def sweep(self, order: Sequence[Any], adjoints: Mapping[int, Any], *, forward: bool) -> None:
        """Look at a finished sweep, adjoints by the numbers of nodes, before anything is written."""


_observers: ContextVar[tuple[Observer, ...]] = ContextVar("autograd_lite_observers", default=())


def observe(node: Any) -> None:
    """Show a new node to the observers of this context."""
    for observer in _observers.get():
        observer.node(node)


def observe_read(node: Any) -> None:
    """Show a node whose value is read to the observers of this context."""
    for observer in _observers.get():
        observer.read(node)


def observe_sweep(order: Sequence[Any], adjoints: Mapping[int, Any], *, forward: bool = False) -> None:
    """Show a finished sweep to the observers of this context."""
    for observer in _observers.get():
        observer.sweep(order, adjoints, forward=forward)


@contextmanager
def observing(*observers: Observer, alone: bool = False) -> Iterator[None]:
    """Let `observers` watch; with `alone`, no others."""
    token = _observers.set(observers if alone else (*_observers.get(), *observers))
    mark = object()
    active.add(mark)
    try:
        yield
    finally:
        active.discard(mark)
        with suppress(ValueError):  # a generator that was closed from another context, where there is nothing to undo
            _observers.reset(token)


# --- runs and traces ------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Run:
    """A function that a transform or a trace runs in this context: its inputs, and the nodes that it decided by.

    Attributes
    ----------
    oldest : int
        The number before the first input: older nodes come from outside.
    newest : int
        The number of the last input.
    decided : list
        Nodes that were compared, or whose value was read, with the user's line: the first few.
    """

    oldest: int
    newest: int
    decided: list[tuple[Any, str]] = field(default_factory=list)


class Trace(Protocol):
    """A trace as the core sees it (`tape.recording.Recording`): it notes branches and sweeps for all numbers at once.

    Attributes
    ----------
    oldest : int
        The number before the first input: older nodes come from outside, and the tape takes their values as inputs.
    elsewhere : list
        Nodes that another thread compared or read without recording it, with its line.
    mapped : bool
        Whether it is one of many lanes, which may branch differently.
    """

    oldest: int
    mapped: bool
    elsewhere: list[tuple[Any, str]]

    def guard(self, relation: str, left: Any, right: Any, *, outcome: bool) -> None:
        """Note that `left relation right` came out as `outcome` on the user's line."""

    def doubt(self, numbers: Iterable[Any]) -> bool:
        """Note numbers that are NaN where the trace must not be followed; False if it holds for all numbers anyway."""

    def count_array(self, shape: tuple[int, ...], count: int | None = None) -> None:
        """Note that an operation on arrays gave a result of this shape, by `count` instructions or one for each element."""

    def looked_up(self, rows: list[list[Any]], place: Any) -> list[Any] | None:
        """The numbers of one of some rows, if the trace has an instruction for that; else they are selected."""

    def lifted(self, ufunc: Any, method: str, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """The result of a ufunc of long arrays, as an expression of one element; NotImplemented where that is none."""

    def is_number(self, node: Any) -> bool:
        """Whether a node is a held number, for which the function has a plain number where it is not traced."""

    def connected(self, reach: Any, outputs: Iterable[Any]) -> Container[int]:
        """The numbers of the nodes that the outputs depend on."""

    def nan_if_nan(self, output: Any, seed: Any) -> Any:
        """The seed, as NaN wherever the output is."""

    def send(self, reach: Any, adjoints: dict[int, Any]) -> None:
        """The reverse sweep from the seeds in `adjoints`."""

    def tangents(self, reach: Any, outputs: Sequence[Any], given: dict[int, Any]) -> list[Any]:
        """The forward sweep."""

    def backward(self, y: Any, seed: Any) -> None:
        """The pass of `y.backward(seed)`."""

    def differentiated(self, *, lanes: bool) -> AbstractContextManager[None]:
        """Record for a sweep."""

    def written_out(self) -> AbstractContextManager[None]:
        """Record operation by operation."""


#: A trace is suspended: nodes are made and read as outside of any trace.
SUSPENDED = "suspended"

#: Whether captured Variables of an earlier trace have got today's numbers for a while, conditions among them.
lending: ContextVar[bool] = ContextVar("autograd_lite_lending", default=False)

_trace: ContextVar[Trace | str | None] = ContextVar("autograd_lite_trace", default=None)
_runs: ContextVar[tuple[Run, ...]] = ContextVar("autograd_lite_runs", default=())

#: How many decisions of a run are kept: enough to name a line.
_DECISIONS = 8


def recording() -> Trace | None:
    """The trace that is under way in this context, if any."""
    if not tracing:
        return None
    trace = _trace.get()
    return None if type(trace) is str else trace  # type: ignore[return-value]


def runs() -> tuple[Run, ...]:
    """The runs under way in this context, the outermost first; none where they are suspended."""
    return () if tracing and _trace.get() is SUSPENDED else _runs.get()


def suspended() -> bool:
    """Whether a trace is suspended in this context."""
    return bool(tracing) and _trace.get() is SUSPENDED


def noticed(*nodes: Any) -> Trace | None:
    """The trace that has to note that the values of `nodes` are being looked at, if any.

    Whoever looks at values calls this while anything is `running`. Without a trace, the run under way notes the nodes as
    decisions. A thread that a traced function starts has no context: traces note its nodes and refuse them at their end.
    """
    if tracing:
        trace = _trace.get()
        if trace is SUSPENDED:
            return None
        if trace is not None:
            _decide(nodes)
            return trace  # type: ignore[return-value]
        if not _runs.get():
            traces: list[Any] = [mark for mark in running.copy() if hasattr(mark, "elsewhere")]
            for other in traces:
                other.elsewhere += [(node, user_location()) for node in nodes if node._number > other.oldest]
    _decide(nodes)
    return None


def _decide(nodes: Iterable[Any]) -> None:
    for run in _runs.get():
        if len(run.decided) < _DECISIONS:
            run.decided += [(node, reading_location()) for node in nodes if node._number > run.oldest]


@contextmanager
def running_on(inputs: Sequence[Any], oldest: int) -> Iterator[Run]:
    """Run a function on these inputs, all newer than `oldest`."""
    run = Run(oldest, inputs[-1]._number if inputs else oldest)
    token = _runs.set((*_runs.get(), run))
    running.add(run)
    try:
        yield run
    finally:
        running.discard(run)
        _runs.reset(token)


@contextmanager
def record_into(trace: Trace | None) -> Iterator[None]:
    """Trace in this context; None suspends a trace."""
    token = _trace.set(trace or SUSPENDED)
    mark = trace or object()
    running.add(mark)
    one = object()
    tracing.add(one)
    try:
        yield
    finally:
        running.discard(mark)
        tracing.discard(one)
        _trace.reset(token)


@contextmanager
def unnoticed() -> Iterator[None]:
    """Look at nodes without being noticed: no line of a read is noted, and a trace records no guard."""
    with observing(alone=True), record_into(None):
        yield


def differentiated(*, lanes: bool = True) -> AbstractContextManager[None]:
    """Record for a sweep; without `lanes` no map over them is one operation."""
    trace = recording()
    return trace.differentiated(lanes=lanes) if trace else nullcontext()


def written_out() -> AbstractContextManager[None]:
    """Record operation by operation: no loop, map or look-up is one."""
    trace = recording()
    return trace.written_out() if trace else nullcontext()
