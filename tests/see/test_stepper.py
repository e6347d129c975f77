"""The stepper: its numbers are those of `backward`, its page is one valid file, and it plays in a real browser."""

import json
import math
import re
import time
from pathlib import Path

import pytest
from chromium import Chromium
from corpus import COMPOSED, EXAMPLES, by_name, same_bits
from house import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import HOSTILE, Page, chain, contrast, neuron, printed
from strategies import programs
from tiers import mostly_full

import autograd_lite as al
from autograd_lite import __main__ as cli
from autograd_lite.see import stepper
from autograd_lite.see.graph import select
from autograd_lite.see.labels import visible

V = al.Variable
PICTURES = ROOT / "docs" / "pictures"


def sigmoid():
    """The first page of docs/drawing.md: σ(w·x + b) in its parts."""
    with al.record_locations():
        x, w, b = V(1.5, name="x"), V(-0.8, name="w"), V(0.4, name="b")
        f = 1 / (al.exp(-(w * x + b)) + 1)
    f.name = "f"
    f.backward()
    return f


def network():
    """The second one: a 2-3-1 network of tanh units, its squared error on one sample."""
    layer = [V(0.5, name="x1"), V(-1.0, name="x2")]
    weights = iter((-0.81, 0.96, -0.58, -0.88, -0.66, 0.35, -0.92, -0.02, -0.5))
    biases = iter((-0.42, -0.15, -0.89, -0.7))
    for level, size in enumerate((3, 1), 1):
        units = []
        for j in range(1, size + 1):
            total = V(next(biases), name=f"b{level}{j}")
            for i, x in enumerate(layer, 1):
                total = total + V(next(weights), name=f"w{level}{j}{i}") * x
            units.append(al.tanh(total))
            units[-1].name = f"h{j}" if level == 1 else "out"
        layer = units
    loss = (layer[0] - 1.0) ** 2
    loss.name = "loss"
    loss.backward()
    return loss


def played(y, gradients=None):
    """Play the steps in Python and return the final gradients, checking each sum on the way."""
    drawn = select([y])
    kept = {i: drawn.graph.nodes[i].grad for i in drawn.drawn}
    if gradients is not None:
        kept = {i: gradients.get(drawn.graph.nodes[i]) for i in drawn.drawn}
    steps = stepper.Stepper(drawn, kept, ".grad" if gradients is None else "gradients=")
    number = {place: float(text) for text, place in steps.numbers.items()}
    sums = {i: number[seed] for i, seed in steps.outputs.items()}
    for user, k, to, upstream, *rest in steps.shares:
        assert same_bits(number[upstream], sums[user])
        if rest:
            product, old, new = (number[place] for place in rest)
            assert same_bits(product, number[steps.nodes[user]["locals"][k]] * number[upstream])
            assert old == sums.get(to, 0.0) or math.isnan(old)
            sums[to] = new
    for i, node in enumerate(steps.nodes):
        assert same_bits(number[node["grad"]], sums.get(i, 0.0))
    return dict(zip(drawn.nodes, (number[node["grad"]] for node in steps.nodes), strict=True))


def assert_plays(y):
    """The page's final gradients are those of `al.gradients`, bit by bit."""
    expected = al.gradients(y)
    found = played(y)
    assert found.keys() == expected.keys()
    assert all(same_bits(found[node], expected[node]) for node in expected)


# ---------------------------------------------------------------------------------------------------------- the numbers


@pytest.mark.parametrize("example", EXAMPLES + COMPOSED, ids=by_name)
def test_final_numbers_are_those_of_gradients(example):
    """Every function of the corpus."""
    assert_plays(example.function([V(x) for x in example.point]))


@given(programs(), st.lists(st.floats(-3.0, 3.0), min_size=3, max_size=3))
def test_any_program_plays(program, point):
    """The same for programs that Hypothesis writes."""
    assert_plays(program([V(x) for x in point]))


