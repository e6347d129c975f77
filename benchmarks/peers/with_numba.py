"""Derivatives by hand in numba, compiled by LLVM: the speed that a patient programmer reaches without an engine."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from benchmarks import formulas, networks

if TYPE_CHECKING:
    from benchmarks.networks import Data

Run = Any


@numba.njit
def _sweep(params, widths, starts, x, target, outputs, back, gradient, scale):  # noqa: PLR0917 - arrays, not objects, are what numba is fast with
    """Add scale × the gradient of one sample's squared error; `starts` holds the first index of each layer's outputs."""
    outputs[: widths[0]] = x
    at = 0
    for k in range(len(widths) - 1):
        n_in, n_out, before, here = widths[k], widths[k + 1], starts[k], starts[k + 1]
        for j in range(n_out):
            z = params[at + n_in * n_out + j]
            for i in range(n_in):
                z += params[at + j * n_in + i] * outputs[before + i]
            outputs[here + j] = 1.0 / (1.0 + math.exp(-z))
        at += (n_in + 1) * n_out
    last = starts[len(widths) - 1]
    for j in range(len(target)):
        back[last + j] = 2.0 * scale * (outputs[last + j] - target[j])
    for k in range(len(widths) - 2, -1, -1):
        n_in, n_out, before, here = widths[k], widths[k + 1], starts[k], starts[k + 1]
        at -= (n_in + 1) * n_out
        back[before : before + n_in] = 0.0
        for j in range(n_out):
            y = outputs[here + j]
            delta = back[here + j] * y * (1.0 - y)
            gradient[at + n_in * n_out + j] += delta
            for i in range(n_in):
                gradient[at + j * n_in + i] += delta * outputs[before + i]
                back[before + i] += delta * params[at + j * n_in + i]


@numba.njit
def _one(params, widths, starts, x, target):
    gradient = np.zeros_like(params)
    outputs, back = np.empty(starts[-1]), np.empty(starts[-1])
    _sweep(params, widths, starts, x, target, outputs, back, gradient, 1.0)
    return gradient


@numba.njit
def _trained(start, widths, starts, inputs, targets, steps, rate):  # noqa: PLR0917 - arrays, not objects, are what numba is fast with
    params, gradient = start.copy(), np.empty_like(start)
    outputs, back = np.empty(starts[-1]), np.empty(starts[-1])
    for step in range(steps):
        gradient[:] = 0.0
        sample = step % len(inputs)
        _sweep(params, widths, starts, inputs[sample], targets[sample], outputs, back, gradient, 1.0)
        params -= rate * gradient
    return params


@numba.njit
def _share(params, widths, starts, inputs, targets, first, last):  # noqa: PLR0917 - arrays, not objects, are what numba is fast with
    gradient, scale = np.zeros_like(params), 1.0 / len(inputs)
    outputs, back = np.empty(starts[-1]), np.empty(starts[-1])
    for s in range(first, last):
        _sweep(params, widths, starts, inputs[s], targets[s], outputs, back, gradient, scale)
    return gradient


@numba.njit(parallel=True)
def _mean(params, widths, starts, inputs, targets, cores):  # noqa: PLR0917 - arrays, not objects, are what numba is fast with
    parts, samples = np.empty((cores, len(params))), len(inputs)
    for k in numba.prange(cores):
        parts[k] = _share(params, widths, starts, inputs, targets, k * samples // cores, (k + 1) * samples // cores)
    return parts.sum(axis=0)


def _shape(data: Data) -> tuple[Any, Any]:
    return np.array(data.widths), np.cumsum([0, *data.widths])


def network_gradient(data: Data) -> Run:
    """Gradient for one sample."""
    widths, starts = _shape(data)
    return lambda: _one(data.params, widths, starts, data.inputs[0], data.targets[0])


def training(data: Data, steps: int) -> Run:
    """Gradient steps in one compiled loop."""
    widths, starts = _shape(data)
    return lambda: _trained(data.params, widths, starts, data.inputs, data.targets, steps, networks.RATE)


def mean_gradient(data: Data) -> Run:
    """Mean gradient over samples; each core gets a share of them."""
    widths, starts = _shape(data)
    return lambda: _mean(data.params, widths, starts, data.inputs, data.targets, numba.get_num_threads())


def tiny(point: tuple[float, float]) -> Run:
    """Value and gradient, called with Python floats."""
    compiled = numba.njit(formulas.tiny_by_hand)
    return lambda: compiled(*point)


def rosenbrock(x: Any) -> Run:
    """Value and gradient in one loop, by hand."""
    compiled = numba.njit(formulas.rosenbrock_by_hand)
    return lambda: compiled(x)


@numba.njit(parallel=True)
def _calls(points):
    result = np.empty((6, points.shape[1]))
    for k in numba.prange(points.shape[1]):
        spot, strike, rate, volatility, time = points[0, k], points[1, k], points[2, k], points[3, k], points[4, k]
        root = math.sqrt(time)
        spread = volatility * root
        d1 = (math.log(spot / strike) + (rate + volatility * volatility / 2) * time) / spread
        below = 0.5 * math.erfc(-d1 * math.sqrt(0.5))
        paid = math.exp(-rate * time) * 0.5 * math.erfc((spread - d1) * math.sqrt(0.5))
        density = spot * math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi)
        result[0, k] = spot * below - strike * paid
        result[1, k] = below
        result[2, k] = -paid
        result[3, k] = time * strike * paid
        result[4, k] = density * root
        result[5, k] = density * volatility / (2 * root) + rate * strike * paid
    return result


def black_scholes(points: Any) -> Run:
    """Prices and sensitivities by the closed formulas, in parallel."""
    return lambda: _calls(points)


@numba.njit(parallel=True)
def _roots(points: Any) -> Any:
    result = np.empty((2, len(points)))
    for k in numba.prange(len(points)):
        a = x = points[k]
        d = 1.0
        while abs(x * x - a) > 1e-14 * a:
            quotient = a / x
            d, x = (d + (1.0 - quotient * d) / x) / 2, (x + quotient) / 2
        result[0, k], result[1, k] = x, d
    return result


def newton_roots(points: Any) -> Run:
    """Roots and their derivatives, carried along, in parallel."""
    return lambda: _roots(points)


def compiled(data: Data) -> Run:
    """Compile the sweep by hand and run it; a fresh function each time."""

    def run() -> Any:
        _one.recompile()
        return network_gradient(data)()

    return run
