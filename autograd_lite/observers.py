"""Watching nodes as they are made and sweeps as they end: one hook, at the cost of one test when nobody watches.

An observer lives in the context (thread or task) that entered it. `raise_on_nonfinite` is the first.
"""

import ast
import functools
import itertools
import linecache
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from types import CodeType, FrameType
from typing import Any

from autograd_lite.errors import NonFiniteError, OperandError

#: Number of contexts, over all threads, in which somebody watches. Recording a node tests this and no more.
active = 0

#: Number of contexts, over all threads, in which a function is being traced.
tracing = 0

#: Runs by transforms and traces under way, over all threads. Comparisons and reads of values test this and no more. A set,
#: since entering and leaving one needs no lock, which an interrupt could leave locked.
running: set[object] = set()

_lock = Lock()
_PACKAGE = f"{Path(__file__).parent.as_posix()}/"


class Observer:
    """What may watch; each method does nothing unless a subclass says what."""

    def node(self, node: Any) -> None:
        """Look at a node that was just made."""

    def read(self, node: Any) -> None:
        """Look at a node whose value is being read."""

    def sweep(self, order: Sequence[Any], adjoints: Mapping[int, Any], *, forward: bool) -> None:
        """Look at a finished sweep, adjoints by the numbers of nodes, before anything is written."""


_observers: ContextVar[tuple[Observer, ...]] = ContextVar("autograd_lite_observers", default=())


def observe(node: Any) -> None:
    """Show a new node to who watches in this context."""
    for observer in _observers.get():
        observer.node(node)


def observe_read(node: Any) -> None:
    """Show a node whose value is read to who watches in this context."""
    for observer in _observers.get():
        observer.read(node)


def observe_sweep(order: Sequence[Any], adjoints: Mapping[int, Any], *, forward: bool = False) -> None:
    """Show a finished sweep to who watches in this context."""
    for observer in _observers.get():
        observer.sweep(order, adjoints, forward=forward)


@contextmanager
def observing(*observers: Observer, alone: bool = False) -> Iterator[None]:
    """Let `observers` watch; with `alone`, nobody else."""
    global active  # noqa: PLW0603 - a counter that the recording path can test in nanoseconds
    token = _observers.set(observers if alone else (*_observers.get(), *observers))
    with _lock:
        active += 1
    try:
        yield
    finally:
        with _lock:
            active -= 1
        with suppress(ValueError):  # a generator that was closed from another context, where there is nothing to undo
            _observers.reset(token)


@dataclass(eq=False)
class Run:
    """A function that a transform or a trace runs in this context: which nodes are its inputs, and what it decided by.

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


@dataclass(eq=False)
class Recording:
    """What a trace notes besides the nodes: how comparisons came out, and which results show that a lane needs care.

    A sweep in a trace must be right for every lane, whichever branches that takes. `masked` sweeps carry along where an
    adjoint was sent at all. The others leave that out, which can be half the program: into branches that were not taken
    they send 0·∂y/∂x, NaN where ∂y/∂x is infinite. A NaN among their `doubtful` results asks for the masked program.

    Attributes
    ----------
    oldest : int
        The number before the first input: older nodes come from outside, and the tape takes their values as inputs.
    loops : int
        2: `scan` may be recorded as one operation; 1: also that, inside what differentiates once; 0: never.
    elsewhere : list
        Nodes that another thread compared or read without recording it, with its line.
    """

    masked: bool = True
    loops: int = 0
    oldest: int = -1
    guards: list[tuple[str, Any, Any, bool, str]] = field(default_factory=list)
    doubtful: list[Any] = field(default_factory=list)
    elsewhere: list[tuple[Any, str]] = field(default_factory=list)
    numbers: dict[int, bool] = field(default_factory=dict, repr=False)  # see `variable.is_number`
    scans: int = 0  # how many of them have become one operation so far
    lanes: bool = field(init=False)  # whether a `vmap` may be recorded as one operation

    def __post_init__(self) -> None:
        self.lanes = self.loops > 0

    def guard(self, relation: str, left: Any, right: Any, *, outcome: bool) -> None:
        """Note that `left relation right` came out as `outcome` on the user's line."""
        self.guards.append((relation, left, right, outcome, _deciding_location()))


