"""NumPy's questions: what its functions give for Variables and arrays of them, or refuse in our words."""

import math
import warnings

import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
import scipy.optimize
import scipy.special
from tiers import mostly_full, sizes

import autograd_lite as al
from autograd_lite import Variable
from autograd_lite.arrays import VariableArray

V = np.array([0.31, -1.2, 2.5, 0.9])
M = np.array([[0.31, -1.2, 2.5], [0.9, 1.75, -0.4]])
SQUARE = np.array([[3.0, 1.0], [1.0, 4.0]])


def weighted(y):
    """One number from any array, in which every entry counts differently."""
    if not np.ndim(y):
        return y
    return (np.asarray(y) * np.cos(1 + np.arange(np.size(y)).reshape(np.shape(y)))).sum()


def assert_right(f, x):
    """Value as on plain numbers; derivatives of orders 1 and 2 as differences; compiled as eager, to the bit.

    Central differences of step 1e-5: truncation h²·f'''/6 and rounding eps·|f|/h are both below 1e-8 here.
    """
    value, gradient = al.value_and_grad(f)(x)
    assert np.allclose(value, f(x), rtol=1e-13, atol=0)
    assert np.allclose(gradient, differences(f, x), rtol=1e-6, atol=1e-6)
    slopes = np.array([differences(lambda p: al.grad(f)(p)[place], x) for place in np.ndindex(x.shape)])
    assert np.allclose(al.hessian(f)(x), slopes.reshape(x.shape * 2), rtol=1e-5, atol=1e-5)
    compiled = al.jit(al.value_and_grad(f), backend="python")(x)
    assert np.array_equal(compiled[0], value)
    assert np.array_equal(compiled[1], gradient)


def differences(f, x, h=1e-5):
    """Central differences, entry by entry."""
    slopes = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[place] += h
        down[place] -= h
        slopes[place] = (f(up) - f(down)) / (2 * h)
    return slopes


REDUCTIONS = [
    "sum", "prod", "mean", "max", "min", "amax", "amin", "ptp", "var", "std", "median", "nansum", "nanprod", "nanmean",
    "nanmax", "nanmin", "nanvar", "nanstd", "nanmedian",
]  # fmt: skip
ELEMENTWISE = [
    "cumsum", "cumprod", "sort", "diff", "trapezoid", "unwrap", "sinc", "real", "nan_to_num", "abs", "square", "nancumsum",
    "nancumprod", "ediff1d",
]  # fmt: skip


