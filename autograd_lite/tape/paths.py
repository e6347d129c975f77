"""The tapes of one function for arguments of one structure: a path for each way it branched.

Two paths agree up to some guard and differ there: where a replay fails a guard, those that agree up to it are tried next. The
steps of a `scan` are recorded only while the function around it is traced, since what they use from outside may change later.
"""

import warnings
import weakref
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from autograd_lite import forks
from autograd_lite.errors import AutogradLiteError, PathWarning, TraceError
from autograd_lite.frames import COUNTING, INDEX, library_frames
from autograd_lite.nests import Shape
from autograd_lite.primitives import Primitive
from autograd_lite.tape.backends import python
from autograd_lite.tape.cache import asked, asking
from autograd_lite.tape.healing import Healer
from autograd_lite.tape.program import COMMUTATIVE, Guard
from autograd_lite.tape.rolled import ROWS, SMALLEST
from autograd_lite.tape.tape import Tape, record
from autograd_lite.tape.trace import recorded
from autograd_lite.transforms import name_of

#: Programs up to this length are traced twice, to see that the function gives the same both times.
TRACED_TWICE = 50_000

#: So many paths are looked at for being turns of a loop; of lanes, of which many come in one call, fewer if one path comes
#: to a comparison for the third time.
MANY_TURNS, SOME_TURNS = (4, 8, 16, 32), (1, 2)

#: How many paths keep their compiled code: those used last.
KEPT = 256

#: How many replays by Python cost as much as compiling a program again: 5 ms and 30 µs an operation; 0.3 µs each time.
WORTH_COMPILING = 100


#: After so many calls in a row that no kept path served, calls of their kind run the function at once: 2⁸ of them before
#: paths are tried again, then 2⁹, then 2¹⁰ each time.
PATIENCE = 8


class Patient:
    """What has paths, and counts the calls that these did not serve."""

    skips = _missed = 0  # calls that are to run the function at once

    def miss(self) -> None:
        self._missed = min(self._missed + 1, PATIENCE + 2)
        self.skips = 0 if self._missed < PATIENCE else 1 << self._missed

    def hit(self) -> None:
        self.skips, self._missed = 0, max(self._missed - 2, 0)


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
    """One way through the function."""

    tape: Tape
    cache: bool | None = None  # whether the disk keeps its compiled code; None: as the environment says
    lanes: int = 0  # calls, or lanes of calls, that it has served
    programs: dict[Any, Any] = field(default_factory=dict, repr=False)  # its compiled code; see `keep`
    unpaid: int = 0  # calls that it is to serve without compiled code, which was dropped, before it is compiled again
    forget: Callable[[], None] | None = field(default=None, repr=False)  # drops the short calls, which hold code too
    forks: dict[int, list["Path"]] = field(default_factory=dict, repr=False)  # by guard, the paths that part there
    parent: "Path | None" = field(default=None, repr=False)  # the path of which this is the careful program
    heir: "Path | None" = field(default=None, repr=False)  # which took its lanes over when it was dropped
    healed: str = ""  # what it joins, if it is more than one way
    turned: str = ""  # the loops of Python in it, of any number of turns
    turns: Any = None  # which loops these are: paths with the same ones test the same conditions as far as they agree

    @property
    def guards(self) -> tuple[Guard, ...]:
        return self.tape.guards

    @cached_property
    def outcomes(self) -> tuple[Any, ...]:
        """How the guards came out, each comparable between paths that agree before it."""
        program = self.tape.program

        def constant(slot: int) -> float | str | None:
            if not program.inputs <= slot < program.first_instruction:
                return None
            number = program.constants[slot - program.inputs]
            return number if number == number else "nan"  # noqa: PLR0124 - every NaN is the same one

        return tuple((g.relation, g.outcome, constant(g.left), constant(g.right)) for g in self.guards)

    def fork(self, other: "Path") -> int | None:
        """The first guard, from 0, that came out otherwise on another path of the same loops; None if there is none."""
        if self.turns != other.turns:
            return None
        pairs = zip(self.outcomes, other.outcomes, strict=False)
        return next((k for k, (mine, its) in enumerate(pairs) if mine != its), None)

    @cached_property
    def careful(self) -> "Path | None":
        """The careful program as a path, for lanes that are in doubt on this one."""
        if self.tape.careful is None:
            return None
        with asking(self.cache):
            return Path(self.tape.careful(), self.cache, parent=self)

    @cached_property
    def loops(self) -> tuple[Any, ...]:
        """The steps of the loops in it."""
        return tuple([operation.loop.steps for operation, _ in self.tape.code if hasattr(operation, "loop")])

    @property
    def tapes(self) -> list[Tape]:
        return [self.tape, self.careful.tape] if self.careful else [self.tape]

    def serve(self, lanes: int) -> None:
        """Count lanes that were served, for the path itself where this is its careful program, or for its heir."""
        path = self.parent or self
        while path.heir is not None:
            path = path.heir
        path.lanes += lanes

    def program(self, key: Any, build: Callable[[Tape], Any]) -> Any:
        """The tape compiled as `build` does, once for each key."""
        program = self.programs.get(key)
        if program is None:
            with asking(self.cache):
                program = self.programs[key] = build(self.tape)
            if program is not None:
                keep(self)
        elif getattr(program, "settled", False):  # interpreted so far
            program = self.programs[key] = program.final()
        return program

    def drop(self) -> None:
        """Let go of the compiled code. A call that is under way holds what it runs."""
        # Python gives the bits of programs as written, not of those that run as loops.
        rolled = any(getattr(program, "rolled", False) for program in self.programs.values())
        self.programs, self.unpaid = {}, 0 if rolled else WORTH_COMPILING
        if self.forget is not None:
            self.forget()

    @property
    def served(self) -> str:
        """How many lanes, by how many instructions."""
        return f"{self.lanes} lane{'s' * (self.lanes != 1)}, {len(self.tape)} instructions"

    def __str__(self) -> str:
        """Conditions with file and line, how many lanes, whether code came from the disk or is still to come."""
        programs = self.programs.values()
        cached, interim = (any(getattr(p, fact, False) for p in programs) for fact in ("cached", "is_interim"))
        if self.healed:
            return "\n    ".join([self.served + ", from the cache" * cached, *self.healed.split("; ")])
        return "\n    ".join(
            [
                self.served + ", from the cache" * cached + ", interpreted so far" * interim,
                *filter(None, self.turned.split("; ")),
                *(f"{self.tape.condition(guard)} is {guard.outcome}  ({guard.location})" for guard in self.guards),
            ]
        )


