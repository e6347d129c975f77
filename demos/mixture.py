"""A mixture of two normal distributions by maximum likelihood: Newton's method beside expectation and maximisation.

    minimise over (w, m1, m2, s1, s2)   L = -sum_i log( w N(x_i; m1, s1) + (1 - w) N(x_i; m2, s2) )

Of each number it is not known which curve it comes from, so the likelihood has no closed solution. The textbook's way is EM:
guess to which curve each number belongs, fit both curves with these weights, repeat. It needs no derivatives and creeps where
curves overlap. Here the logarithm of the density of one number is three lines, and a general optimiser gets the gradient and
the Hessian of the sum over lanes. The Hessian also gives the errors of the five parameters, which EM does not.

Known: at the optimum EM stands still, so both ways end at the same numbers; the errors agree with the spread of fits of
many data sets.

Source: Bishop, Pattern Recognition and Machine Learning, Springer 2006, section 9.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import autograd_lite as al

from .common import BLUE, INK, MUTED, ORANGE, Report

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("weight", "mean 1", "mean 2", "width 1", "width 2")
TRUTH = np.array([0.3, -1.0, 1.0, 0.5, 0.8])
START = {"logit": 0.0, "mean": np.array([-0.5, 0.5]), "log_width": np.zeros(2)}


def parts(p: Any, x: Any) -> list[Any]:
    """Return weight times density of both curves at one number, as logarithms."""
    weights = -al.softplus(-p["logit"]), -al.softplus(p["logit"])
    widths = al.exp(p["log_width"][0]), al.exp(p["log_width"][1])
    return [w + al.stats.norm.logpdf(x, m, s) for w, m, s in zip(weights, p["mean"], widths, strict=True)]


def loss(p: Any, x: Any) -> Any:
    """Return the loss of one number."""
    return -al.logsumexp(parts(p, x))


total = al.jit(al.vmap(loss, in_axes=(None, 0), reduce="sum"))


def natural(p: Any) -> Any:
    """Return weight, means and widths, as an array that keeps Variables."""
    return al.array([al.sigmoid(p["logit"]), *p["mean"], *(al.exp(s) for s in p["log_width"])])


def fitted(x: Any, callback: Any = None) -> Any:
    """Return the optimum as SciPy's result."""
    from autograd_lite.scipy import minimize  # noqa: PLC0415 - an extra

    return minimize(total, START, args=(x,), method="trust-exact", callback=callback, options={"gtol": 1e-6})


def errors_of(result: Any) -> Any:
    """Return the standard errors of weight, means and widths: C of the parameters becomes J C J'."""
    slopes = al.jacobian(lambda v: natural(al.flatten(result.x)[1](v)))(al.flatten(result.x)[0])
    return np.sqrt(np.diag(slopes @ al.covariance(result).matrix @ slopes.T))


def expectation_maximisation(x: Any, steps: int) -> Any:
    """Return the five parameters after each step, by the formulas of the book."""
    w, m, s = 0.5, START["mean"], np.ones(2)
    way = [np.array([w, *m, *s])]
    for _ in range(steps):
        density = np.array([[w], [1.0 - w]]) * np.exp(-0.5 * ((x - m[:, None]) / s[:, None]) ** 2) / s[:, None]
        share = density / density.sum(axis=0)
        count = share.sum(axis=1)
        w, m = count[0] / len(x), share @ x / count
        s = np.sqrt((share * (x - m[:, None]) ** 2).sum(axis=1) / count)
        way.append(np.array([w, *m, *s]))
    return np.array(way)


def sample(rng: Any, count: int) -> Any:
    """Return numbers of the mixture."""
    first = rng.uniform(size=count) < TRUTH[0]
    return np.where(first, TRUTH[1], TRUTH[2]) + np.where(first, TRUTH[3], TRUTH[4]) * rng.normal(size=count)


def draw(x: Any, best: Any, newton: Any, way: Any) -> Any:
    """Return a painter of the data with both curves, and of the error by step."""

    def paint(_: Any, curves: Any, steps: Any) -> None:
        at = np.linspace(-3.5, 4.0, 301)
        one, two = np.exp(al.vmap(lambda p, x: al.array(parts(p, x)), in_axes=(None, 0))(best, at)).T
        curves.hist(x, 60, density=True, color=MUTED, alpha=0.35)
        curves.plot(at, one, color=BLUE, label="first"), curves.plot(at, two, color=ORANGE, label="second")
        curves.plot(at, one + two, color=INK, linewidth=1, label="their sum")
        curves.legend()
        curves.set(title=f"{len(x):,} numbers and the two curves behind them", xlabel="x", ylabel="density")
        for found, label, colour in (newton, "Newton", BLUE), (way, "EM", ORANGE):
            error = np.abs(found - way[-1]).max(axis=1)
            error[error <= 1e-12] = np.nan
            steps.semilogy(np.arange(1, len(error) + 1), error, color=colour, label=label)
        steps.set(title="Largest error of the five parameters", xlabel="step", xscale="log")
        steps.legend()

    return paint


def main(out: Path, seed: int = 0, *, quick: bool = False) -> Report:
    """Fit one sample both ways, then many samples for the spread."""
    report, rng = Report(out), np.random.default_rng(seed)
    x, visited = sample(rng, 3000), []
    result = fitted(x, lambda p: visited.append(natural(p)))
    found, errors = np.array(natural(result.x), dtype=float), errors_of(result)
    way = expectation_maximisation(x, 500)
    report.say(f"{len(x):,} numbers; minimum after {result.nit} steps, gradient {np.abs(result.jac['mean']).max():.1e}")
    for name, value, truth, error in zip(NAMES, found, TRUTH, errors, strict=True):
        report.number(name, value, truth, 4.0 * error)
        report.number(f"error of {name}", error)
    report.number("difference from EM", np.abs(found - way[-1]).max(), 0.0, 1e-7)
    creeping = int(np.argmax(np.abs(way - way[-1]).max(axis=1) < 1e-6))
    report.number("steps of EM to 1e-6", creeping)
    report.check(f"{result.nit} steps of Newton, {creeping} of EM", result.nit < 50 < creeping)
    fits = np.array([natural(fitted(sample(rng, 3000)).x) for _ in range(20 if quick else 200)], dtype=float)
    ratio = fits.std(axis=0, ddof=1) / errors  # the deviation of n numbers is known to 1/sqrt(2 n)
    farthest, bound = ratio[np.abs(ratio - 1.0).argmax()], 4.0 / np.sqrt(2.0 * len(fits))
    report.number("spread over error, farthest", farthest, 1.0, bound)
    newton = np.array(visited, dtype=float)
    report.plot("mixture.png", "The curves, and the way there", draw(x, result.x, newton, way), (None, None), (12, 4.6))
    return report
