"""When no path leads from `y` to `x`: what became of it.

A number that left the graph by `.value` leaves no edge. It is found again by its value: a constant or a leaf under `y`
that is the very number of `x`, of a function of `x`, or of a node that was computed from `x` and still lives. Inside
`record_locations` a Variable remembers the line that last read it, which settles the matter.
"""

import gc
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from autograd_lite.primitives import PRIMITIVES
from autograd_lite.see.report import Names, Why, number
from autograd_lite.see.ways import Ways
from autograd_lite.variable import Variable

#: What to do where no line is known.
RECORD = "Run the program inside `with al.record_locations():` to see lines."

#: How many lines of evidence of one kind are given.
LINES = 6

#: How a number is often changed between being read and being used.
_ARITHMETIC: dict[str, Callable[[float], float]] = {
    "{}": lambda v: v,
    "-{}": lambda v: -v,
    "2*{}": lambda v: 2.0 * v,
    "{}/2": lambda v: v / 2.0,
    "{}**2": lambda v: v * v,
    "1/{}": lambda v: 1.0 / v if v else math.nan,
    "1-{}": lambda v: 1.0 - v,
    "1+{}": lambda v: 1.0 + v,
}


@dataclass(frozen=True)
class Match:
    """A number under `y` that came from `source`."""

    source: Variable
    form: str  # "{}" if it is the value itself, "sin({})" if it is its sine
    place: Variable  # the node that uses the constant, or the leaf that holds it
    number: float

    @property
    def is_leaf(self) -> bool:
        """Whether a leaf holds the number."""
        return not self.place.arguments

    @property
    def read(self) -> str | None:
        """The line that last read the source."""
        read: str | None = self.source.about.read
        return read

    @property
    def telling(self) -> bool:
        """Whether the number is evidence: 0, 1, 2, π and √2 turn up by themselves, unless the source was read."""
        if self.form == "{}":
            return _is_telling(self.number) or self.read is not None
        return _is_telling(self.number) and (_is_telling(self.source.value) or self.read is not None)

    @property
    def rank(self) -> tuple[bool, bool, bool, bool]:
        """The better the smaller."""
        elsewhere = self.place.location is None or self.read != self.place.location
        return (self.read is None, elsewhere, self.form != "{}", not self.telling)


def matches(x: Variable, order: list[Variable]) -> list[Match]:
    """Return what under `y` (its nodes in `order`) may be the number of `x` or of what was computed from it, best first.

    Time: that of one look at every node there is, alive in this process.
    """
    numbers = _numbers(order, x)
    below = set(order)
    found: list[Match] = []
    for source in (x, *_computed_from(x)):
        if source in below:
            continue
        value = source.value
        forms = _forms(value) if source is x else [("{}", value)]
        for form, candidate in forms:
            for place in numbers.get(candidate, ()):
                match = Match(source, form, place, candidate)
                if match.telling:
                    found.append(match)
    best: dict[tuple[Variable, float], Match] = {}  # of several explanations of a number the best
    for match in sorted(found, key=lambda match: match.rank):
        best.setdefault((match.place, match.number), match)
    return list(best.values())


def _is_telling(number: float) -> bool:
    """Whether a number is no small multiple of a quarter, which programs are full of."""
    return math.isfinite(number) and (not (number * 4.0).is_integer() or abs(number) > 100.0)


def _numbers(order: list[Variable], x: Variable) -> dict[float, list[Variable]]:
    """Where each constant and each leaf value is used."""
    numbers: dict[float, list[Variable]] = {}
    for node in order:
        if not node.arguments:
            if node.number > x.number:  # an older leaf cannot have its number from x
                numbers.setdefault(node.value, []).append(node)
        elif node.number > x.number:
            for argument in node.arguments:
                if not isinstance(argument, Variable):
                    numbers.setdefault(argument, []).append(node)
    return numbers