_kept: OrderedDict["weakref.ref[Path]", int] = OrderedDict()
_keeping = forks.lock()


def keep(path: Path) -> None:
    """Count a path among those that have compiled code, and drop the code of the path that was used longest ago.

    Calls note no times: a path that has served lanes since the last look goes to the end of the queue (the clock algorithm).
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
    """All paths of one function for arguments of one shape, at most `limit`; lanes that need another run eagerly.

    `loops`, `lookups`, `masked`, `merging` and `mapped` are as for `trace.recorded`; `said` holds the warnings that were
    given, for other shapes too. Loops and lanes inside the function use the disk as it does, by `cache`: see `Path`. With
    `healing` the ways through a long function are joined, and with that or `turning` the turns of Python's loops; 2: of
    loops in loops that end in several places, and of counted ones, too, which is for lanes of machine code: elsewhere the
    start of a loop takes as long as thousands of operations, so that a few paths serve better.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        shape: Shape,
        limit: int,
        *,
        loops: int = 0,
        lookups: bool = True,
        masked: bool = False,
        merging: bool = True,
        mapped: bool = False,
        said: set[str] | None = None,
        cache: bool | None = None,
        healing: bool = False,
        turning: int = 0,
    ) -> None:
        options: dict[str, Any] = {"loops": loops, "masked": masked, "merging": merging}
        heals = (healing or turning) and not isinstance(f, Tape)
        self.healer = Healer(f, shape, freely=turning == 2, **options) if heals else None
        self.healing, self.turning = healing, turning
        self.f, self.shape, self.limit, self.loops = f, shape, limit, loops
        self.lookups, self.masked, self.merging, self.mapped = lookups, masked, merging, mapped
        self.cache = asked() if cache is None else cache
        self.said: set[str] = set() if said is None else said
        self.known: list[Path] = []
        self._dropped: list[Path] = []  # for whose lanes no path counts yet
        self._orders: Counter[str] = Counter()  # paths that parted where numbers were put in order
        self._lock = forks.lock()

    def first(self, numbers: Sequence[float]) -> Path:
        """The path that served most lanes, or that of these numbers if there is none."""
        if self.known:
            return max(self.known, key=lambda path: path.lanes)
        with self._lock:
            if not self.known:
                f = self.f
                tape = f if isinstance(f, Tape) and f.input_shape == self.shape else self.traced(numbers)
                # Tracing runs all steps of a loop, and all lanes.
                kinds = {operation for operation, _ in tape.code}
                many = [op for op in kinds if hasattr(op, "loop") or getattr(op, "computed", None)]
                looped = any(not getattr(op, "brief", False) for op in many)
                once = tape is f or looped or len(tape) > TRACED_TWICE
                if not once and (difference := _difference(tape, self.traced(numbers))):
                    raise TraceError(
                        f"{name_of(f)} gave different programs when traced twice with the same numbers: {difference}. "
                        "Is it random numbers, the time, something it changes outside itself? Pass that in, or do not use "
                        "jit."
                    )
                heals = self.healing and len(tape.guards) >= ROWS and len(tape) >= SMALLEST and not many
                self.known = [(heals and self.healed(numbers, tape)) or Path(tape, self.cache)]
            return self.known[0]

    def healed(self, numbers: Sequence[float], like: Tape) -> Path | None:
        """The path of all known ways and of these numbers, if they can be joined and are not."""
        with asking(self.cache):
            found = self.healer.tape(numbers, like) if self.healer else None
        return Path(found[0], self.cache, healed=found[1]) if found else None

    def _heal(self, numbers: Sequence[float]) -> Path | None:
        """Put a path of more ways in the place of the healed one; if ways cannot be joined any more, there is none."""
        old = next((path for path in self.known if path.healed), None)
        if old is None:
            return None
        new = self.healed(numbers, old.tape)
        if new is not None or (self.healer and self.healer.why):
            if new is not None:
                new.lanes = old.lanes
            self.known = [path for path in (*self.known, new) if path is not None and path is not old]
            old.drop()
        return new

    def _of_turns(self, numbers: Sequence[float]) -> Path | None:
        """The path of these numbers with loops of any number of turns; known paths of other loops are dropped.

        They were turns of these loops, or walks by a graph in which a loop, or an end of one, was not known.
        """
        turning = any(path.turned for path in self.known)
        if self.healer is None or not (turning or self._may_turn):
            return None
        with asking(self.cache):
            known = [path.tape for path in self.known]
            found = self.healer.turned(numbers, known, {"masked": self.masked, **self._how})
        if found is None:
            return None
        tape, turned, turns = found
        for path in [path for path in self.known if path.turns != turns and (path.turned or not turning)]:
            self._dropped.append(path)
            path.drop()
            self.known.remove(path)
        return self._taken_over(Path(tape, self.cache, turned=turned, turns=turns))

    def _taken_over(self, path: Path) -> Path:
        """The path, for which the lanes of dropped paths count that it would serve."""
        left = []
        for old in self._dropped:
            try:
                python.replay(path.tape, [*old.tape.example, *path.tape.captured])
            except AutogradLiteError:
                left.append(old)
            else:
                path.lanes += old.lanes
                old.heir = path
        self._dropped = left
        return path

    @property
    def _may_turn(self) -> bool:
        """Whether the known paths are to be looked at for turns of one loop."""
        if not self.mapped or len(self.known) not in SOME_TURNS:
            return len(self.known) in MANY_TURNS
        return any(max(Counter(g.location for g in path.guards).values(), default=0) > 2 for path in self.known)

    def traced(self, numbers: Sequence[float], *, masked: bool = False, blind: bool = False) -> Tape:
        """The function as it runs with these numbers, traced anew; `masked` and `blind`: see `recording.Recording`."""
        with asking(self.cache):
            return record(self.f, numbers, self.shape, masked=masked or self.masked, blind=blind, **self._how)

    def changed(self, path: Path) -> bool:
        """Whether the function gives something else now than when a path of it was recorded."""
        if path.turned and self.healer:
            return self.healer.changed(path.tape.example)
        return _difference(path.tape, self.traced(path.tape.example)) is not None

    @property
    def _how(self) -> dict[str, Any]:
        return {"loops": self.loops, "lookups": self.lookups, "merging": self.merging, "mapped": self.mapped}

    def lines(self, path: Path) -> dict[int, str]:
        """The user's lines of the slots of a path, traced again with the numbers with which it was; none if it differs.

        That of joined branches does: no run of the function makes it.
        """
        lines: dict[int, str] = {}
        program = recorded(self.f, path.tape.example, self.shape, masked=self.masked, lines=lines, **self._how)[0]
        return lines if program.code == path.tape.program.code else {}

    def others(self, path: Path, failed: int | None, tried: Sequence[Path]) -> list[Path]:
        """The known paths that agree with `path` before guard `failed` (from 0) and differ there.

        All if `failed` is None, and if `path` has been replaced meanwhile: it knows no later ones. Those of other loops have
        other guards.
        """
        others: Sequence[Path] = self.known
        if failed is not None and path in self.known:
            others = [*path.forks.get(failed, ()), *(p for p in self.known if p.turns != path.turns)]
        return [other for other in others if other not in tried and other in self.known]

    def standing(self, path: Path, tried: Sequence[Path]) -> Path:
        """The path, or one that has taken its place if it was dropped."""
        if path.parent is not None or path in self.known:
            return path
        return next((other for other in self.known if other not in tried), path)

    def following(
        self, path: Path, status: int | None, tried: Sequence[Path], new: Callable[[], Path | None]
    ) -> Path | None:
        """The path to try where `path` does not serve; None if the function itself is to run. Nothing else decides that.

        `status` is the number (from 1) of the guard that came out otherwise, -1 for doubt, None for a loop that is unserved;
        `tried` holds the paths that failed, this one among them; `new` finds a path where none is known, or refuses.
        """
        if status is not None and status < 0:
            return path.careful
        if path.parent is not None:
            # It tests more and has no others beside it; its loops met the steps of one trace only.
            return path if status is None and adopt(path.tape, path.parent.tape)[0] else None
        failed = None if status is None else status - 1
        others = self.others(path, failed, tried)
        if not others:
            with (
                self._lock
            ):  # another thread may have added that path since, which `new` would take for one that failed
                others = self.others(path, failed, tried)
                if not others:
                    return new()
        return others[0]

    def new(self, numbers: Sequence[float]) -> Path | None:
        """The path that these numbers take, traced now; None if they are to be run eagerly.

        That is when there are too many paths, or when the path is known and its loops learn nothing: compiled functions
        differ from Python's in the last digit, and a comparison may hang on that.
        """
        with self._lock:
            if (healed := self._heal(numbers)) is not None:
                return healed
            if self.full and "full" in self.said:
                return None
            if self.full:
                lines = [path.guards[-1].location for path in self.known if path.guards]
                self._warn(
                    "full",
                    f"{name_of(self.f)} has taken {self.limit} different paths, most of them at the branch in "
                    f"{max(set(lines), key=lines.count) if lines else '?'}: further ones run eagerly, which is slow. Raise "
                    "max_paths, or write the branch with where(condition, a, b).",
                    RuntimeWarning,
                )
                return None
            path = self._of_turns(numbers) or Path(self.traced(numbers), self.cache)
            known = self.like(path)
            if known is not None:
                learnt, lacking = adopt(known.tape, path.tape, name_of(self.f))
                if lacking and not learnt:
                    raise Uncaptured(
                        f"a step of a scan in {name_of(self.f)} uses a number from outside that its loop is not given."
                    )
                return known if learnt else None
            self.add(path)
            self._warn_of_order(path)
            return path

    def _warn_of_order(self, path: Path) -> None:
        """Say once that an index, `int`, `sorted` or its like makes a path of every number, or of every order of numbers.

        At the third such path.
        """
        parting = max(path.forks, default=None)
        if parting is None:
            return
        place, _, called = path.guards[parting].location.partition(" in ")
        if not called:
            return
        self._orders[place] += 1
        if self._orders[place] != 2:
            return
        name, anew = name_of(self.f), "becomes a path of its own, to be traced and compiled."
        data = "al.take(table, index), for which an index is data"
        subject = "index" if f" in {called}" == INDEX else called if called.removesuffix("()") in COUNTING else "order"
        if subject == "index":
            text = f"a traced number of {name} is an index in {place}: every index {anew} Write {data}."
        elif subject == called:
            text = (
                f"{called} in {place} asks for a traced number of {name}: every whole number {anew} As an index, write "
                f"{data}; as a number of turns, al.while_loop(condition, step, init); to round, al.trunc or al.floor."
            )
        else:
            selecting = "al.max and al.min" if called in ("max()", "min()") else "al.max, al.min, al.maximum and where"
            text = (
                f"{called} in {place} compares traced numbers of {name}: every order of them {anew} {selecting} select "
                "without a branch; or put the numbers in order outside."
            )
        self._warn(subject, text, PathWarning)

    def _warn(self, subject: str, text: str, category: type[Warning]) -> None:
        if subject not in self.said:
            self.said.add(subject)
            warnings.warn(text, category, stacklevel=1 + library_frames())

    def add(self, path: Path) -> None:
        for other in self.known:
            fork = path.fork(other)
            if fork is not None:
                path.forks.setdefault(fork, []).append(other)
                other.forks.setdefault(fork, []).append(path)
        self.known = [*self.known, path]

    def like(self, path: Path) -> Path | None:
        """The known path on which all guards come out as on this one."""
        alike = (other for other in self.known if other.turns == path.turns)
        return next((other for other in alike if other.outcomes == path.outcomes), None)

    @property
    def full(self) -> bool:
        return len(self.known) >= self.limit

    def eager(self, numbers: Sequence[float]) -> Any:
        arguments, keywords = self.shape.pack(numbers)
        try:
            return self.f(*arguments, **keywords)
        except (
            IndexError
        ) as error:  # `table[i]` takes a float where it is traced: an integer among the arguments is one
            if isinstance(error, AutogradLiteError):
                raise
            tape = self.traced(numbers)
            return tape.output_shape.pack(python.replay(tape, [*numbers, *tape.captured]))


