"""Why a local gradient is zero or small: the cause, and what to say of it, by operation."""

from collections.abc import Callable
from typing import Any

from autograd_lite.see.graph import Edge, Names
from autograd_lite.see.labels import number, operation
from autograd_lite.variable import Variable

#: When several paths are blocked for different reasons, the one that is named first.
PRECEDENCE = (
    "dead relu", "saturated", "untaken branch", "flat", "zero factor", "stationary", "kink", "hand-made", "stopped",
)  # fmt: skip

#: Operations whose derivative dies away with the argument.
SATURATING = frozenset({
    "sigmoid", "tanh", "erf", "erfc", "exp", "exp2", "expm1", "softplus", "logaddexp", "sigmoid_slope", "sech_squared",
    "atan", "atan2", "clip", "share", "log_of_excess", "softsign",
    "log", "log1p", "log2", "log10", "inv", "asinh", "acosh", "cbrt", "sqrt", "sinc",
})  # fmt: skip

#: Piecewise constant: derivative 0 wherever there is one.
STEPS = frozenset({"floor", "ceil", "trunc", "round", "step", "sign", "less", "floordiv"})

#: Beyond this size of the argument a derivative 0 is the far end of a curve and not its top or bottom.
FAR = 3.0

Finding = tuple[str, str]  # the cause, and a clause that says it


def zero(edge: Edge, names: Names) -> Finding:
    """Say why the local gradient of an edge is 0."""
    node = edge.user
    if node.primitive is None:
        return "hand-made", f"{names.at(node)} was given the local gradient 0 by hand"
    values = [_value(a) for a in node.arguments]
    special = _SPECIAL.get(node.primitive.name)
    finding = special(edge, values, names) if special else None
    if finding:
        return finding
    what, x = names.at(node), values[edge.place]
    if node.primitive.name in STEPS:
        return "flat", f"{what} is a step function: its derivative is 0 wherever it has one"
    if node.primitive.name in SATURATING and abs(x) > FAR:
        return "saturated", f"{what} is saturated: at {number(x)} its slope is below the smallest float"
    if not callable(node.primitive.partials[edge.place]):
        return "flat", f"the rule of {operation(node)} says that {what} does not depend on argument {edge.place}"
    return "stationary", f"{what} is flat at this very point: its derivative at {number(x)} is 0"


def _value(argument: Any) -> float:
    return float(getattr(argument, "value", argument))


def _relu(edge: Edge, values: list[float], names: Names) -> Finding | None:
    slope = f" and the slope there is {number(values[1])}" if len(values) > 1 else ""
    if edge.place > 0:
        return "untaken branch", f"{names.at(edge.user)} got {number(values[0])} > 0 and did not use its slope"
    return "dead relu", f"{names.at(edge.user)} got {number(values[0])} ≤ 0{slope}: it is dead here"


def _extremum(edge: Edge, values: list[float], names: Names) -> Finding | None:
    other = edge.user.arguments[1 - edge.place]
    what = "larger" if edge.user.primitive is not None and edge.user.primitive.name == "maximum" else "smaller"
    taken = f"{names[other]} = {number(other.value)}" if isinstance(other, Variable) else number(other)
    return "untaken branch", f"{names.at(edge.user)} took {taken}, the {what}, and not {number(values[edge.place])}"


def _clip(edge: Edge, values: list[float], names: Names) -> Finding | None:
    x, lower, upper = values
    if edge.place > 0:
        return "untaken branch", f"{names.at(edge.user)} did not reach that bound: it got {number(x)}"
    return "saturated", f"{names.at(edge.user)} got {number(x)}, which is not inside {number(lower)} … {number(upper)}"


def _where(edge: Edge, values: list[float], names: Names) -> Finding | None:
    condition = edge.user.arguments[0]
    if isinstance(condition, Variable) and operation(condition) == "hold":  # only `norm` is made like that
        return "kink", f"{names.at(edge.user)} is a norm at the origin, where its gradient counts as 0"
    if edge.place == 0:
        return "flat", f"{names.at(edge.user)} depends on it only through the condition, a choice that has derivative 0"
    branch = "first" if values[0] != 0.0 else "second"
    return (
        "untaken branch",
        f"{names.at(edge.user)} took the {branch} branch, since its condition is {number(values[0])}",
    )