class TestReductions:
    """`np.max`, `np.min` and their like over axes."""

    @pytest.mark.parametrize("name", mostly_full(REDUCTIONS, slice(0, None, 2)))
    @pytest.mark.parametrize("axis", mostly_full([None, 0, -1, (0, 1)], slice(1, None, 2)))
    def test_reduction_over_axes(self, name, axis):
        """One axis, several, all; the axes kept."""
        function = getattr(np, name)
        assert_right(lambda m: weighted(function(m, axis=axis)), M)
        if name != "ptp":
            assert_right(lambda m: weighted(function(m, axis=axis, keepdims=True) * m), M)

    def test_max_of_two_dimensions_is_reorderable(self):
        """It raised "reduction operation '? (vectorized)' is not reorderable"."""
        m = np.arange(6.0).reshape(2, 3)
        for largest in (np.max, np.amax, lambda m: m.max(), lambda m: np.maximum.reduce(m, axis=None)):
            assert al.grad(largest)(m).tolist() == [[0, 0, 0], [0, 0, 1]]
            assert al.jit(al.grad(largest))(m).tolist() == [[0, 0, 0], [0, 0, 1]]
        assert al.grad(lambda m: m.min(axis=(0, 1)))(m)[0, 0] == 1.0
        softmax = np.exp(m) / np.exp(m).sum()
        assert np.allclose(al.grad(lambda m: np.logaddexp.reduce(m, axis=None))(m), softmax, rtol=1e-14)
        assert np.allclose(al.grad(lambda m: np.logaddexp.reduce(m, axis=(1, 0)))(m), softmax, rtol=1e-14)

    def test_initial_and_where(self):
        """As on plain numbers."""
        some = V < 2.0
        assert_right(lambda v: np.max(v, initial=0.5, where=some), V)
        assert_right(lambda v: np.min(v, initial=0.5), V)
        assert_right(lambda v: np.sum(v * v, where=some), V)
        assert_right(lambda v: np.mean(v * v, where=some), V)
        with pytest.raises(ValueError, match="initial="):
            al.grad(lambda v: np.max(v, where=some))(V)
        with pytest.raises(al.ArgumentError, match="np.maximum of no numbers"):
            al.grad(lambda v: np.max(v[:0]))(V)

    def test_ties_share_by_halves_from_first_to_last(self):
        """In C order, whatever the order in memory: of three equal ones the first two share one half."""
        ones = np.ones((2, 2))
        for m in (ones, np.asfortranarray(ones), ones[::-1, ::-1]):
            assert al.grad(np.max)(m).tolist() == [[0.125, 0.125], [0.25, 0.5]]
            assert al.grad(lambda m: np.min(m, axis=(0, 1)))(m).tolist() == [[0.125, 0.125], [0.25, 0.5]]

    def test_ties_of_order_statistics_share_too(self):
        """The median of equal numbers, and a percentile between them and others."""
        assert al.grad(np.median)(np.array([2.0, 1.0, 2.0])).tolist() == [0.5, 0.0, 0.5]
        m = np.array([[3.0, 1.0], [1.0, 4.0]])
        al.check_grads(lambda m: np.quantile(m, 0.6), (m,), order=1)
        assert al.jit(al.grad(np.median))(np.ones(2)).tolist() == al.grad(np.median)(np.ones(2)).tolist() == [0.5, 0.5]

    def test_nan_is_not_laundered(self):
        """In value and derivative."""
        m = np.array([[1.0, math.nan], [3.0, 4.0]])
        for function in (np.max, np.min, np.median, np.std, np.var, lambda m: np.percentile(m, 10.0)):
            value, gradient = al.value_and_grad(function)(m)
            assert math.isnan(value)
            assert np.isnan(gradient).any()
        assert al.grad(np.nanmax)(m).tolist() == [[0, 0], [0, 1]]
        assert al.grad(np.nansum)(m).tolist() == [[1, 0], [1, 1]]

    def test_accumulate_outer_reduceat(self):
        """Methods of ufuncs other than reduce."""
        assert_right(lambda v: weighted(np.maximum.accumulate(v)), V)
        assert_right(lambda v: weighted(np.maximum.outer(v, v * v)), V)
        assert_right(lambda v: weighted(np.add.reduceat(v * v, [0, 2]) + np.minimum.reduceat(v, [0, 2])), V)

    def test_ufunc_of_a_python_function_reduces(self):
        """It failed an assertion: the ufunc is no rule's, and needs none."""
        product = np.frompyfunc(lambda a, b: a * b, 2, 1)
        assert_right(product.reduce, V)
        assert_right(lambda m: weighted(product.reduce(m, axis=0)), M)

    @pytest.mark.parametrize("axis", mostly_full([(0, 2), None, 0, (0, 1), -1], [0]))
    @pytest.mark.parametrize("keepdims", [False, True])
    @pytest.mark.parametrize("shape", sizes((2, 2, 3), (2, 3, 4)))
    def test_logsumexp_over_axes(self, axis, keepdims, shape):
        """Of several axes, with the axes kept."""
        a = np.linspace(-1.0, 2.0, math.prod(shape)).reshape(shape)
        got = al.logsumexp(a, axis, keepdims=keepdims)
        wanted = scipy.special.logsumexp(a, axis=axis, keepdims=keepdims)
        assert np.shape(got) == np.shape(wanted)
        assert np.allclose(got, wanted, rtol=1e-14)
        al.check_grads(lambda a: weighted(al.logsumexp(a, axis, keepdims=keepdims)), (a,), order=1)


