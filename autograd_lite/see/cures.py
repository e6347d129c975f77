"""What makes a NaN or an infinity, and the rewrite that cures it: a table by operation and situation, first match first."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from autograd_lite.variable import Variable


@dataclass(frozen=True)
class Birth:
    """The node that something infinite or NaN came out of.

    `users` are the nodes that it was handed to; `adjoint` is what the sweep brought, None if the value itself is bad.
    """

    node: Variable
    users: tuple[Variable, ...]
    adjoint: float | None = None

    @property
    def values(self) -> tuple[float, ...]:
        """The numbers that the operation got."""
        return tuple(float(getattr(a, "value", a)) for a in self.node.arguments)

    @property
    def x(self) -> float:
        """The first of them."""
        return self.values[0]

    def made_by(self, *names: str, argument: int = 0) -> bool:
        """Whether an argument came straight out of one of these operations."""
        return operation_name(self.node.arguments[argument]) in names

    def chosen_of(self, *names: str) -> bool:
        """Whether the first argument was chosen by `where` among these operations, as the units of `softmax` are."""
        chosen = self.node.arguments[0]
        return operation_name(chosen) == "where" and {operation_name(a) for a in chosen.arguments[1:]} == set(names)

    def sums(self, *names: str, argument: int = 0) -> bool:
        """Whether an argument is a sum with a term out of one of these operations, or such a term itself."""
        return _is_sum(self.node.arguments[argument], names)

    def used_by(self, *names: str) -> bool:
        """Whether one of these operations takes it, straight or out of sums and negations."""
        return any(operation_name(user) in names for user in self.users)

    def meets_zero(self) -> bool:
        """Whether it is multiplied by 0 further on."""
        products = (user for user in self.users if operation_name(user) == "mul")
        return any(float(getattr(a, "value", a)) == 0.0 for user in products for a in user.arguments)


def operation_name(thing: Any) -> str:
    """Return the name of the primitive that made it; empty for numbers and leaves."""
    return thing.primitive.name if isinstance(thing, Variable) and thing.primitive is not None else ""


def _is_sum(thing: Any, names: tuple[str, ...]) -> bool:
    terms = [thing]
    for term in terms:
        if operation_name(term) in names:
            return True
        if operation_name(term) in ("add", "sub") and len(terms) < 200:
            terms += term.arguments
    return False


@dataclass(frozen=True)
class Cure:
    """A row: the operations, the situation, its name, and what to write instead."""

    operations: tuple[str, ...]
    when: Callable[[Birth], bool]
    cause: str
    rewrite: str


LOGARITHMS = ("log", "log2", "log10")
EXPONENTIALS = ("exp", "exp2", "expm1")
SQUARES = ("square", "mul", "pow")

#: When a value is infinite or NaN although what went in was finite.
FORWARD = (
    Cure(
        LOGARITHMS, lambda b: b.x == 0.0 and b.meets_zero(), "log at 0",
        "write xlogy(p, p) for p·log p: 0 at p = 0",
    ),
    Cure(
        LOGARITHMS, lambda b: b.x == 0.0 and b.sums("sigmoid"), "log at 0",
        "write -softplus(-x) for log(sigmoid(x)), and -softplus(x) for log(1 - sigmoid(x))",
    ),
    Cure(
        LOGARITHMS, lambda b: b.x == 0.0 and (b.made_by("div") or b.chosen_of("share", "div")), "log at 0",
        "write log_softmax(x) for the log of a softmax, log a - log b for the log of another quotient",
    ),
    Cure(
        LOGARITHMS, lambda b: b.x == 0.0 and b.sums(*EXPONENTIALS), "log at 0",
        "write logsumexp([a, b, …]) for the log of a sum of exponentials",
    ),
    Cure(
        LOGARITHMS, lambda b: b.x == 0.0, "log at 0",
        "keep x positive: maximum(x, 1e-300), or log1p(t) if log(1 + t) was meant",
    ),
    Cure(
        LOGARITHMS, lambda b: b.x < 0.0, "log of a negative number",
        "keep x positive, or take log(abs(x)) if that was meant",
    ),
    Cure(("log1p",), lambda b: b.x == -1.0, "log at 0", "keep x above -1 in log1p(x)"),
    Cure(
        ("log1p",), lambda b: b.x < -1.0, "log of a negative number",
        "keep x above -1 in log1p(x): it is log(1 + x)",
    ),
    Cure(
        EXPONENTIALS, lambda b: b.used_by("log"), "overflow of exp",
        "write softplus(x) for log(1 + exp(x)), logaddexp(a, b) or logsumexp for the log of a sum of exponentials",
    ),
    Cure(
        EXPONENTIALS, lambda b: b.used_by("div", "inv"), "overflow of exp",
        "write sigmoid(x) for 1/(1 + exp(-x)), softmax(xs) for exp(x)/sum(exp(xs)), tanh(x) for quotients of "
        "exp(x) ± exp(-x)",
    ),
    Cure(
        EXPONENTIALS, lambda b: b.made_by("tan"), "overflow of exp",
        "its argument stands next to a pole of tan: keep that away from π/2",
    ),
    Cure(
        EXPONENTIALS, lambda _: True, "overflow of exp",
        "make the argument smaller (it ends at 709), or stay with logarithms",
    ),
    Cure(
        ("sinh", "cosh", "gamma"), lambda _: True, "overflow",
        "write logaddexp(x, -x) - log 2 for log(cosh x), lgamma(x) for log(gamma x)",
    ),
    Cure(
        ("div",), lambda b: b.values == (0.0, 0.0) and b.made_by("sin"), "0/0",
        "write sinc(x/π) for sin(x)/x",
    ),
    Cure(
        ("div",), lambda b: b.values == (0.0, 0.0) and b.made_by("hypot", "sqrt", "where", argument=1), "0/0",
        "a unit vector has no value where norm or hypot is 0: divide by where(norm, norm, 1.0)",
    ),
    Cure(
        ("div", "inv"), lambda b: b.values[-1] == 0.0 == b.x and len(b.values) == 2, "0/0",
        "choose with where(b, a / where(b, b, 1.0), limit): the inner where keeps 0 out of the quotient",
    ),
    Cure(
        ("div", "inv"), lambda b: b.values[-1] == 0.0, "division by 0",
        "choose with where(b, a / where(b, b, 1.0), other): the inner where keeps 0 out of the quotient",
    ),
    Cure(
        ("sqrt",), lambda b: b.x < 0.0, "root of a negative number",
        "sqrt(maximum(x, 0.0)) if rounding made it negative; a variance is mean((x - mean)²)",
    ),
    Cure(
        ("pow",), lambda b: b.x < 0.0 and not b.values[1].is_integer(), "power of a negative number",
        "write cbrt(x) for x**(1/3), sign(x)·abs(x)**p for other odd roots",
    ),
    Cure(
        ("pow",), lambda b: b.x == 0.0, "0 to a negative power",
        "choose with where(x, where(x, x, 1.0)**p, other)",
    ),
    Cure(
        SQUARES, lambda b: b.used_by("sqrt"), "overflow",
        "write hypot(x, y) or norm([…]) for a root of squares: no square overflows there",
    ),
    Cure(
        ("mul",), lambda _: True, "overflow",
        "write a product of many factors as the exp of a sum of logarithms, or scale the factors",
    ),
    Cure(
        (*SQUARES, "div", "inv", "add", "sub"), lambda _: True, "overflow",
        "scale the numbers down; they end at 1.8e308",
    ),
    Cure(
        ("asin", "acos"), lambda _: True, "outside [-1, 1]",
        "clip(x, -1.0, 1.0) if rounding brought it there",
    ),
    Cure(
        ("acosh", "atanh", "digamma", "polygamma", "lgamma"), lambda _: True, "outside the domain",
        "keep the argument inside: acosh x ≥ 1, atanh |x| < 1, digamma and lgamma off 0, -1, -2, …",
    ),
    Cure(
        ("mod", "floordiv"), lambda b: b.values[1] == 0.0, "modulo 0",
        "choose with where(b, a % where(b, b, 1.0), other)",
    ),
)  # fmt: skip

#: When a local gradient is infinite or NaN although value and arguments are finite.
BACKWARD = (
    Cure(
        ("sqrt", "cbrt", "pow", "asin", "acos", "acosh"), lambda b: b.adjoint == 0.0, "0 × inf",
        "choose with where(mask, f(where(mask, x, 1.0)), 0.0) instead of multiplying by a mask: it sends nothing back",
    ),
    Cure(
        ("sqrt",), lambda b: b.sums(*SQUARES), "sqrt at 0",
        "write norm([…]) or hypot(x, y): the gradient at the origin is 0, the subgradient of least norm",
    ),
    Cure(
        ("sqrt", "cbrt"), lambda b: b.x == 0.0, "sqrt at 0",
        "choose with where(x, sqrt(where(x, x, 1.0)), 0.0), or smooth it: sqrt(x + 1e-12)",
    ),
    Cure(
        ("pow",), lambda b: b.x == 0.0, "power below 1 at 0",
        "choose with where(x, where(x, x, 1.0)**p, 0.0), or smooth it: (x + 1e-12)**p",
    ),
    Cure(
        ("asin", "acos"), lambda b: abs(b.x) == 1.0, "slope of asin at ±1",
        "clip(x, -1 + 1e-12, 1 - 1e-12), or atan2(y, x) for an angle",
    ),
    Cure(
        ("acosh",), lambda b: b.x == 1.0, "slope of acosh at 1",
        "choose with where(x - 1.0, acosh(where(x - 1.0, x, 2.0)), 0.0)",
    ),
    Cure(
        ("div", "inv", *LOGARITHMS, "log1p"), lambda _: True, "slope overflows",
        "keep the denominator away from 0: its reciprocal overflows",
    ),
    Cure(
        EXPONENTIALS, lambda _: True, "overflow of exp",
        "make the argument smaller (it ends at 709), or stay with logarithms",
    ),
)  # fmt: skip


def cure(birth: Birth) -> tuple[str, str]:
    """Return the cause of a birth and the rewrite."""
    node = birth.node
    if node.primitive is None:
        if node.arguments:
            return "hand-made", "the node was made by hand: give it finite numbers, or a Primitive with partials"
        return "bad data", "check the data before this line: the number was given, not computed"
    if birth.adjoint is None and any(not math.isfinite(v) for v in birth.values):
        return "bad data", "an infinite constant went in: check the data before this line"
    name = node.primitive.name
    for row in FORWARD if birth.adjoint is None else BACKWARD:
        if name in row.operations and row.when(birth):
            return row.cause, row.rewrite
    if not node.primitive.built_in:
        part = "value" if birth.adjoint is None else "a partial"
        return "own rule", f"{part} of primitive {name!r} is not finite here: choose with where() inside it"
    return "outside the domain", "keep the argument inside the domain, or choose with where(condition, f(safe), other)"
