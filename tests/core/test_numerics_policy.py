"""Every decision of the numerical policy: types, domains, NaN, kinks, powers, branches, mutation, repeated passes."""

import inspect
import math
import operator
import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from corpus import DIFFERENTIATED, NAMES, SPECIAL, TABLE, orders, same_bits, sample
from tiers import mostly_full

import autograd_lite as al
from autograd_lite.errors import ConversionError, NonFiniteError, OperandError, StaleGraphError

INF, NAN = math.inf, math.nan


def derivative(f, *args):
    """Return the gradient of f at floats: one number for one argument, else a list."""
    variables = [al.Variable(a) for a in args]
    result = al.gradients(f(*variables), variables)
    return result[0] if len(args) == 1 else list(result)


def orders_by_graph(f, x, n):
    """Return f and its first n derivatives at x, by create_graph."""
    leaf = al.Variable(x)
    y = f(leaf)
    values = [y.value]
    for _ in range(n):
        y = al.gradients(y, leaf, create_graph=True)
        values.append(y.value)
    return values


# --- number type --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        3,
        True,
        False,
        2**53,
        -(2**60),
        np.float64(0.1),
        np.float32(0.1),
        np.float16(0.5),
        np.int64(7),
        np.uint8(255),
        np.bool_(1),
        np.array(2.5),
    ],
    ids=repr,
)
def test_real_numbers_become_floats_unchanged(given):
    """What is exactly representable becomes a Python float of the same value."""
    value = al.Variable(given).value
    assert type(value) is float
    assert value == given


@pytest.mark.parametrize(
    "given",
    [2**53 + 1, -(2**53) - 1, 10**400, -(10**400), np.int64(2**53 + 1), np.uint64(2**64 - 1)],
    ids=lambda n: f"{n:.3g}"[:9] if abs(int(n)) < 1e300 else "huge",
)
def test_integers_that_no_float_holds_are_refused(given):
    """2**53+1 and 10**400 are refused where a Variable is made, under ValueError; and as arguments of transforms."""
    for make in (
        al.Variable,
        al.grad(lambda x: x * x),
        al.jit(lambda x: x * x),
        lambda n: al.jvp(al.sin, (n,), (1.0,)),
    ):
        with pytest.raises(ConversionError):
            make(given)
    with pytest.raises(ValueError):
        al.Variable(given)
    x = al.Variable(1.0)
    with pytest.raises(ConversionError):
        x.value = given


#: Integers that lie between two floats, on a tie, or that NumPy holds.
LARGE_INTEGERS = [
    2**53 + 1, -(2**53) - 1, 2**54 + 2, 2**54 + 6, 2**60 + 1, 10**23, -(10**23), math.factorial(25), math.comb(70, 35),
    10**308, 2**1024 - 2**970 - 1, np.int64(2**53 + 1), np.uint64(2**64 - 1), np.int64(-(2**60) - 1),
]  # fmt: skip

#: An operation with one number x and one integer n, on floats and on Variables.
WITH_AN_INTEGER = {
    "x + n": lambda x, n: x + n,
    "n + x": lambda x, n: n + x,
    "x - n": lambda x, n: x - n,
    "n - x": lambda x, n: n - x,
    "x * n": lambda x, n: x * n,
    "n * x": lambda x, n: n * x,
    "x / n": lambda x, n: x / n,
    "n / x": lambda x, n: n / x,
    "x % n": lambda x, n: x % n,
    "n % x": lambda x, n: n % x,
    "x // n": lambda x, n: x // n,
    "n // x": lambda x, n: n // x,
    "al.add": lambda x, n: al.add(x, n),
    "al.mul, reflected": lambda x, n: al.mul(n, x),
    "al.maximum": lambda x, n: al.maximum(x, n),
    "al.minimum, reflected": lambda x, n: al.minimum(n, x),
    "al.where": lambda x, n: al.where(0.0, x, n) + x,
    "al.clip": lambda x, n: al.clip(x, -abs(int(n)), n),
    "al.hypot": lambda x, n: al.hypot(x, n),
    "al.sum": lambda x, n: al.sum([x, n]),
    "al.dot": lambda x, n: al.dot([x, 2.0], [n, n]),
    "al.leaky_relu": lambda x, n: al.leaky_relu(-x, n),
    "object array": lambda x, n: (np.array([x, x], dtype=object) * np.array([n, int(n)], dtype=object))[1],
    "zero-dimensional array": lambda x, n: x * np.array(n),
    "object array of no dimension": lambda x, n: x * np.array(int(n), dtype=object),
}


def _rounded_once(f, x, n):
    """What `f` is when the integer has been rounded by Python before."""
    return f(x, float(int(n)))


@pytest.mark.parametrize("name", mostly_full(WITH_AN_INTEGER, slice(0, None, 2)))
def test_an_integer_operand_is_rounded_once_as_python_does(name):
    """Value and derivative, eager, compiled and in lanes, are those with the nearest float in the integer's place."""
    f, x = WITH_AN_INTEGER[name], 0.75
    for n in LARGE_INTEGERS:
        expected = al.value_and_grad(lambda t, n=n: _rounded_once(f, t, n))(x)
        taken = lambda t, n=n: f(t, n)
        found = al.value_and_grad(taken)(x)
        assert found == expected, n
        assert al.jit(al.value_and_grad(taken), backend="python")(x) == expected, n
        lanes = al.vmap(al.value_and_grad(taken))(np.array([x, x]))
        assert [tuple(row) for row in zip(*lanes, strict=True)] == [expected] * 2, n
        assert f(x, n) == expected[0], n  # on plain numbers


def test_taylor_series_with_factorials_can_be_differentiated():
    """Σ xᵏ/k! to k = 24: 25!/1! and the like are no floats. The gradient is the series to k = 23."""

    def series(x, count):
        return sum(x**k / math.factorial(k) for k in range(count))

    assert al.value_and_grad(lambda x: series(x, 25))(0.5) == pytest.approx((math.exp(0.5), math.exp(0.5)), rel=1e-15)
    assert al.grad(al.grad(lambda x: series(x, 25)))(0.5) == pytest.approx(math.exp(0.5), rel=1e-15)
    assert al.jit(al.grad(lambda x: series(x, 25)))(0.5) == al.grad(lambda x: series(x, 25))(0.5)


@pytest.mark.parametrize("name", WITH_AN_INTEGER)
def test_an_integer_operand_beyond_the_largest_float_overflows_as_in_python(name):
    """OverflowError with Python's words; 2**1024 - 2**970 is the first integer that rounds to infinity."""
    f = WITH_AN_INTEGER[name]
    for n in (10**400, -(10**400), 2**1024 - 2**970):
        for run in (lambda t, n=n: f(t, n), lambda t, n=n: f(al.Variable(t), n), al.jit(lambda t, n=n: f(t, n))):
            with pytest.raises(OverflowError, match="int too large to convert to float"):
                run(0.75)


