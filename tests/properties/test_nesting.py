"""Nested transforms: no perturbation confusion, closed-over Variables, state restored, passes inside passes."""

import math

import numpy as np
import pytest
from corpus import EPS
from hypothesis import given
from strategies import moderate

import autograd_lite as al


def test_perturbation_confusion():
    """d/dx (x · d/dy (x + y)) = 1, which a system that mixes up levels calls 2 (Siskind and Pearlmutter 2005)."""
    assert al.grad(lambda x: x * al.grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert al.grad(lambda x: x * al.grad(lambda y: x * y)(2.0))(3.0) == 6.0
    assert al.grad(lambda x: al.grad(lambda y: x * x * y * y)(x))(3.0) == 6 * 9.0


@given(moderate(), moderate())
def test_nested_gradients_of_a_product(a, b):
    """d/dx [x · d/dy (x·y²) at y = b·x] = d/dx (2b·x³) = 6b·x², in exact arithmetic; 12 operations, 8·12·eps."""
    value = al.grad(lambda x: x * al.grad(lambda y: x * y * y)(b * x))(a)
    assert value == pytest.approx(6 * b * a * a, rel=96 * EPS)


@given(moderate())
def test_square_of_a_gradient(x):
    """grad of grad(f)² is 2·f'·f''; f = x·sin x. 8·n·eps with n below 40, of the absolute terms."""
    f = lambda t: t * al.sin(t)
    first = math.sin(x) + x * math.cos(x)
    second = 2 * math.cos(x) - x * math.sin(x)
    size = 2 * (abs(math.sin(x)) + abs(x * math.cos(x))) * (2 * abs(math.cos(x)) + abs(x * math.sin(x)))
    assert al.grad(lambda t: al.grad(f)(t) ** 2)(x) == pytest.approx(2 * first * second, abs=8 * 40 * EPS * size)


def test_mixed_modes_nest():
    """jvp of grad, grad of jvp, hvp and hessian: one second derivative."""
    f = lambda x: al.exp(x) * al.sin(x)
    x = 0.7
    exact = 2 * math.exp(x) * math.cos(x)
    routes = [
        al.grad(al.grad(f))(x),
        al.jvp(al.grad(f), (x,), (1.0,))[1],
        al.grad(lambda t: al.jvp(f, (t,), (1.0,))[1])(x),
        al.hvp(f, (x,), (1.0,)),
        al.hessian(f)(x),
        al.jacobian(al.grad(f))(x),
        al.jvp(lambda t: al.jvp(f, (t,), (1.0,))[1], (x,), (1.0,))[1],
    ]
    # Under 30 operations, no cancellation beyond exp·(sin + cos - sin): 8·30·eps of exp·2.
    assert routes == [pytest.approx(exact, abs=8 * 30 * EPS * 2 * math.exp(x))] * len(routes)


@pytest.mark.parametrize("order", range(1, 7))
def test_high_orders(order):
    """The n-th derivative of exp(2x) at 0 is 2ⁿ and of 1/(1 - x) it is n!, by nesting."""
    f, g = (lambda x: al.exp(2.0 * x)), (lambda x: 1 / (1.0 - x))
    for _ in range(order):
        f, g = al.grad(f), al.grad(g)
    assert f(0.0) == 2.0**order
    assert g(0.0) == math.factorial(order)


def test_a_closed_over_variable_makes_the_gradient_a_variable():
    """A Variable from outside keeps its own derivative through the transform."""
    z = al.Variable(3.0)
    g = al.grad(lambda x: z * x * x)(2.0)
    assert isinstance(g, al.Variable)
    assert g.value == 12.0
    assert al.gradients(g, z) == 4.0
    g.backward()
    assert z.grad == 4.0


def test_a_variable_argument_gives_a_variable():
    """al.grad(f)(x) of a Variable is connected to it; of a float it is a float."""
    x = al.Variable(2.0)
    g = al.grad(lambda t: t**3)(x)
    assert isinstance(g, al.Variable)
    assert g.value == 12.0
    assert al.gradients(g, x) == 12.0
    assert type(al.grad(lambda t: t**3)(2.0)) is float


def test_closed_over_variables_in_other_transforms():
    """value_and_grad, jacobian, hessian, vjp, jvp and hvp keep the outer graph too."""
    z = al.Variable(3.0)
    f = lambda x: z * x**3
    value, first = al.value_and_grad(f)(2.0)
    assert (value.value, first.value) == (24.0, 36.0)
    results = {
        "value": (value, 8.0),
        "grad": (first, 12.0),
        "jacobian": (al.jacobian(f)(2.0), 12.0),
        "hessian": (al.hessian(f)(2.0), 12.0),
        "jvp": (al.jvp(f, (2.0,), (1.0,))[1], 12.0),
        "hvp": (al.hvp(f, (2.0,), (1.0,)), 12.0),
    }
    for name, (result, slope) in results.items():
        assert isinstance(result, al.Variable), name
        assert al.gradients(result, z) == slope, name


def test_gradient_with_respect_to_a_closed_over_variable_from_inside():
    """A backward pass inside a differentiated function sees its own graph only."""
    w = al.Variable(5.0)

    def f(x):
        y = w * x * x
        inner = al.gradients(y, w)
        assert inner == 4.0
        return y * inner

    assert float(al.grad(f)(2.0).value) == 80.0
    assert w.grad is None


def test_grad_leaves_grad_of_outer_variables_alone():
    """A transform never writes .grad."""
    x, z = al.Variable(2.0), al.Variable(3.0)
    al.grad(lambda t: t * z)(x)
    al.hessian(lambda t: t * t * z)(2.0)
    assert (x.grad, z.grad) == (None, None)


def test_outer_constant_has_no_inner_derivative():
    """grad of a function that ignores its argument is 0; of a function of the outer argument only too."""
    assert al.grad(lambda x: 3.0)(2.0) == 0.0
    assert al.grad(lambda x: x * al.grad(lambda y: x * x)(1.0))(2.0) == 0.0
    z = al.Variable(2.0)
    result = al.grad(lambda x: z * z)(1.0)
    assert (result.value if isinstance(result, al.Variable) else result) == 0.0


def test_three_levels_with_shared_names():
    """∂³/∂x∂y∂z of xyz·(x + y + z) at (1, 2, 3), one level an argument: 2(x + y + z) = 12."""
    f = lambda x: al.grad(lambda y: al.grad(lambda z: x * y * z * (x + y + z))(3.0))(2.0)
    assert al.grad(f)(1.0) == 12.0


def test_stop_gradient_at_every_level():
    """A stopped argument is a constant for all orders."""
    f = lambda x: al.stop_gradient(x) * x * x
    assert al.grad(f)(3.0) == 18.0
    assert al.grad(al.grad(f))(3.0) == 6.0
    assert al.grad(al.grad(al.grad(f)))(3.0) == 0.0


def test_where_inside_nested_gradients():
    """The branch not taken stays silent at order 2 with an outer level."""
    f = lambda x: al.where(x > 0, al.log(x), x * x)
    assert al.grad(lambda a: a * al.grad(f)(a - 1.0))(1.0) == 2.0  # d/da a·2(a - 1) at 1


def test_hessians_by_every_route_are_equal():
    """hessian, jacobian of grad, columns by hvp, for an array argument."""
    f = lambda v: al.exp(v[0] * v[1]) + v[1] * v[2] ** 3
    v = np.array([0.3, -0.4, 1.2])
    dense = np.asarray(al.hessian(f)(v), dtype=float)
    twice = np.asarray(al.jacobian(al.grad(f))(v), dtype=float)
    columns = np.stack([al.hvp(f, (v,), (e,)) for e in np.eye(3)], axis=1)
    # Under 30 operations of size below 10: 8·30·eps·10.
    assert dense == pytest.approx(twice, abs=2400 * EPS)
    assert dense == pytest.approx(columns, abs=2400 * EPS)


def test_a_pass_inside_a_pass():
    """value functions of a user's primitive may run backward passes of their own."""
    slope = lambda x: al.gradients((v := al.Variable(x)) * v, v)
    double = al.Primitive(name="double_by_inner_pass", value=slope, partials=(2.0,))
    x = al.Variable(4.0)
    y = double(x) * x
    y.backward()
    assert (y.value, x.grad) == (32.0, 16.0)
