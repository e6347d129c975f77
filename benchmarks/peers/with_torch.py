"""PyTorch, eager, float64, array code."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch

from benchmarks import formulas, networks

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.networks import Data

Run = Any
MATHS = SimpleNamespace(
    exp=torch.exp, log=torch.log, sqrt=torch.sqrt, erfc=torch.special.erfc, relu=torch.relu,
    log_softmax=lambda z: torch.log_softmax(z, dim=-1),
)  # fmt: skip


def _gradient(loss: Callable[..., Any], data: Data, *, batch: bool) -> Run:
    params = torch.tensor(data.params, requires_grad=True)
    inputs, targets = torch.tensor(data.inputs), torch.tensor(data.targets)
    if not batch:
        torch.set_num_threads(1)  # faster on one sample
        inputs, targets = inputs[0], targets[0]
    return lambda: torch.autograd.grad(loss(params, inputs, targets), params)[0]


def network_gradient(data: Data) -> Run:
    """Gradient for one sample."""
    return _gradient(lambda p, x, t: networks.array_sigmoids(p, x, t, data.widths, torch.sigmoid), data, batch=False)


def mean_gradient(data: Data) -> Run:
    """Mean gradient over samples."""
    samples = len(data.inputs)
    return _gradient(
        lambda p, x, t: networks.array_sigmoids(p, x, t, data.widths, torch.sigmoid) / samples, data, batch=True
    )


def classifier(data: Data) -> Run:
    """Mean gradient of the ReLU classifier."""
    return _gradient(lambda p, x, t: networks.array_classifier(p, x, t, data.widths, MATHS), data, batch=True)


def tiny(point: tuple[float, float]) -> Run:
    """Value and gradient, from Python floats."""
    torch.set_num_threads(1)

    def run() -> Any:
        a, b = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in point)
        g = formulas.tiny(a, b)
        g.backward()
        return g.item(), a.grad.item(), b.grad.item()

    return run


def training(data: Data, steps: int) -> Run:
    """Gradient steps of one sample each, in place."""
    torch.set_num_threads(1)
    inputs, targets = torch.tensor(data.inputs), torch.tensor(data.targets)

    def run() -> Any:
        params = torch.tensor(data.params, requires_grad=True)
        for step in range(steps):
            sample = step % len(inputs)
            loss = networks.array_sigmoids(params, inputs[sample], targets[sample], data.widths, torch.sigmoid)
            (gradient,) = torch.autograd.grad(loss, params)
            with torch.no_grad():
                params.sub_(gradient, alpha=networks.RATE)
        return params.detach()

    return run


def black_scholes(points: Any) -> Run:
    """Prices and sensitivities over arrays of options."""
    leaves = [torch.tensor(row, requires_grad=True) for row in points]

    def run() -> Any:
        prices = formulas.call(*leaves, MATHS)
        return [prices.detach(), *torch.autograd.grad(prices.sum(), leaves)]

    return run
