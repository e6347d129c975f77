"""The page of all demos: text as text, long tables folded, pictures that enlarge; on a phone too, without a message."""

import ast
import importlib
import re
from pathlib import Path

import pytest
from chromium import Chromium

import autograd_lite as al
from autograd_lite.__main__ import load_demos
from autograd_lite.see import palette

DEMOS = load_demos()
common, page = (importlib.import_module(f"{DEMOS.__name__}.{name}") for name in ("common", "page"))

TEXT = """Two formulas with <b>marks</b>, and `code`:

    f = x < y
      + 1

    g = f

It has two mistakes:
1. The first
   goes on.
2. The second.
And a last line.

Source: a book."""


def test_a_docstring_becomes_paragraphs_formulas_and_lists():
    """What is indented is a formula, as it stands; lines of a paragraph flow."""
    assert page.prose(TEXT).split("\n<") == [
        "<p>Two formulas with &lt;b&gt;marks&lt;/b&gt;, and <code>code</code>:</p>",
        "pre>f = x &lt; y\n  + 1\n\ng = f</pre>",
        "p>It has two mistakes:</p>",
        "ol><li>The first goes on.</li>",
        "li>The second.</li></ol>",
        "p>And a last line.</p>",
        'p class="soft">Source: a book.</p>',
    ]


@pytest.mark.parametrize("name", DEMOS.LADDER)
def test_every_docstring_keeps_its_words(name):
    """Nothing is lost, and no wall of prose is left in a formula."""
    text = ast.get_docstring(ast.parse(Path(DEMOS.__path__[0], f"{name}.py").read_text(encoding="utf-8")))
    made = page.prose(text.partition("\n")[2].strip("\n"))
    plain = re.sub(r"<[^>]+>", " ", made).replace("&lt;", "<").replace("&gt;", ">").replace("&#x27;", "'")
    plain = plain.replace("&quot;", '"').replace("&amp;", "&")
    words = re.sub(r"^\d+\. ", "", text.partition("\n")[2], flags=re.MULTILINE).replace("`", " ").split()
    assert "".join(plain.split()) == "".join(words)
    for formula in re.findall(r"<pre>(.*?)</pre>", made, re.DOTALL):
        assert formula.count("\n") < 12


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A page of three demos: one with a graph and many numbers, one that fails, one that is left out."""
    out = tmp_path_factory.mktemp("out")
    good, bad = common.Report(out / "good"), common.Report(out / "bad")
    x = al.Variable(0.5, name="x")
    y = al.sin(x)
    for _ in range(12):
        y = y * x + 1.0
    y.backward()
    good.graph("graph.svg", "A wide graph", y, play="graph.html")
    for k in range(20):
        good.number(f"a number with a long name, the {k}th of twenty", k / 3, k / 3)
    good.number("not a number", float("nan"))
    bad.check("<i>one is two</i>", holds=False)
    bad.number("two", 1.0, 2.0)
    entries = [
        page.Entry("good", "Good: all holds", TEXT, good, "", 1.0),
        page.Entry("bad", "Bad: one fails", TEXT, bad, "", 1.0),
        page.Entry("absent", "Absent: a package is missing", TEXT, None, "needs a package", 0.0, left_out=True),
    ]
    return page.write(out, entries, quick=True)


def test_the_side_bar_has_every_demo_with_its_verdict(written):
    """A sign and, where one failed, a word: colour alone says nothing."""
    text = written.read_text(encoding="utf-8")
    bar = re.sub(r"<[^>]+>", "", re.search(r"<nav.*?</nav>", text, re.DOTALL)[0]).split("\n")
    assert [line for line in bar if line] == ["3 demos, ✗ 1 failed, 1 left out", "✓Good", "✗Bad (failed)", "–Absent"]


def test_long_tables_are_folded_and_wrong_ones_are_not(written):
    """The summary says what is in them."""
    text = written.read_text(encoding="utf-8")
    assert "<details><summary>21 numbers, ✓ 20 agree with known answers</summary>" in text
    assert "<details open><summary>1 numbers, ✗ 1 of 1 differ</summary>" in text


def test_red_is_for_nan_only(written):
    """The class of a number that is none is the only one that takes that colour."""
    text = written.read_text(encoding="utf-8")
    assert re.findall(r'class="number nan">([^<]*)<', text) == ["nan"]
    style = Path(page.__file__).with_suffix(".css").read_text(encoding="utf-8")
    assert re.findall(r"([^{}]*)\{[^{}]*var\(--bad\)", style)[0].strip() == ".nan"
    assert style.count("var(--bad)") == 1
    used = {*re.findall(r"var\(--([a-z-]+)\)", style)} - {"plot"}
    assert used <= {name.lower().replace("_", "-") for name in vars(palette)}


@pytest.fixture(scope="module")
def browser():
    with Chromium() as chromium:
        yield chromium


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 768, 1280, 1600])
def test_it_fits_every_screen_and_is_silent(written, browser, width, dark):
    """No scrolling to the side; the list is open beside the text, folded above it on a phone."""
    browser.errors.clear()
    browser.look(width, 800, dark=dark)
    browser.open(written.as_uri())
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run("document.querySelector('nav details').open") == (width > 860)
    beside = "document.querySelector('main').getBoundingClientRect().left > 200"
    assert browser.run(beside) == (width > 860)
    ground, ink = browser.run("(s => [s.backgroundColor, s.color])(getComputedStyle(document.body))")
    assert (sum(_rgb(ground)) < sum(_rgb(ink))) == dark
    assert browser.errors == []


def _rgb(colour):
    return [int(part) for part in re.findall(r"\d+", colour)[:3]]


def test_a_picture_enlarges_by_click_and_by_key(written, browser):
    """Escape and the button close it; the focus returns to the picture; the link to the file is there."""
    browser.look(1280, 800)
    browser.open(written.as_uri())
    small = browser.run("document.querySelector('figure img').getBoundingClientRect().width")
    browser.click("a.picture img")
    assert browser.run("document.querySelector('dialog').open")
    assert browser.run("document.querySelector('dialog p').textContent") == "A wide graph"
    assert browser.run("document.querySelector('dialog header a').href").endswith("good/graph.svg")
    assert browser.run("document.querySelector('dialog img').getBoundingClientRect().width") > small
    browser.click("dialog button")
    assert browser.run("document.querySelector('dialog .inside').scrollWidth > innerWidth")  # its actual size
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key="Escape", code="Escape", windowsVirtualKeyCode=27)
    assert not browser.run("document.querySelector('dialog').open")
    browser.run("document.querySelector('a.picture').focus()")
    browser.press("Enter")
    assert browser.run("document.querySelector('dialog').open")
    browser.click("dialog button:last-of-type")
    assert not browser.run("document.querySelector('dialog').open")
    assert browser.run("document.activeElement.className") == "picture"
    assert browser.run("document.querySelector('figcaption a').textContent") == "Play this graph"
    assert browser.errors == []


def test_on_a_phone_the_list_closes_after_a_choice(written, browser):
    """And every target is large enough for a finger."""
    browser.look(390, 800)
    browser.open(written.as_uri())
    browser.click("nav summary")
    assert browser.run("document.querySelector('nav details').open")
    heights = browser.run(
        "[...document.querySelectorAll('nav summary, nav a')].map(e => e.getBoundingClientRect().height)"
    )
    assert min(heights) >= 36
    browser.click("nav li:nth-child(2) a")
    assert browser.run("location.hash") == "#bad"
    assert not browser.run("document.querySelector('nav details').open")
