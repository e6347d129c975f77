"""Twenty functions in plain scalar Python, each of a few hundred to a few thousand operations.

Each takes a sequence of numbers and `m`, which has exp, log, sin, cos, sqrt, tanh and erf for such numbers.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import networks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Numbers = Any


def total(terms: Any) -> Any:
    """Return the sum of the terms."""
    result = 0.0
    for term in terms:
        result = result + term
    return result


def rosenbrock(x: Numbers, _m: Any) -> Any:
    """Σ 100 (xₖ₊₁ - xₖ²)² + (1 - xₖ)²."""
    return total(100.0 * (b - a * a) * (b - a * a) + (1.0 - a) * (1.0 - a) for a, b in pairwise(x))


def network(params: Numbers, m: Any) -> Any:
    """Squared error of the network 2-25-50-25-2 on one sample."""
    return networks.scalar_sigmoids(
        params, (0.3, -0.6), (1.0, 0.0), networks.SIGMOIDS, lambda z: 1.0 / (1.0 + m.exp(-z))
    )


def option_book(x: Numbers, m: Any) -> Any:
    """Value of forty calls with strikes 80 … 119 on one spot, rate, volatility and time."""
    spot, rate, volatility, time = 100.0 * x[0], x[1], x[2], x[3]
    value = 0.0
    for strike in range(80, 120):
        spread = volatility * m.sqrt(time)
        d1 = (m.log(spot / strike) + (rate + volatility * volatility / 2.0) * time) / spread
        below, paid = (0.5 + 0.5 * m.erf(d * math.sqrt(0.5)) for d in (d1, d1 - spread))
        value = value + spot * below - strike * m.exp(-rate * time) * paid
    return value


def logistic_map(x: Numbers, _m: Any) -> Any:
    """x ← r x (1 - x), 500 times, for an r without chaos."""
    r, y = x[0], x[1]
    for _ in range(500):
        y = r * y * (1.0 - y)
    return y


def trigonometric_chain(x: Numbers, m: Any) -> Any:
    """a, b ← sin(b + x), cos(a x), 200 times."""
    a, b = x[0], x[1]
    for k in range(200):
        a, b = m.sin(b + x[2 + k % 8]), m.cos(a * x[2 + k % 8])
    return a * b


def norms(x: Numbers, m: Any) -> Any:
    """The sum of the Euclidean lengths of ten parts of a vector and of the whole vector."""
    parts = [m.sqrt(total(x[k + i] * x[k + i] for i in range(20))) for k in range(0, 200, 20)]
    return total(parts) + m.sqrt(total(x[k] * x[k] for k in range(200)))


def cross_entropy(x: Numbers, m: Any) -> Any:
    """Softmax regression: ten classes, twenty features, three samples."""
    loss = 0.0
    for sample in range(3):
        features = [math.sin(1.0 + 7 * sample + k) for k in range(20)]
        logits = [total(x[20 * j + k] * features[k] for k in range(20)) for j in range(10)]
        loss = loss + m.log(total(m.exp(z) for z in logits)) - logits[sample]
    return loss


def orbit(x: Numbers, m: Any) -> Any:
    """Squared distance from the start after 100 leapfrog steps around a sun."""
    px, py, vx, vy = x[0], x[1], x[2], x[3]
    for _ in range(100):
        px, py = px + 0.01 * vx, py + 0.01 * vy
        square = px * px + py * py
        pull = 0.02 / (square * m.sqrt(square))
        vx, vy = vx - pull * px, vy - pull * py
        px, py = px + 0.01 * vx, py + 0.01 * vy
    return (px - x[0]) * (px - x[0]) + (py - x[1]) * (py - x[1])


def rc_filter(x: Numbers, _m: Any) -> Any:
    """Squared error of a low-pass filter of resistance x₀ and capacity x₁ on 200 samples of a square wave."""
    share = 0.05 / (x[0] * x[1] + 0.05)
    charge, error = 0.0, 0.0
    for k in range(200):
        signal = 1.0 if k // 25 % 2 else -1.0
        charge = charge + share * (signal - charge)
        error = error + (charge - 0.5 * signal) * (charge - 0.5 * signal)
    return error


def horner(x: Numbers, _m: Any) -> Any:
    """A polynomial of degree 29 at twenty points, squared and summed: coefficients are the variables."""
    result = 0.0
    for point in np.linspace(-0.9, 0.9, 20).tolist():
        value = x[29]
        for k in range(28, -1, -1):
            value = value * point + x[k]
        result = result + value * value
    return result


def determinant(x: Numbers, _m: Any) -> Any:
    """A 6 × 6 determinant by elimination without pivots."""
    rows, product = [[x[6 * i + j] + 3.0 * (i == j) for j in range(6)] for i in range(6)], 1.0
    for k in range(6):
        product = product * rows[k][k]
        for i in range(k + 1, 6):
            factor = rows[i][k] / rows[k][k]
            for j in range(k + 1, 6):
                rows[i][j] = rows[i][j] - factor * rows[k][j]
    return product


def log_sum_exp(x: Numbers, m: Any) -> Any:
    """log Σ eˣ over 200 numbers, shifted by the first."""
    return x[0] + m.log(total(m.exp(x[k] - x[0]) for k in range(200)))


def mixture(x: Numbers, m: Any) -> Any:
    """Log-likelihood of fifty points under three Gaussians: logits, means, logarithms of widths."""
    weights = [m.exp(x[k]) for k in range(3)]
    shares = [w / (weights[0] + weights[1] + weights[2]) * m.exp(-x[6 + k]) for k, w in enumerate(weights)]
    scales = [m.exp(-x[6 + k]) for k in range(3)]
    result = 0.0
    for i in range(50):
        z = [(3.0 * math.sin(i) - x[3 + k]) * scales[k] for k in range(3)]
        result = result + m.log(total(shares[k] * m.exp(-0.5 * z[k] * z[k]) for k in range(3)))
    return result


def logistic_regression(x: Numbers, m: Any) -> Any:
    """Negative log-likelihood of fifty samples of ten features."""
    loss = 0.0
    for i in range(50):
        z = total(x[k] * math.sin(1.0 + 3 * i + k) for k in range(10))
        loss = loss + m.log(1.0 + m.exp(-z if i % 2 else z))
    return loss


def lotka_volterra(x: Numbers, _m: Any) -> Any:
    """Prey after fifty Runge–Kutta steps: four rates and the two starting numbers are the variables."""
    a, b, c, d, prey, hunters = (x[k] for k in range(6))

    def slope(u: Any, v: Any) -> tuple[Any, Any]:
        return u * (a - b * v), v * (c * u - d)

    h = 0.05
    for _ in range(50):
        u1, v1 = slope(prey, hunters)
        u2, v2 = slope(prey + h / 2 * u1, hunters + h / 2 * v1)
        u3, v3 = slope(prey + h / 2 * u2, hunters + h / 2 * v2)
        u4, v4 = slope(prey + h * u3, hunters + h * v3)
        prey = prey + h / 6 * (u1 + 2.0 * u2 + 2.0 * u3 + u4)
        hunters = hunters + h / 6 * (v1 + 2.0 * v2 + 2.0 * v3 + v4)
    return prey


def heat(x: Numbers, _m: Any) -> Any:
    """Heat in a rod of twenty cells, forty explicit steps; squared temperatures summed."""
    cells = [x[k] for k in range(20)]
    for _ in range(40):
        inner = [b + 0.2 * (a - 2.0 * b + c) for a, b, c in zip(cells, cells[1:], cells[2:], strict=False)]
        cells = [cells[0], *inner, cells[-1]]
    return total(t * t for t in cells)


def continued_fraction(x: Numbers, _m: Any) -> Any:
    """x₀ + 1/(x₁ + 1/(x₂ + …)) with 300 partial denominators."""
    value = x[299]
    for k in range(298, -1, -1):
        value = x[k] + 1.0 / value
    return value


def ackley(x: Numbers, m: Any) -> Any:
    """Ackley's function in 100 dimensions."""
    squares = total(x[k] * x[k] for k in range(100)) / 100.0
    waves = total(m.cos(2.0 * math.pi * x[k]) for k in range(100)) / 100.0
    return 20.0 + math.e - 20.0 * m.exp(-0.2 * m.sqrt(squares)) - m.exp(waves)


