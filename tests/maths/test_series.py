"""Taylor coefficients: against 60 digits, closed forms and nested derivatives; edges; every executor; messages."""

import math
from dataclasses import dataclass

import mpmath
import numpy as np
import pytest
from reference import REFERENCE
from tiers import full, mostly_full

import autograd_lite as al
from autograd_lite.errors import ArgumentError, HandMadeNodeError, OperandError, StaleGraphError
from autograd_lite.maths import series
from autograd_lite.tape.lookups import Row

V = al.Variable
inf, nan = math.inf, math.nan
EPS = 2.0**-52

# ------------------------------------------------------------------------------------------------------ against mpmath

#: Where an operation is expanded: away from the ends of its domain, so that coefficients of order 12 are of its own size.
POINTS = {
    "acosh": (2.5,), "log1mexp": (1.5,), "gamma": (2.6,), "lgamma": (2.6,), "digamma": (2.6,), "polygamma": (2.0, 2.6),
    "floor": (1.4,), "ceil": (1.4,), "trunc": (1.4,), "round": (1.4, 0.0), "mod": (5.3, 2.1), "floordiv": (5.3, 2.1),
    "clip": (0.4, -1.0, 1.0), "where": (1.0, 0.7, 2.0), "heaviside": (0.4, 0.5), "moment_ratio": (4.0, 2.0),
    "sinc_derivative": (0.6, 1.0), "ndtri": (0.4,), "logit": (0.4,), "log": (1.7,), "log2": (1.7,), "log10": (1.7,),
    "sqrt": (1.7,), "cbrt": (1.7,), "inv": (1.7,), "div": (0.8, 1.7), "pow": (1.7, 1.3), "xlogy": (0.8, 1.7),
    "atan2": (0.8, 1.7), "hypot": (0.8, 1.7), "softsign": (1.2,), "log_of_sum": (0.7, 1.2), "log_of_excess": (0.7, 1.2),
    "share": (1.4, 1.2), "abs": (-1.2,), "relu": (1.2,), "leaky_relu": (-1.2, 0.1), "sign": (1.2,), "step": (1.2,),
    "copysign": (1.2, -1.0), "maximum": (0.7, 1.4), "minimum": (0.7, 1.4), "less": (0.7, 1.4),
    **dict.fromkeys(("polygamma_gap", "gammainc_by_a", "gamma_density_by_a"), (1.7, 1.3, 1.0)),
    "t_cdf_by_df": (0.6, 3.0, 1.0),
    **dict.fromkeys(("gamma_quantile", "upper_gamma_quantile"), (1.7, 0.3)), "t_quantile": (0.3, 3.0),
    **dict.fromkeys(("beta_quantile", "upper_beta_quantile"), (1.7, 1.3, 0.3)), "poisson_quantile": (0.3, 2.0, 0.0),
    "binom_quantile": (0.3, 5.0, 0.4, 0.0), "nbinom_quantile": (0.3, 5.0, 0.4, 0.0),
    "stirling_error": (1.7, 0.0), "bessel_j": (1.2, 2.0), "bessel_i": (1.2, 2.0), "lower_beta": (0.6, 1.3, 0.3),
    "upper_beta": (0.6, 1.3, 0.3), "erfinv": (0.3,), "asin": (0.3,), "acos": (0.3,), "atanh": (0.3,), "tan": (0.3,),
}  # fmt: skip
#: Arguments that are no place for a derivative: an order, a count of digits, a condition.
CONSTANT = {
    "polygamma": (0,), "moment_ratio": (1,), "sinc_derivative": (1,), "round": (1,), "where": (0,), "stirling_error": (1,),
    "bessel_j": (1,), "bessel_i": (1,), "t_cdf": (1,),
    **dict.fromkeys(("polygamma_gap", "gammainc_by_a", "gamma_density_by_a", "t_cdf_by_df"), (2,)),
    **dict.fromkeys(("gamma_quantile", "upper_gamma_quantile"), (0,)), "t_quantile": (1,),
    **dict.fromkeys(("lower_beta", "upper_beta", "beta_quantile", "upper_beta_quantile"), (0, 1)),
    **dict.fromkeys(("poisson_quantile",), (2,)),
    **dict.fromkeys(("binom_quantile", "nbinom_quantile"), (3,)),
}  # fmt: skip
#: What has no series, and what the oracle differentiates by differences, which have no digits at the second order.
LEFT_OUT = {"hold", "plain", "betainc_by", "beta_density_by"}
OF_TABLE = sorted(n for n, p in al.PRIMITIVES.items() if p.built_in and n in REFERENCE and n not in LEFT_OUT)


