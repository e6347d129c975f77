"""Arrays of other libraries: taken as arrays, and gradients come back as they came in."""

import array
import subprocess
import sys

import numpy as np
import pytest

import autograd_lite as al
from autograd_lite import Variable

X = np.array([1.0, 2.0, 3.0])
Y = np.array([2.0, 4.0, 6.5])


def squares(x):
    return (x**2).mean()


TRANSFORMS = {
    "grad": lambda f: al.grad(f),
    "value_and_grad": lambda f: lambda x: al.value_and_grad(f)(x)[1],
    "has_aux": lambda f: lambda x: al.grad(lambda x: (f(x), x), has_aux=True)(x)[0],
    "argnums": lambda f: lambda x: al.grad(lambda a, b: f(b) + a, argnums=(0, 1))(1.0, x)[1],
    "in a nest": lambda f: lambda x: al.grad(lambda nest: f(nest["x"]) * nest["a"])({"a": 1.0, "x": x})["x"],
    "unconnected": lambda f: al.grad(f, unconnected="none"),
    "vjp": lambda f: lambda x: al.vjp(f, x)[1](1.0)[0],
    "jit": lambda f: al.jit(al.grad(f)),
    "jit of both": lambda f: lambda x: al.jit(al.value_and_grad(f))(x)[1],
    "jit with aux": lambda f: lambda x: al.jit(al.grad(lambda x: (f(x), 1.0), has_aux=True))(x)[0],
    "jit argnums": lambda f: lambda x: al.jit(al.grad(lambda a, b: f(b) + a, argnums=(0, 1)))(1.0, x)[1],
    "hvp": lambda f: lambda x: al.hvp(lambda x: f(x) / 2.0)(x, x),  # the Hessian is a constant times one
    "hvp of tuples": lambda f: lambda x: al.hvp(lambda x: f(x) / 2.0, (x,), (x,)) * 2.0 / 2.0,
}


@pytest.fixture(name="pd")
def _pandas():
    return pytest.importorskip("pandas")


