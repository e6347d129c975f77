"""Sparse Jacobians and Hessians of one plain function: elements that are equal run as lanes of one kernel."""

import copy
import functools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from autograd_lite import forks, hints, pickles
from autograd_lite.errors import ArgumentError, OperandError, OutputError
from autograd_lite.nests import Shape, unravel
from autograd_lite.primitives import Primitive
from autograd_lite.see.sparsity import PatternPicture, picture
from autograd_lite.tape.alike import Arrays
from autograd_lite.tape.backends.python import PythonSingle
from autograd_lite.tape.backends.registry import chosen, single
from autograd_lite.tape.colours import Given
from autograd_lite.tape.elements import Cut, Group, cut, scipy_sparse
from autograd_lite.tape.llvm.later import begin
from autograd_lite.tape.paths import WORTH_COMPILING, Path, Paths
from autograd_lite.tape.plans import Kernel, Pattern, Plan, kernel_of
from autograd_lite.tape.program import Program, merged
from autograd_lite.transforms import name_of
from autograd_lite.variable import Variable

#: How many paths of a function are kept; the patterns of all that were met stay in the union.
PATHS = 64
#: Nodes that are asked which functions a program has, before it is recorded.
_NEAR = 400
KINDS = ("value", "jacobian", "hessian")


class Problem:
    """A function for arguments of one shape: its paths, cut into elements, and the patterns that grow with them."""

    def __init__(self, f: Callable[..., Any], shape: Shape, backend: str, kernels: dict[Any, Kernel]) -> None:
        self.f, self.backend, self.kernels = f, backend, kernels
        self.paths = Paths(f, shape, PATHS, lookups=False)
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
            arrays = Arrays(path.tape.program)
            begin(arrays.known, self.backend)
            cut_ = self.cuts[path] = cut(arrays)
            while len(self.cuts) > PATHS:
                old, _ = self.cuts.popitem(last=False)
                for which in KINDS:
                    self._plans.pop((old, which), None)
        by_output = weights(cut_.outputs) if weights else None
        plan = self._plans.get((path, kind))
        if plan is None:
            groups = cut_.groups + (cut_.cancelled if kind == "value" else [])
            by_head = cut_.by_head @ by_output if weights else None
            ready = [(group, self._kernel(group, kind, x, by_head)) for group in groups]
            plan = self._plans[path, kind] = Plan(cut_, kind, len(numbers), ready)
        self.recent[kind] = plan
        return plan, plan.data(x, by_output), x

    def _kernel(self, group: Group, kind: str, x: Any, weights: Any) -> Kernel:
        key = (kind, len(group) == 1, *group.key)
        if key not in self.kernels:
            own = np.empty(0) if weights is None else weights[group.heads[0]]
            example = x[group.inputs[0]], group.constants[0][group.varying], own
            self.kernels[key] = kernel_of(group, kind, example, self.backend)
        return self.kernels[key]

    def entries(self, kind: str, numbers: Any, weights: Any = None) -> tuple[Pattern, Any]:
        """The pattern of a derivative, of a Hessian its lower triangle, and the entries at this point in its order."""
        plan, data, _ = self.computed(kind, numbers, weights)
        rows = len(numbers) if kind == "hessian" else plan.cut.outputs
        pattern = self.patterns.setdefault(kind, Pattern(rows, len(numbers)))
        if not plan.included:  # a pattern only grows
            pattern.include(plan.keys)
            plan.included = True
        if len(pattern.keys) > len(plan.keys):
            data = plan.widened(pattern.keys, data)
        return pattern, data

    def matrix(self, kind: str, numbers: Any, weights: Any = None, triangle: str = "full") -> Any:
        pattern, data = self.entries(kind, numbers, weights)
        return pattern.matrix(data, both=kind == "hessian" and triangle == "full")


def _guards(program: Program) -> Program:
    """Only what the guards need."""
    return merged(replace(program, outputs=(), doubtful=()))


def _of_numbers(f: Callable[[Any], Any], backend: str) -> Callable[[Any], Any]:
    """The function with all its results as numbers: a 0 or a flag among them is a row as well."""

    @functools.wraps(f)
    def numeric(x: Any) -> Any:
        numbers, shape = unravel(f(x), f"the output of {name_of(f)}")
        begin(_near(numbers), backend)  # they are compiled beside the recording
        return shape.pack(numbers)

    return numeric


