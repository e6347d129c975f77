"""Functions to functions: structures, nesting, errors, SciPy."""

import copy
import functools
import inspect
import math
import re
from collections import OrderedDict

import numpy as np
import pytest
import scipy.optimize
from corpus import rosenbrock
from nests import Layer, Point

import autograd_lite as al
from autograd_lite import Variable


class TestStructure:
    """Arguments and results as nests."""

    def test_float_in_float_out(self):
        """Ints and NumPy numbers too."""
        for two in (2, 2.0, np.float32(2), np.int64(2), True + 1, np.array(2.0)):
            got = al.grad(lambda x: x**3)(two)
            assert got == 12.0
        assert type(al.grad(lambda x: x**3)(2)) is float

    def test_array_in_array_out(self):
        """Shape kept, float64; integer and float32 arrays are converted exactly."""
        for dtype in (np.float64, np.float32, np.int16):
            v = np.arange(6, dtype=dtype).reshape(2, 3)
            got = al.grad(lambda a: (a * a).sum())(v)
            assert got.dtype == np.float64
            assert np.array_equal(got, 2.0 * v)
        strided = np.arange(12.0).reshape(3, 4).T[::2]
        assert np.array_equal(al.grad(lambda a: (a * a).sum())(strided), 2 * strided)

    @pytest.mark.parametrize(
        "nest",
        [
            [1.0, 2.0],
            (1.0, (2.0,)),
            {"b": 1.0, "a": [2.0, np.array([3.0])]},
            Point(1.0, 2.0),
            OrderedDict(z=1.0, a=2.0),
            [None, 1.0, []],
            Layer(np.ones((2, 2)), 0.5, "exp"),
        ],
        ids=repr,
    )
    def test_result_has_the_structure_of_the_argument(self, nest):
        """Containers, order of keys, static fields, None."""

        def total(p):
            numbers, _ = al.nests.unravel(p)
            return sum(n * n for n in numbers)

        got = al.grad(total)(nest)
        assert type(got) is type(nest)
        if isinstance(nest, dict):
            assert list(got) == list(nest)
        if isinstance(nest, Layer):
            assert (got.activation, got.bias, got.weight.tolist()) == ("exp", 1.0, [[2.0, 2.0], [2.0, 2.0]])
        if isinstance(nest, list) and len(nest) == 3:
            assert got == [None, 2.0, []]

    def test_a_model_is_a_nest_of_its_parameters(self):
        """net(x) inside a transform is plain NumPy on object arrays."""
        net = Layer(np.array([[0.5, -0.25], [0.1, 0.2]]), 0.3)
        x = np.array([1.0, 2.0])
        got = al.grad(lambda n: n(x).sum())(net)
        slope = 1 - np.tanh(net.weight @ x + net.bias) ** 2
        assert np.allclose(got.weight, np.outer(slope, x), rtol=1e-14)
        assert math.isclose(got.bias, slope.sum(), rel_tol=1e-14)

    def test_argnums(self):
        """One, several, negative; the rest passed through untouched, keywords too."""

        def f(a, b, text, *, scale=1.0):
            assert text == "t"
            return a * b * scale

        assert al.grad(f, argnums=1)(2.0, 3.0, "t", scale=10.0) == 20.0
        assert al.grad(f, argnums=(1, 0))(2.0, 3.0, "t") == (2.0, 3.0)
        assert al.grad(f, argnums=-2)(2.0, 3.0, "t") == 2.0
        assert al.grad(f, argnums=(0,))(2.0, 3.0, "t") == (3.0,)

    def test_has_aux(self):
        """The second output is passed on as plain numbers."""

        def f(x):
            return x * x, {"half": x / 2, "note": "n", "list": np.array([x])}

        gradient, aux = al.grad(f, has_aux=True)(3.0)
        assert (gradient, aux["half"], aux["note"]) == (6.0, 1.5, "n")
        assert type(aux["half"]) is float
        assert aux["list"].dtype == np.float64
        (value, aux), gradient = al.value_and_grad(f, has_aux=True)(3.0)
        assert (value, gradient, aux["half"]) == (9.0, 6.0, 1.5)
        with pytest.raises(al.OutputError, match="must return a pair"):
            al.grad(lambda x: x, has_aux=True)(1.0)

    def test_aux_stays_connected_to_variables_from_outside(self):
        """Even where the value does not depend on them; whatever else aux holds is passed on."""

        def outer(w):
            (_, aux), _ = al.value_and_grad(lambda x: (x * x, {"pred": w * x, "any": object()}), has_aux=True)(3.0)
            return aux["pred"]

        assert al.grad(outer)(2.0) == 3.0

    def test_named_after_the_function(self):
        """Name, docstring and signature."""
        g = al.grad(rosenbrock)
        assert g.__name__ == "grad(rosenbrock)"
        assert g.__doc__ == rosenbrock.__doc__ == "(1 - x)² + 100 (y - x²)², in a chain."
        assert list(inspect.signature(g).parameters) == ["v"]
        assert al.grad(al.sin)(0.0) == 1.0

    def test_constant_output(self):
        """Nothing depends on the argument."""
        assert al.value_and_grad(lambda x: 3)(2.0) == (3.0, 0.0)
        assert al.grad(lambda x: np.float64(1.0))([1.0, 2.0]) == [0.0, 0.0]

    def test_empty_argument(self):
        """No numbers, no gradient."""
        assert al.grad(lambda v: 1.0)(np.array([])).shape == (0,)
        assert al.grad(lambda v: 1.0)([]) == []


