"""Black–Scholes, a tiny graph and a random program, written for any numbers and differentiated by hand."""

from __future__ import annotations

import math
import random
from typing import Any, NamedTuple

import numpy as np

Array = Any


# ---- the tiny graph ------------------------------------------------------------------------------------------------------


def tiny(a: Any, b: Any) -> Any:
    """Return g of c = a + b; d = ab + b³; e = c - d; f = e²; g = f/2."""
    c = a + b
    d = a * b + b**3
    e = c - d
    f = e**2
    return f / 2


def rosenbrock_by_hand(x: Any) -> tuple[float, Any]:
    """Value and gradient of `functions.rosenbrock`, in one loop over neighbours."""
    gradient, total = np.zeros(len(x)), 0.0
    for i in range(len(x) - 1):
        rise, rest = x[i + 1] - x[i] * x[i], 1.0 - x[i]
        total += 100.0 * rise * rise + rest * rest
        gradient[i + 1] += 200.0 * rise
        gradient[i] += -400.0 * rise * x[i] - 2.0 * rest
    return total, gradient


def tiny_by_hand(a: float, b: float) -> tuple[float, float, float]:
    """Return g, ∂g/∂a and ∂g/∂b."""
    square = b * b
    e = a + b - (a * b + square * b)
    return e * e / 2, e * (1.0 - b), e * (1.0 - a - 3.0 * square)


# ---- Newton's method -----------------------------------------------------------------------------------------------------


def squares(count: int) -> Array:
    """Draw numbers whose roots take 2 to 8 turns."""
    return np.exp(np.random.default_rng(0).uniform(-3.0, 5.0, count))


def wide_squares(count: int) -> Array:
    """Return numbers whose roots take up to some fifty turns, each count among them."""
    return 10.0 ** np.linspace(-31.5, 31.5, count)


def going(x: Any, a: Any) -> Any:
    """Return whether x is not yet the root of a."""
    return abs(x * x - a) > 1e-14 * a


def roots_by_hand(points: Array) -> Array:
    """Return roots and their derivatives, a row each."""
    return np.stack([np.sqrt(points), 0.5 / np.sqrt(points)])


# ---- Kepler's equation ---------------------------------------------------------------------------------------------------


def orbits(count: int) -> Array:
    """Draw mean anomalies and eccentricities, a row each."""
    draw = np.random.default_rng(0)
    return np.stack([draw.uniform(0.0, 6.0, count), draw.uniform(0.0, 0.9, count)])


def kepler(anomaly: Any, mean: Any, eccentricity: Any, m: Any) -> Any:
    """Return what is left of Kepler's equation E - e·sin E = M."""
    return anomaly - eccentricity * m.sin(anomaly) - mean


def anomalies_by_hand(points: Array) -> list[Array]:
    """Return the roots by bisection, and their derivatives by mean anomaly and eccentricity from the theorem."""
    mean, eccentricity = points
    low, high = mean - 1.0, mean + 1.0
    for _ in range(60):
        middle = (low + high) / 2
        below = kepler(middle, mean, eccentricity, np) < 0.0
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    slope = 1.0 - eccentricity * np.cos(middle)
    return [middle, 1.0 / slope, np.sin(middle) / slope]


# ---- Black–Scholes -------------------------------------------------------------------------------------------------------


def options(count: int) -> Array:
    """Draw spots, strikes, rates, volatilities and times to expiry, a row each."""
    draw = np.random.default_rng(0)
    bounds = [(80.0, 120.0), (80.0, 120.0), (0.0, 0.08), (0.1, 0.5), (0.1, 2.0)]
    return np.stack([draw.uniform(low, high, count) for low, high in bounds])


def call(spot: Any, strike: Any, rate: Any, volatility: Any, time: Any, m: Any) -> Any:  # noqa: PLR0917 - as the formula has them
    """Return the price of a European call; `m` has log, exp, sqrt and erfc."""
    spread = volatility * m.sqrt(time)
    d1 = (m.log(spot / strike) + (rate + volatility * volatility / 2) * time) / spread
    below = 0.5 * m.erfc(-d1 * math.sqrt(0.5))
    return spot * below - strike * m.exp(-rate * time) * 0.5 * m.erfc((spread - d1) * math.sqrt(0.5))


