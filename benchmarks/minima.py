"""The minima in the tables of test problems, found again without this library: SciPy with its differences, then mpmath.

python -m benchmarks.minima                                             about a minute; needs mpmath

A typing error in data moves a minimum, so each was compared with the digits printed in 1981, and is with the table. Newton's
method in 50 digits starts from the point that SciPy finds; active constraints are those of that point. Minima that are 0, or
a formula, need no such digits: SciPy comes to them.
"""

from __future__ import annotations

import math
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.hock_schittkowski import PROGRAMS, Program
from benchmarks.more_garbow_hillstrom import PROBLEMS, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: As users of SciPy write functions: infinite and not a number pass.
NUMPY = SimpleNamespace(atan=np.arctan, cos=np.cos, exp=np.exp, log=np.log, sin=np.sin, sqrt=np.sqrt)
DIGITS, ACTIVE, NEAR = 50, 1e-6, 1e-5
STARTS = 40
#: Points at which constraints have no independent gradients: no system of equations to solve there.
DEGENERATE = {13: (1, 0), 55: (0, 4 / 3, 5 / 3, 1, 2 / 3, 1 / 3)}


def stationary(value: Callable[[Sequence[Any]], Any], x: Sequence[float]) -> tuple[Any, ...]:
    """Return the stationary point near x, by Newton's method with differences in 50 digits."""
    import mpmath

    with mpmath.workdps(DIGITS):
        point = [mpmath.mpf(float(a)) for a in x]
        for _ in range(8):
            steps = [mpmath.mpf(10) ** -13 * max(1, abs(a)) for a in point]
            slope, curvature = _differences(value, point, steps)
            try:
                change = mpmath.lu_solve(curvature, -slope)
            except ZeroDivisionError:
                break
            point = [a + b for a, b in zip(point, change, strict=True)]
            if mpmath.norm(change) < mpmath.mpf(10) ** -20:
                break
        return tuple(point)


def _differences(value: Callable[[Sequence[Any]], Any], x: Sequence[Any], steps: Sequence[Any]) -> tuple[Any, Any]:
    """Return gradient and Hessian by central differences."""
    import mpmath

    def at(*shifts: tuple[int, int]) -> Any:
        moved = list(x)
        for k, sign in shifts:
            moved[k] += sign * steps[k]
        return value(moved)

    n, here = len(x), value(x)
    slope, curvature = mpmath.matrix(n, 1), mpmath.matrix(n, n)
    for i, h in enumerate(steps):
        ahead, behind = at((i, 1)), at((i, -1))
        slope[i], curvature[i, i] = (ahead - behind) / (2 * h), (ahead - 2 * here + behind) / h**2
        for j in range(i):
            crossed = sum(a * b * at((i, a), (j, b)) for a in (1, -1) for b in (1, -1))
            curvature[i, j] = curvature[j, i] = crossed / (4 * h * steps[j])
    return slope, curvature


def of_problem(problem: Problem) -> float:
    """Return the least sum of squares near the point that SciPy finds, or SciPy's where it is 0 or a matrix is singular."""
    import mpmath
    from scipy.optimize import least_squares

    exact = {"ftol": 1e-15, "xtol": 1e-15, "gtol": 1e-15, "max_nfev": 3000}
    with np.errstate(all="ignore"):
        found = least_squares(
            lambda x: np.array(problem.residuals([*x], NUMPY), dtype=float),
            problem.start,
            "3-point",
            x_scale="jac",
            **exact,
        )
    if 2.0 * found.cost < 1e-15 or problem.number in (32, 33, 34):
        return float(2.0 * found.cost)
    point = stationary(lambda x: problem.value(x, mpmath.mp), found.x)
    with mpmath.workdps(DIGITS):
        return float(problem.value(point, mpmath.mp))


