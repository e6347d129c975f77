"""Sums of products found in a straight-line program of lanes: products of a matrix with a vector, and outer products.

Scalar code for a layer, `for w, x in zip(row, inputs): s = s + w * x`, is a chain of additions for each row. Chains over the
same varying numbers, with weights that lie at equal distances, are the rows of one matrix. As a loop they take a hundredth
of the code, and several rows at a time keep the adders busy; each row is still added up from first to last, bit for bit.
Likewise the sums over lanes of products d·x, for all pairs of some d and some x: a gradient by the weights.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from autograd_lite.primitives import add, mul
from autograd_lite.tape.passes import Straight

#: Fewer products than this in a group are left as they are.
WORTH_A_LOOP = 16


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
        """The numbers of all outputs."""
        return {first + c for first in self.results for c in range(len(self.right))}


@dataclass
class Found:
    """The groups of a program, and the positions of the instructions that they stand for."""

    matrices: list[Matrix]
    outers: list[Outer]
    absorbed: set[int]


def found(tape: Straight, varying: int, *, summed: bool) -> Found:
    """Find groups in a program whose first `varying` inputs differ from lane to lane.

    With none the program is of one lane: weights are inputs, and what they are multiplied by is computed. `summed` asks for
    outer products too.
    """
    found = _Search(tape, varying).groups(summed=summed)
    tested = {side - tape.first_instruction for guard in tape.guards for side in (guard.left, guard.right)}
    return Found([], [], set()) if tested & found.absorbed else found


#: Last addition, start, and weights of a row.
Chain = tuple[int, int | None, list[int]]


class _Search:
    def __init__(self, tape: Straight, varying: int) -> None:
        self.tape, self.varying, self.first = tape, varying, tape.first_instruction
        self.uses = [0] * tape.slots
        for _, arguments in tape.code:
            for a in arguments:
                self.uses[a] += 1
        for slot in (*tape.outputs, *tape.doubtful, *(s for g in tape.guards for s in (g.left, g.right))):
            self.uses[slot] += 1

    def groups(self, *, summed: bool) -> Found:
        """Everything that is worth a loop."""
        found = Found([], [], set())
        steps = {slot: step for slot in range(self.first, self.tape.slots) if (step := self._step(slot)) is not None}
        followed = {before for before, *_ in steps.values() if before in steps and self.uses[before] == 1}
        by_vector: dict[tuple[int, ...], list[Chain]] = defaultdict(list)
        for slot in steps:
            if slot not in followed:
                start, terms = self._chain(slot, steps)
                if terms is not None:
                    by_vector[tuple(x for _, x in terms)].append((slot, start, [w for w, _ in terms]))
        for vector, chains in by_vector.items():
            for matrix in self._matrices(vector, chains):
                found.matrices.append(matrix)
                for row in matrix.rows:
                    self._absorb(row, steps, found.absorbed)
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
            if self.varying <= weight < self.tape.first_constant and (x < self.varying or x >= self.first):
                return weight, x
        return None

    def _step(self, slot: int) -> tuple[int, int, int, int] | None:
        primitive, arguments = self.tape.code[slot - self.first]
        if primitive is not add or arguments[0] == arguments[1]:
            return None
        for before, product in (arguments, arguments[::-1]):
            term = self._product(product)
            if term is not None:
                return before, product, *term
        return None

    def _chain(
        self, slot: int, steps: dict[int, tuple[int, int, int, int]]
    ) -> tuple[int | None, list[tuple[int, int]] | None]:
        """Start and terms of the chain that ends with an addition; no terms if it cannot be a row."""
        terms = []
        while True:
            before, _, weight, x = steps[slot]
            terms.append((weight, x))
            if before in steps and self.uses[before] == 1:
                slot = before
                continue
            break
        first = self._product(before)
        if first is not None:
            return None, [first, *terms[::-1]]
        if self.varying <= before < self.tape.first_constant:
            return before, terms[::-1]
        return None, None

    def _matrices(self, vector: tuple[int, ...], chains: list[Chain]) -> list[Matrix]:
        by_stride: dict[tuple[int, bool], list[Chain]] = defaultdict(list)
        for chain in chains:
            weights = chain[2]
            stride = weights[1] - weights[0] if len(weights) > 1 else 1
            if weights == [weights[0] + k * stride for k in range(len(weights))]:
                by_stride[stride, chain[1] is None].append(chain)
        return [
            Matrix([c[0] for c in rows], [c[1] for c in rows], [c[2][0] for c in rows], stride, vector)
            for (stride, _), rows in by_stride.items()
            if len(rows) > 1 and len(rows) * len(vector) >= WORTH_A_LOOP
        ]

    def _absorb(self, slot: int, steps: dict[int, tuple[int, int, int, int]], absorbed: set[int]) -> None:
        while True:
            absorbed.add(slot - self.first)
            before, product, _, _ = steps[slot]
            absorbed.add(product - self.first)
            if not (before in steps and self.uses[before] == 1):
                if self._product(before) is not None:
                    absorbed.add(before - self.first)
                return
            slot = before

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
