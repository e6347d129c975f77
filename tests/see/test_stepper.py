"""The stepper: its numbers are those of `backward`, its element lives on any page, and it plays in a real browser."""

import json
import math
import re
import time
from functools import cache
from html import unescape
from pathlib import Path

import pytest
from chromium import Chromium
from corpus import COMPOSED, EXAMPLES, by_name, same_bits
from house import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import HOSTILE, Page, chain, neuron, printed
from strategies import programs
from tiers import full, mostly_full

import autograd_lite as al
from autograd_lite import __main__ as cli
from autograd_lite.see import stepper
from autograd_lite.see.graph import select
from autograd_lite.see.labels import visible

V = al.Variable
PICTURES = ROOT / "docs" / "pictures"


# ----------------------------------------------------------------------------------------------------------- the graphs


def sigmoid():
    """The first page of docs/drawing.md: σ(w·x + b) in its parts."""
    with al.record_locations():
        x, w, b = V(1.5, name="x"), V(-0.8, name="w"), V(0.4, name="b")
        f = 1 / (al.exp(-(w * x + b)) + 1)
    f.name = "f"
    f.backward()
    return f


def unit(name, bias, weights, inputs):
    """A tanh unit."""
    total = bias
    for weight, x in zip(weights, inputs, strict=True):
        total = total + weight * x
    h = al.tanh(total)
    h.name = name
    return h


def network():
    """The second one: a 2-3-1 network of tanh units, its squared error on one sample."""
    layer = [V(0.5, name="x1"), V(-1.0, name="x2")]
    weights = iter((-0.81, 0.96, -0.58, -0.88, -0.66, 0.35, -0.92, -0.02, -0.5))
    biases = iter((-0.42, -0.15, -0.89, -0.7))
    for level, size in enumerate((3, 1), 1):
        layer = [
            unit(
                f"h{j}" if level == 1 else "out",
                V(next(biases), name=f"b{level}{j}"),
                [V(next(weights), name=f"w{level}{j}{i}") for i in range(1, len(layer) + 1)],
                layer,
            )
            for j in range(1, size + 1)
        ]
    loss = (layer[0] - 1.0) ** 2
    loss.name = "loss"
    loss.backward()
    return loss


def xor():
    """The third one: the four samples of XOR through one 2-2-1 network, whose nine numbers every sample uses."""
    numbers = iter((0.6, -0.4, 0.9, 0.7, 0.2, -0.3, 1.1, -0.8, 0.1))
    parameter = lambda name: V(next(numbers), name=name)
    hidden = [(parameter(f"b{j}"), [parameter(f"w{j}{i}") for i in (1, 2)]) for j in (1, 2)]
    bias, weights = parameter("c"), [parameter(f"v{j}") for j in (1, 2)]
    errors = []
    for k, (sample, wanted) in enumerate({(0, 0): 0, (0, 1): 1, (1, 0): 1, (1, 1): 0}.items(), 1):
        units = [unit(f"h{j}{k}", b, w, sample) for j, (b, w) in enumerate(hidden, 1)]
        out = unit(f"o{k}", bias, weights, units)
        errors.append((out - wanted) ** 2)
    loss = al.sum(errors)
    loss.name = "loss"
    loss.backward()
    return loss


def twice():
    """x·sin(x) + x: one leaf, used three times."""
    x = V(2.0, name="x")
    y = x * al.sin(x) + x
    y.name = "y"
    return y


def not_a_number():
    """x·log(x) at 0."""
    x = V(0.0, name="x")
    y = x * al.log(x)
    y.name = "y"
    return y


def branches():
    """Arguments that are not taken."""
    x, z = V(-0.5, name="x"), V(2.0, name="z")
    y = al.where(z > 1.0, z * x, al.log(z)) + al.relu(-z) + al.maximum(z, x)
    y.name = "y"
    return y


def several():
    """Three outputs over shared nodes."""
    a, b = V(1.2, name="a"), V(-0.7, name="b")
    s = a * b
    s.name = "s"
    return [al.exp(s) + a, al.sin(s), s / b]


def long_names():
    """Names and numbers that need room."""
    a, b = V(1.234567, name="a rather long name of a weight"), V(-1e-9, name="learning_rate_of_the_model")
    y = a * b + a**2 / (b - 3e7)
    y.name = "the final objective"
    return y


def crowded():
    """Leaves side by side at the left edge, whose numbers need more room than they do."""
    x, a, b = V(1.7, name="x"), V(0.3, name="a"), V(-2.2, name="b")
    y = x ** (a + b) / (x * (a % b)) - (-x) ** 2
    y.name = "y"
    return y


def of_the_user():
    """A primitive of the user's, and a node by hand."""
    swish = al.Primitive(
        name="swish",
        value=lambda x: x * al.sigmoid(x),
        partials=(lambda x, y: al.sigmoid(x) * (1 + x * (1 - al.sigmoid(x))),),
        formula="y = x·σ(x)",
    )
    x, w = V(0.7, name="x"), V(-1.5, name="w")
    return swish(x * w) + V(7.0, ((x, 2.0), (w, -0.5)))


def deep():
    """exp(exp(exp(x)))·x, of which only one level is drawn."""
    x = V(0.5, name="x")
    return al.draw(al.exp(al.exp(al.exp(x))) * x, depth=1)


def factors():
    """Sixty nodes behind one another."""
    return chain(60)


GRAPHS = [sigmoid, network, twice, not_a_number, branches, several, long_names, of_the_user, deep, factors]


def drawn(thing):
    """Return the drawing of a graph, or the one that it is already."""
    return thing if isinstance(thing, al.draw(V(1.0)).__class__) else al.draw(thing)


# ---------------------------------------------------------------------------------------------------------- the numbers


def swept(data):
    """Sweep as the script does, on what JSON leaves of the data; return the gradient of every node, or None."""
    data = json.loads(json.dumps(data))
    sums = {i: float(x) for i, x in data["seeds"]}
    for user, k, to, *rest in data["shares"]:
        if user < 0:
            sent = float(k) * float(rest[0])
        elif rest:
            assert rest == [0]
            continue
        else:
            node = data["nodes"][user]
            assert node["from"][k] == to
            sent = float(node["locals"][k]) * sums[user]
        sums[to] = sums[to] + sent if to in sums else sent
    return [sums.get(i) for i in range(len(data["nodes"]))]


def played(y, gradients=None):
    """Return the last gradients of the pass over all nodes."""
    selection = select([y])
    nodes = selection.nodes
    kept = {i: node.grad if gradients is None else gradients.get(node) for i, node in enumerate(nodes)}
    made = stepper.Stepper(selection, kept, ".grad" if gradients is None else "gradients=")
    found = swept({"nodes": made.nodes, "shares": made.shares, "seeds": [*made.seeds.items()]})
    assert [float(node["value"]) for node in made.nodes] == pytest.approx([n.value for n in nodes], 0, 0, nan_ok=True)
    return dict(zip(nodes, (0.0 if x is None else x for x in found), strict=True))


def assert_plays(y):
    """The last gradients are those of `al.gradients`, bit by bit."""
    expected = al.gradients(y)
    found = played(y)
    assert found.keys() == expected.keys()
    assert all(same_bits(found[node], expected[node]) for node in expected)


@pytest.mark.parametrize("example", EXAMPLES + COMPOSED, ids=by_name)
def test_final_numbers_are_those_of_gradients(example):
    """Every function of the corpus."""
    assert_plays(example.function([V(x) for x in example.point]))


@given(programs(), st.lists(st.floats(-3.0, 3.0), min_size=3, max_size=3))
def test_any_program_plays(program, point):
    """The same for programs that Hypothesis writes."""
    assert_plays(program([V(x) for x in point]))


def test_what_was_not_taken_gets_nothing():
    """0 × inf does not poison the other branch, and the share that is not sent says so."""
    x, z = V(0.0, name="x"), V(2.0, name="z")
    y = al.where(z > 1.0, z, al.log(x)) + al.relu(-z) + al.maximum(z, x)
    assert_plays(y)
    shares = Page(al.draw(y).html()).data["shares"]
    assert [share for share in shares if len(share) == 4]
    assert_plays(x * al.log(x))
    assert_plays(branches())


def test_a_node_by_hand_and_a_leaf_alone():
    """A zero that was given by hand is sent; a leaf has only its seed."""
    x = V(3.0, name="x")
    assert_plays(V(7.0, ((x, 0.0), (x, math.inf))))
    assert_plays(of_the_user())
    assert played(x) == {x: 1.0}
    assert Page(al.draw(x).html()).data["shares"] == []


