"""Branches healed where they part: the known ways through a function, joined into one program in which branches are data.

A run goes from one comparison to the next. What it does between two of them follows from the state in which the first was
decided (`states`) and from its outcome, so runs that come to equal states go on alike whatever they did before. The known
stretches make up a graph of states. Where both outcomes of a comparison are known, the numbers of the two sides are selected
by `where` at the state in which they meet again; where one is known, the comparison stays a guard.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
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
#: Sides one in the other beyond which a function is not joined.
DEEPEST = 60
#: Pairs of equal instructions on two sides beyond which these are not joined: what they have in common takes long to find.
PAIRS = 10_000

START, END = 0, 1

#: How a comparison came out; in loops that count their turns also how many are left in each: none, one, or 2 for more.
Outcome = bool | tuple[Any, ...]


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
    """The known stretches from each state, by the outcome of its comparison.

    A run that comes back to a state is in another one, or `again` in the same. If `counting`, ranges are counters: see
    `State`.
    """

    again: bool = False
    counting: bool = False
    tokens: Tokens = field(default_factory=Tokens)
    known: dict[int, dict[Outcome, Stretch]] = field(default_factory=lambda: {START: {}})
    compared: dict[int, tuple[str, str]] = field(default_factory=dict)  # relation and location
    captured: dict[int, Variable] = field(default_factory=dict)
    counted: dict[int, int] = field(default_factory=dict)  # how many of its last singles are turns that are left
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
        self.counted |= run.counted
        return learnt


class Run:
    """Watches a function while it is traced; see `Recording.history`."""

    def __init__(self, ways: Ways) -> None:
        self.ways, self.why = ways, ""
        self.stretches: list[tuple[int, Outcome, Stretch]] = []
        self.compared: dict[int, tuple[str, str]] = {}
        self.captured: dict[int, Variable] = {}
        self.counted: dict[int, int] = {}
        self.result: Shape | None = None
        self._times: Counter[Any] = Counter()

    def begin(self, oldest: int, inputs: Sequence[Variable]) -> None:
        self.oldest, self.newest = oldest, inputs[-1]._number if inputs else oldest
        self._states = States(self.ways.tokens, oldest, self.newest, counting=self.ways.counting)
        self._at, self._mark = START, self.newest
        self._outcome: Outcome = True
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
            number = self.ways.number(key if self.ways.again else (*key, self._times[key]))
            self._go(number, state, (left, right))
        except Opaque as opaque:
            self.refuse(f"{opaque} ({location})")
        else:
            self.compared[number] = relation, location
            counts = [min(count, 2) for _, count in state.counters]
            self._outcome = (outcome, *counts) if counts else outcome
            self.counted[number] = len(counts)

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
        new = [block for block in state.blocks if not any(block is before for before in self._state.blocks)]
        computed = self._computed([*state.singles, *(node for block in new for node in block.nodes), *sides])
        places = {node._number: ("n", k) for k, node in enumerate(computed)}

        def found(number: Any) -> Any:
            return (
                places.get(number._number) or self._known(number) if type(number) is Variable else self._known(number)
            )

        steps = tuple([(node._primitive, tuple(map(found, node._arguments))) for node in computed])
        steps, counts = self._counted(state, steps)
        blocks: list[Any] = []
        for block in state.blocks:
            before = [k for k, own in enumerate(self._state.blocks) if own is block]
            blocks.append(before[0] if before else tuple(map(found, block.nodes)))
        singles, entered = (*map(found, state.singles), *counts), tuple(map(found, sides))
        self.stretches.append((self._at, self._outcome, Stretch(number, steps, singles, tuple(blocks), entered)))
        self._at, self._state, self._mark = number, state, next(core.numbers)
        self._single = {node._number: k for k, node in enumerate(state.singles) if type(node) is Variable}

    def _counted(self, state: State, steps: tuple[Any, ...]) -> tuple[tuple[Any, ...], list[Any]]:
        """The steps with those that count turns, and where the numbers of turns that are left are then.

        What a run does hangs on whether there are none, one or more, as long as it makes no two turns at a time.
        """
        before, counts = self._state, list[Any]()
        for counter, count in before.counters:
            if count >= 2 and count - counter.__length_hint__() > 1:
                raise Opaque("a loop makes several turns between two comparisons")
        for counter, count in state.counters:
            known = [(k, n) for k, (other, n) in enumerate(before.counters, len(before.singles)) if other is counter]
            if not known:
                counts.append(("c", float(count).hex()))
                continue
            [(place, old)] = known
            counts.append(("l", place))
            if old != count:
                counts[-1] = "n", len(steps)
                steps = *steps, (primitives.sub, (("l", place), ("c", float(old - count).hex())))
        return steps, counts

    def _computed(self, numbers: list[Any]) -> list[Any]:
        """The nodes of this stretch on which numbers depend, in the order in which they were made."""
        found: dict[int, Any] = {}
        while numbers:
            node = numbers.pop()
            if type(node) is not Variable or node._number in found or self._known(node) is not None:
                continue
            if type(node._primitive) is not Primitive or not node._primitive.built_in:
                raise Opaque("it uses an operation that is not built in")
            found[node._number] = node
            numbers += node._arguments
        return [found[number] for number in sorted(found)]

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


@dataclass(frozen=True)
class Numbers:
    """The slots of what a state holds."""

    singles: list[int]
    blocks: list[list[int]]
    sides: list[int]

    def moved(self, slot: Callable[[int], int]) -> "Numbers":
        """The same elsewhere; a block of which nothing moves stays the same object."""
        blocks = [b if (now := [*map(slot, b)]) == b else now for b in self.blocks]
        return Numbers([*map(slot, self.singles)], blocks, [*map(slot, self.sides)])


def followed(
    stretch: Stretch, numbers: Numbers, outside: Callable[[str, Any], Any], apply: Callable[..., Any]
) -> Numbers:
    """The numbers at the end of a stretch, in whatever `apply(operation, references, numbers)` makes of its steps.

    `outside` gives inputs, captured Variables and constants.
    """
    steps: list[Any] = []

    def number(reference: Any) -> Any:
        kind, which = reference[:2]
        if kind in "cix":
            return outside(kind, which)
        if kind == "b":
            return numbers.blocks[which][reference[2]]
        return steps[which] if kind == "n" else numbers.singles[which]

    for operation, arguments in stretch.steps:
        steps.append(apply(operation, arguments, list(map(number, arguments))))
    blocks = [numbers.blocks[b] if type(b) is int else list(map(number, b)) for b in stretch.blocks]
    return Numbers(list(map(number, stretch.singles)), blocks, list(map(number, stretch.sides)))


class Joined:
    """The program of all known ways."""

    def __init__(self, ways: Ways, inputs: int) -> None:
        self.ways, self.captured = ways, [*ways.captured]
        # Without merging: a sweep adds up the adjoints of a number in the order of its uses in the function.
        self.builder = Builder(inputs + len(self.captured), merging=False)
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
                self._guard(relation, numbers.sides, outcome is True, location, sides)  # without counters
                numbers, state = self._gone(stretch, numbers), stretch.to
                continue
            meet = self._meet[state]
            condition = self.builder.instruction(COMPARISONS[relation], tuple(numbers.sides))
            first, guards = len(self.builder.code), len(self.guards)
            yes = self._walk(known[True].to, self._gone(known[True], numbers), meet, (*sides, (condition, True)))
            middle = len(self.builder.code)
            no = self._walk(known[False].to, self._gone(known[False], numbers), meet, (*sides, (condition, False)))
            yes, no = self._aligned(first, middle, guards, (yes, no))
            numbers, state = _Selection(self.builder, condition, first).numbers(yes, no), meet
        return numbers

    def _aligned(self, first: int, middle: int, guards: int, sides: tuple[Numbers, Numbers]) -> Iterator[Numbers]:
        """Let two sides, whose instructions stand from `first` and `middle` on, have instructions in common.

        Both keep their order, so that sweeps add up the adjoints of a number in the order of the side that is taken.
        """
        builder = self.builder
        code, known, ids = builder.code.taken(first), dict[Any, int](), list[int]()

        def place(slot: int) -> int:
            found = builder.place_of(slot)
            return -1 if found is None else found - first

        for operation, arguments in code:
            key = operation, tuple([("side", ids[k]) if (k := place(a)) >= 0 else a for a in arguments])
            ids.append(known.setdefault(key, len(known)))
        count = middle - first
        its = Counter(ids[count:])
        if sum(its[n] for n in ids[:count]) > PAIRS:
            raise Opaque("its branches cross, in long sides")
        order, moved, begun = list[int](), dict[int, int](), (0, 0)
        for a, b, size in SequenceMatcher(None, ids[:count], ids[count:], autojunk=False).get_matching_blocks():
            order += [*range(begun[0], a), *range(count + begun[1], count + b), *range(a, a + size)]
            moved |= {count + b + k: a + k for k in range(size)}
            begun = a + size, b + size
        now = {old: new for new, old in enumerate(order)}
        now |= {old: now[other] for old, other in moved.items()}

        def slot(old: int) -> int:
            return old if (k := place(old)) < 0 else old - k + now[k]

        for old in order:
            builder.append(code[old][0], tuple(map(slot, code[old][1])))
        own = self.guards[guards:]
        self.guards[guards:] = [replace(guard, left=slot(guard.left), right=slot(guard.right)) for guard in own]
        return (side.moved(slot) for side in sides)

    def _gone(self, stretch: Stretch, numbers: Numbers) -> Numbers:
        return followed(stretch, numbers, self._outside_slot, self._done)

    def _outside_slot(self, kind: str, which: Any) -> int:
        if kind == "c":
            return self.builder.constant(float.fromhex(which))
        return int(which) if kind == "i" else self._outside[which]

    def _done(self, operation: Primitive, arguments: tuple[Any, ...], slots: list[int]) -> int:
        """An instruction; a number that a sum only passes on is copied, so that its adjoint is added where the sum stands."""
        builder = self.builder
        if operation in (primitives.add, primitives.sub):
            pairs = zip(slots, arguments, strict=True)
            slots = [a if kind in "cn" else builder.append(primitives.positive, (a,)) for a, (kind, *_) in pairs]
        folds = all(map(builder.is_constant, slots))
        return (builder.instruction if folds else builder.append)(operation, tuple(slots))

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

    The number to which both add terms is not selected. Terms are added in the order of their side, so no bit depends on it.
    """

    def __init__(self, builder: Builder, condition: int, mark: int) -> None:
        self.builder, self.condition = builder, condition
        self._first = mark
        self._known: dict[tuple[int, int], int] = {}

    def numbers(self, yes: Numbers, no: Numbers) -> Numbers:
        blocks = [a if a is b else self._all(a, b) for a, b in zip(yes.blocks, no.blocks, strict=True)]
        return Numbers(self._all(yes.singles, no.singles), blocks, self._all(yes.sides, no.sides))

    def _all(self, yes: list[int], no: list[int]) -> list[int]:
        return [self._of(a, b) for a, b in zip(yes, no, strict=True)]

    def _code(self, slot: int) -> tuple[Any, tuple[int, ...]]:
        """The instruction at a slot, if it is on one of the sides."""
        place = self.builder.place_of(slot)
        return self.builder.code[place] if place is not None and place >= self._first else (None, ())

    def _of(self, yes: int, no: int) -> int:
        if yes == no:
            return yes
        found = self._known.get((yes, no))
        if found is None:
            found = self._known[yes, no] = self._selected(yes, no)
        return found

    def _selected(self, yes: int, no: int) -> int:
        total = self._added(yes, no)
        return self._where(yes, no) if total is None else total

    def _where(self, yes: int, no: int) -> int:
        return self.builder.instruction(primitives.where, (self.condition, yes, no))

    def _added(self, yes: int, no: int) -> int | None:
        """The sum of two sides that add to the same number, term by term in their order; where one has fewer, -0.0."""
        builder = self.builder
        mine, its = self._sums(yes), self._sums(no)
        common = [slot for slot in mine if slot in its and not builder.is_constant(slot)]
        if not common:
            return None
        total = max(common, key=lambda slot: mine[slot].count + its[slot].count)
        ways = mine[total].terms(), its[total].terms()
        alike = next((k for k, (a, b) in enumerate(zip(*ways, strict=False)) if a != b), min(map(len, ways)))
        longer = max(map(len, ways))
        nothing = 1, builder.constant(-0.0)  # which changes no sum
        padded = [(*w[:alike], *[nothing] * (longer - len(w)), *w[alike:]) for w in ways]
        for terms in zip(*padded, strict=True):
            signs = {sign for sign, _ in terms}
            own = [t if len(signs) == 1 or sign > 0 else builder.instruction(primitives.neg, (t,)) for sign, t in terms]
            operation = primitives.sub if signs == {-1} else primitives.add
            total = builder.instruction(operation, (total, own[0] if own[0] == own[1] else self._where(*own)))
        return total

    def _sums(self, slot: int) -> "dict[int, _Terms]":
        """The numbers to which a side adds terms, and then has `slot`, each with these terms."""
        found: dict[int, _Terms] = {}
        waiting = [(slot, _Terms(0))]
        while waiting:
            top, terms = waiting.pop()
            if top in found:
                continue
            found[top] = terms
            operation, arguments = self._code(top)
            if operation in (primitives.add, primitives.sub):
                left, right = arguments
                sign = 1 if operation is primitives.add else -1
                if sign > 0:
                    waiting.append((self._copied(right), _Terms(terms.count + 1, (1, left), terms)))
                waiting.append((self._copied(left), _Terms(terms.count + 1, (sign, right), terms)))
        return found

    def _copied(self, slot: int) -> int:
        operation, arguments = self._code(slot)
        return arguments[0] if operation is primitives.positive else slot