class TestNumPy:
    """Variables in NumPy's functions and arrays."""

    def test_ufunc_of_a_single_variable(self):
        """Every ufunc with a rule gives that rule's node."""
        x = Variable(0.5)
        assert np.exp(x).primitive is al.exp
        assert np.arctan2(x, 2.0).primitive is al.atan2
        assert np.maximum(1.0, x).value == 1.0
        assert np.logaddexp(x, x).value == al.logaddexp(0.5, 0.5)
        assert np.float64(2.0) * x == 1.0
        assert type(np.float64(2.0) * x) is Variable
        assert np.isnan(Variable(math.nan))

    def test_ufunc_of_an_object_array(self):
        """Element by element, methods of the nodes."""
        a = np.array([Variable(0.5), Variable(1.0)])
        for ufunc in (np.exp, np.log, np.sin, np.tanh, np.sqrt, np.arctan, np.log1p, np.expm1, np.cbrt, np.exp2):
            got = ufunc(a)
            assert got.dtype == object
            assert np.allclose([v.value for v in got], ufunc(np.array([0.5, 1.0])), rtol=1e-14)

    def test_float_array_with_a_variable(self):
        """Broadcast to an object array, on either side; comparisons give bool arrays."""
        x = Variable(2.0)
        a = np.array([[1.0, 2.0], [3.0, 4.0]])
        assert [[v.value for v in row] for row in a * x] == [[2.0, 4.0], [6.0, 8.0]]
        assert [v.value for v in (x - a)[1]] == [-1.0, -2.0]
        assert (a < x).tolist() == [[True, False], [False, False]]
        assert (x >= a).dtype == bool

    def test_linear_algebra_on_object_arrays(self):
        """sum, mean, dot, @, with floats or Variables on either side."""
        w = np.array([[Variable(1.0), Variable(2.0)], [Variable(3.0), Variable(4.0)]])
        x = np.array([1.0, -1.0])
        assert [v.value for v in w @ x] == [-1.0, -1.0]
        assert [v.value for v in x @ w] == [-2.0, -2.0]
        assert (w @ w)[0, 0].value == 7.0
        assert w.sum().value == 10.0
        assert w.mean().value == 2.5
        assert np.dot(w[0], w[1]).value == 11.0
        gradient = al.gradients((w @ x).sum(), w)
        assert gradient.tolist() == [[1.0, -1.0], [1.0, -1.0]]

    def test_arrays_inside_a_transform_follow_the_rules(self):
        """Ties, NaN, bounds, floats among the Variables, functions that NumPy's object loops do not know."""
        a = al.nests.as_array([Variable(math.nan), Variable(0.0), 1.0], (3,))
        assert math.isnan(np.maximum(a, 0.0)[0].value)
        assert [type(v) for v in np.exp(a)] == [Variable, Variable, float]
        assert np.isnan(a).tolist() == [True, False, False]
        assert np.logaddexp(1.0, a)[1].primitive is al.logaddexp
        v = np.array([0.0, 1.0, -1.0])
        assert al.grad(lambda v: np.maximum(v, 0.0).sum())(v).tolist() == [0.5, 1.0, 0.0]
        assert al.grad(lambda v: np.clip(v, 0, 1).sum())(v).tolist() == [0.0, 0.0, 0.0]
        assert al.grad(lambda v: v.std())(v).shape == (3,)
        assert al.grad(lambda v: np.linalg.norm(v))(v + 2).shape == (3,)
        assert [u.value for u in np.round(np.array([Variable(1.26)]), 0)] == [1.0]

    def test_zero_dimensional_arrays_are_numbers(self):
        """Also those that hold a Variable."""
        x = Variable(2.0)
        box = np.array(x)
        assert [(box * x).value, (x * box).value, al.sin(box).value] == [4.0, 4.0, math.sin(2.0)]
        assert al.grad(lambda p: p["w"][0] * p["b"])({"w": np.ones(2), "b": np.array(0.5)})["w"].tolist() == [0.5, 0.0]

    def test_writing_into_a_float_array_is_refused(self):
        """The derivative would be dropped."""
        a = np.array([1.0, 2.0])
        with pytest.raises(al.OperandError, match=r"a = a \+ x instead of a \+= x"):
            a += Variable(1.0)
        assert a.tolist() == [1.0, 2.0]

    def test_writing_into_an_object_array_works(self):
        """a += x on an object array."""
        a = np.array([1.0, 2.0], dtype=object)
        a += Variable(1.0)
        assert [v.value for v in a] == [2.0, 3.0]

    def test_function_without_a_rule_is_told(self):
        """And what there is instead."""
        with pytest.raises(al.OperandError, match="np.nextafter has no derivative rule"):
            np.nextafter(Variable(1.0), 2.0)
        with pytest.raises(al.OperandError, match="object array"):
            np.add.accumulate(Variable(1.0))


class TestKindsOfArrays:
    """Arrays of plain numbers are NumPy's, whatever they were made from."""

    def test_integer_arrays_stay_integer(self):
        """They turned into floats, and an index into an error."""
        table = np.array([10.0, 20.0, 30.0, 40.0])

        def look_up(v):
            i = np.floor(v).astype(int)
            assert type(i) is np.ndarray
            for j in (np.mod(i, 3), i % 3, np.minimum(i, 3), np.clip(i, 0, 3), abs(i), i.clip(0, 3)):
                assert j.dtype == np.int64
                assert type(j) is np.ndarray
                table[j % 4]
            return (table[np.mod(i, 4)] * v).sum()

        assert al.grad(look_up)(np.array([0.5, 5.5])).tolist() == [10.0, 20.0]
        assert al.jit(al.grad(look_up))(np.array([0.5, 5.5])).tolist() == [10.0, 20.0]

    def test_arrays_of_plain_numbers_made_from_variables_are_plain(self):
        """By astype, like-functions, comparisons, places."""
        a = al.array([Variable(1.0), 2.0])
        for made in (
            (a > 0).astype(float), np.zeros_like(a, dtype=float), np.empty_like(a, dtype=int), a > 1, np.argsort(a),
            np.floor(a).astype(np.int32), np.isnan(a), a.astype(bool), np.nonzero(a)[0],
        ):  # fmt: skip
            assert type(made) is np.ndarray
            assert type(np.minimum(made, 1)) is np.ndarray

    def test_arrays_of_variables_follow_the_rules_whoever_made_them(self):
        """Joined, selected, stacked."""
        a = al.array([Variable(1.0), 2.0])
        for made in (
            np.where([True, False], a, 0.0), np.stack([a, a]), np.concatenate([a, [1.0]]), a.astype(object), a[:1], a.T,
            np.zeros_like(a), np.hstack([Variable(1.0), 2.0]), np.split(a, 2)[0], np.diff(a), np.sort(a), np.cumsum(a),
        ):  # fmt: skip
            assert type(made) is VariableArray
            assert np.sqrt(made) is not None

    def test_plain_floats_among_variables_follow_ieee(self):
        """`/` and `**` of Python raise or turn complex where two floats meet."""
        zeros = al.zeros(2)
        assert (1.0 / zeros).tolist() == [math.inf, math.inf]
        assert (zeros**-1.0).tolist() == [math.inf, math.inf]
        assert np.isnan(((zeros - 8.0) ** (1 / 3)).astype(float)).all()

    def test_where_and_out(self):
        """By the rule too: NumPy's own loop compares."""
        a = al.array([Variable(0.0), Variable(-1.0)])
        out = np.maximum(a, 0.0, out=al.zeros(2))
        assert [entry.primitive for entry in out] == [al.maximum, al.maximum]
        some = np.exp(a, where=[True, False], out=al.zeros(2))
        assert [float(getattr(entry, "value", entry)) for entry in some] == [1.0, 0.0]
        with pytest.raises(al.OperandError, match=r"autograd_lite.zeros\(shape\)"):
            np.exp(a, out=np.zeros(2))
        with pytest.raises(al.OperandError, match="would drop the derivatives"):
            np.exp(a, dtype=np.float32)
        assert np.exp(a, dtype=float).dtype == object  # numbers of Variables are of float64

    def test_add_at(self):
        """Into an array that keeps Variables; a float buffer is refused in our words."""

        def scattered(v, target):
            np.add.at(target, [0, 0, 1], v[:3])
            return target[0] * target[1]

        assert al.grad(lambda v: scattered(v, al.zeros(2)))(V).tolist() == [2.5, 2.5, 0.31 - 1.2, 0.0]
        assert al.grad(lambda v: scattered(v, np.zeros(2, dtype=object)))(V)[3] == 0.0
        with pytest.raises(al.OperandError, match="np.add writes Variables into an array of float64"):
            al.grad(lambda v: scattered(v, np.zeros(2)))(V)


