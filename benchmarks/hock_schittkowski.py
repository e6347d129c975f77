"""Test problems of Hock and Schittkowski: an objective, equations, inequalities and bounds, in plain scalar Python.

W. Hock and K. Schittkowski, Test Examples for Nonlinear Programming Codes, Springer 1981. Numbers and names of variables are
the book's. An objective and constraints are called with `m`, which has cos, exp, log, sin and sqrt, and the variables.
Equations are to be 0, inequalities at least 0.

Minima are the book's where it has a formula; the others, of which it prints some ten digits, are of Newton's method in 50
digits (`benchmarks.minima`). The book's digits of 95, 96 and 106 are of a point that misses constraints a little, or of a run
that ended early; those of 112 are a misprint. Left out are problems whose data fill pages, or are not certain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from math import inf, pi, sqrt
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Function = Any  # of `m` and the variables


@dataclass(frozen=True)
class Program:
    """A nonlinear program; other minima are values of known local minima, and of points at which conditions degenerate."""

    number: int
    objective: Callable[..., Any]
    start: tuple[float, ...]
    minimum: float
    equal: Callable[..., tuple[Any, ...]] | None = None
    above: Callable[..., tuple[Any, ...]] | None = None
    low: tuple[float, ...] | float = -inf
    high: tuple[float, ...] | float = inf
    others: tuple[float, ...] = ()

    @property
    def bounds(self) -> list[tuple[float, float]]:
        """A pair for each variable."""
        sides = (s if isinstance(s, tuple) else (s,) * len(self.start) for s in (self.low, self.high))
        return [*zip(*sides, strict=True)]


def _valley(_m: Any, x1: Any, x2: Any) -> Any:
    return 100.0 * (x2 - x1**2) ** 2 + (1.0 - x1) ** 2


def _product_constraints(_m: Any, x1: Any, x2: Any, x3: Any, x4: Any, x5: Any) -> tuple[Any, ...]:
    """Those of 78 to 81."""
    return (x1**2 + x2**2 + x3**2 + x4**2 + x5**2 - 10.0, x2 * x3 - 5.0 * x4 * x5, x1**3 + x2**3 + 1.0)


def _hexagon(_m: Any, *x: Any) -> tuple[Any, ...]:
    """No two corners of 108 are further apart than 1."""
    x1, x2, x3, x4, x5, x6, x7, x8, x9 = x
    return (
        1.0 - x3**2 - x4**2,
        1.0 - x9**2,
        1.0 - x5**2 - x6**2,
        1.0 - x1**2 - (x2 - x9) ** 2,
        1.0 - (x1 - x5) ** 2 - (x2 - x6) ** 2,
        1.0 - (x1 - x7) ** 2 - (x2 - x8) ** 2,
        1.0 - (x3 - x5) ** 2 - (x4 - x6) ** 2,
        1.0 - (x3 - x7) ** 2 - (x4 - x8) ** 2,
        1.0 - x7**2 - (x8 - x9) ** 2,
        x1 * x4 - x2 * x3,
        x3 * x9,
        -x5 * x9,
        x5 * x8 - x6 * x7,
    )


# ---- Colville's problems 1 and 2 (86, 117): linear and quadratic terms ----------------------------------------------------

E, D = (-15.0, -27.0, -36.0, -18.0, -12.0), (4.0, 8.0, 10.0, 6.0, 2.0)
C = (
    (30.0, -20.0, -10.0, 32.0, -10.0),
    (-20.0, 39.0, -6.0, -31.0, 32.0),
    (-10.0, -6.0, 10.0, -6.0, -10.0),
    (32.0, -31.0, -6.0, 39.0, -20.0),
    (-10.0, 32.0, -10.0, -20.0, 30.0),
)
A = (
    (-16.0, 2.0, 0.0, 1.0, 0.0),
    (0.0, -2.0, 0.0, 0.4, 2.0),
    (-3.5, 0.0, 2.0, 0.0, 0.0),
    (0.0, -2.0, 0.0, -4.0, -1.0),
    (0.0, -9.0, -2.0, 1.0, -2.8),
    (2.0, 0.0, -4.0, 0.0, 0.0),
    (-1.0, -1.0, -1.0, -1.0, -1.0),
    (-1.0, -2.0, -3.0, -2.0, -1.0),
    (1.0, 2.0, 3.0, 4.0, 5.0),
    (1.0, 1.0, 1.0, 1.0, 1.0),
)
B = (-40.0, -2.0, -0.25, -4.0, -4.0, -1.0, -40.0, -60.0, 5.0, 1.0)
FIVE, TEN = range(5), range(10)


def _colville(_m: Any, *x: Any) -> Any:
    linear = sum(E[j] * x[j] + D[j] * x[j] ** 3 for j in FIVE)
    return linear + sum(C[i][j] * x[i] * x[j] for i in FIVE for j in FIVE)


def _colville_above(_m: Any, *x: Any) -> tuple[Any, ...]:
    return tuple(sum(A[i][j] * x[j] for j in FIVE) - B[i] for i in TEN)


def _dual(_m: Any, *x: Any) -> Any:
    y = x[10:]
    return (
        -sum(B[i] * x[i] for i in TEN)
        + sum(C[k][j] * y[k] * y[j] for k in FIVE for j in FIVE)
        + 2.0 * sum(D[j] * y[j] ** 3 for j in FIVE)
    )


def _dual_above(_m: Any, *x: Any) -> tuple[Any, ...]:
    y = x[10:]
    return tuple(
        2.0 * sum(C[k][j] * y[k] for k in FIVE) + 3.0 * D[j] * y[j] ** 2 + E[j] - sum(A[i][j] * x[i] for i in TEN)
        for j in FIVE
    )


# ---- chemical equilibrium (111, 112) --------------------------------------------------------------------------------------

ENERGY = (-6.089, -17.164, -34.054, -5.914, -24.721, -14.986, -24.100, -10.708, -26.662, -22.179)


def _balance(x: Sequence[Any]) -> tuple[Any, ...]:
    return (
        x[0] + 2.0 * x[1] + 2.0 * x[2] + x[5] + x[9] - 2.0,
        x[3] + 2.0 * x[4] + x[5] + x[6] - 1.0,
        x[2] + x[6] + x[7] + 2.0 * x[8] + x[9] - 1.0,
    )


def _gibbs(m: Any, *x: Any) -> Any:
    everything = sum(x)
    return sum(a * (c + m.log(a / everything)) for a, c in zip(x, ENERGY, strict=True))


def _gibbs_by_logarithms(m: Any, *x: Any) -> Any:
    amounts = [m.exp(a) for a in x]
    everything = m.log(sum(amounts))
    return sum(b * (c + a - everything) for a, b, c in zip(x, amounts, ENERGY, strict=True))


# ---- 95 to 98, 118 --------------------------------------------------------------------------------------------------------


def _cost_95(_m: Any, x1: Any, x2: Any, x3: Any, x4: Any, x5: Any, x6: Any) -> Any:
    return 4.3 * x1 + 31.8 * x2 + 63.3 * x3 + 15.8 * x4 + 68.5 * x5 + 4.7 * x6


def _above_95(b: tuple[float, ...]) -> Callable[..., tuple[Any, ...]]:
    def above(_m: Any, x1: Any, x2: Any, x3: Any, x4: Any, x5: Any, x6: Any) -> tuple[Any, ...]:
        return (
            17.1 * x1 + 38.2 * x2 + 204.2 * x3 + 212.3 * x4 + 623.4 * x5 + 1495.5 * x6
            - 169.0 * x1 * x3 - 3580.0 * x3 * x5 - 3810.0 * x4 * x5 - 18500.0 * x4 * x6 - 24300.0 * x5 * x6 - b[0],
            17.9 * x1 + 36.8 * x2 + 113.9 * x3 + 169.7 * x4 + 337.8 * x5 + 1385.2 * x6
            - 139.0 * x1 * x3 - 2450.0 * x4 * x5 - 16600.0 * x4 * x6 - 17200.0 * x5 * x6 - b[1],
            -273.0 * x2 - 70.0 * x4 - 819.0 * x5 + 26000.0 * x4 * x5 - b[2],
            159.9 * x1 - 311.0 * x2 + 587.0 * x4 + 391.0 * x5 + 2198.0 * x6 - 14000.0 * x1 * x6 - b[3],
        )  # fmt: skip

    return above


def _like_95(number: int, minimum: float, b: tuple[float, ...]) -> Program:
    high = (0.31, 0.046, 0.068, 0.042, 0.028, 0.0134)
    return Program(number, _cost_95, (0.0,) * 6, minimum, above=_above_95(b), low=0.0, high=high)


def _cost_118(_m: Any, *x: Any) -> Any:
    linear, square = (2.3, 1.7, 2.2), (1e-4, 1e-4, 1.5e-4)
    return sum(linear[k % 3] * a + square[k % 3] * a**2 for k, a in enumerate(x))


def _above_118(_m: Any, *x: Any) -> tuple[Any, ...]:
    changes = [x[k + 3] - x[k] + 7.0 for k in range(12)]
    most = (13.0, 14.0, 13.0) * 4
    totals = [x[3 * k] + x[3 * k + 1] + x[3 * k + 2] - s for k, s in enumerate((60.0, 50.0, 70.0, 85.0, 100.0))]
    return (*changes, *(limit - change for limit, change in zip(most, changes, strict=True)), *totals)


# ---- the table: number, objective, start, minimum, constraints, bounds ----------------------------------------------------

PROGRAMS: Sequence[Program] = [
    Program(1, _valley, (-2.0, 1.0), 0.0, low=(-inf, -1.5)),
    Program(2, _valley, (-2.0, 1.0), 0.0504261878936071, low=(-inf, 1.5), others=(4.94122931798918,)),
    Program(3, lambda m, x1, x2: x2 + 1e-5 * (x2 - x1) ** 2, (10.0, 1.0), 0.0, low=(-inf, 0.0)),
    Program(4, lambda m, x1, x2: (x1 + 1.0) ** 3 / 3.0 + x2, (1.125, 0.125), 8 / 3, low=(1.0, 0.0)),
    Program(
        5,
        lambda m, x1, x2: m.sin(x1 + x2) + (x1 - x2) ** 2 - 1.5 * x1 + 2.5 * x2 + 1.0,
        (0.0, 0.0), -sqrt(3) / 2 - pi / 3,
        low=(-1.5, -3.0), high=(4.0, 3.0),
    ),
    Program(
        6, lambda m, x1, x2: (1.0 - x1) ** 2, (-1.2, 1.0), 0.0,
        equal=lambda m, x1, x2: (10.0 * (x2 - x1**2),),
    ),
    Program(
        7, lambda m, x1, x2: m.log(1.0 + x1**2) - x2, (2.0, 2.0), -sqrt(3),
        equal=lambda m, x1, x2: ((1.0 + x1**2) ** 2 + x2**2 - 4.0,),
    ),
    Program(
        8, lambda m, x1, x2: -1.0 + 0.0 * x1, (2.0, 1.0), -1.0,
        equal=lambda m, x1, x2: (x1**2 + x2**2 - 25.0, x1 * x2 - 9.0),
    ),
    Program(
        9, lambda m, x1, x2: m.sin(pi * x1 / 12.0) * m.cos(pi * x2 / 16.0), (0.0, 0.0), -0.5,
        equal=lambda m, x1, x2: (4.0 * x1 - 3.0 * x2,),
    ),
    Program(
        10, lambda m, x1, x2: x1 - x2, (-10.0, 10.0), -1.0,
        above=lambda m, x1, x2: (-3.0 * x1**2 + 2.0 * x1 * x2 - x2**2 + 1.0,),
    ),
    Program(
        11, lambda m, x1, x2: (x1 - 5.0) ** 2 + x2**2 - 25.0, (4.9, 0.1), -8.49846422315468,
        above=lambda m, x1, x2: (-(x1**2) + x2,),
    ),
    Program(
        12, lambda m, x1, x2: 0.5 * x1**2 + x2**2 - x1 * x2 - 7.0 * x1 - 7.0 * x2, (0.0, 0.0), -30.0,
        above=lambda m, x1, x2: (25.0 - 4.0 * x1**2 - x2**2,),
    ),
    Program(
        13, lambda m, x1, x2: (x1 - 2.0) ** 2 + x2**2, (-2.0, -2.0), 1.0,
        above=lambda m, x1, x2: ((1.0 - x1) ** 3 - x2,), low=0.0,
    ),
    Program(
        14, lambda m, x1, x2: (x1 - 2.0) ** 2 + (x2 - 1.0) ** 2, (2.0, 2.0), 9.0 - 2.875 * sqrt(7),
        equal=lambda m, x1, x2: (x1 - 2.0 * x2 + 1.0,), above=lambda m, x1, x2: (-0.25 * x1**2 - x2**2 + 1.0,),
    ),
    Program(
        15, _valley, (-2.0, 1.0), 306.5,
        above=lambda m, x1, x2: (x1 * x2 - 1.0, x1 + x2**2), high=(0.5, inf),
    ),
    Program(
        16, _valley, (-2.0, 1.0), 0.25,
        above=lambda m, x1, x2: (x1 + x2**2, x1**2 + x2), low=(-0.5, -inf), high=(0.5, 1.0),
        others=(100.0 * (sqrt(0.5) - 0.25) ** 2 + 2.25,),
    ),
    Program(
        17, _valley, (-2.0, 1.0), 1.0,
        above=lambda m, x1, x2: (x2**2 - x1, x1**2 - x2), low=(-0.5, -inf), high=(0.5, 1.0),
    ),
    Program(
        18, lambda m, x1, x2: 0.01 * x1**2 + x2**2, (2.0, 2.0), 5.0,
        above=lambda m, x1, x2: (x1 * x2 - 25.0, x1**2 + x2**2 - 25.0), low=(2.0, 0.0), high=50.0,
    ),
    Program(
        19, lambda m, x1, x2: (x1 - 10.0) ** 3 + (x2 - 20.0) ** 3, (20.1, 5.84), -6961.81387558014,
        above=lambda m, x1, x2: (
            (x1 - 5.0) ** 2 + (x2 - 5.0) ** 2 - 100.0, -((x2 - 5.0) ** 2) - (x1 - 6.0) ** 2 + 82.81,
        ),
        low=(13.0, 0.0), high=100.0,
    ),
    Program(
        20, _valley, (-2.0, 1.0), 81.5 - 25.0 * sqrt(3),
        above=lambda m, x1, x2: (x1 + x2**2, x1**2 + x2, x1**2 + x2**2 - 1.0), low=(-0.5, -inf), high=(0.5, inf),
        others=(100.0 * (sqrt(0.75) - 0.25) ** 2 + 2.25,),
    ),
    Program(
        21, lambda m, x1, x2: 0.01 * x1**2 + x2**2 - 100.0, (-1.0, -1.0), -99.96,
        above=lambda m, x1, x2: (10.0 * x1 - x2 - 10.0,), low=(2.0, -50.0), high=50.0,
    ),
    Program(
        22, lambda m, x1, x2: (x1 - 2.0) ** 2 + (x2 - 1.0) ** 2, (2.0, 2.0), 1.0,
        above=lambda m, x1, x2: (-x1 - x2 + 2.0, -(x1**2) + x2),
    ),
    Program(
        23, lambda m, x1, x2: x1**2 + x2**2, (3.0, 1.0), 2.0,
        above=lambda m, x1, x2: (
            x1 + x2 - 1.0, x1**2 + x2**2 - 1.0, 9.0 * x1**2 + x2**2 - 9.0, x1**2 - x2, x2**2 - x1,
        ),
        low=-50.0, high=50.0,
    ),
    Program(
        24, lambda m, x1, x2: ((x1 - 3.0) ** 2 - 9.0) * x2**3 / (27.0 * sqrt(3)), (1.0, 0.5), -1.0,
        above=lambda m, x1, x2: (x1 / sqrt(3) - x2, x1 + sqrt(3) * x2, -x1 - sqrt(3) * x2 + 6.0), low=0.0,
    ),
    Program(
        26, lambda m, x1, x2, x3: (x1 - x2) ** 2 + (x2 - x3) ** 4, (-2.6, 2.0, 2.0), 0.0,
        equal=lambda m, x1, x2, x3: ((1.0 + x2**2) * x1 + x3**4 - 3.0,),
    ),
    Program(
        27, lambda m, x1, x2, x3: 0.01 * (x1 - 1.0) ** 2 + (x2 - x1**2) ** 2, (2.0, 2.0, 2.0), 0.04,
        equal=lambda m, x1, x2, x3: (x1 + x3**2 + 1.0,),
    ),
    Program(
        28, lambda m, x1, x2, x3: (x1 + x2) ** 2 + (x2 + x3) ** 2, (-4.0, 1.0, 1.0), 0.0,
        equal=lambda m, x1, x2, x3: (x1 + 2.0 * x2 + 3.0 * x3 - 1.0,),
    ),
    Program(
        29, lambda m, x1, x2, x3: -x1 * x2 * x3, (1.0, 1.0, 1.0), -16.0 * sqrt(2),
        above=lambda m, x1, x2, x3: (-(x1**2) - 2.0 * x2**2 - 4.0 * x3**2 + 48.0,),
    ),
    Program(
        30, lambda m, x1, x2, x3: x1**2 + x2**2 + x3**2, (1.0, 1.0, 1.0), 1.0,
        above=lambda m, x1, x2, x3: (x1**2 + x2**2 - 1.0,), low=(1.0, -10.0, -10.0), high=10.0,
    ),
    Program(
        31, lambda m, x1, x2, x3: 9.0 * x1**2 + x2**2 + 9.0 * x3**2, (1.0, 1.0, 1.0), 6.0,
        above=lambda m, x1, x2, x3: (x1 * x2 - 1.0,), low=(-10.0, 1.0, -10.0), high=(10.0, 10.0, 1.0),
    ),
    Program(
        32, lambda m, x1, x2, x3: (x1 + 3.0 * x2 + x3) ** 2 + 4.0 * (x1 - x2) ** 2, (0.1, 0.7, 0.2), 1.0,
        equal=lambda m, x1, x2, x3: (1.0 - x1 - x2 - x3,),
        above=lambda m, x1, x2, x3: (6.0 * x2 + 4.0 * x3 - x1**3 - 3.0,), low=0.0,
    ),
    Program(
        33, lambda m, x1, x2, x3: (x1 - 1.0) * (x1 - 2.0) * (x1 - 3.0) + x3, (0.0, 0.0, 3.0), sqrt(2) - 6.0,
        above=lambda m, x1, x2, x3: (x3**2 - x2**2 - x1**2, x1**2 + x2**2 + x3**2 - 4.0),
        low=0.0, high=(inf, inf, 5.0), others=(-4.0,),
    ),
    Program(
        34, lambda m, x1, x2, x3: -x1, (0.0, 1.05, 2.9), -math.log(math.log(10.0)),
        above=lambda m, x1, x2, x3: (x2 - m.exp(x1), x3 - m.exp(x2)), low=0.0, high=(100.0, 100.0, 10.0),
    ),
    Program(
        35,
        lambda m, x1, x2, x3: (
            9.0 - 8.0 * x1 - 6.0 * x2 - 4.0 * x3 + 2.0 * x1**2 + 2.0 * x2**2 + x3**2 + 2.0 * x1 * x2 + 2.0 * x1 * x3
        ),
        (0.5, 0.5, 0.5), 1 / 9,
        above=lambda m, x1, x2, x3: (3.0 - x1 - x2 - 2.0 * x3,), low=0.0,
    ),
    Program(
        36, lambda m, x1, x2, x3: -x1 * x2 * x3, (10.0, 10.0, 10.0), -3300.0,
        above=lambda m, x1, x2, x3: (72.0 - x1 - 2.0 * x2 - 2.0 * x3,), low=0.0, high=(20.0, 11.0, 42.0),
    ),
    Program(
        37, lambda m, x1, x2, x3: -x1 * x2 * x3, (10.0, 10.0, 10.0), -3456.0,
        above=lambda m, x1, x2, x3: (72.0 - x1 - 2.0 * x2 - 2.0 * x3, x1 + 2.0 * x2 + 2.0 * x3), low=0.0, high=42.0,
    ),
    Program(
        38,
        lambda m, x1, x2, x3, x4: (
            100.0 * (x2 - x1**2) ** 2 + (1.0 - x1) ** 2 + 90.0 * (x4 - x3**2) ** 2 + (1.0 - x3) ** 2
            + 10.1 * ((x2 - 1.0) ** 2 + (x4 - 1.0) ** 2) + 19.8 * (x2 - 1.0) * (x4 - 1.0)
        ),
        (-3.0, -1.0, -3.0, -1.0), 0.0, low=-10.0, high=10.0,
    ),
    Program(
        39, lambda m, x1, x2, x3, x4: -x1, (2.0, 2.0, 2.0, 2.0), -1.0,
        equal=lambda m, x1, x2, x3, x4: (x2 - x1**3 - x3**2, x1**2 - x2 - x4**2),
    ),
    Program(
        40, lambda m, x1, x2, x3, x4: -x1 * x2 * x3 * x4, (0.8,) * 4, -0.25,
        equal=lambda m, x1, x2, x3, x4: (x1**3 + x2**2 - 1.0, x1**2 * x4 - x3, x4**2 - x2),
    ),
    Program(
        41, lambda m, x1, x2, x3, x4: 2.0 - x1 * x2 * x3, (2.0,) * 4, 52 / 27,
        equal=lambda m, x1, x2, x3, x4: (x1 + 2.0 * x2 + 2.0 * x3 - x4,), low=0.0, high=(1.0, 1.0, 1.0, 2.0),
    ),
    Program(
        42,
        lambda m, x1, x2, x3, x4: (x1 - 1.0) ** 2 + (x2 - 2.0) ** 2 + (x3 - 3.0) ** 2 + (x4 - 4.0) ** 2,
        (1.0,) * 4, 28.0 - 10.0 * sqrt(2),
        equal=lambda m, x1, x2, x3, x4: (x1 - 2.0, x3**2 + x4**2 - 2.0),
    ),
    Program(
        43,
        lambda m, x1, x2, x3, x4: (
            x1**2 + x2**2 + 2.0 * x3**2 + x4**2 - 5.0 * x1 - 5.0 * x2 - 21.0 * x3 + 7.0 * x4
        ),
        (0.0,) * 4, -44.0,
        above=lambda m, x1, x2, x3, x4: (
            8.0 - x1**2 - x2**2 - x3**2 - x4**2 - x1 + x2 - x3 + x4,
            10.0 - x1**2 - 2.0 * x2**2 - x3**2 - 2.0 * x4**2 + x1 + x4,
            5.0 - 2.0 * x1**2 - x2**2 - x3**2 - 2.0 * x1 + x2 + x4,
        ),
    ),
    Program(
        44, lambda m, x1, x2, x3, x4: x1 - x2 - x3 - x1 * x3 + x1 * x4 + x2 * x3 - x2 * x4, (0.0,) * 4, -15.0,
        above=lambda m, x1, x2, x3, x4: (
            8.0 - x1 - 2.0 * x2, 12.0 - 4.0 * x1 - x2, 12.0 - 3.0 * x1 - 4.0 * x2,
            8.0 - 2.0 * x3 - x4, 8.0 - x3 - 2.0 * x4, 5.0 - x3 - x4,
        ),
        low=0.0, others=(-13.0,),
    ),
    Program(
        45, lambda m, x1, x2, x3, x4, x5: 2.0 - x1 * x2 * x3 * x4 * x5 / 120.0, (2.0,) * 5, 1.0,
        low=0.0, high=(1.0, 2.0, 3.0, 4.0, 5.0), others=(2.0,),
    ),
    Program(
        46,
        lambda m, x1, x2, x3, x4, x5: (x1 - x2) ** 2 + (x3 - 1.0) ** 2 + (x4 - 1.0) ** 4 + (x5 - 1.0) ** 6,
        (sqrt(2) / 2, 1.75, 0.5, 2.0, 2.0), 0.0,
        equal=lambda m, x1, x2, x3, x4, x5: (x1**2 * x4 + m.sin(x4 - x5) - 1.0, x2 + x3**4 * x4**2 - 2.0),
    ),
    Program(
        48, lambda m, x1, x2, x3, x4, x5: (x1 - 1.0) ** 2 + (x2 - x3) ** 2 + (x4 - x5) ** 2,
        (3.0, 5.0, -3.0, 2.0, -2.0), 0.0,
        equal=lambda m, x1, x2, x3, x4, x5: (x1 + x2 + x3 + x4 + x5 - 5.0, x3 - 2.0 * (x4 + x5) + 3.0),
    ),
    Program(
        49, lambda m, x1, x2, x3, x4, x5: (x1 - x2) ** 2 + (x3 - 1.0) ** 2 + (x4 - 1.0) ** 4 + (x5 - 1.0) ** 6,
        (10.0, 7.0, 2.0, -3.0, 0.8), 0.0,
        equal=lambda m, x1, x2, x3, x4, x5: (x1 + x2 + x3 + 4.0 * x4 - 7.0, x3 + 5.0 * x5 - 6.0),
    ),
    Program(
        50, lambda m, x1, x2, x3, x4, x5: (x1 - x2) ** 2 + (x2 - x3) ** 2 + (x3 - x4) ** 4 + (x4 - x5) ** 2,
        (35.0, -31.0, 11.0, 5.0, -5.0), 0.0,
        equal=lambda m, x1, x2, x3, x4, x5: (
            x1 + 2.0 * x2 + 3.0 * x3 - 6.0, x2 + 2.0 * x3 + 3.0 * x4 - 6.0, x3 + 2.0 * x4 + 3.0 * x5 - 6.0,
        ),
    ),
    Program(
        51, lambda m, x1, x2, x3, x4, x5: (x1 - x2) ** 2 + (x2 + x3 - 2.0) ** 2 + (x4 - 1.0) ** 2 + (x5 - 1.0) ** 2,
        (2.5, 0.5, 2.0, -1.0, 0.5), 0.0,
        equal=lambda m, x1, x2, x3, x4, x5: (x1 + 3.0 * x2 - 4.0, x3 + x4 - 2.0 * x5, x2 - x5),
    ),
    Program(
        52,
        lambda m, x1, x2, x3, x4, x5: (
            (4.0 * x1 - x2) ** 2 + (x2 + x3 - 2.0) ** 2 + (x4 - 1.0) ** 2 + (x5 - 1.0) ** 2
        ),
        (2.0,) * 5, 1859 / 349,
        equal=lambda m, x1, x2, x3, x4, x5: (x1 + 3.0 * x2, x3 + x4 - 2.0 * x5, x2 - x5),
    ),
    Program(
        53, lambda m, x1, x2, x3, x4, x5: (x1 - x2) ** 2 + (x2 + x3 - 2.0) ** 2 + (x4 - 1.0) ** 2 + (x5 - 1.0) ** 2,
        (2.0,) * 5, 176 / 43,
        equal=lambda m, x1, x2, x3, x4, x5: (x1 + 3.0 * x2, x3 + x4 - 2.0 * x5, x2 - x5), low=-10.0, high=10.0,
    ),
    Program(
        55, lambda m, x1, x2, x3, x4, x5, x6: x1 + 2.0 * x2 + 4.0 * x5 + m.exp(x1 * x4),
        (1.0, 2.0, 0.0, 0.0, 0.0, 2.0), 19 / 3,
        equal=lambda m, x1, x2, x3, x4, x5, x6: (
            x1 + 2.0 * x2 + 5.0 * x5 - 6.0, x1 + x2 + x3 - 3.0, x4 + x5 + x6 - 2.0,
            x1 + x4 - 1.0, x2 + x5 - 2.0, x3 + x6 - 2.0,
        ),
        low=0.0, high=(1.0, inf, inf, 1.0, inf, inf), others=(20 / 3,),
    ),
    Program(
        56, lambda m, x1, x2, x3, x4, x5, x6, x7: -x1 * x2 * x3,
        (*(1.0,) * 3, *(math.asin(sqrt(1 / 4.2)),) * 3, math.asin(sqrt(5 / 7.2))), -3.456,
        equal=lambda m, x1, x2, x3, x4, x5, x6, x7: (
            x1 - 4.2 * m.sin(x4) ** 2, x2 - 4.2 * m.sin(x5) ** 2, x3 - 4.2 * m.sin(x6) ** 2,
            x1 + 2.0 * x2 + 2.0 * x3 - 7.2 * m.sin(x7) ** 2,
        ),
    ),
    Program(
        60, lambda m, x1, x2, x3: (x1 - 1.0) ** 2 + (x1 - x2) ** 2 + (x2 - x3) ** 4, (2.0,) * 3, 0.0325682002550698,
        equal=lambda m, x1, x2, x3: (x1 * (1.0 + x2**2) + x3**4 - 4.0 - 3.0 * sqrt(2),), low=-10.0, high=10.0,
    ),
    Program(
        61, lambda m, x1, x2, x3: 4.0 * x1**2 + 2.0 * x2**2 + 2.0 * x3**2 - 33.0 * x1 + 16.0 * x2 - 24.0 * x3,
        (0.0,) * 3, -143.64614219778,
        equal=lambda m, x1, x2, x3: (3.0 * x1 - 2.0 * x2**2 - 7.0, 4.0 * x1 - x3**2 - 11.0),
    ),
    Program(
        62,
        lambda m, x1, x2, x3: -32.174 * (
            255.0 * m.log((x1 + x2 + x3 + 0.03) / (0.09 * x1 + x2 + x3 + 0.03))
            + 280.0 * m.log((x2 + x3 + 0.03) / (0.07 * x2 + x3 + 0.03))
            + 290.0 * m.log((x3 + 0.03) / (0.13 * x3 + 0.03))
        ),
        (0.7, 0.2, 0.1), -26272.5144873183,
        equal=lambda m, x1, x2, x3: (x1 + x2 + x3 - 1.0,), low=0.0, high=1.0,
    ),
    Program(
        63, lambda m, x1, x2, x3: 1000.0 - x1**2 - 2.0 * x2**2 - x3**2 - x1 * x2 - x1 * x3, (2.0,) * 3, 961.715172130052,
        equal=lambda m, x1, x2, x3: (8.0 * x1 + 14.0 * x2 + 7.0 * x3 - 56.0, x1**2 + x2**2 + x3**2 - 25.0), low=0.0,
    ),
    Program(
        64,
        lambda m, x1, x2, x3: 5.0 * x1 + 5e4 / x1 + 20.0 * x2 + 7.2e4 / x2 + 10.0 * x3 + 1.44e5 / x3,
        (1.0,) * 3, 6299.84242792152,
        above=lambda m, x1, x2, x3: (1.0 - 4.0 / x1 - 32.0 / x2 - 120.0 / x3,), low=1e-5,
    ),
    Program(
        65, lambda m, x1, x2, x3: (x1 - x2) ** 2 + (x1 + x2 - 10.0) ** 2 / 9.0 + (x3 - 5.0) ** 2,
        (-5.0, 5.0, 0.0), 0.953528856804783,
        above=lambda m, x1, x2, x3: (48.0 - x1**2 - x2**2 - x3**2,), low=(-4.5, -4.5, -5.0), high=(4.5, 4.5, 5.0),
    ),
    Program(
        66, lambda m, x1, x2, x3: 0.2 * x3 - 0.8 * x1, (0.0, 1.05, 2.9), 0.518163274181541,
        above=lambda m, x1, x2, x3: (x2 - m.exp(x1), x3 - m.exp(x2)), low=0.0, high=(100.0, 100.0, 10.0),
    ),
    Program(
        71, lambda m, x1, x2, x3, x4: x1 * x4 * (x1 + x2 + x3) + x3, (1.0, 5.0, 5.0, 1.0), 17.0140172891563,
        equal=lambda m, x1, x2, x3, x4: (x1**2 + x2**2 + x3**2 + x4**2 - 40.0,),
        above=lambda m, x1, x2, x3, x4: (x1 * x2 * x3 * x4 - 25.0,), low=1.0, high=5.0,
    ),
    Program(
        72, lambda m, x1, x2, x3, x4: 1.0 + x1 + x2 + x3 + x4, (1.0,) * 4, 727.679357789613,
        above=lambda m, x1, x2, x3, x4: (
            0.0401 - 4.0 / x1 - 2.25 / x2 - 1.0 / x3 - 0.25 / x4,
            0.010085 - 0.16 / x1 - 0.36 / x2 - 0.64 / x3 - 0.64 / x4,
        ),
        low=0.001, high=(4e5, 3e5, 2e5, 1e5),
    ),
    Program(
        73, lambda m, x1, x2, x3, x4: 24.55 * x1 + 26.75 * x2 + 39.0 * x3 + 40.5 * x4, (1.0,) * 4, 29.8943781591434,
        equal=lambda m, x1, x2, x3, x4: (x1 + x2 + x3 + x4 - 1.0,),
        above=lambda m, x1, x2, x3, x4: (
            2.3 * x1 + 5.6 * x2 + 11.1 * x3 + 1.3 * x4 - 5.0,
            12.0 * x1 + 11.9 * x2 + 41.8 * x3 + 52.1 * x4 - 21.0
            - 1.645 * m.sqrt(0.28 * x1**2 + 0.19 * x2**2 + 20.5 * x3**2 + 0.62 * x4**2),
        ),
        low=0.0,
    ),
    *(
        Program(
            number, lambda m, x1, x2, x3, x4: 3.0 * x1 + 1e-6 * x1**3 + 2.0 * x2 + 2e-6 / 3.0 * x2**3, (0.0,) * 4, least,
            equal=lambda m, x1, x2, x3, x4: (
                1000.0 * (m.sin(-x3 - 0.25) + m.sin(-x4 - 0.25)) + 894.8 - x1,
                1000.0 * (m.sin(x3 - 0.25) + m.sin(x3 - x4 - 0.25)) + 894.8 - x2,
                1000.0 * (m.sin(x4 - 0.25) + m.sin(x4 - x3 - 0.25)) + 1294.8,
            ),
            above=lambda m, x1, x2, x3, x4, a=a: (x4 - x3 + a, x3 - x4 + a), low=(0.0, 0.0, -a, -a),
            high=(1200.0, 1200.0, a, a),
        )
        for number, a, least in ((74, 0.55, 5126.49810959527), (75, 0.48, 5174.41269537774))
    ),
    Program(
        76,
        lambda m, x1, x2, x3, x4: (
            x1**2 + 0.5 * x2**2 + x3**2 + 0.5 * x4**2 - x1 * x3 + x3 * x4 - x1 - 3.0 * x2 + x3 - x4
        ),
        (0.5,) * 4, -103 / 22,
        above=lambda m, x1, x2, x3, x4: (
            5.0 - x1 - 2.0 * x2 - x3 - x4, 4.0 - 3.0 * x1 - x2 - 2.0 * x3 + x4, x2 + 4.0 * x3 - 1.5,
        ),
        low=0.0,
    ),
    Program(
        77,
        lambda m, x1, x2, x3, x4, x5: (
            (x1 - 1.0) ** 2 + (x1 - x2) ** 2 + (x3 - 1.0) ** 2 + (x4 - 1.0) ** 4 + (x5 - 1.0) ** 6
        ),
        (2.0,) * 5, 0.241505128790179,
        equal=lambda m, x1, x2, x3, x4, x5: (
            x1**2 * x4 + m.sin(x4 - x5) - 2.0 * sqrt(2), x2 + x3**4 * x4**2 - 8.0 - sqrt(2),
        ),
    ),
    Program(
        78, lambda m, x1, x2, x3, x4, x5: x1 * x2 * x3 * x4 * x5, (-2.0, 1.5, 2.0, -1.0, -1.0), -2.91970040896368,
        equal=_product_constraints,
    ),
    Program(
        79,
        lambda m, x1, x2, x3, x4, x5: (
            (x1 - 1.0) ** 2 + (x1 - x2) ** 2 + (x2 - x3) ** 2 + (x3 - x4) ** 4 + (x4 - x5) ** 4
        ),
        (2.0,) * 5, 0.0787768208710569,
        equal=lambda m, x1, x2, x3, x4, x5: (
            x1 + x2**2 + x3**3 - 2.0 - 3.0 * sqrt(2), x2 - x3**2 + x4 + 2.0 - 2.0 * sqrt(2), x1 * x5 - 2.0,
        ),
    ),
    Program(
        80, lambda m, x1, x2, x3, x4, x5: m.exp(x1 * x2 * x3 * x4 * x5), (-2.0, 2.0, 2.0, -1.0, -1.0), 0.053949847770272,
        equal=_product_constraints, low=(-2.3, -2.3, -3.2, -3.2, -3.2), high=(2.3, 2.3, 3.2, 3.2, 3.2),
    ),
    Program(
        81, lambda m, x1, x2, x3, x4, x5: m.exp(x1 * x2 * x3 * x4 * x5) - 0.5 * (x1**3 + x2**3 + 1.0) ** 2,
        (-2.0, 2.0, 2.0, -1.0, -1.0), 0.053949847770272,
        equal=_product_constraints, low=(-2.3, -2.3, -3.2, -3.2, -3.2), high=(2.3, 2.3, 3.2, 3.2, 3.2),
    ),
    Program(
        83,
        lambda m, x1, x2, x3, x4, x5: 5.3578547 * x3**2 + 0.8356891 * x1 * x5 + 37.293239 * x1 - 40792.141,
        (78.0, 33.0, 27.0, 27.0, 27.0), -30665.5386717833,
        above=lambda m, x1, x2, x3, x4, x5: tuple(
            side
            for value, low, high in (
                (85.334407 + 0.0056858 * x2 * x5 + 0.0006262 * x1 * x4 - 0.0022053 * x3 * x5, 0.0, 92.0),
                (80.51249 + 0.0071317 * x2 * x5 + 0.0029955 * x1 * x2 + 0.0021813 * x3**2, 90.0, 110.0),
                (9.300961 + 0.0047026 * x3 * x5 + 0.0012547 * x1 * x3 + 0.0019085 * x3 * x4, 20.0, 25.0),
            )
            for side in (value - low, high - value)
        ),
        low=(78.0, 33.0, 27.0, 27.0, 27.0), high=(102.0, 45.0, 45.0, 45.0, 45.0),
    ),
    Program(86, _colville, (0.0, 0.0, 0.0, 0.0, 1.0), -32.3486789657227, above=_colville_above, low=0.0),
    Program(
        93,
        lambda m, x1, x2, x3, x4, x5, x6: (
            0.0204 * x1 * x4 * (x1 + x2 + x3) + 0.0187 * x2 * x3 * (x1 + 1.57 * x2 + x4)
            + 0.0607 * x1 * x4 * x5**2 * (x1 + x2 + x3) + 0.0437 * x2 * x3 * x6**2 * (x1 + 1.57 * x2 + x4)
        ),
        (5.54, 4.4, 12.02, 11.82, 0.702, 0.852), 135.075962829152,
        above=lambda m, x1, x2, x3, x4, x5, x6: (
            0.001 * x1 * x2 * x3 * x4 * x5 * x6 - 2.07,
            1.0 - 0.00062 * x1 * x4 * x5**2 * (x1 + x2 + x3) - 0.00058 * x2 * x3 * x6**2 * (x1 + 1.57 * x2 + x4),
        ),
        low=0.0,
    ),
    _like_95(95, 0.0156195252423938, (4.97, -1.88, -29.08, -78.02)),
    _like_95(96, 0.0156195252423938, (4.97, -1.88, -69.08, -118.02)),
    _like_95(97, 3.13580912280702, (32.97, 25.12, -29.08, -78.02)),
    _like_95(98, 3.13580912280702, (32.97, 25.12, -124.08, -173.02)),
    Program(
        100,
        lambda m, x1, x2, x3, x4, x5, x6, x7: (
            (x1 - 10.0) ** 2 + 5.0 * (x2 - 12.0) ** 2 + x3**4 + 3.0 * (x4 - 11.0) ** 2 + 10.0 * x5**6
            + 7.0 * x6**2 + x7**4 - 4.0 * x6 * x7 - 10.0 * x6 - 8.0 * x7
        ),
        (1.0, 2.0, 0.0, 4.0, 0.0, 1.0, 1.0), 680.630057374402,
        above=lambda m, x1, x2, x3, x4, x5, x6, x7: (
            127.0 - 2.0 * x1**2 - 3.0 * x2**4 - x3 - 4.0 * x4**2 - 5.0 * x5,
            282.0 - 7.0 * x1 - 3.0 * x2 - 10.0 * x3**2 - x4 + x5,
            196.0 - 23.0 * x1 - x2**2 - 6.0 * x6**2 + 8.0 * x7,
            -4.0 * x1**2 - x2**2 + 3.0 * x1 * x2 - 2.0 * x3**2 - 5.0 * x6 + 11.0 * x7,
        ),
    ),
    Program(
        104,
        lambda m, x1, x2, x3, x4, x5, x6, x7, x8: (
            0.4 * x1**0.67 * x7**-0.67 + 0.4 * x2**0.67 * x8**-0.67 + 10.0 - x1 - x2
        ),
        (6.0, 3.0, 0.4, 0.2, 6.0, 6.0, 1.0, 0.5), 3.95116344010336,
        above=lambda m, x1, x2, x3, x4, x5, x6, x7, x8: (
            1.0 - 0.0588 * x5 * x7 - 0.1 * x1,
            1.0 - 0.0588 * x6 * x8 - 0.1 * x1 - 0.1 * x2,
            1.0 - 4.0 * x3 / x5 - 2.0 * x3**-0.71 / x5 - 0.0588 * x3**-1.3 * x7,
            1.0 - 4.0 * x4 / x6 - 2.0 * x4**-0.71 / x6 - 0.0588 * x4**-1.3 * x8,
            0.4 * x1**0.67 * x7**-0.67 + 0.4 * x2**0.67 * x8**-0.67 + 9.0 - x1 - x2,
            4.2 - (0.4 * x1**0.67 * x7**-0.67 + 0.4 * x2**0.67 * x8**-0.67 + 10.0 - x1 - x2),
        ),
        low=0.1, high=10.0,
    ),
    Program(
        106, lambda m, x1, x2, x3, x4, x5, x6, x7, x8: x1 + x2 + x3,
        (5000.0, 5000.0, 5000.0, 200.0, 350.0, 150.0, 225.0, 425.0), 7049.24802052867,
        above=lambda m, x1, x2, x3, x4, x5, x6, x7, x8: (
            1.0 - 0.0025 * (x4 + x6), 1.0 - 0.0025 * (x5 + x7 - x4), 1.0 - 0.01 * (x8 - x5),
            x1 * x6 - 833.33252 * x4 - 100.0 * x1 + 83333.333,
            x2 * x7 - 1250.0 * x5 - x2 * x4 + 1250.0 * x4,
            x3 * x8 - 1250000.0 - x3 * x5 + 2500.0 * x5,
        ),
        low=(100.0, 1000.0, 1000.0, *(10.0,) * 5), high=(*(10000.0,) * 3, *(1000.0,) * 5),
    ),
    Program(
        108,
        lambda m, x1, x2, x3, x4, x5, x6, x7, x8, x9: (
            -0.5 * (x1 * x4 - x2 * x3 + x3 * x9 - x5 * x9 + x5 * x8 - x6 * x7)
        ),
        (1.0,) * 9, -sqrt(3) / 2, above=_hexagon, low=(*(-inf,) * 8, 0.0),
    ),
    Program(
        110,
        lambda m, *x: (
            sum(m.log(a - 2.0) ** 2 + m.log(10.0 - a) ** 2 for a in x)
            - (x[0] * x[1] * x[2] * x[3] * x[4] * x[5] * x[6] * x[7] * x[8] * x[9]) ** 0.2
        ),
        (9.0,) * 10, -45.7784697074463, low=2.001, high=9.999,
    ),
    Program(
        111, _gibbs_by_logarithms, (-2.3,) * 10, -47.7610908593659,
        equal=lambda m, *x: _balance([m.exp(a) for a in x]), low=-100.0, high=100.0,
    ),
    Program(112, _gibbs, (0.1,) * 10, -47.7610908593659, equal=lambda m, *x: _balance(x), low=1e-6),
    Program(
        113,
        lambda m, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10: (
            x1**2 + x2**2 + x1 * x2 - 14.0 * x1 - 16.0 * x2 + (x3 - 10.0) ** 2 + 4.0 * (x4 - 5.0) ** 2 + (x5 - 3.0) ** 2
            + 2.0 * (x6 - 1.0) ** 2 + 5.0 * x7**2 + 7.0 * (x8 - 11.0) ** 2 + 2.0 * (x9 - 10.0) ** 2 + (x10 - 7.0) ** 2 + 45.0
        ),
        (2.0, 3.0, 5.0, 5.0, 1.0, 2.0, 7.0, 3.0, 6.0, 10.0), 24.3062090681798,
        above=lambda m, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10: (
            105.0 - 4.0 * x1 - 5.0 * x2 + 3.0 * x7 - 9.0 * x8,
            -10.0 * x1 + 8.0 * x2 + 17.0 * x7 - 2.0 * x8,
            8.0 * x1 - 2.0 * x2 - 5.0 * x9 + 2.0 * x10 + 12.0,
            -3.0 * (x1 - 2.0) ** 2 - 4.0 * (x2 - 3.0) ** 2 - 2.0 * x3**2 + 7.0 * x4 + 120.0,
            -5.0 * x1**2 - 8.0 * x2 - (x3 - 6.0) ** 2 + 2.0 * x4 + 40.0,
            -0.5 * (x1 - 8.0) ** 2 - 2.0 * (x2 - 4.0) ** 2 - 3.0 * x5**2 + x6 + 30.0,
            -(x1**2) - 2.0 * (x2 - 2.0) ** 2 + 2.0 * x1 * x2 - 14.0 * x5 + 6.0 * x6,
            3.0 * x1 - 6.0 * x2 - 12.0 * (x9 - 8.0) ** 2 + 7.0 * x10,
        ),
    ),
    Program(117, _dual, (*(0.001,) * 6, 60.0, *(0.001,) * 8), 32.3486789657227, above=_dual_above, low=0.0),
    Program(
        118, _cost_118, (20.0, 55.0, 15.0, *(20.0, 60.0, 20.0) * 4), 664.82045, above=_above_118,
        low=(8.0, 43.0, 3.0, *(0.0,) * 12), high=(21.0, 57.0, 16.0, *(90.0, 120.0, 60.0) * 4),
    ),
]  # fmt: skip
