"""The page of a folded picture: few numbers are stored, the page computes the others to the bit, and its boxes open."""

import json
import math
import random
import re
import zlib
from base64 import b64decode
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from chromium import Chromium
from house import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import HOSTILE, Page, printed
from test_fold import GRAPHS, V, dag, layer, variables
from tiers import mostly_full, sizes

import autograd_lite as al
from autograd_lite.see import levels
from autograd_lite.see.fold import Positions
from autograd_lite.see.graph import Graph, select

SCRIPT = Path(levels.__file__).with_name("folded.js").read_text(encoding="utf-8")
LIVE = "[...document.querySelectorAll('.al-fold')].every((root) => root.dataset.live === 'yes')"
ROWS = "[...document.querySelectorAll('.al-row')].filter((row) => row.offsetParent)"


def dense(seed, *widths, scopes=False):
    """The squared error of a dense network, without backward."""
    rng = random.Random(seed)
    x = variables(rng, widths[0])
    for number, (n, k) in enumerate(pairwise(widths), 1):
        w, b = variables(rng, k, n), variables(rng, k)
        for matrix in (w, b):
            for i, row in enumerate(matrix):
                for j, leaf in enumerate(row if isinstance(row, list) else [row]):
                    leaf.name = f"w{number}[{i}][{j}]" if matrix is w else f"b{number}[{i}]"
        if scopes:
            with al.scope(f"layer{number}"):
                x = layer(x, w, b, al.tanh)
        else:
            x = layer(x, w, b, al.tanh)
    loss = sum((h - 0.5) ** 2 for h in x)
    loss.name = "loss"
    return loss


def residual(seed=0):
    """A loss of x + relu(W x), of x + tanh(W x) of that, and five places that share the weights."""
    rng = random.Random(seed)
    w, u = variables(rng, 4, 4), variables(rng, 4, 4)
    total = 0.0
    for _ in range(5):
        with al.scope("input"):
            x = [al.exp(a) for a in variables(rng, 4)]
        for name, matrix, f in (("one", w, al.relu), ("two", u, al.tanh)):
            with al.scope(name):
                h = [f(sum(a * b for a, b in zip(row, x, strict=True))) for row in matrix]
            with al.scope(f"residual {name}"):
                x = [a + b for a, b in zip(x, h, strict=True)]
        with al.scope("loss"):
            total = total + sum(a * a for a in x)
    return total


def built(y, frames=None, budget=levels.BUDGET, opened=()):
    """Return the levels of a graph and what it chose to store."""
    selection = select([y] if isinstance(y, V) else y)
    graphs = {label: Graph([other]) for label, other in (frames or {}).items()} or {"": selection.graph}
    made = levels.Levels(Positions(selection), levels.Moments(selection.graph, graphs), opened)
    return made, made.page(budget)


def stored(page):
    """Return the structure of a page."""
    return json.loads(zlib.decompress(b64decode(Page(page).data["text"])))


def computed(browser, page):
    """Return values and gradients of all nodes at all moments, as the page computes them."""
    browser.open("about:blank")
    script = SCRIPT.replace(
        "async function mount", "globalThis.model = model; globalThis.inflate = inflate;\nasync function mount"
    )
    browser.run(script.replace("async function mount", "globalThis.unpack = unpack;\nasync function mount"))
    found = browser.run(f"""(async () => {{
      const {{ data, numbers }} = await unpack({json.dumps(Page(page).data)}), m = model(data, numbers), all = [];
      for (let f = 0; f < m.F; f++) {{
        m.move(f);
        all.push([[...m.value].map(String), [...m.grad].map((x, i) => (m.sent[i] ? String(x) : "0"))]);
      }}
      return all;
    }})()""")
    return np.array([[[float(x.replace("Infinity", "inf")) for x in row] for row in both] for both in found])


@pytest.fixture(scope="module")
def browser():
    with Chromium() as browser:
        yield browser


