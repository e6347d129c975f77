"""Tapes as translation units of C99."""

import re
from collections.abc import Iterator, Sequence

from autograd_lite.errors import CompilationError
from autograd_lite.primitives import PRIMITIVES, Primitive, round  # noqa: A004 - the rule
from autograd_lite.tape.program import SIGNS, Program
from autograd_lite.tape.tape import Tape
from autograd_lite.tape.text.language import FEW, Language, applied, identifier, in_digits, on_one_line, rounds_to_whole

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
    native=frozenset(p for p in PRIMITIVES.values() if p.built_in and (p.operator or p.c or p is round)),
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
