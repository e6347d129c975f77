"""Small programs with one planted cause each: why a gradient is zero, tiny, huge or missing; where a NaN was born.

A program returns `(y, x)` for `why` and `y` for `blame`. Where the cause has a line, it bears the comment `# here`.
"""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import autograd_lite as al
from autograd_lite.primitives import hold

V = al.Variable


@dataclass(frozen=True)
class Case:
    """A program, the cause that was planted in it, and words that the answer must hold."""

    program: Callable
    cause: str
    says: tuple[str, ...]

    @property
    def name(self):
        return self.program.__name__

    @property
    def location(self):
        """The line marked `# here`, as `file:line`, or None."""
        lines, first = inspect.getsourcelines(self.program)
        marked = [f"causes.py:{first + i}" for i, line in enumerate(lines) if "# here" in line]
        return marked[0] if marked else None


WHY: list[Case] = []
BLAME: list[Case] = []


def why(cause, *says):
    """Enter a program for `why`."""

    def enter(program):
        WHY.append(Case(program, cause, says))
        return program

    return enter


def blame(cause, *says):
    """Enter a program for `blame`."""

    def enter(program):
        BLAME.append(Case(program, cause, says))
        return program

    return enter


# ------------------------------------------------------------------------------------------------------- no path


@why("no path", "does not depend on x")
def another_variable():
    x, z = V(1.7, name="x"), V(3.1, name="z")
    return z * z + 2.0, x


@why("no path", "made after")
def variable_made_after_the_loss():
    w = V(1.7, name="w")
    y = w * w
    w = V(1.6, name="w")  # an update that makes a new object
    return y, w


@why("no path", "if")
def python_if_took_the_other_branch():
    x, z = V(1.7, name="x"), V(3.1, name="z")
    y = x * z if z < 0.0 else z * 3.0
    return y, x


@why("no path", "al.less")
def node_that_only_decides_an_if():
    x, z = V(1.7, name="x"), V(3.1, name="z")
    y = z * 2.0 if x > 0.0 else z * 3.0
    return y, x


@why("no path", "computed from")
def computed_inner_node_asked_of_its_leaf():
    x = V(1.7, name="x")
    h = al.tanh(x)
    return x * 2.0, h


# --------------------------------------------------------------------------------------------- captured constant


@why("captured constant", "read at", "2.37")
def value_as_a_factor():
    x, z = V(2.37, name="x"), V(3.1, name="z")
    with al.record_locations():
        c = x.value  # here
        return c * z, x


@why("captured constant", "read at")
def value_as_a_round_number():
    x, z = V(2.0, name="x"), V(3.1, name="z")
    with al.record_locations():
        c = x.value  # here
        return z * c + 1.0, x


@why("captured constant", "leaf")
def value_in_a_new_leaf():
    x, z = V(2.37, name="x"), V(3.1, name="z")
    with al.record_locations():
        leaf = V(x.value, name="copy")  # here
        return leaf * z, x


@why("captured constant", "h")
def value_of_an_inner_node():
    x, z = V(2.37, name="x"), V(3.1, name="z")
    with al.record_locations():
        value_of_an_inner_node.h = [h := al.sqrt(x)]  # a list: the collector knows lists that hold nodes
        h.name = "h"
        c = h.value  # here
        return z + c, x


@why("captured constant", "h")
def value_of_a_node_two_steps_on():
    x, z = V(2.37, name="x"), V(3.1, name="z")
    with al.record_locations():
        h = al.sqrt(x) * x + 0.3
        h.name = "h"
        value_of_a_node_two_steps_on.h = [h]
        return z * h.value, x  # here


@why("captured constant", "sin(x)")
def value_of_a_node_that_is_gone():
    x, z = V(2.37, name="x"), V(3.1, name="z")
    with al.record_locations():
        return z * al.sin(x).value, x  # here


@why("captured constant", "exp(x)", "record_locations")
def math_function_of_the_value():
    x, z = V(2.37, name="x"), V(3.1, name="z")
    return z * math.exp(x.value), x


@why("captured constant", "-x")
def negated_value():
    x, z = V(2.37, name="x"), V(3.1, name="z")
    with al.record_locations():
        return z * -x.value, x  # here


@why("captured constant", "record_locations")
def value_without_recording():
    x, z = V(2.37, name="x"), V(3.1, name="z")
    return z * x.value, x


