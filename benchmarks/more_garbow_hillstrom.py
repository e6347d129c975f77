"""The test problems of Moré, Garbow and Hillstrom: residuals whose sum of squares is to be least, in plain scalar Python.

J. J. Moré, B. S. Garbow and K. E. Hillstrom, Testing Unconstrained Optimization Software, ACM TOMS 7 (1981) 17–41. Numbers,
names, starting points and sizes are the paper's, whose x₁ is x[0] here. A problem's function takes a sequence of numbers and
`m`, which has atan, cos, exp, sin and sqrt for such numbers.

The paper prints six digits of a minimum; those here are of Newton's method in 50 digits (`benchmarks.minima`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Numbers = Any
Residuals = list[Any]


@dataclass(frozen=True)
class Problem:
    """Residuals, where to start, the least sum of their squares, and the sums of other known local minima."""

    number: int
    name: str
    residuals: Callable[[Numbers, Any], Residuals]
    start: tuple[float, ...]
    minimum: float
    others: tuple[float, ...] = ()

    def value(self, x: Numbers, m: Any) -> Any:
        """Return the sum of squares."""
        return total(r * r for r in self.residuals(x, m))


def total(terms: Any) -> Any:
    """Return the sum without a 0 in front, an operation that no number class needs."""
    first, *rest = terms
    for term in rest:
        first = first + term
    return first


def _decimals(digits: str) -> tuple[float, ...]:
    return tuple(map(float, digits.split()))


# ---- problems of one size -------------------------------------------------------------------------------------------------


def rosenbrock(x: Numbers, _m: Any) -> Residuals:
    return [10.0 * (x[1] - x[0] ** 2), 1.0 - x[0]]


def freudenstein_roth(x: Numbers, _m: Any) -> Residuals:
    return [-13.0 + x[0] + ((5.0 - x[1]) * x[1] - 2.0) * x[1], -29.0 + x[0] + ((x[1] + 1.0) * x[1] - 14.0) * x[1]]


def powell_badly_scaled(x: Numbers, m: Any) -> Residuals:
    return [1e4 * x[0] * x[1] - 1.0, m.exp(-x[0]) + m.exp(-x[1]) - 1.0001]


def brown_badly_scaled(x: Numbers, _m: Any) -> Residuals:
    return [x[0] - 1e6, x[1] - 2e-6, x[0] * x[1] - 2.0]


def beale(x: Numbers, _m: Any) -> Residuals:
    return [y - x[0] * (1.0 - x[1] ** i) for i, y in enumerate((1.5, 2.25, 2.625), 1)]


def jennrich_sampson(x: Numbers, m: Any) -> Residuals:
    return [2.0 + 2.0 * i - (m.exp(i * x[0]) + m.exp(i * x[1])) for i in range(1, 11)]


def helical_valley(x: Numbers, m: Any) -> Residuals:
    turn = m.atan(x[1] / x[0]) / (2.0 * math.pi)
    if x[0] < 0.0:
        turn = turn + 0.5
    return [10.0 * (x[2] - 10.0 * turn), 10.0 * (m.sqrt(x[0] ** 2 + x[1] ** 2) - 1.0), x[2]]


BARD = _decimals("0.14 0.18 0.22 0.25 0.29 0.32 0.35 0.39 0.37 0.58 0.73 0.96 1.34 2.10 4.39")


def bard(x: Numbers, _m: Any) -> Residuals:
    return [y - (x[0] + i / ((16 - i) * x[1] + min(i, 16 - i) * x[2])) for i, y in enumerate(BARD, 1)]


GAUSSIAN = _decimals("0.0009 0.0044 0.0175 0.0540 0.1295 0.2420 0.3521 0.3989")


def gaussian(x: Numbers, m: Any) -> Residuals:
    heights = GAUSSIAN + GAUSSIAN[-2::-1]
    return [x[0] * m.exp(-x[1] * ((8 - i) / 2 - x[2]) ** 2 / 2.0) - y for i, y in enumerate(heights, 1)]


MEYER = _decimals("34780 28610 23650 19630 16370 13720 11540 9744 8261 7030 6005 5147 4427 3820 3307 2872")


def meyer(x: Numbers, m: Any) -> Residuals:
    return [x[0] * m.exp(x[1] / (45.0 + 5.0 * i + x[2])) - y for i, y in enumerate(MEYER, 1)]


def gulf(x: Numbers, m: Any) -> Residuals:
    """With |yᵢ - x₂|, where the paper has a misprint."""
    levels = [i / 100 for i in range(1, 100)]
    times = [25.0 + (-50.0 * math.log(t)) ** (2 / 3) for t in levels]
    return [m.exp(-(abs(y - x[1]) ** x[2]) / x[0]) - t for t, y in zip(levels, times, strict=True)]


def box(x: Numbers, m: Any) -> Residuals:
    times = [0.1 * i for i in range(1, 11)]
    return [m.exp(-t * x[0]) - m.exp(-t * x[1]) - x[2] * (math.exp(-t) - math.exp(-10.0 * t)) for t in times]


def wood(x: Numbers, _m: Any) -> Residuals:
    return [
        10.0 * (x[1] - x[0] ** 2),
        1.0 - x[0],
        math.sqrt(90.0) * (x[3] - x[2] ** 2),
        1.0 - x[2],
        math.sqrt(10.0) * (x[1] + x[3] - 2.0),
        (x[1] - x[3]) / math.sqrt(10.0),
    ]


KOWALIK = _decimals("0.1957 0.1947 0.1735 0.1600 0.0844 0.0627 0.0456 0.0342 0.0323 0.0235 0.0246")
OSBORNE = _decimals("4 2 1 0.5 0.25 0.167 0.125 0.1 0.0833 0.0714 0.0625")


def kowalik_osborne(x: Numbers, _m: Any) -> Residuals:
    return [y - x[0] * (u * u + u * x[1]) / (u * u + u * x[2] + x[3]) for y, u in zip(KOWALIK, OSBORNE, strict=True)]


def brown_dennis(x: Numbers, _m: Any) -> Residuals:
    times = [i / 5 for i in range(1, 21)]
    return [(x[0] + t * x[1] - math.exp(t)) ** 2 + (x[2] + x[3] * math.sin(t) - math.cos(t)) ** 2 for t in times]


OSBORNE_1 = _decimals("""
    0.844 0.908 0.932 0.936 0.925 0.908 0.881 0.850 0.818 0.784 0.751 0.718 0.685 0.658 0.628 0.603 0.580
    0.558 0.538 0.522 0.506 0.490 0.478 0.467 0.457 0.448 0.438 0.431 0.424 0.420 0.414 0.411 0.406""")


def osborne_1(x: Numbers, m: Any) -> Residuals:
    return [
        y - (x[0] + x[1] * m.exp(-10.0 * i * x[3]) + x[2] * m.exp(-10.0 * i * x[4])) for i, y in enumerate(OSBORNE_1)
    ]


def biggs(x: Numbers, m: Any) -> Residuals:
    times = [0.1 * i for i in range(1, 14)]
    return [
        x[2] * m.exp(-t * x[0]) - x[3] * m.exp(-t * x[1]) + x[5] * m.exp(-t * x[4])
        - (math.exp(-t) - 5.0 * math.exp(-10.0 * t) + 3.0 * math.exp(-4.0 * t))
        for t in times
    ]  # fmt: skip


OSBORNE_2 = _decimals("""
    1.366 1.191 1.112 1.013 0.991 0.885 0.831 0.847 0.786 0.725 0.746 0.679 0.608 0.655 0.616 0.606 0.602 0.626 0.651 0.724
    0.649 0.649 0.694 0.644 0.624 0.661 0.612 0.558 0.533 0.495 0.500 0.423 0.395 0.375 0.372 0.391 0.396 0.405 0.428 0.429
    0.523 0.562 0.607 0.653 0.672 0.708 0.633 0.668 0.645 0.632 0.591 0.559 0.597 0.625 0.739 0.710 0.729 0.720 0.636 0.581
    0.428 0.292 0.162 0.098 0.054""")


def osborne_2(x: Numbers, m: Any) -> Residuals:
    def model(t: float) -> Any:
        peaks = (x[k] * m.exp(-((t - x[k + 7]) ** 2) * x[k + 4]) for k in (1, 2, 3))
        return x[0] * m.exp(-t * x[4]) + total(peaks)

    return [y - model(i / 10) for i, y in enumerate(OSBORNE_2)]


# ---- problems of any size -------------------------------------------------------------------------------------------------


def watson(x: Numbers, _m: Any) -> Residuals:
    residuals = []
    for i in range(1, 30):
        t = i / 29
        slope = total(j * x[j] * t ** (j - 1) for j in range(1, len(x)))
        value = total(x[j] * t**j for j in range(len(x)))
        residuals.append(slope - value**2 - 1.0)
    return [*residuals, x[0], x[1] - x[0] ** 2 - 1.0]


def extended_rosenbrock(x: Numbers, m: Any) -> Residuals:
    return [r for k in range(0, len(x), 2) for r in rosenbrock(x[k : k + 2], m)]


def powell_singular(x: Numbers, _m: Any) -> Residuals:
    residuals = []
    for k in range(0, len(x), 4):
        a, b, c, d = x[k : k + 4]
        residuals += [a + 10.0 * b, math.sqrt(5.0) * (c - d), (b - 2.0 * c) ** 2, math.sqrt(10.0) * (a - d) ** 2]
    return residuals


def penalty_1(x: Numbers, _m: Any) -> Residuals:
    return [*(math.sqrt(1e-5) * (a - 1.0) for a in x), total(a * a for a in x) - 0.25]


def penalty_2(x: Numbers, m: Any) -> Residuals:
    n, root = len(x), math.sqrt(1e-5)
    levels = [math.exp((i + 1) / 10) + math.exp(i / 10) for i in range(n)]
    return [
        x[0] - 0.2,
        *(root * (m.exp(x[i] / 10.0) + m.exp(x[i - 1] / 10.0) - levels[i]) for i in range(1, n)),
        *(root * (m.exp(x[i] / 10.0) - math.exp(-0.1)) for i in range(1, n)),
        total((n - j) * x[j] ** 2 for j in range(n)) - 1.0,
    ]


def variably_dimensioned(x: Numbers, _m: Any) -> Residuals:
    weighted = total(j * (a - 1.0) for j, a in enumerate(x, 1))
    return [*(a - 1.0 for a in x), weighted, weighted**2]


def trigonometric(x: Numbers, m: Any) -> Residuals:
    n, cosines = len(x), total(m.cos(a) for a in x)
    return [n - cosines + i * (1.0 - m.cos(a)) - m.sin(a) for i, a in enumerate(x, 1)]


def brown_almost_linear(x: Numbers, _m: Any) -> Residuals:
    n, product = len(x), x[0]
    for a in x[1:]:
        product = product * a
    return [*(x[k] + total(x) - (n + 1.0) for k in range(n - 1)), product - 1.0]


def discrete_boundary_value(x: Numbers, _m: Any) -> Residuals:
    n, h = len(x), 1.0 / (len(x) + 1)
    inner = [0.0, *x, 0.0]
    return [
        2.0 * inner[i] - inner[i - 1] - inner[i + 1] + h * h * (inner[i] + i * h + 1.0) ** 3 / 2.0
        for i in range(1, n + 1)
    ]


def discrete_integral_equation(x: Numbers, _m: Any) -> Residuals:
    n, h = len(x), 1.0 / (len(x) + 1)
    t = [(i + 1) * h for i in range(n)]
    cubes = [(a + s + 1.0) ** 3 for a, s in zip(x, t, strict=True)]
    below, above = (
        [s * c for s, c in zip(t, cubes, strict=True)],
        [(1.0 - s) * c for s, c in zip(t, cubes, strict=True)],
    )
    residuals = []
    for i in range(n):
        part = (1.0 - t[i]) * total(below[: i + 1])
        if i + 1 < n:
            part = part + t[i] * total(above[i + 1 :])
        residuals.append(x[i] + h * part / 2.0)
    return residuals


def broyden_tridiagonal(x: Numbers, _m: Any) -> Residuals:
    inner = [0.0, *x, 0.0]
    return [(3.0 - 2.0 * inner[i]) * inner[i] - inner[i - 1] - 2.0 * inner[i + 1] + 1.0 for i in range(1, len(x) + 1)]


def broyden_banded(x: Numbers, _m: Any) -> Residuals:
    residuals = []
    for i in range(len(x)):
        near = [j for j in range(max(0, i - 5), min(len(x), i + 2)) if j != i]
        residuals.append(x[i] * (2.0 + 5.0 * x[i] ** 2) + 1.0 - total(x[j] * (1.0 + x[j]) for j in near))
    return residuals


def linear_full_rank(x: Numbers, _m: Any, *, count: int) -> Residuals:
    mean = 2.0 / count * total(x)
    return [*(a - mean - 1.0 for a in x), *([-mean - 1.0] * (count - len(x)))]


def linear_rank_1(x: Numbers, _m: Any, *, count: int) -> Residuals:
    weighted = total(j * a for j, a in enumerate(x, 1))
    return [i * weighted - 1.0 for i in range(1, count + 1)]


def linear_rank_1_with_zeros(x: Numbers, _m: Any, *, count: int) -> Residuals:
    weighted = total((j + 1) * x[j] for j in range(1, len(x) - 1))
    return [-1.0 + 0.0 * x[0], *(i * weighted - 1.0 for i in range(1, count - 1)), -1.0 + 0.0 * x[0]]


def chebyquad(x: Numbers, _m: Any, *, count: int) -> Residuals:
    """Chebyshev polynomials on [0, 1], by their recurrence: means over the points, minus integrals."""
    shifted = [2.0 * a - 1.0 for a in x]
    before, now, residuals = [1.0] * len(x), shifted, []
    for i in range(1, count + 1):
        residuals.append(total(now) / len(x) - (0.0 if i % 2 else -1.0 / (i * i - 1)))
        before, now = now, [2.0 * s * b - a for s, a, b in zip(shifted, before, now, strict=True)]
    return residuals


# ---- the table ------------------------------------------------------------------------------------------------------------


def _steps(n: int) -> tuple[float, ...]:
    return tuple(float(j) for j in range(1, n + 1))


def _linear() -> list[Problem]:
    problems = []
    for count in (10, 50):
        n, m = 5, count
        zeros = (m * m + 3 * m - 6) / (2 * (2 * m - 3))
        for number, name, f, least in (
            (32, "linear, full rank", linear_full_rank, float(m - n)),
            (33, "linear, rank 1", linear_rank_1, m * (m - 1) / (2 * (2 * m + 1))),
            (34, "linear, rank 1 with zeros", linear_rank_1_with_zeros, zeros),
        ):
            problems.append(Problem(number, name, partial(f, count=count), (1.0,) * n, least))
    return sorted(problems, key=lambda p: p.number)


def _chebyquad() -> list[Problem]:
    sizes = {
        (1, 8): 3.066527232398417,
        (5, 5): 0.0,
        (6, 6): 0.0,
        (7, 7): 0.0,
        (8, 8): 3.51687372567793e-3,
        (9, 9): 0.0,
        (10, 10): 6.50395480088231e-3,
    }
    others = {
        1: (3.55789367598891, 3.239086001246635, 3.491482170139234, 3.550391297675726),  # first the start
        10: (4.77271369637535e-3,),  # lower than the minimum that the paper has
    }
    return [
        Problem(
            35,
            "Chebyquad",
            partial(chebyquad, count=m),
            tuple(j / (n + 1) for j in _steps(n)),
            least,
            others.get(n, ()),
        )
        for (n, m), least in sizes.items()
    ]


def _on_grid(number: int, name: str, f: Callable[[Numbers, Any], Residuals], n: int) -> Problem:
    return Problem(number, name, f, tuple(j / (n + 1) * (j / (n + 1) - 1.0) for j in _steps(n)), 0.0)


PROBLEMS: Sequence[Problem] = [
    Problem(1, "Rosenbrock", rosenbrock, (-1.2, 1.0), 0.0),
    Problem(2, "Freudenstein and Roth", freudenstein_roth, (0.5, -2.0), 0.0, (48.98425367924,)),
    Problem(3, "Powell, badly scaled", powell_badly_scaled, (0.0, 1.0), 0.0),
    Problem(4, "Brown, badly scaled", brown_badly_scaled, (1.0, 1.0), 0.0),
    Problem(5, "Beale", beale, (1.0, 1.0), 0.0),
    Problem(6, "Jennrich and Sampson", jennrich_sampson, (0.3, 0.4), 124.362182355615),
    Problem(7, "helical valley", helical_valley, (-1.0, 0.0, 0.0), 0.0),
    Problem(8, "Bard", bard, (1.0, 1.0, 1.0), 8.21487730657898e-3, (17.4286933333333,)),
    Problem(9, "Gaussian", gaussian, (0.4, 1.0, 0.0), 1.12793276961901e-8),
    Problem(10, "Meyer", meyer, (0.02, 4000.0, 250.0), 87.9458551708511),
    Problem(11, "Gulf research", gulf, (5.0, 2.5, 0.15), 0.0),
    Problem(12, "Box", box, (0.0, 10.0, 20.0), 0.0),
    Problem(13, "Powell, singular", powell_singular, (3.0, -1.0, 0.0, 1.0), 0.0),
    Problem(14, "Wood", wood, (-3.0, -1.0, -3.0, -1.0), 0.0),
    Problem(15, "Kowalik and Osborne", kowalik_osborne, (0.25, 0.39, 0.415, 0.39), 3.07505603849238e-4, (1.02734e-3,)),
    Problem(16, "Brown and Dennis", brown_dennis, (25.0, 5.0, -5.0, -1.0), 85822.2016263563),
    Problem(17, "Osborne 1", osborne_1, (0.5, 1.5, -1.0, 0.01, 0.02), 5.46489469748291e-5),
    Problem(18, "Biggs EXP6", biggs, (1.0, 2.0, 1.0, 1.0, 1.0, 1.0), 0.0, (5.65565e-3,)),
    Problem(19, "Osborne 2", osborne_2, (1.3, 0.65, 0.65, 0.7, 0.6, 3.0, 5.0, 7.0, 2.0, 4.5, 5.5), 4.01377362935478e-2),
    Problem(20, "Watson", watson, (0.0,) * 6, 2.28767005355242e-3),
    Problem(20, "Watson", watson, (0.0,) * 9, 1.39976013809858e-6),
    Problem(20, "Watson", watson, (0.0,) * 12, 4.72238110698404e-10),
    Problem(21, "extended Rosenbrock", extended_rosenbrock, (-1.2, 1.0) * 5, 0.0),
    Problem(22, "extended Powell, singular", powell_singular, (3.0, -1.0, 0.0, 1.0) * 2, 0.0),
    Problem(23, "penalty I", penalty_1, _steps(4), 2.24997750089994e-5),
    Problem(23, "penalty I", penalty_1, _steps(10), 7.08765146709037e-5),
    Problem(24, "penalty II", penalty_2, (0.5,) * 4, 9.37629300735545e-6),
    Problem(24, "penalty II", penalty_2, (0.5,) * 10, 2.93660537456746e-4),
    Problem(25, "variably dimensioned", variably_dimensioned, tuple(1.0 - j / 10 for j in _steps(10)), 0.0),
    Problem(26, "trigonometric", trigonometric, (0.1,) * 10, 0.0, (2.79505612187946e-5,)),
    Problem(27, "Brown, almost linear", brown_almost_linear, (0.5,) * 10, 0.0, (1.0,)),
    Problem(27, "Brown, almost linear", brown_almost_linear, (0.5,) * 30, 0.0, (1.0,)),
    Problem(27, "Brown, almost linear", brown_almost_linear, (0.5,) * 40, 0.0, (1.0,)),
    _on_grid(28, "discrete boundary value", discrete_boundary_value, 10),
    _on_grid(29, "discrete integral equation", discrete_integral_equation, 10),
    Problem(30, "Broyden, tridiagonal", broyden_tridiagonal, (-1.0,) * 10, 0.0),
    Problem(31, "Broyden, banded", broyden_banded, (-1.0,) * 10, 0.0),
    *_linear(),
    *_chebyquad(),
]
