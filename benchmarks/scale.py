"""Growth: from a thousand to a million operations on a tape, and from one lane to a million.

python -m benchmarks.scale                                              about five minutes
python -m benchmarks.scale --write docs/benchmarks                      writes page and plot
"""

from __future__ import annotations

import sys
from dataclasses import replace

from benchmarks import lanes, sections
from benchmarks.contest import ALL_CORES, NUMBA, NUMPY, OURS
from benchmarks.growth import Lanes, Lengths
from benchmarks.loops import Checkpoints, Ready

POWERS = [10**k for k in range(7)]
BLACK_SCHOLES = replace(lanes.ROWS[1], contestants=(OURS, NUMPY, NUMBA, "jax", "torch" + ALL_CORES), bars=())
ROWS: list[sections.Task] = [
    Lengths(
        10,
        "Seconds an operation over the length of a random program and its gradient",
        POWERS[3:],
        {OURS: POWERS[6], "casadi": POWERS[6], "jax": POWERS[3]},
    ),
    Lanes(
        11,
        "Seconds a lane over the number of lanes: Black–Scholes with five sensitivities",
        BLACK_SCHOLES,
        lanes.options,
        POWERS,
    ),
    Checkpoints(14, "Memory and time of the gradient of a simulation, with binomial checkpoints", [10**4, 10**5]),
    Ready(15, "First call of derivatives of a loop over its length", POWERS[1:5]),
]


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; return 0, or 1 if a result was wrong."""
    return sections.main("scale", ROWS, argv, (__doc__ or "").split("\n", 1)[0])


if __name__ == "__main__":
    sys.exit(main())
