"""SciPy's solvers with our derivatives: SciPy's results and steps, nests, what is given wins, one evaluation for a point."""

import copy
import dataclasses
import itertools
import math
import pickle
import subprocess
import sys
import types

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize

import autograd_lite as al
from autograd_lite import scipy as ours

UNCONSTRAINED = [
    "BFGS", "CG", "L-BFGS-B", "TNC", "SLSQP", "Newton-CG", "trust-ncg", "trust-krylov", "trust-exact", "trust-constr",
]  # fmt: skip
FREE = ["Nelder-Mead", "Powell", "COBYLA", "COBYQA"]
SECOND = {"Newton-CG", "trust-ncg", "trust-krylov", "trust-exact", "trust-constr"}


def rosenbrock(x):
    return sum(100.0 * (b - a * a) ** 2 + (1.0 - a) ** 2 for a, b in itertools.pairwise(x))


@al.register_dataclass
@dataclasses.dataclass
class Line:
    slope: float
    offsets: np.ndarray


def bowl(line):
    return (line.slope - 1.0) ** 2 + ((line.offsets - np.arange(3.0)) ** 2).sum()


class TestMinimize:
    """SciPy's minimize."""

    @pytest.mark.parametrize("method", UNCONSTRAINED)
    def test_steps_are_those_of_derivatives_by_hand(self, method):
        """Rosenbrock's function, with SciPy's own formulas beside; derivatives that differ by rounding may change a step."""
        given = {"jac": scipy.optimize.rosen_der}
        if method in SECOND:
            given["hess"] = scipy.optimize.rosen_hess
        start = np.array([0.5, 0.9, 1.1])
        wanted = scipy.optimize.minimize(scipy.optimize.rosen, start, method=method, **given)
        found = ours.minimize(rosenbrock, start, method=method)
        assert (found.success, found.nit) == (wanted.success, wanted.nit)
        assert np.allclose(found.x, wanted.x, rtol=1e-5)
        assert type(found.x) is np.ndarray
        assert set(found.derivatives.uses) == ({"gradient", "hessian"} if method in SECOND else {"gradient"})
        # Value and gradient of one point are one evaluation: SciPy asks for them apart.
        assert found.derivatives.uses["gradient"].count <= found.nfev

    @pytest.mark.parametrize("method", ["Newton-CG", "trust-ncg", "trust-krylov", "trust-exact", "trust-constr"])
    def test_many_unknowns(self, method):
        """Products beyond 50 unknowns; trust-constr gets a sparse Hessian, trust-exact the same one as an array."""
        found = ours.minimize(rosenbrock, np.full(60, 0.9), method=method)
        assert np.abs(found.x - 1.0).max() < 0.1
        kind = "hessian" if method in ("trust-exact", "trust-constr") else "product"
        assert set(found.derivatives.uses) == {"gradient", kind}
        if method == "trust-constr":
            assert found.derivatives.uses["hessian"].form == "4.9 % of 60 × 60, sparse"
        if method == "trust-exact":
            assert found.derivatives.uses["hessian"].form == "4.9 % of 60 × 60, handed over dense"

    @pytest.mark.parametrize("method", [*UNCONSTRAINED, *FREE])
    def test_nests(self, method):
        """A dataclass goes in and comes out, with its gradient; the vector stays at hand."""
        found = ours.minimize(bowl, Line(0.5, np.ones(3)), method=method)
        assert type(found.x) is Line
        assert found.x.slope == pytest.approx(1.0, abs=1e-3)
        assert np.allclose(found.x.offsets, [0.0, 1.0, 2.0], atol=1e-3)
        assert np.array_equal(found.x_flat, [found.x.slope, *found.x.offsets])
        if method not in FREE:
            slope = found.grad if method == "trust-constr" else found.jac
            assert type(slope) is Line
            assert slope.offsets.shape == (3,)

    def test_other_nests_and_numbers(self):
        """A tuple with an array, an array of two axes, a number, whole numbers, single precision."""
        found = ours.minimize(lambda p: (p[0] - 1.0) ** 2 + ((p[1] - 2.0) ** 2).sum(), (0.0, np.zeros((2, 2))))
        assert type(found.x) is tuple
        assert np.allclose(found.x[1], 2.0)
        assert np.allclose(ours.minimize(lambda a: ((a - 2.0) ** 2).sum(), np.zeros((2, 2))).x, np.full((2, 2), 2.0))
        for start in (3, 3.0, np.float64(3.0), np.array(3.0), [3], (3,), np.array([3], dtype=np.float32)):
            found = ours.minimize(lambda x: (x[0] - 1.0) ** 2, start)
            assert found.x.shape == (1,)
            assert found.x.dtype == np.float64
            assert found.x[0] == pytest.approx(1.0)

    def test_what_the_function_may_return(self):
        """One number in an array of any shape, or an int: as from SciPy."""
        for f in (lambda x: (x - 1.0) ** 2, lambda x: np.array([[(x[0] - 1.0) ** 2]]), lambda x: 3):
            assert ours.minimize(f, [2.0]).success

    def test_args(self):
        """A tuple, or one thing; strings and arrays among them."""
        for args, wanted in (((3.0, "up", np.ones(2)), 3.0), ((3.0,), 3.0), (3.0, 3.0)):
            assert ours.minimize(lambda x, a, *_: (x[0] - a) ** 2, [0.0], args=args).x[0] == pytest.approx(wanted)

    def test_bounds(self):
        """A nest of pairs with one pair for an array, Bounds of nests, SciPy's list."""

        def f(p):
            return (p["a"] - 1.0) ** 2 + ((p["w"] - 2.0) ** 2).sum()

        start = {"a": 0.0, "w": np.zeros(2)}
        for bounds in (
            {"a": (None, 0.5), "w": (0, [1, 3])},
            {"a": (None, 0.5), "w": (None, [1.0, 3.0])},
            scipy.optimize.Bounds({"a": None, "w": 0.0}, {"a": 0.5, "w": np.array([1.0, 3.0])}),
            [(None, 0.5), (0, 1), (0, 3)],
        ):
            found = ours.minimize(f, start, bounds=bounds).x
            assert found["a"] == pytest.approx(0.5)
            assert np.allclose(found["w"], [1.0, 2.0])
        for bounds in ({"b": (0, 1)}, {"a": (0, 1), "w": 3.0}, [(0, 1)]):
            with pytest.raises(al.ArgumentError, match=r"bounds=.* does not fit x, {a: \*, w: array\[2\]}"):
                ours.minimize(f, start, bounds=bounds)

    def test_callbacks_get_nests(self):
        """By both signatures, and trust-constr's, which has a state."""
        seen = []

        def report(intermediate_result):
            seen.append(intermediate_result.x)
            if intermediate_result.x["a"] > 0.5:
                raise StopIteration

        def f(p):
            return (p["a"] - 1.0) ** 4

        ours.minimize(f, {"a": 0.0}, callback=report)
        ours.minimize(f, {"a": 0.0}, callback=seen.append)
        ours.minimize(f, {"a": 0.0}, method="trust-constr", callback=lambda x, state: x["a"] > 0.5)
        assert len(seen) == 2
        assert all(type(x) is dict for x in seen)
        assert ours.minimize(f, {"a": 0.0}, callback=report).status == 99  # stopped

    def test_what_is_given_is_used(self):
        """Gradient, Hessian, products, differences: nothing of the function is traced then."""
        calls = {"jac": 0, "hess": 0}

        def f(x):
            return math.cosh(x[0] - 1.0)  # no Variable can pass

        def jac(x):
            calls["jac"] += 1
            return np.sinh(x - 1.0)

        def hess(x):
            calls["hess"] += 1
            return np.cosh(x - 1.0)[:, None]

        assert ours.minimize(f, [0.0], jac=jac, hess=hess, method="trust-exact").x[0] == pytest.approx(1.0)
        assert min(calls.values()) > 0
        for options in ({"jac": "2-point"}, {"jac": False}, {"method": "Nelder-Mead"}):
            found = ours.minimize(f, [0.0], **options)
            assert found.x[0] == pytest.approx(1.0, abs=1e-4)
            assert repr(found.derivatives) == "no derivatives: the method takes none, or was given its own"
        assert ours.minimize(f, [0.0], jac=jac, hessp=lambda x, p: hess(x) @ p, method="Newton-CG").success
        for method in ("Newton-CG", "trust-constr"):  # SciPy's differences of the gradient, and BFGS
            assert ours.minimize(f, [0.0], jac=jac, method=method).x[0] == pytest.approx(1.0, abs=1e-4)
        assert ours.minimize(f, [0.0], jac="2-point", method="trust-constr", hess=scipy.optimize.BFGS()).success

    def test_what_is_given_with_a_nest(self):
        """Gradients and products are nests, a Hessian is a matrix."""

        def f(p):
            return (p["a"] - 1.0) ** 2 + p["b"] ** 2

        start = {"a": 0.0, "b": 1.0}
        for options in (
            {"jac": al.grad(f)},
            {"jac": al.grad(f), "method": "trust-exact"},
            {"jac": al.grad(f), "method": "trust-exact", "hess": lambda p: 2.0 * np.eye(2)},
            {"hessp": al.hvp(f), "method": "trust-krylov"},
        ):
            assert ours.minimize(f, start, **options).x["a"] == pytest.approx(1.0)
        with pytest.raises(al.ArgumentError, match=r"jac has 3 numbers, and x has 2\. Give one for each\."):
            ours.minimize(f, start, jac=lambda p: np.zeros(3))

    def test_value_and_gradient_in_one_function(self):
        """`jac=True` is honoured; the Hessian comes from the function under `value_and_grad`, compiled or not."""

        def f(x):
            return (x[0] - 1.0) ** 2

        for pair in (al.value_and_grad(f), al.jit(al.value_and_grad(f))):
            found = ours.minimize(pair, [0.0], jac=True, method="trust-exact")
            assert found.x[0] == pytest.approx(1.0)
            assert set(found.derivatives.uses) == {"hessian"}
        found = ours.minimize(al.value_and_grad(lambda p: (p["a"] - 1.0) ** 2), {"a": 0.0}, jac=True)
        assert found.x["a"] == pytest.approx(1.0)
        assert ours.minimize(lambda x: ((x[0] - 1.0) ** 2, [2.0 * (x[0] - 1.0)]), [0.0], jac=True).success

    @pytest.mark.parametrize(
        "pair",
        [
            lambda x: (rosenbrock(x), al.grad(rosenbrock)(x)),
            al.value_and_grad(rosenbrock),
            al.jit(al.value_and_grad(rosenbrock)),
        ],
    )
    def test_a_pair_where_one_number_is_wanted(self, pair):
        """The message was that of a gradient: use jacobian, or add them up."""
        for solve in (ours.minimize, ours.fmin_bfgs, ours.basinhopping):
            with pytest.raises(
                al.OutputError, match=r"pass the function of the value alone, f and not value_and_grad\(f\)"
            ):
                solve(pair, [0.0, 0.0])

    def test_what_is_no_function_no_bounds_and_no_constraint(self):
        """SciPy's words were those of its code: an int is not iterable, the truth value of an array is ambiguous."""
        square = lambda x: x[0] ** 2
        calls = [
            (lambda: ours.minimize([0.0], square), r"minimize takes a function first, and fun=\[0.0\] is none"),
            (lambda: ours.curve_fit(np.ones(3), square, np.ones(3)), r"curve_fit takes a function first, and f=array"),
            (
                lambda: ours.solve_ivp((0.0, 1.0), square, [0.0]),
                r"solve_ivp takes a function first, and fun=\(0.0, 1.0\)",
            ),
            (lambda: ours.fsolve(1.0, square), r"fsolve takes a function first, and func=1.0 is none"),
            (
                lambda: ours.minimize(square, [0.5], bounds=(0, 1)),
                r"Give a pair for each unknown, or Bounds\(low, high\)",
            ),
            (
                lambda: ours.minimize(square, [0.5], constraints=square),
                r"is a function alone. Write NonlinearConstraint\(f",
            ),
        ]
        for call, said in calls:
            with pytest.raises(al.ArgumentError, match=said):
                call()

    def test_a_table_as_start(self):
        """SciPy said that x0 must only have one dimension."""
        pd = pytest.importorskip("pandas")
        found = ours.minimize(lambda t: ((t - 1.0) ** 2).sum(), pd.DataFrame({"u": [0.0, 2.0], "v": [3.0, 4.0]}))
        assert np.allclose(found.x, 1.0)
        assert np.shape(found.x) == (2, 2)

    def test_one_number_where_a_pair_is_said(self):
        """SciPy took it apart: "invalid index to scalar variable"."""
        said = r"=True says that <lambda> returns its value and its derivatives. It returned .*Leave .* out"
        calls = [
            lambda: ours.minimize(lambda x: x[0] ** 2, [0.0, 0.0], jac=True),
            lambda: ours.minimize(lambda p: p["a"] ** 2, {"a": 0.0}, jac=True),
            lambda: ours.basinhopping(lambda x: x[0] ** 2, [0.0, 0.0], minimizer_kwargs={"jac": True}),
            lambda: ours.root(lambda x: [x[0]], [0.0], jac=True),
            lambda: ours.root(lambda p: p["a"], {"a": 0.0}, jac=True),
            lambda: ours.root_scalar(lambda x: np.array(x), x0=1.0, fprime=True),
            lambda: ours.root_scalar(lambda x: (x, 1.0), x0=1.0, fprime=True, fprime2=True, method="halley"),
        ]
        for call in calls:
            with pytest.raises(al.ArgumentError, match=said):
                call()
        assert abs(ours.root_scalar(lambda x: (x * x - 2.0, 2.0 * x), x0=1.0, fprime=True).root - 2.0**0.5) < 1e-12
        assert np.allclose(ours.root(lambda x: (x - 3.0, np.eye(1)), [0.0], jac=True).x, 3.0)

    def test_a_compiled_function_is_traced_once(self):
        """Over many calls with other arguments, which are data; one that is not compiled is traced each time."""
        traced = []

        def f(x, a):
            traced.append(1)
            return (x[0] - a) ** 2 + x[1] ** 2

        compiled = al.jit(f)
        for a in (1.0, 2.0, 3.0):
            found = ours.minimize(compiled, [0.0, 1.0], args=(a,), method="trust-exact")
            assert found.x[0] == pytest.approx(a)
        once = len(traced)
        assert ours.minimize(compiled, [0.0, 1.0], args=(4.0,), method="trust-exact").x[0] == pytest.approx(4.0)
        assert len(traced) == once
        for a in (1.0, 2.0):
            assert ours.minimize(f, [0.0, 1.0], args=(a,)).x[0] == pytest.approx(a)
        big = al.jit(lambda x, a: sum((b - c - a) ** 2 for b, c in itertools.pairwise(x)) + x[0] ** 4)
        for a in (1.0, 2.0):
            x = ours.minimize(big, np.zeros(60), args=(a,), method="trust-exact").x
            assert np.allclose(-np.diff(x), a, atol=1e-3)

    def test_branches(self):
        """A function with branches has several paths, which the report counts."""
        found = ours.minimize(lambda x: (x[0] - 2.0) ** 2 if x[0] > 1.0 else 3.0 - 2.0 * x[0], [-3.0])
        assert found.x[0] == pytest.approx(2.0)
        assert found.derivatives.uses["gradient"].paths == 2
        assert "dense, 2 paths; " in repr(found.derivatives)

    def test_values_that_are_not_finite(self):
        """They go to SciPy as they are."""
        assert math.isnan(ours.minimize(lambda x: al.log(x[0]) - x[0], [-1.0]).fun)
        assert ours.minimize(lambda x: x[0] - al.log(x[0]), [1.5]).x[0] == pytest.approx(1.0, abs=1e-4)

    def test_exceptions_pass(self):
        """What the function raises is what the caller sees."""

        def f(x):
            if x[0] > 0.5:
                raise ZeroDivisionError("mine")
            return (x[0] - 1.0) ** 2

        with pytest.raises(ZeroDivisionError, match="mine"):
            ours.minimize(f, [0.0])
        with pytest.raises(ValueError, match="Unknown solver simplex"):
            ours.minimize(f, [0.0], method="simplex")
        with pytest.raises(
            TypeError, match=r"minimize\(\) got an unexpected keyword argument 'metod'. Did you mean method\?"
        ):
            ours.minimize(f, [0.0], metod="BFGS")

    def test_refusals(self):
        """Our words: what cannot be traced, with SciPy's way out; several numbers; starts that are no numbers."""
        with pytest.raises(al.OperandError, match=r"float\(\) of Variable") as caught:
            ours.minimize(lambda x: math.cosh(x[0]), [0.0])
        assert caught.value.__notes__ == [
            '<lambda> was traced for its derivatives. With jac="2-point" SciPy does without them.'
        ]
        with pytest.raises(al.OutputError, match="returned a list of 2 numbers") as caught:
            ours.minimize(lambda x: [x[0], x[1]], [0.0, 1.0])
        assert caught.value.__notes__ == [
            "minimize takes one number, least_squares residuals, root as many numbers as there are unknowns."
        ]
        for start in ([1j, 1.0], ["a", 1.0], {"a": "b"}, np.array([1j])):
            with pytest.raises(al.OperandError):
                ours.minimize(lambda x: x[0] ** 2, start)
        with pytest.raises(al.OperandError, match=r"x0 holds Variable\(1\.0\): SciPy's solvers run on plain numbers"):
            ours.minimize(lambda x: x[0] ** 2, [al.Variable(1.0)])

    @pytest.mark.parametrize("count", [1, 60])
    def test_derivatives_through_a_solver_are_refused(self, count):
        """A Variable from outside would lose its derivative."""

        def solution(a):
            return ours.minimize(lambda x: sum((v - a) ** 2 for v in x), np.zeros(count), method="trust-constr").x[0]

        message = (
            r"^<lambda> uses a Variable from outside, and solvers run on plain numbers: the derivative of their result by "
            r"that Variable would be lost\. Use x\.value, "
            r"or al\.root, al\.argmin or al\.odeint, which differentiate the equation"
        )
        with pytest.raises(al.OperandError, match=message):
            al.grad(solution)(2.0)
        with pytest.raises(al.OperandError, match=message):
            al.grad(lambda a: ours.arguments(lambda x: x[0] * a, "minimize")["fun"](np.ones(count)))(2.0)

    def test_results_are_copied_and_pickled(self):
        """A pickle keeps what the derivatives cost."""
        found = ours.minimize(rosenbrock, [0.9, 0.9], method="trust-exact")
        kept = pickle.loads(pickle.dumps(found))
        assert repr(kept.derivatives) == repr(found.derivatives)
        assert np.array_equal(kept.x, found.x)
        with pytest.raises(al.ArgumentError, match="these derivatives come from a pickle"):
            kept.derivatives.hessian(kept.x)
        assert np.allclose(copy.deepcopy(found).derivatives.hessian([1.0, 1.0]), [[802.0, -400.0], [-400.0, 200.0]])


