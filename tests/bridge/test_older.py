"""SciPy's older functions, and searches around `minimize`, with derivatives: SciPy's results, and what is given wins."""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize

import autograd_lite as al
from autograd_lite import scipy as ours
from autograd_lite.bridge.older import FUNCTIONS

QUIET = {"fmin_slsqp": {"iprint": 0}, "fmin_l_bfgs_b": {}}
MINIMISERS = [name for name in sorted(FUNCTIONS) if name.startswith("fmin")]


def bowl(x, a=1.0):
    return (x[0] - a) ** 2 + (x[1] - 2.0) ** 4 + x[0] * x[1]


def slope(x, a=1.0):
    return np.array([2.0 * (x[0] - a) + x[1], 4.0 * (x[1] - 2.0) ** 3 + x[0]])


def found_by(module, name, *arguments, **keywords):
    found = getattr(module, name)(*arguments, **keywords, **QUIET.get(name, {"disp": 0}))
    return found[0] if isinstance(found, tuple) else found


@pytest.mark.parametrize("keyword", ["fhess", "fhess_p"])
def test_second_derivatives_of_the_users_leave_the_gradient_to_us(keyword):
    """Given either way, they are called; `fprime` is filled in beside them, and nothing in their place."""
    asked = []

    def curvature(x, *direction):
        asked.append(len(direction))
        matrix = np.array([[2.0, 1.0], [1.0, 12.0 * (x[1] - 2.0) ** 2]])
        return matrix @ direction[0] if direction else matrix

    found = found_by(ours, "fmin_ncg", bowl, [0.0, 0.0], **{keyword: curvature})
    assert {*asked} == {int(keyword == "fhess_p")}
    assert np.array_equal(found, found_by(scipy.optimize, "fmin_ncg", bowl, [0.0, 0.0], slope, **{keyword: curvature}))


@pytest.mark.parametrize("name", MINIMISERS)
class TestMinimisers:
    """Those of the eighties."""

    def test_steps_are_those_of_the_gradient_by_hand(self, name):
        """SciPy's, with the gradient that it asks for."""
        more = (
            {"fhess": lambda x: np.array([[2.0, 1.0], [1.0, 12.0 * (x[1] - 2.0) ** 2]])} if name == "fmin_ncg" else {}
        )
        wanted = found_by(scipy.optimize, name, bowl, [0.0, 0.0], fprime=slope, **more)
        assert np.allclose(found_by(ours, name, bowl, [0.0, 0.0]), wanted, rtol=0, atol=1e-7)
        assert np.allclose(found_by(ours, name, bowl, [0.0, 0.0], args=(1.0,)), wanted, rtol=0, atol=1e-7)

    def test_what_is_given_is_used(self, name):
        """A gradient of the user's is called, and nothing is traced: `math` works."""
        asked = []

        def plain(x):
            return math.cosh(x[0] - 1.0) + x[1] ** 2

        def by_hand(x):
            asked.append(x)
            return np.array([math.sinh(x[0] - 1.0), 2.0 * x[1]])

        found = found_by(ours, name, plain, [0.0, 0.5], fprime=by_hand)
        assert asked
        assert np.array_equal(found, found_by(scipy.optimize, name, plain, [0.0, 0.5], fprime=by_hand))

    def test_functions_that_cannot_be_traced_are_refused_with_the_way_out(self, name):
        """The note names the keyword of this function."""
        with pytest.raises(al.OperandError) as caught:
            found_by(ours, name, lambda x: math.cosh(x[0]), [0.5, 0.0])
        assert "fprime=False" in " ".join(caught.value.__notes__)

    def test_differences_are_left_to_scipy(self, name):
        """By `fprime=False`, where SciPy has differences."""
        if name != "fmin_ncg":
            found = found_by(ours, name, lambda x: math.cosh(x[0] - 1.0) + x[1] ** 2, [0.0, 0.5], fprime=False)
            assert np.allclose(found, [1.0, 0.0], atol=1e-3)

    def test_true_is_no_derivative(self, name):
        """SciPy took its differences without a word."""
        with pytest.raises(al.ArgumentError, match=f"fprime=True of {name}: give a function, or leave fprime out"):
            found_by(ours, name, bowl, [0.0, 0.0], fprime=True)

    def test_nests_name_minimize(self, name):
        """These take vectors."""
        with pytest.raises(al.ArgumentError, match="Use minimize, which takes nests"):
            found_by(ours, name, lambda p: p["a"] ** 2, {"a": 1.0})


def test_newton_cg_has_no_differences_of_the_function():
    """SciPy said that a Jacobian is required; it has differences of the gradient, which `fhess=False` asks for."""
    with pytest.raises(
        al.ArgumentError, match=r"Leave fprime out, and it is filled in; .* fmin_bfgs\(f, x0, fprime=False\)"
    ):
        found_by(ours, "fmin_ncg", bowl, [0.0, 0.0], fprime=False)
    wanted = found_by(scipy.optimize, "fmin_ncg", bowl, [0.0, 0.0], fprime=slope)
    assert np.allclose(found_by(ours, "fmin_ncg", bowl, [0.0, 0.0], fhess=False), wanted)


@pytest.mark.parametrize("name", ["fmin_l_bfgs_b", "fmin_tnc"])
def test_functions_that_return_their_gradient_stay_what_they_are(name):
    """SciPy's form for these two."""
    found = found_by(ours, name, al.value_and_grad(bowl), [0.0, 0.0])
    assert np.allclose(found, found_by(scipy.optimize, name, bowl, [0.0, 0.0], fprime=slope))