def test_what_was_not_taken_gets_nothing():
    """0 × inf does not poison the other branch, and the share without a sum says so."""
    x, z = V(0.0, name="x"), V(2.0, name="z")
    y = al.where(z > 1.0, z, al.log(x)) + al.relu(-z) + al.maximum(z, x)
    assert_plays(y)
    shares = Page(al.draw(y).html()).data["shares"]
    assert [share for share in shares if len(share) == 4]
    assert_plays(x * al.log(x))


def test_a_node_by_hand_and_a_leaf_alone():
    """A zero that was given by hand is sent; a leaf has only its seed."""
    x = V(3.0, name="x")
    assert_plays(V(7.0, ((x, 0.0), (x, math.inf))))
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


def notes(view):
    """Return the notes at the head of a page."""
    return re.findall(r"<p>(.*?)</p>", view.html().partition("<noscript>")[0])


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
    x = V(0.5, name="x")
    y = al.exp(al.exp(al.exp(x))) * x
    data = Page(al.draw(y, depth=1).html()).data
    assert [user for user, *_ in data["shares"]] == [2, 2, None]
    last = data["numbers"][data["shares"][-1][-1]]
    assert float(last[0] if isinstance(last, list) else last) == al.gradients(y, x)


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
    assert [(n.value, n.grad, n.name) for n in nodes] == before


# ------------------------------------------------------------------------------------------------------------- the page


def test_same_program_gives_the_same_bytes():
    """In one process and in several with different hash seeds."""
    assert al.draw(neuron()).html() == al.draw(neuron()).html()
    program = (
        "import sys, autograd_lite as al\nx = al.Variable(2.0, name='x')\ny = al.tanh(x * x) + al.exp(x)\n"
        "sys.stdout.buffer.write(al.draw([y, x]).html().encode())"
    )
    assert len(printed(program)) == 1


def test_page_needs_nothing_else():
    """No address in it, and a policy that forbids the browser to ask for any; no script but the one that it names."""
    page = al.draw(neuron()).html()
    assert "http:" not in page
    assert "https:" not in page
    assert "default-src 'none'" in page
    assert [name for name, *_ in Page(page).elements].count("script") == 2


def test_save(tmp_path):
    """The suffix says that it is the page; without a renderer it is said what to install."""
    view = al.draw(neuron())
    assert view.save(tmp_path / "g.HTML") == tmp_path / "g.HTML"
    assert (tmp_path / "g.HTML").read_text(encoding="utf-8") == view.html()


def test_no_renderer(bare):
    """The same words as for a picture."""
    with pytest.raises(al.RendererNotFound, match=r"^No Graphviz renderer was found\."):
        al.draw(neuron()).save(bare / "g.html")
    assert not (bare / "g.html").exists()


def test_too_large_is_refused():
    """As in the picture."""
    with pytest.raises(al.GraphTooLarge):
        al.draw(chain(400)).html()


def test_every_gradient_cell_has_room():
    """The pattern that widens them finds each one."""
    view = al.draw(network())
    roomy = view._page.__self__.make_room(view.source)
    assert roomy.count("<TD WIDTH=") == view.nodes
    assert re.sub(r' WIDTH="\d+"', "", roomy) == view.source


def check_hostile(name):
    """Make the page of a graph whose nodes have this name; everything but the text must be as always."""
    x = V(2.0, name=name)
    y = x - 1.0
    y.name = name
    text = al.draw(y).html()
    text.encode()
    tame = V(2.0, name="x") - 1.0
    tame.name = "x"
    page, usual = Page(text), Page(al.draw(tame).html())
    assert page.elements == usual.elements
    assert len(page.scripts) == 2
    assert page.scripts[1] == usual.scripts[1]
    assert "<" not in page.scripts[0]
    clean = visible(name).strip()
    shown = [node.get("full", node["name"]) for node in page.data["nodes"]]
    assert shown == ([clean, clean] if clean else ["n0", "n1"])
    assert not any(c in text for c in "\x00\x1b\u202e\u2066\u2028")