def by_differences(program: Program, start: Any, **options: Any) -> Any:
    """Return SciPy's SLSQP with SciPy's own differences."""
    from scipy.optimize import minimize

    constraints = [
        {"type": kind, "fun": lambda x, f=f: np.array(f(NUMPY, *x), dtype=float)}
        for kind, f in (("eq", program.equal), ("ineq", program.above))
        if f
    ]
    with np.errstate(all="ignore"):
        return minimize(
            lambda x: float(program.objective(NUMPY, *x)), start, method="SLSQP", jac="3-point", bounds=program.bounds,
            constraints=constraints, options={"maxiter": 1000, "ftol": 1e-14, **options},
        )  # fmt: skip


def of_program(program: Program) -> float:
    """Return the minimum near a point of SciPy's that is near the table's."""
    import mpmath

    if program.number in DEGENERATE:
        point = DEGENERATE[program.number]
        return float(program.objective(NUMPY, *point)) if violation(program, point) < 1e-12 else math.nan
    rng, start = np.random.default_rng(program.number), np.array(program.start)
    for trial in range(STARTS):
        found = by_differences(program, start + trial * 0.1 * rng.normal(size=len(start)) * np.maximum(1, abs(start)))
        if (
            abs(found.fun - program.minimum) <= NEAR * max(1.0, abs(program.minimum))
            and violation(program, found.x) < 1e-4
        ):
            break
    active = _active(program, found.x)
    n = len(start)

    def lagrangian(z: Sequence[Any]) -> Any:
        x = z[:n]
        return program.objective(mpmath.mp, *x) - sum(a * c(x) for a, c in zip(z[n:], active, strict=True))

    multipliers = _multipliers(program, found.x, active)
    point = stationary(lagrangian, [*found.x, *multipliers])[:n]
    with mpmath.workdps(DIGITS):
        return float(program.objective(mpmath.mp, *point))


def _multipliers(program: Program, x: Any, active: Sequence[Callable[..., Any]]) -> Any:
    from scipy.optimize import approx_fprime

    with np.errstate(all="ignore"):
        slope = approx_fprime(x, lambda x: float(program.objective(NUMPY, *x)))
        rows = [approx_fprime(x, lambda x, c=c: float(c([*x]))) for c in active]
    return np.linalg.lstsq(np.array(rows).T, slope, rcond=None)[0] if rows else ()


def _active(program: Program, x: Any) -> list[Callable[..., Any]]:
    """Return what is 0 at x: equations, inequalities and bounds."""
    import mpmath

    found: list[Callable[..., Any]] = []
    for f, always in ((program.equal, True), (program.above, False)):
        found += [
            lambda x, f=f, k=k: f(mpmath.mp, *x)[k]
            for k, value in enumerate(f(NUMPY, *x) if f else ())
            if always or abs(value) < 10.0 * ACTIVE
        ]
    for k, sides in enumerate(program.bounds):
        for side in sides:
            if abs(x[k] - side) < ACTIVE * max(1.0, abs(side)):
                found.append(lambda x, k=k, side=side: x[k] - side)
    return found


def violation(program: Program, x: Any) -> float:
    """Return by how much constraints and bounds are missed at most."""
    with np.errstate(all="ignore"):
        equal = np.abs(np.array(program.equal(NUMPY, *x), float)) if program.equal else np.zeros(1)
        above = -np.array(program.above(NUMPY, *x), float) if program.above else np.zeros(1)
    outside = [max(low - a, a - high, 0.0) for a, (low, high) in zip(x, program.bounds, strict=True)]
    return float(max(0.0, equal.max(), above.max(), *outside))


def found_again(test: Problem | Program) -> float:
    """Return the minimum of a test problem of either kind."""
    return of_problem(test) if isinstance(test, Problem) else of_program(test)


def main() -> int:
    """Print each minimum beside that of the table; return 1 if one differs by more than 1e-10."""
    wrong = 0
    for test in (*PROBLEMS, *PROGRAMS):
        found = found_again(test)
        near = min((test.minimum, *test.others), key=lambda value: abs(value - found))
        off = abs(found - near) / max(1.0, abs(near))
        wrong += not off < 1e-10
        name = f"{test.number} {getattr(test, 'name', '')}, {len(test.start)} variables"
        print(f"{name:<45} {found:<22.15g} {near:<22.15g} {off:.0e}{'' if off < 1e-10 else '  DIFFERS'}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