@why("captured constant", "read at")
def value_through_numpy():
    x, z = V(2.37, name="x"), V(3.1, name="z")
    with al.record_locations():
        data = np.array([x.value, 1.0])  # here
        return al.dot(data, [z, z]), x


@why("captured constant", "read at")
def accumulated_loss_of_values():
    x, z = V(2.37, name="x"), V(3.1, name="z")
    with al.record_locations():
        h = al.tanh(x)
        accumulated_loss_of_values.h = [h]
        total = 0.0
        total += h.value  # here
        return total + z, x


# -------------------------------------------------------------------------------------------------------- stopped


@why("stopped", "stop_gradient")
def stopped_leaf():
    x, z = V(2.37, name="x"), V(3.1, name="z")
    return al.stop_gradient(x) * z, x


@why("stopped", "stop_gradient")
def stopped_inner_node():
    x, z = V(2.37, name="x"), V(3.1, name="z")
    with al.record_locations():
        h = al.exp(x)
        stopped_inner_node.h = [h]
        return al.stop_gradient(h) * z, x


@why("stopped", "hold")
def held_node():
    x, z = V(2.37, name="x"), V(3.1, name="z")
    return hold(x * 2.0) * z, x


# ------------------------------------------------------------------------------------------------------ dead relu


@why("dead relu", "relu", "-3")
def one_dead_relu():
    x = V(-3.0, name="x")
    return al.relu(x) * 2.0, x


@why("dead relu", "relu")
def relu_at_zero():
    x = V(0.0, name="x")
    return al.relu(x) * 2.0, x


@why("dead relu", "4 relu")
def layer_of_dead_relus():
    x = V(1.0, name="x")
    units = [al.relu(-w * x - 0.5) for w in (0.3, 0.7, 1.1, 2.0)]
    return al.dot([1.0, -2.0, 3.0, 0.5], units), x


@why("dead relu", "relu")
def weight_into_a_dead_unit():
    w1, w2, v1, v2 = V(-2.0, name="w1"), V(1.0, name="w2"), V(0.7), V(0.4)
    with al.record_locations():
        h = al.relu(w1 * 1.5 + 0.1)  # here
        return h * v1 + al.relu(w2 * 1.5) * v2, w1


@why("dead relu", "leaky_relu")
def leaky_relu_that_does_not_leak():
    x = V(-3.0, name="x")
    return al.leaky_relu(x, 0.0) * 2.0, x


# ------------------------------------------------------------------------------------------------------ saturated


@why("saturated", "sigmoid")
def saturated_sigmoid():
    x = V(40.0, name="x")
    return al.sigmoid(x) * 2.0, x


@why("saturated", "sigmoid")
def sigmoid_beyond_the_range_of_floats():
    x = V(-800.0, name="x")
    with al.record_locations():
        return al.sigmoid(x) * 2.0, x  # here


@why("saturated", "tanh")
def saturated_tanh():
    x, w = V(5.0, name="x"), V(4.0, name="w")
    return al.tanh(w * x) * 1.5, w


@why("saturated", "erf")
def saturated_erf():
    x = V(7.0, name="x")
    return al.erf(x), x


@why("saturated", "exp")
def underflow_of_exp():
    x = V(-1000.0, name="x")
    return 3.0 * al.exp(x), x


@why("saturated", "clip")
def clip_outside_its_range():
    x = V(7.0, name="x")
    return al.clip(x, -1.0, 1.0) * 3.0, x


@why("saturated", "exp")
def softmax_unit_that_is_zero():
    x = V(0.0, name="x")
    return al.softmax([x, V(60.0)])[0], x


@why("saturated", "softmax")
def softmax_unit_that_is_one():
    x = V(60.0, name="x")
    return al.softmax([x, V(0.0)])[0], x


@why("saturated", "sigmoid")
def silu_far_left():
    x = V(-800.0, name="x")
    return al.nn.silu(x) if hasattr(al.nn, "silu") else x * al.sigmoid(x), x


@why("saturated", "expm1")
def elu_far_left():
    x = V(-800.0, name="x")
    return al.elu(x), x


@why("saturated", "logaddexp")
def logaddexp_of_a_lost_term():
    x = V(-800.0, name="x")
    return al.logaddexp(x, V(3.0)), x


# ------------------------------------------------------------------------------------------------- untaken branch


@why("untaken branch", "where")
def where_takes_the_other():
    x, z = V(2.0, name="x"), V(3.0, name="z")
    return al.where(al.less(z, 5.0), z, x * x), x