#: A trace is suspended: nodes are made and read as outside of any trace.
SUSPENDED = "suspended"

#: Whether captured Variables of an earlier trace have got today's numbers for a while, conditions among them.
lending: ContextVar[bool] = ContextVar("autograd_lite_lending", default=False)

_recording: ContextVar[Recording | str | None] = ContextVar("autograd_lite_recording", default=None)
_runs: ContextVar[tuple[Run, ...]] = ContextVar("autograd_lite_runs", default=())

#: How many decisions of a run are kept: enough to name a line.
_DECISIONS = 8


def recording() -> Recording | None:
    """The trace that is under way in this context, if any."""
    if not tracing:
        return None
    notes = _recording.get()
    return notes if type(notes) is Recording else None


def runs() -> tuple[Run, ...]:
    """The runs under way in this context, the outermost first; none where they are suspended."""
    return () if tracing and _recording.get() is SUSPENDED else _runs.get()


def suspended() -> bool:
    """Whether a trace is suspended in this context."""
    return tracing > 0 and _recording.get() is SUSPENDED


def noticed(*nodes: Any) -> Recording | None:
    """The trace that has to note that the values of `nodes` are being looked at, if any.

    Whoever looks at values calls this while anything is `running`. Without a trace, the run under way notes what it decided
    by. A thread that a traced function starts has no context: traces learn of what it looked at and refuse it at their end.
    """
    if tracing:
        notes = _recording.get()
        if type(notes) is Recording:
            _decide(nodes)
            return notes
        if notes is SUSPENDED:
            return None
        if not _runs.get():
            for trace in [mark for mark in running.copy() if type(mark) is Recording]:
                trace.elsewhere += [(node, user_location()) for node in nodes if node._number > trace.oldest]
    _decide(nodes)
    return None


def _decide(nodes: Iterable[Any]) -> None:
    """Let the runs under way know by what they decided."""
    for run in _runs.get():
        if len(run.decided) < _DECISIONS:
            run.decided += [(node, user_location()) for node in nodes if node._number > run.oldest]


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
def record_into(notes: Recording | None) -> Iterator[None]:
    """Trace in this context; None suspends a trace."""
    global tracing  # noqa: PLW0603 - as `active`
    token = _recording.set(notes or SUSPENDED)
    mark = notes or object()
    running.add(mark)
    with _lock:
        tracing += 1
    try:
        yield
    finally:
        running.discard(mark)
        with _lock:
            tracing -= 1
        _recording.reset(token)


@contextmanager
def unnoticed() -> Iterator[None]:
    """Look at nodes without being noticed: no line of a read is noted, and a trace records no guard."""
    with observing(alone=True), record_into(None):
        yield


@contextmanager
def differentiated(*, once: bool, reverse: bool = False) -> Iterator[None]:
    """Record for a sweep; `once` if no sweep over that sweep can follow: a loop has a gradient, which has none itself.

    `reverse` if only reverse sweeps follow: a `vmap` has those of every order, and no forward one.
    """
    notes = recording()
    if notes is None:
        yield
        return
    before = notes.loops, notes.lanes
    notes.loops = max(notes.loops - 1, 0) if once else 0
    notes.lanes = notes.lanes and (once or reverse)
    try:
        yield
    finally:
        notes.loops, notes.lanes = before


def user_location() -> str:
    """`file:line` of the innermost frame outside this package and NumPy."""
    frame = _user_frame()
    return f"{_file_name(frame.f_code.co_filename)}:{frame.f_lineno}"


