"""Programs as code in Python, NumPy and C: the order of instructions and guards, names, numbers, functions."""

import keyword
import re
import textwrap
import unicodedata
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from math import copysign, isinf, isnan

from autograd_lite import primitives as p
from autograd_lite.errors import CompilationError
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
    return textwrap.fill(
        ", ".join(terms), 108, subsequent_indent=" " * 8, break_long_words=False, break_on_hyphens=False
    )


def on_one_line(text: str) -> str:
    """A name without what would end the line."""
    return "".join(c if c.isprintable() else "?" for c in text)


def in_digits(number: float, infinity: str = 'float("inf")', nan: str = 'float("nan")') -> str:
    """A number in digits that are read as the same float."""
    sign = "-" if copysign(1.0, number) < 0.0 else ""
    return nan if isnan(number) else f"{sign}{infinity}" if isinf(number) else repr(number)


# --- Python and NumPy: ------------------------------------------------------------------------------------------

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
    """A module of Python with a function for the tape, and one for its careful program."""
    programs = language.programs(tape)
    taken = {
        "PRIMITIVES",
        "ValueError",
        "any",
        "float",
        "np",
        *(rule.name for part in programs for rule, _ in part.code),
    }
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
    """Lines that bring in the operations that a text calls."""
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
    """The function that is defined for an operation, if it is a definition in the table."""
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
    """A C file with a function for the tape, after one for its careful program."""
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
