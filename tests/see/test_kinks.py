"""The ledger of kinks: where, how far, the slopes on both sides, the slope used."""

import math
import re

import numpy as np
import pytest

import autograd_lite as al

V = al.Variable
inf, nan = math.inf, math.nan

#: An operation at its kink, and: place, slope on the left, on the right, jump, slope used.
AT = {
    "relu": (lambda x: al.relu(x), 0.0, (0.0, 0.0, 1.0, 0.0, 0.0)),
    "leaky_relu": (lambda x: al.leaky_relu(x), 0.0, (0.0, 0.01, 1.0, 0.0, 0.01)),
    "abs": (lambda x: abs(x), 0.0, (0.0, -1.0, 1.0, 0.0, 0.0)),
    "maximum": (lambda x: al.maximum(x, 2.0), 2.0, (2.0, 0.0, 1.0, 0.0, 0.5)),
    "maximum, other side": (lambda x: al.maximum(2.0, x), 2.0, (2.0, 0.0, 1.0, 0.0, 0.5)),
    "minimum": (lambda x: al.minimum(x, 2.0), 2.0, (2.0, 1.0, 0.0, 0.0, 0.5)),
    "clip, lower": (lambda x: al.clip(x, -1.0, 1.0), -1.0, (-1.0, 0.0, 1.0, 0.0, 0.0)),
    "clip, upper": (lambda x: al.clip(x, -1.0, 1.0), 1.0, (1.0, 1.0, 0.0, 0.0, 0.0)),
    "sign": (lambda x: al.sign(x), 0.0, (0.0, 0.0, 0.0, 2.0, 0.0)),
    "step": (lambda x: al.step(x), 0.0, (0.0, 0.0, 0.0, 1.0, 0.0)),
    "floor": (lambda x: al.floor(x), 3.0, (3.0, 0.0, 0.0, 1.0, 0.0)),
    "ceil": (lambda x: al.ceil(x), 3.0, (3.0, 0.0, 0.0, 1.0, 0.0)),
    "trunc": (lambda x: al.trunc(x), -3.0, (-3.0, 0.0, 0.0, 1.0, 0.0)),
    "round": (lambda x: round(x), 2.5, (2.5, 0.0, 0.0, 1.0, 0.0)),
    "mod": (lambda x: x % 2.0, 6.0, (6.0, 1.0, 1.0, -2.0, 1.0)),
    "floordiv": (lambda x: x // 2.0, 6.0, (6.0, 0.0, 0.0, 1.0, 0.0)),
    "less": (lambda x: al.less(x, 1.0) * 2.0, 1.0, (1.0, 0.0, 0.0, -1.0, 0.0)),
    "copysign": (lambda x: al.copysign(x, -1.0), 0.0, (0.0, 1.0, -1.0, 0.0, 0.0)),
    "hypot": (lambda x: al.hypot(x, 0.0), 0.0, (0.0, -1.0, 1.0, 0.0, 0.0)),
    "sqrt": (lambda x: al.sqrt(x), 0.0, (0.0, nan, inf, 0.0, inf)),
    "cbrt": (lambda x: al.cbrt(x), 0.0, (0.0, inf, inf, 0.0, inf)),
    "asin": (lambda x: al.asin(x), 1.0, (1.0, inf, nan, 0.0, inf)),
    "pow": (lambda x: x**0.5, 0.0, (0.0, nan, inf, 0.0, inf)),
    "where, less": (lambda x: al.where(al.less(x, 1.0), x, x * x), 1.0, (1.0, 1.0, 2.0, 0.0, 2.0)),
    "where, greater": (lambda x: al.where(al.less(1.0, x), x, x * x), 1.0, (1.0, 2.0, 1.0, 0.0, 2.0)),
    "where, step": (lambda x: al.where(al.step(x), 3.0, x), 0.0, (0.0, 1.0, 0.0, 3.0, 1.0)),
    "norm": (lambda x: al.norm([x, 0.0]), 0.0, (0.0, -1.0, 1.0, 0.0, 0.0)),
}


@pytest.mark.parametrize("name", AT)
def test_at_the_kink(name):
    """Place, slopes, jump, the slope used."""
    f, at, expected = AT[name]
    (kink,) = al.kinks(f(V(at, name="x"))).found
    assert kink.distance == 0.0
    found = (kink.at, kink.left, kink.right, kink.jump, kink.used)
    assert found == pytest.approx(expected, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("name", [n for n in AT if n != "norm"])
@pytest.mark.parametrize("distance", [-1e-4, 1e-4])
def test_near_the_kink(name, distance):
    """The distance has a sign, and further away there is nothing."""
    f, at, _ = AT[name]
    if name not in ("sqrt", "pow", "asin"):  # outside the domain on one side
        (kink,) = al.kinks(f(V(at + distance))).found
        assert kink.distance == pytest.approx(distance, rel=1e-6)
        assert al.kinks(f(V(at + 100.0 * distance))).found == ()
        assert len(al.kinks(f(V(at + 100.0 * distance)), within=0.02).found) == 1


def test_sentences_to_the_letter():
    """At, near, none."""
    x = V(0.0, name="x")
    assert str(al.kinks(al.relu(x) + al.floor(x + 0.9999))).splitlines() == [
        "2 kinks within 0.001; 1 of them exactly at the point.",
        "  n1 = relu(x) is at its kink 0: slope 0 on the left, 1 on the right, 0 used",
        "  n3 = floor(n2) is -0.0001 from its kink 1: slope 0 on the left, 0 on the right, 0 used, jump +1",
    ]
    assert str(al.kinks(al.sin(x))) == (
        "No kink within 0.001: the function is smooth around this point, as far as the graph shows."
    )
    with al.record_locations():
        y = abs(x)
    assert "(test_kinks.py:" in str(al.kinks(y))
    assert al.kinks(y).cause == "kink"
    assert al.kinks(al.step(x)).cause == "jump"


def test_smooth_functions_made_of_pieces_have_no_kink():
    """Softmax and logsumexp compare inside and are smooth; so is norm off the origin, and x**3 at 0."""
    x, y = V(1.0), V(1.0)
    for smooth in (
        al.logsumexp([x, y]),
        al.softmax([x, y])[0],
        al.norm([x, y]),
        V(0.0) ** 3,
        al.log_softmax([x, y])[0],
    ):
        assert al.kinks(smooth).found == (), str(al.kinks(smooth))


def test_what_does_not_contribute_is_not_listed():
    """A kink behind a branch that was not taken is none of this function."""
    x = V(0.0)
    assert al.kinks(al.where(al.less(1.0, x), abs(x), x * 2.0)).found == ()


def test_plain_conditions_are_told():
    """`x < 1` is a bool before `where` sees it."""
    x = V(1.0)
    answer = al.kinks(al.where(x < 1.0, x, x * x))
    assert answer.evidence == ("1 where with a plain condition: write al.less(a, b) for a < b to see its kink.",)


def test_long_graph():
    """Linear, no recursion; twenty lines at most."""
    y = V(0.0)
    for _ in range(10_000):
        y = al.relu(y + 0.0)
    answer = al.kinks(y + al.relu(V(0.0)))
    assert len(answer.evidence) <= 21


def test_wrong_arguments():
    """The argument is named."""
    with pytest.raises(al.ArgumentError, match=r"^within=-1\.0: give a distance, 0\.0 or more\.$"):
        al.kinks(V(1.0), within=-1.0)
    with pytest.raises(al.OperandError, match=r"^kinks got 1\.0, a float; give it a Variable\.$"):
        al.kinks(1.0)


@pytest.mark.parametrize(
    ("through", "instead", "name", "write"),
    [
        (lambda x, y: al.norm([x, y]) ** 2, lambda x, y: np.array([x, y]) @ np.array([x, y]), "norm", "v @ v"),
        (lambda x, y: al.square(al.norm([x, y])), lambda x, y: al.dot([x, y], [x, y]), "norm", "v @ v"),
        (lambda x, y: al.hypot(x, y) ** 2, lambda x, y: x * x + y * y, "hypot", r"x\*x \+ y\*y"),
        (lambda x, y: al.hypot(x, y) * al.hypot(x, y), lambda x, y: x * x + y * y, "hypot", r"x\*x \+ y\*y"),
        (lambda x, y: abs(x) ** 2 + abs(y) ** 2, lambda x, y: x * x + y * y, "abs", r"x\*x"),
        (lambda x, y: 3.0 * al.norm([x, y]) ** 2.0 + 1.0, lambda x, y: 3.0 * (x * x + y * y), "norm", "v @ v"),
    ],
)
def test_the_square_of_a_length_at_the_origin_is_named_with_its_cure(through, instead, name, write):
    """Its Hessian there is 0 through the length, 2 in truth; the cure has it."""
    x, y = V(0.0), V(0.0)
    answer = al.kinks(through(x, y))
    assert re.search(rf"square of {name} is smooth at the origin.* are 0 there, not 2: write {write}\.", str(answer))
    hessian = lambda f: al.hessian(lambda v: f(v[0], v[1]))(np.zeros(2))
    assert not hessian(through).any()
    assert (hessian(instead) == hessian(instead)[0, 0] * np.eye(2)).all()
    assert hessian(instead)[0, 0] >= 2.0
    assert al.kinks(instead(x, y)).found == ()
    for other in (al.norm([x, y]), al.hypot(x, y), abs(x), through(x + 1.0, y + 1.0)):
        assert "square of" not in str(al.kinks(other))