def line_through(name, order=12):
    """An operation along a bent line through its point, in both arithmetics."""
    at = POINTS.get(name, (0.6, 1.3, 0.2)[: al.PRIMITIVES[name].arity])
    slopes = (0.3, -0.2, 0.1, 0.2)[: len(at)]
    fixed = CONSTANT.get(name, ())

    def ours(t):
        return al.PRIMITIVES[name](
            *[a if i in fixed else a + s * t + 0.1 * t * t for i, (a, s) in enumerate(zip(at, slopes, strict=True))]
        )

    def theirs(t):
        tenth = mpmath.mpf(0.1)
        parts = [
            mpmath.mpf(a) if i in fixed else mpmath.mpf(a) + mpmath.mpf(s) * t + tenth * t * t
            for i, (a, s) in enumerate(zip(at, slopes, strict=True))
        ]
        return REFERENCE[name].value(*parts)

    with mpmath.workdps(30):  # differences take more by themselves
        exact = mpmath.taylor(theirs, mpmath.mpf(0), order)
    return ours, exact


@pytest.mark.parametrize("name", mostly_full(OF_TABLE, slice(0, None, 6)))
def test_every_operation_to_order_twelve(name):
    """Relative to the largest coefficient, since those of an entire function fall: order² sums of terms of that size.

    Each product is wrong by the ULPs of a partial, at most 12, and one of its own; 144 of them, and 64 for the functions
    without a bound.
    """
    ours, exact = line_through(name)
    found = al.taylor(ours, 0.0, 1.0, 12)
    size = max(abs(c) for c in exact) or 1
    ulp = 64 if al.PRIMITIVES[name].ulp is None else 13
    assert (
        max(float(abs(mpmath.mpf(float(c)) - e) / size) for c, e in zip(found, exact, strict=True)) <= 144 * ulp * EPS
    )


CLOSED = {
    "exp": (al.exp, 0.5, lambda k: math.exp(0.5) / math.factorial(k)),
    "geometric": (lambda x: 1.0 / (1.0 - x), 0.25, lambda k: (4 / 3) ** (k + 1)),
    "inv": (lambda x: al.inv(1.0 - x), 0.25, lambda k: (4 / 3) ** (k + 1)),
    "log": (al.log, 2.0, lambda k: math.log(2) if k == 0 else (-1) ** (k + 1) / (k * 2.0**k)),
    "sin": (al.sin, 0.3, lambda k: (1, 1, -1, -1)[k % 4] * (math.sin, math.cos)[k % 2](0.3) / math.factorial(k)),
    "sqrt": (al.sqrt, 4.0, lambda k: float(mpmath.binomial(0.5, k)) * 2.0 * 4.0**-k),
    "power": (lambda x: x**-2.5, 4.0, lambda k: float(mpmath.binomial(-2.5, k)) * 4.0 ** (-2.5 - k)),
    "cube": (lambda x: x**3, 0.0, lambda k: float(k == 3)),
    "square at 0": (lambda x: x**2, 0.0, lambda k: float(k == 2)),
    "square": (al.square, 1e200, lambda k: (inf, 2e200, 1.0)[k] if k < 3 else 0.0),
    "tiny": (lambda x: 1e-200 / (1.0 - x), 0.25, lambda k: 1e-200 * (4 / 3) ** (k + 1)),
}


@pytest.mark.parametrize("name", CLOSED)
def test_closed_forms_to_order_24(name):
    """Near rounding at every order: 24 terms with one rounding each, and two of the closed form."""
    f, x, closed = CLOSED[name]
    found = al.taylor(f, x, 1.0, 24)
    assert found == pytest.approx([closed(k) for k in range(25)], rel=30 * EPS, abs=0.0)


