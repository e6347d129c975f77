"""The tapes of one function for arguments of one structure: a tape for each way it branched.

Two paths agree up to some guard and differ there. Where a replay fails a guard, the other paths that agree up to it are
tried; if none is left, the function is traced with the numbers at hand.

The steps of a `scan` are recorded while the function around it is traced, and at no other time: only then is all that they
use from outside what it was when the scan was reached. Where a step later takes a path that no step took, the loop reports
itself `Unserved`, the function around it is traced with the numbers at hand, and the loops of a path that is known already
adopt the steps that the new trace has met.
"""

import threading
import warnings
import weakref
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from autograd_lite.errors import PathWarning, TraceError
from autograd_lite.frames import library_frames
from autograd_lite.nests import Shape
from autograd_lite.primitives import Primitive
from autograd_lite.tape.program import COMMUTATIVE, SIGNS, Guard
from autograd_lite.tape.tape import Tape, record
from autograd_lite.transforms import name_of

#: Programs up to this length are traced twice, to see that the function gives the same both times.
TRACED_TWICE = 50_000

#: How many paths keep their compiled code: those used last.
KEPT = 256

#: How many replays by Python cost as much as compiling a program again: 5 ms and 30 µs an operation; 0.3 µs each time.
WORTH_COMPILING = 100


class Unserved(TraceError):  # noqa: N818 - reads as the fact it states
    """A step of a loop takes a path that none took while the scan was recorded."""

    def __init__(self, steps: Any) -> None:
        self.steps = steps
        super().__init__(
            f"with these arguments, a step of a compiled scan ({name_of(steps.paths.f)}) takes a branch which no step did "
            "when the scan was recorded. Trace the function with such arguments, or use jit, which does so by itself."
        )


class Unmapped(TraceError):  # noqa: N818 - reads as the fact it states
    """An operation recorded for lanes or a loop cannot serve: it lacks an argument, or a loop is differentiated again."""


class Uncaptured(TraceError):  # noqa: N818 - reads as the fact it states
    """A step that a known loop should adopt uses a number from outside which that loop is not given."""


@dataclass(eq=False)
class Path:
    """One way through the function.

    Attributes
    ----------
    tape : Tape
        Its program.
    lanes : int
        How many calls, or lanes of calls, it has served.
    programs : dict
        Its compiled code; see `keep`.
    unpaid : int
        How many calls it is still to serve without, since its code was dropped, before it is compiled again.
    forget : callable, optional
        Lets the short way of a call go, which holds compiled code, too.
    forks : dict
        From a guard to the other paths that agree up to it and differ there.
    parent : Path, optional
        The path of which this is the careful program.
    """

    tape: Tape
    lanes: int = 0
    programs: dict[Any, Any] = field(default_factory=dict, repr=False)
    unpaid: int = 0
    forget: Callable[[], None] | None = field(default=None, repr=False)
    forks: dict[int, list["Path"]] = field(default_factory=dict, repr=False)
    parent: "Path | None" = field(default=None, repr=False)

    @property
    def guards(self) -> tuple[Guard, ...]:
        """The comparisons that it branched by."""
        return self.tape.guards

    def outcome(self, number: int) -> Any:
        """How guard `number` came out, comparable between paths that agree before it."""
        guard = self.tape.guards[number]
        return guard.relation, guard.outcome, self._constant(guard.left), self._constant(guard.right)

    @cached_property
    def outcomes(self) -> tuple[Any, ...]:
        """How the guards came out."""
        return tuple(self.outcome(k) for k in range(len(self.guards)))

    def fork(self, other: "Path") -> int | None:
        """The first guard, from 0, that came out otherwise on another path; None if there is none."""
        pairs = zip(self.outcomes, other.outcomes, strict=False)
        return next((k for k, (mine, its) in enumerate(pairs) if mine != its), None)

    def _constant(self, slot: int) -> float | str | None:
        """The constant that a guard compares with, if it is one; every NaN is the same one."""
        tape = self.tape
        if not tape.program.inputs <= slot < tape.program.first_instruction:
            return None
        constant = tape.constants[slot - tape.program.inputs]
        return constant if constant == constant else "nan"  # noqa: PLR0124 - a NaN

    @cached_property
    def careful(self) -> "Path | None":
        """The careful program as a path, which serves lanes that are in doubt on this one."""
        return Path(self.tape.careful(), parent=self) if self.tape.careful else None

    @property
    def tapes(self) -> list[Tape]:
        """The tape and its careful form, if it has one."""
        return [self.tape, self.careful.tape] if self.careful else [self.tape]

    def serve(self, lanes: int) -> None:
        """Count lanes that were served; those of a careful program count for the path itself."""
        (self.parent or self).lanes += lanes

    def program(self, key: Any, build: Callable[[Tape], Any]) -> Any:
        """The tape compiled as `build` does, once for each key."""
        program = self.programs.get(key)
        if program is None:
            program = self.programs[key] = build(self.tape)
            if program is not None:
                keep(self)
        return program

    def drop(self) -> None:
        """Let go of the compiled code. A call that is under way holds what it runs."""
        self.programs, self.unpaid = {}, WORTH_COMPILING
        if self.forget is not None:
            self.forget()

    def __str__(self) -> str:
        """Conditions with file and line, and how many lanes."""
        conditions = [self._condition(guard) for guard in self.guards]
        return "\n    ".join(
            [f"{self.lanes} lane{'s' * (self.lanes != 1)}, {len(self.tape)} instructions", *conditions]
        )

    def _condition(self, guard: Guard) -> str:
        left, right = self.tape._term(guard.left), self.tape._term(guard.right)
        return f"{left} {SIGNS[guard.relation]} {right} is {guard.outcome}  ({guard.location})"