def test_seed_of_the_pass():
    """1, or what `gradients=` has for the output, or NaN where the output is NaN."""
    x = V(3.0, name="x")
    y = x * x
    y.backward(5.0)
    assert played(y)[x] == 6.0
    assert played(y, al.gradients(y, seed=2.0))[x] == 12.0
    assert math.isnan(played(V(math.inf) * 0.0 + x)[x])


@pytest.mark.parametrize("x", [1.0, -2.0, 0.1, -0.0, 5e-324, 1e300, 2.0**53, 1e15, 123456789.0, math.inf, math.nan])
def test_numbers_survive_the_data(x):
    """Bit by bit, the sign of a zero too."""
    (value,) = Page(al.draw(V(x)).html()).data["nodes"]
    assert same_bits(float(value["value"]), x)


def notes(view):
    """Return the notes at the head of a page."""
    return Page(view.html()).data["notes"]


def test_page_says_what_is_not_this_pass():
    """Sums over several passes, another mapping; nothing where all agree."""
    x = V(3.0, name="x")
    y = x * x
    assert notes(al.draw(y)) == []
    y.backward()
    assert notes(al.draw(y)) == []
    y.backward()
    before = (x.grad, y.grad)
    (note,) = notes(al.draw(y))
    assert note == (
        "This page plays one pass by itself. .grad holds other numbers, as after several passes: 12.0 for x, where this "
        "pass gives 6.0. Click a box to see both."
    )
    assert (x.grad, y.grad) == before
    assert notes(al.draw(y, gradients=al.gradients(y, seed=2.0))) == []
    assert (
        "gradients= holds other numbers, as after several passes: 7.0 for x" in notes(al.draw(y, gradients={x: 7.0}))[0]
    )


def test_page_says_what_is_stale_or_hidden_or_more_than_one():
    """A leaf set after the run; nodes beyond `depth`; several outputs."""
    x = V(3.0, name="x")
    y = al.exp(x * x)
    assert notes(al.draw(y, depth=1)) == ["1 of the 3 nodes take part without being drawn."]
    assert notes(al.draw([y, x * 2])) == ["2 outputs, each with the seed 1: the gradients are those of their sum."]
    x.value = 4.0
    assert notes(al.draw(y)) == ["An argument of n1 was set after n1 was computed: run the function again, then draw."]


def test_depth_counts_hidden_users():
    """x is drawn, and what nodes that are not drawn send it is part of its sum."""
    data = Page(deep().html()).data
    assert [user for user, *_ in data["shares"]] == [2, 2, -1]
    x = V(0.5)
    assert swept(data)[0] == al.gradients(al.exp(al.exp(al.exp(x))) * x, x)


def test_several_outputs_play_their_sum():
    """Each has the seed 1."""
    outputs = several()
    data = Page(al.draw(outputs).html()).data
    expected = al.gradients(al.sum(outputs))
    nodes = select(outputs).nodes
    assert len(data["seeds"]) == 3
    assert swept(data) == pytest.approx([expected[node] for node in nodes], rel=1e-14)


def test_numbers_are_those_of_the_call():
    """As in the picture: what happens after `draw` is not on the page."""
    x = V(2.0, name="x")
    y = x * x
    view = al.draw(y)
    page = al.draw(y).html()
    y.backward()
    y.backward()
    x.value, x.name = 9.0, "z"
    assert view.html() == page


def test_nothing_changes():
    """Values, gradients and names are what they were."""
    o = neuron()
    nodes = al.topological_order(o)
    before = [(n.value, n.grad, n.name) for n in nodes]
    al.draw(o).html()
    al.draw(o).play()
    assert [(n.value, n.grad, n.name) for n in nodes] == before


# ------------------------------------------------------------------------------------------------------------- the page


def test_same_graph_gives_the_same_bytes():
    """Made twice in one process."""
    assert al.draw(neuron()).html() == al.draw(neuron()).html()


@full
def test_same_program_gives_the_same_bytes():
    """In processes with different hash seeds."""
    program = (
        "import sys, autograd_lite as al\nx = al.Variable(2.0, name='x')\ny = al.tanh(x * x) + al.exp(x)\n"
        "sys.stdout.buffer.write(al.draw([y, x]).html().encode())"
    )
    assert len(printed(program)) == 1


def test_page_needs_nothing_else():
    """No address in it, and a policy that forbids the browser to ask for any; no script but the one that it names."""
    page = al.draw(neuron()).html()
    assert re.findall(r"https?://[^\"]+", page) == ["http://www.w3.org/2000/svg"], "the name of a vocabulary"
    assert "default-src 'none'" in page
    assert [name for name, *_ in Page(page).elements].count("script") == 2


def test_one_element_without_ids():
    """`play` gives one section, which begins and ends the text; `html` puts it into a page."""
    player = al.draw(neuron()).play()
    assert player.startswith('<section class="al-step" ')
    assert player.endswith("</section>")
    assert player.count("<section") == 1
    assert player.count("</section") == 1
    names = {name for _, *attributes in Page(player).elements for name in attributes}
    assert names == {"class", "aria-label", "type"}
    assert repr(player) == "Player(…)"
    assert player._repr_html_() == player
    assert isinstance(player, str)


def test_where_play_begins():
    """A step from either end; a question before each gradient."""
    view = al.draw(neuron())
    head = "<section [^>]*>"
    told = [re.search(head, view.play(**look))[0] for look in ({}, {"step": 3}, {"step": -1}, {"predict": True})]
    assert [re.findall(r" data-\S+(?=[ >])", text) for text in told] == [
        [],
        [' data-start="3"'],
        [' data-start="-1"'],
        [" data-predict"],
    ]
    for step in ("3", 1.5, None, True):
        with pytest.raises(al.ArgumentError) as caught:
            view.play(step=step)
        assert str(caught.value) == f"step={step!r}; give a whole number: 0 is the first step, -1 the last."
    many = al.sum([al.tanh(V(0.1 * k)) for k in range(100)])
    with pytest.raises(al.ArgumentError, match=r"^a folded picture has no steps: leave step and predict out, or draw "):
        al.draw(many, fold=True).play(step=3)
    assert str(al.draw(many, fold=True).play()).startswith('<section class="al-fold"')


