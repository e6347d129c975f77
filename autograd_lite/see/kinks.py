"""Every kink at or near the point: the operation that is not smooth, its distance, its slopes on both sides."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autograd_lite.backward import gradients
from autograd_lite.context import unnoticed
from autograd_lite.errors import ArgumentError
from autograd_lite.see.graph import Edge, Graph
from autograd_lite.see.labels import Report, check_variable, counted, number, rule_name, signed, values_of
from autograd_lite.variable import Variable


@dataclass(frozen=True)
class Kink:
    """A place where an operation has no derivative, or one that jumps.

    Attributes
    ----------
    node, argument : Variable
        The operation and the argument that lies at or near the place.
    name, operation : str
        The name of the node in messages, and its primitive.
    at : float
        The place.
    distance : float
        The argument minus `at`: 0 at the kink, negative on its left.
    left, right : float
        The slope on either side; nan where the operation has no value.
    jump : float
        The value on the right minus that on the left.
    used : float
        The local gradient that was recorded.
    location : str or None
        The user's line, where recorded.
    """

    node: Variable
    argument: Variable
    name: str
    operation: str
    at: float
    distance: float
    left: float
    right: float
    jump: float
    used: float
    location: str | None

    def __str__(self) -> str:
        jump = f", jump {signed(self.jump)}" if self.jump else ""
        where = "at its kink" if self.distance == 0.0 else f"{signed(self.distance)} from its kink"
        line = f" ({self.location})" if self.location else ""
        return (
            f"{self.name} is {where} {number(self.at)}: slope {number(self.left)} on the left, {number(self.right)} on the "
            f"right, {number(self.used)} used{jump}{line}"
        )


@dataclass(frozen=True, repr=False, eq=False)
class Kinks(Report):
    """The answer of `kinks`; `cause` is "kink", "jump" (a value jumps) or "none", `found` the ledger, nearest first."""

    found: tuple[Kink, ...] = ()


def kinks(y: Variable, *, within: float = 1e-3) -> Kinks:
    """List every kink at or near the point: operations under `y` that are not smooth there.

    Parameters
    ----------
    y : Variable
        The output.
    within : float, default 1e-3
        The largest distance to list: absolute for arguments of size below 1, relative above.

    Returns
    -------
    Kinks
        `found` is a tuple of `Kink`, the nearest first: signed distance, slopes on both sides, jump of the value, and the
        slope that was used. Prints itself.

    Notes
    -----
    Only nodes that contribute to the gradient, or select it (the condition of a `where`), are listed. A condition written
    with Python's `<` is a plain bool in the graph: such a kink cannot be seen, and the evidence counts these conditions. The
    slopes are the rule's own partials at 1e-9 to the left and to the right. For the square of a length at the origin the
    evidence names the formula to write instead: the square is smooth, but its second derivatives are lost in the length.
    Time grows linearly with the graph, and by another pass over the graph for each `where` with the point at its kink.

    Examples
    --------
    >>> import autograd_lite as al
    >>> x = al.Variable(0.0, name="x")
    >>> al.kinks(al.relu(x) + al.floor(x + 0.5))
    1 kink within 0.001; the gradient there is a convention.
      n1 = relu(x) is at its kink 0: slope 0 on the left, 1 on the right, 0 used
    >>> al.kinks(al.sin(x)).found
    ()
    """
    check_variable("kinks", y)
    if not (isinstance(within, float) and within >= 0.0):
        raise ArgumentError(f"within={within!r}: give a distance, 0.0 or more.")
    with unnoticed():
        graph = Graph([y])
        relevant = _relevant(graph)
        found = [kink for i in relevant for kink in _of_node(graph, i, within)]
        found.sort(key=lambda kink: (abs(kink.distance), kink.node.number))
        notes = [*_notes(found, graph, [graph.nodes[i] for i in relevant])]
    if not found:
        sentence = f"No kink within {within:g}: the function is smooth around this point, as far as the graph shows."
        return Kinks("none", sentence, tuple(notes))
    jumps = any(kink.jump for kink in found)
    at = sum(kink.distance == 0.0 for kink in found)
    there = "the gradient there is a convention" if at == len(found) else f"{at or 'none'} of them exactly at the point"
    sentence = f"{counted(len(found), 'kink')} within {within:g}; {there}."
    lines = [str(kink) for kink in found[:20]] + [f"… and {len(found) - 20:,} more"] * (len(found) > 20)
    nodes = tuple(dict.fromkeys(kink.node for kink in found))
    return Kinks("jump" if jumps else "kink", sentence, (*lines, *notes), nodes, found=tuple(found))


def _relevant(graph: Graph) -> list[int]:
    """The nodes that an adjoint reaches, and the comparisons in the conditions of the `where` nodes among them."""
    reached, nodes = {*graph.adjoints}, graph.nodes
    chosen = [i for i in reached if rule_name(nodes[i]) == "where" and isinstance(nodes[i].arguments[0], Variable)]
    conditions = {graph.parents[i][0] for i in chosen}
    listed = {i for i in conditions if rule_name(nodes[i]) in ("less", "step")}  # `_of_where` has these
    for i in reversed(range(len(nodes))):
        if i in conditions and i not in listed:
            if rule_name(nodes[i]) not in ("less", "step", "hold"):
                conditions.update(graph.parents[i])
            elif rule_name(nodes[i]) != "hold" and not _is_inner(nodes[i]):
                reached.add(i)
    return sorted(reached)


def _is_inner(condition: Variable) -> bool:
    """Whether the compared number is a distance to a held number, as in `softmax` and `logsumexp`, which are smooth."""
    return any(rule_name(parent) == "hold" for argument in condition.parents for parent in argument.parents)


def _of_node(graph: Graph, i: int, within: float) -> Iterator[Kink]:
    node = graph.nodes[i]
    primitive = node.primitive
    if primitive is None:
        return
    values = values_of(node)
    if primitive.name == "where":
        yield from _of_where(node, graph.names.call(node), within)
    elif primitive.kinks and all(map(math.isfinite, values)):
        edges = {edge.place: edge for edge in graph.edges[i]}
        seen = False
        for argument, at in primitive.kinks_near(*values):
            # A tie is one kink, whichever argument is moved; the two bounds of clip are two.
            if argument in edges and (argument == 0 or not seen) and _near(values[argument], at, within):
                seen = True
                yield _kink(edges[argument], graph.names.call(node), values, at)


def _near(x: float, at: float, within: float) -> bool:
    return abs(x - at) <= within * max(1.0, abs(at))


def _kink(edge: Edge, call: str, values: Sequence[float], at: float) -> Kink:
    step = 1e-9 * max(1.0, abs(at))
    left, below, nearer_below = _side(edge, values, at, -step)
    right, above, nearer_above = _side(edge, values, at, step)
    jump = nearer_above - nearer_below
    if not abs(jump) > 0.9 * abs(above - below) > 0.0:  # it shrinks with the step
        jump = 0.0
    name, distance = rule_name(edge.user), values[edge.place] - at
    line = edge.user.location
    return Kink(edge.user, edge.argument, call, name, at, distance, left, right, jump, edge.local, line)


def _side(edge: Edge, values: Sequence[float], at: float, step: float) -> tuple[float, float, float]:
    """The slope of an operation on one side, infinite if it grows towards the kink; its value there, and nearer to it."""
    primitive, place = edge.user.primitive, edge.place
    assert primitive is not None
    slopes, ends, partial = [], [], primitive.partials[place]
    for moved in (at + step, at + step / 256.0):
        there = [*values[:place], moved, *values[place + 1 :]]
        ends.append(primitive.value(*there))
        slopes.append(float(partial(*there, ends[-1])) if callable(partial) else partial)
    grows = abs(slopes[1]) > 2.0 * abs(slopes[0]) > 0.0
    return (math.copysign(math.inf, slopes[1]) if grows else slopes[0]), ends[0], ends[1]


def _of_where(node: Variable, call: str, within: float) -> Iterator[Kink]:
    """`where(less(a, b), …)`: the slopes of the two branches with respect to the compared number."""
    condition, first, second = node.arguments
    if not isinstance(condition, Variable):
        return
    if rule_name(condition) == "hold" and condition.value == 0.0:  # the largest coordinate of a `norm`: the origin
        largest = condition.parents[0]
        yield Kink(node, largest, call, "norm", 0.0, 0.0, -1.0, 1.0, 0.0, 0.0, node.location)
    if rule_name(condition) not in ("less", "step") or _is_inner(condition):
        return
    values = values_of(condition)
    place = next(i for i, a in enumerate(condition.arguments) if isinstance(a, Variable))
    at = values[1 - place] if len(values) == 2 else 0.0
    if not all(map(math.isfinite, values)) or not _near(values[place], at, within):
        return
    moved = condition.arguments[place]
    low, high = (
        (float(gradients(branch, moved)), branch.value) if isinstance(branch, Variable) else (0.0, float(branch))
        for branch in (first, second)
    )
    used = (low if condition.value != 0.0 else high)[0]
    if rule_name(condition) == "step" or place == 1:
        low, high = high, low  # the condition holds on the right
    distance = values[place] - at
    jump = high[1] - low[1]
    if abs(jump) <= 2.0 * abs(distance) * (abs(low[0]) + abs(high[0])) + 1e-12:
        jump = 0.0
    yield Kink(node, moved, call, "where", at, distance, low[0], high[0], jump, used, node.location)


def _notes(found: Sequence[Kink], graph: Graph, nodes: Sequence[Variable]) -> Iterator[str]:
    """Yield remarks: formulas to write for squares of lengths at the origin, and conditions that may hide a kink."""
    still = [kink for kink in found if graph.adjoints.get(graph.position[id(kink.node)]) == 0.0]
    squared = {kink.operation for kink in still if kink.distance == 0.0}
    for name, instead in (("norm", "v @ v"), ("hypot", "x*x + y*y"), ("abs", "x*x")):
        if name in squared:
            yield (
                f"the square of {name} is smooth at the origin, but through {name} its second derivatives are 0 there, not "
                f"2: write {instead}."
            )
    plain = sum(rule_name(node) == "where" and not isinstance(node.arguments[0], Variable) for node in nodes)
    if plain:
        yield f"{counted(plain, 'where')} with a plain condition: write al.less(a, b) for a < b to see its kink."
    rules = {n.primitive for n in nodes if n.primitive and not n.primitive.built_in}
    for name in sorted(rule.name for rule in rules if rule.kink != "none" and not rule.kinks):
        yield f"{name} says that it has a kink, but not where."