_kept: OrderedDict["weakref.ref[Path]", int] = OrderedDict()
_keeping = threading.Lock()


def keep(path: Path) -> None:
    """Count a path among those that have compiled code; the code of what was used longest ago is dropped for it.

    Calls are not slowed down by notes of when they were. A path that has served lanes since it was looked at last goes to the
    end of the queue instead (the clock algorithm).
    """
    idle = []
    with _keeping:
        noted = _kept.pop(weakref.ref(path), path.lanes + 1)  # the call that it is compiled for is no second use
        while len(_kept) >= KEPT:
            place, before = _kept.popitem(last=False)
            oldest = place()
            if oldest is not None and oldest.lanes != before:
                _kept[place] = oldest.lanes
            elif oldest is not None:
                idle.append(oldest)
        _kept[weakref.ref(path)] = noted
    for oldest in idle:
        oldest.drop()


class Paths:
    """All paths of one function for arguments of one shape.

    Parameters
    ----------
    f : callable
        Takes the arguments, positional and by keyword, that `shape` packs.
    shape : Shape
    limit : int
        How many paths to keep; lanes that would need another run eagerly.
    loops : int
        Whether `scan` may become a native loop; see `recording.Recording`.
    masked, merging : bool
        See `record`.
    said : set, optional
        Warnings that were given, shared with the paths for arguments of other shapes.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        shape: Shape,
        limit: int,
        *,
        loops: int = 0,
        masked: bool = False,
        merging: bool = True,
        said: set[str] | None = None,
    ) -> None:
        self.f, self.shape, self.limit, self.loops = f, shape, limit, loops
        self.masked, self.merging = masked, merging
        self.said: set[str] = set() if said is None else said
        self.known: list[Path] = []
        self._orders: Counter[str] = Counter()  # paths that parted where numbers were put in order
        self._lock = threading.RLock()

    def first(self, numbers: Sequence[float]) -> Path:
        """The path that served most lanes, or that of these numbers if there is none."""
        if self.known:
            return max(self.known, key=lambda path: path.lanes)
        with self._lock:
            if not self.known:
                if isinstance(self.f, Tape) and self.f.input_shape == self.shape:
                    self.known = [Path(self.f)]
                    return self.known[0]
                path = Path(self.traced(numbers))
                # tracing runs all steps of a loop, and all lanes
                looped = any(hasattr(op, "loop") or hasattr(op, "computed") for op, _ in path.tape.code)
                if len(path.tape) <= TRACED_TWICE and not looped:
                    self._compare(path.tape, self.traced(numbers))
                self.known = [path]
            return self.known[0]

    def traced(self, numbers: Sequence[float], *, masked: bool = False) -> Tape:
        """The function as it runs with these numbers, traced anew; `masked`: see `recording.Recording`."""
        masked = masked or self.masked
        return record(self.f, numbers, self.shape, masked=masked, loops=self.loops, merging=self.merging)

    def _compare(self, tape: Tape, again: Tape) -> None:
        difference = _difference(tape, again)
        if difference:
            raise TraceError(
                f"{name_of(self.f)} gave different programs when traced twice with the same numbers: {difference}. Is it "
                "random numbers, the time, something it changes outside itself? Pass that in, or do not use jit."
            )

    def others(self, path: Path, failed: int, tried: Sequence[Path]) -> list[Path]:
        """Paths that agree with `path` before guard `failed` (from 0) and differ there."""
        return [other for other in path.forks.get(failed, ()) if other not in tried and other in self.known]

    def following(
        self, path: Path, status: int | None, tried: Sequence[Path], new: Callable[[], Path | None]
    ) -> Path | None:
        """The path to try where `path` does not serve; None if the function itself is to run. Nothing else decides that.

        Parameters
        ----------
        status : int or None
            The number (from 1) of the guard that came out otherwise, -1 for doubt, None for a loop that is unserved.
        tried : sequence of Path
            Those that failed before, this one among them.
        new : callable
            Finds a path where none is known: `Paths.new`, or who refuses.
        """
        if status is not None and status < 0:
            return path.careful
        if (
            path.parent is not None
        ):  # it tests more and has no others beside it; its loops met the steps of one trace only
            return path if status is None and adopt(path.tape, path.parent.tape)[0] else None
        others = self.candidates(path, status, tried)
        if not others:
            with (
                self._lock
            ):  # another thread may have added that path since, which `new` would take for one that failed
                others = self.candidates(path, status, tried)
                if not others:
                    return new()
        return others[0]

    def candidates(self, path: Path, failed: int | None, tried: Sequence[Path]) -> list[Path]:
        """The known paths to try there."""
        if failed is None:  # before all guards were tested, so that it may be another path altogether
            return [other for other in self.known if other not in tried]
        return self.others(path, failed - 1, tried)

    def new(self, numbers: Sequence[float]) -> Path | None:
        """The path that these numbers take, traced now; None if they are to be run eagerly.

        That is when there are too many paths, or when the path is known and its loops learn nothing: compiled functions
        differ from Python's in the last digit, and a comparison may hang on that.
        """
        with self._lock:
            if self.full:
                self._warn()
                return None
            path = Path(self.traced(numbers))
            forks = [(other, path.fork(other)) for other in self.known]
            known = _alike(path, forks)
            if known is not None:
                learnt, lacking = adopt(known.tape, path.tape, name_of(self.f))
                if lacking and not learnt:
                    raise Uncaptured(
                        f"a step of a scan in {name_of(self.f)} uses a number from outside that its loop is not given."
                    )
                return known if learnt else None
            self.add(path, forks)
            self._warn_of_order(path, forks)
            return path

    def _warn_of_order(self, path: Path, forks: Sequence[tuple[Path, int | None]]) -> None:
        """Say once that `sorted` or its like makes a path of every order of the numbers: at the third such path."""
        parting = max((fork for _, fork in forks if fork is not None), default=None)
        if parting is None or parting >= len(path.guards):
            return
        place, _, called = path.guards[parting].location.partition(" in ")
        if not called:
            return
        self._orders[place] += 1
        if self._orders[place] == 2 and "order" not in self.said:
            self.said.add("order")
            cure = (
                "al.max and al.min select"
                if called in ("max()", "min()")
                else "al.max, al.min, al.maximum and where select"
            )
            warnings.warn(
                f"{called} in {place} compares traced numbers of {name_of(self.f)}: every order of them becomes a path "
                f"of its own, to be traced and compiled. {cure} without a branch; or put the numbers in order outside.",
                PathWarning,
                stacklevel=1 + library_frames(),
            )

    def add(self, path: Path, forks: Sequence[tuple[Path, int | None]] | None = None) -> None:
        """Keep a path, and note where it parts from each of the others."""
        for other, fork in [(other, path.fork(other)) for other in self.known] if forks is None else forks:
            if fork is not None:
                path.forks.setdefault(fork, []).append(other)
                other.forks.setdefault(fork, []).append(path)
        self.known = [*self.known, path]

    def like(self, path: Path) -> Path | None:
        """The known path on which all guards come out as on this one."""
        return _alike(path, [(other, path.fork(other)) for other in self.known])

    @property
    def full(self) -> bool:
        """Whether there are as many paths as are kept."""
        return len(self.known) >= self.limit

    def _warn(self) -> None:
        if "full" not in self.said:
            self.said.add("full")
            lines = [path.guards[-1].location for path in self.known if path.guards]
            where = max(set(lines), key=lines.count) if lines else "?"
            warnings.warn(
                f"{name_of(self.f)} has taken {self.limit} different paths, most of them at the branch in {where}: "
                "further ones run eagerly, which is slow. Raise max_paths, or write the branch with where(condition, a, b).",
                RuntimeWarning,
                stacklevel=1 + library_frames(),
            )

    def eager(self, numbers: Sequence[float]) -> Any:
        """The result of the function itself."""
        arguments, keywords = self.shape.pack(numbers)
        return self.f(*arguments, **keywords)


def _same_rule(one: Any, other: Any) -> bool:
    """Whether two operations are the same; a function that makes a primitive of its own makes it anew in each trace."""
    return one is other or (type(one) is type(other) is Primitive and one.same_as(other))


def _difference(tape: Tape, again: Tape) -> str | None:
    if len(tape.code) != len(again.code) or len(tape.guards) != len(again.guards):
        return f"{len(tape.code)} instructions and {len(tape.guards)} guards, then {len(again.code)} and {len(again.guards)}"
    for position, (one, other) in enumerate(zip(tape.code, again.code, strict=True)):
        if one[1] != other[1] or not _same_rule(one[0], other[0]):
            kind = " of another definition" if one[0].name == other[0].name and one[1] == other[1] else ""
            return f"instruction {position} was {one[0].name}{one[1]}, then {other[0].name}{other[1]}{kind}"
    for one_constant, other_constant in zip(tape.constants, again.constants, strict=False):
        if repr(one_constant) != repr(other_constant):
            return f"a constant was {one_constant!r}, then {other_constant!r}"
    if tape.outputs != again.outputs or repr(tape.output_shape) != repr(again.output_shape):
        return "the outputs differ"
    return None


# ------------------------------------------------------------------------------------------ loops of one scan in two traces


def adopt(
    tape: Tape, other: Tape, function: str = "", names: Sequence[Any] = (), other_names: Sequence[Any] = ()
) -> tuple[bool, bool]:
    """Let loops serve the steps that those in another tape of the same path of the same function serve.

    Parameters
    ----------
    tape, other : Tape
        The first one learns.
    function : str
        What was traced, if the same results were asked for both times.
    names, other_names : sequence
        What to call the captured Variables, alike in both tapes; themselves by default.

    Returns
    -------
    (learnt, lacking)
        Whether there was anything to learn, and whether there was more that uses numbers which the first loop is not given.

    Raises
    ------
    TraceError
        If the function computed something else the second time.
    """
    known: dict[Any, int] = {}
    loops, outputs = _loops(tape, names or tape.captured, known)
    others, other_outputs = _loops(other, other_names or other.captured, known)
    alike = all(number in others and others[number][1] == captured for number, (_, captured) in loops.items())
    if function and alike and outputs != other_outputs:
        raise TraceError(
            f"{function} gave another program when it was traced again for a new branch in the steps of a scan. Something "
            "that it uses has changed between the calls: pass that in as an argument, or do not use jit."
        )
    learnt = lacking = False
    for number, (steps, captured) in loops.items():
        if number in others and others[number][0] is not steps:
            steps_learnt, steps_lacking = steps.adopt(others[number][0], function, captured, others[number][1])
            learnt, lacking = learnt or steps_learnt, lacking or steps_lacking
    return learnt, lacking


def _loops(
    tape: Tape, captured: Sequence[Any], known: dict[Any, int]
) -> tuple[dict[int, tuple[Any, list[int]]], list[int]]:
    """The steps of each loop by the number of its scan with the names of what it captured; and the names of the outputs.

    A name stands for an expression of the inputs: equal ones have one name, in whichever tape they are.
    """

    def name(*expression: Any) -> int:
        return known.setdefault(expression, len(known))

    names = [name("input", k) for k in range(tape.arguments)]
    names += [name("captured", v) for v in captured]
    names += [name("constant", repr(c)) for c in tape.constants]
    loops: dict[int, tuple[Any, list[int]]] = {}
    for primitive, slots in tape.code:
        arguments = [names[s] for s in slots]
        loop = getattr(primitive, "loop", None)
        if loop is not None:
            first, last = loop.carry, loop.carry + len(loop.captured)
            loops[loop.number] = loop.steps, arguments[first:last]
            arguments[first:last] = []
            names.append(name(primitive.name, loop.number, *arguments))
        else:
            if (own := getattr(primitive, "in_columns", None)) is not None:  # lanes capture what the paths of today use
                del arguments[own:]
            names.append(name(primitive.name, *(sorted(arguments) if primitive in COMMUTATIVE else arguments)))
    return loops, [names[s] for s in tape.outputs]


def _alike(path: Path, forks: list[tuple[Path, int | None]]) -> Path | None:
    return next((other for other, fork in forks if fork is None and len(other.guards) == len(path.guards)), None)
