"""The loop of a loop's tangents, by which loops are differentiated forward, and in reverse more than once.

The tangents ẏ = J·ẋ of a loop are a loop T again: each step pushes the tangents of the carry forward beside the carry. With
J the Jacobian of the loop, and x̄ = Jᵀȳ what its gradient gives, no further kind of loop is needed for any order. For
T(x, ẋ) has the gradient by x

    Jᵀ·(adjoint of y) + (∂/∂x ẏ)ᵀ·(adjoint of ẏ),

- so the tangent of x̄ is the gradient of T by x, with the adjoints ȳ̇ of y and ȳ of ẏ, since second derivatives commute;
- and if x̄ is sent the adjoints w, it sends J·w, the tangents of T(x, w), to ȳ; and to x the gradient of T(x, w) by x with
  the adjoint ȳ of ẏ.
"""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_lite import context
from autograd_lite.backward import Number, Reach
from autograd_lite.many import Sent
from autograd_lite.nests import unravel
from autograd_lite.primitives import where
from autograd_lite.tape.recording import pushed
from autograd_lite.tape.steps import Steps
from autograd_lite.transforms import name_of
from autograd_lite.variable import Variable


class TangentStep:
    """A step of the loop of tangents: from the carry and a row in each form to the next carry and the outputs in each form.

    Forms are the numbers themselves, their tangents and, if `masked`, the conditions that these arrived. Rows that are known
    have one form, and so have outputs that only the loop itself reads. `captured` are the tangents of what the step captured,
    and their conditions, form by form.
    """

    def __init__(self, loop: Any, *, outputs: bool, masked: bool) -> None:
        self.loop, self.forms = loop, 3 if masked else 2
        self.outputs = loop.step_outputs if outputs else loop.own_outputs
        self.output_forms = self.forms if outputs else 1
        self.row_forms = 1 if loop.rows is not None else self.forms
        self.captured = [[Variable(0.0) for _ in loop.captured] for _ in range(self.forms - 1)]
        self.__name__ = f"tangents of {name_of(loop.steps.paths.f)}"

    def __call__(self, carry: list[Any], row: list[Any]) -> tuple[list[Any], list[Any]]:
        loop, oldest = self.loop, Variable(0.0).number
        carries, rows = _split(carry, self.forms), _split(row, self.row_forms)
        rows += [[0.0] * len(rows[0])] * (self.forms - len(rows))
        inputs = [n if type(n) is Variable else Variable(n) for n in (*carries[0], *rows[0])]
        captured, given = [*loop.captured], dict[int, Sent]()
        tangents = [[*own, *more] for own, more in zip(carries[1:], rows[1:], strict=True)]
        known = len(inputs) if self.row_forms > 1 else loop.carry
        for numbers, forms in ((inputs[:known], tangents), (captured, self.captured)):
            conditions = forms[1] if self.forms == 3 else [None] * len(forms[0])
            given |= {v.number: sent for v, sent in zip(numbers, zip(forms[0], conditions, strict=True), strict=False)}
        with context.differentiated():
            results = loop.steps.replayed(inputs, captured)[: loop.carry + self.outputs]
        reach = Reach([y for y in results if type(y) is Variable], oldest)
        found = pushed(reach, given, masked=self.forms == 3)
        arrived = [found.get(y.number) if type(y) is Variable else None for y in results]
        by_form = _in_forms(results, [sent and _selected(*sent) for sent in arrived], self.forms)
        return (
            [n for numbers in by_form for n in numbers[: loop.carry]],
            [n for numbers in by_form[: self.output_forms] for n in numbers[loop.carry :]],
        )


def _split(numbers: Sequence[Any], forms: int) -> list[list[Any]]:
    size = len(numbers) // forms
    return [[*numbers[k * size : (k + 1) * size]] for k in range(forms)]


def _selected(tangent: Number | None, condition: Number | None) -> Sent:
    """A tangent where it arrived: elsewhere a sweep sends its adjoint to nothing, whatever derivatives are there."""
    return (tangent if condition is None else where(condition, tangent, 0.0)), condition


def _in_forms(numbers: Sequence[Any], sent: Sequence[Sent | None], forms: int) -> list[list[Any]]:
    """Numbers, their tangents and, with three forms, the conditions of these as numbers: 0 if none arrived."""
    pairs = [pair or (None, 0.0) for pair in sent]
    found = [[*numbers], [0.0 if tangent is None else tangent for tangent, _ in pairs]]
    return [*found, [1.0 if condition is None else condition for _, condition in pairs]][:forms]


