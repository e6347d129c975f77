"""Tapes as modules of Python: functions of numbers, or of arrays with NumPy."""

import re
from collections.abc import Iterator, Sequence

from autograd_lite import primitives as p
from autograd_lite.primitives import Primitive
from autograd_lite.tape.backends.numpy import FUNCTIONS
from autograd_lite.tape.program import SIGNS, Guard
from autograd_lite.tape.tape import Tape
from autograd_lite.tape.text.language import (
    FEW,
    Language,
    applied,
    identifier,
    in_digits,
    on_one_line,
    rounds_to_whole,
    wrapped,
)

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