# -------------------------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize("name", mostly_full([*GRAPHS, "residual"], [3, 5, 7, -1]))
def test_the_page_computes_what_backward_does(name, browser):
    """Values and gradients of every node, to the bit: few of them are stored."""
    y = residual() if name == "residual" else GRAPHS[name]()
    outputs = [y] if isinstance(y, V) else y
    page = al.draw(y, fold=True).html()
    nodes = al.topological_order(outputs)
    assert all(stored(page)["whole"])
    ((values, grads),) = computed(browser, page)
    for node in nodes:
        node.grad = None
    graph = Graph(outputs)
    expected = [graph.adjoints.get(i, 0.0) for i in range(len(nodes))]
    np.testing.assert_array_equal(values, [node.value for node in nodes])
    np.testing.assert_array_equal(grads, expected)
    if len(outputs) == 1:
        y.backward()
        np.testing.assert_array_equal(grads, [node.grad or 0.0 for node in nodes])


def test_every_moment_is_computed(browser):
    """Each from its own graph; `.grad` is neither read nor written."""
    frames = {step: dense(step, 3, 8, 8, 1) for step in (0, 20, 40)}
    page = al.draw(frames[40], fold=True, frames=frames).html()
    for (values, grads), y in zip(computed(browser, page), frames.values(), strict=True):
        nodes, found = al.topological_order(y), al.gradients(y)
        np.testing.assert_array_equal(values, [node.value for node in nodes])
        np.testing.assert_array_equal(grads, [found.get(node, 0.0) for node in nodes])
        assert y.grad is None


def test_what_is_not_finite_or_stale_is_computed_too(browser):
    """NaN and infinity go through; a node whose argument was set later keeps its number."""
    x, z = V(0.0, name="x"), V(2.0, name="z")
    bad = x * al.log(x) + 1.0 / (x + 0.0) - z / z
    nodes = al.topological_order(bad)
    ((values, grads),) = computed(browser, al.draw(bad, fold=True).html())
    np.testing.assert_array_equal(values, [node.value for node in nodes])
    graph = Graph([bad])
    np.testing.assert_array_equal(grads, [graph.adjoints[i] for i in range(len(nodes))])
    y = x * z
    x.value = 5.0
    ((values, grads),) = computed(browser, al.draw(y, fold=True).html())
    assert (values.tolist(), grads.tolist()) == ([5.0, 2.0, 0.0], [2.0, 0.0, 1.0])


def test_what_a_page_without_room_stores_is_right(browser):
    """Nodes with and without their shares have the numbers of the whole graph."""
    y = dense(0, 6, 12, 12, 3)
    for budget in (1_500, 2_500, 4_000):
        made, page = built(y, budget=budget)
        assert not all(stored(page)["whole"])
        known = np.flatnonzero(made._stored(*made.choose(budget)[1:])[0])
        ((values, grads),) = computed(browser, page)
        np.testing.assert_array_equal(values, made.moments.values[known, 0])
        np.testing.assert_array_equal(grads, made.moments.grads[known, 0])


def test_sizes_are_root_mean_squares_of_results():
    """Of the nodes that other boxes use, also where squares would overflow."""
    made, _ = built(dense(0, 3, 8, 8, 1, scopes=True))
    found = next(level for level in made.top.boxes if level.title == ("layer1",))
    results = [i for i in found.box.nodes if made.nodes[i].primitive and made.nodes[i].primitive.name == "tanh"]
    expected = math.sqrt(np.mean([made.moments.grads[i, 0] ** 2 for i in results]))
    assert made.size(found)[0] == pytest.approx(expected, rel=1e-14)
    assert levels.root_mean_square(np.array([[1e200], [1e200]]))[0] == 1e200
    assert math.isnan(levels.root_mean_square(np.array([[1.0], [math.nan]]))[0])
    assert levels.root_mean_square(np.zeros((2, 1)))[0] == 0.0