def test_other_exact_numbers_stay_as_they_are():
    """A fraction or a decimal is no float; neither is a long double between two of them."""
    for other in (Fraction(1, 3), Decimal("0.1")):
        with pytest.raises(TypeError):
            al.Variable(1.0) * other
        with pytest.raises(OperandError):
            al.add(1.0, other)
    if np.finfo(np.longdouble).nmant > 52:
        with pytest.raises(ConversionError):
            al.add(al.Variable(1.0), np.longdouble(1) + np.finfo(np.longdouble).eps)


@pytest.mark.parametrize("relation", ["lt", "le", "gt", "ge", "eq", "ne"])
@pytest.mark.parametrize("other", [
    Fraction(1, 3), Fraction(2), Fraction(10**400), Decimal("0.1"), Decimal(2), Decimal("NaN"), Decimal("Infinity"), 2 + 0j,
    2 + 1j, np.longdouble(2), np.longdouble("0.1"), np.array([2, 0.1], np.longdouble), 2**53 + 1, "2", None,
], ids=repr)  # fmt: skip
def test_comparisons_with_other_numbers_are_those_of_a_float(relation, other):
    """On either side, eagerly and compiled; `x == Fraction(2)` was False without a word, and a long double never ended."""
    compare = getattr(operator, relation)

    def answer(f):
        try:
            return np.asarray(f()).tolist()
        except (TypeError, ArithmeticError) as error:  # decimals do not compare with NaN
            return type(error).__name__

    for number in (2.0, 1 / 3, 0.1, math.nan, math.inf, -1.0, 2.0**53):
        for f in (lambda x: compare(x, other), lambda x: compare(other, x)):
            expected = answer(lambda f=f, number=number: f(number))
            assert answer(lambda f=f, number=number: f(al.Variable(number))) == expected, number
            if isinstance(expected, bool):
                assert al.jit(lambda x, f=f: al.where(f(x), 1.0, 0.0))(number) == expected, number


def test_comparisons_with_integers_stay_exact():
    """As Python's are: no float equals 2**53 + 1."""
    x = al.Variable(2.0**53)
    assert (x == 2**53 + 1) is False
    assert x < 2**53 + 1
    assert x < 10**400
    assert x > -(10**400)


def test_integers_that_a_users_operation_gives_are_rounded():
    """A factorial, as a value or as a partial, is an integer of any length."""
    falling = al.Primitive(
        name="falling_power",
        value=lambda x: math.factorial(25) if x > 0.0 else 0,
        partials=(lambda x, y: math.factorial(25),),
        replace=True,
    )
    assert falling(1.0) == float(math.factorial(25))
    assert al.grad(falling)(1.0) == float(math.factorial(25))


@pytest.mark.skipif(np.finfo(np.longdouble).nmant <= 52, reason="long double is double here")
def test_long_doubles_are_converted_exactly_or_refused():
    """A long double is accepted when it is a double, refused when it is more."""
    assert al.Variable(np.longdouble(0.5)).value == 0.5
    with pytest.raises(ConversionError):
        al.Variable(np.longdouble(1) + np.finfo(np.longdouble).eps)


@pytest.mark.parametrize(
    "given",
    [
        1j,
        np.complex128(1),
        complex(1, 0),
        "1",
        b"1",
        None,
        [1.0],
        (1.0,),
        {},
        np.array([1.0]),
        np.array([[1.0]]),
        pytest.param(object(), id="object()"),
        np.datetime64("2020-01-01"),
        np.array("1"),
    ],
    ids=repr,
)
def test_what_is_no_real_number_is_a_type_error(given):
    """Complex numbers, text, None, containers and arrays with an axis are no values of a Variable."""
    with pytest.raises(TypeError):
        al.Variable(given)


@pytest.mark.parametrize(
    "number", [np.float64(0.1), np.float32(0.1), np.int32(3), np.int64(3), np.bool_(1), np.array(2.0)], ids=repr
)
@pytest.mark.parametrize(
    "operation",
    [lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / b, lambda a, b: a**b],
    ids=["+", "-", "*", "/", "**"],
)
def test_numpy_scalars_never_leak_into_values(number, operation):
    """A NumPy number on either side gives a Variable whose value, gradient and local gradients are plain floats."""
    x = al.Variable(1.5)
    for y in (operation(x, number), operation(number, x)):
        assert isinstance(y, al.Variable)
        y.backward()
        assert type(y.value) is float
        assert type(x.grad) is float
        assert all(type(local) is float for _, local in y.local_gradients)


@pytest.mark.parametrize("name", NAMES)
def test_every_primitive_makes_plain_floats(name):
    """NumPy arguments to a primitive leave no NumPy type behind, in values, gradients, or results of plain numbers."""
    primitive = TABLE[name]
    for row in sample(name, 20):
        args = [np.float64(a) for a in row]
        variables = [al.Variable(a) for a in args]
        y = primitive(*variables)
        assert type(y.value) is float
        assert all(type(local) is float for _, local in y.local_gradients)
        assert all(type(g) is float for g in al.gradients(y, variables))
        assert type(primitive(*map(float, args))) is float


@pytest.mark.parametrize("name", NAMES)
def test_floats_and_variables_give_the_same_bits(name):
    """A primitive of floats is the value of the primitive of Variables, bit for bit."""
    primitive = TABLE[name]
    for row in sample(name, 200, seed=1):
        args = [float(a) for a in row]
        assert same_bits(primitive(*args), primitive(*map(al.Variable, args)).value), args


def test_arithmetic_with_other_number_types_is_refused_or_exact():
    """Decimal and Fraction do not turn into floats silently inside a Variable."""
    for other in (Decimal("0.1"), Fraction(1, 3)):
        with pytest.raises(TypeError):
            al.Variable(other)
        with pytest.raises(TypeError):
            al.Variable(1.0) * other