class TestPandas:
    """Columns, tables and what is captured."""

    @pytest.mark.parametrize("name", TRANSFORMS)
    def test_gradient_by_a_series_is_a_series(self, pd, name):
        """With its index and name."""
        series = pd.Series(X, index=["a", "b", "c"], name="x")
        slope = TRANSFORMS[name](squares)(series)
        scale = 0.5 if name.startswith("hvp") else 1.0
        pd.testing.assert_series_equal(slope, pd.Series(scale * 2.0 * X / 3.0, index=["a", "b", "c"], name="x"))

    @pytest.mark.parametrize("name", TRANSFORMS)
    def test_gradient_by_a_table_is_a_table(self, pd, name):
        """With its index and columns; whole numbers have fractions as gradients."""
        table = pd.DataFrame({"x": [1, 2, 3], "y": [4, 5, 6]}, index=[7, 8, 9])
        slope = TRANSFORMS[name](squares)(table)
        scale = 0.5 if name.startswith("hvp") else 1.0
        pd.testing.assert_frame_equal(slope, scale * 2.0 * table / 6.0)

    def test_labels_are_those_of_the_call(self, pd):
        """A compiled function remembers no index."""
        slope = al.jit(al.grad(squares))
        for index in (["a", "b", "c"], [3, 1, 2], pd.MultiIndex.from_tuples([(1, "a"), (1, "b"), (2, "a")])):
            assert slope(pd.Series(X, index=index)).index.equals(pd.Index(index))
        assert type(slope(X)) is np.ndarray

    def test_index_as_an_argument(self, pd):
        """An index comes back; one of whole numbers in steps cannot hold fractions, so an array does."""
        assert type(al.grad(squares)(pd.Index(X, name="x"))) is pd.Index
        assert type(al.grad(squares)(pd.RangeIndex(3))) is np.ndarray

    def test_lanes(self, pd):
        """As typed: a column mapped, compiled or not, and its gradients as a new column."""
        table = pd.DataFrame({"x": X, "y": Y})
        for f in (al.vmap(al.grad(lambda x: x**2)), al.jit(al.vmap(al.grad(lambda x: x**2)))):
            table["slope"] = f(table["x"])
            assert table["slope"].tolist() == [2.0, 4.0, 6.0]
        both = al.jit(al.vmap(lambda p, x, y: p * x + y, in_axes=(None, 0, 0)))
        assert both(2.0, table["x"], table["y"]).tolist() == (2.0 * X + Y).tolist()
        shared = al.vmap(lambda x, ys: x * ys.sum(), in_axes=(0, None))
        assert shared(table["x"], table["y"]).tolist() == (X * Y.sum()).tolist()

    def test_arguments_that_are_not_differentiated(self, pd):
        """In a compiled function they are arrays."""
        table = pd.DataFrame({"x": X, "y": Y})
        loss = lambda p, x, y: ((y - (p[0] * x + p[1])) ** 2).mean()
        expected = al.grad(loss)(np.array([1.0, 0.0]), X, Y)
        assert np.allclose(al.jit(al.grad(loss))(np.array([1.0, 0.0]), table["x"], table["y"]), expected, rtol=1e-14)

    def test_other_ways_in(self, pd):
        """Hessian, Jacobian, tangents, tapes, checks, tables of `take`, steps of `scan`, sparse patterns."""
        series = pd.Series(X, name="x")
        assert al.hessian(squares)(series).tolist() == al.hessian(squares)(X).tolist()
        assert al.jacobian(lambda s: s * s)(series).tolist() == np.diag(2.0 * X).tolist()
        assert al.jvp(squares, (series,), (pd.Series(Y),)) == al.jvp(squares, (X,), (Y,))
        assert al.trace(squares, series)(series) == squares(X)
        al.check_grads(squares, (series,))
        assert al.take(series, 1) == 2.0
        assert al.scan(lambda c, x: (c + x, None), 0.0, series)[0] == 6.0
        assert al.array(series).tolist() == X.tolist()

    def test_captured_columns(self, pd):
        """pandas does the arithmetic, by its labels, on either side of Variables and of arrays of them."""
        table = pd.DataFrame({"x": X, "y": Y})
        point = np.array([1.0, 0.5])
        residual = lambda p: table["y"] - (p[0] * table["x"] + p[1])
        expected = al.grad(lambda p: ((Y - (p[0] * X + p[1])) ** 2).sum())(point)
        for f in (
            lambda p: (residual(p) ** 2).sum(),
            lambda p: (residual(p) ** 2).to_numpy().mean() * 3.0,
            lambda p: al.sum(residual(p) ** 2),
            lambda p: residual(p) @ residual(p),
        ):
            assert np.allclose(al.grad(f)(point), expected, rtol=1e-14)
            assert np.allclose(al.jit(al.grad(f))(point), expected, rtol=1e-14)
        for f in (
            lambda v: (v * table["x"]).sum(), lambda v: (table["x"] * v).sum(), lambda v: v @ table["x"],
            lambda v: table["x"] @ v, lambda v: (v @ table)["x"], lambda v: np.maximum(v, table["x"] * 0.0 - 1.0) @ X,
        ):  # fmt: skip
            assert al.grad(f)(np.ones(3)).tolist() == X.tolist()
        slope = al.grad(lambda p: (table["x"] * p).sort_index(ascending=False).iloc[0])
        assert slope(2.0) == 3.0

    @pytest.mark.parametrize("f", [
        lambda p, x: (x * p).mean(), lambda p, x: np.mean(x * p), lambda p, x: (x * p).std(),
        lambda p, x: (x * p).rolling(2).mean().sum(),
    ])  # fmt: skip
    def test_reduction_of_pandas_for_numbers_only(self, pd, f):
        """The remedy is named, where pandas said "Could not convert Variable to numeric"."""
        with pytest.raises(
            al.OperandError, match=r"Write (series.to_numpy\(\), whose|al.mean\(series\)|np.std\(series)"
        ):
            al.grad(f)(2.0, pd.Series(X))

    def test_series_as_result(self, pd):
        """Compiled it was a Series of Variables of a trace that had ended."""
        series = pd.Series(X)
        assert al.jit(lambda p: series * p)(2.0).tolist() == [2.0, 4.0, 6.0]
        assert al.jacobian(lambda p: series * p)(2.0).tolist() == X.tolist()

    def test_values_of_variables_in_a_series(self, pd):
        """As a Series of floats; a vector of a nest with Series, and back."""
        series = pd.Series([Variable(1.0), Variable(2.0)], index=["a", "b"], name="x")
        pd.testing.assert_series_equal(al.values(series), pd.Series([1.0, 2.0], index=["a", "b"], name="x"))
        assert al.gradients((series**2).sum(), series).tolist() == [2.0, 4.0]
        vector, unflatten = al.flatten({"s": pd.Series(X, name="x"), "b": 1.0})
        pd.testing.assert_series_equal(unflatten(2.0 * vector)["s"], pd.Series(2.0 * X, name="x"))

    @pytest.mark.parametrize(
        "run", [al.grad, lambda f: al.jit(al.grad(f)), lambda f: lambda p: al.vmap(al.grad(f))(p[None])[0]]
    )
    def test_operations_of_ours_on_columns(self, pd, run):
        """They refused what NumPy's functions took."""
        table = pd.DataFrame({"x": X, "y": Y})
        for ours, numpys in (
            (lambda p: al.sum(al.exp(table.x * p[0])), lambda p: np.exp(X * p[0]).sum()),
            (lambda p: al.sum(al.maximum(p[0] * 1.5, table.y)), lambda p: np.maximum(p[0] * 1.5, Y).sum()),
            (
                lambda p: al.sum(al.where(table.y > Y[0], table.x * p[1], 0.0)),
                lambda p: np.where(Y > Y[0], X * p[1], 0.0).sum(),
            ),
        ):
            assert np.array_equal(run(ours)(np.array([0.5, 2.0])), run(numpys)(np.array([0.5, 2.0])))

    @pytest.mark.parametrize(
        "name", ["maximum", "fmin", "hypot", "arctan2", "logaddexp", "copysign", "heaviside", "fmod"]
    )
    def test_ufuncs_of_a_column_and_a_variable(self, pd, name):
        """Each waited for the other: "operand type(s) all returned NotImplemented". pandas has rules for operators alone."""
        column, ufunc = pd.Series([1.0, 2.0, 4.0], index=[*"abc"]), getattr(np, name)
        for order in (lambda v: (column, v), lambda v: (v, column)):
            found = ufunc(*order(Variable(1.5)))
            pd.testing.assert_series_equal(al.values(found), ufunc(*order(1.5)))
            if name != "heaviside":
                wanted = al.grad(lambda v: al.sum(ufunc(*[np.asarray(n) if n is column else n for n in order(v)])))(1.5)
                for run in (al.grad, lambda f: al.jit(al.grad(f))):
                    assert run(lambda v: ufunc(*order(v)).sum())(1.5) == pytest.approx(wanted, rel=1e-15)

    def test_operations_of_ours_on_plain_columns(self, pd):
        """With their labels, as NumPy's functions do it; columns in another order are refused, as everywhere."""
        column = pd.Series(X, index=[*"abc"], name="x")
        pd.testing.assert_series_equal(al.exp(column), np.exp(column))
        pd.testing.assert_series_equal(al.maximum(column, np.full(3, 0.5)), np.maximum(column, 0.5))
        pd.testing.assert_frame_equal(al.exp(pd.DataFrame({"x": X})), np.exp(pd.DataFrame({"x": X})))
        slope = al.grad(lambda p: (al.exp(p * column) * column[::-1]).sum())(0.5)
        assert slope == al.grad(lambda p: (np.exp(p * column) * column[::-1]).sum())(0.5)
        with pytest.raises(al.ArgumentError, match=r"arguments of maximum have the index .* Put them in one order"):
            al.maximum(column, column[::-1])
        with pytest.raises(al.OperandError, match=r"Series a [^\n]* is of another library. Give np.asarray\(x\)"):
            Variable(column)

    def test_labels_inside_a_function(self, pd):
        """An array has none; the remedy is named, where NumPy said that only integers are valid indices."""
        table = pd.DataFrame({"x": X, "y": Y})
        for way in (al.grad, lambda f: al.jit(al.grad(f)), al.jit):
            with pytest.raises(al.OperandError, match=r"places and no labels. Write x\[0\] or t\[:, 0\]"):
                way(lambda t: (t["x"] * t["y"]).sum())(table)
            with pytest.raises(al.OperandError, match=r"places and no labels. Write x\[0\] or t\[:, 0\]"):
                way(lambda t: t.x.sum())(table)
            with pytest.raises(al.UnknownNameError, match=r"no attribute 'z'\.$"):
                way(lambda t: t.z.sum())(table)
            with pytest.raises(al.UnknownNameError, match=r"no attribute 'iloc'. Use v\[k\], or t\[:, k\]"):
                way(lambda s: s.iloc[0])(table["x"])
            with pytest.raises(IndexError, match="out of bounds"):
                way(lambda s: s[7])(table["x"])
        with pytest.raises(al.OperandError, match=r"places and no labels. Write x\[0\] or t\[:, 0\]"):
            al.vmap(lambda row: row["x"] * row["y"])(table)
        slopes = al.grad(lambda t: (t["x"] * t["y"]).sum())({name: table[name] for name in table})
        pd.testing.assert_series_equal(slopes["x"], table["y"].rename("x"))
        assert al.grad(lambda s: (s.to_numpy() ** 2).sum())(table["x"]).tolist() == [2.0, 4.0, 6.0]

    @pytest.mark.parametrize(("name", "remedy"), [
        ("mean", al.mean), ("median", lambda s: np.median(s.to_numpy())), ("std", lambda s: np.std(s.to_numpy(), ddof=1)),
        ("var", lambda s: np.var(s.to_numpy(), ddof=1)),
    ])  # fmt: skip
    def test_statistics_of_a_column(self, pd, name, remedy):
        """What is written in their place gives pandas's number: its deviations divide by n - 1."""
        column = pd.Series([1.0, 2.0, 4.5])
        with pytest.raises(al.OperandError, match=rf"pandas's {name} .* Write .*{name}\(series"):
            al.grad(lambda p: getattr(column * p, name)())(2.0)
        found, slope = al.value_and_grad(lambda p: remedy(column * p))(2.0)
        assert found == pytest.approx(getattr(column * 2.0, name)(), rel=1e-15)
        assert slope == pytest.approx(found * (1.0 if name == "var" else 0.5), rel=1e-14)
        with pytest.raises(al.OperandError, match=r"Write series.to_numpy\(\), whose functions are NumPy's"):
            al.grad(lambda p: (column * p).rolling(2).mean().iloc[1])(2.0)

    def test_functions_of_scipy_take_columns(self, pd):
        """`logsumexp` took arrays alone."""
        special = pytest.importorskip("scipy.special")
        column = pd.Series([1.0, 2.0, 4.5])
        assert al.grad(lambda p: special.logsumexp(column * p))(1.0) == pytest.approx(
            al.softmax(column) @ column, rel=1e-14
        )
        assert type(special.logsumexp(column)) is np.float64

    def test_columns_in_files(self, pd, tmp_path):
        """`load` made a float of each."""
        nest = {"s": pd.Series(X, index=[*"abc"], name="x"), "t": pd.DataFrame({"u": X}), "n": 1.0}
        al.save(tmp_path / "m.npz", nest)
        again = al.load(tmp_path / "m.npz", like={"s": nest["s"] * 0.0, "t": nest["t"] * 0.0, "n": 0.0})
        pd.testing.assert_series_equal(again["s"], nest["s"])
        pd.testing.assert_frame_equal(again["t"], nest["t"])

    def test_text_is_refused(self, pd):
        """With its place."""
        with pytest.raises(al.OperandError, match=r"at \['a'\] is not a number: str 'x'"):
            al.grad(lambda nest: nest["b"])({"a": pd.Series(["x", "y"]), "b": 1.0})

    def test_pandas_is_never_imported(self):
        """A library is known by what its arrays have."""
        code = "import autograd_lite, sys; autograd_lite.grad(sum)([1.0]); print('pandas' in sys.modules)"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert found.stdout.strip() == "False"


