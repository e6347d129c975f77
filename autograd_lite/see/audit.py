"""Comparison of every recorded local gradient with an independent number, from mpmath or finite differences."""

import importlib.util
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import chain
from typing import Any

from autograd_lite.context import unnoticed
from autograd_lite.errors import ArgumentError, BranchError, TraceError
from autograd_lite.primitives import Primitive, hold, plain, where
from autograd_lite.see.graph import Edge, Graph, Names
from autograd_lite.see.labels import Report, check_variable, counted, number, values_of
from autograd_lite.testing import difference
from autograd_lite.variable import Variable, is_stale

MOST = 10_000  # nodes of a larger graph that are looked at, of each operation its share
TOLERANCE = 1e-9  # an error beyond is a fault: against mpmath a local gradient is good to some units of the last place,
SMALLEST = 2.0**-1022  # but not below the smallest normal double
STEP = 30  # digits of the step, of the smallest argument; the truncation of a central difference has twice as many
ENOUGH, DIGITS = 18, 4000  # digits that the derivative must have, and most to compute with: 1e300 + 1e-300 takes 650


@dataclass(frozen=True)
class Fault:
    """A rule whose partial does not agree with an independent number.

    Attributes
    ----------
    primitive : Primitive
        The faulty rule.
    argument : int
        The position of the wrong partial.
    count : int
        How many recorded local gradients are wrong.
    node : Variable
        The node where the error is largest.
    recorded, expected, error : float
        The numbers at `node`; the error is relative.
    line : str
        The fault as a sentence.
    """

    primitive: Primitive
    argument: int
    count: int
    node: Variable
    recorded: float
    expected: float
    error: float
    line: str

    def __str__(self) -> str:
        return self.line


@dataclass(frozen=True, repr=False, eq=False)
class Audit(Report):
    """The answer of `audit`; `cause` is "wrong rule" or "none".

    Attributes
    ----------
    faults : tuple of Fault
        One for each partial that is wrong, the worst first.
    checked : int
        How many local gradients were compared.
    skipped : dict of str to int
        How many could not be judged, by reason.
    """

    faults: tuple[Fault, ...] = ()
    checked: int = 0
    skipped: dict[str, int] = field(default_factory=dict)


def audit(y: Variable, *, most: int = MOST) -> Audit:
    """Compare every recorded local gradient under `y` with an independent number, and name the rules that are wrong.

    Parameters
    ----------
    y : Variable
        The output.
    most : int, default 10,000
        A larger graph is sampled: evenly, with some nodes of every operation.

    Returns
    -------
    Audit
        Prints itself: the faulty rules with their numbers, the number of comparisons, and the reasons for skipped ones.

    Notes
    -----
    The independent number is a difference at 60 digits by mpmath, if mpmath is installed and has the function. Otherwise,
    and for a primitive of your own without a `reference`, it is the 6-point difference of the primitive's value. A partial
    that is wrong by 0.05 % is found. Two cases are not judged: a kink, where the recorded number is a convention, and a
    node made by hand, which has no function to compare with. Time: about 0.1 ms a local gradient.

    Examples
    --------
    >>> import autograd_lite as al
    >>> cube = al.Primitive(name="cube_wrong", value=lambda x: x**3, partials=(lambda x, y: 3.0015 * x**2,))
    >>> x = al.Variable(2.0, name="x")
    >>> al.audit(al.sin(cube(x)))
    1 rule is wrong: partial 0 of cube_wrong.
      cube_wrong: ∂/∂argument 0 is recorded as 12.006, but is 12 (0.05 % off) at n1 = cube_wrong(x), in 1 of 1
      compared: 2 local gradients
    """
    check_variable("audit", y)
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise ArgumentError(f"most={most!r}: give the number of nodes to look at, 1 or more.")
    with unnoticed():
        graph = Graph([y])
        inner = [i for i, parents in enumerate(graph.parents) if parents]
        sample = _sampled(graph, inner, most)
        skipped: Counter[str] = Counter()
        judged: dict[tuple[Primitive | None, int], list[tuple[float, float, Edge]]] = defaultdict(list)
        for edge in chain.from_iterable(map(graph.edges_of, sample)):
            reason, expected, error = _compare(edge)
            if reason:
                skipped[reason] += 1
            else:
                judged[edge.user.primitive, edge.place].append((error, expected, edge))
        wrong = [_fault(rows, graph.names) for rows in judged.values() if any(error > TOLERANCE for error, *_ in rows)]
    faults = tuple(sorted(wrong, key=lambda fault: -fault.error))
    checked = sum(map(len, judged.values()))
    evidence = [fault.line for fault in faults]
    sampled = f", in {len(sample):,} of {len(inner):,} nodes: a sample" if len(sample) < len(inner) else ""
    evidence.append(f"compared: {counted(checked, 'local gradient')}{sampled}")
    evidence += [f"not judged: {count:,} {reason}" for reason, count in skipped.most_common()]
    sentence = "Every local gradient that was compared agrees." if checked else "Nothing could be compared."
    if faults:
        which = ", ".join(f"partial {fault.argument} of {fault.primitive.name}" for fault in faults[:6])
        verb = "rule is" if len(faults) == 1 else "rules are"
        sentence = f"{len(faults)} {verb} wrong: {which}{', …' if len(faults) > 6 else ''}."
    nodes = tuple(fault.node for fault in faults)
    cause = "wrong rule" if faults else "none"
    return Audit(cause, sentence, tuple(evidence), nodes, None, faults, checked, dict(skipped))