class TestFunctions:
    """Functions of NumPy that are no ufuncs."""

    @pytest.mark.parametrize("name", ELEMENTWISE)
    def test_function_of_a_vector(self, name):
        """And of a matrix, where NumPy takes one."""
        assert_right(lambda v: weighted(getattr(np, name)(v)), V)
        assert_right(lambda m: weighted(getattr(np, name)(m)), M)

    @pytest.mark.parametrize("f", [
        lambda v: weighted(np.where(v > 0, v * v, -v)),
        lambda v: weighted(np.select([v > 1, v > 0], [v * v, np.sin(v)], default=3 * v)),
        lambda v: weighted(np.piecewise(v, [v < 0, v >= 0], [lambda t: t * t, lambda t: 3 * t])),
        lambda v: weighted(np.where(np.isclose(v, 0.9, atol=0.01), v, 2 * v)),
        lambda v: v.sum() if not np.allclose(v, v + 1) else 0.0 * v[0],
        lambda v: weighted(np.interp(v, [-1.0, 0.0, 1.0, 2.0], [1.0, 3.0, 2.0, 5.0])),
        lambda v: weighted(np.interp(40 * v, [0.0, 90.0, 180.0, 270.0], [1.0, 3.0, 2.0, 5.0], period=360)),
        lambda v: weighted(np.interp([0.2, 0.7, 5.0, -3.0], [0.0, 0.5, 0.6, 1.0], v)),
        lambda v: weighted(np.interp([0.2, 0.7], np.sort(v), v * v)),
        lambda v: weighted(np.gradient(v)),
        lambda v: weighted(np.gradient(v, 0.5, edge_order=2)),
        lambda v: weighted(np.gradient(v, [0.0, 1.0, 3.0, 4.0], edge_order=2)),
        lambda v: weighted(np.gradient([1.0, 4.0, 2.0, 0.0], np.sort(v))),
        lambda v: weighted(np.percentile(v, [10.0, 60.0])),
        lambda v: sum(np.quantile(v, 0.6, method=m) for m in ("linear", "lower", "higher", "nearest", "midpoint")),
        lambda v: sum(np.linalg.norm(v, order) for order in (None, 1, 2, 3, 2.5, 0, math.inf, -math.inf)),
        lambda v: weighted(np.cov(v[:2], v[2:])),
        lambda v: np.var(v, ddof=1) + np.std(v, ddof=1) + v.var() + v.std(),
        lambda v: weighted(np.heaviside(v, 0.5) * v),
        lambda v: weighted(np.logaddexp2(v, 1.0) + np.fmod(v, 0.7) + np.fmax(v, 0.5) + np.fmin(v, 0.5) + np.ldexp(v, 3)),
        lambda v: weighted(np.clip(v, 0, 1) + v.clip(-1, None) + np.clip(v, None, 2)),
        lambda v: weighted(np.round(v, 1) * v + v.round(1) * v + np.fix(v) * v),
        lambda v: weighted(np.imag(v) + np.real(v) + v.real + v.imag),
        lambda v: weighted(np.convolve(v, [1.0, 2.0])) + weighted(np.correlate(v, [1.0, 2.0])),
        lambda v: weighted(np.kron(v, v)) + weighted(np.outer(v, v)) + np.inner(v, v) + np.vdot(v, v),
        lambda v: weighted(np.maximum(np.stack([v, v * v]), 0.1)) + weighted(np.minimum(np.hstack([v, [1.0]]), 0.5)),
        lambda v: weighted(np.linspace(v[0], v[1], 5)) + weighted(np.logspace(v[0], v[2], 3)),
        lambda v: weighted(np.pad(v, 1, mode="edge")) + weighted(np.tile(v, 2) * np.repeat(v, 2)),
        lambda v: v[np.argmax(v)] * v[v.argmin()] + v[np.nanargmax(v)],
        lambda v: weighted(v[v > 0]) + v.sum() * np.count_nonzero(v > 0) + weighted(v[np.nonzero(v < 1)]),
        lambda v: np.average(v, weights=[1.0, 2.0, 3.0, 4.0]) + np.average([1.0, 2.0, 3.0, 4.0], weights=v * v),
        lambda v: weighted(np.polyval([1.0, 2.0, 3.0], v)) + np.polyval(v, 2.0),
        lambda v: weighted(np.partition(v, 2)[:1]) + weighted(np.unique(v)),
        lambda v: weighted(np.modf(v)[0] + np.divmod(v, 0.7)[1]),
    ])  # fmt: skip
    @pytest.mark.filterwarnings("ignore:numpy.fix is deprecated")
    def test_function_of_a_vector_with_options(self, f):
        """Value, gradient, Hessian, compiled."""
        assert_right(f, V)

    @pytest.mark.parametrize("f", [
        lambda m: weighted(np.gradient(m)[0]) + weighted(np.gradient(m, axis=1)),
        lambda m: weighted(np.cov(m)) + weighted(np.corrcoef(m)),
        lambda m: weighted(np.cov(m, rowvar=False, bias=True)),
        lambda m: sum(np.linalg.norm(m, order) for order in (None, "fro", -1, math.inf, -math.inf)),
        lambda m: np.linalg.norm(m, 1, axis=1).sum() + np.linalg.norm(m, axis=0)[1] + np.linalg.norm(m, keepdims=True).sum(),
        lambda m: weighted(np.einsum("ij,kj->ik", m, m)) + weighted(np.tensordot(m, m, axes=([1], [1]))) + np.trace(m),
        lambda m: weighted(np.percentile(m, [30.0, 60.0], axis=1)) + weighted(np.median(m, axis=0, keepdims=True)),
        lambda m: weighted(np.apply_along_axis(lambda row: row.max() * row[0], 1, m)),
        lambda m: weighted(m.std(axis=1, keepdims=True)) + weighted(m.var(axis=0)),
    ])  # fmt: skip
    def test_function_of_a_matrix(self, f):
        """Value, gradient, Hessian, compiled."""
        assert_right(f, M)

    def test_where_that_takes_no_variable_is_no_cut(self):
        """Its derivative is 0 as it should be, so there is nothing to warn about."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert al.grad(lambda v: np.where(v > 9, v, 1.0).sum())(V).tolist() == [0.0] * 4
            assert al.grad(lambda v: np.select([v > 9], [v * v], 1.0).sum())(V).tolist() == [0.0] * 4
            assert al.grad(lambda x: np.where(x > 9, x, 1.0))(1.0) == 0.0

    def test_nan_to_num_replaces(self):
        """It returned its argument unchanged: NumPy skips arrays of objects."""
        spoilt = np.array([0.0, math.nan, math.inf])
        gradient = al.grad(lambda a: np.sum(np.sin(np.nan_to_num(a + spoilt))))(np.ones(3))
        assert gradient.tolist() == [math.cos(1.0), 0.0, 0.0]
        assert np.nan_to_num(Variable(math.nan)) == 0.0
        assert np.nan_to_num(al.array([Variable(-math.inf)]), neginf=-1.0).tolist() == [-1.0]

    def test_norm_at_the_origin(self):
        """The subgradient of least norm, as al.norm has it, and the deviation of equal numbers likewise."""
        for norm in (np.linalg.norm, lambda v: np.linalg.norm(v, 3), np.std, lambda v: np.linalg.norm(v, axis=0)):
            assert al.grad(norm)(np.zeros(2)).tolist() == [0.0, 0.0]
        for scale in (1e-200, 1e200):
            assert np.allclose(al.grad(np.linalg.norm)(scale * np.array([3.0, 4.0])), [0.6, 0.8], rtol=1e-15)
            assert np.allclose(al.grad(lambda v: np.linalg.norm(v, 3))(scale * np.ones(2)), 2 ** (-2 / 3), rtol=1e-14)

    def test_sinc_of_a_variable(self):
        """It asked for a dtype."""
        assert al.grad(np.sinc)(0.5) == al.grad(al.sinc)(0.5)
        assert np.quantile(al.array([Variable(1.0), 2.0, 4.0]), 0.6) == np.quantile([1.0, 2.0, 4.0], 0.6)

    @pytest.mark.parametrize(
        ("name", "remedy"),
        [("qr", "cholesky"), ("svd", "svdvals"), ("eig", "eigh"), ("eigvals", "eigvalsh"), ("matrix_rank", "x.value")],
    )
    def test_linear_algebra_without_a_rule_is_refused_in_our_words(self, name, remedy):
        """With its name and what there is."""
        with pytest.raises(al.OperandError, match=rf"np.linalg.{name} .*{remedy}") as caught:
            al.grad(lambda m: np.sum(getattr(np.linalg, name)(m)[0]))(SQUARE)
        assert "UFunc" not in str(caught.value)

    def test_whatever_numpy_refuses_leaves_in_our_words(self):
        """Every function of one array, whether it is served or not."""
        for home in (np, np.linalg, np.fft):
            for name in dir(home):
                function = getattr(home, name)
                if not hasattr(function, "_implementation") or name in ("save", "savez", "savez_compressed", "savetxt"):
                    continue
                for arguments in (lambda v: (v,), lambda v: (v, v), lambda v: (v, 1)):
                    try:
                        function(*arguments(V.copy()))
                    except Exception:  # noqa: BLE001, S112 - not meant to be called so
                        continue
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        try:
                            function(*arguments(al.array([Variable(entry) for entry in V])))
                        except al.AutogradLiteError:
                            pass
                        except (TypeError, AttributeError, SystemError) as error:  # pragma: no cover
                            raise AssertionError(f"{home.__name__}.{name}") from error

    def test_ufunc_without_a_rule_says_so(self):
        """And is NumPy's on plain numbers."""
        for ufunc in (np.nextafter, np.gcd, np.bitwise_and):
            with pytest.raises(al.OperandError, match=f"np.{ufunc.__name__} has no derivative rule"):
                ufunc(al.array([Variable(1.0)]), 2)
        assert np.nextafter(al.zeros(1), 1.0).tolist() == [5e-324]