def test_show_opens_a_browser(monkeypatch, tmp_path):
    """With the address of a file that holds the page."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    view = al.draw(neuron())
    path = view.show()
    assert opened == [path.as_uri()]
    assert path.parent == tmp_path
    assert path.read_text(encoding="utf-8") == view.html()


def test_without_a_script_the_numbers_stand_there():
    """Formula, values and gradients of all nodes, in an element that the script removes."""
    words = " ".join(Page(al.draw(sigmoid()).play()).words)
    assert "f = 1 / (exp(−(w · x + b)) + 1)" in words
    for name, value, grad in [("x", "1.5", "−0.1711"), ("w", "−0.8", "0.3209"), ("n4", "2.226", "−0.09612")]:
        assert f"{name} {value} {grad}" in words
    assert "x 0 NaN" in " ".join(Page(al.draw(not_a_number()).play()).words)


def test_save(tmp_path):
    """The suffix says that it is the page."""
    view = al.draw(neuron())
    assert view.save(tmp_path / "g.HTML") == tmp_path / "g.HTML"
    assert (tmp_path / "g.HTML").read_text(encoding="utf-8") == view.html()


def test_no_renderer(bare):
    """The same words as for a picture."""
    for made in (lambda: al.draw(neuron()).save(bare / "g.html"), al.draw(neuron()).play, al.draw(neuron()).show):
        with pytest.raises(al.RendererNotFound, match=r"^No Graphviz renderer was found\."):
            made()
    assert not (bare / "g.html").exists()


def test_too_large_is_refused():
    """As in the picture."""
    with pytest.raises(al.GraphTooLarge):
        al.draw(chain(400)).html()


@pytest.mark.parametrize(
    ("graph", "nodes", "most"),
    [
        (sigmoid, 9, 48_000),
        (neuron, 10, 48_000),
        (lambda: chain(60), 61, 120_000),
        pytest.param(lambda: chain(1228), 1229, 1_500_000, marks=full),
    ],
    ids=["9", "10", "61", "1229"],
)
def test_size(graph, nodes, most):
    """In bytes; most of a small page is style and script."""
    view = al.draw(graph(), max_nodes=None)
    assert view.nodes == nodes
    assert len(view.html().encode()) <= most


@cache
def named(name):
    """Return the page of a graph whose nodes have this name."""
    y = V(2.0, name=name) - 1.0
    y.name = name
    return al.draw(y).html()


def check_hostile(name):
    """Everything on the page but the text must be as always."""
    text = named(name)
    text.encode()
    page, usual = Page(text), Page(named("x"))
    assert page.elements == usual.elements
    assert len(page.scripts) == 2
    assert page.scripts[1] == usual.scripts[1]
    assert "<" not in page.scripts[0]
    clean = visible(name).strip()
    shown = [node.get("full", node["name"]) for node in page.data["nodes"]]
    assert shown == ([clean, clean] if clean else ["v1", "n1"])
    assert not any(c in text for c in "\x00\x1b\u202e\u2066\u2028")


@pytest.mark.parametrize("name", mostly_full(HOSTILE, slice(1, None, 4)), ids=lambda name: ascii(name)[:24])
def test_hostile_name_stays_text(name):
    """Markup, escapes, controls, text direction and length."""
    check_hostile(name)


@settings(max_examples=15)
@given(st.text(st.characters(codec=None) | st.sampled_from("<>&\"'$\\{}|;[]\n\r\0\u202e"), max_size=60))
def test_any_name_stays_text(name):
    """The same for whatever Hypothesis thinks of."""
    check_hostile(name)


def test_the_script_loses_nothing_when_squeezed():
    """Texts, templates and patterns keep every letter."""
    script = Page(al.draw(V(1.0)).play()).scripts[1]
    for text in (
        "The forward pass computes every other node, in the order of the program.",
        " = ${short(nodes[i].value)}",
        "Right size, other sign: mind the signs of local and upstream.",
        "A box clicked shows all its digits. – means not reached yet.",
    ):
        assert text in script
    assert "//" not in script.replace("http://", "")
    assert "\n " not in script


PAGES = {"sigmoid": sigmoid, "network": network, "xor": xor}


@pytest.mark.parametrize("file", PAGES)
def test_documentation_shows_what_draw_makes(file):
    """The pages kept under docs/ are up to date; this file makes them when it is run.

    `PYTHONPATH=tests python tests/see/test_stepper.py`
    """
    kept = Page((PICTURES / f"stepper-{file}.html").read_text(encoding="utf-8"))
    made = Page(al.draw(PAGES[file]()).html())
    for page in (kept, made):
        for node in page.data["nodes"]:
            node.pop("line", None)
    assert kept.scripts[1] == made.scripts[1]
    assert kept.data == made.data
    assert kept.words[:-1] == made.words[:-1]


def test_screenshots_of_the_documentation_are_small():
    """Under 200 kB each."""
    pictures = sorted(PICTURES.glob("stepper-*.png"))
    assert len(pictures) >= 8
    assert [path.name for path in pictures if path.stat().st_size >= 200_000] == []


# ----------------------------------------------------------------------------------------------------- the command line


def test_command_line(tmp_path, monkeypatch, capsys):
    """`draw EXPR --html FILE` writes the page, beside the picture or alone; an expression may begin with a minus."""
    monkeypatch.chdir(tmp_path)
    assert cli.main(["draw", "-x*x", "--html", "g.html", "x=2", "-o", "g.svg"]) == 0
    assert capsys.readouterr().out.endswith("wrote g.svg\nwrote g.html\n")
    assert (tmp_path / "g.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert cli.main(["draw", "x", "x=2", "--html", "h.html"]) == 0
    assert "grad" not in capsys.readouterr().out, "no tree"


@pytest.mark.parametrize("file", ["g.txt", "no/such/folder/g.html", ""])
def test_command_line_with_a_wrong_file(file, tmp_path, monkeypatch, capsys):
    """One line, exit code 2."""
    monkeypatch.chdir(tmp_path)
    assert cli.main(["draw", "x*x", "x=2", "--html", file]) == 2
    error = capsys.readouterr().err
    assert error.startswith("autograd-lite: cannot write ")
    assert error.endswith(" with --html\n")
    assert error.count("\n") == 1


# ------------------------------------------------------------------------------------------------- in a real browser

SCREENS = {"phone": (390, 844), "tablet": (768, 1024), "laptop": (1280, 800), "desk": (1600, 900)}
each_screen = pytest.mark.parametrize("screen", mostly_full(SCREENS, [0]))


def by_place(place):
    """The name of a case."""
    graph, screen, dark = place
    return f"{graph.__name__}-{screen}-{'dark' if dark else 'light'}"


@pytest.fixture(scope="module")
def browser():
    """One Chromium for all tests; skipped with a word where there is none."""
    with Chromium() as chromium:
        yield chromium


@pytest.fixture
def show(browser, tmp_path):
    """Show a graph, a drawing or a text of HTML; at the end, nothing may stand on the console or have been loaded."""

    def show(thing, step=None, screen="laptop", **look):
        width, height = SCREENS[screen]
        text = thing if isinstance(thing, str) else drawn(thing).html()
        path = tmp_path / "g.html"
        path.write_text(text, encoding="utf-8")
        browser.look(**{"width": width, "height": height, **look})
        browser.open("about:blank")
        browser.open(path.as_uri() + ("" if step is None else f"#step={step}"))
        browser.wait(
            "location.protocol === 'file:' && document.readyState === 'complete'"
        )  # not the blank page before it
        return browser

    browser.errors.clear()
    yield show
    assert browser.errors == []
    assert browser.run("performance.getEntriesByType('resource').length") == 0


def ask(browser, expression, root=0):
    """Return a JavaScript expression of a root: `root`, the element, `one(selector)`, `all(selector)` in it."""
    return browser.run(
        f"((root) => {{ const all = (s) => [...root.querySelectorAll(s)], one = (s) => root.querySelector(s);"
        f"return {expression} }})(document.querySelectorAll('.al-step')[{root}])"
    )


def text(browser, selector, root=0):
    """Return the text of an element as one sees it."""
    element = f"one({json.dumps(selector)})"
    return " ".join(ask(browser, f"{element}.innerText ?? {element}.textContent", root).split())


def step_of(browser, root=0):
    """Return the current step."""
    return int(ask(browser, "root.dataset.step", root))


def last_of(browser, root=0):
    """Return the number of the last step."""
    return int(ask(browser, "one('input[type=range]').max", root))


def go(browser, step, root=0):
    """Move the slider to a step."""
    slider = "one('input[type=range]')"
    ask(browser, f"({slider}.value = {step}, {slider}.dispatchEvent(new Event('input')), null)", root)


def in_order(y):
    """Return the gradients in the order of the boxes."""
    gradients = al.gradients(y)
    return [gradients[node] for node in select([y]).nodes]


def number_in(words):
    """Read a number as the page writes it."""
    return float(words.replace("−", "-").replace("∞", "inf"))


def exact(browser, root=0):
    """Return value and gradient of each box with all digits, as its tooltip says them."""
    tips = ask(browser, "all('.al-node > title').map((tip) => tip.textContent)", root)
    return [tuple(line.split(" ", 1)[1] for line in tip.split("\n")[-2:]) for tip in tips]


def shown(browser, root=0):
    """Return the gradients that the boxes show."""
    return ask(browser, "all('.al-grad').map((text) => text.textContent)", root)


def four_digits(words):
    """Whether a text is a number of at most four digits, or none."""
    digits = re.sub(r"e−?\d+$", "", words.strip("()")).replace("−", "").replace(".", "").strip("0")
    return words in {"", "–", "?", "NaN", "∞", "−∞"} or (digits.isdigit() and len(digits) <= 4) or digits == ""


@pytest.mark.parametrize("graph", mostly_full(GRAPHS, [0, 3, 4, 5, 8]))
def test_last_gradients_to_the_bit(graph, show):
    """A dash in every box at first, none at the end; four digits in the picture, all of them in the tooltip."""
    thing = graph()
    browser = show(thing)
    assert step_of(browser) == 0
    assert set(shown(browser)) == {"–"}
    assert {grad for _, grad in exact(browser)} == {"not reached yet"}
    browser.press("End")
    assert step_of(browser) == last_of(browser)
    assert "–" not in shown(browser)
    data = Page(drawn(thing).html()).data
    expected = [0.0 if x is None else x for x in swept(data)]
    if isinstance(thing, V):
        assert all(map(same_bits, expected, in_order(thing)))
    found = exact(browser)
    assert len(found) == len(expected)
    for (value, grad), node, x in zip(found, data["nodes"], expected, strict=True):
        assert same_bits(number_in(grad), x) or (x == 0.0 and number_in(grad) == 0.0)
        assert same_bits(number_in(value), float(node["value"]))
    texts = ask(browser, "all('.al-value, .al-grad, .al-edge text').map((text) => text.firstChild?.data ?? '')")
    assert [words for words in texts if not four_digits(words)] == []


def test_the_page_knows_what_grad_knows(show):
    """After `backward`, boxes show `.grad`."""
    loss = network()
    browser = show(loss, step=999)
    nodes = al.topological_order(loss)
    assert [number_in(grad) for _, grad in exact(browser)] == [node.grad for node in nodes]
    assert [number_in(words) for words in shown(browser)] == pytest.approx([n.grad for n in nodes], rel=5.1e-4)


LAYOUT = """(() => {
  const area = (element) => element.getBoundingClientRect(), stage = area(one('.al-stage'));
  const frames = all('.al-frame').map(area);
  const meet = (a, b) => a.right > b.left + 0.5 && b.right > a.left + 0.5 && a.bottom > b.top + 0.5 && b.bottom > a.top + 0.5;
  const zoom = all('.al-zoom button').map(area);
  const wide = all('.al-node').filter((box) => [...box.querySelectorAll('text')].some((words) => {
    const inner = area(words), outer = area(box.querySelector('.al-frame'));
    return inner.width && (inner.left < outer.left - 1.5 || inner.right > outer.right + 1.5);
  }));
  return {
    sideways: document.documentElement.scrollWidth > innerWidth,
    outside: frames.filter((f) => f.left < stage.left || f.right > stage.right).length
      + frames.filter((f) => f.top < stage.top || f.bottom > stage.bottom).length,
    covered: frames.filter((f) => zoom.some((button) => meet(button, f))).length,
    wide: wide.map((box) => box.getAttribute('aria-label')),
    overlapping: frames.filter((f, i) => frames.some((other, j) => i < j && meet(f, other))).length,
  };
})()"""
SOUND = {"sideways": False, "outside": 0, "covered": 0, "wide": [], "overlapping": 0}


PLACES = [(graph, screen, dark) for graph in GRAPHS for screen in SCREENS for dark in (False, True)]
QUICK_PLACES = [
    (network, "phone", True),
    (branches, "laptop", False),
    (long_names, "tablet", True),
    (sigmoid, "phone", False),
]


@pytest.mark.parametrize("place", mostly_full(PLACES, [PLACES.index(place) for place in QUICK_PLACES]), ids=by_place)
def test_every_box_has_its_place(place, show):
    """Within the panel, under no button, no text wider than its box, no scrolling sideways; at any step."""
    graph, screen, dark = place
    browser = show(graph(), screen=screen, dark=dark)
    assert browser.run("matchMedia('(prefers-color-scheme: dark)').matches") is dark
    assert ask(browser, LAYOUT) == SOUND
    for step in (1, last_of(browser) // 2, last_of(browser) - 1, last_of(browser)):
        go(browser, step)
        assert ask(browser, LAYOUT) == SOUND, step


def at_every_step(browser, expression, turns=1):
    """Return an expression at each step, from the first to the last, `turns` times; `step` is its number."""
    return ask(
        browser,
        f"((slider, n) => Array.from({{ length: {turns} * n }}, (_, k) => {{ const step = k % n; slider.value = step;"
        f"slider.dispatchEvent(new Event('input')); return {expression} }}))"
        "(one('input[type=range]'), +one('input[type=range]').max + 1)",
    )


@each_screen
@pytest.mark.parametrize("graph", mostly_full([crowded, branches, sigmoid, network, twice, several, long_names], [0]))
def test_numbers_under_the_formula_do_not_touch(graph, screen, show):
    """At no step; nor is one cut off at the left."""
    touching = at_every_step(
        show(graph(), screen=screen),
        "((put, left) => put.some((a, i) => a.left < left - 0.5 ||"
        " put.some((b, j) => i < j && a.right > b.left && b.right > a.left &&"
        " a.bottom > b.top + 1 && b.bottom > a.top + 1)))(all('.al-number').map((e) => e.getBoundingClientRect()),"
        "one('.al-canvas').getBoundingClientRect().left)",
    )
    assert len(touching) > 4
    assert not any(touching)


@each_screen
def test_details_leave_the_output_where_it_is(screen, show):
    """Opened by a click, closed by Escape; the box of the output does not move, nor is it covered."""
    browser = show(sigmoid(), step=9, screen=screen)
    place = "JSON.stringify(one('.al-output').getBoundingClientRect())"
    before = ask(browser, place)
    browser.click(".al-output")
    scrolled = browser.run("scrollY")
    assert ask(browser, "all('.al-chosen').length") == 1
    assert ask(browser, "one('.al-table') !== null")
    browser.run("scrollTo(0, 0)")
    assert ask(browser, place) == before
    assert scrolled >= 0
    hit = (
        "((r) => document.elementFromPoint(r.left + r.width / 2, r.top + r.height / 2).closest('.al-output') !== null)"
    )
    if ask(browser, "one('.al-output').getBoundingClientRect().bottom < innerHeight"):
        assert ask(browser, f"{hit}(one('.al-output').getBoundingClientRect())")
    browser.press("Escape")
    assert ask(browser, "[all('.al-chosen').length, all('.al-table').length]") == [0, 0]
    browser.run("scrollTo(0, 0)")
    assert ask(browser, place) == before


def details(browser, root=0):
    """Return the tables of a chosen node."""
    rows = ask(browser, "all('.al-table tr').map((row) => [...row.children].map((cell) => cell.innerText))", root)
    return {first: rest[0] for first, *rest in rows}


def test_details_say_everything(show):
    """Every digit, the whole name, the rule, the line of the source, what each user sent and in which step."""
    f = sigmoid()
    nodes = {node.name: node for node in al.topological_order(f)}
    browser = show(f, 0)
    browser.click(".al-node[aria-label=w]")
    found = details(browser)
    assert (found["value"], found["gradient now"]) == ("−0.8", "–")
    assert found["line"].endswith(f"test_stepper.py:{sigmoid.__code__.co_firstlineno + 3}")
    assert found["from n1 · step 14"] == "–"
    browser.press("End")
    found = details(browser)
    assert number_in(found["gradient now"]) == nodes["w"].grad
    assert found["from n1 · step 14"] == "1.5 × 0.2139 = 0.3209"
    browser.press("Escape")
    browser.click('.al-node[aria-label="n4 = exp(n3)"]')
    found = details(browser)
    assert found["rule"] == "y = eˣ, dy/dx = y"
    assert found["made in"] == "step 4"
    browser.click(".al-table .al-link")
    assert step_of(browser) == 4
    browser.press("Home")
    assert details(browser)["value"] == "not computed yet"
    assert "n4" in text(browser, ".al-side")
    show(long_names())
    browser.click(".al-node[aria-label^=learning]")
    assert details(browser)["name"] == "learning_rate_of_the_model"
    show(of_the_user())
    browser.click(".al-node[aria-label*=swish]")
    assert details(browser)["rule"] == "y = x·σ(x)"


def test_gradient_kept_from_before_is_shown(show):
    """After two passes the page has both numbers."""
    x = V(3.0, name="x")
    y = x * x
    y.backward()
    y.backward()
    browser = show(y, step=99)
    assert text(browser, ".al-note").startswith("This page plays one pass by itself.")
    browser.click(".al-node[aria-label=x]")
    assert (details(browser)["gradient now"], details(browser)["kept before"]) == ("6", "12")


# --------------------------------------------------------------------------------------------------- what a step shows


def test_arithmetic_is_written_out(show):
    """Forward: operation and value. Backward: old + local × upstream = new; a node used twice adds up."""
    x = V(3.0, name="x")
    y = x * x
    y.name = "y"
    browser = show(y, 1)
    assert text(browser, ".al-sum") == "y node = x · x operation = 9 value"
    assert text(browser, ".al-say") == "Kept for the way back: ∂y/∂x (place 1) = 3, ∂y/∂x (place 2) = 3."
    browser.press("ArrowRight")
    assert text(browser, ".al-sum") == "grad(y) = 1 seed"
    browser.press("ArrowRight")
    assert text(browser, ".al-sum") == (
        "grad(x) gradient = 0 old + 3 local ∂y/∂x (place 1) × 1 upstream grad(y) = 3 new"
    )
    assert text(browser, ".al-say") == "1. from y: 3 2. from y x is used 2 times: its shares add up."
    browser.press("ArrowRight")
    assert text(browser, ".al-sum") == (
        "grad(x) gradient = 3 old + 3 local ∂y/∂x (place 2) × 1 upstream grad(y) = 6 new"
    )
    assert text(browser, ".al-say") == "1. from y: 3 2. from y: 3 x is used 2 times; now all shares are in."
    browser.press("ArrowRight")
    assert text(browser, ".al-sum") == "grad(x) = 6 complete"
    assert text(browser, ".al-say").startswith("Done. Moving a leaf by a small d moves y by about its gradient times d")


def test_the_formula_lights_up(show):
    """User and argument of the step, with numbers under brackets; of a repeated argument the right place."""
    browser = show(sigmoid(), 10)
    assert text(browser, ".al-math") == "f = 1 / (exp(−(w · x + b)) + 1) = 0.31"
    assert text(browser, ".al-user") == "exp(−(w · x + b))"
    assert text(browser, ".al-argument") == "−(w · x + b)"
    assert ask(browser, "all('.al-number').map((e) => e.textContent)") == ["n4: −0.09612", "−0.2139"]
    go(browser, 1)
    assert text(browser, ".al-math").endswith(" = ?")
    assert text(browser, ".al-user") == "w · x"
    assert ask(browser, "all('.al-number').map((e) => e.textContent)") == ["−0.8", "1.5", "−1.2"]
    x = V(3.0, name="x")
    browser = show(x * x, 3)
    places = ask(browser, "all('.al-name').filter((e) => e.textContent === 'x').map((e) => e.className)")
    assert places == ["al-name al-argument", "al-name"]
    go(browser, 4)
    places = ask(browser, "all('.al-name').filter((e) => e.textContent === 'x').map((e) => e.className)")
    assert places == ["al-name", "al-name al-argument"]


def test_formulas_of_a_network_have_tabs(show):
    """The step chooses; a click shows another until the next step."""
    browser = show(network(), 66)
    pressed = "all('.al-tab').filter((tab) => tab.ariaPressed === 'true').map((tab) => tab.textContent)"
    assert ask(browser, "all('.al-tab').map((tab) => tab.textContent)") == ["h1", "h2", "h3", "out", "loss"]
    assert ask(browser, pressed) == ["h1"]
    browser.click(".al-tab:nth-child(5)")
    assert text(browser, ".al-math") == "loss = (out − 1)2 = 0.2016"
    assert ask(browser, pressed) == ["loss"]
    browser.press("ArrowLeft")
    assert ask(browser, pressed) == ["h1"]


def test_infinities_and_branches(show):
    """Red for NaN and infinity and for nothing else; words for what was not taken."""
    browser = show(not_a_number(), 1)
    assert text(browser, ".al-say").startswith("Infinite. ")
    browser.press("ArrowRight")
    assert text(browser, ".al-say").startswith("Not a number. ")
    browser.press("ArrowRight")
    assert text(browser, ".al-say") == "y is not a number, so no gradient of it is one."
    browser.press("End")
    assert ask(browser, "[all('.al-cell.al-bad').length, all('.al-broken').length]") == [3, 2]
    browser = show(branches())
    told = [words for words in at_every_step(browser, "one('.al-say').innerText") if "did not take" in words]
    assert told == [
        "n7 did not take x, so nothing is sent there.",
        "n5 did not take n4, so nothing is sent there.",
        "n3 did not take n2, so nothing is sent there.",
    ]
    assert ask(browser, "all('.al-bad').length") == 0


def test_seeds_that_are_not_one(show):
    """The words promise nothing about a small change then."""
    x = V(3.0, name="x")
    y = x * x
    browser = show(al.draw(y, gradients=al.gradients(y, seed=2.0)), step=2)
    assert text(browser, ".al-sum") == "grad(n1) = 2 seed"
    assert "1 · d" not in text(browser, ".al-say")
    browser.press("End")
    assert text(browser, ".al-sum") == "grad(x) = 12 complete"
    assert text(browser, ".al-say") == "Done."


def picture(browser):
    """Return all that the graph, the formula and the sum show now."""
    seen = "'.al-stage g, .al-stage text, .al-stage .al-cell, .al-math span, .al-number, .al-sum, .al-say, .al-side li'"
    return ask(browser, f"all({seen}).map((e) => [e.getAttribute('class'), e.textContent, e.style.cssText])")


@pytest.mark.parametrize("graph", mostly_full([branches, neuron, network], [0]))
def test_every_step_looks_the_same_from_both_sides(graph, show):
    """Going back undoes what going on did; a link to a step shows what playing to it shows."""
    y = graph()
    browser = show(y)
    forward, backward = [], []
    for looks, key in ((forward, "ArrowRight"), (backward, "ArrowLeft")):
        for _ in range(last_of(browser) + 1):
            looks.append(picture(browser))
            browser.press(key)
    strip = lambda looks: [[look[:2] for look in seen] for seen in looks]
    assert strip(forward) == strip(backward[::-1])
    assert len({json.dumps(look) for look in forward}) == len(forward)
    assert strip([picture(show(y, 9))]) == strip([forward[9]])


@each_screen
@pytest.mark.parametrize("graph", mostly_full([several, network, xor], [0]))
def test_the_graph_keeps_its_place(graph, screen, show):
    """Formula, sum and sentence may need another row once; no step takes it away again."""
    browser = show(graph(), screen=screen)
    tops = at_every_step(browser, "one('.al-stage').getBoundingClientRect().top", turns=2)
    assert tops == sorted(tops)
    assert len(set(tops[len(tops) // 2 :])) == 1


# ----------------------------------------------------------------------------------------------------------- the player


def test_play_and_pause(show):
    """A step after the other, by button and by Space; at the end from the start again."""
    browser = show(neuron())
    browser.click(".al-main")
    assert text(browser, ".al-main") == "Pause"
    browser.wait("document.querySelector('.al-step').dataset.step === '1'")
    browser.press(" ")  # the button has the focus
    assert text(browser, ".al-main") == "Play"
    browser.run("document.activeElement.blur()")
    browser.press("End")
    browser.press(" ")
    assert (text(browser, ".al-main"), step_of(browser)) == ("Pause", 0)
    browser.press(" ")
    assert (text(browser, ".al-main"), step_of(browser)) == ("Play", 0)


def test_keys_slider_and_buttons(show):
    """← → Home End, the slider, first, previous, next, backward; nothing beyond the ends."""
    browser = show(neuron())
    last, seed = last_of(browser), 6
    for key, step in [
        *(("ArrowLeft", 0), ("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1)),
        *(("End", last), ("ArrowRight", last), ("ArrowLeft", last - 1), ("Home", 0)),
    ]:
        browser.press(key)
        assert step_of(browser) == step
    assert ask(browser, "one('[aria-label=\"Previous step\"]').disabled")
    for label, step in [
        *(("To the backward pass", seed), ("Next step", seed + 1), ("Previous step", seed), ("First step", 0))
    ]:
        browser.click(f'[aria-label="{label}"]')
        assert step_of(browser) == step
    go(browser, 7)
    assert step_of(browser) == 7
    browser.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight", modifiers=1)
    assert step_of(browser) == 7, "Alt with an arrow is the browser's own"


def test_the_address_names_the_step(show):
    """A link to a step, an address changed by hand, beyond the end, nonsense."""
    browser = show(neuron(), 5)
    assert step_of(browser) == 5
    for address, step in [("#step=7", 7), ("#step=999", 16), ("#step=<b>", 16), ("#", 16), ("#step=0", 0)]:
        browser.run(f"location.hash = {json.dumps(address)}")
        browser.wait(f"document.querySelector('.al-step').dataset.step === '{step}'")
    browser.press("ArrowRight")
    browser.wait("location.hash === '#step=1'")


def test_every_step_is_announced(show):
    """To screen readers: the step and its arithmetic; no two alike. A change of size says nothing."""
    browser = show(neuron())
    heard = []
    for _ in range(last_of(browser) + 1):
        heard.append(ask(browser, "one('[aria-live=polite]').textContent"))
        browser.press("ArrowRight")
    assert len(set(heard)) == len(heard)
    assert all(words.startswith(f"step {k} of {len(heard) - 1}. ") for k, words in enumerate(heard))
    assert "= 0.5 new" in heard[7]
    ask(browser, "(one('[aria-live=polite]').textContent = '', null)")
    browser.look(width=700, height=900)
    browser.wait("document.querySelector('.al-step').clientWidth === 700")
    time.sleep(0.1)
    assert ask(browser, "one('[aria-live=polite]').textContent") == ""


def test_boxes_by_keyboard(show):
    """One stop for the graph; ↑ ↓ from box to box; Enter opens, Escape closes; the step stays."""
    browser = show(neuron())
    assert ask(browser, "all('.al-node[tabindex=\"0\"]').length") == 1
    ask(browser, "(one('.al-node[tabindex=\"0\"]').focus(), null)")
    label = "document.activeElement.getAttribute('aria-label')"
    assert browser.run(label) == "o = tanh(n)"
    browser.press("ArrowDown")
    assert browser.run(label) == "o = tanh(n)", "it is the last"
    browser.press("ArrowUp")
    assert browser.run(label).startswith("n = ")
    assert ask(browser, "all('.al-node[tabindex=\"0\"]').length") == 1
    browser.press("Enter")
    assert text(browser, ".al-side h3").startswith("n = ")
    assert ask(browser, "document.activeElement.getAttribute('aria-pressed')") == "true"
    browser.press("Escape")
    assert ask(browser, "all('.al-table').length") == 0
    assert step_of(browser) == 0
    browser.press("ArrowRight")
    assert step_of(browser) == 1


def test_names_of_the_parts(show):
    """For screen readers: what each control is, the heading, the list."""
    browser = show(sigmoid())
    unnamed = "all('button, input, [role]').filter((e) => !(e.ariaLabel || e.textContent.trim())).length"
    assert ask(browser, unnamed) == 0
    assert ask(browser, "root.ariaLabel") == "Forward and backward through f = 1 / (exp(−(w · x + b)) + 1)"
    assert ask(browser, "[one('[role=heading]').ariaLevel, one('.al-stage svg').ariaLabel]") == [
        "1",
        "Graph of 9 nodes",
    ]
    assert ask(browser, "one('input[type=range]').getAttribute('aria-valuetext')") == "step 0 of 16, forward"


# ------------------------------------------------------------------------------------------------------ zoom, pan, sizes


def transform(browser):
    """Return x, y and scale of the graph."""
    return [
        float(x) for x in re.findall(r"-?[\d.]+", ask(browser, "one('.al-stage > svg > g').getAttribute('transform')"))
    ]


def middle(browser):
    """Return the middle of the panel."""
    return ask(
        browser, "((r) => [r.left + r.width / 2, r.top + r.height / 2])(one('.al-stage').getBoundingClientRect())"
    )


def wheel(browser, turn, modifiers=0):
    """Turn the wheel over the middle of the panel; 2 is Ctrl."""
    x, y = middle(browser)
    browser.call("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=turn, modifiers=modifiers)


def test_wheel_drag_and_fit(show):
    """Ctrl + wheel zooms around the pointer, drag pans, Fit restores; a plain wheel is the page's."""
    browser = show(network(), height=500)
    fitted = transform(browser)
    wheel(browser, 100)
    browser.wait("scrollY > 0")
    assert transform(browser) == fitted
    assert ask(browser, "one('.al-hint').classList.contains('al-shown')")
    browser.run("scrollTo(0, 150)")
    browser.wait("scrollY === 150")
    wheel(browser, -100, modifiers=2)
    zoomed = transform(browser)
    assert zoomed[2] > 1.3 * fitted[2]
    assert browser.run("[scrollY, visualViewport.scale]") == [150, 1]
    x, y = middle(browser)
    mouse = lambda kind, dx, **more: browser.call("Input.dispatchMouseEvent", type=kind, x=x + dx, y=y, **more)
    mouse("mousePressed", 0, button="left", clickCount=1)
    for dx in (10, 30, 60):
        mouse("mouseMoved", dx, button="left", buttons=1)
    mouse("mouseReleased", 60, button="left", clickCount=1)
    assert transform(browser) == pytest.approx([zoomed[0] + 60, zoomed[1], zoomed[2]], abs=1.5)
    assert ask(browser, "all('.al-chosen').length") == 0, "to drag is not to click"
    browser.click('[aria-label="Fit the graph"]')
    assert transform(browser) == pytest.approx(fitted, abs=0.5)
    browser.click("[aria-label=Larger]")
    assert transform(browser)[2] == pytest.approx(1.35 * fitted[2])
    browser.click("[aria-label=Smaller]")
    browser.click("[aria-label=Smaller]")
    assert transform(browser) == pytest.approx(fitted, abs=0.5)


