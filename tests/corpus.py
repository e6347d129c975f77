"""Named functions, sample points and error bounds that every suite shares.

The primitives come from the rule table itself, so an operation that is added there is tested without a change here:
an entry below gives it better points or a tighter bound than the defaults.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

import autograd_lite as al
from autograd_lite.primitives import COMPARISONS, PRIMITIVES

#: The comparisons of Python are left out: their results are bools to a user (`test_conditions`).
TABLE = {
    name: primitive
    for name, primitive in PRIMITIVES.items()
    if primitive.built_in and primitive not in COMPARISONS.values()
}
NAMES = sorted(TABLE)
#: The argument that is a whole number and never differentiated by.
ORDERS = {name: place for name, rule in TABLE.items() for place, interval in enumerate(rule.domain) if interval.whole}
CONSTANT = {
    "hold",
    "plain",
}  # the rules for stopping a gradient: their derivatives are not those of their values, on purpose
DIFFERENTIATED = [name for name in NAMES if name not in CONSTANT]
#: Quantiles of discrete distributions, step functions of all arguments.
STEPS = {"poisson_quantile", "binom_quantile", "nbinom_quantile"}
#: Helpers that `test_stats` looks at, over the arguments that they have there.
HELD = STEPS | {
    "lower_beta", "upper_beta", "t_cdf", "betainc_by", "beta_density_by", "t_cdf_by_df", "gamma_quantile",
    "upper_gamma_quantile", "beta_quantile", "upper_beta_quantile", "t_quantile",
}  # fmt: skip
#: Derivatives by shapes: the oracle has them by differences of integrals, without digits at further orders, and their
#: condition is not known. tests/maths/test_quantiles.py compares orders 0 to 2.
BY_DIFFERENCES = {"betainc_by", "beta_density_by", "t_cdf_by_df"}
#: mpmath takes milliseconds a point for them: the quick tests are those of `test_special` and `test_stats`.
SLOW = HELD | {
    "gammainc",
    "gammaincc",
    "gammainc_by_a",
    "gamma_density_by_a",
    "stirling_error",
    "polygamma_gap",
    "betaln",
}
EPS = 2.0**-52
ULP_1 = math.ulp(1.0)
MAX = 1.7976931348623157e308

SPECIAL = (
    0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0, 1.0 + ULP_1, 1.0 - ULP_1 / 2, math.pi / 2, 2.0**53, 5e-324, -5e-324, 2.2e-308,
    1e200, 1e-200, -1e200, -1e-200, MAX, -MAX, math.inf, -math.inf, math.nan,
)  # fmt: skip


def thinned(points, most):
    """At most so many of the points of a grid, with all values of each coordinate: every p-th, where p is a prime."""
    step = -(-len(points) // most)
    while any(step % factor == 0 for factor in range(2, math.isqrt(step) + 1)):
        step += 1
    return points[::step]


def same_bits(a, b):
    """Say whether two doubles are the same, the sign of zero included; every NaN is the same NaN."""
    return (a != a and b != b) or (a == b and math.copysign(1.0, a) == math.copysign(1.0, b))


def same_arrays(a, b):
    """Say whether two arrays have the same shape, type and bits; every NaN is the same NaN."""
    a, b = np.asarray(a), np.asarray(b)
    equal = ((a == b) & (np.signbit(a) == np.signbit(b))) | ((a != a) & (b != b))
    return a.shape == b.shape and a.dtype == b.dtype and bool(np.all(equal))


def orders(f, x, n):
    """Return f and its first n derivatives at x, by nesting al.grad."""
    values = []
    for _ in range(n + 1):
        values.append(f(x))
        f = al.grad(f)
    return values


# --- error bounds in ULP: (value, one for all partials or one for each), numbers or functions of the arguments ---


def _plus_square(x):
    return 4.0 + x * x


def _plus_exponent(x, y):
    with np.errstate(all="ignore"):
        return 4.0 + np.abs(y * np.log(np.abs(x)))


def _logaddexp_value(a, b):
    """2 ULP of the result or of either argument.

    Max and log1p cancel where the result is small, and no sum of doubles escapes that.
    """
    top, low = np.maximum(a, b), np.minimum(a, b)
    with np.errstate(all="ignore"):
        p = np.exp(low - top) / (1 + np.exp(low - top))
        size = np.abs(top + np.log1p(np.exp(low - top)))
        condition = np.where(size == 0, 0.0, (p * np.abs(low) + (1 - p) * np.abs(top)) / size)
        return 2.0 + 2.0 * np.where(low == top, 1.0, condition)


def _softmax_bound(a, b):
    """4 ULP, and d·σ(-d) for the rounding of d = a - b by half a ULP.

    The condition number of σ at d, halved and doubled for the binade.
    """
    with np.errstate(all="ignore"):
        d = np.subtract(a, b)
        return 4.0 + np.where(np.isfinite(d), np.abs(d) / (1 + np.exp(d)), 0.0)


BOUNDS = {
    **dict.fromkeys(("add", "sub", "mul", "div", "sqrt"), (0.5, 1.5)),
    **dict.fromkeys(("exp", "log", "expm1", "sin", "cos"), (1.0, 1.0)),
    **dict.fromkeys(("log1p", "tan"), (1.0, 2.0)),
    # Four places where the formula that the numerical policy prescribes, or libm, does not keep the policy's own
    # figure; docs/accuracy.md has the maxima. y·log 2: y is within 0.51 ULP, which counts up to 2·log 2 times in the
    # product's binade, and the product is rounded: 0.71 + 0.06 + 0.5 < 1.5 (policy: 1).
    "exp2": (1.0, 1.5),
    # 1/√((1-x)(1+x)) and 1/(1+x²): three roundings of half a ULP, each of which counts double where the next result
    # lies in a binade with ULPs half as large: 3 (policy: 2; seen: 2.02 and 2.17).
    **dict.fromkeys(("asin", "acos", "atan"), (1.0, 3.0)),
    **dict.fromkeys(("sinh", "cosh", "asinh", "atanh"), (2.0, 2.0)),
    **dict.fromkeys(("tanh", "sigmoid"), (2.0, 4.0)),
    **dict.fromkeys(("softplus", "acosh"), (2.0, 3.0)),
    **dict.fromkeys(("hypot", "atan2"), (1.0, 3.0)),
    "erf": (1.0, _plus_square),
    "erfc": (2.0, _plus_square),  # libm's erfc (policy: 1; seen: 1.86)
    "pow": (1.0, _plus_exponent),
    "logaddexp": (_logaddexp_value, (_softmax_bound, lambda a, b: _softmax_bound(b, a))),
}
POLICY = frozenset(BOUNDS)  # what the numerical policy names
BOUNDS |= {
    # Not named there. operation, hence correctly rounded; their derivatives are exact or one or two operations (1.5,
    # as for + - * /).
    **dict.fromkeys(("neg", "positive", "abs", "relu", "maximum", "minimum", "clip", "where", "copysign"), (0.0, 0.0)),
    **dict.fromkeys(("step", "less", "sign", "floor", "ceil", "trunc"), (0.0, 0.0)),
    "round": (0.5, 0.0),  # to decimals: one division
    # a/(a + b): two roundings of half a ULP, of which the first counts double across a binade; its partials are two such
    # and a product. eᵗ within 1 ULP, then one or two operations each.
    "softsign": (1.5, 4.0),
    "share": (1.5, 4.0),
    "log_of_sum": (2.0, 4.0),
    "log_of_excess": (2.5, 4.0),
    "square": (0.5, 0.5),
}


#: What holds over a million points, and what the table therefore states: where libm, or three roundings in a prescribed
#: formula, exceed the policy's figure at a few points in a million (docs/accuracy.md has the maxima).
BOUNDS_OVER_A_MILLION = {
    "acosh": (2.5, 3.0),  # libm: 2.054
    "tanh": (2.5, 4.0),  # libm: 2.125
    "erf": (1.5, _plus_square),  # libm: 1.091
    "erfc": (4.0, _plus_square),  # libm: 3.197
    "sigmoid": (2.5, 4.0),  # e/(1 + e): three roundings, 2.032
    "atanh": (2.0, 3.0),  # 1/((1-x)(1+x)): as asin above, 2.004
}


def bounds(name, *, over_a_million=False):
    """Return (value bound, (partial bounds…)) of a primitive.

    The policy's where it names one, else the table's own, else None.
    """
    stated = (over_a_million and BOUNDS_OVER_A_MILLION.get(name)) or BOUNDS.get(name) or TABLE[name].ulp
    if stated is None:
        return None
    value, slopes = stated
    return value, slopes if isinstance(slopes, tuple) else (slopes,) * TABLE[name].arity


def bound_at(bound, args):
    """Return a bound at a point, or at arrays of points."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.vectorize(bound, otypes=[float])(*args) if callable(bound) else bound


