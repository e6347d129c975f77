"""Ten thousand hostile names, a hundred in a graph: pictures and pages have the elements they always have."""

import random

import pytest
from pictures import HOSTILE, Page, groups, parse, tooltip
from tiers import mostly_full

import autograd_lite as al
from autograd_lite.see.graph import select
from autograd_lite.see.labels import visible

GRAPHS, NAMES = 100, 100
PIECES = [
    *(name for name in HOSTILE if len(name) < 100),
    *"<>&\"'\\$%{}|;[]()#/ \t\n\r\0\x07\x1b\x7f\u202e\u2066\u200f\u2028\ufeff\ud800éש中🙂",
    "</script>", "<script>", "</template>", "</style>", "</title>", "<!--", "-->", "<![CDATA[", "]]>", "&lt;", "&#x3c;",
    "\\u003c", "javascript:", "onload=", "${x}", "%s", "\\N", "\\n", "<B>", "</TABLE>", "-> n0;", "//", "/*",
]  # fmt: skip


def hostile_names(seed):
    """A hundred names of up to a dozen pieces; one of a hundred thousand characters in every tenth graph."""
    rng = random.Random(seed)
    names = ["".join(rng.choices(PIECES, k=rng.randrange(13))) for _ in range(NAMES)]
    if seed % 10 == 0:
        names[0] = (names[0] + '<&">') * (100_000 // (len(names[0]) + 4) + 1)
    return names


def graph(names):
    """A sum of leaves of these names."""
    y = al.sum([al.Variable(float(k % 7), name=name) for k, name in enumerate(names)])
    y.backward()
    return y


def shape(root):
    """Elements and attributes, in their order."""
    return [(element.tag, *sorted(element.attrib)) for element in root.iter()]


@pytest.fixture(scope="module")
def tame():
    """The same graph with names that do no harm."""
    view = al.draw(graph(["x"] * NAMES))
    return sorted(shape(parse(view))), Page(view.html()).elements


@pytest.mark.parametrize("seed", mostly_full(range(GRAPHS), slice(0, None, 50)))
def test_names_stay_text(seed, tame):
    """Valid XML and HTML, no new element or attribute, as many nodes, and the whole name but for controls as its text."""
    names = hostile_names(seed)
    output = graph(names)
    view = al.draw(output)
    assert sorted(shape(parse(view))) == tame[0]
    boxes = groups(view, "node")
    assert len(boxes) == view.nodes
    page = Page(view.html())
    assert page.elements == tame[1]
    told = [node.get("full", node["name"]) for node in page.data["nodes"]]
    numbers = select([output]).graph.numbers
    for k, name in enumerate(names):
        whole = visible(name).strip() or numbers[k]
        assert tooltip(boxes[f"n{k}"]).splitlines()[0].replace("\xa0", " ") == whole.replace("\xa0", " ")
        assert told[k] == whole