@pytest.mark.parametrize("name", mostly_full(HOSTILE, slice(1, None, 2)), ids=lambda name: ascii(name)[:24])
def test_hostile_name_stays_text(name):
    """Markup, escapes, controls, text direction and length."""
    check_hostile(name)


@settings(max_examples=30)
@given(st.text(st.characters(codec=None) | st.sampled_from("<>&\"'$\\{}|;[]\n\r\0\u202e"), max_size=60))
def test_any_name_stays_text(name):
    """The same for whatever Hypothesis thinks of."""
    check_hostile(name)


def colours(dark):
    """Return the colours of the style sheet by name."""
    parts = re.findall(r":root \{(.*?)\}", Path(stepper.__file__).with_suffix(".css").read_text(), re.DOTALL)
    found = dict(re.findall(r"--([\w-]+): (#\w{6});", parts[0]))
    return {**found, **dict(re.findall(r"--([\w-]+): (#\w{6});", parts[1]))} if dark else found


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_is_readable(dark):
    """At least 4.5 : 1 on every ground, and 3 : 1 for arrows and frames: the guidelines' level AA."""
    c = colours(dark)

    def mixed(full, strength):
        channels = [
            int(c[full][i : i + 2], 16) * strength + int(c["paper"][i : i + 2], 16) * (1 - strength) for i in (1, 3, 5)
        ]
        return "#" + "".join(f"{round(x):02x}" for x in channels)

    for ink, grounds in {
        "ink": ("page", "paper", "leaf", "inner"),
        "faint": ("page", "paper"),
        "pos-ink": ("paper",),
        "neg-ink": ("paper",),
        "alarm-ink": ("paper",),
        "lit": ("paper",),
    }.items():
        assert all(contrast(c[ink], c[ground]) >= 4.5 for ground in grounds), ink
    assert all(contrast(c["ink"], mixed(full, s / 20)) >= 4.5 for full in ("pos", "neg") for s in range(21))
    assert contrast("#ffffff", c["alarm"]) >= 4.5
    assert contrast(c["line"], c["paper"]) >= 3.0


@pytest.mark.parametrize(("file", "graph"), [("sigmoid", sigmoid), ("network", network)])
def test_documentation_shows_what_draw_makes(file, graph):
    """The pages kept under docs/ are up to date, wherever the layout puts things; this file makes them when it is run.

    `PYTHONPATH=tests python tests/see/test_stepper.py`
    """
    kept = Page((PICTURES / f"stepper-{file}.html").read_text(encoding="utf-8"))
    made = Page(al.draw(graph()).html())
    for page in (kept, made):
        for node in page.data["nodes"]:
            node.pop("line", None)
    assert kept.scripts[1] == made.scripts[1]
    assert kept.data == made.data
    assert kept.words[:-1] == made.words[:-1]


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


@pytest.fixture(scope="module")
def browser():
    """One Chromium for all tests; skipped with a word where there is none."""
    with Chromium() as chromium:
        yield chromium


@pytest.fixture
def show(browser, tmp_path):
    """Show the page of a graph; at the end, nothing may stand on the console."""

    def show(y, step=None, **look):
        path = al.draw(y).save(tmp_path / "g.html")
        browser.look(**look)
        browser.open("about:blank")
        browser.open(path.as_uri() + ("" if step is None else f"#{step}"))
        return browser

    browser.errors.clear()
    yield show
    assert browser.errors == []


def text(browser, selector):
    """Return the text of an element as one sees it."""
    element = f"document.querySelector({json.dumps(selector)})"
    return " ".join(browser.run(f"{element}.innerText ?? {element}.textContent").split())


def details(browser):
    """Return the table of a chosen node."""
    rows = browser.run(
        "[...document.querySelectorAll('#details tr')].map((r) => [...r.children].map((c) => c.innerText))"
    )
    return {first: rest[0] for first, *rest in rows}