def call_by_hand(points: Array) -> Array:
    """Return prices and their five sensitivities, a row each, by the closed formulas."""
    from scipy.special import ndtr

    spot, strike, rate, volatility, time = points
    result = np.empty((6, len(spot)))
    root = np.sqrt(time)
    spread = volatility * root
    d1 = (np.log(spot / strike) + (rate + volatility * volatility / 2) * time) / spread
    below, paid = ndtr(d1), np.exp(-rate * time) * ndtr(d1 - spread)
    density = spot * np.exp(d1 * d1 * -0.5) * (1 / math.sqrt(2 * math.pi))
    owed = strike * paid
    result[0] = spot * below - owed
    result[1] = below
    result[2] = -paid
    result[3] = time * owed
    result[4] = density * root
    result[5] = density * volatility / (2 * root) + rate * owed
    return result


# ---- bundle adjustment -----------------------------------------------------------------------------------------------------


def observations(count: int) -> tuple[Array, Array]:
    """Draw parameters (rotation, centre, focal length, image centre, distortion, point, weight) and what was observed."""
    draw = np.random.default_rng(0)
    parameters = 0.1 * draw.normal(size=(count, 15))
    parameters[:, 6], parameters[:, 14] = 500.0, 1.0
    parameters[:, 13] += 5.0
    return parameters, draw.normal(size=(count, 2))


def residual(p: Any, o: Any, m: Any) -> Any:
    """Return the errors of a projection [1] and of its weight; `m` has sqrt, sin, cos and array.

    [1] Šrajer, Kukelova & Fitzgibbon, A benchmark of selected algorithmic differentiation tools (ADBench), 2018.
    """
    x, y, z = (p[11 + k] - p[3 + k] for k in range(3))
    angle = m.sqrt(p[0] * p[0] + p[1] * p[1] + p[2] * p[2])
    u, v, w = (p[k] / angle for k in range(3))
    cosine, sine = m.cos(angle), m.sin(angle)
    along = (u * x + v * y + w * z) * (1 - cosine)
    depth = z * cosine + (u * y - v * x) * sine + w * along
    x, y = (
        (x * cosine + (v * z - w * y) * sine + u * along) / depth,
        (y * cosine + (w * x - u * z) * sine + v * along) / depth,
    )
    square = x * x + y * y
    bend = p[6] * (1 + square * (p[9] + p[10] * square))
    return m.array([p[14] * (x * bend + p[7] - o[0]), p[14] * (y * bend + p[8] - o[1]), 1 - p[14] * p[14]])


def bundle_by_complex_step(parameters: Array, observed: Array) -> Array:
    """Return the Jacobians (observations, residuals, parameters): imaginary parts after a step of 1e-200 along each axis."""
    result = np.empty((len(parameters), 3, 15))
    for k in range(15):
        moved = parameters.T.astype(complex)
        moved[k] += 1e-200j
        result[:, :, k] = residual(moved, observed.T, np).imag.T / 1e-200
    return result


# ---- the mean payoff of a call over samples of a normal number ---------------------------------------------------------

#: Spot, rate, volatility, time and strike.
CONTRACT = (100.0, 0.05, 0.2, 1.0, 95.0)


def samples(count: int) -> Array:
    """Draw normal numbers."""
    return np.random.default_rng(0).normal(size=count)


def payoff(contract: Any, z: Any, m: Any) -> Any:
    """Return what a call pays where the normal number is z, or for an array of them; `m` has exp, sqrt and maximum."""
    spot, rate, volatility, time, strike = contract
    drift = (rate - volatility * volatility / 2) * time
    return m.maximum(spot * m.exp(drift + volatility * m.sqrt(time) * z) - strike, 0.0)


def mean_payoff_by_hand(z: Array) -> Array:
    """Return the mean and its five sensitivities."""
    spot, rate, volatility, time, strike = CONTRACT
    drift, root = rate - volatility * volatility / 2, math.sqrt(time)
    end = spot * np.exp(drift * time + volatility * root * z)
    paid = end > strike
    end = np.where(paid, end, 0.0)
    total, noise, share = end.mean(), end @ z / len(z), paid.mean()
    by_volatility = root * noise - volatility * time * total
    by_time = drift * total + volatility / (2 * root) * noise
    return np.array([total - strike * share, total / spot, time * total, by_volatility, by_time, -share])