def _computed_from(x: Variable) -> list[Variable]:
    """The nodes of this process that depend on `x`. Nodes do not know their users, the garbage collector does."""
    newer = [thing for thing in gc.get_objects() if type(thing) is Variable and thing.number > x.number]
    newer.sort(key=lambda node: node.number)
    below: dict[Variable, None] = {x: None}
    for node in newer:
        if any(parent in below for parent in node.parents):
            below[node] = None
    return list(below)[1:]


def _forms(value: float) -> Iterator[tuple[str, float]]:
    """The number and usual functions of it: enough to recognise `math.sin(x.value)` or `al.sin(x).value`."""
    for form, change in _ARITHMETIC.items():
        yield form, change(value)
    for name, primitive in PRIMITIVES.items():
        if primitive.built_in and primitive.arity == 1 and name not in ("neg", "positive", "hold", "square", "inv"):
            try:
                yield f"{name}({{}})", primitive.value(value)
            except (ArithmeticError, ValueError):
                continue


def describe(match: Match, names: Names) -> str:
    """Say in a clause where the number stands."""
    source = match.form.format(names[match.source])
    where = f"in the leaf {names[match.place]}" if match.is_leaf else f"as a constant in {names.call(match.place)}"
    at = f" at {match.place.location}" if match.place.location else ""
    return f"the number of {source}, {number(match.number)}, stands {where}{at}"


def namesakes(x: Variable, order: list[Variable]) -> list[Variable]:
    """Leaves under `y` that bear the name of `x`, which is not among them."""
    return [node for node in order if x.name is not None and node.name == x.name and not node.arguments]


def is_stopped(match: Match) -> bool:
    """Whether a leaf was made by `stop_gradient`, which keeps the name and does not read `.value`."""
    if not match.is_leaf or match.form != "{}" or match.read is not None or match.place.name != match.source.name:
        return False
    return match.source.name is not None or match.place.location is not None


def missing(ways: Ways, x: Variable) -> Why:
    """Say why no path leads from `y` to `x`: its number went another way, or none."""
    names, order = ways.names, ways.order
    head = f"{names[ways.y]} does not depend on {names[x]}: no path leads from one to the other"
    found = matches(x, order)
    if found:
        best = found[0]
        evidence = [describe(match, names) for match in found[1:LINES]]
        if is_stopped(best):
            sentence = f"{head}; {describe(best, names)}, which stop_gradient made."
            return Why("stopped", sentence, tuple(evidence), (best.place, best.source), best.place.location)
        read = f"{names[best.source]}.value was read at {best.read}: " if best.read else ""
        cure = (
            f"Use {best.form.format(names[best.source])} itself where its number stands, or an al function for math's."
        )
        lines = () if best.place.location else (RECORD,)
        sentence = f"{head}; {read}{describe(best, names)}."
        location = best.read or best.place.location
        return Why("captured constant", sentence, (*evidence, cure, *lines), (best.place, best.source), location)
    evidence = []
    if x.number > ways.y.number:
        evidence.append(f"{names[x]} was made after {names[ways.y]}, which therefore cannot depend on it.")
    evidence += [
        f"{names[ways.y]} uses another Variable of that name, {names[other]} = {number(other.value)}: set .value to update "
        "a Variable instead of making a new one."
        for other in namesakes(x, order)[:LINES]
    ]
    if x.parents:
        evidence.append(f"{names[x]} was computed from other nodes; {names[ways.y]} may use those, but not this one.")
    if x.about.read:
        evidence.append(
            f"{names[x]}.value was last read at {x.about.read}: what was made of that number has no derivative."
        )
    evidence.append(
        "What a Python `if`, int(x) or x.value made of the number leaves no edge (al.where(al.less(x, c), a, b) does)."
    )
    if ways.y.location is None:
        evidence.append(RECORD)
    return Why("no path", f"{head}.", tuple(evidence), (x, ways.y), x.location)