# --- outside the domain -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (al.log, 0.0, -INF),
        (al.log, -0.0, -INF),
        (al.log, -1.0, NAN),
        (al.log, INF, INF),
        (al.log, -INF, NAN),
        (al.log2, 0.0, -INF),
        (al.log10, 0.0, -INF),
        (al.log10, -2.0, NAN),
        (al.log1p, -1.0, -INF),
        (al.log1p, -2.0, NAN),
        (al.inv, 0.0, INF),
        (al.inv, -0.0, -INF),
        (al.inv, INF, 0.0),
        (al.inv, -INF, -0.0),
        (al.reciprocal, 0.0, INF),
        (al.exp, 1000.0, INF),
        (al.exp, -1000.0, 0.0),
        (al.exp, -INF, 0.0),
        (al.exp, INF, INF),
        (al.exp2, 2000.0, INF),
        (al.expm1, 1000.0, INF),
        (al.expm1, -INF, -1.0),
        (al.sinh, 1000.0, INF),
        (al.sinh, -1000.0, -INF),
        (al.cosh, -1000.0, INF),
        (al.sqrt, -1.0, NAN),
        (al.sqrt, -0.0, -0.0),
        (al.sqrt, INF, INF),
        (al.sin, INF, NAN),
        (al.cos, -INF, NAN),
        (al.tan, INF, NAN),
        (al.asin, 1.5, NAN),
        (al.acos, -1.5, NAN),
        (al.acosh, 0.5, NAN),
        (al.acosh, INF, INF),
        (al.atanh, 1.0, INF),
        (al.atanh, -1.0, -INF),
        (al.atanh, 2.0, NAN),
        (al.gamma, 200.0, INF),
        (al.gamma, INF, INF),
        (al.gamma, -INF, NAN),
        (al.gamma, 0.0, INF),
        (al.gamma, -0.0, -INF),
        (al.gamma, -3.0, NAN),
        (al.lgamma, 0.0, INF),
        (al.lgamma, -3.0, INF),
        (al.lgamma, INF, INF),
        (al.lgamma, 1e306, INF),
        (al.sigmoid, 1000.0, 1.0),
        (al.sigmoid, -1000.0, 0.0),
        (al.sigmoid, INF, 1.0),
        (al.sigmoid, -INF, 0.0),
        (al.softplus, 1000.0, 1000.0),
        (al.softplus, -INF, 0.0),
        (al.softplus, INF, INF),
        (al.tanh, INF, 1.0),
        (al.tanh, -INF, -1.0),
        (al.atan, INF, math.pi / 2),
        (al.erf, -INF, -1.0),
        (al.erfc, INF, 0.0),
        (al.cbrt, -INF, -INF),
        (al.square, 1e200, INF),
        (al.floor, INF, INF),
        (al.ceil, -INF, -INF),
        (al.trunc, INF, INF),
        (al.round, -INF, -INF),
        (al.abs, -INF, INF),
        (al.degrees, MAX := 1.7976931348623157e308, INF),
    ],
    ids=lambda p: p.name if hasattr(p, "name") else getattr(p, "__name__", repr(p)),
)
def test_outside_the_domain_is_the_ieee_result(f, x, expected):
    """The IEEE result, for a float and for a Variable; nothing is raised or warned about."""
    assert same_bits(f(x), expected)
    assert same_bits(f(al.Variable(x)).value, expected)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (1.0, 0.0, INF),
        (1.0, -0.0, -INF),
        (-1.0, 0.0, -INF),
        (0.0, 0.0, NAN),
        (-0.0, 5.0, -0.0),
        (INF, INF, NAN),
        (1.0, INF, 0.0),
        (1e200, 1e-200, INF),
    ],
)
def test_division_follows_ieee(a, b, expected):
    """1/0 is inf, 0/0 is nan; for operators with a number on either side and for al.div."""
    assert same_bits((al.Variable(a) / al.Variable(b)).value, expected)
    assert same_bits((al.Variable(a) / b).value, expected)
    assert same_bits((a / al.Variable(b)).value, expected)
    assert same_bits(al.div(a, b), expected)


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (-8.0, 1 / 3, NAN),
        (-8.0, 3.0, -512.0),
        (0.0, -1.0, INF),
        (-0.0, -1.0, -INF),
        (-0.0, -2.0, INF),
        (0.0, 0.0, 1.0),
        (10.0, 400.0, INF),
        (-10.0, 401.0, -INF),
        (10.0, -400.0, 0.0),
        (0.0, 0.5, 0.0),
        (2.0, INF, INF),
        (0.5, INF, 0.0),
        (INF, -1.0, 0.0),
        (INF, 0.5, INF),
    ],
)
def test_powers_follow_ieee_and_are_never_complex(x, y, expected):
    """(-8)**(1/3) is nan; overflow and division by zero give inf."""
    for value in (
        (al.Variable(x) ** al.Variable(y)).value,
        (al.Variable(x) ** y).value,
        (x ** al.Variable(y)).value,
        al.pow(x, y),
    ):
        assert type(value) is float
        assert same_bits(value, expected)


@pytest.mark.parametrize("name", mostly_full(NAMES, slice(1, None, 3)))
def test_no_special_value_raises_or_warns(name):
    """Return an exact value as the nearest double and the remainder.

    So that errors can be taken in double arithmetic.
    """
    primitive = TABLE[name]
    few = SPECIAL if primitive.arity <= 2 else (0.0, -0.0, 1.0, -2.0, 5e-324, 1e200, INF, -INF, NAN)
    grid = np.array(np.meshgrid(*[few] * primitive.arity)).reshape(primitive.arity, -1).T
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        for row in grid:
            args = [float(a) for a in row]
            variables = [al.Variable(a) for a in args]
            assert same_bits(primitive(*args), primitive(*variables).value), args
            for g in al.gradients(primitive(*variables), variables, create_graph=True):
                assert all(type(d) is float for d in al.gradients(g, variables))