def _difference(tape: Tape, again: Tape) -> str | None:
    if len(tape.code) != len(again.code) or len(tape.guards) != len(again.guards):
        return f"{len(tape.code)} instructions and {len(tape.guards)} guards, then {len(again.code)} and {len(again.guards)}"
    for position, ((one, own), (other, its)) in enumerate(zip(tape.code, again.code, strict=True)):
        # A function that makes a primitive of its own makes it anew in each trace.
        alike = (
            one == other or (type(one) is type(other) is Primitive and one.same_as(other)) or _repeat_alike(one, other)
        )
        if own != its or not alike:
            kind = " of another definition" if one.name == other.name and own == its else ""
            return f"instruction {position} was {one.name}{own}, then {other.name}{its}{kind}"
    for one_constant, other_constant in zip(tape.constants, again.constants, strict=False):
        if repr(one_constant) != repr(other_constant):
            return f"a constant was {one_constant!r}, then {other_constant!r}"
    if tape.outputs != again.outputs or repr(tape.output_shape) != repr(again.output_shape):
        return "the outputs differ"
    return None


def _repeat_alike(one: Any, other: Any) -> bool:
    """Whether two operations are loops whose steps agree, as far as these took the same paths, or solutions alike."""
    if hasattr(one, "solved"):
        return one.same_as(other)  # type: ignore[no-any-return]
    if type(one) is not type(other) or not hasattr(one, "loop"):
        return False
    pairs = [(path, one.loop.steps.paths.like(path)) for path in other.loop.steps.paths.known]
    return not any(known is not None and _difference(known.tape, path.tape) for path, known in pairs)


