"""Composed functions: kinds, axes, edges, derivatives."""

import math

import numpy as np
import pytest

import autograd_lite as al
from autograd_lite import Variable

M = np.array([[1.0, 2.0, 4.0], [0.5, -1.0, 3.0]])
INF = math.inf


@pytest.mark.parametrize("name", ["sum", "prod", "mean"])
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_reductions_agree_with_numpy(name, axis):
    """Values, shapes, dtype; lists of lists, generators."""
    got = getattr(al, name)(M, axis=axis)
    assert np.allclose(got, getattr(np, name)(M, axis=axis))
    if axis is not None:
        assert got.dtype == np.float64
        assert getattr(al, name)(M.tolist(), axis=axis).dtype == np.float64
    assert getattr(al, name)(x for x in [1.0, 2.0, 3.0]) == getattr(np, name)([1.0, 2.0, 3.0])


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_norm_softmax_logsumexp_along_an_axis(axis):
    """Against the formulas."""
    assert np.allclose(al.norm(M, axis=axis), np.linalg.norm(M, axis=axis))
    assert np.allclose(al.logsumexp(M, axis=axis), np.log(np.exp(M).sum(axis=axis)))
    assert np.allclose(al.softmax(M, axis=axis), np.exp(M) / np.exp(M).sum(axis=axis, keepdims=axis is not None))
    assert np.allclose(al.log_softmax(M, axis=axis), np.log(al.softmax(M, axis=axis)))


def test_same_kind_as_the_argument():
    """List for list, tuple for tuple, float array, object array."""
    x = Variable(1.0)
    assert type(al.softmax([1.0, 2.0])) is list
    assert type(al.softmax((1.0, x))) is tuple
    assert al.softmax(np.array([1.0, 2.0])).dtype == np.float64
    assert al.softmax(np.array([x, x])).dtype == object
    assert type(al.logsumexp([1.0, 2.0])) is float


def test_empty():
    """The neutral element, or nan."""
    assert (al.sum([]), al.prod([]), al.norm([]), al.logsumexp([]), al.softmax([])) == (0.0, 1.0, 0.0, -INF, [])
    assert math.isnan(al.mean([]))
    assert al.logsumexp(np.zeros((0, 3)), axis=0).tolist() == [-INF] * 3


def test_norm_is_smooth_where_single_coordinates_are_zero():
    """The curvature of distance at (2, 0) is ½; at the origin the subgradient of least norm is 0."""
    assert np.allclose(al.hessian(al.norm)(np.array([2.0, 0.0])), [[0.0, 0.0], [0.0, 0.5]])
    al.check_grads(al.norm, ([0.0, 0.0, 2.0],), order=3)
    assert al.grad(al.norm)(np.zeros(3)).tolist() == [0.0, 0.0, 0.0]
    assert al.grad(al.norm)(np.array([3e200, 4e200])).tolist() == [0.6, 0.8]
    assert al.norm([INF, 1.0]) == INF


def test_logsumexp_keeps_what_is_far_below_the_largest():
    """log(1 + 4e-18) is 4e-18, not 0: the loss of a sample that is classified well."""
    assert math.isclose(al.logsumexp([0.0, -40.0]), math.exp(-40), rel_tol=4e-16)
    assert math.isclose(al.log_softmax([0.0, -40.0, -90.0])[0], -math.exp(-40), rel_tol=4e-16)


@pytest.mark.parametrize("row", [[1.0, 2.0, 3.0], [1.0, 1.0, 1.0], [0.0, 0.0, -3.0], [1000.0, 999.0], [-700.0, -705.0]])
def test_gradient_of_logsumexp_is_the_softmax(row):
    """To order 3, ties included."""
    assert np.allclose(al.grad(al.logsumexp)(row), al.softmax(row), rtol=1e-14)
    assert math.isclose(sum(al.grad(al.logsumexp)(row)), 1.0, rel_tol=1e-14)
    al.check_grads(al.logsumexp, (row,), order=3)


def test_infinities():
    """Shares, not NaN."""
    for row, share in (([INF, 1.0], [1.0, 0.0]), ([-INF, 1.0], [0.0, 1.0]), ([-INF, -INF], [0.5, 0.5])):
        assert al.grad(al.logsumexp)(row) == share
        assert al.softmax(row) == share


def test_derivatives_of_softmax():
    """∂pᵢ/∂aⱼ = pᵢ(δᵢⱼ - pⱼ)."""
    a = np.array([0.3, -1.2, 2.0])
    p = al.softmax(a)
    assert np.allclose(al.jacobian(al.softmax)(a), np.diag(p) - np.outer(p, p), rtol=1e-13)


def test_gradient_of_a_product_with_zeros():
    """No division by the factor."""
    assert al.grad(al.prod)([0.0, 2.0, 3.0]) == [6.0, 0.0, 0.0]
    assert al.grad(al.prod)([0.0, 0.0, 3.0]) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("name", ["gelu", "silu", "elu", "selu", "softsign"])
@pytest.mark.parametrize("x", [-3.0, -0.5, 0.7, 2.0])
def test_activations(name, x):
    """Derivatives to order 3; arrays element by element."""
    f = getattr(al, name)
    al.check_grads(f, (x,), order=3)
    assert f(np.array([x, x])).tolist() == [f(x)] * 2
    assert f(Variable(x)).value == f(x)


def test_dot():
    """Vectors, matrices; different lengths are told."""
    assert al.dot([1.0, 2.0], [3.0, 4.0]) == 11.0
    assert al.dot(M, M.T).tolist() == (M @ M.T).tolist()
    with pytest.raises(al.ArgumentError, match="2 and 3 elements"):
        al.dot([1.0, 2.0], [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    "wrong", [lambda: al.softmax(Variable(1.0)), lambda: al.sum(3.0), lambda: al.sum([1.0], Variable(1.0))]
)
def test_single_number_where_a_list_is_needed(wrong):
    """In words."""
    with pytest.raises(al.ArgumentError, match="pass a list or an array of numbers"):
        wrong()
