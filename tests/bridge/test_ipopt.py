"""IPOPT with sparse derivatives, where cyipopt is installed; what is said where it is not."""

import math
import sys
import types

import numpy as np
import pytest

import autograd_lite as al
from autograd_lite import scipy as ours
from autograd_lite.bridge import ipopt


def test_what_to_install(monkeypatch):
    """The extra, or conda's package."""
    monkeypatch.setitem(sys.modules, "cyipopt", None)
    message = (
        r'^method="ipopt" needs cyipopt, which is not installed\. Install it with pip install "autograd-lite\[ipopt\]"'
    )
    with pytest.raises(al.AutogradLiteError, match=message):
        ours.minimize(lambda x: x[0] ** 2, [1.0], method="ipopt")


class Recorder:
    """A stand-in for `cyipopt.Problem`: asks each function once, at the start."""

    def __init__(self, *, problem_obj, **sizes):
        self.asked, self.sizes, self.options = problem_obj, sizes, {}

    def add_option(self, name, value):
        self.options[name] = value

    def get_current_iterate(self):
        return {"x": self.x}

    def solve(self, x):
        self.x, p, ones = x, self.asked, np.ones(self.sizes["m"])
        self.values = p.objective(x), p.constraints(x), p.gradient(x)
        jacobian, hessian = np.zeros((self.sizes["m"], len(x))), np.zeros((len(x), len(x)))
        jacobian[p.jacobianstructure()] = p.jacobian(x)
        hessian[p.hessianstructure()] = p.hessian(x, 2.0 * ones, 3.0)
        self.matrices = jacobian, hessian
        self.goes_on = p.intermediate(0, 7)
        return x, {"status": 0, "status_msg": b"Solved.", "obj_val": p.objective(x), "mult_g": ones}


@pytest.fixture
def recorder(monkeypatch):
    """The recorders that were made, in place of IPOPT."""
    made = []

    def problem(**given):
        made.append(Recorder(**given))
        return made[-1]

    monkeypatch.setitem(sys.modules, "cyipopt", types.SimpleNamespace(Problem=problem))
    return made


def test_what_ipopt_is_told(recorder):
    """Problem 71 of Hock & Schittkowski with a linear row beside: values, matrices, sides, options."""
    seen = []
    found = ours.minimize(
        lambda p: p["a"] * p["w"][2] * (p["a"] + p["w"][0] + p["w"][1]) + p["w"][1],
        {"a": 1.0, "w": np.array([5.0, 4.0, 1.0])},
        method="ipopt",
        bounds={"a": (1.0, None), "w": (1.0, 5.0)},
        constraints=[
            ours.LinearConstraint([[1.0, 1.0, 0.0, 0.0]], -np.inf, 9.0),
            ours.NonlinearConstraint(lambda p: p["a"] * p["w"][0] * p["w"][1] * p["w"][2], 25.0, np.inf),
            {"type": "eq", "fun": lambda p: [p["a"] ** 2 + (p["w"] ** 2).sum() - 40.0]},
        ],
        callback=seen.append,
        tol=1e-9,
        options={"maxiter": 30, "disp": True, "mu_strategy": "adaptive"},
    )
    told = recorder[0]
    assert (found.success, found.message, found.nfev, found.nit, found.fun) == (True, "Solved.", 1, 7, 14.0)
    assert found.x["a"] == seen[0]["a"] == 1.0
    assert told.options == {"print_level": 5, "sb": "yes", "tol": 1e-9, "max_iter": 30, "mu_strategy": "adaptive"}
    assert np.array_equal(told.sizes["lb"], np.ones(4))
    assert np.array_equal(told.sizes["ub"], [np.inf, 5.0, 5.0, 5.0])
    assert np.array_equal(told.sizes["cl"], [25.0, 0.0, -np.inf])
    assert np.array_equal(told.sizes["cu"], [np.inf, 0.0, 9.0])
    objective, constraints, gradient = told.values
    assert objective == 14.0
    assert np.array_equal(constraints, [20.0, 3.0, 6.0])
    assert np.array_equal(gradient, [11.0, 1.0, 2.0, 10.0])
    jacobian, hessian = told.matrices
    assert np.array_equal(jacobian, [[20.0, 4.0, 5.0, 20.0], [2.0, 10.0, 8.0, 2.0], [1.0, 1.0, 0.0, 0.0]])

    def lagrangian(x):
        a, u, v, w = x
        return 3.0 * (a * w * (a + u + v) + v) + 2.0 * (a * u * v * w) + 2.0 * (a**2 + u**2 + v**2 + w**2)

    assert np.array_equal(hessian, np.tril(al.hessian(lagrangian)(np.array([1.0, 5.0, 4.0, 1.0]))))
    assert told.goes_on


