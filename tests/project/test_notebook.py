"""The notebooks: a script that runs, and sections of the tutorial as cells."""

import ast
import contextlib
import io
import json
import re
import runpy

import hooks
import notebooks
import pytest
from house import ROOT

NOTEBOOK = ROOT / "docs" / "notebook.py"


def test_every_cell_of_the_script_runs():
    """Its claims are assertions."""
    names = runpy.run_path(str(NOTEBOOK))
    assert names["losses"][-1] < names["losses"][0]


@pytest.mark.parametrize("name", notebooks.NOTEBOOKS)
def test_a_notebook_is_up_to_date(name):
    """`python docs/notebooks.py` writes them anew from the tutorial."""
    kept = (notebooks.FOLDER / f"{name}.ipynb").read_text(encoding="utf-8")
    assert kept == notebooks.notebook(name, notebooks.address())


def test_there_is_no_other_notebook():
    """One that nothing makes would grow old unseen; each is on the page."""
    assert {path.stem for path in notebooks.FOLDER.iterdir()} == set(notebooks.NOTEBOOKS)
    page = (ROOT / "docs" / "notebooks.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\(notebooks/(\w+)\.ipynb\)", page)) == set(notebooks.NOTEBOOKS)


@pytest.mark.parametrize("name", notebooks.NOTEBOOKS)
def test_every_cell_prints_what_stands_below_it(name):
    """In one namespace, from the first cell to the last, as a notebook runs them; drawings are shown as SVG."""
    names, drawn = {}, 0
    for cell in json.loads(notebooks.notebook(name))["cells"]:
        if cell["cell_type"] != "code":
            continue
        source = "".join(cell["source"])
        printed, value = run(source, names)
        drawn += value is not None and not cell["outputs"] and "<svg" in value._repr_mimebundle_()["image/svg+xml"]
        shown = [printed] if printed else []
        shown += [repr(value)] if value is not None and cell["outputs"] else []
        assert shown == ["".join(o.get("text") or o["data"]["text/plain"]) for o in cell["outputs"]], source
    assert drawn == (name == "first_steps")


def run(source, names):
    """What a cell prints, and the value of its last line if that is an expression."""
    body = ast.parse(source).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(ast.Module(body, []), "<cell>", "exec"), names)  # noqa: S102
        value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names) if last else None  # noqa: S307
    return out.getvalue(), value


@pytest.mark.parametrize("name", notebooks.NOTEBOOKS)
@pytest.mark.parametrize("address", ["", "https://github.com/a/b"])
def test_a_notebook_has_the_format(name, address):
    """As nbformat checks it."""
    nbformat = pytest.importorskip("nbformat")
    nbformat.validate(nbformat.reads(notebooks.notebook(name, address), as_version=4))


@pytest.mark.parametrize("name", notebooks.NOTEBOOKS)
def test_links_of_a_notebook(name):
    """They lead to files, seen from its folder."""
    prose = "".join(
        line
        for cell in json.loads(notebooks.notebook(name))["cells"]
        if cell["cell_type"] == "markdown"
        for line in cell["source"]
    )
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", prose)]
    assert targets
    assert all((notebooks.FOLDER / target).exists() for target in targets), targets


def test_badges_appear_with_an_address():
    """In the notebook and on the page; there is no address yet, and these services look only at GitHub."""
    page = (ROOT / "docs" / "notebooks.md").read_text(encoding="utf-8")
    text = notebooks.notebook("xor", "https://github.com/a/b")
    assert "https://colab.research.google.com/github/a/b/blob/main/docs/notebooks/xor.ipynb)" in text
    assert "https://mybinder.org/v2/gh/a/b/main?labpath=docs/notebooks/xor.ipynb)" in text
    assert "%pip install --quiet 'autograd-lite[jit] @ git+https://github.com/a/b'" in text
    assert "(https://github.com/a/b/raw/main/docs/pictures/tutorial-xor.png)" in text
    assert "(https://github.com/a/b/blob/main/docs/tutorial.md)" in text
    assert notebooks.with_badges(page, "https://github.com/a/b").count("colab-badge.svg") == len(notebooks.NOTEBOOKS)
    for elsewhere in ("", "https://example.org/a/b"):
        assert notebooks.badges("xor", elsewhere) == ""
        assert notebooks.with_badges(page, elsewhere) == page
    assert notebooks.address() == ""
    assert hooks.for_site(page, "notebooks.md").count("badge") == 0
