"""XAD: a C++ tape behind a Python number, recorded anew at each call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import xad.math

from benchmarks import engines, formulas, networks

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.networks import Data

Run = Any


def _recorded(f: Callable[[list[Any]], Any], point: list[float]) -> Run:
    engine = engines.Xad()

    def run() -> Any:
        leaves = engine.leaves(point)
        output = f(leaves)
        engine.backward(output, leaves)
        return engine.value(output), engine.gradient(leaves)

    return run


def tiny(point: tuple[float, float]) -> Run:
    """Value and gradient."""
    return _recorded(lambda leaves: formulas.tiny(*leaves), [*point])


def network_gradient(data: Data) -> Run:
    """Gradient for one sample."""
    x, t = data.inputs[0].tolist(), data.targets[0].tolist()

    def loss(leaves: list[Any]) -> Any:
        return networks.scalar_sigmoids(leaves, x, t, data.widths, lambda z: 1.0 / (1.0 + xad.math.exp(-z)))

    run = _recorded(loss, data.params.tolist())
    return lambda: run()[1]