def test_two_fingers(show):
    """Zoom by as much as they part; with one of them away, the other moves the graph."""
    browser = show(network(), screen="phone")
    fitted = transform(browser)
    x, y = middle(browser)
    touch = (
        "((type, id, x, y) => one('.al-stage').dispatchEvent(new PointerEvent(type, { pointerId: id, clientX: x, "
        "clientY: y, bubbles: true, pointerType: 'touch' })))"
    )
    for kind, finger, dx in [
        *(("pointerdown", 1, -30), ("pointerdown", 2, 30)),
        *(("pointermove", 1, -40), ("pointermove", 2, 40), ("pointermove", 2, 80)),
        *(("pointerup", 1, -40), ("pointerup", 2, 80)),
    ]:
        ask(browser, f"({touch}('{kind}', {finger}, {x + dx}, {y}), null)")
    assert transform(browser)[2] == pytest.approx(2.0 * fitted[2], rel=1e-3)
    browser.click('[aria-label="Fit the graph"]')
    assert transform(browser) == pytest.approx(fitted, abs=0.5)


def visible_kinds(browser):
    """Which texts of the graph can be seen."""
    return ask(
        browser,
        "Object.fromEntries(['title', 'grad', 'value', 'small'].map((kind) => [kind, "
        "all(`.al-${kind}`).some((e) => e.getBoundingClientRect().width > 0)]))",
    )


