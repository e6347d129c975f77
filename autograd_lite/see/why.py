"""The reason why a gradient is zero, tiny, huge or missing.

If no path leads from `y` to `x`, a constant or leaf under `y` may be a number that `.value` took out of `x`, out of a
function of `x`, or out of a living node above `x`. Inside `record_locations` a Variable knows the line that last read it.
"""

import gc
import math
import sys
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any, NamedTuple

from autograd_lite.context import unnoticed
from autograd_lite.errors import ArgumentError
from autograd_lite.primitives import PRIMITIVES, hold, mul, relu, share, where
from autograd_lite.see.blame import blame
from autograd_lite.see.graph import Edge, Names, Path, Ways
from autograd_lite.see.labels import Report, check_variable, counted, number, operation, signed, values_of
from autograd_lite.variable import Variable, reachable

LINES = 6  # of evidence of one kind that are given
CANCELLED = 1e-3  # a gradient smaller by this than the sum of the sizes of its terms is what a cancellation left
FAR = 3.0  # beyond this size of the argument a derivative 0 is the far end of a curve and not its top or bottom
EPS = 2.0**-52

#: When several paths are blocked for different reasons, the one that is named first.
PRECEDENCE = (
    "dead relu", "saturated", "untaken branch", "flat", "zero factor", "stationary", "kink", "hand-made", "stopped",
)  # fmt: skip

assert isinstance(share.flat, tuple)
#: The clause about a unit of softmax that has rounded to 1.
ROUNDED: str = share.flat[1]

Finding = tuple[str, str]  # the cause, and a clause that says it

#: What to do where no line is known.
RECORD = "Run the program inside `with al.record_locations():` to see lines."


@dataclass(frozen=True, repr=False, eq=False)
class Why(Report):
    """The answer of `why`, which lists the possible values of `cause`.

    Attributes
    ----------
    gradient : float or None
        dy/dx; None if no path leads from y to x.
    paths : int
        The number of paths.
    """

    gradient: float | None = None
    paths: int = 0


def why(y: Variable, x: Variable, *, tiny: float = 1e-6, huge: float = 1e6) -> Why:
    """Say why the derivative of `y` with respect to `x` is zero, tiny, huge or missing.

    Parameters
    ----------
    y : Variable
        The output.
    x : Variable
        The node with respect to which the gradient is taken; any node.
    tiny, huge : float, default 1e-6 and 1e6
        A gradient smaller than `tiny` or larger than `huge` asks for an explanation.

    Returns
    -------
    Why
        Prints itself: a sentence, then the evidence. `cause` is one of "no path", "captured constant" (the number left
        the graph by `.value`), "stopped", "dead relu", "saturated" (sigmoid, tanh, erf, a unit of softmax, clip outside its
        range, exp that underflows), "untaken branch", "flat" (step, floor, round, sign, a condition), "zero factor",
        "stationary" (a top or bottom), "kink", "hand-made", "cancellation", "vanishing", "exploding", "not finite" (see
        `blame`), "none". `nodes` and `location` say where.

    Notes
    -----
    Time grows linearly with the graph; if there is no path, with the number of objects in the process. Lines are known for
    code that ran inside `record_locations`. A branch that a Python `if` did not take is not in the graph, so `why` cannot
    see it. Of several reasons the answer names the one nearest to `y`; the others stand in the evidence.

    Examples
    --------
    >>> import autograd_lite as al
    >>> x = al.Variable(-2.7, name="x")
    >>> al.why(al.relu(x) * 2.0, x)
    ∂n2/∂x = 0: n1 = relu(x) got -2.7 ≤ 0: it is dead here.
    >>> z = al.Variable(2.0, name="z")
    >>> with al.record_locations():
    ...     y = z * al.exp(x).value
    >>> al.why(y, x).cause
    'captured constant'
    """
    check_variable("why", y, x)
    if not 0.0 <= tiny < huge:
        raise ArgumentError(f"tiny={tiny!r}, huge={huge!r}: give two sizes, 0 ≤ tiny < huge.")
    with unnoticed():
        ways = Ways(y, x)
        gradient = ways.adjoints.get(ways.end, 0.0) if ways.connected else None
        if gradient is None:
            reason = _missing(ways)
        elif not math.isfinite(gradient):
            found = blame(y)
            reason = replace(found, cause="not finite", sentence=f"; al.blame says: {found.sentence}")
        elif gradient == 0.0:
            reason = _zero(ways)
        elif y is not x and abs(gradient) < tiny:
            reason = _tiny(ways, gradient)
        elif y is not x and abs(gradient) > huge:
            reason = _huge(ways, gradient)
        else:
            evidence = [f"It lies between {tiny:g} and {huge:g} in size and comes over {counted(ways.number, 'path')}."]
            if x.grad is None:
                never = f"because {ways.names[y]}.backward() has not been called."
                evidence.append(f"{ways.names[x]}.grad is None {never}")
            reason = Report("none", ": nothing stands out.", tuple(evidence))
        head = "" if gradient is None else f"∂{ways.names[y]}/∂{ways.names[x]} = {number(gradient + 0.0)}"
        sentence = head + reason.sentence
        return Why(reason.cause, sentence, reason.evidence, reason.nodes, reason.location, gradient, ways.number)