class TestOutputsAndErrors:
    """What is refused, in which words; and that nothing is left behind."""

    @pytest.mark.parametrize(
        ("f", "message"),
        [
            (lambda x: [x, x], "returned a list of 2 numbers; a gradient needs one number. Use jacobian"),
            (lambda x: np.array([x, x]), "returned a ndarray of 2 numbers;"),
            (lambda x: None, "returned None; a gradient needs one number. Is a return statement missing?"),
            (lambda x: "text", "returned 'text'; a gradient needs one number"),
            (lambda x: {"a": x}, "returned a dict of 1 number;"),
            (lambda x: x > 0, "returned True, the outcome of a comparison"),
        ],
    )
    def test_output_that_is_not_one_number(self, f, message):
        """How many it was, and what to do."""
        with pytest.raises(al.OutputError, match=message):
            al.grad(f)(1.0)

    def test_argument_that_is_not_a_number(self):
        """Where it stands in the nest."""
        with pytest.raises(al.OperandError, match=r"an argument of <lambda> at \['b'\]\[1\] is not a number: str 'x'"):
            al.grad(lambda p: 1.0)({"a": 1.0, "b": [2.0, "x"]})
        with pytest.raises(TypeError):
            al.grad(lambda p: 1.0)(np.array([1j]))

    def test_wrong_argnums(self):
        """Out of range, or no number."""
        with pytest.raises(al.ArgumentError, match="argnums=2, but <lambda> was called with 1 positional argument"):
            al.grad(lambda x: x, argnums=2)(1.0)
        for twice in ((0, 0), (0, -2), (1, 0, 1)):
            with pytest.raises(al.ArgumentError, match="twice"):
                al.grad(lambda x, y: x * y, argnums=twice)(1.0, 2.0)
        for bad in ("x", 1.0, True, (), (0, "x")):
            with pytest.raises(al.ArgumentError, match="give the position of an argument"):
                al.grad(lambda x: x, argnums=bad)

    def test_number_instead_of_a_function(self):
        """grad(f(x)) for grad(f)(x)."""
        for transform in (al.grad, al.value_and_grad, al.jacobian, al.hessian, al.vjp):
            with pytest.raises(al.ArgumentError, match=r"Write \w+\(f\)\(x\), not"):
                transform(3.0)

    def test_exception_of_the_users_function_passes_through(self):
        """And the next call works, also inside another transform."""

        def fails(x):
            raise KeyError("mine")

        def f(x):
            try:
                al.grad(fails)(x)
            except KeyError:
                pass
            return x * x

        with pytest.raises(KeyError, match="mine"):
            al.grad(al.grad(fails))(1.0)
        assert al.grad(al.grad(f))(3.0) == 2.0

    def test_mismatched_tangents_and_cotangents(self):
        """Structure beside structure."""
        with pytest.raises(al.ArgumentError, match=re.escape("tangents (*, *) do not match primals, (*,)")):
            al.jvp(lambda x: x, (1.0,), (1.0, 2.0))
        with pytest.raises(al.ArgumentError, match=re.escape("tangents (array[3],) do not match primals, (array[2],)")):
            al.jvp(lambda x: x.sum(), (np.ones(2),), (np.ones(3),))
        with pytest.raises(al.ArgumentError, match="give a tuple with one entry for each argument"):
            al.jvp(lambda x: x, 1.0, 1.0)
        _, pullback = al.vjp(lambda x: [x, x], 1.0)
        with pytest.raises(al.ArgumentError, match=re.escape("cotangents * do not match the output, [*, *]")):
            pullback(1.0)


