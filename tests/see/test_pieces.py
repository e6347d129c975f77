"""What notebooks show: text as text, tables, folded where they are long; nothing that reaches outside of its piece."""

import math
import re
import warnings
from html.parser import HTMLParser

import numpy as np
import pytest
from chromium import Chromium

import autograd_lite as al
from autograd_lite import nn
from autograd_lite.see import pieces

V = al.Variable
HOSTILE = "</td></table><script>alert(1)</script>&amp;"


class Page(HTMLParser):
    """The elements of a piece, its text, and whether every element is closed in its turn."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.words = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] != "style":
            self.words.append(data)


def branchy(x, y):
    """A guard, four operations."""
    return x * y + al.sin(x) if x > 1 else y


def things():
    """Every object with a piece of its own, its names hostile where names are the user's."""
    x = V(2.0, name=HOSTILE)
    y = al.relu(-x) * V(0.0, name="b")
    y.name = HOSTILE
    y.backward()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiled = al.jit(lambda x: x * x if x > 1 else -x, backend="python")
        compiled(2.0), compiled(0.5)
    captured = al.trace(lambda t: t * x, 3.0)
    network = nn.Network.create([2, 3, 1], "tanh", rng=0)
    bad = al.log(V(-1.0, name=HOSTILE)) * 2.0
    return {
        "network": network,
        "layer": network.layers[0],
        "tape": captured,
        "explain": al.explain(y),
        "explain by paths": al.explain(y, x),
        "why": al.why(y, x),
        "blame": al.blame(bad),
        "kinks": al.kinks(y),
        "audit": al.audit(y),
        "paths": compiled.paths(),
        "flow": al.gradient_flow([[1.0, 2.0], [3.0, 4.0]], y, names=[HOSTILE, "w2"]),
    }


@pytest.fixture(scope="module")
def shown():
    return {name: (thing, thing._repr_html_()) for name, thing in things().items()}


def test_pieces_are_well_formed_and_keep_to_themselves(shown):
    """No script, no id, no name outside of `al-`; one element, whose style reaches only itself."""
    for name, (_, text) in shown.items():
        page = Page(text)
        assert text.startswith('<div class="al-piece">'), name
        assert not {"script", "img", "link", "iframe"} & {*page.tags}, name
        assert all(key in ("class", "open", "scope") for key, _ in page.attributes), name
        classes = {c for key, value in page.attributes if key == "class" for c in value.split()}
        assert all(c.startswith("al-") for c in classes), name
        style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
        selectors = [s for rule in re.findall(r"([^{}]+)\{", style) for s in rule.split(",")]
        assert all(".al-piece" in selector for selector in selectors), name
        assert "http" not in text, name


def test_hostile_names_stay_text(shown):
    """What the user wrote is shown letter by letter."""
    for name in ("tape", "explain", "explain by paths", "why", "blame", "flow"):
        assert HOSTILE[:30] in "".join(Page(shown[name][1]).words), name


def test_plain_text_is_what_it_was(shown):
    """`repr` and `str` know nothing of HTML."""
    for name, (thing, _) in shown.items():
        assert "al-piece" not in repr(thing) + str(thing), name
    assert repr(shown["tape"][0]) == "<tape of <lambda>: 1 input, 1 captured Variable, 1 instruction, 1 output>"
    assert repr(shown["network"][0]).startswith("Network(layers=[Dense(weight=array(")


def test_a_network_is_a_table_of_its_arrays():
    """Names as a user writes them, shapes, numbers of parameters."""
    words = Page(nn.Network.create([784, 50, 10], "relu", rng=0)._repr_html_()).words
    text = "|".join(words)
    assert "Network: relu between the layers, identity after the last" in text
    assert "39,760 parameters in 4 arrays" in text
    assert "layers[0].weight|50 × 784|39,200" in text
    assert "layers[1].bias|10|10" in text
    assert "0 parameters" in nn.Dense(np.zeros((0, 2)))._repr_html_()
    own = nn.Network([lambda x: x], lambda x: x)._repr_html_()  # layers of the user's own: no arrays
    assert "&lt;lambda&gt; between the layers" in own


def test_a_tape_is_its_program_with_numbers_of_lines():
    """All lines of a long one, folded; a guard keeps its place."""
    text = al.trace(branchy, 2.0, 3.0)._repr_html_()
    words = Page(text).words
    assert "tape of branchy: 2 inputs, 3 instructions, 1 guard, 1 output" in words
    assert next(w for w in words if w.startswith(("v", "guard", "return"))).startswith("guard x > 1.0 is True")
    assert "Cost: 3 operations, 48 bytes" in words
    assert text.count("<details open>") == 2

    def long(x):
        for _ in range(700):
            x = al.sin(x) + 1
        return x

    text = al.trace(long, 1.0)._repr_html_()
    assert text.count("<li>") == pieces.ROWS
    assert "… and 401 more" in text
    assert text.count("<details>") == 1  # the program; the table of operations is short


def test_an_explanation_has_its_derivation_in_a_table():
    """A sentence, the paths, and the chain rule node by node."""
    x = V(3.0, name="x")
    text = al.explain(x * x + 2 * x, x)._repr_html_()
    page = Page(text)
    assert any(word.startswith("d n3 / d x = +8 over 3 paths") for word in page.words)
    assert page.tags.count("tr") == 1 + 4
    assert "The chain rule, node by node" in page.words


def test_paths_of_a_compiled_function_say_their_conditions(shown):
    """Each path with its lanes, its conditions and where they stand."""
    words = "|".join(Page(shown["paths"][1]).words)
    assert "2 paths" in words
    assert "x > 1.0|True" in words
    assert "x > 1.0|False" in words
    assert "1 lane, 1 instructions" in words
    assert "test_pieces.py" in words


def test_a_report_is_a_sentence_with_its_evidence(shown):
    """The sentence as a title, the facts as a list."""
    report, text = shown["blame"]
    words = Page(text).words
    assert words[0] == report.sentence
    assert words[1:] == [*report.evidence]


def test_flow_shows_first_and_last_step(shown):
    """And the shares of units."""
    words = "|".join(Page(shown["flow"][1]).words)
    assert "w2|2.000e+00|4.000e+00" in words
    assert "1|100%|0%" in words
    one = "|".join(Page(al.gradient_flow([1.0, math.nan])._repr_html_()).words)
    assert "[1]|nan" in one


def test_pieces_are_quiet_and_readable_in_a_browser(shown, tmp_path):
    """No message, no scrolling of the page on a phone, paper and ink of the same side, light and dark."""
    body = "".join(text for _, text in shown.values())
    path = tmp_path / "pieces.html"
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width"><style>:root{color-scheme:light dark}'
    )
    path.write_text(f"<!doctype html>{head}</style><body>{body}</body>", encoding="utf-8")
    lightness = "(c => c.match(/\\d+/g).slice(0, 3).reduce((s, x) => s + Number(x), 0))"
    with Chromium() as browser:
        for dark in (False, True):
            for width in (390, 1280):
                browser.look(width, 800, dark=dark)
                browser.open(path.as_uri())
                assert browser.run("document.documentElement.scrollWidth") <= width
                paper, ink = (
                    browser.run(f"{lightness}(getComputedStyle(document.querySelector('.al-piece')).{what})")
                    for what in ("backgroundColor", "color")
                )
                assert (paper < ink) == dark
                assert abs(paper - ink) > 500
        assert browser.errors == []