# Each of the following gives a report whose sentence is what follows `∂y/∂x = …`.


def _zero(ways: Ways) -> Report:
    if ways.largest[ways.start][0] == 0:  # a path without a factor 0
        if ways.sizes.get(ways.end, 0.0) == 0.0:
            return _chain("vanishing", ways.top(1)[0], ways.names, tail=", which underflows to 0")
        return _cancellation(ways)
    reached, front = {ways.start}, []  # the edges with derivative 0 that are met first on the ways from `y`
    for i in ways.between:
        if i in reached:
            for edge in ways.edges[i]:
                if edge.factor == 0.0:
                    front.append(edge)
                else:
                    reached.add(edge.j)
    known = {(edge.i, edge.place) for edge in front[:1000]}
    findings = [(*zero(edge, ways.names), edge) for edge in front[:1000]]
    findings.sort(key=lambda finding: PRECEDENCE.index(finding[0]) if finding[0] in PRECEDENCE else -1)
    cause, clause, _ = findings[0]
    alike = Counter(operation(edge.user) for other, _, edge in findings if other == cause)
    kinds = ", ".join(f"{n} {name}" for name, n in alike.items())
    several = f"every path is blocked, by {kinds}; " if len(findings) > 1 and sum(alike.values()) > 1 else ""
    back = (  # the edges with derivative 0 that are met first from `x`
        edge
        for edge in chain.from_iterable(ways.edges)
        if edge.factor == 0.0 and ways.largest[edge.j][0] == 0 and (edge.i, edge.place) not in known
    )
    beside = [other for _, other, _ in findings[1:LINES] if other != clause]
    behind = [f"behind that: {zero(edge, ways.names)[1]}" for edge in islice(back, 3)]
    evidence = list(dict.fromkeys(beside + behind))
    if len(front) > LINES:
        evidence.append(f"… {len(front) - LINES:,} more edges with derivative 0")
    nodes = {edge.i: edge.user for *_, edge in findings}
    return Report(cause, f": {several}{clause}.", tuple(evidence), tuple(nodes.values()))