def test_what_can_be_read_at_each_size(show):
    """Far: tiles. Middle: the name, and the number that the pass computes. Near: both numbers and their captions."""
    browser = show(twice(), step=99)
    assert visible_kinds(browser) == {"title": True, "grad": True, "value": True, "small": True}
    browser = show(network(), step=999, screen="phone")
    assert visible_kinds(browser) == {"title": True, "grad": False, "value": False, "small": False}
    browser = show(network(), step=999, screen="tablet")
    assert visible_kinds(browser) == {"title": True, "grad": True, "value": False, "small": False}
    browser.press("Home")
    assert visible_kinds(browser) == {"title": True, "grad": False, "value": True, "small": False}, "forward: values"
    browser = show(factors(), step=999, screen="phone")
    assert visible_kinds(browser) == {"title": False, "grad": False, "value": False, "small": False}
    assert ask(browser, "all('.al-cell.al-pos').length") == 61
    for _ in range(12):
        ask(browser, "(one('[aria-label=Larger]').click(), null)")
    assert visible_kinds(browser) == {"title": True, "grad": True, "value": True, "small": True}


def test_zoomed_in_the_step_comes_into_sight(show):
    """And only then: a fitted graph does not move."""
    browser = show(branches(), screen="phone")
    for _ in range(4):
        ask(browser, "(one('[aria-label=Larger]').click(), null)")
    out = at_every_step(
        browser,
        "((r, v) => !r || (r.left >= v.left && r.right <= v.right && r.top >= v.top && r.bottom <= v.bottom))"
        "(one('.al-active .al-frame')?.getBoundingClientRect(), one('.al-stage').getBoundingClientRect())",
    )
    assert [step for step, seen in enumerate(out) if not seen] == []


