"""Sums of products found in straight-line code: products of a matrix with a vector, and outer products.

A layer is a chain of additions for each row; chains over the same varying numbers, with weights at equal distances, are the
rows of a matrix, each still added up from first to last. A gradient by weights is a sum over lanes of all products d·x.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from autograd_lite.primitives import add, mul
from autograd_lite.tape.program import Program

#: Fewer products than this in a group are left as they are.
WORTH_A_LOOP = 16


class Chain(NamedTuple):
    """A possible row: slots of its result, start, first weight and vector, the distance of weights, and all its slots."""

    row: int
    start: int | None
    weight: int
    stride: int
    vector: tuple[int, ...]
    slots: list[int]


@dataclass
class Matrix:
    """Rows `starts[r] + Σ w·vector[i]`, w at slots weights[r] + i·stride, results at slots `rows`; None is no start."""

    rows: list[int]
    starts: list[int | None]
    weights: list[int]
    stride: int
    vector: tuple[int, ...]


@dataclass
class Outer:
    """Sums over lanes of `left[r]·right[c]`, as outputs `results[r] + c`."""

    left: list[int]
    right: list[int]
    results: list[int]

    @property
    def outputs(self) -> set[int]:
        return {first + c for first in self.results for c in range(len(self.right))}


@dataclass
class Found:
    """The groups of a program, and the positions of the instructions that they stand for."""

    matrices: list[Matrix] = field(default_factory=list)
    outers: list[Outer] = field(default_factory=list)
    absorbed: set[int] = field(default_factory=set)


def found(tape: Program, varying: int, *, summed: bool) -> Found:
    """The groups of a program whose first `varying` inputs differ from lane to lane; `summed` asks for outer products too.

    A program without such inputs is one of a single lane: weights are its inputs, and vectors are computed.
    """
    return _Search(tape, varying).groups(summed=summed)


class _Search:
    def __init__(self, tape: Program, varying: int) -> None:
        self.tape, self.varying, self.first = tape, varying, tape.first_instruction
        self.uses = [0] * tape.slots
        for _, arguments in tape.code:
            for a in arguments:
                self.uses[a] += 1
        for slot in tape.roots:
            self.uses[slot] += 1
        additions = ((slot, self._addition(slot)) for slot in range(self.first, tape.slots))
        self.additions = {slot: addition for slot, addition in additions if addition is not None}

    def groups(self, *, summed: bool) -> Found:
        found = Found()
        inner = {before for before, *_ in self.additions.values() if self._continues(before)}
        alike: dict[Any, list[Chain]] = defaultdict(list)
        for slot in self.additions:
            chain = None if slot in inner else self._chain(slot)
            if chain is not None:
                alike[chain.vector, chain.stride, chain.start is None].append(chain)
        for (vector, stride, _), rows in alike.items():
            if len(rows) > 1 and len(rows) * len(vector) >= WORTH_A_LOOP:
                results, starts, weights = map(list, zip(*(chain[:3] for chain in rows), strict=True))
                found.matrices.append(Matrix(results, starts, weights, stride, vector))
                found.absorbed.update(slot - self.first for chain in rows for slot in chain.slots)
        if summed:
            found.outers = self._outers(found.absorbed)
        tested = {side - self.first for guard in self.tape.guards for side in (guard.left, guard.right)}
        return Found() if tested & found.absorbed else found

    def _product(self, slot: int) -> tuple[int, int] | None:
        """Weight and varying number of a product that is used once."""
        if slot < self.first or self.uses[slot] != 1:
            return None
        primitive, arguments = self.tape.code[slot - self.first]
        if primitive is not mul:
            return None
        for weight, x in (arguments, arguments[::-1]):
            if self.varying <= weight < self.tape.inputs and self._varies(x):
                return weight, x
        return None

    def _addition(self, slot: int) -> tuple[int, int, int, int] | None:
        """Before, product, weight and x of an addition `before + product` where product = weight·x."""
        primitive, arguments = self.tape.code[slot - self.first]
        if primitive is not add or arguments[0] == arguments[1]:
            return None
        for before, product in (arguments, arguments[::-1]):
            factors = self._product(product)
            if factors is not None:
                return before, product, *factors
        return None

    def _continues(self, before: int) -> bool:
        """Whether a chain goes on with this operand of an addition."""
        return before in self.additions and self.uses[before] == 1

    def _chain(self, row: int) -> Chain | None:
        """The chain of additions that ends with `row`; None if it cannot be a row."""
        before, product, *factors = self.additions[row]
        slots, terms = [row, product], [factors]
        while self._continues(before):
            slots.append(before)
            before, product, *factors = self.additions[before]
            slots.append(product)
            terms.append(factors)
        first = self._product(before)
        if first is not None:
            slots.append(before)
            terms.append([*first])
        elif not self.varying <= before < self.tape.inputs:
            return None
        start = before if first is None else None
        weights, vector = zip(*reversed(terms), strict=True)
        stride, *others = {after - weight for weight, after in pairwise(weights)} or {1}
        return None if others else Chain(row, start, weights[0], stride, vector, slots)

    def _outers(self, absorbed: set[int]) -> list[Outer]:
        """Outputs that are products of two varying numbers and nothing else, as full grids."""
        partners: dict[int, dict[int, int]] = defaultdict(dict)
        for k, slot in enumerate(self.tape.outputs):
            if slot >= self.first and self.uses[slot] == 1 and slot - self.first not in absorbed:
                primitive, arguments = self.tape.code[slot - self.first]
                if primitive is mul and all(map(self._varies, arguments)):
                    partners[arguments[1]][arguments[0]] = k
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
