"""check_grads: passes what is right, rejects what is 0.05 % off, and says where."""

import itertools
import math

import numpy as np
import pytest
from tiers import mostly_full

import autograd_lite as al
from autograd_lite.primitives import COMPARISONS, PRIMITIVES

FLAT = {rule.name for rule in COMPARISONS.values()} | {
    "where",
    "less",
    "step",
    "sign",
    "floor",
    "ceil",
    "trunc",
    "round",
    "floordiv",
    "heaviside",
    "hold",
    "plain",
    "logical_and",
    "logical_or",
    "logical_not",
}
WHOLE_NUMBER = {
    "moment_ratio",
    "polygamma",
    "sinc_derivative",
    "stirling_error",
    "polygamma_gap",
    "gammainc_by_a",
    "bessel_j",
    "bessel_i",
    "betainc_by",
    "beta_density_by",
    "t_cdf_by_df",
    "poisson_quantile",
    "binom_quantile",
    "nbinom_quantile",
    "gamma_density_by_a",
}  # have an argument that is not differentiated by
NAMES = sorted(name for name, rule in PRIMITIVES.items() if rule.built_in and name not in FLAT | WHOLE_NUMBER)


def arguments_of(rule):
    """A smooth point inside the domain, away from ties."""
    return [min(max(0.37 + 0.29 * i, d.lower + 0.2), d.upper - 0.2) for i, d in enumerate(rule.domain)]


def altered(rule, change):
    """The same operation with its first non-zero partial changed."""
    partials = [p if callable(p) else (lambda *_, p=p: p) for p in rule.partials]
    partials[0] = change(partials[0])
    return al.Primitive(name=f"altered_{rule.name}", value=rule.value, partials=tuple(partials), replace=True)


@pytest.mark.parametrize("name", mostly_full(NAMES, slice(0, None, 2)))
@pytest.mark.parametrize("factor", [1.0, 1.0005, 0.9995, -1.0])
def test_every_rule_right_and_wrong(name, factor):
    """Factor 1 passes; 0.05 % either way and a flipped sign are rejected, for every smooth rule of the table."""
    rule = PRIMITIVES[name]
    point = arguments_of(rule)
    if name in ("clip", "leaky_relu", "copysign"):
        point[0] = 1.3
    if name == "clip":
        point[1:] = [0.1, 5.0]
    if name == "maximum":
        point = [2.0, 1.0]
    copy = altered(rule, lambda partial: lambda *a: factor * partial(*a))
    if factor == 1.0:
        al.check_grads(copy, point, order=1)
    else:
        with pytest.raises(al.GradientCheckError, match="do not agree"):
            al.check_grads(copy, point, order=1)


def test_swapped_partials_are_rejected():
    """The two partials of div, exchanged."""
    swapped = al.Primitive(name="swapped", value=al.div.value, partials=al.div.partials[::-1])
    with pytest.raises(al.GradientCheckError):
        al.check_grads(swapped, (1.0, 2.0), order=1)


def test_wrong_second_order_is_rejected():
    """Right gradient, built so that its own derivative is missing."""
    frozen = al.Primitive(name="frozen", value=math.exp, partials=(lambda x, y: al.stop_gradient(y),))
    al.check_grads(frozen, (0.5,), order=1)
    with pytest.raises(al.GradientCheckError, match=r"\n    2  argument 0"):
        al.check_grads(frozen, (0.5,), order=2)


def test_table_names_what_differs():
    """Argument, element, both numbers, and how many in all."""
    wrong = al.Primitive(name="wrong_square", value=lambda x: x * x, partials=(lambda x, y: 2.01 * x,))

    def f(p, v):
        return p["a"] * v[0] + wrong(v[1])

    with pytest.raises(al.GradientCheckError) as caught:
        al.check_grads(f, ({"a": 2.0}, np.array([1.0, 3.0])), order=1)
    message = str(caught.value)
    assert "derivatives of f at" in message
    assert "argument 1[1]" in message
    assert "+6.0300000000e+00  +6.000000000" in message
    assert "argument 1[0]" not in message
    assert message.endswith("1 of 3 derivatives differ.")


def test_kink_is_reported_as_not_smooth():
    """No finite difference can tell there."""
    with pytest.raises(al.GradientCheckError, match="do not agree(.|\n)*DIFFERS"):
        al.check_grads(al.relu, (0.0,), order=1)
    with pytest.raises(al.GradientCheckError, match="cannot be judged(.|\n)*NOT SMOOTH"):
        al.check_grads(lambda x: al.sin(1 / x) * al.sqrt(x), (1e-9,), order=1)


