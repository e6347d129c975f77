"""Refusals that a program catches are warned about, with their line."""

import decimal
import fractions
import importlib
import math
import warnings

import numpy as np
import pytest

import autograd_lite as al


class TestSwallowedRefusals:
    """A refusal that the program catches."""

    def test_swallowed_refusal_is_warned_about_with_its_line(self):
        """The result was wrong without a word."""

        def f(x):
            out = np.zeros(1)
            try:
                out[0] = x * x
            except Exception:  # noqa: BLE001, S110
                pass
            return out[0] + x

        for transform in (al.grad, al.value_and_grad, al.hessian, al.jacobian, lambda f: lambda x: al.vjp(f, x)):
            with pytest.warns(
                RuntimeWarning, match=r"f went on after a refusal at test_refusals.py:\d+: float\(\)"
            ) as caught:
                transform(f)(1.0)
            assert len(caught) == 1
            assert caught[0].filename == __file__

    @pytest.mark.parametrize("refused", [
        lambda x: np.linalg.qr(al.array([[x]])),
        lambda x: np.nextafter(x, 1.0),
        lambda x: np.add(np.zeros(1), x, out=np.zeros(1)),
        lambda x: math.sin(x),
        lambda x: complex(x),
        lambda x: al.grad(float)(x),
    ])  # fmt: skip
    def test_every_kind_of_refusal(self, refused):
        """By functions, ufuncs, buffers, conversions, transforms inside."""

        def f(x):
            try:
                return refused(x)
            except TypeError:
                return x * 2.0

        with pytest.warns(RuntimeWarning, match="f went on after a refusal"):
            assert al.grad(f)(1.0) == 2.0

    def test_no_false_warnings(self):
        """NumPy asks for attributes and swallows the answer."""

        def f(v):
            a = np.array([v[0], 1.0])
            np.array(list(v)), np.stack(v), np.asarray(v), np.shape(v[0]), np.isscalar(v[0]), repr(v), str(a)
            (
                np.array_equal(v, v),
                np.float64(2.0) * v[0],
                v[0] in [1.0, 2.0],
                np.broadcast_arrays(v, 1.0),
                np.allclose(v, v),
            )
            (
                np.result_type(v, 1.0),
                np.iscomplexobj(v),
                np.ndim(v[0]),
                hasattr(v[0], "__array__"),
                np.float64(1.0) < v[0],
            )
            with pytest.raises(ZeroDivisionError):
                1 / 0
            return (a * v[1]).sum()

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            al.grad(f)(np.array([0.5, 2.0]))
            al.jit(lambda v: (v * v).sum())(np.array([0.5, 2.0]))

    def test_errors_that_pass_are_not_warned_about(self):
        """They are heard."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(al.OperandError, match="float()"):
                al.grad(float)(1.0)
            with pytest.raises(ValueError, match="own"):
                al.grad(lambda x: int("own"))(1.0)


def test_a_library_that_goes_on_after_a_refusal_and_fails_elsewhere(tmp_path, monkeypatch):
    """SciPy's brentq said now and then that both ends have one sign: it had taken what it found in memory for a number."""
    folder = tmp_path / "site-packages" / "rootlib"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(
        "def find(f):\n    try:\n        float(f(0.0))\n    except Exception:\n        pass\n    raise ValueError('signs')\n"
    )
    monkeypatch.syspath_prepend(folder.parent)
    import rootlib

    with pytest.raises(al.OperandError, match=r"rootlib's find was given a Variable: float\(\) of Variable") as caught:
        al.grad(lambda a: rootlib.find(lambda x: x * x - a))(2.0)
    assert str(caught.value.__cause__) == "signs"
    with pytest.raises(ValueError, match="signs"):  # nothing was refused: the library's own error
        al.grad(lambda a: rootlib.find(lambda x: 1.0) + a)(2.0)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        (
            "brentq",
            "Use al.root(residual, x0, *params), which can be differentiated and takes this function as solver=",
        ),
        ("fsolve", "Use al.root("),
        ("root_scalar", "Use al.root("),
        ("minimize", "Use al.argmin(f, x0, *params)"),
        ("least_squares", "Use al.argmin(f, x0, *params)"),
        ("fmin", "Use al.argmin(f, x0, *params)"),
        ("brute", "Use al.argmin(f, x0, *params)"),
        ("nonlin_solve", "Use al.root("),
        ("solve_ivp", "Use al.odeint(f, y0, t, *params)"),
        ("odeint", "Use al.odeint(f, y0, t, *params)"),
        ("quad", "Use al.odeint(lambda y, x: f(x), 0.0, [a, b])[-1, 0]"),
    ],
)
def test_solvers_of_scipy_have_counterparts(name, remedy, capfd):
    """Inside a function that is differentiated or compiled: what takes their place, and nothing of sines and arrays."""
    optimize, integrate = pytest.importorskip("scipy.optimize"), pytest.importorskip("scipy.integrate")
    solve = {
        "brentq": lambda a: optimize.brentq(lambda x: x**3 - a, 0.0, 5.0),
        "fsolve": lambda a: optimize.fsolve(lambda x: x**3 - a, 1.0)[0],
        "root_scalar": lambda a: optimize.root_scalar(lambda x: x**3 - a, bracket=(0.0, 5.0)).root,
        "minimize": lambda a: optimize.minimize(lambda x: (x[0] ** 3 - a) ** 2, [1.0]).x[0],
        "least_squares": lambda a: optimize.least_squares(lambda x: [x[0] ** 3 - a], [1.0]).x[0],
        "fmin": lambda a: optimize.fmin(lambda x: (x[0] ** 3 - a) ** 2, [1.0])[0],
        "brute": lambda a: optimize.brute(lambda x: (x[0] ** 3 - a) ** 2, ((0.0, 5.0),))[0],
        "nonlin_solve": lambda a: optimize.broyden1(lambda x: x**3 - a, np.array([1.0]))[0],
        "solve_ivp": lambda a: integrate.solve_ivp(lambda t, y: -a * y, (0.0, 1.0), [1.0]).y[0, -1],
        "odeint": lambda a: integrate.odeint(lambda y, t: -a * y, [1.0], [0.0, 1.0])[-1, 0],
        "quad": lambda a: integrate.quad(lambda x: x * a, 0.0, 1.0)[0],
    }[name]
    for run in (al.grad, al.jit):
        with pytest.raises(al.OperandError, match=f"scipy's {name} ") as caught:
            run(solve)(2.0)
        assert remedy in str(caught.value)
        assert "al.sin" not in str(caught.value)
        assert "al.zeros" not in str(caught.value)
    capfd.readouterr()  # SciPy's compiled code prints errors that it passes on