@dataclass(frozen=True)
class _Terms:
    """Terms of a sum with their signs, the first one and the others."""

    count: int
    first: tuple[int, int] = (0, 0)
    rest: "_Terms | None" = None

    def terms(self) -> list[tuple[int, int]]:
        found, link = [], self
        while link.rest is not None:
            found.append(link.first)
            link = link.rest
        return found


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

    #: As `tape`, of ways that are turns of loops: see `turns`.
    turned: Callable[..., tuple[Tape, str, Any] | None]

    def __init__(self, f: Callable[..., Any], shape: Shape, *, freely: bool = False, **options: Any) -> None:
        self.f, self.shape, self.freely, self.options = f, shape, freely, options
        self.ways = Ways()
        self.turns: Ways | None = None  # looked at for loops
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
            learnt, own, shape = self.observed(numbers, self.ways)
            if not learnt and self._joined:
                return None
            self._joined = False
            inner, healed = self._inner_tape(own, shape)
            tape = record(self.dressed(inner), numbers, self.shape, **self.options)
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

    def observed(self, numbers: Sequence[float], ways: Ways) -> tuple[bool, list[Any], Shape]:
        """Run the function inside for the ways that it goes: whether any was new, and its arguments."""
        own, shape = unravel(self._inner_arguments(numbers), "an argument", is_fixed)
        own = [getattr(n, "_value", n) for n in own]
        run = Run(ways)
        recorded(self.inner, own, shape, history=run)
        return ways.learn(run), own, shape

    def changed(self, numbers: Sequence[float]) -> bool:
        """Whether the function, run with numbers that it was looked at with for turns, goes other ways than it did."""
        try:
            return self.turns is not None and self.observed(numbers, self.turns)[0]
        except Opaque:
            return True

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
            self.dressed(shown)(*arguments, **keywords)
        except _Shown as found:
            return found.arguments, found.keywords
        raise Opaque("it does not call the function inside")

    def dressed(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        for label, _, argnums, options in self._recipes[::-1]:
            inner = transformed(label, inner, argnums, options)
        return inner


class _Shown(BaseException):
    """The arguments of a function, which is not run."""

    def __init__(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        self.arguments, self.keywords = arguments, keywords