def test_plays_to_the_end(show):
    """From the leaves through every step; the numbers on the page are then those of `.grad`."""
    y = network()
    browser = show(y)
    assert text(browser, "#place") == "Step 0 of 68, forward"
    browser.click("#play")
    assert text(browser, "#play") == "Pause"
    browser.click("#play")
    assert text(browser, "#place") == "Step 1 of 68, forward"
    browser.run("$('speed').add(new Option('at once', '1000', true, true))")
    browser.click("#play")
    browser.wait("$('place').textContent === 'Step 68 of 68, backward' && $('play').textContent === 'Play'")
    nodes = al.topological_order(y)
    rows = browser.run(
        "[...document.querySelectorAll('#result tr')].map((r) => [...r.children].map((c) => c.innerText))"
    )
    assert {name: float(grad) for name, grad in rows} == {n.name: n.grad for n in nodes if not n.parents}
    cells = browser.run("nodes.map((n) => document.querySelector(`#${n.id} .g`).textContent)")
    assert cells == [f"{n.grad:.4g}" for n in nodes]
    values = browser.run("nodes.map((n) => document.querySelector(`#${n.id} .v`).textContent)")
    assert values == [f"{n.value:.4g}" for n in nodes]
    browser.wait("location.hash === '#68'")
    browser.run("$('speed').value = '0.5'")
    browser.click("#play")  # again, from the start
    assert text(browser, "#place") == "Step 0 of 68, forward"
    browser.click("#play")


def test_arithmetic_is_written_out(show):
    """Forward: formula, numbers, value. Backward: old + local × upstream = new; a node used twice adds up."""
    x = V(3.0, name="x")
    y = x * x
    y.name = "y"
    browser = show(y, 1)
    assert text(browser, "#sum") == "y node = x * x formula = 3 * 3 numbers = 9 value"
    assert (
        text(browser, "#say")
        == "Kept for the way back: ∂y/∂x (place 1) = 3, ∂y/∂x (place 2) = 3. Rule of mul: y = a·b, ∂y/∂a = b, ∂y/∂b = a."
    )
    assert browser.run("[...document.querySelectorAll('.lit')].map((e) => e.id)") == ["e1_0", "e1_1", "n0", "n1"]
    browser.press("ArrowRight")
    assert text(browser, "#sum") == "grad(y) = 1 seed"
    assert text(browser, "#n0 .g") == "0"
    browser.press("ArrowRight")
    assert text(browser, "#sum") == "grad(x) gradient = 0 old + 3 local ∂y/∂x (place 1) × 1 upstream grad(y) = 3 new"
    assert text(browser, "#say") == "x is used 2 times and adds up what comes back: share 1 of 2, from y."
    browser.press("ArrowRight")
    assert text(browser, "#sum") == "grad(x) gradient = 3 old + 3 local ∂y/∂x (place 2) × 1 upstream grad(y) = 6 new"
    assert text(browser, "#say").endswith("share 2 of 2, from y. grad(x) is complete.")
    assert browser.run("[...document.querySelectorAll('.lit')].map((e) => e.id)") == ["e1_1", "n0", "n1"]
    assert browser.run("$('live').textContent").startswith("Step 4 of 5, backward. grad(x) gradient = 3 old + 3 ")
    assert browser.run("$('live').getAttribute('aria-live')") == "polite"


def picture(browser):
    """Return all that the picture shows now."""
    seen = "'#stage [id], #stage .grad, #stage text.g'"
    return browser.run(
        f"[...document.querySelectorAll({seen})].map((e) => [e.id, [...e.classList].sort().join(' '), e.textContent])"
    )


def test_every_step_looks_the_same_from_both_sides(show):
    """Going back undoes what going on did; a link to a step shows what playing to it shows."""
    browser = show(neuron())
    last = browser.run("last")
    assert last == 4 + 1 + 9 + 2
    forward = []
    for _ in range(last + 1):
        forward.append(picture(browser))
        browser.press("ArrowRight")
    backward = []
    for _ in range(last + 1):
        backward.append(picture(browser))
        browser.press("ArrowLeft")
    assert forward == backward[::-1]
    assert len({json.dumps(p) for p in forward}) == last + 1
    assert picture(show(neuron(), 9)) == forward[9]