# --------------------------------------------------------------------------------------------------------------- levels


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 300), st.booleans())
def test_every_node_of_a_random_graph_is_reached(seed, count, scoped):
    """Boxes, cells and single nodes together hold each node once."""
    y = dag(count, seed, ["a", "b", "a/b", None, None] if scoped else ())
    made, _ = built(y)
    found, whole, _ = made.choose(10**9)
    shown = sorted(i for level in found for i in level.shown())
    assert shown == list(range(len(made.nodes)))
    assert whole.all()


def test_boxes_are_in_the_order_of_the_gradient():
    """The output is first; leaves lie in the box that uses them; lines go past boxes between."""
    made, _ = built(residual())
    assert [level.title[0] for level in made.top.boxes] == [
        "loss",
        "residual two",
        "two",
        "residual one",
        "one",
        "input",
    ]
    assert made.top.lines == [(1, 3), (3, 5)]
    one = made.top.boxes[4]
    assert len(one.extra) == 16
    assert [level.title[0] for level in one.boxes] == ["16 × w"]
    assert one.rows == [4] * 5
    assert one.boxes[0].rows == [4] * 4


def test_cells_are_arranged_by_names_and_by_creation():
    """w[3][4] by its numbers; results that were made in runs of different length make a triangle."""
    made, _ = built(dense(0, 3, 8, 5, 1))
    weights = next(level for level in made.top.boxes for level in level.boxes if level.title == ("40 × w",))
    assert weights.rows == [8] * 5
    assert [made.nodes[cell[0]].name for cell in weights.cells][:9] == [*(f"w2[0][{k}]" for k in range(8)), "w2[1][0]"]
    keys, total = [V(0.1 * k) for k in range(1, 9)], 0.0
    for place in range(1, 9):
        with al.scope("scores"):
            row = [al.tanh(V(0.3) * key) for key in keys[:place]]
        with al.scope("sum"):
            total = total + sum(row)
    made, _ = built(total)
    assert next(level for level in made.top.boxes if level.title == ("scores",)).rows == [*range(1, 9)]


def test_open_is_stored_first_and_open():
    """What does not fit is said to be closed; `open=` changes the order."""
    y = dense(0, 30, 40, 40, 10, scopes=True)
    for wanted in ("layer1", "layer2"):
        _, page = built(y, budget=24_000, opened=[wanted])
        boxes = {box["title"]: box for box in stored(page)["boxes"]}
        assert boxes[wanted].get("open") == 1
        assert "closed" not in boxes[wanted]
    assert any("closed" in box or "brief" in box for box in stored(page)["boxes"])


@pytest.mark.parametrize("count", sizes(8_000, 100_000))
def test_large_graphs_stay_below_a_megabyte(count):
    """Eleven moments."""
    widths = {8_000: (20, 40, 40, 10), 100_000: (30, 150, 160, 25)}[count]
    frames = {step: dense(step, *widths) for step in range(11)}
    page = al.draw(frames[10], fold=True, frames=frames).html()
    assert len(page.encode()) < 1_000_000
    assert len(stored(page)["boxes"]) > 5


def test_the_page_has_no_chance_in_it():
    """Two processes with different hash seeds write the same bytes."""
    program = (
        "import sys; sys.path[:0] = sys.argv[1:]; import test_levels as t, autograd_lite as al\n"
        "print(al.draw(t.residual(), fold=True).html())"
    )
    tests = Path(__file__).parents[1]
    assert len(printed(program, str(tests / "see"), str(tests))) == 1


# ------------------------------------------------------------------------------------------------------------ arguments


def test_frames_of_another_structure_are_refused():
    """The first difference is named."""
    x = V(2.0, name="x")
    y = al.exp(x) + 1.0
    with pytest.raises(al.ArgumentError) as caught:
        al.draw(y, fold=True, frames={0: y, 20: al.sin(V(1.0, name="x")) + 1.0})
    assert str(caught.value) == (
        "frames[20] has another structure than the graph that is drawn: node 1 is sin(x), and not exp(x). "
        "Run the function anew for each frame, on the same path."
    )
    with pytest.raises(al.ArgumentError, match="4 nodes, and not 3"):
        al.draw(y, fold=True, frames={"late": al.sin(al.exp(V(1.0)) + 1.0)})
    with pytest.raises(al.ArgumentError, match="frames= without fold=True"):
        al.draw(y, frames={0: y})
    with pytest.raises(al.OperandError, match="frames=7 is no mapping"):
        al.draw(y, fold=True, frames=7)
    with pytest.raises(al.OperandError, match="frames={} is no mapping with a moment in it"):
        al.draw(y, fold=True, frames={})


