"""What other engines got wrong, or what their users ask for: one test for each symptom."""

import gc
import math
import pickle
import sys

import numpy as np
import pytest
from garbage import alive, collector_off

import autograd_lite as al
from autograd_lite.errors import GradientCheckError, NonFiniteError, OperandError, OutputError, UnconnectedError

# --- micrograd ----------------------------------------------------------------------------------------------


def test_second_backward_gives_wrong_gradients():
    """micrograd: 108, then 324 for x⁴ at 3, since inner adjoints re-enter. Here 108, 216, 324."""
    x = al.Variable(3.0)
    square = x * x
    y = square * square
    seen = []
    for _ in range(3):
        y.backward()
        seen.append(x.grad)
    assert seen == [108.0, 216.0, 324.0]


def test_recursion_error_on_a_chain_of_2000():
    """micrograd, pytorchviz: recursion. Everything that walks the graph here is a loop."""
    x = y = al.Variable(1.0)
    for _ in range(2000 + sys.getrecursionlimit()):
        y = y * 1.0
    y.backward()
    assert x.grad == 1.0
    assert len(al.topological_order(y)) == 2001 + sys.getrecursionlimit()
    assert repr(y)
    assert pickle.loads(pickle.dumps(y)).value == 1.0


def test_two_to_the_x_is_a_type_error():
    """micrograd: 2**x raises TypeError."""
    x = al.Variable(3.0)
    y = 2**x
    assert y.value == 8.0
    assert al.gradients(y, x) == pytest.approx(8 * math.log(2), rel=1e-15)


def test_every_node_is_in_a_reference_cycle():
    """micrograd: only the cyclic collector frees a graph. Here the last reference does."""
    with collector_off():
        before = alive()
        x = al.Variable(1.0)
        y = al.tanh(x * 2.0 + 1.0) ** 2 / x
        y.backward()
        al.gradients(al.gradients(y, x, create_graph=True), x)
        del y
        assert gc.collect() == 0
        assert alive() == before + 1  # x


def test_parents_keep_repeats_and_order():
    """micrograd keeps parents in a set: x*x has one parent there, and their order varies."""
    x, y = al.Variable(2.0), al.Variable(3.0)
    assert [p is x for p in (x * x).parents] == [True, True]
    assert [id(p) for p in (y / x).parents] == [id(y), id(x)]
    assert [local for _, local in (y / x).local_gradients] == [0.5, -0.75]


# --- HIPS autograd ------------------------------------------------------------------------------------------


def test_a_user_exception_leaks_the_trace_level():
    """HIPS autograd: after an exception inside the function the next gradient is wrong."""

    def broken(x):
        al.grad(lambda t: t * x)(1.0)
        raise KeyError("mine")

    for transform in (al.grad, al.value_and_grad, al.jacobian, al.hessian, lambda f: al.grad(al.grad(f))):
        with pytest.raises(KeyError, match="mine"):
            transform(broken)(2.0)
    assert al.grad(al.grad(lambda x: x**3))(2.0) == 12.0
    assert type(al.grad(lambda x: x * x)(3.0)) is float


def test_sqrt_at_zero_raises_zero_division_error():
    """HIPS autograd. Here the one-sided limit."""
    assert al.grad(al.sqrt)(0.0) == math.inf


def test_fourth_derivative_of_x_to_the_x_is_wrong():
    """HIPS autograd goes wrong from order 4, PyTorch (1, 1, 2, 2, 7, -1, 58) from order 3."""
    f, seen = (lambda x: x**x), []
    for _ in range(7):
        seen.append(f(1.0))
        f = al.grad(f)
    assert seen == [1.0, 1.0, 2.0, 3.0, 8.0, 10.0, 54.0]


def test_hessian_of_a_power_is_asymmetric():
    """HIPS autograd at (2, 0)."""
    h = np.asarray(al.hessian(lambda v: v[0] ** v[1])([2.0, 0.0]), dtype=float)
    assert h[0, 1] == h[1, 0] == 0.5


def test_gradient_of_a_norm_at_zero_is_nan():
    """HIPS autograd #151, open since 2016."""
    assert al.grad(al.norm)(np.zeros(3)).tolist() == [0.0, 0.0, 0.0]
    h = np.asarray(al.grad(lambda v: al.norm(v) ** 2)(np.zeros(2)))
    assert h.tolist() == [0.0, 0.0]


