"""Functions of SciPy that are no ufuncs meet Variables."""

import inspect
import subprocess
import sys

import numpy as np
import pytest

import autograd_lite as al
from autograd_lite import Variable, arrays, scipy_functions

special, linalg = pytest.importorskip("scipy.special"), pytest.importorskip("scipy.linalg")
SERVING = ("logsumexp", "softmax", "log_softmax")

A = np.array([[1.0, 2.0, 0.5], [800.0, -3.0, 799.0]])
WEIGHTS = np.array([[1.0, 2.0, -0.3], [0.0, -1.0, 2.0]])
AXES = (None, 0, 1, -1, (0, 1), (1,))


def _eagerly(f, a):
    return al.values(f(al.array([[Variable(x) for x in row] for row in a])))


ROUTES = {
    "eager": _eagerly,
    "jit": lambda f, a: al.jit(f)(a),
    "vmap": lambda f, a: al.vmap(f)(np.stack([a + 1.0, a]))[1],
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("name", SERVING)
def test_value_is_that_of_scipy(name, route):
    """For each axis, in its shape."""
    function = getattr(special, name)
    for axis in AXES:
        found, wanted = ROUTES[route](lambda v, axis=axis: function(v, axis=axis), A), function(A, axis=axis)
        assert np.shape(found) == np.shape(wanted)
        np.testing.assert_allclose(np.asarray(found, dtype=float), wanted, rtol=1e-13)


@pytest.mark.parametrize("name", SERVING)
def test_derivatives_to_order_two(name):
    """They were refused: SciPy asked plain arrays of objects for what NumPy has not."""
    function = getattr(special, name)
    al.check_grads(lambda v: function(v * [1.0, 2.0, -1.0]), (np.array([0.3, 0.7, -0.2]),), order=2)


def test_weights_and_kept_axes():
    """`logsumexp` with `b` and `keepdims`."""
    al.check_grads(lambda v: special.logsumexp(v, 1, np.abs(WEIGHTS), True), (A / 100.0,), order=2)
    found = al.jit(lambda v: special.logsumexp(v, axis=1, b=WEIGHTS, keepdims=True))(A)
    np.testing.assert_allclose(found, special.logsumexp(A, axis=1, b=WEIGHTS, keepdims=True), rtol=1e-13)
    with pytest.raises(al.OperandError, match="has no return_sign"):
        special.logsumexp(al.array([Variable(1.0)]), return_sign=True)


@pytest.mark.parametrize("name", SERVING)
def test_plain_numbers_stay_with_scipy(name):
    """Its bits, its parameters and its text; what a list of Variables holds is no plain number."""
    function = getattr(special, name)
    assert type(function([1.0, 2.0])[()]) in (np.float64, np.ndarray)
    assert "axis" in inspect.signature(function).parameters
    assert function.__doc__.lstrip().startswith("Compute the")
    assert any(type(x) is Variable for x in np.ravel(function([Variable(1.0), 2.0])))
    assert type(np.ravel(function(Variable(1.0)))[0]) is Variable
    if name == "logsumexp":
        assert function([1.0, 2.0], b=[1.0, -1.0], return_sign=True)[1] == -1.0


SQUARE = np.array([[3.0, 1.5, -0.5], [0.25, 2.0, 0.75], [1.25, -1.0, 4.0]])
TALL, RIGHT = np.vstack([SQUARE, [[1.0, 2.0, 0.5]]]), np.array([1.0, -2.0, 0.5])
COLUMNS = np.stack([RIGHT, RIGHT[::-1] ** 2], 1)
#: Calls of `scipy.linalg`, by a matrix: numbers that depend on it.
CALLS = {
    "solve": lambda a: linalg.solve(a, RIGHT),
    "solve, columns": lambda a: linalg.solve(a, COLUMNS, check_finite=False),
    "solve, transposed": lambda a: linalg.solve(a, RIGHT, transposed=True),
    "solve, above": lambda a: linalg.solve(a, RIGHT, assume_a="sym"),
    "solve, below": lambda a: linalg.solve(a, RIGHT, assume_a="pos", lower=True),
    "solve, triangle": lambda a: linalg.solve(a, RIGHT, assume_a="upper triangular"),
    "inv": lambda a: linalg.inv(a, overwrite_a=False), "det": linalg.det, "expm": linalg.expm, "svdvals": linalg.svdvals,
    "cholesky": linalg.cholesky, "cholesky, below": lambda a: linalg.cholesky(a, lower=True),
    "cho_solve": lambda a: linalg.cho_solve(linalg.cho_factor(a), RIGHT),
    "cho_solve, below": lambda a: linalg.cho_solve(linalg.cho_factor(a, lower=True), COLUMNS),
    "eigvalsh": linalg.eigvalsh, "eigvalsh, above": lambda a: linalg.eigvalsh(a, lower=False),
    "eigh": lambda a: linalg.eigh(a)[1] ** 2, "eigh, values": lambda a: linalg.eigh(a, eigvals_only=True),
    "lstsq": lambda a: linalg.lstsq(np.concatenate([a, TALL[3:]]), TALL[:, 0] ** 2)[0],
    "lstsq, residual": lambda a: linalg.lstsq(np.concatenate([a, TALL[3:]]), TALL[:, 0] ** 2)[1],
    **{
        f"solve_triangular, {lower} {trans} {unit}":
            lambda a, lower=lower, trans=trans, unit=unit: linalg.solve_triangular(a, COLUMNS, trans, lower, unit)
        for lower in (False, True) for trans in (0, 1, "T") for unit in (False, True)
    },
}  # fmt: skip


class TestLinearAlgebra:
    """`scipy.linalg`, on Variables by `al.linalg`."""

    @pytest.mark.parametrize("name", CALLS)
    def test_right_at_order_two_in_every_executor(self, name):
        """Value and shape of SciPy, with derivatives."""
        f = CALLS[name]
        plain = f(SQUARE)
        value, _ = al.vjp(f, SQUARE)
        assert np.shape(value) == np.shape(plain)
        for found in (value, al.jit(f)(SQUARE), *np.asarray(al.jit(al.vmap(f))(np.stack([SQUARE, SQUARE])))):
            # SciPy's own `expm` is 5e-12 off here, by 60 digits, and ours 4e-14.
            np.testing.assert_allclose(found, plain, rtol=1e-11 if name == "expm" else 1e-13, atol=1e-14)
        al.check_grads(f, (SQUARE,), order=2)

    def test_substitution_is_exact_to_each_number(self):
        """A triangle is solved from its end, however its rows differ in size: no rows are exchanged."""
        lower = np.array([[1e-8, 0.0, 0.0], [1.0, 1e-8, 0.0], [1.0, 1.0, 1.0]])
        x = np.array([1.0, 2.0, 3.0])
        for a, below in ((lower, True), (lower[::-1, ::-1], False)):
            found = al.jit(lambda a, b, below=below: linalg.solve_triangular(a, b, lower=below))(a, a @ x)
            np.testing.assert_allclose(found, linalg.solve_triangular(a, a @ x, lower=below), rtol=1e-15)

    def test_what_it_does_not_take(self):
        """Refused by name; a wrong call is SciPy's to refuse, and a singular matrix is ours."""
        wrong = {
            "eigh of Variables does not take subset_by_index": lambda a: linalg.eigh(a, subset_by_index=[0, 0])[0],
            "eigh of Variables does not take b": lambda a: linalg.eigh(a, np.eye(3))[0],
            "does not take assume_a='banded'": lambda a: linalg.solve(a, RIGHT, assume_a="banded"),
        }
        for text, f in wrong.items():
            with pytest.raises(al.OperandError, match=text):
                al.jacobian(f)(SQUARE)
        with pytest.raises(TypeError, match=r"solve\(\) missing 1 required positional argument: 'b'"):
            al.jacobian(linalg.solve)(SQUARE)
        with pytest.raises(linalg.LinAlgError, match="singular matrix of shape"):
            al.jacobian(linalg.inv)(np.ones((3, 3)))

    @pytest.mark.parametrize("name", sorted({call.partition(",")[0] for call in CALLS}))
    def test_plain_matrices_stay_with_scipy(self, name):
        """Its text and parameters too."""
        function = getattr(linalg, name)
        assert function.__name__ == name
        assert len(function.__doc__) > 300
        assert next(iter(inspect.signature(function).parameters)) in ("a", "A", "c_and_lower")
        if name == "det":
            assert type(function(SQUARE)) in (float, np.float64)


@pytest.mark.parametrize("first", ["scipy.special", "autograd_lite"])
def test_order_of_imports(first):
    """A name that a program has imported is the same function before and after."""
    imports = ["from scipy.special import log_softmax", "import autograd_lite as al"]
    lines = imports if first == "scipy.special" else imports[::-1]
    for call in (
        "log_softmax([al.Variable(0.0), 0.0])[0].parents != ()",
        "al.grad(lambda v: log_softmax(v)[0])([0.0, 0.0])",
    ):
        program = "; ".join([*lines, f"print({call})"])
        found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert found.stdout.strip() in ("True", "[0.5, -0.5]")


def _in_a_new_process(*lines):
    found = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    return found.stdout.splitlines()


def test_warnings_name_the_line_that_they_named_before():
    """SciPy counts frames from its function to that line; Python shows a warning once for each."""
    lines = [
        "import warnings, numpy as np, scipy.linalg, scipy.special",
        "H = 1.0 / (np.arange(14) + np.arange(14)[:, None] + 1.0)",
        "def show():",
        "    with warnings.catch_warnings(record=True) as met:",
        "        warnings.simplefilter('always')",
        "        scipy.linalg.solve(H, H[0])",
        "        scipy.linalg.inv(H)",
        "    print([(w.filename, w.lineno) for w in met])",
        "show()",
        "import autograd_lite",
        "show()",
    ]
    before, after = _in_a_new_process(*lines)
    assert before == after == "[('<string>', 6), ('<string>', 7)]"


def test_a_second_import():
    """The functions of SciPy stay their own, and serve the second one's Variables."""
    found = _in_a_new_process(
        "import sys, numpy as np, scipy.linalg, scipy.special, autograd_lite",
        "for name in [name for name in sys.modules if name.partition('.')[0] == 'autograd_lite']: del sys.modules[name]",
        "import autograd_lite as al",
        "print(scipy.special.softmax([0.0, 0.0]), scipy.linalg.inv([[2.0]]))",
        "print(al.grad(lambda v: scipy.special.softmax(v)[0])([0.0, 0.0]))",
    )
    assert found == ["[0.5 0.5] [[0.5]]", "[0.25, -0.25]"]


def test_many_threads_meet_scipy_at_once():
    """One of them lets SciPy's functions ask; calls go on meanwhile."""
    found = _in_a_new_process(
        "import sys, threading, autograd_lite, scipy.linalg, scipy.special",
        "from autograd_lite import scipy_functions",
        "sys.setswitchinterval(1e-6)",
        "wrong, ready = [], threading.Barrier(8)",
        "def work():",
        "    ready.wait()",
        "    try:",
        "        scipy_functions.meet()",
        "        assert [scipy.special.logsumexp(0.5, axis=None) for _ in range(20)] == [0.5] * 20",
        "    except BaseException as error: wrong.append(error)",
        "threads = [threading.Thread(target=work) for _ in range(8)]",
        "for thread in threads: thread.start()",
        "for thread in threads: thread.join()",
        "print(wrong)",
    )
    assert found == ["[]"]


def test_comparisons_are_the_users():
    """A branch inside a function of SciPy is reported at the line that calls it."""
    compiled = al.jit(lambda a: linalg.cholesky(a)[0, 0])
    compiled(np.eye(2))
    assert "(test_scipy_functions.py:" in str(compiled.paths())
    assert "<" not in str(compiled.paths()).replace("<=", "")


def test_a_long_list_of_floats_is_looked_at_once(monkeypatch):
    """Not number by number: SciPy's own conversion would take a tenth of that time."""
    monkeypatch.setattr(arrays, "is_variable", lambda _: pytest.fail("each number is asked"))
    assert not arrays.holds_variables([[0.5] * 1000, (1, 2.5, True)])


class TestLinearAlgebraOfNumPy:
    """It asks nobody about plain arrays of objects: its own error, in words that name the remedy."""

    @pytest.mark.parametrize("name", [name for name in scipy_functions._LAPACK if name != "tensorinv"])
    def test_plain_arrays_are_refused_with_the_remedy(self, name):
        x = al.Variable(2.0)
        plain = np.array([[x, 1.0], [1.0, 3.0]])
        function = getattr(np.linalg, name)
        more = (np.ones(2),) if name in ("solve", "lstsq", "tensorsolve") else ()
        with pytest.raises(al.OperandError, match=rf"^numpy's {name} takes no plain array of Variables\. .") as caught:
            function(plain, *more)
        assert ("al.linalg" in str(caught.value) and "al.array" in str(caught.value)) == (name in al.linalg.__all__)
        with pytest.raises(al.OperandError, match=rf"numpy's {name} takes no plain array"):
            al.grad(lambda v: function(np.array([[v, 1.0], [1.0, 3.0]]), *more)[0])(2.0)

    def test_other_errors_and_numbers_are_those_of_numpy(self):
        assert np.linalg.det(np.eye(3)) == 1.0
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'b'"):
            np.linalg.solve(np.eye(2))
        with pytest.raises(TypeError) as caught:
            np.linalg.inv(np.array([[object()]]))
        assert not isinstance(caught.value, al.OperandError)
        with pytest.raises(np.linalg.LinAlgError):
            np.linalg.inv(np.zeros((2, 2)))
        assert [*inspect.signature(np.linalg.solve).parameters] == ["a", "b"]
