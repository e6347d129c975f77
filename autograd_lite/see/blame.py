"""The origin of the first NaN or infinity, and its cure: a table by operation and situation, first match first."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from autograd_lite.context import unnoticed
from autograd_lite.see.graph import Graph, Ways
from autograd_lite.see.labels import Report, check_variable, counted, number, operation, rule_name, shortened, values_of
from autograd_lite.variable import Variable

#: The table looks through these operations when it asks for the users of a node.
TRANSPARENT = ("add", "sub", "neg", "positive", "maximum", "where")


@dataclass(frozen=True, repr=False, eq=False)
class Blame(Report):
    """The answer of `blame`; `cause` names the situation, or is "none".

    Attributes
    ----------
    phase : str
        "forward" if a value is the first bad number, "backward" if a gradient is, "" if nothing is wrong.
    product : tuple of float or None
        The adjoint and the local gradient whose product failed.
    cure : str
        The formula to write instead.
    """

    phase: str = ""
    product: tuple[float, float] | None = None
    cure: str = ""


def blame(y: Variable) -> Blame:
    """Find the origin of the first NaN or infinity under `y`, in a value or in a gradient of the reverse sweep.

    Parameters
    ----------
    y : Variable
        The output.

    Returns
    -------
    Blame
        Prints itself: a sentence, then the inputs, the product that failed and a formula that cures it. `nodes[0]` is
        the node of the origin, `location` its line if it was made inside `record_locations`.

    Notes
    -----
    Time grows linearly with the graph. Numbers that are not finite and do no harm, such as in a branch that was not taken,
    are not blamed. An infinity may vanish in the value (1/inf) and still spoil the gradient: then its own origin is named.

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
        for i in reversed(range(len(graph.nodes))):
            if not math.isfinite(graph.adjoints.get(i, 0.0)):
                return _backward(graph, i)
        sentence = f"Nothing to blame: {graph.names[y]} and its {counted(len(graph.adjoints), 'gradient')} are finite."
        idle = sum(not math.isfinite(node.value) for node in graph.nodes)
        harmless = f"Not finite, but without harm: {counted(idle, 'node')} that nothing comes back from."
        return Blame("none", sentence, (harmless,) if idle else ())


def _origin(graph: Graph, node: Variable) -> Variable:
    """The oldest node under `node` that is not finite although its arguments are."""
    suspects, born = {graph.position[id(node)]}, node
    for i in range(min(suspects), -1, -1):
        if i in suspects:
            here, parents = graph.nodes[i], graph.parents[i]
            if rule_name(here) == "where":  # the condition and the branch taken
                chosen, first, second = here.arguments
                taken = first if getattr(chosen, "value", chosen) != 0.0 else second
                parents = [graph.position[id(a)] for a in (chosen, taken) if isinstance(a, Variable)]
            bad = [p for p in parents if not math.isfinite(graph.nodes[p].value)]
            suspects.update(bad)
            born = born if bad else here
    return born


def _forward(graph: Graph, born: Variable, head: str, product: tuple[float, float] | None) -> Blame:
    """The first bad number is a value; with `product`, it spoiled only the reverse sweep."""
    cause, rewrite = cure(Birth(born, _users(graph, born)))
    evidence = [*_failed(product), *_inputs(graph, born), f"cure: {rewrite}."]
    if nodes := Ways(graph.nodes[-1], born).top(1)[0].nodes[::-1]:
        evidence.append(f"from there: {' -> '.join(shortened(nodes, 8, graph.names.__getitem__))}")
    which = f", which is {born.value}" if operation(born) or product is not None else ""
    phase = "forward" if product is None else "backward"
    return Blame(cause, f"{head}{which}: {cause}.", tuple(evidence), (born,), None, phase, product, rewrite)


def _backward(graph: Graph, i: int) -> Blame:
    """All values that matter are finite; the adjoint of the node at `i` is the first in the sweep that is not."""
    names, adjoints, node, y = graph.names, graph.adjoints, graph.nodes[i], graph.nodes[-1]
    head = f"{names[y]} is {number(y.value)}, but its derivative by {names[node]} is {adjoints[i]}"
    edges = graph.arriving.get(i, [])
    edge = next((e for e in edges if not math.isfinite(e.local * adjoints[e.i])), None)
    if edge is None:  # finite products that add up to more than the largest float
        sentence = f"{head}: {counted(len(edges), 'product')} add up to more than 1.8e308."
        cause, rewrite = "overflow in the sweep", "scale the loss down"
        return Blame(cause, sentence, (f"cure: {rewrite}.",), (node,), None, "backward", None, rewrite)
    born = edge.user
    product = (adjoints[edge.i], edge.local)
    if math.isfinite(edge.local):
        cause, rewrite = "overflow in the sweep", "scale the loss or the inputs down"
    else:
        bad = next((n for n in (*born.parents, born) if not math.isfinite(n.value)), None)
        if bad is not None:
            origin = _origin(graph, bad)
            return _forward(graph, origin, f"{head}; it comes from {names.at(origin)}", product)
        cause, rewrite = cure(Birth(born, _users(graph, born), product[0]))
    sentence = f"{head}; it was born in {names.at(born)}: {cause}."
    evidence = (*_inputs(graph, born), *_failed(product), f"cure: {rewrite}.")
    return Blame(cause, sentence, evidence, (born, node), None, "backward", product, rewrite)


