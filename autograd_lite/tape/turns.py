"""Loops of Python whose paths are turns of one loop, run as `while_loop`.

A run goes from one comparison to the next (`healing`), and Python's state at a comparison says how it goes on (`states`).
Where a run comes back to a state in which it was, what it did in between is a turn of a loop: from equal states it goes on
alike, whatever the number of turns. So the known ways, with equal states as one, are a graph with circles, and a function
that walks through this graph, with a `while_loop` for each circle, is the function itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from autograd_lite.errors import BranchError
from autograd_lite.nests import unravel
from autograd_lite.primitives import COMPARISONS
from autograd_lite.tape import recording
from autograd_lite.tape.healing import END, START, Healer, Numbers, Outcome, Ways, followed
from autograd_lite.tape.scan import while_loop
from autograd_lite.tape.states import Opaque
from autograd_lite.tape.tape import Tape, record
from autograd_lite.tape.trace import is_fixed
from autograd_lite.transforms import name_of

_NOTHING = Numbers([], [], [])

#: Loops, some in others, beyond which those that end in several places are left to paths: their turns have many ways.
MANY = 4


class _Loop(NamedTuple):
    """The states of a loop, and the outcome at the first one that goes on; None if that alone does not decide."""

    states: set[int]
    going: bool | None


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
            yield state, _Loop(own, not leaving[0][1] if single else None)
            yield from self._loops(own - {state})

    def __str__(self) -> str:
        return "; ".join(f"{self.compared[state][1]}: turns of one loop, any number of them" for state in self.loops)

    def outputs(self, inputs: Sequence[Any]) -> list[Any]:
        """What the function gives, as Variables or numbers."""
        found: list[Any] = self._walked(*self._after(START, True, _NOTHING, inputs), inputs)[1].singles
        return found

    def _walked(self, state: int, numbers: Any, inputs: Sequence[Any], turn: tuple[int, set[int]] | None = None) -> Any:
        """The end and its numbers; of a `turn` of a loop the state from which it starts again, or the first one outside."""
        stop, among = turn or (END, self.known)
        while state != stop and state in among:
            loop = self.loops.get(state)
            if loop is not None:
                numbers = self._turned(state, loop, numbers, inputs)
            outcome = self._decided(state, numbers) if loop is None or loop.going is None else not loop.going
            state, numbers = self._after(state, outcome, numbers, inputs)
        return state, numbers

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

    def _turned(self, state: int, loop: _Loop, numbers: Any, inputs: Sequence[Any]) -> Any:
        """The numbers with which a loop comes to its state for the last time."""
        sizes = [len(block) for block in numbers.blocks]
        ahead: list[Any] = []  # the numbers after a turn, where its end shows only then whether there is one

        def packed(flat: list[Any]) -> Any:
            singles, count = len(numbers.singles), len(numbers.singles) + sum(sizes)
            blocks, start = [], singles
            for size in sizes:
                blocks.append(flat[start : start + size])
                start += size
            return Numbers(flat[:singles], blocks, flat[count:])

        def flat(numbers: Any) -> list[Any]:
            return [*numbers.singles, *(n for block in numbers.blocks for n in block), *numbers.sides]

        def turned(numbers: Any, outcome: Outcome) -> tuple[int, Any]:
            after = self._after(state, outcome, numbers, inputs)
            return self._walked(*after, inputs, (state, loop.states))  # type: ignore[no-any-return]

        def condition(carry: list[Any]) -> Any:
            if loop.going is None:
                to, found = turned(packed(carry), self._decided(state, packed(carry)))
                ahead[:] = [found] if to == state else []
                return to == state
            going = COMPARISONS[self.compared[state][0]](*packed(carry).sides)
            return going if loop.going else going == 0.0

        def step(carry: list[Any]) -> list[Any]:
            return flat(ahead.pop() if loop.going is None else turned(packed(carry), loop.going)[1])

        return packed(while_loop(condition, step, flat(numbers)))

    def _after(self, state: int, outcome: Outcome, numbers: Any, inputs: Sequence[Any]) -> tuple[int, Any]:
        """The next state and its numbers, if the comparison at a state comes out so."""
        stretch = self.known[state].get(outcome)
        if stretch is None:
            raise Opaque("a side is not known")

        def outside(kind: str, which: Any) -> Any:
            return float.fromhex(which) if kind == "c" else (inputs if kind == "i" else self.captured)[which]

        return stretch.to, followed(stretch, numbers, outside, lambda operation, _, own: operation(*own))


def _turned(
    healer: Healer, numbers: Sequence[float], known: Sequence[Tape], how: dict[str, Any]
) -> tuple[Tape, str] | None:
    """A tape in which loops have any number of turns, and what it has; None if there is no such loop in the `known` ones."""
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
        return replace(tape, name=like.name, parameters=like.parameters, ordered=like.ordered), str(found[-1])
    return None


Healer.turned = _turned