@pytest.mark.parametrize("name", ["log", "sqrt", "div", "inv", "exp", "pow"])
def test_no_special_value_raises_on_arrays(name):
    """Arrays of plain numbers outside the domain warn as little as scalars do."""
    primitive = TABLE[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        primitive(*[np.array([0.0, -1.0, INF, NAN, 1e308])] * primitive.arity)


# --- raise_on_nonfinite -------------------------------------------------------------------------------------


def test_raise_on_nonfinite_names_node_inputs_and_line():
    """The first non-finite value is an error with the operation.

    The node's and its input's names, the value and the user's line.
    """
    x = al.Variable(0.25, name="residual")
    with al.raise_on_nonfinite():
        shifted = x - 0.25
        line = inspect.currentframe().f_lineno + 2
        with pytest.raises(NonFiniteError) as caught:
            al.log(shifted)
    message = str(caught.value)
    assert "log" in message
    assert "0.0" in message
    assert "test_numerics_policy.py" in message
    assert str(line) in message


def test_raise_on_nonfinite_catches_an_adjoint():
    """sqrt(0) is 0, its derivative is inf: an error inside the block, a number outside it."""
    x = al.Variable(0.0, name="radicand")
    with al.raise_on_nonfinite():
        y = al.sqrt(x)
        with pytest.raises(NonFiniteError, match="sqrt"):
            y.backward()
    assert x.grad is None  # all or nothing
    y.backward()
    assert x.grad == INF


def test_raise_on_nonfinite_ends_with_its_block():
    """The state is restored, also after an exception and when nested."""
    with pytest.raises(NonFiniteError), al.raise_on_nonfinite():
        al.log(al.Variable(0.0))
    assert al.log(al.Variable(0.0)).value == -INF
    with al.raise_on_nonfinite():
        with al.raise_on_nonfinite():
            pass
        with pytest.raises(NonFiniteError):
            1 / al.Variable(0.0)


def test_raise_on_nonfinite_lets_finite_programs_run():
    """Finite numbers pass, with the same results."""
    with al.raise_on_nonfinite():
        assert al.grad(lambda x: al.exp(x) * x)(1.0) == al.grad(lambda x: al.exp(x) * x)(1.0)
        assert al.grad(lambda x: x * x)(3.0) == 6.0


# --- NaN ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DIFFERENTIATED)
def test_a_nan_value_has_nan_derivatives(name):
    """Value nan implies derivative nan.

    With respect to every argument, whichever of them brought it, at orders 1 and 2.
    """
    primitive = TABLE[name]
    cases = [[float(a) for a in row] for row in sample(name, 20)]
    cases += [[*row[:i], NAN, *row[i + 1 :]] for row in cases[:5] for i in range(len(row))]
    cases += [[special] * primitive.arity for special in SPECIAL]
    seen = 0
    for args in cases:
        variables = [al.Variable(a) for a in args]
        y = primitive(*variables)
        if y.value == y.value:
            continue
        seen += 1
        if name == "where":  # neither the condition nor the branch not taken is reached
            variables = [variables[1 if args[0] != 0 else 2]]
        assert all(g != g for g in al.gradients(y, variables)), args
        for g in al.gradients(y, variables, create_graph=True):
            assert g.value != g.value
            # A constant partial depends on nothing, and one with a `where` inside only on the branch it took: that
            # may drop another argument, never the one that is NaN itself.
            seconds = al.gradients(g, variables, unconnected="none")
            for x, d in zip(variables, seconds, strict=True):
                assert d is None or d != d or (d == 0.0 and x.value == x.value and len(variables) > 1), (args, seconds)
    assert seen, "no NaN came out of NaN arguments"


@pytest.mark.parametrize(
    "f",
    [
        al.relu,
        al.leaky_relu,
        al.abs,
        al.sign,
        al.step,
        al.floor,
        al.ceil,
        al.round,
        al.trunc,
        al.sigmoid,
        al.softplus,
        al.square,
    ],
    ids=lambda f: f.name,
)
def test_functions_of_one_argument_never_launder_nan(f):
    """relu(nan) is nan, and so are all piecewise functions of a NaN."""
    assert f(NAN) != f(NAN)
    assert derivative(f, NAN) != derivative(f, NAN)


@pytest.mark.parametrize(
    "f",
    [al.maximum, al.minimum, al.hypot, al.atan2, al.logaddexp, al.mod, al.floordiv, al.copysign],
    ids=lambda f: f.name,
)
def test_functions_of_two_arguments_never_launder_nan(f):
    """maximum(nan, 1) and maximum(1, nan) are nan, with nan derivatives for both."""
    for args in ((NAN, 1.0), (1.0, NAN), (NAN, NAN)):
        if f is al.copysign and args[0] == 1.0:
            continue  # IEEE copysign reads the sign bit of a NaN, which is a number's worth of information
        assert f(*args) != f(*args)
        assert all(g != g for g in derivative(f, *args))


def test_clip_never_launders_nan():
    """clip(nan, 0, 1) and clip with a NaN bound are nan."""
    for args in ((NAN, 0.0, 1.0), (0.5, NAN, 1.0), (0.5, 0.0, NAN)):
        assert al.clip(*args) != al.clip(*args)
    x = al.Variable(NAN)
    g = al.gradients(al.clip(x, 0.0, 1.0), x)
    assert g != g


def test_nan_gradients_reach_through_a_program():
    """A NaN result has NaN gradients for everything it depends on."""
    x, y, z = al.Variable(2.0), al.Variable(-1.0), al.Variable(7.0)
    out = x * 3.0 + al.log(y)
    gx, gy, gz = al.gradients(out, [x, y, z])
    assert gx != gx
    assert gy != gy
    assert gz == 0.0  # not reached


# --- kinks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zero", [0.0, -0.0])
@pytest.mark.parametrize(
    "f",
    [
        al.abs,
        al.relu,
        al.sign,
        al.step,
        al.floor,
        al.ceil,
        al.round,
        al.trunc,
        abs,
        lambda x: al.hypot(x, 0.0),
        lambda x: al.hypot(0.0, x),
    ],
)
def test_minimum_norm_subgradient_at_zero(f, zero):
    """abs'(0) = relu'(0) = hypot'(0, 0) = 0, and the piecewise constants have derivative 0 at both zeros."""
    assert derivative(f, zero) == 0.0


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_leaky_relu_takes_the_negative_slope_at_zero(zero):
    """leaky_relu'(0) is the negative side's slope, the default one or a given one."""
    assert derivative(al.leaky_relu, zero) == 0.01
    assert derivative(lambda x: al.leaky_relu(x, 0.2), zero) == 0.2
    assert derivative(lambda x: al.leaky_relu(x, slope=0.2), zero) == 0.2


@pytest.mark.parametrize(("x", "expected"), [(-1.0, 0.0), (0.0, 0.0), (0.5, 1.0), (1.0, 0.0), (2.0, 0.0)])
def test_clip_has_derivative_zero_at_its_bounds(x, expected):
    """clip' is 1 inside, 0 outside and at either bound."""
    assert derivative(lambda t: al.clip(t, 0.0, 1.0), x) == expected


@pytest.mark.parametrize("x", [0.0, -0.0, 1.5, -3.0, INF])
def test_ties_of_maximum_and_minimum_share(x):
    """A tie gives ½ and ½."""
    assert derivative(al.maximum, x, x) == [0.5, 0.5]
    assert derivative(al.minimum, x, x) == [0.5, 0.5]


def test_ties_of_opposite_zeros_share():
    """0.0 and -0.0 compare equal: a tie."""
    assert derivative(al.maximum, 0.0, -0.0) == [0.5, 0.5]
    assert derivative(al.minimum, 0.0, -0.0) == [0.5, 0.5]


def test_a_tie_of_one_variable_with_itself_is_the_identity():
    """maximum(x, x) has derivative ½ + ½ = 1."""
    assert derivative(lambda x: al.maximum(x, x), 2.0) == 1.0


def test_norm_and_hypot_at_the_origin_have_gradient_zero():
    """The minimum-norm subgradient at the origin, in any dimension, with any sign of zero."""
    assert derivative(al.hypot, 0.0, -0.0) == [0.0, 0.0]
    for n in (1, 2, 5):
        assert list(al.grad(al.norm)([0.0] * n)) == [0.0] * n
        assert al.grad(al.norm)(np.zeros(n)).tolist() == [0.0] * n


@pytest.mark.parametrize("f", [al.sign, al.floor, al.ceil, al.round, al.trunc, al.step], ids=lambda f: f.name)
@pytest.mark.parametrize("x", [-2.5, -1.0, -0.3, 0.3, 0.5, 1.0, 1.5, 2.5, 2.0**53])
def test_piecewise_constants_have_derivative_zero(f, x):
    """Everywhere, also where they jump, and at order 2."""
    assert orders_by_graph(f, x, 2)[1:] == [0.0, 0.0]


def test_step_at_zero_is_zero():
    """The convention of relu'(0) = 0."""
    assert [al.step(x) for x in (-1.0, -0.0, 0.0, 5e-324, 1.0)] == [0.0, 0.0, 0.0, 1.0, 1.0]


# --- one-sided limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_sqrt_at_zero_has_derivative_plus_infinity(zero):
    """+inf also at -0.0, where 0.5/sqrt(x) would be -inf."""
    assert derivative(al.sqrt, zero) == INF
    assert al.grad(al.sqrt)(zero) == INF


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_half_power_at_zero_has_derivative_plus_infinity(zero):
    """x**0.5, with a number and with a Variable as exponent."""
    assert derivative(lambda x: x**0.5, zero) == INF
    assert derivative(lambda x, y: x**y, zero, 0.5)[0] == INF


def test_asin_and_acos_at_the_ends_have_infinite_derivative():
    """asin'(±1) = inf, acos'(±1) = -inf."""
    assert derivative(al.asin, 1.0) == INF
    assert derivative(al.asin, -1.0) == INF
    assert derivative(al.acos, 1.0) == -INF
    assert derivative(al.acos, -1.0) == -INF


@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (al.log, 0.0, INF),
        (al.log2, 0.0, INF),
        (al.log10, 0.0, INF),
        (al.log1p, -1.0, INF),
        (al.atanh, 1.0, INF),
        (al.atanh, -1.0, INF),
        (al.acosh, 1.0, INF),
        (al.inv, 0.0, -INF),
        (al.inv, -0.0, -INF),
        (al.cbrt, 0.0, INF),
        (al.cbrt, -0.0, INF),
    ],
    ids=lambda p: getattr(p, "name", repr(p)),
)
def test_derivatives_at_the_ends_of_the_domain(f, x, expected):
    """The limit from inside."""
    assert derivative(f, x) == expected


