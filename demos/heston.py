"""Heston's model: a volatility that wanders; prices and Greeks by Monte Carlo, beside the exact integral.

    dS = r S dt + sqrt(v) S dW          dv = k (a - v) dt + x sqrt(v) dZ          corr(dW, dZ) = rho

The asset S has a variance v that is random too, and is pulled back to a. A call pays max(S - K, 0) at the end. Monte Carlo:
a path is a loop of steps with normal numbers z, the price is the mean over paths, and the gradient of the mean is that of
every path: scalar code with `scan` for the steps, `vmap` over the paths, `jit`. One sweep gives six Greeks, each with the
spread of its mean. The max has a kink, where no path ends exactly.

Known: Heston's integral of the characteristic function of log S; price and differences by mpmath, 25 digits. Steps of Euler
have an error in proportion to their length, less than 1 % here.

Source: S. Heston, Review of Financial Studies 6, 1993; the integral as in Gatheral, The Volatility Surface, Wiley 2006.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

import autograd_lite as al

from .common import BLUE, GREY, INK, MUTED, ORANGE, Report

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("price", "d/dS", "d/dv", "d/da", "d/dk", "d/dx", "d/drho")
SHOWN = (
    "price",
    "by S, the asset",
    "by v, its variance",
    "by a, the mean of v",
    "by k, the pull",
    "by x, the size",
    "by rho",
)
KNOWN = np.array([9.37061182, 0.64343901, 44.098479, 43.637624, 0.55191106, -1.91729937, 0.19193332])
POINT = np.array([100.0, 0.04, 0.06, 1.5, 0.4, -0.6])
STRIKE, YEARS, RATE = 100.0, 1.0, 0.02


def path(p: Any, z: Any) -> Any:
    """Return the logarithm of the asset after each step; z has two normal numbers for each."""
    asset, variance, mean, pull, size, rho = p
    h = YEARS / len(z)

    def step(carry: Any, pair: Any) -> Any:
        log_asset, v = carry
        positive = al.where(v > 0.0, v, 0.0)  # full truncation: steps may overshoot 0
        root = al.sqrt(positive * h + 1e-12)
        shock = rho * pair[0] + al.sqrt(1.0 - rho * rho) * pair[1]
        log_asset = log_asset + (RATE - 0.5 * positive) * h + root * pair[0]
        return (log_asset, v + pull * (mean - positive) * h + size * root * shock), log_asset

    return al.scan(step, (al.log(asset), variance), z)[1]


def payoff(p: Any, z: Any) -> Any:
    """Return what a call pays after one path, as of today."""
    return al.exp(-RATE * YEARS) * al.relu(al.exp(path(p, z)[-1]) - STRIKE)


def draw(paths: Any, ratio: Any, spread: Any) -> Any:
    """Return a painter of some paths, and of price and Greeks over what is known."""

    def paint(_: Any, left: Any, right: Any) -> None:
        times = np.linspace(0.0, YEARS, paths.shape[1])
        for row in paths:
            wins = row[-1] > STRIKE
            left.plot(times, row, color=BLUE if wins else GREY, linewidth=0.8, alpha=0.8)
        left.axhline(STRIKE, color=INK, linewidth=1)
        left.set(title=f"{len(paths)} paths; blue: the call pays", xlabel="years", ylabel="price S")
        rows = np.arange(len(NAMES))
        right.errorbar(ratio, rows, xerr=2.0 * spread, fmt="o", color=ORANGE, ecolor=MUTED, capsize=3)
        right.axvline(1.0, color=INK, linewidth=1)
        right.set(title="Monte Carlo over the integral, two deviations", xlabel="ratio", yticks=rows, yticklabels=SHOWN)
        right.invert_yaxis()

    return paint


def main(out: Path, seed: int = 0, *, quick: bool = False) -> Report:
    """Simulate 5,000 or 200,000 paths."""
    report, rng = Report(out), np.random.default_rng(seed)
    count, steps = (5_000, 50) if quick else (200_000, 100)
    z = rng.normal(size=(count, steps, 2))
    priced, began = al.jit(al.vmap(al.value_and_grad(payoff), in_axes=(None, 0))), perf_counter()
    values, slopes = priced(POINT, z)
    report.say(f"{count:,} paths of {steps} steps with six derivatives: {perf_counter() - began:.2f} s with compiling")
    every = np.column_stack([values, slopes])
    means, spread = every.mean(axis=0), every.std(axis=0) / count**0.5
    for name, mean, known, deviation in zip(NAMES, means, KNOWN, spread, strict=True):
        report.number(name, mean, known, 4.0 * deviation + 0.01 * abs(known))
    report.number("largest relative deviation", (spread / abs(KNOWN)).max())
    paths = np.exp(np.asarray(al.vmap(path, in_axes=(None, 0))(POINT, z[:80])))
    paths = np.column_stack([np.full(len(paths), POINT[0]), paths.reshape(len(paths), steps)])
    report.plot(
        "heston.png", "Paths and Greeks", draw(paths, means / KNOWN, spread / abs(KNOWN)), (None, None), (12, 4.6)
    )
    return report
