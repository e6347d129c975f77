"""Sums of products found in a straight-line program of lanes: products of a matrix with a vector, and outer products.

Scalar code for a layer, `for w, x in zip(row, inputs): s = s + w * x`, is a chain of additions for each row. Chains over the
same varying numbers, with weights that lie at equal distances, are the rows of one matrix. As a loop they take a hundredth
of the code, and several rows at a time keep the adders busy; each row is still added up from first to last, bit for bit.
Likewise the sums over lanes of products d·x, for all pairs of some d and some x: a gradient by the weights.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from autograd_lite.primitives import add, mul
from autograd_lite.tape.program import Program

#: Fewer products than this in a group are left as they are.
WORTH_A_LOOP = 16


class Step(NamedTuple):
    """An addition `before + product`, where the product is `weight·x`: slots all."""

    before: int
    product: int
    weight: int
    x: int


@dataclass
class Chain:
    """What may be a row: its result, start, weights and vector as slots, and the slots of all its instructions."""

    row: int
    start: int | None
    weights: list[int]
    vector: tuple[int, ...]
    slots: list[int]

    @property
    def stride(self) -> int | None:
        """How far apart its weights lie; None if not evenly."""
        first, *others = self.weights
        stride = others[0] - first if others else 1
        return stride if others == [first + k * stride for k in range(1, len(self.weights))] else None


@dataclass
class Matrix:
    """Rows `starts[r] + Σ w·vector[i]`, w at slots weights[r] + i·stride, results at slots `rows`; None is no start."""

    rows: list[int]
    starts: list[int | None]
    weights: list[int]
    stride: int
    vector: tuple[int, ...]

    @classmethod
    def of(cls, rows: Sequence[Chain], stride: int) -> "Matrix":
        """The matrix whose rows are chains over one vector."""
        starts, weights = [chain.start for chain in rows], [chain.weights[0] for chain in rows]
        return cls([chain.row for chain in rows], starts, weights, stride, rows[0].vector)


@dataclass
class Outer:
    """Sums over lanes of `left[r]·right[c]`, as outputs `results[r] + c`."""

    left: list[int]
    right: list[int]
    results: list[int]

    @property
    def outputs(self) -> set[int]:
        """The numbers of all outputs."""
        return {first + c for first in self.results for c in range(len(self.right))}


@dataclass
class Found:
    """The groups of a program, and the positions of the instructions that they stand for."""

    matrices: list[Matrix]
    outers: list[Outer]
    absorbed: set[int]


def found(tape: Program, varying: int, *, summed: bool) -> Found:
    """Find groups in a program whose first `varying` inputs differ from lane to lane.

    With none the program is of one lane: weights are inputs, and what they are multiplied by is computed. `summed` asks for
    outer products too.
    """
    found = _Search(tape, varying).groups(summed=summed)
    tested = {side - tape.first_instruction for guard in tape.guards for side in (guard.left, guard.right)}
    return Found([], [], set()) if tested & found.absorbed else found


class _Search:
    def __init__(self, tape: Program, varying: int) -> None:
        self.tape, self.varying, self.first = tape, varying, tape.first_instruction
        self.uses = [0] * tape.slots
        for _, arguments in tape.code:
            for a in arguments:
                self.uses[a] += 1
        for slot in (*tape.outputs, *tape.doubtful, *(s for g in tape.guards for s in (g.left, g.right))):
            self.uses[slot] += 1
        steps = ((slot, self._step(slot)) for slot in range(self.first, tape.slots))
        self.steps = {slot: step for slot, step in steps if step is not None}

    def groups(self, *, summed: bool) -> Found:
        """Everything that is worth a loop."""
        found = Found([], [], set())
        inner = {step.before for step in self.steps.values() if self._follows(step.before)}
        by_vector: dict[tuple[int, ...], list[Chain]] = defaultdict(list)
        for slot in self.steps:
            chain = None if slot in inner else self._chain(slot)
            if chain is not None:
                by_vector[chain.vector].append(chain)
        for chains in by_vector.values():
            for stride, rows in self._groups(chains):
                found.matrices.append(Matrix.of(rows, stride))
                found.absorbed.update(slot - self.first for chain in rows for slot in chain.slots)
        if summed:
            found.outers = self._outers(found.absorbed)
        return found

    def _product(self, slot: int) -> tuple[int, int] | None:
        """Weight and varying number of a product that is used once."""
        if slot < self.first or self.uses[slot] != 1:
            return None
        primitive, arguments = self.tape.code[slot - self.first]
        if primitive is not mul:
            return None
        for weight, x in (arguments, arguments[::-1]):
            if self.varying <= weight < self.tape.inputs and (x < self.varying or x >= self.first):
                return weight, x
        return None

    def _step(self, slot: int) -> Step | None:
        primitive, arguments = self.tape.code[slot - self.first]
        if primitive is not add or arguments[0] == arguments[1]:
            return None
        for before, product in (arguments, arguments[::-1]):
            term = self._product(product)
            if term is not None:
                return Step(before, product, *term)
        return None

    def _follows(self, before: int) -> bool:
        """Whether what a step adds to is itself a step, and of the same chain."""
        return before in self.steps and self.uses[before] == 1

    def _chain(self, row: int) -> Chain | None:
        """The chain of steps that ends with `row`; None if it cannot be a row."""
        step = self.steps[row]
        slots, terms = [row, step.product], [(step.weight, step.x)]
        while self._follows(step.before):
            slots.append(step.before)
            step = self.steps[step.before]
            slots.append(step.product)
            terms.append((step.weight, step.x))
        start: int | None = step.before
        first = self._product(step.before)
        if first is not None:
            slots.append(step.before)
            terms.append(first)
            start = None
        elif not self.varying <= step.before < self.tape.inputs:
            return None
        weights, vector = zip(*reversed(terms), strict=True)
        return Chain(row, start, list(weights), vector, slots)

    def _groups(self, chains: Sequence[Chain]) -> list[tuple[int, list[Chain]]]:
        """Chains over one vector sorted into the rows of matrices that are worth a loop, with the stride of each."""
        alike: dict[tuple[int, bool], list[Chain]] = defaultdict(list)
        for chain in chains:
            stride = chain.stride
            if stride is not None:
                alike[stride, chain.start is None].append(chain)
        return [
            (stride, rows)
            for (stride, _), rows in alike.items()
            if len(rows) > 1 and len(rows) * len(rows[0].vector) >= WORTH_A_LOOP
        ]

    def _outers(self, absorbed: set[int]) -> list[Outer]:
        """Outputs that are products of two varying numbers and nothing else, as full grids."""
        partners: dict[int, dict[int, int]] = defaultdict(dict)
        for k, slot in enumerate(self.tape.outputs):
            if slot >= self.first and self.uses[slot] == 1 and slot - self.first not in absorbed:
                primitive, (x, d) = self.tape.code[slot - self.first][0], (*self.tape.code[slot - self.first][1], 0)[:2]
                if primitive is mul and self._varies(x) and self._varies(d):
                    partners[d][x] = k
        by_partners: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for d, products in partners.items():
            by_partners[tuple(sorted(products))].append(d)
        outers = []
        for xs, ds in by_partners.items():
            if len(ds) * len(xs) >= WORTH_A_LOOP:
                found = _grid(ds, xs, lambda d, x: partners[d][x]) or _grid(xs, ds, lambda x, d: partners[d][x])
                if found is not None:
                    outers.append(found)
                    absorbed.update(self.tape.outputs[k] - self.first for k in found.outputs)
        return outers

    def _varies(self, slot: int) -> bool:
        return slot < self.varying or slot >= self.first


def _grid(left: Sequence[int], right: Sequence[int], output: Callable[[int, int], int]) -> Outer | None:
    """An outer product whose rows are neighbouring outputs, if there is one in this order."""
    right = sorted(right, key=lambda x: output(left[0], x))
    rows = [[output(d, x) for x in right] for d in left]
    if any(row != list(range(row[0], row[0] + len(row))) for row in rows):
        return None
    return Outer(list(left), right, [row[0] for row in rows])
