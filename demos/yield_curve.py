"""A yield curve from the prices of bonds, and how every price moves it.

    y(t) = b0 + b1 (1 - e^(-t/a))/(t/a) + b2 ((1 - e^(-t/a))/(t/a) - e^(-t/a))          price = sum of c_i e^(-y(t_i) t_i)

A bond pays coupons each year and 100 at its end; its price is what these payments are worth today. Nelson and Siegel's
curve has a level, a slope, a hump and a time a: four parameters explain the prices of many bonds. The fit is a minimum, so
`al.argmin` differentiates it: dy(t)/dprice says which bonds hold the curve at the time t.

Known: the curve behind the prices; where all prices are met, db/dprice is the pseudoinverse of dprice/db.

Source: C. Nelson & A. Siegel, Parsimonious modeling of yield curves, Journal of Business 60, 1987.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import autograd_lite as al

from .common import BLUE, COLOURS, GREY, INK, MUTED, ORANGE, Report

if TYPE_CHECKING:
    from pathlib import Path

TRUTH = np.array([0.045, -0.025, 0.02, 2.5])
ENDS = np.array([1, 2, 3, 4, 5, 7, 10, 15, 20, 30])
COUPONS = np.array([2.0, 2.5, 3.0, 1.5, 3.5, 4.0, 3.0, 4.5, 2.0, 4.0])


def rate(b: Any, t: Any) -> Any:
    """Return the yield of a payment at the time t."""
    level, slope, hump, scale = b
    fading = np.exp(-t / scale)
    mean = (1.0 - fading) / (t / scale)
    return level + slope * mean + hump * (mean - fading)


def prices(b: Any) -> Any:
    """Return the prices of all bonds."""
    found = []
    for end, coupon in zip(ENDS, COUPONS, strict=True):
        years = np.arange(1.0, end + 1.0)
        worth = np.exp(-rate(b, years) * years)
        found.append(coupon * al.sum(worth) + 100.0 * worth[-1])
    return np.array(found)


def calibrated(seen: Any) -> Any:
    """Return the parameters that meet prices best; the time a is looked for near two years."""

    def misses(b: Any, seen: Any) -> Any:
        return al.sum((prices(b) - seen) ** 2)

    return al.argmin(misses, np.array([0.04, -0.02, 0.01, 2.0]), seen)


def draw(t: Any, curves: Any, slopes: Any) -> Any:
    """Return a painter of the curve with its error, and of its derivatives by four prices."""

    def paint(_: Any, left: Any, right: Any) -> None:
        found, error = (100.0 * curve for curve in curves)
        left.fill_between(t, found - 2.0 * error, found + 2.0 * error, color=ORANGE, alpha=0.25, linewidth=0)
        left.plot(t, found, color=ORANGE, label="from prices with noise, two errors")
        left.plot(t, 100.0 * rate(TRUTH, t), "--", color=INK, linewidth=1.2, label="behind the prices")
        left.plot(ENDS, 100.0 * rate(TRUTH, ENDS), ".", color=MUTED, label="ends of the bonds")
        left.set(title="The curve", xlabel="years", ylabel="rate, %")
        left.legend()
        for k, colour in zip((1, 4, 6, 9), (BLUE, *COLOURS[1:]), strict=True):
            right.plot(t, 1e4 * slopes[:, k], color=colour, label=f"bond of {ENDS[k]} years")
        right.axhline(0.0, color=GREY, linewidth=0.8)
        right.set(title="If one price rises by 1", xlabel="years", ylabel="change of the curve, 0.01 %", ylim=(-70, 50))
        right.legend()
        for axes in (left, right):
            axes.set(xscale="log", xticks=[0.5, 1, 2, 5, 10, 30], xticklabels=["½", "1", "2", "5", "10", "30"])

    return paint


def main(out: Path, seed: int = 0, *, quick: bool = False) -> Report:
    """Calibrate to exact prices and to prices with noise."""
    del quick
    report, noise = Report(out), 0.1
    exact = np.asarray(prices(TRUTH))
    b = calibrated(exact)
    report.say(f"{len(exact)} prices from {exact.min():.2f} to {exact.max():.2f}, four parameters")
    for name, found, known in zip(("b0", "b1", "b2", "a"), b, TRUTH, strict=True):
        report.number(name, found, known, 1e-8)
    by_price = np.asarray(al.jacobian(calibrated)(exact))
    report.number(
        "db/dprice - pseudoinverse", np.abs(by_price - np.linalg.pinv(al.jacobian(prices)(b))).max(), 0.0, 1e-9
    )
    seen = exact + noise * np.random.default_rng(seed).normal(size=len(exact))
    b, by_price, t = calibrated(seen), np.asarray(al.jacobian(calibrated)(seen)), np.geomspace(0.25, 30.0, 120)
    slopes = np.asarray(al.jacobian(lambda b: rate(b, t))(b)) @ by_price
    error = noise * np.linalg.norm(slopes, axis=1)
    away = np.abs(rate(b, t) - rate(TRUTH, t)) / error
    report.number("curve at 10 years, %", 100.0 * np.interp(10.0, t, rate(b, t)))
    report.number("distance from the truth, in errors", away.max(), 0.0, 4.0)
    report.plot(
        "yield_curve.png", "The curve, and what holds it", draw(t, (rate(b, t), error), slopes), (None, None), (12, 4.6)
    )
    return report