@full
@pytest.mark.parametrize("seed", range(6))
def test_compositions_to_order_twenty(seed):
    """Five operations deep, against 30 digits; relative to the size of the coefficients at that radius."""
    rng = np.random.default_rng(seed)
    names = rng.choice(["exp", "sin", "cos", "tanh", "atan", "sigmoid", "erf", "asinh", "softplus"], 5)
    scale = rng.uniform(0.3, 0.9, 5).tolist()

    def run(x, call, number):
        for name, s in zip(names, scale, strict=True):
            x = call(str(name))(number(s) * x) + x * x * number(0.1)
        return x

    found = al.taylor(lambda x: run(x, al.PRIMITIVES.__getitem__, float), 0.4, 1.0, 20)
    with mpmath.workdps(30):
        exact = mpmath.taylor(lambda x: run(x, lambda n: REFERENCE[n].value, mpmath.mpf), mpmath.mpf(0.4), 20)
    radius = max(float(abs(c)) ** (1 / k) for k, c in enumerate(exact) if k > 8)
    for k, (c, e) in enumerate(zip(found, exact, strict=True)):
        assert abs(c - float(e)) <= 400 * 13 * EPS * max(1.0, radius) ** k


# -------------------------------------------------------------------------------------------------- against other routes


def entangled(x):
    """Three inputs, most kinds of operation."""
    a, b, c = x
    return al.tanh(a * b) / (1.0 + c * c) + al.maximum(a, b) ** 1.5 * al.log(2.0 + al.sin(c)) - a**c


POINT, DIRECTION = np.array([0.7, 1.2, 0.4]), np.array([0.5, -0.3, 1.1])


def test_the_coefficients_are_nested_derivatives():
    """(1/k!) times the k-th derivative along the line, by nested `grad` of a number; k·order ULP of terms of this size."""

    def along(t):
        return entangled(POINT + t * DIRECTION)

    found, derivative = al.taylor(entangled, POINT, DIRECTION, 4), along
    for k in range(5):
        assert found[k] == pytest.approx(derivative(0.0) / math.factorial(k), rel=1e-13)
        derivative = al.grad(derivative)


def test_the_first_two_are_those_of_jvp():
    """Value and tangent."""
    assert al.taylor(entangled, POINT, DIRECTION, 1) == pytest.approx(
        al.jvp(entangled, (POINT,), (DIRECTION,)), rel=4 * EPS
    )


def test_half_the_second_derivative_is_a_hessian_product():
    """v·H·v / 2."""
    curvature = DIRECTION @ al.hessian(entangled)(POINT) @ DIRECTION
    assert al.taylor(entangled, POINT, DIRECTION, 2)[2] == pytest.approx(curvature / 2, rel=1e-14)


def test_the_polynomial_is_the_function():
    """With order 30 to the last digits."""
    c = al.taylor(lambda x: al.exp(al.sin(x)), 0.3, 1.0, 30)
    assert np.polyval(c[::-1], 0.2) == pytest.approx(math.exp(math.sin(0.5)), rel=4 * EPS)


# ----------------------------------------------------------------------------------------------------- edges, executors

cube = al.Primitive(name="cube_of_series", value=lambda x: x * x * x, partials=(lambda x, y: 3.0 * x * x,))
table = np.array([1.0, 2.0, 3.0])

