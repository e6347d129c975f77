"""`odeint`: ordinary differential equations whose solutions can be differentiated.

The steps of the integrators here are scalar code in loops (`scan`, `while_loop`), native where they are compiled: derivatives
are those of the steps that were made, exact and of every order. The sizes of adaptive steps are held constant.
"""

from collections.abc import Callable, Sequence
from math import inf, isfinite, nan
from typing import Any

import numpy as np

from autograd_lite import hints
from autograd_lite.errors import ArgumentError, NotConvergedError
from autograd_lite.nests import as_array, unravel
from autograd_lite.primitives import abs as absolute, clip, maximum, minimum, sqrt, where
from autograd_lite.tape import recording
from autograd_lite.tape.implicit import FOUND, LOST, SEARCHING, held
from autograd_lite.tape.scan import scan, while_loop
from autograd_lite.transforms import name_of
from autograd_lite.variable import Variable

#: From the numbers of the state and a time to those of the slope.
Rates = Callable[[Sequence[Any], Any], list[Any]]

#: Steps between two times at most.
STEPS = 100_000

# The method of order 8 with error estimates of order 5 and 3 of Dormand & Prince, as E. Hairer, S. Nørsett and G. Wanner give
# it (DOP853, *Solving Ordinary Differential Equations I*, 2nd ed., Springer 1993, section II.5): for each stage its time and
# the weights of the slopes before it, then the weights of the result and of the two estimates.
STAGES: tuple[tuple[float, tuple[float, ...]], ...] = (
    (0.0, ()),
    (0.05260015195876773, (0.05260015195876773,)),
    (0.0789002279381516, (0.0197250569845379, 0.0591751709536137)),
    (0.1183503419072274, (0.02958758547680685, 0.0, 0.08876275643042054)),
    (0.2816496580927726, (0.2413651341592667, 0.0, -0.8845494793282861, 0.924834003261792)),
    (0.3333333333333333, (0.037037037037037035, 0.0, 0.0, 0.17082860872947386, 0.12546768756682242)),
    (0.25, (0.037109375, 0.0, 0.0, 0.17025221101954405, 0.06021653898045596, -0.017578125)),
    (0.3076923076923077, (
        0.03709200011850479, 0.0, 0.0, 0.17038392571223998, 0.10726203044637328, -0.015319437748624402,
        0.008273789163814023,
    )),
    (0.6512820512820513, (
        0.6241109587160757, 0.0, 0.0, -3.3608926294469414, -0.868219346841726, 27.59209969944671, 20.154067550477894,
        -43.48988418106996,
    )),
    (0.6, (
        0.47766253643826434, 0.0, 0.0, -2.4881146199716677, -0.590290826836843, 21.230051448181193,
        15.279233632882423, -33.28821096898486, -0.020331201708508627,
    )),
    (0.8571428571428571, (
        -0.9371424300859873, 0.0, 0.0, 5.186372428844064, 1.0914373489967295, -8.149787010746927, -18.52006565999696,
        22.739487099350505, 2.4936055526796523, -3.0467644718982196,
    )),
    (1.0, (
        2.273310147516538, 0.0, 0.0, -10.53449546673725, -2.0008720582248625, -17.9589318631188, 27.94888452941996,
        -2.8589982771350235, -8.87285693353063, 12.360567175794303, 0.6433927460157636,
    )),
)
RESULT = (
    0.054293734116568765, 0.0, 0.0, 0.0, 0.0, 4.450312892752409, 1.8915178993145003, -5.801203960010585,
    0.3111643669578199, -0.1521609496625161, 0.20136540080403034, 0.04471061572777259,
)
ESTIMATES = (
    (
        0.01312004499419488, 0.0, 0.0, 0.0, 0.0, -1.2251564463762044, -0.4957589496572502, 1.6643771824549864,
        -0.35032884874997366, 0.3341791187130175, 0.08192320648511571, -0.022355307863886294,
    ),
    (
        -0.18980075407240762, 0.0, 0.0, 0.0, 0.0, 4.450312892752409, 1.8915178993145003, -5.801203960010585,
        -0.4226823213237919, -0.1521609496625161, 0.20136540080403034, 0.02265179219836082,
    ),
)


def _sum(weights: Sequence[float], slopes: Sequence[Sequence[Any]], k: int) -> Any:
    """Σ weight·slope of number k of the state, without the slopes of weight 0."""
    terms = [w * slope[k] for w, slope in zip(weights, slopes, strict=True) if w != 0.0]
    return sum(terms[1:], terms[0])


def _stages(rates: Rates, y: Sequence[Any], t: Any, h: Any) -> list[list[Any]]:
    slopes: list[list[Any]] = []
    for place, weights in STAGES:
        at = [n + h * _sum(weights, slopes, k) for k, n in enumerate(y)] if slopes else y
        slopes.append(rates(at, t + place * h))
    return slopes


