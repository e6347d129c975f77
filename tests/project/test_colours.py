"""No colour is written down outside of the palette."""

import re

import pytest
from house import ROOT

#: Files with colours that are not yet, or cannot be, taken from the palette.
EXEMPT = {
    "autograd_lite/see/palette.py",
    "autograd_lite/see/dot.py",  # the results of its examples
    "autograd_lite/see/page.html",  # a template with two of them
    "autograd_lite/see/folded.html",
    "autograd_lite/see/folded.js",
    "autograd_lite/see/stepper.css",
}
HEXADECIMAL = re.compile(r"(?<![&\w/])#(?:[0-9a-fA-F]{8}|[0-9a-fA-F]{6}|[0-9a-fA-F]{3,4})\b(?!-)")
#: Where matplotlib is given a colour or a map of colours by a name of its own.
NAMED = re.compile(
    r"""\b(?:\w*colors?|mfc|mec|cmap)\s*=\s*f?["'](?!none)[^"']*["']"""
    r"""|["'](?:RdBu(?:_r)?|OrRd|Blues|Greys|viridis)["']"""
)
PLACES = ("autograd_lite", "demos", "docs", "benchmarks")


def sources(*kinds):
    """The files of these kinds that people wrote, with their names."""
    for place in PLACES:
        for path in (ROOT / place).rglob("*"):
            name = path.relative_to(ROOT).as_posix()
            if (
                path.suffix in kinds
                and name not in EXEMPT
                and not name.startswith(("docs/pictures/", "docs/reference/"))
            ):
                yield name, path.read_text(encoding="utf-8")


def test_no_colour_stands_outside_of_the_palette():
    """Neither as digits nor by a name of matplotlib."""
    found = {name: HEXADECIMAL.findall(text) for name, text in sources(".py", ".css", ".js", ".html")}
    assert len(found) > 100
    assert {name: colours for name, colours in found.items() if colours} == {}
    plotting = {
        name: text for name, text in sources(".py") if "matplotlib" in text or name.startswith(("demos/", "docs/"))
    }
    named = {name: NAMED.findall(text) for name, text in plotting.items()}
    assert {name: colours for name, colours in named.items() if colours} == {}


@pytest.mark.parametrize("text", ["color: #fff;", "'#1a2b3c'", "light-dark(#f5f6f8,#0d1116)", "url(x) #1a2b3c80"])
def test_the_search_finds_colours(text):
    """In style sheets and in code."""
    assert HEXADECIMAL.search(text)


@pytest.mark.parametrize("text", ["&#124;", "jax#475", "# 123 steps", "page.md#fade", "location.hash = '#n12'"])
def test_the_search_takes_nothing_else_for_a_colour(text):
    """Entities, numbers of issues, comments, places in a page."""
    assert not HEXADECIMAL.search(text)


@pytest.mark.parametrize("text", ['plot(x, color="red")', "colors='k'", 'imshow(x, "RdBu_r")', 'mfc="w"'])
def test_the_search_finds_names_of_colours(text):
    """And leaves `mfc="none"` and variables called w alone."""
    assert NAMED.search(text)
    assert not NAMED.search('plot(x, mfc="none", color=BLUE), Variable(name="w")')
