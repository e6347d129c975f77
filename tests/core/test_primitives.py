"""The rule table, and operations that users add to it."""

import itertools
import math
import pickle

import numpy as np
import pytest

import autograd_lite as al
from autograd_lite.primitives import PRIMITIVES

X = 0.625
BUILT_IN = sorted(name for name, rule in PRIMITIVES.items() if rule.built_in)


@pytest.fixture
def cube():
    """A user's operation."""
    return al.Primitive(name="cube", value=lambda x: x**3, partials=(lambda x, y: 3.0 * x * x,), formula="y = x³")


@pytest.mark.parametrize("name", sorted(n for n, rule in PRIMITIVES.items() if rule.built_in))
def test_entry_says_what_it_is(name):
    """Name, formula, source and one domain for each argument."""
    rule = PRIMITIVES[name]
    assert rule.name == name
    assert "=" in rule.formula
    assert rule.source
    assert len(rule.domain) == rule.arity == len(rule.partials)


@pytest.mark.parametrize("name", sorted(n for n, rule in PRIMITIVES.items() if rule.built_in))
def test_floats_in_float_out(name):
    """A float of Python, never a NumPy one and never a Variable."""
    rule = PRIMITIVES[name]
    assert type(rule(*[X] * rule.arity)) is float
    assert type(rule(*[np.float64(X)] * rule.arity)) is float
    assert type(rule(*[1] * rule.arity)) is float


@pytest.mark.parametrize("name", sorted(n for n, rule in PRIMITIVES.items() if rule.built_in))
def test_same_kind_out_as_in(name):
    """Arrays of floats, arrays of Variables, single Variables: one value in all of them."""
    rule = PRIMITIVES[name]
    value = rule(*[X] * rule.arity)
    floats = rule(*[np.full((2, 3), X)] * rule.arity)
    objects = rule(*[np.array([al.Variable(X)] * 2)] * rule.arity)
    single = rule(*[al.Variable(X) for _ in range(rule.arity)])
    assert floats.shape == (2, 3)
    assert floats.dtype == np.float64
    assert objects.dtype == object
    assert type(single) is al.Variable
    for got in (floats[0, 0], objects[0].value, single.value):
        assert np.array_equal(got, value, equal_nan=True)


def test_array_with_scalar_broadcasts():
    """One of the operands may be a single number."""
    x = al.Variable(2.0)
    assert al.hypot(np.array([3.0, 4.0]), 0.0).tolist() == [3.0, 4.0]
    assert [v.value for v in al.mul(np.array([3.0, 4.0]), x)] == [6.0, 8.0]
    assert al.exp(np.array([])).shape == (0,)


def test_zero_dimensional_array_is_a_number():
    """np.array(1.0) is converted like a float."""
    assert al.exp(np.array(0.0)) == 1.0
    assert al.add(al.Variable(1.0), np.array(2)).value == 3.0


def test_defaults_fill_trailing_arguments():
    """leaky_relu's slope and clip's bounds may be left out."""
    assert al.leaky_relu(-1.0) == -0.01
    assert al.leaky_relu(-1.0, 0.5) == -0.5
    assert al.clip(7.0) == 7.0
    assert al.clip(7.0, 0.0, 1.0) == 1.0
    assert al.leaky_relu(al.Variable(-1.0), slope=0.5).value == -0.5
    assert al.clip(7.0, upper=3.0) == 3.0
    assert al.round(1.26, decimals=1) == 1.3
    for bad in ({"slop": 0.5}, {"x": 1.0}):
        with pytest.raises(al.OperandError, match="leaky_relu got an unexpected argument"):
            al.leaky_relu(-1.0, **bad)


