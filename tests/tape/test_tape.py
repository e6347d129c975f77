"""`trace` and `Tape`: what one run recorded, replayed in any arithmetic."""

import math
import pickle
from decimal import Decimal
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from corpus import EXAMPLES, HELD, NAMES, ORDERS, TABLE, by_name, same_bits, sample
from nests import Pair
from tiers import mostly_full, sizes

import autograd_lite as al
from autograd_lite import errors

rational = lambda x, y: x * y + x / y - 3 * x**2 + (1 - y) / 4


@pytest.mark.parametrize("example", EXAMPLES, ids=by_name)
def test_replay_is_eager(example):
    """Values, gradients and gradients of gradients have eager's bits, away from the traced point."""
    f, point = (lambda *v: example.function(list(v))), example.point
    tape = al.trace(f, *point)
    for scale in (1.0, 1.25, 0.75):
        moved = [p * scale for p in point]
        assert same_bits(tape(*moved), f(*moved))
        wrt = tuple(range(len(point)))
        assert list(tape.gradient()(*moved)) == list(al.grad(f, argnums=wrt)(*moved))


def test_gradient_of_gradient_of_gradient():
    """Tapes differentiate to any order."""
    f = lambda x: x**3 * al.sin(x)
    tape, g = al.trace(f, 0.7), f
    for _ in range(4):
        tape, g = tape.gradient(), al.grad(g)
        assert tape(0.3) == pytest.approx(g(0.3), rel=1e-14)


def test_gradient_of_a_tape_with_shared_expressions():
    """Equal sub-expressions are merged first, so adjoints are added in another order: a rounding each."""
    f = lambda x: al.log1p(x * x + 0.5) + (al.sqrt(x * x + 0.5) - x)
    gradient = al.trace(f, 1.0).gradient()
    points = np.random.default_rng(0).normal(size=200).tolist()
    for x in points:
        terms = abs(2 * x / (1.5 + x * x)) + abs(x / (x * x + 0.5) ** 0.5) + 1.0
        assert abs(gradient(x) - al.grad(f)(x)) <= 2 * 2.3e-16 * terms


WITHOUT = {"stirling_error", "gammainc_by_a", "gamma_density_by_a", "lower_beta", "upper_beta", "t_cdf", *HELD}


@pytest.mark.parametrize("name", mostly_full(NAMES, slice(2, None, 3)))
def test_primitives_replay_on_mpmath(name):
    """50 digits: the replay agrees with the float replay to its accuracy, where mpmath has the function."""
    rows = [r for r in sample(name, 4000).tolist() if all(1e-4 < abs(v) < 1e3 or v == 0 for v in r)][:8]
    assert rows
    for row in rows:
        numbers = [float(round(abs(v))) if k == ORDERS.get(name) else v for k, v in enumerate(row)]
        tape = al.trace(lambda *a: TABLE[name](*a), *numbers)
        with mpmath.workdps(50):
            try:
                got = tape(*map(mpmath.mpf, numbers))
            except errors.OperandError:
                assert name in {"round", "sinc_derivative", *WITHOUT}  # mpmath has none, and the replay says so
                continue
            assert isinstance(got, mpmath.mpf)
            # Functions near their zeros (digamma, lgamma) are that far off relative to their arguments.
            assert float(got) == pytest.approx(tape(*numbers), rel=1e-12, abs=1e-14)


def test_rational_arithmetic_is_exact():
    """Fraction in, Fraction out; value, gradient and its gradient."""
    tape = al.trace(rational, 2.0, 3.0)
    x, y = Fraction(1, 3), Fraction(2, 7)
    assert tape(x, y) == rational(x, y)
    assert tape.gradient()(x, y) == (y + 1 / y - 6 * x, x - x / y**2 - Fraction(1, 4))
    assert isinstance(tape(x, y), Fraction)
    assert al.trace(lambda x: x**3 / 3, 2.0).gradient().gradient()(Fraction(1, 7)) == Fraction(2, 7)


