"""Pictures: what they show, that nothing changes by drawing, and that hostile names stay text."""

import math
from types import SimpleNamespace

import pytest
from house import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pictures import HOSTILE, SVG, V, box, boxes, chain, contrast, fills, groups, neuron, parse, printed, texts, tooltip
from tiers import mostly_full, sizes

import autograd_lite as al
from autograd_lite.see import dot, palette
from autograd_lite.see.labels import visible

# ------------------------------------------------------------------------------------------------------ what is shown


def test_one_box_a_variable_and_one_arrow_an_argument():
    """Ten Variables, nine uses."""
    view = al.draw(neuron())
    assert list(groups(view, "node")) == [f"n{i}" for i in range(10)]
    assert len(groups(view, "edge")) == 9
    assert (view.nodes, view.edges, repr(view)) == (10, 9, "Drawing(10 nodes, 9 edges)")


def test_box_holds_name_operation_value_and_gradient():
    """The published numbers of the neuron, to four digits."""
    shown = set(boxes(al.draw(neuron())).values())
    assert {("o = tanh", "0.7071", "1"), ("n = +", "0.8814", "0.5"), ("x1", "2", "-1.5"), ("w2", "1", "0")} <= shown


def test_repeated_operand_gives_two_arrows():
    """o * o uses o twice, and both uses add to its gradient."""
    o = V(3.0, name="o")
    view = al.draw(o * o)
    assert list(groups(view, "edge")) == ["e1_0", "e1_1"]
    assert [texts(g) for g in groups(view, "edge").values()] == [[" 3 "], [" 3 "]]


def test_gradient_never_computed_is_a_dash_and_not_zero():
    """No pass: a dash. A pass that finds zero: 0."""
    x = V(2.0, name="x")
    y = x * 0.0
    assert boxes(al.draw(y))["n0"] == ("x", "2", "–")
    y.backward()
    assert boxes(al.draw(y))["n0"] == ("x", "2", "0")


@pytest.mark.parametrize(
    ("f", "header"),
    [
        (lambda x: x * 2, "n1 = x * 2"),
        (lambda x: 3 - x, "n1 = 3 - x"),
        (lambda x: x - 3, "n1 = x - 3"),
        (lambda x: x**2, "n1 = x ** 2"),
        (lambda x: 2**x, "n1 = 2 ** x"),
        (lambda x: x + math.pi, "n1 = x + 3.142"),
        (lambda x: al.maximum(x, 1.5), "n1 = maximum(x, 1.5)"),
        (lambda x: x - x, "n1 = x - x"),
        (lambda x: x + x, "n1 = +"),
        (al.exp, "n1 = exp"),
        (lambda x: V(7.0, ((x, 2.0),)), "n1 = hand-made"),
    ],
)
def test_constants_and_order_can_be_read(f, header):
    """The reader of x * 2 sees the 2, and that of 2 ** x sees which is the exponent."""
    view = al.draw(f(V(2.0, name="x")))
    assert boxes(view)["n1"][0] == header
    assert view.nodes == 2


def test_header_colours_leaf_inner_and_alarm():
    """Light blue, grey; red for nan and inf in value or gradient."""
    x = V(0.0, name="x")
    y = x * al.log(x)
    y.backward()
    view = al.draw(y)
    assert fills(box(al.draw(neuron()), "x1"))[0] == dot.PAPER
    assert fills(box(al.draw(neuron()), "n = +"))[0] == dot.HEAD
    assert boxes(view) == {"n0": ("x", "0", "nan"), "n1": ("n1 = log", "-inf", "nan"), "n2": ("n2 = *", "nan", "nan")}
    red, white = dot.ALARM, dot.PAPER
    assert list(map(fills, groups(view, "node").values())) == [[red, white, red], [red, red, red], [red, red, red]]