@pytest.mark.parametrize(
    ("f", "below", "above"),
    [
        (al.exp, 0.0, INF),
        (al.exp2, 0.0, INF),
        (al.expm1, 0.0, INF),
        (al.log, None, 0.0),
        (al.log2, None, 0.0),
        (al.log10, None, 0.0),
        (al.log1p, None, 0.0),
        (al.sqrt, None, 0.0),
        (al.cbrt, 0.0, 0.0),
        (al.atan, 0.0, 0.0),
        (al.asinh, 0.0, 0.0),
        (al.acosh, None, 0.0),
        (al.tanh, 0.0, 0.0),
        (al.sinh, INF, INF),
        (al.cosh, -INF, INF),
        (al.erf, 0.0, 0.0),
        (al.erfc, 0.0, 0.0),
        (al.sigmoid, 0.0, 0.0),
        (al.softplus, 0.0, 1.0),
        (al.abs, -1.0, 1.0),
        (al.relu, 0.0, 1.0),
        (al.leaky_relu, 0.01, 1.0),
        (al.inv, 0.0, 0.0),
        (al.square, -INF, INF),
    ],
    ids=lambda p: getattr(p, "name", repr(p)),
)
def test_derivatives_at_infinity_are_the_limits(f, below, above):
    """What the formula gives in IEEE arithmetic, where the value is not NaN."""
    if below is not None:
        assert derivative(f, -INF) == below
    assert derivative(f, INF) == above


# --- x**y ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zero", [0.0, -0.0])
@pytest.mark.parametrize("n", range(7))
def test_whole_powers_at_zero_are_right_at_every_order(n, zero):
    """The k-th derivative of x**n at 0 is n! for k = n and 0 otherwise."""
    expected = [float(math.factorial(n)) if k == n else 0.0 for k in range(8)]
    assert orders(lambda x: x**n, zero, 7) == expected
    assert orders_by_graph(lambda x: x**n, zero, 7) == expected
    assert orders_by_graph(lambda x: x ** float(n), zero, 7) == expected


@pytest.mark.parametrize("n", range(5))
def test_whole_powers_with_a_variable_exponent_at_zero(n):
    """The same when the exponent is a Variable, for the derivatives by the base."""
    exponent = al.Variable(float(n))
    expected = [float(math.factorial(n)) if k == n else 0.0 for k in range(6)]
    assert orders_by_graph(lambda x: x**exponent, 0.0, 5) == expected


@pytest.mark.parametrize("n", [1, 2, 3, 5, -1, -2])
def test_whole_powers_of_a_negative_base_are_right_at_every_order(n):
    """n·(n-1)…(n-k+1)·x**(n-k) at x = -1.5, by the base, whatever the derivative by the exponent is."""
    expected = [math.prod(n - j for j in range(k)) * (-1.5) ** (n - k) for k in range(5)]
    for exponent in (n, float(n)):  # peeled: zeros are exact; one multiplication a factor and a pow, 4 + 2 roundings
        assert orders_by_graph(lambda x, e=exponent: x**e, -1.5, 4) == pytest.approx(expected, rel=16 * 2.0**-53, abs=0)
    exponent = al.Variable(
        float(n)
    )  # terms may cancel to zero: 8·n·eps·A with under 60 operations and A at most four times the largest order
    slack = 8 * 60 * 2.0**-52 * 4 * max(map(abs, expected))
    assert orders_by_graph(lambda x: x**exponent, -1.5, 4) == pytest.approx(expected, rel=0, abs=slack)


def test_power_of_x_by_itself_at_one():
    """x**x at 1: 1, 1, 2, 3, 8, 10, 54 (A005727), by nesting and by create_graph."""
    expected = [1.0, 1.0, 2.0, 3.0, 8.0, 10.0, 54.0]
    assert orders(lambda x: x**x, 1.0, 6) == expected
    assert orders_by_graph(lambda x: x**x, 1.0, 6) == expected
    assert orders(lambda x: al.pow(x, x), 1.0, 6) == expected


def test_power_by_the_exponent():
    """d/dy x**y = x**y·log x; 0 where the base is 0 and y > 0."""
    assert derivative(lambda y: 2.0**y, 3.0) == pytest.approx(8 * math.log(2), rel=4 * 2.0**-53)
    assert derivative(lambda y: 0.0**y, 3.0) == 0.0
    assert derivative(lambda x, y: x**y, 0.0, 2.0) == [0.0, 0.0]
    assert derivative(lambda x, y: x**y, 0.0, 1.0) == [1.0, 0.0]
    assert orders_by_graph(lambda y: 0.0**y, 2.0, 3) == [0.0, 0.0, 0.0, 0.0]


def test_nan_by_the_exponent_does_not_poison_the_base():
    """A negative base has no derivative by y; d/dx is right all the same, at order 2 too."""
    x, y = al.Variable(-2.0), al.Variable(3.0)
    by_base, by_exponent = al.gradients(x**y, [x, y])
    assert by_base == 12.0
    assert by_exponent != by_exponent
    first = al.gradients(x**y, x, create_graph=True)
    assert al.gradients(first, x) == -12.0