class TestNesting:
    """Derivatives of derivatives, and Variables from outside."""

    def test_orders_of_x_to_the_x_at_1(self):
        """1, 1, 2, 3, 8, 10, 54."""
        f, found = (lambda x: x**x), []
        for _ in range(7):
            found.append(f(1.0))
            f = al.grad(f)
        assert found == [1.0, 1.0, 2.0, 3.0, 8.0, 10.0, 54.0]

    def test_perturbation_confusion(self):
        """d/dx [x · d/dy (x + y)] = 1 (Siskind & Pearlmutter 2005)."""
        assert al.grad(lambda x: x * al.grad(lambda y: x + y)(2.0))(1.0) == 1.0
        assert al.grad(lambda x: al.grad(lambda y: x * y)(x) * x)(3.0) == 6.0
        assert al.grad(lambda x: al.grad(lambda y: y**3 * x)(x))(2.0) == 3 * 3 * 2.0**2

    def test_gradient_inside_a_gradient(self):
        """grad of grad(f)² over arguments and over closed-over Variables."""
        assert al.grad(lambda x: al.grad(lambda t: t**3)(x) ** 2)(2.0) == 36 * 2.0**3
        w = Variable(3.0)
        g = al.grad(lambda x: w * x**2)(2.0)
        assert g == 12.0
        assert al.gradients(g, w) == 4.0

    def test_variable_in_variable_out(self):
        """By argument, by closure, in arrays; for each transform."""
        x = Variable(2.0)
        v = np.array([x, Variable(3.0)])
        assert al.gradients(al.grad(lambda t: t**3)(x), x) == 12.0
        value, slope = al.value_and_grad(lambda a: (a**3).sum())(v)
        assert al.gradients(value, v).tolist() == [12.0, 27.0]
        assert al.gradients(slope[1], v).tolist() == [0.0, 18.0]
        assert al.gradients(al.hessian(lambda a: (a**3).sum())(v)[0, 0], x) == 6.0
        assert al.gradients(al.jacobian(lambda a: a * a)(v)[0, 0], x) == 2.0
        assert al.gradients(al.jacobian(lambda t: np.array([t * t, t]))(x)[0], x) == 2.0
        _, tangent = al.jvp(lambda t: t * t * x, (1.0,), (x,))
        assert tangent == 8.0
        assert al.gradients(tangent, x) == 8.0
        _, pullback = al.vjp(lambda t: t * t, 3.0)
        assert repr(pullback) == "<pullback: a cotangent * to (*,)>"
        assert al.gradients(pullback(x)[0], x) == 6.0

    def test_a_leaf_made_inside_is_a_constant(self):
        """It does not turn the result into a Variable."""
        assert type(al.grad(lambda x: x * Variable(3.0))(2.0)) is float

    def test_mixed_modes(self):
        """Forward over reverse, reverse over forward, forward over forward: one number."""

        def f(x):
            return al.sin(x) * al.exp(x)

        exact = 2 * math.cos(0.7) * math.exp(0.7)
        forward_reverse = al.jvp(al.grad(f), (0.7,), (1.0,))[1]
        reverse_forward = al.grad(lambda x: al.jvp(f, (x,), (1.0,))[1])(0.7)
        forward_forward = al.jvp(lambda x: al.jvp(f, (x,), (1.0,))[1], (0.7,), (1.0,))[1]
        for got in (forward_reverse, reverse_forward, forward_forward, al.grad(al.grad(f))(0.7), al.hessian(f)(0.7)):
            assert math.isclose(got, exact, rel_tol=1e-14)