# --- sample points: exponents are sampled, not values -------------------------------------------------------

Sampler = Callable[[np.random.Generator, int], np.ndarray]


def spread(low=-300.0, high=300.0, sign=0):
    """Log-uniform magnitudes between powers of ten; both signs unless told."""

    def sample(rng, n):
        signs = rng.choice((-1.0, 1.0), n) if sign == 0 else sign
        return signs * 10.0 ** rng.uniform(low, high, n)

    return sample


def near(centre, low=-15.9, high=-0.5, sign=0):
    """Points at log-uniform distances from a centre."""
    distance = spread(low, high, sign)
    return lambda rng, n: centre + distance(rng, n)


def whole(low, high):
    """Whole numbers, as floats."""
    return lambda rng, n: rng.integers(low, high + 1, n).astype(float)


def each(*samplers):
    """Independent arguments."""
    return lambda rng, n: tuple(s(rng, n) for s in samplers)


def one_of(*samplers):
    """Points from one of several samplers, in equal parts."""

    def sample(rng, n):
        columns = np.stack([s(rng, n) for s in samplers])
        return columns[rng.integers(len(samplers), size=n), np.arange(n)]

    return sample


def _powers(rng, n):
    """x > 0 and y such that x**y stays a double: |y log x| is log-uniform up to 700."""
    x = one_of(spread(-300, 300, 1), near(1.0))(rng, n)
    x = np.where(x == 1.0, 2.0, x)
    return x, spread(-6, math.log10(700))(rng, n) / np.log(x)


