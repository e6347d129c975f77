"""Identities that need no oracle: linearity, chain rule, symmetry, adjoints, Euler, Taylor."""

import math

import pytest
from checkers import (
    check_adjoint_identity,
    check_chain_rule,
    check_euler,
    check_hessian_symmetry,
    check_linearity,
    check_taylor,
)
from corpus import EPS, EXAMPLES, HOMOGENEOUS, MAPS, by_name
from hypothesis import given
from hypothesis import strategies as st
from strategies import moderate, points, programs

import autograd_lite as al


@given(programs(), programs(), points(3), moderate(), moderate())
def test_linearity(f, g, point, a, b):
    """∇(a·f + b·g) = a·∇f + b·∇g for random programs."""
    check_linearity(f, g, point, a, b)


SMOOTH = (al.sin, al.cos, al.tanh, al.exp, al.atan, al.asinh, al.sigmoid, al.softplus, al.erf, al.square)


@given(st.sampled_from(SMOOTH), st.sampled_from(SMOOTH), moderate())
def test_chain_rule(outer, inner, x):
    """(g ∘ f)' = (g' ∘ f)·f'."""
    check_chain_rule(outer, inner, x)


@pytest.mark.parametrize("example", EXAMPLES, ids=by_name)
def test_hessian_is_symmetric(example):
    """Mixed derivatives in either order, by two sweeps, not by copying one triangle."""
    check_hessian_symmetry(example.function, example.point)


@given(programs(), points(3))
def test_hessian_of_programs_is_symmetric(program, point):
    """The same for random programs."""
    check_hessian_symmetry(program, point)


@pytest.mark.parametrize("example", EXAMPLES, ids=by_name)
def test_hessian_function_is_exactly_symmetric(example):
    """al.hessian is symmetric bit by bit."""
    h = al.hessian(example.function)(list(example.point))
    n = len(example.point)
    assert all(h[i][j] == h[j][i] for i in range(n) for j in range(n))


@pytest.mark.parametrize("example", MAPS, ids=by_name)
@given(data=st.data())
def test_adjoint_identity(example, data):
    """<v, J u> = <Jᵀ v, u> at random directions."""
    outputs = len(example.function(list(example.point)))
    u = data.draw(points(len(example.point)))
    v = data.draw(points(outputs))
    check_adjoint_identity(example.function, example.point, u, v)


@given(programs(), programs(), points(3), points(3), points(2))
def test_adjoint_identity_of_programs(f, g, point, u, v):
    """The same for two random programs side by side."""
    check_adjoint_identity(lambda w: [f(w), g(w)], point, u, v)


@pytest.mark.parametrize("example", MAPS, ids=by_name)
def test_jacobian_rows_are_gradients(example):
    """Row i of the Jacobian is the gradient of output i, and a column is a tangent.

    Both bit by bit or within 4 ULP a product.
    """
    point = list(example.point)
    jacobian = al.jacobian(example.function)(point)
    for i, row in enumerate(jacobian):
        assert list(row) == list(al.grad(lambda v, i=i: example.function(v)[i])(point))
    for j in range(len(point)):
        unit = [float(k == j) for k in range(len(point))]
        _, column = al.jvp(example.function, (point,), (unit,))
        assert list(column) == pytest.approx([row[j] for row in jacobian], rel=64 * EPS, abs=64 * EPS)


@pytest.mark.parametrize("example", EXAMPLES, ids=by_name)
def test_hessian_vector_product_is_the_hessian_times_the_vector(example):
    """hvp against the dense Hessian: n products and sums a row.

    Over programs of at most 300 operations, 8·300·eps of the absolute sum.
    """
    n = len(example.point)
    direction = [math.cos(3.0 * i + 1.0) for i in range(n)]
    product = al.hvp(example.function, (list(example.point),), (direction,))
    hessian = al.hessian(example.function)(list(example.point))
    for i in range(n):
        terms = [hessian[i][j] * direction[j] for j in range(n)]
        size = math.fsum(map(abs, terms)) + max(abs(h) for row in hessian for h in row)
        assert abs(product[i] - math.fsum(terms)) <= 8 * 300 * EPS * size


@pytest.mark.parametrize("example", HOMOGENEOUS, ids=by_name)
def test_euler(example):
    """Σ x·∂f/∂x = degree·f."""
    check_euler(example.function, example.point, example.degree)


@given(st.sampled_from([e for e in HOMOGENEOUS if e.name not in {"cobb-douglas", "entropy of scale"}]), st.data())
def test_euler_at_random_points(example, data):
    """The same at random points of both signs, for the functions that are defined there."""
    check_euler(example.function, data.draw(points(len(example.point))), example.degree)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("example", EXAMPLES, ids=by_name)
def test_taylor_remainder(example, order):
    """The remainder falls as h², with the Hessian as h³, over six halvings."""
    direction = [math.sin(2.0 * i + 1.0) for i in range(len(example.point))]
    assert check_taylor(example.function, example.point, direction, order=order) >= 4