@pytest.mark.parametrize(
    ("f", "args"),
    [
        (lambda x: x**0.5, (1e-3,)),
        (lambda x: al.exp(x), (300.0,)),
        (lambda x: 1e-12 * al.sin(x), (1.0,)),
        (lambda x: 1e12 * al.sin(x), (1.0,)),
        (lambda x: al.sin(50 * x), (0.3,)),
        (lambda x: 1 / x, (0.05,)),
        (lambda x, y: x + 1e-9 * y, (1.0, 2.0)),
        (lambda x: 3.0, (1.0,)),
        (lambda v: [v.sum(), v[0] * v[1]], (np.array([1.0, -2.0]),)),
        (lambda x: x * 0.0, (2.0,)),
        (lambda x: al.log(x), (1e5,)),
        (lambda x: al.log(x), (1e-5,)),
        (lambda x: al.sqrt(x), (1e-8,)),
        (lambda x: 1 / x, (1e-3,)),
    ],
)
def test_right_gradients_of_every_size_pass(f, args):
    """Steep, flat, large, small, constant, with several outputs."""
    al.check_grads(f, args, order=2)


def test_forward_and_reverse_must_agree():
    """A function that is different each time is caught."""
    state = iter(range(1, 100))
    with pytest.raises(al.GradientCheckError):
        al.check_grads(lambda x: x * x * next(state), (1.0,), order=1)


def test_wrong_use():
    """In words."""
    for order in (0, -1, 1.5, True):
        with pytest.raises(al.ArgumentError, match="give 1, 2, 3"):
            al.check_grads(al.sin, (1.0,), order=order)
    with pytest.raises(al.ArgumentError, match="give a tuple"):
        al.check_grads(al.sin, 1.0)


# ------------------------------------------------------------------------------------------------------ every scale

#: Units of the value and of the argument.
UNITS = [1e-200, 1e-150, 1e-23, 1e-12, 1.0, 1e12, 1e23, 1e150, 1e200]

#: A function of u, its derivative by u.
SHAPES = {
    "square": (lambda u: u * u, lambda u: 2.0 * u),
    "sin": (math.sin, al.cos),
    "exp": (lambda u: math.exp(min(u, 700.0)), al.exp),
    "log": (lambda u: math.log(u) if u > 0.0 else math.nan, lambda u: 1.0 / u),
    "sin beside 1e4": (lambda u: 1e4 + math.sin(u), al.cos),
}


def scaled(shape, unit, per, factor):
    """The operation unit·shape(per·x) with its derivative off by a factor."""
    function, slope = SHAPES[shape]
    return al.Primitive(
        name="scaled",
        value=lambda x: unit * function(x * per),
        partials=(lambda x, y: (unit * per * factor) * slope(x * per),),
        replace=True,
    )


@pytest.mark.parametrize("shape", mostly_full(SHAPES, slice(0, None, 2)))
@pytest.mark.parametrize("factor", mostly_full([1.0, 0.0, -1.0, 2.0, 1.1, 1.0005], [0, 1, -1]))
def test_checks_have_no_unit(shape, factor):
    """kB·T² with the derivative kB·T passed: tolerances had absolute floors. Both checks, at every pair of scales."""
    for unit, per in itertools.product(UNITS, UNITS):
        if not 1e-300 < unit * per < 1e300:
            continue
        for u in (0.7, 3.0, 1e-3) if unit == 1.0 or per == 1.0 else (0.7,):
            rule, x = scaled(shape, unit, per, factor), u / per
            answer = al.audit(rule(al.Variable(x)))
            assert answer.checked == 1, (unit, per, u)
            assert answer.cause == ("none" if factor == 1.0 else "wrong rule"), (unit, per, u)
            if factor == 1.0:
                al.check_grads(rule, (x,), order=1)
                continue
            with pytest.raises(al.GradientCheckError, match="do not agree"):
                al.check_grads(rule, (x,), order=1)


def test_half_of_a_derivative_in_small_units_is_caught():
    """The energy of a gas in joules."""
    boltzmann = 1.380649e-23
    half = al.Primitive(
        name="half", value=lambda t: boltzmann * t * t, partials=(lambda t, y: boltzmann * t,), replace=True
    )
    with pytest.raises(al.GradientCheckError, match="do not agree"):
        al.check_grads(half, (300.0,), order=1)
    assert al.audit(half(al.Variable(300.0))).faults[0].primitive is half


@pytest.mark.parametrize("factor", [1.0, 1.0005, 0.0])
@pytest.mark.parametrize("unit", [1e-200, 1e-23, 1e23, 1e150])
def test_second_derivatives_have_no_unit(unit, factor):
    """A gradient that is right, with a derivative that is not, among arguments of every size."""
    slope = al.Primitive(name="slope", value=math.cos, partials=(lambda x, y: -factor * al.sin(x),), replace=True)
    wave = al.Primitive(name="wave", value=math.sin, partials=(lambda x, y: slope(x),), replace=True)
    f = lambda x, y: unit * wave(x * 1e100) * al.cos(y / 1e100)
    args = 0.7e-100, 0.4e100
    al.check_grads(f, args, order=1)
    if factor == 1.0:
        al.check_grads(f, args, order=3)
    else:
        with pytest.raises(al.GradientCheckError, match=r"do not agree(.|\n)*    2  argument 0"):
            al.check_grads(f, args, order=2)


