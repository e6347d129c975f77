"""check_grads: passes what is right, rejects what is 0.05 % off, and says where."""

import math

import numpy as np
import pytest

import autograd_lite as al
from autograd_lite.primitives import PRIMITIVES

FLAT = {
    "where",
    "less",
    "step",
    "sign",
    "floor",
    "ceil",
    "trunc",
    "round",
    "floordiv",
    "hold",
    "plain",
    "logical_and",
    "logical_or",
    "logical_not",
}
WHOLE_NUMBER = {"polygamma", "sinc_derivative"}  # have an argument that is not differentiated by
NAMES = sorted(name for name, rule in PRIMITIVES.items() if rule.built_in and name not in FLAT | WHOLE_NUMBER)


def arguments_of(rule):
    """A smooth point inside the domain, away from ties."""
    return [min(max(0.37 + 0.29 * i, d.lower + 0.2), d.upper - 0.2) for i, d in enumerate(rule.domain)]


def altered(rule, change):
    """The same operation with its first non-zero partial changed."""
    partials = [p if callable(p) else (lambda *_, p=p: p) for p in rule.partials]
    partials[0] = change(partials[0])
    return al.Primitive(name=f"altered_{rule.name}", value=rule.value, partials=tuple(partials), replace=True)


@pytest.mark.parametrize("name", NAMES)
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