# --- PyTorch ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function", [math.sin, math.exp, math.log, math.sqrt, float, math.fsum], ids=lambda f: f.__name__
)
def test_math_of_a_variable_drops_the_gradient_silently(function):
    """PyTorch: math.sin(tensor) is a float without gradient; CasADi: it is nan. Here an error with a remedy."""
    x = al.Variable(0.5)
    with pytest.raises(OperandError):
        function([x] if function is math.fsum else x)


def test_a_traced_branch_is_frozen():
    """torch.jit.trace gives 9 for 3. Here each call takes its own branch."""

    def f(x):
        return x * x if x > 0 else -x

    g = al.grad(f)
    assert [g(3.0), g(-3.0), g(3.0)] == [6.0, -1.0, 6.0]


@pytest.mark.parametrize("error", [9e-4, 5e-4, -5e-4])
def test_gradcheck_passes_a_gradient_that_is_slightly_wrong(error):
    """PyTorch's gradcheck passes one that is 0.09 % wrong. Here 0.05 % is rejected, and the right one passes."""
    wrong = al.Primitive(
        name=f"cube_wrong_by_{round(1e4 * error)}e4".replace("-", "minus_"),
        value=lambda x: x * x * x,
        partials=(lambda x, y: 3 * x * x * (1 + error),),
    )
    with pytest.raises(GradientCheckError):
        al.check_grads(wrong, (1.3,), order=1)
    al.check_grads(lambda x: x * x * x, (1.3,), order=2)


# --- JAX ----------------------------------------------------------------------------------------------------


def test_gradient_of_hypot_of_large_numbers():
    """JAX: 1.06 for 0.707 at (1e200, 1e200)."""
    for scale in (1e200, 1e-200, 1.0):
        assert al.grad(al.hypot, argnums=(0, 1))(scale, scale) == pytest.approx((math.sqrt(0.5),) * 2, rel=1e-15)


def test_slope_of_abs_at_zero_is_one():
    """JAX: abs'(0) = 1. Here the minimum-norm subgradient."""
    assert al.grad(abs)(0.0) == 0.0
    assert al.grad(al.abs)(0.0) == 0.0


def test_logaddexp_of_equal_large_numbers():
    """JAX: 0.5000000000000275 at (1000, 1000)."""
    assert al.grad(al.logaddexp, argnums=(0, 1))(1000.0, 1000.0) == (0.5, 0.5)
    assert list(al.grad(al.logsumexp)([1000.0, 1000.0])) == [0.5, 0.5]


def test_slope_of_tanh_vanishes_too_early():
    """JAX: tanh'(20) = 0; the truth is 1.7e-17."""
    assert al.grad(al.tanh)(20.0) == pytest.approx(1.6993417021166355e-17, rel=1e-15)
    assert al.grad(al.tanh)(-300.0) == pytest.approx(1.0601586212017243e-260, rel=1e-15)
    assert al.grad(al.sigmoid)(40.0) == pytest.approx(4.248354255291589e-18, rel=1e-15)


@pytest.mark.parametrize("order", [1, 2])
def test_nan_from_the_branch_of_where_that_was_not_taken(order):
    """TensorFlow #2540, JAX #1052: 0·inf from the other branch."""
    f = lambda x: al.where(x > 0, al.sqrt(x) + 1 / x + al.log(x), x * x)
    for _ in range(order):
        f = al.grad(f)
    assert f(0.0) == [0.0, 2.0][order - 1]


def test_which_operation_makes_the_nan():
    """jax#475: the error names the operation, its input and the file."""
    x = al.Variable(2.0)
    with al.raise_on_nonfinite(), pytest.raises(NonFiniteError) as caught:
        al.log(x - 3.0)
    for fact in ("log", "-1.0", "test_peer_failures.py"):
        assert fact in str(caught.value)


def test_reverse_mode_through_a_loop_that_depends_on_data():
    """jax#13184: Newton's method with a while on the residual."""

    def root(a):
        x = a
        while abs(x * x - a) > 1e-15 * a:
            x = (x + a / x) / 2
        return x

    # d√a/da = 1/(2√a); the loop stops within 1e-15 and its derivative is one quadratic step behind.
    assert al.grad(root)(2.0) == pytest.approx(0.5 / math.sqrt(2.0), rel=1e-12)


# --- CasADi, XAD, BurTorch, TensorFlow, MyGrad --------------------------------------------------------------


def test_x_over_x_is_simplified_to_one():
    """CasADi: 1 at 0, where IEEE says nan."""
    x = al.Variable(0.0)
    assert math.isnan((x / x).value)


