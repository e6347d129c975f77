"""Sparse Jacobians and Hessians of one plain function: elements that are equal run as lanes of one kernel."""

import functools
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import RLock
from typing import Any

import numpy as np

from autograd_lite import hints
from autograd_lite.backward import gradients
from autograd_lite.errors import ArgumentError, OperandError, OutputError
from autograd_lite.nests import Shape, unravel
from autograd_lite.tape.backends.python import PythonSingle
from autograd_lite.tape.backends.registry import chosen, single
from autograd_lite.tape.call import jit
from autograd_lite.tape.elements import Cut, Group, cut, scipy_sparse, zero_slots
from autograd_lite.tape.paths import WORTH_COMPILING, Path, Paths
from autograd_lite.tape.program import Program, merged
from autograd_lite.tape.pushing import second_derivatives
from autograd_lite.tape.trace import recorded
from autograd_lite.tape.vmap import vmap
from autograd_lite.transforms import name_of
from autograd_lite.variable import Variable

#: How many paths of a function are kept; the patterns of all that were met stay in the union.
PATHS = 64
KINDS = ("value", "jacobian", "hessian")


@dataclass(frozen=True)
class Kernel:
    """A derivative of an element, compiled for all elements of a group: its entries, and those that are constants."""

    run: Callable[..., Any] | None
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
    run = jit(wanted if len(group) == 1 else vmap(wanted), backend=backend) if entries else None
    return Kernel(run, entries, [(key, number) for key, number in constant.items() if number])