class Standing:
    """An array of another library, as far as NumPy can tell."""

    def __init__(self, numbers):
        self.numbers = np.asarray(numbers)

    def __array__(self, dtype=None, copy=None):
        return self.numbers if dtype is None else self.numbers.astype(dtype)


class LikeXarray(Standing):
    """By its dimensions."""

    dims, coords = ("t",), {"t": [0, 1, 2]}

    def copy(self, data):
        return LikeXarray(data)


class LikePolars(Standing):
    """A column: the name comes first."""

    def __init__(self, name, numbers):
        super().__init__(numbers)
        self._name = name

    name = property(lambda self: self._name)


class LikePolarsTable(Standing):
    """A table with a schema."""

    def __init__(self, numbers, schema):
        super().__init__(numbers)
        self._schema = schema

    columns = property(lambda self: self._schema)


class LikeTorch(Standing):
    """A tensor, of whole numbers or not."""

    def is_floating_point(self):
        return self.numbers.dtype.kind == "f"

    def new_tensor(self, values):
        return LikeTorch(values)


class LikeJax(Standing):
    """By the array API standard."""

    dtype = property(lambda self: self.numbers.dtype)

    def __array_namespace__(self):
        class Namespace:
            asarray = staticmethod(lambda values, dtype=None: LikeJax(np.asarray(values, dtype=dtype)))

        return Namespace