def _deciding_location() -> str:
    """The same, with ` in sorted()` behind it where that function compares there."""
    frame = _user_frame()
    return f"{_file_name(frame.f_code.co_filename)}:{frame.f_lineno}{_orders_at(frame.f_code, frame.f_lasti)}"


def _user_frame() -> FrameType:
    frame = sys._getframe(2)
    while frame.f_back is not None and is_library(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def library_frames() -> int:
    """How many frames of this package and NumPy lie between the caller, which counts, and the user's code."""
    frame, count = sys._getframe(1), 0
    while frame.f_back is not None and is_library(frame.f_code.co_filename):
        frame, count = frame.f_back, count + 1
    return count


@functools.cache
def _file_name(filename: str) -> str:
    return Path(filename).name


@functools.cache
def is_library(filename: str) -> bool:
    """Whether a file of code is part of this package, of NumPy or of optree."""
    plain = filename.replace("\\", "/")
    return (
        plain.startswith((_PACKAGE, "<operator "))
        or "site-packages/numpy/" in plain
        or "site-packages/optree/" in plain
    )


#: What puts numbers in order by comparing them.
ORDERING = ("max", "min", "sorted", "sort")


@functools.lru_cache(maxsize=4096)
def _orders_at(code: CodeType, at: int) -> str:
    """` in sorted()` if the instruction at byte `at` calls that or its like, else nothing."""
    positions = next(itertools.islice(code.co_positions(), at // 2, None), (None,) * 4)
    first, last, start, end = positions
    if first is None or last is None or start is None or end is None:
        return ""
    lines = [linecache.getline(code.co_filename, number).encode() for number in range(first, last + 1)]
    if not all(lines):
        return ""
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][start:]
    with suppress(SyntaxError, ValueError):
        call = ast.parse(b"(" + b"".join(lines) + b")", mode="eval").body
        if isinstance(call, ast.Call):
            name = getattr(call.func, "id", getattr(call.func, "attr", ""))
            return f" in {name}()" if name in ORDERING else ""
    return ""


class _NonFiniteWatch(Observer):
    """Raises at the first value or adjoint that is infinite or NaN."""

    def node(self, node: Any) -> None:
        if math.isfinite(node._value):
            node.about.location = user_location()
            if notes := recording():  # a replay on other numbers watches too: where one fails, the function runs again
                notes.guard("lt", node, math.inf, outcome=True)
                notes.guard("gt", node, -math.inf, outcome=True)
            return
        raise NonFiniteError(
            f"{_call(node)} is {node._value} for {_inputs(node)} at {user_location()}. Keep the inputs inside the domain "
            "(where(condition, safe, other), clip, maximum), or use the form made for it (log1p, expm1, softplus, "
            "logaddexp, hypot, xlogy)."
            if node.arguments
            else f"a leaf was given the value {node._value} at {user_location()}. Check the data before this line."
        )

    def sweep(self, order: Sequence[Any], adjoints: Mapping[int, Any], *, forward: bool = False) -> None:
        for node in order:
            adjoint = adjoints[node._number]
            value = _number(adjoint)
            if value is None or math.isfinite(value):
                continue
            if forward:
                raise NonFiniteError(
                    f"the tangent of {node!r}{_made_at(node)} is {value}: the sum of local gradient × tangent over its "
                    f"arguments, with local gradients {[local or 0.0 for local in node._locals]}. Move the inputs away "
                    "from the singular point, or select with where()."
                )
            raise NonFiniteError(self._adjoint_message(node, value, order, adjoints))

    def _adjoint_message(self, node: Any, value: float, order: Sequence[Any], adjoints: Mapping[int, Any]) -> str:
        products = [
            f"{_number(adjoints[user._number])} × {local}  (through {user!r}{_made_at(user)})"
            for user in order
            if adjoints[user._number] is not None
            for parent, local in zip(user._arguments, user._locals, strict=True)
            if parent is node
        ]
        return (
            f"the adjoint of {node!r}{_made_at(node)} is {value}: the sum of adjoint × local gradient over its users, "
            f"{'; '.join(products[:4]) or 'which is the seed'}{'; …' if len(products) > 4 else ''}. "
            "No .grad was written. Move the inputs away from the singular point, or select with where()."
        )


def _number(adjoint: Any) -> Any:
    return getattr(adjoint, "_value", adjoint)


def _call(node: Any) -> str:
    name = "a node made by hand" if node.primitive is None else node.primitive.name
    return f"{name}({', '.join(_input_names(node))})"


def _inputs(node: Any) -> str:
    values = (getattr(a, "_value", a) for a in node.arguments)
    return ", ".join(f"{n} = {v}" if n != repr(v) else n for n, v in zip(_input_names(node), values, strict=True))


def _input_names(node: Any) -> list[str]:
    letters = ["x"] if len(node.arguments) == 1 else [chr(ord("a") + i % 26) for i in range(len(node.arguments))]
    return [
        (a.name or letter) if hasattr(a, "name") else repr(a) for a, letter in zip(node.arguments, letters, strict=True)
    ]


def _made_at(node: Any) -> str:
    location = None if node._about is None else node._about.location
    return f" made at {location}" if location else ""


@contextmanager
def raise_on_nonfinite() -> Iterator[None]:
    """Turn the first infinite or NaN value or adjoint into an error.

    Raises
    ------
    NonFiniteError
        Naming the node, its inputs and the line of the user's code; for an adjoint, the products it was added up from.
        A failed pass writes no `.grad`.

    Notes
    -----
    Nodes made inside also remember their line, so that a later pass can name it. Cost: about 7 µs a node. It holds for
    the thread or task that entered it: threads started inside are not watched, and a generator that is suspended inside
    leaves its caller watched.

    Examples
    --------
    >>> import autograd_lite as al
    >>> with raise_on_nonfinite():
    ...     x = al.Variable(0.0, name="x")
    ...     al.sqrt(x).backward()
    Traceback (most recent call last):
        ...
    autograd_lite.errors.NonFiniteError: the adjoint of Variable(0.0, name='x') made at ... is inf: ...
    """
    with observing(_NonFiniteWatch()):
        yield


class _Locations(Observer):
    """Notes the line that makes a node, and the one that reads its value."""

    def node(self, node: Any) -> None:
        node.about.location = user_location()

    def read(self, node: Any) -> None:
        node.about.read = user_location()


@contextmanager
def record_locations() -> Iterator[None]:
    """Let nodes remember the file and line of the user's code that makes them: `x.location`.

    Messages, `why`, `blame` and the pages of `draw` name these lines; `why` also names the line that took the number out
    of a Variable with `.value`.

    Notes
    -----
    Cost: about 3 µs a node inside, nothing outside. It holds for the thread or task that entered it.

    Examples
    --------
    >>> import autograd_lite as al
    >>> with record_locations():
    ...     y = al.exp(al.Variable(1.0))
    >>> y.location
    '...:2'
    """
    with observing(_Locations()):
        yield


class _Scope(Observer):
    """Notes a name on every node, behind the names of the scopes around it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def node(self, node: Any) -> None:
        about = node.about
        about.scope = self.name if about.scope is None else f"{about.scope}/{self.name}"


@contextmanager
def scope(name: str) -> Iterator[None]:
    """Give the nodes made inside a common name: a box of its own in pictures that are folded.

    Parameters
    ----------
    name : str
        Scopes may lie in each other: `layer1/neuron0`.

    Examples
    --------
    >>> import autograd_lite as al
    >>> x = al.Variable(1.0)
    >>> with scope("layer1"):
    ...     h = al.tanh(x)
    >>> h.scope, x.scope
    ('layer1', None)
    """
    if not isinstance(name, str) or not name:
        raise OperandError(f"scope({name!r}): name a scope with a text.")
    with observing(_Scope(name)):
        yield
