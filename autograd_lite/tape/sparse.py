"""Sparse Jacobians and Hessians of one plain function: elements that are equal run as lanes of one kernel."""

import copy
import functools
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import RLock
from typing import Any

import numpy as np

from autograd_lite import hints
from autograd_lite.backward import gradients
from autograd_lite.errors import ArgumentError, OperandError, OutputError
from autograd_lite.nests import Shape, unravel
from autograd_lite.see.sparsity import Part, PatternPicture, picture
from autograd_lite.tape.backends.lanes import Columns
from autograd_lite.tape.backends.python import PythonSingle
from autograd_lite.tape.backends.registry import chosen, single
from autograd_lite.tape.call import jit
from autograd_lite.tape.colours import Given
from autograd_lite.tape.elements import Cut, Group, cut, scipy_sparse, zero_slots
from autograd_lite.tape.lane_paths import LanePaths
from autograd_lite.tape.paths import WORTH_COMPILING, Path, Paths
from autograd_lite.tape.program import Program, merged
from autograd_lite.tape.pushing import second_derivatives
from autograd_lite.tape.trace import recorded
from autograd_lite.transforms import name_of
from autograd_lite.variable import Variable

#: How many paths of a function are kept; the patterns of all that were met stay in the union.
PATHS = 64
KINDS = ("value", "jacobian", "hessian")


@dataclass(frozen=True)
class Kernel:
    """A derivative of an element, compiled for all elements of a group: its entries, and those that are constants."""

    run: Callable[[Columns], Any] | None  # the entries of all elements, one entry after the other
    entries: list[tuple[int, int]]  # for values (head, 0), for Jacobians (head, input), for Hessians a pair of inputs
    constants: list[tuple[tuple[int, int], float]]


def _kernel(group: Group, kind: str, example: Sequence[Any], backend: str) -> Kernel:
    """The kernel of a group; the example holds the inputs, constants and weights of its first element."""
    element, varying, shared = group.element, group.varying, group.shared.tolist()
    supports = element.supports

    def derivative(own: Any, data: Any, weight: Any) -> dict[tuple[int, int], Any]:
        xs, numbers = list(own), list(shared)
        for place, number in zip(varying, data, strict=True):
            numbers[place] = number
        if kind == "hessian":
            return second_derivatives(element, xs, numbers, list(weight))
        values = element.run(xs, numbers)
        if kind == "value":
            return {(k, 0): values[head] for k, head in enumerate(element.heads)}
        found: dict[tuple[int, int], Any] = {}
        for k, head in enumerate(element.heads):
            wrt = [xs[place] for place in supports[k]]
            slopes = gradients(values[head], wrt, create_graph=True, unconnected="none") if wrt else []
            found |= {(k, place): slope for place, slope in zip(supports[k], slopes, strict=True) if slope is not None}
        return found

    keys: list[tuple[int, int]] = []

    def all_of_it(own: Any, data: Any, weight: Any) -> list[Any]:
        found = derivative(own, data, weight)
        keys[:] = found
        return [*found.values()]

    numbers, shape = unravel((tuple(example), {}))
    program = recorded(all_of_it, numbers, shape)[0]
    if program.guards and kind != "value":  # a partial that branches in Python: any entry may appear
        pairs = [(a, b) for a in range(len(example[0])) for b in range(a + 1)]
        keys[:] = pairs if kind == "hessian" else [(k, place) for k, own in enumerate(supports) for place in own]
        program = replace(program, outputs=())
    zeros = set() if kind == "value" else zero_slots(program)
    constant = {
        key: 0.0 if slot in zeros else program.constants[slot - program.inputs]
        for key, slot in zip(keys, program.outputs, strict=False)
        if slot in zeros or program.inputs <= slot < program.first_instruction
    }
    entries = [key for key in keys if key not in constant]

    def wanted(own: Any, data: Any, weight: Any) -> list[Any]:
        found = derivative(own, data, weight)
        return [found.get(key, 0.0) for key in entries]

    wanted.__name__ = f"{kind} of {len(group):,} elements"
    run = (_once if len(group) == 1 else _over_lanes)(wanted, shape, backend) if entries else None
    return Kernel(run, entries, [(key, number) for key, number in constant.items() if number])


