"""Which renderer draws, in which order they are tried, and what is said when none can."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from pictures import boxes, neuron

import autograd_lite as al
from autograd_lite.see import render


def program(folder, name, body="import sys; sys.stdin.buffer.read(); print('<svg/>')"):
    """Write a program that runs `body`."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{body}\n")
    path.chmod(0o755)
    return str(path)


posix = pytest.mark.skipif(os.name == "nt", reason="stands in for the renderer by a script with #!")


def test_no_renderer_says_what_was_tried_and_how_to_install(bare):
    """The exact text; the source needs none."""
    view = al.draw(neuron())
    with pytest.raises(al.RendererNotFound) as caught:
        view.svg
    assert str(caught.value) == (
        "No Graphviz renderer was found. Tried: engine= (not given), AUTOGRAD_LITE_DOT (not set), the Python package "
        "graphviz-pure (not installed here), `graphviz-pure` and `dot` on the PATH (not there). Install one with "
        "`pip install graphviz-pure`, or Graphviz itself (`apt install graphviz`, `brew install graphviz`, "
        "`winget install graphviz`), or name a program with engine= or the variable AUTOGRAD_LITE_DOT. "
        '`.source` and `.save("g.dot")` need no renderer.'
    )
    assert view.save(bare / "g.dot").read_text(encoding="utf-8") == view.source


@posix
def test_order_of_renderers(bare, monkeypatch):
    """engine=, the environment, the package, graphviz-pure on the PATH, dot on the PATH."""
    on_path = program(bare, "dot")
    assert render.find_engine() == on_path
    on_path = program(bare, "graphviz-pure")
    assert render.find_engine() == on_path
    elsewhere = bare / "site" / "bin"
    elsewhere.mkdir(parents=True)
    packaged = program(elsewhere, "graphviz-pure")

    class File:
        def __init__(self, path):
            self.locate = lambda: path

    monkeypatch.setattr(render.metadata, "files", lambda _: [File(elsewhere / "METADATA"), File(Path(packaged))])
    assert render.find_engine() == packaged
    named = program(elsewhere, "mine")
    monkeypatch.setenv(render.ENVIRONMENT, named)
    assert render.find_engine() == named
    assert render.find_engine("dot") == str(bare / "dot")
    assert render.find_engine(bare / "dot") == str(bare / "dot")
    assert al.draw(neuron(), engine=named).svg.startswith("<svg/>")


@pytest.mark.parametrize("files", [None, []])
def test_package_without_a_list_of_files(bare, monkeypatch, files):
    """An installer may have kept no list."""
    monkeypatch.setattr(render.metadata, "files", lambda _: files)
    with pytest.raises(al.RendererNotFound):
        render.find_engine()


def test_the_package_is_found_off_the_path(monkeypatch, tmp_path):
    """A virtual environment that is not activated has its bin folder nowhere on the PATH."""
    monkeypatch.delenv(render.ENVIRONMENT, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Path(render.find_engine()).stem == "graphviz-pure"
    assert render.find_engine("graphviz-pure") == render.find_engine()


def test_a_renderer_asked_for_is_not_replaced(monkeypatch):
    """By argument or by environment: if it is not there, this is said."""
    with pytest.raises(al.RendererNotFound, match=r"^engine='no-such-dot' is no program that can be run\. Install"):
        al.draw(neuron(), engine="no-such-dot").svg
    monkeypatch.setenv(render.ENVIRONMENT, "/no/such/dot")
    with pytest.raises(al.RendererNotFound, match=r"^AUTOGRAD_LITE_DOT='/no/such/dot' is no program"):
        al.draw(neuron()).svg


@posix
def test_renderer_fails(tmp_path):
    """Exit code and words are passed on; the noise about letters is not."""
    noise = f"Warning: {render.NOISE} 206"
    body = f"import sys; print({noise!r}, 'Error: <stdin>: boom', sep='\\n', file=sys.stderr); sys.exit(3)"
    engine = program(tmp_path, "bad", body)
    with pytest.raises(al.DrawingError) as caught:
        al.draw(neuron(), engine=engine).svg
    assert str(caught.value) == f"{engine} -Tsvg ended with exit code 3 and said: Error: <stdin>: boom"
    with pytest.raises(al.DrawingError, match=r"exit code 0 and said: nothing"):
        al.draw(neuron(), engine=program(tmp_path, "silent", "")).svg
    with pytest.raises(al.DrawingError, match=r"printed no <svg> element but 'hello"):
        al.draw(neuron(), engine=program(tmp_path, "liar", "print('hello')")).svg


@posix
def test_renderer_that_only_warns(tmp_path):
    """It drew, and what it said is a warning."""
    engine = program(tmp_path, "loud", "import sys; print('<svg/>'); print('font missing', file=sys.stderr)")
    with pytest.warns(UserWarning, match="said: font missing"):
        assert al.draw(neuron(), engine=engine).svg == "<svg/>\n"


@posix
def test_renderer_that_hangs(tmp_path, monkeypatch):
    """It is stopped, and the message says what to do."""
    monkeypatch.setattr(render, "TIMEOUT", 0.2)
    engine = program(tmp_path, "slow", "import time; time.sleep(20)")
    with pytest.raises(al.DrawingError, match=r"was not done after 0\.2 s\. Draw less of the graph with depth=…"):
        al.draw(neuron(), engine=engine).svg


@posix
def test_renderer_that_is_no_program(tmp_path):
    """A text file marked as executable."""
    path = tmp_path / "text"
    path.write_bytes(b"\x7fELF no")
    path.chmod(0o755)
    with pytest.raises(al.DrawingError, match=r"could not be run: Exec format error\. Install"):
        al.draw(neuron(), engine=path).svg


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz's own dot")
def test_graphviz_itself_draws_the_same_boxes():
    """Never compared byte by byte: two renderers, one content."""
    assert boxes(al.draw(neuron(), engine="dot")) == boxes(al.draw(neuron()))


@posix
def test_png_and_pdf_are_made_by_graphviz_itself_where_it_is_there(bare, tmp_path):
    """It has the fonts of the machine; SVG stays with graphviz-pure. What the user names is not replaced."""
    pure = program(bare, "graphviz-pure")
    assert render.find_engine(None, "pdf") == pure
    dot = program(bare, "dot", "import sys; sys.stdin.buffer.read(); print('by dot', *sys.argv[1:])")
    assert [render.find_engine(None, kind) for kind in ("svg", "png", "pdf")] == [pure, dot, dot]
    assert render.find_engine(pure, "pdf") == pure
    view = al.draw(neuron())
    assert view.save(tmp_path / "g.pdf").read_text() == "by dot -Tpdf\n"
    assert view.save(tmp_path / "g.PNG").read_text() == "by dot -Tpng -Gdpi=144\n"


def test_a_renderer_without_pdf_says_which_program_can(tmp_path):
    """The exact text; nothing is written."""
    pure = render.find_engine("graphviz-pure")
    with pytest.raises(al.RendererNotFound) as caught:
        al.draw(neuron(), engine=pure).save(tmp_path / "g.pdf")
    assert str(caught.value) == (
        f"{pure} cannot make a PDF. The program `dot` of Graphviz itself can: `apt install graphviz`, "
        "`brew install graphviz`, `winget install graphviz`; or name one with engine=. Or save an .svg or a .png."
    )
    assert not (tmp_path / "g.pdf").exists()
