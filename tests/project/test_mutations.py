"""Test the tests: planted errors that each check must reject."""

import math

import pytest
from checkers import (
    check_adjoint_identity,
    check_against_differences,
    check_chain_rule,
    check_euler,
    check_hessian_symmetry,
    check_linearity,
    check_partials,
    check_second,
    check_taylor,
    check_value,
    leaves,
)
from corpus import BY_DIFFERENCES, DIFFERENTIATED, TABLE, sample
from reference import REFERENCE
from tiers import mostly_full

import autograd_lite as al
from autograd_lite.errors import GradientCheckError

COVERED = [name for name in DIFFERENTIATED if name in REFERENCE and name not in BY_DIFFERENCES]


def scaled(factor):
    """Return a mutation that multiplies a partial."""

    def mutate(partial):
        return partial * factor if isinstance(partial, float | int) else lambda *args: partial(*args) * factor

    return mutate


def mutant(name, partials, value=None, suffix="mutant"):
    """Return a primitive like the table's with other partials."""
    original = TABLE[name]
    mutant.count += 1
    return al.Primitive(
        name=f"{name}_{suffix}_{mutant.count}",
        value=value or original.value,
        partials=tuple(partials),
        domain=original.domain,
    )


mutant.count = 0


def rejected(check, *args, **kwargs):
    """Say whether a check raises AssertionError."""
    try:
        check(*args, **kwargs)
    except AssertionError:
        return True
    return False


def telling_points(name, i):
    """Return points where partial i of a primitive is smooth and not zero: there a wrong factor shows."""
    found = []
    for row in sample(name, 400, seed=9):
        args = tuple(map(float, row))
        if not REFERENCE[name].is_regular(args, i) or any(abs(a) > 1e30 or 0 < abs(a) < 1e-30 for a in args):
            continue
        v = leaves(name, args)
        local = al.gradients(TABLE[name](*v), v[i])
        if math.isfinite(local) and 1e-100 < abs(local) < 1e100:
            found.append(args)
        if len(found) == 3:
            break
    return found


# --- the mpmath suite, over the whole table -----------------------------------------------------------------


@pytest.mark.parametrize("factor", [1.0005, 0.9995, -1.0], ids=["1.0005", "0.9995", "flipped sign"])
@pytest.mark.parametrize("name", mostly_full(COVERED, slice(0, None, 3)))
def test_a_wrong_factor_in_any_rule_is_rejected(name, factor):
    """Each partial of each primitive, multiplied.

    The mpmath check refuses it at every telling point and accepts the original.
    """
    original = TABLE[name]
    planted = 0
    for i in range(original.arity):
        partials = list(original.partials)
        partials[i] = scaled(factor)(partials[i])
        points = telling_points(name, i)
        if not points:
            continue
        wrong = mutant(name, partials)
        for args in points:
            assert check_partials(original, REFERENCE[name], args)
            assert rejected(check_partials, wrong, REFERENCE[name], args, name), (
                f"∂{name}/∂{i} times {factor} passed at {args}"
            )
        planted += 1
    flat = {"floor", "ceil", "round", "trunc", "sign", "step", "less", "floordiv"}
    flat |= {"logical_and", "logical_or", "logical_not", "poisson_quantile", "binom_quantile", "nbinom_quantile"}
    assert planted or name in flat, "no point where a wrong factor would show"


@pytest.mark.parametrize(
    "name", ["floor", "ceil", "round", "trunc", "sign", "step", "floordiv", "less", "logical_and", "logical_not"]
)
def test_a_derivative_where_there_is_none_is_rejected(name):
    """A piecewise constant function with slope 0.0005 instead of 0."""
    wrong = mutant(name, [0.0005] * TABLE[name].arity)
    points = [
        tuple(map(float, row))
        for row in sample(name, 40, seed=9)
        if REFERENCE[name].is_regular(tuple(map(float, row)), 0)
    ]
    assert points
    assert all(rejected(check_partials, wrong, REFERENCE[name], args, name) for args in points)


@pytest.mark.parametrize("name", ["sub", "div", "pow", "atan2", "hypot", "mod", "mul", "logaddexp", "xlogy"])
def test_swapped_partials_are_rejected(name):
    """The rule of the first argument given to the second and the other way round."""
    original = TABLE[name]
    wrong = mutant(name, reversed(original.partials))
    args = (1.7, 0.6)
    assert check_partials(original, REFERENCE[name], args)
    assert rejected(check_partials, wrong, REFERENCE[name], args, name)


