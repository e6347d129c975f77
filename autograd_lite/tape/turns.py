"""Loops of Python whose paths are turns of one loop, run as `while_loop`.

A run goes from one comparison to the next (`healing`), and Python's state at a comparison says how it goes on (`states`).
Where a run comes back to a state in which it was, what it did in between is a turn of a loop: from equal states it goes on
alike, whatever the number of turns. So the known ways, with equal states as one, are a graph with circles, and a function
that walks through this graph, with a `while_loop` for each circle, is the function itself.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from autograd_lite.errors import BranchError
from autograd_lite.nests import unravel
from autograd_lite.primitives import COMPARISONS
from autograd_lite.tape import recording
from autograd_lite.tape.healing import END, START, Healer, Numbers, Outcome, Stretch, Ways, followed
from autograd_lite.tape.scan import while_loop
from autograd_lite.tape.states import Opaque
from autograd_lite.tape.tape import Tape, record
from autograd_lite.tape.trace import is_fixed
from autograd_lite.transforms import name_of

_NOTHING = Numbers([], [], [])

#: Numbers from outside by their references; see `healing.Stretch`.
_Outside = Mapping[Any, Any]

#: Loops, some in others, beyond which those that end in several places are left to paths: their turns have many ways.
MANY = 4


class _Loop(NamedTuple):
    """The states of a loop, and the outcome at the first one that goes on; None if that alone does not decide.

    Its turns hand on those numbers from `outside` that are used again after them: so a sweep adds the adjoints of such a
    number from the last use to the first, as it does without a loop.
    """

    states: set[int]
    going: bool | None
    outside: tuple[Any, ...]  # ("i", input) and ("x", captured)


class Turns:
    """The known ways of a function, with equal states as one."""

    def __init__(self, ways: Ways, *, freely: bool) -> None:
        self.result, self.captured, self.known, self.compared = ways.result, ways.captured, ways.known, ways.compared
        self.counted = ways.counted
        self.loops = dict(self._loops({*self.known}))
        nested = [loop for s, loop in self.loops.items() for t in self.loops if s != t and t in loop.states]
        if (
            nested
            and (not freely or len(self.loops) > MANY)
            and any(loop.going is None for loop in self.loops.values())
        ):
            raise Opaque("loops in loops end in several places")

    def _reached(self, state: int, among: set[int]) -> set[int]:
        """The states that can follow a state, among some."""
        reached: set[int] = set()
        waiting = [state]
        while waiting:
            new = ({stretch.to for stretch in self.known[waiting.pop()].values()} & among) - reached
            reached |= new
            waiting += new
        return reached

    def _loops(self, among: set[int]) -> Iterator[tuple[int, _Loop]]:
        """The loops by the states to which they come back in every turn; inner ones too."""
        reached = {state: self._reached(state, among) for state in among}
        inside: set[int] = set()
        for state in self.known:  # in the order in which they were met
            if state not in among or state not in reached[state] or state in inside:
                continue
            own = {other for other in reached[state] if state in reached[other]}
            leaving = [(s, outcome) for s in own for outcome, way in self.known[s].items() if way.to not in own]
            inside |= own
            single = [s for s, _ in leaving] == [state] and type(leaving[0][1]) is bool
            inner = dict(self._loops(own - {state}))
            again = {key for loop in inner.values() for key in loop.outside} | self._again(own, leaving, single=single)
            yield state, _Loop(own, not leaving[0][1] if single else None, tuple(sorted(again)))
            yield from inner.items()

    def _again(self, own: set[int], leaving: list[tuple[int, Outcome]], *, single: bool) -> set[Any]:
        """What the turns of a loop read from outside, and what runs after them too.

        That may be the loop again, in another one. A loop that ends in several places runs the last part of a turn then.
        """
        ways = [self.known[state][outcome] for state, outcome in leaving]
        after = {way.to for way in ways} & self.known.keys()
        after |= {state for start in after for state in self._reached(start, {*self.known})}
        read = self._read(way for state in own for way in self.known[state].values())
        behind = self._read([*ways, *(way for state in after for way in self.known[state].values())])
        return read & behind if single else read

    @staticmethod
    def _read(ways: Iterable[Stretch]) -> set[Any]:
        """What some stretches read from outside."""
        found: set[Any] = set()
        for way in ways:
            references = [*way.singles, *way.sides, *(r for _, own in way.steps for r in own)]
            references += [r for block in way.blocks if type(block) is tuple for r in block]
            found |= {reference for reference in references if reference[0] in "ix"}
        return found

    def __str__(self) -> str:
        return "; ".join(f"{self.compared[state][1]}: turns of one loop, any number of them" for state in self.loops)

    def outputs(self, inputs: Sequence[Any]) -> list[Any]:
        """What the function gives, as Variables or numbers."""
        outside = {("i", k): number for k, number in enumerate(inputs)}
        outside |= {("x", k): number for k, number in self.captured.items()}
        found: list[Any] = self._walked(*self._after(START, True, _NOTHING, outside), outside)[1].singles
        return found

    def _walked(self, state: int, numbers: Any, outside: _Outside, turn: tuple[int, set[int]] | None = None) -> Any:
        """The end and its numbers; of a `turn` of a loop the state from which it starts again, or the first one outside.

        And the numbers from outside: a loop hands on those that it uses.
        """
        stop, among = turn or (END, self.known)
        while state != stop and state in among:
            loop = self.loops.get(state)
            if loop is not None:
                numbers, outside = self._turned(state, loop, numbers, outside)
            outcome = self._decided(state, numbers) if loop is None or loop.going is None else not loop.going
            state, numbers = self._after(state, outcome, numbers, outside)
        return state, numbers, outside

    def _decided(self, state: int, numbers: Any) -> Outcome:
        relation, location = self.compared[state]
        notes = recording.current()
        first, counted = len(notes.guards) if notes else 0, self.counted[state]
        outcome: Outcome = bool(COMPARISONS[relation](*numbers.sides))
        if counted:
            left = numbers.singles[len(numbers.singles) - counted :]
            outcome = (outcome, *(2 if count >= 2.0 else 1 if count >= 1.0 else 0 for count in left))
        if notes:
            notes.guards[first:] = [(*guard[:-1], location) for guard in notes.guards[first:]]
        return outcome

    def _turned(self, state: int, loop: _Loop, numbers: Any, outside: _Outside) -> Any:
        """The numbers with which a loop comes to its state for the last time, and those from outside."""
        sizes = [len(block) for block in numbers.blocks]
        ahead: list[Any] = []  # what is carried after a turn, where its end shows only then whether there is one

        def packed(flat: list[Any]) -> tuple[Any, _Outside]:
            start = len(loop.outside)
            given = {**outside, **dict(zip(loop.outside, flat[:start], strict=True))}
            pieces = []
            for size in (len(numbers.singles), *sizes):
                pieces.append(flat[start : start + size])
                start += size
            return Numbers(pieces[0], pieces[1:], flat[start:]), given

        def flat(numbers: Any, given: _Outside) -> list[Any]:
            blocks = [n for block in numbers.blocks for n in block]
            return [*(given[key] for key in loop.outside), *numbers.singles, *blocks, *numbers.sides]

        def turned(numbers: Any, given: _Outside, outcome: Outcome) -> tuple[int, list[Any]]:
            to, *found = self._walked(*self._after(state, outcome, numbers, given), given, (state, loop.states))
            return to, flat(*found) if to == state else []

        def condition(carry: list[Any]) -> Any:
            numbers, given = packed(carry)
            if loop.going is None:
                to, found = turned(numbers, given, self._decided(state, numbers))
                ahead[:] = [found]
                return to == state
            going = COMPARISONS[self.compared[state][0]](*numbers.sides)
            return going if loop.going else going == 0.0

        def step(carry: list[Any]) -> list[Any]:
            return ahead.pop() if loop.going is None else turned(*packed(carry), loop.going)[1]

        return packed(while_loop(condition, step, flat(numbers, outside)))

    def _after(self, state: int, outcome: Outcome, numbers: Any, outside: _Outside) -> tuple[int, Any]:
        """The next state and its numbers, if the comparison at a state comes out so."""
        stretch = self.known[state].get(outcome)
        if stretch is None:
            raise Opaque("a side is not known")

        def found(kind: str, which: Any) -> Any:
            return float.fromhex(which) if kind == "c" else outside[kind, which]

        return stretch.to, followed(stretch, numbers, found, lambda operation, _, own: operation(*own))


def _turned(
    healer: Healer, numbers: Sequence[float], known: Sequence[Tape], how: dict[str, Any]
) -> tuple[Tape, str, Any] | None:
    """A tape in which loops have any number of turns, what it has as text, and which loops that are.

    None if there is no such loop in the `known` tapes.
    """
    found: list[Turns] = []

    def walked(*arguments: Any, **keywords: Any) -> Any:
        inputs, _ = unravel((arguments, keywords), "an argument", is_fixed)
        return found[-1].result.pack(found[-1].outputs(inputs))

    walked.__name__ = name_of(healer.inner)
    # Where ways are known, these may do; where a side is not known, the new numbers are looked at.
    for learning in (False, True) if healer.turns else (True,):
        try:
            if learning:
                examples = [] if healer.turns else [tape.example for tape in known]
                healer.turns = healer.turns or Ways(again=True, counting=healer.freely)
                for own in (numbers, *examples):
                    healer.observed(own, healer.turns)
            assert healer.turns is not None
            found.append(Turns(healer.turns, freely=healer.freely))
            if not found[-1].loops:
                continue
            tape = record(healer.dressed(walked), numbers, healer.shape, **how)
        except (BranchError, Opaque, RecursionError):
            continue
        like = known[0]
        tape = replace(tape, name=like.name, parameters=like.parameters, ordered=like.ordered)
        return tape, str(found[-1]), {state: loop[1:] for state, loop in found[-1].loops.items()}
    return None


Healer.turned = _turned