class TestConstraints:
    """Constraints of minimize: the sum of two numbers on a disc, and on one half of it."""

    DISC = staticmethod(lambda x: x[0] ** 2 + x[1] ** 2)

    @pytest.mark.parametrize("method", ["SLSQP", "trust-constr", "COBYLA", "COBYQA"])
    def test_each_kind(self, method):
        """Ours, dicts with arguments, lists of them, SciPy's linear one; a nest beside a vector; ours in SciPy's minimize."""
        at = -math.sqrt(0.5)
        disc = ours.NonlinearConstraint(self.DISC, -np.inf, 1.0)
        old = {"type": "ineq", "fun": lambda x, r: r - x[0] ** 2 - x[1] ** 2, "args": (1.0,)}
        for constraint in (disc, [old], [disc, ours.LinearConstraint([[1.0, -1.0]], -1.0, 1.0)]):
            found = ours.minimize(lambda x: x[0] + x[1], [0.5, 0.4], method=method, constraints=constraint)
            assert np.allclose(found.x, at, atol=2e-3)
        constraint = [
            ours.NonlinearConstraint(lambda p: {"r": p["a"] ** 2 + p["b"] ** 2}, {"r": -np.inf}, {"r": 1.0}),
            {"type": "ineq", "fun": lambda p: [p["a"]]},
            scipy.optimize.NonlinearConstraint(lambda p: p["b"] ** 2, -2.0, 2.0),
        ]
        found = ours.minimize(lambda p: p["a"] + p["b"], {"a": 0.5, "b": 0.4}, method=method, constraints=constraint)
        assert found.x["b"] == pytest.approx(-1.0, abs=2e-3)

    @pytest.mark.filterwarnings("ignore:Constraint options", "ignore:delta_grad")
    @pytest.mark.parametrize("method", ["SLSQP", "trust-constr", "COBYLA"])
    def test_ours_in_scipys_minimize(self, method):
        """It is a constraint of SciPy's, for vectors."""
        disc = ours.NonlinearConstraint(self.DISC, -np.inf, 1.0)
        found = scipy.optimize.minimize(lambda x: x[0] + x[1], [0.5, 0.4], method=method, constraints=disc)
        assert np.allclose(found.x, -math.sqrt(0.5), atol=2e-3)

    def test_derivatives_of_each_are_reported(self):
        """With their number; the Hessian of the weighted sum for trust-constr only."""
        disc = ours.NonlinearConstraint(self.DISC, -np.inf, 1.0)
        for method, kinds in (("SLSQP", {"values", "jacobian"}), ("trust-constr", {"values", "jacobian", "weighted"})):
            found = ours.minimize(lambda x: x[0] + x[1], [0.5, 0.4], method=method, constraints=disc)
            assert {f"constraint 0: {kind}" for kind in kinds} == {k for k in found.derivatives.uses if ":" in k}

    def test_many_unknowns_are_sparse(self):
        """A chain of equations: Jacobian and Hessian of the Lagrangian."""
        count = 80

        def chain(x):
            return [b - a - 0.1 * al.sin(a) for a, b in itertools.pairwise(x)]

        found = ours.minimize(
            lambda x: sum((v - 1.0) ** 2 for v in x),
            np.linspace(0.1, 1.0, count),
            method="trust-constr",
            constraints=ours.NonlinearConstraint(chain, 0.0, 0.0),
        )
        assert found.constr_violation < 1e-8
        assert found.derivatives.uses["constraint 0: jacobian"].form == "2.5 % of 79 × 80, sparse"
        assert found.derivatives.uses["constraint 0: weighted"].form.endswith("sparse")
        assert found.derivatives.uses["hessian"].form == "1.2 % of 80 × 80, sparse"

    def test_what_is_given_is_used(self):
        """Differences, or functions by hand, of a constraint that cannot be traced."""

        def untraceable(x):
            return math.hypot(x[0], x[1])

        for options in (
            {"jac": "2-point"},
            {"jac": lambda x: np.array([x]) / np.hypot(*x), "hess": scipy.optimize.BFGS()},
            {"jac": lambda x: np.array([x]) / np.hypot(*x)},
        ):
            disc = ours.NonlinearConstraint(untraceable, -np.inf, 1.0, **options)
            for method in ("SLSQP", "trust-constr"):
                found = ours.minimize(lambda x: x[0] + x[1], [0.5, 0.4], method=method, constraints=disc)
                assert np.allclose(found.x, -math.sqrt(0.5), atol=2e-3)