@pytest.mark.parametrize("name", ["sub", "div", "pow", "atan2", "mod", "floordiv", "xlogy", "copysign", "less"])
def test_swapped_arguments_are_rejected(name):
    """f(y, x) for f(x, y) fails at order 0."""
    original = TABLE[name]
    wrong = mutant(name, original.partials, value=lambda x, y: original.value(y, x))
    args = (1.7, -0.6) if name == "copysign" else (1.7, 0.6)
    assert check_value(original, REFERENCE[name], args)
    assert rejected(check_value, wrong, REFERENCE[name], args, name)


@pytest.mark.parametrize("name", ["exp", "sin", "tanh", "sqrt", "log", "erf", "softplus"])
def test_a_value_that_is_five_ulp_off_is_rejected(name):
    """Order 0 is held to at most 2 ULP: 5 added to a value that is within 2 leave at least 3."""
    original = TABLE[name]
    wrong = mutant(name, original.partials, value=lambda x: original.value(x) + 5 * math.ulp(original.value(x)))
    points = telling_points(name, 0)
    assert points
    for args in points:
        assert rejected(check_value, wrong, REFERENCE[name], args, name)


def test_a_derivative_that_loses_its_digits_is_rejected():
    """1 - y² for tanh', s(1 - s) for sigmoid', 1/cos² is fine.

    The naive forms fail the ULP bound where the policy says they do.
    """
    tanh = mutant("tanh", [lambda x, y: 1 - y * y])
    assert rejected(check_partials, tanh, REFERENCE["tanh"], (20.0,), "tanh")
    assert rejected(check_partials, tanh, REFERENCE["tanh"], (3.0,), "tanh")
    sigmoid = mutant("sigmoid", [lambda x, y: y * (1 - y)])
    assert rejected(check_partials, sigmoid, REFERENCE["sigmoid"], (40.0,), "sigmoid")
    expm1 = mutant("expm1", [lambda x, y: y + 1])
    assert rejected(check_partials, expm1, REFERENCE["expm1"], (-40.0,), "expm1")
    hypot = mutant("hypot", [lambda x, y, h: x / al.sqrt(x * x + y * y), lambda x, y, h: y / h])
    assert rejected(check_partials, hypot, REFERENCE["hypot"], (1e200, 1e200), "hypot")


def test_a_partial_that_is_right_only_to_first_order_is_rejected():
    """A partial frozen with the value of its argument passes order 1 and fails order 2."""
    frozen = mutant("sin", [lambda x, y: al.cos(al.stop_gradient(x))])
    assert check_partials(frozen, REFERENCE["sin"], (0.7,), "sin")
    assert rejected(check_second, frozen, REFERENCE["sin"], (0.7,))
    assert check_second(TABLE["sin"], REFERENCE["sin"], (0.7,))


@pytest.mark.parametrize(
    "name", ["exp", "sin", "tanh", "log", "atan", "mul", "div", "pow", "hypot", "softplus", "logaddexp"]
)
def test_a_second_derivative_slightly_wrong_is_rejected(name):
    """A partial that is right in value but 1.0005 times too steep fails order 2."""
    original = TABLE[name]

    def steep(partial):
        def wrong(*args):
            p = partial(*args)
            return p + 0.0005 * (p - al.stop_gradient(p))

        return wrong if callable(partial) else partial

    planted = mutant(name, [steep(p) for p in original.partials])
    args = (1.7, 0.6)[: original.arity]
    assert check_second(original, REFERENCE[name], args)
    assert check_partials(planted, REFERENCE[name], args, name)
    assert rejected(check_second, planted, REFERENCE[name], args)


# --- the other checks ---------------------------------------------------------------------------------------

square_wrong = al.Primitive(name="square_wrong", value=lambda x: x * x, partials=(lambda x, y: 2.001 * x,))
square_flipped = al.Primitive(name="square_flipped", value=lambda x: x * x, partials=(lambda x, y: -2 * x,))
product_swapped = al.Primitive(
    name="product_swapped", value=lambda x, y: x * x * y, partials=(lambda x, y, p: x * x, lambda x, y, p: 2 * x * y)
)


def missing_accumulation(x):
    """x·x whose second contribution is lost."""
    return al.stop_gradient(x) * x


WRONG = {
    "1.0005": lambda v: square_wrong(v[0]) * v[1] + al.sin(v[0]),
    "flipped": lambda v: square_flipped(v[0]) * v[1] + al.sin(v[0]),
    "swapped": lambda v: product_swapped(v[0], v[1]) + al.sin(v[0]),
    "missing": lambda v: missing_accumulation(v[0]) * v[1] + al.sin(v[0]),
}


def right(v):
    """x²y + sin x."""
    return v[0] * v[0] * v[1] + al.sin(v[0])


POINT = (1.3, -0.7)


@pytest.mark.parametrize("name", WRONG)
def test_differences_reject(name):
    """Ridders' extrapolation."""
    assert check_against_differences(right, POINT) == 2
    assert rejected(check_against_differences, WRONG[name], POINT)


