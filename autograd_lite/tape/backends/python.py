"""The reference backend: a program evaluated in any arithmetic.

Floats take the values of the rule table; Variables apply the rules, so that a replay can be traced and differentiated again;
Fraction and Decimal have operators and methods, complex numbers `cmath`, those of mpmath its context.
"""

import cmath
import operator
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from math import isnan
from types import BuiltinFunctionType
from typing import Any

import numpy as np
import optree

from autograd_lite.errors import ArgumentError, BranchError, OperandError
from autograd_lite.many import Operation
from autograd_lite.nests import NAMESPACE, Fixed, Shape, arrays_in
from autograd_lite.primitives import COMPARISONS, Primitive, as_float
from autograd_lite.tape import recording
from autograd_lite.tape.lowering import expansion
from autograd_lite.tape.program import Program
from autograd_lite.variable import Variable

Apply = Callable[[Primitive, Sequence[Any]], Any]


def numbers_of(arguments: Any, shape: Shape, name: str) -> list[Any]:
    """The numbers of a nest of arguments in slot order, in any arithmetic; refused if the nest is not of that shape."""
    leaves, containers = optree.tree_flatten(arrays_in(arguments), namespace=NAMESPACE)
    outlines = tuple(
        Fixed(leaf) if isinstance(expected, Fixed) else leaf.shape if isinstance(leaf, np.ndarray) else None
        for leaf, expected in zip(leaves, [*shape.leaves, *[None] * len(leaves)], strict=False)
    )
    given = Shape(containers, outlines)
    if given != shape:
        raise ArgumentError(
            f"the tape of {name} takes arguments {shape.outline()} and got {given.outline()} (positional ones, then those by "
            "keyword). Trace again with such arguments, or use jit, which does so by itself."
        )
    numbers: list[Any] = []
    for leaf, outline in zip(leaves, outlines, strict=True):
        if not isinstance(outline, Fixed):
            numbers += [leaf] if outline is None else leaf.ravel().tolist()
    return numbers


def replay(tape: Any, inputs: Sequence[Any]) -> list[Any]:
    """The outputs for these inputs, captured ones last; `BranchError` if a guard comes out otherwise than recorded."""
    notes = recording.current()
    if tape.careful and notes and notes.masked:
        tape, inputs = _carefully(tape, inputs)
    apply, convert, numbers = arithmetic(inputs)
    program = tape.program
    values = program.evaluated(apply, convert, numbers)
    for guard in program.guards:
        sides = left, right = values[guard.left], values[guard.right]
        if getattr(operator, guard.relation)(*(getattr(x, "_value", x) for x in sides)) != guard.outcome:
            raise BranchError(
                f"the tape of {tape.name} was recorded where {tape.condition(guard)} was {guard.outcome} ({guard.location}); "
                "with these arguments it is not, and the function takes another branch. Trace it with such arguments, or use "
                "jit, which follows every branch."
            )
        if notes and (type(left) is Variable or type(right) is Variable):
            notes.guards.append((guard.relation, left, right, guard.outcome, guard.location))
    doubtful = [values[slot] for slot in program.doubtful]
    if any(x != x for x in (getattr(number, "_value", number) for number in doubtful)):  # noqa: PLR0124 - a NaN
        return replay(*_carefully(tape, inputs))
    if notes:
        notes.doubt(doubtful)
    return [values[slot] for slot in program.outputs]


def along(tape: Any, inputs: Sequence[Any]) -> list[Any]:
    """The outputs for these Variables, in a trace, as if they took the path of the tape, recorded with its guards."""
    notes: Any = recording.current()
    if tape.careful and notes.masked:
        tape, inputs = _carefully(tape, inputs)
    values = tape.program.evaluated(lambda primitive, arguments: primitive(*arguments), float, inputs)
    for guard in tape.program.guards:
        notes.guards.append((guard.relation, values[guard.left], values[guard.right], guard.outcome, guard.location))
    notes.doubt([values[slot] for slot in tape.program.doubtful])
    return [values[slot] for slot in tape.program.outputs]


def _carefully(tape: Any, inputs: Sequence[Any]) -> tuple[Any, Sequence[Any]]:
    """The careful tape and its inputs: it may use other Variables from outside, which it then takes as they are."""
    careful = tape.careful()
    given = {v._number: x for v, x in zip(tape.captured, inputs[tape.arguments :], strict=True)}
    return careful, [*inputs[: tape.arguments], *(given.get(v._number, v) for v in careful.captured)]