def test_gradient_colour_has_its_sign_and_strength():
    """Blue above 0, red below, white at 0, stronger the larger."""
    view = al.draw(neuron())
    assert fills(box(view, "x1"))[2] == palette.NEGATIVE_FILL.light  # -1.5 is the largest
    assert fills(box(view, "w2"))[2] == dot.PAPER
    reds = [int(dot.shade(g, 1.0)[1:3], 16) for g in (0.0, 0.1, 0.5, 1.0)]
    assert reds == sorted(reds, reverse=True)
    assert len(set(reds)) == 4
    assert dot.shade(None, 1.0) == dot.shade(math.nan, 1.0) == dot.shade(math.inf, 1.0) == dot.PAPER
    assert dot.shade(5e-324, 5e-324) == dot.shade(1e308, 1e308) == dot.shade(1.0, 1.0)


@pytest.mark.parametrize(
    ("text", "ground"),
    [(dot.INK, c) for c in (dot.HEAD, dot.PAPER)]
    + [(dot.INK, dot.shade(g / 20, 1.0)) for g in range(-20, 21)]
    + [(dot.PAPER, dot.ALARM), (dot.ALARM, dot.PAPER), (dot.FAINT, dot.PAPER)],
)
def test_text_is_readable_on_every_ground(text, ground):
    """At least 4.5 : 1, the guidelines' level AA."""
    assert contrast(text, ground) >= 4.5


def test_arrow_carries_local_derivative_and_its_width_the_flow():
    """The label is the local derivative; the width grows with |local × upstream|."""
    view = al.draw(neuron())
    edges = {g.find(SVG + "title").text: g for g in groups(view, "edge").values()}
    names = {i: header for i, (header, _, _) in boxes(view).items()}
    facts = {}
    for title, g in edges.items():
        path = next(g.iter(SVG + "path"))
        facts[names[title.split("->")[0]]] = (texts(g)[0].strip(), float(path.get("stroke-width", "1")))
    assert facts["x1"] == ("-3", 3.7)  # -3 × 0.5 is the largest
    assert facts["w1"][0] == "2"
    assert facts["w2"] == ("0", 0.7)
    assert facts["w2"][1] < facts["b"][1] < facts["w1"][1] < facts["x1"][1]
    assert facts["n = +"][0] == "0.5"


def test_arrow_that_makes_a_nan_is_red():
    """0 × inf shows where it happens."""
    x = V(0.0, name="x")
    y = al.log(x) * 0.0
    y.backward()
    edge = groups(al.draw(y), "edge")["e1_0"]
    assert next(edge.iter(SVG + "path")).get("stroke") == dot.OUTSIDE_ALARM
    assert tooltip(edge).splitlines()[-1].startswith("adds inf * nan = nan ")


def test_tooltips_have_every_digit():
    """The box's has the formula and the repr, the arrow's the product that flows back."""
    x = V(0.1, name="x")
    y = x * 3
    y.backward()
    view = al.draw(y)
    assert tooltip(groups(view, "node")["n1"]) == f"n1 = x * 3.0\n{y!r}"
    assert tooltip(groups(view, "edge")["e1_0"]) == "d n1 / d x = 3.0\nadds 3.0 * 1.0 = 3.0 to the gradient of x"


def test_gradients_from_a_mapping():
    """Those of `al.gradients` instead of `.grad`; Variables count by their value; what is missing is a dash."""
    x = V(3.0, name="x")
    y = x * x
    assert boxes(al.draw(y, gradients=al.gradients(y)))["n0"] == ("x", "3", "6")
    assert boxes(al.draw(y, gradients={x: V(5.0)}))["n0"] == ("x", "3", "5")
    view = al.draw(y, gradients={})
    assert boxes(view)["n1"][2] == "–"
    assert tooltip(groups(view, "node")["n1"]).endswith("gradient None")
    assert x.grad is None


def test_several_outputs():
    """A list gives the union of the graphs; outputs have the thicker frame, other nodes of equal value have not."""
    x = V(2.0, name="x")
    y, z = x * 1.0, x + 1.0
    view = al.draw([y, z, y])
    assert [header for header, _, _ in boxes(view).values()] == ["x", "n1 = x * 1", "n2 = x + 1"]
    assert view.source.count('BORDER="2"') == 2
    assert al.draw(y).source.count('BORDER="2"') == 1  # x == y by value, but x is no output