def _integer_powers(rng, n):
    """Negative bases with small whole exponents."""
    x = spread(-20, 20, -1)(rng, n)
    return x, rng.integers(-10, 11, n).astype(float)


def _close_pairs(rng, n):
    """Two numbers of like size, so that neither swallows the other."""
    x = spread(-150, 150)(rng, n)
    return x, x * one_of(spread(-3, 3), near(1.0), near(-1.0))(rng, n)


def _additive_pairs(rng, n):
    """Two numbers whose difference is log-uniform."""
    x = spread(-3, 4)(rng, n)
    return x, x + spread(-10, 2.8)(rng, n)


def _beside_shape(rng, n):
    """The shape of a gamma distribution, and numbers within some of its standard deviations."""
    a = spread(-1, 2.2, 1)(rng, n)
    return a, np.maximum(a + 3.0 * np.sqrt(a) * rng.standard_normal(n), 1e-3 * a)


def _share(rng, n):
    return rng.uniform(0.0, 1.0, n)


def _small_quotients(rng, n):
    x, y = _close_pairs(rng, n)
    return x, y * 10.0 ** rng.uniform(-2, 2, n)


wide = spread()
unit = one_of(spread(-300, 0), near(1.0, sign=-1), near(-1.0, sign=1))
narrow = spread(-5, 2.85)  # up to 708: exp stays in range
exponential = one_of(spread(-300, 2.85), narrow)
positive = one_of(spread(-300, 300, 1), near(1.0))
anything = one_of(wide, spread(-8, 3))