T = np.linspace(0.0, 3.0, 40)
Y = 2.5 * np.exp(-1.3 * T) + 0.5 + 0.01 * np.cos(99.0 * T)


def residuals(p):
    return p[0] * np.exp(-p[1] * T) + p[2] - Y


def chain(x):
    return [*(10.0 * (b - a * a) for a, b in itertools.pairwise(x)), *(1.0 - a for a in x)]


class TestLeastSquares:
    """SciPy's least_squares."""

    @pytest.mark.parametrize("method", ["trf", "dogbox", "lm"])
    @pytest.mark.parametrize("loss", ["linear", "soft_l1", "huber", "cauchy", "arctan"])
    def test_steps_are_those_of_an_exact_jacobian(self, method, loss):
        """Whose entries SciPy may scale in place: the ones that are kept for the point are others."""
        if method == "lm" and loss != "linear":
            pytest.skip("SciPy's lm has the linear loss only")
        options = {"method": method, "loss": loss, "x_scale": "jac"}
        wanted = scipy.optimize.least_squares(residuals, [1.0, 1.0, 0.0], jac=al.jacobian(residuals), **options)
        found = ours.least_squares(residuals, [1, 1, 0], **options)
        assert (found.nfev, found.njev, found.status) == (wanted.nfev, wanted.njev, wanted.status)
        assert np.allclose(found.x, wanted.x, rtol=1e-9)
        assert np.allclose(found.jac, wanted.jac, rtol=1e-7)
        assert found.derivatives.uses["jacobian"].form == "dense, 40 × 3"

    @pytest.mark.parametrize(
        ("options", "sparse"),
        [({}, True), ({"method": "dogbox"}, True), ({"method": "lm"}, False), ({"tr_solver": "exact"}, False)],
    )
    def test_many_unknowns_are_sparse_where_the_method_takes_it(self, options, sparse):
        """Three of a hundred entries."""
        found = ours.least_squares(chain, np.full(60, 0.9), **options)
        assert found.cost < 1e-12
        assert hasattr(found.jac, "toarray") == (sparse and options.get("method") != "lm")
        assert found.derivatives.uses["jacobian"].form.startswith("2.5 % of 119 × 60")
        jac = al.jit(al.jacobian(chain))
        wanted = scipy.optimize.least_squares(al.jit(chain), np.full(60, 0.9), jac=jac, **options)
        assert np.allclose(found.x, wanted.x, atol=1e-6)

    def test_nests(self):
        """A dict with bounds, scales and a prior; residuals are a dict."""

        def f(p):
            return {"data": p["a"] * np.exp(-p["k"] * T) + p["c"] - Y, "prior": [0.01 * p["c"]]}

        start, limits = {"a": 1.0, "k": 1.0, "c": 0.1}, ({"a": 0.0, "k": None, "c": -1.0}, np.inf)
        seen = []
        for options in (
            {},
            {"bounds": limits},
            {"bounds": ours.Bounds(0.0, 5.0)},
            {"x_scale": start, "bounds": limits, "callback": seen.append},
            {"jac": "2-point"},
        ):
            found = ours.least_squares(f, start, **options)
            assert found.x["k"] == pytest.approx(1.3, abs=0.02)
            assert set(found.grad) == {"a", "k", "c"}
        assert all(type(x) is dict for x in seen)
        found = ours.least_squares(lambda p: [p["x"] - 3.0], {"x": 0.0}, bounds=(-1.0, 2.0))
        assert found.x["x"] == pytest.approx(2.0)
        with pytest.raises(al.ArgumentError, match="give a pair \\(low, high\\)"):
            ours.least_squares(f, start, bounds={"a": (0.0, 1.0)})

    def test_arguments(self):
        """By position and by name; one residual, one unknown; SciPy's own order of arguments."""
        for options in ({}, {"jac": "2-point"}):
            found = ours.least_squares(
                lambda p, t, y=0: p[0] * t - y, [1.0], args=(T,), kwargs={"y": 2.0 * T}, **options
            )
            assert found.x[0] == pytest.approx(2.0)
        assert ours.least_squares(lambda p: p - 3.0, 1.0).x[0] == pytest.approx(3.0)
        assert ours.least_squares(residuals, [1.0, 1.0, 0.0], "3-point", (-5.0, 5.0), "dogbox").success
        pattern = np.ones((40, 3))
        assert ours.least_squares(residuals, [1.0, 1.0, 0.0], jac_sparsity=pattern).success

    def test_scan(self):
        """The parameters of a recurrence, which runs as a native loop."""

        def orbit(p):
            return al.scan(lambda y, _: (y + 0.05 * p[0] * y * (1.0 - y / p[1]),) * 2, 0.2, length=60)[1][::6]

        wanted = np.array([float(v) for v in orbit([1.5, 2.0])])
        found = ours.least_squares(lambda p: [a - b for a, b in zip(orbit(p), wanted, strict=True)], [1.0, 1.0])
        assert np.allclose(found.x, [1.5, 2.0])