class Tangents:
    """The loop `whole` of a loop's tangents, and where the arguments and results of that loop lie among its own."""

    def __init__(self, loop: Any, *, outputs: bool, masked: bool) -> None:
        self.forms, self.arity, own = 3 if masked else 2, loop.arity, copy.copy(loop)
        step = TangentStep(loop, outputs=outputs, masked=masked)
        own.carry = self.forms * loop.carry
        row = step.row_forms * loop.steps.x
        _, shape = unravel((([0.0] * own.carry, [0.0] * row), {}))
        own.captured = (*loop.captured, *(v for form in step.captured for v in form))
        how = {"merging": False, "masked": masked, "mapped": loop.steps.paths.mapped}
        own.steps = Steps(step, shape, own.carry, own.captured, primal=loop.steps, **how)
        own.steps.tracing, own.derived = loop.steps.tracing, {}
        own.name = f"{loop.name}_tangents{'_careful' * masked}"
        results = loop.results if outputs else loop.carry
        self.arguments = _woven(self.forms, loop.arity, (loop.carry, len(loop.captured)), loop.length)
        self.results = _woven(self.forms, results, (loop.carry,), loop.length)
        own.arity, own.results, own.step_outputs = (
            self.arguments.size,
            self.results.size,
            step.outputs * step.output_forms,
        )
        self.whole = own

    def of(self, loop: Any) -> "Tangents":
        """The same for another instruction of the loop."""
        found = copy.copy(self)
        found.whole = copy.copy(self.whole)
        found.whole.loop = loop.loop
        return found

    def given(self, arguments: Sequence[Any], sent: Sequence[Sent | None]) -> list[Any]:
        """The arguments of the loop of tangents, from those of the loop and their tangents."""
        numbers = [n for form in _in_forms(arguments, sent, self.forms) for n in form]
        places = np.empty(len(numbers), dtype=np.int64)
        places[self.arguments.ravel()] = np.arange(len(numbers))
        return [numbers[k] for k in places.tolist()]

    def sent(self, results: Sequence[Any], places: Sequence[int]) -> list[Sent]:
        """The tangents of some results of the loop, from the results of the loop of tangents."""
        rows = self.results[1:, places].tolist()
        return [(results[own], results[rows[1][k]] if len(rows) > 1 else None) for k, own in enumerate(rows[0])]


def tangents(loop: Any, *, outputs: bool, masked: bool) -> Tangents:
    """The loop of tangents of the carry and, if `outputs`, of all outputs; if `masked`, with conditions."""
    key = "tangents", outputs, masked
    if key not in loop.derived:
        loop.derived.setdefault(key, Tangents(loop, outputs=outputs, masked=masked))
    found: Tangents = loop.derived[key]
    return found.of(loop)


def _woven(forms: int, count: int, heads: Sequence[int], length: int) -> Any:
    """Places (forms, count) of numbers that have some forms: those of each head form by form, of rows step by step."""
    places, start = np.empty((forms, count), dtype=np.int64), 0
    for size in heads:
        places[:, start : start + size] = forms * start + np.arange(forms * size).reshape(forms, size)
        start += size
    rows = count - start
    if rows:
        steps = np.arange(forms * rows).reshape(length, forms, rows // length)
        places[:, start:] = forms * start + steps.swapaxes(0, 1).reshape(forms, rows)
    return places


class Along:
    """A loop along some tangents of its arguments, of which those that arrived are given."""

    def __init__(
        self, loop: Any, arguments: Sequence[Any], arrived: Sequence[Sent | None], *, outputs: bool, masked: bool
    ) -> None:
        self.found, self.masked = tangents(loop, outputs=outputs, masked=masked), masked
        self.given = self.found.given(arguments, arrived)

    def tangents(self, places: Sequence[int]) -> list[Sent]:
        """The tangents of results of the loop, at some places."""
        return self.found.sent(self.found.whole(*self.given), places)

    def gradient(self, adjoints: Sequence[Sent | None], of_tangents: Sequence[Sent | None]) -> list[Sent]:
        """Adjoints of the arguments, from adjoints of all results and of their tangents."""
        cotangents: dict[int, Number] = {}
        conditions: dict[int, Number | None] = {}
        for places, form in zip(self.found.results.tolist(), (adjoints, of_tangents), strict=False):
            for place, sent in zip(places, form, strict=True):
                if sent is not None:
                    cotangents[place], conditions[place] = sent
        pulled = self.found.whole.pulled_back(tuple(self.given), cotangents, conditions if self.masked else None)
        own = [pulled[k] for k in self.found.arguments[0].tolist()]
        return own if self.masked else [(number, None) for number in own]