def test_phone(show):
    """From top to bottom, the output above the player, no help for a keyboard, targets for fingers."""
    for graph in (sigmoid, several):
        browser = show(graph(), screen="phone")
        tops = ask(browser, "all('.al-frame').map((frame) => frame.getBoundingClientRect().top)")
        assert tops[0] < tops[-1]
        assert ask(
            browser,
            "one('.al-output .al-frame').getBoundingClientRect().bottom <= one('.al-bar').getBoundingClientRect().top",
        ), graph
        assert ask(browser, "one('.al-bar').getBoundingClientRect().bottom <= innerHeight")
        assert ask(browser, "one('.al-keys').getBoundingClientRect().height") == 0
        browser.click(".al-output")
        small = ask(
            browser,
            "all('button, input').map((e) => [e.ariaLabel ?? e.textContent, e.getBoundingClientRect()])"
            ".filter(([, r]) => r.width && (r.height < 36 || r.width < 36)).map(([words]) => words)",
        )
        assert small == [], graph


def test_motion(show):
    """A number travels along its arrow; where motion is reduced, none does. The state waits for neither."""
    seen = "one('.al-token').getAttribute('visibility')"
    browser = show(sigmoid(), step=9, calm=False)
    browser.press("ArrowRight")
    assert step_of(browser) == 10
    assert text(browser, ".al-new") == "−0.2139"
    browser.wait("document.querySelector('.al-token').getAttribute('visibility') === 'visible'", 5)
    assert text(browser, ".al-token") == "−0.2139"
    browser.wait("document.querySelector('.al-token').getAttribute('visibility') === 'hidden'", 5)
    browser = show(sigmoid(), step=9)
    browser.press("ArrowRight")
    for _ in range(5):
        time.sleep(0.03)
        assert ask(browser, seen) == "hidden"


