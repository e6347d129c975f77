"""The tree of a computation in the terminal."""

import math
from random import Random

import pytest
from tiers import full

import autograd_lite as al
from autograd_lite.see.explain import LEVELS
from autograd_lite.see.graph import Ways

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
        "   |- n3 = +  value -6.0000  grad +0.5000",
        "   |  |- n1 = *  value -6.0000  grad +0.5000",
        "   |  |  |- x1  value +2.0000  grad -1.5000",
        "   |  |  `- w1  value -3.0000  grad +1.0000",
        "   |  `- n2 = *  value +0.0000  grad +0.5000",
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
    """Nodes that share a name are told apart by their number, or `^` would be ambiguous."""
    y = V(1.0, name="w") * V(2.0, name="w")
    assert [line.split("  ")[0] for line in al.explain(y).splitlines()] == ["n1 = *", "|- w (v1)", "`- w (v2)"]


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


# ------------------------------------------------------------------------------------------------- with respect to x


def test_paths_to_the_letter():
    """Same path multiply, different paths add."""
    x, w = V(1.0, name="x"), V(3.0, name="w")
    y = w * x + 2 * x
    assert al.explain(y, x).splitlines() == [
        "d n3 / d x = +5 over 2 paths (along a path the local gradients multiply, different paths add):",
        "|- +3 = (+1) * (+3)   n3 -> n1 -> x",
        "|- +2 = (+1) * (+2)   n3 -> n2 -> x",
        "`- sum +5",
    ]


def test_table_to_the_letter():
    """The chain rule, node by node, in the order of the sweep."""
    x, w = V(1.0, name="x"), V(3.0, name="w")
    y = w * x + 2 * x
    rows = [
        "grad(n3) = +1",
        "grad(n2) = +1 = (+1) * (+1) [n3]",
        "grad(n1) = +1 = (+1) * (+1) [n3]",
        "grad(w)  = +1 = (+1) * (+1) [n1]",
        "grad(x)  = +5 = (+1) * (+2) [n2] + (+1) * (+3) [n1]",
    ]
    assert al.explain(y).table.splitlines() == rows
    assert al.explain(y, x).table.splitlines() == rows[:3] + rows[4:]


def test_latex_to_the_letter():
    """Symbols, numbers, the number."""
    x, w = V(1.0, name="x"), V(-3.0, name="w_1")
    y = w * x
    assert al.explain(y, x).latex() == (
        "\\begin{aligned}\n\\frac{\\partial n_{1}}{\\partial x} &= \\frac{\\partial n_{1}}{\\partial x} \\\\\n"
        "&= (-3) \\\\\n&= -3\n\\end{aligned}"
    )
    assert al.explain(y).latex().splitlines() == [
        "\\begin{aligned}",
        "x &= 1 \\\\",
        "\\mathrm{w\\_1} &= -3 \\\\",
        "n_{1} &= \\mathrm{w\\_1} \\cdot x = -3 \\\\",
        "\\overline{n_{1}} &= 1 \\\\",
        "\\overline{\\mathrm{w\\_1}} &= \\overline{n_{1}} \\cdot 1 = 1 \\\\",
        "\\overline{x} &= \\overline{n_{1}} \\cdot (-3) = -3",
        "\\end{aligned}",
    ]


def test_every_template_of_the_table_gives_latex():
    """Each rule, its braces balanced."""
    for name, rule in al.PRIMITIVES.items():
        if rule.built_in:
            latex = al.explain(rule(*[V(0.5) for _ in range(rule.arity)])).latex()
            assert latex.count("{") == latex.count("}"), name


def test_html_holds_no_foreign_markup():
    """Names are text, and a notebook shows the same piece."""
    x = V(2.0, name="</pre><script>alert(1)</script>")
    text = al.explain(x * x, x)
    assert "<script" not in text.html()
    assert "&lt;script&gt;" in text.html()
    assert text._repr_html_() == text.html()


