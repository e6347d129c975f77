"""Functions that devices have instead of libm, run by this processor: against mpmath, at the edges, beside libm."""

import math
from itertools import product

import numpy as np
import pytest
from corpus import SPECIAL, same_bits, sample
from mpmath import mp, mpf
from reference import REFERENCE
from tiers import mostly_full

import autograd_lite as al

pytest.importorskip("llvmlite.binding")

from devices import lanes_by_processor

from autograd_lite.tape.ptx import functions

INVERSE = ("asin", "acos", "asinh", "acosh", "atanh", "cbrt", "hypot", "atan2")
CIRCULAR = ("sin", "cos", "tan")
MOST = 2.0**1023 * (2 - 2.0**-52)

#: Angles nearest to a multiple of π/2 among all doubles, and powers of two.
HARD = (6381956970095103 * 2.0**797, 5.319372648326541e255, 2.0**20, 2.0**64, 1e22, 2.0**1023, MOST)


def run(names, *columns):
    """The results of functions of the library in lanes of a kernel."""
    return lanes_by_processor(lambda *x: [getattr(al, name)(*x) for name in names], columns)[0]


def error(result, exact):
    """Return |result - exact| in units in the last place."""
    return float(abs(mpf(result) - exact) / mpf(math.ulp(float(exact)))) if exact else abs(result)


def angles(count):
    """Angles from 2²⁰ on, of every size and both signs."""
    rng = np.random.default_rng(7)
    sizes = np.exp2(rng.uniform(20, 1024, count))
    return np.concatenate([sizes * rng.choice([-1.0, 1.0], count), HARD, np.negative(HARD)])


def test_angles_beyond_two_to_the_20_are_right():
    """Within 1 ULP of mpmath, with the angles for which most of 2/π cancels (libm of glibc 2.36: 8 and 14 ULP there)."""
    x = angles(400)
    with mp.workprec(1300):
        for name, row in zip(CIRCULAR, run(CIRCULAR, x), strict=True):
            assert (
                max(error(y, getattr(mp, name)(mpf(a))) for a, y in zip(x.tolist(), row.tolist(), strict=True)) <= 0.9
            )


def test_angles_are_those_of_libm_within_one_ulp():
    """A hundred thousand random ones; below 2²⁰ they have the bits of lanes here."""
    x = angles(100_000)[: -2 * len(HARD)]
    libm = np.array([[getattr(math, name)(a) for a in x] for name in CIRCULAR])
    ours = run(CIRCULAR, x)
    assert np.all(np.abs(ours.view(np.int64) - libm.view(np.int64)) <= 1)
    below = np.append(
        np.random.default_rng(8).uniform(-(2.0**20), 2.0**20, 5000), [np.nextafter(2.0**20, 0), 0.0, -0.0]
    )
    lanes = al.jit(al.vmap(lambda x: [getattr(al, name)(x) for name in CIRCULAR]), backend="llvm")(below)
    assert np.array_equal(run(CIRCULAR, below).view(np.int64), np.array(lanes).view(np.int64))


def test_two_over_pi():
    """All words, against mpmath."""
    words = [word % (1 << 64) for word in functions.two_over_pi()]
    with mp.workprec(1500):
        exact = int(mp.floor(2 / mp.pi * mpf(2) ** (64 * functions.BEHIND)))
    assert sum(word << 64 * k for k, word in enumerate(reversed(words))) == exact


@pytest.mark.parametrize("name", mostly_full(INVERSE, slice(None)))
def test_inverse_functions_are_right(name):
    """Within 0.7 ULP over their domains."""
    points = sample(name, 400)
    results = run([name], *points.T)[0]
    with mp.workprec(200):
        exact = [REFERENCE[name].value(*map(mpf, point)) for point in points.tolist()]
        errors = [error(y, t) for y, t in zip(results.tolist(), exact, strict=True) if math.isfinite(float(t))]
    assert len(errors) > 300
    assert max(errors) <= 0.7


@pytest.mark.parametrize("name", [*INVERSE, *CIRCULAR, "mod", "floordiv"])
def test_edges_are_those_of_the_table(name):
    """Infinities, NaN, zeros of both signs, subnormals and the ends of domains: the table's value, but for a last digit."""
    arity = al.PRIMITIVES[name].arity
    points = np.array(list(product(SPECIAL, repeat=arity)))
    exact = name in ("mod", "floordiv")
    operation = {"mod": lambda x, y: x % y, "floordiv": lambda x, y: x // y}.get(name) or getattr(al, name)
    results = lanes_by_processor(lambda *x: [operation(*x)], points.T)[0][0]
    for point, y in zip(points.tolist(), results.tolist(), strict=True):
        known = al.PRIMITIVES[name].value(*point)
        near = not exact and math.isfinite(known) and known and abs(y - known) <= 2 * math.ulp(known)
        assert near or same_bits(y, known), (point, y, known)


def test_remainders_are_exact():
    """Quotients of any size, subnormal divisors among them: the bits of Python."""
    rng = np.random.default_rng(9)
    x, y = (rng.choice([-1.0, 1.0], 3000) * np.exp2(rng.uniform(low, 1023, 3000)) for low in (-1074, -1074))
    y[:500] = rng.integers(1, 1 << 40, 500) * 5e-324
    results = lanes_by_processor(lambda x, y: [x % y, x // y], [x, y])[0]
    assert np.array_equal(results[0], [a % b for a, b in zip(x.tolist(), y.tolist(), strict=True)])
    with np.errstate(over="ignore"):
        known = [al.PRIMITIVES["floordiv"].value(a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    assert np.array_equal(results[1], known)
