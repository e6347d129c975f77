"""Branches healed where they part: the known ways through a function, joined into one program in which branches are data.

A run goes from one comparison to the next. What it does between two of them follows from the state in which the first was
decided (`states`) and from its outcome, so runs that come to equal states go on alike whatever they did before. The known
stretches make up a graph of states. Where both outcomes of a comparison are known, the numbers of the two sides are selected
by `where` at the state in which they meet again; where one is known, the comparison stays a guard.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Any

from autograd_lite import core, primitives
from autograd_lite.errors import BranchError
from autograd_lite.nests import Shape, unravel
from autograd_lite.primitives import COMPARISONS, Primitive
from autograd_lite.tape.program import Builder, Guard, Program
from autograd_lite.tape.rolled import SMALLEST, rolled
from autograd_lite.tape.states import Opaque, State, States, Tokens
from autograd_lite.tape.tape import Tape, record
from autograd_lite.tape.trace import is_fixed, recorded
from autograd_lite.transforms import name_of, recipe_of, transformed
from autograd_lite.variable import Variable

#: States looked at beyond this multiple of those that are known: sides that share states before they meet are done twice.
AGAIN = 3
#: Sides one in the other beyond which a function is not joined; operations alike one behind the other that are joined as one.
DEEPEST, ALIKE = 60, 40

START, END = 0, 1
_LINEAR = {primitives.add: (1, 1), primitives.sub: (1, -1), primitives.neg: (-1,)}


@dataclass(frozen=True)
class Stretch:
    """What a run does from one state to the next.

    A reference says where a number is: ("i", input), ("x", captured), ("c", constant), ("l", single one of the state before),
    ("b", block, place in it), or ("n", step). `blocks` holds a number where a block of the state before is passed on.
    """

    to: int
    steps: tuple[tuple[Primitive, tuple[Any, ...]], ...]
    singles: tuple[Any, ...]
    blocks: tuple[Any, ...]
    sides: tuple[Any, ...]


@dataclass(eq=False)
class Ways:
    """The known stretches from each state, by the outcome of its comparison."""

    tokens: Tokens = field(default_factory=Tokens)
    known: dict[int, dict[bool, Stretch]] = field(default_factory=lambda: {START: {}})
    compared: dict[int, tuple[str, str]] = field(default_factory=dict)  # relation and location
    captured: dict[int, Variable] = field(default_factory=dict)
    result: Any = None
    numbers: dict[Any, int] = field(default_factory=lambda: {None: START, "end": END})

    def number(self, state: Any) -> int:
        return self.numbers.setdefault(state, len(self.numbers))

    def learn(self, run: "Run") -> bool:
        """Add the stretches of a run; whether any was new. Opaque if one is known that does something else."""
        if run.why:
            raise Opaque(run.why)
        if self.result is not None and (self.result != run.result or repr(self.result) != repr(run.result)):
            raise Opaque("the structure of the result changes")
        self.result = run.result
        learnt = False
        for state, outcome, stretch in run.stretches:
            own = self.known.setdefault(state, {})
            if outcome not in own:
                own[outcome], learnt = stretch, True
            elif own[outcome] != stretch:
                raise Opaque("it goes on in different ways from the same state")
        self.compared |= run.compared
        self.captured |= run.captured
        return learnt


class Run:
    """Watches a function while it is traced; see `Recording.history`."""

    def __init__(self, ways: Ways) -> None:
        self.ways, self.why = ways, ""
        self.stretches: list[tuple[int, bool, Stretch]] = []
        self.compared: dict[int, tuple[str, str]] = {}
        self.captured: dict[int, Variable] = {}
        self.result: Shape | None = None
        self._times: Counter[Any] = Counter()

    def begin(self, oldest: int, inputs: Sequence[Variable]) -> None:
        self.oldest, self.newest = oldest, inputs[-1]._number if inputs else oldest
        self._states = States(self.ways.tokens, oldest, self.newest)
        self._at, self._outcome, self._mark = START, True, self.newest
        self._state = State((), (), ())
        self._single: dict[int, int] = {}

    def refuse(self, why: str) -> None:
        self.why = self.why or why

    def note(self, guard: tuple[str, Any, Any, bool, str], frame: FrameType) -> None:
        """Note the state in which a comparison is decided."""
        if self.why:
            return
        relation, left, right, outcome, location = guard
        try:
            state = self._states.at(frame, (left, right))
            key = relation, state.told
            self._times[key] += 1
            number = self.ways.number((*key, self._times[key]))
            self._go(number, state, (left, right))
        except Opaque as opaque:
            self.refuse(f"{opaque} ({location})")
        else:
            self.compared[number] = relation, location
            self._outcome = outcome

    def end(self, outputs: Sequence[Any], shape: Shape) -> None:
        """Note what the run gives."""
        self.result = shape
        if self.why:
            return
        try:
            self._go(END, State((), tuple(outputs), ()), ())
        except Opaque as opaque:
            self.refuse(str(opaque))

    def _go(self, number: int, state: State, sides: tuple[Any, ...]) -> None:
        steps: list[Any] = []
        done: dict[int, Any] = {}
        singles = tuple([self._entered(node, steps, done) for node in state.singles])
        blocks = tuple([self._block(block, steps, done) for block in state.blocks])
        entered = tuple([self._entered(side, steps, done) for side in sides])
        self.stretches.append((self._at, self._outcome, Stretch(number, tuple(steps), singles, blocks, entered)))
        self._at, self._state, self._mark = number, state, next(core.numbers)
        self._single = {node._number: k for k, node in enumerate(state.singles) if type(node) is Variable}

    def _block(self, block: Any, steps: list[Any], done: dict[int, Any]) -> Any:
        for k, before in enumerate(self._state.blocks):
            if before is block:
                return k
        return tuple([self._entered(node, steps, done) for node in block.nodes])

    def _known(self, number: Any) -> Any:
        """Where a number is that this stretch need not compute; None if it must."""
        if type(number) is not Variable:
            return "c", float(number).hex()
        n = number._number
        if n <= self.oldest:
            self.captured[n] = number
            return "x", n
        if n <= self.newest:
            return "i", n - self.oldest - 1
        if n in self._single:
            return "l", self._single[n]
        for k, block in enumerate(self._state.blocks):
            if n in block.place:
                return "b", k, block.place[n]
        if number._about is not None:
            raise Opaque("a Variable has more than its value")
        if not number._arguments:
            return "c", float(number._value).hex()
        if n < self._mark:
            raise Opaque("it uses a Variable that its state does not show")
        return None

    def _entered(self, number: Any, steps: list[Any], done: dict[int, Any]) -> Any:
        """A reference to a number, after the steps that compute it."""
        stack = [number]
        while stack:
            top = stack[-1]
            if type(top) is Variable and top._number in done:
                stack.pop()
                continue
            found = self._known(top)
            if found is None:
                waiting = [a for a in top._arguments if type(a) is Variable and a._number not in done]
                if waiting:
                    stack += waiting
                    continue
                operation = top._primitive
                if type(operation) is not Primitive or not operation.built_in:
                    raise Opaque("it uses an operation that is not built in")
                own = tuple([done[a._number] if type(a) is Variable else self._known(a) for a in top._arguments])
                found = "n", len(steps)
                steps.append((operation, own))
            stack.pop()
            if type(top) is not Variable:
                return found
            done[top._number] = found
        return done[number._number]


@dataclass(frozen=True)
class Numbers:
    """The slots of what a state holds."""

    singles: list[int]
    blocks: list[list[int]]
    sides: list[int]


class Joined:
    """The program of all known ways."""

    def __init__(self, ways: Ways, inputs: int) -> None:
        self.ways, self.captured = ways, [*ways.captured]
        self.builder = Builder(inputs + len(self.captured))
        self._outside = {n: inputs + k for k, n in enumerate(self.captured)}
        self.guards: list[Guard] = []
        self._looked = 0
        #: By location, how many places have one known side, and two.
        self.places: dict[str, Counter[int]] = defaultdict(Counter)
        self._meet = _meeting(ways)
        start = self._gone(ways.known[START][True], Numbers([], [], []))
        numbers = self._walk(ways.known[START][True].to, start, END, ())
        self.program: Program = self.builder.finished(numbers.singles, self.guards)

    def __str__(self) -> str:
        return "; ".join(
            f"{location}: {counts.total():,} place{'s' * (counts.total() != 1)}, both sides known of {counts[2]:,}"
            for location, counts in self.places.items()
        )

    def _walk(self, state: int, numbers: Numbers, stop: int, sides: tuple[tuple[int, bool], ...]) -> Numbers:
        """The numbers at the state `stop`, by all ways there from `state`; `sides` tells on which sides this is."""
        if len(sides) > DEEPEST:
            raise Opaque("its branches lie too deep in one another")
        while state != stop:
            self._looked += 1
            if self._looked > AGAIN * len(self.ways.known):
                raise Opaque("its branches cross")
            known = self.ways.known[state]
            relation, location = self.ways.compared[state]
            self.places[location][len(known)] += 1
            if len(known) == 1:
                [(outcome, stretch)] = known.items()
                self._guard(relation, numbers.sides, outcome, location, sides)
                numbers, state = self._gone(stretch, numbers), stretch.to
                continue
            mark, meet = len(self.builder.code), self._meet[state]
            condition = self.builder.instruction(COMPARISONS[relation], tuple(numbers.sides))
            yes, no = (
                self._walk(stretch.to, self._gone(stretch, numbers), meet, (*sides, (condition, outcome)))
                for outcome, stretch in sorted(known.items(), reverse=True)
            )
            numbers, state = _Selection(self.builder, condition, mark).numbers(yes, no), meet
        return numbers

    def _gone(self, stretch: Stretch, numbers: Numbers) -> Numbers:
        builder = self.builder
        steps: list[int] = []

        def slot(reference: Any) -> int:
            kind, which = reference[:2]
            if kind == "c":
                return builder.constant(float.fromhex(which))
            if kind == "i":
                return int(which)
            places: dict[str, Any] = {"n": steps, "l": numbers.singles, "b": numbers.blocks, "x": self._outside}
            held = places[kind][which]
            return int(held[reference[2]] if kind == "b" else held)

        for operation, arguments in stretch.steps:
            steps.append(builder.instruction(operation, tuple(map(slot, arguments))))
        blocks = [numbers.blocks[b] if type(b) is int else list(map(slot, b)) for b in stretch.blocks]
        return Numbers(list(map(slot, stretch.singles)), blocks, list(map(slot, stretch.sides)))

    def _guard(
        self, relation: str, pair: list[int], outcome: bool, location: str, sides: tuple[tuple[int, bool], ...]
    ) -> None:
        """A comparison of which one side is known must come out so; on a side of another, where that side is taken."""
        builder = self.builder
        left, right = pair
        if builder.is_constant(left) and builder.is_constant(right):
            return
        if not sides:
            self.guards.append(Guard(relation, left, right, outcome, 0, location))
            return
        right_one = builder.constant(float(outcome))
        slot = builder.instruction(COMPARISONS[relation], (left, right))
        for condition, side in sides[::-1]:
            yes, no = (slot, right_one) if side else (right_one, slot)
            slot = builder.instruction(primitives.where, (condition, yes, no))
        if not builder.is_constant(slot):
            self.guards.append(Guard("eq", slot, right_one, True, 0, location))


class _Selection:
    """Selects between the numbers of two sides, computed after the first `mark` instructions, by a condition.

    What the two have in common is not selected: terms of sums, and operations on other numbers.
    """

    def __init__(self, builder: Builder, condition: int, mark: int) -> None:
        self.builder, self.condition = builder, condition
        self._first = mark
        self._known: dict[tuple[int, int], int] = {}

    def numbers(self, yes: Numbers, no: Numbers) -> Numbers:
        blocks = [a if a is b else self._all(a, b) for a, b in zip(yes.blocks, no.blocks, strict=True)]
        return Numbers(self._all(yes.singles, no.singles), blocks, self._all(yes.sides, no.sides))

    def _all(self, yes: list[int], no: list[int]) -> list[int]:
        return [self._of(a, b, ALIKE) for a, b in zip(yes, no, strict=True)]

    def _code(self, slot: int) -> tuple[Any, tuple[int, ...]]:
        """The instruction at a slot, if it is on one of the sides."""
        place = self.builder.place_of(slot)
        return self.builder.code[place] if place is not None and place >= self._first else (None, ())

    def _of(self, yes: int, no: int, depth: int) -> int:
        if yes == no:
            return yes
        found = self._known.get((yes, no))
        if found is None:
            found = self._known[yes, no] = self._selected(yes, no, depth)
        return found

    def _selected(self, yes: int, no: int, depth: int) -> int:
        mine, its = self._terms(yes), self._terms(no)
        common = Counter(mine) & Counter(its)
        common = Counter({term: n for term, n in common.items() if not self.builder.is_constant(term[1])})
        if common:
            rest = [self._sum([*(Counter(terms) - common).elements()]) for terms in (mine, its)]
            own = self._where(*rest)
            return self.builder.instruction(primitives.add, (self._sum([*common.elements()]), own))
        (operation, arguments), (other, others) = self._code(yes), self._code(no)
        alike = operation is not None and operation is other and operation not in _LINEAR
        if alike and depth and any(a == b for a, b in zip(arguments, others, strict=True)):
            joined = tuple([self._of(a, b, depth - 1) for a, b in zip(arguments, others, strict=True)])
            return self.builder.instruction(operation, joined)
        return self._where(yes, no)

    def _where(self, yes: int, no: int) -> int:
        return self.builder.instruction(primitives.where, (self.condition, yes, no))

    def _terms(self, slot: int) -> list[tuple[int, int]]:
        """The terms of a sum, each with its sign, as far as it is computed on the sides."""
        terms: list[tuple[int, int]] = []
        waiting = [(1, slot)]
        while waiting:
            sign, top = waiting.pop()
            operation, arguments = self._code(top)
            if operation in _LINEAR:
                waiting += [(sign * s, a) for s, a in zip(_LINEAR[operation], arguments, strict=True)][::-1]
            else:
                terms.append((sign, top))
        return terms

    def _sum(self, terms: list[tuple[int, int]]) -> int:
        builder = self.builder
        total = None
        for sign, slot in sorted(terms, key=lambda term: -term[0]):
            if total is None:
                total = slot if sign > 0 else builder.instruction(primitives.neg, (slot,))
            else:
                total = builder.instruction(primitives.add if sign > 0 else primitives.sub, (total, slot))
        return builder.constant(-0.0) if total is None else total


def _meeting(ways: Ways) -> dict[int, int]:
    """For each state that next one through which all known ways from it go: its immediate post-dominator."""
    order = _last_first(ways)
    place = {state: k for k, state in enumerate(order)}
    meet = {END: END}
    for state in order:
        if state == END:
            continue
        ends = [stretch.to for stretch in ways.known[state].values()]
        one = ends[0]
        for other in ends[1:]:
            a, b = one, other
            while a != b:
                a, b = (meet[a], b) if place[a] > place[b] else (a, meet[b])
            one = a
        meet[state] = one
    return meet


def _last_first(ways: Ways) -> list[int]:
    """All states, each after those that can follow it."""
    order: list[int] = []
    marks: dict[int, bool] = {END: True}
    order.append(END)
    stack = [START]
    while stack:
        state = stack[-1]
        if marks.get(state):
            stack.pop()
            continue
        following = [s.to for s in ways.known[state].values() if not marks.get(s.to)]
        if state in marks and following:
            raise Opaque("it comes back to states where it was")
        marks[state] = False
        if following:
            stack += following
            continue
        marks[state] = True
        order.append(state)
        stack.pop()
    return order


class Healer:
    """Joins the ways of one function for arguments of one structure, as long as they can be joined."""

    def __init__(self, f: Callable[..., Any], shape: Shape, **options: Any) -> None:
        self.f, self.shape, self.options = f, shape, options
        self.ways = Ways()
        self.why = ""  # it does not heal
        self._joined = True  # all that is known is in the last tape
        self._recipes = []
        self.inner = f
        while (recipe := recipe_of(self.inner)) is not None:
            self._recipes.append(recipe)
            self.inner = recipe[1]
            if recipe[3].get("unconnected", "zero") != "zero":
                self.why = "what is not connected depends on the branch"

    def tape(self, numbers: Sequence[float], like: Tape) -> tuple[Tape, str] | None:
        """A tape of all known ways and that of these numbers, with what it heals; None if there is nothing new, or if `why`.

        Its names are those of the tape `like`, of one way.
        """
        if self.why:
            return None
        try:
            arguments, keywords = self._inner_arguments(numbers)
            own, shape = unravel((arguments, keywords), "an argument", is_fixed)
            own = [getattr(n, "_value", n) for n in own]
            run = Run(self.ways)
            recorded(self.inner, own, shape, history=run)
            if not self.ways.learn(run) and self._joined:
                return None
            self._joined = False
            inner, healed = self._inner_tape(own, shape)
            tape = record(self._dressed(inner), numbers, self.shape, **self.options)
        except BranchError:  # sums of another order decide otherwise at these numbers
            return None
        except (Opaque, RecursionError) as opaque:
            self.why, self.ways = str(opaque), Ways()
            return None
        if len(tape) < SMALLEST or rolled(tape.program) is None:
            self.why, self.ways = "its ways together are no loop", Ways()
            return None
        self._joined = True
        return replace(tape, name=like.name, parameters=like.parameters, ordered=like.ordered), healed

    def _inner_tape(self, own: Sequence[Any], shape: Shape) -> tuple[Tape, str]:
        found = Joined(self.ways, len(own))
        tape = Tape(
            name=name_of(self.inner),
            parameters=(),
            input_shape=shape,
            captured=tuple(self.ways.captured[n] for n in found.captured),
            program=found.program,
            output_shape=self.ways.result,
            example=tuple(own),
        )
        return tape, str(found)

    def _inner_arguments(self, numbers: Sequence[float]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments that the transforms give to the function inside."""
        arguments, keywords = self.shape.pack(list(numbers))
        if not self._recipes:
            return arguments, keywords

        def shown(*given: Any, **named: Any) -> Any:
            raise _Shown(given, named)

        try:
            self._dressed(shown)(*arguments, **keywords)
        except _Shown as found:
            return found.arguments, found.keywords
        raise Opaque("it does not call the function inside")

    def _dressed(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        for label, _, argnums, options in self._recipes[::-1]:
            inner = transformed(label, inner, argnums, options)
        return inner


class _Shown(BaseException):
    """The arguments of a function, which is not run."""

    def __init__(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        self.arguments, self.keywords = arguments, keywords