def recurrent(x: Numbers, m: Any) -> Any:
    """A recurrent network of five tanh neurons over thirty time steps; 5·6 + 5 parameters."""
    state = [0.0] * 5
    for step in range(30):
        signal = math.sin(0.3 * step)
        state = [
            m.tanh(x[30 + j] + x[6 * j + 5] * signal + total(x[6 * j + k] * state[k] for k in range(5)))
            for j in range(5)
        ]
    return total(s * s for s in state)


def matrix_chain(x: Numbers, _m: Any) -> Any:
    """The trace of a product of sixteen 4 × 4 matrices."""
    product = [[x[4 * i + j] for j in range(4)] for i in range(4)]
    for n in range(16, 256, 16):
        product = [[total(row[k] * x[n + 4 * k + j] for k in range(4)) for j in range(4)] for row in product]
    return total(product[k][k] for k in range(4))


def _between(low: float, high: float, count: int) -> np.ndarray:
    return np.random.default_rng(count).uniform(low, high, count)


# name → function, and the point at which it is differentiated
FUNCTIONS: dict[str, tuple[Callable[[Numbers, Any], Any], Callable[[], np.ndarray]]] = {
    "Rosenbrock, 50 variables": (rosenbrock, partial(_between, -1.0, 1.0, 50)),
    "network 2-25-50-25-2": (network, partial(networks.start, networks.SIGMOIDS)),
    "forty Black–Scholes calls": (option_book, lambda: np.array([1.01, 0.03, 0.25, 0.8])),
    "logistic map, 500 steps": (logistic_map, lambda: np.array([2.9, 0.3])),
    "sine and cosine, 200 steps": (trigonometric_chain, partial(_between, 0.1, 0.9, 10)),
    "eleven norms": (norms, partial(_between, -1.0, 1.0, 200)),
    "softmax cross-entropy": (cross_entropy, partial(_between, -1.0, 1.0, 200)),
    "orbit, 100 leapfrog steps": (orbit, lambda: np.array([1.0, 0.0, 0.1, 1.1])),
    "RC filter, 200 samples": (rc_filter, lambda: np.array([0.8, 0.5])),
    "Horner, degree 29, 20 points": (horner, partial(_between, -1.0, 1.0, 30)),
    "determinant 6 × 6": (determinant, partial(_between, -1.0, 1.0, 36)),
    "log Σ exp of 200": (log_sum_exp, partial(_between, -2.0, 2.0, 200)),
    "mixture of Gaussians": (mixture, partial(_between, -1.0, 1.0, 9)),
    "logistic regression": (logistic_regression, partial(_between, -1.0, 1.0, 10)),
    "Lotka–Volterra, Runge–Kutta": (lotka_volterra, lambda: np.array([1.1, 0.4, 0.1, 0.4, 3.0, 1.0])),
    "heat equation": (heat, partial(_between, 0.0, 1.0, 20)),
    "continued fraction, 300": (continued_fraction, partial(_between, 1.0, 2.0, 300)),
    "Ackley, 100 variables": (ackley, partial(_between, -1.0, 1.0, 100)),
    "recurrent network": (recurrent, partial(_between, -0.5, 0.5, 35)),
    "chain of 16 matrices": (matrix_chain, partial(_between, -0.7, 0.7, 256)),
}
NAMES: Sequence[str] = [*FUNCTIONS]
