"""Tapes as equations in LaTeX."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import copysign, isinf, isnan

from autograd_lite.errors import PrimitiveError
from autograd_lite.primitives import Primitive
from autograd_lite.tape.tape import Tape
from autograd_lite.tape.text.language import Language, on_one_line

_GREEK = re.compile(
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|phi|chi|psi|omega"
)
_RELATIONS = {"lt": "<", "le": r"\le", "gt": ">", "ge": r"\ge", "eq": "=", "ne": r"\ne"}
_DELIMITED = re.compile(r"(^|[{(\[|,:?]|\\[lr](floor|ceil)|\\,)\s*$")  # what stands after it needs no parentheses
_BINDS = re.compile(r"\s*[\^_!']")  # except before this


def _decimal(number: float) -> str:
    sign = "-" if copysign(1.0, number) < 0.0 else ""
    if isnan(number) or isinf(number):
        return r"\mathrm{NaN}" if isnan(number) else rf"{sign}\infty"
    digits, _, exponent = repr(abs(number)).partition("e")
    digits = digits.removesuffix(".0")
    power = f"10^{{{int(exponent)}}}" if exponent else ""
    return sign + (power if power and digits == "1" else rf"{digits} \times {power}" if power else digits)


@lru_cache
def _pieces(name: str, template: str, arity: int) -> list[tuple[str, int, bool]]:
    """A rule's LaTeX cut at its arguments: the text before, which argument, whether a sum there needs parentheses."""
    marks = [chr(0xE000 + k) for k in range(arity)]
    try:
        text = template.format(*marks) if template else rf"\operatorname{{{_escaped(name)}}}({', '.join(marks)})"
    except (IndexError, KeyError, ValueError, AttributeError) as error:
        raise PrimitiveError(
            f"latex={template!r} of {name!r} is no template: write {{0}}, {{1}} for the arguments and "
            "{{ }} for braces."
        ) from error
    cut = re.split(f"([{''.join(marks)}])", text)
    return [
        (before, ord(mark) - 0xE000, not _DELIMITED.search(before) or bool(_BINDS.match(after)))
        for before, mark, after in zip(cut[::2], cut[1::2], cut[2::2], strict=False)
    ] + [(cut[-1], -1, False)]


def _in_latex(primitive: Primitive, terms: Sequence[str]) -> str:
    text = ""
    for before, which, closed in _pieces(primitive.name, primitive.latex, primitive.arity):
        term = terms[which] if which >= 0 else ""
        text += before + (f"({term})" if closed and (term.startswith("-") or "10^" in term) else term)
    return text


def _symbol(name: str, seen: Counter[str]) -> str:
    """An input's name with indices as subscripts: w[0, 2] is w_{0,2}; equal names are counted."""
    base, *indices = re.sub(r"[\[\](), '\"]+", " ", name).split() or ["x"]
    found = re.fullmatch(r"(.+?)_?(\d+)", base)
    if found:
        base, indices = found[1], [found[2], *indices]
    seen[name := f"{base} {indices}"] += 1
    subscripts = [_word(index) for index in indices] + [f"({seen[name]})"] * (seen[name] > 1)
    return f"{_word(base)}_{{{','.join(subscripts)}}}" if subscripts else _word(base)


def _word(text: str) -> str:
    """A letter, a number or a Greek letter as it is; else upright."""
    if text.isdecimal() or (len(text) == 1 and text.isalpha()):
        return text
    if _GREEK.fullmatch(text):
        return f"\\{text}"
    return rf"\mathrm{{{_escaped(text)}}}"


def _escaped(text: str) -> str:
    return re.sub(r"[_{}#&%$]", r"\\\g<0>", re.sub(r"[\\^~]", "?", on_one_line(text)))


def equations(tape: Tape) -> Iterator[str]:
    """The `aligned` environment of a tape."""
    seen: Counter[str] = Counter()
    inputs = [_symbol(name, seen) for name in tape.input_names]
    free = [letter for letter in "vutsrqponm" if not any(symbol.startswith(f"{letter}_{{") for symbol in inputs)]
    language = Language(
        _in_latex,
        _decimal,
        lambda _, guard, left, right: (
            rf"&\text{{given {'' if guard.outcome else 'not '}}}{left} {_RELATIONS[guard.relation]} {right}"
        ),
        line="{} &= {}",
        slot=(free or ["v'"])[0] + "_{{{}}}",
    )
    program = tape.program
    terms = language.terms(program, inputs)
    result = "y" if not any(symbol.startswith("y_{") for symbol in inputs) else "y'"
    lines = [
        *language.statements(program, terms),
        *(f"{result}_{{{k}}} &= {terms[s]}" for k, s in enumerate(program.outputs)),
    ]
    yield r"\begin{aligned}"
    yield " \\\\\n".join(lines)
    yield r"\end{aligned}"
