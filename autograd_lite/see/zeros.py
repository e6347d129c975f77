"""Why a local gradient is zero or small: the cause, and what to say of it, by operation."""

from autograd_lite.primitives import hold, mul, relu, share, where
from autograd_lite.see.labels import operation
from autograd_lite.see.report import Names, number
from autograd_lite.see.ways import Edge
from autograd_lite.variable import Variable

#: When several paths are blocked for different reasons, the one that is named first.
PRECEDENCE = (
    "dead relu", "saturated", "untaken branch", "flat", "zero factor", "stationary", "kink", "hand-made", "stopped",
)  # fmt: skip

#: Beyond this size of the argument a derivative 0 is the far end of a curve and not its top or bottom.
FAR = 3.0

Finding = tuple[str, str]  # the cause, and a clause that says it


def precedence(cause: str) -> int:
    """The rank of a cause; those that a user's own operation names come first."""
    return PRECEDENCE.index(cause) if cause in PRECEDENCE else -1


def zero(edge: Edge, names: Names) -> Finding:
    """Say why the local gradient of an edge is 0: as the situation has it, or the entry of the operation."""
    node, place = edge.user, edge.place
    primitive = node.primitive
    if primitive is None:
        return "hand-made", f"{names.at(node)} was given the local gradient 0 by hand"
    values = [float(getattr(a, "value", a)) for a in node.arguments]
    if primitive is where:
        return _where(edge, values, names)
    if primitive is mul:
        return _product(edge, names)
    finding = primitive.flat(place, *values) if callable(primitive.flat) else primitive.flat
    if finding:
        return finding[0], _said(finding[1], edge, values, names)
    what, x = names.at(node), values[place]
    if primitive.saturates and abs(x) > FAR:
        return "saturated", f"{what} is saturated: at {number(x)} its slope is below the smallest float"
    if not callable(primitive.partials[place]):
        return "flat", f"the rule of {operation(node)} says that {what} does not depend on argument {place}"
    return "stationary", f"{what} is flat at this very point: its derivative at {number(x)} is 0"


def _said(clause: str, edge: Edge, values: list[float], names: Names) -> str:
    """A clause of the table with names and numbers in it."""
    node, other = edge.user, None
    if len(values) == 2:
        other = node.arguments[1 - edge.place]
        other = f"{names[other]} = {number(other.value)}" if isinstance(other, Variable) else number(other)
    numbers = map(number, values)
    return clause.format(*numbers, node=names.at(node), y=number(node.value), x=number(values[edge.place]), other=other)


def softmax_unit(node: Variable, names: Names) -> str:
    """The clause about a share that has rounded to 1."""
    assert isinstance(share.flat, tuple)
    return share.flat[1].format(node=names.at(node), y=number(node.value))


def _where(edge: Edge, values: list[float], names: Names) -> Finding:
    condition = edge.user.arguments[0]
    if isinstance(condition, Variable) and condition.primitive is hold:  # only `norm` is made like that
        return "kink", f"{names.at(edge.user)} is a norm at the origin, where its gradient counts as 0"
    if edge.place == 0:
        return "flat", f"{names.at(edge.user)} depends on it only through the condition, a choice that has derivative 0"
    branch = "first" if values[0] != 0.0 else "second"
    return (
        "untaken branch",
        f"{names.at(edge.user)} took the {branch} branch, since its condition is {number(values[0])}",
    )


def _product(edge: Edge, names: Names) -> Finding:
    other = edge.user.arguments[1 - edge.place]
    named = names[other] if isinstance(other, Variable) else "a factor"
    dead = isinstance(other, Variable) and other.primitive is relu
    dead_relu = " (a dead relu)" if dead else ""
    return "zero factor", f"in {names.at(edge.user)}, {named} is 0{dead_relu}: that is the derivative"
