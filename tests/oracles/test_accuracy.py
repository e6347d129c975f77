"""Errors in units in the last place, over log-uniform points, against mpmath at 40 digits.

The quick suite takes 1,500 points a function, the full one 20,000.

The slow variant takes a million points a function and writes a table of the maxima:

    AUTOGRAD_LITE_ACCURACY=docs/accuracy.md python -m pytest -m slow tests/oracles/test_accuracy.py
"""

import functools
import math
import os
from pathlib import Path

import numpy as np
import pytest
from checkers import leaves
from corpus import DIFFERENTIATED, ORDERS, POLICY, SLOW, TABLE, bound_at, bounds, sample, spread
from mpmath import mp, mpf
from reference import DIGITS, MAX_DOUBLE, MIN_NORMAL, REFERENCE, ulps
from tiers import but_for, mostly_full, sizes

import autograd_lite as al

POINTS = 20_000
MILLION = 1_000_000

# A ratio of two doubles is a rounded number itself: a quotient that is exactly at the bound may land 1e-9 above it.
ROUNDING = 1e-9


class Worst:
    """The point with the largest ratio of error to bound, over the points seen; the bound may depend on the point."""

    def __init__(self):
        self.ratio, self.error, self.bound, self.args, self.got, self.count = -1.0, 0.0, 0.0, None, None, 0

    def take(self, rows, got, high, low, bound):
        """Add points: doubles, exact values as high + low (NaN where the oracle is out of range), bounds."""
        used = np.isfinite(high)
        rows, got, high, low = rows[used], got[used], high[used], low[used]
        if not len(rows):
            return
        with np.errstate(all="ignore"):
            errors = np.abs((got - high) - low) / np.spacing(np.abs(high))
        errors[~np.isfinite(errors)] = np.inf
        limits = np.broadcast_to(np.asarray(bound_at(bound, rows.T), dtype=float), errors.shape)
        ratios = np.where(limits > 0, errors / np.where(limits > 0, limits, 1.0), np.where(errors > 0, np.inf, 0.0))
        k = int(np.argmax(ratios))
        self.count += len(rows)
        if ratios[k] > self.ratio:
            self.ratio, self.error, self.bound = float(ratios[k]), float(errors[k]), float(limits[k])
            self.args, self.got = tuple(map(float, rows[k])), float(got[k])


def exact_pair(exact):
    """Return an exact value as a sum of two doubles; NaNs where no normal double is near.

    Relative accuracy ends there.
    """
    if exact == 0:
        return 0.0, 0.0
    if not MIN_NORMAL <= abs(exact) <= MAX_DOUBLE:
        return math.nan, math.nan
    high = float(exact)
    return high, float(exact - high)


def measure_block(name, rows, worst, allowed=None):
    """Compare value and partials at the given points with the reference."""
    primitive, reference = TABLE[name], REFERENCE[name]
    value_bound, slope_bounds = allowed or bounds(name)
    arity = primitive.arity
    places = np.array([i for i in range(arity) if i != ORDERS.get(name)])
    got = np.full((arity + 1, len(rows)), math.nan)
    high = np.full((arity + 1, len(rows)), math.nan)
    low = np.full((arity + 1, len(rows)), math.nan)
    with mp.workdps(DIGITS):
        for k, row in enumerate(rows.tolist()):
            y = primitive(*leaves(name, row))
            got[0, k] = y.value
            got[1 + places, k] = [local for _, local in y.local_gradients]
            args = [mpf(a) for a in row]
            regular = [reference.is_regular(row, i) for i in range(arity)]
            if not any(regular):
                continue
            exact = reference.value(*args)
            high[0, k], low[0, k] = exact_pair(exact)
            for i, partial in enumerate(reference.partials):
                if regular[i]:
                    high[i + 1, k], low[i + 1, k] = exact_pair(mpf(partial(*args, exact)))
    for i in range(arity + 1):
        worst[i].take(rows, got[i], high[i], low[i], value_bound if i == 0 else slope_bounds[i - 1])


