"""Composed functions: kinds, axes, edges, derivatives."""

import math

import numpy as np
import pytest
from corpus import same_bits
from mpmath import mp, mpf
from reference import ulps
from tiers import mostly_full

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


# ------------------------------------------------------------------------- softmax and its logarithm, against mpmath

#: Ties, one that is far ahead, spreads over the whole range, numbers of every size.
ROWS = [
    [1000.0, -1000.0], [0.0, -40.0], [40.0, 0.0], [0.0, -700.0], [0.0, 0.0], [1.0, 1.0, 1.0], [3.0, 3.0, -37.0], [0.0, -0.0],
    [1e300, -1e300], [1e300, 1e300], [1e-300, -1e-300], [5e-324, 1.0], [-745.0, -745.0, 0.0], [36.0, 0.0, 0.0, 0.0],
    [1e16, 1e16 + 2.0], [0.1] * 7, [2.0, 1.0, 0.0, -1.0, -2.0],
    *(list(map(float, np.random.default_rng(n).normal(size=n) * size)) for n in (2, 3, 6, 20) for size in (1e-3, 1.0, 30.0)),
    *(list(map(float, s * 10.0 ** np.random.default_rng(k).uniform(-300.0, 2.5, 3))) for k in range(4) for s in (1.0, -1.0)),
]  # fmt: skip


def exact(row):
    """Distances to the largest, shares, and 1 - share of each, without cancellation."""
    x = [mpf(a) for a in row]
    d = [a - max(x) for a in x]
    powers = [mp.exp(a) if a > -10_000 else mpf(0) for a in d]
    total = mp.fsum(powers)
    others = [mp.fsum(p for j, p in enumerate(powers) if j != k) / total for k in range(len(row))]
    return d, [p / total for p in powers], others, total


def holds(got, want, bound):
    """Within so many ULP, where a normal double is near."""
    return abs(got) <= 2.0**-1000 if abs(want) < mpf(2) ** -1001 else ulps(got, want) <= bound


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{len(row)} from {row[0]:.3g}")
def test_softmax_and_its_relatives_lose_no_digit(row):
    """Values, gradients, second derivatives: 1 - p was 0 where p rounds to 1, and a logit that is right got no gradient."""
    v, count = np.array(row), len(row)
    with mp.workdps(60):
        d, shares, others, total = exact(row)
        # The rounding of x - max, half a unit of it, moves eˣ by |x - max|/2 units, twice that across a binade; n sums.
        bound = 4.0 + count / 2 + max(float(-a) for a in d if a > -800)
        curvature = [[shares[k] * (others[k] if j == k else -shares[j]) for j in range(count)] for k in range(count)]
        surprise = [mp.log1p(q / p) if a == 0 else mp.log(total) - a for a, p, q in zip(d, shares, others, strict=True)]
        slopes = [[-others[k] if j == k else shares[j] for j in range(count)] for k in range(count)]
        for got, want, allowed in (
            (al.grad(al.logsumexp)(v), shares, bound),
            (al.softmax(v), shares, bound),
            (-al.log_softmax(v), surprise, bound),
            ([al.nn.cross_entropy(v, k) for k in range(count)], surprise, bound),
            ([al.nn.cross_entropy(v, al.nn.one_hot(k, count)) for k in range(count)], surprise, bound),
            (al.hessian(al.logsumexp)(v), curvature, 2.0 * bound),
            (al.jacobian(al.softmax)(v), curvature, 2.0 * bound),
            (-al.jacobian(al.log_softmax)(v), slopes, bound),
            ([al.grad(lambda z, k=k: al.nn.cross_entropy(z, k))(v) for k in range(count)], slopes, bound),
            (al.hessian(lambda z: al.nn.cross_entropy(z, count - 1))(v), curvature, 2.0 * bound),
        ):
            flat = [t for w in want for t in (w if isinstance(w, list) else [w])]
            for g, t in zip(np.ravel(got), flat, strict=True):
                assert holds(float(g), t, allowed), (g, mp.nstr(t, 20))


NOT_FINITE = ([INF, 1.0], [-INF, 1.0], [-INF, -INF], [INF, INF], [math.nan, 1.0])


@pytest.mark.parametrize("f", [al.logsumexp, lambda v: al.softmax(v)[0], lambda v: al.log_softmax(v)[0]])
@pytest.mark.parametrize("row", mostly_full([*ROWS[:17], *NOT_FINITE], slice(0, None, 4)))
def test_softmax_is_the_same_compiled_and_in_lanes(f, row):
    """Value, gradient and Hessian, bit for bit but for a zero's sign; NaN in every place if a number is NaN; lanes to ULP."""
    v = np.array(row)
    for order in (al.value_and_grad(f), al.hessian(f)):
        expected = np.concatenate([np.ravel(part) for part in order(v)])
        if any(a != a for a in row):
            assert np.isnan(expected).all()
        for run in (al.jit(order, backend="python"), al.jit(order)):
            found = np.concatenate([np.ravel(part) for part in run(v)])
            assert all(same_bits(a + 0.0, b + 0.0) for a, b in zip(found, expected, strict=True)), (found, expected)
        for run in (al.vmap(order), al.jit(al.vmap(order))):
            lanes = run(np.array([v, v]))
            for lane in (0, 1):
                parts = [part[lane] for part in lanes] if isinstance(lanes, tuple) else [lanes[lane]]
                found = np.concatenate([np.ravel(part) for part in parts])
                # Vector functions are within 1 ULP of libm's; second derivatives take a dozen of them and of products.
                assert np.allclose(found, expected, rtol=64 * 2.0**-52, atol=0.0, equal_nan=True), (found, expected)