def _failed(product: tuple[float, float] | None) -> list[str]:
    if product is None:
        return []
    a, b = product
    return [f"the product that failed: {number(a)} × {number(b)} = {a * b}, adjoint × local gradient"]


def _inputs(graph: Graph, node: Variable) -> list[str]:
    parents = [graph.nodes[j] for j in dict.fromkeys(graph.parents[graph.position[id(node)]])]
    inputs = [f"{graph.names[parent]} = {parent.value!r}" for parent in parents]
    return [f"inputs: {', '.join(inputs)}"] if inputs else []


def _users(graph: Graph, node: Variable) -> list[Variable]:
    """The nodes that use the result of `node`, directly or through sums and similar operations."""
    users = []
    carriers = {start := graph.position[id(node)]}
    for i in range(start + 1, len(graph.nodes)):
        if not carriers.isdisjoint(graph.parents[i]):
            users.append(graph.nodes[i])
            if rule_name(graph.nodes[i]) in TRANSPARENT:
                carriers.add(i)
    return users


class Birth(NamedTuple):
    """A node with a bad value, or with a bad local gradient that met `adjoint`; `users` are the nodes that took it."""

    node: Variable
    users: list[Variable]
    adjoint: float | None = None

    @property
    def values(self) -> tuple[float, ...]:
        return values_of(self.node)

    @property
    def x(self) -> float:
        return self.values[0]

    def made_by(self, *names: str, argument: int = 0) -> bool:
        return rule_name(self.node.arguments[argument]) in names

    def chosen_of(self, *names: str) -> bool:
        """Whether the first argument was chosen by `where` among these operations, as the units of `softmax` are."""
        chosen = self.node.arguments[0]
        return rule_name(chosen) == "where" and {rule_name(a) for a in chosen.arguments[1:]} == set(names)

    def sums(self, *names: str) -> bool:
        """Whether the first argument is the result of one of these operations, or a sum with such a term."""
        terms = [self.node.arguments[0]]
        for term in terms:  # which grows
            if rule_name(term) in ("add", "sub") and len(terms) < 200:
                terms += term.arguments
        return any(rule_name(term) in names for term in terms)

    def used_by(self, *names: str) -> bool:
        return any(rule_name(user) in names for user in self.users)

    def meets_zero(self) -> bool:
        return any(0.0 in values_of(user) for user in self.users if rule_name(user) == "mul")


class Cure(NamedTuple):
    """A row: the operations, the situation, its name, and the formula to write instead."""

    operations: tuple[str, ...]
    when: Callable[[Birth], bool]
    cause: str
    rewrite: str


LOGARITHMS = ("log", "log2", "log10")
EXPONENTIALS = ("exp", "exp2", "expm1")
SQUARES = ("square", "mul", "pow")