def test_refusals(recorder):
    """Derivatives that are given, several numbers, Variables from outside; a callback that stops."""
    with pytest.raises(al.ArgumentError, match="takes our derivatives only"):
        ours.minimize(lambda x: x[0] ** 2, [1.0], method="ipopt", jac="2-point")
    with pytest.raises(al.OutputError, match="returned 2 numbers; IPOPT minimises one"):
        ours.minimize(lambda x: [x[0], x[0]], [1.0], method="ipopt")
    with pytest.raises(al.OperandError, match="uses a Variable from outside"):
        al.grad(lambda a: ours.minimize(lambda x: (x[0] - a) ** 2, [1.0], method="ipopt").x[0])(2.0)

    def stop(intermediate_result):
        raise StopIteration

    ours.minimize(lambda x: x[0] ** 2, [1.0], method="ipopt", callback=stop)
    assert not recorder[-1].goes_on


def test_a_branch_that_adds_entries(recorder):
    """The structure is another then: the program says so, for the solver to start again."""
    ours.minimize(lambda x: x[0] ** 2 + x[1] ** 2 if x[0] > 0 else (x[0] * x[1]) ** 2, [1.0, 1.0], method="ipopt")
    program = recorder[0].asked
    with pytest.raises(ipopt.Grown):
        program.hessian(np.array([-1.0, 1.0]), np.ones(0), 1.0)
    assert np.array_equal(program.last, [-1.0, 1.0])


def test_compiled_functions_keep_their_derivatives(recorder):
    """The next solution traces nothing; another constraint, or one that is not compiled, has a program of its own."""
    traced = []

    def f(x):
        traced.append("f")
        return x[0] ** 2 + x[1] ** 4

    def solved(f, *constraints):
        rules = [ours.NonlinearConstraint(g, 0.0, 1.0) for g in constraints]
        ours.minimize(f, [2.0, 3.0], method="ipopt", constraints=rules)
        return recorder[-1]

    compiled, one, other = al.jit(f), al.jit(lambda x: x[0] * x[1]), al.jit(lambda x: [x[0] + x[1], x[1] ** 3])
    first = solved(compiled, one)
    count = len(traced)
    again = solved(compiled, one)
    assert len(traced) == count
    assert all(map(np.array_equal, first.matrices, again.matrices))
    assert np.array_equal(solved(compiled, other).matrices[0], [[1.0, 1.0], [0.0, 27.0]])
    assert np.array_equal(solved(compiled, one).matrices[0], [[3.0, 2.0]])
    assert np.array_equal(solved(compiled, lambda x: x[0] - x[1]).matrices[0], [[1.0, -1.0]])
    before = len(traced)
    solved(f)
    solved(f)
    assert len(traced) > before + 1


class TestIpopt:
    """The solver itself."""

    @pytest.fixture(autouse=True)
    def _installed(self):
        pytest.importorskip("cyipopt")

    def test_problem_71(self):
        """Of Hock & Schittkowski."""
        found = ours.minimize(
            lambda x: x[0] * x[3] * (x[0] + x[1] + x[2]) + x[2],
            [1.0, 5.0, 5.0, 1.0],
            method="ipopt",
            bounds=[(1.0, 5.0)] * 4,
            constraints=[
                ours.NonlinearConstraint(lambda x: x[0] * x[1] * x[2] * x[3], 25.0, np.inf),
                {"type": "eq", "fun": lambda x: sum(v * v for v in x) - 40.0},
            ],
        )
        assert found.fun == pytest.approx(17.0140173, abs=1e-6)

    def test_exceptions_pass_and_patterns_grow(self):
        """What the function raises; a branch with other entries starts the solver again."""

        def f(x):
            if x[0] > 0.5:
                raise ZeroDivisionError("mine")
            return (x[0] - 1.0) ** 2

        with pytest.raises(ZeroDivisionError, match="mine"):
            ours.minimize(f, [0.0], method="ipopt")

        def g(x):
            return (
                (x[0] - 2.0) ** 2 + x[1] ** 2
                if x[0] < 1.0
                else (x[0] - 2.0) ** 2 + x[1] ** 2 + (x[0] - 1.0) ** 2 * x[1] ** 2
            )

        found = ours.minimize(g, [0.0, 3.0], method="ipopt")
        assert np.allclose(found.x, [2.0, 0.0], atol=1e-6)
        assert math.isclose(found.fun, 0.0, abs_tol=1e-10)