def test_the_gradient_of_a_logit_that_is_right_is_not_zero():
    """p - 1 with p = 1 - 4e-18."""
    gradient = al.grad(lambda z: al.nn.cross_entropy(z, 0))(np.array([0.0, -40.0]))
    assert gradient.tolist() == [-math.exp(-40.0), math.exp(-40.0)]
    assert al.hessian(al.logsumexp)(np.array([0.0, -40.0]))[0, 0] == math.exp(-40.0)


@pytest.mark.parametrize("row", mostly_full([[0.3, 0.3, -1.0], [2.0, 1.0], [0.0, -5.0, 0.0, 0.0]], [0, 1]))
def test_derivatives_of_softmax_to_order_3(row):
    """Against differences, ties included."""
    al.check_grads(lambda v: al.softmax(v), (row,), order=3)
    al.check_grads(lambda v: al.log_softmax(v), (row,), order=3)


@pytest.mark.parametrize("x", [1e-300, 0.3, 1e6, 1e14, 1e16, 1e100, 1e150, 1e200, -1e6, -1e16, -1e100])
def test_softsign_keeps_its_derivatives_far_out(x):
    """1/(1 + |x|)² was 0 at 1e16: the two terms of the rule for quotients cancel."""
    with mp.workdps(60):
        one = 1 + abs(mpf(x))
        assert ulps(al.softsign(x), x / one) <= 1.5
        assert holds(al.grad(al.softsign)(x), one**-2, 4.0)
        assert holds(al.grad(al.grad(al.softsign))(x), -2 * mp.sign(x) * one**-3, 8.0)
        assert holds(al.grad(al.grad(al.grad(al.softsign)))(x), 6 * one**-4, 12.0)
    assert [al.softsign(INF), al.softsign(-INF), al.grad(al.softsign)(INF)] == [1.0, -1.0, 0.0]


@pytest.mark.parametrize("name", ["gelu", "silu", "elu", "selu"])
def test_activations_far_out(name):
    """No overflow, no NaN, and the limits of value and slopes, from 1e3 to 1e300."""
    f = getattr(al, name)
    for x in (1e3, 1e10, 1e200, 1e300):
        scale = 1.0507009873554805 if name == "selu" else 1.0
        assert (f(x), al.grad(f)(x), al.grad(al.grad(f))(x)) == (scale * x, scale, 0.0)
        floor = {"elu": -1.0, "selu": -1.0507009873554805 * 1.6732632423543772}.get(name, 0.0)
        assert (f(-x), al.grad(f)(-x), al.grad(al.grad(f))(-x)) == (pytest.approx(floor), 0.0, 0.0)


def test_weights_of_logsumexp():
    """`b` as in SciPy: broadcast, zero and negative; right by a weight of 0 at order 2; nan for a negative sum."""
    inf = math.inf
    x, b = np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, -0.1])
    share = np.exp(x) / (b * np.exp(x)).sum()
    assert al.logsumexp(x, b=b) == pytest.approx(math.log((b * np.exp(x)).sum()), rel=1e-15)
    by_x, by_b = al.grad(lambda x, b: al.logsumexp(x, b=b), argnums=(0, 1))(x, b)
    assert by_x == pytest.approx(b * share, rel=1e-14)
    assert by_b == pytest.approx(share, rel=1e-14)
    assert al.hessian(lambda b: al.logsumexp(x, b=b))(b) == pytest.approx(-np.outer(share, share), rel=1e-13)
    assert al.jit(lambda x, b: al.logsumexp(x, b=b))(x, b) == al.logsumexp(x, b=b)
    for numbers, weights, value in (
        ([-inf, -inf], [1.0, 2.0], -inf),
        ([0.0, 1.0], [0.0, 0.0], -inf),
        ([0.0, 1.0], [0.0, -1.0], math.nan),
        ([0.0, 0.0], [1.0, -1.0], -inf),
        ([0.0, 0.0], [1.0, -2.0], math.nan),
        ([inf, 1.0], [1.0, 2.0], inf),
        ([0.0, -40.0], [1.0, 1.0], 4.248354255291589e-18),
        ([1000.0, 999.0], 2.0, 1001.0064088680782),
    ):
        assert al.logsumexp(numbers, b=weights) == pytest.approx(value, rel=1e-15, nan_ok=True)
    table = np.array([[0.0, 1.0], [2.0, 3.0]])
    assert al.logsumexp(table, axis=0, b=[1.0, 2.0]) == pytest.approx(np.log(np.exp(table).sum(axis=0) * [1.0, 2.0]))
    assert al.logsumexp(table, axis=(0, 1), b=table, keepdims=True).shape == (1, 1)
    with pytest.raises(al.ArgumentError, match=r"b of shape \(3,\) does not fit numbers of shape \(2,\)"):
        al.logsumexp([1.0, 2.0], b=[1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="axis=3 of an array of 1 dimensions"):
        al.logsumexp([1.0, 2.0], axis=3)