class TestScipy:
    """SciPy meets Variables."""

    @pytest.mark.parametrize("name", [
        "gammaln", "loggamma", "gamma", "psi", "digamma", "expit", "log_expit", "logit", "erf", "erfc", "ndtr", "entr",
        "log_ndtr", "ndtri", "erfinv",
        "log1p", "expm1", "exp2", "cbrt", "exp10",
    ])  # fmt: skip
    def test_special_function(self, name):
        """By the rule of the same function, on single Variables and arrays."""
        function = getattr(scipy.special, name)
        x = np.array([0.3, 0.6])
        assert_right(lambda v: weighted(function(v)), x)
        assert type(function(Variable(0.3))) is Variable
        assert function(Variable(0.3)) == pytest.approx(function(0.3), rel=1e-13)

    def test_special_functions_of_two_arguments(self):
        """And those that are no ufuncs."""
        x = np.array([0.3, 0.6])
        assert_right(lambda v: weighted(scipy.special.xlogy(v, v) + scipy.special.xlog1py(v, v)), x)
        assert_right(lambda v: weighted(scipy.special.rel_entr(v, 0.5)), x)
        assert_right(lambda v: weighted(scipy.special.softmax(v)), x)

    def test_function_without_a_rule_is_scipys(self):
        """The message named NumPy, and nothing near."""
        with pytest.raises(al.OperandError, match=r"scipy.special.y0 has no derivative rule"):
            scipy.special.y0(Variable(1.0))
        with pytest.raises(al.OperandError, match=r"scipy.special.jv has no .* Write al.j0\(x\) or al.j1\(x\)"):
            scipy.special.jv(0, al.array([Variable(1.0)]))
        with pytest.raises(al.OperandError, match=r"complex number 1j: derivatives here are of real"):
            al.array([Variable(1.0)]) * 1j

    @pytest.mark.parametrize(("f", "name"), [
        (lambda a: scipy.optimize.brentq(lambda x: x * x - a, 0.0, 3.0), "brentq"),
        (lambda a: scipy.optimize.root(lambda x: x * x - a, 1.0).x[0], "root"),
        (lambda a: scipy.optimize.minimize_scalar(lambda x: (x - a) ** 2, method="golden").x, "minimize_scalar"),
        (lambda a: scipy.optimize.minimize_scalar(lambda x: (x - a) ** 2).x, "minimize_scalar"),
        (lambda a: scipy.optimize.newton(lambda x: x * x - a, 1.0), "newton"),
        (lambda a: scipy.integrate.quad(lambda x: a * x, 0.0, 1.0)[0], "quad"),
        (lambda a: scipy.linalg.svd(np.array([[a, 1.0], [1.0, 4.0]]))[0][0, 0], "svd"),
        (lambda a: scipy.linalg.lu_factor(al.array([[a, 1.0], [1.0, 4.0]]))[0][0, 0], "lu_factor"),
    ])  # fmt: skip
    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    def test_solver_is_refused_in_our_words(self, f, name):
        """It was a SystemError, a ValueError, or a refusal that did not say by whom."""
        with pytest.raises(al.OperandError, match=f"scipy's {name}"):
            al.grad(f)(2.0)


