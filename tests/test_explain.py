"""The tree of a computation in the terminal."""

import math

import pytest

import autograd_lite as al
from autograd_lite.explain import LEVELS

V = al.Variable


def test_tree_of_the_neuron():
    """The whole text, to the letter."""
    x1, x2, w1, w2 = V(2.0, name="x1"), V(0.0, name="x2"), V(-3.0, name="w1"), V(1.0, name="w2")
    b = V(6.8813735870195432, name="b")
    n = x1 * w1 + x2 * w2 + b
    n.name = "n"
    o = al.tanh(n)
    o.name = "o"
    o.backward()
    assert al.explain(o).splitlines() == [
        "o = tanh  value +0.7071  grad +1.0000",
        "`- n = +  value +0.8814  grad +0.5000",
        "   |- n7 = +  value -6.0000  grad +0.5000",
        "   |  |- n5 = *  value -6.0000  grad +0.5000",
        "   |  |  |- x1  value +2.0000  grad -1.5000",
        "   |  |  `- w1  value -3.0000  grad +1.0000",
        "   |  `- n6 = *  value +0.0000  grad +0.5000",
        "   |     |- x2  value +0.0000  grad +0.5000",
        "   |     `- w2  value +1.0000  grad +0.0000",
        "   `- b  value +6.8814  grad +0.5000",
    ]


def test_shared_node_is_written_once():
    """Later mentions say: look above."""
    x = V(2.0, name="x")
    s = x * x
    assert al.explain(s + al.exp(s)).splitlines() == [
        "n3 = +  value +58.5982  grad -",
        "|- n1 = *  value +4.0000  grad -",
        "|  |- x  value +2.0000  grad -",
        "|  `- x ^",
        "`- n2 = exp  value +54.5982  grad -",
        "   `- n1 ^",
    ]


def test_constants_are_read_in_the_operation():
    """As in the picture."""
    x = V(2.0, name="x")
    assert al.explain((1 - x) ** 2).splitlines()[:2] == [
        "n2 = n1 ** 2  value +1.0000  grad -",
        "`- n1 = 1 - x  value -1.0000  grad -",
    ]
    assert al.explain(V(7.0, ((x, 2.0),))).splitlines()[0] == "n1 = hand-made  value +7.0000  grad -"


def test_one_leaf():
    """A graph of one node is one line."""
    assert al.explain(V(1.5, name="x")) == "x  value +1.5000  grad -"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "+0.0000"),
        (-0.0, "-0.0000"),
        (1e-9, "+1e-09"),
        (-0.00123456, "-0.001235"),
        (123456.789, "+123456.7890"),
        (1.5e300, "+1.5e+300"),
        (math.inf, "+inf"),
        (-math.inf, "-inf"),
        (math.nan, "+nan"),
    ],
)
def test_numbers_keep_their_digits(value, text):
    """Four decimals, unless these would hide or crowd the number."""
    assert al.explain(V(value, name="x")) == f"x  value {text}  grad -"


def test_same_name_twice():
    """Nodes that share a name are told apart by their place, or `^` would be ambiguous."""
    y = V(1.0, name="w") * V(2.0, name="w")
    assert [line.split("  ")[0] for line in al.explain(y).splitlines()] == ["n2 = *", "|- w (n0)", "`- w (n1)"]


def test_prompt_shows_the_tree_itself():
    """A str whose repr is the text."""
    text = al.explain(V(1.0, name="x") * 2)
    assert isinstance(text, str)
    assert repr(text) == str(text) == text
    assert "\n" in repr(text)


def test_hostile_names_stay_on_their_line():
    """No line end, no terminal escape, no reversed text; long names are cut."""
    y = V(1.0, name="a\nb\x1b[2J\u202ec\r") * V(2.0, name="z" * 100_000)
    text = al.explain(y)
    assert len(text.splitlines()) == 3
    assert "ab[2Jc" in text
    assert text.isprintable() or set(text) - {"\n"} <= set(map(chr, range(32, 127)))
    assert len(text) < 300


def test_deep_graph_is_cut_into_trees_of_linear_length():
    """A chain of 20,000: no recursion, no lines of 60,000 spaces; `v` says that a node follows below."""
    x = V(1.0, name="x")
    for _ in range(20_000):
        x = x + 1.0
    lines = al.explain(x).splitlines()
    assert max(map(len, lines)) < 3 * LEVELS + 80
    below = [line.split("- ")[1].removesuffix(" v") for line in lines if line.endswith(" v")]
    roots = [line.split(" = ")[0] for line in lines if not line.startswith((" ", "`", "|"))]
    assert ["n20000", *below] == roots
    written = [line for line in lines if "value" in line]
    assert len(written) == 20_001
    assert written[-1].endswith("x  value +1.0000  grad -")


def test_every_node_is_written_once_in_a_deep_graph_with_shared_nodes():
    """A ladder of diamonds whose lower steps are reached on long and short ways."""
    x = V(0.5, name="x")
    steps = [x]
    for i in range(200):
        steps.append(al.tanh(steps[-1]) + steps[i // 2])
    lines = al.explain(steps[-1]).splitlines()
    written = [line.lstrip(" |`-").split("  ")[0].split(" = ")[0] for line in lines if "value" in line]
    assert len(written) == len(set(written)) == len(al.topological_order(steps[-1]))


def test_explaining_changes_nothing():
    """No gradient appears."""
    x = V(2.0)
    y = x * x
    al.explain(y)
    assert x.grad is None
    assert y.grad is None


def test_wrong_argument():
    """What is no Variable is named."""
    with pytest.raises(al.OperandError, match=r"^explain got 3\.0, a float; give it a Variable\.$"):
        al.explain(3.0)