def test_decimal_arithmetic():
    """Decimal in, Decimal out, in the context's precision."""
    tape = al.trace(rational, 2.0, 3.0)
    x, y = Decimal("0.1"), Decimal("0.3")
    assert tape(x, y) == x * y + x / y - 3 * x**2 + (1 - y) / 4
    assert isinstance(tape(x, y), Decimal)


def test_a_primitive_named_like_a_part_of_the_replay():
    """`expand` of a Fraction had no such function: the replay found its own."""
    for name in ("expand", "missing", "kind", "module", "apply"):
        rule = al.Primitive(
            name=name, value=lambda x: x * x, partials=(lambda x, y: 2.0 * x,), expression=lambda x: x * x, replace=True
        )
        assert al.trace(rule, 2.0)(Fraction(1, 3)) == Fraction(1, 9)


def test_complex_step():
    """The imaginary part of a replay at x + ih is h·f'(x)."""
    f = lambda x: al.exp(al.sin(x)) / (1 + x * x) + al.sqrt(x)
    got = al.trace(f, 0.7)(0.3 + 1e-200j).imag / 1e-200
    assert math.isclose(got, al.grad(f)(0.3), rel_tol=1e-14)


def test_functions_that_an_arithmetic_lacks():
    """sin of a Fraction: says so, and what to do."""
    with pytest.raises(errors.OperandError, match="Fraction have no such function"):
        al.trace(al.sin, 1.0)(Fraction(1, 3))


def test_constants_are_converted_exactly():
    """0.1 is the double nearest to 0.1, in any arithmetic."""
    assert al.trace(lambda x: x * 0.1, 1.0)(Fraction(1)) == Fraction(0.1)
    with mpmath.workdps(50):
        assert al.trace(lambda x: x * 0.1, 1.0)(mpmath.mpf(1)) == mpmath.mpf(0.1)


def test_guards():
    """A replay that would branch otherwise raises, with condition, file and line, in any arithmetic."""
    tape = al.trace(lambda x: x * x if x > 1 else 2 * x - 1, 3.0)
    assert tape(2.0) == 4.0 and tape(Fraction(5, 2)) == Fraction(25, 4)
    for x in (0.5, 1.0, math.nan, -math.inf, Fraction(1, 2), Decimal(1), mpmath.mpf("0.5"), al.Variable(0.5), 1):
        with pytest.raises(errors.BranchError, match=r"x > 1.0 was True \(.*test_tape.py:\d+\)"):
            tape(x)
    with pytest.raises(errors.BranchError):
        tape.gradient()(0.5)
    assert tape(3.0) == 9.0


@pytest.mark.parametrize(
    ("f", "inside", "outside"),
    [
        (lambda x: x if x == 2 else -x, (2.0,), (2.0000000000000004, math.nan, -2.0)),
        (lambda x: x if x != 2 else -x, (3.0, math.nan), (2.0,)),
        (lambda x: x if not x else -x, (2.0, -1.0, math.nan), (0.0, -0.0)),
        (lambda x: x * int(x), (2.0, 2.9), (3.0, 1.99, -2.0)),
        (lambda x: max(x, 1.0, key=lambda v: v), (2.0, 7.0), (0.5, 0.0)),
        (lambda x: sorted([x, 2.5, 5.0])[0], (2.0, 1.0), (2.6, 6.0)),
        (lambda x: [5.0, 6.0, 7.0][x] * x, (2.0,), (1.0, 0.0)),
        (lambda x: 0 < x <= 2, (2.0, 1.0), (0.0, 2.5, math.nan)),
    ],
)
def test_every_kind_of_guard(f, inside, outside):
    """What Python asked of the number while tracing is asked again."""
    tape = al.trace(f, inside[0])
    for x in inside:
        assert same_bits(float(tape(x)), float(al.jit(f)(x)))
    for x in outside:
        with pytest.raises(errors.BranchError):
            tape(x)


