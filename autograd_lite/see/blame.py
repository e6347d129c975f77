"""Where the first NaN or infinity was born, and what cures it."""

import math
from dataclasses import dataclass

from autograd_lite.context import unnoticed
from autograd_lite.see.cures import Birth, cure, operation_name
from autograd_lite.see.labels import operation
from autograd_lite.see.report import Report, check_variable, counted, number
from autograd_lite.see.ways import Ways, shortened
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
        ways = Ways(y, None)
        if not math.isfinite(y.value):
            born = _origin(y)
            head = f"{ways.names[y]} is {y.value}; it was born in {ways.names.at(born)}"
            return _forward(ways, born, head, None)
        for node in ways.nodes:
            if not math.isfinite(ways.adjoints.get(node, 0.0)):
                return _backward(ways, node)
        sentence = f"Nothing to blame: {ways.names[y]} and its {counted(len(ways.adjoints), 'gradient')} are finite."
        idle = sum(not math.isfinite(node.value) for node in ways.order)
        evidence = (
            (f"Not finite, but without harm: {counted(idle, 'node')} that nothing comes back from.",) if idle else ()
        )
        return Blame("none", sentence, evidence)


def _origin(node: Variable) -> Variable:
    """The oldest node that is not finite although its arguments are, among those that `node` has it from."""
    seen = {node}
    stack, births = [node], []
    while stack:
        here = stack.pop()
        bad = [a for a in _taken(here) if not math.isfinite(a.value)]
        if not bad:
            births.append(here)
        for argument in bad:
            if argument not in seen:
                seen.add(argument)
                stack.append(argument)
    return min(births, key=lambda birth: birth.number)


def _taken(node: Variable) -> tuple[Variable, ...]:
    """The arguments whose values matter: of `where` the condition and the branch taken."""
    if operation_name(node) != "where":
        return node.parents
    condition, first, second = node.arguments
    taken = first if getattr(condition, "value", condition) != 0.0 else second
    return tuple(a for a in (condition, taken) if isinstance(a, Variable))


def _forward(ways: Ways, born: Variable, head: str, product: tuple[float, float] | None) -> Blame:
    """A value was born bad; with a product, it showed only on the way back."""
    names = ways.names
    cause, rewrite = cure(Birth(born, _users(ways, born)))
    shows = "value" if product is None else "gradient"
    evidence = [*_inputs(ways, born), f"cure: {rewrite}."]
    way = Ways(ways.y, born).top(1)
    if way and way[0].edges:
        path = [edge.argument for edge in reversed(way[0].edges)] + [ways.y]
        evidence.append(f"from there: {' -> '.join(shortened(path, 8, names.__getitem__))}")
    if product is not None:
        failed = f"{number(product[0])} × {number(product[1])} = {product[0] * product[1]}, adjoint × local gradient"
        evidence.insert(0, f"the product that failed: {failed}")
    which = f", which is {born.value}" if operation(born) or shows == "gradient" else ""
    phase = "forward" if product is None else "backward"
    return Blame(cause, f"{head}{which}: {cause}.", tuple(evidence), (born,), born.location, phase, product, rewrite)


def _backward(ways: Ways, node: Variable) -> Blame:
    """All values that matter are finite; the adjoint of `node` is the first in the sweep that is not."""
    names, adjoint = ways.names, ways.adjoints[node]
    head = f"{names[ways.y]} is {number(ways.y.value)}, but its derivative by {names[node]} is {adjoint}"
    edges = ways.arriving.get(node, [])
    edge = next((e for e in edges if not math.isfinite(e.local * ways.adjoints[e.user])), None)
    if edge is None:  # finite products that add up to more than the largest float
        return Blame(
            "overflow in the sweep", f"{head}: {counted(len(edges), 'product')} add up to more than 1.8e308.",
            ("cure: scale the loss down.",), (node,), node.location, "backward", None, "scale the loss down",
        )  # fmt: skip
    user = edge.user
    product = (ways.adjoints[user], edge.local)
    if math.isfinite(edge.local):
        cause, rewrite, born = "overflow in the sweep", "scale the loss or the inputs down", user
    else:
        if not all(math.isfinite(n.value) for n in (user, *user.parents)):
            bad = next(n for n in (*user.parents, user) if not math.isfinite(n.value))
            origin = _origin(bad)
            return _forward(ways, origin, f"{head}; it comes from {names.at(origin)}", product)
        cause, rewrite = cure(Birth(user, _users(ways, user), product[0]))
        born = user
    sentence = f"{head}; it was born in {names.at(born)}: {cause}."
    failed = f"{number(product[0])} × {number(product[1])} = {product[0] * product[1]}, adjoint × local gradient"
    evidence = (*_inputs(ways, born), f"the product that failed: {failed}", f"cure: {rewrite}.")
    return Blame(cause, sentence, evidence, (born, node), born.location, "backward", product, rewrite)


def _inputs(ways: Ways, node: Variable) -> list[str]:
    inputs = [f"{ways.names[parent]} = {parent.value!r}" for parent in dict.fromkeys(node.parents)]
    return [f"inputs: {', '.join(inputs)}"] if inputs else []


def _users(ways: Ways, node: Variable) -> tuple[Variable, ...]:
    """Who takes what came out of `node`, through sums and the like."""
    users = []
    carriers = {node}
    for other in ways.order:
        if other.number > node.number and any(parent in carriers for parent in other.parents):
            users.append(other)
            if operation_name(other) in TRANSPARENT:
                carriers.add(other)
    return tuple(users)