# ---- a random straight-line program ------------------------------------------------------------------------------------

INPUTS, LIVE, DIRECTIONS = 200, 300, 3
BINARY, UNARY = ("add", "sub", "mul", "div"), ("exp", "sin", "sqrt")


class Random(NamedTuple):
    """Instructions `(operation, first, second)` on numbered slots; the result replaces the content of the first slot.

    Slots from 0 on hold the live values, each of which starts as an input; the slots of the inputs follow.
    """

    point: Array
    live: int
    instructions: list[tuple[str, int, int]]


def random_program(operations: int) -> Random:
    """Draw a program without dead code, whose values and tangents stay in range, so that its gradient is well-conditioned."""
    draw, live = random.Random(0), min(LIVE, operations // 2)
    point = [draw.uniform(0.5, 2.0) for _ in range(INPUTS)]
    duals = [(x, [draw.uniform(-1.0, 1.0) for _ in range(DIRECTIONS)]) for x in point]
    slots = [*(duals[k % INPUTS] for k in range(live)), *duals]
    instructions: list[tuple[str, int, int]] = []
    while len(instructions) < operations - live + 1:
        name, i, j = draw.choice(BINARY + UNARY), draw.randrange(live), draw.randrange(len(slots))
        drawn = _dual(name, slots[i], slots[j])
        if 0.2 < abs(drawn[0]) < 5 and max(map(abs, drawn[1])) < 1:
            slots[i] = drawn
            instructions.append((name, i, j))
    return Random(np.array(point), live, instructions)


def _dual(name: str, a: tuple[float, list[float]], b: tuple[float, list[float]]) -> tuple[float, list[float]]:
    """Return value and tangents along some directions; zeros where the root does not exist."""
    (x, dx), (y, dy) = a, b
    if name == "sqrt" and x <= 0:
        return 0.0, dx
    value = operation(name, x, y, math)
    first, second = partials(name, x, y, value)
    return value, [first * s + second * t for s, t in zip(dx, dy, strict=True)]


def operation(name: str, x: Any, y: Any, m: Any) -> Any:
    """Apply an operation of the random program; `m` has exp, sin and sqrt."""
    if name == "add":
        return x + y
    if name == "sub":
        return x - y
    if name == "mul":
        return x * y
    return x / y if name == "div" else getattr(m, name)(x)


def partials(name: str, x: float, y: float, value: float) -> tuple[float, float]:
    """Return the partial derivatives of an operation of the random program."""
    if name in {"add", "sub"}:
        return 1.0, 1.0 if name == "add" else -1.0
    if name == "mul":
        return y, x
    if name == "div":
        return 1.0 / y, -value / y
    return {"exp": value, "sin": math.cos(x), "sqrt": 0.5 / value}[name], 0.0


def run_random(program: Random, point: Any, m: Any) -> Any:
    """Run the random program on any numbers and add up the values that are live at its end."""
    slots = [*(point[k % INPUTS] for k in range(program.live)), *(point[k] for k in range(INPUTS))]
    for name, i, j in program.instructions:
        slots[i] = operation(name, slots[i], slots[j], m)
    total = slots[0]
    for value in slots[1 : program.live]:
        total = total + value
    return total


def random_gradient(program: Random) -> Array:
    """Return the gradient of the random program by a hand-written reverse sweep over the instructions."""
    point, seen = program.point.tolist(), []
    slots = [*(point[k % INPUTS] for k in range(program.live)), *point]
    for name, i, j in program.instructions:
        value = operation(name, slots[i], slots[j], math)
        seen.append(partials(name, slots[i], slots[j], value))
        slots[i] = value
    adjoints = [1.0] * program.live + [0.0] * INPUTS
    for (_, i, j), (first, second) in zip(reversed(program.instructions), reversed(seen), strict=True):
        adjoint, adjoints[i] = adjoints[i], 0.0
        adjoints[i] += adjoint * first
        adjoints[j] += adjoint * second
    gradient = np.array(adjoints[program.live :])
    np.add.at(gradient, np.arange(program.live) % INPUTS, adjoints[: program.live])
    return gradient
