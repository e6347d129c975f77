"""Formulas as text: what is written has the value of the program, and every node is written once."""

import json
import math
import time

import pytest
from corpus import COMPOSED, EXAMPLES, by_name, same_bits
from hypothesis import assume, given
from hypothesis import strategies as st
from pictures import chain, neuron
from strategies import programs
from tiers import sizes

import autograd_lite as al
from autograd_lite.see.expressions import LENGTH, definitions, number, plain
from autograd_lite.see.graph import Names, select

V = al.Variable


def formulas(*outputs, depth=None):
    """Return the definitions of a graph, and its nodes by their places."""
    selection = select(outputs, depth=depth)
    names = Names(selection.graph)
    return definitions(selection.graph, selection.drawn, names.__getitem__), selection.nodes


def texts(*outputs, depth=None):
    """Return the formulas as text."""
    return [f"{name} = {plain(tree)}" for _, name, tree in formulas(*outputs, depth=depth)[0]]


def leaves(**values):
    """Return Variables of these names."""
    return [V(value, name=name) for name, value in values.items()]


# --------------------------------------------------------------------------------------------------- how it is written


def test_signs_and_brackets():
    """As in mathematics, with as few brackets as the order of operations needs; never two signs in a row."""
    x, y, z = leaves(x=2.0, y=3.0, z=0.5)
    for node, text in [
        (x + y + z, "x + y + z"),
        (x + (y + z), "x + (y + z)"),
        (x - y - z, "x − y − z"),
        (x - (y - z), "x − (y − z)"),
        (x * y + z, "x · y + z"),
        ((x + y) * z, "(x + y) · z"),
        (x * (y * z), "x · (y · z)"),
        (x / (y * z), "x / (y · z)"),
        (x / y / z, "x / y / z"),
        (x / (y / z), "x / (y / z)"),
        (-(x * y), "−x · y"),
        (-x * y, "(−x) · y"),
        (x - -y, "x − (−y)"),
        (al.neg(-x), "−(−x)"),
        (-(x + y), "−(x + y)"),
        ((-x) ** 2, "(−x)^2"),
        (-(x**2), "−x^2"),
        (x ** (y + z), "x^(y + z)"),
        (x**y**z, "x^y^z"),
        ((x**y) ** z, "(x^y)^z"),
        (2.0**-x, "2^−x"),
        (x % y + z, "(x mod y) + z"),
        (x % (y % z), "x mod (y mod z)"),
        (x // y * z, "(x // y) · z"),
        (-(x // y), "−(x // y)"),
        (1 / (al.exp(-(x * y + z)) + 1), "1 / (exp(−(x · y + z)) + 1)"),
        (x * -2.0, "x · (−2)"),
        (x - 3e-7, "x − 3e−7"),
        (al.maximum(x, y - z), "maximum(x, y − z)"),
        (V(1.0, ((x, 2.0), (y, 3.0))), "by hand(x, y)"),
    ]:
        assert texts(node)[-1] == f"{formulas(node)[0][-1].name} = {text}"


def test_an_operation_of_the_user():
    """By its name, as a call."""
    cube = al.Primitive(name="cube", value=lambda x: x**3, partials=(lambda x, y: 3 * x * x,))
    (x,) = leaves(x=2.0)
    assert texts(cube(x + 1)) == ["n2 = cube(x + 1)"]


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (-2.5, "−2.5"),
        (0.0001, "0.0001"),
        (0.00009999, "9.999e−5"),
        (1234567.0, "1.235e6"),
        (999999.0, "1000000"),
        (123456.0, "123500"),
        (1e300, "1e300"),
        (-1e-9, "−1e−9"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (math.nan, "NaN"),
    ],
)
def test_numbers(x, text):
    """Four digits, with a minus sign that is one."""
    assert number(x) == text


def test_which_nodes_have_a_formula_of_their_own():
    """Outputs, nodes that have a name, nodes used twice; all others stand where they are used."""
    x, y = leaves(x=0.5, y=2.0)
    h = al.tanh(x * y)
    h.name = "h"
    twice = x + 1
    o = h * al.exp(twice) + twice
    o.name = "o"
    assert texts(o) == ["h = tanh(x · y)", "n3 = x + 1", "o = h · exp(n3) + n3"]
    assert texts(neuron()) == ["n = x1 · w1 + x2 · w2 + b", "o = tanh(n)"]
    assert texts(x) == ["x = x"]
    assert texts(x, x * y) == ["n1 = x · y", "x = x"]


def test_beyond_depth_stand_names():
    """What is not drawn has no place."""
    (x,) = leaves(x=0.5)
    y = al.exp(al.exp(al.exp(x)))
    ((place, name, tree),), drawn = formulas(y, depth=1)
    assert (name, plain(tree), drawn[place]) == ("n3", "exp(exp(n1))", y)
    assert '[null, "n1"]' in json.dumps(tree)


# --------------------------------------------------------------------------------------------- what is written is right


def evaluated(outputs):
    """Evaluate the formulas as Python would and return the value of each by its place."""
    found, nodes = formulas(*outputs)
    known = {name: getattr(al, name) for name in al.__all__}
    known |= {node.name: V(node.value) for node in nodes if not node.parents}
    values = {}
    for place, name, tree in found:
        python = plain(tree)
        for sign, operator in {"·": "*", "−": "-", "^": "**", "mod": "%", "∞": "float('inf')"}.items():
            python = python.replace(sign, operator)
        known[name] = values[place] = eval(python, {}, known)  # noqa: S307 - our own formula
    return {nodes[place]: value for place, value in values.items()}


def assert_reads_right(*outputs):
    """Each formula has the value of its node, bit by bit."""
    for node, value in evaluated(outputs).items():
        assert same_bits(node.value, float(getattr(value, "value", value)))


def operations(children):
    """Strategies for operators, functions and small constants on Variables."""
    pairs = st.tuples(children, children)
    constants = st.sampled_from([2.0, -3.0, 0.5, -0.25, 1e-7, 3e8])
    return st.one_of(
        *(pairs.map(lambda ab, f=f: f(*ab)) for f in (al.add, al.sub, al.mul, al.div, al.mod, al.floordiv, al.maximum)),
        st.tuples(children, st.one_of(children, st.sampled_from([2.0, -1.0, 0.5]))).map(lambda ab: ab[0] ** ab[1]),
        *(children.map(f) for f in (al.neg, al.exp, al.sin, al.sigmoid)),
        st.tuples(children, constants).map(lambda ac: ac[0] * ac[1]),
        st.tuples(constants, children).map(lambda ca: ca[0] - ca[1]),
    )


@given(st.data())
def test_formula_has_the_value_of_the_program(data):
    """Whatever tree: brackets are where Python needs them too."""
    abc = leaves(a=1.5, b=-0.7, c=3.0)
    try:
        y = data.draw(st.recursive(st.sampled_from(abc), operations, max_leaves=12))
    except (al.DomainError, ArithmeticError):
        assume(False)
    assert_reads_right(y)


@given(programs(), st.lists(st.floats(-3.0, 3.0), min_size=3, max_size=3))
def test_formulas_of_programs_that_share(program, point):
    """Straight-line programs, with nodes that are used several times."""
    assert_reads_right(program([V(x, name=name) for x, name in zip(point, "abc", strict=True)]))


def written_out(tree):
    """Yield the place of each node that a formula writes out; a name alone writes nothing out."""
    place, *parts = tree
    if place != "^" and (len(parts) > 1 or isinstance(parts[0], list)):
        yield place
    for part in parts:
        if isinstance(part, list):
            yield from written_out(part)


def assert_written_once(*outputs, depth=None):
    """Each computed node that is drawn is written out in one formula."""
    found, nodes = formulas(*outputs, depth=depth)
    places = [place for *_, tree in found for place in written_out(tree)]
    assert sorted(places) == [place for place, node in enumerate(nodes) if node.parents]


@pytest.mark.parametrize("example", EXAMPLES + COMPOSED, ids=by_name)
def test_every_node_is_written_once(example):
    """For every function of the corpus."""
    assert_written_once(example.function([V(x) for x in example.point]))


@given(programs(), st.lists(st.floats(-3.0, 3.0), min_size=3, max_size=3), st.none() | st.integers(0, 4))
def test_every_node_of_any_program_is_written_once(program, point, depth):
    """Also where only nodes near the output are drawn."""
    assert_written_once(program([V(x) for x in point]), depth=depth)


# ----------------------------------------------------------------------------------------------------------- large graphs


def nesting(tree):
    """Return how deep lists lie in one another."""
    return 1 + max((nesting(part) for part in tree if isinstance(part, list)), default=0)


def iterated(f, n):
    """Return f(f(…f(x)))."""
    (y,) = leaves(x=0.5)
    for _ in range(n):
        y = f(y)
    return y


@pytest.mark.parametrize("n", sizes(10_000, 100_000))
@pytest.mark.parametrize(
    "f",
    [lambda y: y * 0.999, al.neg, al.tanh, lambda y: 1 / (1 + y), lambda y: y**1.0, lambda y: y * y],
    ids=["product", "minus", "calls", "fraction", "powers", "shared"],
)
def test_long_chains(f, n):
    """Formulas stay short, their nesting shallow, and all of them together linear in the nodes."""
    y = iterated(f, n)
    began = time.process_time()
    found, nodes = formulas(y)
    text = json.dumps([tree for *_, tree in found])
    assert time.process_time() - began < 100e-6 * len(nodes) + 1.0
    assert len(text) < 60 * len(nodes)
    assert max(nesting(tree) for *_, tree in found) <= LENGTH
    assert max(len(plain(tree)) for *_, tree in found) <= 2 * LENGTH


def test_one_operation_of_many_arguments():
    """A node by hand of a thousand arguments is one long formula; what uses it has its own."""
    xs = [V(float(k)) for k in range(1000)]
    y = V(1.0, tuple((x, 1.0) for x in xs)) + 1.0
    assert [len(text) > 1000 for text in texts(y)] == [True, False]
    assert_written_once(y)


def test_a_long_chain_of_nodes_by_name():
    """The shares of a chain of 999 factors: many formulas, each with the name of the one before."""
    found = texts(chain(60))
    assert len(found) == 8
    assert found[1].startswith(f"{found[1].split(' = ')[0]} = {found[0].split(' = ')[0]} · 0.999")