def _cancellation(ways: Ways) -> Report:
    """The newest node whose contributions over the paths to `y` cancel."""
    adjoints, sizes, names = ways.adjoints, ways.sizes, ways.names
    at = next(
        i
        for i in (*ways.between, ways.end)
        if ways.largest[i][0] == 0 and abs(adjoints.get(i, 1.0)) <= CANCELLED * sizes.get(i, 0.0) and sizes[i] > 0.0
    )
    here, left = ways.nodes[at], adjoints[at]
    above = Ways(ways.y, here)
    paths = [path for path in above.top(LINES) if path.logarithm > -math.inf]
    several = len(paths) if len(paths) < LINES else above.number  # those with a factor 0 come last
    evidence = [f"{path.amount()} along {path.written(names)}" for path in paths]
    if several > len(paths):
        evidence.append(f"… {counted(several - len(paths), 'more path')}")
    if here.primitive is not None and here.primitive.name in ("exp", "exp2", "expm1"):
        last = (path.edges[-1] for path in paths if path.edges)
        quotient = next((edge for edge in last if operation(edge.user) == "/" and edge.place == 0), None)
        if quotient is not None:  # e / (e + …)
            clause = f": {_said(ROUNDED, quotient, names)}."
            return Report("saturated", clause, tuple(evidence), (quotient.user, here))
    rounding = abs(left) <= 8.0 * EPS * len(ways.nodes) * sizes[at]
    how = "exactly" if left == 0.0 else "to rounding" if rounding else f"but for {number(left)}"
    amounts = " and ".join(path.amount() for path in paths[:2]) + " …" * (several > 2)
    clause = f": the contributions of {counted(several, 'path')} to {names.at(here)} cancel {how}, {amounts}."
    return Report("cancellation", clause, tuple(evidence), (here, *(path.edges[-1].user for path in paths)))


def _tiny(ways: Ways, gradient: float) -> Report:
    if abs(gradient) <= CANCELLED * ways.sizes[ways.end]:
        return _cancellation(ways)
    path, names = ways.top(1)[0], ways.names
    shrinking = [edge for edge in path.edges if edge.size[1] < 0.0]
    least = min(path.edges, key=lambda edge: edge.size)
    saturated = least.user.primitive is not None and least.user.primitive.saturates
    if not saturated or 2.0 * least.size[1] > sum(edge.size[1] for edge in shrinking):
        return _chain("vanishing", path, names)
    what = f"{names.at(least.user)} is saturated: at {number(least.argument.value)} its slope is {number(least.local)}"
    if least.user.primitive is share:
        what = _said(ROUNDED, least, names)
    return Report("saturated", f": {what}.", (f"{path.amount()} along {path.written(names)}",), (least.user,))


def _huge(ways: Ways, gradient: float) -> Report:
    path = ways.top(1)[0]
    found = _chain("exploding", path, ways.names)
    if ways.number < 10 and abs(path.product) * ways.number > abs(gradient) / 2.0:
        return found
    several = f"{counted(ways.number, 'path')} add up; the largest brings {path.amount()}"
    return replace(found, sentence=f": {several}.")


def _chain(cause: str, path: Path, names: Names, tail: str = "") -> Report:
    """The product along a path, and the factor of each of its nodes, the most important factors first."""
    shrinks = cause == "vanishing"
    logarithms: dict[str, list[float]] = defaultdict(list)
    for edge in path.edges:
        if edge.size[1] != 0.0 and (edge.size[1] < 0.0) == shrinks:
            logarithms[operation(edge.user)].append(edge.size[1])
    groups = sorted(logarithms.items(), key=lambda group: -abs(sum(group[1])))
    factors = ", ".join(
        f"{len(logs)} × {name} ({number(math.exp(sum(logs) / len(logs)))}{' each on average' if len(logs) > 1 else ''})"
        for name, logs in groups[:4]
    )
    clause = (
        f": the product of {counted(len(path.edges), 'local gradient')} along the largest path "
        f"{'shrinks' if shrinks else 'grows'} to {path.amount()}{tail}: {factors}."
    )
    edges = sorted(path.edges, key=lambda edge: edge.size[1] if shrinks else -edge.size[1])
    evidence = [f"{signed(edge.local)} by {names.at(edge.user)}" for edge in edges[:LINES]]
    if len(edges) > len(evidence):
        evidence.append(f"… {len(edges) - len(evidence):,} more factors")
    return Report(cause, clause, tuple(evidence), tuple(edge.user for edge in edges[:LINES]))