def adopt(
    tape: Tape, other: Tape, function: str = "", names: Sequence[Any] = (), other_names: Sequence[Any] = ()
) -> tuple[bool, bool]:
    """Let the loops of a tape serve the steps that those of another tape of that path serve.

    Returns whether there was anything to learn, and whether there was more that uses numbers which the loop is not given.
    A tape that computes something else is refused if `function`, the name of what was traced, is given: then both have the
    results that were asked for. `names` are of the captured Variables, alike in both tapes; by default the Variables.
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
    """The steps of each loop and the names of its captured numbers, by its number; and the names of the outputs.

    A name stands for an expression of the inputs: equal expressions have one name, in whichever tape they are.
    """

    def name(*expression: Any) -> int:
        return known.setdefault(expression, len(known))

    def applied(primitive: Primitive, arguments: list[int]) -> int:
        loop = getattr(primitive, "loop", None)
        if loop is not None:
            first: int = primitive.carry  # type: ignore[attr-defined] # a loop or its gradient
            last = first + len(loop.captured)  # those of a loop of tangents begin with those of the loop
            loops[loop.number] = loop.steps, arguments[first:last]
            return name(primitive.name, loop.number, *arguments[:first], *arguments[last:])
        if (own := getattr(primitive, "in_columns", None)) is not None:  # lanes capture what the paths of today use
            del arguments[own:]
        return name(primitive.name, *(sorted(arguments) if primitive in COMMUTATIVE else arguments))

    loops: dict[int, tuple[Any, list[int]]] = {}
    inputs = [*(name("input", k) for k in range(tape.arguments)), *(name("captured", v) for v in captured)]
    names = tape.program.evaluated(applied, lambda constant: name("constant", repr(constant)), inputs)
    return loops, [names[s] for s in tape.outputs]