def _once(wanted: Callable[..., Any], _shape: Shape, backend: str) -> Callable[[Columns], Any]:
    """For one element: straight code."""
    compiled = jit(wanted, backend=backend)
    return lambda columns: np.array([getattr(x, "_value", x) for x in compiled(*(a[0] for a in columns.arrays))])


def _over_lanes(wanted: Callable[..., Any], shape: Shape, backend: str) -> Callable[[Columns], Any]:
    """For many elements: lanes, without the steps in between by which `jit(vmap(f))` finds out what it was given."""
    family = LanePaths(Paths(wanted, shape, PATHS), (True,) * len(shape.leaves), backend, reduce=None)
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
        if self.kind != "hessian":
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
    """Rows of numbers, columns first in memory; equal rows are one row in memory."""
    return np.broadcast_to(rows[:1], rows.shape) if (rows == rows[:1]).all() else np.asfortranarray(rows)


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
        self._last: Any = None

    def include(self, keys: Any) -> None:
        if keys is self.keys or keys is self._last:
            return
        self._last = keys
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


class Problem:
    """A function for arguments of one shape: its paths, cut into elements, and the patterns that grow with them."""

    def __init__(self, f: Callable[..., Any], shape: Shape, backend: str, kernels: dict[Any, Kernel]) -> None:
        self.f, self.backend, self.kernels = f, backend, kernels
        self.paths = Paths(f, shape, PATHS)
        self.patterns: dict[str, Pattern] = {}
        self.cuts: OrderedDict[Path, Cut] = OrderedDict()
        self._plans: dict[tuple[Path, str], Plan] = {}
        self.recent: dict[str, Plan] = {}  # by derivative
        self.outputs: Shape | None = None
        #: The last path that was one too many, and the numbers that took it.
        self._unkept: tuple[bytes, Path] | None = None

    def path(self, x: Any) -> Path:
        """The path that these numbers take; one that is not kept where there are too many."""
        known = self.paths.known
        if len(known) == 1 and not known[0].guards:
            return self._checked(known[0])
        bits = x.tobytes()
        if self._unkept is not None and self._unkept[0] == bits:
            return self._unkept[1]
        numbers = x.tolist()
        path, tried = self.paths.first(numbers), []
        while (status := self._status(path, numbers)) != 0:
            tried.append(path)
            others = self.paths.others(path, status - 1, tried)
            following = None
            if others or not self.paths.full:
                following = self.paths.following(path, status, tried, lambda: self.paths.new(numbers))
            if following is None:
                unkept = self._checked(Path(self.paths.traced(numbers)))
                self._unkept = bits, unkept
                return unkept
            path = following
        path.serve(1)
        return self._checked(path)

    def _checked(self, path: Path) -> Path:
        """The path, if it returns what the others do."""
        shape = path.tape.output_shape
        if self.outputs is None:
            self.outputs = shape
        elif shape is not self.outputs and shape != self.outputs:
            raise OutputError(
                f"{name_of(self.f)} returns results of another shape on the branch that it takes here than before. Return "
                "results of one shape on every branch."
            )
        return path

    def _status(self, path: Path, numbers: list[float]) -> int:
        if not path.guards:
            return 0
        asked = path.program("guards", lambda tape: PythonSingle(_guards(tape.program)))
        if path.lanes > WORTH_COMPILING:
            asked = path.program("compiled guards", lambda tape: single(_guards(tape.program), self.backend))
        return int(asked.run([*numbers, *(v.value for v in path.tape.captured)])[0])

    def computed(self, kind: str, numbers: Any, weights: Any = None) -> tuple[Plan, Any, Any]:
        """The plan of the path that these numbers take, its entries, and all inputs; `weights` gives those of the outputs."""
        path = self.path(numbers)
        captured = path.tape.captured
        x = np.concatenate([numbers, [v.value for v in captured]]) if captured else numbers
        cut_ = self.cuts.get(path)
        if cut_ is not None:
            self.cuts.move_to_end(path)
        else:
            cut_ = self.cuts[path] = cut(path.tape.program)
            while len(self.cuts) > PATHS:
                old, _ = self.cuts.popitem(last=False)
                for which in KINDS:
                    self._plans.pop((old, which), None)
        by_output = weights(cut_.outputs) if weights else np.zeros(cut_.outputs)
        plan = self._plans.get((path, kind))
        if plan is None:
            groups = cut_.groups + (cut_.cancelled if kind == "value" else [])
            by_head = cut_.by_head @ by_output
            ready = [(group, self._kernel(group, kind, x, by_head)) for group in groups]
            plan = self._plans[path, kind] = Plan(cut_, kind, len(numbers), ready)
        self.recent[kind] = plan
        return plan, plan.data(x, by_output), x

    def _kernel(self, group: Group, kind: str, x: Any, weights: Any) -> Kernel:
        key = (kind, len(group) == 1, *group.key)
        if key not in self.kernels:
            own = weights[group.heads[0]] if kind == "hessian" else weights[:0]
            example = x[group.inputs[0]], group.constants[0][group.varying], own
            self.kernels[key] = _kernel(group, kind, example, self.backend)
        return self.kernels[key]

    def matrix(self, kind: str, numbers: Any, weights: Any = None, triangle: str = "full") -> Any:
        plan, data, _ = self.computed(kind, numbers, weights)
        rows = len(numbers) if kind == "hessian" else plan.cut.outputs
        pattern = self.patterns.setdefault(kind, Pattern(rows, len(numbers)))
        pattern.include(plan.keys)
        if len(pattern.keys) > len(plan.keys):
            data = plan.widened(pattern.keys, data)
        return pattern.matrix(data, both=kind == "hessian" and triangle == "full")


