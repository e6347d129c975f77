"""The formula of a node in mathematical notation, as a tree whose parts a page can light: `1 / (exp(−(w · x + b)) + 1)`."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from autograd_lite.see.graph import Graph
from autograd_lite.see.labels import rule_name, short, visible
from autograd_lite.variable import Variable

#: A node as `[place, part, …]`; a part is a text, a tree, or `["^", part]`: an exponent.
Tree = list[Any]

#: In letters: a formula that would be longer gives its longest part a formula of its own.
LENGTH = 110
#: How it is written, how tightly it binds, and how tightly each argument must bind to stand without brackets.
FORMS = {
    "add": ("{} + {}", 1, (1, 2)),
    "sub": ("{} − {}", 1, (1, 2)),
    "mul": ("{} · {}", 2, (2, 3)),
    "div": ("{} / {}", 2, (2, 3)),
    "mod": ("{} mod {}", 0, (3, 3)),  # a reader could not tell how tightly it binds
    "floordiv": ("{} // {}", 1, (2, 3)),  # −(x // y) is not −x // y
    "neg": ("−{}", 1, (2,)),
    "inv": ("1 / {}", 2, (3,)),
    "pow": ("{}^{}", 3, (4, 0)),
}
ATOM = 4


class Term(NamedTuple):
    """Part of a formula: what is written, how tightly it binds, its letters."""

    parts: Sequence[Any]
    binding: int = ATOM
    length: int = 0


class Definition(NamedTuple):
    """A node that has a formula of its own, in which other such nodes stand by their names."""

    place: int
    name: str
    tree: Tree


def number(x: float) -> str:
    """Return a number to four digits in mathematical notation, as the page writes it.

    >>> number(-0.25), number(3e7), number(123456.0), number(float("inf"))
    ('−0.25', '3e7', '123500', '∞')
    """
    if not math.isfinite(x):
        text = "NaN" if math.isnan(x) else "∞" if x > 0 else "-∞"
    elif x == 0.0 or 1e-4 <= abs(x) < 1e6:
        text = f"{float(short(x)):.10g}"
    else:
        mantissa, exponent = f"{x:.3e}".split("e")
        text = f"{float(mantissa):g}e{int(exponent)}"
    return text.replace("-", "−")


def written(node: Variable, operand: Callable[[Variable], Term]) -> Term:
    """Return the operation of a node with its operands; a number among them is written to four digits."""
    terms = [operand(a) if isinstance(a, Variable) else _constant(float(a)) for a in node.arguments]
    name = rule_name(node)
    form, binding, least = FORMS.get(name, ("", ATOM, ()))
    if len(least) != len(terms):
        parts: list[Any] = [visible(name) or "by hand", "("]
        for k, term in enumerate(terms):
            parts += [", "] * (k > 0) + [*term.parts]
        return Term([*parts, ")"], ATOM, sum(t.length + 2 for t in terms) + len(parts[0]))
    bracketed = [
        term.parts if term.binding >= need else ["(", *term.parts, ")"] for term, need in zip(terms, least, strict=True)
    ]
    between = form.split("{}")
    parts = [between[0], *bracketed[0]]
    for text, operand_ in zip(between[1:], [*bracketed[1:], ()], strict=True):
        parts += [["^", *operand_]] if text == "^" else [text, *operand_]
    return Term([part for part in parts if part != ""], binding, sum(t.length for t in terms) + len(form))


def _constant(x: float) -> Term:
    text = number(x)
    return Term([text], 1 if text.startswith("−") else ATOM, len(text))


def plain(parts: Sequence[Any]) -> str:
    """Return the text of a term or of a tree without its places, with brackets around a long exponent.

    >>> plain(["(", [0, "x"], " + ", "1", ")", ["^", "2"]]), plain(["x", ["^", "a", " + ", "b"]])
    ('(x + 1)^2', 'x^(a + b)')
    """
    texts = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, list):
            inner = plain(part[1:])
            texts.append(inner if part[0] != "^" else f"^({inner})" if " " in inner else f"^{inner}")
    return "".join(texts)


def definitions(graph: Graph, drawn: Sequence[int], named: Callable[[Variable], str]) -> list[Definition]:
    """Return the formulas of the outputs, of inner nodes that the user named, and of those used more than once.

    Together they hold each drawn node once. Time and memory grow linearly.
    """
    index = {i: place for place, i in enumerate(drawn)}
    uses = Counter(j for i in drawn for j in graph.parents[i])
    apart = {i for i in drawn if graph.parents[i] and (i in graph.ends or graph.nodes[i].name or uses[i] != 1)}
    whole: dict[int, Term] = {}

    def operand(argument: Variable) -> Term:
        j = graph.position[id(argument)]
        if j in whole and j not in apart:
            term = whole[j]
            return Term([[index[j], *term.parts]], term.binding, term.length)
        name = named(argument)
        return Term([[index.get(j), name]], ATOM, len(name))

    for i in drawn:
        if not graph.parents[i]:
            continue
        term = written(graph.nodes[i], operand)
        while term.length > LENGTH:
            inner = {j for j in graph.parents[i] if j in whole and j not in apart}
            if not inner:
                break
            apart.add(max(inner, key=lambda j: (whole[j].length, j)))
            term = written(graph.nodes[i], operand)
        whole[i] = term
    found = [Definition(index[i], named(graph.nodes[i]), [index[i], *whole[i].parts]) for i in drawn if i in apart]
    alone = [
        Definition(index[i], name := named(graph.nodes[i]), [index[i], name]) for i in graph.ends if i not in whole
    ]
    return found + alone
