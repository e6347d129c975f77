"""micrograd: a graph of Python nodes, recorded anew at each call. It has no exp, hence no sigmoid."""

from __future__ import annotations

from typing import Any

from benchmarks import engines, formulas

Run = Any


def tiny(point: tuple[float, float]) -> Run:
    """Value and gradient."""
    engine = engines.micrograd()

    def run() -> Any:
        leaves = engine.leaves([*point])
        g = formulas.tiny(*leaves)
        engine.backward(g, leaves)
        return engine.value(g), *engine.gradient(leaves)

    return run