def zero(edge: Edge, names: Names) -> Finding:
    """Say why the local gradient of an edge is 0: by the situation, or by the entry of the operation."""
    what, primitive, place = names.at(edge.user), edge.user.primitive, edge.place
    if primitive is None:
        return "hand-made", f"{what} was given the local gradient 0 by hand"
    values = values_of(edge.user)
    if primitive is where:
        return _where(edge, values, what)
    if primitive is mul:
        other = edge.user.arguments[1 - place]
        named, dead = (names[other], other.primitive is relu) if isinstance(other, Variable) else ("a factor", False)
        return "zero factor", f"in {what}, {named} is 0{' (a dead relu)' * dead}: that is the derivative"
    finding = primitive.flat(place, *values) if callable(primitive.flat) else primitive.flat
    if finding:
        return finding[0], _said(finding[1], edge, names)
    x = values[place]
    if primitive.saturates and abs(x) > FAR:
        return "saturated", f"{what} is saturated: at {number(x)} its slope is below the smallest float"
    if not callable(primitive.partials[place]):
        return "flat", f"the rule of {operation(edge.user)} says that {what} does not depend on argument {place}"
    return "stationary", f"{what} is flat at this very point: its derivative at {number(x)} is 0"


def _said(clause: str, edge: Edge, names: Names) -> str:
    """A clause of the table of primitives, with names and numbers filled in."""
    node, values, other = edge.user, values_of(edge.user), None
    if len(values) == 2:
        other = node.arguments[1 - edge.place]
        other = f"{names[other]} = {number(other.value)}" if isinstance(other, Variable) else number(other)
    numbers = map(number, values)
    return clause.format(*numbers, node=names.at(node), y=number(node.value), x=number(values[edge.place]), other=other)


def _where(edge: Edge, values: Sequence[float], what: str) -> Finding:
    condition = edge.user.arguments[0]
    if isinstance(condition, Variable) and condition.primitive is hold:  # only `norm` is made like that
        return "kink", f"{what} is a norm at the origin, where its gradient counts as 0"
    if edge.place == 0:
        return "flat", f"{what} depends on it only through the condition, a choice that has derivative 0"
    branch = "first" if values[0] != 0.0 else "second"
    return "untaken branch", f"{what} took the {branch} branch, since its condition is {number(values[0])}"


class Match(NamedTuple):
    """A number under `y` that came from `source`."""

    source: Variable
    form: str  # "{}" if it is the value itself, "sin({})" if it is its sine
    place: Variable  # the node that uses the constant, or the leaf that holds it
    number: float

    @property
    def read(self) -> str | None:
        return self.source.about.read

    @property
    def is_stopped(self) -> bool:
        """Whether `stop_gradient` made a leaf: it keeps the name and does not read `.value`."""
        if self.place.arguments or self.form != "{}" or self.read is not None or self.place.name != self.source.name:
            return False
        return self.source.name is not None or self.place.location is not None

    @property
    def rank(self) -> tuple[bool, bool, bool]:
        elsewhere = self.place.location is None or self.read != self.place.location
        return (self.read is None, elsewhere, self.form != "{}")

    def described(self, names: Names) -> str:
        source, where = (
            self.form.format(names[self.source]),
            "as a constant in" if self.place.arguments else "in the leaf",
        )
        return f"the number of {source}, {number(self.number)}, stands {where} {names.at(self.place)}"


def matches(x: Variable, nodes: Sequence[Variable]) -> list[Match]:
    """Return the numbers under `y` (its `nodes`) that may come from `x`, best first; looks at every node in the process."""
    below = {*map(id, nodes)}
    numbers: dict[float, list[Variable]] = defaultdict(list)  # where each constant and each leaf value is used
    for node in nodes:
        if node.number > x.number:  # an older node cannot have its number from x
            for a in node.arguments or [node.value]:
                if not isinstance(a, Variable):
                    numbers[a].append(node)
    found = (
        Match(source, form, place, candidate)
        for source in (x, *_computed_from(x))
        if id(source) not in below
        for form, candidate in (_forms(x.value) if source is x else [("{}", source.value)])
        if form == "{}" or _is_telling(candidate)
        for place in numbers.get(candidate, ())
        if _is_telling(source.value) or source.about.read  # 0, 1 and 2 are common: they are evidence only if read
    )
    best: dict[tuple[int, float], Match] = {}  # of several explanations of a number the best
    for match in sorted(found, key=lambda match: match.rank):
        best.setdefault((id(match.place), match.number), match)
    return list(best.values())