#: Function, point, the coefficients to order 4 along 1.
EDGES = {
    "where": (lambda x: al.where(x < 1, x, al.sqrt(x - 1)), 0.5, [0.5, 1, 0, 0, 0]),
    "where at the edge of the other": (lambda x: al.where(x < 1, x * x, al.sqrt(x)), 0.0, [0, 0, 1, 0, 0]),
    "root of what is cut": (lambda x: al.sqrt(al.maximum(x, 0.0)) + x, -1.0, [-1, 1, 0, 0, 0]),
    "root of a constant branch": (lambda x: al.sqrt(al.where(x > 0, x, 0.0)), -1.0, [0, 0, 0, 0, 0]),
    "product with a constant branch": (lambda x: al.exp(x) * al.where(x > 9, x, 2.0), 0.0, [2, 2, 1, 1 / 3, 1 / 12]),
    "quotient by a constant branch": (
        lambda x: al.exp(x) / al.where(x > 9, x, 2.0),
        0.0,
        [0.5, 0.5, 0.25, 1 / 12, 1 / 48],
    ),
    "abs at its kink": (lambda x: abs(x) * (1 + x), 0.0, [0, 0, 0, 0, 0]),
    "relu at its kink": (lambda x: al.relu(x) + x, 0.0, [0, 1, 0, 0, 0]),
    "tie of maximum": (lambda x: al.maximum(x, x * x), 1.0, [1, 1.5, 0.5, 0, 0]),
    "power below its order": (lambda x: x**2.5, 0.0, [0, 0, 0, inf, -inf]),
    "root at 0": (al.sqrt, 0.0, [0, inf, -inf, inf, -inf]),
    "half power at 0": (lambda x: x**0.5, 0.0, [0, inf, -inf, inf, -inf]),
    "pole": (lambda x: 1 / x, 0.0, [inf, -inf, inf, -inf, inf]),
    "log at 0": (al.log, 0.0, [-inf, inf, -inf, inf, -inf]),
    "nan stays": (lambda x: 2 * al.log(x) + x, -1.0, [nan] * 5),
    "step functions": (lambda x: al.floor(x) * x + al.sign(x), 1.5, [2.5, 1, 0, 0, 0]),
    "mod": (lambda x: (x % 1.0) ** 2, 1.25, [0.0625, 0.5, 1, 0, 0]),
    "if": (lambda x: x * x if x > 1 else 3 * x, 0.5, [1.5, 3, 0, 0, 0]),
    "constant": (lambda _: 3.0, 0.5, [3, 0, 0, 0, 0]),
    "identity": (lambda x: x, 0.5, [0.5, 1, 0, 0, 0]),
    "scan": (
        lambda x: al.scan(lambda c, t: (c * x + t, c), 1.0, table)[0],
        2.0,
        [8 + 4 + 4 + 3, 12 + 4 + 2, 6 + 1, 1, 0],
    ),
    "while_loop": (lambda x: al.while_loop(lambda c: c < 10, lambda c: c * x, x), 3.0, [27, 27, 9, 1, 0]),
    "take": (lambda x: al.take(np.array([x, x * x, x**3]), 2) * al.take(table, 1), 0.5, [0.25, 1.5, 3, 2, 0]),
    "take at data": (lambda x: al.take(al.array([x, x * x, x**3]), al.floor(x)), 1.5, [2.25, 3, 1, 0, 0]),
    "vmap": (lambda x: al.sum(al.vmap(lambda t: (t * x) ** 2)(table)), 0.5, [3.5, 14, 14, 0, 0]),
    "jit of vmap": (lambda x: al.sum(al.jit(al.vmap(lambda t: (t * x) ** 2))(table)), 0.5, [3.5, 14, 14, 0, 0]),
    "grad": (lambda x: al.grad(lambda z: z**3 * x)(x), 0.5, [0.375, 2.25, 4.5, 3, 0]),
    "hessian": (lambda x: al.hessian(lambda z: z**3 * x)(x), 0.5, [1.5, 6, 6, 0, 0]),
    "taylor": (lambda x: al.taylor(lambda z: z**3 * x, x, 1.0, 2)[1], 0.5, [0.375, 2.25, 4.5, 3, 0]),
    "own operation": (lambda x: cube(x) * x, 0.5, [0.0625, 0.5, 1.5, 2, 1]),
    "stopped": (lambda x: al.stop_gradient(x) * x, 0.5, [0.25, 0.5, 0, 0, 0]),
    "long array": (lambda x: (np.linspace(0, 1, 600) * x**2).sum(), 0.5, [75, 300, 300, 0, 0]),
}


def lanes_of(f):
    """The middle of three equal lanes."""

    def run(x, v):
        return f(np.full(3, x), np.full(3, v))[1]

    return run


@pytest.mark.parametrize("name", EDGES)
def test_edges_in_every_executor(name):
    """Eager, compiled, in lanes, in compiled lanes: the same coefficients, those of the branch that was taken."""
    f, x, expected = EDGES[name]

    def series(x, v):
        return al.taylor(f, x, v, 4)

    found = series(x, 1.0)
    assert found == pytest.approx(expected, rel=1e-14, abs=1e-15, nan_ok=True)
    for other in (al.jit(series), lanes_of(al.vmap(series)), lanes_of(al.jit(al.vmap(series)))):
        exact = 1e-12 if name == "long array" else 0.0  # which is added up in a tree
        assert other(x, 1.0) == pytest.approx(found, rel=exact, abs=0.0, nan_ok=True)


