"""A derivation as the lines of an `aligned` block."""

import re
from typing import Any

from autograd_lite.see.labels import visible
from autograd_lite.see.report import counted
from autograd_lite.see.ways import Path, Ways, shortened
from autograd_lite.variable import Variable

_SPECIAL = {"\\": r"\backslash{}", "~": r"\sim{}", "^": r"\hat{}", " ": r"\ ", **{c: f"\\{c}" for c in "{}$&#%_"}}


def symbol(name: str) -> str:
    r"""Return a name in mathematics: a letter with an index, or upright.

    >>> symbol("x"), symbol("n12"), symbol("loss_1")
    ('x', 'n_{12}', '\\mathrm{loss\\_1}')
    """
    if match := re.fullmatch(r"([A-Za-z])(\d*)", name):
        return f"{match[1]}_{{{match[2]}}}" if match[2] else match[1]
    return r"\mathrm{" + "".join(_SPECIAL.get(c, c) for c in name) + "}"


def number(x: float, *, factor: bool = False) -> str:
    r"""Return `x` to five digits; in parentheses where a sign would meet another.

    >>> number(0.5), number(-2.0, factor=True), number(1e-9)
    ('0.5', '(-2)', '10^{-9}')
    """
    mantissa, _, exponent = f"{x:.5g}".replace("inf", r"\infty").replace("nan", r"\mathrm{nan}").partition("e")
    ten = f"10^{{{int(exponent)}}}" if exponent else ""
    text = (
        mantissa.removesuffix("1") + ten
        if mantissa in ("1", "-1") and ten
        else mantissa + (r" \cdot " + ten) * bool(ten)
    )
    return f"({text})" if factor and text.startswith("-") else text


def graph(ways: Ways, most: int) -> list[str]:
    """Return the value of each node, then each adjoint as the sum over the users of the node."""
    symbols = {node: symbol(ways.names[node]) for node in ways.order}
    lines = []
    for node in ways.order:
        operation = _operation(node, symbols)
        lines.append(f"{symbols[node]} &= " + (f"{operation} = " if operation else "") + number(node.value))
    for node in ways.nodes:
        terms = [
            rf"{_bar(symbols[edge.user])} \cdot {number(edge.local, factor=True)}"
            for edge in ways.arriving.get(node, ())
        ]
        sum_ = " + ".join(shortened(terms, 8)).replace("...", r"\ldots") + " = " if terms else ""
        lines.append(f"{_bar(symbols[node])} &= {sum_}{number(ways.adjoints.get(node, 0.0))}")
    half = most // 2
    return lines if len(lines) <= most else [*lines[:half], r"&\vdots", *lines[-half:]]


def paths(ways: Ways, top: int) -> list[str]:
    """Return dy/dx as a sum of products of local derivatives, with symbols, with numbers, and as a number."""
    assert ways.x is not None
    y, x = symbol(ways.names[ways.y]), symbol(ways.names[ways.x])
    left = rf"\frac{{\partial {y}}}{{\partial {x}}} &= "
    if not ways.connected:
        return [left + "0"]
    found = ways.top(top)
    rest = ways.number - len(found)
    more = [rf"\text{{({counted(rest, 'more path')})}}"] if rest else []
    total = ways.adjoints.get(ways.x, 0.0)
    lines = []
    for i, form in enumerate((_symbols, _numbers)):
        sums = [form(path, ways.names) for path in found] + more
        lines.append((left if i == 0 else "&= ") + "\n  + ".join(sums))
    return [*lines, f"&= {number(total)}"]


def _symbols(path: Path, names: Any) -> str:
    parts = [rf"\frac{{\partial {symbol(names[e.user])}}}{{\partial {symbol(names[e.argument])}}}" for e in path.edges]
    return r" \, ".join(shortened(parts, 8)).replace("...", r"\ldots") or "1"


def _numbers(path: Path, names: Any) -> str:  # noqa: ARG001 - called like the other
    parts = [number(edge.factor, factor=True) for edge in path.edges]
    return r" \cdot ".join(shortened(parts, 8)).replace("...", r"\ldots") or "1"


def _operation(node: Variable, symbols: dict[Variable, str]) -> str:
    arguments = [symbols[a] if isinstance(a, Variable) else number(a, factor=True) for a in node.arguments]
    if node.primitive is None:
        return rf"\operatorname{{hand\text{{-}}made}}({', '.join(arguments)})" if arguments else ""
    try:
        if node.primitive.latex:
            return node.primitive.latex.format(*arguments)
    except (IndexError, KeyError, ValueError):  # a user's own template that does not fit
        pass
    name = "".join(_SPECIAL.get(c, c) for c in visible(node.primitive.name))
    return rf"\operatorname{{{name}}}({', '.join(arguments)})"


def _bar(text: str) -> str:
    return rf"\overline{{{text}}}"