def test_print(show):
    """Formula, graph and numbers, without the player."""
    browser = show(sigmoid(), step=10)
    browser.call("Emulation.setEmulatedMedia", media="print")
    parts = "['.al-bar', '.al-zoom', '.al-math', '.al-stage', '.al-side']"
    assert ask(browser, f"{parts}.map((s) => one(s).getBoundingClientRect().height > 0)") == [
        False,
        False,
        True,
        True,
        True,
    ]
    browser.call("Emulation.setEmulatedMedia", media="")


def test_without_javascript(show, browser):
    """The numbers stand there."""
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        show(sigmoid())
        words = " ".join(browser.run("document.body.innerText").split())
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
    assert words.startswith("f = 1 / (exp(−(w · x + b)) + 1). Stepping needs JavaScript; these are the numbers.")
    assert "x 1.5 −0.1711 w −0.8 0.3209 b 0.4 0.2139" in words


# -------------------------------------------------------------------------------------------------------- prediction


def leaks(browser, *answers):
    """Return which of some texts stand anywhere in the element, be it text or attribute, outside of its data."""
    seen = ask(
        browser,
        "((copy) => { copy.querySelectorAll('script, style').forEach((e) => e.remove()); return copy.outerHTML; })"
        "(root.cloneNode(true))",
    )
    return [answer for answer in answers if answer in unescape(seen)]


def answer(browser, words):
    """Type an answer and press Enter."""
    browser.wait("document.activeElement?.matches('.al-ask input')")
    browser.run("document.activeElement.select()")
    browser.call("Input.insertText", text=words)
    browser.press("Enter")
    return text(browser, ".al-say")


def ask_at(show, y, step, **look):
    """Show a graph, ask before each gradient, and go to a step."""
    browser = show(y, **look)
    browser.click('[aria-pressed="false"].al-button')
    go(browser, step)
    assert ask(browser, "root.dataset.asking") == "true"
    return browser


def test_the_answer_is_nowhere(show):
    """Neither in heading, graph, list, tooltips nor details; the local derivative comes with the second miss."""
    f = sigmoid()
    n3 = f.parents[0].parents[0].parents[0]
    n4_n3 = f.parents[0].parents[0].value
    digits = f"{abs(n3.grad)!r}"
    browser = ask_at(show, f, 10)
    for node in ("n3 = −n2", "n4 = exp(n3)"):
        browser.click(f'.al-node[aria-label="{node}"]')
        assert leaks(browser, digits, digits[:6]) == []
    browser.press("Escape")
    assert text(browser, ".al-active .al-grad") == "?"
    assert "local, yours to find" in text(browser, ".al-sum")
    visible_edges = (
        "all('.al-edge.al-lit text').filter((e) => e.getBoundingClientRect().width).map((e) => e.firstChild.data)"
    )
    assert ask(browser, visible_edges) == []
    ask(browser, "(one('.al-ask input').focus(), null)")
    assert "The rule of exp: y = eˣ,   dy/dx = y".replace("   ", " ") in answer(browser, "7")
    assert "The local derivative is 2.226." in answer(browser, "8")
    assert leaks(browser, digits, digits[:6]) == []
    told = answer(browser, repr(n3.grad))
    assert told.startswith("✓ Right.")
    assert leaks(browser, digits[:6]) == [digits[:6]]
    assert "0 of 1 right at the first try" in text(browser, ".al-meta")
    assert n4_n3 == pytest.approx(2.226, rel=1e-3)


def test_hints_by_cause(show):
    """Sign, upstream alone, local alone, added instead of multiplied, old forgotten, no number, none of these."""
    browser = ask_at(show, sigmoid(), 10)
    ask(browser, "(one('.al-ask input').focus(), null)")
    for words, hint in [
        ("0.2139", "Right size, other sign"),
        ("-0.09612", "That is upstream."),
        ("2.226", "That is the local derivative."),
        ("2.13", "Local times upstream, not plus"),
        ("two", "That is not a number yet."),
        ("", "That is not a number yet."),
        ("2 2", "That is not a number yet."),
        ("5", "Not yet. The rule of exp: y = eˣ"),
    ]:
        assert hint in answer(browser, words), words
        assert ask(browser, "one('.al-ask input').value") == words
        assert hint in ask(browser, "one('[aria-live=polite]').textContent")
    x = V(3.0, name="x")
    browser = ask_at(show, x * x, 4)
    ask(browser, "(one('.al-ask input').focus(), null)")
    assert "That is local × upstream alone. x already holds 3: add it." in answer(browser, "3")
    assert "✓ Right." in answer(browser, "6")


@pytest.mark.parametrize(
    "words",
    ["-0.2139", "−0.21", "2.226 × −0.09612", "2.226*-.09612", "0 + 2.226·(−0.0961)", "-2,139e-1", "-1/4.675", "-.2139"],
)
def test_answers_that_count(words, show):
    """Two digits, or a sum of products, however typed."""
    browser = ask_at(show, sigmoid(), 10)
    ask(browser, "(one('.al-ask input').focus(), null)")
    assert answer(browser, words).startswith("✓ Right.")
    assert "1 of 1 right at the first try" in text(browser, ".al-meta")


def test_answers_that_are_not_finite(show):
    """NaN and infinity are said by name; no number is near them."""
    x = V(0.0, name="x")
    y = al.log(x)
    browser = ask_at(show, y, 3)
    ask(browser, "(one('.al-ask input').focus(), null)")
    for words in ("5", "-inf", "nan"):
        assert "Right." not in answer(browser, words), words
    assert answer(browser, "∞").startswith("✓ Right.")
    browser = ask_at(show, not_a_number(), 4)
    ask(browser, "(one('.al-ask input').focus(), null)")
    assert "Right." not in answer(browser, "0")
    assert "✓ Right." in answer(browser, "NaN")


def test_prediction_goes_on_by_enter(show):
    """Right at the first try counts, Show does not; Enter goes on to the next question; what was asked is not asked again."""
    browser = ask_at(show, sigmoid(), 9)
    ask(browser, "(one('.al-ask input').focus(), null)")
    browser.press("ArrowRight")
    assert step_of(browser) == 9, "a key for the text, not for the page"
    assert ask(browser, "one('[aria-label=\"Next step\"]').disabled")
    answer(browser, "-0.09612")
    assert browser.run("document.activeElement.ariaLabel") == "Next step"
    browser.press("Enter")
    assert (step_of(browser), ask(browser, "root.dataset.asking")) == (10, "true")
    browser.wait("document.activeElement?.matches('.al-ask input')")
    browser.click(".al-ask [type=button]")
    assert "1 of 2 right at the first try" in text(browser, ".al-meta")
    browser.press("ArrowLeft")
    assert (step_of(browser), ask(browser, "root.dataset.asking")) == (9, "false")
    browser.press("End")
    assert "–" not in shown(browser)


def test_a_change_of_size_takes_neither_focus_nor_text(show):
    """Whoever types goes on typing when a phone is turned; whoever reads elsewhere is left alone."""
    browser = ask_at(show, sigmoid(), 10, screen="tablet")
    browser.wait("document.activeElement?.matches('.al-ask input')")
    browser.call("Input.insertText", text="-0.2")
    browser.look(width=390, height=844)
    browser.wait("document.querySelector('.al-step').clientWidth === 390")
    time.sleep(0.15)
    assert browser.run("[document.activeElement.matches('.al-ask input'), document.activeElement.value]") == [
        True,
        "-0.2",
    ]
    browser.run("document.activeElement.blur()")
    browser.look(width=1280, height=800)
    browser.wait("document.querySelector('.al-step').clientWidth === 1280")
    time.sleep(0.15)
    assert browser.run("document.activeElement === document.body")
    assert ask(browser, LAYOUT) == SOUND


@full
def test_play_stops_at_a_question(show):
    """It waits for the reader."""
    browser = show(al.draw(neuron()).play(step=7, predict=True))
    assert (step_of(browser), ask(browser, "root.dataset.asking")) == (7, "true")
    browser.click(".al-main")
    browser.wait("document.querySelector('.al-main').textContent === 'Play'")


# --------------------------------------------------------------------------------------------------- any page around it


def document(*parts, style=""):
    """A page of somebody else's around some elements."""
    inside = "".join(f"<p>Words.</p>{part}" for part in parts)
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">'
    return f"{head}<style>{style}</style>{inside}"