def test_one_compiled_series_serves_all_branches():
    """Numbers that branch otherwise take another path: also those of a power at 0."""
    f = al.jit(lambda x: al.taylor(lambda x: x**2.5 if x < 1 else al.where(x < 2, x, al.sqrt(x - 2)), x, 1.0, 3))
    for x in (0.5, 0.0, 1.5, 3.0, 0.25, 2.0):
        expected = al.taylor(lambda x: x**2.5 if x < 1 else al.where(x < 2, x, al.sqrt(x - 2)), x, 1.0, 3)
        assert np.array_equal(f(x), expected, equal_nan=True)


def test_lanes_of_mixed_branches():
    """Each lane has its own branch, and what the others have does not poison it."""
    x = np.array([-1.0, 0.0, 0.5, 2.0])

    def series(x):
        return al.taylor(lambda x: al.where(x > 0, al.sqrt(x), x * x), x, 1.0, 3)

    expected = np.array([series(float(n)) for n in x])
    assert np.array_equal(al.vmap(series)(x), expected)
    assert np.array_equal(al.jit(al.vmap(series))(x), expected)


# ------------------------------------------------------------------------------------------------ derivatives of series


def third(w, x, v):
    """-w³·cos(w·x)·v³/6."""
    return al.taylor(lambda x: al.sin(w * x), x, v, 3)[3]


@pytest.mark.parametrize("transform", [lambda f: f, al.jit])
def test_derivatives_of_a_coefficient(transform):
    """By a captured number, by the point and by the direction; within six roundings."""
    w, x, v = 2.0, 0.3, 1.5
    c, s = math.cos(w * x), math.sin(w * x)
    expected = (-(3 * w * w * c - w**3 * x * s) * v**3 / 6, w**4 * s * v**3 / 6, -(w**3) * c * v * v / 2)
    assert transform(al.grad(third, (0, 1, 2)))(w, x, v) == pytest.approx(expected, rel=6 * EPS)


def test_second_derivatives_of_a_coefficient():
    """∂²/∂x² of half the second derivative of the sine is half the sine."""
    assert al.hessian(lambda x: al.taylor(al.sin, x, 1.0, 2)[2])(0.3) == pytest.approx(math.sin(0.3) / 2, rel=4 * EPS)


def test_captured_variables_give_variables():
    """Coefficients then depend on them; without them they are floats."""
    w = V(2.0)
    found = al.taylor(lambda x: w * x * x, 3.0, 1.0, 3)
    assert [c.value for c in found] == [18.0, 12.0, 2.0, 0.0]
    assert al.gradients(found[1], w) == 6.0
    assert w.grad is None
    assert al.taylor(al.sin, 0.5, 1.0, 2).dtype == np.float64


def test_a_variable_as_direction():
    """Only the coefficients from 1 on depend on it."""
    v = V(2.0)
    found = al.taylor(lambda x: x * x, 3.0, v, 2)
    assert found[0] == 9.0
    assert [al.gradients(c, v) for c in found[1:]] == [6.0, 4.0]


# --------------------------------------------------------------------------------------------------------- structures


@al.register_dataclass
@dataclass
class Pair:
    """A nest."""

    a: float
    b: np.ndarray


def test_nests_in_and_out():
    """A leading axis in each leaf of the output."""
    x, v = Pair(2.0, np.array([1.0, 3.0])), Pair(1.0, np.array([0.0, 1.0]))
    found = al.taylor(lambda p: {"out": Pair(p.a * p.a, p.a * p.b), "list": [p.b[1]]}, x, v, 2)
    assert found["out"].a.tolist() == [4.0, 4.0, 1.0]
    assert found["out"].b.tolist() == [[2.0, 6.0], [1.0, 5.0], [0.0, 1.0]]
    assert found["list"][0].tolist() == [3.0, 1.0, 0.0]


def test_order_zero_and_one():
    """The value alone; value and slope."""
    assert al.taylor(lambda x: x * x, 3.0, 1.0, 0).tolist() == [9.0]
    assert al.taylor(lambda x: x * x, 3.0, 2.0, np.int64(1)).tolist() == [9.0, 12.0]
    assert al.taylor(lambda x: x[:0], np.ones(2), np.ones(2), 2).shape == (3, 0)


# ----------------------------------------------------------------------------------------------------------- size, cost


def test_long_programs_need_no_recursion():
    """20,000 operations in a row: x·(1 - 1e-5)^n, of which the first coefficients are known."""
    f = 1.0 - 2.0**-16

    def long(x):
        for _ in range(4000):
            x = al.neg(x * f)
        return x

    assert al.taylor(long, 2.0, 1.0, 3) == pytest.approx([2 * f**4000, f**4000, 0, 0], rel=1e-11)