def _error(slopes: Sequence[Sequence[Any]], y: Sequence[Any], new: Sequence[Any], h: Any, rtol: float, atol: float) -> Any:
    """The estimated error of a step in units of the tolerance."""
    fifth = third = 0.0
    for k, (a, b) in enumerate(zip(y, new, strict=True)):
        scale = atol + rtol * maximum(absolute(a), absolute(b))
        five, three = (_sum(weights, slopes, k) / scale for weights in ESTIMATES)
        fifth, third = fifth + five * five, third + three * three
    both = fifth + 0.01 * third
    return where(both > 0.0, absolute(h) * fifth / sqrt(where(both > 0.0, both, 1.0) * float(len(y))), both)


def _first_step(rates: Rates, y: Sequence[Any], t: Any, rtol: float, atol: float) -> Any:
    """A step after which Euler's method would have moved by a hundredth of the size of y [1]_.

    [1] Hairer, Nørsett & Wanner, section II.4.
    """
    sizes = [0.0, 0.0]
    for n, slope in zip(y, [held(n) for n in rates(y, t)], strict=True):
        scale = atol + rtol * absolute(n)
        sizes = [maximum(size, absolute(a) / scale) for size, a in zip(sizes, (n, slope), strict=True)]
    known = (sizes[0] > 1e-5) & (sizes[1] > 1e-5)
    return where(known, 0.01 * sizes[0] / where(known, sizes[1], 1.0), 1e-6)


def _across(rates: Rates, y: Sequence[Any], start: Any, length: Any, size: Any, rtol: float, atol: float) -> Any:
    """Over an interval by steps whose estimated error is within tolerance: `(y, size of the next step, state)`."""
    whole = held(length)
    way = where(whole < 0.0, -1.0, 1.0)

    def step(carry: Any) -> Any:
        y, gone, size, turns, _ = carry
        last = absolute(whole - gone) <= size
        h = where(last, length - gone, way * size)
        slopes = _stages(rates, y, start + gone, h)
        new = [n + h * _sum(RESULT, slopes, k) for k, n in enumerate(y)]
        plain, h_held = [[held(n) for n in slope] for slope in slopes], held(h)
        error = _error(plain, [held(n) for n in y], [held(n) for n in new], h_held, rtol, atol)
        good, turns = error <= 1.0, turns + 1.0
        factor = where(error < inf, clip(0.9 * maximum(error, 1e-30) ** -0.125, 0.2, 10.0), 0.2)
        following = absolute(h_held) * factor
        following = where(last & good, maximum(size, following), following)
        lost = (turns >= STEPS) | (following <= 2.0**-50 * absolute(whole))
        state = where(last & good, FOUND, where(lost, LOST, SEARCHING))
        y = [where(good, b, a) for a, b in zip(y, new, strict=True)]
        return y, where(good, gone + h_held, gone), following, turns, state

    first = [*y], 0.0, size, 0.0, where(whole == 0.0, FOUND, SEARCHING)
    y, _, size, _, state = while_loop(lambda carry: carry[-1] == SEARCHING, step, first)
    return y, size, state


def _adaptively(rates: Rates, y: list[Any], times: list[Any], rtol: float, atol: float) -> tuple[list[Any], Any]:
    """The states at all times but the first, and whether all were reached."""

    def interval(carry: Any, row: Any) -> Any:
        y, size, state = carry
        new, size, reached = _across(rates, y, row[0], row[1] - row[0], size, rtol, atol)
        state = where(state == FOUND, reached, LOST)
        y = [where(state == FOUND, n, nan) for n in new]
        return (y, size, state), y

    size = _first_step(rates, [held(n) for n in y], held(times[0]), rtol, atol)
    rows = as_array([n for pair in zip(times, times[1:], strict=False) for n in pair], (len(times) - 1, 2))
    (_, _, state), states = scan(interval, (y, size, FOUND), rows)
    return states, state


def _by_fixed_steps(rates: Rates, y: list[Any], times: list[Any], steps: int) -> list[Any]:
    """The states at all times but the first, by the classical method of Runge and Kutta with so many steps between two."""

    def moved(y: list[Any], slope: list[Any], h: Any) -> list[Any]:
        return [n + h * k for n, k in zip(y, slope, strict=True)]

    def step(y: list[Any], row: Any) -> Any:
        t, h = row[0], row[1]
        k1 = rates(y, t)
        k2 = rates(moved(y, k1, h / 2), t + h / 2)
        k3 = rates(moved(y, k2, h / 2), t + h / 2)
        k4 = rates(moved(y, k3, h), t + h)
        y = moved(y, [a + 2.0 * b + 2.0 * c + d for a, b, c, d in zip(k1, k2, k3, k4, strict=True)], h / 6)
        return y, y

    rows: list[Any] = []
    for start, end in zip(times, times[1:], strict=False):
        h = (end - start) / steps
        rows += [n for k in range(steps) for n in (start + k * h, h)]
    states = scan(step, y, as_array(rows, (steps * (len(times) - 1), 2)))[1]
    return [n[steps - 1 :: steps] for n in states]
