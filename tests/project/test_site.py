"""The site: its pages, its navigation, its map, and the pages that are made from the table and from docstrings."""

import doctest
import html
import os
import re
import subprocess
import sys

import chromium
import generated
import hooks
import plots
import pytest
from house import ROOT

import autograd_lite as al
from autograd_lite import errors, primitives

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


def test_what_is_copied_is_what_was_typed():
    """Without prompts and results; an empty line ends a block, as Python's own prompt needs it."""
    code = (
        '<div class="highlight"><pre><span></span><code><span class="gp">&gt;&gt;&gt; </span><span class="k">if</span> x:\n'
        '<span class="gp">... </span>    y = <span class="s2">"a"</span> &lt; x\n<span class="gp">&gt;&gt;&gt; </span>y\n'
        '<span class="go">True</span>\n<span class="gr">E</span>: no\n</code></pre></div>'
    )
    page = hooks.prepared(code + '<div class="highlight"><pre><code>x</code></pre></div>')
    copied = re.search(r'data-copy="([^"]*)"', page)[1]
    assert html.unescape(copied) == 'if x:\n    y = "a" < x\n\ny\n'
    assert '<span class="said"><span class="gr">E</span>: no</span>' in page
    assert page.count("data-copy") == 1 and '<div class="highlight"><pre><code>x' in page


def test_choices_are_texts():
    """Not names, of which one may be linked."""
    page = hooks.prepared("<b>f</b> (<code>(<span title='x'>zero</span>, none, &#39;raise&#39;)</code>, default: 1)")
    quoted = [f"<code>&#34;{name}&#34;</code>" for name in ("zero", "none", "raise")]
    assert page == f"<b>f</b> ({', '.join(quoted)}, default: 1)"


def test_blocks_fit_the_screen():
    """Comments come near where a line would be cut off; the other program of a pair has colours and a name."""
    block = "```python\n>>> x = 1" + " " * 60 + "# one\n>>> y" + " " * 10 + "# " + "long " * 20 + "\n```"
    assert ">>> x = 1  # one" in hooks.for_site(block, "a.md")
    short = "```python\n>>> x = 1" + " " * 10 + "# one\n```"
    assert ">>> x = 1" + " " * 10 + "# one" in hooks.for_site(short, "a.md")
    pair = hooks.for_site(
        '# Coming from JAX\n<div class="pair" markdown>\n```text\nx\n```\n</div>', "coming_from/jax.md"
    )
    assert '<div class="pair" data-from="JAX" markdown>\n```python\nx' in pair


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


@pytest.mark.full
def test_the_site_is_built_and_searched_as_files(tmp_path):
    """Strictly, without an address of another place, and its search answers without a server."""
    for tool in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(tool, reason="pip install -e '.[docs]'")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    for page in tmp_path.rglob("*.html"):
        assert not re.search(
            r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"?https?:", page.read_text(encoding="utf-8")
        )
    named = re.findall(r"\]\(([^)]+)\)", (tmp_path / "llms.txt").read_text(encoding="utf-8"))
    assert all((tmp_path / target).exists() for target in named)
    with chromium.Chromium() as browser:
        browser.open((tmp_path / "api" / "nn.html").as_uri())
        browser.run("document.querySelector('.md-search__input').focus()")
        browser.call("Input.insertText", text="logaddexp")
        browser.call("Input.dispatchKeyEvent", type="keyUp", key="p")
        browser.wait("document.querySelectorAll('.md-search-result__link').length > 0")
        found = browser.run("[...document.querySelectorAll('.md-search-result__link')].map(link => link.href)")
        assert any(re.search(r"api/powers_exp_and_log.html.*#logaddexp$", link) for link in found), found
        assert browser.errors == []
