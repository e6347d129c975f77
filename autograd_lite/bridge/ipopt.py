"""IPOPT by cyipopt: a nonlinear program with sparse first and second derivatives."""

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
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


class Program:
    """A nonlinear program as cyipopt asks for it: an objective, constraints, and their sparse derivatives.

    `rows` are linear constraints, a sparse matrix.
    """

    def __init__(self, f: Evaluations, others: Sequence[Evaluations], rows: Any, x: Any) -> None:
        def everything(x: Any) -> Any:
            first = unravel(f.plain(x), f"the output of {f.name}")[0]
            if len(first) != 1:
                raise OutputError(f"{f.name} returned {len(first)} numbers; IPOPT minimises one. Add them up first.")
            return [first[0], *(unravel(g.plain(x))[0] for g in others)]

        self.rows, self.uses, self.name, self.last = rows, f.uses, f.name, x
        self.callback: Any = None
        self.problem: Any = None
        self.sparse = Sparse(renamed(f.f, everything), "auto")
        self.known: dict[str, tuple[bytes, Any]] = {}
        self.structures: dict[str, Any] = {}
        self.sizes = [len(part) for part in self._asked("values", x)[1:]]
        self.structures = {kind: self._asked(kind, x) for kind in ("jacobian", "hessian")}

    def _asked(self, kind: str, x: Any, weights: Any = None) -> Any:
        key = x.tobytes() + (b"" if weights is None else weights.tobytes())
        known = self.known.get(kind)
        if known is not None and known[0] == key:
            return known[1]
        start = time.perf_counter()
        if kind == "values":
            found = self.sparse.value(x)
        elif kind == "jacobian":
            found = self.sparse.jacobian(x)
        else:
            found = self.sparse.hessian(x, self.ones() if weights is None else weights, triangle="lower")
        self.uses.setdefault(kind, Use()).add(time.perf_counter() - start)
        if any(path.tape.captured for path in self.sparse.paths()):
            raise LostError(self.name)
        if kind != "values":
            self.uses[kind].form = f"sparse, {found.nnz:,} of {found.shape[0]:,} × {found.shape[1]:,}"
        if kind in self.structures and found.nnz != self.structures[kind].nnz:
            self.last = x.copy()
            raise Grown
        self.known[kind] = key, found
        return found

    def ones(self) -> Any:
        """Weights for the objective and each constraint."""
        return np.ones(1 + sum(self.sizes))

    def intermediate(self, *_: Any) -> bool:
        """Report an iterate; False stops IPOPT."""
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
        return self._asked("jacobian", x)[:1].toarray().ravel()

    def constraints(self, x: Any) -> Any:
        return np.concatenate([np.empty(0), *self._asked("values", x)[1:], self.rows @ x])

    def jacobianstructure(self) -> Any:
        return scipy_sparse().vstack([_pattern(self.structures["jacobian"])[1:], _pattern(self.rows)]).nonzero()

    def jacobian(self, x: Any) -> Any:
        found = self._asked("jacobian", x)
        return np.concatenate([found.data[found.indptr[1] :], self.rows.data])

    def hessianstructure(self) -> Any:
        return _pattern(self.structures["hessian"]).nonzero()

    def hessian(self, x: Any, multipliers: Any, factor: float) -> Any:
        weights = np.concatenate([[factor], multipliers[: sum(self.sizes)]])
        return self._asked("hessian", x, weights).data


def optimize_result(**parts: Any) -> Any:
    """SciPy's OptimizeResult."""
    from scipy.optimize import OptimizeResult  # noqa: PLC0415 - an extra

    return OptimizeResult(**parts)


def _pattern(matrix: Any) -> Any:
    """A matrix of ones where entries are stored, 0 among them."""
    return type(matrix)((np.ones(matrix.nnz), matrix.indices, matrix.indptr), matrix.shape)


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
    while True:
        program = Program(f, others, rows, x)
        sizes = [*program.sizes, *(block.shape[0] for block in blocks)]
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
        fun=info["obj_val"], jac=program.gradient(x), multipliers=info["mult_g"], **counts,
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