@pytest.mark.parametrize("backend", ["llvm", "python", "numpy"])
def test_a_guard_between_inputs_comes_before_everything(backend):
    """In a program with constants, too, which lie between the inputs and the instructions."""
    f = al.jit(lambda x, y: x * 2.0 + 5.0 if x > y else y * 3.0 + 7.0, backend=backend)
    assert [f(2.0, 1.0), f(1.0, 2.0), f(1.0, 1.0)] == [9.0, 13.0, 10.0]
    guards = al.trace(lambda x, y: x * 2.0 + 5.0 if x > y and x * y > x else y, 2.0, 1.5).guards
    assert [guard.position for guard in guards] == [0, 1]


def test_raise_on_nonfinite_and_nan():
    """NaN passes through arithmetic in silence, unless the user asked otherwise."""
    tape = al.trace(lambda x: al.log(x) + x, 2.0)
    assert math.isnan(tape(math.nan)) and math.isnan(tape(-1.0)) and tape(0.0) == -math.inf
    with al.raise_on_nonfinite(), pytest.raises(errors.NonFiniteError):
        tape(al.Variable(0.0))


def test_variables():
    """Replayed on Variables, the result can be differentiated, again and again."""
    tape = al.trace(lambda x, y: x * x * y + al.sin(x), 1.0, 2.0)
    x, y = al.Variable(0.5), al.Variable(3.0)
    out = tape(x, y)
    slope = al.gradients(out, x, create_graph=True)
    assert slope.value == al.grad(lambda x, y: x * x * y + al.sin(x))(0.5, 3.0)
    assert al.gradients(slope, y) == 1.0
    assert al.grad(tape)(0.5, 3.0) == slope.value
    mixed = tape(x, 3.0)
    assert isinstance(mixed, al.Variable) and mixed.value == out.value
    assert al.grad(lambda t: tape.gradient()(t, 3.0)[0])(0.5) == al.grad(al.grad(tape))(0.5, 3.0)


def test_captured_variables_are_live():
    """Set later, the new value counts; they are inputs of the gradient too."""
    v = al.Variable(2.0, name="v")
    tape = al.trace(lambda x: x * v * v, 3.0)
    assert tape(3.0).value == 12.0
    v.value = 5.0
    assert tape(3.0).value == 75.0
    assert al.gradients(tape(3.0), v) == 30.0
    assert tape.gradient()(3.0).value == 25.0
    assert al.gradients(tape.gradient()(3.0), v) == 10.0
    assert "1 captured Variable" in str(tape) and "mul(x, v)" in str(tape)


def test_captured_nodes_keep_their_graph():
    """An inner node that was captured leads back to its leaf."""
    w = al.Variable(2.0)
    node = w * w
    tape = al.trace(lambda x: x * node, 3.0)
    assert al.gradients(tape(3.0), w) == 12.0


def test_variables_made_inside_are_constants():
    """They are born anew in each run of the function."""
    tape = al.trace(lambda x: x * al.Variable(7.0), 3.0)
    assert tape(2.0) == 14.0 and isinstance(tape(2.0), float)


def test_stop_gradient():
    """Value passes, derivative does not."""
    tape = al.trace(lambda x: x * al.stop_gradient(x * x), 2.0)
    assert tape(3.0) == 27.0 and tape.gradient()(3.0) == 9.0


def nested(d):
    """Every kind of container in, every kind of leaf out."""
    p = d["p"]
    return {
        "s": d["x"].sum() * p.a,
        "t": (1, "s", None, True, p.b[0]),
        "n": Pair(p.b[1], 2.5),
        "array": d["x"] * 2,
        "e": [],
    }


