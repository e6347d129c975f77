"""From a function to its first gradient: tracing, differentiating and compiling scalar code.

python -m benchmarks.compile                                            about four minutes, most of them for JAX
python -m benchmarks.compile --write docs/benchmarks                    writes page and plot
"""

from __future__ import annotations

import sys
from functools import partial

from benchmarks import sections
from benchmarks.contest import NUMBA, OURS, Bar, Row
from benchmarks.fresh import Cold, Fresh
from benchmarks.growth import Lengths
from benchmarks.replay import first_gradient, sample

SCALAR = "jax, scalar code"
ROWS: list[sections.Task] = [
    Row(
        5,
        "From a function to its first gradient: the network 2-25-50-25-2 as scalar code",
        "compiled",
        sample,
        partial(sample, small=True),
        first_gradient,
        (OURS, "casadi", NUMBA, "jax", SCALAR),
        (Bar(bar=1.0, reach=0.3), Bar((SCALAR,), 1 / 50)),
        anew=True,
        makers={"jax": "compiled_arrays", SCALAR: "compiled_scalars"},
    ),
    Lengths(
        6,
        "Compile time an operation: random programs and their gradients",
        (1_000, 10_000, 100_000, 300_000),
        {OURS: 300_000, "casadi": 300_000, "jax": 1_000},
        Bar(bar=40e-6, reach=15e-6),
        flat_within=2.0,
    ),
    Cold(19, "First result in a fresh process: interpreted, or compiled first", Bar(bar=12e-6), Bar(bar=1.03)),
    Fresh(12, "Machine code in a fresh process: compiled code on disk", Bar(bar=0.5)),
]


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; return 0, or 1 if a result was wrong."""
    return sections.main("compile", ROWS, argv, (__doc__ or "").split("\n", 1)[0])


if __name__ == "__main__":
    sys.exit(main())