def test_four_on_one_page(show):
    """All live, without an id, without a name on the window; keys reach the one used last, and none before it was used."""
    browser = show(document())
    names = browser.run("Object.getOwnPropertyNames(window)")
    graphs = [sigmoid(), twice(), network(), not_a_number()]
    browser = show(document(*(al.draw(y).play() for y in graphs)))
    assert browser.run("document.querySelectorAll('.al-step').length") == 4
    assert browser.run("document.querySelectorAll('[id]').length") == 0
    assert set(browser.run("Object.getOwnPropertyNames(window)")) - set(names) <= {"0", "1", "2", "3"}
    steps = lambda: [step_of(browser, k) for k in range(4)]
    browser.press("ArrowRight")
    assert steps() == [0, 0, 0, 0], "a page keeps its keys"
    browser.click(".al-step:nth-of-type(2) .al-sum")
    browser.press("ArrowRight")
    assert steps() == [0, 1, 0, 0]
    browser.click(".al-step:nth-of-type(4) [aria-label='Next step']")
    browser.press("ArrowRight")
    assert steps() == [0, 1, 0, 2]
    browser.click("p")
    browser.press("ArrowRight")
    browser.press("End")
    assert steps() == [0, 1, 0, 2], "given back by a click beside it"
    for k, y in enumerate(graphs):
        go(browser, last_of(browser, k), k)
        assert all(same_bits(number_in(grad), x) for (_, grad), x in zip(exact(browser, k), in_order(y), strict=True))


def test_where_play_begins_in_the_page(show):
    """From the front, from the end, beyond it."""
    view = al.draw(neuron())
    browser = show(document(*(view.play(step=step) for step in (0, 5, -1, -2, 999, -999))))
    assert [step_of(browser, k) for k in range(6)] == [0, 5, 16, 15, 16, 0]
    assert browser.run("location.hash") == "", "an element has no address"


def test_where_there_is_little_room_or_none(show):
    """In a narrow column, and where it is mounted before it is seen."""
    player = al.draw(sigmoid()).play(step=10)
    browser = show(document(f'<div style="width:240px">{player}</div>', f"<details>{player}</details>"))
    assert ask(browser, LAYOUT) == SOUND
    browser.run("document.querySelector('details').open = true")
    browser.wait(
        "document.querySelectorAll('.al-step')[1].querySelector('.al-frame').getBoundingClientRect().width > 50"
    )
    assert ask(browser, LAYOUT, 1) == SOUND
    assert ask(browser, "all('.al-edge text').every((e) => e.getAttribute('visibility') === 'visible')", 1)
    assert ask(browser, "all('.al-number').length", 1) == 2


def test_notebooks_insert_it_by_script(show):
    """As text, with its scripts made anew; run again, the new one takes over and the old one hears nothing."""
    player = al.draw(neuron()).play()
    browser = show(document("<div class=output></div>"))
    insert = (
        "((cell) => { cell.innerHTML = " + json.dumps(str(player)).replace("</", "<\\/") + "; "
        "for (const old of cell.querySelectorAll('script')) { const made = document.createElement('script'); "
        "made.type = old.type; made.textContent = old.textContent; old.replaceWith(made); } })"
        "(document.querySelector('.output'))"
    )
    browser.run(insert)
    browser.click(".al-sum")
    browser.press("ArrowRight")
    assert step_of(browser) == 1
    browser.run(insert)
    assert step_of(browser) == 0
    browser.run("void addEventListener('keydown', (event) => { document.title = `taken: ${event.defaultPrevented}`; })")
    browser.press("ArrowRight")
    assert browser.run("document.title") == "taken: false", "the removed one, used last, leaves the key to the page"
    browser.click(".al-sum")
    browser.press("ArrowRight")
    browser.press("ArrowRight")
    assert step_of(browser) == 2
    assert ask(browser, "'lmSuppressShortcuts' in root.dataset"), "JupyterLab's own keys would come first"


AREAS = (
    "all('*').map((e) => [e.localName, e.getAttribute('class'), ...((r) => [r.x - left, r.y - top, r.width, r.height]"
    ".map(Math.round))(e.getBoundingClientRect())]).filter((area) => area[4] || area[5])"
)
HOSTILE_STYLE = """
.tile{display:none} table{width:20px;border:9px solid red;margin:50px;display:block} td,th{padding:30px;background:red}
p{font-size:60px;margin:40px;color:red} *{letter-spacing:5px;text-transform:uppercase;line-height:3;text-indent:9px}
ul{list-style:square;margin-left:90px;padding:40px} li{margin:20px} button{padding:30px;border-radius:0;min-width:300px}
h3{font-size:80px;margin:90px;text-align:center} section{display:none;padding:90px} svg{width:30px;height:30px;fill:red}
input{width:40px;display:block} span{display:block;position:relative} text{font-size:40px;font-weight:900} path{stroke:red}
small,b,sup{font-size:50px} form{border:9px solid} div{float:left;max-width:100px} .content p, .content ul{display:flow-root}
.content ul li, .content ol li{margin-left:4em} .content table:not([class]){display:inline-block}
"""


def areas(browser):
    """Return the place of every element, from the corner of the root."""
    return ask(browser, f"(({{ left, top }}) => {AREAS})(root.getBoundingClientRect())")


@pytest.mark.parametrize("step", [10, 16])
def test_a_foreign_style_does_not_reach_in(step, show):
    """Every part of it lies where it lies in an empty page, with a node opened as well."""
    player = al.draw(sigmoid()).play(step=step)
    looks = []
    for style in ("", HOSTILE_STYLE):
        browser = show(
            document(f'<article class="content">{player}</article>', style=style + "article{all:unset;display:block}")
        )
        browser.click(".al-node[aria-label=w]")
        looks.append(areas(browser))
    assert len(looks[0]) > 100
    assert [pair for pair in zip(*looks, strict=True) if pair[0] != pair[1]] == []


@full
def test_the_style_of_the_site_does_not_reach_in(show):
    """mkdocs-material has rules for lists, tables, headings and paragraphs of whatever lies in a page."""
    folder = Path(pytest.importorskip("material").__path__[0]) / "templates" / "assets" / "stylesheets"
    site = "".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.css")))
    assert ".md-typeset ul" in site
    looks = []
    for style in ("", site):
        player = (
            f'<div class="md-typeset" style="width:1000px;margin:0;padding:0">{al.draw(sigmoid()).play(step=10)}</div>'
        )
        browser = show(document(player, style=f"{style}body{{margin:0!important}}"))
        browser.click(".al-node[aria-label=w]")
        looks.append(areas(browser))
    assert [pair for pair in zip(*looks, strict=True) if pair[0] != pair[1]] == []


def test_hostile_names_in_the_browser(show):
    """One graph with all of them: as many boxes as nodes, nothing runs, and each text is its name."""
    names = [name for name in HOSTILE if visible(name).strip()]
    leaves = [V(1.0, name=name) for name in names]
    browser = show(al.sum([leaf * 2.0 for leaf in leaves]))
    nodes = ask(browser, "all('.al-node').length")
    assert nodes == 3 * len(names) - 1
    assert browser.run("document.scripts.length") == 2
    opened = (
        "all('.al-leaf').map((box) => { box.dispatchEvent(new MouseEvent('click')); "
        "const cell = [...all('.al-table th')].find((th) => th.textContent === 'name'); "
        "return cell ? cell.nextSibling.textContent : one('.al-side h3 b').textContent; })"
    )
    found = ask(browser, opened)
    assert found == [visible(name).strip() for name in names]
    assert ask(browser, "all('.al-side svg, .al-stage b, .al-stage script, img, a, [onload]').length") == 0


# ------------------------------------------------------------------------------------------------ for the documentation


def keep(browser):
    """Write the pages and screenshots of docs/drawing.md."""
    for file, step, height in (("sigmoid", 10, 640), ("network", 66, 860), ("xor", 176, 900)):
        with al.record_locations():
            page = al.draw(PAGES[file]())
        path = PICTURES / f"stepper-{file}.html"
        path.write_text(re.sub(r'"line":"[^"]*/tests/', '"line":"tests/', page.html()), encoding="utf-8")
        for name, dark, size in (
            ("light", False, (1200, height)),
            ("dark", True, (1200, height)),
            ("phone", False, SCREENS["phone"]),
        ):
            browser.look(*size, dark=dark)
            browser.open("about:blank")
            browser.open(f"{path.as_uri()}#step={step}")
            time.sleep(0.3)
            browser.screenshot(PICTURES / f"stepper-{file}-{name}.png")


if __name__ == "__main__":
    with Chromium() as chromium:
        keep(chromium)