def test_hessian_of_a_power_at_two_zero_is_symmetric():
    """x**p at (2, 0): [[0, 1/2], [1/2, log² 2]]."""
    hessian = np.asarray(al.hessian(lambda v: v[0] ** v[1])(np.array([2.0, 0.0])))
    assert hessian[0, 1] == hessian[1, 0] == 0.5
    assert hessian[0, 0] == 0.0
    assert hessian[1, 1] == pytest.approx(math.log(2) ** 2, rel=8 * 2.0**-53)
    x, p = al.Variable(2.0), al.Variable(0.0)
    by_x, by_p = al.gradients(x**p, [x, p], create_graph=True)
    assert al.gradients(by_x, p) == 0.5
    assert al.gradients(by_p, x) == 0.5


def test_mixed_derivatives_of_a_power_of_zero():
    """x**y at (0, 2): ∂²/∂x² = 2, and both mixed derivatives are the limit 0."""
    x, y = al.Variable(0.0), al.Variable(2.0)
    by_x, by_y = al.gradients(x**y, [x, y], create_graph=True)
    assert al.gradients(by_x, x) == 2.0
    assert al.gradients(by_y, y) == 0.0


def test_a_guard_looks_at_the_base_only():
    """Where the base is a function of x that passes through zero, higher orders in x stay right.

    (x²)**2 = x⁴ at 0, (x - 1)**3 at 1.
    """
    assert orders_by_graph(lambda x: (x * x) ** 2, 0.0, 5) == [0.0, 0.0, 0.0, 0.0, 24.0, 0.0]
    assert orders_by_graph(lambda x: (x - 1.0) ** 3, 1.0, 4) == [0.0, 0.0, 0.0, 6.0, 0.0]
    assert orders_by_graph(lambda x: (x - 1.0) ** al.Variable(3.0), 1.0, 4) == [0.0, 0.0, 0.0, 6.0, 0.0]


# --- a/b, %, //, divmod -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [(1e200, 1e200, -1e-200), (1e-200, 1e-200, -1e200), (-1e200, 1e200, 1e-200), (1e300, 1e160, -1e-20)],
)
def test_quotients_of_extreme_numbers(a, b, expected):
    """d/db = -(a/b)/b, not -a/b²; within the 1.5 ULP of the policy and the 1 ULP of writing the powers of ten down."""
    assert derivative(lambda x, y: x / y, a, b)[1] == pytest.approx(expected, rel=3 * 2.0**-52, abs=0)
    assert derivative(lambda y: a / y, b) == pytest.approx(expected, rel=3 * 2.0**-52, abs=0)


@pytest.mark.parametrize("x", [5.5, -5.5, 0.5, -0.5, 7.0, 1e10])
@pytest.mark.parametrize("y", [2.0, -2.0, 0.3, -0.3])
def test_remainders_have_the_sign_rule_of_python(x, y):
    """Values as Python's %, //, divmod; d(x % y) = 1, -floor(x/y); // has derivative 0."""
    floor = math.floor(Fraction(x) / Fraction(y))
    a, b = al.Variable(x), al.Variable(y)
    quotient, remainder = divmod(a, b)
    assert (a % b).value == remainder.value == x % y
    assert (a // b).value == quotient.value == x // y
    assert (x % b).value == (a % y).value == x % y
    assert [q.value for q in divmod(x, b)] == [q.value for q in divmod(a, y)] == list(divmod(x, y))
    assert derivative(lambda p, q: p % q, x, y) == [1.0, float(-floor)]
    assert derivative(lambda p, q: p // q, x, y) == [0.0, 0.0]
    assert derivative(lambda p, q: divmod(p, q)[1], x, y) == [1.0, float(-floor)]


def test_remainders_by_zero_raise_nothing():
    """x % 0 is nan."""
    assert math.isnan((al.Variable(1.0) % 0.0).value)
    assert math.isnan((1.0 % al.Variable(0.0)).value)


# --- where --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("condition", [True, 1, 1.0, np.bool_(1), "variable"])
def test_the_branch_not_taken_contributes_nothing(condition):
    """where(x < 1, x, sqrt(x)) at 0 has derivative 1 and then 0, whatever type the condition has."""

    def f(x):
        c = x * 0.0 + 1.0 if condition == "variable" else condition
        return al.where(c, x, al.sqrt(x))

    assert orders_by_graph(f, 0.0, 3) == [0.0, 1.0, 0.0, 0.0]
    assert derivative(lambda x: al.where(x < 1, x, al.sqrt(x)), 0.0) == 1.0


@pytest.mark.parametrize("poison", [NAN, INF, -INF])
def test_a_branch_not_taken_may_hold_anything(poison):
    """NaN and infinities in the other branch leave value and gradients alone, at orders 1 and 2."""
    for pick in (lambda x, p: al.where(True, x * x, p), lambda x, p: al.where(False, p, x * x)):
        x, p = al.Variable(3.0), al.Variable(poison)
        y = pick(x, p * x)
        assert y.value == 9.0
        gx, gp = al.gradients(y, [x, p], create_graph=True)
        assert gx.value == 6.0
        assert gp.value == 0.0
        assert al.gradients(gx, x) == 2.0


@pytest.mark.parametrize(
    "f", [al.log, al.sqrt, al.inv, al.acosh, al.lgamma, lambda x: x**-3, lambda x: x / x, lambda x: al.exp(1 / x)]
)
def test_no_singularity_crosses_an_untaken_branch(f):
    """x where x is not positive, f(x) elsewhere: at 0 the derivatives are those of x, to order 3."""
    g = lambda x: al.where(x > 0, f(x), 2.0 * x)
    assert orders_by_graph(g, 0.0, 3) == [0.0, 2.0, 0.0, 0.0]
    assert orders(al.grad(g), 0.0, 2) == [2.0, 0.0, 0.0]


def test_nested_where_stays_clean():
    """An untaken branch inside a taken one."""

    def f(x):
        return al.where(x < 1, al.where(x < -1, al.log(-x), x * x), al.sqrt(x - 1))

    assert orders_by_graph(f, 0.0, 2) == [0.0, 0.0, 2.0]


# --- 0·inf in the sweep -------------------------------------------------------------------------------------


def test_zero_times_infinity_in_the_sweep_is_plain_ieee():
    """sqrt(x)² at 0: the adjoint 2·0 meets the local gradient inf, and gives nan."""
    g = derivative(lambda x: al.sqrt(x) ** 2, 0.0)
    assert g != g


def test_no_adjoint_reaches_an_unreached_node():
    """A node beside the path keeps no gradient at all, though its local gradients are infinite."""
    x = al.Variable(0.0)
    beside = al.sqrt(x)
    y = x * 3.0
    y.backward()
    assert x.grad == 3.0
    assert beside.grad is None
    assert beside not in al.gradients(y)


# --- taken branch, mutation, repeated passes ----------------------------------------------------------------


def test_an_if_differentiates_the_branch_it_took():
    """`if x == 1: return 1 else: return x*x` has derivative 0 at 1 and 2x elsewhere."""

    def f(x):
        if x == 1:
            return 1
        return x * x

    assert al.grad(f)(1.0) == 0.0
    assert al.grad(f)(3.0) == 6.0


def test_setting_a_leaf_keeps_recorded_local_gradients():
    """The graph remembers where it was recorded; a new run uses the new value."""
    x = al.Variable(3.0)
    y = x * x
    x.value = 10.0
    assert y.value == 9.0
    assert [local for _, local in y.local_gradients] == [3.0, 3.0]
    y.backward()
    assert x.grad == 6.0
    assert al.gradients(x * x, x) == 20.0


def test_differentiating_a_stale_graph_again_is_an_error():
    """create_graph over a leaf that was set after recording would mix two points."""
    x = al.Variable(3.0, name="weight")
    y = x * x * x
    x.value = 10.0
    with pytest.raises(StaleGraphError, match="weight"):
        al.gradients(y, x, create_graph=True)
    assert al.gradients(y, x) == 27.0


def test_a_leaf_set_elsewhere_does_not_make_a_graph_stale():
    """Only leaves of this graph count."""
    x, z = al.Variable(3.0), al.Variable(1.0)
    y = x * x
    z.value = 2.0
    assert al.gradients(y, x, create_graph=True).value == 6.0


def test_backward_adds_the_same_numbers_again():
    """6, 12, 18, 24: an inner node's old adjoint never re-enters."""
    x = al.Variable(3.0)
    inner = x * 1.0
    y = inner * inner
    seen = []
    for _ in range(4):
        y.backward()
        seen.append((x.grad, inner.grad, y.grad))
    assert seen == [(6.0, 6.0, 1.0), (12.0, 12.0, 2.0), (18.0, 18.0, 3.0), (24.0, 24.0, 4.0)]


def test_gradients_never_touch_grad():
    """al.gradients is a pure function of the graph."""
    x = al.Variable(3.0)
    y = x * x
    y.backward()
    for create_graph in (False, True):
        al.gradients(y, x, create_graph=create_graph)
    assert (x.grad, y.grad) == (6.0, 1.0)


# --- composed functions at their difficult points -----------------------------------------------------------


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ([0.0, 2.0, 3.0], [6.0, 0.0, 0.0]),
        ([0.0, 2.0, 0.0], [0.0, 0.0, 0.0]),
        ([2.0, 3.0, 4.0], [12.0, 8.0, 6.0]),
        ([5.0], [1.0]),
    ],
)
def test_gradient_of_a_product_with_zeros(point, expected):
    """Products of the others, not the whole divided by each."""
    assert list(al.grad(al.prod)(point)) == expected