def test_lists_of_variables_in_numpys_own_code():
    """NumPy asks nobody about a list: it serves or is refused with its name and the remedy."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for function in (
            np.sum,
            np.mean,
            np.std,
            np.var,
            np.median,
            np.max,
            np.diff,
            np.cumsum,
            np.sort,
            np.prod,
            np.dot,
        ):
            both = (lambda x: ([x, x * x, 1.0],)) if function is not np.dot else (lambda x: ([x, x], [x, 1.0]))
            f = lambda x: weighted(function(*both(x)))
            assert al.grad(f)(1.5) == pytest.approx((f(1.5 + 1e-6) - f(1.5 - 1e-6)) / 2e-6, rel=1e-7)
    for function in (np.gradient, lambda a: np.percentile(a, 30.0)):
        with pytest.raises(al.OperandError, match=r"numpy's (gradient|percentile) .* autograd_lite.array first"):
            al.grad(lambda x: weighted(function([x, x * x, 1.0])))(1.5)


class TestAttributes:
    """What NumPy asks of a number."""

    def test_a_variable_has_the_attributes_of_a_number_without_axes(self):
        """Shape, dimensions, size, dtype, real and imaginary part."""
        x = Variable(2.0)
        assert (x.shape, x.ndim, x.size, x.dtype, x.imag) == ((), 0, 1, np.dtype(object), 0.0)
        assert x.real is x
        assert x.T is x
        assert (np.shape(x), np.ndim(x), np.size(x)) == ((), 0, 1)
        with pytest.raises(AttributeError, match="Use x.value"):
            x.item()

    def test_arrays_still_take_variables_as_scalars(self):
        """However they are made."""
        x = Variable(2.0)
        assert np.asarray(x).shape == ()
        assert np.array([x, 1.0]).dtype == object
        assert np.array([[x, x], [x, 1.0]]).shape == (2, 2)
        assert np.stack([x, x]).shape == (2,)
        assert np.atleast_1d(x)[0] is x
        assert np.broadcast_to(x, (2,))[1] is x
        assert np.result_type(x, 1.0).kind == "O"
        assert (np.full(2, x)[0] is x, (np.zeros(2) + x).shape) == (True, (2,))


class TestConstructors:
    """Arrays that keep Variables."""

    def test_buffers_take_variables(self):
        """And follow the rules: mixed entries, in place, compiled, over lanes."""

        def f(v):
            out = al.zeros(3)
            for k in range(3):
                out[k] = v[0] ** k
            out += v[1]
            out[1:] *= 2.0
            return np.maximum(np.sqrt(out), 0.5).sum()

        x = np.array([0.3, 0.6])
        assert_right(f, x)
        rows = np.array([x, x + 1])
        assert np.allclose(al.vmap(f)(rows), [f(x), f(x + 1)], rtol=1e-14)
        assert np.allclose(al.jit(al.vmap(al.grad(f)))(rows), [al.grad(f)(x), al.grad(f)(x + 1)], rtol=1e-14)

    def test_array_of_nests(self):
        """Numbers of any kind become floats; what is no array is refused."""
        x = Variable(2.0)
        a = al.array([[1, x], [np.float32(0.5), True]])
        assert a.shape == (2, 2)
        assert a[0, 1] is x
        assert all(type(entry) is float for entry in (a[0, 0], a[1, 0], a[1, 1]))
        assert type(al.array([1.0, 2.0])) is VariableArray
        assert np.exp(al.array([x, 1.0]))[1] == math.e
        assert al.full((2, 2), x)[1, 1] is x
        assert al.full(2, [1.0, x])[1] is x
        assert al.ones(2).tolist() == [1.0, 1.0]
        for wrong in ([[1.0, 2.0], [3.0]], ["a"], [1j]):
            with pytest.raises(al.OperandError):
                al.array(wrong)

    def test_refusal_of_a_float_buffer_names_them(self):
        """Where a derivative would be lost."""
        with pytest.raises(al.OperandError, match=r"autograd_lite.zeros\(shape\)"):
            np.zeros(2).__iadd__(Variable(1.0))


def test_array_of_one_number_is_a_number():
    """Other libraries take it."""
    for shape in ((), (1,), (1, 1)):
        assert al.value_and_grad(lambda x: np.full(shape, x * x))(3.0) == (9.0, 6.0)
        assert al.grad(lambda v: np.full(shape, v @ v))(np.ones(2)).tolist() == [2.0, 2.0]
        assert al.hessian(lambda v: al.full(shape, v @ v))(np.ones(2)).tolist() == [[2.0, 0.0], [0.0, 2.0]]
        assert al.jit(al.value_and_grad(lambda x: al.full(shape, x * x)))(3.0) == (9.0, 6.0)
    with pytest.raises(al.OutputError, match="2 numbers"):
        al.grad(lambda v: v)(np.ones(2))


POINTS = [
    np.array([0.3, -1.2, 2.5]),
    np.array([-0.3, 1.2, -2.5]),
    np.array([1.0, 2.0, 3.0]),
    np.array([math.nan, 0.0, 5.0]),
]


def paths(f, points):
    """How many paths `jit` needs for a function; its results are those of the function, its gradients the eager ones."""
    value, slope = al.jit(f), al.jit(al.grad(lambda v: np.sum(f(v))))
    for point in points:
        assert np.array_equal(f(point), value(point), equal_nan=True)
        assert np.array_equal(al.grad(lambda v: np.sum(f(v)))(point), slope(point), equal_nan=True)
    return len(value.paths())


class TestConditions:
    """While tracing, a comparison of arrays is data; only a truth is a branch."""

    @pytest.mark.parametrize("f", [
        lambda v: np.where(v > 0, v * v, -v),
        lambda v: (v > 0) * v,
        lambda v: np.where(np.greater(v, 0.5), v, 0.0),
        lambda v: np.where((v > 0) & (v < 2), v, 1.0),
        lambda v: np.where(~(v > 0) | (v == 0.3), v, 1.0),
        lambda v: np.where((v > 0) ^ (v < 1), v, 2 * v),
        lambda v: np.where(np.logical_and(v > 0, np.logical_not(v > 2)), v, 1.0),
        lambda v: np.where(np.logical_xor(v > 0, v < 1), v, 2 * v),
        lambda v: np.where((v > 0) + (v < -1), v, 0.0),
        lambda v: np.where(np.isnan(v), 0.0, v),
        lambda v: np.where(np.isfinite(v) & ~np.isinf(v), v, 0.0),
        lambda v: np.where(np.signbit(v), 0.0, v),
        lambda v: np.nan_to_num(v),
        lambda v: (v > 0).sum() * v,
        lambda v: np.mean(v > 0) * v,
        lambda v: np.where(np.any(v > 0), v, 1.0),
        lambda v: np.where((v > 0).all(), v, 1.0),
        lambda v: np.select([v > 1, v > 0], [v, 2 * v], 3 * v),
        lambda v: al.where(v > 0, v, 1.0),
        lambda v: al.where(al.any(v > 0), v[0], v[1]),
        lambda v: (v > 0).astype(float) * v,
        lambda v: np.where((v > 0)[::-1], v, 0.0),
        lambda v: np.where(v[0] > np.array([0.0, 1.0, 2.0]), v, 0.0),
        lambda v: np.where(np.isclose(v, 0.3), 0.0, v),
        lambda v: np.where((v > 0) == (v > 1), v, 0.0),
        lambda v: np.heaviside(v, 0.5) * v,
        lambda v: np.nansum(v) + np.nanmax(v),
    ])  # fmt: skip
    def test_condition_as_data_is_one_path(self, f):
        """Nobody asks for its truth."""
        assert paths(f, POINTS) == 1

    @pytest.mark.parametrize("f", [
        lambda v: v[v > 0].sum(),
        lambda v: np.array([1.0, 2.0, 3.0])[v > 0].sum() * v,
        lambda v: v[np.nonzero(v > 0)].sum() + v[np.where(v > 0)].sum(),
        lambda v: np.count_nonzero(v > 0) * v,
        lambda v: v if np.all(v > 0) else 2 * v,
        lambda v: v if not (v > 0)[0] else 2 * v,
        lambda v: sum([x for x, positive in zip(v, v > 0, strict=True) if positive], 0.0),
        lambda v: np.array([1.0, 2.0])[(v > 0).astype(int)] * v,
        lambda v: v * np.asarray(v > 0),
        lambda v: np.sum(v, where=v > 0),
        lambda v: np.compress(v > 0, v).sum() + np.extract(v > 0, v).sum(),
        lambda v: np.piecewise(v, [v > 0], [lambda t: t * 2, lambda t: -t]),
    ])  # fmt: skip
    def test_truth_of_a_condition_is_a_branch(self, f):
        """Masks, counts and `if` decide; results are those of the function on each side."""
        assert paths(f, POINTS[:3]) > 1

    def test_assignment_by_a_mask(self):
        """Into copies."""

        def f(v):
            w = v * 1.0
            w[w > 0] = w[w > 0] ** 2
            return w

        assert paths(f, POINTS[:3]) == 3

    def test_eager_comparisons_are_plain(self):
        """Outside a trace nothing changes."""
        a = al.array([Variable(1.0), -1.0])
        for found in (a > 0, np.isnan(a), np.logical_and(a, a > 0), ~(a > 0), np.isclose(a, 1.0)):
            assert type(found) is np.ndarray
            assert found.dtype == bool
        assert (np.any(a > 0), np.all(a > 0)) == (True, False)