def test_hash_and_slider_and_keys(show):
    """A link to a step, an address changed by hand, beyond the end, the slider, Home, End, Space."""
    browser = show(neuron(), 5)
    assert text(browser, "#place") == "Step 5 of 16, forward"
    browser.run("location.hash = '#7'")
    browser.wait("now === 7")
    browser.run("location.hash = '#999'")
    browser.wait("now === 16")
    browser.run("location.hash = '#x<b>'")
    assert browser.run("now") == 16
    browser.press("Home")
    assert browser.run("[now, $('previous').disabled, $('next').disabled]") == [0, True, False]
    browser.press("End")
    assert browser.run("[now, $('previous').disabled, $('next').disabled]") == [16, False, True]
    browser.run("$('slider').value = 3; $('slider').dispatchEvent(new Event('input')); null")
    assert browser.run("now") == 3
    browser.wait("location.hash === '#3'")
    browser.press(" ")
    assert text(browser, "#play") == "Pause"
    browser.press(" ")
    assert text(browser, "#play") == "Play"
    browser.click("#next")
    browser.click("#previous")
    browser.click("#previous")
    assert browser.run("now") == 3


def test_click_shows_all_of_a_node(show):
    """Every digit, the line of the source, the rule, what each user sent; by keyboard as well."""
    f = sigmoid()
    w = next(n for n in al.topological_order(f) if n.name == "w")
    browser = show(f, 0)
    browser.click("#n1 .title")
    assert text(browser, "#details h2") == "w"
    found = details(browser)
    assert (found["value"], found["gradient now"]) == ("-0.8", "–")
    assert float(found["gradient at the end"]) == w.grad
    assert found["line"].endswith(f"test_stepper.py:{sigmoid.__code__.co_firstlineno + 3}")
    assert found["from n3"].startswith("1.5 × ")
    browser.press("End")
    assert float(details(browser)["gradient now"]) == w.grad
    browser.press("Escape")
    assert text(browser, "#details") == ""
    browser.run("document.getElementById('n6').focus()")
    browser.press("Enter")
    found = details(browser)
    assert (found["formula"], found["rule"]) == ("exp(n5)", "exp: y = eˣ, dy/dx = y")
    assert found["∂n6/∂n5"] == repr(f.parents[0].parents[0].value)
    assert "exp(n5)" in browser.run("$('live').textContent")
    browser.press("Enter")
    assert text(browser, "#details") == ""
    browser.press("Enter")
    browser.click("#details a")
    browser.wait("now === 4")


def test_gradient_kept_from_before_is_shown(show):
    """After two passes the page has both numbers."""
    x = V(3.0, name="x")
    y = x * x
    y.backward()
    y.backward()
    browser = show(y)
    browser.click("#n0")
    assert (details(browser)["gradient at the end"], details(browser)["kept from before"]) == ("6.0", "12.0")


def test_infinities_and_branches_in_the_browser(show):
    """Red cells, words for what was not taken, and no trouble with nodes that are not drawn."""
    x, z = V(0.0, name="x"), V(2.0, name="z")
    y = x * al.log(x) + al.maximum(z, x)
    browser = show(y)
    browser.press("End")
    assert browser.run("document.querySelectorAll('.node.known .grad.alarm').length") > 1
    told = browser.run("steps.map((s, i) => (go(i), $('sum').innerText))")
    assert "n4 did not take x" in told
    assert browser.run("document.querySelectorAll('#stage .value.alarm').length") == 3