def test_derivative_of_a_remainder_by_its_divisor():
    """XAD: -5.5 % 2 has derivative 4 by the divisor; it is -floor(-2.75) = 3."""
    assert al.grad(lambda x, y: x % y, argnums=1)(-5.5, 2.0) == 3.0
    assert al.mod(-5.5, 2.0) == 0.5


def test_a_pickled_value_comes_back_as_garbage():
    """XAD. Here a graph survives the round trip, with gradients and identity of shared nodes."""
    x = al.Variable(0.1, name="x")
    y = al.sin(x) * x
    y.backward()
    y2, x2 = pickle.loads(pickle.dumps((y, x)))
    assert (y2.value, y2.grad, x2.value, x2.grad, x2.name) == (y.value, 1.0, 0.1, x.grad, "x")
    assert x2 in al.topological_order(y2)
    assert al.gradients(y2, x2) == x.grad
    assert al.gradients(al.gradients(y2, x2, create_graph=True), x2) == al.grad(al.grad(lambda t: al.sin(t) * t))(0.1)


def test_slope_of_relu_of_six_is_six():
    """BurTorch."""
    assert al.grad(al.relu)(6.0) == 1.0


def test_x_to_the_zero_at_zero_is_nan():
    """TensorFlow: the gradient of x**0 at 0 is nan."""
    assert al.grad(lambda x: x**0)(0.0) == 0.0
    assert al.grad(lambda x: x**0.0)(0.0) == 0.0


def test_gradient_of_floor_division_is_none():
    """TensorFlow. Here 0.0."""
    x = al.Variable(7.5)
    y = x // 2.0
    y.backward()
    assert (y.value, x.grad) == (3.0, 0.0)


def test_ties_of_max_give_nothing_to_anyone():
    """MyGrad: 0, 0. Here ½ and ½."""
    assert al.grad(al.maximum, argnums=(0, 1))(2.0, 2.0) == (0.5, 0.5)


# --- what users ask for -------------------------------------------------------------------------------------


def test_gradient_is_none_and_nobody_says_why():
    """tensorflow#24849: unconnected inputs are zero, None or an error, as asked."""
    x, other = al.Variable(2.0), al.Variable(3.0, name="bias")
    y = x * x
    assert al.gradients(y, [x, other]) == [4.0, 0.0]
    assert al.gradients(y, [x, other], unconnected="none") == [4.0, None]
    with pytest.raises(UnconnectedError, match="bias"):
        al.gradients(y, [x, other], unconnected="raise")


def test_output_that_is_no_number_says_how_many_it_was():
    """A gradient of two numbers is a Jacobian."""
    with pytest.raises(OutputError, match="2"):
        al.grad(lambda x: [x, x * x])(2.0)
    assert list(al.jacobian(lambda x: [x, x * x])(2.0)) == [1.0, 4.0]


def test_stack_overflow_when_a_deep_graph_is_freed():
    """casadi#2192, pytorch#5534."""
    y = al.Variable(1.0)
    for _ in range(200_000):
        y = -y
    del y


def test_scalar_objects_in_numpy_arrays():
    """uncertainties#57, xad-py#6: sums, products and functions of arrays of Variables, to second order."""
    v = np.array([0.5, -1.5, 2.0])
    assert al.grad(lambda a: (a * a).sum())(v).tolist() == [1.0, -3.0, 4.0]
    assert al.grad(lambda a: a @ a)(v).tolist() == [1.0, -3.0, 4.0]
    assert al.grad(lambda a: np.exp(a).sum())(v).tolist() == [math.exp(x) for x in v]
    assert np.asarray(al.hessian(lambda a: np.dot(a, a) / 2)(v)).tolist() == np.eye(3).tolist()


def test_kink_conventions_agree_between_functions_that_mean_the_same():
    """jax#37820: abs and the norm of one number; relu and leaky_relu of slope 0; sign and the slope of abs."""
    assert al.grad(abs)(0.0) == al.grad(lambda x: al.norm([x]))(0.0) == al.grad(lambda x: al.hypot(x, 0.0))(0.0) == 0.0
    assert al.grad(al.relu)(0.0) == al.grad(lambda x: al.leaky_relu(x, 0.0))(0.0) == al.step(0.0) == 0.0


def test_an_if_on_a_parameter_is_frozen_between_calls():
    """kaskr/adcomp#362."""
    g = al.grad(lambda x, limit: x if x < limit else x * x)
    assert [g(2.0, 5.0), g(2.0, 1.0), g(2.0, 5.0)] == [1.0, 4.0, 1.0]