@why("untaken branch", "maximum")
def maximum_of_a_larger_one():
    x, z = V(2.0, name="x"), V(3.0, name="z")
    return al.maximum(x, z) * 2.0, x


@why("untaken branch", "minimum")
def minimum_with_a_constant():
    x = V(2.0, name="x")
    with al.record_locations():
        return al.minimum(x * x, 1.0), x  # here


@why("untaken branch", "clip")
def bound_of_clip_that_is_not_reached():
    x, z = V(5.0, name="x"), V(1.0, name="z")
    return al.clip(z, 0.0, x), x


# ----------------------------------------------------------------------------------------------------------- flat


@why("flat", "floor")
def through_floor():
    x = V(2.3, name="x")
    return al.floor(x) * x.value, x


@why("flat", "round")
def through_round():
    x = V(2.3, name="x")
    with al.record_locations():
        return 3.0 * round(x * 2.0), x  # here


@why("flat", "sign")
def through_sign():
    x, z = V(-2.3, name="x"), V(4.0)
    return al.sign(x) * z, x


@why("flat", "step")
def perceptron():
    w, b = V(0.3, name="w"), V(0.1, name="b")
    return (al.step(w * 2.0 + b) - 1.0) * 0.5, w


@why("flat", "less")
def accuracy_by_comparison():
    x = V(0.3, name="x")
    return al.less(x, 0.5) + 1.0, x


@why("flat", "//")
def whole_quotient():
    x = V(7.3, name="x")
    return x // 2.0, x


@why("flat", "where")
def condition_of_where():
    x, z = V(7.3, name="x"), V(2.0)
    return al.where(x, z, 2.0 * z), x


@why("flat", "less")
def compared_in_a_condition():
    x, z = V(7.3, name="x"), V(2.0)
    return al.where(al.less(x, 1.0), z, 2.0 * z), x


@why("flat", "**")
def power_zero():
    x = V(7.3, name="x")
    return x**0 + 1.0, x


# ---------------------------------------------------------------------------------------------------- zero factor


@why("zero factor", "0 * ")
def times_zero():
    x = V(2.3, name="x")
    return 0.0 * al.sin(x), x


@why("zero factor", "w")
def times_a_weight_that_is_zero():
    x, w = V(2.3, name="x"), V(0.0, name="w")
    with al.record_locations():
        return w * al.exp(x), x  # here


@why("zero factor", "x2")
def input_that_is_zero():
    x2, w2, b = V(0.0, name="x2"), V(1.0, name="w2"), V(0.5)
    return al.tanh(x2 * w2 + b), w2


@why("zero factor", "numerator")
def zero_over_x():
    x, z = V(2.0, name="x"), V(0.0, name="z")
    return z / x, x


# ----------------------------------------------------------------------------------------------- stationary, kink


@why("stationary", "square")
def bottom_of_a_parabola():
    x = V(0.0, name="x")
    return al.square(x) + 1.0, x


@why("stationary", "cos")
def top_of_a_cosine():
    x = V(0.0, name="x")
    return al.cos(x) * 3.0, x


@why("stationary", "**")
def cubic_at_zero():
    x = V(0.0, name="x")
    return x**3, x


@why("kink", "abs")
def tip_of_abs():
    x = V(0.0, name="x")
    return al.abs(x) * 2.0, x


@why("kink", "hypot")
def length_at_the_origin():
    x = V(0.0, name="x")
    return al.hypot(x, 0.0), x


# --------------------------------------------------------------------------------------------------- cancellation


@why("cancellation", "+2.3", "-2.3")
def same_term_twice():
    x, a, z = V(1.1, name="x"), V(2.3, name="a"), V(0.7)
    return (a * x + z) - x * a, x


@why("cancellation", "x")
def x_minus_x():
    x = V(1.1, name="x")
    return x - x, x


@why("cancellation", "h")
def cancels_at_an_inner_node():
    x = V(1.1, name="x")
    h = al.exp(x)
    h.name = "h"
    return 2.0 * h - (h + h), x


@why("cancellation", "rounding")
def slopes_that_differ_by_rounding():
    x = V(1.1, name="x")
    return (0.1 + 0.2) * x - 0.3 * x, x


@why("cancellation", "4 paths")
def mean_of_deviations():
    xs = [V(v) for v in (1.0, 4.0, 2.5)]
    m = al.mean(xs)
    return al.sum([x - m for x in xs]), xs[0]


# ------------------------------------------------------------------------------------------ vanishing and exploding