def test_constants_may_differ_between_moments(browser):
    """A number that is no Variable is part of the moment."""
    frames = {k: al.exp(V(0.1)) * (1.0 + k) for k in range(3)}
    page = al.draw(frames[2], fold=True, frames=frames).html()
    assert [values[-1] for values, _ in computed(browser, page)] == [frames[k].value for k in range(3)]


# ------------------------------------------------------------------------------------------------------------- the page


def test_page_needs_nothing_else():
    """No other file; the scheme of the browser; a table for readers without JavaScript; no id; every class is ours."""
    page = al.draw(residual(), fold=True).html()
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page)
    assert "<td>residual two</td>" in page
    elements = Page(page).elements
    assert not any("id" in attributes for _, *attributes in elements)
    style = Path(levels.__file__).with_name("folded.css").read_text(encoding="utf-8")
    assert re.findall(r"(?<![\d])\.(?!al-)[a-zA-Z]\w*", style) == []
    assert set(re.findall(r"#[0-9a-f]{3,8}\b", style + SCRIPT)) == set()


@pytest.mark.parametrize("name", mostly_full([name for name in HOSTILE if name], slice(0, None, 8)))
def test_hostile_names_stay_text(name):
    """They end no element and begin none."""

    def page(name):
        x = [V(0.1 * k, name=name) for k in range(30)]
        with al.scope(name.replace("/", "|")):
            h = [al.tanh(sum(x) * (k + 1.0)) for k in range(30)]
        return al.draw(sum(a * b for a, b in zip(h, x, strict=True)), fold=True).html()

    assert Page(page(name)).elements == Page(page("x")).elements


def test_hostile_names_stay_text_in_the_browser(tmp_path, browser):
    """The script writes them as text too."""
    name = "</script><img src=x onerror=alert(1)>"
    with al.scope(name):
        h = [al.tanh(V(0.1 * k, name=name) * (k + 1.0)) for k in range(30)]
    shown(browser, al.draw(sum(h), fold=True), tmp_path)
    browser.run(f"{ROWS}.forEach((row) => row.click())")
    assert browser.run("document.querySelectorAll('img, a').length") == 0
    assert "<img src=x" in browser.run("document.querySelector('.al-body').textContent")
    assert browser.errors == []


def shown(browser, picture, folder, **look):
    """Open the page of a picture."""
    browser.errors.clear()
    browser.look(**look)
    path = picture.save(folder / "folded.html")
    browser.open("about:blank")
    browser.open(path.as_uri())
    browser.wait(LIVE)
    return path


def open_box(browser, title):
    """Click the row of this title."""
    browser.run(f"{ROWS}.find((row) => row.querySelector('.al-title').textContent === {json.dumps(title)}).click()")


FACTS = """(() => {
  const card = [...document.querySelectorAll(".al-card")].filter((e) => e.offsetParent).at(-1);
  const rows = [...card.querySelectorAll("tr[data-share]")].map((row) => row.dataset);
  const shares = rows.map((row) => [row.local, row.upstream, row.share].map(Number));
  return { ...card.querySelector(".al-digits").dataset, name: card.querySelector(".al-formula").textContent, shares };
})()"""