def test_wrong_number_of_arguments_is_told():
    """How many it takes, how many it got."""
    with pytest.raises(al.OperandError, match=r"hypot takes 2 arguments and got 1"):
        al.hypot(1.0)
    with pytest.raises(al.OperandError, match=r"exp takes 1 argument and got 2"):
        al.exp(1.0, 2.0)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("1.0", "str '1.0' is not a real number"),
        (1j, "complex number 1j"),
        (None, "NoneType None is not a real number"),
        ([1.0], "list of 1 elements where one real number is needed"),
    ],
)
def test_operand_that_is_no_number_is_refused(bad, message):
    """By every way into the table."""
    with pytest.raises(al.OperandError, match=message):
        al.exp(bad)
    with pytest.raises(al.OperandError, match=message):
        al.add(al.Variable(1.0), bad)


class TestOwnOperation:
    """`Primitive(...)` by a user."""

    def test_columns_are_those_of_a_built_in(self):
        """Symbol, kinks, flat places, NumPy and the reference are asked for where the table's own are."""
        gap = al.Primitive(
            name="gap",
            value=lambda a, b: abs(a - b),
            partials=(
                lambda a, b, y: al.sign(a - b),
                lambda a, b, y: 0.5 * al.sign(b - a),
            ),  # half of what it should be
            symbol="<>",
            kinks=lambda a, b: ((0, b), (1, a)),
            flat=lambda place, a, b: ("touching", "{node} is {y}: {other} meets {x}"),
            reference=lambda mp, a, b: abs(a - b),
            arrays="np.abs({0} - {1})",
            c="fabs({0} - {1})",
        )
        a, b = al.Variable(1.0, name="a"), al.Variable(1.0, name="b")
        y = gap(a, b)
        assert al.why(y, a).cause == "touching"
        assert str(al.why(y, a)) == "∂n1/∂a = 0: n1 = a <> b is 0: b = 1 meets 1."
        assert [kink.at for kink in al.kinks(y).found] == [1.0]
        (fault,) = al.audit(gap(a, al.Variable(3.0))).faults
        assert (fault.primitive, fault.argument, fault.expected) == (gap, 1, 1.0)
        tape = al.trace(gap, 1.0, 2.0)
        assert "np.abs(a - b)" in tape.source("numpy")
        assert "fabs(x[0] - x[1])" in tape.source("c")
        assert al.vmap(gap)(np.array([1.0, 5.0]), np.array([2.0, 2.0])).tolist() == [1.0, 3.0]

    def test_works_like_a_built_in(self, cube):
        """Floats, Variables, arrays; every order."""
        assert cube(2.0) == 8.0
        assert cube(np.array([1.0, 2.0])).tolist() == [1.0, 8.0]
        x = al.Variable(2.0)
        y = cube(x) * x
        y.backward()
        assert x.grad == 32.0
        third = al.grad(al.grad(al.grad(cube)))
        assert [al.grad(cube)(2.0), al.grad(al.grad(cube))(2.0), third(2.0)] == [12.0, 12.0, 6.0]
        al.check_grads(cube, (1.5,), order=3)

    def test_several_arguments_with_constant_partials(self):
        """A partial that is a number."""
        blend = al.Primitive(name="blend", value=lambda a, b: 0.25 * a + 0.75 * b, partials=(0.25, 0.75))
        assert al.grad(blend, argnums=(0, 1))(1.0, 2.0) == (0.25, 0.75)

    def test_partial_that_divides_by_zero_gives_ieee(self):
        """Floats raise in Python; the rule is then evaluated as IEEE 754 has it."""
        root = al.Primitive(name="root", value=math.sqrt, partials=(lambda x, y: 0.5 / y,))
        assert al.grad(root)(0.0) == math.inf

    def test_value_is_converted(self):
        """A NumPy number does not leak into .value."""
        own = al.Primitive(name="own", value=lambda x: np.float64(x) * 2, partials=(2,))
        assert type(own(al.Variable(1.0)).value) is float
        assert al.grad(own)(1.0) == 2.0

    @pytest.mark.parametrize(
        ("facts", "message"),
        [
            ({"name": "exp"}, "a primitive named 'exp' exists already. Choose another name"),
            ({"partials": ()}, "has no partials"),
            ({"partials": (1.0, 1.0)}, "value of 'p' takes 1 argument, but there are 2 partials"),
            ({"partials": (lambda x: 1.0,)}, "partial 0 of 'p' takes 1 argument; it is called with 2"),
            ({"partials": ("x",)}, "neither a function nor a number"),
            ({"name": "two words"}, "named by a Python identifier"),
            ({"name": 3}, "named by a Python identifier"),
            ({"value": 3.0}, "pass a function of floats"),
            ({"domain": (al.REAL, al.REAL)}, "1 arguments and 2 domains"),
            ({"name": "sin", "replace": True}, "'sin' exists already"),
            ({"kinks": 0.0}, r"kinks=0.0 of 'p': give a tuple of numbers"),
            ({"kinks": ("0",)}, r"kinks=\('0',\) of 'p': give a tuple of numbers"),
            ({"flat": "dead"}, r"flat='dead' of 'p': give a cause and a clause"),
        ],
    )
    def test_malformed_is_refused(self, facts, message):
        """Each with what is wrong, and nothing enters the table."""
        before = set(PRIMITIVES)
        with pytest.raises(al.PrimitiveError, match=message):
            al.Primitive(**{"name": "p", "value": lambda x: x, "partials": (lambda x, y: 1.0,)} | facts)
        assert set(PRIMITIVES) == before

    def test_duplicate_name_is_refused_unless_replaced(self, cube):
        """A cell of a notebook may run twice, when it says so."""
        with pytest.raises(al.PrimitiveError, match="'cube' exists already.*replace=True"):
            al.Primitive(name="cube", value=lambda x: x, partials=(1.0,))
        again = al.Primitive(name="cube", value=lambda x: x, partials=(1.0,), replace=True)
        assert PRIMITIVES["cube"] is again
        assert cube(2.0) == 8.0

    def test_forgotten_operation_leaves_the_table(self):
        """Its name is free again when nothing refers to it."""
        al.Primitive(name="shortlived", value=lambda x: x, partials=(1.0,))
        assert "shortlived" not in PRIMITIVES

    def test_value_or_partial_that_returns_no_number(self):
        """The message names the operation and what came back."""
        bad = al.Primitive(name="bad", value=lambda x: None, partials=(1.0,))
        with pytest.raises(al.PrimitiveError, match=r"value of primitive 'bad' returned None for \(1.0,\)"):
            bad(1.0)
        bad = al.Primitive(name="bad", value=lambda x: x, partials=(lambda x, y: 1j,), replace=True)
        with pytest.raises(al.PrimitiveError, match=r"partial 0 of 'bad' returned 1j for \(1.0,\)"):
            bad(al.Variable(1.0))

    def test_pickles_by_name(self, cube):
        """A graph that holds it comes back where the name is known, and says so where it is not."""
        data = pickle.dumps(cube(al.Variable(2.0)))
        assert pickle.loads(data).primitive is cube

    def test_unpickling_without_it_says_what_to_import(self):
        """The name, and the remedy."""
        gone = al.Primitive(name="gone", value=lambda x: x, partials=(1.0,))
        data = pickle.dumps(gone(al.Variable(2.0)))
        del gone
        with pytest.raises(al.PrimitiveError, match="no primitive is named 'gone'.*import the module"):
            pickle.loads(data)


SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -2.5, 1e-310, 1e308, -1e308, 1e200, 1e9, math.inf, -math.inf, math.nan]


@pytest.mark.parametrize("name", sorted(PRIMITIVES))
def test_no_value_raises_at_special_numbers(name):
    """Tuples of special numbers, some thirty of three and more: outside a domain a value is inf or nan."""
    rule = PRIMITIVES[name]
    rows = list(itertools.product(SPECIAL, repeat=rule.arity))
    for row in rows[:: -(-len(rows) // 30) if rule.arity > 2 else 1]:
        assert isinstance(rule.value(*row), float), row