def test_vector_constraints_of_slsqp_have_jacobians():
    """`f_eqcons` and `f_ieqcons` of lists and arrays."""
    for keyword in ("f_eqcons", "f_ieqcons"):
        rows = {keyword: lambda x: [1.0 - x[0] ** 2 - x[1] ** 2]}
        found = ours.fmin_slsqp(lambda x: x[0] + x[1], [-0.5, -0.4], **rows, iprint=0)
        assert np.allclose(found, -math.sqrt(0.5))


@pytest.mark.parametrize("transposed", [0, 1])
def test_equations_and_least_squares_have_jacobians(transposed):
    """`fsolve` and `leastsq`, which count what they call."""
    calls = []

    def rows(x):
        calls.append(x)
        return [x[0] + 2.0 * x[1] - 3.0, x[0] ** 2 * x[1] - 1.0]

    found, info, *_ = ours.fsolve(rows, [2.0, 1.5], full_output=True, col_deriv=transposed)
    assert np.allclose(np.array(rows(found)), 0.0, atol=1e-9)
    assert info["njev"] >= 1
    assert len(calls) < info["nfev"]  # traced, then compiled
    fit = ours.leastsq(lambda x: [x[0] - 1.0, x[1] * x[0] - 2.0, x[1]], [0.5, 0.5], col_deriv=transposed)[0]
    assert np.allclose(fit, scipy.optimize.leastsq(lambda x: [x[0] - 1.0, x[1] * x[0] - 2.0, x[1]], [0.5, 0.5])[0])
    assert ours.fsolve(lambda x: math.cos(x[0]) - x[0], 1.0, fprime=False)[0] == pytest.approx(0.7390851332151607)


def test_newton_has_its_slope_where_the_start_is_one_number():
    """Arrays, complex numbers, and secants that are asked for, are SciPy's own."""
    found, report = ours.newton(lambda x, a: x * x - a, 1, args=(2.0,), full_output=True)
    assert (found, report.iterations) == (2.0**0.5, 5)
    wanted = scipy.optimize.newton(lambda x: x * x - 2.0, 1.0, fprime=lambda x: 2.0 * x, full_output=True)[1]
    assert report.iterations == wanted.iterations
    assert np.allclose(ours.newton(lambda x: x * x - 2.0, np.array([1.0, 2.0])), 2.0**0.5)
    assert ours.newton(lambda x: math.cos(x) - x, 1.0, x1=0.5) == pytest.approx(0.7390851332151607)
    assert ours.newton(lambda x: x**3 - 1.0, 1j) == pytest.approx(-0.5 + 0.75**0.5 * 1j)


@pytest.mark.parametrize("transposed", [0, 1])
@pytest.mark.parametrize("first", [False, True])
def test_odeint_has_its_jacobian(first, transposed):
    """A stiff equation, in both orders of the arguments."""

    def rates(y, _, stiffness):
        return [y[1], stiffness * (1.0 - y[0] ** 2) * y[1] - y[0]]

    f = (lambda t, y, k: rates(y, t, k)) if first else rates
    given = {"args": (100.0,), "tfirst": first, "full_output": True}
    states, info = ours.odeint(f, [2.0, 0.0], [0.0, 1.0, 100.0], col_deriv=transposed, **given)
    wanted, without = scipy.integrate.odeint(f, [2.0, 0.0], [0.0, 1.0, 100.0], **given)
    assert np.allclose(states, wanted, rtol=1e-5)
    assert info["nfe"][-1] < without["nfe"][-1]


class TestBasinhopping:
    """Descents by our `minimize`."""

    @pytest.mark.parametrize(
        "passed",
        [
            None,
            {"method": "trust-exact"},
            {"method": "L-BFGS-B", "bounds": [(-3.0, 3.0)] * 2},
            {"method": "SLSQP", "constraints": {"type": "ineq", "fun": lambda x: 9.0 - x[0] ** 2 - x[1] ** 2}},
        ],
    )
    def test_descents_have_derivatives(self, passed):
        """What the method takes, and what is counted."""
        found = ours.basinhopping(bowl, [0.0, 0.0], niter=2, rng=0, minimizer_kwargs=passed)
        assert np.allclose(slope(found.x), 0.0, atol=1e-4)
        assert found.derivatives.uses["gradient"].count > 0
        assert ("hessian" in found.derivatives.uses) == (bool(passed) and passed["method"] == "trust-exact")

    def test_what_is_given_is_used(self):
        """A gradient of the user's, its arguments, and SciPy's differences."""
        for passed in ({"jac": slope}, {"jac": "2-point"}, {"method": "Nelder-Mead"}):
            found = ours.basinhopping(bowl, [0.0, 0.0], niter=1, rng=0, minimizer_kwargs=passed)
            assert found.derivatives.uses == {}
        found = ours.basinhopping(bowl, [0.0, 0.0], niter=1, rng=0, minimizer_kwargs={"args": (2.0,)})
        assert np.allclose(slope(found.x, 2.0), 0.0, atol=1e-4)

    def test_nests_are_refused(self):
        """A hop moves a vector."""
        with pytest.raises(al.ArgumentError, match="is a nest"):
            ours.basinhopping(lambda p: p["a"] ** 2, {"a": 1.0})
