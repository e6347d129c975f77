"""The programs that every engine runs, written once in plain scalar Python: operators, and functions handed in as `m`.

`m` has `relu`; for the transformer also `exp` and `log`, and `max` and `stop_gradient` for the shift of a softmax.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from autograd_lite.demos import transformer

if TYPE_CHECKING:
    from collections.abc import Callable

WIDTHS = (2, 25, 50, 25, 2)
PARAMETERS = sum(n_in * n_out + n_out for n_in, n_out in pairwise(WIDTHS))
# A product and a sum per weight, one relu per hidden neuron; per output one difference, one square, one sum.
OPERATIONS_PER_SAMPLE = sum(2 * n_in * n_out for n_in, n_out in pairwise(WIDTHS)) + sum(WIDTHS[1:-1]) + 3 * WIDTHS[-1]
ONE_SAMPLE = OPERATIONS_PER_SAMPLE - 1  # the first square is added to nothing


Layers = list[list[tuple[Any, Any]]]  # layers of neurons, each neuron its weights and its bias


@dataclass(frozen=True)
class Program:
    """A function of leaves, the point at which it is differentiated, and the number of its operations."""

    leaves: list[float]
    run: Callable[[list[Any], Any], Any]
    operations: int


def network(operations: int) -> Program:
    """Squared error of the perceptron 2-25-50-25-2 with ReLU, summed over as many samples as make up `operations`."""
    draw = random.Random(0)
    samples = [
        ([draw.uniform(-1, 1), draw.uniform(-1, 1)], [draw.uniform(-1, 1), draw.uniform(-1, 1)])
        for _ in range(max(1, round(operations / OPERATIONS_PER_SAMPLE)))
    ]
    weights: list[float] = []
    for n_in, n_out in pairwise(WIDTHS):
        for _ in range(n_out):
            weights += [draw.gauss(0, math.sqrt(2 / n_in)) for _ in range(n_in)] + [draw.uniform(-0.1, 0.1)]

    def run(leaves: list[Any], m: Any) -> Any:
        return squared_error(_in_layers(leaves), samples, m)

    return Program(weights, run, OPERATIONS_PER_SAMPLE * len(samples) - 1)


def squared_error(layers: Layers, samples: list[tuple[list[float], list[float]]], m: Any) -> Any:
    """Return the squared error, summed over samples."""
    loss = None
    for inputs, targets in samples:
        for output, target in zip(_forward(layers, inputs, m.relu), targets, strict=True):
            error = output - target
            loss = error * error if loss is None else loss + error * error
    return loss


def _in_layers(leaves: list[Any]) -> Layers:
    """Return the flat parameters as layers of neurons, each neuron its weights and its bias."""
    layers, at = [], 0
    for n_in, n_out in pairwise(WIDTHS):
        layers.append([(leaves[k : k + n_in], leaves[k + n_in]) for k in range(at, at + n_out * (n_in + 1), n_in + 1)])
        at += n_out * (n_in + 1)
    return layers


def _forward(layers: Layers, inputs: list[Any], relu: Callable[[Any], Any]) -> list[Any]:
    """Each neuron is sum(w·x) + b, added up from b as micrograd's own neuron does; ReLU on the hidden layers."""
    for layer in layers:
        inputs = [sum((w * x for w, x in zip(weights, inputs, strict=True)), bias) for weights, bias in layer]
        if layer is not layers[-1]:
            inputs = [relu(x) for x in inputs]
    return inputs


def chain(operations: int) -> Program:
    """One long dependency: x ← x·a + b with constants a, b so near to 1 and 0 that ten million steps stay finite."""

    def run(leaves: list[Any], _m: Any) -> Any:
        (x,) = leaves
        for _ in range(operations // 2):
            x = x * 1.0000001 + 1e-7
        return x

    return Program([0.5], run, operations // 2 * 2)


def wide_sum(operations: int) -> Program:
    """Many leaves, no depth but that of the running sum: Σ x² over operations/2 leaves."""
    count = max(operations // 2, 1)

    def run(leaves: list[Any], _m: Any) -> Any:
        total = leaves[0] * leaves[0]
        for x in leaves[1:]:
            total = total + x * x
        return total

    return Program([(k % 1000 - 500) / 1000 for k in range(count)], run, 2 * count - 1)


def microgpt(operations: int) -> Program:
    """Loss of the transformer of demo `microgpt`, 4,192 parameters, on one document.

    It has as many letters as come nearest to `operations`, at most the sixteen of the context.
    """
    letters = min(range(1, transformer.CONTEXT + 1), key=lambda n: abs(_operations_of(n) - operations))
    tables = {name: table.tolist() for name, table in transformer.create(0).items()}
    code = transformer.encoded(".".join(transformer.NAMES))[: letters + 1]

    def run(leaves: list[Any], m: Any) -> Any:
        rows, at = {}, 0
        for name, table in tables.items():
            end = at + len(table) * len(table[0])
            rows[name] = [leaves[k : k + len(table[0])] for k in range(at, end, len(table[0]))]
            at = end
        return transformer.loss(rows, code[:-1], code[1:], [1.0 / letters] * letters, m=m)

    return Program([x for table in tables.values() for row in table for x in row], run, _operations_of(letters))


def _operations_of(letters: int) -> int:
    """Count the transformer's operations.

    For each letter a product and a sum per weight; three norms; three sums of rows; relu and square of the hidden numbers;
    softmax, logarithm, product and difference of the loss; and in attention, for each key so far, four shares with their
    softmax and two products with vectors.
    """
    width, hidden, heads, table = transformer.WIDTH, transformer.HIDDEN, transformer.HEADS, len(transformer.LETTERS)
    weights = 4 * width * width + 2 * width * hidden + table * width
    a_letter = 2 * weights + 3 * (3 * width + 3) + 3 * width + 2 * hidden + 4 * table + 3
    a_key = 4 * width + 5 * heads
    return letters * a_letter + a_key * letters * (letters + 1) // 2


DOCUMENT = _operations_of(transformer.CONTEXT)
PROGRAMS = {"network": network, "chain": chain, "wide sum": wide_sum, "microgpt": microgpt}