class Plan:
    """One derivative on one path: the kernels of its groups, and where each of their results goes.

    `rows` and `columns` are those of the entries, sorted by row; of a Hessian the lower triangle.
    """

    def __init__(self, cut_: Cut, kind: str, arguments: int, ready: Sequence[tuple[Group, Kernel]]) -> None:
        self.cut, self.kind = cut_, kind
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
        self.runs = [
            (kernel.run, len(kernel.entries), group.inputs, group.constants[:, group.varying], group.heads)
            for group, kernel in ready
            if kernel.run is not None
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
        self.fixed = np.bincount(place[fixed], factors[fixed], len(self.keys))
        matrix = scipy_sparse().csr_array
        self.scatter: Any = matrix((factors[~fixed], (place[~fixed], sources[~fixed])), (len(self.keys), self.sources))
        simple = self.scatter.nnz == len(self.keys) == self.sources and not self.fixed.any()
        self.order = self.scatter.indices if simple and (self.scatter.data == 1.0).all() else None

    def data(self, x: Any, weights: Any) -> Any:
        """The entries at this point, in the order of `keys`."""
        found = np.empty(self.sources)
        start = 0
        for run, entries, inputs, constants, heads in self.runs:
            own = x.take(inputs), constants, weights.take(heads)
            if len(inputs) == 1:
                found[start : start + entries] = _floats(run(*(part[0] for part in own)))
            else:
                np.concatenate(_floats(run(*own)), out=found[start : start + entries * len(inputs)])
            start += entries * len(inputs)
        return found.take(self.order) if self.order is not None else self.scatter @ found + self.fixed


def _floats(results: list[Any]) -> list[Any]:
    """Results without derivatives: those of an operation that uses a Variable from outside are Variables."""
    first = results[0]
    if type(first) is Variable:
        return [getattr(x, "value", x) for x in results]
    if type(first) is np.ndarray and first.dtype == object:
        return [np.array([getattr(x, "value", x) for x in column], dtype=np.float64) for column in results]
    return results


class Pattern:
    """The entries of one derivative that any path had so far; of a Hessian the lower triangle, unless the matrix is made."""

    def __init__(self, rows: int, columns: int) -> None:
        self.shape, self.keys, self.version = (rows, columns), np.empty(0, dtype=np.int64), 0
        self._structures: dict[bool, Any] = {}

    def include(self, keys: Any) -> None:
        if keys is self.keys or (len(keys) == len(self.keys) and np.array_equal(keys, self.keys)):
            return
        united = np.union1d(self.keys, keys) if self.version else keys
        if len(united) > len(self.keys) or not self.version:
            self.keys, self.version, self._structures = united, self.version + 1, {}

    def _structure(self, *, both: bool) -> Any:
        """Columns and row starts of the matrix, and which of the entries stands at each place; with `both` triangles."""
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
            known = self._structures[both] = columns.astype(np.int32), starts.astype(np.int32), place
        return known

    def matrix(self, data: Any, *, both: bool) -> Any:
        columns, starts, place = self._structure(both=both)
        return scipy_sparse().csr_array((data.take(place) if both else data, columns.copy(), starts.copy()), self.shape)


class Problem:
    """A function for arguments of one shape: its paths, cut into elements, and the patterns that grow with them."""

    def __init__(self, f: Callable[..., Any], shape: Shape, backend: str, kernels: dict[Any, Kernel]) -> None:
        self.f, self.backend, self.kernels = f, backend, kernels
        self.paths = Paths(f, shape, PATHS, lookups=False)
        self.patterns: dict[str, Pattern] = {}
        self.cuts: OrderedDict[Path, Cut] = OrderedDict()
        self._plans: dict[tuple[Path, str], Plan] = {}
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
        by_head = cut_.by_output.T @ weights(cut_.outputs) if weights else np.zeros(cut_.heads)
        plan = self._plans.get((path, kind))
        if plan is None:
            groups = cut_.groups + (cut_.cancelled if kind == "value" else [])
            ready = [(group, self._kernel(group, kind, x, by_head)) for group in groups]
            plan = self._plans[path, kind] = Plan(cut_, kind, len(numbers), ready)
        return plan, plan.data(x, by_head), x

    def _kernel(self, group: Group, kind: str, x: Any, weights: Any) -> Kernel:
        key = (kind, len(group) == 1, *group.key)
        if key not in self.kernels:
            own = x[group.inputs[0]], group.constants[0][group.varying], weights[group.heads[0]]
            self.kernels[key] = _kernel(group, kind, own, self.backend)
        return self.kernels[key]

    def matrix(self, kind: str, numbers: Any, weights: Any = None, triangle: str = "full") -> Any:
        plan, data, _ = self.computed(kind, numbers, weights)
        rows = len(numbers) if kind == "hessian" else plan.cut.outputs
        pattern = self.patterns.setdefault(kind, Pattern(rows, len(numbers)))
        pattern.include(plan.keys)
        if len(pattern.keys) > len(plan.keys):
            wide = np.zeros(len(pattern.keys))
            wide[np.searchsorted(pattern.keys, plan.keys)] = data
            data = wide
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


class Sparse:
    """The sparse derivatives of a function; made by `sparse`.

    Attributes
    ----------
    version : int
        Counts how often a pattern has grown: a solver that was given a pattern is to be given it again then.
    """

    def __init__(self, f: Callable[[Any], Any], backend: str) -> None:
        self.f, self.asked, self._backend = f, backend, chosen(backend)
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
            return self._last, x.ravel()
        numbers, shape = unravel(((x,), {}), f"the argument of {name_of(self.f)}")
        for number in numbers:
            if type(number) is Variable:
                raise OperandError(
                    f"{self.__name__} got {number!r} among its numbers: its matrices are SciPy's, which hold floats only. "
                    "Pass x.value, or use al.jacobian or al.hessian."
                )
        problem = self._problems.get(shape)
        if problem is None:
            problem = self._problems[shape] = Problem(_of_numbers(self.f), shape, self._backend, self._kernels)
        self._last, self._flat = problem, x.shape if type(x) is np.ndarray else None
        return problem, np.array(numbers, dtype=np.float64)

    @property
    def version(self) -> int:
        return sum(pattern.version for problem in self._problems.values() for pattern in problem.patterns.values())

    def __reduce__(self) -> Any:
        return Sparse, (self.f, self.asked)

    def value(self, x: Any) -> Any:
        """Return the function's value at `x`, added up element by element.

        Within n·eps·Σ|terms| of what the function returns itself, and the same bits at every call.
        """
        with self._lock:
            problem, numbers = self._problem(x)
            plan, data, inputs = problem.computed("value", numbers)
        out = plan.cut.offset + plan.cut.linear @ inputs
        out[plan.keys] += data
        assert problem.outputs is not None
        return problem.outputs.pack(out.tolist())

    def jacobian(self, x: Any) -> Any:
        """Return the Jacobian at `x`, a `scipy.sparse.csr_array` (outputs, inputs) of doubles."""
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
        problem = self._last
        if of not in KINDS[1:] or problem is None or of not in problem.patterns:
            raise ArgumentError(
                f'pattern({of!r}): give "jacobian" or "hessian", and compute that derivative first: patterns are those of '
                "the branches that were taken."
            )
        pattern = problem.patterns[of]
        return pattern.matrix(np.ones(len(pattern.keys), dtype=np.int8), both=of == "hessian")

    def report(self) -> str:
        """Return what was found: groups of equal elements for each path, and pictures of the patterns."""
        problem = self._last
        if problem is None:
            return f"{self.__name__}: not called yet"
        lines = [self.__name__]
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
def sparse(f: Callable[[Any], Any], *, backend: str = "auto") -> Sparse:
    """Return the sparse derivatives of a function: `.value`, `.jacobian`, `.hessian`, `.pattern`, `.report`.

    Parameters
    ----------
    f : callable
        Takes one array or nest of numbers; returns a number or a nest of numbers. Plain scalar code, with loops and branches.
    backend : {"auto", "llvm", "numpy", "python"}
        Who runs the kernels, as for `jit`.

    Returns
    -------
    Sparse

    Raises
    ------
    AutogradLiteError
        If SciPy is not installed.

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
    return Sparse(f, backend)


@hints.keywords
def sparse_jacobian(f: Callable[[Any], Any], *, backend: str = "auto") -> Callable[[Any], Any]:
    """Return a function for the sparse Jacobian of `f`: a `scipy.sparse.csr_array` (outputs, inputs); see `sparse`.

    Parameters
    ----------
    f : callable
        Takes one array or nest of numbers; returns a number or a nest of numbers.
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
    return Sparse(f, backend).jacobian


@hints.keywords
def sparse_hessian(f: Callable[[Any], Any], *, backend: str = "auto") -> Callable[[Any], Any]:
    """Return a function for the sparse Hessian of `f`, which returns one number: a `scipy.sparse.csr_array`; see `sparse`.

    Parameters
    ----------
    f : callable
        Takes one array or nest of numbers; returns a number.
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
    return Sparse(f, backend).hessian