def _sampled(graph: Graph, inner: list[int], most: int) -> list[int]:
    """At most about `most` nodes: an equal share of each operation, evenly spaced, and at least ten if there are so many."""
    groups: dict[Primitive | None, list[int]] = defaultdict(list)
    for i in inner:
        groups[graph.nodes[i].primitive].append(i)
    sample = []
    for group in groups.values():
        wanted = min(len(group), max(10, len(group) * most // len(inner)))
        sample += [group[k * len(group) // wanted] for k in range(wanted)]
    return sorted(sample)


def _compare(edge: Edge) -> tuple[str, float, float]:
    """The reason why a local gradient cannot be judged, or the independent number and the difference from it."""
    primitive, place, recorded = edge.user.primitive, edge.place, edge.local
    if primitive is None:
        return "made by hand: there is no function to compare with", math.nan, 0.0
    if is_stale(edge.user):
        return "of nodes whose argument was set after they were recorded", math.nan, 0.0
    if primitive in (hold, plain):  # what is recorded is not the derivative of the value
        return "held constant on purpose", math.nan, 0.0
    values = values_of(edge.user)
    if not all(map(math.isfinite, (*values, recorded))):
        return "not finite (al.blame says more)", math.nan, 0.0
    if primitive.domain[place].whole:
        return "by an argument that is a whole number", math.nan, 0.0
    if primitive is where and place == 0:
        return "", 0.0, abs(recorded)
    kinks = primitive.kinks_near(*values)
    if any(abs(values[i] - at) <= 1e-7 * abs(at) for i, at in kinks):
        return "at a kink, where it is a convention", math.nan, 0.0
    expected = derivative(primitive, values, place)
    if expected is not None:
        error = abs(recorded - expected)
        return "", expected, 0.0 if error <= SMALLEST else error / max(abs(expected), SMALLEST)
    return _by_difference(edge, values, [at for i, at in kinks if i == place])


def _by_difference(edge: Edge, values: Sequence[float], ends: Sequence[float]) -> tuple[str, float, float]:
    """As `_compare`, by a difference of the primitive's value whose points stay inside the domain and clear of `ends`."""
    primitive, place, recorded = edge.user.primitive, edge.place, edge.local
    assert primitive is not None

    def along(t: float) -> float:
        try:
            return float(primitive.value(*values[:place], t, *values[place + 1 :]))
        except (BranchError, TraceError):  # of a compiled call, which knows one side of a branch
            return math.nan

    ends = [*ends, primitive.domain[place].lower, primitive.domain[place].upper]
    try:
        found = difference(along, values[place], recorded, limit=min(abs(values[place] - end) for end in ends))
    except (ArithmeticError, ValueError):
        return "where finite differences leave the domain", math.nan, 0.0
    agrees = found.judge(recorded)
    if agrees is None:
        return "where finite differences do not resolve the function", math.nan, 0.0
    error, scale = abs(recorded - found.estimate), max(abs(found.estimate), abs(recorded))
    return "", found.estimate, 0.0 if agrees else error / scale


def _fault(rows: Sequence[tuple[float, float, Edge]], names: Names) -> Fault:
    """The fault of a partial where its error is largest; each row is an error, the expected number, and the edge."""
    wrong = [row for row in rows if row[0] > TOLERANCE]
    error, expected, edge = max(wrong, key=lambda row: row[0])
    node, place, recorded = edge.user, edge.place, edge.local
    assert node.primitive is not None
    off = f"{100.0 * error:.3g} % off" if error < 10.0 else "of another size"
    line = (
        f"{node.primitive.name}: ∂/∂argument {place} is recorded as {number(recorded)}, but is {number(expected)} ({off}) "
        f"at {names.at(node)}, in {len(wrong):,} of {len(rows):,}"
    )
    return Fault(node.primitive, place, len(wrong), node, recorded, expected, error, line)


@cache
def _mpmath() -> Any:
    """The context of mpmath for the computation; None without mpmath, which only the `test` extra brings."""
    return importlib.import_module("mpmath").mp.clone() if importlib.util.find_spec("mpmath") else None


def _function(primitive: Primitive, mp: Any) -> Callable[..., Any] | None:
    """The operation in mpmath: the entry's own reference, an operator, or for built-in entries the function of its name."""
    reference = primitive.reference
    if callable(reference):
        return partial(reference, mp)
    if primitive.built_in and getattr(primitive.value, "__module__", "") == "_operator":
        return primitive.value
    return getattr(mp, reference or primitive.name, None) if reference or primitive.built_in else None


def derivative(primitive: Primitive, values: tuple[float, ...], place: int) -> float | None:
    """Return ∂primitive/∂argument by a central difference with as many digits as necessary; None if mpmath cannot."""
    mp = _mpmath()
    function = _function(primitive, mp) if mp else None
    if function is None:
        return None
    digits = 3 * STEP + max(abs(math.frexp(v)[1]) for v in values) // 3
    while digits <= DIGITS:
        with mp.workdps(digits):
            slope = _difference(mp, function, values, place, digits)
        if slope is not None:
            return slope if math.isfinite(slope) else None
        digits *= 2
    return None


def _difference(mp: Any, function: Any, values: tuple[float, ...], place: int, digits: int) -> float | None:
    """The difference as a float, nan if it does not exist; None if it has too few digits left."""
    arguments = [mp.mpf(v) for v in values]
    step = mp.mpf(10) ** -STEP * min([abs(a) for a in arguments if a] + [1])
    try:
        above, middle, below = (
            function(*arguments[:place], arguments[place] + side, *arguments[place + 1 :]) for side in (step, 0, -step)
        )
        slope = (above - below) / (2 * step)
    except (ArithmeticError, ValueError, TypeError, mp.NoConvergence):
        return math.nan
    if isinstance(slope, mp.mpc) or not mp.isfinite(slope):  # outside the domain on one side
        return math.nan
    if abs(above - below) < abs(
        above - 2 * middle + below
    ):  # where it is least or largest: a step's worth of curvature
        return 0.0
    noise = mp.mpf(10) ** (2 - digits) * (max(abs(above), abs(below)) + abs(arguments[place] * slope)) / step
    enough = noise <= mp.mpf(10) ** -ENOUGH * abs(slope) or noise < mp.mpf(10) ** -340
    return float(slope) if enough else None
