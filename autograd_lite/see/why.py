"""Why a gradient is zero, tiny, huge or missing."""

import math
from collections import Counter
from itertools import islice

from autograd_lite.context import unnoticed
from autograd_lite.errors import ArgumentError
from autograd_lite.see.blame import blame
from autograd_lite.see.capture import missing
from autograd_lite.see.labels import operation
from autograd_lite.see.report import Why, check_variable, counted, number, signed
from autograd_lite.see.ways import Edge, Path, Ways
from autograd_lite.see.zeros import precedence, softmax_unit, zero
from autograd_lite.variable import Variable

#: How many lines of evidence of one kind are given.
LINES = 6

#: A gradient that is this much smaller than the sum of the sizes of its terms is what a cancellation left.
CANCELLED = 1e-3

EPS = 2.0**-52


def why(y: Variable, x: Variable, *, tiny: float = 1e-6, huge: float = 1e6) -> Why:
    """Say why the derivative of `y` with respect to `x` is zero, tiny, huge or missing.

    Parameters
    ----------
    y : Variable
        The output.
    x : Variable
        What the gradient is with respect to; any node.
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
    Time grows linearly with the graph; if there is no path, with everything alive in the process. Lines are known for what
    ran inside `record_locations`. A branch that a Python `if` did not take is not in the graph, so nothing can be said of
    it. Several reasons: the one nearest to `y` is named, the others stand in the evidence.

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
    check_variable("why", y)
    check_variable("why", x)
    if not 0.0 <= tiny < huge:
        raise ArgumentError(f"tiny={tiny!r}, huge={huge!r}: give two sizes, 0 ≤ tiny < huge.")
    with unnoticed():
        ways = Ways(y, x)
        if not ways.connected:
            return missing(ways, x)
        gradient = ways.adjoints.get(x, 0.0)
        if not math.isfinite(gradient):
            return _not_finite(ways, gradient)
        if gradient == 0.0:
            return _zero(ways, gradient)
        if abs(gradient) < tiny:
            return _tiny(ways, gradient)
        if abs(gradient) > huge:
            return _huge(ways, gradient)
        return _none(ways, x, gradient, tiny, huge)


def _derivative(ways: Ways) -> str:
    assert ways.x is not None
    return f"∂{ways.names[ways.y]}/∂{ways.names[ways.x]}"


def _not_finite(ways: Ways, gradient: float) -> Why:
    found = blame(ways.y)
    return Why(
        "not finite",
        f"{_derivative(ways)} = {gradient}; al.blame says: {found.sentence}",
        found.evidence, found.nodes, found.location, gradient, ways.number,
    )  # fmt: skip


def _none(ways: Ways, x: Variable, gradient: float, tiny: float, huge: float) -> Why:
    evidence = [f"It lies between {tiny:g} and {huge:g} in size and comes over {counted(ways.number, 'path')}."]
    if x.grad is None:
        evidence.append(f"{ways.names[x]}.grad is None because {ways.names[ways.y]}.backward() has not been called.")
    sentence = f"{_derivative(ways)} = {number(gradient)}: nothing stands out."
    return Why("none", sentence, tuple(evidence), (), None, gradient, ways.number)


def _zero(ways: Ways, gradient: float) -> Why:
    assert ways.x is not None
    if ways.largest[ways.y][0] == 0:  # a path without a factor 0
        if ways.sizes.get(ways.x, 0.0) == 0.0:
            return _vanishing(ways, gradient, ways.top(1)[0])
        return _cancellation(ways, gradient)
    front, back = _blocked(ways)
    findings = {edge: zero(edge, ways.names) for edge in islice(front, 1000)}
    ranked = sorted(findings, key=lambda edge: precedence(findings[edge][0]))
    first = ranked[0]
    cause, clause = findings[first]
    alike = Counter(operation(edge.user) for edge in ranked if findings[edge][0] == cause)
    kinds = ", ".join(f"{n} {name}" for name, n in alike.items())
    several = f"every path is blocked, by {kinds}; " if len(ranked) > 1 and sum(alike.values()) > 1 else ""
    behind = [f"behind that: {zero(edge, ways.names)[1]}" for edge in islice((e for e in back if e not in findings), 3)]
    evidence = list(
        dict.fromkeys([findings[edge][1] for edge in ranked[1:LINES] if findings[edge][1] != clause] + behind)
    )
    if len(front) > LINES:
        evidence.append(f"… {len(front) - LINES:,} more edges with derivative 0")
    nodes = tuple(dict.fromkeys(edge.user for edge in ranked))
    sentence = f"{_derivative(ways)} = 0: {several}{clause}."
    return Why(cause, sentence, tuple(evidence), nodes, first.user.location, gradient, ways.number)


def _blocked(ways: Ways) -> tuple[list[Edge], list[Edge]]:
    """The edges with derivative 0 that are met first on the ways from `y`, and those met first from `x`."""
    reached = {ways.y}
    front = []
    for node in ways.between:
        if node in reached:
            for edge in ways.edges[node]:
                if edge.factor == 0.0:
                    front.append(edge)
                else:
                    reached.add(edge.argument)
    back = [
        edge
        for node in reversed(ways.between)
        for edge in ways.edges[node]
        if edge.factor == 0.0 and ways.largest[edge.argument][0] == 0
    ]
    return front, back


def _cancellation(ways: Ways, gradient: float) -> Why:
    """The newest node on whose ways to `y` the contributions add up to nothing."""
    here = next(
        node
        for node in ways.nodes
        if ways.largest[node][0] == 0
        and abs(ways.adjoints.get(node, 1.0)) <= CANCELLED * ways.sizes.get(node, 0.0)
        and ways.sizes[node] > 0.0
    )
    names, above = ways.names, Ways(ways.y, here)
    paths = [path for path in above.top(LINES) if path.logarithm > -math.inf]
    number_of_paths = len(paths) if len(paths) < LINES else above.number  # those with a factor 0 come last
    quotient = _softmax_unit(paths, here)
    left = ways.adjoints[here]
    evidence = [f"{path.amount()} along {path.written(names)}" for path in paths]
    if number_of_paths > len(paths):
        evidence.append(f"… {counted(number_of_paths - len(paths), 'more path')}")
    if quotient is not None:
        cause, location = "saturated", quotient.location
        nodes: tuple[Variable, ...] = (quotient, here)
        sentence = softmax_unit(quotient, names)
    else:
        how = "exactly" if left == 0.0 else "to rounding" if _is_rounding(ways, here) else f"but for {number(left)}"
        amounts = " and ".join(path.amount() for path in paths[:2])
        several = f"the contributions of {counted(number_of_paths, 'path')}"
        sentence = f"{several} to {names.at(here)} cancel {how}, {amounts}{' …' if number_of_paths > 2 else ''}"
        cause, nodes, location = "cancellation", (here, *(path.edges[-1].user for path in paths)), here.location
    sentence = f"{_derivative(ways)} = {number(gradient)}: {sentence}."
    return Why(cause, sentence, tuple(evidence), nodes, location, gradient, ways.number)


def _is_rounding(ways: Ways, node: Variable) -> bool:
    return abs(ways.adjoints[node]) <= 8.0 * EPS * len(ways.order) * ways.sizes[node]


def _softmax_unit(paths: list[Path], here: Variable) -> Variable | None:
    """The quotient e / (e + …) among the users of an exponential."""
    if here.primitive is None or here.primitive.name not in ("exp", "exp2", "expm1"):
        return None
    users = (path.edges[-1] for path in paths if path.edges)
    return next((e.user for e in users if operation(e.user) == "/" and e.place == 0), None)


def _tiny(ways: Ways, gradient: float) -> Why:
    assert ways.x is not None
    if abs(gradient) <= CANCELLED * ways.sizes[ways.x]:
        return _cancellation(ways, gradient)
    path = ways.top(1)[0]
    shrinking = [edge for edge in path.edges if edge.size[1] < 0.0]
    least = min(path.edges, key=lambda edge: edge.size)
    saturated = least.user.primitive is not None and least.user.primitive.saturates
    if saturated and 2.0 * least.size[1] <= sum(edge.size[1] for edge in shrinking):
        names, argument = ways.names, least.argument
        what = (
            softmax_unit(least.user, names)
            if operation(least.user) == "share"
            else f"{names.at(least.user)} is saturated: at {number(argument.value)} its slope is {number(least.local)}"
        )
        sentence = f"{_derivative(ways)} = {number(gradient)}: {what}."
        evidence = (f"{path.amount()} along {path.written(names)}",)
        return Why("saturated", sentence, evidence, (least.user,), least.user.location, gradient, ways.number)
    return _vanishing(ways, gradient, path)


def _vanishing(ways: Ways, gradient: float, path: Path) -> Why:
    tail = ", which underflows to 0" if gradient == 0.0 else ""
    sentence = (
        f"{_derivative(ways)} = {number(gradient)}: the product of {counted(len(path.edges), 'local gradient')} along the "
        f"largest path shrinks to {path.amount()}{tail}: {_groups(path, shrinking=True)}."
    )
    return _chain("vanishing", sentence, ways, gradient, path)


def _huge(ways: Ways, gradient: float) -> Why:
    path = ways.top(1)[0]
    if ways.number < 10 and abs(path.product) * ways.number > abs(gradient) / 2.0:
        what = (
            f"the product of {counted(len(path.edges), 'local gradient')} along the largest path grows to {path.amount()}: "
            f"{_groups(path, shrinking=False)}"
        )
    else:
        what = f"{counted(ways.number, 'path')} add up; the largest brings {path.amount()}"
    sentence = f"{_derivative(ways)} = {number(gradient)}: {what}."
    return _chain("exploding", sentence, ways, gradient, path)


def _chain(cause: str, sentence: str, ways: Ways, gradient: float, path: Path) -> Why:
    """Add the factor of each node to the evidence, the ones that matter most first."""
    sign = 1 if cause == "vanishing" else -1
    edges = sorted(path.edges, key=lambda edge: sign * edge.size[1])
    evidence = [f"{signed(edge.local)} by {ways.names.at(edge.user)}" for edge in edges[:LINES]]
    if len(edges) > len(evidence):
        evidence.append(f"… {len(edges) - len(evidence):,} more factors")
    nodes = tuple(edge.user for edge in edges[:LINES])
    return Why(cause, sentence, tuple(evidence), nodes, nodes[0].location if nodes else None, gradient, ways.number)


def _groups(path: Path, *, shrinking: bool) -> str:
    """Say which operations bring the factors below 1 (or above): `30 × sigmoid (0.2 each on average)`."""
    logarithms: dict[str, list[float]] = {}
    for edge in path.edges:
        if edge.size[1] != 0.0 and (edge.size[1] < 0.0) == shrinking:
            logarithms.setdefault(operation(edge.user), []).append(edge.size[1])
    groups = sorted(logarithms.items(), key=lambda group: -abs(sum(group[1])))
    return ", ".join(
        f"{len(logs)} × {name} ({number(math.exp(sum(logs) / len(logs)))}{' each on average' if len(logs) > 1 else ''})"
        for name, logs in groups[:4]
    )
