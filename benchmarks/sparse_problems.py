"""Problems whose derivatives are sparse, in plain scalar Python, and those derivatives by complex steps in NumPy.

Each function takes a sequence of numbers and `m`, which has exp, sin, cos and sqrt for such numbers.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

Numbers = Any
#: A difference of six points. Its error is some STEP⁶ = 2e-14 of a seventh derivative, and rounding 1e-16/STEP.
STENCIL = {-3: -1 / 60, -2: 3 / 20, -1: -3 / 4, 1: 3 / 4, 2: -3 / 20, 3: 1 / 60}
STEP, TINY = 0.005, 1e-200
#: Length, gravity, masses of cart and pole; seconds (Kelly 2017).
POLE, GRAVITY, CART, BOB, SECONDS = 0.5, 9.81, 1.0, 0.3, 2.0


class Problem(NamedTuple):
    """A function, the derivative that is asked for ("jacobian" or "hessian"), and where."""

    f: Callable[[Numbers, Any], Any]
    kind: str
    x: np.ndarray
    weights: np.ndarray | None = None  # of the outputs, for a Hessian of several
    columns: np.ndarray | None = None  # for each output the inputs it may depend on; -1 for none


def rosenbrock(x: Numbers, _m: Any) -> Any:
    """Return Σ 100 (xₖ₊₁ - xₖ²)² + (1 - xₖ)²."""
    total = 0.0
    for k in range(len(x) - 1):
        a, b = x[k + 1] - x[k] * x[k], 1.0 - x[k]
        total = total + 100.0 * (a * a) + b * b
    return total


def broyden(x: Numbers, _m: Any) -> list[Any]:
    """Return the residuals (3 - 2 xₖ) xₖ + 1 - xₖ₋₁ - 2 xₖ₊₁."""
    last, residuals = len(x) - 1, []
    for k in range(len(x)):
        r = (3.0 - 2.0 * x[k]) * x[k] + 1.0
        if k > 0:
            r = r - x[k - 1]
        if k < last:
            r = r - 2.0 * x[k + 1]
        residuals.append(r)
    return residuals


def bratu(x: Numbers, m: Any, *, side: int) -> list[Any]:
    """Return the residuals of -Δu = eᵘ on a square grid, zero at its edge."""
    h2, residuals = (1.0 / (side + 1)) ** 2, []
    for i in range(side):
        for j in range(side):
            c = i * side + j
            r = 4.0 * x[c] - h2 * m.exp(x[c])
            if i > 0:
                r = r - x[c - side]
            if i < side - 1:
                r = r - x[c + side]
            if j > 0:
                r = r - x[c - 1]
            if j < side - 1:
                r = r - x[c + 1]
            residuals.append(r)
    return residuals


def bundle(x: Numbers, m: Any, *, cameras: int, seen: list[tuple[int, int]], pixels: list[list[float]]) -> list[Any]:
    """Return the residuals of bundle adjustment: nine parameters a camera (rotation, shift, focal length, distortion)."""
    residuals = []
    for (c, p), (u, v) in zip(seen, pixels, strict=True):
        w, point = [x[9 * c + i] for i in range(9)], [x[9 * cameras + 3 * p + i] for i in range(3)]
        angle2 = w[0] * w[0] + w[1] * w[1] + w[2] * w[2]
        angle = m.sqrt(angle2)
        cosine, sine, rest = m.cos(angle), m.sin(angle) / angle, (1.0 - m.cos(angle)) / angle2
        along = (w[0] * point[0] + w[1] * point[1] + w[2] * point[2]) * rest
        a = point[0] * cosine + (w[1] * point[2] - w[2] * point[1]) * sine + w[0] * along + w[3]
        b = point[1] * cosine + (w[2] * point[0] - w[0] * point[2]) * sine + w[1] * along + w[4]
        c_ = point[2] * cosine + (w[0] * point[1] - w[1] * point[0]) * sine + w[2] * along + w[5]
        px, py = -a / c_, -b / c_
        n2 = px * px + py * py
        scale = w[6] * (1.0 + w[7] * n2 + w[8] * n2 * n2)
        residuals += [scale * px - u, scale * py - v]
    return residuals


def cart(z: Numbers, u: Any, m: Any) -> list[Any]:
    """Return the rates of a cart with a pole: position, angle, and their speeds."""
    _, angle, v1, v2 = z
    s, c = m.sin(angle), m.cos(angle)
    inertia = CART + BOB * (1.0 - c * c)
    return [
        v1,
        v2,
        (POLE * BOB * s * v2 * v2 + u + BOB * GRAVITY * c * s) / inertia,
        -(POLE * BOB * c * s * v2 * v2 + u * c + (CART + BOB) * GRAVITY * s) / (POLE * inertia),
    ]


def effort(x: Numbers, _m: Any, *, intervals: int) -> Any:
    """Return the integral of the squared force by the trapezoidal rule; x holds four states and a force a knot."""
    half, total = 0.5 * SECONDS / intervals, 0.0
    for before, after in pairwise([x[5 * k + 4] for k in range(intervals + 1)]):
        total = total + half * (before * before + after * after)
    return total


def defects(x: Numbers, m: Any, *, intervals: int) -> list[Any]:
    """Return what each two neighbours lack of the trapezoidal rule."""
    half = 0.5 * SECONDS / intervals
    knots = [[x[5 * k + i] for i in range(5)] for k in range(intervals + 1)]
    rates = [cart(z[:4], z[4], m) for z in knots]
    return [
        knots[k + 1][i] - knots[k][i] - half * (rates[k][i] + rates[k + 1][i])
        for k in range(intervals)
        for i in range(4)
    ]


def collocation(x: Numbers, m: Any, *, intervals: int) -> list[Any]:
    """Return the effort and the defects."""
    return [effort(x, m, intervals=intervals), *defects(x, m, intervals=intervals)]


# ---- problems by name and size --------------------------------------------------------------------------------------------


def problem(name: str, size: int) -> tuple[Problem]:
    """Return a problem of about so many variables, or observations; as arguments of a maker."""
    return (PROBLEMS[name](size),)


def _rosenbrock(n: int) -> Problem:
    return Problem(rosenbrock, "hessian", np.linspace(-0.9, 1.0, n))


def _broyden(n: int) -> Problem:
    columns = np.arange(n)[:, None] + np.array([-1, 0, 1])
    return Problem(
        broyden, "jacobian", np.linspace(-0.9, 1.0, n), columns=np.where((columns < 0) | (columns >= n), -1, columns)
    )


def _bratu(n: int) -> Problem:
    side = round(n**0.5)
    i, j = np.divmod(np.arange(side * side), side)
    near = [(i > 0, -side), (j > 0, -1), (i >= 0, 0), (j < side - 1, 1), (i < side - 1, side)]
    columns = np.stack([np.where(there, i * side + j + shift, -1) for there, shift in near], axis=1)
    return Problem(partial(bratu, side=side), "jacobian", np.linspace(-0.9, 1.0, side * side), columns=columns)


def _bundle(observations: int) -> Problem:
    rng, cameras, points, each = np.random.default_rng(0), 20, observations // 5, 5
    seen = [(int(c), p) for p in range(points) for c in np.sort(rng.choice(cameras, each, replace=False))]
    parts = [rng.normal(0, 0.1, (cameras, 3)) + 0.05, rng.normal(0, 0.1, (cameras, 2)), rng.normal(-5, 0.1, cameras)]
    parts += [rng.uniform(400, 600, cameras), rng.normal(0, 1e-2, (cameras, 2))]
    x = np.concatenate([np.column_stack(parts).ravel(), rng.normal(0, 1, points * 3)])
    f = partial(bundle, cameras=cameras, seen=seen, pixels=rng.normal(0, 100, (len(seen), 2)).tolist())
    c, p = np.array(seen).T[:, :, None]
    columns = np.concatenate([9 * c + np.arange(9), 9 * cameras + 3 * p + np.arange(3)], axis=1)
    return Problem(f, "jacobian", x, columns=np.repeat(columns, 2, axis=0))


def _collocation(n: int, kind: str) -> Problem:
    intervals = n // 5
    rng = np.random.default_rng(0)
    x, weights = rng.normal(size=5 * (intervals + 1)), rng.normal(size=4 * intervals + 1)
    if kind == "hessian":
        return Problem(partial(collocation, intervals=intervals), kind, x, weights)
    columns = np.repeat(5 * np.arange(intervals)[:, None] + np.arange(10), 4, axis=0)
    return Problem(partial(defects, intervals=intervals), kind, x, columns=columns)


PROBLEMS: dict[str, Callable[[int], Problem]] = {
    "rosenbrock": _rosenbrock,
    "broyden": _broyden,
    "bratu": _bratu,
    "bundle": _bundle,
    "defects": partial(_collocation, kind="jacobian"),
    "lagrangian": partial(_collocation, kind="hessian"),
}


# ---- the reference --------------------------------------------------------------------------------------------------------


def reference(problem: Problem) -> np.ndarray:
    """Return the entries that are not 0, row by row; of a Hessian its lower triangle."""
    if problem.columns is not None:
        return _jacobian(problem, problem.columns)
    if problem.weights is None:
        return _rosenbrock_by_hand(problem.x)
    return _lagrangian(problem.x, problem.weights)


def _jacobian(problem: Problem, columns: np.ndarray) -> np.ndarray:
    """Return a Jacobian by complex steps: inputs that no output has together take theirs at once."""
    colour = np.zeros(len(problem.x), dtype=int)
    for place in range(columns.shape[1]):
        own = columns[:, place]
        colour[own[own >= 0]] = place if problem.f is not broyden else own[own >= 0] % 3
    if isinstance(problem.f, partial) and problem.f.func is bratu:  # the five-point star: i + 2 j, modulo 5
        i, j = np.divmod(np.arange(len(problem.x)), problem.f.keywords["side"])
        colour = (i + 2 * j) % 5
    elif isinstance(problem.f, partial) and problem.f.func is defects:
        colour = np.arange(len(problem.x)) % 10
    seeds = np.eye(colour.max() + 1)[colour]
    lanes = problem.x[:, None] + 1j * TINY * seeds
    slopes = np.array([r.imag for r in problem.f([*lanes], np)]) / TINY
    found = np.take_along_axis(slopes, colour[columns], axis=1)
    return found[(columns >= 0) & (found != 0.0)]


def _rosenbrock_by_hand(x: np.ndarray) -> np.ndarray:
    diagonal, below = np.zeros(len(x)), -400.0 * x[:-1]
    diagonal[:-1] += 1200.0 * x[:-1] ** 2 - 400.0 * x[1:] + 2.0
    diagonal[1:] += 200.0
    entries = np.empty(2 * len(x) - 1)
    entries[::2], entries[1::2] = diagonal, below
    return entries


def _lagrangian(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the blocks of the knots: second derivatives as differences of complex steps."""
    knots = x.reshape(-1, 5).T
    half, multipliers = 0.5 * SECONDS / (knots.shape[1] - 1), weights[1:].reshape(-1, 4).T
    each = np.zeros((4, knots.shape[1]))
    each[:, :-1] -= half * multipliers
    each[:, 1:] -= half * multipliers

    def slope(shift: tuple[int, float], by: int) -> np.ndarray:
        z = [part + 0j for part in knots]
        z[shift[0]] = z[shift[0]] + shift[1]
        z[by] = z[by] + 1j * TINY
        return sum(c * rate for c, rate in zip(each, cart(z[:4], z[4], np), strict=True)).imag / TINY

    blocks = np.zeros((knots.shape[1], 5, 5))
    for a, b in ((1, 1), (3, 1), (3, 3), (4, 1)):
        blocks[:, a, b] = sum(factor * slope((a, k * STEP), b) for k, factor in STENCIL.items()) / STEP
    blocks[:, 4, 4] = 4.0 * half * weights[0]
    blocks[[0, -1], 4, 4] /= 2.0
    return blocks[blocks != 0.0]