def test_hessian_of_a_product_with_a_zero():
    """∂²(xyz)/∂x∂y = z, also where the product is 0."""
    assert np.asarray(al.hessian(al.prod)([0.0, 2.0, 3.0]), dtype=float).tolist() == [[0, 3, 2], [3, 0, 0], [2, 0, 0]]


def test_softmax_and_its_relatives_of_large_numbers():
    """No overflow at offsets of 1000 and beyond; ties share."""
    assert list(al.softmax([1000.0, 1000.0])) == [0.5, 0.5]
    assert list(al.log_softmax([1000.0, 0.0])) == [0.0, -1000.0]
    assert al.logsumexp([-1000.0, -1000.0]) == pytest.approx(-1000 + math.log(2), rel=2 * 2.0**-52)
    assert al.logsumexp([1e308, -1e308]) == 1e308
    assert list(al.grad(al.logsumexp)([-1e5, -1e5, -1e5, -1e5])) == [0.25] * 4


@pytest.mark.parametrize(
    ("a", "b", "value", "slopes"),
    [
        (INF, 1.0, INF, [1.0, 0.0]),
        (1.0, -INF, 1.0, [1.0, 0.0]),
        (-INF, 1.0, 1.0, [0.0, 1.0]),
        (-INF, INF, INF, [0.0, 1.0]),
        (INF, INF, INF, [0.5, 0.5]),
        (-INF, -INF, -INF, [0.5, 0.5]),
        (1000.0, 1000.0, 1000.0 + math.log(2), [0.5, 0.5]),
    ],
)
def test_logaddexp_and_logsumexp_at_ties_and_infinities(a, b, value, slopes):
    """Fine at ties and at ±inf, for both spellings."""
    assert al.logaddexp(a, b) == value
    assert al.logsumexp([a, b]) == value
    assert derivative(al.logaddexp, a, b) == slopes
    assert list(al.grad(al.logsumexp)([a, b])) == slopes


def test_logaddexp_has_its_curvature_at_a_tie():
    """σ'(0) = 1/4: a tie is a point like any other at order 2."""
    for x in (0.0, 3.0, 1000.0):
        h = np.asarray(al.hessian(lambda v: al.logaddexp(v[0], v[1]))([x, x]), dtype=float)
        assert h.tolist() == [[0.25, -0.25], [-0.25, 0.25]]
        h = np.asarray(al.hessian(al.logsumexp)([x, x]), dtype=float)
        assert h.tolist() == [[0.25, -0.25], [-0.25, 0.25]]


def test_xlogy_at_zero():
    """0·log 0 = 0, and a NaN is kept."""
    assert al.xlogy(0.0, 0.0) == 0.0
    assert al.xlogy(0.0, 5.0) == 0.0
    assert math.isnan(al.xlogy(0.0, NAN))


def test_sinc_at_zero():
    """sin(πx)/(πx): 1, 0, -π²/3 at 0; 0 at whole numbers, where the slope is (-1)ⁿ/n."""
    assert orders_by_graph(al.sinc, 0.0, 2) == pytest.approx([1.0, 0.0, -(math.pi**2) / 3], rel=4 * 2.0**-52)
    assert [al.sinc(n) for n in (1.0, -2.0, 1e10)] == [0.0, 0.0, 0.0]
    assert derivative(al.sinc, 2.0) == 0.5
    assert derivative(al.sinc, -3.0) == 1 / 3


# --- no unsafe rewrites -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (lambda x: x * 0, INF, NAN),
        (lambda x: 0 * x, NAN, NAN),
        (lambda x: x - x, INF, NAN),
        (lambda x: x / x, 0.0, NAN),
        (lambda x: x / x, INF, NAN),
        (lambda x: x + 0.0, -0.0, 0.0),
        (lambda x: x + (-0.0), -0.0, -0.0),
        (lambda x: x * 1, -0.0, -0.0),
        (lambda x: 0.0 - x, 0.0, 0.0),
        (lambda x: -x, 0.0, -0.0),
        (lambda x: x * 0, -1.0, -0.0),
        (lambda x: x - 0.0, -0.0, -0.0),
        (lambda x: +x, -0.0, -0.0),
        (lambda x: x**1, -0.0, -0.0),
        (lambda x: al.maximum(x, x), -0.0, -0.0),
        (lambda x: (x + 1e16) - 1e16, 1.0, 0.0),
    ],
)
def test_nothing_is_simplified(f, x, expected):
    """x*0, x-x, x/x, x+0 are computed; 0.0 and -0.0 stay apart."""
    assert same_bits(f(al.Variable(x)).value, expected)


