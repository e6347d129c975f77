r"""A tape as text in Python, NumPy, C or LaTeX: one line an instruction.

What NumPy and C lack is first written out by its `expression`. The careful program of a tape is a second function, to which
the first hands over as a replay does; LaTeX leaves it out, since as mathematics both are the same.
"""

import keyword
import re
import textwrap
import unicodedata
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import copysign, isinf, isnan
from typing import Any

from autograd_lite import primitives as p
from autograd_lite.errors import ArgumentError, CompilationError, PrimitiveError
from autograd_lite.many import Operation
from autograd_lite.primitives import PRIMITIVES, Primitive
from autograd_lite.tape.backends.numpy import FUNCTIONS
from autograd_lite.tape.lowering import lowered
from autograd_lite.tape.program import SIGNS, Guard, Program
from autograd_lite.tape.tape import Tape

#: With more inputs than this a function of Python takes one sequence of them.
FEW = 20


@dataclass(frozen=True)
class Language:
    operation: Callable[[Primitive, Sequence[str]], str]
    constant: Callable[[float], str]
    check: Callable[[int, Guard, str, str], str]  # the lines of a guard with its number and sides
    line: str = "    {} = {}"
    slot: str = "v{}"
    native: Collection[Primitive] | None = None  # what is not written out by its expression; None is everything

    def programs(self, tape: Tape) -> list[Program]:
        """The program of a tape, and its careful program if it has one."""
        parts = [part.program for part in ([tape, tape.careful()] if tape.doubtful and tape.careful else [tape])]
        return parts if self.native is None else [lowered(part, self.native) for part in parts]

    def terms(self, program: Program, inputs: Sequence[str]) -> list[str]:
        computed = range(program.first_instruction, program.slots)
        return [*inputs, *map(self.constant, program.constants), *map(self.slot.format, computed)]

    def statements(self, program: Program, terms: Sequence[str]) -> Iterator[str]:
        """Instructions, and each guard as soon as its sides and all guards before it are there."""
        waiting = deque(enumerate(program.guards, start=1))
        for slot in range(program.first_instruction, program.slots + 1):
            while waiting and max(waiting[0][1].left, waiting[0][1].right) < slot:
                number, guard = waiting.popleft()
                yield self.check(number, guard, terms[guard.left], terms[guard.right])
            if slot < program.slots:
                primitive, arguments = program.code[slot - program.first_instruction]
                yield self.line.format(terms[slot], self.operation(primitive, [terms[a] for a in arguments]))


def applied(template: str, terms: Sequence[str]) -> str:
    return f"-({terms[0]})" if template == "-{0}" and terms[0].startswith("-") else template.format(*terms)


def rounds_to_whole(primitive: Primitive, terms: Sequence[str]) -> bool:
    """Whether this is `round(x)`, which other languages have; not so `round(x, decimals)`."""
    return primitive is p.round and terms[1] in ("0.0", "-0.0")


def identifier(name: str, otherwise: str, taken: set[str]) -> str:
    """A name made an identifier that is not taken; it is then."""
    name = re.sub(r"\W+", "_", unicodedata.normalize("NFKC", name.replace("<lambda>", "f"))).strip("_")
    if not name.isidentifier():
        name = otherwise
    if keyword.iskeyword(name) or re.fullmatch(r"v\d+", name):
        name += "_"
    unique, count = name, 2
    while unique in taken:
        unique, count = f"{name}_{count}", count + 1
    taken.add(unique)
    return unique