def test_numbers_are_those_of_the_call():
    """A view is a picture of the moment, not of the future."""
    x = V(2.0, name="x")
    y = x * x
    view = al.draw(y)
    y.backward()
    x.value = 9.0
    assert boxes(view)["n0"] == ("x", "2", "–")


@pytest.mark.parametrize(("rankdir", "wide"), [("LR", True), ("RL", True), ("TB", False), ("BT", False)])
def test_rankdir(rankdir, wide):
    """A chain is wide from left to right and tall from top to bottom."""
    x = V(0.5)
    for _ in range(6):
        x = al.tanh(x)
    _, _, width, height = map(float, parse(al.draw(x, rankdir=rankdir)).get("viewBox").split())
    assert (width > height) is wide


# ------------------------------------------------------------------------------------------------------------- size


def test_too_large_says_how_large_and_what_to_do():
    """The exact text."""
    with pytest.raises(al.GraphTooLarge) as caught:
        al.draw(chain(2030))
    assert str(caught.value) == (
        "2,031 nodes; max_nodes=300. Pass max_nodes=None to draw them all, depth=10 to draw only what lies that "
        "many steps before the output, or fold=True to draw what is repeated as one box."
    )
    assert al.draw(chain(299)).nodes == 300
    with pytest.raises(al.GraphTooLarge, match=r"^300 nodes; max_nodes=299\. .* depth=149 "):
        al.draw(chain(299), max_nodes=299, depth=299)


def test_depth_cuts_and_counts_what_is_cut():
    """Nodes near the output keep their numbers; one dashed box counts the others."""
    view = al.draw(chain(2030), depth=2)
    assert [header for header, _, _ in boxes(view).values()] == [
        "n2028 = n2027 * 0.999",
        "n2029 = n2028 * 0.999",
        "n2030 = n2029 * 0.999",
    ]
    assert texts(groups(view, "node")["more"]) == ["+2,028 nodes"]
    assert list(groups(view, "edge")) == ["e2028_more", "e2029_0", "e2030_0"]
    assert (view.nodes, view.edges) == (3, 2)


def test_depth_zero_and_depth_enough():
    """Only the output; everything and no dashed box."""
    o = neuron()
    assert list(boxes(al.draw(o, depth=0))) == ["n9"]
    assert "more" not in groups(al.draw(o, depth=4), "node")
    assert texts(groups(al.draw(V(1.0, name="x") * 2, depth=0), "node")["more"]) == ["+1 node"]


def test_depth_follows_the_shortest_way():
    """A node is as near as its nearest use."""
    x = V(1.0, name="x")
    y = al.exp(al.exp(al.exp(x))) * x
    assert [header for header, _, _ in boxes(al.draw(y, depth=1)).values()] == ["x", "n3 = exp", "n4 = *"]


@pytest.mark.parametrize("length", sizes(4_000, 20_000))
def test_deep_graph_needs_no_recursion(length):
    """Nodes behind one another, many times Python's stack."""
    view = al.draw(chain(length), max_nodes=None)
    assert (view.nodes, view.edges) == (length + 1, length)
    assert view.source.count(" -> ") == length


# ------------------------------------------------------------------------------- nothing changes, nothing is random


def test_drawing_changes_nothing():
    """Values, gradients, local gradients and names are what they were."""
    o = neuron()
    nodes = al.topological_order(o)

    def facts():
        return [(n.value, n.grad, n.name, tuple(local for _, local in n.local_gradients)) for n in nodes]

    before = facts()
    view = al.draw([o, nodes[0]], gradients=al.gradients(o), depth=3)
    view.svg, view._repr_mimebundle_()
    assert facts() == before


def test_same_program_gives_the_same_bytes():
    """In one process, although creation numbers go on, and in processes with different hash seeds."""
    assert al.draw(neuron()).svg == al.draw(neuron()).svg
    program = (
        "import autograd_lite as al\nx = al.Variable(2.0, name='x')\ny = al.tanh(x * x) + al.exp(x)\ny.backward()\n"
        "import sys; sys.stdout.buffer.write(al.draw([y, x]).svg.encode())"
    )
    assert len(printed(program)) == 1


# ------------------------------------------------------------------------------------------------- names are only text