def test_high_orders_need_no_recursion():
    """Partials that lead to ever new operations: lgamma to order 80 has (-1)ᵏ ζ(k, x)/k."""
    found = al.taylor(al.lgamma, 3.0, 1.0, 80)
    for k in (2, 30, 80):
        assert found[k] == pytest.approx(float((-1) ** k * mpmath.zeta(k, 3) / k), rel=1e-12, abs=0.0)


@pytest.mark.parametrize(
    "f", [lambda x: al.sin(x) * x, lambda x: al.exp(x) / (1 + x * x), lambda x: (1 + x * x) ** 0.3]
)
def test_the_cost_grows_with_the_square_of_the_order(f):
    """Operations of a traced series: twice the order takes at most about four times."""
    count = [len(al.trace(lambda x, k=k: al.taylor(f, x, 1.0, k), 0.5)) for k in (8, 16, 32)]
    assert count[1] < 4.2 * count[0]
    assert count[2] < 4.2 * count[1]


# ------------------------------------------------------------------------------------------------------------- messages


@pytest.mark.parametrize(("order", "text"), [(-1, "-1"), (2.5, "2.5"), (True, "True"), ("2", "'2'"), (None, "None")])
def test_orders_that_are_none(order, text):
    """A whole number from 0 on."""
    with pytest.raises(ArgumentError, match=rf"^order={text} of taylor: give a whole number from 0 on\.$"):
        al.taylor(al.sin, 0.3, 1.0, order)


def test_a_traced_order():
    """The number of coefficients is no data."""
    with pytest.raises(
        ArgumentError, match=r"from 0 on\. It is a number of Python, also where jit or vmap trace the rest\."
    ):
        al.jit(lambda x, k: al.taylor(al.sin, x, 1.0, k))(0.3, 2)


def test_other_messages():
    """A call instead of a function, another structure, text, a graph that knows numbers only, a number set meanwhile."""
    with pytest.raises(
        ArgumentError, match=r"^taylor takes a function and got 0\.5\. Write taylor\(f, x, v, order\)\.$"
    ):
        al.taylor(0.5, 0.3, 1.0, 2)
    with pytest.raises(
        ArgumentError, match=r"^the numbers of v \[\*\] do not match x, \*\. Give them in that structure\.$"
    ):
        al.taylor(al.sin, 0.3, [1.0], 2)
    with pytest.raises(OperandError, match="the output of <lambda>"):
        al.taylor(lambda _: "text", 0.3, 1.0, 2)
    with pytest.raises(HandMadeNodeError, match="was made by hand"):
        al.taylor(lambda x: V(x.value**2, ((x, 2 * x.value),)), 0.3, 1.0, 2)
    w = V(2.0)

    def changing(x):
        y = w * x / (w + x)
        w.value = 3.0
        return y

    with pytest.raises(StaleGraphError, match="was set after"):
        al.taylor(changing, 0.3, 1.0, 2)


def test_look_ups_are_refused():
    """They have no partials; loops, maps and look-ups of this library are written out before."""
    with pytest.raises(OperandError, match="^taylor cannot follow row_0_of_1, a look-up in a table"):
        series._is_step(Row(0, 1, 3))


# ------------------------------------------------------------------------------------ operations with many results

RNG = np.random.default_rng(20)
MATRIX, ALONG = RNG.normal(size=(6, 6)) + 3.0 * np.eye(6), RNG.normal(size=(6, 6))
SIX = np.linspace(0.5, 1.5, 6)