def wrapped(terms: Sequence[str]) -> str:
    indent, text = " " * 8, ", ".join(terms)
    return textwrap.fill(text, 108, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def on_one_line(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def in_digits(number: float, infinity: str = 'float("inf")', nan: str = 'float("nan")') -> str:
    sign = "-" if copysign(1.0, number) < 0.0 else ""
    return nan if isnan(number) else f"{sign}{infinity}" if isinf(number) else repr(number)


# --- Python and NumPy -------------------------------------------------------------------------------------------

_COMPARED = {rule: f"float({{0}} {SIGNS[relation]} {{1}})" for relation, rule in p.COMPARISONS.items()}
#: NumPy takes a root for the power ½ where one exponent serves a whole array; that is nan at -inf and -0.0 at -0.0.
_ROOT = "np.where(({1} == 0.5) & (({0} == 0.0) | ({0} == -np.inf)), np.abs({0}), np.power({0}, {1}))"


def _called(primitive: Primitive, terms: Sequence[str]) -> str:
    name = primitive.name if primitive.built_in else f"PRIMITIVES[{primitive.name!r}]"
    return f"{name}({', '.join(terms)})"


def _on_numbers(primitive: Primitive, terms: Sequence[str]) -> str:
    template = primitive.operator or _COMPARED.get(primitive)
    return applied(template, terms) if template else _called(primitive, terms)


def _on_arrays(primitive: Primitive, terms: Sequence[str]) -> str:
    if primitive.operator or primitive.arrays:
        return applied(primitive.operator or primitive.arrays, terms)
    if rounds_to_whole(primitive, terms):
        return f"np.rint({terms[0]})"
    if primitive is p.pow and not (terms[1] != "0.5" and terms[1][:1] in "-0123456789"):
        return applied(_ROOT, terms)
    return f"np.{primitive.numpy}({', '.join(terms)})" if primitive in FUNCTIONS else _called(primitive, terms)


def _raised(guard: Guard, left: str, right: str, every: str = "{}", some: str = "{}") -> str:
    condition = f"{left} {SIGNS[guard.relation]} {right}"
    differs = f"not {every.format(condition)}" if guard.outcome else some.format(condition)
    recorded = f"recorded where {'' if guard.outcome else 'not '}{condition} ({guard.location})"
    return f"    if {differs}:\n        raise ValueError({recorded!r})"


PYTHON = Language(_on_numbers, in_digits, lambda _, guard, left, right: _raised(guard, left, right))
NUMPY = Language(
    _on_arrays,
    lambda number: in_digits(number, "np.inf", "np.nan"),
    lambda _, guard, left, right: _raised(guard, left, right, "np.all({})", "np.any({})"),
    native=FUNCTIONS,
)


def module(tape: Tape, language: Language) -> Iterator[str]:
    programs = language.programs(tape)
    taken = {rule.name for part in programs for rule, _ in part.code}
    taken |= {"PRIMITIVES", "ValueError", "any", "float", "np"}
    names = [identifier(tape.name, "f", taken)]
    names.append(identifier(f"{names[0]}_careful", "f", taken))
    few = tape.program.inputs <= FEW
    parameters = [identifier(name, "x", taken) for name in (tape.input_names if few else ["x"])]
    inputs = parameters if few else [f"{parameters[0]}[{slot}]" for slot in range(tape.program.inputs)]
    functions = []
    for program, name in zip(programs, names, strict=False):
        terms = language.terms(program, inputs)
        lines = [f"def {name}({', '.join(parameters)}):"]
        if language is NUMPY:
            ready = "np.asarray({0}, dtype=np.float64)" if few else "[np.asarray(a, dtype=np.float64) for a in {0}]"
            lines.insert(0, '@np.errstate(all="ignore")')
            lines += [f"    {x} = {ready.format(x)}" for x in parameters]
        lines += language.statements(program, terms)
        if program is not programs[-1]:
            unknown = "np.any(v != v)" if language is NUMPY else "v != v"
            lines.append(f"    if any({unknown} for v in [{wrapped([terms[s] for s in program.doubtful])}]):")
            lines.append(f"        return {names[1]}({', '.join(parameters)})")
        outputs = [terms[s] for s in program.outputs]
        lines.append(f"    return {outputs[0] if len(outputs) == 1 else f'({wrapped(outputs)})'}")
        functions.append("\n".join(lines))
    yield f"# The tape of {on_one_line(tape.name)}, written by autograd_lite."
    yield from ["import numpy as np"] * (language is NUMPY)
    yield from _imports("\n".join(functions))
    yield "\n\n" + "\n\n\n".join(functions)


def _imports(text: str) -> Iterator[str]:
    called = sorted(set(re.findall(r"^    v\d+ = ((?!float\()\w+(?=\()|PRIMITIVES(?=\[))", text, re.MULTILINE)))
    public = [name for name in called if name in p.PUBLIC]
    if public:
        yield f"from autograd_lite import {', '.join(public)}"
    if len(public) < len(called):
        yield f"from autograd_lite.primitives import {', '.join(name for name in called if name not in public)}"


# --- C ----------------------------------------------------------------------------------------------------------

_TAKEN_IN_C = re.compile(
    r"auto|break|case|char|const|continue|default|do|double|else|enum|extern|float|for|goto|if|inline|int|long|main|register"
    r"|restrict|return|short|signed|sizeof|static|struct|switch|typedef|union|unsigned|void|volatile|while|[A-Z0-9_]+"
    r"|(c?a?(sin|cos|tan)h?|c?(abs|arg|exp|imag|log|pow|proj|real|sqrt)|conj|atan2|cbrt|ceil|copysign|erfc?|exp2|expm1|fabs|fdim|floor"
    r"|fma|fmax|fmin|fmod|frexp|hypot|ilogb|ldexp|l?gamma|ll?rint|ll?round|log10|log1p|log2|logb|modf|nan|nearbyint"
    r"|nextafter|nexttoward|remainder|remquo|rint|round|scalbl?n|tgamma|trunc|j0|j1|jn|y0|y1|yn)[fl]?"
    r"|abort|(imax|ll?)abs|[cm]alloc|realloc|free|exit|v?s?n?f?(printf|scanf)|f?put(s|c|char)|fwrite|index"
    r"|(is|mem|str|wcs)[a-z]\w*|tow?(lower|upper)|fe(clear|get|set|hold|raise|test|update)\w+"
)


def _helper(primitive: Primitive) -> str:
    """The function that is defined for an operation whose C is a definition."""
    return f"tape_{primitive.name}" if primitive.c.startswith("(double ") else ""


def _in_c(primitive: Primitive, terms: Sequence[str]) -> str:
    text = primitive.operator or _helper(primitive) or primitive.c
    if text:
        return f"{text}({', '.join(terms)})" if text.isidentifier() else applied(text, terms)
    if rounds_to_whole(primitive, terms):
        return f"rint({terms[0]})"
    remedy = "Leave it out" if primitive.built_in else "Give the Primitive an `expression`"
    raise CompilationError(
        f"C has no function for {primitive.name}, and it has no `expression` to write out instead. {remedy}, or write the "
        "tape as 'python' or 'numpy'."
    )


def _hexadecimal(number: float) -> str:
    """A number in digits that no compiler rounds; the decimal, where it is longer, beside it."""
    text = in_digits(number, "INFINITY", "NAN")
    if "N" in text or (len(text) < 8 and (number * 1024.0).is_integer()):
        return text
    return f"{re.sub(r'[.]?0*p', 'p', number.hex())} /* {text} */"


_C = Language(
    _in_c,
    _hexadecimal,
    lambda number, guard, left, right: (
        f"    if ({'!' * guard.outcome}({left} {SIGNS[guard.relation]} {right})) return {number};"
        f"  /* {_in_comment(guard.location)} */"
    ),
    line="    const double {} = {};",
    native=frozenset(r for r in PRIMITIVES.values() if r.built_in and (r.operator or r.c or r is p.round)),
)


def _in_comment(text: str) -> str:
    """Without ends and beginnings of comments, and without trigraphs."""
    return re.sub(r"[*](?=/)|/(?=[*])|[?](?=[?])", r"\g<0> ", on_one_line(text))


def translation_unit(tape: Tape) -> Iterator[str]:
    programs = _C.programs(tape)
    helpers = {_helper(rule): rule.c for program in programs for rule, _ in program.code if _helper(rule)}
    taken = {"x", "y", *helpers}
    name = identifier(tape.name.encode("ascii", "replace").decode(), "f", taken)
    if _TAKEN_IN_C.fullmatch(name):
        name = identifier(f"{name}_tape", "f", taken)
    careful = identifier(f"{name}_careful", "f", taken) if len(programs) == 2 else ""
    listed = ", ".join(tape.input_names[: FEW + 1]) if tape.program.inputs <= FEW else "see the arguments of the tape"
    yield f"""/* The tape of {_in_comment(tape.name)}, written by autograd_lite.
 *
 * x: {tape.program.inputs} numbers: {_in_comment(listed)}
 * y: {len(tape.outputs)} numbers, in memory of their own.
 * Returns 0, or the number of the first comparison that came out otherwise than recorded; y is then left as it was.
 *
 * The same bits as the tape need the same libm (-lm) and neither -ffast-math nor fused multiply-add (-ffp-contract=off,
 * part of -std=c99). gamma and lgamma are Python's own there, and may differ from the library's in the last digits.
 */
#include <math.h>

#if defined(__GNUC__) && !defined(__clang__) /* which does not know the pragma of the standard */
#pragma GCC optimize("fp-contract=off")
#else
#pragma STDC FP_CONTRACT OFF
#endif"""
    for helper, definition in helpers.items():
        yield f"\nstatic double {helper}{definition}"
    for program, function in zip(programs[::-1], (careful, name)[-len(programs) :], strict=True):
        yield f"\n{'static ' * (function is careful)}int {function}(const double *x, double *y)\n{{"
        yield from _body_in_c(program, careful if function is name else "")
        yield "}"


def _body_in_c(program: Program, careful: str) -> Iterator[str]:
    terms = _C.terms(program, [f"x[{slot}]" for slot in range(program.inputs)])
    yield from _C.statements(program, terms)
    needed = set(program.roots)
    needed.update(a for _, arguments in program.code for a in arguments)
    for slot in range(program.first_instruction, program.slots):
        if slot not in needed:  # of a tape made by hand: compilers warn
            yield f"    (void){terms[slot]};"
    if careful:
        for slot in program.doubtful:
            yield f"    if (isnan({terms[slot]})) return {careful}(x, y);"
    for position, slot in enumerate(program.outputs):
        yield f"    y[{position}] = {terms[slot]};"
    yield "    return 0;"


# --- LaTeX ------------------------------------------------------------------------------------------------------

_GREEK = re.compile(
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|phi|chi|psi|omega"
)
_RELATIONS = {"lt": "<", "le": r"\le", "gt": ">", "ge": r"\ge", "eq": "=", "ne": r"\ne"}
_DELIMITED = re.compile(r"(^|[{(\[|,:?]|\\[lr](floor|ceil)|\\,)\s*$")  # what stands after it needs no parentheses
_BINDS = re.compile(r"\s*[\^_!']")  # except before this


def with_power_of_ten(digits: str) -> str:
    """`2.5e-09` as 2.5 × 10⁻⁹."""
    digits, _, exponent = digits.removesuffix(".0").partition("e")
    if not exponent:
        return digits
    power = f"10^{{{int(exponent)}}}"
    return digits[:-1] + power if digits in ("1", "-1") else rf"{digits} \times {power}"


@lru_cache
def _pieces(name: str, template: str, arity: int) -> list[tuple[str, int, bool]]:
    """A rule's LaTeX cut at its arguments: the text before, which argument, whether a sum there needs parentheses."""
    marks = [chr(0xE000 + k) for k in range(arity)]
    try:
        text = template.format(*marks) if template else rf"\operatorname{{{escaped(name)}}}({', '.join(marks)})"
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


def in_latex(name: str, template: str, terms: Sequence[str]) -> str:
    text = ""
    for before, which, closed in _pieces(name, template, len(terms)):
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
    return rf"\mathrm{{{escaped(text)}}}"


def escaped(text: str) -> str:
    return re.sub(r"[_{}#&%$]", r"\\\g<0>", re.sub(r"[\\^~]", "?", on_one_line(text)))


def equations(tape: Tape) -> Iterator[str]:
    seen: Counter[str] = Counter()
    inputs = [_symbol(name, seen) for name in tape.input_names]
    free = [letter for letter in "vutsrqponm" if not any(symbol.startswith(f"{letter}_{{") for symbol in inputs)]
    language = Language(
        lambda rule, terms: in_latex(rule.name, rule.latex, terms),
        lambda number: with_power_of_ten(in_digits(number, r"\infty", r"\mathrm{NaN}")),
        lambda _, guard, left, right: (
            rf"&\text{{given {'' if guard.outcome else 'not '}}}{left} {_RELATIONS[guard.relation]} {right}"
        ),
        line="{} &= {}",
        slot=(free or ["v'"])[0] + "_{{{}}}",
    )
    program = tape.program
    terms = language.terms(program, inputs)
    result = "y" if not any(symbol.startswith("y_{") for symbol in inputs) else "y'"
    lines = list(language.statements(program, terms))
    lines += [f"{result}_{{{k}}} &= {terms[s]}" for k, s in enumerate(program.outputs)]
    yield r"\begin{aligned}"
    yield " \\\\\n".join(lines)
    yield r"\end{aligned}"


#: What writes a tape in each language; a module that brings one enters it.
LANGUAGES: dict[str, Callable[[Tape], Iterator[str]]] = {
    "python": lambda tape: module(tape, PYTHON),
    "numpy": lambda tape: module(tape, NUMPY),
    "c": translation_unit,
    "latex": equations,
}


def source(tape: Tape, language: str) -> str:
    r"""Write a tape as text.

    Parameters
    ----------
    tape : Tape
        The tape; as `tape.source(language)` this one.
    language : {"python", "numpy", "c", "latex", "ptx"}
        "python": a function of floats or Variables, with the results of the tape, bit for bit. "numpy": a function of arrays,
        one number a lane. "c": a C99 translation unit with `int name(const double *x, double *y)`. "latex": an `aligned`
        environment. "ptx": a kernel for NVIDIA's devices, a thread for each lane; its first lines say what it takes. It calls
        nothing outside of the text.

    Returns
    -------
    str
        Inputs are the numbers in the arguments, in order, then the captured Variables: in Python one parameter each if there
        are at most 20, else one sequence. The result is one number, or the tuple of all.

    Raises
    ------
    ArgumentError
        If there is no such language.
    CompilationError
        If C or a device has no function for an operation and that has no `expression`; or if the tape is a path of jit
        with a scan.

    Notes
    -----
    Where a comparison comes out otherwise than recorded, Python raises ValueError, NumPy too if it does so in any lane, and
    C returns the comparison's number, from 1, as
    PTX gives it for each lane. Time: linear in the length of the tape.

    Examples
    --------
    >>> import autograd_lite as al
    >>> tape = al.trace(lambda x, y: x * y + al.sin(x) if x > 1 else y, 2.0, 3.0)
    >>> print(source(tape, "python"), end="")
    # The tape of <lambda>, written by autograd_lite.
    from autograd_lite import sin
    <BLANKLINE>
    <BLANKLINE>
    def f(x, y):
        if not x > 1.0:
            raise ValueError('recorded where x > 1.0 (...)')
        v3 = x * y
        v4 = sin(x)
        v5 = v3 + v4
        return v5
    >>> print(source(tape, "latex"), end="")
    \begin{aligned}
    &\text{given }x > 1 \\
    v_{3} &= x \cdot y \\
    v_{4} &= \sin x \\
    v_{5} &= v_{3} + v_{4} \\
    y_{0} &= v_{5}
    \end{aligned}
    """
    if not isinstance(language, str) or language not in LANGUAGES:
        raise ArgumentError(f"language={language!r}: give 'python', 'numpy', 'c', 'latex' or 'ptx'.")
    odd: Any = next((rule for rule, _ in tape.code if not isinstance(rule, Primitive)), None)
    if odd is not None:
        untold = getattr(odd, "untold", Operation.untold)
        raise CompilationError(f"the tape of {tape.name} has no text: it holds {odd.name}, {untold}")
    return "\n".join(LANGUAGES[language](tape)) + "\n"


Tape.source = source
