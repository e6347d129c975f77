"""Contestants written by hand in NumPy: the reference of every row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks import formulas, networks

if TYPE_CHECKING:
    from benchmarks.networks import Data

Run = Any


def network_gradient(data: Data) -> Run:
    """The gradient for one sample."""
    return lambda: networks.sample_gradient(data.params, data.inputs[0], data.targets[0], data.widths)


def tiny(point: tuple[float, float]) -> Run:
    """Value and gradient on Python floats, since NumPy would be slower."""
    return lambda: formulas.tiny_by_hand(*point)


def training(data: Data, steps: int) -> Run:
    """Gradient steps in a Python loop."""
    return lambda: networks.trained(data, steps)


def mean_gradient(data: Data) -> Run:
    """Mean gradient over samples."""
    return lambda: networks.mean_gradient(data)


def classifier(data: Data) -> Run:
    """Mean gradient of the ReLU classifier."""
    return lambda: networks.classifier_gradient(data)


def black_scholes(points: Any) -> Run:
    """Prices and sensitivities."""
    return lambda: formulas.call_by_hand(points)


def mean_payoff(z: Any) -> Run:
    """The mean over samples and its sensitivities."""
    return lambda: formulas.mean_payoff_by_hand(z)


def compiled(data: Data) -> Run:
    """The gradient for one sample; NumPy has nothing to compile."""
    return network_gradient(data)
