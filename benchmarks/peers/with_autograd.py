"""HIPS autograd: array code on NumPy, a graph per call."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import autograd
import autograd.numpy as anp
from autograd.scipy.special import erfc, logsumexp

from benchmarks import formulas, networks

if TYPE_CHECKING:
    from benchmarks.derivatives import Case
    from benchmarks.networks import Data

Run = Any
MATHS = SimpleNamespace(
    exp=anp.exp, log=anp.log, sqrt=anp.sqrt, sin=anp.sin, cos=anp.cos, array=list, erfc=erfc,
    relu=lambda z: anp.maximum(z, 0.0), log_softmax=lambda z: z - logsumexp(z, axis=-1, keepdims=True),
)  # fmt: skip


def _sigmoid(z: Any) -> Any:
    return 1.0 / (1.0 + anp.exp(-z))


def network_gradient(data: Data) -> Run:
    """Gradient for one sample."""
    gradient = autograd.grad(lambda p, x, t: networks.array_sigmoids(p, x, t, data.widths, _sigmoid))
    return lambda: gradient(data.params, data.inputs[0], data.targets[0])


def mean_gradient(data: Data) -> Run:
    """Mean gradient over samples."""
    samples = len(data.inputs)
    gradient = autograd.grad(lambda p, x, t: networks.array_sigmoids(p, x, t, data.widths, _sigmoid) / samples)
    return lambda: gradient(data.params, data.inputs, data.targets)


def classifier(data: Data) -> Run:
    """Mean gradient of the ReLU classifier."""
    gradient = autograd.grad(lambda p: networks.array_classifier(p, data.inputs, data.targets, data.widths, MATHS))
    return lambda: gradient(data.params)


def tiny(point: tuple[float, float]) -> Run:
    """Value and gradient."""
    both = autograd.value_and_grad(lambda p: formulas.tiny(*p))
    return lambda: both(point)


def training(data: Data, steps: int) -> Run:
    """Gradient steps of one sample each."""
    gradient = autograd.grad(lambda p, x, t: networks.array_sigmoids(p, x, t, data.widths, _sigmoid))

    def run() -> Any:
        params = data.params.copy()
        for step in range(steps):
            sample = step % len(data.inputs)
            params -= networks.RATE * gradient(params, data.inputs[sample], data.targets[sample])
        return params

    return run


def mean_payoff(z: Any) -> Run:
    """The mean over samples and its sensitivities."""
    both = autograd.value_and_grad(lambda contract: anp.mean(formulas.payoff(contract, z, anp)))
    return lambda: both(formulas.CONTRACT)


def black_scholes(points: Any) -> Run:
    """Prices and sensitivities over arrays of options, from one pass."""

    def run() -> Any:
        pull_back, prices = autograd.make_vjp(lambda p: formulas.call(*p, MATHS))(tuple(points))
        return [prices, *pull_back(anp.ones_like(prices))]

    return run


def derivative(case: Case, kind: str) -> Run:
    """The scalar code of the other contestants on NumPy's numbers, or a derivative of it, dense."""
    if case.large and kind == "hessian":
        raise NotImplementedError("no sparse matrices")

    def f(x: Any) -> Any:
        y = case.f([x[k] for k in range(len(case.x))], MATHS)
        return anp.array(y) if isinstance(y, list) else y

    of = {"value": lambda f: f, "gradient": autograd.grad, "jacobian": autograd.jacobian, "hessian": autograd.hessian}[
        kind
    ]
    return partial(of(f), case.x)