def test_number_of_paths_is_exact_and_the_rest_is_told():
    """2^60 paths are counted, ten of them listed, and the sum is the gradient."""
    x = V(0.7, name="x")
    y = x
    for _ in range(60):
        y = y * 0.6 + y * 0.6
    text = al.explain(y, x)
    assert text.paths == 2**60
    lines = text.splitlines()
    assert "over 1,152,921,504,606,846,976 paths" in lines[0]
    assert lines[0].endswith(", the 10 largest:")
    assert lines[-2] == "|- +56348 from the other 1,152,921,504,606,846,966 paths"
    assert lines[-1] == "`- sum +56348"
    assert len(lines) == 13
    assert len(al.explain(y, x, top=3).splitlines()) == 6


def test_branches_that_were_not_taken_and_no_path():
    """Nothing is sent along the one; the other says so."""
    x, z = V(2.0, name="x"), V(3.0, name="z")
    assert "(not taken)" in al.explain(al.maximum(x * x, z), z)
    assert al.explain(x * x, z) == "d n1 / d z = 0: no path leads from n1 to z. al.why says more."
    assert al.explain(x, x).splitlines()[1:] == ["|- +1 = (+1)", "`- sum +1"]


def random_graph(seed):
    """A few operations on two leaves."""
    random = Random(seed)
    x = V(random.uniform(-2.0, 2.0))
    pool = [x, V(1.3)]
    for _ in range(random.randint(1, 9)):
        a, b = random.choice(pool), random.choice(pool)
        operations = (
            lambda a, b: a * b,
            lambda a, b: a + b,
            lambda a, b: al.relu(a),
            lambda a, b: al.sin(a),
            al.maximum,
        )
        pool.append(random.choice(operations)(a, b))
    return pool[-1], x


def test_largest_paths_are_those_of_an_enumeration():
    """Number, sum and the k largest products against all paths walked one by one."""
    for seed in range(150):
        y, x = random_graph(seed)
        ways = Ways(y, x)

        def walk(node, ways=ways, x=x):
            return (
                [[]] if node is x else [[e, *p] for e in ways.edges[ways.position[id(node)]] for p in walk(e.argument)]
            )

        paths = walk(y) if ways.connected else []
        size = lambda path: abs(math.prod(edge.factor for edge in path))
        assert ways.number == len(paths)
        assert ways.adjoints.get(ways.end, 0.0) == al.gradients(y, x)
        assert math.isclose(math.fsum(p.product for p in ways.top(len(paths))), al.gradients(y, x), abs_tol=1e-9)
        for k in (1, 3, 7):
            top = ways.top(k)
            assert len({path.edges for path in top}) == len(top) == min(k, len(paths))
            assert [abs(p.product) for p in top] == pytest.approx(sorted(map(size, paths), reverse=True)[:k])


@pytest.mark.parametrize(("diamonds", "order"), [(2_000, 602), pytest.param(10_000, 3010, marks=full)])
def test_deep_graph_with_countless_paths(diamonds, order):
    """Thousands of diamonds in a row: no recursion, the number of paths by its order of magnitude."""
    x = V(0.7, name="x")
    y = x
    for _ in range(diamonds):
        y = al.tanh(y) + y * 0.3
    text = al.explain(y, x, top=3)
    assert f"about 10^{order} paths" in text
    assert max(map(len, text.splitlines())) < 300
    assert text.paths == 2**diamonds


def test_wrong_number_of_paths():
    """The argument is named."""
    x = V(1.0)
    with pytest.raises(al.ArgumentError, match=r"^top=0: give the number of paths to list, 1 or more\.$"):
        al.explain(x, x, top=0)


def test_looking_is_not_noticed():
    """No watcher sees the values being read, and a trace records no guard."""
    x = V(2.0, name="x")
    with al.record_locations():
        y = x * x
        for look in (al.explain, al.blame, al.kinks, al.audit):
            look(y)
        al.why(y, x)
        al.explain(y, x).html()
    assert x.about.read is None
    assert x.grad is None

    def f(t):
        al.why(t * t, t)
        return t * t

    assert al.trace(f, 3.0)(5.0) == 25.0


@pytest.mark.parametrize("slopes", [(math.inf, -math.inf), (1.7e308, 1.7e308)])
def test_products_without_a_sum(slopes):
    """What is left for the other paths is a number too where those listed are infinite or overflow."""
    x = V(1.0, name="x")
    y = sum(V(0.0, [(x, slope)]) for slope in (*slopes, 0.5))
    text = al.explain(y, x, top=2)
    assert "from the other 1 path" in text