@pytest.mark.parametrize("name", WRONG)
def test_taylor_rejects(name):
    """The remainder falls as h, not h²."""
    assert check_taylor(right, POINT, (0.6, 0.8)) >= 4
    assert rejected(check_taylor, WRONG[name], POINT, (0.6, 0.8))


@pytest.mark.parametrize("name", WRONG)
def test_taylor_with_the_hessian_rejects(name):
    """The same at order 2, given the right gradient: only the curvature is wrong."""
    gradient = al.grad(right)(list(POINT))
    assert check_taylor(right, POINT, (0.6, 0.8), order=2) >= 4
    assert rejected(check_taylor, WRONG[name], POINT, (0.6, 0.8), gradient, order=2)


@pytest.mark.parametrize("name", WRONG)
def test_check_grads_rejects(name):
    """The library's own check refuses the same plants, at 0.05 %."""
    al.check_grads(right, (list(POINT),), order=2)
    with pytest.raises(GradientCheckError):
        al.check_grads(WRONG[name], (list(POINT),), order=1)


@pytest.mark.parametrize("name", ["1.0005", "flipped", "swapped", "missing"])
def test_euler_rejects(name):
    """x²y is homogeneous of degree 3, which a wrong gradient denies."""
    plants = {
        "1.0005": lambda v: square_wrong(v[0]) * v[1],
        "flipped": lambda v: square_flipped(v[0]) * v[1],
        "swapped": lambda v: product_swapped(v[0], v[1]),
        "missing": lambda v: missing_accumulation(v[0]) * v[1],
    }
    check_euler(lambda v: v[0] * v[0] * v[1], POINT, 3)
    assert rejected(check_euler, plants[name], POINT, 3)


def test_hessian_symmetry_rejects():
    """A pair of partials that is no gradient of anything has an asymmetric Hessian."""
    curl = al.Primitive(name="curl", value=lambda x, y: x * y, partials=(lambda x, y, p: y * 1.0005, lambda x, y, p: x))
    check_hessian_symmetry(lambda v: v[0] * v[1], POINT)
    assert rejected(check_hessian_symmetry, lambda v: curl(v[0], v[1]), POINT)
    swapped = lambda v: product_swapped(v[0], v[1])
    assert rejected(check_hessian_symmetry, swapped, POINT)


def test_linearity_rejects():
    """A gradient that depends on what else is in the graph: the wrong rule only when it is not the output."""
    f, g = (lambda v: v[0] * v[1]), (lambda v: al.sin(v[0]))
    check_linearity(f, g, POINT, 2.0, -3.0)
    calls = []

    def unsteady(v):
        calls.append(1)
        return f(v) if len(calls) == 1 else square_wrong(v[0]) * 0.0 + al.stop_gradient(v[0]) * v[1]

    assert rejected(check_linearity, unsteady, g, POINT, 2.0, -3.0)


def test_chain_rule_rejects():
    """An inner derivative that is 1.0005 times too large when composed."""
    check_chain_rule(al.exp, al.sin, 0.7)
    calls = []

    def unsteady(x):
        calls.append(1)
        return (
            al.sin(x)
            if len(calls) > 1
            else al.stop_gradient(al.sin(x)) + 1.0005 * (al.sin(x) - al.stop_gradient(al.sin(x)))
        )

    assert rejected(check_chain_rule, al.exp, unsteady, 0.7)


def test_adjoint_identity_rejects():
    """Forward and reverse mode that disagree: the function changes between the two."""
    check_adjoint_identity(lambda v: [v[0] * v[1], al.sin(v[0])], POINT, (0.3, 0.4), (1.0, 2.0))
    calls = []

    def unsteady(v):
        calls.append(1)
        return [v[0] * v[1], al.sin(v[0]) if len(calls) == 1 else 1.0005 * al.sin(v[0])]

    assert rejected(check_adjoint_identity, unsteady, POINT, (0.3, 0.4), (1.0, 2.0))


@pytest.mark.parametrize("name", ["sin", "tanh", "mul", "exp"])
def test_a_planted_rule_in_the_table_is_noticed(name, monkeypatch):
    """The table entry itself, with its partials replaced.

    The mpmath check fails while it is in place and passes again afterwards.
    """
    primitive = TABLE[name]
    args = (0.7, 1.9)[: primitive.arity]
    reference = REFERENCE[name]
    wrong = mutant(name, [scaled(1.0005)(p) for p in primitive.partials])
    monkeypatch.setitem(TABLE, name, wrong)
    assert rejected(check_partials, TABLE[name], reference, args, name)
    monkeypatch.undo()
    assert check_partials(TABLE[name], reference, args)
