"""Edge pushing: all second derivatives of an element that are not 0 for every argument, in one reverse sweep.

With each pair of nodes the sweep carries the second derivative of the sum with respect to both (Gower and Mello 2012). What a
node passes on to its arguments are products with its first derivatives, and its own second derivatives times its adjoint.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from autograd_lite.backward import gradients
from autograd_lite.nests import unravel
from autograd_lite.primitives import Primitive, less
from autograd_lite.tape.elements import Element, zero_slots
from autograd_lite.tape.program import Program
from autograd_lite.tape.recording import current
from autograd_lite.tape.trace import recorded
from autograd_lite.transforms import grad
from autograd_lite.variable import Variable

Pair = tuple[int, int]


def second_derivatives(
    element: Element, inputs: Sequence[Any], constants: Sequence[Any], weights: Sequence[Any]
) -> dict[Pair, Any]:
    """The second derivatives of the weighted sum of the heads by pairs of inputs, the larger first; others are 0."""
    if not all(_is_smooth(primitive, wheres) for primitive, wheres in element.code):
        return _one_by_one(element, inputs, constants, weights)
    sweep = _Sweep(element, inputs, constants)
    trace = current()
    sweep.careful = trace is None or not trace.doubt(sweep.values[head] for head in element.heads)
    for head, weight in zip(element.heads, weights, strict=True):
        _add(sweep.adjoints, sweep.count + head, weight)
    for k in range(len(element.code) - 1, -1, -1):
        sweep.visit(k)
    rows = ((a, sweep.curved.get(a, {})) for a in range(sweep.count))
    found = {(a, b): number for a, row in rows for b, number in row.items() if not _is_zero(number)}
    if trace is not None:
        trace.doubt(found.values())
    return found


class _Sweep:
    """Adjoints of nodes and second derivatives of pairs; inputs are numbered before instructions."""

    def __init__(self, element: Element, inputs: Sequence[Any], constants: Sequence[Any]) -> None:
        self.element, self.count, self.values = element, len(inputs), element.run(inputs, constants)
        self.places = {"input": inputs, "constant": constants, "code": self.values}
        self.careful = True  # see `_second`
        self.adjoints: dict[int, Any] = {}
        self.curved: dict[int, dict[int, Any]] = {}  # for each node those with itself and with older nodes

    def curve(self, a: int, b: int, number: Any) -> None:
        _add(self.curved.setdefault(max(a, b), {}), min(a, b), number)

    def visit(self, k: int) -> None:
        """Pass on what an instruction has."""
        node, (primitive, wheres) = self.count + k, self.element.code[k]
        adjoint, pairs = self.adjoints.pop(node, None), self.curved.pop(node, {})
        if adjoint is None and not pairs:
            return
        arguments = [self.places[kind][place] for kind, place in wheres]
        owners = {
            i: place + (self.count if kind == "code" else 0)
            for i, (kind, place) in enumerate(wheres)
            if kind != "constant"
        }
        slopes: dict[int, Any] = {}
        for i, owner in owners.items():
            partial = primitive.partials[i]
            _add(slopes, owner, partial(*arguments, self.values[k]) if callable(partial) else partial)
        slopes = {owner: slope for owner, slope in slopes.items() if not _is_zero(slope)}
        self._pass_on(node, pairs, slopes)
        if adjoint is not None:
            for (i, j), number in _own(primitive, tuple(owners), arguments, careful=self.careful).items():
                twice = 2.0 if i != j and owners[i] == owners[j] else 1.0
                self.curve(owners[i], owners[j], _times(twice, _times(number, adjoint)))
            for owner, slope in slopes.items():
                _add(self.adjoints, owner, _times(slope, adjoint))

    def _pass_on(self, node: int, pairs: dict[int, Any], slopes: dict[int, Any]) -> None:
        """To the arguments of a node what it has in pairs, by the chain rule."""
        for other, number in pairs.items():
            if other != node:
                for owner, slope in slopes.items():
                    self.curve(owner, other, _times(2.0 if owner == other else 1.0, _times(slope, number)))
                continue
            for position, (a, by_a) in enumerate(slopes.items()):
                for b, by_b in [*slopes.items()][position:]:
                    self.curve(a, b, _times(by_a, _times(by_b, number)))


def _add(sums: dict[int, Any], key: int, number: Any) -> None:
    sums[key] = sums[key] + number if key in sums else number


def _is_zero(number: Any) -> bool:
    """Whether a number is 0 for all inputs; a slope that is nowhere other than 0 is `less(x, x)`, which keeps its kind."""
    if type(number) is Variable:
        return number.primitive is less and number.arguments[0] is number.arguments[1]
    return bool(number == 0.0)


def _times(factor: Any, number: Any) -> Any:
    return number if type(factor) is float and factor == 1.0 else factor * number


def _one_by_one(
    element: Element, inputs: Sequence[Any], constants: Sequence[Any], weights: Sequence[Any]
) -> dict[Pair, Any]:
    """The same by a gradient of each gradient."""
    values = element.run(inputs, constants)
    total = sum(weight * values[head] for head, weight in zip(element.heads, weights, strict=True))
    found: dict[Pair, Any] = {}
    slopes = gradients(total, list(inputs), create_graph=True, unconnected="none")
    for a, slope in enumerate(slopes):
        if type(slope) is Variable:
            second = gradients(slope, list(inputs[: a + 1]), create_graph=True, unconnected="none")
            found |= {(a, b): number for b, number in enumerate(second) if number is not None}
    return found


def _is_smooth(primitive: Primitive, wheres: Sequence[tuple[str, int]]) -> bool:
    """Whether a program has the second derivatives of an operation, and no branch may send nothing: gradients know that."""
    active = tuple(i for i, (kind, _) in enumerate(wheres) if kind != "constant")
    return not primitive.selects and _second(primitive, active) is not None


def _own(primitive: Primitive, active: tuple[int, ...], arguments: Sequence[Any], *, careful: bool) -> dict[Pair, Any]:
    """The second derivatives of an operation by its active arguments that are not 0 for all numbers."""
    known = _second(primitive, active)
    assert known is not None
    pairs, *programs = known
    if not pairs:
        return {}
    program = programs[careful]
    slots = program.evaluated(lambda operation, own: operation(*own), float, list(arguments))
    return {pair: slots[program.outputs[k]] for pair, k in pairs.items()}


@lru_cache(maxsize=1024)
def _second(primitive: Primitive, active: tuple[int, ...]) -> tuple[dict[Pair, int], Program, Program] | None:
    """The programs of all second derivatives, and where those lie in their results that are not 0 for all numbers.

    In the second program, the careful one, what an operation does not select sends nothing, and what is NaN has derivatives
    that are NaN. It is some ten times as long, and hides what is always 0; it is run where the first one gives NaN. None if
    one program does not do: a partial that branches in Python, uses a Variable from outside, or refuses a number.
    """
    pairs = [(i, j) for i in active for j in active if j <= i]

    def both(*arguments: Any) -> list[Any]:
        return [grad(grad(primitive, i), j)(*arguments) for i, j in pairs]

    numbers, shape = unravel(((0.5,) * primitive.arity, {}))
    try:
        (plain, of_plain, _), (careful, of_careful, _) = (
            recorded(both, numbers, shape, masked=masked) for masked in (False, True)
        )
    except Exception:  # noqa: BLE001 - a user's own operation, asked at a number that it need not know
        return None
    if plain.guards or careful.guards or of_plain or of_careful:
        return None
    zeros = zero_slots(plain)
    kept = {pair: k for k, (pair, slot) in enumerate(zip(pairs, plain.outputs, strict=True)) if slot not in zeros}
    return kept, plain, careful
