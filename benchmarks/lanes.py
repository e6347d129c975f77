"""Many lanes of one scalar program (a batch of samples, a million options), beside array code of the peers.

python -m benchmarks.lanes                                              about two minutes
python -m benchmarks.lanes --write docs/benchmarks                      writes page and plot
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks import formulas, networks, sections
from benchmarks.contest import ALL_CORES, MAPPED, NUMBA, NUMPY, OURS, Bar, C, Row

if TYPE_CHECKING:
    from benchmarks.networks import Data


def spirals(samples: int, *, small: bool = False) -> tuple[Data]:
    """Return the samples of row 7."""
    return (networks.spirals(samples, small=small),)


def digits(samples: int, *, small: bool = False) -> tuple[Data]:
    """Return the samples of row 9."""
    return (networks.digits(samples, small=small),)


def observations(count: int) -> tuple[Any, Any]:
    """Return the observations of row 17."""
    return formulas.observations(count)


def options(count: int) -> tuple[Any]:
    """Return the options of row 8."""
    return (formulas.options(count),)


def roots(count: int) -> tuple[Any]:
    """Return the numbers of row 23."""
    return (formulas.squares(count),)


def wide_roots(count: int) -> tuple[Any]:
    """Return the numbers of row 24."""
    return (formulas.wide_squares(count),)


def orbits(count: int) -> tuple[Any]:
    """Return the orbits of row 44."""
    return (formulas.orbits(count),)


def samples(count: int) -> tuple[Any]:
    """Return the samples of rows 21 and 22."""
    return (formulas.samples(count),)


BY_NUMPY = (NUMPY, NUMPY + ALL_CORES)
ROWS = [
    Row(
        7,
        "Mean gradient of the network 2-25-50-25-2, sigmoid, over 1,000 samples",
        "mean_gradient",
        partial(spirals, 1000),
        partial(spirals, 20, small=True),
        networks.mean_gradient,
        (OURS, NUMPY, NUMPY + ALL_CORES, NUMBA, "jax", "casadi", "torch", "torch" + ALL_CORES, "autograd"),
        (Bar(BY_NUMPY, 1.0), Bar(("jax",), reach=1.0)),
    ),
    Row(
        8,
        "One million Black–Scholes prices with five sensitivities each",
        "black_scholes",
        partial(options, 1_000_000),
        partial(options, 1_000),
        formulas.call_by_hand,
        (OURS, C, "drjit", NUMPY, NUMBA, "jax", "casadi", "torch" + ALL_CORES, "autograd"),
        (Bar((C, "drjit"), 2.0), Bar(("jax",), 0.6), Bar((NUMBA,), reach=0.5)),
    ),
    Row(
        9,
        "Mean gradient of 784-50-10, ReLU and softmax cross-entropy, over 100 samples, from scalar code",
        "classifier",
        partial(digits, 100),
        partial(digits, 10, small=True),
        networks.classifier_gradient,
        (OURS, NUMPY, NUMPY + ALL_CORES, "jax", "casadi", "torch", "torch" + ALL_CORES, "autograd"),
        (Bar(BY_NUMPY, 2.0, 1.0), Bar(bar=10.0, reach=3.0, of="ready")),
    ),
    Row(
        23,
        "One million square roots by Newton's method, with derivatives: a `while_loop` of 2 to 8 turns",
        "newton_roots",
        partial(roots, 1_000_000),
        partial(roots, 1_000),
        formulas.roots_by_hand,
        (OURS, C, NUMBA, "jax"),
        (Bar((C,), 3.0), Bar(("jax",), 1.0)),
    ),
    Row(
        24,
        "3,000 such roots whose loops take 55 different numbers of turns",
        "newton_roots",
        partial(wide_roots, 3_000),
        partial(wide_roots, 300),
        formulas.roots_by_hand,
        (OURS, C, "jax"),
        (Bar(bar=0.3, of="ready"),),
    ),
    Row(
        44,
        "20,000 roots of Kepler's equation with two derivatives each: `root`",
        "kepler",
        partial(orbits, 20_000),
        partial(orbits, 200),
        formulas.anomalies_by_hand,
        (OURS, "jax"),
        (Bar(("jax",), 0.5),),
    ),
    Row(
        17,
        "Jacobians of 10,000 residuals of bundle adjustment, 3 × 15 each",
        "bundle",
        partial(observations, 10_000),
        partial(observations, 100),
        formulas.bundle_by_complex_step,
        (OURS, "jax", "casadi"),
        (Bar(("jax",), 0.8),),
    ),
    *(
        Row(
            number,
            f"Mean payoff over {count:,} samples with five sensitivities, as array code",
            "mean_payoff",
            partial(samples, count),
            partial(samples, 1_000),
            formulas.mean_payoff_by_hand,
            (OURS, MAPPED, NUMPY, "jax", "autograd"),
            (Bar((MAPPED,), 1.3), Bar(bar=0.5, of="ready")),
            makers={MAPPED: "mean_payoff_mapped"},
        )
        for number, count in ((21, 20_000), (22, 1_000_000))
    ),
]


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; return 0, or 1 if a result was wrong."""
    return sections.main("lanes", ROWS, argv, (__doc__ or "").split("\n", 1)[0])


if __name__ == "__main__":
    sys.exit(main())
