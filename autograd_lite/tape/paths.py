"""The tapes of one function for arguments of one structure: a tape for each way it branched.

Two paths agree up to some guard and differ there. Where a replay fails a guard, the other paths that agree up to it are
tried; if none is left, the function is traced with the numbers at hand.
"""

import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from autograd_lite.errors import TraceError
from autograd_lite.nests import Shape
from autograd_lite.tape.passes import Guard
from autograd_lite.tape.tape import SIGNS, Tape
from autograd_lite.tape.trace import record
from autograd_lite.transforms import name_of

#: Programs up to this length are traced twice, to see that the function gives the same both times.
TRACED_TWICE = 50_000


@dataclass(eq=False)
class Path:
    """One way through the function.

    Attributes
    ----------
    tape : Tape
        Its program.
    lanes : int
        How many calls, or lanes of calls, it has served.
    """

    tape: Tape
    lanes: int = 0
    programs: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def guards(self) -> tuple[Guard, ...]:
        """What it branched by."""
        return self.tape.guards

    def outcome(self, number: int) -> Any:
        """How guard `number` came out, comparable between paths that agree before it."""
        guard = self.tape.guards[number]
        return guard.relation, guard.outcome, self._constant(guard.left), self._constant(guard.right)

    def outcomes(self, count: int) -> tuple[Any, ...]:
        """How the first guards came out."""
        return tuple(self.outcome(k) for k in range(count))

    def _constant(self, slot: int) -> float | str | None:
        """What a guard compares with if that is a constant; every NaN is the same one."""
        tape = self.tape
        if not tape.first_constant <= slot < tape.first_instruction:
            return None
        constant = tape.constants[slot - tape.first_constant]
        return constant if constant == constant else "nan"  # noqa: PLR0124 - a NaN

    def program(self, key: Any, build: Callable[[Tape], Any], *, careful: bool = False) -> Any:
        """The tape compiled as `build` does, once for each key."""
        program = self.programs.get((key, careful))
        if program is None:
            tape = self.tape.careful() if careful and self.tape.careful else self.tape
            program = self.programs[key, careful] = build(tape)
        return program

    def __str__(self) -> str:
        """Conditions with file and line, and how many lanes."""
        conditions = [self._condition(guard) for guard in self.guards]
        return "\n    ".join(
            [f"{self.lanes} lane{'s' * (self.lanes != 1)}, {len(self.tape)} instructions", *conditions]
        )

    def _condition(self, guard: Guard) -> str:
        left, right = self.tape._term(guard.left), self.tape._term(guard.right)
        return f"{left} {SIGNS[guard.relation]} {right} is {guard.outcome}  ({guard.location})"


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
        Whether `scan` may become a native loop; see `observers.Recording`.
    masked : bool
        Record the careful program at once.
    """

    def __init__(
        self, f: Callable[..., Any], shape: Shape, limit: int, *, loops: int = 0, masked: bool = False
    ) -> None:
        self.f, self.shape, self.limit, self.loops, self.masked = f, shape, limit, loops, masked
        self.known: list[Path] = []
        self._lock = threading.RLock()
        self._warned = False

    def first(self, numbers: Sequence[float]) -> Path:
        """The path that served most lanes, or that of these numbers if there is none."""
        if self.known:
            return max(self.known, key=lambda path: path.lanes)
        with self._lock:
            if not self.known:
                if isinstance(self.f, Tape) and self.f.input_shape == self.shape:
                    self.known = [Path(self.f)]
                    return self.known[0]
                path = Path(self._traced(numbers))
                # tracing runs all steps of a loop, and all lanes
                looped = any(hasattr(primitive, "computed") for primitive, _ in path.tape.code)
                if len(path.tape) <= TRACED_TWICE and not looped:
                    self._compare(path.tape, self._traced(numbers))
                self.known = [path]
            return self.known[0]

    def _traced(self, numbers: Sequence[float]) -> Tape:
        return record(self.f, numbers, self.shape, masked=self.masked, loops=self.loops)

    def _compare(self, tape: Tape, again: Tape) -> None:
        difference = _difference(tape, again)
        if difference:
            raise TraceError(
                f"{name_of(self.f)} gave different programs when traced twice with the same numbers: {difference}. Is it "
                "random numbers, the time, something it changes outside itself? Pass that in, or do not use jit."
            )

    def others(self, path: Path, failed: int, tried: Sequence[Path]) -> list[Path]:
        """Paths that agree with `path` before guard `failed` (from 0) and differ there."""
        before = path.outcomes(failed)
        return [
            other
            for other in self.known
            if other not in tried
            and len(other.guards) > failed
            and other.outcomes(failed) == before
            and other.outcome(failed) != path.outcome(failed)
        ]

    def following(self, path: Path, failed: int, tried: Sequence[Path], numbers: Sequence[float]) -> Path | None:
        """The path to try where guard `failed` (from 1) came out otherwise; None if these numbers are to be run eagerly."""
        others = self.others(path, failed - 1, tried)
        if not others:
            with (
                self._lock
            ):  # another thread may have added that very path since: `new` would take it for one that failed
                others = self.others(path, failed - 1, tried)
                if not others:
                    return self.new(numbers)
        return others[0]

    def new(self, numbers: Sequence[float]) -> Path | None:
        """The path that these numbers take, traced now; None if they are to be run eagerly.

        That is when there are too many paths, or when the path is known: compiled functions differ from Python's in the last
        digit, and a comparison may hang on that.
        """
        with self._lock:
            if len(self.known) >= self.limit:
                self._warn()
                return None
            path = Path(self._traced(numbers))
            count = len(path.guards)
            if any(
                len(other.guards) == count and other.outcomes(count) == path.outcomes(count) for other in self.known
            ):
                return None
            self.known = [*self.known, path]
            return path

    def _warn(self) -> None:
        if not self._warned:
            self._warned = True
            lines = [path.guards[-1].location for path in self.known if path.guards]
            where = max(set(lines), key=lines.count) if lines else "?"
            warnings.warn(
                f"{name_of(self.f)} has taken {self.limit} different paths, most of them at the branch in {where}: "
                "further ones run eagerly, which is slow. Raise max_paths, or write the branch with where(condition, a, b).",
                RuntimeWarning,
                stacklevel=6,
            )

    def eager(self, numbers: Sequence[float]) -> Any:
        """What the function itself gives."""
        arguments, keywords = self.shape.pack(numbers)
        return self.f(*arguments, **keywords)


def _difference(tape: Tape, again: Tape) -> str | None:
    if len(tape.code) != len(again.code) or len(tape.guards) != len(again.guards):
        return f"{len(tape.code)} instructions and {len(tape.guards)} guards, then {len(again.code)} and {len(again.guards)}"
    for position, (one, other) in enumerate(zip(tape.code, again.code, strict=True)):
        if one != other:
            return f"instruction {position} was {one[0].name}{one[1]}, then {other[0].name}{other[1]}"
    for one_constant, other_constant in zip(tape.constants, again.constants, strict=False):
        if repr(one_constant) != repr(other_constant):
            return f"a constant was {one_constant!r}, then {other_constant!r}"
    if tape.outputs != again.outputs or repr(tape.output_shape) != repr(again.output_shape):
        return "the outputs differ"
    return None