class TestRoots:
    """SciPy's root and root_scalar."""

    @staticmethod
    def system(x):
        return [x[0] + 0.5 * (x[0] - x[1]) ** 3 - 1.0, 0.5 * (x[1] - x[0]) ** 3 + x[1]]

    @pytest.mark.parametrize("method", ["hybr", "lm", "broyden1", "krylov", "df-sane"])
    def test_root(self, method):
        """Methods that take a Jacobian get it; a nest goes in and comes out, seen by callbacks too."""
        found = ours.root(self.system, [0.5, 0.2], method=method)
        assert np.allclose(found.x, [0.8411639, 0.1588361], atol=1e-4)
        assert set(found.derivatives.uses) == ({"values", "jacobian"} if method in ("hybr", "lm") else set())
        seen = []
        options = {} if method in ("hybr", "lm") else {"callback": lambda x, f: seen.append(x)}
        found = ours.root(
            lambda p: {"u": p["a"] + p["b"] - 3.0, "v": [p["a"] * p["b"] - 2.0]},
            {"a": 0.5, "b": 2.5},
            method=method,
            **options,
        )
        assert found.x["a"] + found.x["b"] == pytest.approx(3.0, abs=1e-4)
        assert all(type(x) is dict for x in seen)

    def test_what_is_given_is_used(self):
        """And differences if they are asked for."""
        assert ours.root(lambda x: (x**2 - 4.0, np.diag(2.0 * x)), [1.0, 3.0], jac=True).success
        assert ours.root(lambda x: [math.sin(x[0])], [1.0], jac=False).success
        assert ours.root(lambda p: [math.sin(p["a"])], {"a": 1.0}, jac=lambda p: [[math.cos(p["a"])]]).success
        assert ours.root(lambda x, a: [x[0] ** 2 - a], 1.0, args=(4.0,)).x[0] == pytest.approx(2.0)
        with pytest.raises(al.OperandError) as caught:
            ours.root(lambda x: [math.sin(x[0])], [1.0])
        assert "With jac=False SciPy does without them." in caught.value.__notes__[0]

    def test_root_scalar(self):
        """Newton's method by default, Halley's with two derivatives; methods with brackets as they are."""

        def f(x, a=2.0):
            return x**3 - a

        found = ours.root_scalar(f, x0=1)
        wanted = scipy.optimize.root_scalar(f, x0=1.0, fprime=lambda x: 3.0 * x * x, method="newton")
        assert (found.root, found.iterations, found.method) == (wanted.root, wanted.iterations, "newton")
        found = ours.root_scalar(f, x0=1.0, method="halley")
        assert (found.root**3, found.method) == (pytest.approx(2.0, rel=1e-14), "halley")
        assert set(found.derivatives.uses) == {"gradient", "hessian"}
        for options in (
            {"args": (3.0,), "x0": 1.0},
            {"args": 3.0, "x0": np.float64(1.0)},
            {"args": (3.0,), "bracket": (0.0, 3.0)},
            {"args": (3.0,), "x0": 1.0, "x1": 2.0},
            {"args": (3.0,), "x0": 1.0, "fprime": lambda x, _: 3.0 * x * x},
            {"args": (3.0,), "x0": 1.0, "fprime": lambda x, _: 3.0 * x * x, "method": "halley"},
        ):
            assert ours.root_scalar(f, **options).root ** 3 == pytest.approx(3.0)
        pair = ours.root_scalar(lambda x: (x**3 - 2.0, 3.0 * x * x), x0=1.0, fprime=True)
        assert pair.root**3 == pytest.approx(2.0)
        complex_root = ours.root_scalar(lambda x: x * x + 1.0, x0=0.5 + 1j, fprime=lambda x: 2.0 * x).root
        assert complex_root == pytest.approx(1j)
        with pytest.raises(ValueError, match="neither bracket nor starting point"):
            ours.root_scalar(f)

    def test_many_roots_of_one_compiled_function(self):
        """Traced once; the arguments are data."""
        traced = []

        @al.jit
        def f(x, a):
            traced.append(1)
            return x**3 - a

        for a in (1.0, 8.0, 27.0):
            assert ours.root_scalar(f, args=(a,), x0=1.5).root ** 3 == pytest.approx(a)
        assert len(traced) <= 2


