"""IPOPT by cyipopt: a nonlinear program with sparse first and second derivatives."""

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from autograd_lite.bridge.evaluations import Evaluations, LostError, Use
from autograd_lite.bridge.spaces import renamed
from autograd_lite.errors import ArgumentError, AutogradLiteError, OutputError
from autograd_lite.nests import unravel
from autograd_lite.tape.elements import scipy_sparse
from autograd_lite.tape.sparse import Sparse


class Grown(Exception):  # noqa: N818 - no error: the solver starts again
    """A branch has added entries to the matrices, whose patterns IPOPT was told."""


def everything(f: Evaluations, others: Sequence[Evaluations]) -> tuple[Sparse, list[int]]:
    """The derivatives of an objective and constraints together, and how many numbers each returns once it was traced.

    They are those of the last solution, with compiled code, if all functions are compiled ones.
    """
    own = [each.compiled for each in (f, *others)]
    kept: dict[Any, Any] = f.kept if None not in own else {}
    key = "ipopt", *own[1:]
    if key not in kept:
        sizes: list[int] = []

        def all_of_it(x: Any) -> Any:
            first, *parts = [unravel(each.plain(x), f"the output of {each.name}")[0] for each in (f, *others)]
            if len(first) != 1:
                raise OutputError(f"{f.name} returned {len(first)} numbers; IPOPT minimises one. Add them up first.")
            sizes[:] = map(len, parts)
            return [*first, *chain.from_iterable(parts)]

        kept[key] = Sparse(renamed(f.f, all_of_it), "auto"), sizes
    return kept[key]  # type: ignore[no-any-return]


class Program:
    """A nonlinear program as cyipopt asks for it: an objective, constraints, and their sparse derivatives.

    `rows` are linear constraints, a sparse matrix. Derivatives are numbers in the order of the patterns that the solver was
    told at first; no matrix is made.
    """

    def __init__(self, f: Evaluations, sparse: Sparse, rows: Any, x: Any) -> None:
        self.sparse, self.rows, self.uses, self.name, self.last = sparse, rows, f.uses, f.name, x
        self.callback: Any = None
        self.problem: Any = None
        self.iterations = 0
        self.known: dict[str, tuple[bytes, Any]] = {}
        self.structures: dict[str, int] = {}  # the versions of patterns that the solver knows
        self.count = len(self._asked("values", x)) - 1
        self._asked("jacobian", x)
        self._asked("hessian", x, np.ones(1 + self.count))
        patterns = {kind: self.sparse.found(kind) for kind in ("jacobian", "hessian")}
        self.structures = {kind: pattern.version for kind, pattern in patterns.items()}
        #: The rows and columns of entries; those of the gradient are the first of the Jacobian.
        self.places = {kind: np.divmod(pattern.keys, len(x)) for kind, pattern in patterns.items()}
        self.first = int(np.searchsorted(self.places["jacobian"][0], 1))

    def _asked(self, kind: str, x: Any, weights: Any = None) -> Any:
        key = x.tobytes() + (b"" if weights is None else weights.tobytes())
        known = self.known.get(kind)
        if known is not None and known[0] == key:
            return known[1]
        start = time.perf_counter()
        found = self.sparse.numbers(x) if kind == "values" else self.sparse.entries(kind, x, weights)
        self.uses.setdefault(kind, Use()).add(time.perf_counter() - start)
        if any(path.tape.captured for path in self.sparse.paths()):
            raise LostError(self.name)
        if kind != "values":
            pattern = self.sparse.found(kind)
            self.uses[kind].form = "sparse, {:,} of {:,} × {:,}".format(len(pattern.keys), *pattern.shape)
            if kind in self.structures and pattern.version != self.structures[kind]:
                self.last = x.copy()
                raise Grown
        self.known[kind] = key, found
        return found

    def intermediate(self, _mode: int, iteration: int, *_: Any) -> bool:
        """Report an iterate; False stops IPOPT."""
        self.iterations = iteration
        iterate = self.problem.get_current_iterate() if self.callback is not None else None
        if iterate is None:
            return True
        x = iterate["x"].copy()
        try:
            if {*inspect.signature(self.callback).parameters} == {"intermediate_result"}:
                self.callback(intermediate_result=optimize_result(x=x, fun=self.objective(x)))
            else:
                self.callback(x)
        except StopIteration:
            return False
        return True

    def objective(self, x: Any) -> float:
        return float(self._asked("values", x)[0])

    def gradient(self, x: Any) -> Any:
        found = np.zeros(len(x))
        found[self.places["jacobian"][1][: self.first]] = self._asked("jacobian", x)[: self.first]
        return found

    def constraints(self, x: Any) -> Any:
        own = self._asked("values", x)[1:]
        return np.concatenate([own, self.rows @ x]) if self.rows.shape[0] else own

    def jacobianstructure(self) -> Any:
        rows, columns = self.places["jacobian"]
        linear = self.rows.tocoo()
        below = np.concatenate([rows[self.first :] - 1, linear.row + self.count])
        return below, np.concatenate([columns[self.first :], linear.col])

    def jacobian(self, x: Any) -> Any:
        own = self._asked("jacobian", x)[self.first :]
        return np.concatenate([own, self.rows.data]) if self.rows.nnz else own

    def hessianstructure(self) -> Any:
        return self.places["hessian"]

    def hessian(self, x: Any, multipliers: Any, factor: float) -> Any:
        return self._asked("hessian", x, np.concatenate([[factor], multipliers[: self.count]]))