def test_a_page_opens_down_to_one_multiplication(tmp_path, browser):
    """Box, cell, product, weight; the five shares of a weight add up to its gradient, to the bit."""
    y = residual()
    y.backward()
    shown(browser, al.draw(y, fold=True), tmp_path)
    assert browser.run(f"{ROWS}.length") == 6
    open_box(browser, "two")
    browser.run("document.querySelector('.al-map').focus()")
    for key in ("ArrowRight", "ArrowDown", "ArrowRight"):
        browser.press(key)
    assert "row 2, column 2" in browser.run("document.querySelector('.al-inner').innerText")
    chips = "[...document.querySelectorAll('.al-chip')].filter((chip) => chip.offsetParent"
    products = f"{chips} && chip.textContent.includes('×'))"
    assert browser.run(f"{products}.length") == 4
    browser.run(f"{products}[0].click()")
    product = browser.run(FACTS)
    assert " × " in product["name"]
    weight = None
    for k in range(2):
        browser.run(f"[...document.querySelectorAll('.al-from button')].at({k - 2}).click()")
        facts = browser.run(FACTS)
        if len(facts["shares"]) == 5:
            weight = facts
            break
        browser.run("[...document.querySelectorAll('.al-card > button')].at(-1).click()")
    total = None
    for local, upstream, share in weight["shares"]:
        assert local * upstream == share
        total = share if total is None else total + share
    assert total == float(weight["grad"])
    assert float(weight["grad"]) in {node.grad for node in al.topological_order(y) if not node.parents}
    assert browser.errors == []


def test_the_slider_changes_the_numbers_and_what_is_open_stays_open(tmp_path, browser):
    """By key and by mouse; the curve is the output's."""
    frames = {step: residual(step) for step in (0, 20, 40)}
    shown(browser, al.draw(frames[40], fold=True, frames=frames), tmp_path)
    numbers = "[...document.querySelectorAll('.al-number')].map((e) => e.textContent).join(' ')"
    open_box(browser, "one")
    browser.run("document.querySelector('.al-map').focus()")
    browser.press("ArrowRight")
    before, detail = browser.run(numbers), browser.run(FACTS)
    read = "document.querySelector('.al-value').innerText"
    assert f"{frames[40].value:.4g}" in browser.run(read)
    browser.run("document.querySelector('.al-range').focus()")
    browser.press("ArrowLeft")
    assert browser.run("document.querySelector('.al-fold').dataset.frame") == "1"
    assert f"{frames[20].value:.4g}" in browser.run(read)
    assert browser.run(numbers) != before
    assert browser.run(FACTS)["value"] != detail["value"]
    assert browser.run("document.querySelectorAll('.al-row[aria-expanded=true]').length") == 1
    browser.click(".al-plot")
    assert browser.run("document.querySelector('.al-fold').dataset.frame") == "1"
    browser.click(".al-play")
    browser.wait("document.querySelector('.al-fold').dataset.frame === '2'")
    assert browser.errors == []


def test_keys_open_move_and_close(tmp_path, browser):
    """Enter and Space open, arrows move between boxes, Escape closes the innermost."""
    shown(browser, al.draw(residual(), fold=True), tmp_path)
    expanded = "document.querySelectorAll('.al-row[aria-expanded=true]').length"
    title = "document.activeElement.querySelector('.al-title')?.textContent"
    browser.run("document.querySelector('.al-row').focus()")
    for _ in range(4):
        browser.press("ArrowDown")
    assert browser.run(title) == "one"
    browser.press("Enter")
    assert browser.run(expanded) == 1
    browser.press("ArrowDown")
    assert browser.run(title) == "16 × w"
    browser.press(" ")
    assert browser.run(expanded) == 2
    browser.run("[...document.querySelectorAll('.al-map')].at(-1).focus()")
    browser.press("End")
    inner = "[...document.querySelectorAll('.al-inner')].filter((e) => e.offsetParent).length"
    assert browser.run(inner) == 1
    browser.press("Escape")
    assert browser.run(inner) == 0
    browser.press("Home")
    browser.run("[...document.querySelectorAll('.al-inner button')].at(-1).focus()")
    browser.press("Escape")
    assert browser.run(inner) == 0
    browser.press("Escape")
    assert browser.run(expanded) == 1
    assert browser.run(title) == "16 × w"
    assert browser.errors == []


