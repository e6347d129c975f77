"""The 27 nonlinear regressions of NIST, each from both starts, against the certified digits.

    minimise over b  sum (f(b, x_i) - y_i)^2          s_j^2 = (J'J)^-1_jj sum r^2 / (n - p)

NIST publishes data, two starts, and parameters b and standard deviations s to eleven digits, computed with 128 bits, for
testing programs that fit. Models have two to nine parameters; some starts are far off, some sums of squares are valleys
bent like bananas. Levenberg-Marquardt by `autograd_lite.scipy` gets derivatives of the models, and `al.covariance` the
deviations; steps of Gauss and Newton take the digits that the stopping rule leaves.

Known: all parameters and deviations. BoxBOD's first start leads to a plain where the model is constant, so this fit gets a
bound on the rate. The data of Lanczos1 are exact, its residuals 1e-13: rounding leaves three digits of its deviations.

Source: NIST, Statistical Reference Datasets, nonlinear regression, itl.nist.gov/div898/strd.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

import autograd_lite as al

from .common import BLUE, INK, MUTED, ORANGE, Report

EPS = 2.0**-52
SETS = json.loads((Path(__file__).parent / "nist_strd.json").read_text(encoding="utf-8"))
QUICK = ("Misra1a", "Rat43", "MGH09", "Thurber", "BoxBOD")


def decay(size: Any, rate: Any, x: Any) -> Any:
    """Return size e^(-rate x)."""
    return size * al.exp(-rate * x)


def bell(size: Any, middle: Any, width: Any, x: Any) -> Any:
    """Return a bell curve."""
    return size * al.exp(-(((x - middle) / width) ** 2))


def wave(period: Any, cosine: Any, sine: Any, x: Any) -> Any:
    """Return a wave of a period."""
    return cosine * al.cos(2 * math.pi * x / period) + sine * al.sin(2 * math.pi * x / period)


def poly(b: Any, x: Any) -> Any:
    """Return a polynomial."""
    return sum(c * x**k for k, c in enumerate(b))


MODELS: dict[str, Any] = {
    **dict.fromkeys(("Misra1a", "BoxBOD"), lambda b, x: b[0] * (1 - al.exp(-b[1] * x))),
    **dict.fromkeys(("Chwirut1", "Chwirut2"), lambda b, x: al.exp(-b[0] * x) / (b[1] + b[2] * x)),
    **dict.fromkeys(
        ("Lanczos1", "Lanczos2", "Lanczos3"), lambda b, x: sum(decay(b[k], b[k + 1], x) for k in (0, 2, 4))
    ),
    **dict.fromkeys(
        ("Gauss1", "Gauss2", "Gauss3"), lambda b, x: decay(*b[:2], x) + bell(*b[2:5], x) + bell(*b[5:8], x)
    ),
    **dict.fromkeys(("Hahn1", "Thurber"), lambda b, x: poly(b[:4], x) / poly([1.0, *b[4:]], x)),
    "ENSO": lambda b, x: b[0] + wave(12.0, *b[1:3], x) + wave(*b[3:6], x) + wave(*b[6:9], x),
    "DanWood": lambda b, x: b[0] * x ** b[1],
    "Misra1b": lambda b, x: b[0] * (1 - (1 + b[1] * x / 2) ** -2),
    "Misra1c": lambda b, x: b[0] * (1 - (1 + 2 * b[1] * x) ** -0.5),
    "Misra1d": lambda b, x: b[0] * b[1] * x / (1 + b[1] * x),
    "Kirby2": lambda b, x: poly(b[:3], x) / poly([1.0, *b[3:]], x),
    "Nelson": lambda b, x, t: b[0] - b[1] * x * al.exp(-b[2] * t),  # of log y
    "MGH09": lambda b, x: b[0] * (x**2 + x * b[1]) / (x**2 + x * b[2] + b[3]),
    "MGH10": lambda b, x: b[0] * al.exp(b[1] / (x + b[2])),
    "MGH17": lambda b, x: b[0] + b[1] * al.exp(-x * b[3]) + b[2] * al.exp(-x * b[4]),
    "Roszman1": lambda b, x: b[0] - b[1] * x - al.atan(b[2] / (x - b[3])) / math.pi,
    "Rat42": lambda b, x: b[0] / (1 + al.exp(b[1] - b[2] * x)),
    "Rat43": lambda b, x: b[0] / (1 + al.exp(b[1] - b[2] * x)) ** (1 / b[3]),
    "Eckerle4": lambda b, x: b[0] / b[1] * al.exp(-0.5 * ((x - b[2]) / b[1]) ** 2),
    "Bennett5": lambda b, x: b[0] * (b[1] + x) ** (-1 / b[2]),
}


def data(name: str) -> tuple[list[Any], Any]:
    """Return the columns of x, and y."""
    y = np.array(SETS[name]["y"])
    return [np.array(column) for column in SETS[name]["x"]], np.log(y) if name == "Nelson" else y


def digits(found: Any, certified: Any) -> float:
    """Return the number of digits that agree, of the worst number; eleven were printed."""
    return float(min(11.0, -np.log10(np.abs(found / np.array(certified) - 1.0).max() + 1e-16)))


def fitted(name: str, start: str) -> tuple[Any, Any]:
    """Return parameters and standard deviations from one of the starts."""
    from autograd_lite.scipy import least_squares  # noqa: PLC0415 - an extra

    x, y = data(name)
    residuals = al.jit(lambda b: MODELS[name](b, *x) - y)
    how: Any = {"method": "lm", "x_scale": "jac", "max_nfev": 5000}
    if name == "BoxBOD":
        how = {"bounds": ([0.0, 0.0], [np.inf, 3.0])}
    result = least_squares(residuals, SETS[name][start], ftol=EPS, xtol=EPS, gtol=EPS, **how)
    slopes = al.jit(al.jacobian(residuals))
    for _ in range(20):
        scale = np.linalg.norm(slopes(result.x), axis=0)
        result.x = result.x - np.linalg.lstsq(slopes(result.x) / scale, residuals(result.x), rcond=EPS)[0] / scale
    result.fun, result.jac = residuals(result.x), slopes(result.x)
    result.cost = 0.5 * np.dot(result.fun, result.fun)
    return result.x, al.covariance(result).errors


def draw(agree: dict[str, Any], shown: dict[str, Any]) -> Any:
    """Return a painter of the digits that agree, and of two fits."""

    def paint(_: Any, table: Any, *panels: Any) -> None:
        rows = range(len(agree))
        for k, (what, colour) in enumerate((("parameters", BLUE), ("deviations", ORANGE))):
            for start, marker in enumerate("o^"):
                worst = [pair[start][k] for pair in agree.values()]
                table.plot(worst, rows, marker, color=colour, alpha=0.75, label=f"{what}, start {start + 1}")
        table.set(title="Digits that agree; 11 are certified", xlim=(0, 11.5), xlabel="digits")
        table.set(yticks=rows, yticklabels=list(agree))
        table.invert_yaxis(), table.legend(loc="upper left", fontsize=8.5)
        for axes, (name, b) in zip(panels, shown.items(), strict=True):
            (x, *_), y = data(name)
            line = np.linspace(x.min(), x.max(), 400)
            axes.plot(x, y, "o", color=MUTED, markersize=3.5)
            axes.plot(line, MODELS[name](b, line), color=INK)
            axes.set(title=f"{name}, {len(b)} parameters", xlabel="x", ylabel="y")

    return paint


def main(out: Path, seed: int = 0, *, quick: bool = False) -> Report:
    """Fit all sets, or five; nothing in it is random."""
    del seed
    report, agree, last = Report(out), {}, {}
    for name in QUICK if quick else MODELS:
        known, pairs = SETS[name], []
        for start in ("start 1", "start 2"):
            b, deviations = fitted(name, start)
            pairs.append((digits(b, known["parameters"]), digits(deviations, known["deviations"])))
        last[name], agree[name] = b, pairs
        worst, deviation = (min(column) for column in zip(*pairs, strict=True))
        report.number(f"{name}: digits of b", round(worst, 1), 11.0, 1.0)
        report.number(f"{name}: digits of s", round(deviation, 1), 11.0, 8.5 if name == "Lanczos1" else 1.5)
    shown = {name: last[name] for name in (("MGH09", "Thurber") if quick else ("ENSO", "Gauss3"))}
    size = (14, 3.2 if quick else 6.4)
    report.plot("nist.png", "The digits of every fit, and two fits", draw(agree, shown), (None, None, None), size)
    return report