def model(t, a, b, c):
    return a * np.exp(-b * t) + c


class TestCurveFit:
    """SciPy's curve_fit."""

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"p0": [1.0, 1.0, 0.0]},
            {"sigma": np.full(40, 0.1), "absolute_sigma": True},
            {"sigma": 0.01 * (np.eye(40) + 0.1)},
            {"bounds": (0.0, [3.0, 2.0, 1.0])},
            {"method": "dogbox"},
        ],
    )
    def test_results_are_scipys(self, options):
        """Parameters and covariances, by every weight and bound."""
        wanted = scipy.optimize.curve_fit(model, T, Y, **options)
        found = ours.curve_fit(model, T, Y, **options)
        assert np.allclose(found[0], wanted[0], rtol=1e-6)
        assert np.allclose(found[1], wanted[1], rtol=1e-4)

    def test_forms_of_models(self):
        """Two predictors, branches for one row, all rows at once, a compiled model, lists."""
        x = np.array([T, T + 1.0])
        assert np.allclose(
            ours.curve_fit(lambda x, a, b: a * x[0] + b * x[1] ** 2, x, 2 * T + 3 * (T + 1) ** 2)[0], [2, 3]
        )

        def kinked(t, a, b):
            return a * t if t < 1.5 else a * 1.5 + b * (t - 1.5)

        data = np.array([kinked(t, 2.0, 0.5) for t in T])
        assert np.allclose(ours.curve_fit(kinked, T, data)[0], [2.0, 0.5])
        assert np.allclose(ours.curve_fit(al.jit(model), T, model(T, 2.0, 1.0, 0.5))[0], [2.0, 1.0, 0.5])
        assert np.allclose(ours.curve_fit(lambda t, a: a * t, [1, 2, 3], [2, 4, 6])[0], 2.0)
        for whole in (
            lambda t, a, b: a * np.cumsum(t) + b * t.mean(),
            lambda t, a, b: a * t + b * t.mean(),  # with b = 0 at the start rows agree there, and nowhere else
        ):
            wanted = scipy.optimize.curve_fit(whole, T, whole(T, 2.0, 3.0))[0]
            for start in ([1.0, 1.0], [1.0, 0.0]):
                assert np.allclose(ours.curve_fit(whole, T, whole(T, 2.0, 3.0), p0=start)[0], wanted)

    def test_nests(self):
        """A dict by name, a tuple with an array by position, a dataclass as it is."""
        y = model(T, 2.0, 1.0, 0.5)
        found, matrix = ours.curve_fit(model, T, y, p0={"a": 1.0, "b": 0.8, "c": 0.0})
        assert found == pytest.approx({"a": 2.0, "b": 1.0, "c": 0.5})
        assert matrix.shape == (3, 3)
        (pair, c), _ = ours.curve_fit(lambda t, w, c: model(t, w[0], w[1], c), T, y, p0=(np.ones(2), 0.0))
        assert np.allclose([*pair, c], [2.0, 1.0, 0.5])
        limits = {"a": 0.0, "b": 0.0, "c": 0.0}, {"a": 1.5, "b": 3.0, "c": None}
        assert ours.curve_fit(model, T, y, p0={"a": 1.0, "b": 1.0, "c": 1.0}, bounds=limits)[0]["a"] == pytest.approx(
            1.5
        )
        line, _ = ours.curve_fit(lambda t, p: p.slope * t + p.offsets[0], T, 2 * T + 1, p0=Line(1.0, np.zeros(1)))
        assert line.slope == pytest.approx(2.0)

    def test_what_is_given_is_used(self):
        """A Jacobian by hand; differences; errors of the model pass; the report is in `infodict`."""
        seen = []

        def jac(t, a):
            seen.append(a)
            return t[:, None]

        assert ours.curve_fit(lambda t, a: a * t, T, 2 * T, jac=jac)[0] == pytest.approx(2.0)
        assert seen
        free = {"bounds": (-np.inf, np.inf)}
        assert ours.curve_fit(model, T, Y, {"a": 1.0, "b": 1.0, "c": 1.0}, jac="2-point")[0]["a"] == pytest.approx(
            2.5, abs=0.1
        )
        for options in ({}, free, {"bounds": (0.0, 3.0)}, {"method": "trf"}):
            assert ours.curve_fit(model, T, Y, [1.0, 1.0, 0.0], jac="2-point", **options)[0][1] == pytest.approx(
                1.3, abs=0.1
            )
        with pytest.raises(al.ArgumentError, match="curve_fit takes no jac for a nest"):
            ours.curve_fit(model, T, Y, p0={"a": 1.0, "b": 1.0, "c": 1.0}, jac=jac)
        with pytest.raises(NameError):
            ours.curve_fit(lambda t, a: undefined * t, T, Y)  # noqa: F821
        info = ours.curve_fit(model, T, Y, full_output=True)[2]
        assert info["derivatives"].uses["jacobian"].form == "dense, 40 × 3"

    def test_a_long_table_is_traced_for_one_row(self):
        """The model is called with numbers, not with arrays of Variables: no warning of long recordings."""
        t = np.linspace(0.0, 3.0, 20_000)
        found = ours.curve_fit(model, t, model(t, 2.0, 1.0, 0.5), [1.0, 1.0, 0.0], full_output=True)
        assert np.allclose(found[0], [2.0, 1.0, 0.5])
        assert found[2]["derivatives"].uses["jacobian"].ready < 5.0

    def test_a_compiled_model_is_traced_once(self):
        """For many fits; one that is not compiled is traced in each."""
        traced = []

        @al.jit
        def decay(t, a, k):
            if isinstance(a, al.Variable):
                traced.append(1)
            return a * al.exp(-k * t)

        counts = []
        for k in (0.5, 1.0, 1.5):
            assert ours.curve_fit(decay, T, 2.0 * np.exp(-k * T), [1.0, 1.0])[0][1] == pytest.approx(k)
            counts.append(len(traced))
        assert counts[0] == counts[-1] > 0