def test_nests_in_and_out():
    """Structure, types and shapes of the result are eager's; what is no number passes through."""
    tape = al.trace(nested, {"x": np.arange(3.0), "p": Pair(2.0, [3.0, 4.0])})
    got = tape({"x": np.ones(3), "p": Pair(1.0, [1.0, 5.0])})
    assert got["s"] == 3.0 and got["t"] == (1, "s", None, True, 1.0) and got["n"] == Pair(5.0, 2.5) and got["e"] == []
    assert [type(v) for v in got["t"]] == [int, str, type(None), bool, float]
    assert got["array"].tolist() == [2.0, 2.0, 2.0] and got["array"].dtype == float
    got["t"], got["array"][0] = (), 9.0
    again = tape({"x": np.ones(3), "p": Pair(1.0, [1.0, 5.0])})
    assert again["array"].tolist() == [2.0] * 3 and len(again["t"]) == 5
    exactly = tape({"x": np.array([Fraction(1, 3)] * 3), "p": Pair(Fraction(1), [Fraction(1, 7), Fraction(5)])})
    assert exactly["s"] == 1 and exactly["t"][4] == Fraction(1, 7)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (({"x": np.ones(4), "p": Pair(1.0, [1.0, 5.0])},), r"array\[3\].*array\[4\]"),
        (({"x": np.ones((3, 1)), "p": Pair(1.0, [1.0, 5.0])},), r"array\[3\].*array\[3, 1\]"),
        (({"x": np.ones(3), "p": Pair(1.0, (1.0, 5.0))},), r"takes.*\[\*, \*\].*got.*\(\*, \*\)"),
        (({"y": np.ones(3), "p": Pair(1.0, [1.0, 5.0])},), "x: .*y: "),
        (({"x": [1.0, 1.0, 1.0], "p": Pair(1.0, [1.0, 5.0])},), r"array\[3\]"),
        ((1.0,), r"array\[3\]"),
        ((), r"array\[3\]"),
        ((1.0, 2.0), r"array\[3\]"),
    ],
)
def test_wrong_arguments_say_what_was_expected(arguments, expected):
    """Shapes and structure, those of the tape and those of the call."""
    tape = al.trace(nested, {"x": np.arange(3.0), "p": Pair(2.0, [3.0, 4.0])})
    with pytest.raises(errors.ArgumentError, match=expected):
        tape(*arguments)


def test_wrong_values():
    """What eager refuses, a replay refuses."""
    tape = al.trace(lambda x: x * 2, 1.0)
    with pytest.raises(errors.ConversionError, match="9007199254740993"):
        tape(2**53 + 1)
    for wrong in ("a", object(), [1.0]):
        with pytest.raises((TypeError, ValueError)):
            tape(wrong)
    with pytest.raises(errors.ArgumentError):
        tape(None)
    assert [tape(v) for v in (2, True, np.float32(0.5), np.int64(3))] == [4.0, 2.0, 1.0, 6.0]


def test_static_arguments_are_checked():
    """A string is part of the program; another one is refused, not ignored."""
    tape = al.trace(lambda x, mode: x * 2 if mode == "double" else x, 1.0, "double")
    assert tape(5.0, "double") == 10.0
    with pytest.raises(errors.ArgumentError, match="double.*single"):
        tape(5.0, "single")


def test_gradient_of_what_is_no_number():
    """Says how many numbers there are."""
    for f in (lambda x: [x, x], lambda x: np.array([x, x]), lambda x: "a"):
        with pytest.raises(errors.OutputError):
            al.trace(f, 1.0).gradient()


def test_gradient_has_the_structure_of_the_arguments():
    """One argument: its nest; several: a tuple."""
    one = al.trace(lambda d: d["a"] * d["b"].sum(), {"a": 2.0, "b": np.ones(3)}).gradient()(
        {"a": 2.0, "b": np.arange(3.0)}
    )
    assert one["a"] == 3.0 and one["b"].tolist() == [2.0] * 3
    two = al.trace(lambda a, b: a * b.sum(), 2.0, np.ones(3)).gradient()(2.0, np.arange(3.0))
    assert two[0] == 3.0 and two[1].tolist() == [2.0] * 3