SAMPLES: dict[str, tuple[Callable, ...]] = {
    **dict.fromkeys(("exp", "expm1", "sinh", "cosh", "tanh", "sech_squared"), (each(exponential),)),
    **dict.fromkeys(("sigmoid", "softplus", "sigmoid_slope"), (each(exponential),)),
    "exp2": (each(one_of(spread(-300, 3), spread(-5, 3))),),
    **dict.fromkeys(("log", "log2", "log10", "sqrt"), (each(positive),)),
    "log1p": (each(one_of(spread(-300, 300, 1), spread(-300, 0, -1), spread(-16, 2, 1), near(-1.0, sign=1))),),
    **dict.fromkeys(("asin", "acos", "atanh"), (each(unit),)),
    "acosh": (each(one_of(spread(0, 300, 1), near(1.0, sign=1), spread(0, 10, 1))),),
    **dict.fromkeys(("sin", "cos", "tan"), (each(one_of(wide, spread(-8, 6))),)),
    **dict.fromkeys(("asinh", "atan", "cbrt"), (each(one_of(wide, spread(-8, 8))),)),
    "sinc": (each(one_of(spread(-300, 15), spread(-5, 3), near(1.0))),),
    "sinc_derivative": (each(one_of(spread(-20, 15), spread(-5, 3)), whole(0, 3)),),
    "erf": (each(one_of(spread(-300, 1.43), spread(-5, 1.43))),),
    "erfc": (each(one_of(spread(-300, 1.43), spread(-5, 1.43))),),
    "gamma": (each(one_of(spread(-300, 2.23, 1), spread(-3, 2.23), near(1.0), near(-2.0, -10))),),
    "lgamma": (each(one_of(spread(-300, 300, 1), spread(-3, 3), near(1.0), near(2.0))),),
    "digamma": (each(one_of(spread(-150, 300, 1), spread(-3, 2), near(1.4616321449683623))),),
    "pow": (_powers, _integer_powers),
    "hypot": (each(wide, wide), _close_pairs),
    "atan2": (each(wide, wide), _close_pairs),
    "add": (each(wide, wide), _close_pairs),
    "sub": (each(wide, wide), _close_pairs),
    "mul": (each(spread(-150, 150), spread(-150, 150)),),
    "div": (each(spread(-150, 150), spread(-150, 150)), _close_pairs),
    "mod": (_small_quotients, each(spread(-20, 20), spread(-20, 20))),
    "floordiv": (_small_quotients, each(spread(-20, 20), spread(-20, 20))),
    "logaddexp": (_additive_pairs, each(exponential, exponential), each(wide, wide)),
    "xlogy": (each(spread(-150, 150), positive),),
    "where": (lambda rng, n: (rng.choice((0.0, 1.0, -2.0), n), wide(rng, n), wide(rng, n)),),
    "clip": (lambda rng, n: (anything(rng, n), spread(-5, 5, -1)(rng, n), spread(-5, 5, 1)(rng, n)),),
    "leaky_relu": (each(wide, spread(-3, 0, 1)),),
    "polygamma": (lambda rng, n: (rng.integers(1, 4, n).astype(float), spread(-3, 3, 1)(rng, n)),),
    "round": (lambda rng, n: (spread(-3, 6)(rng, n), rng.integers(-2, 5, n).astype(float)),),
    "square": (each(spread(-150, 150)),),
    "ndtr": (each(one_of(spread(-300, 1.58), spread(-5, 1.58))),),
    "log_ndtr": (each(one_of(spread(-300, 1.58), spread(-5, 150, -1))),),
    **dict.fromkeys(("ndtri", "logit"), (each(one_of(spread(-300, 0, 1), near(1.0, sign=-1), near(0.5))),)),
    "erfinv": (each(unit),),
    "log1mexp": (each(one_of(spread(-300, 2.85, 1), near(math.log(2.0)))),),
    "heaviside": (lambda rng, n: (wide(rng, n) * rng.choice((0.0, 1.0), n), wide(rng, n)),),
    "moment_ratio": (each(spread(0.398, 6, 1), whole(1, 4)),),
    "erfcx": (each(one_of(spread(-300, 1.41), spread(-5, 1.41), spread(-1, 100, 1), near(1.8))),),
    "log1pmx": (each(one_of(spread(-150, 300, 1), spread(-150, 0, -1), spread(-8, 2, 1), near(-1.0, sign=1))),),
    "xlog1py": (each(spread(-150, 150), one_of(spread(-150, 300, 1), near(-1.0, sign=1), spread(-16, 2, 1))),),
    "kl_div": (each(spread(-150, 150, 1), spread(-150, 150, 1)), lambda rng, n: tuple(map(np.abs, _close_pairs(rng, n)))),
    "stirling_error": (each(one_of(spread(-60, 8, 1), spread(-2, 2, 1)), whole(0, 3)),),
    "polygamma_gap": (each(spread(-10, 10, 1), spread(-20, 10, 1), whole(0, 2)),),
    "betaln": (each(spread(-100, 60, 1), spread(-100, 60, 1)), each(spread(-3, 5, 1), spread(-3, 5, 1))),
    **dict.fromkeys(("gammainc", "gammaincc"), (each(spread(-5, 2, 1), spread(-5, 2, 1)), _beside_shape)),
    **dict.fromkeys(
        ("gammainc_by_a", "gamma_density_by_a"), (each(spread(-2, 1.5, 1), spread(-2, 1.5, 1), whole(1, 2)),)
    ),
    "t_cdf": (each(spread(-3, 2.5), spread(-1, 2.5, 1)),),
    **dict.fromkeys(
        ("lower_beta", "upper_beta"), (each(spread(-2, 2, 1), spread(-2, 2, 1), _share),)
    ),
    **dict.fromkeys(
        ("betainc_by", "beta_density_by"),
        (each(spread(-2, 2, 1), spread(-2, 2, 1), _share, lambda rng, n: rng.choice((1.0, 10.0, 11.0), n)),),
    ),
    "t_cdf_by_df": (each(spread(-3, 2.5), spread(-1, 2.5, 1), whole(1, 1)),),
    **dict.fromkeys(("gamma_quantile", "upper_gamma_quantile"), (each(spread(-1, 2, 1), _share),)),
    **dict.fromkeys(("beta_quantile", "upper_beta_quantile"), (each(spread(-1, 2, 1), spread(-1, 2, 1), _share),)),
    "t_quantile": (each(_share, spread(-1, 2.5, 1)),),
    "poisson_quantile": (each(_share, spread(-2, 3, 1), whole(0, 1)),),
    "binom_quantile": (each(_share, whole(0, 50), _share, whole(0, 1)),),
    "nbinom_quantile": (each(_share, spread(-1, 2, 1), _share, whole(0, 1)),),
    **dict.fromkeys(("j0", "j1"), (each(one_of(spread(-100, 1), spread(-3, 5))),)),
    **dict.fromkeys(("i0", "i1"), (each(one_of(spread(-100, 2.84), spread(-3, 2.84))),)),
    "bessel_j": (each(spread(-3, 3), whole(2, 5)),),
    "bessel_i": (each(spread(-3, 2.84), whole(2, 5)),),
    "share": (each(spread(-150, 150, 1), spread(-150, 150, 1)), lambda rng, n: tuple(map(np.abs, _close_pairs(rng, n)))),
    **dict.fromkeys(
        ("log_of_sum", "log_of_excess"),
        (each(spread(-300, 2.84, 1), spread(-300, 300, 1)), each(lambda _rng, n: np.zeros(n), spread(-300, 3, 1))),
    ),
}  # fmt: skip