class TestSolveIvp:
    """SciPy's solve_ivp."""

    @staticmethod
    def stiff(t, y):
        return [y[1], 1000.0 * (1.0 - y[0] ** 2) * y[1] - y[0]]

    @pytest.mark.parametrize("method", ["Radau", "BDF", "LSODA", scipy.integrate.BDF])
    def test_implicit_methods(self, method):
        """The steps are those of a Jacobian by hand."""

        def jac(t, y):
            return [[0.0, 1.0], [-2000.0 * y[0] * y[1] - 1.0, 1000.0 * (1.0 - y[0] ** 2)]]

        wanted = scipy.integrate.solve_ivp(self.stiff, (0.0, 900.0), [2.0, 0.0], method=method, jac=jac)
        found = ours.solve_ivp(self.stiff, (0.0, 900.0), [2, 0], method=method)
        assert (found.status, found.nfev) == (0, pytest.approx(wanted.nfev, rel=0.05))
        assert np.allclose(found.y[:, -1], wanted.y[:, -1], rtol=1e-2)
        assert found.derivatives.uses["jacobian"].form == "dense, 2 × 2"

    @pytest.mark.parametrize("method", ["Radau", "BDF", "LSODA"])
    def test_many_unknowns(self, method):
        """Heat in a rod that is warmed in turn: sparse, but for LSODA."""

        def heat(t, u):
            inner = [400.0 * (u[k + 1] - 2.0 * u[k] + u[k - 1]) for k in range(1, len(u) - 1)]
            return [al.sin(t), *inner, 0.0]

        start = np.sin(np.linspace(0.0, math.pi, 52))
        found = ours.solve_ivp(heat, (0.0, 0.02), start, method=method)
        wanted = scipy.integrate.solve_ivp(heat, (0.0, 0.02), start, method=method)
        assert np.allclose(found.y[:, -1], wanted.y[:, -1], atol=1e-3)
        assert ("sparse" in found.derivatives.uses["jacobian"].form) == (method != "LSODA")

    def test_the_rest_is_scipys(self):
        """Arguments, events, explicit methods, complex states, what is given; the function gets floats."""
        seen = set()

        def decay(t, y, k):
            seen.add(type(y[0]))
            return [-k * y[0]]

        found = ours.solve_ivp(
            decay, (0.0, 1.0), [1.0], "Radau", args=(2.0,), t_eval=[1.0], events=lambda t, y, k: y[0] - 0.5, rtol=1e-8
        )
        assert found.y[0, -1] == pytest.approx(math.exp(-2.0))
        assert found.t_events[0][0] == pytest.approx(math.log(2.0) / 2.0, rel=1e-6)
        assert np.float64 in seen
        for options in ({}, {"method": "DOP853"}, {"method": "BDF", "jac": [[-2.0]]}, {"method": "BDF", "jac": False}):
            found = ours.solve_ivp(decay, (0.0, 1.0), [1.0], args=(2.0,), **options)
            assert found.y[0, -1] == pytest.approx(math.exp(-2.0), abs=1e-2)
            assert found.derivatives.uses == {}
        fast, traced = al.jit(lambda t, y, k: traced.append(1) or [-k * y[0]]), []
        counts = []
        for k in (1.0, 2.0, 3.0):
            found = ours.solve_ivp(fast, (0.0, 1.0), [1.0], "BDF", args=(k,), rtol=1e-6, atol=1e-8)
            assert found.y[0, -1] == pytest.approx(math.exp(-k), rel=1e-4)
            counts.append(len(traced))
        assert counts[0] == counts[-1] > 0
        spin = ours.solve_ivp(lambda t, y: 1j * y, (0.0, 1.0), [1.0 + 0j], method="BDF", rtol=1e-6)
        assert spin.y[0, -1] == pytest.approx(np.exp(1j), abs=1e-3)
        with pytest.raises(al.OperandError) as caught:
            ours.solve_ivp(lambda t, y: [math.exp(y[0])], (0.0, 0.1), [0.0], method="BDF")
        assert "With jac=False SciPy does without them." in caught.value.__notes__[0]