def _product(edge: Edge, values: list[float], names: Names) -> Finding | None:  # noqa: ARG001 - called like the others
    other = edge.user.arguments[1 - edge.place]
    named = names[other] if isinstance(other, Variable) else "a factor"
    dead = isinstance(other, Variable) and other.primitive is not None and other.primitive.name == "relu"
    dead_relu = " (a dead relu)" if dead else ""
    return "zero factor", f"in {names.at(edge.user)}, {named} is 0{dead_relu}: that is the derivative"


def _quotient(edge: Edge, values: list[float], names: Names) -> Finding | None:
    if edge.place == 0:
        return "zero factor", f"{names.at(edge.user)} divides by {number(values[1])}"
    if values[0] == 0.0:
        return "zero factor", f"in {names.at(edge.user)}, the numerator is 0, so the denominator changes nothing"
    return "saturated", f"{names.at(edge.user)} divides by {number(values[1])}: too large to matter"


def _power(edge: Edge, values: list[float], names: Names) -> Finding | None:
    base, exponent = values
    if edge.place == 0 and exponent == 0.0:
        return "flat", f"{names.at(edge.user)} is 1 for every base"
    if edge.place == 1 and base == 0.0:
        return "kink", f"{names.at(edge.user)} has base 0, where the derivative by the exponent counts as 0"
    if edge.user.value == 0.0 and base != 0.0:
        return "saturated", f"{names.at(edge.user)} underflows to 0"
    return None


def _at_origin(edge: Edge, values: list[float], names: Names) -> Finding | None:
    if any(values):
        return None
    return "kink", f"{names.at(edge.user)} stands on its kink at 0, where the derivative counts as 0"


def _copysign(edge: Edge, values: list[float], names: Names) -> Finding | None:
    if edge.place == 1:
        return "flat", f"{names.at(edge.user)} takes only the sign of it"
    return _at_origin(edge, [values[0]], names)


def _mod(edge: Edge, values: list[float], names: Names) -> Finding | None:
    return "flat", f"{names.at(edge.user)} is {number(values[0])} itself: {number(values[1])} goes into it 0 times"


def _xlogy(edge: Edge, values: list[float], names: Names) -> Finding | None:
    if edge.place == 1 and values[0] == 0.0:
        return "zero factor", f"in {names.at(edge.user)}, the factor in front of the logarithm is 0"
    return None


def _hold(edge: Edge, values: list[float], names: Names) -> Finding | None:  # noqa: ARG001 - called like the others
    return (
        "stopped",
        f"{names.at(edge.user)} is held constant on purpose (stop_gradient, or hold inside norm and softmax)",
    )


def softmax_unit(node: Variable, names: Names) -> str:
    """The clause about a share that has rounded to 1."""
    return f"{names.at(node)} is {number(node.value)}: a saturated unit of softmax, which lost all others"


def _share(edge: Edge, values: list[float], names: Names) -> Finding | None:  # noqa: ARG001 - called like the others
    return "saturated", softmax_unit(edge.user, names)


def _lost(edge: Edge, values: list[float], names: Names) -> Finding | None:
    return "saturated", (
        f"{names.at(edge.user)} has lost its argument {number(values[edge.place])} against {number(values[1 - edge.place])}"
    )


_SPECIAL: dict[str, Callable[[Edge, list[float], Names], Finding | None]] = {
    "relu": _relu,
    "leaky_relu": _relu,
    "maximum": _extremum,
    "minimum": _extremum,
    "clip": _clip,
    "where": _where,
    "mul": _product,
    "div": _quotient,
    "pow": _power,
    "abs": _at_origin,
    "hypot": _at_origin,
    "atan2": _at_origin,
    "copysign": _copysign,
    "mod": _mod,
    "xlogy": _xlogy,
    "hold": _hold,
    "logaddexp": _lost,
    "share": _share,
}