class Stubborn(Standing):
    """Whose constructor wants more."""

    def __init__(self, numbers, unit):
        super().__init__(numbers)
        self.unit = unit

    name = "x"


class LikePolarsColumn(LikePolars):
    """Whose own rules for ufuncs know numbers only."""

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        raise TypeError("numbers only")


class NeedsGrad(Standing):
    """Which gives nothing away."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


class TestOthers:
    """By protocols."""

    @pytest.mark.parametrize("given", [
        LikeXarray(X), LikePolars("x", X), LikePolarsTable(X[:, None], ["x"]), LikeTorch(X), LikeJax(X),
        LikeJax(X.astype(np.float32)), array.array("d", X), array.array("i", [1, 2, 3]),
    ], ids=lambda given: type(given).__name__)  # fmt: skip
    @pytest.mark.parametrize("name", [name for name in TRANSFORMS if "hvp" not in name])
    def test_gradient_comes_back_as_the_argument_came_in(self, given, name):
        """Its kind and its labels; f sees an array of ours."""
        slope = TRANSFORMS[name](squares)(given)
        assert type(slope) is type(given)
        assert np.allclose(np.asarray(slope), 2.0 * np.asarray(given, dtype=float) / 3.0, rtol=1e-7)
        if isinstance(given, LikePolars):
            assert slope.name == "x"
        if isinstance(given, LikeJax):
            assert slope.dtype == given.dtype
        if isinstance(given, LikePolarsTable):
            assert slope.columns == ["x"]

    @pytest.mark.parametrize("given", [LikeXarray(X), LikePolars("x", X), LikeTorch(X), LikeJax(X), Standing(X)])
    def test_operations_of_ours(self, given):
        """Numbers come back in an array of its kind, where one is known; Variables in an array of ours."""
        found = al.exp(given)
        assert type(found) is (np.ndarray if type(given) is Standing else type(given))
        assert np.array_equal(np.asarray(found), np.exp(X))
        slope = al.grad(lambda x: al.sum(al.maximum(x, given)))(2.5)
        assert slope == al.jit(al.grad(lambda x: al.sum(al.maximum(given, x))))(2.5) == 2.0
        with pytest.raises(al.OperandError, match="does not give its numbers to NumPy"):
            al.exp(NeedsGrad(X))
        assert al.exp(LikeTorch(np.array(0.0))) == 1.0

    @pytest.mark.parametrize("given", [Standing(X), Stubborn(X, "m"), LikeTorch(np.array([1, 2, 3])), memoryview(X)])
    def test_gradient_is_an_array_where_no_constructor_is_known(self, given):
        """Or it would cut off fractions."""
        assert type(al.grad(squares)(given)) is np.ndarray

    def test_one_number_in_an_array_without_axes_is_a_number(self):
        """The gradient is a float."""
        assert al.grad(lambda x: x**2 if x > 0 else x)(LikeTorch(np.array(3.0))) == 6.0

    def test_arithmetic_with_arrays_of_ours(self):
        """They are taken as arrays, in functions of NumPy too."""
        for f in (
            lambda v: (v * Standing(X)).sum(),
            lambda v: v @ Standing(X),
            lambda v: np.multiply(Standing(X), v).sum(),
        ):
            assert al.grad(f)(np.ones(3)).tolist() == X.tolist()
        with pytest.raises(al.OperandError, match=r"Write np.asarray\(x\) of an array of another library"):
            al.grad(lambda x: x * Standing(X))(2.0)

    @pytest.mark.parametrize(("given", "remedy"), [
        (np.ma.array(X, mask=[0, 1, 0]), r"masked array .* x.compressed\(\)"),
        (X.reshape(1, 3).view(np.matrix), r"matrix, .* np.asarray\(m\), and write products with @"),
        (NeedsGrad(X), r"NeedsGrad does not give its numbers to NumPy: Can't call .* x.detach\(\).numpy\(\)"),
        (Standing(np.array(["a", "b"])), r"'a'\) is not a real number"),
    ], ids=["masked", "matrix", "grad", "text"])  # fmt: skip
    @pytest.mark.parametrize("way", [al.grad, lambda f: al.jit(al.grad(f)), al.vmap], ids=["grad", "jit", "vmap"])
    def test_refusals(self, given, remedy, way):
        """With the remedy, whatever the way in."""
        with pytest.raises(al.OperandError, match=remedy if way is not al.vmap else "."):
            way(squares)(given)

    def test_derivatives_of_derivatives_are_arrays_of_ours(self):
        """Other libraries do arithmetic with numbers only."""
        f = lambda p: al.grad(lambda s: (s**3).sum() * p)(LikeXarray(X)).sum()
        assert al.grad(f)(2.0) == 3.0 * (X**2).sum()


def test_times_are_no_numbers():
    """Their number depends on the unit; NumPy counts them among its integers."""
    for unit in ("s", "ns", "D"):
        time = np.timedelta64(5, unit)
        for given in (time, np.array([5], f"m8[{unit}]")):
            for f in (al.grad(np.sum), al.jit(np.sum), al.variables, al.flatten):
                with pytest.raises(al.OperandError, match=r"Write x / np.timedelta64\(1, 's'\) for seconds"):
                    f(given)
        for f in (al.Variable, lambda t: al.Variable(2.0) * t, lambda t: al.Variable(2.0) + t, lambda t: al.sin(t)):
            with pytest.raises(al.OperandError, match=r"is a time, whose number depends on its unit"):
                f(time)


def test_labels_in_another_order_are_refused():
    """Numbers are paired by place, and the labels would say otherwise."""
    pandas = pytest.importorskip("pandas")
    point, other = pandas.Series([1.0, 2.0], index=["p", "q"]), pandas.Series([0.1, 0.2], index=["q", "p"])
    square = lambda s: (s * s).sum()
    calls = {
        "error_budget": lambda v: al.error_budget(square, point, v).variance,
        "jvp": lambda v: al.jvp(square, (point,), (v,))[1],
        "hvp": lambda v: al.hvp(square)(point, v)["p"],
        "taylor": lambda v: al.taylor(square, point, v, 2)[1],
    }
    for name, call in calls.items():
        with pytest.raises(
            al.ArgumentError, match=r"index \['q', 'p'\], against \['p', 'q'\].*s.reindex\(index=x.index\)"
        ):
            call(other)
        assert call(other.reindex(index=point.index)) == call(np.array([0.2, 0.1])), name
    table = pandas.DataFrame({"a": [1.0]})
    with pytest.raises(al.ArgumentError, match=r"columns \['b'\], against \['a'\]"):
        al.jvp(square, (table,), (table.rename(columns={"a": "b"}),))