class TestDifferentialEvolution:
    """SciPy's differential_evolution."""

    @staticmethod
    def waves(x):
        return sum(v * v - 10.0 * al.cos(2.0 * math.pi * v) for v in x)

    OPTIONS = {"rng": 1, "popsize": 8, "maxiter": 60}  # noqa: RUF012

    def test_polishing(self):
        """The last steps have a gradient; without them nothing of ours runs."""
        found = ours.differential_evolution(self.waves, [(-5.0, 5.0)] * 2, **self.OPTIONS)
        assert np.abs(found.x).max() < 1e-6
        assert found.derivatives.uses["gradient"].count > 1
        columns = {"vectorized": True, "updating": "deferred", **self.OPTIONS}
        found = ours.differential_evolution(lambda x: ((x - 1.5) ** 2).sum(axis=0), [(-5.0, 5.0)] * 2, **columns)
        assert np.allclose(found.x, 1.5)
        assert found.derivatives.uses["gradient"].count > 0
        found = ours.differential_evolution(self.waves, [(-5.0, 5.0)] * 2, polish=False, **self.OPTIONS)
        assert found.derivatives.uses == {}

    def test_constraints_and_whole_numbers(self):
        """Polished by trust-constr; unknowns that are whole stay so."""
        disc = ours.NonlinearConstraint(lambda x: x[0] ** 2 + x[1] ** 2, -np.inf, 1.0)
        bounds = [(-5.0, 5.0)] * 2
        found = ours.differential_evolution(lambda x: x[0] + x[1], bounds, constraints=disc, **self.OPTIONS)
        assert np.allclose(found.x, -math.sqrt(0.5), atol=1e-3)
        assert "constraint 0: weighted" in found.derivatives.uses
        found = ours.differential_evolution(
            lambda x: (x[0] - 1.3) ** 2 + (x[1] - 0.3) ** 2, bounds, integrality=[True, False], **self.OPTIONS
        )
        assert np.allclose(found.x, [1.0, 0.3], atol=1e-4)

    def test_nests(self):
        """Bounds that are a nest of pairs; a start with an array; callbacks."""
        seen = []
        found = ours.differential_evolution(
            lambda p: (p["a"] - 1.3) ** 2 + p["b"] ** 2,
            {"a": (-5.0, 5.0), "b": [-1.0, 1.0]},
            callback=lambda x, convergence: seen.append(x),
            **self.OPTIONS,
        )
        assert found.x["a"] == pytest.approx(1.3)
        assert seen[0].keys() == {"a", "b"}
        found = ours.differential_evolution(
            lambda p: (p["a"] - 1.3) ** 2 + (p["w"] ** 2).sum(),
            {"a": (-5.0, 5.0), "w": (-1.0, 1.0)},
            x0={"a": 0.0, "w": np.full(2, 0.5)},
            **self.OPTIONS,
        )
        assert np.allclose(found.x["w"], 0.0, atol=1e-5)


class TestArguments:
    """What those get who call SciPy themselves."""

    @pytest.mark.parametrize("solver", ["minimize", "BFGS", "L-BFGS-B", "Newton-CG", "trust-exact", "trust-constr"])
    def test_minimize(self, solver):
        """The method is among them; further arguments pass through."""
        given = ours.arguments(lambda x, a: (x[0] - a) ** 2 + x[1] ** 2, solver)
        assert set(given) >= {"fun", "jac"}
        found = scipy.optimize.minimize(x0=[0.0, 1.0], args=(2.0,), **given)
        assert np.allclose(found.x, [2.0, 0.0], atol=1e-4)

    def test_the_others(self):
        """Each in SciPy's own function."""
        optimize = scipy.optimize
        given = ours.arguments(lambda x, c: [x[0] - c, x[1] * x[0] - c], "least_squares")
        assert np.allclose(optimize.least_squares(x0=[0.0, 0.0], args=(2.0,), **given).x, [2.0, 1.0])
        given = ours.arguments(lambda p: [p["a"] - 2.0, p["b"] * p["a"] - 3.0], "least_squares", {"a": 1.0, "b": 3.0})
        assert np.allclose(optimize.least_squares(**given).x, [2.0, 1.5])
        given = ours.arguments(TestRoots.system, "root")
        assert np.allclose(optimize.root(x0=[0.5, 0.2], **given).x, [0.8411639, 0.1588361])
        given = ours.arguments(lambda x, a: x**3 - a, "root_scalar")
        assert optimize.root_scalar(x0=1.0, args=(3.0,), method="halley", **given).root ** 3 == pytest.approx(3.0)
        for data in (T, 2.0 * T):
            given = ours.arguments(lambda t, a: a * t, "curve_fit")
            assert optimize.curve_fit(xdata=data, ydata=2.0 * T, **given)[0] == pytest.approx(2.0 * T[1] / data[1])
        given = ours.arguments(TestSolveIvp.stiff, "solve_ivp")
        assert scipy.integrate.solve_ivp(t_span=(0.0, 9.0), y0=[2.0, 0.0], method="BDF", **given).status == 0
        given = ours.arguments(lambda x: x[0] ** 2, "NonlinearConstraint")
        assert np.allclose(
            optimize.NonlinearConstraint(lb=0.0, ub=1.0, **given).hess(np.ones(2), [3.0]), [[6.0, 0.0], [0, 0]]
        )
        with pytest.raises(al.ArgumentError, match="'Powell' is no solver that takes derivatives"):
            ours.arguments(TestRoots.system, "Powell")

    def test_many_unknowns_with_arguments(self):
        """They are data of each call."""
        given = ours.arguments(lambda x, a: [x[0] - a, x[59] - x[0] * a], "least_squares")
        for a in (1.0, 2.0):
            found = scipy.optimize.least_squares(x0=np.ones(60), args=(a,), **given)
            assert np.allclose(found.x[[0, 1, 59]], [a, 1.0, a * a])


class TestNames:
    """The module stands for scipy.optimize and scipy.integrate."""

    def test_other_names_are_scipys(self):
        """By every form of import."""
        import autograd_lite.scipy.integrate
        import autograd_lite.scipy.optimize as also

        from autograd_lite.scipy import brentq, optimize, quad

        assert brentq is scipy.optimize.brentq
        assert quad is scipy.integrate.quad
        assert also is optimize is al.scipy is ours is autograd_lite.scipy.integrate
        assert {"minimize", "fsolve", "odeint"} <= set(dir(ours))
        with pytest.raises(
            al.UnknownNameError, match=r"al.scipy has no attribute 'minimise'. Did you mean al.scipy.minimize\?"
        ):
            ours.minimise
        with pytest.raises(al.UnknownImportError, match=r"al.scipy has no attribute 'minimise'"):
            from autograd_lite.scipy import minimise  # noqa: F401

    def test_the_star_of_both_modules(self):
        """Functions and classes, ours where there are some; no modules, which SciPy has among its names."""
        names: dict = {}
        exec("from autograd_lite.scipy import *", names)  # noqa: S102 - a function may hold no star
        for module in (scipy.optimize, scipy.integrate):
            wanted = {name for name in module.__all__ if not isinstance(getattr(module, name), types.ModuleType)}
            assert wanted <= names.keys()
        for name in (*ours.older.FUNCTIONS, "minimize", "solve_ivp"):
            assert names[name] is getattr(ours, name) is not getattr(scipy.optimize, name, None)

    def test_signatures_are_scipys(self):
        """As `help` and `inspect` show them."""
        import inspect

        for name in ("minimize", "least_squares", "root", "root_scalar", "curve_fit", "differential_evolution"):
            assert inspect.signature(getattr(ours, name)) == inspect.signature(getattr(scipy.optimize, name))
        assert inspect.signature(ours.solve_ivp) == inspect.signature(scipy.integrate.solve_ivp)

    def test_without_scipy(self):
        """The library imports no SciPy; this module does, on first use, and says what to install."""
        code = (
            "import sys\nimport autograd_lite as al\nassert 'scipy' not in sys.modules\nsys.modules['scipy'] = None\n"
            "al.covariance\n"
            "try:\n    al.scipy\nexcept ImportError as error:\n    print(type(error).__name__, error)\n"
        )
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert run.stdout == (
            "UnknownImportError autograd_lite.scipy needs SciPy, which is not installed. "
            'Install it with pip install "autograd-lite[scipy]".\n'
        )


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of NumPy, in SciPy
@pytest.mark.parametrize(
    "solve",
    [
        lambda: ours.minimize(lambda x: al.log(x[0]) + x[1] ** 2, [-1.0, 1.0], method="trust-exact"),
        lambda: ours.minimize(lambda x: al.log(x[0]) + x[1] ** 2, [-1.0, 1.0], method="trust-krylov"),
        lambda: ours.least_squares(lambda x: [al.log(x[0]), x[1]], [-1.0, 1.0]),
        lambda: ours.least_squares(lambda x: [al.sqrt(x[0]), x[1]], [0.0, 1.0]),
        lambda: ours.curve_fit(lambda t, a: a * t, np.array([1.0, math.nan, 3.0]), np.arange(3.0), p0=[1.0]),
    ],
)
def test_what_is_not_finite_names_blame(solve):
    """SciPy said "array must not contain infs or NaNs" and no more."""
    with pytest.raises(al.ArgumentError, match=r"infinite or NaN.*autograd_lite\.blame\(f\(autograd_lite.variables"):
        solve()
    f = lambda x: al.log(x[0]) + x[1] ** 2
    assert "log" in str(al.blame(f(al.variables([-1.0, 1.0]))))