def _near(numbers: list[Any]) -> set[Primitive]:
    """Operations of which the first and the last result are made, as far as a few hundred nodes tell."""
    waiting, found = numbers[:1] + numbers[-1:], set[Primitive]()
    for node in islice(waiting, _NEAR):  # the list grows meanwhile
        if type(node) is Variable and node._primitive is not None:  # noqa: SLF001 - a node
            found.add(node._primitive)  # noqa: SLF001
            waiting += node._arguments  # noqa: SLF001
    return found


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


@hints.of_instances("sparse derivatives")
class Sparse:
    """The sparse derivatives of a function; made by `sparse`.

    Attributes
    ----------
    version : int
        Counts how often a pattern has grown: a solver that was given a pattern is to be given it again then.
    """

    def __init__(self, f: Callable[[Any], Any], backend: str, pattern: Mapping[str, Any] | None = None) -> None:
        if not callable(f):
            raise ArgumentError(f"sparse takes a function and got {f!r:.60}. Write sparse(f), not sparse(f(x)).")
        self.f, self.asked, self._backend = f, backend, chosen(backend)
        if pattern is not None and (not isinstance(pattern, Mapping) or not {*pattern} <= {*KINDS[1:]}):
            shown = " ".join(repr(pattern).split())
            raise ArgumentError(f'pattern={shown:.60}: give {{"jacobian": …, "hessian": …}}, or one of the two.')
        self._given = {of: Given(own, of=of) for of, own in (pattern or {}).items()}
        self._lock = forks.lock()
        self._problems: dict[Shape, Problem] = {}
        self._kernels: dict[Any, Kernel] = {}
        self._last: Problem | None = None
        self._flat: tuple[int, ...] | None = None  # the shape of the last argument, if it was an array
        self.__name__ = f"sparse({name_of(f)})"

    def __call__(self, *_: Any, **__: Any) -> Any:
        """Refuse: there is more than one derivative."""
        raise ArgumentError(
            f"{self.__name__} is not called itself. Write s.value(x), s.jacobian(x), s.hessian(x), or sparse_jacobian(f)(x)."
        )

    def __repr__(self) -> str:
        return f"<{self.__name__}, {self._backend}: .jacobian(x), .hessian(x)>"

    def _problem(self, x: Any) -> tuple[Problem, Any]:
        """The problem of this shape of argument, and its numbers as an array."""
        if type(x) is np.ndarray and x.dtype == np.float64 and x.shape == self._flat:
            assert self._last is not None
            return self._last, np.ascontiguousarray(x).ravel()
        numbers, shape = _numbers_of(x, self.f, self.__name__)
        problem = self._problems.get(shape)
        if problem is None:
            f = _of_numbers(self.f, self._backend)
            problem = self._problems[shape] = Problem(f, shape, self._backend, self._kernels)
        self._last, self._flat = problem, x.shape if type(x) is np.ndarray else None
        return problem, np.array(numbers, dtype=np.float64)

    def paths(self) -> list[Path]:
        """Return the ways through its branches that the function has taken."""
        return [path for problem in self._problems.values() for path in problem.paths.known]

    @property
    def version(self) -> int:
        return sum(pattern.version for problem in self._problems.values() for pattern in problem.patterns.values())

    def __reduce__(self) -> Any:
        pickles.require_name(self)
        return pickles.once(self, Sparse, self.f, *self._options())

    def __copy__(self) -> "Sparse":
        return Sparse(self.f, *self._options())

    def __deepcopy__(self, memo: dict[int, Any]) -> "Sparse":
        return Sparse(copy.deepcopy(self.f, memo), *self._options())

    def _options(self) -> tuple[str, Any]:
        return self.asked, {of: own.structure for of, own in self._given.items()} or None

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
        out = self.numbers(x)
        assert self._last is not None
        assert self._last.outputs is not None
        return self._last.outputs.pack(out.tolist())

    def numbers(self, x: Any) -> Any:
        """Return all numbers of the value in one array."""
        with self._lock:
            problem, numbers = self._problem(x)
            plan, data, inputs = problem.computed("value", numbers)
        out = plan.cut.offset + plan.cut.linear @ inputs
        out[plan.keys] += data
        return out

    def entries(self, kind: str, x: Any, weights: Any = None) -> Any:
        """Return the entries of a Jacobian, or of the lower triangle of a Hessian, in the order of the pattern `found`."""
        with self._lock:
            problem, numbers = self._problem(x)
            return problem.entries(kind, numbers, None if weights is None else lambda _: weights)[1]

    def found(self, kind: str) -> Pattern:
        """Return the pattern of the last argument's shape, met so far."""
        assert self._last is not None
        return self._last.patterns[kind]

    @functools.partial(hints.keywords, name="s.jacobian")
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

    @functools.partial(hints.keywords, name="s.hessian")
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