def _guards(program: Program) -> Program:
    """Only what the guards need."""
    return merged(replace(program, outputs=(), doubtful=()))


def _of_numbers(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The function with all its results as numbers: a 0 or a flag among them is a row as well."""

    @functools.wraps(f)
    def numeric(x: Any) -> Any:
        numbers, shape = unravel(f(x), f"the output of {name_of(f)}")
        return shape.pack(numbers)

    return numeric


def _numbers_of(x: Any, f: Callable[[Any], Any], name: str) -> tuple[list[Any], Shape]:
    """The numbers of an argument, none of them a Variable, and its shape."""
    numbers, shape = unravel(((x,), {}), f"the argument of {name_of(f)}")
    for number in numbers:
        if type(number) is Variable:
            raise OperandError(
                f"{name} got {number!r} among its numbers: its matrices are SciPy's, which hold floats only. Pass x.value, "
                "or use al.jacobian or al.hessian."
            )
    return numbers, shape


class Sparse:
    """The sparse derivatives of a function; made by `sparse`.

    Attributes
    ----------
    version : int
        Counts how often a pattern has grown: a solver that was given a pattern is to be given it again then.
    """

    def __init__(self, f: Callable[[Any], Any], backend: str, pattern: Mapping[str, Any] | None = None) -> None:
        self.f, self.asked, self._backend = f, backend, chosen(backend)
        if pattern is not None and (not isinstance(pattern, Mapping) or not {*pattern} <= {*KINDS[1:]}):
            shown = " ".join(repr(pattern).split())
            raise ArgumentError(f'pattern={shown:.60}: give {{"jacobian": …, "hessian": …}}, or one of the two.')
        self._given = {of: Given(own, of=of) for of, own in (pattern or {}).items()}
        self._lock = RLock()
        self._problems: dict[Shape, Problem] = {}
        self._kernels: dict[Any, Kernel] = {}
        self._last: Problem | None = None
        self._flat: tuple[int, ...] | None = None  # the shape of the last argument, if it was an array
        self.__name__ = f"sparse({name_of(f)})"

    def _problem(self, x: Any) -> tuple[Problem, Any]:
        """The problem of this shape of argument, and its numbers as an array."""
        if type(x) is np.ndarray and x.dtype == np.float64 and x.shape == self._flat:
            assert self._last is not None
            return self._last, np.ascontiguousarray(x).ravel()
        numbers, shape = _numbers_of(x, self.f, self.__name__)
        problem = self._problems.get(shape)
        if problem is None:
            problem = self._problems[shape] = Problem(_of_numbers(self.f), shape, self._backend, self._kernels)
        self._last, self._flat = problem, x.shape if type(x) is np.ndarray else None
        return problem, np.array(numbers, dtype=np.float64)

    @property
    def version(self) -> int:
        return sum(pattern.version for problem in self._problems.values() for pattern in problem.patterns.values())

    def __reduce__(self) -> Any:
        given = {of: own.structure for of, own in self._given.items()}
        return Sparse, (self.f, self.asked, given or None)

    def _eager(self, x: Any) -> tuple[Callable[[Any], list[Any]], Any]:
        """The function from a vector to a list of numbers, and the vector: nothing is traced."""
        numbers, shape = _numbers_of(x, self.f, self.__name__)

        def flat(vector: Any) -> list[Any]:
            (argument,), _ = shape.pack(list(vector))
            return unravel(self.f(argument), f"the output of {name_of(self.f)}")[0]

        return flat, np.array(numbers, dtype=np.float64)

    def value(self, x: Any) -> Any:
        """Return the function's value at `x`, added up element by element.

        Within n·eps·Σ|terms| of what the function returns itself, and the same bits at every call.
        """
        if self._given:
            return self.f(x)
        with self._lock:
            problem, numbers = self._problem(x)
            plan, data, inputs = problem.computed("value", numbers)
        out = plan.cut.offset + plan.cut.linear @ inputs
        out[plan.keys] += data
        assert problem.outputs is not None
        return problem.outputs.pack(out.tolist())

    def jacobian(self, x: Any) -> Any:
        """Return the Jacobian at `x`, a `scipy.sparse.csr_array` (outputs, inputs) of doubles."""
        if "jacobian" in self._given:
            return self._given["jacobian"].jacobian(*self._eager(x))
        with self._lock:
            problem, numbers = self._problem(x)
            return problem.matrix("jacobian", numbers)

    def pattern(self, of: str = "jacobian") -> Any:
        """Return the entries met so far of "jacobian" or "hessian", a `csr_array` of ones.

        Raises
        ------
        ArgumentError
            If that derivative was not computed yet.
        """
        if of in self._given:
            return self._given[of].structure.astype(np.int8)
        problem = self._last
        if of not in KINDS[1:] or problem is None or of not in problem.patterns:
            raise ArgumentError(
                f'pattern({of!r}): give "jacobian" or "hessian", and compute that derivative first: patterns are those of '
                "the branches that were taken."
            )
        pattern = problem.patterns[of]
        return pattern.matrix(np.ones(len(pattern.keys), dtype=np.int8), both=of == "hessian")

    def draw(self, of: str = "jacobian") -> PatternPicture:
        """Return a picture of the pattern; colours say which group of elements, or which sweep, gives an entry.

        Parameters
        ----------
        of : {"jacobian", "hessian"}
            That derivative must have been computed, or its pattern have been given.

        Returns
        -------
        PatternPicture
            With `.svg` and `.save(path)`; shows itself in a notebook.

        Examples
        --------
        >>> import numpy as np
        >>> import autograd_lite as al
        >>> s = al.sparse(lambda x: sum((b - a * a) ** 2 for a, b in zip(x[:-1], x[1:], strict=True)))
        >>> h = s.hessian(np.ones(20))
        >>> s.draw("hessian")
        PatternPicture(hessian: 20 × 20, 58 entries)
        """
        made = self.pattern(of)
        title = f"{of}: {made.shape[0]:,} × {made.shape[1]:,}, {made.nnz:,} entries"
        if of in self._given:
            return picture(title, made.shape, self._given[of].parts())
        assert self._last is not None
        return picture(title, made.shape, self._last.recent[of].parts(self._last.patterns[of]))

    def report(self) -> str:
        """Return what was found: groups of equal elements for each path, and pictures of the patterns."""
        problem, lines = self._last, [self.__name__]
        for of, given in self._given.items():
            lines += [str(given), braille(self.pattern(of))]
        if problem is None:
            return "\n".join(lines) if self._given else f"{self.__name__}: not called yet"
        for number, (path, cut_) in enumerate(problem.cuts.items()):
            lines.append(f"path {number}: {len(path.tape)} instructions, {len(path.guards)} guards")
            lines += [f"  {group}" for group in sorted(cut_.groups, key=len, reverse=True)]
        for kind in problem.patterns:
            made = self.pattern(kind)
            lines += [f"{kind}: {made.shape[0]:,} × {made.shape[1]:,}, {made.nnz:,} entries", braille(made)]
        return "\n".join(lines)

    def hessian(self, x: Any, weights: Any = None, *, triangle: str = "full") -> Any:
        """Return the Hessian of one output, or of `weights · f(x)`, a `scipy.sparse.csr_array` of doubles.

        Parameters
        ----------
        x : array or nest of numbers
            The argument; rows and columns are its numbers in order.
        weights : array, optional
            A number for each output. Needed if there are several.
        triangle : {"full", "lower"}
            Whether entries above the diagonal are stored too.

        Raises
        ------
        OutputError
            If there are several outputs and no weights.
        ArgumentError
            If weights or triangle do not fit.
        """
        if triangle not in ("full", "lower"):
            raise ArgumentError(f'triangle={triangle!r}: give "full" or "lower".')

        def checked(outputs: int) -> Any:
            if weights is None and outputs != 1:
                raise OutputError(
                    f"{name_of(self.f)} returns {outputs} numbers, and a Hessian is that of one. Pass weights, an array of "
                    f"{outputs} numbers: the result is the Hessian of weights · f(x)."
                )
            try:
                own = np.ravel(np.asarray(1.0 if weights is None else weights, dtype=np.float64))
            except (TypeError, ValueError) as error:
                raise ArgumentError(f"weights={weights!r:.80} are no numbers: give one for each output.") from error
            if len(own) != outputs:
                raise ArgumentError(
                    f"weights have the shape {np.shape(weights)}, and {name_of(self.f)} returns {outputs} numbers: give one "
                    "weight for each."
                )
            return own

        if "hessian" in self._given:
            f, vector = self._eager(x)
            found = self._given["hessian"].hessian(f, vector, checked(len(f(vector.tolist()))))
            return found if triangle == "full" else scipy_sparse().tril(found, format="csr")
        with self._lock:
            problem, numbers = self._problem(x)
            return problem.matrix("hessian", numbers, checked, triangle)


def braille(matrix: Any, width: int = 60) -> str:
    """Return the pattern of a sparse matrix in Braille: dots where a block has an entry, at most `width` letters wide."""
    rows, columns = matrix.shape
    scale = max(1.0, columns / (2 * width), rows / (4 * width))
    high, wide = -(-int(np.ceil(rows / scale)) // 4), -(-int(np.ceil(columns / scale)) // 2)
    found = matrix.tocoo()
    y, x = (found.row / scale).astype(int), (found.col / scale).astype(int)
    bits = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
    cells = np.zeros((max(high, 1), max(wide, 1)), dtype=int)
    np.bitwise_or.at(cells, (y // 4, x // 2), bits[y % 4, x % 2])
    return "\n".join("".join(chr(0x2800 + cell) for cell in row) for row in cells)


@hints.keywords
def sparse(f: Callable[[Any], Any], *, pattern: Mapping[str, Any] | None = None, backend: str = "auto") -> Sparse:
    """Return the sparse derivatives of a function: `.value`, `.jacobian`, `.hessian`, `.pattern`, `.report`.

    Parameters
    ----------
    f : callable
        Takes one array or nest of numbers; returns a number or a nest of numbers. Plain scalar code, with loops and branches.
    pattern : mapping, optional
        For a function that cannot be traced: `{"jacobian": …, "hessian": …}`, or one of the two, each a SciPy sparse matrix
        or an array that is other than 0 wherever that derivative ever is. Then `f` runs eagerly, with a sweep for each of
        the colours of the pattern.
    backend : {"auto", "llvm", "numpy", "python"}
        Who runs the kernels, as for `jit`.

    Returns
    -------
    Sparse

    Raises
    ------
    AutogradLiteError
        If SciPy is not installed.
    ArgumentError
        If a given pattern does not fit, or lacks an entry: each evaluation compares one random product. What is lost in the
        rounding of that product is not found out.

    Notes
    -----
    The first call traces `f`. The program is cut into elements, nonlinear parts of few inputs joined by sums; equal elements
    run as lanes of one kernel, the others together. An entry of a pattern is one that some branch taken so far makes other
    than 0 for some x. The pattern grows with the branches, and `version` counts that. A new branch traces `f` again; nothing
    is compiled if its elements are known. Variables from outside count as the numbers that they hold now. Time of the first
    call: some 10 µs an operation.

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_lite as al
    >>> def f(x):
    ...     return al.sum([(x[i + 1] - x[i] ** 2) ** 2 for i in range(len(x) - 1)])
    >>> s = al.sparse(f)
    >>> x = np.linspace(-1.0, 1.0, 1000)
    >>> h = s.hessian(x)
    >>> h.shape, h.nnz
    ((1000, 1000), 2998)
    >>> s.report().splitlines()[2]
    '  999 elements of 2 inputs: 3 instructions'
    """
    return Sparse(f, backend, pattern)


@hints.keywords
def sparse_jacobian(f: Callable[[Any], Any], *, pattern: Any = None, backend: str = "auto") -> Callable[[Any], Any]:
    """Return a function for the sparse Jacobian of `f`: a `scipy.sparse.csr_array` (outputs, inputs); see `sparse`.

    Parameters
    ----------
    f : callable
        Takes one array or nest of numbers; returns a number or a nest of numbers.
    pattern : sparse matrix or array, optional
        For a function that cannot be traced: other than 0 wherever the Jacobian ever is; see `sparse`.
    backend : {"auto", "llvm", "numpy", "python"}
        Who runs the kernels, as for `jit`.

    Returns
    -------
    callable
        Takes what `f` takes; returns a `scipy.sparse.csr_array` of doubles, (outputs, inputs).

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_lite as al
    >>> al.sparse_jacobian(lambda x: [x[0] * x[1], x[2] - 1.0])(np.array([2.0, 3.0, 4.0])).toarray()
    array([[3., 2., 0.],
           [0., 0., 1.]])
    """
    return Sparse(f, backend, None if pattern is None else {"jacobian": pattern}).jacobian


@hints.keywords
def sparse_hessian(f: Callable[[Any], Any], *, pattern: Any = None, backend: str = "auto") -> Callable[[Any], Any]:
    """Return a function for the sparse Hessian of `f`, which returns one number: a `scipy.sparse.csr_array`; see `sparse`.

    Parameters
    ----------
    f : callable
        Takes one array or nest of numbers; returns a number.
    pattern : sparse matrix or array, optional
        For a function that cannot be traced: other than 0 wherever the Hessian ever is; see `sparse`.
    backend : {"auto", "llvm", "numpy", "python"}
        Who runs the kernels, as for `jit`.

    Returns
    -------
    callable
        Takes what `f` takes; returns a `scipy.sparse.csr_array` of doubles, (inputs, inputs).

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_lite as al
    >>> h = al.sparse_hessian(lambda x: x[0] * x[1] + x[2] ** 3)(np.array([2.0, 3.0, 4.0]))
    >>> h.toarray()
    array([[ 0.,  1.,  0.],
           [ 1.,  0.,  0.],
           [ 0.,  0., 24.]])
    >>> h.nnz  # x·y has no diagonal
    3
    """
    return Sparse(f, backend, None if pattern is None else {"hessian": pattern}).hessian