def test_degenerate_functions():
    """No arguments, no operations, the argument itself."""
    assert al.trace(lambda: 3.0)() == 3.0
    identity = al.trace(lambda x: x, 1.0)
    v = al.Variable(2.0)
    assert identity(5.0) == 5.0 and identity(v) is v and len(identity) == 0
    assert identity.gradient()(7.0) == 1.0
    assert al.trace(lambda x: 3.0, 1.0).gradient()(7.0) == 0.0


def test_length_print_and_cost():
    """Dead code is gone, equal operations are merged, numbers are reported."""
    tape = al.trace(lambda x, y: (x * y, al.exp(y))[0] + x * y, 2.0, 3.0)
    assert len(tape) == 2
    assert str(tape).splitlines()[1:] == ["    v2 = mul(x, y)", "    v3 = add(v2, v2)", "    return v3"]
    assert tape.cost().operations == {"mul": 1, "add": 1} and 0 < tape.cost().ratio <= tape.cost().bound
    assert repr(tape) == "<tape of <lambda>: 2 inputs, 2 instructions, 1 output>"


def test_no_unsafe_rewrites():
    """x*0, x-x, x/x, x+0, 0.0 and -0.0 stay what they are."""
    f = lambda x: [
        x * 0.0,
        x - x,
        x / x,
        x + 0.0,
        x * -0.0,
        0.0 - x,
        -x,
        x * 1.0,
        x - 0.0,
        x + -0.0,
        al.pow(x, 0.0),
        1.0 / (1.0 / x),
    ]
    tape = al.trace(f, 2.0)
    for x in (0.0, -0.0, math.inf, -math.inf, math.nan, 3.0, 5e-324, 1e308):
        eager = [v.value for v in f(al.Variable(x))]
        assert all(map(same_bits, tape(x), eager)), x


def test_tapes_are_values():
    """Unchanged by use; a pickle holds the program, not the function."""
    tape = al.trace(lambda x: x * x if x > 1 else -x, 3.0)
    again = pickle.loads(pickle.dumps(tape))
    assert again is not tape and again.program == tape.program and again(5.0) == 25.0
    with pytest.raises(errors.BranchError):
        again(0.5)
    with pytest.raises(AttributeError):
        tape.name = "other"


@pytest.mark.parametrize("turns", sizes(5_000, 25_000))
def test_long_tapes(turns):
    """Tens of thousands of operations, no recursion: replay, gradient, print."""

    def f(x):
        for _ in range(turns):
            x = x * 0.9999 + 0.1
        return x

    tape = al.trace(f, 1.0)
    assert len(tape) == 2 * turns
    assert tape(2.0) == f(2.0)
    assert tape.gradient()(2.0) == al.grad(f)(2.0)
    assert len(str(tape)) < 20_000


def test_tracing_leaves_no_state():
    """An exception while tracing ends the tracing."""
    with pytest.raises(ZeroDivisionError):
        al.trace(lambda x: x * (1 // 0), 1.0)
    x = al.Variable(2.0)
    assert (x > 1, int(x), [5, 6, 7][int(x)]) == (True, 2, 7)
    assert al.trace(lambda x: x * 2, 1.0)(4.0) == 8.0


def test_traces_nest():
    """Tracing inside tracing: guards belong to the innermost function that owns the number."""
    inner = lambda y: y * y if y > 0 else -y
    outer = al.trace(lambda x: al.trace(inner, 2.0)(x) + 1, 3.0)
    assert outer(4.0) == 17.0
    with pytest.raises(errors.BranchError):
        outer(-4.0)
    constant = al.trace(lambda x: x * al.trace(inner, 2.0)(5.0), 3.0)
    assert constant(4.0) == 100.0
