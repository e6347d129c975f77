"""Programs that are recorded once and run often: a small network's gradient, a tiny graph, a million training steps.

python -m benchmarks.replay                                             about five minutes
python -m benchmarks.replay --write docs/benchmarks                     writes page and plot
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import formulas, networks, sections
from benchmarks.contest import NUMBA, NUMPY, OURS, Bar, Row
from benchmarks.ratios import Study

if TYPE_CHECKING:
    from benchmarks.networks import Data


def sample(*, small: bool = False) -> tuple[Data]:
    """Return the network and the sample of row 1."""
    return (networks.spirals(4, small=small),)


def first_gradient(data: Data) -> Any:
    """Return the reference of row 1."""
    return networks.sample_gradient(data.params, data.inputs[0], data.targets[0], data.widths)


def point() -> tuple[tuple[float, float]]:
    """Return the point of row 2."""
    return ((2.0, 3.0),)


def tiny(where: tuple[float, float]) -> tuple[float, float, float]:
    """Return the reference of row 2."""
    return formulas.tiny_by_hand(*where)


def steps(samples: int, number: int, *, small: bool = False) -> tuple[Data, int]:
    """Return data and number of steps of row 3."""
    return networks.spirals(samples, small=small), number


def neighbours(*, small: bool = False) -> tuple[Any]:
    """Return the point of row 20."""
    return (np.random.default_rng(14).normal(size=300 if small else 10_000),)


ROWS: list[sections.Task] = [
    Row(
        1,
        "Gradient of the network 2-25-50-25-2, sigmoid, one sample, 2,702 parameters",
        "network_gradient",
        sample,
        partial(sample, small=True),
        first_gradient,
        (OURS, NUMPY, NUMBA, "casadi", "jax", "torch", "autograd", "xad"),
        (Bar((NUMPY,), 1 / 6, 1 / 10), Bar(("casadi",), 1 / 6, 1 / 10), Bar(("jax",), 1 / 3)),
    ),
    Row(
        2,
        "Value and gradient of a graph of nine operations, called from Python with floats",
        "tiny",
        point,
        point,
        tiny,
        (OURS, NUMPY, NUMBA, "casadi", "jax", "xad", "micrograd", "torch", "autograd"),
        (Bar(("jax",), 1 / 5), Bar(reach=2e-6)),
    ),
    Row(
        3,
        "One million gradient steps of that network, a sample each",
        "training",
        partial(steps, 1400, 2000),
        partial(steps, 14, 30, small=True),
        networks.trained,
        (OURS, NUMPY, NUMBA, "jax", "casadi", "torch", "autograd"),
        (Bar((NUMPY,), 1 / 6, 1 / 10),),
        timed={
            OURS: 10**6,
            NUMPY: 5_000,
            NUMBA: 100_000,
            "jax": 50_000,
            "casadi": 5_000,
            "torch": 1_000,
            "autograd": 500,
        },
        whole=10**6,
    ),
    Row(
        20,
        "Value and gradient of Rosenbrock's function of 10,000 variables, a loop in scalar code",
        "rosenbrock",
        neighbours,
        partial(neighbours, small=True),
        formulas.rosenbrock_by_hand,
        (OURS, NUMBA, "casadi", "jax"),
        (Bar((NUMBA,), 1.5),),
    ),
    Study(
        4,
        "Gradient time over value time, the same executor, twenty functions",
        (OURS, "casadi"),
        Bar(bar=4.0, reach=3.0),
    ),
]


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; return 0, or 1 if a result was wrong."""
    return sections.main("replay", ROWS, argv, (__doc__ or "").split("\n", 1)[0])


if __name__ == "__main__":
    sys.exit(main())
