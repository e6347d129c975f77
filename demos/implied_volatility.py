"""Implied volatility: a smile of option prices turned inside out, and the Greeks of all options at once.

    C(S, K, T, r, v) = S N(d) - K e^(-r T) N(d - v sqrt T)       d = (log(S/K) + (r + v^2/2) T) / (v sqrt T)

By Black and Scholes a call with strike K has the price C, if the asset S has the volatility v. Markets give prices; the
implied volatility is the v that explains a price, the root of C = price. `al.root` finds it for many options in lanes,
and its derivatives are exact: the slope of the smile, and how a quote moves with the asset. The first and second
derivatives of C are the Greeks.

Known: delta = N(d), gamma = n(d)/(S v sqrt T), vega = S n(d) sqrt T, vanna = -n(d) (d - v sqrt T)/v, volga = vega d
(d - v sqrt T)/v; by the implicit function theorem dv/dprice = 1/vega. Prices come from a smile that is known.

Source: Hull, Options, Futures, and Other Derivatives, 9th ed., Pearson 2015, chapters 15, 19 and 20.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

import autograd_lite as al

from .common import COLOURS, GREY, INK, Report

if TYPE_CHECKING:
    from pathlib import Path

ASSET, RATE, YEARS = 100.0, 0.02, (0.25, 0.5, 1.0, 2.0)
GREEKS = ("delta", "vega", "gamma", "vanna", "volga")


def call(asset: Any, volatility: Any, strike: Any, years: Any) -> Any:
    """Return the price of a call."""
    width = volatility * al.sqrt(years)
    d = (al.log(asset / strike) + RATE * years) / width + 0.5 * width
    norm = al.stats.norm
    return asset * norm.cdf(d) - strike * al.exp(-RATE * years) * norm.cdf(d - width)


def implied(price: Any, strike: Any, years: Any) -> Any:
    """Return the volatility that explains a price; from where the price is steepest, Newton's method cannot go astray."""
    inflection = al.sqrt(2.0 * abs(al.log(ASSET / strike) + RATE * years) / years) + 1e-3
    return al.root(lambda v, price: call(ASSET, v, strike, years) - price, inflection, price)


def smile(strike: Any, years: Any) -> Any:
    """Return the volatility behind the prices: higher far from the asset, and on the side of losses."""
    away = al.log(strike / ASSET) / al.sqrt(years)
    return 0.2 - 0.1 * away + 0.15 * away * away


def greeks(strike: Any, years: Any) -> Any:
    """Return the derivatives of the price by asset and volatility, first and second."""
    point = np.array([ASSET, smile(strike, years)])

    def priced(p: Any) -> Any:
        return call(p[0], p[1], strike, years)

    first, second = al.grad(priced)(point), al.hessian(priced)(point)
    return first[0], first[1], second[0, 0], second[0, 1], second[1, 1]


def by_formula(strike: Any, years: Any) -> Any:
    """Return the same by the formulas of the book."""
    v, root = smile(strike, years), np.sqrt(years)
    d = (np.log(ASSET / strike) + RATE * years) / (v * root) + 0.5 * v * root
    density = np.exp(-0.5 * d * d) / np.sqrt(2.0 * np.pi)
    vega = ASSET * density * root
    return al.ndtr(d), vega, density / (ASSET * v * root), -density * (d - v * root) / v, vega * d * (d - v * root) / v


def draw(strikes: Any, found: Any, table: Any) -> Any:
    """Return a painter of the smiles, and of the Greeks of one year by strike."""

    def paint(_: Any, smiles: Any, curves: Any) -> None:
        for years, row, colour in zip(YEARS, found, COLOURS, strict=True):
            smiles.plot(strikes, 100.0 * row, color=colour, label="1 year" if years == 1 else f"{years:g} years")
            few = strikes[:: len(strikes) // 15]
            smiles.plot(few, 100.0 * smile(few, years), ".", color=INK)
        smiles.set(title="Implied volatility; dots: behind the prices", xlabel="strike", ylabel="volatility, %")
        smiles.axvline(ASSET, color=GREY, linewidth=0.8)
        for name, row, colour in zip(GREEKS, table, (*COLOURS, INK), strict=True):
            curves.plot(strikes, row / np.abs(row).max(), color=colour, label=f"{name} (1 = {np.abs(row).max():.3g})")
        curves.set(title=f"Greeks, {YEARS[2]:g} year", xlabel="strike", ylabel="share of the largest")
        curves.axvline(ASSET, color=GREY, linewidth=0.8)
        smiles.legend(), curves.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))

    return paint


def main(out: Path, seed: int = 0, *, quick: bool = False) -> Report:
    """Price, invert and differentiate four smiles; nothing in it is random."""
    del seed
    report = Report(out)
    strikes = np.linspace(70.0, 140.0, 106 if quick else 25_000)
    strike, years = (grid.ravel() for grid in np.meshgrid(strikes, np.array(YEARS)))
    volatility = smile(strike, years)
    price = al.vmap(call, in_axes=(None, 0, 0, 0))(ASSET, volatility, strike, years)
    inverted, began = al.jit(al.vmap(al.value_and_grad(implied))), perf_counter()
    found, slope = inverted(price, strike, years)
    report.say(f"{len(strike):,} options with slopes in {perf_counter() - began:.2f} s, compiling included")
    table, formulas = al.jit(al.vmap(greeks))(strike, years), by_formula(strike, years)
    vega = formulas[1]
    # a price is a difference of numbers of up to 100, so its rounding is some 1e-14
    report.number("error of volatility times vega", np.abs((found - volatility) * vega).max(), 0.0, 1e-12)
    report.number("dv/dprice times vega", (slope * vega)[np.abs(slope * vega - 1.0).argmax()], 1.0, 1e-11)
    for name, row, known in zip(GREEKS, table, formulas, strict=True):
        report.number(f"{name}: relative difference", np.abs(row - known).max() / np.abs(known).max(), 0.0, 1e-13)
    middle = found.reshape(len(YEARS), -1)
    one_year = [row.reshape(len(YEARS), -1)[2] for row in table]
    report.plot("smile.png", "Smiles and Greeks", draw(strikes, middle, one_year), (None, None), (13, 4.6))
    return report