@why("vanishing", "30 × sigmoid")
def deep_sigmoids():
    x = V(0.2, name="x")
    y = x
    for _ in range(30):
        y = al.sigmoid(y)
    return y, x


@why("vanishing", "underflow")
def product_that_underflows():
    x = V(1.0, name="x")
    y = x
    for _ in range(400):
        y = 0.1 * al.sin(y)
    return y, x


@why("vanishing", "60 × *")
def recurrence_with_a_small_weight():
    x, w = V(1.0, name="x"), V(0.5, name="w")
    y = x
    for _ in range(60):
        y = w * y + 0.1
    return y, x


@why("vanishing", "1e-09")
def small_scale():
    x = V(1.0, name="x")
    return x * 1e-9, x


@why("exploding", "100 × *")
def recurrence_with_a_large_weight():
    x = V(1.0, name="x")
    y = x
    for _ in range(100):
        y = 1.5 * y
    return y, x


@why("exploding", "exp")
def exp_of_exp():
    x = V(3.0, name="x")
    return al.exp(al.exp(x)), x


@why("exploding", "tan")
def next_to_a_pole():
    x = V(math.pi / 2, name="x")
    return al.tan(x), x


# ----------------------------------------------------------------------------------------------------- none of these


@why("none", "nothing stands out")
def ordinary_gradient():
    x = V(1.3, name="x")
    return al.sin(x) * x, x


@why("none", "backward() has not been called")
def pass_that_never_ran():
    x = V(1.3, name="x")
    return x * x, x


@why("not finite", "blame")
def root_at_zero():
    x = V(0.0, name="x")
    return al.sqrt(x), x


@why("hand-made", "hand-made")
def zero_given_by_hand():
    x = V(2.0, name="x")
    return V(3.0, ((x, 0.0),)), x


# ===================================================================================================== blame, forward


@blame("log at 0", "log")
def log_of_zero():
    x = V(0.0, name="x")
    with al.record_locations():
        return al.log(x) * 2.0  # here


@blame("log at 0", "xlogy")
def entropy_of_a_sure_event():
    p = V(0.0, name="p")
    with al.record_locations():
        return -(p * al.log(p))  # here


@blame("log at 0", "softplus")
def log_of_a_saturated_sigmoid():
    x = V(-800.0, name="x")
    return -al.log(al.sigmoid(x))


@blame("log at 0", "softplus")
def log_of_one_minus_a_sigmoid():
    x = V(800.0, name="x")
    return -al.log(1.0 - al.sigmoid(x))


@blame("log at 0", "log_softmax")
def log_of_a_softmax():
    return -al.log(al.softmax([V(0.0), V(900.0)])[0])


@blame("log at 0", "logsumexp")
def log_of_a_sum_of_exponentials_that_underflow():
    a, b = V(-1000.0), V(-999.0)
    return al.log(al.exp(a) + al.exp(b))


@blame("log of a negative number", "positive")
def log_of_a_negative_number():
    x = V(-0.5, name="x")
    with al.record_locations():
        h = x * 2.0
        return al.sin(al.log(h))  # here


@blame("log of a negative number", "log1p")
def log1p_below_minus_one():
    return al.log1p(V(-1.5))


@blame("overflow of exp", "softplus")
def softplus_by_hand():
    x = V(1000.0, name="x")
    return al.log(1.0 + al.exp(x))


@blame("overflow of exp", "sigmoid")
def sigmoid_by_hand():
    x = V(-1000.0, name="x")
    return 1.0 / (1.0 + al.exp(-x))


@blame("overflow of exp", "softmax")
def softmax_by_hand():
    e = [al.exp(V(v)) for v in (1000.0, 1.0)]
    return e[0] / (e[0] + e[1])


@blame("overflow of exp", "logsumexp")
def log_sum_exp_by_hand():
    a, b = V(1000.0), V(999.0)
    with al.record_locations():
        return al.log(al.exp(a) + al.exp(b))  # here


@blame("overflow of exp", "tanh")
def tanh_by_hand():
    a, b = al.exp(V(1000.0)), al.exp(V(-1000.0))
    return (a - b) / (a + b)


@blame("overflow of exp", "smaller")
def plain_exp():
    return al.exp(V(710.0))


@blame("0/0", "where")
def nothing_over_nothing():
    x = V(0.0, name="x")
    with al.record_locations():
        return x / x  # here


@blame("0/0", "sinc")
def sine_over_x():
    x = V(0.0, name="x")
    return al.sin(x) / x