@pytest.mark.parametrize(("name", "f"), [
    ("scipy's stats.gaussian_kde", lambda v, s: s.stats.gaussian_kde([0.1, 0.5, 2.0])(v)[0]),
    ("scipy's (stats.)?(zscore|zmap|axis_nan)", lambda v, s: np.sum(s.stats.zscore(v))),
    ("scipy's", lambda v, s: s.stats.skew(v)),
    ("scipy's", lambda v, s: s.stats.pearsonr(v, [1.0, 2.0, 4.0])[0]),
    ("scipy's", lambda v, s: s.stats.ttest_1samp(v, 0.0)[0]),
    ("scipy's", lambda v, s: s.stats.iqr(v)),
    ("scipy's", lambda v, s: s.stats.mode(v)[0]),
    ("scipy's lfilter", lambda v, s: np.sum(s.signal.lfilter([1.0], [1.0, 0.5], v))),
    (r"scipy.sparse's .* Write matrix.toarray\(\) @ v", lambda v, s: np.sum(s.sparse.csr_array(np.eye(3)) @ v)),
    (r"scipy.sparse's .* al.linalg.solve\(matrix", lambda v, s: s.sparse.linalg.spsolve(s.sparse.csr_array(np.eye(3)), v)[0]),
    ("scipy.sparse's", lambda v, s: (s.sparse.eye_array(3) * v[0]).sum()),
    ("refused Variables: Cannot change data-type", lambda v, _: np.sum(v.view(float))),
    ("Decimal", lambda v, _: decimal.Decimal(v[0])),
    ("Rational", lambda v, _: fractions.Fraction(v[0])),
])  # fmt: skip
def test_libraries_that_ask_for_the_dtype(name, f):
    """They refused arrays of objects in words of their own: AttributeErrors, TypeErrors, ValueErrors."""
    scipy = pytest.importorskip("scipy")
    for module in ("stats", "signal", "sparse.linalg"):
        importlib.import_module(f"scipy.{module}")
    v = np.array([0.3, 0.6, 2.0])
    for transform in (al.grad, al.jit, al.vmap, al.hessian):
        with pytest.raises(al.OperandError, match=name):
            transform(lambda v: f(v, scipy))(v if transform is not al.vmap else v[None])