def check_hostile(name):
    """Draw a small graph whose leaf, output and argument have this name; everything but the text must be as always."""
    x = V(2.0, name=name)
    y = x - 1.0
    y.name = name
    y.backward()
    view = al.draw(y)
    tame = V(2.0, name="x") - 1.0
    tame.backward()
    root = parse(view)
    shape = [(e.tag, *sorted(e.attrib)) for e in root.iter()]
    assert shape == [(e.tag, *sorted(e.attrib)) for e in parse(al.draw(tame)).iter()]
    assert list(groups(view, "node")) == ["n0", "n1"]
    clean = visible(name).strip()
    shown = texts(groups(view, "node")["n0"])[0]
    shown = shown.removesuffix("\u200e")  # our own mark behind right-to-left names
    whole = (clean or "v1").replace("\xa0", " ")
    assert shown == whole if len(whole) <= dot.LEAF_LENGTH else whole.startswith(shown[:-1]) and shown.endswith("…")
    full = tooltip(groups(view, "node")["n0"])
    assert full.splitlines()[0].replace("\xa0", " ") == whole
    assert texts(groups(view, "node")["n1"])[0].endswith(" - 1")
    assert not any(c in full for c in "\u202e\u2066\u200f\x1b")


@pytest.mark.parametrize("name", mostly_full(HOSTILE, slice(0, None, 2)), ids=lambda name: ascii(name)[:24])
def test_hostile_name_stays_text(name):
    """Markup, escapes, controls, text direction and length cannot leave the place of a name."""
    check_hostile(name)


def test_formula_with_a_right_to_left_name_keeps_its_order():
    """A left-to-right mark ends the name; without it `x - 1` would be displayed as `1 - x`."""
    x = V(2.0, name="שלום")
    assert boxes(al.draw(x - 1.0))["n1"][0] == "n1 = שלום\u200e - 1"


def test_long_names_leave_the_operation_visible():
    """Each part has its own limit; the tooltip has it all."""
    x = V(2.0, name="a name that goes on and on")
    y = x / 3.0
    y.name = "another name that goes on and on"
    view = al.draw(y)
    headers = [header for header, _, _ in boxes(view).values()]
    assert headers == ["a name that goes on and…", "another name th… = a name th… / 3"]
    assert tooltip(groups(view, "node")["n1"]).startswith(f"{y.name} = {x.name} / 3.0\n")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(st.characters(codec=None) | st.sampled_from("<>&\"'\\{}|;[]\n\r\0\u202e"), max_size=60))
def test_any_name_stays_text(name):
    """The same for whatever Hypothesis thinks of."""
    check_hostile(name)


# --------------------------------------------------------------------------------------------------------- documentation


def sigmoid_of_the_documentation():
    """The first program of docs/drawing.md."""
    x, w, b = V(1, name="x"), V(0, name="w"), V(0, name="b")
    f = 1 / (al.exp(-(w * x + b)) + 1)
    f.name = "f"
    f.backward()
    return f


def nan_of_the_documentation():
    """The second one."""
    x = V(0.0, name="x")
    y = x * al.log(x)
    y.name = "y"
    y.backward()
    return y


@pytest.mark.parametrize(
    ("file", "program_"), [("sigmoid", sigmoid_of_the_documentation), ("nan", nan_of_the_documentation)]
)
def test_documentation_shows_what_draw_draws(file, program_):
    """The pictures kept under docs/ are up to date: every text, colour and tooltip, wherever the layout puts them."""
    kept = (ROOT / "docs" / "pictures" / f"{file}.svg").read_text(encoding="utf-8")

    def content(view):
        parts = {**groups(view, "node"), **groups(view, "edge")}
        return {i: (texts(g), fills(g), tooltip(g)) for i, g in parts.items()}

    assert content(SimpleNamespace(svg=kept)) == content(al.draw(program_()))


if __name__ == "__main__":  # make the pictures anew: PYTHONPATH=tests python tests/see/test_dot.py
    for file, program in (("sigmoid", sigmoid_of_the_documentation), ("nan", nan_of_the_documentation)):
        al.draw(program()).save(ROOT / "docs" / "pictures" / f"{file}.svg")
