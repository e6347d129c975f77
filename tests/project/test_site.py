"""The site: its pages, its navigation, its map, and the pages that are made from the table and from docstrings."""

import doctest
import html
import math
import os
import re
import subprocess
import sys

import chromium
import front
import generated
import hooks
import plots
import pytest
from house import ROOT

import autograd_lite as al
from autograd_lite import errors, primitives
from autograd_lite.see import palette

DOCS = ROOT / "docs"
WRITTEN = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
MADE = {name for name in generated.pages() if name.endswith(".md")}
LISTED = [page for _, _, page in generated.navigation() if page]
CODE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def test_every_page_is_in_the_navigation():
    """Once, and nothing else is."""
    assert sorted(LISTED) == sorted(WRITTEN | MADE)
    assert not WRITTEN & MADE


@pytest.mark.parametrize("page", sorted(WRITTEN | MADE))
def test_links_on_a_page(page):
    """They lead to pages, pictures or headings that exist, as they stand in the site."""
    for target in re.findall(r"\]\(([^)\s]+)\)", CODE.sub("", hooks.for_site(generated.text_of(page), page))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (DOCS / page).parent.joinpath(path).resolve() if path else DOCS / page
        name = str(found.relative_to(DOCS))
        assert found.exists() or name in MADE, target
        if anchor and name.endswith(".md"):
            assert anchor in anchors(name), target


def anchors(page):
    """The names of the headings of a page, as the site makes them, and of the calls that it documents."""
    text = CODE.sub("", hooks.for_site(generated.text_of(page), page))
    given = re.findall(r"^#+ .*\{ #(\S+)", text, flags=re.MULTILINE)
    titles = re.findall(r"^#+ ([^{\n]*)$", text, flags=re.MULTILINE)
    slugs = [re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", title.replace("`", "")).strip().lower()) for title in titles]
    return {*given, *slugs, *re.findall(r"^::: (\S+)", text, flags=re.MULTILINE)}


def test_the_map_for_language_models():
    """It names every page with its first sentence, and nothing that does not exist."""
    text = generated.llms()
    assert re.findall(r"^- \[[^\]]+\]\(([^)]+)\): \S", text, flags=re.MULTILINE) == LISTED
    assert text.startswith("# autograd_lite\n\n> Exact derivatives")


def test_every_operation_has_one_entry():
    """Under the headings of the table; other names stand in the entries."""
    entries = [operation for found in generated.sections().values() for operation in found]
    assert len({id(o) for o in entries}) == len(entries)
    assert {n for o in entries for n in (o.name, *generated.second_names(o))} == set(primitives.PUBLIC)


def test_every_public_name_is_documented():
    """As an operation, a call or an error; second names and plain data apart."""
    calls = {name for page in generated.calls().values() for name in page}
    data = {"PRIMITIVES", "REAL", "__version__", "nn", "optim"}
    for name in set(al.__all__) - set(primitives.PUBLIC) - data:
        thing = getattr(al, name)
        if type(thing).__name__ == "module":
            continue
        assert f"al.{thing.__name__}" in calls or thing in generated.exceptions(), name
    assert {c.__name__ for c in generated.exceptions()} >= {n for n in al.__all__ if n.endswith(("Error", "Warning"))}
    assert all(f"### {kind.__name__} " in generated.error_entries() for kind in generated.exceptions())
    assert errors.AutogradLiteError in generated.exceptions()


@pytest.mark.parametrize("page", sorted(name for name in MADE if name.startswith("api/")))
def test_examples_of_generated_pages(page):
    """They print what stands below them."""
    blocks = re.findall(r"^```pycon\n(.*?)^```", generated.text_of(page), flags=re.DOTALL | re.MULTILINE)
    for number, block in enumerate(blocks):
        test = doctest.DocTestParser().get_doctest(block, {"al": al}, f"{page}:{number}", page, 0)
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False)
        assert runner.run(test, out=lambda _: None).failed == 0, block


def test_curves_are_broken_where_they_jump():
    """At a pole, at a step, and outside of the domain; a kink breaks nothing."""
    places = plots.samples(-2.0, 2.0)
    assert len(plots.runs(lambda x: 1.0 / x, places)) == 2
    assert len(plots.runs(lambda x: 1.0 if x > 0 else 0.0, places)) == 2
    assert len(plots.runs(lambda x: x**0.5 if x > 0 else float("nan"), places)) == 1
    assert len(plots.runs(abs, places)) == 1


def test_plots_show_derivatives():
    """An SVG with two curves for each operation, without a number that is no number."""
    for title, found in generated.sections().items():
        text = generated.text_of(f"api/{generated.slug(title)}.md")
        assert text.count('<path class="curve0" d="M') == len(found), title
        assert text.count('<path class="curve1" d="') == len(found), title
        assert "nan" not in "".join(re.findall(r"<svg.*</svg>", text))


def test_github_markdown_becomes_that_of_the_site():
    """Sessions as sessions; links out of the folder keep their words."""
    assert hooks.for_site("```python\n>>> 1\n1\n```", "a.md").startswith("```pycon")
    assert hooks.for_site("```python\nx = 1\n```", "a.md").startswith("```python\n")
    assert hooks.for_site("see [`x`](../demos/x.py), [y](core.md#z)", "a.md") == "see `x`, [y](core.md#z)"


def test_nothing_is_loaded_from_elsewhere():
    """No fonts, and the search's helper comes with the site."""
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert "font: false" in settings and "- offline" in settings and "polyfills: [assets/iframe-worker.js]" in settings
    assert not re.search(r"https?://", settings)


def test_every_error_has_a_cure():
    """In the example of its docstring, or in the table of the page."""
    cures = set(re.findall(r"^\| `(\w+)` \|", (DOCS / "errors.md").read_text(encoding="utf-8"), flags=re.MULTILINE))
    without = {kind.__name__ for kind in generated.exceptions() if ">>> " not in (kind.__doc__ or "")}
    assert without - {"AutogradLiteError"} == cures


def test_the_quickstart_has_twenty_lines():
    """Of input, imports and continued lines included."""
    text = (DOCS / "quickstart.md").read_text(encoding="utf-8")
    assert len(re.findall(r"^(?:>>>|\.\.\.) ", text, flags=re.MULTILINE)) == 20


FRONT = (DOCS / "index.md").read_text(encoding="utf-8")


def test_the_readme_and_the_front_page_begin_alike():
    """With the same sentence."""
    sentence = generated.first_sentence(FRONT)
    assert sentence.endswith(".")
    assert f"# autograd_lite\n\n{sentence} " in (ROOT / "README.md").read_text(encoding="utf-8")


def test_twelve_lines_make_the_page():
    """They compute the sigmoid and its slope, and leave the stepper that the page shows; their output is a doctest."""
    text = front.session(FRONT)
    assert len(text.strip().splitlines()) == 12
    names = front.played(text)
    f = 1.0 / (1.0 + math.exp(0.8))
    assert (names["f"].value, names["w"].grad) == pytest.approx((f, 1.5 * f * (1.0 - f)), rel=1e-15)
    page = front.with_stepper("<div><!-- stepper --></div>", FRONT)
    assert re.fullmatch(r"<div>\s*<section class=\"al-step\".*</section>\s*</div>", page, flags=re.DOTALL)
    assert "<!-- stepper -->" in FRONT


@pytest.mark.parametrize("chart", front.CHARTS, ids=lambda chart: chart.title)
def test_charts_show_the_tables(chart):
    """Every row is drawn or named, with the figure of the table; sorted, linear from 0; unit and command stand there."""
    drawn = html.unescape(front.drawn(chart))
    text = (DOCS / "benchmarks" / f"{chart.page}.md").read_text(encoding="utf-8")
    rows = re.findall(
        r'<th scope="row">(.*?)</th><td><i style="width:(.*?)%"></i></td><td class="figure">(.*?)</td>', drawn
    )
    figures = [float(figure.replace(",", "")) for _, _, figure in rows]
    assert figures == sorted(figures)
    for (_, width, _), figure in zip(rows, figures, strict=True):
        assert float(width) == pytest.approx(100.0 * figure / max(figures), rel=0.01, abs=0.06)
    _, table = front.table(chart)
    assert len(rows) == len(chart.drawn) <= len(table)
    shown = dict(zip((name for name, _, _ in rows), figures, strict=True))
    for row, cells in table.items():
        assert re.search(rf"^\| {re.escape(row)} +\|.*{re.escape(cells[1])}", text, flags=re.MULTILINE), row
        number = shown[front._name(row)] if row in chart.drawn else None
        assert number is not None or f"{front._name(row)} " in drawn.partition("Not drawn: ")[2], row
        if number is not None and chart.columns == ("time a run",):  # the cell itself, in the unit of the chart
            value, unit = cells[1].split()
            scale = front.SECONDS[unit] / front.SECONDS[chart.unit]
            assert number == pytest.approx(float(value.replace(",", "")) * scale, rel=2e-3), row
        elif number is not None:
            parts = [float(cell.replace(",", "")) for cell in cells[1:3]]
            assert number == pytest.approx(sum(parts) * 1e-3, rel=5e-3, abs=1e-3), row
    assert f"{front.UNITS[chart.unit]}, shorter is better" in drawn
    assert f"`python -m benchmarks.{chart.page}`" in drawn
    assert (ROOT / "benchmarks" / f"{chart.page}.py").exists()
    assert f"](benchmarks/{chart.page}.md)" in drawn


def test_charts_that_others_win():
    """The page shows at least one, and says so in its heading; at least three charts in all."""
    fastest = [min((t, row) for row, t in front.measured(c).items() if row != front.FREE)[1] for c in front.CHARTS]
    lost = [c for c, row in zip(front.CHARTS, fastest, strict=True) if not row.startswith(front.OURS)]
    assert lost
    assert len(front.CHARTS) >= 3
    for chart in front.CHARTS:
        assert (" wins\n" in front.drawn(chart)) == (chart in lost)


def test_times_in_tables():
    """With a unit of their own, or with that of their heading."""
    assert front.seconds("5.41 µs") == 5.41e-06
    assert front.seconds("4,303", "record µs") == 0.004303
    assert front.seconds("47 s, from 5,000 steps", "time a run") == 47.0


def test_lines_of_other_libraries_stand_above_ours():
    """Six tiles; after each line of another library comes a session of ours, which the tests run as part of the page."""
    part = FRONT.partition("## Coming from")[2].partition("## Pictures")[0]
    tiles = part.split('<div class="tile" markdown>')[1:]
    assert len(tiles) == 6
    pages = {re.search(r"### \[.*\]\((coming_from/\w+\.md)\)", tile)[1] for tile in tiles}
    assert pages == {f"coming_from/{path.name}" for path in (DOCS / "coming_from").glob("*.md")} - {
        "coming_from/index.md"
    }
    for tile in tiles:
        kinds = re.findall(r"^```(\w+)\n(>>> )?", tile, flags=re.MULTILINE)
        assert kinds == [("text", ""), ("python", ">>> ")] * 2


def test_colours_come_from_the_palette():
    """The style sheets name roles, and only those that the palette has."""
    known = set(re.findall(r"(--[\w-]+):", front.colours()))
    assert "--ink" in known
    assert palette.INK.css in front.colours()
    for name in ("site.css", "front.css"):
        style = (DOCS / "assets" / name).read_text(encoding="utf-8")
        own = {"--f", "--slope"}
        assert {v for v in re.findall(r"var\((--[\w-]+)", style) if not v.startswith("--md-")} <= known | own
        assert set(re.findall(r"#[0-9a-f]{3,8}\b", style)) <= {"#fff"}, "white is the paper of plots"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built strictly."""
    for tool in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(tool, reason="pip install -e '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder


@pytest.mark.full
def test_the_site_is_built_and_searched_as_files(site):
    """Strictly, without an address of another place, and its search answers without a server."""
    for page in site.rglob("*.html"):
        assert not re.search(
            r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"?https?:", page.read_text(encoding="utf-8")
        )
    named = re.findall(r"\]\(([^)]+)\)", (site / "llms.txt").read_text(encoding="utf-8"))
    assert all((site / target).exists() for target in named)
    with chromium.Chromium() as browser:
        browser.open((site / "api" / "nn.html").as_uri())
        browser.run("document.querySelector('.md-search__input').focus()")
        browser.call("Input.insertText", text="logaddexp")
        browser.call("Input.dispatchKeyEvent", type="keyUp", key="p")
        browser.wait("document.querySelectorAll('.md-search-result__link').length > 0")
        found = browser.run("[...document.querySelectorAll('.md-search-result__link')].map(link => link.href)")
        assert any(re.search(r"api/powers_exp_and_log.html.*#logaddexp$", link) for link in found), found
        assert browser.errors == []


@pytest.mark.full
def test_the_front_page_on_screens(site):
    """On four widths, in light and dark: silent, from files, no wider than the screen, with every part and a live stepper."""
    with chromium.Chromium() as browser:
        for width in (390, 768, 1280, 1600):
            grounds = []
            for dark in (False, True):
                browser.look(width, 900, dark=dark)
                browser.call("Page.navigate", url="about:blank")
                browser.open((site / "index.html").as_uri())
                browser.wait("document.querySelector('.al-step .al-sum')?.textContent.includes('0.2139')")
                assert browser.run("document.documentElement.scrollWidth <= innerWidth && innerWidth") == width
                loaded = browser.run("performance.getEntriesByType('resource').map(entry => entry.name)")
                assert [name for name in loaded if not name.startswith(("file:", "data:"))] == []
                count = "document.querySelectorAll('{}').length"
                assert browser.run(count.format(".chart table")) >= 3
                assert browser.run(count.format("h3 a[href^=coming_from]")) == 6
                seen = (
                    "[...document.querySelectorAll('.picture img')].filter(i => i.offsetWidth && i.naturalWidth).length"
                )
                browser.wait(f"{seen} === 6")
                assert browser.run("document.querySelector('.al-step').offsetWidth") == min(
                    width - 2 * (24, 14)[width < 620], 1180
                )
                grounds.append(browser.run(GROUNDS))
            assert grounds[0] != grounds[1]
        assert browser.errors == []


#: The grounds of the page and of the stepper's panel.
GROUNDS = "['body', '.al-top'].map(s => getComputedStyle(document.querySelector(s)).backgroundColor)"


@pytest.mark.full
def test_buttons_of_the_front_page(site):
    """The theme button changes the ground, and the stepper follows; Copy takes what is typed, without prompts and output."""
    with chromium.Chromium() as browser:
        browser.look(1280, 900)
        browser.open((site / "index.html").as_uri())
        light = browser.run(GROUNDS)
        button = "[data-md-component=palette] label:not([hidden])"
        browser.click(button)  # from the system's colours to light
        browser.click(button)
        browser.wait(f"{GROUNDS}.join() !== {light}.join()")
        dark = browser.run(GROUNDS)
        assert [palette.PAPER.light, palette.PAPER.dark] == [as_hex(light[0]), as_hex(dark[0])]
        assert [light[1], dark[1]] == [light[0], dark[0]]
        browser.run("document.addEventListener('copy', () => { window.copied = document.activeElement.value }, true)")
        for place, lines in ((1, ["pip install autograd-lite"]), (2, typed(front.session(FRONT)))):
            browser.click(f".hero > div:nth-child({place}) .md-code__button")
            browser.wait("window.copied")
            assert browser.run("window.copied.trim().split('\\n').filter(Boolean)") == lines
            browser.run("window.copied = ''")
        assert browser.errors == []


def as_hex(colour):
    """A colour of a page, as the palette writes it."""
    return "#" + "".join(f"{int(part):02x}" for part in re.findall(r"\d+", colour))


def typed(session):
    """The lines of a session without prompts and output."""
    return [line.removeprefix(">>> ") for line in session.splitlines() if line.startswith(">>> ")]