def test_two_roots_on_one_page(tmp_path, browser):
    """Both live, no id, no new name on window."""
    browser.look()
    page = al.draw(residual(), fold=True).html()
    root = page[page.index("<section") : page.index("</section>") + len("</section>")]
    (tmp_path / "two.html").write_text(
        f"<!doctype html><meta charset=utf-8><style>.tile, .row {{ display: none }}</style>{root}<p>between</p>{root}",
        encoding="utf-8",
    )
    (tmp_path / "none.html").write_text("<!doctype html><meta charset=utf-8>", encoding="utf-8")
    browser.errors.clear()
    browser.open((tmp_path / "none.html").as_uri())
    names = browser.run("Object.getOwnPropertyNames(window).length")
    browser.open((tmp_path / "two.html").as_uri())
    browser.wait(f"document.querySelectorAll('.al-fold').length === 2 && {LIVE}")
    assert browser.run(
        "[...document.querySelectorAll('.al-fold')].map((r) => r.querySelectorAll('.al-row').length)"
    ) == [6, 6]
    assert browser.run("Object.getOwnPropertyNames(window).length") == names
    assert browser.run("document.querySelectorAll('.al-fold [id]').length") == 0
    browser.run("document.querySelectorAll('.al-row')[4].click()")
    assert browser.run(
        "[...document.querySelectorAll('.al-fold')].map((r) => r.querySelectorAll('[aria-expanded=true]').length)"
    ) == [1, 0]
    assert browser.errors == []


@pytest.mark.parametrize("width", [390, 768, 1280, 1600])
def test_any_width_in_either_scheme(width, tmp_path, browser):
    """No horizontal scrolling, no request, nothing in the console, no small target."""
    frames = {step: residual(step) for step in (0, 20, 40)}
    for dark in (False, True):
        shown(browser, al.draw(frames[40], fold=True, frames=frames), tmp_path, width=width, height=900, dark=dark)
        open_box(browser, "one")
        browser.run("document.querySelector('.al-map').focus()")
        browser.press("ArrowRight")
        browser.run("[...document.querySelectorAll('.al-from button')][0].click()")
        assert browser.run("document.documentElement.scrollWidth <= innerWidth")
        targets = "[...document.querySelectorAll('button, summary')].filter((b) => b.offsetParent"
        assert browser.run(f"{targets} && b.getBoundingClientRect().height < 36).map((b) => b.className)") == []
        assert browser.run("performance.getEntriesByType('resource').length") == 0
        ground = browser.run("getComputedStyle(document.querySelector('.al-fold')).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 200) is dark
        assert browser.errors == []


def test_a_small_graph_is_a_list_of_nodes(tmp_path, browser):
    """Nothing is folded; every node is there with its numbers."""
    x = V(3.0, name="x")
    shown(browser, al.draw(x * x + 1.0, fold=True), tmp_path)
    assert browser.run("document.querySelectorAll('.al-chip').length") == 3
    facts = browser.run(FACTS)
    assert (facts["value"], facts["grad"]) == ("10", "1")
    assert browser.errors == []


def test_the_kept_page_shows_a_small_gpt(browser):
    """Fourteen boxes in the order of the gradient, with both residual lines; eleven moments; every node is stored."""
    path = ROOT / "docs" / "reference" / "microgpt-graph.html"
    page = path.read_text(encoding="utf-8")
    told = stored(page)
    assert len(page.encode()) < 1_000_000
    assert (told["title"], len(told["labels"])) == ("loss on emma: 42,385 nodes in 14 boxes", 11)
    assert all(told["whole"])
    assert not any("closed" in box or "brief" in box for box in told["boxes"])
    browser.errors.clear()
    browser.look()
    browser.open(path.as_uri())
    browser.wait(LIVE)
    titles = browser.run(f"{ROWS}.map((row) => row.querySelector('.al-title').textContent)")
    assert ", ".join(titles) == (
        "loss, softmax, logits, residual 2, down, relu², up, norm 2, residual 1, output, heads, q, k, v, norm 1, embedding"
    )
    assert browser.run("document.querySelectorAll('.al-past').length") == 2
    assert browser.errors == []
