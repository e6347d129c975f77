"""Dr.Jit on LLVM, float64: array code, reverse mode. It has no erfc; 1 - erf loses the far tail."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import drjit as dr
from drjit.llvm.ad import Float64

from benchmarks import formulas

Run = Any
MATHS = SimpleNamespace(exp=dr.exp, log=dr.log, sqrt=dr.sqrt, erfc=lambda x: 1 - dr.erf(x))


def black_scholes(points: Any) -> Run:
    """Prices and sensitivities; the kernel is compiled once, and traced in every run."""
    placed = [Float64(row) for row in points]

    def run() -> Any:
        numbers = [Float64(row) for row in placed]
        dr.enable_grad(numbers)
        price = formulas.call(*numbers, MATHS)
        dr.backward(price)
        results = [dr.detach(price), *(dr.grad(number) for number in numbers)]
        dr.eval(results)
        dr.sync_thread()
        return results

    return run