def _is_telling(number: float) -> bool:
    """Whether a number is not a small multiple of a quarter, since such multiples are common in programs."""
    return math.isfinite(number) and (not (number * 4.0).is_integer() or abs(number) > 100.0)


def _computed_from(x: Variable) -> list[Variable]:
    found, below = [], {id(x)}
    for node in reachable(_held(), x.number):
        if node.number > x.number and not below.isdisjoint(map(id, node.parents)):
            below.add(id(node))
            found.append(node)
    return found


def _held() -> list[Variable]:
    """Every node that an object or a running function holds, by the lists of the collector: nodes do not know their users.

    The collector lists no compiled nodes, and no dictionaries and tuples of such nodes alone: these are searched too.
    """
    things: list[Any] = gc.get_objects()
    for frame in sys._current_frames().values():  # noqa: SLF001 - the way to the functions that run
        things += (outer for outer, _ in traceback.walk_stack(frame))
    held = {id(thing): thing for thing in things if type(thing) is Variable}
    while things:
        things = gc.get_referents(*things)
        held |= {id(thing): thing for thing in things if type(thing) is Variable}
        things = [thing for thing in things if type(thing) in (dict, tuple) and not gc.is_tracked(thing)]
    return list(held.values())


def _forms(v: float) -> Iterator[tuple[str, float]]:
    """The number and common functions of it, to recognise `1 - x.value`, `math.sin(x.value)` or `al.sin(x).value`."""
    yield from {"{}": v, "-{}": -v, "2*{}": 2.0 * v, "{}/2": v / 2.0, "{}**2": v * v}.items()
    yield from {"1/{}": 1.0 / v if v else math.nan, "1-{}": 1.0 - v, "1+{}": 1.0 + v}.items()
    for name, primitive in PRIMITIVES.items():
        if primitive.built_in and primitive.arity == 1 and name not in ("neg", "positive", "hold", "square", "inv"):
            with suppress(ArithmeticError, ValueError):
                yield f"{name}({{}})", primitive.value(v)


def _missing(ways: Ways) -> Report:
    """Say why no path leads from `y` to `x`: its number left the graph, or was not used."""
    y, x, names, nodes = ways.y, ways.x, ways.names, ways.nodes
    head = f"{names[y]} does not depend on {names[x]}: no path leads from one to the other"
    if found := matches(x, nodes):
        best, *others = found
        evidence = [match.described(names) for match in others[: LINES - 1]]
        if best.is_stopped:
            clause = f"{head}; {best.described(names)}, which stop_gradient made."
            return Report("stopped", clause, tuple(evidence), (best.place, best.source))
        read = f"{names[best.source]}.value was read at {best.read}: " if best.read else ""
        itself = best.form.format(names[best.source])
        evidence.append(f"Use {itself} itself where its number stands, or an al function for math's.")
        evidence += [] if best.place.location else [RECORD]
        clause = f"{head}; {read}{best.described(names)}."
        return Report("captured constant", clause, tuple(evidence), (best.place, best.source), best.read)
    evidence = []
    if x.number > y.number:
        evidence.append(f"{names[x]} was made after {names[y]}, which therefore cannot depend on it.")
    namesakes = (node for node in nodes if x.name is not None and node.name == x.name and not node.arguments)
    evidence += [
        f"{names[y]} uses another Variable of that name, {names[other]} = {number(other.value)}: set .value to update "
        "a Variable instead of making a new one."
        for other in islice(namesakes, LINES)
    ]
    if x.parents:
        evidence.append(f"{names[x]} was computed from other nodes; {names[y]} may use those, but not this one.")
    if x.about.read:
        evidence.append(
            f"{names[x]}.value was last read at {x.about.read}: what was made of that number has no derivative."
        )
    evidence.append(
        "What a Python `if`, int(x) or x.value made of the number leaves no edge (al.where(al.less(x, c), a, b) does)."
    )
    if y.location is None:
        evidence.append(RECORD)
    return Report("no path", f"{head}.", tuple(evidence), (x, y))