#: Of more rows than scalar code serves.
MATRICES = {
    "solve": lambda a: al.linalg.solve(a, a[0] * a[1]),
    "inv": lambda a: al.linalg.inv(a)[2],
    "det": al.linalg.det,
    "slogdet": lambda a: al.linalg.slogdet(a)[1],
    "cholesky": lambda a: al.linalg.cholesky(a @ a.T + 6.0 * np.eye(6))[5],
    "eigvalsh": lambda a: al.linalg.eigvalsh(a + a.T),
    "eigh": lambda a: al.linalg.eigh(a + a.T)[1][:, 2] ** 2,
    "svdvals": al.linalg.svdvals,
    "lstsq": lambda a: al.linalg.lstsq(a[:, :3], a[:, 4])[0],
    "pinv": lambda a: al.linalg.pinv(a[:, :3])[1],
    "expm": lambda a: al.linalg.expm(0.1 * a)[2],
    "branch": lambda a: al.where(a[0, 0] > 0.0, al.linalg.solve(a, a[1]), al.linalg.solve(a.T, a[2])),
    "other branch": lambda a: al.where(a[0, 0] > 9.0, al.linalg.solve(a, a[1]), al.linalg.solve(a.T, a[2])),
}
SOLVERS = {
    "root": lambda p: al.root(lambda x: 2.0 * x + al.sin(np.roll(x, 1)) * p - p, 0.0 * p),
    "fixed_point": lambda p: al.fixed_point(lambda x: 0.1 * (ALONG @ al.cos(x)) + p, 0.0 * p),
    "argmin": lambda p: al.argmin(lambda x: al.sum((x - p) ** 2) + 0.1 * al.sum(x) ** 4, 0.0 * p),
    "odeint": lambda p: al.odeint(lambda y, _: al.sin(y) - p * y, p, np.array([0.0, 0.5]), method="rk4")[-1],
}
CASES = {**{n: (f, MATRIX, ALONG) for n, f in MATRICES.items()}, **{n: (f, SIX, SIX[::-1]) for n, f in SOLVERS.items()}}


def nested(f, x, v, order):
    """The coefficients by derivatives of derivatives."""
    rows, g = [], lambda t: f(x + t * v)
    for k in range(order + 1):
        rows.append(np.asarray(g(0.0), dtype=float) / math.factorial(k))
        g = al.jacobian(g)
    return np.array(rows)


@pytest.mark.parametrize("name", mostly_full(sorted(CASES), slice(0, None, 2)))
def test_operations_with_many_results(name):
    """They were refused from five rows on; eagerly, compiled, in lanes. Each order loses some digits of the condition."""
    f, x, v = CASES[name]
    wanted = nested(f, x, v, 3)
    routes = {
        "eager": lambda: al.taylor(f, x, v, 3),
        "jit": lambda: al.jit(lambda a: al.taylor(f, a, v, 3))(x),
        "vmap": lambda: al.vmap(lambda a: al.taylor(f, a, v, 3))(np.stack([1.1 * x, x]))[1],
    }
    for route, found in routes.items():
        assert np.abs(np.asarray(found()) - wanted).max() <= 1e-13 * np.abs(wanted).max(), route


def test_a_linear_system_to_order_eight():
    """Against 40 digits, and its own derivative by a parameter of the point."""
    ones = np.ones(6)

    def theirs(t):
        a = mpmath.matrix(MATRIX.tolist()) + t * mpmath.matrix(ALONG.tolist())
        return mpmath.lu_solve(a, mpmath.matrix(ones.tolist()))[0]

    with mpmath.workdps(40):
        exact = [float(c) for c in mpmath.taylor(theirs, 0, 9)]
    found = al.taylor(lambda a: al.linalg.solve(a, ones)[0], MATRIX, ALONG, 8)
    np.testing.assert_allclose(found, exact[:9], rtol=1e-12, atol=1e-13 * max(map(abs, exact)))

    def along(s):
        return al.taylor(lambda a: al.linalg.solve(a, ones)[0], MATRIX + s * ALONG, ALONG, 4)

    slopes = [(k + 1) * exact[k + 1] for k in range(5)]
    np.testing.assert_allclose(al.jacobian(along)(0.0), slopes, rtol=1e-11)


def test_a_singular_matrix_on_the_way():
    """An error eagerly; in lanes NaN, and the neighbour is right."""

    def f(t):
        return al.taylor(lambda s: al.linalg.solve(MATRIX * s, SIX)[0], t, 1.0, 2)

    with pytest.raises(al.MatrixError):
        f(0.0)
    found = al.vmap(f)(np.array([0.0, 1.0]))
    assert np.isnan(found[0]).all()
    np.testing.assert_allclose(found[1], f(1.0), rtol=1e-13)


def test_work_grows_with_the_square_of_the_order():
    """Each order adds one system and products, where nested derivatives would double them."""

    def nodes(order):
        before = V(0.0).number
        al.taylor(lambda a: al.linalg.solve(a, SIX), MATRIX, ALONG, order)
        return V(0.0).number - before

    assert nodes(8) - nodes(7) <= nodes(4) - nodes(3)