class TestMatrices:
    """jacobian, hessian, vjp, jvp, hvp."""

    def test_jacobian_both_ways(self):
        """More outputs than inputs (forward) and fewer (reverse): the same numbers, JAX's shapes."""
        m = np.arange(6.0).reshape(3, 2)
        assert np.array_equal(al.jacobian(lambda v: m @ v)(np.ones(2)), m)
        assert np.array_equal(al.jacobian(lambda v: m.T @ v)(np.ones(3)), m.T)
        got = al.jacobian(lambda a: a.reshape(4) * 2.0)(np.ones((2, 2)))
        assert got.shape == (4, 2, 2)

    def test_jacobian_of_nests(self):
        """The output's structure, each number replaced by the argument's structure."""
        got = al.jacobian(lambda p: {"u": p["a"] * p["b"], "v": np.array([p["a"], p["a"]])})({"a": 2.0, "b": 3.0})
        assert got["u"] == {"a": 3.0, "b": 2.0}
        assert got["v"]["a"].tolist() == [1.0, 1.0]
        both = al.jacobian(lambda x, y: [x * y], argnums=(0, 1))(2.0, 3.0)
        assert both == [(3.0, 2.0)]
        assert al.jacobian(lambda x: [1.0, x])(2.0) == [0.0, 1.0]

    def test_hessian_is_exactly_symmetric(self):
        """By construction, bit for bit; right on the banana."""
        v = np.array([-1.2, 1.0])
        h = al.hessian(rosenbrock)(v)
        assert np.array_equal(h, h.T)
        assert np.allclose(h, [[2 - 400 * (v[1] - 3 * v[0] ** 2), -400 * v[0]], [-400 * v[0], 200.0]], rtol=1e-14)
        h = al.hessian(lambda v: v[0] ** v[1])(np.array([2.0, 0.0]))
        assert np.array_equal(h, h.T)
        assert h[0, 1] == 0.5

    def test_hessian_of_nests(self):
        """The argument's structure twice."""
        assert al.hessian(lambda p: p["a"] ** 2 * p["b"])({"a": 2.0, "b": 3.0}) == {
            "a": {"a": 6.0, "b": 4.0},
            "b": {"a": 4.0, "b": 0.0},
        }
        assert al.hessian(lambda x: 3.0 * x)(1.0) == 0.0
        assert al.hessian(lambda x: 3.0)(1.0) == 0.0

    def test_vjp_and_jvp(self):
        """Values plain; the pull-back may be called again; outputs that coincide."""
        value, pullback = al.vjp(lambda x, y: (x * y, x), 2.0, 3.0)
        assert value == (6.0, 2.0)
        assert pullback((1.0, 0.0)) == (3.0, 2.0)
        assert pullback((0.0, 1.0)) == (1.0, 0.0)
        _, pullback = al.vjp(lambda x: [x, x, 5.0], 2.0)
        assert pullback([1.0, 10.0, 100.0]) == (11.0,)
        assert al.jvp(lambda x: [x, 5.0], (2.0,), (3.0,)) == ([2.0, 5.0], [3.0, 0.0])

    def test_hvp(self):
        """Equal to the Hessian times the vector; several primals."""
        v, u = np.array([-1.2, 1.0]), np.array([0.3, -0.7])
        assert np.allclose(al.hvp(rosenbrock, (v,), (u,)), al.hessian(rosenbrock)(v) @ u, rtol=1e-13)
        assert al.hvp(lambda x, y: x * x * y, (2.0, 3.0), (1.0, 0.0)) == (6.0, 4.0)

    def test_untaken_branch_in_every_mode(self):
        """where(x < 1, x, sqrt(x)) at 0, forward and reverse, first and second order."""

        def f(x):
            return al.where(x < 1, x, al.sqrt(x))

        assert al.grad(f)(0.0) == 1.0
        assert al.jvp(f, (0.0,), (1.0,))[1] == 1.0
        assert al.grad(al.grad(f))(0.0) == 0.0
        assert al.hvp(f, (0.0,), (1.0,)) == 0.0


class TestSciPy:
    """What optimisers want."""

    def test_minimize_takes_value_and_grad_as_it_stands(self):
        """jac=True."""
        got = scipy.optimize.minimize(al.value_and_grad(rosenbrock), np.array([-1.2, 1.0]), jac=True, method="BFGS")
        assert got.success
        assert np.allclose(got.x, 1.0, atol=1e-5)

    def test_newton_with_hessian_and_product(self):
        """hess= and hessp=."""
        start = np.array([-1.2, 1.0])
        for options in (
            {"method": "trust-exact", "hess": al.hessian(rosenbrock)},
            {"method": "Newton-CG", "hessp": lambda x, p: al.hvp(rosenbrock, (x,), (p,))},
        ):
            got = scipy.optimize.minimize(rosenbrock, start, jac=al.grad(rosenbrock), **options)
            assert np.allclose(got.x, 1.0, atol=1e-4)

    def test_least_squares_and_root(self):
        """jac= of a vector function."""

        def residuals(v):
            return np.array([10 * (v[1] - v[0] ** 2), 1 - v[0]])

        got = scipy.optimize.least_squares(residuals, [-1.2, 1.0], jac=al.jacobian(residuals))
        assert np.allclose(got.x, 1.0)
        assert np.allclose(scipy.optimize.root(residuals, [-1.2, 1.0], jac=al.jacobian(residuals)).x, 1.0)