def test_depth_in_the_browser(show, tmp_path, browser):
    """A dashed box stands for what is not drawn, and what it sends arrives."""
    x = V(0.5, name="x")
    y = al.exp(al.exp(al.exp(x))) * x
    page = al.draw(y, depth=1).save(tmp_path / "depth.html")
    browser.open(page.as_uri() + "#99")
    assert browser.run("document.querySelectorAll('.stub').length") >= 1
    browser.press("ArrowLeft")
    assert "sent" in text(browser, "#sum")
    assert text(browser, "#n0 .g") == f"{al.gradients(y, x):.4g}"


def test_hostile_names_in_the_browser(show):
    """One graph with all of them: as many boxes as nodes, nothing runs, and each text is its name."""
    names = [name for name in HOSTILE if visible(name).strip()]
    leaves = [V(1.0, name=name) for name in names]
    browser = show(al.sum([leaf * 2.0 for leaf in leaves]))
    nodes = browser.run("nodes.length")
    assert browser.run("document.querySelectorAll('.node').length") == nodes
    assert browser.run("document.scripts.length") == 2
    found = browser.run(
        "leaves.map((n) => (choose(nodes.indexOf(n)), document.querySelector('#details h2').textContent))"
    )
    assert found == [visible(name).strip() for name in names]
    assert browser.run("document.querySelectorAll('#details b, #details svg, #stage b, #stage script').length") == 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_nothing_sticks_out(show, width, dark):
    """No sideways scrolling of the page, no number wider than its cell, at any step."""
    browser = show(network(), width=width, dark=dark)
    assert browser.run("matchMedia('(prefers-color-scheme: dark)').matches") is dark
    ten = "(c => (c.font = '100px Helvetica, sans-serif', c.measureText('0123456789').width))"
    if browser.run(f"{ten}(document.createElement('canvas').getContext('2d'))") > 575:  # 556 in Helvetica and its like
        pytest.skip(
            "the machine has no font of Helvetica's widths, for which pictures are laid out: install Liberation Sans"
        )
    wide = "document.documentElement.scrollWidth > innerWidth"
    cell = "(b, cell, text) => b.querySelector(text).getBBox().width > b.querySelector(cell).getBBox().width"
    pairs = "[['.grad', '.g'], ['.value', '.v'], ['.head', '.title']]"
    bad = f"boxes.some((b) => {pairs}.some((pair) => ({cell})(b, ...pair)))"
    assert browser.run(f"steps.map((_, i) => (go(i), {wide} || {bad})).filter(Boolean)") == []
    browser.click("#n2")
    assert not browser.run(wide)


def test_what_is_active_is_in_sight(show):
    """On a phone the picture scrolls to what takes part."""
    browser = show(network(), width=390, height=844)
    seen = "(r, v) => r.left >= v.left - 1 && r.right <= v.right + 1 && r.top >= v.top - 1 && r.bottom <= v.bottom + 1"
    places = "document.querySelector('.active').getBoundingClientRect(), $('stage').getBoundingClientRect()"
    out = browser.run(f"nodes.filter((n) => n.made).filter((n) => (go(n.step), !({seen})({places}))).map((n) => n.id)")
    assert out == []


def keep(browser):
    """Write the pages and screenshots of docs/drawing.md."""
    for file, graph, step in (("sigmoid", sigmoid, 10), ("network", network, 67)):
        with al.record_locations():
            page = al.draw(graph())
        path = PICTURES / f"stepper-{file}.html"
        text = re.sub(r'"line":"[^"]*/tests/', '"line":"tests/', page.html())
        path.write_text(text, encoding="utf-8")
        for name, dark, width, height in (
            ("light", False, 1200, 0),
            ("dark", True, 1200, 0),
            ("phone", False, 390, 844),
        ):
            browser.look(width=width, height=height or (640 if file == "sigmoid" else 980), dark=dark)
            browser.open("about:blank")
            browser.open(f"{path.as_uri()}#{step}")
            time.sleep(0.3)
            browser.screenshot(PICTURES / f"stepper-{file}-{name}.png")


if __name__ == "__main__":
    with Chromium() as chromium:
        keep(chromium)
