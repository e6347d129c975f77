"""PyOptInterface: a model, a graph for each interval; equal graphs are compiled once, by LLVM, and IPOPT calls them."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import cyipopt  # loads IPOPT with the libraries that it needs
import pyoptinterface as poi
from pyoptinterface import ipopt, nl

from benchmarks.sparse_problems import cart

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from benchmarks.ipopt import Swing

MATHS = SimpleNamespace(sin=nl.sin, cos=nl.cos)
FAR = 1e20  # what IPOPT takes for infinite


def _library() -> str:
    """Return the file of the IPOPT that cyipopt has loaded, so that both call the same."""
    folders = [Path(entry) for entry in sys.path if (Path(entry) / "cyipopt_wheels.libs").is_dir()]
    return str(next((folders[0] / "cyipopt_wheels.libs").glob("libipopt*")))


class Collocation:
    """Cart and pole."""

    def __init__(self, swing: Swing, options: Mapping[str, object]) -> None:
        assert cyipopt
        if not ipopt.is_library_loaded() and not ipopt.load_library(_library()):
            raise OSError("IPOPT cannot be loaded")
        self.model, half = ipopt.Model(), swing.half
        sides = zip(swing.low.clip(-FAR).tolist(), swing.high.clip(None, FAR).tolist(), strict=True)
        self.x = [self.model.add_variable(lb=low, ub=high) for low, high in sides]
        for first in range(0, 5 * swing.intervals, 5):
            z, y = self.x[first : first + 5], self.x[first + 5 : first + 10]
            with nl.graph():
                before, after = cart(z[:4], z[4], MATHS), cart(y[:4], y[4], MATHS)
                for i in range(4):
                    self.model.add_nl_constraint(y[i] - z[i] - half * (before[i] + after[i]) == 0.0)
                self.model.add_nl_objective(half * (z[4] * z[4] + y[4] * y[4]))
        for name, value in options.items():
            self.model.set_raw_parameter(name, value)

    def solve(self, start: np.ndarray) -> tuple[float, int, np.ndarray]:
        """Return the least effort, no number of iterations, which it does not tell, and the optimum."""
        model = self.model
        for variable, number in zip(self.x, start.tolist(), strict=True):
            model.set_variable_attribute(variable, poi.VariableAttribute.PrimalStart, number)
        model.optimize()
        found = [model.get_value(variable) for variable in self.x]
        return float(model.get_model_attribute(poi.ModelAttribute.ObjectiveValue)), -1, found
