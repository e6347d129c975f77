"""Where the first NaN or infinity was born, and what cures it."""

import math
from dataclasses import dataclass

from autograd_lite.context import unnoticed
from autograd_lite.see.cures import Birth, cure, operation_name
from autograd_lite.see.graph import Graph, Ways
from autograd_lite.see.labels import Report, check_variable, counted, number, operation, shortened
from autograd_lite.variable import Variable

#: Between a birth and its effect these are passed through when the table asks who uses it.
TRANSPARENT = ("add", "sub", "neg", "positive", "maximum", "where")


@dataclass(frozen=True, repr=False, eq=False)
class Blame(Report):
    """The answer of `blame`; `cause` names the situation, or is "none".

    Attributes
    ----------
    phase : str
        "forward" if a value was born bad, "backward" if a gradient was, "" if nothing is wrong.
    product : tuple of float or None
        The adjoint and the local gradient whose product failed.
    cure : str
        What to write instead.
    """

    phase: str = ""
    product: tuple[float, float] | None = None
    cure: str = ""


def blame(y: Variable) -> Blame:
    """Say where the first NaN or infinity under `y` was born: in a value, or in a gradient on the way back.

    Parameters
    ----------
    y : Variable
        The output.

    Returns
    -------
    Blame
        Prints itself: a sentence, then the inputs, the product that failed and the rewrite that cures it. `nodes[0]` is
        the node of the birth, `location` its line if it was made inside `record_locations`.

    Notes
    -----
    Time grows linearly with the graph. Numbers that are not finite and do no harm, such as in a branch that was not taken,
    are not blamed. Where an infinity came to nothing in the value (1/inf) and spoiled the gradient, its own birth is named.

    Examples
    --------
    >>> import autograd_lite as al
    >>> x = al.Variable(0.0, name="x")
    >>> al.blame(x * al.log(x))
    n2 is nan; it was born in n1 = log(x), which is -inf: log at 0.
      inputs: x = 0.0
      cure: write xlogy(p, p) for p·log p: 0 at p = 0.
      from there: n1 -> n2
    >>> al.blame(al.sqrt(x)).product
    (1.0, inf)
    """
    check_variable("blame", y)
    with unnoticed():
        graph = Graph([y])
        if not math.isfinite(y.value):
            born = _origin(graph, y)
            return _forward(graph, born, f"{graph.names[y]} is {y.value}; it was born in {graph.names.at(born)}", None)
        for node in reversed(graph.nodes):
            if not math.isfinite(graph.adjoints.get(node, 0.0)):
                return _backward(graph, node)
        sentence = f"Nothing to blame: {graph.names[y]} and its {counted(len(graph.adjoints), 'gradient')} are finite."
        idle = sum(not math.isfinite(node.value) for node in graph.nodes)
        harmless = f"Not finite, but without harm: {counted(idle, 'node')} that nothing comes back from."
        return Blame("none", sentence, (harmless,) if idle else ())


def _origin(graph: Graph, node: Variable) -> Variable:
    """The oldest node that is not finite although its arguments are, among those that `node` has it from."""
    suspects, born = {node}, node
    for here in reversed(graph.nodes):
        if here in suspects:
            bad = [a for a in _taken(here) if not math.isfinite(a.value)]
            suspects.update(bad)
            born = born if bad else here
    return born


def _taken(node: Variable) -> tuple[Variable, ...]:
    """The arguments whose values matter: of `where` the condition and the branch taken."""
    if operation_name(node) != "where":
        return node.parents
    condition, first, second = node.arguments
    taken = first if getattr(condition, "value", condition) != 0.0 else second
    return tuple(a for a in (condition, taken) if isinstance(a, Variable))


def _forward(graph: Graph, born: Variable, head: str, product: tuple[float, float] | None) -> Blame:
    """A value was born bad; with a product, it showed only on the way back."""
    cause, rewrite = cure(Birth(born, _users(graph, born)))
    evidence = [*_inputs(graph, born), f"cure: {rewrite}."]
    if nodes := Ways(graph, born).top(1)[0].nodes[::-1]:
        evidence.append(f"from there: {' -> '.join(shortened([graph.names[node] for node in nodes], 8))}")
    if product is not None:
        evidence.insert(0, _failed(*product))
    which = f", which is {born.value}" if operation(born) or product is not None else ""
    phase = "forward" if product is None else "backward"
    return Blame(cause, f"{head}{which}: {cause}.", tuple(evidence), (born,), born.location, phase, product, rewrite)


def _backward(graph: Graph, node: Variable) -> Blame:
    """All values that matter are finite; the adjoint of `node` is the first in the sweep that is not."""
    names, adjoint = graph.names, graph.adjoints[node]
    (y,) = graph.outputs
    head = f"{names[y]} is {number(y.value)}, but its derivative by {names[node]} is {adjoint}"
    edges = graph.arriving.get(node, [])
    edge = next((e for e in edges if not math.isfinite(e.local * graph.adjoints[e.user])), None)
    if edge is None:  # finite products that add up to more than the largest float
        return Blame(
            "overflow in the sweep", f"{head}: {counted(len(edges), 'product')} add up to more than 1.8e308.",
            ("cure: scale the loss down.",), (node,), node.location, "backward", None, "scale the loss down",
        )  # fmt: skip
    born = edge.user
    product = (graph.adjoints[born], edge.local)
    if math.isfinite(edge.local):
        cause, rewrite = "overflow in the sweep", "scale the loss or the inputs down"
    else:
        bad = next((n for n in (*born.parents, born) if not math.isfinite(n.value)), None)
        if bad is not None:
            origin = _origin(graph, bad)
            return _forward(graph, origin, f"{head}; it comes from {names.at(origin)}", product)
        cause, rewrite = cure(Birth(born, _users(graph, born), product[0]))
    sentence = f"{head}; it was born in {names.at(born)}: {cause}."
    evidence = (*_inputs(graph, born), _failed(*product), f"cure: {rewrite}.")
    return Blame(cause, sentence, evidence, (born, node), born.location, "backward", product, rewrite)


def _failed(adjoint: float, local: float) -> str:
    product = f"{number(adjoint)} × {number(local)} = {adjoint * local}"
    return f"the product that failed: {product}, adjoint × local gradient"


def _inputs(graph: Graph, node: Variable) -> list[str]:
    inputs = [f"{graph.names[parent]} = {parent.value!r}" for parent in dict.fromkeys(node.parents)]
    return [f"inputs: {', '.join(inputs)}"] if inputs else []


def _users(graph: Graph, node: Variable) -> tuple[Variable, ...]:
    """Who takes what came out of `node`, through sums and the like."""
    users = []
    carriers = {node}
    for other in graph.nodes[graph.position[node] + 1 :]:
        if any(parent in carriers for parent in other.parents):
            users.append(other)
            if operation_name(other) in TRANSPARENT:
                carriers.add(other)
    return tuple(users)