@functools.cache
def measure(name, points):
    """Return the worst value error and the worst error of each partial."""
    worst = [Worst() for _ in range(TABLE[name].arity + 1)]
    for seed in range(max(1, points // POINTS)):
        allowed = bounds(name, over_a_million=points > POINTS)
        measure_block(name, sample(name, min(points, POINTS), seed=100 + seed), worst, allowed)
    return worst


def verdict(name, points):
    """Assert every bound of a primitive, with the worst point in the message."""
    complaints = []
    for i, worst in enumerate(measure(name, points)):
        what = name if i == 0 else f"∂{name}/∂{i - 1}"
        if worst.ratio > 1 + ROUNDING:
            complaints.append(
                f"{what}: {worst.error:.3g} ULP, allowed {worst.bound:.3g}, at {worst.args}: {worst.got!r}"
            )
    assert not complaints, "; ".join(complaints)
    # A sampler that misses the range of the oracle would make this test pass by looking away.
    assert measure(name, points)[0].count >= points / 4
    assert min(w.count for i, w in enumerate(measure(name, points)) if i - 1 != ORDERS.get(name)) >= points / 10


MEASURED = [name for name in DIFFERENTIATED if name in REFERENCE and bounds(name)]


@pytest.mark.parametrize("points", sizes(1500, POINTS))
@pytest.mark.parametrize("name", but_for(SLOW, mostly_full(MEASURED, slice(3, None, 4))))
def test_value_and_partials_within_their_ulp_bounds(name, points):
    """The bounds of the policy (or of the table entry) hold over all points; over a tenth where the result is exact."""
    value, slopes = bounds(name)
    exact = value == 0 and all(slope == 0 for slope in slopes)
    verdict(name, points // 10 if exact else points // 40 if name in SLOW else points)


@pytest.mark.parametrize("name", sorted(POLICY - {"logaddexp"}))
def test_the_table_claims_no_more_than_the_policy_allows(name):
    """A bound stated in the table entry is not looser than what holds over a million points (logaddexp: below)."""
    stated, (value, slopes) = TABLE[name].ulp, bounds(name, over_a_million=True)
    for row in sample(name, 50):
        assert bound_at(stated[0], row) <= bound_at(value, row)
        assert all(bound_at(stated[1], row) <= bound_at(slope, row) for slope in slopes)


def test_logaddexp_of_independent_numbers_keeps_the_flat_bounds():
    """2 ULP and 4 ULP over pairs with independent exponents, as the policy measured them.

    Pairs of like size are held to bounds() above.
    """
    assert TABLE["logaddexp"].ulp == (2.0, 4.0)
    rng = np.random.default_rng(11)
    rows = np.stack([spread(-300, 300)(rng, POINTS // 4), spread(-300, 300)(rng, POINTS // 4)], axis=1)
    worst = [Worst() for _ in range(3)]
    measure_block("logaddexp", rows, worst, ((2.0, (4.0, 4.0))))
    assert max(w.ratio for w in worst) <= 1 + ROUNDING, [(w.error, w.args) for w in worst]


@pytest.mark.parametrize("lists", sizes(400, 4000))
@pytest.mark.parametrize("size", [2, 5])
def test_logsumexp_and_its_gradient(size, lists):
    """2 ULP of the result or of the arguments.

    And 4 ULP beside the rounding of the differences, over many lists; ties and huge offsets included.
    """
    rng = np.random.default_rng(size)
    offsets = spread(-3, 4)(rng, lists)[:, None]
    rows = offsets + spread(-8, 2)(rng, (lists, size))
    rows[::10] = rows[::10, :1]  # ties
    worst = []
    with mp.workdps(DIGITS):
        for row in rows.tolist():
            variables = [al.Variable(a) for a in row]
            y = al.logsumexp(variables)
            slopes = al.gradients(y, variables)
            top = mpf(max(row))
            weights = [mp.exp(mpf(a) - top) for a in row]
            total = sum(weights)
            exact = top + mp.log(total)
            condition = float(sum(w * abs(mpf(a)) for w, a in zip(weights, row, strict=True)) / total / abs(exact))
            # Any sum that forms x - max in doubles moves the result by half a ULP of each argument, times its weight.
            worst.append((ulps(y.value, exact) / (2 + 2 * condition), "value", row))
            # Softmax: the rounding of x - max, half a ULP, costs |x - max| (as a condition number, halved and doubled
            # for the binade).
            for g, w, a in zip(slopes, weights, row, strict=True):
                worst.append(
                    (ulps(g, w / total) / (4 + abs(a - max(row)) * float(1 - w / total) + size / 2), "gradient", row)
                )
    ratio, what, row = max(worst)
    assert ratio <= 1 + ROUNDING, f"{what} of logsumexp({row}): {ratio:.3g} times what is allowed"


def as_markdown(points):
    """Return the maxima as a table."""
    lines = [
        f"Largest error in units in the last place over {points:,} log-uniform points a function,",
        f"against mpmath at {DIGITS} digits.",
        "Where the bound depends on the point, both are those of the point with the largest ratio of error to bound.",
        "",
        "| function | quantity | largest error | allowed at the worst point | worst point |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in MEASURED:
        for i, worst in enumerate(measure(name, points)):
            if not worst.count:
                continue  # a whole-number argument has no derivative
            what = "value" if i == 0 else f"∂/∂{i}"
            where = ", ".join(f"{a!r}" for a in worst.args)
            lines.append(f"| `{name}` | {what} | {worst.error:.3f} | {worst.bound:.3g} | {where} |")
    return "\n".join(lines) + "\n"


@pytest.mark.slow
@pytest.mark.parametrize("name", MEASURED)
def test_a_million_points(name):
    """The same bounds over a million points; over a thousandth where mpmath is slow."""
    verdict(name, MILLION // 1000 if name in SLOW else MILLION)


@pytest.mark.slow
def test_write_the_table_of_maxima(tmp_path):
    """Write the maxima as Markdown to the file named by AUTOGRAD_LITE_ACCURACY."""
    target = Path(os.environ.get("AUTOGRAD_LITE_ACCURACY", tmp_path / "accuracy.md"))
    target.write_text(as_markdown(MILLION), encoding="utf-8")
    assert target.read_text(encoding="utf-8").count("\n") > len(MEASURED)