@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (lambda x: x * 0.0, INF, NAN),
        (lambda x: x - x, 1.0, 0.0),
        (lambda x: x / x, 0.0, NAN),
        (lambda x: x * 0.0, 2.0, 0.0),
    ],
)
def test_nothing_is_simplified_in_the_gradient(f, x, expected):
    """The derivative of x/x at 0 is nan with its value; of x - x it is 1 - 1."""
    assert same_bits(derivative(f, x), expected)


def test_subnormal_numbers_are_not_flushed():
    """5e-324 survives values and gradients."""
    assert (al.Variable(5e-324) * 1.0).value == 5e-324
    assert derivative(lambda x: x * 5e-324, 1.0) == 5e-324
    assert (al.Variable(2.0**-1022) / 2).value == 2.0**-1023


# --- complex numbers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "operation",
    [
        lambda x: x + 1j,
        lambda x: 1j * x,
        lambda x: x ** (1 + 0j),
        lambda x: complex(x),
        lambda x: al.exp(1j),
        lambda x: al.add(x, 1j),
    ],
)
def test_complex_numbers_are_refused(operation):
    """With a remedy, never a dropped imaginary part."""
    with pytest.raises(TypeError):
        operation(al.Variable(1.0))


@pytest.mark.parametrize(
    "function",
    [
        float,
        complex,
        math.sin,
        math.exp,
        math.sqrt,
        lambda x: math.hypot(x, 1.0),
        lambda x: np.asarray(x, float),
        lambda x: np.array([x], dtype=float),
    ],
)
def test_what_would_drop_the_derivative_raises(function):
    """float(x), int(x), math.*(x), np.asarray(x, float): an error that says what to write instead."""
    with pytest.raises(TypeError, match=r"derivative|al\.|value"):
        function(al.Variable(1.0))
    assert issubclass(OperandError, TypeError)


@pytest.mark.parametrize("name", ["log", "log2", "log10"])
def test_logarithms_have_the_slope_of_their_domain_at_a_negative_zero(name):
    """log(-x) at 0 is the limit from the left, where the function lives: slope -inf, not +inf."""
    f = getattr(al, name)
    assert al.grad(f)(-0.0) == al.grad(f)(0.0) == INF
    assert al.grad(al.grad(f))(-0.0) == al.grad(al.grad(f))(0.0) == -INF
    for run in (lambda g: g, lambda g: al.jit(g, backend="python"), al.jit):
        assert run(al.grad(lambda x: f(-x)))(0.0) == -INF
        assert run(al.grad(lambda x: f(-al.expm1(x))))(0.0) == -INF
    assert al.vmap(al.grad(f))(np.array([0.0, -0.0])).tolist() == [INF, INF]


def test_xlogy_and_log1p_have_the_slope_of_their_domain_at_its_end():
    """x/y at y = -0.0 as at 0.0; 1/(1 + x) at -1."""
    for y in (0.0, -0.0):
        assert al.grad(al.xlogy, 1)(2.0, y) == INF
        assert al.grad(al.xlogy, 1)(-2.0, y) == -INF
        assert al.grad(al.xlogy, 1)(0.0, y) == 0.0
    assert al.grad(al.log1p)(-1.0) == INF


@pytest.mark.parametrize(
    ("f", "x", "slope"),
    [
        (al.exp2, 1024.2, math.log(2.0) * 2.0 * 2.0**1023.2),
        (al.exp2, 1023.99, math.log(2.0) * 2.0**1023.99),
        (lambda x: 2.0**x, 1024.2, math.log(2.0) * 2.0 * 2.0**1023.2),
        (lambda x: 1.1**x, 7450.0, math.log(1.1) * 1.1**7440 * 1.1**10),
        (lambda x: 1.001**x, 710_200.0, math.log(1.001) * 1.001**710_000 * 1.001**200),
        (lambda x: 1e-200**x, 1.54, math.log(1e-200) * 1e-200**1.54),
    ],
)
def test_slopes_of_powers_are_finite_where_the_truth_is(f, x, slope):
    """The value overflows, its derivative does not."""
    # The power's condition number, x·log b ≤ 740, times half a unit for the rounding of x·log b here and there.
    assert al.grad(f)(x) == pytest.approx(slope, rel=740 * 2.0**-52)
    for run in (al.jit(al.grad(f), backend="python"), al.jit(al.grad(f))):
        assert run(x) == al.grad(f)(x)


def test_exp2_is_infinite_at_infinity():
    """The other branch is not taken."""
    assert (al.grad(al.exp2)(INF), al.grad(al.exp2)(-INF), al.grad(al.exp2)(2000.0)) == (INF, 0.0, INF)
    assert math.isnan(al.grad(al.exp2)(NAN))


@pytest.mark.parametrize("size", [5e-324, 1e-323, 1e-310, 1e-300, 1.0, 1e300, 1.5e308, 1.7976931348623157e308])
def test_lengths_near_the_ends_of_the_range(size):
    """hypot overflows at 1.27e308 twice; its slopes were 0 there. Below the normal doubles it has lost digits."""
    half = math.sqrt(0.5)
    for f in (lambda v: al.hypot(v[0], v[1]), al.norm):
        assert al.grad(f)([size, -size]) == pytest.approx([half, -half], rel=4 * 2.0**-52)
        assert al.grad(f)([size, 0.0]) == pytest.approx([1.0, 0.0], rel=2.0**-52)
    if size > 1e-300:
        assert al.grad(al.atan2, (0, 1))(size, size) == pytest.approx((0.5 / size, -0.5 / size), rel=1e-15, abs=1e-323)
    for run in (al.jit(al.grad(al.hypot, (0, 1)), backend="python"), al.jit(al.grad(al.hypot, (0, 1)))):
        assert run(size, -size) == al.grad(al.hypot, (0, 1))(size, -size)


@pytest.mark.parametrize("y", [0.5, 2.0, 1e300])
def test_xlogy_at_zero_keeps_its_mixed_derivative(y):
    """∂²(x·log y)/∂x∂y is 1/y at x = 0 as elsewhere, in either order; only 0·log 0 is bent to 0."""
    for x in (0.0, -0.0):
        for first in (0, 1):
            assert al.grad(al.grad(al.xlogy, first), 1 - first)(x, y) == 1.0 / y
    assert al.grad(al.xlogy, 1)(0.0, 0.0) == 0.0
    assert al.hessian(lambda v: al.xlogy(v[0], v[1]))([0.0, y])[0][1] == 1.0 / y