def arithmetic(inputs: Sequence[Any]) -> tuple[Apply, Callable[[float], Any], Sequence[Any]]:
    """How to apply a primitive to such numbers, how to make one from a float, and the inputs made ready."""
    other = next((x for x in inputs if not isinstance(x, (float, int, np.number, np.bool_, Variable))), None)
    if isinstance(other, np.ndarray):
        other = None
    if other is None and not any(isinstance(x, (complex, np.complexfloating)) for x in inputs):
        floats = [x if type(x) in (float, Variable) else as_float(x) for x in inputs]
        if any(type(x) is Variable for x in floats):
            return (lambda primitive, arguments: primitive(*arguments)), float, floats
        return (lambda primitive, arguments: primitive.value(*arguments)), float, floats
    kind = complex if other is None else type(other)
    if kind in (str, bytes, list, tuple, dict, type(None)):
        raise OperandError(f"{kind.__name__} {other!r:.40} is no number. A tape replays on numbers.")
    plain = [getattr(x, "_value", x) for x in inputs]
    return _applied(kind), kind, [x if isinstance(x, kind) else kind(x) for x in plain]


def _applied(kind: type) -> Apply:
    """How an arithmetic of its own applies primitives: by operators, and by functions found by name."""
    module: Any = cmath if kind is complex else getattr(kind, "context", None)
    own = _functions(kind)

    def apply(primitive: Primitive, arguments: Sequence[Any]) -> Any:
        name, cause = primitive.name, None
        if isinstance(primitive, Operation):
            raise OperandError(
                f"{name} works on floats, not on numbers of type {kind.__name__}. Replay in floats, or write its steps as "
                "scalar code."
            )
        try:
            if name in own:
                return own[name](*arguments)
            if isinstance(primitive.value, BuiltinFunctionType) and primitive.value.__module__ == "_operator":
                return primitive.value(*arguments)
            other = primitive.reference
            function = None if callable(other) else getattr(module, other or name, None)
            if function is not None:
                return function(*arguments)
            if callable(other) and primitive.expression is None and hasattr(module, "mpf"):
                return other(module, *arguments)
            if primitive.expression is not None:
                program = expansion(primitive)
                return program.evaluated(apply, kind, arguments)[program.outputs[0]]
        except TypeError as error:
            cause = error
        raise OperandError(
            f"{name} of {', '.join(map(repr, arguments))}: numbers of type {kind.__name__} have no such function. "
            "Replay in floats, in mpmath numbers, or leave the function out."
        ) from cause

    return apply


def _functions(kind: type) -> dict[str, Callable[..., Any]]:
    """The functions that ordered numbers of a type lack, by the names of the primitives."""

    def floor(x: Any) -> Any:
        return kind(x // 1) if kind is not Decimal else x.to_integral_value("ROUND_FLOOR")

    def cbrt(x: Any) -> Any:
        root = abs(x) ** (kind(1) / kind(3))
        return root if x >= 0 else -root

    def held(relation: Callable[[Any, Any], bool], a: Any, b: Any) -> Any:
        return kind(int(relation(a, b)))

    own: dict[str, Callable[..., Any]] = {
        "div": operator.truediv, "floordiv": operator.floordiv, "mod": operator.mod, "pow": operator.pow,
        "less": partial(held, operator.lt),
    }  # fmt: skip
    own |= {rule.name: partial(held, getattr(operator, relation)) for relation, rule in COMPARISONS.items()}
    if kind is Decimal:
        own |= {"log": Decimal.ln, "log10": Decimal.log10, "exp": Decimal.exp, "sqrt": Decimal.sqrt}
    return own | {
        "where": lambda condition, a, b: a if condition != 0 else b,
        "maximum": lambda a, b: max(b, a),
        "minimum": lambda a, b: min(b, a),
        "sign": lambda x: kind((x > 0) - (x < 0)),
        "cbrt": cbrt,
        "copysign": lambda x, s: abs(x) if s >= 0 else -abs(x),
        "floor": floor,
        "ceil": lambda x: -floor(-x),
        "trunc": lambda x: floor(x) if x >= 0 else -floor(-x),
    }


class PythonSingle:
    """One lane by the values of the rule table."""

    def __init__(self, program: Program, *, contract: bool = False, rolled: bool = False) -> None:  # noqa: ARG002 - as written
        self.program = program
        self._steps = [(operation.value, arguments) for operation, arguments in program.code]

    def run(self, inputs: Sequence[float]) -> tuple[int, Sequence[float]]:
        program = self.program
        values = [*inputs, *program.constants]
        for value, arguments in self._steps:
            values.append(value(*[values[a] for a in arguments]))
        outputs = [values[slot] for slot in program.outputs]
        for number, guard in enumerate(program.guards, start=1):
            if getattr(operator, guard.relation)(values[guard.left], values[guard.right]) != guard.outcome:
                return number, outputs
        return (-1 if any(isnan(values[slot]) for slot in program.doubtful) else 0), outputs

    def computed(self, given: Any) -> tuple[int, Any]:
        status, outputs = self.run(given.tolist())
        return status, np.array(outputs, dtype=np.float64)
