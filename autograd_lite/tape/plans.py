"""Kernels of elements, and where their results go in a matrix."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from autograd_lite.backward import gradients
from autograd_lite.nests import Shape, unravel
from autograd_lite.see.sparsity import Part
from autograd_lite.tape.backends.lanes import Columns
from autograd_lite.tape.call import jit
from autograd_lite.tape.elements import Cut, Group, scipy_sparse, zero_slots
from autograd_lite.tape.lane_paths import LanePaths
from autograd_lite.tape.llvm.later import later
from autograd_lite.tape.paths import Paths
from autograd_lite.tape.program import merged
from autograd_lite.tape.pushing import second_derivatives
from autograd_lite.tape.tape import record

#: How many paths a kernel may have: a user's own operation may have a partial that branches.
PATHS = 64


@dataclass(frozen=True)
class Kernel:
    """A derivative of an element, compiled for all elements of a group: its entries, and those that are constants."""

    run: Callable[[Columns], Any] | None  # the entries of all elements, one entry after the other
    entries: list[tuple[int, int]]  # for values (head, 0), for Jacobians (head, input), for Hessians a pair of inputs
    constants: list[tuple[tuple[int, int], float]]


def _derivative(group: Group, kind: str, own: Any, data: Any, weight: Any) -> dict[tuple[int, int], Any]:
    """The entries of a derivative of an element, of its inputs, of the constants that vary, and of weights of its heads."""
    element, xs, numbers = group.element, list(own), group.shared.tolist()
    for place, number in zip(group.varying, data, strict=True):
        numbers[place] = number
    if kind == "hessian":
        return second_derivatives(element, xs, numbers, list(weight))
    values = element.run(xs, numbers)
    if kind == "value":
        return {(k, 0): values[head] for k, head in enumerate(element.heads)}
    found: dict[tuple[int, int], Any] = {}
    for k, (head, support) in enumerate(zip(element.heads, element.supports, strict=True)):
        wrt = [xs[place] for place in support]
        slopes = gradients(values[head], wrt, create_graph=True, unconnected="none") if wrt else []
        found |= {(k, place): slope for place, slope in zip(support, slopes, strict=True) if slope is not None}
    return found


def _every_entry(group: Group, kind: str) -> list[tuple[int, int]]:
    """All entries that a derivative of an element may have."""
    if kind == "hessian":
        return [(a, b) for a in range(group.inputs.shape[1]) for b in range(a + 1)]
    return [(k, place) for k, own in enumerate(group.element.supports) for place in own]


def kernel_of(group: Group, kind: str, example: Sequence[Any], backend: str) -> Kernel:
    """The kernel of a group; the example holds the inputs, constants and weights of its first element."""
    keys: list[tuple[int, int]] = []

    def all_of_it(own: Any, data: Any, weight: Any) -> list[Any]:
        found = _derivative(group, kind, own, data, weight)
        keys[:] = found
        return [*found.values()]

    all_of_it.__name__ = f"{kind} of {len(group):,} elements"
    numbers, shape = unravel((tuple(example), {}))
    tape = record(all_of_it, numbers, shape)
    program = tape.program
    if program.guards and kind != "value":  # a partial that branches in Python: any entry may appear
        keys[:] = _every_entry(group, kind)
        program = replace(program, outputs=())
    zeros = set() if kind == "value" else zero_slots(program)
    constant = {
        key: 0.0 if slot in zeros else program.constants[slot - program.inputs]
        for key, slot in zip(keys, program.outputs, strict=False)
        if slot in zeros or program.inputs <= slot < program.first_instruction
    }
    entries = [key for key in keys if key not in constant]

    def wanted(own: Any, data: Any, weight: Any) -> list[Any]:
        found = _derivative(group, kind, own, data, weight)
        return [found.get(key, 0.0) for key in entries]

    wanted.__name__ = all_of_it.__name__
    known: Any = wanted
    if not program.guards and len(group) > 1:  # nothing is to be traced again
        kept = [slot for key, slot in zip(keys, program.outputs, strict=True) if key not in constant]
        careful = cache(lambda: record(wanted, numbers, shape, masked=True)) if program.doubtful else None
        program = merged(replace(program, outputs=tuple(kept)))
        known = replace(tape, program=program, output_shape=unravel([0.0] * len(kept))[1], careful=careful)
    run = (_once if len(group) == 1 else _over_lanes)(known, shape, backend) if entries else None
    return Kernel(run, entries, [(key, number) for key, number in constant.items() if number])


def _once(wanted: Callable[..., Any], _shape: Shape, backend: str) -> Callable[[Columns], Any]:
    """For one element: straight code."""
    compiled = jit(wanted, backend=backend)
    return lambda columns: np.array([getattr(x, "_value", x) for x in compiled(*(a[0] for a in columns.arrays))])


def _over_lanes(wanted: Callable[..., Any], shape: Shape, backend: str) -> Callable[[Columns], Any]:
    """For many elements: lanes, without the steps in between by which `jit(vmap(f))` finds out what it was given."""
    family = LanePaths(Paths(wanted, shape, PATHS), (True,) * len(shape.leaves), later(backend), reduce=None)
    return lambda columns: family(columns).numbers.ravel()


class Plan:
    """One derivative on one path: the kernels of its groups, and where each of their results goes.

    `rows` and `columns` are those of the entries, sorted by row; of a Hessian the lower triangle.
    """

    def __init__(self, cut_: Cut, kind: str, arguments: int, ready: Sequence[tuple[Group, Kernel]]) -> None:
        self.cut, self.kind, self.ready, self.arguments = cut_, kind, ready, arguments
        # Rows, columns, factors, sources of each; a source -1 is a number that is the same for all x.
        entries: list[Any] = []
        start = 0
        for group, kernel in ready:
            for entry in kernel.entries:
                entries.append(self._placed(group, entry, np.arange(start, start + len(group)), 1.0))
                start += len(group)
            entries += [self._placed(group, entry, np.full(len(group), -1), x) for entry, x in kernel.constants]
        self.sources = start
        if kind == "jacobian":
            line = cut_.linear.tocoo()
            entries.append((line.row, line.col, line.data, np.full(line.nnz, -1)))
        whole = np.empty(0, dtype=np.int64)
        parts = zip((whole, whole, np.empty(0), whole), *entries, strict=True)
        self._gather(arguments, *(np.concatenate(part) for part in parts))
        self.runs = [_Run(group, kernel) for group, kernel in ready if kernel.run is not None]
        self.included = False  # whether the pattern has its entries
        self._weights: tuple[bytes, list[Any]] | None = None
        self._wide: tuple[Any, Any] = None, None

    def parts(self, pattern: "Pattern") -> list[Part]:
        """The entries of a pattern by what gives them: groups, sums of inputs, other branches."""
        found = []
        for group, kernel in sorted(self.ready, key=lambda pair: -len(pair[0])):
            keys = [*kernel.entries, *(key for key, _ in kernel.constants)]
            placed = [self._placed(group, key, np.zeros(len(group), dtype=int), 1.0)[:2] for key in keys]
            if placed:
                rows, columns = (np.concatenate(side) for side in zip(*placed, strict=True))
                found.append(Part(str(group), rows, columns))
        if self.kind == "jacobian":
            line = self.cut.linear.tocoo()
            found.append(Part("sums of inputs: constants", line.row, line.col, plain=True))
        kept = [
            (own.columns < self.arguments) & ((own.rows < self.arguments) | (self.kind != "hessian")) for own in found
        ]
        found = [own._replace(rows=own.rows[k], columns=own.columns[k]) for own, k in zip(found, kept, strict=True)]
        others = np.divmod(np.setdiff1d(pattern.keys, self.keys), max(pattern.shape[1], 1))
        found.append(Part("on other branches", *others, plain=True))
        if self.kind != "hessian":
            return found
        both = [np.concatenate([own.rows, own.columns]) for own in found]
        return [
            own._replace(rows=all_, columns=np.concatenate([own.columns, own.rows]))
            for own, all_ in zip(found, both, strict=True)
        ]

    def _placed(self, group: Group, entry: tuple[int, int], source: Any, factor: float) -> tuple[Any, Any, Any, Any]:
        """Where an entry of each element goes: to every row of its head, or to a pair of inputs."""
        a, b = entry
        if self.kind == "hessian":
            one, other = group.inputs[:, a], group.inputs[:, b]
            return np.maximum(one, other), np.minimum(one, other), np.full(len(group), factor), source
        weights, heads = self.cut.by_output, group.heads[:, a]
        counts = np.diff(weights.indptr)[heads]
        which = np.repeat(np.arange(len(group)), counts)
        found = np.repeat(weights.indptr[heads] - np.cumsum(counts) + counts, counts) + np.arange(len(which))
        columns = group.inputs[which, b] if self.kind == "jacobian" else np.zeros(len(which), dtype=np.int64)
        return weights.indices[found], columns, weights.data[found] * factor, source[which]

    def _gather(self, arguments: int, rows: Any, columns: Any, factors: Any, sources: Any) -> None:
        if self.kind == "value":
            wide = 1
        else:
            wide = arguments
            kept = (columns < arguments) & (factors != 0.0)
            kept &= (rows < arguments) if self.kind == "hessian" else True
            rows, columns, factors, sources = rows[kept], columns[kept], factors[kept], sources[kept]
        self.keys, place = np.unique(rows * wide + columns, return_inverse=True)
        fixed = sources < 0
        constant = np.bincount(place[fixed], factors[fixed], len(self.keys))
        self.scatter = Scatter(constant, place[~fixed], sources[~fixed], factors[~fixed], self.sources)

    def data(self, x: Any, weights: Any) -> Any:
        """The entries at this point, in the order of `keys`."""
        columns = self._weighted(weights)
        parts = [run(x, own) for run, own in zip(self.runs, columns, strict=True)]
        return self.scatter(parts[0] if len(parts) == 1 else np.concatenate([np.empty(0), *parts]))

    def _weighted(self, weights: Any) -> list[Any]:
        """For each run the weights of the heads of its elements; kept, since those of one output never change."""
        if weights is None:
            return [None] * len(self.runs)
        bits = weights.tobytes()
        if self._weights is None or self._weights[0] != bits:
            by_head = self.cut.by_head @ weights
            self._weights = bits, [_lean(by_head.take(run.heads)) for run in self.runs]
        return self._weights[1]

    def widened(self, keys: Any, data: Any) -> Any:
        """The entries among those of a pattern that has more."""
        if self._wide[0] is not keys:
            self._wide = keys, np.searchsorted(keys, self.keys)
        wide = np.zeros(len(keys))
        wide[self._wide[1]] = data
        return wide


def _lean(rows: Any) -> Any:
    """Rows of numbers, columns first in memory; equal rows are one row in memory. 0.0 and -0.0 differ."""
    bits = np.ascontiguousarray(rows).view(np.int64)
    return np.broadcast_to(rows[:1], rows.shape) if (bits == bits[:1]).all() else np.asfortranarray(rows)


class _Run:
    """A kernel on the elements of a group."""

    def __init__(self, group: Group, kernel: Kernel) -> None:
        self.count, self.run, self.heads = len(group), kernel.run, group.heads
        self.constants = _lean(group.constants[:, group.varying])
        self.inputs, self.none = np.ascontiguousarray(group.inputs.T), np.empty(0)
        self.empty = np.empty((self.count, 0))
        #: Where inputs lie at even distances they are read where they are: the first, and the two distances.
        self.even: tuple[int, int, int] | None = None
        first = group.inputs[:1]
        if first.size and self.count > 1:
            steps = int(group.inputs[1, 0] - first[0, 0]), int(first[0, 1] - first[0, 0]) if first.size > 1 else 1
            grid = first[0, 0] + np.add.outer(steps[0] * np.arange(self.count), steps[1] * np.arange(first.size))
            self.even = (int(first[0, 0]), *steps) if np.array_equal(grid, group.inputs) else None

    def __call__(self, x: Any, weights: Any) -> Any:
        """The entries of all elements."""
        if self.even is None:
            own = x.take(self.inputs).T
        else:
            start, lane, step = self.even
            own = np.ndarray((self.count, len(self.inputs)), np.float64, x, 8 * start, (8 * lane, 8 * step))
        assert self.run is not None
        return self.run(
            Columns(self.count, self.none, [own, self.constants, self.empty if weights is None else weights])
        )


class Scatter:
    """Sums of numbers at places: of constants, and of sources with their factors."""

    #: Up to so many sources of one place are added round by round; more by a sparse product.
    ROUNDS = 3

    def __init__(self, constant: Any, places: Any, sources: Any, factors: Any, count: int) -> None:
        order = np.argsort(places, kind="stable")
        places, sources, factors = places[order], sources[order], factors[order]
        starts = np.searchsorted(places, np.arange(len(constant)))
        turn = np.arange(len(places)) - starts[places]  # of the sources of its place
        self.constant, self.matrix, self.rounds = constant, None, list[Any]()
        rounds = int(turn.max(initial=-1)) + 1
        if rounds > self.ROUNDS:
            self.matrix = scipy_sparse().csr_array((factors, (places, sources)), (len(constant), count))
            return
        for k in range(rounds):
            own = turn == k
            mine = factors[own]
            factor = mine if (mine != mine[0]).any() else None if mine[0] == 1.0 else float(mine[0])
            self.rounds.append((_even(places[own]), _even(sources[own]), factor))
        self.covers = bool(rounds) and len(np.flatnonzero(turn == 0)) == len(constant)
        somewhere = np.flatnonzero(constant)
        self.somewhere = _even(somewhere), constant[somewhere]

    def __call__(self, found: Any) -> Any:
        """The sums; never the numbers that were found themselves."""
        if self.matrix is not None:
            return self.matrix @ found + self.constant
        rounds = iter(self.rounds)
        if self.covers:
            _, sources, factors = next(rounds)
            total = found[sources].copy() if type(sources) is slice else found.take(sources)
            if factors is not None:
                total *= factors
            if len(self.somewhere[1]):
                total[self.somewhere[0]] += self.somewhere[1]
        else:
            total = self.constant.copy()
        for places, sources, factors in rounds:
            numbers = found[sources]
            total[places] += numbers if factors is None else numbers * factors
        return total


def _even(places: Any) -> Any:
    """Whole numbers that grow by one step as a slice."""
    if len(places) > 1:
        step = int(places[1] - places[0])
        if step > 0 and (np.diff(places) == step).all():
            return slice(int(places[0]), int(places[-1]) + 1, step)
    return places


class Pattern:
    """The entries of one derivative that any path had so far; of a Hessian the lower triangle, unless the matrix is made."""

    def __init__(self, rows: int, columns: int) -> None:
        self.shape, self.keys, self.version = (rows, columns), np.empty(0, dtype=np.int64), 0
        self._structures: dict[bool, Any] = {}

    def include(self, keys: Any) -> None:
        united = np.union1d(self.keys, keys) if self.version else keys
        if len(united) > len(self.keys) or not self.version:
            self.keys, self.version, self._structures = united, self.version + 1, {}

    def _structure(self, *, both: bool) -> Any:
        """A matrix with these entries, and which of the entries stands at each place; with `both` triangles."""
        known = self._structures.get(both)
        if known is None:
            rows, columns = np.divmod(self.keys, max(self.shape[1], 1))
            place = np.arange(len(rows))
            if both:
                below = rows > columns
                rows, columns, place = (
                    np.concatenate([part, other[below]])
                    for part, other in ((rows, columns), (columns, rows), (place, place))
                )
                order = np.lexsort((columns, rows))
                rows, columns, place = rows[order], columns[order], place[order]
            starts = np.searchsorted(rows, np.arange(self.shape[0] + 1))
            made = scipy_sparse().csr_array((np.empty(len(rows)), columns, starts), self.shape)
            made.has_canonical_format = True
            known = self._structures[both] = made, place
        return known

    def matrix(self, data: Any, *, both: bool) -> Any:
        """A matrix of its own with this data."""
        made, place = self._structure(both=both)
        matrix = copy.copy(made)  # what SciPy would find out again about indices is known: 30 µs
        matrix.data = data.take(place) if both else data
        matrix.indices, matrix.indptr = made.indices.copy(), made.indptr.copy()
        return matrix