# ------------------------------------------------------------------------------------------------------- unconnected


def test_unconnected_leaves_are_zero_none_or_an_error():
    """A layer that is not used: leaf by leaf, in nests, tuples of arguments, with aux, compiled."""
    f = lambda p, q: p["a"] * 3.0 + p["v"][0]
    p = {"a": 2.0, "b": np.ones(2), "v": np.ones(3), "none": np.ones(0)}
    zero = al.grad(f)(p, 1.0)
    assert (zero["a"], zero["b"].tolist(), zero["v"].tolist()) == (3.0, [0.0, 0.0], [1.0, 0.0, 0.0])
    for run in (lambda g: g, al.jit):
        none = run(al.grad(f, unconnected="none"))(p, 1.0)
        assert (none["a"], none["b"], none["v"].tolist(), none["none"].tolist()) == (3.0, None, [1.0, 0.0, 0.0], [])
        assert run(al.grad(f, (0, 1), unconnected="none"))(p, 1.0)[1] is None
    value, aux = al.value_and_grad(lambda x, y: (x * x, "aux"), (0, 1), has_aux=True, unconnected="none")(3.0, 1.0)
    assert (value, aux) == ((9.0, "aux"), (6.0, None))
    with pytest.raises(
        al.UnconnectedError, match=r"^<lambda> does not depend on \['b'\] of its argument\. Check that it is"
    ):
        al.grad(f, unconnected="raise")(p, 1.0)
    with pytest.raises(al.UnconnectedError, match=r"depend on \[1\] of its argument"):
        al.grad(f, (0, 1), unconnected="raise")({"a": 1.0, "v": np.ones(1)}, 1.0)
    with pytest.raises(al.UnconnectedError, match="depend on its argument"):
        al.grad(lambda x: 3.0, unconnected="raise")(1.0)


def test_connected_with_derivative_zero_is_not_unconnected():
    """x·0, a constant branch of `where`, relu of a negative number: the output depends on x."""
    for f in (lambda x: x * 0.0, lambda x: al.where(0.0, x, 1.0), lambda x: al.relu(x - 2.0)):
        assert al.grad(f, unconnected="raise")(1.0) == 0.0
    assert al.grad(lambda x: x if x < 0 else 2.0, unconnected="none")(1.0) is None
    assert al.grad(lambda x: al.grad(lambda y: x * y, unconnected="raise")(1.0), unconnected="raise")(3.0) == 1.0


def test_unconnected_is_one_of_three():
    """The argument is named."""
    for wrong in ("None", None, 0):
        for transform in (al.grad, al.value_and_grad):
            with pytest.raises(al.ArgumentError, match='choose "zero", "none" or "raise"'):
                transform(al.sin, unconnected=wrong)


def test_transforms_are_functions_and_methods_to_those_who_ask():
    """`inspect` and decorators over methods: bound like Python's own, equal where function and instance are the same."""

    class Spring:
        stiffness = 3.0

        @functools.partial(al.grad, argnums=1)
        def force(self, x: float, *, k: float = 1.0) -> float:
            """Of a spring."""
            return k * self.stiffness * x * x

    spring, other = Spring(), Spring()
    bound, unbound = spring.force, Spring.force
    assert bound(2.0) == unbound(spring, 2.0) == 12.0
    assert bound == spring.force != other.force and len({bound, spring.force, other.force}) == 2
    assert bound.__self__ is spring and bound.__func__ is unbound and bound.__doc__ == unbound.__doc__ == "Of a spring."
    assert bound.__name__ == unbound.__name__ == "grad(force)"
    assert [*inspect.signature(bound).parameters] == ["x", "k"]
    assert inspect.getfullargspec(unbound).args == ["self", "x"]
    assert not hasattr(bound, "__wrapped__") and copy.deepcopy(bound)(2.0) == 12.0
    assert functools.partial(unbound, spring, k=2.0)(2.0) == 24.0