@blame("0/0", "norm")
def unit_vector_of_nothing():
    x, y = V(0.0), V(0.0)
    return x / al.hypot(x, y)


@blame("division by 0", "where")
def one_over_zero():
    x = V(0.0, name="x")
    return 1.0 / x + 3.0


@blame("root of a negative number", "sqrt")
def variance_that_came_out_negative():
    m2, m = V(1.0), V(1.5)
    with al.record_locations():
        return al.sqrt(m2 - m * m)  # here


@blame("power of a negative number", "cbrt")
def cube_root_by_power():
    return V(-8.0) ** (1 / 3)


@blame("0 to a negative power", "where")
def inverse_square_at_zero():
    return V(0.0) ** -2.0


@blame("overflow", "hypot")
def length_by_hand():
    x, y = V(1e200), V(1e200)
    return al.sqrt(x * x + y * y)


@blame("overflow", "sum of logarithms")
def likelihood_as_a_product():
    y = V(1.0)
    for _ in range(200):
        y = y * 100.0
    return y


@blame("overflow", "logaddexp")
def cosh_by_name():
    return al.log(al.cosh(V(1000.0)))


@blame("outside [-1, 1]", "clip")
def angle_of_rounded_unit_vectors():
    x = V(1.0 + 1e-12)
    return al.acos(x)


@blame("outside the domain", "acosh")
def acosh_below_one():
    return al.acosh(V(0.5))


@blame("modulo 0", "where")
def modulo_zero():
    return V(5.0) % V(0.0)


@blame("overflow", "scale")
def infinities_that_are_subtracted():
    a = V(1e308)
    with al.record_locations():
        b = a * 10.0  # here
        return b - b


@blame("bad data", "data")
def infinite_leaf():
    a = V(math.inf, name="a")
    return a - a


@blame("bad data", "data")
def nan_in_the_data():
    x, w = V(math.nan, name="row 17"), V(2.0)
    return x * w


@blame("own rule", "value of primitive")
def own_primitive_that_gives_nan():
    bad = al.Primitive(name="bad_root", value=lambda x: math.nan, partials=(lambda x, y: 1.0,), replace=True)
    y = bad(V(2.0)) + 1.0
    own_primitive_that_gives_nan.kept = bad
    return y


# ---------------------------------------------------------------------------------------------------- blame, backward


@blame("sqrt at 0", "where")
def root_of_zero():
    x = V(0.0, name="x")
    with al.record_locations():
        return al.sqrt(x)  # here


@blame("sqrt at 0", "norm")
def norm_by_hand_at_the_origin():
    x, y = V(0.0, name="x"), V(0.0, name="y")
    with al.record_locations():
        return al.sqrt(x * x + y * y)  # here


@blame("power below 1 at 0", "where")
def half_power_of_zero():
    return V(0.0) ** 0.5


@blame("0 × inf", "where")
def mask_by_multiplication():
    x, mask = V(0.0, name="x"), 0.0
    return mask * al.sqrt(x) + x


@blame("sqrt at 0", "where")
def cube_root_at_zero():
    return al.cbrt(V(0.0))


@blame("slope of asin at ±1", "clip")
def arcsine_at_one():
    return al.asin(V(1.0))


@blame("slope of acosh at 1", "where")
def arcosh_at_one():
    return al.acosh(V(1.0))


@blame("overflow of exp", "sigmoid")
def sigmoid_by_hand_whose_value_is_right():
    x = V(-800.0, name="x")
    with al.record_locations():
        e = al.exp(-x)  # here
        return 1.0 / (1.0 + e)


@blame("overflow in the sweep", "scale")
def gradients_that_overflow():
    x = V(1e-200)
    return (x * 1e200) * 1e200


@blame("own rule", "partial")
def own_partial_that_gives_nan():
    bad = al.Primitive(name="bad_slope", value=lambda x: x, partials=(lambda x, y: math.nan,), replace=True)
    own_partial_that_gives_nan.kept = bad
    return bad(V(2.0)) * 3.0


@blame("hand-made", "by hand")
def infinite_slope_given_by_hand():
    x = V(2.0)
    return V(1.0, ((x, math.inf),)) * 2.0


@blame("none", "finite")
def healthy():
    x = V(2.0)
    return al.log(x) * al.sqrt(x)


@blame("none", "finite")
def healthy_beside_an_untaken_branch():
    x = V(0.0)
    return al.where(al.less(0.0, x), al.log(x), x * 2.0)