def sample(name, count, seed=0):
    """Return `count` points of a primitive's domain as an array of shape (count, arity)."""
    primitive = TABLE[name]
    rng = np.random.default_rng([seed, *name.encode()])
    samplers = SAMPLES.get(name) or (each(*[anything] * primitive.arity),)
    rows = np.empty((0, primitive.arity))
    while len(rows) < count:
        blocks = [np.stack(s(rng, count // len(samplers) + 1), axis=1) for s in samplers]
        block = np.concatenate(blocks)
        inside = [all(d.contains(float(a)) for d, a in zip(primitive.domain, row, strict=True)) for row in block]
        rows = np.concatenate([rows, rng.permutation(block[np.isfinite(block).all(axis=1) & np.array(inside)])])
    return rows[:count]


# --- small named functions of a list of numbers -------------------------------------------------------------


@dataclass(frozen=True)
class Example:
    """A smooth function of a list of numbers with a point to look at; `degree` if it is homogeneous."""

    name: str
    function: Callable
    point: tuple[float, ...]
    degree: float | None = None


def rosenbrock(v):
    """(1 - x)² + 100 (y - x²)², in a chain."""
    return sum((1 - a) ** 2 + 100 * (b - a * a) ** 2 for a, b in pairwise(v))


def himmelblau(v):
    """Four minima of value 0."""
    x, y = v
    return (x * x + y - 11) ** 2 + (x + y * y - 7) ** 2


def neuron(v):
    """σ(wx + b)."""
    w, x, b = v
    return al.sigmoid(w * x + b)


def tower(v):
    """x to the power of itself, times y."""
    x, y = v
    return x**x * y


def fibonacci(v):
    """A straight-line program whose number of paths grows like the Fibonacci numbers."""
    a, b = v
    for _ in range(12):
        a, b = b, al.sin(a) + b / 2
    return a * b


def network(v):
    """A 2-2-1 network of tanh units on one sample."""
    h = [al.tanh(v[0] * 0.5 - v[1] * 1.5 + v[2]), al.tanh(v[3] * 0.5 - v[4] * 1.5 + v[5])]
    return (al.sigmoid(h[0] * v[6] + h[1] * v[7] + v[8]) - 1) ** 2


def special_functions(v):
    """Functions of three families, added."""
    x, y = v
    return al.lgamma(x) * al.erf(y) + al.log1p(x * x) * al.atan2(y, x) + al.logaddexp(x, y)


def newton(v):
    """Square root of a by five Newton steps from x: a loop."""
    a, x = v
    for _ in range(5):
        x = (x + a / x) / 2
    return x * al.exp(-x)


def pharmacy(v):
    """Dose · (exp(-kt) - exp(-lt)) · k/(k - l)."""
    k, l, t = v
    return 3 * k / (k - l) * (al.exp(-l * t) - al.exp(-k * t))


EXAMPLES = (
    Example("polynomial", lambda v: 3 * v[0] ** 4 - 2 * v[0] * v[1] ** 3 + v[1], (0.7, -1.3)),
    Example("rosenbrock", rosenbrock, (-1.2, 1.0, 0.3, 0.8)),
    Example("himmelblau", himmelblau, (1.5, -0.5)),
    Example("neuron", neuron, (0.3, -0.8, 0.1)),
    Example("tower", tower, (1.7, 0.4)),
    Example("fibonacci", fibonacci, (0.3, 0.9)),
    Example("network", network, (0.1, -0.4, 0.3, 0.7, 0.2, -0.5, 0.9, -1.1, 0.25)),
    Example("special functions", special_functions, (2.3, 0.6)),
    Example("newton", newton, (1.9, 0.8)),
    Example("pharmacy", pharmacy, (1.4, 0.3, 0.9)),
)

COMPOSED = (
    Example("softmax", lambda v: al.softmax(v)[0], (0.7, -1.3, 0.2)),
    Example("log_softmax", lambda v: al.log_softmax(v)[1], (0.7, -1.3, 0.2)),
    Example("logsumexp", al.logsumexp, (0.7, -1.3, 0.2)),
    Example("norm", al.norm, (0.7, -1.3, 0.2)),
    Example("dot", lambda v: al.dot(v[:2], v[2:]), (0.7, -1.3, 0.2, 1.1)),
    Example("sum", lambda v: al.sum([x * x for x in v]), (0.7, -1.3, 0.2)),
    Example("prod", al.prod, (0.7, -1.3, 0.2)),
    Example("take", lambda v: al.take([v[0] * v[1], al.sin(v[0]), v[1] ** 2], al.floor(v[2])) * v[2], (0.7, -1.3, 1.4)),
    Example("mean", lambda v: al.mean([x**3 for x in v]), (0.7, -1.3, 0.2)),
    *(
        Example(f.__name__, lambda v, f=f: f(v[0]), (x,))
        for f in (al.gelu, al.silu, al.elu, al.selu, al.softsign)
        for x in (0.7, -1.3)
    ),
)

HOMOGENEOUS = (
    Example("linear", lambda v: 2 * v[0] - 3 * v[1], (0.7, 1.1), 1),
    Example("product", lambda v: v[0] * v[1] * v[2], (0.5, -1.7, 2.2), 3),
    Example("norm", lambda v: al.sqrt(v[0] * v[0] + v[1] * v[1]), (3.0, -0.2), 1),
    Example("hypot", lambda v: al.hypot(v[0], v[1]), (1e200, -3e199), 1),
    Example("ratio", lambda v: v[0] / v[1] + v[1] / v[2], (0.5, -1.7, 2.2), 0),
    Example("cobb-douglas", lambda v: v[0] ** 0.3 * v[1] ** 0.7, (2.0, 5.0), 1),
    Example("quadratic form", lambda v: v[0] * v[0] + 3 * v[0] * v[1] - v[1] * v[1], (0.4, 1.9), 2),
    Example("angle", lambda v: al.atan2(v[0], v[1]), (1.2, -0.4), 0),
    Example("entropy of scale", lambda v: al.log(v[0] / v[1]) * v[2], (1.2, 0.4, 0.9), 1),
)

MAPS = (
    Example("polar", lambda v: [v[0] * al.cos(v[1]), v[0] * al.sin(v[1])], (1.3, 0.4)),
    Example("wide", lambda v: [v[0] * v[1], v[1] ** 2, al.exp(v[0]), v[0] - v[1], al.tanh(v[0] * v[1])], (0.6, -0.9)),
    Example("narrow", lambda v: [v[0] * v[1] + v[2] / v[3]], (0.6, -0.9, 1.5, 2.5)),
    Example("shared", lambda v: [(s := al.sin(v[0] * v[1])) * v[2], s + v[2], s * s], (0.6, -0.9, 1.5)),
)


def by_name(example):
    """Name a parametrised case."""
    return example.name