def optimize_result(**parts: Any) -> Any:
    """SciPy's OptimizeResult."""
    from scipy.optimize import OptimizeResult  # noqa: PLC0415 - an extra

    return OptimizeResult(**parts)


def minimized(f: Evaluations, others: Sequence[Evaluations], given: Mapping[str, Any]) -> Any:
    """The minimum by IPOPT; `given` has the arguments of SciPy's `minimize` for vectors."""
    make = _cyipopt()
    for name in ("jac", "hess", "hessp"):
        if given.get(name) is not None:
            raise ArgumentError(f'{name}={given[name]!r:.60}: method="ipopt" takes our derivatives only. Leave it out.')
    x, count = given["x0"], len(given["x0"])
    linear = [c for c in given["constraints"] if hasattr(c, "A")]
    ordered = [c for c in given["constraints"] if not hasattr(c, "A")] + linear
    sparse = scipy_sparse()
    blocks = [sparse.csr_array(np.atleast_2d(c.A) if isinstance(c.A, np.ndarray) else c.A) for c in linear]
    rows = sparse.csr_array(sparse.vstack([sparse.csr_array((0, count)), *blocks]))
    derivatives, own = everything(f, others)
    while True:
        program = Program(f, derivatives, rows, x)
        sizes = [*own, *(block.shape[0] for block in blocks)]
        (lb, ub), (cl, cu) = _box(given.get("bounds"), count), _limits(ordered, sizes)
        problem = make(n=count, m=len(cl), problem_obj=program, lb=lb, ub=ub, cl=cl, cu=cu)
        program.problem, program.callback = problem, given.get("callback")
        for name, value in _options(given).items():
            problem.add_option(name, value)
        try:
            x, info = problem.solve(x)
        except Grown:
            x = program.last
        else:
            return _result(x, info, program)


def _cyipopt() -> Callable[..., Any]:
    try:
        import cyipopt  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise AutogradLiteError(
            'method="ipopt" needs cyipopt, which is not installed. Install it with pip install "autograd-lite[ipopt]", which '
            "has IPOPT inside, or with conda install -c conda-forge cyipopt."
        ) from error
    return cyipopt.Problem  # type: ignore[no-any-return]


def _result(x: Any, info: Mapping[str, Any], program: Program) -> Any:
    counts = {
        f"n{kind}ev": program.uses[of].count for kind, of in (("f", "values"), ("j", "jacobian"), ("h", "hessian"))
    }
    return optimize_result(
        x=x, success=info["status"] in (0, 1), status=info["status"], message=info["status_msg"].decode(),
        fun=info["obj_val"], jac=program.gradient(x), multipliers=info["mult_g"], nit=program.iterations,
        **counts,
    )  # fmt: skip


def _limits(constraints: Sequence[Any], sizes: Sequence[int]) -> Any:
    """Both sides of all constraints, a number for each."""
    return [
        np.concatenate(
            [np.empty(0), *(np.broadcast_to(getattr(c, s), n) for c, n in zip(constraints, sizes, strict=True))]
        )
        for s in ("lb", "ub")
    ]


def _box(bounds: Any, count: int) -> Any:
    """Both sides of bounds in one of SciPy's forms."""
    if bounds is None:
        return np.full(count, -np.inf), np.full(count, np.inf)
    if hasattr(bounds, "lb"):
        return np.broadcast_to(bounds.lb, count).astype(float), np.broadcast_to(bounds.ub, count).astype(float)
    pairs = [(-np.inf if low is None else low, np.inf if high is None else high) for low, high in bounds]
    return tuple(np.array(side, dtype=np.float64) for side in zip(*pairs, strict=True))


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    """IPOPT's options, with SciPy's names for some of them; silent unless asked."""
    found = {"print_level": 0, "sb": "yes"}
    if given.get("tol") is not None:
        found["tol"] = given["tol"]
    for name, value in (given.get("options") or {}).items():
        if name == "disp":
            found["print_level"] = 5 if value else 0
        else:
            found["max_iter" if name == "maxiter" else name] = value
    return found