#: When a value is infinite or NaN although what went in was finite.
FORWARD = (
    Cure(LOGARITHMS, lambda b: b.x == 0.0 and b.meets_zero(), "log at 0", "write xlogy(p, p) for p·log p: 0 at p = 0"),
    Cure(LOGARITHMS, lambda b: b.x == 0.0 and b.sums("sigmoid"), "log at 0",
        "write -softplus(-x) for log(sigmoid(x)), and -softplus(x) for log(1 - sigmoid(x))"),
    Cure(LOGARITHMS, lambda b: b.x == 0.0 and (b.made_by("div") or b.chosen_of("share", "div")), "log at 0",
        "write log_softmax(x) for the log of a softmax, log a - log b for the log of another quotient"),
    Cure(LOGARITHMS, lambda b: b.x == 0.0 and b.sums(*EXPONENTIALS), "log at 0",
        "write logsumexp([a, b, …]) for the log of a sum of exponentials"),
    Cure(LOGARITHMS, lambda b: b.x == 0.0, "log at 0",
        "keep x positive: maximum(x, 1e-300), or log1p(t) if log(1 + t) was meant"),
    Cure(LOGARITHMS, lambda b: b.x < 0.0, "log of a negative number",
        "keep x positive, or take log(abs(x)) if that was meant"),
    Cure(("log1p",), lambda b: b.x == -1.0, "log at 0", "keep x above -1 in log1p(x)"),
    Cure(("log1p",), lambda b: b.x < -1.0, "log of a negative number", "keep x above -1 in log1p(x): it is log(1 + x)"),
    Cure(EXPONENTIALS, lambda b: b.used_by("log"), "overflow of exp",
        "write softplus(x) for log(1 + exp(x)), logaddexp(a, b) or logsumexp for the log of a sum of exponentials"),
    Cure(EXPONENTIALS, lambda b: b.used_by("div", "inv"), "overflow of exp",
        "write sigmoid(x) for 1/(1 + exp(-x)), softmax(xs) for exp(x)/sum(exp(xs)), tanh(x) for quotients of "
        "exp(x) ± exp(-x)"),
    Cure(EXPONENTIALS, lambda b: b.made_by("tan"), "overflow of exp",
        "its argument stands next to a pole of tan: keep that away from π/2"),
    Cure(EXPONENTIALS, lambda _: True, "overflow of exp",
        "make the argument smaller (it ends at 709), or stay with logarithms"),
    Cure(("sinh", "cosh", "gamma"), lambda _: True, "overflow",
        "write logaddexp(x, -x) - log 2 for log(cosh x), lgamma(x) for log(gamma x)"),
    Cure(("div",), lambda b: b.values == (0.0, 0.0) and b.made_by("sin"), "0/0", "write sinc(x/π) for sin(x)/x"),
    Cure(("div",), lambda b: b.values == (0.0, 0.0) and b.made_by("hypot", "sqrt", "where", argument=1), "0/0",
        "a unit vector has no value where norm or hypot is 0: divide by where(norm, norm, 1.0)"),
    Cure(("div", "inv"), lambda b: b.values[-1] == 0.0 == b.x and len(b.values) == 2, "0/0",
        "choose with where(b, a / where(b, b, 1.0), limit): the inner where keeps 0 out of the quotient"),
    Cure(("div", "inv"), lambda b: b.values[-1] == 0.0, "division by 0",
        "choose with where(b, a / where(b, b, 1.0), other): the inner where keeps 0 out of the quotient"),
    Cure(("sqrt",), lambda b: b.x < 0.0, "root of a negative number",
        "sqrt(maximum(x, 0.0)) if rounding made it negative; a variance is mean((x - mean)²)"),
    Cure(("pow",), lambda b: b.x < 0.0 and not b.values[1].is_integer(), "power of a negative number",
        "write cbrt(x) for x**(1/3), sign(x)·abs(x)**p for other odd roots"),
    Cure(("pow",), lambda b: b.x == 0.0, "0 to a negative power", "choose with where(x, where(x, x, 1.0)**p, other)"),
    Cure(SQUARES, lambda b: b.used_by("sqrt"), "overflow",
        "write hypot(x, y) or norm([…]) for a root of squares: no square overflows there"),
    Cure(("mul",), lambda _: True, "overflow",
        "write a product of many factors as the exp of a sum of logarithms, or scale the factors"),
    Cure((*SQUARES, "div", "inv", "add", "sub"), lambda _: True, "overflow",
        "scale the numbers down; they end at 1.8e308"),
    Cure(("asin", "acos"), lambda _: True, "outside [-1, 1]", "clip(x, -1.0, 1.0) if rounding brought it there"),
    Cure(("acosh", "atanh", "digamma", "polygamma", "lgamma"), lambda _: True, "outside the domain",
        "keep the argument inside: acosh x ≥ 1, atanh |x| < 1, digamma and lgamma off 0, -1, -2, …"),
    Cure(("mod", "floordiv"), lambda b: b.values[1] == 0.0, "modulo 0",
        "choose with where(b, a % where(b, b, 1.0), other)"),
)  # fmt: skip

#: When a local gradient is infinite or NaN although value and arguments are finite.
BACKWARD = (
    Cure(("sqrt", "cbrt", "pow", "asin", "acos", "acosh"), lambda b: b.adjoint == 0.0, "0 × inf",
        "choose with where(mask, f(where(mask, x, 1.0)), 0.0) instead of multiplying by a mask: it sends nothing back"),
    Cure(("sqrt",), lambda b: b.sums(*SQUARES), "sqrt at 0",
        "write norm([…]) or hypot(x, y): the gradient at the origin is 0, the subgradient of least norm"),
    Cure(("sqrt", "cbrt"), lambda b: b.x == 0.0, "sqrt at 0",
        "choose with where(x, sqrt(where(x, x, 1.0)), 0.0), or smooth it: sqrt(x + 1e-12)"),
    Cure(("pow",), lambda b: b.x == 0.0, "power below 1 at 0",
        "choose with where(x, where(x, x, 1.0)**p, 0.0), or smooth it: (x + 1e-12)**p"),
    Cure(("asin", "acos"), lambda b: abs(b.x) == 1.0, "slope of asin at ±1",
        "clip(x, -1 + 1e-12, 1 - 1e-12), or atan2(y, x) for an angle"),
    Cure(("acosh",), lambda b: b.x == 1.0, "slope of acosh at 1",
        "choose with where(x - 1.0, acosh(where(x - 1.0, x, 2.0)), 0.0)"),
    Cure(("div", "inv", *LOGARITHMS, "log1p"), lambda _: True, "slope overflows",
        "keep the denominator away from 0: its reciprocal overflows"),
    Cure(EXPONENTIALS, lambda _: True, "overflow of exp",
        "make the argument smaller (it ends at 709), or stay with logarithms"),
)  # fmt: skip


def cure(birth: Birth) -> tuple[str, str]:
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
