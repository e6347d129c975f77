"""Test problems by `autograd_lite.scipy`, beside SciPy with its own differences; and derivatives over functions.

python -m benchmarks.optimisation                                       about fifteen minutes
python -m benchmarks.optimisation --write docs/benchmarks               writes page and plot
"""

from __future__ import annotations

import statistics
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.optimize

import autograd_lite as al
from benchmarks import derivatives, measure, sections
from benchmarks.hock_schittkowski import PROGRAMS, Program
from benchmarks.minima import NUMPY, violation
from benchmarks.more_garbow_hillstrom import PROBLEMS, Problem
from benchmarks.sections import Section

if TYPE_CHECKING:
    import argparse

#: How far an objective may be from the known minimum, of max(1, |minimum|); and a constraint from its side.
REACHED, FEASIBLE = 1e-8, 1e-7
Test = Problem | Program
Solve = Callable[[Any, Any], Any]  # of a test and a `Way`


class Tried(NamedTuple):
    """What a solver came to, and how often it computed the function and derivatives (a value with its gradient is one)."""

    value: float
    missed: float
    function: int
    derivatives: int
    error: str = ""


@dataclass
class Way:
    """SciPy with derivatives filled in, or SciPy itself: its module, mathematics for functions, and calls counted."""

    optimize: Any
    m: Any
    calls: int = 0

    def counted(self, f: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Count calls of SciPy's, which gets floats or an array; ours are traced, and counted by `derivatives`."""
        if self.optimize is not scipy.optimize:
            return f

        def counting(x: Any) -> Any:
            self.calls += 1
            return np.array(f([*x]), dtype=float) if np.ndim(x) else f(x)

        return counting

    def tried(self, test: Test, solve: Solve) -> Tried:
        """Solve; what is raised is a result too."""
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # SciPy tells how its algorithms end
                found = solve(test, self)
        except Exception as error:  # noqa: BLE001 - named in the table
            return Tried(np.nan, np.nan, self.calls, 0, type(error).__name__)
        missed = violation(test, found.x) if isinstance(test, Program) else 0.0
        function, slopes = (self.calls, 0) if self.optimize is scipy.optimize else _counts(found.derivatives.uses)
        return Tried(_value(test, found), missed, function, slopes)


def _counts(uses: dict[str, Any]) -> tuple[int, int]:
    """Return evaluations of the objective, or of residuals, and of its highest derivative; constraints go with them."""
    own = {kind: use.count for kind, use in uses.items() if ":" not in kind}
    function = own.get("values", own.get("gradient", 0))
    return function, own.get("hessian", own.get("jacobian", own.get("gradient", 0)))


def _value(test: Test, found: Any) -> float:
    if isinstance(test, Program):
        return float(found.fun)
    with np.errstate(all="ignore"):
        return float(np.sum(np.square(np.array(test.residuals([*found.x], NUMPY), dtype=float))))


# ---- solvers --------------------------------------------------------------------------------------------------------------


def fit(problem: Problem, way: Way) -> Any:
    """Least squares by the trust region method, SciPy's default."""
    exact = {"ftol": 1e-15, "xtol": 1e-15, "gtol": 1e-15, "max_nfev": 3000}
    return way.optimize.least_squares(way.counted(lambda x: problem.residuals(x, way.m)), problem.start, **exact)


def root(problem: Problem, way: Way) -> Any:
    """As many equations as unknowns, by Powell's hybrid method."""
    return way.optimize.root(way.counted(lambda x: problem.residuals(x, way.m)), problem.start, tol=1e-14)


def minimum(problem: Problem, way: Way, *, method: str) -> Any:
    """The sum of squares as a number like any other."""
    options = {"maxiter": 5000, "gtol": 1e-9}
    value = way.counted(lambda x: problem.value(x, way.m))
    return way.optimize.minimize(value, problem.start, method=method, options=options)


def sequential(program: Program, way: Way) -> Any:
    """Sequential quadratic programming."""
    constraints = [
        {"type": kind, "fun": _of(way, f)} for kind, f in (("eq", program.equal), ("ineq", program.above)) if f
    ]
    return way.optimize.minimize(
        way.counted(lambda x: program.objective(way.m, *x)), program.start, method="SLSQP", bounds=program.bounds,
        constraints=constraints, options={"maxiter": 500, "ftol": 1e-12},
    )  # fmt: skip


def interior(program: Program, way: Way) -> Any:
    """The barrier method with trust regions; without gtol, by which it ends before the barrier is low."""
    limits = ((0.0, program.equal), (np.inf, program.above))
    constraints = [way.optimize.NonlinearConstraint(_of(way, f), 0.0, high) for high, f in limits if f]
    low, high = np.array(program.bounds).T
    within = bool(
        np.all((low < program.start) & (program.start < high))
    )  # bounds are of the domain where they are strict
    bounds = scipy.optimize.Bounds(low, high, keep_feasible=within) if np.isfinite([low, high]).any() else None
    return way.optimize.minimize(
        way.counted(lambda x: program.objective(way.m, *x)), program.start, method="trust-constr", bounds=bounds,
        constraints=constraints, options={"maxiter": 1000, "gtol": 0.0, "xtol": 1e-11, "barrier_tol": 1e-11},
    )  # fmt: skip


def _of(way: Way, f: Callable[..., Any]) -> Callable[[Any], Any]:
    """A constraint as a function of a vector."""
    if way.optimize is scipy.optimize:
        return lambda x: np.array(f(NUMPY, *x), dtype=float)
    return lambda x: f(al, *x)


# ---- the tables -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Set:
    """Test problems by one solver: ours, and SciPy's where the method can take differences."""

    number: int
    title: str
    tests: Sequence[Any]
    solve: Solve
    slopes: str
    both: bool = True

    def run(self, options: argparse.Namespace) -> Section:
        """Solve each; in a quick run the first three."""
        tests = self.tests[: 3 if options.quick else None]
        found = [(test, *self.tried(test)) for test in tests]
        header = ["problem", "variables", "minimum", "reached", "f", self.slopes]
        header += ["SciPy's differences: reached", "f of SciPy"] if self.both else []
        table = measure.table(header, [_row(*each) for each in found])
        wrong = [f"Row {self.number}: {test.number}: {ours.error}" for test, ours, _ in found if ours.error]
        return Section(self.number, self.title, f"{table}\n\n{self._summary(found)}", wrong)

    def tried(self, test: Test) -> tuple[Tried, Tried | None]:
        """Solve by both ways."""
        import autograd_lite.scipy

        ours = Way(autograd_lite.scipy, al).tried(test, self.solve)
        return ours, Way(scipy.optimize, NUMPY).tried(test, self.solve) if self.both else None

    def _summary(self, found: list[tuple[Any, Tried, Tried | None]]) -> str:
        good = [reached(test, ours) for test, ours, _ in found]
        text = f"Reached: {sum(good)} of {len(found)}"
        pairs = [(test, ours, theirs) for test, ours, theirs in found if theirs is not None]
        if not pairs:
            return f"{text}."
        text += f", by SciPy's differences {sum(reached(test, theirs) for test, _, theirs in pairs)}."
        both = [(a.function, b.function) for test, a, b in pairs if reached(test, a) and reached(test, b)]
        if both:
            ours, theirs = map(sum, zip(*both, strict=True))
            each = statistics.median(a / b for a, b in both)
            text += (
                f" Where both do: {ours:,} evaluations of f for {theirs:,}; the median of their ratio is {each:.2f}."
            )
        lost = [str(test.number) for test, a, b in pairs if reached(test, b) and not reached(test, a)]
        return f"{text} By differences only: {', '.join(lost)}." if lost else text


def reached(test: Test, tried: Tried) -> bool:
    """Whether a known minimum was found, with constraints kept."""
    return not tried.error and tried.missed <= FEASIBLE and _off(test, tried)[0] <= REACHED


def _off(test: Test, tried: Tried) -> tuple[float, float]:
    """Return the distance from the nearest known minimum, and that minimum."""
    known = (test.minimum, *test.others)
    return min((abs(tried.value - value) / max(1.0, abs(value)), value) for value in known)


def _row(test: Test, ours: Tried, theirs: Tried | None) -> list[str]:
    name = getattr(test, "name", "")
    cells = [f"{test.number} {name}".strip(), str(len(test.start)), f"{test.minimum:.10g}", _verdict(test, ours)]
    cells += [f"{ours.function:,}", f"{ours.derivatives:,}"]
    return cells if theirs is None else [*cells, _verdict(test, theirs), f"{theirs.function:,}"]


def _verdict(test: Test, tried: Tried) -> str:
    if tried.error:
        return tried.error
    off, nearest = _off(test, tried)
    if reached(test, tried):
        return "yes" if nearest == test.minimum else f"yes, {nearest:.6g}"
    return f"constraint {tried.missed:.0e}" if tried.missed > FEASIBLE else f"off by {off:.0e}"


SQUARE = [p for p in PROBLEMS if p.minimum == 0.0 and len(p.residuals(p.start, NUMPY)) == len(p.start)]
ROWS: list[sections.Task] = [
    Set(50, "Moré–Garbow–Hillstrom by least_squares", PROBLEMS, fit, "Jacobians"),
    Set(51, "Moré–Garbow–Hillstrom by root", SQUARE, root, "Jacobians"),
    Set(52, "Moré–Garbow–Hillstrom by minimize, BFGS", PROBLEMS, partial(minimum, method="BFGS"), "gradients"),
    Set(
        53, "Moré–Garbow–Hillstrom by minimize, trust-exact, for which SciPy takes no differences", PROBLEMS,
        partial(minimum, method="trust-exact"), "Hessians", both=False,
    ),
    Set(54, "Hock–Schittkowski by minimize, SLSQP", PROGRAMS, sequential, "gradients"),
    Set(55, "Hock–Schittkowski by minimize, trust-constr", PROGRAMS, interior, "Hessians"),
    *derivatives.ROWS,
]  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; return 0, or 1 if a problem was refused or a result was wrong."""
    return sections.main("optimisation", ROWS, argv, (__doc__ or "").split("\n", 1)[0])


if __name__ == "__main__":
    sys.exit(main())
