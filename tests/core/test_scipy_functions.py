"""Functions of SciPy that are no ufuncs meet Variables."""

import inspect
import subprocess
import sys

import numpy as np
import pytest

import autograd_lite as al
from autograd_lite import Variable
from autograd_lite.scipy_functions import SERVING

special = pytest.importorskip("scipy.special")

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


@pytest.mark.parametrize("first", ["scipy.special", "autograd_lite"])
def test_order_of_imports(first):
    """A name that a program has imported is the same function before and after."""
    imports = ["from scipy.special import log_softmax", "import autograd_lite as al"]
    lines = imports if first == "scipy.special" else imports[::-1]
    program = "; ".join([*lines, "print(al.grad(lambda v: log_softmax(v)[0])([0.0, 0.0]))"])
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[0.5, -0.5]"