def test_a_small_output_does_not_drown_in_a_large_one():
    """Outputs are weighted by their size."""
    wrong = al.Primitive(name="wrong_small", value=lambda x: x * x, partials=(lambda x, y: 2.002 * x,), replace=True)
    with pytest.raises(al.GradientCheckError, match="do not agree"):
        al.check_grads(lambda x: [1e200 * al.sin(x), 1e-200 * wrong(x), 0.0 * x], (0.7,), order=1)


@pytest.mark.parametrize(
    ("f", "args"),
    [
        (lambda x: al.cos(x), (0.0,)),
        (lambda x: al.cos(x), (math.pi,)),
        (lambda x: al.cos(1e150 * x), (0.0,)),
        (lambda x: x**7, (0.0,)),
        (lambda x: 1e-200 * x**7, (0.0,)),
        (lambda x: al.sin(x) ** 2 + al.cos(x) ** 2, (0.7,)),
        (lambda x: al.sin(x) ** 2 + al.cos(x) ** 2, (7e5,)),
        (lambda v: al.sum(al.softmax(v)), ([0.3, 1.0, -2.0],)),
        (lambda x: al.log(x * x) - 2.0 * al.log(x), (0.7,)),
        (lambda x, y: 1e200 * x * x + 0.0 * y, (0.7, 3.0)),
        (lambda x, y: 1e200 * x * y, (0.7, 0.0)),
        (lambda x, y: 1e200 * x + 1e20 * (al.sin(y) ** 2 + al.cos(y) ** 2), (0.7, 3.0)),
        (lambda x: al.sigmoid(x), (800.0,)),
        (lambda x: al.relu(x), (-1e-200,)),
        (lambda v: al.norm(v), ([0.0, 0.0, 2e-150],)),
    ],
)
def test_derivatives_that_are_zero_pass(f, args):
    """Beside large ones, by cancellation, by symmetry, at every order."""
    al.check_grads(f, args, order=3)


@pytest.mark.parametrize("claimed", [1.0, -1e-3])
def test_a_derivative_that_is_zero_and_said_not_to_be_is_caught(claimed):
    """At the top of a wave, at an inflection of seventh order, at 0 in any unit."""
    for unit, per in ((1e-200, 1.0), (1.0, 1e20), (1e150, 1e100)):
        for function in (math.cos, lambda u: u**7, lambda u: 3.0):
            rule = al.Primitive(
                name="claims",
                value=lambda x, f=function, a=unit, b=per: a * f(x * b),
                partials=(lambda x, y, a=unit, b=per: claimed * a * b,),
                replace=True,
            )
            with pytest.raises(al.GradientCheckError, match="do not agree"):
                al.check_grads(rule, (0.0,), order=1)
            assert al.audit(rule(al.Variable(0.0))).cause == "wrong rule"


@pytest.mark.parametrize("frequency", [1e4, 1e5, 1e6, 1e8, 1e12])
@pytest.mark.parametrize("x", [0.3, 1.0, 2.0, 100.0])
def test_a_frequency_too_high_for_the_steps_is_told(frequency, x):
    """sin(1e4·x) is not differentiated wrongly: finite differences do not resolve it."""
    wave = al.Primitive(
        name="wave",
        value=lambda t: math.sin(frequency * t),
        partials=(lambda t, y: frequency * al.cos(frequency * t),),
        replace=True,
    )
    for f in (wave, lambda t: al.sin(frequency * t)):
        with pytest.raises(
            al.GradientCheckError, match=r"do not resolve(.|\n)*faster(.|\n)*are not resolved\.$"
        ) as caught:
            al.check_grads(f, (x,), order=1)
        assert "do not agree" not in str(caught.value)
    answer = al.audit(wave(al.Variable(x)))
    assert answer.faults == ()
    assert answer.skipped == {"where finite differences do not resolve the function": 1}


def test_what_rounding_hides_passes():
    """1e-20·x beside 1 is below the last place of every value: no difference can tell."""
    for small in (1e-9, 1e-12, 1e-14, 1e-20):
        al.check_grads(lambda x, y, small=small: x + small * y, (1.0, 2.0), order=2)
        al.check_grads(lambda y, small=small: 1.0 + small * y, (2.0,), order=2)


def test_a_value_that_raises_outside_its_domain_can_be_checked():
    """Steps that leave the domain are left out."""
    root = al.Primitive(name="root", value=lambda x: math.sqrt(x), partials=(lambda x, y: 0.5 / y,), replace=True)
    al.check_grads(root, (1e-9,), order=2)
    assert al.audit(root(al.Variable(1e-9))).checked == 1