class TestWhatSciPyTakes:
    """Forms of results and arguments that SciPy takes."""

    @pytest.mark.parametrize(
        "wrap", [float, np.float64, np.array, lambda n: np.array([n]), lambda n: [n], lambda n: ([n],)]
    )
    @pytest.mark.parametrize("method", ["BFGS", "Newton-CG", "trust-exact", "trust-krylov"])
    @pytest.mark.parametrize("unknowns", [2, 60])
    def test_one_number_in_any_form(self, wrap, method, unknowns):
        """A list of one number was refused."""
        keep = (lambda n: n) if wrap in (float, np.float64) else wrap
        found = ours.minimize(lambda x: keep(((x - 2.0) ** 2).sum()), np.zeros(unknowns), method=method)
        assert np.allclose(found.x, 2.0, atol=1e-5)

    def test_complex_steps(self):
        """Of the user's own function as SciPy has them; of compiled derivatives refused: they gave a Hessian of zeros."""
        disc = ours.NonlinearConstraint(
            lambda x: x[0] ** 2 + x[1] ** 2, -np.inf, 1.0, jac="cs", hess=scipy.optimize.BFGS()
        )
        rows = ours.NonlinearConstraint(
            lambda x: [x[0] ** 2 + x[1] ** 2], -np.inf, 1.0, jac="cs", hess=scipy.optimize.BFGS()
        )
        for constraint in (disc, rows):
            found = ours.minimize(lambda x: x[0] + x[1], [0.1, 0.2], method="trust-constr", constraints=constraint)
            assert np.allclose(found.x, -(0.5**0.5), atol=1e-4)
        for method in ("Newton-CG", "trust-ncg", "trust-krylov", "trust-constr"):
            with pytest.raises(al.ArgumentError, match='leave out "cs"'):
                ours.minimize(rosenbrock, [0.0, 0.0], method=method, hess="cs")

    @pytest.mark.parametrize("method", [*UNCONSTRAINED, *FREE])
    def test_callbacks_get_nests_and_scipy_keeps_its_result(self, method):
        """trust-constr goes on with the result that it reports."""
        seen = []

        def watch(intermediate_result):
            seen.append(intermediate_result.x)

        if method not in ("TNC", "COBYLA"):  # they report x alone
            found = ours.minimize(bowl, Line(0.0, np.zeros(3)), method=method, callback=watch)
            assert isinstance(found.x, Line)
            assert seen
            assert all(isinstance(line, Line) for line in seen)

    @pytest.mark.parametrize("method", ["lm", "trf"])
    @pytest.mark.parametrize("known", [False, True])
    @pytest.mark.parametrize(
        "model", [lambda t, a: a, lambda t, a: a * t.mean(), lambda t, a: a * t, lambda t, a: a + 0 * t]
    )
    def test_one_sigma_and_constant_models(self, model, known, method):
        """SciPy broadcasts both."""
        t = np.arange(1.0, 6.0)
        given = {"sigma": 0.1, "absolute_sigma": known, "method": method}
        found, wanted = (m.curve_fit(model, t, t + 1.0, **given) for m in (ours, scipy.optimize))
        assert np.allclose(found[0], wanted[0], rtol=1e-6)
        assert np.allclose(found[1], wanted[1], rtol=1e-5)

    def test_nan_in_data_names_its_policy(self):
        """Of the one function that has one."""
        with pytest.raises(al.ArgumentError, match="nan_policy='omit' leaves out data that is NaN"):
            ours.curve_fit(lambda t, a: a * t, np.arange(3.0), np.array([0.0, math.nan, 2.0]))


class TestStates:
    """The states of solve_ivp."""

    @pytest.mark.parametrize("method", ["RK45", "Radau", "BDF", "LSODA"])
    def test_a_nest(self, method):
        """Rates, events, results and a Jacobian by hand."""

        def falls(_, y):
            return y["x"][0]

        falls.terminal, falls.direction = True, -1
        rates = lambda t, y: {"x": y["v"], "v": -1.0 * y["x"]}
        start = {"x": np.array([1.0, 2.0]), "v": np.zeros(2)}
        given = {"method": method, "rtol": 1e-8, "atol": 1e-8}
        found = ours.solve_ivp(rates, (0.0, 1.0), start, t_eval=[0.0, 0.5, 1.0], **given)
        assert np.allclose(found.y["x"], np.outer([1.0, 2.0], np.cos([0.0, 0.5, 1.0])), atol=1e-6)
        assert found.y_flat.shape == (4, 3)
        assert (found.njev > 0) == ("jacobian" in found.derivatives.uses)
        end = ours.solve_ivp(rates, (0.0, 5.0), start, events=falls, **given)
        assert end.t[-1] == pytest.approx(math.pi / 2.0, abs=1e-6)
        by_hand = np.kron(np.array([[0.0, -1.0], [1.0, 0.0]]), np.eye(2))  # v before x: keys are sorted
        if method in ("Radau", "BDF"):
            again = ours.solve_ivp(rates, (0.0, 1.0), start, jac=lambda t, y: by_hand, **given)
            assert np.allclose(again.y["x"][:, -1], np.cos(1.0) * start["x"], atol=1e-6)
        with pytest.raises(al.ArgumentError, match="Return a rate for each number of y0"):
            ours.solve_ivp(lambda t, y: {"x": y["x"]}, (0.0, 1.0), start, **given)

    @pytest.mark.parametrize("method", ["RK45", "Radau", "BDF", "LSODA"])
    def test_variables_from_outside_are_named(self, method):
        """By every method alike, also those that take no derivative."""
        a = al.Variable(2.0)
        with pytest.raises(al.OperandError, match=r"uses a Variable from outside.*al\.odeint"):
            ours.solve_ivp(lambda t, y: [-a * y[0]], (0.0, 1.0), [1.0], method=method)
        with pytest.raises(al.OperandError, match=r"solve_ivp was given a Variable.*al\.odeint"):
            al.grad(lambda p: ours.solve_ivp(lambda t, y: [-y[0]], (0.0, 1.0), [p], method=method).y[0, -1])(1.0)

    def test_the_form_is_that_of_the_states(self):
        """Time is an unknown beside them in the trace, and no column."""
        rates = lambda t, y: [t * (b - a) for a, b in zip(y, [*y[1:], y[0]], strict=True)]
        found = ours.solve_ivp(rates, (0.0, 1.0), np.linspace(0.0, 1.0, 60), method="BDF")
        assert "60 × 60, sparse" in found.derivatives.uses["jacobian"].form
